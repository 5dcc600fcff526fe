// Owns the gate of whole messages: ../shared/conformance/mime, 107 messages with one reading of each, as they are and with
// CRLF. Where we read otherwise the table says why. And that no cut, no mutation and no garbage makes the reader throw.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { chooseBodies } from './body-choice.ts'
import { decodeText } from './charset.ts'
import { flattenAddresses } from './header-addresses.ts'
import { type MimeEvent, MimeParser } from './mime-parser.ts'
import type { MimePart } from './mime-structure.ts'
import { type ParsedMessage, parseMessage, searchText } from './parse-message.ts'
import { decodeTransfer } from './transfer-decoding.ts'

const folder = join(import.meta.dirname, '../../../shared/conformance/mime')
const skip = existsSync(folder) ? false : 'no ../shared/conformance'

interface WantParameter {
  readonly name: string
  readonly value: string
}
interface WantType {
  readonly c_type: string
  readonly c_subtype: string | null
  readonly attributes: readonly WantParameter[] | null
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
interface WantMailbox {
  readonly name: string | null
  readonly address: string | null
}
type WantValue =
  | string
  | {
      readonly Text?: string
      readonly ContentType?: WantType
      readonly DateTime?: WantDate
      readonly Address?: {
        readonly List?: readonly WantMailbox[]
        readonly Group?: readonly { readonly addresses: readonly WantMailbox[] }[]
      }
    }
interface WantPart {
  readonly headers: readonly { readonly name: unknown; readonly value: WantValue }[]
  readonly body: {
    readonly Text?: string
    readonly Html?: string
    readonly Binary?: readonly number[]
    readonly InlineBinary?: readonly number[]
    readonly Multipart?: readonly number[]
    readonly Message?: WantMessage
  }
  readonly is_encoding_problem: boolean
  readonly offset_header: number
  readonly offset_body: number
  readonly offset_end: number
}
interface WantMessage {
  readonly html_body: readonly number[]
  readonly text_body: readonly number[]
  readonly attachments: readonly number[]
  readonly parts: readonly WantPart[]
}

/** A tree that both sides are brought to. */
interface Node {
  readonly type: string | undefined
  readonly filename: string | undefined
  readonly start: number | undefined
  readonly bodyStart: number | undefined
  readonly content: string | readonly Node[] | Whole
}
interface Whole {
  readonly subject: string | undefined
  readonly from: readonly unknown[]
  readonly to: readonly unknown[]
  readonly date: unknown
  readonly ids: readonly string[]
  readonly text: readonly number[]
  readonly html: readonly number[]
  readonly attachments: readonly number[]
  readonly root: Node
}

/** mail-parser has comments as part of a name; we do not, where there is another name. */
const withoutComment = (name: string): string => name.replace(/(?<=.) \([^)]*\)$/, '')

const lines = (text: string): string => text.replace(/\r\n/g, '\n')
const headerOf = (part: WantPart, name: string): Exclude<WantValue, string> | undefined => {
  // Of two fields of one name mail-parser has the last; there is one in all but the messages of the table below.
  const found = part.headers.find((header) => header.name === name)?.value
  return typeof found === 'string' ? undefined : found
}
const attribute = (value: WantType | undefined, name: string): string | undefined =>
  value?.attributes?.find((one) => one.name === name)?.value

function wantNode(message: WantMessage, index: number, isMoved: boolean): Node {
  const part = message.parts[index] as WantPart
  const type = headerOf(part, 'content_type')?.ContentType
  const { body } = part
  const binary = body.Binary ?? body.InlineBinary
  return {
    type: type === undefined ? undefined : `${type.c_type}/${type.c_subtype}`.toLowerCase(),
    filename:
      attribute(headerOf(part, 'content_disposition')?.ContentType, 'filename') ?? attribute(type, 'name'),
    start: isMoved ? undefined : part.offset_header,
    bodyStart: isMoved ? undefined : part.offset_body,
    content:
      body.Multipart !== undefined
        ? body.Multipart.map((child) => wantNode(message, child, isMoved))
        : body.Message !== undefined
          ? wantWhole(body.Message, isMoved || headerOf(part, 'content_transfer_encoding')?.Text === 'base64')
          : binary === undefined
            ? lines(body.Text ?? body.Html ?? '')
            : Buffer.from(binary).toString('latin1').replace(/\r\n/g, '\n'),
  }
}

