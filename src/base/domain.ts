// Owns domain names and address literals as mail writes them: grammar, limits, IDNA. Looks nothing up.
// RFC 5321 sections 4.1.2, 4.1.3 and 4.5.3.1.2, RFC 6531 section 3.3 (U-labels), RFC 5890 and 5891 (IDNA2008).

import { domainToASCII, domainToUnicode } from 'node:url'
import { ParseError } from './cursor.ts'
import { canonicalIpv6 } from './ip.ts'

export interface Domain {
  /** Lower-case A-labels, or a canonical address literal. What is compared and looked up. */
  readonly ascii: string
  /** As it was written, U-labels in NFC; a literal in its canonical form. */
  readonly text: string
  /** `text` has non-ASCII characters. */
  readonly utf8: boolean
}

// Presentation form of 255 octets on the DNS wire; RFC 5321 section 4.5.3.1.2 counts 255.
const domainOctetsMax = 253
const labelOctetsMax = 63
const asciiName = /^[\x00-\x7f]*$/
const ldhLabel = /^[A-Za-z0-9-]+$/

/** Parsed domains by the text they were given as, dropped all at once when full: mail repeats its domains. */
const cache = new Map<string, Domain>()
const cacheMax = 2048

/** A domain name or an address literal in brackets.
 * @throws ParseError; kind 'utf8' for a U-label where `utf8` is false (default true) */
export function parseDomain(text: string, options?: { readonly utf8?: boolean }): Domain {
  const domain = cache.get(text) ?? remember(text)
  if (domain.utf8 && options?.utf8 === false) throw new ParseError(0, 'an ASCII domain (no SMTPUTF8)', 'utf8')
  return domain
}

/** As {@link parseDomain}, undefined where that throws. */
export function tryParseDomain(text: string, options?: { readonly utf8?: boolean }): Domain | undefined {
  try {
    return parseDomain(text, options)
  } catch (error) {
    if (error instanceof ParseError) return undefined
    throw error
  }
}

function remember(text: string): Domain {
  // In UTF-16 units a name is never longer than in octets of its A-labels.
  if (text.length > domainOctetsMax + 10) throw new ParseError(domainOctetsMax, 'a shorter domain', 'length')
  const domain = text.startsWith('[') ? parseLiteral(text) : parseName(text)
  if (cache.size >= cacheMax) cache.clear()
  // A slice would keep the whole line it came from alive.
  cache.set(Buffer.from(text).toString(), domain)
  return domain
}

function parseName(written: string): Domain {
  const utf8 = !asciiName.test(written)
  const text = utf8 ? written.normalize('NFC') : written
  const labels = text.split('.')
  let at = 0
  let ascii = ''
  for (const label of labels) {
    const converted = asciiName.test(label) ? checkedLabel(label, at) : checkedULabel(label, at)
    ascii += ascii === '' ? converted : `.${converted}`
    at += label.length + 1
  }
  if (ascii.length > domainOctetsMax)
    throw new ParseError(0, `a domain of at most ${domainOctetsMax} octets`, 'length')
  // RFC 3696 section 2: a top-level domain is never all digits; `user@192.0.2.1` lacks its brackets.
  if (/(?:^|\.)\d+$/.test(ascii))
    throw new ParseError(text.lastIndexOf('.') + 1, 'a top-level domain that is not a number')
  return { ascii, text, utf8: utf8 && !asciiName.test(text) }
}

/** RFC 5321 section 4.1.2: sub-domain = Let-dig [Ldh-str]; RFC 1035 section 2.3.4: 63 octets. */
function checkedLabel(label: string, at: number): string {
  if (!ldhLabel.test(label)) {
    const bad = label.search(/[^A-Za-z0-9-]/)
    throw new ParseError(at + Math.max(0, bad), 'a letter, a digit or a hyphen')
  }
  if (label.startsWith('-')) throw new ParseError(at, 'a letter or a digit')
  if (label.endsWith('-')) throw new ParseError(at + label.length - 1, 'a letter or a digit')
  if (label.length > labelOctetsMax)
    throw new ParseError(at, `a label of at most ${labelOctetsMax} octets`, 'length')
  return label.toLowerCase()
}

