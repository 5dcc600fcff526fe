// Owns the proof of header.ts: fields by table, no throw and linear time by property.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fieldsMax, fieldsNamed, fieldText, fieldValue, findHeaderEnd, headerFields } from './header.ts'

const fieldsOf = (text: string) => {
  const bytes = Buffer.from(text)
  return [...headerFields(bytes)].map((field) => [field.name, fieldValue(bytes, field)])
}

test('fields are named in lower case, unfolded, in order', () => {
  const text = 'From: a@x.test\r\nSubject: one\r\n two\r\n\tthree\r\nX-Empty:\r\n\r\nBody: no\r\n'
  assert.deepEqual(fieldsOf(text), [
    ['from', 'a@x.test'],
    ['subject', 'one two three'],
    ['x-empty', ''],
  ])
})

const oddLines: readonly (readonly [string, readonly (readonly string[])[]])[] = [
  ['', []],
  ['no colon here\r\nA: 1\r\n', [['a', '1']]],
  [': no name\r\nA: 1\r\n', [['a', '1']]],
  ['Subject : spaced\r\n', [['subject', 'spaced']]],
  ['Ünicode: 1\r\nA: 1\r\n', [['a', '1']]],
  [' starts folded\r\nA: 1', [['a', '1']]],
  ['A: ends without line end', [['a', 'ends without line end']]],
  ['A B: two words\r\n', []],
]
for (const [text, want] of oddLines)
  test(`odd header ${JSON.stringify(text)}`, () => assert.deepEqual(fieldsOf(text), want))

test('the end of the header section is the first empty line', () => {
  assert.equal(findHeaderEnd(Buffer.from('A: 1\r\n\r\nb')), 8)
  assert.equal(findHeaderEnd(Buffer.from('\r\nb')), 2)
  assert.equal(findHeaderEnd(Buffer.from('A: 1\r\n')), -1)
})

test('any bytes: no throw, spans in order and within bounds', () => {
  const piece = fc.constantFrom(
    'A',
    'Subject',
    'Received',
    'RECEIVED: x',
    ':',
    ' ',
    '\t',
    '\r\n',
    '\r',
    '\n',
    '\u00e9',
    '\0',
    'x'.repeat(80),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      const bytes = Buffer.from(pieces.join(''))
      let last = 0
      for (const field of headerFields(bytes)) {
        assert.ok(
          field.start >= last &&
            field.valueStart > field.start &&
            field.end >= field.valueStart &&
            field.end <= bytes.length,
        )
        assert.doesNotMatch(fieldValue(bytes, field), /\n/)
        fieldText(bytes, field)
        last = field.end
      }
      for (const name of ['received', 'a', 'subject'])
        assert.deepEqual(
          fieldsNamed(bytes, name),
          [...headerFields(bytes)].filter((field) => field.name === name),
        )
    }),
    { numRuns: 500 },
  )
})

test('a header of a hundred thousand fields is cut off, not worked through', () => {
  assert.equal([...headerFields(Buffer.from('A: 1\r\n'.repeat(100_000)))].length, fieldsMax)
})
