// Owns the client's side of CRAM-MD5: for old servers that know nothing better. The password does not travel, but who
// listens can guess it at leisure, so it counts as a mechanism that needs TLS. RFC 2195.

import { createHmac } from 'node:crypto'
import { type SaslCredentials, SaslError } from './client-exchange.ts'

const challengeBytesMax = 4096

/** Fits the client machine's AuthExchange. */
export class CramMd5Client {
  readonly mechanism = 'CRAM-MD5'
  readonly #credentials: SaslCredentials
  #answered = false

  /** @throws SaslError for a user name or password that cannot be sent */
  constructor(credentials: SaslCredentials) {
    const { user, password } = credentials
    if (user === '' || password === '' || /[\x00-\x20\x7f]/.test(user))
      throw new SaslError('CRAM-MD5: the user name or password is empty, or the name has blanks')
    this.#credentials = credentials
  }

  initial(): undefined {
    return undefined
  }

  /** RFC 2195 section 2: user, space, the keyed digest in lower-case hexadecimal. */
  respond(challenge: Uint8Array): Uint8Array {
    if (this.#answered) throw new SaslError('CRAM-MD5: unexpected challenge')
    if (challenge.length === 0 || challenge.length > challengeBytesMax)
      throw new SaslError('CRAM-MD5: the challenge is empty or too long')
    this.#answered = true
    const { user, password } = this.#credentials
    return Buffer.from(`${user} ${createHmac('md5', password).update(challenge).digest('hex')}`)
  }

  finish(): void {
    if (!this.#answered) throw new SaslError('CRAM-MD5: success without a challenge')
  }
}
