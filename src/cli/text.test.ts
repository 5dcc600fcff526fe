// Owns the tests of text, tables and times on a terminal.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'
import { resolveConfig } from '../posthouse/config.ts'
import { offsetPorts } from './run-server.ts'
import { formatPairs, formatTable } from './table.ts'
import { colours, cut, pad, plain, plainLines, textWidth } from './text.ts'
import { absoluteTime, relativeTime, roughDuration } from './time.ts'

const none = colours(false)

test('plain: nothing of a foreign text acts on the terminal', () => {
  assert.equal(plain('a\r\nb\tc\u001b[31m\u202e\u0007'), 'a b c\ufffd[31m\ufffd\ufffd')
  assert.equal(plainLines('a\r\nb\tc\u001b\u0085'), 'a\nb\tc\ufffd\ufffd')
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.doesNotMatch(plain(text), /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/)
      assert.doesNotMatch(plainLines(text), /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]/)
    }),
  )
})

test('cut and pad: columns, not characters', () => {
  assert.equal(textWidth('日本'), 4)
  assert.equal(textWidth('e\u0301'), 1)
  assert.equal(textWidth(colours(true).red('ab')), 2)
  assert.equal(cut('abcdef', 4), 'abc…')
  assert.equal(cut('日本語', 4), '日…')
  assert.equal(pad('日', 4), '日  ')
  assert.equal(pad('7', 3, true), '  7')
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 20 }), (text, columns) => {
      assert.ok(textWidth(cut(plain(text), columns)) <= columns)
    }),
  )
})

test('formatTable: columns line up and fit the terminal; a pipe gets all of it', () => {
  const rows = [
    { id: '1', text: 'a long text that has no end and goes on', n: 5 },
    { id: '22', text: '日本語', n: 1234 },
  ]
  const columns = [
    { title: 'ID', cell: (row: (typeof rows)[0]) => row.id },
    { title: 'TEXT', cell: (row: (typeof rows)[0]) => row.text, least: 8 },
    { title: 'N', cell: (row: (typeof rows)[0]) => String(row.n), right: true },
  ]
  assert.deepEqual(formatTable(rows, columns, { width: 24, colours: none }), [
    'ID  TEXT               N',
    '1   a long text t…     5',
    '22  日本語          1234',
  ])
  const wide = formatTable(rows, columns, { width: undefined, colours: none })
  assert.ok(wide[1]?.includes('goes on'))
  fc.assert(
    fc.property(
      fc.array(fc.string(), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 20, max: 200 }),
      (texts, width) => {
        const table = formatTable(
          texts,
          [
            { title: 'A', cell: (text) => text, least: 5 },
            { title: 'B', cell: () => 'b' },
          ],
          { width, colours: none },
        )
        for (const line of table) assert.ok(textWidth(line) <= width, line)
      },
    ),
  )
})

test('formatPairs: leaves out what is not there', () => {
  const lines = formatPairs(
    [
      ['A', '1'],
      ['Longer', undefined],
      ['Bcd', '2'],
    ],
    { colours: none },
  )
  assert.deepEqual(lines, ['A    1', 'Bcd  2'])
})

test('times: relative and absolute', () => {
  const cases = [
    [0, 'now'],
    [-400, 'now'],
    [25_000, 'in 25s'],
    [-90_000, '1m30s ago'],
    [-3_600_000, '1h ago'],
    [4 * 3_600_000 + 12 * 60_000 + 5_000, 'in 4h12m'],
    [-3 * 86_400_000 - 7_200_000, '3d2h ago'],
  ] as const
  for (const [distance, words] of cases) assert.equal(relativeTime(1e12 + distance, 1e12), words)
  assert.equal(roughDuration(12), '0s')
  assert.match(absoluteTime(Date.UTC(2026, 2, 1, 13, 5, 9)), /^2026-0[23]-\d\d \d\d:\d\d:09 [+-]\d\d:\d\d$/)
  assert.equal(absoluteTime(Number.NaN), 'unknown')
})

test('offsetPorts: every port but 0 moves, and none beyond the last', () => {
  const config = resolveConfig({ listeners: { mx: '127.0.0.1:0', lmtp: true } }, { env: {}, baseDir: '/' })
  const { mx, submission, lmtp, http } = offsetPorts(config, 1000).listeners
  assert.deepEqual(
    [mx, submission, lmtp, http].map((one) => one?.addresses[0]?.port),
    [0, 3587, 3424, 9025],
  )
  assert.throws(() => offsetPorts(config, 60_000), /larger than 65535/)
})
