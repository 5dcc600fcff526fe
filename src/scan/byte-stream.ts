// Owns a Connection to a scanner as promises: writes with back-pressure, reads with a deadline, one reader at a time. Bounded:
// what nobody reads is not kept beyond a limit.

import type { Clock, Timer } from '../base/clock.ts'
import type { Connection, Dialer } from '../base/connection.ts'
import { Pieces } from '../base/pieces.ts'
import { ScanFailure } from './scan-failure.ts'

/** An address with a port, or the path of a socket (its port is 0). */
export interface ScanTarget {
  readonly host: string
  readonly port: number
}

export interface ByteStreamOptions {
  readonly clock: Clock
  readonly dialer: Dialer
  readonly target: ScanTarget
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

const unreadBytesMax = 1024 * 1024

export class ByteStream {
  readonly #connection: Connection
  readonly #clock: Clock
  readonly #received = new Pieces()
  #failure: ScanFailure | undefined
  #isEnded = false
  #mustDrain = false
  #wakeReader: (() => void) | undefined
  #wakeWriter: (() => void) | undefined

  /** Rejects with a ScanFailure. */
  static async open(options: ByteStreamOptions): Promise<ByteStream> {
    const { clock, dialer, target, timeoutMs, signal } = options
    try {
      const connection = await dialer.dial({ ...target, timeoutMs, ...(signal !== undefined && { signal }) })
      return new ByteStream(connection, clock)
    } catch (cause) {
      throw new ScanFailure('unreachable', cause instanceof Error ? cause.message : String(cause), { cause })
    }
  }

  constructor(connection: Connection, clock: Clock) {
    this.#connection = connection
    this.#clock = clock
    connection.attach({
      data: (bytes) => this.#take(bytes),
      end: () => this.#finish(),
      close: (error) => {
        this.#finish()
        this.#fail(new ScanFailure('closed', error?.message ?? 'it closed the connection'))
      },
      drain: () => {
        this.#mustDrain = false
        this.#wakeWriter?.()
      },
    })
  }

  get isOpen(): boolean {
    return this.#failure === undefined && !this.#isEnded
  }

  /** Resolves when more may be written. Rejects with a ScanFailure. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (bytes.length === 0) return
    if (!this.#connection.write(bytes)) this.#mustDrain = true
    while (this.#mustDrain && this.#failure === undefined && this.#received.sizeBytes === 0)
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve
      })
    this.#wakeWriter = undefined
    if (this.#failure !== undefined && this.#received.sizeBytes === 0) throw this.#failure
  }

  /** Something was received that nobody has read. */
  get hasBytes(): boolean {
    return this.#received.sizeBytes > 0
  }

  /** What has come, at least one octet; undefined: it will send no more. Rejects with a ScanFailure. */
  async read(timeoutMs: number): Promise<Buffer | undefined> {
    let timer: Timer | undefined
    try {
      while (this.#received.sizeBytes === 0) {
        // An end is an end, in order or not; what we broke off ourselves says why.
        if (this.#failure !== undefined && this.#failure.code !== 'closed') throw this.#failure
        if (this.#isEnded) return undefined
        if (this.#failure !== undefined) throw this.#failure
        await new Promise<void>((resolve) => {
          this.#wakeReader = resolve
          timer ??= this.#clock.setTimer(timeoutMs, () =>
            this.#drop(new ScanFailure('timeout', `no answer within ${timeoutMs} ms`)),
          )
        })
      }
      return Buffer.concat(this.#received.take())
    } finally {
      this.#wakeReader = undefined
      timer?.cancel()
    }
  }

  /** Closes in order. */
  end(): void {
    this.#failure ??= new ScanFailure('closed', 'closed')
    this.#connection.end()
  }

  /** Closes at once; whoever waits is told. Idempotent. */
  destroy(reason: ScanFailure = new ScanFailure('closed', 'closed')): void {
    this.#drop(reason)
  }

  #take(bytes: Buffer): void {
    this.#received.push(bytes)
    if (this.#received.sizeBytes > unreadBytesMax)
      this.#drop(new ScanFailure('protocol', 'it says more than was asked'))
    this.#wakeReader?.()
    this.#wakeWriter?.()
  }

  #finish(): void {
    this.#isEnded = true
    this.#wakeReader?.()
  }

  #fail(failure: ScanFailure): void {
    this.#failure ??= failure
    this.#wakeReader?.()
    this.#wakeWriter?.()
  }

  #drop(failure: ScanFailure): void {
    this.#fail(failure)
    this.#connection.destroy()
  }
}
