// Owns a bounded table of what was seen, when and how often, which outlives the process: the base of greylisting and of the
// first-time delay. The longest unused entry is forgotten first. It is written in shards, those that changed only; what a
// crash takes is no more than another first time. No I/O of its own.

import { createHash } from 'node:crypto'
import type { Clock } from '../base/clock.ts'

export interface Seen {
  readonly firstAt: number
  lastAt: number
  /** How often it ended well. */
  passCount: number
}

export interface SeenTableOptions {
  readonly clock: Clock
  /** Default 50,000: 6 MB in memory, 3 on disk. */
  readonly entriesMax?: number
  /** Default 36 days. */
  readonly forgetMs?: number
  /** Entries that never ended well are forgotten sooner. Default 2 days. */
  readonly forgetPendingMs?: number
}

/** key, firstAt, lastAt, passCount */
type Row = readonly [string, number, number, number]

export const shardCount = 64

export class SeenTable {
  readonly #options: Required<SeenTableOptions>
  /** In the order of use. */
  readonly #entries = new Map<string, Seen>()
  readonly #dirty = new Set<number>()

  constructor(options: SeenTableOptions) {
    const day = 86_400_000
    this.#options = { entriesMax: 50_000, forgetMs: 36 * day, forgetPendingMs: 2 * day, ...options }
  }

  get size(): number {
    return this.#entries.size
  }

  get(words: readonly string[]): Seen | undefined {
    const key = keyOf(words)
    const entry = this.#entries.get(key)
    if (entry === undefined || !this.#isOld(entry)) return entry
    this.#remove(key)
    return undefined
  }

  /** Makes the entry where there is none; it is now the last used. `passed`: it ended well once more. */
  note(words: readonly string[], { passed }: { readonly passed: boolean }): Seen {
    const now = this.#options.clock.now()
    const key = keyOf(words)
    const old = this.get(words)
    this.#entries.delete(key)
    if (this.#entries.size >= this.#options.entriesMax)
      this.#remove(this.#entries.keys().next().value as string)
    const entry = old ?? { firstAt: now, lastAt: now, passCount: 0 }
    entry.lastAt = now
    if (passed) entry.passCount = Math.min(entry.passCount + 1, 1_000_000)
    this.#entries.set(key, entry)
    this.#dirty.add(shardOf(key))
    return entry
  }

  forget(words: readonly string[]): void {
    this.#remove(keyOf(words))
  }

  /** The shards that changed since the last call, as JSON-safe data. */
  takeDirty(): readonly { readonly shard: number; readonly rows: readonly Row[] }[] {
    if (this.#dirty.size === 0) return []
    const rows = new Map<number, Row[]>([...this.#dirty].map((shard) => [shard, []]))
    for (const [key, entry] of this.#entries) {
      if (this.#isOld(entry)) continue
      rows.get(shardOf(key))?.push([key, entry.firstAt, entry.lastAt, entry.passCount])
    }
    this.#dirty.clear()
    return [...rows].map(([shard, found]) => ({ shard, rows: found }))
  }

  /** They could not be written: they are written next time. */
  keepDirty(shards: readonly number[]): void {
    for (const shard of shards) this.#dirty.add(shard)
  }

  /** Of all shards, once, before use. What is no row is passed over. */
  load(shards: readonly unknown[]): void {
    const rows = shards.flatMap((shard) => (Array.isArray(shard) ? shard.filter(isRow) : []))
    rows.sort((a, b) => a[2] - b[2])
    for (const [key, firstAt, lastAt, passCount] of rows.slice(-this.#options.entriesMax)) {
      const entry = { firstAt, lastAt, passCount }
      if (!this.#isOld(entry)) this.#entries.set(key, entry)
    }
  }

  #isOld({ lastAt, passCount }: Seen): boolean {
    const { clock, forgetMs, forgetPendingMs } = this.#options
    return clock.now() - lastAt > (passCount === 0 ? forgetPendingMs : forgetMs)
  }

  #remove(key: string): void {
    this.#entries.delete(key)
    this.#dirty.add(shardOf(key))
  }
}

/** Addresses are not kept, a digest of them is: 96 bits. */
const keyOf = (words: readonly string[]): string =>
  createHash('sha256').update(words.join('\n')).digest('base64url').slice(0, 16)

const shardOf = (key: string): number => (key.charCodeAt(0) * 31 + key.charCodeAt(1)) % shardCount

function isRow(value: unknown): value is Row {
  if (!Array.isArray(value) || value.length !== 4) return false
  const [key, ...numbers] = value as readonly unknown[]
  return (
    typeof key === 'string' &&
    key.length === 16 &&
    numbers.every((one) => typeof one === 'number' && Number.isSafeInteger(one) && one >= 0)
  )
}
