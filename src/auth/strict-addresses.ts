// Owns address lists read strictly: RFC 5322 section 3.4 without its obsolete forms (but dots in names, which everybody
// writes), with the groups of RFC 6854 and the UTF-8 of RFC 6532. White space or a comment inside an address is refused:
// it is there that readers differ. Linear; never throws.

import { tryParseMailbox } from '../base/address.ts'
import type { Mailbox } from '../base/mailbox.ts'

export type StrictAddresses =
  | { readonly ok: true; readonly mailboxes: readonly Mailbox[] }
  | { readonly ok: false; readonly reason: string }

/** Mailboxes beyond this are refused. */
const mailboxesMax = 100

interface Token {
  readonly kind: 'atom' | 'quoted' | 'literal' | 'special' | 'end'
  readonly text: string
  /** White space or a comment stands before it. */
  readonly isApart: boolean
}

// atext, with UTF-8 but for C1 controls, U+2028, U+2029 and what a decoder makes of broken UTF-8.
const atom = /[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u00a0-\u2027\u202a-\ufffc\ufffe\uffff]+/y
const quoted = /"(?:[^"\\\r\n\0]|\\[^\r\n\0])*"/y
const literal = /\[[^[\]\\\r\n\0]*\]/y

class Refused extends Error {}

/** `value` is a field's value, folds and all. */
export function parseStrictAddresses(value: string): StrictAddresses {
  try {
    return { ok: true, mailboxes: new Reader(value.replace(/\r\n(?=[ \t])/g, '')).read() }
  } catch (error) {
    if (error instanceof Refused) return { ok: false, reason: error.message }
    throw error
  }
}

class Reader {
  readonly #text: string
  #at = 0
  #token: Token
  readonly #mailboxes: Mailbox[] = []

  constructor(text: string) {
    this.#text = text
    this.#token = this.#next()
  }

  /** mailbox-list or address-list: what is behind the last comma must be there. */
  read(): readonly Mailbox[] {
    do this.#entry(true)
    while (this.#take(','))
    if (this.#token.kind !== 'end')
      throw new Refused(`${JSON.stringify(this.#token.text)} where a comma is expected`)
    return this.#mailboxes
  }

  #entry(mayBeGroup: boolean): void {
    const words: Token[] = []
    while (this.#token.kind !== 'end' && !/^[<>:;,]$/.test(this.#token.text)) words.push(this.#advance())
    if (this.#take('<')) {
      phrase(words)
      const address: Token[] = []
      while (this.#token.kind !== 'end' && this.#token.text !== '>') address.push(this.#advance())
      if (!this.#take('>')) throw new Refused('a bracket that is not closed')
      return this.#add(address, 0)
    }
    if (mayBeGroup && this.#token.text === ':') {
      this.#advance()
      if (words.length === 0) throw new Refused('a group without a name')
      phrase(words)
      if (this.#take(';')) return
      do this.#entry(false)
      while (this.#take(','))
      if (!this.#take(';')) throw new Refused('a group that is not closed')
      return
    }
    this.#add(words, 1)
  }

  /** `from`: white space before the tokens from there on splits the address. */
  #add(tokens: readonly Token[], from: number): void {
    if (tokens.length === 0) throw new Refused('an entry without an address')
    if (tokens.slice(from === 0 ? 1 : from).some((token) => token.isApart))
      throw new Refused('an address with white space or a comment in it')
    const mailbox = tryParseMailbox(tokens.map((token) => token.text).join(''))
    if (mailbox === undefined) throw new Refused('an address that is none')
    if (this.#mailboxes.length === mailboxesMax) throw new Refused('too many addresses')
    this.#mailboxes.push(mailbox)
  }

  #take(special: string): boolean {
    if (this.#token.kind !== 'special' || this.#token.text !== special) return false
    this.#advance()
    return true
  }

  #advance(): Token {
    const token = this.#token
    this.#token = this.#next()
    return token
  }

  #next(): Token {
    const isApart = this.#skip()
    const text = this.#text
    if (this.#at >= text.length) return { kind: 'end', text: '', isApart }
    for (const [kind, pattern] of [
      ['atom', atom],
      ['quoted', quoted],
      ['literal', literal],
    ] as const) {
      pattern.lastIndex = this.#at
      const found = pattern.exec(text)?.[0]
      if (found === undefined) continue
      this.#at += found.length
      return { kind, text: found, isApart }
    }
    const special = text.charAt(this.#at)
    if (!/[<>:;,@.]/.test(special)) throw new Refused(`${JSON.stringify(special)}, which has no place there`)
    this.#at++
    return { kind: 'special', text: special, isApart }
  }

  /** CFWS. */
  #skip(): boolean {
    const from = this.#at
    let depth = 0
    for (; this.#at < this.#text.length; this.#at++) {
      const c = this.#text.charCodeAt(this.#at)
      if (c === 0x28) depth++
      else if (c === 0x29 && depth > 0) depth--
      else if (depth > 0) {
        if (c === 0x5c) this.#at++
        else if (c === 0 || c === 10 || c === 13) throw new Refused('a control character in a comment')
      } else if (c !== 32 && c !== 9) break
    }
    if (depth > 0) throw new Refused('a comment that is not closed')
    return this.#at > from
  }
}

/** phrase and obs-phrase: words, and dots behind the first. */
function phrase(words: readonly Token[]): void {
  for (const [index, word] of words.entries()) {
    const isWord = word.kind === 'atom' || word.kind === 'quoted' || (index > 0 && word.text === '.')
    if (!isWord) throw new Refused(`${JSON.stringify(word.text)} in a name`)
  }
}
