// Owns rows of kept mail as the writer writes them, in the transaction that is open: placing, flags and tags, removal, and
// the counters of each mailbox. What it knows of mailboxes is dropped with a rollback. Bodies are the engine's.

import type { StatementSync } from 'node:sqlite'
import { summarize } from '../../message/summary.ts'
import { addedKind, changedRow, changedTags, recipientsMax } from '../mail-rules.ts'
import type { MailChange, MailSummary } from '../mail-view.ts'
import type { FeedWriter } from './feed-writer.ts'
import type { mailWriterQueries } from './mail-writer-queries.ts'
import { type PlacementCells, readTags } from './rows.ts'
import { rowsPerMs } from './schema-mail.ts'

type Statements = Readonly<Record<keyof typeof mailWriterQueries, StatementSync>>

export interface BodyRef {
  readonly body_id: number | null
  readonly body_count: number
  readonly file_name: string | null
}

/** What is placed: the message, its body, and the beginning of it. */
export interface PlacedMessage {
  readonly id: string
  readonly sizeBytes: number
  readonly reversePath: string
  readonly body: BodyRef
  readonly head: Uint8Array
  /** Given with the message: the row begins with them. */
  readonly tags: readonly string[]
}

interface Mailbox {
  readonly id: number
  readonly account: string
  readonly name: string
  uidNext: number
  modseq: number
  total: number
  unread: number
  bytes: number
  dirty: boolean
}

interface MailboxRow {
  readonly id: number
  readonly account: string
  readonly name: string
  readonly uidnext: number
  readonly highest_modseq: number
  readonly total: number
  readonly unread: number
  readonly bytes: number
}

interface FlagRow {
  readonly id: number
  readonly mailbox_id: number
  readonly message_id: string
  readonly unread: number
  readonly starred: number
  readonly tags: string
}

export interface RemovedRow extends BodyRef {
  readonly mailbox_id: number
  readonly message_id: string
  readonly size: number
  readonly unread: number
  readonly tags: string
}

const mailboxesKnownMax = 10_000
/** Epoch ms of which ids are made; beyond it (the year 2109) and before 1970 rows stand at the end. */
const receivedAtMax = 2 ** 42

export class MailWriter {
  readonly #sql: Statements
  readonly #feed: FeedWriter
  #uidValidity: number
  #byName = new Map<string, Mailbox>()
  #byId = new Map<number, Mailbox>()
  #dirty: Mailbox[] = []
  /** No row has a greater id. */
  #topId: number
  /** Rows were added in this transaction; ids of rows that went in it. */
  placed = false
  gone: number[] = []

  constructor(sql: Statements, feed: FeedWriter, uidValidity: number) {
    this.#sql = sql
    this.#feed = feed
    this.#uidValidity = uidValidity
    this.#topId = (sql.lastIdBelow.get(Number.MAX_SAFE_INTEGER) as { id: number } | undefined)?.id ?? 0
  }

  begin(): void {
    this.placed = false
    this.gone = []
  }

  /** Before the commit. */
  flush(): void {
    for (const box of this.#dirty) {
      this.#sql.mailboxUpdate.run(box.uidNext, box.modseq, box.total, box.unread, box.bytes, box.id)
      box.dirty = false
    }
    this.#dirty = []
  }

  rollback(): void {
    this.#byName.clear()
    this.#byId.clear()
    this.#dirty = []
    this.begin()
  }

