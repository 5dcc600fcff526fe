// Reports as CPython's email package reads them, and what values of others cannot do to them.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import fc from 'fast-check'
import { cutReturnedContent, type DsnKind, type DsnReport, formatDsn } from './dsn.ts'
import { encodeQuotedPrintable, formatField, formatOriginalRecipient, formatRecipient } from './dsn-fields.ts'
import { decodeTransfer } from './transfer-decoding.ts'

const at = Date.UTC(2026, 4, 3, 12, 30, 5)
const kinds: readonly DsnKind[] = ['failed', 'delayed', 'delivered', 'relayed', 'expanded']
const header = Buffer.from('From: me@home.test\r\nSubject: hello\r\nMessage-ID: <abc@home.test>\r\n')

const report = (kind: DsnKind, changes: Partial<DsnReport> = {}): DsnReport => ({
  kind,
  id: '1jdrdla00t37v7th549g',
  originalId: '1jdrdla00007rn7soduk',
  hostname: 'mx.home.test',
  from: 'MAILER-DAEMON@mx.home.test',
  to: 'me@home.test',
  at,
  arrivalAt: at - 3_600_000,
  envid: 'QQ314159',
  global: false,
  recipients: [
    {
      finalRecipient: 'bob@there.test',
      originalRecipient: 'rfc822;sales@home.test',
      status: kind === 'failed' ? '5.1.1' : kind === 'delayed' ? '4.4.1' : '2.0.0',
      diagnostic: { isReply: true, text: '550 5.1.1 no such user' },
      remoteMta: 'mx1.there.test',
      lastAttemptAt: at - 1000,
      willRetryUntil: at + 86_400_000,
    },
    { finalRecipient: 'eve@there.test', status: '2.0.0' },
  ],
  returned: { kind: 'headers', bytes: header },
  ...changes,
})

const bytesOf = (given: DsnReport): Buffer => Buffer.concat(formatDsn(given).chunks)

const script = `
import sys, json, base64, email, email.policy
out = []
for raw in json.load(sys.stdin):
    m = email.message_from_bytes(base64.b64decode(raw), policy=email.policy.SMTPUTF8)
    parts = m.get_payload()
    status = parts[1]
    blocks = status.get_payload()
    if status.get_content_type() == 'message/global-delivery-status':
        # Unknown to this package: it reads the first block as a header and the others as the text of a message.
        text = blocks[0].get_payload(decode=True).decode('utf-8').replace('\\r\\n', '\\n')
        blocks = [blocks[0]] + [email.message_from_string(b, policy=email.policy.SMTPUTF8) for b in text.split('\\n\\n')]
    fields = [[[k, str(v)] for k, v in b.items()] for b in blocks]
    last = parts[2]
    content = last.get_payload()
    content = content[0].as_bytes(policy=email.policy.SMTPUTF8.clone(max_line_length=0)).decode('utf-8', 'replace') if isinstance(content, list) else last.get_payload(decode=True).decode('utf-8', 'replace')
    out.append({
        'type': m.get_content_type(), 'reportType': m.get_param('report-type'), 'to': str(m['to']), 'auto': str(m['auto-submitted']),
        'subject': str(m['subject']), 'parts': [p.get_content_type() for p in parts], 'text': parts[0].get_content(),
        'fields': [f for f in fields if f], 'content': content, 'defects': [repr(d) for p in [m] + parts for d in p.defects],
    })
json.dump(out, sys.stdout)
`

interface Parsed {
  readonly type: string
  readonly reportType: string
  readonly to: string
  readonly auto: string
  readonly subject: string
  readonly parts: readonly string[]
  readonly text: string
  readonly fields: readonly (readonly (readonly [string, string])[])[]
  readonly content: string
  readonly defects: readonly string[]
}

const python = spawnSync('python3', ['--version']).status === 0 ? 'python3' : undefined
const noPython = python === undefined ? 'python3 is not on this machine' : false

function parse(...reports: readonly DsnReport[]): readonly Parsed[] {
  const input = JSON.stringify(reports.map((each) => bytesOf(each).toString('base64')))
  const run = spawnSync('python3', ['-c', script], { input, encoding: 'utf8' })
  assert.equal(run.status, 0, run.stderr)
  return JSON.parse(run.stdout) as Parsed[]
}

