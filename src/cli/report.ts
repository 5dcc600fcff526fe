// Owns `posthouse report ...`: what other mail systems report about our domains, and what became of our reports to them.

import type { Command } from 'commander'
import type {
  ReceivedReportItem,
  ReceivedReportView,
  ReportSummaryView,
  SentReportItem,
} from '../http/api-types.ts'
import { createClient, formatQuery } from './client.ts'
import { type Context, examples, type GlobalOptions, parseCount, printJson, printLines } from './context.ts'
import { CliError, exitCodes } from './exit.ts'
import { collect } from './queue.ts'
import { addReportSources } from './report-dmarc.ts'
import { formatReceived, formatReport, formatSent, formatSummary } from './report-view.ts'

interface ListOptions extends GlobalOptions {
  readonly kind?: string
  readonly domain?: string
  readonly limit: number
  readonly cursor?: string
}

interface SummaryOptions extends GlobalOptions {
  readonly kind?: string
  readonly days: number
}

const kinds = ['tls-rpt', 'dmarc-aggregate', 'dmarc-failure']

function parseKind(text: string): string {
  if (kinds.includes(text)) return text
  throw new CliError(exitCodes.usage, `--kind must be one of ${kinds.join(', ')}, not '${text}'`)
}

export function addReportCommands(program: Command, context: Context): void {
  const report = program
    .command('report')
    .description('reports between mail systems about TLS and DMARC: those of others, and ours')
  report.addHelpText('after', () =>
    examples(context, [
      ['report summary example.test', 'how much of the last days went well'],
      ['report sources example.test', 'who sends as our domain, by the DMARC reports of others'],
      ['report list --kind tls-rpt', 'reports of others'],
      ['report show <id>', 'what one of them says'],
      ['report sent', 'our reports to others, and what became of them'],
    ]),
  )
  pageOptions(report.command('list').alias('ls').description('reports of others about our domains')).action(
    async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ListOptions>()
      const page = await read<ReceivedReportItem>(context, '/v1/reports/received', options)
      if (options.json) return printJson(context, page)
      printLines(context, formatReceived(page.items, context))
      tellMore(context, page)
    },
  )
  report
    .command('show <id>')
    .description('what a report says')
    .action(async (id: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const path = `/v1/reports/received/${encodeURIComponent(id)}`
      const view = await createClient(context, options).ask<ReceivedReportView>('GET', path)
      if (options.json) return printJson(context, view)
      printLines(context, formatReport(view, context))
    })
  report
    .command('summary [domain]')
    .description('what reports of others tell of the last days')
    .option('--kind <kind>', `only these: ${kinds.join(', ')}`, parseKind)
    .option('--days <count>', 'so many days', parseCount('--days', 1, 366), 14)
    .action(async (domain: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<SummaryOptions>()
      const query = formatQuery({ domain, kind: options.kind, days: options.days })
      const view = await createClient(context, options).ask<ReportSummaryView>(
        'GET',
        `/v1/reports/summary${query}`,
      )
      if (options.json) return printJson(context, view)
      printLines(context, formatSummary(view, context))
    })
  addReportSources(report, context)
  pageOptions(report.command('sent').description('our reports to others, and what became of them')).action(
    async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ListOptions>()
      const page = await read<SentReportItem>(context, '/v1/reports/sent', options)
      if (options.json) return printJson(context, page)
      printLines(context, formatSent(page.items, context))
      tellMore(context, page)
    },
  )
  report
    .command('send-now')
    .description('try all our reports that wait, of days that are over, without waiting for their time')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const answer = await createClient(context, options).ask<{ count: number }>(
        'POST',
        '/v1/reports/sent/now',
      )
      if (options.json) return printJson(context, answer)
      const { count } = answer
      context.print(
        count === 0
          ? 'No report waits: those of today are made when the day (UTC) is over.'
          : `${count} ${count === 1 ? 'report is' : 'reports are'} tried now; see: ${context.command} report sent`,
      )
    })
}

const pageOptions = (command: Command): Command =>
  command
    .option('--kind <kind>', `only these: ${kinds.join(', ')}`, parseKind)
    .option('--domain <name>', 'only about this domain')
    .option('--limit <count>', 'at most so many', parseCount('--limit', 1, 10_000), 50)
    .option('--cursor <cursor>', 'go on where an earlier list ended, as it said')

interface Page<T> {
  readonly items: readonly T[]
  readonly cursor?: string
}

const read = <T>(context: Context, path: string, options: ListOptions): Promise<Page<T>> => {
  const { kind, domain, cursor, limit } = options
  return collect<T>(createClient(context, options), path, { kind, domain, cursor }, limit)
}

function tellMore(context: Context, { cursor, items }: Page<unknown>): void {
  if (items.length === 0) context.print('None.')
  else if (cursor !== undefined) context.print(context.colours.dim(`more: --cursor ${cursor}`))
}
