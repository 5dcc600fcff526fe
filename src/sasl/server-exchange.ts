// Owns the server's side of SASL: one exchange as steps, from the client's bytes to a password to check, keys to look up, a
// challenge or an end. Knows no accounts, no base64 framing, no I/O. Acting for another identity (authzid) is refused.
// RFC 4422, RFC 4616 (PLAIN), draft-murchison-sasl-login (LOGIN), RFC 5802 and 7677 (SCRAM), RFC 9266 (tls-exporter).

import { createHmac } from 'node:crypto'
import type { Random } from '../base/random.ts'
import type { ScramKeys } from '../base/scram-keys.ts'
import { saslprep } from './saslprep.ts'
import {
  bindingData,
  type ChannelBinding,
  decodeUtf8,
  decodeValue,
  encodeNonce,
  isEqual,
  isNonce,
  isProof,
  iterationCountMin,
  messageBytesMax,
  messageText,
  nameBytesMax,
  nonceBytes,
  serverSignature,
  unescapeName,
} from './scram.ts'

export type Mechanism = 'PLAIN' | 'LOGIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS'

/**
 * malformed: not the mechanism's grammar, too long, or prohibited by SASLprep. credentials: wrong proof, unknown user.
 * binding: the channel binding does not match, or somebody hid from the client that we offer it. authzid: it asked to act
 * for another.
 */
export type ServerFailure = 'malformed' | 'credentials' | 'binding' | 'authzid'

export type ServerStep =
  /** Send it, then `step` with the client's answer. May be empty. */
  | { readonly kind: 'challenge'; readonly bytes: Uint8Array }
  /** Check it; the exchange is over. Both are prepared (SASLprep) and not empty. */
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  /** Look up the account's keys, then call `useKeys`. */
  | { readonly kind: 'scram-lookup'; readonly username: string }
  /** SCRAM: the client proved that it knows the password of `username`. */
  | { readonly kind: 'done'; readonly username: string }
  | { readonly kind: 'failed'; readonly reason: ServerFailure; readonly username?: string }

export interface ServerExchange {
  readonly mechanism: Mechanism
  /** The client's bytes, decoded; undefined: it sent no initial response. Not to be called after the end. */
  step(response: Uint8Array | undefined): ServerStep
  /** After 'scram-lookup': undefined plays on with made-up keys and fails where a wrong password would. */
  useKeys(keys: ScramKeys | undefined): ServerStep
}

export interface ServerExchangeOptions {
  readonly random: Random
  /** Secret of the process (32 random octets): makes the salts of accounts that do not exist. */
  readonly decoyKey: Uint8Array
  /** Of the TLS connection; undefined without TLS. */
  readonly channelBinding?: ChannelBinding | undefined
  /** Iterations that accounts have here, shown for those that do not exist. Default 4096. */
  readonly iterationCount?: number
}

const mechanisms: readonly Mechanism[] = ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'PLAIN', 'LOGIN']

/** What can be offered, best first. `scram` and `passwords` say what the accounts here have. */
export function offeredMechanisms(options: {
  readonly passwords: boolean
  readonly scram: boolean
  readonly channelBinding?: ChannelBinding | undefined
}): readonly Mechanism[] {
  return mechanisms.filter((mechanism) => {
    if (mechanism === 'SCRAM-SHA-256-PLUS') return options.scram && canBind(options.channelBinding)
    return mechanism === 'SCRAM-SHA-256' ? options.scram : options.passwords
  })
}

const canBind = (binding: ChannelBinding | undefined): boolean =>
  binding?.serverEndPoint !== undefined || binding?.exporter !== undefined

/** Undefined for a mechanism that we do not have; whether it was offered is the caller's to check. */
export function createServerExchange(
  mechanism: string,
  options: ServerExchangeOptions,
): ServerExchange | undefined {
  switch (mechanism.toUpperCase()) {
    case 'PLAIN':
      return new PlainExchange()
    case 'LOGIN':
      return new LoginExchange()
    case 'SCRAM-SHA-256':
      return new ScramExchange('SCRAM-SHA-256', options)
    case 'SCRAM-SHA-256-PLUS':
      return canBind(options.channelBinding) ? new ScramExchange('SCRAM-SHA-256-PLUS', options) : undefined
    default:
      return undefined
  }
}

