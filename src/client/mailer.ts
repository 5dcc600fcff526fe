// Owns the mailer: composes a message, carries it to a server or to the recipients' hosts, and says honestly what became
// of each recipient: a result, or an error that tells what to do. It keeps no queue on disk and tries nothing tomorrow.
// RFC 5321, RFC 6409 (submission), RFC 2033 (LMTP), RFC 3461 (DSN).

import { formatLocalPart, tryParseMailbox } from '../base/address.ts'
import { type Clock, sleep } from '../base/clock.ts'
import { UsageError } from '../base/usage-error.ts'
import { createCachingResolver } from '../dns/cache.ts'
import type { Resolver } from '../dns/resolver.ts'
import { compose } from '../message/compose.ts'
import type { ComposedMessage, EnvelopeInput, MessageInput } from '../message/message-input.ts'
import { createDialer } from '../net/dial.ts'
import { createDnsClient } from '../net/dns-client.ts'
import { keepAlive } from '../net/keep-alive.ts'
import { createProxyDialer } from '../net/proxy-dial.ts'
import { realClock } from '../net/real-clock.ts'
import { realRandom } from '../net/real-random.ts'
import { lookupSystem, systemHelloName } from '../net/system-lookup.ts'
import type { Capabilities } from '../smtp/capabilities.ts'
import type { Notify } from '../smtp/envelope.ts'
import { adviceFor } from './advice.ts'
import {
  type Carried,
  type CarriedMessage,
  type CarriedPath,
  type CarriedRecipient,
  DeadlineReached,
} from './carried.ts'
import { Carrier } from './carrier.ts'
import { PeerError, type SendErrorFacts, type SendPhase, TransportError } from './mailer-errors.ts'
import { type MailerOptions, type MailerSettings, readMailerOptions, type Signer } from './mailer-options.ts'
import { type RecipientReply, type SendResult, summarize } from './mailer-result.ts'
import { resolveHost, resolveRoute } from './mx.ts'
import type { MxResult } from './mx-result.ts'
import type { Destination } from './session-opener.ts'
import { createSourceOpener } from './sources.ts'

export interface SendOptions {
  /** Stops it; the error says whether the message may have been delivered. */
  readonly signal?: AbortSignal
  /** All of it must be done by then. */
  readonly deadline?: Date
  /** The same, from now. */
  readonly timeoutMs?: number
  /** Who is asked to deliver it, where that is not what the header says. */
  readonly envelope?: EnvelopeInput
  /** Delivery reports (RFC 3461), where the server offers DSN. */
  readonly dsn?: {
    readonly notify?: 'never' | readonly ('success' | 'failure' | 'delay')[]
    /** How much of the message a report has. */
    readonly return?: 'full' | 'headers'
    /** Comes back in the report; printable ASCII, at most 100 characters. */
    readonly id?: string
    /** The recipient's address as it was before; default: none is said. */
    readonly originalRecipient?: boolean
  }
}

export interface VerifyResult {
  /** '' where there is no one server (mx, capture). */
  readonly host: string
  readonly address: string
  readonly port: number
  /** 'TLSv1.3 TLS_AES_256_GCM_SHA384 verified'; absent without TLS. */
  readonly tls?: string
  /** What the server announced. */
  readonly capabilities?: Capabilities
}

export interface CapturedMessage extends SendResult {
  /** The whole message as it would have gone out. */
  readonly bytes: Buffer
}

export type BulkOutcome<M extends MessageInput = MessageInput> =
  /** `index`: 0.. in the order of the input. */
  | { readonly index: number; readonly message: M; readonly ok: true; readonly result: SendResult }
  | { readonly index: number; readonly message: M; readonly ok: false; readonly error: Error }

export interface BulkProgress {
  readonly begunCount: number
  readonly sentCount: number
  readonly failedCount: number
}

export interface BulkOptions extends SendOptions {
  /** Messages under way at once. Default: twice the connections. */
  readonly concurrency?: number
  /** Called after each outcome. */
  readonly onProgress?: (progress: BulkProgress) => void
}

