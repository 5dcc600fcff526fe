// Issue 2, section 5: where a message goes, over real DNS and SMTP on loopback (127.0.0.2 and so on are other hosts).

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { DnsData } from '../../src/dns/fake-resolver.ts'
import type { ChaosSink } from '../../src/testing/chaos-sink.ts'
import type { PeerScript } from '../../src/testing/scripted-peer.ts'
import { plain } from './support/client.ts'
import { minute, readDsn, type Server, World } from './support/world.ts'

const letter = { from: 'alice@here.test', to: 'b@far.test' }

/** Hosts 127.0.0.2, 127.0.0.3... with one port, as servers of the world have port 25. */
async function hosts(world: World, scripts: readonly PeerScript[]): Promise<ChaosSink[]> {
  const sinks: ChaosSink[] = []
  for (const [i, script] of scripts.entries()) {
    const port = sinks[0]?.port
    sinks.push(await world.sink(script, { host: `127.0.0.${i + 2}`, ...(port !== undefined && { port }) }))
  }
  return sinks
}

async function relaying(
  world: World,
  port: number,
  data: DnsData,
  fault?: () => 'timeout' | undefined,
): Promise<Server> {
  const dns = await world.dns(data, fault === undefined ? {} : { fault })
  return world.server({ delivery: { port }, dns: { servers: [dns.address], timeout: '300ms' } })
}

/** The one failed recipient of the report in Alice's mailbox. */
async function bounce(server: Server) {
  const [mail] = await server.arrived('alice@here.test')
  const [recipient] = readDsn(mail?.body ?? '').recipients
  assert.equal(recipient?.action, 'failed')
  return { status: recipient?.status ?? '', text: mail?.body ?? '' }
}

