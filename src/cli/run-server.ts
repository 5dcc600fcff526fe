// Owns running the server in this process: configuration, log, the start-up block, and an orderly stop. A second signal
// stops at once.

import type { Endpoint } from '../base/connection.ts'
import type { ListenerStatus } from '../http/control-api.ts'
import type { Config } from '../posthouse/config.ts'
import { loadConfig } from '../posthouse/config-loader.ts'
import { ListenError } from '../posthouse/http-listeners.ts'
import { createLog, type ServerLog } from '../posthouse/log.ts'
import { createPosthouse, type Posthouse, type StartReport } from '../posthouse/posthouse.ts'
import { StoreFailure } from '../queue/store.ts'

import { loadOptions } from './config.ts'
import { type Context, repeatOptions } from './context.ts'
import { CliError, exitCodes } from './exit.ts'
import type { ServeOptions } from './serve.ts'
import { formatEndpoint, modeMeanings } from './status.ts'
import { formatPairs } from './table.ts'

/** Resolves when the server has stopped. Rejects with a CliError or ConfigError. */
export async function runServer(context: Context, options: ServeOptions): Promise<void> {
  const loaded = await loadConfig(
    loadOptions(context, options, [
      ['delivery.mode', '--mode', options.mode],
      ['log.level', '--log-level', options.logLevel],
    ]),
  )
  const config =
    options.portOffset === undefined ? loaded.config : offsetPorts(loaded.config, options.portOffset)
  const { level } = config.log
  const pretty = options.jsonLogs
    ? false
    : config.log.pretty === 'auto'
      ? context.isTerminal
      : config.log.pretty
  const log = createLog({ level, pretty, colour: context.isTerminal && (context.env.NO_COLOR ?? '') === '' })
  const posthouse = createPosthouse(config, {
    log,
    ...(loaded.file !== undefined && { configFile: loaded.file }),
    configEntries: loaded.entries,
  })
  const stopSignals = onStopSignals(context, posthouse, log)
  let report: StartReport
  try {
    report = await posthouse.start()
  } catch (cause) {
    log.flush()
    stopSignals()
    throw describeStartFailure(cause, config)
  }
  // JSON lines on stdout stay JSON lines: then what is for people goes to stderr.
  const say = (line: string): void =>
    context.isTerminal && pretty ? context.print(line) : context.note(line)
  for (const line of startBlock(context, config, report, loaded.file, options)) say(line)
  await posthouse.stopped
  stopSignals()
  log.info({}, 'stopped')
  log.flush()
}

/** Returns what takes the handlers away. */
export function onStopSignals(context: Context, posthouse: Posthouse, log: ServerLog): () => void {
  let count = 0
  const stop = (signal: NodeJS.Signals): void => {
    if (++count > 1) {
      context.note(
        'posthouse: stopped at once; what was accepted is on disk and will be delivered after the next start',
      )
      log.flush()
      process.exit(signal === 'SIGINT' ? 130 : 143)
    }
    if (context.isTerminal) context.note('posthouse: stopping; once more stops at once')
    log.info({ signal }, 'stopping')
    posthouse.stop().catch((error: unknown) => {
      log.error({ err: error }, 'stop failed')
      log.flush()
      process.exit(exitCodes.software)
    })
  }
  // A terminal that is closed says SIGHUP.
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, stop)
  return () => {
    for (const signal of signals) process.off(signal, stop)
  }
}

function describeStartFailure(cause: unknown, config: Config): unknown {
  if (cause instanceof ListenError)
    return new CliError(exitCodes.unavailable, cause.message, undefined, { cause })
  if (cause instanceof StoreFailure) {
    const hint = cause.code === 'full' ? 'free some space, or change dataDir in the configuration' : undefined
    const message = `the data in ${config.dataDir} cannot be opened: ${cause.message}`
    return new CliError(cause.code === 'full' ? exitCodes.temporary : exitCodes.unavailable, message, hint, {
      cause,
    })
  }
  const code = (cause as { code?: unknown } | null)?.code
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOSPC' || code === 'ENOTDIR') {
    const reason = cause instanceof Error ? cause.message : String(cause)
    return new CliError(
      exitCodes.cannotCreate,
      `cannot start: ${reason}`,
      'change dataDir in the configuration or --data-dir',
      { cause },
    )
  }
  return cause
}

/** Ports 0 (any) stay. @throws CliError beyond 65535 */
export function offsetPorts(config: Config, offset: number): Config {
  const moved = ({ address, port }: Endpoint): Endpoint => {
    if (port + offset > 65535)
      throw new CliError(exitCodes.usage, `--port-offset makes port ${port} larger than 65535`)
    return { address, port: port === 0 ? 0 : port + offset }
  }
  const move = <T extends { readonly addresses: readonly Endpoint[] }>(
    listener: T | undefined,
  ): T | undefined =>
    listener === undefined ? undefined : { ...listener, addresses: listener.addresses.map(moved) }
  const { mx, submission, submissions, lmtp, http, https } = config.listeners
  return {
    ...config,
    listeners: {
      mx: move(mx),
      submission: move(submission),
      submissions: move(submissions),
      lmtp: move(lmtp),
      http: move(http),
      https: move(https),
    },
  }
}

const purposes: Readonly<Record<string, string>> = {
  mx: 'mail from other servers',
  submission: 'mail from your users, STARTTLS and login',
  submissions: 'mail from your users, TLS and login',
  lmtp: 'LMTP',
  http: 'console and HTTP API, /metrics, /healthz, /readyz',
  https: 'the same with TLS, MTA-STS policies',
}

function startBlock(
  context: Context,
  config: Config,
  report: StartReport,
  file: string | undefined,
  options: ServeOptions,
): readonly string[] {
  const { colours } = context
  const { mode } = config.delivery
  const listeners = report.listeners.map(({ name, address, port }): readonly [string, string] => [
    `  ${name}`,
    `${formatEndpoint(address, port).padEnd(21)}  ${colours.dim(purposes[name] ?? '')}`.trimEnd(),
  ])
  const accounts = report.newPasswords.map(
    ({ name, password }) =>
      `Account ${colours.bold(name)}, password ${colours.bold(password)} (shown this once)`,
  )
  return [
    '',
    `${colours.bold('Posthouse')} serves ${config.domains.map(({ name }) => name).join(', ') || 'no domain'} as ${config.hostname}`,
    `Mode ${colours.bold(mode)}: ${modeMeanings[mode]}.`,
    `Data ${config.dataDir}, configuration ${file ?? 'built in'}.`,
    ...(listeners.length === 0
      ? ['No listener is open.']
      : formatPairs(listeners, { colours: { ...colours, dim: (text) => text } })),
    ...accounts,
    ...tryNext(context, config, report.listeners, options),
    '',
  ]
}

function tryNext(
  context: Context,
  config: Config,
  listeners: readonly ListenerStatus[],
  options: ServeOptions,
): readonly string[] {
  const mx = listeners.find(({ name }) => name === 'mx')
  if (mx === undefined) return []
  const first = config.domains[0]
  const to =
    config.delivery.mode === 'capture'
      ? 'someone@example.test'
      : (first?.accounts[0]?.name ?? `postmaster@${first?.name ?? 'localhost'}`)
  const host = mx.address === '0.0.0.0' ? '127.0.0.1' : mx.address === '::' ? '::1' : mx.address
  const server = host.includes(':') ? `[${host}]` : host
  const again = repeatOptions(options)
  return [
    'Try it:',
    `  swaks --server ${server}:${mx.port} --from you@example.test --to ${to}`,
    `  ${context.command} mail list${again}`,
    `  ${context.command} status${again}`,
  ]
}
