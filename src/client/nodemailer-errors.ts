// Owns our errors in Nodemailer's shape: its code, its words before the peer's, ours as the cause.

import { UsageError } from '../base/usage-error.ts'
import { describeReply } from '../smtp/reply.ts'
import { PeerError, TransportError, type TransportErrorCode } from './mailer-errors.ts'
import type { RecipientReply } from './mailer-result.ts'
import { SourceFailure } from './mailer-source.ts'
import { SendmailFailure } from './sendmail-pipe.ts'

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

/** Of one recipient who was not accepted. */
export function refusal(one: RecipientReply): NodemailerError {
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

/** An error that has its shape already stays as it is. */
export function translated(error: unknown): NodemailerError {
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
  if (error instanceof SourceFailure) {
    const made: NodemailerError = new Error(error.message, { cause: error.cause ?? error })
    made.code = 'ESTREAM'
    made.command = 'API'
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
