// Owns the catcher as a product: the same server in mode capture, with what a developer wants of it set: any login, mail
// from this machine, bounds that keep the disk free, no accounts. In memory, or in a data directory that stays.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realClock } from '../net/real-clock.ts'
import { createMemoryStore } from '../store/memory/memory-store.ts'
import type { ConfigInput } from './config.ts'
import type { CaptureInput, DurationInput, ListenerInput, SizeInput } from './config-input.ts'
import { ListenError } from './http-listeners.ts'
import type { Posthouse, PosthouseDeps, StartReport } from './posthouse.ts'

export const catcherPorts = { smtp: 1025, http: 8025 } as const

export interface CatcherOptions {
  /** 'host:port' or a port on 127.0.0.1; false: none. Default 127.0.0.1:1025; 0 is any free port. */
  readonly smtp?: Exclude<ListenerInput, object>
  /** Console and API. Default 127.0.0.1:8025. */
  readonly http?: Exclude<ListenerInput, object>
  /** Names besides loopback ones and IP addresses by which the console is asked for: 'mail' in a container. */
  readonly hosts?: readonly string[]
  /** Where mail is kept. Default: in memory, gone when it stops. */
  readonly dataDir?: string
  /** Default 10,000. */
  readonly messagesMax?: number
  /** Default 512 MiB. */
  readonly bytesMax?: SizeInput
  /** Default 30 days. */
  readonly ageMax?: DurationInput
  /** The largest message that is taken. Default 50 MiB. */
  readonly messageBytesMax?: SizeInput
  /** STARTTLS with a self-signed certificate. Default true. */
  readonly tls?: boolean
  readonly inboxes?: CaptureInput['inboxes']
  readonly release?: CaptureInput['release']
  readonly faults?: CaptureInput['faults']
}

/** The configuration of a catcher whose data is in `dataDir`. */
export function catcherConfig(options: CatcherOptions, dataDir: string): ConfigInput {
  const { smtp = catcherPorts.smtp, http = catcherPorts.http, tls = true, messageBytesMax } = options
  return {
    hostname: 'localhost',
    dataDir,
    domains: {},
    tls: tls ? 'self-signed' : false,
    listeners: {
      mx: smtp,
      submission: false,
      submissions: false,
      lmtp: false,
      http:
        http === false
          ? false
          : { address: http === true ? catcherPorts.http : http, hosts: options.hosts ?? [] },
    },
    delivery: { mode: 'capture' },
    api: { auth: 'open', admins: [], allowPrivateUrls: true },
    capture: {
      anyLogin: true,
      // Who may reach the address is decided by where it listens: a catcher in a container is asked from outside of it.
      anyClient: true,
      inboxes: options.inboxes ?? 'login',
      messagesMax: options.messagesMax ?? 10_000,
      bytesMax: options.bytesMax ?? '512MiB',
      ageMax: options.ageMax ?? '30d',
      ...(options.release !== undefined && { release: options.release }),
      ...(options.faults !== undefined && { faults: options.faults }),
    },
    // In memory there is no disk to fill.
    limits: {
      ...(options.dataDir === undefined && { minFreeBytes: 0 }),
      ...(messageBytesMax !== undefined && { messageBytesMax }),
    },
    stop: { timeout: '2s' },
  }
}

/** What is different about a catcher besides its configuration. */
export interface CatcherPlace {
  readonly dataDir: string
  readonly deps: PosthouseDeps
  /** Removes what was only for this run. */
  remove(): Promise<void>
}

/** A folder for certificate and control socket, and the store. */
export async function catcherPlace(options: CatcherOptions, deps: PosthouseDeps = {}): Promise<CatcherPlace> {
  if (options.dataDir !== undefined) return { dataDir: options.dataDir, deps, remove: async () => {} }
  const dataDir = await mkdtemp(join(tmpdir(), 'posthouse-catch-'))
  return {
    dataDir,
    deps: { ...deps, openStore: async () => createMemoryStore({ clock: deps.clock ?? realClock }) },
    remove: () => rm(dataDir, { recursive: true, force: true }),
  }
}

/** Ports that are tried after the first, one by one, before any free one is taken. */
const nearbyPorts = 20

/**
 * Starts it; where a port is taken and `portAuto` is set, the next ones are tried.
 * @throws ListenError, ConfigError, StoreFailure; then nothing stays open
 */
export async function startOnFreePorts(
  options: CatcherOptions,
  portAuto: boolean,
  create: (options: CatcherOptions) => Posthouse,
): Promise<{ readonly posthouse: Posthouse; readonly report: StartReport }> {
  let now = options
  for (let tries = 0; ; tries++) {
    const posthouse = create(now)
    try {
      return { posthouse, report: await posthouse.start() }
    } catch (error) {
      if (!portAuto || !(error instanceof ListenError) || error.code !== 'EADDRINUSE') throw error
      if (tries > 2 * nearbyPorts) throw error
      const { address, port } = error.endpoint
      const host = address.includes(':') ? `[${address}]` : address
      const next = tries >= nearbyPorts ? 0 : port + 1
      now =
        error.key === 'listeners.http'
          ? { ...now, http: `${host}:${next}` }
          : { ...now, smtp: `${host}:${next}` }
    }
  }
}
