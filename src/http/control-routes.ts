// Owns the routes of the control API, version 1: paths, schemas and which question of ControlApi each one asks.
// Whoever reaches these routes may do everything: they are only served on the control socket.

import { Readable } from 'node:stream'

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'

import type { BodyReader } from '../queue/transport.ts'

import { type ControlApi, ControlError } from './control-api.ts'
import { localSubmissionType } from './local-submission.ts'
import { readLocalSubmission, SubmissionFormatError } from './local-submission-reader.ts'
import { InvalidRequest, toFields } from './problem.ts'
import * as schemas from './schemas.ts'

interface Inputs {
  readonly params?: z.ZodType
  readonly query?: z.ZodType
  readonly body?: z.ZodType
}

type Read<S> = S extends z.ZodType<infer T> ? T : undefined

interface Route<I extends Inputs> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly url: string
  readonly inputs: I
  readonly handle: (
    input: {
      readonly params: Read<I['params']>
      readonly query: Read<I['query']>
      readonly body: Read<I['body']>
    },
    reply: FastifyReply,
  ) => unknown
}

/** All mistakes of params, query and body together. @throws InvalidRequest */
function readInputs<I extends Inputs>(inputs: I, request: FastifyRequest): Parameters<Route<I>['handle']>[0] {
  const fields: { path: string; message: string }[] = []
  const read = (schema: z.ZodType | undefined, value: unknown, prefix: string): unknown => {
    if (schema === undefined) return undefined
    const result = schema.safeParse(value ?? {})
    if (result.success) return result.data
    fields.push(...toFields(result.error, prefix))
    return undefined
  }
  const input = {
    params: read(inputs.params, request.params, 'path'),
    query: read(inputs.query ?? schemas.nothing, request.query, 'query'),
    body: read(inputs.body, request.body, 'body'),
  }
  if (fields.length > 0) throw new InvalidRequest(fields)
  return input as Parameters<Route<I>['handle']>[0]
}

export function addControlRoutes(server: FastifyInstance, app: ControlApi): void {
  function route<I extends Inputs>(
    method: Route<I>['method'],
    url: string,
    inputs: I,
    handle: Route<I>['handle'],
  ): void {
    server.route({
      method,
      url,
      handler: async (request, reply) => handle(readInputs(inputs, request), reply),
    })
  }

  route('GET', '/v1/status', {}, () => app.status())
  route('GET', '/v1/health', {}, () => app.health())
  route('POST', '/v1/stop', {}, (_input, reply) => {
    app.stop()
    return reply.code(202).send({ stopping: true })
  })

  // The body streams: its limits are those of the message, which the application knows.
  server.addContentTypeParser(localSubmissionType, (_request, payload, done) => done(null, payload))
  server.post('/v1/submissions', { bodyLimit: Number.MAX_SAFE_INTEGER }, async (request, reply) => {
    const body = request.body
    if (!(body instanceof Readable))
      throw new ControlError('invalid', `the body must be ${localSubmissionType}`)
    try {
      // A stream that is left early would close the connection, and the answer with it.
      const { submission, message } = await readLocalSubmission(body.iterator({ destroyOnReturn: false }))
      return reply.code(201).send(await app.submit(submission, message))
    } catch (error) {
      await drained(body)
      if (error instanceof SubmissionFormatError) throw new ControlError('invalid', error.message)
      throw error
    }
  })

  route('GET', '/v1/queue', { query: schemas.queueQuery }, ({ query }) => app.queueList(defined(query)))
  route('GET', '/v1/queue/stats', {}, () => app.queueStats())
  route('POST', '/v1/queue/actions', { body: schemas.queueAct }, ({ body }) =>
    app.queueAct(body.act, defined(body.filter)),
  )

  route('GET', '/v1/messages', { query: schemas.messagesQuery }, ({ query }) =>
    app.recentMessages(query.limit, query.cursor),
  )
  route('GET', '/v1/messages/:id', { params: schemas.messageParams }, async ({ params }) =>
    found(await app.messageReport(params.id), `no message ${params.id} is known`),
  )
  route('GET', '/v1/messages/:id/raw', { params: schemas.messageParams }, async ({ params }, reply) =>
    sendBody(reply, '', found(await app.messageOpen(params.id), `no body of message ${params.id} is kept`)),
  )

  route('GET', '/v1/mail', { query: schemas.mailQuery }, ({ query }) => app.mailList(defined(query)))
  route('GET', '/v1/mail/search', { query: schemas.mailSearch }, ({ query: { q, ...query } }) =>
    app.mailSearch(q, defined(query)),
  )
  route('GET', '/v1/mail/raw', { query: schemas.mailWhich }, async ({ query }, reply) => {
    const { item, prefix, body } = found(await app.mailOpen(query), 'no such mail')
    reply.header('posthouse-mail', encodeURIComponent(JSON.stringify(item)))
    return sendBody(reply, prefix, body)
  })
  route('POST', '/v1/mail/delete', { body: schemas.mailDelete }, async ({ body }) => ({
    count: await app.mailDelete(body.which),
  }))

  route('GET', '/v1/accounts', {}, async () => ({ items: await app.accountList() }))
  route('POST', '/v1/accounts', { body: schemas.accountAdd }, async ({ body }, reply) =>
    reply.code(201).send(await app.accountAdd(body.name, body.password)),
  )
  route(
    'PUT',
    '/v1/accounts/:name/password',
    { params: schemas.accountParams, body: schemas.accountPassword },
    ({ params, body }) => app.accountSetPassword(params.name, body.password),
  )
  route(
    'PATCH',
    '/v1/accounts/:name',
    { params: schemas.accountParams, body: schemas.accountPatch },
    async ({ params, body }, reply) => {
      await app.accountSetEnabled(params.name, body.enabled)
      return reply.code(204).send()
    },
  )
  route('DELETE', '/v1/accounts/:name', { params: schemas.accountParams }, async ({ params }, reply) => {
    await app.accountDelete(params.name)
    return reply.code(204).send()
  })
}

/** Reads what is left and drops it: a client that is still writing sees no answer before it is done. Never rejects. */
async function drained(body: Readable): Promise<void> {
  if (body.readableEnded || body.destroyed) return
  try {
    for await (const _chunk of body.iterator({ destroyOnReturn: false }));
  } catch {
    // The client is gone: nobody waits for the answer.
  }
}

function found<T>(value: T | undefined, message: string): T {
  if (value === undefined) throw new ControlError('not-found', message)
  return value
}

/** The object without its undefined keys, as optional properties want it. */
function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
}

/** As it is stored, bytes for bytes. */
function sendBody(reply: FastifyReply, prefix: string, body: BodyReader): FastifyReply {
  reply.type('message/rfc822')
  const head = Buffer.from(prefix)
  const whole = body.bytes()
  if (whole !== undefined) return reply.send(Buffer.concat([head, whole]))
  const gone = new AbortController()
  reply.raw.on('close', () => gone.abort())
  reply.header('content-length', head.length + body.sizeBytes)
  return reply.send(Readable.from(chunks(head, body, gone.signal), { objectMode: false }))
}

async function* chunks(head: Buffer, body: BodyReader, signal: AbortSignal): AsyncIterable<Uint8Array> {
  if (head.length > 0) yield head
  yield* body.stream(signal)
}