function wantWhole(message: WantMessage, isMoved = false): Whole {
  const root = message.parts[0] as WantPart
  const addresses = (name: string): readonly unknown[] => {
    const value = headerOf(root, name)?.Address
    const list = value?.List ?? value?.Group?.flatMap((group) => group.addresses) ?? []
    return list
      .filter(({ address }) => address !== null)
      .map(({ name, address }) => ({ name: withoutComment(name ?? ''), address }))
  }
  const d = headerOf(root, 'date')?.DateTime
  const offset = d === undefined ? 0 : (d.tz_hour * 60 + d.tz_minute) * (d.tz_before_gmt ? -1 : 1)
  const id = headerOf(root, 'message_id')?.Text
  return {
    subject: headerOf(root, 'subject')?.Text ?? '',
    from: addresses('from'),
    to: addresses('to'),
    date:
      d === undefined
        ? undefined
        : Date.UTC(d.year, d.month - 1, d.day, d.hour, d.minute, d.second) - offset * 60_000,
    ids: id === undefined ? [] : [id],
    text: message.text_body,
    html: message.html_body,
    attachments: message.attachments,
    root: wantNode(message, 0, isMoved),
  }
}

/** Parts in the order of their appearance, those of messages within apart. */
function numbered(root: MimePart): readonly MimePart[] {
  return [root, ...(root.shape === 'multipart' ? root.children.flatMap(numbered) : [])]
}

function gotNode(
  bytes: Buffer,
  message: ParsedMessage,
  part: MimePart,
  isMoved: boolean,
  wanted: Node,
): Node {
  const nested = message.attachments.find((one) => one.part === part)?.message
  const content = (): Node['content'] => {
    const want = wanted.content
    if (part.shape === 'multipart')
      return part.children.map((child, i) =>
        gotNode(bytes, message, child, isMoved, (Array.isArray(want) ? (want[i] ?? wanted) : wanted) as Node),
      )
    const octets = decodeTransfer(bytes.subarray(part.bodyStart, part.end), part.encoding).bytes
    if (nested !== undefined && typeof want === 'object' && 'root' in want) {
      const isApart = part.shape === 'leaf'
      return gotWhole(isApart ? octets : bytes, nested, isMoved || isApart, want)
    }
    return part.contentType.startsWith('text/') || part.shape === 'message'
      ? lines(decodeText(octets, part.parameters.get('charset')).text)
      : octets.toString('latin1').replace(/\r\n/g, '\n')
  }
  return {
    type: wanted.type === undefined ? undefined : part.contentType,
    filename: part.filename,
    start: isMoved ? undefined : part.start,
    bodyStart: isMoved ? undefined : part.bodyStart,
    content: content(),
  }
}

function gotWhole(bytes: Buffer, message: ParsedMessage, isMoved: boolean, want: Whole): Whole {
  const parts = numbered(message.structure)
  const choice = chooseBodies(message.structure)
  const numbers = (list: readonly MimePart[]): readonly number[] => list.map((part) => parts.indexOf(part))
  const plain = (list: ParsedMessage['from']): readonly unknown[] =>
    flattenAddresses(list).map(({ name, address }) => ({ name, address }))
  return {
    subject: message.subject,
    from: plain(message.from),
    to: plain(message.to),
    date: message.date?.at,
    ids: message.messageId === undefined ? [] : [message.messageId],
    text: numbers(choice.text),
    html: numbers(choice.html),
    attachments: numbers(choice.attachments),
    root: gotNode(bytes, message, message.structure, isMoved, want.root),
  }
}

/** Why we read these otherwise. */
const latin = "octets that are not UTF-8 are shown as Windows' Latin, not as U+FFFD"
const uu = 'x-uuencode is decoded'
const outer =
  'a boundary of an enclosing multipart ends the parts within (RFC 2046 section 5.1.2), closed or not'
