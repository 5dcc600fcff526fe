// Owns the question whether the resolver validates DNSSEC, asked before its word on it counts: a name that is signed for
// everybody has to come back secure, and one that nobody can have signed must not. It asks; what follows is the caller's.
// RFC 4035 section 4.9.3 (AD), RFC 6840 section 5.8, RFC 6303 section 4 (10.in-addr.arpa is delegated unsigned).

import type { Lookup } from './lookup.ts'

/**
 * validates: its AD bit means something. ignores: it validates nothing, or is not believed. echoes: it sets AD on whatever
 * is asked. unknown: it could not be asked.
 */
export type Validation =
  | { readonly kind: 'validates' }
  | { readonly kind: 'ignores' | 'echoes' | 'unknown'; readonly reason: string }

const signedName = ''
const unsignedName = '1.0.0.10.in-addr.arpa'

/** Rejects only with the reason of an aborted signal. */
export async function checkValidation(lookup: Lookup, signal?: AbortSignal): Promise<Validation> {
  const options = signal === undefined ? {} : { signal }
  const [signed, unsigned] = await Promise.all([
    lookup(signedName, 'NS', options),
    lookup(unsignedName, 'PTR', options),
  ])
  if (signed.kind === 'temporary')
    return { kind: 'unknown', reason: `the name servers of the root: ${signed.reason}` }
  if (!signed.secure)
    return {
      kind: 'ignores',
      reason: 'the answer about the root comes without the AD bit, or it is not believed',
    }
  if (unsigned.kind !== 'temporary' && unsigned.secure)
    return { kind: 'echoes', reason: `the AD bit comes even with ${unsignedName}, which is not signed` }
  return { kind: 'validates' }
}
