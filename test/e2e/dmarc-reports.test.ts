// Issue 5, section 3: DMARC reports between whole servers. One receives mail in the other's name, good and forged, and
// reports when the day is over; the other takes the report in and shows who sends as its domain.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { dkimRecord, generateDkimKey } from '../../src/auth/dkim-keys.ts'
import { createContext } from '../../src/cli/context.ts'
import { run } from '../../src/cli/program.ts'
import { colours } from '../../src/cli/text.ts'
import type {
  DmarcAggregateHead,
  DmarcFailureHead,
  DmarcReportRow,
  DmarcSourcesView,
  ReceivedReportList,
  ReceivedReportView,
  SentReportList,
} from '../../src/http/api-types.ts'
import { httpRequest, readBody } from '../../src/net/http-client.ts'
import type { ConfigInput } from '../../src/posthouse/config.ts'
import { readControlFile } from '../../src/posthouse/control-socket.ts'
import { day, hour, minute, type Server, until, World } from './support/world.ts'

const key = await generateDkimKey('ed25519')

async function ask<T>(server: Server, path: string, method: 'GET' | 'POST' = 'GET'): Promise<T> {
  const socket = readControlFile(server.dataDir)?.socket ?? assert.fail('no control socket')
  const answer = await httpRequest({ to: socket, method, path, timeoutMs: 20_000 })
  const text = (await readBody(answer, 10_000_000)).toString()
  assert.ok(answer.status < 400, `${path}: ${answer.status} ${text}`)
  return JSON.parse(text) as T
}

/** A command line as a person types it: what it prints. */
async function cli(server: Server, ...args: string[]): Promise<string> {
  let out = ''
  await run([...args, '--socket', readControlFile(server.dataDir)?.socket ?? ''], {
    ...createContext(),
    colours: colours(false),
    width: undefined,
    print: (line = '') => void (out += `${line}\n`),
    note: (line) => void (out += `${line}\n`),
    setExitCode: (code) => assert.equal(code, 0),
  })
  return out
}

/** What our domain, who asks for reports, publishes. */
const owner = {
  'owner.test': ['v=spf1 ip4:127.0.0.7 -all'],
  '_dmarc.owner.test': ['v=DMARC1; p=reject; rua=mailto:dmarc@owner.test!1m,mailto:spy@third.test'],
}
const { name, text } = dkimRecord({ domain: 'here.test', selector: 's1', key })
/** What the other one publishes: its mail is signed, and it wants reports, too. */
const here = {
  [name]: [text],
  '_dmarc.here.test': ['v=DMARC1; p=reject; rua=mailto:postmaster@here.test'],
}

const letter = (subject: string) => ({
  from: 'ann@owner.test',
  to: 'alice@here.test',
  body: `From: Ann <ann@owner.test>\r\nTo: alice@here.test\r\nSubject: ${subject}\r\n\r\nhello\r\n`,
})

async function pair(t: Parameters<typeof World.for>[0], inbound: ConfigInput['inbound'] = {}) {
  const world = World.for(t)
  const dns = await world.dns({ txt: { ...owner, ...here } })
  const common: ConfigInput = {
    networks: { relay: [] },
    dns: { servers: [dns.address] },
    inbound: { authenticate: true },
  }
  const domainOwner = await world.server(
    {
      ...common,
      hostname: 'mx.owner.test',
      domains: {
        'owner.test': { accounts: { reports: { password: false } }, aliases: { dmarc: ['reports'] } },
      },
      publish: { reportsTo: 'dmarc' },
    },
    {},
    'owner',
  )
  const file = join(world.folder, 'key.pem')
  writeFileSync(file, key, { mode: 0o600 })
  const receiver = await world.server(
    {
      ...common,
      inbound: { ...common.inbound, ...inbound },
      dkim: { keys: { 'here.test': [{ selector: 's1', file }] } },
      delivery: { routes: { 'owner.test': `smtp://127.0.0.1:${await domainOwner.port('mx')}` } },
    },
    {},
    'receiver',
  )
  return { world, dns, domainOwner, receiver }
}

