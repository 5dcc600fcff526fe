// Owns the entry `posthouse/client/nodemailer`: createTransport as Nodemailer's users call it, over our mailer, so that a
// project can switch by changing one import. What differs is in docs/migrating-from-nodemailer.md.
//
//   import * as nodemailer from 'posthouse/client/nodemailer'

import { EventEmitter } from 'node:events'
import { Readable } from 'node:stream'
import { UsageError } from '../base/usage-error.ts'
import type { MessageInput } from '../message/message-input.ts'
import { describeReply } from '../smtp/reply.ts'
import { createMailer, type Mailer, type SendOptions } from './mailer.ts'
import { PeerError, TransportError, type TransportErrorCode } from './mailer-errors.ts'
import type { SendResult } from './mailer-result.ts'
import {
  type NodemailerOptions,
  parseNodemailerUrl,
  type ReadNodemailerOptions,
  readNodemailerOptions,
} from './nodemailer-options.ts'

export interface SendMailOptions extends MessageInput {
  /** RFC 3461, as Nodemailer has it. */
  readonly dsn?: {
    readonly id?: string
    readonly return?: 'headers' | 'full'
    readonly notify?: DsnWord | readonly DsnWord[]
    readonly recipient?: string
  }
  readonly signal?: AbortSignal
}

type DsnWord = 'never' | 'success' | 'failure' | 'delay'

/** What Nodemailer's SMTP transport gives. */
export interface SentMessageInfo {
  readonly envelope: { readonly from: string | false; readonly to: readonly string[] }
  readonly messageId: string
  readonly accepted: readonly string[]
  /** Refused for good or for now. */
  readonly rejected: readonly string[]
  readonly pending: readonly string[]
  readonly rejectedErrors?: readonly NodemailerError[]
  readonly response: string
  /** Of streamTransport and jsonTransport. */
  readonly message?: unknown
}

/** Nodemailer's shape of an error; `cause` is ours, with its `advice`. */
export interface NodemailerError extends Error {
  code?: string
  /** '550 5.1.1 no such user' */
  response?: string
  responseCode?: number
  command?: string
  recipient?: string
  rejected?: readonly string[]
  rejectedErrors?: readonly NodemailerError[]
}

export type SendMailCallback = (error: NodemailerError | null, info: SentMessageInfo) => void

export interface Transporter extends EventEmitter {
  readonly options: NodemailerOptions
  /** Options that were given and have no effect here. */
  readonly ignoredOptions: readonly string[]
  sendMail(message: SendMailOptions): Promise<SentMessageInfo>
  sendMail(message: SendMailOptions, callback: SendMailCallback): void
  verify(): Promise<true>
  verify(callback: (error: NodemailerError | null, success?: true) => void): void
  /** A message sent now would not wait. */
  isIdle(): boolean
  close(): void
}

/** @throws UsageError for options that have no counterpart here */
export function createTransport(
  transport: string | NodemailerOptions = {},
  defaults?: Partial<SendMailOptions>,
): Transporter {
  const given = typeof transport === 'string' ? parseNodemailerUrl(transport) : transport
  if (typeof given.send === 'function')
    throw new UsageError(
      'transport',
      'transport plugins are not taken: they need the inner life of Nodemailer',
    )
  return new OurTransporter(given, defaults)
}

/** There is no such address: mail that was not sent to a test service has none. */
export const getTestMessageUrl = (_info: SentMessageInfo): false => false

class OurTransporter extends EventEmitter implements Transporter {
  readonly options: NodemailerOptions
  readonly ignoredOptions: readonly string[]
  readonly #mailer: Mailer
  readonly #defaults: Partial<SendMailOptions> | undefined
  readonly #memory: 'json' | 'stream' | undefined

  constructor(options: NodemailerOptions, defaults: Partial<SendMailOptions> | undefined) {
    super()
    this.options = options
    this.#defaults = defaults
    this.#memory =
      options.jsonTransport === true ? 'json' : options.streamTransport === true ? 'stream' : undefined
    const read: ReadNodemailerOptions =
      this.#memory === undefined
        ? readNodemailerOptions(options)
        : { options: inMemory(options), ignored: [] }
    this.ignoredOptions = read.ignored
    this.#mailer = createMailer(read.options)
  }

