// Owns the contract between the SMTP/LMTP server driver and what it serves: SmtpSession, one per connection.
// The driver owns sockets, framing, limits and time; a session answers questions and takes bodies.

import type { Endpoint, TlsInfo } from '../base/connection.ts'
import type { Mailbox } from '../base/mailbox.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import type { ScramKeys } from '../base/scram-keys.ts'
import type { MailParameters, RcptParameters, ReversePath } from '../smtp/envelope.ts'
import type { Verdict } from '../smtp/verdict.ts'

export interface SessionInfo {
  /** Short, unique in the process; printed in replies to failures and in every log line of the session. */
  readonly id: string
  readonly remote: Endpoint
  readonly local: Endpoint
  /** Set from the start (implicit TLS) or by STARTTLS. */
  tls: TlsInfo | undefined
  /** As the client said it in the last HELO, EHLO or LHLO; '' before. */
  hello: string
  /** 'SMTP' after HELO, 'ESMTP' after EHLO, 'LMTP' after LHLO. */
  protocol: 'SMTP' | 'ESMTP' | 'LMTP'
  /** The authenticated identity (account name), once AUTH succeeded. */
  identity: string | undefined
}

/** Takes one message. Slices are in order, unstuffed, lines canonical (CRLF). */
export interface BodySink {
  /** The slice is the sink's to keep. A promise is back-pressure: nothing more is read until it settles. */
  write(bytes: Buffer): MaybePromise<void>
  /**
   * All of it came. The answer goes to the client: a single Verdict, or in LMTP one for each accepted RCPT, in
   * order. An accept must mean that the message is durable; its reply should name the queue id.
   */
  finish(): MaybePromise<Verdict | readonly Verdict[]>
  /** The message will not be finished: too large, bad framing, connection lost, RSET. Called at most once, never after finish. */
  abort(): void
}

/** Every method may answer now or later; a throw or rejection is answered 451 4.3.0 and logged. */
export interface SmtpSession {
  /** Before the greeting. A refusal is sent as the greeting (554 or 421). */
  connect?(): MaybePromise<Verdict>
  hello?(): MaybePromise<Verdict>
  /** STARTTLS, before its 220. Asked where the server was made with `asksStartTls`. */
  startTls?(): MaybePromise<Verdict>
  mail(reversePath: ReversePath, parameters: MailParameters): MaybePromise<Verdict>
  rcpt(forwardPath: Mailbox, parameters: RcptParameters): MaybePromise<Verdict>
  /** DATA, or the first BDAT, with at least one accepted recipient: where the message goes, or a refusal. */
  data(): MaybePromise<BodySink | Extract<Verdict, { kind: 'refuse' }>>
  /** The transaction is over without a message: RSET, a new EHLO, STARTTLS. Not called after `finish`. */
  reset?(): void
  vrfy?(argument: string): MaybePromise<Verdict>
  /** The connection is gone; always called, last. */
  close?(): void
}

/** How AUTH is answered; given once per listener. All comparisons are constant-time. */
export interface Authenticator {
  /** PLAIN and LOGIN: true when the password is this account's. Must take equal time for unknown accounts. */
  verifyPassword(username: string, password: string, session: SessionInfo): Promise<AuthenticationResult>
  /** SCRAM keys of an account, or undefined where it has none (the driver then plays on with made-up keys). */
  scramKeys?(
    username: string,
    session: SessionInfo,
  ): MaybePromise<(ScramKeys & { readonly identity: string }) | undefined>
  /** False: some account has a password but no keys, so SCRAM is not offered (a client that prefers it would fail). */
  scramReady?(): boolean
  /** Told of every SCRAM outcome (passwords report through verifyPassword itself). */
  scramDone?(username: string, ok: boolean, session: SessionInfo): void
  /** A refusal here ends AUTH before any secret is looked at: too many failures (454 4.7.0 with the wait). */
  allow?(username: string | undefined, session: SessionInfo): MaybePromise<Verdict>
}

export type AuthenticationResult =
  | { readonly kind: 'ok'; readonly identity: string }
  | { readonly kind: 'denied' }
  /** The directory could not be asked: 454 4.7.0. */
  | { readonly kind: 'unavailable' }

export interface SmtpServerLimits {
  /** Octets of a command line with CRLF; RFC 5321 section 4.5.3.1.4 asks for 512 and more for extensions. */
  readonly lineBytesMax: number
  readonly messageBytesMax: number
  /** Per transaction; at least 100 (RFC 5321 section 4.5.3.1.8). */
  readonly recipientsMax: number
  /** Per session; 0 is no limit. */
  readonly transactionsMax: number
  /** 5xx to commands (unknown, syntax, order, refused RCPT counted once each) after which 421 closes. */
  readonly errorsMax: number
  /** Commands without a message in between, after which 421 closes. */
  readonly commandsMax: number
  /** All connections of this listener, and per address (IPv6: per /64); over it 421 4.7.0. */
  readonly connectionsMax: number
  readonly connectionsPerAddressMax: number
  /** Waiting for a command; RFC 5321 section 4.5.3.2.7: 5 minutes. */
  readonly commandTimeoutMs: number
  /** Between two pieces of a body; RFC 5321 section 4.5.3.2.5: 3 minutes or more. */
  readonly dataTimeoutMs: number
  /** A whole session, however busy. */
  readonly sessionTimeoutMs: number
}

export const defaultLimits: SmtpServerLimits = {
  lineBytesMax: 8192,
  messageBytesMax: 50 * 1024 * 1024,
  recipientsMax: 1000,
  transactionsMax: 0,
  errorsMax: 20,
  commandsMax: 10_000,
  connectionsMax: 5000,
  connectionsPerAddressMax: 500,
  commandTimeoutMs: 300_000,
  dataTimeoutMs: 300_000,
  sessionTimeoutMs: 24 * 3_600_000,
}
