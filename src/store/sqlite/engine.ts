// Owns the writing side of the SQLite store as a synchronous class: a batch of operations in, one transaction, one
// synced commit, a reply out. A batch that fails is tried again operation by operation, so that a bad one fails alone.
// Runs in a worker (worker.ts) or in the caller's thread. It reads no clock: instants come with the operations.

import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, readSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { unreachable } from '../../base/assert.ts'
import { nextTryAt } from '../../queue/retry-curve.ts'
import { StoreFailure } from '../../queue/store.ts'
import { type FailureData, failureData, isCorrupt, isFatal } from './failure.ts'
import { FeedWriter } from './feed-writer.ts'
import { bodiesFolder, databaseName } from './files.ts'
import { type BodyRef, MailWriter } from './mail-writer.ts'
import { mailWriterQueries } from './mail-writer-queries.ts'
import type { Batch, BatchReply, ChangeCells, Op } from './ops.ts'
import { canRead, firstReadable } from './past-damage.ts'
import {
  type AcceptRow,
  type DeliveryCells,
  type DeliveryRow,
  type DueCells,
  deliveryOf,
  type EventCells,
  messageOf,
  type PlacementCells,
  stateActive,
  stateHeld,
  stateHeldLeased,
  stateQuarantined,
  stateWaiting,
} from './rows.ts'
import { type Migration, migrate } from './schema.ts'
import { prepareAll, summaryBytesMax, writerQueries } from './writer-queries.ts'

export interface EngineOptions {
  readonly dir: string
  /** Epoch ms at opening: where body ids and uidvalidity values start. */
  readonly now: number
  /** Bytes of a page, for a new file; default 8192. */
  readonly pageBytes?: number
  /** The log is moved into the file when it has grown by about this much (default 16 MiB), and in idle moments. */
  readonly checkpointBytes?: number
  readonly migrations?: readonly Migration[]
  /** Tests only: an error thrown here stands for one of SQLite's. */
  readonly fault?: (step: 'begin' | 'commit' | 'checkpoint') => void
  /** Tests only: bounds the file, as a full disk would. */
  readonly pagesMax?: number
}

const chunkBytesMax = 64 * 1024
const never = Number.MAX_SAFE_INTEGER

type TakeDueQuery = Extract<Op, { kind: 'takeDue' }>['query']

export class Engine {
  readonly #db: DatabaseSync
  readonly #sql: Readonly<Record<keyof typeof writerQueries, StatementSync>>
  readonly #dir: string
  readonly #checkpointPages: number
  readonly #pageBytes: number
  readonly #fault: EngineOptions['fault']
  readonly #feed: FeedWriter
  readonly #mail: MailWriter
  #nextBodyId: number
  /** Body files that lost their last row in this transaction. */
  #unlink: string[] = []
  /** Rows behind damaged pages, by delivery id. */
  readonly #unreadable = new Set<string>()
  readonly #damagedDestinations = new Set<string>()
  /** Damage that is still to be written down: source, key. */
  #found: (readonly [string, string])[] = []
  /** What `recover` has to look at, when it cannot look at everything. */
  #leased: readonly string[] | undefined
  /** Estimated pages in the log since the last checkpoint. */
  #logPages = 0
  #checkpointAsked = false
  #fatal: string | undefined

