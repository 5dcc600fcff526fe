// Reports of others: out of mail and requests, kept once, noted where they cannot be read, found by the look into mailboxes.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { formatTlsReport, type TlsReport } from '../auth/tls-report.ts'
import { createFakeResolver } from '../dns/fake-resolver.ts'
import { createMemoryStore } from '../store/memory/memory-store.ts'
import { newMessage, placementIn } from '../store/sample.test.ts'
import type { Store } from '../store/store.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { ReceivedReports } from './received-reports.ts'
import { ReportIntake } from './report-intake.ts'
import type { ReadReport } from './report-kinds.ts'
import { reportMail } from './report-mail.ts'
import { ReportMailbox } from './report-mailbox.ts'
import { createTlsRptKind } from './tls-rpt-kind.ts'

const now = Date.parse('2026-11-22T06:00:00Z')
const startAt = Date.parse('2026-11-21T00:00:00Z')
const endAt = Date.parse('2026-11-21T23:59:59Z')

const tlsReport = (some: Partial<TlsReport> = {}, domain = 'us.test', successCount = 7): TlsReport => ({
  organization: 'Them',
  startAt,
  endAt,
  contact: 'x@them.test',
  id: 'one@them.test',
  policies: [
    {
      type: 'sts',
      domain,
      strings: ['version: STSv1'],
      mxHosts: [],
      successCount,
      failureCount: 2,
      failures: [
        { resultType: 'certificate-expired', failedSessionCount: 2, receivingMxHostname: 'mx.us.test' },
      ],
    },
  ],
  ...some,
})

/** As another mail system writes it. */
function mailOf(bytes: Uint8Array, header = ''): Buffer {
  const mail = reportMail(
    {
      bytes,
      mediaType: 'application/tlsrpt+gzip',
      fileName: 'them.test!us.test!1!2.json.gz',
      subject: 'Report Domain: us.test',
      text: 'hello',
      headers: [],
      reportType: 'tlsrpt',
    },
    {
      facts: { organization: 'Them', contact: 'x@them.test', submitter: 'them.test', id: 'ab' },
      to: 'tls@us.test',
      messageId: 'm',
      now,
    },
  )
  return Buffer.concat([Buffer.from(header), mail])
}
const packed = (report: TlsReport): Buffer => gzipSync(formatTlsReport(report))

function world() {
  const clock = new VirtualClock(now)
  const store: Store = createMemoryStore({ clock })
  const received = new ReceivedReports({ documents: store, keepMs: 365 * 24 * 3_600_000 })
  const kinds = [createTlsRptKind({ resolver: createFakeResolver({}) })]
  const intake = new ReportIntake({ kinds, received, authservId: 'mx.us.test' })
  return { clock, store, received, intake }
}
const source = { from: 'x@them.test', messageId: 'm1', receivedAt: now }
const all = { limit: 100 }