const exact = 'a boundary is the whole line, not its beginning: readers would see different parts'
const unclosed = 'a text in an unclosed multipart is a text still'
const differences: ReadonlyMap<string, string> = new Map([
  ['rfc/000', 'what is not base64 in base64 is passed over (RFC 2045 section 6.8)'],
  ['legacy/010', latin],
  ['legacy/016', latin],
  ['legacy/017', uu],
  ['legacy/020', latin],
  ['legacy/022', latin],
  ['legacy/023', latin],
  ['legacy/026', uu],
  ['legacy/027', latin],
  ['legacy/048', uu],
  ['legacy/052', latin],
  ['malformed/000', 'two boundaries make a part each, empty or not'],
  ['malformed/001', outer],
  ['malformed/002', unclosed],
  ['malformed/003', unclosed],
  ['malformed/004', exact],
  ['malformed/006', unclosed],
  ['malformed/007', 'of two Content-Type fields the first counts, and a boundary line is no field'],
  ['malformed/008', outer],
  ['malformed/009', outer],
  ['malformed/011', outer],
  ['malformed/012', outer],
  ['malformed/016', exact],
  ['malformed/017', 'a file name is read though the disposition has no type'],
  ['malformed/019', 'a Date that is none is passed over'],
  ['malformed/020', 'of two Content-Type fields the first counts'],
  ['malformed/021', 'of two Content-Type fields the first counts'],
  ['thirdparty/002', 'what is not base64 in base64 is passed over (RFC 2045 section 6.8)'],
  ['thirdparty/005', 'a boundary stands at the beginning of a line'],
  ['thirdparty/015', outer],
])

const files =
  skip === false
    ? ['rfc', 'legacy', 'malformed', 'thirdparty'].flatMap((kind) =>
        readdirSync(join(folder, kind))
          .filter((name) => name.endsWith('.eml'))
          .sort()
          .map((name) => `${kind}/${name.slice(0, 3)}`),
      )
    : []
// Some of the files have CRLF; each is read in both forms.
const read = (file: string): string => readFileSync(join(folder, `${file}.eml`)).toString('latin1')
const load = (file: string): Buffer => Buffer.from(read(file).replace(/\r/g, ''), 'latin1')
const loadCrlf = (file: string): Buffer => Buffer.from(read(file).replace(/\r?\n/g, '\r\n'), 'latin1')

test('the corpus is whole', { skip }, () => assert.equal(files.length, 107))

for (const file of files)
  for (const form of ['', '.crlf']) {
    const reason = differences.get(file)
    test(`message ${file}${form}${reason === undefined ? '' : ` differs: ${reason}`}`, () => {
      const bytes = form === '' ? load(file) : loadCrlf(file)
      const want = wantWhole(
        JSON.parse(readFileSync(join(folder, `${file}${form}.json`), 'utf8')) as WantMessage,
      )
      const check = (): void => assert.deepEqual(gotWhole(bytes, parseMessage(bytes), false, want), want)
      if (reason === undefined) check()
      else assert.throws(check, { name: 'AssertionError' })
    })
  }

test('the octets of all attachments and their names are as they should be', { skip }, () => {
  const wrong: string[] = []
  let count = 0
  const visit = (file: string, want: WantMessage, message: ParsedMessage): void => {
    for (const part of want.parts) {
      const octets = part.body.Binary ?? part.body.InlineBinary
      const name =
        attribute(headerOf(part, 'content_disposition')?.ContentType, 'filename') ??
        attribute(headerOf(part, 'content_type')?.ContentType, 'name')
      if (octets !== undefined) {
        count++
        const bytes = Buffer.from(octets)
        if (!message.attachments.some((one) => bytes.equals(one.content) && one.filename === name))
          wrong.push(`${file} ${name ?? ''}`)
      }
      const nested = part.body.Message
      if (nested === undefined) continue
      const found = message.attachments.map((one) => one.message).filter((one) => one !== undefined)
      const alike = found.find((one) => one.structure.start === nested.parts[0]?.offset_header) ?? found[0]
      if (alike !== undefined) visit(file, nested, alike)
      else wrong.push(`${file}: no message within`)
    }
  }
  for (const file of files)
    visit(
      file,
      JSON.parse(readFileSync(join(folder, `${file}.json`), 'utf8')) as WantMessage,
      parseMessage(load(file)),
    )
  assert.equal(count, 84)
  // Their names and octets as we have them are right: raw Latin octets, uuencode, a disposition without a type; and the last
  // message has its second part beside the first one, not within.
  assert.deepEqual(wrong, [
    'legacy/016 HasenundFr\ufffdsche.txt',
    'legacy/017 greenball.png',
    'legacy/017 blueball.png',
    'legacy/048 redball.png',
    'legacy/048 greenball.png',
    'legacy/048 blueball.png',
    'malformed/017 ',
    'thirdparty/015: no message within',
  ])
})

