// Owns endpoints as text and as Node gives them: IPv4-mapped addresses are their IPv4 address (RFC 4291 section 2.5.5.2).

import type { Socket } from 'node:net'
import type { Endpoint } from '../base/connection.ts'

/** '::ffff:192.0.2.1', as a dual-stack socket reports an IPv4 peer, is '192.0.2.1'. */
export const unmapped = (address: string): string =>
  address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address

/** Undefined for a unix socket, and for a TCP socket whose peer is already gone. */
export function remoteEndpoint(socket: Socket): Endpoint | undefined {
  const address = socket.remoteAddress
  return address === undefined ? undefined : { address: unmapped(address), port: socket.remotePort ?? 0 }
}

export const unixEndpoint: Endpoint = { address: '', port: 0 }

export const localEndpoint = (socket: Socket): Endpoint =>
  socket.localAddress === undefined
    ? unixEndpoint
    : { address: unmapped(socket.localAddress), port: socket.localPort ?? 0 }

/** '192.0.2.1:25', '[2001:db8::1]:25'. */
export const formatEndpoint = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

/** A unix socket's path or a Windows pipe's name, as opposed to an address. */
export const isSocketPath = (host: string): boolean => host.startsWith('/') || host.startsWith('\\\\')