describe('reports of others', () => {
  it('in a mail: kept with what they say, who sent them and whose signature was good', async () => {
    const { received, intake } = world()
    const header =
      'Authentication-Results: mx.us.test; dkim=pass header.d=Them.test; dkim=fail header.d=bad.test\r\n' +
      'Authentication-Results: mx.liar.test; dkim=pass header.d=forged.test\r\n' +
      'Received: from there by mx.us.test; Sat, 21 Nov 2026 00:00:00 +0000\r\n' +
      'Authentication-Results: mx.us.test; dkim=pass header.d=sent-along.test\r\n'
    const [taken] = await intake.takeMessage(mailOf(packed(tlsReport()), header), source)
    assert.equal(taken?.result, 'new')
    const found = await received.get(taken?.id ?? '')
    const { head, ...report } = found?.report ?? assert.fail()
    assert.deepEqual(report, {
      kind: 'tls-rpt',
      state: 'read',
      source: 'mail',
      from: 'x@them.test',
      messageId: 'm1',
      signedBy: ['them.test'],
      receivedAt: now,
      organization: 'Them',
      contact: 'x@them.test',
      reportId: 'one@them.test',
      startAt,
      endAt,
      totals: [{ domain: 'us.test', successCount: 7, failureCount: 2 }],
      domainCount: 1,
      successCount: 7,
      failureCount: 2,
      defects: [],
      rowCount: 1,
    })
    assert.deepEqual(Object.keys(head as object), ['policies', 'policyCount'])
    assert.deepEqual(found?.rows, [
      {
        policyDomain: 'us.test',
        policyType: 'sts',
        resultType: 'certificate-expired',
        failedSessionCount: 2,
        receivingMxHostname: 'mx.us.test',
      },
    ])
  })

  it('where our word on signatures cannot be told from anybody else’s, it counts for nothing', async () => {
    const { received } = world()
    const off = new ReportIntake({
      kinds: [createTlsRptKind({ resolver: createFakeResolver({}) })],
      received,
      authservId: undefined,
    })
    const header = 'Authentication-Results: mx.us.test; dkim=pass header.d=them.test\r\n'
    const [taken] = await off.takeMessage(mailOf(packed(tlsReport()), header), source)
    assert.deepEqual((await received.get(taken?.id ?? ''))?.report.signedBy, [])
  })

  it('once for an organisation, an id and its domains, however they come', async () => {
    const { received, intake } = world()
    const take = async (report: TlsReport) =>
      (await intake.takeBody('application/tlsrpt+gzip', packed(report), source))?.result
    assert.equal(await take(tlsReport()), 'new')
    const [again] = await intake.takeMessage(mailOf(packed(tlsReport({}, 'us.test', 8))), source)
    assert.equal(again?.result, 'known')
    assert.equal((await received.list(all)).items[0]?.report.successCount, 7, 'the first one stays')
    assert.equal(await take(tlsReport({ id: 'two' })), 'new')
    assert.equal(await take(tlsReport({ organization: 'Others' })), 'new')
    assert.equal(await take(tlsReport({}, 'two.test')), 'new')
    assert.equal((await received.list(all)).items.length, 4)
  })

  it('what a stranger said before in the name of another gives way to what is signed by him', async () => {
    const { received, intake } = world()
    const forged = packed(tlsReport({}, 'us.test', 999))
    const signed = (by: string): string => `Authentication-Results: mx.us.test; dkim=pass header.d=${by}\r\n`
    const kept = async (): Promise<readonly unknown[]> => {
      const { items } = await received.list(all)
      const rows = await Promise.all(items.map(async ({ id }) => (await received.get(id))?.rows.length))
      return items.map(({ report }, i) => [report.successCount, report.signedBy, rows[i]])
    }
    const post = async () =>
      (await intake.takeBody('application/tlsrpt+gzip', forged, { from: '192.0.2.9', receivedAt: now }))
        ?.result
    const mail = async (bytes: Buffer, header: string) =>
      (await intake.takeMessage(mailOf(bytes, header), source))[0]?.result
    assert.equal(await post(), 'new')
    assert.equal(await mail(forged, signed('stranger.test')), 'known')
    const own = packed(tlsReport({ contact: 'x@stranger.test' }))
    assert.equal(await mail(own, signed('stranger.test')), 'new', 'his own word is one beside it')
    const [entry] = (await received.list(all)).items.filter(({ report }) => report.signedBy.length > 0)
    assert.equal(entry?.report.contact, 'x@stranger.test')
    const details = tlsReport()
    assert.equal(await mail(packed(details), signed('them.test')), 'new')
    const both = [
      [7, ['stranger.test'], 1],
      [7, ['them.test'], 1],
    ]
    assert.deepEqual((await kept()).toSorted(), both)
    assert.equal(await post(), 'known')
    assert.equal(await mail(packed(tlsReport({}, 'us.test', 8)), signed('them.test')), 'known')
    assert.deepEqual((await kept()).toSorted(), both)
  })

  it('bad ones in mail are noted, by post they are told of; what is no report is passed by', async () => {
    const { received, intake } = world()
    const [noted] = await intake.takeMessage(mailOf(Buffer.from('nonsense')), source)
    assert.equal(noted?.result, 'unreadable')
    const [item] = (await received.list(all)).items
    assert.equal(item?.report.state, 'unreadable')
    assert.equal(item?.report.messageId, 'm1')
    assert.deepEqual(item?.report.defects, ['not JSON'])
    await intake.takeMessage(mailOf(Buffer.from('nonsense')), source)
    const posted = await intake.takeBody('application/tlsrpt+json', Buffer.from('{}'), source)
    assert.equal(posted?.result, 'unreadable')
    assert.equal((await received.list(all)).items.length, 1)
    assert.equal(await intake.takeBody('text/plain', Buffer.from('{}'), source), undefined)
    assert.deepEqual(await intake.takeMessage(Buffer.from('Subject: x\r\n\r\nhello\r\n'), source), [])
  })

  it('times that cannot be are not believed', async () => {
    const { intake } = world()
    const later = { startAt: now, endAt: now + 10 * 24 * 3_600_000 }
    const taken = await intake.takeBody('application/tlsrpt+gzip', packed(tlsReport(later)), source)
    assert.equal(taken?.result, 'unreadable')
  })

  it('what is posted is kept up to a bound for each day; mail is not concerned', async () => {
    const { received } = world()
    const kinds = [createTlsRptKind({ resolver: createFakeResolver({}) })]
    const intake = new ReportIntake({ kinds, received, authservId: undefined, postedBytesPerDay: 3000 })
    const post = async (id: string, receivedAt: number): Promise<string | undefined> =>
      (
        await intake.takeBody('application/tlsrpt+gzip', packed(tlsReport({ id })), {
          from: '192.0.2.1',
          receivedAt,
        })
      )?.result
    const results: (string | undefined)[] = []
    for (let i = 0; i < 20; i++) results.push(await post(`number ${i}`, now))
    const first = results.indexOf('full')
    assert.ok(first > 1 && results.slice(first).every((one) => one === 'full'), results.join(' '))
    assert.equal((await received.list(all)).items.length, first)
    const [mailed] = await intake.takeMessage(mailOf(packed(tlsReport({ id: 'by mail' }))), source)
    assert.equal(mailed?.result, 'new')
    assert.equal(await post('tomorrow', now + 24 * 3_600_000), 'new')
  })

  it('nothing is thrown, whatever the mail', async () => {
    const { intake } = world()
    const piece = fc.constantFrom(
      'Content-Type: multipart/report; report-type=tlsrpt; boundary=b\r\n',
      'Content-Type: application/tlsrpt+gzip\r\n',
      'Content-Transfer-Encoding: base64\r\n',
      'Authentication-Results: mx.us.test; dkim=pass header.d=',
      '\r\n',
      '--b\r\n',
      '--b--\r\n',
      'H4sIAAAAAAAAAw==\r\n',
      '\0\xff',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 30 }), async (pieces) => {
        await intake.takeMessage(Buffer.from(pieces.join(''), 'latin1'), source)
      }),
      { numRuns: 200 },
    )
  })
})

