// Owns what others report to us, as it is kept: one entry for an organisation, its contact, a report id and the domains it
// tells of, whichever way and however often it comes; those that cannot be read are noted. Foreign words are data: bounded,
// without control characters, never trusted. What there is much of lies packed beside the entry. Entries end after a time.

import { createHash } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'
import type { Documents } from '../store/mail-view.ts'
import { dayMs, dayOf, dayStart } from './report-day.ts'
import { type ReadReport, type ReportKindName, type ReportTotal, reportKindNames } from './report-kinds.ts'

export interface ReportSource {
  readonly source: 'mail' | 'http'
  /** Reverse-path, or address of the client. */
  readonly from: string
  readonly messageId?: string
  /** Domains whose DKIM signature was good when it came in. */
  readonly signedBy: readonly string[]
  readonly receivedAt: number
}

export interface ReceivedReport extends ReportSource {
  readonly kind: ReportKindName
  readonly state: 'read' | 'unreadable'
  readonly organization: string
  readonly contact: string
  readonly reportId: string
  readonly startAt: number
  readonly endAt: number
  /** At most 200. */
  readonly totals: readonly ReportTotal[]
  readonly domainCount: number
  readonly successCount: number
  readonly failureCount: number
  readonly defects: readonly string[]
  readonly head: unknown
  readonly rowCount: number
}

export interface StoredReport {
  readonly id: string
  readonly report: ReceivedReport
}

export interface KeptReport {
  readonly id: string
  readonly result: 'new' | 'known' | 'unreadable'
  /** Of what was written. */
  readonly storedBytes: number
}

export interface ReportQuery {
  readonly kind?: ReportKindName
  readonly domain?: string
  /** 1..1000 */
  readonly limit: number
  readonly cursor?: string
}

export interface ReportPage {
  readonly items: readonly StoredReport[]
  readonly cursor?: string
}

export interface DaySummary {
  readonly day: string
  readonly kinds: readonly {
    readonly kind: ReportKindName
    readonly reportCount: number
    readonly successCount: number
    readonly failureCount: number
  }[]
}

const entryKind = 'report-received'
const rowsKind = 'report-received-rows'
const pageSize = 100
const scanMax = 5000
const summaryScanMax = 20_000
const totalsMax = 200
const domainsListedMax = 200
const entryBytesMax = 200 * 1024
/** JSON of rows that is packed at most, and packed. */
const rowsCharsMax = 3_000_000
const rowsPackedMax = 180 * 1024
const futureMaxMs = 2 * dayMs
/** About what a note takes. */
const noteBytes = 600
const secondsMax = 9_999_999_999

/** Later ends in smaller keys: the newest first. */
const timeKey = (at: number): string =>
  String(secondsMax - Math.min(Math.max(0, Math.floor(at / 1000)), secondsMax)).padStart(10, '0')

const clean = (text: string): string =>
  text
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(0, 200)

const total = (counts: readonly number[]): number =>
  Math.min(
    counts.reduce((sum, one) => sum + one, 0),
    Number.MAX_SAFE_INTEGER,
  )

export class ReceivedReports {
  readonly #documents: Documents
  readonly #keepMs: number

  constructor(options: { readonly documents: Documents; readonly keepMs: number }) {
    this.#documents = options.documents
    this.#keepMs = options.keepMs
  }

  /** known: it was here before, and stays as it is, but where only this one is signed by whose it is. Durable. */
  async keep(kind: ReportKindName, read: ReadReport, source: ReportSource): Promise<KeptReport> {
    const problem = problemOf(read, source.receivedAt)
    if (problem !== undefined)
      return { id: await this.note(kind, [problem], source), result: 'unreadable', storedBytes: noteBytes }
    const report = entryOf(kind, read, source)
    const domains = [...new Set(read.totals.map(({ domain }) => domain))].sort()
    const from = [clean(read.organization), clean(read.contact).toLowerCase(), clean(read.id)]
    const id = idOf(kind, read.endAt, [...from, ...domains])
    const known = await this.#documents.documentGet(entryKind, id)
    const before = readEntry(known?.data)
    // Ids can be guessed: who is first with one must not keep out whose it is.
    if (before !== undefined && (isVouched(before) || !isVouched(report)))
      return { id, result: 'known', storedBytes: 0 }
    const rows = read.rows.length > 0 ? packRows(read.rows) : undefined
    const storedBytes = Buffer.byteLength(JSON.stringify(report)) + (rows?.packed.length ?? 0)
    // The rows first: an entry without them would say that there were none.
    const { receivedAt } = source
    if (known !== undefined) await this.#documents.documentDelete(rowsKind, id)
    if (rows !== undefined) await this.#put(rowsKind, id, rows, receivedAt)
    const stored = await this.#put(entryKind, id, report, receivedAt, known?.version)
    return { id, result: stored ? 'new' : 'known', storedBytes }
  }

