// Owns splitting a message into its parts as the octets come in: header sections, where each part begins and ends, pieces of
// content as they stand on the wire. It refuses nothing and never throws: what is broken is told as a defect, what is beyond
// a limit is left whole or left out. It decodes no content. RFC 2045, 2046, 5322; lines end in CRLF or LF.
//
// Memory: one header section (`headerBytesMax`) and one line that may be a boundary. Time: linear. The law of splits: every
// way of cutting the input gives the same events, but for where the pieces of content are cut.

import { type HeaderField, headerFields } from './header.ts'
import {
  type DescribedPart,
  defaultMimeLimits,
  describePart,
  type MimeDefect,
  type MimeDefectCode,
  type MimeLimits,
  type MimePartStart,
  type PartShape,
} from './mime-part.ts'
import { asBuffer } from './octets.ts'

export type MimeEvent =
  | { readonly kind: 'part-start'; readonly part: MimePartStart }
  /** Content of a leaf, still encoded; `offset` is that of its first octet. It shares memory with what was received. */
  | { readonly kind: 'body'; readonly index: number; readonly offset: number; readonly bytes: Uint8Array }
  /** `end`: behind the last octet of the content; the line end before a boundary is the boundary's (RFC 2046 section 5.1.1). */
  | { readonly kind: 'part-end'; readonly index: number; readonly end: number }
  | { readonly kind: 'defect'; readonly defect: MimeDefect }

interface Frame {
  readonly index: number
  readonly contentType: string
  /** Delimiter `--boundary`, undefined for a message. */
  readonly delimiter: string | undefined
  /** The frame that had the same delimiter before. */
  readonly shadowed: number | undefined
  readonly bodyStart: number
  partCount: number
  isClosed: boolean
}

/** A boundary: of which frame, and whether it is the last one. */
interface Found {
  readonly frame: number
  readonly isClose: boolean
}

interface Leaf {
  readonly index: number
}

/** header: reading a header section. body: content, preamble or epilogue. rest: beyond partsMax. done: after end(). */
type State = 'header' | 'body' | 'rest' | 'done'

const LF = 10
const CR = 13
const DASH = 45
const delimiterLineMax = 2048
const empty = Buffer.alloc(0)

/**
 * Give it octets with `receive`, say `end`, and take events with `next` until undefined each time. Exactly one part-start has
 * the parent -1; each part-start has its part-end.
 */
export class MimeParser {
  readonly #limits: MimeLimits
  #state: State = 'header'

  #buffer: Buffer = empty
  /** Octets of #buffer that are filled; beyond is room. */
  #length = 0
  #isOwn = false
  /** Offset in the message of #buffer[0]. */
  #base = 0
  /** First octet in #buffer that is not dealt with. */
  #at = 0
  #isEnded = false

  /** In a header section: the line to look at next. */
  #scan = 0
  #headerStart = 0
  /** The beginning of a header section that is too large; what follows is dropped. */
  #kept: Buffer | undefined
  #isMidLine = false

  /** In a body: #at is the beginning of a line; the line end before it begins at #breakAt (offset in the message). */
  #isLineStart = false
  #breakAt = 0

  readonly #frames: Frame[] = []
  /** Index into #frames by delimiter: the innermost of that name. */
  readonly #delimiters = new Map<string, number>()
  #leaf: Leaf | undefined
  #partCount = 0
  #defectCount = 0

  #events: MimeEvent[] = []
  #taken = 0

  constructor(limits: Partial<MimeLimits> = {}) {
    this.#limits = { ...defaultMimeLimits, ...limits }
  }

  /** The next octets. They must not be changed afterwards: events share their memory. */
  receive(bytes: Uint8Array): void {
    const chunk = asBuffer(bytes)
    const rest = this.#length - this.#at
    if (rest === 0) {
      this.#base += this.#length
      this.#buffer = chunk
      this.#length = chunk.length
      this.#isOwn = false
      this.#scan -= this.#at
      this.#at = 0
      return
    }
    if (!this.#isOwn || this.#length + chunk.length > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(4096, 2 * (rest + chunk.length)))
      this.#buffer.copy(larger, 0, this.#at, this.#length)
      this.#base += this.#at
      this.#scan -= this.#at
      this.#at = 0
      this.#buffer = larger
      this.#length = rest
      this.#isOwn = true
    }
    // Behind what was given out: nobody's octets are written over.
    chunk.copy(this.#buffer, this.#length)
    this.#length += chunk.length
  }

  /** No more octets. */
  end(): void {
    this.#isEnded = true
  }

  /** Octets dealt with: all events about what lies before were made. */
  get offset(): number {
    return this.#base + this.#at
  }

  /** undefined: more octets are needed, or after `end` there is nothing more. */
  next(): MimeEvent | undefined {
    for (;;) {
      const event = this.#events[this.#taken]
      if (event !== undefined) {
        this.#taken++
        if (this.#taken === this.#events.length) {
          this.#events = []
          this.#taken = 0
        }
        return event
      }
      if (!this.#step() && this.#taken === this.#events.length) return undefined
    }
  }

  /** False: nothing to be done before more octets. */
  #step(): boolean {
    switch (this.#state) {
      case 'header':
        return this.#header()
      case 'body':
        return this.#delimiters.size === 0 ? this.#openBody() : this.#body()
      case 'rest':
        this.#at = this.#length
        return this.#isEnded && this.#finish()
      case 'done':
        return false
    }
  }

  #defect(code: MimeDefectCode, offset: number): void {
    if (this.#defectCount++ < this.#limits.defectsMax)
      this.#events.push({ kind: 'defect', defect: { code, offset } })
  }

  #filled(): Buffer {
    return this.#buffer.length === this.#length ? this.#buffer : this.#buffer.subarray(0, this.#length)
  }

