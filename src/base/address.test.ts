// Owns the proof of address.ts and domain.ts: the conformance gate, paths by table, laws by property.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  formatLocalPart,
  isSameMailbox,
  makeMailbox,
  parseForwardPath,
  parseMailbox,
  parseReversePath,
  tryParseMailbox,
} from './address.ts'
import { ParseError, type ParseErrorKind } from './cursor.ts'
import { displayDomain, formatAddressLiteral, literalAddress, parseDomain, tryParseDomain } from './domain.ts'

const gate = join(import.meta.dirname, '../../../shared/conformance/addr/mailbox-cases.json')

interface GateCase {
  readonly src: string
  readonly address: string
  readonly want: 'valid' | 'invalid' | 'either'
  readonly why: string
}

/** Where the standards leave it open: what we chose. A single group may be '::'; an all-numeric top-level domain may not. */
const choices: ReadonlyMap<string, 'valid' | 'invalid'> = new Map([
  ['test@iana.123', 'invalid'],
  ['test@255.255.255.255', 'invalid'],
  ['first.last@example.123', 'invalid'],
  ['test@123.123.123.123', 'invalid'],
  ['foobar@192.168.0.1', 'invalid'],
  ['test@org', 'valid'],
  ['first.last@com', 'valid'],
  ['test@example', 'valid'],
  ['a@b', 'valid'],
  ['a@bar', 'valid'],
  ['test@[IPv6:1111:2222:3333:4444:5555:6666::8888]', 'valid'],
  ['first.last@[IPv6:1111:2222:3333::4444:5555:12.34.56.78]', 'valid'],
  ['first.last@[IPv6:1111:2222:3333::4444:5555:6666:7777]', 'valid'],
  ['first.last@[IPv6:::a2:a3:a4:b1:b2:b3:b4]', 'valid'],
  ['first.last@[IPv6:a1:a2:a3:a4:b1:b2:b3::]', 'valid'],
  ['first.last@[IPv6:::a2:a3:a4:b1:ffff:11.22.33.44]', 'valid'],
  ['first.last@[IPv6:a1:a2:a3:a4:b1::11.22.33.44]', 'valid'],
])

const skip = existsSync(gate) ? false : 'conformance data is not beside this checkout'
test('address gate: all 455 valid and invalid mailboxes of the conformance set', { skip }, () => {
  const cases = JSON.parse(readFileSync(gate, 'utf8')) as readonly GateCase[]
  const wrong = cases.filter(({ address, want }) => {
    const expected = want === 'either' ? choices.get(address) : want
    return (tryParseMailbox(address) !== undefined) !== (expected === 'valid')
  })
  assert.deepEqual(wrong, [])
  assert.equal(cases.filter(({ want }) => want !== 'either').length, 455)
})

const parsed: readonly (readonly [string, string, string, string?])[] = [
  ['bob@example.test', 'bob', 'example.test'],
  ['Bob@EXAMPLE.Test', 'Bob', 'example.test', 'Bob@EXAMPLE.Test'],
  ['"bob"@example.test', 'bob', 'example.test', 'bob@example.test'],
  ['"b\\o\\"b"@example.test', 'bo"b', 'example.test', '"bo\\"b"@example.test'],
  ['"a@b> c"@example.test', 'a@b> c', 'example.test', '"a@b> c"@example.test'],
  ['""@example.test', '', 'example.test', '""@example.test'],
  ['".dot"@example.test', '.dot', 'example.test', '".dot"@example.test'],
  ['a@[192.0.2.001]', 'a', '[192.0.2.1]', 'a@[192.0.2.1]'],
  ['a@[ipv6:2001:DB8:0:0::1]', 'a', '[IPv6:2001:db8::1]', 'a@[IPv6:2001:db8::1]'],
  ['ü@bücher.example', 'ü', 'xn--bcher-kva.example'],
  ['u\u0308@bu\u0308cher.example', 'ü', 'xn--bcher-kva.example', 'ü@bücher.example'],
  ['a@BÜCHER.example', 'a', 'xn--bcher-kva.example', 'a@BÜCHER.example'],
  ['a@straße.example', 'a', 'xn--strae-oqa.example', 'a@straße.example'],
  ['a@xn--bcher-kva.example', 'a', 'xn--bcher-kva.example'],
  // NFC makes a semicolon of the Greek question mark: it is quoted then.
  ['\u037e@example.test', ';', 'example.test', '";"@example.test'],
]
for (const [given, localPart, domain, text = given] of parsed)
  test(`mailbox ${given}`, () => {
    const utf8 = /[^\x00-\x7f]/.test(text)
    assert.deepEqual(parseMailbox(given), { localPart, domain, text, utf8 })
  })

