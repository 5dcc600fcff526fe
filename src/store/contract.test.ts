// Owns the contract suite that every store passes: the words of queue/store.ts and store/store.ts as tests. It has the name
// of a test because it is one: run by itself it has no store to try.

import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { createIdSource, idTimeMs } from '../base/id.ts'
import { nextTryAt } from '../queue/retry-curve.ts'
import type { DestinationState, DueDelivery, DueQuery, Settlement } from '../queue/store.ts'
import type { BodyReader } from '../queue/transport.ts'
import type { Delivery, NewMessage, Placement } from '../queue/types.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { inlineBytesMax } from './body-file.ts'
import { dayMs, newMessage, placementIn, sampleText, startAt } from './sample.test.ts'
import type { Page, Store } from './store.ts'

export interface OpenedStore {
  readonly store: Store
  /** Closes it and opens what it left behind; absent where nothing survives. */
  readonly reopen?: () => Promise<Store>
}

const retry = { firstMs: 30_000, factor: 2, maxMs: 3_600_000, jitterFraction: 0.2 }
const none: ReadonlySet<string> = new Set()
const minute = 60_000

const due = (now: number, options: Partial<DueQuery> = {}): DueQuery => ({
  now,
  exclude: none,
  destinationsMax: 100,
  deliveriesPerDestinationMax: 100,
  retry,
  ...options,
})

const keysOf = (taken: readonly DueDelivery[]): string[] =>
  taken.map(({ delivery }) => `${delivery.messageId}-${delivery.seq}`)

const remove = (message: NewMessage, seq = 0, placement?: Placement): Settlement => ({
  changes: [
    {
      messageId: message.message.id,
      seq,
      to: { kind: 'remove', ...(placement !== undefined && { placement }) },
    },
  ],
  newMessages: [],
  events: [{ messageId: message.message.id, seq, at: startAt, kind: 'delivered', data: {} }],
})

const update = (delivery: Delivery): Settlement => ({
  changes: [{ messageId: delivery.messageId, seq: delivery.seq, to: { kind: 'update', delivery } }],
  newMessages: [],
  events: [],
})

const down = (destination: string, blockedUntil: number): DestinationState => ({
  destination,
  failureCount: 3,
  blockedUntil,
  downSince: startAt,
  lastError: 'connection refused',
})

async function bytesOf(body: BodyReader): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of body.stream(new AbortController().signal)) {
    assert.ok(piece.length <= 64 * 1024, 'pieces of at most 64 KiB')
    pieces.push(piece)
  }
  const all = Buffer.concat(pieces)
  assert.equal(all.length, body.sizeBytes)
  const whole = body.bytes()
  if (whole !== undefined) assert.ok(all.equals(whole), 'bytes() and stream() agree')
  return all
}

const inlineBytes = (message: NewMessage): Buffer => {
  assert.ok(message.body.kind === 'inline')
  return Buffer.concat(message.body.chunks)
}

const first = <T>(items: readonly T[]): T => {
  const item = items[0]
  assert.ok(item !== undefined, 'there is one')
  return item
}

async function all<T>(page: (cursor: string | undefined) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = []
  for (let cursor: string | undefined, i = 0; ; i++) {
    assert.ok(i < 1000, 'the pages end')
    const found: Page<T> = await page(cursor)
    items.push(...found.items)
    cursor = found.cursor
    if (cursor === undefined) return items
  }
}

