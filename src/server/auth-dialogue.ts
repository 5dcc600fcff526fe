// Owns AUTH on the server: which mechanisms are offered when, and one exchange from its begin to its outcome. The SMTP
// machine has checked syntax, order and TLS, `sasl` knows the mechanisms, the Authenticator the accounts.
// RFC 4954 sections 4 and 6, RFC 5802, RFC 9266. No reply tells an unknown account from a wrong password.

import { AssertionFailed, assert, unreachable } from '../base/assert.ts'
import type { TlsInfo } from '../base/connection.ts'
import { isPromise, type MaybePromise } from '../base/maybe-promise.ts'
import type { Random } from '../base/random.ts'
import type { ScramKeys } from '../base/scram-keys.ts'
import { createServerExchange, type ServerExchange, type ServerStep } from '../sasl/server-exchange.ts'
import { type Reply, reply } from '../smtp/reply.ts'
import { replies } from '../smtp/server-replies.ts'
import { accept, type Verdict } from '../smtp/verdict.ts'
import type { AuthenticationResult, Authenticator, SessionInfo } from './session.ts'

export type AuthAnswer =
  | { readonly kind: 'challenge'; readonly bytes: Uint8Array }
  | { readonly kind: 'ok'; readonly identity: string; readonly reply: Reply }
  | { readonly kind: 'denied' | 'unavailable'; readonly reply: Reply }

/** What all exchanges of a listener share. */
export interface AuthContext {
  /** What is offered, by whether TLS is active. */
  readonly mechanisms: (tls: boolean) => readonly string[]
  readonly begin: (mechanism: string, info: SessionInfo) => AuthDialogue
}

export interface AuthDialogue {
  /** undefined: the client sent no initial response. */
  begin(initialResponse: Uint8Array | undefined): MaybePromise<AuthAnswer>
  respond(response: Uint8Array): MaybePromise<AuthAnswer>
}

export interface AuthOptions {
  readonly authenticator?: Authenticator
  readonly random?: Random
  readonly mechanisms?: readonly string[]
  readonly authWithoutTls?: boolean
}

const deny = (answer: Reply): AuthAnswer => ({ kind: 'denied', reply: answer })
const badCredentials = deny(reply(535, '7.8', 'authentication credentials invalid'))
const malformed = deny(reply(501, '5.2', 'malformed authentication exchange'))
// RFC 5802 section 6: the client believes that it talks to somebody else.
const badBinding = deny(reply(535, '7.8', 'channel binding does not match'))
const noAuthzid = deny(reply(535, '7.8', 'acting for another identity is not allowed'))
const unavailable: AuthAnswer = {
  kind: 'unavailable',
  reply: reply(454, '7.0', 'authentication is not available now, try again later'),
}

const notOffered = (): never => {
  throw new AssertionFailed('AUTH was not offered')
}

const plus = 'SCRAM-SHA-256-PLUS'
const offeredByDefault = [plus, 'SCRAM-SHA-256', 'PLAIN', 'LOGIN']

export function createAuthContext(options: AuthOptions): AuthContext {
  const { authenticator, random } = options
  if (authenticator === undefined) return { mechanisms: () => [], begin: notOffered }
  assert(random !== undefined, 'AUTH needs `random`')
  const withTls = (options.mechanisms ?? offeredByDefault).filter(
    (mechanism) => authenticator.scramKeys !== undefined || !mechanism.startsWith('SCRAM-'),
  )
  // Without TLS there is nothing to bind to.
  const withoutTls = options.authWithoutTls === true ? withTls.filter((mechanism) => mechanism !== plus) : []
  const decoyKey = random.bytes(32)
  const withoutScram = (all: readonly string[]): readonly string[] =>
    all.filter((mechanism) => !mechanism.startsWith('SCRAM-'))
  return {
    mechanisms: (tls) => {
      const all = tls ? withTls : withoutTls
      return authenticator.scramReady?.() === false ? withoutScram(all) : all
    },
    begin: (mechanism, info) => {
      // A client that could bind says 'y' where we do not offer it: only an offer makes that a downgrade.
      const channelBinding =
        info.tls !== undefined && withTls.includes(plus) ? bindingOf(info.tls) : undefined
      const exchange = createServerExchange(mechanism, { random, decoyKey, channelBinding })
      return new Dialogue(authenticator, exchange, info)
    },
  }
}

