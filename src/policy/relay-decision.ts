// Owns the one decision that makes a server an open relay or not: may this client hand us mail for this recipient?
// Nothing else in Posthouse decides it. RFC 5321 section 3.6 and 7.9, RFC 2505 section 2.1, RFC 6409 section 3.3.

import { isLoopback } from '../base/ip.ts'
import { reply } from '../smtp/reply.ts'
import { accept, refuse, type Verdict } from '../smtp/verdict.ts'

export type ListenerKind = 'mx' | 'submission' | 'lmtp'

export interface RelayQuestion {
  readonly listener: ListenerKind
  readonly mode: 'relay' | 'capture' | 'hold' | 'discard'
  readonly remoteAddress: string
  /** The account that logged in. */
  readonly identity: string | undefined
  readonly isOurDomain: boolean
  /** `capture.anyClient`: in mode capture every client is taken for one of this machine. */
  readonly anyClient?: boolean
  /** The address stands in `networks.relay`. */
  readonly isRelayNetwork: boolean
}

const denied = refuse(reply(550, '7.1', 'relaying denied: log in, or send to one of our own domains'))
const noLogin = refuse(reply(530, '7.0', 'authentication required'))

/**
 * Whether mail for one recipient is taken. Whether that recipient exists is asked elsewhere.
 * - our own domains: from anybody on mx and lmtp; on submission only from who logged in or stands in `networks.relay`
 * - domains of others: from who logged in or stands in `networks.relay`; in mode capture also from this machine (or
 *   from anybody with `anyClient`), since nothing can leave it then
 */
export function decideRelay(question: RelayQuestion): Verdict {
  const trusted = question.identity !== undefined || question.isRelayNetwork
  if (question.listener === 'submission') return trusted ? accept : noLogin
  if (question.isOurDomain || trusted) return accept
  if (question.listener === 'mx' && question.mode === 'capture') {
    if (question.anyClient === true || isLoopback(question.remoteAddress)) return accept
  }
  return denied
}
