// Owns what follows from the result of an attempt, a passed deadline or an operator's act: the rows to change, the events to write,
// the reports to make. Pure: same input, same answer. RFC 3461 section 5.2 (who is told of what), RFC 3463 (status).

import { unreachable } from '../base/assert.ts'
import type { DsnKind, DsnRecipient } from '../message/dsn.ts'
import type { Notify } from '../smtp/envelope.ts'
import type { Mark } from './lane.ts'
import type { RetryPolicy } from './retry.ts'
import { nextTryAt } from './retry-curve.ts'
import type { DeliveryChange } from './store.ts'
import type { AttemptReport, Delivery, HostReport, Message, Outcome, TimelineEvent } from './types.ts'

export interface Report {
  readonly kind: DsnKind
  readonly seq: number
  readonly recipient: DsnRecipient
}

export interface Consequences {
  readonly changes: DeliveryChange[]
  readonly events: TimelineEvent[]
  readonly reports: Report[]
  /** Earliest next try among what now waits; Infinity: none. */
  wakeAt: number
}

/** Consequences for the recipients of one message. */
export interface MessageEffects {
  readonly message: Message
  readonly effects: Consequences
}

export interface AttemptResult {
  readonly message: Message
  readonly deliveries: readonly Delivery[]
  readonly outcomes: readonly Outcome[]
  readonly report: AttemptReport
  readonly now: number
  readonly policy: RetryPolicy
  /** The destination is down: it, and not this message, waits until then. */
  readonly blockedUntil?: number | undefined
  readonly marks?: ReadonlyMap<number, Mark> | undefined
}

type Deferred = Extract<Outcome, { kind: 'deferred' }>
type Failed = Extract<Outcome, { kind: 'failed' }>
type Delivered = Extract<Outcome, { kind: 'delivered' }>

export const nothingYet = (): Consequences => ({ changes: [], events: [], reports: [], wakeAt: Infinity })

export function consequences(attempt: AttemptResult): Consequences {
  const to = nothingYet()
  const { deliveries, outcomes } = attempt
  const first = outcomes[0]
  if (deliveries.length === 1 && first?.kind === 'delivered') {
    // The hot path: one change, one event.
    const delivery = deliveries[0] as Delivery
    remove(to, delivery, first)
    to.events.push(deliveredEvent(attempt, first, delivery.seq, undefined))
    if (delivery.notify !== undefined) reportSuccess(to, delivery, first)
    return to
  }
  if (outcomes.some((outcome) => outcome.kind !== 'delivered')) to.events.push(attemptEvent(attempt))
  pushDelivered(to, attempt)
  for (let i = 0; i < deliveries.length; i++) {
    const delivery = deliveries[i] as Delivery
    const outcome = outcomes[i] as Outcome
    switch (outcome.kind) {
      case 'delivered':
        break
      case 'deferred':
        defer(to, attempt, delivery, outcome)
        break
      case 'failed':
        fail(to, delivery, outcome, attempt.now, { kind: 'failed', data: {} })
        break
      default:
        unreachable(outcome)
    }
  }
  return to
}

