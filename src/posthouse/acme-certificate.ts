// Owns certificates as an authority makes them: the key for one, what comes back judged before it is shown, its
// name for renewal information. RFC 8555 section 7.4, RFC 9773 section 4.1, RFC 5280 section 4.2.1.1.

import { createPrivateKey, generateKeyPair, X509Certificate } from 'node:crypto'
import { promisify } from 'node:util'
import type { PemPair } from '../net/certificate.ts'
import { covers, describePem } from './certificates.ts'

const makeKeyPair = promisify(generateKeyPair)

/** PEM, PKCS#8. */
export async function makeKey(type: 'ecdsa' | 'rsa'): Promise<string> {
  const { privateKey } =
    type === 'rsa'
      ? await makeKeyPair('rsa', { modulusLength: 2048 })
      : await makeKeyPair('ec', { namedCurve: 'prime256v1' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** A clock that is a little ahead of ours makes nothing worse. */
const skewMs = 3_600_000

/**
 * Why this chain is none to show; undefined: it is good. It has to be read, fit the key, have the names, be valid now and
 * live longer than the one that it replaces.
 */
export function chainProblem(
  pair: PemPair,
  given: { readonly names: readonly string[]; readonly now: number; readonly before: string | undefined },
): string | undefined {
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(pair.cert)
    if (!certificate.checkPrivateKey(createPrivateKey(pair.key))) return 'it is for another key'
  } catch (cause) {
    return `it cannot be read: ${(cause as Error).message}`
  }
  const info = describePem(pair.cert, given.names[0] ?? '')
  const missing = given.names.filter((name) => !info.names.some((one) => one.toLowerCase() === name))
  if (missing.some((name) => !covers(info.names, name))) return `it lacks the names ${missing.join(', ')}`
  if (info.validFromAt > given.now + skewMs) return `it is valid from ${iso(info.validFromAt)} only`
  if (info.validToAt <= given.now) return `it has been expired since ${iso(info.validToAt)}`
  if (given.before !== undefined) {
    const { validToAt } = describePem(given.before, '')
    if (validToAt > given.now && info.validToAt < validToAt)
      return `it ends on ${iso(info.validToAt)}, before the one that there is (${iso(validToAt)})`
  }
  return undefined
}

const iso = (at: number): string => new Date(at).toISOString()

/** RFC 9773 section 4.1: key identifier of the authority and serial number; undefined: the certificate names no authority. */
export function renewalId(pem: string): string | undefined {
  const certificate = new X509Certificate(pem)
  const { raw } = certificate
  // AuthorityKeyIdentifier: OID, OCTET STRING, SEQUENCE, [0] keyIdentifier; all shorter than 128 octets.
  const oid = Buffer.from('0603551d23', 'hex')
  const at = raw.indexOf(oid)
  if (at === -1) return undefined
  const body = raw.subarray(at + oid.length)
  if (body[0] !== 0x04 || body[2] !== 0x30 || body[4] !== 0x80) return undefined
  const keyId = body.subarray(6, 6 + (body[5] ?? 0))
  const hex = certificate.serialNumber
  const serial = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  // The octets as they stand in the certificate: a zero before a first bit that is set.
  const whole = (serial[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), serial]) : serial
  return `${keyId.toString('base64url')}.${whole.toString('base64url')}`
}

/** Two thirds of its life (as RFC 8739 and authorities advise), and up to a day earlier by chance, less for short ones. */
export function renewalTime(pem: string, fraction: number): number {
  const { validFromAt, validToAt } = describePem(pem, '')
  const lifeMs = validToAt - validFromAt
  return validFromAt + (lifeMs * 2) / 3 - fraction * Math.min(24 * 3_600_000, lifeMs / 30)
}
