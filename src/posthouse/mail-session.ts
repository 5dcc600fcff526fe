// Owns one SMTP or LMTP session of the server: who may send what to whom (asking policy and the directory), the trace
// header, and the hand-over to the intake. It knows no socket; the driver asks, it answers, at once where mail is not checked.

import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Mailbox } from '../base/mailbox.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import { formatReceived } from '../message/trace.ts'
import { checkLoop } from '../policy/loops.ts'
import { decideRelay, type ListenerKind } from '../policy/relay-decision.ts'
import { fixSubmission, senderBelongs } from '../policy/submission.ts'
import { StoreFailure } from '../queue/store.ts'
import type { BodySource, MessageOrigin } from '../queue/types.ts'
import type { BodySink, SessionInfo, SmtpSession } from '../server/session.ts'
import type { MailParameters, RcptParameters, ReversePath } from '../smtp/envelope.ts'
import { type Reply, reply } from '../smtp/reply.ts'
import { accept, refuse, type Verdict } from '../smtp/verdict.ts'
import type { BodyWriter } from '../store/store.ts'
import { BodyIntake, type HeaderDecision } from './body-intake.ts'
import type { ConversationLine } from './conversations.ts'
import type { Directory, Target } from './directory.ts'
import { InboundContent } from './inbound-content.ts'
import { HeldMessage } from './inbound-held.ts'
import type { InboundSession } from './inbound-session.ts'
import type { AcceptedRecipient, Intake } from './intake.ts'
import type { Router } from './router.ts'

export interface MailSessionOptions {
  readonly kind: ListenerKind
  readonly listener: string
  readonly hostname: string
  readonly clock: Clock
  readonly log: Log
  readonly ids: () => string
  readonly directory: Directory
  readonly router: Router
  readonly intake: Intake
  readonly bodyWriter: (id: string) => BodyWriter
  /** True while the disk has less than `minFreeBytes` or the store does not answer. */
  readonly lowOnSpace: () => boolean
  readonly mayRelay: (address: string) => boolean
  readonly senderMustMatch: boolean
  readonly anyClient: boolean
  readonly receivedCountMax: number
  /** What mail of this session is checked by; undefined, or none for a session: nothing, and every answer comes at once. */
  readonly inbound?: ((session: SessionInfo) => InboundSession | undefined) | undefined
  /** The lines of the session that belong to the message which ends with this reply. */
  readonly conversation?: ((session: SessionInfo, last: string) => readonly ConversationLine[]) | undefined
}

const noSpace = reply(452, '3.1', 'not enough disk space here, try again later')
const headerTooLong = reply(552, '3.4', 'the header section is too large')

export class MailSession implements SmtpSession {
  readonly #options: MailSessionOptions
  readonly #info: SessionInfo
  #reversePath: ReversePath = null
  #parameters: MailParameters = {}
  #recipients: AcceptedRecipient[] = []
  #isRelayNetwork: boolean | undefined
  readonly #inbound: InboundSession | undefined

  constructor(options: MailSessionOptions, info: SessionInfo) {
    this.#options = options
    this.#info = info
    this.#inbound = options.inbound?.(info)
  }

  connect(): Verdict {
    return this.#inbound?.connect() ?? accept
  }

  hello(): Verdict {
    this.#inbound?.hello()
    return accept
  }

