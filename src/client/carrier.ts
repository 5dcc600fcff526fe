// Owns carrying one message to one destination: a turn, an open session or a new one to the first host that answers,
// transactions of bounded size, one reply per recipient. A message goes again on another connection only where the first
// certainly did not take it. It composes nothing and chooses no destination.
// RFC 5321 section 5, 2033 (LMTP), 1870 (SIZE), 6531 (SMTPUTF8), RFC 9422 (RCPTMAX).

import type { Clock } from '../base/clock.ts'
import type { Dialer } from '../base/connection.ts'
import type { Random } from '../base/random.ts'
import { BearerClient } from '../sasl/bearer.ts'
import { describeReply, type Reply } from '../smtp/reply.ts'
import type {
  OutgoingRecipient,
  RecipientResult,
  Transaction,
  TransactionResult,
} from '../smtp/transaction.ts'
import { loginChooser, type MailerAuthOptions, TokenKeeper } from './mailer-auth.ts'
import type { SendPhase, TransportErrorCode } from './mailer-errors.ts'
import type { MailerAuth, MailerTls, TranscriptLine } from './mailer-options.ts'
import type { RecipientReply, RecipientStatus } from './mailer-result.ts'
import type { MxResult } from './mx-result.ts'
import { SessionPool, type Slot } from './pool.ts'
import { type ClientSession, openSession, type SessionFailure, type SessionTimeouts } from './session.ts'
import { Turns } from './turns.ts'

export interface CarrierOptions {
  readonly clock: Clock
  readonly random: Random
  readonly dialer: Dialer
  readonly hostname: string
  readonly auth: MailerAuth | undefined
  readonly mechanisms: readonly string[] | undefined
  readonly allowClear: boolean
  /** Per destination. */
  readonly connectionsMax: number
  readonly messagesPerConnection: number | undefined
  readonly idleTimeoutMs: number | undefined
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

/** A path in both forms: as it is, and for hosts without SMTPUTF8 (undefined where there is none). */
export interface CarriedPath {
  readonly text: string
  readonly ascii: string | undefined
}

export interface CarriedMessage {
  readonly from: CarriedPath
  /** Its header needs SMTPUTF8. */
  readonly needsSmtputf8: boolean
  readonly needs8bit: boolean
  /** 0: not known. */
  readonly sizeBytes: number
  readonly bytes: Uint8Array | undefined
  /** `stream` can be read again. */
  readonly repeatable: boolean
  stream(signal: AbortSignal): AsyncIterable<Uint8Array>
  readonly ret: 'FULL' | 'HDRS' | undefined
  readonly envid: string | undefined
}

/** `name` is what the caller calls the recipient. */
export interface CarriedRecipient extends CarriedPath {
  readonly name: string
  readonly notify: OutgoingRecipient['notify'] | undefined
  readonly orcpt: string | undefined
}

export interface Carried {
  /** One for each recipient, in order. */
  readonly replies: readonly RecipientReply[]
  /** Of the connection on which something was not accepted. */
  readonly transcript: readonly string[]
  /** What an OAuth server said about the token. */
  readonly tokenProblem?: string | undefined
  readonly cause?: unknown
}

/** What a server offers, once a session is open. */
export interface OpenedSession {
  readonly host: string
  readonly address: string
  readonly port: number
  readonly tls: string | undefined
  readonly capabilities: ClientSession['capabilities']
}

/** Why there is no session. */
interface Trouble {
  readonly phase: SendPhase
  readonly status: RecipientStatus
  readonly text: string
  readonly problem?: TransportErrorCode
  readonly reply?: Reply
  readonly host?: string
  readonly transcript: readonly string[]
  readonly tokenProblem?: string | undefined
  readonly cause?: unknown
}

interface Lease {
  readonly session: ClientSession
  readonly reused: boolean
}

interface Candidate {
  readonly name: string
  readonly address: string
}

/** Hosts of one message, in order; found once it needs a new connection. */
interface Search {
  candidates: readonly Candidate[] | undefined
  next: number
  mayReuse: boolean
  last: Trouble | undefined
}

/** Put as an AbortSignal's reason when the caller's time is over. */
export class DeadlineReached extends Error {
  override readonly name = 'DeadlineReached'
}

const recipientsMax = 100 // RFC 5321 section 4.5.3.1.8
const addressesMax = 10
/** A host with further addresses does not get the whole time for each. */
const connectMsEach = 10_000

export class Carrier {
  readonly pool: SessionPool
  readonly #options: CarrierOptions
  readonly #turns = new Map<string, Turns>()
  /** Sessions that await the answer to a message, and may be told the next. */
  readonly #busy = new Map<string, ClientSession[]>()
  readonly #tokens: TokenKeeper | undefined
  readonly #credentials: { readonly user: string; readonly password: string } | undefined
  #connectionCount = 0

