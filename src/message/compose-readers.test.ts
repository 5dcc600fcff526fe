// Owns the property that readers see what was meant: random messages, composed here, read by our own parser and by CPython's
// email package (all in one process of it; skipped where there is no python3).

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../testing/seeded-random.ts'
import { compose } from './compose.ts'
import type { HeaderAddress } from './header-addresses.ts'
import type { MessageInput } from './message-input.ts'
import { parseMessage } from './parse-message.ts'

const reader = `
import sys, json, base64
from email import message_from_bytes, policy
out = []
for line in sys.stdin:
    raw = base64.b64decode(line)
    m = message_from_bytes(raw, policy=policy.default)
    def people(name):
        h = m[name]
        return [] if h is None else [[a.display_name, a.username + '@' + a.domain] for a in h.addresses]
    texts, files = {}, []
    for part in m.walk():
        if part.is_multipart():
            continue
        kind = part.get_content_type()
        if part.get_content_disposition() is None and kind.startswith('text/'):
            texts[kind] = part.get_content()
        else:
            files.append([part.get_filename(), kind, base64.b64encode(part.get_payload(decode=True) or b'').decode(),
                          part['content-id']])
    defects = [str(d) for p in m.walk() for d in p.defects]
    out.append(dict(subject=m['subject'], sender=people('from'), to=people('to'), cc=people('cc'), bcc=m['bcc'],
                    own=m['x-own'], texts=texts, files=files, defects=defects, references=m['references']))
json.dump(out, sys.stdout)
`

interface Read {
  readonly subject: string | null
  readonly sender: readonly (readonly [string, string])[]
  readonly to: readonly (readonly [string, string])[]
  readonly cc: readonly (readonly [string, string])[]
  readonly bcc: string | null
  readonly own: string | null
  readonly texts: Readonly<Record<string, string>>
  readonly files: readonly (readonly [string | null, string, string, string | null])[]
  readonly defects: readonly string[]
  readonly references: string | null
}

const character = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...'abcdefgXYZ0123 ') },
  { weight: 2, arbitrary: fc.constantFrom(...'",;:<>()[]\\@=?_.%\'*&') },
  { weight: 1, arbitrary: fc.constantFrom('ü', 'é', '日', '本', '語', '😀', 'я', '=?', '?=', 'From ') },
)
const line = (maxLength: number) =>
  fc.array(character, { maxLength }).map((characters) => characters.join('').replace(/\s+/g, ' ').trim())
const word = fc.oneof(line(20), line(90), line(90), fc.constant('x'.repeat(1500)), line(400))
const address = fc.record({
  name: fc.oneof(line(20), line(90)),
  address: fc
    .tuple(
      fc.constantFrom('a', 'b.c', 'd+e', '"f g"', "o'h"),
      fc.constantFrom('x.test', 'mail.example', 'bücher.example'),
    )
    .map(([local, domain]) => `${local}@${domain}`),
})
const text = fc
  .array(fc.oneof(line(30), line(200), line(900)), { maxLength: 8 })
  .chain((lines) => fc.constantFrom('\n', '\r\n', '\r').map((end) => lines.join(end)))
const attachment = fc.record({
  filename: fc.oneof(line(12), line(120)).map((name) => `${name}z`),
  content: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
})
const input: fc.Arbitrary<MessageInput> = fc.record(
  {
    from: address,
    to: fc.array(address, { minLength: 1, maxLength: 4 }),
    cc: fc.array(address, { maxLength: 2 }),
    bcc: fc.constant('secret@x.test'),
    subject: word,
    headers: word.map((value) => ({ 'X-Own': value })),
    text,
    html: text,
    flowed: fc.constant(false),
    attachments: fc.array(attachment, { maxLength: 3 }),
    references: fc.array(fc.constantFrom('<a@b>', `<${'r'.repeat(60)}@c.test>`), { maxLength: 40 }),
  },
  { requiredKeys: ['from', 'to', 'bcc'] },
)

type Named = { readonly name: string; readonly address: string }
const people = (list: unknown): readonly (readonly [string, string])[] =>
  (list as readonly Named[]).map(({ name, address: at }) => [
    name,
    at.replaceAll('"', '').replace('bücher', 'xn--bcher-kva'),
  ])
const unify = (value: string | undefined): string | undefined =>
  value?.replace(/\r\n?|\n/g, '\n').replace(/\n+$/, '')

const inputs = fc.sample(input, { numRuns: 400, seed: 20261121 })
const raws = inputs.map((one) => {
  const message = compose(one, { now: 0, random: seededRandom(1), hostname: 'h.test' })
  return Buffer.from(message.bytes() ?? []).toString('base64')
})