const field = (parsed: Parsed, block: number, name: string): string | undefined =>
  parsed.fields[block]?.find(([key]) => key === name)?.[1]

test('CPython parses each of the five kinds as multipart/report with its per-recipient fields', {
  skip: noPython,
}, () => {
  const all = parse(...kinds.map((kind) => report(kind)))
  for (const [i, parsed] of all.entries()) {
    const kind = kinds[i] as DsnKind
    assert.equal(parsed.type, 'multipart/report')
    assert.equal(parsed.reportType, 'delivery-status')
    assert.equal(parsed.auto, 'auto-replied')
    assert.equal(parsed.to, 'me@home.test')
    assert.deepEqual(parsed.parts, ['text/plain', 'message/delivery-status', 'text/rfc822-headers'])
    assert.deepEqual(parsed.defects, [])
    assert.equal(parsed.fields.length, 3, kind)
    assert.equal(field(parsed, 0, 'Reporting-MTA'), 'dns; mx.home.test')
    assert.equal(field(parsed, 0, 'Original-Envelope-Id'), 'QQ314159')
    assert.equal(field(parsed, 0, 'Arrival-Date'), 'Sun, 03 May 2026 11:30:05 +0000')
    assert.equal(field(parsed, 1, 'Original-Recipient'), 'rfc822; sales@home.test')
    assert.equal(field(parsed, 1, 'Final-Recipient'), 'rfc822; bob@there.test')
    assert.equal(field(parsed, 1, 'Action'), kind)
    assert.match(field(parsed, 1, 'Status') ?? '', /^[245]\.\d+\.\d+$/)
    assert.equal(field(parsed, 1, 'Remote-MTA'), 'dns; mx1.there.test')
    assert.equal(field(parsed, 1, 'Diagnostic-Code'), 'smtp; 550 5.1.1 no such user')
    assert.equal(field(parsed, 1, 'Last-Attempt-Date'), 'Sun, 03 May 2026 12:30:04 +0000')
    assert.equal(
      field(parsed, 1, 'Will-Retry-Until'),
      kind === 'delayed' ? 'Mon, 04 May 2026 12:30:05 +0000' : undefined,
    )
    assert.equal(field(parsed, 2, 'Final-Recipient'), 'rfc822; eve@there.test')
    assert.match(parsed.text, /550 5\.1\.1 no such user/)
    assert.match(parsed.content, /Subject: hello/)
  }
})

test('CPython parses each of the five kinds of SMTPUTF8 reports (RFC 6533)', { skip: noPython }, () => {
  const recipients = [
    {
      finalRecipient: 'jürgen@bücher.test',
      originalRecipient: 'utf-8;büro@home.test',
      status: '5.6.7',
      diagnostic: { isReply: true, text: '550 5.6.7 Größe ungültig' },
    },
  ]
  const content = Buffer.from('From: jürgen@home.test\r\nSubject: Grüße\r\n')
  const all = parse(
    ...kinds.map((kind) =>
      report(kind, {
        global: true,
        to: 'jürgen@home.test',
        recipients,
        returned: { kind: 'headers', bytes: content },
      }),
    ),
    report('failed', {
      global: true,
      recipients,
      returned: { kind: 'full', bytes: Buffer.concat([content, Buffer.from('\r\nschöner Text\r\n')]) },
    }),
  )
  for (const [i, parsed] of all.entries()) {
    const last = i === 5 ? 'message/global' : 'message/global-headers'
    assert.deepEqual(parsed.parts, ['text/plain', 'message/global-delivery-status', last])
    assert.deepEqual(parsed.defects, [])
    assert.equal(field(parsed, 1, 'Final-Recipient'), 'utf-8; jürgen@bücher.test')
    assert.equal(field(parsed, 1, 'Original-Recipient'), 'utf-8; büro@home.test')
    assert.equal(field(parsed, 1, 'Diagnostic-Code'), 'smtp; 550 5.6.7 Größe ungültig')
    assert.match(parsed.text, /Größe ungültig/)
    assert.match(parsed.content, /Grüße/)
  }
  assert.equal(all[0]?.to, 'jürgen@home.test')
})