const noBytes = new Uint8Array(0)
const failed = (reason: ServerFailure, username?: string): ServerStep =>
  username === undefined ? { kind: 'failed', reason } : { kind: 'failed', reason, username }
const challenge = (text: string): ServerStep => ({ kind: 'challenge', bytes: Buffer.from(text) })

/** Prepared, bounded and not empty; undefined otherwise. */
function prepared(text: string | undefined): string | undefined {
  if (text === undefined || Buffer.byteLength(text) > nameBytesMax) return undefined
  const result = saslprep(text)
  return result === '' ? undefined : result
}

function passwordStep(username: string | undefined, password: string | undefined): ServerStep {
  const name = prepared(username)
  const secret = prepared(password)
  if (name === undefined || secret === undefined) return failed('malformed')
  return { kind: 'password', username: name, password: secret }
}

const noKeys = (): never => {
  throw new TypeError('this mechanism asks for no keys')
}

class PlainExchange implements ServerExchange {
  readonly mechanism = 'PLAIN'
  readonly useKeys = noKeys

  step(response: Uint8Array | undefined): ServerStep {
    if (response === undefined) return { kind: 'challenge', bytes: noBytes }
    if (response.length > messageBytesMax) return failed('malformed')
    // RFC 4616 section 2: message = [authzid] UTF8NUL authcid UTF8NUL passwd
    const parts = decodeUtf8(response)?.split('\0')
    if (parts?.length !== 3) return failed('malformed')
    const [authzid, username, password] = parts
    const step = passwordStep(username, password)
    if (
      step.kind === 'password' &&
      authzid !== '' &&
      authzid !== undefined &&
      saslprep(authzid) !== step.username
    )
      return failed('authzid', step.username)
    return step
  }
}

class LoginExchange implements ServerExchange {
  readonly mechanism = 'LOGIN'
  readonly useKeys = noKeys
  #username: string | undefined

  step(response: Uint8Array | undefined): ServerStep {
    // The prompts that clients compare with, letter for letter.
    if (response === undefined) return challenge('Username:')
    const text = messageText(response)
    if (text === undefined) return failed('malformed')
    if (this.#username !== undefined) return passwordStep(this.#username, text)
    if (text === '') return failed('malformed')
    this.#username = text
    return challenge('Password:')
  }
}

/** Modes: first (client-first-message is due), keys (useKeys is due), final (client-final-message is due), end (the empty answer). */
class ScramExchange implements ServerExchange {
  readonly mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS'
  readonly #options: ServerExchangeOptions
  #mode: 'first' | 'keys' | 'final' | 'end' | 'over' = 'first'
  #username = ''
  #nonce = ''
  #clientFirstBare = ''
  #serverFirst = ''
  /** gs2-header and channel binding data: what `c=` must be. */
  #bound: Uint8Array = noBytes
  #keys: ScramKeys | undefined
  #isReal = false

  constructor(mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS', options: ServerExchangeOptions) {
    this.mechanism = mechanism
    this.#options = options
  }

