// Owns messages, deliveries and placements as the store's tests make them. For tests only.

import type { Clock } from '../base/clock.ts'
import { createIdSource } from '../base/id.ts'
import type { Delivery, Message, NewMessage, Placement } from '../queue/types.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'

/** When samples are received: the start of virtual time. */
export const startAt: number = new VirtualClock().now()
export const dayMs = 86_400_000
/** One id a millisecond, so that their order is that in which they were made. */
const ticks = { now: startAt }
const defaultId = createIdSource({ ...new VirtualClock(), now: () => ticks.now++ } as Clock, seededRandom(1))

export interface SampleOptions {
  readonly id?: string
  readonly at?: number
  readonly recipients?: readonly string[]
  readonly destination?: string
  readonly state?: Delivery['state']
  readonly dueAt?: number
  readonly expiresAt?: number
  readonly delayNoticeAt?: number
  readonly body?: string | Uint8Array
  /** Mailbox rows instead of deliveries. */
  readonly placed?: readonly string[]
}

export const placementIn = (account: string, at = startAt): Placement => ({
  account,
  mailbox: 'INBOX',
  prefix: `Return-Path: <sender@source.example>\r\nDelivered-To: ${account}\r\n`,
  internalDate: at,
})

export const sampleText = (subject: string, bytes = 0): string =>
  `From: Sender <sender@source.example>\r\nTo: someone@example.test\r\nSubject: ${subject}\r\n\r\nhello\r\n${'x'.repeat(bytes)}`

export function newMessage(options: SampleOptions = {}): NewMessage & {
  readonly body: { readonly kind: 'inline' }
} {
  const id = options.id ?? defaultId()
  const at = options.at ?? startAt
  const bytes = Buffer.from(options.body ?? sampleText('sample'))
  const message: Message = {
    id,
    receivedAt: at,
    reversePath: 'sender@source.example',
    sizeBytes: bytes.length,
    smtputf8: false,
    body8bit: false,
    origin: { via: 'smtp', peerAddress: '192.0.2.1' },
  }
  const delivery = (recipient: string, seq: number): Delivery => ({
    messageId: id,
    seq,
    recipient,
    domain: recipient.slice(recipient.lastIndexOf('@') + 1),
    destination: options.destination ?? `mx:${recipient.slice(recipient.lastIndexOf('@') + 1)}`,
    state: options.state ?? 'active',
    dueAt: options.dueAt ?? at,
    expiresAt: options.expiresAt ?? at + 5 * dayMs,
    ...(options.delayNoticeAt !== undefined && { delayNoticeAt: options.delayNoticeAt }),
    attemptCount: 0,
    notify: ['FAILURE'],
    orcpt: `rfc822;${recipient}`,
  })
  const recipients = options.recipients ?? (options.placed === undefined ? ['someone@target.example'] : [])
  const half = bytes.length >> 1
  return {
    message,
    body: {
      kind: 'inline',
      chunks: [bytes.subarray(0, half), bytes.subarray(half)],
      sizeBytes: bytes.length,
    },
    deliveries: recipients.map(delivery),
    ...(options.placed !== undefined && {
      settled: options.placed.map((account, i) => ({
        delivery: delivery(account, recipients.length + i),
        placement: placementIn(account, at),
      })),
    }),
    events: [{ messageId: id, at, kind: 'accepted', data: { via: 'smtp' } }],
  }
}
