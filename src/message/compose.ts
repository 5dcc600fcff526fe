// Owns composing: a message as its author describes it, to canonical RFC 5322 and MIME with CRLF, and the envelope that
// goes with it. It opens nothing, reads no clock and draws no numbers of its own; a mistake is a UsageError that names the
// field. Bcc is in the envelope and nowhere else. RFC 5322, RFC 2045-2049, RFC 6531, RFC 6532.

import { UsageError } from '../base/usage-error.ts'
import {
  type AddressEntry,
  addressText,
  mailboxesOf,
  type NamedMailbox,
  needsSmtputf8,
  readAddresses,
  readOneMailbox,
  writeAddresses,
} from './address-input.ts'
import { composeBody, headerEntries, type PartContext, validTime, writeHeaderValue } from './compose-parts.ts'
import { readContent } from './content-input.ts'
import { formatDate } from './date.ts'
import { headerText } from './header-text.ts'
import { writeItems, writeUnstructured } from './header-writer.ts'
import { writeListHeaders } from './list-headers.ts'
import type {
  ComposedEnvelope,
  ComposedMessage,
  ComposeOptions,
  EnvelopeInput,
  HeaderValue,
  MessageInput,
} from './message-input.ts'
import {
  createBoundaries,
  flatten,
  gather,
  isRepeatable,
  type Part,
  type Piece,
  sizeOf,
  streamPieces,
} from './mime-writer.ts'
import { RawMessageWriter, readRawBytes, readRawText } from './raw-message.ts'

/**
 * Makes the message and its envelope. Cheap: large content is encoded when it is asked for.
 * @throws UsageError naming the field
 */
export function compose(input: MessageInput, options: ComposeOptions): ComposedMessage {
  if (typeof input !== 'object' || input === null) throw new UsageError('message', 'must be an object')
  if (input.raw !== undefined && input.raw !== null) return composeRaw(input, options)
  const { fields, others } = splitHeaders(input)
  const addresses = readAllAddresses(fields)
  const envelope = makeEnvelope(fields, addresses)
  if (addresses.from.length === 0) throw new UsageError('from', 'must be given')
  const seed = Buffer.from(options.random.bytes(16)).toString('hex')
  const domain = senderDomain(addresses, options.hostname)
  const messageId = isGiven(fields.messageId)
    ? oneId(fields.messageId, 'messageId')
    : `<${options.now.toString(36)}.${seed}@${domain}>`
  const header = writeHeader(fields, addresses, messageId, options.now) + writeOthers(others)
  const part = composeBody(fields, {
    ...contentRules(fields, options),
    body8bit: options.body8bit,
    textEncoding: textEncoding(fields.textEncoding),
    nextBoundary: createBoundaries(seed),
    makeCid: (index) => `${seed}.${index + 1}@${domain}`,
  })
  const utf8 = needsUtf8(addresses, fields, envelope) || !isPlain(header)
  if (utf8 && options.smtputf8 === false) throw notAscii(addresses)
  return composed({
    messageId,
    envelope,
    pieces: flatten(`${header}MIME-Version: 1.0\r\n`, endLine(part)),
    needsSmtputf8: utf8,
    needs8bit: part.eightBit,
  })
}

const isGiven = <T>(value: T | null | undefined | ''): value is T =>
  value !== undefined && value !== null && value !== ''

/** A message ends with a line end: without one the transport would add it, and signer and receiver would differ. */
function endLine(part: Part): Part {
  if (part.kind === 'multipart' || part.body.kind !== 'done') return part
  const { body } = part.body
  if (typeof body === 'string')
    return body.endsWith('\r\n') ? part : { ...part, body: { kind: 'done', body: `${body}\r\n` } }
  if (body.at(-1) === 10) return part
  return { ...part, body: { kind: 'done', body: Buffer.concat([body, Buffer.from('\r\n')]) } }
}

const isPlain = (text: string): boolean => Buffer.byteLength(text) === text.length

function contentRules(
  input: MessageInput,
  options: ComposeOptions,
): Omit<PartContext, 'body8bit' | 'textEncoding' | 'nextBoundary' | 'makeCid'> {
  return {
    openSource: options.openSource,
    encoding: input.encoding,
    disableFileAccess: input.disableFileAccess === true,
    disableUrlAccess: input.disableUrlAccess === true,
  }
}

function textEncoding(value: unknown): 'quoted-printable' | 'base64' | undefined {
  if (!isGiven(value)) return undefined
  if (value === 'quoted-printable' || value === 'base64') return value
  throw new UsageError('textEncoding', "must be 'quoted-printable' or 'base64'")
}

