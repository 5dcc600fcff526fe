// Owns the schemas of the routes that speak Mailpit's API, as far as we serve it. Unknown keys are passed by, as Mailpit
// passes them by: its clients send more than one version knows.

import { z } from 'zod'

const text = (max: number) => z.string().max(max)
const tag = z
  .string()
  .trim()
  .min(1)
  .max(64)
  .regex(/^[^\u0000-\u001f\u007f]+$/)
const ids = z.array(text(200)).max(1000)
const start = z.coerce.number().int().min(0).max(1_000_000).default(0)
const limit = z.coerce.number().int().min(0).max(1000).default(50)

export const page = z.looseObject({ start, limit })
export const search = z.looseObject({ query: text(2000), start, limit })
export const searchOnly = z.looseObject({ query: text(2000) })
export const anything = z.looseObject({})
export const message = z.strictObject({ id: text(100) })
export const part = z.strictObject({ id: text(100), part: text(200) })
export const which = z.looseObject({ IDs: ids.nullish() })
export const read = z.looseObject({
  IDs: ids.nullish(),
  Read: z.boolean().default(false),
  Search: text(2000).nullish(),
})
export const setTags = z.looseObject({ IDs: ids, Tags: z.array(tag).max(50).nullish() })
export const release = z.looseObject({ To: z.array(text(320)).min(1).max(100) })

const person = z.looseObject({ Email: text(320), Name: text(500).nullish() })
const people = z.array(person).max(1000).nullish()
export const send = z.looseObject({
  From: person,
  To: people,
  Cc: people,
  Bcc: z.array(text(320)).max(1000).nullish(),
  ReplyTo: people,
  Subject: text(10_000).nullish(),
  Text: z.string().nullish(),
  HTML: z.string().nullish(),
  Attachments: z
    .array(
      z.looseObject({
        Filename: text(500),
        Content: z.string(),
        ContentType: text(500).nullish(),
        ContentID: text(500).nullish(),
      }),
    )
    .max(200)
    .nullish(),
  Headers: z.record(text(200), text(10_000)).nullish(),
  Tags: z.array(tag).max(50).nullish(),
})

// ---- answers ----

const address = z.object({ Name: z.string(), Address: z.string() })
const addresses = z.array(address)
export const summary = z.object({
  ID: z.string(),
  MessageID: z.string(),
  Read: z.boolean(),
  From: address,
  To: addresses,
  Cc: addresses,
  Bcc: addresses,
  ReplyTo: addresses,
  Subject: z.string(),
  Created: z.string(),
  Username: z.string(),
  Tags: z.array(z.string()),
  Size: z.number(),
  Attachments: z.number(),
  Snippet: z.string(),
})
export const list = z.object({
  total: z.number(),
  unread: z.number(),
  count: z.number(),
  messages_count: z.number(),
  messages_unread: z.number(),
  start: z.number(),
  tags: z.array(z.string()),
  messages: z.array(summary),
})
const file = z.object({
  PartID: z.string(),
  FileName: z.string(),
  ContentType: z.string(),
  ContentID: z.string(),
  Size: z.number(),
})
export const whole = z.object({
  ID: z.string(),
  MessageID: z.string(),
  From: address,
  To: addresses,
  Cc: addresses,
  Bcc: addresses,
  ReplyTo: addresses,
  ReturnPath: z.string(),
  Subject: z.string(),
  ListUnsubscribe: z.object({
    Header: z.string(),
    Links: z.array(z.string()),
    Errors: z.string(),
    HeaderPost: z.string(),
  }),
  Date: z.string(),
  Tags: z.array(z.string()),
  Username: z.string(),
  Text: z.string(),
  HTML: z.string(),
  Size: z.number(),
  Inline: z.array(file),
  Attachments: z.array(file),
})
export const headers = z.record(z.string(), z.array(z.string()))
export const info = z.object({
  Version: z.string(),
  LatestVersion: z.string(),
  Database: z.string(),
  DatabaseSize: z.number(),
  Messages: z.number(),
  Unread: z.number(),
  Tags: z.record(z.string(), z.number()),
})
export const tags = z.array(z.string())
export const sent = z.object({ ID: z.string() })
