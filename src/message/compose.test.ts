// Owns the tables of composing: every field, every structure, every mistake; and that no value brings a line of its own
// into a header, that Bcc stays inside, and that a stream has the octets of the whole.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { UsageError } from '../base/usage-error.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { compose } from './compose.ts'
import type { ComposeOptions, MessageInput, OpenableSource } from './message-input.ts'
import { parseMessage } from './parse-message.ts'

const now = Date.UTC(2026, 10, 21, 11, 33)
const options = (more: Partial<ComposeOptions> = {}): ComposeOptions => ({
  now,
  random: seededRandom(7),
  hostname: 'host.example',
  ...more,
})
const base: MessageInput = { from: 'a@from.test', to: 'b@to.test' }

function write(input: MessageInput, more?: Partial<ComposeOptions>): string {
  const message = compose({ ...base, ...input }, options(more))
  const bytes = message.bytes()
  assert.ok(bytes !== undefined)
  assert.equal(message.sizeBytes, bytes.length)
  return Buffer.from(bytes).toString()
}

const headerOf = (text: string): string => text.slice(0, text.indexOf('\r\n\r\n') + 2)
const bodyOf = (text: string): string => text.slice(text.indexOf('\r\n\r\n') + 4)

function field(text: string, name: string): string | undefined {
  const match = new RegExp(`(?:^|\\r\\n)${name}: ?((?:[^\\r]|\\r\\n[ \\t])*)`, 'i').exec(headerOf(text))
  return match?.[1]?.replaceAll('\r\n', '')
}

