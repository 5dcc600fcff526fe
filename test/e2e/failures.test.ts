// Issue 2, sections 5 and 8: a next hop that answers 4xx or 5xx at each stage, drops at each, is slow at each; what
// becomes of the message, and what its sender and an operator are told.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { PeerScript, PeerStage } from '../../src/testing/scripted-peer.ts'
import { day, hour, minute, readDsn, type Server, until, World } from './support/world.ts'

const stages = ['greeting', 'EHLO', 'MAIL', 'RCPT', 'DATA', 'end'] as const
const letter = { from: 'alice@here.test', to: 'b@far.test' }

const answerAt =
  (stage: PeerStage, answer: string): NonNullable<PeerScript['answer']> =>
  (at) =>
    at === stage ? answer : undefined

const lastOf = async (server: Server, id: string, kind: string) =>
  (await server.report(id)).events.filter((event) => event.kind === kind).at(-1)?.data as Record<
    string,
    unknown
  >

describe('a sink that answers 4xx at each stage: deferred with its words, retried, delivered', () => {
  for (const stage of stages)
    it(stage, async (t) => {
      const world = World.for(t)
      const sink = await world.sink({ answer: answerAt(stage, '451 4.7.1 come back later, please') })
      const server = await world.toSink(sink)
      const id = await server.accept(letter)
      await server.event(id, 'deferred')
      await server.quiet()
      const [item] = await server.queue()
      assert.match(
        item?.delivery.lastError ?? item?.blocked?.lastError ?? '',
        /451 4\.7\.1 come back later, please/,
      )
      assert.equal(item?.delivery.state, 'waiting')
      const { dueAt } = item?.delivery ?? { dueAt: 0 }
      const inMs = Math.max(dueAt, item?.blocked?.blockedUntil ?? 0) - world.clock.now()
      assert.ok(inMs > 15_000 && inMs < 75_000, `first retry after about 30 s: ${inMs}`)
      sink.peer.script = {}
      world.clock.advance(2 * minute)
      await server.event(id, 'delivered')
      assert.equal(sink.peer.messages.length, 1)
      await server.drained()
    })
})

describe('a sink that answers 5xx at each stage: bounced to the local sender with its words', () => {
  // RFC 5321 section 3.1: a 554 greeting speaks of the host, not of the message; another try may meet another host.
  for (const stage of stages.slice(2))
    it(stage, async (t) => {
      const world = World.for(t)
      const sink = await world.sink({
        answer: answerAt(
          stage,
          '554 5.7.1 we do not like\r\n554 5.7.1 your mail'.replace('554 5.7.1 we', '554-5.7.1 we'),
        ),
      })
      const server = await world.toSink(sink)
      const id = await server.accept(letter)
      const [mail] = await server.arrived('alice@here.test')
      assert.match(mail?.prefix ?? '', /^Return-Path: <>\r\n/)
      const dsn = readDsn(mail?.body ?? '')
      assert.match(dsn.message['reporting-mta'] ?? '', /^dns; ?mx\.here\.test$/)
      const [recipient] = dsn.recipients
      assert.equal(recipient?.['final-recipient'], 'rfc822; b@far.test')
      assert.deepEqual([recipient?.action, recipient?.status], ['failed', '5.7.1'])
      assert.match(recipient?.['diagnostic-code'] ?? '', /^smtp; 554.5\.7\.1 we do not like.*your mail/)
      assert.match(recipient?.['remote-mta'] ?? '', /^dns; /)
      assert.match(dsn.human, /we do not like/)
      assert.match(dsn.original, /^Subject: hello/m)
      const report = await server.report(id)
      assert.deepEqual(report.deliveries, [])
      const transcript = JSON.stringify(report.events)
      assert.match(transcript, /MAIL FROM:<alice@here\.test>/)
      assert.doesNotMatch(transcript, /Hello\./, 'no content')
    })

  for (const stage of stages.slice(0, 2))
    it(`${stage}: of the host, not of the message`, async (t) => {
      const world = World.for(t)
      const sink = await world.sink({
        answer: (at) => (at === stage || at === 'HELO' ? '554 5.7.1 go away' : undefined),
      })
      const server = await world.toSink(sink)
      const id = await server.accept(letter)
      await server.quiet()
      const told = [
        ...(await server.queue()).map((item) => JSON.stringify(item)),
        ...(await server.mail('alice@here.test')).map(({ body }) => body),
      ]
      assert.match(told.join('\n'), /554 5\.7\.1 go away/)
      assert.ok((await server.kinds(id)).some((kind) => kind === 'deferred' || kind === 'failed'))
    })
})

