// Owns addresses of the envelope: Mailbox and Path, to and from text. Header addresses with names and comments are not here.
// RFC 5321 sections 4.1.2, 4.1.1.3 (Postmaster) and 4.5.3.1 (limits), RFC 6531 section 3.3 (UTF-8), RFC 6532 section 3.1 (NFC).

import { Cursor, ParseError } from './cursor.ts'
import { parseDomain } from './domain.ts'
import type { Mailbox } from './mailbox.ts'

export interface AddressOptions {
  /** Default true. False: non-ASCII is refused with kind 'utf8'. */
  readonly utf8?: boolean
}

const localOctetsMax = 64 // RFC 5321 section 4.5.3.1.1
const mailboxOctetsMax = 254 // section 4.5.3.1.3: a path has 256 with its angle brackets

// atext of RFC 5322 section 3.2.3, and the dot; non-ASCII as RFC 6531 section 3.3 adds it.
// Deviation: C1 controls, U+2028, U+2029 and U+FFFD (what a decoder makes of broken UTF-8) are refused; nobody has them in
// an address, and they break terminals and lines.
const asciiDotAtom = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.]+$/
const dotAtom = /[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.\u00a0-\u2027\u202a-\ufffc\ufffe\uffff]+/y
const wholeDotAtom = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.\u00a0-\u2027\u202a-\ufffc\ufffe\uffff]+$/
// qtextSMTP and quoted-pairSMTP; only qtext is extended by RFC 6531.
const quotedString =
  /"(?:[\x20\x21\x23-\x5b\x5d-\x7e\u00a0-\u2027\u202a-\ufffc\ufffe\uffff]|\\[\x20-\x7e])*"/y
const domainRun = /[A-Za-z0-9.\-\u0080-\uffff]+|\[[\x21-\x5a\x5e-\x7e]*\]/y
const nonAscii = /[^\x00-\x7f]/

/**
 * `local@domain`, nothing before or behind it, as between `<` and `>`.
 * @throws ParseError with offset and expectation
 */
export function parseMailbox(text: string, options?: AddressOptions): Mailbox {
  // In UTF-16 units a text is never longer than in octets.
  if (text.length > mailboxOctetsMax) throw new ParseError(mailboxOctetsMax, 'a shorter address', 'length')
  const at = text.lastIndexOf('@')
  return (
    (at > 0 ? ordinary(text, text.slice(0, at), text.slice(at + 1)) : undefined) ?? parseWhole(text, options)
  )
}

function parseWhole(text: string, options: AddressOptions | undefined): Mailbox {
  const cursor = new Cursor(text)
  const mailbox = readMailbox(cursor, options)
  cursor.expectEnd()
  return mailbox
}

/** As {@link parseMailbox}, undefined where that throws. */
export function tryParseMailbox(text: string, options?: AddressOptions): Mailbox | undefined {
  try {
    return parseMailbox(text, options)
  } catch (error) {
    if (error instanceof ParseError) return undefined
    throw error
  }
}

/** Makes a Mailbox of its parts: `localPart` unquoted, `domain` as {@link parseDomain} takes it. @throws ParseError */
export function makeMailbox(localPart: string, domain: string): Mailbox {
  return parseMailbox(`${formatLocalPart(localPart)}@${domain}`)
}

/** Ready for the wire, quoted only where it must be (RFC 5321 section 4.1.2: the simplest form). */
export function formatLocalPart(localPart: string): string {
  return isDotAtom(localPart, wholeDotAtom) ? localPart : `"${localPart.replace(/["\\]/g, '\\$&')}"`
}

const isDotAtom = (text: string, pattern: RegExp): boolean =>
  pattern.test(text) && !text.startsWith('.') && !text.endsWith('.') && !text.includes('..')

/** Same destination: equal domain and exactly equal local-part. */
export const isSameMailbox = (one: Mailbox, other: Mailbox): boolean =>
  one.domain === other.domain && one.localPart === other.localPart

/** The fast lane: an ASCII dot-atom and a domain; undefined sends everything else, errors included, to the grammar. */
function ordinary(text: string, localPart: string, domainText: string): Mailbox | undefined {
  if (localPart.length > localOctetsMax || text.length > mailboxOctetsMax) return undefined
  if (!isDotAtom(localPart, asciiDotAtom) || nonAscii.test(domainText) || domainText.startsWith('['))
    return undefined
  try {
    return { localPart, domain: parseDomain(domainText).ascii, text, utf8: false }
  } catch {
    return undefined // the slow lane says where it is wrong
  }
}

