// Owns a BodyReader over chunks that are in memory: bodies just accepted are sent without asking the store.

import type { BodyReader } from './transport.ts'

export class MemoryBody implements BodyReader {
  readonly sizeBytes: number
  #chunks: readonly Uint8Array[]

  constructor(chunks: readonly Uint8Array[], sizeBytes: number) {
    this.#chunks = chunks
    this.sizeBytes = sizeBytes
  }

  /** Lets go of the packets that the chunks lie in: what is kept is about what is counted. The copy is the one of `bytes`. */
  detach(): void {
    const [first] = this.#chunks
    const isOwn = this.#chunks.length === 1 && first?.buffer.byteLength === first?.length
    if (!isOwn) this.#chunks = [Buffer.concat(this.#chunks)]
  }

  bytes(): Uint8Array {
    const first = this.#chunks[0]
    if (this.#chunks.length === 1 && first !== undefined) return first
    const whole = Buffer.concat(this.#chunks)
    this.#chunks = [whole]
    return whole
  }

  async *stream(): AsyncIterable<Uint8Array> {
    yield* this.#chunks
  }
}
