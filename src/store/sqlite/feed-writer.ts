// Owns entries of the feed and documents as the writer writes them, in the transaction that is open.

import type { StatementSync } from 'node:sqlite'
import { formatDeliveryId } from '../../base/id.ts'
import type { mailWriterQueries } from './mail-writer-queries.ts'
import { eventsOf } from './rows.ts'

type Statements = Readonly<Record<keyof typeof mailWriterQueries, StatementSync>>

/** kind, key, JSON, updatedAt, expiresAt. */
export type DocumentCells = readonly [string, string, string, number, number | null]

/** Entries that one call of prune looks at. */
const pruneRowsMax = 10_000

export class FeedWriter {
  readonly #sql: Statements
  #kinds: ReadonlySet<string> = new Set()
  /** Entries were written since it was last looked at. */
  wrote = false

  constructor(sql: Statements) {
    this.#sql = sql
  }

  setKinds(kinds: readonly string[]): void {
    this.#kinds = new Set(kinds)
  }

  wants(kind: string): boolean {
    return this.#kinds.size > 0 && (this.#kinds.has(kind) || this.#kinds.has('*'))
  }

  /** Only for kinds that are wanted. */
  write(at: number, kind: string, messageId: string | null, data: unknown): void {
    this.#sql.feedInsert.run(at, kind, messageId, JSON.stringify(data))
    this.wrote = true
  }

  /** `json` as it is stored with the message. */
  events(messageId: string, json: string): void {
    if (this.#kinds.size === 0) return
    for (const { seq, at, kind, data } of eventsOf(messageId, json)) {
      if (!this.wants(kind)) continue
      const delivery = seq === undefined ? {} : { delivery: formatDeliveryId(messageId, seq) }
      this.write(at, kind, messageId, { ...delivery, ...data })
    }
  }

  prune(throughSeq: number | null, before: number | null, max: number): number {
    const rows = this.#sql.feedOldest.all(Math.min(max, pruneRowsMax)) as unknown as {
      seq: number
      at: number
    }[]
    let count = 0
    for (const { seq, at } of rows) {
      if (seq > (throughSeq ?? -1) && at >= (before ?? -Infinity)) break
      count++
    }
    const last = rows[count - 1]
    if (last !== undefined) this.#sql.feedDelete.run(last.seq)
    return count
  }

  /** The new version; undefined where `ifVersion` does not hold. */
  putDocument(cells: DocumentCells, ifVersion: number | null, now: number): number | undefined {
    const [kind, key, json, updatedAt, expiresAt] = cells
    const row = this.#sql.documentVersion.get(kind, key) as
      | { version: number; expires_at: number | null }
      | undefined
    const version = row === undefined || isGone(row, now) ? 0 : row.version
    if (ifVersion !== null && ifVersion !== version) return undefined
    this.#sql.documentPut.run(kind, key, json, version + 1, updatedAt, expiresAt)
    return version + 1
  }

  deleteDocument(kind: string, key: string, now: number): boolean {
    const row = this.#sql.documentDelete.get(kind, key) as { expires_at: number | null } | undefined
    return row !== undefined && !isGone(row, now)
  }

  pruneDocuments(now: number, max: number): number {
    const rows = this.#sql.documentExpired.all(now, max) as unknown as { id: number }[]
    for (const { id } of rows) this.#sql.documentForget.run(id)
    return rows.length
  }
}

const isGone = ({ expires_at }: { readonly expires_at: number | null }, now: number): boolean =>
  expires_at !== null && expires_at <= now