// Fields that an option writes: given among `headers`, they are that option.
const optionOf: Readonly<Record<string, keyof MessageInput>> = {
  from: 'from',
  sender: 'sender',
  to: 'to',
  cc: 'cc',
  bcc: 'bcc',
  'reply-to': 'replyTo',
  'disposition-notification-to': 'dispositionNotificationTo',
  'in-reply-to': 'inReplyTo',
  references: 'references',
  subject: 'subject',
  date: 'date',
  'message-id': 'messageId',
}

type HeaderPairs = readonly (readonly [name: string, value: HeaderValue])[]

/** RFC 5322 section 3.6 allows one of each: the option, or the same among `headers`. @throws UsageError for both */
function splitHeaders(input: MessageInput): { readonly fields: MessageInput; readonly others: HeaderPairs } {
  const pairs = headerEntries(input.headers, 'headers')
  if (pairs.length === 0) return { fields: input, others: pairs }
  const moved: Partial<Record<keyof MessageInput, unknown>> = {}
  const others: (readonly [string, HeaderValue])[] = []
  for (const [name, value] of pairs) {
    const lower = name.toLowerCase()
    if (lower === 'mime-version' || lower.startsWith('content-t') || lower === 'content-disposition')
      throw new UsageError(`headers.${name}`, 'is made from text, html and attachments')
    const option = Object.hasOwn(optionOf, lower) ? optionOf[lower] : undefined
    if (option === undefined) others.push([name, value])
    else if (isGiven(input[option]) || moved[option] !== undefined)
      throw new UsageError(`headers.${name}`, `is given twice: the option is ${option}`)
    else moved[option] = optionValue(value)
  }
  return { fields: { ...input, ...(moved as Partial<MessageInput>) }, others }
}

const optionValue = (value: HeaderValue): unknown =>
  typeof value === 'number'
    ? String(value)
    : value instanceof Date || typeof value === 'string'
      ? value
      : value.value

function writeOthers(pairs: HeaderPairs): string {
  let out = ''
  for (const [name, value] of pairs) out += writeHeaderValue(name, value, `headers.${name}`)
  return out
}

interface MessageAddresses {
  readonly from: readonly AddressEntry[]
  readonly sender: NamedMailbox | undefined
  readonly to: readonly AddressEntry[]
  readonly cc: readonly AddressEntry[]
  readonly bcc: readonly AddressEntry[]
  readonly replyTo: readonly AddressEntry[]
  readonly noticeTo: readonly AddressEntry[]
}

const nobody: readonly AddressEntry[] = []
const noAddresses: MessageAddresses = {
  from: nobody,
  sender: undefined,
  to: nobody,
  cc: nobody,
  bcc: nobody,
  replyTo: nobody,
  noticeTo: nobody,
}

function readAllAddresses(
  input: MessageInput,
  givenSender: MessageInput['sender'] = input.sender,
): MessageAddresses {
  const from = readAddresses(input.from, 'from')
  const sender = isGiven(givenSender) ? readOneMailbox(givenSender, 'sender') : undefined
  if (from.some((entry) => entry.kind === 'group')) throw new UsageError('from', 'must not be a group')
  // RFC 5322 section 3.6.2.
  if (from.length > 1 && sender === undefined)
    throw new UsageError('sender', 'must be given where from has more than one address')
  return {
    from,
    sender,
    to: readAddresses(input.to, 'to'),
    cc: readAddresses(input.cc, 'cc'),
    bcc: readAddresses(input.bcc, 'bcc'),
    replyTo: readAddresses(input.replyTo, 'replyTo'),
    noticeTo: readAddresses(input.dispositionNotificationTo, 'dispositionNotificationTo'),
  }
}

/** What `envelope` says, else who stands in the header: the first From (or else the Sender), To, Cc and Bcc. */
function makeEnvelope(input: MessageInput, addresses: MessageAddresses): ComposedEnvelope {
  const given = input.envelope
  if (isGiven(given)) {
    if (typeof given !== 'object') throw new UsageError('envelope', 'must be an object')
    const { from } = given
    const isNull = from === null || from === false || from === ''
    const sender = isNull
      ? null
      : from === undefined
        ? headerSender(addresses)
        : addressText(readOneMailbox(from, 'envelope.from').mailbox)
    return { from: sender, to: recipients(envelopeTo(given)) }
  }
  const { to, cc, bcc } = addresses
  return { from: headerSender(addresses), to: recipients(joined(to, cc, bcc)) }
}

const envelopeTo = ({ to, cc, bcc }: EnvelopeInput): readonly AddressEntry[] =>
  joined(
    readAddresses(to, 'envelope.to'),
    readAddresses(cc, 'envelope.cc'),
    readAddresses(bcc, 'envelope.bcc'),
  )

