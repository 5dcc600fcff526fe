// Owns mailers as URLs: smtp://, smtps://, lmtp://, mx: and capture:, and proxies as URLs. Read strictly: what is not
// understood is a UsageError, and no message repeats a password. RFC 3986.

import { UsageError } from '../base/usage-error.ts'
import type { ProxyServer } from '../net/proxy-dial.ts'
import type { MailerAuth, MailerOptions, MailerTls } from './mailer-options.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

const forms =
  "'smtp://user:password@host:port', 'smtps://host', 'lmtp://host:port', 'lmtp:///path/of/socket', 'mx:' or 'capture:'"

const wrong = (problem: string): never => {
  throw new UsageError('url', problem)
}

/** Options of the query: what each becomes. */
const parameters: Readonly<Record<string, (to: Mutable<MailerOptions>, value: string) => void>> = {
  tls: (to, value) => void (to.tls = value as MailerTls),
  name: (to, value) => void (to.name = value),
  servername: (to, value) => void (to.servername = value),
  auth: (to, value) => void (to.mechanisms = value.toUpperCase().split(',')),
  localAddress: (to, value) => void (to.localAddress = value),
  proxy: (to, value) => void (to.proxy = value),
  connections: (to, value) => void (to.connectionsMax = wholeNumber('connections', value)),
  messages: (to, value) => void (to.messagesPerConnection = wholeNumber('messages', value)),
  port: (to, value) => void (to.port = wholeNumber('port', value)),
  dns: (to, value) => void (to.dnsServers = value.split(',')),
}

const wholeNumber = (name: string, value: string): number =>
  /^\d{1,9}$/.test(value) ? Number(value) : wrong(`${name} must be a whole number`)

/** @throws UsageError */
export function parseMailerUrl(text: string): MailerOptions {
  const match = /^([a-z]+):(\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?$/i.exec(text.trim())
  if (match === null) return wrong(`must be ${forms}`)
  const [, scheme = '', slashes, authority = '', path = '', query = ''] = match
  const options: Mutable<MailerOptions> = {}
  switch (scheme.toLowerCase()) {
    case 'mx':
    case 'capture':
      options.kind = scheme.toLowerCase() as 'mx' | 'capture'
      if (authority !== '' || path !== '') return wrong(`${scheme}: takes no host`)
      break
    case 'smtp':
    case 'smtps':
    case 'lmtp':
      if (slashes === undefined) return wrong(`must be ${forms}`)
      options.kind = scheme.toLowerCase() === 'lmtp' ? 'lmtp' : 'smtp'
      if (scheme.toLowerCase() === 'smtps') options.secure = true
      readAuthority(options, authority, path)
      break
    default:
      return wrong(`must be ${forms}`)
  }
  readQuery(options, query)
  return options
}

function readAuthority(options: Mutable<MailerOptions>, authority: string, path: string): void {
  const at = authority.lastIndexOf('@')
  if (at !== -1) options.auth = parseCredentials(authority.slice(0, at))
  const place = authority.slice(at + 1)
  if (place === '' && options.kind === 'lmtp' && path.length > 1) {
    options.host = decodePart(path)
    return
  }
  if (path !== '' && path !== '/') wrong('has a path behind the host')
  const found = /^(?:\[([0-9a-f:.]+)\]|([^\s:@[\]]+))(?::(\d{1,5}))?$/i.exec(place)
  if (found === null)
    return wrong("has no valid host and port behind '//'; an IPv6 address stands in brackets")
  options.host = found[1] ?? decodePart(found[2] ?? '')
  if (found[3] !== undefined) options.port = Number(found[3])
}

function parseCredentials(text: string): MailerAuth {
  const colon = text.indexOf(':')
  if (colon < 1 || colon === text.length - 1)
    return wrong("has credentials that are not 'user:password'; write special characters as %XX")
  return { user: decodePart(text.slice(0, colon)), password: decodePart(text.slice(colon + 1)) }
}

function decodePart(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return wrong('has a % that is not followed by two hexadecimal digits')
  }
}

function readQuery(options: Mutable<MailerOptions>, query: string): void {
  for (const [name, value] of new URLSearchParams(query)) {
    const set = Object.hasOwn(parameters, name) ? parameters[name] : undefined
    if (set === undefined)
      wrong(
        `does not know the option ${JSON.stringify(name)}; there are ${Object.keys(parameters).join(', ')}`,
      )
    else set(options, value)
  }
}

const defaultProxyPorts = { socks5: 1080, http: 3128, https: 443 } as const

/** 'socks5://user:password@host:1080', 'http://host:3128', 'https://host:443'. @throws UsageError */
export function parseProxyUrl(text: string): ProxyServer {
  const match =
    /^(socks5h?|socks|https?):\/\/(?:([^@/]*)@)?(?:\[([0-9a-f:.]+)\]|([^\s:@/[\]]+))(?::(\d{1,5}))?\/?$/i.exec(
      text.trim(),
    )
  if (match === null)
    throw new UsageError(
      'proxy',
      "must be 'socks5://host:port', 'http://host:port' or 'https://host:port', with 'user:password@' if need be",
    )
  const [, scheme = '', credentials, ipv6, name = '', port] = match
  const lower = scheme.toLowerCase()
  const kind = lower === 'http' || lower === 'https' ? lower : 'socks5'
  const colon = credentials?.indexOf(':') ?? -1
  if (credentials !== undefined && colon < 1)
    throw new UsageError('proxy', "has credentials that are not 'user:password'")
  return {
    kind,
    host: ipv6 ?? name,
    port: port === undefined ? defaultProxyPorts[kind] : Number(port),
    ...(credentials !== undefined && {
      auth: {
        user: decodePart(credentials.slice(0, colon)),
        password: decodePart(credentials.slice(colon + 1)),
      },
    }),
  }
}
