// Owns the story of a message in words: its deliveries, why they wait, and the timeline with the other side's words.

import { formatDuration } from '../base/duration.ts'
import { formatDeliveryId } from '../base/id.ts'
import { formatSize } from '../base/size.ts'
import type { MessageReport } from '../http/control-api.ts'
import { type DeliveryExplanation, explain } from '../queue/explain.ts'
import type { DestinationState } from '../queue/store.ts'
import type { Delivery, HostReport, Message, TimelineEvent } from '../queue/types.ts'

import type { Context } from './context.ts'
import { formatPairs } from './table.ts'
import { plain, textWidth } from './text.ts'
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
    origin.tls !== undefined
      ? `with ${origin.tls}`
      : origin.peerAddress === undefined
        ? undefined
        : 'without TLS',
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
  const explained = explain(report, {
    now,
    destinationState: (destination) => report.destinations.find((one) => one.destination === destination),
  })
  report.deliveries.forEach((delivery, i) => {
    const shown = options.seq === undefined || options.seq === delivery.seq
    if (shown) lines.push('', ...formatDelivery(delivery, explained.deliveries[i], report, context, options))
  })
  if (report.deliveries.length === 0) {
    lines.push(
      '',
      'Nothing of it waits.',
      ...explained.finished.map(({ text, seq }) => `  ${plain(finishedLine(text, seq))}`),
    )
  }
  if (options.timeline)
    lines.push('', colours.bold('What happened'), ...formatTimeline(report, context, options))
  return lines
}

const finishedLine = (text: string, seq: number | undefined): string =>
  seq === undefined ? text : `-${seq} ${text}`

function formatDelivery(
  delivery: Delivery,
  explained: DeliveryExplanation | undefined,
  report: MessageReport,
  { colours, width }: Context,
  options: ReportOptions,
): readonly string[] {
  const { now } = report
  const nextAt = explained?.nextTryAt ?? delivery.dueAt
  const state = {
    waiting: `waits; next try ${nextAt <= now ? 'now' : fullTime(nextAt, now)}`,
    active: 'is being tried now',
    held: 'is held until it is released',
  }[delivery.state]
  const alias = delivery.alias === undefined ? '' : ` (through ${delivery.alias})`
  const last =
    delivery.lastAttemptAt === undefined ? '' : `, last ${relativeTime(delivery.lastAttemptAt, now)}`
  const times = delivery.attemptCount === 1 ? 'once' : `${delivery.attemptCount} times`
  const id = formatDeliveryId(delivery.messageId, delivery.seq)
  const paint = delivery.state === 'held' ? colours.yellow : (text: string): string => text
  // Without a reply it is our own account of what went wrong: nobody said it.
  const isReply = /^[245]\d\d(?:[ -]|$)/.test(delivery.lastError ?? '')
  const pairs = formatPairs(
    [
      ['Route', plain(delivery.destination)],
      ['Tried', delivery.attemptCount === 0 ? 'not yet' : `${times}${last}`],
      [
        isReply ? 'They said' : 'Last',
        delivery.lastError === undefined ? undefined : plain(delivery.lastError),
      ],
      ['Gives up', fullTime(delivery.expiresAt, now)],
    ],
    { colours },
  )
  const why =
    options.timeline && explained !== undefined ? wrap(plain(explained.text), (width ?? 100) - 2) : []
  return [
    `${colours.bold(id)} to ${plain(`${delivery.recipient}${alias}`)} ${paint(state)}`,
    ...indent([...why, ...pairs]),
  ]
}

/** Lines of whole words. */
function wrap(long: string, columns: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of long.split(' ')) {
    if (line !== '' && textWidth(line) + 1 + textWidth(word) > columns) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

const indent = (lines: readonly string[], by = '  '): readonly string[] => lines.map((line) => by + line)

const bad = new Set(['failed', 'bounced', 'expired', 'deleted'])
const uneasy = new Set(['deferred', 'held'])
const good = new Set(['delivered', 'released'])

function formatTimeline(report: MessageReport, context: Context, options: ReportOptions): readonly string[] {
  const { colours } = context
  const events = report.events.filter(
    ({ seq, data }) =>
      options.seq === undefined ||
      (seq === undefined && !(Array.isArray(data.seqs) && !data.seqs.includes(options.seq))) ||
      seq === options.seq,
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
    const seqs = event.seq ?? text(event.data.seqs)
    const who = seqs === undefined ? '' : colours.dim(` -${seqs}`)
    const head = `${colours.dim(absoluteTime(event.at))}${since}  ${paint(event.kind)}${who} ${plain(sentence(event, report))}`
    return [head.trimEnd(), ...indent(details(event, context, options), '    ')]
  })
}

const text = (value: unknown): string | undefined => {
  if (Array.isArray(value))
    return value.length === 0 || value.some((one) => typeof one === 'object')
      ? undefined
      : value.map(String).join(', ')
  return typeof value === 'string' && value !== ''
    ? value
    : typeof value === 'number'
      ? String(value)
      : undefined
}

