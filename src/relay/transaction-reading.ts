// Owns what one transaction's results, and a session that did not come to be, say about the session and its host. Pure.
// RFC 5321 sections 3.8, 4.2.4.2 (421) and 4.5.3.1.10 (too many recipients).

import type { SessionFailure } from '../client/session-options.ts'
import { describeReply } from '../smtp/reply.ts'
import type { RecipientResult, TransactionResult } from '../smtp/transaction.ts'

/** Lost, or sent away with 421, before MAIL was answered: as if this transaction had never begun. */
export function isUntouched(result: TransactionResult): boolean {
  const first = result.recipients[0]
  if (first === undefined || first.kind === 'accepted') return false
  if (first.kind === 'broken') return !result.answered && !first.mayHaveDelivered
  return first.reply.code === 421 && (first.stage === 'mail' || first.stage === 'reset')
}

/** RFC 5321 section 4.5.3.1.10: 452, and 552 from old hosts, to RCPT means "not in this transaction". */
export function isTooMany(result: RecipientResult): boolean {
  if (result.kind !== 'refused' || result.stage !== 'rcpt') return false
  const { code, status } = result.reply
  return (code === 452 || code === 552) && (status === undefined || status.endsWith('.5.3'))
}

export const reasonOf = (result: RecipientResult): string =>
  result.kind === 'broken' ? result.reason : describeReply(result.reply)

/** The host itself is at fault, not its judgement of us: do not dial it again soon. */
export function isHostDown({ phase, kind }: SessionFailure): boolean {
  if (phase === 'dial') return true
  return (
    (phase === 'greeting' || phase === 'hello') &&
    (kind === 'lost' || kind === 'timeout' || kind === 'malformed')
  )
}
