// Owns the error of a message that nobody took: which of the recipients' replies decides, and what a caller is told beside
// it. It throws nothing itself.

import { UsageError } from '../base/usage-error.ts'
import { adviceFor } from './advice.ts'
import type { Carried } from './carried.ts'
import { PeerError, type SendErrorFacts, type SendPhase, TransportError } from './mailer-errors.ts'
import type { MailerSettings } from './mailer-options.ts'
import type { RecipientReply } from './mailer-result.ts'

/** Of what was carried in vain. `sourceError`: why the message could not be read. */
export function failureOf(
  settings: MailerSettings,
  carried: Carried,
  sourceError?: unknown,
): PeerError | TransportError | UsageError {
  const { replies, transcript } = carried
  const decisive =
    replies.find((one) => one.reply !== undefined && one.reply.code >= 500) ??
    replies.find((one) => one.reply !== undefined) ??
    replies.find((one) => one.mayHaveDelivered) ??
    replies[0]
  if (decisive === undefined) return new UsageError('to', 'nobody is named')
  const cause = carried.cause ?? sourceError
  const facts = factsOf(settings, decisive, {
    // A token source that failed may work again.
    temporary: replies.some(isTemporary) || (decisive.problem === 'AUTH' && cause !== undefined),
    mayHaveDelivered: replies.some((one) => one.mayHaveDelivered),
    tokenProblem: carried.tokenProblem,
    replies: decisive.recipient === '' ? [] : replies,
    transcript,
    ...(cause !== undefined && { cause }),
  })
  const where = facts.host === undefined ? '' : `${facts.host}: `
  if (decisive.reply !== undefined) {
    const command = facts.command === undefined ? '' : ` (answer to ${facts.command})`
    return new PeerError(`${where}${decisive.text}${command}`, decisive.reply, facts)
  }
  return new TransportError(
    decisive.problem ?? 'LOST',
    `${where}${decisive.text} (${phaseWords[decisive.phase]})`,
    facts,
  )
}

/** Of what went wrong before anybody was asked. */
export function ownFailure(
  settings: MailerSettings,
  code: TransportError['code'],
  phase: SendPhase,
  text: string,
  cause?: unknown,
): Error {
  const reply = {
    recipient: '',
    status: 'pending',
    text,
    phase,
    problem: code,
    mayHaveDelivered: false,
  } as const
  return failureOf(settings, { replies: [reply], transcript: [], cause })
}

function factsOf(
  settings: MailerSettings,
  one: RecipientReply,
  more: Pick<SendErrorFacts, 'temporary' | 'mayHaveDelivered' | 'replies' | 'transcript' | 'cause'> & {
    readonly tokenProblem: string | undefined
  },
): SendErrorFacts {
  const { tokenProblem, ...rest } = more
  const { kind, host, port, implicitTls, service, auth, proxy } = settings
  const command = commandOf[one.phase]
  const place = one.host ?? (host === '' ? undefined : `${host}:${port}`)
  return {
    phase: one.phase,
    ...(command !== undefined && { command: one.phase === 'hello' && kind === 'lmtp' ? 'LHLO' : command }),
    ...(place !== undefined && { host: place }),
    advice: adviceFor({
      phase: one.phase,
      problem: one.problem,
      reply: one.reply,
      text: one.text,
      kind,
      host,
      port,
      implicitTls,
      service,
      auth: auth === undefined ? undefined : 'token' in auth ? 'token' : 'password',
      tokenProblem,
      proxied: proxy !== undefined,
    }),
    ...rest,
  }
}

const isTemporary = (one: RecipientReply): boolean => {
  if (one.status !== 'pending') return false
  if (one.reply !== undefined) return one.reply.code < 500
  return (
    one.problem !== 'TLS' && one.problem !== 'AUTH' && one.problem !== 'PROTOCOL' && one.problem !== 'CLOSED'
  )
}

const commandOf: Readonly<Partial<Record<SendPhase, string>>> = {
  hello: 'EHLO',
  startTls: 'STARTTLS',
  auth: 'AUTH',
  mail: 'MAIL FROM',
  rcpt: 'RCPT TO',
  data: 'DATA',
  body: 'DATA',
  end: 'the message',
}

const phaseWords: Readonly<Record<SendPhase, string>> = {
  wait: 'while waiting',
  source: 'reading the message',
  resolve: 'looking up the host',
  connect: 'connecting',
  tls: 'in the TLS handshake',
  greeting: 'waiting for the greeting',
  hello: 'greeting the server',
  startTls: 'turning TLS on',
  auth: 'logging in',
  mail: 'sending MAIL',
  rcpt: 'sending RCPT',
  data: 'sending DATA',
  body: 'sending the message',
  end: 'after the message, before its answer',
}
