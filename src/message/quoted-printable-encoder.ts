// Owns quoted-printable as a stream: lines of at most 76, no white space at a line's end, nothing that transports change.
// In text every line end becomes CRLF; in binary only CRLF is one, and a lone CR or LF is encoded. RFC 2045 section 6.7.

const CR = 13
const LF = 10
const SPACE = 32
const TAB = 9
const EQUALS = 61
const DOT = 46
const columnMax = 75 // one is kept for the '=' of a soft line break

const hex = '0123456789ABCDEF'
const high = new Uint8Array(256)
const low = new Uint8Array(256)
const isPlain = new Uint8Array(256)
for (let octet = 0; octet < 256; octet++) {
  high[octet] = hex.charCodeAt(octet >> 4)
  low[octet] = hex.charCodeAt(octet & 15)
  isPlain[octet] = octet > 32 && octet < 127 && octet !== EQUALS ? 1 : 0
}

const fromLine = Buffer.from('From ')

/** Any cut of the input gives the same bytes in all. */
export class QuotedPrintableEncoder {
  readonly #isText: boolean
  #out: Buffer = Buffer.alloc(0)
  #to = 0
  #column = 0
  /** A blank or CR whose writing depends on what follows; -1 is none. */
  #held = -1
  /** The line so far is that many characters of 'From ', which mailbox files and old servers change. */
  #from = 0

  constructor(kind: 'text' | 'binary') {
    this.#isText = kind === 'text'
  }

  push(bytes: Uint8Array): Uint8Array {
    this.#room(bytes.length)
    let i = 0
    while (i < bytes.length) {
      const end = this.#held === -1 && this.#column > 4 ? this.#run(bytes, i) : i
      if (end === i) this.#octet(bytes[i++] as number)
      else i = end
    }
    return this.#taken()
  }

  /** The fast lane within a line: plain octets, and blanks with a plain one behind them. Gives the offset it came to. */
  #run(bytes: Uint8Array, start: number): number {
    const out = this.#out
    const limit = Math.min(bytes.length - 1, start + columnMax - this.#column)
    let to = this.#to
    let i = start
    for (; i < limit; i++) {
      const octet = bytes[i] as number
      if (isPlain[octet] === 0 && (octet !== SPACE || isPlain[bytes[i + 1] as number] === 0)) break
      out[to++] = octet
    }
    this.#to = to
    this.#column += i - start
    return i
  }

  end(): Uint8Array {
    this.#room(1)
    this.#settle(-1)
    return this.#taken()
  }

  /** An octet is at most three, and each line of 73 or more has three of break; what is held comes on top. */
  #room(count: number): void {
    this.#out = Buffer.allocUnsafe((count + 2) * 3 + Math.ceil(((count + 2) * 3) / 70) * 3 + 8)
    this.#to = 0
  }

  #taken(): Uint8Array {
    return this.#out.subarray(0, this.#to)
  }

  #octet(octet: number): void {
    if (this.#held !== -1 && this.#settle(octet)) return
    if (isPlain[octet] === 1) {
      if (this.#column >= columnMax) this.#softBreak()
      // A line of a dot ends the message where a server forgets to stuff it.
      if (this.#column === 0 && octet === DOT) return this.#encoded(octet)
      if (this.#from === this.#column && octet === fromLine[this.#column] && this.#column < 4) this.#from++
      this.#out[this.#to++] = octet
      this.#column++
    } else if (octet === SPACE || octet === TAB || octet === CR) this.#held = octet
    else if (octet === LF && this.#isText) this.#hardBreak()
    else this.#encoded(octet)
  }

  /** Writes what is held, now that the next octet is known (-1: the end). True: that octet was used up with it. */
  #settle(next: number): boolean {
    const held = this.#held
    if (held === -1) return false
    this.#held = -1
    if (held === CR) {
      if (next === LF || this.#isText) this.#hardBreak()
      else this.#encoded(CR)
      return next === LF
    }
    const atEnd = next === -1 || next === CR || (next === LF && this.#isText)
    const isFrom = held === SPACE && this.#column === 4 && this.#from === 4
    if (atEnd || isFrom) this.#encoded(held)
    else {
      if (this.#column >= columnMax) this.#softBreak()
      this.#out[this.#to++] = held
      this.#column++
    }
    return false
  }

  #encoded(octet: number): void {
    if (this.#column + 3 > columnMax) this.#softBreak()
    this.#out[this.#to++] = EQUALS
    this.#out[this.#to++] = high[octet] as number
    this.#out[this.#to++] = low[octet] as number
    this.#column += 3
  }

  #softBreak(): void {
    this.#out[this.#to++] = EQUALS
    this.#hardBreak()
  }

  #hardBreak(): void {
    this.#out[this.#to++] = CR
    this.#out[this.#to++] = LF
    this.#column = 0
    this.#from = 0
  }
}

export function encodeQuotedPrintableBytes(bytes: Uint8Array, kind: 'text' | 'binary'): Uint8Array {
  const encoder = new QuotedPrintableEncoder(kind)
  const body = encoder.push(bytes)
  const last = encoder.end()
  return last.length === 0 ? body : Buffer.concat([body, last])
}
