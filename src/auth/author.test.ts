// The gate before DMARC: attacks on From that are known from research (several fields, folded names, encoded and commented
// addresses, mixed brackets, NUL, groups, routes), and mail as it is.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseDomain } from '../base/domain.ts'
import { flattenAddresses, parseHeaderAddresses } from '../message/header-addresses.ts'
import { type AuthorProblem, readAuthor } from './author.ts'
import { HeaderBlock } from './header-block.ts'
import { parseStrictAddresses } from './strict-addresses.ts'

const author = (header: string) => readAuthor(new HeaderBlock(Buffer.from(header)))
const b64 = (text: string): string => `=?utf-8?B?${Buffer.from(text).toString('base64')}?=`

test('author: mail as it is', () => {
  const table: readonly (readonly [from: string, domain: string, lenient?: true])[] = [
    ['a@bank.test', 'bank.test'],
    ['<a@bank.test>', 'bank.test'],
    ['Anna <a@BANK.Test>', 'bank.test'],
    ['"Anna, B." <a@bank.test>', 'bank.test'],
    ['John Q. Public <a@bank.test>', 'bank.test'],
    ['Anna (at home) <a@bank.test> (really)', 'bank.test'],
    ['a@bank.test (Anna)', 'bank.test'],
    ['Anna\r\n <a@bank.test>', 'bank.test'],
    ['"a \\"quote\\" \\\\" <a@bank.test>', 'bank.test'],
    ['"a b"@bank.test', 'bank.test'],
    ['"ceo@other.test via Sign" <a@bank.test>', 'bank.test'],
    [`${b64('Ännchen')} <a@bank.test>`, 'bank.test'],
    [`${b64('ceo@other.test via Sign')} <a@bank.test>`, 'bank.test'],
    ['=?utf-8?q?Info_=40_Shop?= <a@bank.test>', 'bank.test'],
    ['Ännchen <ä@bücher.test>', 'xn--bcher-kva.test'],
    ['a@bank.test, b@BANK.test', 'bank.test'],
    ['Team: a@bank.test, B <b@bank.test>;', 'bank.test'],
    // Breaks the grammar; one domain all the same.
    ['a@bank.test <a@bank.test>', 'bank.test', true],
    ['Support [x] <a@bank.test>', 'bank.test', true],
    ['<a@bank.test', 'bank.test', true],
    ['a@bank.test,', 'bank.test', true],
    ['"Anna <a@bank.test>', 'bank.test', true],
  ]
  for (const [from, domain, lenient] of table) {
    const found = author(`To: x@x.test\r\nFrom: ${from}\r\n`)
    assert.deepEqual(found.ok ? [found.domain, found.isLenient] : found, [domain, lenient ?? false], from)
  }
})