  /** `isNew`: no row can be there. One row for each mailbox; its first recipient's prefix is its prefix. */
  place(message: PlacedMessage, placements: readonly PlacementCells[], isNew: boolean): void {
    const [only] = placements
    if (only !== undefined && placements.length === 1) return this.#placeIn(message, only, [only[5]], isNew)
    const groups = new Map<string, PlacementCells[]>()
    for (const cells of placements) {
      const key = `${cells[0]}\n${cells[1]}`
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [cells])
      else group.push(cells)
    }
    for (const group of groups.values()) {
      const recipients = group.map((cells) => cells[5])
      this.#placeIn(message, group[0] as PlacementCells, recipients, isNew)
    }
  }

  #placeIn(
    message: PlacedMessage,
    [account, mailbox, prefix, receivedAt, seq]: PlacementCells,
    recipients: readonly string[],
    isNew: boolean,
  ): void {
    const box = this.#mailbox(account, mailbox)
    if (!isNew && this.#addRecipients(box, message.id, recipients)) return
    const { from, to, subject } = summarize(message.head)
    const sizeBytes = message.sizeBytes + Buffer.byteLength(prefix)
    const kept = recipients.slice(0, recipientsMax)
    const mailId = this.#mailIdOf(receivedAt)
    this.#sql.mailInsert.run(
      mailId,
      box.id,
      box.uidNext,
      message.id,
      seq,
      box.modseq + 1,
      receivedAt,
      sizeBytes,
      recipients.length,
      JSON.stringify(kept),
      message.reversePath,
      from,
      to,
      subject,
      prefix,
      message.body.body_id,
      message.body.body_count,
      message.body.file_name,
    )
    const tags = message.tags.length === 0 ? message.tags : changedTags([], { addTags: message.tags })
    if (tags.length > 0) {
      this.#sql.mailFlags.run(1, 0, JSON.stringify(tags), box.modseq + 1, mailId)
      for (const tag of tags) this.#sql.tagInsert.run(tag, mailId, box.id)
    }
    box.uidNext++
    box.modseq++
    box.total++
    box.unread++
    box.bytes += sizeBytes
    this.#touch(box)
    this.placed = true
    const kind = addedKind(account)
    if (!this.#feed.wants(kind)) return
    const mail: MailSummary = {
      id: message.id,
      account,
      mailbox,
      receivedAt,
      sizeBytes,
      reversePath: message.reversePath,
      recipients: kept,
      recipientCount: recipients.length,
      from,
      to,
      subject,
      snippet: '',
      attachmentCount: 0,
      unread: true,
      starred: false,
      tags,
    }
    this.#feed.write(receivedAt, kind, message.id, { mail })
  }

  /** A recipient that comes later gives the row a new uid, so that whoever follows by uid sees it. False: no row yet. */
  #addRecipients(box: Mailbox, id: string, added: readonly string[]): boolean {
    const row = this.#sql.mailOfMessage.get(id, box.id) as
      | { id: number; recipients: string; recipient_count: number }
      | undefined
    if (row === undefined) return false
    const recipients = [...readTags(row.recipients), ...added].slice(0, recipientsMax)
    const count = row.recipient_count + added.length
    this.#sql.mailRecipients.run(box.uidNext++, ++box.modseq, JSON.stringify(recipients), count, row.id)
    this.#touch(box)
    this.placed = true
    return true
  }

  /** Ascending with receivedAt, and with the arrival within one instant (see rowsPerMs). */
  #mailIdOf(receivedAt: number): number {
    const base =
      receivedAt >= 0 && receivedAt < receivedAtMax ? Math.floor(receivedAt) * rowsPerMs : this.#topId + 1
    const end = base + rowsPerMs
    let id = base
    if (this.#topId >= base) {
      const below = this.#sql.lastIdBelow.get(end) as { id: number } | undefined
      id = Math.max(base, (below?.id ?? 0) + 1)
      if (id >= end) id = this.#topId + 1
    }
    this.#topId = Math.max(this.#topId, id)
    return id
  }

  #mailbox(account: string, name: string): Mailbox {
    const known = this.#byName.get(`${account}\n${name}`)
    if (known !== undefined) return known
    let row = this.#sql.mailboxGet.get(account, name) as MailboxRow | undefined
    if (row === undefined) {
      this.#sql.mailboxInsert.run(account, name, this.#uidValidity++)
      row = this.#sql.mailboxGet.get(account, name) as unknown as MailboxRow
    }
    return this.#know(row)
  }

  #know(row: MailboxRow): Mailbox {
    if (this.#byId.size >= mailboxesKnownMax) {
      this.flush()
      this.#byName.clear()
      this.#byId.clear()
    }
    const { id, account, name, total, unread, bytes } = row
    const box: Mailbox = {
      id,
      account,
      name,
      uidNext: row.uidnext,
      modseq: row.highest_modseq,
      total,
      unread,
      bytes,
      dirty: false,
    }
    this.#byName.set(`${account}\n${name}`, box)
    this.#byId.set(id, box)
    return box
  }

  #boxById(id: number): Mailbox | undefined {
    const known = this.#byId.get(id)
    if (known !== undefined) return known
    const row = this.#sql.mailboxById.get(id) as MailboxRow | undefined
    return row && this.#know(row)
  }

  #touch(box: Mailbox): void {
    if (box.dirty) return
    box.dirty = true
    this.#dirty.push(box)
  }

  /** Of rows by their id; those that are so already are not counted. */
  change(ids: readonly number[], change: MailChange, now: number): number {
    const told = new Map<number, string[]>()
    let count = 0
    for (const id of ids) {
      const row = this.#sql.mailGet.get(id) as FlagRow | undefined
      if (row === undefined) continue
      const tags = readTags(row.tags)
      const old = { unread: row.unread === 1, starred: row.starred === 1, tags }
      const changed = changedRow(old, change)
      const box = this.#boxById(row.mailbox_id)
      if (changed === undefined || box === undefined) continue
      const json = changed.tags.length === 0 ? '' : JSON.stringify(changed.tags)
      this.#sql.mailFlags.run(Number(changed.unread), Number(changed.starred), json, ++box.modseq, id)
      for (const tag of tags) if (!changed.tags.includes(tag)) this.#sql.tagDelete.run(tag, id)
      for (const tag of changed.tags) if (!tags.includes(tag)) this.#sql.tagInsert.run(tag, id, box.id)
      box.unread += Number(changed.unread) - row.unread
      this.#touch(box)
      count++
      listIn(told, box.id, row.message_id)
    }
    this.#tell('mail.changed', told, now, { change })
    return count
  }

  /** The rows that were there, for what becomes of their bodies. */
  remove(ids: readonly number[], now: number): RemovedRow[] {
    const told = new Map<number, string[]>()
    const rows: RemovedRow[] = []
    for (const id of ids) {
      const row = this.#sql.mailDelete.get(id) as RemovedRow | undefined
      if (row === undefined) continue
      for (const tag of readTags(row.tags)) this.#sql.tagDelete.run(tag, id)
      rows.push(row)
      this.gone.push(id)
      const box = this.#boxById(row.mailbox_id)
      if (box === undefined) continue
      box.total--
      box.unread -= row.unread
      box.bytes -= row.size
      box.modseq++
      this.#touch(box)
      listIn(told, box.id, row.message_id)
    }
    this.#tell('mail.removed', told, now, {})
    return rows
  }

  #tell(
    kind: string,
    told: ReadonlyMap<number, readonly string[]>,
    now: number,
    data: Readonly<Record<string, unknown>>,
  ): void {
    if (!this.#feed.wants(kind)) return
    for (const [boxId, ids] of told) {
      const box = this.#boxById(boxId)
      if (box === undefined) continue
      const messageId = ids.length === 1 ? (ids[0] ?? null) : null
      this.#feed.write(now, kind, messageId, { account: box.account, mailbox: box.name, ids, ...data })
    }
  }

  /** Forgets mailboxes of the account that are empty. False: there is still mail. */
  forget(account: string): boolean {
    this.flush()
    let isDone = true
    for (const item of this.#sql.mailboxesOf.all(account)) {
      const { id, name } = item as unknown as { id: number; name: string }
      if ((this.#sql.mailboxEmpty.get(id) as { n: number }).n === 1) {
        isDone = false
        continue
      }
      this.#sql.mailboxDelete.run(id)
      this.#byId.delete(id)
      this.#byName.delete(`${account}\n${name}`)
    }
    return isDone
  }
}

function listIn(lists: Map<number, string[]>, key: number, value: string): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}
