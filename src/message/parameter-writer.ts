// Owns parameters of Content-Type and Content-Disposition: a token, a quoted-string, or the extended form with charset,
// percent signs and numbered pieces. RFC 2045 section 5.1, RFC 2231 sections 3 and 4.

import type { HeaderText } from './header-text.ts'
import { quote, writeItems } from './header-writer.ts'

export interface Parameter {
  /** A token: ours, or checked by the media type's grammar. */
  readonly name: string
  readonly value: HeaderText
}

// Without the three that RFC 2231 gives a meaning.
const token = /^[A-Za-z0-9!#$&+\-.^_`{|}~]+$/
const printable = /^[\x20-\x7e]*$/
const pieceMax = 60

/** `name: value; parameter; parameter`, each parameter on the line where it fits. `value` is made of tokens. */
export function writeParameterized(name: string, value: string, parameters: readonly Parameter[]): string {
  if (parameters.length === 0) return `${name}: ${value}\r\n`
  return writeItems(name, [value, ...parameters.flatMap(writeParameter)], ';')
}

function writeParameter({ name, value }: Parameter): readonly string[] {
  // What looks like an encoded-word is decoded by readers that mean well; percent signs protect it.
  if (value.length <= pieceMax && printable.test(value) && !value.includes('=?'))
    return [`${name}=${token.test(value) ? value : quote(value)}`]
  return writeExtended(name, value)
}

/** RFC 2231 section 4.1: only the first piece has the charset; each is a whole number of characters, which helps readers. */
function writeExtended(name: string, value: string): readonly string[] {
  const pieces: string[] = []
  let piece = "utf-8''"
  for (const character of value) {
    const written = percent(character)
    if (piece.length + written.length > pieceMax) {
      pieces.push(piece)
      piece = ''
    }
    piece += written
  }
  pieces.push(piece)
  if (pieces.length === 1) return [`${name}*=${piece}`]
  return pieces.map((text, i) => `${name}*${i}*=${text}`)
}

// attribute-char of RFC 2231 section 7.
const percent = (character: string): string =>
  /^[A-Za-z0-9!#$&+\-.^_`{|}~]$/.test(character)
    ? character
    : Array.from(
        Buffer.from(character),
        (octet) => `%${octet.toString(16).toUpperCase().padStart(2, '0')}`,
      ).join('')