/** Delivered ones with the same words share one event. */
function pushDelivered(to: Consequences, attempt: AttemptResult): void {
  const groups = new Map<string, { readonly outcome: Delivered; readonly seqs: number[] }>()
  for (let i = 0; i < attempt.deliveries.length; i++) {
    const delivery = attempt.deliveries[i] as Delivery
    const outcome = attempt.outcomes[i] as Outcome
    if (outcome.kind !== 'delivered') continue
    remove(to, delivery, outcome)
    if (delivery.notify !== undefined) reportSuccess(to, delivery, outcome)
    const key = `${outcome.how} ${outcome.reply}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { outcome, seqs: [delivery.seq] })
    else group.seqs.push(delivery.seq)
  }
  for (const { outcome, seqs } of groups.values())
    to.events.push(
      deliveredEvent(
        attempt,
        outcome,
        seqs.length === 1 ? seqs[0] : undefined,
        seqs.length === 1 ? undefined : seqs,
      ),
    )
}

function remove(to: Consequences, delivery: Delivery, outcome?: Delivered): void {
  to.changes.push({
    messageId: delivery.messageId,
    seq: delivery.seq,
    to: outcome?.placement === undefined ? removed : { kind: 'remove', placement: outcome.placement },
  })
}
const removed = { kind: 'remove' } as const

function deliveredEvent(
  attempt: AttemptResult,
  outcome: Delivered,
  seq: number | undefined,
  seqs: readonly number[] | undefined,
): TimelineEvent {
  const { report, message, now } = attempt
  const host: HostReport | undefined = report.hosts[report.hosts.length - 1]
  const data: Record<string, unknown> = { how: outcome.how, ms: report.endedAt - report.startedAt }
  if (seqs !== undefined) data.seqs = seqs
  if (outcome.reply !== undefined) data.reply = outcome.reply
  if (outcome.placement !== undefined) {
    data.account = outcome.placement.account
    data.mailbox = outcome.placement.mailbox
  }
  if (host !== undefined) {
    data.host = host.name ?? host.address
    if (host.name !== undefined) data.address = host.address
    if (host.tls !== undefined) data.tls = host.tls
    if (host.policy !== undefined) data.policy = host.policy
    if (report.hosts.length > 1) data.hosts = report.hosts
  }
  if (report.notes !== undefined) data.notes = report.notes
  if (report.told !== undefined) data.told = report.told
  const attemptCount = attempt.deliveries[0]?.attemptCount ?? 1
  if (attemptCount > 1) data.attempt = attemptCount
  return seq === undefined
    ? { messageId: message.id, at: now, kind: 'delivered', data }
    : { messageId: message.id, seq, at: now, kind: 'delivered', data }
}

function attemptEvent(attempt: AttemptResult): TimelineEvent {
  const { report, message, deliveries, now } = attempt
  const data: Record<string, unknown> = {
    seqs: deliveries.map((delivery) => delivery.seq),
    attempt: deliveries[0]?.attemptCount ?? 1,
    destination: deliveries[0]?.destination,
    hosts: report.hosts,
    startedAt: report.startedAt,
    ms: report.endedAt - report.startedAt,
  }
  if (report.transcript !== undefined) data.transcript = report.transcript
  if (report.notes !== undefined) data.notes = report.notes
  if (report.told !== undefined) data.told = report.told
  return { messageId: message.id, at: now, kind: 'attempt', data }
}

const asks = (delivery: Delivery, what: Notify): boolean =>
  // RFC 3461 section 4.1: without NOTIFY failures are reported, and delays at the server's will.
  delivery.notify === undefined ? what === 'FAILURE' || what === 'DELAY' : delivery.notify.includes(what)

function reportSuccess(to: Consequences, delivery: Delivery, outcome: Delivered): void {
  if (!asks(delivery, 'SUCCESS')) return
  // RFC 3461 section 5.2.2: a next hop that knows DSN has the duty now; without it we say 'relayed'.
  if (outcome.dsnPassedOn === true) return
  to.reports.push({
    kind: outcome.how === 'relayed' ? 'relayed' : 'delivered',
    seq: delivery.seq,
    recipient: dsnRecipient(delivery, {
      status: outcome.how === 'relayed' ? '2.0.0' : '2.1.5',
      ...(outcome.remoteMta !== undefined && { remoteMta: outcome.remoteMta }),
      ...(outcome.reply !== undefined && {
        diagnostic: { isReply: outcome.how === 'relayed', text: outcome.reply },
      }),
    }),
  })
}

/** Success of a delivery that the accepting transaction itself made. */
export function reportPlaced(to: Consequences, delivery: Delivery): void {
  reportSuccess(to, delivery, { kind: 'delivered', how: 'local' })
}

export function dsnRecipient(
  delivery: Delivery,
  rest: Omit<DsnRecipient, 'finalRecipient' | 'originalRecipient'>,
): DsnRecipient {
  return {
    finalRecipient: delivery.recipient,
    // RFC 3464 section 2.3.1: only where ORCPT was given.
    ...(delivery.orcpt !== undefined && { originalRecipient: delivery.orcpt }),
    ...rest,
  }
}

function defer(to: Consequences, attempt: AttemptResult, delivery: Delivery, outcome: Deferred): void {
  const { now, policy, message, blockedUntil } = attempt
  const mark = attempt.marks?.get(delivery.seq)
  const tried: Delivery = {
    ...delivery,
    lastError: outcome.reason,
    lastStatus: outcome.status,
    lastAttemptAt: now,
  }
  if (mark !== undefined) return applyAct(to, tried, mark, now)
  if (now >= delivery.expiresAt) return expire(to, message, tried, now)
  const curveAt = nextTryAt(policy, delivery, now)
  const askedAt = outcome.retryAfterMs === undefined ? 0 : now + outcome.retryAfterMs
  const dueAt = blockedUntil ?? Math.max(curveAt, askedAt)
  const why =
    blockedUntil !== undefined ? 'destination down' : askedAt > curveAt ? 'asked to wait' : 'retry curve'
  const data: Record<string, unknown> = {
    status: outcome.status,
    reason: outcome.reason,
    nextTryAt: dueAt,
    why,
  }
  if (!outcome.isReply) data.ours = true
  if (outcome.remoteMta !== undefined) data.remoteMta = outcome.remoteMta
  if (outcome.mayHaveDelivered === true) data.mayHaveDelivered = true
  to.events.push({ messageId: delivery.messageId, seq: delivery.seq, at: now, kind: 'deferred', data })
  wait(to, { ...tried, dueAt }, now, {
    isReply: outcome.isReply,
    ...(outcome.remoteMta !== undefined && { remoteMta: outcome.remoteMta }),
  })
}

/** The row waits until its dueAt; where its delay notice is due, it is sent, once. */
function wait(
  to: Consequences,
  delivery: Delivery,
  now: number,
  words?: { readonly isReply: boolean; readonly remoteMta?: string },
): void {
  let row: Delivery = { ...delivery, state: 'waiting' }
  if (row.delayNoticeAt !== undefined && now >= row.delayNoticeAt) {
    const { delayNoticeAt: _, ...rest } = row
    row = rest
    if (asks(delivery, 'DELAY'))
      to.reports.push({
        kind: 'delayed',
        seq: delivery.seq,
        recipient: dsnRecipient(delivery, {
          status: delivery.lastStatus ?? '4.0.0',
          ...lastWords(delivery, words?.isReply),
          ...(words?.remoteMta !== undefined && { remoteMta: words.remoteMta }),
          willRetryUntil: delivery.expiresAt,
        }),
      })
  }
  to.changes.push({ messageId: row.messageId, seq: row.seq, to: { kind: 'update', delivery: row } })
  to.wakeAt = Math.min(to.wakeAt, row.dueAt)
}

/** Rows keep the words but not whose they were: a reply is known by its code. */
const looksLikeReply = (text: string): boolean => /^[245]\d\d(?:[ -]|$)/.test(text)

function lastWords(
  delivery: Delivery,
  isReply?: boolean,
): Pick<DsnRecipient, 'diagnostic' | 'lastAttemptAt'> {
  return {
    ...(delivery.lastError !== undefined && {
      diagnostic: { isReply: isReply ?? looksLikeReply(delivery.lastError), text: delivery.lastError },
    }),
    ...(delivery.lastAttemptAt !== undefined && { lastAttemptAt: delivery.lastAttemptAt }),
  }
}

function fail(
  to: Consequences,
  delivery: Delivery,
  outcome: Failed,
  now: number,
  event: {
    readonly kind: 'failed' | 'bounced' | 'expired'
    readonly data: Readonly<Record<string, unknown>>
  },
): void {
  remove(to, delivery)
  const data: Record<string, unknown> = { status: outcome.status, reason: outcome.reason, ...event.data }
  if (!outcome.isReply) data.ours = true
  if (outcome.remoteMta !== undefined) data.remoteMta = outcome.remoteMta
  to.events.push({ messageId: delivery.messageId, seq: delivery.seq, at: now, kind: event.kind, data })
  if (!asks(delivery, 'FAILURE')) return
  const lastAttemptAt = event.kind === 'failed' ? now : delivery.lastAttemptAt
  to.reports.push({
    kind: 'failed',
    seq: delivery.seq,
    recipient: dsnRecipient(delivery, {
      status: outcome.status,
      diagnostic: { isReply: outcome.isReply, text: outcome.reason },
      ...(outcome.remoteMta !== undefined && { remoteMta: outcome.remoteMta }),
      ...(lastAttemptAt !== undefined && { lastAttemptAt }),
    }),
  })
}

const dayMs = 86_400_000

/** RFC 3463 section 3.5: X.4.7, delivery time expired; the report carries the last words. */
export function expire(
  to: Consequences,
  message: Message,
  delivery: Delivery,
  now: number,
  downWords?: string,
): void {
  const last = delivery.lastError ?? downWords
  const ageMs = now - message.receivedAt
  const age =
    ageMs >= dayMs
      ? `${Math.round(ageMs / dayMs)} days`
      : `${Math.max(1, Math.round(ageMs / 60_000))} minutes`
  const isReply = last !== undefined && looksLikeReply(last)
  fail(
    to,
    delivery,
    {
      kind: 'failed',
      status: '4.4.7',
      reason:
        last === undefined
          ? `not delivered within ${age}`
          : isReply
            ? last
            : `not delivered within ${age}; last: ${last}`,
      isReply,
    },
    now,
    {
      kind: 'expired',
      data: { attempts: delivery.attemptCount, ageMs, ...(last !== undefined && { last }) },
    },
  )
}

/** A waiting delivery whose expiry or delay notice has come; it was leased for this alone. */
export function meetDeadline(
  to: Consequences,
  message: Message,
  delivery: Delivery,
  now: number,
  downWords: string | undefined,
): void {
  if (now >= delivery.expiresAt) return expire(to, message, delivery, now, downWords)
  const shown =
    delivery.lastError === undefined && downWords !== undefined
      ? { ...delivery, lastError: downWords }
      : delivery
  wait(to, shown, now)
}

export type Act = 'hold' | 'release' | 'retry' | 'bounce' | 'delete'

export interface ActNote {
  readonly act: Act
  /** Who asked: goes into the timeline. */
  readonly by: string
  readonly reason?: string
  /** release: times that have passed while it was held begin anew. */
  readonly policy?: RetryPolicy
}

function renew(delivery: Delivery, policy: RetryPolicy | undefined, now: number): Delivery {
  const delayNoticeAfterMs = policy?.delayNoticeAfterMs
  return {
    ...delivery,
    state: 'waiting',
    dueAt: now,
    expiresAt: delivery.expiresAt > now ? delivery.expiresAt : now + (policy?.giveUpAfterMs ?? 0),
    ...(delivery.delayNoticeAt !== undefined &&
      delivery.delayNoticeAt <= now &&
      delayNoticeAfterMs !== undefined && { delayNoticeAt: now + delayNoticeAfterMs }),
  }
}

/** What an operator's act does to one delivery, which is leased. */
export function applyAct(to: Consequences, delivery: Delivery, note: ActNote, now: number): void {
  const { messageId, seq } = delivery
  const data = { by: note.by, ...(note.reason !== undefined && { reason: note.reason }) }
  const event = (kind: TimelineEvent['kind']): void =>
    void to.events.push({ messageId, seq, at: now, kind, data })
  const update = (row: Delivery): void =>
    void to.changes.push({ messageId, seq, to: { kind: 'update', delivery: row } })
  switch (note.act) {
    case 'hold':
      event('held')
      return update({ ...delivery, state: 'held', dueAt: now })
    case 'release': {
      event('released')
      to.wakeAt = Math.min(to.wakeAt, now)
      return update(renew(delivery, note.policy, now))
    }
    case 'retry':
      event('retried')
      to.wakeAt = Math.min(to.wakeAt, now)
      return update({ ...delivery, state: 'waiting', dueAt: now })
    case 'delete':
      event('deleted')
      return remove(to, delivery)
    case 'bounce': {
      const last = delivery.lastError === undefined ? '' : `; last: ${delivery.lastError}`
      const reason = `returned by the administrator${note.reason === undefined ? '' : `: ${note.reason}`}${last}`
      return fail(to, delivery, { kind: 'failed', status: '5.0.0', reason, isReply: false }, now, {
        kind: 'bounced',
        data,
      })
    }
    default:
      unreachable(note.act)
  }
}