/** What the kind does not say: whom, where, their words, the next try and why then. */
function sentence({ kind, data, seq }: TimelineEvent, report: MessageReport): string {
  if (kind === 'check' && text(data.text) !== undefined) return text(data.text) ?? ''
  if (kind === 'accepted' && text(data.recipients) !== undefined) return `for ${text(data.recipients)}`
  const delivery = report.deliveries.find((one) => one.seq === seq)
  const to = text(data.recipient) ?? text(data.to) ?? delivery?.recipient
  const words = text(data.reply) ?? text(data.reason)
  const status = text(data.status)
  const isShort = words !== undefined && status !== undefined && words.includes(status)
  const { ms } = data
  return [
    text(data.alias) === undefined ? undefined : `${text(data.alias)} stands for`,
    to === undefined ? undefined : kind === 'expanded' ? to : `to ${to}`,
    text(data.attempt) === undefined || kind !== 'attempt' ? undefined : `number ${text(data.attempt)}`,
    text(data.how) === undefined ? undefined : `(${text(data.how)})`,
    text(data.destination),
    text(data.host) === undefined ? undefined : `by ${text(data.host)}`,
    text(data.account) === undefined
      ? undefined
      : `into ${text(data.account)} ${text(data.mailbox) ?? ''}`.trimEnd(),
    text(data.by) === undefined ? undefined : `by ${text(data.by)}`,
    typeof ms === 'number' ? `in ${formatDuration(Math.max(1, ms))}` : undefined,
    words === undefined && status === undefined
      ? undefined
      : data.ours === true
        ? '- we say:'
        : '- they said:',
    isShort ? undefined : status,
    words,
    data.mayHaveDelivered === true
      ? '(they may have it: the connection was lost after the final dot)'
      : undefined,
    typeof data.nextTryAt === 'number' ? `- next try ${absoluteTime(data.nextTryAt)}` : undefined,
    typeof data.nextTryAt === 'number' && text(data.why) !== undefined ? `(${text(data.why)})` : undefined,
  ]
    .filter((part) => part !== undefined)
    .join(' ')
}

/** Fields that `sentence` has said, or that say nothing to people; `told` is `notes` for other languages. */
const said = new Set(
  'recipient to alias reply reason status how destination host account mailbox by ms ours mayHaveDelivered nextTryAt why'
    .concat(' hosts transcript notes told seqs startedAt attempt count')
    .split(' '),
)
/** Of a delivery that was sent on: the attempt has told it. */
const toldByAttempt = new Set(['notes', 'address', 'tls', 'policy'])
/** Of an accepted message: its count of recipients; of a check: what its text says, and how long it took. */
const saidOfKind: Partial<Record<TimelineEvent['kind'], ReadonlySet<string>>> = {
  accepted: new Set(['recipients', 'recipientCount']),
  check: new Set(['text', 'check', 'result', 'tookMs', 'data', 'name']),
  delivered: toldByAttempt,
}

/** What a check found, a line each: scalars together, each signature and its like by itself. */
function findings(data: unknown): readonly string[] {
  if (typeof data !== 'object' || data === null) return []
  const scalars: string[] = []
  const lists: string[] = []
  for (const [key, value] of Object.entries(data)) {
    if (Array.isArray(value) && value.some((one) => typeof one === 'object' && one !== null))
      lists.push(...value.map((one) => `${key}: ${fields(one)}`))
    else if (text(value) !== undefined) scalars.push(`${key} ${text(value)}`)
    else if (typeof value === 'boolean') scalars.push(`${key} ${value}`)
    else if (typeof value === 'object' && value !== null && fields(value) !== '')
      lists.push(`${key}: ${fields(value)}`)
  }
  return [...(scalars.length === 0 ? [] : [scalars.join(', ')]), ...lists]
}

const fields = (one: unknown): string =>
  Object.entries(one ?? {})
    .map(([key, value]) => [key, text(value) ?? (typeof value === 'boolean' ? String(value) : undefined)])
    .filter(([, value]) => value !== undefined)
    .map((pair) => pair.join(' '))
    .join(', ')

function details(event: TimelineEvent, { colours }: Context, options: ReportOptions): readonly string[] {
  const { data } = event
  const hosts = Array.isArray(data.hosts) ? (data.hosts as readonly HostReport[]).map(formatHost) : []
  const known = saidOfKind[event.kind]
  const notes = Array.isArray(data.notes) && known !== toldByAttempt ? data.notes.map(String) : []
  const found = event.kind === 'check' ? findings(data.data) : []
  const rest = Object.entries(data)
    .filter(
      ([key, value]) =>
        !said.has(key) && known?.has(key) !== true && value !== undefined && value !== null && value !== '',
    )
    .map(([key, value]) => `${key} ${text(value) ?? JSON.stringify(value)}`)
  const transcript = Array.isArray(data.transcript) ? data.transcript.map(String) : []
  const dialogue = options.transcript
    ? transcript.map((line) => colours.dim(plain(line)))
    : transcript.length > 0
      ? [colours.dim(`(${transcript.length} lines of dialogue are kept: --transcript)`)]
      : []
  return [
    ...[...hosts, ...notes].map(plain),
    ...found.map((line) => colours.dim(plain(line))),
    ...(rest.length > 0 ? [colours.dim(plain(rest.join(', ')))] : []),
    ...dialogue,
  ]
}

function formatHost(host: HostReport): string {
  const address = host.address === undefined ? '' : ` [${host.address}]`
  const port = host.port === undefined || host.port === 25 ? '' : `:${host.port}`
  const name = `${host.name ?? ''}${address}${port}`.trim() || 'no host'
  const how = [host.tls ?? 'without TLS', host.reused ? 'connection used again' : undefined]
  const tls = host.error !== undefined && host.tls === undefined ? '' : ` (${how.filter(Boolean).join(', ')})`
  const policy = host.policy === undefined ? '' : ` [${host.policy}]`
  return host.error === undefined ? `${name}${tls}${policy}` : `${name}${tls}${policy}: ${host.error}`
}
