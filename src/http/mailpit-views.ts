// Owns how our mail looks to clients of Mailpit: its field names, its dates, its lists. Pure.

import { flattenAddresses, parseHeaderAddresses } from '../message/header-addresses.ts'
import { parseListUrls } from '../message/header-lists.ts'
import type { MailSummary } from '../store/mail-view.ts'

import type { AddressView } from './api-types.ts'
import { type OpenMessage, toMessageView } from './message-view.ts'

interface Person {
  readonly Name: string
  readonly Address: string
}
const nobody: Person = { Name: '', Address: '' }

const people = (text: string): readonly Person[] =>
  flattenAddresses(parseHeaderAddresses(text)).map(({ name, address }) => ({ Name: name, Address: address }))
const person = ({ name, address }: AddressView): Person => ({ Name: name, Address: address })

/** A row of a list. It is made of the summary alone: Message-ID, Cc, Bcc and Reply-To are in the message only. */
export const toMailpitSummary = (mail: MailSummary) => ({
  ID: mail.id,
  MessageID: '',
  Read: !mail.unread,
  From: people(mail.from)[0] ?? nobody,
  To: people(mail.to),
  Cc: [],
  Bcc: [],
  ReplyTo: [],
  Subject: mail.subject,
  Created: new Date(mail.receivedAt).toISOString(),
  Username: mail.mailbox === 'INBOX' ? '' : mail.mailbox,
  Tags: mail.tags,
  Size: mail.sizeBytes,
  Attachments: mail.attachmentCount,
  Snippet: mail.snippet,
})

export function toMailpitMessage(id: string, summary: MailSummary | undefined, opened: OpenMessage) {
  const view = toMessageView(opened, {
    id,
    summary,
    envelope: { from: summary?.reversePath ?? '', to: summary?.recipients ?? [] },
    tags: summary?.tags ?? [],
    metadata: {},
  })
  const field = (name: string): string => view.headers.find((one) => one.name === name)?.value ?? ''
  const files = view.attachments.map((file) => ({
    related: file.isRelated || file.disposition === 'inline',
    file: {
      PartID: file.part,
      FileName: file.filename,
      ContentType: file.contentType,
      ContentID: file.contentId ?? '',
      Size: file.sizeBytes,
    },
  }))
  return {
    ID: id,
    MessageID: view.messageId ?? '',
    From: view.from[0] === undefined ? nobody : person(view.from[0]),
    To: view.to.map(person),
    Cc: view.cc.map(person),
    Bcc: view.bcc.map(person),
    ReplyTo: view.replyTo.map(person),
    ReturnPath: view.envelope.from,
    Subject: view.subject,
    ListUnsubscribe: {
      Header: field('list-unsubscribe'),
      Links: parseListUrls(field('list-unsubscribe')),
      Errors: '',
      HeaderPost: field('list-unsubscribe-post'),
    },
    Date: new Date(view.date ?? summary?.receivedAt ?? 0).toISOString(),
    Tags: view.tags,
    Username: summary === undefined || summary.mailbox === 'INBOX' ? '' : summary.mailbox,
    Text: view.text,
    HTML: opened.parsed.html.toWellFormed(),
    Size: view.sizeBytes,
    Inline: files.filter(({ related }) => related).map(({ file }) => file),
    Attachments: files.filter(({ related }) => !related).map(({ file }) => file),
  }
}

/** 'List-Unsubscribe' of 'list-unsubscribe', as Go writes names of fields. */
const canonicalName = (name: string): string =>
  name.replace(/(^|-)([a-z])/g, (_whole, dash: string, letter: string) => dash + letter.toUpperCase())

export function toMailpitHeaders({ parsed }: OpenMessage): Readonly<Record<string, readonly string[]>> {
  const table = new Map<string, string[]>()
  for (const { name, value } of parsed.fields) {
    const key = canonicalName(name)
    const values = table.get(key)
    if (values === undefined) table.set(key, [value.toWellFormed()])
    else values.push(value.toWellFormed())
  }
  return Object.fromEntries(table)
}

/** Mailpit's search in our words. What it has besides (`addressed:`, `message-id:`) becomes what comes nearest. */
export const toOurSearch = (query: string): string =>
  query
    .replace(/(^|\s)!(?=\S)/g, '$1-')
    .replace(/\bis:tagged\b/gi, 'has:tag')
    .replace(/\bmessage-id:/gi, 'id:')
    .replace(/\baddressed:/gi, 'to:')
    .replace(/\bhas:attachments\b/gi, 'has:attachment')