describe('route by MX', () => {
  it('two hosts in order of preference: the first dead, the second works; delivery.port', async (t) => {
    const world = World.for(t)
    const [sink] = await hosts(world, [{}])
    const server = await relaying(world, sink?.port ?? 0, {
      mx: { 'far.test': ['10 dead.far.test', '20 live.far.test'] },
      a: { 'dead.far.test': ['127.0.0.9'], 'live.far.test': ['127.0.0.2'] },
    })
    const id = await server.accept(letter)
    const report = await server.event(id, 'delivered')
    const delivered = report.events.find((event) => event.kind === 'delivered')
    const tried = delivered?.data.hosts as { name: string; address: string; port: number; error?: string }[]
    assert.deepEqual(
      tried.map(({ name, address, port }) => [name, address, port]),
      [
        ['dead.far.test', '127.0.0.9', sink?.port],
        ['live.far.test', '127.0.0.2', sink?.port],
      ],
    )
    assert.match(tried[0]?.error ?? '', /refused/i)
    assert.equal(sink?.peer.messages.length, 1)
  })

  it('equal preferences are shuffled: both hosts get mail', async (t) => {
    const world = World.for(t)
    const [one, two] = await hosts(world, [{}, {}])
    const server = await relaying(world, one?.port ?? 0, {
      mx: { 'far.test': ['10 a.far.test', '10 b.far.test'] },
      a: { 'a.far.test': ['127.0.0.2'], 'b.far.test': ['127.0.0.3'] },
    })
    for (let i = 0; i < 40; i++) {
      await server.accept(letter)
      await server.drained()
      // Connections are reused while they idle.
      world.clock.advance(10_000)
      if (one?.peer.messages.length && two?.peer.messages.length) break
    }
    assert.ok(one?.peer.messages.length && two?.peer.messages.length)
  })

  it('without MX the address of the domain itself; AAAA that does not work falls back to A; CNAME at MX tolerated', async (t) => {
    const world = World.for(t)
    const [sink] = await hosts(world, [{}])
    const server = await relaying(world, sink?.port ?? 0, {
      mx: { 'alias.test': ['10 www.alias.test'] },
      a: { 'far.test': ['127.0.0.2'], 'six.test': ['127.0.0.2'], 'real.test': ['127.0.0.2'] },
      aaaa: { 'six.test': ['::1'] },
      cname: { 'www.alias.test': 'real.test' },
    })
    for (const to of ['x@far.test', 'x@six.test', 'x@alias.test', 'x@[127.0.0.2]'])
      await server.event(await server.accept({ ...letter, to }), 'delivered')
    assert.equal(sink?.peer.messages.length, 4)
  })

  for (const [what, data, status, to] of [
    [
      'null MX (RFC 7505) bounces',
      { mx: { 'far.test': ['0 .'] }, a: { 'far.test': ['127.0.0.2'] } },
      '5.1.10',
      'b@far.test',
    ],
    ['a domain that does not exist bounces', {}, '5.1.2', 'b@far.test'],
    [
      'a domain with neither MX nor address bounces',
      { txt: { 'far.test': ['v=spf1 -all'] } },
      '5.4.4',
      'b@far.test',
    ],
    [
      'MX that points to ourselves by name',
      {
        mx: { 'far.test': ['10 mx.here.test', '20 z.far.test'] },
        a: { 'mx.here.test': ['127.0.0.2'], 'z.far.test': ['127.0.0.2'] },
      },
      '5.4.6',
      'b@far.test',
    ],
  ] as const) {
    it(`${what}: ${status}`, async (t) => {
      const world = World.for(t)
      const [sink] = await hosts(world, [{}])
      const server = await relaying(world, sink?.port ?? 0, data)
      await server.accept({ ...letter, to })
      const { status: got, text } = await bounce(server)
      assert.equal(got, status, text)
      assert.equal(sink?.peer.connectionCount, 0)
    })
  }

  it('MX that points to ourselves by address, or beyond our own preference, is dropped', async (t) => {
    const world = World.for(t)
    const [sink] = await hosts(world, [{}])
    const port = sink?.port ?? 0
    const dns = await world.dns({
      mx: {
        'loop.test': ['10 other.name.test', '20 far.test'],
        'backup.test': ['5 far.test', '10 other.name.test', '20 dead.test'],
      },
      a: { 'other.name.test': ['127.0.0.1'], 'far.test': ['127.0.0.2'], 'dead.test': ['127.0.0.9'] },
    })
    const server = await world.server({
      listeners: { mx: `127.0.0.1:${port}` },
      delivery: { port },
      dns: { servers: [dns.address] },
    })
    await server.accept({ ...letter, to: 'b@loop.test' })
    const { status, text } = await bounce(server)
    assert.equal(status, '5.4.6')
    assert.match(text, /loops back to this server/)
    await server.event(await server.accept({ ...letter, to: 'b@backup.test' }), 'delivered')
    assert.equal(sink?.peer.messages.length, 1)
  })

  it('SERVFAIL and a DNS that times out are temporary: deferred, then delivered', async (t) => {
    const world = World.for(t)
    const [sink] = await hosts(world, [{}])
    const truth: DnsData = { mx: { 'far.test': ['10 m.far.test'] }, a: { 'm.far.test': ['127.0.0.2'] } }
    const dns = await world.dns({ ...truth, fail: ['mx far.test'] })
    const server = await world.server({
      delivery: { port: sink?.port ?? 0 },
      dns: { servers: [dns.address], timeout: '300ms' },
    })
    const id = await server.accept(letter)
    const first = (await server.event(id, 'deferred')).events.find((event) => event.kind === 'deferred')
    assert.match(JSON.stringify(first?.data), /4\.4\.3.*SERVFAIL/)
    dns.setData({ ...truth, timeout: ['far.test'] })
    world.clock.advance(2 * minute)
    const second = (await server.event(id, 'deferred', 2)).events.filter(
      (event) => event.kind === 'deferred',
    )[1]
    assert.match(JSON.stringify(second?.data), /4\.4\.3.*(?:answer|time)/)
    dns.setData(truth)
    world.clock.advance(5 * minute)
    await server.event(id, 'delivered')
    assert.equal(sink?.peer.messages.length, 1)
  })
})

