// Owns the three lines by which people know a message in a list: From, To, Subject, decoded and bounded. Lenient: it
// shows what it can and never throws. RFC 2047 with the broken forms people send, RFC 6532.

import { decodeOctets } from './charset.ts'
import { decodeUnstructured } from './encoded-words.ts'
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
    found[name] = tidy(decodeUnstructured(rawValue(bytes, field)))
    if (--left === 0) break
  }
  return { from: found.from ?? '', to: found.to ?? '', subject: found.subject ?? '' }
}

/** Octets above 127 are UTF-8 (RFC 6532), or else what old senders put there. A value that is cut is UTF-8. */
function rawValue(bytes: Uint8Array, field: HeaderField): string {
  const isWhole = field.end - field.valueStart <= valueBytesMax
  if (!isWhole) return fieldValue(bytes, field, valueBytesMax)
  return decodeOctets(bytes.subarray(field.valueStart, field.end))
}

const tidy = (text: string): string => {
  const clean = text
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ')
    .trim()
  return clean.length <= summaryCharsMax
    ? clean
    : `${[...clean.slice(0, summaryCharsMax - 1)].slice(0, -1).join('')}…`
}
