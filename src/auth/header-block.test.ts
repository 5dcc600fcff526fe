// Header fields as signatures see them: canonical forms, selection by h=, defects, and the split of a message in pieces.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HeaderBlock } from './header-block.ts'
import { MessageIntake } from './message-intake.ts'

const block = (text: string): HeaderBlock => new HeaderBlock(Buffer.from(text, 'latin1'))

test('dkim header: relaxed form', () => {
  const table: readonly (readonly [field: string, relaxed: string])[] = [
    ['A: X', 'a:X'],
    ['B : Y\t\r\n\tZ  ', 'b:Y Z'],
    ['Subject:', 'subject:'],
    ['Subject:   \r\n \r\n ', 'subject:'],
    ['SUBJect: AbC', 'subject:AbC'],
    ['X:\xa0nbsp stays\xa0', 'x:\xa0nbsp stays\xa0'],
    ['X: a\r\n b\r\n\tc', 'x:a b c'],
    ['X:a:b', 'x:a:b'],
  ]
  for (const [field, relaxed] of table) assert.equal(block(`${field}\r\n`).fields[0]?.relaxed, relaxed, field)
})

test('dkim header: h= selects from the bottom, and nothing where there is no more', () => {
  const header = block('A: 1\r\nB: 2\r\nA: 3\r\nC: 4\r\nA: 5\r\n')
  const chosen = (names: string): string =>
    header
      .select(names.split(':'))
      .map((field) => field.relaxed)
      .join(' ')
  assert.equal(chosen('a'), 'a:5')
  assert.equal(chosen('a:b:a'), 'a:5 b:2 a:3')
  assert.equal(chosen('a:a:a:a:a'), 'a:5 a:3 a:1')
  assert.equal(chosen('x:c:c:b'), 'c:4 b:2')
})

test('dkim header: a signature is never its own input', () => {
  const header = block('S: 1\r\nS: 2\r\nS: 3\r\n')
  const [first, second, third] = header.named('s')
  assert.deepEqual(
    [first, second, third].map((self) => header.select(['s', 's', 's', 's'], self).map((f) => f.relaxed)),
    [
      ['s:3', 's:2'],
      ['s:3', 's:1'],
      ['s:2', 's:1'],
    ],
  )
})

test('dkim header: what is no header is told', () => {
  const table: readonly (readonly [text: string, defect: RegExp | undefined])[] = [
    ['From: a\r\nTo: b\r\n', undefined],
    ['', undefined],
    [' From: a\r\n', /no field/],
    ['From: a\r\nno colon\r\n', /no field/],
    ['Fr om: a\r\n', /no field/],
    ['From\xe4: a\r\n', /no field/],
    [': a\r\n', /no field/],
    ['From: a\nTo: b\r\n', /bare/],
    ['From: a\rTo: b\r\n', /bare/],
    ['From: a\0\r\n', /NUL/],
  ]
  for (const [text, defect] of table) {
    const found = block(text).defect
    if (defect === undefined) assert.equal(found, undefined, text)
    else assert.match(found ?? '', defect, JSON.stringify(text))
  }
})

function split(
  pieces: readonly Uint8Array[],
  headerBytesMax?: number,
): { fields: string[]; body: string; defect: string } {
  const out = { fields: [] as string[], body: '', defect: '' }
  let headers = 0
  const intake = new MessageIntake({
    headerBytesMax,
    onHeader: (header) => {
      headers++
      out.fields = header.fields.map((field) => field.text)
      out.defect = header.defect ?? ''
    },
    onBody: (bytes) => {
      assert.equal(headers, 1)
      out.body += Buffer.from(bytes).toString('latin1')
    },
  })
  for (const piece of pieces) intake.write(Uint8Array.from(piece))
  intake.end()
  assert.equal(headers, 1)
  return out
}

test('dkim header: a message cut anywhere is the same message', () => {
  const table: readonly (readonly [text: string, fields: readonly string[], body: string])[] = [
    ['A: 1\r\nB: 2\r\n 3\r\n\r\nbody\r\n\r\nmore', ['A: 1', 'B: 2\r\n 3'], 'body\r\n\r\nmore'],
    ['\r\nbody', [], 'body'],
    ['A: 1\r\n', ['A: 1'], ''],
    ['A: 1', ['A: 1'], ''],
    ['A: 1\r\n\r\n', ['A: 1'], ''],
    ['', [], ''],
  ]
  for (const [text, fields, body] of table) {
    const all = Buffer.from(text, 'latin1')
    const want = { fields: [...fields], body, defect: '' }
    assert.deepEqual(split([...all].map((octet) => Uint8Array.of(octet))), want)
    for (let at = 0; at <= all.length; at++)
      assert.deepEqual(split([all.subarray(0, at), all.subarray(at)]), want)
  }
})

test('dkim header: a header beyond its limit is a defect, in one piece or many', () => {
  const all = Buffer.from(`A: ${'x'.repeat(500)}\r\n\r\nbody`)
  for (const pieces of [[all], [...all].map((octet) => Uint8Array.of(octet))])
    assert.match(split(pieces, 300).defect, /too long/)
  assert.equal(split([all], 600).defect, '')
})

test('dkim header: reading is linear', () => {
  for (const unit of ['a', 'a:\r\n', ' ', '\r', '\r\n ', ':', 'a:b\r\n \r\n']) {
    const text = unit.repeat(Math.ceil(900_000 / unit.length))
    const before = process.cpuUsage()
    const header = block(text)
    for (const field of header.fields) assert.ok(field.relaxed.length > 0)
    const { user, system } = process.cpuUsage(before)
    assert.ok(user + system < 2_000_000, `${JSON.stringify(unit)} took ${(user + system) / 1000} ms`)
  }
})

test('dkim header: nothing is thrown at any octets', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
      const header = new HeaderBlock(octets)
      header.select(['a', 'from', ''])
    }),
  )
})
