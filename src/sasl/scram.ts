// Owns what both sides of SCRAM share: its messages as text, its keys and its proofs; SHA-256, and SHA-1 for clients of old
// servers. No I/O, no state.
// RFC 5802, RFC 7677 (SHA-256), RFC 5929 section 4 (tls-server-end-point), RFC 9266 (tls-exporter).

import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto'

/** RFC 7677 section 4: a server uses at least this, a client accepts no less. */
export const iterationCountMin = 4096
/** More would only keep us busy: about 50 ms of a core. Whoever asks for it is no friend. */
export const iterationCountMax = 200_000
export const nonceBytes = 18
/** A message of either side; names and passwords have 1,000 octets at most. */
export const messageBytesMax = 4096
export const nameBytesMax = 1000

export type ChannelBindingType = 'tls-server-end-point' | 'tls-exporter'

/** What a connection can be bound by; both absent: nothing. TlsInfo has this shape. */
export interface ChannelBinding {
  readonly serverEndPoint?: Uint8Array
  readonly exporter?: Uint8Array
}

export function bindingData(binding: ChannelBinding | undefined, type: string): Uint8Array | undefined {
  if (type === 'tls-server-end-point') return binding?.serverEndPoint
  return type === 'tls-exporter' ? binding?.exporter : undefined
}

export type ScramHash = 'sha256' | 'sha1'

const hashBytes: Readonly<Record<ScramHash, number>> = { sha256: 32, sha1: 20 }

const hmac = (key: Uint8Array, data: string | Uint8Array, hash: ScramHash = 'sha256'): Buffer =>
  createHmac(hash, key).update(data).digest()
const digest = (data: Uint8Array, hash: ScramHash = 'sha256'): Buffer =>
  createHash(hash).update(data).digest()

/** RFC 5802 section 3. */
export interface ClientKeys {
  readonly clientKey: Uint8Array
  readonly storedKey: Uint8Array
  readonly serverKey: Uint8Array
}

export function keysOf(saltedPassword: Uint8Array, hash: ScramHash = 'sha256'): ClientKeys {
  const clientKey = hmac(saltedPassword, 'Client Key', hash)
  const serverKey = hmac(saltedPassword, 'Server Key', hash)
  return { clientKey, storedKey: digest(clientKey, hash), serverKey }
}

/** Blocks for `iterationCount`; `password` is prepared already. */
export const clientKeysSync = (
  password: string,
  salt: Uint8Array,
  iterationCount: number,
  hash: ScramHash = 'sha256',
): ClientKeys => keysOf(pbkdf2Sync(password, salt, iterationCount, hashBytes[hash], hash), hash)

export const clientProof = (keys: ClientKeys, authMessage: string, hash: ScramHash = 'sha256'): Buffer =>
  xor(keys.clientKey, hmac(keys.storedKey, authMessage, hash))

/** Constant time. */
export function isProof(proof: Uint8Array, storedKey: Uint8Array, authMessage: string): boolean {
  const clientKey = xor(proof, hmac(storedKey, authMessage))
  return timingSafeEqual(digest(clientKey), storedKey)
}

export const serverSignature = (
  serverKey: Uint8Array,
  authMessage: string,
  hash: ScramHash = 'sha256',
): Buffer => hmac(serverKey, authMessage, hash)

function xor(one: Uint8Array, other: Uint8Array): Buffer {
  return Buffer.from(one.map((octet, i) => octet ^ (other[i] as number)))
}

/** Equal lengths and contents, in time that depends on lengths alone. */
export const isEqual = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && timingSafeEqual(one, other)

/** RFC 5802 section 5.1: saslname. */
export const escapeName = (name: string): string => name.replaceAll('=', '=3D').replaceAll(',', '=2C')

/** Undefined for `=` that is neither `=2C` nor `=3D`. */
export function unescapeName(text: string): string | undefined {
  if (/=(?!2C|3D)/.test(text)) return undefined
  return text.replaceAll('=2C', ',').replaceAll('=3D', '=')
}

/** RFC 5802 section 7: printable without the comma. */
export const isNonce = (text: string): boolean => /^[\x21-\x2b\x2d-\x7e]{8,512}$/.test(text)

/** Strict base64 of `attribute=...`; undefined where it is not. */
export function decodeValue(text: string | undefined, attribute: string): Buffer | undefined {
  if (text === undefined || !text.startsWith(`${attribute}=`)) return undefined
  const bytes = Buffer.from(text.slice(2), 'base64')
  return bytes.toString('base64') === text.slice(2) ? bytes : undefined
}

export const encodeNonce = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

/** UTF-8 without NUL and within the limit; undefined for anything else. */
export function messageText(bytes: Uint8Array): string | undefined {
  if (bytes.length > messageBytesMax) return undefined
  const text = decodeUtf8(bytes)
  return text?.includes('\0') ? undefined : text
}

export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
