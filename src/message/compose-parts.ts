// Owns the parts of a composed message: text in its transfer encoding, attachments with their fields, calendar, and how
// they are nested: no deeper than needed. RFC 2045, RFC 2046, RFC 2183, RFC 2387, RFC 2392, RFC 6047.

import { isAscii, isUtf8 } from 'node:buffer'
import { UsageError } from '../base/usage-error.ts'
import { prepareCalendar } from './calendar.ts'
import { type Content, type ContentRules, readContent } from './content-input.ts'
import { formatDate } from './date.ts'
import { type HeaderText, headerText, isFieldName } from './header-text.ts'
import { writePrepared, writeUnstructured } from './header-writer.ts'
import { embedImages } from './html-images.ts'
import { canonicalBytes, canonicalText } from './line-end-writer.ts'
import { type MediaType, mediaTypeOf, parseMediaType } from './media-types.ts'
import type {
  AlternativeInput,
  AttachmentInput,
  BodyContent,
  CalendarEvent,
  HeadersInput,
  HeaderValue,
  MessageInput,
  PartInput,
  TransferEncoding,
} from './message-input.ts'
import { type Body, type EncoderKind, type Leaf, multipart, type Part } from './mime-writer.ts'
import { type Parameter, writeParameterized } from './parameter-writer.ts'
import { encodeQuotedPrintableBytes } from './quoted-printable-encoder.ts'
import { encodeText, isTransportSafe } from './text-encoding.ts'
import { formatFlowed } from './text-flowed.ts'

export interface PartContext extends ContentRules {
  readonly body8bit: boolean | undefined
  readonly textEncoding: 'quoted-printable' | 'base64' | undefined
  readonly nextBoundary: () => string
  /** A name for a Content-ID, unlike any other. */
  readonly makeCid: (index: number) => string
}

const isGiven = <T>(value: T | null | undefined | ''): value is T =>
  value !== undefined && value !== null && value !== ''

/** The whole body. Nothing at all is an empty text. @throws UsageError */
export function composeBody(input: MessageInput, context: PartContext): Part {
  const attachments = readList(input.attachments, 'attachments')
  const embedded = embed(input, context)
  const hasHtml = isGiven(input.html)
  const related: Part[] = []
  const mixed: Part[] = []
  attachments.forEach((attachment, i) => {
    const part = attachmentPart(attachment, `attachments[${i}]`, context)
    if (hasHtml && isGiven(attachment.cid)) related.push(part)
    else mixed.push(part)
  })
  for (const { source, cid } of embedded.images)
    related.push(attachmentPart({ path: source, cid, contentDisposition: 'inline' }, 'html', context))

  const forms: Part[] = []
  if (isGiven(input.text)) forms.push(textPart('plain', input.text, 'text', input.flowed === true, context))
  // A reader shows the last form it knows (RFC 2046 section 5.1.4).
  if (isGiven(input.watchHtml))
    forms.push(textPart('watch-html', input.watchHtml, 'watchHtml', false, context))
  if (isGiven(input.amp)) forms.push(textPart('x-amp-html', input.amp, 'amp', false, context))
  if (isGiven(input.html)) {
    const html = textPart('html', embedded.html ?? input.html, 'html', false, context)
    // RFC 2387 section 3.1: the type of the root is said.
    forms.push(
      related.length === 0
        ? html
        : multipart('related', '; type="text/html"', [html, ...related], context.nextBoundary),
    )
  }
  readList(input.alternatives, 'alternatives').forEach((alternative, i) => {
    forms.push(alternativePart(alternative, `alternatives[${i}]`, context))
  })
  if (isGiven(input.icalEvent)) {
    const [form, copy] = calendarParts(input.icalEvent, context)
    forms.push(form)
    if (copy !== undefined) mixed.push(copy)
  }
  const [form] = forms
  const body = forms.length > 1 ? multipart('alternative', '', forms, context.nextBoundary) : form
  const all = body === undefined ? mixed : [body, ...mixed]
  const [only] = all
  if (only === undefined) return textPart('plain', '', 'text', false, context)
  return all.length === 1 ? only : multipart('mixed', '', all, context.nextBoundary)
}

