// Owns whether a key of ours stands in DNS as it should. RFC 6376 section 3.6.2.2 (records of one name), RFC 8463 section 4.

import { readKeyRecord } from '../auth/dkim-key.ts'
import type { Resolver } from '../dns/resolver.ts'
import type { DkimKeyView } from './dkim-key-forms.ts'
import type { Ask } from './domain-asking.ts'

export interface Publication {
  /** yes: the record has this very key. wrong: a record that is not. */
  readonly kind: 'yes' | 'no' | 'wrong' | 'unknown'
  /** Why, for wrong and unknown. */
  readonly reason: string
  /** t=y: receivers are told not to judge by it. */
  readonly testing: boolean
  readonly found: readonly string[]
}

/** Never rejects. */
export async function publicationOf(
  key: Pick<DkimKeyView, 'record'>,
  resolver: Pick<Resolver, 'txt'>,
  ask: Ask,
): Promise<Publication> {
  const answer = await ask((options) => resolver.txt(key.record.name, options))
  const base = { reason: '', testing: false, found: [] }
  if (answer.kind === 'failed') return { ...base, kind: 'unknown', reason: answer.reason }
  if (answer.kind === 'none') return { ...base, kind: 'no' }
  const found = answer.records.slice(0, 10)
  // Verifiers may take any of several records: all of them have to be right.
  if (answer.records.length > 1)
    return { ...base, kind: 'wrong', reason: `${answer.records.length} records instead of one`, found }
  const read = readKeyRecord(found[0] ?? '')
  if (!read.ok) return { ...base, kind: 'wrong', reason: read.reason, found }
  const ours = readKeyRecord(key.record.text)
  const isSame = ours.ok && read.key.keyType === ours.key.keyType && read.key.key.equals(ours.key.key)
  if (!isSame) return { ...base, kind: 'wrong', reason: 'it has another key', found }
  return { ...base, kind: 'yes', testing: read.key.testing, found }
}