  constructor(options: EngineOptions) {
    this.#dir = options.dir
    this.#fault = options.fault
    mkdirSync(join(options.dir, bodiesFolder), { recursive: true, mode: 0o700 })
    const path = join(options.dir, databaseName)
    const isNew = !existsSync(path)
    this.#db = new DatabaseSync(path, { timeout: 2000 })
    const db = this.#db
    try {
      if (isNew) db.exec(`PRAGMA page_size = ${options.pageBytes ?? 8192}; PRAGMA auto_vacuum = INCREMENTAL;`)
      db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;
        PRAGMA temp_store = MEMORY; PRAGMA cache_size = -12288; PRAGMA journal_size_limit = 67108864;`)
      migrate(db, path, options.migrations)
      if (options.pagesMax !== undefined) db.exec(`PRAGMA max_page_count = ${options.pagesMax}`)
      this.#sql = prepareAll(db, writerQueries)
      this.#pageBytes = (db.prepare('PRAGMA page_size').get() as { page_size: number }).page_size
      this.#checkpointPages = Math.ceil((options.checkpointBytes ?? 16 * 1024 * 1024) / this.#pageBytes)
      const last = db.prepare('SELECT max(id) AS id FROM body').get() as { id: number | null }
      // Ids are not used again while anything can name them, even after the newest bodies went: time moves them on.
      this.#nextBodyId = Math.max((last.id ?? 0) + 1, options.now * 1024)
      const mailSql = prepareAll(db, mailWriterQueries)
      this.#feed = new FeedWriter(mailSql)
      const validity = db.prepare('SELECT max(uidvalidity) AS last FROM mailbox').get() as {
        last: number | null
      }
      this.#mail = new MailWriter(
        mailSql,
        this.#feed,
        Math.max(Math.floor(options.now / 1000), (validity.last ?? 0) + 1),
      )
      if (isNew) syncFolder(options.dir)
      this.#sweepFiles()
    } catch (error) {
      db.close()
      throw error
    }
  }

  /** One transaction, or one each after a failure. Never throws. */
  run(batch: Batch): BatchReply {
    if (this.#fatal !== undefined)
      return this.#reply(
        [],
        batch.ops.map((_, i): [number, FailureData] => [i, ['failed', `stopped: ${this.#fatal}`]]),
        noEffects(),
      )
    const values: unknown[] = []
    const effects = noEffects()
    const failures: [number, FailureData][] = []
    try {
      this.#transaction(batch.ops, batch.bytes, values)
      this.#addEffects(effects)
    } catch (error) {
      if (isFatal(error) || (batch.ops.length === 1 && !isCorrupt(error)))
        failures.push(...this.#failAll(error, batch.ops))
      else this.#oneByOne(batch, values, failures, effects)
    }
    this.#maybeCheckpoint()
    return this.#reply(values, failures, effects)
  }

  /** Of a transaction that is committed. */
  #addEffects(effects: Effects): void {
    for (const name of this.#unlink) effects.unlink.push(name)
    for (const id of this.#mail.gone) effects.gone.push(id)
    effects.placed ||= this.#mail.placed
    effects.fed ||= this.#feed.wrote
  }

  close(): void {
    try {
      if (this.#fatal === undefined) this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    } catch {
      // A reader is still there, or the disk is: the log stays and is read at the next start.
    }
    this.#db.close()
  }

  #reply(values: unknown[], failures: [number, FailureData][], effects: Effects): BatchReply {
    const { unlink, gone, placed, fed } = effects
    return {
      ...(values.some((value) => value !== undefined) && { values }),
      ...(failures.length > 0 && { failures }),
      ...(unlink.length > 0 && { unlink }),
      ...(gone.length > 0 && { gone }),
      ...(placed && { placed }),
      ...(fed && { fed }),
      ...(this.#fatal !== undefined && { fatal: this.#fatal }),
    }
  }

  #failAll(error: unknown, ops: readonly Op[]): [number, FailureData][] {
    if (isFatal(error)) this.#fatal = error instanceof Error ? error.message : String(error)
    const failure = failureData(error)
    return ops.map((_, i) => [i, failure])
  }

  #oneByOne(batch: Batch, values: unknown[], failures: [number, FailureData][], effects: Effects): void {
    values.length = 0
    for (const [i, op] of batch.ops.entries()) {
      const value: unknown[] = []
      try {
        if (this.#fatal !== undefined) throw new StoreFailure('failed', this.#fatal)
        this.#alone(op, batch.bytes, value)
        this.#addEffects(effects)
      } catch (error) {
        if (isFatal(error)) this.#fatal = error instanceof Error ? error.message : String(error)
        failures.push([i, failureData(error)])
      }
      values[i] = value[0]
    }
  }

  /** A read of a damaged page spoils its whole transaction: find what cannot be read outside of one, then leave it out. */
  #alone(op: Op, bytes: Uint8Array, value: unknown[]): void {
    try {
      this.#transaction([op], bytes, value)
    } catch (error) {
      if (!isCorrupt(error) || !this.#findDamage(op)) throw error
      value.length = 0
      this.#transaction([op], bytes, value)
    }
  }

  #findDamage(op: Op): boolean {
    switch (op.kind) {
      case 'takeDue':
        for (const name of this.#readyNames(op.query)) this.#findDamageOf(name, op.query)
        return true
      case 'takeDeadlines':
        return canRead(() => this.#probe(() => this.#sql.deadlineKeys.iterate(op.now), op.max))
      case 'recover':
        this.#findLeased()
        return true
      default:
        return false
    }
  }

  #findDamageOf(name: string, query: TakeDueQuery): void {
    const { now, deliveriesPerDestinationMax } = query
    const keys = (): Iterable<unknown> => this.#sql.deliveryDueKeys.iterate(name, now)
    if (canRead(() => this.#probe(keys, deliveriesPerDestinationMax))) return
    // The index itself is damaged: the destination is left out, the others go on.
    this.#damagedDestinations.add(name)
    this.#found.push(['destination', name])
  }

  /** Reads rows and their messages along an index until `max` of them were good. */
  #probe(keys: () => Iterable<unknown>, max: number): void {
    let good = 0
    for (const item of [...keys()]) {
      const { message_id: id, seq } = item as DeliveryRow
      const key = `${id}-${seq}`
      if (this.#unreadable.has(key)) continue
      if (canRead(() => [this.#sql.deliveryGet.get(id, seq), this.#sql.messageGet.get(id)])) {
        if (++good >= max) return
      } else {
        this.#unreadable.add(key)
        this.#found.push(['delivery', key])
      }
    }
  }

  /** The messages that have leased rows, wherever they can be read. */
  #findLeased(): void {
    const leased = new Set<string>()
    let after: string | undefined = ''
    while (after !== undefined) {
      let at: string = after
      after = undefined
      const done = canRead(() => {
        for (const item of this.#sql.deliveryStates.iterate(at)) {
          const { message_id, state } = item as unknown as DeliveryRow
          at = message_id
          if (state === stateActive || state === stateHeldLeased) leased.add(at)
        }
      })
      if (!done) {
        this.#found.push(['delivery', `behind ${at}`])
        after = firstReadable(at, (id) => this.#sql.deliveryStates.get(id))
      }
    }
    this.#leased = [...leased]
  }

  #transaction(ops: readonly Op[], bytes: Uint8Array, values: unknown[]): void {
    this.#unlink = []
    this.#mail.begin()
    this.#feed.wrote = false
    if (ops.length === 1 && ops[0]?.kind === 'checkpoint') {
      this.#checkpointAsked = true
      return
    }
    this.#fault?.('begin')
    this.#sql.begin.run()
    try {
      for (const op of ops) values.push(this.#apply(op, bytes))
      this.#mail.flush()
      this.#fault?.('commit')
      this.#sql.commit.run()
      this.#logPages += 6
    } catch (error) {
      this.#mail.rollback()
      this.#feed.wrote = false
      this.#unlink = []
      if (this.#db.isTransaction) this.#sql.rollback.run()
      throw error
    }
  }

  /** A sync that fails here is as fatal as in a commit: pages may be lost that the log would then forget. */
  #maybeCheckpoint(): void {
    const asked = this.#checkpointAsked
    this.#checkpointAsked = false
    if ((!asked && this.#logPages < this.#checkpointPages) || this.#fatal !== undefined) return
    try {
      this.#fault?.('checkpoint')
      // PASSIVE waits for nobody. When readers kept the log from being reset for long, wait for them (they are short).
      const kind = this.#logPages > 4 * this.#checkpointPages ? 'RESTART' : 'PASSIVE'
      const row = this.#db.prepare(`PRAGMA wal_checkpoint(${kind})`).get() as {
        log: number
        checkpointed: number
      }
      this.#logPages = row.log - row.checkpointed
      if (asked) this.#shrink()
    } catch (error) {
      if (isFatal(error)) this.#fatal = error instanceof Error ? error.message : String(error)
      // Full or busy: the log keeps everything, the next batches try again.
      else this.#logPages = Math.max(0, this.#checkpointPages - 64)
    }
  }

  /** Idle: gives pages of deleted mail back to the file system, a bounded number at a time. */
  #shrink(): void {
    const free = (this.#sql.freePages.get() as { freelist_count: number }).freelist_count
    const all = (this.#sql.allPages.get() as { page_count: number }).page_count
    if (free > 4096 && free > all / 4) this.#db.exec('PRAGMA incremental_vacuum(1024)')
  }

  #apply(op: Op, bytes: Uint8Array): unknown {
    switch (op.kind) {
      case 'accept':
        return this.#accept(op.row, bytes)
      case 'settle':
        return this.#settle(op.changes, op.events, op.newMessages, bytes)
      case 'takeDue':
        return this.#takeDue(op.query)
      case 'nextDueAt':
        return this.#nextDueAt(op.exclude)
      case 'takeDeadlines':
        return this.#takeDeadlines(op.now, op.max)
      case 'takeKeys':
        return this.#takeKeys(op.keys, op.now)
      case 'setDestination': {
        const { destination, failureCount, blockedUntil, downSince, lastError } = op.state
        this.#sql.destinationSet.run(destination, blockedUntil, failureCount, downSince, lastError)
        return
      }
      case 'clearDestination':
        this.#sql.destinationClear.run(op.destination)
        this.#sql.destinationForget.run(op.destination)
        return
      case 'recover':
        return this.#recover()
      case 'mailChange':
        this.#logPages += op.ids.length / 4
        return this.#mail.change(op.ids, op.change, op.now)
      case 'mailRemove':
        return this.#mailRemove(op.ids, op.now)
      case 'mailboxForget':
        return this.#mail.forget(op.account)
      case 'feedKinds':
        this.#feed.setKinds(op.kinds)
        return
      case 'feedPrune':
        return this.#feed.prune(op.throughSeq, op.before, op.max)
      case 'documentPut':
        this.#logPages += 2
        return this.#feed.putDocument(op.cells, op.ifVersion, op.now)
      case 'documentDelete':
        return this.#feed.deleteDocument(op.documentKind, op.key, op.now)
      case 'documentPrune':
        return this.#feed.pruneDocuments(op.now, op.max)
      case 'accountPut':
        this.#sql.accountPut.run(op.name, op.data)
        return
      case 'accountDelete':
        return Number(this.#sql.accountDelete.run(op.name).changes) > 0
      case 'reroute':
        return this.#reroute(op.keys, op.from, op.to)
      case 'prune':
        return this.#prune(op.ids)
      case 'quarantine':
        this.#sql.quarantineAdd.run(op.at, op.source, op.key, op.reason)
        return
      case 'checkpoint':
        this.#checkpointAsked = true
        return
      default:
        return unreachable(op)
    }
  }

  #accept(row: AcceptRow, bytes: Uint8Array): void {
    const sql = this.#sql
    let bodyId: number | null = null
    let chunkCount = 0
    if (row.fileName === null) {
      bodyId = this.#nextBodyId
      const end = row.bodyAt + row.sizeBytes
      for (let at = row.bodyAt; at < end || chunkCount === 0; at += chunkBytesMax) {
        sql.bodyInsert.run(bodyId + chunkCount, bytes.subarray(at, Math.min(end, at + chunkBytesMax)))
        chunkCount++
      }
      this.#nextBodyId += chunkCount
    }
    sql.messageInsert.run(
      row.id,
      row.receivedAt,
      row.sizeBytes,
      bodyId,
      chunkCount,
      row.fileName,
      row.data,
      row.events,
    )
    this.#logPages += 2 + row.sizeBytes / this.#pageBytes
    for (const delivery of row.deliveries) this.#insertDelivery(row.id, delivery)
    if (row.events !== null) this.#feed.events(row.id, row.events)
    for (const [id, json] of row.otherEvents) {
      sql.eventInsert.run(id, json)
      this.#feed.events(id, json)
    }
    if (row.placements.length > 0) {
      const body: BodyRef = { body_id: bodyId, body_count: chunkCount, file_name: row.fileName }
      const head =
        row.fileName === null
          ? bytes.subarray(row.bodyAt, row.bodyAt + Math.min(row.sizeBytes, summaryBytesMax))
          : this.#fileHead(row.fileName)
      const { id, sizeBytes, reversePath, tags } = row
      this.#mail.place({ id, sizeBytes, reversePath, body, head, tags }, row.placements, true)
      this.#logPages += 2
    } else if (row.deliveries.length === 0) this.#releaseBody(row.id)
  }

  #insertDelivery(id: string, cells: DeliveryCells): void {
    const [seq, destination, domain, state, dueAt, deadlineAt, attemptCount, data] = cells
    this.#sql.deliveryInsert.run(id, seq, destination, domain, state, dueAt, deadlineAt, attemptCount, data)
    if (state === stateWaiting) this.#sql.destinationDue.run(destination, dueAt)
  }

  #settle(
    changes: readonly ChangeCells[],
    events: readonly EventCells[],
    newMessages: readonly AcceptRow[],
    bytes: Uint8Array,
  ): void {
    const sql = this.#sql
    let last = ''
    let trim = false
    const placed = new Map<string, PlacementCells[]>()
    for (const [id, seq, update, placement] of changes) {
      if (update === null) {
        if (placement !== null) this.#gather(placed, id, seq, placement)
        sql.deliveryDelete.run(id, seq)
      } else {
        const [, destination, domain, state, dueAt, deadlineAt, attemptCount, data] = update
        sql.deliveryUpdate.run(destination, domain, state, dueAt, deadlineAt, attemptCount, data, id, seq)
        if (state === stateWaiting) sql.destinationDue.run(destination, dueAt)
        trim = true
      }
    }
    this.#logPages += 2 + changes.length / 4
    for (const [id, json] of events) {
      sql.eventInsert.run(id, json)
      if (trim) sql.eventTrim.run(id)
      this.#feed.events(id, json)
    }
    for (const [id, placements] of placed) this.#placeSettled(id, placements)
    for (const [id, , update] of changes) {
      if (update !== null || id === last) continue
      this.#releaseBody(id)
      last = id
    }
    // A settle that was written and is repeated, because its answer got lost, finds its reports there.
    for (const message of newMessages)
      if (sql.messageGet.get(message.id) === undefined) this.#accept(message, bytes)
  }

  /** The delivery's own row says whom it was for; where it is gone, the placement was written before. */
  #gather(
    placed: Map<string, PlacementCells[]>,
    id: string,
    seq: number,
    [account, mailbox, prefix, internalDate]: readonly [string, string, string, number],
  ): void {
    const row = this.#sql.deliveryGet.get(id, seq) as DeliveryRow | undefined
    if (row === undefined) return
    const cells: PlacementCells = [account, mailbox, prefix, internalDate, seq, deliveryOf(row).recipient]
    const ofMessage = placed.get(id)
    if (ofMessage === undefined) placed.set(id, [cells])
    else ofMessage.push(cells)
  }

  #placeSettled(id: string, placements: readonly PlacementCells[]): void {
    const message = this.#sql.messageGet.get(id) as (BodyRef & { data: string; size: number }) | undefined
    if (message === undefined) return
    const { reversePath, tags = [] } = messageOf(message.data)
    const { body_id, body_count, file_name } = message
    const body: BodyRef = { body_id, body_count, file_name }
    const head = this.#head(message)
    this.#mail.place({ id, sizeBytes: message.size, reversePath, body, head, tags }, placements, false)
    this.#logPages += 2
  }

  /** Removes the body when no live delivery and no mailbox row of the message is left. */
  #releaseBody(id: string): void {
    const ref = this.#sql.bodyUnreferenced.get(id) as BodyRef | undefined
    if (ref !== undefined) this.#removeBody(ref)
  }

  #removeBody(ref: BodyRef): void {
    if (ref.file_name !== null) this.#unlink.push(ref.file_name)
    if (ref.body_id === null) return
    for (let i = 0; i < ref.body_count; i++) this.#sql.bodyDelete.run(ref.body_id + i)
  }

  #readyNames({ now, destinationsMax, exclude }: TakeDueQuery): string[] {
    const excluded = new Set(exclude)
    const names: string[] = []
    for (const row of this.#sql.destinationReady.iterate(now)) {
      const { name } = row as unknown as { name: string }
      if (excluded.has(name) || this.#damagedDestinations.has(name)) continue
      if (names.push(name) >= destinationsMax) break
    }
    return names
  }

  #takeDue(query: TakeDueQuery): { rows: DueCells[] } {
    const { now, deliveriesPerDestinationMax: max, retry } = query
    const rows: DueCells[] = []
    this.#noteFound(now)
    for (const name of this.#readyNames(query)) {
      const due =
        this.#unreadable.size === 0
          ? (this.#sql.deliveryDue.all(name, now, max) as unknown as DeliveryRow[])
          : this.#readable(this.#sql.deliveryDueKeys.iterate(name, now), max)
      this.#lease(due, rows, now, (row) => {
        const attemptCount = row.attempt_count + 1
        const delivery = { messageId: row.message_id, seq: row.seq, attemptCount }
        return { dueAt: nextTryAt(retry, delivery, now), attemptCount }
      })
      this.#refreshDestination(name)
    }
    return { rows }
  }

