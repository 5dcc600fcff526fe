// Owns the tables of what TXT records for mail look like, and the law that no text makes them throw or take long.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import type { CertificateInfo } from '../base/connection.ts'
import {
  isDmarc,
  isSpf,
  isStsMatch,
  lookAtDmarc,
  lookAtSpf,
  lookAtStsPolicy,
  lookAtStsRecord,
  lookAtTlsRpt,
} from './probe-records.ts'
import { fitsTlsa, isUsableTlsa } from './probe-tlsa.ts'

/** record, all, terms that ask DNS, problems */
const spf: readonly (readonly [string, string | undefined, number, readonly RegExp[]])[] = [
  ['v=spf1 mx a:b.test include:_spf.x.test ip4:192.0.2.0/24 ip6:2001:db8::/32 -all', '-', 3, []],
  ['v=spf1 ~all', '~', 0, []],
  ['v=spf1 all', '+', 0, []],
  ['v=spf1 redirect=_spf.x.test', undefined, 1, []],
  ['v=spf1 exists:%{i}._spf.x.test exp=why.x.test -all', '-', 1, []],
  ['v=spf1 -all mx', '-', 1, [/stands behind "all"/]],
  ['v=spf1 ipv4:192.0.2.1 -all', '-', 0, [/is no mechanism/]],
  [
    'v=spf1 ip4:192.0.2.0/33 ip4:2001:db8::1 ip6:1.2.3.4 -all',
    '-',
    0,
    [/no network/, /no network/, /no network/],
  ],
  ['v=spf1 include: -all', '-', 1, [/names no domain/]],
  ['v=spf1 ptr -all', '-', 1, [/do not use it/]],
  [`v=spf1${' include:a.test'.repeat(11)} -all`, '-', 11, [/11 terms that ask DNS/]],
  ['v=spf1 a/24//64 mx//64 -all', '-', 2, []],
]
for (const [record, all, lookupCount, problems] of spf)
  test(`spf: ${record.slice(0, 70)}`, () => {
    const look = lookAtSpf(record)
    assert.equal(look.all, all)
    assert.equal(look.lookupCount, lookupCount)
    assert.equal(look.problems.length, problems.length, look.problems.join('; '))
    for (const [i, problem] of problems.entries()) assert.match(look.problems[i] ?? '', problem)
  })

test('which texts claim to be a record', () => {
  assert.ok(isSpf('v=spf1') && isSpf('V=SPF1 -all') && !isSpf('v=spf10 -all') && !isSpf(' v=spf1'))
  assert.ok(isDmarc('v=DMARC1; p=none') && !isDmarc('v=DMARC10; p=none') && !isDmarc('p=none; v=DMARC1'))
})

/** record, policy, problems */
const dmarc: readonly (readonly [string, string | undefined, readonly RegExp[]])[] = [
  ['v=DMARC1; p=reject; rua=mailto:a@b.test,mailto:c@d.test; pct=50; adkim=s', 'reject', []],
  ['v=DMARC1;p=none;', 'none', []],
  ['v=DMARC1; rua=mailto:a@b.test', undefined, [/p= is missing/]],
  ['v=DMARC1; p=block', undefined, [/p=block is no policy/]],
  ['v=DMARC1; p=none; p=reject', 'none', [/p= twice/]],
  ['v=DMARC1; p=none; rua=a@b.test', 'none', [/cannot take reports/]],
  ['v=DMARC1; p=none; pct=101; aspf=x', 'none', [/aspf=/, /pct=/]],
  ['v=DMARC1; p=none; junk', 'none', [/no tag=value/]],
]
for (const [record, policy, problems] of dmarc)
  test(`dmarc: ${record}`, () => {
    const look = lookAtDmarc(record)
    assert.equal(look.policy, policy)
    assert.equal(look.problems.length, problems.length, look.problems.join('; '))
    for (const [i, problem] of problems.entries()) assert.match(look.problems[i] ?? '', problem)
  })

