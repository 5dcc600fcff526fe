// Owns what DNS (and the policy host of MTA-STS) says about a domain's mail, each question with its own deadline so that a
// dead one hides no other. It judges nothing: that is probe-findings-dns.ts.
// RFC 5321 section 5.1, RFC 7505, RFC 7208, RFC 7489 section 6.6.3, RFC 8460, RFC 8461, RFC 7672 section 2.2.

import type { Clock } from '../base/clock.ts'
import { literalAddress } from '../base/domain.ts'
import { canonicalIp, ipVersion } from '../base/ip.ts'
import type { DnsAnswer, ResolveOptions, Resolver, TlsaRecord } from '../dns/resolver.ts'
import {
  isDmarc,
  isSpf,
  isStsRecord,
  isTlsRpt,
  lookAtDmarc,
  lookAtSpf,
  lookAtStsPolicy,
  lookAtStsRecord,
  lookAtTlsRpt,
} from './probe-records.ts'
import type { Looked, MxHostLook, MxLook, ProbeDns, TlsaLook } from './probe-report.ts'
import { formatTlsa, isUsableTlsa } from './probe-tlsa.ts'
import { withinDeadline } from './step-deadline.ts'

/** The text of an MTA-STS policy. Rejects with an Error that says why not. */
export type PolicyFetcher = (url: string, signal: AbortSignal) => Promise<string>

export interface ProbeDnsOptions {
  readonly resolver: Resolver
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Of each question. */
  readonly timeoutMs: number
  /** For the name of TLSA. */
  readonly port: number
  /** Undefined: the policy is not fetched. */
  readonly fetchPolicy: PolicyFetcher | undefined
  /** This host in place of the MX records. */
  readonly mxHost?: string | undefined
}

/** TLSA records by host name, for holding them against what the host shows. */
export type TlsaByHost = ReadonlyMap<string, readonly TlsaRecord[]>

export interface DnsLook {
  readonly report: ProbeDns
  readonly tlsa: TlsaByHost
}

const hostsMax = 20
const addressesMax = 20
const recordsMax = 10
const parentsMax = 8

/** `domain`: A-labels or an address literal. Never rejects. */
export async function lookAtDns(domain: string, options: ProbeDnsOptions): Promise<DnsLook> {
  const literal = literalAddress(domain)
  const tlsa = new Map<string, readonly TlsaRecord[]>()
  const mx = lookAtMx(domain, literal, options, tlsa)
  if (literal !== undefined) return { report: { mx: await mx }, tlsa }
  const sts = lookAtSts(domain, options)
  const [mxLook, spf, dmarc, stsLook, tlsRpt] = await Promise.all([
    mx,
    lookAtTxt(domain, isSpf, lookAtSpf, options),
    lookAtDmarcAt(domain, options),
    sts,
    lookAtTxt(`_smtp._tls.${domain}`, isTlsRpt, lookAtTlsRpt, options),
  ])
  return { report: { mx: mxLook, spf, dmarc, ...stsLook, tlsRpt }, tlsa }
}

/** Where a domain's mail goes, and nothing else. Never rejects. */
export const lookAtMailHosts = (domain: string, options: ProbeDnsOptions): Promise<MxLook> =>
  lookAtMx(domain, literalAddress(domain), options, new Map())

/** One question within its deadline; never rejects. */
async function ask<T>(
  options: ProbeDnsOptions,
  question: (options: ResolveOptions) => Promise<DnsAnswer<T>>,
): Promise<DnsAnswer<T>> {
  const { clock, timeoutMs, signal } = options
  const result = await withinDeadline(clock, timeoutMs, signal, (stop) => question({ signal: stop }))
  switch (result.kind) {
    case 'done':
      return result.value
    case 'timeout':
      return { kind: 'temporary', reason: `no answer within ${timeoutMs / 1000} s` }
    case 'aborted':
      return { kind: 'temporary', reason: 'stopped' }
    case 'failed':
      return { kind: 'temporary', reason: String(result.error) }
  }
}