function readList<T>(list: readonly T[] | null | undefined, field: string): readonly T[] {
  if (list === undefined || list === null) return []
  if (!Array.isArray(list)) throw new UsageError(field, 'must be an array')
  for (let i = 0; i < list.length; i++)
    if (typeof list[i] !== 'object' || list[i] === null)
      throw new UsageError(`${field}[${i}]`, 'must be an object')
  return list
}

/** HTML with its images made parts, where that is asked for; `html` is undefined where nothing was changed. */
function embed(
  input: MessageInput,
  context: PartContext,
): { readonly html: string | undefined; readonly images: readonly { source: string; cid: string }[] } {
  const want = { data: input.attachDataUrls === true, local: input.attachLocalImages === true }
  if ((!want.data && !want.local) || !isGiven(input.html)) return { html: undefined, images: [] }
  const content = readContent(input.html, 'html', context)
  if (content.kind === 'open')
    throw new UsageError('html', 'must be in memory for attachDataUrls and attachLocalImages')
  const found = embedImages(decodeText(content, 'html'), want, context.makeCid)
  return { html: found.html, images: [...found.images] }
}

function decodeText(content: Exclude<Content, { readonly kind: 'open' }>, field: string): string {
  if (content.kind === 'text') return content.text
  if (!isUtf8(content.bytes)) throw new UsageError(field, 'must be UTF-8')
  return Buffer.from(content.bytes.buffer, content.bytes.byteOffset, content.bytes.byteLength).toString()
}

function textPart(
  subtype: string,
  input: BodyContent,
  field: string,
  flowed: boolean,
  context: PartContext,
): Leaf {
  const content = readContent(input, field, context)
  const type = `Content-Type: text/${subtype}; charset=utf-8${flowed ? '; format=flowed' : ''}\r\n`
  if (content.kind === 'open') {
    if (flowed) throw new UsageError('flowed', 'needs a text that is in memory')
    const encoding = context.textEncoding ?? 'quoted-printable'
    return openLeaf(type, content, encoding, encoding === 'base64' ? 'base64' : 'qp-text')
  }
  const text = canonicalText(decodeText(content, field).toWellFormed())
  return encodedLeaf(type, flowed ? formatFlowed(text) : text, context.textEncoding, context)
}

function encodedLeaf(
  header: string,
  text: string,
  force: TransferEncoding | undefined,
  context: PartContext,
): Leaf {
  const { encoding, body } = encodeText(text, { allow8bit: context.body8bit === true, force })
  return {
    kind: 'leaf',
    header: `${header}Content-Transfer-Encoding: ${encoding}\r\n`,
    body: { kind: 'done', body },
    eightBit: encoding === '8bit',
  }
}

function openLeaf(
  header: string,
  content: Extract<Content, { readonly kind: 'open' }>,
  encoding: TransferEncoding,
  encoder: EncoderKind,
): Leaf {
  return {
    kind: 'leaf',
    header: `${header}Content-Transfer-Encoding: ${encoding}\r\n`,
    body: { kind: 'open', open: content.open, repeatable: content.repeatable, encoder },
    eightBit: encoding === '8bit',
  }
}

const stringSource = (text: string): HeaderText => headerText(text)