it('EHLO refused: HELO is tried and the message goes (RFC 5321 section 3.2)', async (t) => {
  const world = World.for(t)
  const sink = await world.sink({ answer: answerAt('EHLO', '500 5.5.1 what?') })
  const server = await world.toSink(sink)
  await server.event(await server.accept(letter), 'delivered')
  assert.equal(sink.peer.messages.length, 1)
})

describe('a sink that drops at each stage: deferred, then delivered', () => {
  for (const how of ['DROP', 'CLOSE'])
    for (const stage of stages)
      it(`${how} at ${stage}`, async (t) => {
        const world = World.for(t)
        const sink = await world.sink({ answer: answerAt(stage, how) })
        const server = await world.toSink(sink)
        const id = await server.accept(letter)
        await server.event(id, 'deferred')
        const { mayHaveDelivered } = await lastOf(server, id, 'deferred')
        assert.equal(
          mayHaveDelivered ?? false,
          stage === 'end',
          'a possible duplicate is marked, and nothing else',
        )
        await server.quiet()
        assert.equal((await server.queue()).length, 1)
        sink.peer.script = {}
        world.clock.advance(2 * minute)
        await server.event(id, 'delivered')
        assert.equal(sink.peer.messages.length, 1)
      })
})

describe('a sink that is slow at each stage: given up at the deadline of RFC 5321 section 4.5.3.2, then delivered', () => {
  for (const [stage, least, most] of [
    ['greeting', 1, 5],
    ['EHLO', 1, 5],
    ['MAIL', 4, 5],
    ['RCPT', 4, 5],
    ['DATA', 1, 2],
    ['end', 9, 10],
  ] as const)
    it(`${stage}: within ${most} minutes`, async (t) => {
      const world = World.for(t)
      let reached = false
      const sink = await world.sink({
        answer: (at) => {
          reached ||= at === stage
          return at === stage ? 'SILENT' : undefined
        },
      })
      const server = await world.toSink(sink)
      const id = await server.accept(letter)
      await until('the stage was reached', () => reached)
      // That it is connected is all that our side has to notice; what comes later it has written itself.
      if (stage === 'greeting') await new Promise((resolve) => setTimeout(resolve, 100))
      world.clock.advance(least * minute - 10_000)
      await new Promise((resolve) => setTimeout(resolve, 20))
      assert.equal((await server.kinds(id)).includes('deferred'), false, 'not before its time')
      world.clock.advance((most - least) * minute + 20_000)
      const report = await server.event(id, 'deferred')
      assert.match(JSON.stringify(report.events), /4\.4\.\d/)
      sink.peer.script = {}
      await server.quiet()
      world.clock.advance(3 * minute)
      await server.event(id, 'delivered')
    })
})

describe('per-recipient results', () => {
  it('one 250, one 450, one 550 in one message: each goes its own way and delays no other', async (t) => {
    const world = World.for(t)
    let greylisted = true
    const sink = await world.sink({
      answer: (stage, line) =>
        stage !== 'RCPT'
          ? undefined
          : line.includes('grey@')
            ? greylisted
              ? '450 4.2.0 greylisted, try in a while'
              : undefined
            : line.includes('gone@')
              ? '550 5.1.1 nobody of that name'
              : undefined,
    })
    const server = await world.toSink(sink)
    const id = await server.accept({ ...letter, to: ['good@far.test', 'grey@far.test', 'gone@far.test'] })
    await server.arrived('alice@here.test')
    await server.quiet()
    const report = await server.report(id)
    assert.deepEqual(
      report.events
        .flatMap(({ kind, seq }) => (seq === undefined ? [] : [`${kind} ${seq}`]))
        .filter((step) => /^(?:delivered|deferred|failed)/.test(step))
        .sort(),
      ['deferred 1', 'delivered 0', 'failed 2'],
    )
    assert.deepEqual(
      report.deliveries.map(({ recipient }) => recipient),
      ['grey@far.test'],
    )
    const dsn = readDsn((await server.mail('alice@here.test'))[0]?.body ?? '')
    assert.deepEqual(
      dsn.recipients.map((recipient) => recipient['final-recipient']),
      ['rfc822; gone@far.test'],
    )
    greylisted = false
    world.clock.advance(2 * minute)
    await server.drained()
    assert.deepEqual(
      sink.peer.messages.map(({ rcpts }) => rcpts.map((line) => /<(.*)>/.exec(line)?.[1])),
      [['good@far.test'], ['grey@far.test']],
    )
    assert.equal((await server.mail('alice@here.test')).length, 1)
  })
})

