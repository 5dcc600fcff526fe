// Owns the HTTP servers: the control API on its socket, and on the public listener /metrics, /healthz, /readyz and the
// public API; that listener checks the Host header. Errors leave as problem documents. RFC 9110, RFC 9457.

import type { RequestListener, Server } from 'node:http'

import { type FastifyInstance, type FastifyRequest, fastify } from 'fastify'

import type { Clock } from '../base/clock.ts'
import type { Endpoint } from '../base/connection.ts'
import { canonicalIp } from '../base/ip.ts'
import type { Log } from '../base/log.ts'

import type { ControlApi } from './control-api.ts'
import { addControlRoutes } from './control-routes.ts'
import type { MetricsRegistry } from './metrics.ts'
import { ApiError, type Problem, problem, problemMediaType, toProblem } from './problem.ts'
import type { PublicApi } from './public-api.ts'
import type { ReportsService } from './reports-service.ts'
import { addChallengeRoute, type ChallengeSource, isChallengeRequest } from './routes-acme-challenge.ts'
import { addCertificateRoutes, type CertificateService } from './routes-certificates.ts'
import { addDomainDnsRoutes } from './routes-domain-dns-control.ts'
import { addStsRoute, isStsRequest, type StsPolicySource } from './routes-domain-dns-sts.ts'
import type { DomainDns } from './routes-domain-dns-types.ts'
import { addReportRoutes } from './routes-reports-control.ts'
import { hostOf, promiseHttps, sendToHttps } from './transport-rules.ts'

export interface HttpServerOptions {
  readonly app: ControlApi
  readonly metrics: MetricsRegistry
  readonly log: Log
  readonly clock: Clock
  /** control: everything, for whoever can open the socket. public: metrics, health, and the API with its own permissions. */
  readonly scope: 'control' | 'public'
  /** Public: names that a Host header may carry besides localhost and IP addresses. */
  readonly hosts?: readonly string[]
  /** Public: the API, where it is served. */
  readonly api?: PublicApi
  /** Control: domains and their keys. */
  readonly domainDns?: DomainDns
  /** Control: reports between mail systems. */
  readonly reports?: ReportsService
  /** Control: certificates. */
  readonly certificates?: CertificateService
  /** Public: MTA-STS policies. */
  readonly stsPolicy?: StsPolicySource
  /** Public: challenges of authorities for certificates. */
  readonly challenge?: ChallengeSource
  /** Public: the server that speaks TLS and calls the handler; absent: plain HTTP. */
  readonly secured?: (handler: RequestListener) => Server
  /** Public, plain: others are sent to HTTPS at this port. */
  readonly redirectPort?: number
  /** Public, over TLS: see transport-rules.ts. */
  readonly mayPromiseHttps?: (host: string) => boolean
}

export interface HttpServer {
  /** Path of a unix socket or named pipe, or an address; port 0 is any. Rejects with Node's error (`code`: EADDRINUSE...). */
  listen(at: string | Endpoint): Promise<Endpoint>
  /** Requests under way are answered, idle connections closed; after {@link closeGraceMs} the others are dropped. */
  close(): Promise<void>
}

const bodyBytesMax = 1024 * 1024
const connectionsMax = 2000
/** Node looks at no time limit any more once a server closes: half a request would keep it open for ever. */
export const closeGraceMs = 3000

