// Owns base64 as a stream: lines of 76, CRLF between them and behind the last. RFC 2045 section 6.8.

const bytesPerLine = 57
const lineChars = 76

/** Size of `byteCount` octets encoded, line ends included. */
export function base64Size(byteCount: number): number {
  const lines = Math.floor(byteCount / bytesPerLine)
  const rest = byteCount - lines * bytesPerLine
  return lines * (lineChars + 2) + (rest === 0 ? 0 : Math.ceil(rest / 3) * 4 + 2)
}

/** Whole at once. */
export function encodeBase64(bytes: Uint8Array): Buffer {
  const flat = Buffer.from(asBuffer(bytes).toString('base64'), 'latin1')
  const out = Buffer.allocUnsafe(base64Size(bytes.length))
  let to = 0
  for (let from = 0; from < flat.length; from += lineChars) {
    to += flat.copy(out, to, from, Math.min(from + lineChars, flat.length))
    out[to++] = 13
    out[to++] = 10
  }
  return out
}

/** Any cut of the input gives the same bytes in all. What `push` gives is the caller's. */
export class Base64Encoder {
  #rest: Buffer = Buffer.alloc(0)

  push(bytes: Uint8Array): Uint8Array {
    const all = this.#rest.length === 0 ? asBuffer(bytes) : Buffer.concat([this.#rest, bytes])
    const whole = all.length - (all.length % bytesPerLine)
    // The source may use its chunk again.
    this.#rest = Buffer.from(all.subarray(whole))
    return encodeBase64(all.subarray(0, whole))
  }

  end(): Uint8Array {
    const last = encodeBase64(this.#rest)
    this.#rest = Buffer.alloc(0)
    return last
  }
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
