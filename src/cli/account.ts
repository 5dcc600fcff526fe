// Owns `posthouse account ...`: accounts beside those of the configuration file.

import type { Command } from 'commander'

import type { AccountSecret, AccountView } from '../http/control-api.ts'

import { createClient } from './client.ts'
import { type Context, examples, type GlobalOptions, printJson, printLines } from './context.ts'
import { askNewPassword, readPasswordFromInput } from './prompt.ts'
import { formatTable } from './table.ts'
import { relativeTime } from './time.ts'

interface PasswordOptions extends GlobalOptions {
  readonly passwordStdin?: boolean
  readonly generate?: boolean
}

export function addAccountCommands(program: Command, context: Context): void {
  const account = program.command('account').description('who has mail here and may send')
  account.addHelpText('after', () =>
    examples(context, [
      ['account add bob@example.test', 'asks for a password'],
      ['account add bob@example.test --generate', 'makes one and shows it once'],
      ['account passwd bob@example.test --password-stdin < file', 'from a file'],
    ]),
  )
  const withPassword = (command: Command): Command =>
    command
      .option('--password-stdin', 'read the password from standard input')
      .option('--generate', 'make a password and show it once')
  account
    .command('list')
    .alias('ls')
    .description('list accounts')
    .action((_options: unknown, command: Command) => list(context, command.optsWithGlobals<GlobalOptions>()))
  withPassword(account.command('add <name>').description('add an account')).action(
    (name: string, _options: unknown, command: Command) =>
      withSecret(context, name, command.optsWithGlobals<PasswordOptions>(), 'added'),
  )
  withPassword(account.command('passwd <name>').description('change the password of an account')).action(
    (name: string, _options: unknown, command: Command) =>
      withSecret(context, name, command.optsWithGlobals<PasswordOptions>(), 'changed'),
  )
  for (const enabled of [true, false]) {
    account
      .command(`${enabled ? 'enable' : 'disable'} <name>`)
      .description(
        enabled
          ? 'let an account log in and get mail again'
          : 'refuse logins and mail of an account, keeping what it has',
      )
      .action(async (name: string, _options: unknown, command: Command) => {
        const options = command.optsWithGlobals<GlobalOptions>()
        await createClient(context, options).ask('PATCH', accountPath(name), { enabled })
        say(context, options, `${name} ${enabled ? 'enabled' : 'disabled'}`, { name, enabled })
      })
  }
  account
    .command('delete <name>')
    .alias('rm')
    .description('remove an account; its mail stays')
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      await createClient(context, options).ask('DELETE', accountPath(name))
      say(context, options, `${name} removed`, { name })
    })
}

const accountPath = (name: string): string => `/v1/accounts/${encodeURIComponent(name)}`

function say(context: Context, options: GlobalOptions, text: string, json: unknown): void {
  if (options.json) printJson(context, json)
  else context.print(text)
}

async function list(context: Context, options: GlobalOptions): Promise<void> {
  const { items } = await createClient(context, options).ask<{ items: readonly AccountView[] }>(
    'GET',
    '/v1/accounts',
  )
  if (options.json) return printJson(context, { items })
  if (items.length === 0) return context.print('no accounts')
  const now = context.now()
  printLines(
    context,
    formatTable(
      items,
      [
        { title: 'ACCOUNT', cell: ({ name }) => name },
        { title: 'STATE', cell: ({ enabled }) => (enabled ? 'enabled' : 'disabled') },
        { title: 'LOGIN', cell: ({ hasPassword }) => (hasPassword ? 'yes' : 'no password') },
        { title: 'FROM', cell: ({ source }) => (source === 'config' ? 'configuration' : 'added') },
        {
          title: 'ADDED',
          cell: ({ createdAt }) => (createdAt === undefined ? '' : relativeTime(createdAt, now)),
        },
      ],
      context,
    ),
  )
}

async function withSecret(
  context: Context,
  name: string,
  options: PasswordOptions,
  what: 'added' | 'changed',
): Promise<void> {
  const client = createClient(context, options)
  // Before a password is typed: is there a server to give it to?
  await client.ask('GET', '/v1/health')
  const given = options.passwordStdin
    ? await readPasswordFromInput(context)
    : options.generate
      ? ''
      : await askNewPassword(context)
  const body = given === undefined || given === '' ? {} : { password: given }
  const result =
    what === 'added'
      ? await client.ask<AccountSecret>('POST', '/v1/accounts', { name, ...body })
      : await client.ask<AccountSecret>('PUT', `${accountPath(name)}/password`, body)
  if (options.json) return printJson(context, result)
  context.print(what === 'added' ? `account ${result.name} added` : `password of ${result.name} changed`)
  if (result.password === undefined) return
  context.print(`its password, shown this once: ${context.colours.bold(result.password)}`)
}
