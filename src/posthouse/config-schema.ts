// Owns the schema of the configuration: defaults, the reading of every value, and what is said about a wrong one. It
// reads no file and no environment but the context it is given. A message never repeats what may be a secret.

import { hostname as machineName } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'

import { z } from 'zod'

import type { Endpoint } from '../base/connection.ts'
import { parseRoute, type Route, routeDestination, type TlsPolicy, tlsPolicies } from '../relay/route.ts'
import { defaultLimits, type SmtpServerLimits } from '../server/session.ts'

import type { Config, ConfigContext, HttpListenerConfig, ListenerConfig, TlsConfig } from './config.ts'
import { acmeDefaults, acmeKeys, acmeSchema, tellAcmeNeeds } from './config-acme.ts'
import { apiDefaults, apiSchema } from './config-api.ts'
import { captureDefaults, captureSchema } from './config-capture.ts'
import {
  dkimDefaults,
  dkimSchema,
  forwardingDefaults,
  forwardingSchema,
  publishDefaults,
  publishSchema,
} from './config-dkim.ts'
import { domainsSchema } from './config-domains.ts'
import { inboundDefaults, inboundKeys, inboundSchema } from './config-inbound.ts'
import type * as Input from './config-input.ts'
import { formatPath, type Mistake } from './config-mistake.ts'
import { reportsDefaults, reportsKeys, reportsSchema } from './config-reports.ts'
import {
  byDomain,
  choice,
  count,
  duration,
  fail,
  flag,
  inside,
  list,
  object,
  parseAddress,
  parseHostname,
  parseIpText,
  parseNetwork,
  type ReadPart,
  resolveEnv,
  size,
  toIssues,
  value,
} from './config-values.ts'

type Shape<T> = { readonly [K in keyof Required<T>]: z.ZodType }

/** What is used where nothing is written, in the words of the file. */
export function configDefaults(): Required<Omit<Input.ConfigInput, 'control'>> {
  return {
    hostname: defaultHostname(),
    dataDir: './data',
    listeners: {
      mx: '127.0.0.1:2525',
      submission: '127.0.0.1:2587',
      submissions: '127.0.0.1:2465',
      lmtp: false,
      http: '127.0.0.1:8025',
      https: false,
    },
    tls: 'self-signed',
    acme: acmeDefaults,
    domains: { localhost: { accounts: { user: {} } } },
    delivery: { mode: 'capture', port: 25, routes: { '*': 'mx' } },
    capture: captureDefaults,
    api: apiDefaults,
    inbound: inboundDefaults,
    networks: { relay: [], repairLineEndings: [] },
    limits: {
      lineBytesMax: '8KiB',
      messageBytesMax: '50MiB',
      recipientsMax: defaultLimits.recipientsMax,
      transactionsMax: defaultLimits.transactionsMax,
      errorsMax: defaultLimits.errorsMax,
      commandsMax: defaultLimits.commandsMax,
      connectionsMax: defaultLimits.connectionsMax,
      connectionsPerAddressMax: defaultLimits.connectionsPerAddressMax,
      commandTimeout: '5m',
      dataTimeout: '5m',
      sessionTimeout: '24h',
      minFreeBytes: '100MiB',
      receivedMax: 100,
    },
    retry: { first: '30s', max: '1h', giveUpAfter: '5d', delayNoticeAfter: '4h' },
    dns: { servers: [], timeout: '10s' },
    relay: {
      connectionsPerDestination: 20,
      messagesPerConnection: 100,
      recipientsPerMessage: 100,
      idleTimeout: '5s',
      tls: 'may',
      dane: true,
      mtaSts: true,
    },
    submission: { senderMustMatch: true },
    dkim: dkimDefaults,
    publish: publishDefaults,
    forwarding: forwardingDefaults,
    reports: reportsDefaults,
    retention: { timeline: '7d', messagesMax: 1_000_000 },
    log: { level: 'info', pretty: 'auto' },
    stop: { timeout: '30s' },
  }
}

function defaultHostname(): string {
  try {
    return parseHostname(machineName())
  } catch {
    return 'localhost'
  }
}

