import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { createFakeResolver } from '../dns/fake-resolver.ts'
import { parseMessage } from '../message/parse-message.ts'
import {
  composeDmarcReport,
  type DmarcAggregateHead,
  dmarcAggregateKind,
  mayBeAggregate,
} from './dmarc-aggregate.ts'
import type { DmarcRecordRow } from './dmarc-report.ts'
import { mergeSources, sourcesOf } from './dmarc-sources.ts'
import type { DayTally, ReportPart } from './report-kinds.ts'
import { reportMail } from './report-mail.ts'

let pauses = 0
const pause = (): Promise<void> => {
  pauses++
  return Promise.resolve()
}
const kind = dmarcAggregateKind({ resolver: createFakeResolver({}), generator: 'Posthouse test', pause })

const row = (sourceIp: string, more: Partial<DmarcRecordRow> = {}) => ({
  sourceIp,
  disposition: 'reject' as const,
  dkimAligned: 'fail' as const,
  spfAligned: 'fail' as const,
  reasons: [],
  headerFrom: 'owner.test',
  envelopeFrom: 'spam.test',
  dkim: [],
  spf: [{ domain: 'spam.test', scope: 'mfrom' as const, result: 'pass' as const }],
  ...more,
})
const policy = { domain: 'owner.test', p: 'reject', adkim: 'r', aspf: 'r', testing: false, fo: '0' } as const
const tally: DayTally = {
  domain: 'owner.test',
  day: '2026-11-20',
  startAt: Date.parse('2026-11-20T00:00:00Z'),
  endAt: Date.parse('2026-11-20T23:59:59Z'),
  entries: [
    { key: 'a', count: 3, data: { row: row('192.0.2.1'), policy, at: 1 } },
    {
      key: 'b',
      count: 4,
      data: { row: row('192.0.2.2', { dkimAligned: 'pass', disposition: 'pass' }), policy, at: 1 },
    },
  ],
  droppedCount: 2,
}
const facts = {
  organization: 'Here & Co',
  contact: 'reports@here.test',
  submitter: 'here.test',
  id: '0123456789abcdef0123456789abcdef',
}

const part = (bytes: Uint8Array, mediaType = 'application/gzip', fileName = 'x.xml.gz'): ReportPart => ({
  mediaType,
  fileName,
  bytes,
  reportType: '',
  siblings: [],
})

describe('a day as a report', () => {
  it('names and subject as RFC 9990 section 3.5.2 has them; the same day gives the same octets', async () => {
    const report = await composeDmarcReport(tally, facts, 'Posthouse test')
    assert.ok(report)
    const [begin, end] = [tally.startAt / 1000, tally.endAt / 1000]
    assert.equal(report.fileName, `here.test!owner.test!${begin}!${end}!${facts.id}.xml.gz`)
    assert.match(
      report.subject,
      /^Report Domain: owner\.test Submitter: here\.test Report-ID: <0123456789abcdef0123456789abcdef>$/,
    )
    assert.equal(report.mediaType, 'application/gzip')
    assert.match(report.text, /Messages: 7; passed: 4; failed: 3\./)
    assert.deepEqual(await composeDmarcReport(tally, facts, 'Posthouse test'), report)
  })

  it('is read from its own mail as what it was', async () => {
    const report = await composeDmarcReport(tally, facts, 'Posthouse test')
    assert.ok(report)
    const mail = parseMessage(reportMail(report, { facts, to: 'r@owner.test', messageId: 'id', now: 0 }))
    const [attachment] = mail.attachments
    assert.ok(attachment)
    const own = part(attachment.content, attachment.contentType, attachment.filename ?? '')
    assert.ok(kind.reading.takes(own))
    const read = await kind.reading.read(own)
    assert.ok(read.ok)
    const { organization, contact, id, startAt, endAt, totals, rows, defects } = read.report
    assert.deepEqual(
      { organization, contact, id, startAt, endAt, totals, defects },
      {
        organization: 'Here & Co',
        contact: 'reports@here.test',
        id: facts.id,
        startAt: tally.startAt,
        endAt: tally.endAt,
        totals: [{ domain: 'owner.test', successCount: 4, failureCount: 3 }],
        defects: [],
      },
    )
    const head = read.report.head as DmarcAggregateHead
    assert.deepEqual(head.policy, policy)
    assert.equal(head.messageCount, 7)
    assert.equal(head.generator, 'Posthouse test')
    assert.match(head.errors[0] ?? '', /^2 messages are in no record/)
    assert.deepEqual(
      head.sources.map(({ ip, passCount, failCount }) => [ip, passCount, failCount]),
      [
        ['192.0.2.2', 4, 0],
        ['192.0.2.1', 0, 3],
      ],
    )
    // Most messages first.
    assert.deepEqual(rows, [
      { ...row('192.0.2.2', { dkimAligned: 'pass', disposition: 'pass' }), count: 4 },
      { ...row('192.0.2.1'), count: 3 },
    ])
  })

  it('a day without rows is none', async () => {
    assert.equal(await composeDmarcReport({ ...tally, entries: [] }, facts, 'x'), undefined)
  })
})

