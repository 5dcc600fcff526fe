// Owns the client's side of SASL: one exchange as an initial response and answers to challenges, and the choice of it.
// Base64 and lines are the caller's. A server that does not prove itself in SCRAM is refused even after its "success".
// RFC 4422, RFC 4616 (PLAIN), RFC 5802 and 7677 (SCRAM), RFC 5929 section 4, RFC 9266.

import type { Random } from '../base/random.ts'
import { saslprep } from './saslprep.ts'
import {
  bindingData,
  type ChannelBinding,
  type ChannelBindingType,
  type ClientKeys,
  clientKeysSync,
  clientProof,
  decodeValue,
  encodeNonce,
  escapeName,
  isEqual,
  isNonce,
  iterationCountMax,
  iterationCountMin,
  messageText,
  nonceBytes,
  type ScramHash,
  serverSignature,
} from './scram.ts'
import type { Mechanism } from './server-exchange.ts'

/** The server broke the exchange, or cannot be trusted; the text is for logs. */
export class SaslError extends Error {
  override readonly name = 'SaslError'
}

export interface SaslCredentials {
  readonly user: string
  readonly password: string
}

/** SCRAM-SHA-1 (RFC 5802) is for old servers, and only where it is asked for by name. */
export type ClientMechanism = Mechanism | 'SCRAM-SHA-1'

/** Fits the client machine's AuthExchange. `respond` and `finish` throw {@link SaslError}: then cancel with `*`. */
export interface ClientExchange {
  readonly mechanism: ClientMechanism
  /** Undefined: the server speaks first. */
  initial(): Uint8Array | undefined
  respond(challenge: Uint8Array): Uint8Array
  /** After the server's success: throws when it has not proved that it knows the password (SCRAM). */
  finish(): void
}

export interface ClientExchangeOptions {
  readonly random: Random
  /** Of the TLS connection, both kinds where it has them (on TLS 1.3 tls-exporter goes first, RFC 9266 section 3). */
  readonly channelBinding?: ChannelBinding | undefined
  /** The server's list had SCRAM-SHA-256-PLUS: otherwise we say that we could have bound (flag 'y'). */
  readonly plusOffered?: boolean
}

const preference: readonly Mechanism[] = ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'PLAIN', 'LOGIN']

/** The best of what is offered and not in `except` (mechanisms that were refused before); undefined where none will do. */
export function chooseClientExchange(
  offered: readonly string[],
  credentials: SaslCredentials,
  options: Omit<ClientExchangeOptions, 'plusOffered'> & { readonly except?: readonly string[] },
): ClientExchange | undefined {
  const upper = offered.map((name) => name.toUpperCase())
  const plusOffered = upper.includes('SCRAM-SHA-256-PLUS')
  const mechanism = preference.find(
    (name) =>
      upper.includes(name) &&
      options.except?.includes(name) !== true &&
      (name !== 'SCRAM-SHA-256-PLUS' || bindingType(options.channelBinding) !== undefined),
  )
  if (mechanism === undefined) return undefined
  return createClientExchange(mechanism, credentials, { ...options, plusOffered })
}

/** @throws SaslError where the credentials cannot be prepared, or PLUS has nothing to bind to */
export function createClientExchange(
  mechanism: ClientMechanism,
  credentials: SaslCredentials,
  options: ClientExchangeOptions,
): ClientExchange {
  switch (mechanism) {
    case 'PLAIN':
      return new PlainClient(credentials)
    case 'LOGIN':
      return new LoginClient(credentials)
    default:
      return new ScramClient(mechanism, credentials, options)
  }
}

function bindingType(binding: ChannelBinding | undefined): ChannelBindingType | undefined {
  if (binding?.exporter !== undefined) return 'tls-exporter'
  return binding?.serverEndPoint === undefined ? undefined : 'tls-server-end-point'
}

const surprise = (mechanism: string): never => {
  throw new SaslError(`${mechanism}: unexpected challenge`)
}

/** A NUL cannot travel; for the rest the server's own preparation counts (RFC 4616 section 2), ours is a courtesy. */
function plainText(what: string, text: string): string {
  if (text === '' || text.includes('\0')) throw new SaslError(`the ${what} is empty or has a NUL`)
  return saslprep(text) ?? text
}

class PlainClient implements ClientExchange {
  readonly mechanism = 'PLAIN'
  readonly #message: Uint8Array
  #sent = false

  constructor({ user, password }: SaslCredentials) {
    this.#message = Buffer.from(`\0${plainText('user name', user)}\0${plainText('password', password)}`)
  }

  initial(): Uint8Array {
    this.#sent = true
    return this.#message
  }

  respond(): Uint8Array {
    return this.#sent ? surprise('PLAIN') : this.initial()
  }

  finish(): void {}
}

class LoginClient implements ClientExchange {
  readonly mechanism = 'LOGIN'
  readonly #answers: string[]

  constructor({ user, password }: SaslCredentials) {
    this.#answers = [plainText('user name', user), plainText('password', password)]
  }

  initial(): undefined {
    return undefined
  }

  /** User name, then password, whatever the prompts say: their words differ from server to server. */
  respond(): Uint8Array {
    const answer = this.#answers.shift()
    return answer === undefined ? surprise('LOGIN') : Buffer.from(answer)
  }

  finish(): void {}
}

