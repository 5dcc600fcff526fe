// Owns dialing through a proxy: a Dialer over another one that speaks SOCKS5 or HTTP CONNECT first. The proxy resolves the
// name it is given. It refuses to go round a proxy that says no. A proxy may itself be reached by TLS; its certificate must be
// valid then, for it gets the password.
// RFC 1928 (SOCKS5), RFC 1929 (its user and password), RFC 9110 section 9.3.6 (CONNECT), RFC 7617 (Basic).

import { isIP, type Socket } from 'node:net'
import type { Clock } from '../base/clock.ts'
import {
  type Connection,
  type ConnectionHandler,
  type Dialer,
  type DialOptions,
  type Endpoint,
  type TlsInfo,
  TransportFailure,
} from '../base/connection.ts'
import { canonicalIp } from '../base/ip.ts'
import { ConnectionStream } from './connection-stream.ts'
import { formatEndpoint } from './endpoint.ts'
import { SocketConnection } from './socket-connection.ts'
import { lookupSystem } from './system-lookup.ts'

export interface ProxyServer {
  /** https: CONNECT within TLS. */
  readonly kind: 'socks5' | 'http' | 'https'
  /** Name or address. */
  readonly host: string
  readonly port: number
  readonly auth?: { readonly user: string; readonly password: string }
}

export interface ProxyDialerOptions {
  readonly clock: Clock
  readonly proxy: ProxyServer
  /** Reaches the proxy. */
  readonly dialer: Dialer
  /** Extra trusted certificates for a proxy that is reached by TLS, PEM. */
  readonly ca?: string | readonly string[]
}

const replyBytesMax = 16 * 1024

/** `host` of a dial may be a name as well as an address: the proxy looks it up. */
export function createProxyDialer(options: ProxyDialerOptions): Dialer {
  return { dial: (target) => dialThrough(options, target) }
}

async function dialThrough(options: ProxyDialerOptions, target: DialOptions): Promise<Connection> {
  const { clock, proxy } = options
  const deadlineAt = clock.now() + target.timeoutMs
  const inner = await reach(options, target)
  const talk = new ProxyTalk(inner)
  const name = `proxy ${formatEndpoint(proxy.host, proxy.port)}`
  const timer = clock.setTimer(Math.max(0, deadlineAt - clock.now()), () =>
    talk.fail(new TransportFailure('timeout', `${name} did not connect within ${target.timeoutMs} ms`)),
  )
  const abort = (): void =>
    talk.fail(new TransportFailure('aborted', 'dialing was aborted', { cause: target.signal?.reason }))
  target.signal?.addEventListener('abort', abort, { once: true })
  if (target.signal?.aborted) abort()
  try {
    if (proxy.kind === 'socks5') await socks5(talk, proxy, target, name)
    else await httpConnect(talk, proxy, target, name)
    const remote = { address: target.host, port: target.port }
    const connection =
      inner.tls === undefined
        ? new ProxyConnection(inner, talk, clock, remote)
        : withinTls(inner, talk.rest, clock, remote)
    if (target.tls !== undefined) {
      if (talk.rest.length > 0) throw new TransportFailure('tls', `${name}: bytes before the TLS handshake`)
      const timeoutMs = Math.max(0, Math.min(target.tls.timeoutMs, deadlineAt - clock.now()))
      await connection.startTls({ ...target.tls, timeoutMs })
    }
    return connection
  } catch (error) {
    inner.destroy()
    throw error
  } finally {
    timer.cancel()
    target.signal?.removeEventListener('abort', abort)
  }
}

/** TLS to the server runs within that to the proxy. */
function withinTls(inner: Connection, first: Buffer, clock: Clock, remote: Endpoint): Connection {
  const stream = new ConnectionStream(inner, first)
  // A stream that has all of a socket that a connection uses.
  return new SocketConnection(stream as unknown as Socket, { clock, remote, local: inner.local })
}

