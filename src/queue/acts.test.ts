// What operators can do: hold, release, retry now, bounce now, delete.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { delivered, greylisted, type QueueWorld, queueWorld } from '../testing/queue-world.ts'
import type { Act } from './outcomes.ts'
import type { QueueFilter } from './store.ts'

const hour = 3_600_000

/** Three waiting deliveries, two of them of one domain. */
async function waiting(): Promise<{ world: QueueWorld; ids: readonly string[] }> {
  const world = await queueWorld()
  world.deliver = (delivery) => (delivery.domain === 'home.test' ? delivered : greylisted)
  const ids = [await world.send(['a@x.test', 'b@x.test']), await world.send(['c@y.test'])]
  return { world, ids }
}

test('each act, by message, by delivery, by destination and by domain', async () => {
  const filters: readonly (readonly [(ids: readonly string[]) => QueueFilter, number])[] = [
    [(ids) => ({ ids: [ids[0] ?? ''] }), 2],
    [(ids) => ({ ids: [`${ids[0]}-1`] }), 1],
    [(ids) => ({ ids }), 3],
    [() => ({ destination: 'mx:x.test' }), 2],
    [() => ({ domain: 'y.test' }), 1],
    [() => ({ domain: 'z.test' }), 0],
    [() => ({}), 3],
  ]
  for (const [filter, count] of filters)
    for (const act of ['hold', 'retry', 'bounce', 'delete'] as const) {
      const { world, ids } = await waiting()
      const kind = { hold: 'held', retry: 'retried', bounce: 'bounced', delete: 'deleted' }[act]
      const result = await world.queue.act(act, filter(ids), { by: 'ann', reason: 'spring cleaning' })
      assert.deepEqual(result, { count, busyCount: 0, markedCount: 0, more: false }, act)
      const events = world.store.events.filter((event) => event.kind === kind)
      assert.equal(events.length, count)
      for (const event of events) assert.equal(event.data.by, 'ann')
      await world.clock.settle()
      assert.equal(world.store.rows.size, act === 'bounce' || act === 'delete' ? 3 - count : 3)
    }
})

test('hold: it is not tried and does not expire; release: it is tried at once', async () => {
  const { world, ids } = await waiting()
  await world.queue.hold({ ids: [ids[1] ?? ''] })
  const dials = world.dialsTo('mx:y.test').length
  await world.clock.advance(200 * hour)
  assert.equal(world.dialsTo('mx:y.test').length, dials)
  assert.equal(world.store.live(ids[1] ?? '')[0]?.state, 'held')
  assert.equal((await world.queue.hold({ ids: [ids[1] ?? ''] })).count, 0)
  world.deliver = () => delivered
  assert.equal((await world.queue.release({ domain: 'y.test' })).count, 1)
  await world.clock.settle()
  assert.equal(world.dialsTo('mx:y.test').length, dials + 1)
  assert.ok(world.eventKinds(ids[1] ?? '').includes('released'))
})

test('a held row that is accepted waits for its release', async () => {
  const world = await queueWorld()
  const now = world.clock.now()
  const message = world.make([])
  const seed = {
    messageId: message.message.id,
    seq: 0,
    recipient: 'a@x.test',
    domain: 'x.test',
    destination: 'mx:x.test',
  }
  await world.queue.accept({ ...message, deliveries: [world.queue.schedule({ ...seed, held: true }, now)] })
  await world.clock.advance(200 * hour)
  assert.equal(world.dials.length, 0)
  await world.queue.release({})
  await world.clock.settle()
  assert.equal(world.dials.length, 1)
  assert.equal(world.store.rows.size, 0)
})

test('retry now: tried at once, also where the destination is down', async () => {
  const world = await queueWorld({ deliver: () => 'down' })
  const id = await world.send(['a@x.test'])
  const other = await world.send(['b@x.test'])
  world.deliver = () => delivered
  const result = await world.queue.retryNow({ ids: [id] })
  assert.equal(result.count, 1)
  await world.clock.settle(20)
  assert.equal(world.store.live(id).length, 0)
  // The probe that it was has succeeded: the others follow.
  assert.equal(world.store.live(other).length, 0)
})