const joined = (
  to: readonly AddressEntry[],
  cc: readonly AddressEntry[],
  bcc: readonly AddressEntry[],
): readonly AddressEntry[] => (cc.length === 0 && bcc.length === 0 ? to : [...to, ...cc, ...bcc])

function headerSender({ from, sender }: MessageAddresses): string | null {
  const first = mailboxesOf(from)[0] ?? sender
  return first === undefined ? null : addressText(first.mailbox)
}

/** Each destination once: equal domain and exactly equal local-part. */
function recipients(entries: readonly AddressEntry[]): readonly string[] {
  const [only] = entries
  if (entries.length === 1 && only?.kind === 'mailbox') return [addressText(only.mailbox)]
  const found = new Map<string, string>()
  for (const { mailbox } of mailboxesOf(entries)) {
    const key = `${mailbox.localPart}@${mailbox.domain}`
    if (!found.has(key)) found.set(key, addressText(mailbox))
  }
  return [...found.values()]
}

/** RFC 5322 section 3.6.4: the right side is a domain of whoever makes the id. */
function senderDomain({ from }: MessageAddresses, hostname: string): string {
  const domain = mailboxesOf(from)[0]?.mailbox.domain ?? hostname
  return /^[A-Za-z0-9.-]+$/.test(domain) ? domain : /^[A-Za-z0-9.-]+$/.test(hostname) ? hostname : 'localhost'
}

function needsUtf8(addresses: MessageAddresses, input: MessageInput, envelope: ComposedEnvelope): boolean {
  const { from, sender, to, cc, bcc, replyTo, noticeTo } = addresses
  if (isNeedy(from) || isNeedy(to) || isNeedy(cc) || isNeedy(bcc) || isNeedy(replyTo) || isNeedy(noticeTo))
    return true
  if (sender !== undefined && isNeedy([sender])) return true
  const given = input.envelope
  if (!isGiven(given) || (isPlain(envelope.from ?? '') && envelope.to.every(isPlain))) return false
  const { from: by } = given
  if (isGiven(by) && by !== false && isNeedy([readOneMailbox(by, 'envelope.from')])) return true
  return isNeedy(envelopeTo(given))
}

/** Whether one of them needs SMTPUTF8. */
function isNeedy(entries: readonly AddressEntry[]): boolean {
  if (entries.length === 0) return false
  for (const { mailbox } of mailboxesOf(entries)) if (mailbox.utf8 && needsSmtputf8(mailbox)) return true
  return false
}

function notAscii(addresses: MessageAddresses): UsageError {
  const names = ['from', 'to', 'cc', 'bcc', 'replyTo'] as const
  const field = names.find((name) =>
    mailboxesOf(addresses[name]).some(({ mailbox }) => needsSmtputf8(mailbox)),
  )
  return new UsageError(field ?? 'headers', 'needs SMTPUTF8, which the transport does not take')
}

function writeHeader(
  input: MessageInput,
  addresses: MessageAddresses,
  messageId: string,
  now: number,
): string {
  let out = `Date: ${formatDate(readDate(input.date, now))}\r\n`
  out += writeAddresses('From', addresses.from)
  if (addresses.sender !== undefined) out += writeAddresses('Sender', [addresses.sender])
  out += writeAddresses('Reply-To', addresses.replyTo)
  out += writeAddresses('To', addresses.to)
  out += writeAddresses('Cc', addresses.cc)
  out += writeAddresses('Disposition-Notification-To', addresses.noticeTo)
  if (isGiven(input.subject)) {
    if (typeof input.subject !== 'string') throw new UsageError('subject', 'must be a string')
    out += writeUnstructured('Subject', headerText(input.subject))
  }
  out += writeItems('Message-ID', [messageId], '')
  out += writeIds('In-Reply-To', input.inReplyTo, 'inReplyTo')
  out += writeIds('References', input.references, 'references')
  if (isGiven(input.priority)) out += writePriority(input.priority)
  if (isGiven(input.list)) out += writeListHeaders(input.list)
  return out
}

function readDate(date: MessageInput['date'], now: number): number {
  if (!isGiven(date)) return now
  if (date instanceof Date) return validTime(date, 'date')
  if (typeof date === 'string' || typeof date === 'number') return validTime(new Date(date), 'date')
  throw new UsageError('date', 'must be a Date, or what JavaScript reads as one')
}

