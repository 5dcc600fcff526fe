// Owns what became of a message, as data: one reply per recipient, and the sums of it. It refuses nothing.

import type { Reply } from '../smtp/reply.ts'
import type { SendPhase, TransportErrorCode } from './mailer-errors.ts'

/**
 * accepted: the peer took responsibility. rejected: it said no for good (5xx), or never can take it. pending: not
 * decided or not now (4xx, connection lost, time-out): may be tried again, by the caller.
 */
export type RecipientStatus = 'accepted' | 'rejected' | 'pending'

export interface RecipientReply {
  /** As in `envelope.to`. */
  readonly recipient: string
  readonly status: RecipientStatus
  /** The peer's answer that decided it; absent where there was none. */
  readonly reply?: Reply
  /** The answer on one line ('250 2.1.5 ok'), or what went wrong in our words. */
  readonly text: string
  readonly phase: SendPhase
  /** Why, where the peer gave no answer. */
  readonly problem?: TransportErrorCode
  /** Not accepted, and may be there all the same: the connection went behind the last byte. */
  readonly mayHaveDelivered: boolean
  /** Who answered: 'mx.example.test'. */
  readonly host?: string
}

export interface SendResult {
  /** With angle brackets. */
  readonly messageId: string
  readonly envelope: { readonly from: string; readonly to: readonly string[] }
  readonly accepted: readonly string[]
  readonly rejected: readonly string[]
  readonly pending: readonly string[]
  /** The last positive answer: '250 2.0.0 queued as 1234'. */
  readonly response: string
  /** In the order of `envelope.to`. */
  readonly replies: readonly RecipientReply[]
}

export function summarize(
  messageId: string,
  envelope: SendResult['envelope'],
  replies: readonly RecipientReply[],
): SendResult {
  const accepted: string[] = []
  const rejected: string[] = []
  const pending: string[] = []
  let response = ''
  for (const { recipient, status, text } of replies) {
    if (status === 'accepted') {
      accepted.push(recipient)
      response = text
    } else if (status === 'rejected') rejected.push(recipient)
    else pending.push(recipient)
  }
  return { messageId, envelope, accepted, rejected, pending, response, replies }
}
