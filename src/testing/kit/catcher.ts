// Owns the catcher of a test: the real server in this process on free ports, with its mail in memory. Inboxes are
// kept apart by login name or by recipient, so that parallel tests do not see each other's mail.

import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import { realClock } from '../../net/real-clock.ts'
import { realRandom } from '../../net/real-random.ts'
import type { FaultPlan } from '../../policy/fault-plan.ts'
import { type CatcherOptions, catcherConfig, catcherPlace } from '../../posthouse/catcher.ts'
import { resolveConfig } from '../../posthouse/config.ts'
import { createPosthouse } from '../../posthouse/posthouse.ts'
import { createMemoryStore } from '../../store/memory/memory-store.ts'
import type { MailCriteria } from './criteria.ts'
import { Inbox } from './inbox.ts'
import { createLocalSource } from './local-source.ts'
import { CatcherError, type FaultControl, type MailSource } from './mail-source.ts'

/**
 * As for the command `posthouse catch`, with other defaults: any free port of 127.0.0.1, no console (`http: 0` opens
 * one, to look at what a failing test sent), no TLS, in memory.
 */
export interface StartCatcherOptions extends Omit<CatcherOptions, 'dataDir'> {
  readonly log?: Log
}

/** Which mail an inbox sees. */
export type InboxChoice =
  /** Of who logs in with this name. */
  | string
  /** To this address, or one that fits, whoever logged in: for apps whose login cannot be changed. */
  | { readonly to: string | RegExp }
  /** Everything. */
  | { readonly all: true }

export interface Catcher {
  readonly smtp: { readonly host: string; readonly port: number; readonly url: string }
  /** undefined: it was started without. */
  readonly http: { readonly url: string } | undefined
  /** Without a choice one with a new name, which no other test has. */
  inbox(choice?: InboxChoice): Inbox
  readonly faults: FaultControl
  /** Removes all mail. */
  clear(): Promise<void>
  /** Stops what was started; leaves a remote catcher as it is. Idempotent. */
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Starts a catcher in this process.
 * @throws ListenError for a port that is taken, ConfigError for options that cannot be
 */
export async function startCatcher(options: StartCatcherOptions = {}): Promise<Catcher> {
  const { log, ...rest } = options
  const wanted: CatcherOptions = {
    ...rest,
    smtp: options.smtp ?? '127.0.0.1:0',
    http: options.http ?? false,
    tls: options.tls ?? false,
  }
  const store = createMemoryStore({ clock: realClock })
  store.feedKinds(['*'])
  const place = await catcherPlace(wanted, { ...(log !== undefined && { log }) })
  const config = resolveConfig(catcherConfig(wanted, place.dataDir), { env: {}, baseDir: place.dataDir })
  const posthouse = createPosthouse(config, {
    ...place.deps,
    openStore: async () => store,
    // Nobody looks for the control socket of a test.
    ...(wanted.http === false && {
      openHttp: async () => ({ controlSocket: '', endpoints: [], close: async () => {} }),
    }),
  })
  const { listeners } = await posthouse.start().catch(async (error: unknown) => {
    await place.remove()
    throw error
  })
  let stopped: Promise<void> | undefined
  const endpoint = (name: string): { readonly host: string; readonly port: number } | undefined => {
    const found = listeners.find((listener) => listener.name === name)
    return found && { host: found.address, port: found.port }
  }
  const smtp = endpoint('mx')
  if (smtp === undefined)
    throw new CatcherError('a catcher for tests needs SMTP: leave `smtp` out or give a port')
  const http = endpoint('http')
  const { faults } = posthouse
  return makeCatcher({
    smtp,
    http: http === undefined ? undefined : `http://${hostPort(http.host, http.port)}`,
    source: createLocalSource(store),
    faults: localFaults(faults),
    clock: realClock,
    stop: () => {
      stopped ??= posthouse.stop().then(() => place.remove())
      return stopped
    },
  })
}

export interface CatcherParts {
  readonly smtp: { readonly host: string; readonly port: number }
  readonly http: string | undefined
  readonly source: MailSource
  readonly faults: FaultControl
  readonly clock: Clock
  readonly stop: () => Promise<void>
}

const hostPort = (host: string, port: number): string => `${host.includes(':') ? `[${host}]` : host}:${port}`

export function makeCatcher({ smtp, http, source, faults, clock, stop }: CatcherParts): Catcher {
  const login = (user: string, password: string) => ({
    ...smtp,
    user,
    password,
    url: `smtp://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${hostPort(smtp.host, smtp.port)}`,
  })
  return {
    smtp: { ...smtp, url: `smtp://${hostPort(smtp.host, smtp.port)}` },
    http: http === undefined ? undefined : { url: http },
    inbox(choice) {
      const name = typeof choice === 'string' ? choice : `inbox-${newName()}`
      const byLogin = choice === undefined || typeof choice === 'string'
      const only: MailCriteria = typeof choice === 'object' && 'to' in choice ? { to: choice.to } : {}
      const shown = byLogin ? name : 'to' in choice ? `to ${String(choice.to)}` : 'all'
      return new Inbox({
        source,
        clock,
        place: byLogin ? { mailbox: name } : {},
        only,
        login: login(name, 'any'),
        name: shown,
      })
    },
    faults,
    clear: () => source.remove({}),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

const newName = (): string => Buffer.from(realRandom.bytes(5)).toString('hex')

function localFaults(plan: FaultPlan | undefined): FaultControl {
  if (plan === undefined) throw new CatcherError('faults are made in mode capture only')
  return {
    add: async (rule) => plan.add(rule),
    list: async () => plan.rules,
    remove: async (id) => void plan.remove(id),
    clear: async () => plan.clear(),
    applyProfile: async (name) => void plan.applyProfile(name),
    reseed: async (seed) => plan.restart(seed),
  }
}
