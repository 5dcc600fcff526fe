// Owns reading a whole message for people and programs: fields, addresses, text, HTML, attachments, invitations, messages
// within, and the structure with byte offsets that IMAP needs. Built on MimeParser. It never throws on any octets: what is
// broken is a defect, what is beyond a limit is left out. RFC 5322, 2045-2047, 2231, 6532, 5545 (text/calendar), 8621.

import { chooseBodies, isTextLike } from './body-choice.ts'
import { decodeText } from './charset.ts'
import { type ByteSource, collectStream, type Spool } from './collect-stream.ts'
import { decodeUnstructured } from './encoded-words.ts'
import { fieldsMax as fieldsMaxDefault, type HeaderField } from './header.ts'
import { flattenAddresses, type HeaderAddress, parseHeaderAddresses } from './header-addresses.ts'
import { type HeaderDate, parseHeaderDate } from './header-date.ts'
import { parseMessageIds } from './header-lists.ts'
import { htmlToText, textToHtml } from './html-text.ts'
import { type MessageBytes, wholeBytes } from './message-bytes.ts'
import {
  defaultMimeLimits,
  fieldValueText,
  type MimeDefect,
  type MimeDefectCode,
  type MimeLimits,
} from './mime-part.ts'
import { type MimePart, readStructure } from './mime-structure.ts'
import { asBuffer } from './octets.ts'
import { unwrapFlowed } from './text-flowed-reader.ts'
import { decodeTransfer } from './transfer-decoding.ts'
import { extractUuFiles, uuFilename } from './uuencode.ts'

export interface ParseLimits extends MimeLimits {
  /**
   * Octets of a message that comes as a stream, default 256 MiB; those that `spool` takes do not count. What comes behind
   * is not read: defect `too-large`.
   */
  readonly messageBytesMax: number
}

export interface StreamOptions extends Partial<ParseLimits> {
  /**
   * Takes the contents of attachments as they come in, so that memory does not grow with them:
   * `spool: (part) => ({ write: (bytes) => file.write(bytes) })`. Without it they are gathered.
   */
  readonly spool?: Spool
}

export interface ParsedField {
  /** Lower case. */
  readonly name: string
  /** Unfolded and decoded, as people read it. */
  readonly value: string
}

export interface Attachment {
  readonly filename: string | undefined
  /** Lower case, without parameters. */
  readonly contentType: string
  /** 'inline', 'attachment' or what was said; '' where nothing was. */
  readonly disposition: string
  readonly contentId: string | undefined
  /** Decoded octets; may share memory with the message. For a message within its own octets. Empty where `isSpooled`. */
  readonly content: Uint8Array
  /** Decoded octets, wherever they are. */
  readonly contentBytes: number
  /** Its content went to a sink of `spool`; of a message within, that of an attachment in it. */
  readonly isSpooled: boolean
  /** It belongs to an HTML text beside it (multipart/related). */
  readonly isRelated: boolean
  /** A message within (message/rfc822, message/global). */
  readonly message: ParsedMessage | undefined
  /** undefined for a file out of the text (uuencode). */
  readonly part: MimePart | undefined
}

export interface CalendarItem {
  /** REQUEST, REPLY, CANCEL ... in upper case; '' where nothing was said (RFC 5546). */
  readonly method: string
  readonly text: string
  readonly part: MimePart
}

export interface ParsedMessage {
  readonly fields: readonly ParsedField[]
  readonly from: readonly HeaderAddress[]
  readonly sender: readonly HeaderAddress[]
  readonly replyTo: readonly HeaderAddress[]
  readonly to: readonly HeaderAddress[]
  readonly cc: readonly HeaderAddress[]
  readonly bcc: readonly HeaderAddress[]
  readonly subject: string
  /** Without angle brackets. */
  readonly messageId: string | undefined
  readonly inReplyTo: readonly string[]
  readonly references: readonly string[]
  readonly date: HeaderDate | undefined
  /** Plain text; '' where the message has none. Line ends are `\n`; paragraphs of format=flowed (RFC 3676) are one line each. */
  readonly text: string
  /** `text` with its lines as they were sent: it differs where it was flowed. */
  readonly textAsSent: string
  /** HTML as it was sent: not safe to show without a sandbox. '' where the message has none. */
  readonly html: string
  readonly attachments: readonly Attachment[]
  readonly calendars: readonly CalendarItem[]
  readonly structure: MimePart
  /** Of the whole message, messages within included; one within that is encoded has offsets of its own and its own list. */
  readonly defects: readonly MimeDefect[]
}

