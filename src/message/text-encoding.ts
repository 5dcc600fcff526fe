// Owns the choice of a transfer encoding for text: none where every transport keeps it, else quoted-printable or base64,
// whichever is shorter. RFC 2045 section 6.

import { encodeBase64 } from './base64-encoder.ts'
import type { TransferEncoding } from './message-input.ts'
import { encodeQuotedPrintableBytes } from './quoted-printable-encoder.ts'

/** RFC 5322 section 2.1.1 allows 998; some servers break lines from 990 on. */
const lineOctetsMax = 900

// NUL and other controls.
const control = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/

/** Controls, and lines that mailbox files change. */
const isUnsafe = (text: string): boolean =>
  control.test(text) || text.includes('\nFrom ') || text.startsWith('From ')

export interface EncodedText {
  readonly encoding: TransferEncoding
  readonly body: string | Uint8Array
}

/** `text` is well-formed, its lines end in CRLF. */
export function encodeText(
  text: string,
  options: { readonly allow8bit: boolean; readonly force: TransferEncoding | undefined },
): EncodedText {
  const { force, allow8bit } = options
  const size = Buffer.byteLength(text)
  const isAscii = size === text.length
  const asIs = !isUnsafe(text) && !hasLongLine(text, isAscii)
  if (force !== 'base64' && force !== 'quoted-printable' && asIs) {
    if (isAscii) return { encoding: '7bit', body: text }
    if (allow8bit || force === '8bit') return { encoding: '8bit', body: text }
  }
  const bytes = Buffer.from(text)
  const chosen = force === 'base64' || force === 'quoted-printable' ? force : shorter(bytes, isAscii)
  return chosen === 'base64'
    ? { encoding: 'base64', body: encodeBase64(bytes) }
    : { encoding: 'quoted-printable', body: encodeQuotedPrintableBytes(bytes, 'text') }
}

/** Two more octets for each one beyond ASCII against a third of all, and line ends. */
function shorter(bytes: Buffer, isAscii: boolean): 'base64' | 'quoted-printable' {
  if (isAscii) return 'quoted-printable'
  let high = 0
  for (const octet of bytes) if (octet > 127) high++
  return high * 2 > bytes.length * 0.36 ? 'base64' : 'quoted-printable'
}

function hasLongLine(text: string, isAscii: boolean): boolean {
  // A character is at most three octets a unit.
  const max = isAscii ? lineOctetsMax : lineOctetsMax / 3
  if (text.length <= max) return false
  let start = 0
  while (text.length - start > max) {
    // Where a line end stands within reach, all lines up to the last of them are short.
    const lf = text.lastIndexOf('\n', start + max)
    if (lf < start) return true
    start = lf + 1
  }
  return false
}

/** Octets that a transport keeps as they are: ASCII (or, with `eight`, anything but NUL) in CRLF lines that are not long. */
export function isTransportSafe(bytes: Uint8Array, eight: boolean): boolean {
  let column = 0
  for (let i = 0; i < bytes.length; i++) {
    const octet = bytes[i] as number
    if (octet === 13) {
      if (bytes[i + 1] !== 10) return false
      i++
      column = 0
    } else if (octet === 0 || octet === 10 || (octet > 126 && !(eight && octet > 127)) || ++column > 998)
      return false
  }
  return true
}
