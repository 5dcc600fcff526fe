// Owns talking to one milter: connections that are kept and used again, one milter session for each SMTP session, its answers
// within their time, its changes as data. Every failure is a ScanFailure, and the connection it happened on is not used again.

import type { Clock, Timer } from '../base/clock.ts'
import type { Dialer } from '../base/connection.ts'
import { ByteStream, type ScanTarget } from './byte-stream.ts'
import type { EditableField } from './header-edit.ts'
import { type Macros, MilterMachine } from './milter-machine.ts'
import { bodyChunkMax, type MilterChange, type MilterCommand, type MilterReply } from './milter-protocol.ts'
import { ScanFailure } from './scan-failure.ts'

export interface MilterClientOptions {
  readonly clock: Clock
  readonly dialer: Dialer
  readonly target: ScanTarget
  /** For a connection, and for each answer; progress begins it anew. */
  readonly timeoutMs: number
  /**
   * Idle connections kept. Default 10; 0: none is used again. Not every milter of version 6 answers a CONNECT behind QUIT_NC: that
   * session then pays one time-out before it dials anew.
   */
  readonly idleMax?: number
  /** Default 30 s. */
  readonly idleMs?: number
  /** Of a new body. */
  readonly bodyBytesMax: number
}

export interface MilterMessage {
  readonly fields: readonly EditableField[]
  readonly body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

export interface MilterResult {
  readonly reply: MilterReply
  readonly changes: readonly MilterChange[]
}

const goOn: MilterReply = { kind: 'continue' }
const flushBytes = 64 * 1024

interface Idle {
  readonly link: Link
  readonly timer: Timer
}

export class MilterClient {
  readonly #options: Required<MilterClientOptions>
  #idle: Idle[] = []
  #isClosed = false

  constructor(options: MilterClientOptions) {
    this.#options = { idleMax: 10, idleMs: 30_000, ...options }
  }

  get idleCount(): number {
    return this.#idle.length
  }

  /** A session with its CONNECT said, and the milter's answer. An idle connection that is gone is replaced. Rejects with a ScanFailure. */
  async open(
    command: Extract<MilterCommand, { kind: 'connect' }>,
    macros: Macros,
    signal?: AbortSignal,
  ): Promise<{ readonly session: MilterSession; readonly reply: MilterReply }> {
    const release = (link: Link): void => this.#release(link)
    for (;;) {
      const idle = this.#takeIdle()
      const link = idle ?? (await this.#dial(signal))
      const session = new MilterSession(link, release)
      try {
        return { session, reply: await session.connect(command, macros, signal) }
      } catch (error) {
        session.destroy()
        if (idle === undefined || signal?.aborted === true) throw error
      }
    }
  }

  close(): void {
    this.#isClosed = true
    for (const { link, timer } of this.#idle) {
      timer.cancel()
      link.quit()
    }
    this.#idle = []
  }

  #takeIdle(): Link | undefined {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      idle.timer.cancel()
      if (idle.link.isUsable) return idle.link
      idle.link.destroy()
    }
    return undefined
  }

  async #dial(signal: AbortSignal | undefined): Promise<Link> {
    const stream = await ByteStream.open({ ...this.#options, signal })
    const link = new Link(stream, this.#options)
    try {
      await link.negotiate(signal)
    } catch (error) {
      link.destroy()
      throw error
    }
    return link
  }

  #release(link: Link): void {
    const { clock, idleMax, idleMs } = this.#options
    if (this.#isClosed || this.#idle.length >= idleMax || !link.isReusable) {
      link.quit()
      return
    }
    link.endSession()
    const timer = clock.setTimer(idleMs, () => {
      this.#idle = this.#idle.filter((one) => one.link !== link)
      link.quit()
    })
    this.#idle.push({ link, timer })
  }
}

/** The milter's view of one SMTP session. Methods one after the other; each rejects with a ScanFailure, after which it is over. */
export class MilterSession {
  readonly #link: Link
  readonly #release: (link: Link) => void
  /** Nothing more of the session, or of this message, is shown to it. */
  #done: 'session' | 'message' | undefined
  #inMessage = false
  #isOver = false

