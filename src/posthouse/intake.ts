// Owns the step from "all of it arrived" to "it is on disk": turns accepted recipients into deliveries and mailbox
// rows, writes the first lines of the timeline, and commits. SMTP, the API and programs all come through here.

import type { Clock } from '../base/clock.ts'
import type { Mailbox } from '../base/mailbox.ts'
import type { DeliverySeed } from '../queue/schedule.ts'
import type {
  BodySource,
  Delivery,
  Message,
  MessageOrigin,
  NewMessage,
  Placement,
  TimelineEvent,
} from '../queue/types.ts'
import type { MailParameters, RcptParameters, ReversePath } from '../smtp/envelope.ts'
import { captureAccount, placementOf } from '../store/local-transport.ts'
import type { ConversationLine } from './conversations.ts'
import type { Target } from './directory.ts'
import type { RoutedDomain, Router } from './router.ts'

/** One RCPT that was accepted, with whom it stands for. */
export interface AcceptedRecipient {
  readonly address: Mailbox
  readonly parameters: RcptParameters
  readonly targets: readonly Target[]
  readonly viaAlias: boolean
  /** Into the junk folder; what would go on to others is held for an operator. */
  readonly junk?: boolean
}

/** The mailbox of what the policy put aside. */
export const junkMailbox = 'Junk'

export interface IntakeMessage {
  readonly id: string
  readonly reversePath: ReversePath
  readonly parameters: MailParameters
  readonly recipients: readonly AcceptedRecipient[]
  readonly body: BodySource
  readonly origin: MessageOrigin
  /** What was changed or found on the way in; goes into the timeline. */
  readonly notes: readonly string[]
  /** What was checked and decided, in order; each is a step of the timeline. JSON-safe. */
  readonly checks?: readonly Readonly<Record<string, unknown>>[] | undefined
  /** The SMTP conversation of how it came; goes into the timeline. */
  readonly conversation?: readonly ConversationLine[] | undefined
  /** Epoch ms; all deliveries, those to our own mailboxes too, wait in the queue until then. */
  readonly sendAt?: number | undefined
  readonly tags?: readonly string[] | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
}

export interface IntakeOptions {
  readonly clock: Clock
  readonly router: Router
  /** Gives a delivery its first times: retry, expiry, delay notice. */
  readonly schedule: (seed: DeliverySeed, now: number) => Delivery
  readonly commit: (message: NewMessage) => Promise<void>
  /** The catcher's inbox of who logged in. Default: INBOX. */
  readonly inboxOf?: ((identity: string | undefined) => string) | undefined
  /** Where mail for this address goes as a request, whatever the mode. */
  readonly inbound?: ((recipient: Mailbox) => string | undefined) | undefined
  /** Where captured mail for this address goes besides, as it comes. */
  readonly autoRelease?: ((recipient: Mailbox) => string | undefined) | undefined
}

export class Intake {
  readonly #options: IntakeOptions

  constructor(options: IntakeOptions) {
    this.#options = options
  }

