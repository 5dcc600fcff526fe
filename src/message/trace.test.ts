// Owns the proof of trace.ts, date.ts and summary.ts: exact lines, and that no value breaks out of its line.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatDate } from './date.ts'
import { decodeWords } from './encoded-words.ts'
import { summarize, summaryCharsMax } from './summary.ts'
import { formatDeliveredTo, formatReceived, formatReturnPath } from './trace.ts'

const at = Date.UTC(2026, 10, 21, 9, 5, 3)
const tls = { protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' }
const base = {
  from: 'client.example',
  remoteAddress: '192.0.2.1',
  by: 'mx.example.test',
  protocol: 'ESMTP' as const,
  smtputf8: false,
  authenticated: false,
  tls: undefined,
  id: 'abc',
  for: undefined,
  at,
}

test('a Received field of plain ESMTP', () => {
  assert.equal(
    formatReceived({ ...base, for: 'bob@example.test' }),
    'Received: from client.example ([192.0.2.1])\r\n\tby mx.example.test with ESMTP id abc\r\n\tfor <bob@example.test>;\r\n\tSat, 21 Nov 2026 09:05:03 +0000\r\n',
  )
})

test('TLS version and cipher stand in it, IPv6 as a literal', () => {
  const text = formatReceived({ ...base, remoteAddress: '2001:db8::1', tls })
  assert.match(text, /\(\[IPv6:2001:db8::1\]\)/)
  assert.match(text, /\r\n\t\(TLSv1\.3 TLS_AES_256_GCM_SHA384\);\r\n/)
})

// RFC 3848 section 3 and RFC 6531 section 4.3.
const protocols: readonly (readonly ['SMTP' | 'ESMTP' | 'LMTP', boolean, boolean, boolean, string])[] = [
  ['SMTP', false, false, false, 'SMTP'],
  ['ESMTP', false, false, false, 'ESMTP'],
  ['ESMTP', true, false, false, 'ESMTPS'],
  ['ESMTP', false, true, false, 'ESMTPA'],
  ['ESMTP', true, true, false, 'ESMTPSA'],
  ['ESMTP', true, true, true, 'UTF8SMTPSA'],
  ['ESMTP', false, false, true, 'UTF8SMTP'],
  ['LMTP', false, false, false, 'LMTP'],
  ['LMTP', true, true, false, 'LMTPSA'],
  ['LMTP', false, false, true, 'UTF8LMTP'],
]
for (const [protocol, secured, authenticated, smtputf8, want] of protocols) {
  test(`${protocol}${secured ? ' TLS' : ''}${authenticated ? ' AUTH' : ''}${smtputf8 ? ' UTF8' : ''} is "with ${want}"`, () => {
    const text = formatReceived({
      ...base,
      protocol,
      authenticated,
      smtputf8,
      tls: secured ? tls : undefined,
    })
    assert.match(text, new RegExp(`with ${want} id`))
  })
}

test('no value brings a line of its own', () => {
  const nasty = fc.string({
    unit: fc.constantFrom('a', '\r', '\n', '\0', ' ', '(', ')', '>', '\u00e9'),
    maxLength: 30,
  })
  fc.assert(
    fc.property(nasty, nasty, nasty, (from, id, recipient) => {
      const text = formatReceived({ ...base, from, id, for: recipient })
      assert.equal(text.replace(/\r\n\t/g, '').match(/[\r\n]/g)?.length, 2, text)
      assert.match(formatReturnPath(recipient), /^[^\r\n]*\r\n$/)
      assert.match(formatDeliveredTo(recipient), /^[^\r\n]*\r\n$/)
    }),
  )
})

test('what a peer says cannot add clauses, comments or 8-bit octets', () => {
  const text = formatReceived({ ...base, from: 'x; (evil) by ü', for: 'ü@example.test' })
  assert.match(text, /^Received: from x\?\?\?evil\?\?by\?\? \(/)
  assert.match(text, /^[\t\r\n -~]*$/)
  assert.match(formatReceived({ ...base, smtputf8: true, for: 'ü@example.test' }), /for <ü@example\.test>;/)
})

test('lines are at most 78 characters where the names allow it', () => {
  const text = formatReceived({
    ...base,
    smtputf8: true,
    authenticated: true,
    tls,
    id: 'a'.repeat(20),
    for: `${'r'.repeat(40)}@example.test`,
  })
  for (const line of text.split('\r\n')) assert.ok(line.length <= 78, line)
})

test('dates are RFC 5322 in UTC', () => {
  assert.equal(formatDate(0), 'Thu, 1 Jan 1970 00:00:00 +0000')
  assert.equal(formatDate(at + 999), 'Sat, 21 Nov 2026 09:05:03 +0000')
})

const words: readonly (readonly [string, string])[] = [
  ['plain', 'plain'],
  ['=?utf-8?B?R3LDvMOfZQ==?=', 'Grüße'],
  ['=?iso-8859-1?Q?Gr=FC=DFe_an?= dich', 'Grüße an dich'],
  ['=?utf-8?q?a?= =?utf-8?q?b?=', 'ab'],
  ['=?no-such-charset?q?x?=', '=?no-such-charset?q?x?='],
  ['=?utf-8?q?unfinished', '=?utf-8?q?unfinished'],
  // Cut within a character, as many senders do.
  ['=?UTF-8?B?R3LD?= =?utf-8?B?vMOfZQ==?= x', 'Grüße x'],
  ['=?utf-8?q?a?= b =?utf-8?q?c?=', 'a b c'],
  ['=?utf-8?q?a?= =?iso-8859-1?q?=FC?=', 'aü'],
  ['=?utf-8?q?with space?=', 'with space'],
]
for (const [given, want] of words)
  test(`encoded words: ${given}`, () => assert.equal(decodeWords(given), want))

test('a subject in raw Latin-1 or UTF-8 is read as such', () => {
  assert.equal(summarize(Buffer.from('Subject: Gr\xfc\xdfe\r\n an\r\n\r\n', 'latin1')).subject, 'Grüße an')
  assert.equal(summarize(Buffer.from('Subject: Grüße\r\n\r\n')).subject, 'Grüße')
})

test('a summary is bounded, without control characters, of the first fields', () => {
  const text = `Subject: ${'long '.repeat(200)}\r\nFrom: =?utf-8?B?w4k=?= <e@x.test>\r\nFrom: second@x.test\r\nTo: a\u202eb@x.test\r\n\r\nSubject: body`
  const summary = summarize(Buffer.from(text))
  assert.equal(summary.from, 'É <e@x.test>')
  assert.equal(summary.to, 'a b@x.test')
  assert.ok(summary.subject.length <= summaryCharsMax)
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void summarize(bytes)))
})
