// Owns TLSA records held against a certificate chain, for showing: which record fits which certificate. DNSSEC and the
// policy that follows are not judged here. RFC 6698 section 2.1, RFC 7672 section 3.1 (what SMTP uses), RFC 7218 (names).

import { createHash } from 'node:crypto'
import type { CertificateInfo } from '../base/connection.ts'
import type { TlsaRecord } from '../dns/resolver.ts'

/** '3 1 1 0a1b2c...' */
export const formatTlsa = ({ usage, selector, matchingType, data }: TlsaRecord): string =>
  `${usage} ${selector} ${matchingType} ${Buffer.from(data).toString('hex')}`

/** RFC 7672 section 3.1.3: usages 0 and 1 are not for SMTP; selector and matching type must be known. */
export const isUsableTlsa = ({ usage, selector, matchingType, data }: TlsaRecord): boolean =>
  (usage === 2 || usage === 3) &&
  selector <= 1 &&
  matchingType <= 2 &&
  (matchingType === 0 || data.length === (matchingType === 1 ? 32 : 64))

/** Whether a usable record fits: DANE-EE the server's own certificate, DANE-TA one behind it. */
export function fitsTlsa(record: TlsaRecord, chain: readonly CertificateInfo[]): boolean {
  if (!isUsableTlsa(record)) return false
  const candidates = record.usage === 3 ? chain.slice(0, 1) : chain.slice(1)
  return candidates.some(({ der, spki }) => {
    const content = record.selector === 0 ? der : spki
    const compared =
      record.matchingType === 0
        ? Buffer.from(content)
        : createHash(record.matchingType === 1 ? 'sha256' : 'sha512')
            .update(content)
            .digest()
    return compared.equals(record.data)
  })
}
