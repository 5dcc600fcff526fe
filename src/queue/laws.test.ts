// The laws of the queue in a world that fails: refused writes, transports of every mood, crashes. One seed is one run.
// Each accepted recipient ends once; nothing is sent twice but what a crash caught between the answer and its settle;
// never two reports of a kind for a recipient; the queue drains once faults stop; nothing is left in memory.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Random } from '../base/random.ts'
import { FakeQueueStore } from '../testing/fake-queue-store.ts'
import { type Answer, delivered, greylisted, QueueWorld, refused } from '../testing/queue-world.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { type QueueStore, StoreFailure } from './store.ts'
import type { Delivery } from './types.ts'

const hour = 3_600_000
const keyOf = (delivery: Delivery): string => `${delivery.messageId}-${delivery.seq}`

class Life {
  readonly random: Random
  readonly world: QueueWorld
  calm = false
  life = 0
  /** Answers 'delivered' given, by delivery. */
  readonly given = new Map<string, number>()
  /** Deliveries that a crash caught between that answer and its settle. */
  readonly caught = new Map<string, number>()
  readonly accepted = new Set<string>()

  constructor(seed: number) {
    this.random = seededRandom(seed)
    const store = new FakeQueueStore()
    this.world = new QueueWorld({
      store,
      wrapStore: () => {
        const life = this.life
        return mortal(store, () => life === this.life)
      },
      retry: { delayNoticeAfterMs: hour },
      memoryBytesMax: 12_000,
      readyMax: 20,
      unsettledMax: 15,
      jobsMax: 12,
      limits: () => ({ concurrency: 3, recipientsPerJobMax: 2 }),
    })
    store.fault = (call) =>
      !this.calm && call !== 'recover' && this.chance(0.05)
        ? new StoreFailure('failed', `fault at ${call}`)
        : undefined
    this.world.deliver = (delivery, job) => this.#answer(delivery, job.deliveries.length)
  }

  chance(part: number): boolean {
    return this.random.fraction() < part
  }

  pick(count: number): number {
    return Math.floor(this.random.fraction() * count)
  }

  async #answer(delivery: Delivery, recipientCount: number): Promise<Answer> {
    const life = this.life
    if (!this.calm && this.chance(0.5)) {
      const waitMs = this.pick(60_000)
      await new Promise<void>((resolve) => void this.world.clock.setTimer(waitMs, resolve))
    }
    if (life !== this.life) return new Promise(() => {})
    const mood = this.calm ? 9 : this.pick(10)
    if (mood === 0 && recipientCount === 1) throw new Error('transport bug')
    if (mood === 1) return 'down'
    if (mood <= 3) return greylisted
    if (mood === 4 && delivery.domain !== 'home.test') return refused
    this.given.set(keyOf(delivery), (this.given.get(keyOf(delivery)) ?? 0) + 1)
    return delivered
  }

  async send(): Promise<void> {
    const recipients = Array.from({ length: 1 + this.pick(5) }, (_, i) => `u${i}@d${this.pick(3)}.test`)
    const reversePath = this.chance(0.2) ? '' : 'me@home.test'
    const message = this.world.make(recipients, { reversePath, body: Buffer.alloc(this.pick(6000), 'x') })
    try {
      await this.world.queue.accept(message)
      for (const delivery of message.deliveries) this.accepted.add(keyOf(delivery))
    } catch (error) {
      assert.ok(error instanceof StoreFailure)
      assert.equal(this.world.store.messages.has(message.message.id), false)
    }
  }

  /** Not awaited: it may die with its process. */
  act(): void {
    const act = (['hold', 'release', 'retry', 'bounce'] as const)[this.pick(4)] ?? 'retry'
    const filter = this.chance(0.5) ? {} : { domain: `d${this.pick(3)}.test` }
    this.world.queue.act(act, filter).catch((error: unknown) => assert.ok(error instanceof StoreFailure))
  }

  async crash(): Promise<void> {
    this.life++
    const { store } = this.world
    for (const [key, count] of this.given) if (store.rows.has(key)) this.caught.set(key, count)
    await this.world.restart()
  }
}

const calls = [
  'accept',
  'settle',
  'takeDue',
  'takeDeadlines',
  'nextDueAt',
  'setDestination',
  'clearDestination',
  'recover',
  'destinations',
  'openBody',
  'takeByFilter',
] as const

/** The store as one process sees it: when that has died, its calls do nothing and never return. */
function mortal(store: FakeQueueStore, isAlive: () => boolean): QueueStore {
  const all = calls.map((name) => {
    const call = store[name].bind(store) as (...given: readonly unknown[]) => Promise<unknown>
    return [name, (...given: readonly unknown[]) => (isAlive() ? call(...given) : new Promise(() => {}))]
  })
  return Object.fromEntries(all) as QueueStore
}

for (let seed = 1; seed <= 12; seed++)
  test(`laws of the queue, seed ${seed}`, async () => {
    const life = new Life(seed)
    const { world } = life
    const { store, clock } = world
    // recover and the first looks may fail as well.
    await world.queue.start()
    for (let step = 0; step < 60; step++) {
      for (let i = life.pick(3); i > 0; i--) await life.send()
      await clock.advance(life.pick(life.chance(0.2) ? 2 * hour : 20_000))
      const counts = world.queue.counts()
      assert.ok(counts.dialingJobs <= 12 && counts.memoryBytes <= 30_000, JSON.stringify(counts))
      if (life.chance(0.1)) life.act()
      if (life.chance(0.05)) await life.crash()
    }
    life.calm = true
    await clock.advance(2 * hour)
    await world.queue.release({})
    await clock.advance(2 * hour)
    await clock.advance(24 * hour)
    assert.deepEqual(world.fatals, [])
    assert.deepEqual([...store.rows.keys()], [])
    const { readyDeliveries, dialingJobs, openWrites, memoryBytes } = world.queue.counts()
    assert.deepEqual([readyDeliveries, dialingJobs, openWrites, memoryBytes], [0, 0, 0, 0])
    const ends = new Map<string, number>()
    const told = new Map<string, number>()
    for (const event of store.events) {
      const seqs = Array.isArray(event.data.seqs) ? (event.data.seqs as number[]) : [event.seq]
      for (const seq of seqs) {
        const key = `${event.messageId}-${seq}`
        if (['delivered', 'failed', 'expired', 'bounced'].includes(event.kind))
          ends.set(key, (ends.get(key) ?? 0) + 1)
        if (event.kind === 'dsn')
          told.set(`${key} ${event.data.kind}`, (told.get(`${key} ${event.data.kind}`) ?? 0) + 1)
      }
    }
    for (const key of life.accepted) assert.equal(ends.get(key), 1, `${key} ended ${ends.get(key)} times`)
    for (const [key, count] of told) assert.equal(count, 1, key)
    for (const [key, count] of life.given)
      if (count > 1) assert.ok(life.caught.has(key), `${key} delivered ${count} times`)
    assert.ok(life.accepted.size > 50)
  })
