// Owns where mail for a domain goes: its MX hosts with their addresses in the order to try them, or why there is no such
// host. Refuses to dial. RFC 5321 section 5.1 (order, implicit MX, loops), RFC 7505 (null MX), RFC 5321 section 4.1.3
// (address literals), RFC 6761 section 6.3 (localhost).

import { literalAddress } from '../base/domain.ts'
import { canonicalIp, ipVersion } from '../base/ip.ts'
import type { Random } from '../base/random.ts'
import { canonicalName } from '../dns/name.ts'
import type { DnsAnswer, MxRecord, ResolveOptions, Resolver } from '../dns/resolver.ts'
import type { HostAddress, MxHost, MxOrigin, MxResult } from './mx-result.ts'

export interface RouteOptions {
  readonly resolver: Resolver
  /** Shuffles hosts of equal preference, and the addresses of a host. */
  readonly random: Random
  readonly signal?: AbortSignal
  /** Names under which others know us, lower-case: an MX record that names one is ourselves. */
  readonly ownNames?: ReadonlySet<string>
  /** Addresses at which we take mail ourselves, canonical. */
  readonly ownAddresses?: ReadonlySet<string>
  /** Families to use, the preferred one first. Default [6, 4]. */
  readonly families?: readonly (4 | 6)[]
}

/** RFC 5321 section 5.1 sets no bound; a domain with more hosts than this has others things in mind than mail. */
const hostsMax = 20
const addressesMax = 10

type Addresses =
  | ({ readonly kind: 'found'; readonly addresses: readonly HostAddress[] } & Pick<
      MxHost,
      'secure' | 'target'
    >)
  | { readonly kind: 'none'; readonly nameExists: boolean }
  | { readonly kind: 'temporary'; readonly reason: string; readonly bogus?: true }

/**
 * `domain`: A-labels, or an address literal in brackets. Rejects only with the reason of an aborted signal.
 */
export async function resolveRoute(domain: string, options: RouteOptions): Promise<MxResult> {
  const literal = literalAddress(domain)
  if (literal !== undefined) return literalRoute(domain, literal, options)
  const name = canonicalName(domain)
  if (name === undefined || name === '')
    return { kind: 'noSuchDomain', reason: `${domain} is not a domain name` }
  const answer = await options.resolver.mx(name, lookupOptions(options))
  const origin = originOf(answer)
  switch (answer.kind) {
    case 'temporary':
      return failedLookup(`MX of ${name}`, answer)
    case 'none':
      // RFC 8020: a name that does not exist has no address either.
      return answer.nameExists ? implicitRoute(name, origin, options) : noSuchDomain(name)
    case 'records':
      return explicitRoute(name, answer.records, origin, options)
  }
}

/**
 * Addresses of a host that is given by name or address ('relay.example.test', '192.0.2.1', '[IPv6:2001:db8::1]'), as a
 * smarthost is: MX records and `own` names play no part.
 */
export async function resolveHost(host: string, options: RouteOptions): Promise<MxResult> {
  const address = canonicalIp(literalAddress(host) ?? host)
  if (address !== undefined) return hosts([{ name: host, preference: 0, addresses: [hostAddress(address)] }])
  const name = canonicalName(host)
  if (name === undefined || name === '') return { kind: 'noSuchDomain', reason: `${host} is not a host name` }
  const found = isLocalhost(name) ? localhost(options) : await addressesOf(name, options)
  if (found.kind === 'found') return hosts([hostOf(name, 0, found)])
  if (found.kind === 'temporary') return found
  return found.nameExists
    ? { kind: 'unroutable', status: '5.4.4', reason: `${name} has no address` }
    : noSuchDomain(name)
}

/** Only what is validated is said: of an answer that is not there is nothing to know. */
const hosts = (list: readonly MxHost[], mx?: MxOrigin): MxResult =>
  mx?.secure === true ? { kind: 'hosts', hosts: list, mx } : { kind: 'hosts', hosts: list }

