// Owns an SMTP or LMTP service over connections that others accept: how many there may be, their deadlines, the stop.
// It opens no port and decides nothing about mail: `session` does.
// RFC 5321 section 3.8, RFC 2033 (LMTP), RFC 6409 (submission), RFC 8314 (implicit TLS).

import type { Clock, Timer } from '../base/clock.ts'
import type { Connection, ConnectionHandler } from '../base/connection.ts'
import { networkKey } from '../base/ip.ts'
import { type Log, silentLog } from '../base/log.ts'
import { type Metrics, silentMetrics } from '../base/metrics.ts'
import type { Random } from '../base/random.ts'
import { formatReply, type Reply, reply } from '../smtp/reply.ts'
import { createAuthContext } from './auth-dialogue.ts'
import type { ServerContext } from './server-context.ts'
import {
  type Authenticator,
  defaultLimits,
  type SessionInfo,
  type SmtpServerLimits,
  type SmtpSession,
} from './session.ts'
import { SmtpServerConnection } from './smtp-connection.ts'

export interface SmtpServerOptions {
  /** Greets with it; `<Postmaster>` is at it. */
  readonly hostname: string
  readonly kind: 'mx' | 'submission' | 'lmtp'
  /**
   * Called once per connection, before the greeting. A throw is answered 421 in its place. The connection is for those who
   * tamper with it (fault injection): a session neither reads nor writes it.
   */
  readonly session: (info: SessionInfo, connection: Connection) => SmtpSession
  readonly clock: Clock
  /** Nonces of SCRAM; needed with `authenticator`. */
  readonly random?: Random
  /** Offers AUTH. */
  readonly authenticator?: Authenticator
  /** SASL mechanisms in the order offered. Default: SCRAM-SHA-256-PLUS, SCRAM-SHA-256, PLAIN, LOGIN; SCRAM only with `scramKeys`. */
  readonly mechanisms?: readonly string[]
  /** Offers AUTH without TLS. Default false. */
  readonly authWithoutTls?: boolean
  /** MAIL needs AUTH. Default: true for submission. */
  readonly requireAuth?: boolean
  /** The current tls.SecureContext; with it STARTTLS is offered. */
  readonly tls?: () => unknown
  /** STARTTLS is a question to the session before its 220. Default false. */
  readonly asksStartTls?: boolean
  /** TLS from the first byte: connections that are not secured yet shake hands first. Default false. */
  readonly implicitTls?: boolean
  /** Commands other than STARTTLS and the like need TLS. Default false. */
  readonly requireTls?: boolean
  readonly tlsTimeoutMs?: number
  /** Default true. */
  readonly smtputf8?: boolean
  /** REQUIRETLS is announced over TLS (RFC 8689): the session keeps what its `mail` was told by it. Default false. */
  readonly requireTlsParameter?: boolean
  /** Behind the host name in the 220. */
  readonly greeting?: string
  /** Ends sessions whose body comes before our 354. Default: true for mx. */
  readonly refuseEarlyBody?: boolean
  /** Peers whose bare CR and LF are made CRLF instead of refused. Default: nobody. */
  readonly repairLineEnds?: (address: string) => boolean
  readonly limits?: Partial<SmtpServerLimits>
  readonly log?: Log
  readonly metrics?: Metrics
  /** Session ids. Default: a counter. */
  readonly ids?: () => string
  /** Every line of every dialogue: no bodies, credentials masked. */
  readonly transcript?: (session: SessionInfo, from: 'C' | 'S', line: string) => void
}

export interface SmtpServer {
  /** Serves the connection until it is closed. */
  accept(connection: Connection): void
  readonly connectionCount: number
  /**
   * New connections get 421; idle sessions end with 421 at once, the others after their transaction, all after `graceMs`.
   * Resolves when the last is gone.
   */
  stop(options: { readonly graceMs: number }): Promise<void>
}

const sweepSlackMs = 1000
const tooMany = reply(421, '7.0', 'too many connections, try again later')
const tooManyFromYou = reply(421, '7.0', 'too many connections from your network, try again later')
const shuttingDown = reply(421, '3.2', 'shutting down, come back later')

