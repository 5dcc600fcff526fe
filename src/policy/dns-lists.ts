// Owns DNS lists of addresses, against (DNSBL) and for (DNSWL) a client: questions, the meaning of answers, weights, and the
// test that switches off a list that is gone or lists everybody. RFC 5782. Never rejects.

import { canonicalIp, type NetworkList, parseNetworkList } from '../base/ip.ts'
import type { ResolveOptions, Resolver } from '../dns/resolver.ts'
import { type CheckVerdict, foreignText } from './inbound-verdict.ts'
import { reverseLabels } from './reverse-address.ts'

export interface DnsList {
  /** 'bl.example.test', A-labels, lower case. */
  readonly zone: string
  /** What a listing counts; below 0 for a list of the good. */
  readonly weight: number
  /** Answers that count ('127.0.0.2', '127.0.0.0/24'); empty: all in 127.0.0.0/8. */
  readonly answers: readonly string[]
}

export interface DnsListsOptions {
  readonly resolver: Resolver
  readonly lists: readonly DnsList[]
  /** Sum of weights from which mail is refused or put into the junk folder; undefined: never. */
  readonly refuseAt?: number | undefined
  readonly quarantineAt?: number | undefined
}

export type ListAnswer =
  | { readonly kind: 'listed'; readonly answers: readonly string[]; readonly reason: string }
  | { readonly kind: 'clear' }
  /** What it said is no listing, and no absence of one. */
  | { readonly kind: 'error'; readonly reason: string }

export interface ListHealth {
  readonly zone: string
  /** off: it lists everybody, or lists not what it must: gone. unknown: could not be asked. */
  readonly ipv4: 'on' | 'off' | 'unknown'
  /** off: it has no IPv6 addresses, as many lists. */
  readonly ipv6: 'on' | 'off' | 'unknown'
  readonly reason: string
}

const listingNetwork = parseNetworkList(['127.0.0.0/8'])
// Answers by which lists tell that they will not serve the asker (public resolver, over the limit), as Spamhaus has them.
const refusalNetwork = parseNetworkList(['127.255.255.0/24'])
const answersShownMax = 10

// RFC 5782 section 5: the entry that every list has, and the one that none has.
const entries = {
  ipv4: { listed: '2.0.0.127', clear: '1.0.0.127' },
  ipv6: { listed: mapped('2'), clear: mapped('1') },
}

/** ::FFFF:7F00:n, nibble by nibble. */
function mapped(last: string): string {
  return [...`${'0'.repeat(20)}ffff7f00000${last}`].reverse().join('.')
}

/** Asks one list for reversed labels. Never rejects. */
export async function askList(
  zone: string,
  labels: string,
  resolver: Resolver,
  counts: NetworkList | undefined,
  options: ResolveOptions = {},
): Promise<ListAnswer> {
  const name = `${labels}.${zone}`
  try {
    const found = await resolver.a(name, options)
    if (found.kind === 'none') return { kind: 'clear' }
    if (found.kind === 'temporary') return { kind: 'error', reason: foreignText(found.reason) }
    const refusal = found.records.find((address) => refusalNetwork.has(address))
    if (refusal !== undefined)
      return { kind: 'error', reason: `the list does not serve us, it answers ${refusal}` }
    // RFC 5782 section 2.1: listings are in 127.0.0.0/8; anything else is a parked name or a resolver that lies.
    const listings = found.records.filter((address) => listingNetwork.has(address))
    if (listings.length === 0)
      return { kind: 'error', reason: `the answer ${foreignText(found.records[0] ?? '', 45)} is no listing` }
    const counted = counts === undefined ? listings : listings.filter((address) => counts.has(address))
    if (counted.length === 0) return { kind: 'clear' }
    const text = await resolver.txt(name, options)
    return {
      kind: 'listed',
      answers: counted.slice(0, answersShownMax).map((one) => canonicalIp(one) ?? ''),
      reason: text.kind === 'records' ? foreignText(text.records[0] ?? '') : '',
    }
  } catch {
    return { kind: 'error', reason: 'no answer in time' }
  }
}

export class DnsLists {
  readonly #options: DnsListsOptions
  readonly #counted: readonly (NetworkList | undefined)[]
  #health = new Map<string, ListHealth>()

