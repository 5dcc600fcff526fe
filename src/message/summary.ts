// Owns the three lines by which people know a message in a list: From, To, Subject, decoded and bounded. Lenient: it
// shows what it can and never throws. RFC 2047 with the broken forms people send, RFC 6532.

import { isUtf8 } from 'node:buffer'
import { fieldValue, type HeaderField, headerFields } from './header.ts'

export interface MessageSummary {
  readonly from: string
  readonly to: string
  readonly subject: string
}

export const summaryCharsMax = 200
const valueBytesMax = 2000

/** `bytes` is a message or its beginning; the first field of each name counts. */
export function summarize(bytes: Uint8Array): MessageSummary {
  const found: { from?: string; to?: string; subject?: string } = {}
  let left = 3
  for (const field of headerFields(bytes)) {
    const { name } = field
    if ((name !== 'from' && name !== 'to' && name !== 'subject') || found[name] !== undefined) continue
    found[name] = tidy(decodeWords(rawValue(bytes, field)))
    if (--left === 0) break
  }
  return { from: found.from ?? '', to: found.to ?? '', subject: found.subject ?? '' }
}

/** Octets above 127 are UTF-8 (RFC 6532), or else what old senders put there: Windows' Latin. */
function rawValue(bytes: Uint8Array, field: HeaderField): string {
  const isWhole = field.end - field.valueStart <= valueBytesMax
  if (!isWhole || isUtf8(bytes.subarray(field.valueStart, field.end)))
    return fieldValue(bytes, field, valueBytesMax)
  return windowsLatin
    .decode(bytes.subarray(field.valueStart, field.end))
    .replace(/\r?\n[ \t]*/g, ' ')
    .trim()
}

const windowsLatin = new TextDecoder('windows-1252')

const tidy = (text: string): string => {
  const clean = text
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ')
    .trim()
  return clean.length <= summaryCharsMax
    ? clean
    : `${[...clean.slice(0, summaryCharsMax - 1)].slice(0, -1).join('')}…`
}

// Lenient: spaces within a word, as some senders write them.
const encodedWord = /=\?([A-Za-z0-9_:.+-]{1,40})(?:\*[A-Za-z0-9-]{0,40})?\?([BbQq])\?([^?\r\n]{0,1000})\?=/g

/**
 * Replaces encoded-words (RFC 2047 section 2); white space between two of them goes (section 6.2). Neighbours of one
 * charset are decoded together, since many senders cut within a character.
 */
export function decodeWords(text: string): string {
  if (!text.includes('=?')) return text
  let out = ''
  let at = 0
  let run: { readonly charset: string; readonly raw: string; readonly bytes: Buffer } | undefined
  const flush = (): void => {
    if (run !== undefined) out += decodeCharset(run.charset, run.bytes) ?? run.raw
    run = undefined
  }
  for (const match of text.matchAll(encodedWord)) {
    const [raw, charset = '', encoding, content = ''] = match
    const bytes = encoding === 'B' || encoding === 'b' ? Buffer.from(content, 'base64') : decodeQ(content)
    const between = text.slice(at, match.index)
    const isNeighbour = run !== undefined && /^[ \t]*$/.test(between)
    if (isNeighbour && run !== undefined && run.charset === charset.toLowerCase())
      run = { charset: run.charset, raw: run.raw + between + raw, bytes: Buffer.concat([run.bytes, bytes]) }
    else {
      flush()
      if (!isNeighbour) out += between
      run = { charset: charset.toLowerCase(), raw, bytes }
    }
    at = match.index + raw.length
  }
  flush()
  return out + text.slice(at)
}

/** Undefined for an unknown charset: better the raw word than none. */
function decodeCharset(charset: string, bytes: Buffer): string | undefined {
  try {
    return new TextDecoder(charset).decode(bytes)
  } catch {
    return undefined
  }
}

function decodeQ(content: string): Buffer {
  const text = content
    .replace(/_/g, ' ')
    .replace(/=([0-9A-Fa-f]{2})/g, (_whole, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(text, 'latin1')
}
