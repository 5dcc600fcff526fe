// Owns handing a message to the running server from a program: the same directory, routes, fix-ups and commit as SMTP
// submission, without a socket. RFC 6409.

import { isAscii } from 'node:buffer'

import { tryParseMailbox } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import type { Mailbox } from '../base/mailbox.ts'
import { LineEndWriter } from '../message/line-end-writer.ts'
import { formatReceived } from '../message/trace.ts'
import { fixSubmission } from '../policy/submission.ts'
import type { MessageOrigin } from '../queue/types.ts'
import type { RcptParameters } from '../smtp/envelope.ts'
import { describeReply, type Reply } from '../smtp/reply.ts'
import type { BodyWriter } from '../store/store.ts'
import { BodyIntake } from './body-intake.ts'
import type { Directory } from './directory.ts'
import type { AcceptedRecipient, Intake } from './intake.ts'

export interface Submission {
  /** Reverse-path; null is `<>`. */
  readonly from: string | null
  readonly to: readonly string[]
  /** The message, RFC 5322. Bare LF and CR become CRLF. Chunks of a stream are ours to keep. */
  readonly raw: string | Uint8Array | AsyncIterable<Uint8Array>
  /** DSN wishes of all recipients (RFC 3461). */
  readonly notify?: RcptParameters['notify']
  /** How much of it a report has, and the envelope id that comes back in it (RFC 3461 sections 4.3 and 4.4). */
  readonly ret?: 'FULL' | 'HDRS'
  readonly envid?: string
}

/** What those who hand over for somebody else say besides. */
export interface SubmissionSource {
  /** Default: via 'program'. */
  readonly origin: MessageOrigin
  /** Changes the header section (CRLF lines) before it is judged; `notes` go into the timeline. */
  prepareHeader?(header: Buffer): { readonly header: Buffer; readonly notes: readonly string[] }
  /** Default: a new one. */
  readonly id?: string | undefined
  /** Epoch ms; nothing is delivered before. */
  readonly sendAt?: number | undefined
  readonly tags?: readonly string[] | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
}

export interface SubmitReceipt {
  /** Names the message in the queue, the timeline and the CLI. */
  readonly id: string
}

/** The caller's mistake: an address that is none, an unknown user of ours, a message without From. `field` names it. */
export class SubmitError extends Error {
  override readonly name = 'SubmitError'
  readonly field: 'from' | 'to' | 'raw'
  constructor(field: 'from' | 'to' | 'raw', message: string) {
    super(message)
    this.field = field
  }
}

export interface SubmitterOptions {
  readonly clock: Clock
  readonly hostname: string
  readonly ids: () => string
  readonly directory: Directory
  readonly intake: Intake
  readonly bodyWriter: (id: string) => BodyWriter
  readonly messageBytesMax: number
  readonly recipientsMax: number
}

/**
 * Durable when it resolves. Rejects with a SubmitError (nothing was taken), a StoreFailure (try again), or as the stream
 * of the message does.
 */
