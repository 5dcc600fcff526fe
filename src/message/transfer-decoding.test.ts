// Owns the proof of decoding: transfer encodings, uuencode, charsets and encoded-words, as tables and as laws.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeText } from './charset.ts'
import { decodeWords } from './encoded-words.ts'
import { htmlToText } from './html-text.ts'
import { parseMessage, searchText } from './parse-message.ts'
import {
  createTransferDecoder,
  decodeTransfer,
  type TransferEncoding,
  transferEncoding,
} from './transfer-decoding.ts'

const encodings: readonly (readonly [TransferEncoding, string, string, boolean])[] = [
  ['base64', 'aGVsbG8=', 'hello', false],
  ['base64', 'aGVs\r\nbG8=\r\n', 'hello', false],
  ['base64', 'aGVsbG8', 'hello', false],
  ['base64', 'aGVs*bG8=', 'hello', true],
  // Pieces that were encoded one by one, as some senders join them.
  ['base64', 'aGVsbG8=\r\nd29ybGQ=', 'helloworld', false],
  ['base64', 'aGVsbG8=d29ybGQ', 'helloworld', false],
  ['base64', '', '', false],
  ['base64', '-_', '', true],
  ['quoted-printable', 'a=3Db=20\r\nc', 'a=b \r\nc', false],
  ['quoted-printable', 'one =\r\ntwo', 'one two', false],
  ['quoted-printable', 'one =  \t\r\ntwo', 'one two', false],
  ['quoted-printable', 'blanks  \t\r\ngo  ', 'blanks\r\ngo', false],
  ['quoted-printable', 'a \n b', 'a\n b', false],
  ['quoted-printable', '=c3=A9', '\u00c3\u00a9', false],
  ['quoted-printable', 'a=ZZ=4', 'a=ZZ=4', true],
  ['quoted-printable', 'cut=', 'cut', true],
  ['quoted-printable', '', '', false],
  ['uuencode', 'begin 644 a.txt\n%:&5L;&\\\n`\nend\n', 'hello', false],
  ['uuencode', 'text\r\nbegin 644 a.txt\r\n%:&5L;&\\\r\n`\r\nend\r\nmore', 'hello', false],
  ['uuencode', 'begin 644 a.txt\n%:&5L;&\\', 'hello', true],
]
for (const [encoding, given, want, isMalformed] of encodings)
  test(`${encoding}: ${JSON.stringify(given)}`, () => {
    const found = decodeTransfer(Buffer.from(given, 'latin1'), encoding)
    assert.equal(found.bytes.toString('latin1'), want)
    assert.equal(found.isMalformed, isMalformed)
  })

test('law of splits: every cut gives the same octets', () => {
  const text = fc.array(
    fc.constantFrom(
      '=',
      '4',
      '1',
      'A',
      'b',
      ' ',
      '\t',
      '\r',
      '\n',
      '\r\n',
      '==',
      '*',
      'x',
      '=\r\n',
      '=41',
      'begin 644 x\n',
      '#86)C\n',
      'end\n',
    ),
    { maxLength: 40 },
  )
  const kinds = fc.constantFrom<TransferEncoding>('base64', 'quoted-printable', 'uuencode', 'identity')
  fc.assert(
    fc.property(kinds, text, fc.array(fc.nat(60), { maxLength: 5 }), (encoding, parts, cuts) => {
      const bytes = Buffer.from(parts.join(''))
      const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length]
      const decoder = createTransferDecoder(encoding)
      const out = at.slice(1).map((end, i) => Buffer.from(decoder.write(bytes.subarray(at[i], end))))
      out.push(Buffer.from(decoder.end()))
      const whole = decodeTransfer(bytes, encoding)
      assert.equal(Buffer.concat(out).toString('latin1'), whole.bytes.toString('latin1'))
    }),
    { numRuns: 20_000 },
  )
})

test('what is encoded is read back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
      const bytes = Buffer.from(octets)
      const lines = bytes.toString('base64').replace(/.{76}/g, '$&\r\n')
      assert.deepEqual(decodeTransfer(Buffer.from(lines), 'base64').bytes, bytes)
      const quoted = [...bytes].map((octet) => `=${octet.toString(16).padStart(2, '0')}`).join('')
      assert.deepEqual(
        decodeTransfer(Buffer.from(quoted.replace(/.{60}/g, '$&=\r\n')), 'quoted-printable').bytes,
        bytes,
      )
    }),
  )
})

for (const [given, want] of [
  ['BASE64', 'base64'],
  [' quoted-printable (as it should be)', 'quoted-printable'],
  ['"base64"', 'base64'],
  ['x-uuencode', 'uuencode'],
  ['8 bit', 'identity'],
  ['', 'identity'],
] as const)
  test(`Content-Transfer-Encoding ${JSON.stringify(given)}`, () =>
    assert.equal(transferEncoding(given), want))

