// Owns what a domain's TXT records for mail look like, for showing to people: SPF, DMARC, MTA-STS (record and policy) and
// TLS-RPT. Syntax and common mistakes only: nothing is evaluated, no verdict on a message comes from here.
// RFC 7208 (SPF), RFC 7489 (DMARC), RFC 8461 (MTA-STS), RFC 8460 (TLS-RPT).

import { tryParseDomain } from '../base/domain.ts'
import { ipVersion } from '../base/ip.ts'

/** `problems` in words; none: it looks right. */
export interface SpfLook {
  readonly record: string
  /** Of `all`: '-' fail, '~' softfail, '?' neutral, '+' anybody; absent where there is none. */
  readonly all?: '-' | '~' | '?' | '+'
  readonly redirect?: string
  /** Terms of this record that ask DNS; those within an include count too, and are not in it. */
  readonly lookupCount: number
  readonly problems: readonly string[]
}

export interface DmarcLook {
  readonly record: string
  readonly policy?: 'none' | 'quarantine' | 'reject'
  readonly subdomainPolicy?: 'none' | 'quarantine' | 'reject'
  readonly psd?: string
  readonly reportsTo: readonly string[]
  readonly problems: readonly string[]
}

export interface StsRecordLook {
  readonly record: string
  readonly id?: string
  readonly problems: readonly string[]
}

export interface StsPolicyLook {
  readonly mode?: 'enforce' | 'testing' | 'none'
  readonly maxAgeSeconds?: number
  /** Host names, or '*.' and a name. */
  readonly mx: readonly string[]
  readonly problems: readonly string[]
}

export interface TlsRptLook {
  readonly record: string
  readonly reportsTo: readonly string[]
  readonly problems: readonly string[]
}

/** RFC 7208 section 4.5: 'v=spf1' and then a space or the end. */
export const isSpf = (text: string): boolean => /^v=spf1(?: |$)/i.test(text)
/** RFC 7489 section 6.6.3: others are set aside. */
export const isDmarc = (text: string): boolean => /^v=DMARC1[ \t]*(?:;|$)/.test(text)
/** RFC 8461 section 3.1: those that do not begin so are set aside. */
export const isStsRecord = (text: string): boolean => /^v=STSv1[ \t]*(?:;|$)/.test(text)
/** RFC 8460 section 3. */
export const isTlsRpt = (text: string): boolean => /^v=TLSRPTv1[ \t]*(?:;|$)/.test(text)

const termsMax = 100
const problemsMax = 10
/** RFC 7208 section 4.6.4. */
const lookupsMax = 10
const asking = new Set(['include', 'a', 'mx', 'ptr', 'exists', 'redirect'])
const shown = (text: string): string => JSON.stringify(text.slice(0, 60))

export function lookAtSpf(record: string): SpfLook {
  const problems: string[] = []
  let lookupCount = 0
  let all: SpfLook['all']
  let redirect: string | undefined
  const terms = record.split(' ').slice(1).filter(Boolean)
  if (terms.length > termsMax) problems.push(`${terms.length} terms`)
  if (/[^\x20-\x7e]/.test(record)) problems.push('characters that are not ASCII')
  for (const term of terms.slice(0, termsMax)) {
    const modifier = /^([a-z][a-z0-9_.-]*)=(.*)$/i.exec(term)
    const name = (modifier?.[1] ?? /^[-+~?]?([a-z0-9]*)/i.exec(term)?.[1] ?? '').toLowerCase()
    if (asking.has(name)) lookupCount++
    if (modifier !== null) {
      if (name !== 'redirect') continue
      if (redirect !== undefined) problems.push('redirect= twice')
      redirect = modifier[2] ?? ''
      if (redirect === '') problems.push('redirect= names no domain')
      continue
    }
    if (all !== undefined) problems.push(`${shown(term)} stands behind "all", where it is never looked at`)
    if (name === 'all') all = (/^[-~?+]/.exec(term)?.[0] ?? '+') as '-' | '~' | '?' | '+'
    const wrong = spfMechanismProblem(term.replace(/^[-+~?]/, ''), name)
    if (wrong !== undefined) problems.push(wrong)
  }
  if (lookupCount > lookupsMax)
    problems.push(
      `${lookupCount} terms that ask DNS, and ${lookupsMax} are allowed (RFC 7208 section 4.6.4): permerror`,
    )
  return {
    record,
    lookupCount,
    problems: problems.slice(0, problemsMax),
    ...(all !== undefined && { all }),
    ...(redirect !== undefined && { redirect }),
  }
}