describe('route by configuration', () => {
  it('fixed host, LMTP into another Posthouse, discard, hold and release; most precise pattern wins', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const other = await world.server(
      {
        listeners: { lmtp: '127.0.0.1:0' },
        domains: { 'lm.test': { accounts: { ed: { password: false } } } },
      },
      {},
      'other',
    )
    const server = await world.server({
      delivery: {
        routes: {
          'fixed.test': `smtp://127.0.0.1:${sink.port}`,
          'lm.test': `lmtp://127.0.0.1:${await other.port('lmtp')}`,
          'trash.test': 'discard',
          'kept.test': 'capture',
          '*.wait.test': 'hold',
        },
      },
    })
    await server.event(await server.accept({ ...letter, to: 'x@fixed.test' }), 'delivered')
    assert.equal(sink.peer.messages.length, 1)

    const id = await server.accept({ ...letter, to: ['ed@lm.test', 'nobody@lm.test'] })
    const [mail] = await other.arrived('ed@lm.test')
    assert.match(mail?.body ?? '', /with LMTP id/)
    const { status, text } = await bounce(server)
    assert.equal(status, '5.1.1')
    assert.match(text, /no such user here: nobody@lm\.test/)
    assert.deepEqual((await server.kinds(id)).filter((kind) => /delivered|failed/.test(kind)).sort(), [
      'delivered',
      'failed',
    ])

    const gone = await server.event(await server.accept({ ...letter, to: 'x@trash.test' }), 'delivered')
    assert.match(JSON.stringify(gone.events), /discarded/)
    await server.accept({ ...letter, to: 'x@kept.test' })
    assert.equal((await server.arrived('capture')).length, 1)

    await server.accept({ ...letter, to: 'x@a.wait.test' })
    await server.quiet()
    world.clock.advance(10 * minute)
    const [held] = await server.queue()
    assert.equal(held?.delivery.state, 'held')
    // A hold route names no host, so that release looks for the domain's own.
    assert.deepEqual(await server.control.queueAct('release', { state: 'held' }), {
      count: 1,
      busyCount: 0,
      markedCount: 0,
      more: false,
    })
    await until5(server, held?.message.id ?? '')
  })

  const until5 = (server: Server, id: string) => server.event(id, 'failed')

  it('smarthost with TLS and AUTH (our own submission listener); its password is nowhere to be seen', async (t) => {
    const world = World.for(t)
    const secret = 'hunter2 hunter2'
    const sink = await world.sink()
    const smart = await world.server(
      {
        tls: 'self-signed',
        domains: { 'here.test': { accounts: { alice: { password: secret } } } },
        listeners: { submission: '127.0.0.1:0', submissions: '127.0.0.1:0' },
        delivery: { routes: { '*': `smtp://127.0.0.1:${sink.port}` } },
      },
      {},
      'smart',
    )
    const user = `alice%40here.test:${encodeURIComponent(secret)}`
    const server = await world.server({
      domains: { 'near.test': { accounts: { n: { password: false } } } },
      delivery: {
        routes: {
          '*': `smtp://${user}@127.0.0.1:${await smart.port('submission')}?tls=must`,
          'implicit.test': `smtps://${user}@127.0.0.1:${await smart.port('submissions')}`,
          'wrong.test': `smtp://bob%40here.test:wrongwrong@127.0.0.1:${await smart.port('submission')}?tls=must`,
        },
      },
    })
    const ids = [await server.accept(letter), await server.accept({ ...letter, to: 'b@implicit.test' })]
    for (const id of ids) {
      const report = await server.event(id, 'delivered')
      assert.match(JSON.stringify(report.events), /TLSv1\.3/)
      assert.doesNotMatch(JSON.stringify(report), /hunter2/)
    }
    await smart.drained()
    assert.equal(sink.peer.messages.length, 2)
    assert.match(sink.peer.messages[0]?.body ?? '', /with ESMTPSA/)
    const wrong = await server.accept({ ...letter, to: 'b@wrong.test' })
    const report = await server.event(wrong, 'deferred')
    assert.match(JSON.stringify(report.events), /535/)
    assert.doesNotMatch(JSON.stringify(report), /wrongwrong|d3Jvbmd3cm9uZ/)
  })

  it('opportunistic STARTTLS falls back to plain on a fresh connection', async (t) => {
    const world = World.for(t)
    const sink = await world.sink({ capabilities: ['STARTTLS', 'PIPELINING'], brokenTls: true })
    const server = await world.toSink(sink)
    await server.event(await server.accept(letter), 'delivered')
    assert.equal(sink.peer.messages.length, 1)
    assert.ok(sink.peer.connectionCount >= 2)
  })

  it('where the policy is must, a broken STARTTLS puts the mail off and nothing goes in plain', async (t) => {
    const world = World.for(t)
    const sink = await world.sink({ capabilities: ['STARTTLS', 'PIPELINING'], brokenTls: true })
    const server = await world.toSink(sink, {
      delivery: { routes: { '*': `smtp://127.0.0.1:${sink.port}?tls=must` } },
    })
    await server.event(await server.accept(letter), 'deferred')
    assert.equal(sink.peer.messages.length, 0)
  })
})

