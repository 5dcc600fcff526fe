// Owns the retry policy: the curve (retry-curve.ts) with give-up and delay-notice times, and how long a destination that
// is down is left alone. Pure functions over plain data; chance and time are arguments.
// RFC 5321 section 4.5.4.1 (retry and give-up times).

import { type RetryCurve, retryDelayMs } from './retry-curve.ts'

/** All times in milliseconds. */
export interface RetryPolicy extends RetryCurve {
  /** Age at which a delivery fails; RFC 5321 section 4.5.4.1 asks for at least 4-5 days. */
  readonly giveUpAfterMs: number
  /** Age at which the sender hears of the delay, once; absent: never. */
  readonly delayNoticeAfterMs?: number
}

/**
 * Deviation: RFC 5321 section 4.5.4.1 asks for at least 30 minutes between attempts. The first waits are shorter because
 * most deferrals today are greylisting and short restarts, where 30 minutes only delay the mail; the curve passes
 * 30 minutes at the seventh attempt, and a host that cannot be reached is tried as a host (destinationDelayMs) and not
 * once per message, so that a peer in trouble sees less of us than the RFC's numbers give for several messages.
 */
export const defaultRetryPolicy: RetryPolicy = {
  firstMs: 30_000,
  maxMs: 3_600_000,
  factor: 2,
  jitterFraction: 0.2,
  giveUpAfterMs: 5 * 86_400_000,
  delayNoticeAfterMs: 4 * 3_600_000,
}

/**
 * How long a destination is left alone after `failureCount` rounds in a row in which nothing of it could be reached:
 * the same curve, never above `maxMs`. `fraction` is chance in [0, 1).
 */
export function destinationDelayMs(curve: RetryCurve, failureCount: number, fraction: number): number {
  return Math.max(1, Math.min(curve.maxMs, retryDelayMs(curve, failureCount, fraction)))
}

export interface RetryOptions extends Partial<Omit<RetryPolicy, 'delayNoticeAfterMs'>> {
  readonly delayNoticeAfterMs?: number | undefined
}

/** What is given, over the defaults. A `delayNoticeAfterMs` that is there and undefined means never. */
export function retryPolicy(options: RetryOptions = {}): RetryPolicy {
  const { delayNoticeAfterMs, ...rest } = { ...defaultRetryPolicy, ...options }
  return delayNoticeAfterMs === undefined ? rest : { ...rest, delayNoticeAfterMs }
}
