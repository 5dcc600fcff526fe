// Owns finding rows of kept mail in the order of their ids: which mailboxes, conditions and matches of the index a scan has,
// as SQL. A scan that has conditions looks at a bounded number of rows and says where to go on; a page of the file that is
// damaged is passed by, row for row.

import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { StoreFailure } from '../../queue/store.ts'
import type { MailScope } from '../mail-view.ts'
import { isCorrupt } from './failure.ts'
import { type Part, partAt, partsQuery, partTable } from './index-parts.ts'
import { canRead } from './past-damage.ts'
import { anyPart, lowestIdAt, mailboxWord, planSearch, type SearchPlan } from './search-sql.ts'

/** Rows that one call looks at where there are conditions: some 20 ms. */
const scanRowsMax = 20_000
/** Mailboxes of an account that are read one by one and put together. */
const mergedBoxesMax = 50
const top = Number.MAX_SAFE_INTEGER
/** Each part of the index has statements of its own. */
const statementsMax = 300

export interface MailScan extends MailScope {
  readonly ids?: readonly string[]
  readonly limit: number
  readonly order: 'newest' | 'oldest'
  /** Exclusive: below it for 'newest', above it for 'oldest'. */
  readonly from?: number
}

export interface MailScanAnswer<T> {
  readonly items: readonly T[]
  /** Where to go on; absent: the end was reached. */
  readonly next?: number
  readonly unreadable: readonly (readonly [source: string, key: string, reason: string])[]
}

export interface MailRow {
  readonly id: number
  readonly mailbox_id: number
  readonly account: string
  readonly name: string
  readonly uid: number
  readonly message_id: string
  readonly seq: number
  readonly received_at: number
  readonly size: number
  readonly unread: number
  readonly starred: number
  readonly tags: string
  readonly recipient_count: number
  readonly recipients: string
  readonly reverse_path: string
  readonly header_from: string
  readonly header_to: string
  readonly header_subject: string
  readonly prefix: string
  readonly body_id: number | null
  readonly body_count: number
  readonly file_name: string | null
}

interface Box {
  readonly id: number
  readonly total: number
  readonly unread: number
}

const columns = `m.id, m.mailbox_id, m.uid, m.message_id, m.seq, m.received_at, m.size, m.unread, m.starred, m.tags,
  m.recipient_count, m.recipients, m.reverse_path, m.header_from, m.header_to, m.header_subject`

/** What is read of each row: all that a summary has, or only what an act asks for. */
export type Shape = 'summary' | 'flags' | 'sums'
const shapes: Readonly<Record<Shape, string>> = {
  summary: columns,
  flags: 'm.id, m.unread, m.starred, m.tags',
  sums: 'm.id, m.unread, m.size, m.received_at',
}

/** A statement that yields rows in order, and where it may begin and must end. */
interface PartScanner {
  readonly read: (shape: Shape, from: number, to: number, limit: number) => MailRow[]
}

export class MailScanner {
  readonly #db: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  isIndexed = false

  constructor(db: DatabaseSync) {
    this.#db = db
  }

  /** The index beside the file; undefined: none from now on. */
  attach(path: string | undefined): void {
    if (this.isIndexed) this.#db.exec('DETACH idx')
    this.isIndexed = false
    if (path === undefined) return
    this.#db.prepare('ATTACH ? AS idx').run(path)
    this.isIndexed = true
  }

  all(sql: string, ...values: SQLInputValue[]): Record<string, unknown>[] {
    return this.#statement(sql).all(...values) as Record<string, unknown>[]
  }

  one(sql: string, ...values: SQLInputValue[]): Record<string, unknown> | undefined {
    return this.#statement(sql).get(...values) as Record<string, unknown> | undefined
  }

