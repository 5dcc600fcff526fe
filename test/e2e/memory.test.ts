// Issue 2, section 8: messages through the server leave memory where it was; scaled to 3,000. `npm run test:memory` runs
// the 10,000.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { memoryAfter } from './support/memory.ts'
import { World } from './support/world.ts'

it('3,000 messages through the server leave memory where it was after 1,000', async (t) => {
  const [first, last] = await memoryAfter(World.for(t), [1_000, 3_000])
  const grown = (last?.bytes ?? 0) - (first?.bytes ?? 0)
  t.diagnostic(`grown by ${(grown / 1024).toFixed(0)} KiB`)
  assert.ok(grown < 1.5 * 1024 * 1024, `grown by ${grown} bytes, ${grown / 2000} a message`)
})
