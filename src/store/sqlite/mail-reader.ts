// Owns reading kept mail for people: pages, counts, tags, one row, and which rows an act is for. Rows come in the order of
// their ids. A scan that has conditions looks at a bounded number of rows and says where to go on; a page of the file that
// is damaged is passed by, row for row.

import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { StoreFailure } from '../../queue/store.ts'
import { changedRow, recipientsMax } from '../mail-rules.ts'
import type { MailboxCounts, MailChange, MailCounts, MailScope, MailSummary } from '../mail-view.ts'
import { isCorrupt } from './failure.ts'
import { type Part, partAt, partsQuery, partTable } from './index-parts.ts'
import { canRead } from './past-damage.ts'
import { readTags } from './rows.ts'
import { anyPart, lowestIdAt, mailboxWord, planSearch, type SearchPlan } from './search-sql.ts'

/** Rows that one call looks at where there are conditions: some 20 ms. */
const scanRowsMax = 20_000
/** Mailboxes of an account that are read one by one and put together. */
const mergedBoxesMax = 50
const top = Number.MAX_SAFE_INTEGER
const statementsMax = 100
/** Rows that are summed up in one call. */
const summedRowsMax = 5000

export type MailQueryOp =
  | { readonly kind: 'mailPage'; readonly scan: MailScan }
  /** Ids of rows to act on. With `change`: only rows that it changes. */
  | { readonly kind: 'mailKeys'; readonly scan: MailScan; readonly change?: MailChange }
  | { readonly kind: 'mailCounts'; readonly scan: MailScan }
  | { readonly kind: 'mailTags'; readonly scan: MailScan }
  | { readonly kind: 'mailboxCounts'; readonly account: string | null }
  | { readonly kind: 'mailFind'; readonly messageId: string; readonly scope: MailScope }
  /** By account, mailbox and uid. */
  | { readonly kind: 'mailAt'; readonly account: string; readonly mailbox: string; readonly uid: number }
  | {
      readonly kind: 'mailSurplus'
      readonly account: string
      readonly bounds: TrimBounds
      readonly max: number
    }

export interface TrimBounds {
  readonly before?: number
  readonly messagesMax?: number
  readonly bytesMax?: number
}

export interface MailScan extends MailScope {
  readonly ids?: readonly string[]
  readonly limit: number
  readonly order: 'newest' | 'oldest'
  /** Exclusive: below it for 'newest', above it for 'oldest'. */
  readonly from?: number
}

export interface MailFound {
  readonly summary: MailSummary
  /** Its place in every list. */
  readonly n: number
  readonly uid: number
  readonly seq: number
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
type Shape = 'summary' | 'flags' | 'sums'
const shapes: Readonly<Record<Shape, string>> = {
  summary: columns,
  flags: 'm.id, m.unread, m.starred, m.tags',
  sums: 'm.id, m.unread, m.size, m.received_at',
}

/** A statement that yields rows in order, and where it may begin and must end. */
interface Scanner {
  readonly read: (shape: Shape, from: number, to: number, limit: number) => MailRow[]
}

export class MailReader {
  readonly #db: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  #isIndexed = false
  #boxNames = new Map<number, readonly [account: string, name: string]>()

  constructor(db: DatabaseSync) {
    this.#db = db
  }

  /** The index beside the file; undefined: none from now on. */
  attach(path: string | undefined): void {
    if (this.#isIndexed) this.#db.exec('DETACH idx')
    this.#isIndexed = false
    if (path === undefined) return
    this.#db.prepare('ATTACH ? AS idx').run(path)
    this.#isIndexed = true
  }

  answer(query: MailQueryOp): unknown {
    switch (query.kind) {
      case 'mailPage':
        return this.#page(query.scan)
      case 'mailKeys':
        return this.#keys(query.scan, query.change)
      case 'mailCounts':
        return this.#counts(query.scan)
      case 'mailTags':
        return this.#tags(query.scan)
      case 'mailboxCounts':
        return this.#mailboxCounts(query.account)
      case 'mailFind':
        return this.find(query.messageId, query.scope)
      case 'mailAt':
        return this.#at(query.account, query.mailbox, query.uid)
      case 'mailSurplus':
        return this.#surplus(query.account, query.bounds, query.max)
    }
  }

  #all(sql: string, ...values: SQLInputValue[]): Record<string, unknown>[] {
    return this.#statement(sql).all(...values) as Record<string, unknown>[]
  }

  #one(sql: string, ...values: SQLInputValue[]): Record<string, unknown> | undefined {
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

