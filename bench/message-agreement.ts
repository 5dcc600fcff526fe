// Owns the comparison of readers of mail by one criterion: Posthouse, mailparser and postal-mime over ../shared/conformance
// (107 messages with one reading of each, tables of header values). Not a measure of speed: it counts agreement.
//   npm install --prefix .bench mailparser postal-mime
//   node bench/message-agreement.ts [--peers .bench] [--list]
//
// The criterion of a message: subject, senders and recipients (addresses and names), date, id, each text and each HTML part,
// and each attachment with its name and octets; messages within by the same. It is mild to all alike, where readers differ
// in what they show and not in what they read:
// - of the fields and texts of a message blanks are not compared, of names not the comments;
// - of the octets of a file the line ends are compared as LF, and those at its end not at all (some readers take the line end
//   before a boundary, some do not);
// - a text in a part of its own, with a name or without, may be shown as text or as a file, and its characters are compared
//   (some readers convert them, some do not); a part of no octets need not be shown;
// - a message within may be a file or be shown in the text around it, its subject, senders and texts, and its files as files;
// - where the corpus has U+FFFD for an octet of no known charset, any character will do; mailparser's present for a date that
//   is none counts as none; a file in uuencode may be given as it stands or decoded;
// - a reader that shows more than is asked for loses nothing.
// "Octets" counts the files that the corpus has as octets (84), those of messages within included. Values of the RFC 2047 table
// are compared with each run of blanks as one; "to the blank" is stricter.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { flattenAddresses, type HeaderAddress, type ParsedMessage, parseMessage } from '../src/message.ts'

const { values } = parseArgs({
  options: { peers: { type: 'string', default: '.bench' }, list: { type: 'boolean', default: false } },
})
const corpus = join(import.meta.dirname, '../../shared/conformance')

interface Mailbox {
  readonly name: string
  readonly address: string
}

interface File {
  readonly filename: string
  /** Its characters, where the corpus has it as text. */
  readonly text?: string
  readonly content: Buffer
  readonly message: Reading | undefined
}

/** What all readers can say. */
interface Reading {
  readonly subject: string
  readonly from: readonly Mailbox[]
  readonly to: readonly Mailbox[]
  readonly cc: readonly Mailbox[]
  readonly date: number | undefined
  readonly id: string
  readonly texts: readonly string[]
  readonly htmls: readonly string[]
  readonly files: readonly File[]
}

interface Reader {
  readonly name: string
  read(bytes: Buffer): Promise<Reading>
}

// What the corpus says

interface WantMailbox {
  readonly name: string | null
  readonly address: string | null
}
interface WantDate {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly tz_before_gmt: boolean
  readonly tz_hour: number
  readonly tz_minute: number
}
interface WantType {
  readonly c_type: string
  readonly c_subtype: string | null
  readonly attributes: readonly { readonly name: string; readonly value: string }[] | null
}
interface WantValue {
  readonly Text?: string
  readonly ContentType?: WantType
  readonly DateTime?: WantDate
  readonly Address?: WantAddress
}
interface WantAddress {
  readonly List?: readonly WantMailbox[]
  readonly Group?: readonly { readonly addresses: readonly WantMailbox[] }[]
}
interface WantPart {
  readonly headers: readonly { readonly name: unknown; readonly value: WantValue | string }[]
  readonly body: {
    readonly Text?: string
    readonly Html?: string
    readonly Binary?: readonly number[]
    readonly InlineBinary?: readonly number[]
    readonly Message?: WantMessage
  }
}
interface WantMessage {
  readonly html_body: readonly number[]
  readonly text_body: readonly number[]
  readonly attachments: readonly number[]
  readonly parts: readonly WantPart[]
}

const fieldOf = (part: WantPart, name: string): WantValue | undefined => {
  const value = part.headers.find((header) => header.name === name)?.value
  return typeof value === 'string' ? { Text: value } : value
}

