// Owns Config: what the server runs on, resolved and checked, plain readonly data. How a person writes it is
// config-input.ts; how files, variables and defaults are merged is here, how values are read config-schema.ts.

import type { Endpoint } from '../base/connection.ts'
import type { Route, TlsPolicy } from '../relay/route.ts'
import type { SmtpServerLimits } from '../server/session.ts'

import type { AcmeConfig } from './config-acme.ts'
import type { ApiConfig } from './config-api.ts'
import type { CaptureConfig } from './config-capture.ts'
import type { DkimConfig, ForwardingConfig, PublishConfig } from './config-dkim.ts'
import type { InboundConfig } from './config-inbound.ts'
import type { ConfigInput } from './config-input.ts'
import { ConfigError, type Mistake } from './config-mistake.ts'
import type { ReportsConfig } from './config-reports.ts'
import { configDefaults, parseMerged, sectionKeys } from './config-schema.ts'
import { describe, isRecord } from './config-values.ts'

export type { ConfigInput } from './config-input.ts'
export { defineConfig } from './config-input.ts'
export { ConfigError, formatMistake, formatMistakes, type Mistake } from './config-mistake.ts'

export type DeliveryMode = 'relay' | 'capture' | 'hold' | 'discard'
export type SmtpListenerName = 'mx' | 'submission' | 'submissions' | 'lmtp'

export interface ListenerConfig {
  /** At least one; port 0 is any free one. */
  readonly addresses: readonly Endpoint[]
  /** AUTH is offered without TLS. */
  readonly insecureAuth: boolean
  readonly limits: SmtpServerLimits
}

export interface HttpListenerConfig {
  readonly addresses: readonly Endpoint[]
  /** Lower-case names that a Host header may carry besides loopback ones. */
  readonly hosts: readonly string[]
  /** Of listeners.http: others are sent to HTTPS at this port; true: at that of listeners.https. */
  readonly redirect: boolean | number
}

export type TlsConfig =
  | { readonly kind: 'self-signed' }
  | { readonly kind: 'off' }
  /** Absolute paths; the first one is shown to those who ask for no name. At least one. */
  | { readonly kind: 'files'; readonly pairs: readonly CertificateFiles[] }

export interface CertificateFiles {
  readonly cert: string
  readonly key: string
}

export type PasswordConfig =
  | { readonly kind: 'plain'; readonly text: string }
  /** argon2id, PHC string. */
  | { readonly kind: 'hash'; readonly phc: string }
  /** Made on the first start, kept in the store and shown once. */
  | { readonly kind: 'generated' }
  /** Receives mail, cannot log in. */
  | { readonly kind: 'none' }

export interface AccountConfig {
  /** 'alice@example.test': domain in A-labels, local part as it was written. */
  readonly name: string
  readonly enabled: boolean
  readonly password: PasswordConfig
}

export interface DomainConfig {
  /** A-labels, lower case. */
  readonly name: string
  readonly enabled: boolean
  readonly plusAddressing: boolean
  /** Local part of this domain, or a whole address. */
  readonly catchAll?: string
  /** Local part to targets: local parts of this domain or whole addresses. */
  readonly aliases: Readonly<Record<string, readonly string[]>>
  readonly accounts: readonly AccountConfig[]
}

/** A table by domain: 'corp.test', '.corp.test' (all names below it), '*' (always there). Names in A-labels, no prototype. */
export type ByDomain<T> = Readonly<Record<string, T>>

export interface Config {
  /** A-labels. */
  readonly hostname: string
  /** Absolute. */
  readonly dataDir: string
  /** undefined: off. */
  readonly listeners: {
    readonly mx: ListenerConfig | undefined
    readonly submission: ListenerConfig | undefined
    readonly submissions: ListenerConfig | undefined
    readonly lmtp: ListenerConfig | undefined
    readonly http: HttpListenerConfig | undefined
    readonly https: HttpListenerConfig | undefined
  }
  readonly tls: TlsConfig
  /** undefined: no authority is asked for certificates. */
  readonly acme: AcmeConfig | undefined
  readonly domains: readonly DomainConfig[]
  readonly delivery: {
    readonly mode: DeliveryMode
    /** Of hosts found by MX. */
    readonly port: number
    readonly routes: ByDomain<Route>
  }
  readonly capture: CaptureConfig
  readonly api: ApiConfig
  readonly inbound: InboundConfig
  readonly networks: {
    /** Canonical CIDR: '10.0.0.0/8', '2001:db8::/32', '192.0.2.1/32'. */
    readonly relay: readonly string[]
    readonly repairLineEndings: readonly string[]
  }
  readonly limits: SmtpServerLimits & {
    readonly minFreeBytes: number
    readonly receivedMax: number
  }
  readonly retry: {
    readonly firstMs: number
    readonly maxMs: number
    readonly giveUpAfterMs: number
    /** undefined: no notices. */
    readonly delayNoticeAfterMs: number | undefined
  }
  readonly dns: {
    /** undefined: the system's. */
    readonly servers: readonly Endpoint[] | undefined
    readonly timeoutMs: number
    /** undefined: the servers on loopback alone. */
    readonly trustAd: boolean | undefined
  }
  readonly relay: {
    readonly connectionsPerDestination: number
    readonly messagesPerConnection: number
    readonly recipientsPerMessage: number
    readonly idleTimeoutMs: number
    /** By recipient domain. */
    readonly tls: ByDomain<TlsPolicy>
    readonly dane: boolean
    readonly mtaSts: boolean
    readonly sourceAddress: string | undefined
  }
  readonly submission: { readonly senderMustMatch: boolean }
  readonly dkim: DkimConfig
  readonly publish: PublishConfig
  readonly forwarding: ForwardingConfig
  readonly reports: ReportsConfig
  readonly retention: { readonly timelineMs: number; readonly messagesMax: number }
  readonly log: {
    readonly level: 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'
    readonly pretty: boolean | 'auto'
  }
  /** undefined: a short path in the system's run or temp folder. */
  readonly control: { readonly socket: string | undefined }
  readonly stop: { readonly timeoutMs: number }
}

