// Owns `posthouse cert ...`: the certificates that our listeners show, how long they last, and new ones.

import type { Command } from 'commander'
import type { CertificateItem, CertificatesView } from '../http/api-types.ts'
import { createClient } from './client.ts'
import { type Context, examples, type GlobalOptions, printJson, printLines } from './context.ts'
import { exitCodes } from './exit.ts'
import { formatTable } from './table.ts'
import { plain } from './text.ts'
import { relativeTime } from './time.ts'

export function addCertCommands(program: Command, context: Context): void {
  const cert = program.command('cert').description('the certificates that our listeners show')
  cert.addHelpText('after', () =>
    examples(context, [
      ['cert list', 'what is shown, until when, and what went wrong'],
      ['cert renew', 'ask the authority for new ones now'],
      ['cert next-key mx.example.test', 'announce the next key in a TLSA record, before it is used'],
    ]),
  )
  cert
    .command('list')
    .alias('ls')
    .description('list certificates; exits with 1 where one is missing, failing or expired')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const view = await createClient(context, options).ask<CertificatesView>('GET', '/v1/certificates')
      show(context, options, view)
    })
  cert
    .command('renew [name]')
    .alias('issue')
    .description('ask the authority for a certificate now, whatever its time; without a name for all')
    .action(async (name: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const body = name === undefined ? {} : { id: name.toLowerCase() }
      const client = createClient(context, options)
      show(context, options, await client.ask<CertificatesView>('POST', '/v1/certificates/renew', body))
    })
  cert
    .command('next-key <name>')
    .description('make the key that the certificate has next, and say which TLSA record to publish first')
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const id = name.toLowerCase()
      const client = createClient(context, options)
      const view = await client.ask<CertificatesView>('POST', '/v1/certificates/next-key', { id })
      if (options.json) return printJson(context, view)
      const item = view.items.find((one) => one.id === id)
      context.print(`Publish beside the record that there is, and leave both:`)
      context.print(`_25._tcp.${plain(id)}. IN TLSA ${plain(item?.nextTlsa ?? '')}`)
      context.print(
        `The key is used once that has been seen for twice its TTL: ${context.command} cert renew ${plain(id)}`,
      )
    })
}

function show(context: Context, options: GlobalOptions, view: CertificatesView): void {
  if (view.items.some(({ state }) => state === 'missing' || state === 'failing' || state === 'expired'))
    context.setExitCode(exitCodes.no)
  if (options.json) return printJson(context, view)
  printLines(context, formatCertificates(view.items, context))
  for (const line of remarks(view, context)) context.print(line)
}

function formatCertificates(items: readonly CertificateItem[], context: Context): readonly string[] {
  const now = context.now()
  const { colours } = context
  const paint = {
    ok: colours.green,
    due: colours.yellow,
    waiting: colours.yellow,
    missing: colours.yellow,
    failing: colours.red,
    expired: colours.red,
  }
  return formatTable(
    items,
    [
      { title: 'CERTIFICATE', cell: ({ id }) => id },
      { title: 'STATE', cell: ({ state }) => state, colour: ({ state }) => paint[state] },
      { title: 'NAMES', cell: ({ names }) => names.join(', '), least: 12, drop: 2 },
      { title: 'ISSUER', cell: ({ issuer, source }) => issuerOf(issuer, source), least: 10, drop: 1 },
      {
        title: 'VALID',
        cell: ({ validToAt }) => (validToAt === undefined ? '' : relativeTime(validToAt, now)),
      },
      {
        title: 'RENEWS',
        cell: ({ error, nextRenewalAt }) => {
          const at = error?.retryAt ?? nextRenewalAt
          return at === undefined ? '' : at <= now ? 'now' : relativeTime(at, now)
        },
      },
      {
        title: 'SHOWN BY',
        cell: ({ usedBy }) => (usedBy.length === 0 ? 'nobody' : usedBy.join(', ')),
        least: 8,
        drop: 3,
      },
    ],
    context,
  )
}

const issuerOf = (issuer: string | undefined, source: CertificateItem['source']): string =>
  source === 'self-signed' ? 'ourselves' : (/(?:^|, )CN=([^,]+)/.exec(issuer ?? '')?.[1] ?? issuer ?? '')

function remarks({ items, authority }: CertificatesView, context: Context): readonly string[] {
  const { colours } = context
  const lines: string[] = []
  if (authority?.problem !== undefined) lines.push(`${colours.red('!')} ${plain(authority.problem)}`)
  for (const { id, error, failureCount, publish } of items) {
    if (error !== undefined) {
      const count = failureCount > 1 ? ` (${failureCount} times)` : ''
      const about = error.text.startsWith(id) ? '' : `${plain(id)}: `
      lines.push(`${colours.yellow('!')} ${about}${plain(error.text)}${count}`)
    }
    for (const one of publish ?? []) lines.push(`  -> publish ${plain(one)}`)
  }
  if (authority === undefined && items.every(({ source }) => source === 'self-signed'))
    lines.push(
      'No authority is asked: write acme: { agreeTermsOfService: true } for certificates that others believe.',
    )
  return lines.length === 0 ? [] : ['', ...lines]
}
