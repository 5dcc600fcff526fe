// Owns the proof of DNS lists and of reverse DNS: answers, weights, test entries.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createFakeResolver, type DnsData } from '../dns/fake-resolver.ts'
import { DnsLists, type DnsListsOptions, testList } from './dns-lists.ts'
import { checkIprev } from './iprev.ts'
import { reverseLabels, senderNetwork } from './reverse-address.ts'

const tests4 = { '2.0.0.127.bl.test': ['127.0.0.2'] }
const bl = { zone: 'bl.test', weight: 1, answers: [] }

const lists = (dns: DnsData, some: Partial<DnsListsOptions> = {}): DnsLists =>
  new DnsLists({ resolver: createFakeResolver(dns), lists: [bl], refuseAt: 1, ...some })

const listedV6 = `${'9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2'}.bl.test`

test('RFC 5782: what an answer of a list means', async () => {
  const cases: readonly [address: string, dns: DnsData, result: string, advice: string | undefined][] = [
    ['192.0.2.9', { a: { '9.2.0.192.bl.test': ['127.0.0.2'] } }, 'listed', 'refuse'],
    ['2001:db8::9', { a: { [listedV6]: ['127.0.0.2'] } }, 'listed', 'refuse'],
    ['::ffff:192.0.2.9', { a: { '9.2.0.192.bl.test': ['127.0.0.2'] } }, 'listed', 'refuse'],
    ['192.0.2.9', {}, 'clear', undefined],
    ['192.0.2.9', { a: { '9.2.0.192.bl.test': ['203.0.113.7'] } }, 'clear', undefined],
    ['192.0.2.9', { a: { '9.2.0.192.bl.test': ['127.255.255.254'] } }, 'clear', undefined],
    ['192.0.2.9', { fail: ['9.2.0.192.bl.test'] }, 'clear', undefined],
    ['', {}, 'none', undefined],
  ]
  for (const [address, dns, result, advice] of cases) {
    const verdicts = await lists(dns).check(address)
    assert.equal(verdicts.at(-1)?.result ?? 'none', result, JSON.stringify(dns))
    assert.equal(verdicts.at(-1)?.advice, advice)
  }
})

test('an answer that is none is said so, with the list and the reason', async () => {
  const [error] = await lists({ a: { '9.2.0.192.bl.test': ['203.0.113.7'] } }).check('192.0.2.9')
  assert.deepEqual([error?.name, error?.result], ['bl.test', 'temperror'])
  assert.match(error?.reason ?? '', /203\.0\.113\.7/)
})

test('weights add up, a list of the good takes away, answers are told apart', async () => {
  const dns = {
    a: { '9.2.0.192.bl.test': ['127.0.0.4'], '9.2.0.192.wl.test': ['127.0.10.3'] },
    txt: { '9.2.0.192.bl.test': ['see https://bl.test/\r\nX-Evil: 1'] },
  }
  const all = [bl, { zone: 'wl.test', weight: -2, answers: ['127.0.10.0/24'] }]
  const verdicts = await lists(dns, { lists: all }).check('192.0.2.9')
  assert.deepEqual(
    verdicts.map(({ name, result, data }) => [name, result, data?.weight ?? data?.score]),
    [
      ['bl.test', 'listed', 1],
      ['wl.test', 'listed', -2],
      [undefined, 'listed', -1],
    ],
  )
  assert.equal(verdicts.at(-1)?.advice, undefined)
  assert.ok(!/[\r\n]/.test(verdicts[0]?.reason ?? ''))
  const other = [{ ...bl, answers: ['127.0.0.2'] }]
  assert.equal((await lists(dns, { lists: other }).check('192.0.2.9')).at(-1)?.result, 'clear')
  const mild = await lists(dns, { refuseAt: 2, quarantineAt: 1 }).check('192.0.2.9')
  assert.equal(mild.at(-1)?.advice, 'quarantine')
})

