// Owns the timeline of a message in sentences: each event as one line for people, and its live deliveries with the reason
// why they wait. Pure.

import { formatDeliveryId, parseDeliveryId } from '../base/id.ts'
import { type DeliveryExplanation, explain } from '../queue/explain.ts'
import type { DestinationState } from '../queue/store.ts'
import type { Delivery, Message, TimelineEvent } from '../queue/types.ts'

import type { DeliveryView, WaitingView } from './api-types.ts'

export interface ExplainContext {
  readonly now: number
  readonly destinationState: (destination: string) => DestinationState | undefined
}

export function toDeliveryView(
  message: Message,
  delivery: Delivery,
  events: readonly TimelineEvent[],
  context: ExplainContext,
): DeliveryView {
  const [told] = explain({ message, deliveries: [delivery], events }, context).deliveries
  return {
    id: formatDeliveryId(delivery.messageId, delivery.seq),
    messageId: delivery.messageId,
    recipient: delivery.recipient,
    domain: delivery.domain,
    destination: delivery.destination,
    state: delivery.state,
    receivedAt: message.receivedAt,
    reversePath: message.reversePath,
    ...(told?.nextTryAt !== undefined && { nextTryAt: told.nextTryAt }),
    expiresAt: delivery.expiresAt,
    attemptCount: delivery.attemptCount,
    ...(delivery.lastError !== undefined && { lastError: delivery.lastError }),
    ...(delivery.lastStatus !== undefined && { lastStatus: delivery.lastStatus }),
    ...(delivery.lastAttemptAt !== undefined && { lastAttemptAt: delivery.lastAttemptAt }),
    explanation: told?.text ?? '',
    ...(told !== undefined && { waiting: toWaitingView(told, events, context.now) }),
  }
}

function toWaitingView(
  told: DeliveryExplanation,
  events: readonly TimelineEvent[],
  now: number,
): WaitingView {
  const { seq } = parseDeliveryId(told.deliveryId) ?? {}
  const last = (kind: TimelineEvent['kind']): TimelineEvent | undefined =>
    events.findLast((event) => event.kind === kind && event.seq === seq)
  const held = told.waiting === 'held' ? last('held')?.data : undefined
  const state = told.destinationState
  return {
    kind: told.waiting,
    ...(word(held?.by) !== '' && { heldBy: word(held?.by) }),
    ...(word(held?.reason) !== '' && { heldReason: word(held?.reason) }),
    ...(last('deferred')?.data.why === 'asked to wait' && { askedToWait: true }),
    ...(told.mayHaveDelivered && { mayHaveDelivered: true }),
    ...(state !== undefined && {
      down: {
        since: state.downSince,
        failureCount: state.failureCount,
        lastError: state.lastError,
        probeAt: Math.max(state.blockedUntil, now),
      },
    }),
  }
}

const word = (value: unknown): string => (typeof value === 'string' ? value : '')
const behind = (lead: string, value: unknown): string => (word(value) === '' ? '' : `${lead}${word(value)}`)

/** One sentence. */
export function eventText({ kind, data }: TimelineEvent): string {
  switch (kind) {
    case 'accepted': {
      const count = typeof data.recipientCount === 'number' ? data.recipientCount : 1
      return `Accepted for ${count === 1 ? 'one recipient' : `${count} recipients`}.`
    }
    case 'check':
      return `Checked${behind(': ', data.text)}.`
    case 'queued':
      return 'Put into the queue.'
    case 'attempt':
      return `Attempt${behind(' at ', data.host)}${behind(': ', data.reply)}.`
    case 'delivered':
      if (data.how === 'captured') return `Caught${behind(' for ', data.recipient)}; it was not sent on.`
      if (data.how === 'discarded') return 'Thrown away, as its route says.'
      if (data.how === 'local')
        return `Put into ${word(data.mailbox) || 'the mailbox'}${behind(' of ', data.account)}.`
      return `Delivered${behind(' to ', data.host)}${behind(', which said: ', data.reply)}.`
    case 'deferred':
      return `Put off${behind(': ', data.reason)}.`
    case 'failed':
      return `Failed for good${behind(': ', data.reason)}.`
    case 'held':
      return `Held${behind(' by ', data.by)}${behind(': ', data.reason)}.`
    case 'released':
      return `Released${behind(' by ', data.by)}.`
    case 'retried':
      return `To be tried at once${behind(', asked by ', data.by)}.`
    case 'bounced':
      return `Returned to its sender${behind(' by ', data.by)}.`
    case 'deleted':
      return `Deleted${behind(' by ', data.by)}.`
    case 'expired':
      return `Given up${behind(': ', data.reason)}.`
    case 'dsn':
      return word(data.skipped) === ''
        ? `A report (${word(data.kind) || 'of delivery'}) was sent${behind(' to ', data.to)}.`
        : `Nobody was told (${word(data.kind)}): ${word(data.skipped)}.`
    case 'expanded':
      return `The alias${behind(' ', data.alias)} stands for ${Array.isArray(data.to) ? data.to.map(String).join(', ') : 'others'}.`
    case 'conversation':
      return 'The SMTP conversation was recorded.'
    case 'note':
      return word(data.text) || word(data.note) || 'A note.'
  }
}