/** The form that calendars read, and the copy that everyone else can save. */
function calendarParts(
  input: NonNullable<MessageInput['icalEvent']>,
  context: PartContext,
): readonly [form: Leaf, copy: Leaf | undefined] {
  const field = 'icalEvent'
  const event: CalendarEvent =
    typeof input === 'string' || input instanceof Uint8Array || Symbol.asyncIterator in input
      ? { content: input }
      : input
  const content = readContent(event, field, context)
  if (content.kind === 'open')
    throw new UsageError(field, 'must be in memory: its method stands in the header before it')
  const { text, method } = prepareCalendar(decodeText(content, field), event.method, field)
  const filename = event.filename ?? 'invite.ics'
  // Outlook knows an invitation by the method and reads it only as UTF-8 that says so.
  const header = `Content-Type: text/calendar; charset=utf-8; method=${method}\r\n`
  const form = encodedLeaf(header, text, context.textEncoding, context)
  if (filename === false) return [form, undefined]
  const copy = attachmentPart(
    {
      content: text,
      contentType: 'application/ics',
      contentDisposition: 'attachment',
      contentTransferEncoding: 'base64',
      filename,
    },
    field,
    { ...context, encoding: undefined },
  )
  return [form, copy]
}

function alternativePart(input: AlternativeInput, field: string, context: PartContext): Leaf {
  if (input.raw !== undefined) return rawPart(input, field)
  const content = readContent(input, field, context)
  const type = mediaType(input, content, input.filename, field)
  return contentLeaf(input, content, type, '', field, context)
}

/** A whole part as its author wrote it; only its line ends are put in order. */
function rawPart(input: PartInput, field: string): Leaf {
  const { raw } = input
  if (typeof raw !== 'string' && !(raw instanceof Uint8Array))
    throw new UsageError(`${field}.raw`, 'must be a string or bytes')
  const bytes = canonicalBytes(typeof raw === 'string' ? Buffer.from(raw) : raw)
  const eightBit = !isAscii(bytes)
  return { kind: 'leaf', header: '', body: { kind: 'done', body: bytes }, eightBit, raw: true }
}

const cidForm = /^[\x21-\x3b\x3d\x3f-\x7e]{1,200}$/

function attachmentPart(input: AttachmentInput, field: string, context: PartContext): Leaf {
  if (input.raw !== undefined) return rawPart(input, field)
  const content = readContent(input, field, context)
  const filename = fileName(input, content, field)
  const type = mediaType(input, content, filename, field)
  const isMessage = type.essence.startsWith('message/')
  const disposition =
    input.contentDisposition ??
    (isMessage || (isGiven(input.cid) && type.essence.startsWith('image/')) ? 'inline' : 'attachment')
  if (disposition !== 'attachment' && disposition !== 'inline')
    throw new UsageError(`${field}.contentDisposition`, "must be 'attachment' or 'inline'")
  let fields = ''
  if (isGiven(input.cid)) {
    const cid = typeof input.cid === 'string' ? input.cid.trim().replace(/^<|>$/g, '') : ''
    if (!cidForm.test(cid)) throw new UsageError(`${field}.cid`, 'must be an id without blanks and brackets')
    fields += `Content-ID: <${cid}>\r\n`
  }
  const parameters: Parameter[] =
    filename === undefined ? [] : [{ name: 'filename', value: stringSource(filename) }]
  fields += writeParameterized('Content-Disposition', disposition, parameters)
  const named: MediaType =
    filename === undefined || type.parameters.some(({ name }) => name === 'name')
      ? type
      : { ...type, parameters: [...type.parameters, { name: 'name', value: stringSource(filename) }] }
  return contentLeaf(input, content, named, fields, field, context)
}

function fileName(input: AttachmentInput, content: Content, field: string): string | undefined {
  const { filename } = input
  if (filename === false || filename === '') return undefined
  if (filename !== undefined && filename !== null) {
    if (typeof filename !== 'string') throw new UsageError(`${field}.filename`, 'must be a string or false')
    if (filename.length > 2000)
      throw new UsageError(`${field}.filename`, 'must have at most 2,000 characters')
    return filename
  }
  const name = content.kind === 'open' ? content.name : undefined
  return name === '' ? undefined : name
}

