// Owns hashes of a message body in its canonical forms, in one pass for any number of signatures: each form is made once,
// each hash counted once. Any cut of the body gives the same hashes. Only CRLF is a line end: a CR or LF alone is an octet
// like others. Memory does not grow with the body. RFC 6376 sections 3.4.3, 3.4.4 and 3.4.5 (l=), and 3.7.

import { createHash, type Hash } from 'node:crypto'
import { asBuffer } from '../message/octets.ts'

export type Canonicalization = 'simple' | 'relaxed'
export type HashName = 'sha256' | 'sha1'

export interface BodyHashRequest {
  readonly hash: HashName
  readonly canonicalization: Canonicalization
  /** l=: octets of the canonical body that are hashed. Default: all. */
  readonly length?: number | undefined
}

/** To be read when the body has ended. */
export interface BodyHash {
  /** Undefined until the end. */
  readonly digest: Buffer | undefined
  readonly hashedBytes: number
  /** Octets of the whole canonical body. */
  readonly canonicalBytes: number
}

/** The body of one message. Requests come before the first `push`. */
export class BodyHashes {
  readonly #forms = new Map<Canonicalization, BodyForm>()
  readonly #hashes = new Map<string, HashedBody>()

  request({ hash, canonicalization, length }: BodyHashRequest): BodyHash {
    const key = `${hash} ${canonicalization} ${length ?? ''}`
    const known = this.#hashes.get(key)
    if (known !== undefined) return known
    let form = this.#forms.get(canonicalization)
    if (form === undefined) {
      form = canonicalization === 'simple' ? new SimpleForm() : new RelaxedForm()
      this.#forms.set(canonicalization, form)
    }
    const made = new HashedBody(hash, length ?? Number.POSITIVE_INFINITY)
    form.hashes.push(made)
    this.#hashes.set(key, made)
    return made
  }

  /** Octets are read before it returns. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    const body = asBuffer(bytes)
    for (const form of this.#forms.values()) form.push(body)
  }

  end(): void {
    for (const form of this.#forms.values()) form.end()
    for (const hash of this.#hashes.values()) hash.end()
  }
}

class HashedBody implements BodyHash {
  digest: Buffer | undefined
  hashedBytes = 0
  canonicalBytes = 0
  readonly #hash: Hash
  readonly #limit: number

  constructor(name: HashName, limit: number) {
    this.#hash = createHash(name)
    this.#limit = limit
  }

  push(bytes: Buffer): void {
    this.canonicalBytes += bytes.length
    const room = this.#limit - this.hashedBytes
    if (room <= 0) return
    const part = room < bytes.length ? bytes.subarray(0, room) : bytes
    this.hashedBytes += part.length
    this.#hash.update(part)
  }

  end(): void {
    this.digest = this.#hash.digest()
  }
}

const LF = 10
const CR = 13
const SPACE = 32
const TAB = 9

const lineEnd = Buffer.from('\r\n')
const carriageReturn = Buffer.from('\r')
const emptyLines = Buffer.alloc(4096, '\r\n')

/** Both forms end alike: empty lines at the end do not count. Line ends are kept back until something follows them. */
abstract class BodyForm {
  readonly hashes: HashedBody[] = []
  protected hasData = false
  /** CRLFs kept back, and whether a CR follows them that may become another. */
  #lineEnds = 0
  #cr = false

  abstract push(bytes: Buffer): void
  abstract end(): void

  protected pass(bytes: Buffer): void {
    let start = 0
    let end = bytes.length
    if (end === 0) return
    if (this.#cr) {
      this.#cr = false
      if (bytes[0] === LF) {
        this.#lineEnds++
        start = 1
      } else {
        this.#release()
        this.#emit(carriageReturn)
      }
    }
    const cr = end > start && bytes[end - 1] === CR
    if (cr) end--
    let lineEnds = 0
    while (end - start >= 2 && bytes[end - 1] === LF && bytes[end - 2] === CR) {
      end -= 2
      lineEnds++
    }
    if (end > start) {
      this.#release()
      this.#emit(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end))
    }
    this.#lineEnds += lineEnds
    this.#cr = cr
  }

  /** Ends the last line, where there is one or `always`. */
  protected finish(always: boolean): void {
    if (this.#cr) {
      this.#release()
      this.#emit(carriageReturn)
    }
    if (this.hasData || always) this.#emit(lineEnd)
  }

  #release(): void {
    for (let left = this.#lineEnds * 2; left > 0; left -= emptyLines.length)
      this.#emit(left < emptyLines.length ? emptyLines.subarray(0, left) : emptyLines)
    this.#lineEnds = 0
  }

  #emit(bytes: Buffer): void {
    this.hasData = true
    for (const hash of this.hashes) hash.push(bytes)
  }
}

/** RFC 6376 section 3.4.3: an empty body is one CRLF. */
class SimpleForm extends BodyForm {
  push(bytes: Buffer): void {
    this.pass(bytes)
  }

  end(): void {
    this.finish(true)
  }
}

const pieceBytes = 64 * 1024
/** Written and hashed in one turn: one for all. */
let scratch: Buffer | undefined

/** RFC 6376 section 3.4.4: runs of white space are one space, none at line ends; an empty body stays empty. */
class RelaxedForm extends BodyForm {
  /** Kept back, as what follows decides: bit 0 white space, bit 1 a CR behind it. */
  #kept = 0

  push(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      const piece = bytes.length <= pieceBytes ? bytes : bytes.subarray(at, at + pieceBytes)
      // Nothing changes where no white space is, as in base64.
      const isSame = this.#kept === 0 && !piece.includes(SPACE) && !piece.includes(TAB)
      this.pass(isSame ? piece : this.#reduce(piece))
    }
  }

  /** The result is `bytes`, or good until the next call. What needs no change is copied in runs, the rest per octet. */
  #reduce(bytes: Buffer): Buffer {
    scratch ??= Buffer.allocUnsafeSlow(pieceBytes + 2)
    const out = scratch
    const end = bytes.length
    const last = end - 1
    let kept = this.#kept
    let length = 0
    let run = 0
    for (let i = 0; i < end; i++) {
      const octet = bytes[i] as number
      if (kept === 0) {
        if (octet > SPACE) continue
        if (i < last) {
          const next = bytes[i + 1] as number
          if ((octet === SPACE && next > SPACE) || (octet === CR && next === LF)) {
            i++
            continue
          }
        }
        if (i > run) length += bytes.copy(out, length, run, i)
      }
      run = i + 1
      if (octet === LF && kept > 1) {
        out[length++] = CR
        out[length++] = LF
        kept = 0
        continue
      }
      const isWhite = octet === SPACE || octet === TAB
      if (kept === 1 && (isWhite || octet === CR)) {
        if (!isWhite) kept = 3
        continue
      }
      // A CR that ends no line is an octet like others, and the white space before it stays.
      if ((kept & 1) !== 0) out[length++] = SPACE
      if (kept > 1) out[length++] = CR
      kept = isWhite ? 1 : octet === CR ? 2 : 0
      if (kept === 0) out[length++] = octet
    }
    this.#kept = kept
    if (run === 0) return bytes
    if (run < end) length += bytes.copy(out, length, run, end)
    return out.subarray(0, length)
  }

  end(): void {
    if (this.#kept > 1) this.pass(Buffer.from(this.#kept === 3 ? ' \r' : '\r'))
    this.finish(false)
  }
}
