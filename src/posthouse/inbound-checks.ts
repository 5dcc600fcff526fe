// Owns the checks of incoming mail that the whole server shares: lists, tables of who was seen, rates, the clients of scanners and
// their breakers; their start, their upkeep and their end. Sessions of their own are inbound-session.ts's.

import type { Clock } from '../base/clock.ts'
import type { Dialer } from '../base/connection.ts'
import { type NetworkList, parseNetworkList } from '../base/ip.ts'
import type { Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import type { Resolver } from '../dns/resolver.ts'
import { DnsLists } from '../policy/dns-lists.ts'
import { FirstTime } from '../policy/first-time.ts'
import { Greylist } from '../policy/greylist.ts'
import { RateLimits } from '../policy/rate-limits.ts'
import { SeenTable, shardCount } from '../policy/seen-table.ts'
import type { JudgedMessage } from '../reports/dmarc-tally.ts'
import { Breaker } from '../scan/breaker.ts'
import { MilterClient } from '../scan/milter-client.ts'
import type { RspamdPost } from '../scan/rspamd.ts'
import type { Documents } from '../store/mail-view.ts'
import type { InboundConfig } from './config-inbound.ts'
import type { Directory } from './directory.ts'
import { InboundMetrics } from './inbound-metrics.ts'
import type { MilterPart } from './inbound-milters.ts'

export interface InboundChecksOptions {
  readonly config: InboundConfig
  readonly hostname: string
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly resolver: Resolver
  readonly dialer: Dialer
  readonly directory: Directory
  /** undefined: what was seen is forgotten with the process. */
  readonly documents: Documents | undefined
  /** To `inbound.rspamd`. */
  readonly post: RspamdPost
  /** Where held bodies lie; made and emptied by `start`. */
  readonly heldFolder: () => string
  /** networks.relay: trusted, too. */
  readonly relayNetworks: readonly string[]
  readonly messageBytesMax: number
  /** Told of each message that DMARC judged: refused, or taken and on disk. Must be quick and not throw. */
  readonly onJudged?: (message: JudgedMessage, header: Buffer) => void
}

const documentKind = 'inbound-seen'
const retestEveryMs = 3_600_000

export class InboundChecks {
  readonly options: InboundChecksOptions
  readonly config: InboundConfig
  readonly metrics: InboundMetrics
  readonly lists: DnsLists | undefined
  readonly greylist: Greylist | undefined
  readonly firstTime: FirstTime | undefined
  readonly rates: RateLimits | undefined
  readonly milters: readonly MilterPart[]
  readonly clamdBreaker: Breaker
  readonly rspamdBreaker: Breaker
  heldFolder = ''
  readonly #seen: SeenTable | undefined
  readonly #trusted: NetworkList
  #testedAt = 0

  constructor(options: InboundChecksOptions) {
    const { config, clock, resolver, dialer, messageBytesMax } = options
    const { dnsLists, greylist, firstTimeDelayMs, rates } = config
    this.options = options
    this.config = config
    this.metrics = new InboundMetrics(options.metrics)
    this.#trusted = parseNetworkList([...config.trusted, ...options.relayNetworks])
    this.lists = dnsLists && new DnsLists({ resolver, ...dnsLists })
    if (greylist !== undefined || firstTimeDelayMs > 0) {
      const table = new SeenTable({ clock })
      this.#seen = table
      this.greylist = greylist && new Greylist({ clock, table, ...greylist })
      this.firstTime =
        firstTimeDelayMs > 0 ? new FirstTime({ clock, table, delayMs: firstTimeDelayMs }) : undefined
    }
    this.rates = rates.length === 0 ? undefined : new RateLimits({ clock, limits: rates })
    this.milters = config.milters.map((milter) => ({
      config: milter,
      client: new MilterClient({
        clock,
        dialer,
        target: milter.target,
        timeoutMs: milter.timeoutMs,
        bodyBytesMax: messageBytesMax,
        idleMax: milter.reuse ? 10 : 0,
      }),
      breaker: new Breaker({ clock }),
    }))
    this.clamdBreaker = new Breaker({ clock })
    this.rspamdBreaker = new Breaker({ clock })
  }

  /** Before the listeners open. Lists that cannot be tested yet are believed meanwhile. */
  async start(): Promise<void> {
    this.heldFolder = this.options.heldFolder()
    await this.#load()
  }

  /** Every minute or so: what was seen is written, and lists are tested. Rejects when the store does. */
  async maintain(): Promise<void> {
    const now = this.options.clock.now()
    if (this.lists !== undefined && now - this.#testedAt >= retestEveryMs) {
      this.#testedAt = now
      await this.#testLists(this.lists)
    }
    await this.#save()
  }

  async stop(): Promise<void> {
    for (const { client } of this.milters) client.close()
    try {
      await this.#save()
    } catch (cause) {
      this.options.log.warn({ cause: String(cause) }, 'what greylisting saw was not written')
    }
  }

  isTrusted(address: string): boolean {
    return this.#trusted.has(address)
  }

  async #testLists(lists: DnsLists): Promise<void> {
    for (const { zone, ipv4, reason } of await lists.test())
      if (ipv4 === 'off') this.options.log.warn({ zone, reason }, 'a DNS list fails its test and is left out')
      else if (ipv4 === 'unknown') this.options.log.warn({ zone, reason }, 'a DNS list could not be tested')
      else this.options.log.info({ zone }, 'a DNS list works again')
  }

  async #load(): Promise<void> {
    const { documents } = this.options
    if (this.#seen === undefined || documents === undefined) return
    const shards = await documents.documentList(documentKind, shardCount)
    this.#seen.load(shards.map(({ data }) => data))
  }

  async #save(): Promise<void> {
    const { documents, clock } = this.options
    const seen = this.#seen
    if (seen === undefined || documents === undefined) return
    const dirty = seen.takeDirty()
    try {
      for (const { shard, rows } of dirty)
        await documents.documentPut({
          kind: documentKind,
          key: String(shard).padStart(2, '0'),
          data: rows,
          updatedAt: clock.now(),
        })
    } catch (cause) {
      seen.keepDirty(dirty.map(({ shard }) => shard))
      throw cause
    }
  }
}
