// Owns SPF: may this address send for that domain. mailauth evaluates, strict; types, resolver, limits and reasons are
// ours. Never throws. RFC 7208 (limits: section 4.6.4), RFC 8601 section 2.7.2.

import { spf as evaluate } from 'mailauth/lib/spf/index.js'
import { canonicalIp } from '../base/ip.ts'
import type { DnsAnswer } from '../dns/resolver.ts'
import { bridgeResolver, shortText } from './mailauth-resolver.ts'
import type { AuthResolver } from './node-resolver.ts'
import { TracedResolver, verdictMemories } from './verdict-memory.ts'

/** RFC 7208 section 2.6. */
export type SpfWord = 'none' | 'neutral' | 'pass' | 'fail' | 'softfail' | 'temperror' | 'permerror'

export interface SpfOptions {
  /** The client's address. */
  readonly ip: string
  /** What it said in EHLO or HELO. */
  readonly helo: string
  /** `local@domain`; null or '' for the null reverse-path, whose domain is the HELO name (RFC 7208 section 2.4). */
  readonly reversePath: string | null
  readonly resolver: AuthResolver
  /** Our own name, for macros. */
  readonly hostname?: string
  /** The deadline: what is not known when it is aborted is temperror. */
  readonly signal?: AbortSignal | undefined
  /** Terms that ask DNS. Default 10 (RFC 7208 section 4.6.4). */
  readonly lookupsMax?: number
  /** Of them with an empty answer. Default 2. */
  readonly voidLookupsMax?: number
}

/** Plain data. */
export interface SpfReport {
  readonly result: SpfWord
  /** In words for the errors, '' else. */
  readonly reason: string
  readonly identity: 'mailfrom' | 'helo'
  /** What was judged, lower case. */
  readonly domain: string
  readonly ip: string
  /** The domain's record, where there is one. */
  readonly record?: string
  /** What the domain's owner says to a refused sender (exp=). A foreign text. */
  readonly explanation?: string
  readonly lookups: number
  readonly voidLookups: number
}

const words: ReadonlySet<string> = new Set('none neutral pass fail softfail temperror permerror'.split(' '))
const isWord = (text: unknown): text is SpfWord => typeof text === 'string' && words.has(text)

/** 10 terms, each of which may name 10 hosts with an address each, and as many PTR; nobody needs half of them. */
const questionsMax = 150

/** Of hosts that send again: the verdict is a function of the key below and of what DNS says. */
const memoryOf = verdictMemories<SpfReport>()

/** check_host() of RFC 7208 section 4 for MAIL FROM, or for HELO where that is null. Never rejects. */
export async function checkSpf(options: SpfOptions): Promise<SpfReport> {
  const { ip, reversePath, helo, resolver, signal } = options
  const isNull = reversePath === null || reversePath === ''
  const sender = isNull ? '' : reversePath
  const domain = isNull ? helo : sender.slice(sender.lastIndexOf('@') + 1)
  const key = JSON.stringify([
    isNull ? 'helo' : 'mailfrom',
    ip,
    helo,
    domain,
    options.hostname,
    options.lookupsMax,
    options.voidLookupsMax,
  ])
  const memory = memoryOf(resolver)
  const known = await memory.recall(key, resolver, signal === undefined ? {} : { signal })
  if (known !== undefined) return known
  const trace = new TracedResolver(resolver)
  const { report, isOfDomain } = await evaluateSpf({ ...options, resolver: trace }, sender, domain)
  if (isOfDomain) memory.keep(key, report, trace)
  return report
}

interface Evaluated {
  readonly report: SpfReport
  /** It is the same for all local parts, and no error. */
  readonly isOfDomain: boolean
}

async function evaluateSpf(options: SpfOptions, sender: string, written: string): Promise<Evaluated> {
  const { ip, helo, resolver, signal } = options
  const domain = written.toLowerCase()
  const base = { identity: sender === '' ? 'helo' : 'mailfrom', domain, ip } as const
  try {
    const first = canonicalIp(ip) === undefined ? undefined : await ownRecords(domain, options)
    // RFC 7208 section 4.5: no record, no more to evaluate. So it is with most names of HELO.
    if (first !== undefined && first.kind !== 'temporary' && !hasRecord(first))
      return {
        report: {
          ...base,
          result: 'none',
          reason: '',
          lookups: 0,
          voidLookups: first.kind === 'none' ? 1 : 0,
        },
        isOfDomain: true,
      }
    const said = await evaluate({
      ip,
      helo: helo === '' ? 'unknown' : helo,
      sender,
      mta: options.hostname ?? 'unknown',
      strict: true,
      maxResolveCount: options.lookupsMax ?? 10,
      maxVoidCount: options.voidLookupsMax ?? 2,
      resolver: bridgeResolver({
        resolver,
        signal,
        questionsMax,
        ...(first !== undefined && { known: { name: domain, txt: first } }),
      }),
    })
    const result = isWord(said.status.result) ? said.status.result : 'temperror'
    const isError = result === 'temperror' || result === 'permerror'
    const identities = said.status.smtp as { readonly mailfrom?: string } | undefined
    const report: SpfReport = {
      ...base,
      result,
      reason: isError ? errorText(String(said.status.comment ?? ''), signal) : '',
      ...(typeof said.rr === 'string' && { record: shortText(said.rr) }),
      ...(said.explanation !== undefined && { explanation: shortText(said.explanation) }),
      lookups: said.lookups?.count ?? 0,
      voidLookups: said.lookups?.void ?? 0,
    }
    // Strict, mailauth names the local part only where the record asked for it; an explanation may without its saying so.
    const isOfDomain = !isError && report.explanation === undefined && !identities?.mailfrom?.includes('@')
    return { report, isOfDomain }
  } catch {
    // Its own fault, not the sender's: the mail is not to suffer for good.
    const report = {
      ...base,
      result: 'temperror',
      reason: 'the evaluation failed',
      lookups: 0,
      voidLookups: 0,
    } as const
    return { report, isOfDomain: false }
  }
}

// What mailauth asks as it is; it has words of its own for other names.
const plainName = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/** What the first question of the evaluation is answered, where it is clear how it reads. */
async function ownRecords(
  domain: string,
  { resolver, signal }: SpfOptions,
): Promise<DnsAnswer<string> | undefined> {
  if (domain.length > 253 || !plainName.test(domain)) return undefined
  try {
    return await resolver.txt(domain, signal === undefined ? {} : { signal })
  } catch {
    return undefined
  }
}

const hasRecord = (answer: DnsAnswer<string>): boolean =>
  answer.kind === 'records' && answer.records.some((text) => /^v=spf1(?: |$)/i.test(text))

/** The comment is `host: ... during lookup of sender: text`. */
function errorText(comment: string, signal: AbortSignal | undefined): string {
  if (signal?.aborted) return 'no time left'
  const at = comment.lastIndexOf(': ')
  return at === -1 ? 'error' : shortText(comment.slice(at + 2))
}