/** The whole message. `bytes` must not change while the result is used: contents share their memory. */
export function parseMessage(bytes: Uint8Array, limits?: Partial<ParseLimits>): ParsedMessage
/**
 * Reads the stream to its end or `messageBytesMax`; errors of the stream are passed on. In memory is the whole message, but for
 * what `spool` takes. For less of it use MimeParser.
 */
export function parseMessage(stream: ByteSource, options?: StreamOptions): Promise<ParsedMessage>
export function parseMessage(
  source: Uint8Array | ByteSource,
  options: StreamOptions = {},
): ParsedMessage | Promise<ParsedMessage> {
  if (source instanceof Uint8Array) return parseBytes(asBuffer(source), options, 0)
  const keptBytesMax = options.messageBytesMax ?? 256 * 1024 * 1024
  const { spool } = options
  if (spool !== undefined)
    return collectStream(source, options, { spool, keptBytesMax }).then((found) =>
      readMessage({ ...found, limits: options, encodedDepth: 0 }, found.structure),
    )
  return readAll(source, keptBytesMax).then(({ bytes, isWhole }) => {
    const message = parseBytes(bytes, options, 0)
    if (isWhole) return message
    return { ...message, defects: [...message.defects, { code: 'too-large', offset: bytes.length }] }
  })
}

async function readAll(
  source: ByteSource,
  bytesMax: number,
): Promise<{ readonly bytes: Buffer; readonly isWhole: boolean }> {
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of source) {
    pieces.push(piece)
    length += piece.length
    if (length > bytesMax) return { bytes: Buffer.concat(pieces).subarray(0, bytesMax), isWhole: false }
  }
  return { bytes: Buffer.concat(pieces), isWhole: true }
}

/** What one call of parseMessage shares: octets, defects and how deep messages in base64 may lie in each other. */
interface Reading {
  readonly bytes: MessageBytes
  readonly limits: Partial<ParseLimits>
  readonly defects: MimeDefect[]
  /** Decoded octets of the parts that went elsewhere, by index. */
  readonly spooled: ReadonlyMap<number, number>
  readonly encodedDepth: number
}

function parseBytes(bytes: Buffer, limits: Partial<ParseLimits>, encodedDepth: number): ParsedMessage {
  const defects: MimeDefect[] = []
  const structure = readStructure(bytes, limits, defects)
  return readMessage({ bytes: wholeBytes(bytes), limits, defects, spooled: nowhere, encodedDepth }, structure)
}

const nowhere: ReadonlyMap<number, number> = new Map()

function readMessage(reading: Reading, root: MimePart): ParsedMessage {
  const { header, fields } = root
  const first = new Map<string, HeaderField>()
  for (const field of fields) {
    if (!first.has(field.name)) first.set(field.name, field)
    else if (single.has(field.name)) tell(reading, 'duplicate-field', root.start + field.start)
  }
  const raw = (name: string): string => {
    const field = first.get(name)
    return field === undefined ? '' : fieldValueText(header, field)
  }
  const addresses = (name: string): readonly HeaderAddress[] => {
    const value = raw(name)
    return value === '' ? noAddresses : parseHeaderAddresses(value)
  }
  const contents = readContents(reading, root)
  return {
    fields: fields.map((field) => ({
      name: field.name,
      value: decodeUnstructured(fieldValueText(header, field)),
    })),
    from: addresses('from'),
    sender: addresses('sender'),
    replyTo: addresses('reply-to'),
    to: allOf(root, 'to'),
    cc: allOf(root, 'cc'),
    bcc: allOf(root, 'bcc'),
    subject: decodeUnstructured(raw('subject')),
    messageId: parseMessageIds(raw('message-id'))[0],
    inReplyTo: parseMessageIds(raw('in-reply-to')),
    references: parseMessageIds(raw('references')),
    date: dateOf(root),
    ...contents,
    structure: root,
    defects: reading.defects,
  }
}

/** RFC 5322 section 3.6: there can be one. With two, readers differ in which they show. */
const single = new Set([
  'from',
  'sender',
  'reply-to',
  'subject',
  'date',
  'message-id',
  'in-reply-to',
  'references',
])

const noAddresses: readonly HeaderAddress[] = []

