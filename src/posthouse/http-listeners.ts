// Owns the HTTP side of a running server: the control socket with its file, and the public listener. A taken port is
// told with the key of the configuration that names it.

import type { Clock } from '../base/clock.ts'
import type { Endpoint } from '../base/connection.ts'
import type { Log } from '../base/log.ts'
import type { ControlApi } from '../http/control-api.ts'
import type { MetricsRegistry } from '../http/metrics.ts'
import type { PublicApi } from '../http/public-api.ts'
import type { ReportsService } from '../http/reports-service.ts'
import type { ChallengeSource } from '../http/routes-acme-challenge.ts'
import type { CertificateService } from '../http/routes-certificates.ts'
import type { StsPolicySource } from '../http/routes-domain-dns-sts.ts'
import type { DomainDns } from '../http/routes-domain-dns-types.ts'
import { createHttpServer, type HttpServer, type HttpServerOptions } from '../http/server.ts'
import { createHttpsServer } from '../net/https-server.ts'
import type { Certificates } from './certificates.ts'
import type { Config, HttpListenerConfig } from './config.ts'
import { openControlSocket, removeControlFile, writeControlFile } from './control-socket.ts'

/** A port cannot be had; `message` names the key. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  /** 'listeners.mx' */
  readonly key: string
  readonly endpoint: Endpoint
  /** Node's: EADDRINUSE, EACCES, EADDRNOTAVAIL... */
  readonly code: string
  constructor(key: string, endpoint: Endpoint, cause: unknown) {
    const code = String((cause as { code?: unknown } | null)?.code ?? 'unknown')
    super(describeListenError(key, endpoint, code, cause), { cause })
    this.key = key
    this.endpoint = endpoint
    this.code = code
  }
}

function describeListenError(key: string, { address, port }: Endpoint, code: string, cause: unknown): string {
  const where = `${address.includes(':') ? `[${address}]` : address}:${port}`
  switch (code) {
    case 'EADDRINUSE':
      return `${where} is taken by another program; stop it or change ${key} in the configuration`
    case 'EACCES':
      return `${where} may not be opened by this user (ports below 1024 need root); change ${key} in the configuration`
    case 'EADDRNOTAVAIL':
      return `${where} is not an address of this machine; change ${key} in the configuration`
    default:
      return `${where} (${key}) cannot be opened: ${cause instanceof Error ? cause.message : String(cause)}`
  }
}

export interface HttpListenersOptions {
  readonly config: Config
  readonly app: ControlApi
  readonly metrics: MetricsRegistry
  readonly log: Log
  readonly clock: Clock
  readonly version: string
  /** Served on the public listener. */
  readonly api?: PublicApi | undefined
  readonly domainDns?: DomainDns | undefined
  readonly reports?: ReportsService | undefined
  readonly stsPolicy?: StsPolicySource | undefined
  /** For listeners.https; undefined: TLS is off. */
  readonly certificates?: Certificates | undefined
  readonly challenge?: ChallengeSource | undefined
  readonly certificateService?: CertificateService | undefined
}

export interface HttpListeners {
  readonly controlSocket: string
  /** Where the public listener is; empty when it is off. */
  readonly endpoints: readonly Endpoint[]
  /** The same for the one with TLS. */
  readonly secureEndpoints?: readonly Endpoint[]
  /** Closes both and removes control.json. */
  close(): Promise<void>
}

/** Opens them. Rejects with a {@link ListenError} for the public listener; then nothing stays open. */
export async function openHttpListeners(options: HttpListenersOptions): Promise<HttpListeners> {
  const { config, clock } = options
  const { app, metrics, log, api, domainDns, reports, stsPolicy } = options
  const { http, https } = config.listeners
  const opened: HttpServer[] = []
  const endpoints: Endpoint[] = []
  const secureEndpoints: Endpoint[] = []
  const open = async (
    key: string,
    endpoint: Endpoint,
    some: Partial<HttpServerOptions>,
  ): Promise<Endpoint> => {
    const server = createHttpServer({
      app,
      metrics,
      log,
      clock,
      scope: 'public',
      ...(api !== undefined && { api }),
      ...(stsPolicy !== undefined && { stsPolicy }),
      ...some,
    })
    opened.push(server)
    return server.listen(endpoint).catch((cause: unknown) => {
      throw new ListenError(key, endpoint, cause)
    })
  }
  const onFailure = (error: Error, remoteAddress: string | undefined): void =>
    log.debug({ remoteAddress, cause: error.message }, 'TLS handshake failed')
  const closeAll = async (): Promise<void> => {
    await Promise.all(opened.map((server) => server.close()))
  }
  try {
    const { certificates, challenge } = options
    if (https !== undefined && certificates !== undefined)
      for (const endpoint of https.addresses)
        secureEndpoints.push(
          await open('listeners.https', endpoint, {
            hosts: [config.hostname, ...https.hosts],
            secured: (handler) => createHttpsServer({ contexts: certificates.contexts, handler, onFailure }),
            // RFC 6797 section 8.3: the promise is for all ports of a name, and would take a plain console away.
            mayPromiseHttps: (host) => isPlainForFew(http) && certificates.isTrustedFor(host),
          }),
        )
    const redirectPort = http?.redirect === true ? secureEndpoints[0]?.port : http?.redirect || undefined
    for (const endpoint of http?.addresses ?? [])
      endpoints.push(
        await open('listeners.http', endpoint, {
          hosts: [config.hostname, ...(http?.hosts ?? [])],
          ...(challenge !== undefined && { challenge }),
          ...(redirectPort !== undefined && { redirectPort }),
        }),
      )
    const controlSocket = await openControlSocket(
      { dataDir: config.dataDir, socket: config.control.socket },
      async (path) => {
        const server = createHttpServer({
          app,
          metrics,
          log,
          clock,
          scope: 'control',
          ...(domainDns !== undefined && { domainDns }),
          ...(options.certificateService !== undefined && { certificates: options.certificateService }),
          ...(reports !== undefined && { reports }),
        })
        await server.listen(path)
        opened.push(server)
      },
    )
    const { pid } = process
    await writeControlFile(config.dataDir, {
      socket: controlSocket,
      pid,
      startedAt: clock.now(),
      version: options.version,
    })
    return {
      controlSocket,
      endpoints,
      secureEndpoints,
      async close() {
        await api?.close()
        await closeAll()
        await removeControlFile(config.dataDir, controlSocket)
      },
    }
  } catch (error) {
    await closeAll()
    throw error
  }
}

/** Nothing of it is for others: they are sent on, or cannot come. */
const isPlainForFew = (http: HttpListenerConfig | undefined): boolean =>
  http === undefined ||
  http.redirect !== false ||
  http.addresses.every(({ address }) => address === '::1' || address.startsWith('127.'))
