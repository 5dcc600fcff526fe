import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Reply } from './reply.ts'
import { MalformedReply, ReplyParser } from './reply-parser.ts'

function parse(chunks: readonly Buffer[]): { replies: Reply[]; error: string | undefined } {
  const parser = new ReplyParser({ lineBytesMax: 600, linesMax: 20, replyBytesMax: 2000 })
  const replies: Reply[] = []
  try {
    for (const chunk of chunks) {
      parser.push(chunk)
      for (let one = parser.next(); one !== undefined; one = parser.next()) replies.push(one)
    }
  } catch (error) {
    assert.ok(error instanceof MalformedReply)
    return { replies, error: error.message }
  }
  return { replies, error: undefined }
}
const whole = (text: string) => parse([Buffer.from(text)])

describe('replies of any shape', () => {
  const table: readonly [string, readonly Reply[]][] = [
    ['250 ok\r\n', [{ code: 250, lines: ['ok'] }]],
    ['250\r\n', [{ code: 250, lines: [''] }]],
    ['250 \r\n', [{ code: 250, lines: [''] }]],
    ['250 2.1.0 ok\r\n', [{ code: 250, status: '2.1.0', lines: ['ok'] }]],
    ['550 5.1.1\r\n', [{ code: 550, status: '5.1.1', lines: [''] }]],
    ['550-5.1.1 no\r\n550 5.1.1 user\r\n', [{ code: 550, status: '5.1.1', lines: ['no', 'user'] }]],
    ['550-5.1.1 no\r\n550-\r\n550 user\r\n', [{ code: 550, status: '5.1.1', lines: ['no', '', 'user'] }]],
    ['250-a\r\n250-b\r\n250\r\n', [{ code: 250, lines: ['a', 'b', ''] }]],
    ['354 2.0.0 go\r\n', [{ code: 354, lines: ['2.0.0 go'] }]],
    [
      '250 ok\n250-a\n250 b\n',
      [
        { code: 250, lines: ['ok'] },
        { code: 250, lines: ['a', 'b'] },
      ],
    ],
    ['550 grüß\r\n', [{ code: 550, lines: ['grüß'] }]],
    [
      '220 a\r\n250 b\r\n',
      [
        { code: 220, lines: ['a'] },
        { code: 250, lines: ['b'] },
      ],
    ],
    ['259 odd\r\n', [{ code: 259, lines: ['odd'] }]],
  ]
  for (const [text, replies] of table)
    it(JSON.stringify(text), () => assert.deepEqual(whole(text), { replies, error: undefined }))
})

describe('what is no reply is named', () => {
  const table: readonly [string, RegExp][] = [
    ['\r\n', /not a reply: ""/],
    ['hello\r\n', /not a reply: "hello"/],
    ['25 ok\r\n', /not a reply: "25 ok"/],
    ['2500 ok\r\n', /not a reply: "2500 ok"/],
    ['250_ok\r\n', /not a reply: "250_ok"/],
    ['150 ok\r\n', /not a reply/],
    ['650 ok\r\n', /not a reply/],
    ['HTTP/1.1 400 Bad Request\r\n', /HTTP\/1\.1 400/],
    ['250-a\r\n550 b\r\n', /changes its code from 250: "550 b"/],
    [`250 ${'x'.repeat(700)}\r\n`, /line too long/],
    ['x'.repeat(700), /line too long/],
    ['250-a\r\n'.repeat(30), /reply too long/],
    [`250-${'y'.repeat(500)}\r\n`.repeat(5), /reply too long/],
    ['\x00\x01\x02\r\n', /not a reply: "\?\?\?"/],
  ]
  for (const [text, error] of table)
    it(JSON.stringify(text.slice(0, 40)), () => assert.match(whole(text).error ?? 'no error', error))
})

it('law of splits: any cut gives the same replies and the same error', () => {
  const line = fc.oneof(
    fc.constantFrom(
      '250 ok\r\n',
      '250-a\r\n250 b\r\n',
      '550 5.1.1 grüß\r\n',
      '354 go\n',
      '250\r\n',
      '421 4.3.2 bye\r\n',
    ),
    fc.constantFrom('250-x\r\n', '25', 'junk\r\n', '\r', '\n', '250-x\r\n251 y\r\n'),
  )
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), fc.array(fc.nat(80), { maxLength: 8 }), (lines, cuts) => {
      const bytes = Buffer.from(lines.join(''))
      const at = [...new Set(cuts.filter((cut) => cut < bytes.length))].sort((a, b) => a - b)
      const chunks = [0, ...at].map((start, i) => bytes.subarray(start, at[i] ?? bytes.length))
      assert.deepEqual(parse(chunks), parse([bytes]))
      assert.deepEqual(parse([...bytes].map((byte) => Buffer.from([byte]))), parse([bytes]))
    }),
    { numRuns: 300 },
  )
})

it('any bytes at all: replies or MalformedReply', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void parse([Buffer.from(bytes)])))
})

it('tells whether something is left over', () => {
  const parser = new ReplyParser()
  assert.ok(parser.empty)
  parser.push(Buffer.from('250-a\r\n'))
  assert.equal(parser.next(), undefined)
  assert.ok(!parser.empty)
  parser.push(Buffer.from('250 b\r\n2'))
  assert.equal(parser.next()?.code, 250)
  assert.ok(!parser.empty)
  assert.equal(parser.rest, '2')
})

describe('replies that were read before', () => {
  it('are the same by code and words, however many others came between', () => {
    const parser = new ReplyParser()
    const read = (text: string): Reply | undefined => {
      parser.push(Buffer.from(text))
      return parser.next()
    }
    const first = read('250 2.1.0 ok\r\n')
    for (let i = 0; i < 40; i++)
      assert.deepEqual(read(`250 2.0.0 queued as ${i}\r\n`), {
        code: 250,
        status: '2.0.0',
        lines: [`queued as ${i}`],
      })
    assert.equal(read('250 2.1.0 ok\r\n'), first)
    assert.deepEqual(read('251 2.1.0 ok\r\n'), { code: 251, status: '2.1.0', lines: ['ok'] })
    assert.deepEqual(read('550 2.1.0 ok\r\n'), whole('550 2.1.0 ok\r\n').replies[0])
    assert.deepEqual(read('250 2.1.0 ok\r\n'), first)
  })
})