describe('DMARC aggregate reports', () => {
  it('good and forged mail is counted, reported when the day is over, and shown to the owner by source', async (t) => {
    const { world, domainOwner, receiver, dns } = await pair(t)
    // Not in the last moments of a day.
    if (world.clock.now() % day > day - hour) world.clock.advance(2 * hour)
    for (const subject of ['one', 'two', 'three'])
      await receiver.accept(letter(subject), 'mx', { localAddress: '127.0.0.7' })
    const forged = await receiver.send(letter('forged'), 'mx', { localAddress: '127.0.0.66' })
    assert.match(forged.end.text, /^550 5\.7\.1 owner\.test does not stand behind this message \(DMARC\)/)

    world.clock.advance(day + 5 * hour)
    const [mail] = await domainOwner.arrived('reports@owner.test')
    await receiver.drained()
    // The queue is asked every ten minutes what became of it.
    world.clock.advance(11 * minute)
    const sent = await until('the report is known to be sent', async () => {
      const { items } = await ask<SentReportList>(receiver, '/v1/reports/sent?kind=dmarc-aggregate')
      return items.find(({ state }) => state !== 'waiting')
    })
    assert.equal(sent.domain, 'owner.test')
    assert.deepEqual(
      sent.destinations.map(({ uri, state }) => [uri, state]),
      [
        ['mailto:dmarc@owner.test', 'sent'],
        ['mailto:spy@third.test', 'refused'],
      ],
    )
    assert.ok(dns.queries.some((query) => /owner\.test\._report\._dmarc\.third\.test/i.test(query)))

    const item = await until('the report is read', async () => {
      world.clock.advance(20_000)
      return (await ask<ReceivedReportList>(domainOwner, '/v1/reports/received?kind=dmarc-aggregate'))
        .items[0]
    })
    assert.equal(item.organization, 'here.test')
    assert.equal(item.reportId, sent.reportId)
    assert.deepEqual(item.signedBy, ['here.test'])
    assert.deepEqual([item.successCount, item.failureCount, item.defects], [3, 1, []])
    const view = await ask<ReceivedReportView>(domainOwner, `/v1/reports/received/${item.id}`)
    const head = view.head as unknown as DmarcAggregateHead
    assert.equal(head.policy.p, 'reject')
    const rows = view.rows as unknown as readonly DmarcReportRow[]
    assert.deepEqual(
      rows.map((row) => [row.sourceIp, row.count, row.disposition, row.spfAligned, row.envelopeTo]),
      [
        ['127.0.0.7', 3, 'pass', 'pass', 'here.test'],
        ['127.0.0.66', 1, 'reject', 'fail', 'here.test'],
      ],
    )
    const sources = await ask<DmarcSourcesView>(domainOwner, '/v1/reports/dmarc?domain=owner.test&days=7')
    assert.deepEqual(
      sources.sources.map(({ ip, passCount, failCount }) => [ip, passCount, failCount]),
      [
        ['127.0.0.7', 3, 0],
        ['127.0.0.66', 0, 1],
      ],
    )
    assert.deepEqual(sources.dispositions, { pass: 3, reject: 1 })

    // The report itself, in form: signed in the name of who reports, judged as any mail.
    const raw = `${mail?.prefix}${mail?.body}`.replaceAll(/\r\n[ \t]+/g, ' ')
    assert.match(raw, /^Return-Path: <>/)
    assert.match(raw, /\r\nFrom: postmaster@here\.test\r\n/)
    assert.match(
      raw,
      /\r\nSubject: Report Domain: owner\.test Submitter: here\.test Report-ID: <[0-9a-f]{32}>\r\n/,
    )
    assert.match(raw, /\r\nAuthentication-Results: mx\.owner\.test;.*dmarc=pass header\.from=here\.test/)
    assert.match(raw, /filename="here\.test!owner\.test!\d+!\d+![0-9a-f]{32}\.xml\.gz"/)

    // That report was mail of here.test, which wants reports, too: it gets none about it, or this would never end.
    world.clock.advance(day + 5 * hour)
    await domainOwner.quiet()
    assert.deepEqual((await ask<SentReportList>(domainOwner, '/v1/reports/sent')).items, [])
  })

  it('what the receiver did otherwise is told with its reason; the null reverse-path is empty', async (t) => {
    const { world, domainOwner, receiver } = await pair(t, {
      rules: [{ check: 'dmarc', result: 'fail', action: 'quarantine' }],
    })
    if (world.clock.now() % day > day - hour) world.clock.advance(2 * hour)
    await receiver.accept({ ...letter('forged'), from: '' }, 'mx', { localAddress: '127.0.0.66' })
    world.clock.advance(day + 5 * hour)
    await domainOwner.arrived('reports@owner.test')
    const item = await until('the report is read', async () => {
      world.clock.advance(20_000)
      return (await ask<ReceivedReportList>(domainOwner, '/v1/reports/received')).items[0]
    })
    const { rows } = await ask<ReceivedReportView>(domainOwner, `/v1/reports/received/${item.id}`)
    const [row] = rows as unknown as readonly DmarcReportRow[]
    assert.equal(row?.disposition, 'quarantine')
    assert.deepEqual(row?.reasons, [{ type: 'local_policy', comment: 'by rule 1' }])
    assert.equal(row?.envelopeFrom, '')
  })

  it('switched off, or without checks, nothing is counted', async (t) => {
    const world = World.for(t)
    const dns = await world.dns({ txt: owner })
    for (const [folder, some] of [
      ['a', { inbound: { authenticate: true }, reports: { dmarc: false } }],
      ['b', {}],
    ] as const) {
      const server = await world.server(
        { networks: { relay: [] }, dns: { servers: [dns.address] }, ...some },
        {},
        folder,
      )
      await server.accept(letter('one'), 'mx', { localAddress: '127.0.0.7' })
      world.clock.advance(day + 5 * hour)
      await ask(server, '/v1/reports/sent/now', 'POST')
      assert.deepEqual((await ask<SentReportList>(server, '/v1/reports/sent')).items, [])
    }
  })
})

