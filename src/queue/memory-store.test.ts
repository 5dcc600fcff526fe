// The queue over the memory store: the contract that both read the same way.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryStore } from '../store/memory/memory-store.ts'
import type { Store } from '../store/store.ts'
import { delivered, greylisted, QueueWorld, type QueueWorldOptions, refused } from '../testing/queue-world.ts'
import { explain } from './explain.ts'

const hour = 3_600_000

async function worldOverMemory(
  options: QueueWorldOptions = {},
): Promise<{ world: QueueWorld; store: Store }> {
  const stores: Store[] = []
  const world = new QueueWorld({
    ...options,
    wrapStore: (_fake, clock) => {
      const store = createMemoryStore({ clock })
      stores.push(store)
      return store
    },
  })
  await world.queue.start()
  return { world, store: stores[0] as Store }
}

test('a whole life over the memory store: deferred, late, held, released, failed, reported, delivered', async () => {
  const { world, store } = await worldOverMemory()
  world.deliver = (delivery) =>
    delivery.domain === 'there.test' ? greylisted : delivery.domain === 'bad.test' ? refused : delivered
  const id = await world.send(['bob@there.test', 'eve@bad.test', 'ann@ok.test'])
  assert.deepEqual(
    (await store.messageView(id))?.deliveries.map((row) => row.seq),
    [0],
  )
  await world.clock.advance(4 * hour + 1000)
  const view = await store.messageView(id)
  assert.ok(view)
  assert.deepEqual(
    view.events.filter((event) => event.kind === 'dsn').map((event) => event.data.kind),
    ['failed', 'delayed'],
  )
  const told = explain(view, { now: world.clock.now(), destinationState: () => undefined })
  assert.match(told.text, /Greylisted/)
  assert.equal((await world.queue.hold({ ids: [id] })).count, 1)
  await world.clock.advance(200 * hour)
  assert.equal((await store.messageView(id))?.deliveries[0]?.state, 'held')
  world.deliver = () => delivered
  assert.equal((await world.queue.release({ ids: [id] })).count, 1)
  await world.clock.settle()
  const end = await store.messageView(id)
  assert.deepEqual(end?.deliveries, [])
  assert.equal(end?.events.at(-1)?.kind, 'delivered')
  assert.deepEqual(world.fatals, [])
  const stats = await store.queueStats(world.clock.now())
  assert.deepEqual([stats.waiting, stats.active, stats.held], [0, 0, 0])
})

test('a dead host over the memory store', async () => {
  const { world, store } = await worldOverMemory({ deliver: () => 'down' })
  const messages = Array.from({ length: 500 }, () => world.make(['bob@dead.test'], { reversePath: '' }))
  await Promise.all(messages.map((message) => world.queue.accept(message)))
  await world.clock.advance(hour)
  assert.ok(world.dials.length < 32, String(world.dials.length))
  world.deliver = () => delivered
  await world.clock.advance(2 * hour)
  const stats = await store.queueStats(world.clock.now())
  assert.deepEqual([stats.waiting, stats.active], [0, 0])
  assert.deepEqual(await store.destinations(), [])
})
