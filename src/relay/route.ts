// Owns Route: where mail for a domain goes, as data; its text form ('mx', 'hold', 'smtp://user:pass@host:port') and
// the key by which the queue schedules it. It decides nothing: which route a domain has is posthouse's.
// RFC 3986 (the form of the text).

/**
 * none: never TLS. may: TLS when offered, plain otherwise. must: TLS or no delivery, certificate not judged.
 * verify: TLS with a certificate that is valid for the host's name, or no delivery.
 */
export type TlsPolicy = 'none' | 'may' | 'must' | 'verify'
export const tlsPolicies: readonly TlsPolicy[] = ['none', 'may', 'must', 'verify']

export interface RouteCredentials {
  readonly user: string
  readonly password: string
}

export interface HostRoute {
  readonly kind: 'smtp' | 'lmtp'
  /** A domain in the form it was written, or an IP address without brackets. */
  readonly host: string
  readonly port: number
  /** TLS from the first byte (smtps). */
  readonly implicitTls: boolean
  /** Absent: the recipient domain's policy decides. */
  readonly tls?: TlsPolicy
  readonly auth?: RouteCredentials
}

export type Route =
  | { readonly kind: 'mx' }
  | { readonly kind: 'hold' }
  | { readonly kind: 'discard' }
  | { readonly kind: 'capture' }
  | HostRoute

export type RouteParse =
  | { readonly ok: true; readonly route: Route }
  | { readonly ok: false; readonly problem: string }

const words = ['mx', 'hold', 'discard', 'capture'] as const
const forms = `'mx', 'hold', 'discard', 'capture', 'smtp://host:port', 'smtps://host:port' or 'lmtp://host:port'`
const schemes: Readonly<Record<string, { kind: 'smtp' | 'lmtp'; port: number; implicitTls: boolean }>> = {
  smtp: { kind: 'smtp', port: 25, implicitTls: false },
  smtps: { kind: 'smtp', port: 465, implicitTls: true },
  lmtp: { kind: 'lmtp', port: 24, implicitTls: false },
}

const wrong = (problem: string): RouteParse => ({ ok: false, problem })

/**
 * Reads a route's text. `?tls=none|may|must|verify` sets the policy; without it, a route with credentials or smtps to
 * another machine is 'verify', so that no password goes to a stranger. User and password are percent-decoded; the port
 * defaults to 25, to 587 with credentials, 465 for smtps, 24 for lmtp. A problem never repeats a secret.
 */
export function parseRoute(text: string): RouteParse {
  const trimmed = text.trim()
  const word = words.find((one) => one === trimmed.toLowerCase())
  if (word !== undefined) return { ok: true, route: { kind: word } }
  const match = /^([a-z]+):\/\/([^/?#]*)\/?(?:\?([^#]*))?$/i.exec(trimmed)
  const scheme = schemes[match?.[1]?.toLowerCase() ?? '']
  if (match === null || scheme === undefined) return wrong(`must be ${forms}`)
  const [, , authority = '', query] = match
  const at = authority.lastIndexOf('@')
  const auth = at === -1 ? undefined : parseCredentials(authority.slice(0, at))
  if (auth === null)
    return wrong(`has credentials that are not 'user:password'; write special characters as %XX`)
  const place = parseHostPort(authority.slice(at + 1))
  if (place === undefined)
    return wrong(`has no valid host and port after '//'; an IPv6 address stands in brackets`)
  if (auth !== undefined && scheme.kind === 'lmtp')
    return wrong('has credentials, which LMTP routes do not take')
  const tls = parseQuery(query ?? '')
  if (tls === null) return wrong(`takes one option only: '?tls=' with ${tlsPolicies.join(', ')}`)
  if (scheme.implicitTls && (tls === 'none' || tls === 'may'))
    return wrong(`cannot have tls=${tls}: smtps is always TLS`)
  const port = place.port ?? (auth !== undefined && !scheme.implicitTls ? 587 : scheme.port)
  const policy = tls ?? impliedPolicy(place.host, auth !== undefined, scheme.implicitTls)
  const route = { kind: scheme.kind, host: place.host, port, implicitTls: scheme.implicitTls }
  return {
    ok: true,
    route: { ...route, ...(policy !== undefined && { tls: policy }), ...(auth !== undefined && { auth }) },
  }
}

function impliedPolicy(host: string, hasAuth: boolean, implicitTls: boolean): TlsPolicy | undefined {
  if (isLoopbackHost(host)) return implicitTls ? 'must' : undefined
  return hasAuth || implicitTls ? 'verify' : undefined
}

export const isLoopbackHost = (host: string): boolean =>
  host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host) || /^(?:.+\.)?localhost$/i.test(host)

function parseCredentials(text: string): RouteCredentials | null {
  const colon = text.indexOf(':')
  if (colon < 1 || colon === text.length - 1) return null
  try {
    return {
      user: decodeURIComponent(text.slice(0, colon)),
      password: decodeURIComponent(text.slice(colon + 1)),
    }
  } catch {
    return null
  }
}

function parseQuery(query: string): TlsPolicy | undefined | null {
  if (query === '') return undefined
  const policy = /^tls=([a-z]+)$/.exec(query)?.[1]
  return tlsPolicies.find((one) => one === policy) ?? null
}

/** `host`, `host:port`, `[IPv6]` or `[IPv6]:port`. */
function parseHostPort(
  text: string,
): { readonly host: string; readonly port: number | undefined } | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:@[\]]+))(?::(\d{1,5}))?$/i.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = match?.[3] === undefined ? undefined : Number(match[3])
  if (host === undefined || (port !== undefined && (port < 1 || port > 65535))) return undefined
  return { host: host.toLowerCase(), port }
}

const secret = '******'

/** A route's text with its password hidden; safe wherever a person looks. */
export function formatRoute(route: Route): string {
  if (route.kind !== 'smtp' && route.kind !== 'lmtp') return route.kind
  const host = route.host.includes(':') ? `[${route.host}]` : route.host
  const auth = route.auth === undefined ? '' : `${encodeURIComponent(route.auth.user)}:${secret}@`
  const tls = route.tls === undefined ? '' : `?tls=${route.tls}`
  return `${route.implicitTls ? 'smtps' : route.kind}://${auth}${host}:${route.port}${tls}`
}

/** Hides the password of a route's text that may not even parse: everything between '//' and the last '@' but the user. */
export function maskRoute(text: string): string {
  return text.replace(
    /^([^:/]*:\/\/)([^:@/]*):?.*@/,
    (_all, scheme: string, user: string) => `${scheme}${user}:${secret}@`,
  )
}

/** Before the key of what an operator sends on although the mode keeps it: a change of the configuration leaves it alone. */
export const releasePrefix = 'release:'

/**
 * The key by which the queue schedules deliveries and limits connections: 'capture', 'mx:example.test',
 * 'smtp:host:port'. Two routes with one key share connections, so a user that authenticates is part of it.
 */
export function routeDestination(route: Route, domain: string): string {
  if (route.kind === 'mx') return `mx:${domain}`
  if (route.kind !== 'smtp' && route.kind !== 'lmtp') return route.kind
  const scheme = route.implicitTls ? 'smtps' : route.kind
  const user = route.auth === undefined ? '' : `${encodeURIComponent(route.auth.user)}@`
  return `${scheme}:${user}${route.host.includes(':') ? `[${route.host}]` : route.host}:${route.port}`
}
