// Owns the sum of the DMARC reports that came in about our domains over some days: how much mail goes by our name, from
// where, whether it passes, and what was done with it. What it says is what others say: reports can be forged, so each
// list says how many reports it comes from.

import type { DmarcAggregateHead } from './dmarc-aggregate.ts'
import type { DmarcDisposition } from './dmarc-report.ts'
import { type DmarcSource, mergeSources } from './dmarc-sources.ts'
import type { ReceivedReport, ReceivedReports } from './received-reports.ts'
import { dayMs, dayOf, dayStart } from './report-day.ts'

export interface DmarcSummary {
  readonly reportCount: number
  readonly passCount: number
  readonly failCount: number
  readonly dispositions: Readonly<Partial<Record<DmarcDisposition, number>>>
  /** Most mail first, at most `limit`. */
  readonly sources: readonly DmarcSource[]
  readonly sourceCount: number
  /** Messages of sources that reports have and that are not kept apart, for there are too many of them. */
  readonly otherCount: number
  /** Who reported, most messages first, at most 50. */
  readonly reporters: readonly { readonly organization: string; readonly messageCount: number }[]
}

export interface DmarcSummaryOptions {
  readonly received: Pick<ReceivedReports, 'list'>
  readonly now: number
  /** 1..366, the day of `now` being the last. */
  readonly days: number
  /** Where the record stands; absent: of all. */
  readonly domain?: string
  /** Of sources. */
  readonly limit: number
}

const reportersMax = 50
/** Reports beyond this are not read for one sum. */
const reportsMax = 20_000
/** Different addresses in memory; beyond it those with least mail are let go. */
const sourcesMax = 5000

export async function summarizeDmarc(options: DmarcSummaryOptions): Promise<DmarcSummary> {
  const { received, now, days, domain, limit } = options
  const first = dayStart(dayOf(now)) - (days - 1) * dayMs
  const reporters = new Map<string, number>()
  const dispositions = new Map<DmarcDisposition, number>()
  let sources: readonly DmarcSource[] = []
  let [reportCount, passCount, failCount] = [0, 0, 0]
  let cursor: string | undefined
  do {
    const page = await received.list({
      kind: 'dmarc-aggregate',
      limit: 200,
      ...(domain !== undefined && { domain }),
      ...(cursor !== undefined && { cursor }),
    })
    const lists = [sources]
    cursor = page.cursor
    for (const { report } of page.items) {
      // The newest come first.
      if (report.endAt < first || reportCount >= reportsMax) {
        cursor = undefined
        break
      }
      if (report.state !== 'read') continue
      reportCount++
      passCount += report.successCount
      failCount += report.failureCount
      const count = report.successCount + report.failureCount
      reporters.set(report.organization, (reporters.get(report.organization) ?? 0) + count)
      lists.push(headSources(report))
    }
    sources = mergeSources(lists).slice(0, sourcesMax)
  } while (cursor !== undefined)
  for (const source of sources)
    for (const [name, count] of Object.entries(source.dispositions))
      dispositions.set(name as DmarcDisposition, (dispositions.get(name as DmarcDisposition) ?? 0) + count)
  const listed = sources.reduce((sum, { count }) => sum + count, 0)
  return {
    reportCount,
    passCount,
    failCount,
    dispositions: Object.fromEntries(dispositions),
    sources: sources.slice(0, limit),
    sourceCount: sources.length,
    otherCount: Math.max(0, passCount + failCount - listed),
    reporters: [...reporters]
      .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
      .slice(0, reportersMax)
      .map(([organization, messageCount]) => ({ organization, messageCount })),
  }
}

const headSources = ({ head }: ReceivedReport): readonly DmarcSource[] => {
  const { sources } = (head ?? {}) as Partial<DmarcAggregateHead>
  return Array.isArray(sources) ? sources : []
}
