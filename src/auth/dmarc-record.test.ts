import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createFakeResolver } from '../dns/fake-resolver.ts'
import { parseDmarcRecord, reportAgreement, selectDmarcRecord } from './dmarc-record.ts'
import { organizationalDomain } from './organizational-domain.ts'

describe('DMARC records', () => {
  it('all tags', () => {
    assert.deepEqual(
      parseDmarcRecord(
        'v=DMARC1; p=Reject; sp=quarantine; np=none; adkim=s; aspf=r; fo=1:d; t=y; psd=n; rua=mailto:a@Reports.test!10m, https://x.test/y; ruf=mailto:b@reports.test',
      ),
      {
        p: 'reject',
        sp: 'quarantine',
        np: 'none',
        adkim: 's',
        aspf: 'r',
        fo: '1:d',
        testing: true,
        psd: 'n',
        rua: [
          {
            uri: 'mailto:a@Reports.test',
            address: 'a@reports.test',
            host: 'reports.test',
            bytesMax: 10 * 2 ** 20,
          },
          { uri: 'https://x.test/y' },
        ],
        ruf: [{ uri: 'mailto:b@reports.test', address: 'b@reports.test', host: 'reports.test' }],
      },
    )
  })
  for (const [text, rua] of [
    ['rua=mailto:a@b.test!1', [1]],
    ['rua=mailto:a@b.test!2K,mailto:c@b.test!3g,mailto:d@b.test!1t', [2048, 3 * 2 ** 30, 2 ** 40]],
    ['rua=mailto:a@b.test', [undefined]],
    ['rua=mailto:a@b.test!10x', []],
    ['rua=a@b.test', []],
    ['rua=', []],
  ] as const)
    it(`sizes: ${text}`, () => {
      assert.deepEqual(
        parseDmarcRecord(`v=DMARC1;p=none;${text}`)?.rua.map(({ bytesMax }) => bytesMax),
        rua,
      )
    })
  for (const [uri, address] of [
    ['mailto:a%2Bb@c.test', 'a+b@c.test'],
    ['mailto:a@c.test?subject=x', 'a@c.test'],
    ['MAILTO:a@c.test', 'a@c.test'],
    ['mailto:a@[192.0.2.1]', undefined],
    ['mailto:a%0d%0ab@c.test', undefined],
    ['mailto:%ff@c.test', undefined],
    ['mailto:', undefined],
    ['https://c.test/', undefined],
  ] as const)
    it(`addresses: ${uri}`, () => {
      const rua = parseDmarcRecord(`v=DMARC1; p=none; rua=${uri}`)?.rua
      assert.deepEqual(
        rua?.map((one) => one.address),
        [address],
      )
    })
  for (const [text, p] of [
    ['v=DMARC1', undefined],
    ['v=DMARC1; p=nothing', undefined],
    ['v=DMARC1; p=nothing; rua=mailto:a@b.test', 'none'],
    ['v=DMARC1; p=reject; sp=nothing; rua=mailto:a@b.test', 'none'],
    ['v=dmarc1; p=reject', undefined],
    ['p=reject; v=DMARC1', undefined],
    ['v=DMARC1; p=reject; p=none', undefined],
    ['v=DMARC1 ; p = reject ;', 'reject'],
    [`v=DMARC1; p=reject; x=${'y'.repeat(5000)}`, undefined],
  ] as const)
    it(`what it asks for: ${text.slice(0, 60)}`, () => {
      assert.equal(parseDmarcRecord(text)?.p, p)
    })
  it('several records are none', () => {
    assert.equal(selectDmarcRecord(['v=spf1 -all', 'v=DMARC1; p=none'])?.p, 'none')
    assert.equal(selectDmarcRecord(['v=DMARC1; p=none', 'v=DMARC1; p=reject']), undefined)
  })
  it('agreement to reports about others', () => {
    assert.equal(reportAgreement(['v=spf1']), undefined)
    assert.deepEqual(reportAgreement(['v=DMARC1']), [])
    assert.deepEqual(
      reportAgreement(['x', 'v=DMARC1; rua=mailto:a@b.test'])?.map(({ address }) => address),
      ['a@b.test'],
    )
  })
  it('any text gives an answer', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'v=DMARC1;p rua:mailto@!,%0k') }), (text) => {
        parseDmarcRecord(text)
        reportAgreement([`v=DMARC1;${text}`])
      }),
    )
  })
})

describe('organizational domains (RFC 9989 section 4.10.2)', () => {
  const resolver = createFakeResolver({
    txt: {
      '_dmarc.example.test': ['v=DMARC1; p=none'],
      '_dmarc.own.example.test': ['v=DMARC1; p=none; psd=n'],
      '_dmarc.bank.test': ['v=DMARC1; p=none; psd=y'],
    },
    fail: ['_dmarc.broken.test'],
  })
  it('what DNS does not say is not known', async () => {
    assert.equal(await organizationalDomain('a.broken.test', resolver), undefined)
  })
  for (const [name, expected] of [
    ['example.test', 'example.test'],
    ['a.b.example.test', 'example.test'],
    ['x.own.example.test', 'own.example.test'],
    ['mail.some.bank.test', 'some.bank.test'],
    ['bank.test', 'bank.test'],
    ['nothing.other.test', 'nothing.other.test'],
    ['a.b.c.d.e.f.g.h.i.example.test', 'example.test'],
  ] as const)
    it(`${name}: ${expected}`, async () => {
      assert.equal(await organizationalDomain(name, resolver), expected)
    })
})