const charsets: readonly (readonly [
  string | undefined,
  string,
  string,
  'unknown' | 'malformed' | undefined,
])[] = [
  ['utf-8', 'Grüße'.split('').join(''), 'Grüße', undefined],
  ['us-ascii', 'Gr\xfc\xdfe', 'Grüße', 'malformed'],
  [undefined, 'Gr\xfc\xdfe', 'Grüße', 'malformed'],
  ['iso-8859-1', '\x80 \x92', '€ ’', undefined],
  ['windows-1252', 'Gr\xfc\xdfe \x80', 'Grüße €', undefined],
  ['cp1251', '\xcf\xf0\xe8\xe2\xe5\xf2', 'Привет', undefined],
  ['koi8-r', '\xf0\xd2\xc9\xd7\xc5\xd4', 'Привет', undefined],
  ['utf-7', 'Hi Mom +Jjo--!', 'Hi Mom ☺-!', undefined],
  ['UTF-7', 'A+ImIDkQ.', 'A≢Α.', undefined],
  ['utf-7', '1 +- 1', '1 + 1', undefined],
  ['iso-2022-jp', '\x1b$B$3$s$K$A$O\x1b(B!', 'こんにちは!', undefined],
  ['iso-2022-jp', '\x1b$B$3$s', 'こん', undefined],
  ['iso-2022-jp-2', '\x1b$A!6\x1b$(C0!\x1b(B', '《가', undefined],
  ['iso-2022-jp', '\x1b(I1\x1b(B', 'ｱ', undefined],
  ['iso-2022-kr', '\x1b$)C\x0e0!\x0f ok', '가 ok', undefined],
  ['hz-gb-2312', '~{VPND~} ~~', '中文 ~', undefined],
  ['gb18030', '\xd6\xd0\xce\xc4', '中文', undefined],
  ['gb2312', '\xd6\xd0\xce\xc4', '中文', undefined],
  ['big5', '\xa4\xa4\xa4\xe5', '中文', undefined],
  ['ks_c_5601-1987', '\xb0\xa1', '가', undefined],
  ['euc-jp', '\xa4\xb3', 'こ', undefined],
  ['shift_jis', '\x82\xb1', 'こ', undefined],
  ['utf-16le', 'a\0b\0', 'ab', undefined],
  ['utf-32be', '\0\0\0a', 'a', undefined],
  ['cp437', '\x81\xe1 \xdb', 'üß █', undefined],
  ['IBM850', '\x81\xb5', 'üÁ', undefined],
  ['852', '\xa5', 'ą', undefined],
  ['ibm00858', '\xd5', '€', undefined],
  ['cp866', '\x8f', 'П', undefined],
  ['csPC8CodePage437', '\x9b', '¢', undefined],
  ['viscii', 'Vi\xaet', 'Việt', undefined],
  ['x-mac-ce', '\x8b', 'č', undefined],
  ['no-such-charset', 'abc', 'abc', 'unknown'],
  ['utf-8', '\xff', '\ufffd', 'malformed'],
]
for (const [charset, given, want, defect] of charsets)
  test(`charset ${charset}: ${JSON.stringify(given)}`, () => {
    const isWide = /[^\x00-\xff]/.test(given) || (charset === 'utf-8' && given === want)
    const found = decodeText(Buffer.from(given, isWide ? 'utf8' : 'latin1'), charset)
    assert.deepEqual(found, { text: want, defect })
  })

test('no octets make a charset throw', () => {
  const names = fc.constantFrom(
    'utf-7',
    'hz',
    'iso-2022-jp',
    'iso-2022-kr',
    'utf-32',
    'utf-16',
    'gb18030',
    'x',
    '\0',
    '',
  )
  const octets = fc.array(
    fc.constantFrom(0x1b, 0x24, 0x28, 0x42, 0x0e, 0x0f, 0x2b, 0x2d, 0x7e, 0x7b, 0x4e, 0x61, 0xff, 0x0a),
  )
  fc.assert(fc.property(names, octets, (name, bytes) => void decodeText(Buffer.from(bytes), name)))
})

