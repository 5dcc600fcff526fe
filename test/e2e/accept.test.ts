// Issue 2, section 3: what the MX listener takes, for whom, and what it writes into it; over real sockets.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Client, plain } from './support/client.ts'
import { World } from './support/world.ts'

describe('MX listener: accepts mail for our domains only', () => {
  it('mode capture: any recipient from loopback; captured mail is readable and never sent, changing the mode included', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const routes = { '*': `smtp://127.0.0.1:${sink.port}` }
    const server = await world.server({ delivery: { mode: 'capture', routes }, networks: { relay: [] } })
    await server.accept({ from: 'me@anywhere.test', to: ['who@far.test', 'ever@else.test'] })
    const captured = await server.arrived('capture', 1)
    // One row for a message and mailbox, whoever of its recipients it stands for.
    assert.deepEqual([captured.length, captured[0]?.body.endsWith(plain)], [1, true])
    const found = await server.control.mailSearch('to:ever@else.test', { limit: 10 })
    assert.deepEqual(
      found.items.map(({ recipients }) => [...recipients].sort()),
      [['ever@else.test', 'who@far.test']],
    )
    await server.stop()
    const again = await world.server({ delivery: { mode: 'relay', routes } })
    world.clock.advance(3_600_000)
    await again.quiet()
    assert.equal((await again.mail('capture')).length, 1)
    assert.deepEqual([sink.peer.connectionCount, (await again.queue()).length], [0, 0])
  })

  it('mode capture: reports and aliases to outside end in capture too', async (t) => {
    const world = World.for(t)
    const server = await world.server({
      delivery: { mode: 'capture' },
      domains: {
        'here.test': { accounts: { alice: { password: false } }, aliases: { away: ['x@far.test'] } },
      },
    })
    await server.accept({ from: 'a@there.test', to: 'away@here.test', rcpt: ' NOTIFY=SUCCESS' })
    const captured = await server.arrived('capture', 2)
    assert.deepEqual(captured.map(({ item }) => item.recipient).sort(), ['a@there.test', 'x@far.test'])
  })

  it('no open relay: in mode relay a stranger cannot relay, networks.relay can', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const server = await world.toSink(sink, { networks: { relay: ['127.0.0.2/32'] } })
    const stranger = await server.send({ from: 'a@there.test', to: 'b@far.test' })
    assert.match(stranger.end.text, /^55\d 5\.7\.1 /)
    // The percent hack and quoted routes are local parts of ours, and nobody has them.
    for (const to of [
      'b%far.test@here.test',
      '"b@far.test"@here.test',
      '@here.test:b@far.test',
      'far.test!b@here.test',
    ]) {
      const { end } = await server.send({ from: 'alice@here.test', to })
      assert.match(end.text, /^55\d 5\.(?:1\.1|7\.1) /, to)
    }
    const ours = await server.send({ from: 'a@there.test', to: 'b@far.test' }, 'mx', {
      localAddress: '127.0.0.2',
    })
    assert.equal(ours.end.code, 250)
    await server.drained()
    assert.equal(sink.peer.messages.length, 1)
  })
})

