// DMARC: the cases of three implementations, and that only what passed and aligns makes a pass.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { createFakeResolver, type DnsData } from '../dns/fake-resolver.ts'
import { alignDmarc, checkDmarc, type DmarcReport } from './dmarc.ts'
import { HeaderBlock } from './header-block.ts'

interface Case {
  readonly id: string
  readonly zone?: string
  readonly records?: Readonly<Record<string, string>>
  readonly exists?: readonly string[]
  readonly from: string
  readonly spf?: readonly string[]
  readonly dkim?: readonly string[]
  readonly expect: string
  readonly alt?: readonly string[]
  readonly policy?: string
  readonly org?: string
  readonly maxDmarcQueries?: number
}
type Zone = Readonly<
  Record<string, readonly (string | { readonly TXT?: string; readonly MX?: readonly [number, string] })[]>
>

const folder = join(import.meta.dirname, '../../../shared/conformance/dmarc')
const skip = existsSync(folder) ? false : 'shared/conformance/dmarc is not here'
const read = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), 'utf8'))
const cases = skip
  ? []
  : (read('cases.json') as (Case | { readonly _: string })[]).filter((one): one is Case => 'id' in one)
const zones = skip ? {} : (read('zones.json') as Record<string, Zone>)

function world(one: Case): DnsData {
  const txt: Record<string, readonly string[]> = {}
  const mx: Record<string, readonly string[]> = {}
  const fail: string[] = []
  for (const [name, text] of Object.entries(one.records ?? {})) txt[name] = [text]
  for (const [name, records] of Object.entries(zones[one.zone ?? ''] ?? {}))
    for (const record of records) {
      if (typeof record === 'string') fail.push(name)
      else if (record.TXT !== undefined) txt[name] = [...(txt[name] ?? []), record.TXT]
      else if (record.MX !== undefined) mx[name] = [`${record.MX[0]} ${record.MX[1]}`]
    }
  const a = Object.fromEntries((one.exists ?? []).map((name) => [name, ['192.0.2.1']]))
  return { txt, mx, a, fail }
}

/** Where we say another word, and why. */
const different: Readonly<Record<string, string>> = {}

describe('dmarc corpus', { skip }, () => {
  for (const one of cases)
    test(`dmarc corpus: ${one.id}`, async () => {
      const resolver = createFakeResolver(world(one))
      const report = await alignDmarc({
        domain: one.from,
        isLenient: false,
        spf: one.spf?.[0] === undefined ? undefined : { result: 'pass', domain: one.spf[0] },
        dkim: (one.dkim ?? []).map((domain) => ({ result: 'pass', domain })),
        resolver,
      })
      const want =
        different[one.id] === undefined
          ? [one.expect, ...(one.alt ?? [])]
          : [different[one.id]?.split(':')[0]]
      assert.ok(want.includes(report.result), `${report.result} (${report.reason}), not ${want}`)
      if (one.policy !== undefined && report.result === one.expect) assert.equal(report.policy, one.policy)
      if (one.org !== undefined && report.result === one.expect)
        assert.equal(report.organizationalDomain, one.org)
      if (one.maxDmarcQueries !== undefined)
        assert.ok(
          resolver.queries.filter((query) => query.startsWith('txt _dmarc.')).length <= one.maxDmarcQueries,
        )
    })
  test('dmarc corpus: is complete', () => {
    assert.equal(cases.length, 41)
  })
})

const bank: DnsData = { txt: { '_dmarc.bank.test': ['v=DMARC1; p=reject'] } }
const judge = (
  from: string,
  spf: 'pass' | 'fail' | 'none' | 'temperror' | undefined,
  dkim: readonly ('pass' | 'fail' | 'policy' | 'temperror')[],
  data: DnsData = bank,
): Promise<DmarcReport> =>
  checkDmarc({
    header: new HeaderBlock(Buffer.from(`From: ${from}\r\n`)),
    spf: spf && { result: spf, domain: 'bank.test' },
    dkim: dkim.map((result) => ({ result, domain: 'bank.test' })),
    resolver: createFakeResolver(data),
  })

test('dmarc: only what passed counts', async () => {
  for (const spf of ['fail', 'none', 'temperror', undefined] as const)
    for (const dkim of ['fail', 'policy', 'temperror'] as const) {
      const report = await judge('a@bank.test', spf, [dkim])
      assert.deepEqual(
        [report.result, report.policy, report.alignedSpf, report.alignedDkim],
        ['fail', 'reject', '', []],
      )
    }
  const passed = await judge('a@mail.bank.test', 'fail', ['fail', 'pass'])
  assert.deepEqual(
    [passed.result, passed.alignedDkim, passed.policyDomain],
    ['pass', ['bank.test'], 'bank.test'],
  )
  assert.equal((await judge('a@bank.test', 'pass', [])).alignedSpf, 'bank.test')
  assert.equal((await judge('a@other.test', 'pass', ['pass'])).result, 'none')
})

test('dmarc: without an author it is permerror, and the problem is told', async () => {
  const report = await judge('a@bank.test, b@evil.test', 'pass', ['pass'])
  assert.deepEqual(
    [report.result, report.problem, report.domains, report.policy],
    ['permerror', 'several-domains', ['bank.test', 'evil.test'], undefined],
  )
})

test('dmarc: what DNS does not tell is temperror, never a pass', async () => {
  const report = await judge('a@bank.test', 'pass', ['pass'], { fail: ['_dmarc.bank.test'] })
  assert.deepEqual([report.result, report.policy], ['temperror', undefined])
  const controller = new AbortController()
  const waiting = checkDmarc({
    header: new HeaderBlock(Buffer.from('From: a@bank.test\r\n')),
    spf: { result: 'pass', domain: 'bank.test' },
    dkim: [],
    resolver: createFakeResolver({ timeout: ['_dmarc.bank.test'] }),
    signal: controller.signal,
  })
  controller.abort()
  const late = await waiting
  assert.deepEqual([late.result, late.reason], ['temperror', 'no time left'])
})