  constructor(options: DnsListsOptions) {
    this.#options = options
    this.#counted = options.lists.map(({ answers }) =>
      answers.length === 0 ? undefined : parseNetworkList(answers),
    )
  }

  /** Asks each list for its test entries, and from now on leaves out those that fail. What changed, for the log. */
  async test(options: ResolveOptions = {}): Promise<readonly ListHealth[]> {
    const zones = [...new Set(this.#options.lists.map(({ zone }) => zone))]
    const found = await Promise.all(zones.map((zone) => testList(zone, this.#options.resolver, options)))
    const changed: ListHealth[] = []
    for (const health of found) {
      const before = this.#health.get(health.zone)
      // What cannot be asked now is as it was.
      const now: ListHealth =
        before === undefined
          ? health
          : {
              ...health,
              ipv4: health.ipv4 === 'unknown' ? before.ipv4 : health.ipv4,
              ipv6: health.ipv6 === 'unknown' ? before.ipv6 : health.ipv6,
            }
      this.#health.set(health.zone, now)
      if ((before?.ipv4 ?? 'on') !== now.ipv4) changed.push(now)
    }
    return changed
  }

  /** One verdict for each list that says something, and one with the sum. Never rejects. */
  async check(address: string, signal?: AbortSignal): Promise<readonly CheckVerdict[]> {
    const { lists, resolver, refuseAt, quarantineAt } = this.#options
    const labels = reverseLabels(address)
    if (labels === undefined) return []
    const family = labels.length > 20 ? 'ipv6' : 'ipv4'
    const options = signal === undefined ? {} : { signal }
    const asked = await Promise.all(
      lists.map(async ({ zone, weight }, index) => {
        if (this.#health.get(zone)?.[family] === 'off') return undefined
        return { zone, weight, answer: await askList(zone, labels, resolver, this.#counted[index], options) }
      }),
    )
    const verdicts: CheckVerdict[] = []
    let score = 0
    const listedIn: string[] = []
    for (const one of asked) {
      if (one === undefined || one.answer.kind === 'clear') continue
      const { zone, weight, answer } = one
      if (answer.kind === 'error') {
        verdicts.push({ check: 'dnslist', name: zone, result: 'temperror', reason: answer.reason })
        continue
      }
      score += weight
      if (weight > 0) listedIn.push(zone)
      const data = { weight, answers: answer.answers }
      verdicts.push({ check: 'dnslist', name: zone, result: 'listed', reason: answer.reason, data })
    }
    const over = (limit: number | undefined): boolean => limit !== undefined && score >= limit
    const advice = over(refuseAt) ? 'refuse' : over(quarantineAt) ? 'quarantine' : undefined
    const words = listedIn.join(', ')
    const sum: CheckVerdict = {
      check: 'dnslist',
      result: listedIn.length > 0 ? 'listed' : score < 0 ? 'allowed' : 'clear',
      reason: words === '' ? '' : `${address} is listed by ${words}`,
      ...(advice !== undefined && { advice }),
      // RFC 5782 section 3: a refusal says by which list.
      ...(advice === 'refuse' && {
        reply: { code: 550, status: '7.1', text: `${address} is listed by ${words}` },
      }),
      data: { score },
    }
    return [...verdicts, sum]
  }
}

export async function testList(
  zone: string,
  resolver: Resolver,
  options: ResolveOptions = {},
): Promise<ListHealth> {
  const ask = (labels: string): Promise<ListAnswer> => askList(zone, labels, resolver, undefined, options)
  const [listed4, clear4, listed6, clear6] = await Promise.all(
    [entries.ipv4.listed, entries.ipv4.clear, entries.ipv6.listed, entries.ipv6.clear].map(ask),
  )
  const judge = (listed?: ListAnswer, clear?: ListAnswer): ListHealth['ipv4'] => {
    if (clear?.kind === 'listed') return 'off'
    if (listed?.kind === 'clear') return 'off'
    return listed?.kind === 'listed' && clear?.kind === 'clear' ? 'on' : 'unknown'
  }
  const ipv4 = judge(listed4, clear4)
  const reason =
    clear4?.kind === 'listed'
      ? 'it lists 127.0.0.1, which no list may: it lists everybody'
      : listed4?.kind === 'clear'
        ? 'it does not list 127.0.0.2, which every list must: it is gone'
        : listed4?.kind === 'error'
          ? listed4.reason
          : clear4?.kind === 'error'
            ? clear4.reason
            : ''
  return { zone, ipv4, ipv6: judge(listed6, clear6), reason }
}
