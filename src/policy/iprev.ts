// Owns the reverse DNS of a client: its name, and whether that name leads back to it. RFC 8601 section 3, bounded in
// names and questions. Never rejects.

import { canonicalIp } from '../base/ip.ts'
import { reverseName } from '../dns/name.ts'
import type { Resolver } from '../dns/resolver.ts'
import type { CheckVerdict } from './inbound-verdict.ts'

/** RFC 8601 section 2.7.3. */
export type IprevWord = 'pass' | 'fail' | 'temperror' | 'permerror'

export interface IprevReport {
  readonly result: IprevWord
  /** The name that leads back; else the first one that does not; '' where there is none. */
  readonly name: string
  readonly reason: string
}

/** Names looked at; one is usual, and each costs a question. */
const namesMax = 5

export async function checkIprev(
  address: string,
  { resolver, signal }: { readonly resolver: Resolver; readonly signal?: AbortSignal },
): Promise<IprevReport> {
  const ip = canonicalIp(address)
  const question = ip === undefined ? undefined : reverseName(ip)
  if (ip === undefined || question === undefined)
    return { result: 'permerror', name: '', reason: 'the client has no address' }
  const options = signal === undefined ? {} : { signal }
  try {
    const names = await resolver.ptr(question, options)
    if (names.kind === 'temporary') return { result: 'temperror', name: '', reason: names.reason }
    // RFC 8601 section 3: no PTR record is permerror; names that do not lead back are fail.
    if (names.kind === 'none') return { result: 'permerror', name: '', reason: 'no PTR record' }
    const asked = names.records.slice(0, namesMax)
    const answers = await Promise.all(
      asked.map((name) => (ip.includes(':') ? resolver.aaaa(name, options) : resolver.a(name, options))),
    )
    const index = answers.findIndex(
      (answer) => answer.kind === 'records' && answer.records.some((one) => canonicalIp(one) === ip),
    )
    const found = asked[index]
    if (found !== undefined) return { result: 'pass', name: found, reason: '' }
    const first = asked[0] ?? ''
    const failed = answers.find((answer) => answer.kind === 'temporary')
    if (failed?.kind === 'temporary') return { result: 'temperror', name: first, reason: failed.reason }
    return { result: 'fail', name: first, reason: `${first} does not lead back to ${ip}` }
  } catch {
    return { result: 'temperror', name: '', reason: 'no answer in time' }
  }
}

export const iprevVerdict = ({ result, name, reason }: IprevReport, address: string): CheckVerdict => ({
  check: 'iprev',
  result,
  reason,
  data: { address, ...(name !== '' && { name }) },
})
