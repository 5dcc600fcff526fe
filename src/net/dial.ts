// Owns dialing: a Connection to an address (never a name: who resolves decides), within a deadline.

import { connect, isIP, type NetConnectOpts, type OnReadOpts } from 'node:net'
import type { Clock } from '../base/clock.ts'
import { type Connection, type Dialer, type DialOptions, TransportFailure } from '../base/connection.ts'
import { formatEndpoint, isSocketPath, localEndpoint, unixEndpoint } from './endpoint.ts'
import { readLastWords } from './last-words.ts'
import { SocketConnection } from './socket-connection.ts'
import { transportFailure } from './transport-failure.ts'

/** `host` may also be the path of a unix socket (or a Windows pipe); then `port` is ignored. */
export function createDialer(options: { readonly clock: Clock }): Dialer {
  const { clock } = options
  return {
    async dial(target) {
      const deadlineAt = clock.now() + target.timeoutMs
      const connection = await connectSocket(target, clock)
      if (target.tls === undefined) return connection
      const timeoutMs = Math.max(0, Math.min(target.tls.timeoutMs, deadlineAt - clock.now()))
      const abort = (): void => connection.destroy(aborted(target))
      target.signal?.addEventListener('abort', abort, { once: true })
      try {
        await connection.startTls({ ...target.tls, timeoutMs })
        return connection
      } finally {
        target.signal?.removeEventListener('abort', abort)
      }
    },
  }
}

const nameOf = (target: DialOptions): string =>
  isSocketPath(target.host) ? target.host : formatEndpoint(target.host, target.port)

const aborted = (target: DialOptions): TransportFailure =>
  new TransportFailure('aborted', `dialing ${nameOf(target)} was aborted`, { cause: target.signal?.reason })

/** Enough for the answers of a mail server. */
const readBytes = 8 * 1024

/** One buffer for all that a socket reads: the usual way takes 64 KiB for each read, and a stream's whole machinery. */
function readInto(receive: (bytes: Buffer) => void): OnReadOpts {
  return {
    buffer: Buffer.allocUnsafeSlow(readBytes),
    callback(size, buffer) {
      receive((buffer as Buffer).subarray(0, size))
      return true
    },
  }
}

function connectSocket(target: DialOptions, clock: Clock): Promise<Connection> {
  return new Promise((resolve, reject) => {
    if (target.signal?.aborted) return reject(aborted(target))
    const path = isSocketPath(target.host)
    if (!path && isIP(target.host) === 0)
      return reject(new TransportFailure('other', `${JSON.stringify(target.host)} is not an IP address`))
    const where: NetConnectOpts = path
      ? { path: target.host }
      : {
          host: target.host,
          port: target.port,
          noDelay: true,
          ...(target.localAddress !== undefined && { localAddress: target.localAddress }),
        }
    let connection: SocketConnection | undefined
    const onread = target.transientData === true ? readInto((bytes) => connection?.receive(bytes)) : undefined
    const socket = connect({ ...where, allowHalfOpen: true, ...(onread !== undefined && { onread }) })
    const settle = (): void => {
      timer.cancel()
      target.signal?.removeEventListener('abort', abort)
      socket.removeListener('error', fail).removeListener('connect', connected)
    }
    const fail = (error: Error): void => {
      settle()
      socket.on('error', () => {}).destroy()
      reject(transportFailure(error, nameOf(target)))
    }
    const abort = (): void => fail(aborted(target))
    const connected = (): void => {
      settle()
      readLastWords(socket, clock)
      const remote = path ? unixEndpoint : { address: target.host, port: target.port }
      // What `onread` reads has no place to wait in: it begins when there is a handler.
      if (onread !== undefined) socket.pause()
      connection = new SocketConnection(socket, { clock, remote, local: localEndpoint(socket) })
      resolve(connection)
    }
    const timer = clock.setTimer(target.timeoutMs, () =>
      fail(new TransportFailure('timeout', `${nameOf(target)} did not answer within ${target.timeoutMs} ms`)),
    )
    target.signal?.addEventListener('abort', abort, { once: true })
    socket.once('error', fail).once('connect', connected)
  })
}
