// Owns one SMTP or LMTP session of the server: who may send what to whom (asking policy and the directory), the trace
// header, and the hand-over to the intake. It knows no socket; the driver asks, it answers, mostly at once.

import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Mailbox } from '../base/mailbox.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import { formatReceived } from '../message/trace.ts'
import { checkLoop } from '../policy/loops.ts'
import { decideRelay, type ListenerKind } from '../policy/relay-decision.ts'
import { fixSubmission, senderBelongs } from '../policy/submission.ts'
import { StoreFailure } from '../queue/store.ts'
import type { MessageOrigin } from '../queue/types.ts'
import type { BodySink, SessionInfo, SmtpSession } from '../server/session.ts'
import type { MailParameters, RcptParameters, ReversePath } from '../smtp/envelope.ts'
import { type Reply, reply } from '../smtp/reply.ts'
import { accept, refuse, type Verdict } from '../smtp/verdict.ts'
import type { BodyWriter } from '../store/store.ts'
import { BodyIntake, type HeaderDecision } from './body-intake.ts'
import type { ConversationLine } from './conversations.ts'
import type { Directory, Target } from './directory.ts'
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

  constructor(options: MailSessionOptions, info: SessionInfo) {
    this.#options = options
    this.#info = info
  }

  mail(reversePath: ReversePath, parameters: MailParameters): Verdict {
    if (this.#options.lowOnSpace()) return refuse(noSpace)
    const { kind, senderMustMatch } = this.#options
    if (kind === 'submission' && senderMustMatch && reversePath !== null) {
      const verdict = senderBelongs(this.#info.identity, reversePath, this.#ownAddresses)
      if (verdict.kind === 'refuse') return verdict
    }
    this.#reversePath = reversePath
    this.#parameters = parameters
    this.#recipients = []
    return accept
  }

  rcpt(forwardPath: Mailbox, parameters: RcptParameters): Verdict {
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
    this.#recipients.push({ address: forwardPath, parameters, targets, viaAlias })
    return accept
  }

  data(): BodySink | Extract<Verdict, { kind: 'refuse' }> {
    if (this.#options.lowOnSpace()) return { kind: 'refuse', reply: noSpace }
    return new MessageSink(this.#options, this.#info, this.#reversePath, this.#parameters, this.#recipients)
  }

  reset(): void {
    this.#recipients = []
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

class MessageSink implements BodySink {
  readonly #options: MailSessionOptions
  readonly #info: SessionInfo
  readonly #id: string
  readonly #reversePath: ReversePath
  readonly #parameters: MailParameters
  readonly #recipients: readonly AcceptedRecipient[]
  readonly #body: BodyIntake<Reply>
  #notes: readonly string[] = []
  #failure: { readonly cause: unknown } | undefined

  constructor(
    options: MailSessionOptions,
    info: SessionInfo,
    reversePath: ReversePath,
    parameters: MailParameters,
    recipients: readonly AcceptedRecipient[],
  ) {
    this.#options = options
    this.#info = info
    this.#id = options.ids()
    this.#reversePath = reversePath
    this.#parameters = parameters
    this.#recipients = recipients
    this.#body = new BodyIntake(options.bodyWriter(this.#id), (header) => this.#judge(header), headerTooLong)
  }

  write(bytes: Buffer): MaybePromise<void> {
    if (this.#failure !== undefined) return undefined
    const written = this.#body.write(bytes)
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
    this.#body.abort()
  }

  /** A large body goes to disk as it comes: a full disk is told at the end of data, in the words of a full disk. */
  #fail(cause: unknown): void {
    this.#failure = { cause }
    this.#body.abort()
  }

  #verdict(): MaybePromise<Verdict> {
    if (this.#failure !== undefined) return this.#notStored(this.#failure.cause)
    const finished = this.#body.finish()
    if (!(finished instanceof Promise)) return this.#commit(finished)
    return finished.then(
      (done) => this.#commit(done),
      (cause) => this.#notStored(cause),
    )
  }

  #commit(finished: Awaited<ReturnType<BodyIntake<Reply>['finish']>>): MaybePromise<Verdict> {
    if ('stop' in finished) return refuse(finished.stop)
    const incoming = {
      id: this.#id,
      reversePath: this.#reversePath,
      parameters: this.#parameters,
      recipients: this.#recipients,
      body: finished.body,
      origin: this.#origin(),
      notes: this.#notes,
      conversation: this.#options.conversation?.(this.#info, `250 2.0.0 queued as ${this.#id}`),
    }
    return this.#options.intake.accept(incoming).then(
      () => ({ kind: 'accept', reply: reply(250, '0.0', `queued as ${this.#id}`) }),
      (cause) => this.#notStored(cause),
    )
  }

  #notStored(cause: unknown): Verdict {
    // A large body lies on the disk already, which may be full: it must not stay there until the next start.
    this.#body.abort()
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
    const { clock, hostname, kind, receivedCountMax } = this.#options
    const loop = checkLoop(header, { hopsMax: receivedCountMax, recipients: this.#localRecipients() })
    if (loop.kind === 'refuse') return { kind: 'stop', stop: loop.reply }
    const received = formatReceived({
      from: this.#info.hello,
      remoteAddress: this.#info.remote.address,
      by: hostname,
      protocol: this.#info.protocol,
      smtputf8: this.#parameters.smtputf8 ?? false,
      authenticated: this.#info.identity !== undefined,
      tls: this.#info.tls,
      id: this.#id,
      // RFC 5321 section 7.2: with several recipients the clause would tell each of the others.
      for: this.#recipients.length === 1 ? this.#recipients[0]?.address.text : undefined,
      at: clock.now(),
    })
    const top = Buffer.from(received)
    if (kind !== 'submission') return { kind: 'write', parts: [top, header] }
    const fixed = fixSubmission(header, { now: clock.now(), messageIdDomain: hostname, id: this.#id })
    if (fixed.kind === 'refuse') return { kind: 'stop', stop: fixed.reply }
    this.#notes = fixed.notes
    return { kind: 'write', parts: [top, ...fixed.parts] }
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
