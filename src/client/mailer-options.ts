// Owns what a mailer can be told, and the settings it becomes: defaults, services by name, the TLS policy that fits, and
// a UsageError that names the option for what cannot be. It opens nothing.
// RFC 8314 (submission and TLS), RFC 6409 (port 587), RFC 2033 (LMTP).

import type { Clock } from '../base/clock.ts'
import type { Dialer } from '../base/connection.ts'
import { ipVersion, isLoopback } from '../base/ip.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Random } from '../base/random.ts'
import { UsageError } from '../base/usage-error.ts'
import type { Resolver } from '../dns/resolver.ts'
import type { MessageInput } from '../message/message-input.ts'
import { parseDnsServer } from '../net/dns-server-address.ts'
import type { ProxyServer } from '../net/proxy-dial.ts'
import { type DkimOptions, dkimKeysOf } from './dkim-options.ts'
import { parseMailerUrl, parseProxyUrl } from './mailer-url.ts'
import {
  aCount,
  aCountOrZero,
  aFlag,
  aFunction,
  aRecord,
  aSpan,
  aText,
  type Check,
  checkFields,
  isRecord,
  textOrTexts,
  texts,
  withoutUndefined,
} from './option-checks.ts'
import { findService, type MailService, serviceOfHost } from './services.ts'
import { defaultTimeouts, type SessionTimeouts } from './session-options.ts'

/** An OAuth 2.0 access token. `expiresAt` (epoch ms): it is asked for anew a minute before; absent: kept until refused. */
export interface AccessToken {
  readonly token: string
  readonly expiresAt?: number
  /** It was there before: when it is refused, another one is asked for. Default false. */
  readonly kept?: boolean
}

/** `refresh`: the server has just refused the last one, a kept one will not do. */
export type TokenSource = (request: {
  readonly user: string
  readonly refresh: boolean
}) => MaybePromise<AccessToken | string>

export type MailerAuth =
  | { readonly user: string; readonly password: string }
  | { readonly user: string; readonly token: string | TokenSource }

/** none: never. may: when offered, certificate not judged. must: or no mail. verify: with a valid certificate, or no mail. */
export type MailerTls = 'none' | 'may' | 'must' | 'verify'

/** One line of a conversation: C is us, S the server, '-' a note. Credentials are masked; content is left out. */
export interface TranscriptLine {
  /** Epoch ms. */
  readonly at: number
  /** One number per connection, from 1. */
  readonly connection: number
  readonly from: 'C' | 'S' | '-'
  readonly line: string
}

/** What a signer sees: the finished message. */
export interface SignInput {
  /** The whole of it, or undefined: read the stream. */
  bytes(): Uint8Array | undefined
  stream(signal: AbortSignal): AsyncIterable<Uint8Array>
  readonly signal: AbortSignal
}

/** Gives whole header fields with their line ends (CRLF), to stand before the message: a DKIM-Signature. */
export type Signer = (message: SignInput) => MaybePromise<string | Uint8Array>

export interface MailerOptions {
  /** A well-known service: 'gmail', 'outlook365', 'qq', 'ses' ... It gives host, port and TLS. */
  readonly service?: string
  /** smtp: to one host. lmtp: the same in LMTP. mx: straight to the recipients' hosts. capture: nowhere, kept in memory. Default 'smtp'. */
  readonly kind?: 'smtp' | 'lmtp' | 'mx' | 'capture'
  /** Name or address; for lmtp also the path of a unix socket. */
  readonly host?: string
  /** Default 587 with auth, 465 with `secure`, else 25; 24 for lmtp; 25 for mx. */
  readonly port?: number
  /** TLS from the first byte. Default: port 465. */
  readonly secure?: boolean
  /** Default: 'verify' with auth, on ports 465 and 587; 'may' otherwise, and to this machine. */
  readonly tls?: MailerTls
  /** Trusted certificates, PEM, in place of the system's. */
  readonly ca?: string | readonly string[]
  /** The name that the certificate must have. Default: the host. */
  readonly servername?: string
  readonly auth?: MailerAuth
  /** Only these mechanisms, in this order. Default: the best offered. */
  readonly mechanisms?: readonly string[]
  /** The password may go over an unencrypted connection. Default: only to this machine. */
  readonly allowClearAuth?: boolean
  /** What we call ourselves in EHLO. Default: this machine's full name, else [127.0.0.1]. */
  readonly name?: string
  /** IP address to connect from. */
  readonly localAddress?: string
  /** 'socks5://user:password@host:port', 'http://host:port' or 'https://host:port'. */
  readonly proxy?: string
  /** Connections at once (per destination domain for mx). Default 5. */
  readonly connectionsMax?: number
  /** Messages on one connection. Default 100. */
  readonly messagesPerConnection?: number
  /** An unused connection is closed after this. Default 5 s. */
  readonly idleTimeoutMs?: number
  /** Messages that may wait for a connection; more are refused with code 'busy'. Default 10,000. */
  readonly waitingMax?: number
  /** At most so many messages begun in any `perMs`. */
  readonly rate?: { readonly messages: number; readonly perMs: number }
  /** Milliseconds for each wait. */
  readonly timeouts?: Partial<SessionTimeouts>
  /** DNS servers for mx: '192.0.2.53', '[2001:db8::53]:53'. Default: the system's. */
  readonly dnsServers?: readonly string[]
  /** Told of every line of every conversation as it is said; errors carry theirs without it. */
  readonly transcript?: (line: TranscriptLine) => void
  /** Fields that a message does not set itself. */
  readonly defaults?: Partial<MessageInput>
  /** Signs every message; the signer's code is loaded only where this is given. In place of `sign`. */
  readonly dkim?: DkimOptions
  /** A signer of one's own. */
  readonly sign?: Signer
  /** Attachments may name files (`path`). Default true. */
  readonly allowFiles?: boolean
  /** Attachments may name URLs (`href`); private addresses are refused. Default true. */
  readonly allowUrls?: boolean
  /** Messages kept by `capture:`; the oldest go. Default 10,000. */
  readonly captureMax?: number
  /** The world, for tests. */
  readonly world?: {
    readonly clock?: Clock
    readonly random?: Random
    readonly dialer?: Dialer
    readonly resolver?: Resolver
  }
}