const old = `<?xml version="1.0"?><feedback><report_metadata><org_name>old.test</org_name><email>r@old.test</email>
<report_id>1</report_id><date_range><begin>BEGIN</begin><end>END</end></date_range></report_metadata>
<policy_published><domain>owner.test</domain><p>reject</p></policy_published><record><row><source_ip>192.0.2.1</source_ip>
<count>5</count><policy_evaluated><disposition>reject</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row>
<identifiers><header_from>owner.test</header_from></identifiers><auth_results><spf><domain>x.test</domain><result>none</result></spf>
</auth_results></record></feedback>`

const parts = (type: string, ...bodies: readonly string[]): string =>
  `From: r@old.test\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: ${type}; boundary=b\r\n\r\n${bodies.map((one) => `--b\r\n${one}\r\n`).join('')}--b--\r\n`
const attachment = (type: string, file: string, bytes: Uint8Array): string =>
  `Content-Type: ${type}\r\nContent-Disposition: attachment; filename="${file}"\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(bytes).toString('base64').replace(/.{76}/g, '$&\r\n')}`

describe('reports of others', () => {
  it('RFC 7489 twice is one; a bomb is noted; a failure report shows its message; other mail is no report', async (t) => {
    const world = World.for(t)
    const server = await world.server({
      hostname: 'mx.owner.test',
      domains: { 'owner.test': { accounts: { postmaster: { password: false } } } },
    })
    const begin = Math.floor(world.clock.now() / 1000) - 2 * 86_400
    const xml = old.replace('BEGIN', String(begin)).replace('END', String(begin + 86_399))
    const mail = (body: string) => server.accept({ from: 'r@old.test', to: 'postmaster@owner.test', body })
    const report = parts(
      'multipart/mixed',
      'Content-Type: text/plain\r\n\r\nhello',
      attachment('application/gzip', `old.test!owner.test!${begin}!1.xml.gz`, gzipSync(xml)),
    )
    await mail(report)
    await mail(report.replace('Subject: x', 'Subject: again'))
    await mail(
      parts(
        'multipart/mixed',
        attachment('application/gzip', 'a!owner.test!1!2.xml.gz', gzipSync(new Uint8Array(40_000_000))),
      ),
    )
    await mail(parts('multipart/mixed', attachment('application/zip', 'photos.zip', Buffer.from('PK'))))
    await mail(
      parts(
        'multipart/report; report-type=feedback-report',
        'Content-Type: text/plain\r\n\r\nwords',
        'Content-Type: message/feedback-report\r\n\r\nFeedback-Type: auth-failure\r\nVersion: 1\r\nAuth-Failure: dmarc\r\nIdentity-Alignment: dkim, spf\r\nSource-IP: 192.0.2.66\r\nReported-Domain: owner.test\r\nReporting-MTA: dns; mx.old.test\r\nArrival-Date: Fri, 20 Nov 2026 10:00:00 +0000\r\nDelivery-Result: reject',
        'Content-Type: message/rfc822\r\n\r\nFrom: <REDACTED@owner.test>\r\nSubject: <script>alert(1)</script>\r\n\r\nthe text',
      ),
    )
    const items = await until('three reports', async () => {
      world.clock.advance(20_000)
      const { items } = await ask<ReceivedReportList>(server, '/v1/reports/received')
      return items.length >= 3 ? items : undefined
    })
    const kinds = items.map(({ kind, state }) => `${kind} ${state}`).sort()
    assert.deepEqual(kinds, ['dmarc-aggregate read', 'dmarc-aggregate unreadable', 'dmarc-failure read'])
    const bomb = items.find(({ state }) => state === 'unreadable')
    assert.deepEqual(bomb?.defects, ['too long when it is unpacked'])
    const failure = items.find(({ kind }) => kind === 'dmarc-failure')
    assert.equal(failure?.organization, 'mx.old.test')
    const view = await ask<ReceivedReportView>(server, `/v1/reports/received/${failure?.id}`)
    const head = view.head as unknown as DmarcFailureHead
    assert.equal(head.sourceIp, '192.0.2.66')
    assert.equal(head.subject, '<script>alert(1)</script>')
    assert.deepEqual(view.rows, [
      { name: 'from', value: '<REDACTED@owner.test>' },
      { name: 'subject', value: '<script>alert(1)</script>' },
    ])
    const { sources } = await ask<DmarcSourcesView>(server, '/v1/reports/dmarc')
    assert.deepEqual(
      sources.map(({ ip, failCount }) => [ip, failCount]),
      [['192.0.2.1', 5]],
    )
    const shown = await cli(server, 'report', 'sources', 'owner.test')
    assert.match(shown, /^0 messages passed DMARC, 5 failed: 1 report of the last 30 days, by old\.test\.$/m)
    assert.match(shown, /^192\.0\.2\.1 +0 +5 +0 +0 +reject 5 +owner\.test$/m)
    const page = await cli(server, 'report', 'show', failure?.id ?? '')
    assert.match(page, /192\.0\.2\.66/)
    assert.match(page, /subject: <script>alert\(1\)<\/script>/)
  })
})
