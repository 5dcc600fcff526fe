// Owns the proof of submission.ts and loops.ts: what is added, removed and refused.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMailbox } from '../base/address.ts'
import { checkLoop } from './loops.ts'
import { fixSubmission, senderBelongs } from './submission.ts'

const options = { now: Date.UTC(2026, 10, 21), messageIdDomain: 'mx.test', id: 'id1' }
const fix = (header: string) => {
  const fixed = fixSubmission(Buffer.from(header), options)
  return fixed.kind === 'refuse'
    ? `${fixed.reply.code} ${fixed.reply.status}`
    : Buffer.concat(fixed.parts).toString()
}
const date = 'Date: Sat, 21 Nov 2026 00:00:00 +0000\r\n'
const messageId = 'Message-ID: <id1@mx.test>\r\n'

const cases: readonly (readonly [string, string, string])[] = [
  [
    'a whole message is left alone',
    `From: a@x.test\r\nDate: x\r\nMessage-ID: <y>\r\n\r\n`,
    `From: a@x.test\r\nDate: x\r\nMessage-ID: <y>\r\n\r\n`,
  ],
  ['Date and Message-ID are added', 'From: a@x.test\r\n\r\n', `${date}${messageId}From: a@x.test\r\n\r\n`],
  [
    'Bcc goes, folded or not',
    `Bcc: s@x.test,\r\n t@x.test\r\n${date}From: a@x.test\r\nBCC: u@x.test\r\n${messageId}\r\n`,
    `${date}From: a@x.test\r\n${messageId}\r\n`,
  ],
  [
    'Return-Path goes',
    `Return-Path: <a@x.test>\r\nFrom: a@x.test\r\n${date}${messageId}\r\n`,
    `From: a@x.test\r\n${date}${messageId}\r\n`,
  ],
  ['without From it is refused', 'Subject: x\r\n\r\n', '550 5.6.0'],
  ['with an empty From it is refused', 'From: \r\n\r\n', '550 5.6.0'],
  ['with two From fields it is refused', 'From: a@x.test\r\nfrom: b@x.test\r\n\r\n', '550 5.6.0'],
  [
    'Bcc goes even behind more fields than anybody reads',
    `${date}From: a@x.test\r\n${'X: y\r\n'.repeat(3000)}${messageId}Resent-Bcc: a@x.test\r\nBcc : s@x.test\r\n\r\n`,
    `${date}From: a@x.test\r\n${'X: y\r\n'.repeat(3000)}${messageId}\r\n`,
  ],
  ['an empty header is refused', '\r\n', '550 5.6.0'],
]
for (const [name, given, want] of cases)
  test(`submission fix-ups: ${name}`, () => assert.equal(fix(given), want))

test('the sender must belong to the account', () => {
  const owns = (identity: string, sender: { text: string }) => sender.text === identity
  assert.equal(senderBelongs('a@x.test', parseMailbox('a@x.test'), owns).kind, 'accept')
  assert.equal(senderBelongs(undefined, parseMailbox('b@x.test'), owns).kind, 'accept')
  const verdict = senderBelongs('a@x.test', parseMailbox('b@x.test'), owns)
  assert.equal(verdict.kind === 'refuse' && verdict.reply.code, 553)
})

test('mail loops: by Received count and by Delivered-To', () => {
  const received = (count: number) => Buffer.from(`${'Received: by x;\r\n'.repeat(count)}\r\n`)
  const loop = (header: Buffer, recipients: string[] = []) =>
    checkLoop(header, { hopsMax: 100, recipients }).kind
  assert.equal(loop(received(100)), 'accept')
  assert.equal(loop(received(101)), 'refuse')
  assert.equal(loop(Buffer.from('Delivered-To: Bob@x.test\r\n\r\n'), ['bob@x.test']), 'refuse')
  assert.equal(loop(Buffer.from(`Subject: x\r\n\r\n${'Received: in the body\r\n'.repeat(200)}`)), 'accept')
  assert.equal(loop(Buffer.from('Delivered-To: bob@y.test\r\n\r\n'), ['bob@x.test']), 'accept')
})

test('forty thousand Bcc fields are removed, and one note says so', () => {
  const fixed = fixSubmission(Buffer.from(`From: a@x.test\r\n${'Bcc:\r\n'.repeat(40_000)}\r\n`), options)
  assert.ok(fixed.kind === 'write')
  assert.ok(!Buffer.concat(fixed.parts).includes('Bcc'))
  assert.deepEqual(fixed.notes, ['bcc removed', 'date added', 'message-id added'])
})
