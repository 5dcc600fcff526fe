// Owns the interface of metrics. `http` implements it over prom-client; labels come from closed sets.

export type Labels = Readonly<Record<string, string>>

export interface LabelledValue {
  readonly labels: Labels
  readonly value: number
}

export interface Counter {
  add(count: number, labels?: Labels): void
}

export interface Histogram {
  observe(value: number, labels?: Labels): void
}

export interface Metrics {
  /** Names read `posthouse_<area>_<what>_<unit>`, counters end in `_total`. Asking twice for a name gives the same one. */
  counter(name: string, help: string, labelNames?: readonly string[]): Counter
  histogram(name: string, help: string, buckets: readonly number[], labelNames?: readonly string[]): Histogram
  /** `read` is called at each scrape. */
  gauge(name: string, help: string, read: () => number | Promise<number>): void
  /** The same of several things by their labels; left out where nobody would read them. */
  gauges?(
    name: string,
    help: string,
    labelNames: readonly string[],
    read: () => readonly LabelledValue[],
  ): void
}

const nothing = { add: (): void => {}, observe: (): void => {} }

/** Metrics that nobody reads: the default of every library entry. */
export const silentMetrics: Metrics = { counter: () => nothing, histogram: () => nothing, gauge: () => {} }
