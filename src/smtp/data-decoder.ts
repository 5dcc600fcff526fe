// Owns the body of a message as it comes over the wire: finds the end of DATA, takes stuffed dots out, judges or repairs
// line ends. Emits slices of what it was given and holds no byte of it. It refuses nothing itself: it says what is wrong.
// RFC 5321 section 4.1.1.4 (only CRLF.CRLF ends DATA), section 4.5.2 (transparency), section 2.3.8 (line ends).

const LF = 10
const CR = 13
const DOT = 46

/**
 * strict: DATA; the first bare CR or LF is a fault, nothing more is emitted, the end is still found.
 * repair: DATA; a bare CR or LF becomes CRLF and begins a line, but never takes part in the end of data.
 * chunk: BDAT; no dots, no end, bare CR and LF become CRLF.
 */
export type DecoderMode = 'strict' | 'repair' | 'chunk'

export type LineFault = 'bare LF' | 'bare CR'

// Where the last byte left us.
const START = 0 // begins a line, behind CRLF (or the message)
const START_REPAIRED = 1 // begins a line, behind a repaired line end
const TEXT = 2 // within a line
const AFTER_CR = 3 // behind a CR that was emitted
const AFTER_DOT = 4 // behind a dot at START, which is dropped
const AFTER_DOT_CR = 5 // behind that dot and a CR, which is held back
const DONE = 6

const unknown = -2
const none = -1
const crlf = Buffer.from('\r\n')
const lf = Buffer.from('\n')
const empty = Buffer.alloc(0)

/**
 * Feed with `begin`, then call `next` until it answers undefined. Any way of cutting the input gives the same bytes.
 * Modes: dry (everything begun was read), reading, done (`end` is the offset behind the end of data).
 */
export class DataDecoder {
  /** The first fault of a strict body. */
  fault: LineFault | undefined = undefined
  /** Offset behind CRLF.CRLF in the bytes of the last `begin`; only when `done`. */
  end = 0
  readonly #strict: boolean
  readonly #dots: boolean
  #mute = false
  #state = START
  #empty = true
  #bytes: Buffer = empty
  #text = ''
  #base = 0
  #at = 0
  #cr = unknown
  #lf = unknown
  #queued: Buffer | undefined = undefined

  constructor(mode: DecoderMode) {
    this.#strict = mode === 'strict'
    this.#dots = mode !== 'chunk'
  }

  get done(): boolean {
    return this.#state === DONE
  }

  /** From here on nothing is emitted; the end is still found. */
  discard(): void {
    this.#mute = true
    this.#queued = undefined
  }

  /** Takes the next bytes, `bytes[from..to)`; only when dry. */
  begin(bytes: Buffer, from = 0, to: number = bytes.length): void {
    this.#bytes = bytes
    this.#base = from
    this.#at = 0
    this.#cr = unknown
    this.#lf = unknown
    // A string of one-byte characters: its indexOf is memchr without the cost of a call into Buffer's.
    this.#text = bytes.toString('latin1', from, to)
  }

  /** The next slice of the message (never empty), or undefined: give more bytes, or `done`. */
  next(): Buffer | undefined {
    const slice = this.#takeQueued() ?? this.#read()
    if (slice === undefined && this.#bytes !== empty) {
      this.#bytes = empty
      this.#text = ''
    }
    return slice
  }

  /** chunk mode, after the last chunk: what is missing to end the last line, so that the message is canonical. */
  finish(): Buffer | undefined {
    if (this.#state === AFTER_CR) return lf
    return this.#state === TEXT && !this.#empty ? crlf : undefined
  }

  #read(): Buffer | undefined {
    const text = this.#text
    const length = text.length
    let at = this.#at
    let run = at
    while (at < length) {
      switch (this.#state) {
        case START:
        case START_REPAIRED:
          if (this.#dots && text.charCodeAt(at) === DOT) {
            // RFC 5321 section 4.5.2: the first dot of a line goes, whatever follows it.
            this.#state = this.#state === START ? AFTER_DOT : TEXT
            const slice = this.#slice(run, at)
            run = at = at + 1
            if (slice === undefined) continue
            this.#at = at
            return slice
          }
          this.#state = TEXT
          continue
        case TEXT: {
          at = this.#scanLines(at, length)
          if (at === length || this.#state !== TEXT) continue
          // A bare CR or LF stands at `at`.
          const isLf = text.charCodeAt(at) === LF
          const slice = this.#slice(run, isLf ? at : at + 1)
          run = at = at + 1
          if (this.#strict) this.#blame(isLf ? 'bare LF' : 'bare CR')
          else this.#mend(isLf ? crlf : lf)
          if (slice === undefined && this.#queued === undefined) continue
          this.#at = at
          return slice ?? this.#takeQueued()
        }
        case AFTER_CR:
          if (text.charCodeAt(at) === LF) {
            at++
            this.#state = START
          } else if (this.#strict) {
            this.#state = TEXT
            this.#blame('bare CR')
          } else if (this.#mend(lf)) {
            this.#at = at
            return this.#takeQueued()
          }
          continue
        case AFTER_DOT:
          if (text.charCodeAt(at) === CR) {
            this.#state = AFTER_DOT_CR
            run = at = at + 1
          } else this.#state = TEXT
          continue
        case AFTER_DOT_CR:
          if (text.charCodeAt(at) === LF) {
            this.#state = DONE
            this.end = this.#base + at + 1
            this.#at = length
            return undefined
          }
          if (this.#strict) {
            this.#state = TEXT
            this.#blame('bare CR')
          } else if (this.#mend(crlf)) {
            this.#at = at
            return this.#takeQueued()
          }
          run = at
          continue
        default:
          return undefined
      }
    }
    this.#at = length
    return this.#slice(run, length)
  }

  /**
   * From within a line to the place that needs a decision: a dot that begins a line (state START), the end of the bytes
   * (state TEXT, START or AFTER_CR), or a bare CR or LF (state TEXT). Two searches per line, none per byte.
   */
  #scanLines(from: number, length: number): number {
    const text = this.#text
    const dots = this.#dots
    let cr = this.#cr
    let lf = this.#lf
    let at = from
    for (;;) {
      if (cr !== none && cr < at) cr = text.indexOf('\r', at)
      if (lf !== none && lf < at) lf = text.indexOf('\n', at)
      if (lf === none && cr === none) {
        at = length
        break
      }
      if (lf === cr + 1 && cr !== none) {
        at = lf + 1
        if (at < length && !(dots && text.charCodeAt(at) === DOT)) continue
        this.#state = START
        break
      }
      if (lf !== none && (cr === none || lf < cr)) at = lf
      else if (cr + 1 < length) at = cr
      else {
        this.#state = AFTER_CR
        at = length
      }
      break
    }
    this.#cr = cr
    this.#lf = lf
    return at
  }

  #slice(from: number, to: number): Buffer | undefined {
    if (from === to || this.#mute) return undefined
    this.#empty = false
    return this.#bytes.subarray(this.#base + from, this.#base + to)
  }

  #blame(fault: LineFault): void {
    if (this.fault === undefined) this.fault = fault
    this.#mute = true
  }

  /** Queues the line end that a bare CR or LF should have been; false where nothing is emitted any more. */
  #mend(end: Buffer): boolean {
    this.#state = START_REPAIRED
    if (this.#mute) return false
    this.#empty = false
    this.#queued = end
    return true
  }

  #takeQueued(): Buffer | undefined {
    const queued = this.#queued
    this.#queued = undefined
    return queued
  }
}
