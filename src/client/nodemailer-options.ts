// Owns reading Nodemailer's transport options and URLs into ours: what means the same, what is ignored (and said to be),
// what cannot be had (a UsageError). It opens nothing.

import { UsageError } from '../base/usage-error.ts'
import { realClock } from '../net/real-clock.ts'
import type { DkimOptions } from './dkim-options.ts'
import type { AccessToken, MailerAuth, MailerOptions, MailerTls, TokenSource } from './mailer-options.ts'
import { dkimForSes, type MemoryKind } from './nodemailer-memory.ts'
import { oauthTokens } from './oauth-tokens.ts'
import { isRecord } from './option-checks.ts'
import { findService } from './services.ts'

/** Of Nodemailer's documented options: those that are read. Others are listed in `ignored`. */
export interface NodemailerOptions {
  readonly service?: string
  readonly url?: string
  readonly host?: string
  readonly port?: number | string
  readonly secure?: boolean
  readonly lmtp?: boolean
  readonly auth?: NodemailerAuth
  readonly authMethod?: string
  readonly ignoreTLS?: boolean
  readonly requireTLS?: boolean
  readonly opportunisticTLS?: boolean
  readonly tls?: {
    readonly rejectUnauthorized?: boolean
    readonly servername?: string
    readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[]
    readonly [key: string]: unknown
  }
  readonly name?: string
  readonly localAddress?: string
  readonly connectionTimeout?: number
  readonly greetingTimeout?: number
  readonly socketTimeout?: number
  readonly pool?: boolean
  readonly maxConnections?: number
  readonly maxMessages?: number
  readonly rateDelta?: number
  readonly rateLimit?: number
  readonly proxy?: string
  readonly disableFileAccess?: boolean
  readonly disableUrlAccess?: boolean
  readonly jsonTransport?: boolean
  readonly skipEncoding?: boolean
  readonly streamTransport?: boolean
  readonly buffer?: boolean
  readonly newline?: string
  /** true, or the path of the program. */
  readonly sendmail?: boolean | string
  /** `{ sesClient, SendEmailCommand }` of @aws-sdk/client-sesv2. */
  readonly SES?: unknown
  /** `cacheDir` and `cacheTreshold` have no effect. */
  readonly dkim?: (DkimOptions & { readonly [key: string]: unknown }) | null | false | undefined
  readonly path?: string
  readonly args?: readonly string[]
  readonly [key: string]: unknown
}

export interface NodemailerAuth {
  readonly type?: string
  readonly user?: string
  readonly pass?: string
  readonly method?: string
  readonly accessToken?: string
  /** Epoch ms. */
  readonly expires?: number
  /** Seconds, from when the transport is made; in place of `expires`. */
  readonly timeout?: number
  readonly clientId?: string
  readonly clientSecret?: string
  readonly refreshToken?: string
  /** Default: Google's. */
  readonly accessUrl?: string
  readonly customHeaders?: Readonly<Record<string, string>>
  readonly customParams?: Readonly<Record<string, string>>
  /** A service account, with `privateKey`. */
  readonly serviceClient?: string
  readonly privateKey?: string | { readonly key: string }
  readonly scope?: string
  readonly provisionCallback?: ProvisionCallback
  readonly credentials?: { readonly user?: string; readonly pass?: string }
  readonly [key: string]: unknown
}

/** Nodemailer's: gives a new access token. */
export type ProvisionCallback = (
  user: string,
  renew: boolean,
  callback: (error: Error | null, accessToken?: string, expires?: number) => void,
) => void

/** What the transporter lends: where OAuth callbacks and token events go. */
export interface NodemailerHooks {
  readonly onToken?: (user: string, token: AccessToken) => void
  /** Of `transporter.set('oauth2_provision_cb', callback)`; asked when a token is needed. */
  readonly provisioner?: () => ProvisionCallback | undefined
}

export interface ReadNodemailerOptions {
  readonly options: MailerOptions
  /** Given, and without effect here. */
  readonly ignored: readonly string[]
}

const known = new Set(
  (
    'service url host port secure lmtp auth authMethod ignoreTLS requireTLS opportunisticTLS tls name localAddress ' +
    'connectionTimeout greetingTimeout socketTimeout pool maxConnections maxMessages rateDelta rateLimit proxy ' +
    'disableFileAccess disableUrlAccess jsonTransport skipEncoding streamTransport buffer newline sendmail path args SES dkim'
  ).split(' '),
)
const refused: Readonly<Record<string, string>> = {
  direct: "is called mx here: createMailer('mx:')",
  getSocket: 'is not called: give `proxy`, or a Dialer to createMailer',
  socket: 'is not taken: give `proxy`, or a Dialer to createMailer',
  connection: 'is not taken: give `proxy`, or a Dialer to createMailer',
}

