// Owns the client's side of the mechanisms that carry an OAuth 2.0 access token: XOAUTH2 and OAUTHBEARER. Where the token
// comes from is the caller's. RFC 7628 (OAUTHBEARER), RFC 6750 (bearer tokens), RFC 5801 section 4 (gs2 header).

import { SaslError } from './client-exchange.ts'
import { escapeName } from './scram.ts'

export interface BearerCredentials {
  readonly user: string
  readonly token: string
  /** The server that is asked, for OAUTHBEARER (RFC 7628 section 3.1). */
  readonly host?: string
  readonly port?: number
}

const problemCharsMax = 500

/** Fits the client machine's AuthExchange. After a refusal `problem` is what the server said about the token. */
export class BearerClient {
  readonly mechanism: 'XOAUTH2' | 'OAUTHBEARER'
  /** As the server sent it: JSON with `status`, `scope` ... (RFC 7628 section 3.2.2). */
  problem: string | undefined
  readonly #message: string
  #said = false

  /** @throws SaslError for a token or user name that cannot be sent */
  constructor(mechanism: 'XOAUTH2' | 'OAUTHBEARER', credentials: BearerCredentials) {
    const { user, token, host, port } = credentials
    // RFC 6750 section 2.1: b64token; a little more is let through, but nothing that could end the field.
    if (!/^[\x21-\x7e]+$/.test(token)) throw new SaslError('the access token is empty or has blanks')
    if (user === '' || /[\x00-\x1f\x7f]/.test(user))
      throw new SaslError('the user name is empty or has controls')
    this.mechanism = mechanism
    this.problem = undefined
    if (mechanism === 'XOAUTH2') this.#message = `user=${user}\x01auth=Bearer ${token}\x01\x01`
    else {
      const place = `${host === undefined ? '' : `host=${host}\x01`}${port === undefined ? '' : `port=${port}\x01`}`
      this.#message = `n,a=${escapeName(user)},\x01${place}auth=Bearer ${token}\x01\x01`
    }
  }

  initial(): Uint8Array {
    this.#said = true
    return Buffer.from(this.#message)
  }

  respond(challenge: Uint8Array): Uint8Array {
    if (!this.#said) return this.initial()
    if (this.problem !== undefined) throw new SaslError(`${this.mechanism}: unexpected challenge`)
    this.problem = Buffer.from(challenge).toString('utf8').slice(0, problemCharsMax)
    // RFC 7628 section 3.2.3: the error is acknowledged by a lone 0x01; XOAUTH2 wants an empty answer.
    return this.mechanism === 'OAUTHBEARER' ? Buffer.from('\x01') : Buffer.alloc(0)
  }

  finish(): void {
    if (this.problem !== undefined) throw new SaslError(`${this.mechanism}: success behind an error`)
  }
}