  // Header sections

  #header(): boolean {
    const buffer = this.#filled()
    for (;;) {
      const start = this.#scan
      const lf = buffer.indexOf(LF, start)
      if (lf === -1) return this.#headerWithoutLf(buffer, start)
      this.#scan = lf + 1
      if (this.#isMidLine) this.#isMidLine = false
      else if (lf === start || (lf === start + 1 && buffer[start] === CR)) {
        this.#endHeader(buffer, start, lf + 1)
        return true
      } else if (buffer[start] === DASH && buffer[start + 1] === DASH && this.#delimiters.size > 0) {
        const found = this.#match(buffer, start, lf)
        if (found !== undefined) {
          this.#cutHeader(buffer, start, found, lf)
          return true
        }
      }
      if (this.#kept === undefined && this.#scan - this.#at > this.#limits.headerBytesMax) this.#keep(buffer)
      if (this.#kept !== undefined) this.#at = this.#scan
    }
  }

  #headerWithoutLf(buffer: Buffer, start: number): boolean {
    if (this.#isEnded) {
      if (!this.#isMidLine && this.#length - start <= delimiterLineMax && this.#delimiters.size > 0) {
        const found = this.#match(buffer, start, this.#length)
        if (found !== undefined) {
          this.#cutHeader(buffer, start, found, this.#length)
          return true
        }
      }
      const parent = this.#frames.at(-1)
      if (parent?.delimiter !== undefined && this.#length === this.#at && this.#kept === undefined) {
        // A boundary with which the message stops: no part began.
        return this.#finish()
      }
      // A message of headers alone is whole; a part without its empty line is not.
      if (this.#frames.length > 0) this.#defect('unfinished-header', this.#base + this.#length)
      this.#endHeader(buffer, this.#length, this.#length)
      return true
    }
    const isLong = this.#isMidLine || this.#length - start > delimiterLineMax
    if (this.#kept === undefined && this.#length - this.#at > this.#limits.headerBytesMax + delimiterLineMax)
      this.#keep(buffer)
    if (this.#kept !== undefined) {
      // A line that can be no boundary any more is dropped as it comes.
      this.#isMidLine = isLong
      if (isLong) this.#scan = this.#length
      this.#at = this.#scan
    }
    return false
  }

  /** A boundary where the header section should go on: the part has no content, and the line end before it is not its. */
  #cutHeader(buffer: Buffer, start: number, found: Found, lineEnd: number): void {
    this.#defect('unfinished-header', this.#base + start)
    const end = start > this.#at ? this.#textEnd(buffer, this.#at, start - 1) : start
    this.#endHeader(buffer, end, end)
    // The part was a message: its own header section is not there either.
    if (this.#state === 'header') this.#endHeader(buffer, end, end)
    this.#delimiter(
      found,
      this.#base + end,
      this.#textEnd(buffer, start, lineEnd),
      Math.min(lineEnd + 1, this.#length),
    )
  }

  /** A section that is too large: its first headerBytesMax octets stay, the rest is dropped. */
  #keep(buffer: Buffer): void {
    this.#kept = Buffer.from(buffer.subarray(this.#at, this.#at + this.#limits.headerBytesMax))
    this.#defect('header-too-large', this.#base + this.#at + this.#limits.headerBytesMax)
  }

  /** The section ends at `end`, the body begins at `bodyStart`; both indexes of `buffer`. */
  #endHeader(buffer: Buffer, end: number, bodyStart: number): void {
    if (this.#kept === undefined && end - this.#at > this.#limits.headerBytesMax) this.#keep(buffer)
    const header = this.#kept ?? buffer.subarray(this.#at, Math.max(this.#at, end))
    this.#kept = undefined
    this.#isMidLine = false
    this.#at = bodyStart
    this.#scan = bodyStart
    this.#beginPart(header, this.#base + bodyStart)
  }

  #beginPart(header: Buffer, bodyStart: number): void {
    const { fieldsMax, parametersMax } = this.#limits
    const fields = [...headerFields(header, fieldsMax)]
    const start = this.#headerStart
    this.#tellGaps(header, fields, start)
    const parent = this.#frames.at(-1)
    const known = describePart(header, fields, parent?.contentType === 'multipart/digest', parametersMax)
    for (const code of known.defects) this.#defect(code, start)
    const index = this.#partCount++
    if (parent !== undefined) parent.partCount++
    const shape = this.#shapeOf(known, start)
    const contentType = `${known.contentType.type}/${known.contentType.subtype}`
    const { encoding, disposition, dispositionParameters, filename, contentId } = known
    this.#events.push({
      kind: 'part-start',
      part: {
        index,
        parent: parent?.index ?? -1,
        shape,
        start,
        bodyStart,
        header,
        fields,
        contentType,
        parameters: known.contentType.parameters,
        encoding: shape === 'multipart' ? 'identity' : encoding,
        disposition,
        dispositionParameters,
        filename,
        contentId,
      },
    })
    this.#openPart(index, shape, contentType, known, bodyStart)
  }

  /** Lines between the fields are none; fields that were not read are too many. */
  #tellGaps(header: Buffer, fields: readonly HeaderField[], start: number): void {
    let at = 0
    for (const field of fields) {
      if (field.start > at) this.#defect('not-a-field', start + at)
      at = field.end
    }
    if (at >= header.length) return
    this.#defect(fields.length >= this.#limits.fieldsMax ? 'too-many-fields' : 'not-a-field', start + at)
  }

  #shapeOf(known: DescribedPart, start: number): PartShape {
    const { type, subtype } = known.contentType
    const isMessage = type === 'message' && (subtype === 'rfc822' || subtype === 'global')
    if (type !== 'multipart' && !isMessage) return 'leaf'
    // RFC 2046 section 5.2.1 allows no other encoding for message/rfc822; those who use one are decoded above us.
    if (isMessage && known.encoding !== 'identity') return 'leaf'
    if (type === 'multipart' && known.boundary === undefined) {
      this.#defect('no-boundary', start)
      return 'leaf'
    }
    if (this.#frames.length >= this.#limits.depthMax) {
      this.#defect('too-deep', start)
      return 'leaf'
    }
    return isMessage ? 'message' : 'multipart'
  }

  #openPart(
    index: number,
    shape: PartShape,
    contentType: string,
    { boundary }: DescribedPart,
    bodyStart: number,
  ): void {
    this.#leaf = shape === 'leaf' ? { index } : undefined
    if (shape !== 'leaf') {
      const delimiter = shape === 'multipart' ? `--${boundary}` : undefined
      const shadowed = delimiter === undefined ? undefined : this.#delimiters.get(delimiter)
      if (delimiter !== undefined) this.#delimiters.set(delimiter, this.#frames.length)
      this.#frames.push({ index, contentType, delimiter, shadowed, bodyStart, partCount: 0, isClosed: false })
    }
    if (shape === 'message') this.#startHeader(bodyStart)
    else {
      this.#state = 'body'
      this.#isLineStart = true
      this.#breakAt = bodyStart
    }
  }

  #startHeader(offset: number): void {
    if (this.#partCount >= this.#limits.partsMax) {
      this.#defect('too-many-parts', offset)
      this.#state = 'rest'
      return
    }
    this.#state = 'header'
    this.#headerStart = offset
    this.#scan = this.#at
  }

  // Content

  #give(from: number, to: number): void {
    if (to <= from || this.#leaf === undefined) return
    const bytes = this.#buffer.subarray(from, to)
    this.#events.push({ kind: 'body', index: this.#leaf.index, offset: this.#base + from, bytes })
  }

  /** No boundary is open: all that comes is content. */
  #openBody(): boolean {
    const had = this.#length > this.#at
    this.#give(this.#at, this.#length)
    this.#at = this.#length
    if (this.#isEnded) return this.#finish()
    return had && this.#leaf !== undefined
  }

  /** Gives content up to the next boundary, or as far as it is sure. */
  #body(): boolean {
    const buffer = this.#filled()
    let search = this.#at
    for (;;) {
      let line = this.#at
      let breakIndex = this.#at
      if (!this.#isLineStart) {
        const lf = buffer.indexOf('\n--', search, 'latin1')
        if (lf === -1) return this.#giveSure(buffer, heldFrom(buffer, this.#at))
        line = lf + 1
        breakIndex = lf > this.#at && buffer[lf - 1] === CR ? lf - 1 : lf
      }
      const lineEnd = this.#candidateEnd(buffer, line)
      if (lineEnd === 'unknown') return this.#giveSure(buffer, breakIndex)
      const found = lineEnd === 'none' ? undefined : this.#match(buffer, line, lineEnd)
      if (found === undefined) {
        if (this.#isLineStart) this.#isLineStart = false
        search = line
        continue
      }
      const end = this.#isLineStart ? this.#breakAt : this.#base + breakIndex
      this.#give(this.#at, breakIndex)
      const behind = lineEnd as number
      this.#delimiter(found, end, this.#textEnd(buffer, line, behind), Math.min(behind + 1, this.#length))
      return true
    }
  }

  /** Everything before `sure` is content, and what follows waits for more; at the end of the message all is. */
  #giveSure(buffer: Buffer, sure: number): boolean {
    const to = this.#isEnded ? buffer.length : sure
    const had = to > this.#at
    this.#give(this.#at, to)
    this.#at = to
    if (had) this.#isLineStart = false
    if (this.#isEnded) return this.#finish()
    return had && this.#leaf !== undefined
  }

  /** Index of the line end of a line that may be a boundary. */
  #candidateEnd(buffer: Buffer, line: number): number | 'none' | 'unknown' {
    const left = this.#length - line
    if (left < 2 && !this.#isEnded) {
      return left === 0 || buffer[line] === DASH ? 'unknown' : 'none'
    }
    if (buffer[line] !== DASH || buffer[line + 1] !== DASH || left < 2) return 'none'
    const lf = buffer.indexOf(LF, line)
    const end = lf === -1 ? this.#length : lf
    if (end - line > delimiterLineMax) return 'none'
    return lf === -1 && !this.#isEnded ? 'unknown' : end
  }

  /**
   * The whole line is a boundary, blanks behind it allowed (RFC 2046 section 5.1.1); of all that are open the innermost.
   * Deviation: a line that only begins with a boundary is none, although section 5.1.1 would let a reader take it: where one
   * boundary begins another, readers who do so see other parts than those who do not.
   */
  #match(buffer: Buffer, start: number, end: number): Found | undefined {
    if (end - start > delimiterLineMax) return undefined
    const text = buffer.toString('latin1', start, end).trimEnd()
    const open = this.#delimiters.get(text)
    const close = text.endsWith('--') ? this.#delimiters.get(text.slice(0, -2)) : undefined
    if (open === undefined && close === undefined) return undefined
    return close !== undefined && (open === undefined || close > open)
      ? { frame: close, isClose: true }
      : { frame: open as number, isClose: false }
  }

  #textEnd(buffer: Buffer, line: number, lineEnd: number): number {
    return lineEnd > line && buffer[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd
  }

  /** `end`: offset where what stood before ends. `textEnd`, `behind`: indexes, of the line's end and the one after it. */
  #delimiter(found: Found, end: number, textEnd: number, behind: number): void {
    this.#endLeaf(end)
    while (this.#frames.length > found.frame + 1) this.#endFrame(end)
    const frame = this.#frames[found.frame] as Frame
    this.#at = behind
    this.#scan = behind
    if (!found.isClose) return this.#startHeader(this.#base + behind)
    frame.isClosed = true
    this.#forget(frame)
    this.#state = 'body'
    this.#isLineStart = true
    this.#breakAt = this.#base + textEnd
  }

  #forget({ delimiter, shadowed }: Frame): void {
    if (delimiter === undefined) return
    if (shadowed === undefined) this.#delimiters.delete(delimiter)
    else this.#delimiters.set(delimiter, shadowed)
  }

  #endLeaf(end: number): void {
    if (this.#leaf !== undefined) this.#events.push({ kind: 'part-end', index: this.#leaf.index, end })
    this.#leaf = undefined
  }

  #endFrame(end: number): void {
    const frame = this.#frames.pop()
    if (frame === undefined) return
    if (frame.delimiter !== undefined) {
      if (frame.partCount === 0) this.#defect('no-parts', frame.bodyStart)
      else if (!frame.isClosed) this.#defect('unclosed-multipart', end)
      if (!frame.isClosed) this.#forget(frame)
    }
    // A multipart that another's boundary cut off in its own header section ends where that began.
    this.#events.push({ kind: 'part-end', index: frame.index, end: Math.max(end, frame.bodyStart) })
  }

  #finish(): boolean {
    const end = this.#base + this.#length
    this.#endLeaf(end)
    while (this.#frames.length > 0) this.#endFrame(end)
    this.#state = 'done'
    return true
  }
}

/** Where that begins which may be the line end before a boundary, and its first dash. */
function heldFrom(buffer: Buffer, from: number): number {
  let at = buffer.length
  if (at > from && buffer[at - 1] === DASH) at--
  if (at > from && buffer[at - 1] === LF) {
    at--
    return at > from && buffer[at - 1] === CR ? at - 1 : at
  }
  return at === buffer.length && at > from && buffer[at - 1] === CR ? at - 1 : buffer.length
}
