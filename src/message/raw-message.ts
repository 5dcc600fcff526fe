// Owns messages that come ready-made: CRLF line ends, and no Bcc. Nothing else is touched, so that signatures hold.
// RFC 5322 section 3.6.3, RFC 5321 section 2.3.8.

import { findHeaderEnd, headerFields } from './header.ts'
import { canonicalBytes, LineEndWriter } from './line-end-writer.ts'
import type { BodyEncoder } from './mime-writer.ts'

/** A header beyond this is passed on as body: no message has one. */
const headerBytesMax = 4 * 1024 * 1024

/** A header up to this size is looked at as one string. */
const plainBytesMax = 64 * 1024

/** Line ends and Bcc of a message in pieces. Any cut of the input gives the same octets. */
export class RawMessageWriter implements BodyEncoder {
  readonly #lines = new LineEndWriter()
  #header: Buffer[] | undefined = []
  #size = 0
  /** Of the last two octets: what the end of the header may begin with. */
  #tail = ''

  push(bytes: Uint8Array): Uint8Array {
    return this.#pass(this.#lines.push(bytes))
  }

  end(): Uint8Array {
    const last = this.#pass(this.#lines.end())
    if (this.#header === undefined) return last
    return Buffer.concat([last, this.#finish(Buffer.concat(this.#header))])
  }

  #pass(bytes: Uint8Array): Uint8Array {
    if (this.#header === undefined) return bytes
    this.#header.push(Buffer.from(bytes))
    this.#size += bytes.length
    const seam = this.#tail + Buffer.from(bytes.subarray(0, 3)).toString('latin1')
    const isBegin = this.#size - bytes.length < 2
    const found =
      seam.includes('\r\n\r\n') ||
      Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes('\r\n\r\n') ||
      (isBegin && Buffer.concat(this.#header).subarray(0, 2).toString('latin1') === '\r\n')
    this.#tail = (this.#tail + Buffer.from(bytes.subarray(-3)).toString('latin1')).slice(-3)
    if (!found && this.#size <= headerBytesMax) return Buffer.alloc(0)
    const all = Buffer.concat(this.#header)
    this.#header = undefined
    return this.#finish(all)
  }

  #finish(all: Buffer): Uint8Array {
    this.#header = undefined
    return withoutBcc(all)
  }
}

const mayHaveBcc = /bcc[ \t]*:/i

/** `bytes` begins with a header in CRLF lines; the same bytes where there is no Bcc. */
function withoutBcc(bytes: Buffer): Uint8Array {
  const end = findHeaderEnd(bytes)
  const size = end === -1 ? bytes.length : end
  if (size <= plainBytesMax && !mayHaveBcc.test(bytes.toString('latin1', 0, size))) return bytes
  const kept: Buffer[] = []
  let from = 0
  for (const field of headerFields(bytes, Number.POSITIVE_INFINITY)) {
    if (field.name !== 'bcc' && field.name !== 'resent-bcc') continue
    kept.push(bytes.subarray(from, field.start))
    from = field.end
  }
  if (from === 0) return bytes
  kept.push(bytes.subarray(from))
  return Buffer.concat(kept)
}

/** The bytes themselves where nothing has to change. */
export function canonicalMessage(bytes: Uint8Array): Uint8Array {
  const canonical = canonicalBytes(bytes)
  return withoutBcc(Buffer.from(canonical.buffer, canonical.byteOffset, canonical.byteLength))
}

/** Octets above 127 in the header, and in the body. */
export function eightBitOf(message: Uint8Array): { readonly header: boolean; readonly body: boolean } {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  const empty = bytes.indexOf('\r\n\r\n')
  const end = empty === -1 ? bytes.length : empty
  return { header: hasHigh(bytes.subarray(0, end)), body: hasHigh(bytes.subarray(end)) }
}

function hasHigh(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if ((bytes[i] as number) > 127) return true
  return false
}
