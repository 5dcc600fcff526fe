// Owns writing fields of a header: folded at 78, never beyond 998, CRLF at the end. Values are HeaderText, tokens of a
// closed form, or lists of them: none can bring in CR or LF. RFC 5322 sections 2.1.1, 2.2.3 and 3.6, RFC 2047, RFC 6532.

import { writeEncodedWords } from './encoded-word-writer.ts'
import { type HeaderText, headerText } from './header-text.ts'

const lineWanted = 78
/** RFC 2047 section 2: a line that has an encoded-word. */
const encodedLineWanted = 76
/** A word beyond this is encoded, where that is allowed, so that no line comes near 998. */
const wordCharsMax = 900

const printable = /^[\x20-\x7e]*$/
const foldable = /[ \t]+[^ \t]*/g

/** Unstructured text (RFC 5322 section 3.2.5): Subject, Comments, X-anything. */
export function writeUnstructured(name: string, text: HeaderText): string {
  const value = text.trim()
  if (name.length + 2 + value.length <= lineWanted && printable.test(value) && !value.includes('=?'))
    return `${name}: ${value}\r\n`
  return `${writeText(`${name}: `, value)}\r\n`
}

/**
 * `value` behind `line`, folded; what lies between the first and the last word that needs it is encoded, since the white
 * space between two encoded-words is not text (RFC 2047 section 6.2).
 */
function writeText(line: string, value: string): string {
  const span = encodedSpan(value)
  if (span === undefined) return foldWords(line, value)
  const [start, end] = span
  const before = foldWords(line, value.slice(0, start), encodedLineWanted)
  const encoded = writeEncodedWords(value.slice(start, end), before.length - lineStart(before))
  // A fold goes in front of the blanks that stand there, and takes none away.
  const blanks = before.length - before.trimEnd().length
  const middle = encoded.startsWith('\r\n')
    ? `${before.trimEnd()}\r\n${before.slice(before.length - blanks)}${encoded.slice(3)}`
    : before + encoded
  return end === value.length ? middle : foldWords(middle, value.slice(end), encodedLineWanted)
}

const lineStart = (text: string): number => text.lastIndexOf('\n') + 1

/** Words that cannot go as they are: beyond ASCII, what looks like an encoded-word, or endless. Whole words, first to last. */
function encodedSpan(value: string): readonly [start: number, end: number] | undefined {
  if (value.length <= wordCharsMax && printable.test(value) && !value.includes('=?')) return undefined
  let start = -1
  let end = 0
  for (const match of value.matchAll(/[^ \t]+/g)) {
    const [word] = match
    if (word.length <= wordCharsMax && printable.test(word) && !word.includes('=?')) continue
    if (start === -1) start = match.index
    end = match.index + word.length
  }
  // White space of 900 characters would itself be an endless line.
  if (/[ \t]{100}/.test(value)) return [0, value.length]
  return start === -1 ? undefined : [start, end]
}

/** Folds before white space, so that unfolding gives back every blank (RFC 5322 section 2.2.3). */
function foldWords(line: string, value: string, wanted = lineWanted): string {
  let column = line.length - lineStart(line)
  if (column + value.length <= wanted) return line + value
  let out = line
  const head = /^[^ \t]*/.exec(value)?.[0] ?? ''
  out += head
  column += head.length
  foldable.lastIndex = head.length
  for (let match = foldable.exec(value); match !== null; match = foldable.exec(value)) {
    const [piece] = match
    const isBlank = piece.trimStart() === ''
    if (column + piece.length > wanted && !isBlank) {
      out += '\r\n'
      column = 0
    }
    out += piece
    column += piece.length
  }
  return out
}

/**
 * A structured field of items that are already written and may have folds of their own inside; `separator` stands behind
 * each but the last, then a space or a fold.
 */
export function writeItems(name: string, items: readonly string[], separator: ',' | ';' | ''): string {
  let out = `${name}:`
  let column = out.length
  const wanted = items.some((item) => item.includes('=?')) ? encodedLineWanted : lineWanted
  items.forEach((item, i) => {
    const text = i === items.length - 1 ? item : item + separator
    const firstLine = text.indexOf('\r\n')
    const width = firstLine === -1 ? text.length : firstLine
    // The first item is folded only where it fits a line of its own: a line with nothing but the name is legal and ugly.
    if (column + 1 + width > wanted && (i > 0 || column + 1 + width > 990)) {
      out += '\r\n'
      column = 0
    }
    out += ` ${text}`
    column = firstLine === -1 ? column + 1 + text.length : text.length - lineStart(text)
  })
  return `${out}\r\n`
}

/** Text that its author has written as it shall go: only its line ends are put in order. Beyond 78 it is folded at blanks. */
export function writePrepared(name: string, value: string): string {
  const lines = value
    .split(/\r\n|\r|\n/)
    .map((line) => headerText(line).trim())
    .filter((line) => line !== '')
  // Every line but the first is made a continuation, whatever it looks like.
  return `${lines.reduce((out, line, i) => foldWords(i === 0 ? out : `${out}\r\n\t`, line), `${name}: `)}\r\n`
}

const atoms = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+(?: [A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+)*$/

/** A display-name (RFC 5322 section 3.4): atoms, a quoted-string, or encoded-words. `column` is where it begins. */
export function writePhrase(text: HeaderText, column: number): string {
  const name = text.replaceAll('\t', ' ').trim()
  // Readers decode encoded-words in quoted-strings, though they must not.
  if (!printable.test(name) || name.includes('=?') || name.length > 60) return writeLongPhrase(name, column)
  return atoms.test(name) ? name : quote(name)
}

/** A long phrase of atoms folds by itself; everything else is safe only in encoded-words. */
function writeLongPhrase(name: string, column: number): string {
  if (!name.includes('=?') && atoms.test(name) && !/[^ ]{60}/.test(name))
    return foldWords(' '.repeat(column), name).slice(column)
  return writeEncodedWords(name, column)
}

/** RFC 5322 section 3.2.4. */
export const quote = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`
