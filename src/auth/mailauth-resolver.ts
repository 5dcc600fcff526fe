// Owns the bridge to mailauth: our Resolver in the form that it asks, with a bound on the questions of one evaluation. It
// speaks node:dns: records or an error with a code. mailauth has a clock of its own only where it is given a time limit,
// and it is given none: our deadline is the signal.

import type { DnsAnswer, MxRecord } from '../dns/resolver.ts'
import type { AuthResolver } from './node-resolver.ts'

export interface BridgeOptions {
  readonly resolver: AuthResolver
  readonly signal?: AbortSignal | undefined
  readonly questionsMax: number
  /** Was asked before, and is not asked again. */
  readonly known?: { readonly name: string; readonly txt: DnsAnswer<string> }
}

/** What mailauth calls. Rejects with an error that has a `code`. */
export type NodeResolve = (name: string, type: string) => Promise<string[] | string[][]>

/** No Error: most messages make some of them, and a stack costs more than the rest of a lookup. */
class LookupFailed {
  readonly code: string
  readonly message: string
  constructor(code: string, message: string) {
    this.code = code
    this.message = message
  }
}

export function bridgeResolver({ resolver, signal, questionsMax, known }: BridgeOptions): NodeResolve {
  const options = signal === undefined ? {} : { signal }
  let asked = 0
  return async (name, type) => {
    if (++asked > questionsMax) throw new LookupFailed('ETIMEOUT', 'too many questions')
    try {
      switch (type) {
        case 'TXT':
          return recordsOf(known?.name === name ? known.txt : await resolver.txt(name, options)).map(
            (text) => [text],
          )
        case 'A':
          return [...recordsOf(await resolver.a(name, options))]
        case 'AAAA':
          return [...recordsOf(await resolver.aaaa(name, options))]
        case 'MX':
          return mailauthMx(recordsOf(await resolver.mx(name, options)))
        case 'PTR':
          return [...recordsOf(await resolver.ptr(name, options))]
        default:
          // CNAME, of names whose addresses were none: the Resolver follows aliases, so there is none to show.
          throw new LookupFailed('ENODATA', `no ${type}`)
      }
    } catch (error) {
      if (error instanceof LookupFailed) throw error
      throw new LookupFailed('ETIMEOUT', signal?.aborted ? 'no time left' : 'the lookup failed')
    }
  }
}

/** Its types know only strings; it reads node:dns's MxRecord. */
const mailauthMx = (records: readonly MxRecord[]): string[] =>
  records.map(({ preference, exchange }) => ({ priority: preference, exchange }) as unknown as string)

function recordsOf<T>(answer: DnsAnswer<T>): readonly T[] {
  switch (answer.kind) {
    case 'records':
      return answer.records
    case 'none':
      throw new LookupFailed(answer.nameExists ? 'ENODATA' : 'ENOTFOUND', 'no record')
    case 'temporary':
      throw new LookupFailed('ESERVFAIL', answer.reason)
  }
}

/** A foreign text for our reports: one line of ASCII, 300 characters where nothing else is said. */
export const shortText = (text: string, max = 300): string =>
  text
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, max)
