// Owns the description of the public API: OpenAPI 3.1 made from the very routes and schemas that serve, so that it cannot
// say anything else. Made once, when it is asked for first.

import { z } from 'zod'

import type { Answer, ApiRoute } from './api-route.ts'
import { csrfHeader } from './gate.ts'
import { problemMediaType } from './problem.ts'

type Json = Record<string, unknown>

export interface OpenApiInfo {
  readonly version: string
  /** Names of the answers, for `components`. */
  readonly schemas: Readonly<Record<string, unknown>>
}

const problemSchema: Json = {
  type: 'object',
  description: 'RFC 9457.',
  required: ['type', 'title', 'status'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    errors: {
      type: 'array',
      description: 'Everything that is wrong with the request.',
      items: {
        type: 'object',
        required: ['path', 'message'],
        properties: { path: { type: 'string' }, message: { type: 'string' } },
      },
    },
  },
}

export function describeApi(routes: readonly ApiRoute[], info: OpenApiInfo): Json {
  const components = new Components(info.schemas)
  const paths: Record<string, Json> = {}
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: describeRoute(route, components) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Posthouse',
      version: info.version,
      description:
        'The HTTP API of a Posthouse server. Times are epoch milliseconds, sizes bytes. Errors are problem documents (RFC 9457).',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: [...new Set(routes.map((route) => route.tag))].map((name) => ({ name })),
    security: [{ token: [] }, { session: [] }],
    paths,
    components: {
      schemas: { ...components.schemas, Problem: problemSchema },
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'A token of /v1/tokens.' },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: 'posthouse',
          description: `The cookie of POST /v1/session (__Host-posthouse over TLS). Writes carry ${csrfHeader} besides.`,
        },
      },
    },
  }
}

/** Answers by name, each written once. */
class Components {
  readonly #names = new Map<unknown, string>()
  readonly schemas: Readonly<Record<string, unknown>>

  constructor(named: Readonly<Record<string, unknown>>) {
    const registry = z.registry<{ id: string }>()
    for (const [name, schema] of Object.entries(named)) {
      if (!(schema instanceof z.ZodType)) continue
      const id = name.charAt(0).toUpperCase() + name.slice(1)
      this.#names.set(schema, id)
      registry.add(schema, { id })
    }
    const { schemas } = z.toJSONSchema(registry, {
      uri: (id) => `#/components/schemas/${id}`,
      unrepresentable: 'any',
    })
    this.schemas = Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, tidy(schema)]))
  }

  reference(schema: z.ZodType): Json {
    const name = this.#names.get(schema)
    return name === undefined ? inline(schema, 'output') : { $ref: `#/components/schemas/${name}` }
  }
}

const inline = (schema: z.ZodType, io: 'input' | 'output'): Json =>
  tidy(z.toJSONSchema(schema, { io, unrepresentable: 'any' }))

/** Without what belongs to a document of its own. */
function tidy(schema: unknown): Json {
  const { $schema: _schema, $id: _id, ...rest } = schema as Json
  return rest
}

function describeRoute(route: ApiRoute, components: Components): Json {
  const { inputs = {}, answers } = route
  const parameters = [
    ...parametersOf(inputs.params, 'path'),
    ...parametersOf(inputs.query, 'query'),
    ...(route.method === 'POST' && route.path === '/v1/messages' ? [idempotencyKey] : []),
  ]
  return {
    operationId: operationId(route),
    tags: [route.tag],
    summary: route.summary,
    ...(route.access !== 'known' &&
      route.access !== 'anyone' && { description: `Needs the scope \`${route.access}\`.` }),
    ...(route.access === 'anyone' && { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...(inputs.body !== undefined && { requestBody: requestBody(route, inputs.body) }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, answer]) => [status, describeAnswer(answer, components)]),
      ),
      default: {
        description: 'What is wrong, field by field.',
        content: { [problemMediaType]: { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  }
}

const idempotencyKey: Json = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'A repeat with the same key gets the first answer and sends nothing. Kept for a day.',
  schema: { type: 'string', maxLength: 255 },
}

/** 'getMessagesByIdHtml' */
const operationId = ({ method, path }: ApiRoute): string =>
  method.toLowerCase() +
  path
    .replace(/^\/v1/, '')
    .split(/[/.-]/)
    .filter((piece) => piece !== '')
    .map((piece) => (piece.startsWith(':') ? `By${capital(piece.slice(1))}` : capital(piece)))
    .join('')

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1)

function parametersOf(schema: z.ZodType | undefined, place: 'path' | 'query'): readonly Json[] {
  if (schema === undefined) return []
  const { properties = {}, required = [] } = inline(schema, 'input') as {
    readonly properties?: Record<string, unknown>
    readonly required?: readonly string[]
  }
  return Object.entries(properties).map(([name, one]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: one,
  }))
}

function requestBody(route: ApiRoute, body: z.ZodType): Json {
  const raw = (route.rawTypes ?? []).map((type) => [type, { schema: { type: 'string', format: 'binary' } }])
  return {
    required: route.bodyOptional !== true,
    content: { 'application/json': { schema: inline(body, 'input') }, ...Object.fromEntries(raw) },
  }
}

function describeAnswer(answer: Answer, components: Components): Json {
  switch (answer.kind) {
    case 'empty':
      return { description: answer.what }
    case 'json':
      return {
        description: answer.what,
        content: { 'application/json': { schema: components.reference(answer.schema) } },
      }
    case 'bytes':
      return {
        description: answer.what,
        content: { [answer.mediaType]: { schema: { type: 'string', format: 'binary' } } },
      }
  }
}
