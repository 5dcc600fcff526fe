// Owns the check of a login against configured and stored accounts: passwords in equal time whether the account exists
// or not, SCRAM keys where a password is known in the clear, and the slowing down of those who guess. RFC 4954, RFC 5802.

import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { ScramKeys } from '../base/scram-keys.ts'
import type { AuthThrottle } from '../policy/auth-throttle.ts'
import { deriveScramKeys, type PasswordHasher } from '../sasl/password.ts'
import { saslprep } from '../sasl/saslprep.ts'
import type { AuthenticationResult, Authenticator, SessionInfo } from '../server/session.ts'
import type { Accounts } from './accounts.ts'

export interface AuthenticatorOptions {
  readonly accounts: Accounts
  readonly passwords: PasswordHasher
  readonly throttle: AuthThrottle
  readonly random: Random
  readonly log: Log
}

// RFC 7677 section 4 asks for at least 4096.
const scramIterations = 4096
const identityCharsMax = 255

/** The catcher's: whatever is given is taken, and the name says which inbox it is. No check, so no secret to guard. */
export const anyAuthenticator: Authenticator = {
  verifyPassword: async (username) => ({ kind: 'ok', identity: username.slice(0, identityCharsMax) }),
}

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { accounts, passwords, throttle, random, log } = options
  const processKey = random.bytes(32)
  const digest = (text: string): Buffer => createHmac('sha256', processKey).update(text).digest()
  const scramCache = new Map<string, Promise<ScramKeys>>()

  const check = async (username: string, password: string): Promise<string | undefined> => {
    const found = accounts.secretOf(username)
    const secret = found?.secret ?? { kind: 'none' }
    // An unknown account costs the same work as a known one, so that the time tells nothing.
    const matches = await passwords.verify(secret.kind === 'hash' ? secret.phc : undefined, password)
    if (found === undefined) return undefined
    if (secret.kind === 'plain')
      return timingSafeEqual(digest(saslprep(secret.text) ?? secret.text), digest(password))
        ? found.name
        : undefined
    return secret.kind === 'hash' && matches ? found.name : undefined
  }

  const told = (username: string, ok: boolean, session: SessionInfo): void => {
    throttle.report({ username, address: session.remote.address, ok })
    if (!ok)
      log.warn(
        { sessionId: session.id, username: username.slice(0, 100), address: session.remote.address },
        'login failed',
      )
  }

  return {
    allow: (username, session) => throttle.allow({ username, address: session.remote.address }),
    async verifyPassword(username, password, session): Promise<AuthenticationResult> {
      try {
        const identity = await check(username, password)
        told(username, identity !== undefined, session)
        return identity === undefined ? { kind: 'denied' } : { kind: 'ok', identity }
      } catch (cause) {
        log.error({ sessionId: session.id, cause: String(cause) }, 'password check failed')
        return { kind: 'unavailable' }
      }
    },
    async scramKeys(username) {
      const found = accounts.secretOf(username)
      if (found?.secret.kind === 'hash' && found.secret.scram !== undefined) {
        return { ...found.secret.scram, identity: found.name }
      }
      if (found?.secret.kind !== 'plain') return undefined
      const { text } = found.secret
      const key = digest(`${found.name}\0${text}`).toString('base64')
      let keys = scramCache.get(key)
      if (keys === undefined) {
        keys = deriveScramKeys(text, random.bytes(16), scramIterations)
        scramCache.set(key, keys)
      }
      return { ...(await keys), identity: found.name }
    },
    scramReady: () => accounts.scramReady(),
    scramDone: told,
  }
}
