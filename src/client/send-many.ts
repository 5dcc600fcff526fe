// Owns bulk: messages are taken from the input only when there is room for them, outcomes come as they are ready.

import { UsageError } from '../base/usage-error.ts'
import type { MessageInput } from '../message/message-input.ts'
import type { SendResult } from './mailer-result.ts'
import { aCount, aFunction, checkFields } from './option-checks.ts'
import { checkOptions, type SendOptions } from './send-options.ts'

export type BulkOutcome<M extends MessageInput = MessageInput> =
  /** `index`: 0.. in the order of the input. */
  | { readonly index: number; readonly message: M; readonly ok: true; readonly result: SendResult }
  | { readonly index: number; readonly message: M; readonly ok: false; readonly error: Error }

export interface BulkProgress {
  readonly begunCount: number
  readonly sentCount: number
  readonly failedCount: number
}

export interface BulkOptions extends SendOptions {
  /** Messages under way at once. Default: twice the connections. */
  readonly concurrency?: number
  /** Called after each outcome. */
  readonly onProgress?: (progress: BulkProgress) => void
}

const nothing = (): void => {}

function iteratorOf<M>(messages: AsyncIterable<M> | Iterable<M>): AsyncIterator<M> | Iterator<M> {
  const given = messages as Partial<AsyncIterable<M> & Iterable<M>> | null | undefined
  if (typeof given === 'object' && given !== null) {
    if (typeof given[Symbol.asyncIterator] === 'function')
      return (messages as AsyncIterable<M>)[Symbol.asyncIterator]()
    if (typeof given[Symbol.iterator] === 'function') return (messages as Iterable<M>)[Symbol.iterator]()
  }
  throw new UsageError('messages', 'must be a list of messages, or anything else that can be iterated')
}

/** @throws UsageError; what the input throws */
export async function* sendMany<M extends MessageInput>(
  send: (message: M, options: SendOptions) => Promise<SendResult>,
  messages: AsyncIterable<M> | Iterable<M>,
  options: BulkOptions,
  concurrencyByDefault: number,
): AsyncGenerator<BulkOutcome<M>, void, undefined> {
  checkOptions(options)
  checkFields(options, { concurrency: aCount, onProgress: aFunction })
  const { concurrency = concurrencyByDefault, onProgress, ...sendOptions } = options
  const input = iteratorOf(messages)
  const done: BulkOutcome<M>[] = []
  let begunCount = 0
  let sentCount = 0
  let failedCount = 0
  let pulling = false
  let exhausted = false
  let broken: { readonly error: unknown } | undefined
  let wake: () => void = nothing
  const settle = (outcome: BulkOutcome<M>): void => {
    if (outcome.ok) sentCount++
    else failedCount++
    done.push(outcome)
    wake()
  }
  const pull = async (): Promise<void> => {
    pulling = true
    try {
      const next = await input.next()
      if (next.done === true) exhausted = true
      else {
        const index = begunCount++
        const message = next.value
        send(message, sendOptions).then(
          (result) => settle({ index, message, ok: true, result }),
          (error: Error) => settle({ index, message, ok: false, error }),
        )
      }
    } catch (error) {
      exhausted = true
      broken = { error }
    }
    pulling = false
    wake()
  }
  try {
    for (;;) {
      const underwayCount = begunCount - sentCount - failedCount
      if (!exhausted && !pulling && underwayCount + done.length < concurrency) void pull()
      const outcome = done.shift()
      if (outcome !== undefined) {
        onProgress?.({ begunCount, sentCount, failedCount })
        yield outcome
      } else if (exhausted && !pulling && underwayCount === 0) {
        if (broken !== undefined) throw broken.error
        return
      } else await new Promise<void>((resolve) => (wake = resolve))
    }
  } finally {
    if (!exhausted) await input.return?.()
  }
}
