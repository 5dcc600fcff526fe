import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { google } from '../testing/dmarc-samples.ts'
import type { DmarcAggregateReport } from './dmarc-report.ts'
import { dmarcXmlLimits, parseDmarcReport } from './dmarc-xml-reader.ts'

const read = (xml: string | Uint8Array) => parseDmarcReport(typeof xml === 'string' ? Buffer.from(xml) : xml)

function report(xml: string | Uint8Array): DmarcAggregateReport {
  const got = read(xml)
  assert.ok(got.ok, `refused: ${got.defects.join(', ')}`)
  return got.report
}

describe('hostile XML', () => {
  const within = (record: string): string => google.replace('</feedback>', `${record}</feedback>`)
  const timed = (xml: string): { readonly ms: number; readonly got: ReturnType<typeof read> } => {
    const bytes = Buffer.from(xml)
    const startedAt = performance.now()
    const got = parseDmarcReport(bytes)
    return { ms: performance.now() - startedAt, got }
  }

  it('entities are not expanded', () => {
    const lol = Array.from({ length: 9 }, (_, i) => `<!ENTITY l${i + 1} "${`&l${i};`.repeat(10)}">`).join('')
    const xml = `<!DOCTYPE f [<!ENTITY l0 "lol">${lol}<!ENTITY x SYSTEM "file:///etc/passwd">]>${google.replace('big.example<', '&l9;&x;<').replace(/<\?xml.*\?>/, '')}`
    const got = report(xml)
    assert.equal(got.organization, '&l9;&x;')
  })
  it('a million elements', () => {
    const { ms, got } = timed(within('<record><row><count>1</count></row></record>'.repeat(250_000)))
    assert.ok(got.ok)
    assert.equal(got.report.records.length, dmarcXmlLimits.recordsMax)
    assert.ok(got.defects.includes('too many records') || got.defects.includes('xml: too-many'))
    assert.ok(ms < 5000, `${ms} ms`)
  })
  it('a million elements in one record', () => {
    const { ms, got } = timed(within(`<record>${'<a><b/>'.repeat(500_000)}`))
    assert.ok(got.ok && got.defects.includes('xml: too-deep'))
    assert.ok(ms < 5000, `${ms} ms`)
    const flat = timed(within(`<record>${'<a>1</a>'.repeat(1_000_000)}</record>`))
    assert.ok(flat.got.ok && flat.got.defects.includes('xml: too-many'))
    assert.ok(flat.ms < 5000, `${flat.ms} ms`)
  })
  it('depth', () => {
    const { ms, got } = timed(`${'<feedback>'.repeat(1_000_000)}${'</feedback>'.repeat(700_000)}`)
    assert.equal(got.ok, false)
    assert.ok(ms < 5000, `${ms} ms`)
  })
  it('attributes without end', () => {
    const huge = `<feedback ${Array.from({ length: 300_000 }, (_, i) => `a${i}="&amp;&amp;"`).join(' ')} b="${'x'.repeat(5_000_000)}">`
    const { ms, got } = timed(google.replace('<feedback>', huge))
    assert.ok(got.ok)
    assert.ok(ms < 5000, `${ms} ms`)
  })
  it('long texts are cut', () => {
    const { got } = timed(google.replace('<org_name>big.example', `<org_name>${'&amp;'.repeat(1_000_000)}`))
    assert.ok(got.ok)
    assert.equal(got.report.organization.length, dmarcXmlLimits.textMax)
  })
  it('more octets than may be', () => {
    const got = parseDmarcReport(new Uint8Array(dmarcXmlLimits.bytesMax + 1))
    assert.deepEqual(got, { ok: false, defects: ['too long'] })
  })
  it('twice the input takes about twice the time', () => {
    const shapes = [
      (n: number) => within('<record><row/></record>'.repeat(n)),
      (n: number) => within(`<record>${'<a>'.repeat(n)}`),
      (n: number) => within(`<record>${'&#x41;'.repeat(n)}`),
      (n: number) => within(`<record>${'</b>'.repeat(n)}`),
      (n: number) => within(`<record>${'<![CDATA[x]]>'.repeat(n)}`),
      (n: number) => within(`<record>${'&aaaa'.repeat(n)}`),
      (n: number) => `${'<!-- '.repeat(n)}`,
      (n: number) => `${'x <?'.repeat(n)}`,
    ]
    for (const [i, shape] of shapes.entries()) {
      const best = (n: number): number => Math.min(...[0, 1, 2].map(() => timed(shape(n)).ms))
      best(2000)
      const [small, large] = [best(20_000), best(320_000)]
      // 16 times the input; a quadratic reader would need 256 times as long.
      assert.ok(large < Math.max(small, 2) * 80, `shape ${i}: ${small} ms, then ${large} ms`)
    }
  })
})