const fields: readonly (readonly [input: MessageInput, name: string, want: string | RegExp | undefined])[] = [
  [{}, 'Date', 'Sat, 21 Nov 2026 11:33:00 +0000'],
  [{ date: new Date(0) }, 'Date', 'Thu, 1 Jan 1970 00:00:00 +0000'],
  [{ date: '2020-02-03T04:05:06Z' }, 'Date', 'Mon, 3 Feb 2020 04:05:06 +0000'],
  [{}, 'Message-ID', /^<[a-z0-9.]{30,}@from\.test>$/],
  [{ from: 'a@[192.0.2.1]' }, 'Message-ID', /@host\.example>$/],
  [{ messageId: 'x@y' }, 'Message-ID', '<x@y>'],
  [{ messageId: '<x@y>' }, 'Message-ID', '<x@y>'],
  [{ headers: { 'message-id': '<x@y>' } }, 'Message-ID', '<x@y>'],
  [{ from: 'Ann <a@from.test>' }, 'From', 'Ann <a@from.test>'],
  [{ from: { name: 'Last, First', address: 'a@from.test' } }, 'From', '"Last, First" <a@from.test>'],
  [{ from: { name: 'a "b" \\c', address: 'a@from.test' } }, 'From', '"a \\"b\\" \\\\c" <a@from.test>'],
  [
    { from: { name: '=?utf-8?Q?x?=', address: 'a@from.test' } },
    'From',
    /^=\?UTF-8\?[QB]\?[^ ?]+\?= <a@from\.test>$/,
  ],
  [{ from: '=?utf-8?Q?J=C3=BC?= <a@from.test>' }, 'From', /^=\?UTF-8\?[QB]\?[^ ?]+\?= <a@from\.test>$/],
  [{ from: 'a@from.test (Ann)' }, 'From', 'Ann <a@from.test>'],
  [{ from: 'a@bücher.example' }, 'From', 'a@xn--bcher-kva.example'],
  [{ from: '"very odd"@from.test' }, 'From', '"very odd"@from.test'],
  [{ from: ['a@x.test', 'b@x.test'], sender: 'c@x.test' }, 'Sender', 'c@x.test'],
  [{ to: 'b@x.test, C <c@x.test>,, "D, E" <d@x.test>' }, 'To', 'b@x.test, C <c@x.test>, "D, E" <d@x.test>'],
  [
    { to: ['b@x.test', { address: 'c@x.test' }, 'd@x.test, e@x.test'] },
    'To',
    'b@x.test, c@x.test, d@x.test, e@x.test',
  ],
  [{ to: 'undisclosed-recipients:;' }, 'To', 'undisclosed-recipients:;'],
  [{ to: 'Team: b@x.test, c@x.test;' }, 'To', 'Team: b@x.test, c@x.test;'],
  [{ to: { name: 'Team', group: ['b@x.test'] } }, 'To', 'Team: b@x.test;'],
  [{ to: '', cc: null, bcc: 'x@x.test' }, 'To', undefined],
  [{ cc: 'c@x.test' }, 'Cc', 'c@x.test'],
  [{ bcc: 'c@x.test' }, 'Bcc', undefined],
  [{ headers: { Bcc: 'c@x.test' } }, 'Bcc', undefined],
  [{ replyTo: 'r@x.test' }, 'Reply-To', 'r@x.test'],
  [{ dispositionNotificationTo: 'r@x.test' }, 'Disposition-Notification-To', 'r@x.test'],
  [{ inReplyTo: 'x@y' }, 'In-Reply-To', '<x@y>'],
  [{ references: ['<a@b>', 'c@d'] }, 'References', '<a@b> <c@d>'],
  [{ references: '<a@b><c@d>, <e@f>' }, 'References', '<a@b> <c@d> <e@f>'],
  [{ subject: 'Hello' }, 'Subject', 'Hello'],
  [{ subject: '' }, 'Subject', undefined],
  [{ subject: 'a\r\nBcc: x@y.test' }, 'Subject', 'a Bcc: x@y.test'],
  [{ subject: 'Grüße' }, 'Subject', '=?UTF-8?B?R3LDvMOfZQ==?='],
  [{ subject: 'Ein schöner Tag' }, 'Subject', 'Ein =?UTF-8?Q?sch=C3=B6ner?= Tag'],
  [{ subject: '日本語' }, 'Subject', '=?UTF-8?B?5pel5pys6Kqe?='],
  [{ subject: 'plain =?x' }, 'Subject', 'plain =?UTF-8?B?PT94?='],
  [{ priority: 'high' }, 'X-Priority', '1 (Highest)'],
  [{ priority: 'low' }, 'Importance', 'Low'],
  [{ priority: 'normal' }, 'Importance', undefined],
  [{ headers: { 'X-A': 'b' } }, 'X-A', 'b'],
  [{ headers: { 'X-A': 1 } }, 'X-A', '1'],
  [{ headers: { 'X-A': new Date(0) } }, 'X-A', 'Thu, 1 Jan 1970 00:00:00 +0000'],
  [{ headers: [{ key: 'X-A', value: 'b' }] }, 'X-A', 'b'],
  [
    { headers: { 'X-A': { prepared: true, value: '=?utf-8?q?x?=\r\nBcc: y' } } },
    'X-A',
    '=?utf-8?q?x?=\tBcc: y',
  ],
  [{ list: { help: 'x@y.test' } }, 'List-Help', '<mailto:x@y.test>'],
  [
    { list: { help: { url: 'x.test/a b>', comment: 'He(l)p' } } },
    'List-Help',
    '<https://x.test/a%20b%3E> (He\\(l\\)p)',
  ],
  [{ list: { post: 'NO' } }, 'List-Post', 'NO'],
  [
    { list: { unsubscribe: ['https://x.test/u', 'u@x.test'] } },
    'List-Unsubscribe',
    '<https://x.test/u>, <mailto:u@x.test>',
  ],
  [
    { list: { unsubscribe: 'https://x.test/u', oneClick: true } },
    'List-Unsubscribe-Post',
    'List-Unsubscribe=One-Click',
  ],
  [{ list: { id: { url: 'l.x.test', comment: 'My list' } } }, 'List-ID', '"My list" <l.x.test>'],
  [{ list: { id: 'l.x.test' } }, 'List-ID', '<l.x.test>'],
]
for (const [input, name, want] of fields)
  test(`field ${name} of ${JSON.stringify(input).slice(0, 90)}`, () => {
    const found = field(write(input), name)
    if (want instanceof RegExp) assert.match(found ?? '', want)
    else assert.equal(found, want)
  })

