// Owns how the words of the index are divided: each part is an FTS5 table of its own for a range of mail.id, so of time. A
// list that wants the newest fifty looks into the newest parts only: FTS5 puts together all rows of a beginning ('a*')
// before it gives the first of them, and in a part these are a bounded number. Parts that became empty go as a whole.
//
// Where parts begin is decided by the rows of mail, whichever mailbox they are in, and in whatever order they are indexed.
// part.first_id: the smallest id in it; the first part has all ids below the second.

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { assert } from '../../base/assert.ts'
import { isCorrupt } from './failure.ts'
import { indexColumns } from './search-sql.ts'

/** Rows of a part, and octets of messages, of which those count that can have words. */
const partRowsMax = 8192
const partBytesMax = 24 * 1024 * 1024
const rowBytesMax = 64 * 1024

export const partTable = (id: number): string => `mail_text_${id}`

export const partSchema = `
CREATE TABLE part (id INTEGER PRIMARY KEY AUTOINCREMENT, first_id INTEGER NOT NULL UNIQUE);
${makePart(1, 0)}`

/**
 * FTS5 without the text itself; the rowid is mail.id, so that matches come in the order of lists. Merging is
 * left for when there are many segments: a part that is filled at once has few. What is gathered for a segment takes some
 * four times `hashsize` in memory.
 */
function makePart(id: number, firstId: number): string {
  const name = partTable(id)
  return `INSERT INTO part (id, first_id) VALUES (${id}, ${firstId});
    CREATE VIRTUAL TABLE ${name} USING fts5 (
      ${indexColumns.join(', ')}, content = '', contentless_delete = 1, tokenize = 'ascii'
    );
    INSERT INTO ${name} (${name}, rank) VALUES ('automerge', 16);
    INSERT INTO ${name} (${name}, rank) VALUES ('pgsz', 8000);
    INSERT INTO ${name} (${name}, rank) VALUES ('hashsize', 2097152);
  `
}

/** One of `parts`, which are in the order of first_id: where a row of this id is. */
export function partAt(parts: readonly { readonly firstId: number }[], id: number): number {
  let low = 0
  let high = parts.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((parts[middle]?.firstId ?? 0) <= id) low = middle
    else high = middle - 1
  }
  return low
}

export const partsQuery = (schema: string): string =>
  `SELECT id, first_id AS firstId FROM ${schema}.part ORDER BY first_id`

export interface Part {
  readonly id: number
  readonly firstId: number
}

/** Parts whose statements are kept. */
const openMax = 16
/** Rows of mail that are looked at in one read. */
const countedRowsMax = 1000

/** The writing side, within the transactions of its caller. */
export class IndexParts {
  readonly #db: DatabaseSync
  readonly #rowsMax: number
  readonly #mailAfter: StatementSync
  #parts: readonly Part[] = []
  #statements = new Map<number, { readonly put: StatementSync; readonly remove: StatementSync }>()
  #touched = new Set<number>()
  /** Tables that the connection has written by now: FTS5 keeps megabytes for each until it is closed. */
  openedCount = 0
  /** No row beyond it is in any part. */
  #countedTo = -1
  /** Of the last part, up to there. */
  #rows = 0
  #bytes = 0

  /** `mail` is the other file; `rowsMax` smaller for tests. */
  constructor(db: DatabaseSync, mail: DatabaseSync, rowsMax = partRowsMax) {
    this.#db = db
    this.#rowsMax = rowsMax
    this.#mailAfter = mail.prepare('SELECT id, size FROM mail WHERE id > ? AND id <= ? ORDER BY id LIMIT ?')
    this.#load()
  }

  #load(): void {
    this.#parts = this.#db.prepare(partsQuery('main')).all() as unknown as Part[]
    const { id } = this.#db.prepare('SELECT max(id) AS id FROM doc').get() as { id: number | null }
    const firstId = this.#parts.at(-1)?.firstId ?? 0
    this.#rows = 0
    this.#bytes = 0
    this.#countedTo = Math.max(id ?? -1, firstId - 1)
    for (const { size } of this.#mailRows(firstId - 1, this.#countedTo)) this.#count(size)
  }

