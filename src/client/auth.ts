// Owns the choice of a SASL exchange for a client session: the best that is offered, never in the clear unless allowed.
// Which words go over the wire is sasl's. RFC 4954 section 4 and 6.

import type { TlsInfo } from '../base/connection.ts'
import type { Random } from '../base/random.ts'
import { chooseClientExchange, type SaslCredentials } from '../sasl/client-exchange.ts'
import type { AuthExchange } from '../smtp/client-events.ts'

export interface AuthChooserOptions {
  /** Without TLS too. */
  readonly allowClear: boolean
  readonly random: Random
}

/** `refused` are mechanisms that the peer would not take a moment ago. */
export type AuthChooser = (
  offered: readonly string[],
  tls: TlsInfo | undefined,
  refused: readonly string[],
) => AuthExchange | undefined

/** Keep the credentials object: keys derived from the password are remembered with it. */
export function authChooser(credentials: SaslCredentials, options: AuthChooserOptions): AuthChooser {
  const { allowClear, random } = options
  return (offered, tls, refused) => {
    if (tls === undefined && !allowClear) return undefined
    return chooseClientExchange(offered, credentials, { random, channelBinding: tls, except: refused })
  }
}
