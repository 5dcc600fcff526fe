// Owns the entry `posthouse/client/nodemailer`: createTransport as Nodemailer's users call it, over our mailer, so that a
// project can switch by changing one import. What differs is in docs/migrating-from-nodemailer.md.
//
//   import * as nodemailer from 'posthouse/client/nodemailer'

import { EventEmitter } from 'node:events'
import { Readable } from 'node:stream'
import { UsageError } from '../base/usage-error.ts'
import type { MessageInput } from '../message/message-input.ts'
import { describeReply } from '../smtp/reply.ts'
import { createMailer, type Mailer } from './mailer.ts'
import { PeerError, TransportError, type TransportErrorCode } from './mailer-errors.ts'
import type { SendResult } from './mailer-result.ts'
import {
  type NodemailerOptions,
  type ProvisionCallback,
  parseNodemailerUrl,
  type ReadNodemailerOptions,
  readNodemailerOptions,
} from './nodemailer-options.ts'
import type { SendOptions } from './send-options.ts'
import { pipeToSendmail, SendmailFailure } from './sendmail-pipe.ts'
import { createSourceOpener } from './sources.ts'

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
  /** 'compile': sees, and may change, `mail.data` before the message is made. Called in order, each after the last is done. */
  use(step: 'compile', plugin: CompilePlugin): this
  /** 'oauth2_provision_cb' is read, other keys are kept for plugins. */
  set(key: string, value: unknown): unknown
  get(key: string): unknown
  close(): void
}

/** What a plugin is given. `message` is not there yet. */
export interface CompilingMail {
  data: SendMailOptions & Record<string, unknown>
  readonly transporter: Transporter
  readonly mailer: Transporter
  /** The whole of `data[key]` (text, octets, a path, a URL or a stream) as a string or Buffer. */
  resolveContent(
    data: Record<string, unknown>,
    key: string,
    callback?: (error: Error | null, value?: unknown) => void,
  ): Promise<unknown> | undefined
}

export type CompilePlugin = (mail: CompilingMail, done: (error?: Error | null) => void) => void

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

/** Where a test service (Ethereal) shows the message, by what its answer says; false for any other server. */
export function getTestMessageUrl(info: Pick<SentMessageInfo, 'response'> | undefined): string | false {
  const properties = /\[([^\]]{1,500})\]$/.exec(info?.response ?? '')?.[1] ?? ''
  const id = /\bMSGID=(\S+)/.exec(properties)?.[1]
  if (id === undefined || !/\bSTATUS=\S/.test(properties)) return false
  return `https://ethereal.email/message/${id}`
}

class OurTransporter extends EventEmitter implements Transporter {
  readonly options: NodemailerOptions
  readonly ignoredOptions: readonly string[]
  readonly #mailer: Mailer
  readonly #defaults: Partial<SendMailOptions> | undefined
  readonly #memory: 'json' | 'stream' | 'sendmail' | undefined
  readonly #plugins: CompilePlugin[] = []
  readonly #properties = new Map<string, unknown>()

  constructor(options: NodemailerOptions, defaults: Partial<SendMailOptions> | undefined) {
    super()
    this.options = options
    this.#defaults = defaults
    this.#memory = memoryKind(options)
    const read: ReadNodemailerOptions =
      this.#memory === undefined
        ? readNodemailerOptions(options, {
            onToken: (user, { token, expiresAt }) =>
              this.emit('token', { user, accessToken: token, expires: expiresAt }),
            provisioner: () => this.get('oauth2_provision_cb') as ProvisionCallback | undefined,
          })
        : { options: inMemory(options), ignored: [] }
    this.ignoredOptions = read.ignored
    this.#mailer = createMailer(read.options)
  }

  use(step: 'compile', plugin: CompilePlugin): this {
    if (step !== 'compile')
      throw new UsageError('use', "only 'compile' plugins are taken; what signs or changes bytes is `sign`")
    this.#plugins.push(plugin)
    return this
  }

