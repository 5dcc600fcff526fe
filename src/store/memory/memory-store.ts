// Owns the store in plain maps: for tests and throw-away servers. Nothing survives it. It is the slow, obvious twin of
// the SQLite store and passes the same contract; a write is done when its call returns, its promise resolves later.

import type { Clock } from '../../base/clock.ts'
import { formatDeliveryId, idTimeMs, parseDeliveryId } from '../../base/id.ts'
import { nextTryAt } from '../../queue/retry-curve.ts'
import {
  type DestinationState,
  type DueDelivery,
  type DueQuery,
  type QueueFilter,
  type Settlement,
  StoreFailure,
} from '../../queue/store.ts'
import type { BodyReader } from '../../queue/transport.ts'
import type {
  BodySource,
  Delivery,
  Message,
  MessageId,
  NewMessage,
  TimelineEvent,
} from '../../queue/types.ts'
import { bytesBody, inlineBytesMax } from '../body-file.ts'
import { addedKind, checkChange, matchesMaxDefault } from '../mail-rules.ts'
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
import { MemoryDocuments } from './memory-documents.ts'
import { MemoryFeed } from './memory-feed.ts'
import { MemoryMail, type MemoryRow } from './memory-mail.ts'

interface Row {
  delivery: Delivery
  /** What a lease by an operator goes back to after a crash. */
  was: 'waiting' | 'held'
}

export interface MemoryStoreOptions {
  readonly clock: Clock
}

export function createMemoryStore(options: MemoryStoreOptions): Store {
  return new MemoryStore(options)
}

const order = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)
const earliest = (instants: readonly number[]): number | undefined =>
  instants.reduce<number | undefined>((min, at) => (min === undefined || at < min ? at : min), undefined)
const byKey = (one: Delivery, other: Delivery): number =>
  order(one.messageId, other.messageId) || one.seq - other.seq

class MemoryStore implements Store {
  readonly #clock: Clock
  readonly #messages = new Map<string, Message>()
  readonly #bodies = new Map<string, Uint8Array>()
  readonly #rows = new Map<string, Map<number, Row>>()
  readonly #events = new Map<string, TimelineEvent[]>()
  readonly #down = new Map<string, DestinationState>()
  readonly #mail = new MemoryMail((id) => this.#bodies.get(id) ?? new Uint8Array(0))
  readonly #feed: MemoryFeed
  readonly #documents = new MemoryDocuments()
  readonly #accounts = new Map<string, AccountRow>()
  /** Large bodies that were finished and not yet accepted. */
  readonly #files = new Map<string, Uint8Array>()
  #closed = false

  constructor(options: MemoryStoreOptions) {
    this.#clock = options.clock
    this.#feed = new MemoryFeed(options.clock)
  }

  /** Resolves a turn later, as a real store does. */
  #answer<T>(act: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(new StoreFailure('closed', 'the store is closed'))
    try {
      const value = act()
      return new Promise((resolve) => this.#clock.defer(() => resolve(value)))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  // ---- QueueStore

  accept(message: NewMessage): Promise<void> {
    return this.#answer(() => {
      if (this.#messages.has(message.message.id))
        throw new StoreFailure('failed', `message ${message.message.id} is there already`)
      this.#check(message)
      this.#insert(message)
    })
  }

  #check({ message, body, deliveries }: NewMessage): void {
    if (new Set(deliveries.map(({ seq }) => seq)).size < deliveries.length)
      throw new StoreFailure('failed', `message ${message.id} has two deliveries of one number`)
    if (body.kind === 'file' && !this.#files.has(body.fileName))
      throw new StoreFailure('failed', `no body file ${body.fileName}`)
  }

  #insert({ message, body, deliveries, settled, events }: NewMessage): void {
    const { id } = message
    this.#messages.set(id, message)
    this.#bodies.set(id, this.#bytesOf(body))
    for (const delivery of deliveries) this.#put(delivery)
    for (const event of events) this.#addEvent(event)
    this.#tellAdded(
      (settled ?? []).map(({ delivery, placement }) => this.#mail.place(message, delivery, placement)),
    )
    this.#releaseBody(id)
  }

