// MX routing over the fake resolver: RFC 5321 section 5.1 as a table, order and loops as properties.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createFakeResolver, type DnsData } from '../dns/fake-resolver.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { type RouteOptions, resolveHost, resolveRoute } from './mx.ts'
import type { MxHost, MxResult } from './mx-result.ts'

const data: DnsData = {
  mx: {
    'two.test': ['20 mx2.test', '10 mx1.test'],
    'null.test': ['0 .'],
    'nullandmore.test': ['0 .', '10 mx1.test'],
    'alias-mx.test': ['10 cname.test'],
    'dead-mx.test': ['10 gone.test', '20 noaddress.test'],
    'half-dead.test': ['10 gone.test', '20 mx1.test'],
    'maybe-dead.test': ['10 gone.test', '20 flaky.test'],
    'maybe-half.test': ['10 flaky.test', '20 mx1.test'],
    'only-us.test': ['10 us.test'],
    'us-first.test': ['10 us.test', '20 mx1.test'],
    'us-middle.test': ['5 mx1.test', '10 us.test', '10 mx2.test', '20 mx3.test'],
    'us-by-address.test': ['5 mx1.test', '10 ours.test', '10 mx2.test'],
    'only-us-by-address.test': ['10 ours.test'],
    'us-and-flaky.test': ['5 flaky.test', '10 us.test'],
    'nowhere-address.test': ['10 zero.test', '20 mx1.test'],
    'twice.test': ['10 mx1.test', '20 mx1.test'],
    'numeric.test': ['10 192.0.2.77'],
    'v6only.test': ['10 six.test'],
    'half-v6.test': ['10 flaky6.test'],
  },
  a: {
    'mx1.test': ['192.0.2.1'],
    'mx2.test': ['192.0.2.2'],
    'mx3.test': ['192.0.2.3'],
    'us.test': ['192.0.2.9'],
    'ours.test': ['192.0.2.9'],
    'implicit.test': ['192.0.2.4'],
    'zero.test': ['0.0.0.0'],
    'flaky6.test': ['192.0.2.6'],
    'many.test': Array.from({ length: 30 }, (_, i) => `198.51.100.${i}`),
  },
  aaaa: { 'mx1.test': ['2001:db8::1'], 'six.test': ['2001:db8::6'] },
  txt: { 'noaddress.test': ['x'], 'empty.test': ['x'] },
  cname: { 'cname.test': 'mx1.test', 'alias-domain.test': 'two.test' },
  fail: [
    'broken.test',
    'flaky.test',
    'aaaa flaky6.test',
    'a implicit-broken.test',
    'aaaa implicit-broken.test',
  ],
}
const withImplicitBroken = { ...data, txt: { ...data.txt, 'implicit-broken.test': ['x'] } }

const options = (more: Partial<RouteOptions> = {}): RouteOptions => ({
  resolver: createFakeResolver(withImplicitBroken),
  random: seededRandom(1),
  ownNames: new Set(['us.test']),
  ownAddresses: new Set(['192.0.2.9']),
  ...more,
})

/** 'mx1.test/10=2001:db8::1,192.0.2.1' for each host; else the kind and what it says. */
function summary(result: MxResult): string {
  const host = ({ name, preference, addresses }: MxHost): string =>
    `${name}/${preference}=${addresses.map(({ address }) => address)}`
  switch (result.kind) {
    case 'hosts':
      return result.hosts.map(host).join(' ')
    case 'unroutable':
      return `unroutable ${result.status} ${result.reason}`
    default:
      return 'reason' in result ? `${result.kind} ${result.reason}` : result.kind
  }
}

const mx1 = (preference: number): string => `mx1.test/${preference}=2001:db8::1,192.0.2.1`

