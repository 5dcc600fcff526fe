// Owns handing a message to the running server from a program: the same directory, routes, fix-ups and commit as SMTP
// submission, without a socket. RFC 6409.

import { tryParseMailbox } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import type { Mailbox } from '../base/mailbox.ts'
import { formatReceived } from '../message/trace.ts'
import { fixSubmission } from '../policy/submission.ts'
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
  /** The message, RFC 5322. Bare LF and CR become CRLF. */
  readonly raw: string | Uint8Array
  /** DSN wishes of all recipients (RFC 3461). */
  readonly notify?: RcptParameters['notify']
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

/** Durable when it resolves. Rejects with a SubmitError (nothing was taken) or a StoreFailure (try again). */
export async function submit(options: SubmitterOptions, submission: Submission): Promise<SubmitReceipt> {
  const { clock, hostname, intake } = options
  const reversePath = submission.from === null ? null : readMailbox('from', submission.from)
  if (submission.to.length === 0) throw new SubmitError('to', 'there is no recipient')
  if (submission.to.length > options.recipientsMax)
    throw new SubmitError('to', `more than ${options.recipientsMax} recipients`)
  const parameters: RcptParameters = submission.notify === undefined ? {} : { notify: submission.notify }
  const recipients = submission.to.map((address) => resolve(options.directory, address, parameters))
  const raw = canonical(submission.raw)
  if (raw.length > options.messageBytesMax)
    throw new SubmitError('raw', `more than ${options.messageBytesMax} bytes`)

  const id = options.ids()
  const notes: string[] = []
  const body = new BodyIntake<Reply>(
    options.bodyWriter(id),
    (header) => {
      const fixed = fixSubmission(header, { now: clock.now(), messageIdDomain: hostname, id })
      if (fixed.kind === 'refuse') return { kind: 'stop', stop: fixed.reply }
      notes.push(...fixed.notes)
      return { kind: 'write', parts: [Buffer.from(received(options, id)), ...fixed.parts] }
    },
    { code: 552, status: '5.3.4', lines: ['the header section is too large'] },
  )
  try {
    await body.write(raw)
    const finished = await body.finish()
    if ('stop' in finished) throw new SubmitError('raw', describeReply(finished.stop))
    const smtputf8 =
      reversePath?.utf8 === true ||
      recipients.some(({ address }) => address.utf8) ||
      hasHighBytes(raw, headerEnd(raw))
    await intake.accept({
      id,
      reversePath,
      parameters: { smtputf8, body: hasHighBytes(raw, raw.length) ? '8BITMIME' : '7BIT' },
      recipients,
      body: finished.body,
      origin: { via: 'program' },
      notes,
    })
  } catch (error) {
    body.abort()
    throw error
  }
  return { id }
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

/** RFC 5322 section 2.3: CR and LF only together; and the last line ends. */
function canonical(raw: string | Uint8Array): Buffer {
  const text =
    typeof raw === 'string' ? raw : Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('latin1')
  const lines = text.replace(/\r\n|\r|\n/g, '\r\n')
  const whole = lines.endsWith('\r\n') || lines === '' ? lines : `${lines}\r\n`
  return Buffer.from(whole, typeof raw === 'string' ? 'utf8' : 'latin1')
}

function headerEnd(raw: Buffer): number {
  const at = raw.indexOf('\r\n\r\n')
  return at === -1 ? raw.length : at
}

const hasHighBytes = (bytes: Buffer, end: number): boolean =>
  bytes.subarray(0, end).some((octet) => octet > 127)
