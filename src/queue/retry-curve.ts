// Owns when a delivery is tried again: exponential growth with jitter, as data and one pure function, so that the
// store's thread and the queue compute the same instant. The jitter comes from the delivery's id: no state, no chance.
// RFC 5321 section 4.5.4.1.

export interface RetryCurve {
  /** Wait after the first attempt. */
  readonly firstMs: number
  /** Growth per attempt. */
  readonly factor: number
  readonly maxMs: number
  /** 0.2: each wait is spread over 80% to 120% of its length. */
  readonly jitterFraction: number
}

/** Wait after attempt number `attemptCount` (1..); `fraction` in [0, 1) places it within the jitter. */
export function retryDelayMs(curve: RetryCurve, attemptCount: number, fraction: number): number {
  const grown = Math.min(curve.maxMs, curve.firstMs * curve.factor ** Math.max(0, attemptCount - 1))
  return Math.round(grown * (1 - curve.jitterFraction + 2 * curve.jitterFraction * fraction))
}

/** The instant of the try after attempt number `attemptCount`, made at `now`. Same arguments, same instant. */
export function nextTryAt(
  curve: RetryCurve,
  delivery: { readonly messageId: string; readonly seq: number; readonly attemptCount: number },
  now: number,
): number {
  return now + retryDelayMs(curve, delivery.attemptCount, jitter(delivery))
}

/** A number in [0, 1) from the id, the recipient and the attempt (FNV-1a, then mixed). */
function jitter(delivery: {
  readonly messageId: string
  readonly seq: number
  readonly attemptCount: number
}): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < delivery.messageId.length; i++)
    hash = Math.imul(hash ^ delivery.messageId.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ delivery.seq, 0x01000193)
  hash = Math.imul(hash ^ delivery.attemptCount, 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return ((hash ^ (hash >>> 13)) >>> 0) / 4294967296
}
