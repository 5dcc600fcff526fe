// Owns reading a URL that somebody else may have named: http and https only, never an address of this machine or of a
// private network (checked where the connection is made, so that DNS cannot change its mind), few redirects, bounded in
// bytes and time. It sends no cookies and keeps no connection. RFC 9110, RFC 6890 (special-purpose addresses).

import { lookup } from 'node:dns'
import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { parseNetworkList } from '../base/ip.ts'

export interface GuardedFetchOptions {
  /** Of the whole answer. Default 50 MiB. */
  readonly bytesMax?: number
  /** Of silence. Default 30 s. */
  readonly timeoutMs?: number
  /** Default 5. */
  readonly redirectsMax?: number
  /** For tests and closed networks: loopback and private addresses too. Default false. */
  readonly allowPrivate?: boolean
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
  /** Sent by POST as application/x-www-form-urlencoded; no redirect is followed. */
  readonly form?: Readonly<Record<string, string>>
  /** The answer's body whatever its status. Default false: all but 200 fail. */
  readonly anyStatus?: boolean
  /** The answer has to be of this type ('text/plain'), whatever its parameters. Default: any. */
  readonly mediaType?: string
  /** Addresses of a host, judged as the system's are; default: the system's resolver. Rejects where there is none. */
  readonly addressesOf?: (host: string) => Promise<readonly string[]>
}

/** The URL cannot be read; the message says why, without its query. */
export class FetchFailure extends Error {
  override readonly name = 'FetchFailure'
}

// RFC 6890 and its registry: what no public server has.
const privateNetworks = parseNetworkList([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/128',
  '::1/128',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '100::/64',
  '2002::/16',
  'fc00::/7',
  'fe80::/10',
  'ff00::/8',
])

const isPrivate = (address: string): boolean => privateNetworks.has(address)

/** Whether a text is an address of this machine or of a network that is not the internet. */
export const isPrivateAddress = (text: string): boolean => isIP(text) !== 0 && isPrivate(text)

/** Rejects with FetchFailure; the stream, too, when it becomes too long or silent. */
export async function guardedFetch(
  text: string,
  options: GuardedFetchOptions = {},
): Promise<AsyncIterable<Uint8Array>> {
  const { form, anyStatus = false, bytesMax = 50 * 1024 * 1024 } = options
  const redirectsMax = form === undefined ? (options.redirectsMax ?? 5) : 0
  let url = readUrl(text)
  let headers = options.headers ?? {}
  for (let count = 0; ; count++) {
    const answer = await ask(url, headers, options)
    const status = answer.statusCode ?? 0
    const target = answer.headers.location
    if (status >= 300 && status < 400 && target !== undefined) {
      answer.destroy()
      if (count >= redirectsMax) throw new FetchFailure(`${shown(url)}: more than ${redirectsMax} redirects`)
      const next = readUrl(target, url)
      // Secrets meant for one host are not shown to another.
      if (next.origin !== url.origin) headers = {}
      url = next
      continue
    }
    if (status !== 200 && !anyStatus) {
      answer.destroy()
      throw new FetchFailure(`${shown(url)}: status ${status}`)
    }
    const { mediaType } = options
    if (mediaType !== undefined && typeOf(answer) !== mediaType) {
      answer.destroy()
      throw new FetchFailure(
        `${shown(url)}: not ${mediaType}, but ${typeOf(answer).slice(0, 50) || 'nothing said'}`,
      )
    }
    return bounded(answer, url, bytesMax)
  }
}

export interface GuardedRequest
  extends Pick<GuardedFetchOptions, 'timeoutMs' | 'allowPrivate' | 'headers' | 'signal'> {
  readonly method: 'GET' | 'HEAD' | 'POST'
  readonly body?: Uint8Array
}

/**
 * One request under the same rules, for its status alone: no redirect is followed, of the answer's content at most
 * 64 KiB is read and nothing kept. Rejects with FetchFailure.
 */
