// Owns the state of one destination in memory: jobs ready to be dialed, how many are under way, whether it is down.
// It starts nothing; scheduler decisions are asked of it (`canStart`, `next`) and made in queue.ts.

import { Fifo } from './fifo.ts'
import type { DestinationState } from './store.ts'
import type { BodyReader, DeliveryJob, Transport } from './transport.ts'
import type { Delivery, Message } from './types.ts'

/** Bytes of a body in memory, shared by the jobs of one message. */
export interface MemoryHold {
  readonly bytes: number
  refs: number
}

/** What an operator asked for while an attempt was under way; done when the attempt has ended. */
export interface Mark {
  readonly act: 'hold' | 'delete' | 'bounce'
  readonly by: string
  readonly reason?: string
}

/** Recipients of one message at one destination: leased, and ready, dialed or being settled. */
export class Job implements DeliveryJob {
  readonly message: Message
  deliveries: readonly Delivery[]
  body: BodyReader
  /** The body has to be opened in the store first. */
  needsBody: boolean
  hold: MemoryHold | undefined
  readonly readyAt: number
  marks: Map<number, Mark> | undefined = undefined
  phase: 'ready' | 'dialing' | 'settling' = 'ready'

  constructor(
    message: Message,
    deliveries: readonly Delivery[],
    body: BodyReader | undefined,
    hold: MemoryHold | undefined,
    readyAt: number,
  ) {
    this.message = message
    this.deliveries = deliveries
    this.body = body ?? noBody
    this.needsBody = body === undefined
    this.hold = hold
    this.readyAt = readyAt
  }
}

const noBody: BodyReader = { sizeBytes: 0, bytes: () => undefined, stream: async function* () {} }

export interface LaneLimits {
  /** Jobs under way at once. */
  readonly concurrency: number
  readonly recipientsPerJobMax: number
}

export const defaultLaneLimits: LaneLimits = { concurrency: 20, recipientsPerJobMax: 100 }

export class Lane {
  readonly destination: string
  readonly transport: Transport
  readonly limits: LaneLimits
  /** Handed over by accept; and taken from the store. Taken in turns, so that neither starves. */
  readonly #fresh = new Fifo<Job>()
  readonly #stored = new Fifo<Job>()
  #storedNext = false
  /** Dialed, or being settled. */
  readonly busy = new Set<Job>()
  /** Jobs that occupy a slot. */
  dialingCount = 0
  readyDeliveryCount = 0
  /** Set while nothing of it could be reached the last time. */
  down: DestinationState | undefined = undefined
  /** The store may have due deliveries that are not in memory. */
  moreInStore = false
  /** It stands in the ring of lanes that can start. */
  queued = false

  constructor(destination: string, transport: Transport, limits: LaneLimits) {
    this.destination = destination
    this.transport = transport
    this.limits = limits
  }

  get readyCount(): number {
    return this.#fresh.size + this.#stored.size
  }

  get storedCount(): number {
    return this.#stored.size
  }

  get isIdle(): boolean {
    return this.busy.size === 0 && this.readyCount === 0 && this.down === undefined
  }

  isBlocked(now: number): boolean {
    return this.down !== undefined && this.down.blockedUntil > now
  }

  /** A destination that was down gets one job, as a probe, until it has answered. */
  canStart(now: () => number): boolean {
    if (this.readyCount === 0) return false
    if (this.down === undefined) return this.dialingCount < this.limits.concurrency
    return this.dialingCount === 0 && !this.isBlocked(now())
  }

  /** Whether a message just accepted may go straight to it. */
  takesFresh(now: number): boolean {
    if (this.down === undefined) return true
    return !this.isBlocked(now) && this.dialingCount === 0 && this.readyCount === 0
  }

  /** Whether the store should be asked for more of it. */
  takesStored(now: number): boolean {
    if (this.down === undefined) return this.#stored.size < this.limits.concurrency
    return this.takesFresh(now)
  }

  push(job: Job, from: 'fresh' | 'stored'): void {
    this.readyDeliveryCount += job.deliveries.length
    if (from === 'fresh') this.#fresh.push(job)
    else this.#stored.push(job)
  }

  next(): Job | undefined {
    this.#storedNext = !this.#storedNext
    const job = this.#storedNext
      ? (this.#stored.shift() ?? this.#fresh.shift())
      : (this.#fresh.shift() ?? this.#stored.shift())
    if (job !== undefined) this.readyDeliveryCount -= job.deliveries.length
    return job
  }

  extract(pick: (job: Job) => boolean): Job[] {
    const picked = [...this.#fresh.extract(pick), ...this.#stored.extract(pick)]
    for (const job of picked) this.readyDeliveryCount -= job.deliveries.length
    return picked
  }

  drain(): Job[] {
    this.readyDeliveryCount = 0
    return [...this.#fresh.drain(), ...this.#stored.drain()]
  }

  *ready(): Iterable<Job> {
    yield* this.#fresh.items()
    yield* this.#stored.items()
  }

  oldestReadyAt(): number | undefined {
    const fresh = this.#fresh.peek()?.readyAt
    const stored = this.#stored.peek()?.readyAt
    return fresh === undefined ? stored : stored === undefined ? fresh : Math.min(fresh, stored)
  }
}
