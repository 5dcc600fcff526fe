// Owns message disposition notifications: the answer to Disposition-Notification-To, for people and for programs. Whether
// one is sent is its user's decision (RFC 8098 section 2.1), and never asked here.
// RFC 8098, RFC 6522, RFC 6533 section 4 (SMTPUTF8).

import type { Random } from '../base/random.ts'
import { UsageError } from '../base/usage-error.ts'
import { addressText, needsSmtputf8, readOneMailbox, writeAddresses } from './address-input.ts'
import { formatDate } from './date.ts'
import { cutReturnedContent } from './dsn.ts'
import { formatOriginalRecipient, formatRecipient } from './dsn-fields.ts'
import { headerText } from './header-text.ts'
import { writeItems, writeUnstructured } from './header-writer.ts'
import { canonicalBytes, canonicalText } from './line-end-writer.ts'
import type { NamedAddress } from './message-input.ts'
import { encodeText, isTransportSafe } from './text-encoding.ts'

/** RFC 8098 section 3.2.6. */
export interface Disposition {
  readonly action: 'manual-action' | 'automatic-action'
  readonly sending: 'MDN-sent-manually' | 'MDN-sent-automatically'
  readonly type: 'displayed' | 'deleted' | 'dispatched' | 'processed'
  /** `error` makes `error` fields meaningful. */
  readonly modifiers?: readonly string[]
}

export interface MdnInput {
  /** Who saw the message, and who asked. */
  readonly from: string | NamedAddress
  readonly to: string | NamedAddress
  /** Default: `from`. */
  readonly finalRecipient?: string
  /** As ORCPT gave it: `rfc822;a@b`. */
  readonly originalRecipient?: string
  /** Message-ID of the message that was seen, with its brackets; '' where it had none. */
  readonly originalMessageId: string
  /** Its subject, for the subject of the notice. */
  readonly originalSubject?: string
  readonly disposition: Disposition
  /** `name; product`. */
  readonly reportingUa?: string
  /** Texts of Error fields. */
  readonly errors?: readonly string[]
  /** For people. Default: a sentence in English. */
  readonly text?: string
  /** The message that was seen: its header goes along, or all of it. Default: neither. */
  readonly original?: { readonly bytes: Uint8Array; readonly want: 'full' | 'headers' }
}

export interface MdnMessage {
  readonly messageId: string
  /** The reverse-path is null (RFC 8098 section 3). */
  readonly envelope: { readonly from: null; readonly to: readonly string[] }
  readonly bytes: Uint8Array
  readonly needsSmtputf8: boolean
  readonly needs8bit: boolean
}

const originalBytesMax = 10 * 1024 * 1024
const token = /^[A-Za-z0-9-]{1,60}$/

/** @throws UsageError naming the field */
export function composeMdn(
  input: MdnInput,
  options: { readonly now: number; readonly random: Random; readonly hostname: string },
): MdnMessage {
  const from = readOneMailbox(input.from, 'from')
  const to = readOneMailbox(input.to, 'to')
  const id = Buffer.from(options.random.bytes(16)).toString('hex')
  const boundary = `=_${id}`
  const host = /^[A-Za-z0-9.-]+$/.test(options.hostname) ? options.hostname : 'localhost'
  const messageId = `<${id}@${host}>`
  const reference = messageIdOf(input.originalMessageId)
  const global = needsSmtputf8(from.mailbox) || needsSmtputf8(to.mailbox)
  const fields = dispositionFields(input, reference, from.mailbox.text, global)
  const text = encodeText(canonicalText(input.text ?? defaultText(input)).toWellFormed(), {
    allow8bit: false,
    force: undefined,
  })
  const returned = originalPart(input.original)
  const eight = !/^[\x00-\x7f]*$/.test(fields)
  const head =
    `Date: ${formatDate(options.now)}\r\n` +
    writeAddresses('From', [from]) +
    writeAddresses('To', [to]) +
    writeUnstructured(
      'Subject',
      headerText(`${subjectOf[input.disposition.type]} ${input.originalSubject ?? ''}`.trim()),
    ) +
    writeItems('Message-ID', [messageId], '') +
    (reference === ''
      ? ''
      : writeItems('In-Reply-To', [reference], '') + writeItems('References', [reference], '')) +
    // RFC 3834 section 5: nobody answers it automatically.
    'Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n' +
    `Content-Type: multipart/report; report-type=disposition-notification;\r\n boundary="${boundary}"\r\n` +
    (eight || returned.eightBit ? 'Content-Transfer-Encoding: 8bit\r\n' : '') +
    `\r\n--${boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: ${text.encoding}\r\n\r\n`
  const type = eight ? 'message/global-disposition-notification' : 'message/disposition-notification'
  const bytes = Buffer.concat([
    Buffer.from(head),
    Buffer.from(text.body),
    Buffer.from(
      `\r\n--${boundary}\r\nContent-Type: ${type}\r\n${eight ? 'Content-Transfer-Encoding: 8bit\r\n' : ''}\r\n${fields}`,
    ),
    ...(returned.bytes === undefined
      ? []
      : [Buffer.from(`\r\n--${boundary}\r\n${returned.head}`), returned.bytes]),
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ])
  return {
    messageId,
    envelope: { from: null, to: [addressText(to.mailbox)] },
    bytes,
    needsSmtputf8: global || eight,
    needs8bit: eight || returned.eightBit,
  }
}

