// Owns writing encoded-words: text beyond ASCII in a header, in UTF-8, B or Q by length, never cut inside a character, and
// fit for every place that allows one (a phrase is the strictest). RFC 2047 sections 2, 4 and 5.

const wordCharsMax = 75 // RFC 2047 section 2
const lineCharsMax = 76 // section 2: a line that has an encoded-word
const overheadB = '=?UTF-8?B??='.length

// RFC 2047 section 5 (3): what stands for itself in a phrase; the space is written as '_'.
const plainQ = /[A-Za-z0-9!*+\-/]/

const qOf: readonly string[] = Array.from({ length: 256 }, (_, octet) => {
  const character = String.fromCharCode(octet)
  if (octet === 32) return '_'
  return plainQ.test(character) ? character : `=${octet.toString(16).toUpperCase().padStart(2, '0')}`
})

const utf8 = new TextEncoder()

/**
 * `text` as encoded-words, joined by folds (`CRLF SP`). `column` is where the first one begins; where hardly anything
 * fits behind it, the result begins with a fold. The text is not empty and has no CR or LF.
 */
export function writeEncodedWords(text: string, column: number): string {
  const bytes = utf8.encode(text)
  let sizeQ = 0
  for (const octet of bytes) sizeQ += (qOf[octet] as string).length
  const useQ = sizeQ <= Math.ceil(bytes.length / 3) * 4
  const first = Math.min(wordCharsMax, lineCharsMax - column)
  // A first word of a few characters is worth less than a line of its own.
  const fold = first - overheadB < Math.min(12, useQ ? sizeQ : 12)
  const out = cut(text, bytes, useQ, fold ? wordCharsMax : first)
  return `${fold ? '\r\n ' : ''}${out.join('\r\n ')}`
}

/** Words of whole characters; only the first has another room than `wordCharsMax`. */
function cut(text: string, bytes: Uint8Array, useQ: boolean, first: number): string[] {
  const out: string[] = []
  let room = first - overheadB
  let start = 0
  let end = 0
  let width = 0
  const flush = (): void => {
    out.push(useQ ? wordQ(bytes.subarray(start, end)) : wordB(bytes.subarray(start, end)))
    start = end
    width = 0
    room = wordCharsMax - overheadB
  }
  for (const character of text) {
    const length = utf8Length(character)
    let cost = length
    if (useQ) {
      cost = 0
      for (let i = end; i < end + length; i++) cost += (qOf[bytes[i] as number] as string).length
    }
    const full = useQ ? width + cost : Math.ceil((width + cost) / 3) * 4
    if (full > room && end > start) flush()
    width += cost
    end += length
  }
  if (end > start) flush()
  return out
}

function wordQ(bytes: Uint8Array): string {
  let out = '=?UTF-8?Q?'
  for (const octet of bytes) out += qOf[octet]
  return `${out}?=`
}

const wordB = (bytes: Uint8Array): string =>
  `=?UTF-8?B?${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}?=`

function utf8Length(character: string): number {
  const code = character.codePointAt(0) as number
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
}
