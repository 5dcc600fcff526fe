// Owns what of a message can be searched for, and the first words of it that a list shows: out of the octets as they come,
// in bounded memory and time. It never throws: what cannot be read is left out. RFC 5322, RFC 2045.

import { chooseBodies } from '../message/body-choice.ts'
import { decodeText } from '../message/charset.ts'
import { decodeUnstructured } from '../message/encoded-words.ts'
import { flattenAddresses, parseHeaderAddresses } from '../message/header-addresses.ts'
import { parseMessageIds } from '../message/header-lists.ts'
import { htmlToText } from '../message/html-text.ts'
import { MimeParser } from '../message/mime-parser.ts'
import { fieldValueText, type MimePartStart } from '../message/mime-part.ts'
import { decodeTransfer } from '../message/transfer-decoding.ts'
import { addressWords, idWord, wordsOf } from './search-words.ts'

/** Characters of each field's text, and of all text together, that are looked at. */
export const indexedCharsMax = 64 * 1024
export const snippetCharsMax = 200
/** Octets of one text part, still encoded: HTML needs more of them. */
const partBytesMax = 256 * 1024
const textBytesMax = 512 * 1024
/** Octets of a message that are read for it. What comes behind has no words, and its attachments are not counted. */
const messageBytesMax = 64 * 1024 * 1024
const addressesMax = 1000
const filenamesMax = 1000

/** Each in the form of wordsOf. */
export interface MailWords {
  readonly from: string
  readonly to: string
  readonly cc: string
  readonly subject: string
  readonly body: string
  readonly filename: string
  /** Ids as one word each. */
  readonly id: string
  readonly snippet: string
  /** Without pictures that belong to the HTML. */
  readonly attachmentCount: number
}

/** What is known without the message. */
export interface MailEnvelope {
  readonly reversePath: string
  readonly recipients: readonly string[]
}

interface Draft extends MimePartStart {
  readonly children: Draft[]
  readonly pieces: Uint8Array[]
  /** Room left for its content. */
  room: number
}

/** `pieces` are the octets of the message, in order; they must not change. `textWords`: of subject, texts and filenames. */
export function mailWords(
  pieces: Iterable<Uint8Array>,
  envelope: MailEnvelope,
  textWords: (text: string) => string = wordsOf,
): MailWords {
  const drafts = readParts(pieces)
  const root = drafts[0]
  if (root === undefined) return summaryWords({ from: '', to: '', subject: '' }, envelope)
  const choice = chooseBodies<Draft>(root)
  const texts = choice.text.map(readable).filter((text) => text !== '')
  const text = texts.join('\n')
  const related = relatedParts(drafts)
  // A few words beside HTML only say that there is HTML.
  const html = text.length < 400 ? choice.html.filter((part) => !choice.text.includes(part)) : []
  const inner = choice.attachments.map((part) => (isText(part) ? readable(part) : nestedText(part)))
  const body = [text, ...html.map(readable), ...inner].join('\n').slice(0, indexedCharsMax)
  return {
    from: oneBlank(
      addressesOf(root, ['from', 'sender', 'reply-to']) + addressWords('', envelope.reversePath),
    ),
    to: recipientWords(root, envelope),
    cc: oneBlank(addressesOf(root, ['cc'])),
    subject: textWords(subjectOf(root)),
    body: textWords(body),
    filename: textWords(filenames(drafts)),
    id: idsOf(root),
    snippet: snippetOf(text),
    attachmentCount: choice.attachments.filter(
      (part) => !related.has(part) || part.disposition === 'attachment',
    ).length,
  }
}

/** Of a message that cannot be read: what its list shows. */
export function summaryWords(
  summary: { readonly from: string; readonly to: string; readonly subject: string },
  envelope: MailEnvelope,
): MailWords {
  const words = (value: string): string =>
    flattenAddresses(parseHeaderAddresses(value, addressesMax))
      .map(({ name, address }) => addressWords(name, address))
      .join('')
  return {
    from: oneBlank(words(summary.from) + addressWords('', envelope.reversePath)),
    to: oneBlank(words(summary.to) + envelope.recipients.map((each) => addressWords('', each)).join('')),
    cc: '',
    subject: wordsOf(summary.subject),
    body: '',
    filename: '',
    id: '',
    snippet: '',
    attachmentCount: 0,
  }
}