  constructor(options: CarrierOptions) {
    this.#options = options
    const { clock, auth, messagesPerConnection, idleTimeoutMs } = options
    this.pool = new SessionPool({
      clock,
      ...(messagesPerConnection !== undefined && { transactionsMax: messagesPerConnection }),
      ...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
    })
    if (auth !== undefined && 'token' in auth) this.#tokens = new TokenKeeper(auth.user, auth.token, clock)
    else this.#credentials = auth
  }

  /** Waits for its turn. Never rejects for what the peer, the network or the signal does. */
  async carry(
    destination: Destination,
    message: CarriedMessage,
    recipients: readonly CarriedRecipient[],
    signal: AbortSignal,
  ): Promise<Carried> {
    const run = new Run(message, recipients)
    const turns = this.#turnsOf(destination.key)
    try {
      const turn = turns.enter(signal)
      if (turn !== undefined) await turn
    } catch (cause) {
      return run.end(this.#stopped('wait', signal, cause))
    }
    let inside = true
    const leave = (): void => {
      if (!inside) return
      inside = false
      turns.leave()
      if (turns.insideCount === 0) this.#turns.delete(destination.key)
    }
    try {
      return await this.#carry(destination, run, signal, turns, leave)
    } finally {
      leave()
    }
  }

  /** Opens a session, or takes an open one, and keeps it for the next message. */
  async open(destination: Destination, signal: AbortSignal): Promise<OpenedSession | Carried> {
    const run = new Run(undefined, [])
    const turns = this.#turnsOf(destination.key)
    try {
      const turn = turns.enter(signal)
      if (turn !== undefined) await turn
    } catch (cause) {
      return run.end(this.#stopped('wait', signal, cause))
    }
    try {
      const lease = await this.#lease(destination, signal)
      if ('phase' in lease) return run.end(lease)
      const { session } = lease
      const { hostName: host, address, port, tlsText: tls, capabilities } = session
      this.pool.put(destination.key, session)
      return { host, address, port, tls, capabilities }
    } finally {
      turns.leave()
      if (turns.insideCount === 0) this.#turns.delete(destination.key)
    }
  }

  close(): Promise<void> {
    return this.pool.close()
  }

  #turnsOf(key: string): Turns {
    let turns = this.#turns.get(key)
    if (turns === undefined) {
      turns = new Turns(this.#options.connectionsMax)
      this.#turns.set(key, turns)
    }
    return turns
  }

  async #carry(
    destination: Destination,
    run: Run,
    signal: AbortSignal,
    turns: Turns,
    leave: () => void,
  ): Promise<Carried> {
    const search = newSearch()
    while (run.pendingCount > 0) {
      if (signal.aborted) return run.end(this.#stopped('wait', signal, signal.reason))
      const idle = search.mayReuse ? this.pool.take(destination.key) : undefined
      const busy = search.mayReuse && idle === undefined ? this.#takeBusy(destination.key) : undefined
      const found = idle ?? busy
      const slot = found === undefined ? this.#slot(destination.key) : undefined
      if (found === undefined && slot === undefined) {
        await this.#change(destination.key, signal)
        continue
      }
      const lease =
        found === undefined
          ? await this.#connect(destination, search, slot as Slot, signal)
          : { session: found, reused: true }
      if ('phase' in lease) return run.end(lease)
      const { session, reused } = lease
      const batch = run.batch(session)
      if (batch === undefined) {
        if (busy === undefined) this.pool.put(destination.key, session)
        continue
      }
      const sent =
        busy === undefined
          ? session.deliver(batch.transaction, batch.stream, signal)
          : session.deliverNext(batch.transaction, batch.stream, signal)
      session.onBodySent = () => this.#bodySent(destination.key, session, turns, leave)
      const result = await sent
      if (session.usable) this.pool.put(destination.key, session)
      if (!signal.aborted && reused && isUntaken(result) && (batch.whole || !begun(result))) {
        // The idle connection was dead, or died on the way: the next one is new.
        search.mayReuse = false
        continue
      }
      if (!signal.aborted && !reused && isUntouched(result)) {
        search.last = troubleOf(result, session, signal)
        search.mayReuse = false
        continue
      }
      run.settle(batch.indices, result, session, signal)
      search.mayReuse = true
    }
    return run.end(undefined)
  }

  /**
   * Only the answer is awaited: whoever waits for a turn may say the next message behind it (RFC 2920 section 3.1).
   * The turn goes on, the connection stays: there are never more of those than allowed.
   */
  #bodySent(key: string, session: ClientSession, turns: Turns, leave: () => void): void {
    const { messagesPerConnection = 100 } = this.#options
    const most = Math.min(
      messagesPerConnection,
      session.capabilities.transactionsMax ?? messagesPerConnection,
    )
    if (turns.waitingCount === 0 || session.transactionCount >= most) return
    this.#busy.set(key, [...(this.#busy.get(key) ?? []).filter((one) => one.nextUsable), session])
    leave()
  }

  #takeBusy(key: string): ClientSession | undefined {
    const busy = this.#busy.get(key)
    while (busy !== undefined && busy.length > 0) {
      const session = busy.shift()
      if (busy.length === 0) this.#busy.delete(key)
      if (session?.nextUsable === true) return session
    }
    return undefined
  }

