// Owns from which octets XML comes: byte order marks, the encoding that the document declares, and what to do where it
// declares wrongly. Never throws. XML 1.0 section 4.3.3 and appendix F.

import { decodeText } from '../message/charset.ts'

const declared = /^<\?xml[^>]{0,200}?encoding[ \t\r\n]*=[ \t\r\n]*["']([A-Za-z][A-Za-z0-9._-]{0,40})["']/

/** UTF-8 where nothing else is said; what is not valid in it is read as windows-1252, as is common where it goes undeclared. */
export function decodeXml(bytes: Uint8Array): string {
  const [a, b, c] = bytes
  if (a === 0xfe && b === 0xff) return new TextDecoder('utf-16be').decode(bytes)
  if (a === 0xff && b === 0xfe) return new TextDecoder('utf-16le').decode(bytes)
  if (a === 0 && b === 0x3c) return new TextDecoder('utf-16be').decode(bytes)
  if (a === 0x3c && b === 0) return new TextDecoder('utf-16le').decode(bytes)
  const isMarked = a === 0xef && b === 0xbb && c === 0xbf
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 1000))
    .toString('latin1')
    .trimStart()
  const label = isMarked ? undefined : declared.exec(head)?.[1]?.toLowerCase()
  // A document that could be read up to here as ASCII is in none of the encodings of 16 bits.
  const isUtf = label === undefined || label.startsWith('utf')
  return decodeText(bytes, isMarked ? 'utf-8' : isUtf ? undefined : label).text
}