export interface Mailer extends AsyncDisposable {
  readonly kind: MailerSettings['kind']
  /**
   * Resolves when at least one recipient was accepted; read `rejected` and `pending` for the others.
   * Rejects with UsageError (the message or an option is wrong; nothing was sent), PeerError (all refused) or
   * TransportError (nobody answered for any of them).
   */
  send(message: MessageInput, options?: SendOptions): Promise<SendResult>
  /** Takes the next message only when there is room for it; outcomes come as they are ready. Throws what the input throws. */
  sendMany<M extends MessageInput>(
    messages: AsyncIterable<M> | Iterable<M>,
    options?: BulkOptions,
  ): AsyncGenerator<BulkOutcome<M>, void, undefined>
  /** Connects, negotiates TLS and logs in, and keeps the connection. Rejects as `send` does. */
  verify(options?: Pick<SendOptions, 'signal' | 'deadline' | 'timeoutMs'>): Promise<VerifyResult>
  /** Resolves when a message sent now would not wait for a connection. */
  ready(): Promise<void>
  /** Messages that the next `send` would wait behind, or that are under way. */
  readonly underwayCount: number
  /** capture: only; the oldest first. */
  readonly captured: CapturedMessage[]
  /** Takes no more, waits for what is under way, says goodbye. */
  close(): Promise<void>
}

/** From a URL ('smtps://user:password@host', 'mx:', 'capture:') or options. @throws UsageError */
export function createMailer(options: string | MailerOptions): Mailer {
  return new OpenMailer(readMailerOptions(options))
}

const never = new AbortController().signal
const nonAscii = /[^\x00-\x7f]/

class OpenMailer implements Mailer {
  readonly kind: MailerSettings['kind']
  readonly captured: CapturedMessage[] = []
  underwayCount = 0
  readonly #settings: MailerSettings
  readonly #clock: Clock
  readonly #random
  readonly #hostname: string
  readonly #carrier: Carrier
  readonly #openSource
  readonly #rate: RateGate | undefined
  readonly #host: Destination | undefined
  #resolver: Resolver | undefined
  #closed = false
  #whenReady: (() => void)[] = []
  #whenDone: (() => void)[] = []