  constructor(link: Link, release: (link: Link) => void) {
    this.#link = link
    this.#release = release
  }

  get keepsLeadingSpace(): boolean {
    return this.#link.machine.keepsLeadingSpace
  }

  /** False: it failed or was closed. */
  get isOpen(): boolean {
    return !this.#isOver && this.#link.isUsable
  }

  connect(
    command: Extract<MilterCommand, { kind: 'connect' }>,
    macros: Macros,
    signal?: AbortSignal,
  ): Promise<MilterReply> {
    return this.#ask(command, macros, signal, 'session')
  }

  helo(name: string, macros: Macros, signal?: AbortSignal): Promise<MilterReply> {
    return this.#ask({ kind: 'helo', name }, macros, signal, 'session')
  }

  mail(
    path: string,
    parameters: readonly string[],
    macros: Macros,
    signal?: AbortSignal,
  ): Promise<MilterReply> {
    this.abort()
    this.#inMessage = true
    return this.#ask({ kind: 'mail', path, parameters }, macros, signal, 'message')
  }

  rcpt(
    path: string,
    parameters: readonly string[],
    macros: Macros,
    signal?: AbortSignal,
  ): Promise<MilterReply> {
    return this.#ask({ kind: 'rcpt', path, parameters }, macros, signal, 'message')
  }

  data(macros: Macros, signal?: AbortSignal): Promise<MilterReply> {
    return this.#ask({ kind: 'data' }, macros, signal, 'message')
  }

  /** The whole message, its verdict and its changes. */
  async message(message: MilterMessage, macros: Macros, signal?: AbortSignal): Promise<MilterResult> {
    const none = { reply: goOn, changes: [] }
    if (this.#done !== undefined) return none
    return this.#guard(signal, async () => {
      const early = await this.#content(message, macros)
      this.#inMessage = early !== undefined
      if (early !== undefined) return { reply: early, changes: [] }
      const changes: MilterChange[] = []
      const reply = await this.#link.ask({ kind: 'eob' }, macros, (change) => changes.push(change))
      return { reply: reply ?? goOn, changes }
    })
  }