  /** Durable when it resolves. Rejects with a StoreFailure; then nothing of it was written. */
  accept(incoming: IntakeMessage): Promise<void> {
    const now = this.#options.clock.now()
    const { id, parameters, reversePath, origin, body } = incoming
    const message: Message = {
      id,
      receivedAt: now,
      reversePath: reversePath?.text ?? '',
      sizeBytes: body.sizeBytes,
      smtputf8: parameters.smtputf8 ?? false,
      body8bit: parameters.body === '8BITMIME',
      ...(parameters.requireTls === true && { requireTls: true }),
      ...(parameters.ret !== undefined && { ret: parameters.ret }),
      ...(parameters.envid !== undefined && { envid: parameters.envid }),
      origin,
      ...(incoming.tags !== undefined && incoming.tags.length > 0 && { tags: incoming.tags }),
      ...(incoming.metadata !== undefined && { metadata: incoming.metadata }),
    }
    const sendAt = incoming.sendAt !== undefined && incoming.sendAt > now ? incoming.sendAt : undefined
    const deliveries: Delivery[] = []
    const settled: { delivery: Delivery; placement: Placement }[] = []
    const events: TimelineEvent[] = [accepted(incoming, now)]
    for (const data of incoming.checks ?? []) events.push({ messageId: id, at: now, kind: 'check', data })
    const { conversation } = incoming
    if (conversation !== undefined && conversation.length > 0)
      events.push({ messageId: id, at: now, kind: 'conversation', data: { lines: conversation } })
    let seq = 0
    const seen = new Set<string>()
    for (const recipient of incoming.recipients) {
      if (recipient.viaAlias) events.push(expanded(recipient, id, now))
      for (const target of recipient.targets) {
        const routed = this.#where(target)
        const isOnward = routed.destination !== 'local' && routed.destination !== 'capture'
        const where = recipient.junk === true && isOnward ? { ...routed, held: true } : routed
        const key = `${where.destination} ${target.kind === 'account' ? target.account : target.mailbox.text}`
        if (seen.has(key)) continue
        seen.add(key)
        const seed = seedOf(recipient, target, where, id, seq++)
        if (sendAt !== undefined) {
          deliveries.push(postponed(this.#options.schedule(seed, sendAt), sendAt))
          continue
        }
        const delivery = this.#options.schedule(seed, now)
        const placement = this.#placementNow(delivery, target, message, now, recipient.junk === true)
        if (placement === undefined) deliveries.push(delivery)
        else {
          settled.push({ delivery, placement })
          events.push(placed(delivery, placement, now))
        }
        const onward =
          where.destination === 'capture' && recipient.junk !== true
            ? this.#options.autoRelease?.(target.mailbox)
            : undefined
        if (onward !== undefined) {
          const seed = seedOf(recipient, target, { destination: onward, held: false }, id, seq++)
          deliveries.push(this.#options.schedule(seed, now))
        }
      }
    }
    return this.#options.commit({ message, body, deliveries, ...(settled.length > 0 && { settled }), events })
  }

  #where(target: Target): RoutedDomain {
    const { router, inbound } = this.#options
    const program = target.kind === 'outside' ? inbound?.(target.mailbox) : undefined
    if (program !== undefined) return { destination: program, held: false }
    return target.kind === 'account'
      ? router.local(target.mailbox.domain)
      : router.outside(target.mailbox.domain)
  }

  /** Local and captured mail is placed by the accepting transaction itself: one sync, and no queue row. */
  #placementNow(
    delivery: Delivery,
    target: Target,
    message: Message,
    now: number,
    junk: boolean,
  ): Placement | undefined {
    if (delivery.destination !== 'local' && delivery.destination !== 'capture') return undefined
    const account =
      delivery.destination === 'capture' || target.kind === 'outside' ? captureAccount : target.account
    const inbox = junk
      ? junkMailbox
      : account === captureAccount
        ? this.#options.inboxOf?.(message.origin.identity)
        : undefined
    return placementOf(account, message, delivery, now, inbox)
  }
}

/** Not before that instant; a hold stays one. Its time in the queue begins then. */
const postponed = (delivery: Delivery, sendAt: number): Delivery =>
  delivery.state === 'held' ? delivery : { ...delivery, state: 'waiting', dueAt: sendAt, attemptCount: 0 }

function seedOf(
  recipient: AcceptedRecipient,
  target: Target,
  where: RoutedDomain,
  messageId: string,
  seq: number,
): DeliverySeed {
  const { notify, orcpt } = recipient.parameters
  return {
    messageId,
    seq,
    recipient:
      target.kind === 'account'
        ? recipient.viaAlias
          ? target.account
          : target.mailbox.text
        : target.mailbox.text,
    domain: target.mailbox.domain,
    destination: where.destination,
    held: where.held,
    ...(notify !== undefined && { notify }),
    ...(orcpt !== undefined && { orcpt }),
    ...(recipient.viaAlias && { alias: recipient.address.text }),
  }
}

function accepted(incoming: IntakeMessage, at: number): TimelineEvent {
  const recipients = incoming.recipients.slice(0, 20).map((each) => each.address.text)
  const data = {
    recipientCount: incoming.recipients.length,
    recipients,
    ...(incoming.sendAt !== undefined && incoming.sendAt > at && { sendAt: incoming.sendAt }),
    ...(incoming.notes.length > 0 && { notes: incoming.notes }),
  }
  return { messageId: incoming.id, at, kind: 'accepted', data }
}

function expanded(recipient: AcceptedRecipient, messageId: string, at: number): TimelineEvent {
  const to = recipient.targets
    .slice(0, 20)
    .map((target) => (target.kind === 'account' ? target.account : target.mailbox.text))
  return {
    messageId,
    at,
    kind: 'expanded',
    data: { alias: recipient.address.text, to, count: recipient.targets.length },
  }
}

function placed(delivery: Delivery, where: Placement, at: number): TimelineEvent {
  const how = delivery.destination === 'capture' ? 'captured' : 'local'
  const data = { how, recipient: delivery.recipient, account: where.account, mailbox: where.mailbox }
  return { messageId: delivery.messageId, seq: delivery.seq, at, kind: 'delivered', data }
}
