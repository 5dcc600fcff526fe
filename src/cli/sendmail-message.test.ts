// Owns the proof of how piped messages are read: ends, headers and what is none, by table and at every cut.

import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'

import { headerRecipients, readPipedMessage, splitPiped, withoutFinalDot } from './sendmail-message.ts'

const read = async (chunks: readonly string[], dotEnds: boolean): Promise<string> => {
  const bytes = await readPipedMessage(Readable.from(chunks.map((one) => Buffer.from(one))), dotEnds)
  return (dotEnds ? withoutFinalDot(bytes) : bytes).toString()
}

const dots: readonly (readonly [input: string, message: string])[] = [
  ['a\n.\nb\n', 'a\n'],
  ['a\r\n.\r\nb\r\n', 'a\r\n'],
  ['.\nb\n', ''],
  ['a\n..\nb\n', 'a\n..\nb\n'],
  ['a\n.b\n', 'a\n.b\n'],
  ['a\nb.\n', 'a\nb.\n'],
  ['a\n.', 'a\n'],
  ['.', ''],
  ['', ''],
  ['a', 'a'],
]

test('piped message: a lone dot ends it, wherever the pipe is cut; with -i nothing does', async () => {
  for (const [input, message] of dots) {
    for (let cut = 0; cut <= input.length; cut++)
      assert.equal(
        await read([input.slice(0, cut), input.slice(cut)], true),
        message,
        JSON.stringify([input, cut]),
      )
    assert.equal(await read([...input], true), message, `${JSON.stringify(input)} octet by octet`)
    assert.equal(await read([input], false), input)
  }
})

const messages: readonly (readonly [input: string, header: string, body: string])[] = [
  ['Subject: a\n\nbody\n', 'Subject: a\n\n', 'body\n'],
  ['Subject: a\r\n\r\nbody\r\n', 'Subject: a\r\n\r\n', 'body\r\n'],
  ['Subject: a\n folded\nTo: b\n\n\nbody', 'Subject: a\n folded\nTo: b\n\n', '\nbody'],
  ['just text\nmore\n', '\n', 'just text\nmore\n'],
  ['Subject: a\nno field\n', 'Subject: a\n\n', 'no field\n'],
  ['From me@a.test Sat Nov 21 2026\nSubject: a\n\nb', 'Subject: a\n\n', 'b'],
  ['>From me@a.test\nSubject: a\n\nb', 'Subject: a\n\n', 'b'],
  ['From: me@a.test\n\nb', 'From: me@a.test\n\n', 'b'],
  [' begins with a blank\n', '\n', ' begins with a blank\n'],
  ['Subject: a', 'Subject: a\n\n', ''],
  ['Subject: a\n', 'Subject: a\n\n', ''],
  ['\nbody', '\n', 'body'],
  ['', '\n', ''],
  ['http://x.test/ is no field\n', 'http://x.test/ is no field\n\n', ''],
]

test('piped message: header, empty line, body', () => {
  for (const [input, header, body] of messages) {
    const split = splitPiped(Buffer.from(input))
    assert.deepEqual([split.header.toString(), split.body.toString()], [header, body], JSON.stringify(input))
  }
})

test('piped message: recipients of the header, user names as they are', () => {
  const of = (header: string): readonly string[] => headerRecipients(Buffer.from(header))
  assert.deepEqual(of('To: root, a@b.test\nCc: C\n <c@b.test>\nBcc: d@b.test\n\n'), [
    'root',
    'a@b.test',
    'c@b.test',
    'd@b.test',
  ])
  assert.deepEqual(of('To: a@b.test\r\nResent-To: r@b.test\r\n\r\n'), ['r@b.test'])
  assert.deepEqual(of('Subject: To: a@b.test\n\n'), [])
})

test('piped message: input that fails is an error of input', async () => {
  async function* broken(): AsyncIterable<Buffer> {
    yield Buffer.from('Subject')
    throw new Error('gone')
  }
  await assert.rejects(readPipedMessage(broken(), false), { exitCode: 74 })
})
