// Owns uuencode (POSIX uuencode, the historical form): decoding a part of that encoding, and finding the files that old
// mailers put into the text itself. Never throws; linear; a line that is no uuencode ends a file in text.

import { asBuffer } from './octets.ts'

export interface UuFile {
  readonly filename: string
  readonly content: Buffer
}

const beginLine = /^begin(?:-base64)? [0-7]{3,4} (.{1,500})$/
const nothing = Buffer.alloc(0)

/** A line's octets, or undefined where it is none. Short lines are filled with zeros, as mailers dropped blanks at the end. */
function decodeLine(line: string): Buffer | undefined {
  const length = (line.charCodeAt(0) - 32) & 63
  const digits = Math.ceil(length / 3) * 4
  if (line === '' || line.length > digits + 3 || /[^\x20-\x60]/.test(line)) return undefined
  // Fewer digits than the length says, by more than one group of blanks that went: not such a line.
  if (line.length - 1 < digits - 4) return undefined
  const out = Buffer.alloc((digits / 4) * 3)
  for (let at = 0, to = 0; at < digits; at += 4, to += 3) {
    const a = digit(line, at + 1)
    const b = digit(line, at + 2)
    const c = digit(line, at + 3)
    const d = digit(line, at + 4)
    out[to] = (a << 2) | (b >> 4)
    out[to + 1] = ((b & 15) << 4) | (c >> 2)
    out[to + 2] = ((c & 3) << 6) | d
  }
  return out.subarray(0, length)
}

const digit = (line: string, at: number): number => (at < line.length ? (line.charCodeAt(at) - 32) & 63 : 0)

const lineMax = 1000

/** For a part with the encoding x-uuencode: what stands outside `begin` and `end` goes. */
export function createUuDecoder(): {
  write(bytes: Uint8Array): Buffer
  end(): Buffer
  readonly isMalformed: boolean
} {
  let rest = ''
  let state: 'before' | 'inside' | 'behind' = 'before'
  let isMalformed = false
  const line = (text: string): Buffer => {
    if (state === 'before') {
      if (beginLine.test(text)) state = 'inside'
      return nothing
    }
    if (state === 'behind') return nothing
    if (text === 'end') {
      state = 'behind'
      return nothing
    }
    const octets = decodeLine(text)
    if (octets === undefined && text !== '') isMalformed = true
    return octets ?? nothing
  }
  return {
    write: (bytes) => {
      const lines = (rest + asBuffer(bytes).toString('latin1')).split('\n')
      rest = lines.pop() ?? ''
      // No such line is longer: what follows on it is not looked at.
      if (rest.length > lineMax) rest = rest.slice(0, lineMax)
      return Buffer.concat(lines.map((text) => line(text.slice(0, lineMax).replace(/\r$/, ''))))
    },
    end: () => {
      const last = rest === '' ? nothing : line(rest.replace(/\r$/, ''))
      if (state !== 'behind') isMalformed = true
      rest = ''
      return last
    },
    get isMalformed() {
      return isMalformed
    },
  }
}

/** The name on the `begin` line of a part in x-uuencode. */
export function uuFilename(text: string): string | undefined {
  const at = text.startsWith('begin ') ? 0 : text.indexOf('\nbegin ') + 1
  if (at === 0 && !text.startsWith('begin ')) return undefined
  const end = text.indexOf('\n', at)
  return beginLine.exec(text.slice(at, end === -1 ? undefined : end).trimEnd())?.[1]
}

/** `text` without the files in it, and these. A file must be whole: from `begin` to `end`, each line in order. */
export function extractUuFiles(text: string): { readonly text: string; readonly files: readonly UuFile[] } {
  if (!text.startsWith('begin ') && !text.includes('\nbegin ')) return { text, files: [] }
  const files: UuFile[] = []
  const kept: string[] = []
  const lines = text.split('\n')
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? ''
    const found = line.startsWith('begin ') ? readFile(lines, at) : undefined
    if (found === undefined) kept.push(line)
    else {
      files.push(found.file)
      at = found.last
    }
  }
  return { text: kept.join('\n'), files }
}

function readFile(
  lines: readonly string[],
  begin: number,
): { readonly file: UuFile; readonly last: number } | undefined {
  const filename = beginLine.exec((lines[begin] ?? '').trimEnd())?.[1]
  if (filename === undefined) return undefined
  const pieces: Buffer[] = []
  for (let at = begin + 1; at < lines.length; at++) {
    const line = (lines[at] ?? '').replace(/\r$/, '')
    if (line === 'end') return { file: { filename, content: Buffer.concat(pieces) }, last: at }
    const octets = decodeLine(line)
    // Another `begin` ends the search, so that no line is read for more than two files.
    if (octets === undefined || line.startsWith('begin ')) return undefined
    pieces.push(octets)
  }
  return undefined
}
