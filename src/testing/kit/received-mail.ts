// Owns a mail as a test sees it: parsed once, with what tests ask for (links, code, attachments, header fields) and a form
// for snapshots without what differs between runs.

import { inspectHtml } from '../../http/mail-html.ts'
import { flattenAddresses, type HeaderAddress } from '../../message/header-addresses.ts'
import { htmlToText } from '../../message/html-text.ts'
import { type ParsedMessage, parseMessage } from '../../message/parse-message.ts'
import type { MailSummary } from '../../store/mail-view.ts'
import { codeCandidates, findCode, linksOfText } from './extract.ts'

export interface MailAddress {
  readonly name: string
  readonly address: string
}

export interface MailAttachment {
  readonly filename: string | undefined
  readonly contentType: string
  readonly contentId: string | undefined
  /** Shown within the HTML, or said to be. */
  readonly isInline: boolean
  readonly content: Buffer
}

export interface MailLink {
  readonly url: string
  /** What a person reads; the URL itself in plain text. */
  readonly text: string
}

export interface NormaliseOptions {
  /** Put in place of what they match, in subject, texts and headers, behind the ones that are built in. */
  readonly replace?: readonly (readonly [pattern: RegExp, text: string])[]
  /** Header fields to keep besides From, To, Cc, Reply-To and Subject; lower case. */
  readonly headers?: readonly string[]
}

/** The same for each run of a test: no ids, dates, boundaries, ports, long tokens in links. */
export interface NormalisedMail {
  readonly from: string
  readonly to: readonly string[]
  readonly cc: readonly string[]
  readonly replyTo: readonly string[]
  readonly subject: string
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  readonly html: string
  readonly attachments: readonly {
    readonly filename: string
    readonly contentType: string
    readonly sizeBytes: number
  }[]
}

export class ReceivedMail {
  readonly id: string
  /** Epoch ms. */
  readonly receivedAt: number
  /** Wire text of the SMTP envelope; '' is the null reverse-path. */
  readonly envelope: { readonly from: string; readonly to: readonly string[] }
  readonly inbox: string
  readonly raw: Buffer
  readonly message: ParsedMessage

