// Owns sending captured mail on to real addresses: by a person (release), or as it comes to addresses that the
// configuration names. Released mail has destinations of its own ('release:...'), so that no later change of the mode
// takes it back. The original stays where it is.

import { tryParseMailbox } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import type { Mailbox } from '../base/mailbox.ts'
import { ControlError } from '../http/control-api.ts'
import { fitsPattern } from '../policy/fault-rules.ts'
import type { DeliverySeed } from '../queue/schedule.ts'
import { StoreFailure } from '../queue/store.ts'
import type { BodyReader } from '../queue/transport.ts'
import type { BodySource, Delivery, Message, NewMessage, TimelineEvent } from '../queue/types.ts'
import { type Route, releasePrefix, routeDestination } from '../relay/route.ts'
import type { BodyWriter, Store } from '../store/store.ts'

import type { CaptureConfig } from './config-capture.ts'

export const canRelease = (release: CaptureConfig['release']): boolean => release.server !== undefined

/** The destination that a released delivery of this domain has. */
const releaseDestination = (route: Route, domain: string): string =>
  `${releasePrefix}${routeDestination(route, domain)}`

/** Where mail for this address is sent on to as it comes, or undefined: it is only kept. */
export function autoRelease(
  release: CaptureConfig['release'],
): ((recipient: Mailbox) => string | undefined) | undefined {
  const { server, allow, auto } = release
  if (!auto || server === undefined) return undefined
  return (recipient) =>
    allow.some((pattern) => fitsPattern(pattern, recipient.text))
      ? releaseDestination(server, recipient.domain)
      : undefined
}

export interface ReleaserOptions {
  readonly release: CaptureConfig['release']
  readonly clock: Clock
  readonly ids: () => string
  readonly recipientsMax: number
  readonly store: Pick<Store, 'messageView' | 'openBody' | 'settle'>
  readonly bodyWriter: (id: string) => BodyWriter
  readonly schedule: (seed: DeliverySeed, now: number) => Delivery
  readonly commit: (message: NewMessage) => Promise<void>
}

/**
 * A new message with the body of a captured one, from its own reverse-path to `to`, by the release server. Durable when
 * it resolves.
 * @throws ControlError 'invalid': no server is configured, an address is none or not allowed; 'not-found': no such body
 */
export async function releaseMessage(
  options: ReleaserOptions,
  messageId: string,
  to: readonly string[],
  by: string,
): Promise<{ readonly id: string }> {
  const { release, clock, ids, store } = options
  if (release.server === undefined)
    throw new ControlError(
      'invalid',
      'no server is configured that mail is released to: set capture.release.server',
    )
  const { server } = release
  if (to.length === 0) throw new ControlError('invalid', 'there is no address to release it to')
  if (to.length > options.recipientsMax)
    throw new ControlError('invalid', `more than ${options.recipientsMax} addresses`)
  const recipients = to.map((text) => readRecipient(text, release.allow))
  const view = await store.messageView(messageId)
  if (view === undefined || !view.hasBody)
    throw new ControlError('not-found', `no body of message ${messageId} is kept`)
  const id = ids()
  const body = await copyBody(await openBody(store, messageId), options.bodyWriter(id))
  const now = clock.now()
  const message: Message = {
    ...view.message,
    id,
    receivedAt: now,
    sizeBytes: body.sizeBytes,
    origin: { via: 'release', identity: by },
  }
  const deliveries = recipients.map(({ text, domain }, seq) =>
    options.schedule(
      { messageId: id, seq, recipient: text, domain, destination: releaseDestination(server, domain) },
      now,
    ),
  )
  const addresses = recipients.slice(0, 20).map(({ text }) => text)
  const events: TimelineEvent[] = [
    {
      messageId: id,
      at: now,
      kind: 'accepted',
      data: {
        recipientCount: recipients.length,
        recipients: addresses,
        notes: [`released from ${messageId} by ${by}`],
      },
    },
  ]
  await options.commit({ message, body, deliveries, events })
  const data = { by, as: id, to: addresses }
  await store.settle({
    changes: [],
    newMessages: [],
    events: [{ messageId, at: now, kind: 'released', data }],
  })
  return { id }
}

function readRecipient(text: string, allow: readonly string[]): Mailbox {
  const mailbox = tryParseMailbox(text)
  if (mailbox === undefined)
    throw new ControlError('invalid', `'${text.slice(0, 100)}' is not a mail address`)
  if (allow.length > 0 && !allow.some((pattern) => fitsPattern(pattern, mailbox.text)))
    throw new ControlError('invalid', `${text} is not allowed: capture.release.allow has ${allow.join(', ')}`)
  return mailbox
}

async function openBody(store: Pick<Store, 'openBody'>, id: string): Promise<BodyReader> {
  try {
    return await store.openBody(id)
  } catch (cause) {
    if (cause instanceof StoreFailure && cause.code === 'corrupt')
      throw new ControlError('not-found', `the body of message ${id} cannot be read`)
    throw cause
  }
}

async function copyBody(body: BodyReader, writer: BodyWriter): Promise<BodySource> {
  try {
    for await (const chunk of body.stream(new AbortController().signal)) await writer.write(chunk)
    return await writer.finish()
  } catch (error) {
    writer.abort()
    throw error
  }
}
