// Owns the translation of Node's socket and TLS errors into TransportFailure codes.

import { TransportFailure, type TransportFailureCode } from '../base/connection.ts'

const codes: Readonly<Record<string, TransportFailureCode>> = {
  ECONNREFUSED: 'refused',
  ENOENT: 'refused', // unix socket that is not there
  ETIMEDOUT: 'timeout',
  EHOSTUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
  ENETUNREACH: 'unreachable',
  ENETDOWN: 'unreachable',
  EADDRNOTAVAIL: 'unreachable', // the local address is not ours, or its ports ran out
  EAFNOSUPPORT: 'unreachable', // IPv6 switched off
  EACCES: 'unreachable', // a local firewall says no
  EPERM: 'unreachable',
  ECONNRESET: 'reset',
  ECONNABORTED: 'reset',
  EPIPE: 'reset',
  EPROTO: 'tls',
}

export function failureCode(error: unknown): TransportFailureCode {
  const code = (error as { code?: unknown } | null)?.code
  if (typeof code !== 'string') return 'other'
  return codes[code] ?? (/^ERR_(SSL|TLS|OSSL|CRYPTO)/.test(code) ? 'tls' : 'other')
}

/** The error as a {@link TransportFailure}; one that already is one stays itself. `code` overrides what the error says. */
export function transportFailure(
  error: unknown,
  what: string,
  code?: TransportFailureCode,
): TransportFailure {
  if (error instanceof TransportFailure) return error
  const text = error instanceof Error ? error.message : String(error)
  return new TransportFailure(code ?? failureCode(error), `${what}: ${text}`, { cause: error })
}
