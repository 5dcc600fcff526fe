// Owns what the checks of a domain share: what they are given, and how one finding is said.

import type { Clock } from '../base/clock.ts'
import type { Resolver } from '../dns/resolver.ts'
import type { DnsCheckItem, DnsFindingCode, DnsPurpose, DnsState } from '../http/routes-domain-dns-types.ts'
import type { DkimKeyProblem } from './dkim-keyring.ts'
import type { Ask, Asked } from './domain-asking.ts'
import type { DomainFacts } from './domain-records.ts'

export interface DomainCheckOptions {
  readonly clock: Clock
  /** One that remembers nothing from before: people publish a record and look again. */
  readonly resolver: Resolver
  /** The text behind an https: URL, bounded. Rejects with words for a person. */
  readonly fetchText: (url: string, signal: AbortSignal) => Promise<string>
  /** Address that mail is dialed from, where the configuration names one. */
  readonly sourceAddress: string | undefined
  /** Where mail to everybody goes; undefined: to the recipients' MX. */
  readonly smartHost: string | undefined
  readonly retireAfterMs: number
  readonly keyProblems: readonly DkimKeyProblem[]
  /** Of one question. Default 5 s. */
  readonly deadlineMs?: number
}

export interface Asking {
  readonly facts: DomainFacts
  readonly options: DomainCheckOptions
  readonly ask: Ask
}

const foundMax = 10
const foundCharsMax = 500

export function finding(
  purpose: DnsPurpose,
  subject: string,
  state: DnsState,
  text: string,
  more: {
    readonly code: DnsFindingCode
    /** What the sentence names. */
    readonly data?: Readonly<Record<string, string>> | undefined
    readonly advice?: string | undefined
    readonly found?: readonly string[]
  },
): DnsCheckItem {
  const { code, data = {}, advice } = more
  const found = (more.found ?? []).slice(0, foundMax).map((one) => one.slice(0, foundCharsMax))
  return { purpose, subject, state, code, data, text, ...(advice !== undefined && { advice }), found }
}

export const unanswered = (
  purpose: DnsPurpose,
  subject: string,
  asked: Extract<Asked<unknown>, { kind: 'failed' }>,
): DnsCheckItem =>
  finding(purpose, subject, 'unknown', `DNS did not answer: ${asked.reason}`, {
    code: 'unanswered',
    data: { reason: asked.reason },
    advice: 'ask again later; if it stays so, look at the name servers of the domain',
  })
