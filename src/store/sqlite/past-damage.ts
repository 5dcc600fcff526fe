// Owns how a scan in key order goes on behind a damaged page: message ids are numbers in base32hex, so the first key
// behind the page is found by doubling and halving, with one look-up for each step.

import { isCorrupt } from './failure.ts'

const idLength = 20
const digits = '0123456789abcdefghijklmnopqrstuv'

function numberOf(id: string): bigint {
  let value = 0n
  for (const char of id.padEnd(idLength, '0').slice(0, idLength))
    value = value * 32n + BigInt(Math.max(0, digits.indexOf(char)))
  return value
}

const idOf = (value: bigint): string => value.toString(32).padStart(idLength, '0')
const last = numberOf('v'.repeat(idLength))

/** True when `look` gives its answer, false where it meets a damaged page. */
export function canRead(look: () => unknown): boolean {
  try {
    look()
    return true
  } catch (error) {
    if (isCorrupt(error)) return false
    throw error
  }
}

/** The smallest id above `after` from which `look` works; undefined: from none. */
export function firstReadable(after: string, look: (id: string) => unknown): string | undefined {
  const works = (value: bigint): boolean => canRead(() => look(idOf(value)))
  let low = numberOf(after)
  let step = 1n
  while (!works(low + step)) {
    low += step
    step *= 2n
    if (low + step > last) return undefined
  }
  let high = low + step
  while (high - low > 1n) {
    const middle = (low + high) / 2n
    if (works(middle)) high = middle
    else low = middle
  }
  return idOf(high)
}
