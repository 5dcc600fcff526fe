// Owns the HTTP side of a running server: the control socket with its file, and the public listener. A taken port is
// told with the key of the configuration that names it.

import type { Clock } from '../base/clock.ts'
import type { Endpoint } from '../base/connection.ts'
import type { Log } from '../base/log.ts'
import type { ControlApi } from '../http/control-api.ts'
import type { MetricsRegistry } from '../http/metrics.ts'
import type { PublicApi } from '../http/public-api.ts'
import type { StsPolicySource } from '../http/routes-domain-dns-sts.ts'
import type { DomainDns } from '../http/routes-domain-dns-types.ts'
import { createHttpServer, type HttpServer } from '../http/server.ts'

import type { Config } from './config.ts'
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
  readonly stsPolicy?: StsPolicySource | undefined
}

export interface HttpListeners {
  readonly controlSocket: string
  /** Where the public listener is; empty when it is off. */
  readonly endpoints: readonly Endpoint[]
  /** Closes both and removes control.json. */
  close(): Promise<void>
}

/** Opens them. Rejects with a {@link ListenError} for the public listener; then nothing stays open. */
export async function openHttpListeners(options: HttpListenersOptions): Promise<HttpListeners> {
  const { config, clock } = options
  const { app, metrics, log, api, domainDns, stsPolicy } = options
  const opened: HttpServer[] = []
  const endpoints: Endpoint[] = []
  const closeAll = async (): Promise<void> => {
    await Promise.all(opened.map((server) => server.close()))
  }
  try {
    for (const endpoint of config.listeners.http?.addresses ?? []) {
      const hosts = [config.hostname, ...(config.listeners.http?.hosts ?? [])]
      const server = createHttpServer({
        app,
        metrics,
        log,
        clock,
        scope: 'public',
        hosts,
        ...(api !== undefined && { api }),
        ...(stsPolicy !== undefined && { stsPolicy }),
      })
      opened.push(server)
      endpoints.push(
        await server.listen(endpoint).catch((cause: unknown) => {
          throw new ListenError('listeners.http', endpoint, cause)
        }),
      )
    }
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