/** Options with nothing left open. */
export interface MailerSettings {
  readonly kind: 'smtp' | 'lmtp' | 'mx' | 'capture'
  readonly host: string
  readonly port: number
  readonly implicitTls: boolean
  readonly tls: MailerTls
  readonly allowClear: boolean
  readonly auth: MailerAuth | undefined
  readonly service: MailService | undefined
  readonly proxy: ProxyServer | undefined
  readonly connectionsMax: number
  readonly waitingMax: number
  readonly options: MailerOptions
}

const kinds = ['smtp', 'lmtp', 'mx', 'capture'] as const
/** Each keeps an instant in memory. */
const rateMessagesMax = 1_000_000
const tlsPolicies = ['none', 'may', 'must', 'verify'] as const

/** @throws UsageError that names the option; never repeats a secret */
export function readMailerOptions(input: string | MailerOptions): MailerSettings {
  const given = typeof input === 'string' ? parseMailerUrl(input) : input
  if (!isRecord(given)) throw new UsageError('options', 'createMailer takes a URL or an object of options')
  return settle(withoutUndefined(given))
}

function settle(given: MailerOptions): MailerSettings {
  checkFields(given, optionChecks)
  const service = given.service === undefined ? undefined : findService(given.service)
  if (given.service !== undefined && service === undefined)
    throw new UsageError(
      'service',
      `${JSON.stringify(given.service)} is not a service we know: give host and port`,
    )
  const options: MailerOptions =
    service === undefined
      ? given
      : { host: service.host, port: service.port, secure: service.implicitTls, ...given }
  const kind = options.kind ?? 'smtp'
  if (!kinds.includes(kind)) throw new UsageError('kind', `one of ${kinds.join(', ')}`)
  const timeouts = readTimeouts(options.timeouts)
  if (options.dkim !== undefined) {
    dkimKeysOf(options.dkim, 'dkim')
    if (options.sign !== undefined)
      throw new UsageError('dkim', 'stands in place of `sign`: give one of them')
  }
  for (const server of options.dnsServers ?? [])
    if (parseDnsServer(server) === undefined)
      throw new UsageError('dnsServers', `${JSON.stringify(server)} is not an address`)
  const auth = readAuth(options.auth, service)
  const host = readHost(options, kind)
  const port = readPort(options, kind, auth !== undefined)
  const implicitTls = readSecure(options, kind, port)
  const tls = options.tls ?? defaultTls(kind, host, port, implicitTls, auth !== undefined)
  if (!tlsPolicies.includes(tls)) throw new UsageError('tls', `one of ${tlsPolicies.join(', ')}`)
  if (implicitTls && (tls === 'none' || tls === 'may'))
    throw new UsageError('tls', `with TLS from the first byte it cannot be '${tls}'`)
  if (options.localAddress !== undefined && ipVersion(options.localAddress) === undefined)
    throw new UsageError('localAddress', 'an IP address')
  if (auth !== undefined && (kind === 'mx' || kind === 'capture'))
    throw new UsageError('auth', `goes with smtp and lmtp, not with ${kind}`)
  if (options.name !== undefined && !/^[\x21-\x7e]{1,255}$/.test(options.name))
    throw new UsageError('name', 'a host name or an address literal')
  return {
    kind,
    host,
    port,
    implicitTls,
    tls,
    allowClear: options.allowClearAuth ?? (tls === 'none' || isLocal(host)),
    auth,
    service: service ?? serviceOfHost(host),
    proxy: options.proxy === undefined ? undefined : parseProxyUrl(options.proxy),
    connectionsMax: options.connectionsMax ?? 5,
    waitingMax: options.waitingMax ?? 10_000,
    options: timeouts === undefined ? options : { ...options, timeouts },
  }
}

