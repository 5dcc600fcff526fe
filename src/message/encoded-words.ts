// Owns reading encoded-words (RFC 2047), those of RFC 2231 section 5 with a language and the broken forms that people send:
// spaces and folds inside, no space around, a character or a base64 group cut between two words. What it cannot read stays
// as it is. Never throws; linear. The words of addresses are split off before they are decoded, never after.

import { tryDecodeText } from './charset.ts'

const head = /=\?([^?*\s=]{1,60})(?:\*[^?\s]{0,60})?\?([BbQq])\?/y

interface Run {
  readonly charset: string
  raw: string
  readonly pieces: Buffer[]
  /** Base64 digits of a group that is not complete. */
  digits: string
}

/**
 * The text with its encoded-words decoded; white space between two of them goes (RFC 2047 section 6.2). Neighbours of one
 * charset are decoded together. CR, LF and NUL out of a word become spaces: no value brings a line of its own.
 */
export function decodeWords(text: string): string {
  let open = text.indexOf('=?')
  if (open === -1) return text
  let out = ''
  let at = 0
  let close = -2
  let run: Run | undefined
  const flush = (): void => {
    if (run !== undefined) out += decodeRun(run)
    run = undefined
  }
  while (open !== -1) {
    head.lastIndex = open
    const match = head.exec(text)
    if (match === null) {
      open = text.indexOf('=?', open + 1)
      continue
    }
    const start = open + match[0].length
    if (close < start) close = text.indexOf('?=', start)
    if (close === -1) break
    const next = text.indexOf('=?', start)
    // A word within a word: the first was never closed. (The `=` of base64 padding and the `?` that closes look like one.)
    if (next !== -1 && next < close - 1) {
      open = next
      continue
    }
    const between = text.slice(at, open)
    const isNeighbour = run !== undefined && isBlank(between)
    const charset = (match[1] ?? '').toLowerCase()
    const raw = text.slice(open, close + 2)
    // A fold inside a word, which RFC 2047 section 2 forbids: it and the blanks behind it are nobody's text.
    const content = text.slice(start, close).replace(/\r?\n[ \t]*/g, '')
    if (run === undefined || !isNeighbour || run.charset !== charset) {
      flush()
      if (!isNeighbour) out += between
      // `[SPAM]=?...?=`: filters and lists put a tag before a word without the blank that RFC 2047 section 5 demands. A word
      // amid letters (`Gr=?...?=`) is the sender's own and gets none.
      if (!isNeighbour && between.endsWith(']')) out += ' '
      run = { charset, raw: '', pieces: [], digits: '' }
    } else run.raw += between
    run.raw += raw
    addContent(run, match[2] === 'Q' || match[2] === 'q', content)
    at = close + 2
    open = text.indexOf('=?', at)
  }
  flush()
  return out + text.slice(at)
}

function isBlank(text: string): boolean {
  return text.length < 10_000 && text.trim() === ''
}

function addContent(run: Run, isQ: boolean, content: string): void {
  if (isQ) {
    endDigits(run)
    run.pieces.push(decodeQ(content, run.charset))
    return
  }
  const digits = run.digits + content.replace(/[^A-Za-z0-9+/=_-]+/g, '')
  const whole = digits.includes('=') ? digits.length : digits.length - (digits.length % 4)
  run.pieces.push(Buffer.from(digits.slice(0, whole), 'base64'))
  run.digits = digits.slice(whole)
}

function endDigits(run: Run): void {
  if (run.digits !== '') run.pieces.push(Buffer.from(run.digits, 'base64'))
  run.digits = ''
}

/** An unknown charset: better the raw word than none. */
function decodeRun(run: Run): string {
  endDigits(run)
  const [first = Buffer.alloc(0)] = run.pieces
  const bytes = run.pieces.length === 1 ? first : Buffer.concat(run.pieces)
  const text = tryDecodeText(bytes, run.charset)
  return text === undefined ? run.raw : text.replace(/[\r\n\0]+/g, ' ')
}

function decodeQ(content: string, charset: string): Buffer {
  // Raw octets above 127, which some senders leave in, came here as characters: those of a Latin charset are its octets.
  const isLatin = charset !== 'utf-8' && !/[^\x00-\xff]/.test(content)
  const octets = isLatin || !/[^\x00-\x7f]/.test(content) ? content : Buffer.from(content).toString('latin1')
  const text = octets
    .replace(/_/g, ' ')
    .replace(/=([0-9A-Fa-f]{2})/g, (_whole, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(text, 'latin1')
}

/** One line of a folded value: each fold is one space, outer blanks go (RFC 5322 section 2.2.3). */
export function unfold(text: string): string {
  if (!text.includes('\n')) return text.trim()
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join(' ')
}

/** An unstructured value as it is shown: unfolded and decoded (RFC 5322 section 2.2.1, RFC 2047 section 5). */
export function decodeUnstructured(value: string): string {
  if (!value.includes('=?')) return unfold(value)
  return unfold(decodeWords(value))
}