  set(key: string, value: unknown): unknown {
    this.#properties.set(key, value)
    return value
  }

  get(key: string): unknown {
    return this.#properties.get(key)
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
    try {
      const { dsn, signal, ...input } = this.#plugins.length === 0 ? message : await this.#compile(message)
      const result = await this.#mailer.send(input, {
        ...dsnOptions(dsn),
        ...(signal !== undefined && { signal }),
      })
      if (this.#memory !== undefined) return await this.#inMemory(this.#memory, result, input)
      return infoOf(result)
    } catch (error) {
      throw translated(error)
    } finally {
      if (this.isIdle()) this.emit('idle')
    }
  }

  async #compile(message: SendMailOptions): Promise<SendMailOptions> {
    const mail: CompilingMail = {
      data: { ...message },
      transporter: this,
      mailer: this,
      resolveContent: (data, key, callback) => {
        const content = resolveContent(data[key], this.options)
        if (callback === undefined) return content
        content.then((value) => callback(null, value), callback)
        return undefined
      },
    }
    for (const plugin of this.#plugins)
      await new Promise<void>((resolve, reject) => {
        plugin(mail, (error) => (error === undefined || error === null ? resolve() : reject(error)))
      })
    return mail.data
  }

  async #inMemory(
    kind: 'json' | 'stream' | 'sendmail',
    result: SendResult,
    input: MessageInput,
  ): Promise<SentMessageInfo> {
    const info = infoOf(result)
    const { captured } = this.#mailer
    const at = captured.findIndex((one) => one.messageId === result.messageId)
    const bytes = (at === -1 ? undefined : captured.splice(at, 1)[0]?.bytes) ?? Buffer.alloc(0)
    if (kind === 'json') {
      const { envelope: _envelope, ...data } = { ...input, messageId: result.messageId }
      return { ...info, message: this.options.skipEncoding === true ? data : JSON.stringify(data) }
    }
    const { newline, buffer, sendmail, path, args } = this.options
    const windows = newline === undefined ? kind === 'stream' : /^(?:win|windows|dos|\r\n)$/i.test(newline)
    const message = windows ? bytes : Buffer.from(bytes.toString('latin1').replaceAll('\r\n', '\n'), 'latin1')
    if (kind === 'stream') return { ...info, message: buffer === true ? message : Readable.from([message]) }
    const program = path ?? (typeof sendmail === 'string' ? sendmail : undefined)
    await pipeToSendmail({ path: program, args }, result.envelope, message)
    return { ...info, response: 'Messages queued for delivery' }
  }
}

function memoryKind(options: NodemailerOptions): 'json' | 'stream' | 'sendmail' | undefined {
  if (options.jsonTransport === true) return 'json'
  if (options.streamTransport === true) return 'stream'
  return options.sendmail === true || typeof options.sendmail === 'string' ? 'sendmail' : undefined
}

/** Strings stay strings, all else becomes a Buffer. */
async function resolveContent(value: unknown, options: NodemailerOptions): Promise<unknown> {
  const open = createSourceOpener({
    files: options.disableFileAccess !== true,
    urls: options.disableUrlAccess !== true,
  })
  const source = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  const { content, path, href } = source
  if (content !== undefined) return resolveContent(content, options)
  const name = href ?? path
  if (typeof name === 'string') {
    const isUrl = /^https?:/i.test(name)
    return gathered(
      await open(
        isUrl ? { kind: 'href', href: name, httpHeaders: {} } : { kind: 'path', path: name },
        undefined,
      ),
    )
  }
  if (value instanceof Uint8Array || typeof value !== 'object' || value === null) return value
  return Symbol.asyncIterator in value ? gathered(value as AsyncIterable<Uint8Array>) : value
}

async function gathered(chunks: AsyncIterable<Uint8Array | string>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk)
  return Buffer.concat(all)
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
  if (error instanceof SendmailFailure) {
    const made: NodemailerError = new Error(error.message, { cause: error })
    made.code = 'ESENDMAIL'
    made.command = 'SENDMAIL'
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
