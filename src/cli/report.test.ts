// `posthouse report ...` over a real control socket, with reports whose words are made to harm a terminal.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { silentLog } from '../base/log.ts'
import { createMetrics } from '../http/metrics.ts'
import { createHttpServer, type HttpServer } from '../http/server.ts'
import { ReceivedReports } from '../reports/received-reports.ts'
import { SentRecords } from '../reports/sent-records.ts'
import { createMemoryStore } from '../store/memory/memory-store.ts'
import { createFakeControl } from '../testing/fake-control.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { createContext } from './context.ts'
import { run } from './program.ts'

const folder = mkdtempSync(join(tmpdir(), 'ph-cli-report-'))
const socket = join(folder, 'c.sock')
const now = Date.parse('2026-11-22T06:00:00Z')
const clock = new VirtualClock(now)
let server: HttpServer
let sendNowCount = 0

before(async () => {
  const documents = createMemoryStore({ clock })
  const received = new ReceivedReports({ documents, keepMs: 1e12 })
  const sent = new SentRecords(documents)
  const source = {
    source: 'mail',
    from: 'x@them.test',
    messageId: 'm1',
    signedBy: ['them.test'],
    receivedAt: now,
  } as const
  await received.keep(
    'tls-rpt',
    {
      organization: 'Them',
      contact: 'x@them.test',
      id: 'one',
      startAt: Date.parse('2026-11-21T00:00:00Z'),
      endAt: Date.parse('2026-11-21T23:59:59Z'),
      totals: [{ domain: 'us.test', successCount: 7, failureCount: 2 }],
      head: {
        policies: [{ type: 'sts', domain: 'us.test', strings: ['mode: enforce\u001b[2J'] }],
        policyCount: 1,
      },
      rows: [
        {
          policyDomain: 'us.test',
          policyType: 'sts',
          resultType: 'certificate-expired\u0007',
          failedSessionCount: 2,
          receivingMxHostname: 'mx.us.test\u202e',
        },
      ],
      defects: ['odd\u009b31m'],
    },
    source,
  )
  await received.keep(
    'dmarc-aggregate',
    {
      organization: 'Others',
      contact: '',
      id: 'two',
      startAt: Date.parse('2026-11-20T00:00:00Z'),
      endAt: Date.parse('2026-11-20T23:59:59Z'),
      totals: [{ domain: 'us.test', successCount: 3, failureCount: 0 }],
      head: {},
      rows: [
        {
          count: 3,
          sourceIp: '192.0.2.9',
          dkimAligned: 'pass',
          spfAligned: 'fail',
          disposition: 'none',
          headerFrom: 'us.test',
        },
      ],
      defects: [],
    },
    source,
  )
  await received.note('tls-rpt', ['not JSON'], source)
  await sent.put(
    {
      kind: 'tls-rpt',
      domain: 'them.test',
      day: '2026-11-21',
      reportId: 'ab',
      state: 'partly',
      attemptCount: 3,
      giveUpAt: now,
      destinations: [
        { uri: 'mailto:a@them.test', state: 'sent', said: '250 ok', messageId: 'm2' },
        { uri: 'https://them.test/x', state: 'failed', said: 'HTTP status 410\u001b[1m' },
      ],
    },
    0,
    now,
  )
  server = createHttpServer({
    app: createFakeControl({ now, mailText: '', queueCount: 0, subject: '' }),
    metrics: createMetrics({ processMetrics: false }),
    log: silentLog,
    clock,
    scope: 'control',
    reports: {
      received,
      sent,
      sendNow: () => Promise.resolve(sendNowCount),
      take: () => Promise.resolve(undefined),
    },
  })
  await server.listen(socket)
})
after(async () => {
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

async function cli(
  ...args: readonly string[]
): Promise<{ readonly out: string; readonly err: string; readonly code: number }> {
  let out = ''
  let err = ''
  let code = 0
  await run(['--socket', socket, 'report', ...args], {
    ...createContext(),
    width: undefined,
    now: () => now,
    print: (line = '') => void (out += `${line}\n`),
    note: (line) => void (err += `${line}\n`),
    setExitCode: (given) => {
      code = given
    },
  })
  assert.doesNotMatch(out, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/, 'nothing reaches the terminal')
  return { out, err, code }
}

test('report list: those of the latest day first, unreadable ones, too', async () => {
  const { out } = await cli('list')
  const lines = out.trim().split('\n')
  assert.equal(lines.length, 4)
  assert.match(lines[0] ?? '', /^ID +DAY +KIND +FROM +ABOUT +GOOD +FAILED/)
  assert.match(lines[1] ?? '', /2026-11-22 +tls-rpt +unreadable, x@them\.test/)
  assert.match(lines[2] ?? '', /2026-11-21 +tls-rpt +Them +us\.test +7 +2$/)
  assert.match((await cli('list', '--kind', 'dmarc-aggregate')).out, /Others/)
  assert.equal((await cli('list', '--domain', 'nobody.test')).out, 'None.\n')
  const page = JSON.parse((await cli('list', '--json', '--limit', '1')).out) as {
    items: unknown[]
    cursor?: string
  }
  assert.equal(page.items.length, 1)
  assert.match((await cli('list', '--limit', '1', '--cursor', page.cursor ?? '')).out, /Them/)
})

test('report show: what a report says, by its kind', async () => {
  const { items } = JSON.parse((await cli('list', '--json')).out) as {
    items: { id: string; kind: string; state: string }[]
  }
  const idOf = (kind: string): string =>
    items.find((one) => one.kind === kind && one.state === 'read')?.id ?? ''
  const tls = (await cli('show', idOf('tls-rpt'))).out
  assert.match(tls, /us\.test: 7 good, 2 failed/)
  assert.match(tls, /sts of us\.test \(mode: enforce/)
  assert.match(tls, /^ +2 +certificate-expired/m)
  assert.match(tls, /Signed by +them\.test/)
  assert.match(
    (await cli('show', idOf('dmarc-aggregate'))).out,
    /3 +192\.0\.2\.9 +pass +fail +none +us\.test/,
  )
  const missing = await cli('show', 'nothing')
  assert.equal(missing.code, 66)
  assert.match(missing.err, /there is no report nothing/)
})

test('report summary, sent and send-now', async () => {
  assert.match((await cli('summary', 'us.test', '--days', '3')).out, /2026-11-21 +tls-rpt +1 +7 +2\n/)
  assert.match((await cli('summary', 'nobody.test')).out, /No reports tell of the last 14 days/)
  const { out } = await cli('sent')
  assert.match(out, /^2026-11-21 {2}tls-rpt {2}them\.test {2}partly\n {4}mailto:a@them\.test {2}sent: 250 ok/)
  assert.match(out, /https:\/\/them\.test\/x {2}failed: HTTP status 410/)
  assert.match((await cli('send-now')).out, /No report waits/)
  sendNowCount = 2
  assert.match((await cli('send-now')).out, /2 reports are tried now/)
  assert.equal((await cli('list', '--kind', 'nonsense')).code, 64)
})
