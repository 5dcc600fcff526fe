// Owns what a word is, for the index and for searches alike: case and accents folded, runs of scripts that are written
// without blanks (Han, Kana, Hangul, Thai ...) as pairs of characters, addresses as words and as one piece each. Both
// sides use it, so that what is found does not depend on the engine. Pure, linear, never throws; input is cut by its caller.

import { displayDomain } from '../base/domain.ts'

/** A longer word is known by its beginning. UTF-16 units. */
const wordCharsMax = 64
/** Addresses and ids as one piece. */
const pieceCharsMax = 250

/** Pieces begin with a character for private use, which no word has. */
const addressMark = '\ue000'
const idMark = '\ue001'
const octetMark = 0xe100

const unspaced = String.raw`\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\u30fc`
const wordPattern = new RegExp(
  `[${unspaced}]+|[[\\p{L}\\p{N}\\p{M}]--[${unspaced}]]+|\\p{Extended_Pictographic}`,
  'gv',
)
const unspacedStart = new RegExp(`^[${unspaced}]`, 'v')
/** Accents, points and vowel signs that people leave out, what cannot be seen, and what only chooses a glyph. */
const unseen =
  /[\u0300-\u036f]|[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]|[\u064b-\u0652\u0670]|\u0640|\p{Default_Ignorable_Code_Point}/gu
const letters: ReadonlyMap<string, string> = new Map([
  ['ß', 'ss'],
  ['æ', 'ae'],
  ['œ', 'oe'],
  ['ø', 'o'],
  ['ł', 'l'],
  ['đ', 'd'],
  ['ð', 'd'],
  ['þ', 'th'],
  ['ı', 'i'],
  ['ς', 'σ'],
])

/** Without case, accents and width: 'Ｃａｆé' is 'cafe', 'ﾊﾛｰ' is 'ハロー'. */
export function fold(text: string): string {
  if (isAscii(text)) return text.toLowerCase()
  return text
    .toWellFormed()
    .normalize('NFKD')
    .toLowerCase()
    .replace(unseen, '')
    .replace(/[ßæœøłđðþıς]/g, (letter) => letters.get(letter) ?? letter)
    .normalize('NFC')
}

const isAscii = (text: string): boolean => !/[^\x00-\x7f]/.test(text)

/** Words in order, with a blank before and behind each: ' two words '; '' where there are none. */
export function wordsOf(text: string): string {
  const words = listWords(text)
  return words.length === 0 ? '' : ` ${words.join(' ')} `
}

const longWord = /(?<![A-Za-z0-9])[A-Za-z0-9]{65}/

/** For a reader that takes letters and digits of ASCII as words by itself, without case: the words of it are wordsOf(text). */
export function indexText(text: string): string {
  if (isAscii(text)) return longWord.test(text) ? wordsOf(text) : text
  const folded = fold(text)
  // Most texts beyond ASCII have some signs of this block, and nothing else: none of them is in a word.
  const plain = folded.replace(/[\u2010-\u205e]/g, ' ')
  if (isAscii(plain) && !longWord.test(plain)) return plain
  const words = listFolded(folded)
  return words.length === 0 ? '' : ` ${words.join(' ')} `
}

const listWords = (text: string): string[] => listFolded(fold(text))

function listFolded(folded: string): string[] {
  const words: string[] = []
  for (const [run] of folded.matchAll(isAscii(folded) ? /[a-z0-9]+/g : wordPattern)) {
    if (unspacedStart.test(run)) addPairs(run, words)
    else words.push(run.length <= wordCharsMax ? run : cut(run, wordCharsMax))
  }
  return words
}

/** 'ABC' is AB BC C: with the last one alone, a single character is the beginning of some word wherever it stands. */
function addPairs(run: string, words: string[]): void {
  let last = ''
  for (const character of run) {
    if (last !== '') words.push(last + character)
    last = character
  }
  words.push(last)
}

const cut = (text: string, max: number): string => text.slice(0, max).replace(/[\ud800-\udbff]$/, '')

/** Words that stand one behind the other; `prefix`: the last one may go on. */
export interface Phrase {
  readonly words: readonly string[]
  readonly prefix: boolean
}

/** What `text` asks for. No words: it asks for nothing, and everything has it. */
export function phraseOf(text: string, prefix: boolean): Phrase {
  const words = listWords(text)
  const last = words.at(-1)
  if (last === undefined || !unspacedStart.test(last)) return { words, prefix }
  // The text may go on behind the last character asked for: its pair is enough, or, where it stands alone, its beginning.
  const before = words.at(-2)
  const isAlone = before === undefined || !unspacedStart.test(before) || !endsWith(before, last)
  return isAlone ? { words, prefix: true } : { words: words.slice(0, -1), prefix: false }
}

/** `pair` is two characters, the second of which is `character`. */
const endsWith = (pair: string, character: string): boolean =>
  pair.length > character.length && pair.endsWith(character)

/** Whether text whose words are `words` (wordsOf) has the phrase. */
export function hasPhrase(words: string, { words: wanted, prefix }: Phrase): boolean {
  if (wanted.length === 0) return true
  return words.includes(prefix ? ` ${wanted.join(' ')}` : ` ${wanted.join(' ')} `)
}

/** The words of name and address, the address as one piece, and its domain as one. In the form of wordsOf. */
export function addressWords(name: string, address: string): string {
  const at = address.lastIndexOf('@')
  const shown = at === -1 ? address : address.slice(0, at + 1) + displayDomain(address.slice(at + 1))
  const words = `${wordsOf(name).trimEnd()}${wordsOf(shown).trimEnd()}`
  if (at === -1) return words === '' ? '' : `${words} `
  const domain = shown.slice(shown.lastIndexOf('@'))
  return `${words} ${addressMark}${piece(shown)} ${piece(domain)} `
}

/** One word out of text with signs in it: they become characters that stand for nothing else. */
function piece(text: string): string {
  const folded = fold(cut(text, pieceCharsMax))
  return folded.replace(/[\x00-\x2f\x3a-\x60\x7b-\x7f\s\p{Co}]/gu, (sign) =>
    String.fromCharCode(octetMark + Math.min(sign.charCodeAt(0), 0xff)),
  )
}

/**
 * 'ann': a word of name or address that begins so. '@example.test' and 'ann@example.test': exactly this domain, this
 * address; where the domain has no dot yet, one that begins so.
 */
export function addressPhrase(text: string): Phrase {
  const bare = text.trim().replace(/^<|>$/g, '')
  const at = bare.lastIndexOf('@')
  if (at === -1) return phraseOf(bare, true)
  const domain = displayDomain(bare.slice(at + 1).toLowerCase())
  const address = bare.slice(0, at + 1) + domain
  const mark = at === 0 ? '' : addressMark
  return { words: [mark + piece(address)], prefix: !/[.[]/.test(domain) }
}

/** A Message-ID as one word. */
export const idWord = (id: string): string => `${idMark}${piece(id.trim().replace(/^<|>$/g, ''))}`
