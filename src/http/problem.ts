// Owns how an error is told over HTTP: problem documents, and which error has which status. The text is ours; the cause
// goes to the log. RFC 9457.

import type { z } from 'zod'

import { UsageError } from '../base/usage-error.ts'
import { StoreFailure } from '../queue/store.ts'

import { ControlError, type ControlErrorCode } from './control-api.ts'

export interface ProblemField {
  /** 'filter.ids[0]' */
  readonly path: string
  readonly message: string
}

/** RFC 9457 section 3. `type` is a URN: the documents are not on the web. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail?: string
  /** Everything that is wrong with the request. */
  readonly errors?: readonly ProblemField[]
}

export const problemMediaType = 'application/problem+json'

const titles = {
  'bad-request': [400, 'The request is not valid'],
  unauthorized: [401, 'Log in, or send a token'],
  forbidden: [403, 'Not allowed'],
  'not-found': [404, 'Not found'],
  'method-not-allowed': [405, 'Not with this method'],
  conflict: [409, 'Conflict with what is there'],
  'too-large': [413, 'The request is too large'],
  'media-type': [415, 'The body has a type that is not taken here'],
  range: [416, 'There are no such bytes'],
  misdirected: [421, 'This host is not served here'],
  invalid: [422, 'The request cannot be done'],
  throttled: [429, 'Too many requests'],
  internal: [500, 'Our fault'],
  busy: [503, 'Not now'],
  'timed-out': [503, 'It took too long'],
  'store-failed': [503, 'The store failed'],
  'store-full': [507, 'The disk is full'],
} as const
export type ProblemKind = keyof typeof titles

export function problem(kind: ProblemKind, detail?: string, errors?: readonly ProblemField[]): Problem {
  const [status, title] = titles[kind]
  return {
    type: `urn:posthouse:problem:${kind}`,
    title,
    status,
    ...(detail !== undefined && { detail }),
    ...(errors !== undefined && { errors }),
  }
}

/** A request that is refused; `detail` is a sentence for the person who asked. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly kind: ProblemKind
  readonly fields: readonly ProblemField[] | undefined
  /** Seconds after which it may be tried again, where that is known. */
  readonly retryAfterSeconds: number | undefined
  constructor(
    kind: ProblemKind,
    detail: string,
    more: { readonly fields?: readonly ProblemField[]; readonly retryAfterSeconds?: number } = {},
  ) {
    super(detail)
    this.kind = kind
    this.fields = more.fields
    this.retryAfterSeconds = more.retryAfterSeconds
  }
}

/** The request does not fit its schema. */
export class InvalidRequest extends Error {
  override readonly name = 'InvalidRequest'
  readonly fields: readonly ProblemField[]
  constructor(fields: readonly ProblemField[]) {
    super('the request does not fit its schema')
    this.fields = fields
  }
}

export function toFields(error: z.ZodError, prefix: string): readonly ProblemField[] {
  const field = (path: readonly PropertyKey[], message: string): ProblemField => ({
    path: [prefix, ...path].map(String).join('.'),
    message,
  })
  return error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.slice(0, 20).map((key) => field([...issue.path, key.slice(0, 100)], 'is not known here'))
      : [field(issue.path, issue.message)],
  )
}

const notACursor = 'not a cursor of this list'

const byControlCode: Readonly<Record<ControlErrorCode, ProblemKind>> = {
  'not-found': 'not-found',
  conflict: 'conflict',
  invalid: 'invalid',
  busy: 'busy',
}

/** What the client is told; undefined: our fault, and the cause belongs into the log. */
export function toProblem(error: unknown): Problem | undefined {
  if (error instanceof ApiError) return problem(error.kind, error.message, error.fields)
  if (error instanceof UsageError)
    return problem('bad-request', undefined, [{ path: error.field, message: error.message }])
  if (error instanceof ControlError) return problem(byControlCode[error.code], error.message)
  if (error instanceof InvalidRequest) return problem('bad-request', undefined, error.fields)
  if (error instanceof StoreFailure) {
    // The one failure of a store that is the caller's: a cursor is opaque to us, and the store alone knows its own.
    if (error.message === notACursor)
      return problem('bad-request', undefined, [{ path: 'query.cursor', message: error.message }])
    if (error.code === 'full') return problem('store-full', 'there is no space left for new data')
    if (error.code === 'closed') return problem('busy', 'the server is stopping')
    return problem('store-failed', 'the store could not do it; the log says why')
  }
  const status = (error as { readonly statusCode?: unknown } | null)?.statusCode
  const code = (error as { readonly code?: unknown } | null)?.code
  if (code === 'FST_ERR_HANDLER_TIMEOUT') return problem('timed-out', 'ask for less, or later')
  if (status === 413) return problem('too-large')
  if (status === 415) return problem('media-type')
  // Fastify's own: JSON that does not parse, a bad path.
  if (typeof status === 'number' && status >= 400 && status < 500)
    return problem('bad-request', 'the body must be valid JSON')
  return undefined
}
