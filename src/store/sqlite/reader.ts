// Owns the reading side of the SQLite store: lists, views and bodies over a read-only connection of its own, so that a
// slow question never delays a commit. Each call is one short read transaction: scans stop after a bounded number of
// rows and say where to go on.

import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { unreachable } from '../../base/assert.ts'
import { idTimeMs, isMessageId } from '../../base/id.ts'
import type { DestinationState } from '../../queue/store.ts'
import { StoreFailure } from '../../queue/store.ts'
import type { MailScope, MailSummary } from '../mail-view.ts'
import type { MessageView, QueueStats } from '../store.ts'
import { isCorrupt } from './failure.ts'
import { databaseName } from './files.ts'
import { type MailQueryOp, MailReader } from './mail-reader.ts'
import { canRead, firstReadable } from './past-damage.ts'
import { readerQueries } from './reader-queries.ts'
import {
  type DeliveryRow,
  deliveryOf,
  eventsOf,
  messageOf,
  stateActive,
  stateHeld,
  stateHeldLeased,
  stateQuarantined,
  stateWaiting,
} from './rows.ts'
import { prepareAll } from './writer-queries.ts'

/** Rows that a scan looks at in one call: some 20 ms. */
const scanRowsMax = 20_000

export interface ScanFilter {
  readonly destination?: string
  readonly domain?: string
  /** 0 waiting, 2 held; absent: these and active ones. */
  readonly state?: number
}

export type Query =
  | {
      readonly kind: 'deliveryScan'
      readonly after: DeliveryKey
      readonly filter: ScanFilter
      readonly limit: number
    }
  | {
      readonly kind: 'keyScan'
      readonly after: DeliveryKey
      readonly filter: ScanFilter
      readonly limit: number
    }
  | { readonly kind: 'deliveriesOf'; readonly messageId: string }
  | { readonly kind: 'stats'; readonly now: number }
  | { readonly kind: 'activeScan'; readonly after: DeliveryKey }
  | { readonly kind: 'destinations' }
  | { readonly kind: 'view'; readonly messageId: string }
  | { readonly kind: 'recent'; readonly before: string; readonly limit: number }
  | { readonly kind: 'body'; readonly messageId: string; readonly inlineBytesMax: number }
  | MailQueryOp
  | { readonly kind: 'mailRead'; readonly messageId: string; readonly scope: MailScope }
  /** The file of the index, beside the mail; null: none. */
  | { readonly kind: 'attachIndex'; readonly path: string | null }
  | { readonly kind: 'feedRead'; readonly after: number; readonly limit: number }
  | { readonly kind: 'feedHead' }
  | { readonly kind: 'documentGet'; readonly documentKind: string; readonly key: string }
  | {
      readonly kind: 'documentList'
      readonly documentKind: string
      readonly after: string
      readonly limit: number
    }
  | { readonly kind: 'accountGet'; readonly name: string }
  | { readonly kind: 'accountList' }
  | { readonly kind: 'routeScan'; readonly after: DeliveryKey }
  | {
      readonly kind: 'pruneScan'
      readonly after: string
      readonly before: number
      readonly keepMax: number | null
      readonly max: number
    }
  | { readonly kind: 'quarantined' }

export type DeliveryKey = readonly [messageId: string, seq: number]
export interface Scan<T> {
  readonly items: readonly T[]
  /** Where to go on; absent: the end was reached. */
  readonly next?: DeliveryKey
  /** Rows of another kind met on the way: active ones, for a scan of what can be taken. */
  readonly busyCount?: number
  readonly unreadable: readonly (readonly [source: string, key: string, reason: string])[]
}

export interface BodyAnswer {
  readonly sizeBytes: number
  readonly bytes?: Uint8Array
  readonly fileName?: string
}

export interface MailReadAnswer {
  readonly summary: MailSummary
  readonly uid: number
  readonly seq: number
  readonly prefix: string
  readonly body: BodyAnswer
}

export interface FeedRow {
  readonly seq: number
  readonly at: number
  readonly kind: string
  readonly message_id: string | null
  readonly data: string
}