/** The first Date that is one. */
function dateOf({ header, fields }: MimePart): HeaderDate | undefined {
  for (const field of fields) {
    const date = field.name === 'date' ? parseHeaderDate(fieldValueText(header, field)) : undefined
    if (date !== undefined) return date
  }
  return undefined
}

/** To, Cc and Bcc may be there once; those who write one field per recipient are read whole. */
function allOf({ header, fields }: MimePart, name: string): readonly HeaderAddress[] {
  const found = fields.filter((field) => field.name === name)
  if (found.length === 0) return noAddresses
  return found
    .slice(0, fieldsMaxDefault)
    .flatMap((field) => parseHeaderAddresses(fieldValueText(header, field)))
}

type Contents = Pick<ParsedMessage, 'text' | 'textAsSent' | 'html' | 'attachments' | 'calendars'>

function readContents(reading: Reading, root: MimePart): Contents {
  const choice = chooseBodies(root)
  const decoded = new Map<MimePart, string>()
  const files: Attachment[] = []
  const textOf = (part: MimePart): string => {
    const known = decoded.get(part)
    if (known !== undefined) return known
    const text = readText(reading, part, files)
    decoded.set(part, text)
    return text
  }
  const isHtml = (part: MimePart): boolean => part.contentType === 'text/html'
  const isReadable = (part: MimePart): boolean => isTextLike(part) || isHtml(part)
  const texts = choice.text.filter(isReadable)
  const htmls = choice.html.filter(isReadable)
  // A text between two pieces of HTML is shown in its place, and the other way round.
  const sent = texts.some(isTextLike) ? texts.map((p) => (isHtml(p) ? htmlToText(textOf(p)) : textOf(p))) : []
  const text = sent.map((lines, index) => unflowed(texts[index] as MimePart, lines))
  const html = htmls.some(isHtml)
    ? htmls.map((p) => (isHtml(p) ? textOf(p) : textToHtml(unflowed(p, textOf(p)))))
    : []
  const related = relatedParts(root)
  const attachments = choice.attachments.map((part) => readAttachment(reading, part, related.has(part)))
  return {
    text: text.join('\n'),
    textAsSent: sent.join('\n'),
    html: html.join('\n'),
    attachments: [...attachments, ...files],
    calendars: readCalendars(reading, root),
  }
}

/** RFC 3676 section 4. */
function unflowed({ contentType, parameters }: MimePart, text: string): string {
  if (contentType !== 'text/plain' || parameters.get('format')?.toLowerCase() !== 'flowed') return text
  return unwrapFlowed(text, parameters.get('delsp')?.toLowerCase() === 'yes')
}

const contentOf = ({ bytes }: Reading, part: MimePart): Buffer =>
  bytes.slice(part.bodyStart, Math.max(part.bodyStart, part.end))

function tell({ defects, limits }: Reading, code: MimeDefectCode, offset: number): void {
  if (defects.length < (limits.defectsMax ?? defaultMimeLimits.defectsMax)) defects.push({ code, offset })
}

function decodeContent(reading: Reading, part: MimePart): Buffer {
  const { bytes, isMalformed } = decodeTransfer(contentOf(reading, part), part.encoding)
  if (isMalformed) tell(reading, 'bad-encoding', part.bodyStart)
  return bytes
}

function readText(reading: Reading, part: MimePart, files: Attachment[]): string {
  const octets = decodeContent(reading, part)
  const { text, defect } = decodeText(octets, part.parameters.get('charset') ?? htmlCharset(part, octets))
  if (defect !== undefined)
    tell(reading, defect === 'unknown' ? 'unknown-charset' : 'bad-charset', part.bodyStart)
  const lines = text.includes('\r') ? text.replace(/\r\n/g, '\n') : text
  if (part.contentType === 'text/html' || !lines.includes('begin ')) return lines
  const extracted = extractUuFiles(lines)
  for (const { filename, content } of extracted.files) files.push(fileInText(filename, content))
  return extracted.text
}

const fileInText = (filename: string, content: Uint8Array): Attachment => ({
  filename,
  contentType: 'application/octet-stream',
  disposition: 'attachment',
  contentId: undefined,
  content,
  contentBytes: content.length,
  isSpooled: false,
  isRelated: false,
  message: undefined,
  part: undefined,
})

/** HTML that says its charset only within itself. */
function htmlCharset(part: MimePart, octets: Buffer): string | undefined {
  if (part.contentType !== 'text/html') return undefined
  return /<meta[^>]{0,200}charset\s{0,5}=\s{0,5}["']?([\w.:-]{1,40})/i.exec(
    octets.toString('latin1', 0, 4096),
  )?.[1]
}

