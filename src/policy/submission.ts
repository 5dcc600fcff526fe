// Owns what a submission server does to a message of its own users: sender check, Date and Message-ID where they are
// missing, Bcc and Return-Path out, no message without From. Bytes are cut and joined, never copied field by field.
// RFC 6409 sections 6.1, 8.1-8.3 and RFC 5322 section 3.6.

import type { Mailbox } from '../base/mailbox.ts'
import { formatDate } from '../message/date.ts'
import { fieldValue, headerFields } from '../message/header.ts'
import { type Reply, reply } from '../smtp/reply.ts'
import { accept, refuse, type Verdict } from '../smtp/verdict.ts'

export interface FixUpOptions {
  readonly now: number
  /** Right side of a Message-ID that we make. */
  readonly messageIdDomain: string
  /** Left side of it. */
  readonly id: string
}

export type FixUp =
  | { readonly kind: 'write'; readonly parts: readonly Uint8Array[]; readonly notes: readonly string[] }
  | { readonly kind: 'refuse'; readonly reply: Reply }

/** RFC 6409 section 6.1: the reverse-path must be an address of the account that logged in. Without a login (networks.relay) any may be used. */
export function senderBelongs(
  identity: string | undefined,
  sender: Mailbox,
  owns: (identity: string, sender: Mailbox) => boolean,
): Verdict {
  if (identity === undefined || owns(identity, sender)) return accept
  return refuse(reply(553, '7.1', `${sender.text} is not an address of ${identity}`))
}

const noFrom: FixUp = {
  kind: 'refuse',
  reply: reply(550, '6.0', 'the message has no From field (RFC 5322 section 3.6)'),
}
const manyFrom: FixUp = {
  kind: 'refuse',
  reply: reply(550, '6.0', 'the message has more than one From field (RFC 5322 section 3.6)'),
}

/** The header section as it goes on: `parts` in order. RFC 6409 section 8. */
export function fixSubmission(header: Uint8Array, options: FixUpOptions): FixUp {
  let fromCount = 0
  let hasDate = false
  let hasMessageId = false
  const cuts: { start: number; end: number }[] = []
  const notes: string[] = []
  // All of them, however many: a Bcc behind a thousand others must not get out.
  for (const field of headerFields(header, Number.POSITIVE_INFINITY)) {
    const { name, start, end } = field
    if (name === 'from') fromCount += fieldValue(header, field, 100) === '' ? 0 : 1
    else if (name === 'date') hasDate = true
    else if (name === 'message-id') hasMessageId = true
    else if (name === 'bcc' || name === 'resent-bcc' || name === 'return-path') {
      cuts.push({ start, end })
      // Once, however many: a header full of them must not become a row full of notes.
      if (!notes.includes(`${name} removed`)) notes.push(`${name} removed`)
    }
  }
  // RFC 6409 section 4.2 lets us refuse what is not a valid message; guessing a From would be forging one.
  if (fromCount === 0) return noFrom
  // Readers and DMARC choose differently between two of them (RFC 7489 section 6.6.1).
  if (fromCount > 1) return manyFrom
  let added = ''
  if (!hasDate) {
    added += `Date: ${formatDate(options.now)}\r\n`
    notes.push('date added')
  }
  if (!hasMessageId) {
    added += `Message-ID: <${options.id}@${options.messageIdDomain}>\r\n`
    notes.push('message-id added')
  }
  const parts: Uint8Array[] = added === '' ? [] : [Buffer.from(added)]
  let from = 0
  for (const { start, end } of cuts) {
    if (start > from) parts.push(header.subarray(from, start))
    from = end
  }
  parts.push(header.subarray(from))
  return { kind: 'write', parts, notes }
}