test('bounce now tells the sender, delete tells nobody', async () => {
  const { world, ids } = await waiting()
  await world.queue.bounceNow({ ids: [ids[0] ?? ''] }, { reason: 'not wanted' })
  await world.queue.delete({ ids: [ids[1] ?? ''] })
  await world.clock.settle()
  const [report, ...others] = world.reports()
  assert.equal(others.length, 0)
  assert.match(report?.text ?? '', /Status: 5\.0\.0/)
  assert.match(report?.text ?? '', /returned by the administrator: not wanted/)
  assert.match(report?.text ?? '', /451 4\.7\.1 greylisted/)
  assert.equal(world.store.rows.size, 0)
})

test('deliveries in memory that wait for a slot are acted on at once', async () => {
  for (const act of ['hold', 'delete', 'bounce'] as const) {
    const world = await queueWorld({ limits: () => ({ concurrency: 1, recipientsPerJobMax: 100 }) })
    const open: (() => void)[] = []
    const end = (): void => {
      for (const each of open.splice(0)) each()
    }
    world.deliver = (delivery) =>
      delivery.domain === 'home.test'
        ? delivered
        : new Promise((resolve) => open.push(() => resolve(delivered)))
    await world.send(['first@x.test'])
    const id = await world.send(['a@x.test', 'b@x.test', 'c@x.test'])
    assert.equal(world.queue.activity(id, 1), 'ready')
    const result = await world.queue.act(act, { ids: [`${id}-1`] })
    assert.deepEqual(result, { count: 1, busyCount: 0, markedCount: 0, more: false }, act)
    end()
    await world.clock.settle()
    assert.deepEqual(world.dialsTo('mx:x.test').at(-1)?.recipients, ['a@x.test', 'c@x.test'])
    assert.deepEqual(
      world.store.live(id).map((row) => row.state),
      act === 'hold' ? ['active', 'held', 'active'] : ['active', 'active'],
    )
    end()
    await world.clock.settle()
    assert.equal(world.store.rows.size, act === 'hold' ? 1 : 0)
    assert.equal(world.queue.counts().memoryBytes, 0)
    assert.deepEqual(world.fatals, [])
  }
})

test('an attempt under way: busy; hold, delete and bounce are done at its end unless it succeeds', async () => {
  const table: readonly (readonly [Act, boolean, string])[] = [
    ['hold', false, 'held'],
    ['delete', false, 'deleted'],
    ['bounce', false, 'bounced'],
    ['hold', true, 'delivered'],
    ['delete', true, 'delivered'],
    ['retry', false, 'deferred'],
  ]
  for (const [act, succeeds, lastKind] of table) {
    const world = await queueWorld()
    let end: () => void = () => {}
    world.deliver = (delivery) =>
      delivery.domain === 'home.test'
        ? delivered
        : new Promise((resolve) => (end = () => resolve(succeeds ? delivered : greylisted)))
    const id = await world.send(['a@x.test'])
    assert.equal(world.queue.activity(id, 0), 'dialing')
    const result = await world.queue.act(act, { ids: [id] })
    assert.deepEqual(
      result,
      { count: 0, busyCount: 1, markedCount: act === 'retry' ? 0 : 1, more: false },
      act,
    )
    end()
    await world.clock.settle()
    assert.equal(
      world
        .eventKinds(id)
        .filter((kind) => kind !== 'dsn')
        .at(-1),
      lastKind,
    )
    assert.equal(world.store.live(id).length, lastKind === 'held' || lastKind === 'deferred' ? 1 : 0)
  }
})

test('an act on more than a page does each once', async () => {
  const world = await queueWorld({ deliver: () => greylisted })
  const messages = Array.from({ length: 25 }, (_, i) =>
    world.make(Array.from({ length: 100 }, (_, j) => `u${j}@d${i}.test`)),
  )
  await Promise.all(messages.map((message) => world.queue.accept(message)))
  await world.clock.settle(10)
  assert.equal((await world.queue.hold({})).count, 2500)
  assert.equal((await world.queue.release({})).count, 2500)
  await world.clock.settle(30)
  assert.equal(world.dials.length, 50)
  assert.equal((await world.queue.retryNow({})).count, 2500)
  await world.clock.settle(30)
  assert.equal(world.dials.length, 75)
  assert.equal((await world.queue.delete({})).count, 2500)
  assert.equal(world.store.rows.size, 0)
})
