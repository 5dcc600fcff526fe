// Owns DMARC: does the author's domain stand behind the message, and what does it ask for where it does not. The author comes
// through the gate of author.ts; mailauth walks the tree and aligns, strict. What is not known never counts as a pass.
// RFC 9989 (tree walk, np=, psd=, t=), RFC 8601 section 2.7.2.

import { evaluateDmarc } from 'mailauth/lib/dmarc/index.js'
import type { DnsAnswer } from '../dns/resolver.ts'
import type { TrustedForwarder } from './arc-override.ts'
import { type Author, type AuthorProblem, readAuthor } from './author.ts'
import type { DkimSignatureResult } from './dkim-verify.ts'
import type { HeaderBlock } from './header-block.ts'
import { bridgeResolver, shortText } from './mailauth-resolver.ts'
import type { AuthResolver } from './node-resolver.ts'
import type { SpfReport } from './spf.ts'
import { TracedResolver, verdictMemories } from './verdict-memory.ts'

/** permerror: the message has no author that could be judged. RFC 9989 section 9.1. */
export type DmarcWord = 'none' | 'pass' | 'fail' | 'temperror' | 'permerror'
export type DmarcPolicy = 'none' | 'quarantine' | 'reject'

export interface DmarcOptions {
  readonly header: HeaderBlock
  /** SPF of MAIL FROM (or of HELO, where that is null). */
  readonly spf: Pick<SpfReport, 'result' | 'domain'> | undefined
  readonly dkim: readonly Pick<DkimSignatureResult, 'result' | 'domain'>[]
  readonly resolver: AuthResolver
  readonly signal?: AbortSignal | undefined
}

/** Plain data. */
export interface DmarcReport {
  readonly result: DmarcWord
  /** '' for none, pass and fail. */
  readonly reason: string
  /** The author's domain; '' where there is none. */
  readonly domain: string
  /** Why there is no author. Such a message can be shown as anybody's: refuse it. */
  readonly problem?: AuthorProblem
  /** The domains that the From field names, where they are the problem. */
  readonly domains?: readonly string[]
  /** The From field breaks the grammar, though all readers agree on the domain. */
  readonly isLenient: boolean
  /** Where the record stands. */
  readonly policyDomain?: string
  readonly organizationalDomain?: string
  /** What the domain asks for a message that fails: of p=, sp= and np= the one that applies, one step down with t=y. */
  readonly policy?: DmarcPolicy
  /** t=y */
  readonly testing: boolean
  /** The identifiers that align, of those that passed. */
  readonly alignedSpf: string
  readonly alignedDkim: readonly string[]
  /** It failed here, but who passed it on is trusted and saw it pass: ARC (`authenticate` with `trustedSealers`). */
  readonly forwarder?: TrustedForwarder
  /** At most 4096 characters: reports tell of the policy as it was published. */
  readonly record?: string
}

const isWord = (text: unknown): text is DmarcWord =>
  text === 'none' || text === 'pass' || text === 'fail' || text === 'temperror' || text === 'permerror'
const isPolicy = (text: unknown): text is DmarcPolicy =>
  text === 'none' || text === 'quarantine' || text === 'reject'

const recordCharsMax = 4096

/** A walk has eight questions (RFC 9989 section 4.10), and ten identifiers may need one. */
const questionsMax = 100

/** Never rejects. */
export const checkDmarc = ({ header, ...rest }: DmarcOptions): Promise<DmarcReport> =>
  judgeAuthor(readAuthor(header), rest)

/** Questions of the tree walk that are under way, by name. */
export type EarlyRecords = ReadonlyMap<string, Promise<DnsAnswer<string>>>

/** RFC 9989 section 4.10: at most eight names, the first as it is, the others of at most seven labels. */
const walkLabelsMax = 7

/** Asks all that the walk will ask, at once, as soon as the author is known: later each would wait for the one before. */
export function askEarly(
  author: Author,
  { resolver, signal }: Pick<DmarcOptions, 'resolver' | 'signal'>,
): EarlyRecords {
  const asked = new Map<string, Promise<DnsAnswer<string>>>()
  if (!author.ok) return asked
  const options = signal === undefined ? {} : { signal }
  let labels = author.domain.split('.')
  while (labels.length > 0) {
    const name = `_dmarc.${labels.join('.')}`
    if (name.length > 253) return asked
    const answer = resolver.txt(name, options)
    // Who needs it hears of its failure.
    answer.catch(() => undefined)
    asked.set(name, answer)
    labels = labels.length > walkLabelsMax ? labels.slice(-walkLabelsMax) : labels.slice(1)
  }
  return asked
}

