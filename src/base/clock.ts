// Owns the interface of time. Real time comes from `net`, virtual time from `testing`; nothing else reads a clock.

export interface Timer {
  /** Idempotent; after it `fire` is never called. */
  cancel(): void
}

export interface Clock {
  /** Epoch milliseconds. */
  now(): number
  /** Calls `fire` once after `delayMs` (any size, 0 allowed: a later turn of the loop). Does not keep the process alive. */
  setTimer(delayMs: number, fire: () => void): Timer
  /** Calls `run` in a later turn of the event loop, after pending I/O was read. */
  defer(run: () => void): void
}

/** Resolves after `delayMs`; rejects with the signal's reason when it is aborted first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const abort = (): void => {
      timer.cancel()
      reject(signal?.reason)
    }
    const timer = clock.setTimer(delayMs, () => {
      signal?.removeEventListener('abort', abort)
      resolve()
    })
    signal?.addEventListener('abort', abort, { once: true })
  })
}