function readParts(pieces: Iterable<Uint8Array>): Draft[] {
  const parser = new MimeParser({ partsMax: 2000, defectsMax: 0 })
  const drafts: Draft[] = []
  let left = textBytesMax
  const take = (): void => {
    for (let event = parser.next(); event !== undefined; event = parser.next()) {
      if (event.kind === 'part-start') {
        const draft: Draft = { ...event.part, children: [], pieces: [], room: 0 }
        if (isText(draft)) draft.room = partBytesMax
        drafts[draft.index] = draft
        drafts[draft.parent]?.children.push(draft)
      } else if (event.kind === 'body') {
        const draft = drafts[event.index]
        const room = Math.min(draft?.room ?? 0, left)
        if (draft === undefined || room === 0) continue
        const bytes = event.bytes.length <= room ? event.bytes : event.bytes.subarray(0, room)
        draft.pieces.push(bytes)
        draft.room -= bytes.length
        left -= bytes.length
      }
    }
  }
  let seen = 0
  for (const piece of pieces) {
    parser.receive(piece)
    take()
    seen += piece.length
    if (seen >= messageBytesMax) break
  }
  parser.end()
  take()
  return drafts
}

const isText = ({ shape, contentType }: Draft): boolean =>
  shape === 'leaf' && /^(?:text\/|application\/(?:json|xml)$)/.test(contentType)

function readable(part: Draft): string {
  if (!isText(part)) return part.shape === 'multipart' ? '' : nestedText(part)
  const octets = part.pieces.length === 1 ? (part.pieces[0] as Uint8Array) : Buffer.concat(part.pieces)
  const { bytes } = decodeTransfer(
    Buffer.from(octets.buffer, octets.byteOffset, octets.length),
    part.encoding,
  )
  const { text } = decodeText(bytes, part.parameters.get('charset'))
  return part.contentType === 'text/html'
    ? htmlToText(text, { charsMax: partBytesMax })
    : text.slice(0, indexedCharsMax)
}

/** Subject and texts of a message within. */
function nestedText(part: Draft): string {
  const texts: string[] = []
  const waiting: Draft[] = [part]
  for (let one = waiting.shift(); one !== undefined && texts.length < 100; one = waiting.shift()) {
    for (const child of one.children) {
      if (one.shape === 'message') texts.push(subjectOf(child))
      if (isText(child)) texts.push(readable(child))
      else waiting.push(child)
    }
  }
  return texts.join('\n')
}

function relatedParts(drafts: readonly Draft[]): ReadonlySet<Draft> {
  const related = new Set<Draft>()
  for (const { contentType, children } of drafts)
    if (contentType === 'multipart/related') for (const child of children.slice(1)) related.add(child)
  return related
}

function valuesOf({ header, fields }: Draft, name: string): string[] {
  return fields
    .filter((field) => field.name === name)
    .slice(0, 100)
    .map((field) => fieldValueText(header, field).slice(0, indexedCharsMax))
}

const subjectOf = (part: Draft): string => decodeUnstructured(valuesOf(part, 'subject')[0] ?? '')

function addressesOf(root: Draft, names: readonly string[]): string {
  let words = ''
  for (const name of names)
    for (const value of valuesOf(root, name))
      for (const mailbox of flattenAddresses(parseHeaderAddresses(value, addressesMax)))
        if (words.length < indexedCharsMax) words += addressWords(mailbox.name, mailbox.address)
  return words
}

/** Those of the envelope that the header does not name, too: blind copies, and lists. */
function recipientWords(root: Draft, { recipients }: MailEnvelope): string {
  let words = addressesOf(root, ['to', 'cc', 'bcc'])
  for (const recipient of recipients) {
    const added = addressWords('', recipient)
    if (!words.includes(added)) words += added
  }
  return oneBlank(words)
}

const oneBlank = (words: string): string => words.replaceAll('  ', ' ')

function idsOf(root: Draft): string {
  const [id] = parseMessageIds(valuesOf(root, 'message-id')[0] ?? '')
  return id === undefined ? '' : ` ${idWord(id)} `
}

function filenames(drafts: readonly Draft[]): string {
  const names: string[] = []
  for (const { filename } of drafts)
    if (filename !== undefined && names.length < filenamesMax) names.push(filename)
  return names.join('\n').slice(0, indexedCharsMax)
}

const blank =
  /(?:\s|\p{Cc}|[\u2028-\u202e\u2066-\u2069]|(?![\u200d\ufe0f])\p{Default_Ignorable_Code_Point})+/gu

function snippetOf(text: string): string {
  const first = text.slice(0, 512).replace(blank, ' ').trim()
  // Where it is long enough, more of the text would not change it.
  const clean = first.length > snippetCharsMax + 1 ? first : text.slice(0, 4096).replace(blank, ' ').trim()
  return clean.length <= snippetCharsMax
    ? clean.toWellFormed()
    : `${clean.slice(0, snippetCharsMax - 1).toWellFormed()}…`
}
