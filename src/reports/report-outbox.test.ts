// Reports go out: when, once, again after what failed, and what is known of it afterwards. RFC 8460 sections 4.1 and 5.5.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentMetrics } from '../base/metrics.ts'
import { createFakeResolver } from '../dns/fake-resolver.ts'
import { parseMessage } from '../message/parse-message.ts'
import type { Documents } from '../store/mail-view.ts'
import { createMemoryStore } from '../store/memory/memory-store.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import type { ReportKind } from './report-kinds.ts'
import { ReportOutbox } from './report-outbox.ts'
import { readReportUri } from './report-uri.ts'
import type { MailFate, ReportCarriers } from './report-way.ts'
import type { SentRecord } from './sent-records.ts'
import { TallyBook } from './tally-book.ts'
import { createTlsRptKind } from './tls-rpt-kind.ts'
import { countTlsSession } from './tls-rpt-tally.ts'

const hour = 3_600_000
const noon = Date.parse('2026-11-21T12:00:00Z')
const midnight = Date.parse('2026-11-22T00:00:00Z')

interface World {
  readonly clock: VirtualClock
  readonly documents: Documents
  readonly book: TallyBook
  readonly sent: { readonly id: string; readonly to: string; readonly raw: Buffer; readonly at: number }[]
  readonly posted: { readonly url: string; readonly body: Uint8Array; readonly at: number }[]
  readonly fates: Map<string, MailFate>
  readonly dns: { txt: Record<string, string[]>; fail: string[] }
  /** Statuses of the POSTs to come; the last one stays. */
  answers: (number | Error)[]
  /** Thrown by the next handing over, behind it. */
  crash: Error | undefined
  readonly counted: string[]
  open(): Promise<ReportOutbox>
  records(outbox: ReportOutbox): Promise<readonly SentRecord[]>
}

function world(rua: string | undefined = 'mailto:tls@them.test'): World {
  const clock = new VirtualClock(noon)
  const documents: Documents = createMemoryStore({ clock })
  const dns = {
    txt: rua === undefined ? {} : { '_smtp._tls.them.test': [`v=TLSRPTv1; rua=${rua}`] },
    fail: [] as string[],
  }
  const kind: ReportKind = createTlsRptKind({
    resolver: { txt: (name, options) => createFakeResolver(dns).txt(name, options) },
  })
  const book = new TallyBook({
    clock,
    documents,
    limits: { 'tls-rpt': { keysMax: 100, domainsMax: 100 } },
  })
  let count = 0
  const w: World = {
    clock,
    documents,
    book,
    sent: [],
    posted: [],
    fates: new Map(),
    dns,
    answers: [200],
    crash: undefined,
    counted: [],
    async open() {
      const carriers: ReportCarriers = {
        newMessageId: () => `message-${++count}`,
        async send({ id, to, raw }) {
          w.sent.push({ id, to, raw: Buffer.from(raw), at: clock.now() })
          if (!w.fates.has(id)) w.fates.set(id, { state: 'waiting' })
          const { crash } = w
          w.crash = undefined
          if (crash !== undefined) throw crash
        },
        fate: (id) => Promise.resolve(w.fates.get(id) ?? { state: 'unknown' }),
        post({ url, body }) {
          w.posted.push({ url, body, at: clock.now() })
          const answer = w.answers.length > 1 ? w.answers.shift() : w.answers[0]
          return answer instanceof Error ? Promise.reject(answer) : Promise.resolve({ status: answer ?? 200 })
        },
      }
      const outbox = new ReportOutbox({
        clock,
        documents,
        book,
        kinds: [kind],
        carriers,
        facts: { organization: 'Us', contact: 'postmaster@us.test', submitter: 'us.test' },
        metrics: {
          ...silentMetrics,
          counter: () => ({ add: (_count, labels) => void w.counted.push(String(labels?.result)) }),
        },
      })
      await outbox.start()
      return outbox
    },
    async records(outbox) {
      return (await outbox.records.list({ limit: 100 })).items.map(({ record }) => record)
    },
  }
  countTlsSession(book, {
    domain: 'them.test',
    policy: { type: 'no-policy-found', domain: 'them.test', strings: [], mxHosts: [] },
    host: 'mx.them.test',
    address: '192.0.2.25',
    failure: { type: 'starttls-not-supported', reason: 'no' },
  })
  return w
}

const daysOf = (w: World): Promise<readonly string[]> => w.book.days('tls-rpt')