/** As Nodemailer reads a connection URL: options in the query, `tls.` for those of TLS. @throws UsageError */
export function parseNodemailerUrl(text: string): NodemailerOptions {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new UsageError('url', "must be 'smtp://user:pass@host:port'")
  }
  if (url.protocol !== 'smtp:' && url.protocol !== 'smtps:')
    throw new UsageError('url', `'${url.protocol}' is no transport: smtp: and smtps: are`)
  const options: Record<string, unknown> = { secure: url.protocol === 'smtps:' }
  const tls: Record<string, unknown> = {}
  if (url.hostname !== '') options.host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  if (url.port !== '') options.port = Number(url.port)
  if (url.username !== '' || url.password !== '')
    options.auth = { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) }
  for (const [key, text] of url.searchParams) {
    const value = text === 'true' ? true : text === 'false' ? false : /^\d+$/.test(text) ? Number(text) : text
    const [to, name] = key.startsWith('tls.') ? [tls, key.slice(4)] : [options, key]
    if (/^[A-Za-z]\w*$/.test(name) && !Object.hasOwn(to, name) && name !== 'constructor') to[name] = value
  }
  return { ...options, ...(Object.keys(tls).length > 0 && { tls }) }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Options of the transports that only compose. @throws UsageError */
export function readMemoryOptions(given: NodemailerOptions, kind: MemoryKind): ReadNodemailerOptions {
  const ignored: string[] = []
  const dkim = readDkim(given, ignored)
  return {
    options: {
      kind: 'capture',
      ...(given.name !== undefined && { name: given.name }),
      ...(given.disableFileAccess === true && { allowFiles: false }),
      ...(given.disableUrlAccess === true && { allowUrls: false }),
      ...(dkim !== undefined && { dkim: kind === 'ses' ? dkimForSes(dkim) : dkim }),
    },
    ignored,
  }
}

function readDkim({ dkim }: NodemailerOptions, ignored: string[]): DkimOptions | undefined {
  if (dkim === undefined || dkim === null || dkim === false) return undefined
  if (!isRecord(dkim)) throw new UsageError('dkim', 'must be an object')
  for (const name of ['cacheDir', 'cacheTreshold']) if (name in dkim) ignored.push(`dkim.${name}`)
  return dkim
}

/** @throws UsageError */
export function readNodemailerOptions(
  input: NodemailerOptions,
  hooks: NodemailerHooks = {},
): ReadNodemailerOptions {
  const given = input.url === undefined ? input : { ...parseNodemailerUrl(input.url), ...input }
  const ignored: string[] = []
  for (const [name, value] of Object.entries(given)) {
    const problem = Object.hasOwn(refused, name) ? refused[name] : undefined
    if (problem !== undefined && value !== undefined && value !== false) throw new UsageError(name, problem)
    if (problem === undefined && !known.has(name)) ignored.push(name)
  }
  for (const name of Object.keys(given.tls ?? {}))
    if (name !== 'rejectUnauthorized' && name !== 'servername' && name !== 'ca') ignored.push(`tls.${name}`)
  const to: Mutable<MailerOptions> = { kind: given.lmtp === true ? 'lmtp' : 'smtp' }
  const service = given.service === undefined ? undefined : findService(given.service)
  if (given.service !== undefined && service === undefined && given.host === undefined)
    throw new UsageError('service', `${JSON.stringify(given.service)} is not known: give host and port`)
  to.host = service?.host ?? given.host ?? 'localhost'
  const secure = service?.implicitTls ?? given.secure
  if (secure !== undefined) to.secure = secure
  const port = service?.port ?? (given.port === undefined ? undefined : Number(given.port))
  // Nodemailer's default is 587, also without auth.
  to.port = port ?? (given.lmtp === true ? 24 : secure === true ? 465 : 587)
  // Port 465 is TLS from its first byte to us; Nodemailer looks at `secure` alone.
  if (secure === undefined && given.lmtp !== true) to.secure = to.port === 465
  const auth = readAuth(given.auth, hooks)
  if (auth !== undefined) to.auth = auth
  const method = given.auth?.method ?? given.authMethod
  if (method !== undefined && auth !== undefined) to.mechanisms = [method.toUpperCase()]
  const tls = readTls(given, to.secure === true, auth !== undefined)
  if (tls !== undefined) to.tls = tls
  if (given.tls?.servername !== undefined) to.servername = given.tls.servername
  if (given.tls?.ca !== undefined) to.ca = readCa(given.tls.ca)
  const dkim = readDkim(given, ignored)
  if (dkim !== undefined) to.dkim = dkim
  if (given.name !== undefined) to.name = given.name
  if (given.localAddress !== undefined) to.localAddress = given.localAddress
  if (given.proxy !== undefined) to.proxy = given.proxy
  if (given.disableFileAccess === true) to.allowFiles = false
  if (given.disableUrlAccess === true) to.allowUrls = false
  readPool(to, given)
  readTimeouts(to, given)
  return { options: to, ignored }
}

