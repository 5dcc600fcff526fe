// Owns a conversation with an SMTP server one command at a time, for those who look and ask (probe, verifyAddress): each
// wait has its deadline, each reply its time, every line is kept. It decides nothing and sends no message; mail goes
// through session.ts. RFC 5321 section 4.2, RFC 3207.

import type { Clock, Timer } from '../base/clock.ts'
import {
  type ClientTlsOptions,
  type Connection,
  type ConnectionHandler,
  type TlsInfo,
  TransportFailure,
} from '../base/connection.ts'
import type { CommandLine } from '../smtp/command-writer.ts'
import type { Reply } from '../smtp/reply.ts'
import { MalformedReply, ReplyParser } from '../smtp/reply-parser.ts'

/** A line of the conversation. C: we, S: the server, '-': what happened below the protocol. */
export interface DialogueLine {
  readonly from: 'C' | 'S' | '-'
  /** Since the connection was there. */
  readonly atMs: number
  readonly text: string
}

/** What a wait ended with. `elapsedMs`: from the end of our words to the end of the reply. */
export type DialogueAnswer =
  | { readonly kind: 'reply'; readonly reply: Reply; readonly elapsedMs: number }
  | { readonly kind: DialogueProblem; readonly reason: string; readonly elapsedMs: number }

export type DialogueProblem = 'timeout' | 'lost' | 'malformed' | 'aborted'

const linesMax = 400
const lineCharsMax = 500
/** Of what comes while nobody waits. */
const unreadBytesMax = 64 * 1024
const controls = /[\x00-\x1f\x7f-\x9f]/g

/** Not to be used after an answer that is no reply: who waits then has hung up. */
export class Dialogue implements ConnectionHandler {
  readonly lines: DialogueLine[] = []
  readonly #connection: Connection
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #startedAt: number
  readonly #parser = new ReplyParser()
  #waiting: ((answer: DialogueAnswer) => void) | undefined
  #unreadBytes = 0
  #ended: { readonly kind: DialogueProblem; readonly reason: string } | undefined

  constructor(connection: Connection, clock: Clock, signal: AbortSignal) {
    this.#connection = connection
    this.#clock = clock
    this.#signal = signal
    this.#startedAt = clock.now()
    connection.attach(this)
  }

  get tls(): TlsInfo | undefined {
    return this.#connection.tls
  }

  /** Bytes that nobody asked for are there. */
  get hasSurplus(): boolean {
    return !this.#parser.empty
  }

  /** Says `command` (undefined: the server speaks first) and waits for one reply. Never rejects. */
  ask(command: CommandLine | undefined, timeoutMs: number): Promise<DialogueAnswer> {
    const startedAt = this.#clock.now()
    const since = (): number => this.#clock.now() - startedAt
    if (this.#ended !== undefined) return Promise.resolve({ ...this.#ended, elapsedMs: 0 })
    if (command !== undefined) {
      this.#note('C', command.trimEnd())
      this.#connection.write(Buffer.from(command))
    }
    return new Promise((resolve) => {
      let timer: Timer | undefined
      const abort = (): void => this.#end('aborted', 'stopped')
      this.#waiting = (answer) => {
        this.#waiting = undefined
        timer?.cancel()
        this.#signal.removeEventListener('abort', abort)
        resolve({ ...answer, elapsedMs: since() })
      }
      if (this.#signal.aborted) return abort()
      this.#signal.addEventListener('abort', abort, { once: true })
      timer = this.#clock.setTimer(timeoutMs, () =>
        this.#end('timeout', `no reply within ${Math.round(timeoutMs / 100) / 10} s`),
      )
      this.#read()
    })
  }

  /** After the 220 of STARTTLS. Rejects with a TransportFailure, and then the connection is gone. */
  async startTls(options: ClientTlsOptions): Promise<TlsInfo> {
    try {
      const info = await this.#connection.startTls(options)
      this.#note('-', `${info.protocol} ${info.cipher}`)
      return info
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#end('lost', reason)
      throw error instanceof TransportFailure ? error : new TransportFailure('tls', reason, { cause: error })
    }
  }

  /** Drops the connection. */
  hangUp(): void {
    this.#end('lost', 'we hung up')
    this.#connection.destroy()
  }

  data(bytes: Buffer): void {
    if (this.#ended !== undefined) return
    this.#parser.push(bytes)
    if (this.#waiting !== undefined) {
      this.#unreadBytes = 0
      return this.#read()
    }
    this.#unreadBytes += bytes.length
    if (this.#unreadBytes > unreadBytesMax) this.#end('malformed', 'it talks on without being asked')
  }

  end(): void {
    this.#end('lost', 'the server closed the connection')
  }

  close(error?: Error): void {
    this.#end('lost', error?.message ?? 'the server closed the connection')
  }

  drain(): void {}

  #read(): void {
    let reply: Reply | undefined
    try {
      reply = this.#parser.next()
    } catch (error) {
      if (!(error instanceof MalformedReply)) throw error
      return this.#end('malformed', error.message)
    }
    if (reply === undefined) return
    reply.lines.forEach((line, i, all) => {
      const status = reply.status === undefined ? '' : `${reply.status} `
      this.#note('S', `${reply.code}${i === all.length - 1 ? ' ' : '-'}${status}${line}`.trimEnd())
    })
    this.#waiting?.({ kind: 'reply', reply, elapsedMs: 0 })
  }

  #end(kind: DialogueProblem, reason: string): void {
    if (this.#ended !== undefined) return
    this.#ended = { kind, reason }
    this.#note('-', reason)
    this.#waiting?.({ kind, reason, elapsedMs: 0 })
    if (kind !== 'lost') this.#connection.destroy()
  }

  #note(from: DialogueLine['from'], text: string): void {
    if (this.lines.length >= linesMax) return
    const clean = text.replace(controls, '?').slice(0, lineCharsMax)
    this.lines.push({ from, atMs: this.#clock.now() - this.#startedAt, text: clean })
  }
}
