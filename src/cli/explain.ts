// Owns the story of a message in words: its deliveries, why they wait, and the timeline with the other side's words.

import { formatDeliveryId } from '../base/id.ts'
import { formatSize } from '../base/size.ts'
import type { MessageReport } from '../http/control-api.ts'
import type { DestinationState } from '../queue/store.ts'
import type { Delivery, HostReport, Message, TimelineEvent } from '../queue/types.ts'

import type { Context } from './context.ts'
import { formatPairs } from './table.ts'
import { plain } from './text.ts'
import { absoluteTime, fullTime, relativeTime, roughDuration } from './time.ts'

/** '<>' is the null reverse-path. */
export const formatSender = ({ reversePath }: Message): string => (reversePath === '' ? '<>' : reversePath)

/** One line; '' where it is just due. */
export function whyItWaits(delivery: Delivery, blocked: DestinationState | undefined): string {
  if (delivery.state === 'held') return delivery.lastError ?? 'held by an operator or a route'
  if (blocked !== undefined) return `${blocked.destination} is down: ${blocked.lastError}`
  return delivery.lastError ?? ''
}

export interface ReportOptions {
  readonly timeline: boolean
  readonly transcript: boolean
  /** Events of this delivery and of the whole message only. */
  readonly seq?: number
}

export function formatReport(
  report: MessageReport,
  context: Context,
  options: ReportOptions,
): readonly string[] {
  const { colours } = context
  const { message, now } = report
  const { origin } = message
  const from = [
    origin.via,
    origin.identity === undefined ? undefined : `as ${origin.identity}`,
    origin.peerAddress === undefined ? undefined : `from ${origin.peerAddress}`,
    origin.hello === undefined ? undefined : `(${origin.hello})`,
    origin.tls === undefined ? 'without TLS' : `with ${origin.tls}`,
  ]
  const pairs = [
    ['Message', colours.bold(message.id)],
    ['From', plain(formatSender(message))],
    ['Size', formatSize(message.sizeBytes)],
    ['Received', fullTime(message.receivedAt, now)],
    ['By', plain(from.filter((part) => part !== undefined).join(' '))],
    ['Envelope id', message.envid === undefined ? undefined : plain(message.envid)],
    ['Kept', report.hasBody ? undefined : 'its text is no longer kept'],
  ] as const
  const lines = [...formatPairs(pairs, { colours })]
  for (const place of report.placements) {
    lines.push(
      `${colours.green('in the mailbox')} ${plain(`${place.account} ${place.mailbox}`)}, number ${place.uid}`,
    )
  }
  for (const delivery of report.deliveries) lines.push('', ...formatDelivery(delivery, report, context))
  if (report.deliveries.length === 0) lines.push('', 'Nothing of it waits: every recipient is settled.')
  if (options.timeline)
    lines.push('', colours.bold('What happened'), ...formatTimeline(report, context, options))
  return lines
}

function formatDelivery(delivery: Delivery, report: MessageReport, { colours }: Context): readonly string[] {
  const { now } = report
  const blocked = report.destinations.find(({ destination }) => destination === delivery.destination)
  const nextAt = Math.max(delivery.dueAt, blocked?.blockedUntil ?? 0)
  const state = {
    waiting: `waits; next try ${nextAt <= now ? 'now' : fullTime(nextAt, now)}`,
    active: 'is being tried now',
    held: 'is held until it is released',
  }[delivery.state]
  const alias = delivery.alias === undefined ? '' : ` (through ${delivery.alias})`
  const tries =
    delivery.attemptCount === 0
      ? 'not tried yet'
      : `${delivery.attemptCount === 1 ? 'tried once' : `tried ${delivery.attemptCount} times`}${
          delivery.lastAttemptAt === undefined ? '' : `, last ${relativeTime(delivery.lastAttemptAt, now)}`
        }`
  const down =
    blocked === undefined
      ? undefined
      : `${blocked.destination} has been down since ${fullTime(blocked.downSince, now)} (${blocked.failureCount} tries in a row): ${blocked.lastError}`
  return [
    `${colours.bold(formatDeliveryId(delivery.messageId, delivery.seq))} to ${plain(`${delivery.recipient}${alias}`)} ${
      delivery.state === 'held' ? colours.yellow(state) : state
    }`,
    ...indent(
      formatPairs(
        [
          ['Route', plain(delivery.destination)],
          ['Tries', tries],
          ['They said', delivery.lastError === undefined ? undefined : plain(delivery.lastError)],
          ['Host', down === undefined ? undefined : plain(down)],
          ['Gives up', fullTime(delivery.expiresAt, now)],
        ],
        { colours },
      ),
    ),
  ]
}