function writePriority(priority: string): string {
  if (priority === 'normal') return ''
  if (priority === 'high') return 'X-Priority: 1 (Highest)\r\nX-MSMail-Priority: High\r\nImportance: High\r\n'
  if (priority === 'low') return 'X-Priority: 5 (Lowest)\r\nX-MSMail-Priority: Low\r\nImportance: Low\r\n'
  throw new UsageError('priority', "must be 'high', 'normal' or 'low'")
}

// msg-id of RFC 5322 section 3.6.4, and what others have put between brackets: it must be possible to refer to it.
const idForm = /^<[\x21-\x3b\x3d\x3f-\x7e]{1,900}>$/

function oneId(text: string, field: string): string {
  const trimmed = typeof text === 'string' ? text.trim() : ''
  const id = trimmed.startsWith('<') ? trimmed : `<${trimmed}>`
  if (!idForm.test(id))
    throw new UsageError(field, 'must be a Message-ID: <left@right>, ASCII without blanks')
  return id
}

function writeIds(name: string, value: string | readonly string[] | null | undefined, field: string): string {
  if (!isGiven(value)) return ''
  const list = typeof value === 'string' ? [value] : value
  if (!Array.isArray(list)) throw new UsageError(field, 'must be a string or a list of them')
  const ids: string[] = []
  for (const text of list) {
    if (typeof text !== 'string') throw new UsageError(field, 'must be a string or a list of them')
    for (const id of text.split(/[\s,]+|(?<=>)(?=<)/)) if (id !== '') ids.push(oneId(id, field))
  }
  return ids.length === 0 ? '' : writeItems(name, ids, '')
}

function composeRaw(input: MessageInput, options: ComposeOptions): ComposedMessage {
  const addresses = namesNobody(input)
    ? noAddresses
    : readAllAddresses(input, input.sender ?? senderOfRaw(input))
  const envelope = makeEnvelope(input, addresses)
  const wantsUtf8 = needsUtf8(addresses, input, envelope)
  if (wantsUtf8 && options.smtputf8 === false) throw notAscii(addresses)
  const content = readContent(
    input.raw as NonNullable<MessageInput['raw']>,
    'raw',
    contentRules(input, options),
  )
  if (content.kind === 'open') {
    const { open, repeatable } = content
    const piece: Piece = {
      kind: 'open',
      open,
      repeatable,
      encoder: 'lines',
      filter: () => new RawMessageWriter(),
    }
    return composed({
      messageId: isGiven(input.messageId) ? oneId(input.messageId, 'messageId') : '',
      envelope,
      pieces: [piece],
      needsSmtputf8: wantsUtf8,
      // Nobody knows before it is read.
      needs8bit: options.body8bit === true,
    })
  }
  const { bytes, messageId, eightBit } =
    content.kind === 'text' ? readRawText(content.text) : readRawBytes(content.bytes)
  return composed({
    messageId,
    envelope,
    pieces: [bytes],
    // The author's own octets may change before they are sent, what was made of a text does not.
    whole: content.kind === 'text' ? bytes : undefined,
    needsSmtputf8: wantsUtf8 || eightBit.header,
    needs8bit: eightBit.body,
  })
}

function namesNobody({
  from,
  sender,
  to,
  cc,
  bcc,
  replyTo,
  dispositionNotificationTo,
}: MessageInput): boolean {
  const others = isGiven(cc) || isGiven(bcc) || isGiven(replyTo) || isGiven(dispositionNotificationTo)
  return !others && !isGiven(from) && !isGiven(sender) && !isGiven(to)
}

/** Of several From of a raw message the first is the envelope's: nothing is written, so nothing can be wrong. */
const senderOfRaw = (input: MessageInput): MessageInput['sender'] => {
  const first = mailboxesOf(readAddresses(input.from, 'from'))[0]
  return first === undefined ? undefined : { address: first.mailbox.text }
}

interface Parts {
  /** The pieces in one run of octets, where that is there already. */
  readonly whole?: Uint8Array | undefined
  readonly messageId: string
  readonly envelope: ComposedEnvelope
  readonly pieces: readonly Piece[]
  readonly needsSmtputf8: boolean
  readonly needs8bit: boolean
}

function composed(parts: Parts): ComposedMessage {
  const { messageId, envelope, pieces, needsSmtputf8, needs8bit } = parts
  let { whole } = parts
  const sizeBytes = whole?.length ?? sizeOf(pieces)
  return {
    messageId,
    envelope,
    needsSmtputf8,
    needs8bit,
    sizeBytes,
    repeatable: whole !== undefined || isRepeatable(pieces),
    bytes: () => (whole ??= gather(pieces)),
    stream: (signal) => streamPieces(whole === undefined ? pieces : [whole], signal),
  }
}
