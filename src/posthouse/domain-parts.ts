// Owns the wiring of what concerns our domains in DNS: the service that operators ask, the change of keys by schedule, and
// the policy file. Opens nothing; files and URLs are read when somebody asks.

import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Resolver } from '../dns/resolver.ts'
import type { Domains } from '../http/api-parts.ts'
import type { StsPolicySource } from '../http/routes-domain-dns-sts.ts'
import type { DomainDns } from '../http/routes-domain-dns-types.ts'
import { guardedFetch } from '../net/guarded-fetch.ts'
import type { Config } from './config.ts'
import type { DkimKeyring } from './dkim-keyring.ts'
import { DkimRotation } from './dkim-rotation.ts'
import { createDomainDns, stsPolicyFor } from './domain-dns.ts'

export interface DomainPartsOptions {
  readonly config: Config
  readonly clock: Clock
  readonly log: Log
  readonly keys: DkimKeyring
  readonly domains: Domains
  readonly isOurs: (domain: string) => boolean
  /** A resolver that remembers nothing from before. */
  readonly resolver: () => Resolver
  /** PEM of what our listeners show; undefined: TLS is off. */
  readonly certificate: () => string | undefined
  /** TLSA record of the key that comes next; undefined: none is announced. */
  readonly nextTlsa?: () => string | undefined
}

export interface DomainParts {
  readonly domainDns: DomainDns
  readonly rotation: DkimRotation
  readonly stsPolicy: StsPolicySource
}

export function createDomainParts(options: DomainPartsOptions): DomainParts {
  const { config } = options
  const rotation = new DkimRotation(options)
  const domainDns = createDomainDns({
    ...options,
    rotation,
    fetchText: (url, signal) => fetchText(url, signal, config.api.allowPrivateUrls),
    certificate: async () => options.certificate(),
  })
  return { domainDns, rotation, stsPolicy: (host) => stsPolicyFor(host, options) }
}

const policyBytesMax = 64 * 1024

async function fetchText(url: string, signal: AbortSignal, allowPrivate: boolean): Promise<string> {
  // RFC 8461 section 3.3: redirects are not followed.
  const body = await guardedFetch(url, { bytesMax: policyBytesMax, redirectsMax: 0, allowPrivate, signal })
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}
