// Names in one form, their limits, and names of reverse lookups.

import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { it } from 'node:test'
import fc from 'fast-check'
import { canonicalName, reverseName } from './name.ts'

it('canonicalName makes one form of a name, and refuses what cannot be asked', () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['Example.TEST', 'example.test'],
    ['example.test.', 'example.test'],
    ['_dmarc.Example.test', '_dmarc.example.test'],
    ['.', ''],
    ['', ''],
    ['a..test', undefined],
    ['..', undefined],
    ['.test', undefined],
    ['a b.test', undefined],
    ['bücher.test', undefined],
    ['a\n.test', undefined],
    [`${'a'.repeat(63)}.test`, `${'a'.repeat(63)}.test`],
    [`${'a'.repeat(64)}.test`, undefined],
    [`${'a.'.repeat(126)}a`, `${'a.'.repeat(126)}a`],
    [`${'a.'.repeat(126)}aa`, undefined],
  ]
  for (const [text, name] of cases) assert.equal(canonicalName(text), name, JSON.stringify(text))
})

it('reverseName turns addresses around', () => {
  assert.equal(reverseName('192.0.2.1'), '1.2.0.192.in-addr.arpa')
  assert.equal(
    reverseName('2001:DB8::567:89ab'),
    'b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa', // RFC 3596 section 2.5's way
  )
  assert.equal(reverseName('::'), `${'0.'.repeat(32)}ip6.arpa`)
  assert.equal(reverseName('::ffff:192.0.2.1'), '1.2.0.192.in-addr.arpa')
  assert.equal(reverseName('mx.test'), undefined)
})

it('reverseName has 32 digits for every IPv6 address', () => {
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      if (isIP(address) !== 6 || address.includes('.')) return
      assert.match(reverseName(address) ?? '', /^(?:[0-9a-f]\.){32}ip6\.arpa$|in-addr/)
    }),
  )
})
