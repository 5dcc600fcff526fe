// Owns reading replies off the wire: bytes in any cut become Reply values. It refuses what is no reply (Malformed names
// what came) and whatever exceeds its limits; it judges no code. No I/O.
// RFC 5321 section 4.2 and 4.2.1 (multi-line replies), RFC 2034 section 4 (enhanced status codes).

import type { Reply } from './reply.ts'

export interface ReplyLimits {
  /** Longest line, octets with its end; RFC 5321 section 4.5.3.1.5 promises 512, real hosts exceed it. Default 4096. */
  readonly lineBytesMax: number
  /** Lines of one reply. Default 128. */
  readonly linesMax: number
  /** Octets of one reply. Default 32 KiB. */
  readonly replyBytesMax: number
}

export const defaultReplyLimits: ReplyLimits = { lineBytesMax: 4096, linesMax: 128, replyBytesMax: 32 * 1024 }

/** What came is no reply. The parser is of no use afterwards: framing is lost. */
export class MalformedReply extends Error {
  override readonly name = 'MalformedReply'
}

/** Replies of one line that are kept. */
const knownMax = 16
const knownCharsMax = 60

const DIGIT_0 = 48
const HYPHEN = 45
const SPACE = 32
const DOT = 46
const CR = 13

/**
 * Feed with `push`, take with `next` until it is undefined.
 * Deviation: a bare LF ends a line too, because appliances send it and nothing can be smuggled in a reply.
 */
export class ReplyParser {
  readonly #limits: ReplyLimits
  /** Octets as latin1 that no reply has used yet, from #at on. */
  #text = ''
  #at = 0
  /** Lines of a reply that goes on. */
  #lines: string[] = []
  #linesBytes = 0
  #code = 0
  readonly #known = new Map<string, Reply>()

  constructor(limits: Partial<ReplyLimits> = {}) {
    this.#limits = { ...defaultReplyLimits, ...limits }
  }

  push(bytes: Uint8Array): void {
    const text = asBuffer(bytes).toString('latin1')
    this.#text = this.#at === this.#text.length ? text : this.#text.slice(this.#at) + text
    this.#at = 0
  }

  /** Nothing is left over: neither a part of a line nor a reply that goes on, nor a whole reply not yet taken. */
  get empty(): boolean {
    return this.#at === this.#text.length && this.#lines.length === 0
  }

  /** What came since the last whole reply, for people; bounded. */
  get rest(): string {
    return this.#lines
      .concat(this.#text.slice(this.#at, this.#at + 200))
      .join(' / ')
      .slice(-400)
  }

  /** The next whole reply, undefined when more bytes are needed. Throws {@link MalformedReply}. */
  next(): Reply | undefined {
    const text = this.#text
    for (;;) {
      const start = this.#at
      const lf = text.indexOf('\n', start)
      const bytesCount = (lf === -1 ? text.length : lf + 1) - start
      if (bytesCount > this.#limits.lineBytesMax)
        throw malformed('line too long', text.slice(start, start + 80))
      if (lf === -1) return undefined
      this.#at = lf + 1
      const end = lf > start && text.charCodeAt(lf - 1) === CR ? lf - 1 : lf
      const code = readCode(text, start, end)
      if (code === 0) throw malformed('not a reply', text.slice(start, end))
      const mark = end - start === 3 ? SPACE : text.charCodeAt(start + 3)
      const rest = text.slice(start + 4, end)
      if (mark === SPACE && this.#lines.length === 0) return this.#single(code, rest)
      if (mark !== SPACE && mark !== HYPHEN) throw malformed('not a reply', text.slice(start, end))
      // RFC 5321 section 4.2.1: every line of a reply has the same code.
      if (this.#lines.length > 0 && code !== this.#code)
        throw malformed(`reply changes its code from ${this.#code}`, text.slice(start, end))
      this.#code = code
      this.#linesBytes += bytesCount
      if (
        this.#lines.push(decode(rest)) > this.#limits.linesMax ||
        this.#linesBytes > this.#limits.replyBytesMax
      )
        throw malformed('reply too long', text.slice(start, end))
      if (mark === HYPHEN) continue
      const lines = this.#lines
      this.#lines = []
      this.#linesBytes = 0
      return makeReply(code, lines)
    }
  }

  /** Hosts say the same to MAIL, RCPT and DATA, message after message: what was read once is the same value. */
  #single(code: number, rest: string): Reply {
    if (rest.length > knownCharsMax) return makeReply(code, [decode(rest)])
    let reply = this.#known.get(rest)
    if (reply?.code === code) return reply
    reply = makeReply(code, [decode(rest)])
    // At most so many: what differs each time ("queued as 1234") must not push out what does not, nor cost more than a look.
    if (this.#known.size < knownMax) this.#known.set(rest, reply)
    return reply
  }
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** 200..599, or 0. RFC 5321 section 4.2: the second digit is 0-5, which some hosts ignore; so do we. */
function readCode(text: string, start: number, end: number): number {
  if (end - start < 3) return 0
  const a = text.charCodeAt(start) - DIGIT_0
  const b = text.charCodeAt(start + 1) - DIGIT_0
  const c = text.charCodeAt(start + 2) - DIGIT_0
  if (a < 2 || a > 5 || b < 0 || b > 9 || c < 0 || c > 9) return 0
  return a * 100 + b * 10 + c
}

const malformed = (what: string, line: string): MalformedReply =>
  new MalformedReply(`${what}: "${printable(decode(line)).slice(0, 120)}"`)

const beyondAscii = /[\x80-\xff]/
const control = /[^\x20-\x7e\u0080-\u{10ffff}]/gu

/** Octets (as latin1) to text: UTF-8 where it is that (RFC 6531 section 3.7.4.1 allows it in replies). */
const decode = (octets: string): string =>
  beyondAscii.test(octets) ? Buffer.from(octets, 'latin1').toString('utf8') : octets

const printable = (text: string): string => text.replace(control, '?')

const status = /^([245]\.\d{1,3}\.\d{1,3})(?: +|$)/

function makeReply(code: number, lines: readonly string[]): Reply {
  const first = lines[0] as string
  if (code >= 300 && code < 400) return { code, lines }
  if (first.charCodeAt(1) !== DOT) return { code, lines }
  const found = status.exec(first)?.[1]
  if (found === undefined) return { code, lines }
  return { code, status: found, lines: lines.map((line) => withoutStatus(line, found)) }
}

/** RFC 2034 section 4: the status stands on every line. */
const withoutStatus = (line: string, found: string): string =>
  line.startsWith(found) ? line.slice(found.length + 1).trimStart() : line