  /** Those used last are kept: what is prepared lives until the collector comes, outside of what it counts. */
  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    this.#statements.delete(sql)
    const statement = known ?? this.#db.prepare(sql)
    this.#statements.set(sql, statement)
    if (this.#statements.size > statementsMax) {
      const [oldest] = this.#statements.keys()
      if (oldest !== undefined) this.#statements.delete(oldest)
    }
    return statement
  }

  boxes({ account, mailbox }: MailScope): Box[] | undefined {
    if (account === undefined && mailbox === undefined) return undefined
    return this.all(
      `SELECT id, total, unread FROM mailbox WHERE ${account === undefined ? '?1 IS NULL' : 'account = ?1'}
         AND (?2 IS NULL OR name = ?2)`,
      account ?? null,
      mailbox ?? null,
    ) as unknown as Box[]
  }

  #totals(): { readonly total: number; readonly unread: number } {
    const [row] = this.all(
      'SELECT coalesce(sum(total), 0) AS total, coalesce(sum(unread), 0) AS unread FROM mailbox',
    )
    return row as { total: number; unread: number }
  }

  /** Rows of one scan, in order; `next` where it stopped before the end. */
  scan(scan: MailScan, shape: Shape, rowsMax: number): MailScanAnswer<MailRow> {
    if (scan.search === undefined || !this.isIndexed || this.#db.isTransaction)
      return this.#scanned(scan, shape, rowsMax)
    // One state of the index: a part must not go between being listed and being read.
    this.#statement('BEGIN').run()
    try {
      return this.#scanned(scan, shape, rowsMax)
    } finally {
      // After a failure of the disk SQLite may have ended it: that failure is the one to tell.
      if (this.#db.isTransaction) this.#statement('COMMIT').run()
    }
  }

  #scanned(scan: MailScan, shape: Shape, rowsMax: number): MailScanAnswer<MailRow> {
    const { order } = scan
    const none: MailScanAnswer<MailRow> = { items: [], unreadable: [] }
    const boxes = this.boxes(scan)
    if (boxes?.length === 0) return none
    const all = this.#totals()
    const plan = planSearch(scan.search ?? [], all.unread * 8 < all.total && boxes?.length !== 1)
    if (plan.isNever) return none
    if (plan.needsIndex && !this.isIndexed)
      throw new StoreFailure('failed', 'the search index is not there yet')
    const newest = order === 'newest'
    const low = lowestIdAt(plan.afterAt ?? 0) - 1
    const start = scan.from ?? (newest ? top : -1)
    if (newest ? start <= low : false) return none
    const from = newest ? start : Math.max(start, low)
    const isFiltered = plan.conditions.length > 0
    const window = isFiltered && scan.ids === undefined ? this.#windowEnd(from, newest) : undefined
    const to = newest ? Math.max(low, window ?? -1) : (window ?? top)
    const separate =
      boxes !== undefined &&
      plan.match === undefined &&
      scan.ids === undefined &&
      this.#isBetterApart(boxes, all.total)
    const unreadable: [string, string, string][] = []
    const rows = separate
      ? this.#merged(boxes, plan, scan, shape, from, to, rowsMax, unreadable)
      : this.#rows(this.#scanner(boxes, plan, scan), order, shape, from, to, rowsMax, unreadable)
    const last = rows.at(-1)
    const isFull = rows.length >= rowsMax && last !== undefined
    const next = isFull ? last.id : window
    const isEnd = next === undefined || (newest && next <= low)
    return { items: rows, unreadable, ...(!isEnd && { next }) }
  }

  /** The id behind the rows that one call looks at; undefined: all that are left. */
  #windowEnd(from: number, newest: boolean): number | undefined {
    try {
      const [row] = newest
        ? this.all('SELECT id FROM mail WHERE id < ? ORDER BY id DESC LIMIT 1 OFFSET ?', from, scanRowsMax)
        : this.all('SELECT id FROM mail WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?', from, scanRowsMax)
      return row === undefined ? undefined : (row.id as number) + (newest ? -1 : 1)
    } catch (error) {
      if (!isCorrupt(error)) throw error
      return undefined
    }
  }

  /** Few mailboxes among many rows: each by its own index. Else all rows are gone through. */
  #isBetterApart(boxes: readonly Box[], total: number): boolean {
    if (boxes.length === 1) return false
    const own = boxes.reduce((sum, box) => sum + box.total, 0)
    return boxes.length <= mergedBoxesMax && own * 4 < total
  }

  #merged(
    boxes: readonly Box[],
    plan: SearchPlan,
    scan: MailScan,
    shape: Shape,
    from: number,
    to: number,
    limit: number,
    unreadable: [string, string, string][],
  ): MailRow[] {
    const sign = scan.order === 'newest' ? -1 : 1
    return boxes
      .filter(({ total }) => total > 0)
      .flatMap((box) =>
        this.#rows(this.#scanner([box], plan, scan), scan.order, shape, from, to, limit, unreadable),
      )
      .sort((one, other) => (one.id - other.id) * sign)
      .slice(0, limit)
  }

  #scanner(boxes: readonly Box[] | undefined, plan: SearchPlan, scan: MailScan): PartScanner {
    const { ids } = scan
    const newest = scan.order === 'newest'
    const where: string[] = []
    const values: SQLInputValue[] = []
    let source = 'mail m'
    let key = 'm.id'
    let match = plan.match
    const boxIds = boxes?.map(({ id }) => id)
    if (match !== undefined) {
      // Small scopes are words of the index, so that it goes only through their rows.
      if (boxIds !== undefined && boxIds.length <= 100)
        match = `(meta : (${boxIds.map((id) => `"${mailboxWord(id)}"`).join(' OR ')})) AND (${match})`
      if (ids === undefined) key = 't.rowid'
      source =
        ids === undefined
          ? `idx.${anyPart} t CROSS JOIN mail m ON m.id = t.rowid`
          : `mail m CROSS JOIN idx.${anyPart} t ON t.rowid = m.id`
      source += ' CROSS JOIN idx.doc d ON d.id = m.id AND d.message_id = m.message_id'
      where.push(`t.${anyPart} MATCH ?`)
      values.push(match)
    }
    if (boxIds !== undefined) {
      if (boxIds.length === 1) {
        where.push(match === undefined && ids === undefined ? 'm.mailbox_id = ?' : '+m.mailbox_id = ?')
        values.push(boxIds[0] as number)
      } else {
        where.push('+m.mailbox_id IN (SELECT value FROM json_each(?))')
        values.push(JSON.stringify(boxIds))
      }
    }
    if (ids !== undefined) {
      where.push('m.message_id IN (SELECT value FROM json_each(?))')
      values.push(JSON.stringify(ids))
    }
    // By its number alone a match is left out before its row is looked up.
    const early = match !== undefined && ids === undefined
    for (const { sql, values: own } of plan.conditions) {
      where.push(early ? sql.replaceAll('m.id ', '+t.rowid ') : sql)
      values.push(...own)
    }
    // Inclusive: what lies beside the bounds may be damaged, and is not looked at.
    where.push(`${key} >= ?`, `${key} <= ?`)
    const condition = where.join(' AND ')
    const sqlOf = (shape: Shape): string =>
      `SELECT ${shapes[shape]} FROM ${source} WHERE ${condition} ORDER BY ${key}${newest ? ' DESC' : ''} LIMIT ?`
    const read: PartScanner['read'] = (shape, from, to, limit) =>
      this.all(
        sqlOf(shape),
        ...values,
        (newest ? to : from) + 1,
        (newest ? from : to) - 1,
        limit,
      ) as unknown as MailRow[]
    if (match === undefined && !condition.includes(anyPart)) return { read }
    return {
      read: (shape, from, to, limit) => {
        const rows: MailRow[] = []
        const [low, high] = this.#span(ids, newest ? to : from, newest ? from : to)
        for (const [part, first, last] of this.#partsOf(low, high, newest)) {
          const found = this.all(
            sqlOf(shape).replaceAll(anyPart, partTable(part)),
            ...values,
            first,
            last,
            limit - rows.length,
          ) as unknown as MailRow[]
          for (const row of found) rows.push(row)
          if (rows.length >= limit) break
        }
        return rows
      },
    }
  }

  /** Rows of named messages are in few parts. Exclusive bounds. */
  #span(ids: readonly string[] | undefined, low: number, high: number): readonly [low: number, high: number] {
    if (ids === undefined) return [low, high]
    const row = this.one(
      'SELECT min(id) AS low, max(id) AS high FROM mail WHERE message_id IN (SELECT value FROM json_each(?))',
      JSON.stringify(ids),
    ) as { low: number | null; high: number | null }
    if (row.low === null || row.high === null) return [0, 0]
    return [Math.max(low, row.low - 1), Math.min(high, row.high + 1)]
  }

  /** Parts of the index in the order of the list, each with the ids (inclusive) between the bounds (exclusive) that are in it. */
  *#partsOf(
    low: number,
    high: number,
    newest: boolean,
  ): Generator<readonly [part: number, first: number, last: number]> {
    const parts = this.all(partsQuery('idx')) as unknown as Part[]
    const step = newest ? -1 : 1
    for (let at = partAt(parts, newest ? high - 1 : low + 1); at >= 0 && at < parts.length; at += step) {
      const part = parts[at] as Part
      const first = Math.max(low + 1, at === 0 ? low + 1 : part.firstId)
      const last = Math.min(high, parts[at + 1]?.firstId ?? high) - 1
      if (first <= last) yield [part.id, first, last]
      else if (newest ? last <= low : first >= high) return
    }
  }

  #rows(
    scanner: PartScanner,
    order: MailScan['order'],
    shape: Shape,
    from: number,
    to: number,
    limit: number,
    unreadable: [string, string, string][],
  ): MailRow[] {
    try {
      return scanner.read(shape, from, to, limit)
    } catch (error) {
      if (!isCorrupt(error)) throw error
      return this.#rowByRow(scanner, order, shape, from, to, limit, unreadable)
    }
  }

  /** Along an index, which has its own pages, each row by itself. */
  #rowByRow(
    scanner: PartScanner,
    order: MailScan['order'],
    shape: Shape,
    from: number,
    to: number,
    limit: number,
    unreadable: [string, string, string][],
  ): MailRow[] {
    const [low, high] = order === 'newest' ? [to, from] : [from, to]
    const ids = this.all(
      'SELECT id FROM mail INDEXED BY mail_list WHERE mailbox_id >= 0 AND id > ? AND id < ?',
      low,
      high,
    )
      .map((row) => row.id as number)
      .sort((one, other) => (order === 'newest' ? other - one : one - other))
    const rows: MailRow[] = []
    for (const id of ids) {
      const isRead = canRead(() => {
        const newest = order === 'newest'
        const [row] = scanner.read(shape, newest ? id + 1 : id - 1, newest ? id - 1 : id + 1, 1)
        if (row !== undefined) rows.push(row)
      })
      if (!isRead) unreadable.push(['mail', String(id), 'it lies on a damaged page'])
      if (rows.length >= limit) break
    }
    return rows
  }
}
