// Owns what goes wrong with an authority, as an error: its own words, its type, when it wants to be asked again; and how
// long to wait after it. Pure. RFC 8555 section 6.7, RFC 9457, RFC 9110 section 10.2.3 (Retry-After).

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

export class AcmeError extends Error {
  override readonly name = 'AcmeError'
  /** 'urn:ietf:params:acme:error:rateLimited'; undefined: the authority said nothing that can be read. */
  readonly type: string | undefined
  readonly retryAfterMs: number | undefined
  constructor(
    message: string,
    more: {
      readonly type?: string | undefined
      readonly retryAfterMs?: number | undefined
      readonly cause?: unknown
    } = {},
  ) {
    super(oneLine(message).trim(), { cause: more.cause })
    this.type = more.type === undefined ? undefined : oneLine(more.type).slice(0, typeCharsMax)
    this.retryAfterMs = more.retryAfterMs
  }
}

const textCharsMax = 2000
const typeCharsMax = 200
const prefix = 'urn:ietf:params:acme:error:'

/** A problem document in one line, word for word but for control characters: 'rateLimited: too many ...'. undefined: it is none. */
export function readProblem(
  value: unknown,
): { readonly type: string | undefined; readonly text: string } | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { type, detail, title, subproblems } = value as Record<string, unknown>
  const name = typeof type === 'string' ? type : undefined
  const words = [detail, title].find((one) => typeof one === 'string' && one !== '')
  if (name === undefined && words === undefined) return undefined
  const own = [name === undefined ? undefined : shortType(name), words].filter((one) => one !== undefined)
  // RFC 8555 section 6.7.1.
  const inner = (Array.isArray(subproblems) ? subproblems : []).slice(0, 20).flatMap((one: unknown) => {
    const read = readProblem(one)
    const { identifier } = (one ?? {}) as { identifier?: { value?: unknown } }
    return read === undefined ? [] : [`${String(identifier?.value ?? '')}: ${read.text}`]
  })
  return { type: name?.slice(0, typeCharsMax), text: oneLine([own.join(': '), ...inner].join('; ')) }
}

export const shortType = (type: string): string =>
  type.startsWith(prefix) ? type.slice(prefix.length) : type

/** It is stored with the certificate: what does not fit there would not be there when it is asked whether to wait. */
const oneLine = (text: string): string =>
  text
    .slice(0, 2 * textCharsMax)
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .slice(0, textCharsMax)

/** Milliseconds of a Retry-After field: seconds or a date. undefined: it is none. */
export function readRetryAfter(field: string | undefined, now: number): number | undefined {
  if (field === undefined) return undefined
  if (/^\d{1,9}$/.test(field)) return Number(field) * 1000
  const at = Date.parse(field)
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}

/**
 * How long to wait after so many failures in a row (from 1): what the authority asks for at least, longer where only a
 * person can help, and never so short that its limits on failed validations are met. `fraction`: chance in [0, 1).
 */
export function retryDelayMs(error: unknown, failureCount: number, fraction: number): number {
  const { type, retryAfterMs } =
    error instanceof AcmeError ? error : { type: undefined, retryAfterMs: undefined }
  const [first, most] = waits[shortType(type ?? '')] ?? [5 * minute, 6 * hour]
  const wait = Math.min(most, first * 2 ** Math.min(20, failureCount - 1)) * (0.9 + fraction * 0.2)
  return Math.min(7 * day, Math.max(wait, retryAfterMs ?? 0))
}

/** First wait and longest. */
const waits: Readonly<Record<string, readonly [number, number]>> = {
  rateLimited: [hour, day],
  // What a person has to put right.
  unauthorized: [15 * minute, day],
  dns: [15 * minute, day],
  connection: [15 * minute, day],
  incorrectResponse: [15 * minute, day],
  tls: [15 * minute, day],
  caa: [hour, day],
  rejectedIdentifier: [6 * hour, day],
  unsupportedIdentifier: [6 * hour, day],
  userActionRequired: [6 * hour, day],
  externalAccountRequired: [6 * hour, day],
  badCSR: [6 * hour, day],
  malformed: [6 * hour, day],
}
