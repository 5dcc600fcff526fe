// Owns the first times of a delivery: retry, expiry and delay notice. Pure.

import type { Notify } from '../smtp/envelope.ts'
import type { RetryPolicy } from './retry.ts'
import { nextTryAt } from './retry-curve.ts'
import type { Delivery } from './types.ts'

/** A delivery as whoever accepts the message knows it. */
export interface DeliverySeed {
  readonly messageId: string
  readonly seq: number
  readonly recipient: string
  readonly domain: string
  readonly destination: string
  readonly notify?: readonly Notify[] | undefined
  readonly orcpt?: string | undefined
  readonly alias?: string | undefined
  /** Nothing happens to it before an operator's release. */
  readonly held?: boolean
}

/**
 * The row to accept: active, its first attempt counted and its retry (should we die during it) at the first step of the
 * curve; or held. `Queue.accept` turns it into a waiting one where memory has no room for it.
 */
export function scheduleDelivery(policy: RetryPolicy, seed: DeliverySeed, now: number): Delivery {
  const held = seed.held === true
  const attemptCount = held ? 0 : 1
  return {
    messageId: seed.messageId,
    seq: seed.seq,
    recipient: seed.recipient,
    domain: seed.domain,
    destination: seed.destination,
    ...(seed.notify !== undefined && { notify: seed.notify }),
    ...(seed.orcpt !== undefined && { orcpt: seed.orcpt }),
    ...(seed.alias !== undefined && { alias: seed.alias }),
    state: held ? 'held' : 'active',
    dueAt: held ? now : nextTryAt(policy, { messageId: seed.messageId, seq: seed.seq, attemptCount }, now),
    expiresAt: now + policy.giveUpAfterMs,
    ...(policy.delayNoticeAfterMs !== undefined && { delayNoticeAt: now + policy.delayNoticeAfterMs }),
    attemptCount,
  }
}

/** Back to the store undialed: due at once, the attempt that was not made not counted. */
export function giveBack(delivery: Delivery, now: number, reason?: string): Delivery {
  return {
    ...delivery,
    state: 'waiting',
    dueAt: now,
    attemptCount: Math.max(0, delivery.attemptCount - 1),
    ...(reason !== undefined && delivery.lastError === undefined && { lastError: reason }),
  }
}