/** Media types as nested by the boundaries. */
function structure(text: string): string {
  const type = /Content-Type: ([a-z0-9/-]+)/i.exec(headerOf(text))?.[1] ?? 'text/plain'
  const boundary = /boundary="([^"]+)"/.exec(headerOf(text))?.[1]
  if (!type.startsWith('multipart/') || boundary === undefined) return type.replace(/^.*\//, '')
  const body = `\r\n${bodyOf(text)}`
  const parts = body.split(`\r\n--${boundary}`).slice(1)
  assert.equal(parts.pop()?.slice(0, 2), '--')
  return `${type.slice(10)}(${parts.map((part) => structure(part.slice(2))).join(' ')})`
}

const file = { content: Buffer.from([0, 1, 2]), filename: 'a.bin' }
const image = { content: Buffer.from([0, 1, 2]), filename: 'a.png', cid: 'i@x' }
const event = 'BEGIN:VCALENDAR\nMETHOD:REQUEST\nEND:VCALENDAR\n'
const inline = '<img alt="a>b" src="data:image/gif;base64,R0lG"><img src=\'data:image/gif;base64,R0lG\'>'
const structures: readonly (readonly [input: MessageInput, want: string])[] = [
  [{}, 'plain'],
  [{ text: 'a' }, 'plain'],
  [{ html: 'a' }, 'html'],
  [{ text: 'a', html: 'b' }, 'alternative(plain html)'],
  [{ text: 'a', watchHtml: 'w', amp: 'm', html: 'b' }, 'alternative(plain watch-html x-amp-html html)'],
  [{ attachments: [file] }, 'octet-stream'],
  [{ attachments: [file, file] }, 'mixed(octet-stream octet-stream)'],
  [{ text: 'a', attachments: [file] }, 'mixed(plain octet-stream)'],
  [{ text: 'a', html: 'b', attachments: [file] }, 'mixed(alternative(plain html) octet-stream)'],
  [{ html: 'b', attachments: [image] }, 'related(html png)'],
  [{ text: 'a', html: 'b', attachments: [image] }, 'alternative(plain related(html png))'],
  [
    { text: 'a', html: 'b', attachments: [image, file] },
    'mixed(alternative(plain related(html png)) octet-stream)',
  ],
  [{ text: 'a', attachments: [image] }, 'mixed(plain png)'],
  [{ text: 'a', icalEvent: event }, 'mixed(alternative(plain calendar) ics)'],
  [{ text: 'a', icalEvent: { content: event, filename: false } }, 'alternative(plain calendar)'],
  [{ html: inline, attachDataUrls: true }, 'related(html gif)'],
  [{ html: inline }, 'html'],
  [
    { text: 'a', alternatives: [{ content: '# a', contentType: 'text/markdown' }] },
    'alternative(plain markdown)',
  ],
  [{ text: 'a', attachments: [{ raw: 'Content-Type: x/y\n\nz' }] }, 'mixed(plain y)'],
  [{ text: 'a', attachments: [{ path: 'data:text/css,a%20b' }] }, 'mixed(plain css)'],
]
for (const [input, want] of structures)
  test(`structure ${want}`, () => assert.equal(structure(write(input)), want))

