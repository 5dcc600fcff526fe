// Owns the little bars of the last hour in a table: delivered, deferred and failed stacked, one bar for two minutes.

import type { JSX } from 'preact'
import { text } from '../i18n/text.ts'

const barCount = 30
const height = 24
const barWidth = 3
const gap = 1

function gather(values: readonly number[]): readonly number[] {
  const size = Math.max(1, Math.ceil(values.length / barCount))
  return Array.from({ length: Math.ceil(values.length / size) }, (_, at) =>
    values.slice(at * size, (at + 1) * size).reduce((sum, value) => sum + value, 0),
  )
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

export function Sparkline(props: {
  readonly delivered: readonly number[]
  readonly deferred: readonly number[]
  readonly failed: readonly number[]
}): JSX.Element {
  const { delivered, deferred, failed } = props
  const series = [
    ['ok', gather(delivered)],
    ['warn', gather(deferred)],
    ['bad', gather(failed)],
  ] as const
  const bars = series[0][1].map((_, at) => series.reduce((total, [, values]) => total + (values[at] ?? 0), 0))
  const most = Math.max(1, ...bars)
  const width = Math.max(1, bars.length * (barWidth + gap) - gap)
  return (
    <svg
      class="sparkline"
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label={text().queue.sparkline(sum(delivered), sum(deferred), sum(failed))}
    >
      <line x1="0" y1={height - 0.5} x2={width} y2={height - 0.5} class="base" />
      {bars.map((_, at) => {
        let top = height - 1
        return series.map(([name, values]) => {
          const value = values[at] ?? 0
          if (value === 0) return null
          const tall = Math.max(1.5, (value / most) * (height - 2))
          top -= tall
          return (
            <rect
              key={`${name}${at}`}
              class={name}
              x={at * (barWidth + gap)}
              y={top}
              width={barWidth}
              height={tall}
            />
          )
        })
      })}
    </svg>
  )
}
