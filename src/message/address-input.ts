// Owns the addresses of a message to compose: from what its author wrote to mailboxes, and from mailboxes to the header.
// Strict: what could be read in two ways is a mistake. RFC 5322 section 3.4, RFC 6531, RFC 6532.

import { formatLocalPart, parseMailbox } from '../base/address.ts'
import { ParseError } from '../base/cursor.ts'
import type { Mailbox } from '../base/mailbox.ts'
import { UsageError } from '../base/usage-error.ts'
import { decodeWords } from './encoded-words.ts'
import { type HeaderText, headerText } from './header-text.ts'
import { writeItems, writePhrase } from './header-writer.ts'
import type { AddressesInput, AddressGroup, AddressInput, NamedAddress } from './message-input.ts'

export interface NamedMailbox {
  readonly kind: 'mailbox'
  readonly name: HeaderText
  readonly mailbox: Mailbox
}

export interface MailboxGroup {
  readonly kind: 'group'
  readonly name: HeaderText
  readonly members: readonly NamedMailbox[]
}

export type AddressEntry = NamedMailbox | MailboxGroup

/** A list longer than this is a mistake: nobody means to write so many into one header or envelope. */
export const addressesMax = 100_000
const textCharsMax = 10_000_000

/** @throws UsageError */
export function readAddresses(input: AddressesInput, field: string): readonly AddressEntry[] {
  if (input === undefined || input === null || input === '') return []
  if (typeof input === 'string') return readList(input, field)
  if (!Array.isArray(input)) return readOne(input as AddressInput, field)
  const entries: AddressEntry[] = []
  for (let i = 0; i < input.length; i++) {
    const one = input[i] as AddressesInput
    if (one === undefined || one === null || one === '') continue
    for (const entry of readAddresses(one, `${field}[${i}]`)) entries.push(entry)
    if (entries.length > addressesMax)
      throw new UsageError(field, `must have at most ${addressesMax} addresses`)
  }
  return entries
}

/** Exactly one mailbox. @throws UsageError */
export function readOneMailbox(input: string | NamedAddress, field: string): NamedMailbox {
  const entries = readAddresses(input, field)
  const [entry] = entries
  if (entry === undefined || entry.kind === 'group' || entries.length > 1)
    throw new UsageError(field, 'must be one address')
  return entry
}

/** Mailboxes of all entries, those of groups too. */
export const mailboxesOf = (entries: readonly AddressEntry[]): readonly NamedMailbox[] =>
  hasNoGroup(entries)
    ? entries
    : entries.flatMap((entry) => (entry.kind === 'group' ? entry.members : [entry]))

function hasNoGroup(entries: readonly AddressEntry[]): entries is readonly NamedMailbox[] {
  for (const entry of entries) if (entry.kind === 'group') return false
  return true
}

function readOne(input: AddressInput, field: string): readonly AddressEntry[] {
  if (typeof input === 'string') return readList(input, field)
  if (typeof input !== 'object' || input === null)
    throw new UsageError(field, 'must be an address: a string or { name, address }')
  if ('group' in input) return [readGroup(input, field)]
  return [readNamed(input, field)]
}

function readGroup(input: AddressGroup, field: string): MailboxGroup {
  if (typeof input.name !== 'string' || input.name.trim() === '')
    throw new UsageError(`${field}.name`, 'must be the name of the group')
  const members = readAddresses(input.group, `${field}.group`)
  return { kind: 'group', name: headerText(input.name), members: onlyMailboxes(members, `${field}.group`) }
}

function readNamed(input: NamedAddress, field: string): NamedMailbox {
  if (typeof input.address !== 'string') throw new UsageError(`${field}.address`, 'must be a string')
  if (input.name !== undefined && input.name !== null && typeof input.name !== 'string')
    throw new UsageError(`${field}.name`, 'must be a string')
  const mailbox = readMailbox(input.address.trim(), `${field}.address`)
  return { kind: 'mailbox', name: headerText(input.name ?? ''), mailbox }
}

function onlyMailboxes(entries: readonly AddressEntry[], field: string): readonly NamedMailbox[] {
  return entries.map((entry) => {
    if (entry.kind === 'group') throw new UsageError(field, 'must not have a group inside a group')
    return entry
  })
}

