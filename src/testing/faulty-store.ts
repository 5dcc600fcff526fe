// Owns faults at the Store contract: each call may be slow, fail before or after it was done, find the disk full, or be the
// moment at which the process dies. A dead process never hears an answer. Wraps any Store; decides nothing itself.

import type { Clock } from '../base/clock.ts'
import { StoreFailure } from '../queue/store.ts'
import type { Store } from '../store/store.ts'

export interface StoreFault {
  /** Virtual time before the call is made, and between its end and its answer. */
  readonly beforeMs: number
  readonly afterMs: number
  /**
   * ok; failed, full: nothing was done; lost: it was done, and the caller is told that it failed; dieBefore, dieAfter:
   * `die` is called instead of the call, or behind it, and nobody hears an answer.
   */
  readonly end: 'ok' | 'failed' | 'full' | 'lost' | 'dieBefore' | 'dieAfter'
}

export const noStoreFault: StoreFault = { beforeMs: 0, afterMs: 0, end: 'ok' }

/** Calls that write. The others only read: for them 'lost' and 'full' make no sense. */
export const storeWrites: ReadonlySet<string> = new Set([
  'accept',
  'settle',
  'takeDue',
  'takeDeadlines',
  'takeByFilter',
  'setDestination',
  'clearDestination',
  'recover',
  'mailDelete',
  'mailChange',
  'mailRemove',
  'mailTrim',
  'mailboxRemove',
  'feedPrune',
  'documentPut',
  'documentDelete',
  'documentPrune',
  'accountPut',
  'accountDelete',
  'reroute',
  'prune',
])

/** Calls that answer at once, without a disk. */
const atOnce: ReadonlySet<string> = new Set(['bodyWriter', 'feedKinds', 'onFeed'])

export interface FaultyStoreOptions {
  /** The clock of the process that asks. */
  readonly clock: Clock
  readonly isAlive: () => boolean
  /** What happens to this call; asked once for each. */
  readonly fault: (call: string, args: readonly unknown[]) => StoreFault
  readonly die: (call: string) => void
  /** Told of each call that was done, with its arguments and its result, whoever hears of it. */
  readonly done: (call: string, args: readonly unknown[], result: unknown) => void
  readonly freeBytes: () => number
  /** Default: closes the wrapped one. */
  readonly close?: () => Promise<void>
}

const forEver = <T>(): Promise<T> => new Promise(() => {})

export function faultyStore(inner: Store, options: FaultyStoreOptions): Store {
  const { clock, isAlive, fault, die, done } = options
  const pause = (ms: number): Promise<void> | undefined =>
    ms === 0 ? undefined : new Promise((resolve) => void clock.setTimer(ms, resolve))
  const failure = (code: 'full' | 'failed', call: string): StoreFailure =>
    new StoreFailure(code, `simulated: ${call} ${code}`)
  const call = async (
    name: string,
    run: () => Promise<unknown>,
    args: readonly unknown[],
  ): Promise<unknown> => {
    const { beforeMs, afterMs, end } = fault(name, args)
    await pause(beforeMs)
    if (!isAlive()) return forEver()
    if (end === 'dieBefore') {
      die(name)
      return forEver()
    }
    if (end === 'failed' || end === 'full') throw failure(end, name)
    let result: unknown
    try {
      result = await run()
    } catch (error) {
      if (!isAlive()) return forEver()
      throw error
    }
    done(name, args, result)
    if (!isAlive()) return forEver()
    if (end === 'dieAfter') {
      die(name)
      return forEver()
    }
    await pause(afterMs)
    if (!isAlive()) return forEver()
    if (end === 'lost') throw failure('failed', name)
    return result
  }
  return new Proxy(inner, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property)
      if (typeof value !== 'function' || typeof property !== 'string') return value
      if (atOnce.has(property)) return value.bind(target)
      if (property === 'freeBytes') return () => Promise.resolve(options.freeBytes())
      if (property === 'close') return options.close ?? value.bind(target)
      return (...args: unknown[]) => call(property, () => value.apply(target, args), args)
    },
  })
}