const texts: readonly (readonly [
  input: MessageInput,
  more: Partial<ComposeOptions>,
  encoding: string,
  body: RegExp,
])[] = [
  [{ text: 'a\nb\rc\r\nd' }, {}, '7bit', /^a\r\nb\r\nc\r\nd\r\n$/],
  [{ text: 'ü' }, {}, 'base64', /^w7w=\r\n$/],
  [{ text: 'eine kleine Tür\n' }, {}, 'quoted-printable', /^eine kleine T=C3=BCr\r\n$/],
  [{ text: 'eine kleine Tür\n' }, { body8bit: true }, '8bit', /^eine kleine Tür\r\n$/],
  [{ text: 'a'.repeat(1500) }, {}, 'quoted-printable', /^(?:a{73,75}=\r\n)+a+\r\n$/],
  [{ text: 'From me\n' }, {}, 'quoted-printable', /^From=20me\r\n$/],
  [{ text: 'a', textEncoding: 'base64' }, {}, 'base64', /^YQ==\r\n$/],
  [{ text: 'YQ==', encoding: 'base64' }, {}, '7bit', /^a\r\n$/],
  [{ text: { content: '6162', encoding: 'hex' } }, {}, '7bit', /^ab\r\n$/],
  [{ text: Buffer.from('ab') }, {}, '7bit', /^ab\r\n$/],
  [{ text: `${'word '.repeat(20)}end`, flowed: true }, {}, '7bit', /^(?:word )+\r\n(?:word )*end\r\n$/],
  [{ text: '\u0000' }, {}, 'quoted-printable', /^=00\r\n$/],
]
for (const [input, more, encoding, body] of texts)
  test(`text ${JSON.stringify(input).slice(0, 60)} ${JSON.stringify(more)} goes as ${encoding}`, () => {
    const text = write(input, more)
    assert.equal(field(text, 'Content-Transfer-Encoding'), encoding)
    assert.match(bodyOf(text), body)
  })

const mistakes: readonly (readonly [input: object, field: string])[] = [
  [{ from: '' }, 'from'],
  [{ from: 'a@x.test, b@x.test' }, 'sender'],
  [{ from: 'group: a@x.test;' }, 'from'],
  [{ sender: 'a@x.test, b@x.test' }, 'sender'],
  [{ to: 'nobody' }, 'to'],
  [{ to: 'Last, First <a@x.test>' }, 'to'],
  [{ to: 'a@x.test b@x.test' }, 'to'],
  [{ to: 'a@x.test\r\nBcc: b@x.test' }, 'to'],
  [{ to: ['a@x.test', { address: 'b@x.test>\r\nRCPT TO:<c@x.test' }] }, 'to[1].address'],
  [{ to: '"a@x.test <b@y.test>' }, 'to'],
  [{ to: { name: 1, address: 'a@x.test' } }, 'to.name'],
  [{ to: 5 }, 'to'],
  [{ cc: '<a@x.test> <b@x.test>' }, 'cc'],
  [{ envelope: { to: 'x' } }, 'envelope.to'],
  [{ envelope: { from: 'x' } }, 'envelope.from'],
  [{ subject: 5 }, 'subject'],
  [{ subject: 'a', headers: { Subject: 'b' } }, 'headers.Subject'],
  [{ headers: { 'Content-Type': 'text/plain' } }, 'headers.Content-Type'],
  [{ headers: { 'X A': 'b' } }, 'headers.X A'],
  [{ headers: { 'X:\r\nBcc': 'b' } }, 'headers.X:\r\nBcc'],
  [{ headers: { X: {} } }, 'headers.X'],
  [{ headers: { X: { prepared: true, value: 'ü'.repeat(600) } } }, 'headers.X'],
  [{ messageId: '<a b>' }, 'messageId'],
  [{ references: '<a\u00fc@b>' }, 'references'],
  [{ date: 'no date' }, 'date'],
  [{ priority: 'urgent' }, 'priority'],
  [{ text: {} }, 'text'],
  [{ text: { content: 'a', path: 'b' } }, 'text'],
  [{ text: { path: '/etc/hostname' } }, 'text.path'],
  [{ text: Buffer.from([255]) }, 'text'],
  [{ text: 'a', encoding: 'x-none' }, 'encoding'],
  [{ textEncoding: '7bit', text: 'a' }, 'textEncoding'],
  [{ attachments: {} }, 'attachments'],
  [{ attachments: [{}] }, 'attachments[0]'],
  [{ attachments: [file, { content: 'a', cid: 'a b' }] }, 'attachments[1].cid'],
  [{ attachments: [{ content: 'a', filename: 5 }] }, 'attachments[0].filename'],
  [{ attachments: [{ content: 'a', contentType: 'text' }] }, 'attachments[0].contentType'],
  [{ attachments: [{ content: 'a', contentType: 'a/b\r\nX: y' }] }, 'attachments[0].contentType'],
  [{ attachments: [{ content: 'a', contentType: 'multipart/mixed' }] }, 'attachments[0].contentType'],
  [
    { attachments: [{ content: 'ü', contentTransferEncoding: '7bit' }] },
    'attachments[0].contentTransferEncoding',
  ],
  [
    { attachments: [{ content: 'a', contentTransferEncoding: 'gzip' }] },
    'attachments[0].contentTransferEncoding',
  ],
  [{ attachments: [{ content: 'a', contentDisposition: 'x\r\ny' }] }, 'attachments[0].contentDisposition'],
  [{ attachments: [{ href: 'ftp://x.test/' }] }, 'attachments[0].href'],
  [{ attachments: [{ content: 'a', headers: { 'Content-ID': 'x' } }] }, 'attachments[0].headers.Content-ID'],
  [{ icalEvent: 'no calendar' }, 'icalEvent'],
  [{ icalEvent: { content: event, method: 'CANCEL' } }, 'icalEvent.method'],
  [{ icalEvent: { content: event, method: 'x;y=z' } }, 'icalEvent.method'],
  [{ list: { unsubscribed: 'x' } }, 'list.unsubscribed'],
  [{ list: { unsubscribe: 'u@x.test', oneClick: true } }, 'list.oneClick'],
  [{ list: { archive: 'https://x.test/', oneClick: true } }, 'list.oneClick'],
  [{ list: { id: 'a b' } }, 'list.id'],
]
for (const [input, name] of mistakes)
  test(`mistake in ${JSON.stringify(name)}: ${JSON.stringify(input).slice(0, 80)}`, () => {
    assert.throws(
      () => compose({ ...base, ...input } as MessageInput, options()),
      (error) => {
        assert.ok(error instanceof UsageError, String(error))
        assert.equal(error.field, name)
        assert.ok(error.message.startsWith(`${name}: `))
        return true
      },
    )
  })