test('random messages are ASCII in CRLF lines of at most 998 and keep their secrets', () => {
  for (const encoded of raws) {
    const raw = Buffer.from(encoded, 'base64').toString('latin1')
    assert.doesNotMatch(raw, /\r(?!\n)|(?<!\r)\n|secret|[\x80-\xff\0]/)
    for (const each of raw.split('\r\n')) assert.ok(each.length <= 998, `a line of ${each.length}`)
    // RFC 2047 section 2.
    for (const each of raw.split('\r\n'))
      if (/=\?UTF-8\?[QB]\?/.test(each)) assert.ok(each.length <= 76, each)
  }
})

const unquoted = (list: readonly HeaderAddress[]): unknown =>
  list.map((entry) => (entry.kind === 'group' ? entry : [entry.name, entry.address.replaceAll('"', '')]))

test('random messages are read by our own parser as they were meant', () => {
  inputs.forEach((one, i) => {
    const bytes = Buffer.from(raws[i] as string, 'base64')
    const shown = `message ${i}: ${bytes.toString().slice(0, 1500)}`
    const read = parseMessage(bytes)
    assert.deepEqual(read.defects, [], shown)
    assert.equal(read.subject, one.subject ?? '', shown)
    assert.deepEqual(unquoted(read.from), people([one.from]), shown)
    assert.deepEqual(unquoted(read.to), people(one.to), shown)
    assert.deepEqual(unquoted(read.cc), people(one.cc ?? []), shown)
    assert.deepEqual(
      read.references,
      ((one.references ?? []) as readonly string[]).map((id) => id.slice(1, -1)),
      shown,
    )
    assert.equal(unify(read.text), unify((one.text ?? '') as string), shown)
    assert.equal(unify(read.html), unify((one.html ?? '') as string), shown)
    const files = (one.attachments ?? []).map((file) => [
      file.filename,
      Buffer.from(file.content as Uint8Array),
    ])
    assert.deepEqual(
      read.attachments.map((file) => [file.filename, Buffer.from(file.content)]),
      files,
      shown,
    )
  })
})

const asked = spawnSync('python3', ['-c', 'import email'])
const skip = asked.error !== undefined || asked.status !== 0 ? 'python3 is not here' : false

test('random messages are read by CPython as they were meant', { skip, timeout: 120_000 }, () => {
  const run = spawnSync('python3', ['-c', reader], {
    input: raws.join('\n'),
    maxBuffer: 1 << 28,
    encoding: 'utf8',
  })
  assert.equal(run.status, 0, run.stderr)
  const reads = JSON.parse(run.stdout) as readonly Read[]
  assert.equal(reads.length, inputs.length)
  reads.forEach((read, i) => {
    const one = inputs[i] as MessageInput
    const shown = `message ${i}: ${Buffer.from(raws[i] as string, 'base64')
      .toString()
      .slice(0, 1500)}`
    assert.deepEqual(read.defects, [], shown)
    assert.equal(read.bcc, null)
    assert.equal(read.subject ?? '', one.subject ?? '', shown)
    assert.equal(read.own ?? '', (one.headers as Record<string, string> | undefined)?.['X-Own'] ?? '', shown)
    assert.deepEqual(
      read.sender.map(([name, at]) => [name, at.replaceAll('"', '')]),
      people([one.from]),
      shown,
    )
    assert.deepEqual(
      read.to.map(([name, at]) => [name, at.replaceAll('"', '')]),
      people(one.to),
      shown,
    )
    assert.deepEqual(
      read.cc.map(([name, at]) => [name, at.replaceAll('"', '')]),
      people(one.cc ?? []),
      shown,
    )
    const references = (one.references ?? []) as readonly string[]
    assert.deepEqual((read.references ?? '').split(' ').filter(Boolean), references, shown)
    const onlyFile = (one.text ?? '') === '' && (one.html ?? '') === ''
    if (!onlyFile) {
      assert.equal(
        unify(read.texts['text/plain']),
        unify((one.text || undefined) as string | undefined),
        shown,
      )
      assert.equal(
        unify(read.texts['text/html']),
        unify((one.html || undefined) as string | undefined),
        shown,
      )
    }
    const files = (one.attachments ?? []).map((file) => [
      file.filename as string,
      Buffer.from(file.content as Uint8Array).toString('base64'),
    ])
    assert.deepEqual(
      read.files.map(([name, , content]) => [name, content]),
      files,
      shown,
    )
  })
})
