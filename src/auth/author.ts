// Owns the gate before DMARC: whose message does it say it is. One domain, and the same for every reader, or none: several
// From fields, a name with white space before its colon, an address that hides in an encoded-word or a comment, and a list
// of several domains give a problem, never a guess. RFC 9989 section 5.3.1, RFC 5322 section 3.6.2, RFC 6854, RFC 7489
// section 6.6.1 (what earlier receivers did).

import { tryParseDomain } from '../base/domain.ts'
import { decodeWords } from '../message/encoded-words.ts'
import { flattenAddresses, parseHeaderAddresses } from '../message/header-addresses.ts'
import type { HeaderBlock, SignableField } from './header-block.ts'
import { parseStrictAddresses } from './strict-addresses.ts'

export type AuthorProblem =
  /** The header is none: bare line ends, NUL, a line that is no field, too long. */
  | 'broken-header'
  | 'no-from'
  | 'several-from'
  /** `From :`, or a fold between name and colon. */
  | 'space-before-colon'
  /** No reader could say which addresses there are. */
  | 'malformed'
  /** An empty group, or an address literal. */
  | 'no-domain'
  | 'several-domains'
  /** Another reader would see another domain: behind an encoded-word, a comment or a route. */
  | 'hidden-address'

export type Author =
  | {
      readonly ok: true
      /** A-labels, lower case. */
      readonly domain: string
      readonly addresses: readonly string[]
      /** The field breaks the grammar, but every reader finds this one domain. */
      readonly isLenient: boolean
    }
  | {
      readonly ok: false
      readonly problem: AuthorProblem
      /** What could be read, for the timeline. */
      readonly domains: readonly string[]
    }

/** Octets of a From field beyond this are not read. */
const fromBytesMax = 16_384

/** Never throws. */
export function readAuthor(header: HeaderBlock): Author {
  const refuse = (problem: AuthorProblem, domains: readonly string[] = []): Author => ({
    ok: false,
    problem,
    domains,
  })
  const [field, ...more] = header.named('from')
  if (header.defect !== undefined) return refuse('broken-header')
  if (field === undefined) return refuse('no-from')
  if (more.length > 0)
    return refuse('several-from', [...new Set(header.named('from').slice(0, 20).flatMap(seenDomains))])
  if (/[ \t]:$/.test(field.text.slice(0, field.valueAt)))
    return refuse('space-before-colon', seenDomains(field))
  if (field.text.length > fromBytesMax) return refuse('malformed')
  const value = utf8(field.value)
  const strict = parseStrictAddresses(value)
  if (!strict.ok) {
    const seen = seenDomains(field)
    // Senders break the grammar without harm: `a@b.test <a@b.test>`. One domain wherever an `@` stands is no attack, as
    // long as it stands there for those too who decode nothing.
    const [domain] = seenIn([value])
    if (domain === undefined || seen.length > 1 || !isName(domain)) return refuse('malformed', seen)
    return { ok: true, domain, addresses: [], isLenient: true }
  }
  const domains = [...new Set(strict.mailboxes.map((mailbox) => mailbox.domain))]
  const [domain] = domains
  if (domain === undefined || domains.some((one) => !isName(one))) return refuse('no-domain', domains)
  if (domains.length > 1) return refuse('several-domains', domains)
  const hidden = otherReadings(value).filter((one) => one !== domain)
  if (hidden.length > 0) return refuse('hidden-address', [domain, ...hidden])
  return { ok: true, domain, addresses: strict.mailboxes.map((mailbox) => mailbox.text), isLenient: false }
}

const isName = (domain: string): boolean =>
  !domain.startsWith('[') && domain.includes('.') && tryParseDomain(domain)?.ascii === domain

const utf8 = (octets: string): string =>
  /[\x80-\xff]/.test(octets) ? Buffer.from(octets, 'latin1').toString('utf8') : octets

/** Domains that readers find who decode before they read, or know no comments. All others see what the strict one sees. */
function otherReadings(value: string): readonly string[] {
  const readings: string[] = []
  if (value.includes('=?')) readings.push(decodeWords(value))
  if (value.includes('(')) readings.push(value.replace(/[()]/g, ' '))
  return [...new Set(readings.flatMap(domainsOf))]
}

const domainsOf = (text: string): readonly string[] =>
  flattenAddresses(parseHeaderAddresses(text, 200)).flatMap(({ address }) => {
    const at = address.lastIndexOf('@')
    const domain = at === -1 ? undefined : tryParseDomain(address.slice(at + 1))
    return domain === undefined ? [] : [domain.ascii]
  })

// What stands behind any `@`, whatever is around it.
const behindAt = /@[ \t]*([^\s@<>()[\],;:"\\]{1,255})/g

/** Every domain that anybody could see in the field, in any reading. */
function seenDomains(field: SignableField): readonly string[] {
  const value = utf8(field.value.slice(0, fromBytesMax))
  return seenIn(value.includes('=?') ? [value, decodeWords(value)] : [value])
}

function seenIn(texts: readonly string[]): readonly string[] {
  const found = texts.flatMap((text) =>
    [...text.matchAll(behindAt)].map(([, written = '']) => {
      const domain = written.replace(/\.$/, '')
      return tryParseDomain(domain)?.ascii ?? domain.toLowerCase()
    }),
  )
  return [...new Set([...found, ...texts.flatMap(domainsOf)])].slice(0, 20)
}
