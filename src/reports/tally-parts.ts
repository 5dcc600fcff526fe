// Owns how the events of one domain and day lie in the store: in parts that each fit into a document, with a bound on how
// many different events there are. Pure.

import type { Tallied } from './report-kinds.ts'

/** One document. */
export interface TallyPart {
  /** In the order in which they came. */
  readonly entries: readonly Tallied[]
  /** Events that found no room; in the first part. */
  readonly droppedCount: number
}

export interface TallyChange {
  readonly parts: readonly TallyPart[]
  /** Positions in `parts` that are not in the store as they are here. */
  readonly changed: readonly number[]
}

/** JSON characters of one part; a document takes 256 KiB of UTF-8. */
const partCharsMax = 60_000
export const tallyKeyCharsMax = 500
export const tallyDataCharsMax = 2048

/** Adds `more` (and `dropped` events that have no entry) to what is there. */
export function mergeTally(
  parts: readonly TallyPart[],
  more: readonly Tallied[],
  { keysMax, dropped }: { readonly keysMax: number; readonly dropped: number },
): TallyChange {
  const lists = parts.map(({ entries }) => [...entries])
  const places = new Map<string, readonly [part: number, index: number]>()
  lists.forEach((list, part) => void list.forEach(({ key }, index) => void places.set(key, [part, index])))
  const changed = new Set<number>()
  let droppedCount = (parts[0]?.droppedCount ?? 0) + dropped
  let last = Math.max(0, lists.length - 1)
  let lastChars = lists[last]?.reduce((sum, one) => sum + charsOf(one), 0) ?? 0
  for (const one of more) {
    const place = places.get(one.key)
    if (place !== undefined) {
      const [part, index] = place
      const known = lists[part]?.[index]
      if (known === undefined) continue
      lists[part]?.splice(index, 1, { ...known, count: known.count + one.count })
      changed.add(part)
      continue
    }
    if (places.size >= keysMax || !fits(one)) {
      droppedCount += one.count
      continue
    }
    const chars = charsOf(one)
    if (lastChars > 0 && lastChars + chars > partCharsMax) {
      last++
      lastChars = 0
    }
    const list = (lists[last] ??= [])
    places.set(one.key, [last, list.length])
    list.push(one)
    lastChars += chars
    changed.add(last)
  }
  if (droppedCount !== (parts[0]?.droppedCount ?? 0)) {
    lists[0] ??= []
    changed.add(0)
  }
  return {
    parts: lists.map((entries, part) => ({ entries, droppedCount: part === 0 ? droppedCount : 0 })),
    changed: [...changed].sort((one, other) => one - other),
  }
}

const fits = ({ key, data }: Tallied): boolean =>
  key.length <= tallyKeyCharsMax && (JSON.stringify(data) ?? '').length <= tallyDataCharsMax

const charsOf = (one: Tallied): number => JSON.stringify(one).length

/** What the store gives back; undefined for what is no part of ours. */
export function readTallyPart(data: unknown): TallyPart | undefined {
  if (typeof data !== 'object' || data === null) return undefined
  const { entries, droppedCount } = data as Partial<Record<keyof TallyPart, unknown>>
  if (!Array.isArray(entries) || typeof droppedCount !== 'number') return undefined
  const read = entries.filter(
    (one: unknown): one is Tallied =>
      typeof one === 'object' &&
      one !== null &&
      typeof (one as Tallied).key === 'string' &&
      Number.isSafeInteger((one as Tallied).count),
  )
  return { entries: read, droppedCount }
}