test('a subject of 1,500 ASCII characters without a blank, and with blanks, is whole', () => {
  for (const subject of ['x'.repeat(1500), 'word '.repeat(300).trim()]) {
    const text = write({ subject })
    for (const line of headerOf(text).split('\r\n')) assert.ok(line.length <= 78, line)
    const value = field(text, 'Subject') ?? ''
    const words = value
      .replace(/\?= =\?/g, '?==?')
      .replace(/=\?UTF-8\?Q\?([^?]*)\?=/g, (_whole, content: string) => content)
    assert.equal(words, subject)
  }
})

test('a bare CR never leaves, in text, html, names or attached text', () => {
  const text = write({
    text: 'a\rb',
    html: '<p>\r</p>',
    subject: 'a\rb',
    attachments: [{ content: 'a\rb', filename: 'a\r.txt' }],
  })
  assert.doesNotMatch(text, /\r(?!\n)|(?<!\r)\n/)
})

test('no value brings a field of its own into a header', () => {
  const evil = fc
    .array(
      fc.constantFrom(
        '\r',
        '\n',
        '\r\n',
        ' ',
        '\t',
        '\u2028',
        '\u0085',
        '\0',
        'X-Evil: 1',
        'ü',
        '"',
        '<',
        '>',
        'a',
      ),
      {
        maxLength: 12,
      },
    )
    .map((pieces) => pieces.join(''))
  const allowed =
    /^(?:Date|From|To|Subject|Message-ID|X-Own|X-Prepared|List-Help|MIME-Version|Content-(?:Type|Disposition|Transfer-Encoding|ID)|Reply-To|References|In-Reply-To): |^[ \t]+\S/
  fc.assert(
    fc.property(evil, fc.integer({ min: 0, max: 10 }), (value, place) => {
      const inputs: MessageInput[] = [
        { subject: value },
        { from: { name: value, address: 'a@from.test' } },
        { to: value },
        { to: { name: 'x', address: value } },
        { headers: { 'X-Own': value } },
        { headers: { 'X-Prepared': { prepared: true, value } } },
        { list: { help: { url: `https://x.test/${value}`, comment: value } } },
        { attachments: [{ content: Buffer.of(1), filename: value, contentType: 'application/pdf' }] },
        { attachments: [{ content: Buffer.of(1), cid: value, contentType: `a/b; x="${value}"` }] },
        { replyTo: `${value} <a@x.test>` },
        { references: value, inReplyTo: value },
      ]
      try {
        const header = headerOf(write(inputs[place] as MessageInput))
        for (const line of header.split('\r\n').slice(0, -1)) {
          assert.match(line, allowed)
          assert.ok(line.length <= 998)
          assert.doesNotMatch(line, /[\r\n\0\u0085\u2028]/)
        }
      } catch (error) {
        if (!(error instanceof UsageError)) throw error
      }
    }),
    { numRuns: 1500 },
  )
})

