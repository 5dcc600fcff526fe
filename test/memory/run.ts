// Owns `npm run test:memory`: 10,000 messages through the server leave memory where it was (issue 2, section 8). The
// scaled one of `npm test` is in e2e/memory.test.ts.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryAfter } from '../e2e/support/memory.ts'
import { World } from '../e2e/support/world.ts'

const mib = 1024 * 1024

test('10,000 messages through the server leave memory where it was', async (t) => {
  const points = await memoryAfter(World.for(t), [2_000, 6_000, 10_000, 20_000])
  for (const { messages, bytes, rssBytes } of points)
    t.diagnostic(
      `${messages} messages: heap and external ${(bytes / mib).toFixed(1)} MiB, RSS ${(rssBytes / mib).toFixed(0)} MiB`,
    )
  const [first, , third, last] = points.map((point) => point.bytes)
  assert.ok((third ?? 0) - (first ?? 0) < 2 * mib, 'from 2,000 to 10,000')
  assert.ok((last ?? 0) - (third ?? 0) < 2 * mib, 'from 10,000 to 20,000')
})
