// Owns canonical line ends: CRLF, CR and LF each become CRLF, in a stream (RFC 5321 section 2.3.8). Nothing else changes.

const CR = 13
const LF = 10
const crlf = Buffer.from('\r\n')

/** Pieces up to this size are looked at as one string first: most are right already. */
const plainBytesMax = 64 * 1024
const loneEnd = /\r(?!\n)|(?<!\r)\n/

/** Any cut of the input gives the same bytes in all. A chunk that is right already is passed on, not copied. */
export class LineEndWriter {
  #heldCr = false

  push(bytes: Uint8Array): Uint8Array {
    const input = asBuffer(bytes)
    if (!this.#heldCr && input.length <= plainBytesMax && !loneEnd.test(input.toString('latin1')))
      return input
    const pieces: Uint8Array[] = []
    let run = 0
    if (this.#heldCr && input.length > 0) {
      this.#heldCr = false
      pieces.push(crlf)
      if (input[0] === LF) run = 1
    }
    let at = run
    let lf = -2
    let cr = -2
    for (;;) {
      // Each octet is looked at once for each of the two.
      if (lf !== -1 && lf < at) lf = input.indexOf(LF, at)
      if (cr !== -1 && cr < at) cr = input.indexOf(CR, at)
      if (lf === -1 && cr === -1) break
      if (cr !== -1 && (lf === -1 || cr < lf)) {
        // The fast lane is a CR with its LF behind it.
        if (cr === input.length - 1) {
          if (cr > run) pieces.push(input.subarray(run, cr))
          this.#heldCr = true
          run = input.length
          break
        }
        if (input[cr + 1] === LF) {
          at = cr + 2
          continue
        }
        pieces.push(input.subarray(run, cr), crlf)
        at = run = cr + 1
      } else {
        pieces.push(input.subarray(run, lf), crlf)
        at = run = lf + 1
      }
    }
    if (pieces.length === 0) return run === 0 ? input : input.subarray(run)
    if (run < input.length) pieces.push(input.subarray(run))
    return pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces)
  }

  end(): Uint8Array {
    const last = this.#heldCr ? crlf : crlf.subarray(0, 0)
    this.#heldCr = false
    return last
  }
}

export const canonicalText = (text: string): string =>
  loneEnd.test(text) ? text.replace(/\r\n?|\n/g, '\r\n') : text

export function canonicalBytes(bytes: Uint8Array): Uint8Array {
  const writer = new LineEndWriter()
  const body = writer.push(bytes)
  const last = writer.end()
  return last.length === 0 ? body : Buffer.concat([body, last])
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
