// Owns the plain data of the queue: messages, deliveries, outcomes, timeline events.

import type { Notify } from '../smtp/envelope.ts'

/** Random, ordered by time, 20 lower-case characters of base32hex (base/id.ts). Printed in the 250 reply. */
export type MessageId = string

/** `<messageId>-<seq>`: what people type to name one delivery. */
export type DeliveryId = string

/** waiting: has a dueAt. active: an attempt is under way. held: only `release` moves it. Final ones leave the table. */
export type DeliveryState = 'waiting' | 'active' | 'held'

/** Where a message came from; everything printable for the timeline. */
export interface MessageOrigin {
  /** 'smtp' | 'submission' | 'lmtp' | 'api' | 'bounce' | ... */
  readonly via: string
  readonly listener?: string
  readonly peerAddress?: string
  readonly hello?: string
  readonly tls?: string
  readonly identity?: string
  readonly sessionId?: string
}

export type BodySource =
  /** Up to 256 KiB: travels in the accepting transaction. */
  | { readonly kind: 'inline'; readonly chunks: readonly Uint8Array[]; readonly sizeBytes: number }
  /** Already written and synced (file and folder) by the store's BodyWriter. */
  | { readonly kind: 'file'; readonly fileName: string; readonly sizeBytes: number }

export interface Message {
  readonly id: MessageId
  readonly receivedAt: number
  /** '' is the null reverse-path; else wire text of a Mailbox. */
  readonly reversePath: string
  readonly sizeBytes: number
  /** MAIL said SMTPUTF8. */
  readonly smtputf8: boolean
  readonly body8bit: boolean
  /** MAIL said REQUIRETLS (RFC 8689): it goes to verified hosts that promise the same, or back. */
  readonly requireTls?: boolean
  readonly ret?: 'FULL' | 'HDRS'
  readonly envid?: string
  readonly origin: MessageOrigin
  /** Of who handed it in over the API: words to find it by, and values that events carry on. */
  readonly tags?: readonly string[]
  readonly metadata?: Readonly<Record<string, string>>
}

export interface Delivery {
  readonly messageId: MessageId
  /** 0.. within the message. */
  readonly seq: number
  /** Wire text of the final Mailbox (after aliases). */
  readonly recipient: string
  /** Its domain in A-labels: what routes are looked up by. */
  readonly domain: string
  /** Scheduling key: 'local', 'capture', 'discard', 'hold', 'mx:example.test', 'smtp:host:port', 'lmtp:host:port'. */
  readonly destination: string
  readonly notify?: readonly Notify[]
  readonly orcpt?: string
  /** The alias it came from, when there was one. */
  readonly alias?: string
  readonly state: DeliveryState
  /** When it is tried next (waiting), or would be after a crash (active). */
  readonly dueAt: number
  readonly expiresAt: number
  /** When a delay notice is due; undefined: never, or sent already. */
  readonly delayNoticeAt?: number
  readonly attemptCount: number
  /** The other side's last words or our reason, for lists. */
  readonly lastError?: string
  readonly lastStatus?: string
  readonly lastAttemptAt?: number
}

export interface NewMessage {
  readonly message: Message
  readonly body: BodySource
  readonly deliveries: readonly Delivery[]
  /** Deliveries that are done in the accepting transaction itself: local and captured mail. No delivery row is written. */
  readonly settled?: readonly { readonly delivery: Delivery; readonly placement: Placement }[]
  readonly events: readonly TimelineEvent[]
}

/** A mailbox row to write with the transaction. Unique by (message, seq, mailbox): a second one is ignored. */
export interface Placement {
  /** Account name ('alice@example.test'), or 'capture' for the catcher. */
  readonly account: string
  /** 'INBOX' by default. */
  readonly mailbox: string
  /** Header lines put before the stored body, CRLF-terminated: Return-Path, Delivered-To. */
  readonly prefix: string
  readonly internalDate: number
}

export type TimelineKind =
  | 'accepted'
  | 'conversation'
  | 'check'
  | 'queued'
  | 'attempt'
  | 'delivered'
  | 'deferred'
  | 'failed'
  | 'held'
  | 'released'
  | 'retried'
  | 'bounced'
  | 'deleted'
  | 'expired'
  | 'dsn'
  | 'expanded'
  | 'note'

/** One step in the life of a message. `data` is JSON-safe, without content and credentials. */
export interface TimelineEvent {
  readonly messageId: MessageId
  /** Absent: it concerns the whole message. */
  readonly seq?: number
  readonly at: number
  readonly kind: TimelineKind
  readonly data: Readonly<Record<string, unknown>>
}

/** How an attempt went, as the transport saw it; goes into the timeline. */
export interface AttemptReport {
  /** Hosts tried, in order; the last one is where it ended. */
  readonly hosts: readonly HostReport[]
  readonly startedAt: number
  readonly endedAt: number
  /** C:/S: lines of a failed attempt; no content, no credentials; bounded. */
  readonly transcript?: readonly string[]
  /** What was done to the message on its way out, and why: 'signed for example.test by ...'. */
  readonly notes?: readonly string[]
  /** The same as data, in the same order. */
  readonly told?: readonly AttemptNote[]
}

/** What was done to a message on its way out, or why not (attempt-notes.ts says it in words). */
export interface AttemptNote {
  readonly code:
    | 'signed'
    | 'not-signed'
    | 'sealed'
    | 'not-sealed'
    | 'chain-ended'
    | 'forwarded'
    | 'forwarded-unchanged'
  /** What the sentence names. */
  readonly data: Readonly<Record<string, string>>
}

export interface HostReport {
  readonly name?: string
  readonly address?: string
  readonly port?: number
  /** 'TLSv1.3 TLS_AES_256_GCM_SHA384 verified' and the like; absent: plain. */
  readonly tls?: string
  /** How TLS was to be used here, and why: 'MTA-STS enforce, id 20260101'. */
  readonly policy?: string
  /** A connection that earlier messages had used. */
  readonly reused?: boolean
  /** What went wrong here, in words; absent where it ended well. */
  readonly error?: string
}

/** The result for one recipient. */
export type Outcome =
  | {
      readonly kind: 'delivered'
      /** relayed: handed to another MTA. */
      readonly how: 'relayed' | 'local' | 'captured' | 'discarded'
      /** The next hop announced DSN and was given NOTIFY: it reports success, not we (RFC 3461 section 5.2.2). */
      readonly dsnPassedOn?: boolean
      /** The other side's words. */
      readonly reply?: string
      readonly placement?: Placement
      /** Host that took it, for Remote-MTA. */
      readonly remoteMta?: string
    }
  | {
      readonly kind: 'deferred'
      /** Enhanced status 4.x.x. */
      readonly status: string
      /** The other side's words ('451 4.7.1 try later'), or our reason. */
      readonly reason: string
      /** True when `reason` is an SMTP reply (Diagnostic-Code: smtp; ...). */
      readonly isReply: boolean
      readonly remoteMta?: string
      /** Connection lost after the final dot: the other side may have it. */
      readonly mayHaveDelivered?: boolean
      /** Not before; the retry curve decides when absent. */
      readonly retryAfterMs?: number
    }
  | {
      readonly kind: 'failed'
      /** 5.x.x */
      readonly status: string
      readonly reason: string
      readonly isReply: boolean
      readonly remoteMta?: string
    }
