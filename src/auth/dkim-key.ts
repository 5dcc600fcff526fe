// Owns key records: what a TXT record under `_domainkey` says, and the public key in it, made once per record text. Looks
// keys up with a bound on what one message may ask. RFC 6376 sections 3.6.1, 3.6.2 and 6.1.2, RFC 8301 section 3.2,
// RFC 8463 section 4.

import { createPublicKey, type KeyObject } from 'node:crypto'
import type { Resolver } from '../dns/resolver.ts'
import type { HashName } from './body-hashes.ts'
import type { KeyType, SignatureTags } from './dkim-signature.ts'
import { colonList, decodeBase64, parseTagList } from './tag-list.ts'

export interface DkimKey {
  readonly keyType: KeyType
  readonly key: KeyObject
  /** RSA: bits of the modulus; Ed25519: 256. */
  readonly bits: number
  /** h=; undefined: all. */
  readonly hashes: readonly string[] | undefined
  /** t=y */
  readonly testing: boolean
  /** t=s: i= has the very domain of d=. */
  readonly strictIdentity: boolean
}

export type ReadKey =
  | { readonly ok: true; readonly key: DkimKey }
  /** other: no key record at all, as a wildcard's SPF text. */
  | { readonly ok: false; readonly other: boolean; readonly reason: string }

export const keyRecordBytesMax = 8192

const cache = new Map<string, ReadKey>()
const cacheMax = 1000

/** The record's strings joined. Never throws. Keys are kept by their text, the least used go. */
export function readKeyRecord(text: string): ReadKey {
  const known = cache.get(text)
  if (known !== undefined) {
    cache.delete(text)
    cache.set(text, known)
    return known
  }
  const read = parseKeyRecord(text)
  if (cache.size >= cacheMax) for (const oldest of cache.keys()) if (cache.delete(oldest)) break
  if (text.length <= keyRecordBytesMax) cache.set(text, read)
  return read
}

const bad = (reason: string, other = false): ReadKey => ({ ok: false, other, reason })

function parseKeyRecord(text: string): ReadKey {
  if (text.length > keyRecordBytesMax) return bad('the key record is too long')
  const list = parseTagList(text)
  if (!list.ok) return bad(`the key record: ${list.reason}`, !/(?:^|;)[ \t]*p[ \t]*=/.test(text))
  const { tags } = list
  const value = (name: string): string | undefined => tags.get(name)?.value
  const p = value('p')
  const version = value('v')
  // RFC 6376 section 3.6.1: v= MUST be the first tag, and a record with another value is discarded.
  if (version !== undefined && (version !== 'DKIM1' || tags.keys().next().value !== 'v'))
    return bad('the key record: v= is not DKIM1', true)
  if (p === undefined) return bad('the key record: no p=', version === undefined)
  const services = value('s')
  if (services !== undefined && !colonList(services).some((one) => one === '*' || one === 'email'))
    return bad('the key is not for mail')
  if (p === '') return bad('the key was revoked')
  const keyType = value('k') ?? 'rsa'
  if (keyType !== 'rsa' && keyType !== 'ed25519') return bad('a key of a type that is not known')
  const octets = decodeBase64(p)
  const key = octets === undefined ? undefined : keyType === 'rsa' ? readRsa(octets) : readEd25519(octets)
  if (key === undefined) return bad('p= has no key')
  const flags = colonList(value('t') ?? '')
  const hashes = value('h')
  return {
    ok: true,
    key: {
      keyType,
      key: key.key,
      bits: key.bits,
      hashes: hashes === undefined ? undefined : colonList(hashes),
      testing: flags.includes('y'),
      strictIdentity: flags.includes('s'),
    },
  }
}

interface KeyAndBits {
  readonly key: KeyObject
  readonly bits: number
}

/** Exponents above this cost a verifier as much as a signature, and nobody has them. */
const exponentMax = 2n ** 32n

