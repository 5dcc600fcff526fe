// Owns the answer to "where is it, and why": for each delivery of a message its place, the other side's words, the next
// try and the reason for it. Pure: it reads what it is given and no clock.

import type { DestinationState } from './store.ts'
import type { Delivery, HostReport, Message, TimelineEvent } from './types.ts'

/** What a store knows of a message; the store's MessageView has this shape. */
export interface ExplainedMessage {
  readonly message: Message
  readonly deliveries: readonly Delivery[]
  readonly events: readonly TimelineEvent[]
}

export type Waiting =
  /** Only `release` moves it. */
  | 'held'
  /** The next hop said to come again, with the words or the pattern of greylisting. */
  | 'greylisted'
  /** The last attempt was put off by the other side or by us. */
  | 'deferred'
  /** Nothing of its destination can be reached. */
  | 'destination-down'
  /** Due, in memory or in the store: its destination takes no more at once. */
  | 'slot'
  | 'attempting'
  /** The result is there and is being written. */
  | 'settling'

export interface DeliveryExplanation {
  readonly deliveryId: string
  readonly recipient: string
  readonly destination: string
  readonly waiting: Waiting
  /** One or more plain sentences. */
  readonly text: string
  readonly attemptCount: number
  /** The other side's last words, or ours. */
  readonly words?: string
  readonly status?: string
  readonly lastAttemptAt?: number
  /** Epoch ms; absent while held or under way. */
  readonly nextTryAt?: number
  readonly expiresAt: number
  readonly delayNoticeAt?: number
  /** The other side may have it already: a connection was lost behind the final dot, so that it may arrive twice. */
  readonly mayHaveDelivered: boolean
  readonly heldBy?: string
  readonly destinationState?: DestinationState
}

export interface FinishedExplanation {
  /** undefined: the event speaks of several, see `text`. */
  readonly seq?: number
  readonly kind: 'delivered' | 'failed' | 'expired' | 'bounced' | 'deleted'
  readonly at: number
  readonly text: string
}

export interface Explanation {
  readonly messageId: string
  readonly deliveries: readonly DeliveryExplanation[]
  readonly finished: readonly FinishedExplanation[]
  /** All of it for people, one line each. */
  readonly text: string
}

export interface ExplainOptions {
  /** The state of a destination that was down the last time. */
  readonly destinationState: (destination: string) => DestinationState | undefined
  readonly now: number
  /** What the running queue does with it now. */
  readonly activity?: (messageId: string, seq: number) => 'ready' | 'dialing' | 'settling' | undefined
}

export function explain(view: ExplainedMessage, options: ExplainOptions): Explanation {
  const deliveries = view.deliveries.map((delivery) => explainDelivery(delivery, view.events, options))
  const finished = view.events.flatMap((event) => explainEnd(event, view.events))
  const lines = [
    ...deliveries.map((each) => `${each.deliveryId} to ${each.recipient}: ${each.text}`),
    ...finished.map(
      (each) =>
        `${each.seq === undefined ? view.message.id : `${view.message.id}-${each.seq}`}: ${each.text}`,
    ),
  ]
  if (lines.length === 0) lines.push(`${view.message.id}: nothing of it waits and nothing is remembered.`)
  return { messageId: view.message.id, deliveries, finished, text: lines.join('\n') }
}

const concerns = (event: TimelineEvent, delivery: Delivery): boolean =>
  event.messageId === delivery.messageId && event.seq === delivery.seq

function lastOf(
  events: readonly TimelineEvent[],
  delivery: Delivery,
  kind: TimelineEvent['kind'],
): TimelineEvent | undefined {
  return events.findLast((event) => event.kind === kind && concerns(event, delivery))
}

