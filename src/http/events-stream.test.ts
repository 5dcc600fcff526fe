// Owns the stream of live events over a real connection: what comes, to whom, resumed from where, and how it ends.

import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { type ClientRequest, request, type ServerResponse } from 'node:http'
import { after, before, test } from 'node:test'

import {
  type ApiWorld,
  adminAccount,
  apiPasswords,
  startApiWorld,
  userAccount,
} from '../../test/support/api-world.ts'

import { silentLog } from '../base/log.ts'
import { createMemoryStore } from '../store/memory/memory-store.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { EventStream, formatEvent, heartbeatMs, unreadBytesMax } from './events-stream.ts'
import { FeedHub } from './feed-hub.ts'

interface Event {
  readonly event: string
  readonly id: string
  readonly data: {
    readonly seq: number
    readonly kind: string
    readonly messageId?: string
    readonly head?: number
  }
}

class Listener {
  readonly events: Event[] = []
  readonly request: ClientRequest
  #text = ''
  #wake: () => void = () => {}
  ended = false

  constructor(world: ApiWorld, headers: Readonly<Record<string, string>>, path = '/v1/events') {
    this.request = request(
      { host: world.endpoint.address, port: world.endpoint.port, path, headers, agent: false },
      (answer) => {
        assert.equal(answer.statusCode, 200)
        assert.match(String(answer.headers['content-type']), /^text\/event-stream/)
        answer.on('data', (piece: Buffer) => this.#read(piece.toString()))
        answer.on('close', () => {
          this.ended = true
          this.#wake()
        })
      },
    )
    this.request.on('error', () => this.#wake())
    this.request.end()
  }

  #read(text: string): void {
    this.#text += text
    for (let end = this.#text.indexOf('\n\n'); end !== -1; end = this.#text.indexOf('\n\n')) {
      const lines = this.#text.slice(0, end).split('\n')
      this.#text = this.#text.slice(end + 2)
      const field = (name: string): string =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? ''
      if (field('event') !== '')
        this.events.push({ event: field('event'), id: field('id'), data: JSON.parse(field('data')) })
    }
    this.#wake()
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => (this.#wake = resolve))
  }

  close(): void {
    this.request.destroy()
  }
}

let world: ApiWorld
let admin: Readonly<Record<string, string>>
let user: Readonly<Record<string, string>>

before(async () => {
  world = await startApiWorld({ config: { delivery: { mode: 'capture' } } })
  admin = await world.logIn(adminAccount, apiPasswords.admin)
  user = await world.logIn(userAccount, apiPasswords.user)
})
after(() => world.close())

const submit = async (to: string): Promise<string> => {
  const raw = `From: a@elsewhere.test\r\nSubject: for ${to}\r\n\r\nx\r\n`
  return (await world.posthouse.submit({ from: 'a@elsewhere.test', to: [to], raw })).id
}
const kindsOf = (listener: Listener, id: string): readonly string[] =>
  listener.events.filter(({ data }) => data.messageId === id).map(({ event }) => event)

test('events: what happens comes at once, each to those who may see it', async () => {
  const all = new Listener(world, admin)
  const own = new Listener(world, user)
  await all.until(() => all.events.length > 0)
  await own.until(() => own.events.length > 0)
  assert.equal(all.events[0]?.event, 'hello')
  const foreign = await submit(adminAccount)
  const mine = await submit(userAccount)
  await own.until(() => kindsOf(own, mine).includes('mail.added'))
  await all.until(() => kindsOf(all, mine).includes('mail.added'))
  assert.deepEqual(kindsOf(all, foreign), ['accepted', 'delivered', 'mail.added'])
  assert.deepEqual(kindsOf(own, foreign), [])
  const seqs = all.events.slice(1).map(({ data }) => data.seq)
  assert.deepEqual(
    seqs,
    seqs.toSorted((a, b) => a - b),
  )
  all.close()
  own.close()
})

test('events: Last-Event-ID resumes without a gap; a number that is gone is told', async () => {
  const first = new Listener(world, admin)
  await first.until(() => first.events.length > 0)
  const seen = await submit(userAccount)
  await first.until(() => kindsOf(first, seen).includes('mail.added'))
  const last = first.events.at(-1)?.id ?? ''
  first.close()
  const missed = await submit(userAccount)
  const again = new Listener(world, { ...admin, 'last-event-id': last })
  await again.until(() => kindsOf(again, missed).includes('mail.added'))
  assert.deepEqual(kindsOf(again, seen), [])
  assert.deepEqual(kindsOf(again, missed), ['accepted', 'delivered', 'mail.added'])
  again.close()
  const ahead = new Listener(world, { ...admin, 'last-event-id': '999999' })
  await ahead.until(() => ahead.events.length > 1)
  assert.equal(ahead.events[1]?.event, 'lost')
  ahead.close()
})

test('events: only the kinds that were asked for', async () => {
  const listener = new Listener(world, admin, '/v1/events?kinds=mail.added,mail.removed')
  await listener.until(() => listener.events.length > 0)
  const id = await submit(userAccount)
  await listener.until(() => kindsOf(listener, id).length > 0)
  assert.deepEqual(kindsOf(listener, id), ['mail.added'])
  listener.close()
})

test('events: data has no line of its own, and a stop ends the stream', async () => {
  const text = formatEvent({ seq: 1, at: 2, kind: 'a\nevent: b', data: { text: 'x\n\ndata: y' } })
  assert.equal(text.split('\n').length, 5)
  const other = await startApiWorld({ config: { api: { auth: 'open' } } })
  const listener = new Listener(other, {})
  await listener.until(() => listener.events.length > 0)
  await other.close()
  await listener.until(() => listener.ended)
})

class FakeResponse extends EventEmitter {
  writableLength = 0
  readonly written: string[] = []
  destroyed = false
  isEnded = false
  write(text: string): boolean {
    this.written.push(text)
    return true
  }
  end(): void {
    this.isEnded = true
  }
  destroy(): void {
    this.destroyed = true
  }
}

const open = async (stillAllowed: () => Promise<boolean>) => {
  const clock = new VirtualClock()
  const store = createMemoryStore({ clock })
  const hub = new FeedHub({ feed: store, clock, log: silentLog })
  await hub.start()
  const response = new FakeResponse()
  let closedCount = 0
  new EventStream({
    hub,
    feed: store,
    clock,
    response: response as unknown as ServerResponse,
    after: undefined,
    maySee: () => true,
    stillAllowed,
    closed: () => void closedCount++,
  })
  await clock.settle()
  return { clock, hub, response, closedCount: () => closedCount, store }
}

test('events: a heartbeat comes, and asks whether he still may', async () => {
  let isAllowed = true
  const { clock, response, closedCount, hub } = await open(async () => isAllowed)
  await clock.advance(3 * heartbeatMs)
  assert.equal(response.written.filter((text) => text.startsWith(':')).length, 3)
  isAllowed = false
  await clock.advance(heartbeatMs)
  assert.equal(response.isEnded, true)
  assert.equal(closedCount(), 1)
  assert.equal(hub.listenerCount, 0)
  response.emit('close')
  assert.equal(closedCount(), 1)
  assert.equal(clock.pendingCount, 1, 'nothing but the hub going to sleep')
})

test('events: a client that does not read is dropped', async () => {
  const { clock, response, closedCount, hub } = await open(async () => true)
  response.writableLength = unreadBytesMax + 1
  await clock.advance(heartbeatMs)
  assert.equal(response.destroyed, true)
  assert.equal(closedCount(), 1)
  assert.equal(hub.listenerCount, 0)
})

test('events: while nobody listens nothing is written to the feed, some minutes after the last one left', async () => {
  const { clock, response, hub, store } = await open(async () => true)
  const kinds: (readonly string[])[] = []
  const { feedKinds } = store
  store.feedKinds = (given) => {
    kinds.push(given)
    feedKinds.call(store, given)
  }
  response.emit('close')
  assert.deepEqual(kinds, [])
  await clock.advance(10 * 60_000)
  assert.deepEqual(kinds, [[]])
  const subscription = hub.subscribe(() => {})
  assert.deepEqual(kinds, [[], ['*']])
  subscription.close()
  hub.close()
})
