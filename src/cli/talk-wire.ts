// Owns the server's side of a talk: bytes as they come, cut into lines and replies, tolerant of everything. It shows all,
// judges nothing, keeps bounded. RFC 5321 section 4.2.1; what is no reply is a line of its own.

import type { Clock, Timer } from '../base/clock.ts'
import type { Connection, ConnectionHandler } from '../base/connection.ts'

export interface TalkReply {
  readonly kind: 'reply'
  /** Three digits, whatever they are. */
  readonly code: number
  readonly status?: string
  /** Octets of each line behind the code, as latin1. */
  readonly lines: readonly string[]
  /** Since our last byte. */
  readonly elapsedMs: number
}

export type TalkOutcome =
  | TalkReply
  | { readonly kind: 'closed'; readonly reason: string }
  | { readonly kind: 'timeout'; readonly waitedMs: number }
  /** The person stopped waiting. */
  | { readonly kind: 'stopped' }

/** A line as it came. */
export interface TalkLine {
  /** Without its end. */
  readonly bytes: Buffer
  /** '': more of it may follow. */
  readonly end: '\r\n' | '\n' | ''
  readonly isReply: boolean
}

export interface TalkWireEvents {
  line(line: TalkLine): void
  /** After its last line. */
  reply(reply: TalkReply): void
  closed(reason: string): void
  /** So many lines came without a word of ours in between that the rest is not shown. */
  flooded(linesMax: number): void
}

const lineBytesMax = 8192
const replyLinesMax = 500
const repliesMax = 1000
/** Lines that are shown until we say something again: a terminal takes them slower than a peer sends them. */
const shownMax = 2000
/** A line that is not finished by then is shown as far as it came. */
const partialMs = 1000

export class TalkWire implements ConnectionHandler {
  /** Why it is closed; undefined while it is open. */
  closed: string | undefined
  /** The peer will say no more; we may. */
  readonly #connection: Connection
  readonly #clock: Clock
  readonly #events: TalkWireEvents
  #buffer = Buffer.alloc(0)
  #partial: Timer | undefined
  #lines: string[] = []
  #code = 0
  #sentAt: number
  readonly #unread: TalkReply[] = []
  #shownCount = 0
  #waiting: ((outcome: TalkOutcome) => void) | undefined

  constructor(connection: Connection, clock: Clock, events: TalkWireEvents) {
    this.#connection = connection
    this.#clock = clock
    this.#events = events
    this.#sentAt = clock.now()
    this.closed = undefined
    connection.attach(this)
  }

  send(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#sentAt = this.#clock.now()
    this.#shownCount = 0
    this.#connection.write(bytes)
  }

  /** Replies that came and that nobody has waited for; they were shown. */
  discardUnread(): void {
    this.#unread.length = 0
  }

  /** Octets of a line that is not finished. */
  get hasPartial(): boolean {
    return this.#buffer.length > 0
  }

  /** The next reply, or why there is none. One at a time. */
  nextReply(timeoutMs: number): Promise<TalkOutcome> {
    const first = this.#unread.shift()
    if (first !== undefined) return Promise.resolve(first)
    if (this.closed !== undefined) return Promise.resolve({ kind: 'closed', reason: this.closed })
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(timeoutMs, () =>
        this.#settle({ kind: 'timeout', waitedMs: timeoutMs }),
      )
      this.#waiting = (outcome) => {
        timer.cancel()
        resolve(outcome)
      }
    })
  }

  /** Ends a wait. False: nobody waits. */
  stopWaiting(): boolean {
    return this.#settle({ kind: 'stopped' })
  }

  data(bytes: Buffer): void {
    this.#partial?.cancel()
    this.#partial = undefined
    let rest = this.#buffer.length === 0 ? bytes : Buffer.concat([this.#buffer, bytes])
    for (let lf = rest.indexOf(10); lf !== -1; lf = rest.indexOf(10)) {
      const hasCr = lf > 0 && rest[lf - 1] === 13
      this.#line(rest.subarray(0, hasCr ? lf - 1 : lf), hasCr ? '\r\n' : '\n')
      rest = rest.subarray(lf + 1)
    }
    while (rest.length > lineBytesMax) {
      this.#line(rest.subarray(0, lineBytesMax), '')
      rest = rest.subarray(lineBytesMax)
    }
    this.#buffer = Buffer.from(rest)
    if (rest.length > 0) this.#partial = this.#clock.setTimer(partialMs, () => this.#showPartial())
  }

  end(): void {
    this.#close('the server closed the connection')
    this.#connection.end()
  }

  close(error?: Error): void {
    this.#close(error?.message ?? 'the connection is closed')
  }

  drain(): void {}

  #showPartial(): void {
    const bytes = this.#buffer
    this.#buffer = Buffer.alloc(0)
    if (bytes.length > 0) this.#line(bytes, '')
  }

  #close(reason: string): void {
    if (this.closed !== undefined) return
    this.#partial?.cancel()
    this.#showPartial()
    this.closed = reason
    this.#events.closed(reason)
    this.#settle({ kind: 'closed', reason })
  }

  #line(bytes: Buffer, end: TalkLine['end']): void {
    const text = bytes.toString('latin1')
    const match = end === '' ? null : /^(\d{3})([ -]|$)/.exec(text)
    if (this.#shownCount++ < shownMax) this.#events.line({ bytes, end, isReply: match !== null })
    else if (this.#shownCount === shownMax + 1) this.#events.flooded(shownMax)
    if (match === null) return
    const code = Number(match[1])
    // A reply that changes its code is two for us: the first one never ended.
    if (this.#lines.length > 0 && code !== this.#code) this.#lines = []
    this.#code = code
    if (this.#lines.length < replyLinesMax) this.#lines.push(text.slice(4))
    if (match[2] === '-') return
    const lines = this.#lines
    this.#lines = []
    const status = /^([245]\.\d{1,3}\.\d{1,3})(?= |$)/.exec(lines[0] ?? '')?.[1]
    const elapsedMs = this.#clock.now() - this.#sentAt
    const reply: TalkReply = {
      kind: 'reply',
      code,
      lines,
      elapsedMs,
      ...(status !== undefined && { status }),
    }
    if (this.#shownCount <= shownMax) this.#events.reply(reply)
    if (this.#settle(reply)) return
    if (this.#unread.length >= repliesMax) this.#unread.shift()
    this.#unread.push(reply)
  }

  #settle(outcome: TalkOutcome): boolean {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.(outcome)
    return waiting !== undefined
  }
}
