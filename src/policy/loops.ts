// Owns the check that a message does not go in circles: too many Received fields, or a Delivered-To that names a mailbox
// it is about to be put into again. RFC 5321 section 6.3, RFC 9228 section 3.

import { fieldValue, headerFields } from '../message/header.ts'
import { reply } from '../smtp/reply.ts'
import { accept, refuse, type Verdict } from '../smtp/verdict.ts'

export interface LoopOptions {
  /** More Received fields than this are a loop; RFC 5321 section 6.3 asks for at least 100. */
  readonly hopsMax: number
  /** Final mailboxes of our own that it is for. */
  readonly recipients: readonly string[]
}

/** `header`: the header section. */
export function checkLoop(header: Uint8Array, { hopsMax, recipients }: LoopOptions): Verdict {
  let hopCount = 0
  for (const field of headerFields(header)) {
    if (field.name === 'received') hopCount++
    else if (field.name === 'delivered-to' && recipients.length > 0) {
      const seen = fieldValue(header, field, 1000).toLowerCase()
      if (recipients.some((recipient) => recipient.toLowerCase() === seen)) {
        return refuse(reply(554, '4.6', `mail loop: it was delivered to ${seen.slice(0, 200)} before`))
      }
    }
  }
  return hopCount > hopsMax ? refuse(reply(554, '4.6', `mail loop: ${hopCount} Received fields`)) : accept
}