const deaf: ConnectionHandler = { data() {}, end() {}, close() {}, drain() {} }

/** @throws TypeError for options that contradict each other */
export function createSmtpServer(options: SmtpServerOptions): SmtpServer {
  if (options.authenticator !== undefined && options.random === undefined)
    throw new TypeError('createSmtpServer: `authenticator` needs `random`')
  if (options.authenticator === undefined && (options.requireAuth ?? options.kind === 'submission'))
    throw new TypeError('createSmtpServer: `requireAuth` needs an `authenticator`')
  if (options.tls === undefined && (options.implicitTls || options.requireTls))
    throw new TypeError('createSmtpServer: `implicitTls` and `requireTls` need `tls`')
  return new Server(options)
}

class Server implements SmtpServer {
  readonly #options: SmtpServerOptions
  readonly #limits: SmtpServerLimits
  readonly #clock: Clock
  readonly #log: Log
  readonly #context: ServerContext
  readonly #connections = new Set<SmtpServerConnection>()
  readonly #perNetwork = new Map<string, number>()
  readonly #count: (outcome: 'accepted' | 'refused') => void
  #sessionCount = 0
  #sweepAt = Number.POSITIVE_INFINITY
  #sweepTimer: Timer | undefined
  #stopping = false
  #stopped: (() => void) | undefined

  constructor(options: SmtpServerOptions) {
    this.#options = options
    this.#limits = { ...defaultLimits, ...options.limits }
    this.#clock = options.clock
    this.#log = options.log ?? silentLog
    const metrics = options.metrics ?? silentMetrics
    const { kind } = options
    const connections = metrics.counter(
      'posthouse_smtp_connections_total',
      'connections to SMTP and LMTP listeners',
      ['kind', 'outcome'],
    )
    const messages = metrics.counter('posthouse_smtp_messages_total', 'messages answered after their end', [
      'kind',
      'outcome',
    ])
    const auths = metrics.counter('posthouse_smtp_auth_total', 'AUTH exchanges', ['kind', 'outcome'])
    this.#count = (outcome) => connections.add(1, { kind, outcome })
    const accepted = { kind, outcome: 'accepted' }
    const refused = { kind, outcome: 'refused' }
    const auth = createAuthContext(options)
    this.#context = {
      machine: {
        hostname: options.hostname,
        lmtp: kind === 'lmtp',
        ...(options.greeting !== undefined && { greeting: options.greeting }),
        limits: this.#limits,
        smtputf8: options.smtputf8 ?? true,
        requireTlsParameter: options.requireTlsParameter ?? false,
        startTls: options.tls !== undefined,
        asksStartTls: options.asksStartTls ?? false,
        requireTls: options.requireTls ?? false,
        requireAuth: options.requireAuth ?? kind === 'submission',
        mechanisms: auth.mechanisms,
        refuseEarlyBody: options.refuseEarlyBody ?? kind === 'mx',
      },
      clock: options.clock,
      log: this.#log,
      implicitTls: options.implicitTls ?? false,
      auth,
      transcript: options.transcript,
      session: options.session,
      repairLineEnds: options.repairLineEnds ?? (() => false),
      tlsOptions: () => ({
        kind: 'server',
        secureContext: options.tls?.(),
        timeoutMs: options.tlsTimeoutMs ?? 60_000,
      }),
      sweepAt: () => this.#sweepAt,
      sweepBy: (at) => this.#armSweep(at),
      closed: (connection, info, messageCount) => this.#closed(connection, info, messageCount),
      countMessage: (ok) => messages.add(1, ok ? accepted : refused),
      countAuth: (outcome) => auths.add(1, { kind, outcome }),
    }
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  accept(connection: Connection): void {
    const network = this.#networkOf(connection)
    const refusal = this.#refusal(network)
    if (refusal !== undefined) {
      this.#turnAway(connection, refusal)
      return
    }
    if (network !== '') this.#perNetwork.set(network, (this.#perNetwork.get(network) ?? 0) + 1)
    this.#count('accepted')
    const info: SessionInfo = {
      id: this.#options.ids?.() ?? `s${(++this.#sessionCount).toString(36)}`,
      remote: connection.remote,
      local: connection.local,
      tls: connection.tls,
      hello: '',
      protocol: this.#options.kind === 'lmtp' ? 'LMTP' : 'SMTP',
      identity: undefined,
    }
    const session = new SmtpServerConnection(this.#context, connection, info)
    this.#connections.add(session)
    session.start()
  }

  /** Connections through a unix socket have no address: only the limit of all holds. */
  #networkOf(connection: Connection): string {
    return connection.remote.address === '' ? '' : networkKey(connection.remote.address)
  }