const epoch = (d: WantDate): number =>
  Date.UTC(d.year, d.month - 1, d.day, d.hour, d.minute, d.second) -
  (d.tz_hour * 60 + d.tz_minute) * (d.tz_before_gmt ? -1 : 1) * 60_000

const mailboxesOf = (value: WantAddress | undefined): readonly Mailbox[] =>
  (value?.List ?? value?.Group?.flatMap(({ addresses }) => addresses) ?? [])
    .filter(({ address }) => address !== null)
    .map(({ name, address }) => ({ name: name ?? '', address: address ?? '' }))

function wanted(message: WantMessage): Reading {
  const root = message.parts[0] as WantPart
  const mailboxes = (name: string): readonly Mailbox[] => mailboxesOf(fieldOf(root, name)?.Address)
  const date = fieldOf(root, 'date')?.DateTime
  const pieces = (numbers: readonly number[], kind: 'Text' | 'Html'): readonly string[] =>
    numbers.flatMap((number) => {
      const text = message.parts[number]?.body[kind]
      return text === undefined ? [] : [text]
    })
  return {
    subject: fieldOf(root, 'subject')?.Text ?? '',
    from: mailboxes('from'),
    to: mailboxes('to'),
    cc: mailboxes('cc'),
    date: date === undefined ? undefined : epoch(date),
    id: fieldOf(root, 'message_id')?.Text ?? '',
    texts: pieces(message.text_body, 'Text'),
    htmls: pieces(message.html_body, 'Html'),
    files: message.parts.flatMap((part, number) => fileOf(message, part, number)),
  }
}

function fileOf(message: WantMessage, part: WantPart, number: number): readonly File[] {
  const { Binary, InlineBinary, Text, Html, Message } = part.body
  const octets = Binary ?? InlineBinary
  const isListed = message.attachments.includes(number)
  if (Message === undefined && octets === undefined && !isListed) return []
  if (Message === undefined && octets === undefined && Text === undefined && Html === undefined) return []
  const attribute = (field: string, name: string): string | undefined =>
    fieldOf(part, field)?.ContentType?.attributes?.find((one) => one.name === name)?.value
  return [
    {
      filename: attribute('content_disposition', 'filename') ?? attribute('content_type', 'name') ?? '',
      content: octets === undefined ? Buffer.from(Text ?? Html ?? '') : Buffer.from(octets),
      message: Message === undefined ? undefined : wanted(Message),
      ...(octets === undefined && Message === undefined ? { text: Text ?? Html ?? '' } : {}),
    },
  ]
}

// What the readers say

const posthouse: Reader = { name: 'posthouse', read: async (bytes) => ours(parseMessage(bytes)) }

function ours(message: ParsedMessage): Reading {
  const plain = (list: readonly HeaderAddress[]): readonly Mailbox[] => flattenAddresses(list)
  return {
    subject: message.subject,
    from: plain(message.from),
    to: plain(message.to),
    cc: plain(message.cc),
    date: message.date?.at,
    id: message.messageId ?? '',
    texts: [message.text],
    htmls: [message.html],
    files: message.attachments.map((one) => ({
      filename: one.filename ?? '',
      content: Buffer.from(one.content),
      message: one.message === undefined ? undefined : ours(one.message),
    })),
  }
}

interface PeerAddress {
  readonly name?: string
  readonly address?: string
  readonly group?: readonly PeerAddress[]
}

const peerMailboxes = (list: readonly PeerAddress[]): readonly Mailbox[] =>
  list.flatMap(({ name, address, group }) =>
    group !== undefined ? peerMailboxes(group) : address ? [{ name: name ?? '', address }] : [],
  )

const listOf = <T>(value: T | readonly T[] | undefined | null): readonly T[] =>
  value === undefined || value === null ? [] : Array.isArray(value) ? value : [value as T]

const within = async (
  type: string | undefined,
  content: Buffer,
  reader: Reader,
): Promise<Reading | undefined> =>
  type === 'message/rfc822' || type === 'message/global' ? await reader.read(content) : undefined

