// Owns what a seed means: the shape of the world, the faults and when they end, the mail that is sent. Pure: the same seed
// gives the same plan.

import type { Random } from '../../src/base/random.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import type { NetworkFaults } from '../../src/testing/sim-network.ts'
import type { SinkFaults } from '../../src/testing/sim-sink.ts'

export const minute = 60_000
export const hour = 60 * minute

export interface Dice extends Random {
  /** True with this chance. */
  readonly chance: (share: number) => boolean
  /** A whole number in [from, to]. */
  readonly int: (from: number, to: number) => number
  readonly pick: <T>(list: readonly T[]) => T
}

/** One stream of chance of a seed; streams do not disturb each other. */
export function dice(seed: number, stream: string): Dice {
  let mixed = seed >>> 0
  for (const letter of stream) mixed = Math.imul(mixed ^ letter.charCodeAt(0), 0x01000193) >>> 0
  const random = seededRandom(mixed)
  return {
    ...random,
    chance: (share) => random.fraction() < share,
    int: (from, to) => from + Math.floor(random.fraction() * (to - from + 1)),
    pick: (list) => list[Math.floor(random.fraction() * list.length)] as (typeof list)[number],
  }
}

export interface PlannedHost {
  readonly name: string
  readonly address: string
  readonly capabilities: readonly string[]
  readonly old: boolean
  readonly lmtp: boolean
}

export interface PlannedDomain {
  readonly name: string
  /** mx: found by DNS; smtp, lmtp: a route names the host; none: the domain exists not; gone: all hosts are dead for good. */
  readonly kind: 'mx' | 'smtp' | 'lmtp' | 'none' | 'nullmx' | 'gone'
  readonly hosts: readonly PlannedHost[]
}

export interface PlannedMail {
  readonly number: number
  readonly at: number
  /** '' is the null reverse-path. */
  readonly from: string
  readonly recipients: readonly { readonly address: string; readonly notify?: string }[]
  readonly bodyBytes: number
  readonly pipelined: boolean
}

export interface StoreFaultShares {
  readonly slow: number
  readonly slowMsMax: number
  readonly failed: number
  readonly full: number
  readonly lost: number
  readonly dieBefore: number
  readonly dieAfter: number
}

export interface Plan {
  readonly seed: number
  /** Virtual time with faults, from the start. */
  readonly faultMs: number
  readonly store: 'memory' | 'sqlite'
  readonly domains: readonly PlannedDomain[]
  readonly mails: readonly PlannedMail[]
  readonly network: NetworkFaults
  readonly tlsBreaks: number
  readonly sink: SinkFaults
  readonly storeFaults: StoreFaultShares
  /** Chance at each look that the disk is nearly full. */
  readonly diskLow: number
  readonly dnsTemporary: number
  readonly dnsSilent: number
  /** A host changes its state about so often. */
  readonly hostFlipMs: number
  /** The process is stopped in order, or dies at a random moment, about so often; 0: never. */
  readonly restartMs: number
  readonly crashMs: number
  /** An operator does something about so often; 0: never. */
  readonly operatorMs: number
  readonly retry: {
    readonly giveUpAfterMs: number
    readonly delayNoticeAfterMs: number
    readonly firstMs: number
  }
  readonly connectionsPerDestination: number
  readonly recipientsPerMessage: number
}

const allCapabilities = [
  'PIPELINING',
  'SIZE 10000000',
  '8BITMIME',
  'ENHANCEDSTATUSCODES',
  'CHUNKING',
  'STARTTLS',
  'DSN',
  'SMTPUTF8',
]

