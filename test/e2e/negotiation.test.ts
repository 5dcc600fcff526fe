// Issue 2, section 5: what is negotiated with the next hop, limits per destination, connections that end between
// messages; section 4: acts and deadlines while an attempt is under way or a host is down.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { pipeliningPeer } from '../../src/testing/scripted-peer.ts'
import { plain } from './support/client.ts'
import { day, hour, minute, readDsn, until, World } from './support/world.ts'

const letter = { from: 'alice@here.test', to: 'b@far.test' }

describe('negotiated with the next hop', () => {
  it('SIZE: a message larger than it takes bounces with 5.3.4 and is not sent', async (t) => {
    const world = World.for(t)
    const sink = await world.sink({ capabilities: ['PIPELINING', 'SIZE 1000'] })
    const server = await world.toSink(sink)
    await server.accept({ ...letter, body: `${plain}${'y'.repeat(1000)}\r\n` })
    const [mail] = await server.arrived('alice@here.test')
    assert.equal(readDsn(mail?.body ?? '').recipients[0]?.status, '5.3.4')
    assert.ok(!sink.peer.lines.some((line) => line.startsWith('MAIL')))
  })

  it('SMTPUTF8 judged by content: a header that needs it bounces with 5.6.9, a message that does not is delivered', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const server = await world.toSink(sink)
    await server.accept({ ...letter, body: 'Subject: Grüße\r\n\r\nx\r\n', mail: ' SMTPUTF8' })
    const [mail] = await server.arrived('alice@here.test')
    assert.equal(readDsn(mail?.body ?? '').recipients[0]?.status, '5.6.9')
    await server.event(await server.accept({ ...letter, mail: ' SMTPUTF8' }), 'delivered')
    assert.equal(sink.peer.messages.length, 1)
  })

  it('8BITMIME and SMTPUTF8 are said where they are offered and needed', async (t) => {
    const world = World.for(t)
    const sink = await world.sink({ capabilities: [...pipeliningPeer, 'SMTPUTF8'] })
    const server = await world.toSink(sink)
    const sent = {
      ...letter,
      to: 'grün@far.test',
      body: 'Subject: Grüße\r\n\r\nÜ\r\n',
      mail: ' SMTPUTF8 BODY=8BITMIME',
    }
    await server.event(await server.accept(sent), 'delivered')
    assert.match(sink.peer.messages[0]?.mail ?? '', /SMTPUTF8/)
    assert.match(sink.peer.messages[0]?.mail ?? '', /BODY=8BITMIME/)
    assert.deepEqual(sink.peer.messages[0]?.rcpts, ['RCPT TO:<grün@far.test>'])
  })
})

describe('limits per destination', () => {
  it('connections at once, and recipients of one transaction', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const server = await world.toSink(sink, { relay: { connectionsPerDestination: 3 } })
    await server.accept({ ...letter, to: Array.from({ length: 250 }, (_, i) => `u${i}@far.test`) })
    for (let i = 0; i < 20; i++) await server.accept(letter)
    await server.drained()
    const counts = sink.peer.messages.map(({ rcpts }) => rcpts.length).sort((a, b) => b - a)
    assert.deepEqual(counts, [100, 100, 50, ...Array.from({ length: 20 }, () => 1)])
    assert.ok(sink.peer.openMaxCount <= 3, `${sink.peer.openMaxCount} at once`)
  })

  it('one mailbox gets one copy, however many names of it are given', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const server = await world.toSink(sink, {
      domains: {
        'here.test': { accounts: { alice: { password: false } }, aliases: { team: ['alice', 'b@far.test'] } },
      },
    })
    const to = [
      'alice@here.test',
      'ALICE@here.test',
      'alice+x@here.test',
      'team@here.test',
      'b@far.test',
      'b@far.test',
    ]
    await server.accept({ ...letter, to })
    await server.drained()
    assert.equal((await server.mail('alice@here.test')).length, 1)
    assert.deepEqual(
      sink.peer.messages.map(({ rcpts }) => rcpts),
      [['RCPT TO:<b@far.test>']],
    )
  })
})

describe('connections that end between messages', () => {
  it('closed while idle: the next message goes on a fresh one, without a deferral', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const server = await world.toSink(sink)
    for (let i = 0; i < 5; i++) {
      const id = await server.accept(letter)
      assert.ok(!(await server.event(id, 'delivered')).events.some(({ kind }) => kind === 'deferred'))
      for (const connection of sink.peer.connections) connection.destroy()
    }
    assert.equal(sink.peer.messages.length, 5)
  })

  it('421 at MAIL of a reused one: delivered, once', async (t) => {
    const world = World.for(t)
    let count = 0
    const sink = await world.sink({
      answer: (stage) => (stage === 'MAIL' && ++count % 3 === 0 ? '421 4.3.2 shutting down' : undefined),
    })
    const server = await world.toSink(sink)
    for (let i = 0; i < 9; i++) {
      await server.accept(letter)
      await server.quiet()
    }
    for (let i = 0; i < 5 && (await server.queue()).length > 0; i++) {
      world.clock.advance(5 * minute)
      await server.quiet()
    }
    await server.drained()
    assert.equal(sink.peer.messages.length, 9)
  })
})

describe('acts and deadlines', () => {
  it('bounce now while an attempt is under way: done when it ends without success', async (t) => {
    const world = World.for(t)
    const sink = await world.sink({ answer: (stage) => (stage === 'RCPT' ? 'SILENT' : undefined) })
    const server = await world.toSink(sink)
    const id = await server.accept(letter)
    await until('the attempt waits', () => sink.peer.lines.some((line) => line.startsWith('RCPT')))
    assert.deepEqual([(await server.control.queueAct('bounce', { ids: [id] })).busyCount], [1])
    world.clock.advance(6 * minute)
    const { events } = await server.event(id, 'dsn')
    assert.ok(events.some(({ kind }) => kind === 'bounced'))
    await server.arrived('alice@here.test')
    await server.drained()
  })

  it('a destination that stays down: each message has one delay notice and one failure report with the reason', async (t) => {
    const world = World.for(t)
    const dead = await world.sink()
    await dead.close()
    const server = await world.toSink(dead)
    for (let i = 0; i < 10; i++) await server.accept(letter)
    await server.quiet()
    world.clock.advance(4.1 * hour)
    await server.arrived('alice@here.test', 10)
    await server.quiet()
    world.clock.advance(5 * day)
    await server.arrived('alice@here.test', 20)
    await server.drained()
    const dsns = (await server.mail('alice@here.test')).map(({ body }) => readDsn(body))
    assert.deepEqual(
      dsns.map(({ recipients }) => `${recipients[0]?.action} ${recipients[0]?.status}`),
      [
        ...Array.from({ length: 10 }, () => 'delayed 4.4.1'),
        ...Array.from({ length: 10 }, () => 'failed 4.4.7'),
      ],
    )
    assert.match(dsns[19]?.recipients[0]?.['diagnostic-code'] ?? '', /REFUSED/)
  })

  it('held mail does not expire; release gives it a whole period again', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const server = await world.toSink(sink, { delivery: { mode: 'hold' } })
    const id = await server.accept(letter)
    world.clock.advance(9 * day)
    await server.quiet()
    assert.equal((await server.queue())[0]?.delivery.state, 'held')
    await server.control.queueAct('release', { ids: [id] })
    await server.drained()
    assert.equal(sink.peer.messages.length, 1)
  })
})
