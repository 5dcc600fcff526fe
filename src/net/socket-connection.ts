// Owns Connection over node:net and node:tls: one socket, its handler, and the change to TLS in place. Both sides.
// It adds nothing to the path of bytes: what the kernel gives is passed on, what is written goes out at once (no Nagle);
// putting small writes together is the caller's. RFC 9293 section 3.6 (half-closed connections).

import { isIP, Socket } from 'node:net'
import { connect as connectTls, type SecureContext, TLSSocket } from 'node:tls'
import { assert } from '../base/assert.ts'
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
import { formatEndpoint } from './endpoint.ts'
import { clientContext } from './secure-context.ts'
import { chooserOf } from './server-contexts.ts'
import { knownVerifyError, readTlsInfo } from './tls-info.ts'
import { transportFailure } from './transport-failure.ts'

const nobody: ConnectionHandler = { data() {}, end() {}, close() {}, drain() {} }

/** After `end` a peer that neither sends, nor takes, nor closes is dropped; one that keeps at it, too, but later. */
const lingerIdleMs = 30_000
const lingerMs = 300_000

const owner = Symbol('connection')
type Owned = Socket & { [owner]: SocketConnection }

const owned = (socket: Socket, connection: SocketConnection): Owned =>
  Object.assign(socket, { [owner]: connection })

/**
 * open: bytes flow both ways. ended: our side was closed by `end`, the peer's may go on. closed: nothing is left; the
 * handler was told, or will be when it attaches. During `startTls` nothing flows.
 */
export class SocketConnection implements Connection {
  readonly remote: Endpoint
  readonly local: Endpoint
  tls: TlsInfo | undefined
  readonly #clock: Clock
  #socket: Owned
  /** Below TLS. */
  readonly #tcp: Socket
  #handler: ConnectionHandler = nobody
  #attached = false
  #flowing = false
  #paused = false
  #ended = false
  #closed = false
  #error: Error | undefined
  #linger: Timer | undefined

  /** `socket` is connected, allows half-open connections, and nobody else listens to it. */
  constructor(socket: Socket, options: { clock: Clock; remote: Endpoint; local: Endpoint }) {
    this.#clock = options.clock
    this.remote = options.remote
    this.local = options.local
    this.tls = undefined
    this.#tcp = socket
    this.#socket = owned(socket, this)
    this.#socket.on('error', SocketConnection.#onError).on('close', SocketConnection.#onClose)
  }

