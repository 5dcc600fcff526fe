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
}

const detailsMax = 20
const detailCharsMax = 300

export function check(
  id: string,
  level: CheckLevel,
  title: string,
  advice?: string,
  details: readonly string[] = [],
): Check {
  const shown = details.slice(0, detailsMax).map((one) => one.slice(0, detailCharsMax).toWellFormed())
  const more = details.length > detailsMax ? [`and ${details.length - detailsMax} more`] : []
  return { id, level, title, ...(advice !== undefined && { advice }), details: [...shown, ...more] }
}

export const bytesText = (bytes: number): string =>
  bytes < 10_000
    ? `${bytes} bytes`
    : bytes < 1e6
      ? `${Math.round(bytes / 1000)} kB`
      : `${(bytes / 1e6).toFixed(1)} MB`