  /** A report that cannot be read, and why. Its id. */
  async note(kind: ReportKindName, defects: readonly string[], source: ReportSource): Promise<string> {
    const { receivedAt, messageId = '', from } = source
    const id = idOf(kind, receivedAt, ['unreadable', messageId, from])
    const report: ReceivedReport = {
      ...source,
      kind,
      state: 'unreadable',
      organization: '',
      contact: '',
      reportId: '',
      startAt: receivedAt,
      endAt: receivedAt,
      totals: [],
      domainCount: 0,
      successCount: 0,
      failureCount: 0,
      defects: defects.slice(0, 20).map(clean),
      head: {},
      rowCount: 0,
    }
    await this.#put(entryKind, id, report, receivedAt)
    return id
  }

  /** `over`: the version that it takes the place of. Default: only where there is none. */
  async #put(kind: string, key: string, data: unknown, now: number, over = 0): Promise<boolean> {
    const document = { kind, key, data, updatedAt: now, expiresAt: now + this.#keepMs }
    return (await this.#documents.documentPut(document, over)) !== undefined
  }

  async get(id: string): Promise<(StoredReport & { readonly rows: readonly unknown[] }) | undefined> {
    const report = readEntry((await this.#documents.documentGet(entryKind, id))?.data)
    if (report === undefined) return undefined
    return { id, report, rows: unpackRows((await this.#documents.documentGet(rowsKind, id))?.data) }
  }

  /** Those of the latest time first. */
  async list({ kind, domain, limit, cursor }: ReportQuery): Promise<ReportPage> {
    const items: StoredReport[] = []
    let last = cursor ?? ''
    let seen = 0
    for await (const one of this.#scan(last)) {
      if (fits(one.report, kind, domain)) items.push(one)
      last = one.id
      if (items.length === limit || ++seen === scanMax) return { items, cursor: last }
    }
    return { items }
  }

  /** The last `days` days up to that of `now`, every one of them, oldest first. */
  async summary(options: {
    readonly now: number
    readonly days: number
    readonly kind?: ReportKindName
    readonly domain?: string
  }): Promise<{ readonly days: readonly DaySummary[]; readonly domains: readonly string[] }> {
    const { now, days, kind, domain } = options
    const first = dayStart(dayOf(now)) - (days - 1) * dayMs
    const table = new Map<
      string,
      Map<ReportKindName, { reports: number; success: number; failure: number }>
    >()
    for (let i = 0; i < days; i++) table.set(dayOf(first + i * dayMs), new Map())
    const domains = new Set<string>()
    let seen = 0
    for await (const { report } of this.#scan('')) {
      if (report.endAt < first || ++seen > summaryScanMax) break
      if (report.state !== 'read' || !fits(report, kind, domain)) continue
      // What begins earlier counts for the first day that is shown.
      const cells = table.get(dayOf(Math.max(report.startAt, first)))
      if (cells === undefined) continue
      for (const one of report.totals) if (domains.size < domainsListedMax) domains.add(one.domain)
      const own = domain === undefined ? report.totals : report.totals.filter((one) => one.domain === domain)
      const cell = cells.get(report.kind) ?? { reports: 0, success: 0, failure: 0 }
      cells.set(report.kind, {
        reports: cell.reports + 1,
        success: total([cell.success, ...own.map(({ successCount }) => successCount)]),
        failure: total([cell.failure, ...own.map(({ failureCount }) => failureCount)]),
      })
    }
    return {
      days: [...table].map(([day, cells]) => ({
        day,
        kinds: reportKindNames.flatMap((name) => {
          const cell = cells.get(name)
          if (cell === undefined) return []
          const { reports, success, failure } = cell
          return [{ kind: name, reportCount: reports, successCount: success, failureCount: failure }]
        }),
      })),
      domains: [...domains].sort(),
    }
  }

  async *#scan(after: string): AsyncGenerator<StoredReport> {
    for (let last = after; ; ) {
      const page = await this.#documents.documentList(entryKind, pageSize, last)
      for (const { key, data } of page) {
        last = key
        const report = readEntry(data)
        if (report !== undefined) yield { id: key, report }
      }
      if (page.length < pageSize) return
    }
  }
}

const fits = (
  report: ReceivedReport,
  kind: ReportKindName | undefined,
  domain: string | undefined,
): boolean =>
  (kind === undefined || report.kind === kind) &&
  (domain === undefined || report.totals.some((one) => one.domain === domain))

/** A signature that was good is of the domain of its contact, above it or below it. RFC 8460 section 3. */
function isVouched({ contact, signedBy }: ReceivedReport): boolean {
  const domain = contact.slice(contact.lastIndexOf('@') + 1).toLowerCase()
  return signedBy.some(
    (signer) => signer === domain || signer.endsWith(`.${domain}`) || domain.endsWith(`.${signer}`),
  )
}

const idOf = (kind: ReportKindName, at: number, parts: readonly string[]): string =>
  `${timeKey(at)}.${kind}.${createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32)}`

function problemOf(read: ReadReport, receivedAt: number): string | undefined {
  if (!Number.isFinite(read.endAt) || !Number.isFinite(read.startAt)) return 'it tells of no time'
  if (read.endAt > receivedAt + futureMaxMs) return 'it tells of a time that is to come'
  if (read.startAt < 0 || read.endAt < read.startAt) return 'it tells of no time that was'
  return undefined
}

function entryOf(kind: ReportKindName, read: ReadReport, source: ReportSource): ReceivedReport {
  const { startAt, endAt, totals, rows } = read
  const entry: ReceivedReport = {
    ...source,
    from: clean(source.from),
    kind,
    state: 'read',
    organization: clean(read.organization),
    contact: clean(read.contact),
    reportId: clean(read.id),
    startAt,
    endAt,
    totals: totals.slice(0, totalsMax).map((one) => ({ ...one, domain: clean(one.domain) })),
    domainCount: new Set(totals.map(({ domain }) => domain)).size,
    successCount: total(totals.map(({ successCount }) => successCount)),
    failureCount: total(totals.map(({ failureCount }) => failureCount)),
    defects: read.defects.slice(0, 20).map(clean),
    head: read.head,
    rowCount: rows.length,
  }
  if (Buffer.byteLength(JSON.stringify(entry)) <= entryBytesMax) return entry
  return { ...entry, head: {}, totals: entry.totals.slice(0, 20), defects: ['too much to keep all of it'] }
}

/** As many of the first ones as fit into a document. */
function packRows(rows: readonly unknown[]): { readonly packed: string } {
  let kept = 0
  for (let chars = 0; kept < rows.length; kept++) {
    chars += (JSON.stringify(rows[kept]) ?? 'null').length + 1
    if (chars > rowsCharsMax) break
  }
  for (;;) {
    const packed = gzipSync(JSON.stringify(rows.slice(0, kept))).toString('base64')
    if (packed.length <= rowsPackedMax || kept === 0) return { packed }
    kept = Math.floor(kept / 2)
  }
}

/** [] for what we did not write. */
function unpackRows(data: unknown): readonly unknown[] {
  const packed = (data as { packed?: unknown } | undefined)?.packed
  if (typeof packed !== 'string') return []
  try {
    const json = gunzipSync(Buffer.from(packed, 'base64'), { maxOutputLength: 4 * rowsCharsMax }).toString()
    const rows: unknown = JSON.parse(json)
    return Array.isArray(rows) ? rows : []
  } catch {
    return []
  }
}

function readEntry(data: unknown): ReceivedReport | undefined {
  const entry = (data ?? {}) as Partial<ReceivedReport>
  const isEntry =
    reportKindNames.some((name) => name === entry.kind) &&
    typeof entry.endAt === 'number' &&
    typeof entry.startAt === 'number' &&
    Array.isArray(entry.totals) &&
    Array.isArray(entry.defects)
  return isEntry ? (entry as ReceivedReport) : undefined
}