const indent = (lines: readonly string[], by = '  '): readonly string[] => lines.map((line) => by + line)

const bad = new Set(['failed', 'bounced', 'expired', 'deleted'])
const uneasy = new Set(['deferred', 'held'])
const good = new Set(['delivered', 'released'])

function formatTimeline(report: MessageReport, context: Context, options: ReportOptions): readonly string[] {
  const { colours } = context
  const events = report.events.filter(
    ({ seq }) => options.seq === undefined || seq === undefined || seq === options.seq,
  )
  if (events.length === 0) return ['  nothing is kept any more']
  let last: number | undefined
  return events.flatMap((event) => {
    const since = last === undefined ? '' : ` ${colours.dim(`+${roughDuration(event.at - last)}`)}`
    last = event.at
    const paint = bad.has(event.kind)
      ? colours.red
      : uneasy.has(event.kind)
        ? colours.yellow
        : good.has(event.kind)
          ? colours.green
          : colours.bold
    const who = event.seq === undefined ? '' : colours.dim(` -${event.seq}`)
    const head = `${colours.dim(absoluteTime(event.at))}${since}  ${paint(event.kind)}${who} ${plain(sentence(event, report))}`
    return [head.trimEnd(), ...indent(details(event, context, options), '    ')]
  })
}

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : undefined

/** What the kind does not say: who, where to, their words, the next try. */
function sentence({ data, seq }: TimelineEvent, report: MessageReport): string {
  const delivery = report.deliveries.find((one) => one.seq === seq)
  const to = text(data.recipient) ?? text(data.to) ?? delivery?.recipient
  const words =
    text(data.reply) ?? text(data.reason) ?? text(data.error) ?? text(data.text) ?? text(data.note)
  const status = text(data.status)
  const saysStatus = words !== undefined && status !== undefined && words.includes(status)
  const next =
    typeof data.retryAt === 'number'
      ? data.retryAt
      : typeof data.nextTryAt === 'number'
        ? data.nextTryAt
        : undefined
  return [
    to === undefined ? undefined : `to ${to}`,
    text(data.how) === undefined ? undefined : `(${text(data.how)})`,
    text(data.destination) === undefined ? undefined : `by ${text(data.destination)}`,
    text(data.by) === undefined ? undefined : `by ${text(data.by)}`,
    saysStatus ? undefined : status,
    words,
    data.mayHaveDelivered === true
      ? '(they may have it: the connection was lost after the final dot)'
      : undefined,
    next === undefined ? undefined : `next try ${absoluteTime(next)}`,
  ]
    .filter((part) => part !== undefined)
    .join(' ')
}

const said = new Set([
  'recipient',
  'to',
  'reply',
  'reason',
  'error',
  'text',
  'note',
  'status',
  'how',
  'destination',
  'by',
  'mayHaveDelivered',
  'retryAt',
  'nextTryAt',
  'hosts',
  'transcript',
  'isReply',
  'startedAt',
  'endedAt',
])

function details(event: TimelineEvent, { colours }: Context, options: ReportOptions): readonly string[] {
  const { data } = event
  const hosts = Array.isArray(data.hosts) ? (data.hosts as readonly HostReport[]).map(formatHost) : []
  const rest = Object.entries(data)
    .filter(([key, value]) => !said.has(key) && value !== undefined && value !== null && value !== '')
    .map(([key, value]) => `${key} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
  const transcript = Array.isArray(data.transcript) ? data.transcript.map(String) : []
  const dialogue = options.transcript
    ? transcript.map((line) => colours.dim(plain(line)))
    : transcript.length > 0
      ? [colours.dim(`(${transcript.length} lines of dialogue are kept: --transcript)`)]
      : []
  return [...hosts.map(plain), ...(rest.length > 0 ? [colours.dim(plain(rest.join(', ')))] : []), ...dialogue]
}

function formatHost(host: HostReport): string {
  const address = host.address === undefined ? '' : ` [${host.address}]`
  const port = host.port === undefined || host.port === 25 ? '' : `:${host.port}`
  const name = `${host.name ?? ''}${address}${port}`.trim() || 'no host'
  const how = [
    host.tls === undefined ? 'without TLS' : host.tls,
    host.reused ? 'connection used again' : undefined,
  ]
  const tls = host.error !== undefined && host.tls === undefined ? '' : ` (${how.filter(Boolean).join(', ')})`
  return host.error === undefined ? `${name}${tls}` : `${name}${tls}: ${host.error}`
}
