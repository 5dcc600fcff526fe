// Issue 5, section 3: TLS results are counted, reported when the day is over, received, and shown: two whole servers with
// DNS, TLS and HTTP on loopback. RFC 8460.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { tlsaRecordFor } from '../../src/auth/dane.ts'
import { dkimRecord, generateDkimKey } from '../../src/auth/dkim-keys.ts'
import type { DnsData } from '../../src/dns/fake-resolver.ts'
import type {
  ReceivedReportList,
  ReceivedReportView,
  ReportSummaryView,
  SentReportList,
} from '../../src/http/api-types.ts'
import { makeSelfSigned, type PemPair } from '../../src/net/certificate.ts'
import type { ConfigInput } from '../../src/posthouse/config.ts'
import type { PolicyFetch } from '../../src/relay/sts-policies.ts'
import { day, hour, type Server, until, World } from './support/world.ts'

const now = Date.now()
const [mxPair, pagePair] = await Promise.all([
  makeSelfSigned({ hostname: 'mx.far.test', now }),
  makeSelfSigned({ hostname: 'localhost', now }),
])
const rsa = await generateDkimKey('rsa')
const keyRecord = dkimRecord({ domain: 'here.test', selector: 'mail', key: rsa })

/** In place of an authority that has signed the page's certificate, and nobody the mail server's. */
setDefaultCACertificates([...getCACertificates('bundled'), pagePair.cert])

const policy: PolicyFetch = () =>
  Promise.resolve('version: STSv1\r\nmode: testing\r\nmx: mx.far.test\r\nmax_age: 604800\r\n')

function ask<T>(port: number, path: string, method = 'GET'): Promise<T> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        if (answer.statusCode === 200) resolve(JSON.parse(text) as T)
        else reject(new Error(`${path}: ${answer.statusCode} ${text}`))
      })
    })
    sent.on('error', reject)
    sent.end()
  })
}

function files(world: World, name: string, pair: PemPair) {
  const paths = { cert: join(world.folder, `${name}.crt`), key: join(world.folder, `${name}.key`) }
  writeFileSync(paths.cert, pair.cert)
  writeFileSync(paths.key, pair.key)
  return paths
}

const open: NonNullable<ConfigInput['api']> = { auth: 'open', allowPrivateUrls: true }

/** Both servers, and what DNS says of them; `rua` gets the port of far.test's pages. */
async function pair(
  world: World,
  rua: (httpsPort: number) => string,
  farPair: PemPair = mxPair,
  more: (port: number) => DnsData = () => ({}),
) {
  const zones = {
    mx: { 'far.test': ['10 mx.far.test'] },
    a: { 'mx.far.test': ['127.0.0.1'] },
    txt: {
      '_mta-sts.far.test': ['v=STSv1; id=1;'],
      'mail._domainkey.here.test': [keyRecord.text],
    },
  }
  const asking = async (data: DnsData): Promise<ConfigInput> => ({
    dns: { servers: [(await world.dns(data)).address], timeout: '300ms' },
    api: open,
  })
  const far = await world.server(
    {
      ...(await asking(zones)),
      hostname: 'mx.far.test',
      tls: files(world, 'far', farPair),
      listeners: { http: '127.0.0.1:0', https: '127.0.0.1:0' },
      domains: {
        'far.test': {
          accounts: { carol: { password: false }, postmaster: { password: false } },
          aliases: { 'tls-reports': ['postmaster'] },
        },
      },
      networks: { relay: [] },
      inbound: { authenticate: true },
    },
    {},
    'far',
  )
  const httpsPort = await far.port('https')
  const farPort = await far.port('mx')
  const shared = await asking({
    ...zones,
    ...more(farPort),
    txt: { ...zones.txt, '_smtp._tls.far.test': [`v=TLSRPTv1; rua=${rua(httpsPort)}`] },
  })
  const key = join(world.folder, 'dkim.pem')
  writeFileSync(key, rsa, { mode: 0o600 })
  const startHere = (): Promise<Server> =>
    world.server(
      {
        ...shared,
        delivery: { port: farPort },
        listeners: { http: '127.0.0.1:0' },
        dkim: { keys: { 'here.test': { selector: 'mail', file: key } } },
        reports: { organization: 'Here, Inc.' },
      },
      { fetchPolicy: policy },
      'here',
    )
  return { far, startHere, here: await startHere() }
}

const untilMidnight = (world: World): number => day - (world.clock.now() % day)

/** Time goes on, with pauses in which answers come, until `check` gives something. */
const later = <T>(world: World, what: string, check: () => Promise<T | undefined>) => {
  let polls = 0
  return until(what, () => {
    if (polls++ % 50 === 0) world.clock.advance(hour / 4)
    return check()
  })
}

