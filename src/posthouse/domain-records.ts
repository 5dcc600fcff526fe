// Owns the records that a domain of ours should have in DNS, as data, as the lines of a zone file, and the text of its
// MTA-STS policy. Pure: it asks nobody. RFC 5321 section 5, 7208, 6376, 9989, 8461, 8460, 7672, 6186 and 8314, 1035 section 5.

import { createHash } from 'node:crypto'
import { tlsaRecordFor } from '../auth/dane.ts'
import { txtStrings } from '../auth/dkim-keys.ts'
import type { DnsPurpose, DnsRecordItem } from '../http/routes-domain-dns-types.ts'
import type { PublishConfig } from './config-dkim.ts'
import type { DkimKeyView } from './dkim-key-forms.ts'

export interface DomainFacts {
  readonly domain: string
  /** The server's own name. */
  readonly hostname: string
  readonly publish: PublishConfig
  /** https, where reports of TLS can be posted besides; undefined: they come by mail. */
  readonly reportsUrl?: string | undefined
  readonly keys: readonly DkimKeyView[]
  /** PEM, what our listeners show; undefined: no TLSA record can be told. */
  readonly certificate: string | undefined
  /** TLSA record of the key that the certificate has next; it has to stand before that key is used (RFC 7671 section 8.1). */
  readonly nextTlsa?: string | undefined
  /** An authority renews the certificate with a new key each time. */
  readonly keyChanges?: boolean
  /** Ports for mail programs; undefined: not offered. */
  readonly submissionsPort: number | undefined
  readonly submissionPort: number | undefined
}

/** Hosts that take its mail, best first. */
export const mxHosts = ({
  publish,
  hostname,
}: Pick<DomainFacts, 'publish' | 'hostname'>): readonly string[] =>
  publish.mx.length > 0 ? publish.mx : [hostname]

/** In the order in which a person would set them up. */
export function recordsOf(facts: DomainFacts): readonly DnsRecordItem[] {
  const { domain, hostname, publish } = facts
  const hosts = mxHosts(facts)
  const records: DnsRecordItem[] = [
    ...hosts.map((host, index) =>
      record('mx', domain, 'MX', `${(index + 1) * 10} ${host}`, 'Where mail for the domain goes.', true),
    ),
    txt('spf', domain, spfText(publish), 'Who sends mail of the domain.', true),
  ]
  // RFC 7208 section 2.4: reports have a null reverse-path and are judged by the name in EHLO.
  if (hostname !== domain && isBelow(hostname, domain))
    records.push(
      txt('spf', hostname, 'v=spf1 a -all', 'Who sends mail of the server itself, reports above all.', false),
    )
  for (const key of facts.keys) {
    if (key.state === 'retired') continue
    const { name, text, zoneLine } = key.record
    const note =
      key.state === 'active'
        ? 'The key that signs now.'
        : 'The key that signs next, once this is seen in DNS.'
    records.push({ purpose: 'dkim', name, type: 'TXT', value: text, zoneLine, note, required: true })
  }
  records.push(
    txt(
      'dmarc',
      `_dmarc.${domain}`,
      dmarcText(facts),
      'What others shall do with forged mail, and where they report.',
      true,
    ),
    ...reportPermission(facts),
  )
  if (publish.mtaSts !== 'none') {
    const policy = `_mta-sts.${domain}`
    records.push(
      txt(
        'mta-sts',
        policy,
        `v=STSv1; id=${stsPolicyId(facts)}`,
        'That there is a policy: mail comes by TLS only.',
        false,
      ),
      record(
        'mta-sts',
        `mta-sts.${domain}`,
        'CNAME',
        hostname,
        'The host that serves the policy over HTTPS.',
        false,
      ),
    )
  }
  records.push(
    txt(
      'tls-rpt',
      `_smtp._tls.${domain}`,
      `v=TLSRPTv1; rua=mailto:${reportsTo(facts)}${facts.reportsUrl === undefined ? '' : `,${facts.reportsUrl}`}`,
      'Where others report TLS that failed.',
      false,
    ),
  )
  if (publish.tlsa && facts.certificate !== undefined) {
    const { text } = tlsaRecordFor(facts.certificate)
    records.push(
      record(
        'tlsa',
        `_25._tcp.${hostname}`,
        'TLSA',
        text,
        facts.keyChanges === true
          ? 'The key of our certificate; only in a zone signed by DNSSEC. Write publish: { tlsa: true } first, or the next certificate has another key.'
          : 'The key of our certificate, which stays when it is renewed; only in a zone signed by DNSSEC.',
        false,
      ),
    )
    if (facts.nextTlsa !== undefined)
      records.push(
        record(
          'tlsa',
          `_25._tcp.${hostname}`,
          'TLSA',
          facts.nextTlsa,
          'The key that our certificate has next: beside the one of now, which stays until then.',
          false,
        ),
      )
  }
  // RFC 8314 section 5.1: TLS from the first byte is preferred.
  const services = [
    ['_submissions._tcp', 0, facts.submissionsPort],
    ['_submission._tcp', 10, facts.submissionPort],
  ] as const
  for (const [service, priority, port] of services) {
    if (port === undefined) continue
    const value = `${priority} 1 ${port} ${hostname}`
    records.push(
      record('srv', `${service}.${domain}`, 'SRV', value, 'Mail programs find the server by it.', false),
    )
  }
  return records
}

