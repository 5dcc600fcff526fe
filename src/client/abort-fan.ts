// Owns one listener per AbortSignal however many jobs share it: a server's stop signal would otherwise gain and lose a
// listener with each message.

/** For work that nobody can stop: nobody listens to it. */
export const neverAborted: AbortSignal = new AbortController().signal
const nothing = (): void => {}

export class AbortFan {
  readonly #fans = new WeakMap<AbortSignal, Set<() => void>>()

  /**
   * Calls `run`, a function of its own for each call, when the signal is aborted, until the returned function was called.
   * Not for one already aborted.
   */
  add(signal: AbortSignal, run: () => void): () => void {
    if (signal === neverAborted) return nothing
    const runs = this.#fans.get(signal) ?? this.#listen(signal)
    runs.add(run)
    return () => void runs.delete(run)
  }

  #listen(signal: AbortSignal): Set<() => void> {
    const runs = new Set<() => void>()
    this.#fans.set(signal, runs)
    signal.addEventListener('abort', () => {
      for (const one of [...runs]) one()
    })
    return runs
  }
}