const bindingOf = ({
  serverEndPoint,
  exporter,
}: TlsInfo): { serverEndPoint?: Uint8Array; exporter?: Uint8Array } => ({
  ...(serverEndPoint !== undefined && { serverEndPoint }),
  ...(exporter !== undefined && { exporter }),
})

class Dialogue implements AuthDialogue {
  readonly #authenticator: Authenticator
  readonly #exchange: ServerExchange | undefined
  readonly #info: SessionInfo
  /** SCRAM: whose keys were used; undefined for an account that has none. */
  #identity: string | undefined = undefined
  #hasKeys = false

  constructor(authenticator: Authenticator, exchange: ServerExchange | undefined, info: SessionInfo) {
    this.#authenticator = authenticator
    this.#exchange = exchange
    this.#info = info
  }

  begin(initialResponse: Uint8Array | undefined): MaybePromise<AuthAnswer> {
    return this.#ifAllowed(undefined, () => this.#step(initialResponse))
  }

  respond(response: Uint8Array): MaybePromise<AuthAnswer> {
    return this.#step(response)
  }

  #step(response: Uint8Array | undefined): MaybePromise<AuthAnswer> {
    // A mechanism that this connection cannot do: -PLUS over a TLS without channel bindings.
    if (this.#exchange === undefined) return deny(replies.authUnknown)
    return this.#take(this.#exchange.step(response))
  }

  #take(step: ServerStep): MaybePromise<AuthAnswer> {
    switch (step.kind) {
      case 'challenge':
        return step
      case 'password': {
        const { username, password } = step
        return this.#ifAllowed(username, () =>
          this.#authenticator.verifyPassword(username, password, this.#info).then(answerOf),
        )
      }
      case 'scram-lookup':
        return this.#ifAllowed(step.username, () => this.#lookUp(step.username))
      case 'done':
        this.#authenticator.scramDone?.(step.username, true, this.#info)
        assert(this.#identity !== undefined, 'SCRAM succeeded without keys')
        return { kind: 'ok', identity: this.#identity, reply: replies.authenticated }
      case 'failed':
        if (step.username !== undefined && this.#hasKeys)
          this.#authenticator.scramDone?.(step.username, false, this.#info)
        return answerOfFailure(step.reason)
      default:
        return unreachable(step)
    }
  }

  #lookUp(username: string): MaybePromise<AuthAnswer> {
    const use = (keys: (ScramKeys & { readonly identity: string }) | undefined): MaybePromise<AuthAnswer> => {
      this.#identity = keys?.identity
      this.#hasKeys = true
      assert(this.#exchange !== undefined, 'keys without an exchange')
      return this.#take(this.#exchange.useKeys(keys))
    }
    const keys = this.#authenticator.scramKeys?.(username, this.#info)
    return isPromise(keys) ? keys.then(use) : use(keys)
  }

  /** RFC 4954 section 9: those who guess are slowed down, before any secret is looked at. */
  #ifAllowed(username: string | undefined, go: () => MaybePromise<AuthAnswer>): MaybePromise<AuthAnswer> {
    const decide = (verdict: Verdict): MaybePromise<AuthAnswer> =>
      verdict.kind === 'accept' ? go() : { kind: 'unavailable', reply: verdict.reply }
    const verdict = this.#authenticator.allow?.(username, this.#info) ?? accept
    return isPromise(verdict) ? verdict.then(decide) : decide(verdict)
  }
}

function answerOf(result: AuthenticationResult): AuthAnswer {
  switch (result.kind) {
    case 'ok':
      return { kind: 'ok', identity: result.identity, reply: replies.authenticated }
    case 'denied':
      return badCredentials
    case 'unavailable':
      return unavailable
    default:
      return unreachable(result)
  }
}

function answerOfFailure(reason: Extract<ServerStep, { kind: 'failed' }>['reason']): AuthAnswer {
  switch (reason) {
    case 'malformed':
      return malformed
    case 'credentials':
      return badCredentials
    case 'binding':
      return badBinding
    case 'authzid':
      return noAuthzid
    default:
      return unreachable(reason)
  }
}
