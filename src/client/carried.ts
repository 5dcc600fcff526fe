// Owns what is carried and what became of it, as plain data: a message in the form of the wire, its recipients, one reply
// for each. It does nothing. RFC 5321 section 2.3.1.

import type { Reply } from '../smtp/reply.ts'
import type { OutgoingRecipient } from '../smtp/transaction.ts'
import type { SendPhase, TransportErrorCode } from './mailer-errors.ts'
import type { RecipientReply, RecipientStatus } from './mailer-result.ts'

/** A path in both forms: as it is, and for hosts without SMTPUTF8 (undefined where there is none). */
export interface CarriedPath {
  readonly text: string
  readonly ascii: string | undefined
}

export interface CarriedMessage {
  readonly from: CarriedPath
  /** Its header needs SMTPUTF8. */
  readonly needsSmtputf8: boolean
  readonly needs8bit: boolean
  /** 0: not known. */
  readonly sizeBytes: number
  readonly bytes: Uint8Array | undefined
  /** `stream` can be read again. */
  readonly repeatable: boolean
  readonly stream: (signal: AbortSignal) => AsyncIterable<Uint8Array>
  readonly ret: 'FULL' | 'HDRS' | undefined
  readonly envid: string | undefined
}

/** `name` is what the caller calls the recipient. */
export interface CarriedRecipient extends CarriedPath {
  readonly name: string
  readonly notify: OutgoingRecipient['notify'] | undefined
  readonly orcpt: string | undefined
}

export interface Carried {
  /** One for each recipient, in order. */
  readonly replies: readonly RecipientReply[]
  /** Of the connection on which something was not accepted. */
  readonly transcript: readonly string[]
  /** What an OAuth server said about the token. */
  readonly tokenProblem?: string | undefined
  readonly cause?: unknown
}

/** Why there is no session. */
export interface Trouble {
  readonly phase: SendPhase
  readonly status: RecipientStatus
  readonly text: string
  readonly problem?: TransportErrorCode
  readonly reply?: Reply
  readonly host?: string
  readonly transcript: readonly string[]
  readonly tokenProblem?: string | undefined
  readonly cause?: unknown
}

/** Put as an AbortSignal's reason when the caller's time is over. */
export class DeadlineReached extends Error {
  override readonly name = 'DeadlineReached'
}

/** What becomes of all when the signal was aborted. */
export function stopped(phase: SendPhase, signal: AbortSignal, cause: unknown): Trouble {
  const deadline = signal.reason instanceof DeadlineReached
  return {
    phase,
    status: 'pending',
    problem: deadline ? 'DEADLINE' : 'ABORTED',
    text: deadline ? 'the time for it is over' : 'stopped by the caller',
    transcript: [],
    cause,
  }
}
