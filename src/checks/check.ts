// Owns the shape of one check of a message: what was found, how bad it is, and what to do about it.

export type CheckLevel = 'ok' | 'info' | 'warning' | 'error' | 'unknown'

export interface Check {
  /** 'text-part', 'size.clipping', 'images.alt' ... */
  readonly id: string
  readonly level: CheckLevel
  readonly title: string
  /** What to do about it. */
  readonly advice?: string
  readonly details: readonly string[]
  /** What title and details are made of, for other languages; absent where they are names and quotations alone. */
  readonly data?: CheckData
}

/** `moreCount`: details beyond those that are shown. */
export type CheckData = Readonly<Record<string, number | string | readonly string[]>>

/** So many are shown; of the others their number. */
export const detailsMax = 20
const detailCharsMax = 300

export function check(
  id: string,
  level: CheckLevel,
  title: string,
  advice?: string,
  details: readonly string[] = [],
  data: CheckData = {},
): Check {
  const shown = details.slice(0, detailsMax).map((one) => one.slice(0, detailCharsMax).toWellFormed())
  const moreCount = Math.max(0, details.length - detailsMax)
  const all = moreCount > 0 ? { ...data, moreCount } : data
  return {
    id,
    level,
    title,
    ...(advice !== undefined && { advice }),
    details: moreCount > 0 ? [...shown, `and ${moreCount} more`] : shown,
    ...(Object.keys(all).length > 0 && { data: all }),
  }
}

export const bytesText = (bytes: number): string =>
  bytes < 10_000
    ? `${bytes} bytes`
    : bytes < 1e6
      ? `${Math.round(bytes / 1000)} kB`
      : `${(bytes / 1e6).toFixed(1)} MB`
