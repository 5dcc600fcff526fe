// Owns the laws of what writes bodies: whatever way the input is cut the octets are the same, lines are short, nothing that
// a transport changes is left, and decoding gives back what went in.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Base64Encoder, base64Size, encodeBase64 } from './base64-encoder.ts'
import { LineEndWriter } from './line-end-writer.ts'
import type { BodyEncoder } from './mime-writer.ts'
import { encodeQuotedPrintableBytes, QuotedPrintableEncoder } from './quoted-printable-encoder.ts'
import { RawMessageWriter } from './raw-message.ts'
import { formatFlowed } from './text-flowed.ts'

const run = (encoder: BodyEncoder, chunks: readonly Uint8Array[]): string =>
  Buffer.concat([...chunks.map((chunk) => Buffer.from(encoder.push(chunk))), encoder.end()]).toString(
    'latin1',
  )

/** Octets that matter to the encoders come often. */
const octets = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(13, 10, 32, 9, 61, 46) },
      { weight: 2, arbitrary: fc.integer({ min: 97, max: 122 }) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 255 }) },
    ),
    { maxLength: 300 },
  )
  .map((list) => Buffer.from(list))

const encoders: Readonly<Record<string, () => BodyEncoder>> = {
  base64: () => new Base64Encoder(),
  'quoted-printable text': () => new QuotedPrintableEncoder('text'),
  'quoted-printable binary': () => new QuotedPrintableEncoder('binary'),
  'line ends': () => new LineEndWriter(),
  'raw message': () => new RawMessageWriter(),
}

for (const [name, make] of Object.entries(encoders))
  test(`${name}: every cut gives the same octets`, () => {
    fc.assert(
      fc.property(octets, (bytes) => {
        const whole = run(make(), [bytes])
        assert.equal(
          run(
            make(),
            Array.from(bytes, (octet) => Buffer.from([octet])),
          ),
          whole,
        )
        for (let cut = 0; cut <= bytes.length; cut += 7)
          assert.equal(run(make(), [bytes.subarray(0, cut), bytes.subarray(cut)]), whole)
      }),
      { numRuns: 150 },
    )
  })

function decodeQp(text: string): Buffer {
  const soft = text.replace(/=\r\n/g, '')
  return Buffer.from(
    soft.replace(/=([0-9A-F]{2})/g, (_whole, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  )
}

function checkLines(text: string): void {
  for (const line of text.split('\r\n')) {
    assert.ok(line.length <= 76, `a line of ${line.length}`)
    assert.doesNotMatch(line, /[ \t]$/)
    assert.doesNotMatch(line, /^From |^\.|[^\t\x20-\x7e]/)
  }
}

test('quoted-printable binary gives back every octet, in lines that transports keep', () => {
  fc.assert(
    fc.property(octets, (bytes) => {
      const text = Buffer.from(encodeQuotedPrintableBytes(bytes, 'binary')).toString('latin1')
      checkLines(text)
      assert.deepEqual(decodeQp(text), bytes)
    }),
  )
})

test('quoted-printable text gives back the text with CRLF for every line end', () => {
  fc.assert(
    fc.property(octets, (bytes) => {
      const text = Buffer.from(encodeQuotedPrintableBytes(bytes, 'text')).toString('latin1')
      checkLines(text)
      assert.equal(decodeQp(text).toString('latin1'), bytes.toString('latin1').replace(/\r\n?|\n/g, '\r\n'))
    }),
  )
})

test('base64 gives back every octet in lines of 76, of the size that was foretold', () => {
  for (let length = 0; length < 400; length++) {
    const bytes = Buffer.from(Array.from({ length }, (_, i) => (i * 31) & 255))
    const encoded = encodeBase64(bytes)
    assert.equal(encoded.length, base64Size(length))
    assert.deepEqual(Buffer.from(encoded.toString(), 'base64'), bytes)
    const lines = encoded.toString().split('\r\n')
    assert.equal(lines.pop(), '')
    for (const line of lines.slice(0, -1)) assert.equal(line.length, 76)
    assert.ok((lines.at(-1) ?? '').length <= 76)
  }
})

test('line ends: right octets are passed on, not copied, and time is linear', () => {
  const right = Buffer.from('a\r\nb\r\n')
  assert.equal(new LineEndWriter().push(right), right)
  const many = Buffer.alloc(400_000, '\n')
  assert.equal(run(new LineEndWriter(), [many]).length, 800_000)
})

const rawCases: readonly (readonly [name: string, given: string, want: string])[] = [
  [
    'Bcc goes',
    'From: a\nBcc: x@y.test,\n z@y.test\nTo: b\n\nBcc: stays\n',
    'From: a\r\nTo: b\r\n\r\nBcc: stays\r\n',
  ],
  ['in any case', 'BCC : x\r\nA: b\r\n\r\n', 'A: b\r\n\r\n'],
  ['Resent-Bcc too', 'A: b\r\nResent-Bcc: x\r\n\r\nc', 'A: b\r\n\r\nc'],
  ['without a body', 'A: b\r\nBcc: x', 'A: b\r\n'],
  ['without a header', '\r\nBcc: x\r\n', '\r\nBcc: x\r\n'],
  ['bare CR', 'A: b\r\rc\rd', 'A: b\r\n\r\nc\r\nd'],
]
for (const [name, given, want] of rawCases)
  test(`raw message: ${name}`, () => assert.equal(run(new RawMessageWriter(), [Buffer.from(given)]), want))

const long = 'word '.repeat(30).trim()
const flowed: readonly (readonly [given: string, want: RegExp | string])[] = [
  ['short', 'short'],
  ['ends in blanks   ', 'ends in blanks'],
  ['-- ', '-- '],
  [' indented', '  indented'],
  ['From me', ' From me'],
  ['> quoted', '> quoted'],
  ['x'.repeat(200), 'x'.repeat(200)],
  [long, /^(?:word )+\r\n(?:word )+\r\n(?:word )*word$/],
]
for (const [given, want] of flowed)
  test(`flowed: ${JSON.stringify(given.slice(0, 20))}`, () => {
    const text = formatFlowed(given)
    if (typeof want === 'string') assert.equal(text, want)
    else assert.match(text, want)
  })

test('flowed: a reader who follows RFC 3676 section 4 gets the text back', () => {
  const word = fc.constantFrom('a', 'word', '>', 'From', '--', '', 'x'.repeat(40), 'ü')
  fc.assert(
    fc.property(fc.array(word, { maxLength: 60 }), (words) => {
      const given = words.join(' ')
      if (given.startsWith('>')) return
      const text = formatFlowed(given)
      const lines = text.split('\r\n').map((line) => (line.startsWith(' ') ? line.slice(1) : line))
      const read = given === '-- ' ? '-- ' : lines.join('')
      assert.equal(read, given === '-- ' ? given : given.replace(/ +$/, ''))
      for (const line of text.split('\r\n').slice(0, -1)) assert.match(line, / $/)
    }),
  )
})
