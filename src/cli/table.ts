// Owns tables: columns that line up and fit the terminal. Cells are made harmless here.

import { type Colours, cut, pad, plain, textWidth } from './text.ts'

export interface Column<T> {
  readonly title: string
  readonly cell: (row: T) => string
  readonly right?: boolean
  /** May be cut down to this many columns where the terminal is narrow; absent: never cut. */
  readonly least?: number
  /** Left out where the terminal is too narrow for all, lowest first; absent: always there. */
  readonly drop?: number
  readonly colour?: (row: T) => ((text: string) => string) | undefined
}

const gap = 2

/** Lines without line ends. `width` undefined (a pipe): nothing is cut. */
export function formatTable<T>(
  rows: readonly T[],
  allColumns: readonly Column<T>[],
  options: { readonly width: number | undefined; readonly colours: Colours },
): readonly string[] {
  const columns = options.width === undefined ? allColumns : dropColumns(rows, allColumns, options.width)
  const cells = rows.map((row) => columns.map((column) => plain(column.cell(row))))
  const widths = columns.map((column, i) =>
    Math.max(textWidth(column.title), ...cells.map((line) => textWidth(line[i] ?? ''))),
  )
  if (options.width !== undefined) shrink(widths, columns, options.width)
  const last = columns.length - 1
  const line = (texts: readonly string[], paint: (text: string, i: number) => string): string =>
    texts
      .map((text, i) => {
        const width = widths[i] ?? 0
        const fitted = cut(text, width)
        return paint(
          i === last && columns[i]?.right !== true ? fitted : pad(fitted, width, columns[i]?.right),
          i,
        )
      })
      .join(' '.repeat(gap))
      .trimEnd()
  const head = line(
    columns.map(({ title }) => title),
    (text) => options.colours.dim(text),
  )
  const body = rows.map((row, r) =>
    line(cells[r] ?? [], (text, i) => columns[i]?.colour?.(row)?.(text) ?? text),
  )
  return [head, ...body]
}

function dropColumns<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  width: number,
): readonly Column<T>[] {
  const least = columns.map((column) => {
    const natural = Math.max(
      textWidth(column.title),
      ...rows.map((row) => textWidth(plain(column.cell(row)))),
    )
    return column.least === undefined
      ? natural
      : Math.min(natural, Math.max(column.least, textWidth(column.title)))
  })
  const kept = new Set(columns.keys())
  const sum = (): number => [...kept].reduce((total, i) => total + (least[i] ?? 0) + gap, -gap)
  while (sum() > width) {
    const next = [...kept]
      .filter((i) => columns[i]?.drop !== undefined)
      .sort((a, b) => (columns[a]?.drop ?? 0) - (columns[b]?.drop ?? 0))[0]
    if (next === undefined) break
    kept.delete(next)
  }
  return columns.filter((_column, i) => kept.has(i))
}

/** Takes from the widest column that may be cut until all fit. */
function shrink<T>(widths: number[], columns: readonly Column<T>[], width: number): void {
  let excess = widths.reduce((sum, one) => sum + one, 0) + gap * (widths.length - 1) - width
  while (excess > 0) {
    let widest = -1
    columns.forEach(({ least }, i) => {
      const room = least === undefined ? 0 : (widths[i] ?? 0) - Math.max(least, 1)
      if (room > 0 && (widest === -1 || (widths[i] ?? 0) > (widths[widest] ?? 0))) widest = i
    })
    if (widest === -1) return
    widths[widest] = (widths[widest] ?? 0) - 1
    excess--
  }
}

/** 'Label   value' lines; pairs without a value are left out. */
export function formatPairs(
  pairs: readonly (readonly [label: string, value: string | undefined])[],
  options: { readonly colours: Colours },
): readonly string[] {
  const shown = pairs.filter((pair): pair is readonly [string, string] => pair[1] !== undefined)
  const width = Math.max(0, ...shown.map(([label]) => textWidth(label)))
  return shown.map(([label, value]) => `${options.colours.dim(pad(label, width))}  ${value}`)
}
