// Owns how far a long command is, on standard error: a bar that is drawn over itself on a terminal, elsewhere a line now
// and then. It measures nothing: it is told.

import type { Clock, Timer } from '../base/clock.ts'

import { type Colours, cut } from './text.ts'
import { roughDuration } from './time.ts'

export interface ProgressState {
  readonly done: number
  readonly failed: number
  readonly total: number
}

export interface ProgressOptions {
  readonly clock: Clock
  /** Raw text to standard error. */
  readonly write: (text: string) => void
  /** Columns of the terminal; undefined: it is none. */
  readonly width: number | undefined
  readonly colours: Colours
}

const redrawMs = 100
const lineEveryMs = 5000
const barColumns = 24

export class Progress {
  readonly #options: ProgressOptions
  readonly #startedAt: number
  #state: ProgressState
  #timer: Timer | undefined
  #drawn = false

  constructor(options: ProgressOptions, total: number) {
    this.#options = options
    this.#startedAt = options.clock.now()
    this.#state = { done: 0, failed: 0, total }
    this.#arm()
  }

  update(state: ProgressState): void {
    this.#state = state
  }

  /** Takes the bar away; nothing is drawn behind it. */
  end(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#drawn) this.#options.write('\r\x1b[K')
    this.#drawn = false
  }

  #arm(): void {
    const { clock, width, write } = this.#options
    this.#timer = clock.setTimer(width === undefined ? lineEveryMs : redrawMs, () => {
      const line = this.#line()
      if (width === undefined) write(`${line}\n`)
      else {
        write(`\r\x1b[K${cut(line, width - 1)}`)
        this.#drawn = true
      }
      this.#arm()
    })
  }

  #line(): string {
    const { clock, width, colours } = this.#options
    const { done, failed, total } = this.#state
    const elapsedMs = clock.now() - this.#startedAt
    const perSecond = elapsedMs === 0 ? 0 : (done * 1000) / elapsedMs
    const left = perSecond === 0 ? '' : `, ${roughDuration(((total - done) / perSecond) * 1000)} left`
    const wrong = failed === 0 ? '' : `, ${failed} failed`
    const text = `${done} of ${total}${wrong}, ${formatRate(perSecond)} a second${left}`
    if (width === undefined) return text
    const full = total === 0 ? 0 : Math.round((done / total) * barColumns)
    return `${colours.green('█'.repeat(full))}${colours.dim('░'.repeat(barColumns - full))} ${text}`
  }
}

/** Three digits that matter: '0.42', '12.3', '1830'. */
export const formatRate = (perSecond: number): string =>
  perSecond >= 100
    ? String(Math.round(perSecond))
    : perSecond >= 10
      ? perSecond.toFixed(1)
      : perSecond.toFixed(2)
