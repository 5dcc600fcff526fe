// Owns `posthouse queue ...`: what waits, why, and what an operator does about it.

import { type Command, Option } from 'commander'
import { formatDeliveryId, parseDeliveryId } from '../base/id.ts'
import { formatSize } from '../base/size.ts'
import type { MessageReport, QueueAct, QueueActResult } from '../http/control-api.ts'
import { readBody } from '../net/http-client.ts'
import type { Message } from '../queue/types.ts'
import type { Page, QueueListItem, QueueStats } from '../store/store.ts'

import { type Client, createClient, formatQuery } from './client.ts'
import { type Context, examples, type GlobalOptions, parseCount, printJson, printLines } from './context.ts'
import { CliError, exitCodes } from './exit.ts'
import { formatReport, formatSender, whyItWaits } from './explain.ts'
import { confirm } from './prompt.ts'
import { formatTable } from './table.ts'
import { plainLines } from './text.ts'
import { relativeTime } from './time.ts'

interface FilterOptions {
  readonly domain?: string
  readonly destination?: string
  readonly state?: 'waiting' | 'held'
}

interface ListOptions extends GlobalOptions, FilterOptions {
  readonly limit: number
}

interface ActOptions extends GlobalOptions, FilterOptions {
  readonly all?: boolean
  readonly yes?: boolean
}

const shownBytesMax = 256 * 1024 * 1024
const limitMax = 100_000
const pageMax = 1000

const withFilter = (command: Command): Command =>
  command
    .option('--domain <domain>', 'only deliveries to this recipient domain')
    .option('--destination <key>', "only deliveries to this destination, such as 'mx:example.test'")
    .addOption(new Option('--state <state>', 'only these').choices(['waiting', 'held']))

export function addQueueCommands(program: Command, context: Context): void {
  const queue = program.command('queue').description('mail that is on its way out')
  queue.addHelpText('after', () =>
    examples(context, [
      ['queue list --domain example.test', 'what waits for one domain'],
      ['queue explain <id>', 'the whole story of a message'],
      ['queue retry --domain example.test', 'try again now'],
      ['queue bounce <id>', 'give up and tell the sender'],
    ]),
  )
  withFilter(
    queue.command('list').alias('ls').description('list deliveries that wait, are being tried or are held'),
  )
    .option('--limit <count>', 'at most so many', parseCount('--limit', 1, limitMax), 50)
    .action((_options: unknown, command: Command) => list(context, command.optsWithGlobals<ListOptions>()))
  queue
    .command('recent')
    .description('list the newest messages, finished ones too')
    .option('--limit <count>', 'at most so many', parseCount('--limit', 1, limitMax), 50)
    .action((_options: unknown, command: Command) => recent(context, command.optsWithGlobals<ListOptions>()))
  queue
    .command('stats')
    .description('count what waits, by destination')
    .action((_options: unknown, command: Command) => stats(context, command.optsWithGlobals<GlobalOptions>()))
  queue
    .command('show <id>')
    .description('show a message and its deliveries')
    .option('--raw', 'print the message itself, as it was received')
    .action((id: string, _options: unknown, command: Command) =>
      show(context, id, command.optsWithGlobals<GlobalOptions & { raw?: boolean }>()),
    )
  queue
    .command('explain <id>')
    .description("show all that happened to a message, the other side's words, the next try and why")
    .option('--transcript', 'with the SMTP dialogue of failed attempts')
    .action((id: string, _options: unknown, command: Command) =>
      explain(context, id, command.optsWithGlobals<GlobalOptions & { transcript?: boolean }>()),
    )
  for (const [act, description] of acts) {
    withFilter(queue.command(`${act} [ids...]`).description(description))
      .option('--all', 'the whole queue')
      .option('-y, --yes', 'do not ask')
      .action((ids: string[], _options: unknown, command: Command) =>
        doAct(context, act, ids, command.optsWithGlobals<ActOptions>()),
      )
  }
}

const acts: readonly (readonly [QueueAct, string])[] = [
  ['retry', 'try waiting deliveries now'],
  ['hold', 'keep deliveries back until they are released'],
  ['release', 'let held deliveries go'],
  ['bounce', 'give deliveries up and tell the sender'],
  ['delete', 'remove deliveries without telling anybody'],
]

