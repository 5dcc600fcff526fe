// Owns a client session: drives the client machine over a Connection, keeps its deadlines, sends transactions one after
// the other. It dials nothing (open-session.ts), keeps no pool, retries nothing.
// RFC 5321 section 4.5.3.2 (time limits).

import { assert } from '../base/assert.ts'
import type { Clock, Timer } from '../base/clock.ts'
import type { Connection, ConnectionHandler, TlsInfo } from '../base/connection.ts'
import type { Capabilities } from '../smtp/capabilities.ts'
import type { ClientWait } from '../smtp/client-events.ts'
import { ClientMachine } from '../smtp/client-machine.ts'
import type { Transaction, TransactionResult } from '../smtp/transaction.ts'
import { AbortFan } from './abort-fan.ts'
import { clientTls, type OpenOptions, type OpenResult, type SessionTimeouts } from './session-options.ts'

const fan = new AbortFan()
const nothing = (): void => {}

/** What all sessions put a small message together in, where a connection sends it at once: no memory for each message. */
let room = Buffer.allocUnsafeSlow(16 * 1024)

/** Where the body comes from when the transaction does not hold it. */
export type BodyStream = (signal: AbortSignal) => AsyncIterable<Uint8Array>

/** A transaction that was begun, and who waits for its result. */
interface Waiting {
  readonly transaction: Transaction
  readonly stream: BodyStream | undefined
  readonly resolve: (result: TransactionResult) => void
  stopWatching: () => void
  abandoned: boolean
}

/** One connection. Modes: opening, ready (`usable`), sending, leaving (QUIT said), gone. */
export class ClientSession implements ConnectionHandler {
  /** Transactions begun. */
  transactionCount = 0
  readonly openedAt: number
  /** Opportunistic TLS failed on an earlier connection, in words: this one is plain. */
  tlsProblem: string | undefined
  /**
   * Called once when all of a message is out and only its answer is awaited: the next may be said (`deliverNext`), and
   * what is said within the call goes out in one write with that message.
   */
  onBodySent: (() => void) | undefined
  /** Called once when the connection is of no further use, whoever ended it. */
  onGone: (() => void) | undefined
  /** Called once, last: the connection exists no more. */
  onClosed: (() => void) | undefined

  readonly #connection: Connection
  readonly #machine: ClientMachine
  readonly #options: OpenOptions
  readonly #timeouts: SessionTimeouts
  readonly #clock: Clock
  #gone = false
  #closed = false
  #deadlineAt = Number.POSITIVE_INFINITY
  #timer: Timer | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #seenWait: ClientWait | undefined
  #seenReplyCount = -1
  #opened: ((result: OpenResult) => void) | undefined
  /** Of the transaction under way. */
  #current: Waiting | undefined
  /** Of the transaction that was begun behind the one under way. */
  #next: Waiting | undefined
  #streamAbort: AbortController | undefined
  #drained: (() => void) | undefined
  /** A result was given since the last message went out. */
  #heard = false
  /** What there is to send waits for the end of this turn of the loop. */
  #corked = false
  #whenClosed: (() => void)[] = []
  /** Until it once did not: TLS, full buffers. */
  #sendsAtOnce: boolean

