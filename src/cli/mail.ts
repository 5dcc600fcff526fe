// Owns `posthouse mail ...`: captured and local mail.

import type { Command } from 'commander'

import { isMessageId } from '../base/id.ts'
import { formatSize } from '../base/size.ts'
import type { MailFound, MailWhich } from '../http/control-api.ts'
import { readBody } from '../net/http-client.ts'
import type { MailSummary } from '../store/mail-view.ts'
import type { MailListItem, Page } from '../store/store.ts'

import { createClient, formatQuery } from './client.ts'
import { type Context, examples, type GlobalOptions, parseCount, printJson, printLines } from './context.ts'
import { CliError, exitCodes } from './exit.ts'
import { collect } from './queue.ts'
import { formatTable } from './table.ts'
import { plainLines } from './text.ts'
import { relativeTime } from './time.ts'

interface ListOptions extends GlobalOptions {
  readonly account?: string
  readonly mailbox?: string
  readonly limit: number
  readonly cursor?: string
}

interface ShowOptions extends GlobalOptions {
  readonly headers?: boolean
}

const shownBytesMax = 256 * 1024 * 1024

export function addMailCommands(program: Command, context: Context): void {
  const mail = program.command('mail').description('mail that is here: captured, and of our accounts')
  mail.addHelpText('after', () =>
    examples(context, [
      ['mail list --account capture', 'what was caught instead of being sent out'],
      ['mail search \'from:ann "two words" has:attachment\'', 'what has these words'],
      ['mail show <id>', 'one mail, as it was received'],
      ['mail show alice@example.test/3 --headers', 'by account and number'],
      ['mail delete <id>', 'remove it'],
    ]),
  )
  pageOptions(mail.command('list').alias('ls').description('list mail, newest first')).action(
    (_options: unknown, command: Command) => list(context, command.optsWithGlobals<ListOptions>()),
  )
  pageOptions(
    mail
      .command('search <query...>')
      .description(
        'search mail, newest first: words, "phrases", from: to: subject: tag: before: has: is: and -not',
      ),
  ).action((query: string[], _options: unknown, command: Command) =>
    search(context, query.join(' '), command.optsWithGlobals<ListOptions>()),
  )
  mail
    .command('show <which>')
    .description('print a mail: its id, or account/number, or account/mailbox/number')
    .option('--headers', 'only its header')
    .action((which: string, _options: unknown, command: Command) =>
      show(context, which, command.optsWithGlobals<ShowOptions>()),
    )
  mail
    .command('delete <which...>')
    .alias('rm')
    .description('remove mail')
    .action((which: string[], _options: unknown, command: Command) =>
      remove(context, which, command.optsWithGlobals<GlobalOptions>()),
    )
}

const pageOptions = (command: Command): Command =>
  command
    .option('--account <name>', "only of this account; 'capture' is the catcher")
    .option('--mailbox <name>', 'only of this mailbox')
    .option('--limit <count>', 'at most so many', parseCount('--limit', 1, 100_000), 50)
    .option('--cursor <cursor>', 'go on where an earlier list ended, as it said')

/** @throws CliError */
export function parseWhich(text: string): MailWhich {
  if (isMessageId(text)) return { messageId: text }
  const match = /^([^/]+)\/(?:(.+)\/)?([1-9]\d{0,9})$/.exec(text)
  if (match !== null) return { account: match[1] ?? '', mailbox: match[2] ?? 'INBOX', uid: Number(match[3]) }
  throw new CliError(exitCodes.usage, `'${text}' names no mail: give an id of 'mail list', or account/number`)
}

interface Line {
  readonly id: string
  readonly where: string
  readonly at: number
  readonly from: string
  readonly to: string
  readonly sizeBytes: number
  readonly subject: string
}