const routes: readonly (readonly [domain: string, expected: string | RegExp])[] = [
  ['two.test', `${mx1(10)} mx2.test/20=192.0.2.2`],
  ['TWO.test.', `${mx1(10)} mx2.test/20=192.0.2.2`],
  ['null.test', 'nullMx'],
  ['nullandmore.test', mx1(10)],
  ['implicit.test', 'implicit.test/0=192.0.2.4'],
  ['alias-domain.test', `${mx1(10)} mx2.test/20=192.0.2.2`],
  ['alias-mx.test', 'cname.test/10=2001:db8::1,192.0.2.1'],
  ['nowhere.test', /^noSuchDomain/],
  ['a..test', /^noSuchDomain/],
  ['empty.test', /^unroutable 5\.4\.4 empty.test has neither MX nor address records/],
  ['broken.test', /^temporary MX of broken.test: SERVFAIL/],
  ['implicit-broken.test', /^temporary address of implicit-broken.test: SERVFAIL/],
  [
    'dead-mx.test',
    /^unroutable 5\.4\.4 no MX host of dead-mx.test has an address: gone.test, noaddress.test/,
  ],
  ['half-dead.test', mx1(20)],
  ['maybe-dead.test', /^temporary address of flaky.test/],
  ['maybe-half.test', mx1(20)],
  ['only-us.test', /^unroutable 5\.4\.6/],
  ['us-first.test', /^unroutable 5\.4\.6/],
  ['us-middle.test', mx1(5)],
  ['us-by-address.test', mx1(5)],
  ['only-us-by-address.test', /^unroutable 5\.4\.6/],
  ['us-and-flaky.test', /^temporary/],
  ['nowhere-address.test', /^unroutable 5\.4\.6/],
  ['us.test', /^unroutable 5\.4\.6/],
  ['ours.test', /^unroutable 5\.4\.6/],
  ['twice.test', mx1(10)],
  ['numeric.test', /^unroutable 5\.4\.4/],
  ['v6only.test', 'six.test/10=2001:db8::6'],
  ['half-v6.test', 'flaky6.test/10=192.0.2.6'],
  ['[192.0.2.1]', '[192.0.2.1]/0=192.0.2.1'],
  ['[IPv6:2001:db8::1]', '[IPv6:2001:db8::1]/0=2001:db8::1'],
  ['[192.0.2.9]', /^unroutable 5\.4\.6/],
  ['[nonsense]', /^noSuchDomain/],
]

describe('resolveRoute: RFC 5321 section 5.1', () => {
  for (const [domain, expected] of routes)
    it(domain, async () => {
      const found = summary(await resolveRoute(domain, options()))
      if (typeof expected === 'string') assert.equal(found, expected)
      else assert.match(found, expected)
    })

  it('an MX that cannot be asked for is not a domain without MX', async () => {
    const resolver = createFakeResolver({ a: { 'd.test': ['192.0.2.1'] }, fail: ['mx d.test'] })
    assert.equal((await resolveRoute('d.test', options({ resolver }))).kind, 'temporary')
  })

  it('asks for no address of a domain that does not exist', async () => {
    const resolver = createFakeResolver({})
    await resolveRoute('nowhere.test', options({ resolver }))
    assert.deepEqual(resolver.queries, ['mx nowhere.test'])
  })

  it('uses only the families it is given, the preferred one first', async () => {
    const find = async (families: readonly (4 | 6)[]): Promise<string> =>
      summary(await resolveRoute('alias-mx.test', options({ families })))
    assert.equal(await find([4]), 'cname.test/10=192.0.2.1')
    assert.equal(await find([4, 6]), 'cname.test/10=192.0.2.1,2001:db8::1')
    const none = summary(await resolveRoute('v6only.test', options({ families: [4] })))
    assert.match(none, /^unroutable 5\.4\.4/)
  })

  it('rejects when it is aborted', async () => {
    const resolver = createFakeResolver({ timeout: ['slow.test'] })
    const abort = new AbortController()
    const found = resolveRoute('slow.test', options({ resolver, signal: abort.signal }))
    abort.abort(new Error('stop'))
    await assert.rejects(found, /stop/)
  })

  it('is bounded: 20 hosts, 10 addresses each', async () => {
    const names = Array.from({ length: 50 }, (_, i) => `h${i}.test`)
    const resolver = createFakeResolver({
      mx: { 'huge.test': names.map((name, i) => `${i} ${name}`) },
      a: Object.fromEntries(names.map((name) => [name, data.a?.['many.test'] ?? []])),
      aaaa: Object.fromEntries(names.map((name) => [name, ['2001:db8::1']])),
    })
    const found = await resolveRoute('huge.test', options({ resolver }))
    assert.ok(found.kind === 'hosts')
    assert.equal(found.hosts.length, 20)
    assert.ok(found.hosts.every(({ addresses }) => addresses.length === 10))
    assert.ok(found.hosts.every(({ addresses }) => addresses[0]?.family === 6 && addresses[1]?.family === 4))
    assert.equal(resolver.queries.length, 41)
  })

  it('the best hosts are kept where there are more than 20', async () => {
    const names = Array.from({ length: 30 }, (_, i) => `h${i}.test`)
    const resolver = createFakeResolver({
      mx: { 'huge.test': names.map((name, i) => `${30 - i} ${name}`) },
      a: Object.fromEntries(names.map((name) => [name, ['192.0.2.1']])),
    })
    const found = await resolveRoute('huge.test', options({ resolver }))
    assert.ok(found.kind === 'hosts')
    assert.deepEqual(
      found.hosts.map(({ preference }) => preference),
      Array.from({ length: 20 }, (_, i) => i + 1),
    )
  })
})