/** The sections that are merged key by key, with their keys. */
export const sectionKeys: Readonly<Record<string, readonly string[]>> = {
  listeners: ['mx', 'submission', 'submissions', 'lmtp', 'http', 'https'],
  acme: acmeKeys,
  delivery: ['mode', 'port', 'routes'],
  capture: Object.keys(captureDefaults),
  api: Object.keys(apiDefaults),
  inbound: inboundKeys,
  networks: ['relay', 'repairLineEndings'],
  limits: Object.keys(configDefaults().limits),
  retry: ['first', 'max', 'giveUpAfter', 'delayNoticeAfter'],
  dns: ['servers', 'timeout', 'trustAd'],
  relay: [...Object.keys(configDefaults().relay), 'sourceAddress'],
  submission: ['senderMustMatch'],
  dkim: Object.keys(dkimDefaults),
  publish: [...Object.keys(publishDefaults), 'spf'],
  forwarding: Object.keys(forwardingDefaults),
  reports: reportsKeys,
  retention: ['timeline', 'messagesMax'],
  log: ['level', 'pretty'],
  control: ['socket'],
  stop: ['timeout'],
}

/** Keys of the whole that are values or tables of their own. */
export const plainKeys: readonly string[] = ['hostname', 'dataDir', 'tls', 'domains']

export interface ParsedConfig {
  readonly config: Config | undefined
  readonly mistakes: readonly Mistake[]
}

/** Reads the merged whole. Never throws. What is read once is not worth a parser that is compiled for it: no JIT of zod's. */
export function parseMerged(merged: Record<string, unknown>, context: ConfigContext): ParsedConfig {
  const result = schemaFor(context).safeParse(merged, { jitless: true })
  if (result.success) return { config: result.data, mistakes: [] }
  return { config: undefined, mistakes: result.error.issues.flatMap(toMistakes) }
}

function toMistakes(issue: z.core.$ZodIssue): readonly Mistake[] {
  return toIssues(issue).map(({ path, message, params }) => ({ path: formatPath(path), message, ...params }))
}

/** Made once for each place that configurations are read from: making it costs more than reading with it. */
const schemas = new WeakMap<ConfigContext['env'], Map<string, ReturnType<typeof configSchema>>>()
const baseDirsMax = 20

function schemaFor(context: ConfigContext): ReturnType<typeof configSchema> {
  const { env, baseDir } = context
  let byFolder = schemas.get(env)
  if (byFolder === undefined) {
    byFolder = new Map()
    schemas.set(env, byFolder)
  }
  let schema = byFolder.get(baseDir)
  if (schema === undefined) {
    if (byFolder.size >= baseDirsMax) byFolder.clear()
    schema = configSchema(context)
    byFolder.set(baseDir, schema)
  }
  return schema
}

