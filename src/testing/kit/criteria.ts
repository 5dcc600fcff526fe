// Owns what a test may ask of a mail, and the words for why one does not fit.

import type { ReceivedMail } from './received-mail.ts'

export interface MailCriteria {
  /** An address of From or the reverse-path: whole, or a part without '@'; or a pattern. */
  readonly from?: string | RegExp
  /** A recipient of the envelope or an address of To and Cc: whole, or a part without '@'; or a pattern. */
  readonly to?: string | RegExp
  /** A part of it, or a pattern. */
  readonly subject?: string | RegExp
  readonly text?: string | RegExp
  readonly html?: string | RegExp
  /** A file of this name, or a name that fits. */
  readonly attachment?: string | RegExp
  /** By name, lower case or as written. */
  readonly headers?: Readonly<Record<string, string | RegExp>>
  /** Came at this instant or later: epoch ms, a Date; or behind this mail. */
  readonly after?: number | Date | ReceivedMail
  readonly where?: (mail: ReceivedMail) => boolean
}

const test = (wanted: string | RegExp, text: string): boolean =>
  wanted instanceof RegExp
    ? new RegExp(wanted, wanted.flags.replace(/[gy]/g, '')).test(text)
    : text.includes(wanted)

function isAddressed(wanted: string | RegExp, all: readonly string[]): boolean {
  if (wanted instanceof RegExp) return all.some((one) => test(wanted, one))
  const word = wanted.toLowerCase()
  return all.some((one) =>
    word.includes('@') ? one.toLowerCase() === word : one.toLowerCase().includes(word),
  )
}

const show = (value: string | RegExp): string => (value instanceof RegExp ? String(value) : `'${value}'`)

/** Why it is not the one; undefined: it is. */
export function whyNot(mail: ReceivedMail, criteria: MailCriteria): string | undefined {
  const { from, to, subject, text, html, attachment, headers, after, where } = criteria
  if (after !== undefined) {
    if (typeof after === 'number' || after instanceof Date) {
      if (mail.receivedAt < Number(after)) return 'came before'
    } else if (mail.id <= after.id) return 'came before'
  }
  const senders = [...mail.from.map(({ address }) => address), mail.envelope.from]
  if (from !== undefined && !isAddressed(from, senders)) return `is not from ${show(from)}`
  const recipients = [...mail.envelope.to, ...[...mail.to, ...mail.cc].map(({ address }) => address)]
  if (to !== undefined && !isAddressed(to, recipients)) return `is not to ${show(to)}`
  if (subject !== undefined && !test(subject, mail.subject)) return `the subject has no ${show(subject)}`
  if (text !== undefined && !test(text, mail.text)) return `the text has no ${show(text)}`
  if (html !== undefined && !test(html, mail.html)) return `the HTML has no ${show(html)}`
  if (attachment !== undefined && !mail.attachments.some(({ filename }) => isNamed(attachment, filename)))
    return `has no file ${show(attachment)}`
  for (const [name, wanted] of Object.entries(headers ?? {}))
    if (!mail.headers(name).some((value) => test(wanted, value))) return `has no ${name} with ${show(wanted)}`
  if (where !== undefined && !where(mail)) return '`where` said no'
  return undefined
}

const isNamed = (wanted: string | RegExp, filename: string | undefined): boolean =>
  filename !== undefined && (wanted instanceof RegExp ? test(wanted, filename) : filename === wanted)

/** For failure messages: what was asked for. */
export function describeCriteria(criteria: MailCriteria): string {
  const words = Object.entries(criteria).flatMap(([key, value]) => {
    if (value === undefined) return []
    if (key === 'after')
      return [
        `after ${typeof value === 'object' && !(value instanceof Date) ? 'another mail' : new Date(Number(value)).toISOString()}`,
      ]
    if (key === 'where') return ['where your function says so']
    if (key === 'headers') return [`headers ${Object.keys(value as object).join(', ')}`]
    return [`${key} ${show(value as string | RegExp)}`]
  })
  return words.length === 0 ? 'any mail' : `a mail with ${words.join(', ')}`
}