/** @throws CliError for anything that is no message or delivery id */
export function checkId(id: string): string {
  if (parseDeliveryId(id) !== undefined) return id
  const message = `'${id}' is not an id; ids have 20 characters and may end in -number, as 'queue list' prints them`
  throw new CliError(exitCodes.usage, message)
}

const messageIdOf = (id: string): string => parseDeliveryId(checkId(id))?.messageId ?? id

/** Pages until `limit` items are there; whatever else a page says is what the last one said. */
export async function collect<T, P extends Page<T> = Page<T>>(
  client: Client,
  path: string,
  query: Readonly<Record<string, string | undefined>>,
  limit: number,
): Promise<P> {
  const items: T[] = []
  let { cursor } = query
  for (;;) {
    const size = Math.min(pageMax, limit - items.length)
    const page: P = await client.ask('GET', `${path}${formatQuery({ ...query, limit: size, cursor })}`)
    items.push(...page.items)
    cursor = page.cursor
    if (cursor === undefined || items.length >= limit) return { ...page, items }
  }
}

async function list(context: Context, options: ListOptions): Promise<void> {
  const { domain, destination, state } = options
  const page = await collect<QueueListItem>(
    createClient(context, options),
    '/v1/queue',
    { domain, destination, state },
    options.limit,
  )
  if (options.json) return printJson(context, page)
  if (page.items.length === 0) return context.print('nothing waits')
  const now = context.now()
  const { colours } = context
  printLines(
    context,
    formatTable(
      page.items,
      [
        { title: 'ID', cell: ({ delivery }) => formatDeliveryId(delivery.messageId, delivery.seq) },
        {
          title: 'STATE',
          cell: ({ delivery }) => (delivery.state === 'active' ? 'trying' : delivery.state),
          colour: ({ delivery }) => (delivery.state === 'held' ? colours.yellow : undefined),
        },
        { title: 'FROM', cell: ({ message }) => formatSender(message), least: 12, drop: 4 },
        { title: 'TO', cell: ({ delivery }) => delivery.recipient, least: 14 },
        { title: 'SIZE', cell: ({ message }) => formatSize(message.sizeBytes), right: true, drop: 1 },
        {
          title: 'RECEIVED',
          cell: ({ message }) => relativeTime(message.receivedAt, now),
          right: true,
          drop: 3,
        },
        { title: 'TRIES', cell: ({ delivery }) => String(delivery.attemptCount), right: true, drop: 2 },
        { title: 'NEXT TRY', cell: (item) => nextTry(item, now), right: true },
        { title: 'WHY', cell: (item) => whyItWaits(item.delivery, item.blocked), least: 10 },
      ],
      context,
    ),
  )
  if (page.cursor !== undefined) context.note(`there are more: --limit ${options.limit * 10}`)
}

function nextTry({ delivery, blocked }: QueueListItem, now: number): string {
  if (delivery.state === 'held') return 'when released'
  if (delivery.state === 'active') return 'now'
  return relativeTime(Math.max(delivery.dueAt, blocked?.blockedUntil ?? 0, now), now)
}

async function recent(context: Context, options: ListOptions): Promise<void> {
  const page = await collect<Message>(createClient(context, options), '/v1/messages', {}, options.limit)
  if (options.json) return printJson(context, page)
  if (page.items.length === 0) return context.print('no message has come yet')
  const now = context.now()
  printLines(
    context,
    formatTable(
      page.items,
      [
        { title: 'ID', cell: ({ id }) => id },
        { title: 'RECEIVED', cell: ({ receivedAt }) => relativeTime(receivedAt, now), right: true },
        { title: 'FROM', cell: formatSender, least: 12 },
        { title: 'SIZE', cell: ({ sizeBytes }) => formatSize(sizeBytes), right: true },
        {
          title: 'VIA',
          cell: ({ origin }) => [origin.via, origin.identity ?? origin.peerAddress].filter(Boolean).join(' '),
          least: 10,
        },
      ],
      context,
    ),
  )
}

