// Owns the self-signed certificate that a server starts with: ECDSA P-256, for its host name and this machine. Storing it
// is the caller's. Written in DER by hand: fifty lines, where the X.509 packages want a global Reflect polyfill.
// RFC 5280 section 4, RFC 5758 section 3.2 (ecdsa-with-SHA256), X.690 (DER).

import { createHash, generateKeyPair, randomBytes, sign } from 'node:crypto'
import { promisify } from 'node:util'
import {
  bitString,
  commonName,
  ecdsaWithSha256,
  extension,
  generalName,
  integer,
  oid,
  sequence,
  time,
  tlv,
  toPem,
} from './der.ts'

export interface PemPair {
  readonly cert: string
  readonly key: string
}

export interface SelfSignedOptions {
  /** A-labels, or an IP address. */
  readonly hostname: string
  /** Epoch ms; the certificate is valid from a day before. */
  readonly now: number
  /** Default 3650. */
  readonly days?: number
  /** More names and addresses; localhost, 127.0.0.1 and ::1 are always there. */
  readonly altNames?: readonly string[]
}

const dayMs = 86_400_000
const makeKeyPair = promisify(generateKeyPair)

/** Takes a few milliseconds of a pool thread. */
export async function makeSelfSigned(options: SelfSignedOptions): Promise<PemPair> {
  const { publicKey, privateKey } = await makeKeyPair('ec', { namedCurve: 'prime256v1' })
  const names = new Set([options.hostname, ...(options.altNames ?? []), 'localhost', '127.0.0.1', '::1'])
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const algorithm = ecdsaWithSha256
  const name = commonName(options.hostname)
  const notAfter = options.now + (options.days ?? 3650) * dayMs
  const body = sequence(
    tlv(0xa0, integer(Buffer.from([2]))), // version 3
    integer(serialNumber()),
    algorithm,
    name,
    sequence(time(options.now - dayMs), time(notAfter)),
    name,
    spki,
    tlv(0xa3, sequence(...extensions([...names], spki))),
  )
  const signature = sign('sha256', body, privateKey)
  const cert = sequence(body, algorithm, bitString(signature))
  return {
    cert: toPem('CERTIFICATE', cert),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

function extensions(names: readonly string[], spki: Buffer): Buffer[] {
  const keyId = createHash('sha1').update(spki.subarray(-65)).digest() // RFC 5280 section 4.2.1.2 (1)
  return [
    extension('551d11', sequence(...names.map(generalName))), // subjectAltName
    extension('551d13', sequence(), true), // basicConstraints: not a CA
    extension('551d0f', Buffer.from([0x03, 0x02, 0x07, 0x80]), true), // keyUsage: digitalSignature
    extension('551d25', sequence(oid('2b06010505070301'))), // extKeyUsage: serverAuth
    extension('551d0e', tlv(0x04, keyId)), // subjectKeyIdentifier
  ]
}

/** Section 4.1.2.2: positive, unique, at most 20 octets. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes
}
