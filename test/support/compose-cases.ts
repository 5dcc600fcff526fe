// Owns sixteen messages that are hard to write, and what every reader must see in them. For composers that take
// Nodemailer's fields: ours is tested with them, bench/compose-agreement.ts compares.

import type { MessageInput } from '../../src/message.ts'

/** What a reader says of a message; undefined where it is not asked or cannot say. */
export interface ReadMessage {
  readonly subject?: string
  readonly from?: readonly (readonly [name: string, address: string])[]
  readonly to?: readonly (readonly [name: string, address: string])[]
  readonly references?: readonly string[]
  readonly text?: string
  readonly html?: string
  /** Name and octets in Latin-1, in order. */
  readonly files?: readonly (readonly [name: string, content: string])[]
  /** Subject of the attached message. */
  readonly within?: string
}

export interface ComposeCase {
  readonly name: string
  readonly input: MessageInput
  readonly want: ReadMessage
  /** On the wire there is none of this. */
  readonly never?: RegExp
  readonly always?: RegExp
}

const base = { from: 'a@from.test', to: 'b@to.test', subject: 'x', text: 'x' } as const
const octets = Buffer.from([...Array(768).keys()].map((i) => i & 255))
const hardText = [
  '.',
  '..',
  'From me',
  '>From you',
  'blanks  ',
  'tab\t',
  'a=3Db = c',
  '--=_x',
  '',
  '  indented',
  'end',
].join('\n')
const longName = `${'Hasen und Frösche, 日本語 '.repeat(6)}ende.txt`
const ids = Array.from({ length: 60 }, (_none, i) => `<${'r'.repeat(60)}.${i}@ids.test>`)
const inner =
  'From: c@inner.test\r\nSubject: within\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b--\r\n'
const image = Buffer.from('89504e470d0a1a0a', 'hex')

export const composeCases: readonly ComposeCase[] = [
  {
    name: 'a subject of 1,500 ASCII characters',
    input: { ...base, subject: 'x'.repeat(1500) },
    want: { subject: 'x'.repeat(1500) },
  },
  {
    name: 'bare CR in text',
    input: { ...base, text: 'one\rtwo\r\nthree\nfour' },
    want: { text: 'one\ntwo\nthree\nfour' },
  },
  {
    name: 'a subject of several scripts, longer than a line',
    input: { ...base, subject: `${'Grüße 日本語 😀 '.repeat(20)}e\u0301nde` },
    want: { subject: `${'Grüße 日本語 😀 '.repeat(20)}e\u0301nde` },
  },
  {
    name: 'names with every special character',
    input: { ...base, from: { name: 'Doe, "J" (IT) \\ <x>;@.[]:', address: 'a@from.test' } },
    want: { from: [['Doe, "J" (IT) \\ <x>;@.[]:', 'a@from.test']] },
  },
  {
    name: 'names beyond ASCII, with commas and longer than a line',
    input: {
      ...base,
      to: [1, 2, 3].map((i) => ({
        name: `Müller-Lüdenscheidt, ${'Jürgen 日本 '.repeat(8)}${i}`,
        address: `b${i}@to.test`,
      })),
    },
    want: {
      to: [1, 2, 3].map(
        (i) => [`Müller-Lüdenscheidt, ${'Jürgen 日本 '.repeat(8)}${i}`, `b${i}@to.test`] as const,
      ),
    },
  },
  {
    name: 'a file name beyond ASCII, longer than a line',
    input: { ...base, attachments: [{ filename: longName, content: octets }] },
    want: { files: [[longName, octets.toString('latin1')]] },
  },
  {
    name: 'a file name with quotes and the characters of RFC 2231',
    input: { ...base, attachments: [{ filename: 'a "b" \\c; d\'e%41*.txt', content: Buffer.from('hi') }] },
    want: { files: [['a "b" \\c; d\'e%41*.txt', 'hi']] },
  },
  {
    name: 'a line of 5,000 characters',
    input: { ...base, text: `a\n${'y'.repeat(5000)}\nb` },
    want: { text: `a\n${'y'.repeat(5000)}\nb` },
  },
  {
    name: 'dots, From lines, blanks at line ends and what looks like an encoding',
    input: { ...base, text: hardText },
    want: { text: hardText },
  },
  {
    name: 'all octets, and lines like boundaries',
    input: {
      ...base,
      attachments: [
        { filename: 'a.bin', content: octets },
        { filename: 'b.bin', content: Buffer.from('--\n----=_\r\n--=_Part\r') },
      ],
    },
    want: {
      files: [
        ['a.bin', octets.toString('latin1')],
        ['b.bin', '--\n----=_\r\n--=_Part\r'],
      ],
    },
  },
  {
    name: 'text, HTML, an image within it and a file',
    input: {
      ...base,
      text: 'plain ü',
      html: '<p>rich ü <img src="cid:one@x.test"></p>',
      attachments: [
        { filename: 'i.png', content: image, cid: 'one@x.test' },
        { filename: 'f.pdf', content: Buffer.from('pdf') },
      ],
    },
    want: {
      text: 'plain ü',
      html: '<p>rich ü <img src="cid:one@x.test"></p>',
      files: [
        ['i.png', image.toString('latin1')],
        ['f.pdf', 'pdf'],
      ],
    },
    always: /^Content-ID: <one@x\.test>\r$/im,
  },
  {
    name: 'line ends in subject, name, field and file name',
    input: {
      ...base,
      from: { name: 'd\r\nX-Evil: 4', address: 'a@from.test' },
      subject: 'a\r\nX-Evil: 1',
      headers: { 'X-Own': 'b\nX-Evil: 2' },
      attachments: [{ filename: 'c\r\nX-Evil: 3.bin', content: Buffer.from('hi') }],
    },
    want: { subject: 'a X-Evil: 1' },
    never: /^X-Evil/im,
  },
  {
    name: 'Bcc',
    input: { ...base, bcc: ['secret@hidden.test', 'Other <other@hidden.test>'] },
    want: { to: [['', 'b@to.test']] },
    never: /hidden|^bcc/im,
  },
  {
    name: 'a domain beyond ASCII',
    input: { ...base, to: 'Bücher <info@bücher.example>' },
    want: { to: [['Bücher', 'info@xn--bcher-kva.example']] },
  },
  {
    name: 'sixty references',
    input: { ...base, references: ids },
    want: { references: ids },
  },
  {
    name: 'an attached message',
    input: { ...base, attachments: [{ contentType: 'message/rfc822', filename: 'm.eml', content: inner }] },
    want: { within: 'within' },
    // RFC 2046 section 5.2.1: no encoding but 7bit, 8bit and binary.
    never: /message\/rfc822[^\r]*(?:\r\n[\w-]+:[^\r]*)*\r\nContent-Transfer-Encoding: (?:base64|quoted)/i,
  },
]
