// Owns the mailer: composes a message, carries it to a server or to the recipients' hosts, and says honestly what became
// of each recipient: a result, or an error that tells what to do. It keeps no queue on disk and tries nothing tomorrow.
// RFC 5321, RFC 6409 (submission), RFC 2033 (LMTP), RFC 3461 (DSN).

import { formatLocalPart, tryParseMailbox } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { UsageError } from '../base/usage-error.ts'
import { compose } from '../message/compose.ts'
import type { ComposedMessage, MessageInput, OpenSource } from '../message/message-input.ts'
import { createDialer } from '../net/dial.ts'
import { createProxyDialer } from '../net/proxy-dial.ts'
import { realClock } from '../net/real-clock.ts'
import { realRandom } from '../net/real-random.ts'
import { systemHelloName } from '../net/system-lookup.ts'
import type { Capabilities } from '../smtp/capabilities.ts'
import {
  type Carried,
  type CarriedMessage,
  type CarriedPath,
  type CarriedRecipient,
  DeadlineReached,
} from './carried.ts'
import { Carrier } from './carrier.ts'
import { type DkimHook, type DkimOptions, dkimHook } from './dkim-options.ts'
import { MailerDestinations } from './mailer-destinations.ts'
import type { SendPhase, TransportErrorCode } from './mailer-errors.ts'
import { failureOf, ownFailure } from './mailer-failure.ts'
import { type MailerOptions, type MailerSettings, readMailerOptions, type Signer } from './mailer-options.ts'
import { type RecipientReply, type SendResult, summarize } from './mailer-result.ts'
import { gather, MailerSource, SourceFailure, signedSource } from './mailer-source.ts'
import { isRecord } from './option-checks.ts'
import { RateGate } from './rate-gate.ts'
import { type BulkOptions, type BulkOutcome, sendMany } from './send-many.ts'
import { checkOptions, readDsn, type SendOptions, startLimit, type TimeOptions } from './send-options.ts'
import { createSourceOpener } from './sources.ts'

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
  verify(options?: TimeOptions): Promise<VerifyResult>
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

const nonAscii = /[^\x00-\x7f]/
const domainsAtOnce = 20

interface Prepared {
  readonly composed: ComposedMessage
  readonly from: CarriedPath
  readonly recipients: readonly CarriedRecipient[]
  readonly ret: 'FULL' | 'HDRS' | undefined
  readonly envid: string | undefined
  readonly sign: Signer | undefined
}

class OpenMailer implements Mailer {
  readonly kind: MailerSettings['kind']
  readonly captured: CapturedMessage[] = []
  underwayCount = 0
  readonly #settings: MailerSettings
  readonly #clock: Clock
  readonly #random: Random
  readonly #hostname: string
  readonly #carrier: Carrier
  readonly #openSource: OpenSource
  readonly #rate: RateGate | undefined
  readonly #to: MailerDestinations
  readonly #dkim: DkimHook | undefined
  /** Of options given with a message: their keys are read once, too. */
  readonly #dkimOfMessages = new WeakMap<DkimOptions, DkimHook>()
  #closed = false
  #whenReady: (() => void)[] = []
  #whenDone: (() => void)[] = []