  #count(size: number): void {
    this.#rows++
    this.#bytes += Math.min(rowBytesMax, size)
  }

  rolledBack(): void {
    this.#statements.clear()
    this.#touched.clear()
    this.#load()
  }

  /** Before rows up to `id` are put: parts for all that the mail has until there, indexed by now or not. */
  divide(id: number): void {
    for (const row of this.#mailRows(this.#countedTo, id)) {
      if (this.#rows >= this.#rowsMax || this.#bytes >= partBytesMax) this.#add(row.id)
      this.#count(row.size)
    }
    this.#countedTo = Math.max(this.#countedTo, id)
  }

  #add(firstId: number): void {
    const { seq } = this.#db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'part'").get() as {
      seq: number
    }
    this.#db.exec(makePart(seq + 1, firstId))
    this.#parts = [...this.#parts, { id: seq + 1, firstId }]
    this.#rows = 0
    this.#bytes = 0
  }

  /** Of `after` to `last`. What lies behind a damaged page is not counted. */
  *#mailRows(after: number, last: number): Generator<{ readonly id: number; readonly size: number }> {
    for (let from = after; from < last; ) {
      let rows: readonly { readonly id: number; readonly size: number }[] = []
      try {
        rows = this.#mailAfter.all(from, last, countedRowsMax) as unknown as { id: number; size: number }[]
      } catch (error) {
        if (!isCorrupt(error)) throw error
      }
      yield* rows
      from = rows.length < countedRowsMax ? last : (rows.at(-1)?.id ?? last)
    }
  }

  /** divide() was asked for the id before. */
  put(id: number, columns: readonly string[]): void {
    assert(id <= this.#countedTo, 'parts are made before their rows')
    this.#of(this.#parts[partAt(this.#parts, id)] as Part).put.run(id, ...columns)
  }

  remove(id: number): void {
    const part = this.#parts[partAt(this.#parts, id)] as Part
    this.#of(part).remove.run(id)
    this.#touched.add(part.id)
  }

  /** Of those that rows were removed from. The last one stays. */
  dropEmpty(): void {
    for (const id of this.#touched) {
      const at = this.#parts.findIndex((part) => part.id === id)
      const [part, next] = [this.#parts[at], this.#parts[at + 1]]
      if (part === undefined || next === undefined) continue
      const from = at === 0 ? Number.MIN_SAFE_INTEGER : part.firstId
      const { n } = this.#db
        .prepare('SELECT EXISTS (SELECT 1 FROM doc WHERE id >= ? AND id < ?) AS n')
        .get(from, next.firstId) as { n: number }
      if (n === 1) continue
      this.#statements.delete(id)
      this.#db.exec(`DROP TABLE ${partTable(id)}; DELETE FROM part WHERE id = ${id}`)
      this.#parts = this.#parts.filter((each) => each !== part)
    }
    this.#touched.clear()
  }

  /** SQL that takes all of them away. */
  dropAll(): string {
    return this.#parts.map(({ id }) => `DROP TABLE ${partTable(id)};`).join(' ')
  }

  #of(part: Part): { readonly put: StatementSync; readonly remove: StatementSync } {
    const known = this.#statements.get(part.id)
    if (known !== undefined) return known
    if (this.#statements.size >= openMax) this.#statements.clear()
    const name = partTable(part.id)
    const statements = {
      put: this.#db.prepare(
        `INSERT INTO ${name} (rowid, ${indexColumns.join(', ')}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      ),
      remove: this.#db.prepare(`DELETE FROM ${name} WHERE rowid = ?`),
    }
    this.#statements.set(part.id, statements)
    this.openedCount++
    return statements
  }
}
