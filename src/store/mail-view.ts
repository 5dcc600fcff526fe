// Owns the part of the store's contract that people look at: kept mail as lists, search, flags, tags, the feed of what
// happened, and small documents (tokens, webhooks, routes, keys). sqlite/ and memory/ implement it and pass the same
// suite. Lists read summary rows only; the words of a message are indexed after its commit, never before its 250.

import type { BodyReader } from '../queue/transport.ts'
import type { MessageId } from '../queue/types.ts'

/** One message as it lies in one mailbox: several recipients of one transaction are one row. */
export interface MailSummary {
  readonly id: MessageId
  /** 'alice@example.test', or 'capture' for the catcher. */
  readonly account: string
  /** In the catcher the inbox: 'INBOX', or the login name that the client gave. */
  readonly mailbox: string
  /** When it came into this mailbox, epoch ms; lists are in this order. */
  readonly receivedAt: number
  /** Prefix and body. */
  readonly sizeBytes: number
  /** '' is the null reverse-path. */
  readonly reversePath: string
  /** Envelope, at most 20; `recipientCount` says how many there are. */
  readonly recipients: readonly string[]
  readonly recipientCount: number
  /** Decoded for people, at most 200 characters each. */
  readonly from: string
  readonly to: string
  readonly subject: string
  /** First words of the text, at most 200 characters; '' until indexed. */
  readonly snippet: string
  /** 0 until indexed. */
  readonly attachmentCount: number
  readonly unread: boolean
  readonly starred: boolean
  /** Sorted, at most 50 of at most 64 characters. */
  readonly tags: readonly string[]
}

export type SearchField = 'from' | 'to' | 'cc' | 'subject' | 'body' | 'filename' | 'any'

/** A search as data; src/store/search-syntax.ts reads what people type (`from:ann subject:"two words" -tag:x before:2026-01-01`). */
export type SearchTerm =
  /** Words as they stand in the text, without regard to case and accents; a phrase where there are blanks. `prefix`: the last word may go on. */
  | { readonly kind: 'text'; readonly field: SearchField; readonly text: string; readonly prefix: boolean }
  /** Envelope or header address, or a part of one: 'ann', '@example.test', 'ann+tag@example.test'. */
  | { readonly kind: 'address'; readonly field: 'from' | 'to'; readonly text: string }
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'has'; readonly what: 'attachment' | 'tag' }
  | { readonly kind: 'is'; readonly what: 'unread' | 'read' | 'starred' }
  /** Epoch ms of `receivedAt`; `after` is inclusive, `before` exclusive. */
  | { readonly kind: 'received'; readonly after?: number; readonly before?: number }
  /** Both inclusive. */
  | { readonly kind: 'size'; readonly min?: number; readonly max?: number }
  /** Message-ID header without angle brackets, or our id. */
  | { readonly kind: 'id'; readonly id: string }
  | { readonly kind: 'not'; readonly term: SearchTerm }
  | { readonly kind: 'or'; readonly terms: readonly SearchTerm[] }

export interface MailScope {
  /** Absent: of all accounts. */
  readonly account?: string
  readonly mailbox?: string
  /** All of them must hold. */
  readonly search?: readonly SearchTerm[]
}

export interface MailPageQuery extends MailScope {
  /** 1..1000 */
  readonly limit: number
  /** Opaque, from the last page. */
  readonly cursor?: string
  /** Default: newest first. */
  readonly order?: 'newest' | 'oldest'
}

export interface MailPage {
  readonly items: readonly MailSummary[]
  readonly cursor?: string
  /** The index had not seen all mail when the search was asked: what came last may be missing. */
  readonly isIncomplete?: true
}

export interface MailCounts {
  readonly total: number
  readonly unread: number
  /** Bytes of what is kept. */
  readonly sizeBytes: number
}

/** Of a search: exact up to a bound. Beyond it these are sums over the newest rows that match, and there are more. */
export interface MatchCounts extends MailCounts {
  readonly isAtLeast?: true
}

export interface MailboxCounts extends MailCounts {
  readonly account: string
  readonly mailbox: string
}

export interface MailChange {
  readonly unread?: boolean
  readonly starred?: boolean
  readonly addTags?: readonly string[]
  readonly removeTags?: readonly string[]
}

/** Which rows an act is done to: these ids in the scope, or all that the scope's search finds. */
export type MailTarget = MailScope & ({ readonly ids: readonly MessageId[] } | { readonly all: true })

