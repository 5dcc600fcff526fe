// Owns keys that sign: reading them in the forms that people keep them in, making new ones, and the DNS record to publish.
// RFC 6376 section 3.6.1, RFC 8301 section 3.2 (at least 1024 bits, better 2048), RFC 8463 section 4.

import { createPrivateKey, createPublicKey, generateKeyPair, KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { tryParseDomain } from '../base/domain.ts'
import { UsageError } from '../base/usage-error.ts'
import type { KeyType } from './dkim-signature.ts'

/** PEM (PKCS #8 or PKCS #1), DER (PKCS #8), PEM with its pass phrase, or a key of node:crypto. */
export type PrivateKeyInput =
  | string
  | Uint8Array
  | KeyObject
  | { readonly key: string | Uint8Array; readonly passphrase: string }

/** Below it verifiers must not accept (RFC 8301 section 3.2). */
const rsaBitsMin = 1024

/** @throws UsageError that names `field` and never shows the key */
export function readPrivateKey(input: PrivateKeyInput, field: string): KeyObject {
  const key = importPrivateKey(input, field)
  const type = key.asymmetricKeyType
  if (type !== 'rsa' && type !== 'ed25519')
    throw new UsageError(field, `is a key of type ${type}: DKIM has RSA and Ed25519`)
  const bits = key.asymmetricKeyDetails?.modulusLength
  if (bits !== undefined && bits < rsaBitsMin)
    throw new UsageError(field, `has ${bits} bits: receivers want ${rsaBitsMin} at least, better 2048`)
  return key
}

function importPrivateKey(input: PrivateKeyInput, field: string): KeyObject {
  if (input instanceof KeyObject) {
    if (input.type !== 'private') throw new UsageError(field, 'is no private key')
    return input
  }
  try {
    if (typeof input === 'string') return createPrivateKey(input)
    if (!(input instanceof Uint8Array))
      return createPrivateKey({ key: Buffer.from(input.key), format: 'pem', passphrase: input.passphrase })
    const bytes = Buffer.from(input)
    return bytes.toString('latin1', 0, 5) === '-----'
      ? createPrivateKey(bytes)
      : createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' })
  } catch {
    throw new UsageError(
      field,
      'is no private key (PEM, or DER of PKCS #8; with its pass phrase where it has one)',
    )
  }
}

export const keyTypeOf = (key: KeyObject): KeyType => (key.asymmetricKeyType === 'rsa' ? 'rsa' : 'ed25519')

export interface DkimRecord {
  /** `selector._domainkey.domain` */
  readonly name: string
  readonly type: 'TXT'
  /** The record's text in one. */
  readonly text: string
  /** The text in strings of at most 255 octets, as DNS has them. */
  readonly strings: readonly string[]
  /** A line of a zone file. */
  readonly zoneLine: string
}

export interface DkimRecordInput {
  readonly domain: string
  readonly selector: string
  /** The private key, or its public half. */
  readonly key: PrivateKeyInput
  /** t=y: receivers shall not judge by it yet. Default false. */
  readonly testing?: boolean
}

/** What to publish for a key. @throws UsageError */
export function dkimRecord({ domain, selector, key, testing = false }: DkimRecordInput): DkimRecord {
  const { domain: zone, selector: label } = checkNames(domain, selector, '')
  const publicKey =
    key instanceof KeyObject && key.type === 'public' ? key : createPublicKey(readPrivateKey(key, 'key'))
  const type = keyTypeOf(publicKey)
  const der = publicKey.export({ format: 'der', type: 'spki' })
  // RFC 8463 section 4: the 32 octets, which end the DER, without what is around them.
  const octets = type === 'rsa' ? der : der.subarray(-32)
  const text = `v=DKIM1; k=${type};${testing ? ' t=y;' : ''} p=${octets.toString('base64')}`
  const strings = txtStrings(text)
  const name = `${label}._domainkey.${zone}`
  const quoted = strings.map((one) => `"${one}"`).join(' ')
  return {
    name,
    type: 'TXT',
    text,
    strings,
    zoneLine: `${name}. IN TXT ${strings.length > 1 ? `( ${quoted} )` : quoted}`,
  }
}

/** RFC 1035 section 3.3: a character-string has at most 255 octets. `text` is ASCII. */
export function txtStrings(text: string): readonly string[] {
  const strings: string[] = []
  for (let at = 0; at < text.length; at += 255) strings.push(text.slice(at, at + 255))
  return strings
}

// sub-domain *( "." sub-domain ): what a selector may be (RFC 6376 section 3.1).
const selectorText =
  /^(?=.{1,240}$)[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?)*$/i

/** @throws UsageError that names `prefix` and the field */
export function checkNames(
  domain: string,
  selector: string,
  prefix: string,
): { readonly domain: string; readonly selector: string } {
  const zone = tryParseDomain(String(domain))
  if (zone === undefined || zone.ascii.startsWith('['))
    throw new UsageError(`${prefix}domain`, 'is no domain name')
  if (!selectorText.test(selector))
    throw new UsageError(`${prefix}selector`, 'is no selector (letters, digits, hyphens, dots between)')
  return { domain: zone.ascii, selector }
}

const makeKeyPair = promisify(generateKeyPair)

/** A new key in PEM (PKCS #8), made off the event loop. `bits` (RSA): default 2048. @throws UsageError */
export async function generateDkimKey(type: KeyType = 'rsa', bits = 2048): Promise<string> {
  if (type === 'ed25519') {
    const { privateKey } = await makeKeyPair('ed25519', undefined)
    return privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  }
  if (!(bits >= rsaBitsMin && bits <= 4096))
    throw new UsageError('bits', `must be from ${rsaBitsMin} to 4096`)
  const { privateKey } = await makeKeyPair('rsa', { modulusLength: bits })
  return privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
}