function readAuth(auth: NodemailerAuth | undefined, hooks: NodemailerHooks): MailerAuth | undefined {
  if (auth === undefined) return undefined
  const user = auth.user ?? auth.credentials?.user
  const pass = auth.pass ?? auth.credentials?.pass
  if (auth.type?.toLowerCase() !== 'oauth2') {
    if (user === undefined || pass === undefined) throw new UsageError('auth', 'user and pass are needed')
    return { user, password: pass }
  }
  if (user === undefined) throw new UsageError('auth.user', 'is missing')
  const { provisionCallback, accessToken } = auth
  if (provisionCallback !== undefined) return { user, token: provisioned(auth, () => provisionCallback) }
  const renewable = auth.refreshToken !== undefined || auth.serviceClient !== undefined
  if (renewable) return { user, token: refreshed(auth, hooks) }
  const { provisioner } = hooks
  if (provisioner === undefined) {
    if (accessToken !== undefined) return { user, token: accessToken }
    throw new UsageError('auth', 'OAuth2 needs an accessToken, a refreshToken or a provisionCallback')
  }
  return { user, token: provisioned(auth, provisioner) }
}

const googleTokens = 'https://accounts.google.com/o/oauth2/token'

/** The token that is there already, with its end. */
function firstToken({ accessToken, expires, timeout }: NodemailerAuth): AccessToken | undefined {
  if (accessToken === undefined) return undefined
  const expiresAt =
    expires ?? (timeout === undefined ? undefined : realClock.now() + Math.max(timeout, 0) * 1000)
  return { token: accessToken, kept: true, ...(expiresAt !== undefined && { expiresAt }) }
}

function refreshed(auth: NodemailerAuth, hooks: NodemailerHooks): TokenSource {
  const { privateKey, accessUrl = googleTokens } = auth
  const { clientId, clientSecret, refreshToken, serviceClient, scope } = auth
  return oauthTokens({
    clock: realClock,
    accessUrl,
    clientId,
    clientSecret,
    refreshToken,
    serviceClient,
    scope,
    privateKey: typeof privateKey === 'object' ? privateKey.key : privateKey,
    params: auth.customParams,
    headers: auth.customHeaders,
    first: firstToken(auth),
    onToken: hooks.onToken,
  })
}

function provisioned(auth: NodemailerAuth, provisioner: () => ProvisionCallback | undefined): TokenSource {
  let first = firstToken(auth)
  return ({ user, refresh }) => {
    const given = first
    first = undefined
    const ask = provisioner()
    if (given !== undefined && (!refresh || ask === undefined)) return given
    if (ask === undefined) throw new TypeError('there is no token, and nobody to ask for one')
    return new Promise((resolve, reject) => {
      ask(user, refresh, (error, token, expires) => {
        if (error !== null && error !== undefined) reject(error)
        else if (token === undefined) reject(new TypeError('the provision callback gave no token'))
        else resolve({ token, ...(expires !== undefined && expires > 0 && { expiresAt: expires }) })
      })
    })
  }
}

function readTls(given: NodemailerOptions, secure: boolean, hasAuth: boolean): MailerTls | undefined {
  const judged = given.tls?.rejectUnauthorized !== false
  if (secure || given.requireTLS === true) return judged ? 'verify' : 'must'
  if (given.ignoreTLS === true) return 'none'
  if (given.opportunisticTLS === true) return 'may'
  // A password goes to nobody whose certificate is wrong; ours is the default for that.
  if (hasAuth) return judged ? undefined : 'must'
  return 'may'
}

const readCa = (ca: NonNullable<NodemailerOptions['tls']>['ca']): string | readonly string[] => {
  const text = (one: string | Uint8Array): string =>
    typeof one === 'string' ? one : Buffer.from(one).toString()
  if (ca === undefined) return []
  return typeof ca === 'string' || ca instanceof Uint8Array ? text(ca) : ca.map(text)
}

function readPool(to: Mutable<MailerOptions>, given: NodemailerOptions): void {
  if (given.pool === true) {
    to.connectionsMax = given.maxConnections ?? 5
    to.messagesPerConnection = given.maxMessages ?? 100
    if (given.rateLimit !== undefined && given.rateLimit > 0)
      to.rate = { messages: given.rateLimit, perMs: given.rateDelta ?? 1000 }
  } else {
    // A connection per message, as without a pool there.
    to.connectionsMax = 20
    to.messagesPerConnection = 1
  }
}

function readTimeouts(to: Mutable<MailerOptions>, given: NodemailerOptions): void {
  const { connectionTimeout, greetingTimeout, socketTimeout } = given
  to.timeouts = {
    ...(connectionTimeout !== undefined && { connect: connectionTimeout }),
    ...(greetingTimeout !== undefined && { greeting: greetingTimeout }),
    ...(socketTimeout !== undefined && {
      hello: socketTimeout,
      startTls: socketTimeout,
      tls: socketTimeout,
      auth: socketTimeout,
      mail: socketTimeout,
      rcpt: socketTimeout,
      dataInit: socketTimeout,
      dataBlock: socketTimeout,
      dataEnd: socketTimeout,
    }),
  }
}
