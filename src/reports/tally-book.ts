// Owns the counting of what reports tell: in memory while it happens, in the store every few seconds and at the stop. A
// crash loses at most the seconds since the last writing (5 by default). Bounded in memory, in domains of a day and in
// different events of a domain; what finds no room is counted as dropped, never kept.

import type { Clock, Timer } from '../base/clock.ts'
import { type Log, silentLog } from '../base/log.ts'
import { type Counter, type Metrics, silentMetrics } from '../base/metrics.ts'
import type { Documents, StoredDocument } from '../store/mail-view.ts'
import { dayLast, dayMs, dayOf, dayOver, dayStart } from './report-day.ts'
import type { DayTally, ReportKindName, Tallied, Tallies, TallyLimits } from './report-kinds.ts'
import { mergeTally, readTallyPart, type TallyPart } from './tally-parts.ts'

export interface TallyBookOptions {
  readonly clock: Clock
  readonly documents: Documents
  readonly log?: Log
  readonly metrics?: Metrics
  /** Of the kinds that are collected; what is added of others is ignored. */
  readonly limits: Readonly<Partial<Record<ReportKindName, TallyLimits>>>
  /** From the first event to the writing. Default 5 s. */
  readonly flushMs?: number
  /** Different events in memory, over all domains. Default 50,000. */
  readonly memoryKeysMax?: number
}

/** What came since the last writing. */
interface Fresh {
  readonly kind: ReportKindName
  readonly day: string
  readonly domain: string
  readonly events: Map<string, { count: number; readonly data: unknown }>
  dropped: number
}

const documentKind = 'report-tally'
const partsMax = 1000
/** Domains that are written at the same time. */
const writesMax = 32
/** Beyond the day: nobody comes for them any more. */
const keepMs = 8 * dayMs

const keyOf = (kind: ReportKindName, day: string, domain: string): string => `${kind}/${day}/${domain}`

/** One part is in the store: what it counts is not to be written again, whatever becomes of the others. */
function written(one: Fresh, parts: readonly TallyPart[], index: number): void {
  for (const { key } of parts[index]?.entries ?? []) one.events.delete(key)
  if (index > 0) return
  // The first part counts those that found no room in any.
  one.dropped = 0
  const kept = new Set(parts.flatMap(({ entries }) => entries.map(({ key }) => key)))
  for (const key of one.events.keys()) if (!kept.has(key)) one.events.delete(key)
}

export class TallyBook implements Tallies {
  readonly #options: TallyBookOptions
  readonly #log: Log
  readonly #dropped: Counter
  readonly #memoryKeysMax: number
  #fresh = new Map<string, Fresh>()
  #freshKeys = 0
  #timer: Timer | undefined
  #writing: Promise<void> = Promise.resolve()
  #isClosed = false
  /** Of today, so that an event costs no formatting of a date. */
  #day = ''
  #dayFrom = 0
  #dayTo = 0
  /** Domains that have a tally, by kind and day; read from the store once. */
  readonly #domains = new Map<string, Promise<Set<string>>>()

