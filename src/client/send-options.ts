// Owns what one `send` can be told, and what it becomes: the instant by which all must be done, the words of a request for
// delivery reports. Everything is checked before anything is begun. RFC 3461.

import { types } from 'node:util'
import type { Clock } from '../base/clock.ts'
import { UsageError } from '../base/usage-error.ts'
import type { EnvelopeInput } from '../message/message-input.ts'
import type { Notify } from '../smtp/envelope.ts'
import { neverAborted } from './abort-fan.ts'
import { DeadlineReached } from './carried.ts'
import type { DkimOptions } from './dkim-options.ts'
import { aFlag, aRecord, aText, checkFields, isRecord } from './option-checks.ts'

/** How long one call may take. */
export interface TimeOptions {
  /** Stops it; the error says whether the message may have been delivered. */
  readonly signal?: AbortSignal
  /** All of it must be done by then: an instant, as a Date or in epoch ms. */
  readonly deadline?: Date | number
  /** The same, in milliseconds from now. */
  readonly timeoutMs?: number
}

export interface SendOptions extends TimeOptions {
  /** Who is asked to deliver it, where that is not what the header says. */
  readonly envelope?: EnvelopeInput
  /** Delivery reports (RFC 3461), where the server offers DSN. */
  readonly dsn?: {
    readonly notify?: 'never' | readonly ('success' | 'failure' | 'delay')[]
    /** How much of the message a report has. */
    readonly return?: 'full' | 'headers'
    /** Comes back in the report; printable ASCII, at most 100 characters. */
    readonly id?: string
    /** The recipient's address as it was before; default: none is said. */
    readonly originalRecipient?: boolean
  }
  /** In place of the mailer's `dkim` or `sign`; false: this message is not signed. */
  readonly dkim?: DkimOptions | false
}

export interface Limit {
  readonly signal: AbortSignal
  done(): void
}

const unlimited: Limit = { signal: neverAborted, done: () => {} }
/** 2000-01-01. A smaller number is a span that was meant for `timeoutMs`. */
const instantMin = 946_684_800_000

const isSignal = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Partial<AbortSignal>).aborted === 'boolean' &&
  typeof (value as Partial<AbortSignal>).addEventListener === 'function'

/** Checks and starts the clock; `done` stops it. @throws UsageError: nothing was started */
export function startLimit({ signal, deadline, timeoutMs }: TimeOptions, clock: Clock): Limit {
  if (signal !== undefined && !isSignal(signal)) throw new UsageError('signal', 'must be an AbortSignal')
  if (deadline === undefined && timeoutMs === undefined)
    return signal === undefined ? unlimited : { signal, done: unlimited.done }
  const waitMs = Math.min(msUntil(deadline, clock), spanOf(timeoutMs))
  const controller = new AbortController()
  const abort = (): void => controller.abort(signal?.reason)
  const over = (): void => controller.abort(new DeadlineReached('the time for it is over'))
  if (signal?.aborted) abort()
  else signal?.addEventListener('abort', abort, { once: true })
  if (waitMs <= 0) over()
  const timer = waitMs === Number.POSITIVE_INFINITY ? undefined : clock.setTimer(Math.max(0, waitMs), over)
  return {
    signal: controller.signal,
    done: () => {
      timer?.cancel()
      signal?.removeEventListener('abort', abort)
    },
  }
}

/** Infinity without one; negative when it is over. @throws UsageError */
export function msUntil(deadline: TimeOptions['deadline'], clock: Clock): number {
  if (deadline === undefined) return Number.POSITIVE_INFINITY
  const at = types.isDate(deadline) ? deadline.getTime() : deadline
  if (typeof at !== 'number' || Number.isNaN(at))
    throw new UsageError('deadline', 'must be an instant: a Date, or a number of epoch milliseconds')
  const now = clock.now()
  if (typeof deadline === 'number' && at < instantMin && now > instantMin)
    throw new UsageError('deadline', 'is an instant in epoch milliseconds: a span from now is `timeoutMs`')
  return at - now
}

function spanOf(timeoutMs: number | undefined): number {
  if (timeoutMs === undefined) return Number.POSITIVE_INFINITY
  if (typeof timeoutMs !== 'number' || Number.isNaN(timeoutMs))
    throw new UsageError('timeoutMs', 'must be a number of milliseconds')
  return timeoutMs
}

/** @throws UsageError */
export function checkOptions(options: unknown): void {
  if (!isRecord(options)) throw new UsageError('options', 'must be an object')
}

/** What is asked for in delivery reports. */
export interface DsnWords {
  readonly notify: readonly Notify[] | undefined
  readonly ret: 'FULL' | 'HDRS' | undefined
  readonly envid: string | undefined
  readonly withOriginal: boolean
}

const noDsn: DsnWords = { notify: undefined, ret: undefined, envid: undefined, withOriginal: false }

/** @throws UsageError */
export function readDsn(dsn: SendOptions['dsn']): DsnWords {
  if (dsn === undefined) return noDsn
  checkFields({ dsn }, { dsn: aRecord })
  checkFields(dsn, { id: aText, originalRecipient: aFlag }, 'dsn.')
  const { notify, id, originalRecipient = false } = dsn
  if (id !== undefined && !/^[\x20-\x7e]{1,100}$/.test(id))
    throw new UsageError('dsn.id', 'printable ASCII, at most 100 characters')
  if (dsn.return !== undefined && dsn.return !== 'full' && dsn.return !== 'headers')
    throw new UsageError('dsn.return', "'full' or 'headers'")
  return {
    notify: notify === undefined ? undefined : readNotify(notify),
    ret: dsn.return === undefined ? undefined : dsn.return === 'full' ? 'FULL' : 'HDRS',
    envid: id,
    withOriginal: originalRecipient,
  }
}

const notifyWords: readonly unknown[] = ['success', 'failure', 'delay']

function readNotify(notify: unknown): readonly Notify[] {
  if (notify === 'never') return ['NEVER']
  if (!Array.isArray(notify) || notify.length === 0 || !notify.every((one) => notifyWords.includes(one)))
    throw new UsageError('dsn.notify', "'never', or a list of 'success', 'failure' and 'delay'")
  return notify.map((one: string) => one.toUpperCase() as Notify)
}