const envelopes: readonly (readonly [input: MessageInput, from: string | null, to: readonly string[]])[] = [
  [{ cc: 'c@x.test', bcc: ['d@x.test', 'b@TO.test'] }, 'a@from.test', ['b@to.test', 'c@x.test', 'd@x.test']],
  [{ to: 'G: e@x.test, f@x.test;' }, 'a@from.test', ['e@x.test', 'f@x.test']],
  [{ sender: 's@x.test' }, 'a@from.test', ['b@to.test']],
  [{ envelope: { from: 'e@x.test', to: ['f@x.test', 'g@x.test'] } }, 'e@x.test', ['f@x.test', 'g@x.test']],
  [{ envelope: { from: null, to: 'f@x.test' } }, null, ['f@x.test']],
  [{ envelope: { from: false, to: 'f@x.test' } }, null, ['f@x.test']],
  [{ envelope: { to: 'f@x.test' } }, 'a@from.test', ['f@x.test']],
  [{ to: 'ü@bücher.example' }, 'a@from.test', ['ü@bücher.example']],
  [{ to: 'u@bücher.example' }, 'a@from.test', ['u@xn--bcher-kva.example']],
  [{ raw: 'A: b\r\n\r\n', envelope: { from: 'x@x.test', to: 'y@x.test' } }, 'x@x.test', ['y@x.test']],
]
for (const [input, from, to] of envelopes)
  test(`envelope of ${JSON.stringify(input)}`, () =>
    assert.deepEqual(compose({ ...base, ...input }, options()).envelope, { from, to }))

test('SMTPUTF8 is needed for a local-part beyond ASCII, and for nothing else', () => {
  const needs = (input: MessageInput): boolean => compose({ ...base, ...input }, options()).needsSmtputf8
  assert.equal(needs({ to: 'ü@x.test' }), true)
  assert.equal(needs({ replyTo: 'ü@x.test' }), true)
  assert.equal(needs({ envelope: { to: 'ü@x.test' } }), true)
  assert.equal(needs({ to: 'Ü <u@bücher.example>', subject: 'ü', text: 'ü' }), false)
  assert.throws(
    () => compose({ ...base, cc: 'ü@x.test' }, options({ smtputf8: false })),
    (error) => error instanceof UsageError && error.field === 'cc',
  )
})

test('8BITMIME is needed for text that goes as it is and for attached messages', () => {
  const needs = (input: MessageInput, more?: Partial<ComposeOptions>): boolean =>
    compose({ ...base, ...input }, options(more)).needs8bit
  const attached = { attachments: [{ content: 'Subject: ü\r\n\r\n', contentType: 'message/rfc822' }] }
  assert.equal(needs({ text: 'ü ist ein Buchstabe' }), false)
  assert.equal(needs({ text: 'ü ist ein Buchstabe' }, { body8bit: true }), true)
  assert.equal(needs(attached), true)
  assert.equal(needs(attached, { body8bit: false }), false)
})

async function* chunksOf(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString()
}

test('the stream has the octets of the whole', async () => {
  const input: MessageInput = {
    ...base,
    text: 'grüß dich',
    html: '<p>x</p>',
    attachments: [{ content: Buffer.alloc(200_000, 'ab'), filename: 'ü.bin' }, file],
  }
  const streamed = await collect(compose(input, options()).stream())
  assert.equal(streamed, write(input))
  const message = compose(input, options())
  message.bytes()
  assert.equal(await collect(message.stream()), streamed)
})

