// Owns the way of a message from an API call to the queue: composed or taken as it is, its sender checked, handed to the
// one submission of the server. It opens no file and no URL for a caller.

import { UsageError } from '../base/usage-error.ts'
import { compose } from '../message/compose.ts'
import { flattenAddresses } from '../message/header-addresses.ts'
import type { MessageInput } from '../message/message-input.ts'
import { parseMessage } from '../message/parse-message.ts'

import type { SendResult } from './api-types.ts'
import type { Principal } from './principal.ts'
import { ApiError, InvalidRequest } from './problem.ts'
import type { SendBody } from './send-schemas.ts'
import type { Services } from './services.ts'

const scheduleMsMax = 366 * 24 * 3_600_000

export interface ReadyMessage {
  readonly from: string | null
  readonly to: readonly string[]
  readonly raw: Uint8Array
  readonly messageId: string
}

export interface Wishes {
  readonly sendAt?: number | undefined
  readonly tags?: readonly string[] | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
}

export class Sender {
  readonly #services: Services

  constructor(services: Services) {
    this.#services = services
  }

  /** @throws InvalidRequest naming the field */
  compose(input: SendBody): ReadyMessage {
    const { parts } = this.#services
    const { sendAt: _sendAt, tags: _tags, metadata: _metadata, ...message } = input
    try {
      const composed = compose(
        { ...message, disableFileAccess: true, disableUrlAccess: true } as MessageInput,
        {
          now: parts.clock.now(),
          random: parts.random,
          hostname: parts.options.hostname,
        },
      )
      const raw = composed.bytes()
      if (raw === undefined)
        throw new InvalidRequest([{ path: 'body', message: 'must hold all its content' }])
      const { from, to } = composed.envelope
      return { from, to, raw, messageId: composed.messageId.replace(/^<|>$/g, '') }
    } catch (error) {
      if (error instanceof UsageError)
        throw new InvalidRequest([{ path: `body.${error.field}`, message: wordsOf(error) }])
      throw error
    }
  }

  /** A whole message; who is not named besides is read from it. @throws InvalidRequest */
  take(raw: Uint8Array, from: string | undefined, to: readonly string[] | undefined): ReadyMessage {
    const parsed = parseMessage(raw)
    const addresses = (list: typeof parsed.to): readonly string[] =>
      flattenAddresses(list).map(({ address }) => address)
    const sender = from ?? addresses(parsed.sender)[0] ?? addresses(parsed.from)[0]
    if (sender === undefined)
      throw new InvalidRequest([{ path: 'query.from', message: 'must be given, or From in the message' }])
    const recipients = to ?? [...addresses(parsed.to), ...addresses(parsed.cc), ...addresses(parsed.bcc)]
    return {
      from: sender === '' || sender === '<>' ? null : sender,
      to: [...new Set(recipients)],
      raw,
      messageId: parsed.messageId ?? '',
    }
  }

  /**
   * Durable when it resolves. `id` is what the message is called; it is not looked up.
   * @throws InvalidRequest, ApiError 'forbidden', and what the store rejects with
   */
  async send(
    principal: Principal,
    message: ReadyMessage,
    wishes: Wishes,
    context: { readonly id: string; readonly peerAddress: string },
  ): Promise<SendResult> {
    const { parts } = this.#services
    this.#checkSender(principal, message.from)
    const sendAt = this.#checkTime(wishes.sendAt)
    const { from, to, raw } = message
    const { tags, metadata } = wishes
    const taken = await parts.submit({
      from,
      to,
      raw,
      identity: principal.account ?? principal.onlyMailbox,
      peerAddress: context.peerAddress,
      id: context.id,
      ...(sendAt !== undefined && { sendAt }),
      ...(tags !== undefined && { tags }),
      ...(metadata !== undefined && { metadata }),
    })
    if ('field' in taken)
      throw new InvalidRequest([
        { path: taken.field === 'raw' ? 'body' : taken.field, message: taken.message },
      ])
    return {
      id: taken.id,
      messageId: message.messageId === '' ? `${taken.id}@${parts.options.hostname}` : message.messageId,
      accepted: to,
      ...(sendAt !== undefined && { scheduledAt: sendAt }),
    }
  }

  /** As SMTP submission has it: who has an account sends from its addresses. Administrators may use any. */
  #checkSender(principal: Principal, from: string | null): void {
    const { parts } = this.#services
    const { onlyAccount } = principal
    if (from === null || onlyAccount === undefined || !parts.options.senderMustMatch) return
    if (!parts.maySendAs(onlyAccount, from))
      throw new ApiError('forbidden', `${from} is not an address of ${onlyAccount}`)
  }

  #checkTime(sendAt: number | undefined): number | undefined {
    const now = this.#services.parts.clock.now()
    if (sendAt === undefined || sendAt <= now) return undefined
    if (sendAt > now + scheduleMsMax)
      throw new InvalidRequest([{ path: 'body.sendAt', message: 'must be within a year' }])
    return sendAt
  }
}

/** UsageError's message names the field again. */
const wordsOf = (error: UsageError): string =>
  error.message.startsWith(`${error.field}: `) ? error.message.slice(error.field.length + 2) : error.message