export interface DocumentRow {
  readonly kind: string
  readonly key: string
  readonly data: string
  readonly version: number
  readonly updated_at: number
  readonly expires_at: number | null
}

interface DestinationRow {
  readonly name: string
  readonly due_at: number | null
  readonly ready_at: number | null
  readonly blocked_until: number
  readonly failure_count: number
  readonly down_since: number
  readonly last_error: string
}

export class Reader {
  readonly #db: DatabaseSync
  readonly #sql: Readonly<Record<keyof typeof readerQueries, StatementSync>>
  readonly #mail: MailReader

  /** The writer must have opened the file before. */
  constructor(dir: string) {
    this.#db = new DatabaseSync(join(dir, databaseName), { readOnly: true, timeout: 2000 })
    this.#db.exec('PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY;')
    this.#sql = prepareAll(this.#db, readerQueries)
    this.#mail = new MailReader(this.#db)
  }

  close(): void {
    this.#db.close()
  }

  /** Throws StoreFailure or an error of SQLite. */
  answer(query: Query): unknown {
    switch (query.kind) {
      case 'deliveryScan':
        return this.#deliveryScan(query.after, query.filter, query.limit)
      case 'keyScan':
        return this.#keyScan(query.after, query.filter, query.limit)
      case 'deliveriesOf':
        return this.#deliveriesOf(query.messageId)
      case 'stats':
        return this.#stats(query.now)
      case 'activeScan':
        return this.#activeScan(query.after)
      case 'destinations':
        return (this.#sql.destinationsDown.all() as unknown as DestinationRow[]).map(destinationOf)
      case 'view':
        return this.#view(query.messageId)
      case 'recent':
        return this.#recent(query.before, query.limit)
      case 'body':
        return this.#body(query.messageId, query.inlineBytesMax)
      case 'mailPage':
      case 'mailKeys':
      case 'mailCounts':
      case 'mailTags':
      case 'mailboxCounts':
      case 'mailFind':
      case 'mailAt':
      case 'mailSurplus':
        return this.#mail.answer(query)
      case 'mailRead':
        return this.#mailRead(query.messageId, query.scope)
      case 'attachIndex':
        return this.#mail.attach(query.path ?? undefined)
      case 'feedRead':
        return this.#sql.feedAfter.all(query.after, query.limit).map((row) => ({ ...row }))
      case 'feedHead':
        return (this.#sql.feedHead.get() as { seq: number } | undefined)?.seq ?? 0
      case 'documentGet': {
        const row = this.#sql.documentGet.get(query.documentKind, query.key)
        return row && { ...row }
      }
      case 'documentList':
        return this.#sql.documentList
          .all(query.documentKind, query.after, query.limit)
          .map((row) => ({ ...row }))
      case 'accountGet':
        return (this.#sql.accountGet.get(query.name) as { data: string } | undefined)?.data
      case 'accountList':
        return this.#sql.accountList.all().map((row) => [row.name, row.data])
      case 'routeScan':
        return this.#routeScan(query.after)
      case 'pruneScan':
        return this.#pruneScan(query.after, query.before, query.keepMax, query.max)
      case 'quarantined':
        return this.#sql.quarantined.all().map((row) => ({ ...row }))
      default:
        return unreachable(query)
    }
  }

  /** Rows in key order. A damaged page is passed by. */
  *#deliveries(
    scan: 'deliveryScan' | 'keyScan',
    after: DeliveryKey,
    unreadable: [string, string, string][],
  ): Generator<DeliveryRow> {
    let [id, seq] = after
    for (;;) {
      try {
        for (const item of this.#sql[scan].iterate(id, seq)) {
          const row = item as unknown as DeliveryRow
          id = row.message_id
          seq = row.seq
          yield row
        }
        return
      } catch (error) {
        if (!isCorrupt(error)) throw error
        unreadable.push(['delivery', `behind ${id}`, (error as Error).message])
        const next = firstReadable(id, (from) => this.#sql[scan].get(from, -1))
        if (next === undefined) return
        id = next
        seq = -1
      }
    }
  }

  #deliveryScan(after: DeliveryKey, filter: ScanFilter, limit: number): Scan<unknown> {
    const items: unknown[] = []
    const unreadable: [string, string, string][] = []
    let seen = 0
    for (const row of this.#deliveries('deliveryScan', after, unreadable)) {
      if (matches(row, filter) && row.state !== stateQuarantined) {
        try {
          const message = this.#sql.messageGet.get(row.message_id) as { data: string } | undefined
          if (message === undefined) throw new StoreFailure('corrupt', 'its message row is missing')
          const blocked = this.#blocked(row.destination)
          items.push({
            message: messageOf(message.data),
            delivery: deliveryOf(row),
            ...(blocked !== undefined && { blocked }),
          })
        } catch (error) {
          unreadable.push(['delivery', `${row.message_id}-${row.seq}`, (error as Error).message])
        }
      }
      if (items.length >= limit || ++seen >= scanRowsMax)
        return { items, next: [row.message_id, row.seq], unreadable }
    }
    return { items, unreadable }
  }

  #keyScan(after: DeliveryKey, filter: ScanFilter, limit: number): Scan<DeliveryKey> {
    const items: DeliveryKey[] = []
    const unreadable: [string, string, string][] = []
    let busyCount = 0
    let seen = 0
    const { state, ...place } = filter
    for (const row of this.#deliveries('keyScan', after, unreadable)) {
      if (matches(row, place)) {
        const free = row.state === stateWaiting || row.state === stateHeld
        if (free && (state === undefined || row.state === state)) items.push([row.message_id, row.seq])
        else if (!free && row.state !== stateQuarantined && state !== stateHeld) busyCount++
      }
      if (items.length >= limit || ++seen >= scanRowsMax)
        return { items, next: [row.message_id, row.seq], busyCount, unreadable }
    }
    return { items, busyCount, unreadable }
  }

  #deliveriesOf(messageId: string): DeliveryRow[] {
    return this.#sql.deliveriesOf.all(messageId).map((row) => ({ ...row })) as unknown as DeliveryRow[]
  }

