// A destination that is down is tried as a destination, not once per message.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { delivered, greylisted, type QueueWorld, queueWorld } from '../testing/queue-world.ts'

const minute = 60_000
const hour = 60 * minute

async function sendMany(world: QueueWorld, count: number, domain: string): Promise<readonly string[]> {
  const messages = Array.from({ length: count }, (_, i) =>
    world.make([`u${i}@${domain}`], { reversePath: '' }),
  )
  await Promise.all(messages.map((message) => world.queue.accept(message)))
  await world.clock.settle(10)
  return messages.map((message) => message.message.id)
}

test('10,000 messages to a dead host make a bounded number of dials', async () => {
  const world = await queueWorld({ deliver: () => 'down' })
  await sendMany(world, 10_000, 'dead.test')
  assert.ok(world.dials.length <= 20, String(world.dials.length))
  const first = world.dials.length
  assert.equal(world.store.down.get('mx:dead.test')?.failureCount, 1)
  assert.equal(world.queue.counts().readyDeliveries, 0)
  assert.equal(world.queue.counts().memoryBytes, 0)
  for (const row of world.store.rows.values()) assert.equal(row.state, 'waiting')
  await world.clock.advance(12 * hour)
  const probes = world.dials.length - first
  // 30 s, 1, 2, 4 ... min, then one an hour.
  assert.ok(probes >= 12 && probes <= 24, String(probes))
  assert.equal(world.dialingMost <= 20, true)
  assert.equal(world.store.rows.size, 10_000)
})

test('a destination backs off as a whole, from 30 s to 1 h, one probe at each end', async () => {
  const world = await queueWorld({ deliver: () => 'down' })
  await sendMany(world, 30, 'dead.test')
  const waits: number[] = []
  let last = world.clock.now()
  for (let i = 0; i < 9; i++) {
    const before = world.dials.length
    const until = world.store.down.get('mx:dead.test')?.blockedUntil ?? 0
    await world.clock.advance(until - world.clock.now() - 1)
    assert.equal(world.dials.length, before)
    await world.clock.advance(1)
    assert.equal(world.dials.length, before + 1)
    waits.push(until - last)
    last = until
    assert.equal(world.store.down.get('mx:dead.test')?.failureCount, i + 2)
  }
  for (const [i, wait] of waits.entries()) {
    const middle = Math.min(3_600_000, 30_000 * 2 ** i)
    assert.ok(wait >= middle * 0.8 && wait <= Math.min(3_600_000, middle * 1.2), `${i}: ${wait}`)
  }
})

test('when the probe succeeds the destination is up again and everything follows at once', async () => {
  const world = await queueWorld({ deliver: () => 'down' })
  await sendMany(world, 500, 'dead.test')
  await world.clock.advance(3 * minute)
  world.deliver = () => delivered
  const before = world.dials.length
  const until = world.store.down.get('mx:dead.test')?.blockedUntil ?? 0
  await world.clock.advance(until - world.clock.now())
  await world.clock.settle(100)
  assert.equal(world.store.rows.size, 0)
  assert.equal(world.dials.length - before, 500)
  assert.equal(world.store.down.size, 0)
  assert.deepEqual(world.queue.downDestinations(), [])
})

test('an answer that judges a message proves the destination up', async () => {
  const world = await queueWorld({ deliver: () => 'down' })
  await sendMany(world, 3, 'dead.test')
  world.deliver = () => greylisted
  await world.clock.advance(40_000)
  assert.equal(world.store.down.size, 0)
})

test('new mail to a destination that is down waits with it, and does not touch other destinations', async () => {
  const world = await queueWorld()
  world.deliver = (delivery) => (delivery.domain === 'dead.test' ? 'down' : delivered)
  await world.send(['a@dead.test'])
  const second = await world.send(['b@dead.test', 'c@alive.test'])
  assert.equal(world.dialsTo('mx:dead.test').length, 1)
  assert.equal(world.dialsTo('mx:alive.test').length, 1)
  const [row] = world.store.live(second)
  assert.equal(row?.state, 'waiting')
  assert.equal(row?.attemptCount, 0)
})

test('rows that were in memory when it went down say why they wait', async () => {
  const world = await queueWorld({
    deliver: () => 'down',
    limits: () => ({ concurrency: 1, recipientsPerJobMax: 1 }),
  })
  const id = await world.send(['a@dead.test', 'b@dead.test'])
  const rows = world.store.live(id)
  assert.deepEqual(
    rows.map((row) => [row.attemptCount, row.lastError, row.state]),
    [
      [1, 'connection refused', 'waiting'],
      [0, 'connection refused', 'waiting'],
    ],
  )
  assert.equal(
    world.store.eventsOf(id).find((event) => event.kind === 'deferred')?.data.why,
    'destination down',
  )
})

test('a restart remembers which destinations are down', async () => {
  const world = await queueWorld({ deliver: () => 'down' })
  await sendMany(world, 50, 'dead.test')
  const dials = world.dials.length
  await world.restart()
  await world.send(['late@dead.test'])
  assert.equal(world.dials.length, dials)
  await world.clock.advance(40_000)
  assert.equal(world.dials.length, dials + 1)
})

test('many dead destinations do not keep a living one waiting', async () => {
  const world = await queueWorld()
  world.deliver = (delivery) => (delivery.domain === 'alive.test' ? delivered : 'down')
  for (let i = 0; i < 300; i++) await world.queue.accept(world.make([`u@dead${i}.test`]))
  await world.clock.settle(20)
  await world.clock.advance(2 * hour)
  const at = world.clock.now()
  await world.send(['bob@alive.test'])
  assert.equal(world.dialsTo('mx:alive.test')[0]?.at, at)
  assert.equal(world.dialsTo('mx:dead7.test').length < 12, true)
})

test('a destination without mail is forgotten', async () => {
  const world = await queueWorld({ deliver: () => 'down' })
  const id = await world.send(['a@dead.test'])
  await world.queue.delete({ ids: [id] })
  await world.clock.advance(4 * hour)
  assert.deepEqual(world.queue.downDestinations(), [])
  assert.equal(world.store.down.size, 0)
})
