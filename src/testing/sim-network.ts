// Owns a simulated network: connections between simulated processes and hosts with latency, loss (a late packet), cut
// writes, resets, silent deaths and hosts that refuse or swallow dials. Everything comes from one seeded chance; TLS is
// pretended. Knows no sockets.

import type { Clock } from '../base/clock.ts'
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
import type { Random } from '../base/random.ts'
import { memoryTlsInfo } from './memory-network.ts'

/** up: answers. refuses: RST at once. dead: packets vanish, dials and open connections alike. */
export type HostState = 'up' | 'refuses' | 'dead'

/** Chances per connection or per chunk, in [0, 1]. */
export interface NetworkFaults {
  latencyMsMax: number
  /** A chunk is sent again after 200 ms to 3 s. */
  loss: number
  /** A write is cut into several chunks. */
  cut: number
  /** Both ends see a reset instead of this chunk. */
  reset: number
  /** From this chunk on nothing arrives any more, either way. */
  silence: number
  /** A dial is swallowed. */
  dialLost: number
}

export const calmNetwork: NetworkFaults = {
  latencyMsMax: 2,
  loss: 0,
  cut: 0,
  reset: 0,
  silence: 0,
  dialLost: 0,
}

const highWaterMarkBytes = 64 * 1024

export interface SimDial {
  readonly at: number
  readonly address: string
  readonly from: string
  readonly state: HostState | 'nobody'
}

type Handshake = {
  readonly options: ServerTlsOptions | ClientTlsOptions
  readonly done: (info: TlsInfo) => void
  readonly fail: (error: Error) => void
}

type Parcel = Buffer | 'end' | 'reset'

/** One end. Modes: open; ended (our side said goodbye); closed (its handler was told, or it was destroyed). */
export class SimConnection implements Connection {
  readonly remote: Endpoint
  readonly local: Endpoint
  tls: TlsInfo | undefined
  readonly #net: SimNetwork
  /** The process or host that has this end. */
  readonly owner: string
  #peer: SimConnection | undefined
  #handler: ConnectionHandler | undefined
  #inbox: Parcel[] = []
  #inboxBytes = 0
  /** Sent by the other end and not read here: what makes its writes wait. */
  #unreadBytes = 0
  #arrivesAt = 0
  #paused = false
  #ended = false
  #peerEnded = false
  #closed = false
  #wantsDrain = false
  #scheduled = false
  #handshake: Handshake | undefined
  /** Set by the network: this link is silent. Shared by both ends. */
  link = { silent: false }

  constructor(net: SimNetwork, owner: string, local: Endpoint, remote: Endpoint) {
    this.#net = net
    this.owner = owner
    this.local = local
    this.remote = remote
  }

  join(peer: SimConnection): void {
    this.#peer = peer
    this.link = peer.link
  }

  get closed(): boolean {
    return this.#closed
  }

  attach(handler: ConnectionHandler): void {
    this.#handler = handler
    this.#schedule()
  }

