// Owns the proof of pieces.ts: nothing is lost or changed, and small slices do not pile up.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Pieces } from './pieces.ts'

test('what was pushed comes out, in order, whatever the sizes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 300 }),
      fc.integer({ min: 0, max: 300 }),
      (sizes, takeAt) => {
        const pieces = new Pieces()
        const pushed: Buffer[] = []
        const out: Uint8Array[] = []
        for (const [i, size] of sizes.entries()) {
          if (i === takeAt) out.push(...pieces.take())
          const bytes = Buffer.alloc(size, i)
          pushed.push(bytes)
          pieces.push(bytes)
        }
        out.push(...pieces.take())
        assert.equal(pieces.sizeBytes, 0)
        assert.ok(Buffer.concat(out).equals(Buffer.concat(pushed)))
      },
    ),
    { numRuns: 50 },
  )
})

test('a quarter of a million slices of one octet are a few thousand, large ones are not copied', () => {
  const pieces = new Pieces()
  for (let i = 0; i < 262_144; i++) pieces.push(Buffer.from([i & 255]))
  assert.ok(pieces.count <= 262_144 / 64 + 64, `${pieces.count}`)
  const large = Array.from({ length: 200 }, () => Buffer.alloc(5000))
  const kept = new Pieces()
  for (const bytes of large) kept.push(bytes)
  assert.deepEqual(kept.take(), large)
})
