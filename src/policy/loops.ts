// Owns the check that a message does not go in circles: too many Received fields, or a Delivered-To that names a mailbox
// it is about to be put into again. RFC 5321 section 6.3, RFC 9228 section 3.

import { fieldsNamed, fieldValue } from '../message/header.ts'
import { reply } from '../smtp/reply.ts'
import { accept, refuse, type Verdict } from '../smtp/verdict.ts'

export interface LoopOptions {
  /** More Received fields than this are a loop; RFC 5321 section 6.3 asks for at least 100. */
  readonly hopsMax: number
  /** Final mailboxes of our own that it is for. */
  readonly recipients: readonly string[]
}

/** `header`: the header section. 554 5.4.6 (RFC 3463 section 3.5: routing loop detected). */
export function checkLoop(header: Uint8Array, { hopsMax, recipients }: LoopOptions): Verdict {
  const hopCount = fieldsNamed(header, 'received').length
  if (hopCount > hopsMax) return refuse(reply(554, '4.6', `mail loop: ${hopCount} Received fields`))
  if (recipients.length === 0) return accept
  // Both can be many, and whose they are is the sender's choice.
  const ours = new Set(recipients.map((recipient) => recipient.toLowerCase()))
  for (const field of fieldsNamed(header, 'delivered-to')) {
    const seen = fieldValue(header, field, 1000).toLowerCase()
    if (ours.has(seen))
      return refuse(reply(554, '4.6', `mail loop: it was delivered to ${seen.slice(0, 200)} before`))
  }
  return accept
}
