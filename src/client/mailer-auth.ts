// Owns logging in for a mailer: which mechanism, best first and never in the clear unless allowed, and the access token,
// kept until it ends or is refused. The words on the wire are sasl's. RFC 4954, RFC 7628.

import type { Clock } from '../base/clock.ts'
import type { TlsInfo } from '../base/connection.ts'
import type { Random } from '../base/random.ts'
import { BearerClient } from '../sasl/bearer.ts'
import { chooseClientExchange, createClientExchange, type SaslCredentials } from '../sasl/client-exchange.ts'
import { CramMd5Client } from '../sasl/cram-md5.ts'
import type { AuthExchange } from '../smtp/client-events.ts'
import type { AuthChooser } from './auth.ts'
import type { AccessToken, TokenSource } from './mailer-options.ts'
import { withinDeadline } from './step-deadline.ts'
import { untilAborted } from './until-aborted.ts'

/** Asked for anew so long before it ends: a connection takes a while to open. */
const tokenMarginMs = 60_000
/** A source that has not answered by then is not waited for: a mailer could never be closed. */
const tokenMsMax = 120_000
const never = new AbortController().signal

/** One token for all connections; asked for once however many wait. */
export class TokenKeeper {
  readonly #user: string
  readonly #source: string | TokenSource
  readonly #clock: Clock
  #kept: AccessToken | undefined
  #pending: Promise<AccessToken> | undefined

  constructor(user: string, source: string | TokenSource, clock: Clock) {
    this.#user = user
    this.#source = source
    this.#clock = clock
  }

  /** A refused token can be replaced. */
  get refreshes(): boolean {
    return typeof this.#source === 'function'
  }

  /** `refused`: this one will not do any more. Rejects with what the source threw. */
  async get(
    signal: AbortSignal,
    refused?: string,
  ): Promise<{ readonly token: string; readonly fresh: boolean }> {
    if (typeof this.#source === 'string') return { token: this.#source, fresh: true }
    const kept = this.#kept
    const lasts = kept?.expiresAt === undefined || this.#clock.now() < kept.expiresAt - tokenMarginMs
    if (kept !== undefined && lasts && kept.token !== refused) return { token: kept.token, fresh: false }
    this.#pending ??= this.#ask(this.#source, refused !== undefined)
    const { token, kept: old = false } = await untilAborted(this.#pending, signal)
    return { token, fresh: !old }
  }

  async #ask(source: TokenSource, refresh: boolean): Promise<AccessToken> {
    try {
      const step = await withinDeadline(this.#clock, tokenMsMax, never, async () =>
        source({ user: this.#user, refresh }),
      )
      if (step.kind === 'failed') throw step.error
      if (step.kind !== 'done')
        throw new Error(`the token source gave no answer in ${tokenMsMax / 1000} seconds`)
      const answer = step.value
      const token = typeof answer === 'string' ? { token: answer } : answer
      if (typeof token?.token !== 'string' || token.token === '')
        throw new TypeError('the token source gave no token')
      this.#kept = token
      return token
    } finally {
      this.#pending = undefined
    }
  }
}

export interface MailerAuthOptions {
  readonly random: Random
  readonly allowClear: boolean
  /** Only these, in this order. */
  readonly mechanisms?: readonly string[] | undefined
  /** For OAUTHBEARER. */
  readonly host: string
  readonly port: number
  /** Told of each exchange that is begun. */
  readonly begun: (exchange: AuthExchange) => void
}

export type LoginSecret = SaslCredentials | { readonly user: string; readonly token: string }

/** Keep the credentials object: keys derived from the password are remembered with it. */
export function loginChooser(secret: LoginSecret, options: MailerAuthOptions): AuthChooser {
  return (offered, tls, refused) => {
    if (tls === undefined && !options.allowClear) return undefined
    const wanted = options.mechanisms?.map((one) => one.toUpperCase())
    const usable = offered.filter((one) => !refused.includes(one) && (wanted?.includes(one) ?? true))
    const exchange =
      'token' in secret
        ? bearer(usable, wanted, secret, options)
        : password(offered, usable, wanted, secret, tls, options)
    if (exchange !== undefined) options.begun(exchange)
    return exchange
  }
}

function bearer(
  usable: readonly string[],
  wanted: readonly string[] | undefined,
  secret: { readonly user: string; readonly token: string },
  { host, port }: MailerAuthOptions,
): AuthExchange | undefined {
  const order = wanted ?? ['OAUTHBEARER', 'XOAUTH2']
  for (const name of order)
    if ((name === 'OAUTHBEARER' || name === 'XOAUTH2') && usable.includes(name))
      return new BearerClient(name, { ...secret, host, port })
  return undefined
}

function password(
  offered: readonly string[],
  usable: readonly string[],
  wanted: readonly string[] | undefined,
  credentials: SaslCredentials,
  tls: TlsInfo | undefined,
  { random }: MailerAuthOptions,
): AuthExchange | undefined {
  const plusOffered = offered.includes('SCRAM-SHA-256-PLUS')
  const bound = tls?.exporter !== undefined || tls?.serverEndPoint !== undefined
  const scram = usable.some((one) => one.startsWith('SCRAM-SHA-256'))
  // Within TLS a password is safe on its way, and CRAM-MD5 often promised but not kept; in the clear it is better.
  const cramFirst = tls === undefined && !scram
  if (wanted !== undefined) {
    for (const name of wanted) {
      if (!usable.includes(name)) continue
      if (name === 'CRAM-MD5') return new CramMd5Client(credentials)
      if (name === 'SCRAM-SHA-256-PLUS' && !bound) continue
      if (name === 'PLAIN' || name === 'LOGIN' || name === 'SCRAM-SHA-256' || name === 'SCRAM-SHA-256-PLUS')
        return createClientExchange(name, credentials, { random, channelBinding: tls, plusOffered })
    }
    return undefined
  }
  if (cramFirst && usable.includes('CRAM-MD5')) return new CramMd5Client(credentials)
  const except = offered.filter((one) => !usable.includes(one))
  const chosen = chooseClientExchange(offered, credentials, { random, channelBinding: tls, except })
  return chosen ?? (usable.includes('CRAM-MD5') ? new CramMd5Client(credentials) : undefined)
}
