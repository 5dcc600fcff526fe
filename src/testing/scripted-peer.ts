// Owns a small SMTP or LMTP server for tests of clients: well-behaved unless its script says otherwise at a stage. It
// records what it was told, how many writes that took, and keeps every message it took. Not a server for anything else.

import type { Clock } from '../base/clock.ts'
import type { Connection } from '../base/connection.ts'

export type PeerStage =
  | 'greeting'
  | 'EHLO'
  | 'HELO'
  | 'LHLO'
  | 'STARTTLS'
  | 'AUTH'
  | 'MAIL'
  | 'RCPT'
  | 'DATA'
  | 'BDAT'
  | 'end'
  | 'RSET'
  | 'QUIT'

/** Reply text without its last CRLF; or: 'DROP' resets, 'CLOSE' ends in order, 'SILENT' never says anything again. */
export type PeerAnswer = string

export interface PeerScript {
  readonly capabilities?: readonly string[]
  readonly lmtp?: boolean
  /** Undefined: as a well-behaved server would. `count` is how often the stage came on this connection, from 1. */
  readonly answer?: (stage: PeerStage, line: string, count: number) => PeerAnswer | undefined
  /** Also sent right after the 220 of STARTTLS, in one packet. */
  readonly behindStartTls?: string
  /** The handshake fails. */
  readonly brokenTls?: boolean
  /** The answer at this stage, and all after it, comes so much later. */
  readonly slow?: { readonly stage: PeerStage; readonly ms: number; readonly clock: Clock }
}

export interface PeerMessage {
  readonly mail: string
  readonly rcpts: readonly string[]
  /** Unstuffed. */
  readonly body: string
}

export const pipeliningPeer = ['PIPELINING', 'SIZE 10000000', '8BITMIME', 'ENHANCEDSTATUSCODES'] as const

/** One peer, any number of connections: give `accept` to a listener. */
export class ScriptedPeer {
  script: PeerScript
  readonly lines: string[] = []
  readonly messages: PeerMessage[] = []
  /** Chunks read, over all connections: round trips of the client show here. */
  chunkCount = 0
  connectionCount = 0
  openCount = 0
  openMaxCount = 0
  readonly connections: Connection[] = []

  constructor(script: PeerScript = {}) {
    this.script = script
  }

  readonly accept = (connection: Connection): void => {
    this.connectionCount++
    this.openCount++
    this.openMaxCount = Math.max(this.openMaxCount, this.openCount)
    this.connections.push(connection)
    new PeerSession(this, connection).start()
  }
}

class PeerSession {
  readonly #peer: ScriptedPeer
  readonly #connection: Connection
  #open = true
  #buffer = Buffer.alloc(0)
  #counts = new Map<PeerStage, number>()
  #mail = ''
  #rcpts: string[] = []
  #mode: 'command' | 'data' | 'auth' | 'dead' | { readonly size: number; readonly last: boolean } = 'command'
  #chunks: Buffer[] = []

  constructor(peer: ScriptedPeer, connection: Connection) {
    this.#peer = peer
    this.#connection = connection
  }