  constructor(settings: MailerSettings) {
    const { options, proxy } = settings
    const {
      clock = realClock,
      random = realRandom,
      dialer = createDialer({ clock }),
      resolver,
    } = options.world ?? {}
    this.kind = settings.kind
    this.#settings = settings
    this.#clock = clock
    this.#random = random
    this.#resolver = resolver
    this.#hostname = options.name ?? systemHelloName()
    this.#openSource = createSourceOpener({
      files: options.allowFiles ?? true,
      urls: options.allowUrls ?? true,
    })
    this.#rate = options.rate === undefined ? undefined : new RateGate(options.rate, clock)
    this.#carrier = new Carrier({
      clock,
      random,
      dialer:
        proxy === undefined
          ? dialer
          : createProxyDialer({ clock, proxy, dialer, ...(options.ca !== undefined && { ca: options.ca }) }),
      hostname: this.#hostname,
      auth: settings.auth,
      mechanisms: options.mechanisms,
      allowClear: settings.allowClear,
      connectionsMax: settings.connectionsMax,
      messagesPerConnection: options.messagesPerConnection,
      idleTimeoutMs: options.idleTimeoutMs,
      timeouts: { connect: 30_000, tls: 30_000, greeting: 60_000, hello: 60_000, ...options.timeouts },
      ca: options.ca,
      localAddress: options.localAddress,
      transcript: options.transcript,
    })
    if (settings.kind === 'smtp' || settings.kind === 'lmtp') this.#host = this.#hostDestination()
  }

  async send(message: MessageInput, options: SendOptions = {}): Promise<SendResult> {
    if (this.#closed) throw this.#ownError('CLOSED', 'wait', 'the mailer was closed')
    const { connectionsMax, waitingMax } = this.#settings
    if (this.underwayCount >= connectionsMax + waitingMax)
      throw this.#ownError('BUSY', 'wait', `${waitingMax} messages are waiting already`)
    const prepared = this.#prepare(message, options)
    this.underwayCount++
    const limit = this.#limit(options)
    try {
      return await this.#send(prepared, limit.signal)
    } finally {
      limit.done()
      this.#leave()
    }
  }

  async #send(prepared: Prepared, signal: AbortSignal): Promise<SendResult> {
    const { composed, from, recipients } = prepared
    try {
      const turn = this.#rate?.enter(signal)
      if (turn !== undefined) await turn
    } catch {
      const deadline = signal.reason instanceof DeadlineReached
      throw this.#ownError(deadline ? 'DEADLINE' : 'ABORTED', 'wait', 'stopped while waiting for its turn')
    }
    const { sign } = this.#settings.options
    const signature = sign === undefined ? undefined : await this.#signature(sign, composed, signal)
    const source = new Source(composed, signature)
    const envelope = { from: from.text, to: recipients.map((one) => one.name) }
    if (this.kind === 'capture') return await this.#capture(source, composed.messageId, envelope, signal)
    const carried = await this.#carry(this.#message(prepared, source), recipients, signal)
    for (const one of carried.replies)
      if (one.status === 'accepted') return summarize(composed.messageId, envelope, carried.replies)
    throw this.#failure(carried, source.error)
  }

  // Before

  #prepare(message: MessageInput, options: SendOptions): Prepared {
    const { defaults } = this.#settings.options
    let input = defaults === undefined ? message : withDefaults(message, defaults)
    if (options.envelope !== undefined) input = { ...input, envelope: options.envelope }
    const composed = compose(input, {
      now: this.#clock.now(),
      random: this.#random,
      hostname: this.#hostname.startsWith('[') ? 'localhost.localdomain' : this.#hostname,
      openSource: this.#openSource,
    })
    const { from, to } = composed.envelope
    if (to.length === 0) throw new UsageError('to', 'nobody is named in to, cc, bcc or envelope.to')
    const { dsn } = options
    const notify = dsn?.notify === undefined ? undefined : readNotify(dsn.notify)
    if (dsn?.id !== undefined && !/^[\x20-\x7e]{1,100}$/.test(dsn.id))
      throw new UsageError('dsn.id', 'printable ASCII, at most 100 characters')
    return {
      composed,
      from: carriedPath(from ?? ''),
      recipients: to.map((name) => ({
        name,
        ...carriedPath(name),
        notify,
        orcpt:
          dsn?.originalRecipient === true ? `${nonAscii.test(name) ? 'utf-8' : 'rfc822'};${name}` : undefined,
      })),
      ret: dsn?.return === undefined ? undefined : dsn.return === 'full' ? 'FULL' : 'HDRS',
      envid: dsn?.id,
    }
  }

  #message({ composed, from, ret, envid }: Prepared, source: Source): CarriedMessage {
    return {
      from,
      needsSmtputf8: composed.needsSmtputf8,
      needs8bit: composed.needs8bit,
      sizeBytes: source.sizeBytes,
      bytes: source.bytes,
      repeatable: composed.repeatable,
      stream: (signal) => source.stream(signal),
      ret,
      envid,
    }
  }

  async #signature(
    sign: Signer,
    composed: ComposedMessage,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    if (!composed.repeatable && composed.bytes() === undefined)
      throw new UsageError(
        'attachments',
        'a stream is read once, and signing reads the message before sending: give its bytes',
      )
    const fields = await sign({
      bytes: () => composed.bytes(),
      stream: (abort) => composed.stream(abort),
      signal,
    })
    const bytes = typeof fields === 'string' ? Buffer.from(fields) : fields
    if (bytes.length > 0 && (bytes.at(-2) !== 13 || bytes.at(-1) !== 10))
      throw new UsageError('sign', 'gives header fields with their line ends (CRLF)')
    return bytes
  }

  #limit({ signal, deadline, timeoutMs }: Pick<SendOptions, 'signal' | 'deadline' | 'timeoutMs'>): Limit {
    if (deadline === undefined && timeoutMs === undefined) return { signal: signal ?? never, done: nothing }
    const leftMs = deadline === undefined ? Number.POSITIVE_INFINITY : deadline.getTime() - this.#clock.now()
    const waitMs = Math.min(leftMs, timeoutMs ?? Number.POSITIVE_INFINITY)
    if (Number.isNaN(waitMs))
      throw new UsageError(deadline === undefined ? 'timeoutMs' : 'deadline', 'is no time')
    const controller = new AbortController()
    const abort = (): void => controller.abort(signal?.reason)
    if (signal?.aborted) abort()
    else signal?.addEventListener('abort', abort, { once: true })
    if (waitMs <= 0) controller.abort(new DeadlineReached('the time for it is over'))
    const timer = this.#clock.setTimer(Math.max(0, waitMs), () =>
      controller.abort(new DeadlineReached('the time for it is over')),
    )
    return {
      signal: controller.signal,
      done: () => {
        timer.cancel()
        signal?.removeEventListener('abort', abort)
      },
    }
  }

  // On the way

  #carry(
    message: CarriedMessage,
    recipients: readonly CarriedRecipient[],
    signal: AbortSignal,
  ): Promise<Carried> {
    if (this.#host !== undefined) return this.#carrier.carry(this.#host, message, recipients, signal)
    return this.#carryByDomain(message, recipients, signal)
  }

  /** RFC 5321 section 5.1: each domain has hosts of its own. */
  async #carryByDomain(
    message: CarriedMessage,
    recipients: readonly CarriedRecipient[],
    signal: AbortSignal,
  ): Promise<Carried> {
    const domains = new Map<string, number[]>()
    for (const [index, { text }] of recipients.entries()) {
      const domain = tryParseMailbox(text)?.domain ?? text.slice(text.lastIndexOf('@') + 1)
      const list = domains.get(domain)
      if (list === undefined) domains.set(domain, [index])
      else list.push(index)
    }
    if (domains.size > 1 && message.bytes === undefined && !message.repeatable)
      throw new UsageError(
        'attachments',
        `a stream is read once, but the recipients are of ${domains.size} domains: give its bytes`,
      )
    const replies = new Array<RecipientReply>(recipients.length)
    let transcript: readonly string[] = []
    let cause: unknown
    const work = domains.entries()
    const worker = async (): Promise<void> => {
      for (const [domain, indices] of work) {
        const to = indices.map((index) => recipients[index] as CarriedRecipient)
        const carried = await this.#carrier.carry(this.#mxDestination(domain), message, to, signal)
        for (const [i, index] of indices.entries()) replies[index] = carried.replies[i] as RecipientReply
        transcript = [...transcript, ...carried.transcript]
        cause ??= carried.cause
      }
    }
    await Promise.all(Array.from({ length: Math.min(domains.size, domainsAtOnce) }, worker))
    return { replies, transcript, cause }
  }

  #hostDestination(): Destination {
    const { kind, host, port, implicitTls, tls, options } = this.#settings
    return {
      key: 'host',
      protocol: kind === 'lmtp' ? 'lmtp' : 'smtp',
      port,
      implicitTls,
      tls,
      servername: options.servername,
      hosts: (signal) => this.#findHost(host, signal),
    }
  }

  #mxDestination(domain: string): Destination {
    const { port, tls, options } = this.#settings
    return {
      key: `mx:${domain}`,
      protocol: 'smtp',
      port,
      implicitTls: false,
      tls,
      servername: options.servername,
      hosts: (signal) => resolveRoute(domain, { resolver: this.#dns(), random: this.#random, signal }),
    }
  }

  async #findHost(host: string, signal: AbortSignal): Promise<MxResult> {
    const one = (address: string): MxResult => ({
      kind: 'hosts',
      hosts: [
        {
          name: host.startsWith('/') ? 'localhost' : host,
          preference: 0,
          addresses: [{ address, family: 4 }],
        },
      ],
    })
    // A proxy resolves names itself; a socket's path has no address.
    if (host.startsWith('/') || this.#settings.proxy !== undefined) return one(host)
    if (this.#resolver !== undefined || this.#settings.options.dnsServers !== undefined)
      return resolveHost(host, { resolver: this.#dns(), random: this.#random, signal })
    const found = await lookupSystem(host, signal)
    switch (found.kind) {
      case 'found':
        return { kind: 'hosts', hosts: [{ name: host, preference: 0, addresses: found.addresses }] }
      case 'none':
        return { kind: 'noSuchDomain', reason: found.reason }
      case 'temporary':
        return found
    }
  }

  #dns(): Resolver {
    if (this.#resolver === undefined) {
      const servers = this.#settings.options.dnsServers
      const clock = this.#clock
      const lookup = createDnsClient({
        clock,
        random: this.#random,
        ...(servers !== undefined && { servers }),
      })
      this.#resolver = createCachingResolver({ lookup, clock })
    }
    return this.#resolver
  }

  async #capture(
    source: Source,
    messageId: string,
    envelope: SendResult['envelope'],
    signal: AbortSignal,
  ): Promise<SendResult> {
    const chunks: Uint8Array[] = []
    if (source.bytes !== undefined) chunks.push(source.bytes)
    else
      try {
        for await (const chunk of source.stream(signal)) chunks.push(chunk)
      } catch (cause) {
        const text = cause instanceof Error ? cause.message : String(cause)
        throw this.#ownError('SOURCE', 'source', `the message could not be read: ${text}`, cause)
      }
    const text = '250 2.0.0 captured'
    const result = summarize(
      messageId,
      envelope,
      envelope.to.map((recipient) => ({
        recipient,
        status: 'accepted',
        text,
        phase: 'end',
        mayHaveDelivered: false,
      })),
    )
    this.captured.push({ ...result, bytes: Buffer.concat(chunks) })
    const most = this.#settings.options.captureMax ?? 10_000
    if (this.captured.length > most) this.captured.splice(0, this.captured.length - most)
    return result
  }

  // After

  #failure(carried: Carried, sourceError: unknown): PeerError | TransportError {
    const { replies, transcript } = carried
    const decisive =
      replies.find((one) => one.reply !== undefined && one.reply.code >= 500) ??
      replies.find((one) => one.reply !== undefined) ??
      replies.find((one) => one.mayHaveDelivered) ??
      replies[0]
    if (decisive === undefined) throw new UsageError('to', 'nobody is named')
    const cause = carried.cause ?? sourceError
    const facts = this.#facts(decisive, {
      // A token source that failed may work again.
      temporary: replies.some(isTemporary) || (decisive.problem === 'AUTH' && cause !== undefined),
      mayHaveDelivered: replies.some((one) => one.mayHaveDelivered),
      tokenProblem: carried.tokenProblem,
      replies: decisive.recipient === '' ? [] : replies,
      transcript,
      ...(cause !== undefined && { cause }),
    })
    const where = facts.host === undefined ? '' : `${facts.host}: `
    if (decisive.reply !== undefined) {
      const command = facts.command === undefined ? '' : ` (answer to ${facts.command})`
      return new PeerError(`${where}${decisive.text}${command}`, decisive.reply, facts)
    }
    return new TransportError(
      decisive.problem ?? 'LOST',
      `${where}${decisive.text} (${phaseWords[decisive.phase]})`,
      facts,
    )
  }

  #facts(
    one: RecipientReply,
    more: Pick<SendErrorFacts, 'temporary' | 'mayHaveDelivered' | 'replies' | 'transcript' | 'cause'> & {
      readonly tokenProblem: string | undefined
    },
  ): SendErrorFacts {
    const { tokenProblem, ...rest } = more
    const { kind, host, port, implicitTls, service, auth, proxy } = this.#settings
    const command = commandOf[one.phase]
    const place = one.host ?? (host === '' ? undefined : `${host}:${port}`)
    return {
      phase: one.phase,
      ...(command !== undefined && { command: one.phase === 'hello' && kind === 'lmtp' ? 'LHLO' : command }),
      ...(place !== undefined && { host: place }),
      advice: adviceFor({
        phase: one.phase,
        problem: one.problem,
        reply: one.reply,
        text: one.text,
        kind,
        host,
        port,
        implicitTls,
        service,
        auth: auth === undefined ? undefined : 'token' in auth ? 'token' : 'password',
        tokenProblem,
        proxied: proxy !== undefined,
      }),
      ...rest,
    }
  }

  #ownError(code: TransportError['code'], phase: SendPhase, text: string, cause?: unknown): TransportError {
    const reply = {
      recipient: '',
      status: 'pending',
      text,
      phase,
      problem: code,
      mayHaveDelivered: false,
    } as const
    return this.#failure({ replies: [reply], transcript: [], cause }, undefined) as TransportError
  }

  #leave(): void {
    this.underwayCount--
    if (this.underwayCount < this.#settings.connectionsMax) this.#whenReady.shift()?.()
    if (this.underwayCount === 0) for (const resolve of this.#whenDone.splice(0)) resolve()
  }

  // The rest

  async *sendMany<M extends MessageInput>(
    messages: AsyncIterable<M> | Iterable<M>,
    options: BulkOptions = {},
  ): AsyncGenerator<BulkOutcome<M>, void, undefined> {
    const { concurrency = this.#settings.connectionsMax * 2, onProgress, ...sendOptions } = options
    if (!Number.isInteger(concurrency) || concurrency < 1)
      throw new UsageError('concurrency', 'a whole number from 1')
    const input =
      Symbol.asyncIterator in messages ? messages[Symbol.asyncIterator]() : messages[Symbol.iterator]()
    const done: BulkOutcome<M>[] = []
    let begunCount = 0
    let sentCount = 0
    let failedCount = 0
    let pulling = false
    let exhausted = false
    let broken: { readonly error: unknown } | undefined
    let wake: () => void = nothing
    const settle = (outcome: BulkOutcome<M>): void => {
      if (outcome.ok) sentCount++
      else failedCount++
      done.push(outcome)
      wake()
    }
    const pull = async (): Promise<void> => {
      pulling = true
      try {
        const next = await input.next()
        if (next.done === true) exhausted = true
        else {
          const index = begunCount++
          const message = next.value
          this.send(message, sendOptions).then(
            (result) => settle({ index, message, ok: true, result }),
            (error: Error) => settle({ index, message, ok: false, error }),
          )
        }
      } catch (error) {
        exhausted = true
        broken = { error }
      }
      pulling = false
      wake()
    }
    try {
      for (;;) {
        const underwayCount = begunCount - sentCount - failedCount
        if (!exhausted && !pulling && underwayCount + done.length < concurrency) void pull()
        const outcome = done.shift()
        if (outcome !== undefined) {
          onProgress?.({ begunCount, sentCount, failedCount })
          yield outcome
        } else if (exhausted && !pulling && underwayCount === 0) {
          if (broken !== undefined) throw broken.error
          return
        } else await new Promise<void>((resolve) => (wake = resolve))
      }
    } finally {
      if (!exhausted) await input.return?.()
    }
  }

  async verify(options: Pick<SendOptions, 'signal' | 'deadline' | 'timeoutMs'> = {}): Promise<VerifyResult> {
    if (this.#closed) throw this.#ownError('CLOSED', 'wait', 'the mailer was closed')
    if (this.#host === undefined) return { host: '', address: '', port: 0 }
    const limit = this.#limit(options)
    this.underwayCount++
    try {
      const opened = await this.#carrier.open(this.#host, limit.signal)
      if ('replies' in opened) throw this.#failure(opened, undefined)
      const { tls, ...rest } = opened
      return { ...rest, ...(tls !== undefined && { tls }) }
    } finally {
      limit.done()
      this.#leave()
    }
  }

  ready(): Promise<void> {
    if (this.underwayCount < this.#settings.connectionsMax) return Promise.resolve()
    return new Promise((resolve) => this.#whenReady.push(resolve))
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.underwayCount > 0) await new Promise<void>((resolve) => this.#whenDone.push(resolve))
    await this.#carrier.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

const domainsAtOnce = 20
const nothing = (): void => {}

interface Limit {
  readonly signal: AbortSignal
  done(): void
}

interface Prepared {
  readonly composed: ComposedMessage
  readonly from: CarriedPath
  readonly recipients: readonly CarriedRecipient[]
  readonly ret: 'FULL' | 'HDRS' | undefined
  readonly envid: string | undefined
}

/** The message as it goes out: signature first. Remembers why it could not be read. */
class Source {
  readonly bytes: Uint8Array | undefined
  readonly sizeBytes: number
  error: unknown
  readonly #composed: ComposedMessage
  readonly #signature: Uint8Array | undefined

  constructor(composed: ComposedMessage, signature: Uint8Array | undefined) {
    this.error = undefined
    this.#composed = composed
    this.#signature = signature
    const bytes = composed.bytes()
    this.bytes = bytes === undefined || signature === undefined ? bytes : Buffer.concat([signature, bytes])
    const sizeBytes = this.bytes?.length ?? composed.sizeBytes
    this.sizeBytes =
      sizeBytes === undefined
        ? 0
        : this.bytes === undefined
          ? sizeBytes + (signature?.length ?? 0)
          : sizeBytes
  }

  async *stream(signal: AbortSignal): AsyncIterable<Uint8Array> {
    if (this.#signature !== undefined) yield this.#signature
    try {
      yield* this.#composed.stream(signal)
    } catch (error) {
      if (!signal.aborted) this.error = error
      throw error
    }
  }
}

/** At most so many in any stretch of time; who comes waits in order. */
class RateGate {
  readonly #perMs: number
  readonly #clock: Clock
  /** When the last ones began, or will; a ring. */
  readonly #begins: number[]
  #at = 0

  constructor(rate: { readonly messages: number; readonly perMs: number }, clock: Clock) {
    this.#perMs = rate.perMs
    this.#clock = clock
    this.#begins = new Array<number>(Math.floor(rate.messages)).fill(Number.NEGATIVE_INFINITY)
  }

  /** Rejects with the signal's reason. */
  enter(signal: AbortSignal): Promise<void> | undefined {
    const now = this.#clock.now()
    const begin = Math.max(now, (this.#begins[this.#at] as number) + this.#perMs)
    this.#begins[this.#at] = begin
    this.#at = (this.#at + 1) % this.#begins.length
    if (begin <= now) return undefined
    // Between two messages there may be no connection that holds the process.
    return sleep(this.#clock, begin - now, signal).finally(keepAlive())
  }
}

const isTemporary = (one: RecipientReply): boolean => {
  if (one.status !== 'pending') return false
  if (one.reply !== undefined) return one.reply.code < 500
  return (
    one.problem !== 'TLS' && one.problem !== 'AUTH' && one.problem !== 'PROTOCOL' && one.problem !== 'CLOSED'
  )
}

const commandOf: Readonly<Partial<Record<SendPhase, string>>> = {
  hello: 'EHLO',
  startTls: 'STARTTLS',
  auth: 'AUTH',
  mail: 'MAIL FROM',
  rcpt: 'RCPT TO',
  data: 'DATA',
  body: 'DATA',
  end: 'the message',
}

const phaseWords: Readonly<Record<SendPhase, string>> = {
  wait: 'while waiting',
  source: 'reading the message',
  resolve: 'looking up the host',
  connect: 'connecting',
  tls: 'in the TLS handshake',
  greeting: 'waiting for the greeting',
  hello: 'greeting the server',
  startTls: 'turning TLS on',
  auth: 'logging in',
  mail: 'sending MAIL',
  rcpt: 'sending RCPT',
  data: 'sending DATA',
  body: 'sending the message',
  end: 'after the message, before its answer',
}

/** `text` is a mailbox ready for the wire, or '' (the null reverse-path). */
function carriedPath(text: string): CarriedPath {
  if (!nonAscii.test(text)) return { text, ascii: text }
  const mailbox = tryParseMailbox(text)
  // RFC 6531 section 3.2: a domain has A-labels that any host understands; a local-part has no such form.
  if (mailbox === undefined || nonAscii.test(mailbox.localPart)) return { text, ascii: undefined }
  return { text, ascii: `${formatLocalPart(mailbox.localPart)}@${mailbox.domain}` }
}

function readNotify(notify: 'never' | readonly ('success' | 'failure' | 'delay')[]): readonly Notify[] {
  const words = notify === 'never' ? ['never'] : notify
  const known = words.every((one) => /^(?:success|failure|delay)$/.test(one) || notify === 'never')
  if (!known || words.length === 0)
    throw new UsageError('dsn.notify', "'never', or a list of 'success', 'failure' and 'delay'")
  return words.map((one) => one.toUpperCase() as Notify)
}

function withDefaults(message: MessageInput, defaults: Partial<MessageInput>): MessageInput {
  const merged = { ...defaults, ...message }
  const [ours, theirs] = [defaults.headers, message.headers]
  if (ours == null || theirs == null || Array.isArray(ours) || Array.isArray(theirs)) return merged
  return { ...merged, headers: { ...ours, ...theirs } }
}
