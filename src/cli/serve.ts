// Owns the command `posthouse serve`: its options and help. What it does is run-server.ts, loaded only when it runs, since
// the commands that ask a running server need none of it.

import { type Command, Option } from 'commander'

import { type Context, examples, type GlobalOptions, parseCount } from './context.ts'
import { modeMeanings } from './status.ts'

export interface ServeOptions extends GlobalOptions {
  readonly mode?: string
  readonly logLevel?: string
  readonly jsonLogs?: boolean
  readonly portOffset?: number
}

export function addServeCommand(program: Command, context: Context): void {
  program
    .command('serve')
    .description('start the server in the foreground')
    .addOption(
      new Option('--mode <mode>', 'what to do with mail for other domains').choices(
        Object.keys(modeMeanings),
      ),
    )
    .option(
      '--port-offset <count>',
      'add this to every port of the configuration',
      parseCount('--port-offset', 0, 60_000),
    )
    .addOption(
      new Option('--log-level <level>', 'how much is logged').choices([
        'error',
        'warn',
        'info',
        'debug',
        'trace',
        'silent',
      ]),
    )
    .option('--json-logs', 'log JSON lines even on a terminal')
    .addHelpText('after', () =>
      examples(context, [
        ['serve', 'try it: nothing leaves this machine'],
        ['serve --config posthouse.config.ts', 'with your configuration'],
        ['serve --mode relay --data-dir /var/lib/posthouse', 'deliver to the world'],
      ]),
    )
    .action(async (_options: unknown, command: Command) => {
      const { runServer } = await import('./run-server.ts')
      await runServer(context, command.optsWithGlobals<ServeOptions>())
    })
}
