// Owns Cursor and ParseError: how our grammars read a bounded text. Refuses nothing itself; each rule says what it expected.

/** syntax: does not fit the grammar. utf8: non-ASCII where none is allowed. length: longer than a limit. */
export type ParseErrorKind = 'syntax' | 'utf8' | 'length'

/** The one error that parsers throw. `offset` is in UTF-16 units of the text that was given. */
export class ParseError extends Error {
  override readonly name = 'ParseError'
  readonly offset: number
  readonly expected: string
  readonly kind: ParseErrorKind
  constructor(offset: number, expected: string, kind: ParseErrorKind = 'syntax') {
    super(`expected ${expected} at offset ${offset}`)
    this.offset = offset
    this.expected = expected
    this.kind = kind
  }
}

/** A place in a text. `take` tries, `expect` throws {@link ParseError}; both move on only when they match. */
export class Cursor {
  readonly text: string
  at: number

  constructor(text: string, at = 0) {
    this.text = text
    this.at = at
  }

  get done(): boolean {
    return this.at >= this.text.length
  }

  /** The next character, '' at the end. */
  peek(): string {
    return this.text.charAt(this.at)
  }

  take(literal: string): boolean {
    if (!this.text.startsWith(literal, this.at)) return false
    this.at += literal.length
    return true
  }

  expect(literal: string, expected = JSON.stringify(literal)): void {
    if (!this.take(literal)) this.fail(expected)
  }

  /** What the sticky (`/y`) pattern matches here, or undefined. */
  match(sticky: RegExp): string | undefined {
    sticky.lastIndex = this.at
    const found = sticky.exec(this.text)?.[0]
    if (found !== undefined) this.at += found.length
    return found
  }

  expectMatch(sticky: RegExp, expected: string): string {
    return this.match(sticky) ?? this.fail(expected)
  }

  expectEnd(): void {
    if (!this.done) this.fail('the end')
  }

  fail(expected: string, kind?: ParseErrorKind, at: number = this.at): never {
    throw new ParseError(at, expected, kind)
  }
}
