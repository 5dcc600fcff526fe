// Owns values with parameters: Content-Type and Content-Disposition (RFC 2045 section 5.1, RFC 2183), with the sections,
// charsets and languages of RFC 2231 and the forms people send: encoded-words in values, missing semicolons and quotes,
// comments, blanks in file names. Never throws; linear; parameters beyond a number are not read.

import { decodeText, tryDecodeText } from './charset.ts'
import { decodeWords } from './encoded-words.ts'

export interface ParameterizedValue {
  /** As it was written, without comments and blanks: `text/plain`, `attachment`. */
  readonly value: string
  /** By name in lower case, decoded. The first of a name counts; `name*` goes before `name` (RFC 2231 section 4). */
  readonly parameters: ReadonlyMap<string, string>
  /** Language tags by parameter, where RFC 2231 gave one. */
  readonly languages: ReadonlyMap<string, string>
  /** Not all were read: more than the limit. */
  readonly isTruncated: boolean
}

export const parametersMax = 500

/** `text` is the value of the field, folded or not. Never throws. */
export function parseParameters(text: string, max = parametersMax): ParameterizedValue {
  const reader = new Reader(text)
  const value = reader.head()
  const collected = new Map<string, Collected>()
  let count = 0
  while (!reader.done && count < max) {
    const found = reader.parameter()
    if (found === undefined) continue
    count++
    collect(collected, found)
  }
  const parameters = new Map<string, string>()
  const languages = new Map<string, string>()
  for (const [name, entry] of collected) {
    const { text: decoded, language } = decodeCollected(name, entry)
    parameters.set(name, decoded)
    if (language !== '') languages.set(name, language)
  }
  return { value, parameters, languages, isTruncated: !reader.done }
}

interface RawParameter {
  readonly name: string
  readonly value: string
}

interface Section {
  readonly number: number
  readonly value: string
  readonly isEncoded: boolean
}

interface Collected {
  plain: string | undefined
  readonly sections: Section[]
}

// name, name*, name*0, name*0*; more asterisks than that are somebody's mischief and count as one.
const nameShape = /^([^*]+)(?:\*+(\d{1,4}))?(\**)/

function collect(collected: Map<string, Collected>, { name, value }: RawParameter): void {
  const match = nameShape.exec(name.replace(/^\*+/, ''))
  const base = match?.[1]?.trim()
  if (match === null || base === undefined || base === '') return
  const entry = collected.get(base) ?? { plain: undefined, sections: [] }
  collected.set(base, entry)
  const [, , number, stars = ''] = match
  if (number === undefined && stars === '') entry.plain ??= value
  else entry.sections.push({ number: Number(number ?? 0), value, isEncoded: stars !== '' })
}

function decodeCollected(
  name: string,
  { plain, sections }: Collected,
): { readonly text: string; readonly language: string } {
  if (sections.length === 0) {
    // A boundary is compared octet by octet; everything else people write as encoded-words (RFC 2047 section 5 forbids it).
    return { text: name === 'boundary' ? (plain ?? '') : decodeWords(plain ?? ''), language: '' }
  }
  const ordered = [...sections].sort((one, other) => one.number - other.number)
  // `name=a; name*1=b`: the first section without its number.
  if (plain !== undefined && ordered[0]?.number !== 0)
    ordered.unshift({ number: 0, value: plain, isEncoded: false })
  return decodeSections(ordered)
}

