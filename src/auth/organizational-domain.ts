// Owns which domain stands above another for DMARC, found by walking up the tree of names: whether two names belong to one
// organisation. The verdict walks by itself (dmarc.ts); this is for those who ask about two domains alone.
// RFC 9989 sections 4.10 and 4.10.2.

import { canonicalName } from '../dns/name.ts'
import { type DmarcRecord, selectDmarcRecord } from './dmarc-record.ts'
import type { AuthResolver } from './node-resolver.ts'

/** RFC 9989 section 4.10 step 4: a longer name is shortened to so many labels at once. */
const labelsMax = 7

/** A-labels, lower case. undefined: DNS could not be asked. Rejects only with the reason of an aborted signal. */
export async function organizationalDomain(
  domain: string,
  resolver: Pick<AuthResolver, 'txt'>,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const name = canonicalName(domain)
  if (name === undefined) return domain
  let labels = name.split('.')
  let found: string | undefined
  while (labels.length > 0) {
    const at = labels.join('.')
    const record = await recordAt(at, resolver, signal)
    if (record === 'temporary') return undefined
    if (record !== undefined) {
      if (record.psd === 'n') return at
      if (record.psd === 'y' && at !== name)
        return name
          .split('.')
          .slice(-(labels.length + 1))
          .join('.')
      // The record with the fewest labels is the last one found.
      found = at
      if (record.psd === 'y') break
    }
    labels = labels.length > labelsMax ? labels.slice(-labelsMax) : labels.slice(1)
  }
  return found ?? name
}

async function recordAt(
  name: string,
  resolver: Pick<AuthResolver, 'txt'>,
  signal: AbortSignal | undefined,
): Promise<DmarcRecord | undefined | 'temporary'> {
  const at = `_dmarc.${name}`
  if (at.length > 253) return undefined
  const answer = await resolver.txt(at, signal && { signal })
  if (answer.kind === 'temporary') return 'temporary'
  return answer.kind === 'records' ? selectDmarcRecord(answer.records) : undefined
}