function readMailbox(text: string, field: string): Mailbox {
  try {
    return parseMailbox(text)
  } catch (cause) {
    if (!(cause instanceof ParseError)) throw cause
    throw new UsageError(
      field,
      `${JSON.stringify(text.slice(0, 100))} is no address: expected ${cause.expected} at character ${cause.offset + 1}`,
      { cause },
    )
  }
}

/** What was read a moment ago: a sender writes the same From into each message. Bounded; entries never change. */
const known = new Map<string, readonly AddressEntry[]>()
const knownMax = 256
const knownCharsMax = 200

const plainAddress = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.@]+$/

function readList(text: string, field: string): readonly AddressEntry[] {
  if (text.length > knownCharsMax) return readNewList(text, field)
  let entries = known.get(text)
  if (entries === undefined) {
    entries = readNewList(text, field)
    if (known.size >= knownMax) known.clear()
    known.set(text, entries)
  }
  return entries
}

function readNewList(text: string, field: string): readonly AddressEntry[] {
  if (plainAddress.test(text))
    return [{ kind: 'mailbox', name: '' as HeaderText, mailbox: readMailbox(text, field) }]
  if (text.length > textCharsMax) throw new UsageError(field, `must have at most ${textCharsMax} characters`)
  // RFC 5322 section 2.2.3: a fold is white space; any other line end is a mistake that the grammar below finds.
  return new ListReader(text.replace(/\r?\n(?=[ \t])/g, ''), field).read()
}

