// Owns opening a session: the hosts of a destination in order, the first that answers, logged in, with a token asked for anew
// where the old one is refused. It keeps no session and sends no mail.
// RFC 5321 section 5, RFC 4954.

import type { Clock } from '../base/clock.ts'
import type { Dialer } from '../base/connection.ts'
import type { Random } from '../base/random.ts'
import { BearerClient } from '../sasl/bearer.ts'
import { describeReply } from '../smtp/reply.ts'
import { stopped, type Trouble } from './carried.ts'
import { HostMemory } from './host-memory.ts'
import { loginChooser, type MailerAuthOptions, TokenKeeper } from './mailer-auth.ts'
import type { SendPhase, TransportErrorCode } from './mailer-errors.ts'
import type { MailerAuth, MailerTls, TranscriptLine } from './mailer-options.ts'
import type { MxResult } from './mx-result.ts'
import { openSession } from './open-session.ts'
import type { ClientSession } from './session.ts'
import type { SessionFailure, SessionTimeouts } from './session-options.ts'

export interface SessionOpenerOptions {
  readonly clock: Clock
  readonly random: Random
  readonly dialer: Dialer
  readonly hostname: string
  readonly auth: MailerAuth | undefined
  readonly mechanisms: readonly string[] | undefined
  readonly allowClear: boolean
  readonly timeouts: Partial<SessionTimeouts>
  readonly ca: string | readonly string[] | undefined
  readonly localAddress: string | undefined
  readonly transcript: ((line: TranscriptLine) => void) | undefined
}

export interface Destination {
  /** Sessions of one key are interchangeable. */
  readonly key: string
  readonly protocol: 'smtp' | 'lmtp'
  readonly port: number
  readonly implicitTls: boolean
  readonly tls: MailerTls
  /** The name on the certificate; default: the host's. */
  readonly servername: string | undefined
  readonly hosts: (signal: AbortSignal) => Promise<MxResult>
}

interface Candidate {
  readonly name: string
  readonly address: string
}

/** Addresses that are left for one message, in order; found once it needs a new connection. */
export interface Search {
  candidates: readonly Candidate[] | undefined
  /** Why the last one was of no use. */
  last: Trouble | undefined
}

export const newSearch = (): Search => ({ candidates: undefined, last: undefined })

const addressesMax = 10
/** A host with others behind it does not get the whole time. */
const connectMsEach = 10_000
/** Another address of the same host is tried beside one that has not answered by then. */
const headStartMs = 2_000

export class SessionOpener {
  readonly #options: SessionOpenerOptions
  readonly #tokens: TokenKeeper | undefined
  readonly #credentials: { readonly user: string; readonly password: string } | undefined
  readonly #memory: HostMemory
  #connectionCount = 0

  constructor(options: SessionOpenerOptions) {
    this.#options = options
    const { clock, auth } = options
    this.#memory = new HostMemory({ clock })
    if (auth !== undefined && 'token' in auth) this.#tokens = new TokenKeeper(auth.user, auth.token, clock)
    else this.#credentials = auth
  }

  /** A session with the next host that answers. Rejects with what a token source threw. */
  async openNext(
    destination: Destination,
    search: Search,
    signal: AbortSignal,
  ): Promise<ClientSession | Trouble> {
    if (search.candidates === undefined) {
      const found = await destination.hosts(signal)
      if (found.kind !== 'hosts') return noHosts(found)
      const all = found.hosts.flatMap((host) =>
        host.addresses.map(({ address }) => ({ name: host.name, address })),
      )
      search.candidates = this.#memory.inOrder(all.slice(0, addressesMax), destination.port)
    }
    for (;;) {
      if (signal.aborted) return stopped('connect', signal, signal.reason)
      const [candidate, ...rest] = search.candidates
      if (candidate === undefined) return search.last ?? noneLeft
      const beside = rest.filter((one) => one.name === candidate.name)
      const isLast = beside.length === rest.length
      const tried = new Set<string>()
      const opened = await this.#open(destination, candidate, beside, isLast, tried, signal)
      search.candidates = search.candidates.filter((one) => !tried.has(one.address))
      if (!('phase' in opened)) return opened
      search.last = opened
      // Wrong credentials are wrong at every address.
      if (opened.phase === 'auth') search.candidates = []
    }
  }

