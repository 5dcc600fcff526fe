// Owns the step from "these recipients are to be reported" to DSN messages ready to be queued: one for each message and
// kind. It makes none for a null reverse-path, and none where the return address cannot be routed; an event says so.
// RFC 3461 sections 4.3, 5.2 and 6, RFC 5321 section 4.5.5, RFC 6533.

import { tryParseMailbox } from '../base/address.ts'
import type { Log } from '../base/log.ts'
import { cutReturnedContent, type DsnKind, formatDsn, type ReturnedContent } from '../message/dsn.ts'
import { isAscii } from '../message/dsn-fields.ts'
import type { Report } from './outcomes.ts'
import type { RetryPolicy } from './retry.ts'
import { scheduleDelivery } from './schedule.ts'
import type { BodyReader } from './transport.ts'
import type { Delivery, Message, NewMessage, TimelineEvent } from './types.ts'

/** Where mail for a return address goes. */
export interface Routed {
  readonly destination: string
  /** A-labels; the domain asked for when absent. */
  readonly domain?: string
  /** The mailbox behind an alias; the address asked for when absent. */
  readonly recipient?: string
  readonly alias?: string
  readonly held?: boolean
}

/** undefined or none: it goes nowhere, and the DSN is dropped. */
export type Route = (recipientMailbox: string, domain: string) => Routed | readonly Routed[] | undefined

export interface ReportOptions {
  readonly hostname: string
  /** Mailbox of the From header; default MAILER-DAEMON@hostname. */
  readonly from?: string
  /** RET=FULL returns messages up to this size whole, larger ones as a header; default 50 KiB. The header is cut there too. */
  readonly returnBytesMax?: number
  /** Without RET: what a failure returns; default 'headers'. */
  readonly returnDefault?: 'full' | 'headers'
}

export interface ReportContext {
  readonly ids: () => string
  readonly route: Route
  readonly retry: RetryPolicy
  readonly options: ReportOptions
  readonly log: Log
}

export interface MadeReports {
  readonly newMessages: readonly NewMessage[]
  /** On the timeline of the message reported on. */
  readonly events: readonly TimelineEvent[]
}

const returnBytesMaxDefault = 50 * 1024
const kinds: readonly DsnKind[] = ['failed', 'delayed', 'delivered', 'relayed', 'expanded']

/** `openBody` is asked only where a report is made; where it rejects the report goes without returned content. */
export async function makeReports(
  context: ReportContext,
  message: Message,
  reports: readonly Report[],
  openBody: () => BodyReader | Promise<BodyReader>,
  now: number,
): Promise<MadeReports> {
  const newMessages: NewMessage[] = []
  const events: TimelineEvent[] = []
  for (const kind of kinds) {
    const some = reports.filter((report) => report.kind === kind)
    if (some.length === 0) continue
    const skipped = (why: string): void =>
      void events.push(dsnEvent(message, some, now, { kind, skipped: why }))
    if (message.reversePath === '') {
      // RFC 5321 section 4.5.5, RFC 3461 section 6: never a report about what may be a report.
      if (kind === 'failed') skipped('no report: the message has a null reverse-path')
      continue
    }
    const routed = routeBack(context, message.reversePath)
    if (routed.length === 0) {
      context.log.warn({ messageId: message.id, kind }, 'report dropped: return address cannot be routed')
      skipped('no report: the return address cannot be routed')
      continue
    }
    const returned = await readReturned(context, message, kind, openBody)
    const id = context.ids()
    newMessages.push(newReport(context, message, id, kind, some, returned, routed, now))
    events.push(dsnEvent(message, some, now, { kind, id, to: message.reversePath }))
  }
  return { newMessages, events }
}

function dsnEvent(
  message: Message,
  some: readonly Report[],
  at: number,
  data: Readonly<Record<string, unknown>>,
): TimelineEvent {
  const first = some[0]
  return some.length === 1 && first !== undefined
    ? { messageId: message.id, seq: first.seq, at, kind: 'dsn', data }
    : { messageId: message.id, at, kind: 'dsn', data: { ...data, seqs: some.map((report) => report.seq) } }
}

