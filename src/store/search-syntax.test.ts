// Owns the tests of how searches are written: a table of what people type, and the laws (never throws, linear, bounded).

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { SearchTerm } from './mail-view.ts'
import { parseSearch, searchTermsMax } from './search-syntax.ts'

const now = Date.UTC(2026, 0, 31, 12)
const word = (text: string, prefix = false): SearchTerm => ({ kind: 'text', field: 'any', text, prefix })
const not = (term: SearchTerm): SearchTerm => ({ kind: 'not', term })

const table: readonly (readonly [string, readonly SearchTerm[]])[] = [
  ['', []],
  ['  hello   world ', [word('hello'), word('world')]],
  ['wor*', [word('wor', true)]],
  ['"two words"', [word('two words')]],
  ['“two words”', [word('two words')]],
  ['"two wor"*', [word('two wor', true)]],
  ['-x', [not(word('x'))]],
  ['NOT x', [not(word('x'))]],
  ['-"a b"', [not(word('a b'))]],
  ['a OR b c', [{ kind: 'or', terms: [word('a'), word('b')] }, word('c')]],
  ['a OR -b OR c', [{ kind: 'or', terms: [word('a'), not(word('b')), word('c')] }]],
  ['OR a', [word('a')]],
  ['a OR', [word('a')]],
  ['a AND b', [word('a'), word('b')]],
  ['"OR"', [word('OR')]],
  ['from:ann', [{ kind: 'address', field: 'from', text: 'ann' }]],
  ['From:"Ann Lee"', [{ kind: 'address', field: 'from', text: 'Ann Lee' }]],
  ['to:@example.test', [{ kind: 'address', field: 'to', text: '@example.test' }]],
  ['-to:bob*', [not({ kind: 'address', field: 'to', text: 'bob' })]],
  ['cc:ann', [{ kind: 'text', field: 'cc', text: 'ann', prefix: false }]],
  ['subject:会议', [{ kind: 'text', field: 'subject', text: '会议', prefix: false }]],
  ['subject：会议', [{ kind: 'text', field: 'subject', text: '会议', prefix: false }]],
  ['subject:"two words"', [{ kind: 'text', field: 'subject', text: 'two words', prefix: false }]],
  [
    'body:x filename:report.pdf',
    [
      { kind: 'text', field: 'body', text: 'x', prefix: false },
      { kind: 'text', field: 'filename', text: 'report.pdf', prefix: false },
    ],
  ],
  [
    'has:attachment has:tag',
    [
      { kind: 'has', what: 'attachment' },
      { kind: 'has', what: 'tag' },
    ],
  ],
  [
    'tag:a tag:"two words"',
    [
      { kind: 'tag', tag: 'a' },
      { kind: 'tag', tag: 'two words' },
    ],
  ],
  [
    'is:unread is:READ is:starred',
    [
      { kind: 'is', what: 'unread' },
      { kind: 'is', what: 'read' },
      { kind: 'is', what: 'starred' },
    ],
  ],
  ['before:2026-01-02', [{ kind: 'received', before: Date.UTC(2026, 0, 2) }]],
  ['after:2026-01', [{ kind: 'received', after: Date.UTC(2026, 0, 1) }]],
  ['after:2026', [{ kind: 'received', after: Date.UTC(2026, 0, 1) }]],
  ['after:2d', [{ kind: 'received', after: now - 172_800_000 }]],
  ['after:1h30m', [{ kind: 'received', after: now - 5_400_000 }]],
  ['before:2026-01-02T03:04:05Z', [{ kind: 'received', before: Date.UTC(2026, 0, 2, 3, 4, 5) }]],
  ['before:2026-01-02T03:04', [{ kind: 'received', before: Date.UTC(2026, 0, 2, 3, 4) }]],
  ['before:2026-01-02T03:04+02:00', [{ kind: 'received', before: Date.UTC(2026, 0, 2, 1, 4) }]],
  [
    'larger:10k smaller:2MB',
    [
      { kind: 'size', min: 10_240 },
      { kind: 'size', max: 2_000_000 },
    ],
  ],
  ['id:<a@b.test>', [{ kind: 'id', id: 'a@b.test' }]],
  ['https://example.test/x', [word('https://example.test/x')]],
  ['ann@example.test', [word('ann@example.test')]],
  ['- -', []],
]

for (const [text, terms] of table)
  test(`search: ${text || 'nothing'}`, () =>
    assert.deepEqual(parseSearch(text, now), { terms, warnings: [], problems: [] }))

const warned: readonly (readonly [string, readonly SearchTerm[]])[] = [
  ['has:wings', []],
  ['is:odd', []],
  ['from:', []],
  ['before:yesterday', []],
  ['before:2026-02-31', []],
  ['larger:huge', []],
  ['!!!', []],
  ['"open end', [word('open end')]],
  ['colour:red', [word('colour:red')]],
]
for (const [text, terms] of warned)
  test(`search with a warning: ${text}`, () => {
    const parsed = parseSearch(text, now)
    assert.deepEqual(parsed.terms, terms)
    assert.equal(parsed.warnings.length, 1)
  })

test('a search never throws, and what it gives is bounded', () => {
  const piece = fc.constantFrom(
    '-',
    '"',
    ':',
    'from:',
    'before:',
    'OR',
    ' ',
    '*',
    '\\',
    'x',
    '会',
    '😀',
    '\ud800',
    '2d',
    '“',
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string({ unit: 'binary' })), { maxLength: 60 }), (pieces) => {
      const { terms, warnings } = parseSearch(pieces.join(''), now)
      assert.ok(terms.length <= searchTermsMax && warnings.length <= 20)
    }),
  )
  const long = parseSearch('a '.repeat(100_000), now)
  assert.equal(long.terms.length, searchTermsMax)
  assert.equal(long.warnings.length, 2)
})
