// Owns the proof of reply.ts: what a peer said is shown in one line, bounded and harmless.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeReply, formatReply, reply } from './reply.ts'

test('a reply in words: code, status, lines', () => {
  assert.equal(
    describeReply({ code: 550, status: '5.1.1', lines: ['no', 'such user'] }),
    '550 5.1.1 no / such user',
  )
  assert.equal(describeReply({ code: 220, lines: ['hello'] }), '220 hello')
})

test('words of a peer bring no control characters and no end', () => {
  const said = describeReply({ code: 550, lines: ['\x1b]0;owned\x07\u009b31m', 'x'.repeat(100_000)] })
  assert.ok(!/[\x00-\x1f\x7f-\x9f]/.test(said))
  assert.ok(said.length < 2100)
})

test('a reply of ours is one line for each line given, whatever is in it', () => {
  const text = formatReply(reply(550, '1.1', 'a\r\n250 ok\nb\0'))
  assert.equal(text, '550-5.1.1 a?\r\n550-5.1.1 250 ok\r\n550 5.1.1 b?\r\n')
})