test('a report to a sender without SMTPUTF8 stays in ASCII whatever it speaks of', { skip: noPython }, () => {
  const given = report('failed', {
    recipients: [
      {
        finalRecipient: 'jürgen+a@bücher.test',
        originalRecipient: 'utf-8;büro@home.test',
        status: '5.1.1',
        diagnostic: { isReply: true, text: '550 Größe' },
      },
    ],
    returned: { kind: 'headers', bytes: Buffer.from('Subject: Grüße =)\r\nFrom: x@y.test\r\n') },
  })
  const made = formatDsn(given)
  assert.equal(made.body8bit, false)
  assert.equal(made.smtputf8, false)
  assert.doesNotMatch(bytesOf(given).toString('latin1'), /[^\x00-\x7f]/)
  const [parsed] = parse(given)
  assert.ok(parsed)
  assert.equal(field(parsed, 1, 'Final-Recipient'), 'utf-8; j\\x{FC}rgen\\x{2B}a@b\\x{FC}cher.test')
  assert.equal(field(parsed, 1, 'Original-Recipient'), 'utf-8; b\\x{FC}ro@home.test')
  assert.equal(field(parsed, 1, 'Diagnostic-Code'), 'smtp; 550 Gr\\x{F6}\\x{DF}e')
  assert.match(parsed.text, /550 Größe/)
  assert.match(parsed.content, /Subject: Grüße =\)/)
})

test('a whole 8-bit message that is returned is message/rfc822 in 8bit', { skip: noPython }, () => {
  const given = report('failed', {
    returned: { kind: 'full', bytes: Buffer.from('Subject: x\r\n\r\nGr\xfc\xdfe\r\n', 'latin1') },
  })
  assert.equal(formatDsn(given).body8bit, true)
  assert.equal(formatDsn(given).smtputf8, false)
  const [parsed] = parse(given)
  assert.deepEqual(parsed?.parts, ['text/plain', 'message/delivery-status', 'message/rfc822'])
  assert.deepEqual(parsed?.defects, [])
})

test('no value of others brings a line, a field or a part of its own into a report', () => {
  const nasty = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.constantFrom(
      'a\r\nAction: delivered',
      '\r\n\r\n--report-1jdrdla00t37v7th549g',
      'x\u2028y\u0085z',
      '\ud800',
    ),
  )
  const lines = (given: DsnReport): readonly string[] => bytesOf(given).toString('utf8').split('\r\n')
  const names = (given: DsnReport): readonly string[] =>
    lines(given)
      // What follows a soft line break is not the beginning of a line of the text.
      .filter(
        (_line, i, all) => i === 0 || all[i - 1]?.endsWith('=') === false || all[i]?.startsWith('-') === true,
      )
      .filter((line) => /^(?:Action|--report|Final-Recipient|Content-Type|To|Subject)/.test(line))
      .map((line) => line.replace(/:.*/, ''))
  fc.assert(
    fc.property(nasty, nasty, nasty, nasty, fc.boolean(), (one, two, three, four, global) => {
      const given = (a: string, b: string, c: string, d: string): DsnReport =>
        report('failed', {
          global,
          to: a,
          envid: b,
          hostname: c,
          recipients: [
            {
              finalRecipient: d,
              originalRecipient: `rfc822;${a}`,
              status: b,
              diagnostic: { isReply: true, text: c },
              remoteMta: d,
            },
          ],
        })
      const made = given(one, two, three, four)
      assert.deepEqual(names(made), names(given('a', 'b', 'c', 'd')))
      for (const line of lines(made)) {
        assert.doesNotMatch(line, /[\r\n\0]/)
        assert.ok(Buffer.byteLength(line) <= 4000)
      }
      if (!global) assert.doesNotMatch(bytesOf(made).toString('latin1'), /[^\x00-\x7f]/)
    }),
    { numRuns: 300 },
  )
})

test('fields are folded below 998 octets a line and lose no word', () => {
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[a-z]{1,1200}$/), { maxLength: 40 }), (words) => {
      const made = formatField('Diagnostic-Code', words.join(' '))
      assert.ok(made.endsWith('\r\n'))
      for (const line of made.split('\r\n')) assert.ok(line.length < 998, String(line.length))
      assert.equal(made.replace(/^[^:]*:/, '').replaceAll(/\s/g, ''), words.join(''))
    }),
    { numRuns: 50 },
  )
})

