// Owns the split of a message in pieces into its header, given whole, and its body, passed on as it comes. Any cut gives
// the same. The header is bounded; the body is never kept. RFC 5322 section 2.1.

import { asBuffer } from '../message/octets.ts'
import { HeaderBlock } from './header-block.ts'

/** What is read: octets with CRLF line ends, whole or in pieces. */
export type MessageSource = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>

export const headerBytesMaxDefault = 1024 * 1024

export interface IntakeOptions {
  /** Default 1 MiB. A longer header has a defect. */
  readonly headerBytesMax?: number | undefined
  /** Called once, before any body. */
  readonly onHeader: (header: HeaderBlock) => void
  /** `bytes` are the caller's: good until it returns. */
  readonly onBody: (bytes: Uint8Array) => void
}

const headerEnd = Buffer.from('\r\n\r\n')

export class MessageIntake {
  readonly #options: IntakeOptions
  readonly #max: number
  #header: Buffer | undefined = Buffer.alloc(0)
  #length = 0

  constructor(options: IntakeOptions) {
    this.#options = options
    this.#max = options.headerBytesMax ?? headerBytesMaxDefault
  }

  /** Octets are read before it returns. */
  write(bytes: Uint8Array): void {
    if (this.#header === undefined) {
      if (bytes.length > 0) this.#options.onBody(bytes)
      return
    }
    const known = this.#length
    // Where the end lies in the first piece, nothing is copied.
    const view = known === 0 ? asBuffer(bytes) : this.#gather(bytes)
    const body = bodyStart(view, known)
    if (body === -1) {
      if (known === 0) this.#gather(bytes)
      if (this.#length > this.#max) this.#close(Buffer.alloc(0), 'a header that is too long')
      return
    }
    // The empty line is no part of the header.
    const header = view.subarray(0, Math.max(0, body - 2))
    if (header.length > this.#max) this.#close(Buffer.alloc(0), 'a header that is too long')
    else this.#close(header)
    if (body < view.length) this.#options.onBody(view.subarray(body))
  }

  /** A message that ends within its header has an empty body. */
  end(): void {
    if (this.#header !== undefined) this.#close(this.#header.subarray(0, this.#length))
  }

  #close(header: Buffer, defect?: string): void {
    this.#header = undefined
    this.#options.onHeader(new HeaderBlock(header, defect))
  }

  /** The header so far with `bytes` behind it, in memory that doubles. */
  #gather(bytes: Uint8Array): Buffer {
    let header = this.#header ?? Buffer.alloc(0)
    const length = this.#length + bytes.length
    if (length > header.length) {
      const grown = Buffer.allocUnsafe(Math.max(length, header.length * 2, 4096))
      header.copy(grown, 0, 0, this.#length)
      header = grown
      this.#header = grown
    }
    header.set(bytes, this.#length)
    this.#length = length
    return header.subarray(0, length)
  }
}

/** Behind the empty line, or -1; `known` octets were searched before. */
function bodyStart(bytes: Buffer, known: number): number {
  if (known < 2 && bytes[0] === 13 && bytes[1] === 10) return 2
  const at = bytes.indexOf(headerEnd, Math.max(0, known - 3))
  return at === -1 ? -1 : at + headerEnd.length
}

/** What takes a message in pieces. */
export type MessageSink = Pick<MessageIntake, 'write' | 'end'>

/** Gives all of `source` to `intake`, and its end. Rejects with what the source rejects with. */
export async function readInto(intake: MessageSink, source: MessageSource): Promise<void> {
  if (source instanceof Uint8Array) intake.write(source)
  else for await (const bytes of source) intake.write(bytes)
  intake.end()
}
