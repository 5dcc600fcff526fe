import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { google, office, portal, rfc9990 } from '../testing/dmarc-samples.ts'
import type { DmarcAggregateReport } from './dmarc-report.ts'
import { parseDmarcReport } from './dmarc-xml-reader.ts'

const read = (xml: string | Uint8Array) => parseDmarcReport(typeof xml === 'string' ? Buffer.from(xml) : xml)

function report(xml: string | Uint8Array): DmarcAggregateReport {
  const got = read(xml)
  assert.ok(got.ok, `refused: ${got.defects.join(', ')}`)
  return got.report
}

describe('reports as they are sent', () => {
  it('RFC 9990, with extensions in their places', () => {
    const got = read(rfc9990)
    assert.deepEqual(got, {
      ok: true,
      defects: [],
      report: {
        form: 'rfc9990',
        organization: 'Sample Reporter',
        email: 'report_sender@reporter.example',
        extraContact: '...',
        reportId: '3v98abbp8ya9n3va8yr8oa3ya',
        startAt: 302832000_000,
        endAt: 302918399_000,
        errors: [],
        generator: 'Example DMARC Aggregate Reporter v1.2',
        policy: {
          domain: 'owner.example',
          p: 'quarantine',
          sp: 'none',
          np: 'none',
          testing: false,
          discoveryMethod: 'treewalk',
        },
        records: [
          {
            sourceIp: '192.0.2.123',
            count: 123,
            disposition: 'pass',
            dkimAligned: 'pass',
            spfAligned: 'fail',
            reasons: [],
            headerFrom: 'owner.example',
            envelopeFrom: 'owner.example',
            dkim: [{ domain: 'owner.example', selector: 'abc123', result: 'pass' }],
            spf: [{ domain: 'owner.example', result: 'fail' }],
          },
        ],
      },
    })
  })

  it('RFC 7489: an override, two signatures, IPv6 in canonical form', () => {
    const { form, policy, records } = report(google)
    assert.equal(form, 'rfc7489')
    assert.deepEqual(policy, {
      domain: 'owner.example',
      p: 'reject',
      sp: 'reject',
      np: 'reject',
      adkim: 'r',
      aspf: 'r',
      pct: 100,
    })
    assert.equal(records[0]?.sourceIp, '2001:db8::1')
    assert.deepEqual(records[0]?.reasons, [{ type: 'local_policy', comment: 'arc=pass' }])
    assert.deepEqual(
      records[0]?.dkim.map(({ domain, result }) => `${domain} ${result}`),
      ['list.example pass', 'owner.example fail'],
    )
    assert.equal(records[0]?.envelopeFrom, undefined)
  })

  it('a byte order mark, envelope_to and scope', () => {
    const [row] = report(office).records
    assert.equal(row?.envelopeTo, 'tenant.example')
    assert.equal(row?.spf[0]?.scope, 'mfrom')
  })

  it('empty elements and a null reverse-path', () => {
    const { policy, records } = report(portal)
    assert.deepEqual(policy, { domain: 'owner.example', p: 'quarantine' })
    assert.equal(records[0]?.envelopeFrom, '')
    assert.deepEqual(records[0]?.dkim, [])
    assert.equal(records[0]?.spf[0]?.scope, 'helo')
  })
})

