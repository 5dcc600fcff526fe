// Owns the life of webhooks in virtual time: what is sent, signed how, tried again when, given up when, and that neither a
// stop nor a failing endpoint loses an event.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'

import { silentLog } from '../base/log.ts'
import type { NewMessage } from '../queue/types.ts'
import { createMemoryStore } from '../store/memory/memory-store.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'

import type { ApiParts, HttpPost } from './api-parts.ts'
import type { EventView } from './api-types.ts'
import { FeedHub } from './feed-hub.ts'
import { attemptsMax } from './webhook-runner.ts'
import { Webhooks } from './webhooks.ts'

interface Answer {
  readonly status: number
  readonly retryAfterSeconds?: number
}

class World {
  readonly clock = new VirtualClock()
  readonly store = createMemoryStore({ clock: this.clock })
  readonly requests: (HttpPost & { readonly at: number })[] = []
  /** What the endpoint answers; an Error: it cannot be reached. */
  answer: () => Answer | Error = () => ({ status: 200 })
  webhooks: Webhooks
  #count = 0

  constructor() {
    this.webhooks = this.#make()
  }

  #make(): Webhooks {
    const { clock, store } = this
    const parts = {
      clock,
      store,
      log: silentLog,
      random: seededRandom(1),
      post: async (request: HttpPost) => {
        this.requests.push({ ...request, at: clock.now() })
        const answer = this.answer()
        if (answer instanceof Error) throw answer
        return answer
      },
    } as unknown as ApiParts
    return new Webhooks(parts, new FeedHub({ feed: store, clock, log: silentLog }))
  }

  async restart(): Promise<void> {
    await this.webhooks.stop()
    this.webhooks = this.#make()
    await this.webhooks.start()
    await this.clock.settle()
  }

  /** A message is accepted: one event of kind 'accepted'. */
  async accept(): Promise<string> {
    const id = `${this.#count++}`.padStart(20, '0')
    const message: NewMessage = {
      message: {
        id,
        receivedAt: this.clock.now(),
        reversePath: '',
        sizeBytes: 1,
        smtputf8: false,
        body8bit: false,
        origin: { via: 'test' },
      },
      body: { kind: 'inline', chunks: [Buffer.from('x')], sizeBytes: 1 },
      deliveries: [],
      events: [{ messageId: id, at: this.clock.now(), kind: 'accepted', data: { n: this.#count } }],
    }
    await this.store.accept(message)
    await this.clock.settle()
    return id
  }

  bodies(): readonly EventView[] {
    return this.requests.map(({ body }) => JSON.parse(Buffer.from(body).toString()) as EventView)
  }
}

const start = async (
  kinds: readonly string[] = ['*'],
): Promise<{ world: World; id: string; secret: string }> => {
  const world = new World()
  await world.webhooks.start()
  const { id, secret } = await world.webhooks.create({ url: 'https://hook.test/x', kinds, enabled: true })
  return { world, id, secret }
}

test('webhooks: events come in order, once, signed over id, time and body', async () => {
  const { world, id, secret } = await start()
  const messages = [await world.accept(), await world.accept(), await world.accept()]
  assert.deepEqual(
    world.bodies().map(({ messageId }) => messageId),
    messages,
  )
  const [request] = world.requests
  assert.ok(request)
  const { headers, body } = request
  assert.equal(headers['webhook-id'], `${id}-${world.bodies()[0]?.seq}`)
  assert.equal(Number(headers['webhook-timestamp']), Math.floor(world.clock.now() / 1000))
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${Buffer.from(body).toString()}`
  const expected = createHmac('sha256', key).update(signed).digest('base64')
  assert.equal(headers['webhook-signature'], `v1,${expected}`)
  const [item] = await world.webhooks.list()
  assert.equal(item?.state.deliveredSeq, world.bodies().at(-1)?.seq)
})

test('webhooks: only the kinds that were asked for, and nothing of before', async () => {
  const world = new World()
  world.store.feedKinds(['*'])
  await world.accept()
  await world.webhooks.start()
  await world.webhooks.create({ url: 'https://hook.test/x', kinds: ['delivered'], enabled: true })
  await world.webhooks.create({ url: 'https://hook.test/y', kinds: ['accepted'], enabled: true })
  const id = await world.accept()
  assert.deepEqual(
    world.requests.map(({ url }) => url),
    ['https://hook.test/y'],
  )
  assert.equal(world.bodies()[0]?.messageId, id)
})

test('webhooks: a failing endpoint is tried again with growing pauses, in order, and nothing is lost', async () => {
  const { world } = await start()
  world.answer = () => new Error('connection refused')
  const messages = [await world.accept(), await world.accept()]
  assert.equal(world.requests.length, 1, 'the second waits for the first')
  await world.clock.advance(60_000)
  const pauses = world.requests.slice(1).map(({ at }, i) => at - (world.requests[i]?.at ?? 0))
  assert.ok(pauses.length >= 3)
  for (const [i, pause] of pauses.entries()) {
    const base = 5000 * 2 ** i
    assert.ok(pause >= base * 0.8 && pause <= base * 1.2, `${pause} is about ${base}`)
  }
  const [item] = await world.webhooks.list()
  assert.equal(item?.state.lastError, 'connection refused')
  assert.ok((item?.state.nextTryAt ?? 0) > world.clock.now())
  world.answer = () => ({ status: 204 })
  await world.clock.advance(120_000)
  const tried = world.bodies().map(({ messageId }) => messageId)
  assert.deepEqual(tried.slice(-2), messages)
  const ids = new Set(world.requests.map(({ headers }) => headers['webhook-id']))
  assert.equal(ids.size, 2, 'a repeat has the same id')
})

test('webhooks: Retry-After is kept, a redirect or an error is no success', async () => {
  const { world } = await start()
  const answers: Answer[] = [{ status: 503, retryAfterSeconds: 300 }, { status: 302 }, { status: 200 }]
  world.answer = () => answers.shift() ?? { status: 200 }
  await world.accept()
  await world.clock.advance(299_000)
  assert.equal(world.requests.length, 1)
  await world.clock.advance(60_000)
  assert.equal(world.requests.length, 3)
})

test('webhooks: after the last try it is laid aside, can be sent again by hand, and the next ones come', async () => {
  const { world, id } = await start()
  world.answer = () => ({ status: 500 })
  const lost = await world.accept()
  await world.clock.advance(24 * 3_600_000)
  assert.equal(world.requests.length, attemptsMax)
  const dead = await world.webhooks.deadLetters(id)
  const [letter] = dead?.items ?? []
  assert.equal(letter?.messageId, lost)
  assert.equal(letter?.attemptCount, attemptsMax)
  assert.equal(letter?.lastError, 'status 500')
  world.answer = () => ({ status: 200 })
  const next = await world.accept()
  assert.equal(world.bodies().at(-1)?.messageId, next)
  assert.equal((await world.webhooks.redeliver(id, letter?.seq ?? 0))?.ok, true)
  assert.equal(world.bodies().at(-1)?.messageId, lost)
  assert.deepEqual((await world.webhooks.deadLetters(id))?.items, [])
  assert.equal(await world.webhooks.redeliver(id, letter?.seq ?? 0), undefined)
})

test('webhooks: what happens while nothing runs comes after the next start; pauses go on', async () => {
  const { world } = await start()
  const first = await world.accept()
  await world.webhooks.stop()
  const second = await world.accept()
  assert.equal(world.requests.length, 1)
  await world.restart()
  assert.deepEqual(
    world.bodies().map(({ messageId }) => messageId),
    [first, second],
  )
  world.answer = () => new Error('down')
  await world.accept()
  const count = world.requests.length
  await world.restart()
  assert.equal(world.requests.length, count, 'its pause is not over')
  await world.clock.advance(10_000)
  assert.equal(world.requests.length, count + 1)
})

test('webhooks: one that is switched off gets nothing until it is on again; one that is removed nothing at all', async () => {
  const { world, id } = await start()
  await world.webhooks.change(id, { enabled: false })
  world.store.feedKinds(['*'])
  await world.accept()
  assert.equal(world.requests.length, 0)
  await world.webhooks.change(id, { enabled: true })
  await world.clock.settle()
  assert.equal(world.requests.length, 1)
  assert.equal(await world.webhooks.remove(id), true)
  await world.accept()
  assert.equal(world.requests.length, 1)
  await world.restart()
  assert.deepEqual(await world.webhooks.list(), [])
})
