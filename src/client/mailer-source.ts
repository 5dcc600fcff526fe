// Owns a message as it goes out: the signature before what was composed, and why it could not be read where it could not.
// What the caller gave (streams, a signer) has a limit of time: it does not hold the mailer for ever.

import type { Clock } from '../base/clock.ts'
import { UsageError } from '../base/usage-error.ts'
import type { ComposedMessage } from '../message/message-input.ts'
import type { Signer } from './mailer-options.ts'
import { withinDeadline } from './step-deadline.ts'

/** A stream that gives nothing for so long gives nothing more. As for the pieces of a message on the wire. */
const silenceMsMax = 180_000
/** Reading a large message for its signature takes a while. */
const signMsMax = 600_000
/** What can be read once only is kept in memory to be signed: a stream as an attachment. */
const keptBytesMax = 64 * 1024 * 1024

/** Why a message could not be read; `aborted` by the caller's signal. */
export class SourceFailure extends Error {
  override readonly name = 'SourceFailure'
  readonly aborted: boolean

  constructor(message: string, options: { readonly aborted?: boolean; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.aborted = options.aborted ?? false
  }
}

export class MailerSource {
  readonly bytes: Uint8Array | undefined
  /** 0: not known. */
  readonly sizeBytes: number
  /** It can be read again. */
  readonly repeatable: boolean
  /** What reading it threw. */
  error: unknown
  readonly #composed: ComposedMessage
  readonly #signature: Uint8Array | undefined

  /** `bytes`: of the whole, where they are there already. */
  constructor(composed: ComposedMessage, signature: Uint8Array | undefined, bytes = composed.bytes()) {
    this.error = undefined
    this.#composed = composed
    this.#signature = signature
    this.bytes = bytes === undefined || signature === undefined ? bytes : Buffer.concat([signature, bytes])
    this.repeatable = this.bytes !== undefined || composed.repeatable
    const { sizeBytes } = composed
    this.sizeBytes =
      this.bytes?.length ?? (sizeBytes === undefined ? 0 : sizeBytes + (signature?.length ?? 0))
  }

  async *stream(signal: AbortSignal): AsyncIterable<Uint8Array> {
    if (this.#signature !== undefined) yield this.#signature
    try {
      yield* this.#composed.stream(signal)
    } catch (error) {
      if (!signal.aborted) this.error = error
      throw error
    }
  }
}

/** All of a stream. Rejects with a {@link SourceFailure}, or a UsageError beyond `bytesMax`. */
export async function gather(
  stream: (signal: AbortSignal) => AsyncIterable<Uint8Array>,
  {
    clock,
    signal,
    bytesMax = Number.POSITIVE_INFINITY,
  }: { readonly clock: Clock; readonly signal: AbortSignal; readonly bytesMax?: number },
): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let bytesCount = 0
  const input = stream(signal)[Symbol.asyncIterator]()
  for (;;) {
    const step = await withinDeadline(clock, silenceMsMax, signal, () => input.next())
    if (step.kind === 'done') {
      if (step.value.done === true) return Buffer.concat(chunks)
      bytesCount += step.value.value.length
      chunks.push(step.value.value)
      if (bytesCount <= bytesMax) continue
    }
    // Not waited for: it may be what never ends.
    input.return?.(undefined)?.catch(() => {})
    switch (step.kind) {
      case 'done':
        throw new UsageError(
          'attachments',
          `a stream of more than ${bytesMax} bytes is read once, and signing reads the message before sending: give its bytes or its path`,
        )
      case 'timeout':
        throw new SourceFailure(`the message could not be read: nothing came for ${silenceMsMax / 1000} s`)
      case 'aborted':
        throw new SourceFailure('the message was not read', { aborted: true, cause: signal.reason })
      case 'failed':
        throw new SourceFailure(`the message could not be read: ${wordsOf(step.error)}`, {
          cause: step.error,
        })
    }
  }
}

const wordsOf = (error: unknown): string => {
  const cause = error instanceof Error ? error.message : error
  return typeof cause === 'string' ? cause : 'for an unknown reason'
}

/** Rejects with a {@link SourceFailure}, or a UsageError: the message or the signer cannot be used. */
export async function signedSource(
  sign: Signer,
  composed: ComposedMessage,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<MailerSource> {
  let bytes = composed.bytes()
  if (bytes === undefined && !composed.repeatable)
    bytes = await gather((abort) => composed.stream(abort), { clock, signal, bytesMax: keptBytesMax })
  const whole = bytes
  const step = await withinDeadline(clock, signMsMax, signal, async (abort) =>
    sign({ bytes: () => whole, stream: (given) => composed.stream(given), signal: abort }),
  )
  switch (step.kind) {
    case 'done': {
      const fields = typeof step.value === 'string' ? Buffer.from(step.value) : step.value
      const isBytes = fields instanceof Uint8Array
      if (!isBytes || (fields.length > 0 && (fields.at(-2) !== 13 || fields.at(-1) !== 10)))
        throw new UsageError('sign', 'gives header fields with their line ends (CRLF)')
      return new MailerSource(composed, fields, whole)
    }
    case 'timeout':
      throw new SourceFailure(`the message could not be signed: no answer in ${signMsMax / 1000} s`)
    case 'aborted':
      throw new SourceFailure('the message was not signed', { aborted: true, cause: signal.reason })
    case 'failed':
      if (step.error instanceof UsageError) throw step.error
      throw new SourceFailure(`the message could not be signed: ${wordsOf(step.error)}`, {
        cause: step.error,
      })
  }
}