/** RFC 7208 section 5. Macros are not looked into. */
function spfMechanismProblem(term: string, name: string): string | undefined {
  const value = term.slice(name.length)
  switch (name) {
    case 'all':
      return value === '' ? undefined : `${shown(term)}: "all" takes nothing`
    case 'include':
    case 'exists':
      return /^:[^/]+\.[^/]+/.test(value) ? undefined : `${shown(term)} names no domain`
    case 'a':
    case 'mx':
      return /^(?::[^/]+)?(?:\/\d{1,2})?(?:\/\/\d{1,3})?$/.test(value)
        ? undefined
        : `${shown(term)} is malformed`
    case 'ptr':
      return '"ptr" is slow and unreliable: do not use it (RFC 7208 section 5.5)'
    case 'ip4':
    case 'ip6': {
      const match = /^:([0-9a-f.:]+)(?:\/(\d{1,3}))?$/i.exec(value)
      const family = name === 'ip4' ? 4 : 6
      const fits =
        match !== null &&
        ipVersion(match[1] ?? '') === family &&
        Number(match[2] ?? 0) <= (family === 4 ? 32 : 128)
      return fits ? undefined : `${shown(term)} is no network`
    }
    default:
      return `${shown(term)} is no mechanism: permerror`
  }
}

/** `tag=value` parts split by semicolons; the first of each name counts, others are problems. */
function readTags(record: string, problems: string[]): ReadonlyMap<string, string> {
  const tags = new Map<string, string>()
  const parts = record.split(';')
  for (const part of parts.slice(0, termsMax)) {
    if (part.trim() === '') continue
    const match = /^\s*([a-z][a-z0-9_-]*)\s*=\s*(.*?)\s*$/is.exec(part.slice(0, 1000))
    const name = match?.[1]?.toLowerCase()
    if (match === null || name === undefined) problems.push(`${shown(part.trim())} is no tag=value`)
    else if (tags.has(name)) problems.push(`${name}= twice`)
    else tags.set(name, match[2] ?? '')
  }
  return tags
}

const isDmarcPolicy = (text: string | undefined): text is 'none' | 'quarantine' | 'reject' =>
  text === 'none' || text === 'quarantine' || text === 'reject'

export function lookAtDmarc(record: string): DmarcLook {
  const problems: string[] = []
  const tags = readTags(record, problems)
  const policy = tags.get('p')?.toLowerCase()
  const subdomainPolicy = tags.get('sp')?.toLowerCase()
  if (policy === undefined) problems.push('p= is missing')
  else if (!isDmarcPolicy(policy)) problems.push(`p=${policy.slice(0, 40)} is no policy`)
  if (subdomainPolicy !== undefined && !isDmarcPolicy(subdomainPolicy))
    problems.push(`sp=${subdomainPolicy.slice(0, 40)} is no policy`)
  for (const name of ['adkim', 'aspf'])
    if (!/^[rs]?$/i.test(tags.get(name) ?? '')) problems.push(`${name}= is r or s`)
  const pct = tags.get('pct')
  if (pct !== undefined && !(/^\d{1,3}$/.test(pct) && Number(pct) <= 100)) problems.push('pct= is 0 to 100')
  const reportsTo = readUris(tags.get('rua'), /^mailto:[^@\s]+@[^@\s]+$/i, problems)
  readUris(tags.get('ruf'), /^mailto:[^@\s]+@[^@\s]+$/i, problems)
  const psd = tags.get('psd')?.toLowerCase()
  return {
    record,
    reportsTo,
    problems: problems.slice(0, problemsMax),
    ...(isDmarcPolicy(policy) && { policy }),
    ...(isDmarcPolicy(subdomainPolicy) && { subdomainPolicy }),
    ...(psd !== undefined && { psd }),
  }
}

