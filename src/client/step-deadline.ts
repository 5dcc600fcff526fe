// Owns a deadline around one step: what it takes is bounded, and its end by time is a value, not a throw.

import type { Clock } from '../base/clock.ts'

export type StepResult<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'aborted' }
  | { readonly kind: 'failed'; readonly error: unknown }

/** Runs `step` with a signal that ends with `signal` or after `timeoutMs`; does not wait for a step that ignores it. */
export function withinDeadline<T>(
  clock: Clock,
  timeoutMs: number,
  signal: AbortSignal,
  step: (signal: AbortSignal) => Promise<T>,
): Promise<StepResult<T>> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve({ kind: 'aborted' })
    const controller = new AbortController()
    const settle = (result: StepResult<T>): void => {
      timer.cancel()
      signal.removeEventListener('abort', abort)
      resolve(result)
      if (result.kind !== 'done') controller.abort(new Error('the step is over'))
    }
    const abort = (): void => settle({ kind: 'aborted' })
    const timer = clock.setTimer(timeoutMs, () => settle({ kind: 'timeout' }))
    signal.addEventListener('abort', abort, { once: true })
    step(controller.signal).then(
      (value) => settle({ kind: 'done', value }),
      (error: unknown) => settle({ kind: 'failed', error }),
    )
  })
}