function decodeSections(ordered: readonly Section[]): { readonly text: string; readonly language: string } {
  let charset: string | undefined
  let language = ''
  let out = ''
  let pending: Buffer[] = []
  const flush = (): void => {
    if (pending.length > 0) {
      const bytes = Buffer.concat(pending)
      out +=
        (charset === undefined ? undefined : tryDecodeText(bytes, charset)) ??
        decodeText(bytes, undefined).text
    }
    pending = []
  }
  for (const [index, section] of ordered.entries()) {
    let { value } = section
    if (section.isEncoded) {
      // RFC 2231 section 4.1: charset'language'text, in the first section only.
      const prefix = index === 0 ? /^([^']{0,60})'([^']{0,60})'/.exec(value) : null
      if (prefix !== null) {
        charset = prefix[1] === '' ? undefined : prefix[1]
        language = prefix[2] ?? ''
        value = value.slice(prefix[0].length)
      } else if (index > 0 && charset !== undefined && value.startsWith(`${charset}'`)) {
        // Some write the charset again in each section.
        value = value.slice(charset.length + 1)
      }
      pending.push(percentDecoded(value))
    } else {
      flush()
      out += section.value.includes('=?') ? decodeWords(section.value) : section.value
    }
  }
  flush()
  return { text: out.replace(/[\r\n]+/g, ' '), language }
}

function percentDecoded(value: string): Buffer {
  const octets = /[^\x00-\x7f]/.test(value) ? Buffer.from(value).toString('latin1') : value
  return Buffer.from(
    octets.replace(/%([0-9A-Fa-f]{2})/g, (_whole, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    ),
    'latin1',
  )
}

const blanks = /[ \t\r\n]*/y
const nextParameter = /[^\s;="()]+[ \t]*=/y

class Reader {
  readonly #text: string
  #at = 0
  /** Once a comment or a quoted string was not closed, none is looked for again: that keeps us linear. */
  #unclosedComment = false
  #unclosedQuote = false

  constructor(text: string) {
    this.#text = text
  }

  get done(): boolean {
    return this.#at >= this.#text.length
  }

  #skipBlanks(): void {
    blanks.lastIndex = this.#at
    blanks.exec(this.#text)
    this.#at = blanks.lastIndex
  }

  /** Up to the first semicolon, without blanks and comments; a parameter on the next line ends it too. */
  head(): string {
    let out = ''
    while (!this.done) {
      const c = this.#text.charAt(this.#at)
      if (c === ';') {
        this.#at++
        break
      }
      if (c === '(' && this.#skipComment()) continue
      if (isBlank(c)) {
        this.#skipBlanks()
        if (out !== '' && this.#startsParameter()) break
        continue
      }
      out += c
      this.#at++
    }
    return out
  }

  #startsParameter(): boolean {
    nextParameter.lastIndex = this.#at
    return nextParameter.test(this.#text)
  }

  parameter(): RawParameter | undefined {
    this.#skipBlanks()
    let name = ''
    while (!this.done) {
      const c = this.#text.charAt(this.#at)
      if (c === ';') {
        this.#at++
        return undefined
      }
      if (c === '=') break
      if (c === '(' && this.#skipComment()) continue
      if (!isBlank(c)) name += c
      this.#at++
    }
    if (this.done) return undefined
    this.#at++
    this.#skipBlanks()
    while (this.#text.charAt(this.#at) === '(' && this.#skipComment()) this.#skipBlanks()
    const value = this.#text.charAt(this.#at) === '"' ? this.#quoted() : this.#bare()
    return name === '' || value === undefined ? undefined : { name: name.toLowerCase(), value }
  }

  /** RFC 5322 section 3.2.4, folds taken out. What stands between the closing quote and the semicolon goes. */
  #quoted(): string | undefined {
    const start = this.#at + 1
    let at = start
    if (!this.#unclosedQuote) {
      for (; at < this.#text.length; at++) {
        const c = this.#text.charCodeAt(at)
        if (c === 0x5c) at++
        else if (c === 0x22) break
      }
    } else at = this.#text.length
    const isClosed = at < this.#text.length
    if (!isClosed) {
      // Without its end: to the next semicolon or the end of the field.
      const wasUnclosed = this.#unclosedQuote
      this.#unclosedQuote = true
      const semicolon = this.#text.indexOf(';', start)
      at = semicolon === -1 ? this.#text.length : semicolon
      this.#at = at + (semicolon === -1 ? 0 : 1)
      const bare = unquoted(this.#text.slice(start, at))
      return wasUnclosed ? bare.trim() : bare
    }
    const value = unquoted(this.#text.slice(start, at))
    this.#at = at + 1
    this.#skipToNext()
    return value
  }

  /** Behind a quoted value: to the semicolon, or to the next parameter where the semicolon is missing. */
  #skipToNext(): void {
    while (!this.done) {
      const c = this.#text.charAt(this.#at)
      if (c === ';') {
        this.#at++
        return
      }
      if (c === '(' && this.#skipComment()) continue
      if (isBlank(c)) {
        this.#skipBlanks()
        if (this.#startsParameter()) return
        continue
      }
      this.#at++
    }
  }

  /** A token, and what people write in its place: blanks inside, encoded-words. */
  #bare(): string | undefined {
    const start = this.#at
    let end = start
    while (!this.done) {
      const c = this.#text.charAt(this.#at)
      if (c === ';') {
        this.#at++
        return this.#text.slice(start, end) === '' ? undefined : cleanBare(this.#text.slice(start, end))
      }
      if (isBlank(c)) {
        this.#skipBlanks()
        if (this.#startsParameter()) break
        // `us-ascii (Plain text)`: a comment that ends the value; `file (1).pdf`: part of a name.
        if (this.#text.charAt(this.#at) === '(') {
          const before = this.#at
          if (this.#skipComment()) {
            this.#skipBlanks()
            const next = this.#text.charAt(this.#at)
            if (next !== ';' && next !== '' && !this.#startsParameter()) end = this.#at
          } else this.#at = before + 1
        }
        continue
      }
      this.#at++
      end = this.#at
    }
    const value = this.#text.slice(start, end)
    return value === '' ? undefined : cleanBare(value)
  }

  /** Past a comment; false where it is not closed, and then nothing moved. */
  #skipComment(): boolean {
    if (this.#unclosedComment) return false
    let depth = 0
    for (let at = this.#at; at < this.#text.length; at++) {
      const c = this.#text.charCodeAt(at)
      if (c === 0x5c) at++
      else if (c === 0x28) depth++
      else if (c === 0x29 && --depth === 0) {
        this.#at = at + 1
        return true
      }
    }
    this.#unclosedComment = true
    return false
  }
}

const isBlank = (c: string): boolean => c === ' ' || c === '\t' || c === '\r' || c === '\n'
const unquoted = (text: string): string => text.replace(/\r?\n/g, '').replace(/\\([\s\S])/g, '$1')
const cleanBare = (text: string): string => text.replace(/\r?\n[ \t]*/g, ' ').replace(/"$/, '')

export interface ContentType {
  /** Lower case; `text/plain` where the field is missing or no type at all (RFC 2045 section 5.2). */
  readonly type: string
  readonly subtype: string
  readonly parameters: ReadonlyMap<string, string>
}

const noParameters: ReadonlyMap<string, string> = new Map()

/** RFC 2045 section 5.1. undefined for what is no type: `/plain`, `;`, ''. A lone `text` has the subtype ''. */
export function parseContentType(
  text: string,
  max = parametersMax,
): (ContentType & { readonly isTruncated: boolean }) | undefined {
  const { value, parameters, isTruncated } = parseParameters(text, max)
  const slash = value.indexOf('/')
  const type = (slash === -1 ? value : value.slice(0, slash)).toLowerCase()
  if (type === '') return undefined
  const subtype = slash === -1 ? '' : value.slice(slash + 1).toLowerCase()
  return { type, subtype, parameters: parameters.size === 0 ? noParameters : parameters, isTruncated }
}
