// Which certificates are wanted, and what stands in the way of an order; records and the lease between processes.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createFakeResolver } from '../dns/fake-resolver.ts'
import { createMemoryStore } from '../store/memory/memory-store.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { AcmeRecords, type CertificateRecord } from './acme-records.ts'
import { isPublicName, wantedCertificates, whyNotYet } from './acme-wanted.ts'
import { type ConfigInput, resolveConfig } from './config.ts'

const wanted = (input: ConfigInput, domains: string[], files: string[] = []) =>
  wantedCertificates({
    config: resolveConfig({ hostname: 'mx.here.test', ...input }, { env: {}, baseDir: '/' }),
    domains,
    hasFileFor: (name) => files.includes(name),
  }).map(({ names }) => names.join(' '))

const acme = { agreeTermsOfService: true }
const https = { https: true }

describe('certificates that are wanted', () => {
  const table: [string, ConfigInput, string[], string[], string[]][] = [
    ['nothing without an authority', {}, ['here.test'], [], []],
    ['the host alone without HTTPS', { acme }, ['here.test'], [], ['mx.here.test']],
    [
      'and each policy host with it',
      { acme, listeners: https },
      ['a.test', 'b.test'],
      [],
      ['mx.here.test', 'mta-sts.a.test', 'mta-sts.b.test'],
    ],
    [
      'no policy, no policy host',
      { acme, listeners: https, publish: { mtaSts: 'none' } },
      ['a.test'],
      [],
      ['mx.here.test'],
    ],
    [
      'more names belong to the host, and a wildcard stands for a policy host',
      { acme: { ...acme, challenge: 'dns-01', names: ['imap.here.test', '*.a.test'] }, listeners: https },
      ['a.test', 'b.test'],
      [],
      ['mx.here.test imap.here.test *.a.test', 'mta-sts.b.test'],
    ],
    ['not what files have', { acme, listeners: https }, ['a.test'], ['mx.here.test', 'mta-sts.a.test'], []],
    [
      'not what no authority knows',
      { acme, hostname: 'localhost', listeners: https },
      ['localhost', 'mail.local', '[192.0.2.1]'],
      [],
      [],
    ],
  ]
  for (const [name, config, domains, files, names] of table)
    it(name, () => assert.deepEqual(wanted(config, domains, files), names))

  it('names that an authority could know', () => {
    for (const name of ['a.test', 'mx.xn--bcher-kva.example', '*.a.test'])
      assert.equal(isPublicName(name), true, name)
    for (const name of [
      'localhost',
      'host',
      '192.0.2.1',
      'a.localhost',
      'printer.local',
      '[::1]',
      'x.localdomain',
    ])
      assert.equal(isPublicName(name), false, name)
  })
})

describe('what stands in the way', () => {
  const resolver = createFakeResolver({
    a: { 'mx.here.test': ['192.0.2.1'] },
    aaaa: { 'six.here.test': ['2001:db8::1'] },
    fail: ['a broken.test', 'aaaa broken.test'],
  })
  const why = (names: string[], type: 'http-01' | 'dns-01' = 'http-01') =>
    whyNotYet({ id: names[0] ?? '', names }, type, resolver, 'mx.here.test', new AbortController().signal)

  it('an address of either family will do; each name needs one', async () => {
    assert.equal(await why(['mx.here.test', 'six.here.test']), undefined)
    assert.equal(
      await why(['mx.here.test', 'mta-sts.new.test']),
      'mta-sts.new.test has no address: publish mta-sts.new.test. IN CNAME mx.here.test.',
    )
    assert.match((await why(['broken.test'])) ?? '', /^DNS did not answer for broken\.test: /)
  })

  it('with dns-01 nobody looks at addresses', async () => {
    assert.equal(await why(['mta-sts.new.test'], 'dns-01'), undefined)
  })
})

describe('what is kept', () => {
  const open = () => {
    const clock = new VirtualClock()
    const store = createMemoryStore({ clock })
    const process = (seed: number) => new AcmeRecords(store, clock, seededRandom(seed))
    return { clock, store, process }
  }
  const record: CertificateRecord = { id: 'a.test', names: ['a.test'], failureCount: 1 }

  it('what two write at the same time is kept of both', async () => {
    const { process } = open()
    const [one, other] = [process(1), process(2)]
    await one.change(record.id, () => record)
    await other.read()
    const next = { key: 'announced', madeAt: 1 }
    const window = { checkAt: 2 }
    await Promise.all([
      one.change(record.id, (now = record) => ({ ...now, next })),
      one.change(record.id, (now = record) => ({ ...now, window })),
      other.change(record.id, (now = record) => ({ ...now, renewAt: 3 })),
    ])
    await one.read()
    assert.deepEqual(one.get(record.id), { ...record, next, window, renewAt: 3 })
  })

  it('what one process writes another one reads, once', async () => {
    const { process } = open()
    const [one, other] = [process(1), process(2)]
    assert.deepEqual(await other.read(), [])
    await one.change(record.id, () => record)
    assert.deepEqual(await one.read(), [])
    assert.deepEqual(await other.read(), [record])
    assert.deepEqual(await other.read(), [])
    assert.deepEqual(other.get('a.test'), record)
  })

  it('one order at a time; a holder that died holds nobody up for ever', async () => {
    const { process, clock } = open()
    const [one, other] = [process(1), process(2)]
    const done = await one.takeLease(clock.now() + 60_000)
    assert.ok(done !== undefined)
    assert.equal(await other.takeLease(clock.now() + 60_000), undefined)
    await done()
    assert.ok((await other.takeLease(clock.now() + 60_000)) !== undefined)
    await clock.advance(61_000)
    const late = await one.takeLease(clock.now() + 60_000)
    assert.ok(late !== undefined)
  })

  it('one account for a directory, whoever is first', async () => {
    const { process } = open()
    const keys = ['one', 'two']
    const make = async () => keys.shift() ?? 'three'
    const [a, b] = await Promise.all([
      process(1).account('https://ca.test/d', make),
      process(2).account('https://ca.test/d', make),
    ])
    assert.equal(a.key, b.key)
    await process(1).writeAccount('https://ca.test/d', { ...a, url: 'https://ca.test/acct/1' })
    assert.equal((await process(2).account('https://ca.test/d', make)).url, 'https://ca.test/acct/1')
    assert.notEqual((await process(2).account('https://other.test/d', make)).key, a.key)
  })
})
