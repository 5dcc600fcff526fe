// Owns a connection that can be made to misbehave: silence, RST, replies in pieces, a handshake that fails. It passes
// everything else on. What it is told to do comes from the fault plan, through FaultySession.

import type { Clock, Timer } from '../base/clock.ts'
import {
  type ClientTlsOptions,
  type Connection,
  type ConnectionHandler,
  type Endpoint,
  type ServerTlsOptions,
  type TlsInfo,
  TransportFailure,
} from '../base/connection.ts'

/** Replies that wait behind a trickle; more and the peer is made to wait. */
const waitingBytesMax = 65_536

export interface FaultyConnectionOptions {
  readonly clock: Clock
  /** Asked at each handshake that no session was asked about: TLS from the first byte. */
  readonly beforeTls?: () => 'tls-alert' | 'reset' | 'close' | undefined
  /** A tls.SecureContext that no client can agree with. */
  readonly brokenContext: () => unknown
}

export class FaultyConnection implements Connection {
  readonly #inner: Connection
  readonly #options: FaultyConnectionOptions
  #handler: ConnectionHandler | undefined
  readonly #gone = new AbortController()
  #muted = false
  #breakTls = false
  #trickle: { readonly bytes: number; readonly ms: number } | undefined
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #ending = false
  #choked = false
  #timer: Timer | undefined

  constructor(inner: Connection, options: FaultyConnectionOptions) {
    this.#inner = inner
    this.#options = options
  }

  /** Aborted when the peer ends or the connection is gone: nobody waits for an answer. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  get remote(): Endpoint {
    return this.#inner.remote
  }
  get local(): Endpoint {
    return this.#inner.local
  }
  get tls(): TlsInfo | undefined {
    return this.#inner.tls
  }

  attach(handler: ConnectionHandler): void {
    this.#handler = handler
    this.#inner.attach({
      data: (bytes) => handler.data(bytes),
      end: () => {
        handler.end()
        this.#gone.abort()
      },
      drain: () => handler.drain(),
      close: (error) => {
        this.#timer?.cancel()
        handler.close(error)
        this.#gone.abort()
      },
    })
  }

  write(bytes: Uint8Array): boolean {
    if (this.#muted) return true
    if (this.#trickle === undefined) return this.#inner.write(bytes)
    this.#waiting.push(Buffer.from(bytes))
    this.#waitingBytes += bytes.length
    this.#arm()
    this.#choked = this.#waitingBytes > waitingBytesMax
    return !this.#choked
  }

  pause(): void {
    this.#inner.pause()
  }

  resume(): void {
    this.#inner.resume()
  }

  end(): void {
    if (this.#waitingBytes > 0) this.#ending = true
    else this.#inner.end()
  }

  destroy(error?: Error): void {
    this.#timer?.cancel()
    this.#inner.destroy(error)
  }

  /** RST; what was to be said is not said. */
  reset(): void {
    this.mute()
    if (this.#inner.reset === undefined) this.#inner.destroy()
    else this.#inner.reset()
  }

  /** Nothing more is said. */
  mute(): void {
    this.#muted = true
    this.#waiting = []
    this.#waitingBytes = 0
    this.#timer?.cancel()
  }

  /** From now on what is written goes out in pieces. */
  trickle(pace: { readonly bytes: number; readonly ms: number }): void {
    this.#trickle = pace
  }

  /** The next handshake fails with an alert. */
  breakTls(): void {
    this.#breakTls = true
  }

  async startTls(options: ServerTlsOptions | ClientTlsOptions): Promise<TlsInfo> {
    const wish = this.#breakTls ? 'tls-alert' : this.#options.beforeTls?.()
    if (wish === 'reset' || wish === 'close') {
      if (wish === 'reset') this.reset()
      else this.#inner.end()
      throw new TransportFailure('closed', `a fault was injected: ${wish}`)
    }
    if (wish !== 'tls-alert' || options.kind !== 'server') return this.#inner.startTls(options)
    return this.#inner.startTls({ ...options, secureContext: this.#options.brokenContext() })
  }

  #arm(): void {
    const { bytes, ms } = this.#trickle ?? { bytes: 1, ms: 0 }
    if (this.#timer !== undefined || this.#waitingBytes === 0) return
    this.#timer = this.#options.clock.setTimer(ms, () => {
      this.#timer = undefined
      const whole = this.#waiting.length === 1 ? this.#waiting[0] : Buffer.concat(this.#waiting)
      if (whole === undefined) return
      this.#inner.write(whole.subarray(0, bytes))
      const rest = whole.subarray(bytes)
      this.#waiting = rest.length === 0 ? [] : [rest]
      this.#waitingBytes = rest.length
      if (rest.length > 0) this.#arm()
      else if (this.#ending) this.#inner.end()
      else if (this.#choked) {
        this.#choked = false
        this.#handler?.drain()
      }
    })
  }
}
