// Owns the deadline of a check: its work, or that it took too long, whichever is first. What comes later is nobody's.

import type { Clock } from '../base/clock.ts'

export type Timed<T> =
  | { readonly kind: 'done'; readonly value: T; readonly tookMs: number }
  | { readonly kind: 'late'; readonly tookMs: number }
  | { readonly kind: 'failed'; readonly cause: unknown; readonly tookMs: number }

/** Never rejects. The signal is aborted at the deadline, or when `outer` is. */
export function withinDeadline<T>(
  clock: Clock,
  deadlineMs: number,
  work: (signal: AbortSignal) => T | Promise<T>,
  outer?: AbortSignal,
): Promise<Timed<T>> {
  const startedAt = clock.now()
  const abort = new AbortController()
  return new Promise((resolve) => {
    const settle = (how: (tookMs: number) => Timed<T>): void => {
      timer.cancel()
      outer?.removeEventListener('abort', late)
      resolve(how(clock.now() - startedAt))
    }
    const late = (): void => {
      settle((tookMs) => ({ kind: 'late', tookMs }))
      abort.abort(new Error('deadline'))
    }
    const timer = clock.setTimer(deadlineMs, late)
    if (outer?.aborted === true) {
      late()
      return
    }
    outer?.addEventListener('abort', late, { once: true })
    const run = async (): Promise<T> => work(abort.signal)
    run().then(
      (value) => settle((tookMs) => ({ kind: 'done', value, tookMs })),
      (cause: unknown) => settle((tookMs) => ({ kind: 'failed', cause, tookMs })),
    )
  })
}