  constructor(summary: MailSummary, raw: Uint8Array) {
    this.id = summary.id
    this.receivedAt = summary.receivedAt
    this.envelope = { from: summary.reversePath, to: summary.recipients }
    this.inbox = summary.mailbox
    this.raw = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength)
    this.message = parseMessage(this.raw)
  }

  get subject(): string {
    return this.message.subject
  }
  get messageId(): string | undefined {
    return this.message.messageId
  }
  /** Plain text; where the message has none, the words of its HTML. */
  get text(): string {
    return this.message.text === '' ? htmlToText(this.message.html) : this.message.text
  }
  /** '' where the message has none. */
  get html(): string {
    return this.message.html
  }
  get from(): readonly MailAddress[] {
    return addresses(this.message.from)
  }
  get to(): readonly MailAddress[] {
    return addresses(this.message.to)
  }
  get cc(): readonly MailAddress[] {
    return addresses(this.message.cc)
  }
  get replyTo(): readonly MailAddress[] {
    return addresses(this.message.replyTo)
  }

  /** The first field of this name, decoded; undefined: there is none. */
  header(name: string): string | undefined {
    return this.headers(name)[0]
  }

  headers(name: string): readonly string[] {
    const wanted = name.toLowerCase()
    return this.message.fields.flatMap((field) => (field.name === wanted ? [field.value] : []))
  }

  get attachments(): readonly MailAttachment[] {
    return this.message.attachments.map(
      ({ filename, contentType, contentId, disposition, isRelated, content }) => ({
        filename,
        contentType,
        contentId,
        isInline: isRelated || disposition === 'inline',
        content: Buffer.from(content.buffer, content.byteOffset, content.byteLength),
      }),
    )
  }

  /** Of the HTML, then of the plain text what the HTML has not; each URL once. */
  get links(): readonly MailLink[] {
    const found = new Map<string, MailLink>()
    for (const link of inspectHtml(this.html).links) if (!found.has(link.url)) found.set(link.url, link)
    for (const url of linksOfText(this.message.text)) if (!found.has(url)) found.set(url, { url, text: url })
    return [...found.values()]
  }

  /**
   * The one link that fits: a part of the URL or of its words, or a pattern for either; without, the only http link.
   * @throws Error that lists the links where none or several fit
   */
  link(wanted?: string | RegExp): string {
    const fits = ({ url, text }: MailLink): boolean => {
      if (wanted === undefined) return /^https?:/i.test(url)
      return wanted instanceof RegExp
        ? new RegExp(wanted, wanted.flags.replace(/[gy]/g, '')).test(`${url}\n${text}`)
        : url.includes(wanted) || text.includes(wanted)
    }
    const all = this.links
    const found = all.filter(fits)
    const [one] = found
    if (one !== undefined && found.length === 1) return one.url
    const listed = all.map(({ url, text }) => `  ${url}${text === url ? '' : `  (${text})`}`)
    throw new Error(
      `${found.length === 0 ? 'no link' : `${found.length} links`} of '${this.subject}' ${wanted === undefined ? 'found' : `fit ${String(wanted)}`}; it has${listed.length === 0 ? ' none' : `:\n${listed.join('\n')}`}`,
    )
  }

  /**
   * The one-time code: what `pattern` matches (its first group, where it has one), or the number or word that looks like one.
   * @throws Error that shows the text where there is none, or several are as likely
   */
  code(pattern?: RegExp): string {
    const words = `${this.subject}\n${this.text}`
    const found =
      pattern === undefined
        ? findCode(words)
        : ((match) => match?.[1] ?? match?.[0])(
            new RegExp(pattern, pattern.flags.replace(/[gy]/g, '')).exec(words),
          )
    if (found !== undefined) return found
    const likely = pattern === undefined ? codeCandidates(words).slice(0, 5) : []
    const why =
      likely.length > 1
        ? `several are as likely: ${likely.map(({ code }) => code).join(', ')}; give a pattern`
        : 'none found'
    throw new Error(`no code in '${this.subject}': ${why}. Its text:\n${this.text.slice(0, 1000)}`)
  }

  normalised(options: NormaliseOptions = {}): NormalisedMail {
    const clean = (text: string): string => normaliseText(text, options.replace ?? [])
    const list = (all: readonly MailAddress[]): readonly string[] =>
      all.map(({ name, address }) => clean(name === '' ? address : `${name} <${address}>`))
    return {
      from: list(this.from).join(', '),
      to: list(this.to),
      cc: list(this.cc),
      replyTo: list(this.replyTo),
      subject: clean(this.subject),
      headers: Object.fromEntries(
        (options.headers ?? []).map((name) => [name, clean(this.headers(name).join('\n'))]),
      ),
      text: clean(this.text),
      html: clean(this.html),
      attachments: this.attachments.map(({ filename, contentType, content }) => ({
        filename: clean(filename ?? ''),
        contentType,
        sizeBytes: content.length,
      })),
    }
  }

  /** One line for failure messages. */
  toString(): string {
    const to = this.envelope.to.slice(0, 3).join(', ')
    return `'${this.subject}' from ${this.from[0]?.address ?? (this.envelope.from || '<>')} to ${to} (inbox ${this.inbox})`
  }
}

const addresses = (list: readonly HeaderAddress[]): readonly MailAddress[] =>
  flattenAddresses(list).map(({ name, address }) => ({ name, address }))

const builtIn: readonly (readonly [RegExp, string])[] = [
  [/\r\n?/g, '\n'],
  [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi, '<uuid>'],
  [/\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?/g, '<time>'],
  [/\b(localhost|127\.0\.0\.1|\[::1\]):\d{2,5}\b/g, '$1:<port>'],
  // What links carry: long, without blanks, letters and digits mixed.
  [/(?<=[=/])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{16,}(?:\.[\w-]{8,}){0,2}/g, '<token>'],
  [/[ \t]+$/gm, ''],
]

function normaliseText(text: string, more: NonNullable<NormaliseOptions['replace']>): string {
  let clean = text
  for (const [pattern, put] of [...builtIn, ...more]) clean = clean.replace(pattern, put)
  return clean.trim()
}