  #refusal(network: string): Reply | undefined {
    if (this.#stopping) return shuttingDown
    if (this.#connections.size >= this.#limits.connectionsMax) return tooMany
    const count = this.#perNetwork.get(network) ?? 0
    return count >= this.#limits.connectionsPerAddressMax ? tooManyFromYou : undefined
  }

  #turnAway(connection: Connection, refusal: Reply): void {
    this.#count('refused')
    this.#log.info({ remote: connection.remote.address, reply: refusal.lines[0] }, 'connection refused')
    connection.attach(deaf)
    if (this.#context.implicitTls && connection.tls === undefined) {
      connection.destroy() // a handshake only to say no is what a flood would want
      return
    }
    connection.write(Buffer.from(formatReply(refusal)))
    connection.end()
  }

  #closed(connection: SmtpServerConnection, info: SessionInfo, messageCount: number): void {
    if (!this.#connections.delete(connection)) return
    const network = info.remote.address === '' ? '' : networkKey(info.remote.address)
    const count = this.#perNetwork.get(network) ?? 0
    if (count <= 1) this.#perNetwork.delete(network)
    else this.#perNetwork.set(network, count - 1)
    this.#log.info(
      {
        sessionId: info.id,
        remote: info.remote.address,
        hello: info.hello,
        identity: info.identity,
        tls: info.tls?.protocol,
        messageCount,
      },
      'session closed',
    )
    if (this.#connections.size === 0) this.#stopped?.()
  }

  // ---- Time: one timer for all, armed for the earliest deadline known; deadlines only ever move away from it. ----

  #armSweep(at: number): void {
    if (at >= this.#sweepAt) return
    this.#sweepTimer?.cancel()
    this.#sweepAt = at
    this.#sweepTimer = this.#clock.setTimer(at - this.#clock.now(), () => this.#sweep())
  }

  #sweep(): void {
    const now = this.#clock.now()
    this.#sweepTimer = undefined
    this.#sweepAt = Number.POSITIVE_INFINITY
    let next = Number.POSITIVE_INFINITY
    for (const connection of this.#connections) next = Math.min(next, connection.expire(now))
    // A busy listener has a deadline in every millisecond: some of them are met late, together.
    if (next < Number.POSITIVE_INFINITY) this.#armSweep(Math.max(next, now + this.#slackMs))
  }

  get #slackMs(): number {
    const { commandTimeoutMs, dataTimeoutMs, sessionTimeoutMs } = this.#limits
    return Math.max(
      1,
      Math.min(sweepSlackMs, Math.min(commandTimeoutMs, dataTimeoutMs, sessionTimeoutMs) / 10),
    )
  }

  // ---- Stop ----

  async stop(options: { readonly graceMs: number }): Promise<void> {
    this.#stopping = true
    if (this.#connections.size > 0) {
      const gone = new Promise<void>((resolve) => {
        this.#stopped = resolve
      })
      for (const connection of this.#connections) connection.stop()
      const timer = this.#clock.setTimer(options.graceMs, () => {
        for (const connection of this.#connections) connection.kill()
      })
      if (this.#connections.size > 0) await gone
      timer.cancel()
    }
    this.#sweepTimer?.cancel()
    this.#sweepTimer = undefined
  }
}
