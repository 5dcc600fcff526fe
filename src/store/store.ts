// Owns the Store contract: the queue's store, bodies being received, mailboxes, directory and the views people ask for.
// sqlite/ and memory/ implement it and pass the same suite. Everything rejects with StoreFailure.

import type { ScramKeys } from '../base/scram-keys.ts'
import type { DestinationState, QueueFilter, QueueStore } from '../queue/store.ts'
import type { BodyReader } from '../queue/transport.ts'
import type { BodySource, Delivery, Message, MessageId, TimelineEvent } from '../queue/types.ts'
import type { Documents, Feed, MailViews } from './mail-view.ts'

/** Takes a body as it arrives; keeps up to 256 KiB in memory, spills the rest to a file. */
export interface BodyWriter {
  /** The slice is kept. A promise is back-pressure (the disk is behind). */
  write(bytes: Uint8Array): void | Promise<void>
  readonly sizeBytes: number
  /** For a file: synced, with its folder. Synchronous for small bodies. */
  finish(): BodySource | Promise<BodySource>
  /** Removes what was spilled. Never throws. */
  abort(): void
}

export interface QueueListQuery extends QueueFilter {
  readonly limit: number
  /** Opaque, from the last page. */
  readonly cursor?: string
}

export interface QueueListItem {
  readonly message: Message
  readonly delivery: Delivery
  readonly blocked?: DestinationState
}

/** All that is known of a message, live or finished (within the retention). */
export interface MessageView {
  readonly message: Message
  /** Live deliveries; finished ones are seen in the events only. */
  readonly deliveries: readonly Delivery[]
  readonly events: readonly TimelineEvent[]
  readonly placements: readonly { readonly account: string; readonly mailbox: string; readonly uid: number }[]
  /** Whether the body is still stored. */
  readonly hasBody: boolean
}

export interface QueueStats {
  readonly waiting: number
  readonly active: number
  readonly held: number
  /** Of deliveries that are due and whose destination is not blocked: the age-of-oldest metric. */
  readonly oldestDueAt?: number
  /** Where something waits or is held, or that are down; by name. */
  readonly destinations: readonly {
    readonly destination: string
    readonly waiting: number
    readonly held: number
    /** When the oldest message that waits or is held there was received. */
    readonly oldestAt?: number
    readonly nextDueAt?: number
    readonly blocked?: DestinationState
  }[]
}

export interface MailListItem {
  readonly account: string
  readonly mailbox: string
  readonly uid: number
  readonly messageId: MessageId
  readonly seq: number
  readonly internalDate: number
  /** Prefix and body. */
  readonly sizeBytes: number
  readonly reversePath: string
  readonly recipient: string
  /** Decoded for people, bounded to 200 characters each. */
  readonly from: string
  readonly to: string
  readonly subject: string
}

export interface MailQuery {
  readonly account?: string
  readonly mailbox?: string
  readonly limit: number
  readonly cursor?: string
}

export interface AccountRow {
  /** 'alice@example.test' (A-labels, lower-case domain). */
  readonly name: string
  /** argon2id PHC string. */
  readonly passwordHash?: string
  readonly scram?: ScramKeys
  readonly enabled: boolean
  readonly createdAt: number
}

export interface Page<T> {
  readonly items: readonly T[]
  readonly cursor?: string
}

export interface Store extends QueueStore, MailViews, Feed, Documents {
  bodyWriter(id: MessageId): BodyWriter
  /** Bytes free where the store lives; undefined where it cannot be told. */
  freeBytes(): Promise<number | undefined>

  queueList(query: QueueListQuery): Promise<Page<QueueListItem>>
  /** Exact up to 100,000 live deliveries; beyond, an answer may serve questions for 5 s, because each reads every row. */
  queueStats(now: number): Promise<QueueStats>
  messageView(id: MessageId): Promise<MessageView | undefined>
  /** Newest first; live and finished. */
  recentMessages(limit: number, cursor?: string): Promise<Page<Message>>

  mailList(query: MailQuery): Promise<Page<MailListItem>>
  /** Prefix and body of one mailbox row: by message id (first row that has it) or account, mailbox and uid. */
  mailOpen(
    which:
      | { readonly messageId: MessageId }
      | { readonly account: string; readonly mailbox: string; readonly uid: number },
  ): Promise<{ readonly item: MailListItem; readonly prefix: string; readonly body: BodyReader } | undefined>
  /** Removes mailbox rows (and bodies without another reference). */
  mailDelete(
    which: readonly { readonly account: string; readonly mailbox: string; readonly uid: number }[],
  ): Promise<number>

  accountPut(row: AccountRow): Promise<void>
  accountGet(name: string): Promise<AccountRow | undefined>
  accountList(): Promise<readonly AccountRow[]>
  accountDelete(name: string): Promise<boolean>

  /** Live deliveries by (domain, destination), for re-routing after a change of configuration. */
  routesInUse(): Promise<readonly { readonly domain: string; readonly destination: string }[]>
  reroute(domain: string, from: string, to: string): Promise<number>

  /** Forgets finished messages received before `before` (events with them), at most `max` a call; bodies with a mailbox row stay. Also bounds by count when given. */
  prune(options: {
    readonly before: number
    readonly keepMax?: number
    readonly max: number
  }): Promise<number>
  /** Rows that could not be read since the start. */
  quarantined(): Promise<readonly { readonly table: string; readonly key: string; readonly reason: string }[]>
  /** Resolves when all that was asked for is durable and the files are closed. */
  close(): Promise<void>
}
