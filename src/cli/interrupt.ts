// Owns Ctrl-C in a command that has something under way: the first time it is asked to end well, the second time at
// once; a third one ends the process as the system has it.

export interface Interrupt {
  /** Aborted by the first signal: begin nothing new. */
  readonly gentle: AbortSignal
  /** Aborted by the second: drop what is under way. */
  readonly hard: AbortSignal
  readonly isInterrupted: boolean
  /** Takes the handlers away. */
  release(): void
}

/** Listens for SIGINT and SIGTERM until released. `told` is called at the first. */
export function watchInterrupt(told: () => void = () => {}): Interrupt {
  const gentle = new AbortController()
  const hard = new AbortController()
  const onSignal = (): void => {
    if (!gentle.signal.aborted) {
      gentle.abort()
      told()
    } else {
      hard.abort()
      release()
    }
  }
  const release = (): void => {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return {
    gentle: gentle.signal,
    hard: hard.signal,
    get isInterrupted() {
      return gentle.signal.aborted
    },
    release,
  }
}