/** The keys of the last salt, per credentials: a relay logs in again and again, and each derivation costs milliseconds. */
const derived = new WeakMap<
  SaslCredentials,
  { readonly salt: Buffer; readonly count: number; readonly hash: ScramHash; readonly keys: ClientKeys }
>()

function keysFor(
  credentials: SaslCredentials,
  password: string,
  salt: Buffer,
  count: number,
  hash: ScramHash,
): ClientKeys {
  const known = derived.get(credentials)
  if (known?.count === count && known.hash === hash && known.salt.equals(salt)) return known.keys
  const keys = clientKeysSync(password, salt, count, hash)
  derived.set(credentials, { salt, count, hash, keys })
  return keys
}

class ScramClient implements ClientExchange {
  readonly mechanism: 'SCRAM-SHA-1' | 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS'
  readonly #hash: ScramHash
  readonly #credentials: SaslCredentials
  readonly #password: string
  readonly #gs2Header: string
  readonly #bindingData: Uint8Array
  readonly #nonce: string
  readonly #firstBare: string
  #stage: 'initial' | 'first' | 'final' | 'proved' = 'initial'
  #expected: Uint8Array = Buffer.alloc(0)

  constructor(
    mechanism: 'SCRAM-SHA-1' | 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS',
    credentials: SaslCredentials,
    options: ClientExchangeOptions,
  ) {
    const user = saslprep(credentials.user)
    const password = saslprep(credentials.password)
    if (user === undefined || user === '' || password === undefined || password === '')
      throw new SaslError('user name or password is empty or has characters that SASLprep prohibits')
    this.mechanism = mechanism
    this.#hash = mechanism === 'SCRAM-SHA-1' ? 'sha1' : 'sha256'
    this.#credentials = credentials
    this.#password = password
    const type = bindingType(options.channelBinding)
    if (mechanism === 'SCRAM-SHA-256-PLUS') {
      if (type === undefined) throw new SaslError('there is no channel to bind to')
      this.#gs2Header = `p=${type},,`
      this.#bindingData = bindingData(options.channelBinding, type) ?? Buffer.alloc(0)
    } else {
      // RFC 5802 section 6: 'y' lets an honest server notice that its PLUS was hidden from us.
      const couldBind = mechanism !== 'SCRAM-SHA-1' && type !== undefined
      this.#gs2Header = couldBind && options.plusOffered !== true ? 'y,,' : 'n,,'
      this.#bindingData = Buffer.alloc(0)
    }
    this.#nonce = encodeNonce(options.random.bytes(nonceBytes))
    this.#firstBare = `n=${escapeName(user)},r=${this.#nonce}`
  }

  initial(): Uint8Array {
    this.#stage = 'first'
    return Buffer.from(this.#gs2Header + this.#firstBare)
  }

  respond(challenge: Uint8Array): Uint8Array {
    const text = messageText(challenge)
    if (text === undefined) throw new SaslError('SCRAM: the challenge is too long or no UTF-8')
    switch (this.#stage) {
      case 'initial':
        return text === '' ? this.initial() : surprise(this.mechanism)
      case 'first':
        return this.#final(text)
      case 'final':
        this.#check(text)
        return Buffer.alloc(0)
      default:
        return surprise(this.mechanism)
    }
  }

  /** server-first-message = [reserved-mext ","] nonce "," salt "," iteration-count ["," extensions] */
  #final(serverFirst: string): Uint8Array {
    const [nonceText, saltText, countText] = serverFirst.split(',')
    const nonce = nonceText?.startsWith('r=') ? nonceText.slice(2) : ''
    // The server must add to our nonce, or an old answer could be played again.
    if (!isNonce(nonce) || !nonce.startsWith(this.#nonce) || nonce.length < this.#nonce.length + 8)
      throw new SaslError('SCRAM: the nonce is not ours with enough of its own')
    const salt = decodeValue(saltText, 's')
    if (salt === undefined || salt.length < 4 || salt.length > 1024) throw new SaslError('SCRAM: bad salt')
    const count = /^i=[1-9]\d{0,8}$/.test(countText ?? '') ? Number(countText?.slice(2)) : 0
    if (count < iterationCountMin || count > iterationCountMax)
      throw new SaslError(`SCRAM: iteration count not within ${iterationCountMin} and ${iterationCountMax}`)
    const bound = Buffer.concat([Buffer.from(this.#gs2Header), this.#bindingData]).toString('base64')
    const withoutProof = `c=${bound},r=${nonce}`
    const authMessage = `${this.#firstBare},${serverFirst},${withoutProof}`
    const keys = keysFor(this.#credentials, this.#password, salt, count, this.#hash)
    this.#expected = serverSignature(keys.serverKey, authMessage, this.#hash)
    this.#stage = 'final'
    return Buffer.from(`${withoutProof},p=${clientProof(keys, authMessage, this.#hash).toString('base64')}`)
  }

  /** server-final-message = (server-error / verifier) ["," extensions] */
  #check(serverFinal: string): void {
    const [first] = serverFinal.split(',')
    if (first?.startsWith('e='))
      throw new SaslError(`SCRAM: the server says ${JSON.stringify(first.slice(2, 66))}`)
    const signature = decodeValue(first, 'v')
    if (signature === undefined || !isEqual(signature, this.#expected))
      throw new SaslError('SCRAM: the server does not know the password')
    this.#stage = 'proved'
  }

  finish(): void {
    if (this.#stage !== 'proved') throw new SaslError('SCRAM: success without proof from the server')
  }
}