interface MailparserMail {
  readonly subject?: string
  readonly from?: { readonly value: readonly PeerAddress[] }
  readonly to?:
    | { readonly value: readonly PeerAddress[] }
    | readonly { readonly value: readonly PeerAddress[] }[]
  readonly cc?:
    | { readonly value: readonly PeerAddress[] }
    | readonly { readonly value: readonly PeerAddress[] }[]
  readonly date?: Date
  readonly messageId?: string
  readonly text?: string
  readonly html?: string | false
  readonly attachments: readonly {
    readonly filename?: string
    readonly contentType?: string
    readonly content: Buffer
  }[]
}

function mailparserReader(library: Readonly<Record<string, unknown>>): Reader {
  const simpleParser = library.simpleParser as (bytes: Buffer, options: object) => Promise<MailparserMail>
  const reader: Reader = {
    name: 'mailparser',
    read: async (bytes) => {
      const mail = await simpleParser(bytes, { keepCidLinks: true })
      const plain = (value: MailparserMail['to']): readonly Mailbox[] =>
        listOf(value as { value: readonly PeerAddress[] }).flatMap((one) => peerMailboxes(one.value))
      return {
        subject: mail.subject ?? '',
        from: plain(mail.from),
        to: plain(mail.to),
        cc: plain(mail.cc),
        date: mail.date?.getTime(),
        id: mail.messageId ?? '',
        texts: [mail.text ?? ''],
        htmls: [mail.html === false ? '' : (mail.html ?? '')],
        files: await Promise.all(
          mail.attachments.map(async ({ filename, contentType, content }) => ({
            filename: filename ?? '',
            content,
            message: await within(contentType, content, reader),
          })),
        ),
      }
    },
  }
  return reader
}

interface PostalMail {
  readonly subject?: string
  readonly from?: PeerAddress
  readonly to?: readonly PeerAddress[]
  readonly cc?: readonly PeerAddress[]
  readonly date?: string
  readonly messageId?: string
  readonly text?: string
  readonly html?: string
  readonly attachments: readonly {
    readonly filename: string | null
    readonly mimeType: string
    readonly content: ArrayBuffer | Uint8Array | string
  }[]
}

function postalReader(library: Readonly<Record<string, unknown>>): Reader {
  const parser = library.default as { parse(bytes: Buffer, options: object): Promise<PostalMail> }
  const reader: Reader = {
    name: 'postal-mime',
    read: async (bytes) => {
      const mail = await parser.parse(bytes, { forceRfc822Attachments: true })
      const at = Date.parse(mail.date ?? '')
      return {
        subject: mail.subject ?? '',
        from: peerMailboxes(listOf(mail.from)),
        to: peerMailboxes(mail.to ?? []),
        cc: peerMailboxes(mail.cc ?? []),
        date: Number.isNaN(at) ? undefined : at,
        id: mail.messageId ?? '',
        texts: [mail.text ?? ''],
        htmls: [mail.html ?? ''],
        files: await Promise.all(
          mail.attachments.map(async ({ filename, mimeType, content }) => {
            const octets = Buffer.from(content as Uint8Array)
            return {
              filename: filename ?? '',
              content: octets,
              message: await within(mimeType, octets, reader),
            }
          }),
        ),
      }
    },
  }
  return reader
}

async function peers(
  folder: string,
): Promise<readonly { readonly reader: Reader; readonly version: string }[]> {
  const require = createRequire(join(folder, 'package.json'))
  const found: { reader: Reader; version: string }[] = []
  for (const [name, make] of [
    ['mailparser', mailparserReader],
    ['postal-mime', postalReader],
  ] as const) {
    const own = join(folder, 'node_modules', name, 'package.json')
    if (!existsSync(own)) {
      console.log(`${name} is not in ${folder}: left out`)
      continue
    }
    const library = (await import(pathToFileURL(require.resolve(name)).href)) as Record<string, unknown>
    const { version } = JSON.parse(readFileSync(own, 'utf8')) as { version: string }
    found.push({ reader: make(library), version })
  }
  return found
}

