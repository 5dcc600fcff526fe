// Owns what a destination key means to the relay: which hosts to ask for, which protocol, TLS policy and credentials.
// It resolves and dials nothing.

import { assert } from '../base/assert.ts'
import { type HostRoute, type Route, type RouteCredentials, releasePrefix, type TlsPolicy } from './route.ts'

export interface Target {
  readonly destination: string
  readonly protocol: 'smtp' | 'lmtp'
  /** mx: `host` is a domain whose MX records are asked for. host: its addresses, or an address itself. */
  readonly kind: 'mx' | 'host'
  readonly host: string
  readonly port: number
  readonly implicitTls: boolean
  readonly tls: TlsPolicy
  readonly auth: RouteCredentials | undefined
}

export interface TargetOptions {
  /** For MX. */
  readonly port: number
  readonly tlsPolicyFor: (domain: string) => TlsPolicy
}

/** Undefined for a destination that is not the relay's, or whose route needs credentials that nobody knows any more. */
export function readTarget(
  destination: string,
  route: Route | undefined,
  options: TargetOptions,
): Target | undefined {
  const key = destination.startsWith(releasePrefix) ? destination.slice(releasePrefix.length) : destination
  const colon = key.indexOf(':')
  const scheme = key.slice(0, colon)
  const rest = key.slice(colon + 1)
  if (scheme === 'mx') {
    const domain = rest
    const tls = options.tlsPolicyFor(domain)
    const own = { port: options.port, implicitTls: false, auth: undefined }
    return { destination, protocol: 'smtp', kind: 'mx', host: domain, tls, ...own }
  }
  const host = route?.kind === 'smtp' || route?.kind === 'lmtp' ? route : readHost(scheme, rest)
  if (host === undefined) return undefined
  return {
    destination,
    protocol: host.kind,
    kind: 'host',
    host: host.host,
    port: host.port,
    implicitTls: host.implicitTls,
    tls: host.tls ?? options.tlsPolicyFor(host.host),
    auth: host.auth,
  }
}

/** A destination whose route is no longer configured says itself where it goes, unless it needs a password. */
function readHost(scheme: string, rest: string): HostRoute | undefined {
  const match = /^(?:\[([^\]@]+)\]|([^@:[\]]+)):(\d{1,5})$/.exec(rest)
  const host = match?.[1] ?? match?.[2]
  if (host === undefined || !['smtp', 'smtps', 'lmtp'].includes(scheme)) return undefined
  const kind = scheme === 'lmtp' ? 'lmtp' : 'smtp'
  return { kind, host, port: Number(match?.[3]), implicitTls: scheme === 'smtps' }
}

/** Connections made for one of these serve the other. */
export function isSameTarget(one: Target, other: Target): boolean {
  assert(one.destination === other.destination, 'targets of one destination')
  return (
    one === other ||
    (one.host === other.host &&
      one.port === other.port &&
      one.tls === other.tls &&
      one.implicitTls === other.implicitTls &&
      one.auth?.user === other.auth?.user &&
      one.auth?.password === other.auth?.password)
  )
}
