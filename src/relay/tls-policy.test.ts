// Which TLS, and why: the order of DANE, MTA-STS and configuration, as a table. RFC 7672 section 2, RFC 8461 section 5,
// RFC 8689 section 4.2.1.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TlsaRecord } from '../dns/resolver.ts'
import type { StsAnswer } from './sts-policies.ts'
import { type DaneLookup, decideTls, type TlsFacts } from './tls-policy.ts'

const record = (usage: number, matchingType = 1, bytes = 32): TlsaRecord => ({
  usage,
  selector: 1,
  matchingType,
  data: Buffer.alloc(bytes),
})
const dane = (...records: TlsaRecord[]): DaneLookup => ({
  kind: 'records',
  records,
  base: '_25._tcp.mx.test',
})
const noDane: DaneLookup = { kind: 'none', reason: 'MX not signed' }
const lostDane: DaneLookup = { kind: 'temporary', reason: 'TLSA of _25._tcp.mx.test: SERVFAIL' }
const sts = (mode: 'enforce' | 'testing', mx = ['mx.test']): StsAnswer => ({
  kind: 'policy',
  policy: { id: '1', mode, mx, maxAgeSeconds: 100, fetchedAt: 0, expiresAt: 100_000 },
})
const noSts: StsAnswer = { kind: 'none', reason: 'no MTA-STS record' }
const lostSts: StsAnswer = { kind: 'temporary', reason: 'MTA-STS record: SERVFAIL' }

const base: TlsFacts = {
  configured: 'may',
  source: 'relay.tls',
  host: 'mx.test',
  mxSecure: false,
  dane: noDane,
  sts: noSts,
  requireTls: false,
}

/** 'dane must +judge', 'refuse lookup'. */
function brief(facts: Partial<TlsFacts>): string {
  const decision = decideTls({ ...base, ...facts })
  assert.ok(decision.text.length > 0)
  if (decision.kind === 'refuse') return `refuse ${decision.why}`
  const judged = decision.dane === undefined ? '' : ' +judge'
  return `${decision.by} ${decision.tls}${judged}${decision.testing === undefined ? '' : ' testing'}`
}

const cases: readonly (readonly [string, Partial<TlsFacts>, string])[] = [
  ['nothing known', {}, 'configuration may'],
  ['nothing asked (a route)', { configured: 'verify' }, 'configuration verify'],
  ['usable TLSA', { dane: dane(record(3)) }, 'dane must +judge'],
  [
    'usable TLSA before an MTA-STS policy',
    { dane: dane(record(2)), sts: sts('enforce') },
    'dane must +judge',
  ],
  [
    'a policy that does not name the host is no matter with DANE',
    { dane: dane(record(3)), sts: sts('enforce', ['x.test']) },
    'dane must +judge',
  ],
  ['one usable among others', { dane: dane(record(0), record(3)) }, 'dane must +judge'],
  ['TLSA that cannot be looked up', { dane: lostDane }, 'refuse lookup'],
  ['the same, whatever MTA-STS says', { dane: lostDane, sts: sts('enforce') }, 'refuse lookup'],
  ['PKIX usages are unusable', { dane: dane(record(0), record(1)) }, 'dane must'],
  ['a digest of the wrong length is unusable', { dane: dane(record(3, 1, 20)) }, 'dane must'],
  ['an unknown matching type is unusable', { dane: dane(record(3, 9)) }, 'dane must'],
  ['unusable beside a configured verify', { dane: dane(record(0)), configured: 'verify' }, 'dane verify'],
  ['unusable beside MTA-STS', { dane: dane(record(0)), sts: sts('enforce') }, 'mta-sts verify'],
  ['unusable beside a lost MTA-STS record', { dane: dane(record(0)), sts: lostSts }, 'refuse lookup'],
  ['enforce', { sts: sts('enforce') }, 'mta-sts verify'],
  ['enforce, a wildcard', { sts: sts('enforce', ['*.test']) }, 'mta-sts verify'],
  ['enforce, another host', { sts: sts('enforce', ['other.test']) }, 'refuse policy'],
  ['testing', { sts: sts('testing') }, 'mta-sts may testing'],
  ['testing, another host', { sts: sts('testing', ['other.test']) }, 'mta-sts may testing'],
  [
    'testing leaves a configured verify',
    { sts: sts('testing'), configured: 'verify' },
    'mta-sts verify testing',
  ],
  ['an MTA-STS record that cannot be looked up', { sts: lostSts }, 'refuse lookup'],
  [
    'never means never',
    { configured: 'none', dane: dane(record(3)), sts: sts('enforce') },
    'configuration none',
  ],
  ['REQUIRETLS with DANE', { requireTls: true, mxSecure: true, dane: dane(record(3)) }, 'dane must +judge'],
  ['REQUIRETLS with MTA-STS', { requireTls: true, sts: sts('enforce') }, 'mta-sts verify'],
  ['REQUIRETLS with a policy under test', { requireTls: true, sts: sts('testing') }, 'require-tls verify'],
  [
    'REQUIRETLS, not a host of the policy',
    { requireTls: true, sts: sts('testing', ['x.test']) },
    'refuse unmet',
  ],
  ['REQUIRETLS with signed MX and no TLSA', { requireTls: true, mxSecure: true }, 'require-tls verify'],
  [
    'REQUIRETLS with unusable TLSA',
    { requireTls: true, mxSecure: true, dane: dane(record(0)) },
    'require-tls verify',
  ],
  [
    'REQUIRETLS with what the operator verifies',
    { requireTls: true, configured: 'verify' },
    'configuration verify',
  ],
  ['REQUIRETLS and nothing vouches', { requireTls: true }, 'refuse unmet'],
  ['REQUIRETLS where TLS is off', { requireTls: true, mxSecure: true, configured: 'none' }, 'refuse unmet'],
  ['REQUIRETLS and a lost lookup waits', { requireTls: true, dane: lostDane }, 'refuse lookup'],
]

describe('which TLS, and why', () => {
  for (const [title, facts, expected] of cases) it(title, () => assert.equal(brief(facts), expected))

  it('the reason names the policy and the host', () => {
    const text = (facts: Partial<TlsFacts>): string => decideTls({ ...base, ...facts }).text
    assert.equal(text({}), 'relay.tls: may (MX not signed, no MTA-STS record)')
    assert.equal(text({ dane: dane(record(3)) }), 'DANE: TLSA of _25._tcp.mx.test')
    assert.equal(
      text({ sts: sts('enforce', ['o.test']) }),
      'MTA-STS enforce, id 1: mx.test is not one of its hosts',
    )
    assert.equal(text({ dane: lostDane }), 'DANE: TLSA of _25._tcp.mx.test: SERVFAIL')
  })
})
