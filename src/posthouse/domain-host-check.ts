// Owns what is asked about the hosts that take and send a domain's mail: addresses, their names in reverse, TLSA records.
// RFC 5321 section 5.1, RFC 1912 section 2.1 (matching PTR), RFC 7672 sections 2.2.3 and 3.1.

import { tlsaRecordFor } from '../auth/dane.ts'
import { reverseName } from '../dns/name.ts'
import type { TlsaRecord } from '../dns/resolver.ts'
import type { DnsCheckItem } from '../http/routes-domain-dns-types.ts'
import { isPrivateAddress } from '../net/guarded-fetch.ts'
import { type Asking, finding, unanswered } from './domain-finding.ts'

/** Addresses of an MX host, and of our own their names. */
export async function checkHost(
  host: string,
  { facts, options, ask }: Asking,
): Promise<readonly DnsCheckItem[]> {
  const { resolver } = options
  const subject = `${host} A, AAAA`
  const [a, aaaa] = await Promise.all([
    ask<string>((to) => resolver.a(host, to)),
    ask<string>((to) => resolver.aaaa(host, to)),
  ])
  const addresses = [a, aaaa].flatMap((one) => (one.kind === 'records' ? one.records : []))
  const failed = [a, aaaa].find((one) => one.kind === 'failed')
  if (addresses.length === 0) {
    if (failed?.kind === 'failed') return [unanswered('host', subject, failed)]
    const advice = `publish the public address of this server as ${host}. IN A`
    return [
      finding('host', subject, 'bad', `${host} has no address: mail cannot come`, {
        code: 'host.none',
        data: { host },
        advice,
      }),
    ]
  }
  const found = addresses
  const closed = addresses.filter(isPrivateAddress)
  const first =
    closed.length === addresses.length
      ? finding('host', subject, 'warn', `only ${closed.join(', ')}: not to be reached from the internet`, {
          code: 'host.private',
          data: { addresses: closed.join(', ') },
          found,
        })
      : finding('host', subject, 'ok', addresses.join(', '), {
          code: 'host.ok',
          data: { addresses: addresses.join(', ') },
          found,
        })
  if (host !== facts.hostname) return [first]
  const reverse = await Promise.all(
    addresses.slice(0, 8).map((address) => checkReverse(address, host, { facts, options, ask })),
  )
  return [first, ...reverse]
}

async function checkReverse(address: string, host: string, { options, ask }: Asking): Promise<DnsCheckItem> {
  const subject = `${address} PTR`
  const answer = await ask<string>((to) => options.resolver.ptr(reverseName(address) ?? '', to))
  if (answer.kind === 'failed') return unanswered('reverse', subject, answer)
  const advice = `ask whoever gave you ${address} to set its name to ${host}`
  const found = answer.kind === 'none' ? [] : answer.records
  if (found.length === 0)
    return finding('reverse', subject, 'warn', 'the address has no name: many receivers refuse its mail', {
      code: 'reverse.none',
      data: { address, host },
      advice,
    })
  return found.some((name) => name.toLowerCase().replace(/\.$/, '') === host)
    ? finding('reverse', subject, 'ok', `its name is ${host}`, { code: 'reverse.ok', data: { host }, found })
    : finding('reverse', subject, 'warn', `its name is ${found[0]}, not ${host}`, {
        code: 'reverse.other',
        data: { name: found[0] ?? '', address, host },
        advice,
        found,
      })
}

/** Wrong TLSA records stop mail altogether: they are looked at whether we want some or not. */
export async function checkTlsa({ facts, options, ask }: Asking): Promise<readonly DnsCheckItem[]> {
  const { hostname, certificate, publish } = facts
  const name = `_25._tcp.${hostname}`
  const subject = `${name} TLSA`
  const answer = await ask<TlsaRecord>((to) => options.resolver.tlsa(name, to))
  if (answer.kind === 'failed') return publish.tlsa ? [unanswered('tlsa', subject, answer)] : []
  const ours = certificate === undefined ? undefined : tlsaRecordFor(certificate)
  const advice = ours === undefined ? undefined : `publish ${name}. IN TLSA ${ours.text}`
  if (answer.kind === 'none')
    return publish.tlsa
      ? [finding('tlsa', subject, 'bad', 'there is no TLSA record', { code: 'tlsa.none', advice })]
      : []
  const found = answer.records.map(
    ({ usage, selector, matchingType, data }) =>
      `${usage} ${selector} ${matchingType} ${Buffer.from(data).toString('hex')}`,
  )
  const isOurs = ours !== undefined && found.includes(ours.text)
  if (!answer.secure)
    return [
      finding(
        'tlsa',
        subject,
        'warn',
        'they are not signed by DNSSEC, or our resolver does not look: nobody believes them',
        {
          code: 'tlsa.unsigned',
          advice: 'sign the zone, or remove them',
          found,
        },
      ),
    ]
  if (isOurs)
    return [finding('tlsa', subject, 'ok', 'the key of our certificate, signed', { code: 'tlsa.ok', found })]
  // Others than 3 1 1 may be right (an authority's key, another matching type): whoever made them has to know.
  return [
    finding(
      'tlsa',
      subject,
      'bad',
      'none of them is 3 1 1 of our certificate: who knows DANE may send nothing',
      {
        code: 'tlsa.other',
        advice,
        found,
      },
    ),
  ]
}