export async function guardedRequest(
  text: string,
  options: GuardedRequest,
): Promise<{ readonly status: number; readonly headers: IncomingMessage['headers'] }> {
  const answer = await ask(readUrl(text), options.headers ?? {}, options)
  let left = 64 * 1024
  for await (const chunk of answer as AsyncIterable<Buffer>) if ((left -= chunk.length) < 0) break
  answer.destroy()
  return { status: answer.statusCode ?? 0, headers: answer.headers }
}

function readUrl(text: string, base?: URL): URL {
  let url: URL
  try {
    url = new URL(text, base)
  } catch {
    throw new FetchFailure('not a URL')
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new FetchFailure(`${shown(url)}: only http and https are fetched`)
  return url
}

const typeOf = (answer: IncomingMessage): string =>
  (answer.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''

const shown = (url: URL): string => `${url.origin}${url.pathname}`.slice(0, 200)

function ask(
  url: URL,
  headers: Readonly<Record<string, string>>,
  options: GuardedFetchOptions & Partial<Pick<GuardedRequest, 'method' | 'body'>>,
): Promise<IncomingMessage> {
  const { timeoutMs = 30_000, allowPrivate = false, signal, addressesOf, form } = options
  const body = form === undefined ? (options.body ?? '') : new URLSearchParams(form).toString()
  const posted = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': `${body.length}` }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  // A literal address is not looked up, so it is judged here.
  if (isIP(host) !== 0 && !allowPrivate && isPrivate(host))
    return Promise.reject(new FetchFailure(`${shown(url)}: a private address`))
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void =>
      reject(new FetchFailure(`${shown(url)}: ${error.message}`, { cause: error }))
    const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
      method: options.method ?? (form === undefined ? 'GET' : 'POST'),
      agent: false,
      headers: { 'user-agent': 'posthouse', ...(form !== undefined && posted), ...headers },
      ...(addressesOf !== undefined && { lookup: lookupBy(addressesOf, allowPrivate) }),
      ...(addressesOf === undefined && !allowPrivate && { lookup: publicLookup }),
      ...(signal !== undefined && { signal }),
    })
    request.setTimeout(timeoutMs, () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    request.on('error', fail)
    request.on('response', resolve)
    request.end(body)
  })
}

const publicLookup: LookupFunction = (host, options, done) => {
  lookup(host, { ...options, all: true }, (error, found) => {
    if (error !== null) return done(error, [])
    const open = found.filter((one) => !isPrivate(one.address))
    const [first] = open
    if (first === undefined) return done(new Error(`${host} has a private address`), [])
    if (options.all === true) done(null, open)
    else done(null, first.address, first.family)
  })
}

const lookupBy =
  (addressesOf: (host: string) => Promise<readonly string[]>, allowPrivate: boolean): LookupFunction =>
  (host, options, done) => {
    const answer = (addresses: readonly string[]): void => {
      const open = addresses.filter((one) => isIP(one) !== 0 && (allowPrivate || !isPrivate(one)))
      const [first] = open
      if (first === undefined)
        done(new Error(`${host} has ${addresses.length === 0 ? 'no' : 'a private'} address`), [])
      else if (options.all === true)
        done(
          null,
          open.map((address) => ({ address, family: isIP(address) })),
        )
      else done(null, first, isIP(first))
    }
    addressesOf(host).then(answer, (error: Error) => done(error, []))
  }

async function* bounded(answer: IncomingMessage, url: URL, bytesMax: number): AsyncIterable<Uint8Array> {
  let sizeBytes = 0
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length
      if (sizeBytes > bytesMax) throw new FetchFailure(`${shown(url)}: longer than ${bytesMax} bytes`)
      yield chunk
    }
    // A connection that ends within the answer is no end of it (Content-Length, chunks).
    if (!answer.complete) throw new FetchFailure(`${shown(url)}: cut short`)
  } finally {
    answer.destroy()
  }
}
