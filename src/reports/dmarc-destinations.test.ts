import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createFakeResolver, type DnsData } from '../dns/fake-resolver.ts'
import { dmarcDestinations } from './dmarc-destinations.ts'

const rua = (value: string): string => `v=DMARC1; p=none; rua=${value}`

const cases: readonly {
  readonly what: string
  readonly rua: string
  readonly dns?: DnsData
  readonly to?: readonly string[]
  readonly refused?: readonly string[]
  readonly kind?: 'none' | 'temporary'
}[] = [
  { what: 'its own domain', rua: 'mailto:r@owner.test', to: ['mailto:r@owner.test'] },
  {
    what: 'a domain below it',
    rua: 'mailto:r@reports.owner.test',
    to: ['mailto:r@reports.owner.test'],
  },
  {
    what: 'a third party that agreed',
    rua: 'mailto:r@third.test',
    dns: { txt: { 'owner.test._report._dmarc.third.test': ['v=DMARC1'] } },
    to: ['mailto:r@third.test'],
  },
  {
    what: 'a third party that agrees to all, with other records beside',
    rua: 'mailto:r@third.test',
    dns: { txt: { 'owner.test._report._dmarc.third.test': ['x', 'v=DMARC1;'] } },
    to: ['mailto:r@third.test'],
  },
  {
    what: 'a third party that said nothing',
    rua: 'mailto:r@third.test',
    kind: 'none',
  },
  {
    what: 'a third party with another record',
    rua: 'mailto:r@third.test',
    dns: { txt: { 'owner.test._report._dmarc.third.test': ['p=none; v=DMARC1', 'v=DMARC2'] } },
    kind: 'none',
  },
  {
    what: 'one that said nothing beside an own one',
    rua: 'mailto:r@third.test,mailto:r@owner.test',
    to: ['mailto:r@owner.test'],
    refused: ['mailto:r@third.test'],
  },
  {
    what: 'an agreement that moves the reports within its host',
    rua: 'mailto:r@third.test',
    dns: { txt: { 'owner.test._report._dmarc.third.test': ['v=DMARC1; rua=mailto:owner@third.test'] } },
    to: ['mailto:owner@third.test'],
  },
  {
    what: 'an agreement that sends them on to somebody else',
    rua: 'mailto:r@third.test',
    dns: { txt: { 'owner.test._report._dmarc.third.test': ['v=DMARC1; rua=mailto:victim@other.test'] } },
    kind: 'none',
  },
  {
    what: 'the domain that stands above them is the same, and a public suffix is not',
    rua: 'mailto:r@b.bank.test',
    dns: { txt: { '_dmarc.bank.test': ['v=DMARC1; p=none; psd=y'] } },
    kind: 'none',
  },
  { what: 'https alone', rua: 'https://owner.test/reports', kind: 'none' },
  { what: 'an address literal', rua: 'mailto:r@[192.0.2.1]', kind: 'none' },
  {
    what: 'the same address twice, and more than may be',
    rua: [0, 1, 2, 3, 4, 5, 6, 0].map((n) => `mailto:r${n}@owner.test`).join(','),
    to: [0, 1, 2, 3, 4].map((n) => `mailto:r${n}@owner.test`),
    refused: ['mailto:r5@owner.test', 'mailto:r6@owner.test'],
  },
  {
    what: 'whether it agreed cannot be known',
    rua: 'mailto:r@third.test',
    dns: { fail: ['owner.test._report._dmarc.third.test'] },
    kind: 'temporary',
  },
  {
    what: 'the same, and another one is known',
    rua: 'mailto:r@third.test,mailto:r@owner.test',
    dns: { fail: ['owner.test._report._dmarc.third.test'] },
    to: ['mailto:r@owner.test'],
    refused: ['mailto:r@third.test'],
  },
  {
    what: 'whose domain it is cannot be known',
    rua: 'mailto:r@third.test',
    dns: { fail: ['_dmarc.third.test'] },
    kind: 'temporary',
  },
]

describe('where aggregate reports go (RFC 9990 section 4)', () => {
  for (const { what, rua: value, dns = {}, to, refused = [], kind } of cases)
    it(what, async () => {
      const domain = what.includes('public suffix') ? 'a.bank.test' : 'owner.test'
      const resolver = createFakeResolver({ ...dns, txt: { ...dns.txt, [`_dmarc.${domain}`]: [rua(value)] } })
      const got = await dmarcDestinations(domain, resolver)
      if (to === undefined) return void assert.equal(got.kind, kind)
      assert.ok(got.kind === 'to')
      assert.deepEqual(
        got.to.map(({ uri }) => uri),
        to,
      )
      assert.deepEqual(
        got.refused.map(({ uri }) => uri),
        refused,
      )
    })

  it('a limit counts what base64 adds', async () => {
    const resolver = createFakeResolver({ txt: { '_dmarc.owner.test': [rua('mailto:r@owner.test!78k')] } })
    const got = await dmarcDestinations('owner.test', resolver)
    assert.deepEqual(got.kind === 'to' && got.to, [{ uri: 'mailto:r@owner.test', bytesMax: 57 * 1024 }])
  })
  it('a record that is gone, or cannot be asked for', async () => {
    assert.equal((await dmarcDestinations('owner.test', createFakeResolver({}))).kind, 'none')
    const failing = createFakeResolver({ fail: ['_dmarc.owner.test'] })
    assert.equal((await dmarcDestinations('owner.test', failing)).kind, 'temporary')
  })
  it('a name too long to be asked for', async () => {
    const domain = `${'a.'.repeat(90)}test`
    const host = `${'b.'.repeat(60)}test`
    const resolver = createFakeResolver({ txt: { [`_dmarc.${domain}`]: [rua(`mailto:r@${host}`)] } })
    assert.equal((await dmarcDestinations(domain, resolver)).kind, 'none')
  })
})
