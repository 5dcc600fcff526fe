// Owns routes of mail to programs over HTTP: which address of ours is sent where, and in which form.

import { tryParseMailbox } from '../base/address.ts'

import * as answers from './answers.ts'
import { type ApiRoute, defined, empty, found, json, route } from './api-route.ts'
import * as schemas from './api-schemas.ts'
import { routesMax } from './inbound-routes.ts'
import { ApiError, InvalidRequest } from './problem.ts'
import { wholeServer } from './routes-queue.ts'
import type { Services } from './services.ts'

const tag = 'Inbound routes'

export function inboundRoutes({ parts }: Services): readonly ApiRoute[] {
  const { inbound } = parts
  const params = schemas.idParams
  const checkUrl = (url: string | undefined): void => {
    const problem = url === undefined ? undefined : parts.urlProblem(url)
    if (problem !== undefined) throw new InvalidRequest([{ path: 'body.url', message: problem }])
  }
  return [
    route({
      method: 'GET',
      path: '/v1/routes',
      access: 'admin',
      tag,
      summary: 'Addresses whose mail goes to a program.',
      answers: { 200: json(answers.inboundRoutes) },
      handle({ principal }) {
        wholeServer(principal)
        return { items: inbound.list() }
      },
    }),
    route({
      method: 'POST',
      path: '/v1/routes',
      access: 'admin',
      tag,
      summary:
        'Send mail for an address of ours to a URL. The answer has the key that requests are signed with, once.',
      inputs: { body: schemas.routeAdd },
      answers: { 201: json(answers.inboundRouteCreated) },
      async handle({ body, principal, reply }) {
        wholeServer(principal)
        checkUrl(body.url)
        const { address, ...rest } = body
        const mailbox = tryParseMailbox(address)
        if (mailbox === undefined)
          throw new InvalidRequest([{ path: 'body.address', message: 'must be a mail address' }])
        if (!parts.isOurs(mailbox.domain))
          throw new InvalidRequest([
            { path: 'body.address', message: `${mailbox.domain} is not one of our domains` },
          ])
        if (inbound.list().length >= routesMax)
          throw new InvalidRequest([{ path: 'body', message: `there are ${routesMax} routes already` }])
        const made = await inbound.create(mailbox, rest)
        if (made === undefined) throw new ApiError('conflict', `${address} has a route already`)
        return reply.code(201).send(made)
      },
    }),
    route({
      method: 'PATCH',
      path: '/v1/routes/:id',
      access: 'admin',
      tag,
      summary: 'Change a route.',
      inputs: { params, body: schemas.routePatch },
      answers: { 200: json(answers.inboundRoute) },
      async handle({ params: { id }, body, principal }) {
        wholeServer(principal)
        checkUrl(body.url)
        return found(await inbound.change(id, defined(body)), `there is no route ${id}`)
      },
    }),
    route({
      method: 'DELETE',
      path: '/v1/routes/:id',
      access: 'admin',
      tag,
      summary: 'Remove a route; its mail that waits bounces.',
      inputs: { params },
      answers: { 204: empty() },
      async handle({ params: { id }, principal, reply }) {
        wholeServer(principal)
        found((await inbound.remove(id)) ? id : undefined, `there is no route ${id}`)
        return reply.code(204).send()
      },
    }),
  ]
}
