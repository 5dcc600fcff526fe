// Owns kept mail of the memory store: rows in the order in which they were received, and what is asked of them by going
// through all of them. Words are made when the first one asks.

import { summarize } from '../../message/summary.ts'
import type { Delivery, Message, Placement } from '../../queue/types.ts'
import {
  actRowsDefault,
  changedRow,
  changedTags,
  checkSearch,
  idsOf,
  notACursor,
  pageRowsMax,
  recipientsMax,
  tagsListedMax,
} from '../mail-rules.ts'
import type {
  MailboxCounts,
  MailChange,
  MailCounts,
  MailPage,
  MailPageQuery,
  MailScope,
  MailSummary,
  MailTarget,
  MatchCounts,
  SearchField,
  SearchTerm,
} from '../mail-view.ts'
import { type MailWords, mailWords } from '../mail-words.ts'
import { addressPhrase, hasPhrase, idWord, type Phrase, phraseOf } from '../search-words.ts'

export interface MemoryRow {
  readonly account: string
  readonly mailbox: string
  uid: number
  readonly id: string
  /** Of the first recipient. */
  readonly seq: number
  readonly receivedAt: number
  /** In which order rows of one instant came. */
  readonly arrival: number
  readonly prefix: string
  readonly sizeBytes: number
  readonly reversePath: string
  readonly recipients: string[]
  recipientCount: number
  readonly from: string
  readonly to: string
  readonly subject: string
  unread: boolean
  starred: boolean
  tags: readonly string[]
  words: MailWords | undefined
}

interface Box {
  readonly account: string
  readonly mailbox: string
  uidNext: number
}

export class MemoryMail {
  readonly #bodyOf: (id: string) => Uint8Array
  readonly #boxes = new Map<string, Box>()
  /** By receivedAt, then arrival. */
  readonly #rows: MemoryRow[] = []
  readonly #byMessage = new Map<string, MemoryRow[]>()
  #arrivals = 0

  constructor(bodyOf: (id: string) => Uint8Array) {
    this.#bodyOf = bodyOf
  }

