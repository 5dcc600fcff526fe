// Owns the whole judgement of a message that came in: SPF at once, DKIM and ARC while its octets go by, DMARC over them at
// the end, as plain data with reasons, and as the Authentication-Results field to put on top. Never rejects for what a
// message, a peer or DNS says. RFC 7208, 6376, 8617, 9989, 8601.

import { literalAddress, tryParseDomain } from '../base/domain.ts'
import { findTrustedForwarder } from './arc-override.ts'
import { ArcCheck, type ArcReport } from './arc-verify.ts'
import { formatAuthenticationResults, type MethodProperty, type MethodResult } from './auth-results.ts'
import { type Author, readAuthor } from './author.ts'
import { BodyHashes } from './body-hashes.ts'
import { KeySource } from './dkim-key.ts'
import { DkimCheck, type DkimReport, type DkimVerifyOptions } from './dkim-verify.ts'
import { askEarly, type DmarcReport, type EarlyRecords, judgeAuthor } from './dmarc.ts'
import { HeaderBlock } from './header-block.ts'
import { MessageIntake, type MessageSource, readInto } from './message-intake.ts'
import { checkSpf, type SpfOptions, type SpfReport } from './spf.ts'

/** `signal` is the deadline of it all: what is not known when it is aborted is temperror. */
export interface AuthenticateOptions
  extends Omit<SpfOptions, 'hostname'>,
    Pick<DkimVerifyOptions, 'clock' | 'signaturesMax' | 'headerBytesMax' | 'rules'> {
  /** Our name in Authentication-Results, and to SPF's macros: mx.example.test. */
  readonly authservId: string
  /** SPF of the HELO name too. Default true. */
  readonly checkHelo?: boolean
  /** Whose seals are believed where DMARC fails: 'lists.test', '.lists.test' for names below it. Default none. */
  readonly trustedSealers?: readonly string[] | undefined
}

/** Plain data, ready for a timeline. */
export interface Verdicts {
  readonly spf: SpfReport
  /** SPF of the HELO name, where MAIL FROM was not null and the name is a domain. DMARC does not look at it. */
  readonly spfHelo?: SpfReport
  readonly dkim: DkimReport
  readonly arc: ArcReport
  readonly dmarc: DmarcReport
  readonly results: readonly MethodResult[]
  /** The same as a header field with its line end. */
  readonly field: string
}

/** The message has CRLF line ends. Rejects only with what `message` rejects with. @throws UsageError: the authservId */
export async function authenticate(message: MessageSource, options: AuthenticateOptions): Promise<Verdicts> {
  const authentication = new Authentication(options)
  await readInto({ write: (bytes) => authentication.write(bytes), end: () => undefined }, message)
  return authentication.finish()
}

/** One message on its way in. DNS is asked from the first moment; nothing of the body is kept. */
export class Authentication {
  readonly #options: AuthenticateOptions
  readonly #spf: Promise<SpfReport>
  readonly #spfHelo: Promise<SpfReport> | undefined
  readonly #bodies = new BodyHashes()
  readonly #intake: MessageIntake
  #author: Author = noAuthor
  #early: EarlyRecords | undefined
  #dkim: DkimCheck | undefined
  #arc: ArcCheck | undefined