describe('deviations', () => {
  const patched = (from: string | RegExp, to: string): string => {
    const out = google.replace(from, to)
    assert.notEqual(out, google)
    return out
  }
  const first = (xml: string | Uint8Array) => report(xml).records[0]

  it('wrong case of elements and words', () => {
    const got = report(
      google.replaceAll('feedback>', 'FEEDBACK>').replace('<p>reject', '<P>Reject').replace('</p>', '</P>'),
    )
    assert.equal(got.policy.p, 'reject')
  })
  it('a prefix for the namespace', () => {
    const xml = google
      .replace(/<(\/?)([a-z_]+)>/g, '<$1d:$2>')
      .replace('<d:feedback>', '<d:feedback xmlns:d="x">')
    assert.equal(report(xml).records.length, 1)
  })
  it('ISO-8859-1, declared and not', () => {
    for (const head of ['<?xml version="1.0" encoding="iso-8859-1"?>', '']) {
      const xml = patched(/<\?xml.*\?>/, head).replace('<org_name>big.example', '<org_name>Müller & Söhne')
      assert.equal(report(Buffer.from(xml, 'latin1')).organization, 'Müller & Söhne')
    }
  })
  it('UTF-16', () => {
    assert.equal(report(Buffer.from(`\ufeff${google}`, 'utf16le')).organization, 'big.example')
  })
  it('text before the XML and behind it', () => {
    const got = read(`Here is your report:\n\n${google}\n-- \nsent by a machine`)
    assert.ok(got.ok)
    assert.deepEqual(got.defects, ['xml: text-outside'])
  })
  it('several SPF results, a word of old, one that nobody knows', () => {
    const xml = patched(
      '</spf>\n    </auth',
      '</spf><spf><domain>a.example</domain><result>hardfail</result></spf><spf><domain>b.example</domain><result>Unknown</result></spf><spf><domain>c.example</domain><result>maybe</result></spf></auth',
    )
    assert.deepEqual(
      first(xml)?.spf.map(({ result }) => result),
      ['pass', 'fail', 'temperror', 'unknown'],
    )
  })
  it('an address that is none, a count that is none: the record stays', () => {
    const got = read(patched('2001:DB8:0:0::1', 'localhost').replace('<count>7', '<count>-7'))
    assert.ok(got.ok)
    assert.deepEqual(got.defects, ['source_ip is no address', 'count is no number'])
    assert.equal(got.report.records[0]?.sourceIp, '')
    assert.equal(got.report.records[0]?.count, 0)
  })
  it('an address in brackets', () => {
    assert.equal(first(patched('2001:DB8:0:0::1', '[192.0.2.4]'))?.sourceIp, '192.0.2.4')
  })
  it('a disposition and a reason of no known kind', () => {
    const row = first(patched('<disposition>none', '<disposition>eaten').replace('local_policy', 'mood'))
    assert.equal(row?.disposition, 'unknown')
    assert.equal(row?.reasons[0]?.type, 'other')
  })
  it('words of a prototype are nobody’s', () => {
    const row = first(
      patched('<disposition>none', '<disposition>constructor').replace('local_policy', '__proto__'),
    )
    assert.equal(row?.disposition, 'unknown')
    assert.equal(row?.reasons[0]?.type, 'other')
  })
  it('times in milliseconds and as dates', () => {
    assert.equal(report(patched('1762905600', '1762905600123')).startAt, 1762905600_000)
    assert.equal(report(patched('1762905600', '2025-11-12T00:00:00Z')).startAt, 1762905600_000)
  })
  it('CDATA, comments, character references', () => {
    const xml = patched('<org_name>big.example', '<org_name><![CDATA[A & B]]><!-- x --> &lt;&#67;&gt;')
    assert.equal(report(xml).organization, 'A & B <C>')
  })
  it('control characters do not come through', () => {
    assert.equal(
      report(patched('<org_name>big.example', '<org_name>a\u0000b\u001b[31m\r\nc&#13;&#10;d')).organization,
      'a b [31m c d',
    )
  })
  it('cut off: what was whole is there', () => {
    const cut = google.slice(0, google.indexOf('<auth_results>'))
    const got = read(cut)
    assert.ok(got.ok)
    assert.deepEqual(got.report.records[0]?.sourceIp, '2001:db8::1')
    assert.ok(got.defects.includes('xml: unclosed'))
  })
  for (const [what, xml, defect] of [
    ['nothing', '', 'no XML'],
    ['no XML', 'hello', 'no XML'],
    ['HTML', '<!doctype html><html><body><feedback></feedback></body></html>', 'its root is not feedback'],
    ['no domain', google.replace('<domain>owner.example</domain>', ''), 'policy_published names no domain'],
    ['no time', google.replace(/<date_range>[\s\S]*<\/date_range>/, ''), 'date_range is no time'],
    ['a time that is none', google.replace('1762905600', 'yesterday'), 'date_range is no time'],
  ] as const)
    it(`${what} is refused`, () => {
      const got = read(xml)
      assert.equal(got.ok, false)
      assert.equal(got.defects[0], defect)
    })
})
