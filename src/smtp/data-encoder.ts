// Owns the outgoing form of a message: canonical lines (CRLF and nothing else, whatever came in), dots stuffed, the
// final dot. Whole bodies are encoded into one buffer; long ones piece by piece. No I/O.
// RFC 5321 section 2.3.8 (line ends), section 4.5.2 (transparency), RFC 3030 section 2 (BDAT needs no dots).

const CR = 13
const LF = 10
const DOT = 46

/** Pieces of at most this size are looked at as one string. */
const pieceBytes = 64 * 1024

const final = Buffer.from('.\r\n')
const finalAfterLine = Buffer.from('\r\n.\r\n')
const crlf = Buffer.from('\r\n')
const noDots: readonly number[] = []

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/**
 * Offsets of the dots that begin a line within `text` (octets as latin1), or undefined when a CR or LF stands alone.
 * `lineStart`: text begins a line.
 */
function scan(text: string, lineStart: boolean): readonly number[] | undefined {
  let dots: number[] | undefined
  let at = 0
  if (lineStart && text.charCodeAt(0) === DOT) dots = [0]
  for (;;) {
    const lf = text.indexOf('\n', at)
    const cr = text.indexOf('\r', at)
    if (lf === -1) return cr === -1 ? (dots ?? noDots) : undefined
    if (cr === -1 || cr !== lf - 1) return undefined
    at = lf + 1
    if (text.charCodeAt(at) === DOT) {
      if (dots === undefined) dots = []
      dots.push(at)
    }
  }
}

/** CRLF for every CRLF, CR or LF; the same buffer when nothing had to change. For a whole body or whole lines. */
export function canonicalLines(bytes: Uint8Array): Buffer {
  const pieces: Buffer[] = []
  const lines = new LineRepair()
  for (let at = 0; at < bytes.length; at += pieceBytes)
    pieces.push(...lines.push(bytes.subarray(at, at + pieceBytes)))
  const rest = lines.finish()
  if (rest !== undefined) pieces.push(rest)
  return lines.repaired ? Buffer.concat(pieces) : asBuffer(bytes)
}

/** Makes lines canonical piece by piece; a CR at the end of a piece waits for the next. */
export class LineRepair {
  #heldCr = false
  /** Something was not canonical. */
  repaired = false

  push(bytes: Uint8Array): Buffer[] {
    let piece = asBuffer(bytes)
    if (piece.length === 0) return []
    const out: Buffer[] = []
    if (this.#heldCr) {
      this.#heldCr = false
      out.push(crlf)
      if (piece[0] === LF) piece = piece.subarray(1)
      else this.repaired = true
    }
    if (piece[piece.length - 1] === CR) {
      this.#heldCr = true
      piece = piece.subarray(0, -1)
    }
    if (piece.length === 0) return out
    const text = piece.toString('latin1')
    if (scan(text, false) !== undefined) out.push(piece)
    else {
      this.repaired = true
      out.push(Buffer.from(text.replace(/\r\n|\r|\n/g, '\r\n'), 'latin1'))
    }
    return out
  }

  /** What was held back. */
  finish(): Buffer | undefined {
    if (!this.#heldCr) return undefined
    this.#heldCr = false
    this.repaired = true
    return crlf
  }
}

function stuffInto(out: Buffer, outAt: number, piece: Buffer, dots: readonly number[]): number {
  let from = 0
  let at = outAt
  for (const dot of dots) {
    at += piece.copy(out, at, from, dot)
    out[at++] = DOT
    from = dot
  }
  return at + piece.copy(out, at, from)
}

/** What has to be changed, or looked at more closely: a CR or LF that stands alone, a dot that begins a line. */
const unready = /\r(?!\n)|(?<!\r)\n|^\.|\n\./

/** A whole body as DATA carries it, final dot included, in a few buffers: the body itself where nothing has to change. */
export function encodeData(body: Uint8Array): readonly Buffer[] {
  if (body.length > pieceBytes) return encodeLong(body)
  const bytes = asBuffer(body)
  const text = bytes.toString('latin1')
  const tail = bytes.length === 0 || bytes[bytes.length - 1] === LF ? final : finalAfterLine
  if (!unready.test(text)) return [bytes, tail]
  const dots = scan(text, true)
  if (dots === undefined) return encodeData(canonicalLines(body))
  const out = Buffer.allocUnsafe(bytes.length + dots.length)
  stuffInto(out, 0, bytes, dots)
  return [out, tail]
}

function encodeLong(body: Uint8Array): readonly Buffer[] {
  const encoder = new DataEncoder()
  const out: Buffer[] = []
  for (let at = 0; at < body.length; at += pieceBytes)
    out.push(...encoder.push(body.subarray(at, at + pieceBytes)))
  out.push(encoder.finish())
  return out
}

/** DATA piece by piece: `push` gives slices of the input where nothing changes, `finish` the final dot. */
export class DataEncoder {
  readonly #lines = new LineRepair()
  #lineStart = true

  push(bytes: Uint8Array): Buffer[] {
    const out: Buffer[] = []
    for (const piece of this.#lines.push(bytes)) this.#stuff(piece, out)
    return out
  }

  finish(): Buffer {
    const held = this.#lines.finish()
    return held === undefined && this.#lineStart ? final : finalAfterLine
  }

  #stuff(piece: Buffer, out: Buffer[]): void {
    const first = this.#lineStart && piece[0] === DOT
    this.#lineStart = piece[piece.length - 1] === LF
    // RFC 5321 section 4.5.2: a dot that begins a line is doubled.
    let from = 0
    if (first) out.push(dotOnly)
    for (let at = piece.indexOf('\r\n.'); at !== -1; at = piece.indexOf('\r\n.', at + 2)) {
      out.push(piece.subarray(from, at + 3))
      from = at + 2
    }
    out.push(from === 0 ? piece : piece.subarray(from))
  }
}

const dotOnly = Buffer.from('.')
