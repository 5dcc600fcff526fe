// Owns the argument of BDAT. A size that cannot be read is fatal to the session: what follows would be run as commands.
// RFC 3030 section 2.

export interface BdatArgument {
  readonly sizeBytes: number
  readonly last: boolean
}

/** `86 LAST`; undefined when it is no BDAT argument. Sizes beyond 2^53 - 1 are refused too. */
export function parseBdat(argument: string): BdatArgument | undefined {
  const match = /^(\d{1,16})(?: +(LAST))?$/i.exec(argument)
  if (match === null) return undefined
  const sizeBytes = Number(match[1])
  return Number.isSafeInteger(sizeBytes) ? { sizeBytes, last: match[2] !== undefined } : undefined
}