export async function submit(
  options: SubmitterOptions,
  submission: Submission,
  source: SubmissionSource = { origin: { via: 'program' } },
): Promise<SubmitReceipt> {
  const { clock, hostname, intake } = options
  const reversePath = submission.from === null ? null : readMailbox('from', submission.from)
  if (submission.to.length === 0) throw new SubmitError('to', 'there is no recipient')
  if (submission.to.length > options.recipientsMax)
    throw new SubmitError('to', `more than ${options.recipientsMax} recipients`)
  const parameters: RcptParameters = submission.notify === undefined ? {} : { notify: submission.notify }
  const recipients = submission.to.map((address) => resolve(options.directory, address, parameters))

  const id = source.id ?? options.ids()
  const notes: string[] = []
  let utf8Header = false
  const body = new BodyIntake<Reply>(
    options.bodyWriter(id),
    (given) => {
      const { header, notes: prepared } = source.prepareHeader?.(given) ?? { header: given, notes: [] }
      const fixed = fixSubmission(header, { now: clock.now(), messageIdDomain: hostname, id })
      if (fixed.kind === 'refuse') return { kind: 'stop', stop: fixed.reply }
      notes.push(...prepared, ...fixed.notes)
      utf8Header = !isAscii(header)
      return { kind: 'write', parts: [Buffer.from(received(options, id)), ...fixed.parts] }
    },
    { code: 552, status: '5.3.4', lines: ['the header section is too large'] },
  )
  try {
    const is8bit = await writeCanonical(body, submission.raw, options.messageBytesMax)
    const finished = await body.finish()
    if ('stop' in finished) throw new SubmitError('raw', describeReply(finished.stop))
    const { ret, envid } = submission
    const smtputf8 =
      reversePath?.utf8 === true || recipients.some(({ address }) => address.utf8) || utf8Header
    await intake.accept({
      id,
      reversePath,
      parameters: {
        smtputf8,
        body: is8bit ? '8BITMIME' : '7BIT',
        ...(ret !== undefined && { ret }),
        ...(envid !== undefined && { envid }),
      },
      recipients,
      body: finished.body,
      origin: source.origin,
      notes,
      sendAt: source.sendAt,
      tags: source.tags,
      metadata: source.metadata,
    })
  } catch (error) {
    body.abort()
    throw error
  }
  return { id }
}

/** RFC 5322 section 2.3: CR and LF only together; and the last line ends. True: octets above 127 are in it. */
async function writeCanonical(
  body: BodyIntake<Reply>,
  raw: Submission['raw'],
  bytesMax: number,
): Promise<boolean> {
  const lines = new LineEndWriter()
  let sizeBytes = 0
  let tail = ''
  let is8bit = false
  const write = async (bytes: Uint8Array): Promise<void> => {
    if (bytes.length === 0) return
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    sizeBytes += chunk.length
    if (sizeBytes > bytesMax) throw new SubmitError('raw', `more than ${bytesMax} bytes`)
    is8bit ||= !isAscii(chunk)
    tail = (tail + chunk.toString('latin1', Math.max(0, chunk.length - 2))).slice(-2)
    const written = body.write(chunk)
    if (written instanceof Promise) await written
  }
  if (typeof raw === 'string') await write(lines.push(Buffer.from(raw)))
  else if (raw instanceof Uint8Array) await write(lines.push(raw))
  else for await (const chunk of raw) await write(lines.push(chunk))
  await write(lines.end())
  if (sizeBytes > 0 && tail !== '\r\n') await write(Buffer.from('\r\n'))
  return is8bit
}

function readMailbox(field: 'from' | 'to', text: string): Mailbox {
  const mailbox = tryParseMailbox(text)
  if (mailbox === undefined) throw new SubmitError(field, `'${text.slice(0, 100)}' is not a mail address`)
  return mailbox
}

function resolve(directory: Directory, text: string, parameters: RcptParameters): AcceptedRecipient {
  const address = readMailbox('to', text)
  const resolution = directory.resolve(address)
  switch (resolution.kind) {
    case 'foreign':
      return { address, parameters, targets: [{ kind: 'outside', mailbox: address }], viaAlias: false }
    case 'targets':
      return { address, parameters, targets: resolution.targets, viaAlias: resolution.viaAlias }
    case 'unknown':
      throw new SubmitError('to', `there is no user ${text} here`)
    case 'disabled':
      throw new SubmitError('to', `the mailbox ${text} is disabled`)
  }
}

function received({ clock, hostname }: SubmitterOptions, id: string): string {
  const plain = { smtputf8: false, authenticated: false, tls: undefined, for: undefined } as const
  return formatReceived({
    ...plain,
    from: 'localhost',
    remoteAddress: '',
    by: hostname,
    protocol: 'ESMTP',
    id,
    at: clock.now(),
  })
}
