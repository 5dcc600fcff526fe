// Owns sizes as people write them ('50MiB', '10MB', '4096') and bytes. Refuses negative ones and half bytes.

import { Cursor } from './cursor.ts'

const unitBytes = new Map<string, number>([
  ['', 1],
  ['b', 1],
  ['kb', 1e3],
  ['mb', 1e6],
  ['gb', 1e9],
  ['tb', 1e12],
  ['k', 2 ** 10],
  ['m', 2 ** 20],
  ['g', 2 ** 30],
  ['t', 2 ** 40],
  ['kib', 2 ** 10],
  ['mib', 2 ** 20],
  ['gib', 2 ** 30],
  ['tib', 2 ** 40],
])

/**
 * '50MiB', '1.5GiB', '10MB' (millions), '64K' (1024s), '4096'; any case, a space before the unit is allowed. Returns bytes.
 * @throws ParseError
 */
export function parseSize(text: string): number {
  const cursor: Cursor = new Cursor(text)
  const count = Number(cursor.expectMatch(/\d{1,15}(?:\.\d{1,3})?/y, "a number, as in '50MiB'"))
  cursor.take(' ')
  const at = cursor.at
  const unit = unitBytes.get((cursor.match(/[A-Za-z]*/y) ?? '').toLowerCase())
  if (unit === undefined) cursor.fail('a unit: KiB, MiB, GiB, TiB, kB, MB, GB, TB or none', 'syntax', at)
  cursor.expectEnd()
  const bytes = count * unit
  if (!Number.isSafeInteger(Math.ceil(bytes))) cursor.fail('a smaller size', 'length', 0)
  return Math.floor(bytes)
}

const steps = [
  ['TiB', 2 ** 40],
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
] as const

/** For people: '50MiB', '1.2GiB', '812B'; exact where it is a whole number of units, else one decimal. */
export function formatSize(bytes: number): string {
  for (const [name, size] of steps) if (bytes >= size) return `${Math.round((bytes / size) * 10) / 10}${name}`
  return `${bytes}B`
}
