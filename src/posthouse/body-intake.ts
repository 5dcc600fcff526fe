// Owns the way of a message's bytes from the session into the store's body writer: it holds the header section back
// until it is whole (bounded), lets the glue judge and rewrite it once, then passes everything on as it comes.

import type { MaybePromise } from '../base/maybe-promise.ts'
import { Pieces } from '../base/pieces.ts'
import type { BodySource } from '../queue/types.ts'
import type { BodyWriter } from '../store/store.ts'

/** What becomes of a header section: its new bytes in order (slices of the old one where nothing changed), or a stop. */
export type HeaderDecision<Stop> =
  | { readonly kind: 'write'; readonly parts: readonly Uint8Array[] }
  | { readonly kind: 'stop'; readonly stop: Stop }

/** A header section above this is refused: no real mail has it, and it would be held in memory. */
export const headerBytesMax = 256 * 1024

export class BodyIntake<Stop> {
  readonly #writer: BodyWriter
  readonly #decide: (header: Buffer) => HeaderDecision<Stop>
  readonly #tooLong: Stop
  readonly #held = new Pieces()
  #tail: Buffer = Buffer.alloc(0)
  #open = false
  #stop: Stop | undefined

  constructor(writer: BodyWriter, decide: (header: Buffer) => HeaderDecision<Stop>, tooLong: Stop) {
    this.#writer = writer
    this.#decide = decide
    this.#tooLong = tooLong
  }

  write(bytes: Buffer): MaybePromise<void> {
    if (this.#open) return this.#writer.write(bytes)
    if (this.#stop !== undefined) return undefined
    const end = this.#headerEnd(bytes)
    this.#held.push(bytes)
    if (end !== -1) {
      const held = this.#held.count === 1 ? bytes : Buffer.concat(this.#held.take())
      return this.#pass(held.subarray(0, end), held.subarray(end))
    }
    if (this.#held.sizeBytes > headerBytesMax) this.#halt(this.#tooLong)
    return undefined
  }

  /** The stored body, or why there is none (the writer is aborted then). */
  finish(): MaybePromise<{ readonly body: BodySource } | { readonly stop: Stop }> {
    if (!this.#open && this.#stop === undefined) {
      // No empty line: all of it is header (RFC 5322 section 2.1 allows a message without a body).
      const written = this.#pass(Buffer.concat(this.#held.take()), Buffer.alloc(0))
      if (written instanceof Promise) return written.then(() => this.finish())
    }
    if (this.#stop !== undefined) return { stop: this.#stop }
    const body = this.#writer.finish()
    return body instanceof Promise ? body.then((done) => ({ body: done })) : { body }
  }

  /** Also after `finish`, where its body was not committed: what was spilled goes. */
  abort(): void {
    this.#held.take()
    this.#writer.abort()
  }

  /** Offset of the body in all that is held with `bytes` behind it, or -1. Lines are canonical: the decoder saw to it. */
  #headerEnd(bytes: Buffer): number {
    const before = this.#held.sizeBytes
    // Only the last three bytes can belong to an end that this slice completes: time stays linear however it is cut.
    const probe = before === 0 ? bytes : Buffer.concat([this.#tail, bytes])
    // An empty header section: the message opens with its empty line.
    if (before < 2 && probe[0] === 13 && probe[1] === 10) return 2
    const at = probe.indexOf('\r\n\r\n')
    if (at !== -1) return before - (probe.length - bytes.length) + at + 4
    this.#tail = Buffer.from(probe.subarray(Math.max(0, probe.length - 3)))
    return -1
  }

  #pass(header: Buffer, rest: Buffer): MaybePromise<void> {
    this.#held.take()
    const decision = this.#decide(header)
    if (decision.kind === 'stop') return this.#halt(decision.stop)
    this.#open = true
    const waits: Promise<void>[] = []
    for (const part of [...decision.parts, rest]) {
      if (part.length === 0) continue
      const written = this.#writer.write(part)
      if (written instanceof Promise) waits.push(written)
    }
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined)
  }

  #halt(stop: Stop): void {
    this.#stop = stop
    this.#held.take()
    this.#writer.abort()
  }
}
