// Owns the proof of reading format=flowed: the rules of RFC 3676 one by one, and that what our composer wraps is read back.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ParsedMessage, parseMessage } from './parse-message.ts'
import { formatFlowed } from './text-flowed.ts'
import { unwrapFlowed } from './text-flowed-reader.ts'

const cases: readonly (readonly [name: string, given: string, want: string, isDelSp?: boolean])[] = [
  ['lines that end in a blank go on', 'one \ntwo \nthree\nfour', 'one two three\nfour'],
  ['DelSp: the blank is none of the text', '日本 \n語', '日本語', true],
  ['DelSp: two blanks are one', 'one  \ntwo', 'one two', true],
  ['a stuffed line loses its blank', ' From me\n  indented', 'From me\n indented'],
  ['stuffing within a paragraph', 'one \n >two', 'one >two'],
  ['equally deep quotations are joined', '> one \n> two\n> three', '> one two\n> three'],
  ['another depth ends a paragraph', '> one \n>> two \nthree', '> one \n>> two \nthree'],
  ['quotations deep and without a blank', '>>>one \n>>>two', '>>>one two'],
  ['the signature stands alone', 'text \n-- \nAnn \nB.', 'text \n-- \nAnn B.'],
  ['the signature in a quotation', '> text \n> -- \n> Ann', '> text \n> -- \n> Ann'],
  ['an empty line is fixed', 'one \n\ntwo', 'one \ntwo'],
  ['the last line may be flowed', 'one ', 'one '],
  ['nothing', '', ''],
]
for (const [name, given, want, isDelSp = false] of cases)
  test(`flowed: ${name}`, () => assert.equal(unwrapFlowed(given, isDelSp), want))

test('a message in format=flowed: the text unwrapped, and as it was sent', () => {
  const message = (parameters: string): ParsedMessage =>
    parseMessage(Buffer.from(`Content-Type: text/plain${parameters}\r\n\r\none \r\ntwo\r\n`))
  assert.equal(message('; format=Flowed').text, 'one two\n')
  assert.equal(message('; format=flowed; DelSp=Yes').text, 'onetwo\n')
  assert.equal(message('; format=flowed').textAsSent, 'one \ntwo\n')
  assert.equal(message('').text, 'one \ntwo\n')
})

test('law: what the composer wraps is read back, but for blanks at line ends', () => {
  const word = fc.constantFrom('a', 'word', '>', 'From', '--', '', 'x'.repeat(40), 'ü', '\n', '-- \n')
  fc.assert(
    fc.property(fc.array(word, { maxLength: 80 }), (words) => {
      const given = words.join(' ')
      const read = unwrapFlowed(formatFlowed(given.replaceAll('\n', '\r\n')).replaceAll('\r\n', '\n'), false)
      const want = given
        .split('\n')
        .map((line) => (line === '-- ' ? line : line.replace(/ +$/, '')))
        .join('\n')
      assert.equal(read, want)
    }),
    { numRuns: 2000 },
  )
})
