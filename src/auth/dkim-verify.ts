// Owns DKIM verification: every signature of a message, in one pass over its octets, each with its word of RFC 8601 and
// the reason. Bounded in signatures, keys and header; never throws at what a message or a record says. What would pass but
// is not worth it (SHA-1, short keys, a body or From that is only partly signed) is `policy`, by options.
// RFC 6376 section 6, RFC 8301, RFC 8463, RFC 8601 section 2.7.1.

import { hash, verify } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import type { Resolver } from '../dns/resolver.ts'
import { type BodyHash, BodyHashes } from './body-hashes.ts'
import { type DkimKey, KeySource, keyMismatch } from './dkim-key.ts'
import { readSignature, type SignatureTags } from './dkim-signature.ts'
import { type HeaderBlock, relaxField, type SignableField } from './header-block.ts'
import { MessageIntake, type MessageSource, readInto } from './message-intake.ts'

/** none: the message has no signature. The others speak of one. RFC 8601 section 2.7.1. */
export type DkimWord = 'none' | 'pass' | 'fail' | 'policy' | 'neutral' | 'temperror' | 'permerror'

export interface SignatureRules {
  /** rsa-sha1 may pass. Default false (RFC 8301 section 3.1). */
  readonly allowSha1: boolean
  /** Default 1024 (RFC 8301 section 3.2) and 8192. */
  readonly rsaBitsMin: number
  readonly rsaBitsMax: number
  /** l= may leave a part of the body unsigned, to which anybody can add (RFC 6376 section 8.2). Default false. */
  readonly allowPartialBody: boolean
  /** How far t= may lie ahead. Default 300,000 ms. */
  readonly clockSkewMs: number
}

export interface DkimVerifyOptions {
  readonly resolver: Pick<Resolver, 'txt'>
  readonly clock: Pick<Clock, 'now'>
  /** The deadline: what is not known when it is aborted is temperror. */
  readonly signal?: AbortSignal | undefined
  /** Signatures that are looked at, from the top. Default 10. */
  readonly signaturesMax?: number
  /** Default 1 MiB. */
  readonly headerBytesMax?: number
  readonly rules?: Partial<SignatureRules>
}

export const defaultSignatureRules: SignatureRules = {
  allowSha1: false,
  rsaBitsMin: 1024,
  rsaBitsMax: 8192,
  allowPartialBody: false,
  clockSkewMs: 300_000,
}

/** Plain data. Times in epoch seconds, as they stand in the signature. */
export interface DkimSignatureResult {
  readonly result: Exclude<DkimWord, 'none'>
  /** In words; '' for a pass. */
  readonly reason: string
  /** d=, A-labels; '' where it could not be read, as the next three. */
  readonly domain: string
  readonly selector: string
  readonly algorithm: string
  /** i= or its default. */
  readonly identity: string
  /** 0: no key was found. */
  readonly keyBits: number
  /** The key's t=y: the domain is only trying. */
  readonly testing: boolean
  /** 'relaxed/simple' */
  readonly canonicalization: string
  readonly signedFields: readonly string[]
  /** Fields of the message that the signature does not cover, of a name that h= has. */
  readonly fromFieldsUnsigned: number
  readonly bodyBytesUnsigned: number
  readonly signedAtSeconds?: number
  readonly expiresAtSeconds?: number
  /** The first eight characters of b= (RFC 6008). */
  readonly prefix: string
}

export interface DkimReport {
  /** The best of the signatures: pass, then the first one's word. */
  readonly result: DkimWord
  /** In the order of the message. */
  readonly signatures: readonly DkimSignatureResult[]
  /** Beyond `signaturesMax`. */
  readonly signaturesIgnored: number
  readonly fromFieldCount: number
  /** Why the header is none; of one that is too long nothing is known. */
  readonly defect?: string
}

/** The message has CRLF line ends. Rejects only with what `message` rejects with. */
export async function verifyDkim(message: MessageSource, options: DkimVerifyOptions): Promise<DkimReport> {
  const bodies = new BodyHashes()
  let check: DkimCheck | undefined
  const intake = new MessageIntake({
    headerBytesMax: options.headerBytesMax,
    onHeader: (header) => {
      check = new DkimCheck(header, bodies, options, new KeySource(options.resolver, options.signal))
    },
    onBody: (bytes) => bodies.push(bytes),
  })
  await readInto(intake, message)
  bodies.end()
  return (check as DkimCheck | undefined)?.finish() ?? noSignatures(0)
}