  constructor(settings: MailerSettings) {
    const { options, proxy } = settings
    const { clock = realClock, random = realRandom, dialer = createDialer({ clock }) } = options.world ?? {}
    this.kind = settings.kind
    this.#settings = settings
    this.#clock = clock
    this.#random = random
    this.#hostname = options.name ?? systemHelloName()
    this.#openSource = createSourceOpener({
      files: options.allowFiles ?? true,
      urls: options.allowUrls ?? true,
    })
    this.#rate = options.rate === undefined ? undefined : new RateGate(options.rate, clock)
    this.#dkim = options.dkim === undefined ? undefined : dkimHook(options.dkim, clock)
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
    this.#to = new MailerDestinations(settings, clock, random)
  }

  async send(message: MessageInput, options: SendOptions = {}): Promise<SendResult> {
    if (this.#closed) throw this.#ownError('CLOSED', 'wait', 'the mailer was closed')
    const { connectionsMax, waitingMax } = this.#settings
    if (this.underwayCount >= connectionsMax + waitingMax)
      throw this.#ownError('BUSY', 'wait', `${waitingMax} messages are waiting already`)
    const prepared = this.#prepare(message, options)
    // What can be wrong with the call is known by now: from here on it is under way until it is settled.
    const limit = startLimit(options, this.#clock)
    const { signal } = limit
    this.underwayCount++
    try {
      const turn = this.#rate?.enter(signal)
      if (turn !== undefined) await this.#itsTurn(turn, signal)
      const { composed, from, recipients, sign } = prepared
      const { messageId } = composed
      const source =
        sign === undefined
          ? new MailerSource(composed, undefined)
          : await this.#signed(sign, composed, signal)
      const envelope = { from: from.text, to: namesOf(recipients) }
      if (this.kind === 'capture') return await this.#capture(source, messageId, envelope, signal)
      const carried = await this.#carry(this.#message(prepared, source), recipients, signal)
      for (const one of carried.replies)
        if (one.status === 'accepted') return summarize(messageId, envelope, carried.replies)
      throw failureOf(this.#settings, carried, source.error)
    } finally {
      limit.done()
      this.#leave()
    }
  }

  async #itsTurn(turn: Promise<void>, signal: AbortSignal): Promise<void> {
    try {
      await turn
    } catch {
      throw this.#stopped('wait', 'stopped while waiting for its turn', signal)
    }
  }

  // Before

  #prepare(message: MessageInput, options: SendOptions): Prepared {
    checkOptions(options)
    const composed = this.#compose(message, options)
    const { from, to } = composed.envelope
    if (to.length === 0) throw new UsageError('to', 'nobody is named in to, cc, bcc or envelope.to')
    const { notify, ret, envid, withOriginal } = readDsn(options.dsn)
    const recipients: CarriedRecipient[] = []
    for (const name of to) {
      const { text, ascii } = carriedPath(name)
      const orcpt = withOriginal ? `${nonAscii.test(name) ? 'utf-8' : 'rfc822'};${name}` : undefined
      recipients.push({ name, text, ascii, notify, orcpt })
    }
    const sign = this.#signerOf(options.dkim)
    return { composed, from: carriedPath(from ?? ''), recipients, ret, envid, sign }
  }

  #compose(message: MessageInput, { envelope }: SendOptions): ComposedMessage {
    if (!isRecord(message)) throw new UsageError('message', 'must be an object')
    if (envelope !== undefined && !isRecord(envelope)) throw new UsageError('envelope', 'must be an object')
    const { defaults } = this.#settings.options
    let input = defaults === undefined ? message : withDefaults(message, defaults)
    if (envelope !== undefined) input = { ...input, envelope }
    try {
      return compose(input, {
        now: this.#clock.now(),
        random: this.#random,
        hostname: this.#hostname.startsWith('[') ? 'localhost.localdomain' : this.#hostname,
        openSource: this.#openSource,
      })
    } catch (cause) {
      if (cause instanceof UsageError) throw cause
      // A value of a type that nothing expects.
      throw new UsageError('message', 'cannot be composed: see the cause', { cause })
    }
  }

  #signerOf(dkim: SendOptions['dkim']): Signer | undefined {
    if (dkim === undefined) return this.#dkim?.sign ?? this.#settings.options.sign
    if (dkim === false) return undefined
    let hook = isRecord(dkim) ? this.#dkimOfMessages.get(dkim) : undefined
    if (hook === undefined) {
      hook = dkimHook(dkim, this.#clock)
      this.#dkimOfMessages.set(dkim, hook)
    }
    return hook.sign
  }

  async #signed(sign: Signer, composed: ComposedMessage, signal: AbortSignal): Promise<MailerSource> {
    try {
      return await signedSource(sign, composed, { clock: this.#clock, signal })
    } catch (error) {
      throw this.#unread(error, signal)
    }
  }

  #message({ composed, from, ret, envid }: Prepared, source: MailerSource): CarriedMessage {
    return {
      from,
      needsSmtputf8: composed.needsSmtputf8,
      needs8bit: composed.needs8bit,
      sizeBytes: source.sizeBytes,
      bytes: source.bytes,
      repeatable: source.repeatable,
      stream: (signal) => source.stream(signal),
      ret,
      envid,
    }
  }

  // On the way

  #carry(
    message: CarriedMessage,
    recipients: readonly CarriedRecipient[],
    signal: AbortSignal,
  ): Promise<Carried> {
    if (this.#to.host !== undefined) return this.#carrier.carry(this.#to.host, message, recipients, signal)
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
        const carried = await this.#carrier.carry(this.#to.ofDomain(domain), message, to, signal)
        for (const [i, index] of indices.entries()) replies[index] = carried.replies[i] as RecipientReply
        transcript = [...transcript, ...carried.transcript]
        cause ??= carried.cause
      }
    }
    await Promise.all(Array.from({ length: Math.min(domains.size, domainsAtOnce) }, worker))
    return { replies, transcript, cause }
  }

  async #capture(
    source: MailerSource,
    messageId: string,
    envelope: SendResult['envelope'],
    signal: AbortSignal,
  ): Promise<SendResult> {
    let bytes: Buffer
    try {
      bytes =
        source.bytes === undefined
          ? await gather((abort) => source.stream(abort), { clock: this.#clock, signal })
          : Buffer.from(source.bytes)
    } catch (error) {
      throw this.#unread(error, signal)
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
    this.captured.push({ ...result, bytes })
    const most = this.#settings.options.captureMax ?? 10_000
    if (this.captured.length > most) this.captured.splice(0, this.captured.length - most)
    return result
  }

  // After

  #unread(error: unknown, signal: AbortSignal): unknown {
    if (!(error instanceof SourceFailure)) return error
    if (error.aborted) return this.#stopped('source', error.message, signal)
    return this.#ownError('SOURCE', 'source', error.message, error.cause ?? error)
  }

  #stopped(phase: SendPhase, text: string, signal: AbortSignal): Error {
    return this.#ownError(signal.reason instanceof DeadlineReached ? 'DEADLINE' : 'ABORTED', phase, text)
  }

  #ownError(code: TransportErrorCode, phase: SendPhase, text: string, cause?: unknown): Error {
    return ownFailure(this.#settings, code, phase, text, cause)
  }

  #leave(): void {
    this.underwayCount--
    if (this.underwayCount < this.#settings.connectionsMax) this.#whenReady.shift()?.()
    if (this.underwayCount === 0) for (const resolve of this.#whenDone.splice(0)) resolve()
  }

  // The rest

  sendMany<M extends MessageInput>(
    messages: AsyncIterable<M> | Iterable<M>,
    options: BulkOptions = {},
  ): AsyncGenerator<BulkOutcome<M>, void, undefined> {
    const send = (message: M, sendOptions: SendOptions) => this.send(message, sendOptions)
    return sendMany(send, messages, options, this.#settings.connectionsMax * 2)
  }

  async verify(options: TimeOptions = {}): Promise<VerifyResult> {
    if (this.#closed) throw this.#ownError('CLOSED', 'wait', 'the mailer was closed')
    checkOptions(options)
    const limit = startLimit(options, this.#clock)
    this.underwayCount++
    try {
      await this.#dkim?.ready()
      if (this.#to.host === undefined) return { host: '', address: '', port: 0 }
      const opened = await this.#carrier.open(this.#to.host, limit.signal)
      if ('replies' in opened) throw failureOf(this.#settings, opened)
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

function namesOf(recipients: readonly CarriedRecipient[]): readonly string[] {
  const names: string[] = []
  for (const one of recipients) names.push(one.name)
  return names
}

/** `text` is a mailbox ready for the wire, or '' (the null reverse-path). */
function carriedPath(text: string): CarriedPath {
  if (!nonAscii.test(text)) return { text, ascii: text }
  const mailbox = tryParseMailbox(text)
  // RFC 6531 section 3.2: a domain has A-labels that any host understands; a local-part has no such form.
  if (mailbox === undefined || nonAscii.test(mailbox.localPart)) return { text, ascii: undefined }
  return { text, ascii: `${formatLocalPart(mailbox.localPart)}@${mailbox.domain}` }
}

function withDefaults(message: MessageInput, defaults: Partial<MessageInput>): MessageInput {
  const merged = { ...defaults, ...message }
  const [ours, theirs] = [defaults.headers, message.headers]
  if (ours == null || theirs == null || Array.isArray(ours) || Array.isArray(theirs)) return merged
  return { ...merged, headers: { ...ours, ...theirs } }
}