describe('what is kept', () => {
  const read = (some: Partial<ReadReport> = {}): ReadReport => ({
    organization: 'Them',
    contact: '',
    id: 'id',
    startAt,
    endAt,
    totals: [{ domain: 'us.test', successCount: 1, failureCount: 0 }],
    head: {},
    rows: [],
    defects: [],
    ...some,
  })
  const by = { ...source, source: 'http', signedBy: [] } as const

  it('lists by kind and domain, page by page, the latest day first', async () => {
    const { received } = world()
    for (let i = 0; i < 25; i++) {
      const at = startAt - i * 24 * 3_600_000
      const totals = [{ domain: i % 2 === 0 ? 'us.test' : 'two.test', successCount: i, failureCount: 0 }]
      await received.keep(
        i < 20 ? 'tls-rpt' : 'dmarc-aggregate',
        read({ startAt: at, endAt: at + 1000, totals }),
        by,
      )
    }
    const walk = async (query: Parameters<typeof received.list>[0]): Promise<readonly number[]> => {
      const seen: number[] = []
      let cursor: string | undefined
      do {
        const page = await received.list({ ...query, ...(cursor !== undefined && { cursor }) })
        seen.push(...page.items.map(({ report }) => report.successCount))
        cursor = page.cursor
      } while (cursor !== undefined)
      return seen
    }
    assert.deepEqual(
      await walk({ limit: 4 }),
      Array.from({ length: 25 }, (_, i) => i),
    )
    assert.deepEqual(await walk({ limit: 3, kind: 'dmarc-aggregate' }), [20, 21, 22, 23, 24])
    assert.deepEqual(
      await walk({ limit: 7, domain: 'two.test' }),
      [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23],
    )
  })

  it('sums up every day that is asked for, by kind, and for one domain only what is told of it', async () => {
    const { received } = world()
    const totals = [
      { domain: 'us.test', successCount: 5, failureCount: 1 },
      { domain: 'two.test', successCount: 100, failureCount: 100 },
    ]
    await received.keep('tls-rpt', read({ totals }), by)
    await received.keep('tls-rpt', read({ totals, id: 'other' }), by)
    await received.keep('dmarc-aggregate', read({ totals }), by)
    await received.note('tls-rpt', ['x'], by)
    const old = startAt - 20 * 24 * 3_600_000
    await received.keep('tls-rpt', read({ startAt: old, endAt: old + 1, totals }), by)
    const { days, domains } = await received.summary({ now, days: 3, domain: 'us.test' })
    assert.deepEqual(days, [
      { day: '2026-11-20', kinds: [] },
      {
        day: '2026-11-21',
        kinds: [
          { kind: 'tls-rpt', reportCount: 2, successCount: 10, failureCount: 2 },
          { kind: 'dmarc-aggregate', reportCount: 1, successCount: 5, failureCount: 1 },
        ],
      },
      { day: '2026-11-22', kinds: [] },
    ])
    assert.deepEqual(domains, ['two.test', 'us.test'])
    const whole = await received.summary({ now, days: 2, kind: 'dmarc-aggregate' })
    assert.deepEqual(whole.days[0]?.kinds, [
      { kind: 'dmarc-aggregate', reportCount: 1, successCount: 105, failureCount: 101 },
    ])
  })

  it('fits into documents, whatever there is of it, and has no control characters', async () => {
    const { received } = world()
    const rows = Array.from({ length: 50_000 }, (_, i) => ({ i, text: `${Math.sin(i)}`.repeat(3) }))
    const totals = Array.from({ length: 1000 }, (_, i) => ({
      domain: `${'ü'.repeat(190)}${i}.test`,
      successCount: Number.MAX_SAFE_INTEGER,
      failureCount: 0,
    }))
    const big = read({
      rows,
      totals,
      organization: 'a\u0000\u202eb\r\nc',
      head: { text: 'x'.repeat(300_000) },
    })
    const { id } = await received.keep('tls-rpt', big, by)
    const found = await received.get(id)
    assert.equal(found?.report.rowCount, 50_000)
    assert.ok((found?.rows.length ?? 0) > 500)
    assert.deepEqual(found?.rows, rows.slice(0, found?.rows.length))
    assert.equal(found?.report.organization, 'a b c')
    assert.equal(found?.report.successCount, Number.MAX_SAFE_INTEGER)
  })

  it('ends after the configured time', async () => {
    const { received, clock } = world()
    await received.keep('tls-rpt', read(), by)
    await clock.advance(365 * 24 * 3_600_000)
    assert.equal((await received.list(all)).items.length, 0)
  })
})

