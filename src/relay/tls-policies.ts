// Owns what is asked about TLS before a host is dialed: the MTA-STS policy of its domain, once for an attempt, and its TLSA
// records where DNSSEC vouches for it. What follows from the answers is tls-policy.ts's.
// RFC 7672 sections 2.1.3, 2.2.1 and 2.2.2 (which lookups, and that their failure is not "none").

import { matchDane } from '../auth/dane.ts'
import type { TlsInfo } from '../base/connection.ts'
import type { MxHost, MxOrigin } from '../client/mx-result.ts'
import type { Resolver, TlsaRecord } from '../dns/resolver.ts'
import type { StsAnswer, StsPolicies } from './sts-policies.ts'
import type { DaneLookup } from './tls-policy.ts'

export interface TlsPoliciesOptions {
  readonly resolver: Resolver
  /** Absent: MTA-STS is off. */
  readonly sts?: StsPolicies
  /** Why there is no DANE now, in words; undefined: there is. */
  readonly daneOff: () => string | undefined
}

/** What MX resolution knew of a host. */
export type HostOrigin = Pick<MxHost, 'name' | 'secure' | 'target'> & { readonly mx?: MxOrigin | undefined }

export class TlsPolicies {
  readonly #options: TlsPoliciesOptions

  constructor(options: TlsPoliciesOptions) {
    this.#options = options
  }

  /** `domain`: A-labels. Rejects only with the reason of an aborted signal. */
  async domain(domain: string, signal: AbortSignal): Promise<StsAnswer | undefined> {
    return this.#options.sts?.policyFor(domain, signal)
  }

  /** No question is asked where MX or address are not secure. Rejects only with the reason of an aborted signal. */
  async dane(host: HostOrigin, port: number, signal: AbortSignal): Promise<DaneLookup> {
    const off = this.#options.daneOff()
    if (off !== undefined) return { kind: 'none', reason: off }
    if (host.mx?.secure !== true) return { kind: 'none', reason: 'MX not signed' }
    if (host.secure !== true) return { kind: 'none', reason: `address of ${host.name} not signed` }
    // RFC 7672 section 2.2.2: where secure CNAMEs lead first, then the name itself.
    const names = host.target === undefined ? [host.name] : [host.target, host.name]
    for (const name of names) {
      const base = `_${port}._tcp.${name}`
      const answer = await this.#options.resolver.tlsa(base, { signal })
      if (answer.kind === 'temporary')
        return { kind: 'temporary', reason: `TLSA of ${base}: ${answer.reason}` }
      if (answer.kind === 'records' && answer.secure)
        return { kind: 'records', records: answer.records, base }
    }
    return { kind: 'none', reason: `no secure TLSA records of ${host.name}` }
  }
}

export interface DaneJudgeOptions {
  readonly records: readonly TlsaRecord[]
  /** RFC 7672 section 3.2.2: the host, and the domain of the mail, each with where its CNAMEs led. */
  readonly names: readonly string[]
  readonly now: () => number
}

/** For a handshake: why the chain that was shown is not the one that DNS tells of. */
export function daneJudge({ records, names, now }: DaneJudgeOptions): (info: TlsInfo) => string | undefined {
  return (info) => {
    const chain = (info.certificates ?? []).map(({ der }) => der)
    const verdict = matchDane({ records, chain, names, nowMs: now() })
    return verdict.result === 'match' ? undefined : `DANE: ${verdict.reason}`
  }
}

/** The name to ask for and be judged by (RFC 7672 section 8.1): of '_25._tcp.mx.example.test' what is behind the port. */
export const tlsaHost = (base: string): string => base.split('.').slice(2).join('.')