test('sources are opened when their turn comes, each time, and encoded as if they were in memory', async () => {
  const opened: OpenableSource[] = []
  const content = 'Zeile ü\n'.repeat(5000)
  const more = {
    openSource: async (source: OpenableSource) => {
      opened.push(source)
      return chunksOf(content, 1000)
    },
  }
  const message = compose(
    {
      ...base,
      text: { path: '/a/b.txt' },
      attachments: [
        { path: '/a/c.pdf' },
        { href: 'http://x.test/d%20e.zip?q', httpHeaders: { A: 'b' } },
        { path: '/m.eml' },
      ],
    },
    options(more),
  )
  assert.equal(message.bytes(), undefined)
  assert.equal(message.sizeBytes, undefined)
  assert.equal(message.repeatable, true)
  assert.equal(message.needs8bit, true)
  assert.deepEqual(opened, [])
  const text = await collect(message.stream())
  assert.deepEqual(opened, [
    { kind: 'path', path: '/a/b.txt' },
    { kind: 'path', path: '/a/c.pdf' },
    { kind: 'href', href: 'http://x.test/d%20e.zip?q', httpHeaders: { A: 'b' } },
    { kind: 'path', path: '/m.eml' },
  ])
  assert.equal(structure(text), 'mixed(plain pdf zip rfc822)')
  assert.match(text, /filename=c\.pdf\r\n/)
  assert.match(text, /filename="d e\.zip"\r\n/)
  assert.ok(text.includes('Zeile =C3=BC\r\nZeile'))
  assert.ok(text.includes('Zeile ü\r\nZeile'))
  const wanted =
    Buffer.from(content)
      .toString('base64')
      .match(/.{1,76}/g) ?? []
  assert.equal(text.split(wanted.join('\r\n')).length, 3)
  assert.equal(await collect(message.stream()), text)
})

test('a stream as content can be sent once, and says so', async () => {
  const message = compose(
    { ...base, attachments: [{ content: chunksOf('abc', 1), filename: 'a.bin' }] },
    options(),
  )
  assert.equal(message.repeatable, false)
  assert.match(await collect(message.stream()), /\r\nYWJj\r\n/)
  await assert.rejects(collect(message.stream()), UsageError)
})

test('an aborted stream ends with the reason', async () => {
  const controller = new AbortController()
  const message = compose({ ...base, attachments: [{ content: Buffer.alloc(1_000_000) }] }, options())
  const reading = (async () => {
    for await (const _chunk of message.stream(controller.signal)) controller.abort(new Error('enough'))
  })()
  await assert.rejects(reading, /enough/)
})

test('a raw stream loses its Bcc and keeps the rest', async () => {
  const raw = chunksOf('From: a\nBcc: secret@x.test\n\nü\r', 3)
  const message = compose({ ...base, raw }, options())
  assert.equal(await collect(message.stream()), 'From: a\r\n\r\nü\r\n')
})

test('a raw message in memory tells its id and what it needs', () => {
  const message = compose({ ...base, raw: 'Message-ID:\n <x@y>\nSubject: ü\nbcc: z\n\nä' }, options())
  assert.equal(message.messageId, '<x@y>')
  assert.equal(message.needsSmtputf8, true)
  assert.equal(message.needs8bit, true)
  assert.equal(Buffer.from(message.bytes() ?? []).toString(), 'Message-ID:\r\n <x@y>\r\nSubject: ü\r\n\r\nä')
})

test('local images come along only when asked, each once, and are opened by the client', () => {
  const html = '<IMG SRC=logo.png><img src="./logo.png"><img src="https://x.test/a.png"><img src="logo.png">'
  const openSource = async (): Promise<AsyncIterable<Uint8Array>> => chunksOf('x', 1)
  const message = compose({ ...base, html, attachLocalImages: true }, options({ openSource }))
  assert.equal(message.bytes(), undefined)
  assert.ok(write({ html }).includes('SRC=logo.png'))
})

