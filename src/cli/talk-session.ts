// Owns one talk: what a typed line means (a command of SMTP, or one of ours with a dot), what is sent, what came back, and
// the modes between. Terminal, connection and files are given. Passwords are sent, and never shown.
// RFC 5321 sections 4.1 and 4.5.2, RFC 3207, RFC 4954, RFC 2033, RFC 3030.

import type { Clock } from '../base/clock.ts'
import type { Connection, TlsInfo } from '../base/connection.ts'
import type { Random } from '../base/random.ts'
import { canonicalLines, encodeData } from '../smtp/data-encoder.ts'
import { done, failed, type TalkStep } from './talk-step.ts'
import { type TalkStyle, TalkView } from './talk-view.ts'
import { type TalkOutcome, type TalkReply, TalkWire } from './talk-wire.ts'

export interface TalkTerminal {
  /** A line that is ready to be shown: harmless, coloured. */
  print(line: string): void
  /** Undefined: nobody can be asked. */
  ask(question: string): Promise<string | undefined>
  /** As `ask`, without echo, and kept nowhere. */
  askSecret(question: string): Promise<string | undefined>
}

export interface TalkOptions {
  readonly connection: Connection
  readonly terminal: TalkTerminal
  readonly style: TalkStyle
  readonly clock: Clock
  readonly random: Random
  readonly protocol: 'smtp' | 'lmtp'
  /** Name for SNI and for the certificate, and for OAUTHBEARER. */
  readonly servername: string
  readonly port: number
  /** For each reply. */
  readonly timeoutMs: number
  readonly ca?: string | readonly string[]
  readonly readFile: (path: string) => Promise<Buffer>
  /** Called once: the connection is gone. */
  readonly onClosed?: () => void
  /** For `env:NAME` of `.auth`. */
  readonly env: Readonly<Record<string, string | undefined>>
}

const crlf = '\r\n'

/** Modes: command; data: lines are the message, until a dot. */
export class TalkSession {
  readonly options: TalkOptions
  readonly view: TalkView
  readonly wire: TalkWire
  readonly #connection: Connection
  /** What EHLO announced: 'SIZE 1000'. Forgotten by STARTTLS. */
  announced: readonly string[] = []
  /** The newest outcome of a wait, which `.expect` looks at. */
  last: TalkOutcome | undefined
  mode: 'command' | 'data' = 'command'
  timeoutMs: number
  tls: TlsInfo | undefined
  /** Sent by `.send` without waiting: their replies are still to come. */
  owedCount = 0
  /** `.raw` went out: nobody knows how many replies come. */
  isRaw = false
  #dataLineCount = 0
  #isLeaving = false
  #stopPause: (() => void) | undefined
  #acceptedCount = 0