  /** `tried` gets the addresses that need not be tried again for this message. */
  async #open(
    destination: Destination,
    candidate: Candidate,
    beside: readonly Candidate[],
    isLast: boolean,
    tried: Set<string>,
    signal: AbortSignal,
  ): Promise<ClientSession | Trouble> {
    let refused: string | undefined
    for (;;) {
      const secret = this.#credentials ?? (await this.#token(signal, refused))
      let exchange: unknown
      const opened = await this.#openOnce(
        destination,
        candidate,
        beside,
        isLast,
        secret,
        (one) => void (exchange = one),
        signal,
      )
      const address = opened.address ?? candidate.address
      for (const one of opened.unreachable ?? []) {
        tried.add(one)
        if (!signal.aborted) this.#memory.failed(one, destination.port)
      }
      if (!tried.has(address)) this.#memory.answered(address, destination.port)
      tried.add(address)
      if (opened.ok) return opened.session
      const { failure } = opened
      const token = secret !== undefined && 'token' in secret ? secret : undefined
      const tokenRefused =
        failure.phase === 'auth' && (failure.reply?.code ?? 0) >= 500 && token !== undefined
      if (tokenRefused && !token.fresh && refused === undefined && this.#tokens?.refreshes === true) {
        refused = token.token
        continue
      }
      const tokenProblem = exchange instanceof BearerClient ? exchange.problem : undefined
      return this.#troubleOf(failure, destination, { ...candidate, address }, tokenProblem, signal)
    }
  }

  async #token(
    signal: AbortSignal,
    refused: string | undefined,
  ): Promise<{ user: string; token: string; fresh: boolean } | undefined> {
    const { auth } = this.#options
    if (this.#tokens === undefined || auth === undefined) return undefined
    const { token, fresh } = await this.#tokens.get(signal, refused)
    return { user: auth.user, token, fresh }
  }

  #openOnce(
    destination: Destination,
    candidate: Candidate,
    beside: readonly Candidate[],
    isLast: boolean,
    secret: Parameters<typeof loginChooser>[0] | undefined,
    begun: MailerAuthOptions['begun'],
    signal: AbortSignal,
  ): ReturnType<typeof openSession> {
    const { clock, random, dialer, hostname, timeouts, ca, localAddress, allowClear, mechanisms } =
      this.#options
    const connect = timeouts.connect ?? 30_000
    const { name: host, address } = candidate
    const onLine = this.#listener(candidate, destination)
    return openSession(
      {
        dialer,
        clock,
        hostname,
        protocol: destination.protocol,
        address,
        ...(beside.length > 0 && { alternatives: beside.map((one) => one.address), headStartMs }),
        port: destination.port,
        servername: destination.servername ?? host,
        tls: destination.tls,
        implicitTls: destination.implicitTls,
        timeouts: { ...timeouts, connect: isLast ? connect : Math.min(connect, connectMsEach) },
        ...(secret !== undefined && {
          chooseAuth: loginChooser(secret, {
            random,
            allowClear,
            mechanisms,
            host,
            port: destination.port,
            begun,
          }),
        }),
        ...(ca !== undefined && { ca }),
        ...(localAddress !== undefined && { localAddress }),
        ...(onLine !== undefined && { onLine }),
      },
      signal,
    )
  }

  #listener(
    candidate: Candidate,
    destination: Destination,
  ): ((from: 'C' | 'S' | '-', line: string) => void) | undefined {
    const { transcript, clock } = this.#options
    if (transcript === undefined) return undefined
    const connection = ++this.#connectionCount
    const tell = (from: 'C' | 'S' | '-', line: string): void => {
      try {
        transcript({ at: clock.now(), connection, from, line })
      } catch {
        // A listener that fails does not break the conversation.
      }
    }
    tell('-', `connecting to ${candidate.name} (${candidate.address}), port ${destination.port}`)
    return tell
  }

  #troubleOf(
    failure: SessionFailure,
    destination: Destination,
    candidate: Candidate,
    tokenProblem: string | undefined,
    signal: AbortSignal,
  ): Trouble {
    if (failure.kind === 'aborted' && signal.aborted)
      return { ...stopped(phaseOf(failure), signal, signal.reason), transcript: failure.transcript }
    const host = `${candidate.name}:${destination.port}`
    const common = {
      phase: phaseOf(failure),
      status: 'pending',
      host,
      transcript: failure.transcript,
    } as const
    if (failure.reply !== undefined)
      return { ...common, reply: failure.reply, text: describeReply(failure.reply), tokenProblem }
    return { ...common, problem: problemOf(failure), text: failure.reason, tokenProblem }
  }
}

const noneLeft: Trouble = {
  phase: 'connect',
  status: 'pending',
  problem: 'CONNECT',
  text: 'no host is left',
  transcript: [],
}

function phaseOf({ phase, kind }: SessionFailure): SendPhase {
  if (kind === 'tls') return 'tls'
  return phase === 'dial' ? 'connect' : phase
}

function problemOf({ phase, kind }: SessionFailure): TransportErrorCode {
  switch (kind) {
    case 'tls':
      return 'TLS'
    case 'timeout':
      return 'TIMEOUT'
    case 'aborted':
      return 'ABORTED'
    case 'malformed':
      return 'PROTOCOL'
    case 'auth':
      return 'AUTH'
    case 'notOffered':
      return phase === 'startTls' ? 'TLS' : 'AUTH'
    default:
      return phase === 'dial' ? 'CONNECT' : 'LOST'
  }
}

function noHosts(found: Exclude<MxResult, { kind: 'hosts' }>): Trouble {
  const common = { phase: 'resolve', problem: 'DNS', transcript: [] } as const
  switch (found.kind) {
    case 'nullMx':
      return { ...common, status: 'rejected', text: 'the domain takes no mail (null MX)' } // RFC 7505 section 4.1
    case 'noSuchDomain':
      return { ...common, status: 'rejected', text: found.reason ?? 'the domain does not exist' }
    case 'unroutable':
      return { ...common, status: 'rejected', text: found.reason }
    case 'temporary':
      return { ...common, status: 'pending', text: found.reason }
  }
}
