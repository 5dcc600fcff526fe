// TLS reports out and in: the example of the RFC, the law that what is written is read, and what is refused.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import {
  formatTlsReport,
  packTlsReport,
  parseTlsReport,
  type TlsReport,
  tlsReportLimits,
} from './tls-report.ts'

/** RFC 8460 appendix B, with names of .test. */
const example = {
  'organization-name': 'Company-X',
  'date-range': { 'start-datetime': '2016-04-01T00:00:00Z', 'end-datetime': '2016-04-01T23:59:59Z' },
  'contact-info': 'sts-reporting@company-x.test',
  'report-id': '5065427c-23d3-47ca-b6e0-946ea0e8c4be',
  policies: [
    {
      policy: {
        'policy-type': 'sts',
        'policy-string': ['version: STSv1', 'mode: testing', 'mx: *.mail.company-y.test', 'max_age: 86400'],
        'policy-domain': 'company-y.test',
        'mx-host': '*.mail.company-y.test',
      },
      summary: { 'total-successful-session-count': 5326, 'total-failure-session-count': 303 },
      'failure-details': [
        {
          'result-type': 'certificate-expired',
          'sending-mta-ip': '2001:db8:abcd:0012::1',
          'receiving-mx-hostname': 'mx1.mail.company-y.test',
          'failed-session-count': 100,
        },
        {
          'result-type': 'starttls-not-supported',
          'sending-mta-ip': '2001:db8:abcd:0013::1',
          'receiving-mx-hostname': 'mx2.mail.company-y.test',
          'receiving-ip': '203.0.113.56',
          'failed-session-count': 200,
          'additional-information':
            'https://reports.company-x.test/report_info?id=5065427c-23d3#StarttlsNotSupported',
        },
      ],
    },
  ],
}

const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

it('the report of the RFC is read, plain and packed', () => {
  for (const given of [bytes(example), gzipSync(bytes(example))]) {
    const read = parseTlsReport(given)
    assert.ok(read.ok, read.ok ? '' : read.reason)
    const { value } = read
    assert.equal(value.endAt - value.startAt, 86_399_000)
    assert.deepEqual(value.policies[0]?.mxHosts, ['*.mail.company-y.test'])
    assert.equal(value.policies[0]?.failureCount, 303)
    assert.deepEqual(
      value.policies[0]?.failures.map(({ resultType, failedSessionCount }) => [
        resultType,
        failedSessionCount,
      ]),
      [
        ['certificate-expired', 100],
        ['starttls-not-supported', 200],
      ],
    )
  }
})

it('what is written is read', () => {
  const text = fc.string({ maxLength: 40 }).map((one) => one.replace(/[^\x20-\x7e]/g, ''))
  const failure = fc.record(
    { resultType: text, failedSessionCount: fc.nat(), receivingIp: text, failureReasonCode: text },
    { requiredKeys: ['resultType', 'failedSessionCount'] },
  )
  const policy = fc.record({
    type: fc.constantFrom('tlsa' as const, 'sts' as const, 'no-policy-found' as const),
    strings: fc.array(text, { maxLength: 3 }),
    domain: text,
    mxHosts: fc.array(text, { maxLength: 3 }),
    successCount: fc.nat(),
    failureCount: fc.nat(),
    failures: fc.array(failure, { maxLength: 3 }),
  })
  const second = fc.nat(4_000_000_000).map((one) => one * 1000)
  const report = fc.record({
    organization: text,
    startAt: second,
    endAt: second,
    contact: text,
    id: text,
    policies: fc.array(policy, { maxLength: 3 }),
  })
  fc.assert(
    fc.property(report, (drawn) => {
      const given = JSON.parse(JSON.stringify(drawn)) as TlsReport // plain objects
      assert.deepEqual(parseTlsReport(packTlsReport(given)), { ok: true, value: given })
      assert.deepEqual(parseTlsReport(Buffer.from(formatTlsReport(given))), { ok: true, value: given })
    }),
    { numRuns: 200 },
  )
})

const without = (key: string): unknown => ({ ...example, [key]: undefined })
const refused: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['nothing', Buffer.alloc(0), /not JSON/],
  ['octets', Buffer.from([0xff, 0xfe, 0x00]), /UTF-8/],
  ['half a gzip', gzipSync(bytes(example)).subarray(0, 50), /gzip/],
  ['a bomb', gzipSync(Buffer.alloc(tlsReportLimits.unpackedBytesMax + 1, 0x20)), /too long/],
  ['more than is read', Buffer.alloc(tlsReportLimits.bytesMax + 1), /too long/],
  ['a list', bytes([]), /no object/],
  ['no policies', bytes(without('policies')), /policies is no list/],
  ['no range', bytes(without('date-range')), /date-range/],
  [
    'a time without offset',
    bytes({ ...example, 'date-range': { ...example['date-range'], 'end-datetime': '2016-04-01T23:59:59' } }),
    /RFC 3339/,
  ],
  [
    'a negative count',
    bytes({
      ...example,
      policies: [
        {
          ...example.policies[0],
          summary: { 'total-successful-session-count': -1, 'total-failure-session-count': 0 },
        },
      ],
    }),
    /no count/,
  ],
  [
    'an unknown type',
    bytes({ ...example, policies: [{ ...example.policies[0], policy: { 'policy-type': 'x' } }] }),
    /policy-type/,
  ],
]
for (const [title, given, reason] of refused)
  it(`refused: ${title}`, () => {
    const read = parseTlsReport(given)
    assert.equal(read.ok, false)
    assert.match(read.ok ? '' : read.reason, reason)
  })

it('control characters of a report do not reach a terminal', () => {
  const read = parseTlsReport(bytes({ ...example, 'organization-name': 'a\u001b[2J\r\nb' }))
  assert.equal(read.ok && read.value.organization, 'a [2J b')
})

it('whatever comes, nothing is thrown', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((text) => Buffer.from(text)),
      ),
      (given) => {
        assert.equal(typeof parseTlsReport(given).ok, 'boolean')
      },
    ),
  )
})
