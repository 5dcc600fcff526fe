// Owns DANE for SMTP: does a certificate chain fit the TLSA records of a host. Pure: the records were asked for, and were
// secure, before. Usages 2 and 3 count; 0 and 1 are unusable. RFC 7672 sections 2.2, 3.1 and 3.2, RFC 7671 sections 5 and
// 9 (of several digests the strongest counts), RFC 6698 section 2.1.

import { createHash, X509Certificate } from 'node:crypto'
import type { TlsaRecord } from '../dns/resolver.ts'

export interface DaneInput {
  readonly records: readonly TlsaRecord[]
  /** DER, as the server sent them: its own first. */
  readonly chain: readonly Uint8Array[]
  /** Names that the certificate may have, for usage 2: the host that has the TLSA records, and the domain of the mail. */
  readonly names: readonly string[]
  /** Epoch ms, for usage 2. */
  readonly nowMs: number
}

/**
 * match: the server is who DNS says. mismatch: it is not; do not send. unusable: no record is of use; TLS is a must,
 * but nobody is authenticated (RFC 7672 section 2.2).
 */
export type DaneVerdict =
  | { readonly result: 'match'; readonly record: TlsaRecord }
  | { readonly result: 'mismatch' | 'unusable'; readonly reason: string }

const digestBytes: Readonly<Record<number, number>> = { 1: 32, 2: 64 }
const recordsMax = 100
const chainMax = 10

/** RFC 7672 section 3.1.3: the other usages, selectors and types are no use. */
export function isUsableTlsa({ usage, selector, matchingType, data }: TlsaRecord): boolean {
  if ((usage !== 2 && usage !== 3) || (selector !== 0 && selector !== 1)) return false
  if (matchingType === 0) return data.length > 0
  return data.length === digestBytes[matchingType]
}

/** Never throws. */
export function matchDane({ records, chain, names, nowMs }: DaneInput): DaneVerdict {
  const usable = strongest(records.slice(0, recordsMax).filter(isUsableTlsa))
  if (usable.length === 0) return { result: 'unusable', reason: 'no TLSA record is of use' }
  const certificates = readChain(chain)
  const [leaf] = certificates
  if (leaf === undefined) return { result: 'mismatch', reason: 'the server sent no certificate' }
  // RFC 7672 section 3.1.1: with usage 3 neither names nor dates count.
  const own = usable.find((record) => record.usage === 3 && isMatch(record, leaf))
  if (own !== undefined) return { result: 'match', record: own }
  let reason = 'no TLSA record fits the certificate'
  for (const record of usable) {
    if (record.usage !== 2) continue
    const problem = anchorProblem(record, certificates, names, nowMs)
    if (problem === undefined) return { result: 'match', record }
    if (problem !== '') reason = problem
  }
  return { result: 'mismatch', reason }
}

/** RFC 7671 section 9: for each usage and selector the strongest digest, and what is there as it is. */
function strongest(records: readonly TlsaRecord[]): readonly TlsaRecord[] {
  const best = new Map<string, number>()
  const kind = ({ usage, selector }: TlsaRecord): string => `${usage} ${selector}`
  for (const record of records)
    best.set(kind(record), Math.max(best.get(kind(record)) ?? 0, record.matchingType))
  return records.filter((one) => one.matchingType === 0 || one.matchingType === best.get(kind(one)))
}

function readChain(chain: readonly Uint8Array[]): readonly X509Certificate[] {
  const certificates: X509Certificate[] = []
  for (const der of chain.slice(0, chainMax)) {
    try {
      certificates.push(new X509Certificate(der))
    } catch {
      break // what cannot be read ends the chain
    }
  }
  return certificates
}

/** Association data of a certificate, as a record with this selector and type has it. */
function association(certificate: X509Certificate, selector: number, matchingType: number): Buffer {
  const octets =
    selector === 0 ? certificate.raw : certificate.publicKey.export({ format: 'der', type: 'spki' })
  if (matchingType === 0) return octets
  return createHash(matchingType === 1 ? 'sha256' : 'sha512')
    .update(octets)
    .digest()
}

function isMatch({ selector, matchingType, data }: TlsaRecord, certificate: X509Certificate): boolean {
  try {
    return association(certificate, selector, matchingType).equals(data)
  } catch {
    return false // a key that cannot be exported
  }
}

/** RFC 7672 section 3.1.2: the anchor is in the chain, signs down to the leaf, and the leaf has the name. '' : no anchor. */
function anchorProblem(
  record: TlsaRecord,
  certificates: readonly X509Certificate[],
  names: readonly string[],
  nowMs: number,
): string | undefined {
  const anchor = certificates.findIndex((one, index) => index > 0 && isMatch(record, one))
  const [leaf] = certificates
  if (anchor === -1 || leaf === undefined) return ''
  const path = pathTo(certificates, anchor)
  if (path === undefined) return 'the chain does not lead to the trust anchor'
  for (const one of path)
    if (Date.parse(one.validFrom) > nowMs || Date.parse(one.validTo) < nowMs)
      return 'a certificate is out of date'
  if (!names.some((name) => leaf.checkHost(name, { partialWildcards: false }) !== undefined))
    return 'the certificate has another name'
  return undefined
}

/** From the leaf to the anchor, each signed by the next, in whatever order they came. */
function pathTo(
  certificates: readonly X509Certificate[],
  anchor: number,
): readonly X509Certificate[] | undefined {
  const path: X509Certificate[] = []
  let current = certificates[0]
  const left = new Set(certificates.keys())
  left.delete(0)
  while (current !== undefined) {
    path.push(current)
    const child: X509Certificate = current
    const next = [...left].find((index) => isIssuer(certificates[index], child))
    if (next === undefined) return undefined
    left.delete(next)
    current = certificates[next]
    if (next === anchor && current !== undefined) return [...path, current]
  }
  return undefined
}

function isIssuer(issuer: X509Certificate | undefined, child: X509Certificate): boolean {
  try {
    return issuer?.ca === true && child.checkIssued(issuer) && child.verify(issuer.publicKey)
  } catch {
    return false
  }
}

/** The record to publish for a certificate of ours: `3 1 1`, its key by SHA-256 (RFC 7672 section 3.1). @throws Error: no certificate */
export function tlsaRecordFor(certificate: Uint8Array | string): TlsaRecord & { readonly text: string } {
  const parsed = new X509Certificate(certificate)
  const data = association(parsed, 1, 1)
  return { usage: 3, selector: 1, matchingType: 1, data, text: `3 1 1 ${data.toString('hex')}` }
}