describe('a report by mail', () => {
  it('goes when the day is over, within the spread, once, and is known as sent when the queue says so', async () => {
    const w = world()
    const outbox = await w.open()
    await w.clock.advance(12 * hour - 1)
    assert.equal(w.sent.length, 0)
    await w.clock.advance(4 * hour)
    assert.equal(w.sent.length, 1)
    assert.ok((w.sent[0]?.at ?? 0) >= midnight)
    const [queued] = await w.records(outbox)
    assert.equal(queued?.state, 'waiting')
    assert.deepEqual(
      queued?.destinations.map(({ uri, state, messageId }) => [uri, state, messageId]),
      [['mailto:tls@them.test', 'queued', 'message-1']],
    )
    assert.deepEqual(await daysOf(w), [], 'the counts are no longer needed')
    w.fates.set('message-1', { state: 'sent', said: '250 2.0.0 ok' })
    await w.clock.advance(24 * hour)
    const [record] = await w.records(outbox)
    assert.equal(record?.state, 'sent')
    assert.equal(record?.nextTryAt, undefined)
    assert.equal(record?.attemptCount, 1)
    assert.equal(record?.destinations[0]?.said, '250 2.0.0 ok')
    assert.equal(w.sent.length, 1)
    assert.deepEqual(w.counted, ['sent'])
    await outbox.stop()
  })

  it('is a multipart/report that nobody answers, with the document as RFC 8460 section 5.3 has it', async () => {
    const w = world()
    const outbox = await w.open()
    await w.clock.advance(17 * hour)
    const [mail] = w.sent
    assert.equal(mail?.to, 'tls@them.test')
    const text = mail?.raw.toString('latin1') ?? ''
    assert.doesNotMatch(text, /[^\r]\n|\r[^\n]|[^\x00-\x7f]/)
    assert.ok(text.split('\r\n').every((line) => line.length <= 200))
    const message = parseMessage(mail?.raw ?? Buffer.alloc(0))
    const field = (name: string): string | undefined => message.fields.find((one) => one.name === name)?.value
    assert.match(field('content-type') ?? '', /^multipart\/report; report-type="tlsrpt"/)
    assert.equal(field('tls-report-domain'), 'them.test')
    assert.equal(field('tls-report-submitter'), 'us.test')
    assert.equal(field('tls-required'), 'No')
    assert.equal(field('auto-submitted'), 'auto-generated')
    assert.match(
      message.subject,
      /^Report Domain: them\.test Submitter: us\.test Report-ID: <[0-9a-f]{32}@us\.test>$/,
    )
    assert.equal(message.from[0]?.kind === 'mailbox' ? message.from[0].address : '', 'postmaster@us.test')
    const [file] = message.attachments
    assert.equal(file?.contentType, 'application/tlsrpt+gzip')
    assert.match(file?.filename ?? '', /^us\.test!them\.test!\d+!\d+![0-9a-f]{32}\.json\.gz$/)
    assert.deepEqual(message.defects, [])
    await outbox.stop()
  })

  it('a crash behind the handing over: the next process finds it handed over, and sends no second one', async () => {
    const w = world()
    const first = await w.open()
    // What dies here has handed over and written nothing of it.
    w.crash = new Error('died')
    while (w.sent.length === 0) await w.clock.advance(60_000)
    await first.stop()
    assert.equal((await w.records(first))[0]?.destinations[0]?.state, 'waiting')
    const second = await w.open()
    await w.clock.advance(24 * hour)
    assert.equal(w.sent.length, 1)
    assert.equal((await w.records(second))[0]?.destinations[0]?.state, 'queued')
    await second.stop()
  })

  it('what became of it cannot be stored behind the handing over: nothing is forgotten', async () => {
    const w = world()
    const put = w.documents.documentPut.bind(w.documents)
    let failures = 1
    w.documents.documentPut = (document, ...more) => {
      if (document.kind !== 'report-sent' || w.sent.length === 0 || failures === 0)
        return put(document, ...more)
      failures--
      return Promise.reject(new Error('disk full'))
    }
    const outbox = await w.open()
    await w.clock.advance(20 * hour)
    assert.equal(failures, 0)
    assert.equal(w.sent.length, 1)
    const [record] = await w.records(outbox)
    assert.equal(record?.destinations[0]?.state, 'queued')
    assert.deepEqual(await daysOf(w), [])
    await outbox.stop()
  })

  it('the queue gave it up: so it is told', async () => {
    const w = world()
    const outbox = await w.open()
    await w.clock.advance(16 * hour)
    w.fates.set('message-1', { state: 'failed', said: '550 5.1.1 no such user' })
    await w.clock.advance(hour)
    const [record] = await w.records(outbox)
    assert.equal(record?.state, 'failed')
    assert.equal(record?.destinations[0]?.said, '550 5.1.1 no such user')
    assert.deepEqual(w.counted, ['failed'])
    await outbox.stop()
  })
})