function relatedParts(root: MimePart): ReadonlySet<MimePart> {
  const found = new Set<MimePart>()
  const visit = (part: MimePart): void => {
    if (part.shape !== 'multipart') return
    if (part.contentType === 'multipart/related') for (const child of part.children.slice(1)) found.add(child)
    for (const child of part.children) visit(child)
  }
  visit(root)
  return found
}

const isMessageType = (type: string): boolean => type === 'message/rfc822' || type === 'message/global'

function readAttachment(reading: Reading, part: MimePart, isRelated: boolean): Attachment {
  const spooled = reading.spooled.get(part.index)
  const content = spooled === undefined ? decodeContent(reading, part) : Buffer.alloc(0)
  const named = part.filename ?? (part.encoding === 'uuencode' ? uuNameOf(reading, part) : undefined)
  const { contentType, disposition, contentId } = part
  const message = isMessageType(contentType) ? nestedMessage(reading, part, content) : undefined
  return {
    filename: named,
    contentType,
    disposition,
    contentId,
    content,
    contentBytes: spooled ?? content.length,
    isSpooled: spooled !== undefined || !reading.bytes.isWhole(part.bodyStart, part.end),
    isRelated,
    message,
    part,
  }
}

const uuNameOf = (reading: Reading, part: MimePart): string | undefined =>
  uuFilename(contentOf(reading, part).toString('latin1', 0, 10_000))

const encodedDepthMax = 10

/** Within the same octets its parts are known already; one in base64 is a message of its own, with its own offsets. */
function nestedMessage(reading: Reading, part: MimePart, content: Buffer): ParsedMessage | undefined {
  const [child] = part.children
  if (part.shape === 'message' && child !== undefined) return readMessage(reading, child)
  if (part.encoding === 'identity' || reading.encodedDepth >= encodedDepthMax) return undefined
  return parseBytes(content, reading.limits, reading.encodedDepth + 1)
}

function readCalendars(reading: Reading, root: MimePart): readonly CalendarItem[] {
  const found: CalendarItem[] = []
  const visit = (part: MimePart): void => {
    if (part.contentType === 'text/calendar' && part.shape === 'leaf') {
      const { text } = decodeText(decodeContent(reading, part), part.parameters.get('charset') ?? 'utf-8')
      const method = part.parameters.get('method') ?? /^METHOD:([A-Za-z-]{1,40})/m.exec(text)?.[1] ?? ''
      found.push({ method: method.toUpperCase(), text, part })
    }
    if (part.shape === 'multipart') for (const child of part.children) visit(child)
  }
  visit(root)
  return found
}

/** The text parts of attachments that a search looks into. */
const searchable = /^(?:text\/|application\/(?:json|xml)$)/

/**
 * What a search should find, in one text: subject, names and addresses, text (or HTML as text), names of files, messages within.
 * At most `charsMax` characters (default 1,000,000).
 */
export function searchText(message: ParsedMessage, charsMax = 1_000_000): string {
  const pieces: string[] = []
  let left = charsMax
  const add = (text: string): void => {
    if (text === '' || left <= 0) return
    pieces.push(text.slice(0, left))
    left -= text.length + 1
  }
  const visit = (one: ParsedMessage, depth: number): void => {
    add(one.subject)
    for (const list of [one.from, one.replyTo, one.to, one.cc, one.bcc])
      for (const { name, address } of flattenAddresses(list))
        add(name === '' ? address : `${name} ${address}`)
    add(one.text === '' ? htmlToText(one.html, { charsMax: Math.max(0, left) * 4 }) : one.text)
    for (const attachment of one.attachments) {
      add(attachment.filename ?? '')
      if (searchable.test(attachment.contentType) && attachment.part !== undefined && left > 0)
        add(attachmentText(attachment, left))
      if (attachment.message !== undefined && depth < 20) visit(attachment.message, depth + 1)
    }
  }
  visit(message, 0)
  return pieces.join('\n').toWellFormed()
}

function attachmentText({ content, contentType, part }: Attachment, charsMax: number): string {
  const { text } = decodeText(content.subarray(0, charsMax * 4), part?.parameters.get('charset'))
  return contentType === 'text/html' ? htmlToText(text, { charsMax: charsMax * 4 }) : text
}