const refused: readonly (readonly [address: string, offset: number, kind?: ParseErrorKind])[] = [
  ['', 0],
  ['a b@example.test', 1],
  ['a@exa_mple.test', 5],
  ['a@-x.test', 2],
  ['a@x-.test', 3],
  ['a@x..test', 4],
  ['a..b@x.test', 2],
  ['.a@x.test', 0],
  [`${'a'.repeat(65)}@x.test`, 0, 'length'],
  [`${'ü'.repeat(33)}@x.test`, 0, 'length'],
  [`a@${'x'.repeat(64)}.test`, 2, 'length'],
  [
    `a@${'x'.repeat(60)}.${'x'.repeat(60)}.${'x'.repeat(60)}.${'x'.repeat(60)}.${'x'.repeat(11)}`,
    254,
    'length',
  ],
  ['a@192.0.2.1', 10],
  ['a@[192.0.2.256]', 3],
  ['a@[192.0.2.1', 2],
  ['a@[x-tag:thing]', 3],
  // What url.domainToASCII would repair: full-width letters, a soft hyphen, another dot, percent signs, numbers.
  ['a@ｅxample.test', 2],
  ['a@ex\u00adämple.test', 2],
  ['a@ü。test', 2],
  ['a@a%41ü.test', 3],
  ['a@１.test', 2],
  ['a@-ü.test', 2],
  ['a@ü-.test', 2],
  ['a@ab--ü.test', 2],
  ['a@\u0301x.test', 2],
  ['a\u0085b@x.test', 1],
  ['a\ufffdb@x.test', 1],
  ['a\ud800b@x.test', 0],
]
for (const [given, offset, kind = 'syntax'] of refused)
  test(`refused at ${offset}: ${JSON.stringify(given.slice(0, 60))}`, () => {
    assert.throws(() => parseMailbox(given), { name: 'ParseError', offset, kind })
    assert.equal(tryParseMailbox(given), undefined)
  })

test('without SMTPUTF8 an address is ASCII, and the error says so', () => {
  for (const [text, offset] of [
    ['ü@x.test', 0],
    ['a@bücher.test', 3],
    ['\u037e@x.test', 0],
  ] as const)
    assert.throws(
      () => parseMailbox(text, { utf8: false }),
      (error) => error instanceof ParseError && error.kind === 'utf8' && error.offset === offset,
    )
  assert.equal(tryParseDomain('bücher.test', { utf8: false }), undefined)
  assert.equal(parseMailbox('a@x.test', { utf8: false }).domain, 'x.test')
})

const reverse: readonly (readonly [string, string | null, string])[] = [
  ['<>', null, ''],
  ['<> BODY=8BITMIME', null, ' BODY=8BITMIME'],
  ['<a@x.test>', 'a@x.test', ''],
  ['<a@x.test> SIZE=5', 'a@x.test', ' SIZE=5'],
  ['<"a>b"@x.test> SIZE=5', '"a>b"@x.test', ' SIZE=5'],
  // RFC 5321 appendix C: source routes are read and dropped.
  ['<@one.test,@[192.0.2.1]:a@x.test> X', 'a@x.test', ' X'],
]
for (const [given, text, rest] of reverse)
  test(`reverse-path ${given}`, () => {
    const read = parseReversePath(given)
    assert.deepEqual([read.path?.text ?? null, read.rest], [text, rest])
  })

