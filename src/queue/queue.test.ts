// The way of deliveries through the queue: hand-over, limits, retries, deadlines, faults of the store, stop.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AssertionFailed } from '../base/assert.ts'
import { delivered, greylisted, queueWorld } from '../testing/queue-world.ts'
import { StoreFailure } from './store.ts'
import type { Outcome } from './types.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

test('what is accepted is handed over in memory: no look into the store, one settle, one event', async () => {
  const world = await queueWorld()
  const before = { ...world.store.calls }
  const id = await world.send(['bob@there.test'])
  assert.deepEqual(
    world.dials.map((dial) => dial.recipients),
    [['bob@there.test']],
  )
  assert.equal(world.store.rows.size, 0)
  assert.deepEqual(world.store.calls, { ...before, accept: before.accept + 1, settle: before.settle + 1 })
  assert.deepEqual(world.store.eventsOf(id), [
    {
      messageId: id,
      seq: 0,
      at: world.clock.now(),
      kind: 'delivered',
      data: { how: 'relayed', ms: 0, reply: '250 2.0.0 taken', host: 'mx.there.test', address: '192.0.2.1' },
    },
  ])
  assert.deepEqual(world.queue.counts(), {
    readyDeliveries: 0,
    dialingJobs: 0,
    openWrites: 0,
    memoryBytes: 0,
    blockedDestinations: 0,
    storeFailing: false,
  })
})

test('the row is active, with its next try, before anything is dialed', async () => {
  const world = await queueWorld()
  let row: unknown
  world.deliver = (delivery) => {
    const stored = world.store.live(delivery.messageId)[0]
    row = {
      state: stored?.state,
      attemptCount: stored?.attemptCount,
      later: (stored?.dueAt ?? 0) > world.clock.now(),
    }
    return delivered
  }
  await world.send(['bob@there.test'])
  assert.deepEqual(row, { state: 'active', attemptCount: 1, later: true })
})

test('recipients of one message at one destination are one job, up to recipientsPerJobMax', async () => {
  const world = await queueWorld({ limits: () => ({ concurrency: 20, recipientsPerJobMax: 3 }) })
  const id = await world.send(['a@x.test', 'b@y.test', 'c@x.test', 'd@x.test', 'e@x.test', 'f@y.test'])
  assert.deepEqual(
    world.dials.map((dial) => dial.recipients),
    [['a@x.test', 'c@x.test', 'd@x.test'], ['b@y.test', 'f@y.test'], ['e@x.test']],
  )
  assert.deepEqual(
    world.store.eventsOf(id).map((event) => event.data.seqs ?? event.seq),
    [[0, 2, 3], [1, 5], 4],
  )
})

test('per-recipient results: a 4xx for one does not delay the others', async () => {
  const world = await queueWorld()
  world.deliver = (delivery) => (delivery.seq === 1 && delivery.attemptCount === 1 ? greylisted : delivered)
  const id = await world.send(['a@x.test', 'b@x.test', 'c@x.test'])
  const [row] = world.store.live(id)
  assert.equal(world.store.rows.size, 1)
  assert.equal(row?.seq, 1)
  assert.equal(row?.state, 'waiting')
  assert.equal(row?.lastError, '451 4.7.1 greylisted, come back later')
  assert.equal(row?.lastStatus, '4.7.1')
  assert.deepEqual(world.eventKinds(id), ['attempt', 'delivered', 'deferred'])
  await world.clock.advance(36_000)
  assert.equal(world.store.rows.size, 0)
  assert.deepEqual(world.dials.at(-1)?.recipients, ['b@x.test'])
})

test('a deferred delivery is tried along the curve, at its time and not by a poll', async () => {
  const world = await queueWorld({ deliver: () => greylisted })
  const id = await world.send(['bob@there.test'])
  const planned: number[] = []
  for (let i = 0; i < 6; i++) {
    const dueAt = world.store.live(id)[0]?.dueAt ?? 0
    planned.push(dueAt)
    await world.clock.advance(dueAt - world.clock.now())
  }
  assert.deepEqual(
    world.dials.slice(1).map((dial) => dial.at),
    planned,
  )
  const first = world.dials[0]?.at ?? 0
  const expected = [30, 90, 210, 450, 930, 1890].map((seconds) => first + seconds * 1000)
  for (const [i, at] of planned.entries()) {
    const wish = expected[i] ?? 0
    assert.ok(Math.abs(at - wish) <= (wish - first) * 0.2 + 10, `${i}: ${at - wish}`)
  }
  const deferred = world.store.eventsOf(id).filter((event) => event.kind === 'deferred')
  assert.equal(deferred.at(-2)?.data.nextTryAt, planned.at(-1))
  assert.equal(deferred[0]?.data.why, 'retry curve')
})

