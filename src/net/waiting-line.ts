// Owns a bound on how many do something at once; the others wait in line, in order, for as long as they like.

import type { Clock } from '../base/clock.ts'

export interface WaitingLine {
  /** Resolves with the way out, to be called once; undefined when `waitMs` went by first or the signal was aborted. */
  enter(waitMs: number, signal?: AbortSignal): Promise<(() => void) | undefined>
}

export function createWaitingLine(placesMax: number, clock: Clock): WaitingLine {
  let insideCount = 0
  const waiting = new Set<() => void>()
  const leave = (): void => {
    const next = waiting.values().next()
    if (next.done)
      insideCount-- // else the place is handed on
    else next.value()
  }
  return {
    enter(waitMs, signal) {
      if (insideCount < placesMax) {
        insideCount++
        return Promise.resolve(leave)
      }
      return new Promise((resolve) => {
        const settle = (way: (() => void) | undefined): void => {
          waiting.delete(grant)
          timer.cancel()
          signal?.removeEventListener('abort', giveUp)
          resolve(way)
        }
        const grant = (): void => settle(leave)
        const giveUp = (): void => settle(undefined)
        const timer = clock.setTimer(waitMs, giveUp)
        waiting.add(grant)
        if (signal?.aborted) giveUp()
        else signal?.addEventListener('abort', giveUp, { once: true })
      })
    },
  }
}
