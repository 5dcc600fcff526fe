// Owns the reports of the fake API: a month of DMARC and TLS reports, one that is forged, one that cannot be read, and those
// that were sent. Seeded, the same on every run.

import type {
  DmarcAggregateHead,
  DmarcFailureHead,
  DmarcReportRow,
  DmarcSourceItem,
  ReceivedReportItem,
  ReceivedReportView,
  ReportKind,
  ReportSummaryView,
  SentReportItem,
  TlsReportHead,
  TlsReportRow,
} from '../../src/http/api-types.ts'
import type { Answer } from './fake-api.ts'
import { seeded } from './fake-mail.ts'

const dayMs = 86_400_000
const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10)

const reporters = ['Big Mail', 'mail.university.example', 'Provider & Sons', 'smallhost.test'] as const
const domains = ['example.test', 'shop.test'] as const

const sources: readonly DmarcSourceItem[] = [
  {
    ip: '198.51.100.7',
    count: 4120,
    passCount: 4109,
    failCount: 11,
    dkimAlignedCount: 4109,
    spfAlignedCount: 3990,
    dispositions: { none: 4120 },
    headerFrom: ['example.test'],
    authenticated: ['example.test'],
  },
  {
    ip: '2001:db8:44::19',
    count: 812,
    passCount: 640,
    failCount: 172,
    dkimAlignedCount: 640,
    spfAlignedCount: 0,
    dispositions: { none: 640, quarantine: 172 },
    headerFrom: ['example.test'],
    authenticated: ['example.test', 'newsletter.example'],
  },
  {
    ip: '203.0.113.99',
    count: 96,
    passCount: 0,
    failCount: 96,
    dkimAlignedCount: 0,
    spfAlignedCount: 0,
    dispositions: { quarantine: 90, reject: 6 },
    headerFrom: ['example.test', 'shop.test'],
    authenticated: [],
  },
]

const dmarcRows: readonly DmarcReportRow[] = sources.flatMap((source) =>
  source.passCount === 0
    ? [row(source.ip, source.failCount, false)]
    : [row(source.ip, source.passCount, true), row(source.ip, source.failCount, false)],
)

function row(sourceIp: string, count: number, passes: boolean): DmarcReportRow {
  return {
    sourceIp,
    count,
    disposition: passes ? 'none' : 'quarantine',
    dkimAligned: passes ? 'pass' : 'fail',
    spfAligned: 'fail',
    reasons: [],
    headerFrom: 'example.test',
    dkim: [{ domain: 'example.test', selector: 's20261118', result: passes ? 'pass' : 'fail' }],
    spf: [{ domain: 'bounces.newsletter.example', result: 'softfail' }],
  }
}

const dmarcHead: DmarcAggregateHead = {
  policy: { domain: 'example.test', p: 'quarantine', sp: 'reject', adkim: 'r', aspf: 'r', pct: 100 },
  form: 'rfc9990',
  extraContact: '',
  generator: 'reporter 2.1',
  errors: [],
  recordCount: dmarcRows.length,
  messageCount: 5028,
  sources,
}

const tlsHead: TlsReportHead = {
  policies: [
    {
      type: 'sts',
      domain: 'example.test',
      strings: ['version: STSv1', 'mode: enforce', 'mx: mx.example.test', 'max_age: 604800'],
      mxHosts: ['mx.example.test'],
      successCount: 1930,
      failureCount: 46,
    },
  ],
  policyCount: 1,
}
const tlsRows: readonly TlsReportRow[] = [
  {
    policyDomain: 'example.test',
    policyType: 'sts',
    resultType: 'certificate-expired',
    failedSessionCount: 41,
    sendingMtaIp: '192.0.2.44',
    receivingMxHostname: 'mx.example.test',
    receivingIp: '198.51.100.7',
  },
  {
    policyDomain: 'example.test',
    policyType: 'sts',
    resultType: 'validation-failure',
    failedSessionCount: 5,
    sendingMtaIp: '2001:db8::44',
    receivingMxHostname: 'mx.example.test',
    receivingIp: '198.51.100.7',
    failureReasonCode: 'tls handshake aborted <script>alert(1)</script>',
  },
]