/** RFC 1035 section 5.1. */
export function zoneFile(domain: string, records: readonly DnsRecordItem[]): string {
  const lines = records.map(({ zoneLine }) => zoneLine)
  return [`; ${domain}: to be put into its zone`, '$TTL 3600', ...lines, ''].join('\n')
}

export const spfText = ({ spf }: Pick<PublishConfig, 'spf'>): string => spf ?? 'v=spf1 mx -all'

const dmarcText = (facts: DomainFacts): string =>
  `v=DMARC1; p=${facts.publish.dmarc}; rua=mailto:${reportsTo(facts)}`

export const reportsTo = ({ publish, domain }: Pick<DomainFacts, 'publish' | 'domain'>): string =>
  publish.reportsTo.includes('@') ? publish.reportsTo : `${publish.reportsTo}@${domain}`

/** RFC 9990 section 4: who gets reports about another domain has to say that he wants them. */
function reportPermission(facts: DomainFacts): readonly DnsRecordItem[] {
  const { domain } = facts
  const address = reportsTo(facts)
  const other = address.slice(address.lastIndexOf('@') + 1).toLowerCase()
  if (other === domain || isBelow(domain, other) || isBelow(other, domain)) return []
  const name = `${domain}._report._dmarc.${other}`
  return [
    txt('dmarc', name, 'v=DMARC1', `In the zone of ${other}: that it wants reports about ${domain}.`, false),
  ]
}

/** The policy file, RFC 8461 section 3.2. undefined: the configuration has none. */
export function stsPolicyText(facts: Pick<DomainFacts, 'publish' | 'hostname'>): string | undefined {
  const { mtaSts, mtaStsMaxAgeMs } = facts.publish
  if (mtaSts === 'none') return undefined
  const lines = ['version: STSv1', `mode: ${mtaSts}`, ...mxHosts(facts).map((host) => `mx: ${host}`)]
  return [...lines, `max_age: ${Math.floor(mtaStsMaxAgeMs / 1000)}`, ''].join('\r\n')
}

/** Changes when the policy does (RFC 8461 section 3.1: 1 to 32 letters and digits). */
export const stsPolicyId = (facts: Pick<DomainFacts, 'publish' | 'hostname'>): string =>
  createHash('sha256')
    .update(stsPolicyText(facts) ?? '')
    .digest('hex')
    .slice(0, 20)

export const isBelow = (name: string, parent: string): boolean => name.endsWith(`.${parent}`)

function record(
  purpose: DnsPurpose,
  name: string,
  type: DnsRecordItem['type'],
  value: string,
  note: string,
  required: boolean,
): DnsRecordItem {
  // A name at the end of the data is whole: without its dot it would be one below the zone.
  const data = type === 'TLSA' ? value : `${value}.`
  return { purpose, name, type, value, zoneLine: `${name}. IN ${type} ${data}`, note, required }
}

function txt(
  purpose: DnsPurpose,
  name: string,
  text: string,
  note: string,
  required: boolean,
): DnsRecordItem {
  // RFC 1035 section 5.1: in quotes, with a backslash before what would end them.
  const strings = txtStrings(text).map((one) => `"${one.replace(/[\\"]/g, '\\$&')}"`)
  const quoted = strings.join(' ')
  const zoneLine = `${name}. IN TXT ${strings.length > 1 ? `( ${quoted} )` : quoted}`
  return { purpose, name, type: 'TXT', value: text, zoneLine, note, required }
}
