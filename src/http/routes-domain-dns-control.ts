// Owns the routes of the control socket for domains and their keys. Whoever reaches them may do everything.

import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { InvalidRequest, toFields } from './problem.ts'
import { domainDnsQuery } from './routes-domain-dns.ts'
import type { DomainDns } from './routes-domain-dns-types.ts'
import { nothing } from './schemas.ts'

const name = z.string().min(1).max(255)
const params = z.strictObject({ name })
const selector = z.string().min(1).max(255)

/** @throws InvalidRequest */
function read<T>(schema: z.ZodType<T>, value: unknown, prefix: string): T {
  const result = schema.safeParse(value ?? {})
  if (!result.success) throw new InvalidRequest(toFields(result.error, prefix))
  return result.data
}

const nameOf = (request: FastifyRequest): string => read(params, request.params, 'path').name

export function addDomainDnsRoutes(server: FastifyInstance, app: DomainDns): void {
  server.get('/v1/domains', async () => ({ items: await app.list() }))
  server.post('/v1/domains', async (request, reply) =>
    reply.code(201).send(await app.add(read(z.strictObject({ name }), request.body, 'body').name)),
  )
  server.delete('/v1/domains/:name', async (request, reply) => {
    await app.remove(nameOf(request))
    return reply.code(204).send()
  })
  server.get('/v1/domains/:name/dns', async (request) =>
    app.view(nameOf(request), read(domainDnsQuery, request.query, 'query')),
  )
  server.get('/v1/dkim', async (request) => {
    const query = read(z.strictObject({ domain: name.optional() }), request.query, 'query')
    return { items: await app.keys(query.domain) }
  })
  server.post('/v1/domains/:name/dkim/rotate', async (request) => {
    read(nothing, request.body, 'body')
    return app.rotate(nameOf(request))
  })
  server.post('/v1/domains/:name/dkim/activate', async (request) => {
    const body = read(z.strictObject({ force: z.boolean().optional() }), request.body, 'body')
    return app.activate(nameOf(request), body.force ?? false)
  })
  server.post('/v1/domains/:name/dkim/retire', async (request) => {
    const body = read(z.strictObject({ selector }), request.body, 'body')
    return app.retire(nameOf(request), body.selector)
  })
}
