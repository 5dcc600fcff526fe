// Owns `posthouse config ...`: is the configuration right, and what does it come to.

import type { Command } from 'commander'

import type { Config } from '../posthouse/config.ts'
import type { LoadOptions } from '../posthouse/config-loader.ts'
import { ConfigError } from '../posthouse/config-mistake.ts'

import { type Context, examples, type GlobalOptions, printJson, printLines } from './context.ts'
import { exitCodes } from './exit.ts'
import { formatEndpoint, modeMeanings } from './status.ts'
import { formatPairs, formatTable } from './table.ts'

export function addConfigCommands(program: Command, context: Context): void {
  const config = program.command('config').description('the configuration')
  config.addHelpText('after', () =>
    examples(context, [
      ['config check --config posthouse.config.ts', 'report every mistake at once'],
      ['config explain', 'each value and where it comes from'],
    ]),
  )
  config
    .command('check')
    .description('report every mistake with its place and what to write instead')
    .action((_options: unknown, command: Command) => check(context, command.optsWithGlobals<GlobalOptions>()))
  config
    .command('explain')
    .description('print every value and where it comes from: default, file, variable or flag')
    .action((_options: unknown, command: Command) =>
      explain(context, command.optsWithGlobals<GlobalOptions>()),
    )
}

export const loadOptions = (
  context: Context,
  options: GlobalOptions,
  flags: readonly (readonly [path: string, flag: string, value: unknown])[] = [],
): LoadOptions => ({
  path: options.config,
  env: context.env,
  cwd: context.cwd,
  flags: new Map(
    [...flags, ['dataDir', '--data-dir', options.dataDir] as const]
      .filter(([, , value]) => value !== undefined)
      .map(([path, flag, value]) => [path, { flag, value }]),
  ),
})

async function check(context: Context, options: GlobalOptions): Promise<void> {
  const { loadConfig } = await import('../posthouse/config-loader.ts')
  try {
    const { config, file } = await loadConfig(loadOptions(context, options))
    if (options.json) return printJson(context, { ok: true, file: file ?? null, mistakes: [] })
    context.print(`${context.colours.green('ok')} ${file ?? 'no file: the built-in defaults'}`)
    printLines(context, formatPairs(summary(config), context))
  } catch (error) {
    if (!(error instanceof ConfigError) || !options.json) throw error
    printJson(context, { ok: false, file: error.file ?? null, mistakes: error.mistakes })
    context.setExitCode(exitCodes.config)
  }
}

function summary(config: Config): readonly (readonly [string, string])[] {
  const listeners = Object.entries(config.listeners).flatMap(([name, listener]) =>
    listener === undefined
      ? []
      : `${name} ${listener.addresses.map(({ address, port }) => formatEndpoint(address, port)).join(' ')}`,
  )
  const domains = config.domains.map(({ name, accounts, aliases, catchAll, enabled }) => {
    const parts = [
      count(accounts.length, 'account', 'accounts'),
      count(Object.keys(aliases).length, 'alias', 'aliases'),
    ]
    if (catchAll !== undefined) parts.push(`catch-all ${catchAll}`)
    if (!enabled) parts.push('switched off')
    return `${name} (${parts.join(', ')})`
  })
  return [
    ['Name', config.hostname],
    ['Data', config.dataDir],
    ['Listeners', listeners.join(', ') || 'none'],
    [
      'TLS',
      config.tls.kind === 'files' ? config.tls.pairs.map(({ cert }) => cert).join(', ') : config.tls.kind,
    ],
    ['Domains', domains.join(', ') || 'none'],
    ['Mode', `${config.delivery.mode}: ${modeMeanings[config.delivery.mode]}`],
  ]
}

const count = (n: number, one: string, many: string): string => `${n} ${n === 1 ? one : many}`

async function explain(context: Context, options: GlobalOptions): Promise<void> {
  const { loadConfig } = await import('../posthouse/config-loader.ts')
  const { explainConfig } = await import('../posthouse/config-explain.ts')
  const loaded = await loadConfig(loadOptions(context, options))
  const values = explainConfig(loaded.entries)
  if (options.json) return printJson(context, { file: loaded.file ?? null, values })
  printLines(
    context,
    formatTable(
      values,
      [
        { title: 'SETTING', cell: ({ path }) => path },
        {
          title: 'VALUE',
          cell: ({ value }) => (typeof value === 'string' ? value : JSON.stringify(value)),
          least: 20,
        },
        {
          title: 'FROM',
          cell: ({ source, name }) => name ?? (source === 'file' ? (loaded.file ?? 'file') : source),
          least: 12,
          colour: ({ source }) => (source === 'default' ? context.colours.dim : undefined),
        },
      ],
      context,
    ),
  )
}