function routeBack(
  context: ReportContext,
  reversePath: string,
): readonly Required<Pick<Routed, 'destination' | 'domain' | 'recipient'>>[] & readonly Routed[] {
  const mailbox = tryParseMailbox(reversePath)
  if (mailbox === undefined) return []
  const found = context.route(mailbox.text, mailbox.domain)
  const list = found === undefined ? [] : 'destination' in found ? [found] : found
  return list.map((each) => ({
    ...each,
    domain: each.domain ?? mailbox.domain,
    recipient: each.recipient ?? mailbox.text,
  }))
}

async function readReturned(
  context: ReportContext,
  message: Message,
  kind: DsnKind,
  openBody: () => BodyReader | Promise<BodyReader>,
): Promise<ReturnedContent> {
  const bytesMax = context.options.returnBytesMax ?? returnBytesMaxDefault
  const asked =
    message.ret === undefined
      ? (context.options.returnDefault ?? 'headers')
      : message.ret === 'FULL'
        ? 'full'
        : 'headers'
  // RFC 3461 section 4.3: RET speaks of failures; other reports return the header.
  // RFC 8689 section 5: a report may go where TLS is not sure; the content that was to be safe does not go with it.
  const want = kind === 'failed' && message.requireTls !== true ? asked : 'headers'
  try {
    const body = await openBody()
    return cutReturnedContent(await readFirst(body, bytesMax), { want, sizeBytes: body.sizeBytes, bytesMax })
  } catch (error) {
    context.log.warn(
      { messageId: message.id, err: error },
      'report goes without content: body cannot be read',
    )
    return { kind: 'headers', bytes: new Uint8Array(0) }
  }
}

async function readFirst(body: BodyReader, bytesMax: number): Promise<Uint8Array> {
  const whole = body.bytes()
  if (whole !== undefined) return whole.subarray(0, bytesMax + 4)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body.stream(new AbortController().signal)) {
    chunks.push(chunk)
    size += chunk.length
    if (size >= bytesMax + 4) break
  }
  return Buffer.concat(chunks)
}

function newReport(
  context: ReportContext,
  original: Message,
  id: string,
  kind: DsnKind,
  some: readonly Report[],
  returned: ReturnedContent,
  routed: readonly (Routed & { readonly domain: string; readonly recipient: string })[],
  now: number,
): NewMessage {
  const { hostname } = context.options
  const dsn = formatDsn({
    kind,
    id,
    originalId: original.id,
    hostname,
    from: context.options.from ?? `MAILER-DAEMON@${hostname}`,
    to: original.reversePath,
    at: now,
    arrivalAt: original.receivedAt,
    ...(original.envid !== undefined && { envid: original.envid }),
    global: original.smtputf8 || !isAscii(original.reversePath),
    recipients: some.map((report) => report.recipient),
    returned,
  })
  const message: Message = {
    id,
    receivedAt: now,
    reversePath: '',
    sizeBytes: dsn.sizeBytes,
    smtputf8: dsn.smtputf8,
    body8bit: dsn.body8bit,
    origin: { via: 'bounce' },
  }
  const deliveries: Delivery[] = routed.map((where, seq) =>
    scheduleDelivery(
      context.retry,
      {
        messageId: id,
        seq,
        recipient: where.recipient,
        domain: where.domain,
        destination: where.destination,
        ...(where.alias !== undefined && { alias: where.alias }),
        ...(where.held !== undefined && { held: where.held }),
      },
      now,
    ),
  )
  return {
    message,
    body: { kind: 'inline', chunks: dsn.chunks, sizeBytes: dsn.sizeBytes },
    deliveries,
    events: [
      {
        messageId: id,
        at: now,
        kind: 'accepted',
        data: { via: 'bounce', kind, about: original.id, to: original.reversePath },
      },
    ],
  }
}
