// Owns real chance: unpredictable bytes from the system. `fraction` is for jitter and shuffles, not for secrets.

import { randomBytes } from 'node:crypto'
import type { Random } from '../base/random.ts'

/** A call to the system for many small answers; no octet is given twice. */
const poolBytes = 4096
const smallBytesMax = 64
let pool = Buffer.alloc(0)
let poolAt = 0

function small(count: number): Uint8Array {
  if (poolAt + count > pool.length) {
    pool = randomBytes(poolBytes)
    poolAt = 0
  }
  const bytes = Buffer.from(pool.subarray(poolAt, poolAt + count))
  pool.fill(0, poolAt, poolAt + count)
  poolAt += count
  return bytes
}

export const realRandom: Random = {
  bytes: (count) => (count <= smallBytesMax ? small(count) : randomBytes(count)),
  fraction: () => Math.random(),
}