test('retryAfterMs of the transport puts the next try off', async () => {
  const world = await queueWorld({ deliver: () => ({ ...greylisted, retryAfterMs: 10 * minute }) as Outcome })
  const id = await world.send(['bob@there.test'])
  assert.equal(world.store.live(id)[0]?.dueAt, world.clock.now() + 10 * minute)
  assert.equal(world.store.eventsOf(id).at(-1)?.data.why, 'asked to wait')
})

test('expiry: after five days it fails with 4.4.7 and the last words, and its sender is told', async () => {
  const world = await queueWorld({ retry: { delayNoticeAfterMs: undefined } })
  world.deliver = (delivery) => (delivery.domain === 'home.test' ? delivered : greylisted)
  const id = await world.send(['bob@there.test'])
  await world.clock.advance(5 * day - minute)
  assert.equal(world.store.rows.size, 1)
  await world.clock.advance(2 * minute)
  assert.equal(world.store.rows.size, 0)
  const expired = world.store.eventsOf(id).find((event) => event.kind === 'expired')
  assert.equal(expired?.data.status, '4.4.7')
  assert.equal(expired?.data.last, '451 4.7.1 greylisted, come back later')
  const [report, ...others] = world.reports()
  assert.equal(others.length, 0)
  assert.match(report?.text ?? '', /Status: 4\.4\.7\r\n/)
  assert.match(report?.text ?? '', /Diagnostic-Code: smtp; 451 4\.7\.1 greylisted, come back later/)
  assert.match(report?.text ?? '', /Action: failed/)
})

test('an expired or late delivery is met though its destination is down', async () => {
  const world = await queueWorld({ retry: { giveUpAfterMs: 6 * hour } })
  world.deliver = (delivery) => (delivery.domain === 'home.test' ? delivered : 'down')
  await world.send(['bob@there.test'])
  const second = await world.send(['eve@there.test'])
  await world.clock.advance(4 * hour + minute)
  assert.deepEqual(
    world.reports().map((report) => report.kind),
    ['delayed', 'delayed'],
  )
  await world.clock.advance(2 * hour)
  assert.deepEqual(
    world.reports().map((report) => report.kind),
    ['delayed', 'delayed', 'failed', 'failed'],
  )
  assert.match(world.reports().at(-1)?.text ?? '', /connection refused/)
  assert.ok(world.eventKinds(second).includes('expired'))
  assert.equal(world.store.rows.size, 0)
})

test('after a long stop what is due is tried before anybody is told of a delay or a failure', async () => {
  const world = await queueWorld({ deliver: () => greylisted })
  await world.send(['bob@there.test'])
  await world.queue.stop()
  await world.clock.advance(6 * day)
  world.deliver = () => delivered
  await world.restart()
  assert.equal(world.store.rows.size, 0)
  assert.deepEqual(world.reports(), [])
})

test('limits per destination: no more jobs at once than its concurrency, all delivered', async () => {
  const world = await queueWorld({ limits: () => ({ concurrency: 3, recipientsPerJobMax: 100 }) })
  const open: (() => void)[] = []
  world.deliver = () => new Promise((resolve) => open.push(() => resolve(delivered)))
  for (let i = 0; i < 10; i++) await world.send(['bob@there.test'])
  assert.equal(world.dials.length, 3)
  while (open.length > 0) {
    open.shift()?.()
    await world.clock.settle()
  }
  assert.equal(world.dials.length, 10)
  assert.equal(world.dialingMost, 3)
  assert.equal(world.store.rows.size, 0)
})

test('fair across destinations: a busy one does not keep the others waiting', async () => {
  const world = await queueWorld({ jobsMax: 4, limits: () => ({ concurrency: 4, recipientsPerJobMax: 100 }) })
  const open: (() => void)[] = []
  world.deliver = () => new Promise((resolve) => open.push(() => resolve(delivered)))
  for (let i = 0; i < 20; i++) await world.send(['bob@busy.test'])
  await world.send(['bob@quiet.test'])
  assert.equal(world.dialsTo('mx:quiet.test').length, 0)
  for (let i = 0; i < 2; i++) {
    open.shift()?.()
    await world.clock.settle()
  }
  assert.equal(world.dialsTo('mx:quiet.test').length, 1)
  assert.ok(world.dialsTo('mx:busy.test').length < 7)
})

