// Owns asking an OAuth 2.0 server for access tokens, with a refresh token or as a service account: one POST, its answer
// read strictly and bounded. It keeps no token (the mailer does) and follows no redirect. RFC 6749 section 6, RFC 7523.

import { createSign } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { UsageError } from '../base/usage-error.ts'
import type { AccessToken, TokenSource } from './mailer-options.ts'

export interface OauthClient {
  readonly clock: Clock
  /** https, or http to this machine. */
  readonly accessUrl: string
  readonly clientId?: string | undefined
  readonly clientSecret?: string | undefined
  readonly refreshToken?: string | undefined
  /** A service account and its RSA key, PEM: an assertion in place of a refresh token. */
  readonly serviceClient?: string | undefined
  readonly privateKey?: string | undefined
  readonly scope?: string | undefined
  /** Further fields of the request. */
  readonly params?: Readonly<Record<string, string>> | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** One that is there already. */
  readonly first?: AccessToken | undefined
  /** Told of each new token. */
  readonly onToken?: ((user: string, token: AccessToken) => void) | undefined
}

const answerBytesMax = 64 * 1024
const assertionSeconds = 300

/** @throws UsageError naming the option */
export function oauthTokens(client: OauthClient): TokenSource {
  checkUrl(client.accessUrl)
  let { first } = client
  return async ({ user, refresh }) => {
    const kept = first
    first = undefined
    if (kept !== undefined && !refresh) return kept
    const token = await ask(client, user)
    client.onToken?.(user, token)
    return token
  }
}

/** The caller named it, so that a private address may be meant; secrets go in the clear to nobody else. */
function checkUrl(text: string): void {
  const url = URL.parse(text)
  const local = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url?.hostname ?? '')
  if (url === null || !(url.protocol === 'https:' || (url.protocol === 'http:' && local)))
    throw new UsageError('auth.accessUrl', 'must be an https URL')
}

async function ask(client: OauthClient, user: string): Promise<AccessToken> {
  const { accessUrl, params, headers, clock } = client
  const form = { ...grant(client, user), ...params }
  const chunks: Uint8Array[] = []
  const { guardedFetch } = await import('../net/guarded-fetch.ts')
  const body = await guardedFetch(accessUrl, {
    form,
    anyStatus: true,
    allowPrivate: true,
    bytesMax: answerBytesMax,
    ...(headers !== undefined && { headers }),
  })
  for await (const chunk of body) chunks.push(chunk)
  const answer = readJson(Buffer.concat(chunks).toString('utf8'))
  const { access_token: token, expires_in: seconds } = answer
  if (typeof token !== 'string' || token === '') throw new Error(`no access token: ${problemOf(answer)}`)
  const lasts = Number(seconds)
  return { token, ...(lasts > 0 && { expiresAt: clock.now() + lasts * 1000 }) }
}

function grant(client: OauthClient, user: string): Record<string, string> {
  const { clientId, clientSecret, refreshToken, serviceClient, privateKey } = client
  if (serviceClient !== undefined && privateKey !== undefined)
    return {
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      assertion: assertion(client, user, serviceClient, privateKey),
    }
  return {
    grant_type: 'refresh_token',
    refresh_token: refreshToken ?? '',
    ...(clientId !== undefined && { client_id: clientId }),
    ...(clientSecret !== undefined && { client_secret: clientSecret }),
  }
}

/** RFC 7523 section 3; RS256 of RFC 7518 section 3.3. */
function assertion(
  { accessUrl, scope = 'https://mail.google.com/', clock }: OauthClient,
  user: string,
  issuer: string,
  privateKey: string,
): string {
  const iat = Math.floor(clock.now() / 1000)
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { iss: issuer, scope, sub: user, aud: accessUrl, iat, exp: iat + assertionSeconds }
  const text = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}`
  return `${text}.${createSign('RSA-SHA256').update(text).sign(privateKey, 'base64url')}`
}

function readJson(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // said below
  }
  throw new Error('no access token: the answer is not JSON')
}

/** RFC 6749 section 5.2. */
function problemOf({ error, error_description: description }: Record<string, unknown>): string {
  const words = [error, description].filter((one) => typeof one === 'string').join(': ')
  return words === '' ? 'the answer has none' : words.replace(/[^\x20-\x7e]/g, '?').slice(0, 300)
}
