// Owns the search index: a file of its own beside the mail, written behind the commits, so that no acceptance waits for it.
// It can be thrown away at any time: it is then made anew. It is caught up by number: for each mailbox the last uid it
// has seen. Synchronous, one step at a time, for a thread of its own (worker.ts) or the caller's. It never changes mail.
//
// doc: what lists show of a row beyond its summary; with message_id, because an id may be used again after a removal.
// part, mail_text_<part>: the words, by ranges of ids (index-parts.ts).

import { closeSync, existsSync, openSync, readSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { StoreFailure } from '../../queue/store.ts'
import { type MailWords, mailWords, summaryWords } from '../mail-words.ts'
import { indexText } from '../search-words.ts'
import { failureData, isCorrupt } from './failure.ts'
import { bodiesFolder, databaseName } from './files.ts'
import { IndexParts, partSchema } from './index-parts.ts'
import { canRead } from './past-damage.ts'
import { readTags } from './rows.ts'
import { attachmentWord, mailboxWord, markedWords } from './search-sql.ts'
import { prepareAll } from './writer-queries.ts'

export const indexName = 'index.db'
/** Of another number: made anew. Grows with every change of its tables, and of what a word is. */
const indexVersion = 3
/** Rows and octets of bodies that one step takes, in one transaction. */
const stepRowsMax = 500
const stepBytesMax = 8 * 1024 * 1024
const goneRowsMax = 2000
const openedPartsMax = 2
/** Rows that a step of the search for leftovers looks at. */
const sweepRowsMax = 5000
const pieceBytes = 64 * 1024

const schema = `
CREATE TABLE info (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE progress (mailbox_id INTEGER PRIMARY KEY, uid INTEGER NOT NULL);
CREATE TABLE doc (
  id INTEGER PRIMARY KEY, message_id TEXT NOT NULL, snippet TEXT NOT NULL, attachment_count INTEGER NOT NULL
);
${partSchema}
PRAGMA user_version = ${indexVersion};
`

const indexQueries = {
  begin: 'BEGIN IMMEDIATE',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',
  docPut: `INSERT INTO doc (id, message_id, snippet, attachment_count) VALUES (?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET message_id = excluded.message_id, snippet = excluded.snippet,
        attachment_count = excluded.attachment_count`,
  docHas: 'SELECT EXISTS (SELECT 1 FROM doc WHERE id = ?) AS n',
  docDelete: 'DELETE FROM doc WHERE id = ?',
  docsFrom: 'SELECT id FROM doc WHERE id > ? ORDER BY id LIMIT ?',
  progressGet: 'SELECT mailbox_id, uid FROM progress',
  progressPut: `INSERT INTO progress (mailbox_id, uid) VALUES (?, ?)
      ON CONFLICT (mailbox_id) DO UPDATE SET uid = excluded.uid`,
  progressForget: 'DELETE FROM progress WHERE mailbox_id = ?',
} as const

const mailQueries = {
  store: "SELECT value FROM store_info WHERE name = 'index'",
  mailboxes: 'SELECT id, uidnext FROM mailbox',
  rows: `SELECT id, uid, message_id, size, recipients, reverse_path, header_from, header_to, header_subject,
      body_id, body_count, file_name FROM mail WHERE mailbox_id = ? AND uid > ? AND uid < ? ORDER BY uid LIMIT ?`,
  uids: 'SELECT uid FROM mail INDEXED BY mail_uid WHERE mailbox_id = ? AND uid > ? AND uid < ?',
  chunk: 'SELECT bytes FROM body WHERE id = ?',
  has: 'SELECT EXISTS (SELECT 1 FROM mail WHERE id = ?) AS n',
} as const

export interface IndexStep {
  /** Rows that were removed (mail.id). */
  readonly gone: readonly number[]
}

export interface IndexStepAnswer {
  readonly indexed: number
  /** There are rows that are not indexed yet. */
  readonly isBehind: boolean
  /** There is more to do, be it of rows that went. */
  readonly more: boolean
}

interface Row {
  readonly id: number
  readonly uid: number
  readonly message_id: string
  readonly size: number
  readonly recipients: string
  readonly reverse_path: string
  readonly header_from: string
  readonly header_to: string
  readonly header_subject: string
  readonly body_id: number | null
  readonly body_count: number
  readonly file_name: string | null
}

export interface IndexerOptions {
  readonly dir: string
  /** Message ids that are indexed by their summary alone: one of them ended the thread before. */
  readonly avoid?: readonly string[]
  /** Told before each message is read, in a thread that ended before. */
  readonly onMessage?: (messageId: string) => void
  /** Smaller for tests (index-parts.ts). */
  readonly partRowsMax?: number
}

export class Indexer {
  readonly #dir: string
  readonly #avoid: ReadonlySet<string>
  readonly #onMessage: ((messageId: string) => void) | undefined
  readonly #partRowsMax: number | undefined
  readonly #mail: DatabaseSync
  readonly #mailSql: Readonly<Record<keyof typeof mailQueries, StatementSync>>
  #db: DatabaseSync
  #sql: Readonly<Record<keyof typeof indexQueries, StatementSync>>
  #parts: IndexParts
  #progress = new Map<number, number>()
  /** Mailboxes that have rows we have not seen, and up to which uid (exclusive). */
  #behind = new Map<number, number>()
  #gone: number[] = []
  /** Rows up to this id were looked at for leftovers of removals that we were not told of; undefined: all. */
  #sweptTo: number | undefined = -1

  /** The writer must have opened the file before. Throws an error of SQLite; what is damaged is made anew. */
  constructor({ dir, avoid, onMessage, partRowsMax }: IndexerOptions) {
    this.#dir = dir
    this.#partRowsMax = partRowsMax
    this.#avoid = new Set(avoid)
    this.#onMessage = onMessage
    this.#mail = new DatabaseSync(join(dir, databaseName), { readOnly: true, timeout: 2000 })
    try {
      this.#mail.exec('PRAGMA cache_size = -2048')
      this.#mailSql = prepareAll(this.#mail, mailQueries)
      const store = (this.#mailSql.store.get() as { value: string } | undefined)?.value ?? ''
      try {
        this.#db = this.#open(store)
        this.#sql = prepareAll(this.#db, indexQueries)
        this.#parts = new IndexParts(this.#db, this.#mail, this.#partRowsMax)
        this.#load()
      } catch (error) {
        // Damaged, or of a shape that nobody knows: there is nothing in it that cannot be made anew.
        if (failureData(error)[0] === 'full') throw error
        removeIndex(dir)
        this.#db = this.#open(store)
        this.#sql = prepareAll(this.#db, indexQueries)
        this.#parts = new IndexParts(this.#db, this.#mail, this.#partRowsMax)
        this.#load()
      }
    } catch (error) {
      this.#mail.close()
      throw error
    }
  }

  #open(store: string): DatabaseSync {
    const path = join(this.#dir, indexName)
    const open = (): DatabaseSync => {
      const isNew = !existsSync(path)
      const db = new DatabaseSync(path, { timeout: 2000 })
      if (isNew) db.exec('PRAGMA page_size = 8192')
      // A power cut may cost the last steps, which are then done again; it does not damage the file.
      db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -4096;
        PRAGMA wal_autocheckpoint = 2000; PRAGMA journal_size_limit = 33554432; PRAGMA temp_store = MEMORY;`)
      return db
    }
    let db = open()
    try {
      const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number }
      if (version === indexVersion && ownerOf(db) === store) return db
      if (version !== 0) {
        db.close()
        removeIndex(this.#dir)
        db = open()
      }
      db.exec(`BEGIN; ${schema}`)
      db.prepare("INSERT INTO info (name, value) VALUES ('store', ?)").run(store)
      db.exec('COMMIT')
      return db
    } catch (error) {
      db.close()
      throw error
    }
  }

  #load(): void {
    for (const row of this.#sql.progressGet.iterate())
      this.#progress.set(row.mailbox_id as number, row.uid as number)
    this.#look()
    // The mail is older than the index says: a copy was put back. What came since has other words.
    for (const { id, uidnext } of this.#mailboxes()) {
      if ((this.#progress.get(id) ?? 0) >= uidnext) return this.#startAnew()
    }
  }

  #startAnew(): void {
    this.#db.exec(`BEGIN; DELETE FROM progress; DELETE FROM doc; DROP TABLE info; DROP TABLE progress;
      DROP TABLE doc; ${this.#parts.dropAll()} DROP TABLE part; ${schema}`)
    this.#db
      .prepare("INSERT INTO info (name, value) VALUES ('store', ?)")
      .run((this.#mailSql.store.get() as { value: string } | undefined)?.value ?? '')
    this.#db.exec('COMMIT')
    this.#sql = prepareAll(this.#db, indexQueries)
    this.#parts = new IndexParts(this.#db, this.#mail, this.#partRowsMax)
    this.#progress.clear()
    this.#look()
  }

  #mailboxes(): readonly { readonly id: number; readonly uidnext: number }[] {
    try {
      return this.#mailSql.mailboxes.all() as unknown as { id: number; uidnext: number }[]
    } catch (error) {
      // Not the index is damaged: making it anew would not help.
      if (isCorrupt(error)) throw new StoreFailure('failed', 'mailboxes cannot be read', { cause: error })
      throw error
    }
  }

  /** Which mailboxes have rows that we have not seen. */
  #look(): void {
    this.#behind.clear()
    const there = new Set<number>()
    for (const { id, uidnext } of this.#mailboxes()) {
      there.add(id)
      if ((this.#progress.get(id) ?? 0) < uidnext - 1) this.#behind.set(id, uidnext)
    }
    for (const id of this.#progress.keys()) {
      if (there.has(id)) continue
      this.#progress.delete(id)
      this.#sql.progressForget.run(id)
    }
  }

  /** One transaction. Throws errors of SQLite; nothing was done then, and the step may be asked for again. */
  step({ gone }: IndexStep): IndexStepAnswer {
    for (const id of gone) this.#gone.push(id)
    if (this.#behind.size === 0) this.#look()
    const forgotten = this.#gone.slice(0, goneRowsMax)
    const progress = new Map(this.#progress)
    let indexed = 0
    this.#sql.begin.run()
    try {
      for (const id of forgotten) this.#forget(id)
      this.#parts.dropEmpty()
      indexed = this.#catchUp()
      if (indexed === 0 && forgotten.length === 0) this.#sweep()
      this.#sql.commit.run()
    } catch (error) {
      this.#progress = progress
      this.#behind.clear()
      if (this.#db.isTransaction) this.#sql.rollback.run()
      this.#parts.rolledBack()
      throw error
    }
    this.#gone = this.#gone.slice(forgotten.length)
    if (this.#parts.openedCount > openedPartsMax) this.#reopen()
    // What came while we were at it counts: whoever waits asked before this step.
    if (this.#behind.size === 0) this.#look()
    const isBehind = this.#behind.size > 0
    return { indexed, isBehind, more: isBehind || this.#gone.length > 0 || this.#sweptTo !== undefined }
  }

  /** What FTS5 keeps of tables goes with the connection. The old one stays where there is no new one. */
  #reopen(): void {
    const old = this.#db
    const db = this.#open((this.#mailSql.store.get() as { value: string } | undefined)?.value ?? '')
    try {
      const sql = prepareAll(db, indexQueries)
      this.#parts = new IndexParts(db, this.#mail, this.#partRowsMax)
      this.#sql = sql
      this.#db = db
    } finally {
      if (this.#db === db) old.close()
      else db.close()
    }
  }

  #forget(id: number): void {
    // A new row may have its number by now.
    if ((this.#mailSql.has.get(id) as { n: number }).n === 1) return
    this.#sql.docDelete.run(id)
    this.#parts.remove(id)
  }

  #catchUp(): number {
    const found: [mailboxId: number, row: Row][] = []
    let bytes = 0
    for (const [mailboxId, end] of this.#behind) {
      if (found.length >= stepRowsMax || bytes >= stepBytesMax) break
      const from = this.#progress.get(mailboxId) ?? 0
      let seen = end - 1
      for (const row of this.#rows(mailboxId, from, end, stepRowsMax - found.length)) {
        found.push([mailboxId, row])
        bytes += row.size
        if (found.length < stepRowsMax && bytes < stepBytesMax) continue
        seen = row.uid
        break
      }
      this.#progress.set(mailboxId, seen)
      this.#sql.progressPut.run(mailboxId, seen)
      if (seen === end - 1) this.#behind.delete(mailboxId)
    }
    // FTS5 writes out what it has gathered whenever a number is smaller than the one before.
    found.sort(([, one], [, other]) => one.id - other.id)
    const last = found.at(-1)
    if (last !== undefined) this.#parts.divide(last[1].id)
    for (const [mailboxId, row] of found) this.#index(mailboxId, row)
    return found.length
  }

  /** Rows on a damaged page are passed by. */
  *#rows(mailboxId: number, from: number, end: number, limit: number): Generator<Row> {
    let after = from
    try {
      // In pieces that are read at once: a reader that stays keeps the writer's log from beginning anew.
      for (let left = limit; left > 0; ) {
        const rows = this.#mailSql.rows.all(mailboxId, after, end, Math.min(left, 50)) as unknown as Row[]
        for (const row of rows) {
          after = row.uid
          yield row
        }
        if (rows.length < 50) return
        left -= rows.length
      }
    } catch (error) {
      if (!isCorrupt(error)) throw error
      let uids: readonly { readonly uid: number }[] = []
      canRead(() => {
        uids = this.#mailSql.uids.all(mailboxId, after, end) as unknown as { uid: number }[]
      })
      for (const { uid } of uids) {
        let row: Row | undefined
        canRead(() => {
          row = this.#mailSql.rows.get(mailboxId, uid - 1, uid + 1, 1) as Row | undefined
        })
        if (row !== undefined) yield row
      }
    }
  }

  #index(mailboxId: number, row: Row): void {
    const words = this.#words(row)
    if ((this.#sql.docHas.get(row.id) as { n: number }).n === 1) this.#parts.remove(row.id)
    this.#sql.docPut.run(row.id, row.message_id, words.snippet, words.attachmentCount)
    const { from, to, cc, subject, body, filename } = words
    const marked = markedWords('from', from) + markedWords('to', to) + markedWords('cc', cc)
    const attachment = words.attachmentCount > 0 ? ` ${attachmentWord}` : ''
    const meta = `${mailboxWord(mailboxId)}${words.id}${attachment}${marked}`
    this.#parts.put(row.id, [from, to, cc, subject, body, filename, meta])
  }

  /** A message that cannot be read is known by its summary. */
  #words(row: Row): MailWords {
    const envelope = { reversePath: row.reverse_path, recipients: readTags(row.recipients) }
    const summary = { from: row.header_from, to: row.header_to, subject: row.header_subject }
    if (this.#avoid.has(row.message_id)) return summaryWords(summary, envelope)
    this.#onMessage?.(row.message_id)
    try {
      return mailWords(this.#pieces(row), envelope, indexText)
    } catch {
      return summaryWords(summary, envelope)
    }
  }

  *#pieces(row: Row): Generator<Uint8Array> {
    if (row.file_name !== null) {
      const file = openSync(join(this.#dir, bodiesFolder, row.file_name), 'r')
      try {
        for (;;) {
          const piece = Buffer.allocUnsafe(pieceBytes)
          const length = readSync(file, piece)
          if (length === 0) return
          yield piece.subarray(0, length)
        }
      } finally {
        closeSync(file)
      }
    }
    if (row.body_id === null) return
    for (let i = 0; i < row.body_count; i++) {
      const chunk = this.#mailSql.chunk.get(row.body_id + i) as { bytes: Uint8Array } | undefined
      if (chunk === undefined) return
      yield chunk.bytes
    }
  }

  /** Once after each start: rows that went without our hearing of it. */
  #sweep(): void {
    if (this.#sweptTo === undefined) return
    const ids = this.#sql.docsFrom.all(this.#sweptTo, sweepRowsMax) as unknown as { id: number }[]
    for (const { id } of ids) this.#forget(id)
    this.#sweptTo = ids.length < sweepRowsMax ? undefined : ids.at(-1)?.id
  }

  close(): void {
    this.#db.close()
    this.#mail.close()
  }
}

function ownerOf(db: DatabaseSync): string | undefined {
  return (db.prepare("SELECT value FROM info WHERE name = 'store'").get() as { value: string } | undefined)
    ?.value
}

/** Nobody may have it open. */
export function removeIndex(dir: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(join(dir, indexName + suffix), { force: true })
}
