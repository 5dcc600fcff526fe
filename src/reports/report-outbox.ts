// Owns that reports go out: which days are over, when the report of a domain is due (spread over hours, so that not all
// the world reports at midnight), its tries with growing pauses for a day, and the word of what became of it. It goes on
// after a restart, and what a record says was done is not done again: mail is handed over under an id that was stored
// before; a POST that a crash cut off may be repeated, with the same report id. It knows no kind, no queue and no socket.
// RFC 8460 sections 4.1 (spread) and 5.5 (retry), RFC 9990 section 4.

import type { Clock, Timer } from '../base/clock.ts'
import { type Log, silentLog } from '../base/log.ts'
import { type Counter, type Metrics, silentMetrics } from '../base/metrics.ts'
import { dayMs, dayOf, dayOver } from './report-day.ts'
import type {
  ComposedReport,
  ReportFacts,
  ReportKind,
  ReportKindName,
  ReportSending,
} from './report-kinds.ts'
import { readReportUri } from './report-uri.ts'
import { type ReportCarriers, ReportWay, wordsOf } from './report-way.ts'
import {
  recordId,
  reportIdOf,
  type SentDestination,
  type SentRecord,
  SentRecords,
  type StoredRecord,
} from './sent-records.ts'
import type { TallyBook } from './tally-book.ts'

export interface ReportOutboxOptions {
  readonly clock: Clock
  readonly documents: ConstructorParameters<typeof SentRecords>[0]
  readonly book: TallyBook
  readonly kinds: readonly ReportKind[]
  readonly carriers: ReportCarriers
  readonly facts: Omit<ReportFacts, 'id'>
  /** Reports go within so long after midnight (UTC). Default 4 h. */
  readonly spreadMs?: number
  readonly log?: Log
  readonly metrics?: Metrics
}

interface Item {
  readonly kind: ReportKindName
  readonly day: string
  readonly domain: string
  readonly at: number
}

const hourMs = 3_600_000
const spreadDefaultMs = 4 * hourMs
const lookupTimeoutMs = 30_000
/** RFC 8460 section 5.5: tries go on for a day. */
const giveUpAfterMs = dayMs
const firstPauseMs = 5 * 60_000
const pauseMaxMs = 4 * hourMs
/** How often the queue is asked what became of a mail. */
const fateEveryMs = 10 * 60_000
const activeMax = 8
/** Past days whose records may still wait. */
const daysBack = 10

export class ReportOutbox {
  readonly records: SentRecords
  readonly #options: ReportOutboxOptions
  readonly #log: Log
  readonly #sent: Counter
  readonly #items = new Map<string, Item>()
  readonly #active = new Map<string, Promise<void>>()
  readonly #stop = new AbortController()
  readonly #way: ReportWay
  #timer: Timer | undefined
  /** The last day whose domains are in `#items`. */
  #planned = ''