  sendMail(message: SendMailOptions): Promise<SentMessageInfo>
  sendMail(message: SendMailOptions, callback: SendMailCallback): void
  sendMail(message: SendMailOptions, callback?: SendMailCallback): Promise<SentMessageInfo> | undefined {
    const sent = this.#send({ ...this.#defaults, ...message })
    if (callback === undefined) return sent
    sent.then(
      (info) => callback(null, info),
      (error: NodemailerError) => (callback as (error: NodemailerError) => void)(error),
    )
    return undefined
  }

  verify(): Promise<true>
  verify(callback: (error: NodemailerError | null, success?: true) => void): void
  verify(callback?: (error: NodemailerError | null, success?: true) => void): Promise<true> | undefined {
    const verified = this.#mailer.verify().then(
      () => true as const,
      (error: unknown) => {
        throw translated(error)
      },
    )
    if (callback === undefined) return verified
    verified.then(
      () => callback(null, true),
      (error: NodemailerError) => callback(error),
    )
    return undefined
  }

  isIdle(): boolean {
    const { pool, maxConnections } = this.options
    return this.#mailer.underwayCount < (pool === true ? (maxConnections ?? 5) : 20)
  }

  close(): void {
    void this.#mailer.close()
  }

  async #send(message: SendMailOptions): Promise<SentMessageInfo> {
    const { dsn, signal, ...input } = message
    try {
      const result = await this.#mailer.send(input, {
        ...dsnOptions(dsn),
        ...(signal !== undefined && { signal }),
      })
      if (this.#memory !== undefined) return this.#inMemory(result, input)
      return infoOf(result)
    } catch (error) {
      throw translated(error)
    } finally {
      if (this.isIdle()) this.emit('idle')
    }
  }

  #inMemory(result: SendResult, input: MessageInput): SentMessageInfo {
    const info = infoOf(result)
    const captured = this.#mailer.captured.splice(0).find((one) => one.messageId === result.messageId)
    if (this.#memory === 'json') {
      const { envelope: _envelope, ...data } = { ...input, messageId: result.messageId }
      return { ...info, message: this.options.skipEncoding === true ? data : JSON.stringify(data) }
    }
    const { newline, buffer } = this.options
    const unix = newline !== undefined && !/^(?:win|windows|dos|\r\n)$/i.test(newline)
    const bytes = captured?.bytes ?? Buffer.alloc(0)
    const message = unix ? Buffer.from(bytes.toString('latin1').replaceAll('\r\n', '\n'), 'latin1') : bytes
    return { ...info, message: buffer === true ? message : Readable.from([message]) }
  }
}

const inMemory = (options: NodemailerOptions): ReadNodemailerOptions['options'] => ({
  kind: 'capture',
  ...(options.disableFileAccess === true && { allowFiles: false }),
  ...(options.disableUrlAccess === true && { allowUrls: false }),
})

function dsnOptions(dsn: SendMailOptions['dsn']): Pick<SendOptions, 'dsn'> {
  if (dsn === undefined) return {}
  const words =
    dsn.notify === undefined ? undefined : typeof dsn.notify === 'string' ? [dsn.notify] : dsn.notify
  const notify = words?.includes('never')
    ? 'never'
    : (words as readonly Exclude<DsnWord, 'never'>[] | undefined)
  return {
    dsn: {
      ...(dsn.id !== undefined && { id: dsn.id }),
      ...(dsn.return !== undefined && { return: dsn.return }),
      ...(notify !== undefined && { notify }),
    },
  }
}

function infoOf(result: SendResult): SentMessageInfo {
  const { messageId, envelope, accepted, rejected, pending, response, replies } = result
  const errors = replies.filter((one) => one.status !== 'accepted').map(refusal)
  return {
    envelope: { from: envelope.from === '' ? false : envelope.from, to: envelope.to },
    messageId,
    accepted,
    rejected: [...rejected, ...pending],
    pending: [],
    ...(errors.length > 0 && { rejectedErrors: errors }),
    response,
  }
}