function explainDelivery(
  delivery: Delivery,
  events: readonly TimelineEvent[],
  options: ExplainOptions,
): DeliveryExplanation {
  const { now } = options
  const known = options.destinationState(delivery.destination)
  const down = known !== undefined && delivery.state !== 'held' ? known : undefined
  const waiting = whatFor(delivery, down, options)
  const nextTryAt =
    delivery.state === 'waiting' ? Math.max(delivery.dueAt, down?.blockedUntil ?? 0) : undefined
  const heldEvent = delivery.state === 'held' ? lastOf(events, delivery, 'held') : undefined
  const heldBy = delivery.state === 'held' ? String(heldEvent?.data.by ?? 'a route') : undefined
  const mayHaveDelivered = events.some(
    (event) => concerns(event, delivery) && event.data.mayHaveDelivered === true,
  )
  const sentences = [
    describe(waiting, delivery, down, nextTryAt, lastOf(events, delivery, 'deferred'), now),
    ...(heldBy === undefined ? [] : [`Held by ${heldBy}${reasonOf(heldEvent)}; only a release moves it.`]),
    ...(delivery.lastError === undefined || waiting === 'destination-down'
      ? []
      : [`Last words: ${delivery.lastError}${/[.!?]$/.test(delivery.lastError) ? '' : '.'}`]),
    ...(waiting === 'held' ? [] : policyAt(delivery, events)),
    ...(mayHaveDelivered
      ? [
          'A connection was lost after the whole message had been sent: the other side may have it already, so that it may arrive twice.',
        ]
      : []),
    ...(delivery.state === 'held' ? [] : [expiry(delivery, now)]),
  ]
  return {
    deliveryId: `${delivery.messageId}-${delivery.seq}`,
    recipient: delivery.recipient,
    destination: delivery.destination,
    waiting,
    text: sentences.filter((sentence) => sentence !== '').join(' '),
    attemptCount: delivery.attemptCount,
    expiresAt: delivery.expiresAt,
    mayHaveDelivered,
    ...(delivery.lastError !== undefined && { words: delivery.lastError }),
    ...(delivery.lastStatus !== undefined && { status: delivery.lastStatus }),
    ...(delivery.lastAttemptAt !== undefined && { lastAttemptAt: delivery.lastAttemptAt }),
    ...(nextTryAt !== undefined && { nextTryAt }),
    ...(delivery.delayNoticeAt !== undefined && { delayNoticeAt: delivery.delayNoticeAt }),
    ...(heldBy !== undefined && { heldBy }),
    ...(down !== undefined && { destinationState: down }),
  }
}

/** How TLS was to be used at the last host of the last attempt, and why. */
function policyAt(delivery: Delivery, events: readonly TimelineEvent[]): readonly string[] {
  const last = events.findLast(
    ({ kind, messageId, data }) =>
      kind === 'attempt' &&
      messageId === delivery.messageId &&
      Array.isArray(data.seqs) &&
      data.seqs.includes(delivery.seq),
  )
  const host = Array.isArray(last?.data.hosts) ? (last.data.hosts as readonly HostReport[]).at(-1) : undefined
  if (host?.policy === undefined) return []
  return [`TLS policy at ${host.name ?? host.address ?? 'the host'}: ${host.policy}.`]
}

const reasonOf = (event: TimelineEvent | undefined): string =>
  typeof event?.data.reason === 'string' ? ` (${event.data.reason})` : ''

function whatFor(delivery: Delivery, down: DestinationState | undefined, options: ExplainOptions): Waiting {
  if (delivery.state === 'held') return 'held'
  if (delivery.state === 'active') {
    const activity = options.activity?.(delivery.messageId, delivery.seq)
    return activity === 'ready' ? 'slot' : activity === 'settling' ? 'settling' : 'attempting'
  }
  if (down !== undefined) return 'destination-down'
  if (delivery.dueAt <= options.now) return 'slot'
  return isGreylisting(delivery) ? 'greylisted' : 'deferred'
}

