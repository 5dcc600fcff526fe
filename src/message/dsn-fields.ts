// Owns the fields of delivery reports: addresses, words and dates as RFC 3464 and RFC 6533 write them. No value can bring
// CR, LF or another control character into a field; in ASCII reports none can bring an octet above 127.

/** A control character becomes a space; surrogates without a partner become U+FFFD. */
export function cleanText(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, ' ').toWellFormed()
}

export const isAscii = (text: string): boolean => !/[^\x00-\x7f]/.test(text)

/** RFC 6533 section 3: EmbeddedUnicodeChar. */
const embed = (character: string): string =>
  `\\x{${(character.codePointAt(0) ?? 0xfffd).toString(16).toUpperCase().padStart(2, '0')}}`

/** As it is in a global report; in an ASCII one each other character as `\x{HEX}`. */
export function fieldText(text: string, global: boolean): string {
  const clean = cleanText(text)
  return global ? clean : clean.replace(/[^\x20-\x7e]/gu, embed)
}

/** `rfc822; a@b`, or for an address with other than ASCII `utf-8; ...` (RFC 6533 section 3). */
export function formatRecipient(mailbox: string, global: boolean): string {
  const clean = cleanText(mailbox)
  if (isAscii(clean)) return `rfc822; ${clean}`
  // utf-8-addr-xtext: QCHAR leaves out '+', '=' and '\'.
  return global
    ? `utf-8; ${clean}`
    : `utf-8; ${clean.replace(/[^\x21-\x2a\x2c-\x3c\x3e-\x5b\x5d-\x7e]/gu, embed)}`
}

/** ORCPT as it was given, decoded from xtext: `type;address` (RFC 3464 section 2.3.1). undefined where it is none. */
export function formatOriginalRecipient(orcpt: string, global: boolean): string | undefined {
  const semicolon = orcpt.indexOf(';')
  const type = orcpt.slice(0, semicolon)
  if (semicolon < 1 || !/^[A-Za-z0-9.-]{1,40}$/.test(type)) return undefined
  const address = fieldText(orcpt.slice(semicolon + 1), global).trim()
  if (address === '') return undefined
  return type.toLowerCase() === 'rfc822' && !isAscii(address) ? `utf-8; ${address}` : `${type}; ${address}`
}

/** A host for Reporting-MTA and Remote-MTA: `dns; name`. undefined where it holds nothing printable. */
export function formatMta(name: string): string | undefined {
  const clean = fieldText(name, false).trim()
  return clean === '' ? undefined : `dns; ${clean.slice(0, 300)}`
}

/** `Name: value`, folded at spaces so that lines stay below 78 where they can and below 998 always. CRLF-terminated. */
export function formatField(name: string, value: string): string {
  const words = cleanText(value).split(' ')
  let line = `${name}:`
  let out = ''
  for (const whole of words) {
    for (const word of whole.length <= 900 ? [whole] : (whole.match(/.{1,400}/gsu) ?? [])) {
      if (word === '') continue
      if (line.length + 1 + word.length > 78 && !line.endsWith(':')) {
        out += `${line}\r\n`
        line = ` ${word}`
      } else line += ` ${word}`
    }
  }
  return `${out}${line}\r\n`
}

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const two = (count: number): string => String(count).padStart(2, '0')

/** RFC 5322 section 3.3 in UTC. `at` is epoch ms. */
export function formatReportDate(at: number): string {
  const d = new Date(at)
  const time = `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`
  return `${days[d.getUTCDay()]}, ${two(d.getUTCDate())} ${months[d.getUTCMonth()]} ${d.getUTCFullYear()} ${time} +0000`
}

/** RFC 2045 section 6.7; CRLF in the bytes stays a line end. No line begins with a dash, so that none can be a boundary. */
export function encodeQuotedPrintable(bytes: Uint8Array): string {
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1').split('\r\n')
  return lines.map(encodeLine).join('\r\n')
}

function encodeLine(line: string): string {
  let out = ''
  let width = 0
  for (let i = 0; i < line.length; i++) {
    const code = line.charCodeAt(i)
    const plain =
      (code > 32 && code < 127 && code !== 61) || ((code === 32 || code === 9) && i !== line.length - 1)
    const encoded = `=${code.toString(16).toUpperCase().padStart(2, '0')}`
    let piece = plain ? line.charAt(i) : encoded
    if (width + piece.length > 75) {
      out += '=\r\n'
      width = 0
    }
    if (width === 0 && piece === '-') piece = encoded
    out += piece
    width += piece.length
  }
  return out
}
