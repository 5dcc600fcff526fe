// Owns the schemas of what the public API answers: the shapes of api-types.ts as data, for /openapi.json and for the tests
// that hold every route against them. Nothing is checked against them while serving.

import { z } from 'zod'

import { searchProblems } from '../store/search-syntax.ts'
import type * as api from './api-types.ts'

const at = z.int().meta({ description: 'Epoch milliseconds.' })
const count = z.int().min(0)
const text = z.string()
const optional = <T extends z.ZodType>(schema: T) => schema.exactOptional()
const anything = z.record(z.string(), z.unknown())

/** A schema of exactly that type. */
const shape = <T>(schema: z.ZodType<T>): z.ZodType<T> => schema

export const scope = z.enum(['mail:read', 'mail:write', 'send', 'queue', 'admin'])

export const session = shape<api.SessionView>(
  z.strictObject({
    mode: z.enum(['open', 'login']),
    authenticated: z.boolean(),
    account: optional(text),
    role: optional(z.enum(['admin', 'user'])),
    csrf: optional(text),
    scopes: z.array(scope),
    server: z.strictObject({
      version: text,
      hostname: text,
      mode: text,
      product: z.enum(['server', 'catcher']),
      canRelease: optional(z.boolean()),
      releaseAllow: optional(z.array(text)),
    }),
  }),
)

export const summary = shape<api.MailSummary>(
  z.strictObject({
    id: text,
    account: text,
    mailbox: text,
    receivedAt: at,
    sizeBytes: count,
    reversePath: text,
    recipients: z.array(text),
    recipientCount: count,
    from: text,
    to: text,
    subject: text,
    snippet: text,
    attachmentCount: count,
    unread: z.boolean(),
    starred: z.boolean(),
    tags: z.array(text),
  }),
)

const counts = { total: count, unread: count, sizeBytes: count }
export const mailCounts = shape<api.MailCounts>(z.strictObject(counts))

export const mailList = shape<api.MailList>(
  z.strictObject({
    items: z.array(summary),
    cursor: optional(text),
    counts: mailCounts,
    warnings: z.array(text),
    problems: optional(z.array(z.strictObject({ code: z.enum(searchProblems), text }))),
    isIncomplete: optional(z.literal(true)),
  }),
)

export const wait = shape<api.WaitView>(z.strictObject({ item: optional(summary), others: z.array(summary) }))

const address = z.strictObject({ name: text, address: text })
const addresses = z.array(address)
const attachment = shape<api.AttachmentView>(
  z.strictObject({
    part: text,
    filename: text,
    contentType: text,
    sizeBytes: count,
    disposition: text,
    contentId: optional(text),
    isRelated: z.boolean(),
  }),
)

export const part: z.ZodType<api.PartView> = z.strictObject({
  part: text,
  contentType: text,
  charset: optional(text),
  encoding: text,
  disposition: text,
  filename: optional(text),
  sizeBytes: count,
  get children() {
    return z.array(part)
  },
})

const verdict = z.strictObject({
  check: text,
  name: optional(text),
  result: text,
  meaning: z.enum(['good', 'neutral', 'bad', 'error']),
  reason: optional(text),
  advice: optional(text),
  by: optional(text),
  domain: optional(text),
  identity: optional(text),
  selector: optional(text),
  algorithm: optional(text),
  policy: optional(text),
  recipient: optional(text),
  tookMs: optional(z.number()),
})

export const message = shape<api.MessageView>(
  z.strictObject({
    id: text,
    summary: optional(summary),
    hasBody: z.boolean(),
    subject: text,
    from: addresses,
    sender: addresses,
    replyTo: addresses,
    to: addresses,
    cc: addresses,
    bcc: addresses,
    date: optional(at),
    messageId: optional(text),
    envelope: z.strictObject({ from: text, to: z.array(text) }),
    sizeBytes: count,
    text,
    hasHtml: z.boolean(),
    hasRemoteContent: z.boolean(),
    attachments: z.array(attachment),
    structure: part,
    headers: z.array(z.strictObject({ name: text, value: text })),
    links: z.array(z.strictObject({ url: text, text })),
    defects: z.array(text),
    listUnsubscribe: optional(z.strictObject({ urls: z.array(text), oneClick: z.boolean() })),
    calendars: z.array(z.strictObject({ method: text, text })),
    verdicts: optional(z.array(verdict)),
    tags: z.array(text),
    metadata: z.record(z.string(), text),
  }),
)

