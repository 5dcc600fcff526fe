// Owns the transports that compose a message and hand it on without SMTP: jsonTransport, streamTransport, sendmail, and SES
// through a client object that the caller gives. The message is in memory as a whole.

import { Readable } from 'node:stream'
import { UsageError } from '../base/usage-error.ts'
import type { MessageInput } from '../message/message-input.ts'
import type { DkimOptions } from './dkim-options.ts'
import type { CapturedMessage } from './mailer.ts'
import type { SentMessageInfo } from './nodemailer.ts'
import type { NodemailerError } from './nodemailer-errors.ts'
import type { NodemailerOptions } from './nodemailer-options.ts'
import { isRecord } from './option-checks.ts'
import { pipeToSendmail } from './sendmail-pipe.ts'

export type MemoryKind = 'json' | 'stream' | 'sendmail' | 'ses'

/** Of @aws-sdk/client-sesv2: the client and the command, as Nodemailer takes them. */
export interface SesObjects {
  readonly sesClient: {
    readonly config?: { readonly region?: unknown }
    send(command: unknown): Promise<{ readonly MessageId?: string | undefined }>
  }
  readonly SendEmailCommand: new (input: never) => unknown
}

/** Undefined: SMTP or LMTP. @throws UsageError */
export function memoryKind(options: NodemailerOptions): MemoryKind | undefined {
  if (options.jsonTransport === true) return 'json'
  if (options.streamTransport === true) return 'stream'
  if (options.SES !== undefined) {
    sesOf(options)
    return 'ses'
  }
  return options.sendmail === true || typeof options.sendmail === 'string' ? 'sendmail' : undefined
}

function sesOf({ SES }: NodemailerOptions): SesObjects {
  const client = isRecord(SES) ? SES.sesClient : undefined
  const usable = typeof client === 'object' && client !== null && 'send' in client
  if (!isRecord(SES) || !usable || typeof SES.SendEmailCommand !== 'function')
    throw new UsageError(
      'SES',
      "wants { sesClient, SendEmailCommand } of @aws-sdk/client-sesv2; or use its SMTP interface (service: 'ses')",
    )
  return SES as unknown as SesObjects
}

/** SES writes Date and Message-ID anew: a signature that covers them would break. */
export const dkimForSes = (dkim: DkimOptions): DkimOptions => ({
  ...dkim,
  skipFields: [...(dkim.skipFields === undefined ? [] : [dkim.skipFields]), 'date', 'message-id'].join(':'),
})

/** Gives a composed message to where it goes, and says so in `info`. */
export async function handOn(
  kind: MemoryKind,
  { bytes, messageId, envelope }: CapturedMessage,
  input: MessageInput,
  info: SentMessageInfo,
  options: NodemailerOptions,
): Promise<SentMessageInfo> {
  switch (kind) {
    case 'json': {
      const { envelope: _envelope, ...data } = { ...input, messageId }
      return { ...info, message: options.skipEncoding === true ? data : JSON.stringify(data) }
    }
    case 'stream': {
      const message = withNewlines(bytes, options.newline, true)
      return { ...info, message: options.buffer === true ? message : Readable.from([message]) }
    }
    case 'sendmail': {
      const { sendmail, path, args, newline } = options
      const program = path ?? (typeof sendmail === 'string' ? sendmail : undefined)
      await pipeToSendmail({ path: program, args }, envelope, withNewlines(bytes, newline, false))
      return { ...info, response: 'Messages queued for delivery' }
    }
    case 'ses':
      return sendBySes(sesOf(options), bytes, envelope, input, info)
  }
}

function withNewlines(bytes: Buffer, newline: string | undefined, windowsByDefault: boolean): Buffer {
  const windows = newline === undefined ? windowsByDefault : /^(?:win|windows|dos|\r\n)$/i.test(newline)
  return windows ? bytes : Buffer.from(bytes.toString('latin1').replaceAll('\r\n', '\n'), 'latin1')
}

/** The From field as it is in the message, on one line. */
function fromField(bytes: Buffer): string | undefined {
  const header = bytes.toString('latin1', 0, Math.max(0, bytes.indexOf('\r\n\r\n')))
  const found = /^from:[ \t]*((?:[^\r\n]|\r\n(?=[ \t]))*)/im.exec(header)?.[1]
  return found === undefined ? undefined : Buffer.from(found.replaceAll('\r\n', ''), 'latin1').toString()
}

async function sendBySes(
  { sesClient, SendEmailCommand }: SesObjects,
  bytes: Buffer,
  envelope: CapturedMessage['envelope'],
  input: MessageInput,
  info: SentMessageInfo,
): Promise<SentMessageInfo> {
  const more = (input as { readonly ses?: unknown }).ses
  const command = {
    Content: { Raw: { Data: bytes } },
    FromEmailAddress: fromField(bytes) ?? envelope.from,
    Destination: { ToAddresses: envelope.to },
    ...(isRecord(more) && more),
  }
  const { MessageId = '' } = await asked(async () => sesClient.send(new SendEmailCommand(command as never)))
  const region = await regionOf(sesClient)
  const domain = `${region === undefined || region === 'us-east-1' ? 'email' : region}.amazonses.com`
  const messageId = `<${MessageId}${MessageId.includes('@') ? '' : `@${domain}`}>`
  return { ...info, messageId, response: MessageId, raw: bytes }
}

async function regionOf({ config }: SesObjects['sesClient']): Promise<string | undefined> {
  try {
    const region: unknown = typeof config?.region === 'function' ? await config.region() : config?.region
    return typeof region === 'string' ? region : undefined
  } catch {
    return undefined
  }
}

/** Rejects with what the client says, under Nodemailer's code where it has none. */
async function asked<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof Error) (error as NodemailerError).code ??= 'ESES'
    throw error
  }
}

/** What the service says about a message that cannot be: that shows that it can be asked. */
const understood = new Set(['InvalidParameterValue', 'MessageRejected'])

/** Rejects where SES does not answer, or not to this client. */
export async function verifySes(options: NodemailerOptions): Promise<void> {
  const { sesClient, SendEmailCommand } = sesOf(options)
  const invalid = 'invalid@invalid'
  const command = {
    Content: {
      Raw: {
        Data: Buffer.from(`From: <${invalid}>\r\nTo: <${invalid}>\r\n Subject: Invalid\r\n\r\nInvalid`),
      },
    },
    FromEmailAddress: invalid,
    Destination: { ToAddresses: [invalid] },
  }
  try {
    await asked(async () => sesClient.send(new SendEmailCommand(command as never)))
  } catch (error) {
    const { code, Code, name } = error as { code?: string; Code?: string; name?: string }
    if (![code, Code, name].some((one) => one !== undefined && understood.has(one))) throw error
  }
}
