// Tag lists and base64 as RFC 6376 writes them.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeBase64, parseTagList } from './tag-list.ts'

const read = (text: string): Record<string, string> | string => {
  const list = parseTagList(text)
  return list.ok ? Object.fromEntries([...list.tags].map(([name, tag]) => [name, tag.value])) : list.reason
}

test('tag list: what is one', () => {
  assert.deepEqual(read('a=b'), { a: 'b' })
  assert.deepEqual(read(' a = b ; c=d e\r\n\tf ; '), { a: 'b', c: 'd e\r\n\tf' })
  assert.deepEqual(read('a=;b='), { a: '', b: '' })
  assert.deepEqual(read('a=b=c;A=1;a_1=x'), { a: 'b=c', A: '1', a_1: 'x' })
  assert.deepEqual(read('n=\xc3\xa4'), { n: '\xc3\xa4' })
})

test('tag list: what is none', () => {
  const table: readonly (readonly [text: string, reason: RegExp])[] = [
    ['', /no tags/],
    [' ', /no tags/],
    ['a', /no tags/],
    [';', /without/],
    ['a=b;;c=d', /without/],
    ['a=b;c', /without/],
    ['a=b; c ;d=e', /without/],
    ['a=1;a=2', /a= comes twice/],
    ['1a=b', /tag name/],
    ['a b=c', /tag name/],
    ['=b', /tag name/],
    ['a=b\0', /octet/],
    ['a=\x7f', /octet/],
    [Array.from({ length: 65 }, (_, i) => `t${i}=1`).join(';'), /too many/],
  ]
  for (const [text, reason] of table) {
    const got = read(text)
    assert.equal(typeof got, 'string', JSON.stringify(text))
    assert.match(String(got), reason)
  }
})

test('tag list: the place of a value is where it was written', () => {
  const text = 'v=1; b = ab\r\n cd ;x=y'
  const list = parseTagList(text)
  assert.ok(list.ok)
  const b = list.tags.get('b')
  assert.equal(text.slice(b?.start, b?.end), ' ab\r\n cd ')
  assert.equal(b?.value, 'ab\r\n cd')
})

test('tag list: any text is read without a throw, and what is read is in it', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', '=', ';', ' ', '\t', '\0', 'é', 'B') }), (text) => {
      const list = parseTagList(text)
      if (list.ok)
        for (const tag of list.tags.values()) assert.ok(text.slice(tag.start, tag.end).includes(tag.value))
    }),
  )
})

test('base64: strict, with folds and with or without padding', () => {
  assert.deepEqual(decodeBase64('Zm9v\r\n YmE='), Buffer.from('fooba'))
  assert.deepEqual(decodeBase64('Zm9vYg'), Buffer.from('foob'))
  assert.deepEqual(decodeBase64('Zm9vYg=='), Buffer.from('foob'))
  for (const text of ['', '=', 'Z', 'Zm9vY', 'Zm9v=', 'Zm9vYg=', 'Zm9v===', 'Zm9v-_', 'Zm=9', 'Zm9v\xa0'])
    assert.equal(decodeBase64(text), undefined, text)
})
