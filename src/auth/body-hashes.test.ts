// Canonical bodies against a slow reference and the tables of RFC 6376 section 3.4.5, at every cut; lines and limits.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { BodyHashes, type Canonicalization } from './body-hashes.ts'

/** What RFC 6376 sections 3.4.3 and 3.4.4 say, word for word, on the whole body. */
function reference(body: string, form: Canonicalization): string {
  let text = body
  if (form === 'relaxed')
    text = text
      .split('\r\n')
      .map((line) => line.replace(/[ \t]+/g, ' ').replace(/ $/, ''))
      .join('\r\n')
  while (text.endsWith('\r\n')) text = text.slice(0, -2)
  if (text === '') return form === 'simple' ? '\r\n' : ''
  return `${text}\r\n`
}

const sha256 = (text: string): string => createHash('sha256').update(text, 'latin1').digest('hex')

function digests(pieces: readonly Uint8Array[], length?: number): readonly string[] {
  const bodies = new BodyHashes()
  const wanted = (['simple', 'relaxed'] as const).map((canonicalization) =>
    bodies.request({ hash: 'sha256', canonicalization, length }),
  )
  for (const piece of pieces) {
    // What was pushed may be written over.
    const copy = Uint8Array.from(piece)
    bodies.push(copy)
    copy.fill(0x58)
  }
  bodies.end()
  return wanted.map((one) => one.digest?.toString('hex') ?? '')
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const both = (text: string): readonly string[] => [
  sha256(reference(text, 'simple')),
  sha256(reference(text, 'relaxed')),
]

test('dkim body: the examples of RFC 6376', () => {
  // Section 3.4.5.
  assert.equal(reference(' C \r\nD \t E\r\n\r\n\r\n', 'relaxed'), ' C\r\nD E\r\n')
  assert.equal(reference(' C \r\nD \t E\r\n\r\n\r\n', 'simple'), ' C \r\nD \t E\r\n')
  assert.deepEqual(digests([bytes(' C \r\nD \t E\r\n\r\n\r\n')]), both(' C \r\nD \t E\r\n\r\n\r\n'))
  // Sections 3.4.3 and 3.4.4 give the hashes of an empty body.
  const [simple, relaxed] = digests([])
  assert.equal(
    Buffer.from(simple ?? '', 'hex').toString('base64'),
    'frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=',
  )
  assert.equal(
    Buffer.from(relaxed ?? '', 'hex').toString('base64'),
    '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
  )
})

const alphabet = fc
  .array(fc.constantFrom('\r\n', '\r\n', '\r\n', ' ', '\t', '\r', '\n', 'a', 'bc', '.', ' \r\n', '  '), {
    maxLength: 40,
  })
  .map((parts) => parts.join(''))

test('dkim body: any body, cut anywhere, hashes as the reference', () => {
  fc.assert(
    fc.property(alphabet, fc.array(fc.nat(80), { maxLength: 12 }), (body, places) => {
      const all = bytes(body)
      const cuts = [...new Set([0, ...places.filter((at) => at < all.length), all.length])].sort(
        (a, b) => a - b,
      )
      const pieces = cuts.slice(1).map((end, i) => all.subarray(cuts[i], end))
      assert.deepEqual(digests(pieces), both(body))
    }),
    { numRuns: 3000 },
  )
})

test('dkim body: every body of six octets out of CR, LF, SP and a letter, octet by octet', () => {
  const letters = ['\r', '\n', ' ', 'a']
  for (let number = 0; number < 4 ** 6; number++) {
    let body = ''
    for (let rest = number, i = 0; i < 6; i++, rest = Math.floor(rest / 4)) body += letters[rest % 4]
    assert.deepEqual(digests([...body].map(bytes)), both(body), JSON.stringify(body))
  }
})

test('dkim body: large pieces and long runs of empty lines', () => {
  const body = `${'x  y \t\r\n'.repeat(30_000)}${'\r\n'.repeat(40_000)}end${'\r\n'.repeat(20_000)}`
  const all = bytes(body)
  assert.deepEqual(digests([all]), both(body))
  assert.deepEqual(
    digests([all.subarray(0, 65_537), all.subarray(65_537, 200_001), all.subarray(200_001)]),
    both(body),
  )
})

test('dkim body: l= hashes so many octets of the canonical body, and all of them are counted', () => {
  const body = 'one  two \r\nthree\r\n\r\n'
  for (let length = 0; length < 30; length++) {
    const bodies = new BodyHashes()
    const one = bodies.request({ hash: 'sha256', canonicalization: 'relaxed', length })
    const all = bodies.request({ hash: 'sha256', canonicalization: 'relaxed' })
    for (const octet of bytes(body)) bodies.push(Uint8Array.of(octet))
    bodies.end()
    const canonical = reference(body, 'relaxed')
    assert.equal(one.digest?.toString('hex'), sha256(canonical.slice(0, length)))
    assert.equal(one.hashedBytes, Math.min(length, canonical.length))
    assert.equal(one.canonicalBytes, canonical.length)
    assert.equal(all.digest?.toString('hex'), sha256(canonical))
  }
})

test('dkim body: equal requests are one hash', () => {
  const bodies = new BodyHashes()
  const ask = (length?: number) => bodies.request({ hash: 'sha256', canonicalization: 'simple', length })
  assert.equal(ask(), ask())
  assert.notEqual(ask(), ask(3))
})