  step(response: Uint8Array | undefined): ServerStep {
    if (response === undefined && this.#mode === 'first') return { kind: 'challenge', bytes: noBytes }
    const step = this.#step(messageText(response ?? noBytes))
    if (step.kind === 'failed' || step.kind === 'done') this.#mode = 'over'
    return step
  }

  #step(text: string | undefined): ServerStep {
    if (text === undefined) return this.#failed('malformed')
    switch (this.#mode) {
      case 'first':
        return this.#first(text)
      case 'final':
        return this.#final(text)
      case 'end':
        // RFC 4954 section 4: SMTP has no data with success, so our proof went as a challenge.
        return text === '' ? { kind: 'done', username: this.#username } : this.#failed('malformed')
      default:
        return this.#failed('malformed')
    }
  }

  #failed(reason: ServerFailure): ServerStep {
    return failed(reason, this.#username === '' ? undefined : this.#username)
  }

  /** RFC 5802 section 7: client-first-message = gs2-cbind-flag "," [authzid] "," [reserved-mext ","] username "," nonce [...] */
  #first(text: string): ServerStep {
    const [flag, authzid, ...bare] = text.split(',')
    const [name, nonce] = bare
    // 'm=' in place of the name is an extension that we must understand, and do not.
    if (flag === undefined || !name?.startsWith('n=') || !nonce?.startsWith('r=') || !isNonce(nonce.slice(2)))
      return failed('malformed')
    if (!/^(?:n|y|p=[A-Za-z0-9.-]{1,64})$/.test(flag)) return failed('malformed')
    const username = prepared(unescapeName(name.slice(2)))
    if (username === undefined) return failed('malformed')
    this.#username = username
    if (authzid !== '') {
      if (!authzid?.startsWith('a=')) return this.#failed('malformed')
      if (prepared(unescapeName(authzid.slice(2))) !== username) return this.#failed('authzid')
    }
    const data = this.#bindingFor(flag)
    if (data === undefined) return this.#failed('binding')
    this.#bound = Buffer.concat([Buffer.from(`${flag},${authzid},`), data])
    this.#clientFirstBare = bare.join(',')
    this.#nonce = nonce.slice(2) + encodeNonce(this.#options.random.bytes(nonceBytes))
    this.#mode = 'keys'
    return { kind: 'scram-lookup', username }
  }

  /** RFC 5802 section 6. Undefined: refuse. */
  #bindingFor(flag: string): Uint8Array | undefined {
    const { channelBinding } = this.#options
    if (this.mechanism === 'SCRAM-SHA-256-PLUS')
      return flag.startsWith('p=') ? bindingData(channelBinding, flag.slice(2)) : undefined
    // 'y': it could bind and believes that we cannot. Where we offer it, somebody has removed it from our list.
    if (flag === 'y') return canBind(channelBinding) ? undefined : noBytes
    return flag === 'n' ? noBytes : undefined
  }

  useKeys(keys: ScramKeys | undefined): ServerStep {
    if (this.#mode !== 'keys') throw new TypeError('no keys were asked for')
    this.#isReal = keys !== undefined
    this.#keys = keys ?? this.#decoy()
    const { salt, iterationCount } = this.#keys
    this.#serverFirst = `r=${this.#nonce},s=${Buffer.from(salt).toString('base64')},i=${iterationCount}`
    this.#mode = 'final'
    return challenge(this.#serverFirst)
  }

  /** The same name always gets the same salt, as it would if it existed. */
  #decoy(): ScramKeys {
    const { decoyKey, iterationCount = iterationCountMin } = this.#options
    const make = (what: string): Buffer =>
      createHmac('sha256', decoyKey).update(`${what}\0${this.#username.toLowerCase()}`).digest()
    return {
      salt: make('salt').subarray(0, 16),
      iterationCount,
      storedKey: make('stored'),
      serverKey: make('server'),
    }
  }

  /** client-final-message = channel-binding "," nonce ["," extensions] "," proof */
  #final(text: string): ServerStep {
    const proofAt = text.lastIndexOf(',p=')
    const withoutProof = text.slice(0, Math.max(0, proofAt))
    const [bound, nonce] = withoutProof.split(',')
    const given = decodeValue(bound, 'c')
    const proof = proofAt === -1 ? undefined : decodeValue(text.slice(proofAt + 1), 'p')
    const keys = this.#keys
    if (given === undefined || proof === undefined || proof.length !== 32 || keys === undefined)
      return this.#failed('malformed')
    if (nonce !== `r=${this.#nonce}`) return this.#failed('malformed')
    if (!isEqual(given, this.#bound)) return this.#failed('binding')
    const authMessage = `${this.#clientFirstBare},${this.#serverFirst},${withoutProof}`
    const proved = isProof(proof, keys.storedKey, authMessage)
    const signature = serverSignature(keys.serverKey, authMessage)
    if (!proved || !this.#isReal) return this.#failed('credentials')
    this.#mode = 'end'
    return challenge(`v=${signature.toString('base64')}`)
  }
}
