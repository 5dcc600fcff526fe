// Owns the proof of local-addresses.ts by table: what is completed, what is left alone, who is addressed.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'

import { envelopeOfHeader, qualifyAddress, qualifyHeader, qualifyList } from './local-addresses.ts'

const lists: readonly (readonly [value: string, qualified: string])[] = [
  ['root', 'root@d.test'],
  [' root\r\n', ' root@d.test\r\n'],
  ['root (Cron Daemon)', 'root@d.test (Cron Daemon)'],
  ['(Cron Daemon) root', '(Cron Daemon) root@d.test'],
  ['"(Cron Daemon)" <root>', '"(Cron Daemon)" <root@d.test>'],
  ['Anna <anna>, bob', 'Anna <anna@d.test>, bob@d.test'],
  ['a@b.test, root, "X, Y" <c>', 'a@b.test, root@d.test, "X, Y" <c@d.test>'],
  ['Team: anna, b@c.test;', 'Team: anna@d.test, b@c.test;'],
  ['www-data', 'www-data@d.test'],
  ['a@b.test', 'a@b.test'],
  ['Anna Example <a@b.test>', 'Anna Example <a@b.test>'],
  ['Anna Example', 'Anna Example'],
  ['"root"', '"root"'],
  ['<>', '<>'],
  ['', ''],
  ['undisclosed-recipients:;', 'undisclosed-recipients:;'],
  ['=?utf-8?q?a,_b?= <a@b.test>', '=?utf-8?q?a,_b?= <a@b.test>'],
  ['<@x.test:root>', '<@x.test:root>'],
  ['root <', 'root <'],
  ['(unclosed root', '(unclosed root'],
]

test('local addresses: a user name alone is completed, everything else stays octet for octet', () => {
  for (const [value, qualified] of lists) assert.equal(qualifyList(value, 'd.test'), qualified, value)
  assert.equal(qualifyAddress('root', 'd.test'), 'root@d.test')
  for (const text of ['a@b.test', '', 'a b', '-f', '.x']) assert.equal(qualifyAddress(text, 'd.test'), text)
})

test('local addresses: a list that is qualified once stays as it is, and nothing throws', () => {
  const piece = fc.constantFrom(
    'root',
    '@',
    'a.test',
    ' ',
    ',',
    ';',
    ':',
    '<',
    '>',
    '(',
    ')',
    '"',
    '\\',
    '=?',
    '\r\n ',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      const once = qualifyList(pieces.join(''), 'd.test')
      assert.equal(qualifyList(once, 'd.test'), once)
      assert.equal(once.replaceAll('@d.test', ''), pieces.join(''))
    }),
  )
})

test('local addresses: only address fields of the header are touched', () => {
  const header = 'From: root (Cron)\r\nTo: a@b.test,\r\n\tbob\r\nSubject: root\r\nX-To: root\r\n\r\n'
  assert.equal(
    qualifyHeader(Buffer.from(header), 'd.test').toString(),
    'From: root@d.test (Cron)\r\nTo: a@b.test,\r\n\tbob@d.test\r\nSubject: root\r\nX-To: root\r\n\r\n',
  )
  const complete = Buffer.from('From: a@b.test\r\nTo: c@d.test\r\n\r\n')
  assert.equal(qualifyHeader(complete, 'd.test'), complete)
})

const envelopes: readonly (readonly [header: string, from: string | undefined, to: readonly string[]])[] = [
  [
    'To: a@b.test\r\nCc: C <c@b.test>\r\nBcc: d@b.test, a@b.test\r\nFrom: f@b.test\r\n\r\n',
    'f@b.test',
    ['a@b.test', 'c@b.test', 'd@b.test'],
  ],
  ['From: f@b.test, g@b.test\r\nSender: s@b.test\r\nTo: bob\r\n\r\n', 's@b.test', ['bob@d.test']],
  [
    'From: f@b.test\r\nTo: a@b.test\r\nResent-From: r@b.test\r\nResent-Bcc: x@b.test\r\n\r\n',
    'r@b.test',
    ['x@b.test'],
  ],
  ['Subject: nobody\r\n\r\n', undefined, []],
]

test('local addresses: the envelope of a header; Resent- fields stand for all others', () => {
  for (const [header, from, to] of envelopes)
    assert.deepEqual(envelopeOfHeader(Buffer.from(header), 'd.test'), { from, to }, header)
  assert.deepEqual(envelopeOfHeader(Buffer.from('To: bob\r\n\r\n')).to, [])
})
