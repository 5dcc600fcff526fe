// What responses mean, as a table.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type DnsRecord, type DnsResponse, type Meaning, meaningOf } from './meaning.ts'

const record = (name: string, data: string, ttlSeconds = 300): DnsRecord<string> => ({
  name,
  data,
  ttlSeconds,
})
const response = (fields: Partial<DnsResponse<string>>): DnsResponse<string> => ({
  rcode: 'NOERROR',
  authoritative: false,
  secure: false,
  records: [],
  cnames: [],
  hasReferral: false,
  ...fields,
})
const found = (records: readonly string[], ttlSeconds = 300): Meaning<string> => ({
  kind: 'answer',
  answer: { kind: 'records', records, ttlSeconds, secure: false },
})
const none = (nameExists: boolean, ttlSeconds: number): Meaning<string> => ({
  kind: 'answer',
  answer: { kind: 'none', nameExists, ttlSeconds, secure: false },
})

const cases: readonly (readonly [string, Partial<DnsResponse<string>>, Meaning<string>])[] = [
  ['records', { records: [record('q.test', '1'), record('q.test', '2', 60)] }, found(['1', '2'], 60)],
  ['records of another name are none of ours', { records: [record('x.test', '1')] }, none(true, 60)],
  ['NXDOMAIN with SOA', { rcode: 'NXDOMAIN', negativeTtlSeconds: 900 }, none(false, 900)],
  ['NXDOMAIN without SOA', { rcode: 'NXDOMAIN' }, none(false, 60)],
  ['NODATA', { negativeTtlSeconds: 900 }, none(true, 900)],
  ['SERVFAIL', { rcode: 'SERVFAIL' }, { kind: 'useless', reason: 'SERVFAIL' }],
  [
    'SERVFAIL of a validator that says so',
    { rcode: 'SERVFAIL', extendedErrors: [{ code: 6, text: 'no keys' }] },
    { kind: 'useless', reason: 'SERVFAIL (DNSSEC bogus, no keys)', bogus: true },
  ],
  [
    'SERVFAIL with another extended error',
    { rcode: 'SERVFAIL', extendedErrors: [{ code: 22, text: 'No Reachable Authority' }] },
    { kind: 'useless', reason: 'SERVFAIL (No Reachable Authority)' },
  ],
  [
    'an extended error beside an answer is none',
    { records: [record('q.test', '1')], extendedErrors: [{ code: 6, text: '' }] },
    found(['1']),
  ],
  ['REFUSED', { rcode: 'REFUSED' }, { kind: 'useless', reason: 'REFUSED' }],
  ['a code nobody knows', { rcode: 'UNKNOWN_12' }, { kind: 'useless', reason: 'UNKNOWN_12' }],
  ['a referral', { hasReferral: true }, { kind: 'useless', reason: 'a referral, not an answer' }],
  ['NS beside an authoritative NODATA', { hasReferral: true, authoritative: true }, none(true, 60)],
  [
    'a chain, in any order, with the least TTL of all',
    {
      cnames: [record('b.test', 'c.test', 20), record('q.test', 'b.test', 50)],
      records: [record('c.test', '1', 90)],
    },
    {
      kind: 'answer',
      answer: { kind: 'records', records: ['1'], ttlSeconds: 20, secure: false, target: 'c.test' },
    },
  ],
  [
    'a chain whose end is elsewhere',
    { cnames: [record('q.test', 'b.test', 50)] },
    { kind: 'alias', target: 'b.test', ttlSeconds: 50, secure: false },
  ],
  [
    'a chain that ends in NODATA',
    { cnames: [record('q.test', 'b.test', 50)], negativeTtlSeconds: 900 },
    none(true, 50),
  ],
  [
    'a chain that ends in NXDOMAIN',
    { rcode: 'NXDOMAIN', cnames: [record('q.test', 'b.test', 50)] },
    none(false, 50),
  ],
  [
    'a CNAME to itself',
    { cnames: [record('q.test', 'q.test')] },
    { kind: 'answer', answer: { kind: 'temporary', reason: 'CNAME loop at q.test' } },
  ],
  [
    'a chain of nine',
    {
      cnames: Array.from({ length: 9 }, (_, i) =>
        record(i === 0 ? 'q.test' : `n${i}.test`, `n${i + 1}.test`),
      ),
    },
    { kind: 'answer', answer: { kind: 'temporary', reason: 'CNAME loop at q.test' } },
  ],
]

for (const [name, fields, meaning] of cases)
  it(`meaningOf: ${name}`, () => assert.deepEqual(meaningOf(response(fields), 'q.test'), meaning))