  constructor(options: TalkOptions) {
    this.options = options
    this.#connection = options.connection
    this.timeoutMs = options.timeoutMs
    this.tls = options.connection.tls
    this.view = new TalkView(options.style, (line) => options.terminal.print(line))
    this.wire = new TalkWire(options.connection, options.clock, {
      line: (line) => this.view.line(line),
      reply: (reply) => this.view.reply(reply),
      flooded: (linesMax) =>
        this.view.warn(`more than ${linesMax} lines: the rest is not shown until you say something`),
      closed: (reason) => {
        options.onClosed?.()
        if (!this.#isLeaving) this.view.note(reason)
      },
    })
  }

  /** The server speaks first. */
  async start(): Promise<TalkStep> {
    if (this.tls !== undefined) this.view.tls(this.tls, this.options.servername, this.options.clock.now())
    return this.#await(1)
  }

  /** A command of SMTP, or a line of the message. Never rejects for what the peer does. */
  async say(line: string): Promise<TalkStep> {
    if (this.mode === 'data') return this.#dataLine(line)
    if (this.wire.closed !== undefined) return failed(`the connection is closed: ${this.wire.closed}`)
    return line.trim().toUpperCase() === 'STARTTLS' ? this.#startTls(line) : this.command(line)
  }

  /** A line that must be kept nowhere. */
  isSecret(line: string): boolean {
    const challenged = this.last?.kind === 'reply' && this.last.code === 334
    return (
      this.mode === 'command' && (challenged || /^\s*(?:AUTH\s+\S+\s+\S|\.auth\s+\S+\s+\S+\s+\S)/i.test(line))
    )
  }

  /** Sends one line and waits for its reply, and for those that are owed. `shown` in its place, where it is a secret. */
  async command(line: string, shown?: string): Promise<TalkStep> {
    if (this.owedCount === 0) this.wire.discardUnread()
    const secret = shown ?? (this.isSecret(line) ? line.replace(/^(\s*AUTH\s+\S+\s+)?.*$/is, '$1****') : line)
    this.view.sent(secret)
    this.wire.send(Buffer.from(line + crlf))
    const count = this.owedCount + 1
    this.owedCount = 0
    this.isRaw = false
    const step = await this.#await(count)
    if (this.last?.kind === 'reply') this.#learn(line, this.last)
    return step
  }

  /** Waits for the next reply. */
  async await(timeoutMs = this.timeoutMs): Promise<TalkOutcome> {
    const outcome = await this.wire.nextReply(timeoutMs)
    if (this.owedCount > 0) this.owedCount--
    this.last = outcome
    return outcome
  }

  /** Waits, unless it is stopped. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.options.clock.setTimer(ms, () => this.#stopPause?.())
      this.#stopPause = () => {
        this.#stopPause = undefined
        timer.cancel()
        resolve()
      }
    })
  }

  /** Ends what is waited for. False: nothing is. */
  interrupt(): boolean {
    const isPaused = this.#stopPause !== undefined
    this.#stopPause?.()
    return this.wire.stopWaiting() || isPaused
  }

  /** Bytes as they are; within DATA the rest of the message is theirs, too. */
  sendRaw(bytes: Uint8Array): void {
    this.mode = 'command'
    this.isRaw = true
    this.view.sentRaw(bytes)
    this.wire.send(bytes)
  }

  async #await(count: number): Promise<TalkStep> {
    for (let i = 0; i < count; i++) {
      const outcome = await this.wire.nextReply(this.timeoutMs)
      this.last = outcome
      if (outcome.kind === 'closed') return { kind: 'silent', reason: outcome.reason }
      if (outcome.kind === 'timeout') {
        const reason = `no reply within ${outcome.waitedMs / 1000} s`
        this.view.note(reason)
        return { kind: 'silent', reason }
      }
      if (outcome.kind === 'stopped') return done
    }
    return done
  }