  constructor(options: TallyBookOptions) {
    this.#options = options
    this.#log = options.log ?? silentLog
    this.#memoryKeysMax = options.memoryKeysMax ?? 50_000
    this.#dropped = (options.metrics ?? silentMetrics).counter(
      'posthouse_reports_dropped_total',
      'Events that no report will tell of, for there were too many different ones',
      ['kind'],
    )
  }

  add(kind: ReportKindName, domain: string, key: string, data: unknown): void {
    if (this.#isClosed || this.#options.limits[kind] === undefined) return
    const now = this.#options.clock.now()
    if (now >= this.#dayTo || now < this.#dayFrom) this.#turn(now)
    const name = keyOf(kind, this.#day, domain)
    let fresh = this.#fresh.get(name)
    if (fresh === undefined) {
      if (this.#freshKeys >= this.#memoryKeysMax) return this.#dropped.add(1, { kind })
      fresh = { kind, day: this.#day, domain, events: new Map(), dropped: 0 }
      this.#fresh.set(name, fresh)
      this.#freshKeys++
    }
    const event = fresh.events.get(key)
    if (event !== undefined) event.count++
    else if (this.#freshKeys >= this.#memoryKeysMax) fresh.dropped++
    else {
      fresh.events.set(key, { count: 1, data })
      this.#freshKeys++
    }
    if (this.#timer === undefined) this.#arm()
  }

  #turn(now: number): void {
    this.#day = dayOf(now)
    this.#dayFrom = dayStart(this.#day)
    this.#dayTo = dayOver(this.#day)
  }

  #arm(): void {
    this.#timer = this.#options.clock.setTimer(this.#options.flushMs ?? 5000, () => {
      this.#timer = undefined
      void this.flush()
    })
  }

  /** Everything that was added before is in the store when it resolves, or is tried again later (logged). Never rejects. */
  flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write())
    return this.#writing
  }

  /** Writes what is left; afterwards nothing is counted. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.flush()
    this.#timer?.cancel()
  }

  async #write(): Promise<void> {
    const fresh = this.#fresh
    if (fresh.size === 0) return
    this.#fresh = new Map()
    this.#freshKeys = 0
    const rest = [...fresh.values()]
    // Beside each other: what arrives together at the store is one transaction.
    while (rest.length > 0) await Promise.all(rest.splice(0, writesMax).map((one) => this.#tryWrite(one)))
  }

  async #tryWrite(one: Fresh): Promise<void> {
    try {
      await this.#writeOne(one)
    } catch (cause) {
      this.#log.warn({ domain: one.domain, cause: String(cause) }, 'what reports tell could not be written')
      this.#takeBack(one)
    }
  }

  async #writeOne(one: Fresh): Promise<void> {
    const { kind, day, domain, events, dropped } = one
    const { documents, clock, limits } = this.#options
    const { keysMax, domainsMax } = limits[kind] ?? { keysMax: 0, domainsMax: 0 }
    const domains = await this.#domainsOf(kind, day)
    const counts = [...events].map(([key, { count, data }]): Tallied => ({ key, count, data }))
    if (!domains.has(domain) && domains.size >= domainsMax) {
      this.#dropped.add(
        counts.reduce((sum, { count }) => sum + count, dropped),
        { kind },
      )
      return
    }
    const isNew = !domains.has(domain)
    // Before the first wait: domains that are written beside it count, too.
    domains.add(domain)
    const before = isNew ? [] : await this.#parts(kind, day, domain)
    const { parts, changed } = mergeTally(before, counts, { keysMax, dropped })
    for (const index of changed) {
      const key = `${keyOf(kind, day, domain)}/${String(index).padStart(4, '0')}`
      const expiresAt = dayOver(day) + keepMs
      await documents.documentPut({
        kind: documentKind,
        key,
        data: parts[index],
        updatedAt: clock.now(),
        expiresAt,
      })
      written(one, parts, index)
    }
    const lost = (parts[0]?.droppedCount ?? 0) - (before[0]?.droppedCount ?? 0)
    if (lost > 0) this.#dropped.add(lost, { kind })
  }

  /** For the next time. */
  #takeBack(one: Fresh): void {
    const name = keyOf(one.kind, one.day, one.domain)
    let now = this.#fresh.get(name)
    if (now === undefined) {
      if (this.#freshKeys >= this.#memoryKeysMax) {
        const lost = [...one.events.values()].reduce((sum, { count }) => sum + count, one.dropped)
        return this.#dropped.add(lost, { kind: one.kind })
      }
      now = { ...one, events: new Map(), dropped: 0 }
      this.#fresh.set(name, now)
      this.#freshKeys++
    }
    now.dropped += one.dropped
    for (const [key, { count, data }] of one.events) {
      const event = now.events.get(key)
      if (event !== undefined) event.count += count
      else if (this.#freshKeys >= this.#memoryKeysMax) now.dropped += count
      else {
        now.events.set(key, { count, data })
        this.#freshKeys++
      }
    }
    if (!this.#isClosed && this.#timer === undefined) this.#arm()
  }

  /** One and the same set for all who ask. */
  #domainsOf(kind: ReportKindName, day: string): Promise<Set<string>> {
    const name = `${kind}/${day}`
    const known = this.#domains.get(name)
    if (known !== undefined) return known
    const reading = (async (): Promise<Set<string>> => {
      const found = new Set<string>()
      for await (const domain of this.domains(kind, day)) found.add(domain)
      return found
    })()
    // Events come for today, and around midnight for yesterday: what is older is never asked for again.
    for (const other of this.#domains.keys()) if (this.#domains.size > 8) this.#domains.delete(other)
    this.#domains.set(name, reading)
    reading.catch(() => this.#domains.delete(name))
    return reading
  }

  // ---- for those who make reports of it ----

  /** Days with something in the store, oldest first. */
  async days(kind: ReportKindName): Promise<readonly string[]> {
    const { documents } = this.#options
    const days: string[] = []
    let after = `${kind}/`
    for (;;) {
      const [first] = await documents.documentList(documentKind, 1, after)
      if (first === undefined || !first.key.startsWith(`${kind}/`)) return days
      const day = first.key.split('/')[1] ?? ''
      days.push(day)
      after = `${kind}/${day}/\u007f`
    }
  }

  /** Domains of that day, ascending. */
  async *domains(kind: ReportKindName, day: string): AsyncGenerator<string> {
    const { documents } = this.#options
    const prefix = `${kind}/${day}/`
    let after = prefix
    for (;;) {
      // One at a time, and over its parts: they may be large, and there are few of most.
      const [first] = await documents.documentList(documentKind, 1, after)
      if (first === undefined || !first.key.startsWith(prefix)) return
      const domain = first.key.split('/')[2] ?? ''
      yield domain
      after = `${prefix}${domain}/\u007f`
    }
  }

  /** What is in the store of it; undefined: nothing. */
  async read(kind: ReportKindName, day: string, domain: string): Promise<DayTally | undefined> {
    const parts = await this.#parts(kind, day, domain)
    if (parts.length === 0) return undefined
    const entries = parts
      .flatMap((part) => part.entries)
      .sort((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : 0))
    const droppedCount = parts[0]?.droppedCount ?? 0
    return { domain, day, startAt: dayStart(day), endAt: dayLast(day), entries, droppedCount }
  }

  async remove(kind: ReportKindName, day: string, domain: string): Promise<void> {
    for (const { key } of await this.#documents(kind, day, domain))
      await this.#options.documents.documentDelete(documentKind, key)
  }

  async #parts(kind: ReportKindName, day: string, domain: string): Promise<readonly TallyPart[]> {
    const documents = await this.#documents(kind, day, domain)
    return documents.map(({ data }) => readTallyPart(data) ?? { entries: [], droppedCount: 0 })
  }

  async #documents(kind: ReportKindName, day: string, domain: string): Promise<readonly StoredDocument[]> {
    const prefix = `${keyOf(kind, day, domain)}/`
    const found: StoredDocument[] = []
    while (found.length < partsMax) {
      const after = found.at(-1)?.key ?? prefix
      const page = await this.#options.documents.documentList(documentKind, 4, after)
      const own = page.filter(({ key }) => key.startsWith(prefix))
      found.push(...own)
      if (own.length < 4) break
    }
    return found
  }
}
