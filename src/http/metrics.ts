// Owns metrics for Prometheus: base's Metrics, cheap to count (a number in a map, no work before a scrape), written out
// by prom-client. Text format 0.0.4.

import { collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client'

import { assert } from '../base/assert.ts'
import type { Counter, Histogram, Labels, Metrics } from '../base/metrics.ts'

export interface MetricsRegistry extends Metrics {
  readonly contentType: string
  /** The whole exposition. A gauge that cannot be read has no sample. */
  render(): Promise<string>
}

interface Sample {
  readonly value: number
  readonly labels: Record<string, string | number>
  readonly metricName?: string
}

/** What prom-client's registry asks of a metric. */
interface RawMetric {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'histogram'
  readonly aggregator: 'sum'
  get(): Promise<RawMetric & { readonly values: readonly Sample[] }>
  reset(): void
}

const separator = '\u0000'

/** The series of one metric by the values of its labels, in the order of `labelNames`; a missing label is ''. */
class SeriesMap<T> {
  readonly #labelNames: readonly string[]
  readonly #make: () => T
  readonly #byKey = new Map<string, T>()

  constructor(labelNames: readonly string[], make: () => T) {
    this.#labelNames = labelNames
    this.#make = make
    if (labelNames.length === 0) this.#byKey.set('', make())
  }

  get(labels: Labels | undefined): T {
    const names = this.#labelNames
    let key = names.length === 0 || labels === undefined ? '' : (labels[names[0] as string] ?? '')
    for (let i = 1; i < names.length; i++) key += separator + (labels?.[names[i] as string] ?? '')
    let series = this.#byKey.get(key)
    if (series === undefined) this.#byKey.set(key, (series = this.#make()))
    return series
  }

  *entries(): Iterable<readonly [Record<string, string>, T]> {
    for (const [key, series] of this.#byKey) {
      const values = key.split(separator)
      yield [Object.fromEntries(this.#labelNames.map((name, i) => [name, values[i] ?? ''])), series]
    }
  }

  clear(): void {
    this.#byKey.clear()
  }
}

interface CounterSeries {
  count: number
}

interface HistogramSeries {
  readonly counts: Float64Array
  sum: number
}

/** Metrics in a registry of its own. `processMetrics` adds memory, CPU, event loop and garbage collection of this process. */
export function createMetrics(options: { readonly processMetrics: boolean }): MetricsRegistry {
  const registry = new Registry()
  const made = new Map<string, { readonly kind: string; readonly handle: unknown }>()

  function once<T>(kind: string, name: string, make: () => T): T {
    const known = made.get(name)
    if (known !== undefined) {
      assert(known.kind === kind, `metric ${name} is a ${known.kind}, not a ${kind}`)
      return known.handle as T
    }
    const handle = make()
    made.set(name, { kind, handle })
    return handle
  }

  const register = (metric: Omit<RawMetric, 'get' | 'aggregator'>, values: () => readonly Sample[]): void => {
    const raw: RawMetric = { ...metric, aggregator: 'sum', get: async () => ({ ...raw, values: values() }) }
    registry.registerMetric(raw as unknown as Metric)
  }

  // The histogram of the loop's delay wakes up by itself: ten times a second is enough.
  if (options.processMetrics) collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 })

  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    counter: (name, help, labelNames = []) =>
      once('counter', name, (): Counter => {
        const series = new SeriesMap<CounterSeries>(labelNames, () => ({ count: 0 }))
        register({ name, help, type: 'counter', reset: () => series.clear() }, () =>
          Array.from(series.entries(), ([labels, { count }]) => ({ labels, value: count })),
        )
        const only = labelNames.length === 0 ? series.get(undefined) : undefined
        return {
          add(count, labels) {
            ;(only ?? series.get(labels)).count += count
          },
        }
      }),
    histogram: (name, help, buckets, labelNames = []) =>
      once('histogram', name, (): Histogram => {
        const bounds = Float64Array.from(buckets).sort()
        const series = new SeriesMap<HistogramSeries>(labelNames, () => ({
          counts: new Float64Array(bounds.length + 1),
          sum: 0,
        }))
        register({ name, help, type: 'histogram', reset: () => series.clear() }, () =>
          Array.from(series.entries(), ([labels, one]) => histogramSamples(name, bounds, labels, one)).flat(),
        )
        const only = labelNames.length === 0 ? series.get(undefined) : undefined
        return {
          observe(value, labels) {
            const one = only ?? series.get(labels)
            let at = 0
            while (at < bounds.length && value > (bounds[at] as number)) at++
            one.counts[at] = (one.counts[at] as number) + 1
            one.sum += value
          },
        }
      }),
    gauge: (name, help, read) =>
      once('gauge', name, () => {
        new Gauge({
          name,
          help,
          registers: [registry],
          async collect() {
            try {
              this.set(await read())
            } catch {
              this.remove()
            }
          },
        })
      }),
    gauges: (name, help, labelNames, read) =>
      once('gauges', name, () => {
        new Gauge({
          name,
          help,
          labelNames: [...labelNames],
          registers: [registry],
          collect() {
            this.reset()
            for (const { labels, value } of read()) this.set({ ...labels }, value)
          },
        })
      }),
  }
}

/** Cumulative buckets, then sum and count. */
function histogramSamples(
  name: string,
  bounds: Float64Array,
  labels: Record<string, string>,
  series: HistogramSeries,
): readonly Sample[] {
  const samples: Sample[] = []
  let total = 0
  series.counts.forEach((count, i) => {
    total += count
    const le = i < bounds.length ? (bounds[i] as number) : '+Inf'
    samples.push({ metricName: `${name}_bucket`, labels: { ...labels, le }, value: total })
  })
  samples.push({ metricName: `${name}_sum`, labels, value: series.sum })
  samples.push({ metricName: `${name}_count`, labels, value: total })
  return samples
}
