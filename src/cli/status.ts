// Owns `posthouse status`: is the server running, where does it listen, what does it do with mail, what waits.

import type { Command } from 'commander'

import type { Health, ServerStatus } from '../http/control-api.ts'

import { createClient } from './client.ts'
import { type Context, type GlobalOptions, printJson, printLines } from './context.ts'
import { exitCodes } from './exit.ts'
import { formatPairs, formatTable } from './table.ts'
import type { Colours } from './text.ts'
import { fullTime, relativeTime, roughDuration } from './time.ts'

export const modeMeanings: Readonly<Record<ServerStatus['mode'], string>> = {
  capture: 'mail for other domains is kept here for you to look at and never sent out',
  relay: 'mail for other domains is delivered to them',
  hold: 'mail for other domains waits until you release it',
  discard: 'mail for other domains is thrown away',
}

export function addStatusCommand(program: Command, context: Context): void {
  program
    .command('status')
    .description('show whether the server runs, where it listens and what waits')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = createClient(context, options)
      const [status, health] = await Promise.all([
        client.ask<ServerStatus>('GET', '/v1/status'),
        client.ask<Health>('GET', '/v1/health'),
      ])
      if (options.json) printJson(context, { ...status, health })
      else printStatus(context, status, health)
      if (!health.ready) context.setExitCode(exitCodes.no)
    })
}

function printStatus(context: Context, status: ServerStatus, health: Health): void {
  const { colours } = context
  const { counts } = status
  const state = health.ready
    ? colours.green('ready')
    : colours.red(`not ready: ${health.problems.join('; ')}`)
  const oldest =
    counts.oldestDueAt === undefined
      ? ''
      : `, the oldest due since ${relativeTime(counts.oldestDueAt, status.now)}`
  const pairs = [
    ['State', status.state === 'stopping' ? colours.yellow('stopping') : state],
    ['Version', status.version],
    [
      'Process',
      `${status.pid}, up ${roughDuration(status.now - status.startedAt)}, since ${fullTime(status.startedAt, status.now)}`,
    ],
    ['Name', status.hostname],
    ['Data', status.dataDir],
    ['Config', status.configFile ?? 'built-in defaults'],
    ['Domains', status.domains.join(', ') || 'none'],
    ['Mode', `${colours.bold(status.mode)}: ${modeMeanings[status.mode]}`],
    ['Queue', `${counts.waiting} waiting, ${counts.active} being tried, ${counts.held} held${oldest}`],
    [
      'Unreadable',
      (status.quarantinedCount ?? 0) > 0
        ? colours.red(`${status.quarantinedCount} rows of the store`)
        : undefined,
    ],
    ['Spool', spoolWords(status.spool, colours)],
  ] as const
  printLines(context, formatPairs(pairs, { colours }))
  context.print()
  printLines(
    context,
    formatTable(
      status.listeners,
      [
        { title: 'LISTENER', cell: ({ name }) => name },
        { title: 'ADDRESS', cell: ({ address, port }) => formatEndpoint(address, port) },
        { title: 'TLS', cell: ({ tls }) => tls },
        { title: 'CONNECTIONS', cell: ({ connectionCount }) => String(connectionCount), right: true },
      ],
      context,
    ),
  )
}

/** Only where something lies there. */
function spoolWords(spool: ServerStatus['spool'], { red }: Colours): string | undefined {
  if (spool === undefined || spool.waiting + spool.bad === 0) return undefined
  const count = (n: number): string => `${n} ${n === 1 ? 'message' : 'messages'}`
  const waiting = spool.waiting === 0 ? '' : `${count(spool.waiting)} to be taken up`
  const bad =
    spool.bad === 0
      ? ''
      : red(`${count(spool.bad)} could not be taken: the reasons are in ${spool.folder}/bad`)
  return [waiting, bad].filter((part) => part !== '').join('; ')
}

export const formatEndpoint = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