/**
 * One U-label to its A-label. domainToASCII follows WHATWG: it would also map full-width letters and drop soft hyphens,
 * split at U+3002, undo %41 and turn digits into IPv4 addresses. So: ASCII in the label is checked first, the result must be
 * an A-label, and that must read back as what was written but for case (RFC 5891 sections 4.2.1 and 5.4).
 */
function checkedULabel(label: string, at: number): string {
  if (/[\x00-\x2c\x2f\x3a-\x40\x5b-\x60\x7b-\x9f]/.test(label))
    throw new ParseError(at, 'a U-label of letters, digits and hyphens')
  // RFC 5891 section 4.2.3.1: no hyphen first, last, or third and fourth.
  if (/^-|^..--|-$/u.test(label)) throw new ParseError(at, 'a U-label with its hyphens elsewhere')
  const ascii = domainToASCII(label)
  if (!/^xn--[a-z0-9-]+$/.test(ascii) || !sameLabel(domainToUnicode(ascii), label))
    throw new ParseError(at, 'a valid U-label')
  if (ascii.length > labelOctetsMax)
    throw new ParseError(at, `a label of at most ${labelOctetsMax} octets as an A-label`, 'length')
  return ascii
}

// Character by character: String's lower case of a final capital sigma depends on its place in the word.
const sameLabel = (one: string, other: string): boolean =>
  one === other ||
  one ===
    Array.from(other, (c) => c.toLowerCase())
      .join('')
      .normalize('NFC')

// RFC 5321 section 4.1.3: Snum = 1*3DIGIT, decimal even with leading zeros.
const ipv4Literal = /^\[(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\]$/

/**
 * RFC 5321 section 4.1.3. General-address-literals need a tag registered by a standards-track RFC; IPv6 is the only one, so
 * every other tag is refused. Accepted beyond the grammar: `::` for a single group, as old systems write it.
 */
function parseLiteral(text: string): Domain {
  const v4 = ipv4Literal.exec(text)
  if (v4 !== null) {
    const octets = v4.slice(1).map(Number)
    if (octets.some((octet) => octet > 255)) throw new ParseError(1, 'octets of 0 to 255')
    const canonical = `[${octets.join('.')}]`
    return { ascii: canonical, text: canonical, utf8: false }
  }
  if (!text.endsWith(']')) throw new ParseError(text.length, "']'")
  if (text.slice(1, 6).toLowerCase() !== 'ipv6:')
    throw new ParseError(1, "an IPv4 address, or 'IPv6:' and an IPv6 address")
  const v6 = canonicalIpv6(text.slice(6, -1))
  if (v6 === undefined) throw new ParseError(6, 'an IPv6 address')
  const canonical = `[IPv6:${v6}]`
  return { ascii: canonical, text: canonical, utf8: false }
}

/** `[192.0.2.1]` or `[IPv6:2001:db8::1]` for a canonical address, as HELO and Received write it. */
export function formatAddressLiteral(address: string): string {
  return address.includes(':') ? `[IPv6:${address}]` : `[${address}]`
}

/** The address in a canonical literal: `[IPv6:::1]` is '::1'; undefined for a name. */
export function literalAddress(domain: string): string | undefined {
  if (!domain.startsWith('[')) return undefined
  return domain.startsWith('[IPv6:') ? domain.slice(6, -1) : domain.slice(1, -1)
}

/** A-labels as U-labels, for people; never for the wire. */
export function displayDomain(ascii: string): string {
  if (!ascii.includes('xn--')) return ascii
  return ascii
    .split('.')
    .map((label) => (label.startsWith('xn--') ? domainToUnicode(label) || label : label))
    .join('.')
}