const failureHead: DmarcFailureHead = {
  authFailure: 'dmarc',
  identityAlignment: ['dkim', 'spf'],
  deliveryResult: 'reject',
  sourceIp: '203.0.113.99',
  reportedDomains: ['example.test'],
  authenticationResults: ['mx.university.example; dmarc=fail header.from=example.test'],
  originalMailFrom: 'anybody@bad.example',
  originalRecipients: ['student@university.example'],
  userAgent: 'Reporter/3.0',
  reportingMta: 'dns; mx.university.example',
  incidents: 1,
  subject: 'Your <b>parcel</b> waits',
  from: 'Example <service@example.test>',
  messageId: '<4711@bad.example>',
}

export class FakeReports {
  readonly #received: readonly ReceivedReportItem[]
  readonly #sent: readonly SentReportItem[]

  constructor(now: number) {
    const chance = seeded(7)
    const today = Math.floor(now / dayMs) * dayMs
    const items: ReceivedReportItem[] = []
    const add = (kind: ReportKind, day: number, more: Partial<ReceivedReportItem>): void => {
      const startAt = today - day * dayMs
      const [domain] = more.domains ?? ['example.test']
      items.push({
        id: `${kind}-${items.length}`,
        kind,
        state: 'read',
        organization: reporters[items.length % reporters.length] ?? '',
        contact: 'reports@reporter.example',
        reportId: `${dayOf(startAt)}.${items.length}`,
        startAt,
        endAt: startAt + dayMs,
        receivedAt: Math.min(now, startAt + dayMs + 3 * 3_600_000),
        source: 'mail',
        from: 'reports@reporter.example',
        messageId: `report${items.length}`,
        signedBy: ['reporter.example'],
        domains: [domain ?? 'example.test'],
        domainCount: 1,
        successCount: 0,
        failureCount: 0,
        defects: [],
        ...more,
      })
    }
    for (let day = 1; day <= 40; day++) {
      const busy = 300 + Math.round(chance() * 200)
      add('dmarc-aggregate', day, {
        domains: [domains[day % 2] ?? 'example.test'],
        successCount: busy,
        failureCount: Math.round(chance() * (day === 6 ? 200 : 18)),
      })
      add('tls-rpt', day, {
        source: day % 3 === 0 ? 'http' : 'mail',
        from: day % 3 === 0 ? '192.0.2.80' : 'tlsrpt@reporter.example',
        successCount: 120 + Math.round(chance() * 60),
        failureCount: day < 4 ? 30 + Math.round(chance() * 20) : 0,
      })
      if (day === 1)
        add('dmarc-failure', day, { failureCount: 1, organization: 'mail.university.example', signedBy: [] })
      if (day === 2)
        add('dmarc-aggregate', day, {
          state: 'unreadable',
          organization: '',
          from: 'robot@strange.example',
          signedBy: [],
          domains: [],
          domainCount: 0,
          defects: ['the archive is larger than 20 MiB'],
        })
    }
    this.#received = items
    const report = (
      kind: ReportKind,
      domain: string,
      day: number,
      state: SentReportItem['state'],
      destinations: SentReportItem['destinations'],
      more: Partial<SentReportItem> = {},
    ): SentReportItem => ({
      id: `${kind}-${domain}-${day}`,
      kind,
      domain,
      day: dayOf(today - day * dayMs),
      reportId: `${day}@posthouse.test`,
      state,
      attemptCount: 1,
      destinations,
      ...more,
    })
    this.#sent = [
      report(
        'tls-rpt',
        'partner.example',
        1,
        'waiting',
        [{ uri: 'https://tls.partner.example/v1/report', state: 'waiting', said: '503 Service Unavailable' }],
        { attemptCount: 3, nextTryAt: now + 1_800_000 },
      ),
      report('dmarc-aggregate', 'newsletter.example', 1, 'sent', [
        { uri: 'mailto:dmarc@newsletter.example', state: 'queued', messageId: 'sent1' },
      ]),
      report('tls-rpt', 'university.example', 2, 'partly', [
        { uri: 'mailto:tls@university.example', state: 'sent', messageId: 'sent2' },
        { uri: 'https://old.university.example/report', state: 'failed', said: '404 Not Found' },
      ]),
      report('dmarc-aggregate', 'bad.example', 3, 'failed', [
        {
          uri: 'mailto:x@third.example',
          state: 'refused',
          said: 'third.example does not want reports about bad.example',
        },
      ]),
    ]
  }

  #of(query: URLSearchParams): readonly ReceivedReportItem[] {
    const [kind, domain] = [query.get('kind'), query.get('domain')]
    return this.#received.filter(
      (one) => (kind === null || one.kind === kind) && (domain === null || one.domains.includes(domain)),
    )
  }

  route(method: string, area: string, id: string, query: URLSearchParams): Answer | undefined {
    if (area === 'summary') return { body: this.#summary(query) }
    if (area === 'dmarc')
      return {
        body: {
          reportCount: 40,
          passCount: 4749,
          failCount: 279,
          dispositions: { none: 4760, quarantine: 262, reject: 6 },
          sources,
          sourceCount: 5,
          otherCount: 12,
          reporters: [{ organization: 'Big Mail', messageCount: 4000 }],
        },
      }
    if (area === 'sent') {
      if (method === 'POST') return { body: { count: 1 } }
      const [kind, domain] = [query.get('kind'), query.get('domain')]
      const items = this.#sent.filter(
        (one) => (kind === null || one.kind === kind) && (domain === null || one.domain === domain),
      )
      return { body: { items } }
    }
    if (area !== 'received') return undefined
    if (id !== '') return this.#one(id)
    const items = this.#of(query)
    const from = Number(query.get('cursor') ?? 0)
    const to = from + Number(query.get('limit') ?? 50)
    return {
      body: { items: items.slice(from, to), ...(to < items.length && { cursor: String(to) }) },
    }
  }

  #one(id: string): Answer {
    const item = this.#received.find((one) => one.id === id)
    if (item === undefined) return { status: 404, body: { title: 'Not found', status: 404 } }
    const isTls = item.kind === 'tls-rpt'
    const isFailure = item.kind === 'dmarc-failure'
    const isRead = item.state === 'read'
    const head = isTls ? tlsHead : isFailure ? failureHead : dmarcHead
    const rows: readonly object[] = isTls
      ? tlsRows
      : isFailure
        ? [
            { name: 'from', value: 'Example <service@example.test>' },
            { name: 'subject', value: 'Your <b>parcel</b> waits' },
          ]
        : dmarcRows
    const view: ReceivedReportView = {
      ...item,
      totals: item.domains.map((domain) => ({
        domain,
        successCount: item.successCount,
        failureCount: item.failureCount,
      })),
      head: isRead ? { ...head } : {},
      rows: isRead ? rows.map((one) => ({ ...one })) : [],
      rowCount: isRead ? rows.length : 0,
    }
    return { body: view }
  }

  #summary(query: URLSearchParams): ReportSummaryView {
    const count = Number(query.get('days') ?? 30)
    const items = this.#of(query)
    const today = Math.floor(Date.now() / dayMs) * dayMs
    const days = Array.from({ length: count }, (_, at) => {
      const day = dayOf(today - (count - 1 - at) * dayMs)
      const own = items.filter(({ startAt }) => dayOf(startAt) === day)
      const kinds = [...Map.groupBy(own, ({ kind }) => kind)].map(([kind, all]) => ({
        kind,
        reportCount: all.length,
        successCount: all.reduce((sum, one) => sum + one.successCount, 0),
        failureCount: all.reduce((sum, one) => sum + one.failureCount, 0),
      }))
      return { day, kinds }
    })
    return { days, domains: [...domains] }
  }
}
