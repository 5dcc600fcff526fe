// Owns reading kept mail for people: pages, counts, tags, one row, and which rows an act is for (mail-scan.ts finds them).

import type { DatabaseSync } from 'node:sqlite'
import { changedRow, recipientsMax } from '../mail-rules.ts'
import type { MailboxCounts, MailChange, MailCounts, MailScope, MailSummary } from '../mail-view.ts'
import { isCorrupt } from './failure.ts'
import { type MailRow, type MailScan, type MailScanAnswer, MailScanner } from './mail-scan.ts'
import { readTags } from './rows.ts'

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

export interface MailFound {
  readonly summary: MailSummary
  /** Its place in every list. */
  readonly n: number
  readonly uid: number
  readonly seq: number
}

export class MailReader {
  readonly #scans: MailScanner
  #boxNames = new Map<number, readonly [account: string, name: string]>()

  constructor(db: DatabaseSync) {
    this.#scans = new MailScanner(db)
  }

  /** The index beside the file; undefined: none from now on. */
  attach(path: string | undefined): void {
    this.#scans.attach(path)
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

  #page(scan: MailScan): MailScanAnswer<MailFound> {
    const found = this.#scans.scan(scan, 'summary', scan.limit)
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
    if (!this.#scans.isIndexed) return undefined
    try {
      const doc = this.#scans.one(
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
    const row = this.#scans.one('SELECT account, name FROM mailbox WHERE id = ?', id)
    if (row === undefined) return undefined
    if (this.#boxNames.size >= 10_000) this.#boxNames = new Map()
    const names = [row.account as string, row.name as string] as const
    this.#boxNames.set(id, names)
    return names
  }

  #keys(scan: MailScan, change: MailChange | undefined): MailScanAnswer<number> {
    const found = this.#scans.scan(scan, 'flags', scan.limit)
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
      const [row] = this.#scans.all(
        `SELECT coalesce(sum(total), 0) AS total, coalesce(sum(unread), 0) AS unread, coalesce(sum(bytes), 0) AS sizeBytes
          FROM mailbox WHERE (?1 IS NULL OR account = ?1) AND (?2 IS NULL OR name = ?2)`,
        scan.account ?? null,
        scan.mailbox ?? null,
      )
      return { ...row } as unknown as MailCounts
    }
    const found = this.#scans.scan(scan, 'sums', Math.min(scan.limit, summedRowsMax))
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
      const boxes = this.#scans.boxes(scan)
      const rows = this.#scans.all(
        `SELECT tag, count(*) AS n FROM mail_tag
          ${boxes === undefined ? 'WHERE ? IS NULL' : 'WHERE mailbox_id IN (SELECT value FROM json_each(?))'} GROUP BY tag`,
        boxes === undefined ? null : JSON.stringify(boxes.map(({ id }) => id)),
      )
      return { counts: rows.map((row) => [row.tag as string, row.n as number]) }
    }
    const search = [...scan.search, { kind: 'has', what: 'tag' } as const]
    const found = this.#scans.scan({ ...scan, search }, 'flags', summedRowsMax)
    const counts = new Map<string, number>()
    for (const { tags } of found.items)
      for (const tag of readTags(tags)) counts.set(tag, (counts.get(tag) ?? 0) + 1)
    return { counts: [...counts], ...(found.next !== undefined && { next: found.next }) }
  }

  #mailboxCounts(account: string | null): readonly MailboxCounts[] {
    return this.#scans
      .all(
        `SELECT account, name AS mailbox, total, unread, bytes AS sizeBytes FROM mailbox
        WHERE ?1 IS NULL OR account = ?1 ORDER BY account, name`,
        account,
      )
      .map((row) => ({ ...row }) as unknown as MailboxCounts)
  }

  /** The first row of the message in the scope, with what its body is read by. */
  find(messageId: string, scope: MailScope): (MailFound & { readonly row: MailRow }) | undefined {
    const scan: MailScan = { ...scope, ids: [messageId], limit: 1, order: 'oldest' }
    const [first] = this.#scans.scan(scan, 'summary', 1).items
    const found = first && this.#found(first)
    if (first === undefined || found === undefined) return undefined
    const [rest] = this.#scans.all(
      'SELECT prefix, body_id, body_count, file_name FROM mail WHERE id = ?',
      first.id,
    )
    return { ...found, row: { ...first, ...(rest as unknown as MailRow) } }
  }

  #at(
    account: string,
    mailbox: string,
    uid: number,
  ): { readonly n: number; readonly messageId: string } | undefined {
    const row = this.#scans.one(
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
    const [sums] = this.#scans.all(
      'SELECT coalesce(sum(total), 0) AS total, coalesce(sum(bytes), 0) AS bytes FROM mailbox WHERE account = ?',
      account,
    )
    let { total, bytes } = sums as { total: number; bytes: number }
    const isOver = (): boolean =>
      total > (bounds.messagesMax ?? Number.POSITIVE_INFINITY) ||
      bytes > (bounds.bytesMax ?? Number.POSITIVE_INFINITY)
    if (total === 0 || (!isOver() && bounds.before === undefined)) return []
    const { items } = this.#scans.scan({ account, limit: max, order: 'oldest' }, 'sums', max)
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
