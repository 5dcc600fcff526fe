// Owns which certificates we want of an authority: one for the host and what the configuration names besides, and one for
// each policy host of our domains, so that a domain whose DNS is not ready holds up no other. RFC 8461 section 3.3.

import type { Resolver } from '../dns/resolver.ts'
import { covers } from './certificates.ts'
import type { Config } from './config.ts'

export interface Wanted {
  /** The first name. */
  readonly id: string
  readonly names: readonly string[]
}

export interface WantedOptions {
  readonly config: Pick<Config, 'hostname' | 'acme' | 'listeners' | 'publish'>
  /** Ours, A-labels. */
  readonly domains: readonly string[]
  readonly hasFileFor: (name: string) => boolean
}

/** RFC 8555 section 7.1.3 names no limit; authorities take 100. */
const namesMax = 100

export function wantedCertificates({ config, domains, hasFileFor }: WantedOptions): readonly Wanted[] {
  const { acme, hostname, listeners, publish } = config
  if (acme === undefined) return []
  const own = [...new Set([hostname, ...acme.names])]
    .filter((name) => isPublicName(name) && !hasFileFor(name))
    .slice(0, namesMax)
  const [first] = own
  const wanted: Wanted[] = first === undefined ? [] : [{ id: first, names: own }]
  // Without HTTPS of ours another server speaks for these names.
  if (listeners.https === undefined || publish.mtaSts === 'none') return wanted
  for (const domain of domains) {
    const name = `mta-sts.${domain}`
    if (isPublicName(name) && !covers(own, name) && !hasFileFor(name))
      wanted.push({ id: name, names: [name] })
  }
  return wanted
}

/** What an authority could know: of more than one label, no address, none of the names that are for one machine. */
export const isPublicName = (name: string): boolean =>
  name.includes('.') &&
  !/[[\]:]|^[\d.]+$|(?:^|\.)(?:localhost|local|localdomain|internal)$/.test(name) &&
  !/\.localhost$/.test(name)

/**
 * Why an order would fail for certain and only cost a try: a name without an address cannot be looked at. undefined:
 * nothing is known against it.
 */
export async function whyNotYet(
  { names }: Wanted,
  challenge: 'http-01' | 'dns-01',
  resolver: Pick<Resolver, 'a' | 'aaaa'>,
  hostname: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (challenge === 'dns-01') return undefined
  for (const name of names) {
    const answers = await Promise.all([resolver.a(name, { signal }), resolver.aaaa(name, { signal })])
    if (answers.some(({ kind }) => kind === 'records')) continue
    const failed = answers.find((answer) => answer.kind === 'temporary')
    if (failed?.kind === 'temporary') return `DNS did not answer for ${name}: ${failed.reason}`
    const record =
      name === hostname
        ? `${name}. IN A <the public address of this server>`
        : `${name}. IN CNAME ${hostname}.`
    return `${name} has no address: publish ${record}`
  }
  return undefined
}