  start(): void {
    this.#connection.attach({
      data: (bytes) => {
        this.#peer.chunkCount++
        this.#buffer = Buffer.concat([this.#buffer, bytes])
        this.#read()
      },
      end: () => this.#connection.end(),
      close: () => this.#gone(),
      drain: () => {},
    })
    this.#answer('greeting', '', '220 peer.test ESMTP')
  }

  #read(): void {
    while (this.#mode !== 'dead') {
      if (this.#mode === 'data') {
        if (!this.#readData()) return
        continue
      }
      if (typeof this.#mode === 'object') {
        const { size, last } = this.#mode
        if (this.#buffer.length < size) return
        this.#chunks.push(this.#buffer.subarray(0, size))
        this.#buffer = this.#buffer.subarray(size)
        this.#mode = 'command'
        if (last) this.#message(Buffer.concat(this.#chunks).toString('latin1'))
        else this.#answer('BDAT', '', `250 2.0.0 ${size} octets`)
        continue
      }
      const end = this.#buffer.indexOf('\r\n')
      if (end === -1) return
      const line = this.#buffer.toString('utf8', 0, end)
      this.#buffer = this.#buffer.subarray(end + 2)
      this.#peer.lines.push(line)
      this.#command(line)
    }
  }

  #readData(): boolean {
    const start = this.#buffer.toString('latin1', 0, 3) === '.\r\n' ? -2 : this.#buffer.indexOf('\r\n.\r\n')
    if (start === -1) return false
    const body = start === -2 ? '' : this.#buffer.toString('latin1', 0, start + 2)
    this.#buffer = this.#buffer.subarray(start + 5)
    this.#mode = 'command'
    this.#message(body.replace(/(^|\r\n)\./g, '$1'))
    return true
  }

  #message(body: string): void {
    const count = this.#peer.script.lmtp === true ? this.#rcpts.length : 1
    let taken = false
    for (let i = 0; i < count; i++)
      if (this.#answer('end', this.#rcpts[i] ?? '', '250 2.0.0 taken')) taken = true
    if (taken) this.#peer.messages.push({ mail: this.#mail, rcpts: this.#rcpts, body })
    this.#forget()
  }

  #forget(): void {
    this.#mail = ''
    this.#rcpts = []
    this.#chunks = []
  }

  #command(line: string): void {
    if (this.#mode === 'auth') {
      this.#mode = 'command'
      if (this.#answer('AUTH', line, '235 2.7.0 welcome') && this.#lastCode === '334') this.#mode = 'auth'
      return
    }
    const verb = line.slice(0, line.search(/[ :]|$/)).toUpperCase()
    switch (verb) {
      case 'EHLO':
      case 'LHLO':
        this.#answer(
          verb,
          line,
          ['peer.test', ...(this.#peer.script.capabilities ?? pipeliningPeer)]
            .map((text, i, all) => `250${i === all.length - 1 ? ' ' : '-'}${text}`)
            .join('\r\n'),
        )
        return
      case 'HELO':
        this.#answer('HELO', line, '250 peer.test')
        return
      case 'STARTTLS':
        this.#startTls(line)
        return
      case 'AUTH':
        if (this.#answer('AUTH', line, '235 2.7.0 welcome') && this.#lastCode === '334') this.#mode = 'auth'
        return
      case 'MAIL':
        if (this.#mail !== '') this.#send('503 5.5.1 nested MAIL')
        else if (this.#answer('MAIL', line, '250 2.1.0 ok')) this.#mail = line
        return
      case 'RCPT':
        if (this.#mail === '') this.#send('503 5.5.1 MAIL first')
        else if (this.#answer('RCPT', line, '250 2.1.5 ok')) this.#rcpts.push(line)
        return
      case 'DATA':
        if (this.#answer('DATA', line, this.#rcpts.length === 0 ? '554 5.5.1 no recipients' : '354 go on'))
          if (this.#lastCode === '354') this.#mode = 'data'
        return
      case 'BDAT': {
        const [, size, last] = line.split(' ')
        this.#mode = { size: Number(size), last: last !== undefined }
        return
      }
      case 'RSET':
        this.#forget()
        this.#answer('RSET', line, '250 2.0.0 ok')
        return
      case 'QUIT':
        if (!this.#answer('QUIT', line, '221 2.0.0 bye')) return
        this.#connection.end()
        this.#gone()
        return
      default:
        this.#send('500 5.5.2 what?')
    }
  }

  /** For the counts, a connection is gone when we have said goodbye. */
  #gone(): void {
    if (!this.#open) return
    this.#open = false
    this.#peer.openCount--
  }

  #startTls(line: string): void {
    if (!this.#answer('STARTTLS', line, `220 2.0.0 go on${this.#behind()}`)) return
    if (this.#peer.script.brokenTls === true) {
      this.#mode = 'dead'
      this.#connection.destroy()
      return
    }
    void this.#connection
      .startTls({ kind: 'server', secureContext: undefined, timeoutMs: 1000 })
      .catch(() => {})
  }

  #behind(): string {
    const behind = this.#peer.script.behindStartTls
    return behind === undefined ? '' : `\r\n${behind}`
  }

  #lastCode = ''
  /** Answers that wait for the slow one before them. */
  #held: Buffer[] | undefined

  /** Whether the answer was positive (2xx or 3xx). */
  #answer(stage: PeerStage, line: string, usual: string): boolean {
    const count = (this.#counts.get(stage) ?? 0) + 1
    this.#counts.set(stage, count)
    const answer = this.#peer.script.answer?.(stage, line, count) ?? usual
    if (answer === 'DROP') this.#connection.destroy()
    if (answer === 'CLOSE') this.#connection.end()
    if (answer === 'DROP' || answer === 'CLOSE' || answer === 'SILENT') {
      this.#mode = 'dead'
      return false
    }
    const slow = this.#peer.script.slow
    if (slow?.stage === stage) {
      this.#held ??= []
      slow.clock.setTimer(slow.ms, () => {
        for (const bytes of this.#held ?? []) this.#connection.write(bytes)
        this.#held = undefined
      })
    }
    this.#send(answer)
    return this.#lastCode < '4'
  }

  #send(text: string): void {
    this.#lastCode = text.slice(0, 3)
    const bytes = Buffer.from(`${text}\r\n`)
    if (this.#held === undefined) this.#connection.write(bytes)
    else this.#held.push(bytes)
    if (this.#lastCode === '421') {
      this.#mode = 'dead'
      this.#connection.end()
    }
  }
}
