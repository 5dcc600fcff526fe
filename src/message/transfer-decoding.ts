// Owns undoing a Content-Transfer-Encoding, piece by piece: base64 and quoted-printable (RFC 2045 section 6) and x-uuencode.
// It refuses nothing: what does not belong there is passed over (base64) or kept as it stands (the others), and the defect
// says so. Linear, and every way of cutting the input gives the same octets. It keeps at most what one line leaves open.

import { asBuffer } from './octets.ts'
import { createUuDecoder } from './uuencode.ts'

export type TransferEncoding = 'identity' | 'base64' | 'quoted-printable' | 'uuencode'

export interface TransferDecoder {
  /** Decoded octets, as far as they are known; may share memory with `bytes`. */
  write(bytes: Uint8Array): Buffer
  end(): Buffer
  /** Whether something was not as the encoding has it. */
  readonly isMalformed: boolean
}

/** RFC 2045 section 6.1, and how people write it: blanks, quotes and comments; unknown names are the octets themselves. */
export function transferEncoding(value: string | undefined): TransferEncoding {
  if (value === undefined) return 'identity'
  const name = value
    .slice(0, 200)
    .replace(/\(.*?\)/gs, '')
    .replace(/["';]/g, '')
    .trim()
    .toLowerCase()
  switch (name) {
    case 'base64':
      return 'base64'
    case 'quoted-printable':
    case 'quoted_printable':
    case 'quotedprintable':
      return 'quoted-printable'
    case 'x-uuencode':
    case 'x-uue':
    case 'uuencode':
    case 'uue':
      return 'uuencode'
    default:
      return 'identity'
  }
}

export function createTransferDecoder(encoding: TransferEncoding): TransferDecoder {
  switch (encoding) {
    case 'base64':
      return new Base64Decoder()
    case 'quoted-printable':
      return new QuotedPrintableDecoder()
    case 'uuencode':
      return createUuDecoder()
    case 'identity':
      return identity
  }
}

/** All at once. For identity the octets themselves, not a copy. */
export function decodeTransfer(
  bytes: Uint8Array,
  encoding: TransferEncoding,
): { readonly bytes: Buffer; readonly isMalformed: boolean } {
  if (encoding === 'identity') return { bytes: asBuffer(bytes), isMalformed: false }
  if (encoding === 'base64') {
    const text = asBuffer(bytes).toString('latin1')
    // The native decoder passes over white space and stops at padding: right, where that is at the end.
    if (!foreign.test(text) && !/[A-Za-z0-9+/]/.test(text.slice(firstPad(text))))
      return { bytes: Buffer.from(text, 'base64'), isMalformed: false }
  }
  const decoder = createTransferDecoder(encoding)
  const first = decoder.write(bytes)
  const last = decoder.end()
  return {
    bytes: last.length === 0 ? first : first.length === 0 ? last : Buffer.concat([first, last]),
    isMalformed: decoder.isMalformed,
  }
}

const nothing = Buffer.alloc(0)

const identity: TransferDecoder = { write: asBuffer, end: () => nothing, isMalformed: false }

// Anything but the alphabet, padding and white space (RFC 2045 section 6.8: to be ignored).
const foreign = /[^A-Za-z0-9+/=\s]/
const firstPad = (text: string): number => {
  const at = text.indexOf('=')
  return at === -1 ? text.length : at
}
const noDigits = /[^A-Za-z0-9+/]+/g

class Base64Decoder implements TransferDecoder {
  #digits = ''
  #isMalformed = false

  get isMalformed(): boolean {
    return this.#isMalformed
  }

  write(bytes: Uint8Array): Buffer {
    const text = asBuffer(bytes).toString('latin1')
    if (foreign.test(text)) this.#isMalformed = true
    const pad = text.indexOf('=')
    if (pad === -1) return this.#decode(text)
    // Padding ends a group, not the part: some senders join pieces that were encoded one by one.
    const out: Buffer[] = []
    let start = 0
    for (let at = pad; at !== -1; at = text.indexOf('=', start)) {
      out.push(this.#decode(text.slice(start, at)), this.#endGroup())
      start = at + 1
      while (text.charCodeAt(start) === 61) start++
    }
    if (start < text.length) out.push(this.#decode(text.slice(start)))
    return joined(out)
  }

  end(): Buffer {
    return this.#endGroup()
  }

  #decode(text: string): Buffer {
    // The native decoder passes over white space, but takes `-` and `_` for digits.
    const digits = this.#digits + text.replace(noDigits, '')
    const whole = digits.length - (digits.length % 4)
    this.#digits = digits.slice(whole)
    return whole === 0
      ? nothing
      : Buffer.from(whole === digits.length ? digits : digits.slice(0, whole), 'base64')
  }

  #endGroup(): Buffer {
    const digits = this.#digits
    this.#digits = ''
    if (digits.length === 1) this.#isMalformed = true
    return digits.length < 2 ? nothing : Buffer.from(digits, 'base64')
  }
}

const joined = (pieces: readonly Buffer[]): Buffer => {
  const [first = nothing] = pieces
  return pieces.slice(1).every((piece) => piece.length === 0) ? first : Buffer.concat(pieces)
}

const LF = 10
const CR = 13
const SPACE = 32
const TAB = 9
const EQUALS = 61

// Value of a hexadecimal digit, lower case too (RFC 2045 section 6.7 note), or -1.
const hexValue = new Int8Array(256).fill(-1)
for (let i = 0; i < 16; i++) {
  hexValue['0123456789ABCDEF'.charCodeAt(i)] = i
  hexValue['0123456789abcdef'.charCodeAt(i)] = i
}
const hex = (octet: number | undefined): number => (octet === undefined ? -1 : (hexValue[octet] as number))

/** The octets before `end`, from `start`, that are blanks: white space at the end of a line (RFC 2045 section 6.7 rule 3). */
function blanksBefore(input: Buffer, start: number, end: number): number {
  let at = end
  while (at > start && (input[at - 1] === SPACE || input[at - 1] === TAB)) at--
  return at
}

class QuotedPrintableDecoder implements TransferDecoder {
  /** What may still turn out to be blanks at a line's end or an escape: never text that could be given out. */
  #held: Buffer[] = []
  #isMalformed = false

  get isMalformed(): boolean {
    return this.#isMalformed
  }

  write(bytes: Uint8Array): Buffer {
    const chunk = asBuffer(bytes)
    // Blanks upon blanks wait as they are, so that a long run is not copied again and again.
    if (this.#held.length > 0 && blanksBefore(chunk, 0, chunk.length) === 0) {
      this.#held.push(chunk)
      return nothing
    }
    const input = this.#held.length === 0 ? chunk : Buffer.concat([...this.#held, chunk])
    const kept = keptFrom(input)
    this.#held = kept === input.length ? [] : [input.subarray(kept)]
    return this.#decode(input, kept)
  }

  end(): Buffer {
    const input = Buffer.concat(this.#held)
    this.#held = []
    let end = blanksBefore(input, 0, input.length)
    // A soft break that nothing follows, as cut messages have it.
    if (input[end - 1] === EQUALS) {
      this.#isMalformed = true
      end--
    }
    return this.#decode(input, end)
  }

  #decode(input: Buffer, end: number): Buffer {
    if (end === 0) return nothing
    const out = Buffer.allocUnsafe(end)
    let length = 0
    let from = 0
    let equals = nextOf(input, EQUALS, 0, end)
    let lf = nextOf(input, LF, 0, end)
    const copy = (to: number): void => {
      if (to > from) length += input.copy(out, length, from, to)
    }
    while (equals < end || lf < end) {
      if (lf < equals) {
        const text = input[lf - 1] === CR ? lf - 1 : lf
        const blanks = blanksBefore(input, from, text)
        if (blanks < text) {
          copy(blanks)
          from = text
        }
        lf = nextOf(input, LF, lf + 1, end)
        continue
      }
      copy(equals)
      from = equals + 1
      const high = hex(input[equals + 1])
      const low = hex(input[equals + 2])
      if (high !== -1 && low !== -1 && equals + 2 < end) {
        out[length++] = high * 16 + low
        from = equals + 3
      } else {
        const soft = softBreakEnd(input, from, end)
        if (soft === -1) {
          this.#isMalformed = true
          out[length++] = EQUALS
        } else {
          from = soft
          if (lf < from) lf = nextOf(input, LF, from, end)
        }
      }
      equals = nextOf(input, EQUALS, from, end)
    }
    copy(end)
    return out.subarray(0, length)
  }
}

const nextOf = (input: Buffer, octet: number, from: number, end: number): number => {
  const at = input.indexOf(octet, from)
  return at === -1 || at > end ? end : at
}

/** Behind the line end that a soft break's `=` stands before, blanks between them passed over; -1 where there is none. */
function softBreakEnd(input: Buffer, from: number, end: number): number {
  let at = from
  while (at < end && (input[at] === SPACE || input[at] === TAB)) at++
  if (input[at] === CR && input[at + 1] === LF && at + 1 < end) return at + 2
  return input[at] === LF && at < end ? at + 1 : -1
}

/** Where that begins which only the next octets decide: blanks, a CR, an escape that is not whole. */
function keptFrom(input: Buffer): number {
  const { length } = input
  const cr = input[length - 1] === CR ? length - 1 : length
  const blanks = blanksBefore(input, 0, cr)
  if (input[blanks - 1] === EQUALS) return blanks - 1
  if (blanks === length && input[length - 2] === EQUALS && hex(input[length - 1]) !== -1) return length - 2
  return blanks
}
