// Owns the numbers of the last day, minute by minute, in memory: what was taken, refused, delivered, put off and given up,
// in all and by destination, and how long deliveries took. A ring per series; bounded; it reads no clock but the one given.

import type { Clock } from '../base/clock.ts'

import type { StatsView } from './api-types.ts'

export type TrafficKind = 'accepted' | 'refused' | 'delivered' | 'deferred' | 'failed'

interface Minute {
  /** Epoch minutes; a slot of another minute is empty. */
  minute: number
  accepted: number
  refused: number
  delivered: number
  deferred: number
  failed: number
  connections: number
  /** A sample of at most `latencySamples`, evenly drawn. */
  readonly latencies: number[]
  latencyCount: number
}

export interface History {
  readonly delivered: readonly number[]
  readonly deferred: readonly number[]
  readonly failed: readonly number[]
}

const minuteMs = 60_000
const minutesMax = 1440
const historyMinutes = 60
const destinationsMax = 2000
const latencySamples = 200
const outcomes = ['delivered', 'deferred', 'failed'] as const
type Outcome = (typeof outcomes)[number]

class Ring {
  readonly counts: Readonly<Record<Outcome, Uint32Array>> = {
    delivered: new Uint32Array(historyMinutes),
    deferred: new Uint32Array(historyMinutes),
    failed: new Uint32Array(historyMinutes),
  }
  /** Newest minute that is counted. */
  minute = 0

  moveTo(minute: number): void {
    const gap = Math.min(historyMinutes, minute - this.minute)
    for (let i = 1; i <= gap; i++)
      for (const kind of outcomes) this.counts[kind][(this.minute + i) % historyMinutes] = 0
    if (gap === historyMinutes) for (const kind of outcomes) this.counts[kind].fill(0)
    if (minute > this.minute) this.minute = minute
  }

  /** Oldest first, up to `minute`. */
  series(kind: Outcome, minute: number): readonly number[] {
    this.moveTo(minute)
    return Array.from(
      { length: historyMinutes },
      (_, i) => this.counts[kind][(minute + 1 + i) % historyMinutes] ?? 0,
    )
  }
}

export class Traffic {
  readonly #active = new Map<string, number>()

  readonly #clock: Clock
  readonly #connections: () => number
  readonly #minutes: (Minute | undefined)[] = []
  /** The longest unused first. */
  readonly #rings = new Map<string, Ring>()

  /** `connections` says how many are open now. */
  constructor(clock: Clock, connections: () => number) {
    this.#clock = clock
    this.#connections = connections
  }

  count(kind: TrafficKind, count = 1): void {
    this.#slot()[kind] += count
  }

  /** The result for one recipient; `ageMs` since it was accepted. */
  outcome(kind: Outcome, destination: string, ageMs: number): void {
    const slot = this.#slot()
    slot[kind]++
    if (kind === 'delivered') {
      // Every n-th replaces one in turn: enough for two percentiles.
      const at = slot.latencyCount++ % latencySamples
      slot.latencies[at] = ageMs
    }
    const minute = this.#minute()
    const ring = this.#ring(destination)
    ring.moveTo(minute)
    const counts = ring.counts[kind]
    const at = minute % historyMinutes
    counts[at] = (counts[at] ?? 0) + 1
  }

  /** Recipients of an attempt that begins (positive) or has ended (negative). */
  underWay(destination: string, change: number): void {
    const count = this.activeCount(destination) + change
    if (count > 0) this.#active.set(destination, count)
    else this.#active.delete(destination)
  }

  activeCount(destination: string): number {
    return this.#active.get(destination) ?? 0
  }

  /** To be called about once a minute, so that quiet minutes know their connections too. */
  sample(): void {
    this.#slot()
  }

  history(destination: string): History {
    const minute = this.#minute()
    const ring = this.#rings.get(destination) ?? new Ring()
    return {
      delivered: ring.series('delivered', minute),
      deferred: ring.series('deferred', minute),
      failed: ring.series('failed', minute),
    }
  }

  /** The last `minutes`, at most 120 buckets, oldest first. */
  series(minutes: number): Pick<StatsView, 'stepMs' | 'at' | 'series'> {
    const step = Math.ceil(Math.min(minutes, minutesMax) / 120)
    const last = this.#minute()
    const bucketCount = Math.ceil(Math.min(minutes, minutesMax) / step)
    const buckets = Array.from({ length: bucketCount }, (_, i) => {
      const first = last - (bucketCount - i) * step + 1
      return Array.from({ length: step }, (_unused, k) => this.#at(first + k)).filter(
        (slot) => slot !== undefined,
      )
    })
    const sum = (kind: TrafficKind): readonly number[] =>
      buckets.map((slots) => slots.reduce((total, slot) => total + slot[kind], 0))
    const percentile = (share: number): readonly (number | null)[] =>
      buckets.map((slots) =>
        quantile(
          slots.flatMap((slot) => slot.latencies),
          share,
        ),
      )
    return {
      stepMs: step * minuteMs,
      at: buckets.map((_, i) => (last - (bucketCount - i) * step + 1) * minuteMs),
      series: {
        accepted: sum('accepted'),
        refused: sum('refused'),
        delivered: sum('delivered'),
        deferred: sum('deferred'),
        failed: sum('failed'),
        latencyP50: percentile(0.5),
        latencyP95: percentile(0.95),
        connections: buckets.map((slots) => Math.max(0, ...slots.map((slot) => slot.connections))),
      },
    }
  }

  #minute(): number {
    return Math.floor(this.#clock.now() / minuteMs)
  }

  #at(minute: number): Minute | undefined {
    const slot = this.#minutes[minute % minutesMax]
    return slot?.minute === minute ? slot : undefined
  }

  #slot(): Minute {
    const minute = this.#minute()
    const known = this.#at(minute)
    const connections = this.#connections()
    if (known !== undefined) {
      known.connections = Math.max(known.connections, connections)
      return known
    }
    const zero = { accepted: 0, refused: 0, delivered: 0, deferred: 0, failed: 0 }
    const slot: Minute = { minute, ...zero, connections, latencies: [], latencyCount: 0 }
    this.#minutes[minute % minutesMax] = slot
    return slot
  }

  #ring(destination: string): Ring {
    let ring = this.#rings.get(destination)
    if (ring === undefined) {
      ring = new Ring()
      ring.minute = this.#minute()
    } else this.#rings.delete(destination)
    if (this.#rings.size >= destinationsMax) {
      const oldest = this.#rings.keys().next().value
      if (oldest !== undefined) this.#rings.delete(oldest)
    }
    this.#rings.set(destination, ring)
    return ring
  }
}

function quantile(values: readonly number[], share: number): number | null {
  if (values.length === 0) return null
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null
}