/** The first address of the proxy that answers. */
async function reach(options: ProxyDialerOptions, target: DialOptions): Promise<Connection> {
  const { proxy, dialer, ca } = options
  const tls = {
    kind: 'client',
    servername: proxy.host,
    verify: true,
    timeoutMs: target.timeoutMs,
    ...(ca !== undefined && { ca }),
  } as const
  const found = await lookupSystem(proxy.host, target.signal ?? new AbortController().signal)
  if (found.kind !== 'found') throw new TransportFailure('unreachable', `proxy: ${found.reason}`)
  let last: unknown
  for (const { address } of found.addresses) {
    try {
      return await dialer.dial({
        host: address,
        port: proxy.port,
        timeoutMs: target.timeoutMs,
        ...(proxy.kind === 'https' && { tls }),
        ...(target.signal !== undefined && { signal: target.signal }),
        ...(target.localAddress !== undefined && { localAddress: target.localAddress }),
      })
    } catch (error) {
      last = error
      if (target.signal?.aborted) break
    }
  }
  if (last instanceof TransportFailure)
    throw new TransportFailure(last.code, `proxy: ${last.message}`, { cause: last })
  throw last
}

/** Reads answers of known length while it holds the connection; what comes behind the last one is kept. */
class ProxyTalk implements ConnectionHandler {
  rest: Buffer = Buffer.alloc(0)
  ended = false
  closed: { readonly error: Error | undefined } | undefined
  readonly #connection: Connection
  #failure: TransportFailure | undefined
  #look: (() => void) | undefined

  constructor(connection: Connection) {
    this.#connection = connection
    connection.attach(this)
  }

  write(bytes: Uint8Array): void {
    this.#connection.write(bytes)
  }

  /** The bytes that `measure` finds whole. */
  read(measure: (bytes: Buffer) => number | undefined): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#look = () => {
        if (this.#failure !== undefined) return reject(this.#failure)
        const size = measure(this.rest)
        if (size !== undefined && this.rest.length >= size) {
          const answer = this.rest.subarray(0, size)
          this.rest = this.rest.subarray(size)
          this.#look = undefined
          return resolve(answer)
        }
        if (this.rest.length > replyBytesMax)
          return reject(new TransportFailure('other', 'the proxy answers too much'))
        if (this.ended || this.closed !== undefined)
          reject(
            new TransportFailure('closed', 'the proxy closed the connection', { cause: this.closed?.error }),
          )
      }
      this.#look()
    })
  }

  fail(error: TransportFailure): void {
    this.#failure ??= error
    this.#connection.destroy()
    this.#look?.()
  }

  data(bytes: Buffer): void {
    this.rest = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes])
    this.#look?.()
  }

  end(): void {
    this.ended = true
    this.#look?.()
  }

  close(error?: Error): void {
    this.closed = { error }
    this.#look?.()
  }

  drain(): void {}
}

/** The connection behind the proxy: `remote` is who was asked for. */
class ProxyConnection implements Connection {
  readonly remote: Endpoint
  readonly #inner: Connection
  readonly #clock: Clock
  #talk: ProxyTalk | undefined

  constructor(inner: Connection, talk: ProxyTalk, clock: Clock, remote: Endpoint) {
    this.#inner = inner
    this.#talk = talk
    this.#clock = clock
    this.remote = remote
  }

  get local(): Endpoint {
    return this.#inner.local
  }

  get tls(): TlsInfo | undefined {
    return this.#inner.tls
  }

  attach(handler: ConnectionHandler): void {
    const talk = this.#talk
    this.#talk = undefined
    this.#inner.attach(handler)
    if (talk === undefined) return
    if (talk.rest.length === 0 && !talk.ended && talk.closed === undefined) return
    this.#inner.pause()
    // What came behind the proxy's answer, as if it came now.
    this.#clock.defer(() => {
      if (talk.rest.length > 0) handler.data(talk.rest)
      this.#inner.resume()
      if (talk.ended) handler.end()
      if (talk.closed !== undefined) handler.close(talk.closed.error)
    })
  }

  write(bytes: Uint8Array): boolean {
    return this.#inner.write(bytes)
  }

  pause(): void {
    this.#inner.pause()
  }

  resume(): void {
    this.#inner.resume()
  }

  end(): void {
    this.#inner.end()
  }

  destroy(error?: Error): void {
    this.#inner.destroy(error)
  }

  startTls(options: Parameters<Connection['startTls']>[0]): Promise<TlsInfo> {
    return this.#inner.startTls(options)
  }
}

// SOCKS5

/** RFC 1928 section 6. */
const socksWords: Readonly<Record<number, string>> = {
  1: 'general failure',
  2: 'not allowed by its rules',
  3: 'network unreachable',
  4: 'host unreachable',
  5: 'connection refused',
  6: 'TTL expired',
  7: 'command not supported',
  8: 'address type not supported',
}

