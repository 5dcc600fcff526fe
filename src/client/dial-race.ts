// Owns reaching one host that has several addresses: the first has a head start, then the next is tried beside it; who
// connects first is it, the others are dropped. It knows no protocol. RFC 8305 (the idea; families alternate already).

import type { Clock, Timer } from '../base/clock.ts'
import { type Connection, TransportFailure } from '../base/connection.ts'

export interface DialRaceOptions {
  readonly clock: Clock
  /** At least one, in order. */
  readonly addresses: readonly string[]
  /** What one has before the next is tried beside it. */
  readonly headStartMs: number
  readonly signal: AbortSignal
  readonly dial: (address: string, signal: AbortSignal) => Promise<Connection>
}

export interface DialRaceFailure {
  readonly address: string
  readonly error: unknown
}

export interface DialRaceResult {
  /** Absent: none connected. */
  readonly won?: { readonly connection: Connection; readonly address: string }
  /** Those that failed before there was a winner, in the order of failing. */
  readonly failures: readonly DialRaceFailure[]
}

/** Never rejects. */
export function dialRace(options: DialRaceOptions): Promise<DialRaceResult> {
  const { clock, addresses, headStartMs, signal, dial } = options
  return new Promise((resolve) => {
    const failures: DialRaceFailure[] = []
    const losers = new AbortController()
    let nextIndex = 0
    let underwayCount = 0
    let done = false
    let timer: Timer | undefined
    const finish = (won?: DialRaceResult['won']): void => {
      done = true
      timer?.cancel()
      signal.removeEventListener('abort', abort)
      resolve(won === undefined ? { failures } : { won, failures })
      losers.abort()
    }
    const abort = (): void => losers.abort(signal.reason)
    const start = (): void => {
      timer?.cancel()
      timer = undefined
      const address = addresses[nextIndex++]
      if (address === undefined) return
      underwayCount++
      dial(address, losers.signal).then(
        (connection) => {
          if (done) connection.destroy()
          else finish({ connection, address })
        },
        (error: unknown) => {
          underwayCount--
          if (done) return
          failures.push({ address, error })
          if (!signal.aborted && nextIndex < addresses.length) start()
          else if (underwayCount === 0) finish()
        },
      )
      if (nextIndex < addresses.length) timer = clock.setTimer(headStartMs, start)
    }
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) {
      failures.push({
        address: addresses[0] ?? '',
        error: new TransportFailure('aborted', 'stopped', { cause: signal.reason }),
      })
      return finish()
    }
    start()
  })
}
