// TLS-RPT as a kind: sessions counted, the report of a day, and reports of others, good and hostile. RFC 8460.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { parseTlsReport } from '../auth/tls-report.ts'
import { createFakeResolver } from '../dns/fake-resolver.ts'
import type { DayTally, ReportPart, ReportRead, Tallied, Tallies } from './report-kinds.ts'
import { createTlsRptKind } from './tls-rpt-kind.ts'
import { countTlsSession, type TlsSession, tlsReportPolicies } from './tls-rpt-tally.ts'

const never = new AbortController().signal

/** Counts as the book does. */
function counter(): { readonly tallies: Tallies; entries(): readonly Tallied[] } {
  const events = new Map<string, Tallied>()
  return {
    tallies: {
      add: (_kind, domain, key, data) => {
        const name = `${domain}\n${key}`
        events.set(name, { key, data, count: (events.get(name)?.count ?? 0) + 1 })
      },
    },
    entries: () => [...events.values()],
  }
}

const sts: TlsSession['policy'] = {
  type: 'sts',
  domain: 'them.test',
  strings: ['version: STSv1', 'mode: enforce', 'mx: mx.them.test', 'max_age: 86400'],
  mxHosts: ['mx.them.test'],
}
const session: TlsSession = { domain: 'them.test', policy: sts, host: 'mx.them.test', address: '192.0.2.25' }
const expired: TlsSession = {
  ...session,
  localAddress: '192.0.2.1',
  failure: { type: 'certificate-expired', reason: 'certificate has\r\nexpired' },
}

const tallyOf = (entries: readonly Tallied[]): DayTally => ({
  domain: 'them.test',
  day: '2026-11-21',
  startAt: Date.parse('2026-11-21T00:00:00Z'),
  endAt: Date.parse('2026-11-21T23:59:59Z'),
  entries,
  droppedCount: 0,
})
const facts = {
  organization: 'Us',
  contact: 'postmaster@us.test',
  submitter: 'us.test',
  id: '0123456789abcdef0123456789abcdef',
}
const kind = (txt: Readonly<Record<string, readonly string[]>> = {}) =>
  createTlsRptKind({ resolver: createFakeResolver({ txt, fail: ['txt _smtp._tls.broken.test'] }) })

const part = (bytes: Uint8Array, some: Partial<ReportPart> = {}): ReportPart => ({
  mediaType: 'application/tlsrpt+gzip',
  fileName: '',
  reportType: '',
  siblings: [],
  bytes,
  ...some,
})
const read = async (bytes: Uint8Array): Promise<ReportRead> => kind().reading.read(part(bytes))

describe('sessions counted', () => {
  it('the same outcome is one entry, and becomes one failure of its policy', () => {
    const { tallies, entries } = counter()
    for (let i = 0; i < 3; i++) countTlsSession(tallies, session)
    for (let i = 0; i < 2; i++) countTlsSession(tallies, expired)
    countTlsSession(tallies, { ...expired, address: '192.0.2.26' })
    countTlsSession(tallies, {
      ...session,
      policy: { type: 'no-policy-found', domain: 'them.test', strings: [], mxHosts: [] },
    })
    assert.equal(entries().length, 4)
    const [none, own] = tlsReportPolicies(entries())
    assert.deepEqual([none?.type, none?.successCount, none?.failureCount], ['no-policy-found', 1, 0])
    assert.deepEqual([own?.type, own?.successCount, own?.failureCount], ['sts', 3, 3])
    assert.deepEqual(own?.failures[0], {
      resultType: 'certificate-expired',
      sendingMtaIp: '192.0.2.1',
      receivingMxHostname: 'mx.them.test',
      receivingIp: '192.0.2.25',
      failedSessionCount: 2,
      failureReasonCode: 'certificate has expired',
    })
  })

  it('key and data stay within the bounds of a tally, whatever a policy has', () => {
    const { tallies, entries } = counter()
    const long = Array.from({ length: 500 }, (_, i) => `mx: ${'x'.repeat(300)}${i}.them.test`)
    countTlsSession(tallies, { ...expired, policy: { ...sts, strings: long, mxHosts: long } })
    const [entry] = entries()
    assert.ok(entry !== undefined && entry.key.length <= 500, `${entry?.key.length}`)
    assert.ok(JSON.stringify(entry.data).length <= 2048, `${JSON.stringify(entry.data).length}`)
  })

  it('data that is not ours is passed by', () => {
    const bad = [null, 1, {}, { policy: {} }, { policy: { domain: 'x', strings: 1 } }]
    assert.deepEqual(tlsReportPolicies(bad.map((data, i) => ({ key: `${i}`, count: 1, data }))), [])
  })
})

