// Owns the translation of what hosts said, or did not say, into the queue's outcomes: one status, one reason.
// RFC 3463 (status codes), RFC 5321 section 4.2.1 (what 4xx and 5xx mean).

import type { SessionFailure } from '../client/session-options.ts'
import type { Outcome } from '../queue/types.ts'
import { describeReply, type Reply } from '../smtp/reply.ts'
import type { RecipientResult } from '../smtp/transaction.ts'

export type Deferred = Extract<Outcome, { kind: 'deferred' }>
export type Failed = Extract<Outcome, { kind: 'failed' }>

export const deferred = (status: string, reason: string, more: Partial<Deferred> = {}): Deferred => ({
  kind: 'deferred',
  status,
  reason,
  isReply: false,
  ...more,
})

export const failed = (status: string, reason: string, more: Partial<Failed> = {}): Failed => ({
  kind: 'failed',
  status,
  reason,
  isReply: false,
  ...more,
})

/** The reply's enhanced status in the class wanted: the code decides, whatever class the status claims. */
export function statusOf(answer: Reply, statusClass: 4 | 5): string {
  return answer.status === undefined ? `${statusClass}.0.0` : `${statusClass}${answer.status.slice(1)}`
}

/** `remoteMta` is the host's name; `dsnPassedOn` as in Outcome. */
export function outcomeOf(
  result: RecipientResult,
  context: { readonly remoteMta: string; readonly dsnPassedOn: boolean; readonly stopped: boolean },
): Outcome {
  const { remoteMta } = context
  switch (result.kind) {
    case 'accepted': {
      const reply = describeReply(result.reply)
      if (!context.dsnPassedOn) return { kind: 'delivered', how: 'relayed', reply, remoteMta }
      return { kind: 'delivered', how: 'relayed', reply, remoteMta, dsnPassedOn: true }
    }
    case 'refused': {
      const reason = describeReply(result.reply)
      return result.reply.code < 500
        ? { kind: 'deferred', status: statusOf(result.reply, 4), reason, isReply: true, remoteMta }
        : { kind: 'failed', status: statusOf(result.reply, 5), reason, isReply: true, remoteMta }
    }
    case 'broken': {
      // RFC 3463: 4.4.2 bad connection, 4.3.2 it was us.
      const status = context.stopped ? '4.3.2' : '4.4.2'
      const reason = `${result.reason} (${stageText[result.stage]})`
      return deferred(status, reason, {
        remoteMta,
        ...(result.mayHaveDelivered && { mayHaveDelivered: true }),
      })
    }
  }
}

const stageText = {
  reset: 'while sending RSET',
  mail: 'while sending MAIL',
  rcpt: 'while sending RCPT',
  data: 'while sending DATA',
  body: 'while sending the message',
  end: 'after the message, before its answer',
} as const

/** Why no session came to be, as a deferral of everything for this destination. */
export function openingDeferred(failure: SessionFailure, remoteMta: string): Deferred {
  const reply = failure.reply
  if (reply !== undefined) {
    // Wrong credentials or a host that is closed today are ours or its operator's to mend: no mail bounces for them.
    const status = reply.status === undefined ? phaseStatus[failure.phase] : statusOf(reply, 4)
    return deferred(status, failure.reason, { isReply: true, remoteMta })
  }
  return deferred(openingStatus(failure), failure.reason, { remoteMta })
}

const phaseStatus = {
  dial: '4.4.1',
  greeting: '4.3.2',
  hello: '4.3.0',
  startTls: '4.7.0',
  auth: '4.7.8',
} as const

function openingStatus({ phase, kind }: SessionFailure): string {
  if (kind === 'aborted') return '4.3.2'
  if (kind === 'tls') return '4.7.5'
  if (kind === 'notOffered') return phase === 'startTls' ? '4.7.4' : '4.7.0'
  if (kind === 'auth') return '4.7.8'
  return phase === 'dial' ? '4.4.1' : '4.4.2'
}