function readMailbox(cursor: Cursor, options: AddressOptions | undefined): Mailbox {
  const start = cursor.at
  const localPart = readLocalPart(cursor)
  cursor.expect('@')
  const domain = readDomain(cursor)
  const text = `${formatLocalPart(localPart)}@${domain.text}`
  const written = cursor.text.slice(start, cursor.at)
  if (octets(written) > mailboxOctetsMax || octets(text) > mailboxOctetsMax)
    cursor.fail(`an address of at most ${mailboxOctetsMax} octets`, 'length', start)
  if (options?.utf8 === false && nonAscii.test(written))
    cursor.fail('an ASCII address (no SMTPUTF8)', 'utf8', start + written.search(nonAscii))
  return { localPart, domain: domain.ascii, text, utf8: nonAscii.test(text) }
}

function readLocalPart(cursor: Cursor): string {
  const start = cursor.at
  const localPart = cursor.peek() === '"' ? readQuoted(cursor) : readDotAtom(cursor)
  const written = cursor.text.slice(start, cursor.at)
  if (!written.isWellFormed()) cursor.fail('well-formed UTF-8', 'syntax', start)
  const normal = localPart.normalize('NFC')
  if (octets(written) > localOctetsMax || octets(formatLocalPart(normal)) > localOctetsMax)
    cursor.fail(`a local-part of at most ${localOctetsMax} octets`, 'length', start)
  return normal
}

function readQuoted(cursor: Cursor): string {
  const quoted = cursor.expectMatch(quotedString, 'a quoted string that is closed')
  return quoted.slice(1, -1).replace(/\\(.)/g, '$1')
}

function readDotAtom(cursor: Cursor): string {
  const start = cursor.at
  const run = cursor.expectMatch(dotAtom, 'a local-part')
  if (run.startsWith('.')) cursor.fail('a local-part that does not begin with a dot', 'syntax', start)
  if (run.endsWith('.')) cursor.fail('a local-part that does not end with a dot', 'syntax', cursor.at - 1)
  const dots = run.indexOf('..')
  if (dots !== -1) cursor.fail('one dot, not two', 'syntax', start + dots + 1)
  return run
}

function readDomain(cursor: Cursor): ReturnType<typeof parseDomain> {
  const start = cursor.at
  const run = cursor.expectMatch(domainRun, 'a domain')
  try {
    return parseDomain(run)
  } catch (error) {
    if (error instanceof ParseError) cursor.fail(error.expected, error.kind, start + error.offset)
    throw error
  }
}

const octets = (text: string): number => Buffer.byteLength(text)

export interface ReadPath<P> {
  readonly path: P
  /** What stands behind the closing bracket: '' or a space and parameters. */
  readonly rest: string
}

/**
 * The Path at the start of `text`, as in MAIL FROM: `<>` (null), `<a@b>` or `<@relay,@relay:a@b>`.
 * The caller has bounded `text` (a command line) and dropped leading spaces where it tolerates them.
 * @throws ParseError
 */
export function parseReversePath(text: string, options?: AddressOptions): ReadPath<Mailbox | null> {
  return text.startsWith('<>') ? { path: null, rest: readRest(text, 2) } : readPath(text, options)
}

/**
 * The Path at the start of `text`, as in RCPT TO; `<Postmaster>` in any case is at `postmasterDomain`
 * (RFC 5321 section 4.1.1.3). A null path is refused.
 * @throws ParseError
 */
export function parseForwardPath(
  text: string,
  options: AddressOptions & { readonly postmasterDomain: string },
): ReadPath<Mailbox> {
  if (/^<postmaster>/i.test(text))
    return { path: makeMailbox(text.slice(1, 11), options.postmasterDomain), rest: readRest(text, 12) }
  return readPath(text, options)
}

function readPath(text: string, options: AddressOptions | undefined): ReadPath<Mailbox> {
  const close = text.indexOf('>')
  const at = text.indexOf('@')
  if (text.startsWith('<') && at > 1 && at < close) {
    const path = ordinary(text.slice(1, close), text.slice(1, at), text.slice(at + 1, close))
    if (path !== undefined) return { path, rest: readRest(text, close + 1) }
  }
  const cursor = new Cursor(text)
  cursor.expect('<')
  skipSourceRoute(cursor)
  const path = readMailbox(cursor, options)
  cursor.expect('>')
  return { path, rest: readRest(text, cursor.at) }
}

/** RFC 5321 section 4.1.2 A-d-l and appendix C: source routes must be accepted and should be dropped. */
function skipSourceRoute(cursor: Cursor): void {
  if (cursor.peek() !== '@') return
  do {
    cursor.expect('@')
    readDomain(cursor)
  } while (cursor.take(','))
  cursor.expect(':')
}

function readRest(text: string, at: number): string {
  if (at < text.length && text.charCodeAt(at) !== 32) throw new ParseError(at, 'a space or the end')
  return text.slice(at)
}