  constructor(options: ReportOutboxOptions) {
    this.#options = options
    this.#log = options.log ?? silentLog
    const { clock, carriers, facts } = options
    this.#way = new ReportWay({ clock, carriers, facts, signal: this.#stop.signal })
    this.records = new SentRecords(options.documents)
    this.#sent = (options.metrics ?? silentMetrics).counter(
      'posthouse_reports_sent_total',
      'Reports to others, by kind and by what became of them',
      ['kind', 'result'],
    )
  }

  /** Takes up what an earlier process left, and goes on by itself. */
  async start(): Promise<void> {
    try {
      await this.#resume()
    } catch (cause) {
      this.#log.warn({ cause: String(cause) }, 'reports that wait cannot be read now')
    }
    await this.#turn()
  }

  /** Ends what is under way; it is tried again by the next process. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error('stopped'))
    this.#timer?.cancel()
    await Promise.all(this.#active.values())
  }

  /** Tries everything that waits, of days that are over, without waiting for its time. How many there are. */
  async sendNow(): Promise<number> {
    await this.#plan()
    const now = this.#options.clock.now()
    for (const [id, item] of this.#items) this.#items.set(id, { ...item, at: Math.min(item.at, now) })
    const count = this.#items.size
    await this.#turn()
    return count
  }

  /** Records that wait: for a try, or for the queue's word. */
  async #resume(): Promise<void> {
    const oldest = recordId('tls-rpt', dayOf(this.#options.clock.now() - daysBack * dayMs), '\u007f')
    let cursor: string | undefined
    do {
      const page = await this.records.list({ limit: 200, ...(cursor !== undefined && { cursor }) })
      for (const { id, record } of page.items) {
        if (record.state !== 'waiting') continue
        const { kind, day, domain, nextTryAt } = record
        this.#items.set(id, { kind, day, domain, at: nextTryAt ?? 0 })
      }
      cursor = page.cursor !== undefined && page.cursor < oldest ? page.cursor : undefined
    } while (cursor !== undefined)
  }

  /** Days that are over and of which nothing is known yet. */
  async #plan(): Promise<void> {
    const { book, clock, facts, kinds } = this.#options
    await book.flush()
    const today = dayOf(clock.now())
    for (const kind of kinds) {
      if (kind.sending === undefined) continue
      for (const day of await book.days(kind.name)) {
        if (day >= today) continue
        for await (const domain of book.domains(kind.name, day)) {
          const id = recordId(kind.name, day, domain)
          if (this.#items.has(id) || this.#active.has(id)) continue
          const at = dayOver(day) + this.#spread(reportIdOf(kind.name, day, domain, facts.submitter))
          this.#items.set(id, { kind: kind.name, day, domain, at })
        }
      }
    }
    this.#planned = today
  }

  /** By chance, and the same again after a restart: the id is a digest. */
  #spread(reportId: string): number {
    const share = Number.parseInt(reportId.slice(0, 8), 16) / 2 ** 32
    return Math.floor(share * (this.#options.spreadMs ?? spreadDefaultMs))
  }

  /** Starts what is due, and sets the timer for what is next. */
  async #turn(): Promise<void> {
    const { clock } = this.#options
    if (this.#stop.signal.aborted) return
    try {
      if (this.#planned !== dayOf(clock.now())) await this.#plan()
    } catch (cause) {
      this.#log.warn({ cause: String(cause) }, 'reports cannot be planned now')
    }
    this.#begin()
    this.#arm()
  }

  #begin(): void {
    const now = this.#options.clock.now()
    for (const [id, item] of this.#items) {
      if (this.#active.size >= activeMax || this.#stop.signal.aborted) return
      if (item.at > now || this.#active.has(id)) continue
      this.#items.delete(id)
      const attempt = this.#attempt(item).catch((cause: unknown) => {
        this.#log.warn({ ...describe(item), cause: String(cause) }, 'a report could not be worked on')
        this.#items.set(id, { ...item, at: this.#options.clock.now() + firstPauseMs })
      })
      this.#active.set(
        id,
        attempt.finally(() => {
          this.#active.delete(id)
          if (this.#stop.signal.aborted) return
          this.#begin()
          this.#arm()
        }),
      )
    }
  }

  #arm(): void {
    const { clock } = this.#options
    const now = clock.now()
    let at = dayOver(dayOf(now)) + 1000
    if (this.#active.size < activeMax) for (const item of this.#items.values()) at = Math.min(at, item.at)
    this.#timer?.cancel()
    if (this.#stop.signal.aborted) return
    // A pause of at least a second: a store that fails is not asked without end.
    this.#timer = clock.setTimer(Math.max(1000, at - now), () => void this.#turn())
  }

  // ---- one report ----

  async #attempt(item: Item): Promise<void> {
    const { book, kinds, clock } = this.#options
    const { kind, day, domain } = item
    const id = recordId(kind, day, domain)
    const known = await this.records.get(id)
    if (known !== undefined && known.record.state !== 'waiting') return book.remove(kind, day, domain)
    const sending = kinds.find(({ name }) => name === kind)?.sending
    if (sending === undefined) return
    const record = known?.record ?? this.#newRecord(item)
    const found = await this.#withDestinations(record, sending)
    if (found === 'none') {
      if (known !== undefined) await this.records.remove(id)
      return book.remove(kind, day, domain)
    }
    const report = needsReport(found) ? await this.#compose(found, sending) : undefined
    if (report === 'nothing') {
      if (known !== undefined) await this.records.remove(id)
      return book.remove(kind, day, domain)
    }
    // Before anything is said to anybody: the try, the pause behind it, and the ids of mails.
    const now = clock.now()
    const begun = await this.records.put(this.#begun(found, now), known?.version ?? 0, now)
    if (begun === undefined) return this.#again(item, now + firstPauseMs)
    const destinations: SentDestination[] = []
    for (const one of begun.record.destinations)
      destinations.push(await this.#way.carry(one, begun.record, report))
    await this.#finish(begun, destinations)
  }

  #newRecord({ kind, day, domain }: Item): SentRecord {
    const { clock, facts } = this.#options
    return {
      kind,
      day,
      domain,
      reportId: reportIdOf(kind, day, domain, facts.submitter),
      state: 'waiting',
      attemptCount: 0,
      giveUpAt: clock.now() + giveUpAfterMs,
      destinations: [],
    }
  }

  async #withDestinations(record: SentRecord, sending: ReportSending): Promise<SentRecord | 'none'> {
    if (record.destinations.length > 0) return record
    const found = await this.#way
      .within(lookupTimeoutMs, (signal) => sending.destinations(record.domain, signal))
      .catch((cause: unknown) => ({ kind: 'temporary', reason: wordsOf(cause) }) as const)
    if (found.kind === 'none') return 'none'
    if (found.kind === 'temporary') return { ...record, note: found.reason }
    const { note: _, ...rest } = record
    return {
      ...rest,
      destinations: [
        ...found.to.map(({ uri, bytesMax }): SentDestination => {
          const read = readReportUri(uri)
          if (read.kind === 'none') return { uri, state: 'refused', said: read.reason }
          return {
            uri,
            state: 'waiting',
            ...(bytesMax !== undefined && { said: `at most ${bytesMax} bytes` }),
          }
        }),
        ...found.refused.map(({ uri, reason }): SentDestination => ({ uri, state: 'refused', said: reason })),
      ],
    }
  }

  async #compose(record: SentRecord, sending: ReportSending): Promise<ComposedReport | 'nothing'> {
    const { book, facts } = this.#options
    const tally = await book.read(record.kind, record.day, record.domain)
    if (tally === undefined) return 'nothing'
    return (await sending.compose(tally, { ...facts, id: record.reportId })) ?? 'nothing'
  }

  #begun(record: SentRecord, now: number): SentRecord {
    // To ask the queue what became of a mail is no try.
    const isTry = needsReport(record) || record.destinations.length === 0
    const attemptCount = record.attemptCount + (isTry ? 1 : 0)
    return {
      ...record,
      attemptCount,
      nextTryAt: now + pauseMs(attemptCount),
      destinations: record.destinations.map((one) =>
        one.state === 'waiting' && one.messageId === undefined && readReportUri(one.uri).kind === 'mail'
          ? { ...one, messageId: this.#options.carriers.newMessageId() }
          : one,
      ),
    }
  }

  async #finish({ record, version, id }: StoredRecord, carried: readonly SentDestination[]): Promise<void> {
    const { clock, book } = this.#options
    const { kind, day, domain } = record
    const now = clock.now()
    const isOver = now >= record.giveUpAt
    const destinations = carried.map((one) =>
      one.state === 'waiting' && isOver ? { ...one, state: 'failed' as const, at: now } : one,
    )
    const waits =
      destinations.some(({ state }) => state === 'waiting') || (destinations.length === 0 && !isOver)
    const isQueued = destinations.some(({ state }) => state === 'queued')
    // What was counted goes behind what became of it: without both there would be no report to tell of.
    if (waits || isQueued) {
      const pause = waits ? pauseMs(record.attemptCount) : fateEveryMs
      const next = { ...record, destinations, nextTryAt: now + pause }
      await this.records.put(next, version, now)
      if (!waits) await book.remove(kind, day, domain)
      return this.#again(record, next.nextTryAt)
    }
    const wanted = destinations.filter(({ state }) => state !== 'refused')
    const sentCount = wanted.filter(({ state }) => state === 'sent').length
    const state = sentCount === 0 ? 'failed' : sentCount === wanted.length ? 'sent' : 'partly'
    const { nextTryAt: _, ...rest } = record
    await this.records.put({ ...rest, destinations, state }, version, now)
    await book.remove(kind, day, domain)
    this.#sent.add(1, { kind, result: state })
    const said = destinations.map((one) => `${one.uri}: ${one.said ?? one.state}`)
    if (state === 'sent') this.#log.info({ id, kind, domain, day, said }, 'report sent')
    else
      this.#log.warn(
        { id, kind, domain, day, said, note: record.note },
        'report not sent to all that want it',
      )
  }

  #again({ kind, day, domain }: Pick<Item, 'kind' | 'day' | 'domain'>, at: number): void {
    this.#items.set(recordId(kind, day, domain), { kind, day, domain, at })
  }
}

const describe = ({ kind, day, domain }: Item) => ({ kind, day, domain })
const pauseMs = (attemptCount: number): number =>
  Math.min(firstPauseMs * 2 ** Math.min(attemptCount - 1, 20), pauseMaxMs)

const needsReport = ({ destinations }: SentRecord): boolean =>
  destinations.some(({ state }) => state === 'waiting')
