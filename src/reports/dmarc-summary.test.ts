import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readReport } from './dmarc-aggregate.ts'
import type { DmarcRecordRow } from './dmarc-report.ts'
import { summarizeDmarc } from './dmarc-summary.ts'
import type { ReceivedReport, StoredReport } from './received-reports.ts'

const dayMs = 24 * 3_600_000
const now = Date.parse('2026-11-21T12:00:00Z')
const row = (sourceIp: string, count: number, passes: boolean): DmarcRecordRow => ({
  sourceIp,
  count,
  disposition: passes ? 'pass' : 'reject',
  dkimAligned: passes ? 'pass' : 'fail',
  spfAligned: 'fail',
  reasons: [],
  headerFrom: 'owner.test',
  dkim: [],
  spf: [],
})

function stored(organization: string, daysAgo: number, records: readonly DmarcRecordRow[]): StoredReport {
  const startAt = now - (now % dayMs) - daysAgo * dayMs
  const read = readReport(
    {
      form: 'rfc9990',
      organization,
      email: `r@${organization}`,
      reportId: `${organization}${daysAgo}`,
      startAt,
      endAt: startAt + dayMs - 1000,
      errors: [],
      policy: { domain: 'owner.test', p: 'reject' },
      records,
    },
    [],
  )
  const [total] = read.totals
  const report: ReceivedReport = {
    source: 'mail',
    from: '',
    signedBy: [],
    receivedAt: now,
    kind: 'dmarc-aggregate',
    state: 'read',
    organization,
    contact: '',
    reportId: read.id,
    startAt,
    endAt: read.endAt,
    totals: read.totals,
    domainCount: 1,
    successCount: total?.successCount ?? 0,
    failureCount: total?.failureCount ?? 0,
    defects: [],
    head: read.head,
    rowCount: read.rows.length,
  }
  return { id: `${daysAgo} ${organization}`, report }
}

/** Pages of two, the newest first. */
const received = (items: readonly StoredReport[]) => ({
  list: ({ cursor }: { readonly cursor?: string }) => {
    const from = Number(cursor ?? 0)
    const more = from + 2 < items.length
    return Promise.resolve({ items: items.slice(from, from + 2), ...(more && { cursor: String(from + 2) }) })
  },
})

describe('the sum of DMARC reports', () => {
  it('of the days that are asked for, by source and reporter', async () => {
    const many = Array.from({ length: 300 }, (_, i) => row(`198.51.${i >> 8}.${i & 255}`, 1, false))
    const items = [
      stored('big.test', 1, [row('192.0.2.1', 90, true), row('192.0.2.66', 5, false)]),
      stored('small.test', 1, [row('192.0.2.1', 10, true)]),
      stored('big.test', 2, [row('192.0.2.66', 7, false), ...many]),
      stored('big.test', 30, [row('192.0.2.1', 1000, true)]),
    ]
    const sum = await summarizeDmarc({ received: received(items), now, days: 7, limit: 2 })
    assert.deepEqual(
      { ...sum, sources: sum.sources.map(({ ip, passCount, failCount }) => [ip, passCount, failCount]) },
      {
        reportCount: 3,
        passCount: 100,
        failCount: 312,
        dispositions: { pass: 100, reject: 12 + 39 },
        sources: [
          ['192.0.2.1', 100, 0],
          ['192.0.2.66', 0, 12],
        ],
        sourceCount: 2 + 39,
        otherCount: 300 - 39,
        reporters: [
          { organization: 'big.test', messageCount: 402 },
          { organization: 'small.test', messageCount: 10 },
        ],
      },
    )
  })

  it('of nothing', async () => {
    const sum = await summarizeDmarc({ received: received([]), now, days: 7, limit: 2 })
    assert.equal(sum.reportCount, 0)
    assert.deepEqual(sum.sources, [])
  })

  it('the head of a report stays within its bound', () => {
    const long = `${'a'.repeat(60)}.`.repeat(4)
    const { head } = stored(
      'big.test',
      1,
      Array.from({ length: 100 }, (_, i) => ({ ...row(`192.0.2.${i}`, 1, true), headerFrom: `${i}${long}` })),
    ).report
    assert.ok(JSON.stringify(head).length < 16 * 1024)
  })
})
