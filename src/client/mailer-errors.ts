// Owns the errors a program that sends mail can get besides UsageError: PeerError (the other side said no) and
// TransportError (we did not get that far). Each says where, what may be done, and whether the mail may be there.

import type { RecipientReply } from './mailer-result.ts'

/** Where in the conversation: 'resolve' is DNS, 'source' reading the message, 'wait' waiting for a connection. */
export type SendPhase =
  | 'wait'
  | 'source'
  | 'resolve'
  | 'connect'
  | 'tls'
  | 'greeting'
  | 'hello'
  | 'startTls'
  | 'auth'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'body'
  | 'end'

export interface SendErrorFacts {
  readonly phase: SendPhase
  /** The verb that was answered, or would have been: 'RCPT TO', 'AUTH'. */
  readonly command?: string
  /** The same call may succeed later. */
  readonly temporary: boolean
  /** Some recipient may have the message all the same: sending again may make a second copy. */
  readonly mayHaveDelivered: boolean
  /** What to do about it, in plain words. */
  readonly advice: string
  /** 'smtp.example.test:587', as far as known. */
  readonly host?: string
  /** One per recipient, when the conversation got as far as a transaction. */
  readonly replies?: readonly RecipientReply[]
  /** C: and S: lines; credentials masked. */
  readonly transcript?: readonly string[]
  readonly cause?: unknown
}

abstract class SendError extends Error {
  readonly phase: SendPhase
  readonly command: string | undefined
  readonly temporary: boolean
  readonly mayHaveDelivered: boolean
  readonly advice: string
  readonly host: string | undefined
  readonly replies: readonly RecipientReply[]
  readonly transcript: readonly string[]

  constructor(message: string, facts: SendErrorFacts) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.phase = facts.phase
    this.command = facts.command
    this.temporary = facts.temporary
    this.mayHaveDelivered = facts.mayHaveDelivered
    this.advice = facts.advice
    this.host = facts.host
    this.replies = facts.replies ?? []
    this.transcript = facts.transcript ?? []
  }
}

/** The peer answered, and the answer was no. `temporary` is true for 4xx. */
export class PeerError extends SendError {
  override readonly name = 'PeerError'
  readonly code = 'PEER'
  /** The reply's code: 550. */
  readonly replyCode: number
  /** Enhanced status: '5.1.1'; undefined where the peer gave none. */
  readonly status: string | undefined
  /** The peer's words, lines joined by '\n', without the codes. */
  readonly replyText: string

  constructor(
    message: string,
    reply: { readonly code: number; readonly status?: string; readonly lines: readonly string[] },
    facts: SendErrorFacts,
  ) {
    super(message, facts)
    this.replyCode = reply.code
    this.status = reply.status
    this.replyText = reply.lines.join('\n')
  }
}

/**
 * DNS: no address, or DNS did not answer. CONNECT: nobody there, or no way. TLS: the handshake or the certificate.
 * AUTH: no way to log in. PROTOCOL: the peer speaks nonsense. LOST: the connection went. TIMEOUT, DEADLINE: a wait of
 * ours, or the caller's time, is over. ABORTED: the caller's signal. SOURCE: the message could not be read.
 * UNSUPPORTED: the peer lacks what this message needs. SIZE: it is larger than the peer takes. BUSY: too many waiting.
 * CLOSED: the mailer was closed.
 */
export type TransportErrorCode =
  | 'DNS'
  | 'CONNECT'
  | 'TLS'
  | 'AUTH'
  | 'PROTOCOL'
  | 'LOST'
  | 'TIMEOUT'
  | 'DEADLINE'
  | 'ABORTED'
  | 'SOURCE'
  | 'UNSUPPORTED'
  | 'SIZE'
  | 'BUSY'
  | 'CLOSED'

/** No answer that decided it: network, TLS, time, our own limits. */
export class TransportError extends SendError {
  override readonly name = 'TransportError'
  readonly code: TransportErrorCode

  constructor(code: TransportErrorCode, message: string, facts: SendErrorFacts) {
    super(message, facts)
    this.code = code
  }
}