/** In the order of the file; every part is read even where another is wrong. */
function configSchema(context: ConfigContext) {
  return object({
    hostname: value(parseHostname),
    dataDir: path(context),
    listeners: listenersSchema(),
    tls: tlsSchema(context),
    acme: acmeSchema(path(context), context.env),
    domains: domainsSchema(context.env),
    delivery: object({
      mode: choice(['relay', 'capture', 'hold', 'discard']),
      port: count(1, 65535),
      routes: routesSchema(context),
    } satisfies Shape<Input.DeliveryInput>),
    capture: captureSchema(routeSchema(context)),
    api: apiSchema(),
    inbound: inboundSchema(context),
    networks: object({
      relay: list(value(parseNetwork)),
      repairLineEndings: list(value(parseNetwork)),
    } satisfies Shape<Input.NetworksInput>),
    limits: limitsSchema(),
    retry: retrySchema(),
    dns: object({
      servers: list(value((input) => parseAddress(input, 53))),
      timeout: duration(100, 120_000),
      trustAd: flag.optional(),
    } satisfies Shape<Input.DnsInput>).transform(({ servers, timeout, trustAd }): Config['dns'] => ({
      servers: servers.length === 0 ? undefined : servers,
      timeoutMs: timeout,
      trustAd,
    })),
    relay: relaySchema(),
    submission: object({ senderMustMatch: flag } satisfies Shape<Input.SubmissionInput>),
    dkim: dkimSchema(path(context)),
    publish: publishSchema(),
    forwarding: forwardingSchema(),
    reports: reportsSchema(),
    retention: object({
      timeline: duration(0),
      messagesMax: count(0),
    } satisfies Shape<Input.RetentionInput>).transform(({ timeline, messagesMax }): Config['retention'] => ({
      timelineMs: timeline,
      messagesMax,
    })),
    log: object({
      level: choice(['error', 'warn', 'info', 'debug', 'trace', 'silent']),
      pretty: choice([true, false, 'auto']),
    } satisfies Shape<Input.LogInput>),
    control: object({ socket: path(context).optional() } satisfies Shape<Input.ControlInput>)
      .optional()
      .transform((control): Config['control'] => ({ socket: control?.socket })),
    stop: object({ timeout: duration(0, 3_600_000) } satisfies Shape<Input.StopInput>).transform(
      ({ timeout }): Config['stop'] => ({ timeoutMs: timeout }),
    ),
  } satisfies Shape<Input.ConfigInput>).transform(({ listeners, ...rest }, ctx): Config => {
    const note = (path: PropertyKey[], message: string): void =>
      void ctx.issues.push({ code: 'custom', path, message, input: undefined })
    tellAcmeNeeds({ acme: rest.acme, tls: rest.tls, http: listeners.http, https: listeners.https }, note)
    const { minFreeBytes: _free, receivedMax: _received, ...limits } = rest.limits
    const { mx, submission, submissions, lmtp, http, https } = listeners
    return {
      ...rest,
      listeners: {
        mx: mx?.(limits),
        submission: submission?.(limits),
        submissions: submissions?.(limits),
        lmtp: lmtp?.(limits),
        http,
        https,
      },
    }
  })
}

const listenerForm = "'host:port', a port, a list of them, false, or { address: ... }"

function addresses(
  input: unknown,
  standard: string,
  part: ReadPart,
  path: readonly PropertyKey[],
): readonly Endpoint[] {
  if (input === true) return [parseAddress(standard)]
  if (!Array.isArray(input)) return [parseAddress(input)]
  if (input.length === 0) return fail('must have at least one address', 'write false to switch it off')
  return part(list(value((one) => parseAddress(one))), input, ...path)
}

function smtpListener(
  standard: string,
): z.ZodType<((limits: SmtpServerLimits) => ListenerConfig) | undefined> {
  const options = object({
    address: z.unknown().optional(),
    insecureAuth: flag.optional(),
    limits: object(smtpLimits).partial().optional(),
  } satisfies Shape<Input.ListenerOptionsInput>)
  return inside((input, part) => {
    if (input === false) return undefined
    if (typeof input !== 'object' || input === null || Array.isArray(input)) {
      if (!isAddressKind(input)) return fail(`must be ${listenerForm}`)
      const found = addresses(input, standard, part, [])
      return (limits) => ({ addresses: found, insecureAuth: false, limits })
    }
    const read = part(options, input)
    const found = addresses(read.address ?? true, standard, part, ['address'])
    return (limits) => ({
      addresses: found,
      insecureAuth: read.insecureAuth ?? false,
      limits: { ...limits, ...renamed(read.limits ?? {}) },
    })
  })
}

const isAddressKind = (input: unknown): boolean =>
  input === true || typeof input === 'string' || typeof input === 'number' || Array.isArray(input)

const httpOptions = {
  address: z.unknown().optional(),
  hosts: list(value(parseHostname)).optional(),
} satisfies Shape<Input.HttpListenerInput>

const redirect = inside<boolean | number>((input, part) =>
  typeof input === 'boolean' ? input : part(count(1, 65535), input),
)

