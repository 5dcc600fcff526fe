// The transport that signs: whose mail, with what, how often, and what happens where it cannot.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateDkimKey } from '../auth/dkim-keys.ts'
import { DkimSigner } from '../auth/dkim-sign.ts'
import { silentLog } from '../base/log.ts'
import { silentMetrics } from '../base/metrics.ts'
import type { BodyReader, DeliveryJob, Transport, TransportResult } from '../queue/transport.ts'
import type { Delivery, Message, MessageOrigin } from '../queue/types.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { createDkimSigning } from './dkim-signing.ts'

const privateKey = await generateDkimKey('ed25519')
const text = 'From: a@here.test\r\nSubject: x\r\n\r\nHello\r\n'
const trusted: MessageOrigin = { via: 'submission', identity: 'a@here.test' }
const { signal } = new AbortController()

const reader = (bytes: string, inline = true): BodyReader => ({
  sizeBytes: bytes.length,
  bytes: () => (inline ? Buffer.from(bytes) : undefined),
  async *stream() {
    for (let at = 0; at < bytes.length; at += 7) yield Buffer.from(bytes.slice(at, at + 7))
  },
})

function job(
  body: BodyReader,
  origin: MessageOrigin = trusted,
  id = 'm1',
  destination = 'mx:far.test',
): DeliveryJob {
  const message = { id, reversePath: 'a@here.test', origin, sizeBytes: body.sizeBytes } as Message
  return { message, deliveries: [{ messageId: id, seq: 0, destination } as Delivery], body }
}

async function drain(body: BodyReader): Promise<string> {
  let read = ''
  for await (const bytes of body.stream(signal)) read += Buffer.from(bytes).toString('latin1')
  return read
}

function world() {
  const clock = new VirtualClock(Date.UTC(2026, 10, 21))
  const keys = {
    version: 0,
    signer: new DkimSigner({ keys: [{ domain: 'here.test', selector: 's', privateKey }], clock }),
  }
  const sent: DeliveryJob[] = []
  const warned: string[] = []
  const inner: Transport = {
    async deliver(given): Promise<TransportResult> {
      sent.push(given)
      const report = { hosts: [], startedAt: 0, endedAt: 0, notes: ['from the relay'] }
      return { outcomes: [{ kind: 'delivered', how: 'relayed' }], report, destination: 'up' }
    },
  }
  const signing = createDkimSigning(inner, {
    clock,
    log: { ...silentLog, warn: (fields) => void warned.push(JSON.stringify(fields)) },
    metrics: silentMetrics,
    keys: {
      get version() {
        return keys.version
      },
      signerFor: (domain) =>
        domain === 'here.test' ? { domain, signer: keys.signer, names: ['s (Ed25519)'] } : undefined,
    },
    isOurs: (domain) => domain === 'here.test' || domain === 'bare.test',
    isTrusted: (address) => address === '10.0.0.1',
    mayWriteAs: (_identity, address) => address === 'team@here.test',
    senderMustMatch: true,
  })
  const deliver = async (given: DeliveryJob) => {
    const result = await signing.deliver(given, signal)
    return { result, body: sent.at(-1)?.body, notes: result.report.notes ?? [] }
  }
  return { clock, keys, sent, warned, deliver, signing }
}

const whose: readonly (readonly [origin: MessageOrigin, isSigned: boolean])[] = [
  [trusted, true],
  [{ via: 'submission', peerAddress: '10.0.0.1' }, true],
  [{ via: 'api', identity: 'b@here.test' }, true],
  [{ via: 'program' }, true],
  [{ via: 'sendmail', identity: 'root (uid 0)' }, true],
  [{ via: 'bounce' }, true],
  [{ via: 'smtp', peerAddress: '10.0.0.1' }, true],
  [{ via: 'smtp', peerAddress: '10.0.0.2' }, false],
  [{ via: 'lmtp', peerAddress: '10.0.0.1' }, false],
  [{ via: 'release', identity: 'a@here.test' }, false],
  [{ via: 'something new' }, false],
  [{ via: 'submission', identity: 'x@else.test' }, false],
]
for (const [origin, isSigned] of whose) {
  test(`dkim signing: ${JSON.stringify(origin)}: ${isSigned ? 'signed' : 'as it is'}`, async () => {
    const { deliver } = world()
    const { body } = await deliver(job(reader(text), origin))
    assert.equal((await drain(body ?? assert.fail())).startsWith('DKIM-Signature:'), isSigned)
  })
}

