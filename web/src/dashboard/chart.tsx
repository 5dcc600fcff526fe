// Owns one chart over time, drawn by uPlot on a canvas in the theme's colours; its figures are there as words, too.

import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import UPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { formatDecimal, formatShortDay, formatWhen } from '../i18n/format.ts'
import { language } from '../i18n/text.ts'
import { shownTheme } from '../state.ts'

export interface ChartSeries {
  readonly name: string
  /** A colour token: 'accent' is var(--accent). */
  readonly color: string
  readonly values: readonly (number | null)[]
  readonly filled?: boolean
}

const height = 180

/** The colour that a token has right now. */
function colorOf(host: Element, token: string): string {
  const probe = document.createElement('span')
  probe.style.color = `var(--${token})`
  host.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}

const faint = (color: string): string => color.replace(/^rgb\((.*)\)$/, 'rgba($1, 0.12)')

export function Chart(props: {
  readonly at: readonly number[]
  readonly series: readonly ChartSeries[]
  readonly label: string
  readonly empty: string
  /** Each point is a whole day of UTC. */
  readonly byDay?: boolean
}): JSX.Element {
  const { at, series, label, empty, byDay = false } = props
  const when = (seconds: number): string =>
    byDay ? formatShortDay(seconds * 1000) : formatWhen(seconds * 1000, seconds * 1000)
  const host = useRef<HTMLDivElement>(null)
  const plot = useRef<UPlot | null>(null)
  const data = [at.map((ms) => ms / 1000), ...series.map(({ values }) => [...values])] as UPlot.AlignedData
  // A duration of nothing is a figure, too, where there are times without one.
  const hasData = series.some(({ values }) => {
    const hasGaps = values.includes(null)
    return values.some((value) => value !== null && (value > 0 || hasGaps))
  })
  const shape = series.map(({ name, color }) => name + color).join()
  const theme = shownTheme.value

  useEffect(() => {
    const box = host.current
    if (box === null || !hasData) return
    const [ink, line] = [colorOf(box, 'ink-3'), colorOf(box, 'line')]
    const axis = {
      stroke: ink,
      grid: { stroke: line, width: 1 },
      ticks: { show: false },
      font: `11px ${getComputedStyle(box).fontFamily}`,
    }
    const made = new UPlot(
      {
        width: box.clientWidth,
        height,
        padding: [8, 12, 0, 0],
        cursor: { y: false, points: { size: 6 } },
        legend: { live: true },
        scales: { y: { range: (_plot, _min, max) => [0, Math.max(1e-3, max) * 1.1] } },
        axes: [
          {
            ...axis,
            space: 70,
            size: 30,
            values: (_plot, ticks) => ticks.map(when),
          },
          {
            ...axis,
            size: 44,
            values: (_plot, ticks) => ticks.map((tick) => formatDecimal(tick, tick < 1 ? 2 : 1)),
          },
        ],
        series: [
          {
            label: '',
            value: (_plot, value) => (value === null ? '' : when(value)),
          },
          ...series.map(({ name, color, filled }) => {
            const stroke = colorOf(box, color)
            return {
              label: name,
              stroke,
              width: 1.75,
              points: { show: false },
              ...(filled === true && { fill: faint(stroke) }),
              value: (_plot: UPlot, value: number | null) => (value === null ? '–' : formatDecimal(value, 2)),
            }
          }),
        ],
      },
      data,
      box,
    )
    plot.current = made
    const observer = new ResizeObserver(() => made.setSize({ width: box.clientWidth, height }))
    observer.observe(box)
    return () => {
      observer.disconnect()
      made.destroy()
      plot.current = null
    }
  }, [hasData, shape, theme, language.value])

  useEffect(() => {
    plot.current?.setData(data)
  })

  return (
    <div class="chart" role="img" aria-label={`${label}. ${summary(series)}`}>
      {hasData ? <div ref={host} /> : <p class="muted chart-empty">{empty}</p>}
    </div>
  )
}

const summary = (series: readonly ChartSeries[]): string =>
  series
    .map(
      ({ name, values }) => `${name}: ${formatDecimal(values.findLast((value) => value !== null) ?? 0, 2)}`,
    )
    .join(', ')