describe('retry, delay notice, expiry', () => {
  const greylist: PeerScript = { answer: answerAt('RCPT', '450 4.2.0 greylisted, try in a while') }

  it('a delay notice after 4 h, once; expiry after 5 d with 4.4.7 and the other side’s words', async (t) => {
    const world = World.for(t)
    const sink = await world.sink(greylist)
    const server = await world.toSink(sink)
    const id = await server.accept({
      ...letter,
      mail: ' RET=HDRS ENVID=env+2Bid',
      rcpt: ' ORCPT=rfc822;orig@far.test',
    })
    await server.event(id, 'deferred')
    await server.quiet()
    world.clock.advance(3.9 * hour)
    await server.event(id, 'deferred', 2)
    await server.quiet()
    assert.equal((await server.mail('alice@here.test')).length, 0)
    world.clock.advance(0.2 * hour)
    const [notice] = await server.arrived('alice@here.test')
    const delayed = readDsn(notice?.body ?? '')
    assert.equal(delayed.message['original-envelope-id'], 'env+id')
    const [recipient] = delayed.recipients
    assert.equal(recipient?.action, 'delayed')
    assert.match(recipient?.status ?? '', /^4\.2\.0$/)
    assert.match(recipient?.['diagnostic-code'] ?? '', /450 4\.2\.0 greylisted/)
    assert.ok(recipient?.['will-retry-until'] !== undefined)
    for (let i = 0; i < 4; i++) {
      await server.quiet()
      world.clock.advance(day)
      await server.event(id, 'deferred', 3 + i)
    }
    await server.quiet()
    assert.equal((await server.mail('alice@here.test')).length, 1, 'one notice')
    world.clock.advance(day)
    const bounce = (await server.arrived('alice@here.test', 2))[1]
    const failed = readDsn(bounce?.body ?? '')
    assert.deepEqual([failed.recipients[0]?.action, failed.recipients[0]?.status], ['failed', '4.4.7'])
    assert.match(failed.recipients[0]?.['diagnostic-code'] ?? '', /450 4\.2\.0 greylisted/)
    assert.equal(failed.recipients[0]?.['original-recipient'], 'rfc822; orig@far.test')
    assert.equal(failed.originalType, 'text/rfc822-headers')
    await server.drained()
  })

  it('retries start at 30 s and grow to 1 h', async (t) => {
    const world = World.for(t)
    const sink = await world.sink(greylist)
    const server = await world.toSink(sink)
    const id = await server.accept(letter)
    const waits: number[] = []
    for (let i = 1; i <= 12; i++) {
      await server.event(id, 'deferred', i)
      await server.quiet()
      const [item] = await server.queue()
      const inMs = (item?.delivery.dueAt ?? 0) - world.clock.now()
      waits.push(inMs)
      world.clock.advance(inMs + 1)
    }
    assert.ok((waits[0] ?? 0) > 20_000 && (waits[0] ?? 0) < 45_000, String(waits))
    for (const wait of waits.slice(-2)) assert.ok(wait > 0.7 * hour && wait < 1.3 * hour, String(waits))
    for (let i = 2; i < 6; i++) assert.ok((waits[i] ?? 0) > (waits[i - 1] ?? 0), String(waits))
  })
})
