// Owns the words of delivery reports for people: what happened, what the other side said, what to do. It decides nothing.

import type { DsnKind, DsnRecipient, DsnReport } from './dsn.ts'
import { cleanText, formatReportDate } from './dsn-fields.ts'

const subjects: Readonly<Record<DsnKind, string>> = {
  failed: 'Not delivered: your message could not be delivered',
  delayed: 'Delayed: your message has not been delivered yet',
  delivered: 'Delivered: your message has arrived',
  relayed: 'Relayed: your message was handed on',
  expanded: 'Expanded: your message was sent on to several addresses',
}

const openings: Readonly<Record<DsnKind, string>> = {
  failed:
    'Your message could not be delivered to the recipients below. It will not be tried again for them; any other recipients are not affected.',
  delayed:
    'Your message has not been delivered to the recipients below yet. You do not need to send it again: it is tried again by itself.',
  delivered: 'Your message has been delivered to the recipients below. You asked for this confirmation.',
  relayed:
    'Your message has been handed to the mail servers of the recipients below. They do not confirm deliveries, so this is the last confirmation that you will get.',
  expanded:
    'The addresses below stand for several recipients each. Your message has been sent on to all of them; you will get no confirmation for each one.',
}

/** What a sender can do, by the subject and detail of the status (RFC 3463). */
const advice: readonly (readonly [prefix: string, text: string])[] = [
  ['1.1', 'Check the address for typing mistakes. If it is right, ask the recipient for a current one.'],
  ['1.2', 'Check the part behind the @ for typing mistakes: that domain does not exist or takes no mail.'],
  ['1.10', 'The domain says that it takes no mail at all. Ask the recipient for another address.'],
  ['1.', 'Check the address for typing mistakes.'],
  ['2.1', 'The mailbox is disabled. Reach the recipient in another way.'],
  ['2.2', "The recipient's mailbox is full. Try again later, or reach the recipient in another way."],
  ['2.3', 'The message is too large for the recipient. Send it without attachments or in parts.'],
  [
    '2.',
    "The recipient's mailbox cannot take mail now. Try again later or reach the recipient in another way.",
  ],
  ['3.4', "The message is too large for the recipient's server. Send it without attachments or in parts."],
  [
    '4.7',
    'The server could not be reached, or did not take the message, for too long. Try again later, or reach the recipient in another way and say that their mail does not arrive.',
  ],
  [
    '4.',
    "The recipient's mail server could not be reached. Try again later, or tell the recipient in another way.",
  ],
  [
    '6.7',
    "The recipient's server cannot take addresses with international characters. Use an address in plain letters, if there is one.",
  ],
  [
    '6.9',
    "The recipient's server cannot take international characters in the header of a message. Send it with plain letters in subject and names.",
  ],
  ['6.', "The recipient's server cannot take a message of this form. Send it as simple text."],
  [
    '7.1',
    'The recipient or their server refuses this message. Reach the recipient in another way and ask to be let through.',
  ],
  [
    '7.',
    'The server refused this message for reasons of security or policy; its words above say more. Show them to whoever runs your mail.',
  ],
]

function adviceFor(status: string): string {
  const rest = status.slice(status.indexOf('.') + 1)
  const exact = advice.find(([prefix]) => prefix === rest)
  const general = advice.find(([prefix]) => prefix.endsWith('.') && rest.startsWith(prefix))
  return (
    (exact ?? general)?.[1] ??
    'The words of the server above say more. If they do not help, show them to whoever runs your mail.'
  )
}

function wrap(text: string, indent: string): string {
  let out = ''
  let line = indent
  for (const word of text.split(' ')) {
    if (line.length > indent.length && line.length + 1 + word.length > 76) {
      out += `${line}\r\n`
      line = indent
    }
    line += line.length === indent.length ? word : ` ${word}`
  }
  return `${out}${line}\r\n`
}

const bounded = (text: string, max: number): string =>
  text.length <= max ? text : `${text.slice(0, max)}...`.toWellFormed()

function describeRecipient(kind: DsnKind, recipient: DsnRecipient): string {
  const original = recipient.originalRecipient?.slice(recipient.originalRecipient.indexOf(';') + 1)
  const asked =
    original === undefined || original.toLowerCase() === recipient.finalRecipient.toLowerCase()
      ? ''
      : ` (sent to ${bounded(cleanText(original), 300)})`
  let out = `<${bounded(cleanText(recipient.finalRecipient), 600)}>${asked}\r\n`
  const words = recipient.diagnostic
  if (words !== undefined) {
    const who = words.isReply
      ? `The server${recipient.remoteMta === undefined ? '' : ` ${cleanText(recipient.remoteMta)}`} said:`
      : 'What happened:'
    out += wrap(who, '    ') + wrap(bounded(cleanText(words.text), 1500), '      ')
  } else if (recipient.remoteMta !== undefined)
    out += wrap(`Taken by ${cleanText(recipient.remoteMta)}.`, '    ')
  if (kind === 'failed') out += wrap(`What you can do: ${adviceFor(recipient.status)}`, '    ')
  if (kind === 'delayed' && recipient.willRetryUntil !== undefined)
    out += wrap(`It will be tried until ${formatReportDate(recipient.willRetryUntil)}.`, '    ')
  return out
}

const recipientsShownMax = 100

export const reportSubject = (kind: DsnKind): string => subjects[kind]

/** The text part: lines of at most 76 characters where words allow it, CRLF, any language of the other side's words. */
export function formatReportText(report: DsnReport): string {
  const shown = report.recipients.slice(0, recipientsShownMax)
  const hidden = report.recipients.length - shown.length
  const returned = report.returned.kind === 'full' ? 'your message' : 'the header of your message'
  return [
    wrap(`This is the mail server ${cleanText(report.hostname)}.`, ''),
    wrap(openings[report.kind], ''),
    ...shown.map((recipient) => describeRecipient(report.kind, recipient)),
    ...(hidden > 0 ? [wrap(`... and ${hidden} more, listed in the part for programs.`, '')] : []),
    wrap(
      `Your message came in on ${formatReportDate(report.arrivalAt)} under the number ${cleanText(report.originalId)}. Name it when you ask for help. The details for programs and ${returned} follow.`,
      '',
    ),
  ].join('\r\n')
}
