// Owns kept mail, the feed and documents of the SQLite store as their callers see them: questions to the reader in pieces,
// so that none holds it for long, acts to the writer in small transactions, and the wait for the index.

import type { Clock } from '../../base/clock.ts'
import { StoreFailure } from '../../queue/store.ts'
import type { BodyReader } from '../../queue/transport.ts'
import type { MessageId } from '../../queue/types.ts'
import {
  actRowsDefault,
  checkChange,
  documentJson,
  idsOf,
  matchesMaxDefault,
  notACursor,
  pageRowsMax,
  tagsListedMax,
} from '../mail-rules.ts'
import type {
  Documents,
  Feed,
  FeedEntry,
  MailboxCounts,
  MailChange,
  MailCounts,
  MailPage,
  MailPageQuery,
  MailScope,
  MailSummary,
  MailTarget,
  MailViews,
  MatchCounts,
  SearchTerm,
  StoredDocument,
} from '../mail-view.ts'
import type { MailListItem, MailQuery, Page } from '../store.ts'
import type { IndexRunner } from './index-runner.ts'
import type { MailFound, TrimBounds } from './mail-reader.ts'
import type { MailScan, MailScanAnswer } from './mail-scan.ts'
import type { Op } from './ops.ts'
import type { BodyAnswer, DocumentRow, FeedRow, MailReadAnswer, Query } from './reader.ts'
import { planSearch } from './search-sql.ts'

export interface SqliteMailOptions {
  readonly clock: Clock
  readonly ask: (query: Query) => Promise<unknown>
  readonly write: (op: Op) => Promise<unknown>
  readonly body: (answer: BodyAnswer) => BodyReader
  readonly quarantine: (source: string, key: string, reason: string) => void
  readonly index: IndexRunner
}

/** Rows that one transaction changes or removes: an act on many must not delay a commit. */
const changedRowsMax = 500
const removedRowsMax = 200
const feedRowsMax = 10_000

export class SqliteMail implements MailViews, Feed, Documents {
  readonly #options: SqliteMailOptions
  readonly #listeners = new Set<() => void>()

  constructor(options: SqliteMailOptions) {
    this.#options = options
  }

  // ---- lists