test('files and URLs can be forbidden', () => {
  const openSource = async (): Promise<AsyncIterable<Uint8Array>> => chunksOf('x', 1)
  for (const [input, name] of [
    [{ disableFileAccess: true, attachments: [{ path: '/x' }] }, 'attachments[0].path'],
    [{ disableUrlAccess: true, attachments: [{ href: 'http://x.test/' }] }, 'attachments[0].href'],
    [{ disableUrlAccess: true, attachments: [{ path: 'http://x.test/' }] }, 'attachments[0].href'],
  ] as const)
    assert.throws(
      () => compose({ ...base, ...input }, options({ openSource })),
      (error) => error instanceof UsageError && error.field === name,
    )
})

const hostile: Readonly<Record<string, string>> = {
  'an open quote': `"${'a'.repeat(2_000_000)}`,
  'many quotes': '"a" '.repeat(200_000),
  'open brackets': '<'.repeat(1_000_000),
  'a long address': `<${'a'.repeat(2_000_000)}>`,
  'deep comments': '('.repeat(1_000_000),
  'many comments': '(a)'.repeat(300_000),
  'many commas': ','.repeat(1_000_000),
  'many groups': 'a:;'.repeat(300_000),
  backslashes: `"${'\\'.repeat(1_000_000)}`,
}
for (const [name, value] of Object.entries(hostile))
  test(`an address list of ${name} ends in time, with a UsageError or without`, { timeout: 5000 }, () => {
    try {
      write({ cc: value })
    } catch (error) {
      if (!(error instanceof UsageError)) throw error
    }
  })

test('all of it together is read by our own parser as it was meant, as 8bit and with SMTPUTF8 too', () => {
  const input: MessageInput = {
    from: 'Jörg <jörg@x.test>',
    to: ['"A, B" <a@x.test>', { name: 'Gruppe ü', group: ['c@x.test', 'Ü <d@x.test>'] }],
    subject: 'Einladung für alle',
    text: 'Grüße an alle, die das lesen\n',
    html: '<p>Grüße <img src="data:image/gif;base64,R0lGODlh"></p>',
    attachDataUrls: true,
    icalEvent: event,
    attachments: [
      { filename: 'Übersicht "neu" 100%.txt', content: 'a\rb\nc' },
      { content: 'Subject: innen ü\n\nhallo ü\n', contentType: 'message/rfc822' },
    ],
  }
  for (const more of [{}, { body8bit: true }, { body8bit: false }]) {
    const message = compose(input, options(more))
    assert.equal(message.needsSmtputf8, true)
    const read = parseMessage(message.bytes() ?? new Uint8Array())
    assert.deepEqual(read.defects, [])
    assert.equal(read.subject, input.subject)
    assert.deepEqual(read.from, [{ kind: 'mailbox', name: 'Jörg', address: 'jörg@x.test' }])
    assert.deepEqual(read.to, [
      { kind: 'mailbox', name: 'A, B', address: 'a@x.test' },
      {
        kind: 'group',
        name: 'Gruppe ü',
        members: [
          { kind: 'mailbox', name: '', address: 'c@x.test' },
          { kind: 'mailbox', name: 'Ü', address: 'd@x.test' },
        ],
      },
    ])
    assert.equal(read.text.trimEnd(), 'Grüße an alle, die das lesen')
    assert.equal(read.calendars[0]?.method, 'REQUEST')
    const related = read.attachments.find((one) => one.isRelated)
    assert.deepEqual(Buffer.from(related?.content ?? []).toString(), 'GIF89a')
    assert.ok(read.html.includes(`cid:${related?.contentId}`))
    const note = read.attachments.find((one) => one.filename === 'Übersicht "neu" 100%.txt')
    assert.equal(Buffer.from(note?.content ?? []).toString(), 'a\rb\nc')
    assert.equal(
      read.attachments.find((one) => one.contentType === 'message/rfc822')?.message?.subject,
      'innen ü',
    )
  }
})
