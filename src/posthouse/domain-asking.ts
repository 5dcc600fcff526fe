// Owns questions to DNS that a person waits for: each with a deadline of its own, and a failure is an answer like others.

import type { Clock } from '../base/clock.ts'
import type { DnsAnswer, ResolveOptions } from '../dns/resolver.ts'

export type Asked<T> =
  | { readonly kind: 'records'; readonly records: readonly T[]; readonly secure: boolean }
  | { readonly kind: 'none' }
  | { readonly kind: 'failed'; readonly reason: string }

export type Ask = <T>(question: (options: ResolveOptions) => Promise<DnsAnswer<T>>) => Promise<Asked<T>>

/** Never rejects. */
export function createAsk(clock: Clock, deadlineMs: number): Ask {
  return (question) => withDeadline(clock, deadlineMs, async (signal) => read(await question({ signal })))
}

function read<T>(answer: DnsAnswer<T>): Asked<T> {
  switch (answer.kind) {
    case 'records':
      return { kind: 'records', records: answer.records, secure: answer.secure }
    case 'none':
      return { kind: 'none' }
    case 'temporary':
      return { kind: 'failed', reason: answer.reason }
  }
}

async function withDeadline<T>(
  clock: Clock,
  deadlineMs: number,
  run: (signal: AbortSignal) => Promise<Asked<T>>,
): Promise<Asked<T>> {
  try {
    return await bounded(clock, deadlineMs, run)
  } catch (cause) {
    return { kind: 'failed', reason: cause instanceof Error ? cause.message : String(cause) }
  }
}

/** Rejects when the time is over, whatever `run` does then. */
export async function bounded<T>(
  clock: Clock,
  deadlineMs: number,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController()
  const error = new Error(`no answer within ${Math.round(deadlineMs / 1000)} s`)
  let fail: (error: Error) => void = () => {}
  const over = new Promise<never>((_resolve, reject) => {
    fail = reject
  })
  const timer = clock.setTimer(deadlineMs, () => {
    fail(error)
    late.abort(error)
  })
  try {
    return await Promise.race([run(late.signal), over])
  } finally {
    timer.cancel()
  }
}