/** Events with neighbouring pieces of content joined. */
function play(pieces: readonly Uint8Array[]): readonly unknown[] {
  const parser = new MimeParser()
  const events: unknown[] = []
  let body: { index: number; offset: number; text: string } | undefined
  const take = (): void => {
    for (let event: MimeEvent | undefined = parser.next(); event !== undefined; event = parser.next()) {
      if (event.kind === 'body') {
        const text = Buffer.from(event.bytes).toString('latin1')
        if (body !== undefined && body.index === event.index) body.text += text
        else {
          body = { index: event.index, offset: event.offset, text }
          events.push(body)
        }
        continue
      }
      body = undefined
      events.push(
        event.kind === 'part-start'
          ? { ...event.part, header: Buffer.from(event.part.header).toString('latin1') }
          : event,
      )
    }
  }
  for (const piece of pieces) {
    parser.receive(piece)
    take()
  }
  parser.end()
  take()
  return events
}

test('law of splits: however a message is cut, the events are the same', { skip, timeout: 120_000 }, () => {
  for (const file of files.filter((name) => !name.startsWith('legacy'))) {
    const bytes = load(file).subarray(0, 3000)
    const whole = play([bytes])
    assert.deepEqual(play([...bytes].map((_octet, i) => bytes.subarray(i, i + 1))), whole, file)
    for (let cut = 0; cut <= bytes.length; cut += 1 + (bytes.length >> 7))
      assert.deepEqual(play([bytes.subarray(0, cut), bytes.subarray(cut)]), whole, `${file} cut at ${cut}`)
  }
})

const boundaryText = fc.array(
  fc.constantFrom(
    '--a',
    '--b',
    '--a--',
    '--b--',
    '\r\n',
    '\n',
    '\r',
    '-',
    'x',
    ' ',
    ...['a', 'b'].map((b) => `Content-Type: multipart/mixed; boundary=${b}\n\n`),
    'Content-Type: message/rfc822\n\n',
    'a: b\n',
  ),
  { maxLength: 40 },
)

test('law of splits on boundaries of all kinds', { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(boundaryText, fc.array(fc.nat(60), { maxLength: 4 }), (parts, cuts) => {
      const bytes = Buffer.from(parts.join(''))
      const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length]
      const pieces = at.slice(1).map((end, i) => bytes.subarray(at[i], end))
      assert.deepEqual(play(pieces), play([bytes]))
    }),
    { numRuns: 5000 },
  )
})

test('parts lie within each other, in order, and every one that began ends', () => {
  fc.assert(
    fc.property(boundaryText, (parts) => {
      const bytes = Buffer.from(parts.join(''))
      const visit = (part: MimePart): void => {
        assert.ok(part.start <= part.bodyStart && part.bodyStart <= Math.max(part.end, part.bodyStart))
        let at = part.bodyStart
        for (const child of part.children) {
          assert.ok(child.start >= at && child.end <= part.end, JSON.stringify(parts))
          at = child.end
          visit(child)
        }
      }
      visit(parseMessage(bytes).structure)
    }),
    { numRuns: 5000 },
  )
})

test('nothing makes it throw: mutations of the corpus', { skip, timeout: 120_000 }, () => {
  const seeds = files.map(load)
  fc.assert(
    fc.property(
      fc.nat(seeds.length - 1),
      fc.array(
        fc.tuple(
          fc.double({ min: 0, max: 1, noNaN: true }),
          fc.constantFrom(0, 10, 13, 34, 40, 45, 58, 59, 61, 63, 255),
        ),
        { maxLength: 20 },
      ),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (seed, changes, cut) => {
        const bytes = Buffer.from(seeds[seed] ?? Buffer.alloc(0))
        for (const [place, octet] of changes) bytes[Math.floor(place * (bytes.length - 1))] = octet
        const message = parseMessage(bytes.subarray(0, Math.ceil(cut * bytes.length)))
        searchText(message)
      },
    ),
    { numRuns: 1500 },
  )
})

test('nothing makes it throw: any octets, any header values', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 400 }),
      fc.constantFrom('', 'From: ', 'Subject: ', 'Content-Type: ', 'Date: '),
      (bytes, name) => {
        searchText(parseMessage(Buffer.concat([Buffer.from(name), bytes])))
      },
    ),
    { numRuns: 3000 },
  )
})

const repeat = (text: string, count: number): string => text.repeat(count)
const nested = (count: number): string => {
  let out = ''
  for (let i = 0; i < count; i++) out += `Content-Type: multipart/mixed; boundary=b${i}\n\n--b${i}\n`
  return out
}

