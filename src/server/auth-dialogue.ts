// Owns AUTH on the server: which mechanisms are offered when, and one exchange as challenges, responses and its outcome.
// The machine has checked syntax, order and TLS; the Authenticator knows accounts.
// RFC 4954 section 4 and 6, RFC 4616 (PLAIN).

import type { TlsInfo } from '../base/connection.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Random } from '../base/random.ts'
import { type Reply, reply } from '../smtp/reply.ts'
import { replies } from '../smtp/server-replies.ts'
import type { AuthenticationResult, Authenticator, SessionInfo } from './session.ts'

export type AuthAnswer =
  | { readonly kind: 'challenge'; readonly bytes: Uint8Array }
  | { readonly kind: 'ok'; readonly identity: string; readonly reply: Reply }
  | { readonly kind: 'denied' | 'unavailable'; readonly reply: Reply }

export interface AuthContext {
  readonly authenticator: Authenticator | undefined
  readonly random: Random | undefined
  readonly mechanisms: (tls: boolean) => readonly string[]
}

export interface AuthDialogue {
  begin(initialResponse: Uint8Array | undefined): MaybePromise<AuthAnswer>
  respond(response: Uint8Array): MaybePromise<AuthAnswer>
}

const denied: AuthAnswer = {
  kind: 'denied',
  reply: reply(535, '7.8', 'authentication credentials invalid'),
}
const unavailable: AuthAnswer = {
  kind: 'unavailable',
  reply: reply(454, '7.0', 'authentication is not available now, try again later'),
}

export function createAuthContext(options: {
  readonly authenticator?: Authenticator
  readonly random?: Random
  readonly mechanisms?: readonly string[]
  readonly authWithoutTls?: boolean
}): AuthContext {
  const { authenticator } = options
  const none: readonly string[] = []
  const all = authenticator === undefined ? none : ['PLAIN']
  const plain = options.authWithoutTls === true ? all : none
  return { authenticator, random: options.random, mechanisms: (tls) => (tls ? all : plain) }
}

export function beginAuth(
  context: AuthContext,
  _mechanism: string,
  info: SessionInfo,
  _tls: TlsInfo | undefined,
): AuthDialogue {
  const { authenticator } = context
  const respond = (response: Uint8Array): MaybePromise<AuthAnswer> => {
    const [authzid, username, password] = Buffer.from(response).toString().split('\0')
    if (
      authenticator === undefined ||
      username === undefined ||
      password === undefined ||
      (authzid !== '' && authzid !== username)
    )
      return denied
    return authenticator.verifyPassword(username, password, info).then(toAnswer)
  }
  return {
    begin: (initial) =>
      initial === undefined ? { kind: 'challenge', bytes: new Uint8Array() } : respond(initial),
    respond,
  }
}

function toAnswer(result: AuthenticationResult): AuthAnswer {
  switch (result.kind) {
    case 'ok':
      return { kind: 'ok', identity: result.identity, reply: replies.authenticated }
    case 'denied':
      return denied
    case 'unavailable':
      return unavailable
  }
}