/** `only`: titles of the tests to run, where opening a store is slow and another suite runs them all. */
export function storeContract(
  name: string,
  open: (t: TestContext) => Promise<OpenedStore>,
  only: RegExp = /./,
): void {
  const it = (title: string, run: (opened: OpenedStore) => Promise<void>): void => {
    if (only.test(title)) test(title, async (t) => run(await open(t)))
  }
  describe(`${name}: queue`, () => {
    it('an accepted message is there: row, body, timeline, list', async ({ store }) => {
      const message = newMessage({ recipients: ['a@one.example', 'b@two.example'] })
      await store.accept(message)
      const view = await store.messageView(message.message.id)
      assert.deepEqual(view?.message, message.message)
      assert.deepEqual(view.deliveries, message.deliveries)
      assert.deepEqual(view.events, message.events)
      assert.equal(view.hasBody, true)
      assert.ok((await bytesOf(await store.openBody(message.message.id))).equals(inlineBytes(message)))
      const { items } = await store.queueList({ limit: 10 })
      assert.deepEqual(
        items,
        message.deliveries.map((delivery) => ({ message: message.message, delivery })),
      )
    })

    it('text of any script and bytes of any value come back as they were', async ({ store }) => {
      const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i & 255)
      const sample = newMessage({ recipients: ['用户@例子.测试'], body: bytes })
      const message: NewMessage = {
        ...sample,
        message: { ...sample.message, reversePath: '"a\\"b"@ü.example', smtputf8: true, envid: 'x\u0000y' },
      }
      await store.accept(message)
      const view = await store.messageView(message.message.id)
      assert.deepEqual(view?.message, message.message)
      assert.deepEqual(view.deliveries, message.deliveries)
      assert.ok((await bytesOf(await store.openBody(message.message.id))).equals(bytes))
    })

    it('an empty body is a body', async ({ store }) => {
      const message = newMessage({ body: '' })
      await store.accept(message)
      assert.equal((await bytesOf(await store.openBody(message.message.id))).length, 0)
    })

    it('a thousand at once are all there', async ({ store }) => {
      const messages = Array.from({ length: 1000 }, (_, i) => newMessage({ body: sampleText(`no ${i}`) }))
      await Promise.all(messages.map((message) => store.accept(message)))
      for (const message of messages.filter((_, i) => i % 97 === 0))
        assert.ok((await bytesOf(await store.openBody(message.message.id))).equals(inlineBytes(message)))
      assert.equal((await store.queueStats(startAt)).active, 1000)
    })

    it('a message that fails alone rejects alone', async ({ store }) => {
      const [one, two] = [newMessage(), newMessage()]
      const results = await Promise.allSettled([store.accept(one), store.accept(one), store.accept(two)])
      assert.deepEqual(
        results.map(({ status }) => status),
        ['fulfilled', 'rejected', 'fulfilled'],
      )
      assert.equal((results[1] as PromiseRejectedResult).reason.name, 'StoreFailure')
      assert.equal((await store.queueList({ limit: 10 })).items.length, 2)
    })

    it('the last settle takes the row and the body, and leaves the timeline', async ({ store }) => {
      const message = newMessage({ recipients: ['a@one.example', 'b@two.example'] })
      await store.accept(message)
      await store.settle(remove(message, 1))
      assert.equal((await store.messageView(message.message.id))?.hasBody, true)
      await bytesOf(await store.openBody(message.message.id))
      await store.settle(remove(message, 0))
      const view = await store.messageView(message.message.id)
      assert.deepEqual(view?.deliveries, [])
      assert.equal(view.hasBody, false)
      assert.deepEqual(
        view.events.map(({ kind, seq }) => [kind, seq]),
        [
          ['accepted', undefined],
          ['delivered', 1],
          ['delivered', 0],
        ],
      )
      await assert.rejects(store.openBody(message.message.id), { name: 'StoreFailure', code: 'corrupt' })
    })

    it('a settle that comes twice changes nothing more', async ({ store }) => {
      const message = newMessage()
      await store.accept(message)
      await store.settle(remove(message, 0, placementIn('a@example.test')))
      await store.settle(remove(message, 0, placementIn('a@example.test')))
      assert.equal((await store.mailList({ limit: 10 })).items.length, 1)
    })

    it('a deferred delivery is due at its time and not before', async ({ store }) => {
      const message = newMessage()
      const delivery = first(message.deliveries)
      await store.accept(message)
      assert.deepEqual(await store.takeDue(due(startAt + dayMs)), [], 'active ones are not due')
      const later: Delivery = {
        ...delivery,
        state: 'waiting',
        dueAt: startAt + minute,
        lastError: '451 later',
        lastStatus: '4.0.0',
        lastAttemptAt: startAt,
      }
      await store.settle(update(later))
      assert.equal(await store.nextDueAt(none), startAt + minute)
      assert.deepEqual(await store.takeDue(due(startAt + minute - 1)), [])
      const [taken] = await store.takeDue(due(startAt + minute))
      assert.deepEqual(taken?.message, message.message)
      const leased = { ...later, attemptCount: 1 }
      assert.deepEqual(taken.delivery, {
        ...leased,
        state: 'active',
        dueAt: nextTryAt(retry, leased, startAt + minute),
      })
      assert.deepEqual(await store.takeDue(due(startAt + minute)), [], 'leased once')
      assert.equal(await store.nextDueAt(none), undefined)
    })

    it('recover makes what was active wait for the next try it has stored', async ({ store }) => {
      const message = newMessage({ state: 'waiting', dueAt: startAt })
      await store.accept(message)
      const [taken] = await store.takeDue(due(startAt))
      assert.ok(taken !== undefined)
      assert.equal(await store.recover(), 1)
      assert.equal(await store.nextDueAt(none), taken.delivery.dueAt)
      assert.deepEqual(await store.takeDue(due(taken.delivery.dueAt - 1)), [])
      const [again] = await store.takeDue(due(taken.delivery.dueAt))
      assert.equal(again?.delivery.attemptCount, 2)
    })

    it('takeDue: oldest first, so many destinations, so many of each', async ({ store }) => {
      const message = (destination: string, dueAt: number): NewMessage =>
        newMessage({ destination, state: 'waiting', dueAt })
      const [b2, b1, a1, c1] = [message('b', 5), message('b', 2), message('a', 3), message('c', 4)]
      for (const each of [b2, b1, a1, c1]) await store.accept(each)
      const took = await store.takeDue(due(10, { destinationsMax: 2, deliveriesPerDestinationMax: 1 }))
      assert.deepEqual(
        keysOf(took),
        [b1, a1].map(({ message: { id } }) => `${id}-0`),
      )
      const rest = await store.takeDue(due(10, { exclude: new Set(['c']) }))
      assert.deepEqual(keysOf(rest), [`${b2.message.id}-0`])
      assert.equal(await store.nextDueAt(none), 4)
      assert.equal(await store.nextDueAt(new Set(['c'])), c1.deliveries[0]?.expiresAt)
    })

    it('a blocked destination is left out until its time', async ({ store }) => {
      await store.setDestination(down('mx:down.example', startAt + 10 * minute))
      const message = newMessage({ destination: 'mx:down.example', state: 'waiting', dueAt: startAt })
      await store.accept(message)
      assert.deepEqual(await store.takeDue(due(startAt + minute)), [])
      assert.equal(await store.nextDueAt(none), startAt + 10 * minute)
      assert.deepEqual(await store.destinations(), [down('mx:down.example', startAt + 10 * minute)])
      const [item] = (await store.queueList({ limit: 1 })).items
      assert.deepEqual(item?.blocked, down('mx:down.example', startAt + 10 * minute))
      await store.setDestination(down('mx:down.example', startAt + 2 * minute))
      assert.equal(await store.nextDueAt(none), startAt + 2 * minute)
      assert.equal((await store.takeDue(due(startAt + 2 * minute))).length, 1)
    })

    it('clearDestination lets what waits go at its own time', async ({ store }) => {
      await store.accept(newMessage({ destination: 'x', state: 'waiting', dueAt: startAt + 5 }))
      await store.setDestination(down('x', startAt + dayMs))
      assert.equal(await store.nextDueAt(none), startAt + dayMs)
      await store.clearDestination('x')
      assert.deepEqual(await store.destinations(), [])
      assert.equal(await store.nextDueAt(none), startAt + 5)
      assert.equal((await store.takeDue(due(startAt + 5))).length, 1)
      await store.clearDestination('never heard of')
    })

    it('deadlines come for blocked and excluded destinations too', async ({ store }) => {
      const expiring = newMessage({
        destination: 'x',
        state: 'waiting',
        dueAt: startAt + dayMs,
        expiresAt: startAt + 2 * minute,
      })
      const noticed = newMessage({
        destination: 'x',
        state: 'waiting',
        dueAt: startAt + dayMs,
        delayNoticeAt: startAt + minute,
      })
      await store.setDestination(down('x', startAt + dayMs))
      await store.accept(expiring)
      await store.accept(noticed)
      assert.equal(await store.nextDueAt(new Set(['x'])), startAt + minute)
      assert.deepEqual(await store.takeDeadlines(startAt + minute - 1, 10), [])
      const taken = await store.takeDeadlines(startAt + minute, 10)
      assert.deepEqual(keysOf(taken), [`${noticed.message.id}-0`])
      const { delivery } = first(taken)
      assert.equal(delivery.state, 'active')
      assert.equal(delivery.attemptCount, 0)
      const { delayNoticeAt: _sent, ...without } = delivery
      await store.settle(update({ ...without, state: 'waiting' }))
      assert.deepEqual(
        keysOf(await store.takeDeadlines(startAt + 3 * minute, 10)),
        [`${expiring.message.id}-0`],
        'the notice is not due twice',
      )
    })

    it('takeDeadlines takes at most so many, earliest first', async ({ store }) => {
      const messages = [3, 1, 2].map((n) => newMessage({ state: 'waiting', expiresAt: startAt + n }))
      for (const message of messages) await store.accept(message)
      const taken = await store.takeDeadlines(startAt + 10, 2)
      assert.deepEqual(
        taken.map(({ delivery }) => delivery.expiresAt - startAt),
        [1, 2],
      )
    })

    it('a report born of a settle is accepted with it', async ({ store }) => {
      const message = newMessage()
      const report = newMessage({ body: sampleText('report'), state: 'waiting', dueAt: startAt })
      await store.accept(message)
      await store.settle({ ...remove(message), newMessages: [report] })
      assert.ok((await bytesOf(await store.openBody(report.message.id))).equals(inlineBytes(report)))
      assert.equal((await store.takeDue(due(startAt))).length, 1)
    })

    it('a settle that was written and whose answer was lost can be repeated, its report too', async ({
      store,
    }) => {
      const message = newMessage()
      const report = newMessage({ body: sampleText('report'), state: 'waiting', dueAt: startAt })
      await store.accept(message)
      for (let i = 0; i < 2; i++) await store.settle({ ...remove(message), newMessages: [report] })
      assert.ok((await bytesOf(await store.openBody(report.message.id))).equals(inlineBytes(report)))
      assert.equal((await store.takeDue(due(startAt))).length, 1)
    })

    it('a settle whose report fails leaves everything as it was', async ({ store }) => {
      const message = newMessage()
      const report = newMessage()
      const twice = { ...report, deliveries: [...report.deliveries, ...report.deliveries] }
      await store.accept(message)
      await assert.rejects(store.settle({ ...remove(message), newMessages: [twice] }), {
        name: 'StoreFailure',
      })
      assert.equal((await store.messageView(message.message.id))?.deliveries.length, 1)
      await store.settle(remove(message))
    })

    it('a settle may touch several messages', async ({ store }) => {
      const messages = [newMessage(), newMessage()]
      for (const message of messages) await store.accept(message)
      await store.settle({
        changes: messages.flatMap((message) => remove(message).changes),
        newMessages: [],
        events: messages.flatMap((message) => remove(message).events),
      })
      for (const { message } of messages) {
        const view = await store.messageView(message.id)
        assert.equal(view?.hasBody, false)
        assert.deepEqual(
          view.events.map(({ kind }) => kind),
          ['accepted', 'delivered'],
        )
      }
    })

    it('the timeline of a message stays bounded, its beginning and its end are kept', async ({ store }) => {
      const message = newMessage()
      const delivery = first(message.deliveries)
      await store.accept(message)
      for (let i = 0; i < 600; i += 100)
        await Promise.all(
          Array.from({ length: 100 }, (_, n) =>
            store.settle({
              ...update(delivery),
              events: [{ messageId: message.message.id, at: startAt + i + n, kind: 'deferred', data: {} }],
            }),
          ),
        )
      const events = (await store.messageView(message.message.id))?.events ?? []
      assert.equal(events[0]?.kind, 'accepted')
      assert.equal(events[1]?.at, startAt)
      assert.equal(events.at(-1)?.at, startAt + 599)
      assert.ok(events.length <= 601)
    })
  })

  describe(`${name}: operators`, () => {
    const four = async (store: Store): Promise<NewMessage[]> => {
      const messages = [
        newMessage({ recipients: ['a@one.example', 'b@two.example'], state: 'waiting' }),
        newMessage({ recipients: ['c@one.example'], state: 'held' }),
        newMessage({ recipients: ['d@one.example'], state: 'active' }),
      ]
      for (const message of messages) await store.accept(message)
      return messages
    }
    const recipients = (taken: readonly { readonly delivery: Delivery }[]): string[] =>
      taken.map(({ delivery }) => delivery.recipient.slice(0, 1))

    it('takeByFilter leases what matches and counts what is busy', async ({ store }) => {
      const [two, held, active] = await four(store)
      assert.ok(two && held && active)
      const byDomain = await store.takeByFilter({ domain: 'one.example' }, 10)
      assert.deepEqual(recipients(byDomain.taken), ['a', 'c'])
      assert.equal(byDomain.busyCount, 1)
      assert.deepEqual(
        byDomain.taken.map(({ delivery }) => delivery.state),
        ['waiting', 'held'],
        'says what they were',
      )
      assert.deepEqual(byDomain.taken[0]?.message, two.message)
      const again = await store.takeByFilter({ domain: 'one.example' }, 10)
      assert.deepEqual(again, { taken: [], busyCount: 3 })
      assert.equal((await store.takeDue(due(startAt + dayMs))).length, 1, 'only the one that was not taken')
    })

    it('takeByFilter by ids of messages and deliveries, destination and state', async ({ store }) => {
      const [two, held, active] = await four(store)
      assert.ok(two && held && active)
      const none = await store.takeByFilter({ ids: ['nonsense', `${two.message.id}-7`] }, 10)
      assert.deepEqual(none, { taken: [], busyCount: 0 })
      assert.deepEqual(recipients((await store.takeByFilter({ state: 'held' }, 10)).taken), ['c'])
      const one = await store.takeByFilter({ ids: [`${two.message.id}-1`, active.message.id] }, 10)
      assert.deepEqual(recipients(one.taken), ['b'])
      assert.equal(one.busyCount, 1)
      const rest = await store.takeByFilter({ destination: 'mx:one.example', state: 'waiting' }, 10)
      assert.deepEqual(recipients(rest.taken), ['a'])
    })

    it('takeByFilter takes at most so many', async ({ store }) => {
      for (let i = 0; i < 5; i++) await store.accept(newMessage({ state: 'waiting' }))
      assert.equal((await store.takeByFilter({}, 2)).taken.length, 2)
      assert.equal((await store.takeByFilter({}, 10)).taken.length, 3)
    })

    it('a held delivery that was leased is held again after a crash, never sent', async ({ store }) => {
      const message = newMessage({ state: 'held' })
      await store.accept(message)
      assert.equal((await store.takeByFilter({}, 1)).taken.length, 1)
      await store.recover()
      assert.deepEqual(await store.takeDue(due(startAt + dayMs)), [])
      assert.equal((await store.messageView(message.message.id))?.deliveries[0]?.state, 'held')
    })

    it('queueList filters and pages', async ({ store }) => {
      const [two] = await four(store)
      assert.ok(two)
      for (const limit of [1, 2, 3, 100]) {
        const list = await all((cursor) =>
          store.queueList({ limit, ...(cursor !== undefined && { cursor }) }),
        )
        assert.deepEqual(recipients(list), ['a', 'b', 'c', 'd'])
      }
      const held = await store.queueList({ limit: 10, state: 'held' })
      assert.deepEqual(recipients(held.items), ['c'])
      const byId = await store.queueList({ limit: 10, ids: [two.message.id] })
      assert.deepEqual(recipients(byId.items), ['a', 'b'])
      const byBoth = await store.queueList({ limit: 10, ids: [two.message.id], domain: 'two.example' })
      assert.deepEqual(recipients(byBoth.items), ['b'])
    })

    it('queueStats counts by state and destination', async ({ store }) => {
      const [two] = await four(store)
      const oldestAt = idTimeMs(two?.message.id ?? '')
      await store.setDestination(down('mx:two.example', startAt + dayMs))
      const stats = await store.queueStats(startAt + minute)
      assert.deepEqual([stats.waiting, stats.active, stats.held], [2, 1, 1])
      assert.equal(stats.oldestDueAt, startAt)
      assert.deepEqual(stats.destinations, [
        { destination: 'mx:one.example', waiting: 1, held: 1, oldestAt, nextDueAt: startAt },
        {
          destination: 'mx:two.example',
          waiting: 1,
          held: 0,
          oldestAt,
          nextDueAt: startAt + dayMs,
          blocked: down('mx:two.example', startAt + dayMs),
        },
      ])
      await store.setDestination(down('mx:one.example', startAt + dayMs))
      assert.equal((await store.queueStats(startAt + minute)).oldestDueAt, undefined)
    })

    it('queueStats: the oldest of a destination may be held, and what is held alone is listed', async ({
      store,
    }) => {
      const at = (ageMs: number): string =>
        createIdSource(new VirtualClock(startAt - ageMs), seededRandom(ageMs))()
      for (const [ageMs, recipient, state] of [
        [minute, 'a@one.example', 'waiting'],
        [2 * minute, 'b@one.example', 'held'],
        [3 * minute, 'c@one.example', 'active'],
        [4 * minute, 'd@two.example', 'held'],
      ] as const)
        await store.accept(newMessage({ id: at(ageMs), recipients: [recipient], state }))
      const { destinations } = await store.queueStats(startAt)
      assert.deepEqual(destinations, [
        {
          destination: 'mx:one.example',
          waiting: 1,
          held: 1,
          oldestAt: startAt - 2 * minute,
          nextDueAt: startAt,
        },
        { destination: 'mx:two.example', waiting: 0, held: 1, oldestAt: startAt - 4 * minute },
      ])
    })

    it('reroute moves what waits or is held, and it is due there', async ({ store }) => {
      await four(store)
      const pairs = async (): Promise<string[]> =>
        (await store.routesInUse()).map(({ domain, destination }) => `${domain} ${destination}`).sort()
      assert.deepEqual(await pairs(), ['one.example mx:one.example', 'two.example mx:two.example'])
      assert.equal(await store.reroute('one.example', 'mx:one.example', 'smtp:hub:25'), 2)
      assert.deepEqual(await pairs(), [
        'one.example mx:one.example',
        'one.example smtp:hub:25',
        'two.example mx:two.example',
      ])
      const taken = await store.takeDue(due(startAt + minute))
      assert.deepEqual(taken.map(({ delivery }) => delivery.destination).sort(), [
        'mx:two.example',
        'smtp:hub:25',
      ])
      assert.equal((await store.takeByFilter({ state: 'held' }, 10)).taken.length, 1)
    })
  })

  describe(`${name}: bodies`, () => {
    const sizes = [0, 1, 65_536, 65_537, inlineBytesMax, inlineBytesMax + 1, 3_000_000]
    for (const sizeBytes of sizes)
      it(`a body of ${sizeBytes} bytes comes back`, async ({ store }) => {
        const sample = newMessage()
        const bytes = Buffer.from(seededRandom(sizeBytes).bytes(sizeBytes))
        const writer = store.bodyWriter(sample.message.id)
        for (let at = 0, step = 1; at < bytes.length; at += step, step = Math.min(step * 3, 50_000))
          await writer.write(bytes.subarray(at, at + step))
        assert.equal(writer.sizeBytes, sizeBytes)
        const body = await writer.finish()
        assert.equal(body.kind, sizeBytes <= inlineBytesMax ? 'inline' : 'file')
        await store.accept({ ...sample, message: { ...sample.message, sizeBytes }, body })
        writer.abort()
        const reader = await store.openBody(sample.message.id)
        assert.equal(reader.bytes() === undefined, sizeBytes > inlineBytesMax)
        assert.ok((await bytesOf(reader)).equals(bytes))
        await store.settle(remove(sample))
        await assert.rejects(store.openBody(sample.message.id))
      })

    it('an aborted body leaves nothing, whenever it comes', async ({ store }) => {
      const sample = newMessage()
      for (const pieces of [0, 1, 5]) {
        const writer = store.bodyWriter(sample.message.id)
        for (let i = 0; i < pieces; i++) void writer.write(Buffer.alloc(100_000))
        writer.abort()
        writer.abort()
      }
      const writer = store.bodyWriter(`${sample.message.id.slice(0, -1)}0`)
      await writer.write(Buffer.alloc(inlineBytesMax + 1))
      const body = await writer.finish()
      writer.abort()
      assert.equal(body.kind, 'file')
    })

    it('a stream stops when it is told', async ({ store }) => {
      const message = newMessage({ body: Buffer.alloc(200_000) })
      await store.accept(message)
      const stop = new AbortController()
      const body = await store.openBody(message.message.id)
      await assert.rejects(async () => {
        for await (const _piece of body.stream(stop.signal)) stop.abort(new Error('enough'))
      }, /enough/)
    })
  })

  describe(`${name}: mailboxes`, () => {
    it('mail placed by the accepting transaction is listed and opened', async ({ store }) => {
      const message = newMessage({ placed: ['a@example.test', 'b@example.test'] })
      await store.accept(message)
      const { items } = await store.mailList({ account: 'a@example.test', limit: 10 })
      const placement = placementIn('a@example.test')
      assert.deepEqual(items, [
        {
          account: 'a@example.test',
          mailbox: 'INBOX',
          uid: 1,
          messageId: message.message.id,
          seq: 0,
          internalDate: startAt,
          sizeBytes: placement.prefix.length + message.body.sizeBytes,
          reversePath: 'sender@source.example',
          recipient: 'a@example.test',
          from: 'Sender <sender@source.example>',
          to: 'someone@example.test',
          subject: 'sample',
        },
      ])
      const opened = await store.mailOpen({ account: 'a@example.test', mailbox: 'INBOX', uid: 1 })
      assert.ok(opened !== undefined)
      assert.deepEqual(opened.item, items[0])
      assert.equal(opened.prefix, placement.prefix)
      assert.ok((await bytesOf(opened.body)).equals(inlineBytes(message)))
      const byId = await store.mailOpen({ messageId: message.message.id })
      assert.equal(byId?.item.account, 'a@example.test')
      assert.equal(await store.mailOpen({ messageId: 'none' }), undefined)
      const view = await store.messageView(message.message.id)
      assert.deepEqual(view?.placements, [
        { account: 'a@example.test', mailbox: 'INBOX', uid: 1 },
        { account: 'b@example.test', mailbox: 'INBOX', uid: 1 },
      ])
    })

    it('mail placed by a settle, with the body that was stored at the accept', async ({ store }) => {
      const message = newMessage({ recipients: ['a@example.test'], destination: 'local' })
      await store.accept(message)
      await store.settle(remove(message, 0, placementIn('a@example.test')))
      const opened = await store.mailOpen({ messageId: message.message.id })
      assert.equal(opened?.item.subject, 'sample')
      assert.equal(opened.item.recipient, 'a@example.test')
      assert.ok((await bytesOf(opened.body)).equals(inlineBytes(message)))
      assert.equal((await store.messageView(message.message.id))?.hasBody, true)
    })

    it('a large body serves its mailbox, with a summary', async ({ store }) => {
      const sample = newMessage({ recipients: [], placed: ['a@example.test'] })
      const bytes = Buffer.from(sampleText('large', inlineBytesMax))
      const writer = store.bodyWriter(sample.message.id)
      await writer.write(bytes)
      await store.accept({ ...sample, body: await writer.finish() })
      const opened = await store.mailOpen({ messageId: sample.message.id })
      assert.ok(opened !== undefined)
      assert.equal(opened.item.subject, 'large')
      assert.ok((await bytesOf(opened.body)).equals(bytes))
      await store.mailDelete([opened.item])
      await assert.rejects(store.openBody(sample.message.id))
    })

    it('uids grow and are never used again', async ({ store }) => {
      const put = (): Promise<void> => store.accept(newMessage({ placed: ['a@example.test'] }))
      const uids = async (): Promise<number[]> =>
        (await store.mailList({ account: 'a@example.test', limit: 10 })).items.map(({ uid }) => uid)
      await Promise.all([put(), put()])
      await put()
      assert.deepEqual(await uids(), [3, 2, 1])
      const deleted = await store.mailDelete([
        { account: 'a@example.test', mailbox: 'INBOX', uid: 3 },
        { account: 'a@example.test', mailbox: 'INBOX', uid: 9 },
        { account: 'nobody@example.test', mailbox: 'INBOX', uid: 1 },
      ])
      assert.equal(deleted, 1)
      await put()
      assert.deepEqual(await uids(), [4, 2, 1])
    })

    it('the body goes with its last reference', async ({ store }) => {
      const message = newMessage({
        recipients: ['x@away.example'],
        placed: ['a@example.test', 'b@example.test'],
      })
      const { id } = message.message
      await store.accept(message)
      const inbox = (account: string): Promise<number> =>
        store.mailDelete([{ account, mailbox: 'INBOX', uid: 1 }])
      await inbox('a@example.test')
      await store.settle(remove(message))
      assert.equal((await bytesOf(await store.openBody(id))).length, message.body.sizeBytes)
      await inbox('b@example.test')
      await assert.rejects(store.openBody(id), { code: 'corrupt' })
    })

    it('lists page, newest first', async ({ store }) => {
      for (let i = 0; i < 7; i++)
        await store.accept(newMessage({ placed: ['a@example.test', 'b@example.test'] }))
      const list = (limit: number, account?: string): Promise<string[]> =>
        all((cursor) =>
          store.mailList({
            limit,
            ...(account !== undefined && { account }),
            ...(cursor !== undefined && { cursor }),
          }),
        ).then((items) => items.map((item) => `${item.messageId} ${item.account}`))
      for (const account of [undefined, 'a@example.test']) {
        const whole = await list(100, account)
        assert.equal(whole.length, account === undefined ? 14 : 7)
        assert.deepEqual(
          whole.map((key) => key.slice(0, 20)),
          whole
            .map((key) => key.slice(0, 20))
            .sort()
            .reverse(),
        )
        for (const limit of [1, 3, 7]) assert.deepEqual(await list(limit, account), whole)
      }
      assert.deepEqual(await list(5, 'nobody@example.test'), [])
    })

    it('no sequence of acts leaves an orphan body or loses one', async ({ store }) => {
      const ids = createIdSource(new VirtualClock(), seededRandom(7))
      const act = fc.record({
        kind: fc.constantFrom('accept', 'settle', 'place', 'delete', 'update' as const),
        n: fc.nat(30),
        m: fc.nat(3),
      })
      await fc.assert(
        fc.asyncProperty(fc.array(act, { maxLength: 40 }), async (acts) => {
          const messages: NewMessage[] = []
          const live = new Map<string, Set<number>>()
          const placed = new Map<string, Map<string, number>>()
          const done: Promise<unknown>[] = []
          for (const { kind, n, m } of acts) {
            const message = messages[n % Math.max(1, messages.length)]
            if (kind === 'accept' || message === undefined) {
              const recipients = Array.from({ length: m }, (_, i) => `r${i}@away.example`)
              const placedIn = n % 3 === 0 ? [`box${n % 2}@example.test`] : undefined
              const fresh = newMessage({
                id: ids(),
                recipients,
                ...(placedIn !== undefined && { placed: placedIn }),
                body: sampleText(`${n}`, n * 5000),
              })
              messages.push(fresh)
              live.set(fresh.message.id, new Set(recipients.keys()))
              placed.set(fresh.message.id, new Map(placedIn?.map((account) => [account, recipients.length])))
              done.push(store.accept(fresh))
              continue
            }
            const { id } = message.message
            const box = `box${n % 2}@example.test`
            if (kind === 'settle' || kind === 'place') {
              const wasLive = live.get(id)?.delete(m) ?? false
              if (kind === 'place' && wasLive && !placed.get(id)?.has(box)) placed.get(id)?.set(box, m)
              done.push(store.settle(remove(message, m, kind === 'place' ? placementIn(box) : undefined)))
            } else if (kind === 'update') {
              const delivery = message.deliveries[m]
              if (delivery !== undefined && live.get(id)?.has(m))
                done.push(store.settle(update({ ...delivery, state: 'waiting' })))
            } else {
              await Promise.all(done.splice(0))
              const view = await store.messageView(id)
              await store.mailDelete(view?.placements ?? [])
              placed.get(id)?.clear()
            }
          }
          await Promise.all(done)
          for (const message of messages) {
            const { id } = message.message
            const view = await store.messageView(id)
            const expected = (live.get(id)?.size ?? 0) > 0 || (view?.placements.length ?? 0) > 0
            assert.deepEqual(
              view?.deliveries.map(({ seq }) => seq),
              [...(live.get(id) ?? [])].sort((a, b) => a - b),
            )
            assert.equal(view?.hasBody, expected)
            assert.equal((view?.placements.length ?? 0) > 0, (placed.get(id)?.size ?? 0) > 0)
            if (expected) assert.ok((await bytesOf(await store.openBody(id))).equals(inlineBytes(message)))
            else await assert.rejects(store.openBody(id), { code: 'corrupt' })
          }
        }),
        { numRuns: 25, seed: 42 },
      )
    })
  })

  describe(`${name}: keeping and forgetting`, () => {
    const at = (clockMs: number, ids = createIdSource(new VirtualClock(clockMs), seededRandom(3))): string =>
      ids()

    it('recentMessages pages, newest first, live and finished', async ({ store }) => {
      const messages = Array.from({ length: 5 }, (_, i) =>
        newMessage({ id: at(startAt + i * minute), at: startAt + i * minute }),
      )
      for (const message of messages) await store.accept(message)
      await store.settle(remove(first(messages)))
      const expected = messages.map(({ message }) => message).reverse()
      for (const limit of [1, 2, 5, 50])
        assert.deepEqual(await all((cursor) => store.recentMessages(limit, cursor)), expected)
    })

    it('prune forgets what is finished and old, at most so many, oldest first', async ({ store }) => {
      const messages = Array.from({ length: 6 }, (_, i) =>
        newMessage({ id: at(startAt + i * dayMs), at: startAt + i * dayMs }),
      )
      for (const message of messages) await store.accept(message)
      for (const message of messages.slice(1)) await store.settle(remove(message))
      assert.equal(await store.prune({ before: startAt + 4 * dayMs, max: 2 }), 2)
      assert.equal(await store.messageView(messages[1]?.message.id ?? ''), undefined)
      assert.equal(await store.prune({ before: startAt + 4 * dayMs, max: 100 }), 1)
      assert.equal(await store.prune({ before: startAt + 4 * dayMs, max: 100 }), 0)
      const left = (await store.recentMessages(10)).items.map(({ receivedAt }) => receivedAt - startAt)
      assert.deepEqual(left, [5 * dayMs, 4 * dayMs, 0], 'the first is live')
    })

    it('prune bounds the count too, and never a body with a mailbox row', async ({ store }) => {
      const messages = Array.from({ length: 5 }, (_, i) =>
        newMessage({ id: at(startAt + i), at: startAt + i, placed: ['a@example.test'] }),
      )
      for (const message of messages) await store.accept(message)
      assert.equal(await store.prune({ before: 0, keepMax: 5, max: 100 }), 0)
      assert.equal(await store.prune({ before: 0, keepMax: 2, max: 100 }), 3)
      assert.equal((await store.recentMessages(10)).items.length, 2)
      const [, , , , oldest] = (await store.mailList({ account: 'a@example.test', limit: 10 })).items
      assert.ok(oldest !== undefined)
      const opened = await store.mailOpen(oldest)
      assert.ok(opened !== undefined)
      assert.ok((await bytesOf(opened.body)).equals(inlineBytes(first(messages))))
      assert.equal(await store.mailDelete([oldest]), 1)
    })

    it('accounts: put, replace, get, list, delete', async ({ store }) => {
      const scram = {
        salt: Uint8Array.of(1, 2, 255),
        iterationCount: 4096,
        storedKey: Uint8Array.of(0),
        serverKey: Uint8Array.of(9, 8),
      }
      const alice = { name: 'alice@example.test', passwordHash: '$argon2id$x', enabled: true, createdAt: 1 }
      const bob = { name: 'bob@example.test', scram, enabled: false, createdAt: 2 }
      await store.accountPut(bob)
      await store.accountPut({ ...alice, enabled: false })
      await store.accountPut(alice)
      assert.deepEqual(await store.accountGet('alice@example.test'), alice)
      assert.deepEqual(await store.accountGet('bob@example.test'), bob)
      assert.deepEqual(await store.accountList(), [alice, bob])
      assert.equal(await store.accountDelete('alice@example.test'), true)
      assert.equal(await store.accountDelete('alice@example.test'), false)
      assert.equal(await store.accountGet('alice@example.test'), undefined)
    })

    it('nothing is quarantined in a sound store', async ({ store }) => {
      await store.accept(newMessage())
      assert.deepEqual(await store.quarantined(), [])
    })

    it('close ends what was asked for; after it calls reject with closed', async ({ store }) => {
      const accepted = store.accept(newMessage())
      await store.close()
      await accepted
      await store.close()
      await assert.rejects(store.accept(newMessage()), { name: 'StoreFailure', code: 'closed' })
      await assert.rejects(store.queueList({ limit: 1 }), { code: 'closed' })
    })

    it('all of it is there after a reopen', async ({ store, reopen }) => {
      if (reopen === undefined) return
      const waiting = newMessage({ state: 'waiting', dueAt: startAt + minute })
      const placed = newMessage({ placed: ['a@example.test'] })
      const active = newMessage()
      for (const message of [waiting, placed, active]) await store.accept(message)
      await store.setDestination(down('x', startAt + dayMs))
      await store.accountPut({ name: 'a@example.test', enabled: true, createdAt: 1 })
      const again = await reopen()
      assert.equal(await again.recover(), 1)
      assert.deepEqual(await again.destinations(), [down('x', startAt + dayMs)])
      assert.equal((await again.accountList()).length, 1)
      assert.ok((await bytesOf(await again.openBody(active.message.id))).equals(inlineBytes(active)))
      assert.equal((await again.takeDue(due(startAt + minute))).length, 2)
      await again.accept(newMessage({ placed: ['a@example.test'] }))
      const uids = (await again.mailList({ account: 'a@example.test', limit: 10 })).items.map(
        ({ uid }) => uid,
      )
      assert.deepEqual(uids, [2, 1])
    })
  })
}
