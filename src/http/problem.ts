// Owns how an error is told over HTTP: problem documents, and which error has which status. The text is ours; the cause
// goes to the log. RFC 9457.

import type { z } from 'zod'

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
  'not-found': [404, 'Not found'],
  'method-not-allowed': [405, 'Not with this method'],
  conflict: [409, 'Conflict with what is there'],
  'too-large': [413, 'The request is too large'],
  'media-type': [415, 'The body must be JSON'],
  misdirected: [421, 'This host is not served here'],
  invalid: [422, 'The request cannot be done'],
  internal: [500, 'Our fault'],
  busy: [503, 'Not now'],
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
  return error.issues.map((issue) => ({
    path: [prefix, ...issue.path].map(String).join('.'),
    message: issue.message,
  }))
}

const byControlCode: Readonly<Record<ControlErrorCode, ProblemKind>> = {
  'not-found': 'not-found',
  conflict: 'conflict',
  invalid: 'invalid',
  busy: 'busy',
}

/** What the client is told; undefined: our fault, and the cause belongs into the log. */
export function toProblem(error: unknown): Problem | undefined {
  if (error instanceof ControlError) return problem(byControlCode[error.code], error.message)
  if (error instanceof InvalidRequest) return problem('bad-request', undefined, error.fields)
  if (error instanceof StoreFailure) {
    if (error.code === 'full') return problem('store-full', 'there is no space left for new data')
    if (error.code === 'closed') return problem('busy', 'the server is stopping')
    return problem('store-failed', 'the store could not do it; the log says why')
  }
  const status = (error as { readonly statusCode?: unknown } | null)?.statusCode
  if (status === 413) return problem('too-large')
  if (status === 415) return problem('media-type')
  // Fastify's own: JSON that does not parse, a bad path.
  if (typeof status === 'number' && status >= 400 && status < 500)
    return problem('bad-request', 'the body must be valid JSON')
  return undefined
}