function httpListener(standard: string, kind: 'plain' | 'tls'): z.ZodType<HttpListenerConfig | undefined> {
  const options: z.ZodType<{
    readonly address?: unknown
    readonly hosts?: string[] | undefined
    readonly redirect?: boolean | number | undefined
  }> =
    kind === 'tls'
      ? object(httpOptions)
      : object({
          ...httpOptions,
          redirect: redirect.optional(),
        } satisfies Shape<Input.PlainHttpListenerInput>)
  return inside((input, part) => {
    if (input === false) return undefined
    if (typeof input !== 'object' || input === null || Array.isArray(input)) {
      if (!isAddressKind(input)) return fail(`must be ${listenerForm}`)
      return { addresses: addresses(input, standard, part, []), hosts: [], redirect: false }
    }
    const read = part(options, input)
    return {
      addresses: addresses(read.address ?? true, standard, part, ['address']),
      hosts: read.hosts ?? [],
      redirect: read.redirect ?? false,
    }
  })
}

function listenersSchema() {
  return object({
    mx: smtpListener('127.0.0.1:2525'),
    submission: smtpListener('127.0.0.1:2587'),
    submissions: smtpListener('127.0.0.1:2465'),
    lmtp: smtpListener('127.0.0.1:2424'),
    http: httpListener('127.0.0.1:8025', 'plain'),
    https: httpListener('127.0.0.1:8443', 'tls'),
  } satisfies Shape<Input.ListenersInput>).transform((listeners, ctx) => {
    const taken = new Map<string, string>()
    for (const [name, listener] of Object.entries(listeners)) {
      const found =
        typeof listener === 'function' ? listener(defaultLimits).addresses : (listener?.addresses ?? [])
      for (const { address, port } of found) {
        const key = `${address} ${port}`
        const other = port === 0 ? undefined : taken.get(key)
        if (other !== undefined) {
          const message = `has the same address and port as listeners.${other}`
          ctx.issues.push({ code: 'custom', path: [name], message, input: undefined })
        }
        taken.set(key, name)
      }
    }
    const { http, https } = listeners
    if (http?.redirect === true && https === undefined) {
      const message = 'needs listeners.https, or the port of a server in front that speaks HTTPS'
      ctx.issues.push({ code: 'custom', path: ['http', 'redirect'], message, input: undefined })
    }
    return listeners
  })
}

const path = (context: ConfigContext): z.ZodType<string> =>
  value((input) => {
    if (typeof input !== 'string' || input === '' || input.includes('\0')) return fail('must be a path')
    return isAbsolute(input) ? input : join(context.baseDir, input)
  })

function routeSchema(context: ConfigContext): z.ZodType<Route> {
  return value((input) => {
    if (typeof input !== 'string') return fail("must be a route such as 'mx' or 'smtp://host:port'")
    const text = resolveEnv(input, context.env)
    // A password alone may come from the environment: smtp://user:env:NAME@host
    const inner = /^([a-z]+:\/\/[^:@/]+:)(env:[A-Za-z_]\w*)(@.*)$/i.exec(text)
    const whole =
      inner === null
        ? text
        : `${inner[1]}${encodeURIComponent(resolveEnv(inner[2] ?? '', context.env))}${inner[3]}`
    const parsed = parseRoute(whole)
    return parsed.ok ? parsed.route : fail(parsed.problem)
  })
}

/** The queue keeps one destination, with its connections, for one user at one host: what it says there must not depend on the domain. */
function routesSchema(context: ConfigContext): z.ZodType<Config['delivery']['routes']> {
  const table = byDomain(routeSchema(context), undefined)
  return inside((input, part, note) => {
    const routes = part(table, input)
    const first = new Map<string, string>()
    for (const [domain, route] of Object.entries(routes)) {
      if (route.kind !== 'smtp' && route.kind !== 'lmtp') continue
      const destination = routeDestination(route, domain)
      const other = first.get(destination)
      const before = other === undefined ? undefined : routes[other]
      if (before === undefined) first.set(destination, domain)
      else if (!isDeepStrictEqual(route, before))
        note([domain], `has another password or ?tls= than the route of '${other}' to the same host`)
    }
    return routes
  })
}