test('RFC 5782 section 5: a list that lists everybody or is gone is left out, and is back when it is', async () => {
  const v6listed = `${[...`${'0'.repeat(20)}ffff7f000002`].reverse().join('.')}.bl.test`
  const cases: readonly [dns: DnsData, ipv4: string, ipv6: string][] = [
    [{ a: tests4 }, 'on', 'off'],
    [{ a: { ...tests4, [v6listed]: ['127.0.0.2'] } }, 'on', 'on'],
    [{ a: { ...tests4, '1.0.0.127.bl.test': ['127.0.0.2'] } }, 'off', 'off'],
    [{}, 'off', 'off'],
    [{ fail: ['2.0.0.127.bl.test', '1.0.0.127.bl.test'] }, 'unknown', 'off'],
  ]
  for (const [dns, ipv4, ipv6] of cases) {
    const health = await testList('bl.test', createFakeResolver(dns))
    assert.deepEqual([health.ipv4, health.ipv6], [ipv4, ipv6], JSON.stringify(dns))
  }
  const data: { a: Record<string, string[]> } = { a: { '9.2.0.192.bl.test': ['127.0.0.2'] } }
  const resolver = { a: createFakeResolver(data).a }
  const checked = new DnsLists({
    resolver: {
      ...createFakeResolver({}),
      a: (name, options) => resolver.a(name, options),
    },
    lists: [bl],
    refuseAt: 1,
  })
  const [gone] = await checked.test()
  assert.match(gone?.reason ?? '', /gone/)
  assert.equal((await checked.check('192.0.2.9')).at(-1)?.result, 'clear')
  resolver.a = createFakeResolver({ a: { ...data.a, ...tests4 } }).a
  assert.equal((await checked.test())[0]?.ipv4, 'on')
  assert.equal((await checked.check('192.0.2.9')).at(-1)?.advice, 'refuse')
  assert.deepEqual(await checked.test(), [], 'nothing changed')
})

test('RFC 8601 section 3: iprev', async () => {
  const ptr = { '9.2.0.192.in-addr.arpa': ['a.test', 'mx.test'] }
  const cases: readonly [dns: DnsData, result: string, name: string][] = [
    [{ ptr, a: { 'mx.test': ['192.0.2.8', '192.0.2.9'] } }, 'pass', 'mx.test'],
    [{ ptr, a: { 'mx.test': ['192.0.2.8'] } }, 'fail', 'a.test'],
    [{ ptr, fail: ['mx.test'] }, 'temperror', 'a.test'],
    [{}, 'permerror', ''],
    [{ fail: ['9.2.0.192.in-addr.arpa'] }, 'temperror', ''],
  ]
  for (const [dns, result, name] of cases) {
    const report = await checkIprev('192.0.2.9', { resolver: createFakeResolver(dns) })
    assert.deepEqual([report.result, report.name], [result, name], JSON.stringify(dns))
  }
  const deadline = new AbortController()
  const waiting = checkIprev('192.0.2.9', {
    resolver: createFakeResolver({ timeout: ['9.2.0.192.in-addr.arpa'] }),
    signal: deadline.signal,
  })
  deadline.abort()
  assert.equal((await waiting).result, 'temperror')
})

test('addresses reversed, and their networks', () => {
  assert.equal(reverseLabels('192.0.2.9'), '9.2.0.192')
  assert.equal(reverseLabels('2001:db8::9'), listedV6.slice(0, -'.bl.test'.length))
  assert.equal(senderNetwork('192.0.2.9'), '192.0.2.0/24')
  assert.equal(senderNetwork('2001:db8:0:1::9'), senderNetwork('2001:db8:0:1:ffff::1'))
  assert.notEqual(senderNetwork('2001:db8:0:1::9'), senderNetwork('2001:db8:0:2::9'))
  fc.assert(
    fc.property(fc.oneof(fc.ipV6(), fc.ipV4(), fc.string()), (text) => {
      const labels = reverseLabels(text)
      assert.ok(labels === undefined || [4, 32].includes(labels.split('.').length), text)
    }),
  )
})
