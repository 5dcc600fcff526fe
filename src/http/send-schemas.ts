// Owns the schemas of what is sent: a message as `posthouse/message` composes it, in JSON. Files and URLs of the server are
// not among it: a caller of the API opens nothing here. Content is text, or base64 with `encoding`.

import { z } from 'zod'

import { tag, tags, text } from './api-schemas.ts'

const line = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[^\u0000\r\n]*$/, { message: 'must be one line' })
const contentMax = 70 * 1024 * 1024

const namedAddress = z.strictObject({ name: line(500).optional(), address: text(320) })
const addressInput = z.union([line(2000), namedAddress], {
  error: "must be an address ('Ann <ann@example.test>') or { name, address }",
})
const addresses = z.union([addressInput, z.array(addressInput).max(1000)], {
  error: 'must be an address, { name, address }, or a list of them',
})
const encoding = z.enum(['utf8', 'utf-8', 'base64', 'hex', 'latin1', 'ascii'])
const content = z.string().max(contentMax)
const body = z.union([content, z.strictObject({ content, encoding: encoding.optional() })], {
  error: 'must be text, or { content, encoding }',
})

const headerValue = z.union([line(10_000), z.number()])
const headers = z.union(
  [
    z.record(text(200), z.union([headerValue, z.array(headerValue).max(100)])),
    z.array(z.strictObject({ key: text(200), value: headerValue })).max(500),
  ],
  { error: 'must be an object of fields, or a list of { key, value }' },
)

const part = {
  content,
  encoding: encoding.optional(),
  contentType: line(500).optional(),
  contentTransferEncoding: z.enum(['7bit', '8bit', 'quoted-printable', 'base64']).optional(),
  headers: headers.optional(),
}
const attachment = z.strictObject({
  ...part,
  filename: z.union([line(500), z.literal(false)]).optional(),
  cid: line(500).optional(),
  contentDisposition: z.enum(['attachment', 'inline']).optional(),
})
const alternative = z.strictObject({ ...part, filename: line(500).optional() })
const calendarMethod = z.enum([
  'PUBLISH',
  'REQUEST',
  'REPLY',
  'ADD',
  'CANCEL',
  'REFRESH',
  'COUNTER',
  'DECLINECOUNTER',
])
const calendar = z.union(
  [
    content,
    z.strictObject({
      content,
      encoding: encoding.optional(),
      method: calendarMethod.optional(),
      filename: z.union([line(500), z.literal(false)]).optional(),
    }),
  ],
  { error: 'must be iCalendar text, or { content, method }' },
)

const listTarget = z.union([line(2000), z.strictObject({ url: line(2000), comment: line(500).optional() })])
const listTargets = z.union([listTarget, z.array(listTarget).max(20)])
const list = z.strictObject({
  help: listTargets.optional(),
  subscribe: listTargets.optional(),
  unsubscribe: listTargets.optional(),
  oneClick: z.boolean().optional(),
  post: listTargets.optional(),
  owner: listTargets.optional(),
  archive: listTargets.optional(),
  id: listTarget.optional(),
})

const ids = z.union([line(2000), z.array(line(1000)).max(1000)])

/** Epoch milliseconds or RFC 3339. */
export const sendAt = z.union(
  [z.number().int().min(0), z.iso.datetime({ offset: true }).transform((value) => Date.parse(value))],
  { error: 'must be epoch milliseconds, or a time such as 2026-01-31T10:00:00Z' },
)
const metadata = z
  .record(z.string().min(1).max(64), z.string().max(500))
  .refine((value) => Object.keys(value).length <= 50, { message: 'must have at most 50 entries' })

const ours = { sendAt: sendAt.optional(), tags: tags.optional(), metadata: metadata.optional() }

const content_ = {
  from: addressInput,
  sender: addressInput.optional(),
  cc: addresses.optional(),
  bcc: addresses.optional(),
  replyTo: addresses.optional(),
  inReplyTo: ids.optional(),
  references: ids.optional(),
  subject: z.string().max(10_000).optional(),
  text: body.optional(),
  html: body.optional(),
  watchHtml: body.optional(),
  amp: body.optional(),
  icalEvent: calendar.optional(),
  alternatives: z.array(alternative).max(50).optional(),
  attachments: z.array(attachment).max(200).optional(),
  headers: headers.optional(),
  list: list.optional(),
  date: z.union([z.iso.datetime({ offset: true }), z.number().int()]).optional(),
  messageId: line(900).optional(),
  priority: z.enum(['high', 'normal', 'low']).optional(),
  envelope: z
    .strictObject({
      from: z.union([line(320), z.null(), z.literal(false)]).optional(),
      to: addresses.optional(),
    })
    .optional(),
  attachDataUrls: z.boolean().optional(),
}

export const sendBody = z.strictObject({ ...content_, to: addresses.optional(), ...ours })
export type SendBody = z.infer<typeof sendBody>

export const batchMax = 500
const substitution = z.record(
  z.string().regex(/^[A-Za-z_][\w.-]{0,63}$/, { message: "must be a name such as 'first_name'" }),
  z.union([z.string().max(10_000), z.number(), z.boolean()]),
)
export const batchBody = z.strictObject({
  /** `{{name}}` in subject, text and html is replaced; in html escaped, but for `{{{name}}}`. */
  message: z
    .strictObject({ ...content_, ...ours })
    .omit({ cc: true, bcc: true, envelope: true, messageId: true }),
  recipients: z
    .array(
      z.strictObject({
        to: addressInput,
        data: substitution.default({}),
        tags: tags.optional(),
        metadata: metadata.optional(),
      }),
    )
    .min(1)
    .max(batchMax),
})
export type BatchBody = z.infer<typeof batchBody>

const several = <T extends z.ZodType>(one: T) =>
  z.union([one.transform((value) => [value]), z.array(one).max(1000)])
export const rawSendQuery = z.strictObject({
  from: z.string().max(320).optional(),
  to: several(text(320)).optional(),
  tag: several(tag).optional(),
  sendAt: z
    .union([
      z.coerce.number().int().min(0),
      z.iso.datetime({ offset: true }).transform((value) => Date.parse(value)),
    ])
    .optional(),
})

const address = text(320)
export const releaseBody = z.strictObject({ to: z.array(address).min(1).max(100).optional() })