function tlsSchema(context: ConfigContext): z.ZodType<TlsConfig> {
  const files = object({ cert: path(context), key: path(context) } satisfies Shape<Input.TlsFilesInput>)
  return inside((input, read): TlsConfig => {
    if (input === 'self-signed') return { kind: 'self-signed' }
    if (input === false) return { kind: 'off' }
    if (typeof input !== 'object' || (Array.isArray(input) && input.length === 0))
      return fail("must be 'self-signed', false or { cert: 'file.pem', key: 'file.pem' }")
    return { kind: 'files', pairs: Array.isArray(input) ? read(list(files), input) : [read(files, input)] }
  })
}

const smtpLimits = {
  lineBytesMax: size(512, 1024 * 1024),
  messageBytesMax: size(1024),
  recipientsMax: count(100), // RFC 5321 section 4.5.3.1.8
  transactionsMax: count(0),
  errorsMax: count(1),
  commandsMax: count(1),
  connectionsMax: count(1),
  connectionsPerAddressMax: count(1),
  commandTimeout: duration(100),
  dataTimeout: duration(100),
  sessionTimeout: duration(100),
} satisfies Shape<Input.SmtpLimitsInput>

type SmtpLimitsRead = { readonly [K in keyof typeof smtpLimits]: number }

type SmtpLimitsGiven = { readonly [K in keyof typeof smtpLimits]?: number | undefined }

/** Only what was given, under its name with its unit. */
function renamed({
  commandTimeout,
  dataTimeout,
  sessionTimeout,
  ...rest
}: SmtpLimitsGiven): Partial<SmtpServerLimits> {
  const given = {
    ...rest,
    commandTimeoutMs: commandTimeout,
    dataTimeoutMs: dataTimeout,
    sessionTimeoutMs: sessionTimeout,
  }
  return Object.fromEntries(Object.entries(given).filter(([, limit]) => limit !== undefined))
}

function toServerLimits({
  commandTimeout,
  dataTimeout,
  sessionTimeout,
  ...rest
}: SmtpLimitsRead): SmtpServerLimits {
  return {
    ...rest,
    commandTimeoutMs: commandTimeout,
    dataTimeoutMs: dataTimeout,
    sessionTimeoutMs: sessionTimeout,
  }
}

function limitsSchema(): z.ZodType<Config['limits']> {
  return object({
    ...smtpLimits,
    minFreeBytes: size(0),
    receivedMax: count(10),
  } satisfies Shape<Input.LimitsInput>).transform(({ minFreeBytes, receivedMax, ...limits }) => ({
    ...toServerLimits(limits),
    minFreeBytes,
    receivedMax,
  }))
}

function retrySchema(): z.ZodType<Config['retry']> {
  return object({
    first: duration(100),
    max: duration(100),
    giveUpAfter: duration(1000),
    delayNoticeAfter: inside((input, part) => (input === false ? undefined : part(duration(0), input))),
  } satisfies Shape<Input.RetryInput>).transform((retry, ctx) => {
    if (retry.first > retry.max) {
      ctx.issues.push({
        code: 'custom',
        path: ['first'],
        message: 'must not be longer than retry.max',
        input: retry,
      })
    }
    return {
      firstMs: retry.first,
      maxMs: retry.max,
      giveUpAfterMs: retry.giveUpAfter,
      delayNoticeAfterMs: retry.delayNoticeAfter,
    }
  })
}

function relaySchema(): z.ZodType<Config['relay']> {
  const policy = choice(tlsPolicies)
  return object({
    connectionsPerDestination: count(1, 10_000),
    messagesPerConnection: count(1),
    recipientsPerMessage: count(1),
    idleTimeout: duration(0, 3_600_000),
    tls: inside(
      (input, read): Readonly<Record<string, TlsPolicy>> =>
        typeof input === 'object' ? read(byDomain(policy, 'may'), input) : { '*': read(policy, input) },
    ),
    dane: flag,
    mtaSts: flag,
    sourceAddress: value(parseIpText).optional(),
  } satisfies Shape<Input.RelayInput>).transform(({ idleTimeout, sourceAddress, ...rest }) => ({
    ...rest,
    idleTimeoutMs: idleTimeout,
    sourceAddress,
  }))
}