  async mailPage(query: MailPageQuery): Promise<MailPage> {
    const limit = Math.max(1, Math.min(pageRowsMax, query.limit))
    const from = query.cursor === undefined ? undefined : cursorOf(query.cursor)
    const isWhole = await this.#ready(query.search)
    const { items, next } = await this.#read({
      ...scopeOf(query),
      order: query.order ?? 'newest',
      limit,
      ...(from !== undefined && { from }),
    })
    return {
      items: items.map(({ summary }) => summary),
      ...(next !== undefined && { cursor: String(next) }),
      ...(!isWhole && { isIncomplete: true }),
    }
  }

  /** Full pages, whatever the scans of the reader take. The cursor is that of the last row that is given. */
  async #read(scan: MailScan): Promise<{ readonly items: readonly MailFound[]; readonly next?: number }> {
    const items: MailFound[] = []
    let from = scan.from
    // One more than asked for: it says whether there is another page.
    const wanted = scan.limit + 1
    for (;;) {
      const limit = wanted - items.length
      const found = await this.#scan<MailFound>({
        kind: 'mailPage',
        scan: { ...scan, limit, ...(from !== undefined && { from }) },
      })
      items.push(...found.items)
      if (items.length >= wanted) {
        const last = items[scan.limit - 1]
        return { items: items.slice(0, scan.limit), ...(last !== undefined && { next: last.n }) }
      }
      if (found.next === undefined) return { items }
      from = found.next
    }
  }

  async #scan<T>(query: Query): Promise<MailScanAnswer<T>> {
    const found = (await this.#ask(query)) as MailScanAnswer<T>
    for (const [source, key, reason] of found.unreadable) this.#options.quarantine(source, key, reason)
    return found
  }

  /** A damaged index is told to whoever makes it anew. */
  async #ask(query: Query): Promise<unknown> {
    try {
      return await this.#options.ask(query)
    } catch (error) {
      if (error instanceof StoreFailure && error.code === 'corrupt' && searches(query)) {
        this.#options.index.damaged(error)
        throw new StoreFailure('failed', 'the search index is damaged and is made anew: try again', {
          cause: error,
        })
      }
      throw error
    }
  }

  /** False: the index is still behind. */
  async #ready(search: readonly SearchTerm[] | undefined): Promise<boolean> {
    if (search === undefined || !planSearch(search, false).needsIndex) return true
    return this.#options.index.caughtUp()
  }

  async mailCounts(scope: MailScope, matchesMax = matchesMaxDefault): Promise<MatchCounts> {
    await this.#ready(scope.search)
    const sum = { total: 0, unread: 0, sizeBytes: 0 }
    let from: number | undefined
    do {
      const scan: MailScan = {
        ...scopeOf(scope),
        order: 'newest',
        limit: matchesMax - sum.total,
        ...(from !== undefined && { from }),
      }
      const part = (await this.#ask({ kind: 'mailCounts', scan })) as MailCounts & { next?: number }
      sum.total += part.total
      sum.unread += part.unread
      sum.sizeBytes += part.sizeBytes
      from = part.next
    } while (from !== undefined && sum.total < matchesMax)
    if (from === undefined) return sum
    const { items } = await this.#read({ ...scopeOf(scope), order: 'newest', limit: 1, from })
    return items.length === 0 ? sum : { ...sum, isAtLeast: true }
  }

  async mailboxes(account?: string): Promise<readonly MailboxCounts[]> {
    return (await this.#ask({ kind: 'mailboxCounts', account: account ?? null })) as readonly MailboxCounts[]
  }

  async mailTags(scope: MailScope): Promise<readonly { readonly tag: string; readonly count: number }[]> {
    await this.#ready(scope.search)
    const sums = new Map<string, number>()
    let from: number | undefined
    do {
      const scan: MailScan = {
        ...scopeOf(scope),
        order: 'newest',
        limit: 0,
        ...(from !== undefined && { from }),
      }
      const part = (await this.#ask({ kind: 'mailTags', scan })) as {
        counts: readonly (readonly [string, number])[]
        next?: number
      }
      for (const [tag, count] of part.counts) sums.set(tag, (sums.get(tag) ?? 0) + count)
      from = part.next
    } while (from !== undefined)
    return [...sums]
      .map(([tag, count]) => ({ tag, count }))
      .sort((one, other) => other.count - one.count || (one.tag < other.tag ? -1 : 1))
      .slice(0, tagsListedMax)
  }

  async mailSummary(id: MessageId, scope: MailScope = {}): Promise<MailSummary | undefined> {
    await this.#ready(scope.search)
    const found = (await this.#ask({ kind: 'mailFind', messageId: id, scope: scopeOf(scope) })) as
      | MailFound
      | undefined
    return found?.summary
  }

  async mailRead(
    id: MessageId,
    scope: MailScope = {},
  ): Promise<
    { readonly summary: MailSummary; readonly prefix: string; readonly body: BodyReader } | undefined
  > {
    await this.#ready(scope.search)
    const found = (await this.#ask({ kind: 'mailRead', messageId: id, scope: scopeOf(scope) })) as
      | MailReadAnswer
      | undefined
    return found && { summary: found.summary, prefix: found.prefix, body: this.#options.body(found.body) }
  }

  // ---- by uid

  async mailList(query: MailQuery): Promise<Page<MailListItem>> {
    const { limit, cursor, ...scope } = query
    const from = cursor === undefined ? undefined : cursorOf(cursor)
    const scan: MailScan = { ...scopeOf(scope), order: 'newest', limit, ...(from !== undefined && { from }) }
    const { items, next } = await this.#read(scan)
    return { items: items.map(itemOf), ...(next !== undefined && { cursor: String(next) }) }
  }

  async mailOpen(
    which:
      | { readonly messageId: MessageId }
      | { readonly account: string; readonly mailbox: string; readonly uid: number },
  ): Promise<
    { readonly item: MailListItem; readonly prefix: string; readonly body: BodyReader } | undefined
  > {
    let scope: MailScope = {}
    let messageId: string | undefined
    if ('messageId' in which) messageId = which.messageId
    else {
      const { account, mailbox } = which
      messageId = (await this.#at(which))?.messageId
      scope = { account, mailbox }
    }
    if (messageId === undefined) return undefined
    const found = (await this.#ask({ kind: 'mailRead', messageId, scope })) as MailReadAnswer | undefined
    return found && { item: itemOf(found), prefix: found.prefix, body: this.#options.body(found.body) }
  }

  async mailDelete(
    which: readonly { readonly account: string; readonly mailbox: string; readonly uid: number }[],
  ): Promise<number> {
    const ids: number[] = []
    for (const each of which) {
      const row = await this.#at(each)
      if (row !== undefined) ids.push(row.n)
    }
    return this.#remove(ids)
  }

  async #at({
    account,
    mailbox,
    uid,
  }: {
    readonly account: string
    readonly mailbox: string
    readonly uid: number
  }): Promise<{ readonly n: number; readonly messageId: string } | undefined> {
    return (await this.#ask({ kind: 'mailAt', account, mailbox, uid })) as
      | { n: number; messageId: string }
      | undefined
  }

  // ---- acts

  async mailChange(
    target: MailTarget,
    change: MailChange,
    max = actRowsDefault,
  ): Promise<{ readonly count: number; readonly more: boolean }> {
    checkChange(change)
    const { ids, more } = await this.#targets(target, max, change)
    let count = 0
    for (const some of slices(ids, changedRowsMax))
      count += (await this.#options.write({
        kind: 'mailChange',
        ids: some,
        change,
        now: this.#now(),
      })) as number
    return { count, more }
  }

  async mailRemove(
    target: MailTarget,
    max = actRowsDefault,
  ): Promise<{ readonly count: number; readonly more: boolean }> {
    const { ids, more } = await this.#targets(target, max)
    return { count: await this.#remove(ids), more }
  }

  async mailTrim(account: string, bounds: TrimBounds, max: number): Promise<number> {
    let count = 0
    while (count < max) {
      const limit = Math.min(removedRowsMax, max - count)
      const ids = (await this.#ask({ kind: 'mailSurplus', account, bounds, max: limit })) as readonly number[]
      if (ids.length === 0) break
      const removed = await this.#remove(ids)
      count += removed
      if (ids.length < limit || removed === 0) break
    }
    return count
  }

  async mailboxRemove(account: string): Promise<number> {
    let count = 0
    for (;;) {
      const { ids } = await this.#targets({ account, all: true }, removedRowsMax)
      count += await this.#remove(ids)
      if (ids.length > 0) continue
      // Mail that came meanwhile has to go first.
      if ((await this.#options.write({ kind: 'mailboxForget', account })) === true) return count
    }
  }

  async #remove(ids: readonly number[]): Promise<number> {
    let count = 0
    for (const some of slices(ids, removedRowsMax))
      count += (await this.#options.write({ kind: 'mailRemove', ids: some, now: this.#now() })) as number
    return count
  }

  /** Ids of rows, oldest first. With `change` only those that it changes. */
  async #targets(
    target: MailTarget,
    max: number,
    change?: MailChange,
  ): Promise<{ readonly ids: readonly number[]; readonly more: boolean }> {
    await this.#ready(target.search)
    const messageIds = idsOf(target)
    const found: number[] = []
    let from: number | undefined
    do {
      const scan: MailScan = {
        ...scopeOf(target),
        order: 'oldest',
        limit: Math.max(pageRowsMax, max + 1 - found.length),
        ...(messageIds !== undefined && { ids: messageIds }),
        ...(from !== undefined && { from }),
      }
      const part = await this.#scan<number>({
        kind: 'mailKeys',
        scan,
        ...(change !== undefined && { change }),
      })
      found.push(...part.items)
      from = part.next
    } while (from !== undefined && found.length <= max)
    return { ids: found.slice(0, max), more: found.length > max }
  }

  #now(): number {
    return this.#options.clock.now()
  }

  // ---- Feed

  feedKinds(kinds: readonly string[]): void {
    this.#options.write({ kind: 'feedKinds', kinds }).catch(() => {})
  }

  async feedRead(after: number, limit: number): Promise<readonly FeedEntry[]> {
    const rows = (await this.#ask({
      kind: 'feedRead',
      after,
      limit: Math.min(limit, feedRowsMax),
    })) as readonly FeedRow[]
    return rows.map((row) => ({
      seq: row.seq,
      at: row.at,
      kind: row.kind,
      ...(row.message_id !== null && { messageId: row.message_id }),
      data: this.#json('feed', String(row.seq), row.data) ?? {},
    }))
  }

  #json(source: string, key: string, json: string): Record<string, unknown> | undefined {
    try {
      return JSON.parse(json)
    } catch {
      this.#options.quarantine(source, key, 'not JSON')
      return undefined
    }
  }

  async feedHead(): Promise<number> {
    return (await this.#ask({ kind: 'feedHead' })) as number
  }

  async feedPrune(options: {
    readonly throughSeq?: number
    readonly before?: number
    readonly max: number
  }): Promise<number> {
    const { throughSeq = null, before = null, max } = options
    return (await this.#options.write({ kind: 'feedPrune', throughSeq, before, max })) as number
  }

  onFeed(listener: () => void): () => void {
    const own = (): void => listener()
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  /** After a commit that wrote entries. */
  fed(): void {
    for (const listener of this.#listeners) listener()
  }

  // ---- Documents

  async documentPut(
    { kind, key, data, updatedAt, expiresAt }: Parameters<Documents['documentPut']>[0],
    ifVersion?: number,
  ): Promise<StoredDocument | undefined> {
    const json = documentJson(data)
    const version = (await this.#options.write({
      kind: 'documentPut',
      cells: [kind, key, json, updatedAt, expiresAt ?? null],
      ifVersion: ifVersion ?? null,
      now: this.#now(),
    })) as number | undefined
    if (version === undefined) return undefined
    return {
      kind,
      key,
      data: JSON.parse(json),
      version,
      updatedAt,
      ...(expiresAt !== undefined && { expiresAt }),
    }
  }

  async documentGet(kind: string, key: string): Promise<StoredDocument | undefined> {
    const row = (await this.#ask({ kind: 'documentGet', documentKind: kind, key })) as DocumentRow | undefined
    if (row === undefined || this.#isGone(row)) return undefined
    const document = this.#documentOf(row)
    if (document === undefined)
      throw new StoreFailure('corrupt', `the document ${kind} ${key} cannot be read`)
    return document
  }

  async documentList(kind: string, limit: number, after = ''): Promise<readonly StoredDocument[]> {
    const documents: StoredDocument[] = []
    let from = after
    while (documents.length < limit) {
      const asked = limit - documents.length
      const rows = (await this.#ask({
        kind: 'documentList',
        documentKind: kind,
        after: from,
        limit: asked,
      })) as readonly DocumentRow[]
      for (const row of rows) {
        const document = this.#isGone(row) ? undefined : this.#documentOf(row)
        if (document !== undefined) documents.push(document)
      }
      const last = rows.at(-1)
      if (last === undefined || rows.length < asked) break
      from = last.key
    }
    return documents
  }

  #isGone({ expires_at }: DocumentRow): boolean {
    return expires_at !== null && expires_at <= this.#now()
  }

  #documentOf(row: DocumentRow): StoredDocument | undefined {
    try {
      return {
        kind: row.kind,
        key: row.key,
        data: JSON.parse(row.data),
        version: row.version,
        updatedAt: row.updated_at,
        ...(row.expires_at !== null && { expiresAt: row.expires_at }),
      }
    } catch {
      this.#options.quarantine('document', `${row.kind} ${row.key}`, 'not JSON')
      return undefined
    }
  }

  async documentDelete(kind: string, key: string): Promise<boolean> {
    return (await this.#options.write({
      kind: 'documentDelete',
      documentKind: kind,
      key,
      now: this.#now(),
    })) as boolean
  }

  async documentPrune(now: number, max: number): Promise<number> {
    return (await this.#options.write({ kind: 'documentPrune', now, max })) as number
  }
}

const itemOf = ({ summary, uid, seq }: Omit<MailFound, 'n'>): MailListItem => ({
  account: summary.account,
  mailbox: summary.mailbox,
  uid,
  messageId: summary.id,
  seq,
  internalDate: summary.receivedAt,
  sizeBytes: summary.sizeBytes,
  reversePath: summary.reversePath,
  recipient: summary.recipients[0] ?? '',
  from: summary.from,
  to: summary.to,
  subject: summary.subject,
})

/** The search is plain data: what else the caller's object has does not travel. */
const scopeOf = ({ account, mailbox, search }: MailScope): MailScope => ({
  ...(account !== undefined && { account }),
  ...(mailbox !== undefined && { mailbox }),
  ...(search !== undefined && { search }),
})

const searches = (query: Query): boolean => {
  const scope = 'scan' in query ? query.scan : 'scope' in query ? query.scope : undefined
  return scope?.search !== undefined && planSearch(scope.search, false).needsIndex
}

function cursorOf(cursor: string): number {
  if (!/^\d{1,16}$/.test(cursor)) throw notACursor()
  return Number(cursor)
}

function* slices<T>(items: readonly T[], max: number): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += max) yield items.slice(at, at + max)
}
