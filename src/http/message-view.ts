// Owns a kept message as people look at it: parsed once, its parts numbered as in IMAP, its views made from the parse. It
// opens nothing by itself; what it is given is bounded by the server's limit of a message. RFC 3501 section 6.4.5 (numbers).

import { flattenAddresses, type HeaderAddress } from '../message/header-addresses.ts'
import { parseListUrls } from '../message/header-lists.ts'
import type { MimePart } from '../message/mime-structure.ts'
import { type Attachment, type ParsedMessage, parseMessage } from '../message/parse-message.ts'
import { decodeTransfer } from '../message/transfer-decoding.ts'
import type { MailSummary } from '../store/mail-view.ts'
import type { MessageView as StoredView } from '../store/store.ts'

import type { AddressView, AttachmentView, MessageView, PartView, VerdictView } from './api-types.ts'
import { type HtmlFacts, inspectHtml } from './mail-html.ts'

export interface OpenMessage {
  readonly raw: Buffer
  readonly parsed: ParsedMessage
  /** Parts of the message itself by number; files out of the text as 'uu1'... */
  readonly parts: ReadonlyMap<string, OpenPart>
  readonly numbers: ReadonlyMap<MimePart, string>
  readonly facts: HtmlFacts
}

export interface OpenPart {
  readonly contentType: string
  readonly charset: string | undefined
  readonly filename: string | undefined
  readonly contentId: string | undefined
  content(): Buffer
}

export function openMessage(raw: Buffer): OpenMessage {
  const parsed = parseMessage(raw)
  const parts = new Map<string, OpenPart>()
  const numbers = new Map<MimePart, string>()
  const visit = (part: MimePart, number: string, depth: number): void => {
    numbers.set(part, number)
    parts.set(number, {
      contentType: part.contentType,
      charset: part.parameters.get('charset'),
      filename: part.filename,
      contentId: part.contentId,
      content: () =>
        decodeTransfer(raw.subarray(part.bodyStart, Math.max(part.bodyStart, part.end)), part.encoding).bytes,
    })
    if (depth > 100) return
    if (part.shape === 'multipart')
      for (const [i, child] of part.children.entries()) visit(child, join(number, i + 1), depth + 1)
    // The message within has the number of the part that holds it; a lone body of it is its part 1.
    else
      for (const child of part.children)
        visit(child, child.shape === 'multipart' ? `${number}.TEXT` : join(number, 1), depth + 1)
  }
  visit(parsed.structure, parsed.structure.shape === 'multipart' ? 'TEXT' : '1', 0)
  parsed.attachments.forEach((file, i) => {
    if (file.part === undefined)
      parts.set(`uu${i + 1}`, {
        contentType: file.contentType,
        charset: undefined,
        filename: file.filename,
        contentId: undefined,
        content: () => Buffer.from(file.content),
      })
  })
  return { raw, parsed, parts, numbers, facts: inspectHtml(parsed.html) }
}

/** Children of the whole (and of a message within) have its number without the word TEXT before theirs. */
const join = (number: string, index: number): string =>
  number === 'TEXT' ? String(index) : `${number.replace(/\.TEXT$/, '')}.${index}`

const viewOf = (list: readonly HeaderAddress[]): readonly AddressView[] =>
  flattenAddresses(list).map(({ name, address }) => ({ name, address }))

const listMax = 1000
const textCharsMax = 2_000_000
const valueCharsMax = 20_000

export interface MessageExtras {
  readonly id: string
  readonly summary: MailSummary | undefined
  readonly envelope: MessageView['envelope']
  readonly tags: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
  readonly verdicts?: readonly VerdictView[]
}