  /** Behind all placements of the transaction, so that the entry names all recipients. */
  #tellAdded(rows: readonly (MemoryRow | undefined)[]): void {
    for (const row of rows) {
      if (row === undefined) continue
      const data = { mail: this.#mail.summary(row, false) }
      this.#feed.write({ at: row.receivedAt, kind: addedKind(row.account), messageId: row.id, data })
    }
  }

  #bytesOf(body: BodySource): Uint8Array {
    if (body.kind === 'inline') return Buffer.concat(body.chunks, body.sizeBytes)
    const bytes = this.#files.get(body.fileName) ?? new Uint8Array(0)
    this.#files.delete(body.fileName)
    return bytes
  }

  #put(delivery: Delivery): void {
    let rows = this.#rows.get(delivery.messageId)
    if (rows === undefined) this.#rows.set(delivery.messageId, (rows = new Map()))
    rows.set(delivery.seq, { delivery, was: delivery.state === 'held' ? 'held' : 'waiting' })
  }

  #addEvent(event: TimelineEvent): void {
    this.#feed.event(event)
    const events = this.#events.get(event.messageId)
    if (events === undefined) this.#events.set(event.messageId, [event])
    else events.push(event)
  }

  settle({ changes, newMessages: reports, events }: Settlement): Promise<void> {
    return this.#answer(() => {
      // A settle that was written and is repeated, because its answer got lost, finds its reports there.
      const newMessages = reports.filter(({ message }) => !this.#messages.has(message.id))
      for (const message of newMessages) this.#check(message)
      const added: (MemoryRow | undefined)[] = []
      for (const { messageId, seq, to } of changes) {
        const rows = this.#rows.get(messageId)
        const row = rows?.get(seq)
        if (rows === undefined || row === undefined) continue
        if (to.kind === 'update') {
          this.#put(to.delivery)
          continue
        }
        if (to.placement !== undefined)
          added.push(this.#mail.place(this.#messageOf(row.delivery), row.delivery, to.placement))
        rows.delete(seq)
        if (rows.size === 0) this.#rows.delete(messageId)
        this.#releaseBody(messageId)
      }
      for (const event of events) this.#addEvent(event)
      this.#tellAdded(added)
      for (const message of newMessages) this.#insert(message)
    })
  }

  #releaseBody(id: string): void {
    if (this.#rows.has(id) || this.#mail.rowsOf(id).length > 0) return
    this.#bodies.delete(id)
  }

  #live(): Delivery[] {
    return [...this.#rows.values()].flatMap((rows) => [...rows.values()].map((row) => row.delivery))
  }

  #lease(delivery: Delivery, change: Partial<Delivery>): DueDelivery {
    const leased: Delivery = { ...delivery, ...change, state: 'active' }
    this.#rows.get(delivery.messageId)?.set(delivery.seq, {
      delivery: leased,
      was: delivery.state === 'held' ? 'held' : 'waiting',
    })
    return { message: this.#messageOf(delivery), delivery: leased }
  }

  #messageOf({ messageId }: Delivery): Message {
    const message = this.#messages.get(messageId)
    if (message === undefined) throw new StoreFailure('corrupt', `message ${messageId} is not stored`)
    return message
  }

  #blockedUntil(destination: string): number {
    return this.#down.get(destination)?.blockedUntil ?? 0
  }

  takeDue(query: DueQuery): Promise<readonly DueDelivery[]> {
    return this.#answer(() => {
      const { now, exclude, destinationsMax, deliveriesPerDestinationMax, retry } = query
      const lists = new Map<string, Delivery[]>()
      for (const delivery of this.#live()) {
        const { destination, state, dueAt } = delivery
        if (state !== 'waiting' || dueAt > now || exclude.has(destination)) continue
        if (this.#blockedUntil(destination) > now) continue
        const list = lists.get(destination)
        if (list === undefined) lists.set(destination, [delivery])
        else list.push(delivery)
      }
      for (const list of lists.values()) list.sort((a, b) => a.dueAt - b.dueAt || byKey(a, b))
      const readyAt = ([destination, list]: [string, Delivery[]]): number =>
        Math.max(list[0]?.dueAt ?? 0, this.#blockedUntil(destination))
      return [...lists]
        .sort((a, b) => readyAt(a) - readyAt(b))
        .slice(0, destinationsMax)
        .flatMap(([, list]) => list.slice(0, deliveriesPerDestinationMax))
        .map((delivery) => {
          const counted = { ...delivery, attemptCount: delivery.attemptCount + 1 }
          return this.#lease(delivery, {
            attemptCount: counted.attemptCount,
            dueAt: nextTryAt(retry, counted, now),
          })
        })
    })
  }

  nextDueAt(exclude: ReadonlySet<string>): Promise<number | undefined> {
    return this.#answer(() => {
      let at = Infinity
      for (const delivery of this.#live()) {
        if (delivery.state !== 'waiting') continue
        at = Math.min(at, deadlineOf(delivery))
        if (!exclude.has(delivery.destination))
          at = Math.min(at, Math.max(delivery.dueAt, this.#blockedUntil(delivery.destination)))
      }
      return at === Infinity ? undefined : at
    })
  }

  takeDeadlines(now: number, max: number): Promise<readonly DueDelivery[]> {
    return this.#answer(() =>
      this.#live()
        .filter((delivery) => delivery.state === 'waiting' && deadlineOf(delivery) <= now)
        .sort((a, b) => deadlineOf(a) - deadlineOf(b) || byKey(a, b))
        .slice(0, max)
        .map((delivery) => this.#lease(delivery, {})),
    )
  }

  setDestination(state: DestinationState): Promise<void> {
    return this.#answer(() => void this.#down.set(state.destination, state))
  }

  clearDestination(destination: string): Promise<void> {
    return this.#answer(() => void this.#down.delete(destination))
  }

  recover(): Promise<number> {
    return this.#answer(() => {
      let count = 0
      for (const rows of this.#rows.values())
        for (const row of rows.values()) {
          if (row.delivery.state !== 'active') continue
          row.delivery = { ...row.delivery, state: row.was }
          if (row.was === 'waiting') count++
        }
      return count
    })
  }

  destinations(): Promise<readonly DestinationState[]> {
    return this.#answer(() => [...this.#down.values()].sort((a, b) => order(a.destination, b.destination)))
  }

  openBody(messageId: MessageId): Promise<BodyReader> {
    return this.#answer(() => this.#body(messageId))
  }

  #body(messageId: string): BodyReader {
    const bytes = this.#bodies.get(messageId)
    if (bytes === undefined) throw new StoreFailure('corrupt', `message ${messageId} is not stored`)
    const body = bytesBody(bytes)
    return bytes.length <= inlineBytesMax ? body : { ...body, bytes: () => undefined }
  }

  takeByFilter(
    filter: QueueFilter,
    max: number,
  ): Promise<{ readonly taken: readonly DueDelivery[]; readonly busyCount: number }> {
    return this.#answer(() => {
      const { state, ...place } = filter
      const matching = this.#matching(place)
      const free = matching.filter(
        (delivery) => delivery.state !== 'active' && (state === undefined || delivery.state === state),
      )
      const taken = free.slice(0, max).map((delivery) => {
        const { message } = this.#lease(delivery, {})
        return { message, delivery }
      })
      const busy = matching.filter((delivery) => delivery.state === 'active')
      return { taken, busyCount: state === 'held' ? 0 : busy.length }
    })
  }

  #matching(filter: QueueFilter): Delivery[] {
    const ids = filter.ids === undefined ? undefined : new Set(filter.ids)
    return this.#live()
      .filter(
        (delivery) =>
          (ids === undefined ||
            ids.has(delivery.messageId) ||
            ids.has(formatDeliveryId(delivery.messageId, delivery.seq))) &&
          (filter.destination === undefined || delivery.destination === filter.destination) &&
          (filter.domain === undefined || delivery.domain === filter.domain) &&
          (filter.state === undefined || delivery.state === filter.state),
      )
      .sort(byKey)
  }

  // ---- Store

  bodyWriter(id: MessageId): BodyWriter {
    return new MemoryBodyWriter(id, this.#files)
  }

  freeBytes(): Promise<number | undefined> {
    return this.#answer(() => undefined)
  }

  queueList(query: QueueListQuery): Promise<Page<QueueListItem>> {
    return this.#answer(() => {
      const after = query.cursor === undefined ? undefined : parseDeliveryId(query.cursor)
      const rest = this.#matching(query).filter(
        ({ messageId, seq }) =>
          after === undefined || (order(messageId, after.messageId) || seq - (after.seq ?? 0)) > 0,
      )
      const page = rest.slice(0, query.limit)
      const last = page.at(-1)
      return {
        items: page.map((delivery) => {
          const blocked = this.#down.get(delivery.destination)
          return {
            message: this.#messageOf(delivery),
            delivery,
            ...(blocked !== undefined && { blocked }),
          }
        }),
        ...(rest.length > page.length &&
          last !== undefined && { cursor: formatDeliveryId(last.messageId, last.seq) }),
      }
    })
  }

  queueStats(now: number): Promise<QueueStats> {
    return this.#answer(() => {
      const live = this.#live()
      const waiting = live.filter((delivery) => delivery.state === 'waiting')
      const held = live.filter((delivery) => delivery.state === 'held')
      const here = [...waiting, ...held]
      const names = new Set([...here.map((delivery) => delivery.destination), ...this.#down.keys()])
      let oldestDueAt: number | undefined
      const destinations = [...names].sort(order).map((destination) => {
        const mine = waiting.filter((delivery) => delivery.destination === destination)
        const due = earliest(mine.map((delivery) => delivery.dueAt))
        const ids = here
          .filter((delivery) => delivery.destination === destination)
          .map((delivery) => delivery.messageId)
        const oldestAt = earliest(ids.map(idTimeMs))
        const blocked = this.#down.get(destination)
        const blockedUntil = blocked?.blockedUntil ?? 0
        if (due !== undefined && due <= now && blockedUntil <= now)
          oldestDueAt = Math.min(oldestDueAt ?? due, due)
        return {
          destination,
          waiting: mine.length,
          held: ids.length - mine.length,
          ...(oldestAt !== undefined && { oldestAt }),
          ...(due !== undefined && { nextDueAt: Math.max(due, blockedUntil) }),
          ...(blocked !== undefined && { blocked }),
        }
      })
      return {
        waiting: waiting.length,
        active: live.filter((delivery) => delivery.state === 'active').length,
        held: held.length,
        ...(oldestDueAt !== undefined && { oldestDueAt }),
        destinations,
      }
    })
  }

  messageView(id: MessageId): Promise<MessageView | undefined> {
    return this.#answer(() => {
      const message = this.#messages.get(id)
      if (message === undefined) return undefined
      return {
        message,
        deliveries: this.#matching({ ids: [id] }),
        events: [...(this.#events.get(id) ?? [])],
        placements: this.#mail.rowsOf(id).map(({ account, mailbox, uid }) => ({ account, mailbox, uid })),
        hasBody: this.#bodies.has(id),
      }
    })
  }

  recentMessages(limit: number, cursor?: string): Promise<Page<Message>> {
    return this.#answer(() => {
      const ids = [...this.#messages.keys()]
        .filter((id) => cursor === undefined || id < cursor)
        .sort((a, b) => order(b, a))
        .slice(0, limit)
      const last = ids.at(-1)
      const items = ids.flatMap((id) => this.#messages.get(id) ?? [])
      return { items, ...(ids.length === limit && last !== undefined && { cursor: last }) }
    })
  }

  mailList(query: MailQuery): Promise<Page<MailListItem>> {
    return this.#answer(() => {
      const { items, cursor } = this.#mail.page(query)
      const rows = items.map(({ id, account, mailbox }) => this.#mail.find(id, { account, mailbox }))
      return {
        items: rows.flatMap((row) => (row === undefined ? [] : [itemOf(row)])),
        ...(cursor !== undefined && { cursor }),
      }
    })
  }

  mailOpen(
    which:
      | { readonly messageId: MessageId }
      | { readonly account: string; readonly mailbox: string; readonly uid: number },
  ): Promise<
    { readonly item: MailListItem; readonly prefix: string; readonly body: BodyReader } | undefined
  > {
    return this.#answer(() => {
      const row =
        'messageId' in which
          ? this.#mail.find(which.messageId)
          : this.#mail.at(which.account, which.mailbox, which.uid)
      return row && { item: itemOf(row), prefix: row.prefix, body: this.#body(row.id) }
    })
  }

  mailDelete(
    which: readonly { readonly account: string; readonly mailbox: string; readonly uid: number }[],
  ): Promise<number> {
    return this.#answer(() =>
      this.#removeMail(
        which.flatMap(({ account, mailbox, uid }) => this.#mail.at(account, mailbox, uid) ?? []),
      ),
    )
  }

  // ---- MailViews

  mailPage(query: MailPageQuery): Promise<MailPage> {
    return this.#answer(() => this.#mail.page(query))
  }

  mailCounts(scope: MailScope, matchesMax = matchesMaxDefault): Promise<MatchCounts> {
    return this.#answer(() => this.#mail.counts(scope, matchesMax))
  }

  mailboxes(account?: string): Promise<readonly MailboxCounts[]> {
    return this.#answer(() => this.#mail.boxes(account))
  }

  mailTags(scope: MailScope): Promise<readonly { readonly tag: string; readonly count: number }[]> {
    return this.#answer(() => this.#mail.tags(scope))
  }

  mailSummary(id: MessageId, scope?: MailScope): Promise<MailSummary | undefined> {
    return this.#answer(() => {
      const row = this.#mail.find(id, scope)
      return row && this.#mail.summary(row)
    })
  }

  mailRead(
    id: MessageId,
    scope?: MailScope,
  ): Promise<
    { readonly summary: MailSummary; readonly prefix: string; readonly body: BodyReader } | undefined
  > {
    return this.#answer(() => {
      const row = this.#mail.find(id, scope)
      return row && { summary: this.#mail.summary(row), prefix: row.prefix, body: this.#body(row.id) }
    })
  }

  mailChange(
    target: MailTarget,
    change: MailChange,
    max?: number,
  ): Promise<{ readonly count: number; readonly more: boolean }> {
    return this.#answer(() => {
      checkChange(change)
      const { rows, more } = this.#mail.change(target, change, max)
      this.#tellActs('mail.changed', rows, { change })
      return { count: rows.length, more }
    })
  }

  mailRemove(target: MailTarget, max?: number): Promise<{ readonly count: number; readonly more: boolean }> {
    return this.#answer(() => {
      const { rows, more } = this.#mail.targets(target, max)
      return { count: this.#removeMail(rows), more }
    })
  }

  mailTrim(
    account: string,
    bounds: { readonly before?: number; readonly messagesMax?: number; readonly bytesMax?: number },
    max: number,
  ): Promise<number> {
    return this.#answer(() => this.#removeMail(this.#mail.surplus(account, bounds, max)))
  }

  mailboxRemove(account: string): Promise<number> {
    return this.#answer(() => {
      const { rows } = this.#mail.targets({ account, all: true }, Number.MAX_SAFE_INTEGER)
      const count = this.#removeMail(rows)
      this.#mail.forget(account)
      return count
    })
  }

  #removeMail(rows: readonly MemoryRow[]): number {
    this.#mail.remove(rows)
    for (const { id } of rows) this.#releaseBody(id)
    this.#tellActs('mail.removed', rows, {})
    return rows.length
  }

  /** One entry for each mailbox. */
  #tellActs(kind: string, rows: readonly MemoryRow[], data: Readonly<Record<string, unknown>>): void {
    const boxes = Map.groupBy(rows, ({ account, mailbox }) => `${account}\n${mailbox}`)
    for (const here of boxes.values()) {
      const [{ account, mailbox, id } = { account: '', mailbox: '', id: '' }] = here
      this.#feed.write({
        at: this.#clock.now(),
        kind,
        ...(here.length === 1 && { messageId: id }),
        data: { account, mailbox, ids: here.map((row) => row.id), ...data },
      })
    }
  }

  // ---- Feed

  feedKinds(kinds: readonly string[]): void {
    this.#feed.setKinds(kinds)
  }

  feedRead(after: number, limit: number): Promise<readonly FeedEntry[]> {
    return this.#answer(() => this.#feed.read(after, limit))
  }

  feedHead(): Promise<number> {
    return this.#answer(() => this.#feed.head)
  }

  feedPrune(options: {
    readonly throughSeq?: number
    readonly before?: number
    readonly max: number
  }): Promise<number> {
    return this.#answer(() => this.#feed.prune(options))
  }

  onFeed(listener: () => void): () => void {
    return this.#feed.listen(listener)
  }

  // ---- Documents

  documentPut(
    document: Parameters<Documents['documentPut']>[0],
    ifVersion?: number,
  ): Promise<StoredDocument | undefined> {
    return this.#answer(() => this.#documents.put(document, ifVersion, this.#clock.now()))
  }

  documentGet(kind: string, key: string): Promise<StoredDocument | undefined> {
    return this.#answer(() => this.#documents.get(kind, key, this.#clock.now()))
  }

  documentList(kind: string, limit: number, after?: string): Promise<readonly StoredDocument[]> {
    return this.#answer(() => this.#documents.list(kind, limit, after, this.#clock.now()))
  }

  documentDelete(kind: string, key: string): Promise<boolean> {
    return this.#answer(() => this.#documents.delete(kind, key, this.#clock.now()))
  }

  documentPrune(now: number, max: number): Promise<number> {
    return this.#answer(() => this.#documents.prune(now, max))
  }

  accountPut(row: AccountRow): Promise<void> {
    return this.#answer(() => void this.#accounts.set(row.name, row))
  }

  accountGet(name: string): Promise<AccountRow | undefined> {
    return this.#answer(() => this.#accounts.get(name))
  }

  accountList(): Promise<readonly AccountRow[]> {
    return this.#answer(() => [...this.#accounts.values()].sort((a, b) => order(a.name, b.name)))
  }

  accountDelete(name: string): Promise<boolean> {
    return this.#answer(() => this.#accounts.delete(name))
  }

  routesInUse(): Promise<readonly { readonly domain: string; readonly destination: string }[]> {
    return this.#answer(() => {
      const found = new Map<string, { readonly domain: string; readonly destination: string }>()
      for (const { domain, destination } of this.#live())
        found.set(`${domain}\n${destination}`, { domain, destination })
      return [...found.values()]
    })
  }

  reroute(domain: string, from: string, to: string): Promise<number> {
    return this.#answer(() => {
      const moved = this.#matching({ domain, destination: from }).filter(({ state }) => state !== 'active')
      for (const delivery of moved) this.#put({ ...delivery, destination: to })
      return moved.length
    })
  }

  prune(options: {
    readonly before: number
    readonly keepMax?: number
    readonly max: number
  }): Promise<number> {
    return this.#answer(() => {
      const ids = [...this.#messages.keys()].sort(order)
      const surplus = options.keepMax === undefined ? 0 : Math.max(0, ids.length - options.keepMax)
      const gone = ids
        .filter((id, i) => i < surplus || (this.#messages.get(id)?.receivedAt ?? 0) < options.before)
        .filter((id) => !this.#rows.has(id))
        .slice(0, options.max)
      for (const id of gone) {
        this.#messages.delete(id)
        this.#events.delete(id)
      }
      return gone.length
    })
  }

  quarantined(): Promise<
    readonly { readonly table: string; readonly key: string; readonly reason: string }[]
  > {
    return this.#answer(() => [])
  }

  async close(): Promise<void> {
    this.#closed = true
  }
}

const itemOf = (row: MemoryRow): MailListItem => ({
  account: row.account,
  mailbox: row.mailbox,
  uid: row.uid,
  messageId: row.id,
  seq: row.seq,
  internalDate: row.receivedAt,
  sizeBytes: row.sizeBytes,
  reversePath: row.reversePath,
  recipient: row.recipients[0] ?? '',
  from: row.from,
  to: row.to,
  subject: row.subject,
})

const deadlineOf = (delivery: Delivery): number =>
  Math.min(delivery.expiresAt, delivery.delayNoticeAt ?? delivery.expiresAt)

class MemoryBodyWriter implements BodyWriter {
  readonly #id: string
  readonly #files: Map<string, Uint8Array>
  readonly #chunks: Uint8Array[] = []
  #sizeBytes = 0

  constructor(id: string, files: Map<string, Uint8Array>) {
    this.#id = id
    this.#files = files
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  write(bytes: Uint8Array): void {
    this.#chunks.push(bytes)
    this.#sizeBytes += bytes.length
  }

  finish(): BodySource {
    const sizeBytes = this.#sizeBytes
    if (sizeBytes <= inlineBytesMax) return { kind: 'inline', chunks: this.#chunks, sizeBytes }
    this.#files.set(this.#id, Buffer.concat(this.#chunks, sizeBytes))
    return { kind: 'file', fileName: this.#id, sizeBytes }
  }

  abort(): void {
    this.#files.delete(this.#id)
  }
}
