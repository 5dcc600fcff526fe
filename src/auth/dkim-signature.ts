// Owns what a DKIM-Signature or ARC-Message-Signature field says: its tags, checked before any key is asked for. Refuses
// with the word of RFC 8601 and the reason. RFC 6376 sections 3.5 and 6.1.1, RFC 8301, RFC 8463, RFC 8616, RFC 8617
// section 4.1.2.

import { tryParseDomain } from '../base/domain.ts'
import type { Canonicalization, HashName } from './body-hashes.ts'
import type { SignableField } from './header-block.ts'
import { colonList, decodeBase64, parseTagList, type TagList, withoutBlanks } from './tag-list.ts'

export type KeyType = 'rsa' | 'ed25519'
export type SignatureAlgorithm = 'rsa-sha256' | 'ed25519-sha256' | 'rsa-sha1'

export interface SignatureTags {
  readonly algorithm: SignatureAlgorithm
  readonly keyType: KeyType
  readonly hash: HashName
  readonly signature: Buffer
  readonly bodyHash: Buffer
  readonly headerForm: Canonicalization
  readonly bodyForm: Canonicalization
  /** d=, A-labels, lower case. */
  readonly domain: string
  readonly selector: string
  /** i= as it was written, '@' and d= where it is not there. '' for ARC. */
  readonly identity: string
  readonly identityDomain: string
  /** h=, lower case, in order, repeats kept. */
  readonly names: readonly string[]
  /** l= */
  readonly length: number | undefined
  /** t= and x=, epoch seconds. */
  readonly signedAtSeconds: number | undefined
  readonly expiresAtSeconds: number | undefined
  /** The field's text with the value of b= taken out: what was signed (RFC 6376 section 3.7). */
  readonly unsigned: string
  /** The first octets of b=, for Authentication-Results (RFC 6008). */
  readonly prefix: string
}

/** What could be read of a field that is no good, for the report. */
export interface SignatureHints {
  readonly domain: string
  readonly selector: string
  readonly algorithm: string
}

export type ReadSignature =
  | { readonly ok: true; readonly tags: SignatureTags }
  | {
      readonly ok: false
      /** neutral: cannot be read. permerror: something that must be there is not. */
      readonly result: 'neutral' | 'permerror'
      readonly reason: string
      readonly hints: SignatureHints
    }

/** Names in h= beyond this make the signature void. */
const namesMax = 500

const algorithms: Readonly<Record<string, readonly [KeyType, HashName]>> = {
  'rsa-sha256': ['rsa', 'sha256'],
  'ed25519-sha256': ['ed25519', 'sha256'],
  'rsa-sha1': ['rsa', 'sha1'],
}
const isAlgorithm = (text: string): text is SignatureAlgorithm => Object.hasOwn(algorithms, text)
const isForm = (text: string): text is Canonicalization => text === 'simple' || text === 'relaxed'