  write(bytes: Uint8Array): boolean {
    const peer = this.#peer
    if (this.#ended || this.#closed || peer === undefined) return true
    const { faults, random } = this.#net
    let rest: Buffer = Buffer.from(bytes)
    peer.#unreadBytes += rest.length
    while (rest.length > 1 && random.fraction() < faults.cut) {
      const at = 1 + Math.floor(random.fraction() * (rest.length - 1))
      this.#send(rest.subarray(0, at))
      rest = rest.subarray(at)
    }
    this.#send(rest)
    this.#wantsDrain = peer.#unreadBytes > highWaterMarkBytes
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
    this.#send('end')
    if (this.#peerEnded) this.#schedule()
  }

  destroy(error?: Error): void {
    if (this.#closed) return
    this.#send('reset')
    this.#drop(error)
  }

  startTls(options: ServerTlsOptions | ClientTlsOptions): Promise<TlsInfo> {
    if (this.#closed) return Promise.reject(new TransportFailure('closed', 'connection is closed'))
    return new Promise((done, fail) => {
      const timer = this.#net.clockOf(this.owner).setTimer(options.timeoutMs, () => {
        if (this.#handshake === undefined) return
        this.#handshake = undefined
        fail(new TransportFailure('timeout', 'no TLS handshake in time'))
        this.destroy()
      })
      this.#handshake = {
        options,
        done: (info) => {
          timer.cancel()
          done(info)
        },
        fail: (error) => {
          timer.cancel()
          fail(error)
        },
      }
      this.#schedule()
      if (this.#peer !== undefined) this.#peer.#schedule()
    })
  }

  /** Its process died: no handler runs again. What it has sent arrives or, when the machine lost power, does not. */
  abandon(powerLost: boolean): void {
    this.#handler = undefined
    if (this.#closed) return
    if (powerLost) this.link.silent = true
    else this.#send('reset')
    this.#closed = true
    this.#inbox = []
  }

  #send(parcel: Parcel): void {
    const peer = this.#peer
    if (peer === undefined || this.link.silent) return
    const { faults, random, clock } = this.#net
    let sent = parcel
    if (parcel instanceof Buffer) {
      if (random.fraction() < faults.silence) {
        this.link.silent = true
        return
      }
      if (random.fraction() < faults.reset) {
        sent = 'reset'
        this.#net.clock.setTimer(1, () => this.#drop(reset()))
      }
    }
    let delay = 0.5 + random.fraction() * faults.latencyMsMax
    if (random.fraction() < faults.loss) delay += 200 + random.fraction() * 2800
    // In order, as TCP has it: nothing overtakes a late packet.
    const at = Math.max(peer.#arrivesAt, clock.now() + Math.ceil(delay))
    peer.#arrivesAt = at
    clock.setTimer(at - clock.now(), () => {
      if (!peer.link.silent && this.#net.isReachable(this) && this.#net.isReachable(peer)) peer.#arrived(sent)
    })
  }

  #arrived(parcel: Parcel): void {
    if (this.#closed) return
    if (parcel === 'reset') return this.#drop(reset())
    this.#inbox.push(parcel)
    if (parcel instanceof Buffer) this.#inboxBytes += parcel.length
    this.#deliver()
  }

  #drop(error?: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#ended = true
    this.#inbox = []
    const handshake = this.#handshake
    this.#handshake = undefined
    handshake?.fail(new TransportFailure('closed', 'connection closed in the handshake'))
    const handler = this.#handler
    if (handler !== undefined) this.#net.clockOf(this.owner).defer(() => handler.close(error))
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#net.clockOf(this.owner).defer(() => {
      this.#scheduled = false
      this.#deliver()
    })
  }

  #deliver(): void {
    const peer = this.#peer
    if (this.#closed || peer === undefined) return
    if (this.#handshake !== undefined) return this.#shake(this.#handshake, peer)
    const handler = this.#handler
    if (handler === undefined) return
    while (this.#inbox.length > 0 && !this.#paused && !this.#closed && this.#handshake === undefined) {
      const parcel = this.#inbox.shift() as Parcel
      if (parcel instanceof Buffer) {
        this.#inboxBytes -= parcel.length
        this.#unreadBytes -= parcel.length
        this.#net.onRead?.(this, parcel)
        handler.data(parcel)
      } else {
        this.#peerEnded = true
        handler.end()
      }
    }
    if (this.#closed || this.#handshake !== undefined) return
    if (peer.#wantsDrain && this.#unreadBytes <= highWaterMarkBytes) {
      peer.#wantsDrain = false
      const other = peer.#handler
      if (other !== undefined && !peer.#closed)
        this.#net.clockOf(peer.owner).defer(() => !peer.#closed && other.drain())
    }
    if (this.#peerEnded && this.#ended) this.#drop()
  }

  #shake(mine: Handshake, peer: SimConnection): void {
    if (this.#inboxBytes > 0) return this.#breakShake(mine)
    const theirs = peer.#handshake
    if (theirs === undefined || this.link.silent) return
    if (this.#net.random.fraction() < this.#net.tlsBreaks) return this.#breakShake(mine)
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

  #breakShake(mine: Handshake): void {
    this.#handshake = undefined
    mine.fail(new TransportFailure('tls', 'the TLS handshake failed'))
    this.destroy(new TransportFailure('tls', 'the TLS handshake failed'))
  }
}

const reset = (): TransportFailure => new TransportFailure('reset', 'connection reset by peer')

export interface SimNetworkOptions {
  readonly clock: Clock
  readonly random: Random
}

/** What a process has of the network. */
export interface NetworkPort extends Dialer {
  listen(host: string, port: number, accept: (connection: Connection) => void): Listener
  /** Dies with its connections and listeners; `powerLost`: nothing of it is heard again, not even a reset. */
  kill(powerLost: boolean): void
}

export class SimNetwork {
  readonly clock: Clock
  readonly random: Random
  faults: NetworkFaults = { ...calmNetwork }
  /** Chance that a handshake fails. */
  tlsBreaks = 0
  readonly dials: SimDial[] = []
  readonly hosts = new Map<string, HostState>()
  /** Told of each chunk that is read by its end. */
  onRead: ((connection: SimConnection, bytes: Buffer) => void) | undefined
  readonly #clocks = new Map<string, Clock>()
  readonly #listeners = new Map<
    string,
    { readonly owner: string; readonly accept: (c: Connection) => void }
  >()
  #open: SimConnection[] = []
  #port = 49152

  constructor(options: SimNetworkOptions) {
    this.clock = options.clock
    this.random = options.random
  }

  clockOf(owner: string): Clock {
    return this.#clocks.get(owner) ?? this.clock
  }

  isReachable(connection: SimConnection): boolean {
    return this.hosts.get(connection.local.address) !== 'dead'
  }

  /** A process (or host) with an address of its own. `owner` is unique for each start of it. */
  port(owner: string, address: string, clock: Clock = this.clock): NetworkPort {
    this.#clocks.set(owner, clock)
    return {
      listen: (host, port, accept) => {
        const local = { address: host, port: port === 0 ? this.#port++ : port }
        const key = `${local.address}:${local.port}`
        if (this.#listeners.has(key)) throw new TransportFailure('other', `${key} is taken`)
        this.#listeners.set(key, { owner, accept })
        return { local, close: () => Promise.resolve(void this.#listeners.delete(key)) }
      },
      dial: (options) => this.#dial(owner, address, clock, options),
      kill: (powerLost) => {
        for (const [key, listener] of this.#listeners)
          if (listener.owner === owner) this.#listeners.delete(key)
        for (const connection of this.#open) if (connection.owner === owner) connection.abandon(powerLost)
        this.#open = this.#open.filter((connection) => !connection.closed)
      },
    }
  }

  #dial(owner: string, address: string, clock: Clock, options: DialOptions): Promise<Connection> {
    const key = `${options.host}:${options.port}`
    const state = this.hosts.get(options.host) ?? 'up'
    const place = this.#listeners.get(key)
    this.dials.push({
      at: clock.now(),
      address: options.host,
      from: owner,
      state: place === undefined ? 'nobody' : state,
    })
    const lost = this.random.fraction() < this.faults.dialLost
    const delay = 1 + Math.ceil(this.random.fraction() * this.faults.latencyMsMax)
    return new Promise((resolve, reject) => {
      const end = (): void => {
        timer.cancel()
        options.signal?.removeEventListener('abort', abort)
      }
      const fail = (failure: TransportFailure): void => {
        end()
        reject(failure)
      }
      const abort = (): void => fail(new TransportFailure('aborted', `dialing ${key} was aborted`))
      if (options.signal?.aborted)
        return reject(new TransportFailure('aborted', `dialing ${key} was aborted`))
      options.signal?.addEventListener('abort', abort, { once: true })
      const swallowed = lost || state === 'dead'
      const timer = clock.setTimer(swallowed ? options.timeoutMs : delay, () => {
        if (swallowed)
          return fail(new TransportFailure('timeout', `${key} did not answer within ${options.timeoutMs} ms`))
        const listener = this.#listeners.get(key)
        if (listener === undefined || this.hosts.get(options.host) === 'refuses')
          return fail(new TransportFailure('refused', `${key} refused the connection`))
        end()
        const from = { address: options.localAddress ?? address, port: this.#port++ }
        const to = { address: options.host, port: options.port }
        const client = new SimConnection(this, owner, from, to)
        const server = new SimConnection(this, listener.owner, to, from)
        client.join(server)
        server.join(client)
        if (this.#open.length > 500) this.#open = this.#open.filter((connection) => !connection.closed)
        this.#open.push(client, server)
        this.clockOf(listener.owner).defer(() => listener.accept(server))
        if (options.tls === undefined) resolve(client)
        else client.startTls(options.tls).then(() => resolve(client), reject)
      })
    })
  }
}
