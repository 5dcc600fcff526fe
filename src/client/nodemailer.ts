// Owns the entry `posthouse/client/nodemailer`: createTransport as Nodemailer's users call it, over our mailer, so that a
// project can switch by changing one import. What differs is in docs/migrating-from-nodemailer.md.
//
//   import * as nodemailer from 'posthouse/client/nodemailer'

import { EventEmitter } from 'node:events'
import { UsageError } from '../base/usage-error.ts'
import type { MessageInput } from '../message/message-input.ts'
import type { DkimOptions } from './dkim-options.ts'
import { type CapturedMessage, createMailer, type Mailer } from './mailer.ts'
import type { SendResult } from './mailer-result.ts'
import { type NodemailerError, refusal, translated } from './nodemailer-errors.ts'
import { dkimForSes, handOn, type MemoryKind, memoryKind, verifySes } from './nodemailer-memory.ts'
import {
  type NodemailerOptions,
  type ProvisionCallback,
  parseNodemailerUrl,
  readMemoryOptions,
  readNodemailerOptions,
} from './nodemailer-options.ts'
import {
  type CompilePlugin,
  compilingMail,
  runPlugins,
  type StreamPlugin,
  StreamSteps,
} from './nodemailer-plugins.ts'
import type { SendOptions } from './send-options.ts'

export type { NodemailerError } from './nodemailer-errors.ts'
export type { NodemailerOptions } from './nodemailer-options.ts'
export type { CompilePlugin, CompilingMail, StreamingMail, StreamPlugin } from './nodemailer-plugins.ts'

export interface SendMailOptions extends MessageInput {
  /** RFC 3461, as Nodemailer has it. */
  readonly dsn?: {
    readonly id?: string
    readonly return?: 'headers' | 'full'
    readonly notify?: DsnWord | readonly DsnWord[]
    readonly recipient?: string
  }
  /** In place of the transport's. */
  readonly dkim?: DkimOptions | null | false
  /** More fields of the command that SES is sent. */
  readonly ses?: Readonly<Record<string, unknown>>
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
  /** Of SES: the message. */
  readonly raw?: Buffer
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
  /**
   * 'compile': sees, and may change, `mail.data` before the message is made. 'stream': may put streams behind the composed
   * message (`mail.message.transform`). Called in order, each after the last is done.
   */
  use(step: 'compile', plugin: CompilePlugin): this
  use(step: 'stream', plugin: StreamPlugin): this
  /** 'oauth2_provision_cb' is read, other keys are kept for plugins. */
  set(key: string, value: unknown): unknown
  get(key: string): unknown
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
  readonly #memory: MemoryKind | undefined
  /** Composes for stream plugins; made when there is one. */
  #composer: Mailer | undefined
  readonly #compilePlugins: CompilePlugin[] = []
  readonly #streamPlugins: StreamPlugin[] = []
  readonly #properties = new Map<string, unknown>()

  constructor(options: NodemailerOptions, defaults: Partial<SendMailOptions> | undefined) {
    super()
    this.options = options
    this.#defaults = defaults
    this.#memory = memoryKind(options)
    const read =
      this.#memory === undefined
        ? readNodemailerOptions(options, {
            onToken: (user, { token, expiresAt }) =>
              this.emit('token', { user, accessToken: token, expires: expiresAt }),
            provisioner: () => this.get('oauth2_provision_cb') as ProvisionCallback | undefined,
          })
        : readMemoryOptions(options, this.#memory)
    this.ignoredOptions = read.ignored
    this.#mailer = createMailer(read.options)
  }

  use(step: 'compile', plugin: CompilePlugin): this
  use(step: 'stream', plugin: StreamPlugin): this
  use(step: 'compile' | 'stream', plugin: CompilePlugin | StreamPlugin): this {
    if (typeof plugin !== 'function') throw new UsageError('plugin', 'must be a function')
    if (step === 'compile') this.#compilePlugins.push(plugin as CompilePlugin)
    else if (step === 'stream') this.#streamPlugins.push(plugin as StreamPlugin)
    else throw new UsageError('use', "takes plugins for 'compile' and for 'stream'")
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
    const asked = this.#memory === 'ses' ? verifySes(this.options) : this.#mailer.verify()
    const verified = asked.then(
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
    void this.#composer?.close()
  }

  async #send(message: SendMailOptions): Promise<SentMessageInfo> {
    try {
      const mail = compilingMail(message, this)
      await runPlugins(this.#compilePlugins, mail)
      const { dsn, signal, dkim, ...input } = mail.data
      const isStreamed = this.#streamPlugins.length > 0 && this.#memory !== 'json'
      const result = await this.#mailer.send(isStreamed ? await this.#transformed(mail, input) : input, {
        ...dsnOptions(dsn),
        ...dkimOptions(dkim, this.#memory),
        ...(signal !== undefined && { signal }),
      })
      const info = infoOf(result)
      if (this.#memory === undefined) return info
      return await handOn(this.#memory, takeCaptured(this.#mailer, result), input, info, this.options)
    } catch (error) {
      throw translated(error)
    } finally {
      if (this.isIdle()) this.emit('idle')
    }
  }

  /** The message as the streams of plugins give it. */
  async #transformed(mail: ReturnType<typeof compilingMail>, input: SendMailOptions): Promise<MessageInput> {
    const { options } = readMemoryOptions({ ...this.options, dkim: undefined }, 'stream')
    this.#composer ??= createMailer(options)
    const { signal = never } = mail.data
    const composed = takeCaptured(this.#composer, await this.#composer.send(input, { signal }))
    const { bytes, envelope, messageId } = composed
    const steps = new StreamSteps(bytes, envelope, messageId)
    await runPlugins(this.#streamPlugins, { ...mail, message: steps })
    return { raw: await steps.result(signal), envelope, messageId }
  }
}

const never = new AbortController().signal

function takeCaptured({ captured }: Mailer, result: SendResult): CapturedMessage {
  const at = captured.findIndex((one) => one.messageId === result.messageId)
  const found = at === -1 ? undefined : captured.splice(at, 1)[0]
  return found ?? { ...result, bytes: Buffer.alloc(0) }
}

function dkimOptions(
  dkim: SendMailOptions['dkim'],
  memory: MemoryKind | undefined,
): Pick<SendOptions, 'dkim'> {
  if (dkim === undefined || dkim === null || dkim === false) return {}
  return { dkim: memory === 'ses' ? dkimForSes(dkim) : dkim }
}

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
