// Owns `posthouse domain ...`: our domains, what they should have in DNS, and what they have.

import type { Command } from 'commander'
import type { DomainDnsView, DomainRow } from '../http/routes-domain-dns-types.ts'
import { createClient, formatQuery } from './client.ts'
import { type Context, examples, type GlobalOptions, printJson, printLines } from './context.ts'
import { formatChecks, formatRecords, formatZone } from './domain-view.ts'
import { exitCodes } from './exit.ts'
import { formatTable } from './table.ts'
import { plain } from './text.ts'

interface ViewOptions extends GlobalOptions {
  readonly zone?: boolean
  readonly tlsa?: boolean
}

export function addDomainCommands(program: Command, context: Context): void {
  const domain = program.command('domain').description('our domains, and what they have to say in DNS')
  domain.addHelpText('after', () =>
    examples(context, [
      ['domain add example.test', 'makes it ours, with keys, and says what to publish'],
      ['domain check example.test', 'what is published, what is wrong, what to do'],
      ['domain dns example.test --zone >> zonefile', 'the records as a zone file'],
    ]),
  )
  domain
    .command('list')
    .alias('ls')
    .description('list our domains')
    .action((_options: unknown, command: Command) => list(context, command.optsWithGlobals<GlobalOptions>()))
  const withForm = (command: Command): Command =>
    command
      .option('--zone', 'print the zone file alone')
      .option('--tlsa', 'with TLSA records of our certificate, for zones signed by DNSSEC')
  withForm(
    domain.command('add <domain>').description('make a domain ours, make its keys, and say what to publish'),
  ).action(async (name: string, _options: unknown, command: Command) => {
    const options = command.optsWithGlobals<ViewOptions>()
    const client = createClient(context, options)
    await client.ask<DomainDnsView>('POST', '/v1/domains', { name })
    const view = await client.ask<DomainDnsView>('GET', dnsPath(name, { check: 'false', tlsa: options.tlsa }))
    showRecords(context, view, options)
    if (options.json || options.zone) return
    context.print()
    context.print(
      `${plain(view.domain)} is ours. Publish these records; mail is signed once the keys are seen in DNS.`,
    )
    context.print(`Then look: ${context.command} domain check ${plain(view.domain)}`)
  })
  withForm(domain.command('dns <domain>').description('the records that a domain should have')).action(
    async (name: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ViewOptions>()
      const path = dnsPath(name, { check: 'false', tlsa: options.tlsa })
      showRecords(context, await createClient(context, options).ask<DomainDnsView>('GET', path), options)
    },
  )
  domain
    .command('check <domain>')
    .description('ask DNS, and compare with what should be there; exits with 1 where mail suffers')
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const path = dnsPath(name, { check: 'true' })
      const view = await createClient(context, options).ask<DomainDnsView>('GET', path)
      if (options.json) printJson(context, view)
      else printLines(context, formatChecks(view, context))
      if ((view.counts?.bad ?? 0) > 0) context.setExitCode(exitCodes.no)
    })
  domain
    .command('remove <domain>')
    .alias('rm')
    .description('take a domain away that was added here; its accounts first. Its keys are kept')
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      await createClient(context, options).ask('DELETE', `/v1/domains/${encodeURIComponent(name)}`)
      if (options.json) printJson(context, { name })
      else context.print(`${plain(name)} removed`)
    })
}

const dnsPath = (
  name: string,
  query: { readonly check: string; readonly tlsa?: boolean | undefined },
): string =>
  `/v1/domains/${encodeURIComponent(name)}/dns${formatQuery({ check: query.check, tlsa: query.tlsa === true ? 'true' : undefined })}`

function showRecords(context: Context, view: DomainDnsView, options: ViewOptions): void {
  if (options.json) return printJson(context, view)
  if (options.zone) return printLines(context, formatZone(view))
  printLines(context, formatRecords(view, context))
  context.print()
  context.print(context.colours.bold('As a zone file'))
  printLines(context, formatZone(view))
}

async function list(context: Context, options: GlobalOptions): Promise<void> {
  const { items } = await createClient(context, options).ask<{ items: readonly DomainRow[] }>(
    'GET',
    '/v1/domains',
  )
  if (options.json) return printJson(context, { items })
  if (items.length === 0) return context.print('no domains')
  printLines(
    context,
    formatTable(
      items,
      [
        { title: 'DOMAIN', cell: ({ name }) => name },
        { title: 'ACCOUNTS', cell: ({ accountCount }) => String(accountCount), right: true },
        { title: 'ALIASES', cell: ({ aliases }) => String(aliases.length), right: true },
        {
          title: 'DKIM',
          cell: ({ signs, nextCount }) =>
            signs
              ? nextCount > 0
                ? 'signs, next keys wait'
                : 'signs'
              : nextCount > 0
                ? 'keys wait'
                : 'no keys',
          colour: ({ signs }) => (signs ? context.colours.green : context.colours.yellow),
        },
        { title: 'FROM', cell: ({ source }) => (source === 'config' ? 'configuration' : 'added') },
      ],
      context,
    ),
  )
}
