import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { google, rfc9990 } from '../testing/dmarc-samples.ts'
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
