// Owns certificates in words: what people want to know of a peer's chain. It verifies nothing; that was the handshake's.
// RFC 5280 section 4, RFC 6125 section 6 (names, by Node's checkHost).

import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { CertificateInfo } from '../base/connection.ts'
import { canonicalIp } from '../base/ip.ts'

/** A chain that is longer is cut off. */
const chainMax = 10
const namesMax = 100
const textCharsMax = 300

/** From the peer's own certificate on; `name`: a host name or an IP address. */
export function describeChain(first: X509Certificate | undefined, name: string): readonly CertificateInfo[] {
  const chain: CertificateInfo[] = []
  for (let one = first; one !== undefined && chain.length < chainMax; one = one.issuerCertificate) {
    const info = tryDescribe(one)
    if (info === undefined) break
    chain.push(chain.length === 0 ? { ...info, matchesName: isFor(one, name) } : info)
    if (info.selfIssued) break
  }
  return chain
}

const isFor = (one: X509Certificate, name: string): boolean =>
  (isIP(name) === 0 ? one.checkHost(name) : one.checkIP(name)) !== undefined

/** Undefined for a key that this OpenSSL cannot read. */
function tryDescribe(one: X509Certificate): CertificateInfo | undefined {
  try {
    return describe(one)
  } catch {
    return undefined
  }
}

function describe(one: X509Certificate): CertificateInfo {
  const { publicKey } = one
  return {
    subject: oneLine(one.subject),
    issuer: oneLine(one.issuer),
    names: alternativeNames(one.subjectAltName ?? ''),
    validFromAt: Date.parse(one.validFrom),
    validToAt: Date.parse(one.validTo),
    serialNumber: one.serialNumber.toLowerCase(),
    key: keyText(publicKey),
    signature: one.signatureAlgorithm ?? one.signatureAlgorithmOid ?? '',
    sha256: one.fingerprint256.replaceAll(':', '').toLowerCase(),
    selfIssued: one.subject === one.issuer,
    der: one.raw,
    spki: publicKey.export({ type: 'spki', format: 'der' }),
  }
}

/** Node gives one attribute a line. */
const oneLine = (name: string): string => (name ?? '').split('\n').join(', ').slice(0, textCharsMax)

/** From 'DNS:a.test, DNS:*.b.test, IP Address:192.0.2.1'; quoted ones (with a comma or worse within) stay as they are. */
function alternativeNames(text: string): readonly string[] {
  const names: string[] = []
  for (const match of text.matchAll(/(?:DNS|IP Address):("(?:[^"\\]|\\.)*"|[^,]+)/g)) {
    if (names.length >= namesMax) break
    const name = (match[1] ?? '').trim().slice(0, textCharsMax)
    names.push(canonicalIp(name) ?? name)
  }
  return names
}

function keyText(key: X509Certificate['publicKey']): string {
  const details = key.asymmetricKeyDetails
  const type = (key.asymmetricKeyType ?? 'unknown').toUpperCase()
  const size = details?.modulusLength ?? details?.namedCurve
  return size === undefined ? type : `${type} ${size}`
}