const withEarly = (resolver: AuthResolver, early: EarlyRecords | undefined): AuthResolver =>
  early === undefined
    ? resolver
    : {
        a: (name, options) => resolver.a(name, options),
        aaaa: (name, options) => resolver.aaaa(name, options),
        mx: (name, options) => resolver.mx(name, options),
        txt: (name, options) => early.get(name) ?? resolver.txt(name, options),
        ptr: (name, options) => resolver.ptr(name, options),
      }

/** The same for an author that was read before, with what was asked early. Never rejects. */
export async function judgeAuthor(
  author: Author,
  options: Omit<DmarcOptions, 'header'> & { readonly early?: EarlyRecords | undefined },
): Promise<DmarcReport> {
  if (!author.ok)
    return {
      ...nothing,
      result: 'permerror',
      reason: problems[author.problem],
      problem: author.problem,
      domains: author.domains,
    }
  return alignDmarc({ ...options, domain: author.domain, isLenient: author.isLenient })
}

const nothing = {
  reason: '',
  domain: '',
  isLenient: false,
  testing: false,
  alignedSpf: '',
  alignedDkim: [],
} as const

const problems: Readonly<Record<AuthorProblem, string>> = {
  'broken-header': 'the header is broken',
  'no-from': 'no From field',
  'several-from': 'several From fields',
  'space-before-colon': 'white space between From and its colon',
  malformed: 'From has no address that all readers would see',
  'no-domain': 'From names no domain',
  'several-domains': 'From names several domains',
  'hidden-address': 'From hides an address',
}

/** Of authors that write again: the verdict is a function of the key below and of what DNS says. */
const memoryOf = verdictMemories<DmarcReport>()

/** The same for an author's domain that is known (A-labels, lower case). Never rejects. */
export async function alignDmarc(
  options: Omit<DmarcOptions, 'header'> & {
    readonly domain: string
    readonly isLenient: boolean
    readonly early?: EarlyRecords | undefined
  },
): Promise<DmarcReport> {
  const { domain, isLenient, signal } = options
  // Only what passed can align (RFC 9989 section 5.3.4).
  const spfDomain = options.spf?.result === 'pass' ? options.spf.domain : ''
  const dkimDomains = options.dkim.flatMap((one) => (one.result === 'pass' ? [one.domain] : []))
  const key = JSON.stringify([domain, isLenient, spfDomain, ...dkimDomains])
  const memory = memoryOf(options.resolver)
  const resolver = withEarly(options.resolver, options.early)
  const known = await memory.recall(key, resolver, signal === undefined ? {} : { signal })
  if (known !== undefined) return known
  const trace = new TracedResolver(resolver)
  const report = await evaluate({ domain, isLenient, spfDomain, dkimDomains, resolver: trace, signal })
  if (report.result !== 'temperror') memory.keep(key, report, trace)
  return report
}

interface Identifiers {
  readonly domain: string
  readonly isLenient: boolean
  readonly spfDomain: string
  readonly dkimDomains: readonly string[]
  readonly resolver: AuthResolver
  readonly signal: AbortSignal | undefined
}

async function evaluate(identifiers: Identifiers): Promise<DmarcReport> {
  const { domain, isLenient, spfDomain, dkimDomains, resolver, signal } = identifiers
  const base = { ...nothing, domain, isLenient }
  try {
    const { response, dkimAligned } = await evaluateDmarc({
      headerFrom: [domain],
      spfDomains: spfDomain === '' ? [] : [spfDomain],
      dkimDomains: dkimDomains.map((one) => ({ domain: one })),
      strict: true,
      resolver: bridgeResolver({ resolver, signal, questionsMax }),
    })
    if (response === false) return { ...base, result: 'permerror', reason: problems['no-domain'] }
    const word = response.status.result
    const result = isWord(word) ? word : 'temperror'
    const { policy, policyDomain, domain: organizationalDomain, rr, testMode, alignment } = response
    // mailauth says which identifiers align; here is seen to it that one of those that passed does.
    const alignedSpf = spfDomain === '' ? '' : String(alignment?.spf?.result || '')
    const alignedDkim = [...(dkimAligned ?? [])]
    if (result === 'pass' && alignedSpf === '' && alignedDkim.length === 0)
      return { ...base, result: 'temperror', reason: 'a pass that nothing stands for' }
    return {
      ...base,
      result,
      reason: result === 'temperror' ? (signal?.aborted ? 'no time left' : 'DNS could not be asked') : '',
      ...(typeof policyDomain === 'string' && { policyDomain }),
      ...(typeof organizationalDomain === 'string' && { organizationalDomain }),
      ...(isPolicy(policy) && result !== 'temperror' && { policy }),
      testing: testMode === true,
      alignedSpf,
      alignedDkim,
      ...(typeof rr === 'string' && { record: shortText(rr, recordCharsMax) }),
    }
  } catch {
    return { ...base, result: 'temperror', reason: 'the evaluation failed' }
  }
}
