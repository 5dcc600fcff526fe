// Owns address lists of header fields (From, To, Cc ...): RFC 5322 section 3.4 with the obsolete forms of section 4.4, and
// what people really send. The law: where a strict reader sees addresses, we see the same ones. What is decoded (RFC 2047)
// is decoded behind the split, so that no encoded-word brings an address; nothing that has an `@` is dropped silently; an
// address is never put together from words that are not joined by a dot or an `@`. Never throws; linear.

import { decodeWords, unfold } from './encoded-words.ts'

export interface HeaderMailbox {
  readonly kind: 'mailbox'
  /** Decoded; '' where there is none. A comment stands in for a missing name, as in `a@b.test (Anna)`. */
  readonly name: string
  /**
   * As it was written, without comments, folds, route and the blanks that obsolete forms allow; '' where there is none. It
   * is not checked: whoever acts on it takes parseMailbox to it.
   */
  readonly address: string
}

export interface HeaderGroup {
  readonly kind: 'group'
  readonly name: string
  readonly members: readonly HeaderMailbox[]
}

export type HeaderAddress = HeaderMailbox | HeaderGroup

/** Entries beyond this are not read, where the reader says nothing else. */
export const addressesMax = 10_000

/** `value` is the field's value, folded or not, encoded-words and all. In the order of the field. */
export function parseHeaderAddresses(value: string, max = addressesMax): readonly HeaderAddress[] {
  return new ListReader(value, max).read()
}

/** The mailboxes, those of groups too, without entries that have no address. */
export function flattenAddresses(list: readonly HeaderAddress[]): readonly HeaderMailbox[] {
  return list
    .flatMap((entry) => (entry.kind === 'group' ? entry.members : [entry]))
    .filter((mailbox) => mailbox.address !== '')
}

interface Piece {
  readonly kind: 'atom' | 'quoted' | 'dot' | 'at' | 'literal' | 'colon'
  /** For a quoted string its content; raw is how it was written. */
  readonly text: string
  readonly raw: string
  /** White space or a comment stands before it. */
  readonly isApart: boolean
}