async function lookAtTxt<T>(
  name: string,
  counts: (text: string) => boolean,
  read: (text: string) => T,
  options: ProbeDnsOptions,
): Promise<Looked<readonly T[]>> {
  const answer = await ask(options, (one) => options.resolver.txt(name, one))
  if (answer.kind === 'temporary') return { kind: 'failed', reason: `TXT of ${name}: ${answer.reason}` }
  const { secure } = answer
  if (answer.kind === 'none') return { kind: 'none', nameExists: answer.nameExists, secure }
  const records = answer.records.filter(counts).slice(0, recordsMax)
  if (records.length === 0) return { kind: 'none', nameExists: true, secure }
  return { kind: 'found', value: records.map((text) => read(text)), secure }
}

/** The domain's own record, else that of a name above it: the organisation's, found by walking up, without a suffix list. */
async function lookAtDmarcAt(
  domain: string,
  options: ProbeDnsOptions,
): Promise<NonNullable<ProbeDns['dmarc']>> {
  const at = (name: string) => lookAtTxt(`_dmarc.${name}`, isDmarc, lookAtDmarc, options)
  const own = await at(domain)
  if (own.kind === 'found') return { ...own, value: { at: domain, records: own.value } }
  if (own.kind === 'failed') return own
  const labels = domain.split('.')
  const parents = labels.slice(1).map((_label, i) => labels.slice(i + 1).join('.'))
  const names = parents.slice(-parentsMax)
  const looks = await Promise.all(names.map(at))
  const failed = looks.find((one) => one.kind === 'failed')
  if (failed?.kind === 'failed') return failed
  let best: Extract<NonNullable<ProbeDns['dmarc']>, { kind: 'found' }> | undefined
  // From the nearest up. The registry's own record (psd=y) speaks only where nobody below it does; psd=n ends the walk.
  for (const [i, look] of looks.entries()) {
    if (look.kind !== 'found' || look.value.length !== 1) continue
    const psd = look.value[0]?.psd
    if (psd === 'y' && best !== undefined) break
    best = { ...look, value: { at: names[i] ?? '', records: look.value } }
    if (psd === 'n' || psd === 'y') break
  }
  return best ?? own
}

async function lookAtSts(
  domain: string,
  options: ProbeDnsOptions,
): Promise<Pick<ProbeDns, 'mtaSts' | 'mtaStsPolicy'>> {
  const mtaSts = await lookAtTxt(`_mta-sts.${domain}`, isStsRecord, lookAtStsRecord, options)
  const { fetchPolicy, clock, timeoutMs, signal } = options
  if (mtaSts.kind !== 'found' || fetchPolicy === undefined) return { mtaSts }
  const url = `https://mta-sts.${domain}/.well-known/mta-sts.txt`
  const fetched = await withinDeadline(clock, timeoutMs, signal, (stop) => fetchPolicy(url, stop))
  if (fetched.kind === 'done')
    return { mtaSts, mtaStsPolicy: { kind: 'found', url, policy: lookAtStsPolicy(fetched.value) } }
  const reason =
    fetched.kind === 'timeout'
      ? `no answer within ${timeoutMs / 1000} s`
      : fetched.kind === 'aborted'
        ? 'stopped'
        : fetched.error instanceof Error
          ? fetched.error.message
          : String(fetched.error)
  return { mtaSts, mtaStsPolicy: { kind: 'failed', url, reason } }
}

type Tlsa = Map<string, readonly TlsaRecord[]>

