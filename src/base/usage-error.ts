// Owns the error of a caller's mistake: a value given to the library that cannot be right. It names the field.

/** You gave something that cannot be used; nothing was sent. Never temporary: the same call fails again. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly code = 'USAGE'
  readonly temporary = false
  /** Where the mistake is, as it is written in the input: `to`, `attachments[2].filename`, `headers.X-Tag`. */
  readonly field: string

  /** `problem` follows the field's name in the message: 'must be a string'. */
  constructor(field: string, problem: string, options?: ErrorOptions) {
    super(`${field}: ${problem}`, options)
    this.field = field
  }
}
