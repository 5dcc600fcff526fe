// Owns the proof of greylisting, of the first-time delay and of the table they remember in.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { FirstTime } from './first-time.ts'
import { Greylist, type Triplet } from './greylist.ts'
import { SeenTable } from './seen-table.ts'

const minute = 60_000
const day = 86_400_000

function world(some: { entriesMax?: number; knownAfter?: number } = {}) {
  const clock = new VirtualClock()
  const table = new SeenTable({ clock, ...(some.entriesMax && { entriesMax: some.entriesMax }) })
  const greylist = new Greylist({
    clock,
    table,
    waitMs: 5 * minute,
    retryWithinMs: day,
    knownAfter: some.knownAfter ?? 2,
  })
  return { clock, table, greylist }
}

const one: Triplet = { address: '192.0.2.9', reversePath: 'a@there.test', recipient: 'b@here.test' }

test('first, too early, back again, known; from the same network too', async () => {
  const { clock, greylist } = world()
  const first = greylist.check(one)
  assert.deepEqual([first.result, first.advice, first.reply?.code], ['first', 'defer', 451])
  assert.match(first.reply?.text ?? '', /try again in 5m/)
  await clock.advance(4 * minute)
  assert.equal(greylist.check({ ...one, address: '192.0.2.77' }).result, 'early')
  await clock.advance(minute)
  assert.equal(greylist.check({ ...one, address: '192.0.2.77' }).result, 'passed')
  assert.equal(greylist.check({ ...one, address: '192.0.3.9' }).result, 'first', 'another network')
  assert.equal(greylist.check({ ...one, recipient: 'c@here.test' }).result, 'first', 'another recipient')
  greylist.passed(one)
  await clock.advance(30 * day)
  assert.equal(greylist.check(one).result, 'known')
  await clock.advance(37 * day)
  assert.equal(greylist.check(one).result, 'first', 'forgotten')
})

test('who comes back after the time for it begins anew', async () => {
  const { clock, greylist } = world()
  greylist.check(one)
  await clock.advance(day + minute)
  assert.equal(greylist.check(one).result, 'first')
})

test('a network that came back often enough is let in at once', async () => {
  const { clock, greylist } = world({ knownAfter: 2 })
  for (const recipient of ['b@here.test', 'c@here.test']) {
    greylist.check({ ...one, recipient })
    await clock.advance(5 * minute)
    assert.equal(greylist.check({ ...one, recipient }).result, 'passed')
    greylist.passed({ ...one, recipient })
  }
  assert.equal(greylist.check({ ...one, recipient: 'new@here.test' }).result, 'known')
})

test('what was seen outlives the process, in shards that changed; garbage in them is passed over', async () => {
  const { clock, table, greylist } = world()
  greylist.check(one)
  await clock.advance(5 * minute)
  greylist.passed(one)
  const shards = table.takeDirty()
  assert.ok(shards.length >= 1 && shards.length <= 2)
  assert.deepEqual(table.takeDirty(), [])
  table.keepDirty(shards.map(({ shard }) => shard))
  assert.equal(table.takeDirty().length, shards.length)
  const kept = JSON.parse(JSON.stringify(shards.map(({ rows }) => rows)))
  const again = new SeenTable({ clock })
  again.load([null, 7, [[]], [['short', 1, 2, 3]], [['x'.repeat(16), -1, 'y', {}]], ...kept])
  assert.equal(again.size, 2)
  const greylistAgain = new Greylist({ clock, table: again, waitMs: 1, retryWithinMs: day, knownAfter: 0 })
  assert.equal(greylistAgain.check(one).result, 'known')
})

test('the table is bounded, the longest unused goes first, whatever is done', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(30), fc.boolean())), (steps) => {
      const table = new SeenTable({ clock: new VirtualClock(), entriesMax: 8 })
      for (const [word, passed] of steps) table.note([String(word)], { passed })
      assert.ok(table.size <= 8)
      const last = [...new Set(steps.map(([word]) => word).reverse())].slice(0, 8)
      for (const word of last) assert.ok(table.get([String(word)]) !== undefined)
    }),
  )
})

test('a first-time sender waits, a known one does not, and no more than the bound wait', async () => {
  const { clock, table } = world()
  const delay = new FirstTime({ clock, table, delayMs: 15_000, waitingMax: 1 })
  const waiting = delay.check('a@there.test')
  assert.match((await delay.check('c@there.test')).reason, /too many/)
  let done = false
  void waiting.then(() => {
    done = true
  })
  await clock.advance(14_000)
  assert.equal(done, false)
  await clock.advance(2000)
  assert.equal((await waiting).result, 'first')
  delay.passed('A@there.test')
  assert.equal((await delay.check('a@there.test')).result, 'known')
  const gone = new AbortController()
  const dropped = delay.check('d@there.test', gone.signal)
  gone.abort()
  assert.equal((await dropped).result, 'first')
  assert.equal(clock.pendingCount, 0)
})
