// Owns where DMARC aggregate reports about a domain go: the rua of its record, and for those who are not of the domain's own
// organisation whether they agreed to get them. Without an agreement nothing is sent: else anybody could have a flood of
// reports sent to anybody. RFC 9990 sections 3.5 and 4.

import { type DmarcReportUri, reportAgreement, selectDmarcRecord } from '../auth/dmarc-record.ts'
import type { AuthResolver } from '../auth/node-resolver.ts'
import { organizationalDomain } from '../auth/organizational-domain.ts'
import type { ReportDestination, ReportDestinations } from './report-kinds.ts'

/** RFC 9990 section 3.5: a limit on URIs is the receiver's to set. */
const destinationsMax = 5
/** Of one record: each foreign one costs DNS questions. */
const urisJudgedMax = 10

/** Limits of a URI are of the encoded report: base64 makes 78 octets of 57. */
const unencoded = (bytes: number): number => Math.floor(bytes / (78 / 57))

type Answer =
  | { readonly kind: 'use'; readonly uris: readonly DmarcReportUri[] }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'temporary'; readonly reason: string }

/** `domain` is where the record stands, in A-labels. Rejects only with the reason of an aborted signal. */
export async function dmarcDestinations(
  domain: string,
  resolver: Pick<AuthResolver, 'txt'>,
  signal?: AbortSignal,
): Promise<ReportDestinations> {
  const answer = await resolver.txt(`_dmarc.${domain}`, signal && { signal })
  if (answer.kind === 'temporary') return { kind: 'temporary', reason: answer.reason }
  const record = answer.kind === 'records' ? selectDmarcRecord(answer.records) : undefined
  if (record === undefined) return { kind: 'none', reason: 'no DMARC record any more' }
  if (record.rua.length === 0) return { kind: 'none', reason: 'its record asks for no reports' }
  const to = new Map<string, ReportDestination>()
  const refused: { readonly uri: string; readonly reason: string }[] = []
  let waitsFor: string | undefined
  let ours: Promise<string | undefined> | undefined
  const own = (): Promise<string | undefined> => (ours ??= organizationalDomain(domain, resolver, signal))
  for (const [index, uri] of record.rua.entries()) {
    const said =
      index < urisJudgedMax
        ? await judge({ domain, own, resolver, signal }, uri)
        : ({ kind: 'refused', reason: `behind the first ${urisJudgedMax}` } as const)
    if (said.kind === 'refused') refused.push({ uri: uri.uri, reason: said.reason })
    else if (said.kind === 'temporary') {
      waitsFor ??= said.reason
      refused.push({ uri: uri.uri, reason: `whether it agreed cannot be known: ${said.reason}` })
    } else
      for (const { uri: found, address = '', bytesMax } of said.uris) {
        if (to.has(address)) continue
        if (to.size >= destinationsMax)
          refused.push({ uri: found, reason: `more than ${destinationsMax} addresses` })
        else to.set(address, { uri: found, ...(bytesMax !== undefined && { bytesMax: unencoded(bytesMax) }) })
      }
  }
  if (to.size > 0) return { kind: 'to', to: [...to.values()], refused }
  // RFC 9990 section 4 step 5: it may be asked again later; those that are known do not wait for it.
  if (waitsFor !== undefined) return { kind: 'temporary', reason: waitsFor }
  const [first] = refused
  return { kind: 'none', reason: first === undefined ? 'no address' : `${first.uri}: ${first.reason}` }
}

interface Asked {
  readonly domain: string
  /** Its organisation's; undefined: not known now. */
  readonly own: () => Promise<string | undefined>
  readonly resolver: Pick<AuthResolver, 'txt'>
  readonly signal: AbortSignal | undefined
}

async function judge({ domain, own: ours, resolver, signal }: Asked, uri: DmarcReportUri): Promise<Answer> {
  const { host } = uri
  if (host === undefined)
    return { kind: 'refused', reason: /^mailto:/i.test(uri.uri) ? 'no mail address' : 'not a mailto: URI' }
  if (host === domain) return { kind: 'use', uris: [uri] }
  const [own, other] = await Promise.all([ours(), organizationalDomain(host, resolver, signal)])
  if (own === undefined || other === undefined)
    return { kind: 'temporary', reason: 'DNS does not say whose domain it is' }
  if (own === other) return { kind: 'use', uris: [uri] }
  // RFC 9990 section 4, steps 2 to 9.
  const name = `${domain}._report._dmarc.${host}`
  if (name.length > 253)
    return { kind: 'refused', reason: 'its name is too long to be asked whether it agreed' }
  const answer = await resolver.txt(name, signal && { signal })
  if (answer.kind === 'temporary') return { kind: 'temporary', reason: answer.reason }
  const instead = answer.kind === 'records' ? reportAgreement(answer.records) : undefined
  if (instead === undefined) return { kind: 'refused', reason: `no agreement at ${name}` }
  if (instead.length === 0) return { kind: 'use', uris: [uri] }
  if (instead.some((one) => one.host !== host))
    return { kind: 'refused', reason: `its agreement at ${name} names another host` }
  return { kind: 'use', uris: instead }
}