async function list(context: Context, options: ListOptions): Promise<void> {
  const { account, mailbox, cursor, limit } = options
  const client = createClient(context, options)
  const page = await collect<MailListItem>(client, '/v1/mail', { account, mailbox, cursor }, limit)
  if (options.json) return printJson(context, page)
  printMail(context, { ...page, items: page.items.map(lineOfItem) }, limit)
}

async function search(context: Context, text: string, options: ListOptions): Promise<void> {
  const { account, mailbox, cursor, limit } = options
  const client = createClient(context, options)
  const page = await collect<MailSummary, MailFound>(
    client,
    '/v1/mail/search',
    { q: text, account, mailbox, cursor },
    limit,
  )
  if (options.json) printJson(context, page)
  else {
    for (const warning of page.warnings) context.note(warning)
    printMail(context, { ...page, items: page.items.map(lineOfSummary) }, limit)
  }
  if (page.items.length === 0) context.setExitCode(exitCodes.no)
}

const lineOfItem = (item: MailListItem): Line => ({
  id: item.messageId,
  where: `${item.account}/${item.mailbox === 'INBOX' ? '' : `${item.mailbox}/`}${item.uid}`,
  at: item.internalDate,
  from: item.from || item.reversePath || '<>',
  to: item.recipient,
  sizeBytes: item.sizeBytes,
  subject: item.subject,
})

const lineOfSummary = (item: MailSummary): Line => ({
  id: item.id,
  where: `${item.account}/${item.mailbox}`,
  at: item.receivedAt,
  from: item.from || item.reversePath || '<>',
  to: item.recipients.join(', '),
  sizeBytes: item.sizeBytes,
  subject: item.subject,
})

function printMail(context: Context, page: Page<Line>, limit: number): void {
  if (page.items.length === 0) return context.print('no mail')
  const now = context.now()
  printLines(
    context,
    formatTable(
      page.items,
      [
        { title: 'ID', cell: ({ id }) => id },
        { title: 'WHERE', cell: ({ where }) => where, least: 12, drop: 2 },
        { title: 'RECEIVED', cell: ({ at }) => relativeTime(at, now), right: true, drop: 3 },
        { title: 'FROM', cell: ({ from }) => from, least: 12 },
        { title: 'TO', cell: ({ to }) => to, least: 12 },
        { title: 'SIZE', cell: ({ sizeBytes }) => formatSize(sizeBytes), right: true, drop: 1 },
        { title: 'SUBJECT', cell: ({ subject }) => subject, least: 10 },
      ],
      context,
    ),
  )
  if (page.cursor !== undefined)
    context.note(
      `there are more: --cursor ${page.cursor} goes on here, --limit ${limit * 10} shows more at once`,
    )
}

async function show(context: Context, text: string, options: ShowOptions): Promise<void> {
  const which = parseWhich(text)
  const answer = await createClient(context, options).open(`/v1/mail/raw${formatQuery({ ...which })}`)
  // A program gets the bytes as they are, a terminal text without control characters.
  if (!options.json && !options.headers && !context.isTerminal) {
    for await (const chunk of answer.body) await context.write(chunk)
    return
  }
  const whole = await readBody(answer, shownBytesMax)
  const end = whole.indexOf('\r\n\r\n')
  const raw = (options.headers && end !== -1 ? whole.subarray(0, end + 2) : whole).toString()
  if (options.json) {
    const item: unknown = JSON.parse(decodeURIComponent(String(answer.headers['posthouse-mail'] ?? 'null')))
    return printJson(context, { item, raw })
  }
  await context.write(context.isTerminal ? plainLines(raw) : raw)
}

async function remove(context: Context, texts: readonly string[], options: GlobalOptions): Promise<void> {
  const which = texts.map(parseWhich)
  const { count } = await createClient(context, options).ask<{ count: number }>('POST', '/v1/mail/delete', {
    which,
  })
  if (options.json) printJson(context, { count })
  else context.print(`${count} removed`)
  if (count === 0) context.setExitCode(exitCodes.no)
}