/** Hostile inputs; each is read twice, once as large again, and bounded. */
const hostile: readonly (readonly [string, (n: number) => string, number])[] = [
  ['nested parts', nested, 100_000],
  ['nested messages', (n) => repeat('Content-Type: message/rfc822\n\n', n), 100_000],
  [
    'parts beside each other',
    (n) => `Content-Type: multipart/mixed; boundary=b\n\n${repeat('--b\n\nx\n', n)}`,
    100_000,
  ],
  ['a header line', (n) => `Subject: ${repeat('x', n)}\n\n`, 1_000_000],
  ['header fields', (n) => `${repeat('A: b\n', n)}\n`, 200_000],
  ['parameters', (n) => `Content-Type: text/plain${repeat('; a=b', n)}\n\n`, 1_000_000],
  [
    'parameter sections',
    (n) => `Content-Type: text/plain${[...Array(n).keys()].map((i) => `; a*${i}*=%41`).join('')}\n\n`,
    50_000,
  ],
  ['semicolons', (n) => `Content-Type: text/plain${repeat(';', n)}\n\n`, 1_000_000],
  [
    'deep comments',
    (n) => `From: ${repeat('(', n)}${repeat(')', n)} <a@b.test>\nDate: ${repeat('(', n)}\n\n`,
    400_000,
  ],
  ['open comments', (n) => `From: ${repeat('(', n)}\nContent-Type: ${repeat('(', n)}\n\n`, 400_000],
  [
    'open quotes',
    (n) => `From: ${repeat('"a\\"', n)}\nContent-Type: a/b; ${repeat('a="\\"', n)}\n\n`,
    150_000,
  ],
  ['angle brackets', (n) => `From: ${repeat('<', n)}\nTo: ${repeat('<a@', n)}\n\n`, 200_000],
  ['commas', (n) => `From: ${repeat('a,', n)}\n\n`, 300_000],
  ['at signs', (n) => `From: ${repeat('a@', n)}\n\n`, 300_000],
  ['encoded words that never close', (n) => `Subject: ${repeat('=?utf-8?q?a', n)}\n\n`, 80_000],
  ['encoded words', (n) => `Subject: ${repeat('=?utf-8?q?a?= ', n)}\n\n`, 60_000],
  ['folds', (n) => `Subject: a${repeat('\n ', n)}\n\n`, 300_000],
  ['blanks', (n) => `Subject: a${repeat(' ', n)}b\nContent-Type: text/plain${repeat(' ', n)};\n\n`, 400_000],
  ['soft breaks', (n) => `Content-Transfer-Encoding: quoted-printable\n\n${repeat('= \n', n)}`, 300_000],
  [
    'blanks at line ends',
    (n) => `Content-Transfer-Encoding: quoted-printable\n\n${repeat(' ', n)}\n${repeat(' \t', n)}`,
    500_000,
  ],
  ['padding', (n) => `Content-Transfer-Encoding: base64\n\n${repeat('QQ==', n)}`, 200_000],
  [
    'lines like boundaries',
    (n) => `Content-Type: multipart/mixed; boundary=b\n\n--b\n\n${repeat('--b \t-\n', n)}`,
    200_000,
  ],
  ['begin lines', (n) => `\n${repeat('begin 644 a\n#86)C\n', n)}`, 100_000],
  ['flowed lines', (n) => `Content-Type: text/plain; format=flowed\n\n${repeat('> a \n', n)}`, 200_000],
  ['tags', (n) => `Content-Type: text/html\n\n${repeat('<style>', n)}${repeat('<', n)}`, 200_000],
]

for (const [name, make, size] of hostile)
  test(`hostile: ${name} cost linear time`, () => {
    const time = (n: number): number => {
      const bytes = Buffer.from(make(n))
      let best = Number.POSITIVE_INFINITY
      for (let i = 0; i < 2; i++) {
        const start = performance.now()
        searchText(parseMessage(bytes))
        best = Math.min(best, performance.now() - start)
      }
      return best
    }
    // Quadratic is a ratio of 4, every time; small times are noise, and so is a busy machine once.
    let told = ''
    for (let attempt = 0; attempt < 4; attempt++) {
      const one = time(size / 2)
      const two = time(size)
      if (two < 30 || (two < 1000 && two / one < 3.4)) return
      told = `${one} ms, then ${two} ms`
    }
    assert.fail(told)
  })