describe('the look into mailboxes', () => {
  const account = 'postmaster@us.test'
  async function deliver(store: Store, raw: Buffer, at: number, to = account): Promise<void> {
    const sample = newMessage({ at, recipients: [to], body: raw.toString('latin1') })
    await store.accept({
      ...sample,
      deliveries: [],
      settled: sample.deliveries.map((delivery) => ({ delivery, placement: placementIn(to, at) })),
    })
  }
  const boxOf = ({ clock, store, intake }: ReturnType<typeof world>): ReportMailbox =>
    new ReportMailbox({ clock, store, intake, accounts: () => [account] })

  it('finds what came since, goes on after a restart, and leaves other mail and accounts alone', async () => {
    const w = world()
    /** Unpacking is done by other threads: it takes turns of the loop, not virtual time. */
    const count = async (wanted: number): Promise<number> => {
      for (let i = 0; ; i++) {
        const { length } = (await w.received.list(all)).items
        if (length === wanted || i === 5000) return length
        await w.clock.settle()
      }
    }
    await deliver(w.store, mailOf(packed(tlsReport())), now - 1000)
    await deliver(w.store, Buffer.from('Subject: hello\r\n\r\nno report\r\n'), now - 900)
    await deliver(w.store, mailOf(packed(tlsReport({ id: 'not ours' }))), now - 800, 'alice@us.test')
    const box = boxOf(w)
    box.start()
    assert.equal(await count(1), 1)
    await deliver(w.store, mailOf(packed(tlsReport({ id: 'two' }))), now)
    await w.clock.advance(15_000)
    assert.equal(await count(2), 2)
    // It took longer on its way into the store than what came behind it.
    await deliver(w.store, mailOf(packed(tlsReport({ id: 'late' }))), now - 500)
    await w.clock.advance(15_000)
    assert.equal(await count(3), 3)
    await box.stop()
    await deliver(w.store, mailOf(packed(tlsReport({ id: 'while stopped' }))), w.clock.now())
    let reads = 0
    const store = new Proxy(w.store, {
      get: (target, name) => {
        if (name === 'mailRead') reads++
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const next = boxOf({ ...w, store })
    next.start()
    assert.equal(await count(4), 4)
    assert.equal(reads, 1, 'what was read before is not read again')
    await next.stop()
  })

  it('a store that cannot keep it now: the next look reads it again', async () => {
    const w = world()
    await deliver(w.store, mailOf(packed(tlsReport())), now - 1000)
    let fails = true
    const keep = w.received.keep.bind(w.received)
    w.received.keep = (...all) => (fails ? Promise.reject(new Error('disk full')) : keep(...all))
    const put = w.store.documentPut.bind(w.store)
    w.store.documentPut = (...all) => (fails ? Promise.reject(new Error('disk full')) : put(...all))
    const box = boxOf(w)
    for (let look = 0; look < 12; look++) await box.look()
    assert.equal((await w.received.list(all)).items.length, 0)
    fails = false
    await box.look()
    assert.equal((await w.received.list(all)).items.length, 1)
    await box.stop()
  })

  it('a mail that cannot be read any more keeps from none behind it', async () => {
    const w = world()
    await deliver(w.store, mailOf(packed(tlsReport())), now - 1000)
    await deliver(w.store, mailOf(packed(tlsReport({ id: 'behind' }))), now - 900)
    const [damaged] = (await w.store.mailPage({ account, order: 'oldest', limit: 1 })).items
    const store = new Proxy(w.store, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        if (name !== 'mailRead') return typeof value === 'function' ? value.bind(target) : value
        return (id: string, scope: { account: string }) =>
          id === damaged?.id ? Promise.reject(new Error('a damaged page')) : target.mailRead(id, scope)
      },
    })
    const box = boxOf({ ...w, store })
    for (let look = 0; look < 6; look++) await box.look()
    assert.deepEqual(
      (await w.received.list(all)).items.map(({ report }) => report.reportId),
      ['behind'],
    )
    await box.stop()
  })

  it('a flood of other mail holds up no report behind it', async () => {
    const w = world()
    const other = Buffer.from('Subject: flood\r\n\r\nno report\r\n')
    for (let i = 0; i < 4500; i++) await deliver(w.store, other, now - 200_000 + i * 20)
    await deliver(w.store, mailOf(packed(tlsReport())), now)
    const box = boxOf(w)
    for (let look = 0; look < 4; look++) await box.look()
    assert.equal((await w.received.list(all)).items.length, 1)
    let reads = 0
    const store = new Proxy(w.store, {
      get: (target, name) => {
        if (name === 'mailRead') reads++
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    await box.stop()
    const next = boxOf({ ...w, store })
    for (let look = 0; look < 3; look++) await next.look()
    assert.ok(reads < 10, `${reads} read again`)
    await next.stop()
  })
})