/** RFC 6376 section 3.6.1 has RSAPublicKey, everybody publishes SubjectPublicKeyInfo (erratum 3017): both. */
function readRsa(der: Buffer): KeyAndBits | undefined {
  const key = importKey(der, 'spki') ?? importKey(der, 'pkcs1')
  const { modulusLength, publicExponent } = key?.asymmetricKeyDetails ?? {}
  if (key?.asymmetricKeyType !== 'rsa' || modulusLength === undefined || publicExponent === undefined)
    return undefined
  return publicExponent > exponentMax ? undefined : { key, bits: modulusLength }
}

function importKey(key: Buffer, type: 'spki' | 'pkcs1'): KeyObject | undefined {
  try {
    return createPublicKey({ key, format: 'der', type })
  } catch {
    return undefined
  }
}

const ed25519Prefix = Buffer.from('302a300506032b6570032100', 'hex')

/** RFC 8463 section 4: the 32 octets themselves. Some publish SubjectPublicKeyInfo. */
function readEd25519(octets: Buffer): KeyAndBits | undefined {
  const key = importKey(octets.length === 32 ? Buffer.concat([ed25519Prefix, octets]) : octets, 'spki')
  return key?.asymmetricKeyType === 'ed25519' ? { key, bits: 256 } : undefined
}

export type FoundKeys =
  | { readonly kind: 'keys'; readonly keys: readonly DkimKey[]; readonly secure: boolean }
  | { readonly kind: 'none' | 'temporary'; readonly reason: string }

/** Records of one name beyond this are not looked at (RFC 6376 section 6.1.2 step 3 lets a verifier choose). */
const recordsMax = 4

/** The keys that one message asks for: each name once. */
export class KeySource {
  readonly #resolver: Pick<Resolver, 'txt'>
  readonly #signal: AbortSignal | undefined
  readonly #known = new Map<string, Promise<FoundKeys>>()

  constructor(resolver: Pick<Resolver, 'txt'>, signal: AbortSignal | undefined) {
    this.#resolver = resolver
    this.#signal = signal
  }

  /** Never rejects. */
  find(domain: string, selector: string): Promise<FoundKeys> {
    const name = `${selector}._domainkey.${domain}`
    let found = this.#known.get(name)
    if (found === undefined) {
      found = this.#ask(name)
      this.#known.set(name, found)
    }
    return found
  }

  async #ask(name: string): Promise<FoundKeys> {
    try {
      const options = this.#signal === undefined ? {} : { signal: this.#signal }
      const answer = await this.#resolver.txt(name, options)
      if (answer.kind === 'temporary') return { kind: 'temporary', reason: `key: ${answer.reason}` }
      return answer.kind === 'none' ? { kind: 'none', reason: 'no key' } : keysOf(answer)
    } catch (error) {
      if (this.#signal?.aborted) return { kind: 'temporary', reason: 'key: no time left' }
      return { kind: 'temporary', reason: `key: ${error instanceof Error ? error.name : 'lookup failed'}` }
    }
  }
}

function keysOf({
  records,
  secure,
}: {
  readonly records: readonly string[]
  readonly secure: boolean
}): FoundKeys {
  const read = records.slice(0, recordsMax).map(readKeyRecord)
  const keys = read.flatMap((one) => (one.ok ? [one.key] : []))
  if (keys.length > 0) return { kind: 'keys', keys, secure }
  const broken = read.find((one) => !one.ok && !one.other) ?? read[0]
  return { kind: 'none', reason: broken?.ok === false ? broken.reason : 'no key' }
}

/** Why `key` may not be used for this signature (RFC 6376 section 6.1.2), or undefined. */
export function keyMismatch(key: DkimKey, tags: SignatureTags): string | undefined {
  if (key.keyType !== tags.keyType) return `the key is for ${key.keyType}`
  const hash: HashName = tags.hash
  if (key.hashes !== undefined && !key.hashes.includes(hash)) return `the key is not for ${hash}`
  if (key.strictIdentity && tags.identityDomain !== tags.domain)
    return 'i= is below d=, which the key forbids'
  return undefined
}