  #slot(key: string): Slot | undefined {
    return this.pool.slot(key, this.#options.connectionsMax)
  }

  /** Until a session was given back or is gone, or the signal is aborted. */
  async #change(key: string, signal: AbortSignal): Promise<void> {
    try {
      await this.pool.change(key, signal)
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  async #lease(destination: Destination, signal: AbortSignal): Promise<Lease | Trouble> {
    for (;;) {
      if (signal.aborted) return this.#stopped('wait', signal, signal.reason)
      const idle = this.pool.take(destination.key)
      if (idle !== undefined) return { session: idle, reused: true }
      const slot = this.#slot(destination.key)
      if (slot !== undefined) return await this.#connect(destination, newSearch(), slot, signal)
      await this.#change(destination.key, signal)
    }
  }

  /** The slot goes with the session, or is given back. */
  async #connect(
    destination: Destination,
    search: Search,
    slot: Slot,
    signal: AbortSignal,
  ): Promise<Lease | Trouble> {
    let kept = false
    try {
      const opened = await this.#openNext(destination, search, signal)
      if ('phase' in opened) return opened
      opened.onClosed = slot.release
      kept = true
      return { session: opened, reused: false }
    } catch (cause) {
      if (signal.aborted) return this.#stopped('connect', signal, cause)
      const text = cause instanceof Error ? cause.message : String(cause)
      return { phase: 'auth', status: 'pending', problem: 'AUTH', text, transcript: [], cause }
    } finally {
      if (!kept) slot.release()
    }
  }

