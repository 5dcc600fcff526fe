// Owns a network in memory for tests and the simulator: connection pairs, a Dialer and listeners, with TLS pretended.
// Bytes arrive in a later turn, in order, one chunk per write (or cut by `cut`). Knows no sockets.

import {
  type ClientTlsOptions,
  type Connection,
  type ConnectionHandler,
  type Dialer,
  type DialOptions,
  type Endpoint,
  type Listener,
  type ServerTlsOptions,
  type TlsInfo,
  TransportFailure,
} from '../base/connection.ts'

export interface MemoryPairOptions {
  /** Default 192.0.2.1:49152. */
  readonly client?: Endpoint
  /** Default 192.0.2.25:25. */
  readonly server?: Endpoint
  /** Bytes that may wait for the reader before `write` answers false. Default 65536. */
  readonly highWaterMarkBytes?: number
  /** Cuts what one write sends into the chunks the other side reads. Default: one chunk. */
  readonly cut?: (bytes: Buffer) => readonly Buffer[]
  /** Both sides start with it (implicit TLS). */
  readonly tls?: TlsInfo
  /** Calls `run` in a later turn. Default setImmediate. */
  readonly defer?: (run: () => void) => void
}

export interface MemoryPair {
  readonly client: MemoryConnection
  readonly server: MemoryConnection
}

/** What a pretended handshake agrees on. */
export const memoryTlsInfo: TlsInfo = {
  protocol: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  verified: true,
  serverEndPoint: new Uint8Array(32).fill(1),
  exporter: new Uint8Array(32).fill(2),
}

type Pending = {
  readonly options: ServerTlsOptions | ClientTlsOptions
  readonly done: (info: TlsInfo) => void
  readonly fail: (error: Error) => void
}

/** One side of a pair. Modes: open, half closed after `end`, closed after `close` was told. */
export class MemoryConnection implements Connection {
  readonly remote: Endpoint
  readonly local: Endpoint
  tls: TlsInfo | undefined
  /** Everything this side wrote, in octets. */
  writtenBytes = 0
  /** Calls of `write`. */
  writeCount = 0
  #peer: MemoryConnection | undefined
  #handler: ConnectionHandler | undefined
  #inbox: Buffer[] = []
  #inboxBytes = 0
  #paused = false
  #scheduled = false
  #ended = false
  #peerEnded = false
  #endTold = false
  #closed = false
  #closeError: Error | undefined
  #wantsDrain = false
  #handshake: Pending | undefined
  readonly #options: MemoryPairOptions

  constructor(local: Endpoint, remote: Endpoint, options: MemoryPairOptions) {
    this.local = local
    this.remote = remote
    this.tls = options.tls
    this.#options = options
  }

  /** Used once by {@link memoryPair}. */
  join(peer: MemoryConnection): void {
    this.#peer = peer
  }

  get closed(): boolean {
    return this.#closed
  }

  /** The reader has told it to pause. */
  get paused(): boolean {
    return this.#paused
  }