const noSignatures = (fromFieldCount: number): DkimReport => ({
  result: 'none',
  signatures: [],
  signaturesIgnored: 0,
  fromFieldCount,
})

/** Signatures of a message whose header is known and whose body goes by: keys are asked for meanwhile. */
export class DkimCheck {
  readonly #pending: (SignatureCheck | DkimSignatureResult)[]
  readonly #ignored: number
  readonly #fromFieldCount: number
  readonly #defect: string | undefined

  constructor(header: HeaderBlock, bodies: BodyHashes, options: DkimVerifyOptions, keys: KeySource) {
    const rules = { ...defaultSignatureRules, ...options.rules }
    const all = header.named('dkim-signature')
    const looked = all.slice(0, options.signaturesMax ?? 10)
    this.#ignored = all.length - looked.length
    this.#fromFieldCount = header.named('from').length
    this.#defect = header.defect
    this.#pending = looked.map((field) => {
      const problem = headerProblem(header)
      const read = readSignature(field, 'dkim')
      if (!read.ok) return badSignature(read.result, read.reason, read.hints)
      if (problem !== undefined) return badSignature('permerror', problem, read.tags)
      return new SignatureCheck({ header, field, tags: read.tags, bodies, keys, rules, clock: options.clock })
    })
  }

  /** When the body has ended. Never rejects. */
  async finish(): Promise<DkimReport> {
    const signatures: DkimSignatureResult[] = []
    for (const one of this.#pending) signatures.push(one instanceof SignatureCheck ? await one.finish() : one)
    const passed = signatures.find((one) => one.result === 'pass')
    return {
      result: (passed ?? signatures[0])?.result ?? 'none',
      signatures,
      signaturesIgnored: this.#ignored,
      fromFieldCount: this.#fromFieldCount,
      ...(this.#defect !== undefined && { defect: this.#defect }),
    }
  }
}

/** RFC 6376 section 3.8: a signature over what is no message says nothing, for every reader sees another message. */
function headerProblem(header: HeaderBlock): string | undefined {
  if (header.defect !== undefined) return header.defect
  return header.named('from').length === 0 ? 'no From field' : undefined
}

function badSignature(
  result: 'neutral' | 'permerror',
  reason: string,
  hints: { readonly domain: string; readonly selector: string; readonly algorithm: string },
): DkimSignatureResult {
  return {
    result,
    reason,
    domain: hints.domain,
    selector: hints.selector,
    algorithm: hints.algorithm,
    identity: '',
    keyBits: 0,
    testing: false,
    canonicalization: '',
    signedFields: [],
    fromFieldsUnsigned: 0,
    bodyBytesUnsigned: 0,
    prefix: '',
  }
}

export interface SignatureCheckInput {
  readonly header: HeaderBlock
  readonly field: SignableField
  readonly tags: SignatureTags
  readonly bodies: BodyHashes
  readonly keys: KeySource
  readonly rules: SignatureRules
  readonly clock: Pick<Clock, 'now'>
}

interface Verdict {
  readonly result: Exclude<DkimWord, 'none'>
  readonly reason: string
  readonly key?: DkimKey
}

/** One signature, DKIM's or an ARC-Message-Signature. Made when the header is known, finished behind the body. */
export class SignatureCheck {
  readonly #input: SignatureCheckInput
  readonly #body: BodyHash
  readonly #found: ReturnType<KeySource['find']>

  constructor(input: SignatureCheckInput) {
    const { tags } = input
    this.#input = input
    this.#body = input.bodies.request({
      hash: tags.hash,
      canonicalization: tags.bodyForm,
      length: tags.length,
    })
    this.#found = input.keys.find(tags.domain, tags.selector)
  }

  async finish(): Promise<DkimSignatureResult> {
    const { tags, header } = this.#input
    const verdict = await this.#judge()
    return {
      result: verdict.result,
      reason: verdict.reason,
      domain: tags.domain,
      selector: tags.selector,
      algorithm: tags.algorithm,
      identity: tags.identity,
      keyBits: verdict.key?.bits ?? 0,
      testing: verdict.key?.testing ?? false,
      canonicalization: `${tags.headerForm}/${tags.bodyForm}`,
      signedFields: tags.names,
      fromFieldsUnsigned: unsignedFrom(header, tags),
      bodyBytesUnsigned: this.#bodyBytesUnsigned(),
      ...(tags.signedAtSeconds !== undefined && { signedAtSeconds: tags.signedAtSeconds }),
      ...(tags.expiresAtSeconds !== undefined && { expiresAtSeconds: tags.expiresAtSeconds }),
      prefix: tags.prefix,
    }
  }

  #bodyBytesUnsigned(): number {
    return this.#body.canonicalBytes - this.#body.hashedBytes
  }

  async #judge(): Promise<Verdict> {
    const { tags } = this.#input
    // RFC 6376 section 3.5, l=: not larger than the body; section 6.1.3 step 3: the hashes are compared.
    if (tags.length !== undefined && tags.length > this.#body.canonicalBytes)
      return { result: 'permerror', reason: 'l= is more than the body has' }
    if (this.#body.digest?.equals(tags.bodyHash) !== true)
      return { result: 'fail', reason: 'the body was changed' }
    const found = await this.#found
    if (found.kind !== 'keys')
      return { result: found.kind === 'none' ? 'permerror' : 'temperror', reason: found.reason }
    let verdict: Verdict | undefined
    for (const key of found.keys) {
      const mismatch = keyMismatch(key, tags)
      const next: Verdict =
        mismatch === undefined ? this.#judgeWith(key) : { result: 'permerror', reason: mismatch, key }
      if (next.result === 'pass') return next
      verdict ??= next
    }
    return verdict ?? { result: 'permerror', reason: 'no key' }
  }

  #judgeWith(key: DkimKey): Verdict {
    const { tags, rules } = this.#input
    // Too long a key is not even tried: its cost is the point of it.
    if (key.keyType === 'rsa' && key.bits > rules.rsaBitsMax)
      return { result: 'policy', reason: `a key of ${key.bits} bits`, key }
    if (!isSigned(signedOctets(this.#input), tags, key))
      return { result: 'fail', reason: 'the signature does not fit', key }
    const refusal = this.#refusal(key)
    return refusal === undefined
      ? { result: 'pass', reason: '', key }
      : { result: 'policy', reason: refusal, key }
  }

  /** Why a signature that fits is not taken. */
  #refusal(key: DkimKey): string | undefined {
    const { tags, rules, clock, header } = this.#input
    if (tags.hash === 'sha1' && !rules.allowSha1) return 'rsa-sha1'
    if (key.keyType === 'rsa' && key.bits < rules.rsaBitsMin) return `a key of ${key.bits} bits`
    const nowMs = clock.now()
    if (tags.expiresAtSeconds !== undefined && tags.expiresAtSeconds * 1000 < nowMs) return 'expired'
    if (tags.signedAtSeconds !== undefined && tags.signedAtSeconds * 1000 > nowMs + rules.clockSkewMs)
      return 'signed in the future'
    const unsignedBytes = this.#bodyBytesUnsigned()
    if (unsignedBytes > 0 && !rules.allowPartialBody) return `l= leaves ${unsignedBytes} octets unsigned`
    // RFC 6376 section 8.15: a second From would be shown to somebody.
    if (unsignedFrom(header, tags) > 0) return 'a From field that is not signed'
    return undefined
  }
}

const unsignedFrom = (header: HeaderBlock, tags: SignatureTags): number =>
  Math.max(0, header.named('from').length - tags.names.filter((name) => name === 'from').length)

/** RFC 6376 section 3.7: the selected fields, each with its line end, then the signature's own without one. */
function signedOctets({ header, field, tags }: SignatureCheckInput): Buffer {
  const isRelaxed = tags.headerForm === 'relaxed'
  let text = ''
  for (const one of header.select(tags.names, field)) text += `${isRelaxed ? one.relaxed : one.text}\r\n`
  text += isRelaxed ? relaxField(field.name, tags.unsigned, field.valueAt) : tags.unsigned
  return Buffer.from(text, 'latin1')
}

/** RFC 8463 section 3: Ed25519 signs the SHA-256 of what RSA signs. */
export function isSigned(
  octets: Buffer,
  { hash: hashName, signature }: Pick<SignatureTags, 'hash' | 'signature'>,
  key: DkimKey,
): boolean {
  try {
    return key.keyType === 'rsa'
      ? verify(hashName, octets, key.key, signature)
      : verify(null, hash('sha256', octets, 'buffer'), key.key, signature)
  } catch {
    return false // a signature of the wrong size
  }
}