describe('resolveRoute: order', () => {
  const lists = fc.array(fc.record({ preference: fc.nat(3), host: fc.nat(9) }), {
    minLength: 1,
    maxLength: 12,
  })

  it('never decreases in preference, has no host twice, and loses none; we and what is not better are gone', async () => {
    await fc.assert(
      fc.asyncProperty(lists, fc.nat(9), fc.integer(), async (list, own, seed) => {
        const resolver = createFakeResolver({
          mx: { 'd.test': list.map(({ preference, host }) => `${preference} h${host}.test`) },
          a: Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`h${i}.test`, ['192.0.2.1']])),
        })
        const found = await resolveRoute('d.test', {
          resolver,
          random: seededRandom(seed),
          ownNames: new Set([`h${own}.test`]),
        })
        const limit = Math.min(...list.filter(({ host }) => host === own).map(({ preference }) => preference))
        const expected = new Set(
          list.filter(({ preference }) => preference < limit).map(({ host }) => `h${host}.test`),
        )
        if (expected.size === 0) return assert.equal(found.kind, 'unroutable')
        assert.ok(found.kind === 'hosts')
        assert.deepEqual(new Set(found.hosts.map(({ name }) => name)), expected)
        assert.equal(found.hosts.length, expected.size)
        const preferences = found.hosts.map(({ preference }) => preference)
        assert.deepEqual(
          preferences,
          preferences.toSorted((one, other) => one - other),
        )
      }),
      { numRuns: 300 },
    )
  })

  it('equal preferences come in every order, about equally often', async () => {
    const resolver = createFakeResolver({
      mx: { 'd.test': ['10 a.test', '10 b.test', '10 c.test', '5 first.test'] },
      a: Object.fromEntries(['a', 'b', 'c', 'first'].map((name) => [`${name}.test`, ['192.0.2.1']])),
    })
    const random = seededRandom(42)
    const counts = new Map<string, number>()
    for (let i = 0; i < 600; i++) {
      const found = await resolveRoute('d.test', { resolver, random })
      assert.ok(found.kind === 'hosts')
      const order = found.hosts.map(({ name }) => name[0]).join('')
      counts.set(order, (counts.get(order) ?? 0) + 1)
    }
    assert.equal(counts.size, 6)
    for (const [order, count] of counts)
      assert.ok(order.startsWith('f') && count > 60 && count < 140, `${order} ${count}`)
  })
})

describe('resolveHost: smarthosts', () => {
  const cases: readonly (readonly [string, string | RegExp])[] = [
    ['mx1.test', 'mx1.test/0=2001:db8::1,192.0.2.1'],
    ['192.0.2.7', '192.0.2.7/0=192.0.2.7'],
    ['2001:DB8::7', '2001:DB8::7/0=2001:db8::7'],
    ['[192.0.2.7]', '[192.0.2.7]/0=192.0.2.7'],
    ['localhost', 'localhost/0=127.0.0.1,::1'],
    ['us.test', 'us.test/0=192.0.2.9'],
    ['null.test', /^unroutable 5\.4\.4/],
    ['nowhere.test', /^noSuchDomain/],
    ['flaky.test', /^temporary/],
    ['no name', /^noSuchDomain/],
  ]
  for (const [host, expected] of cases)
    it(host, async () => {
      const found = summary(await resolveHost(host, options()))
      if (typeof expected === 'string') assert.equal(found, expected)
      else assert.match(found, expected)
    })
})
