// Owns the choice of a SASL mechanism for a client session. Which words go over the wire is sasl's.
// RFC 4954 section 4, RFC 4616 (PLAIN).

import type { TlsInfo } from '../base/connection.ts'
import type { Random } from '../base/random.ts'
import type { AuthExchange } from '../smtp/client-machine.ts'

export interface ClientCredentials {
  readonly user: string
  readonly password: string
}

export interface AuthChooserOptions {
  /** Without TLS too. */
  readonly allowClear: boolean
  readonly random: Random
}

/** Chooses the best exchange that the peer offers; none without TLS unless `allowClear`. */
export function authChooser(
  credentials: ClientCredentials,
  options: AuthChooserOptions,
): (offered: readonly string[], tls: TlsInfo | undefined) => AuthExchange | undefined {
  return (offered, tls) => {
    if (tls === undefined && !options.allowClear) return undefined
    if (offered.includes('PLAIN')) return plain(credentials)
    if (offered.includes('LOGIN')) return login(credentials)
    return undefined
  }
}

const plain = ({ user, password }: ClientCredentials): AuthExchange => ({
  mechanism: 'PLAIN',
  initial: () => Buffer.from(`\0${user}\0${password}`),
  respond: () => {
    throw new Error('unexpected challenge')
  },
  finish: () => {},
})

function login({ user, password }: ClientCredentials): AuthExchange {
  const answers = [user, password]
  return {
    mechanism: 'LOGIN',
    initial: () => undefined,
    respond: () => {
      const answer = answers.shift()
      if (answer === undefined) throw new Error('unexpected challenge')
      return Buffer.from(answer)
    },
    finish: () => {},
  }
}