describe('where reports go', () => {
  const txt = {
    '_smtp._tls.them.test': ['other', 'v=TLSRPTv1; rua=mailto:tls@them.test,https://them.test/r'],
    '_smtp._tls.two.test': ['v=TLSRPTv1; rua=mailto:a@two.test', 'v=TLSRPTv1; rua=mailto:b@two.test'],
    '_smtp._tls.ftp.test': ['v=TLSRPTv1; rua=ftp://ftp.test/'],
  }
  for (const [domain, result, uris] of [
    ['them.test', 'to', ['mailto:tls@them.test', 'https://them.test/r']],
    ['two.test', 'none', []],
    ['ftp.test', 'none', []],
    ['nobody.test', 'none', []],
    ['broken.test', 'temporary', []],
  ] as const)
    it(`${domain}: ${result}`, async () => {
      const found = await kind(txt).sending?.destinations(domain, never)
      assert.equal(found?.kind, result)
      assert.deepEqual(found?.kind === 'to' ? found.to.map(({ uri }) => uri) : [], uris)
    })

  it('one place gets one report, however often it is named, and no more than five places', async () => {
    const many = Array.from({ length: 8 }, (_, i) => `https://r${i}.test/`)
    const rua = ['mailto:a@them.test', 'MAILTO:%61@THEM.test', 'mailto:a@them.test?subject=x', ...many]
    const txt = { '_smtp._tls.them.test': [`v=TLSRPTv1; rua=${rua.join(',')}`] }
    const found = await kind(txt).sending?.destinations('them.test', never)
    assert.ok(found?.kind === 'to')
    assert.deepEqual(
      found.to.map(({ uri }) => uri),
      ['mailto:a@them.test', ...many.slice(0, 4)],
    )
    assert.deepEqual(
      found.refused.map(({ uri }) => uri),
      many.slice(4),
    )
  })
})

describe('the report of a day', () => {
  const { tallies, entries } = counter()
  countTlsSession(tallies, session)
  countTlsSession(tallies, expired)

  it('is named and headed as RFC 8460 section 5 says', async () => {
    const composed = await kind().sending?.compose(tallyOf(entries()), facts)
    assert.ok(composed !== undefined)
    assert.equal(
      composed.fileName,
      'us.test!them.test!1795219200!1795305599!0123456789abcdef0123456789abcdef.json.gz',
    )
    assert.equal(
      composed.subject,
      'Report Domain: them.test Submitter: us.test Report-ID: <0123456789abcdef0123456789abcdef@us.test>',
    )
    assert.deepEqual(composed.headers, [
      ['TLS-Report-Domain', 'them.test'],
      ['TLS-Report-Submitter', 'us.test'],
    ])
    assert.equal(composed.mediaType, 'application/tlsrpt+gzip')
    assert.equal(composed.reportType, 'tlsrpt')
    assert.equal(composed.evenWithoutTls, true)
    assert.match(
      composed.text,
      /sts of them.test: 1 good, 1 failed\n {2}1 x certificate-expired, mx.them.test/,
    )
    const json = JSON.parse(gunzipSync(composed.bytes).toString())
    assert.deepEqual(json['date-range'], {
      'start-datetime': '2026-11-21T00:00:00Z',
      'end-datetime': '2026-11-21T23:59:59Z',
    })
    assert.deepEqual(json.policies[0].policy, {
      'policy-type': 'sts',
      'policy-string': sts.strings,
      'policy-domain': 'them.test',
      'mx-host': ['mx.them.test'],
    })
  })

  it('is the same for the same day and facts; none where nothing was counted', async () => {
    const compose = () => kind().sending?.compose(tallyOf(entries()), facts)
    assert.deepEqual(await compose(), await compose())
    assert.equal(await kind().sending?.compose(tallyOf([]), facts), undefined)
  })

  it('is read as it was written', async () => {
    const composed = await kind().sending?.compose(tallyOf(entries()), facts)
    const found = await read(composed?.bytes ?? Buffer.alloc(0))
    assert.ok(found.ok)
    const { report } = found
    assert.deepEqual(report.totals, [{ domain: 'them.test', successCount: 1, failureCount: 1 }])
    assert.equal(report.organization, 'Us')
    assert.equal(report.rows.length, 1)
    assert.deepEqual(report.defects, [])
  })
})