export const headers = z.strictObject({
  headers: z.array(z.strictObject({ name: text, value: text })),
})

export const delivery = shape<api.DeliveryView>(
  z.strictObject({
    id: text,
    messageId: text,
    recipient: text,
    domain: text,
    destination: text,
    state: z.enum(['waiting', 'active', 'held']),
    receivedAt: at,
    reversePath: text,
    nextTryAt: optional(at),
    expiresAt: at,
    attemptCount: count,
    lastError: optional(text),
    lastStatus: optional(text),
    lastAttemptAt: optional(at),
    explanation: text,
    waiting: optional(
      z.strictObject({
        kind: z.enum([
          'held',
          'greylisted',
          'deferred',
          'destination-down',
          'slot',
          'attempting',
          'settling',
        ]),
        heldBy: optional(text),
        heldReason: optional(text),
        askedToWait: optional(z.boolean()),
        mayHaveDelivered: optional(z.boolean()),
        down: optional(z.strictObject({ since: at, failureCount: count, lastError: text, probeAt: at })),
      }),
    ),
  }),
)

export const timeline = shape<api.TimelineView>(
  z.strictObject({
    id: text,
    receivedAt: at,
    origin: z.record(z.string(), text),
    deliveries: z.array(delivery),
    events: z.array(z.strictObject({ at, kind: text, seq: optional(count), text, data: anything })),
    conversation: z.array(z.strictObject({ at, from: z.enum(['C', 'S', '-']), line: text })),
  }),
)

export const checks = shape<api.ChecksView>(
  z.strictObject({
    checks: z.array(
      z.strictObject({
        id: text,
        level: z.enum(['ok', 'info', 'warning', 'error', 'unknown']),
        title: text,
        advice: optional(text),
        details: z.array(text),
        data: optional(z.record(z.string(), z.union([z.number(), text, z.array(text)]))),
      }),
    ),
    htmlSupport: optional(
      z.strictObject({
        score: z.number(),
        dataDate: text,
        features: z.array(
          z.strictObject({
            slug: text,
            title: text,
            url: text,
            supported: count,
            partial: count,
            unsupported: count,
            clients: z.array(
              z.strictObject({
                family: text,
                platform: text,
                support: z.enum(['y', 'a', 'n', 'u']),
                note: optional(text),
              }),
            ),
            lines: z.array(count),
          }),
        ),
      }),
    ),
  }),
)

export const linkCheck = shape<api.LinkCheckView>(
  z.strictObject({
    links: z.array(
      z.strictObject({
        url: text,
        status: optional(z.int()),
        error: optional(text),
        finalUrl: optional(text),
      }),
    ),
  }),
)

export const countView = shape<api.CountView>(z.strictObject({ count }))
export const mailboxes = shape<api.MailboxesView>(
  z.strictObject({ items: z.array(z.strictObject({ ...counts, account: text, mailbox: text })) }),
)
export const tags = shape<api.TagsView>(
  z.strictObject({ items: z.array(z.strictObject({ tag: text, count })) }),
)

const sent = { id: text, messageId: text, accepted: z.array(text), scheduledAt: optional(at) }
export const sendResult = shape<api.SendResult>(z.strictObject(sent))
export const sendBatch = shape<api.SendBatchResult>(
  z.strictObject({
    items: z.array(
      z.union([
        z.strictObject({ ok: z.literal(true), ...sent }),
        z.strictObject({
          ok: z.literal(false),
          error: z.strictObject({
            title: text,
            detail: optional(text),
            errors: optional(z.array(z.strictObject({ path: text, message: text }))),
          }),
        }),
      ]),
    ),
  }),
)