  /** A session with the next host that answers. Rejects with what a token source threw. */
  async #openNext(
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
      search.candidates = all.slice(0, addressesMax)
    }
    for (;;) {
      if (signal.aborted) return this.#stopped('connect', signal, signal.reason)
      const candidate = search.candidates[search.next++]
      if (candidate === undefined)
        return (
          search.last ?? {
            phase: 'connect',
            status: 'pending',
            problem: 'CONNECT',
            text: 'no host is left',
            transcript: [],
          }
        )
      const isLast = search.next >= search.candidates.length
      const opened = await this.#open(destination, candidate, isLast, signal)
      if (!('phase' in opened)) return opened
      search.last = opened
      // Wrong credentials are wrong at every address.
      if (opened.phase === 'auth') search.next = search.candidates.length
    }
  }

  async #open(
    destination: Destination,
    candidate: Candidate,
    isLast: boolean,
    signal: AbortSignal,
  ): Promise<ClientSession | Trouble> {
    let refused: string | undefined
    for (;;) {
      const secret = this.#credentials ?? (await this.#token(signal, refused))
      let exchange: unknown
      const opened = await this.#openOnce(
        destination,
        candidate,
        isLast,
        secret,
        (one) => void (exchange = one),
        signal,
      )
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
      return this.#troubleOf(failure, destination, candidate, tokenProblem, signal)
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

  #stopped(phase: SendPhase, signal: AbortSignal, cause: unknown): Trouble {
    const deadline = signal.reason instanceof DeadlineReached
    return {
      phase,
      status: 'pending',
      problem: deadline ? 'DEADLINE' : 'ABORTED',
      text: deadline ? 'the time for it is over' : 'stopped by the caller',
      transcript: [],
      cause,
    }
  }

  #troubleOf(
    failure: SessionFailure,
    destination: Destination,
    candidate: Candidate,
    tokenProblem: string | undefined,
    signal: AbortSignal,
  ): Trouble {
    if (failure.kind === 'aborted' && signal.aborted)
      return { ...this.#stopped(phaseOf(failure), signal, signal.reason), transcript: failure.transcript }
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

const newSearch = (): Search => ({ candidates: undefined, next: 0, mayReuse: true, last: undefined })

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

const stagePhases = {
  reset: 'mail',
  mail: 'mail',
  rcpt: 'rcpt',
  data: 'data',
  body: 'body',
  end: 'end',
} as const

/** Nobody has it, for certain: all of it broke before its end was out, or was sent away with 421. */
const isUntaken = (result: TransactionResult): boolean =>
  result.recipients.every(
    (one) =>
      (one.kind === 'broken' && !one.mayHaveDelivered) ||
      (one.kind === 'refused' && one.reply.code === 421 && one.stage !== 'end'),
  )

/** Lost, or sent away with 421, before MAIL was answered: as if this transaction had never begun. */
function isUntouched(result: TransactionResult): boolean {
  const first = result.recipients[0]
  if (first === undefined || first.kind === 'accepted') return false
  if (first.kind === 'broken') return !result.answered && !first.mayHaveDelivered
  return first.reply.code === 421 && (first.stage === 'mail' || first.stage === 'reset')
}

/** Some of the body may have been read from its source. */
const begun = (result: TransactionResult): boolean =>
  result.recipients.some((one) => one.kind !== 'accepted' && (one.stage === 'body' || one.stage === 'end'))

function troubleOf(result: TransactionResult, session: ClientSession, signal: AbortSignal): Trouble {
  const first = result.recipients[0]
  const common = {
    phase: 'mail',
    status: 'pending',
    host: `${session.hostName}:${session.port}`,
    transcript: session.transcript(),
  } as const
  if (first?.kind === 'refused') return { ...common, reply: first.reply, text: describeReply(first.reply) }
  const reason = first?.kind === 'broken' ? first.reason : 'connection lost'
  return { ...common, problem: brokenProblem(reason, signal), text: reason }
}

/** RFC 5321 section 4.5.3.1.10: 452, and 552 from old hosts, to RCPT means "not in this transaction". */
function isTooMany(result: RecipientResult): boolean {
  if (result.kind !== 'refused' || result.stage !== 'rcpt') return false
  const { code, status } = result.reply
  return (code === 452 || code === 552) && (status === undefined || status.endsWith('.5.3'))
}

interface Batch {
  readonly indices: readonly number[]
  readonly transaction: Transaction
  readonly stream: (signal: AbortSignal) => AsyncIterable<Uint8Array>
  /** The body can be given again. */
  readonly whole: boolean
}

/** One message on its way to one destination: who is decided, and how. */
class Run {
  readonly #message: CarriedMessage | undefined
  readonly #recipients: readonly CarriedRecipient[]
  readonly #replies: (RecipientReply | undefined)[]
  #transcript: readonly string[] = []
  pendingCount: number

  constructor(message: CarriedMessage | undefined, recipients: readonly CarriedRecipient[]) {
    this.#message = message
    this.#recipients = recipients
    this.#replies = new Array<RecipientReply | undefined>(recipients.length).fill(undefined)
    this.pendingCount = recipients.length
  }

  #set(index: number, reply: Omit<RecipientReply, 'recipient'>): void {
    if (this.#replies[index] !== undefined) return
    this.#replies[index] = { recipient: this.#recipients[index]?.name ?? '', ...reply }
    this.pendingCount--
  }

  /** What can go in one transaction of this session; who cannot be served by it is decided. Undefined: nobody is left. */
  batch(session: ClientSession): Batch | undefined {
    const message = this.#message
    if (message === undefined) return undefined
    const { smtputf8, sizeBytesMax, recipientsMax: announcedMax } = session.capabilities
    const host = session.hostName
    const refuseAll = (problem: 'SIZE' | 'UNSUPPORTED', text: string): undefined => {
      for (let i = 0; i < this.#recipients.length; i++)
        this.#set(i, { status: 'rejected', text, phase: 'mail', problem, mayHaveDelivered: false, host })
    }
    // RFC 1870 section 6.1: what the host has announced not to take is not sent.
    if (sizeBytesMax !== undefined && message.sizeBytes > sizeBytesMax)
      return refuseAll(
        'SIZE',
        `the message of ${message.sizeBytes} bytes is larger than ${host} takes (${sizeBytesMax})`,
      )
    if (!smtputf8 && (message.needsSmtputf8 || message.from.ascii === undefined))
      return refuseAll('UNSUPPORTED', `${host} does not offer SMTPUTF8, which this message needs`)
    const most = Math.min(recipientsMax, announcedMax ?? recipientsMax)
    const indices: number[] = []
    const recipients: OutgoingRecipient[] = []
    let anyUtf8 = message.needsSmtputf8 || message.from.ascii !== message.from.text
    for (let i = 0; i < this.#recipients.length && indices.length < most; i++) {
      if (this.#replies[i] !== undefined) continue
      const { text, ascii, notify, orcpt } = this.#recipients[i] as CarriedRecipient
      const path = smtputf8 ? text : ascii
      if (path === undefined) {
        const why = `${host} does not offer SMTPUTF8, which this address needs`
        this.#set(i, {
          status: 'rejected',
          text: why,
          phase: 'rcpt',
          problem: 'UNSUPPORTED',
          mayHaveDelivered: false,
          host,
        })
        continue
      }
      if (ascii !== text) anyUtf8 = true
      indices.push(i)
      recipients.push({
        path,
        ...(notify !== undefined && { notify }),
        ...(orcpt !== undefined && { orcpt }),
      })
    }
    if (indices.length === 0) return undefined
    const transaction: Transaction = {
      reversePath: smtputf8 ? message.from.text : (message.from.ascii ?? ''),
      recipients,
      smtputf8: anyUtf8 && smtputf8,
      body8bit: message.needs8bit,
      sizeBytes: message.sizeBytes,
      ...(message.ret !== undefined && { ret: message.ret }),
      ...(message.envid !== undefined && { envid: message.envid }),
      ...(message.bytes !== undefined && { body: message.bytes }),
    }
    return {
      indices,
      transaction,
      stream: (signal) => message.stream(signal),
      whole: message.bytes !== undefined || message.repeatable,
    }
  }

  settle(
    indices: readonly number[],
    result: TransactionResult,
    session: ClientSession,
    signal: AbortSignal,
  ): void {
    const host = session.hostName
    const accepted = result.recipients.some((one) => one.kind === 'accepted')
    let allAccepted = true
    for (let i = 0; i < indices.length; i++) {
      const one = result.recipients[i] as RecipientResult
      if (one.kind !== 'accepted') allAccepted = false
      if (
        accepted &&
        isTooMany(one) &&
        this.#message !== undefined &&
        (this.#message.bytes !== undefined || this.#message.repeatable)
      )
        continue // the next transaction takes them
      this.#set(indices[i] as number, replyOf(one, host, signal))
    }
    if (!allAccepted) this.#transcript = session.transcript()
  }

  /** `trouble` is what all who are not decided get. */
  end(trouble: Trouble | undefined): Carried {
    if (trouble !== undefined) {
      const { phase, status, text, problem, reply, host } = trouble
      for (let i = 0; i < this.#recipients.length; i++)
        this.#set(i, {
          status,
          text,
          phase,
          mayHaveDelivered: false,
          ...(reply !== undefined && { reply }),
          ...(problem !== undefined && { problem }),
          ...(host !== undefined && { host }),
        })
      // A message without recipients is no message: `open` says it this way.
      if (this.#recipients.length === 0)
        return {
          replies: [
            {
              recipient: '',
              status,
              text,
              phase,
              mayHaveDelivered: false,
              ...(reply !== undefined && { reply }),
              ...(problem !== undefined && { problem }),
              ...(host !== undefined && { host }),
            },
          ],
          transcript: trouble.transcript,
          tokenProblem: trouble.tokenProblem,
          cause: trouble.cause,
        }
    }
    return {
      replies: this.#replies as RecipientReply[],
      transcript: trouble?.transcript ?? this.#transcript,
      tokenProblem: trouble?.tokenProblem,
      cause: trouble?.cause,
    }
  }
}

function replyOf(
  result: RecipientResult,
  host: string,
  signal: AbortSignal,
): Omit<RecipientReply, 'recipient'> {
  switch (result.kind) {
    case 'accepted':
      return {
        status: 'accepted',
        reply: result.reply,
        text: describeReply(result.reply),
        phase: 'end',
        mayHaveDelivered: false,
        host,
      }
    case 'refused': {
      const status = result.reply.code < 500 ? 'pending' : 'rejected'
      const phase = stagePhases[result.stage]
      return {
        status,
        reply: result.reply,
        text: describeReply(result.reply),
        phase,
        mayHaveDelivered: false,
        host,
      }
    }
    case 'broken':
      return {
        status: 'pending',
        text: result.reason,
        phase: stagePhases[result.stage],
        problem: brokenProblem(result.reason, signal),
        mayHaveDelivered: result.mayHaveDelivered,
        host,
      }
  }
}

/** The session's reasons are words; these are the ones it gives. */
function brokenProblem(reason: string, signal: AbortSignal): TransportErrorCode {
  if (signal.aborted) return signal.reason instanceof DeadlineReached ? 'DEADLINE' : 'ABORTED'
  if (reason.startsWith('the message could not be read')) return 'SOURCE'
  if (reason.startsWith('no answer in time')) return 'TIMEOUT'
  if (/^(?:unexpected reply|line too long|not a reply|reply |an answer )/.test(reason)) return 'PROTOCOL'
  return 'LOST'
}