/** What the author says, what a data: URI says, what the name says; text in memory says its charset. */
function mediaType(
  input: PartInput,
  content: Content,
  filename: string | false | undefined,
  field: string,
): MediaType {
  const said = isGiven(input.contentType)
    ? input.contentType
    : content.kind === 'bytes' && content.contentType !== undefined
      ? content.contentType
      : content.kind === 'open' && content.name !== undefined && !isGiven(filename)
        ? mediaTypeOf(content.name)
        : typeof filename === 'string'
          ? mediaTypeOf(filename)
          : content.kind === 'text'
            ? 'text/plain'
            : 'application/octet-stream'
  const type = parseMediaType(said, `${field}.contentType`)
  if (type.essence.startsWith('multipart/'))
    throw new UsageError(`${field}.contentType`, 'must not be multipart: give the part as raw')
  if (!type.essence.startsWith('text/') || type.parameters.some(({ name }) => name === 'charset')) return type
  const isUnicode = content.kind === 'text' || (content.kind === 'bytes' && isUtf8(content.bytes))
  if (!isUnicode) return type
  return { ...type, parameters: [...type.parameters, { name: 'charset', value: headerText('utf-8') }] }
}

function contentLeaf(
  input: PartInput,
  content: Content,
  type: MediaType,
  fields: string,
  field: string,
  context: PartContext,
): Leaf {
  const header =
    writeParameterized('Content-Type', type.essence, type.parameters) +
    fields +
    ownHeaders(input.headers, field)
  const wanted = input.contentTransferEncoding
  if (isGiven(wanted) && !['7bit', '8bit', 'quoted-printable', 'base64'].includes(wanted))
    throw new UsageError(
      `${field}.contentTransferEncoding`,
      "must be '7bit', '8bit', 'quoted-printable' or 'base64'",
    )
  if (content.kind === 'open') return openContent(header, content, type, wanted, field, context)
  const bytes = content.kind === 'text' ? Buffer.from(content.text.toWellFormed()) : content.bytes
  const isMessage = type.essence === 'message/rfc822' || type.essence === 'message/global'
  if (isMessage && !isGiven(wanted)) return messageLeaf(header, canonicalBytes(bytes), context)
  const encoding = wanted ?? chosenEncoding(bytes, type)
  return { kind: 'leaf', header: withEncoding(header, encoding), ...encodedBody(bytes, encoding, field) }
}

const withEncoding = (header: string, encoding: TransferEncoding): string =>
  `${header}Content-Transfer-Encoding: ${encoding}\r\n`

/** Attached text keeps its octets: as it is only where no transport touches it. */
function chosenEncoding(bytes: Uint8Array, type: MediaType): TransferEncoding {
  if (!type.essence.startsWith('text/')) return 'base64'
  return bytes.length < 1_000_000 && isTransportSafe(bytes, false) ? '7bit' : 'base64'
}

function encodedBody(
  bytes: Uint8Array,
  encoding: TransferEncoding,
  field: string,
): { readonly body: Body; readonly eightBit: boolean } {
  if (encoding === 'base64') return { body: { kind: 'base64', bytes }, eightBit: false }
  if (encoding === 'quoted-printable')
    return { body: { kind: 'done', body: encodeQuotedPrintableBytes(bytes, 'binary') }, eightBit: false }
  const body = canonicalBytes(bytes)
  if (!isTransportSafe(body, encoding === '8bit'))
    throw new UsageError(
      `${field}.contentTransferEncoding`,
      `cannot be ${encoding}: the content has more than that`,
    )
  return { body: { kind: 'done', body }, eightBit: encoding === '8bit' }
}

/** RFC 2046 section 5.2.1: a message may be 7bit, 8bit or binary, and nothing else. */
function messageLeaf(header: string, bytes: Uint8Array, context: PartContext): Leaf {
  const encoding: TransferEncoding = isTransportSafe(bytes, false)
    ? '7bit'
    : context.body8bit !== false && isTransportSafe(bytes, true)
      ? '8bit'
      : // Deviation: base64, as Outlook and Gmail write it and readers take it, because the transport takes nothing else.
        'base64'
  return {
    kind: 'leaf',
    header: withEncoding(header, encoding),
    body: encoding === 'base64' ? { kind: 'base64', bytes } : { kind: 'done', body: bytes },
    eightBit: encoding === '8bit',
  }
}