const aRate: Check = [
  (rate) =>
    isRecord(rate) &&
    typeof rate.messages === 'number' &&
    rate.messages >= 1 &&
    rate.messages <= rateMessagesMax &&
    aSpan[0](rate.perMs) &&
    rate.perMs !== 0,
  `{ messages, perMs }: from 1 to ${rateMessagesMax} messages in some milliseconds`,
]

const optionChecks: Readonly<Record<string, Check>> = {
  service: aText,
  secure: aFlag,
  ca: textOrTexts,
  servername: aText,
  auth: aRecord,
  mechanisms: texts,
  allowClearAuth: aFlag,
  name: aText,
  localAddress: aText,
  proxy: aText,
  connectionsMax: aCount,
  messagesPerConnection: aCount,
  idleTimeoutMs: aSpan,
  waitingMax: aCountOrZero,
  rate: aRate,
  timeouts: aRecord,
  dnsServers: texts,
  transcript: aFunction,
  defaults: aRecord,
  sign: aFunction,
  allowFiles: aFlag,
  allowUrls: aFlag,
  captureMax: aCount,
  world: aRecord,
}

function readTimeouts(timeouts: MailerOptions['timeouts']): MailerOptions['timeouts'] {
  if (timeouts === undefined) return undefined
  const known = Object.keys(defaultTimeouts)
  for (const name of Object.keys(timeouts))
    if (!known.includes(name))
      throw new UsageError(`timeouts.${name}`, `is not known; there are ${known.join(', ')}`)
  checkFields(timeouts, Object.fromEntries(known.map((name) => [name, aSpan])), 'timeouts.')
  return withoutUndefined(timeouts)
}

function readAuth(auth: MailerAuth | undefined, service: MailService | undefined): MailerAuth | undefined {
  if (auth === undefined) return undefined
  const user: unknown = auth.user ?? service?.user
  if (typeof user !== 'string' || user === '') throw new UsageError('auth.user', 'the user name is missing')
  if ('token' in auth && auth.token !== undefined) {
    if (typeof auth.token !== 'function' && (typeof auth.token !== 'string' || auth.token === ''))
      throw new UsageError('auth.token', 'an access token, or a function that gives one')
    return { user, token: auth.token }
  }
  const { password } = auth as { readonly password?: unknown }
  if (typeof password !== 'string' || password === '')
    throw new UsageError('auth.password', 'the password is missing (an OAuth token goes into auth.token)')
  return { user, password }
}

function readHost(options: MailerOptions, kind: MailerSettings['kind']): string {
  if (kind === 'mx' || kind === 'capture') {
    if (options.host !== undefined) throw new UsageError('host', `${kind} takes none`)
    return ''
  }
  const host = options.host
  if (typeof host !== 'string' || host === '')
    throw new UsageError('host', 'the server to send to is missing')
  if (kind === 'lmtp' && host.startsWith('/')) return host
  const bare = host.replace(/^\[(.*)\]$/, '$1')
  if (!/^[^\s/:@[\]]+$/.test(bare) && ipVersion(bare) === undefined)
    throw new UsageError('host', `${JSON.stringify(host)} is not a host name or an address`)
  return bare.toLowerCase()
}

function readPort(options: MailerOptions, kind: MailerSettings['kind'], hasAuth: boolean): number {
  const { port, secure } = options
  if (port === undefined) return kind === 'lmtp' ? 24 : secure === true ? 465 : hasAuth ? 587 : 25
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw new UsageError('port', 'from 1 to 65535')
  return port
}

function readSecure(options: MailerOptions, kind: MailerSettings['kind'], port: number): boolean {
  const secure = options.secure ?? (kind === 'smtp' && port === 465)
  if (secure && (kind === 'mx' || kind === 'capture')) throw new UsageError('secure', `not with ${kind}`)
  return secure
}

const isLocal = (host: string): boolean =>
  host !== '' && (host.startsWith('/') || isLoopback(host) || /^(?:.+\.)?localhost$/.test(host))

/** RFC 8314 section 3: submission goes by TLS with a certificate that is judged. */
function defaultTls(
  kind: MailerSettings['kind'],
  host: string,
  port: number,
  implicitTls: boolean,
  hasAuth: boolean,
): MailerTls {
  if (kind === 'mx' || kind === 'capture') return 'may'
  if (isLocal(host)) return implicitTls ? 'must' : 'may'
  return implicitTls || hasAuth || port === 587 || port === 465 ? 'verify' : 'may'
}