describe('reports of others', () => {
  it('are known by their type, or by report and name', () => {
    const { takes } = kind().reading
    const gz = { mediaType: 'application/gzip' }
    const bytes = Buffer.alloc(0)
    assert.ok(takes(part(bytes)))
    assert.ok(takes(part(bytes, { mediaType: 'application/tlsrpt+json' })))
    assert.ok(takes(part(bytes, { ...gz, reportType: 'tlsrpt' })))
    assert.ok(takes(part(bytes, { ...gz, fileName: 'a.test!b.test!1!2.json.gz' })))
    assert.ok(!takes(part(bytes, { ...gz, fileName: 'a.test!b.test!1!2.xml.gz' })))
    assert.ok(!takes(part(bytes, { mediaType: 'text/plain', reportType: 'tlsrpt' })))
  })

  const whole = {
    'organization-name': 'Them',
    'date-range': { 'start-datetime': '2026-11-21T00:00:00Z', 'end-datetime': '2026-11-21T23:59:59Z' },
    'contact-info': 'x@them.test',
    'report-id': 'id',
    policies: [
      {
        policy: { 'policy-type': 'sts', 'policy-domain': 'Us.Test' },
        summary: { 'total-successful-session-count': 5, 'total-failure-session-count': 2 },
        'failure-details': [{ 'result-type': 'certificate-expired', 'failed-session-count': 1 }],
      },
    ],
  }
  const bytesOf = (value: unknown): Buffer => gzipSync(JSON.stringify(value))

  it('are read with what is odd about them', async () => {
    const found = await read(bytesOf(whole))
    assert.ok(found.ok)
    assert.deepEqual(found.report.totals, [{ domain: 'us.test', successCount: 5, failureCount: 2 }])
    assert.deepEqual(found.report.defects, ['Us.Test: the details tell of 1 failures, the summary of 2'])
  })

  it('hostile ones are refused or cut, and quickly', async () => {
    const [policy] = whole.policies
    const hostile: readonly (readonly [string, Buffer])[] = [
      ['a bomb', gzipSync(Buffer.alloc(200 * 1024 * 1024))],
      ['no gzip', Buffer.from([0x1f, 0x8b, 1, 2, 3])],
      ['deep JSON', gzipSync('['.repeat(3_000_000))],
      ['deep objects', gzipSync('{"a":'.repeat(1_000_000))],
      [
        'too much to wait for',
        bytesOf({ ...whole, more: Array.from({ length: 500_000 }, () => ({ a: 1 })) }),
      ],
      ['a string', gzipSync('"x"')],
      ['no policies', bytesOf({ ...whole, policies: [] })],
      ['too many policies', bytesOf({ ...whole, policies: Array.from({ length: 20_000 }, () => policy) })],
      [
        'ends first',
        bytesOf({
          ...whole,
          'date-range': { 'start-datetime': '2026-11-21T00:00:00Z', 'end-datetime': '2026-11-20T00:00:00Z' },
        }),
      ],
      [
        'no count',
        bytesOf({
          ...whole,
          policies: [
            {
              ...policy,
              summary: { 'total-successful-session-count': 1e300, 'total-failure-session-count': 1 },
            },
          ],
        }),
      ],
    ]
    for (const [title, bytes] of hostile) {
      const startedAt = performance.now()
      assert.equal((await read(bytes)).ok, false, title)
      assert.ok(performance.now() - startedAt < 3000, title)
    }
  })

  it('huge counts add up to no more than a number can tell; texts have no control characters', async () => {
    const most = {
      'total-successful-session-count': Number.MAX_SAFE_INTEGER,
      'total-failure-session-count': 0,
    }
    const one = {
      policy: { 'policy-type': 'sts', 'policy-domain': `us.test\u0000\u001b[2J${'x'.repeat(5000)}` },
      summary: most,
    }
    const found = await read(bytesOf({ ...whole, 'organization-name': 'A\r\nB', policies: [one, one] }))
    assert.ok(found.ok)
    assert.equal(found.report.totals[0]?.successCount, Number.MAX_SAFE_INTEGER)
    assert.equal(found.report.organization, 'A B')
    assert.doesNotMatch(JSON.stringify(found.report), /\\u00[01]/)
    assert.ok((found.report.totals[0]?.domain.length ?? 0) <= 200)
  })

  it('whatever the octets, nothing is thrown; what is counted comes back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        await read(bytes)
        await read(gzipSync(bytes))
      }),
    )
    const outcome = fc.constantFrom(session, expired, { ...expired, address: '2001:db8::1' })
    await fc.assert(
      fc.asyncProperty(fc.array(outcome, { minLength: 1, maxLength: 30 }), async (sessions) => {
        const { tallies, entries } = counter()
        for (const one of sessions) countTlsSession(tallies, one)
        const composed = await kind().sending?.compose(tallyOf(entries()), facts)
        const parsed = parseTlsReport(composed?.bytes ?? Buffer.alloc(0))
        assert.ok(parsed.ok)
        const failed = sessions.filter(({ failure }) => failure !== undefined).length
        assert.equal(parsed.value.policies[0]?.failureCount, failed)
        assert.equal(parsed.value.policies[0]?.successCount, sessions.length - failed)
      }),
      { numRuns: 30 },
    )
  })
})
