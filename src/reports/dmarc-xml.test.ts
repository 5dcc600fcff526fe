import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { DmarcAggregateReport } from './dmarc-report.ts'
import { dmarcXmlLimits, parseDmarcReport } from './dmarc-xml-reader.ts'
import { formatDmarcReport } from './dmarc-xml-writer.ts'
import { readXml, type XmlElement } from './xml-elements.ts'

const read = (xml: string | Uint8Array) => parseDmarcReport(typeof xml === 'string' ? Buffer.from(xml) : xml)

function report(xml: string | Uint8Array): DmarcAggregateReport {
  const got = read(xml)
  assert.ok(got.ok, `refused: ${got.defects.join(', ')}`)
  return got.report
}

/** The shape of RFC 9990 appendix B. */
const rfc9990 = `<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0"
    xmlns:ext="URI for an extension-supplied name space">
  <version>1.0</version>
  <report_metadata>
    <org_name>Sample Reporter</org_name>
    <email>report_sender@reporter.example</email>
    <extra_contact_info>...</extra_contact_info>
    <report_id>3v98abbp8ya9n3va8yr8oa3ya</report_id>
    <date_range><begin>302832000</begin><end>302918399</end></date_range>
    <generator>Example DMARC Aggregate Reporter v1.2</generator>
  </report_metadata>
  <policy_published>
    <domain>owner.example</domain>
    <p>quarantine</p><sp>none</sp><np>none</np>
    <testing>n</testing>
    <discovery_method>treewalk</discovery_method>
  </policy_published>
  <extension><ext:arc-override>never</ext:arc-override></extension>
  <record>
    <row>
      <source_ip>192.0.2.123</source_ip>
      <count>123</count>
      <policy_evaluated>
        <disposition>pass</disposition>
        <dkim>pass</dkim>
        <spf>fail</spf>
      </policy_evaluated>
    </row>
    <identifiers>
      <envelope_from>owner.example</envelope_from>
      <header_from>owner.example</header_from>
    </identifiers>
    <auth_results>
      <dkim><domain>owner.example</domain><result>pass</result><selector>abc123</selector></dkim>
      <spf><domain>owner.example</domain><result>fail</result></spf>
    </auth_results>
    <ext:arc-results><ext:row>pass</ext:row></ext:arc-results>
  </record>
</feedback>
`

/** The shape of RFC 7489 appendix C, as the largest receiver sends it. */
const google = `<?xml version="1.0" encoding="UTF-8" ?>
<feedback>
  <report_metadata>
    <org_name>big.example</org_name>
    <email>noreply-dmarc-support@big.example</email>
    <extra_contact_info>https://support.big.example/a/answer/2466580</extra_contact_info>
    <report_id>7584729384723847238</report_id>
    <date_range>
      <begin>1762905600</begin>
      <end>1762991999</end>
    </date_range>
  </report_metadata>
  <policy_published>
    <domain>owner.example</domain>
    <adkim>r</adkim>
    <aspf>r</aspf>
    <p>reject</p>
    <sp>reject</sp>
    <pct>100</pct>
    <np>reject</np>
  </policy_published>
  <record>
    <row>
      <source_ip>2001:DB8:0:0::1</source_ip>
      <count>7</count>
      <policy_evaluated>
        <disposition>none</disposition>
        <dkim>fail</dkim>
        <spf>fail</spf>
        <reason>
          <type>local_policy</type>
          <comment>arc=pass</comment>
        </reason>
      </policy_evaluated>
    </row>
    <identifiers>
      <header_from>owner.example</header_from>
    </identifiers>
    <auth_results>
      <dkim>
        <domain>list.example</domain>
        <result>pass</result>
        <selector>20230601</selector>
      </dkim>
      <dkim>
        <domain>owner.example</domain>
        <result>fail</result>
        <selector>s1</selector>
      </dkim>
      <spf>
        <domain>list.example</domain>
        <result>pass</result>
      </spf>
    </auth_results>
  </record>
</feedback>`

