// Owns the tests of words: what is folded, how scripts without blanks and addresses are found.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { addressPhrase, addressWords, fold, hasPhrase, indexText, phraseOf, wordsOf } from './search-words.ts'

const finds = (text: string, wanted: string, prefix = false): boolean =>
  hasPhrase(wordsOf(text), phraseOf(wanted, prefix))

const found: readonly (readonly [string, string])[] = [
  ['Ｃａｆé Zürich STRASSE Łódź', 'cafe zurich strasse lodz'],
  ['Straße', 'STRASSE'],
  ['İstanbul ışık', 'istanbul isik'],
  ['ΟΔΟΣ', 'οδος'],
  ['pass\u00adword', 'password'],
  ['会议在明天举行', '会议'],
  ['会议在明天举行', '明天举行'],
  ['会议在明天举行', '行'],
  ['会议在明天举行', '在'],
  ['请看report附件', 'report附件'],
  ['请看report附件', '看report'],
  ['ﾊﾛｰﾜｰﾙﾄﾞ', 'ハローワールド'],
  ['東京タワーへ行く', 'タワー'],
  ['회의실에서 만나요', '회의'],
  ['ยินดีต้อนรับ', 'ต้อนรับ'],
  ['party 🎉 today', '🎉'],
  ["don't stop", 'don t stop'],
  ['order_number #12-34', 'order number 12 34'],
]
for (const [text, wanted] of found)
  test(`${wanted} is found in ${text}`, () => assert.ok(finds(text, wanted)))

const missed: readonly (readonly [string, string])[] = [
  ['hello world', 'hell'],
  ['hello world', 'world hello'],
  ['会议在明天举行', '明日'],
  ['会议在明天举行', '会在'],
  ['会议 明天', '会议明天'],
]
for (const [text, wanted] of missed)
  test(`${wanted} is not found in ${text}`, () => assert.ok(!finds(text, wanted)))

test('a word that may go on', () => {
  assert.ok(finds('hello world', 'hell', true))
  assert.ok(finds('hello world', 'hello wor', true))
  assert.ok(!finds('hello world', 'ello', true))
})

test('folding what is folded changes nothing, and every text finds itself and any piece of unspaced text in it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => assert.equal(fold(fold(text)), fold(text))),
  )
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => assert.ok(finds(text, text))))
  const han = fc.array(fc.constantFrom(...'会议在明天举行𠮷'), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(han, fc.nat(11), fc.nat(11), (characters, from, length) => {
      const piece = characters.slice(from, from + length + 1).join('')
      assert.ok(finds(`x ${characters.join('')}y`, piece))
    }),
  )
})

test('the words of a long text are those of a search for it', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 20 }),
    fc.constantFrom(
      '“don’t”',
      '…',
      '‼',
      '_',
      'a'.repeat(64),
      'b'.repeat(65),
      `_${'c'.repeat(200)}_`,
      '会议',
      'é',
      '\r\n',
    ),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = `${pieces.join('')} z`
      const words = phraseOf(text, false).words
      assert.equal(wordsOf(text), ` ${words.join(' ')} `)
      // As FTS5's tokenizer 'ascii' does it.
      assert.deepEqual(
        indexText(text)
          .toLowerCase()
          .match(/[a-z0-9\u0080-\uffff]+/g),
        words,
      )
    }),
  )
  for (const nothing of ['', ' ', '…', '--\n'])
    assert.equal(wordsOf(nothing) + indexText(nothing).replace(/[^a-z0-9\u0080-\uffff]+/g, ''), '')
})

const addresses: readonly (readonly [string, boolean])[] = [
  ['ann', true],
  ['an', true],
  ['nn', false],
  ['Ann Lee', true],
  ['ann+x', true],
  ['ann+x@example.test', true],
  ['<ANN+X@Example.Test>', true],
  ['ann@example.test', false],
  ['x@example.test', false],
  ['@example.test', true],
  ['@example', true],
  ['@exam', true],
  ['@example.te', false],
  ['@ample.test', false],
  ['ann+x@ex', true],
  ['example.test', true],
  ['test', true],
]
for (const [wanted, expected] of addresses)
  test(`${wanted} ${expected ? 'finds' : 'does not find'} Ann Lee <ann+x@example.test>`, () => {
    const words = addressWords('Ann Lee', 'ann+x@example.test')
    assert.equal(hasPhrase(words, addressPhrase(wanted)), expected)
  })

test('a domain is found by both of its spellings', () => {
  for (const stored of ['a@bücher.example', 'a@xn--bcher-kva.example'])
    for (const wanted of ['@bücher.example', '@xn--bcher-kva.example', 'a@BÜCHER.example'])
      assert.ok(hasPhrase(addressWords('', stored), addressPhrase(wanted)), `${wanted} in ${stored}`)
})
