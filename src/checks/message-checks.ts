// Owns the checks of a whole message, as a sender wants to know them before it goes out: parts, subject, header fields,
// unsubscribing, attachments, lines, and its HTML. Pure: it asks nobody. RFC 5322, 2369, 8058.

import type { ParsedMessage } from '../message/parse-message.ts'
import { bytesText, type Check, check } from './check.ts'
import { checkHtml, leftovers } from './html-checks.ts'
import { type HtmlSupport, htmlSupport } from './html-support.ts'

export interface MessageChecks {
  /** Worst first. */
  readonly checks: readonly Check[]
  readonly htmlSupport?: HtmlSupport
}

const order = { error: 0, warning: 1, info: 2, unknown: 3, ok: 4 } as const

export const worstFirst = <T extends Pick<Check, 'level'>>(checks: readonly T[]): readonly T[] =>
  checks.toSorted((one, other) => order[one.level] - order[other.level])

/** Everything that can be said about it without asking anybody. Never throws; linear in the message. */
export function checkMessage(message: ParsedMessage, raw: Uint8Array): MessageChecks {
  const { html } = message
  const support = html === '' ? undefined : htmlSupport(html)
  const inline = new Map<string, number>()
  for (const { contentId, content, contentType } of message.attachments)
    if (contentId !== undefined && contentType.startsWith('image/')) inline.set(contentId, content.length)
  const checks = [
    ...checkParts(message),
    checkSubject(message.subject),
    ...checkFields(message),
    ...checkUnsubscribe(message),
    ...checkLeftovers(message),
    ...checkAttachments(message),
    checkSize(raw),
    checkLines(raw),
    ...checkDefects(message),
    checkSigned(message),
    ...(html === '' ? [] : checkHtml({ html, inline })),
    ...(support === undefined ? [] : [checkSupport(support)]),
  ]
  return { checks: worstFirst(checks), ...(support !== undefined && { htmlSupport: support }) }
}

const fieldsOf = ({ fields }: ParsedMessage, name: string): readonly string[] =>
  fields.flatMap((field) => (field.name === name ? [field.value] : []))

function* checkParts({ structure, text, html }: ParsedMessage): Iterable<Check> {
  const isPart = (type: string): boolean => {
    const look = (part: typeof structure): boolean => part.contentType === type || part.children.some(look)
    return look(structure)
  }
  if (html === '' && text === '') {
    yield check('text-part', 'warning', 'The message has no text')
    return
  }
  if (html === '') yield check('text-part', 'ok', 'Plain text')
  else if (isPart('text/plain')) yield check('text-part', 'ok', 'Has a plain text beside the HTML')
  else
    yield check(
      'text-part',
      'warning',
      'No plain text beside the HTML',
      'Add a text part (multipart/alternative): watches, screen readers and filters look for it.',
    )
}

function checkSubject(subject: string): Check {
  const trimmed = subject.trim()
  if (trimmed === '')
    return check('subject', 'error', 'No subject', 'Give it one: filters and people pass over mail without.')
  if (/[A-Z]{4}/.test(trimmed) && trimmed === trimmed.toUpperCase() && trimmed.length > 8)
    return check(
      'subject',
      'warning',
      'The subject is all capitals',
      'It reads as shouting, and filters count it.',
      [trimmed],
    )
  if (/[!?]{3}|(?:\$|€|£){2}/.test(trimmed))
    return check('subject', 'warning', 'The subject looks like advertising', 'Leave out repeated signs.', [
      trimmed,
    ])
  const length = [...trimmed].length
  if (length > 70)
    return check(
      'subject',
      'info',
      `The subject has ${length} characters`,
      'Phones show about 40, most clients about 70.',
      [trimmed],
      { length },
    )
  return check('subject', 'ok', 'Subject', undefined, [trimmed])
}

function* checkFields(message: ParsedMessage): Iterable<Check> {
  const wrong: string[] = []
  const faults: string[] = []
  const add = (fault: string, sentence: string): void => {
    faults.push(fault)
    wrong.push(sentence)
  }
  const from = fieldsOf(message, 'from').length
  if (from === 0) add('missing From', 'From is missing')
  else if (from > 1) add('several From', `From stands ${from} times`)
  if (fieldsOf(message, 'date').length === 0) add('missing Date', 'Date is missing')
  else if (message.date === undefined) add('unreadable Date', 'Date cannot be read')
  if (message.messageId === undefined) add('missing Message-ID', 'Message-ID is missing')
  if (message.to.length + message.cc.length + fieldsOf(message, 'to').length === 0)
    add('no-recipients', 'neither To nor Cc')
  for (const name of ['subject', 'to', 'cc', 'reply-to', 'sender', 'message-id', 'date'])
    if (fieldsOf(message, name).length > 1)
      add(`several ${name}`, `${name} stands several times (RFC 5322 section 3.6)`)
  if (fieldsOf(message, 'bcc').length > 0) add('bcc', 'Bcc is still there: its recipients would be seen')
  yield wrong.length === 0
    ? check('header', 'ok', 'From, Date and Message-ID are there, once each')
    : check(
        'header',
        from === 1 ? 'warning' : 'error',
        'Header fields are not as they must be',
        'Servers refuse or mark such mail.',
        wrong,
        { faults },
      )
}