test('memory is bounded: beyond the bound messages wait in the store, and all are delivered', async () => {
  const world = await queueWorld({
    memoryBytesMax: 20_000,
    limits: () => ({ concurrency: 2, recipientsPerJobMax: 100 }),
  })
  const open: (() => void)[] = []
  world.deliver = () => new Promise((resolve) => open.push(() => resolve(delivered)))
  const sent: string[] = []
  for (let i = 0; i < 50; i++) {
    sent.push(await world.send(['bob@there.test'], { body: Buffer.alloc(5000, 'x\r\n') }))
    assert.ok(world.queue.counts().memoryBytes <= 20_000)
    assert.ok(world.queue.counts().readyDeliveries <= 200)
  }
  for (let i = 0; i < 200 && (open.length > 0 || world.store.rows.size > 0); i++) {
    open.shift()?.()
    await world.clock.settle()
  }
  assert.deepEqual(world.dials.map((dial) => dial.messageId).sort(), [...sent].sort())
  assert.equal(world.store.rows.size, 0)
  assert.equal(world.queue.counts().memoryBytes, 0)
})

test('bodies that wait in the store are delivered from there', async () => {
  const world = await queueWorld({ memoryBytesMax: 0 })
  let got = ''
  world.deliver = (_delivery, job) => {
    got = Buffer.from(job.body.bytes() ?? []).toString()
    return delivered
  }
  await world.send(['bob@there.test'], { body: 'A: b\r\n\r\nstored\r\n' })
  assert.equal(got, 'A: b\r\n\r\nstored\r\n')
})

test('accept rejects when the store does, keeps no memory and dials nothing', async () => {
  const world = await queueWorld()
  world.store.fault = (call) => (call === 'accept' ? new StoreFailure('full', 'disk full') : undefined)
  await assert.rejects(world.send(['bob@there.test']), { code: 'full' })
  assert.equal(world.dials.length, 0)
  assert.equal(world.queue.counts().memoryBytes, 0)
  world.store.fault = undefined
  await world.send(['bob@there.test'])
  assert.equal(world.dials.length, 1)
  assert.deepEqual(world.fatals, [])
})

test('a settle that fails is repeated until it is written; nothing is dialed meanwhile, nothing is dialed twice', async () => {
  const world = await queueWorld({ limits: () => ({ concurrency: 1, recipientsPerJobMax: 100 }) })
  let failures = 0
  world.store.fault = (call) => {
    if (call !== 'settle') return undefined
    failures++
    return new StoreFailure('failed', 'i/o')
  }
  const first = await world.send(['bob@there.test'])
  assert.equal(world.dials.length, 1)
  const second = await world.send(['eve@other.test'])
  await world.clock.advance(30_000)
  assert.equal(world.dials.length, 1)
  assert.ok(failures > 5 && failures < 30, String(failures))
  assert.equal(world.store.live(first)[0]?.state, 'active')
  assert.equal(world.store.live(second)[0]?.state, 'waiting')
  assert.equal(world.queue.counts().storeFailing, true)
  world.store.fault = undefined
  await world.clock.advance(5000)
  assert.deepEqual(
    world.dials.map((dial) => dial.messageId),
    [first, second],
  )
  assert.equal(world.store.rows.size, 0)
  assert.deepEqual(world.fatals, [])
})

test('one result that the store never takes is put aside; the others go on', async () => {
  const world = await queueWorld()
  const poison = world.make(['bob@there.test'])
  const { settle } = world.store
  let refusing = true
  world.store.settle = function (settlement) {
    const is = settlement.changes.some((change) => change.messageId === poison.message.id)
    return is && refusing
      ? Promise.reject(new StoreFailure('failed', 'constraint'))
      : settle.call(this, settlement)
  }
  await world.queue.accept(poison)
  await world.clock.settle()
  const id = await world.send(['eve@other.test'])
  assert.equal(world.store.live(id).length, 1)
  await world.clock.advance(3 * minute)
  assert.equal(world.store.live(id).length, 0)
  assert.equal(world.queue.counts().storeFailing, false)
  assert.equal(world.store.live(poison.message.id)[0]?.state, 'active')
  refusing = false
  await world.clock.advance(2 * minute)
  assert.equal(world.store.rows.size, 0)
  assert.equal(world.dials.length, 2)
})