const subjectOf: Readonly<Record<Disposition['type'], string>> = {
  displayed: 'Displayed:',
  deleted: 'Deleted:',
  dispatched: 'Dispatched:',
  processed: 'Processed:',
}

const defaultText = ({ disposition, originalSubject }: MdnInput): string =>
  `Your message${originalSubject === undefined ? '' : ` "${headerText(originalSubject)}"`} was ${disposition.type}.\r\n` +
  'This says nothing about whether it was read or understood.\r\n'

function messageIdOf(text: string): string {
  const id = text.trim()
  if (id === '' || /^<[\x21-\x3b\x3d\x3f-\x7e]{1,900}>$/.test(id)) return id
  throw new UsageError('originalMessageId', "must be a Message-ID with its brackets, or ''")
}

/** RFC 8098 section 3.1. */
function dispositionFields(input: MdnInput, reference: string, from: string, global: boolean): string {
  const { disposition } = input
  const modifiers = disposition.modifiers ?? []
  if (modifiers.some((modifier) => !token.test(modifier)))
    throw new UsageError('disposition.modifiers', 'must be words of letters, digits and hyphens')
  if (subjectOf[disposition.type] === undefined)
    throw new UsageError('disposition.type', `must be one of ${Object.keys(subjectOf).join(', ')}`)
  const mode = `${disposition.action}/${disposition.sending}`
  if (!/^(?:manual|automatic)-action\/MDN-sent-(?:manually|automatically)$/.test(mode))
    throw new UsageError('disposition', 'must have an action and a sending mode of RFC 8098 section 3.2.6')
  let out = ''
  if (input.reportingUa !== undefined) out += writeUnstructured('Reporting-UA', headerText(input.reportingUa))
  const original =
    input.originalRecipient === undefined
      ? undefined
      : formatOriginalRecipient(input.originalRecipient, global)
  if (original !== undefined) out += `Original-Recipient: ${original}\r\n`
  out += `Final-Recipient: ${formatRecipient(input.finalRecipient ?? from, global)}\r\n`
  if (reference !== '') out += `Original-Message-ID: ${reference}\r\n`
  out += `Disposition: ${mode}; ${disposition.type}${modifiers.length === 0 ? '' : `/${modifiers.join(',')}`}\r\n`
  for (const error of input.errors ?? []) out += writeUnstructured('Error', headerText(error))
  return out
}

function originalPart(original: MdnInput['original']): {
  readonly head: string
  readonly bytes?: Uint8Array
  readonly eightBit: boolean
} {
  if (original === undefined) return { head: '', eightBit: false }
  const canonical = canonicalBytes(original.bytes)
  const { kind, bytes } = cutReturnedContent(canonical, {
    want: original.want,
    sizeBytes: canonical.length,
    bytesMax: originalBytesMax,
  })
  const eightBit = !isTransportSafe(bytes, false)
  const type = kind === 'full' ? 'message/rfc822' : 'text/rfc822-headers'
  const encoding = eightBit ? 'Content-Transfer-Encoding: 8bit\r\n' : ''
  return { head: `Content-Type: ${type}\r\n${encoding}\r\n`, bytes, eightBit }
}