  #learn(line: string, reply: TalkReply): void {
    const verb = /^\s*([a-z]*)/i.exec(line)?.[1]?.toUpperCase() ?? ''
    const isYes = reply.code >= 200 && reply.code < 300
    if ((verb === 'EHLO' || verb === 'LHLO') && isYes)
      this.announced = reply.lines.slice(1).map((one) => one.trim())
    if (verb === 'HELO' && isYes) this.announced = []
    if (verb === 'RCPT' && isYes) this.#acceptedCount++
    if (/^(?:MAIL|RSET|EHLO|HELO|LHLO)$/.test(verb) && isYes) this.#acceptedCount = 0
    if (verb === 'DATA' && reply.code === 354) {
      this.mode = 'data'
      this.#dataLineCount = 0
    }
  }

  /** RFC 2033 section 4.2: LMTP answers once for each accepted recipient. */
  #answersToData(): number {
    return this.options.protocol === 'lmtp' ? Math.max(1, this.#acceptedCount) : 1
  }

  async #dataLine(line: string): Promise<TalkStep> {
    if (this.wire.closed !== undefined) {
      this.mode = 'command'
      return failed(`the connection is closed: ${this.wire.closed}`)
    }
    this.#dataLineCount++
    if (line === '.') return this.#endData([Buffer.from(`.${crlf}`)], '.')
    // RFC 5321 section 4.5.2.
    this.wire.send(canonicalLines(Buffer.from(`${line.startsWith('.') ? '.' : ''}${line}\n`)))
    this.view.sent(line)
    return done
  }

  async #endData(pieces: readonly Buffer[], shown: string): Promise<TalkStep> {
    this.mode = 'command'
    this.view.sent(shown)
    for (const piece of pieces) this.wire.send(piece)
    const step = await this.#await(this.#answersToData())
    this.#acceptedCount = 0
    return step
  }

  /** Behind a 354, before the first line of the message. No header begins with a dot: commands of ours still work. */
  get isAtDataStart(): boolean {
    return this.mode === 'data' && this.#dataLineCount === 0
  }

  /** DATA (where it was not said yet), the file dot-stuffed, and the final dot. */
  async sendFile(path: string): Promise<TalkStep> {
    const body = await this.readFile(path)
    if (typeof body === 'string') return failed(body)
    if (this.mode !== 'data') {
      const step = await this.command('DATA')
      if (step.kind !== 'done') return step
      if (this.last?.kind !== 'reply' || this.last.code !== 354) return failed('DATA was not answered by 354')
    }
    return this.#endData(encodeData(body), `(${body.length} octets of ${path})`)
  }

  /** RFC 3030 section 2: the file in chunks, each answered. */
  async sendBdat(path: string, chunkBytes: number): Promise<TalkStep> {
    const body = await this.readFile(path)
    if (typeof body === 'string') return failed(body)
    const bytes = canonicalLines(body)
    for (let at = 0; ; at += chunkBytes) {
      const chunk = bytes.subarray(at, at + chunkBytes)
      const isLast = at + chunk.length >= bytes.length
      const line = `BDAT ${chunk.length}${isLast ? ' LAST' : ''}`
      this.view.sent(`${line} and ${chunk.length} octets`)
      if (this.owedCount === 0) this.wire.discardUnread()
      this.wire.send(Buffer.concat([Buffer.from(line + crlf), chunk]))
      const step = await this.#await(isLast ? this.#answersToData() : 1)
      const refused = this.last?.kind === 'reply' && this.last.code >= 400
      if (isLast || step.kind !== 'done' || refused) return step
    }
  }

  /** The octets, or why not. */
  async readFile(path: string): Promise<Buffer | string> {
    try {
      return await this.options.readFile(path)
    } catch (error) {
      return `cannot read '${path}': ${error instanceof Error ? error.message : String(error)}`
    }
  }

  async #startTls(command: string): Promise<TalkStep> {
    const step = await this.command(command)
    if (step.kind !== 'done') return step
    if (this.last?.kind !== 'reply' || this.last.code !== 220) return done
    return this.upgrade()
  }

  /** The handshake alone. RFC 3207 section 4.2: what EHLO said is forgotten. */
  async upgrade(): Promise<TalkStep> {
    if (this.tls !== undefined) return failed('TLS is on already')
    if (this.wire.closed !== undefined) return failed(`the connection is closed: ${this.wire.closed}`)
    if (this.wire.hasPartial)
      this.view.note('bytes came in the clear before the handshake: a client must refuse that')
    const { servername, ca, clock } = this.options
    try {
      this.tls = await this.#connection.startTls({
        kind: 'client',
        servername,
        verify: false,
        details: true,
        timeoutMs: this.timeoutMs,
        ...(ca !== undefined && { ca }),
      })
    } catch (error) {
      return failed(`TLS: ${error instanceof Error ? error.message : String(error)}`)
    }
    this.announced = []
    this.view.tls(this.tls, servername, clock.now())
    return done
  }

  /** Ends the connection in order, hears what is still said for a moment, and drops it. */
  async leave(patienceMs = 500): Promise<void> {
    this.#isLeaving = true
    this.#connection.end()
    for (;;) {
      const outcome = await this.wire.nextReply(patienceMs)
      if (outcome.kind !== 'reply') break
    }
    this.#connection.destroy()
  }
}
