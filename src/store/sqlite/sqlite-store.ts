// Owns the SQLite store as its callers see it: it turns calls into operations, gathers what arrives while a commit is
// under way into the next transaction, and answers each call when its transaction is synced. Reads go to the reader.

import { mkdirSync } from 'node:fs'
import { rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { assert } from '../../base/assert.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { parseDeliveryId } from '../../base/id.ts'
import type { Log } from '../../base/log.ts'
import type { DestinationState, DueDelivery, DueQuery, QueueFilter, Settlement } from '../../queue/store.ts'
import { StoreFailure } from '../../queue/store.ts'
import type { BodyReader } from '../../queue/transport.ts'
import type { BodySource, Message, MessageId, NewMessage } from '../../queue/types.ts'
import { bytesBody, FileBodyWriter, fileBody, inlineBytesMax } from '../body-file.ts'
import type {
  Documents,
  FeedEntry,
  MailboxCounts,
  MailChange,
  MailPage,
  MailPageQuery,
  MailScope,
  MailSummary,
  MailTarget,
  MatchCounts,
  StoredDocument,
} from '../mail-view.ts'
import type {
  AccountRow,
  BodyWriter,
  MailListItem,
  MailQuery,
  MessageView,
  Page,
  QueueListItem,
  QueueListQuery,
  QueueStats,
  Store,
} from '../store.ts'
import type { EngineOptions } from './engine.ts'
import { bodiesFolder, databaseName } from './files.ts'
import { IndexRunner } from './index-runner.ts'
import { lockFolder } from './lock.ts'
import type { BatchReply, ChangeCells, Op } from './ops.ts'
import { openReader, openWriter, type ReaderPort, type WriterPort } from './port.ts'
import type { BodyAnswer, DeliveryKey, Query, Scan, ScanFilter } from './reader.ts'
import {
  type AcceptRow,
  acceptRow,
  type DeliveryRow,
  type DueCells,
  deliveryCells,
  deliveryOf,
  dueOf,
  groupEvents,
  stateActive,
  stateHeld,
  stateHeldLeased,
  stateNumber,
  stateWaiting,
} from './rows.ts'
import { downgradeFile } from './schema.ts'
import { SqliteMail } from './sqlite-mail.ts'

export interface SqliteStoreOptions extends Omit<EngineOptions, 'now'> {
  readonly clock: Clock
  readonly log: Log
  /** A failed sync or a broken invariant: nothing more is written, the process should stop. */
  readonly onFatal?: (error: Error) => void
  /** Runs engine and reader in the caller's thread: for the simulator and tests. */
  readonly inThread?: boolean
  /** Tests: the search index is divided after so many rows (index-parts.ts). */
  readonly partRowsMax?: number
}

/** A transaction takes at most so many operations and bytes of bodies. */
const batchOpsMax = 1000
const batchBytesMax = 4 * 1024 * 1024
/** Quiet for so long means idle: time to move the log into the file. */
const idleMs = 200
/** Beyond so many live deliveries the numbers of the queue are kept for so long (store.ts). */
const exactRowsMax = 100_000
const statsAgeMsMax = 5000
const scanStart: DeliveryKey = ['', -1]
const lastKey = '~'

interface Pending {
  readonly op: Op
  readonly bodies: readonly (readonly [AcceptRow, BodySource])[]
  readonly bytes: number
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

const noBodies: Pending['bodies'] = []

/** Opens (and creates, and migrates) the store in `dir`. Rejects with StoreFailure: in use, damaged, newer than we. */
export async function createSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { clock, log, inThread = false, onFatal, partRowsMax: _, ...engine } = options
  mkdirSync(options.dir, { recursive: true, mode: 0o700 })
  const unlock = lockFolder(options.dir)
  let store: SqliteStore | undefined
  const fatal = (error: Error): void => {
    if (store === undefined) log.error({ cause: error }, 'store failed')
    else store.fail(error)
  }
  try {
    const writer = await openWriter({ ...engine, now: clock.now() }, { inThread, clock, onFatal: fatal })
    try {
      const reader = await openReader(options.dir, { inThread, onFatal: fatal })
      store = new SqliteStore(options, writer, reader, unlock)
      return store
    } catch (error) {
      await writer.close()
      throw error
    }
  } catch (error) {
    unlock()
    throw error instanceof StoreFailure
      ? error
      : new StoreFailure(
          'failed',
          `${options.dir}: ${error instanceof Error ? error.message : String(error)}`,
          {
            cause: error,
          },
        )
  }
}

/** Takes a store that no process has open one schema version back, a copy kept. Returns the version after it. */
export function downgradeStore(dir: string): number {
  const unlock = lockFolder(dir)
  try {
    return downgradeFile(join(dir, databaseName))
  } finally {
    unlock()
  }
}

class SqliteStore implements Store {
  readonly #dir: string
  readonly #clock: Clock
  readonly #log: Log
  readonly #onFatal: ((error: Error) => void) | undefined
  readonly #writer: WriterPort
  readonly #reader: ReaderPort
  readonly #unlock: () => void
  readonly #index: IndexRunner
  readonly #mail: SqliteMail
  #pending: Pending[] = []
  #inFlight: readonly Pending[] = []
  #scheduled = false
  #closed = false
  #fatal: Error | undefined
  #idle: Timer | undefined
  #idleAt = 0
  #logGrew = false
  /** The last row that was reported as unreadable. */
  #noted: Promise<unknown> = Promise.resolve()
  #whenDrained: (() => void) | undefined
  /** Kept for a moment where reading every row takes long. */
  #stats: { readonly at: number; readonly stats: QueueStats } | undefined
  /** Spilled bodies that no row names yet. */
  readonly #spilled = new Map<string, FileBodyWriter>()

  constructor(options: SqliteStoreOptions, writer: WriterPort, reader: ReaderPort, unlock: () => void) {
    this.#dir = options.dir
    this.#clock = options.clock
    this.#log = options.log
    this.#onFatal = options.onFatal
    this.#writer = writer
    this.#reader = reader
    this.#unlock = unlock
    const { dir, clock, log, inThread = false, partRowsMax } = options
    this.#index = new IndexRunner({
      dir,
      inThread,
      clock,
      log,
      reader,
      ...(partRowsMax !== undefined && { partRowsMax }),
      isBusy: () => this.#pending.length > 0 || this.#inFlight.length > 0,
    })
    this.#mail = new SqliteMail({
      clock,
      index: this.#index,
      ask: (query) => this.#ask(query),
      write: (op) => this.#write(op),
      body: (answer) => this.#body(answer),
      quarantine: (source, key, reason) => this.#quarantine(source, key, reason),
    })
  }

  // ---- the writer's queue

  #write(op: Op, bodies: Pending['bodies'] = noBodies, bytes = 0): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#fatal !== undefined) return reject(new StoreFailure('failed', this.#fatal.message))
      if (this.#closed) return reject(new StoreFailure('closed', 'the store is closed'))
      this.#pending.push({ op, bodies, bytes, resolve, reject })
      this.#schedule()
    })
  }

  /** A later turn of the loop, so that everything that this turn brings shares the commit. */
  #schedule(): void {
    if (this.#scheduled || this.#inFlight.length > 0) return
    this.#scheduled = true
    this.#clock.defer(() => {
      this.#scheduled = false
      this.#send()
    })
  }

  #send(): void {
    if (this.#inFlight.length > 0 || this.#pending.length === 0 || this.#fatal !== undefined) return
    const batch = this.#takeBatch()
    this.#inFlight = batch
    let sizeBytes = 0
    for (const pending of batch) sizeBytes += pending.bytes
    const bytes = new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer)
    let at = 0
    const ops: Op[] = []
    for (const { op, bodies } of batch) {
      for (const [row, body] of bodies) {
        if (body.kind !== 'inline') continue
        row.bodyAt = at
        for (const chunk of body.chunks) {
          bytes.set(chunk, at)
          at += chunk.length
        }
      }
      ops.push(op)
      if (op.kind !== 'checkpoint') this.#logGrew = true
    }
    this.#writer.send({ ops, bytes }, (reply) => this.#replied(reply))
  }

  #takeBatch(): Pending[] {
    const pending = this.#pending
    let count = 0
    let bytes = 0
    while (count < pending.length && count < batchOpsMax) {
      bytes += (pending[count] as Pending).bytes
      if (count > 0 && bytes > batchBytesMax) break
      count++
    }
    if (count === pending.length) {
      this.#pending = []
      return pending
    }
    return pending.splice(0, count)
  }

  #replied(reply: BatchReply): void {
    const batch = this.#inFlight
    this.#inFlight = []
    const { values, failures } = reply
    if (reply.fatal !== undefined) this.fail(new StoreFailure('failed', reply.fatal))
    if (failures !== undefined)
      for (const [i, failure] of failures) batch[i]?.reject(new StoreFailure(...failure))
    // Settling twice is harmless: those that failed are rejected already.
    for (let i = 0; i < batch.length; i++) (batch[i] as Pending).resolve(values?.[i])
    if (reply.unlink !== undefined) for (const name of reply.unlink) this.#removeFile(name)
    if (reply.placed === true || reply.gone !== undefined)
      this.#index.committed(reply.placed === true, reply.gone ?? [])
    if (reply.fed === true) this.#mail.fed()
    if (this.#pending.length > 0) this.#schedule()
    else {
      this.#idleAt = this.#clock.now()
      this.#watchIdle()
      this.#whenDrained?.()
    }
  }

  #removeFile(name: string): void {
    // What stays behind is swept at the next start.
    rm(join(this.#dir, bodiesFolder, name), { force: true }).catch((cause) =>
      this.#log.warn({ cause, name }, 'body file not removed'),
    )
  }

  /** One timer for all: when it fires it looks whether there was quiet, instead of being moved by each commit. */
  #watchIdle(): void {
    if (this.#idle !== undefined || this.#closed || !this.#logGrew) return
    this.#idle = this.#clock.setTimer(idleMs, () => {
      this.#idle = undefined
      if (this.#closed || this.#fatal !== undefined) return
      const busy = this.#pending.length > 0 || this.#inFlight.length > 0
      if (busy || this.#clock.now() - this.#idleAt < idleMs) return this.#watchIdle()
      this.#logGrew = false
      this.#write({ kind: 'checkpoint' }).catch(() => {})
    })
  }

  /** Called once: by a failed sync, a broken invariant, or a thread that ended. */
  fail(error: Error): void {
    if (this.#fatal !== undefined || this.#closed) return
    this.#fatal = error
    this.#log.error({ cause: error }, 'store failed: nothing more is written')
    const failure = new StoreFailure('failed', error.message, { cause: error })
    for (const pending of [...this.#inFlight, ...this.#pending]) pending.reject(failure)
    this.#pending = []
    this.#whenDrained?.()
    this.#onFatal?.(failure)
  }

  // ---- QueueStore

  async accept(message: NewMessage): Promise<void> {
    const row = acceptRow(message)
    const { body } = message
    await this.#write({ kind: 'accept', row }, [[row, body]], body.kind === 'inline' ? body.sizeBytes : 0)
    if (body.kind === 'file') this.#fileAccepted(body.fileName)
  }

  #fileAccepted(fileName: string): void {
    this.#spilled.get(fileName)?.accepted()
    this.#spilled.delete(fileName)
  }

  async settle(settlement: Settlement): Promise<void> {
    const newMessages: AcceptRow[] = []
    const bodies: [AcceptRow, BodySource][] = []
    let bytes = 0
    for (const message of settlement.newMessages) {
      const row = acceptRow(message)
      newMessages.push(row)
      bodies.push([row, message.body])
      if (message.body.kind === 'inline') bytes += message.body.sizeBytes
    }
    const changes = settlement.changes.map(({ messageId, seq, to }): ChangeCells => {
      if (to.kind === 'update') return [messageId, seq, deliveryCells(to.delivery), null]
      const place = to.placement
      return [
        messageId,
        seq,
        null,
        place === undefined ? null : [place.account, place.mailbox, place.prefix, place.internalDate],
      ]
    })
    await this.#write(
      { kind: 'settle', changes, events: groupEvents(settlement.events), newMessages },
      bodies,
      bytes,
    )
    for (const { body } of settlement.newMessages) if (body.kind === 'file') this.#fileAccepted(body.fileName)
  }

  async takeDue(query: DueQuery): Promise<readonly DueDelivery[]> {
    const op: Op = { kind: 'takeDue', query: { ...query, exclude: [...query.exclude] } }
    return dueOf(((await this.#write(op)) as { rows: DueCells[] }).rows)
  }

  async nextDueAt(exclude: ReadonlySet<string>): Promise<number | undefined> {
    return (await this.#write({ kind: 'nextDueAt', exclude: [...exclude] })) as number | undefined
  }

  async takeDeadlines(now: number, max: number): Promise<readonly DueDelivery[]> {
    return dueOf(((await this.#write({ kind: 'takeDeadlines', now, max })) as { rows: DueCells[] }).rows)
  }

  async setDestination(state: DestinationState): Promise<void> {
    await this.#write({ kind: 'setDestination', state })
  }

  async clearDestination(destination: string): Promise<void> {
    await this.#write({ kind: 'clearDestination', destination })
  }

  async recover(): Promise<number> {
    return (await this.#write({ kind: 'recover' })) as number
  }

  async destinations(): Promise<readonly DestinationState[]> {
    return this.#ask({ kind: 'destinations' })
  }

  async takeByFilter(
    filter: QueueFilter,
    max: number,
  ): Promise<{ readonly taken: readonly DueDelivery[]; readonly busyCount: number }> {
    const keys: (string | number)[] = []
    let busyCount = 0
    const rows = filter.ids === undefined ? undefined : await this.#rowsOf(filter)
    if (rows !== undefined) {
      for (const row of rows)
        if (keys.length < 2 * max || row.state === stateActive) keys.push(row.message_id, row.seq)
    } else {
      const scanFilter = scanFilterOf(filter)
      let after: DeliveryKey | undefined = scanStart
      while (after !== undefined && keys.length < 2 * max) {
        const limit = max - keys.length / 2
        const found: Scan<DeliveryKey> = await this.#ask({
          kind: 'keyScan',
          after,
          filter: scanFilter,
          limit,
        })
        for (const [id, seq] of found.items) keys.push(id, seq)
        busyCount += found.busyCount ?? 0
        after = found.next
      }
    }
    const answer = (await this.#write({ kind: 'takeKeys', keys, now: this.#clock.now() })) as {
      rows: DueCells[]
      busyCount: number
    }
    return { taken: dueOf(answer.rows), busyCount: busyCount + answer.busyCount }
  }

  /** The rows that a filter by ids names, in order, each once. */
  async #rowsOf(filter: QueueFilter): Promise<DeliveryRow[]> {
    const rows: DeliveryRow[] = []
    const seen = new Set<string>()
    for (const text of filter.ids ?? []) {
      const id = parseDeliveryId(text)
      if (id === undefined) continue
      for (const row of await this.#ask<DeliveryRow[]>({ kind: 'deliveriesOf', messageId: id.messageId })) {
        const key = `${row.message_id}-${row.seq}`
        if ((id.seq !== undefined && id.seq !== row.seq) || seen.has(key)) continue
        seen.add(key)
        if (rowMatches(row, filter)) rows.push(row)
      }
    }
    return rows
  }

  async openBody(messageId: MessageId): Promise<BodyReader> {
    return this.#body(await this.#ask({ kind: 'body', messageId, inlineBytesMax }))
  }

  #body(answer: BodyAnswer): BodyReader {
    if (answer.fileName !== undefined)
      return fileBody(join(this.#dir, bodiesFolder, answer.fileName), answer.sizeBytes)
    assert(answer.bytes !== undefined, 'a body is bytes or a file')
    return bytesBody(answer.bytes)
  }

  // ---- Store

  bodyWriter(id: MessageId): BodyWriter {
    const writer: FileBodyWriter = new FileBodyWriter({
      folder: join(this.#dir, bodiesFolder),
      fileName: id,
      onFatal: (error) => this.fail(error),
      onSpill: () => this.#spilled.set(id, writer),
      onRemoved: () => this.#spilled.delete(id),
      // The commit that nobody answered may have been made.
      keep: () => this.#fatal !== undefined,
    })
    return writer
  }

  async freeBytes(): Promise<number | undefined> {
    try {
      const { bavail, bsize } = await statfs(this.#dir)
      return bavail * bsize
    } catch {
      return undefined
    }
  }

  async queueList(query: QueueListQuery): Promise<Page<QueueListItem>> {
    if (query.ids !== undefined) return this.#queueListByIds(query)
    const filter = scanFilterOf(query)
    const items: QueueListItem[] = []
    let after: DeliveryKey | undefined = query.cursor === undefined ? scanStart : keyOf(query.cursor)
    while (after !== undefined && items.length < query.limit) {
      const limit = query.limit - items.length
      const page: Scan<QueueListItem> = await this.#ask({ kind: 'deliveryScan', after, filter, limit })
      items.push(...page.items)
      for (const [source, key, reason] of page.unreadable) this.#quarantine(source, key, reason)
      after = page.next
    }
    return { items, ...(after !== undefined && { cursor: after.join('-') }) }
  }

  async #queueListByIds(query: QueueListQuery): Promise<Page<QueueListItem>> {
    const rows = await this.#rowsOf(query)
    const from = query.cursor === undefined ? 0 : Number(query.cursor)
    const down = new Map((await this.destinations()).map((state) => [state.destination, state]))
    const items: QueueListItem[] = []
    for (const row of rows.slice(from, from + query.limit)) {
      const view = await this.messageView(row.message_id)
      if (view === undefined) continue
      const blocked = down.get(row.destination)
      items.push({
        message: view.message,
        delivery: deliveryOf(row),
        ...(blocked !== undefined && { blocked }),
      })
    }
    const next = from + query.limit
    return { items, ...(next < rows.length && { cursor: String(next) }) }
  }

  async queueStats(now: number): Promise<QueueStats> {
    const last = this.#stats
    const ageMs = last === undefined ? 0 : this.#clock.now() - last.at
    if (last !== undefined && ageMs >= 0 && ageMs < statsAgeMsMax) return last.stats
    this.#stats = undefined
    const at = this.#clock.now()
    const stats: QueueStats = await this.#ask({ kind: 'stats', now })
    let active = 0
    let after: DeliveryKey | undefined = scanStart
    while (after !== undefined) {
      const part: { count: number; next?: DeliveryKey } = await this.#ask({ kind: 'activeScan', after })
      active += part.count
      after = part.next
    }
    const all = { ...stats, active }
    if (all.waiting + all.held + active > exactRowsMax) this.#stats = { at, stats: all }
    return all
  }

  messageView(id: MessageId): Promise<MessageView | undefined> {
    return this.#ask({ kind: 'view', messageId: id })
  }

  recentMessages(limit: number, cursor?: string): Promise<Page<Message>> {
    return this.#ask({ kind: 'recent', before: cursor ?? lastKey, limit })
  }

  mailList(query: MailQuery): Promise<Page<MailListItem>> {
    return this.#mail.mailList(query)
  }

  mailOpen(
    which:
      | { readonly messageId: MessageId }
      | { readonly account: string; readonly mailbox: string; readonly uid: number },
  ): Promise<
    { readonly item: MailListItem; readonly prefix: string; readonly body: BodyReader } | undefined
  > {
    return this.#mail.mailOpen(which)
  }

  mailDelete(
    which: readonly { readonly account: string; readonly mailbox: string; readonly uid: number }[],
  ): Promise<number> {
    return this.#mail.mailDelete(which)
  }

  mailPage(query: MailPageQuery): Promise<MailPage> {
    return this.#mail.mailPage(query)
  }

  mailCounts(scope: MailScope, matchesMax?: number): Promise<MatchCounts> {
    return this.#mail.mailCounts(scope, matchesMax)
  }

  mailboxes(account?: string): Promise<readonly MailboxCounts[]> {
    return this.#mail.mailboxes(account)
  }

  mailTags(scope: MailScope): Promise<readonly { readonly tag: string; readonly count: number }[]> {
    return this.#mail.mailTags(scope)
  }

  mailSummary(id: MessageId, scope?: MailScope): Promise<MailSummary | undefined> {
    return this.#mail.mailSummary(id, scope)
  }

  mailRead(
    id: MessageId,
    scope?: MailScope,
  ): Promise<
    { readonly summary: MailSummary; readonly prefix: string; readonly body: BodyReader } | undefined
  > {
    return this.#mail.mailRead(id, scope)
  }

  mailChange(
    target: MailTarget,
    change: MailChange,
    max?: number,
  ): Promise<{ readonly count: number; readonly more: boolean }> {
    return this.#mail.mailChange(target, change, max)
  }

  mailRemove(target: MailTarget, max?: number): Promise<{ readonly count: number; readonly more: boolean }> {
    return this.#mail.mailRemove(target, max)
  }

  mailTrim(
    account: string,
    bounds: { readonly before?: number; readonly messagesMax?: number; readonly bytesMax?: number },
    max: number,
  ): Promise<number> {
    return this.#mail.mailTrim(account, bounds, max)
  }

  mailboxRemove(account: string): Promise<number> {
    return this.#mail.mailboxRemove(account)
  }

  feedKinds(kinds: readonly string[]): void {
    this.#mail.feedKinds(kinds)
  }

  feedRead(after: number, limit: number): Promise<readonly FeedEntry[]> {
    return this.#mail.feedRead(after, limit)
  }

  feedHead(): Promise<number> {
    return this.#mail.feedHead()
  }

  feedPrune(options: {
    readonly throughSeq?: number
    readonly before?: number
    readonly max: number
  }): Promise<number> {
    return this.#mail.feedPrune(options)
  }

  onFeed(listener: () => void): () => void {
    return this.#mail.onFeed(listener)
  }

  documentPut(
    document: Parameters<Documents['documentPut']>[0],
    ifVersion?: number,
  ): Promise<StoredDocument | undefined> {
    return this.#mail.documentPut(document, ifVersion)
  }

  documentGet(kind: string, key: string): Promise<StoredDocument | undefined> {
    return this.#mail.documentGet(kind, key)
  }

  documentList(kind: string, limit: number, after?: string): Promise<readonly StoredDocument[]> {
    return this.#mail.documentList(kind, limit, after)
  }

  documentDelete(kind: string, key: string): Promise<boolean> {
    return this.#mail.documentDelete(kind, key)
  }

  documentPrune(now: number, max: number): Promise<number> {
    return this.#mail.documentPrune(now, max)
  }

  async accountPut(row: AccountRow): Promise<void> {
    await this.#write({ kind: 'accountPut', name: row.name, data: accountJson(row) })
  }

  async accountGet(name: string): Promise<AccountRow | undefined> {
    const data = await this.#ask<string | undefined>({ kind: 'accountGet', name })
    if (data === undefined) return undefined
    const row = accountOf(data)
    if (row === undefined) {
      this.#quarantine('account', name, 'not JSON')
      throw new StoreFailure('corrupt', `the row of account ${name} cannot be read`)
    }
    return row
  }

  async accountList(): Promise<readonly AccountRow[]> {
    const rows: AccountRow[] = []
    for (const [name, data] of await this.#ask<[string, string][]>({ kind: 'accountList' })) {
      const row = accountOf(data)
      if (row === undefined) this.#quarantine('account', name, 'not JSON')
      else rows.push(row)
    }
    return rows
  }

  async accountDelete(name: string): Promise<boolean> {
    return (await this.#write({ kind: 'accountDelete', name })) as boolean
  }

  async routesInUse(): Promise<readonly { readonly domain: string; readonly destination: string }[]> {
    const found = new Map<string, { readonly domain: string; readonly destination: string }>()
    let after: DeliveryKey | undefined = scanStart
    while (after !== undefined) {
      const page: Scan<readonly [string, string]> = await this.#ask({ kind: 'routeScan', after })
      for (const [domain, destination] of page.items)
        found.set(`${domain}\n${destination}`, { domain, destination })
      after = page.next
    }
    return [...found.values()]
  }

  async reroute(domain: string, from: string, to: string): Promise<number> {
    let count = 0
    let after: DeliveryKey | undefined = scanStart
    while (after !== undefined) {
      const page: Scan<DeliveryKey> = await this.#ask({
        kind: 'keyScan',
        after,
        filter: { domain, destination: from },
        limit: 500,
      })
      const keys = page.items.flat()
      if (keys.length > 0) count += (await this.#write({ kind: 'reroute', keys, from, to })) as number
      after = page.next
    }
    return count
  }

  async prune(options: {
    readonly before: number
    readonly keepMax?: number
    readonly max: number
  }): Promise<number> {
    let count = 0
    let after: string | undefined = ''
    while (after !== undefined && count < options.max) {
      const page: { ids: string[]; next?: string } = await this.#ask({
        kind: 'pruneScan',
        after,
        before: options.before,
        keepMax: options.keepMax ?? null,
        // Small transactions: pruning must not delay a commit.
        max: Math.min(options.max - count, 200),
      })
      if (page.ids.length > 0) count += (await this.#write({ kind: 'prune', ids: page.ids })) as number
      after = page.next
    }
    return count
  }

  async quarantined(): Promise<
    readonly { readonly table: string; readonly key: string; readonly reason: string }[]
  > {
    await this.#noted
    return this.#ask({ kind: 'quarantined' })
  }

  #quarantine(source: string, key: string, reason: string): void {
    this.#log.error({ source, key, reason }, 'row cannot be read')
    const at = this.#clock.now()
    this.#noted = this.#write({ kind: 'quarantine', source, key, reason, at }).catch(() => {})
  }

  async #ask<T>(query: Query): Promise<T> {
    if (this.#closed) throw new StoreFailure('closed', 'the store is closed')
    return (await this.#reader.ask(query)) as T
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#idle?.cancel()
    if (this.#pending.length > 0 || this.#inFlight.length > 0)
      if (this.#fatal === undefined) await new Promise<void>((resolve) => (this.#whenDrained = resolve))
    for (const writer of [...this.#spilled.values()]) writer.abort()
    await this.#index.close()
    await this.#reader.close()
    await this.#writer.close()
    this.#unlock()
  }
}

const scanFilterOf = (filter: QueueFilter): ScanFilter => ({
  ...(filter.destination !== undefined && { destination: filter.destination }),
  ...(filter.domain !== undefined && { domain: filter.domain }),
  ...(filter.state !== undefined && { state: stateNumber(filter.state) }),
})

function rowMatches(row: DeliveryRow, filter: QueueFilter): boolean {
  const active = row.state === stateActive || row.state === stateHeldLeased
  return (
    (active || row.state === stateWaiting || row.state === stateHeld) &&
    (filter.destination === undefined || row.destination === filter.destination) &&
    (filter.domain === undefined || row.domain === filter.domain) &&
    (filter.state === undefined || row.state === stateNumber(filter.state))
  )
}

function keyOf(cursor: string): DeliveryKey {
  const id = parseDeliveryId(cursor)
  if (id?.seq === undefined) throw new StoreFailure('failed', 'not a cursor of this list')
  return [id.messageId, id.seq]
}

function accountJson(row: AccountRow): string {
  const { scram, ...rest } = row
  return JSON.stringify({
    ...rest,
    ...(scram !== undefined && {
      scram: {
        iterationCount: scram.iterationCount,
        salt: base64(scram.salt),
        storedKey: base64(scram.storedKey),
        serverKey: base64(scram.serverKey),
      },
    }),
  })
}

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')

/** undefined when the row cannot be read. */
function accountOf(data: string): AccountRow | undefined {
  try {
    const { scram, ...rest } = JSON.parse(data)
    if (typeof rest.name !== 'string') return undefined
    if (scram === undefined) return rest
    const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'))
    return {
      ...rest,
      scram: {
        iterationCount: scram.iterationCount,
        salt: bytes(scram.salt),
        storedKey: bytes(scram.storedKey),
        serverKey: bytes(scram.serverKey),
      },
    }
  } catch {
    return undefined
  }
}
