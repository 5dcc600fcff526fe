// Owns the feed of the memory store: entries in the order of the writes, listeners told behind them.

import type { Clock } from '../../base/clock.ts'
import { formatDeliveryId } from '../../base/id.ts'
import type { TimelineEvent } from '../../queue/types.ts'
import type { FeedEntry } from '../mail-view.ts'

export class MemoryFeed {
  readonly #clock: Clock
  #kinds: ReadonlySet<string> = new Set()
  #entries: FeedEntry[] = []
  #head = 0
  #isTold = true
  readonly #listeners = new Set<() => void>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  setKinds(kinds: readonly string[]): void {
    this.#kinds = new Set(kinds)
  }

  wants(kind: string): boolean {
    return this.#kinds.has(kind) || this.#kinds.has('*')
  }

  write(entry: Omit<FeedEntry, 'seq'>): void {
    if (!this.wants(entry.kind)) return
    this.#entries.push({ seq: ++this.#head, ...entry })
    if (!this.#isTold) return
    this.#isTold = false
    this.#clock.defer(() => {
      this.#isTold = true
      for (const listener of this.#listeners) listener()
    })
  }

  event({ messageId, seq, at, kind, data }: TimelineEvent): void {
    const delivery = seq === undefined ? {} : { delivery: formatDeliveryId(messageId, seq) }
    this.write({ at, kind, messageId, data: { ...delivery, ...data } })
  }

  read(after: number, limit: number): readonly FeedEntry[] {
    return this.#entries.filter(({ seq }) => seq > after).slice(0, limit)
  }

  get head(): number {
    return this.#head
  }

  prune(options: { readonly throughSeq?: number; readonly before?: number; readonly max: number }): number {
    const { throughSeq, before, max } = options
    let count = 0
    while (count < max) {
      const entry = this.#entries[count]
      if (entry === undefined) break
      if (entry.seq > (throughSeq ?? -1) && entry.at >= (before ?? -Infinity)) break
      count++
    }
    this.#entries = this.#entries.slice(count)
    return count
  }

  listen(listener: () => void): () => void {
    const own = (): void => listener()
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }
}
