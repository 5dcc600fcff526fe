// Owns what a route of the public API is: one declaration from which the server takes method, path, permission, limits and
// checks, and /openapi.json its description. A request that does not fit is refused with every wrong field named.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'

import type { Log } from '../base/log.ts'
import type { Scope } from './api-types.ts'
import type { Principal } from './principal.ts'
import { ApiError, InvalidRequest, type ProblemField, toFields } from './problem.ts'
import { nothing } from './schemas.ts'

/** anyone: without login. known: whoever is logged in. */
export type Access = 'anyone' | 'known' | Scope

export interface Inputs {
  readonly params?: z.ZodType
  readonly query?: z.ZodType
  /** Of a JSON body. */
  readonly body?: z.ZodType
}

type Read<S> = S extends z.ZodType<infer T> ? T : undefined

export interface ApiCall<I extends Inputs = Inputs> {
  readonly params: Read<I['params']>
  readonly query: Read<I['query']>
  readonly body: Read<I['body']>
  readonly principal: Principal
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

/** What an answer is: JSON of a schema, nothing, or bytes of some media type. */
export type Answer =
  | { readonly kind: 'json'; readonly schema: z.ZodType; readonly what: string }
  | { readonly kind: 'empty'; readonly what: string }
  | { readonly kind: 'bytes'; readonly mediaType: string; readonly what: string }

export interface RouteSpec<I extends Inputs> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Fastify's form: '/v1/messages/:id'. */
  readonly path: string
  readonly access: Access
  readonly tag: string
  readonly summary: string
  readonly inputs?: I
  /** Media types besides JSON that the body may have; such a body is a Buffer in `request.body`, `call.body` is undefined. */
  readonly rawTypes?: readonly string[]
  /** A JSON body may be missing. */
  readonly bodyOptional?: boolean
  /** Default 1 MiB. */
  readonly bodyBytesMax?: number
  /** How long the answer may take; 0: as long as it wants (streams, long polls). Default 30 s. */
  readonly timeoutMs?: number
  readonly answers: Readonly<Record<number, Answer>>
  readonly handle: (call: ApiCall<I>) => unknown
}

/** A route without its types. */
export type ApiRoute = Omit<RouteSpec<Inputs>, 'handle'> & {
  readonly run: (request: FastifyRequest, reply: FastifyReply, principal: Principal) => unknown
}

const bodyBytesMax = 1024 * 1024
const timeoutMs = 30_000

export function route<I extends Inputs>(spec: RouteSpec<I>): ApiRoute {
  const { handle, ...rest } = spec
  return {
    ...rest,
    run: (request, reply, principal) => {
      const inputs = readInputs(spec, request)
      return handle({ ...inputs, principal, request, reply } as ApiCall<I>)
    },
  }
}

export const json = (schema: z.ZodType, what = 'As asked.'): Answer => ({ kind: 'json', schema, what })
export const empty = (what = 'Done.'): Answer => ({ kind: 'empty', what })
export const bytes = (mediaType: string, what: string): Answer => ({ kind: 'bytes', mediaType, what })

const isRawBody = (spec: Pick<RouteSpec<Inputs>, 'rawTypes'>, request: FastifyRequest): boolean =>
  spec.rawTypes?.includes(mediaTypeOf(request)) === true

/** Lower case, without parameters; '' where there is none. */
export const mediaTypeOf = (request: FastifyRequest): string =>
  (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''

/** All mistakes of params, query and body together. @throws InvalidRequest */
function readInputs(
  spec: Pick<RouteSpec<Inputs>, 'inputs' | 'rawTypes' | 'bodyOptional'>,
  request: FastifyRequest,
): Inputs {
  const fields: ProblemField[] = []
  const read = (schema: z.ZodType | undefined, value: unknown, prefix: string): unknown => {
    if (schema === undefined) return undefined
    const result = schema.safeParse(value ?? {})
    if (result.success) return result.data
    fields.push(...toFields(result.error, prefix))
    return undefined
  }
  const { params, query, body } = spec.inputs ?? {}
  const raw = isRawBody(spec, request)
  if (body !== undefined && !raw && spec.bodyOptional !== true && request.body === undefined)
    throw new ApiError('bad-request', 'a JSON body is needed')
  const input = {
    params: read(params, request.params, 'path'),
    query: read(query ?? nothing, request.query, 'query'),
    body: raw ? undefined : read(body, request.body, 'body'),
  }
  if (fields.length > 0) throw new InvalidRequest(fields)
  return input as Inputs
}

/** Puts the routes on the server; `permit` finds out who asks, and throws where he may not. Writes are logged with who asked. */
export function addRoutes(
  server: FastifyInstance,
  routes: readonly ApiRoute[],
  permit: (request: FastifyRequest, access: Access) => Promise<Principal>,
  log: Log,
): void {
  for (const spec of routes) {
    server.route({
      method: spec.method,
      url: spec.path,
      bodyLimit: spec.bodyBytesMax ?? bodyBytesMax,
      ...(spec.timeoutMs !== 0 && { handlerTimeout: spec.timeoutMs ?? timeoutMs }),
      // Before the body is read: who may not, sends none.
      onRequest: async (request) => {
        permitted.set(request, await permit(request, spec.access))
      },
      preValidation: async (request) => {
        const type = mediaTypeOf(request)
        if (request.body === undefined || type === 'application/json') return
        if (spec.rawTypes?.includes(type) !== true)
          throw new ApiError(
            'media-type',
            `send ${['application/json', ...(spec.rawTypes ?? [])].join(' or ')}`,
          )
      },
      ...(spec.method !== 'GET' && {
        onResponse: async (request, reply) => {
          const { name } = permitted.get(request) ?? { name: 'nobody' }
          const { method, path } = spec
          log.info(
            { who: name, method, route: path, status: reply.statusCode, address: request.ip },
            'api write',
          )
        },
      }),
      handler: async (request, reply) => {
        const principal = permitted.get(request)
        if (principal === undefined) throw new ApiError('unauthorized', 'log in first')
        return spec.run(request, reply, principal)
      },
    })
  }
}

const permitted = new WeakMap<FastifyRequest, Principal>()

/** The object without its undefined keys, as optional properties want it. */
export function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
}

export function found<T>(value: T | undefined, message: string): T {
  if (value === undefined) throw new ApiError('not-found', message)
  return value
}