const words: readonly (readonly [string, string])[] = [
  ['=?utf-8?q?a?==?utf-8?q?b?=', 'ab'],
  ['=?utf-8?B?R3L?= =?utf-8?B?DvMOfZQ==?=', 'Grüße'],
  ['=?utf-8?q?=?=', '='],
  ['=?utf-8?q?open =?utf-8?q?a?=', '=?utf-8?q?open a'],
  ['=?utf-8?q?a=0D=0ABcc:_x?=', 'a Bcc: x'],
  ['=?iso-2022-jp?B?GyRCJDMbKEI=?=', 'こ'],
  ['=?utf-8?x?a?=', '=?utf-8?x?a?='],
  ['=?utf-8*en?Q?a_b?=', 'a b'],
]
for (const [given, want] of words) test(`words: ${given}`, () => assert.equal(decodeWords(given), want))

test('a file out of the text, and the text without it', () => {
  const message = parseMessage(
    Buffer.from('Subject: x\r\n\r\nbefore\r\nbegin 644 a.txt\r\n%:&5L;&\\\r\n`\r\nend\r\nafter\r\n'),
  )
  assert.equal(message.text, 'before\nafter\n')
  assert.equal(message.attachments[0]?.filename, 'a.txt')
  assert.equal(Buffer.from(message.attachments[0]?.content ?? []).toString(), 'hello')
})

test('a stream is read like the whole, and no further than its bound', async () => {
  const bytes = Buffer.from('Subject: x\r\n\r\nbody')
  async function* stream(): AsyncGenerator<Uint8Array> {
    for (const octet of bytes) yield Buffer.from([octet])
  }
  assert.deepEqual(await parseMessage(stream()), parseMessage(bytes))
  const cut = await parseMessage(stream(), { messageBytesMax: 14 })
  assert.deepEqual(cut.defects, [{ code: 'too-large', offset: 14 }])
})

test('calendar, pictures and messages within are found; a search finds what is in them', () => {
  const message = parseMessage(
    Buffer.from(
      [
        'From: =?utf-8?q?J=C3=BCrgen?= <j@x.test>',
        'To: a@x.test',
        'To: b@x.test',
        'Content-Type: multipart/mixed; boundary=m',
        '',
        '--m',
        'Content-Type: multipart/alternative; boundary=a',
        '',
        '--a',
        'Content-Type: text/html',
        '',
        '<style>p{}</style><p>Tom &amp; <b>Jerry</b></p>',
        '--a',
        'Content-Type: text/calendar; method=request',
        '',
        'BEGIN:VCALENDAR',
        '--a--',
        '--m',
        'Content-Type: message/rfc822',
        '',
        'Subject: inner',
        '',
        'deep',
        '--m--',
      ].join('\r\n'),
    ),
  )
  assert.deepEqual(message.defects, [])
  assert.deepEqual(
    message.to.map((one) => one.kind === 'mailbox' && one.address),
    ['a@x.test', 'b@x.test'],
  )
  assert.equal(message.calendars[0]?.method, 'REQUEST')
  assert.equal(message.attachments[1]?.message?.subject, 'inner')
  assert.equal(message.attachments[1]?.message?.text, 'deep')
  for (const part of ['Jürgen', 'Tom & Jerry', 'inner', 'deep'])
    assert.ok(searchText(message).includes(part), part)
  const [alternative, within] = message.structure.children
  assert.equal(alternative?.children[0]?.lineCount, 0)
  assert.equal(within?.lineCount, 2)
})

test('limits leave out and say so', () => {
  const codes = (text: string, limits: Parameters<typeof parseMessage>[1]): readonly string[] => [
    ...new Set(parseMessage(Buffer.from(text), limits).defects.map(({ code }) => code)),
  ]
  assert.deepEqual(codes(`a: ${'x'.repeat(100)}\n\nbody`, { headerBytesMax: 50 }), ['header-too-large'])
  assert.deepEqual(codes('From: a@b.test\nFrom: c@d.test\n\n', {}), ['duplicate-field'])
  assert.deepEqual(codes('a: b\nc: d\ne: f\n\n', { fieldsMax: 2 }), ['too-many-fields'])
  assert.deepEqual(codes('Content-Type: a/b; c=d; e=f; g=h\n\n', { parametersMax: 1 }), [
    'too-many-parameters',
  ])
  const parts = 'Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\n\ny\n--b--\n'
  assert.deepEqual(codes(parts, { partsMax: 2 }), ['too-many-parts', 'unclosed-multipart'])
  assert.deepEqual(
    codes('Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\na: b\n\n', { depthMax: 1 }),
    ['too-deep'],
  )
})

test('HTML to text', () => {
  assert.equal(
    htmlToText('<p>a&nbsp;&lt;b&#33;</p><script>x</script ><div>c<br>d</div><!-- e --> 1 < 2'),
    'a <b!\n\nc\nd\n1 < 2',
  )
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('<', '>', '!', '--', 'script', '/', '&', ';', '#x1', 'p') }),
      (html) => void htmlToText(html),
    ),
  )
})
