// Owns tag lists, the "a=b; c=d" of DKIM signatures, ARC fields, key records, DMARC and TLS-RPT records: strict and linear.
// A tag that comes twice, an empty tag or a stray octet makes the whole list void. RFC 6376 section 3.2, RFC 8616 section 4.

export interface Tag {
  readonly name: string
  /** Without the white space around it; folds inside are kept. */
  readonly value: string
  /** Where the value stands in the text, white space around it included: behind `=`, up to `;` or the end. */
  readonly start: number
  readonly end: number
}

export type TagList = ReadonlyMap<string, Tag>

export type ReadTagList =
  | { readonly ok: true; readonly tags: TagList }
  | { readonly ok: false; readonly reason: string }

/** Tags beyond this make the list void: none of the standards has half as many. */
const tagsMax = 64

const tagName = /^[A-Za-z][A-Za-z0-9_]*$/
// VALCHAR and folding white space; octets above 127 are UTF-8 where RFC 8616 allows it.
const tagValue = /^[\x21-\x3a\x3c-\x7e\x80-\uffff \t\r\n]*$/

const blank = (code: number): boolean => code === 32 || code === 9 || code === 13 || code === 10

/** Without folding white space at both ends: String's own trim would take more. */
export function trimBlanks(text: string, from = 0, to = text.length): string {
  let start = from
  let end = to
  while (start < end && blank(text.charCodeAt(start))) start++
  while (end > start && blank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

/** The caller has bounded `text`. Tag names are case-sensitive. */
export function parseTagList(text: string, from = 0): ReadTagList {
  const tags = new Map<string, Tag>()
  for (let at = from; at <= text.length; ) {
    const semicolon = text.indexOf(';', at)
    const end = semicolon === -1 ? text.length : semicolon
    const equals = text.indexOf('=', at)
    if (equals === -1 || equals >= end) {
      // Only the end may be empty: tag-list = tag-spec *( ";" tag-spec ) [ ";" ]
      if (semicolon === -1 && tags.size > 0 && trimBlanks(text, at) === '') break
      return { ok: false, reason: tags.size === 0 && semicolon === -1 ? 'no tags' : 'a tag without "="' }
    }
    const name = trimBlanks(text, at, equals)
    const value = trimBlanks(text, equals + 1, end)
    if (!tagName.test(name)) return { ok: false, reason: 'not a tag name' }
    if (!tagValue.test(value)) return { ok: false, reason: `an octet that no value has, in ${name}=` }
    // RFC 6376 section 3.2: tags with duplicate names MUST NOT occur; the entire list is invalid.
    if (tags.has(name)) return { ok: false, reason: `${name}= comes twice` }
    if (tags.size === tagsMax) return { ok: false, reason: 'too many tags' }
    tags.set(name, { name, value, start: equals + 1, end })
    at = end + 1
  }
  return { ok: true, tags }
}

const folds = /[ \t\r\n]+/g

/** A value in which white space means nothing, as in base64 and lists. */
export const withoutBlanks = (value: string): string =>
  value.includes(' ') || value.includes('\t') || value.includes('\n') ? value.replace(folds, '') : value

/** A colon-separated list, white space around the colons dropped. */
export const colonList = (value: string): readonly string[] =>
  value.split(':').map((part) => trimBlanks(part))

const base64 = /^[A-Za-z0-9+/]+={0,2}$/

/**
 * RFC 6376 section 3.5 (base64string): white space anywhere, nothing else foreign; padding may be missing.
 * Undefined for what is not base64.
 */
export function decodeBase64(value: string): Buffer | undefined {
  const packed = withoutBlanks(value)
  if (!base64.test(packed)) return undefined
  const digits = packed.length - (packed.endsWith('==') ? 2 : packed.endsWith('=') ? 1 : 0)
  if (digits % 4 === 1 || (digits !== packed.length && packed.length % 4 !== 0)) return undefined
  return Buffer.from(packed, 'base64')
}