/** Namespaces of schema instance, envelope_to, empty pct: an office suite's cloud. */
const office = `﻿<?xml version="1.0"?>
<feedback xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <version>1.0</version>
  <report_metadata>
    <org_name>Enterprise Mail</org_name>
    <email>dmarcreport@office.example</email>
    <report_id>09a24a9b21654f42b83b1b5d1d9d1b7f</report_id>
    <date_range><begin>1762905600</begin><end>1762992000</end></date_range>
  </report_metadata>
  <policy_published>
    <domain>owner.example</domain><adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp><pct>100</pct><fo>0</fo>
  </policy_published>
  <record>
    <row>
      <source_ip>198.51.100.7</source_ip><count>1</count>
      <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>pass</spf></policy_evaluated>
    </row>
    <identifiers>
      <envelope_to>tenant.example</envelope_to>
      <envelope_from>bounce.owner.example</envelope_from>
      <header_from>owner.example</header_from>
    </identifiers>
    <auth_results>
      <dkim><domain>owner.example</domain><selector>selector1</selector><result>pass</result></dkim>
      <spf><domain>bounce.owner.example</domain><scope>mfrom</scope><result>pass</result></spf>
    </auth_results>
  </record>
</feedback>`

/** Order of elements, no version, a null reverse-path as an empty element: a portal. */
const portal = `<?xml version="1.0"?>
<feedback>
<report_metadata>
<org_name>Portal</org_name>
<email>postmaster@portal.example</email>
<report_id>1763012345.123456</report_id>
<date_range>
<begin>1762905600</begin>
<end>1762991999 </end>
</date_range>
</report_metadata>
<policy_published>
<domain>owner.example</domain>
<p>quarantine</p>
<sp/>
<pct></pct>
</policy_published>
<record>
<row>
<source_ip>203.0.113.9</source_ip>
<count>2</count>
<policy_evaluated>
<disposition>quarantine</disposition>
<dkim>fail</dkim>
<spf>fail</spf>
</policy_evaluated>
</row>
<identifiers>
<header_from>owner.example</header_from>
<envelope_from></envelope_from>
</identifiers>
<auth_results>
<dkim/>
<spf>
<domain>mail.spam.example</domain>
<scope>helo</scope>
<result>none</result>
</spf>
</auth_results>
</record>
</feedback>`

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

const text = fc.string({ unit: 'binary', maxLength: 60 }).map((one) =>
  one
    .replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029\s\ufffe\uffff]+/g, ' ')
    .trim()
    .toWellFormed(),
)
const full = text.filter((one) => one !== '')
const domain = fc.domain().map((one) => one.toLowerCase())
const optional = <T>(key: string, value: fc.Arbitrary<T>) =>
  fc.option(value, { nil: undefined }).map((one) => (one === undefined ? {} : { [key]: one }))
const merged = <T extends object>(...parts: readonly fc.Arbitrary<object>[]) =>
  fc.tuple(...parts).map((all) => Object.assign({}, ...all) as T)
const row = merged<DmarcAggregateReport['records'][number]>(
  fc.record({
    sourceIp: fc.ipV4(),
    count: fc.integer({ min: 0, max: dmarcXmlLimits.countMax }),
    disposition: fc.constantFrom('none', 'pass', 'quarantine', 'reject'),
    dkimAligned: fc.constantFrom('pass', 'fail'),
    spfAligned: fc.constantFrom('pass', 'fail'),
    reasons: fc.array(
      merged(
        fc.record({ type: fc.constantFrom('local_policy', 'other', 'mailing_list', 'policy_test_mode') }),
        optional('comment', full),
      ),
      { maxLength: 2 },
    ),
    headerFrom: domain,
    dkim: fc.array(
      merged(
        fc.record({ domain, selector: text, result: fc.constantFrom('pass', 'fail', 'none', 'policy') }),
        optional('humanResult', full),
      ),
      { maxLength: 3 },
    ),
    spf: fc.array(
      merged(
        fc.record({ domain, result: fc.constantFrom('pass', 'softfail', 'temperror') }),
        optional('scope', fc.constantFrom('mfrom', 'helo')),
      ),
      { maxLength: 1 },
    ),
  }),
  optional('envelopeFrom', fc.oneof(fc.constant(''), domain)),
  optional('envelopeTo', domain),
)
const time = fc.integer({ min: 0, max: 4_000_000_000 }).map((one) => one * 1000)
const anyReport = fc
  .tuple(
    merged<DmarcAggregateReport>(
      fc.record({
        form: fc.constant('rfc9990'),
        organization: full,
        email: full,
        reportId: full,
        errors: fc.array(full, { maxLength: 1 }),
        records: fc.array(row, { minLength: 1, maxLength: 5 }),
        policy: merged(
          fc.record({ domain, p: fc.constantFrom('none', 'quarantine', 'reject') }),
          optional('sp', fc.constantFrom('none', 'reject')),
          optional('adkim', fc.constantFrom('r', 's')),
          optional('testing', fc.boolean()),
          optional('fo', fc.constantFrom('0', '1:d')),
          optional('discoveryMethod', fc.constantFrom('psl', 'treewalk')),
        ),
      }),
      optional('extraContact', full),
      optional('generator', full),
    ),
    time,
    time,
  )
  .map(([one, a, b]): DmarcAggregateReport => ({ ...one, startAt: Math.min(a, b), endAt: Math.max(a, b) }))

