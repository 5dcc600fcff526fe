// Owns the numbers of the last day: which minute they fall into, what is forgotten, and that they stay bounded.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { VirtualClock } from '../testing/virtual-clock.ts'
import { Traffic } from './traffic.ts'

const minute = 60_000

test('traffic: each number falls into its minute, the oldest first', async () => {
  const clock = new VirtualClock()
  let connections = 3
  const traffic = new Traffic(clock, () => connections)
  traffic.count('accepted', 2)
  traffic.outcome('delivered', 'mx:a.test', 100)
  await clock.advance(minute)
  connections = 1
  traffic.count('refused')
  for (const age of [10, 20, 30, 40]) traffic.outcome('delivered', 'mx:a.test', age)
  traffic.outcome('deferred', 'mx:b.test', 0)
  const { series, stepMs, at } = traffic.series(3)
  assert.equal(stepMs, minute)
  assert.equal(at.at(-1), clock.now())
  assert.deepEqual(series.accepted, [0, 2, 0])
  assert.deepEqual(series.refused, [0, 0, 1])
  assert.deepEqual(series.delivered, [0, 1, 4])
  assert.deepEqual(series.deferred, [0, 0, 1])
  assert.deepEqual(series.connections, [0, 3, 1])
  assert.deepEqual(series.latencyP50, [null, 100, 30])
  assert.deepEqual(series.latencyP95, [null, 100, 40])
  assert.deepEqual(traffic.history('mx:a.test').delivered.slice(-2), [1, 4])
  assert.equal(traffic.history('mx:a.test').delivered.length, 60)
  assert.deepEqual(new Set(traffic.history('mx:unknown.test').failed), new Set([0]))
})

test('traffic: an hour later a destination has no history, a day later a minute is used anew', async () => {
  const clock = new VirtualClock()
  const traffic = new Traffic(clock, () => 0)
  traffic.outcome('failed', 'mx:a.test', 0)
  await clock.advance(59 * minute)
  assert.equal(traffic.history('mx:a.test').failed[0], 1)
  await clock.advance(minute)
  assert.deepEqual(new Set(traffic.history('mx:a.test').failed), new Set([0]))
  await clock.advance(1380 * minute)
  traffic.count('accepted')
  const { series, at } = traffic.series(1440)
  assert.equal(at.length, 120)
  assert.equal(series.accepted.at(-1), 1)
  assert.equal(
    series.failed.reduce((sum, count) => sum + count),
    0,
  )
})

test('traffic: what is under way is counted up and down', () => {
  const traffic = new Traffic(new VirtualClock(), () => 0)
  traffic.underWay('mx:a.test', 3)
  traffic.underWay('mx:a.test', -1)
  assert.equal(traffic.activeCount('mx:a.test'), 2)
  traffic.underWay('mx:a.test', -2)
  assert.equal(traffic.activeCount('mx:a.test'), 0)
})