  /** The new row; undefined where the message is in that mailbox already: it has one recipient more. */
  place(message: Message, delivery: Delivery, placement: Placement): MemoryRow | undefined {
    const { account, mailbox, prefix, internalDate } = placement
    const key = `${account}\n${mailbox}`
    let box = this.#boxes.get(key)
    if (box === undefined) this.#boxes.set(key, (box = { account, mailbox, uidNext: 1 }))
    const known = this.rowsOf(message.id).find((row) => row.account === account && row.mailbox === mailbox)
    if (known !== undefined) {
      if (known.recipients.length < recipientsMax) known.recipients.push(delivery.recipient)
      known.recipientCount++
      known.words = undefined
      return undefined
    }
    const body = this.#bodyOf(message.id)
    const row: MemoryRow = {
      account,
      mailbox,
      uid: box.uidNext++,
      id: message.id,
      seq: delivery.seq,
      receivedAt: internalDate,
      arrival: this.#arrivals++,
      prefix,
      sizeBytes: Buffer.byteLength(prefix) + body.length,
      reversePath: message.reversePath,
      recipients: [delivery.recipient],
      recipientCount: 1,
      ...summarize(body),
      unread: true,
      starred: false,
      tags: changedTags([], { addTags: message.tags ?? [] }),
      words: undefined,
    }
    let at = this.#rows.length
    while (at > 0 && (this.#rows[at - 1] as MemoryRow).receivedAt > internalDate) at--
    this.#rows.splice(at, 0, row)
    const ofMessage = this.#byMessage.get(row.id)
    if (ofMessage === undefined) this.#byMessage.set(row.id, [row])
    else ofMessage.push(row)
    return row
  }

  /** In the order of their arrival. */
  rowsOf(id: string): readonly MemoryRow[] {
    return this.#byMessage.get(id) ?? []
  }

  at(account: string, mailbox: string, uid: number): MemoryRow | undefined {
    return this.#rows.find((row) => row.account === account && row.mailbox === mailbox && row.uid === uid)
  }

  /** `indexed`: with what comes from the words. */
  summary(row: MemoryRow, indexed = true): MailSummary {
    const words = indexed ? this.#wordsOf(row) : undefined
    return {
      id: row.id,
      account: row.account,
      mailbox: row.mailbox,
      receivedAt: row.receivedAt,
      sizeBytes: row.sizeBytes,
      reversePath: row.reversePath,
      recipients: [...row.recipients],
      recipientCount: row.recipientCount,
      from: row.from,
      to: row.to,
      subject: row.subject,
      snippet: words?.snippet ?? '',
      attachmentCount: words?.attachmentCount ?? 0,
      unread: row.unread,
      starred: row.starred,
      tags: row.tags,
    }
  }

  #wordsOf(row: MemoryRow): MailWords {
    row.words ??= mailWords([this.#bodyOf(row.id)], row)
    return row.words
  }

  page(query: MailPageQuery): MailPage {
    checkSearch(query.search ?? [])
    const limit = Math.max(1, Math.min(pageRowsMax, query.limit))
    const sign = query.order === 'oldest' ? 1 : -1
    const after = query.cursor === undefined ? undefined : keyOf(query.cursor)
    const items: MemoryRow[] = []
    const rows = this.#rows
    for (let n = 0; n < rows.length; n++) {
      const row = rows[sign === 1 ? n : rows.length - 1 - n] as MemoryRow
      if (after !== undefined && (row.receivedAt - after[0] || row.arrival - after[1]) * sign <= 0) continue
      if (!this.#isIn(row, query)) continue
      if (items.length === limit) {
        const last = items.at(-1) as MemoryRow
        return {
          items: items.map((item) => this.summary(item)),
          cursor: `${last.receivedAt}.${last.arrival}`,
        }
      }
      items.push(row)
    }
    return { items: items.map((item) => this.summary(item)) }
  }

  #isIn(row: MemoryRow, { account, mailbox, search }: MailScope): boolean {
    if (account !== undefined && row.account !== account) return false
    if (mailbox !== undefined && row.mailbox !== mailbox) return false
    return search === undefined || search.every((term) => this.#holds(row, term))
  }

  #holds(row: MemoryRow, term: SearchTerm): boolean {
    switch (term.kind) {
      case 'text':
        return this.#has(row, fieldsOf(term.field), phraseOf(term.text, term.prefix))
      case 'address':
        return this.#has(row, [term.field], addressPhrase(term.text))
      case 'tag':
        return row.tags.includes(term.tag)
      case 'has':
        return term.what === 'tag' ? row.tags.length > 0 : this.#wordsOf(row).attachmentCount > 0
      case 'is':
        if (term.what === 'starred') return row.starred
        return row.unread === (term.what === 'unread')
      case 'received':
        return row.receivedAt >= (term.after ?? -Infinity) && row.receivedAt < (term.before ?? Infinity)
      case 'size':
        return row.sizeBytes >= (term.min ?? 0) && row.sizeBytes <= (term.max ?? Infinity)
      case 'id':
        return row.id === term.id || this.#wordsOf(row).id.includes(` ${idWord(term.id)} `)
      case 'not':
        return !this.#holds(row, term.term)
      case 'or':
        return term.terms.some((each) => this.#holds(row, each))
    }
  }

  #has(row: MemoryRow, fields: readonly Exclude<SearchField, 'any'>[], phrase: Phrase): boolean {
    const words = this.#wordsOf(row)
    return fields.some((field) => hasPhrase(words[field], phrase))
  }

  #all(scope: MailScope): MemoryRow[] {
    checkSearch(scope.search ?? [])
    return this.#rows.filter((row) => this.#isIn(row, scope))
  }

  counts(scope: MailScope, matchesMax: number): MatchCounts {
    const rows = this.#all(scope)
    if (scope.search === undefined || scope.search.length === 0 || rows.length <= matchesMax)
      return countsOf(rows)
    return { ...countsOf(rows.slice(rows.length - matchesMax)), isAtLeast: true }
  }

  boxes(account?: string): readonly MailboxCounts[] {
    return [...this.#boxes.values()]
      .filter((box) => account === undefined || box.account === account)
      .map((box) => ({ account: box.account, mailbox: box.mailbox, ...countsOf(this.#all(box)) }))
      .sort((one, other) => order(one.account, other.account) || order(one.mailbox, other.mailbox))
  }

  tags(scope: MailScope): readonly { readonly tag: string; readonly count: number }[] {
    const counts = new Map<string, number>()
    for (const { tags } of this.#all(scope))
      for (const tag of tags) counts.set(tag, (counts.get(tag) ?? 0) + 1)
    return [...counts]
      .map(([tag, count]) => ({ tag, count }))
      .sort((one, other) => other.count - one.count || order(one.tag, other.tag))
      .slice(0, tagsListedMax)
  }

  find(id: string, scope: MailScope = {}): MemoryRow | undefined {
    const [first] = this.rowsOf(id)
      .filter((row) => this.#isIn(row, scope))
      .sort((one, other) => one.receivedAt - other.receivedAt || one.arrival - other.arrival)
    return first
  }

  /** Rows that the act is for, oldest first, at most `max`; `wants` leaves out what is done already. */
  targets(
    target: MailTarget,
    max = actRowsDefault,
    wants: (row: MemoryRow) => boolean = () => true,
  ): { readonly rows: readonly MemoryRow[]; readonly more: boolean } {
    const ids = idsOf(target)
    const wanted = ids === undefined ? undefined : new Set(ids)
    const rows = this.#all(target).filter((row) => (wanted === undefined || wanted.has(row.id)) && wants(row))
    return { rows: rows.slice(0, max), more: rows.length > max }
  }

  change(
    target: MailTarget,
    change: MailChange,
    max?: number,
  ): { readonly rows: readonly MemoryRow[]; readonly more: boolean } {
    const found = this.targets(target, max, (row) => changedRow(row, change) !== undefined)
    for (const row of found.rows) {
      const changed = changedRow(row, change)
      if (changed === undefined) continue
      row.unread = changed.unread
      row.starred = changed.starred
      row.tags = changed.tags
    }
    return found
  }

  remove(rows: readonly MemoryRow[]): void {
    const gone = new Set(rows)
    let kept = 0
    for (const row of this.#rows) if (!gone.has(row)) this.#rows[kept++] = row
    this.#rows.length = kept
    for (const { id } of gone) {
      const left = this.rowsOf(id).filter((row) => !gone.has(row))
      if (left.length === 0) this.#byMessage.delete(id)
      else this.#byMessage.set(id, left)
    }
  }

  /** The oldest of the account that have to go, at most `max`. */
  surplus(
    account: string,
    bounds: { readonly before?: number; readonly messagesMax?: number; readonly bytesMax?: number },
    max: number,
  ): readonly MemoryRow[] {
    const rows = this.#all({ account })
    let { total, sizeBytes } = countsOf(rows)
    const gone: MemoryRow[] = []
    for (const row of rows) {
      const isOver =
        row.receivedAt < (bounds.before ?? -Infinity) ||
        total > (bounds.messagesMax ?? Infinity) ||
        sizeBytes > (bounds.bytesMax ?? Infinity)
      if (!isOver || gone.length >= max) break
      gone.push(row)
      total--
      sizeBytes -= row.sizeBytes
    }
    return gone
  }

  /** The account's mailboxes are forgotten; their rows are to be removed before. */
  forget(account: string): void {
    for (const [key, box] of this.#boxes) if (box.account === account) this.#boxes.delete(key)
  }
}

const order = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)

const fieldsOf = (field: SearchField): readonly Exclude<SearchField, 'any'>[] =>
  field === 'any' ? ['from', 'to', 'subject', 'body', 'filename'] : [field]

function countsOf(rows: readonly MemoryRow[]): MailCounts {
  let unread = 0
  let sizeBytes = 0
  for (const row of rows) {
    if (row.unread) unread++
    sizeBytes += row.sizeBytes
  }
  return { total: rows.length, unread, sizeBytes }
}

function keyOf(cursor: string): readonly [number, number] {
  const match = /^(-?\d{1,16})\.(\d{1,16})$/.exec(cursor)
  if (match === null) throw notACursor()
  return [Number(match[1]), Number(match[2])]
}
