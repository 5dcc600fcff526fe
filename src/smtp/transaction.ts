// Owns the data of one outgoing transaction: what is asked of the client machine and what came of it, per recipient.

import type { Notify } from './envelope.ts'
import type { Reply } from './reply.ts'

export interface OutgoingRecipient {
  /** Wire text of a Mailbox. */
  readonly path: string
  readonly notify?: readonly Notify[] | undefined
  readonly orcpt?: string | undefined
}

export interface Transaction {
  /** '' is the null reverse-path; else wire text of a Mailbox. */
  readonly reversePath: string
  /** At least one, at most the peer's RCPTMAX. */
  readonly recipients: readonly OutgoingRecipient[]
  /** MAIL says SMTPUTF8: only to a peer that announced it. */
  readonly smtputf8: boolean
  /** The body has octets beyond ASCII: MAIL says BODY=8BITMIME where the peer announced it. */
  readonly body8bit: boolean
  /** MAIL says REQUIRETLS: only over TLS, to a peer that announced it. */
  readonly requireTls?: boolean
  /** Said in DSN to a peer that announced it. */
  readonly ret?: 'FULL' | 'HDRS' | undefined
  readonly envid?: string | undefined
  /** Of the body, for SIZE= (RFC 1870 section 5: dots that are stuffed do not count); 0: not known beforehand, not said. */
  readonly sizeBytes: number
  /** The whole of it; undefined: it is streamed when the machine asks with a 'body' event. */
  readonly body?: Uint8Array | undefined
}

/** Where in a transaction something went wrong. */
export type TransactionStage = 'mail' | 'rcpt' | 'data' | 'body' | 'end' | 'reset'

export type RecipientResult =
  /** The peer took responsibility. */
  | { readonly kind: 'accepted'; readonly reply: Reply }
  /** The peer answered 4xx or 5xx. */
  | { readonly kind: 'refused'; readonly reply: Reply; readonly stage: TransactionStage }
  /** No answer that could be used: connection lost, time-out, malformed reply, our own body failed, stop. */
  | {
      readonly kind: 'broken'
      readonly reason: string
      readonly stage: TransactionStage
      /** The whole message had been handed over: the peer may have it. */
      readonly mayHaveDelivered: boolean
    }

export interface TransactionResult {
  /** One for each recipient, in order. */
  readonly recipients: readonly RecipientResult[]
  /** The peer answered at least one command of this transaction. */
  readonly answered: boolean
}
