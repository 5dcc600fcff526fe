// Owns how messages, deliveries and events become rows and come back. Columns hold what queries ask for, JSON the rest.

import type { DueDelivery } from '../../queue/store.ts'
import type { Delivery, DeliveryState, Message, NewMessage, TimelineEvent } from '../../queue/types.ts'

export type Cell = string | number | null

export const stateWaiting = 0
export const stateActive = 1
export const stateHeld = 2
/** The row could not be read; it stays, with its body, and no query for mail sees it. */
export const stateQuarantined = 3
/** Active by an operator's act on a held row: after a crash it is held again, not sent. */
export const stateHeldLeased = 4

const stateNumbers: Readonly<Record<DeliveryState, number>> = {
  waiting: stateWaiting,
  active: stateActive,
  held: stateHeld,
}
const stateNames: readonly (DeliveryState | undefined)[] = ['waiting', 'active', 'held', undefined, 'active']

export const stateNumber = (state: DeliveryState): number => stateNumbers[state]

/** seq, destination, domain, state, dueAt, deadlineAt, attemptCount, data. */
export type DeliveryCells = readonly [number, string, string, number, number, number, number, string]

export function deliveryCells(delivery: Delivery): DeliveryCells {
  const { messageId, seq, destination, domain, state, dueAt, attemptCount, ...rest } = delivery
  const deadlineAt = Math.min(delivery.expiresAt, delivery.delayNoticeAt ?? delivery.expiresAt)
  return [
    seq,
    destination,
    domain,
    stateNumbers[state],
    dueAt,
    deadlineAt,
    attemptCount,
    JSON.stringify(rest),
  ]
}

export interface DeliveryRow {
  readonly message_id: string
  readonly seq: number
  readonly destination: string
  readonly domain: string
  readonly state: number
  readonly due_at: number
  readonly attempt_count: number
  readonly data: string
}

/** Throws when the row's JSON cannot be read. */
export function deliveryOf(row: DeliveryRow): Delivery {
  const rest = JSON.parse(row.data) as Omit<
    Delivery,
    'messageId' | 'seq' | 'destination' | 'domain' | 'state' | 'dueAt' | 'attemptCount'
  >
  if (typeof rest !== 'object' || rest === null || typeof rest.recipient !== 'string')
    throw new TypeError('not a delivery')
  const state = stateNames[row.state]
  if (state === undefined) throw new TypeError('no such state')
  return {
    messageId: row.message_id,
    seq: row.seq,
    destination: row.destination,
    domain: row.domain,
    ...rest,
    state,
    dueAt: row.due_at,
    attemptCount: row.attempt_count,
  }
}

/** Throws when the JSON cannot be read. */
export function messageOf(data: string): Message {
  const message = JSON.parse(data) as Message
  if (typeof message !== 'object' || message === null || typeof message.id !== 'string')
    throw new TypeError('not a message')
  return message
}

/** A leased delivery as it crosses a thread: the message's JSON once for each message of an answer ('' repeats the last). */
export type DueCells = readonly [messageData: string, row: DeliveryRow]

export function dueOf(rows: readonly DueCells[]): DueDelivery[] {
  let last: Message | undefined
  return rows.map(([data, row]) => {
    if (data !== '' || last === undefined) last = messageOf(data)
    return { message: last, delivery: deliveryOf(row) }
  })
}

/** One row for the events that one transaction adds to one message. The id stands in the key. */
export function eventsJson(events: readonly TimelineEvent[]): string {
  return JSON.stringify(events.map(({ messageId, ...rest }) => rest))
}

export function eventsOf(messageId: string, json: string): TimelineEvent[] {
  return (JSON.parse(json) as Omit<TimelineEvent, 'messageId'>[]).map((event) => ({ messageId, ...event }))
}

/** account, mailbox, prefix, internalDate, seq, recipient. */
export type PlacementCells = readonly [string, string, string, number, number, string]

/**
 * An accept as it crosses a thread. `bodyAt` is where the body lies in the batch's bytes; -1 where it is in a file.
 * events: JSON, or null. foreignEvents: [messageId, JSON] of other messages.
 */
export interface AcceptRow {
  readonly id: string
  readonly receivedAt: number
  readonly sizeBytes: number
  readonly data: string
  readonly reversePath: string
  /** Of its rows of kept mail. */
  readonly tags: readonly string[]
  bodyAt: number
  readonly fileName: string | null
  readonly deliveries: readonly DeliveryCells[]
  readonly placements: readonly PlacementCells[]
  readonly events: string | null
  readonly otherEvents: readonly EventCells[]
}

export type EventCells = readonly [messageId: string, json: string]

const noTags: readonly string[] = []

export function acceptRow(accepted: NewMessage): AcceptRow {
  const { message, body, deliveries, settled, events } = accepted
  const own = events.every((event) => event.messageId === message.id)
  return {
    id: message.id,
    receivedAt: message.receivedAt,
    sizeBytes: body.sizeBytes,
    data: JSON.stringify(message),
    reversePath: message.reversePath,
    tags: message.tags ?? noTags,
    bodyAt: -1,
    fileName: body.kind === 'file' ? body.fileName : null,
    deliveries: deliveries.map(deliveryCells),
    placements:
      settled === undefined
        ? []
        : settled.map(({ delivery, placement }) => [
            placement.account,
            placement.mailbox,
            placement.prefix,
            placement.internalDate,
            delivery.seq,
            delivery.recipient,
          ]),
    events: events.length === 0 || !own ? null : eventsJson(events),
    otherEvents: own ? [] : groupEvents(events),
  }
}

export function groupEvents(events: readonly TimelineEvent[]): EventCells[] {
  const first = events[0]
  if (first === undefined) return []
  if (events.every((event) => event.messageId === first.messageId))
    return [[first.messageId, eventsJson(events)]]
  const groups = new Map<string, TimelineEvent[]>()
  for (const event of events) {
    const group = groups.get(event.messageId)
    if (group === undefined) groups.set(event.messageId, [event])
    else group.push(event)
  }
  return [...groups].map(([id, group]) => [id, eventsJson(group)])
}

/** [] where it cannot be read: the row is still of use without. */
export function readTags(json: string): readonly string[] {
  if (json === '') return []
  try {
    const tags: unknown = JSON.parse(json)
    return Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string') : []
  } catch {
    return []
  }
}
