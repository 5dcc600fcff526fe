// The queue's metrics as a scrape sees them.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Labels, Metrics } from '../base/metrics.ts'
import { delivered, greylisted, queueWorld, refused } from '../testing/queue-world.ts'

function readable(): { metrics: Metrics; read: (name: string) => Promise<number> } {
  const values = new Map<string, number>()
  const gauges = new Map<string, () => number | Promise<number>>()
  const add = (name: string, count: number, labels?: Labels): void => {
    const key = labels === undefined ? name : `${name} ${Object.values(labels).join(' ')}`
    values.set(key, (values.get(key) ?? 0) + count)
  }
  return {
    metrics: {
      counter: (name) => ({ add: (count, labels) => add(name, count, labels) }),
      histogram: (name) => ({ observe: () => add(name, 1) }),
      gauge: (name, _help, read) => void gauges.set(name, read),
    },
    read: async (name) => (await gauges.get(name)?.()) ?? values.get(name) ?? 0,
  }
}

test('outcomes, reports, what is under way, and the age of the oldest due delivery', async () => {
  const { metrics, read } = readable()
  const world = await queueWorld({ metrics, limits: () => ({ concurrency: 1, recipientsPerJobMax: 100 }) })
  const open: (() => void)[] = []
  world.deliver = (delivery) => {
    switch (delivery.domain) {
      case 'slow.test':
        return new Promise((resolve) => open.push(() => resolve(delivered)))
      case 'grey.test':
        return greylisted
      case 'bad.test':
        return refused
      case 'dead.test':
        return 'down'
      default:
        return delivered
    }
  }
  assert.equal(await read('posthouse_queue_oldest_due_seconds'), 0)
  await world.send(['a@ok.test', 'b@bad.test', 'c@grey.test', 'd@dead.test'])
  await world.send(['a@slow.test'])
  await world.send(['b@slow.test'])
  await world.clock.advance(7000)
  assert.equal(await read('posthouse_queue_oldest_due_seconds'), 7)
  assert.equal(await read('posthouse_queue_dialing_jobs'), 1)
  assert.equal(await read('posthouse_queue_ready_deliveries'), 1)
  assert.equal(await read('posthouse_queue_blocked_destinations'), 1)
  assert.ok((await read('posthouse_queue_memory_bytes')) > 0)
  assert.equal(await read('posthouse_queue_outcomes_total delivered'), 2)
  assert.equal(await read('posthouse_queue_outcomes_total deferred'), 2)
  assert.equal(await read('posthouse_queue_outcomes_total failed'), 1)
  assert.equal(await read('posthouse_queue_reports_total failed'), 1)
  assert.equal(await read('posthouse_queue_delivery_age_seconds'), 2)
  for (let i = 0; i < 2; i++) {
    open.shift()?.()
    await world.clock.settle()
  }
  assert.equal(await read('posthouse_queue_oldest_due_seconds'), 0)
  assert.equal(await read('posthouse_queue_memory_bytes'), 0)
})
