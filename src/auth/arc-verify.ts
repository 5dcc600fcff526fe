// Owns the verdict on an ARC chain: the newest signature over the message, then every seal. What cannot be decided is
// `fail`, told apart by `temporary`. RFC 8617 section 5.2; there is no other word than none, pass and fail.

import {
  type ArcSeal,
  type ArcSet,
  type ChainStatus,
  readChain,
  sealedText,
  sealOctets,
} from './arc-chain.ts'
import { BodyHashes } from './body-hashes.ts'
import { KeySource } from './dkim-key.ts'
import { readSignature } from './dkim-signature.ts'
import {
  type DkimSignatureResult,
  type DkimVerifyOptions,
  defaultSignatureRules,
  isSigned,
  SignatureCheck,
  type SignatureRules,
} from './dkim-verify.ts'
import type { HeaderBlock } from './header-block.ts'
import { MessageIntake, type MessageSource, readInto } from './message-intake.ts'

export interface ArcSetResult {
  readonly instance: number
  /** Who sealed: d= and s= of the seal. */
  readonly domain: string
  readonly selector: string
  readonly algorithm: string
  /** What the sealer said of the chain before it. */
  readonly cv: ChainStatus
  /** ARC-Authentication-Results: what the sealer saw, as it was written, unfolded. To be believed as far as the sealer is. */
  readonly results: string
}

/** Plain data. */
export interface ArcReport {
  readonly result: ChainStatus
  /** '' for none and pass. */
  readonly reason: string
  /** The failure may be gone at the next try: DNS. */
  readonly temporary: boolean
  /** From the first to the newest; empty where the sets are not whole. */
  readonly sets: readonly ArcSetResult[]
  /** The newest ARC-Message-Signature. */
  readonly signature?: DkimSignatureResult
  /** The highest instance in the header: where the next set goes behind. */
  readonly instances: number
}

/** The message has CRLF line ends. Rejects only with what `message` rejects with. */
export async function verifyArc(message: MessageSource, options: DkimVerifyOptions): Promise<ArcReport> {
  const bodies = new BodyHashes()
  let check: ArcCheck | undefined
  const intake = new MessageIntake({
    headerBytesMax: options.headerBytesMax,
    onHeader: (header) => {
      check = new ArcCheck(header, bodies, options, new KeySource(options.resolver, options.signal))
    },
    onBody: (bytes) => bodies.push(bytes),
  })
  await readInto(intake, message)
  bodies.end()
  return (check as ArcCheck | undefined)?.finish() ?? noChain
}

const noChain: ArcReport = { result: 'none', reason: '', temporary: false, sets: [], instances: 0 }

/** Keys of so many newest seals are asked for while the body goes by. */
const aheadMax = 4

/** A message whose header is known and whose body goes by. */
export class ArcCheck {
  readonly #keys: KeySource
  readonly #rules: SignatureRules
  readonly #sets: readonly ArcSet[]
  readonly #early: ArcReport | undefined
  readonly #signature: SignatureCheck | undefined

  constructor(header: HeaderBlock, bodies: BodyHashes, options: DkimVerifyOptions, keys: KeySource) {
    this.#keys = keys
    this.#rules = { ...defaultSignatureRules, ...options.rules }
    const chain = readChain(header)
    this.#sets = chain.kind === 'sets' ? chain.sets : []
    this.#early =
      chain.kind === 'none'
        ? noChain
        : chain.kind === 'broken'
          ? { ...noChain, result: 'fail', reason: chain.reason, instances: chain.highest }
          : this.#statusProblem()
    const newest = this.#sets.at(-1)
    if (this.#early !== undefined || newest === undefined) return
    const field = newest.signature
    const read = readSignature(field, 'ams')
    if (!read.ok) {
      this.#early = this.#fail(`ARC-Message-Signature i=${newest.instance}: ${read.reason}`)
      return
    }
    const { clock } = options
    this.#signature = new SignatureCheck({
      header,
      field,
      tags: read.tags,
      bodies,
      keys,
      rules: this.#rules,
      clock,
    })
    for (const { seal } of this.#sets.slice(-aheadMax)) void keys.find(seal.domain, seal.selector)
  }

  /** When the body has ended. Never rejects. */
  async finish(): Promise<ArcReport> {
    if (this.#early !== undefined) return this.#early
    const signature = await this.#signature?.finish()
    const newest = this.#sets.length
    if (signature?.result !== 'pass')
      return this.#fail(
        `ARC-Message-Signature i=${newest}: ${signature?.reason}`,
        signature,
        signature?.result === 'temperror',
      )
    // RFC 8617 section 5.2 step 6: from the newest to the oldest.
    for (let index = newest - 1; index >= 0; index--) {
      const problem = await this.#sealProblem(index)
      if (problem !== undefined)
        return this.#fail(`ARC-Seal i=${index + 1}: ${problem.reason}`, signature, problem.temporary)
    }
    return {
      result: 'pass',
      reason: '',
      temporary: false,
      sets: this.#sets.map(describe),
      signature,
      instances: newest,
    }
  }

  /** Section 5.2 steps 2 and 3: the first seal says none, every other pass. */
  #statusProblem(): ArcReport | undefined {
    const last = this.#sets.at(-1)
    if (last?.seal.cv === 'fail') return this.#fail(`cv=fail in ARC-Seal i=${last.instance}`)
    const wrong = this.#sets.find(({ seal }, index) => seal.cv !== (index === 0 ? 'none' : 'pass'))
    return wrong && this.#fail(`cv=${wrong.seal.cv} in ARC-Seal i=${wrong.instance}`)
  }

  #fail(reason: string, signature?: DkimSignatureResult, temporary = false): ArcReport {
    return {
      result: 'fail',
      reason,
      temporary,
      sets: this.#sets.map(describe),
      ...(signature !== undefined && { signature }),
      instances: this.#sets.length,
    }
  }

  async #sealProblem(
    index: number,
  ): Promise<{ readonly reason: string; readonly temporary: boolean } | undefined> {
    const set = this.#sets[index]
    if (set === undefined) return undefined
    const { seal } = set
    const found = await this.#keys.find(seal.domain, seal.selector)
    if (found.kind !== 'keys') return { reason: found.reason, temporary: found.kind === 'temporary' }
    const octets = sealOctets(sealedText(this.#sets.slice(0, index)), set)
    let reason = 'no key'
    for (const key of found.keys) {
      const problem = this.#keyProblem(key, seal)
      if (problem === undefined) {
        if (isSigned(octets, { hash: 'sha256', signature: seal.signature }, key)) return undefined
        reason = 'the signature does not fit'
      } else reason = problem
    }
    return { reason, temporary: false }
  }

  #keyProblem(
    key: { readonly keyType: string; readonly bits: number; readonly hashes: readonly string[] | undefined },
    seal: ArcSeal,
  ): string | undefined {
    if (key.keyType !== seal.keyType) return `the key is for ${key.keyType}`
    if (key.hashes !== undefined && !key.hashes.includes('sha256')) return 'the key is not for sha256'
    const isFit =
      key.keyType !== 'rsa' || (key.bits >= this.#rules.rsaBitsMin && key.bits <= this.#rules.rsaBitsMax)
    return isFit ? undefined : `a key of ${key.bits} bits`
  }
}

const describe = ({ instance, results, seal }: ArcSet): ArcSetResult => ({
  instance,
  domain: seal.domain,
  selector: seal.selector,
  algorithm: seal.algorithm,
  cv: seal.cv,
  results: results.relaxed.slice(results.name.length + 1),
})