/** Makes a server; nothing is opened before `listen`, which may be called once. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { app, metrics, log, clock, scope, secured } = options
  // Of a whole request: a large message may come over a slow line.
  const requestTimeout = scope === 'public' ? 120_000 : 30_000
  const keepAliveTimeout = 5_000
  const server = fastify({
    logger: false,
    bodyLimit: bodyBytesMax,
    requestTimeout,
    keepAliveTimeout,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    routerOptions: { maxParamLength: 400 },
    // A server that is given has to be given its limits, too.
    ...(secured !== undefined && {
      serverFactory: (handler: RequestListener) =>
        Object.assign(secured(handler), { keepAliveTimeout, requestTimeout }),
    }),
  })
  if (scope === 'public') {
    server.server.maxConnections = connectionsMax
    server.server.headersTimeout = 15_000
    checkHosts(server, options)
    const { redirectPort, mayPromiseHttps } = options
    if (redirectPort !== undefined)
      sendToHttps(server, redirectPort, (request) => isProbe(request) || isChallenge(request, options))
    if (mayPromiseHttps !== undefined) promiseHttps(server, mayPromiseHttps)
  }
  tellErrors(server, log)
  const startedAt = new WeakMap<object, number>()
  server.addHook('onRequest', async (request) => void startedAt.set(request, clock.now()))
  server.addHook('onResponse', async (request, reply) => {
    const durationMs = clock.now() - (startedAt.get(request) ?? clock.now())
    const route = request.routeOptions.url ?? 'unknown'
    log.debug({ method: request.method, route, status: reply.statusCode, durationMs }, 'http request')
  })

  server.get('/metrics', async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.render()),
  )
  // Alive: the loop turns and answers. Whether it can take mail is /readyz.
  server.get('/healthz', async (_request, reply) => reply.type('text/plain').send('ok\n'))
  server.get('/readyz', async (_request, reply) => {
    const { ready, problems } = await app.health()
    return reply
      .code(ready ? 200 : 503)
      .type('text/plain')
      .send(ready ? 'ok\n' : `not ready: ${problems.join('; ')}\n`)
  })
  if (scope === 'control') {
    addControlRoutes(server, app)
    if (options.domainDns !== undefined) addDomainDnsRoutes(server, options.domainDns)
    if (options.certificates !== undefined) addCertificateRoutes(server, options.certificates)
    if (options.reports !== undefined) addReportRoutes(server, options.reports, clock)
  } else {
    if (options.stsPolicy !== undefined) addStsRoute(server, options.stsPolicy)
    if (options.challenge !== undefined) addChallengeRoute(server, options.challenge)
    options.api?.mount(server)
  }

  return {
    async listen(at) {
      await server.listen(typeof at === 'string' ? { path: at } : { host: at.address, port: at.port })
      const bound = server.server.address()
      return bound === null || typeof bound === 'string'
        ? { address: '', port: 0 }
        : { address: bound.address, port: bound.port }
    },
    async close() {
      const timer = clock.setTimer(closeGraceMs, () => server.server.closeAllConnections())
      await server.close()
      timer.cancel()
    },
  }
}

function send(
  reply: { code(status: number): { type(type: string): { send(body: unknown): unknown } } },
  one: Problem,
): unknown {
  return reply.code(one.status).type(problemMediaType).send(one)
}

function tellErrors(server: FastifyInstance, log: Log): void {
  server.setErrorHandler((error, request, reply) => {
    const told = toProblem(error)
    if (told === undefined) {
      log.error({ err: error, requestId: request.id, method: request.method }, 'http request failed')
      return send(reply, problem('internal', `the log has it under ${request.id}`))
    }
    if (error instanceof ApiError && error.retryAfterSeconds !== undefined)
      reply.header('retry-after', error.retryAfterSeconds)
    // Bearer alone: a browser that is asked for Basic would keep the password and send it by itself.
    if (told.status === 401) reply.header('www-authenticate', 'Bearer realm="posthouse"')
    if (told.status >= 500) log.warn({ err: error, status: told.status }, 'http request refused')
    return send(reply, told)
  })
  server.setNotFoundHandler((_request, reply) => send(reply, problem('not-found', 'there is no such path')))
}

/**
 * A page in a browser can point a name of its own at our address (DNS rebinding) and read what we answer; its requests
 * carry that name. An address or localhost as Host cannot be made so.
 */
function checkHosts(
  server: FastifyInstance,
  options: Pick<HttpServerOptions, 'hosts' | 'stsPolicy' | 'challenge'>,
): void {
  const { hosts = [], stsPolicy } = options
  const known = new Set(hosts.map((host) => host.toLowerCase()))
  server.addHook('onRequest', async (request, reply) => {
    if (isServedHost(request.headers.host ?? '', known)) return
    if (isChallenge(request, options)) return
    if (stsPolicy !== undefined && isStsRequest(request, stsPolicy)) return
    return send(
      reply,
      problem('misdirected', 'add the name to listeners.http.hosts to have it served'),
    ) as never
  })
}

const isChallenge = (request: FastifyRequest, { challenge }: Pick<HttpServerOptions, 'challenge'>): boolean =>
  challenge !== undefined && isChallengeRequest(request)

/** Of a load balancer, which knows no names and wants no redirect. */
const isProbe = ({ url }: FastifyRequest): boolean => url === '/healthz' || url === '/readyz'

export function isServedHost(header: string, known: ReadonlySet<string>): boolean {
  const host = hostOf(header)
  if (host === '') return false
  return (
    host === 'localhost' || host.endsWith('.localhost') || canonicalIp(host) !== undefined || known.has(host)
  )
}