function refusal(one: SendResult['replies'][number]): NodemailerError {
  const error: NodemailerError = new Error(
    one.phase === 'rcpt' ? `Recipient command failed: ${one.text}` : `Message failed: ${one.text}`,
  )
  error.code = one.phase === 'end' || one.phase === 'body' ? 'EMESSAGE' : 'EENVELOPE'
  error.recipient = one.recipient
  error.command = one.phase === 'rcpt' ? 'RCPT TO' : one.phase === 'mail' ? 'MAIL FROM' : 'DATA'
  if (one.reply !== undefined) {
    error.response = describeReply(one.reply)
    error.responseCode = one.reply.code
  }
  return error
}

const codes: Readonly<Record<TransportErrorCode, string>> = {
  DNS: 'EDNS',
  CONNECT: 'ESOCKET',
  TLS: 'ETLS',
  AUTH: 'EAUTH',
  PROTOCOL: 'EPROTOCOL',
  LOST: 'ECONNECTION',
  TIMEOUT: 'ETIMEDOUT',
  DEADLINE: 'ETIMEDOUT',
  ABORTED: 'EABORT',
  SOURCE: 'ESTREAM',
  UNSUPPORTED: 'EENVELOPE',
  SIZE: 'EMESSAGE',
  BUSY: 'EMAXLIMIT',
  CLOSED: 'ECONNECTION',
}

/** Ours as Nodemailer's: its code, its words before the peer's, ours as the cause. */
function translated(error: unknown): NodemailerError {
  if (error instanceof PeerError) return translatedReply(error)
  if (error instanceof TransportError) {
    const made: NodemailerError = new Error(error.message, { cause: error })
    made.code = codes[error.code]
    made.command = error.command ?? 'CONN'
    return made
  }
  if (error instanceof UsageError) {
    const made: NodemailerError = new Error(error.field === 'to' ? 'No recipients defined' : error.message, {
      cause: error,
    })
    const envelope = /^(?:to|cc|bcc|from|sender|envelope)\b/.test(error.field)
    made.code = envelope
      ? 'EENVELOPE'
      : error.field === 'path'
        ? 'EFILEACCESS'
        : error.field === 'href'
          ? 'EURLACCESS'
          : 'ECONFIG'
    made.command = 'API'
    return made
  }
  return error instanceof Error ? error : new Error(String(error))
}

function translatedReply(error: PeerError): NodemailerError {
  const first = error.replies.find((one) => one.reply?.code === error.replyCode)?.reply
  const response = describeReply(
    first ?? {
      code: error.replyCode,
      lines: error.replyText.split('\n'),
      ...(error.status !== undefined && { status: error.status }),
    },
  )
  const made: NodemailerError = new Error(`${prefixes[error.phase] ?? 'Message failed'}: ${response}`, {
    cause: error,
  })
  made.code =
    error.phase === 'auth'
      ? 'EAUTH'
      : error.phase === 'end'
        ? 'EMESSAGE'
        : beforeMail.has(error.phase)
          ? 'EPROTOCOL'
          : 'EENVELOPE'
  made.command = error.phase === 'end' ? 'DATA' : (error.command ?? 'CONN')
  made.response = response
  made.responseCode = error.replyCode
  if (error.phase === 'rcpt') {
    made.rejected = error.replies.map((one) => one.recipient)
    made.rejectedErrors = error.replies.map(refusal)
  }
  return made
}

const beforeMail = new Set(['greeting', 'hello', 'startTls'])
const prefixes: Readonly<Record<string, string>> = {
  greeting: 'Invalid greeting',
  hello: 'Invalid EHLO response',
  startTls: 'Error upgrading connection with STARTTLS',
  auth: 'Invalid login',
  mail: 'Mail command failed',
  rcpt: "Can't send mail - all recipients were rejected",
  data: 'Data command failed',
}
