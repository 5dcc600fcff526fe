// Owns what operators ask about domains: adding one with its keys, the records to publish, the comparison with DNS, the
// change of keys, and the MTA-STS policy that we serve for it. RFC 8461 section 3.3.

import type { Clock } from '../base/clock.ts'
import { tryParseDomain } from '../base/domain.ts'
import type { Resolver } from '../dns/resolver.ts'
import type { Domains } from '../http/api-parts.ts'
import { ControlError } from '../http/control-api.ts'
import {
  type DkimChange,
  type DkimKeyItem,
  type DnsCheckItem,
  type DnsState,
  type DomainDns,
  type DomainDnsView,
  type DomainRow,
  dnsStates,
} from '../http/routes-domain-dns-types.ts'
import type { Config } from './config.ts'
import type { DkimKeyView } from './dkim-key-forms.ts'
import type { DkimKeyring } from './dkim-keyring.ts'
import type { DkimRotation } from './dkim-rotation.ts'
import { checkDomain } from './domain-check.ts'
import type { DomainCheckOptions } from './domain-finding.ts'
import { type DomainFacts, recordsOf, stsPolicyText, zoneFile } from './domain-records.ts'

export interface DomainDnsOptions {
  readonly config: Config
  readonly clock: Clock
  readonly domains: Domains
  readonly keys: DkimKeyring
  readonly rotation: DkimRotation
  readonly isOurs: (domain: string) => boolean
  /** A resolver that remembers nothing from before. */
  readonly resolver: () => Resolver
  readonly fetchText: DomainCheckOptions['fetchText']
  /** PEM of what our listeners show. */
  readonly certificate: () => Promise<string | undefined>
  readonly nextTlsa?: () => string | undefined
}

export function createDomainDns(options: DomainDnsOptions): DomainDns {
  return new DomainDnsService(options)
}

class DomainDnsService implements DomainDns {
  readonly #options: DomainDnsOptions

  constructor(options: DomainDnsOptions) {
    this.#options = options
  }

  async list(): Promise<readonly DomainRow[]> {
    const { domains, keys } = this.#options
    const items = await domains.list()
    return items.map((item) => ({
      ...item,
      signs: keys.signerFor(item.name) !== undefined,
      nextCount: keys.list(item.name).filter(({ state }) => state === 'next').length,
    }))
  }

  async add(given: string): Promise<DomainDnsView> {
    const { domains, keys, isOurs } = this.#options
    const name = readName(given)
    if (!isOurs(name)) await domains.put({ name, aliases: [] })
    const hasKeys = keys.isConfigured(name) || keys.list(name).some(({ state }) => state !== 'retired')
    if (!hasKeys) await keys.create(name)
    return this.view(name, { check: false, tlsa: false })
  }

  async remove(given: string): Promise<void> {
    await this.#options.domains.remove(readName(given))
  }

