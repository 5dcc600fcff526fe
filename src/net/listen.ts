// Owns listening: a Listener on a TCP port (or a unix socket), plain or with TLS from the first byte. Limits on sessions
// are the driver's, which can say 421; only handshakes under way are bounded here, since no driver has seen them yet.

import { createServer, type Server, type Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import type { Clock } from '../base/clock.ts'
import type { Connection, Endpoint, Listener } from '../base/connection.ts'
import {
  formatEndpoint,
  isSocketPath,
  localEndpoint,
  remoteEndpoint,
  unixEndpoint,
  unmapped,
} from './endpoint.ts'
import { SocketConnection } from './socket-connection.ts'

export interface ListenOptions {
  /** An address, '::' or '0.0.0.0' for all; or the path of a unix socket (or a Windows pipe). */
  readonly host: string
  /** 0 takes a free one; ignored for a path. */
  readonly port: number
  readonly clock: Clock
  /** Connections that the kernel keeps until we accept them. Default 511. */
  readonly backlog?: number
  /** Several processes share the port (SO_REUSEPORT). */
  readonly reusePort?: boolean
  /** Called for each connection; with `tls` after its handshake. It attaches a handler at once or later. */
  readonly onConnection: (connection: Connection) => void
  /** Implicit TLS. The context is asked for at each handshake, so that a new certificate is used at once. */
  readonly tls?: {
    readonly secureContext: () => SecureContext
    /** Default 30 s. */
    readonly handshakeTimeoutMs?: number
    /** Handshakes under way; connections beyond it are dropped. Default 1000. */
    readonly handshakesMax?: number
    /** A handshake failed: for a log line. */
    readonly onFailure?: (error: unknown, remote: Endpoint) => void
  }
}

export type ListenFailureCode = 'inUse' | 'denied' | 'noSuchAddress' | 'other'

/** We cannot listen there; `message` names host and port and says why. */
export class ListenFailure extends Error {
  override readonly name = 'ListenFailure'
  readonly code: ListenFailureCode
  readonly host: string
  readonly port: number
  constructor(code: ListenFailureCode, host: string, port: number, options?: { cause?: unknown }) {
    const why = code === 'other' ? String((options?.cause as Error | undefined)?.message) : words[code]
    super(`cannot listen on ${isSocketPath(host) ? host : formatEndpoint(host, port)}: ${why}`, options)
    this.code = code
    this.host = host
    this.port = port
  }
}

const words: Readonly<Record<Exclude<ListenFailureCode, 'other'>, string>> = {
  inUse: 'another program already listens there',
  denied: 'permission denied (ports below 1024 need a privilege)',
  noSuchAddress: 'this machine has no such address',
}

const codes: Readonly<Record<string, ListenFailureCode>> = {
  EADDRINUSE: 'inUse',
  EACCES: 'denied',
  EPERM: 'denied',
  EADDRNOTAVAIL: 'noSuchAddress',
  ENOTFOUND: 'noSuchAddress',
  EAFNOSUPPORT: 'noSuchAddress',
}

/** Rejects with a {@link ListenFailure}. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, acceptor(options))
  await bind(server, options)
  server.on('error', () => {}) // accept() out of file descriptors: the kernel keeps the connection, we try again
  const place = server.address()
  const local =
    place === null || typeof place === 'string'
      ? unixEndpoint
      : { address: unmapped(place.address), port: place.port }
  return { local, close: () => close(server, options.clock) }
}

function bind(server: Server, options: ListenOptions): Promise<void> {
  const { host, port, backlog = 511, reusePort = false } = options
  return new Promise((resolve, reject) => {
    server.once('error', (cause: Error & { code?: string }) =>
      reject(new ListenFailure(codes[cause.code ?? ''] ?? 'other', host, port, { cause })),
    )
    if (isSocketPath(host)) server.listen({ path: host, backlog }, resolve)
    else server.listen({ host, port, backlog, ...(reusePort && { reusePort }) }, resolve)
  })
}

/** Node closes the listening socket at once, but reports it only when the last connection is gone. */
function close(server: Server, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    if (server.listening) server.close()
    clock.defer(resolve)
  })
}

function acceptor(options: ListenOptions): (socket: Socket) => void {
  const { clock, tls, onConnection } = options
  const unix = isSocketPath(options.host)
  let handshakeCount = 0
  return (socket) => {
    const remote = unix ? unixEndpoint : remoteEndpoint(socket)
    // Gone before we looked: without an address it must not pass for a local peer.
    if (remote === undefined) return void socket.on('error', () => {}).destroy()
    const connection = new SocketConnection(socket, { clock, remote, local: localEndpoint(socket) })
    if (tls === undefined) return onConnection(connection)
    if (handshakeCount >= (tls.handshakesMax ?? 1000)) return connection.destroy()
    handshakeCount++
    connection
      .startTls({
        kind: 'server',
        secureContext: tls.secureContext(),
        timeoutMs: tls.handshakeTimeoutMs ?? 30_000,
      })
      .finally(() => handshakeCount--)
      .then(
        () => onConnection(connection),
        (error: unknown) => tls.onFailure?.(error, remote),
      )
  }
}
