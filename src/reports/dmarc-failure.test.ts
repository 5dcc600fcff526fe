import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type DmarcFailureHead, dmarcFailureKind, readFailure } from './dmarc-failure.ts'
import { parseFeedbackReport } from './feedback-report.ts'
import type { ReportPart } from './report-kinds.ts'

/** The shape of RFC 9991 appendix A. */
const feedback = `Feedback-Type: auth-failure
Version: 1
User-Agent: DMARC-Filter/1.2.3
Auth-Failure: dmarc
Authentication-Results: gen.example;
  dmarc=fail header.from=consumer.example
Identity-Alignment: dkim, SPF (neither)
DKIM-Domain: consumer.example
DKIM-Identity: @consumer.example
DKIM-Selector: epsilon
Original-Envelope-Id: 65E1A3F0A0
Original-Mail-From: author=gen.example@forwarder.example
Arrival-Date: Tue, 19 Jul 2022 00:57:48 -0500
Source-IP: 192.0.2.2
Source-Port: 12345
Reported-Domain: consumer.example
Delivery-Result: reject
X-Own: kept
`
const original = `From: Redacted <Yy0xMjM@consumer.example>
Subject: =?utf-8?q?hello?=
 folded
Message-ID: <1@consumer.example>
Received: from x
\tby y

the text is nobody's business
`
const bytes = (text: string): Uint8Array => Buffer.from(text)
const part = (report: string, message: string | undefined, mediaType = 'message/rfc822'): ReportPart => ({
  mediaType: 'message/feedback-report',
  fileName: '',
  bytes: bytes(report),
  reportType: 'feedback-report',
  siblings:
    message === undefined
      ? []
      : [
          { mediaType: 'text/plain', fileName: '', bytes: bytes('words'), reportType: '' },
          { mediaType, fileName: '', bytes: bytes(message), reportType: '' },
        ],
})

describe('failure reports', () => {
  for (const [what, ends] of [
    ['LF', (text: string) => text],
    ['CRLF', (text: string) => text.replaceAll('\n', '\r\n')],
  ] as const)
    it(`the example of RFC 9991, with ${what}`, () => {
      const read = readFailure(part(ends(feedback), ends(original)))
      assert.ok(read.ok)
      const { report } = read
      assert.equal(report.organization, 'gen.example')
      assert.equal(report.startAt, Date.parse('2022-07-19T05:57:48Z'))
      assert.deepEqual(report.totals, [{ domain: 'consumer.example', successCount: 0, failureCount: 1 }])
      assert.deepEqual(report.defects, [])
      const head = report.head as DmarcFailureHead
      assert.equal(head.authFailure, 'dmarc')
      assert.deepEqual(head.identityAlignment, ['dkim', 'spf'])
      assert.deepEqual(head.dkim, {
        domain: 'consumer.example',
        identity: '@consumer.example',
        selector: 'epsilon',
      })
      assert.equal(head.sourceIp, '192.0.2.2')
      assert.equal(head.sourcePort, 12345)
      assert.equal(head.deliveryResult, 'reject')
      assert.deepEqual(head.authenticationResults, ['gen.example; dmarc=fail header.from=consumer.example'])
      assert.deepEqual(head.others, [{ name: 'x-own', value: 'kept' }])
      // As it is: encoded words and redacted parts are not undone.
      assert.equal(head.subject, '=?utf-8?q?hello?= folded')
      assert.equal(head.from, 'Redacted <Yy0xMjM@consumer.example>')
      assert.deepEqual(
        report.rows.map((row) => (row as { readonly name: string }).name),
        ['from', 'subject', 'message-id', 'received'],
      )
      assert.ok(!JSON.stringify(report).includes('business'))
    })

  it('the header alone (text/rfc822-headers), and nothing of the message', () => {
    const headers = readFailure(
      part(feedback, original.slice(0, original.indexOf('\n\n')), 'text/rfc822-headers'),
    )
    assert.ok(headers.ok && headers.report.rows.length === 4)
    const none = readFailure(part(feedback, undefined))
    assert.deepEqual(none.ok && none.report.defects, ['nothing of the message itself'])
  })

  it('the same report has the same id, another another', () => {
    const id = (report: string, message: string): string => {
      const read = readFailure(part(report, message))
      return read.ok ? read.report.id : ''
    }
    assert.match(id(feedback, original), /^[0-9a-f]{32}$/)
    assert.equal(id(feedback, original), id(feedback, original))
    assert.notEqual(id(feedback, original), id(feedback, `${original}x`))
    assert.notEqual(id(feedback, original), id(`${feedback}X: y\n`, original))
  })

  for (const [what, text, reason] of [
    [
      'a complaint',
      'Feedback-Type: abuse\nSource-IP: 192.0.2.1\n',
      'feedback about abuse, not about authentication',
    ],
    ['no report', 'Hello: you\n', 'no Feedback-Type'],
    ['nothing', '', 'no Feedback-Type'],
  ] as const)
    it(`${what} is refused`, () => {
      assert.deepEqual(readFailure(part(text, undefined)), { ok: false, defects: [reason] })
    })

  it('what is missing is named, and the rest is there', () => {
    const read = parseFeedbackReport(
      bytes('Feedback-Type: auth-failure\nSource-IP: nowhere\nIncidents: 17\nIdentity-Alignment: none\n'),
    )
    assert.ok(read.ok)
    assert.deepEqual(read.defects, [
      'no Source-IP that is an address',
      'no Reported-Domain',
      'no Auth-Failure',
      'no Arrival-Date',
    ])
    assert.equal(read.feedback.incidents, 17)
    assert.deepEqual(read.feedback.identityAlignment, [])
  })

  it('control characters and length are bounded, and the head fits into a document', () => {
    const long = Array.from(
      { length: 1000 },
      (_, i) => `Reported-URI: ${i}\u001b[31m${'x'.repeat(2000)}\nSPF-DNS: txt\nX-${i}: ${'ü'.repeat(900)}`,
    ).join('\n')
    const read = readFailure(part(`${feedback}${long}`, `${original.split('\n\n')[0]}\n${long}\n\n`))
    assert.ok(read.ok)
    const text = JSON.stringify(read.report)
    assert.ok(Buffer.byteLength(JSON.stringify(read.report.head)) < 16 * 1024)
    assert.ok(read.report.rows.length <= 200)
    assert.ok(!text.includes('\\u001b'))
  })

  it('any octets give an answer', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'Feedback-Type: auth\r\n \t():;,\u0000é') }),
        fc.uint8Array(),
        (text, octets) => {
          readFailure(part(`Feedback-Type: auth-failure\n${text}`, Buffer.from(octets).toString('latin1')))
          parseFeedbackReport(octets)
        },
      ),
    )
  })

  it('is only received', () => {
    assert.equal(dmarcFailureKind.sending, undefined)
    assert.ok(dmarcFailureKind.reading.takes(part(feedback, original)))
  })
})