describe('recipients', () => {
  it('a local one: INBOX with Return-Path and Delivered-To on top', async (t) => {
    const world = World.for(t)
    const server = await world.server()
    const id = await server.accept({ from: 'a@there.test', to: 'Alice@HERE.test' })
    const [mail] = await server.arrived('alice@here.test')
    assert.equal(mail?.prefix, 'Return-Path: <a@there.test>\r\nDelivered-To: Alice@HERE.test\r\n')
    assert.ok(mail?.body.endsWith(plain))
    assert.deepEqual((await server.kinds(id)).sort(), ['accepted', 'delivered'])
    assert.deepEqual(await server.queue(), [])
    await server.accept({ from: '', to: 'alice@here.test' })
    assert.match((await server.arrived('alice@here.test', 2))[1]?.prefix ?? '', /^Return-Path: <>\r\n/)
  })

  it('unknown users are refused at RCPT with 550 5.1.1, never bounced later; disabled ones with 5.2.1', async (t) => {
    const world = World.for(t)
    const server = await world.server({
      domains: {
        'here.test': { accounts: { alice: { password: false }, off: { password: false, enabled: false } } },
        'gone.test': { enabled: false, accounts: { carol: { password: false } } },
      },
    })
    const client = await Client.open(await server.port('mx'))
    const sent = await client.send({
      from: 'bob@there.test',
      to: ['nobody@here.test', 'off@here.test', 'carol@gone.test', 'alice@here.test'],
    })
    client.close()
    assert.deepEqual(
      sent.rcpt.map(({ text }) => text.slice(0, 9)),
      ['550 5.1.1', '550 5.2.1', '550 5.2.1', '250 2.1.5'],
    )
    assert.equal(sent.end.code, 250)
    assert.equal((await server.arrived('alice@here.test')).length, 1)
    assert.deepEqual([await server.queue(), await server.mail('off@here.test')], [[], []])
    assert.equal((await server.control.recentMessages(10)).items.length, 1, 'no report was made')
  })

  it('an account that is switched off and on at run time', async (t) => {
    const world = World.for(t)
    const server = await world.server()
    await server.control.accountAdd('dora@here.test', 'a long enough password')
    await server.accept({ from: 'a@there.test', to: 'dora@here.test' })
    await server.control.accountSetEnabled('dora@here.test', false)
    assert.match((await server.send({ from: 'a@there.test', to: 'dora@here.test' })).end.text, /^550 5\.2\.1/)
    await server.control.accountSetEnabled('dora@here.test', true)
    await server.accept({ from: 'a@there.test', to: 'dora@here.test' })
    assert.equal((await server.arrived('dora@here.test', 2)).length, 2)
  })

  it('postmaster@, abuse@ of every domain and <Postmaster> exist', async (t) => {
    const world = World.for(t)
    const server = await world.server({
      domains: {
        'here.test': { accounts: { alice: { password: false } } },
        'other.test': { accounts: { zoe: { password: false } } },
      },
    })
    for (const to of [
      'postmaster@here.test',
      'ABUSE@here.test',
      'Postmaster',
      'postmaster@other.test',
      'abuse@other.test',
    ])
      await server.accept({ from: 'a@there.test', to })
    const counts = [await server.arrived('alice@here.test', 3), await server.arrived('zoe@other.test', 2)]
    assert.deepEqual(
      counts.map((mails) => mails.length),
      [3, 2],
    )
  })

  it('aliases to several and to outside, catch-all, plus addressing', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const server = await world.toSink(sink, {
      networks: { relay: [] },
      domains: {
        'here.test': {
          accounts: { alice: { password: false }, bob: { password: false } },
          aliases: { sales: ['alice', 'bob', 'carol@far.test'], all: ['sales', 'alice'] },
        },
        'rest.test': { accounts: { carl: { password: false } }, catchAll: 'carl' },
        'exact.test': { accounts: { eve: { password: false } }, plusAddressing: false },
      },
    })
    const from = 'a@there.test'
    await server.accept({ from, to: 'all@here.test' })
    await server.accept({ from, to: 'alice+lists@here.test' })
    await server.accept({ from, to: 'what.ever@rest.test' })
    assert.match((await server.send({ from, to: 'eve+x@exact.test' })).end.text, /^550 5\.1\.1/)
    const alice = await server.arrived('alice@here.test', 2)
    assert.equal(alice.length, 2)
    assert.match(alice[1]?.prefix ?? '', /Delivered-To: alice\+lists@here\.test\r\n/)
    assert.equal((await server.arrived('bob@here.test')).length, 1)
    assert.equal((await server.arrived('carl@rest.test')).length, 1)
    await server.drained()
    assert.deepEqual(
      sink.peer.messages.map(({ rcpts }) => rcpts.map((line) => /<(.*?)>/.exec(line)?.[1])),
      [['carol@far.test']],
    )
  })
})

describe('Received header and loops', () => {
  it('Received: from, by, with, id, for, date; TLS version and cipher; several recipients are not named', async (t) => {
    const world = World.for(t)
    const server = await world.server({ tls: 'self-signed' })
    const id = await server.accept({ from: 'a@there.test', to: 'alice@here.test' })
    const client = await Client.open(await server.port('mx'))
    await client.startTls()
    await client.send({ from: 'a@there.test', to: ['alice@here.test', 'bob@here.test'] })
    client.close()
    const old = await Client.open(await server.port('mx'), { hello: 'HELO old.test' })
    await old.send({ from: 'a@there.test', to: 'alice@here.test' })
    old.close()
    const [one, two, three] = (await server.arrived('alice@here.test', 3)).map(({ body }) =>
      body.slice(0, body.indexOf('\r\nFrom:')).replaceAll(/\r\n[ \t]+/g, ' '),
    )
    assert.match(
      one ?? '',
      new RegExp(
        `^Received: from client\\.test \\(\\[127\\.0\\.0\\.1\\]\\) by mx\\.here\\.test with ESMTP id ${id} for <alice@here\\.test>; \\w{3}, \\d+ \\w{3} \\d{4} [\\d:]{8} [+-]\\d{4}`,
      ),
    )
    assert.match(two ?? '', /with ESMTPS .*TLSv?1\.3.*TLS_\w+/i)
    assert.doesNotMatch(two ?? '', / for </)
    assert.match(three ?? '', /^Received: from old\.test .* with SMTP id/)
  })

  it('loop detection by Received count and by Delivered-To', async (t) => {
    const world = World.for(t)
    const server = await world.server({ limits: { receivedMax: 12 } })
    const hops = (count: number): string =>
      'Received: from x by y; Thu, 1 Jan 2026 00:00:00 +0000\r\n'.repeat(count)
    const from = 'a@there.test'
    const to = 'alice@here.test'
    assert.equal((await server.send({ from, to, body: hops(10) + plain })).end.code, 250)
    assert.match((await server.send({ from, to, body: hops(13) + plain })).end.text, /^554 5\.4\.6/)
    const back = `Delivered-To: Alice@here.test\r\n${plain}`
    assert.match((await server.send({ from, to, body: back })).end.text, /^554 5\.4\.6/)
    assert.equal((await server.send({ from, to: 'bob@here.test', body: back })).end.code, 250)
  })
})