test('quoted-printable keeps every octet in lines of at most 76', { skip: noPython }, () => {
  const samples = fc.sample(fc.uint8Array({ maxLength: 300 }), 100).map((bytes) =>
    Buffer.from(
      Buffer.from(bytes)
        .toString('latin1')
        .replaceAll(/[\r\n]/g, '.'),
      'latin1',
    ),
  )
  const encoded = samples.map(encodeQuotedPrintable)
  for (const text of encoded) for (const line of text.split('\r\n')) assert.ok(line.length <= 76)
  const run = spawnSync(
    'python3',
    [
      '-c',
      'import sys,json,quopri,base64\njson.dump([base64.b64encode(quopri.decodestring(t.encode())).decode() for t in json.load(sys.stdin)], sys.stdout)',
    ],
    { input: JSON.stringify(encoded), encoding: 'utf8' },
  )
  assert.deepEqual(
    JSON.parse(run.stdout),
    samples.map((bytes) => bytes.toString('base64')),
  )
})

test('what is returned is the whole of a small message or the header of a large one', () => {
  const small = Buffer.from('A: b\r\n\r\nbody\r\n')
  const cut = (bytes: Buffer, want: 'full' | 'headers', bytesMax: number): readonly [string, string] => {
    const made = cutReturnedContent(bytes.subarray(0, bytesMax + 4), {
      want,
      sizeBytes: bytes.length,
      bytesMax,
    })
    return [made.kind, Buffer.from(made.bytes).toString()]
  }
  assert.deepEqual(cut(small, 'full', 100), ['full', 'A: b\r\n\r\nbody\r\n'])
  assert.deepEqual(cut(small, 'full', small.length), ['full', 'A: b\r\n\r\nbody\r\n'])
  assert.deepEqual(cut(small, 'full', small.length - 1), ['headers', 'A: b\r\n'])
  assert.deepEqual(cut(small, 'headers', 100), ['headers', 'A: b\r\n'])
  assert.deepEqual(cut(Buffer.from('A: b\r\nC: d\r\nE: f\r\n\r\n'), 'headers', 14), [
    'headers',
    'A: b\r\nC: d\r\n',
  ])
  assert.deepEqual(cut(Buffer.from('\r\nonly a body\r\n'), 'headers', 100), ['headers', ''])
  assert.deepEqual(cut(Buffer.from(''), 'full', 100), ['full', ''])
})

test('addresses in fields', () => {
  assert.equal(formatRecipient('a@b.test', true), 'rfc822; a@b.test')
  assert.equal(formatRecipient('ü@b.test', true), 'utf-8; ü@b.test')
  assert.equal(formatRecipient('ü@b.test', false), 'utf-8; \\x{FC}@b.test')
  assert.equal(formatRecipient('😀=@b.test', false), 'utf-8; \\x{1F600}\\x{3D}@b.test')
  assert.equal(formatOriginalRecipient('rfc822;a@b.test', false), 'rfc822; a@b.test')
  assert.equal(formatOriginalRecipient('utf-8;\\x{FC}@b.test', false), 'utf-8; \\x{FC}@b.test')
  assert.equal(formatOriginalRecipient('no type', false), undefined)
  assert.equal(formatOriginalRecipient(';a@b', false), undefined)
  assert.equal(formatOriginalRecipient('x\r\ny;a@b', false), undefined)
})

test('a report is refused where its own names could bring a line, and without a recipient', () => {
  const wrong: readonly (readonly [Partial<DsnReport>, string])[] = [
    [{ id: 'a\r\nX-Evil: 1' }, 'id'],
    [{ id: '' }, 'id'],
    [{ kind: 'x\r\ny' as DsnReport['kind'] }, 'kind'],
    [{ recipients: [] }, 'recipients'],
  ]
  for (const [part, field] of wrong)
    assert.throws(() => formatDsn(report('failed', part)), {
      name: 'UsageError',
      message: new RegExp(`^${field}`),
    })
})

test('no line of quoted-printable is like a boundary, wherever it is broken', () => {
  for (let width = 0; width < 80; width++) {
    const text = `${'x'.repeat(width)}--report-1`
    const encoded = encodeQuotedPrintable(Buffer.from(text))
    assert.doesNotMatch(encoded, /^-/m)
    for (const line of encoded.split('\r\n')) assert.ok(line.length <= 76)
    assert.equal(decodeTransfer(Buffer.from(encoded), 'quoted-printable').bytes.toString(), text)
  }
})