for (const bad of [
  '',
  'a@x.test',
  '<a@x.test',
  '<a@x.test>SIZE=5',
  '<>x',
  '<@one.test>',
  '<@one.test,a@x.test>',
  '< a@x.test>',
  '<postmaster>',
  '<a@x.test >',
  '<a@x.test\t>',
])
  test(`no reverse-path: ${bad}`, () => assert.throws(() => parseReversePath(bad), ParseError))

test('forward-paths: <Postmaster> in any case has our domain, the null path is none', () => {
  const options = { postmasterDomain: 'mx.example.test' }
  assert.equal(parseForwardPath('<Postmaster> X', options).path.text, 'Postmaster@mx.example.test')
  assert.equal(parseForwardPath('<POSTMASTER>', options).path.domain, 'mx.example.test')
  assert.equal(parseForwardPath('<Postmaster@x.test>', options).path.domain, 'x.test')
  assert.deepEqual(parseForwardPath('<a@x.test> NOTIFY=NEVER', options).rest, ' NOTIFY=NEVER')
  assert.throws(() => parseForwardPath('<>', options), ParseError)
})

const anyChar = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...'ab.@"\\<>[]:-+,1 ü屋İ') },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 2 }) },
)
const anyText = fc.array(anyChar, { maxLength: 40 }).map((parts) => parts.join(''))

test('law: nothing but ParseError is thrown, and what was parsed is stable', () => {
  fc.assert(
    fc.property(anyText, anyText, (local, domain) => {
      for (const text of [local, `${local}@${domain}`, `a@${domain}`, `${local}@x.test`]) {
        try {
          const once = parseMailbox(text)
          assert.deepEqual(parseMailbox(once.text), once)
        } catch (error) {
          assert.ok(error instanceof ParseError, `${text}: ${error}`)
          assert.ok(error.offset >= 0 && error.offset <= text.length)
        }
      }
    }),
    { numRuns: 3000 },
  )
})

test('law: every printable local-part survives formatting', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme-ascii', maxLength: 30 }), (localPart) => {
      const mailbox = makeMailbox(localPart, 'x.test')
      assert.equal(mailbox.localPart, localPart)
      assert.ok(isSameMailbox(mailbox, parseMailbox(`${formatLocalPart(localPart)}@X.TEST`)))
    }),
  )
})

test('law: the fast lane and the grammar agree', () => {
  const plain = fc.stringMatching(/^[A-Za-z0-9.+-]{1,70}$/)
  const domain = fc.stringMatching(/^[a-zA-Z0-9.-]{1,30}$/)
  fc.assert(
    fc.property(plain, domain, (local, name) => {
      const fast = tryParseMailbox(`${local}@${name}`)
      // A source route sends the same mailbox through the grammar.
      let slow: unknown
      try {
        slow = parseReversePath(`<@r.test:${local}@${name}>`).path ?? undefined
      } catch {}
      assert.deepEqual(fast, slow)
    }),
    { numRuns: 1000 },
  )
})

test('time is linear: a megabyte of anything is refused at once', () => {
  for (const unit of ['a', '.', '"', '\\', '@', 'ü', '@a,', '[', '"\\a'])
    for (const text of [unit.repeat(1 << 20), `<${unit.repeat(1 << 20)}>`, `<"${unit.repeat(1 << 20)}`]) {
      const startMs = performance.now()
      assert.throws(() => parseMailbox(text), ParseError)
      assert.throws(() => parseReversePath(text), ParseError)
      assert.ok(performance.now() - startMs < 2000, unit)
    }
})

test('domains: literals and display', () => {
  assert.equal(formatAddressLiteral('2001:db8::1'), '[IPv6:2001:db8::1]')
  assert.equal(formatAddressLiteral('192.0.2.1'), '[192.0.2.1]')
  assert.equal(literalAddress(parseDomain('[IPv6:::1]').ascii), '::1')
  assert.equal(literalAddress('[192.0.2.1]'), '192.0.2.1')
  assert.equal(literalAddress('x.test'), undefined)
  assert.equal(displayDomain('xn--bcher-kva.example'), 'bücher.example')
  assert.equal(displayDomain('a.example'), 'a.example')
})
