// Owns holding the process: our timers do not keep it alive, and where nothing but such a timer is left of work that a
// caller waits for, the process would end in the middle of it.

/** Until the returned function is called, the process does not end by itself. */
export function keepAlive(): () => void {
  const timer = setInterval(() => {}, 2 ** 31 - 1)
  return () => clearInterval(timer)
}