  /** @throws UsageError: the authservId */
  constructor(options: AuthenticateOptions) {
    formatAuthenticationResults(options.authservId, [])
    this.#options = options
    const spf = { ...options, hostname: options.authservId }
    this.#spf = checkSpf(spf)
    const isNull = options.reversePath === null || options.reversePath === ''
    const asksHelo = options.checkHelo !== false && !isNull && isDomain(options.helo)
    this.#spfHelo = asksHelo ? checkSpf({ ...spf, reversePath: null }) : undefined
    this.#intake = new MessageIntake({
      headerBytesMax: options.headerBytesMax,
      onHeader: (header) => this.#begin(header),
      onBody: (bytes) => this.#bodies.push(bytes),
    })
  }

  #begin(header: HeaderBlock): void {
    this.#author = readAuthor(header)
    this.#early = askEarly(this.#author, this.#options)
    const keys = new KeySource(this.#options.resolver, this.#options.signal)
    this.#dkim = new DkimCheck(header, this.#bodies, this.#options, keys)
    this.#arc = new ArcCheck(header, this.#bodies, this.#options, keys)
  }

  /** Octets of the message as it came; read before it returns. */
  write(bytes: Uint8Array): void {
    this.#intake.write(bytes)
  }

  /** Behind the last octet. Never rejects. */
  async finish(): Promise<Verdicts> {
    this.#intake.end()
    this.#bodies.end()
    const { resolver, signal, authservId } = this.#options
    const [spf, spfHelo, dkim, arc] = await Promise.all([
      this.#spf,
      this.#spfHelo,
      this.#dkim?.finish() ?? emptyDkim,
      this.#arc?.finish() ?? emptyArc,
    ])
    const judged = await judgeAuthor(this.#author, {
      spf,
      dkim: dkim.signatures,
      resolver,
      signal,
      early: this.#early,
    })
    const dmarc = this.#trusting(judged, arc)
    const results = methodResults({ spf, ...(spfHelo !== undefined && { spfHelo }), dkim, arc, dmarc })
    return {
      spf,
      ...(spfHelo !== undefined && { spfHelo }),
      dkim,
      arc,
      dmarc,
      results,
      field: formatAuthenticationResults(authservId, results),
    }
  }

  /** RFC 8617 section 7.2: what a trusted forwarder saw, before he changed it. */
  #trusting(dmarc: DmarcReport, arc: ArcReport): DmarcReport {
    const { trustedSealers } = this.#options
    if (dmarc.result !== 'fail' || trustedSealers === undefined) return dmarc
    const forwarder = findTrustedForwarder({ arc, domain: dmarc.domain, trustedSealers })
    return forwarder === undefined ? dmarc : { ...dmarc, forwarder }
  }
}

const noAuthor = readAuthor(new HeaderBlock(new Uint8Array()))
const emptyDkim: DkimReport = { result: 'none', signatures: [], signaturesIgnored: 0, fromFieldCount: 0 }
const emptyArc: ArcReport = { result: 'none', reason: '', temporary: false, sets: [], instances: 0 }

/** RFC 7208 section 2.3: only a name that is one. */
const isDomain = (helo: string): boolean =>
  helo.includes('.') && literalAddress(helo) === undefined && tryParseDomain(helo) !== undefined

const property = (ptype: string, name: string, value: string): MethodProperty => ({
  ptype,
  property: name,
  value,
})

/** RFC 8601 section 2.7, RFC 8617 section 10, RFC 9989 section 9.1. */
export function methodResults({
  spf,
  spfHelo,
  dkim,
  arc,
  dmarc,
}: Omit<Verdicts, 'results' | 'field'>): readonly MethodResult[] {
  const spfResult = ({ result, reason, identity, domain }: SpfReport): MethodResult => ({
    method: 'spf',
    result,
    reason,
    properties: [property('smtp', identity, domain)],
  })
  const results = [spfResult(spf)]
  if (spfHelo !== undefined) results.push(spfResult(spfHelo))
  if (dkim.signatures.length === 0) results.push({ method: 'dkim', result: 'none', properties: [] })
  for (const one of dkim.signatures)
    results.push({
      method: 'dkim',
      result: one.result,
      reason: one.reason,
      properties: [
        property('header', 'd', one.domain),
        property('header', 's', one.selector),
        property('header', 'a', one.algorithm),
        property('header', 'b', one.prefix),
      ],
    })
  if (arc.result !== 'none')
    results.push({
      method: 'arc',
      result: arc.result,
      reason: arc.reason,
      properties: [property('header', 'd', arc.sets.at(-1)?.domain ?? '')],
    })
  results.push({
    method: 'dmarc',
    result: dmarc.result,
    reason:
      dmarc.forwarder === undefined
        ? dmarc.reason
        : `trusted_forwarder: ${dmarc.forwarder.domain}, ARC i=${dmarc.forwarder.instance}`,
    properties: [
      property('header', 'from', dmarc.domain),
      property('policy', 'dmarc', dmarc.result === 'fail' ? (dmarc.policy ?? '') : ''),
    ],
  })
  return results
}