// Comparing

const oneBlank = (text: string): string => text.replace(/\s+/g, ' ').trim()
const bare = (text: string): string => text.replace(/\s+/g, '')
const withoutComment = (name: string): string => bare(name.replace(/ ?\([^)]*\)/g, '').replace(/["']/g, ''))

const sameMailboxes = (got: readonly Mailbox[], want: readonly Mailbox[]): boolean =>
  got.length === want.length &&
  want.every(({ name, address }, i) => {
    const one = got[i]
    return (
      bare(one?.address ?? '') === bare(address) &&
      sameText(withoutComment(one?.name ?? ''), withoutComment(name))
    )
  })

const pattern = (text: string): RegExp =>
  new RegExp(
    bare(text)
      .replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')
      .replace(/\ufffd/g, '.'),
    'su',
  )
const includesText = (got: string, want: string): boolean =>
  want.includes('\ufffd') ? pattern(want).test(bare(got)) : bare(got).includes(bare(want))
const sameText = (got: string, want: string): boolean =>
  bare(got) === bare(want) || (bare(got).length === bare(want).length && includesText(got, want))

const contains = (got: readonly string[], want: readonly string[]): boolean =>
  want.every((text) => got.some((one) => includesText(one, text) || includesText(one, withoutUu(text))))

const uuFile = /^begin [0-7]{3,4} .+\n([\s\S]*?)\nend$/m
const withoutUu = (text: string): string => text.replace(/\r/g, '').replace(new RegExp(uuFile, 'gm'), '')

/** What the first file in uuencode is; undefined where there is none. */
function uuDecoded(text: string): string | undefined {
  const body = uuFile.exec(text.replace(/\r/g, ''))?.[1]
  return body
    ?.split('\n')
    .map((line) => {
      const digits = [...line.slice(1)].map((c) => (c.charCodeAt(0) - 32) & 63)
      const out = Array.from({ length: ((line.charCodeAt(0) - 32) & 63) + 3 }, (_none, i) => {
        const [a = 0, b = 0] = digits.slice(Math.floor(i / 3) * 4 + (i % 3))
        return ((a << (2 + 2 * (i % 3))) | (b >> (4 - 2 * (i % 3)))) & 255
      })
      return String.fromCharCode(...out.slice(0, (line.charCodeAt(0) - 32) & 63))
    })
    .join('')
}

const lines = (octets: Buffer): string => octets.toString('latin1').replace(/\r\n/g, '\n').replace(/\n+$/, '')
const decoded = (octets: Buffer): readonly string[] =>
  ['utf-8', 'windows-1252', 'utf-16le'].map((charset) => new TextDecoder(charset).decode(octets))
const sameOctets = (got: Buffer, want: File): boolean =>
  want.text === undefined
    ? lines(got) === lines(want.content) || got.toString('latin1') === uuDecoded(lines(want.content))
    : decoded(got).some((text) => sameText(text, want.text ?? '')) ||
      got.toString('latin1') === uuDecoded(want.text)

/** A name where the corpus has none is no difference. */
const sameName = (got: string, want: string): boolean => want === '' || sameText(got, want)

const sameDate = (got: number | undefined, want: number | undefined): boolean =>
  got === want || (want === undefined && got !== undefined && Math.abs(got - Date.now()) < 600_000)

const idOf = (text: string): string => text.trim().replace(/^<|>$/g, '')

interface Tally {
  octets: number
  octetsOf: number
  names: number
  namesOf: number
}

function differences(got: Reading, want: Reading, tally: Tally): readonly string[] {
  const out: string[] = []
  const check = (name: string, isSame: boolean): void => void (isSame || out.push(name))
  check('subject', sameText(got.subject, want.subject))
  for (const field of ['from', 'to', 'cc'] as const) check(field, sameMailboxes(got[field], want[field]))
  check('date', sameDate(got.date, want.date))
  check('id', idOf(got.id) === idOf(want.id))
  check('text', contains(got.texts, want.texts))
  check('html', contains(got.htmls, want.htmls))
  const left = [...got.files]
  for (const file of want.files) out.push(...fileDifferences(got, left, file, tally))
  return out
}

const nothing: Reading = {
  subject: '', from: [], to: [], cc: [], date: undefined, id: '', texts: [], htmls: [], files: [],
} // biome-ignore format: short

/** A message within that is no file: it may stand in the text. */
function shownWithin(reading: Reading, left: File[], want: Reading, tally: Tally): readonly string[] {
  const shown = [...reading.texts, ...reading.htmls]
  const words = [want.subject, ...want.from.map(({ address }) => address), ...want.texts, ...want.htmls]
  const files = want.files.flatMap((file) => fileDifferences(reading, left, file, tally))
  return contains(shown, words) && files.length === 0 ? [] : ['message within']
}

function fileDifferences(reading: Reading, left: File[], want: File, tally: Tally): readonly string[] {
  if (want.message !== undefined) {
    const at = left.findIndex(({ message }) => message !== undefined)
    const [found] = at === -1 ? [] : left.splice(at, 1)
    if (found === undefined) return shownWithin(reading, left, want.message, tally)
    return differences(found.message ?? nothing, want.message, tally).map((name) => `${name} within`)
  }
  if (want.text !== undefined) {
    const isShown = contains([...reading.texts, ...reading.htmls], [want.text])
    const at = left.findIndex(({ content }) => sameOctets(content, want))
    if (!isShown && at === -1) return [want.filename === '' ? 'a text' : `text of ${want.filename}`]
    const [file] = at === -1 ? [] : left.splice(at, 1)
    return file === undefined || sameName(file.filename, want.filename) ? [] : [`name ${want.filename}`]
  }
  tally.octetsOf++
  if (want.filename !== '') tally.namesOf++
  const exact = left.findIndex(
    (one) => sameOctets(one.content, want) && sameName(one.filename, want.filename),
  )
  const at = exact !== -1 ? exact : left.findIndex((one) => sameOctets(one.content, want))
  const byName = left.some((one) => sameText(one.filename, want.filename))
  if (want.filename !== '' && (exact !== -1 || byName)) tally.names++
  if (at === -1) return [`octets of ${want.filename || 'an attachment'}`]
  tally.octets++
  left.splice(at, 1)
  return exact === -1 ? [`name ${want.filename}`] : []
}

const readJson = <T>(file: string): T => JSON.parse(readFileSync(join(corpus, file), 'utf8')) as T

interface Counted {
  readonly messages: string
  readonly octets: string
  readonly names: string
  readonly words: string
  readonly blanks: string
  readonly dates: string
  readonly addresses: string
  readonly cases: string
  readonly ids: string
  readonly filenames: string
  readonly failed: readonly string[]
}

async function count(reader: Reader): Promise<Counted> {
  const failed: string[] = []
  const tally: Tally = { octets: 0, octetsOf: 0, names: 0, namesOf: 0 }
  let messages = 0
  let messagesOf = 0
  for (const kind of ['rfc', 'legacy', 'malformed', 'thirdparty'])
    for (const name of readdirSync(join(corpus, 'mime', kind)).sort()) {
      if (!name.endsWith('.eml')) continue
      messagesOf++
      const bytes = Buffer.from(
        readFileSync(join(corpus, 'mime', kind, name))
          .toString('latin1')
          .replace(/\r/g, ''),
        'latin1',
      )
      const want = wanted(readJson<WantMessage>(`mime/${kind}/${name.slice(0, 3)}.json`))
      const found = differences(await reader.read(bytes), want, tally)
      if (found.length === 0) messages++
      else failed.push(`${kind}/${name.slice(0, 3)}: ${found.join(', ')}`)
    }
  const share = (one: readonly [number, number]): string => `${one[0]} of ${one[1]}`
  const table = async <T>(
    file: string,
    field: string,
    isSame: (got: Reading, want: T, row: { header: string; src?: string }) => boolean,
  ): Promise<string> => {
    const rows = readJson<readonly { header: string; expected?: T; want?: T; src?: string }[]>(
      `addr/${file}.json`,
    )
    let same = 0
    for (const row of rows) {
      const value = /^[\s\S]*?(?:\r?\n(?![ \t])|$)/.exec(row.header.replace(/^\n(?=[ \t])/, ''))?.[0] ?? ''
      const bytes = Buffer.from(`${field}: ${value.replace(/\r?\n$/, '')}\nX-End: 1\n\nx\n`)
      if (isSame(await reader.read(bytes), (row.expected ?? row.want) as T, row)) same++
      else failed.push(`${file}: ${JSON.stringify(row.header)}`)
    }
    return share([same, rows.length])
  }
  return {
    messages: share([messages, messagesOf]),
    octets: share([tally.octets, tally.octetsOf]),
    names: share([tally.names, tally.namesOf]),
    words: await table<string>(
      'header-tables/unstructured',
      'Subject',
      (got, want) => oneBlank(got.subject) === oneBlank(want),
    ),
    blanks: await table<string>('header-tables/unstructured', 'Subject', (got, want) => got.subject === want),
    dates: await table<WantDate | undefined>('header-tables/date', 'Date', (got, want) =>
      sameDate(got.date, want ? epoch(want) : undefined),
    ),
    addresses: await table<WantAddress>('header-tables/address', 'To', (got, want) =>
      sameMailboxes(got.to, mailboxesOf(want)),
    ),
    cases: await table<readonly WantMailbox[]>('header-cases', 'To', (got, want, { src }) => {
      const list = mailboxesOf({ List: want })
      // Haraka's cases tell the first address only, and no names.
      return src?.startsWith('haraka') === true
        ? bare(got.to[0]?.address ?? '') === bare(list[0]?.address ?? '')
        : sameMailboxes(got.to, list)
    }),
    ids: await table<readonly string[]>(
      'header-tables/id',
      'Message-ID',
      (got, want) => idOf(got.id) === (want?.[0] ?? ''),
    ),
    filenames: await table<{ attributes?: readonly (readonly [string, string])[] } | null>(
      'header-tables/content_type',
      'MIME-Version: 1.0\nContent-Disposition: attachment\nContent-Type',
      (got, want) => {
        const name = want?.attributes?.find(([one]) => one === 'name')?.[1]
        return name === undefined || bare(got.files[0]?.filename ?? '') === bare(name)
      },
    ),
    failed,
  }
}

const readers = [{ reader: posthouse, version: '' }, ...(await peers(resolve(values.peers)))]
const counted = await Promise.all(readers.map(({ reader }) => count(reader)))
const labels: readonly (readonly [keyof Omit<Counted, 'failed'>, string])[] = [
  ['messages', 'messages that agree fully'],
  ['octets', 'attachments: octets'],
  ['names', 'attachments: names'],
  ['words', 'RFC 2047 (unstructured)'],
  ['blanks', 'RFC 2047, to the blank'],
  ['dates', 'dates'],
  ['addresses', 'address lists'],
  ['cases', 'header-cases'],
  ['ids', 'message ids'],
  ['filenames', 'names in Content-Type (RFC 2231)'],
]
console.log(`| | ${readers.map(({ reader, version }) => `${reader.name} ${version}`.trim()).join(' | ')} |`)
console.log(`|---|${readers.map(() => '---|').join('')}`)
for (const [key, label] of labels) console.log(`| ${label} | ${counted.map((one) => one[key]).join(' | ')} |`)
if (values.list)
  for (const [i, { reader }] of readers.entries()) {
    console.log(`\n${reader.name}:`)
    for (const line of counted[i]?.failed ?? []) console.log(`  ${line}`)
  }