// One lexical element: quoted-string, angle-addr, literal, special, or a run of anything else. What is quoted is bounded.
const element =
  /"(?:[^"\\\r\n]|\\[^\r\n]){0,2000}"|<(?:[^<>"\r\n]|"(?:[^"\\\r\n]|\\[^\r\n]){0,2000}"){0,2000}>|\[[^[\]\r\n]*\]|[,;:()<>"]|[\r\n]|[^,;:()<>"[\r\n]+|\[/y

/** Reads `address-list`. One pass over the elements; comments are skipped, the last one stands in for a name that lacks. */
class ListReader {
  readonly #text: string
  readonly #field: string
  #at = 0
  #entries: AddressEntry[] = []
  #group: { readonly name: HeaderText; readonly members: NamedMailbox[] } | undefined
  #words: { readonly text: string; readonly quoted: boolean }[] = []
  #angle: string | undefined
  #comment = ''

  constructor(text: string, field: string) {
    this.#text = text
    this.#field = field
  }

  read(): readonly AddressEntry[] {
    while (this.#at < this.#text.length) {
      element.lastIndex = this.#at
      const found = element.exec(this.#text)?.[0] ?? this.#fail('an address')
      const start = this.#at
      this.#at += found.length
      this.#take(found, start)
    }
    this.#endEntry()
    if (this.#group !== undefined) this.#fail("';' at the end of the group")
    return this.#entries
  }

  #take(found: string, start: number): void {
    const first = found.charAt(0)
    if (found === ',') this.#endEntry()
    else if (found === ';') this.#endGroup(start)
    else if (found === ':') this.#startGroup(start)
    else if (found === '(') this.#skipComment()
    else if (first === '<' && found.length > 1) {
      if (this.#angle !== undefined) this.#fail('a comma between two addresses', start)
      this.#angle = found.slice(1, -1)
    } else if (found === '<' || found === '"' || found === ')' || first === '\r' || first === '\n')
      this.#fail('a bracket, quote or line that fits', start)
    else if (found.trim() !== '') {
      if (this.#angle !== undefined) this.#fail('a comma between two addresses', start)
      this.#words.push({ text: found, quoted: first === '"' })
    } else this.#words.push({ text: ' ', quoted: false })
  }

  /** RFC 5322 section 3.2.2, nested. */
  #skipComment(): void {
    const start = this.#at
    let depth = 1
    for (; depth > 0; this.#at++) {
      const character = this.#text.charAt(this.#at)
      if (character === '') this.#fail("')' at the end of the comment")
      if (character === '\\') this.#at++
      else if (character === '(') depth++
      else if (character === ')') depth--
    }
    this.#comment = this.#text
      .slice(start, this.#at - 1)
      .replace(/\\(.)/g, '$1')
      .trim()
    if (this.#words.length > 0) this.#words.push({ text: ' ', quoted: false })
  }

  #startGroup(at: number): void {
    if (this.#group !== undefined) this.#fail('no group inside a group', at)
    if (this.#angle !== undefined || this.#words.length === 0) this.#fail('the name of the group', at)
    this.#group = { name: this.#phrase(), members: [] }
    this.#reset()
  }

  #endGroup(at: number): void {
    if (this.#group === undefined) this.#fail("',' between addresses, not ';'", at)
    this.#endEntry()
    this.#entries.push({ kind: 'group', name: this.#group.name, members: this.#group.members })
    this.#group = undefined
    if (this.#entries.length > addressesMax) this.#fail(`at most ${addressesMax} addresses`)
  }

  #endEntry(): void {
    const written = this.#words
      .map((word) => word.text)
      .join('')
      .trim()
    // RFC 5322 section 4.4: an empty member is obsolete, and harmless.
    if (this.#angle === undefined && written === '') return this.#reset()
    const name = this.#angle === undefined ? this.#decoded(this.#comment) : this.#phrase()
    const mailbox = readMailbox((this.#angle ?? written).trim(), this.#field)
    const entry: NamedMailbox = { kind: 'mailbox', name, mailbox }
    if (this.#group === undefined) this.#entries.push(entry)
    else this.#group.members.push(entry)
    if (this.#entries.length > addressesMax) this.#fail(`at most ${addressesMax} addresses`)
    this.#reset()
  }

  /** A name in header syntax may have encoded-words; its author means what they say. */
  #phrase(): HeaderText {
    const text = this.#words
      .map((word) => (word.quoted ? word.text.slice(1, -1).replace(/\\(.)/g, '$1') : decodeWords(word.text)))
      .join('')
    return headerText(text.trim() === '' ? this.#decoded(this.#comment) : text.trim())
  }

  #decoded(text: string): HeaderText {
    return headerText(decodeWords(text))
  }

  #reset(): void {
    this.#words = []
    this.#angle = undefined
    this.#comment = ''
  }

  #fail(expected: string, at = this.#at): never {
    throw new UsageError(
      this.#field,
      `expected ${expected} at character ${at + 1} of ${JSON.stringify(this.#text.slice(0, 100))}`,
    )
  }
}

/** With SMTPUTF8 only where the local-part has other than ASCII; a domain alone goes as A-labels (RFC 5891). */
export const needsSmtputf8 = ({ localPart }: Mailbox): boolean => /[^\x00-\x7f]/.test(localPart)

/** Text of the wire and of the header. */
export const addressText = (mailbox: Mailbox): string =>
  !mailbox.utf8 || needsSmtputf8(mailbox)
    ? mailbox.text
    : `${formatLocalPart(mailbox.localPart)}@${mailbox.domain}`

/** A field of addresses, one after the other, folded between them. '' for none. */
export function writeAddresses(name: string, entries: readonly AddressEntry[]): string {
  if (entries.length === 0) return ''
  const column = name.length + 2
  const items: string[] = []
  for (const entry of entries) {
    if (entry.kind === 'mailbox') items.push(writeMailbox(entry, column))
    else items.push(writeGroup(entry, column))
  }
  return writeItems(name, items, ',')
}

function writeMailbox({ name, mailbox }: NamedMailbox, column: number): string {
  const address = addressText(mailbox)
  if (name.trim() === '') return address
  const phrase = writePhrase(name, column)
  const line = phrase.lastIndexOf('\n') + 1
  const used = phrase.length - line + (line === 0 ? column : 0)
  return `${phrase}${used + 3 + address.length > 76 ? '\r\n' : ''} <${address}>`
}

/** Members stand one to a line where they do not fit. */
function writeGroup({ name, members }: MailboxGroup, column: number): string {
  const head = `${writePhrase(name, column)}:`
  if (members.length === 0) return `${head};`
  const field = writeItems(
    '',
    members.map((member) => writeMailbox(member, 1)),
    ',',
  )
  return `${head}\r\n${field.slice(1, -2)};`
}