  mail(reversePath: ReversePath, parameters: MailParameters): MaybePromise<Verdict> {
    if (this.#options.lowOnSpace()) return refuse(noSpace)
    const { kind, senderMustMatch } = this.#options
    if (kind === 'submission' && senderMustMatch && reversePath !== null) {
      const verdict = senderBelongs(this.#info.identity, reversePath, this.#ownAddresses)
      if (verdict.kind === 'refuse') return verdict
    }
    this.#reversePath = reversePath
    this.#parameters = parameters
    this.#recipients = []
    return this.#inbound?.mail(reversePath, parameters) ?? accept
  }

  rcpt(forwardPath: Mailbox, parameters: RcptParameters): MaybePromise<Verdict> {
    const { directory, router, kind, mayRelay } = this.#options
    const resolution = directory.resolve(forwardPath)
    const verdict = decideRelay({
      listener: kind,
      mode: router.mode,
      remoteAddress: this.#info.remote.address,
      identity: this.#info.identity,
      anyClient: this.#options.anyClient,
      isOurDomain: resolution.kind !== 'foreign',
      isRelayNetwork: (this.#isRelayNetwork ??= mayRelay(this.#info.remote.address)),
    })
    if (verdict.kind === 'refuse') return verdict
    let targets: readonly Target[]
    switch (resolution.kind) {
      case 'unknown':
        return refuse(reply(550, '1.1', `no such user here: ${forwardPath.text}`))
      case 'disabled':
        return refuse(reply(550, '2.1', 'this mailbox is disabled'))
      case 'foreign':
        targets = [{ kind: 'outside', mailbox: forwardPath }]
        break
      case 'targets':
        targets = resolution.targets
        break
    }
    const viaAlias = resolution.kind === 'targets' && resolution.viaAlias
    const recipient = { address: forwardPath, parameters, targets, viaAlias }
    if (this.#inbound === undefined) {
      this.#recipients.push(recipient)
      return accept
    }
    const recipients = this.#recipients
    return this.#inbound.rcpt(forwardPath).then((checked) => {
      if (checked.kind === 'accept') recipients.push(recipient)
      return checked
    })
  }

  data(): MaybePromise<BodySink | Extract<Verdict, { kind: 'refuse' }>> {
    if (this.#options.lowOnSpace()) return { kind: 'refuse', reply: noSpace }
    const id = this.#options.ids()
    const inbound = this.#inbound
    if (inbound === undefined) return this.#sink(id)
    return inbound.data(id).then((refused) => refused ?? this.#sink(id, inbound))
  }

  reset(): void {
    this.#recipients = []
    this.#inbound?.reset()
  }

  close(): void {
    this.#inbound?.close()
  }

  #sink(id: string, inbound?: InboundSession): MessageSink {
    const transaction = {
      id,
      reversePath: this.#reversePath,
      parameters: this.#parameters,
      recipients: this.#recipients,
    }
    const inspection = inbound && {
      content: new InboundContent(inbound),
      held: new HeldMessage(inbound.checks.heldFolder, id),
    }
    return new MessageSink(this.#options, this.#info, transaction, inspection)
  }

  vrfy(): Verdict {
    // RFC 5321 section 3.5.3: an address harvester learns nothing, a person is told the truth about that.
    return { kind: 'accept', reply: reply(252, '0.0', 'send some mail, I will try my best') }
  }

  readonly #ownAddresses = (identity: string, sender: Mailbox): boolean => {
    const resolution = this.#options.directory.resolve(sender)
    return (
      resolution.kind === 'targets' &&
      resolution.targets.some((target) => target.kind === 'account' && target.account === identity)
    )
  }
}

interface Transaction {
  readonly id: string
  readonly reversePath: ReversePath
  readonly parameters: MailParameters
  readonly recipients: readonly AcceptedRecipient[]
}

/** Of a message that is held until it was looked into. */
interface Inspection {
  readonly content: InboundContent
  readonly held: HeldMessage
}

/** What becomes of the transaction: as it came, or as the checks left it. */
interface Accepted {
  readonly body: BodySource
  readonly recipients: readonly AcceptedRecipient[]
  readonly reversePath: ReversePath
  readonly checks?: readonly Readonly<Record<string, unknown>>[]
}

class MessageSink implements BodySink {
  readonly #options: MailSessionOptions
  readonly #info: SessionInfo
  readonly #id: string
  readonly #transaction: Transaction
  readonly #recipients: readonly AcceptedRecipient[]
  readonly #inspection: Inspection | undefined
  /** Not of a message that is held. */
  readonly #body: BodyIntake<Reply> | undefined
  #writer: BodyWriter | undefined
  #notes: readonly string[] = []
  #failure: { readonly cause: unknown } | undefined

  constructor(
    options: MailSessionOptions,
    info: SessionInfo,
    transaction: Transaction,
    inspection: Inspection | undefined,
  ) {
    this.#options = options
    this.#info = info
    this.#id = transaction.id
    this.#transaction = transaction
    this.#recipients = transaction.recipients
    this.#inspection = inspection
    if (inspection === undefined)
      this.#body = new BodyIntake(
        options.bodyWriter(this.#id),
        (header) => this.#judge(header),
        headerTooLong,
      )
  }

  write(bytes: Buffer): MaybePromise<void> {
    if (this.#failure !== undefined) return undefined
    this.#inspection?.content.write(bytes)
    const written = (this.#inspection?.held ?? this.#body)?.write(bytes)
    return written instanceof Promise ? written.catch((cause) => this.#fail(cause)) : undefined
  }

  finish(): MaybePromise<Verdict | readonly Verdict[]> {
    const verdict = this.#verdict()
    if (this.#options.kind !== 'lmtp') return verdict
    // RFC 2033 section 4.2: one reply for each accepted recipient; ours are committed together.
    const each = (one: Verdict): readonly Verdict[] => this.#recipients.map(() => one)
    return verdict instanceof Promise ? verdict.then(each) : each(verdict)
  }

  abort(): void {
    this.#body?.abort()
    this.#writer?.abort()
    this.#inspection?.content.abort()
    this.#inspection?.held.dispose()
  }

  /** A large body goes to disk as it comes: a full disk is told at the end of data, in the words of a full disk. */
  #fail(cause: unknown): void {
    this.#failure = { cause }
    this.abort()
  }

  #verdict(): MaybePromise<Verdict> {
    if (this.#failure !== undefined) return this.#notStored(this.#failure.cause)
    if (this.#inspection !== undefined)
      return this.#inspect(this.#inspection).catch((cause) => this.#notStored(cause))
    const finished = this.#body?.finish()
    if (finished === undefined) throw new Error('a message without a body to finish')
    if (!(finished instanceof Promise)) return this.#stored(finished)
    return finished.then(
      (done) => this.#stored(done),
      (cause) => this.#notStored(cause),
    )
  }

  #stored(finished: Awaited<ReturnType<BodyIntake<Reply>['finish']>>): MaybePromise<Verdict> {
    if ('stop' in finished) return refuse(finished.stop)
    const { recipients, reversePath } = this.#transaction
    return this.#commit({ body: finished.body, recipients, reversePath })
  }

  /** Looked into, then written whole with what the checks put on top of it. */
  async #inspect({ content, held }: Inspection): Promise<Verdict> {
    try {
      const whole = held.finish()
      if (whole === undefined) return refuse(headerTooLong)
      const prepared = this.#prepare(whole.header)
      if (prepared.kind === 'stop') return refuse(prepared.stop)
      const isWhole = prepared.parts.length === 1 && prepared.parts[0] === whole.header
      const header = isWhole ? whole.header : Buffer.concat(prepared.parts)
      const outcome = await content.finish({
        id: this.#id,
        header,
        body: whole.body,
        recipients: this.#recipients,
      })
      if (outcome.kind === 'refuse') return refuse(outcome.reply)
      const writer = this.#options.bodyWriter(this.#id)
      this.#writer = writer
      for (const part of [outcome.top, this.#trace(), outcome.header])
        if (part.length > 0) {
          const written = writer.write(part)
          if (written instanceof Promise) await written
        }
      for await (const piece of outcome.body.pieces()) await writer.write(piece)
      const verdict = await this.#commit({ ...outcome, body: await writer.finish() })
      if (verdict.kind === 'accept') content.taken(outcome)
      return verdict
    } finally {
      held.dispose()
    }
  }

  #commit({ body, recipients, reversePath, checks }: Accepted): MaybePromise<Verdict> {
    const incoming = {
      id: this.#id,
      reversePath,
      parameters: this.#transaction.parameters,
      recipients,
      body,
      origin: this.#origin(),
      notes: this.#notes,
      checks,
      conversation: this.#options.conversation?.(this.#info, `250 2.0.0 queued as ${this.#id}`),
    }
    return this.#options.intake.accept(incoming).then(
      () => ({ kind: 'accept', reply: reply(250, '0.0', `queued as ${this.#id}`) }),
      (cause) => this.#notStored(cause),
    )
  }

  #notStored(cause: unknown): Verdict {
    // A large body lies on the disk already, which may be full: it must not stay there until the next start.
    this.abort()
    const full = cause instanceof StoreFailure && cause.code === 'full'
    this.#options.log.error(
      { sessionId: this.#info.id, messageId: this.#id, cause: String(cause) },
      'commit failed',
    )
    return refuse(
      full ? noSpace : reply(451, '3.0', `could not store the message, try again later (${this.#info.id})`),
    )
  }

  /** Called once with the whole header section: loops, submission fix-ups, and our Received on top. */
  #judge(header: Buffer): HeaderDecision<Reply> {
    const prepared = this.#prepare(header)
    return prepared.kind === 'stop' ? prepared : { kind: 'write', parts: [this.#trace(), ...prepared.parts] }
  }

  #prepare(header: Buffer): HeaderDecision<Reply> {
    const { clock, hostname, kind, receivedCountMax } = this.#options
    const loop = checkLoop(header, { hopsMax: receivedCountMax, recipients: this.#localRecipients() })
    if (loop.kind === 'refuse') return { kind: 'stop', stop: loop.reply }
    if (kind !== 'submission') return { kind: 'write', parts: [header] }
    const fixed = fixSubmission(header, { now: clock.now(), messageIdDomain: hostname, id: this.#id })
    if (fixed.kind === 'refuse') return { kind: 'stop', stop: fixed.reply }
    this.#notes = fixed.notes
    return { kind: 'write', parts: fixed.parts }
  }

  #trace(): Buffer {
    const { clock, hostname } = this.#options
    const received = formatReceived({
      from: this.#info.hello,
      remoteAddress: this.#info.remote.address,
      by: hostname,
      protocol: this.#info.protocol,
      smtputf8: this.#transaction.parameters.smtputf8 ?? false,
      authenticated: this.#info.identity !== undefined,
      tls: this.#info.tls,
      id: this.#id,
      // RFC 5321 section 7.2: with several recipients the clause would tell each of the others.
      for: this.#recipients.length === 1 ? this.#recipients[0]?.address.text : undefined,
      at: clock.now(),
    })
    return Buffer.from(received)
  }

  #localRecipients(): readonly string[] {
    return this.#recipients.flatMap((each) =>
      each.targets.flatMap((target) => (target.kind === 'account' ? target.mailbox.text : [])),
    )
  }

  #origin(): MessageOrigin {
    const { kind, listener } = this.#options
    const { remote, hello, tls, identity, id } = this.#info
    return {
      via: kind === 'mx' ? 'smtp' : kind,
      listener,
      peerAddress: remote.address,
      hello,
      ...(tls !== undefined && { tls: `${tls.protocol} ${tls.cipher}` }),
      ...(identity !== undefined && { identity }),
      sessionId: id,
    }
  }
}