/** The value of the most precise pattern: the domain itself, '.parent' from the longest parent up, '*'. */
export function lookupByDomain<T>(table: ByDomain<T>, domain: string): T | undefined {
  const own = (key: string): T | undefined => (Object.hasOwn(table, key) ? table[key] : undefined)
  const exact = own(domain)
  if (exact !== undefined) return exact
  for (let dot = domain.indexOf('.'); dot !== -1; dot = domain.indexOf('.', dot + 1)) {
    const found = own(domain.slice(dot))
    if (found !== undefined) return found
  }
  return own('*')
}

export type ConfigEnv = Readonly<Record<string, string | undefined>>

export interface ConfigContext {
  /** For 'env:NAME'. */
  readonly env: ConfigEnv
  /** Absolute; relative paths are meant from here. */
  readonly baseDir: string
  /** Named in errors. */
  readonly file?: string | undefined
}

export interface ConfigLayer {
  readonly source: 'default' | 'file' | 'env' | 'flag'
  /** The variable or flag a value came from, by path ('delivery.mode'). */
  readonly names?: ReadonlyMap<string, string>
  readonly input: unknown
}

/** One value as it was written, and where. */
export interface ConfigEntry {
  /** 'delivery.mode', or 'hostname'. */
  readonly keys: readonly string[]
  readonly value: unknown
  readonly source: ConfigLayer['source']
  readonly name?: string
}

export interface MergedConfig {
  readonly config: Config
  readonly entries: readonly ConfigEntry[]
}

/**
 * Defaults and what `input` says, as a Config.
 * @throws ConfigError with every mistake; nothing else.
 */
export function resolveConfig(input: ConfigInput | unknown, context: ConfigContext): Config {
  return mergeConfig([{ source: 'file', input }], context).config
}

/**
 * Later layers win, key by key; a section's values are replaced whole, but `delivery.routes` is joined by domain.
 * @throws ConfigError
 */
export function mergeConfig(
  layers: readonly ConfigLayer[],
  context: ConfigContext,
  found: readonly Mistake[] = [],
): MergedConfig {
  const merged: Record<string, unknown> = {}
  const entries = new Map<string, ConfigEntry>()
  const mistakes: Mistake[] = [...found]
  for (const layer of [{ source: 'default', input: configDefaults() } as const, ...layers]) {
    if (!isRecord(layer.input)) {
      mistakes.push({ path: '', message: `must be an object of settings, not ${describe(layer.input)}` })
      continue
    }
    mergeLayer(merged, layer, layer.input, entries)
  }
  const parsed = parseMerged(merged, context)
  mistakes.push(...parsed.mistakes.map((mistake) => nameSource(mistake, entries)))
  if (mistakes.length > 0 || parsed.config === undefined)
    throw new ConfigError(mistakes, { file: context.file })
  return { config: parsed.config, entries: [...entries.values()] }
}

function mergeLayer(
  merged: Record<string, unknown>,
  layer: ConfigLayer,
  input: Record<string, unknown>,
  entries: Map<string, ConfigEntry>,
): void {
  const note = (keys: readonly string[], value: unknown): void => {
    const name = layer.names?.get(keys.slice(0, 2).join('.'))
    const entry = { keys, value, source: layer.source }
    entries.set(keys.join('.'), name === undefined ? entry : { ...entry, name })
  }
  for (const key of Object.keys(input)) {
    const value = input[key]
    if (value === undefined) continue
    if (!Object.hasOwn(sectionKeys, key) || !isRecord(value)) {
      set(merged, key, value)
      note([key], value)
      continue
    }
    const before = Object.hasOwn(merged, key) ? merged[key] : undefined
    const section: Record<string, unknown> = isRecord(before) ? { ...before } : {}
    for (const inner of Object.keys(value)) {
      const innerValue = value[inner]
      if (innerValue === undefined) continue
      if (key === 'delivery' && inner === 'routes' && isRecord(innerValue)) {
        const known = section[inner]
        set(section, inner, isRecord(known) ? { ...known, ...innerValue } : innerValue)
        entries.delete('delivery.routes')
        for (const [domain, route] of Object.entries(innerValue)) note([key, inner, domain], route)
        continue
      }
      set(section, inner, innerValue)
      note([key, inner], innerValue)
    }
    set(merged, key, section)
  }
}

/** Plain assignment would set the prototype where a key is '__proto__'. */
function set(target: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
}

function nameSource(mistake: Mistake, entries: ReadonlyMap<string, ConfigEntry>): Mistake {
  const entry = entries.get(mistake.path) ?? entries.get(mistake.path.split(/[.[]/).slice(0, 2).join('.'))
  return entry?.name === undefined
    ? mistake
    : { ...mistake, message: `${mistake.message} (set by ${entry.name})` }
}