describe('a report by HTTPS', () => {
  it('is posted; any 2xx will do', async () => {
    const w = world('https://them.test/tls')
    w.answers = [202]
    const outbox = await w.open()
    await w.clock.advance(17 * hour)
    assert.equal(w.posted[0]?.url, 'https://them.test/tls')
    const [record] = await w.records(outbox)
    assert.equal(record?.state, 'sent')
    assert.equal(record?.destinations[0]?.said, 'HTTP status 202')
    await outbox.stop()
  })

  it('what fails is tried again with growing pauses for a day, then given up, in sight', async () => {
    const w = world('https://them.test/tls')
    w.answers = [new Error('connection refused'), 503]
    const outbox = await w.open()
    await w.clock.advance(17 * hour)
    const [waiting] = await w.records(outbox)
    assert.equal(waiting?.state, 'waiting')
    assert.ok((waiting?.nextTryAt ?? 0) > w.clock.now())
    assert.deepEqual(await daysOf(w), ['2026-11-21'])
    await w.clock.advance(48 * hour)
    const [record] = await w.records(outbox)
    assert.equal(record?.state, 'failed')
    assert.equal(record?.destinations[0]?.said, 'HTTP status 503')
    assert.ok(w.posted.length >= 8 && w.posted.length <= 16, `${w.posted.length} tries`)
    const pauses = w.posted.slice(1).map(({ at }, i) => at - (w.posted[i]?.at ?? 0))
    assert.ok(
      pauses.every((pause, i) => pause >= (pauses[i - 1] ?? 0)),
      pauses.join(),
    )
    assert.deepEqual(await daysOf(w), [])
    await outbox.stop()
  })

  it('a refusal is final; the other destination has it: partly', async () => {
    const w = world('https://them.test/gone,https://them.test/tls')
    w.answers = [410, 200]
    const outbox = await w.open()
    await w.clock.advance(17 * hour)
    const [record] = await w.records(outbox)
    assert.deepEqual(
      record?.destinations.map(({ state }) => state),
      ['failed', 'sent'],
    )
    assert.equal(record?.state, 'partly')
    assert.equal(w.posted.length, 2)
    await outbox.stop()
  })

  it('goes on after a restart with what was not taken, and only with that', async () => {
    const w = world('https://them.test/one,https://them.test/two')
    w.answers = [200, 503, 200]
    const first = await w.open()
    while (w.posted.length < 2) await w.clock.advance(60_000)
    await first.stop()
    const second = await w.open()
    await w.clock.advance(hour)
    assert.deepEqual(
      w.posted.map(({ url }) => url.slice(-3)),
      ['one', 'two', 'two'],
    )
    assert.equal((await w.records(second))[0]?.state, 'sent')
    await second.stop()
  })
})

describe('who gets none', () => {
  it('a domain without a record: nothing is sent or kept', async () => {
    const w = world()
    delete w.dns.txt['_smtp._tls.them.test']
    const outbox = await w.open()
    await w.clock.advance(17 * hour)
    assert.deepEqual([w.sent.length, (await w.records(outbox)).length, (await daysOf(w)).length], [0, 0, 0])
    await outbox.stop()
  })

  it('a record that cannot be asked for is asked for again', async () => {
    const w = world()
    w.dns.fail.push('txt _smtp._tls.them.test')
    const outbox = await w.open()
    await w.clock.advance(16 * hour)
    const [record] = await w.records(outbox)
    assert.equal(record?.state, 'waiting')
    assert.match(record?.note ?? '', /_smtp\._tls\.them\.test/)
    w.dns.fail.length = 0
    await w.clock.advance(5 * hour)
    assert.equal(w.sent.length, 1)
    assert.equal((await w.records(outbox))[0]?.note, undefined)
    await outbox.stop()
  })

  it('URIs that cannot be used are told as refused', async () => {
    const w = world('mailto:nonsense')
    const outbox = await w.open()
    await w.clock.advance(17 * hour)
    const [record] = await w.records(outbox)
    assert.deepEqual([record?.state, record?.destinations[0]?.state], ['failed', 'refused'])
    await outbox.stop()
  })

  for (const [uri, kind] of [
    ['mailto:a@b.test', 'mail'],
    ['MAILTO:a%2Bb@b.test?subject=x', 'mail'],
    ['mailto:a@b.test%0d%0aBcc:x@y.test', 'none'],
    ['mailto:a@b.test,c@d.test', 'none'],
    ['mailto:%ff@b.test', 'none'],
    ['https://b.test/x?y', 'http'],
    ['https://user:secret@b.test/', 'none'],
    ['http://b.test/', 'none'],
    ['ftp://b.test/', 'none'],
    ['', 'none'],
  ] as const)
    it(`'${uri}' is ${kind}`, () => assert.equal(readReportUri(uri).kind, kind))
})

it('now means now, for days that are over alone', async () => {
  const w = world('https://them.test/tls')
  const outbox = await w.open()
  assert.equal(await outbox.sendNow(), 0)
  await w.clock.advance(12 * hour + 500)
  assert.equal(await outbox.sendNow(), 1)
  await w.clock.settle(20)
  assert.equal(w.posted.length, 1)
  await outbox.stop()
})

it('a record that another process changed meanwhile is left to it', async () => {
  const w = world('https://them.test/tls')
  const outbox = await w.open()
  const { records } = outbox
  const put = records.put.bind(records)
  let isFirst = true
  records.put = async (record, over, now) => {
    if (isFirst) {
      isFirst = false
      await put({ ...record, state: 'sent' }, 0, now)
    }
    return put(record, over, now)
  }
  await w.clock.advance(20 * hour)
  assert.equal(w.posted.length, 0)
  assert.equal((await w.records(outbox))[0]?.state, 'sent')
  await outbox.stop()
})
