// Owns asking rspamd about a message: the headers that tell of the envelope, its answer as an action, a score, symbols, changes and
// another body where it made one. What it says is read strictly and bounded; the HTTP exchange is given. Rejects with a ScanFailure.
// rspamd's protocol, /checkv2.

import { isRecord, noChanges, type RspamdChanges, readChanges } from './rspamd-changes.ts'
import { ScanFailure } from './scan-failure.ts'

/** POST; resolves with status and body (bounded). Rejects with anything. */
export type RspamdPost = (request: {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>
  readonly sizeBytes: number
  readonly signal: AbortSignal | undefined
}) => Promise<{
  readonly status: number
  readonly body: Buffer
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, unknown>>
}>

export interface RspamdEnvelope {
  readonly from: string
  readonly recipients: readonly string[]
  readonly ip: string
  readonly helo: string
  /** Of the reverse DNS, where it leads back. */
  readonly hostname?: string | undefined
  readonly user?: string | undefined
  readonly queueId: string
  readonly tlsCipher?: string | undefined
  readonly tlsVersion?: string | undefined
  readonly password?: string | undefined
}

export type RspamdAction =
  | 'no action'
  | 'greylist'
  | 'add header'
  | 'rewrite subject'
  | 'soft reject'
  | 'reject'
  | 'quarantine'
  | 'discard'

export interface RspamdVerdict {
  readonly action: RspamdAction
  readonly score: number
  readonly requiredScore: number
  /** Names with their scores, the heaviest first, at most 50. */
  readonly symbols: readonly { readonly name: string; readonly score: number }[]
  /** What it would say to the client; '' for nothing. */
  readonly smtpMessage: string
  /** Of 'rewrite subject'. */
  readonly subject?: string
  readonly changes: RspamdChanges
  /** In place of the message's; its lines may end in any way. */
  readonly newBody?: Buffer
}

const actions: ReadonlySet<string> = new Set([
  'no action',
  'greylist',
  'add header',
  'rewrite subject',
  'soft reject',
  'reject',
  'quarantine',
  'discard',
])
const recipientsMax = 100

/** A value may bring no line of its own into the request. */
const plain = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 1000)

export async function askRspamd(
  post: RspamdPost,
  message: { readonly sizeBytes: number; readonly body: AsyncIterable<Uint8Array> | Iterable<Uint8Array> },
  envelope: RspamdEnvelope,
  signal?: AbortSignal,
): Promise<RspamdVerdict> {
  const { status, body, headers } = await post({
    path: '/checkv2',
    headers: requestHeaders(envelope),
    ...message,
    signal,
  }).catch((cause: unknown) => {
    const words = cause instanceof Error ? cause.message : String(cause)
    throw new ScanFailure('unreachable', words, { cause })
  })
  if (status !== 200) throw new ScanFailure('refused', `rspamd answered with status ${status}`)
  return readRspamdReply(body, headers?.['message-offset'])
}

export function requestHeaders(envelope: RspamdEnvelope): Readonly<Record<string, string>> {
  const { recipients, hostname, user, tlsCipher, tlsVersion, password } = envelope
  const all: Readonly<Record<string, string | undefined>> = {
    from: envelope.from,
    ip: envelope.ip,
    helo: envelope.helo,
    hostname,
    user,
    'queue-id': envelope.queueId,
    'tls-cipher': tlsCipher,
    'tls-version': tlsVersion,
    password,
  }
  // milter: its changes as for a milter, so that of a message that it rewrote the body alone comes back; body_block: behind its JSON.
  const known: Record<string, string> = { 'content-type': 'message/rfc822', flags: 'milter,body_block' }
  for (const [name, value] of Object.entries(all))
    if (value !== undefined && value !== '') known[name] = plain(value)
  // Several of one name, which fetch-like interfaces cannot say, may stand in one by commas (rspamd's protocol: Rcpt).
  if (recipients.length > 0) known.rcpt = recipients.slice(0, recipientsMax).map(plain).join(', ')
  return known
}

const number = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) ? Math.round(value * 100) / 100 : 0
const text = (value: unknown, max: number): string => (typeof value === 'string' ? value.slice(0, max) : '')

/** rspamd's protocol, "Body block": where the message was rewritten a header says how much of the answer is JSON. @throws ScanFailure */
export function readRspamdReply(bytes: Buffer, messageOffset: unknown): RspamdVerdict {
  if (messageOffset === undefined) return readRspamdAnswer(bytes.toString('utf8'))
  const offset =
    typeof messageOffset === 'string' && /^\d{1,9}$/.test(messageOffset) ? Number(messageOffset) : -1
  if (offset < 2 || offset > bytes.length)
    throw new ScanFailure('protocol', 'the answer of rspamd says where it has no body')
  return { ...readRspamdAnswer(bytes.toString('utf8', 0, offset)), newBody: bytes.subarray(offset) }
}

/** @throws ScanFailure */
export function readRspamdAnswer(json: string): RspamdVerdict {
  let read: unknown
  try {
    read = JSON.parse(json)
  } catch {
    throw new ScanFailure('protocol', 'the answer of rspamd is no JSON')
  }
  if (!isRecord(read) || typeof read.action !== 'string' || !actions.has(read.action))
    throw new ScanFailure('protocol', 'the answer of rspamd has no action that we know')
  const symbols = isRecord(read.symbols) ? Object.entries(read.symbols) : []
  const subject = text(read.subject, 1000)
  return {
    action: read.action as RspamdAction,
    score: number(read.score),
    requiredScore: number(read.required_score),
    symbols: symbols
      .slice(0, 1000)
      .map(([name, one]) => ({
        name: plain(name).slice(0, 64),
        score: number(isRecord(one) ? one.score : 0),
      }))
      .sort((a, b) => Math.abs(b.score) - Math.abs(a.score))
      .slice(0, 50),
    smtpMessage: isRecord(read.messages) ? text(read.messages.smtp_message, 400) : '',
    ...(subject !== '' && { subject }),
    changes: 'milter' in read ? readChanges(read.milter) : noChanges,
  }
}
