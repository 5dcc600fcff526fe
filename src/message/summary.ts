// Owns the three lines by which people know a message in a list: From, To, Subject, decoded and bounded. Lenient: it
// shows what it can and never throws. RFC 2047 with the broken forms people send, RFC 6532.

import { fieldValue, headerFields } from './header.ts'

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
    found[name] = tidy(decodeWords(fieldValue(bytes, field, valueBytesMax)))
    if (--left === 0) break
  }
  return { from: found.from ?? '', to: found.to ?? '', subject: found.subject ?? '' }
}

const tidy = (text: string): string => {
  const clean = text
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ')
    .trim()
  return clean.length <= summaryCharsMax
    ? clean
    : `${[...clean.slice(0, summaryCharsMax - 1)].slice(0, -1).join('')}…`
}

const encodedWord = /=\?([A-Za-z0-9_:.+-]{1,40})(?:\*[A-Za-z0-9-]{0,40})?\?([BbQq])\?([^?\s]{0,1000})\?=/g

/** Replaces encoded-words (RFC 2047 section 2); white space between two of them goes (section 6.2). */
export function decodeWords(text: string): string {
  if (!text.includes('=?')) return text
  const joined = text.replace(/\?=[ \t]{1,100}=\?/g, '?==?')
  return joined.replace(encodedWord, (whole, charset: string, encoding: string, content: string) => {
    try {
      const bytes = encoding === 'B' || encoding === 'b' ? Buffer.from(content, 'base64') : decodeQ(content)
      return new TextDecoder(charset).decode(bytes)
    } catch {
      // An unknown charset: better the raw word than none.
      return whole
    }
  })
}

function decodeQ(content: string): Buffer {
  const text = content
    .replace(/_/g, ' ')
    .replace(/=([0-9A-Fa-f]{2})/g, (_whole, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(text, 'latin1')
}