export interface MailViews {
  /** Newest first. A search that needs the index waits for what is not indexed yet, at most a second. */
  mailPage(query: MailPageQuery): Promise<MailPage>
  /** Exact without a search; a search is counted up to `matchesMax` rows (default 10,000). */
  mailCounts(scope: MailScope, matchesMax?: number): Promise<MatchCounts>
  /** Every mailbox with something in it, and those that were made. */
  mailboxes(account?: string): Promise<readonly MailboxCounts[]>
  /** Tags in use with how many messages carry each, most used first, at most 200. */
  mailTags(scope: MailScope): Promise<readonly { readonly tag: string; readonly count: number }[]>
  mailSummary(id: MessageId, scope?: MailScope): Promise<MailSummary | undefined>
  /** As in mailOpen, found by message and scope. */
  mailRead(
    id: MessageId,
    scope?: MailScope,
  ): Promise<
    { readonly summary: MailSummary; readonly prefix: string; readonly body: BodyReader } | undefined
  >
  /**
   * Durable. At most `max` rows in one call (default 1000), oldest first; `more` says to call again. Rows that are so
   * already are passed by and not counted, so that calling again comes to an end.
   */
  mailChange(
    target: MailTarget,
    change: MailChange,
    max?: number,
  ): Promise<{ readonly count: number; readonly more: boolean }>
  /** Durable; bodies without another reference go too. As `mailChange` in its bounds. */
  mailRemove(target: MailTarget, max?: number): Promise<{ readonly count: number; readonly more: boolean }>
  /** Removes the oldest rows of the account until all bounds hold; at most `max` rows a call. */
  mailTrim(
    account: string,
    bounds: { readonly before?: number; readonly messagesMax?: number; readonly bytesMax?: number },
    max: number,
  ): Promise<number>
  /** Removes all mail of the account and its mailboxes, in small transactions. How many rows there were. */
  mailboxRemove(account: string): Promise<number>
}

/** One line of the feed: a timeline event or a change to kept mail, numbered in the order of the commits. */
export interface FeedEntry {
  /** 1.. without regard to gaps; ascending. */
  readonly seq: number
  readonly at: number
  /**
   * A TimelineKind ('accepted', 'delivered', 'deferred', ...); a new row of kept mail: 'captured' in the catcher,
   * 'mail.added' in an account; 'mail.changed', 'mail.removed'.
   */
  readonly kind: string
  /** Of 'mail.changed' and 'mail.removed' where it was one message. */
  readonly messageId?: MessageId
  /**
   * JSON-safe. TimelineKind: the event's data, `delivery` the id where it concerns one. captured, mail.added: `mail`, the
   * MailSummary before it is indexed. mail.changed, mail.removed: `account`, `mailbox`, `ids`, and `change`, the MailChange;
   * one entry for each mailbox.
   */
  readonly data: Readonly<Record<string, unknown>>
}

/** Written in the transaction of what it tells of, so that a webhook can be late but never misses. */
export interface Feed {
  /** From now on written: these kinds; '*' all. Default none: a server that nobody listens to pays nothing. */
  feedKinds(kinds: readonly string[]): void
  /** Entries after `after`, ascending. */
  feedRead(after: number, limit: number): Promise<readonly FeedEntry[]>
  /** The newest number, 0 when empty. */
  feedHead(): Promise<number>
  feedPrune(options: {
    readonly throughSeq?: number
    readonly before?: number
    readonly max: number
  }): Promise<number>
  /** Called after each commit that wrote entries. Returns how to stop. */
  onFeed(listener: () => void): () => void
}

/** A small JSON value under (kind, key): tokens, webhooks, inbound routes, idempotency keys, scheduled acts. */
export interface StoredDocument {
  readonly kind: string
  readonly key: string
  /** JSON, at most 256 KiB. */
  readonly data: unknown
  /** Grows with each put. */
  readonly version: number
  readonly updatedAt: number
  /** Gone after this. */
  readonly expiresAt?: number
}

export interface Documents {
  /** `ifVersion`: 0 only when there is none, n only over that version; resolves undefined where it does not hold. Durable. */
  documentPut(
    document: {
      readonly kind: string
      readonly key: string
      readonly data: unknown
      readonly updatedAt: number
      readonly expiresAt?: number
    },
    ifVersion?: number,
  ): Promise<StoredDocument | undefined>
  documentGet(kind: string, key: string): Promise<StoredDocument | undefined>
  /** By key, ascending; `after` is the last key of the page before. */
  documentList(kind: string, limit: number, after?: string): Promise<readonly StoredDocument[]>
  documentDelete(kind: string, key: string): Promise<boolean>
  /** Removes what is expired at `now`, at most `max`. */
  documentPrune(now: number, max: number): Promise<number>
}