export const queueList = shape<api.QueueList>(
  z.strictObject({ items: z.array(delivery), cursor: optional(text) }),
)
export const queueActResult = shape<api.QueueActView>(z.strictObject({ count, busyCount: count }))
export const released = z.strictObject({ count, busyCount: count, id: optional(text) })
const perMinute = z.array(count)
export const destinations = shape<api.DestinationsView>(
  z.strictObject({
    items: z.array(
      z.strictObject({
        destination: text,
        waiting: count,
        active: count,
        held: count,
        nextDueAt: optional(at),
        oldestAt: optional(at),
        lastError: optional(text),
        blockedUntil: optional(at),
        failureCount: count,
        limits: optional(z.strictObject({ connectionsMax: count, recipientsPerMessageMax: count })),
        history: z.strictObject({ delivered: perMinute, deferred: perMinute, failed: perMinute }),
      }),
    ),
    waiting: count,
    active: count,
    held: count,
    oldestDueAt: optional(at),
  }),
)

const series = z.array(z.number())
const latency = z.array(z.number().nullable())
export const stats = shape<api.StatsView>(
  z.strictObject({
    now: at,
    startedAt: at,
    stepMs: count,
    at: z.array(at),
    series: z.strictObject({
      accepted: series,
      refused: series,
      delivered: series,
      deferred: series,
      failed: series,
      latencyP50: latency,
      latencyP95: latency,
      connections: series,
    }),
    queue: z.strictObject({ waiting: count, active: count, held: count, oldestDueAt: optional(at) }),
    memoryRssBytes: count,
    diskFreeBytes: optional(count),
    listeners: z.array(
      z.strictObject({ name: text, address: text, port: count, tls: text, connectionCount: count }),
    ),
    version: text,
    hostname: text,
    mode: text,
  }),
)

export const account = shape<api.AccountItem>(
  z.strictObject({
    name: text,
    enabled: z.boolean(),
    source: z.enum(['config', 'store']),
    hasPassword: z.boolean(),
    role: z.enum(['admin', 'user']),
    createdAt: optional(at),
  }),
)
export const accounts = z.strictObject({ items: z.array(account) })
export const accountSecret = z.strictObject({ name: text, password: optional(text) })

export const domain = shape<api.DomainItem>(
  z.strictObject({
    name: text,
    source: z.enum(['config', 'store']),
    accountCount: count,
    aliases: z.array(z.strictObject({ from: text, to: z.array(text) })),
    catchAll: optional(text),
  }),
)
export const domains = z.strictObject({ items: z.array(domain) })

const token = {
  id: text,
  name: text,
  scopes: z.array(scope),
  account: optional(text),
  mailbox: optional(text),
  createdAt: at,
  lastUsedAt: optional(at),
  expiresAt: optional(at),
}
export const tokens = z.strictObject({ items: z.array(shape<api.TokenItem>(z.strictObject(token))) })
export const tokenCreated = shape<api.TokenCreated>(z.strictObject({ ...token, secret: text }))

const webhookShape = z.strictObject({
  id: text,
  url: text,
  kinds: z.array(text),
  enabled: z.boolean(),
  createdAt: at,
  state: z.strictObject({
    deliveredSeq: count,
    failureCount: count,
    lastError: optional(text),
    nextTryAt: optional(at),
    deadCount: count,
  }),
})
export const webhook = shape<api.WebhookItem>(webhookShape)
export const webhooks = z.strictObject({ items: z.array(webhook) })
export const webhookCreated = shape<api.WebhookCreated>(webhookShape.extend({ secret: text }))
export const deadLetters = shape<api.DeadLettersView>(
  z.strictObject({
    items: z.array(
      z.strictObject({
        seq: count,
        at,
        kind: text,
        messageId: optional(text),
        attemptCount: count,
        lastError: text,
        diedAt: at,
      }),
    ),
  }),
)
export const webhookTest = shape<api.WebhookTestView>(
  z.strictObject({ ok: z.boolean(), status: optional(z.int()), error: optional(text), durationMs: count }),
)

const inboundShape = z.strictObject({
  id: text,
  address: text,
  url: text,
  format: z.enum(['parsed', 'raw']),
  enabled: z.boolean(),
})
export const inboundRoute = shape<api.InboundRouteItem>(inboundShape)
export const inboundRouteCreated = shape<api.InboundRouteCreated>(inboundShape.extend({ secret: text }))
export const inboundRoutes = z.strictObject({ items: z.array(inboundRoute) })

export const config = shape<api.ConfigView>(
  z.strictObject({
    file: optional(text),
    items: z.array(
      z.strictObject({
        key: text,
        value: z.unknown(),
        source: z.enum(['default', 'file', 'environment', 'flag']),
        help: optional(text),
      }),
    ),
  }),
)