  attach(handler: ConnectionHandler): void {
    const first = this.#handler === undefined
    this.#handler = handler
    // Closed before anyone listened: it is told now.
    if (first && this.#closed) this.#defer(() => handler.close(this.#closeError))
    this.#schedule()
  }

  write(bytes: Uint8Array): boolean {
    const peer = this.#peer
    if (this.#ended || this.#closed || peer === undefined) return true
    this.writtenBytes += bytes.length
    this.writeCount++
    const copy = Buffer.from(bytes)
    for (const chunk of this.#options.cut?.(copy) ?? [copy]) {
      peer.#inbox.push(chunk)
      peer.#inboxBytes += chunk.length
    }
    peer.#schedule()
    this.#wantsDrain = peer.#inboxBytes > (this.#options.highWaterMarkBytes ?? 65536)
    return !this.#wantsDrain
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#schedule()
  }

  end(): void {
    if (this.#ended || this.#closed) return
    this.#ended = true
    const peer = this.#peer
    if (peer === undefined) return
    peer.#peerEnded = true
    peer.#schedule()
    this.#schedule()
  }

  destroy(error?: Error): void {
    this.#drop(error)
    const peer = this.#peer
    if (peer !== undefined) peer.#drop(new TransportFailure('reset', 'connection reset by peer'))
  }

  startTls(options: ServerTlsOptions | ClientTlsOptions): Promise<TlsInfo> {
    if (this.#closed) return Promise.reject(new TransportFailure('closed', 'connection is closed'))
    return new Promise((done, fail) => {
      this.#handshake = { options, done, fail }
      this.#schedule()
      const peer = this.#peer
      if (peer !== undefined) peer.#schedule()
    })
  }

  #drop(error?: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#ended = true
    this.#inbox = []
    this.#inboxBytes = 0
    this.#closeError = error
    const handshake = this.#handshake
    this.#handshake = undefined
    handshake?.fail(new TransportFailure('closed', 'connection closed in the handshake'))
    const handler = this.#handler
    this.#defer(() => handler?.close(error))
  }

  #defer(run: () => void): void {
    if (this.#options.defer !== undefined) this.#options.defer(run)
    else setImmediate(run)
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#defer(() => {
      this.#scheduled = false
      this.#deliver()
    })
  }

  #deliver(): void {
    const peer = this.#peer
    if (this.#closed || peer === undefined) return
    if (this.#handshake !== undefined) {
      this.#shake(this.#handshake, peer)
      return
    }
    const handler = this.#handler
    if (handler === undefined) return
    while (this.#inbox.length > 0 && !this.#paused && this.#handshake === undefined && !this.#closed) {
      const chunk = this.#inbox.shift() as Buffer
      this.#inboxBytes -= chunk.length
      handler.data(chunk)
    }
    if (this.#closed || this.#handshake !== undefined) return
    if (this.#inbox.length === 0 && peer.#wantsDrain) {
      peer.#wantsDrain = false
      const other = peer.#handler
      peer.#defer(() => {
        if (!peer.#closed) other?.drain()
      })
    }
    if (this.#inbox.length === 0 && this.#peerEnded && !this.#endTold && !this.#paused) {
      this.#endTold = true
      handler.end()
    }
    if (this.#endTold && this.#ended) {
      this.#drop(this.#closeError)
      peer.#schedule()
    }
  }

  /** Both sides have asked: agree. Plain bytes in front of the handshake break it, as they do on a real wire. */
  #shake(mine: Pending, peer: MemoryConnection): void {
    if (this.#inbox.length > 0 || this.#peerEnded) {
      this.#handshake = undefined
      mine.fail(new TransportFailure('tls', 'bytes that are no TLS handshake'))
      this.destroy(new TransportFailure('tls', 'bytes that are no TLS handshake'))
      return
    }
    const theirs = peer.#handshake
    if (theirs === undefined) return
    if (mine.options.kind === theirs.options.kind) {
      this.destroy(new TransportFailure('tls', 'both sides play the same part'))
      return
    }
    const asked = mine.options.kind === 'client' ? mine.options : (theirs.options as ClientTlsOptions)
    const info: TlsInfo = { ...memoryTlsInfo, servername: asked.servername }
    for (const [side, pending] of [
      [this, mine],
      [peer, theirs],
    ] as const) {
      side.tls = info
      side.#handshake = undefined
      pending.done(info)
      side.#schedule()
    }
  }
}

/** Two connected ends. */
export function memoryPair(options: MemoryPairOptions = {}): MemoryPair {
  const at = options.client ?? { address: '192.0.2.1', port: 49152 }
  const to = options.server ?? { address: '192.0.2.25', port: 25 }
  const client = new MemoryConnection(at, to, options)
  const server = new MemoryConnection(to, at, options)
  client.join(server)
  server.join(client)
  return { client, server }
}

/** Listeners by `host:port`; dialing anything else is refused. */
export class MemoryNetwork implements Dialer {
  /** Address that dials come from unless they name one. */
  clientAddress = '192.0.2.1'
  /** Set to make dials fail: called with each dial, a failure returned is thrown. */
  fault: ((options: DialOptions) => TransportFailure | undefined) | undefined
  /** Every dial, `host:port`, in order. */
  readonly dials: string[] = []
  readonly #listeners = new Map<string, (connection: Connection) => void>()
  readonly #options: MemoryPairOptions
  #port = 49152

  constructor(options: MemoryPairOptions = {}) {
    this.#options = options
  }

  /** Port 0 takes a free one. Throws when the place is taken. */
  listen(host: string, port: number, accept: (connection: Connection) => void): Listener {
    const local = { address: host, port: port === 0 ? this.#port++ : port }
    const key = `${local.address}:${local.port}`
    if (this.#listeners.has(key)) throw new TransportFailure('other', `${key} is taken`)
    this.#listeners.set(key, accept)
    return {
      local,
      close: () => {
        this.#listeners.delete(key)
        return Promise.resolve()
      },
    }
  }

  async dial(options: DialOptions): Promise<Connection> {
    const key = `${options.host}:${options.port}`
    this.dials.push(key)
    options.signal?.throwIfAborted()
    const failure = this.fault?.(options)
    if (failure !== undefined) throw failure
    const accept = this.#listeners.get(key)
    if (accept === undefined) throw new TransportFailure('refused', `nobody listens on ${key}`)
    const pair = memoryPair({
      ...this.#options,
      client: { address: options.localAddress ?? this.clientAddress, port: this.#port++ },
      server: { address: options.host, port: options.port },
    })
    accept(pair.server)
    if (options.tls !== undefined && pair.client.tls === undefined) await pair.client.startTls(options.tls)
    return pair.client
  }
}