async function lookAtMx(
  domain: string,
  literal: string | undefined,
  options: ProbeDnsOptions,
  tlsa: Tlsa,
): Promise<MxLook> {
  const { mxHost } = options
  const hosts = (
    list: readonly MxHostLook[],
    more: {
      readonly implicit?: boolean
      readonly hasNullMx?: boolean
      readonly secure?: boolean
      readonly given?: true
    } = {},
  ): MxLook => ({ kind: 'hosts', implicit: false, hasNullMx: false, secure: false, ...more, hosts: list })
  if (mxHost !== undefined) return hosts([await lookAtHost(mxHost, 0, options, tlsa)], { given: true })
  if (literal !== undefined) return hosts([{ name: domain, preference: 0, addresses: [literal] }])
  const answer = await ask(options, (one) => options.resolver.mx(domain, one))
  if (answer.kind === 'temporary') return { kind: 'failed', reason: `MX of ${domain}: ${answer.reason}` }
  if (answer.kind === 'none') {
    if (!answer.nameExists) return { kind: 'noSuchDomain' }
    const host = await lookAtHost(domain, 0, options, tlsa)
    if (host.addresses.length > 0) return hosts([host], { implicit: true, secure: answer.secure })
    return host.problem === undefined || host.problem === noAddress
      ? { kind: 'noHost', reason: `${domain} has neither MX nor address records` }
      : { kind: 'failed', reason: host.problem }
  }
  const named = answer.records.filter(({ exchange }) => exchange !== '')
  if (named.length === 0) return { kind: 'nullMx' }
  const ordered = [...named]
    .sort((a, b) => a.preference - b.preference || (a.exchange < b.exchange ? -1 : 1))
    .slice(0, hostsMax)
  const looked = await Promise.all(
    ordered.map(({ exchange, preference }) => lookAtHost(exchange, preference, options, tlsa)),
  )
  return hosts(looked, { hasNullMx: named.length < answer.records.length, secure: answer.secure })
}

const noAddress = 'it has no address'

async function lookAtHost(
  text: string,
  preference: number,
  options: ProbeDnsOptions,
  tlsa: Tlsa,
): Promise<MxHostLook> {
  const address = canonicalIp(literalAddress(text) ?? text)
  // RFC 1035 section 3.3.9: an exchange is a host name. One that we were told to use may be an address.
  if (address !== undefined)
    return options.mxHost === undefined
      ? { name: text, preference, addresses: [], problem: 'an address stands where a host name belongs' }
      : { name: text, preference, addresses: [address] }
  const name = text.toLowerCase()
  if (name === 'localhost') return { name, preference, addresses: ['127.0.0.1', '::1'] }
  const [v6, v4, dane] = await Promise.all([
    ask(options, (one) => options.resolver.aaaa(name, one)),
    ask(options, (one) => options.resolver.a(name, one)),
    lookAtTlsa(name, options, tlsa),
  ])
  const addresses = [v6, v4].flatMap((answer) => (answer.kind === 'records' ? answer.records : []))
  const failed = [v6, v4].find((answer) => answer.kind === 'temporary')
  const problem =
    addresses.length > 0
      ? undefined
      : failed?.kind === 'temporary'
        ? `address of ${name}: ${failed.reason}`
        : noAddress
  return {
    name,
    preference,
    addresses: addresses.filter((one) => ipVersion(one) !== undefined).slice(0, addressesMax),
    ...(problem !== undefined && { problem }),
    tlsa: dane,
  }
}

async function lookAtTlsa(host: string, options: ProbeDnsOptions, tlsa: Tlsa): Promise<TlsaLook> {
  const { resolver, port } = options
  const name = `_${port}._tcp.${host}`
  const answer = await ask(options, (one) => resolver.tlsa(name, one))
  if (answer.kind === 'temporary')
    return { name, records: [], secure: false, usableCount: 0, problem: answer.reason }
  if (answer.kind === 'none') return { name, records: [], secure: answer.secure, usableCount: 0 }
  const records = answer.records.slice(0, recordsMax)
  tlsa.set(host, records)
  const usableCount = records.filter(isUsableTlsa).length
  return { name, records: records.map(formatTlsa), secure: answer.secure, usableCount }
}
