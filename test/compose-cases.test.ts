// Owns the table of messages that are hard to write: what we compose of them is read by our own parser, CPython and neomutt as it
// was meant; and random messages are read by neomutt, as src/message/compose-readers.test.ts has them read by the others.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  compose,
  flattenAddresses,
  type HeaderAddress,
  type MessageInput,
  parseMessage,
} from '../src/message.ts'
import { seededRandom } from '../src/testing/seeded-random.ts'
import { composeCases, type ReadMessage } from './support/compose-cases.ts'
import { type MuttRead, noMutt, noPython, readByMutt, readByPython } from './support/mail-readers.ts'

const make = (input: MessageInput, seed: number): Buffer =>
  Buffer.from(compose(input, { now: 1e12, random: seededRandom(seed), hostname: 'h.test' }).bytes() ?? [])

const raws = composeCases.map(({ input }, i) => make(input, i))

const unquoted = (list: readonly HeaderAddress[]): readonly (readonly [string, string])[] =>
  flattenAddresses(list).map(({ name, address }) => [name, address])

function readByUs(bytes: Buffer): ReadMessage {
  const message = parseMessage(bytes)
  assert.deepEqual(message.defects, [])
  const within = message.attachments.find((one) => one.message !== undefined)?.message?.subject
  return {
    subject: message.subject,
    from: unquoted(message.from),
    to: unquoted(message.to),
    references: message.references.map((id) => `<${id}>`),
    text: message.text,
    html: message.html,
    files: message.attachments
      .filter((one) => one.message === undefined)
      .map((one) => [one.filename ?? '', Buffer.from(one.content).toString('latin1')]),
    ...(within === undefined ? {} : { within }),
  }
}

const trimmed = (text: string | undefined): string | undefined =>
  text?.replace(/\r\n/g, '\n').replace(/\n$/, '')

function check(read: ReadMessage, want: ReadMessage): void {
  for (const key of Object.keys(want) as (keyof ReadMessage)[]) {
    const value = read[key]
    assert.deepEqual(typeof value === 'string' ? trimmed(value) : value, want[key], key)
  }
}

composeCases.forEach(({ name, want, never, always }, i) => {
  const raw = raws[i] as Buffer
  test(`compose case: ${name}`, () => {
    const wire = raw.toString('latin1')
    assert.doesNotMatch(wire, /\r(?!\n)|(?<!\r)\n|[\x80-\xff\0]/)
    for (const line of wire.split('\r\n')) assert.ok(line.length <= 998)
    if (never !== undefined) assert.doesNotMatch(wire, never)
    if (always !== undefined) assert.match(wire, always)
    check(readByUs(raw), want)
  })
})

test('the cases are read by CPython', { skip: noPython, timeout: 60_000 }, () => {
  readByPython(raws).forEach((read, i) => {
    assert.deepEqual(read.defects, [], composeCases[i]?.name)
    const { to = [] } = read
    // CPython 3.11 shows a blank for each border of two encoded-words in a name (RFC 2047 section 6.2 has none there).
    check(
      { ...read, to: to.map(([name, at]) => [name.replace(/ +/g, ' '), at]) },
      composeCases[i]?.want ?? {},
    )
  })
})

/** neomutt wraps what it shows, and drops quotes of names. */
const bare = (text: string): string => text.replace(/\s+/g, '').replace(/["\\]/g, '')

function checkMutt({ header, body, file }: MuttRead, want: ReadMessage, shown: string): void {
  if (want.subject !== undefined) assert.equal(bare(header.get('subject') ?? ''), bare(want.subject), shown)
  for (const field of ['from', 'to'] as const)
    for (const [name, address] of want[field] ?? []) {
      assert.ok(
        bare(header.get(field) ?? '').includes(bare(name)),
        `${shown}: ${name} in ${header.get(field)}`,
      )
      assert.ok(header.get(field)?.includes(address), `${shown}: ${address} in ${header.get(field)}`)
    }
  if (want.text !== undefined) assert.ok(body.startsWith(want.text), `${shown}: ${body}`)
  const last = want.files?.at(-1)
  if (last !== undefined) {
    assert.equal(file?.[0], last[0], shown)
    assert.equal(file?.[1].toString('latin1'), last[1], shown)
  }
}

test('the cases are read by neomutt', { skip: noMutt, timeout: 60_000 }, () => {
  composeCases.forEach(({ name, want }, i) => {
    checkMutt(readByMutt(raws[i] as Buffer, want.files !== undefined), want, name)
  })
})

const character = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...'abcdefgXYZ0123 ') },
  { weight: 2, arbitrary: fc.constantFrom(...'",;:<>()[]@=?_.%\'*&') },
  { weight: 1, arbitrary: fc.constantFrom('ü', 'é', '日', '本', '語', '😀', 'я', '=?', '?=', 'From ') },
)
const line = (maxLength: number): fc.Arbitrary<string> =>
  fc.array(character, { maxLength }).map((characters) => characters.join('').replace(/\s+/g, ' ').trim())
const input = fc.record({
  from: line(60).map((name) => ({ name, address: 'a@from.test' })),
  to: fc.array(
    line(60).map((name) => ({ name, address: 'b@to.test' })),
    { minLength: 1, maxLength: 3 },
  ),
  subject: fc.oneof(line(30), line(300)).map((subject) => `s${subject}`),
  text: fc
    .array(fc.oneof(line(30), line(200), line(900)), { maxLength: 6 })
    .map((lines) => `t${lines.join('\n')}`),
  attachments: fc.array(
    fc.record({
      filename: fc.oneof(line(12), line(40)).map((name) => `n${name}z`),
      content: fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      contentType: fc.constant('application/octet-stream'),
    }),
    { maxLength: 2 },
  ),
})

test('random messages are read by neomutt as they were meant', { skip: noMutt, timeout: 60_000 }, () => {
  const inputs = fc.sample(input, { numRuns: 30, seed: 20261121 })
  inputs.forEach(({ from, to, subject, text, attachments }, i) => {
    const people = (list: readonly { name: string; address: string }[]) =>
      list.map(({ name, address }) => [name, address] as const)
    const files = attachments.map(({ filename, content }) => [filename, content.toString('latin1')] as const)
    checkMutt(
      readByMutt(make(inputs[i] as MessageInput, i), files.length > 0),
      { subject, from: people([from]), to: people(to), text, ...(files.length > 0 ? { files } : {}) },
      `message ${i}`,
    )
  })
})
