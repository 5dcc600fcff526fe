// Owns running the catcher in this process: its options as a configuration, what is printed for people and scripts, the
// stop. Ports that are taken are named with their flag.

import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { isLoopback } from '../base/ip.ts'
import {
  type CatcherOptions,
  catcherConfig,
  catcherPlace,
  catcherPorts,
  startOnFreePorts,
} from '../posthouse/catcher.ts'
import { type Config, mergeConfig } from '../posthouse/config.ts'
import type { CaptureInput } from '../posthouse/config-input.ts'
import { isRecord } from '../posthouse/config-values.ts'
import { ListenError } from '../posthouse/http-listeners.ts'
import { createLog } from '../posthouse/log.ts'
import { createPosthouse, type StartReport } from '../posthouse/posthouse.ts'

import type { CatchOptions } from './catch.ts'
import { type Context, printJson } from './context.ts'
import { CliError, exitCodes } from './exit.ts'
import { onStopSignals } from './run-server.ts'
import { formatEndpoint } from './status.ts'

/** Resolves when it has stopped. Rejects with a CliError or ConfigError. */
export async function runCatcher(context: Context, options: CatchOptions): Promise<void> {
  const wanted = await readOptions(context, options)
  const log = createLog({
    level: (options.logLevel ?? 'warn') as 'warn',
    pretty: context.isTerminal,
    colour: context.isTerminal && (context.env.NO_COLOR ?? '') === '',
  })
  const place = await catcherPlace(wanted, { log })
  const create = (now: CatcherOptions) => {
    const input = catcherConfig(now, place.dataDir)
    const { config, entries } = mergeConfig([{ source: 'flag', input }], {
      env: context.env,
      baseDir: context.cwd,
    })
    if (options.open !== true) refuseStrangers(config)
    return createPosthouse(config, { ...place.deps, configEntries: entries })
  }
  try {
    const { posthouse, report } = await startOnFreePorts(wanted, options.port === 'auto', create).catch(
      (error: unknown) => {
        throw describe(context, error)
      },
    )
    const stopSignals = onStopSignals(context, posthouse, log)
    if (options.json) printJson(context, asJson(report))
    else if (options.quiet !== true)
      for (const line of startLines(context, wanted, report)) context.print(line)
    await posthouse.stopped
    stopSignals()
  } finally {
    log.flush()
    await place.remove()
  }
}

/** Without login the address is all that keeps others out. */
function refuseStrangers(config: Config): void {
  const strange = config.listeners.http?.addresses.find(({ address }) => !isLoopback(address))
  if (strange === undefined) return
  throw new CliError(
    exitCodes.usage,
    `whoever reaches ${formatEndpoint(strange.address, strange.port)} could read the mail: the console has no login here`,
    'add --open if that is meant, or listen on 127.0.0.1',
  )
}

async function readOptions(context: Context, options: CatchOptions): Promise<CatcherOptions> {
  const faults = await readFaults(context, options)
  const release = readRelease(options)
  return {
    smtp: options.smtp ?? catcherPorts.smtp,
    http: options.http ?? catcherPorts.http,
    tls: options.tls,
    ...(options.allowHost !== undefined && { hosts: options.allowHost }),
    ...(options.dataDir !== undefined && { dataDir: resolve(context.cwd, options.dataDir) }),
    ...(options.maxMessages !== undefined && { messagesMax: options.maxMessages }),
    ...(options.maxSize !== undefined && { bytesMax: options.maxSize }),
    ...(options.maxAge !== undefined && { ageMax: options.maxAge }),
    ...(options.maxMessageSize !== undefined && { messageBytesMax: options.maxMessageSize }),
    ...(options.inboxes !== undefined && { inboxes: options.inboxes }),
    ...(release !== undefined && { release }),
    ...(faults !== undefined && { faults }),
  }
}

function readRelease(options: CatchOptions): CaptureInput['release'] {
  const { releaseServer: server, releaseTo: allow, releaseAuto: auto } = options
  if (server === undefined && allow === undefined && auto === undefined) return undefined
  if (server === undefined)
    throw new CliError(exitCodes.usage, '--release-server is missing: the host that released mail goes to')
  return { server, ...(allow !== undefined && { allow }), ...(auto !== undefined && { auto }) }
}

