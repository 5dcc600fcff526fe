// MTA-STS records and policies, TLS-RPT records: the corpus, what they mean, and hosts against a policy.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { parseStsPolicy, parseStsRecord, selectStsRecord, stsAllows } from './mta-sts.ts'
import { parseTlsRptRecord, selectTlsRptRecord } from './tls-rpt.ts'

type Cases = readonly { readonly text: string; readonly want: 'valid' | 'invalid' }[]
const file = join(import.meta.dirname, '../../../shared/conformance/mtasts/cases.json')
const skip = existsSync(file) ? false : 'shared/conformance/mtasts is not here'
const cases = skip
  ? { stsRecords: [], stsPolicies: [], tlsrptRecords: [] }
  : (JSON.parse(readFileSync(file, 'utf8')) as Record<'stsRecords' | 'stsPolicies' | 'tlsrptRecords', Cases>)

describe('mtasts corpus', { skip }, () => {
  for (const [name, parse] of [
    ['stsRecords', parseStsRecord],
    ['stsPolicies', parseStsPolicy],
    ['tlsrptRecords', parseTlsRptRecord],
  ] as const)
    for (const { text, want } of cases[name])
      test(`mtasts corpus: ${name} ${JSON.stringify(text)}`, () => {
        const read = parse(text)
        assert.equal(read.ok ? 'valid' : 'invalid', want, JSON.stringify(read))
      })
  test('mtasts corpus: is complete', () => {
    assert.deepEqual(
      [cases.stsRecords.length, cases.stsPolicies.length, cases.tlsrptRecords.length],
      [18, 24, 20],
    )
  })
})

test('mta-sts: what a record and a policy say', () => {
  assert.deepEqual(parseStsRecord('v=STSv1; id=20160831085700Z;'), {
    ok: true,
    value: { id: '20160831085700Z' },
  })
  assert.deepEqual(
    parseStsPolicy(
      'version: STSv1\r\nmode: enforce\r\nmx: MX1.example.test\r\nmx: *.Mail.example.test\r\nmax_age: 604800\r\nmode: none\r\n',
    ),
    {
      ok: true,
      value: { mode: 'enforce', maxAgeSeconds: 604_800, mx: ['mx1.example.test', '*.mail.example.test'] },
    },
  )
  const long = parseStsPolicy('version: STSv1\nmode: none\nmax_age: 9999999999')
  assert.ok(long.ok)
  assert.equal(long.value.maxAgeSeconds, 31_557_600)
})

test('mta-sts: one record among others, never two', () => {
  assert.equal(selectStsRecord(['v=spf1 -all', 'v=STSv1; id=a']).ok, true)
  assert.deepEqual(selectStsRecord(['v=STSv1; id=a', 'v=STSv1; id=b']), {
    ok: false,
    reason: 'several records',
  })
  assert.deepEqual(selectStsRecord(['v=STSv2; id=a']), { ok: false, reason: 'no record' })
  assert.equal(selectTlsRptRecord(['x', 'v=TLSRPTv1; rua=mailto:a@b.test']).ok, true)
  assert.equal(
    selectTlsRptRecord(['v=TLSRPTv1; rua=mailto:a@b.test', 'v=TLSRPTv1;rua=mailto:b@b.test']).ok,
    false,
  )
})

test('mta-sts: a wildcard is one label, the first', () => {
  const policy = { mx: ['mx.example.test', '*.mail.example.test'] }
  for (const [host, want] of [
    ['mx.example.test', true],
    ['MX.Example.Test.', true],
    ['a.mail.example.test', true],
    ['mail.example.test', false],
    ['a.b.mail.example.test', false],
    ['.mail.example.test', false],
    ['amail.example.test', false],
    ['other.test', false],
    ['', false],
  ] as const)
    assert.equal(stsAllows(policy, host), want, host)
})

test('tls-rpt: the URIs that reports go to', () => {
  assert.deepEqual(
    parseTlsRptRecord(
      'v=TLSRPTv1; rua=mailto:a@b.test , https://b.test/r,ftp://b.test/x; rua=mailto:c@b.test',
    ),
    { ok: true, value: { rua: ['mailto:a@b.test', 'https://b.test/r', 'mailto:c@b.test'] } },
  )
})

test('mta-sts: any text is read without a throw', () => {
  const piece = fc.constantFrom(
    'v=STSv1',
    'v=TLSRPTv1',
    ';',
    'id=',
    'rua=',
    'mx:',
    'mode:',
    '\n',
    ' ',
    'a',
    '*.',
    '\0',
    'é',
    '=',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      const text = pieces.join('')
      parseStsRecord(text)
      parseStsPolicy(text)
      parseTlsRptRecord(text)
    }),
  )
})
