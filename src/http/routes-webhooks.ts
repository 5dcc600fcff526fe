// Owns webhooks over HTTP: make, change, test, and look after what could not be delivered. The URL's secret is shown once.

import * as answers from './answers.ts'
import { type ApiRoute, defined, empty, found, json, route } from './api-route.ts'
import * as schemas from './api-schemas.ts'
import { InvalidRequest } from './problem.ts'
import { wholeServer } from './routes-queue.ts'
import type { Services } from './services.ts'
import { webhooksMax } from './webhooks.ts'

const tag = 'Webhooks'

export function webhookRoutes({ parts, webhooks }: Services): readonly ApiRoute[] {
  const params = schemas.idParams
  const missing = (id: string): string => `there is no webhook ${id}`
  const checkUrl = (url: string | undefined): void => {
    const problem = url === undefined ? undefined : parts.urlProblem(url)
    if (problem !== undefined) throw new InvalidRequest([{ path: 'body.url', message: problem }])
  }
  return [
    route({
      method: 'GET',
      path: '/v1/webhooks',
      access: 'admin',
      tag,
      summary: 'All webhooks and where they stand.',
      answers: { 200: json(answers.webhooks) },
      async handle({ principal }) {
        wholeServer(principal)
        return { items: await webhooks.list() }
      },
    }),
    route({
      method: 'POST',
      path: '/v1/webhooks',
      access: 'admin',
      tag,
      summary:
        'Have events sent to a URL, from now on. The answer has the key that requests are signed with, once.',
      inputs: { body: schemas.webhookAdd },
      answers: { 201: json(answers.webhookCreated) },
      async handle({ body, principal, reply }) {
        wholeServer(principal)
        checkUrl(body.url)
        if (webhooks.count >= webhooksMax)
          throw new InvalidRequest([{ path: 'body', message: `there are ${webhooksMax} webhooks already` }])
        return reply.code(201).send(await webhooks.create(body))
      },
    }),
    route({
      method: 'PATCH',
      path: '/v1/webhooks/:id',
      access: 'admin',
      tag,
      summary: 'Change a webhook; a pause after failures ends.',
      inputs: { params, body: schemas.webhookPatch },
      answers: { 200: json(answers.webhook) },
      async handle({ params: { id }, body, principal }) {
        wholeServer(principal)
        checkUrl(body.url)
        return found(await webhooks.change(id, defined(body)), missing(id))
      },
    }),
    route({
      method: 'DELETE',
      path: '/v1/webhooks/:id',
      access: 'admin',
      tag,
      summary: 'Remove a webhook and what it could not deliver.',
      inputs: { params },
      answers: { 204: empty() },
      async handle({ params: { id }, principal, reply }) {
        wholeServer(principal)
        found((await webhooks.remove(id)) ? id : undefined, missing(id))
        return reply.code(204).send()
      },
    }),
    route({
      method: 'POST',
      path: '/v1/webhooks/:id/test',
      access: 'admin',
      tag,
      summary: 'Send a test event now.',
      inputs: { params },
      answers: { 200: json(answers.webhookTest) },
      async handle({ params: { id }, principal }) {
        wholeServer(principal)
        return found(await webhooks.test(id), missing(id))
      },
    }),
    route({
      method: 'GET',
      path: '/v1/webhooks/:id/dead',
      access: 'admin',
      tag,
      summary: 'Events that were given up after the last try; kept for 30 days.',
      inputs: { params },
      answers: { 200: json(answers.deadLetters) },
      async handle({ params: { id }, principal }) {
        wholeServer(principal)
        return found(await webhooks.deadLetters(id), missing(id))
      },
    }),
    route({
      method: 'POST',
      path: '/v1/webhooks/:id/dead/:seq',
      access: 'admin',
      tag,
      summary: 'Send one of them again now.',
      inputs: { params: schemas.deadParams },
      answers: { 200: json(answers.webhookTest) },
      async handle({ params: { id, seq }, principal }) {
        wholeServer(principal)
        return found(await webhooks.redeliver(id, seq), `webhook ${id} has given up no event ${seq}`)
      },
    }),
  ]
}