async function stats(context: Context, options: GlobalOptions): Promise<void> {
  const found = await createClient(context, options).ask<QueueStats>('GET', '/v1/queue/stats')
  if (options.json) return printJson(context, found)
  const now = context.now()
  const oldest =
    found.oldestDueAt === undefined ? '' : `; the oldest is due since ${relativeTime(found.oldestDueAt, now)}`
  context.print(`${found.waiting} waiting, ${found.active} being tried, ${found.held} held${oldest}`)
  if (found.destinations.length === 0) return
  context.print()
  printLines(
    context,
    formatTable(
      found.destinations,
      [
        { title: 'DESTINATION', cell: ({ destination }) => destination, least: 20 },
        { title: 'WAITING', cell: ({ waiting }) => String(waiting), right: true },
        { title: 'HELD', cell: ({ held }) => String(held), right: true, drop: 2 },
        {
          title: 'OLDEST',
          cell: ({ oldestAt }) => (oldestAt === undefined ? '-' : relativeTime(oldestAt, now)),
          right: true,
          drop: 1,
        },
        {
          title: 'NEXT TRY',
          cell: ({ nextDueAt, blocked }) =>
            nextDueAt === undefined
              ? '-'
              : relativeTime(Math.max(nextDueAt, blocked?.blockedUntil ?? 0, now), now),
          right: true,
        },
        {
          title: 'PROBLEM',
          cell: ({ blocked }) =>
            blocked === undefined
              ? ''
              : `down since ${relativeTime(blocked.downSince, now)}: ${blocked.lastError}`,
          least: 20,
        },
      ],
      context,
    ),
  )
}

async function show(context: Context, id: string, options: GlobalOptions & { raw?: boolean }): Promise<void> {
  const client = createClient(context, options)
  const messageId = messageIdOf(id)
  if (options.raw) {
    const answer = await client.open(`/v1/messages/${messageId}/raw`)
    // A program gets the bytes as they are, a terminal text without control characters.
    if (context.isTerminal)
      await context.write(plainLines((await readBody(answer, shownBytesMax)).toString()))
    else for await (const chunk of answer.body) await context.write(chunk)
    return
  }
  const report = await client.ask<MessageReport>('GET', `/v1/messages/${messageId}`)
  if (options.json) return printJson(context, report)
  printLines(context, formatReport(report, context, { timeline: false, transcript: false }))
}

async function explain(
  context: Context,
  id: string,
  options: GlobalOptions & { transcript?: boolean },
): Promise<void> {
  const report = await createClient(context, options).ask<MessageReport>(
    'GET',
    `/v1/messages/${messageIdOf(id)}`,
  )
  if (options.json) return printJson(context, report)
  const seq = parseDeliveryId(id)?.seq
  printLines(
    context,
    formatReport(report, context, {
      timeline: true,
      transcript: options.transcript ?? false,
      ...(seq !== undefined && { seq }),
    }),
  )
}

const done: Readonly<Record<QueueAct, string>> = {
  retry: 'will be tried now',
  hold: 'held',
  release: 'released',
  bounce: 'bounced',
  delete: 'deleted',
}

async function doAct(
  context: Context,
  act: QueueAct,
  ids: readonly string[],
  options: ActOptions,
): Promise<void> {
  const { domain, destination, state } = options
  const filter = {
    ...(ids.length > 0 && { ids: ids.map(checkId) }),
    ...(domain !== undefined && { domain }),
    ...(destination !== undefined && { destination }),
    ...(state !== undefined && { state }),
  }
  const all = options.all ?? false
  if (Object.keys(filter).length === 0 && !all) {
    throw new CliError(
      exitCodes.usage,
      `say which deliveries to ${act}: ids, --domain, --destination, --state or --all`,
    )
  }
  const isFinal = act === 'bounce' || act === 'delete'
  if (isFinal && ids.length === 0 && !options.yes && !(await confirm(context, `${act} all that match?`))) {
    throw new CliError(exitCodes.no, 'nothing was done', 'add --yes to do it without a question')
  }
  const result = await createClient(context, options).ask<QueueActResult>('POST', '/v1/queue/actions', {
    act,
    filter,
    all,
  })
  if (options.json) printJson(context, result)
  else {
    context.print(`${result.count} ${result.count === 1 ? 'delivery' : 'deliveries'} ${done[act]}`)
    if (result.busyCount > 0)
      context.print(`${result.busyCount} left alone: an attempt is under way; try again soon`)
  }
  if (result.count === 0) context.setExitCode(result.busyCount > 0 ? exitCodes.temporary : exitCodes.no)
}
