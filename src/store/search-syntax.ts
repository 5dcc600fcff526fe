// Owns how people write searches: `from:ann subject:"two words" -tag:x before:2026-01-01 word* OR other`. It never throws
// and takes linear time: what is not understood is said in a warning, and searched for as words where that makes sense.
//
//   from: to: cc: subject: body: filename: tag: id:   has:attachment has:tag   is:unread is:read is:starred
//   before: after: (2026, 2026-01, 2026-01-31, 2026-01-31T10:00Z, or ago: 2d, 3h)   larger: smaller: (10k, 2MB)
//   "phrase"   word*   -x   a OR b
//
// Fields may be written with a full-width colon, phrases in typographic quotes. Dates without a time are days of UTC.

import { parseDuration } from '../base/duration.ts'
import { parseSize } from '../base/size.ts'
import type { SearchField, SearchTerm } from './mail-view.ts'
import { addressPhrase, phraseOf } from './search-words.ts'

export interface ParsedSearch {
  /** All of them must hold. */
  readonly terms: readonly SearchTerm[]
  /** Sentences for people: what was left out or taken as words. */
  readonly warnings: readonly string[]
  /** The same for programs, in the same order. */
  readonly problems: readonly SearchProblem[]
}

export const searchProblems = [
  'too-long',
  'too-many-terms',
  'open-quote',
  'empty-field',
  'no-address',
  'no-words',
  'unknown-has',
  'unknown-is',
  'bad-date',
  'bad-size',
  'no-field',
] as const

export interface SearchProblem {
  readonly code: (typeof searchProblems)[number]
  /** What it is about, as it was typed: a term, a field, or a limit; '' where there is nothing to name. */
  readonly text: string
}

type Warn = (code: SearchProblem['code'], text: string, sentence: string) => void

export const searchCharsMax = 2000
export const searchTermsMax = 50
const warningsMax = 20

/** `now` (epoch ms) is what `2d` counts back from. */
export function parseSearch(text: string, now: number): ParsedSearch {
  const warnings: string[] = []
  const problems: SearchProblem[] = []
  const warn: Warn = (code, text, sentence) => {
    if (warnings.length >= warningsMax || warnings.includes(sentence)) return
    warnings.push(sentence)
    problems.push({ code, text })
  }
  const bounded = text.slice(0, searchCharsMax).toWellFormed()
  if (bounded.length < text.length)
    warn('too-long', String(searchCharsMax), `Only the first ${searchCharsMax} characters were read.`)
  const groups: SearchTerm[][] = []
  let count = 0
  let joinNext = false
  let negateNext = false
  for (const word of split(bounded, warn)) {
    if (word.isPlain && word.value === 'OR') {
      joinNext = groups.length > 0
      continue
    }
    if (word.isPlain && word.value === 'AND') continue
    if (word.isPlain && word.value === 'NOT') {
      negateNext = !negateNext
      continue
    }
    const term = termOf(word, now, warn)
    const negate = word.negated !== negateNext
    negateNext = false
    if (term === undefined) continue
    if (++count > searchTermsMax) {
      warn('too-many-terms', String(searchTermsMax), `Only the first ${searchTermsMax} terms were read.`)
      break
    }
    const signed: SearchTerm = negate ? { kind: 'not', term } : term
    const last = groups.at(-1)
    if (joinNext && last !== undefined) last.push(signed)
    else groups.push([signed])
    joinNext = false
  }
  return {
    terms: groups.map((group) =>
      group.length === 1 ? (group[0] as SearchTerm) : { kind: 'or', terms: group },
    ),
    warnings,
    problems,
  }
}

interface Word {
  readonly negated: boolean
  /** Lower case; '' where there is none. */
  readonly field: string
  readonly value: string
  readonly quoted: boolean
  /** As it was typed, for warnings. */
  readonly raw: string
  /** Neither signs nor quotes: OR, AND, NOT. */
  readonly isPlain: boolean
}

const blank = /[\s\u3000]+/y
const fieldName = /([A-Za-z][A-Za-z_-]{0,20})[:：]/y
const bare = /[^\s\u3000]+/y
/** A quote and what ends it. */
const quotes: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ['“', '”'],
  ['„', '“”'],
  ['«', '»'],
  ['「', '」'],
])

