// Owns TLS contexts: a server's, made of PEM (server-contexts.ts keeps and exchanges them), and the client's, made once per
// set of trusted roots. TLS 1.2 is the oldest version on both sides (RFC 8996, RFC 9325 section 3.1.1).

import { constants } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { PemPair } from './certificate.ts'

const minVersion = 'TLSv1.2'

/** @throws Error of OpenSSL when the pair cannot be read or does not fit together */
export function makeServerContext(pair: PemPair): SecureContext {
  // No renegotiation: costly for us and cheap for the client (RFC 9325 section 3.5).
  const secureOptions = constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_CIPHER_SERVER_PREFERENCE
  return createSecureContext({ cert: pair.cert, key: pair.key, minVersion, secureOptions })
}

/** A server's context without a certificate: every client is told `handshake_failure` (RFC 8446 section 6.2). */
export function makeBrokenContext(): SecureContext {
  return createSecureContext({ minVersion })
}

// A context with the default roots costs about a millisecond; there are as many as there are sets of roots in config.
const clientContexts = new Map<string, SecureContext>()
const clientContextsMax = 32

/** `ca`: PEM; replaces the default roots. */
export function clientContext(ca?: string | readonly string[]): SecureContext {
  const key = ca === undefined ? '' : typeof ca === 'string' ? ca : ca.join('\n')
  const known = clientContexts.get(key)
  if (known !== undefined) return known
  const context = createSecureContext({
    minVersion,
    ...(ca !== undefined && { ca: typeof ca === 'string' ? ca : [...ca] }),
  })
  if (clientContexts.size >= clientContextsMax) clientContexts.clear()
  clientContexts.set(key, context)
  return context
}
