// Owns how HTTP and HTTPS stand beside each other: who comes in the clear is sent to TLS where the configuration says so,
// and browsers are told to stay there. RFC 6797 (HSTS), RFC 9110 sections 15.4.9 (308) and 4.2.2.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { canonicalIp } from '../base/ip.ts'
import { problem, problemMediaType } from './problem.ts'

/** Half a year: long enough for browsers, short enough to change one's mind. */
const hstsSeconds = 180 * 24 * 3600

/**
 * The host of a Host header, lower case, without port and final dot; '' where it is none. IPv6 without brackets. Of letters
 * that a name has: it becomes a part of URLs.
 */
export function hostOf(header: string): string {
  const match = /^(?:\[([\da-fA-F:.]+)\]|([\w.-]+))(?::\d{1,5})?$/.exec(header)
  return (match?.[1] ?? match?.[2] ?? '').toLowerCase().replace(/\.$/, '')
}

const isLoopbackName = (host: string): boolean =>
  host === 'localhost' || host.endsWith('.localhost') || isLoopbackAddress(canonicalIp(host) ?? '')
const isLoopbackAddress = (address: string): boolean =>
  address === '::1' || /^(?:::ffff:)?127\./.test(address)

/** By this machine itself, by a name of its own: nothing of it is on any wire. */
const isFromHere = (request: FastifyRequest): boolean =>
  isLoopbackAddress(request.ip) && isLoopbackName(hostOf(request.headers.host ?? ''))

/**
 * Who reads is sent to `https://` at this port, with path and query; who writes is refused, for what he sent stood in the
 * clear already. `isExempt`: served here as ever.
 */
export function sendToHttps(
  server: FastifyInstance,
  port: number,
  isExempt: (request: FastifyRequest) => boolean,
): void {
  server.addHook('onRequest', async (request, reply): Promise<FastifyReply | undefined> => {
    if (isExempt(request) || isFromHere(request)) return undefined
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return reply.code(403).type(problemMediaType).send(problem('forbidden', 'only over HTTPS'))
    const host = hostOf(request.headers.host ?? '')
    const name = host.includes(':') ? `[${host}]` : host
    const path = request.url.startsWith('/') ? request.url : '/'
    return reply.redirect(`https://${name}${port === 443 ? '' : `:${port}`}${path}`, 308)
  })
}

/** `mayPromise`: whether the certificate shown for this name is one that browsers believe. RFC 6797 sections 7.2 and 8.1. */
export function promiseHttps(server: FastifyInstance, mayPromise: (host: string) => boolean): void {
  server.addHook('onRequest', async (request, reply) => {
    const host = hostOf(request.headers.host ?? '')
    // Section 8.1.1: a promise of an IP address is none.
    if (host !== '' && canonicalIp(host) === undefined && !isLoopbackName(host) && mayPromise(host))
      reply.header('strict-transport-security', `max-age=${hstsSeconds}`)
  })
}
