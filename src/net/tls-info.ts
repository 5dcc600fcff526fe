// Owns what is known of a TLS connection once its handshake is done: protocol, cipher, verification, channel bindings.
// RFC 5929 section 4 (tls-server-end-point), RFC 9266 (tls-exporter).

import { createHash, type X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { TlsInfo } from '../base/connection.ts'
import { describeChain } from './certificate-info.ts'

/** OpenSSL's codes in words; others are their code in lower case. */
const verifyWords: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self-signed certificate',
  SELF_SIGNED_CERT_IN_CHAIN: 'self-signed certificate in the chain',
  UNABLE_TO_GET_ISSUER_CERT: 'unknown issuer',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unknown issuer',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unknown issuer, or the chain is incomplete',
  CERT_HAS_EXPIRED: 'certificate has expired',
  CERT_NOT_YET_VALID: 'certificate is not valid yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'certificate is for another name',
}

const verifyCode = (error: unknown): string | undefined =>
  typeof error === 'string' ? error : (error as { code?: string } | null)?.code

/** Words for what is wrong with a certificate; undefined for any other error. */
export function knownVerifyError(error: unknown): string | undefined {
  return verifyWords[verifyCode(error) ?? '']
}

/** `error` as Node leaves it in `authorizationError`: a code (whatever its types say), an Error, or nothing. */
export function verifyErrorText(error: unknown): string {
  return knownVerifyError(error) ?? (verifyCode(error) ?? String(error)).toLowerCase().replaceAll('_', ' ')
}

/** After the handshake only. `servername`: what the client asked for. `detailsFor`: the name that the chain is judged by. */
export function readTlsInfo(
  socket: TLSSocket,
  side: 'server' | 'client',
  servername: string | undefined,
  detailsFor?: string,
): TlsInfo {
  const protocol = socket.getProtocol() ?? ''
  const certificate = side === 'server' ? socket.getX509Certificate() : socket.getPeerX509Certificate()
  const serverEndPoint = certificate && endPointHash(certificate)
  const cipher = socket.getCipher()
  return {
    protocol,
    cipher: cipher.standardName ?? cipher.name,
    ...(servername !== undefined && { servername }),
    ...(side === 'client' && {
      verified: socket.authorized,
      ...(!socket.authorized && { verifyError: verifyErrorText(socket.authorizationError) }),
    }),
    ...(detailsFor !== undefined && { certificates: describeChain(certificate, detailsFor) }),
    ...(serverEndPoint !== undefined && { serverEndPoint }),
    // RFC 9266 section 2; before TLS 1.3 it would need the extended master secret, so it is left out.
    ...(protocol === 'TLSv1.3' && {
      exporter: socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0)),
    }),
  }
}

const rsaPss = '1.2.840.113549.1.1.10'
const rsaPssOid = Buffer.from('06092a864886f70d01010a', 'hex')
const sha2Oid = Buffer.from('0609608648016503040200', 'hex').subarray(0, 10)
const sha2ByArc: Readonly<Record<number, string>> = { 1: 'sha256', 2: 'sha384', 3: 'sha512', 4: 'sha224' }

/**
 * RFC 5929 section 4.1: the certificate's hash, by the hash function of its signature; MD5 and SHA-1 become SHA-256.
 * Undefined where the signature has no single hash function (Ed25519).
 */
export function endPointHash(certificate: X509Certificate): Uint8Array | undefined {
  const name =
    certificate.signatureAlgorithmOid === rsaPss
      ? pssHash(certificate.raw)
      : signatureHash(certificate.signatureAlgorithm ?? '')
  return name === undefined ? undefined : createHash(name).update(certificate.raw).digest()
}

/** From OpenSSL's long name: 'sha256WithRSAEncryption', 'ecdsa-with-SHA384', 'dsa_with_SHA256'. */
export function signatureHash(algorithm: string): string | undefined {
  const match = /(md5|sha1|sha224|sha256|sha384|sha512)(?![0-9])/i.exec(algorithm.replace(/sha-/i, 'sha'))
  const name = match?.[1]?.toLowerCase()
  return name === 'md5' || name === 'sha1' ? 'sha256' : name
}

/** RFC 4055 section 3.1: the hash stands in the parameters, which come first behind the first OID; its default is SHA-1. */
function pssHash(der: Buffer): string | undefined {
  const at = der.indexOf(rsaPssOid) + rsaPssOid.length
  const parameters = der.subarray(at, at + 2 + (der[at + 1] ?? 0))
  const hash = parameters.indexOf(sha2Oid)
  return hash === -1 ? 'sha256' : sha2ByArc[parameters[hash + sha2Oid.length] ?? 0]
}