/** What an attacker writes to be shown as bank.test and judged as evil.test, or the other way round. */
const attacks: readonly (readonly [name: string, header: string, problem: AuthorProblem])[] = [
  ['no From', 'To: a@bank.test\r\n', 'no-from'],
  ['two From fields', 'From: a@evil.test\r\nFrom: a@bank.test\r\n', 'several-from'],
  ['two From fields in other case', 'From: a@evil.test\r\nfROM: a@bank.test\r\n', 'several-from'],
  ['two From fields of one domain', 'From: a@bank.test\r\nFrom: b@bank.test\r\n', 'several-from'],
  ['white space before the colon', 'From : a@bank.test\r\n', 'space-before-colon'],
  ['and a second field', 'From : a@bank.test\r\nFrom: a@evil.test\r\n', 'several-from'],
  ['tab before the colon', 'From\t: a@bank.test\r\n', 'space-before-colon'],
  ['a folded name', 'From\r\n : a@bank.test\r\nFrom: a@evil.test\r\n', 'broken-header'],
  ['a line that is no field', 'To: x@x.test\r\nno field\r\nFrom: a@bank.test\r\n', 'broken-header'],
  ['first line a continuation', ' From: a@bank.test\r\nFrom: a@evil.test\r\n', 'broken-header'],
  ['a bare LF', 'From: a@evil.test\nFrom: a@bank.test\r\n', 'broken-header'],
  ['a bare CR', 'From: a@evil.test\rFrom: a@bank.test\r\n', 'broken-header'],
  ['NUL in the address', 'From: a@bank.test\0@evil.test\r\n', 'broken-header'],
  ['NUL in the name', 'From\0: a@bank.test\r\nFrom: a@evil.test\r\n', 'broken-header'],
  ['a letter like it', 'Frоm: a@bank.test\r\nFrom: a@evil.test\r\n', 'broken-header'],
  ['an invisible octet', 'From\u200b: a@bank.test\r\nFrom: a@evil.test\r\n', 'broken-header'],
  ['two domains', 'From: a@bank.test, a@evil.test\r\n', 'several-domains'],
  ['two brackets', 'From: <a@bank.test>, <a@evil.test>\r\n', 'several-domains'],
  ['brackets without comma', 'From: <a@bank.test><a@evil.test>\r\n', 'malformed'],
  ['bracket and bare', 'From: a@bank.test <a@evil.test>\r\n', 'malformed'],
  ['bracket, then bare', 'From: <a@evil.test> a@bank.test\r\n', 'malformed'],
  ['bare by a fold', 'From: a@bank.test\r\n <a@evil.test>\r\n', 'malformed'],
  ['two at signs', 'From: a@bank.test@evil.test\r\n', 'malformed'],
  ['a route', 'From: <@evil.test:a@bank.test>\r\n', 'malformed'],
  ['a route of two', 'From: <@evil.test,@other.test:a@bank.test>\r\n', 'malformed'],
  ['an encoded bracket', `From: ${b64('<a@bank.test>')}<a@evil.test>\r\n`, 'hidden-address'],
  ['an encoded list', `From: ${b64('a@bank.test, x')} <a@evil.test>\r\n`, 'hidden-address'],
  ['an address that is encoded whole', `From: ${b64('a@bank.test')}\r\n`, 'malformed'],
  ['an encoded domain', `From: <a@${b64('bank.test')}>\r\n`, 'malformed'],
  ['an encoded at sign and NUL', `From: ${b64('<a@bank.test>\0')} <a@evil.test>\r\n`, 'hidden-address'],
  ['a comment with an address', 'From: a@evil.test (<a@bank.test>)\r\n', 'hidden-address'],
  ['a comment before', 'From: (<a@bank.test>) a@evil.test\r\n', 'hidden-address'],
  ['a comment in the address', 'From: a@bank.test(.evil.test)\r\n', 'hidden-address'],
  ['a comment before the at sign', 'From: a(@bank.test)@evil.test\r\n', 'malformed'],
  ['a comment that is not closed', 'From: a@evil.test (a@bank.test\r\n', 'malformed'],
  ['a quote that is not closed', 'From: "a@bank.test <a@evil.test>\r\n', 'malformed'],
  ['white space in the domain', 'From: a@bank .test, b@evil.test\r\n', 'malformed'],
  ['a group of two domains', 'From: Team: a@bank.test, a@evil.test;\r\n', 'several-domains'],
  ['a group, then an address', 'From: a@bank.test:a@evil.test;\r\n', 'malformed'],
  ['an empty group', 'From: undisclosed:;\r\n', 'no-domain'],
  ['a group that is not closed', 'From: Team: a@bank.test, <a@evil.test>\r\n', 'malformed'],
  ['a group in a group', 'From: A: B: a@bank.test;, a@evil.test;\r\n', 'malformed'],
  ['an address literal', 'From: a@[192.0.2.1]\r\n', 'no-domain'],
  ['a domain without a dot', 'From: root@localhost\r\n', 'no-domain'],
  ['nothing', 'From:\r\n', 'malformed'],
  ['a name alone', 'From: Bank\r\n', 'malformed'],
  ['a separator that is none', 'From: a@bank.test; a@evil.test\r\n', 'malformed'],
  ['broken UTF-8 is no domain', 'From: a@b\u0080nk.test\r\n', 'malformed'],
]