export function makePlan(seed: number): Plan {
  const d = dice(seed, 'plan')
  /** Most seeds leave a kind of fault out, so that it cannot hide what the others do. */
  const rare = (share: number, most: number): number => (d.chance(share) ? d.fraction() * most : 0)
  let hostCount = 0
  const host = (lmtp: boolean): PlannedHost => {
    const number = ++hostCount
    return {
      name: `mx${number}.hosts.test`,
      address: `198.51.100.${number}`,
      capabilities: allCapabilities.filter(() => d.chance(0.7)),
      old: !lmtp && d.chance(0.08),
      lmtp,
    }
  }
  const domains: PlannedDomain[] = []
  const shared: PlannedHost[] = []
  for (let i = d.int(2, 6); i > 0; i--) {
    const name = `d${domains.length}.test`
    const kind = d.pick(['mx', 'mx', 'mx', 'mx', 'mx', 'smtp', 'lmtp', 'none', 'nullmx', 'gone'] as const)
    const hosts: PlannedHost[] = []
    if (kind === 'smtp' || kind === 'lmtp') hosts.push(host(kind === 'lmtp'))
    if (kind === 'mx' || kind === 'gone')
      for (let k = d.int(1, 3); k > 0; k--) {
        const old = kind === 'mx' && shared.length > 0 && d.chance(0.3) ? d.pick(shared) : undefined
        const one = old ?? host(false)
        if (hosts.includes(one)) continue
        hosts.push(one)
        if (kind === 'mx') shared.push(one)
      }
    domains.push({ name, kind, hosts })
  }
  const faultMs = d.pick([10 * minute, hour, 6 * hour])
  // Bodies beyond 256 KiB go to real files, whose I/O takes real time: they are for the memory store.
  const store = d.chance(0.25) ? 'sqlite' : 'memory'
  const mails: PlannedMail[] = []
  // Now and then very many at once: more than all limits take.
  const burst = d.chance(0.06)
  const mailCount = burst ? 400 : d.int(5, 60)
  for (let number = 1; number <= mailCount; number++) {
    const recipients = Array.from({ length: d.chance(0.7) ? 1 : d.int(2, 12) }, (_, i) => {
      const domain = d.chance(0.15) ? 'home.test' : d.pick(domains).name
      if (i === 0 && d.chance(0.06))
        return { address: 'team@home.test', ...(d.chance(0.5) && { notify: 'SUCCESS,FAILURE' }) }
      const notify = d.pick([
        undefined,
        undefined,
        undefined,
        undefined,
        'NEVER',
        'FAILURE',
        'SUCCESS,FAILURE,DELAY',
        'DELAY',
      ])
      return { address: `r${number}x${i}@${domain}`, ...(notify !== undefined && { notify }) }
    })
    mails.push({
      number,
      at: burst ? minute + d.int(0, 2000) : Math.floor(d.fraction() * faultMs * 0.8),
      from: d.chance(0.1)
        ? ''
        : d.chance(0.5)
          ? `s${number}@home.test`
          : `s${number}@${d.pick(domains).name}`,
      recipients,
      bodyBytes: d.chance(0.05) ? d.int(100_000, store === 'sqlite' ? 200_000 : 400_000) : d.int(100, 8000),
      pipelined: d.chance(0.5),
    })
  }
  const giveUpAfterMs = d.chance(0.03) ? 48 * hour : d.pick([hour, 2 * hour, 4 * hour])
  return {
    seed,
    faultMs,
    store,
    domains,
    mails,
    network: {
      latencyMsMax: d.pick([2, 50, 400]),
      loss: rare(0.4, 0.1),
      cut: rare(0.5, 0.5),
      reset: rare(0.4, 0.03),
      silence: rare(0.3, 0.01),
      dialLost: rare(0.3, 0.2),
    },
    tlsBreaks: rare(0.3, 0.5),
    sink: {
      temporary: rare(0.6, 0.15),
      permanent: rare(0.4, 0.05),
      leaving: rare(0.4, 0.05),
      drop: rare(0.4, 0.05),
      close: rare(0.4, 0.05),
      silent: rare(0.3, 0.02),
      slow: rare(0.4, 0.2),
      slowMsMax: d.pick([1000, minute, 12 * minute]),
    },
    storeFaults: {
      slow: rare(0.4, 0.2),
      slowMsMax: d.pick([20, 1000, 30_000]),
      failed: rare(0.4, 0.1),
      full: rare(0.3, 0.1),
      lost: rare(0.3, 0.05),
      dieBefore: rare(0.4, 0.02),
      dieAfter: rare(0.4, 0.02),
    },
    diskLow: rare(0.2, 0.1),
    dnsTemporary: rare(0.4, 0.3),
    dnsSilent: rare(0.3, 0.1),
    hostFlipMs: d.chance(0.6) ? d.pick([30_000, 5 * minute, 30 * minute]) : 0,
    restartMs: d.chance(0.3) ? faultMs / d.int(1, 5) : 0,
    crashMs: d.chance(0.4) ? faultMs / d.int(1, 10) : 0,
    operatorMs: d.chance(0.2) ? faultMs / d.int(2, 20) : 0,
    retry: {
      giveUpAfterMs,
      delayNoticeAfterMs: d.pick([10 * minute, giveUpAfterMs / 2]),
      firstMs: d.pick([1000, 30_000]),
    },
    connectionsPerDestination: d.pick([1, 2, 20]),
    recipientsPerMessage: d.pick([1, 3, 100]),
  }
}