const hostOf = (name: string, preference: number, found: Addresses & { readonly kind: 'found' }): MxHost => ({
  name,
  preference,
  addresses: found.addresses,
  ...(found.secure === true && { secure: true, ...(found.target !== undefined && { target: found.target }) }),
})

const originOf = (answer: DnsAnswer<unknown>): MxOrigin => ({
  secure: answer.kind !== 'temporary' && answer.secure,
  ...(answer.kind === 'records' && answer.target !== undefined && { target: answer.target }),
})

const failedLookup = (what: string, answer: DnsAnswer<unknown> & { readonly kind: 'temporary' }) =>
  ({
    kind: 'temporary',
    reason: `${what}: ${answer.reason}`,
    ...(answer.bogus === true && { bogus: true as const }),
  }) as const

const noSuchDomain = (name: string): MxResult => ({ kind: 'noSuchDomain', reason: `${name} does not exist` })
const ourselves = (domain: string): MxResult => ({
  kind: 'unroutable',
  status: '5.4.6',
  reason: `mail for ${domain} loops back to this server`,
})

const lookupOptions = (options: RouteOptions): ResolveOptions =>
  options.signal === undefined ? {} : { signal: options.signal }

function literalRoute(domain: string, address: string, options: RouteOptions): MxResult {
  const canonical = canonicalIp(address)
  if (canonical === undefined) return { kind: 'noSuchDomain', reason: `${domain} is not an address literal` }
  const own = isOwn({ name: domain, preference: 0, addresses: [hostAddress(canonical)] }, options)
  return own
    ? ourselves(domain)
    : hosts([{ name: domain, preference: 0, addresses: [hostAddress(canonical)] }])
}

/** No MX: the domain itself is its host, with preference 0 (RFC 5321 section 5.1, "implicit MX"). */
async function implicitRoute(name: string, mx: MxOrigin, options: RouteOptions): Promise<MxResult> {
  const found = await addressesOf(name, options)
  if (found.kind === 'temporary') return found
  if (found.kind === 'none')
    return found.nameExists
      ? { kind: 'unroutable', status: '5.4.4', reason: `${name} has neither MX nor address records` }
      : noSuchDomain(name)
  const host = hostOf(name, 0, found)
  return options.ownNames?.has(name) || isOwn(host, options) ? ourselves(name) : hosts([host], mx)
}

async function explicitRoute(
  domain: string,
  records: readonly MxRecord[],
  mx: MxOrigin,
  options: RouteOptions,
): Promise<MxResult> {
  // RFC 7505 section 3: a null MX stands alone; beside other records it is a mistake, and they are used.
  const named = records.filter((record) => record.exchange !== '')
  if (named.length === 0) return { kind: 'nullMx' }
  const ownNames = options.ownNames
  const foreign = cutAtOurselves(named, (record) => ownNames?.has(record.exchange) === true)
  if (foreign.length === 0) return ourselves(domain)
  const ordered = inOrder(foreign, options.random).slice(0, hostsMax)
  const resolved = await Promise.all(
    ordered.map(async (record) => ({ record, found: await addressesOf(record.exchange, options) })),
  )
  const reachable: MxHost[] = []
  for (const { record, found } of resolved)
    if (found.kind === 'found') reachable.push(hostOf(record.exchange, record.preference, found))
  const usable = cutAtOurselves(reachable, (host) => isOwn(host, options))
  if (usable.length > 0) return hosts(usable, mx)
  // RFC 5321 section 5.1: MX records without a usable host are an error; there is no way back to the address record.
  for (const { found } of resolved) if (found.kind === 'temporary') return found
  if (reachable.length > 0) return ourselves(domain)
  const names = ordered.map((record) => record.exchange).join(', ')
  return { kind: 'unroutable', status: '5.4.4', reason: `no MX host of ${domain} has an address: ${names}` }
}

