// Owns the proof of header changes: what is not touched stays octet for octet, and no value becomes more than one field.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HeaderEdit } from './header-edit.ts'

const header = Buffer.from('A: 1\r\nB : x\r\n\ty\r\na:  2\r\nno field\r\nC:\r\n\r\n')
const after = (change: (edit: HeaderEdit) => unknown): string => {
  const edit = new HeaderEdit(header)
  change(edit)
  return Buffer.concat(edit.parts()).toString('latin1')
}
const whole = header.toString('latin1')

test('changes by table', () => {
  const cases: readonly [change: (edit: HeaderEdit) => unknown, expected: string][] = [
    [() => {}, whole],
    [(edit) => edit.add('X', 'y'), whole.replace('C:\r\n', 'C:\r\nX: y\r\n')],
    [(edit) => edit.insert(0, 'X', ' y'), `X: y\r\n${whole}`],
    [(edit) => edit.insert(1, 'X', 'y\n\tz'), whole.replace('B :', 'X: y\r\n\tz\r\nB :')],
    [(edit) => edit.insert(99, 'X', ''), whole.replace('C:\r\n', 'C:\r\nX:\r\n')],
    [(edit) => edit.change(2, 'A', 'new'), whole.replace('a:  2', 'A: new')],
    [(edit) => edit.change(0, 'a', 'new'), whole.replace('A: 1', 'a: new')],
    [(edit) => edit.change(1, 'b', ''), whole.replace('B : x\r\n\ty\r\n', '')],
    [(edit) => edit.change(3, 'A', 'new'), whole.replace('C:\r\n', 'C:\r\nA: new\r\n')],
    [(edit) => edit.change(9, 'A', ''), whole],
    [(edit) => edit.remove('a'), whole.replace('A: 1\r\n', '').replace('a:  2\r\n', '')],
    [
      (edit) => edit.add('X', 'y\r\nEvil: z\r\n\r\nbody'),
      whole.replace('C:\r\n', 'C:\r\nX: y\r\n\tEvil: z\r\n\tbody\r\n'),
    ],
    [(edit) => edit.add('X: y', 'z'), whole],
    [(edit) => edit.add('', 'z'), whole],
  ]
  for (const [change, expected] of cases) assert.equal(after(change), expected)
})

test('fields as a scanner is told of them', () => {
  assert.deepEqual(new HeaderEdit(header).fields(), [
    { name: 'A', value: ' 1' },
    { name: 'B', value: ' x\n\ty' },
    { name: 'a', value: '  2' },
    { name: 'C', value: '' },
  ])
})

test('whatever is added is one field, and the rest is as it was', () => {
  fc.assert(
    fc.property(
      fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('latin1')),
      fc.string(),
      fc.nat(10),
      (name, value, index) => {
        const edit = new HeaderEdit(header)
        const isField = edit.insert(index, name, value)
        const text = Buffer.concat(edit.parts()).toString('latin1')
        const lines = text.split('\r\n').length - whole.split('\r\n').length
        const fields = new HeaderEdit(Buffer.from(text, 'latin1')).fields().length
        assert.equal(fields, isField ? 5 : 4)
        assert.ok(isField ? lines >= 1 : lines === 0)
        assert.ok(text.endsWith('\r\n\r\n') && text.indexOf('\r\n\r\n') === text.length - 4)
        assert.ok(!/(?<!\r)\n|\r(?!\n)/.test(text))
      },
    ),
    { numRuns: 300 },
  )
})

test('any octets are a header that comes out as it went in', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const edit = new HeaderEdit(Buffer.from(bytes))
      edit.fields()
      assert.deepEqual(Buffer.concat(edit.parts()), Buffer.from(bytes))
    }),
  )
})
