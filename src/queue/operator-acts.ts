// Owns what operators do: finds the deliveries that a filter means, in memory and in the store, and has each act done to
// them, or marked for the end of the attempt that is under way.

import type { Log } from '../base/log.ts'
import type { Job, Lane } from './lane.ts'
import { type Act, type ActNote, applyAct, type MessageEffects, nothingYet } from './outcomes.ts'
import type { ActOptions, ActResult } from './queue.ts'
import type { RetryPolicy } from './retry.ts'
import { giveBack } from './schedule.ts'
import type { DueDelivery, QueueFilter, QueueStore } from './store.ts'
import type { Delivery, DeliveryId, MessageId } from './types.ts'

const actRowsMax = 50_000
const actPageRows = 1000

/** What acts need of the queue. */
export interface ActHost {
  readonly store: QueueStore
  readonly policy: RetryPolicy
  readonly log: Log
  now(): number
  lanes(): Iterable<Lane>
  /** Resolves when all of it is written. */
  settleAll(effects: Iterable<MessageEffects>): Promise<void>
  /** A job was taken out of memory whole. */
  forget(job: Job): void
  /** Deliveries were taken out of the ready ones. */
  tookReady(count: number): void
  /** A destination's pause ends now. */
  probe(lane: Lane): void
  look(): void
}

export class OperatorActs {
  readonly #host: ActHost

  constructor(host: ActHost) {
    this.#host = host
  }

  async act(act: Act, given: QueueFilter, options: ActOptions = {}): Promise<ActResult> {
    const filter: QueueFilter | undefined = narrow(given, act)
    if (filter === undefined) return { count: 0, busyCount: 0, markedCount: 0, more: false }
    const note: ActNote = {
      act,
      by: options.by ?? 'operator',
      ...(options.reason !== undefined && { reason: options.reason }),
      policy: this.#host.policy,
    }
    const matches = matcher(filter)
    let count = filter.state === 'held' ? 0 : await this.#actOnReady(note, matches)
    const marked = filter.state === 'held' ? { busy: 0, marked: 0 } : this.#mark(note, matches)
    let busyInStore = 0
    let more = true
    const kept: DueDelivery[] = []
    const destinations = new Set<string>()
    try {
      for (let rows = 0; rows < actRowsMax; ) {
        const { taken, busyCount } = await this.#host.store.takeByFilter(filter, actPageRows)
        busyInStore = busyCount
        rows += taken.length
        count += taken.length
        for (const { delivery } of taken) destinations.add(delivery.destination)
        // Done later where the new row would match the filter again.
        if (act === 'retry') kept.push(...taken)
        else await this.#actOn(taken, note)
        if (taken.length < actPageRows) {
          more = false
          break
        }
      }
    } finally {
      // Leased they are, whatever the next page said.
      await this.#actOn(kept, note)
    }
    if (act === 'retry') this.#probeNow(given, destinations)
    if (act === 'retry' || act === 'release') this.#host.look()
    const busyCount = Math.max(marked.busy, busyInStore - kept.length)
    this.#host.log.info({ act, filter, count, busyCount, by: note.by }, 'operator act')
    return { count, busyCount: Math.max(0, busyCount), markedCount: marked.marked, more }
  }

  /** Leased deliveries that were not dialed are at hand: done without the store's lease. Those that only wait for their slot are not touched by 'retry'. */
  async #actOnReady(note: ActNote, matches: (delivery: Delivery) => boolean): Promise<number> {
    if (note.act === 'release' || note.act === 'retry') return 0
    const taken: DueDelivery[] = []
    for (const lane of this.#host.lanes()) {
      const before = lane.readyDeliveryCount
      for (const job of lane.extract((each) => each.deliveries.some(matches))) {
        const rest = job.deliveries.filter((delivery) => !matches(delivery))
        for (const delivery of job.deliveries)
          if (matches(delivery))
            taken.push({ message: job.message, delivery: giveBack(delivery, this.#host.now()) })
        if (rest.length === 0) this.#host.forget(job)
        else {
          job.deliveries = rest
          lane.push(job, job.hold === undefined ? 'stored' : 'fresh')
        }
      }
      this.#host.tookReady(before - lane.readyDeliveryCount)
    }
    await this.#actOn(taken, note)
    return taken.length
  }

  /** An attempt is under way: the act is done at its end, unless it succeeds. */
  #mark(note: ActNote, matches: (delivery: Delivery) => boolean): { busy: number; marked: number } {
    let busy = 0
    let marked = 0
    for (const lane of this.#host.lanes())
      for (const job of lane.busy)
        for (const delivery of job.deliveries) {
          if (!matches(delivery)) continue
          busy++
          if (note.act === 'release' || note.act === 'retry' || job.phase !== 'dialing') continue
          job.marks ??= new Map()
          job.marks.set(delivery.seq, {
            act: note.act,
            by: note.by,
            ...(note.reason !== undefined && { reason: note.reason }),
          })
          marked++
        }
    return { busy, marked }
  }

  #actOn(taken: readonly DueDelivery[], note: ActNote): Promise<void> {
    if (taken.length === 0) return Promise.resolve()
    const now = this.#host.now()
    const byMessage = new Map<string, MessageEffects>()
    for (const { message, delivery } of taken) {
      let entry = byMessage.get(message.id)
      if (entry === undefined) byMessage.set(message.id, (entry = { message, effects: nothingYet() }))
      applyAct(entry.effects, delivery, note, now)
    }
    return this.#host.settleAll(byMessage.values())
  }

  /** "Retry now" of a destination that is down: its pause ends, one delivery probes it. */
  #probeNow(filter: QueueFilter, touched: ReadonlySet<string>): void {
    const now = this.#host.now()
    for (const lane of this.#host.lanes()) {
      const asked = touched.has(lane.destination) || filter.destination === lane.destination
      if (!asked || lane.down === undefined || lane.down.blockedUntil <= now) continue
      this.#host.probe(lane)
    }
  }
}

/** The rows that an act is for: `release` moves held ones, `hold` and `retry` waiting ones, the others both. */
function narrow(filter: QueueFilter, act: Act): QueueFilter | undefined {
  const state = act === 'release' ? 'held' : act === 'hold' || act === 'retry' ? 'waiting' : filter.state
  if (filter.state !== undefined && state !== filter.state) return undefined
  return state === undefined ? filter : { ...filter, state }
}

/** As the store understands a filter, for rows in memory. */
export function matcher(filter: QueueFilter): (delivery: Delivery) => boolean {
  const ids = filter.ids === undefined ? undefined : new Set<MessageId | DeliveryId>(filter.ids)
  return (delivery) =>
    (ids === undefined || ids.has(delivery.messageId) || ids.has(`${delivery.messageId}-${delivery.seq}`)) &&
    (filter.destination === undefined || filter.destination === delivery.destination) &&
    (filter.domain === undefined || filter.domain === delivery.domain)
}