  /** The message will not be finished. */
  abort(): void {
    if (this.#done === 'message') this.#done = undefined
    if (!this.#inMessage) return
    this.#inMessage = false
    if (this.#done === undefined) this.#link.abort()
  }

  /** The SMTP session is over. */
  close(): void {
    if (this.#isOver) return
    this.abort()
    this.#isOver = true
    this.#release(this.#link)
  }

  /** Something failed: nothing is said any more. */
  destroy(): void {
    this.#isOver = true
    this.#link.destroy()
  }

  /** Until the end of the body, or an answer that ends the message before. */
  async #content({ fields, body }: MilterMessage, macros: Macros): Promise<MilterReply | undefined> {
    const { machine } = this.#link
    const ended = (reply: MilterReply | undefined): boolean =>
      reply !== undefined && reply.kind !== 'continue' && reply.kind !== 'skip'
    if (machine.wants('header'))
      for (const { name, value } of fields) {
        const told = machine.keepsLeadingSpace ? value : value.replace(/^[ \t]/, '')
        const reply = await this.#link.ask({ kind: 'header', name, value: told })
        if (ended(reply)) return reply
      }
    const reply = await this.#link.ask({ kind: 'eoh' }, macros)
    if (ended(reply)) return reply
    if (!machine.wants('body')) return undefined
    for await (const piece of body)
      for (let at = 0; at < piece.length; at += bodyChunkMax) {
        const bytes = piece.subarray(at, at + bodyChunkMax)
        const answer = await this.#link.ask({ kind: 'body', bytes })
        if (ended(answer)) return answer
        if (answer?.kind === 'skip') return undefined
      }
    return undefined
  }

  #ask(
    command: MilterCommand,
    macros: Macros,
    signal: AbortSignal | undefined,
    scope: 'session' | 'message',
  ): Promise<MilterReply> {
    if (this.#done !== undefined) return Promise.resolve(goOn)
    return this.#guard(signal, async () => {
      const reply = (await this.#link.ask(command, macros)) ?? goOn
      // Accept of a connection is for all its messages, accept or discard of a message for the rest of it.
      if (reply.kind === 'accept' || reply.kind === 'discard') this.#done = scope
      return reply
    })
  }

  async #guard<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    if (this.#isOver) throw new ScanFailure('closed', 'the milter session is over')
    const abort = (): void => this.#link.destroy(new ScanFailure('timeout', 'no answer within the deadline'))
    if (signal?.aborted === true) abort()
    signal?.addEventListener('abort', abort, { once: true })
    try {
      return await work()
    } catch (error) {
      this.destroy()
      throw error
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }
}

/** A connection and its machine. */
class Link {
  readonly machine: MilterMachine
  readonly #stream: ByteStream
  readonly #timeoutMs: number
  #waiting: Buffer[] = []
  #waitingBytes = 0

  constructor(
    stream: ByteStream,
    { timeoutMs, bodyBytesMax }: { readonly timeoutMs: number; readonly bodyBytesMax: number },
  ) {
    this.#stream = stream
    this.#timeoutMs = timeoutMs
    this.machine = new MilterMachine({ bodyBytesMax })
  }

  get isUsable(): boolean {
    return this.#stream.isOpen && this.machine.isReady && this.machine.isQuiet && !this.#stream.hasBytes
  }

  get isReusable(): boolean {
    return this.isUsable && this.machine.isReusable
  }

  async negotiate(signal: AbortSignal | undefined): Promise<void> {
    const abort = (): void => this.destroy(new ScanFailure('timeout', 'no answer within the deadline'))
    signal?.addEventListener('abort', abort, { once: true })
    try {
      this.machine.negotiate()
      await this.#flush()
      await this.#answer()
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  /** Its answer; undefined where none is due. */
  async ask(
    command: MilterCommand,
    macros?: Macros,
    onChange?: (change: MilterChange) => void,
  ): Promise<MilterReply | undefined> {
    if (this.#stream.hasBytes || !this.machine.isQuiet || !this.machine.isReady)
      throw new ScanFailure('protocol', 'the milter spoke out of turn')
    const isAnswered = this.machine.send(command, macros)
    this.#collect()
    if (isAnswered || this.#waitingBytes > flushBytes) await this.#flush()
    return isAnswered ? this.#answer(onChange) : undefined
  }

  abort(): void {
    this.machine.abort()
    this.#send()
  }

  endSession(): void {
    this.machine.quit({ reuse: true })
    this.#send()
  }

  quit(): void {
    this.machine.quit({ reuse: false })
    this.#send()
    this.#stream.end()
  }

  destroy(reason?: ScanFailure): void {
    this.#stream.destroy(reason)
  }

  #collect(): void {
    for (const bytes of this.machine.takeOutput()) {
      this.#waiting.push(bytes)
      this.#waitingBytes += bytes.length
    }
  }

  /** Without waiting: a few octets. */
  #send(): void {
    this.#flush().catch(() => undefined)
  }

  async #flush(): Promise<void> {
    this.#collect()
    const bytes = Buffer.concat(this.#waiting)
    this.#waiting = []
    this.#waitingBytes = 0
    await this.#stream.write(bytes)
  }

  async #answer(onChange?: (change: MilterChange) => void): Promise<MilterReply | undefined> {
    for (;;) {
      const event = this.machine.next()
      switch (event?.kind) {
        case undefined: {
          const bytes = await this.#stream.read(this.#timeoutMs)
          if (bytes === undefined) throw new ScanFailure('closed', 'the milter closed the connection')
          this.machine.receive(bytes)
          break
        }
        case 'negotiated':
          return undefined
        case 'reply':
          return event.reply
        case 'change':
          onChange?.(event.change)
          break
        case 'progress':
          break
        case 'fault':
          throw new ScanFailure('protocol', `the milter said ${event.reason}`)
      }
    }
  }
}
