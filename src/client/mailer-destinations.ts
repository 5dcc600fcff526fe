// Owns where a mailer's mail goes: its one host, or the hosts of each domain, found as the options say. It opens nothing.
// RFC 5321 section 5.1.

import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { Resolver } from '../dns/resolver.ts'
import { lookupSystem } from '../net/system-lookup.ts'
import type { MailerSettings } from './mailer-options.ts'
import { resolveHost, resolveRoute } from './mx.ts'
import type { MxResult } from './mx-result.ts'
import type { Destination } from './session-opener.ts'

export class MailerDestinations {
  /** Of smtp and lmtp. */
  readonly host: Destination | undefined
  readonly #settings: MailerSettings
  readonly #clock: Clock
  readonly #random: Random
  #resolver: Resolver | undefined
  #making: Promise<Resolver> | undefined

  constructor(settings: MailerSettings, clock: Clock, random: Random) {
    this.#settings = settings
    this.#clock = clock
    this.#random = random
    this.#resolver = settings.options.world?.resolver
    const { kind, host } = settings
    this.host =
      kind === 'smtp' || kind === 'lmtp'
        ? this.#destination('host', (signal) => this.#findHost(host, signal))
        : undefined
  }

  /** RFC 5321 section 5.1: each domain has hosts of its own. */
  ofDomain(domain: string): Destination {
    return this.#destination(`mx:${domain}`, async (signal) => {
      const resolver = this.#resolver ?? (await this.#dns())
      return resolveRoute(domain, { resolver, random: this.#random, signal })
    })
  }

  #destination(key: string, hosts: Destination['hosts']): Destination {
    const { kind, port, implicitTls, tls, options } = this.#settings
    const protocol = kind === 'lmtp' ? 'lmtp' : 'smtp'
    return { key, protocol, port, implicitTls, tls, servername: options.servername, hosts }
  }

  async #findHost(host: string, signal: AbortSignal): Promise<MxResult> {
    const one = (address: string): MxResult => ({
      kind: 'hosts',
      hosts: [
        {
          name: host.startsWith('/') ? 'localhost' : host,
          preference: 0,
          addresses: [{ address, family: 4 }],
        },
      ],
    })
    // A proxy resolves names itself; a socket's path has no address.
    if (host.startsWith('/') || this.#settings.proxy !== undefined) return one(host)
    if (this.#resolver !== undefined || this.#settings.options.dnsServers !== undefined) {
      const resolver = this.#resolver ?? (await this.#dns())
      return resolveHost(host, { resolver, random: this.#random, signal })
    }
    const found = await lookupSystem(host, signal)
    switch (found.kind) {
      case 'found':
        return { kind: 'hosts', hosts: [{ name: host, preference: 0, addresses: found.addresses }] }
      case 'none':
        return { kind: 'noSuchDomain', reason: found.reason }
      case 'temporary':
        return found
    }
  }

  /** One for the mailer. Its code is loaded when it is first needed: mail to one server asks the system. */
  #dns(): Promise<Resolver> {
    this.#making ??= this.#makeResolver()
    return this.#making
  }

  async #makeResolver(): Promise<Resolver> {
    const [{ createCachingResolver }, { createDnsClient }] = await Promise.all([
      import('../dns/cache.ts'),
      import('../net/dns-client.ts'),
    ])
    const servers = this.#settings.options.dnsServers
    const clock = this.#clock
    const lookup = createDnsClient({
      clock,
      random: this.#random,
      ...(servers !== undefined && { servers }),
    })
    this.#resolver = createCachingResolver({ lookup, clock })
    return this.#resolver
  }
}
