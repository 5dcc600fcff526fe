// Owns one question to one DNS server: a UDP socket of its own (so the kernel picks a fresh port and lets only that server
// in), or a TCP connection. RFC 1035 section 4.2, RFC 5452 section 9.2 (ports), RFC 7766 (TCP).

import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import type { Clock } from '../base/clock.ts'
import type { DnsServerAddress } from './dns-server-address.ts'

export interface ExchangeOptions<T> {
  readonly clock: Clock
  readonly timeoutMs: number
  readonly signal?: AbortSignal
  /** Undefined: not an answer to us, wait on. */
  readonly read: (bytes: Buffer) => T | undefined
}

export type Exchange<T> =
  | { readonly kind: 'reply'; readonly reply: T }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'failed'; readonly reason: string }

/** Settles once: by `settle`, by time or by the signal (as 'failed'); `cleanUp` is called then. */
function exchange<T>(
  options: ExchangeOptions<T>,
  start: (settle: (result: Exchange<T>) => void) => () => void,
): Promise<Exchange<T>> {
  return new Promise((resolve) => {
    const { signal } = options
    if (signal?.aborted) return resolve({ kind: 'failed', reason: 'aborted' })
    let settled = false
    const settle = (result: Exchange<T>): void => {
      if (settled) return
      settled = true
      timer.cancel()
      signal?.removeEventListener('abort', abort)
      cleanUp()
      resolve(result)
    }
    const abort = (): void => settle({ kind: 'failed', reason: 'aborted' })
    const timer = options.clock.setTimer(options.timeoutMs, () => settle({ kind: 'timeout' }))
    signal?.addEventListener('abort', abort, { once: true })
    const cleanUp = start(settle)
  })
}

const failed = (error: Error): Exchange<never> => ({ kind: 'failed', reason: error.message })

export function askUdp<T>(
  server: DnsServerAddress,
  query: Buffer,
  options: ExchangeOptions<T>,
): Promise<Exchange<T>> {
  return exchange(options, (settle) => {
    const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4')
    let closed = false
    socket.on('error', (error) => settle(failed(error)))
    socket.on('message', (bytes) => {
      const reply = options.read(bytes)
      if (reply !== undefined) settle({ kind: 'reply', reply })
    })
    // Not as a callback: that one would be given errors, too.
    socket.on('connect', () => {
      if (!closed) socket.send(query)
    })
    socket.connect(server.port, server.address)
    return () => {
      closed = true
      socket.close()
    }
  })
}

export function askTcp<T>(
  server: DnsServerAddress,
  query: Buffer,
  options: ExchangeOptions<T>,
): Promise<Exchange<T>> {
  return exchange(options, (settle) => {
    const socket = connect({ host: server.address, port: server.port, noDelay: true })
    let received = Buffer.alloc(0)
    socket.on('error', (error) => settle(failed(error)))
    socket.on('end', () => settle({ kind: 'failed', reason: 'closed before the answer' }))
    socket.on('data', (bytes) => {
      received = received.length === 0 ? bytes : Buffer.concat([received, bytes])
      const lengthBytes = received.length < 2 ? 0 : received.readUInt16BE(0)
      if (received.length < 2 || received.length < 2 + lengthBytes) return
      const reply = options.read(received.subarray(2, 2 + lengthBytes))
      settle(
        reply === undefined
          ? { kind: 'failed', reason: 'an answer to another question' }
          : { kind: 'reply', reply },
      )
    })
    const length = Buffer.alloc(2)
    length.writeUInt16BE(query.length)
    socket.write(Buffer.concat([length, query]))
    return () => void socket.destroy()
  })
}
