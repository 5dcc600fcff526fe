// Owns requests for certificates: names and a public key, signed by its private half. RFC 2986 (PKCS#10), RFC 2985 section
// 5.4.2 (extensionRequest), RFC 5280 section 4.2.1.6.

import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import {
  bitString,
  commonName,
  ecdsaWithSha256,
  extension,
  generalName,
  integer,
  oid,
  rsaWithSha256,
  sequence,
  tlv,
  toPem,
} from './der.ts'

/** PEM. `key`: PEM of an ECDSA or RSA key; names are A-labels, wildcards among them; at least one. */
export function makeCertificateRequest(names: readonly string[], key: string): string {
  const privateKey = createPrivateKey(key)
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
  const extensions = sequence(extension('551d11', sequence(...names.map(generalName))))
  const body = sequence(
    integer(Buffer.from([0])),
    commonName(names.find((name) => name.length <= 64) ?? ''),
    spki,
    // Attributes: extensionRequest.
    tlv(0xa0, sequence(oid('2a864886f70d01090e'), tlv(0x31, extensions))),
  )
  const algorithm = privateKey.asymmetricKeyType === 'rsa' ? rsaWithSha256 : ecdsaWithSha256
  return toPem('CERTIFICATE REQUEST', sequence(body, algorithm, bitString(sign('sha256', body, privateKey))))
}