  /** Row by row along an index, without those that are known to be unreadable: they can be neither changed nor removed. */
  #readable(keys: Iterable<unknown>, max: number): DeliveryRow[] {
    const rows: DeliveryRow[] = []
    for (const item of keys) {
      const { message_id, seq } = item as DeliveryRow
      if (this.#unreadable.has(`${message_id}-${seq}`)) continue
      const row = this.#sql.deliveryGet.get(message_id, seq) as DeliveryRow | undefined
      if (row !== undefined && rows.push(row) >= max) break
    }
    return rows
  }

  #noteFound(now: number): void {
    for (const [source, key] of this.#found)
      this.#sql.quarantineAdd.run(now, source, key, 'it lies on a damaged page')
    this.#found = []
  }

  /** Makes rows active; one that cannot be read is moved aside instead. */
  #lease(
    rows: readonly DeliveryRow[],
    out: DueCells[],
    now: number,
    next: (row: DeliveryRow) => { readonly dueAt: number; readonly attemptCount: number },
  ): void {
    let lastId = ''
    let lastData = ''
    for (const row of rows) {
      try {
        deliveryOf(row)
        const repeated = row.message_id === lastId && out.length > 0
        if (!repeated) {
          lastData = this.#messageData(row.message_id)
          lastId = row.message_id
        }
        const { dueAt, attemptCount } = next(row)
        this.#sql.deliveryLease.run(dueAt, attemptCount, row.message_id, row.seq)
        const leased = { ...row, state: stateActive, due_at: dueAt, attempt_count: attemptCount }
        out.push([repeated ? '' : lastData, leased])
      } catch (error) {
        if (error instanceof StoreFailure || error instanceof SyntaxError || error instanceof TypeError)
          this.#setAside(row, (error as Error).message, now)
        else throw error
      }
    }
  }

  #messageData(id: string): string {
    const message = this.#sql.messageGet.get(id) as { data: string } | undefined
    if (message === undefined) throw new StoreFailure('corrupt', 'its message row is missing')
    messageOf(message.data)
    return message.data
  }

  /** The row keeps its place (and its body) for whoever repairs it, but no attempt and no list sees it again. */
  #setAside(row: DeliveryRow, reason: string, now: number): void {
    this.#sql.deliveryState.run(stateQuarantined, row.message_id, row.seq)
    this.#sql.quarantineAdd.run(now, 'delivery', `${row.message_id}-${row.seq}`, reason)
  }

  /** Sets due_at to what is true; a destination of which nothing is known any more goes. */
  #refreshDestination(name: string): void {
    let { due_at } = this.#sql.destinationEarliest.get(name) as { due_at: number | null }
    if (due_at !== null && this.#unreadable.size > 0)
      due_at = this.#earliestReadable(this.#sql.deliveryDueKeys.iterate(name, never), 'due_at')
    this.#sql.destinationRefresh.run(due_at, name)
    if (due_at === null) this.#sql.destinationForget.run(name)
  }

  #earliestReadable(keys: Iterable<unknown>, column: 'due_at' | 'deadline_at'): number | null {
    for (const item of keys) {
      const row = item as { message_id: string; seq: number; due_at: number; deadline_at: number }
      if (!this.#unreadable.has(`${row.message_id}-${row.seq}`)) return row[column]
    }
    return null
  }

  #nextDueAt(exclude: readonly string[]): number | undefined {
    const excluded = new Set(exclude)
    let at = never
    for (const row of this.#sql.destinationReady.iterate(never)) {
      const { name, ready_at } = row as unknown as { name: string; ready_at: number }
      if (excluded.has(name) || this.#damagedDestinations.has(name)) continue
      at = ready_at
      break
    }
    const deadline =
      this.#unreadable.size === 0
        ? (this.#sql.deadlineEarliest.get() as { at: number | null }).at
        : this.#earliestReadable(this.#sql.deadlineKeys.iterate(never), 'deadline_at')
    at = Math.min(at, deadline ?? never)
    return at === never ? undefined : at
  }

  #takeDeadlines(now: number, max: number): { rows: DueCells[] } {
    const rows: DueCells[] = []
    this.#noteFound(now)
    const due =
      this.#unreadable.size === 0
        ? (this.#sql.deliveryDeadline.all(now, max) as unknown as DeliveryRow[])
        : this.#readable(this.#sql.deadlineKeys.iterate(now), max)
    this.#lease(due, rows, now, (row) => ({ dueAt: row.due_at, attemptCount: row.attempt_count }))
    return { rows }
  }

  /** The answer says what the rows were; a held one that is leased is held again after a crash. */
  #takeKeys(keys: readonly (string | number)[], now: number): { rows: DueCells[]; busyCount: number } {
    const rows: DueCells[] = []
    let busyCount = 0
    for (let i = 0; i < keys.length; i += 2) {
      const row = this.#sql.deliveryGet.get(keys[i] as string, keys[i + 1] as number) as
        | DeliveryRow
        | undefined
      if (row === undefined) continue
      if (row.state === stateActive || row.state === stateHeldLeased) busyCount++
      if (row.state !== stateWaiting && row.state !== stateHeld) continue
      const taken: DueCells[] = []
      this.#lease([row], taken, now, () => ({ dueAt: row.due_at, attemptCount: row.attempt_count }))
      if (taken[0] === undefined) continue
      rows.push([taken[0][0], row])
      if (row.state === stateHeld) this.#sql.deliveryState.run(stateHeldLeased, row.message_id, row.seq)
    }
    return { rows, busyCount }
  }

  #recover(): number {
    const count = this.#recoverRows()
    // due_at may be stale or, after damage, missing: build it anew from the index.
    this.#sql.destinationsUnset.run()
    this.#sql.destinationsRebuild.run()
    this.#sql.destinationsForget.run()
    return count
  }

  /** One statement; behind damage, those that were found. */
  #recoverRows(): number {
    if (this.#leased === undefined) {
      const { changes } = this.#sql.deliveryRecover.run()
      this.#sql.deliveryRecoverHeld.run()
      return Number(changes)
    }
    let count = 0
    for (const id of this.#leased) {
      count += Number(this.#sql.deliveryRecoverOne.run(id).changes)
      this.#sql.deliveryRecoverHeldOne.run(id)
    }
    this.#leased = undefined
    return count
  }

  #mailRemove(ids: readonly number[], now: number): number {
    const rows = this.#mail.remove(ids, now)
    for (const row of rows) {
      const still = this.#sql.referenced.get(row.message_id, row.message_id) as { n: number }
      if (still.n === 0) this.#removeBody(row)
    }
    this.#logPages += rows.length
    return rows.length
  }

  #reroute(keys: readonly (string | number)[], from: string, to: string): number {
    let count = 0
    for (let i = 0; i < keys.length; i += 2) {
      const row = this.#sql.deliveryReroute.get(to, keys[i] as string, keys[i + 1] as number, from) as
        | { state: number; due_at: number }
        | undefined
      if (row === undefined) continue
      count++
      if (row.state === stateWaiting) this.#sql.destinationDue.run(to, row.due_at)
    }
    this.#refreshDestination(from)
    return count
  }

  #prune(ids: readonly string[]): number {
    let count = 0
    for (const id of ids) {
      if (this.#sql.messagePrune.run(id).changes === 0) continue
      count++
      this.#sql.eventsPrune.run(id)
    }
    return count
  }

  /** The beginning of a stored body, for its summary; empty when it cannot be read (the delivery must not fail for it). */
  #head(ref: BodyRef): Uint8Array {
    if (ref.file_name !== null) return this.#fileHead(ref.file_name)
    if (ref.body_id === null) return new Uint8Array(0)
    const row = this.#sql.bodyHead.get(ref.body_id) as { bytes: Uint8Array } | undefined
    return row?.bytes ?? new Uint8Array(0)
  }

  #fileHead(fileName: string): Uint8Array {
    const head = new Uint8Array(summaryBytesMax)
    try {
      const file = openSync(join(this.#dir, bodiesFolder, fileName), 'r')
      try {
        return head.subarray(0, readSync(file, head))
      } finally {
        closeSync(file)
      }
    } catch {
      return new Uint8Array(0)
    }
  }

  /** At start: files that no row names were spilled for mail that was never accepted, or outlived their row. */
  #sweepFiles(): void {
    const folder = join(this.#dir, bodiesFolder)
    for (const name of readdirSync(folder)) {
      const known = this.#sql.fileReferenced.get(name, name) as { n: number }
      if (known.n === 0) rmSync(join(folder, name), { force: true })
    }
  }
}

/** What commits leave to be done outside: body files to remove, rows that went or came, listeners to tell. */
interface Effects {
  readonly unlink: string[]
  readonly gone: number[]
  placed: boolean
  fed: boolean
}

const noEffects = (): Effects => ({ unlink: [], gone: [], placed: false, fed: false })

function syncFolder(path: string): void {
  if (process.platform === 'win32') return
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
