// Owns the delay of mail from senders that nobody here has mail from yet: a campaign is slowed down, and lists get the time to
// learn of it. The message is taken afterwards, in the same session. How many wait at once is bounded.

import { type Clock, sleep } from '../base/clock.ts'
import type { CheckVerdict } from './inbound-verdict.ts'
import type { SeenTable } from './seen-table.ts'

export interface FirstTimeOptions {
  readonly clock: Clock
  readonly table: SeenTable
  readonly delayMs: number
  /** Sessions that wait at the same time; the next one does not. Default 1000. */
  readonly waitingMax?: number
}

export class FirstTime {
  readonly #options: FirstTimeOptions
  #waitingCount = 0

  constructor(options: FirstTimeOptions) {
    this.#options = options
  }

  /** Resolves after the delay where there is one, or when the signal is aborted. */
  async check(reversePath: string, signal?: AbortSignal): Promise<CheckVerdict> {
    const { clock, table, delayMs, waitingMax = 1000 } = this.#options
    const seen = table.get(wordsOf(reversePath))
    if (seen !== undefined && seen.passCount > 0) return { check: 'first-time', result: 'known', reason: '' }
    if (this.#waitingCount >= waitingMax)
      return { check: 'first-time', result: 'first', reason: 'not delayed: too many wait already' }
    this.#waitingCount++
    try {
      await sleep(clock, delayMs, signal)
    } catch {
      // Whoever aborted knows what became of it.
    } finally {
      this.#waitingCount--
    }
    return {
      check: 'first-time',
      result: 'first',
      reason: 'no mail from this sender yet',
      data: { delayMs },
    }
  }

  /** Mail of it was taken, and nothing spoke against it. */
  passed(reversePath: string): void {
    this.#options.table.note(wordsOf(reversePath), { passed: true })
  }
}

const wordsOf = (reversePath: string): readonly string[] => ['sender', reversePath.toLowerCase()]
