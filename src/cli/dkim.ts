// Owns `posthouse dkim ...`: the keys that sign for our domains, and how they change.

import type { Command } from 'commander'
import type { DkimChange, DkimKeyItem } from '../http/routes-domain-dns-types.ts'
import { createClient, formatQuery } from './client.ts'
import { type Context, examples, type GlobalOptions, printJson, printLines } from './context.ts'
import { formatTable } from './table.ts'
import { plain } from './text.ts'
import { relativeTime } from './time.ts'

export function addDkimCommands(program: Command, context: Context): void {
  const dkim = program.command('dkim').description('the keys that sign the mail of our domains')
  dkim.addHelpText('after', () =>
    examples(context, [
      ['dkim rotate example.test', 'makes the next keys and says what to publish'],
      ['dkim activate example.test', 'signs with them, once they are seen in DNS'],
      ['dkim list', 'all keys'],
    ]),
  )
  dkim
    .command('list [domain]')
    .alias('ls')
    .description('list keys; private halves are never shown')
    .action(async (domain: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const { items } = await createClient(context, options).ask<{ items: readonly DkimKeyItem[] }>(
        'GET',
        `/v1/dkim${formatQuery({ domain })}`,
      )
      if (options.json) return printJson(context, { items })
      if (items.length === 0) return context.print('no keys')
      printLines(context, formatKeys(items, context))
    })
  dkim
    .command('rotate <domain>')
    .description('make the next keys of a domain')
    .action((domain: string, _options: unknown, command: Command) =>
      change(context, command.optsWithGlobals<GlobalOptions>(), domain, 'rotate', {}),
    )
  dkim
    .command('activate <domain>')
    .description('sign with the next keys; those of before are retired')
    .option('--force', 'without looking whether they are published')
    .action((domain: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { force?: boolean }>()
      return change(context, options, domain, 'activate', { force: options.force === true })
    })
  dkim
    .command('retire <domain> <selector>')
    .description('take a key out of use at once')
    .action((domain: string, selector: string, _options: unknown, command: Command) =>
      change(context, command.optsWithGlobals<GlobalOptions>(), domain, 'retire', { selector }),
    )
}

async function change(
  context: Context,
  options: GlobalOptions,
  domain: string,
  act: 'rotate' | 'activate' | 'retire',
  body: object,
): Promise<void> {
  const path = `/v1/domains/${encodeURIComponent(domain)}/dkim/${act}`
  const result = await createClient(context, options).ask<DkimChange>('POST', path, body)
  if (options.json) return printJson(context, result)
  printLines(context, formatKeys(result.keys, context))
  if (result.todo.length === 0) return
  context.print()
  for (const one of result.todo) context.print(`-> ${plain(one)}`)
}

function formatKeys(keys: readonly DkimKeyItem[], context: Context): readonly string[] {
  const now = context.now()
  const { colours } = context
  const paint = { next: colours.yellow, active: colours.green, retired: colours.dim }
  return formatTable(
    keys,
    [
      { title: 'DOMAIN', cell: ({ domain }) => domain },
      { title: 'SELECTOR', cell: ({ selector }) => selector },
      { title: 'KEY', cell: ({ type, bits }) => (type === 'rsa' ? `RSA ${bits}` : 'Ed25519') },
      { title: 'STATE', cell: ({ state }) => state, colour: ({ state }) => paint[state] },
      {
        title: 'SINCE',
        cell: ({ createdAt, activatedAt, retiredAt }) => {
          const at = retiredAt ?? activatedAt ?? createdAt
          return at === undefined ? '' : relativeTime(at, now)
        },
      },
      { title: 'FROM', cell: ({ source }) => (source === 'config' ? 'configuration' : 'made here') },
    ],
    context,
  )
}