function* split(text: string, warn: Warn): Generator<Word> {
  let at = 0
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const found = pattern.exec(text)
    if (found !== null) at = pattern.lastIndex
    return found
  }
  while (at < text.length) {
    if (match(blank) !== null) continue
    const start = at
    const negated = text[at] === '-' && at + 1 < text.length && !/[\s\u3000]/.test(text[at + 1] as string)
    if (negated) at++
    const field = match(fieldName)?.[1]?.toLowerCase() ?? ''
    const close = quotes.get(text[at] ?? '')
    if (close === undefined) {
      const value = match(bare)?.[0] ?? ''
      const isPlain = !negated && field === ''
      yield { negated, field, value, quoted: false, raw: text.slice(start, at), isPlain }
      continue
    }
    const end = endOfQuote(text, at + 1, close)
    if (end === -1)
      warn('open-quote', '', 'A quote is not closed: everything behind it was taken as the phrase.')
    const inside = text.slice(at + 1, end === -1 ? text.length : end)
    at = end === -1 ? text.length : end + 1
    // "two wor"* goes on.
    const star = text[at] === '*'
    if (star) at++
    const value = inside.replace(/\\(["\\])/g, '$1') + (star ? '*' : '')
    yield { negated, field, value, quoted: true, raw: text.slice(start, at), isPlain: false }
  }
}

function endOfQuote(text: string, from: number, close: string): number {
  for (let at = from; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (close.includes(text[at] as string)) return at
  }
  return -1
}

const textFields: ReadonlyMap<string, SearchField> = new Map([
  ['cc', 'cc'],
  ['subject', 'subject'],
  ['body', 'body'],
  ['text', 'body'],
  ['filename', 'filename'],
  ['file', 'filename'],
])

function termOf(word: Word, now: number, warn: Warn): SearchTerm | undefined {
  const { field, value, raw } = word
  if (field === '') return textTerm('any', value, raw, warn)
  if (value === '' && isField(field)) {
    warn('empty-field', field, `${field}: has nothing behind it and was left out.`)
    return undefined
  }
  const wrong = (code: SearchProblem['code'], hint: string): undefined =>
    warn(code, raw, `${raw} was left out: ${hint}`) as undefined
  switch (field) {
    case 'from':
    case 'to': {
      const text = value.replace(/\*$/, '')
      if (addressPhrase(text).words.length === 0) return wrong('no-address', 'it has no letters or digits.')
      return { kind: 'address', field, text }
    }
    case 'tag':
      return { kind: 'tag', tag: value }
    case 'id':
      return { kind: 'id', id: value.replace(/^<|>$/g, '') }
    case 'has':
      return hasTerm(value.toLowerCase()) ?? wrong('unknown-has', 'has: knows attachment and tag.')
    case 'is':
      return isTerm(value.toLowerCase()) ?? wrong('unknown-is', 'is: knows unread, read and starred.')
    case 'before':
    case 'after': {
      const at = instantOf(value, now)
      if (at === undefined)
        return wrong('bad-date', 'a date looks like 2026-01-31, a time ago like 2d or 3h.')
      return field === 'before' ? { kind: 'received', before: at } : { kind: 'received', after: at }
    }
    case 'larger':
    case 'smaller': {
      const bytes = sizeOf(value)
      if (bytes === undefined) return wrong('bad-size', 'a size looks like 5000, 10k or 2MB.')
      return field === 'larger' ? { kind: 'size', min: bytes } : { kind: 'size', max: bytes }
    }
    default: {
      const textField = textFields.get(field)
      if (textField !== undefined) return textTerm(textField, value, raw, warn)
      // `https://...` and `re:hello` are words of a text.
      if (!value.startsWith('//'))
        warn('no-field', raw, `${field}: is no field; ${raw} was searched for as words.`)
      return textTerm('any', `${field}:${value}`, raw, warn)
    }
  }
}

const otherFields = new Set(['from', 'to', 'tag', 'id', 'has', 'is', 'before', 'after', 'larger', 'smaller'])
const isField = (field: string): boolean => otherFields.has(field) || textFields.has(field)

function textTerm(field: SearchField, value: string, raw: string, warn: Warn): SearchTerm | undefined {
  const prefix = value.endsWith('*')
  const text = value.replace(/\*+$/, '')
  if (phraseOf(text, prefix).words.length > 0) return { kind: 'text', field, text, prefix }
  if (/[^\s*-]/.test(value)) warn('no-words', raw, `${raw} has no letters or digits and was left out.`)
  return undefined
}

function hasTerm(what: string): SearchTerm | undefined {
  if (/^(?:attachments?|files?)$/.test(what)) return { kind: 'has', what: 'attachment' }
  if (/^tags?$/.test(what)) return { kind: 'has', what: 'tag' }
  return undefined
}

function isTerm(what: string): SearchTerm | undefined {
  if (what === 'unread' || what === 'unseen') return { kind: 'is', what: 'unread' }
  if (what === 'read' || what === 'seen') return { kind: 'is', what: 'read' }
  if (what === 'starred' || what === 'flagged') return { kind: 'is', what: 'starred' }
  return undefined
}

function instantOf(value: string, now: number): number | undefined {
  const text = value.trim()
  if (/^(?:\d{1,12}[a-z]{1,2}){1,6}$/.test(text)) {
    try {
      return now - parseDuration(text)
    } catch {
      return undefined
    }
  }
  const day = /^(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?$/.exec(text)
  if (day !== null) {
    const [year, month, date] = [Number(day[1]), Number(day[2] ?? 1), Number(day[3] ?? 1)]
    const at = Date.UTC(year, month - 1, date)
    const isReal =
      new Date(at).getUTCMonth() === month - 1 && new Date(at).getUTCDate() === date && year >= 1970
    return isReal ? at : undefined
  }
  // A time without a zone is UTC, as days are.
  const time = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)(Z|[+-]\d{2}:?\d{2})?$/i.exec(text)
  if (time === null) return undefined
  const at = Date.parse(`${time[1]}${time[2] ?? 'Z'}`)
  return Number.isNaN(at) ? undefined : at
}

function sizeOf(value: string): number | undefined {
  try {
    return parseSize(value.trim())
  } catch {
    return undefined
  }
}
