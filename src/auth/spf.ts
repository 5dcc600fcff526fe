// Owns SPF: may this address send for that domain. mailauth evaluates, strict; types, resolver, limits and reasons are
// ours. Never throws. RFC 7208 (limits: section 4.6.4), RFC 8601 section 2.7.2.

import { spf as evaluate } from 'mailauth/lib/spf/index.js'
import { bridgeResolver, shortText } from './mailauth-resolver.ts'
import type { AuthResolver } from './node-resolver.ts'

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

/** check_host() of RFC 7208 section 4 for MAIL FROM, or for HELO where that is null. Never rejects. */
export async function checkSpf(options: SpfOptions): Promise<SpfReport> {
  const { ip, reversePath, helo } = options
  const isNull = reversePath === null || reversePath === ''
  const sender = isNull ? '' : reversePath
  const base = {
    identity: isNull ? 'helo' : 'mailfrom',
    domain: (isNull ? helo : sender.slice(sender.lastIndexOf('@') + 1)).toLowerCase(),
    ip,
  } as const
  const hostname = options.hostname ?? 'unknown'
  try {
    const said = await evaluate({
      ip,
      helo: helo === '' ? 'unknown' : helo,
      sender,
      mta: hostname,
      strict: true,
      maxResolveCount: options.lookupsMax ?? 10,
      maxVoidCount: options.voidLookupsMax ?? 2,
      resolver: bridgeResolver({ resolver: options.resolver, signal: options.signal, questionsMax }),
    })
    const result = isWord(said.status.result) ? said.status.result : 'temperror'
    const isError = result === 'temperror' || result === 'permerror'
    return {
      ...base,
      result,
      reason: isError ? errorText(String(said.status.comment ?? ''), options.signal) : '',
      ...(typeof said.rr === 'string' && { record: shortText(said.rr) }),
      ...(said.explanation !== undefined && { explanation: shortText(said.explanation) }),
      lookups: said.lookups?.count ?? 0,
      voidLookups: said.lookups?.void ?? 0,
    }
  } catch {
    // Its own fault, not the sender's: the mail is not to suffer for good.
    return { ...base, result: 'temperror', reason: 'the evaluation failed', lookups: 0, voidLookups: 0 }
  }
}

/** The comment is `host: ... during lookup of sender: text`. */
function errorText(comment: string, signal: AbortSignal | undefined): string {
  if (signal?.aborted) return 'no time left'
  const at = comment.lastIndexOf(': ')
  return at === -1 ? 'error' : shortText(comment.slice(at + 2))
}
