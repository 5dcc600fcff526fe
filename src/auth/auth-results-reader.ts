// Owns reading Authentication-Results, strictly, and taking away those that claim to be ours: whoever sends them is not us.
// What cannot be read is taken away too, for somebody may read it otherwise. Linear; never throws.
// RFC 8601 sections 2.2 and 5.

import { headerFields } from '../message/header.ts'
import { asBuffer } from '../message/octets.ts'
import type { MethodProperty, MethodResult } from './auth-results.ts'

export interface AuthenticationResults {
  /** Who says so, lower case. */
  readonly authservId: string
  /** Default 1. */
  readonly version: number
  readonly results: readonly MethodResult[]
}

export type ReadResults =
  | ({ readonly ok: true } & AuthenticationResults)
  | { readonly ok: false; readonly reason: string }

const valueBytesMax = 65_536
const resultsMax = 200

class Refused extends Error {}

/** `value`: behind the colon, folds and all. */
export function parseAuthenticationResults(value: string): ReadResults {
  if (value.length > valueBytesMax) return { ok: false, reason: 'too long' }
  try {
    return { ok: true, ...new Reader(value).read() }
  } catch (error) {
    if (error instanceof Refused) return { ok: false, reason: error.message }
    throw error
  }
}

const token = /[A-Za-z0-9!#$%&'*+\-.^_`{|}~\u0080-\uffff]+/y
const keyword = /[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?/y
const quoted = /"(?:[^"\\\r\n\0]|\\[^\r\n\0]|\r\n[ \t])*"/y
// A value, or [ [ local-part ] "@" ] domain-name.
const propertyValue = /[A-Za-z0-9!#$%&'*+\-.^_`{|}~/=?@\u0080-\uffff]+/y

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  read(): AuthenticationResults {
    this.#skip()
    const authservId = this.#value(token).toLowerCase()
    const isApart = this.#skip()
    const digits = isApart ? this.#match(/[0-9]+/y) : undefined
    this.#skip()
    const results: MethodResult[] = []
    let isNone = false
    while (this.#take(';')) {
      this.#skip()
      if (this.#at >= this.#text.length && results.length > 0) break // a semicolon at the end, as many write
      if (results.length === 0 && !isNone && this.#none()) {
        isNone = true
        continue
      }
      if (isNone) throw new Refused('results behind none')
      if (results.length === resultsMax) throw new Refused('too many results')
      results.push(this.#result())
    }
    if (this.#at < this.#text.length) throw new Refused('what belongs to no result')
    if (results.length === 0 && !isNone) throw new Refused('no result')
    return { authservId, version: digits === undefined ? 1 : Number(digits), results }
  }

  #none(): boolean {
    const at = this.#at
    const isNone = this.#match(keyword)?.toLowerCase() === 'none'
    this.#skip()
    if (isNone && (this.#at >= this.#text.length || this.#text.charAt(this.#at) === ';')) return true
    this.#at = at
    return false
  }

  #result(): MethodResult {
    const method = this.#expect(keyword, 'a method').toLowerCase()
    this.#skip()
    if (this.#take('/')) {
      this.#skip()
      this.#expect(/[0-9]+/y, 'a version')
      this.#skip()
    }
    this.#equals()
    const result = this.#expect(keyword, 'a result').toLowerCase()
    const properties: MethodProperty[] = []
    let reason: string | undefined
    for (;;) {
      const isApart = this.#skip()
      if (this.#at >= this.#text.length || this.#text.charAt(this.#at) === ';') break
      if (!isApart) throw new Refused('words that run together')
      const name = this.#expect(keyword, 'a property').toLowerCase()
      this.#skip()
      if (name === 'reason' && properties.length === 0 && reason === undefined && this.#peek() === '=') {
        this.#equals()
        reason = this.#value(token)
        continue
      }
      if (!this.#take('.')) throw new Refused('a property without a dot')
      this.#skip()
      const property = this.#expect(keyword, 'a property').toLowerCase()
      this.#skip()
      this.#equals()
      properties.push({ ptype: name, property, value: this.#value(propertyValue) })
    }
    return { method, result, ...(reason !== undefined && { reason }), properties }
  }

  #equals(): void {
    if (!this.#take('=')) throw new Refused('no "=" where one is expected')
    this.#skip()
  }

  #value(plain: RegExp): string {
    const text = this.#match(quoted)
    if (text !== undefined)
      return text
        .slice(1, -1)
        .replace(/\r\n(?=[ \t])/g, '')
        .replace(/\\(.)/g, '$1')
    return this.#expect(plain, 'a value')
  }

  #peek(): string {
    return this.#text.charAt(this.#at)
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false
    this.#at++
    return true
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }

  #expect(pattern: RegExp, what: string): string {
    const found = this.#match(pattern)
    if (found === undefined) throw new Refused(`${what} is missing`)
    return found
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
      } else if (c !== 32 && c !== 9 && c !== 13 && c !== 10) break
    }
    if (depth > 0) throw new Refused('a comment that is not closed')
    return this.#at > from
  }
}

/**
 * A header section (CRLF lines) without the Authentication-Results that say they are `authservId`'s, and without those that
 * cannot be read. RFC 8601 section 5: at the border, before we add ours. The same octets where there are none.
 */
export function withoutResultsOf(header: Uint8Array, authservId: string): Uint8Array {
  const bytes = asBuffer(header)
  const own = authservId.toLowerCase()
  const kept: Buffer[] = []
  let from = 0
  for (const field of headerFields(bytes, Number.POSITIVE_INFINITY)) {
    if (field.name !== 'authentication-results') continue
    const value = bytes.toString('utf8', field.valueStart, field.end).replace(/\r\n$/, '')
    const read = parseAuthenticationResults(value)
    if (read.ok && read.authservId !== own) continue
    kept.push(bytes.subarray(from, field.start))
    from = field.end
  }
  if (from === 0) return header
  kept.push(bytes.subarray(from))
  return Buffer.concat(kept)
}