// An encoded-word with raw commas and parentheses, which many senders leave in. None that holds what could be read as an
// address by a reader who knows no encoded-words; a pair of parentheses is a comment to that reader, and the rest the same.
const encodedWord = /=\?[^?\s()<>@:;,"\\]{1,80}\?[BbQq]\?(?:[^?\s()<>@:;"\\]|\([^?\s()<>@:;"\\]*\))*\?=/y
const atom = /[^\s()<>[\]:;@,."\\]+/y
const white = /\s+/y
// dtext of RFC 5322 section 3.4.1 has all that is printable; what is not closed is no literal.
const literal = /\[[^[\]\\]*\]/y

class ListReader {
  readonly #text: string
  readonly #max: number
  #at = 0
  #isApart = false
  #unclosedComment = false
  #unclosedQuote = false

  readonly #list: HeaderAddress[] = []
  #count = 0
  #group: { readonly name: string; readonly members: HeaderMailbox[] } | undefined
  #words: Piece[] = []
  #angle: Piece[] | undefined
  #address: string | undefined
  #comments: string[] = []
  /** Words before a comma that have no address: perhaps the beginning of the next one's name. */
  #waiting: string[] = []

  constructor(text: string, max: number) {
    this.#text = text
    this.#max = max
  }

  read(): readonly HeaderAddress[] {
    while (this.#at < this.#text.length && this.#count < this.#max) this.#step()
    this.#endEntry(false)
    this.#endGroup()
    return this.#list
  }

  #step(): void {
    const c = this.#text.charAt(this.#at)
    switch (c) {
      case ' ':
      case '\t':
      case '\r':
      case '\n':
        this.#match(white)
        this.#isApart = true
        return
      case '(':
        if (!this.#comment()) this.#add('atom', c)
        return
      case '"':
        if (!this.#quoted()) this.#stray()
        return
      case ',':
        return this.#comma()
      case ';':
        this.#at++
        this.#closeAngle()
        this.#endEntry(false)
        return this.#endGroup()
      case ':':
        return this.#colon()
      case '<':
        return this.#openAngle()
      case '>':
        if (this.#angle === undefined) this.#add('atom', c)
        else {
          this.#at++
          this.#closeAngle()
        }
        return
      case '@':
        return this.#add('at', c)
      case '.':
        return this.#add('dot', c)
      case '[': {
        const found = this.#last()?.kind === 'at' ? this.#match(literal) : undefined
        if (found === undefined) this.#add('atom', c)
        else this.#put('literal', found, found.replace(/\r?\n/g, ''))
        return
      }
      default:
        this.#atom()
    }
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }

  #last(): Piece | undefined {
    return (this.#angle ?? this.#words).at(-1)
  }

  #put(kind: Piece['kind'], text: string, raw: string): void {
    ;(this.#angle ?? this.#words).push({ kind, text, raw, isApart: this.#isApart })
    this.#isApart = false
  }

  #add(kind: Piece['kind'], c: string): void {
    this.#at++
    this.#put(kind, c, c)
  }

  #atom(): void {
    // Behind `@` and dots it is part of an address, and there a strict reader's commas count.
    const mayBeEncoded = this.#text.startsWith('=?', this.#at) && !joins(this.#last())
    const word = (mayBeEncoded ? this.#match(encodedWord) : undefined) ?? this.#match(atom)
    if (word === undefined) this.#add('atom', this.#text.charAt(this.#at))
    else this.#put('atom', word, word)
  }

  /** A quote that is never closed: it goes, the rest is read as if it were not there. */
  #stray(): void {
    this.#at++
  }

  #quoted(): boolean {
    if (this.#unclosedQuote) return false
    const end = this.#closing(0x22)
    if (end === -1) {
      this.#unclosedQuote = true
      return false
    }
    const raw = this.#text.slice(this.#at, end + 1).replace(/\r?\n/g, '')
    this.#at = end + 1
    this.#put('quoted', raw.slice(1, -1).replace(/\\([\s\S])/g, '$1'), raw)
    return true
  }

  #closing(quote: number): number {
    for (let at = this.#at + 1; at < this.#text.length; at++) {
      const c = this.#text.charCodeAt(at)
      if (c === 0x5c) at++
      else if (c === quote) return at
    }
    return -1
  }

  #comment(): boolean {
    if (this.#unclosedComment) return false
    let depth = 0
    for (let at = this.#at; at < this.#text.length; at++) {
      const c = this.#text.charCodeAt(at)
      if (c === 0x5c) at++
      else if (c === 0x28) depth++
      else if (c === 0x29 && --depth === 0) {
        this.#comments.push(this.#text.slice(this.#at + 1, at))
        this.#at = at + 1
        this.#isApart = true
        return true
      }
    }
    this.#unclosedComment = true
    return false
  }

  #openAngle(): void {
    this.#at++
    // `one < two <a@b.test>`: the first was no bracket. `<a@b.test> <c@d.test>`: two entries, so that neither is hidden.
    if (this.#angle?.some((piece) => piece.kind === 'at') === true) this.#closeAngle()
    if (this.#address !== undefined) this.#endEntry(false)
    this.#angle = []
    this.#isApart = false
  }

  #closeAngle(): void {
    if (this.#angle === undefined) return
    this.#address = joinAddress(withoutRoute(this.#angle))
    this.#angle = undefined
    this.#isApart = true
  }

  #comma(): void {
    // obs-route = obs-domain-list ":" (RFC 5322 section 4.4)
    if (
      this.#angle !== undefined &&
      this.#angle[0]?.kind === 'at' &&
      !this.#angle.some((p) => p.kind === 'colon')
    ) {
      this.#at++
      this.#angle = [this.#angle[0]]
      return
    }
    this.#at++
    this.#closeAngle()
    this.#endEntry(true)
  }

  #colon(): void {
    if (this.#angle !== undefined) return this.#add('colon', ':')
    this.#at++
    const isName = this.#address === undefined && !this.#words.some((piece) => piece.kind === 'at')
    if (!isName) return this.#endEntry(false)
    if (this.#words.length === 0) return
    const name = phrase(this.#words)
    this.#words = []
    this.#comments = []
    this.#flushWaiting()
    this.#endGroup()
    this.#group = { name: decodeWords(name), members: [] }
    this.#isApart = true
  }

  #endGroup(): void {
    if (this.#group === undefined) return
    this.#list.push({ kind: 'group', ...this.#group })
    this.#group = undefined
    this.#count++
  }

  #emit(name: string, address: string): void {
    this.#count++
    const mailbox: HeaderMailbox = { kind: 'mailbox', name: tidyName(decodeWords(name)), address }
    if (this.#group === undefined) this.#list.push(mailbox)
    else this.#group.members.push(mailbox)
  }

  #flushWaiting(): void {
    for (const name of this.#waiting) this.#emit(name, '')
    this.#waiting = []
  }

  #endEntry(isComma: boolean): void {
    this.#closeAngle()
    const words = this.#words
    const address = this.#address
    const comment = this.#comments.join(' ')
    this.#words = []
    this.#address = undefined
    this.#comments = []
    this.#isApart = false
    if (address !== undefined) {
      const name = phrase(words)
      // `Joe Foo, PhD <joe@a.test>`: the comma belongs to the name.
      const full = this.#waiting.length > 0 && name !== '' ? [...this.#waiting, name].join(', ') : undefined
      if (full === undefined) this.#flushWaiting()
      this.#waiting = []
      this.#emit(full ?? (name === '' ? unfoldComment(comment) : name), address)
      return
    }
    if (words.some((piece) => piece.kind === 'at')) {
      this.#flushWaiting()
      return this.#bare(words, comment)
    }
    const name = phrase(words)
    if (isComma && name !== '' && words.every((piece) => piece.kind !== 'quoted')) {
      this.#waiting.push(name)
      return
    }
    this.#flushWaiting()
    if (name !== '' || comment !== '') this.#emit(name === '' ? unfoldComment(comment) : name, '')
  }

  /** Without brackets: what dots and `@` hold together is an address, the other words are its name. */
  #bare(words: readonly Piece[], comment: string): void {
    const addresses: string[] = []
    const names: Piece[] = []
    for (let start = 0; start < words.length; ) {
      let end = start + 1
      while (end < words.length && isGlued(words[end - 1], words[end])) end++
      const cluster = words.slice(start, end)
      if (cluster.some((piece) => piece.kind === 'at')) addresses.push(joinAddress(cluster))
      else names.push(...cluster)
      start = end
    }
    const name = phrase(names)
    for (const [index, address] of addresses.entries())
      this.#emit(index === 0 ? (name === '' ? unfoldComment(comment) : name) : '', address)
  }
}

const joins = (piece: Piece | undefined): boolean => piece?.kind === 'dot' || piece?.kind === 'at'
const isGlued = (one: Piece | undefined, other: Piece | undefined): boolean =>
  other?.isApart === false || joins(one) || joins(other)

/** Words that are apart stay apart, so that no address comes about that nobody wrote. */
function joinAddress(pieces: readonly Piece[]): string {
  let out = ''
  for (const [index, piece] of pieces.entries()) {
    const before = pieces[index - 1]
    if (before !== undefined && piece.isApart && !joins(before) && !joins(piece)) out += ' '
    out += piece.raw
  }
  return out
}

function withoutRoute(pieces: readonly Piece[]): readonly Piece[] {
  if (pieces[0]?.kind !== 'at') return pieces
  const colon = pieces.findIndex((piece) => piece.kind === 'colon')
  return colon === -1 ? pieces : pieces.slice(colon + 1)
}

function phrase(pieces: readonly Piece[]): string {
  let out = ''
  for (const [index, piece] of pieces.entries()) out += (index > 0 && piece.isApart ? ' ' : '') + piece.text
  return out
}

const unfoldComment = (text: string): string => unfold(text.replace(/\\([\s\S])/g, '$1'))

/** What breaks a line on a screen has no place in a name. */
const tidyName = (name: string): string => name.replace(/[\r\n\0]+/g, ' ')