test('a deadline whose result the store never takes holds up no other message, nor the end', async () => {
  let isUp = false
  const world = await queueWorld({
    deliver: () => (isUp ? delivered : greylisted),
    retry: { giveUpAfterMs: hour },
  })
  const poison = await world.send(['bob@there.test'])
  const { settle } = world.store
  world.store.settle = function (settlement) {
    const is = settlement.changes.some(({ messageId, to }) => messageId === poison && to.kind === 'remove')
    return is ? Promise.reject(new StoreFailure('failed', 'constraint')) : settle.call(this, settlement)
  }
  await world.clock.advance(58 * minute)
  const other = await world.send(['eve@other.test'])
  await world.clock.advance(6 * minute)
  assert.equal(world.store.live(poison)[0]?.state, 'active')
  assert.equal(world.store.live(other)[0]?.state, 'waiting')
  isUp = true
  await world.clock.advance(20 * minute)
  assert.equal(world.store.live(other).length, 0)
  const stopped = world.queue.stop()
  await world.clock.advance(minute)
  await stopped
  assert.equal(world.clock.pendingCount, 0)
  assert.deepEqual(world.fatals, [])
})

test('unsettled results are bounded: a store that is slow stops dialing', async () => {
  const world = await queueWorld({ unsettledMax: 5 })
  for (let i = 0; i < 3; i++) await world.send(['bob@there.test'])
  assert.equal(world.dials.length, 3)
  let open: () => void = () => {}
  const messages = Array.from({ length: 30 }, () => world.make(['bob@there.test']))
  const accepted = messages.map((message) => world.queue.accept(message))
  // The gate closes behind the accepts.
  world.store.gate = new Promise((resolve) => (open = resolve))
  await Promise.all(accepted)
  await world.clock.settle()
  const dialed = world.dials.length - 3
  assert.ok(dialed >= 5 && dialed <= 25, String(dialed))
  assert.ok(world.queue.counts().readyDeliveries > 0)
  open()
  await world.clock.settle(20)
  assert.equal(world.dials.length, 33)
  assert.equal(world.store.rows.size, 0)
})

test('a broken invariant stops the process: onFatal once, and nothing is dialed any more', async () => {
  const world = await queueWorld()
  world.store.fault = (call) => (call === 'settle' ? new AssertionFailed('broken') : undefined)
  await world.send(['bob@there.test'])
  await world.send(['bob@there.test'])
  assert.equal(world.fatals.length, 1)
  const dials = world.dials.length
  await world.clock.advance(hour)
  assert.equal(world.dials.length, dials)
})

test('a store that cannot be asked what is due is asked again', async () => {
  const world = await queueWorld({ memoryBytesMax: 0 })
  world.store.fault = (call) => (call === 'takeDue' ? new StoreFailure('failed', 'i/o') : undefined)
  await world.send(['bob@there.test'])
  assert.equal(world.dials.length, 0)
  world.store.fault = undefined
  await world.clock.advance(10_000)
  assert.equal(world.dials.length, 1)
})

test('a transport that throws is not the fault of the message: deferred, marked as a possible duplicate', async () => {
  const world = await queueWorld()
  world.deliver = () => {
    throw new Error('bug')
  }
  const id = await world.send(['bob@there.test'])
  const deferred = world.store.eventsOf(id).find((event) => event.kind === 'deferred')
  assert.equal(deferred?.data.mayHaveDelivered, true)
  assert.equal(deferred?.data.status, '4.3.0')
  assert.equal(world.store.live(id)[0]?.state, 'waiting')
  assert.deepEqual(world.fatals, [])
})

test('a stored body that is corrupt holds the delivery for people; one that cannot be read now is tried again', async () => {
  const world = await queueWorld({ memoryBytesMax: 0 })
  world.store.fault = (call) => (call === 'openBody' ? new StoreFailure('corrupt', 'bad row') : undefined)
  const corrupt = await world.send(['bob@there.test'])
  world.store.fault = (call) => (call === 'openBody' ? new StoreFailure('failed', 'i/o') : undefined)
  const failed = await world.send(['bob@there.test'])
  assert.equal(world.store.live(corrupt)[0]?.state, 'held')
  assert.equal(world.store.live(failed)[0]?.state, 'waiting')
  world.store.fault = undefined
  await world.clock.advance(minute)
  assert.deepEqual(
    world.dials.map((dial) => dial.messageId),
    [failed],
  )
})

