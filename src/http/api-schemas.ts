// Owns the schemas of what the public API takes. Everything has a limit; unknown keys are refused, since a misspelt filter
// would reach further than it was meant to.

import { z } from 'zod'

import { parseDuration } from '../base/duration.ts'
import { parseDeliveryId } from '../base/id.ts'

import { scope } from './answers.ts'
import { messageId } from './schemas.ts'

export const text = (max: number) => z.string().min(1).max(max)
export const account = text(400)
export const mailbox = text(255)
const q = z.string().max(2000)
const cursor = text(1000)
const limit = (max: number, standard: number) => z.coerce.number().int().min(1).max(max).default(standard)
const flag = z.enum(['0', '1']).transform((value) => value === '1')
const epochMs = z.coerce.number().int().min(0).max(8.64e15)

export const credentials = z.strictObject({ account: text(400), password: text(1024) })

export const messageParams = z.strictObject({ id: messageId })
export const partParams = z.strictObject({
  id: messageId,
  part: z.string().regex(/^(?:uu)?[\w.]{1,200}$/, { message: "must be a part such as '1.2' or 'uu1'" }),
})

const scopeQuery = { account: account.optional(), mailbox: mailbox.optional() }

export const mailListQuery = z.strictObject({
  ...scopeQuery,
  q: q.optional(),
  limit: limit(1000, 50),
  cursor: cursor.optional(),
  order: z.enum(['newest', 'oldest']).optional(),
})
export const scopeOnly = z.strictObject(scopeQuery)
export const accountOnly = z.strictObject({ account: account.optional() })

/** Epoch milliseconds, or a date as RFC 3339 writes it. */
const instant = z.union([epochMs, z.iso.datetime({ offset: true }).transform((value) => Date.parse(value))], {
  error: 'must be epoch milliseconds, or a time such as 2026-01-31T10:00:00Z',
})
/** '30s', '2m', or a number of milliseconds. */
const duration = z
  .string()
  .max(20)
  .transform((value, context) => {
    try {
      const ms = /^\d{1,9}$/.test(value) ? Number(value) : parseDuration(value)
      if (ms <= 600_000) return ms
    } catch {}
    context.issues.push({
      code: 'custom',
      message: "must be a duration of at most 10 minutes such as '30s', or milliseconds",
      input: value,
    })
    return z.NEVER
  })

export const waitQuery = z.strictObject({
  ...scopeQuery,
  q: q.optional(),
  to: text(400).optional(),
  from: text(400).optional(),
  subject: text(998).optional(),
  since: instant.optional(),
  timeout: duration.optional(),
})

export const htmlQuery = z.strictObject({ remote: flag.optional() })
export const partQuery = z.strictObject({ inline: flag.optional() })
export const rawQuery = z.strictObject({ download: flag.optional() })
export const eventsQuery = z.strictObject({
  kinds: text(1000).optional(),
  after: z.coerce.number().int().min(0).optional(),
})

export const tag = z
  .string()
  .trim()
  .min(1)
  .max(64)
  .regex(/^[^\u0000-\u001f\u007f,]+$/, { message: 'must not have commas or control characters' })
export const tags = z.array(tag).max(50)

const act = z.enum(['read', 'unread', 'star', 'unstar', 'tag', 'untag', 'delete'])
const needsTags = (body: { act: string; tags?: unknown }): boolean =>
  (body.act === 'tag' || body.act === 'untag') === (body.tags !== undefined)
const tagsMistake = { path: ['tags'], message: "must be given for 'tag' and 'untag', and for nothing else" }

export const mailPatch = z
  .strictObject({ act: act.exclude(['delete']), tags: tags.min(1).optional() })
  .refine(needsTags, tagsMistake)