  attach(handler: ConnectionHandler): void {
    this.#handler = handler
    if (this.#attached) return
    this.#attached = true
    if (this.#closed) process.nextTick(() => this.#handler.close(this.#closeReason()))
    else this.#flow()
  }

  /** What a socket with `onread` read. */
  receive(bytes: Buffer): void {
    this.#handler.data(bytes)
  }

  write(bytes: Uint8Array): boolean {
    // Bytes for a connection that is gone are dropped; `close` tells.
    return this.#ended || this.#closed ? true : this.#socket.write(bytes)
  }

  get writesDone(): boolean {
    // A stream that only looks like a socket may pass on what it was given.
    return this.#socket instanceof Socket && this.#socket.writableLength === 0
  }

  pause(): void {
    this.#paused = true
    if (this.#flowing) this.#socket.pause()
  }

  resume(): void {
    this.#paused = false
    if (this.#flowing) this.#socket.resume()
  }

  end(): void {
    if (this.#ended || this.#closed) return
    this.#ended = true
    const socket = this.#socket
    socket.end()
    const endedAt = this.#clock.now()
    let progress = Number.NEGATIVE_INFINITY
    const look = (): void => {
      const now = socket.bytesRead - socket.writableLength
      if (now === progress || this.#clock.now() - endedAt >= lingerMs) return void socket.destroy()
      progress = now
      this.#linger = this.#clock.setTimer(lingerIdleMs, look)
    }
    look()
  }

  destroy(error?: Error): void {
    if (this.#closed) return
    this.#error ??= error
    this.#socket.destroy()
  }

  reset(): void {
    if (this.#closed) return
    this.#tcp.resetAndDestroy()
    this.#socket.destroy()
  }

  async startTls(options: ServerTlsOptions | ClientTlsOptions): Promise<TlsInfo> {
    assert(this.tls === undefined && !this.#ended, 'startTls on a connection that is ended or has TLS')
    const plain = this.#socket
    if (this.#closed || plain.destroyed) throw new TransportFailure('closed', `${this.#name()} is closed`)
    this.#flowing = false
    plain
      .removeListener('data', SocketConnection.#onData)
      .removeListener('end', SocketConnection.#onEnd)
      .removeListener('drain', SocketConnection.#onDrain)
    plain
      .removeListener('close', SocketConnection.#onClose)
      .removeListener('error', SocketConnection.#onError)
    plain.pause()
    const secured = options.kind === 'server' ? acceptTls(plain, options) : offerTls(plain, options)
    this.#socket = owned(secured, this)
    secured.on('error', SocketConnection.#onError).on('close', SocketConnection.#onClose)
    const info = await this.#handshake(secured, options)
    // In a later turn: the caller learns that TLS is there before the first byte comes through it.
    if (this.#attached) this.#clock.defer(() => this.#flow())
    return info
  }

  #handshake(secured: TLSSocket, options: ServerTlsOptions | ClientTlsOptions): Promise<TlsInfo> {
    return new Promise((resolve, reject) => {
      let settled = false
      const fail = (error: unknown, code: 'tls' | 'timeout' = 'tls'): void => {
        if (settled) return
        settle()
        const failure = handshakeFailure(error, this.#name(), code)
        this.#error = failure
        secured.destroy()
        reject(failure)
      }
      const failed = (error: Error): void => fail(error)
      const closed = (): void => fail(this.#error ?? new Error('closed by the peer'))
      const done = (): void => {
        try {
          const detailsFor =
            options.kind === 'client' && options.details === true ? bareHost(options.servername) : undefined
          const info = readTlsInfo(secured, options.kind, requestedName(secured, options), detailsFor)
          const problem = options.kind === 'client' ? options.judge?.(info) : undefined
          if (problem !== undefined) return fail(new Error(problem))
          this.tls = info
        } catch (error) {
          return fail(error)
        }
        settle()
        resolve(this.tls)
      }
      const timer = this.#clock.setTimer(options.timeoutMs, () =>
        fail(new Error(`not done after ${options.timeoutMs} ms`), 'timeout'),
      )
      const doneEvent = options.kind === 'server' ? 'secure' : 'secureConnect'
      const settle = (): void => {
        settled = true
        timer.cancel()
        secured
          .removeListener('error', failed)
          .removeListener('close', closed)
          .removeListener('end', closed)
          .removeListener(doneEvent, done)
      }
      // A socket that allows half-open connections is not closed by the peer's end: without it the handshake waits on.
      secured.once('error', failed).once('close', closed).once('end', closed).once(doneEvent, done)
      // What Node calls an error of the handshake, and of the records after it, on a server socket without a tls.Server.
      secured.on('_tlsError', (error: Error) =>
        this.tls === undefined ? fail(error) : secured.destroy(error),
      )
    })
  }

  #flow(): void {
    if (this.#closed || this.#flowing) return
    this.#flowing = true
    const socket = this.#socket
    if (this.#paused) socket.pause()
    socket
      .on('end', SocketConnection.#onEnd)
      .on('drain', SocketConnection.#onDrain)
      .on('data', SocketConnection.#onData)
    // Paused by its maker until there is a handler.
    if (!this.#paused && socket.isPaused()) socket.resume()
  }

  // Shared by all connections: five closures each would be a third of what an idle one costs.
  static readonly #onData = function (this: Owned, bytes: Buffer): void {
    this[owner].#handler.data(bytes)
  }
  static readonly #onEnd = function (this: Owned): void {
    this[owner].#handler.end()
  }
  static readonly #onDrain = function (this: Owned): void {
    this[owner].#handler.drain()
  }
  static readonly #onError = function (this: Owned, error: Error): void {
    this[owner].#error ??= error
  }
  static readonly #onClose = function (this: Owned): void {
    const connection = this[owner]
    if (connection.#closed) return
    connection.#closed = true
    connection.#linger?.cancel()
    connection.#handler.close(connection.#closeReason())
  }

  #closeReason(): Error | undefined {
    const error = this.#error
    // An error of the system has a code; what `destroy` was given is passed on as it is.
    return error !== undefined && 'syscall' in error ? transportFailure(error, this.#name()) : error
  }

  #name(): string {
    return this.remote.port === 0 ? 'the local peer' : formatEndpoint(this.remote.address, this.remote.port)
  }
}

function handshakeFailure(error: unknown, name: string, code: 'tls' | 'timeout'): TransportFailure {
  const words = knownVerifyError(error)
  const what = `TLS handshake with ${name}`
  return words === undefined
    ? transportFailure(error, what, code)
    : new TransportFailure(code, `${what}: ${words}`, { cause: error })
}

function acceptTls(plain: Socket, options: ServerTlsOptions): TLSSocket {
  const secureContext = options.secureContext as SecureContext
  const choose = chooserOf(secureContext)
  return new TLSSocket(plain, {
    isServer: true,
    secureContext,
    // RFC 6066 section 3: a name that we have nothing for is no reason to refuse; the client decides what it believes.
    ...(choose !== undefined && { SNICallback: (name, done) => done(null, choose(name)) }),
  })
}

function offerTls(plain: Socket, options: ClientTlsOptions): TLSSocket {
  const servername = sniName(options.servername)
  return connectTls({
    socket: plain,
    secureContext: clientContext(options.ca),
    host: bareHost(options.servername), // what the certificate is compared with where there is no SNI
    ...(servername !== undefined && { servername }),
    rejectUnauthorized: options.verify,
  })
}

const bareHost = (name: string): string => name.replace(/^\[(?:IPv6:)?|\]$/gi, '').replace(/\.$/, '')

/** RFC 6066 section 3: literal addresses are not permitted in SNI. */
function sniName(name: string): string | undefined {
  const host = bareHost(name)
  return host === '' || isIP(host) !== 0 ? undefined : host
}

/** What the client asked for; on a server Node says false (or null) where it asked for nothing. */
function requestedName(socket: TLSSocket, options: ServerTlsOptions | ClientTlsOptions): string | undefined {
  if (options.kind === 'client') return sniName(options.servername)
  const name: unknown = (socket as { servername?: unknown }).servername
  return typeof name === 'string' && name !== '' ? name : undefined
}
