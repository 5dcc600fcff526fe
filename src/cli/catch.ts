// Owns the command `posthouse catch`: its options and help. What it does is run-catcher.ts, loaded only when it runs.

import { setFlagsFromString } from 'node:v8'

import { type Command, Option } from 'commander'

import { type Context, examples, type GlobalOptions, parseCount } from './context.ts'

export interface CatchOptions extends GlobalOptions {
  readonly smtp?: string
  readonly http?: string
  readonly port?: string
  readonly open?: boolean
  readonly allowHost?: readonly string[]
  readonly maxMessages?: number
  readonly maxSize?: string
  readonly maxAge?: string
  readonly maxMessageSize?: string
  readonly inboxes?: 'login' | 'one'
  readonly tls: boolean
  readonly fault?: readonly string[]
  readonly faultRules?: string
  readonly seed?: number
  readonly releaseServer?: string
  readonly releaseTo?: readonly string[]
  readonly releaseAuto?: boolean
  readonly quiet?: boolean
  readonly logLevel?: string
}

const collect = (value: string, before: readonly string[] | undefined): readonly string[] => [
  ...(before ?? []),
  value,
]

export function addCatchCommand(program: Command, context: Context): void {
  program
    .command('catch')
    .description('catch the mail of your app: any sender, login and recipient; nothing leaves this machine')
    .option('--smtp <[host:]port>', 'where SMTP listens (default: 127.0.0.1:1025)')
    .option('--http <[host:]port>', 'where console and API listen (default: 127.0.0.1:8025)')
    .addOption(
      new Option('--port <auto>', 'take the next free ports where these are taken').choices(['auto']),
    )
    .option('--open', 'let everybody who reaches the console read the mail; needed beyond 127.0.0.1')
    .option('--allow-host <name>', 'a name by which the console is asked for (may be repeated)', collect)
    .option(
      '--max-messages <count>',
      'keep at most so many (default: 10000)',
      parseCount('--max-messages', 1, 100_000_000),
    )
    .option('--max-size <size>', 'keep at most so much (default: 512MiB)')
    .option('--max-age <time>', 'keep no longer than this (default: 30d)')
    .option('--max-message-size <size>', 'refuse larger messages (default: 50MiB)')
    .addOption(
      new Option('--inboxes <how>', 'an inbox for each login name, or one for all (default: login)').choices([
        'login',
        'one',
      ]),
    )
    .option('--no-tls', 'do not offer STARTTLS')
    .option(
      '--fault <profile>',
      'make something go wrong: flaky, slow, greylisting, down... (may be repeated)',
      collect,
    )
    .option('--fault-rules <file>', 'fault rules as JSON: a list, or { "seed": 1, "rules": [...] }')
    .option('--seed <number>', 'of the chances of faults (default: 1)', parseCount('--seed', 0, 999_999_999))
    .option('--release-server <url>', "where mail is released to: smtp://user:password@host:port, or 'mx'")
    .option(
      '--release-to <pattern>',
      "addresses that it may be released to: '*@example.com' (may be repeated)",
      collect,
    )
    .option('--release-auto', 'release by itself what goes to these addresses')
    .option('--quiet', 'print nothing but errors')
    .addOption(
      new Option('--log-level <level>', 'how much is logged (default: warn)').choices([
        'error',
        'warn',
        'info',
        'debug',
        'trace',
        'silent',
      ]),
    )
    .addHelpText('after', () =>
      [
        '',
        'Mail is kept in memory and gone when it stops; with --data-dir it stays.',
        examples(context, [
          ['catch', 'SMTP on 1025, the console on http://127.0.0.1:8025'],
          ['catch --port auto --json', 'in scripts: prints the ports as JSON'],
          ['catch --fault flaky --seed 7', 'does your app survive it?'],
          ['catch --smtp 0.0.0.0:1025 --http 0.0.0.0:8025 --open', 'in a container'],
        ]),
      ].join('\n'),
    )
    .action(async (_options: unknown, command: Command) => {
      // It runs beside what is being developed: a nursery that stays as small as it begins costs some speed and saves
      // 60 to 90 MB. No option of Node's that a program may set for itself does this, so it is V8's own; without it all works the same.
      setFlagsFromString('--semi-space-growth-factor=1')
      const { runCatcher } = await import('./run-catcher.ts')
      await runCatcher(context, command.optsWithGlobals<CatchOptions>())
    })
}