describe('parts of mail that may be reports', () => {
  for (const [mediaType, fileName, expected] of [
    ['application/gzip', 'a!b!1!2.xml.gz', true],
    ['application/x-zip-compressed', '', true],
    ['application/zip', 'a!b!1!2.zip', true],
    ['application/octet-stream', 'a!b!1!2.XML', true],
    ['text/xml', '', true],
    ['application/gzip', 'a!b!1!2.json.gz', false],
    ['application/tlsrpt+gzip', 'x.json.gz', false],
    ['application/zip', 'dmarc-20260101.zip', true],
    ['application/zip', 'photos.zip', false],
    ['text/xml', 'invoice.xml', false],
    ['text/plain', '', false],
    ['application/octet-stream', 'x.exe', false],
  ] as const)
    it(`${mediaType} ${fileName}: ${expected}`, () => {
      assert.equal(mayBeAggregate({ mediaType, fileName }), expected)
    })
  it('a large one lets others work meanwhile', async () => {
    const entries = Array.from({ length: 3000 }, (_, i) => ({
      key: String(i),
      count: 1,
      data: { row: row(`192.0.${i >> 8}.${i & 255}`), policy, at: 1 },
    }))
    const report = await composeDmarcReport({ ...tally, entries }, facts, 'x')
    assert.ok(report)
    pauses = 0
    const read = await kind.reading.read(part(report.bytes))
    assert.ok(read.ok && read.report.rows.length === 3000)
    assert.ok(pauses > 5, `${pauses}`)
  })
  it('what is none is refused with the reason', async () => {
    assert.deepEqual(await kind.reading.read(part(gzipSync('hello'))), {
      ok: false,
      defects: ['no XML', 'xml: text-outside'],
    })
    assert.deepEqual(await kind.reading.read(part(Buffer.from([0x1f, 0x8b, 0]))), {
      ok: false,
      defects: ['broken gzip'],
    })
  })
})

describe('who sends', () => {
  const records: readonly DmarcRecordRow[] = [
    { ...row('192.0.2.1'), count: 5 },
    {
      ...row('192.0.2.1', { spfAligned: 'pass', disposition: 'none', headerFrom: 'sub.owner.test' }),
      count: 7,
    },
    { ...row('192.0.2.2'), count: 20 },
  ]
  it('is added up by address', () => {
    const [first, second] = sourcesOf(records)
    assert.equal(first?.ip, '192.0.2.2')
    assert.deepEqual(second, {
      ip: '192.0.2.1',
      count: 12,
      passCount: 7,
      failCount: 5,
      dkimAlignedCount: 0,
      spfAlignedCount: 7,
      dispositions: { reject: 5, none: 7 },
      headerFrom: ['sub.owner.test', 'owner.test'],
      authenticated: ['spam.test'],
    })
  })
  it('over reports, too', () => {
    const merged = mergeSources([sourcesOf(records), sourcesOf(records)])
    assert.deepEqual(
      merged.map(({ ip, count, passCount }) => [ip, count, passCount]),
      [
        ['192.0.2.2', 40, 0],
        ['192.0.2.1', 24, 14],
      ],
    )
    assert.deepEqual(merged[1]?.dispositions, { reject: 10, none: 14 })
  })
})