async function socks5(talk: ProxyTalk, proxy: ProxyServer, target: DialOptions, name: string): Promise<void> {
  const methods = proxy.auth === undefined ? [0] : [0, 2]
  talk.write(Buffer.from([5, methods.length, ...methods]))
  const [version, method] = await talk.read(() => 2)
  if (version !== 5) throw new TransportFailure('other', `${name} does not speak SOCKS5`)
  if (method === 2 && proxy.auth !== undefined) await socksLogin(talk, proxy.auth, name)
  else if (method !== 0)
    throw new TransportFailure(
      'refused',
      proxy.auth === undefined ? `${name} wants a user and a password` : `${name} takes no password`,
    )
  const port = Buffer.from([target.port >> 8, target.port & 255])
  talk.write(Buffer.concat([Buffer.from([5, 1, 0]), socksAddress(target.host, name), port]))
  const answer = await talk.read(socksReplySize)
  const code = answer[1] ?? 1
  if (code === 0) return
  const failure = code === 5 ? 'refused' : code === 3 || code === 4 ? 'unreachable' : 'other'
  const words = socksWords[code] ?? `error ${code}`
  throw new TransportFailure(
    failure,
    `${name} says for ${formatEndpoint(target.host, target.port)}: ${words}`,
  )
}

/** RFC 1929. */
async function socksLogin(
  talk: ProxyTalk,
  auth: { readonly user: string; readonly password: string },
  name: string,
): Promise<void> {
  const user = Buffer.from(auth.user)
  const password = Buffer.from(auth.password)
  if (user.length > 255 || password.length > 255)
    throw new TransportFailure('other', `${name}: user or password is longer than 255 octets`)
  talk.write(Buffer.concat([Buffer.from([1, user.length]), user, Buffer.from([password.length]), password]))
  const [, status] = await talk.read(() => 2)
  if (status !== 0) throw new TransportFailure('refused', `${name} does not accept the user or password`)
}

function socksAddress(host: string, name: string): Buffer {
  const family = isIP(host)
  if (family === 4) return Buffer.from([1, ...host.split('.').map(Number)])
  if (family === 6) return Buffer.from([4, ...ipv6Octets(canonicalIp(host) ?? host)])
  const octets = Buffer.from(host)
  if (octets.length > 255) throw new TransportFailure('other', `${name}: the host name is too long`)
  return Buffer.concat([Buffer.from([3, octets.length]), octets])
}

/** `text` is canonical, without zone. */
function ipv6Octets(text: string): number[] {
  const [head = '', tail] = text.split('::')
  const words = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16))
  const before = words(head)
  const after = tail === undefined ? [] : words(tail)
  const zeros = new Array<number>(8 - before.length - after.length).fill(0)
  return [...before, ...zeros, ...after].flatMap((word) => [word >> 8, word & 255])
}

/** VER REP RSV ATYP, the address, the port. */
function socksReplySize(bytes: Buffer): number | undefined {
  if (bytes.length >= 2 && (bytes[0] !== 5 || bytes[1] !== 0) && bytes.length < 5) return 2
  switch (bytes[3]) {
    case undefined:
      return undefined
    case 1:
      return 10
    case 4:
      return 22
    case 3:
      return bytes[4] === undefined ? undefined : 7 + bytes[4]
    default:
      return 4
  }
}

// HTTP

async function httpConnect(
  talk: ProxyTalk,
  proxy: ProxyServer,
  target: DialOptions,
  name: string,
): Promise<void> {
  const place = formatEndpoint(target.host, target.port)
  if (!/^[\x21-\x7e]+$/.test(place)) throw new TransportFailure('other', `${name}: not a host name`)
  const auth =
    proxy.auth === undefined
      ? ''
      : `Proxy-Authorization: Basic ${Buffer.from(`${proxy.auth.user}:${proxy.auth.password}`).toString('base64')}\r\n`
  talk.write(Buffer.from(`CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n${auth}\r\n`))
  const answer = await talk.read((bytes) => {
    const end = bytes.indexOf('\r\n\r\n')
    return end === -1 ? undefined : end + 4
  })
  const line = answer.toString('latin1', 0, answer.indexOf('\r\n'))
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(line)?.[1]
  if (status === undefined) throw new TransportFailure('other', `${name} does not speak HTTP`)
  if (!status.startsWith('2')) {
    const printable = line.replace(/[^\x20-\x7e]/g, '?').slice(0, 120)
    throw new TransportFailure('refused', `${name} says for ${place}: ${printable}`)
  }
}