function* checkUnsubscribe(message: ParsedMessage): Iterable<Check> {
  const bulk =
    fieldsOf(message, 'list-id').length > 0 ||
    fieldsOf(message, 'precedence').some((value) => /bulk|list/i.test(value)) ||
    /\bunsubscribe\b/i.test(message.text) ||
    /\bunsubscribe\b/i.test(message.html)
  const [unsubscribe] = fieldsOf(message, 'list-unsubscribe')
  if (unsubscribe === undefined) {
    if (bulk)
      yield check(
        'list-unsubscribe',
        'warning',
        'It can be unsubscribed from, but not by the button of the client',
        'Large providers ask senders of bulk mail for List-Unsubscribe and List-Unsubscribe-Post (RFC 8058).',
      )
    return
  }
  const hasHttps = /<https:/i.test(unsubscribe)
  const oneClick = fieldsOf(message, 'list-unsubscribe-post').some((value) =>
    /^\s*List-Unsubscribe=One-Click\s*$/i.test(value),
  )
  if (hasHttps && oneClick)
    yield check('list-unsubscribe', 'ok', 'Unsubscribing takes one click (RFC 8058)', undefined, [
      unsubscribe,
    ])
  else
    yield check(
      'list-unsubscribe',
      'warning',
      hasHttps ? 'List-Unsubscribe-Post is missing' : 'List-Unsubscribe has no https address',
      'For one click (RFC 8058) both are needed: an https address and List-Unsubscribe-Post: List-Unsubscribe=One-Click.',
      [unsubscribe],
    )
}

function* checkLeftovers({ subject, text, html }: ParsedMessage): Iterable<Check> {
  const found = leftovers(`${subject}\n${text}\n${html}`)
  if (found.length > 0)
    yield check(
      'template',
      'error',
      'What looks like unfilled places of a template',
      'Fill them in, or give them a default.',
      found,
    )
}

const dangerous = /\.(?:exe|scr|bat|cmd|com|pif|js|jse|vbs?|wsf|jar|msi|lnk|hta|ps1|iso|img|reg|cpl|chm)$/i

function* checkAttachments({ attachments }: ParsedMessage): Iterable<Check> {
  const refused = attachments.filter(
    ({ filename }) => filename !== undefined && dangerous.test(filename.trim()),
  )
  if (refused.length > 0)
    yield check(
      'attachments.type',
      'error',
      'Attachments that most providers refuse',
      'Link to a download instead.',
      refused.map(({ filename }) => filename ?? ''),
    )
  const unnamed = attachments.filter(
    ({ filename, isRelated, message, disposition }) =>
      filename === undefined && !isRelated && message === undefined && disposition === 'attachment',
  )
  if (unnamed.length > 0)
    yield check('attachments.name', 'info', `${unnamed.length} attachments without a file name`)
}

function checkSize(raw: Uint8Array): Check {
  const size = bytesText(raw.length)
  if (raw.length > 25_000_000)
    return check(
      'size.total',
      'error',
      `${size}: more than most providers take`,
      'Gmail and many others stop at 25 MB, encoded: link to large files.',
    )
  if (raw.length > 10_000_000) return check('size.total', 'warning', `${size}: some servers take only 10 MB`)
  return check('size.total', 'ok', `${size} in all`)
}

const lineBytesMax = 998
const LF = 10

/** RFC 5322 section 2.1.1. */
function checkLines(raw: Uint8Array): Check {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength)
  let longest = 0
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf(LF, from)
    const to = end === -1 ? bytes.length : end
    longest = Math.max(longest, to - from - 1)
    from = to + 1
  }
  return longest > lineBytesMax
    ? check(
        'lines',
        'error',
        `A line of ${longest} octets`,
        'At most 998 are allowed (RFC 5322 section 2.1.1): some servers cut it, and signatures break. Encode the part as quoted-printable or base64.',
        [],
        { longest },
      )
    : check('lines', 'ok', 'No line is too long', undefined, [`the longest has ${longest} octets`], {
        longest,
      })
}

function* checkDefects({ defects }: ParsedMessage): Iterable<Check> {
  const codes = [...new Set(defects.map(({ code }) => code))]
  if (codes.length > 0)
    yield check(
      'mime',
      'warning',
      'The message is not built as the standards ask',
      'Some clients will read it differently.',
      codes,
    )
}

function checkSigned(message: ParsedMessage): Check {
  const count = fieldsOf(message, 'dkim-signature').length
  return count === 0
    ? check(
        'authentication.dkim',
        'info',
        'Not signed with DKIM',
        'As it came here. In production the server that sends it should sign it.',
      )
    : check(
        'authentication.dkim',
        'unknown',
        `Carries ${count} DKIM ${count === 1 ? 'signature' : 'signatures'}, not verified here`,
      )
}

function checkSupport({ score, features }: HtmlSupport): Check {
  const worst = features
    .slice(0, 5)
    .map(
      ({ title, unsupported, supported, partial }) =>
        `${title}: ${unsupported} of ${supported + partial + unsupported} clients do not`,
    )
  const level = score >= 90 ? 'ok' : score >= 75 ? 'info' : 'warning'
  return check(
    'html.support',
    level,
    `${score}% of what the HTML uses is shown by clients of mail`,
    level === 'ok' ? undefined : 'Look at the features below that matter most to you.',
    worst,
  )
}
