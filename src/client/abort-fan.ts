// Owns one listener per AbortSignal however many jobs share it: a server's stop signal would otherwise gain and lose a
// listener with each message.

export class AbortFan {
  readonly #fans = new WeakMap<AbortSignal, Set<() => void>>()

  /** Calls `run` when the signal is aborted, until the returned function was called. Not for one already aborted. */
  add(signal: AbortSignal, run: () => void): () => void {
    let fan = this.#fans.get(signal)
    if (fan === undefined) {
      const made = new Set<() => void>()
      fan = made
      this.#fans.set(signal, made)
      signal.addEventListener('abort', () => {
        for (const one of [...made]) one()
      })
    }
    const runs = fan
    const entry = (): void => run()
    runs.add(entry)
    return () => void runs.delete(entry)
  }
}
