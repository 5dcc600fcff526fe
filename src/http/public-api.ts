// Owns the public API as a whole: all routes, their description, the streams that are open, and what every answer carries.
// It is put on the public listener by server.ts; the control socket has routes of its own.

import type { FastifyInstance } from 'fastify'

import * as answers from './answers.ts'
import * as faultAnswers from './answers-faults.ts'
import type { ApiParts } from './api-parts.ts'
import { type ApiRoute, addRoutes } from './api-route.ts'
import { addConsole, type ConsoleFile } from './console-files.ts'
import { docsPage, docsPolicy } from './docs-page.ts'
import type { EventStream } from './events-stream.ts'
import { describeApi } from './openapi.ts'
import { adminRoutes } from './routes-admin.ts'
import { certificateRoutes } from './routes-certificates.ts'
import { domainDnsRoutes } from './routes-domain-dns.ts'
import { eventRoutes } from './routes-events.ts'
import { faultRoutes } from './routes-faults.ts'
import { inboundRoutes } from './routes-inbound.ts'
import { mailRoutes } from './routes-mail.ts'
import { mailpitRoutes } from './routes-mailpit.ts'
import { messageRoutes } from './routes-message.ts'
import { queueRoutes } from './routes-queue.ts'
import { postedReportTypes, reportRoutes } from './routes-reports.ts'
import { dmarcReportRoutes } from './routes-reports-dmarc.ts'
import { sendRoutes } from './routes-send.ts'
import { sessionRoutes } from './routes-session.ts'
import { webhookRoutes } from './routes-webhooks.ts'
import { createServices, type Services } from './services.ts'

export interface PublicApi {
  readonly routes: readonly ApiRoute[]
  /** Once, before the first request. */
  start(): Promise<void>
  /** Puts everything on a server; more than once where there are several addresses. */
  mount(server: FastifyInstance): void
  /** Forgets entries of the feed that nobody comes back for, and documents whose time is over; to be called every minute. */
  prune(): Promise<void>
  /** Ends streams, long polls and webhooks, so that the servers and the store can close. */
  close(): Promise<void>
}

/** For browsers that come back: they resume where they were. */
const feedKeepRows = 20_000
/** A webhook that is not reached for so long misses what came before. */
const feedKeepMs = 7 * 24 * 3_600_000
const pruneRowsMax = 5_000

export function createPublicApi(parts: ApiParts, files: readonly ConsoleFile[] = []): PublicApi {
  const services = createServices(parts)
  const streams = new Set<EventStream>()
  const routes = allRoutes(services, streams)
  let described: ReturnType<typeof describeApi> | undefined
  const describe = (): ReturnType<typeof describeApi> =>
    (described ??= describeApi(routes, {
      version: parts.options.version,
      schemas: { ...answers, ...faultAnswers },
    }))
  return {
    routes,
    async start() {
      await services.hub.start()
      await services.webhooks.start()
    },
    async prune() {
      const { store, clock } = parts
      const head = await store.feedHead()
      const done = Math.min(head, services.webhooks.doneSeq ?? head)
      const before = clock.now() - feedKeepMs
      await store.feedPrune({ throughSeq: Math.max(0, done - feedKeepRows), before, max: pruneRowsMax })
      await store.documentPrune(clock.now(), pruneRowsMax)
    },
    mount(server) {
      secureAnswers(server)
      const parseJson = server.getDefaultJsonParser('error', 'error')
      server.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
        // Clients send the type with a body that is not there; what needs one says so itself.
        if (body.length === 0) done(null, undefined)
        else parseJson(request, body.toString(), done)
      })
      server.addContentTypeParser(
        ['message/rfc822', 'message/global', 'text/plain', 'application/octet-stream', ...postedReportTypes],
        { parseAs: 'buffer' },
        (_request, body, done) => done(null, body),
      )
      addRoutes(server, routes, (request, access) => services.gate.permit(request, access), parts.log)
      // What the API is stands in the package, too: no secret.
      server.get('/openapi.json', async () => describe())
      server.get('/docs', async (_request, reply) =>
        reply
          .header('content-security-policy', docsPolicy)
          .type('text/html; charset=utf-8')
          .send(docsPage(describe())),
      )
      addConsole(server, files)
    },
    async close() {
      for (const stream of [...streams]) stream.close()
      services.hub.close()
      await services.webhooks.stop()
    },
  }
}

function allRoutes(services: Services, streams: Set<EventStream>): readonly ApiRoute[] {
  return [
    ...sessionRoutes(services),
    ...mailRoutes(services),
    ...messageRoutes(services),
    ...sendRoutes(services),
    ...queueRoutes(services),
    ...adminRoutes(services),
    ...domainDnsRoutes(services),
    ...certificateRoutes(services),
    ...reportRoutes(services),
    ...dmarcReportRoutes(services),
    ...faultRoutes(services),
    ...webhookRoutes(services),
    ...inboundRoutes(services),
    ...mailpitRoutes(services),
    ...eventRoutes(services, streams),
  ]
}

/** For all that is not a page: nothing in it runs, is guessed, framed, kept by caches or read by other sites. */
function secureAnswers(server: FastifyInstance): void {
  server.addHook('onRequest', async (_request, reply) => {
    reply.headers({
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
      'cross-origin-opener-policy': 'same-origin',
      'cache-control': 'no-store',
    })
  })
}
