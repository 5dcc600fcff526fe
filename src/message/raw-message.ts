// Owns messages that come ready-made: CRLF line ends, and no Bcc. Nothing else is touched, so that signatures hold.
// RFC 5322 section 3.6.3, RFC 5321 section 2.3.8.

import { isAscii } from 'node:buffer'
import { fieldsNamed, fieldValue, findHeaderEnd, headerFields } from './header.ts'
import { canonicalBytes, canonicalText, LineEndWriter } from './line-end-writer.ts'
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

export interface RawMessage {
  /** In order: canonical line ends, no Bcc. */
  readonly bytes: Uint8Array
  /** As it stands, on one line; '' where there is none. */
  readonly messageId: string
  /** Octets above 127 in the header, and in the body. */
  readonly eightBit: { readonly header: boolean; readonly body: boolean }
}

const sevenBit = { header: false, body: false } as const

/** The bytes themselves where nothing has to change. */
export function readRawBytes(given: Uint8Array): RawMessage {
  const canonical = canonicalBytes(given)
  const bytes = withoutBcc(Buffer.from(canonical.buffer, canonical.byteOffset, canonical.byteLength))
  const id = fieldsNamed(bytes, 'message-id')[0]
  return {
    bytes,
    messageId: id === undefined ? '' : fieldValue(bytes, id),
    eightBit: isAscii(bytes) ? sevenBit : eightBitOf(bytes),
  }
}

// A field of that name and its continuation lines, RFC 5322 section 2.2.3; section 4.5 allows blanks before the colon.
const messageIdField = /^message-id[ \t]*:([^\n]{0,8000}(?:\n[ \t][^\n]{0,8000}){0,100})/im

/** The same of a text: what is asked of the text needs no copy of it, and most texts have nothing to change. */
export function readRawText(given: string): RawMessage {
  const text = canonicalText(given.toWellFormed())
  const end = text.startsWith('\r\n') ? 0 : text.indexOf('\r\n\r\n')
  const header = end === -1 ? text : text.slice(0, end + 2)
  const bytes = Buffer.from(text)
  // In UTF-8 only ASCII has as many octets as characters.
  if (bytes.length !== text.length || header.length > plainBytesMax || mayHaveBcc.test(header))
    return readRawBytes(bytes)
  const messageId = messageIdField.exec(header)?.[1] ?? ''
  return { bytes, messageId: unfolded(messageId), eightBit: sevenBit }
}

const unfolded = (value: string): string => value.replace(/\r?\n[ \t]*/g, ' ').trim()

function eightBitOf(message: Uint8Array): RawMessage['eightBit'] {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  const empty = bytes.indexOf('\r\n\r\n')
  const end = empty === -1 ? bytes.length : empty
  return { header: !isAscii(bytes.subarray(0, end)), body: !isAscii(bytes.subarray(end)) }
}