  #blocked(destination: string): DestinationState | undefined {
    const row = this.#sql.destinationGet.get(destination) as DestinationRow | undefined
    return row === undefined || (row.failure_count === 0 && row.blocked_until === 0)
      ? undefined
      : destinationOf(row)
  }

  #stats(now: number): QueueStats {
    const waiting = countsOf(this.#sql.waitingCounts)
    const held = countsOf(this.#sql.heldCounts)
    const rows = new Map<string, DestinationRow>()
    for (const item of this.#sql.destinationsAll.iterate()) {
      const row = item as unknown as DestinationRow
      rows.set(row.name, row)
    }
    let oldestDueAt: number | undefined
    const destinations: QueueStats['destinations'][number][] = []
    for (const name of [...new Set([...rows.keys(), ...waiting.keys(), ...held.keys()])].sort()) {
      const row = rows.get(name)
      const blockedUntil = row?.blocked_until ?? 0
      const blocked = row !== undefined && (row.failure_count > 0 || blockedUntil > 0)
      const [waits, holds] = [waiting.get(name), held.get(name)]
      if (waits === undefined && holds === undefined && !blocked) continue
      const due = (this.#sql.earliest.get(name) as { at: number | null }).at ?? undefined
      if (due !== undefined && due <= now && blockedUntil <= now)
        oldestDueAt = Math.min(oldestDueAt ?? due, due)
      // Ids are ordered by time, so the smallest is the oldest.
      const oldest = [waits?.oldest, holds?.oldest]
        .filter((id) => id !== undefined && isMessageId(id))
        .sort()[0]
      destinations.push({
        destination: name,
        waiting: waits?.n ?? 0,
        held: holds?.n ?? 0,
        ...(oldest !== undefined && { oldestAt: idTimeMs(oldest) }),
        ...(due !== undefined && { nextDueAt: Math.max(due, blockedUntil) }),
        ...(blocked && { blocked: destinationOf(row) }),
      })
    }
    return {
      waiting: sumOf(waiting),
      active: 0,
      held: sumOf(held),
      ...(oldestDueAt !== undefined && { oldestDueAt }),
      destinations,
    }
  }

  #activeScan(after: DeliveryKey): { count: number; next?: DeliveryKey } {
    let answer: { count: number; next?: DeliveryKey } | undefined
    canRead(() => {
      const { total, active } = this.#sql.activeCount.get(...after, scanRowsMax) as Record<string, number>
      answer = { count: active ?? 0 }
      if (total !== scanRowsMax) return
      const last = this.#sql.keyAt.get(...after, scanRowsMax - 1) as { message_id: string; seq: number }
      answer.next = [last.message_id, last.seq]
    })
    if (answer !== undefined) return answer
    let count = 0
    let seen = 0
    for (const row of this.#deliveries('keyScan', after, [])) {
      if (row.state === stateActive || row.state === stateHeldLeased) count++
      if (++seen >= scanRowsMax) return { count, next: [row.message_id, row.seq] }
    }
    return { count }
  }

  #view(messageId: string): MessageView | undefined {
    const row = this.#sql.messageGet.get(messageId) as
      | {
          data: string
          events: string | null
          body_id: number | null
          body_count: number
          file_name: string | null
        }
      | undefined
    if (row === undefined) return undefined
    const deliveries = []
    for (const delivery of this.#deliveriesOf(messageId)) {
      try {
        if (delivery.state !== stateQuarantined) deliveries.push(deliveryOf(delivery))
      } catch {
        // Shown by quarantined() as soon as it is taken; the others of the message are still worth seeing.
      }
    }
    const events = []
    for (const json of [row.events, ...this.#sql.events.all(messageId).map((e) => e.data as string)]) {
      try {
        if (json !== null) events.push(...eventsOf(messageId, json))
      } catch {
        events.push({ messageId, at: 0, kind: 'note' as const, data: { text: 'an event could not be read' } })
      }
    }
    const placements = this.#sql.placementsOf.all(messageId) as unknown as {
      account: string
      mailbox: string
      uid: number
    }[]
    return {
      message: messageOf(row.data),
      deliveries,
      events,
      placements: placements.map((placement) => ({ ...placement })),
      hasBody: deliveries.length > 0 || placements.length > 0,
    }
  }

  #recent(before: string, limit: number): { items: unknown[]; cursor?: string } {
    const rows = this.#sql.recent.all(before, limit) as unknown as { id: string; data: string }[]
    const items = []
    for (const row of rows) {
      try {
        items.push(messageOf(row.data))
      } catch {
        // Unreadable: the list goes on without it.
      }
    }
    const last = rows.at(-1)
    return { items, ...(rows.length === limit && last !== undefined && { cursor: last.id }) }
  }

  #body(messageId: string, inlineBytesMax: number): BodyAnswer {
    const row = this.#sql.bodyReferenced.get(messageId) as
      | { size: number; body_id: number | null; body_count: number; file_name: string | null }
      | undefined
    if (row === undefined) throw new StoreFailure('corrupt', `the body of ${messageId} is not stored`)
    return this.#bytes(messageId, row.size, row, inlineBytesMax)
  }

  #bytes(
    messageId: string,
    sizeBytes: number,
    ref: { readonly body_id: number | null; readonly body_count: number; readonly file_name: string | null },
    inlineBytesMax = Number.MAX_SAFE_INTEGER,
  ): BodyAnswer {
    if (ref.file_name !== null) return { sizeBytes, fileName: ref.file_name }
    if (ref.body_id === null || sizeBytes > inlineBytesMax)
      throw new StoreFailure('corrupt', `the body of ${messageId} is missing`)
    const bytes = Buffer.allocUnsafeSlow(sizeBytes)
    let at = 0
    for (let i = 0; i < ref.body_count; i++) {
      const chunk = this.#sql.chunk.get(ref.body_id + i) as { bytes: Uint8Array } | undefined
      if (chunk === undefined || at + chunk.bytes.length > sizeBytes)
        throw new StoreFailure('corrupt', `chunk ${i} of the body of ${messageId} is missing or too long`)
      bytes.set(chunk.bytes, at)
      at += chunk.bytes.length
    }
    if (at !== sizeBytes) throw new StoreFailure('corrupt', `the body of ${messageId} is too short`)
    return { sizeBytes, bytes }
  }

  #mailRead(messageId: string, scope: MailScope): MailReadAnswer | undefined {
    const found = this.#mail.find(messageId, scope)
    if (found === undefined) return undefined
    const { row, summary, uid, seq } = found
    const sizeBytes = row.size - Buffer.byteLength(row.prefix)
    return { summary, uid, seq, prefix: row.prefix, body: this.#bytes(messageId, sizeBytes, row) }
  }

  #routeScan(after: DeliveryKey): Scan<readonly [string, string]> {
    const found = new Map<string, readonly [string, string]>()
    let seen = 0
    for (const row of this.#deliveries('keyScan', after, [])) {
      if (row.state !== stateQuarantined)
        found.set(`${row.domain}\n${row.destination}`, [row.domain, row.destination])
      if (++seen >= scanRowsMax)
        return { items: [...found.values()], next: [row.message_id, row.seq], unreadable: [] }
    }
    return { items: [...found.values()], unreadable: [] }
  }

  /** Ids of finished messages, oldest first, that are older than `before` or beyond the newest `keepMax`. */
  #pruneScan(
    after: string,
    before: number,
    keepMax: number | null,
    max: number,
  ): { ids: string[]; next?: string } {
    let cut = ''
    // Where a damaged page is in the way the count is not bounded; the age still is.
    if (keepMax !== null)
      canRead(() => {
        cut = (this.#sql.idAt.get(keepMax) as { id: string } | undefined)?.id ?? ''
      })
    const ids: string[] = []
    let seen = 0
    for (const { id, received_at, live } of this.#messages(after)) {
      const old = received_at < before
      // Ids are ordered by time: behind the first young one outside the count nothing is old (an hour for a set clock).
      if (!old && id > cut && received_at > before + 3_600_000) return { ids }
      if (live === 0 && (old || id <= cut)) ids.push(id)
      // '~' is above every digit: the next scan begins behind this one.
      if (ids.length >= max || ++seen >= scanRowsMax) return { ids, next: `${id}~` }
    }
    return { ids }
  }

  *#messages(
    from: string,
  ): Generator<{ readonly id: string; readonly received_at: number; readonly live: number }> {
    let at = from
    for (;;) {
      try {
        for (const item of this.#sql.pruneScan.iterate(at)) {
          const row = item as unknown as { id: string; received_at: number; live: number }
          at = `${row.id}~`
          yield row
        }
        return
      } catch (error) {
        if (!isCorrupt(error)) throw error
        const next = firstReadable(at, (id) => this.#sql.pruneScan.get(id))
        if (next === undefined) return
        at = next
      }
    }
  }
}

const matches = (row: DeliveryRow, filter: ScanFilter): boolean =>
  (filter.destination === undefined || row.destination === filter.destination) &&
  (filter.domain === undefined || row.domain === filter.domain) &&
  (filter.state === undefined || row.state === filter.state)

const destinationOf = (row: DestinationRow): DestinationState => ({
  destination: row.name,
  failureCount: row.failure_count,
  blockedUntil: row.blocked_until,
  downSince: row.down_since,
  lastError: row.last_error,
})

interface DestinationCount {
  readonly n: number
  /** The smallest message id. */
  readonly oldest: string
}

function countsOf(statement: StatementSync): ReadonlyMap<string, DestinationCount> {
  const counts = new Map<string, DestinationCount>()
  for (const item of statement.iterate()) {
    const { destination, n, oldest } = item as unknown as DestinationCount & { readonly destination: string }
    counts.set(destination, { n, oldest })
  }
  return counts
}

const sumOf = (counts: ReadonlyMap<string, DestinationCount>): number =>
  [...counts.values()].reduce((sum, { n }) => sum + n, 0)