test('mta-sts: record, policy, and which host it names', () => {
  assert.deepEqual(lookAtStsRecord('v=STSv1; id=20260101T000000').problems, [])
  assert.equal(lookAtStsRecord('v=STSv1; id=a-b').problems.length, 1)
  const policy = lookAtStsPolicy(
    'version: STSv1\nmode: testing\nmx: mx1.a.test\nmx: *.b.test\nmax_age: 604800\n',
  )
  assert.deepEqual(policy, {
    mx: ['mx1.a.test', '*.b.test'],
    problems: [],
    mode: 'testing',
    maxAgeSeconds: 604_800,
  })
  assert.equal(lookAtStsPolicy('version: STSv1\nmode: enforce\nmax_age: 1').problems[0], 'no mx: line')
  assert.equal(lookAtStsPolicy('<html>nothing here</html>').problems.length, 5)
  assert.ok(isStsMatch('MX1.a.test', policy.mx) && isStsMatch('x.b.test', policy.mx))
  assert.ok(!isStsMatch('x.y.b.test', policy.mx) && !isStsMatch('b.test', policy.mx))
})

test('tls-rpt: addresses, or why not', () => {
  assert.deepEqual(lookAtTlsRpt('v=TLSRPTv1; rua=mailto:a@b.test,https://b.test/r').problems, [])
  assert.deepEqual(lookAtTlsRpt('v=TLSRPTv1').problems, ['rua= is missing'])
})

test('tlsa: only usages 2 and 3, and each selector and matching type', () => {
  const certificate = (name: string): CertificateInfo => ({
    subject: name,
    issuer: '',
    names: [],
    validFromAt: 0,
    validToAt: 0,
    serialNumber: '',
    key: '',
    signature: '',
    sha256: '',
    selfIssued: false,
    der: Buffer.from(`der ${name}`),
    spki: Buffer.from(`spki ${name}`),
  })
  const chain = [certificate('leaf'), certificate('root')]
  const sha = (bits: 256 | 512, text: string) => createHash(`sha${bits}`).update(text).digest()
  const fits = (usage: number, selector: number, matchingType: number, data: Uint8Array): boolean =>
    fitsTlsa({ usage, selector, matchingType, data }, chain)
  assert.ok(fits(3, 1, 1, sha(256, 'spki leaf')))
  assert.ok(fits(3, 0, 2, sha(512, 'der leaf')))
  assert.ok(fits(3, 0, 0, Buffer.from('der leaf')))
  assert.ok(fits(2, 1, 1, sha(256, 'spki root')))
  assert.ok(!fits(2, 1, 1, sha(256, 'spki leaf')), 'DANE-TA is no leaf')
  assert.ok(!fits(3, 1, 1, sha(256, 'spki root')), 'DANE-EE is the leaf')
  assert.ok(!fits(1, 1, 1, sha(256, 'spki leaf')))
  assert.ok(!isUsableTlsa({ usage: 3, selector: 1, matchingType: 1, data: Buffer.alloc(31) }))
  assert.ok(!isUsableTlsa({ usage: 3, selector: 2, matchingType: 1, data: Buffer.alloc(32) }))
})

test('law: no text makes a look throw, and the number of problems is bounded', () => {
  const pieces = fc.constantFrom(
    'v=',
    'spf1',
    ' ',
    ';',
    '=',
    'all',
    '-',
    'mx',
    ':',
    '/',
    'p=none',
    '\n',
    'mode:',
    '*.',
    '"',
    'ü',
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(pieces, fc.string({ maxLength: 5 })), { maxLength: 60 }), (parts) => {
      const text = parts.join('')
      for (const look of [lookAtSpf, lookAtDmarc, lookAtStsRecord, lookAtStsPolicy, lookAtTlsRpt])
        assert.ok(look(text).problems.length <= 40)
    }),
  )
  const startedAt = performance.now()
  const long = 'a='.repeat(50_000)
  for (const look of [lookAtSpf, lookAtDmarc, lookAtStsRecord, lookAtStsPolicy, lookAtTlsRpt]) look(long)
  assert.ok(performance.now() - startedAt < 1000)
})