  #boxes({ account, mailbox }: MailScope): Box[] | undefined {
    if (account === undefined && mailbox === undefined) return undefined
    return this.#all(
      `SELECT id, total, unread FROM mailbox WHERE ${account === undefined ? '?1 IS NULL' : 'account = ?1'}
         AND (?2 IS NULL OR name = ?2)`,
      account ?? null,
      mailbox ?? null,
    ) as unknown as Box[]
  }

  #totals(): { readonly total: number; readonly unread: number } {
    const [row] = this.#all(
      'SELECT coalesce(sum(total), 0) AS total, coalesce(sum(unread), 0) AS unread FROM mailbox',
    )
    return row as { total: number; unread: number }
  }

  /** Rows of one scan, in order; `next` where it stopped before the end. */
  #scan(scan: MailScan, shape: Shape, rowsMax: number): MailScanAnswer<MailRow> {
    if (scan.search === undefined || !this.#isIndexed || this.#db.isTransaction)
      return this.#scanned(scan, shape, rowsMax)
    // One state of the index: a part must not go between being listed and being read.
    this.#statement('BEGIN').run()
    try {
      return this.#scanned(scan, shape, rowsMax)
    } finally {
      this.#statement('COMMIT').run()
    }
  }

  #scanned(scan: MailScan, shape: Shape, rowsMax: number): MailScanAnswer<MailRow> {
    const { order } = scan
    const none: MailScanAnswer<MailRow> = { items: [], unreadable: [] }
    const boxes = this.#boxes(scan)
    if (boxes?.length === 0) return none
    const all = this.#totals()
    const plan = planSearch(scan.search ?? [], all.unread * 8 < all.total && boxes?.length !== 1)
    if (plan.isNever) return none
    if (plan.needsIndex && !this.#isIndexed)
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
        ? this.#all('SELECT id FROM mail WHERE id < ? ORDER BY id DESC LIMIT 1 OFFSET ?', from, scanRowsMax)
        : this.#all('SELECT id FROM mail WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?', from, scanRowsMax)
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

  #scanner(boxes: readonly Box[] | undefined, plan: SearchPlan, scan: MailScan): Scanner {
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
    const read: Scanner['read'] = (shape, from, to, limit) =>
      this.#all(
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
          const found = this.#all(
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
    const row = this.#one(
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
    const parts = this.#all(partsQuery('idx')) as unknown as Part[]
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
    scanner: Scanner,
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
    scanner: Scanner,
    order: MailScan['order'],
    shape: Shape,
    from: number,
    to: number,
    limit: number,
    unreadable: [string, string, string][],
  ): MailRow[] {
    const [low, high] = order === 'newest' ? [to, from] : [from, to]
    const ids = this.#all(
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

  #page(scan: MailScan): MailScanAnswer<MailFound> {
    const found = this.#scan(scan, 'summary', scan.limit)
    const unreadable = [...found.unreadable]
    const items: MailFound[] = []
    for (const row of found.items) {
      const item = this.#found(row)
      if (item === undefined) unreadable.push(['mail', String(row.id), 'its summary cannot be read'])
      else items.push(item)
    }
    return { ...found, items, unreadable }
  }

  #found(row: MailRow): MailFound | undefined {
    const box = this.#box(row.mailbox_id)
    if (box === undefined) return undefined
    const recipients = readTags(row.recipients)
    if (recipients.length === 0 || typeof row.header_subject !== 'string') return undefined
    const doc = this.#doc(row)
    return {
      n: row.id,
      uid: row.uid,
      seq: row.seq,
      summary: {
        id: row.message_id,
        account: box[0],
        mailbox: box[1],
        receivedAt: row.received_at,
        sizeBytes: row.size,
        reversePath: row.reverse_path,
        recipients: recipients.slice(0, recipientsMax),
        recipientCount: row.recipient_count,
        from: row.header_from,
        to: row.header_to,
        subject: row.header_subject,
        snippet: doc?.snippet ?? '',
        attachmentCount: doc?.attachment_count ?? 0,
        unread: row.unread === 1,
        starred: row.starred === 1,
        tags: readTags(row.tags),
      },
    }
  }

  #doc(row: MailRow): { readonly snippet: string; readonly attachment_count: number } | undefined {
    if (!this.#isIndexed) return undefined
    try {
      const doc = this.#one(
        'SELECT snippet, attachment_count FROM idx.doc WHERE id = ? AND message_id = ?',
        row.id,
        row.message_id,
      )
      return doc as { snippet: string; attachment_count: number } | undefined
    } catch (error) {
      // The summary is worth showing without its first words; a search will say that the index is damaged.
      if (isCorrupt(error)) return undefined
      throw error
    }
  }

  #box(id: number): readonly [string, string] | undefined {
    const known = this.#boxNames.get(id)
    if (known !== undefined) return known
    const row = this.#one('SELECT account, name FROM mailbox WHERE id = ?', id)
    if (row === undefined) return undefined
    if (this.#boxNames.size >= 10_000) this.#boxNames = new Map()
    const names = [row.account as string, row.name as string] as const
    this.#boxNames.set(id, names)
    return names
  }

  #keys(scan: MailScan, change: MailChange | undefined): MailScanAnswer<number> {
    const found = this.#scan(scan, 'flags', scan.limit)
    const rows =
      change === undefined
        ? found.items
        : found.items.filter(
            ({ unread, starred, tags }) =>
              changedRow({ unread: unread === 1, starred: starred === 1, tags: readTags(tags) }, change) !==
              undefined,
          )
    return { ...found, items: rows.map(({ id }) => id) }
  }

  #counts(scan: MailScan): MailCounts & { readonly next?: number } {
    if (scan.search === undefined || scan.search.length === 0) {
      const [row] = this.#all(
        `SELECT coalesce(sum(total), 0) AS total, coalesce(sum(unread), 0) AS unread, coalesce(sum(bytes), 0) AS sizeBytes
          FROM mailbox WHERE (?1 IS NULL OR account = ?1) AND (?2 IS NULL OR name = ?2)`,
        scan.account ?? null,
        scan.mailbox ?? null,
      )
      return { ...row } as unknown as MailCounts
    }
    const found = this.#scan(scan, 'sums', Math.min(scan.limit, summedRowsMax))
    let unread = 0
    let sizeBytes = 0
    for (const row of found.items) {
      unread += row.unread
      sizeBytes += row.size
    }
    return {
      total: found.items.length,
      unread,
      sizeBytes,
      ...(found.next !== undefined && { next: found.next }),
    }
  }

  #tags(scan: MailScan): { readonly counts: readonly (readonly [string, number])[]; readonly next?: number } {
    if (scan.search === undefined || scan.search.length === 0) {
      const boxes = this.#boxes(scan)
      const rows = this.#all(
        `SELECT tag, count(*) AS n FROM mail_tag
          ${boxes === undefined ? 'WHERE ? IS NULL' : 'WHERE mailbox_id IN (SELECT value FROM json_each(?))'} GROUP BY tag`,
        boxes === undefined ? null : JSON.stringify(boxes.map(({ id }) => id)),
      )
      return { counts: rows.map((row) => [row.tag as string, row.n as number]) }
    }
    const search = [...scan.search, { kind: 'has', what: 'tag' } as const]
    const found = this.#scan({ ...scan, search }, 'flags', summedRowsMax)
    const counts = new Map<string, number>()
    for (const { tags } of found.items)
      for (const tag of readTags(tags)) counts.set(tag, (counts.get(tag) ?? 0) + 1)
    return { counts: [...counts], ...(found.next !== undefined && { next: found.next }) }
  }

  #mailboxCounts(account: string | null): readonly MailboxCounts[] {
    return this.#all(
      `SELECT account, name AS mailbox, total, unread, bytes AS sizeBytes FROM mailbox
        WHERE ?1 IS NULL OR account = ?1 ORDER BY account, name`,
      account,
    ).map((row) => ({ ...row }) as unknown as MailboxCounts)
  }

  /** The first row of the message in the scope, with what its body is read by. */
  find(messageId: string, scope: MailScope): (MailFound & { readonly row: MailRow }) | undefined {
    const scan: MailScan = { ...scope, ids: [messageId], limit: 1, order: 'oldest' }
    const [first] = this.#scan(scan, 'summary', 1).items
    const found = first && this.#found(first)
    if (first === undefined || found === undefined) return undefined
    const [rest] = this.#all('SELECT prefix, body_id, body_count, file_name FROM mail WHERE id = ?', first.id)
    return { ...found, row: { ...first, ...(rest as unknown as MailRow) } }
  }

  #at(
    account: string,
    mailbox: string,
    uid: number,
  ): { readonly n: number; readonly messageId: string } | undefined {
    const row = this.#one(
      `SELECT m.id AS n, m.message_id AS messageId FROM mail m JOIN mailbox b ON b.id = m.mailbox_id
        WHERE b.account = ? AND b.name = ? AND m.uid = ?`,
      account,
      mailbox,
      uid,
    )
    return row && ({ ...row } as { n: number; messageId: string })
  }

  /** Ids of the oldest rows of the account that have to go. */
  #surplus(account: string, bounds: TrimBounds, max: number): readonly number[] {
    const [sums] = this.#all(
      'SELECT coalesce(sum(total), 0) AS total, coalesce(sum(bytes), 0) AS bytes FROM mailbox WHERE account = ?',
      account,
    )
    let { total, bytes } = sums as { total: number; bytes: number }
    const isOver = (): boolean =>
      total > (bounds.messagesMax ?? Number.POSITIVE_INFINITY) ||
      bytes > (bounds.bytesMax ?? Number.POSITIVE_INFINITY)
    if (total === 0 || (!isOver() && bounds.before === undefined)) return []
    const { items } = this.#scan({ account, limit: max, order: 'oldest' }, 'sums', max)
    const gone: number[] = []
    for (const row of items) {
      if (!isOver() && row.received_at >= (bounds.before ?? Number.NEGATIVE_INFINITY)) break
      gone.push(row.id)
      total--
      bytes -= row.size
    }
    return gone
  }
}
