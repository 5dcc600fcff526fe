// Owns the two ways to say "we are wrong": `assert` and `unreachable`. Never used for what a peer or user sent.

/** Thrown when our own code broke an invariant. Sessions end with 421, the queue and the store stop the process. */
export class AssertionFailed extends Error {
  override readonly name = 'AssertionFailed'
}

/** Throws {@link AssertionFailed} unless `condition` holds. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionFailed(message)
}

/** Closes a switch over a union: the compiler complains where a case is missing. */
export function unreachable(value: never): never {
  throw new AssertionFailed(`unreachable: ${JSON.stringify(value)}`)
}
