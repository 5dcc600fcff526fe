// Authentication-Results: the examples of RFC 8601 appendix B read, what we write read back, and ours taken away.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatAuthenticationResults, formatResults, type MethodResult } from './auth-results.ts'
import { parseAuthenticationResults, withoutResultsOf } from './auth-results-reader.ts'

const read = (value: string) => {
  const found = parseAuthenticationResults(value)
  return found.ok
    ? [
        found.authservId,
        ...found.results.map(
          ({ method, result, reason, properties }) =>
            `${method}=${result}${reason === undefined ? '' : ` reason=${reason}`}${properties.map((p) => ` ${p.ptype}.${p.property}=${p.value}`).join('')}`,
        ),
      ]
    : found.reason
}

test('auth results: the examples of RFC 8601', () => {
  const table: readonly (readonly [value: string, want: readonly string[]])[] = [
    [' example.org 1; none', ['example.org']],
    [
      ' example.com;\r\n          spf=pass smtp.mailfrom=example.net',
      ['example.com', 'spf=pass smtp.mailfrom=example.net'],
    ],
    [
      ' example.com;\r\n auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n spf=pass smtp.mailfrom=example.net',
      ['example.com', 'auth=pass smtp.auth=sender@example.net', 'spf=pass smtp.mailfrom=example.net'],
    ],
    [
      ' example.com;\r\n dkim=pass reason="good signature"\r\n  header.i=@mail-router.example.net;\r\n dkim=fail reason="bad signature"\r\n  header.i=@newyork.example.com',
      [
        'example.com',
        'dkim=pass reason=good signature header.i=@mail-router.example.net',
        'dkim=fail reason=bad signature header.i=@newyork.example.com',
      ],
    ],
    [
      " foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n  policy (A dot can go here) . (like that) expired\r\n  (this surprised me) = (as I wasn't expecting it) 1362471462",
      ['foo.example.net', 'dkim=fail policy.expired=1362471462'],
    ],
    [' "a b"; spf=none;', ['a b', 'spf=none']],
  ]
  for (const [value, want] of table) assert.deepEqual(read(value), want, value)
})

test('auth results: what is not one', () => {
  for (const value of [
    '',
    ' ',
    'example.org',
    'example.org;',
    'example.org; ; spf=pass',
    'example.org; none; spf=pass',
    'example.org; spf',
    'example.org; spf=',
    'example.org; =pass',
    'example.org; spf=pass smtp=x',
    'example.org; spf=pass smtp.=x',
    'example.org; spf=pass smtp.mailfrom',
    'example.org; spf=pass (comment',
    'example.org; spf=pass reason="x',
    'example.org, other.org; spf=pass',
    'example.org spf=pass',
    '@; spf=pass',
    'x'.repeat(70_000),
  ])
    assert.equal(typeof read(value), 'string', value.slice(0, 40))
})

const sample: readonly MethodResult[] = [
  {
    method: 'spf',
    result: 'pass',
    properties: [{ ptype: 'smtp', property: 'mailfrom', value: 'a+b@source.test' }],
  },
  {
    method: 'dkim',
    result: 'fail',
    reason: 'the "body" was\r\nchanged \\',
    properties: [
      { ptype: 'header', property: 'd', value: 'source.test' },
      { ptype: 'header', property: 'b', value: 'ab/+cd=' },
      { ptype: 'header', property: 's', value: '' },
    ],
  },
]

test('auth results: what is written is read back, in short lines', () => {
  const field = formatAuthenticationResults('MX.sink.test', sample)
  assert.ok(field.endsWith('\r\n'))
  for (const line of field.split('\r\n')) assert.ok(line.replace('\t', '        ').length <= 100, line)
  assert.deepEqual(read(field.slice('Authentication-Results:'.length, -2)), [
    'mx.sink.test',
    'spf=pass smtp.mailfrom=a+b@source.test',
    'dkim=fail reason=the "body" was??changed \\ header.d=source.test header.b=ab/+cd=',
  ])
  assert.equal(formatResults([]), 'none')
  assert.throws(() => formatAuthenticationResults('mx;x', []), { name: 'UsageError' })
  assert.throws(() => formatResults([{ method: 'a=b', result: 'x', properties: [] }]), { name: 'UsageError' })
})

const hostile = fc.string({
  unit: fc.constantFrom('a', '\r', '\n', '"', '\\', ';', '=', 'é', '\0', ' ', '@', '(', '\u{1f600}'),
})

test('auth results: no value brings a line end or a result of its own', () => {
  fc.assert(
    fc.property(hostile, hostile, (value, reason) => {
      const text = formatAuthenticationResults('mx.test', [
        {
          method: 'spf',
          result: 'pass',
          reason,
          properties: [{ ptype: 'smtp', property: 'mailfrom', value }],
        },
      ])
      assert.doesNotMatch(text, /\r(?!\n)|(?<!\r)\n|\r\n(?![\t])(?!$)|[^\x20-\x7e\r\n\t]/)
      const found = parseAuthenticationResults(text.slice('Authentication-Results:'.length, -2))
      assert.ok(found.ok, text)
      assert.equal(found.results.length, 1)
    }),
  )
})

test('auth results: ours and what cannot be read is taken away, others stay', () => {
  const ours = [
    'Authentication-Results: mx.sink.test; spf=pass\r\n',
    'authentication-results: MX.SINK.TEST; spf=pass\r\n',
    'Authentication-Results : mx.sink.test; dkim=pass\r\n',
    'Authentication-Results: (x) mx.sink.test 1;\r\n\tdkim=pass\r\n',
    'Authentication-Results: "mx.sink.test"; dkim=pass\r\n',
    'Authentication-Results:\r\n mx.sink.test; none\r\n',
    'Authentication-Results: mx.sink.test dkim=pass\r\n',
  ]
  const rest = [
    'Received: by x\r\n',
    'Authentication-Results: mx.other.test; spf=pass\r\n',
    'ARC-Authentication-Results: i=1; mx.sink.test; spf=pass\r\n',
    'Subject: Authentication-Results: mx.sink.test; spf=pass\r\n',
  ]
  const mixed = rest.map((field, i) => `${field}${ours[i] ?? ''}`).join('')
  const header = `${mixed}${ours.slice(4).join('')}\r\n`
  assert.equal(
    Buffer.from(withoutResultsOf(Buffer.from(header), 'mx.sink.test')).toString(),
    `${rest.join('')}\r\n`,
  )
  const clean = Buffer.from(`${rest.join('')}\r\n`)
  assert.equal(withoutResultsOf(clean, 'mx.sink.test'), clean)
})

test('auth results: reading is linear and throws nothing', () => {
  for (const unit of ['(', '()', ';', 'a=b;', 'a=b c.d=e ', '"', '\\', ' ', 'a.'])
    for (const head of ['', 'mx.test;', 'mx.test; spf=pass ']) {
      const before = process.cpuUsage()
      parseAuthenticationResults(head + unit.repeat(Math.floor(60_000 / unit.length)))
      const { user, system } = process.cpuUsage(before)
      assert.ok(user + system < 500_000, `${unit} took ${(user + system) / 1000} ms`)
    }
  fc.assert(fc.property(fc.string(), (text) => void parseAuthenticationResults(`mx.test;${text}`)))
})
