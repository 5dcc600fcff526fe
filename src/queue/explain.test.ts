// What is said about a delivery: greylisted, deferred, destination down, held, waiting for a slot, done.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Answer,
  delivered,
  greylisted,
  type QueueWorld,
  queueWorld,
  refused,
} from '../testing/queue-world.ts'
import { duration, type Explanation, explain, isGreylisting } from './explain.ts'
import type { Outcome } from './types.ts'

function explainIn(world: QueueWorld, id: string): Explanation {
  const message = world.store.messages.get(id)
  assert.ok(message)
  return explain(
    { message, deliveries: world.store.live(id), events: world.store.eventsOf(id) },
    {
      now: world.clock.now(),
      destinationState: (destination) => world.store.down.get(destination),
      activity: (messageId, seq) => world.queue.activity(messageId, seq),
    },
  )
}

async function after(answer: Answer | (() => Promise<Answer>)): Promise<{ world: QueueWorld; id: string }> {
  const world = await queueWorld()
  world.deliver = (delivery) =>
    delivery.domain === 'home.test' ? delivered : typeof answer === 'function' ? answer() : answer
  const id = await world.send(['bob@there.test'])
  return { world, id }
}

test("a greylisted delivery: the other side's words, the next try and why", async () => {
  const { world, id } = await after(greylisted)
  const { deliveries, text } = explainIn(world, id)
  assert.equal(deliveries[0]?.waiting, 'greylisted')
  assert.equal(deliveries[0]?.words, '451 4.7.1 greylisted, come back later')
  assert.equal(deliveries[0]?.nextTryAt, world.store.live(id)[0]?.dueAt)
  assert.match(text, /Greylisted/)
  assert.match(text, /Next try in (2\d|3\d) s \(attempt 2; waits grow with each attempt\)/)
  assert.match(text, /Last words: 451 4\.7\.1 greylisted, come back later\./)
  assert.match(text, /given up in 5 d/)
})

test('a deferred delivery', async () => {
  const { world, id } = await after({
    kind: 'deferred',
    status: '4.2.2',
    reason: '452 4.2.2 mailbox full',
    isReply: true,
    retryAfterMs: 7_200_000,
  })
  const { deliveries, text } = explainIn(world, id)
  assert.equal(deliveries[0]?.waiting, 'deferred')
  assert.match(text, /Put off after attempt 1\. Next try in 2 h \(the other side asked to wait that long\)/)
  assert.match(text, /452 4\.2\.2 mailbox full/)
})

test('a destination that is down: since when, how often tried, next probe; also for what was never dialed', async () => {
  const { world, id } = await after('down')
  const second = await world.send(['eve@there.test'])
  await world.clock.advance(5000)
  for (const each of [id, second]) {
    const { deliveries, text } = explainIn(world, each)
    assert.equal(deliveries[0]?.waiting, 'destination-down')
    assert.equal(deliveries[0]?.nextTryAt, world.store.down.get('mx:there.test')?.blockedUntil)
    assert.match(
      text,
      /mx:there\.test cannot be reached: connection refused\. It has been down for 5 s and was tried once\. One delivery probes it in (1\d|2\d|3\d) s/,
    )
  }
})

test('a held delivery: by whom and why', async () => {
  const { world, id } = await after(greylisted)
  await world.queue.hold({ ids: [id] }, { by: 'ann', reason: 'looks odd' })
  const { deliveries, text } = explainIn(world, id)
  assert.equal(deliveries[0]?.waiting, 'held')
  assert.equal(deliveries[0]?.heldBy, 'ann')
  assert.match(text, /Held by ann \(looks odd\); only a release moves it/)
})

test('under way, and waiting for a slot', async () => {
  const world = await queueWorld({ limits: () => ({ concurrency: 1, recipientsPerJobMax: 1 }) })
  world.deliver = () => new Promise(() => {})
  const id = await world.send(['a@there.test', 'b@there.test'])
  const { deliveries } = explainIn(world, id)
  assert.deepEqual(
    deliveries.map((each) => each.waiting),
    ['attempting', 'slot'],
  )
  assert.match(deliveries[1]?.text ?? '', /waits for a free slot to mx:there\.test/)
})

test('a possible duplicate is explained', async () => {
  const lost: Outcome = {
    kind: 'deferred',
    status: '4.4.2',
    reason: 'connection lost after the final dot',
    isReply: false,
    mayHaveDelivered: true,
  }
  const { world, id } = await after(lost)
  const { deliveries, text } = explainIn(world, id)
  assert.equal(deliveries[0]?.mayHaveDelivered, true)
  assert.match(text, /it may arrive twice/)
  world.deliver = () => delivered
  await world.clock.advance(60_000)
  assert.match(explainIn(world, id).text, /Delivered to mx\.there\.test.* It may have arrived twice/)
})

test('what is done: delivered, failed, deleted', async () => {
  const done = await after(delivered)
  assert.match(
    explainIn(done.world, done.id).text,
    /Delivered to mx\.there\.test, which said: 250 2\.0\.0 taken/,
  )
  const failed = await after(refused)
  assert.match(explainIn(failed.world, failed.id).text, /Failed for good: 550 5\.1\.1 no such user/)
  const gone = await after(greylisted)
  await gone.world.queue.delete({ ids: [gone.id] }, { by: 'ann' })
  assert.match(explainIn(gone.world, gone.id).text, /Deleted by ann/)
})

test('what greylisting looks like', () => {
  assert.equal(isGreylisting({ lastError: '450 4.2.0 Recipient greylisted' }), true)
  assert.equal(isGreylisting({ lastError: '451 please try again (Gray-Listing)' }), true)
  assert.equal(isGreylisting({ lastError: '451 4.7.1 try later', lastStatus: '4.7.1' }), true)
  assert.equal(isGreylisting({ lastError: '452 4.2.2 full', lastStatus: '4.2.2' }), false)
  assert.equal(isGreylisting({}), false)
})

test('durations for people', () => {
  assert.deepEqual(
    [0, 45_000, 89_000, 720_000, 12_000_000, 3_600_000, 432_000_000, 352_800_000].map(duration),
    ['0 s', '45 s', '89 s', '12 min', '3 h 20 min', '1 h', '5 d', '4 d 2 h'],
  )
})