/** By its words, or by the status that RFC 6647 section 2.5 says greylisting uses with a temporary reply. */
export function isGreylisting(delivery: Pick<Delivery, 'lastError' | 'lastStatus'>): boolean {
  const words = delivery.lastError
  if (words === undefined) return false
  return /gr[ae]y-?\s?list/i.test(words) || (delivery.lastStatus === '4.7.1' && /^4\d\d/.test(words))
}

function describe(
  waiting: Waiting,
  delivery: Delivery,
  down: DestinationState | undefined,
  nextTryAt: number | undefined,
  deferred: TimelineEvent | undefined,
  now: number,
): string {
  const next = nextTryAt === undefined ? '' : inWords(nextTryAt, now)
  const why =
    deferred?.data.why === 'asked to wait'
      ? 'the other side asked to wait that long'
      : 'waits grow with each attempt'
  switch (waiting) {
    case 'held':
      return 'It is held.'
    case 'attempting':
      return `Attempt ${Math.max(1, delivery.attemptCount)} is under way.`
    case 'settling':
      return 'An attempt has ended, and its result is being written.'
    case 'slot':
      return `It is due and waits for a free slot to ${delivery.destination}.`
    case 'greylisted':
      return `Greylisted: the other side takes mail of a sender that it does not know only at a later try. Next try ${next} (attempt ${delivery.attemptCount + 1}; ${why}).`
    case 'deferred':
      // Only its sender puts off what was never tried.
      if (delivery.attemptCount === 0) return `Its sender scheduled it: it goes ${next}.`
      return `Put off after attempt ${delivery.attemptCount}. Next try ${next} (${why}).`
    case 'destination-down': {
      if (down === undefined) return ''
      const since = duration(now - down.downSince)
      const count = down.failureCount === 1 ? 'once' : `${down.failureCount} times in a row`
      return `${down.destination} cannot be reached: ${down.lastError}. It has been down for ${since} and was tried ${count}. One delivery probes it ${inWords(Math.max(down.blockedUntil, now), now)}; the others follow when it answers.`
    }
  }
}

function expiry(delivery: Delivery, now: number): string {
  return `It is given up ${inWords(delivery.expiresAt, now)}.`
}

const inWords = (at: number, now: number): string => (at <= now ? 'now' : `in ${duration(at - now)}`)

/** '45 s', '12 min', '3 h 20 min', '4 d 2 h'. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 90) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  const days = Math.floor(hours / 24)
  return hours % 24 === 0 ? `${days} d` : `${days} d ${hours % 24} h`
}

function explainEnd(event: TimelineEvent, events: readonly TimelineEvent[]): readonly FinishedExplanation[] {
  const { kind, data, at, seq } = event
  const end = (text: string): readonly FinishedExplanation[] => [
    { kind: kind as FinishedExplanation['kind'], at, text, ...(seq !== undefined && { seq }) },
  ]
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  switch (kind) {
    case 'delivered': {
      const seqs = Array.isArray(data.seqs) ? ` (recipients ${data.seqs.join(', ')})` : ''
      const where = text(data.host) === '' ? text(data.account) : text(data.host)
      const reply = text(data.reply) === '' ? '' : `, which said: ${text(data.reply)}`
      const seqsDone: readonly unknown[] = Array.isArray(data.seqs) ? data.seqs : [seq]
      const twice = events.some(
        (other) => other.data.mayHaveDelivered === true && seqsDone.includes(other.seq),
      )
        ? ' It may have arrived twice: an earlier attempt lost its connection behind the whole message.'
        : ''
      return end(`Delivered${seqs}${where === '' ? '' : ` to ${where}`}${reply}.${twice}`)
    }
    case 'failed':
      return end(`Failed for good: ${text(data.reason)}.`)
    case 'expired':
      return end(`Given up: ${text(data.reason)}.`)
    case 'bounced':
      return end(`Returned to its sender by ${text(data.by)}.`)
    case 'deleted':
      return end(`Deleted by ${text(data.by)}.`)
    default:
      return []
  }
}
