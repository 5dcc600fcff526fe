// Owns reading signed requests as an authority does: form, signature by node:crypto, who signed. RFC 8555 section 6.2, RFC
// 7515 section 5.2, RFC 7638 (thumbprint).

import {
  createHash,
  createHmac,
  createPublicKey,
  type JsonWebKey,
  timingSafeEqual,
  verify,
} from 'node:crypto'

export interface Jws {
  readonly protected: string
  readonly payload: string
  readonly signature: string
}

export interface JwsHeader {
  readonly alg: string
  readonly url: string
  readonly nonce?: string
  readonly kid?: string
  readonly jwk?: JsonWebKey
}

const decode = (text: string): Buffer => Buffer.from(text, 'base64url')
const isBase64url = (value: unknown): value is string => typeof value === 'string' && /^[\w-]*$/.test(value)

/** @throws Error where it is no flattened JWS with a protected header alone */
export function readJws(body: string): { readonly jws: Jws; readonly header: JwsHeader } {
  const jws = JSON.parse(body) as Record<string, unknown>
  const { protected: head, payload, signature, ...rest } = jws
  if (!isBase64url(head) || !isBase64url(payload) || !isBase64url(signature) || Object.keys(rest).length > 0)
    throw new Error('not a flattened JWS in base64url')
  const header = JSON.parse(decode(head).toString()) as JwsHeader
  if ((header.kid === undefined) === (header.jwk === undefined)) throw new Error('jwk or kid, and not both')
  return { jws: { protected: head, payload, signature }, header }
}

/** undefined payload: POST-as-GET. @throws Error */
export const payloadOf = ({ payload }: Jws): Record<string, unknown> | undefined =>
  payload === '' ? undefined : (JSON.parse(decode(payload).toString()) as Record<string, unknown>)

export function isSignedBy(
  { protected: head, payload, signature }: Jws,
  alg: string,
  jwk: JsonWebKey,
): boolean {
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  const data = Buffer.from(`${head}.${payload}`)
  if (alg === 'ES256' && jwk.kty === 'EC' && jwk.crv === 'P-256')
    return verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, decode(signature))
  if (alg === 'RS256' && jwk.kty === 'RSA') return verify('sha256', data, key, decode(signature))
  return false
}

/** RFC 8555 section 7.3.4. */
export function isBoundBy({ protected: head, payload, signature }: Jws, key: string): boolean {
  const mac = createHmac('sha256', decode(key)).update(`${head}.${payload}`).digest()
  const given = decode(signature)
  return given.length === mac.length && timingSafeEqual(given, mac)
}

export function thumbprint({ kty, crv, x, y, e, n }: JsonWebKey): string {
  const members = kty === 'EC' ? { crv, kty, x, y } : { e, kty, n }
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url')
}