async function readFaults(context: Context, options: CatchOptions): Promise<CaptureInput['faults']> {
  const { fault: profiles, faultRules: file, seed } = options
  if (profiles === undefined && file === undefined && seed === undefined) return undefined
  const read = file === undefined ? {} : await readRules(resolve(context.cwd, file))
  return {
    ...read,
    ...(profiles !== undefined && { profiles }),
    ...(seed !== undefined && { seed }),
  }
}

async function readRules(path: string): Promise<NonNullable<CaptureInput['faults']>> {
  let value: unknown
  try {
    value = JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    const why = cause instanceof SyntaxError ? `is not JSON: ${cause.message}` : 'cannot be read'
    throw new CliError(exitCodes.noInput, `the fault rules in ${path}: ${why}`, undefined, { cause })
  }
  if (Array.isArray(value)) return { rules: value }
  if (isRecord(value)) return value
  throw new CliError(exitCodes.data, `the fault rules in ${path} must be a list or an object with 'rules'`)
}

function describe(context: Context, error: unknown): unknown {
  if (!(error instanceof ListenError)) return error
  const flag = error.key === 'listeners.http' ? '--http' : '--smtp'
  const where = formatEndpoint(error.endpoint.address, error.endpoint.port)
  if (error.code !== 'EADDRINUSE')
    return new CliError(
      exitCodes.unavailable,
      `${where} (${flag}) cannot be opened: ${error.code}`,
      undefined,
      {
        cause: error,
      },
    )
  return new CliError(
    exitCodes.unavailable,
    `${where} is taken by another program`,
    `try '${context.command} catch --port auto', or choose another with ${flag}`,
    { cause: error },
  )
}

const find = (report: StartReport, name: string): { address: string; port: number } | undefined =>
  report.listeners.find((listener) => listener.name === name)

const reachable = (address: string): string =>
  address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address

function asJson(report: StartReport): unknown {
  const smtp = find(report, 'mx')
  const http = find(report, 'http')
  return {
    ...(smtp !== undefined && {
      smtp: {
        host: reachable(smtp.address),
        port: smtp.port,
        url: `smtp://${formatEndpoint(reachable(smtp.address), smtp.port)}`,
      },
    }),
    ...(http !== undefined && {
      http: { url: `http://${formatEndpoint(reachable(http.address), http.port)}` },
    }),
    pid: process.pid,
  }
}

function startLines(context: Context, options: CatcherOptions, report: StartReport): readonly string[] {
  const { bold, dim } = context.colours
  const smtp = find(report, 'mx')
  const http = find(report, 'http')
  const host = smtp === undefined ? '' : reachable(smtp.address)
  const page = http === undefined ? undefined : `http://${formatEndpoint(reachable(http.address), http.port)}`
  const kept = options.dataDir === undefined ? 'in memory, gone when it stops' : options.dataDir
  return [
    '',
    `${bold('Posthouse catches mail.')} Nothing leaves this machine${options.release === undefined ? '' : ', but what is released'}.`,
    '',
    ...(page === undefined ? [] : [`  Console  ${bold(page)}`]),
    ...(smtp === undefined
      ? []
      : [
          `  SMTP     ${bold(formatEndpoint(host, smtp.port))}  ${dim('any user and password, or none; TLS not needed')}`,
        ]),
    `  Mail     ${dim(kept)}`,
    ...(smtp === undefined ? [] : ['', ...settings(host, smtp.port).map((line) => `  ${line}`)]),
    '',
    dim('Ctrl-C stops it.'),
  ]
}

/** What most programs want; the console has the rest, with a button to copy. */
const settings = (host: string, port: number): readonly string[] => [
  'Settings to paste:',
  `  URL           smtp://${formatEndpoint(host, port)}`,
  `  .env          SMTP_HOST=${host} SMTP_PORT=${port}`,
  `  Nodemailer    createTransport({ host: '${host}', port: ${port} })`,
  `  Laravel       MAIL_MAILER=smtp MAIL_HOST=${host} MAIL_PORT=${port}`,
  `  Django        EMAIL_HOST='${host}' EMAIL_PORT=${port}`,
  `  Try it        swaks --server ${formatEndpoint(host, port)} --to someone@example.test`,
]