  constructor(connection: Connection, options: OpenOptions, timeouts: SessionTimeouts, plain: boolean) {
    this.#connection = connection
    this.#options = options
    this.#timeouts = timeouts
    this.#clock = options.clock
    this.openedAt = options.clock.now()
    this.#sendsAtOnce = connection.writesDone !== undefined
    this.#machine = new ClientMachine({
      protocol: options.protocol,
      hostname: options.hostname,
      startTls: plain ? 'never' : options.tls === 'may' ? 'may' : 'must',
      ...(connection.tls !== undefined && { tls: connection.tls }),
      ...(options.chooseAuth !== undefined && { chooseAuth: options.chooseAuth }),
      ...(options.bdatBytesMin !== undefined && { bdatBytesMin: options.bdatBytesMin }),
      ...(options.onLine !== undefined && { onLine: options.onLine }),
    })
  }

  /** The host's name as it was asked for, or its address. */
  get hostName(): string {
    return this.#options.servername ?? this.#options.address
  }

  get address(): string {
    return this.#options.address
  }

  get port(): number {
    return this.#options.port
  }

  get capabilities(): Capabilities {
    return this.#machine.capabilities
  }

  /** A transaction may begin. */
  get usable(): boolean {
    return !this.#gone && this.#machine.ready
  }

  /** Undefined for plain text. */
  get tls(): TlsInfo | undefined {
    return this.#machine.tls
  }

  /** 'TLSv1.3 TLS_AES_256_GCM_SHA384 verified', or undefined for plain text. */
  get tlsText(): string | undefined {
    const tls = this.#machine.tls
    if (tls === undefined) return undefined
    return `${tls.protocol} ${tls.cipher}${tls.verified === true ? ' verified' : ''}`
  }

  /** C: and S: lines of the opening and the last transaction. */
  transcript(): readonly string[] {
    return this.#machine.transcript.format()
  }

  /** Used once, by `openSession`. */
  open(signal: AbortSignal): Promise<OpenResult> {
    const stopWatching = fan.add(signal, () => this.#fail('aborted', 'stopped'))
    return new Promise((resolve) => {
      this.#opened = (result) => {
        stopWatching()
        resolve(result)
      }
      this.#connection.attach(this)
      this.#turn()
    })
  }

  /** Sends one message; only when `usable`. The stream is asked when the transaction holds no body. Never rejects. */
  deliver(
    transaction: Transaction,
    stream: BodyStream | undefined,
    signal: AbortSignal,
  ): Promise<TransactionResult> {
    assert(this.usable && this.#current === undefined, 'one transaction at a time')
    return new Promise((resolve) => {
      this.#current = this.#await(transaction, stream, signal, resolve)
      this.#machine.begin(transaction)
      this.#turn()
    })
  }

  /** A transaction may be begun behind the one whose answer is awaited. */
  get nextUsable(): boolean {
    return !this.#gone && this.#machine.canBeginNext
  }

  /**
   * As `deliver`, behind the message whose answer is awaited; only when `nextUsable`. An abort before its own turn does
   * not touch that message: the connection ends after it.
   */
  deliverNext(
    transaction: Transaction,
    stream: BodyStream | undefined,
    signal: AbortSignal,
  ): Promise<TransactionResult> {
    assert(this.nextUsable && this.#next === undefined, 'one transaction behind another')
    return new Promise((resolve) => {
      this.#next = this.#await(transaction, stream, signal, resolve)
      this.#machine.beginNext(transaction)
      this.#flush()
      this.#keepTime()
    })
  }

  #await(
    transaction: Transaction,
    stream: BodyStream | undefined,
    signal: AbortSignal,
    resolve: Waiting['resolve'],
  ): Waiting {
    const waiting: Waiting = { transaction, stream, resolve, stopWatching: nothing, abandoned: false }
    waiting.stopWatching = fan.add(signal, () => this.#abandon(waiting))
    this.transactionCount++
    return waiting
  }

  #abandon(waiting: Waiting): void {
    if (this.#next !== waiting) return this.#fail('aborted', 'stopped')
    waiting.abandoned = true
    const broken = { kind: 'broken', reason: 'stopped', stage: 'mail', mayHaveDelivered: false } as const
    const { recipients } = waiting.transaction
    this.#settle(waiting, { recipients: recipients.map(() => broken), answered: false })
  }

  #settle({ stopWatching, resolve }: Waiting, result: TransactionResult): void {
    stopWatching()
    resolve(result)
  }

  /** Says QUIT and waits for its answer, shortly. Resolves when the connection is gone. */
  quit(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    return new Promise((resolve) => {
      this.#whenClosed.push(resolve)
      if (!this.usable) {
        if (!this.#gone) this.#drop()
        return
      }
      this.#machine.quit()
      this.#turn()
      this.#leave()
    })
  }

  /** Drops the connection. */
  destroy(): void {
    this.#fail('aborted', 'dropped')
    this.#drop()
  }

  // ConnectionHandler

  data(bytes: Buffer): void {
    this.#machine.receive(bytes)
    this.#turn()
  }

  end(): void {
    this.#fail('lost', 'connection closed by the other side')
  }

  close(error?: Error): void {
    this.#closed = true
    this.#fail('lost', error?.message ?? 'connection closed')
    this.#lost()
    this.#deadlineAt = Number.POSITIVE_INFINITY
    this.#timer?.cancel()
    this.#timer = undefined
    this.#drained?.()
    this.onClosed?.()
    this.onClosed = undefined
    for (const resolve of this.#whenClosed.splice(0)) resolve()
  }

  drain(): void {
    this.#drained?.()
  }

  #fail(kind: 'lost' | 'timeout' | 'aborted' | 'tls', reason: string): void {
    if (this.#machine.closed) return
    this.#machine.fail(kind, reason)
    this.#turn()
  }

  /** Hands on what the machine has to say, then what it has to send, in one write. */
  #turn(): void {
    for (;;) {
      const event = this.#machine.next()
      if (event === undefined) break
      switch (event.kind) {
        case 'startTls':
          this.#upgrade()
          break
        case 'ready':
          this.#opened?.({ ok: true, session: this })
          this.#opened = undefined
          break
        case 'refused': {
          const transcript = this.transcript()
          this.#flush()
          this.#leave()
          this.#opened?.({ ok: false, failure: { ...event.failure, transcript } })
          this.#opened = undefined
          break
        }
        case 'body':
          void this.#sendBody()
          break
        case 'done':
          this.#heard = true
          if (this.#machine.closed) this.#drop()
          this.#finish(event.result)
          break
        case 'closed':
          this.#leave()
          break
      }
    }
    if (this.onBodySent !== undefined && this.#machine.canBeginNext) this.#tellBodySent()
    this.#flush()
    this.#keepTime()
  }

  /** Who hears of a result a moment before may have the next message: one write for both. */
  #tellBodySent(): void {
    const heard = this.#heard
    this.#heard = false
    const tell = this.onBodySent
    this.onBodySent = undefined
    const wasCorked = this.#corked
    this.#corked = true
    tell?.()
    this.#corked = wasCorked
    if (!heard || wasCorked || !this.#machine.canBeginNext) return
    this.#corked = true
    this.#clock.defer(() => {
      this.#corked = false
      this.#flush()
    })
  }

  /** The one that was begun behind it is the one under way then. */
  #finish(result: TransactionResult): void {
    const done = this.#current
    this.#current = this.#next
    this.#next = undefined
    this.#streamAbort?.abort()
    this.#streamAbort = undefined
    if (done !== undefined) this.#settle(done, result)
    // Its caller has left; its body is not to go out.
    if (this.#current?.abandoned === true) this.#fail('aborted', 'stopped')
  }

  #flush(): boolean {
    if (this.#corked) return true
    const bytes = this.#machine.output(this.#sendsAtOnce ? room : undefined)
    if (bytes === undefined || this.#closed) return true
    const flows = this.#connection.write(bytes)
    if (bytes.buffer === room.buffer && this.#connection.writesDone !== true) {
      // The connection keeps it until it can be sent.
      this.#sendsAtOnce = false
      room = Buffer.allocUnsafeSlow(room.length)
    }
    return flows
  }

  async #upgrade(): Promise<void> {
    try {
      const info = await this.#connection.startTls(clientTls(this.#options, this.#timeouts))
      if (this.#machine.closed) return
      this.#machine.secured(info)
      this.#turn()
    } catch (error) {
      this.#fail('tls', `TLS handshake failed: ${error instanceof Error ? error.message : 'unknown'}`)
      this.#drop()
    }
  }

  async #sendBody(): Promise<void> {
    const stream = this.#current?.stream
    const abort = new AbortController()
    this.#streamAbort = abort
    try {
      assert(stream !== undefined, 'a body is in the transaction or comes as a stream')
      for await (const bytes of stream(abort.signal)) {
        if (this.#streamAbort !== abort) return
        this.#machine.writeBody(bytes)
        const flows = this.#flush()
        this.#restartDeadline()
        if (!flows && !this.#closed) await new Promise<void>((resolve) => (this.#drained = resolve))
        this.#drained = undefined
        if (this.#streamAbort !== abort) return
        this.#restartDeadline()
      }
      this.#machine.endBody()
      this.#turn()
    } catch (error) {
      if (this.#streamAbort !== abort) return
      // The final dot must not go out behind half a message.
      this.#fail(
        'aborted',
        `the message could not be read: ${error instanceof Error ? error.message : 'unknown'}`,
      )
    }
  }

  // Time

  #keepTime(): void {
    const wait = this.#machine.waitingFor
    if (wait === this.#seenWait && this.#machine.replyCount === this.#seenReplyCount) return
    this.#seenWait = wait
    this.#seenReplyCount = this.#machine.replyCount
    this.#restartDeadline()
  }

  #restartDeadline(): void {
    if (this.#gone) return
    const wait = this.#machine.waitingFor
    this.#setDeadline(
      wait === undefined ? Number.POSITIVE_INFINITY : this.#clock.now() + this.#timeouts[wait],
    )
  }

  /** One timer for the session: it is not moved when the deadline gets later, it looks again when it fires. */
  #setDeadline(at: number): void {
    this.#deadlineAt = at
    if (at >= this.#timerAt || at === Number.POSITIVE_INFINITY) return
    this.#timer?.cancel()
    this.#timerAt = at
    this.#timer = this.#clock.setTimer(Math.max(0, at - this.#clock.now()), () => this.#onTimer())
  }

  #onTimer(): void {
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
    if (this.#clock.now() < this.#deadlineAt) {
      this.#setDeadline(this.#deadlineAt)
      return
    }
    this.#fail('timeout', `no answer in time (${this.#machine.waitingFor ?? 'end'})`)
    this.#connection.destroy()
    this.#lost()
  }

  // The end

  #lost(): void {
    if (this.#gone) return
    this.#gone = true
    const tell = this.onGone
    this.onGone = undefined
    tell?.()
  }

  /** Sends what is queued and closes; the other side has a moment to do the same. */
  #leave(): void {
    if (this.#closed) return
    const first = !this.#gone
    this.#lost()
    if (first) this.#setDeadline(this.#clock.now() + this.#timeouts.quit)
    if (this.#machine.closed) this.#connection.end()
  }

  #drop(): void {
    if (this.#closed) return
    this.#lost()
    this.#connection.destroy()
  }
}