describe('properties', () => {
  it('what is written is read as it was, without a defect', () => {
    fc.assert(
      fc.property(anyReport, (one) => {
        const xml = formatDmarcReport(one)
        assert.deepEqual(read(xml), { ok: true, report: one, defects: [] })
        assert.equal(formatDmarcReport(report(xml)), xml)
      }),
      { numRuns: 200 },
    )
  })

  it('any octets, and any damage to a report, give an answer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        parseDmarcReport(bytes)
      }),
    )
    const whole = Buffer.from(google)
    fc.assert(
      fc.property(
        fc.nat(whole.length),
        fc.nat(200),
        fc.oneof(
          fc.uint8Array({ maxLength: 20 }),
          fc.string({ unit: fc.constantFrom(...'<>/&;!?[]-"= afeedback') }).map((one) => Buffer.from(one)),
        ),
        (at, length, middle) => {
          const got = parseDmarcReport(
            Buffer.concat([whole.subarray(0, at), middle, whole.subarray(at + length)]),
          )
          if (got.ok) formatDmarcReport(got.report)
        },
      ),
      { numRuns: 500 },
    )
  })
})

describe('the writer', () => {
  /** RFC 9990 appendix A: what is in what, in which order, and how often. `&`: in any order (xs:all). */
  const schema: Readonly<Record<string, string>> = {
    feedback: 'version? report_metadata policy_published extension? record+',
    report_metadata: '& org_name email extra_contact_info? report_id date_range error? generator?',
    date_range: '& begin end',
    policy_published: '& domain discovery_method? p sp? np? fo? adkim? aspf? testing?',
    record: 'row identifiers auth_results',
    row: 'source_ip count policy_evaluated',
    policy_evaluated: 'disposition dkim spf reason*',
    reason: '& type comment?',
    identifiers: '& header_from envelope_from? envelope_to?',
    auth_results: 'dkim* spf?',
    'auth_results/dkim': '& domain selector result human_result?',
    'auth_results/spf': '& domain scope? result human_result?',
  }

  function check(element: XmlElement, parent: string): void {
    const rule = schema[`${parent}/${element.name}`] ?? schema[element.name]
    if (rule === undefined) return void assert.deepEqual(element.children, [], element.name)
    const words = rule.replace(/^& /, '').split(' ')
    const given = element.children.map(({ name }) => name)
    if (rule.startsWith('&')) {
      const order = words.map((word) => word.replace(/[?*+]$/, ''))
      given.sort((a, b) => order.indexOf(a) - order.indexOf(b))
    }
    const shape = new RegExp(`^${words.map((word) => word.replace(/^(\w+)(.?)$/, '(?:$1 )$2')).join('')}$`)
    assert.match(given.map((name) => `${name} `).join(''), shape, element.name)
    for (const child of element.children) check(child, element.name)
  }

  it('gives what the schema of RFC 9990 has, in its order', () => {
    fc.assert(
      fc.property(anyReport, (one) => {
        const xml = formatDmarcReport(one)
        const root: XmlElement = { name: 'feedback', text: '', children: [] }
        const limits = { depthMax: 10, elementsMax: 1000, textMax: 1000, rootChildrenMax: 1000 }
        const steps = readXml(xml, limits, {
          root: (name) => name === 'feedback',
          child: (element) => void root.children.push(element),
          defect: (word) => assert.fail(word),
        })
        for (let step = steps.next(); ; step = steps.next()) {
          if (step.done !== true) continue
          assert.equal(step.value, 'urn:ietf:params:xml:ns:dmarc-2.0')
          break
        }
        check(root, '')
      }),
      { numRuns: 100 },
    )
  })
  it('no value can close its element or leave XML', () => {
    const xml = formatDmarcReport({
      ...report(rfc9990),
      organization: ']]></org_name><x a="1"/>\u0000\ud800\uffff\r\n&amp;',
    })
    assert.ok(
      xml.includes(
        '<org_name>]]&gt;&lt;/org_name&gt;&lt;x a=&quot;1&quot;/&gt;\ufffd\ufffd\ufffd&#13;&#10;&amp;amp;</org_name>',
      ),
    )
  })
})