function openContent(
  header: string,
  content: Extract<Content, { readonly kind: 'open' }>,
  type: MediaType,
  wanted: TransferEncoding | undefined,
  field: string,
  context: PartContext,
): Leaf {
  const isMessage = type.essence === 'message/rfc822' || type.essence === 'message/global'
  if (wanted === '7bit' || wanted === '8bit')
    throw new UsageError(
      `${field}.contentTransferEncoding`,
      `cannot be ${wanted}: nobody knows what a source has before it is read`,
    )
  if (wanted === 'quoted-printable') return openLeaf(header, content, wanted, 'qp-binary')
  // A message that is not read yet may have anything in it: 8bit is what RFC 2046 section 5.2.1 leaves.
  if (isMessage && wanted === undefined && context.body8bit !== false)
    return openLeaf(header, content, '8bit', 'lines')
  return openLeaf(header, content, 'base64', 'base64')
}

/** Fields of a part beside those that its options write. */
function ownHeaders(input: HeadersInput | undefined, field: string): string {
  let out = ''
  for (const [name, value] of headerEntries(input, `${field}.headers`)) {
    const lower = name.toLowerCase()
    if (['content-type', 'content-transfer-encoding', 'content-disposition', 'content-id'].includes(lower))
      throw new UsageError(`${field}.headers.${name}`, 'has an option of its own')
    out += writeHeaderValue(name, value, `${field}.headers.${name}`)
  }
  return out
}

/** Pairs in order; a list of values is one field each. @throws UsageError for a name that is none */
export function headerEntries(
  input: HeadersInput | null | undefined,
  field: string,
): readonly (readonly [name: string, value: HeaderValue])[] {
  if (input === undefined || input === null) return []
  if (typeof input !== 'object') throw new UsageError(field, 'must be an object or a list of { key, value }')
  const entries: (readonly [string, HeaderValue])[] = []
  const add = (name: string, value: unknown): void => {
    if (typeof name !== 'string' || !isFieldName(name))
      throw new UsageError(
        `${field}.${String(name).slice(0, 80)}`,
        'is no field name: printable ASCII without colon and blanks, at most 76',
      )
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== undefined && one !== null) entries.push([name, one as HeaderValue])
  }
  if (Array.isArray(input)) for (const { key, value } of input) add(key, value)
  else for (const [key, value] of Object.entries(input)) add(key, value)
  return entries
}

export function writeHeaderValue(name: string, value: HeaderValue, field: string): string {
  if (typeof value === 'string') return writeUnstructured(name, headerText(value))
  if (typeof value === 'number') return writeUnstructured(name, headerText(String(value)))
  if (value instanceof Date) return `${name}: ${formatDate(validTime(value, field))}\r\n`
  if (typeof value === 'object' && typeof value.value === 'string') {
    if (value.prepared !== true) return writeUnstructured(name, headerText(value.value))
    const written = writePrepared(name, value.value)
    // RFC 5322 section 2.1.1; what is prepared is not encoded, so it must be possible to fold it.
    if (written.split('\r\n').some((line) => Buffer.byteLength(line) > 998))
      throw new UsageError(field, 'has a word or a blank that is too long for a line')
    return written
  }
  throw new UsageError(field, 'must be a string, a number, a Date, a list of them, or { prepared, value }')
}

/** Epoch ms of a date that RFC 5322 can write. @throws UsageError */
export function validTime(date: Date, field: string): number {
  const time = date.getTime()
  const year = date.getUTCFullYear()
  if (Number.isNaN(time) || year < 1900 || year > 9999)
    throw new UsageError(field, 'must be a date between 1900 and 9999')
  return time
}
