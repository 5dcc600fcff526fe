// Owns what programs of this machine leave to the mail system: user names without a domain ('root', as cron writes them)
// in an envelope and in address fields, and who is addressed by a header. Everything else of a header stays as it is.
// RFC 5322 sections 3.6.3 and 3.6.6; RFC 6409 section 8.

import { type HeaderField, headerFields } from '../message/header.ts'
import { flattenAddresses, parseHeaderAddresses } from '../message/header-addresses.ts'

const addressFields = new Set([
  'from',
  'sender',
  'reply-to',
  'to',
  'cc',
  'bcc',
  'resent-from',
  'resent-sender',
  'resent-reply-to',
  'resent-to',
  'resent-cc',
  'resent-bcc',
])

/** A user name as systems have them. What looks like anything else is not touched. */
const userName = /^[A-Za-z0-9_](?:[A-Za-z0-9._+-]*[A-Za-z0-9_+-])?$/

/** 'root' becomes 'root@domain'; an address, or what is no user name, stays. */
export const qualifyAddress = (text: string, domain: string): string =>
  userName.test(text) ? `${text}@${domain}` : text

/** A field's value with '@domain' behind each address that is a mere user name. Linear; never throws. */
export function qualifyList(value: string, domain: string): string {
  let out = ''
  let from = 0
  for (const at of unqualifiedEnds(value)) {
    out += `${value.slice(from, at)}@${domain}`
    from = at
  }
  return out + value.slice(from)
}

/** `header` (CRLF lines) with its address fields qualified: the same buffer where nothing was missing. */
export function qualifyHeader(header: Buffer, domain: string): Buffer {
  const parts: Buffer[] = []
  let from = 0
  for (const field of headerFields(header, Number.POSITIVE_INFINITY)) {
    if (!addressFields.has(field.name)) continue
    const value = header.toString('latin1', field.valueStart, field.end)
    const qualified = qualifyList(value, domain)
    if (qualified === value) continue
    parts.push(header.subarray(from, field.valueStart), Buffer.from(qualified, 'latin1'))
    from = field.end
  }
  return from === 0 ? header : Buffer.concat([...parts, header.subarray(from)])
}

export interface HeaderEnvelope {
  /** Sender, else the first of From; undefined where there is none. */
  readonly from: string | undefined
  /** To, Cc and Bcc; of a message that was sent on the Resent- fields alone (RFC 5322 section 3.6.6). Each once. */
  readonly to: readonly string[]
}

/** `domain` completes user names; without it they are nobody's. */
export function envelopeOfHeader(header: Buffer, domain?: string): HeaderEnvelope {
  const fields = [...headerFields(header, Number.POSITIVE_INFINITY)]
  const isResent = fields.some(({ name }) => /^resent-(?:to|cc|bcc)$/.test(name))
  const prefix = isResent ? 'resent-' : ''
  const addresses = (name: string): readonly string[] =>
    fields
      .filter((field) => field.name === prefix + name)
      .flatMap((field) => {
        const value = rawValue(header, field)
        const list = parseHeaderAddresses(domain === undefined ? value : qualifyList(value, domain))
        return flattenAddresses(list).map(({ address }) => address)
      })
  return {
    from: addresses('sender')[0] ?? addresses('from')[0],
    to: [...new Set(['to', 'cc', 'bcc'].flatMap(addresses))],
  }
}

const rawValue = (header: Buffer, field: HeaderField): string =>
  header.toString('utf8', field.valueStart, field.end)

/** Where a user name that is a whole address ends: alone in its entry, or alone in angle brackets. */
function unqualifiedEnds(value: string): readonly number[] {
  const ends: number[] = []
  const piece = /[^\s()<>@,;:"\\[\]]+/y
  let words: number[] = []
  let word = ''
  let isPlain = true
  let hasAngle = false
  let inAngle = false
  let at = 0
  const endWords = (): void => {
    const [end] = words
    if (isPlain && words.length === 1 && end !== undefined && userName.test(word)) ends.push(end)
    words = []
    isPlain = true
  }
  const endEntry = (): void => {
    if (!hasAngle) endWords()
    words = []
    isPlain = true
    hasAngle = false
    inAngle = false
  }
  while (at < value.length) {
    const c = value.charAt(at)
    piece.lastIndex = at
    const match = piece.exec(value)
    if (match !== null) {
      word = match[0]
      at += word.length
      words.push(at)
      continue
    }
    switch (c) {
      case '(':
        at = skipComment(value, at)
        continue
      case '"':
        at = skipQuoted(value, at)
        isPlain = false
        continue
      case ',':
      case ';':
        endEntry()
        break
      case ':':
        // The name of a group, or a route of RFC 822.
        words = []
        isPlain = !inAngle
        break
      case '<':
        words = []
        isPlain = true
        hasAngle = true
        inAngle = true
        break
      case '>':
        if (inAngle) endWords()
        inAngle = false
        break
      case '@':
      case '[':
      case ']':
      case '\\':
        isPlain = false
        break
      default:
    }
    at++
  }
  if (!inAngle) endEntry()
  return ends
}

function skipQuoted(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const c = text.charAt(at)
    if (c === '\\') at++
    else if (c === '"') return at + 1
  }
  return text.length
}

function skipComment(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const c = text.charAt(at)
    if (c === '\\') at++
    else if (c === '(') depth++
    else if (c === ')' && --depth === 0) return at + 1
  }
  return text.length
}
