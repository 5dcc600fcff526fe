// Owns real chance: unpredictable bytes from the system. `fraction` is for jitter and shuffles, not for secrets.

import { randomBytes } from 'node:crypto'
import type { Random } from '../base/random.ts'

export const realRandom: Random = {
  bytes: (count) => randomBytes(count),
  fraction: () => Math.random(),
}
