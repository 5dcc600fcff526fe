// Owns the proof of duration.ts, size.ts, ip.ts and cursor.ts: tables, and parse and format as a pair.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Cursor, ParseError } from './cursor.ts'
import { formatDuration, parseDuration } from './duration.ts'
import { canonicalIp, canonicalIpv6, ipVersion, isLoopback, networkKey, parseNetworkList } from './ip.ts'
import { formatSize, parseSize } from './size.ts'

const durations: readonly (readonly [string, number, string?])[] = [
  ['30s', 30_000],
  ['5d', 432_000_000],
  ['1h30m', 5_400_000],
  ['500ms', 500],
  ['2w', 1_209_600_000],
  ['90m', 5_400_000, '1h30m'],
  ['0', 0, '0s'],
  ['0s', 0],
]
for (const [text, ms, formatted = text] of durations)
  test(`duration ${text}`, () => {
    assert.equal(parseDuration(text), ms)
    assert.equal(formatDuration(ms), formatted)
  })
for (const bad of ['', '5', 's', '-1s', '1.5h', '1m1h', '1s1s', '1 h', '1y', '1h ', `${'9'.repeat(12)}w`])
  test(`no duration: ${bad}`, () => assert.throws(() => parseDuration(bad), ParseError))

const sizes: readonly (readonly [string, number])[] = [
  ['50MiB', 52_428_800],
  ['4096', 4096],
  ['1.5GiB', 1_610_612_736],
  ['10MB', 10_000_000],
  ['64k', 65_536],
  ['1 kB', 1000],
  ['0', 0],
]
for (const [text, bytes] of sizes) test(`size ${text}`, () => assert.equal(parseSize(text), bytes))
for (const bad of ['', 'MiB', '-1', '1e3', '1..5k', '5 XB', '1k1', '999999999999999TiB'])
  test(`no size: ${bad}`, () => assert.throws(() => parseSize(bad), ParseError))

test('durations and sizes: nothing but ParseError, and what is formatted is read back', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[0-9a-zA-Z. ]{0,12}$/), fc.nat(2 ** 40), (text, number) => {
      for (const parse of [parseDuration, parseSize]) {
        try {
          parse(text)
        } catch (error) {
          assert.ok(error instanceof ParseError)
        }
      }
      assert.equal(parseDuration(formatDuration(number)), number)
      assert.ok(Math.abs(parseSize(formatSize(number)) - number) <= number * 0.05)
    }),
  )
})

const addresses: readonly (readonly [string, string | undefined, (4 | 6)?])[] = [
  ['192.0.2.1', '192.0.2.1', 4],
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1', 6],
  ['::ffff:192.0.2.1', '192.0.2.1', 4],
  ['::FFFF:c000:201', '192.0.2.1', 4],
  ['::1', '::1', 6],
  ['127.1', undefined],
  ['1', undefined],
  ['0x7f.0.0.1', undefined],
  ['010.0.0.1', undefined],
  ['256.0.0.1', undefined],
  ['fe80::1%eth0', undefined],
  ['::ffff:192.0.2.010', undefined],
  ['1::2::3', undefined],
  ['', undefined],
  ['example.test', undefined],
]
for (const [text, want, version] of addresses)
  test(`address ${text || '(none)'}`, () => {
    assert.equal(canonicalIp(text), want)
    assert.equal(ipVersion(text), version)
  })

test('loopback is 127/8, ::1 and a unix socket', () => {
  for (const address of ['127.0.0.1', '127.255.0.3', '::1', '::ffff:127.0.0.1', ''])
    assert.ok(isLoopback(address), address)
  for (const address of ['128.0.0.1', '::2', '10.0.0.1', 'localhost', '127.1'])
    assert.ok(!isLoopback(address), address)
})

test('the network of an IPv6 address is its /64, of IPv4 the address', () => {
  assert.equal(networkKey('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64')
  assert.equal(networkKey('2001:db8:1:2::'), '2001:db8:1:2::/64')
  assert.equal(networkKey('192.0.2.7'), '192.0.2.7')
  assert.equal(networkKey('?'), '?')
})

test('networks: CIDR over both families, mapped addresses are IPv4', () => {
  const list = parseNetworkList(['192.0.2.0/24', '198.51.100.7', '2001:db8::/32', '::ffff:203.0.113.0/120'])
  for (const address of [
    '192.0.2.255',
    '198.51.100.7',
    '2001:db8:ffff::1',
    '::ffff:192.0.2.3',
    '203.0.113.9',
  ])
    assert.ok(list.has(address), address)
  for (const address of ['192.0.3.0', '198.51.100.8', '2001:db9::1', '203.0.114.9', '::c000:201', 'x', ''])
    assert.ok(!list.has(address), address)
  assert.equal(parseNetworkList([]).has('127.0.0.1'), false)
  assert.ok(parseNetworkList(['0.0.0.0/0']).has('203.0.113.1') && !parseNetworkList(['0.0.0.0/0']).has('::2'))
  for (const bad of [
    'x',
    '192.0.2.0/33',
    '192.0.2.0/',
    '192.0.2.0/-1',
    '2001:db8::/129',
    '192.0.2/24',
    '::ffff:192.0.2.0/24',
  ])
    assert.throws(() => parseNetworkList([bad]), ParseError, bad)
})

test('law: an address matches the network of each of its prefixes', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(128), (address, bits) => {
      const canonical = canonicalIp(address)
      assert.ok(canonical !== undefined)
      assert.equal(canonicalIp(canonical), canonical)
      const prefix = ipVersion(address) === 4 ? bits % 33 : bits
      assert.ok(parseNetworkList([`${canonical}/${prefix}`]).has(address))
      if (ipVersion(canonical) === 6) assert.equal(canonicalIpv6(canonical), canonical)
    }),
  )
})

test('a cursor moves only when it matches', () => {
  const cursor: Cursor = new Cursor('ab12')
  assert.ok(!cursor.take('b') && cursor.take('a'))
  assert.equal(cursor.match(/\d+/y), undefined)
  cursor.expect('b')
  assert.throws(() => cursor.expect('x'), {
    name: 'ParseError',
    offset: 2,
    message: 'expected "x" at offset 2',
  })
  assert.equal(cursor.expectMatch(/\d+/y, 'digits'), '12')
  cursor.expectEnd()
  assert.ok(cursor.done && cursor.peek() === '')
})
