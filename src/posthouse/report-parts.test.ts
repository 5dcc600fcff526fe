// How the server's parts meet for reports: what the relay tells becomes what a report says, and only where reports are sent.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLog } from '../base/log.ts'
import { silentMetrics } from '../base/metrics.ts'
import { createFakeResolver } from '../dns/fake-resolver.ts'
import type { TlsEvent } from '../relay/tls-events.ts'
import { tlsReportPolicies } from '../reports/tls-rpt-tally.ts'
import { createMemoryStore } from '../store/memory/memory-store.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { type ConfigInput, resolveConfig } from './config.ts'
import { Directory } from './directory.ts'
import { createReportParts } from './report-parts.ts'

function partsOf(input: ConfigInput, aliases: Readonly<Record<string, readonly string[]>> = {}) {
  const clock = new VirtualClock(Date.parse('2026-11-21T12:00:00Z'))
  const store = createMemoryStore({ clock })
  const config = resolveConfig(
    {
      hostname: 'mail.us.test',
      domains: { 'us.test': { accounts: { ann: { password: false } } } },
      ...input,
    },
    { env: {}, baseDir: '/' },
  )
  const directory = new Directory(
    config.domains.map((one) => ({ ...one, aliases })),
    config.domains.flatMap(({ accounts }) => accounts.map(({ name }) => ({ name, enabled: true }))),
  )
  const warned: string[] = []
  const log = { ...silentLog, warn: (fields: object) => void warned.push(JSON.stringify(fields)) }
  const parts = createReportParts({
    config,
    clock,
    log,
    metrics: silentMetrics,
    store,
    directory,
    resolver: createFakeResolver({}),
    generator: 'test',
    submitter: () => assert.fail('nothing is sent'),
    post: () => assert.fail('nothing is posted'),
  })
  return { parts, store, clock, warned }
}

const relay = { delivery: { mode: 'relay' } } as const

const event = (some: Partial<TlsEvent>): TlsEvent => ({
  domain: 'them.test',
  policy: { type: 'no-policy-found', domain: 'them.test' },
  host: 'mx.them.test',
  address: '192.0.2.25',
  ...some,
})

describe('what the relay tells', () => {
  it('is in the report as RFC 8460 section 4.4 writes policies', async () => {
    const { parts, store } = partsOf(relay)
    const { onTls } = parts
    assert.ok(onTls !== undefined)
    onTls(event({ localAddress: '192.0.2.1', failure: { type: 'starttls-not-supported', reason: 'no' } }))
    const data = Buffer.from('0aff', 'hex')
    const records = [{ usage: 3, selector: 1, matchingType: 1, data }]
    onTls(event({ policy: { type: 'tlsa', domain: 'mx.them.test', records } }))
    const policy = {
      mode: 'enforce',
      maxAgeSeconds: 86_400,
      mx: ['*.them.test'],
      id: '1',
      fetchedAt: 0,
      expiresAt: 1,
    } as const
    onTls(event({ policy: { type: 'sts', domain: 'them.test', policy } }))
    onTls(event({ policy: { type: 'sts', domain: 'them.test', policy: undefined } }))
    await parts.close()
    const [tally] = await store.documentList('report-tally', 10)
    assert.ok(tally !== undefined)
    const { entries } = tally.data as { entries: Parameters<typeof tlsReportPolicies>[0] }
    assert.deepEqual(
      tlsReportPolicies(entries).map(({ type, domain, strings, mxHosts, successCount, failures }) => [
        `${type} ${domain} ${successCount}`,
        strings,
        mxHosts,
        failures.map(({ resultType, sendingMtaIp }) => `${resultType} from ${sendingMtaIp}`),
      ]),
      [
        ['no-policy-found them.test 0', [], [], ['starttls-not-supported from 192.0.2.1']],
        [
          'sts them.test 1',
          ['version: STSv1', 'mode: enforce', 'max_age: 86400', 'mx: *.them.test'],
          ['*.them.test'],
          [],
        ],
        ['sts them.test 1', [], [], []],
        ['tlsa mx.them.test 1', ['3 1 1 0aff'], [], []],
      ],
    )
  })

  for (const [title, config, counts, judges] of [
    ['mode relay', relay, true, false],
    ['checks of incoming mail', { ...relay, inbound: { authenticate: true } }, true, true],
    ['mode capture', { delivery: { mode: 'capture' } }, false, false],
    [
      'switched off',
      { ...relay, inbound: { authenticate: true }, reports: { tls: false, dmarc: false } },
      false,
      false,
    ],
    ['no domain that others can see', { ...relay, domains: { localhost: {} } }, false, false],
  ] as const)
    it(`${title}: ${counts ? '' : 'not '}counted, judged mail ${judges ? '' : 'not '}counted`, () => {
      const { parts } = partsOf(config)
      assert.deepEqual([parts.onTls !== undefined, parts.onJudged !== undefined], [counts, judges])
    })
})

describe('an address of reports', () => {
  it('that is not there is told at the start, one that is is not', async () => {
    const config = { ...relay, publish: { reportsTo: 'reports' } }
    const missing = partsOf(config)
    await missing.parts.start()
    assert.equal(missing.warned.length, 1)
    assert.match(missing.warned[0] ?? '', /reports@us\.test/)
    await missing.parts.stop()
    for (const there of [partsOf(config, { reports: ['ann'] }), partsOf(relay)]) {
      await there.parts.start()
      assert.deepEqual(there.warned, [])
      await there.parts.stop()
    }
  })
})
