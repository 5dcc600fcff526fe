// Owns the words between the client machine and its driver, as data: what it is told, what it asks for, why a session could not
// be opened, and what it waits for. RFC 5321 section 4.5.3.2, RFC 4954.

import type { TlsInfo } from '../base/connection.ts'
import type { Reply } from './reply.ts'
import type { ReplyLimits } from './reply-parser.ts'
import type { TransactionResult } from './transaction.ts'
import type { LineListener } from './transcript.ts'

/** One AUTH exchange; throws when the peer's part of it is wrong. */
export interface AuthExchange {
  readonly mechanism: string
  /** Undefined: this mechanism begins with a challenge. */
  initial(): Uint8Array | undefined
  respond(challenge: Uint8Array): Uint8Array
  /** After the 235: throws when the peer did not prove itself (SCRAM). */
  finish(): void
}

export interface ClientMachineOptions {
  readonly protocol: 'smtp' | 'lmtp'
  /** Host name or address literal for EHLO. */
  readonly hostname: string
  /** may: STARTTLS when offered. must: no mail and no password without it. Default 'may'. */
  readonly startTls?: 'never' | 'may' | 'must'
  /** The connection is secured from its first byte. */
  readonly tls?: TlsInfo
  /**
   * Chooses an exchange among what is offered, without those refused a moment ago; undefined: none will do, and the
   * session fails. Absent: no AUTH. A throw (credentials that cannot be sent) fails the session, too.
   */
  readonly chooseAuth?: (
    offered: readonly string[],
    tls: TlsInfo | undefined,
    refused: readonly string[],
  ) => AuthExchange | undefined
  /** Bodies from this size go by BDAT where DATA would do as well. Default 64 KiB; Infinity: never by choice. */
  readonly bdatBytesMin?: number
  readonly replyLimits?: Partial<ReplyLimits>
  /** Told of every line of the conversation as it happens; content is left out, credentials are masked. */
  readonly onLine?: LineListener
}

/** What the driver waits for: each has its time limit (RFC 5321 section 4.5.3.2). */
export type ClientWait =
  | 'greeting'
  | 'hello'
  | 'startTls'
  | 'auth'
  | 'mail'
  | 'rcpt'
  | 'dataInit'
  | 'dataBlock'
  | 'dataEnd'
  | 'quit'

/** Why a session could not be opened. */
export interface OpenFailure {
  readonly phase: 'greeting' | 'hello' | 'startTls' | 'auth'
  /**
   * reply: the peer said no. notOffered: STARTTLS or a usable AUTH mechanism is missing. malformed, lost, timeout,
   * aborted: as they say. tls: the handshake failed. auth: the exchange itself was wrong.
   */
  readonly kind: 'reply' | 'notOffered' | 'malformed' | 'lost' | 'timeout' | 'aborted' | 'tls' | 'auth'
  readonly reason: string
  readonly reply?: Reply
}

export type ClientEvent =
  /** Upgrade the connection, then call `secured`. */
  | { readonly kind: 'startTls' }
  /** Open: `begin` may be called. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'refused'; readonly failure: OpenFailure }
  /** Now the body: `writeBody`, `endBody`. */
  | { readonly kind: 'body' }
  | { readonly kind: 'done'; readonly result: TransactionResult }
  /** Nothing more will be said; drop the connection. */
  | { readonly kind: 'closed' }