test('a crash: what was active is tried at its stored next try, not at once', async () => {
  const world = await queueWorld()
  world.deliver = () => new Promise(() => {})
  const id = await world.send(['bob@there.test'])
  world.deliver = () => delivered
  await world.restart()
  assert.equal(world.dials.length, 1)
  const dueAt = world.store.live(id)[0]?.dueAt ?? 0
  await world.clock.advance(dueAt - world.clock.now() - 1)
  assert.equal(world.dials.length, 1)
  await world.clock.advance(1)
  assert.equal(world.dials.length, 2)
  assert.equal(world.store.rows.size, 0)
})

test('stop: waits for attempts, gives back what was not dialed as due now, writes everything', async () => {
  const world = await queueWorld({ limits: () => ({ concurrency: 1, recipientsPerJobMax: 100 }) })
  let end: () => void = () => {}
  world.deliver = () => new Promise((resolve) => (end = () => resolve(delivered)))
  const first = await world.send(['bob@there.test'])
  const second = await world.send(['eve@there.test'])
  let stopped = false
  const stopping = world.queue.stop({ graceMs: 5000 }).then(() => (stopped = true))
  await world.clock.advance(1000)
  assert.equal(stopped, false)
  // Sessions may still end transactions.
  const late = await world.send(['late@there.test'])
  end()
  await world.clock.settle()
  await stopping
  assert.equal(world.store.live(first).length, 0)
  for (const id of [second, late]) {
    const [row] = world.store.live(id)
    assert.equal(row?.state, 'waiting')
    assert.equal(row?.attemptCount, 0)
    assert.ok((row?.dueAt ?? Infinity) <= world.clock.now())
  }
  assert.equal(world.dials.length, 1)
  world.deliver = () => delivered
  await world.restart()
  assert.equal(world.store.rows.size, 0)
})

test('stop: attempts that take longer than the bound are aborted and settled', async () => {
  const world = await queueWorld()
  world.deliver = (_delivery, _job, signal) =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve(greylisted)))
  const id = await world.send(['bob@there.test'])
  let stopped = false
  const stopping = world.queue.stop({ graceMs: 5000 }).then(() => (stopped = true))
  await world.clock.advance(4000)
  assert.equal(stopped, false)
  await world.clock.advance(1500)
  await stopping
  assert.equal(world.store.live(id)[0]?.state, 'waiting')
})

test('stop ends within its bounds though a transport hangs and the store fails', async () => {
  const world = await queueWorld()
  world.deliver = () => new Promise(() => {})
  await world.send(['bob@there.test'])
  world.store.fault = () => new StoreFailure('failed', 'i/o')
  let stopped = false
  void world.queue.stop({ graceMs: 5000 }).then(() => (stopped = true))
  await world.clock.advance(10_001)
  assert.equal(stopped, true)
})

test('nothing waits for a poll: with a queue at rest only the safety poll is armed', async () => {
  const world = await queueWorld()
  await world.send(['bob@there.test'])
  assert.equal(world.clock.pendingCount, 1)
})

test('a message that waits in the store far beyond what is read at once is delivered whole, exactly once', async () => {
  const world = await queueWorld({
    memoryBytesMax: 0,
    readyMax: 50,
    limits: () => ({ concurrency: 2, recipientsPerJobMax: 7 }),
  })
  const recipients = Array.from({ length: 900 }, (_, i) => `u${i}@d${i % 3}.test`)
  await world.send(recipients)
  for (let i = 0; i < 100 && world.store.rows.size > 0; i++) await world.clock.settle(20)
  assert.deepEqual(world.dials.flatMap((dial) => dial.recipients).sort(), [...recipients].sort())
  assert.equal(world.store.rows.size, 0)
})

test('10,000 messages leave memory where it was', async () => {
  const world = await queueWorld()
  for (let i = 0; i < 100; i++) {
    const some = Array.from({ length: 100 }, (_, j) => world.make([`u@d${(i * 100 + j) % 500}.test`]))
    await Promise.all(some.map((message) => world.queue.accept(message)))
    await world.clock.settle()
  }
  assert.equal(world.dials.length, 10_000)
  await world.clock.advance(2 * minute)
  assert.equal(world.store.rows.size, 0)
  assert.equal(world.queue.counts().memoryBytes, 0)
  assert.equal(world.queue.counts().readyDeliveries, 0)
})