function readUris(list: string | undefined, shape: RegExp, problems: string[]): readonly string[] {
  const uris = (list ?? '')
    .split(',')
    .map((uri) => uri.trim())
    .filter(Boolean)
    .slice(0, 20)
  for (const uri of uris) if (!shape.test(uri)) problems.push(`${shown(uri)} cannot take reports`)
  return uris
}

export function lookAtStsRecord(record: string): StsRecordLook {
  const problems: string[] = []
  const id = readTags(record, problems).get('id')
  // RFC 8461 section 3.1: 1*32(ALPHA / DIGIT).
  if (id === undefined || !/^[A-Za-z0-9]{1,32}$/.test(id)) problems.push('id= is 1 to 32 letters and digits')
  return { record, problems, ...(id !== undefined && { id }) }
}

/** RFC 8461 section 3.2. */
export function lookAtStsPolicy(text: string): StsPolicyLook {
  const problems: string[] = []
  const mx: string[] = []
  const fields = new Map<string, string>()
  for (const line of text.split(/\r?\n/).slice(0, 1000)) {
    if (line.trim() === '') continue
    const match = /^([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*(.*?)[ \t]*$/.exec(line.slice(0, 1000))
    if (match === null) problems.push(`${shown(line)} is no "name: value"`)
    else if (match[1] === 'mx') mx.push((match[2] ?? '').toLowerCase())
    else if (!fields.has(match[1] ?? '')) fields.set(match[1] ?? '', match[2] ?? '')
  }
  const mode = fields.get('mode')
  const maxAge = fields.get('max_age')
  if (fields.get('version') !== 'STSv1') problems.push('version: is not STSv1')
  if (mode !== 'enforce' && mode !== 'testing' && mode !== 'none')
    problems.push('mode: is enforce, testing or none')
  if (maxAge === undefined || !/^\d{1,10}$/.test(maxAge) || Number(maxAge) > 31_557_600)
    problems.push('max_age: is 0 to 31557600 seconds')
  if (mx.length === 0 && mode !== 'none') problems.push('no mx: line')
  for (const pattern of mx)
    if (tryParseDomain(pattern.replace(/^\*\./, ''), { utf8: false }) === undefined)
      problems.push(`mx: ${shown(pattern)} is no host name`)
  return {
    mx: mx.slice(0, termsMax),
    problems: problems.slice(0, problemsMax),
    ...((mode === 'enforce' || mode === 'testing' || mode === 'none') && { mode }),
    ...(maxAge !== undefined && /^\d{1,10}$/.test(maxAge) && { maxAgeSeconds: Number(maxAge) }),
  }
}

/** RFC 8461 section 4.1: a wildcard stands for exactly one label. */
export function isStsMatch(host: string, patterns: readonly string[]): boolean {
  const name = host.toLowerCase()
  const parent = name.slice(name.indexOf('.') + 1)
  return patterns.some((one) => (one.startsWith('*.') ? one.slice(2) === parent : one === name))
}

export function lookAtTlsRpt(record: string): TlsRptLook {
  const problems: string[] = []
  const rua = readTags(record, problems).get('rua')
  const reportsTo = readUris(rua, /^(?:mailto:[^@\s]+@[^@\s]+|https:\/\/\S+)$/i, problems)
  if (reportsTo.length === 0) problems.push('rua= is missing')
  return { record, reportsTo, problems: problems.slice(0, problemsMax) }
}
