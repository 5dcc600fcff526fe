// Owns the transports that end here: local mailboxes, capture for the console, discard. They only say what is to be
// written; the settle of the queue writes it, in one transaction with the end of the delivery. RFC 5321 section 4.4.

import type { Clock } from '../base/clock.ts'
import { formatDeliveredTo, formatReturnPath } from '../message/trace.ts'
import type { Transport } from '../queue/transport.ts'
import type { Delivery, Message, Outcome, Placement } from '../queue/types.ts'

/** The account whose mailbox rows are captured mail. */
export const captureAccount = 'capture'

export interface LocalTransportOptions {
  readonly clock: Clock
  /** The account that the delivery goes to; undefined: it was removed while the message waited. */
  readonly accountFor: (delivery: Delivery) => string | undefined
}

/** Puts mail into INBOX of its account. */
export function createLocalTransport(options: LocalTransportOptions): Transport {
  const { clock, accountFor } = options
  return transport(clock, (message, delivery) => {
    const account = accountFor(delivery)
    if (account === undefined) return gone
    return {
      kind: 'delivered',
      how: 'local',
      placement: placementOf(account, message, delivery, clock.now()),
    }
  })
}

const gone: Outcome = {
  kind: 'failed',
  status: '5.1.1',
  reason: 'there is no such mailbox any more',
  isReply: false,
}

/** Keeps mail for the console; it is never sent on by itself. */
export function createCaptureTransport({
  clock,
  inboxOf,
}: {
  readonly clock: Clock
  /** The inbox of who logged in. Default: all mail into INBOX. */
  readonly inboxOf?: (identity: string | undefined) => string
}): Transport {
  return transport(clock, (message, delivery) => ({
    kind: 'delivered',
    how: 'captured',
    placement: placementOf(
      captureAccount,
      message,
      delivery,
      clock.now(),
      inboxOf?.(message.origin.identity),
    ),
  }))
}

/** Takes mail and forgets it. */
export function createDiscardTransport({ clock }: { readonly clock: Clock }): Transport {
  return transport(clock, () => ({ kind: 'delivered', how: 'discarded' }))
}

function transport(clock: Clock, outcome: (message: Message, delivery: Delivery) => Outcome): Transport {
  return {
    async deliver({ message, deliveries }) {
      const at = clock.now()
      return {
        outcomes: deliveries.map((delivery) => outcome(message, delivery)),
        report: { hosts: [], startedAt: at, endedAt: at },
        destination: 'up',
      }
    },
  }
}

/** The mailbox row of a delivery that ends here. RFC 5321 section 4.4: final delivery puts Return-Path first. */
export const placementOf = (
  account: string,
  message: Message,
  delivery: Delivery,
  at: number,
  mailbox = 'INBOX',
): Placement => ({
  account,
  mailbox,
  prefix: formatReturnPath(message.reversePath) + formatDeliveredTo(delivery.recipient),
  internalDate: at,
})
