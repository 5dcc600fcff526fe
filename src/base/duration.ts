// Owns durations as people write them ('30s', '5d', '1h30m') and milliseconds. Refuses negative and fractional ones.

import { Cursor } from './cursor.ts'

const units = [
  ['w', 604_800_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const

const unitMs = new Map<string, number>(units)

/**
 * '500ms', '30s', '90m', '1h30m', '5d', '2w', and '0'; larger units first, each at most once. Returns milliseconds.
 * @throws ParseError
 */
export function parseDuration(text: string): number {
  if (text === '0') return 0
  const cursor: Cursor = new Cursor(text)
  let totalMs = 0
  let lastMs = Number.POSITIVE_INFINITY
  do {
    const count = Number(cursor.expectMatch(/\d{1,12}/y, "a number, as in '30s' or '1h30m'"))
    const at = cursor.at
    const ms = unitMs.get(cursor.match(/[a-z]+/y) ?? '')
    if (ms === undefined || ms >= lastMs) cursor.fail('a unit: w, d, h, m, s or ms', 'syntax', at)
    lastMs = ms
    totalMs += count * ms
    if (!Number.isSafeInteger(totalMs)) cursor.fail('a shorter duration', 'length', 0)
  } while (!cursor.done)
  return totalMs
}

/** The shortest text that {@link parseDuration} reads as `ms` (rounded to whole milliseconds; negative is 0). */
export function formatDuration(ms: number): string {
  let rest = Math.max(0, Math.round(ms))
  if (rest === 0) return '0s'
  let text = ''
  for (const [name, size] of units) {
    // Weeks only where they are the whole: '5d' and '14d2h' read better than '2w2h'.
    if (name === 'w' && rest % size !== 0) continue
    const count = Math.floor(rest / size)
    if (count > 0) text += `${count}${name}`
    rest -= count * size
  }
  return text
}