test('author: attacks', () => {
  for (const [name, header, problem] of attacks) {
    const found = author(header)
    assert.ok(!found.ok, `${name}: ${JSON.stringify(found)}`)
    assert.equal(found.problem, problem, `${name}: ${JSON.stringify(found)}`)
  }
})

test('author: whatever stands in From, an author is a domain that is there to see, and nothing is thrown', () => {
  const piece = fc.constantFrom(
    'a',
    '@',
    'bank.test',
    'evil.test',
    '<',
    '>',
    '(',
    ')',
    '"',
    ',',
    ';',
    ':',
    ' ',
    '\\',
    '[',
    ']',
    '.',
    '\r\n ',
    '=?utf-8?q?=3Ca=40bank.test=3E?=',
    'ä',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
      const from = pieces.join('')
      const found = author(`From: ${from}\r\n`)
      if (!found.ok) return
      assert.ok(from.toLowerCase().includes(found.domain) || from.includes('ä') || from.includes('=40'), from)
      // Both names bare in the field are never one author.
      const plain = from
        .replace(/=\?[^?]*\?q\?[^?]*\?=/g, '')
        .replace(/"[^"]*"/g, '')
        .replace(/\s/g, '')
      if (/^[^"()]*$/.test(plain) && plain.includes('@bank.test') && plain.includes('@evil.test'))
        assert.fail(`${from} is ${found.domain}`)
    }),
    { numRuns: 4000 },
  )
})

test('author: what the strict reader takes, the repairing one reads the same', () => {
  const piece = fc.constantFrom(
    'a',
    '@',
    'bank.test',
    'evil.test',
    '<',
    '>',
    '"',
    ',',
    ';',
    ':',
    ' ',
    '\\',
    '[',
    ']',
    '.',
    '\r\n ',
    'ä',
  )
  let taken = 0
  const address = fc.constantFrom(
    'a@bank.test',
    '<b@evil.test>',
    'B <b@evil.test>',
    '"a, b" <c@bank.test>',
    'T: x@evil.test;',
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, address), { maxLength: 9 }), (pieces) => {
      const value = pieces.join('')
      const strict = parseStrictAddresses(value)
      if (!strict.ok) return
      taken++
      const repaired = flattenAddresses(parseHeaderAddresses(value)).map((one) =>
        one.address.split('@').at(-1),
      )
      assert.deepEqual(
        new Set(repaired.map((domain) => parseDomain(domain ?? '').ascii)),
        new Set(strict.mailboxes.map((mailbox) => mailbox.domain)),
        value,
      )
    }),
    { numRuns: 5000 },
  )
  assert.ok(taken > 50, `${taken} were taken`)
})

test('author: many From fields cost what few do', () => {
  const before = process.cpuUsage()
  const found = author('From: a@bank.test, b@evil.test\r\n'.repeat(30_000))
  assert.deepEqual(found, { ok: false, problem: 'several-from', domains: ['bank.test', 'evil.test'] })
  const { user, system } = process.cpuUsage(before)
  assert.ok(user + system < 1_000_000, `${(user + system) / 1000} ms`)
})

test('author: reading is linear', () => {
  for (const unit of ['(', '<', '"', 'a@b.test,', '\\', '=?', '@', ':;', 'A:', '[', '((', ' ']) {
    const before = process.cpuUsage()
    author(`From: ${unit.repeat(Math.ceil(200_000 / unit.length))}\r\n`)
    author(`From: ${unit.repeat(Math.floor(16_000 / unit.length))}\r\n`)
    const { user, system } = process.cpuUsage(before)
    assert.ok(user + system < 1_000_000, `${unit} took ${(user + system) / 1000} ms`)
  }
})
