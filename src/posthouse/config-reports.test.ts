import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type ConfigInput, resolveConfig } from './config.ts'
import { ConfigError } from './config-mistake.ts'

const read = (reports: ConfigInput['reports']) =>
  resolveConfig(reports === undefined ? {} : { reports }, { env: {}, baseDir: '/' }).reports

describe('the section reports', () => {
  it('has defaults', () => {
    assert.deepEqual(read(undefined), {
      tls: true,
      dmarc: true,
      domain: undefined,
      organization: undefined,
      contact: undefined,
      spreadMs: 4 * 3_600_000,
      addresses: [],
      url: undefined,
      keepMs: 365 * 24 * 3_600_000,
    })
  })

  it('takes all that may be', () => {
    const all = read({
      tls: false,
      domain: 'Bücher.test',
      organization: 'Us, Ltd.',
      contact: 'reports',
      spread: '1h',
      addresses: ['tlsrpt', 'dmarc@us.test'],
      url: 'https://mail.us.test/v1/reports/tls',
      keep: '30d',
    })
    assert.equal(all.domain, 'xn--bcher-kva.test')
    assert.deepEqual(all.addresses, ['tlsrpt', 'dmarc@us.test'])
    assert.equal(all.url, 'https://mail.us.test/v1/reports/tls')
  })

  for (const wrong of [
    { spread: '25h' },
    { keep: '1h' },
    { url: 'http://mail.us.test/' },
    { url: 'https://a:b@mail.us.test/' },
    { url: 'https://mail.us.test/a,b' },
    { addresses: ['a b'] },
    { addresses: ['ü@us.test'] },
    { organization: 'a\r\nBcc: x' },
    { domain: 'no domain' },
    { unknown: 1 },
  ] as NonNullable<ConfigInput['reports']>[])
    it(`refuses ${JSON.stringify(wrong)}`, () => {
      assert.throws(
        () => read(wrong),
        (error) => error instanceof ConfigError && error.message.includes('reports'),
      )
    })
})