// sub-domain *( "." sub-domain ) of RFC 5321, and the underscore that some publish.
const selectorText =
  /^(?=.{1,240}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*$/
const digits = /^[0-9]{1,76}$/
const headerName = /^[\x21-\x39\x3c-\x7e]+$/

class Refused extends Error {
  readonly result: 'neutral' | 'permerror'
  constructor(reason: string, result: 'neutral' | 'permerror' = 'neutral') {
    super(reason)
    this.result = result
  }
}

/** Never throws. `kind` ams: an ARC-Message-Signature, whose i= is its instance and which has no v=. */
export function readSignature(field: SignableField, kind: 'dkim' | 'ams'): ReadSignature {
  const list = parseTagList(field.text, field.valueAt)
  if (!list.ok) return refuse('neutral', `syntax: ${list.reason}`, undefined)
  try {
    return { ok: true, tags: readTags(field, list.tags, kind) }
  } catch (error) {
    if (error instanceof Refused) return refuse(error.result, error.message, list.tags)
    throw error
  }
}

function refuse(
  result: 'neutral' | 'permerror',
  reason: string,
  tags: TagList | undefined,
): ReadSignature & { readonly ok: false } {
  const hint = (name: string): string => {
    const value = tags?.get(name)?.value ?? ''
    return /^[\x21-\x7e]{1,253}$/.test(value) ? value : ''
  }
  const domain = tryParseDomain(hint('d'))?.ascii ?? ''
  return { ok: false, result, reason, hints: { domain, selector: hint('s'), algorithm: hint('a') } }
}

function readTags(field: SignableField, tags: TagList, kind: 'dkim' | 'ams'): SignatureTags {
  const optional = (name: string): string | undefined => tags.get(name)?.value
  const required = (name: string): string => {
    const value = optional(name)
    if (value === undefined) throw new Refused(`no ${name}=`, 'permerror')
    return value
  }
  // RFC 6376 section 6.1.1: an incompatible version is refused whatever else is there.
  if (kind === 'dkim' && required('v') !== '1') throw new Refused('v= is not 1')
  const algorithm = required('a')
  if (!isAlgorithm(algorithm)) throw new Refused('an algorithm that is not known')
  const [keyType, hash] = algorithms[algorithm] as readonly [KeyType, HashName]
  // RFC 8617 section 4.1.2: the algorithms of RFC 8301 and 8463, which have no SHA-1.
  if (kind === 'ams' && hash === 'sha1') throw new Refused('an algorithm that ARC does not have')
  const [headerForm = '', bodyForm = 'simple', more] = (optional('c') ?? 'simple/simple').split('/')
  if (!isForm(headerForm) || !isForm(bodyForm) || more !== undefined)
    throw new Refused('a canonicalization that is not known')
  const domain = readDomain(required('d'), 'd')
  const selector = readSelector(required('s'))
  const names = readNames(required('h'))
  // RFC 6376 section 5.4: the From field MUST be signed.
  if (!names.includes('from')) throw new Refused('From is not signed', 'permerror')
  if (kind === 'ams' && names.includes('arc-seal')) throw new Refused('ARC-Seal is signed', 'permerror')
  const methods = optional('q')
  if (methods !== undefined && !colonList(methods).some((one) => one.toLowerCase() === 'dns/txt'))
    throw new Refused('no way to the key that is known')
  const signedAtSeconds = readNumber(optional('t'), 't')
  const expiresAtSeconds = readNumber(optional('x'), 'x')
  // RFC 6376 section 3.5: x= MUST be greater than t=.
  if (signedAtSeconds !== undefined && expiresAtSeconds !== undefined && expiresAtSeconds <= signedAtSeconds)
    throw new Refused('x= is not behind t=')
  const { identity, identityDomain } =
    kind === 'dkim' ? readIdentity(optional('i'), domain) : { identity: '', identityDomain: domain }
  const b = tags.get('b')
  const signature = readBase64(required('b'), 'b')
  return {
    algorithm,
    keyType,
    hash,
    signature,
    bodyHash: readBase64(required('bh'), 'bh'),
    headerForm,
    bodyForm,
    domain,
    selector,
    identity,
    identityDomain,
    names,
    length: readNumber(optional('l'), 'l'),
    signedAtSeconds,
    expiresAtSeconds,
    unsigned: b === undefined ? field.text : field.text.slice(0, b.start) + field.text.slice(b.end),
    prefix: withoutBlanks(b?.value ?? '').slice(0, 8),
  }
}

/** Octets as they came, read as the UTF-8 that RFC 8616 allows. */
const decodeUtf8 = (octets: string): string =>
  /[\x80-\xff]/.test(octets) ? Buffer.from(octets, 'latin1').toString('utf8') : octets

function readDomain(value: string, tag: string): string {
  const domain = value.startsWith('[') ? undefined : tryParseDomain(decodeUtf8(value))
  if (domain === undefined) throw new Refused(`${tag}= has no domain`)
  return domain.ascii
}

function readSelector(value: string): string {
  const selector = decodeUtf8(value)
  if (selectorText.test(selector)) return selector.toLowerCase()
  const labels = tryParseDomain(selector)
  if (labels === undefined || selector.startsWith('[')) throw new Refused('s= is no selector')
  return labels.ascii
}

function readNames(value: string): readonly string[] {
  const names = value.toLowerCase().split(':')
  if (names.length > namesMax) throw new Refused('h= names too many fields')
  return names.flatMap((part) => {
    const name = withoutBlanks(part)
    // Beyond the grammar, for signers that leave a gap in their list: it selects nothing.
    if (name === '') return []
    if (!headerName.test(name)) throw new Refused('h= has what is no field name')
    return [name]
  })
}

/** Beyond 15 digits it is as good as infinite (RFC 6376 section 3.5, x=). */
function readNumber(value: string | undefined, tag: string): number | undefined {
  if (value === undefined) return undefined
  if (!digits.test(value)) throw new Refused(`${tag}= is no number`)
  return value.length > 15 ? Number.MAX_SAFE_INTEGER : Number(value)
}

function readBase64(value: string, tag: string): Buffer {
  const octets = decodeBase64(value)
  if (octets === undefined) throw new Refused(value === '' ? `${tag}= is empty` : `${tag}= is not base64`)
  return octets
}

/** i=: [ Local-part ] "@" domain, in dkim-quoted-printable; d= or a domain below it (RFC 6376 section 3.5). */
function readIdentity(
  value: string | undefined,
  domain: string,
): { readonly identity: string; readonly identityDomain: string } {
  if (value === undefined) return { identity: `@${domain}`, identityDomain: domain }
  const written = withoutBlanks(value)
  const decoded = decodeUtf8(
    written.replace(/=([0-9A-F]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16))),
  )
  const identityDomain = readDomain(decoded.slice(decoded.lastIndexOf('@') + 1), 'i')
  if (!decoded.includes('@')) throw new Refused('i= has no @')
  if (identityDomain !== domain && !identityDomain.endsWith(`.${domain}`))
    throw new Refused('i= is not below d=', 'permerror')
  return { identity: written, identityDomain }
}