  async view(
    given: string,
    { check, tlsa }: { readonly check: boolean; readonly tlsa: boolean },
  ): Promise<DomainDnsView> {
    const name = this.#ours(given)
    const { keys, clock } = this.#options
    const facts = await this.#facts(name, tlsa)
    const records = recordsOf(facts)
    const view: DomainDnsView = {
      domain: name,
      records,
      zone: zoneFile(name, records),
      keys: keys.list(name).map((key) => this.#item(key)),
      keyProblems: keys.problems(name).map(({ selector, reason }) => `key ${selector}: ${reason}`),
    }
    if (!check) return view
    const checks = await checkDomain(facts, this.#checkOptions(name))
    return { ...view, checks, counts: countStates(checks), checkedAt: clock.now() }
  }

  async keys(given: string | undefined): Promise<readonly DkimKeyItem[]> {
    const { keys } = this.#options
    const name = given === undefined ? undefined : readName(given)
    return keys.list(name).map((key) => this.#item(key))
  }

  async rotate(given: string): Promise<DkimChange> {
    const name = this.#ours(given)
    const made = await this.#options.keys.create(name)
    const todo = made.map(({ record }) => `publish ${record.zoneLine}`)
    return this.#change(name, [...todo, `then: posthouse dkim activate ${name}`])
  }

  async activate(given: string, force: boolean): Promise<DkimChange> {
    const name = this.#ours(given)
    const all = await this.#options.rotation.activate(name, force)
    const kept = all.flatMap((key) => {
      const { keepUntil, recordName } = this.#item(key)
      if (key.state !== 'retired' || keepUntil === undefined) return []
      return [
        `leave ${recordName} in DNS until ${new Date(keepUntil).toISOString().slice(0, 10)}, then remove it`,
      ]
    })
    return this.#change(name, kept)
  }

  async retire(given: string, selector: string): Promise<DkimChange> {
    const name = this.#ours(given)
    const { record } = await this.#options.keys.retire(name, selector)
    const todo = [
      `remove ${record.name} from DNS when the mail that it signed has arrived`,
      `if the key was stolen, publish now: ${record.name}. IN TXT "v=DKIM1; p="`,
    ]
    if (this.#options.keys.signerFor(name) === undefined)
      todo.push(`nothing signs for ${name} now: posthouse dkim rotate ${name}`)
    return this.#change(name, todo)
  }

  #change(name: string, todo: readonly string[]): DkimChange {
    return { domain: name, keys: this.#options.keys.list(name).map((key) => this.#item(key)), todo }
  }

  /** @throws ControlError 'not-found' */
  #ours(given: string): string {
    const name = readName(given)
    if (!this.#options.isOurs(name)) throw new ControlError('not-found', `${name} is not one of our domains`)
    return name
  }

  #item({ record, ...key }: DkimKeyView): DkimKeyItem {
    const { retireAfterMs, rotateEveryMs } = this.#options.config.dkim
    const rotates = rotateEveryMs !== undefined && key.state === 'active' && key.source === 'store'
    return {
      ...key,
      ...(rotates && key.activatedAt !== undefined && { rotateAt: key.activatedAt + rotateEveryMs }),
      ...(key.retiredAt !== undefined && { keepUntil: key.retiredAt + retireAfterMs }),
      recordName: record.name,
      recordText: record.text,
      zoneLine: record.zoneLine,
    }
  }

  async #facts(domain: string, tlsa: boolean): Promise<DomainFacts> {
    const { config, keys } = this.#options
    const { hostname, listeners } = config
    return {
      domain,
      hostname,
      publish: tlsa ? { ...config.publish, tlsa: true } : config.publish,
      reportsUrl: config.reports.url,
      keys: keys.list(domain),
      certificate: await this.#options.certificate(),
      nextTlsa: this.#options.nextTlsa?.(),
      keyChanges: config.acme !== undefined && !config.publish.tlsa,
      submissionsPort: publicPort(listeners.submissions?.addresses[0]?.port, 2465, 465),
      submissionPort: publicPort(listeners.submission?.addresses[0]?.port, 2587, 587),
    }
  }

  #checkOptions(domain: string): DomainCheckOptions {
    const { config, clock, keys, resolver, fetchText } = this.#options
    const route = config.delivery.routes['*']
    return {
      clock,
      resolver: resolver(),
      fetchText,
      sourceAddress: config.relay.sourceAddress,
      smartHost: route?.kind === 'smtp' ? route.host : undefined,
      retireAfterMs: config.dkim.retireAfterMs,
      keyProblems: keys.problems(domain),
    }
  }
}

/** Ports without root are reached through those that mail programs know; another was chosen on purpose. */
const publicPort = (port: number | undefined, ours: number, known: number): number | undefined =>
  port === ours || port === 0 ? known : port

function countStates(checks: readonly DnsCheckItem[]): { readonly [state in DnsState]: number } {
  const counts = { ok: 0, warn: 0, bad: 0, unknown: 0 }
  for (const state of dnsStates) counts[state] = checks.filter((one) => one.state === state).length
  return counts
}

function readName(given: string): string {
  const domain = tryParseDomain(given.replace(/\.$/, ''))
  if (domain === undefined || domain.ascii.startsWith('['))
    throw new ControlError('invalid', `'${given.slice(0, 100)}' is not a domain`)
  return domain.ascii
}

/** What `mta-sts.<one of our domains>` answers; undefined: no such policy. */
export function stsPolicyFor(
  host: string,
  { config, isOurs }: Pick<DomainDnsOptions, 'config' | 'isOurs'>,
): string | undefined {
  const name = /^mta-sts\.([^:]+?)\.?(?::\d{1,5})?$/.exec(host.toLowerCase())?.[1]
  if (name === undefined || !isOurs(name)) return undefined
  return stsPolicyText({ publish: config.publish, hostname: config.hostname })
}
