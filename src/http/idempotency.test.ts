// Owns keys of requests: once under each, also when two come together, when the first fails, and when the process dies at
// any step.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { StoreFailure } from '../queue/store.ts'
import { createMemoryStore } from '../store/memory/memory-store.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { Idempotency } from './idempotency.ts'
import { ApiError, InvalidRequest } from './problem.ts'

const clock = new VirtualClock()
const setUp = () => {
  const documents = createMemoryStore({ clock })
  let count = 0
  const newIds = (): readonly string[] => [`id-${++count}`]
  return { documents, newIds, keys: new Idempotency({ documents, clock }) }
}
const request = (key: string, content = 'x', who = 'ann') => ({ who, key, content: [content] })
const done = (id: string | undefined) => ({ status: 202, body: { id } })

test('idempotency: one key of one caller is one request', async () => {
  const { keys, newIds } = setUp()
  let worked = 0
  const work = async ({ ids }: { ids: readonly string[] }) => {
    worked++
    return done(ids[0])
  }
  const first = await keys.once(request('k'), newIds, work)
  const second = await keys.once(request('k'), newIds, work)
  assert.deepEqual([first.replayed, second.replayed], [false, true])
  assert.deepEqual(second.body, first.body)
  await keys.once(request('k', 'x', 'bob'), newIds, work)
  await keys.once(request('other'), newIds, work)
  assert.equal(worked, 3)
  await assert.rejects(
    keys.once(request('k', 'y'), newIds, work),
    (error) => error instanceof ApiError && error.kind === 'invalid',
  )
})

test('idempotency: while the first is under way the second is told to wait', async () => {
  const { keys, newIds } = setUp()
  let finish: () => void = () => {}
  const first = keys.once(request('k'), newIds, async ({ ids }) => {
    await new Promise<void>((resolve) => (finish = resolve))
    return done(ids[0])
  })
  await assert.rejects(
    keys.once(request('k'), newIds, async () => done('never')),
    (error) => error instanceof ApiError && error.kind === 'conflict',
  )
  await clock.settle()
  finish()
  assert.equal((await first).status, 202)
})

test('idempotency: what was refused may be corrected; what may have got through is looked for under the same ids', async () => {
  const { keys, newIds } = setUp()
  const refuse = async (): Promise<never> => {
    throw new InvalidRequest([])
  }
  await assert.rejects(keys.once(request('k'), newIds, refuse))
  const corrected = await keys.once(request('k', 'better'), newIds, async ({ ids, isRepeat }) => {
    assert.equal(isRepeat, false)
    return done(ids[0])
  })
  assert.deepEqual(corrected.body, { id: 'id-2' })
  const fail = async (): Promise<never> => {
    throw new StoreFailure('failed', 'the disk is odd')
  }
  await assert.rejects(keys.once(request('f'), newIds, fail), StoreFailure)
  await keys.once(request('f'), newIds, async ({ ids, isRepeat }) => {
    assert.deepEqual([ids, isRepeat], [['id-3'], true])
    return done(ids[0])
  })
})

test('idempotency: a process that died in the middle left its plan, one that died behind it its answer', async () => {
  const { documents, keys, newIds } = setUp()
  const never = keys.once(request('k'), newIds, () => new Promise(() => {}))
  never.catch(() => {})
  await clock.settle()
  const next = new Idempotency({ documents, clock })
  const answer = await next.once(request('k'), newIds, async ({ ids, isRepeat }) => {
    assert.deepEqual([ids, isRepeat], [['id-1'], true])
    return done(ids[0])
  })
  assert.equal(answer.replayed, false)
  const third = await new Idempotency({ documents, clock }).once(request('k'), newIds, async () =>
    done('never'),
  )
  assert.deepEqual([third.replayed, third.body], [true, { id: 'id-1' }])
})

test('idempotency: after a day a key is new', async () => {
  const { keys, newIds } = setUp()
  const work = async ({ ids }: { ids: readonly string[] }) => done(ids[0])
  await keys.once(request('k'), newIds, work)
  await clock.advance(24 * 3_600_000)
  const later = await keys.once(request('k', 'other'), newIds, work)
  assert.deepEqual([later.replayed, later.body], [false, { id: 'id-2' }])
})