test('dkim signing: whole and streamed bodies are the same octets, and their size is right', async () => {
  const { deliver } = world()
  const whole = (await deliver(job(reader(text)))).body ?? assert.fail()
  const streamed = (await deliver(job(reader(text, false), trusted, 'm2'))).body ?? assert.fail()
  assert.equal(await drain(whole), await drain(streamed))
  assert.equal(Buffer.from(whole.bytes() ?? []).toString('latin1'), await drain(whole))
  assert.equal(streamed.bytes(), undefined)
  for (const body of [whole, streamed]) assert.equal(body.sizeBytes, (await drain(body)).length)
  assert.ok((await drain(whole)).endsWith(`\r\n${text}`))
})

test('dkim signing: an author of another domain of ours needs the word of the directory', async () => {
  const { deliver } = world()
  const other: MessageOrigin = { via: 'submission', identity: 'x@bare.test' }
  const cases = [
    [text, 'not signed: x@bare.test is not known as a sender of here.test'],
    [text.replace('a@', 'team@'), 'signed for here.test by s (Ed25519)'],
  ] as const
  for (const [index, [raw, note]] of cases.entries())
    assert.deepEqual((await deliver(job(reader(raw), other, `m${index}`))).notes, [note, 'from the relay'])
})

test('dkim signing: once for a message, again when the keys changed or time has gone by', async () => {
  const { deliver, clock, keys } = world()
  let opened = 0
  const counted: BodyReader = {
    ...reader(text),
    bytes() {
      opened++
      return Buffer.from(text)
    },
  }
  const signs = async (): Promise<boolean> => {
    const before = opened
    await deliver(job(counted))
    return opened > before
  }
  assert.equal(await signs(), true)
  assert.equal(await signs(), false)
  keys.version++
  assert.equal(await signs(), true)
  await clock.advance(16 * 60_000)
  assert.equal(await signs(), true)
})

test('dkim signing: LMTP hands over for good, nothing is signed', async () => {
  const { deliver } = world()
  const { body } = await deliver(job(reader(text), trusted, 'm1', 'lmtp:backend:24'))
  assert.equal(await drain(body ?? assert.fail()), text)
})

const broken: readonly (readonly [what: string, raw: string, note: string | undefined])[] = [
  [
    'a key that is missing',
    text.replace('here.test', 'bare.test'),
    'not signed: bare.test has no key that signs',
  ],
  ['no From', 'Subject: x\r\n\r\nHello\r\n', undefined],
  ['two From', `From: b@here.test\r\n${text}`, 'not signed: its From field is not clear (several-from)'],
  ['NUL in the header', text.replace('Subject: x', 'Subject: \0'), undefined],
  ['a foreign author', text.replace('here.test', 'else.test'), undefined],
  ['no header at all', '\r\nHello\r\n', undefined],
  ['nothing', '', undefined],
]
for (const [what, raw, note] of broken) {
  test(`dkim signing: ${what}: sent as it is, and told`, async () => {
    const { deliver } = world()
    const identity = raw.includes('bare') ? 'a@bare.test' : 'a@here.test'
    const { result, body, notes } = await deliver(job(reader(raw), { via: 'submission', identity }))
    assert.equal(result.outcomes[0]?.kind, 'delivered')
    assert.equal(await drain(body ?? assert.fail()), raw)
    assert.deepEqual(notes, note === undefined ? ['from the relay'] : [note, 'from the relay'])
  })
}

test('dkim signing: one warning for one reason in ten minutes, however many messages', async () => {
  const { deliver, warned, clock } = world()
  const bare = text.replace('here.test', 'bare.test')
  const origin: MessageOrigin = { via: 'submission', identity: 'a@bare.test' }
  for (let i = 0; i < 50; i++) await deliver(job(reader(bare), origin, `m${i}`))
  assert.equal(warned.length, 1)
  await clock.advance(10 * 60_000)
  await deliver(job(reader(bare), origin, 'later'))
  assert.equal(warned.length, 2)
})

test('dkim signing: a body that cannot be read is put off, not sent unsigned; the next try reads it again', async () => {
  const { deliver, sent } = world()
  let isBroken = true
  const body: BodyReader = {
    ...reader(text, false),
    async *stream() {
      yield Buffer.from('From: a@here.test\r\n')
      if (isBroken) throw new Error('EIO')
      yield Buffer.from('\r\nHello\r\n')
    },
  }
  const first = await deliver(job(body))
  assert.deepEqual(first.result.outcomes, [
    { kind: 'deferred', status: '4.3.0', reason: 'local problem while reading the message', isReply: false },
  ])
  assert.equal(sent.length, 0)
  isBroken = false
  const second = await deliver(job(body))
  assert.equal(second.notes[0], 'signed for here.test by s (Ed25519)')
})