export function toMessageView(message: OpenMessage, extras: MessageExtras): MessageView {
  const { parsed, facts, raw } = message
  const { id, summary, envelope, tags, metadata, verdicts } = extras
  const unsubscribe = fieldOf(parsed, 'list-unsubscribe')
  const oneClick = /one-click/i.test(fieldOf(parsed, 'list-unsubscribe-post') ?? '')
  return {
    id,
    ...(summary !== undefined && { summary }),
    hasBody: true,
    subject: parsed.subject,
    from: viewOf(parsed.from),
    sender: viewOf(parsed.sender),
    replyTo: viewOf(parsed.replyTo),
    to: viewOf(parsed.to).slice(0, listMax),
    cc: viewOf(parsed.cc).slice(0, listMax),
    bcc: viewOf(parsed.bcc).slice(0, listMax),
    ...(parsed.date !== undefined && { date: parsed.date.at }),
    ...(parsed.messageId !== undefined && { messageId: parsed.messageId }),
    envelope,
    sizeBytes: raw.length,
    text: parsed.text.slice(0, textCharsMax).toWellFormed(),
    hasHtml: parsed.html !== '',
    hasRemoteContent: facts.hasRemote,
    attachments: attachmentViews(message),
    structure: partView(parsed.structure, message, 0),
    headers: parsed.fields
      .slice(0, listMax)
      .map(({ name, value }) => ({ name, value: value.slice(0, valueCharsMax).toWellFormed() })),
    links: linksOf(message),
    defects: [...new Set(parsed.defects.map(({ code }) => code))],
    ...(unsubscribe !== undefined && {
      listUnsubscribe: { urls: parseListUrls(unsubscribe).slice(0, 20), oneClick },
    }),
    calendars: parsed.calendars
      .slice(0, 20)
      .map(({ method, text }) => ({ method, text: text.slice(0, 100_000) })),
    ...(verdicts !== undefined && { verdicts }),
    tags,
    metadata,
  }
}

/** The queue is done with it and no mailbox keeps it: what is left to say. */
export function withoutBody(
  view: StoredView,
  { id, envelope, tags, metadata, verdicts }: MessageExtras,
): MessageView {
  const none: readonly never[] = []
  return {
    id,
    hasBody: false,
    subject: '',
    from: none,
    sender: none,
    replyTo: none,
    to: none,
    cc: none,
    bcc: none,
    envelope,
    sizeBytes: view.message.sizeBytes,
    text: '',
    hasHtml: false,
    hasRemoteContent: false,
    attachments: none,
    structure: { part: '', contentType: '', encoding: '', disposition: '', sizeBytes: 0, children: none },
    headers: none,
    links: none,
    defects: none,
    calendars: none,
    ...(verdicts !== undefined && { verdicts }),
    tags,
    metadata,
  }
}

const fieldOf = (parsed: ParsedMessage, name: string): string | undefined =>
  parsed.fields.find((field) => field.name === name)?.value

function attachmentViews({ parsed, numbers }: OpenMessage): readonly AttachmentView[] {
  return parsed.attachments.slice(0, listMax).map((file, i) => {
    const part = file.part === undefined ? `uu${i + 1}` : (numbers.get(file.part) ?? '')
    return {
      part,
      filename: nameOf(file, part),
      contentType: file.contentType,
      sizeBytes: file.content.length,
      disposition: file.disposition,
      ...(file.contentId !== undefined && { contentId: file.contentId }),
      isRelated: file.isRelated,
    }
  })
}

const nameOf = (file: Attachment, part: string): string => {
  if (file.filename !== undefined) return file.filename
  if (file.message !== undefined) return `${file.message.subject.slice(0, 60) || `message-${part}`}.eml`
  return `part-${part}`
}

function partView(part: MimePart, message: OpenMessage, depth: number): PartView {
  const charset = part.parameters.get('charset')
  return {
    part: message.numbers.get(part) ?? '',
    contentType: part.contentType,
    ...(charset !== undefined && { charset }),
    encoding: part.encoding,
    disposition: part.disposition,
    ...(part.filename !== undefined && { filename: part.filename }),
    sizeBytes: Math.max(0, part.end - part.bodyStart),
    children:
      depth >= 50 ? [] : part.children.slice(0, listMax).map((child) => partView(child, message, depth + 1)),
  }
}

/** Of the HTML, or where there is none of the text. */
export const linksOf = ({ facts, parsed }: OpenMessage): HtmlFacts['links'] =>
  parsed.html === '' ? textLinks(parsed.text) : facts.links

function textLinks(text: string): readonly { readonly url: string; readonly text: string }[] {
  const found = text.slice(0, 1_000_000).match(/\bhttps?:\/\/[^\s<>"'`{}|\\^]{1,2000}/gi) ?? []
  return [...new Set(found.map((url) => url.replace(/[.,;:!?)\]]+$/, '')))]
    .slice(0, listMax)
    .map((url) => ({ url, text: '' }))
}