describe('from one Posthouse to another', () => {
  const eightBit =
    'Subject: 8-bit\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xfc\xdfe \xff\x00\x80\r\n'
  const bodies: readonly (readonly [string, string])[] = [
    ['dots', 'Subject: x\r\n\r\n.\r\n..\r\n.a\r\n\r\n.\r\n\r\n'],
    ['8-bit octets', eightBit],
    ['lines of 998 octets and longer', `Subject: x\r\n\r\n${'y'.repeat(998)}\r\n${'z'.repeat(5000)}\r\n`],
    ['only a header', 'Subject: x\r\n'],
    [
      'a large one (in a file)',
      `Subject: x\r\n\r\n${'.0123456789 abcdefghijklmnopqrstuvwxyz\r\n'.repeat(20_000)}`,
    ],
  ]
  for (const bdat of [undefined, 4096])
    it(`byte-identical below our Received lines, taken by ${bdat === undefined ? 'DATA' : 'BDAT'}`, async (t) => {
      const world = World.for(t)
      const far = await world.server(
        { domains: { 'far.test': { accounts: { b: { password: false } } } } },
        {},
        'far',
      )
      const server = await world.server({
        delivery: { routes: { '*': `smtp://127.0.0.1:${await far.port('mx')}` } },
      })
      for (const [i, [what, text]] of bodies.entries()) {
        const body = Buffer.from(text, 'latin1')
        const id = await server.accept({
          ...letter,
          body,
          mail: ' BODY=8BITMIME',
          ...(bdat !== undefined && { bdat }),
        })
        await server.event(id, 'delivered')
        const mail = (await far.arrived('b@far.test', i + 1))[i]
        const hops = mail?.body.match(/^(?:Received: .*\r\n(?:[ \t].*\r\n)*){2}/)?.[0] ?? ''
        assert.ok(hops !== '', what)
        assert.ok(mail?.body.slice(hops.length) === text, what)
      }
    })

  it('connections are reused across messages, within messagesPerConnection', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const server = await world.toSink(sink, { relay: { messagesPerConnection: 5 } })
    for (let i = 0; i < 10; i++)
      await server.event(await server.accept({ ...letter, body: plain }), 'delivered')
    assert.deepEqual([sink.peer.messages.length, sink.peer.connectionCount], [10, 2])
  })
})
