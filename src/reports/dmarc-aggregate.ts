// Owns DMARC aggregate reports as a kind of report: how a day of one policy domain becomes the mail that RFC 9990 section
// 3.5.2 describes, and how the reports of others become what people look at. RFC 9990, RFC 7489 section 7.2.

import { gzip } from 'node:zlib'
import type { AuthResolver } from '../auth/node-resolver.ts'
import { dmarcDestinations } from './dmarc-destinations.ts'
import type { DmarcAggregateReport } from './dmarc-report.ts'
import { passesDmarc } from './dmarc-report.ts'
import { type DmarcSource, sourcesOf } from './dmarc-sources.ts'
import { reportRows } from './dmarc-tally.ts'
import { dmarcXmlLimits, readDmarcReport } from './dmarc-xml-reader.ts'
import { formatDmarcReport } from './dmarc-xml-writer.ts'
import type {
  ComposedReport,
  DayTally,
  ReadReport,
  ReportFacts,
  ReportKind,
  ReportPart,
  ReportRead,
} from './report-kinds.ts'
import { unpackReport } from './unpack.ts'

export interface DmarcAggregateOptions {
  readonly resolver: Pick<AuthResolver, 'txt'>
  /** 'Posthouse 1.2.3' */
  readonly generator: string
  /** Lets other work be done between pieces of a large report. Default: none is. */
  readonly pause?: () => Promise<void>
}

/** What `ReadReport.head` is. */
export interface DmarcAggregateHead
  extends Omit<DmarcAggregateReport, 'records' | 'startAt' | 'endAt' | 'reportId'> {
  readonly recordCount: number
  readonly messageCount: number
  /** Who sent most of it, at most 40, and as many as fit. */
  readonly sources: readonly DmarcSource[]
}

const gzipped = (text: string): Promise<Uint8Array> =>
  new Promise((resolve, reject) => {
    gzip(text, (error, bytes) => (error === null ? resolve(bytes) : reject(error)))
  })

const noPause = (): Promise<void> => Promise.resolve()

export function dmarcAggregateKind({
  resolver,
  generator,
  pause = noPause,
}: DmarcAggregateOptions): ReportKind {
  return {
    name: 'dmarc-aggregate',
    sending: {
      limits: { keysMax: 5000, domainsMax: 5000 },
      destinations: (domain, signal) => dmarcDestinations(domain, resolver, signal),
      compose: (tally, facts) => composeDmarcReport(tally, facts, generator),
    },
    reading: { takes: mayBeAggregate, read: (part) => readAggregate(part, pause) },
  }
}

/** The same tally and facts give the same octets. */
export async function composeDmarcReport(
  tally: DayTally,
  facts: ReportFacts,
  generator: string,
): Promise<ComposedReport | undefined> {
  const rows = reportRows(tally.entries)
  if (rows === undefined) return undefined
  const { domain, startAt, endAt, droppedCount } = tally
  const report: DmarcAggregateReport = {
    form: 'rfc9990',
    organization: facts.organization,
    email: facts.contact,
    // RFC 9990 section 3.1.4: the same wherever one is used.
    reportId: facts.id,
    startAt,
    endAt,
    errors:
      droppedCount > 0
        ? [`${droppedCount} messages are in no record: there were too many kinds of them`]
        : [],
    generator,
    ...rows,
  }
  const messages = report.records.reduce((sum, { count }) => sum + count, 0)
  const passed = report.records.reduce((sum, row) => sum + (passesDmarc(row) ? row.count : 0), 0)
  const [begin, end] = [startAt / 1000, endAt / 1000]
  return {
    bytes: await gzipped(formatDmarcReport(report)),
    mediaType: 'application/gzip',
    fileName: `${facts.submitter}!${domain}!${begin}!${end}!${facts.id}.xml.gz`,
    subject: `Report Domain: ${domain} Submitter: ${facts.submitter} Report-ID: <${facts.id}>`,
    text: [
      `This is a DMARC aggregate report (RFC 9990) by ${facts.organization}`,
      `about mail of ${domain} on ${tally.day} (UTC).`,
      '',
      `Messages: ${messages}; passed: ${passed}; failed: ${messages - passed}.`,
      '',
    ].join('\n'),
    headers: [],
  }
}

const types: ReadonlySet<string> = new Set([
  'application/gzip',
  'application/x-gzip',
  'application/x-gunzip',
  'application/gzipped',
  'application/zip',
  'application/x-zip',
  'application/x-zip-compressed',
  'text/xml',
  'application/xml',
])

/** What people send each other has such types, too: an attachment with a name is taken where that is one of a report. */
const namedSo = /^[^!]+![^!]+!\d+!\d+|dmarc|report|aggregate/i

/** By type and name. What it really is its octets say. */
export function mayBeAggregate({ mediaType, fileName }: Pick<ReportPart, 'mediaType' | 'fileName'>): boolean {
  if (/\.json(?:\.gz)?$/i.test(fileName)) return false
  if (fileName === '') return types.has(mediaType)
  return (types.has(mediaType) || /\.(?:xml|xml\.gz|gz|zip)$/i.test(fileName)) && namedSo.test(fileName)
}

/** Never rejects. */
async function readAggregate({ bytes }: ReportPart, pause: () => Promise<void>): Promise<ReportRead> {
  const unpacked = await unpackReport(bytes, { bytesMax: dmarcXmlLimits.bytesMax })
  if (!unpacked.ok) return { ok: false, defects: [unpacked.reason] }
  const steps = readDmarcReport(unpacked.bytes)
  for (;;) {
    const { done, value: read } = steps.next()
    if (done === true) return read.ok ? { ok: true, report: readReport(read.report, read.defects) } : read
    await pause()
  }
}

const textMax = 200
const sourcesMax = 40
/** JSON of the sources: a head is at most 16 KiB. */
const sourcesCharsMax = 10_000

function asManyAsFit(sources: readonly DmarcSource[]): readonly DmarcSource[] {
  let chars = 0
  return sources.slice(0, sourcesMax).filter((source) => {
    chars += JSON.stringify(source).length
    return chars <= sourcesCharsMax
  })
}

export function readReport(report: DmarcAggregateReport, defects: readonly string[]): ReadReport {
  const { records, startAt, endAt, reportId, ...rest } = report
  let [successCount, failureCount] = [0, 0]
  for (const row of records)
    if (passesDmarc(row)) successCount += row.count
    else failureCount += row.count
  const head: DmarcAggregateHead = {
    ...rest,
    extraContact: rest.extraContact?.slice(0, textMax) ?? '',
    generator: rest.generator?.slice(0, textMax) ?? '',
    organization: rest.organization.slice(0, textMax),
    email: rest.email.slice(0, textMax),
    errors: rest.errors.slice(0, 5).map((error) => error.slice(0, textMax)),
    recordCount: records.length,
    messageCount: successCount + failureCount,
    sources: asManyAsFit(sourcesOf(records)),
  }
  return {
    organization:
      head.organization === '' ? head.email.slice(head.email.indexOf('@') + 1) : head.organization,
    contact: head.email,
    id: reportId.slice(0, textMax),
    startAt,
    endAt,
    totals: [{ domain: report.policy.domain, successCount, failureCount }],
    head,
    // The first ones are kept: those that tell of most messages.
    rows: records.toSorted((a, b) => b.count - a.count),
    defects,
  }
}
