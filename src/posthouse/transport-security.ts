// Owns what the relay knows of TLS before it dials, as part of the running server: whether the resolver's word on DNSSEC
// counts, the kept MTA-STS policies and their renewal. Decisions are relay/tls-policy.ts's.
// RFC 7672 section 2.1.1 (a resolver that validates), RFC 8461 section 5.1.

import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Lookup } from '../dns/lookup.ts'
import type { Resolver } from '../dns/resolver.ts'
import { checkValidation, type Validation } from '../dns/validation.ts'
import { type PolicyFetch, StsPolicies, type StsPolicyStore } from '../relay/sts-policies.ts'
import { TlsPolicies } from '../relay/tls-policies.ts'
import type { Documents } from '../store/mail-view.ts'

export interface TransportSecurityOptions {
  readonly clock: Clock
  readonly log: Log
  readonly resolver: Resolver
  /** Asked whether it validates; undefined: its word counts. */
  readonly lookup: Lookup | undefined
  readonly dane: boolean
  readonly mtaSts: boolean
  readonly fetch: PolicyFetch
  /** Absent: policies live as long as the process. */
  readonly documents: Documents | undefined
}

export class TransportSecurity {
  readonly policies: TlsPolicies
  readonly #options: TransportSecurityOptions
  readonly #sts: StsPolicies | undefined
  readonly #stop = new AbortController()
  #validation: Validation | undefined

  constructor(options: TransportSecurityOptions) {
    const { clock, log, resolver, fetch, documents } = options
    this.#options = options
    const store = documents === undefined ? {} : { store: storeOf(documents, clock) }
    this.#sts = options.mtaSts ? new StsPolicies({ clock, log, resolver, fetch, ...store }) : undefined
    this.policies = new TlsPolicies({
      resolver,
      daneOff: () => this.daneOff,
      ...(this.#sts !== undefined && { sts: this.#sts }),
    })
  }

  /** Why there is no DANE, in words; undefined: there is, or it is not known yet and each answer's AD bit decides. */
  get daneOff(): string | undefined {
    if (!this.#options.dane) return 'DANE is switched off'
    const known = this.#validation
    return known?.kind === 'ignores' || known?.kind === 'echoes'
      ? `DANE is off, the resolver does not validate: ${known.reason}`
      : undefined
  }

  /** A warning when the answer is another than before. */
  async checkResolver(): Promise<void> {
    const { lookup, log, dane } = this.#options
    if (lookup === undefined || !dane) return
    const before = this.#validation
    const found = await checkValidation(lookup, this.#stop.signal)
    // What was known stays known while the resolver cannot be asked.
    if (found.kind !== 'unknown' || before === undefined) this.#validation = found
    if (before?.kind === found.kind) return
    if (found.kind === 'validates') log.info({}, 'the resolver validates DNSSEC, DANE is on')
    else if (found.kind === 'unknown')
      log.warn({ reason: found.reason }, 'cannot ask the resolver whether it validates DNSSEC')
    else log.warn({ reason: found.reason }, 'the resolver does not validate DNSSEC, DANE is off')
  }

  async renew(): Promise<void> {
    await this.#sts?.renewDue()
  }

  close(): void {
    this.#stop.abort(new Error('stopped'))
    this.#sts?.close()
  }
}

const kind = 'mta-sts'

function storeOf(documents: Documents, clock: Clock): StsPolicyStore {
  return {
    get: async (domain) => (await documents.documentGet(kind, domain))?.data,
    put: async (domain, entry) => {
      const { expiresAt } = entry
      await documents.documentPut({ kind, key: domain, data: entry, updatedAt: clock.now(), expiresAt })
    },
    list: async (limit, after) =>
      (await documents.documentList(kind, limit, after)).map(({ key, data }) => ({ domain: key, data })),
  }
}
