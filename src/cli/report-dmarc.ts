// Owns `posthouse report sources`: who sends as our domains, by the DMARC reports of others; and how the head of a failure
// report looks to people. What others wrote is made harmless here.

import type { Command } from 'commander'
import type { DmarcFailureHead, DmarcSourceItem, DmarcSourcesView } from '../http/api-types.ts'
import { createClient, formatQuery } from './client.ts'
import { type Context, type GlobalOptions, parseCount, printJson, printLines } from './context.ts'
import { formatPairs, formatTable } from './table.ts'
import { plain } from './text.ts'

interface SourcesOptions extends GlobalOptions {
  readonly days: number
  readonly limit: number
}

/** Below `posthouse report`. */
export function addReportSources(report: Command, context: Context): void {
  report
    .command('sources [domain]')
    .description('who sends as our domains and whether it passes, by the DMARC reports of others')
    .option('--days <count>', 'of so many days', parseCount('--days', 1, 366), 30)
    .option('--limit <count>', 'at most so many addresses', parseCount('--limit', 1, 1000), 50)
    .action(async (domain: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<SourcesOptions>()
      const { days, limit } = options
      const path = `/v1/reports/dmarc${formatQuery({ domain, days, limit })}`
      const view = await createClient(context, options).ask<DmarcSourcesView>('GET', path)
      if (options.json) return printJson(context, view)
      printLines(context, formatSources(view, days, context))
    })
}

const whole = (counts: DmarcSourcesView['dispositions']): string =>
  Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')

export function formatSources(view: DmarcSourcesView, days: number, context: Context): readonly string[] {
  const { colours } = context
  if (view.reportCount === 0) return [`No DMARC report tells of the last ${days} days.`]
  const { reportCount, passCount, failCount, sources, sourceCount, otherCount, reporters } = view
  const red = ({ failCount: count }: DmarcSourceItem) => (count > 0 ? colours.red : colours.dim)
  const table = formatTable(
    sources,
    [
      { title: 'SENT FROM', cell: ({ ip }) => (ip === '' ? 'no address' : ip) },
      { title: 'PASSED', cell: ({ passCount: count }) => String(count), right: true },
      { title: 'FAILED', cell: ({ failCount: count }) => String(count), right: true, colour: red },
      { title: 'DKIM', cell: ({ dkimAlignedCount }) => String(dkimAlignedCount), right: true },
      { title: 'SPF', cell: ({ spfAlignedCount }) => String(spfAlignedCount), right: true },
      { title: 'DONE', cell: ({ dispositions }) => whole(dispositions), least: 10 },
      { title: 'AS', cell: ({ headerFrom }) => headerFrom.join(', '), least: 10 },
      { title: 'STANDS BEHIND IT', cell: ({ authenticated }) => authenticated.join(', '), least: 10 },
    ],
    context,
  )
  const others = sourceCount - sources.length
  return [
    `${passCount} messages passed DMARC, ${failCount > 0 ? colours.red(`${failCount} failed`) : 'none failed'}: ${reportCount} ${
      reportCount === 1 ? 'report' : 'reports'
    } of the last ${days} days, by ${plain(
      reporters
        .slice(0, 5)
        .map(({ organization }) => organization)
        .join(', '),
    )}${reporters.length > 5 ? ` and ${reporters.length - 5} more` : ''}.`,
    '',
    ...table,
    ...(others > 0 ? [colours.dim(`${others} more addresses: --limit`)] : []),
    ...(otherCount > 0
      ? [colours.dim(`${otherCount} messages of addresses that large reports do not keep apart`)]
      : []),
  ]
}

/** Every value is a stranger's word. */
export function formatFailure(head: Readonly<Record<string, unknown>>, context: Context): readonly string[] {
  const failure = head as unknown as Partial<DmarcFailureHead>
  const words = (value: readonly string[] | undefined): string | undefined =>
    value === undefined || value.length === 0 ? undefined : plain(value.join(', '))
  const word = (value: string | undefined): string | undefined =>
    value === undefined || value === '' ? undefined : plain(value)
  const { dkim } = failure
  return formatPairs(
    [
      ['Sent from', word(failure.sourceIp)],
      ['Failed', word(failure.authFailure)],
      ['Not aligned', words(failure.identityAlignment)],
      ['Done', word(failure.deliveryResult)],
      ['DKIM', dkim === undefined ? undefined : plain(`d=${dkim.domain} s=${dkim.selector}`)],
      ['MAIL FROM', word(failure.originalMailFrom)],
      ['RCPT TO', words(failure.originalRecipients)],
      ['Results', words(failure.authenticationResults)],
    ],
    { colours: context.colours },
  )
}