/** RFC 5321 section 5.1: where we are on the list, we and all of the same or a worse preference go: they would come back. */
function cutAtOurselves<T extends { readonly preference: number }>(
  list: readonly T[],
  isOurself: (one: T) => boolean,
): readonly T[] {
  let limit = Number.POSITIVE_INFINITY
  for (const one of list) if (isOurself(one)) limit = Math.min(limit, one.preference)
  return limit === Number.POSITIVE_INFINITY ? list : list.filter((one) => one.preference < limit)
}

const isOwn = (host: MxHost, options: RouteOptions): boolean =>
  host.addresses.some(
    ({ address }) => address === '0.0.0.0' || address === '::' || options.ownAddresses?.has(address) === true,
  )

/** Lowest preference first, equal ones shuffled (RFC 5321 section 5.1); a host that is listed twice is tried once. */
function inOrder(records: readonly MxRecord[], random: Random): readonly MxRecord[] {
  const names = new Set<string>()
  return shuffled(records, random)
    .sort((one, other) => one.preference - other.preference)
    .filter(({ exchange }) => !names.has(exchange) && names.add(exchange))
}

/** Fisher and Yates. */
function shuffled<T>(list: readonly T[], random: Random): T[] {
  const copy = [...list]
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(random.fraction() * (i + 1))
    const one = copy[i] as T
    copy[i] = copy[j] as T
    copy[j] = one
  }
  return copy
}

const hostAddress = (address: string): HostAddress => ({ address, family: address.includes(':') ? 6 : 4 })

async function addressesOf(name: string, options: RouteOptions): Promise<Addresses> {
  // An address where a name belongs ("10 192.0.2.1") is a name under a numeric top-level domain: there is none.
  if (ipVersion(name) !== undefined) return { kind: 'none', nameExists: false }
  const { resolver, random, families = [6, 4] } = options
  const lookup = lookupOptions(options)
  const answers = await Promise.all(
    families.map((family) => (family === 6 ? resolver.aaaa(name, lookup) : resolver.a(name, lookup))),
  )
  const addresses = interleaved(answers.map((answer) => shuffled(recordsOf(answer), random))).slice(
    0,
    addressesMax,
  )
  if (addresses.length > 0) {
    const target = answers.map((answer) => originOf(answer).target).find((one) => one !== undefined)
    return {
      kind: 'found',
      addresses: addresses.map(hostAddress),
      // RFC 7672 section 2.2.2: each family that is used has to be secure; one that fails is not used.
      ...(answers.every((answer) => answer.kind !== 'records' || answer.secure) && { secure: true as const }),
      ...(target !== undefined && { target }),
    }
  }
  let nameExists = false
  for (const answer of answers) {
    if (answer.kind === 'temporary') return failedLookup(`address of ${name}`, answer)
    if (answer.kind === 'none' && answer.nameExists) nameExists = true
  }
  return { kind: 'none', nameExists }
}

const recordsOf = (answer: DnsAnswer<string>): readonly string[] =>
  answer.kind === 'records' ? answer.records : []

/** One of each family in turn, so that a family that does not work costs one try before the other has its. */
function interleaved(lists: readonly (readonly string[])[]): string[] {
  const mixed: string[] = []
  const longest = Math.max(0, ...lists.map((list) => list.length))
  for (let i = 0; i < longest; i++)
    for (const list of lists) {
      const one = list[i]
      if (one !== undefined) mixed.push(one)
    }
  return mixed
}

const isLocalhost = (name: string): boolean => name === 'localhost' || name.endsWith('.localhost')

/** IPv4 first: services of this machine listen on 127.0.0.1 more often than on ::1. */
function localhost(options: RouteOptions): Addresses {
  const families = options.families ?? [6, 4]
  const addresses = ['127.0.0.1', '::1'].map(hostAddress).filter(({ family }) => families.includes(family))
  return addresses.length > 0 ? { kind: 'found', addresses } : { kind: 'none', nameExists: true }
}
