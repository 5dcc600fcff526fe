// Owns the Transport contract: how the queue hands recipients of one message to the world.

import type { AttemptReport, Delivery, Message, Outcome } from './types.ts'

/** Bytes of a message body. Inline bodies just accepted come from memory, others from the store. */
export interface BodyReader {
  readonly sizeBytes: number
  /** All of it when it is small (at most 256 KiB), else undefined: then stream. */
  bytes(): Uint8Array | undefined
  /** Rejects with a typed store error when a chunk cannot be read. */
  stream(signal: AbortSignal): AsyncIterable<Uint8Array>
}

export interface DeliveryJob {
  readonly message: Message
  /** Same message, same destination; at most the destination's recipientsMax. */
  readonly deliveries: readonly Delivery[]
  readonly body: BodyReader
}

export interface TransportResult {
  /** One for each delivery, in order. */
  readonly outcomes: readonly Outcome[]
  readonly report: AttemptReport
  /**
   * down: no host of this destination could be reached or greeted us (nothing about this message was judged):
   * the whole destination backs off, not the message alone.
   */
  readonly destination: 'up' | 'down'
}

export interface Transport {
  /** Never rejects for the world's failures (they are outcomes). `signal` aborts on stop; then outcomes say deferred. */
  deliver(job: DeliveryJob, signal: AbortSignal): Promise<TransportResult>
  /** Closes idle connections; resolves when all are gone. */
  close?(): Promise<void>
}