describe('TLS reports between two servers', () => {
  it('failures of a day arrive by mail as a signed report, are read and shown; once, over a restart', async (t) => {
    const world = World.for(t)
    const { far, here: first, startHere } = await pair(world, () => 'mailto:tls-reports@far.test')
    for (let i = 0; i < 2; i++) {
      const id = await first.accept({ from: 'alice@here.test', to: 'carol@far.test' })
      await first.event(id, 'delivered')
      world.clock.advance(hour / 10) // the idle session ends
    }
    // What was counted outlives the process.
    await first.stop()
    world.clock.advance(untilMidnight(world) + 60_000)
    const here = await startHere()
    const herePort = await here.port('http')
    const farHttp = await far.port('http')
    const list = await later(world, 'the report at far.test', async () => {
      const { items } = await ask<ReceivedReportList>(farHttp, '/v1/reports/received?domain=far.test')
      return items.length > 0 ? items : undefined
    })
    const [item] = list
    assert.equal(list.length, 1)
    assert.deepEqual(
      [item?.kind, item?.state, item?.source, item?.organization, item?.contact, item?.from],
      ['tls-rpt', 'read', 'mail', 'Here, Inc.', 'postmaster@here.test', ''],
    )
    assert.deepEqual(item?.signedBy, ['here.test'])
    assert.deepEqual([item?.successCount, item?.failureCount], [0, 2])
    const view = await ask<ReceivedReportView>(farHttp, `/v1/reports/received/${item?.id}`)
    assert.deepEqual(
      view.rows.map(
        ({ policyType, resultType, receivingMxHostname, receivingIp, sendingMtaIp, failedSessionCount }) => ({
          policyType,
          resultType,
          receivingMxHostname,
          receivingIp,
          sendingMtaIp,
          failedSessionCount,
        }),
      ),
      [
        {
          policyType: 'sts',
          resultType: 'certificate-not-trusted',
          receivingMxHostname: 'mx.far.test',
          receivingIp: '127.0.0.1',
          sendingMtaIp: '127.0.0.1',
          failedSessionCount: 2,
        },
      ],
    )
    const summary = await ask<ReportSummaryView>(farHttp, '/v1/reports/summary?days=2&domain=far.test')
    assert.deepEqual(
      summary.days.flatMap(({ kinds }) => kinds),
      [{ kind: 'tls-rpt', reportCount: 1, successCount: 0, failureCount: 2 }],
    )
    // The mail itself: whole, in the mailbox, and such that nothing answers it.
    const [mail] = (await far.mail('postmaster@far.test')).filter(({ body }) => /tlsrpt/.test(body))
    assert.match(mail?.prefix ?? '', /Return-Path: <>/)
    assert.match(mail?.body ?? '', /^TLS-Required: No\r$/m)
    assert.match(mail?.body ?? '', /^TLS-Report-Submitter: here\.test\r$/m)
    // Its sender knows what became of it.
    const sent = await later(world, 'the word of the queue', async () => {
      const { items } = await ask<SentReportList>(herePort, '/v1/reports/sent')
      return items[0]?.state === 'sent' ? items : undefined
    })
    assert.equal(sent.length, 1)
    assert.match(sent[0]?.destinations[0]?.said ?? '', /^Delivered .*250/)
    // The report's own session is nothing to report of, and there is no second report.
    world.clock.advance(untilMidnight(world) + 10 * hour)
    await here.stop()
    const again = await startHere()
    world.clock.advance(10 * hour)
    const againPort = await again.port('http')
    await ask(againPort, '/v1/reports/sent/now', 'POST')
    const { items } = await ask<SentReportList>(againPort, '/v1/reports/sent')
    assert.equal(items.length, 1)
    assert.equal((await ask<ReceivedReportList>(farHttp, '/v1/reports/received')).items.length, 1)
    const metrics = await new Promise<string>((resolve, reject) => {
      request({ host: '127.0.0.1', port: farHttp, path: '/metrics' }, (answer) => {
        let text = ''
        answer.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk
        })
        answer.on('end', () => resolve(text))
      })
        .on('error', reject)
        .end()
    })
    assert.match(metrics, /posthouse_reports_received_total\{[^}]*result="new"[^}]*\} 1/)
  })

  it('the report arrives even where DANE lets nothing else through', async (t) => {
    const world = World.for(t)
    const { far, here } = await pair(
      world,
      () => 'mailto:tls-reports@far.test',
      mxPair,
      (port) => {
        const base = `_${port}._tcp.mx.far.test`
        return {
          ns: { '.': ['a.root.test'] },
          tlsa: { [base]: [tlsaRecordFor(pagePair.cert).text] },
          secure: ['ns .', 'far.test', 'mx.far.test', base],
        }
      },
    )
    const id = await here.accept({ from: 'alice@here.test', to: 'carol@far.test' })
    await here.event(id, 'deferred')
    world.clock.advance(6000)
    world.clock.advance(untilMidnight(world) + 60_000)
    const farHttp = await far.port('http')
    const [item] = await later(world, 'the report at far.test', async () => {
      const { items } = await ask<ReceivedReportList>(farHttp, '/v1/reports/received')
      return items.length > 0 ? items : undefined
    })
    const { rows } = await ask<ReceivedReportView>(farHttp, `/v1/reports/received/${item?.id}`)
    assert.deepEqual(
      rows.map(({ policyType, policyDomain, resultType }) => [policyType, policyDomain, resultType]),
      [['tlsa', 'mx.far.test', 'tlsa-invalid']],
    )
    assert.deepEqual(await far.mail('carol@far.test'), [])
  })

  it('by POST over HTTPS to the other server’s own door', async (t) => {
    const world = World.for(t)
    const { far, here } = await pair(world, (port) => `https://localhost:${port}/v1/reports/tls`, pagePair)
    const id = await here.accept({ from: 'alice@here.test', to: 'carol@far.test' })
    await here.event(id, 'delivered')
    world.clock.advance(6000)
    world.clock.advance(untilMidnight(world) + 60_000)
    const [farHttp, herePort] = [await far.port('http'), await here.port('http')]
    const [record] = await later(world, 'the posted report', async () => {
      const { items } = await ask<SentReportList>(herePort, '/v1/reports/sent')
      return items[0]?.state === 'sent' ? items : undefined
    })
    assert.equal(record?.destinations[0]?.said, 'HTTP status 200')
    const { items } = await ask<ReceivedReportList>(farHttp, '/v1/reports/received')
    assert.deepEqual(
      items.map(({ source, organization, failureCount }) => [source, organization, failureCount]),
      [['http', 'Here, Inc.', 1]],
    )
  })
})