export const mailActs = z
  .strictObject({
    act,
    ids: z.array(messageId).min(1).max(1000).optional(),
    q: q.optional(),
    ...scopeQuery,
    tags: tags.min(1).optional(),
  })
  .refine(needsTags, tagsMistake)
  .refine(({ ids, q }) => (ids === undefined) !== (q === undefined), {
    path: ['ids'],
    message: "give either 'ids' or 'q' ('' is everything there)",
  })

// ---- queue ----

export const deliveryId = z.string().refine((value) => parseDeliveryId(value)?.seq !== undefined, {
  message: 'must be a delivery id: a message id and -number',
})
const anyId = z.string().refine((value) => parseDeliveryId(value) !== undefined, {
  message: 'must be a message id (20 characters) or a delivery id (with -number)',
})
const queueState = z.enum(['waiting', 'held'])
const destination = text(400)
const domainName = text(255)

export const queueQuery = z.strictObject({
  destination: destination.optional(),
  domain: domainName.optional(),
  state: queueState.optional(),
  limit: limit(1000, 50),
  cursor: cursor.optional(),
})
export const deliveryParams = z.strictObject({ id: deliveryId })

export const queueActs = z
  .strictObject({
    act: z.enum(['hold', 'release', 'retry', 'bounce', 'delete', 'reroute']),
    filter: z
      .strictObject({
        ids: z.array(anyId).min(1).max(1000).optional(),
        destination: destination.optional(),
        domain: domainName.optional(),
        state: queueState.optional(),
      })
      .default({}),
    all: z.boolean().default(false),
    to: destination.optional(),
  })
  .refine(({ filter, all }) => all || Object.values(filter).some((one) => one !== undefined), {
    path: ['filter'],
    message: "must name something, or 'all' must be true",
  })
  .refine(({ act, to }) => (act === 'reroute') === (to !== undefined), {
    path: ['to'],
    message: "must be given for 'reroute', and for nothing else",
  })

export const statsQuery = z.strictObject({
  minutes: z.coerce.number().int().min(1).max(1440).default(60),
})

// ---- administration ----

const password = text(512)
export const accountAdd = z.strictObject({ name: account, password: password.optional() })
export const accountPassword = z.strictObject({
  password: password.optional(),
  /** His password until now; needed for one's own account. */
  current: z.string().max(1024).optional(),
})
export const accountPatch = z.strictObject({ enabled: z.boolean() })
export const nameParams = z.strictObject({ name: account })

export const domainBody = z.strictObject({
  aliases: z
    .array(z.strictObject({ from: text(320), to: z.array(text(320)).min(1).max(100) }))
    .max(1000)
    .default([]),
  catchAll: text(320).optional(),
})

export const tokenAdd = z.strictObject({
  name: text(100),
  scopes: z.array(scope).min(1).max(5),
  account: account.optional(),
  mailbox: mailbox.optional(),
  expiresAt: instant.optional(),
})
const shortId = z.string().regex(/^[0-9a-f]{16}$/, { message: 'must be an id (16 hexadecimal digits)' })
export const idParams = z.strictObject({ id: shortId })

const url = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).max(2000)
const kind = z
  .string()
  .regex(/^(?:\*|[a-z][a-z0-9.-]{0,40})$/, { message: "must be a kind such as 'delivered', or '*'" })
const kinds = z.array(kind).min(1).max(50)
export const webhookAdd = z.strictObject({
  url,
  kinds: kinds.default(['*']),
  enabled: z.boolean().default(true),
})
export const webhookPatch = z.strictObject({
  url: url.optional(),
  kinds: kinds.optional(),
  enabled: z.boolean().optional(),
})
export const deadParams = z.strictObject({ id: shortId, seq: z.coerce.number().int().min(1) })

export const routeAdd = z.strictObject({
  address: text(320),
  url,
  format: z.enum(['parsed', 'raw']).default('parsed'),
  enabled: z.boolean().default(true),
})
export const routePatch = z.strictObject({
  url: url.optional(),
  format: z.enum(['parsed', 'raw']).optional(),
  enabled: z.boolean().optional(),
})
