// Owns the schemas of what the HTTP API takes. Everything has a limit; unknown keys are refused, since a misspelt
// filter would reach further than it was meant to.

import { z } from 'zod'

import { parseDeliveryId } from '../base/id.ts'
import { searchCharsMax } from '../store/search-syntax.ts'

import { queueActs } from './control-api.ts'

const text = (max: number) => z.string().min(1).max(max)
const pageLimitMax = 1000
const limit = z.coerce.number().int().min(1).max(pageLimitMax).default(50)
const cursor = text(1000).optional()

const id = z.string().refine((value) => parseDeliveryId(value) !== undefined, {
  message: 'must be a message id (20 characters) or a delivery id (with -number)',
})
export const messageId = z
  .string()
  .regex(/^[0-9a-v]{20}$/, { message: 'must be a message id (20 characters)' })

const state = z.enum(['waiting', 'held'])
const domain = text(255)
const destination = text(400)

/** Query of GET /v1/queue: `id` may be repeated. */
export const queueQuery = z
  .strictObject({
    id: z.union([id, z.array(id).max(1000)]).optional(),
    state: state.optional(),
    domain: domain.optional(),
    destination: destination.optional(),
    limit,
    cursor,
  })
  .transform(({ id: ids, ...rest }) => (ids === undefined ? rest : { ...rest, ids: [ids].flat() }))

export const queueAct = z
  .strictObject({
    act: z.enum(queueActs as [(typeof queueActs)[number], ...(typeof queueActs)[number][]]),
    filter: z
      .strictObject({
        ids: z.array(id).min(1).max(1000).optional(),
        state: state.optional(),
        domain: domain.optional(),
        destination: destination.optional(),
      })
      .default({}),
    /** Needed for an empty filter: the whole queue. */
    all: z.boolean().default(false),
  })
  .refine(({ filter, all }) => all || Object.values(filter).some((one) => one !== undefined), {
    path: ['filter'],
    message: "must name something, or 'all' must be true",
  })

export const messagesQuery = z.strictObject({ limit, cursor })
export const messageParams = z.strictObject({ id: messageId })

const account = text(400)
const mailbox = text(255)
const uid = z.coerce.number().int().min(1)

export const mailQuery = z.strictObject({
  account: account.optional(),
  mailbox: mailbox.optional(),
  limit,
  cursor,
})

export const mailSearch = mailQuery.extend({ q: z.string().min(1).max(searchCharsMax) })

/** One mail: by its message, or by where it lies. */
export const mailWhich = z.union(
  [z.strictObject({ messageId }), z.strictObject({ account, mailbox: mailbox.default('INBOX'), uid })],
  { error: "must be 'messageId', or 'account', 'mailbox' and 'uid'" },
)
export const mailDelete = z.strictObject({ which: z.array(mailWhich).min(1).max(1000) })

const password = text(1024)
export const accountAdd = z.strictObject({ name: account, password: password.optional() })
export const accountPassword = z.strictObject({ password: password.optional() })
export const accountPatch = z.strictObject({ enabled: z.boolean() })
export const accountParams = z.strictObject({ name: account })

export const nothing = z.strictObject({})
