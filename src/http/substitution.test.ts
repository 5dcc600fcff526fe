// Owns placeholders of a batch: what is replaced, what is escaped, and that what is put in is not looked at again.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { MissingValue, substitute } from './substitution.ts'

test('substitution: names are replaced, in HTML escaped but for three braces', () => {
  const values = { name: '<Ann & "Bob">', count: 3, yes: true }
  assert.equal(substitute('Hi {{name}}, {{ count }} {{yes}}', values, 'text'), 'Hi <Ann & "Bob">, 3 true')
  assert.equal(
    substitute('{{name}}|{{{name}}}', values, 'html'),
    '&#60;Ann &#38; &#34;Bob&#34;&#62;|<Ann & "Bob">',
  )
})

test('substitution: what is put in is text, and what is no placeholder stays', () => {
  assert.equal(substitute('{{a}}', { a: '{{b}}', b: 'x' }, 'text'), '{{b}}')
  assert.equal(substitute("{{a}} $& $1 $'", { a: "$& $1 $'" }, 'text'), "$& $1 $' $& $1 $'")
  for (const text of ['{a}', '{{a b}}', '{{}}', '{{1}}', '{{a', '}}a{{'])
    assert.equal(substitute(text, { a: 'x' }, 'text'), text)
})

test('substitution: a value that is missing is named, those of the prototype are missing', () => {
  for (const name of ['b', 'constructor', '__proto__', 'toString'])
    assert.throws(
      () => substitute(`{{a}} {{${name}}}`, { a: 'x' }, 'text'),
      (error) => error instanceof MissingValue && error.placeholder === name,
    )
})
