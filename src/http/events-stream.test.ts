// Owns the stream of live events over a real connection: what comes, to whom, resumed from where, and how it ends.

import assert from 'node:assert/strict'
import { type ClientRequest, request } from 'node:http'
import { after, before, test } from 'node:test'

import {
  type ApiWorld,
  adminAccount,
  apiPasswords,
  startApiWorld,
  userAccount,
} from '../../test/support/api-world.ts'

import { formatEvent } from './events-stream.ts'

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
