// Owns bytes as people may see them on a terminal and type them: what a peer sent becomes harmless text, `.raw` becomes
// bytes. No escape sequence of a peer gets through.

/** C0 and C1 controls, and what turns or hides text. */
const unsafe = /[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g

const escapeUnit = (char: string): string => {
  const code = char.charCodeAt(0)
  if (char === '\r') return '\\r'
  if (char === '\n') return '\\n'
  if (char === '\t') return '\\t'
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
}

/** Text made harmless: `\x1b` for an escape. */
export const visibleText = (text: string): string => text.toWellFormed().replace(unsafe, escapeUnit)

/** Octets as text: UTF-8 where they are that, else each octet beyond ASCII as `\xff`. */
export function visibleBytes(bytes: Uint8Array): string {
  try {
    return visibleText(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch {
    const latin = Buffer.from(bytes).toString('latin1')
    return latin.replace(/[\x00-\x1f\x7f-\xff]/g, escapeUnit)
  }
}

/** As `.raw` takes it back: backslashes doubled, everything beyond printable ASCII escaped. */
export const rawText = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString('latin1')
    .replace(/[\x00-\x1f\\\x7f-\xff]/g, (char) => (char === '\\' ? '\\\\' : escapeUnit(char)))

/** What is wrong with an escape, and where. */
export class EscapeError extends Error {
  override readonly name = 'EscapeError'
}

const escapes = /\\(?:x([0-9a-fA-F]{2})|u\{([0-9a-fA-F]{1,6})\}|(.?))/gsu
const single: Readonly<Record<string, string>> = {
  r: '\r',
  n: '\n',
  t: '\t',
  0: '\0',
  e: '\x1b',
  '\\': '\\',
  '"': '"',
  s: ' ',
}

/**
 * `\r \n \t \0 \e \s \\ \"`, `\xHH` (an octet) and `\u{H...}` (UTF-8); other characters are themselves, in UTF-8.
 * @throws EscapeError
 */
export function parseRaw(text: string): Buffer {
  const parts: Buffer[] = []
  let at = 0
  for (const match of text.matchAll(escapes)) {
    parts.push(Buffer.from(text.slice(at, match.index)))
    at = match.index + match[0].length
    const [whole, octet, point, char] = match
    if (octet !== undefined) parts.push(Buffer.from([Number.parseInt(octet, 16)]))
    else if (point !== undefined) parts.push(Buffer.from(codePoint(point)))
    else {
      const known = single[char ?? '']
      if (known === undefined)
        throw new EscapeError(`'${whole}' at character ${match.index + 1} is no escape`)
      parts.push(Buffer.from(known))
    }
  }
  parts.push(Buffer.from(text.slice(at)))
  return Buffer.concat(parts)
}

function codePoint(hex: string): string {
  const code = Number.parseInt(hex, 16)
  if (code > 0x10ffff) throw new EscapeError(`\\u{${hex}} is no character`)
  return String.fromCodePoint(code)
}
