// Owns the shape of an ARC chain: the sets of a header, each whole and in order, their seals read strictly, and the text
// that a seal signs. It verifies nothing. RFC 8617 sections 3.9, 4.1, 4.2.1, 5.1.1 and 5.2 steps 1 to 3.

import { tryParseDomain } from '../base/domain.ts'
import type { KeyType } from './dkim-signature.ts'
import { type HeaderBlock, relaxField, type SignableField } from './header-block.ts'
import { decodeBase64, parseTagList } from './tag-list.ts'

/** RFC 8617 section 4.2.1: at most so many sets. */
export const arcSetsMax = 50

export type ChainStatus = 'none' | 'pass' | 'fail'

export interface ArcSeal {
  readonly field: SignableField
  readonly keyType: KeyType
  readonly algorithm: string
  readonly domain: string
  readonly selector: string
  readonly cv: ChainStatus
  readonly signature: Buffer
  /** The field's text with the value of b= taken out. */
  readonly unsigned: string
}

export interface ArcSet {
  readonly instance: number
  readonly results: SignableField
  readonly signature: SignableField
  readonly seal: ArcSeal
}

export type ReadChain =
  | { readonly kind: 'none' }
  | { readonly kind: 'sets'; readonly sets: readonly ArcSet[] }
  /** `highest` is the highest instance that was seen, 0 where none could be read. */
  | { readonly kind: 'broken'; readonly reason: string; readonly highest: number }

interface Half {
  results?: SignableField
  signature?: SignableField
  seal?: SignableField
}

/** Never throws. */
export function readChain(header: HeaderBlock): ReadChain {
  const results = header.named('arc-authentication-results')
  const signatures = header.named('arc-message-signature')
  const seals = header.named('arc-seal')
  if (results.length + signatures.length + seals.length === 0) return { kind: 'none' }
  let highest = 0
  const broken = (reason: string): ReadChain => ({ kind: 'broken', reason, highest })
  if (header.defect !== undefined) return broken(header.defect)
  if (Math.max(results.length, signatures.length, seals.length) > arcSetsMax) return broken('too many sets')
  const halves = new Map<number, Half>()
  for (const [part, fields] of [
    ['results', results],
    ['signature', signatures],
    ['seal', seals],
  ] as const)
    for (const field of fields) {
      const instance = part === 'results' ? resultsInstance(field) : tagInstance(field)
      if (instance === undefined) return broken(`${fieldNames[part]} without i=`)
      highest = Math.max(highest, instance)
      const half = halves.get(instance) ?? {}
      if (half[part] !== undefined) return broken(`${fieldNames[part]} twice with i=${instance}`)
      half[part] = field
      halves.set(instance, half)
    }
  const sets: ArcSet[] = []
  for (let instance = 1; instance <= highest; instance++) {
    const half = halves.get(instance)
    if (half?.results === undefined || half.signature === undefined || half.seal === undefined)
      return broken(`the set i=${instance} is not whole`)
    const seal = readSeal(half.seal)
    if (typeof seal === 'string') return broken(`ARC-Seal i=${instance}: ${seal}`)
    sets.push({ instance, results: half.results, signature: half.signature, seal })
  }
  return { kind: 'sets', sets }
}

const fieldNames = {
  results: 'ARC-Authentication-Results',
  signature: 'ARC-Message-Signature',
  seal: 'ARC-Seal',
} as const

const position = /^[0-9]{1,2}$/

function instanceOf(digits: string): number | undefined {
  const instance = position.test(digits) ? Number(digits) : 0
  return instance >= 1 && instance <= arcSetsMax ? instance : undefined
}

function tagInstance(field: SignableField): number | undefined {
  const list = parseTagList(field.text, field.valueAt)
  return list.ok ? instanceOf(list.tags.get('i')?.value ?? '') : undefined
}

// RFC 8617 section 4.1.1: arc-info = instance [CFWS] ";" authres-payload. Comments there are nobody's.
const leadingInstance = /^[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,2})[ \t\r\n]*;/

const resultsInstance = (field: SignableField): number | undefined =>
  instanceOf(leadingInstance.exec(field.text.slice(field.valueAt, field.valueAt + 256))?.[1] ?? '')

const isStatus = (text: string): text is ChainStatus => text === 'none' || text === 'pass' || text === 'fail'

/** RFC 8617 section 4.1.3. A text says what is wrong. */
function readSeal(field: SignableField): ArcSeal | string {
  const list = parseTagList(field.text, field.valueAt)
  if (!list.ok) return list.reason
  const value = (name: string): string => list.tags.get(name)?.value ?? ''
  // The seal covers what it covers: h= MUST make it invalid.
  if (list.tags.has('h')) return 'h= has no place here'
  const algorithm = value('a')
  if (algorithm !== 'rsa-sha256' && algorithm !== 'ed25519-sha256') return 'an algorithm that is not known'
  const cv = value('cv').toLowerCase()
  if (!isStatus(cv)) return 'cv= is none of none, pass and fail'
  const domain = tryParseDomain(value('d'))
  if (domain === undefined || domain.ascii.startsWith('[')) return 'd= has no domain'
  const selector = value('s')
  if (!/^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,200})$/.test(selector)) return 's= is no selector'
  const t = list.tags.get('t')?.value
  if (t !== undefined && !/^[0-9]{1,20}$/.test(t)) return 't= is no number'
  const b = list.tags.get('b')
  const signature = decodeBase64(b?.value ?? '')
  if (b === undefined || signature === undefined) return 'b= is not base64'
  return {
    field,
    keyType: algorithm === 'rsa-sha256' ? 'rsa' : 'ed25519',
    algorithm,
    domain: domain.ascii,
    selector: selector.toLowerCase(),
    cv,
    signature,
    unsigned: field.text.slice(0, b.start) + field.text.slice(b.end),
  }
}

/** What the sets sign in front of the seal that is looked at: all three fields of each, relaxed, with line ends. */
export const sealedText = (sets: readonly ArcSet[]): string =>
  sets
    .map((set) => `${set.results.relaxed}\r\n${set.signature.relaxed}\r\n${set.seal.field.relaxed}\r\n`)
    .join('')

/** RFC 8617 section 5.1.1: the seal of `set` signs the sets before it, then its own without the value of b=. */
export function sealOctets(before: string, set: ArcSet): Buffer {
  const { field, unsigned } = set.seal
  const own = relaxField(field.name, unsigned, field.valueAt)
  return Buffer.from(`${before}${set.results.relaxed}\r\n${set.signature.relaxed}\r\n${own}`, 'latin1')
}
