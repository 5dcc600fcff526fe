// A verdict that is remembered is the one that would be found: whatever DNS changes, whoever asks, nothing is believed longer.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createFakeResolver, type DnsData } from '../dns/fake-resolver.ts'
import type { DnsAnswer } from '../dns/resolver.ts'
import { alignDmarc } from './dmarc.ts'
import type { AuthResolver } from './node-resolver.ts'
import { checkSpf } from './spf.ts'
import { TracedResolver, VerdictMemory } from './verdict-memory.ts'

/** A resolver whose world changes. */
function changing(): AuthResolver & { data: DnsData; inFlightMax: number; asked: number } {
  let inFlight = 0
  const ask = async <T>(run: (fake: AuthResolver) => Promise<DnsAnswer<T>>): Promise<DnsAnswer<T>> => {
    world.asked++
    world.inFlightMax = Math.max(world.inFlightMax, ++inFlight)
    await Promise.resolve()
    inFlight--
    return run(createFakeResolver(world.data))
  }
  const world = {
    data: {} as DnsData,
    inFlightMax: 0,
    asked: 0,
    a: (name: string) => ask((fake) => fake.a(name)),
    aaaa: (name: string) => ask((fake) => fake.aaaa(name)),
    mx: (name: string) => ask((fake) => fake.mx(name)),
    txt: (name: string) => ask((fake) => fake.txt(name)),
    ptr: (name: string) => ask((fake) => fake.ptr(name)),
  }
  return world
}

const records = fc.constantFrom(
  'v=spf1 ip4:192.0.2.0/24 -all',
  'v=spf1 a mx -all',
  'v=spf1 include:b.test ~all',
  'v=spf1 redirect=b.test',
  'v=spf1 exists:%{l}.c.test -all',
  'v=spf1 exists:%{h}.c.test ?all',
  'v=spf1 -all exp=exp.test',
  'v=spf1 bad',
  'something else',
)
const world: fc.Arbitrary<DnsData> = fc.record({
  txt: fc.record({
    'a.test': fc.array(records, { maxLength: 2 }),
    'b.test': fc.array(records, { maxLength: 1 }),
    'exp.test': fc.constant(['%{l} is not %{s}']),
    '_dmarc.a.test': fc.array(fc.constantFrom('v=DMARC1; p=reject', 'v=DMARC1; p=none; adkim=s', 'x'), {
      maxLength: 2,
    }),
  }),
  a: fc.record({
    'a.test': fc.array(fc.constantFrom('192.0.2.7', '198.51.100.7'), { maxLength: 2 }),
    'anna.c.test': fc.constant(['127.0.0.2']),
    'mx.test': fc.constantFrom(['192.0.2.7'], ['203.0.113.1']),
  }),
  mx: fc.record({ 'a.test': fc.constantFrom(['10 mx.test'], ['10 a.test'], []) }),
  fail: fc.subarray(['a.test', 'b.test', '_dmarc.a.test'], { maxLength: 1 }),
})

test('verdict memory: through every change of DNS the verdicts are those of a resolver never asked before', async () => {
  const step = fc.record({
    data: fc.option(world, { nil: undefined, freq: 1 }),
    ip: fc.constantFrom('192.0.2.7', '198.51.100.7', '2001:db8::7'),
    local: fc.constantFrom('anna', 'bert'),
    helo: fc.constantFrom('a.test', 'other.test'),
    isNull: fc.boolean(),
    aligned: fc.constantFrom('a.test', 'mail.a.test', 'other.test'),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 12 }), async (steps) => {
      const resolver = changing()
      for (const { data, ip, local, helo, isNull, aligned } of steps) {
        if (data !== undefined) resolver.data = data
        const spf = { ip, helo, reversePath: isNull ? null : `${local}@a.test`, hostname: 'mx.here.test' }
        const found = await checkSpf({ ...spf, resolver })
        assert.deepEqual(found, await checkSpf({ ...spf, resolver: createFakeResolver(resolver.data) }))
        const dmarc = {
          domain: 'a.test',
          isLenient: false,
          spf: found,
          dkim: [{ result: 'pass' as const, domain: aligned }],
        }
        const judged = await alignDmarc({ ...dmarc, resolver })
        assert.deepEqual(judged, await alignDmarc({ ...dmarc, resolver: createFakeResolver(resolver.data) }))
      }
    }),
    { numRuns: 150 },
  )
})

test('verdict memory: what is known is asked again all at once', async () => {
  const resolver = changing()
  resolver.data = {
    txt: {
      'a.test': ['v=spf1 include:b.test include:c.test -all'],
      'b.test': ['v=spf1 ip4:198.51.100.0/24 -all'],
      'c.test': ['v=spf1 ip4:192.0.2.0/24 -all'],
    },
  }
  const ask = () => checkSpf({ ip: '192.0.2.7', helo: 'h.test', reversePath: 'anna@a.test', resolver })
  assert.equal((await ask()).result, 'pass')
  assert.deepEqual([resolver.asked, resolver.inFlightMax], [3, 1])
  assert.equal((await ask()).result, 'pass')
  assert.deepEqual([resolver.asked, resolver.inFlightMax], [6, 3])
})

test('verdict memory: bounded in entries, in questions and in what records say', async () => {
  const memory = new VerdictMemory<number>({ entriesMax: 3, questionsMax: 2, charactersMax: 180 })
  const resolver = createFakeResolver({ txt: { 'short.test': ['x'], 'long.test': ['x'.repeat(200)] } })
  const keep = async (key: string, names: readonly string[]): Promise<void> => {
    const trace = new TracedResolver(resolver)
    for (const name of names) await trace.txt(name)
    memory.keep(key, 1, trace)
  }
  for (const key of ['1', '2', '3', '4']) await keep(key, ['short.test'])
  assert.equal(memory.size, 3)
  assert.equal(await memory.recall('1', resolver, {}), undefined)
  assert.equal(await memory.recall('2', resolver, {}), 1)
  await keep('many', ['a.test', 'b.test', 'c.test'])
  await keep('long', ['long.test'])
  assert.equal(await memory.recall('many', resolver, {}), undefined)
  assert.equal(await memory.recall('long', resolver, {}), undefined)
  await keep('5', ['short.test'])
  assert.equal(await memory.recall('3', resolver, {}), undefined, 'the one unused for longest is gone')
  assert.equal(await memory.recall('2', resolver, {}), 1)
})

test('verdict memory: a deadline ends it as it ends an evaluation', async () => {
  const resolver = createFakeResolver({ txt: { 'a.test': ['v=spf1 -all'] } })
  const spf = { ip: '192.0.2.7', helo: 'h.test', reversePath: 'anna@a.test', resolver }
  assert.equal((await checkSpf(spf)).result, 'fail')
  const late = await checkSpf({ ...spf, signal: AbortSignal.abort() })
  assert.deepEqual([late.result, late.reason], ['temperror', 'no time left'])
  assert.equal((await checkSpf(spf)).result, 'fail')
})
