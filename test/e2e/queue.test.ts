// Issue 2, sections 4 and 6: reports to senders, what operators do and see, hosts that are down; the whole server over
// sockets, and the CLI over its control socket.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Dialer } from '../../src/base/connection.ts'
import { createDialer } from '../../src/net/dial.ts'
import { pipeliningPeer } from '../../src/testing/scripted-peer.ts'
import { blast, plain } from './support/client.ts'
import { hour, minute, readDsn, type Server, second, until, World } from './support/world.ts'

const letter = { from: 'alice@here.test', to: 'b@far.test' }
const sinkRoute = (port: number) => `smtp://127.0.0.1:${port}`

/** Reports in Alice's mailbox, parsed. */
const reports = async (server: Server, count = 1) =>
  (await server.arrived('alice@here.test', count)).map(({ body }) => readDsn(body))

describe('DSN (RFC 3461, 3464): kinds, and NOTIFY, RET, ENVID, ORCPT to the end', () => {
  it('delivered: NOTIFY=SUCCESS to a local mailbox', async (t) => {
    const server = await World.for(t).server()
    await server.accept({
      ...letter,
      to: 'bob@here.test',
      mail: ' ENVID=e1',
      rcpt: ' NOTIFY=SUCCESS ORCPT=rfc822;Bob@here.test',
    })
    const [dsn] = await reports(server)
    assert.equal(dsn?.message['original-envelope-id'], 'e1')
    assert.deepEqual(
      [
        dsn?.recipients[0]?.action,
        dsn?.recipients[0]?.status?.[0],
        dsn?.recipients[0]?.['original-recipient'],
      ],
      ['delivered', '2', 'rfc822; Bob@here.test'],
    )
    // RFC 3461 section 4.3: RET speaks of failures only, a success returns headers.
    assert.equal(dsn?.originalType, 'text/rfc822-headers')
  })

  it('relayed: NOTIFY=SUCCESS where the next hop has no DSN; none by us where it has', async (t) => {
    const world = World.for(t)
    const [without, having] = [
      await world.sink(),
      await world.sink({ capabilities: [...pipeliningPeer, 'DSN'] }),
    ]
    const server = await world.server({
      delivery: { routes: { 'far.test': sinkRoute(without.port), 'dsn.test': sinkRoute(having.port) } },
    })
    const asked = { mail: ' RET=HDRS ENVID=e+2B2', rcpt: ' NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;o@far.test' }
    const passedOn = await server.accept({ ...letter, to: 'b@dsn.test', ...asked })
    await server.event(passedOn, 'delivered')
    assert.match(
      having.peer.messages[0]?.mail ?? '',
      /^MAIL FROM:<alice@here\.test>.* RET=HDRS.*ENVID=e\+2B2|ENVID=e\+2B2.*RET=HDRS/,
    )
    assert.match(
      having.peer.messages[0]?.rcpts[0] ?? '',
      /NOTIFY=(?:SUCCESS,FAILURE|FAILURE,SUCCESS).*ORCPT=rfc822;o@far\.test/,
    )
    await server.accept({ ...letter, ...asked })
    const [dsn] = await reports(server)
    assert.deepEqual([dsn?.recipients[0]?.action, dsn?.message['original-envelope-id']], ['relayed', 'e+2'])
    assert.doesNotMatch(without.peer.messages[0]?.mail ?? '', /RET|ENVID/)
    await server.drained()
    assert.equal((await server.mail('alice@here.test')).length, 1)
  })

  it('over two servers: success comes back from the last one with the first envelope’s ENVID and ORCPT', async (t) => {
    const world = World.for(t)
    const home = await world.server({}, {}, 'home')
    const far = await world.server(
      {
        domains: { 'far.test': { accounts: { b: { password: false } } } },
        delivery: { routes: { '*': sinkRoute(await home.port('mx')) } },
      },
      {},
      'far',
    )
    const server = await world.server({
      domains: { 'mid.test': { accounts: { m: { password: false } } } },
      delivery: { routes: { '*': sinkRoute(await far.port('mx')) } },
    })
    await server.accept({
      ...letter,
      mail: ' ENVID=trip',
      rcpt: ' NOTIFY=SUCCESS ORCPT=rfc822;b+2Bx@far.test',
    })
    const [dsn] = await reports(home)
    assert.deepEqual(
      [
        dsn?.recipients[0]?.action,
        dsn?.message['original-envelope-id'],
        dsn?.recipients[0]?.['original-recipient'],
      ],
      ['delivered', 'trip', 'rfc822; b+x@far.test'],
    )
    assert.equal((await far.mail('b@far.test')).length, 1)
  })

  it('expanded: an alias to several with NOTIFY=SUCCESS', async (t) => {
    const server = await World.for(t).server({
      domains: {
        'here.test': {
          accounts: { alice: { password: false }, bob: { password: false }, carol: { password: false } },
          aliases: { team: ['bob', 'carol'] },
        },
      },
    })
    await server.accept({ ...letter, to: 'team@here.test', rcpt: ' NOTIFY=SUCCESS' })
    const [dsn] = await reports(server)
    assert.deepEqual(
      dsn?.recipients.map((recipient) => [recipient.action, recipient['final-recipient']]),
      [['expanded', 'rfc822; team@here.test']],
    )
    assert.equal(
      (await server.mail('carol@here.test')).length + (await server.mail('bob@here.test')).length,
      2,
    )
  })

  it('NOTIFY=NEVER and NOTIFY=DELAY make no failure report; RET=FULL returns the whole message', async (t) => {
    const world = World.for(t)
    const sink = await world.sink({ answer: (stage) => (stage === 'RCPT' ? '550 5.1.1 unknown' : undefined) })
    const server = await world.toSink(sink)
    for (const rcpt of [' NOTIFY=NEVER', ' NOTIFY=DELAY,SUCCESS'])
      await server.event(await server.accept({ ...letter, rcpt }), 'failed')
    await server.drained()
    assert.equal((await server.mail('alice@here.test')).length, 0)
    await server.accept({ ...letter, mail: ' RET=FULL' })
    const [dsn] = await reports(server)
    assert.equal(dsn?.originalType, 'message/rfc822')
    assert.match(dsn?.original ?? '', /\r\n\r\nHello\.\r\n/)
  })

  it('a bounce of a bounce is never made', async (t) => {
    const world = World.for(t)
    const sink = await world.sink({ answer: (stage) => (stage === 'RCPT' ? '550 5.1.1 unknown' : undefined) })
    const server = await world.toSink(sink)
    const id = await server.accept({ ...letter, from: '' })
    await server.event(id, 'failed')
    // The report to a stranger fails too.
    await server.event(await server.accept({ ...letter, from: 'stranger@far.test' }), 'dsn')
    await server.drained()
    const kinds = (await server.control.recentMessages(10)).items.map(({ reversePath, origin }) => [
      reversePath,
      origin.via,
    ])
    assert.deepEqual(kinds.sort(), [
      ['', 'bounce'],
      ['', 'smtp'],
      ['stranger@far.test', 'smtp'],
    ])
  })

  it('SMTPUTF8 (RFC 6533): 5.6.7 where no host has it, told as message/global-delivery-status', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const server = await world.toSink(sink, {
      domains: { 'here.test': { accounts: { alice: { password: false }, älice: { password: false } } } },
    })
    await server.accept({ from: 'älice@here.test', to: 'grün@far.test', mail: ' SMTPUTF8' })
    const [mail] = await server.arrived('älice@here.test')
    const dsn = readDsn(mail?.body ?? '')
    assert.equal(dsn.recipients[0]?.status, '5.6.7')
    assert.match(mail?.body ?? '', /Content-Type: message\/global-delivery-status/i)
    assert.equal(
      Buffer.from(dsn.recipients[0]?.['final-recipient'] ?? '', 'latin1').toString(),
      'utf-8; grün@far.test',
    )
    assert.equal(sink.peer.messages.length, 0)
  })
})

describe('hold, release, retry now, bounce now, delete by id', () => {
  it('through the ControlApi', async (t) => {
    const world = World.for(t)
    const sink = await world.sink({
      answer: (stage) => (stage === 'RCPT' ? '450 4.2.0 greylisted' : undefined),
    })
    const server = await world.toSink(sink)
    const ids: string[] = []
    for (let i = 0; i < 4; i++) ids.push(await server.accept(letter))
    const [one = '', two = '', three = '', four = ''] = ids
    for (const id of ids) await server.event(id, 'deferred')
    await server.quiet()
    const act = async (act: Parameters<typeof server.control.queueAct>[0], id: string) =>
      (await server.control.queueAct(act, { ids: [id] })).count
    assert.equal(await act('hold', one), 1)
    assert.equal(await act('delete', `${two}-0`), 1)
    assert.equal(await act('bounce', three), 1)
    assert.equal(await act('release', four), 0, 'it is not held')
    const [dsn] = await reports(server)
    assert.equal(dsn?.recipients[0]?.action, 'failed')
    sink.peer.script = {}
    assert.equal(await act('retry', four), 1)
    await server.event(four, 'delivered')
    world.clock.advance(2 * hour)
    await server.quiet()
    assert.deepEqual(
      (await server.queue()).map(({ message, delivery }) => [message.id, delivery.state]),
      [[one, 'held']],
    )
    assert.equal(await act('release', one), 1)
    await server.event(one, 'delivered')
    await server.drained()
    assert.deepEqual(
      [await server.kinds(two), await server.kinds(three)].map((kinds) => kinds.at(-1) === 'deferred'),
      [false, false],
    )
    assert.equal(sink.peer.messages.length, 2)
  })

  it('by the CLI over the control socket: list, show, explain, hold, release, retry, bounce, delete; mail list and show', async (t) => {
    const world = World.for(t)
    const sink = await world.sink({
      answer: (stage) => (stage === 'RCPT' ? '450 4.2.0 greylisted, wait a bit' : undefined),
    })
    const server = await world.toSink(sink)
    const cli = (...args: string[]): Promise<string> =>
      new Promise((resolve, reject) => {
        const main = join(import.meta.dirname, '../../src/cli/main.ts')
        execFile(process.execPath, [main, ...args, '--data-dir', server.dataDir], (error, out, err) =>
          error === null ? resolve(out) : reject(new Error(`${args.join(' ')}: ${err}${out}`)),
        )
      })
    const ids = [await server.accept(letter), await server.accept(letter)]
    const [id = '', other = ''] = ids
    for (const each of ids) await server.event(each, 'deferred')
    await server.accept({ from: 'x@y.test', to: 'alice@here.test' })
    await server.arrived('alice@here.test')
    await server.quiet()
    const [list, show, explain, mails] = await Promise.all([
      cli('queue', 'list', '--json'),
      cli('queue', 'show', id),
      cli('queue', 'explain', id),
      cli('mail', 'list', '--json'),
    ])
    assert.equal(JSON.parse(list).items.length, 2)
    assert.match(show, /b@far\.test/)
    assert.match(explain, /450 4\.2\.0 greylisted, wait a bit/)
    assert.match(explain, /next try .*(?:in \d+ (?:s|seconds)|\d\d:\d\d)/)
    assert.equal(JSON.parse(mails).items.length, 1)
    assert.match(await cli('mail', 'show', JSON.parse(mails).items[0].messageId), /Hello\./)
    await cli('queue', 'hold', id)
    assert.equal((await server.queue()).find(({ message }) => message.id === id)?.delivery.state, 'held')
    await cli('queue', 'release', id)
    await server.event(id, 'deferred', 2)
    await server.quiet()
    await cli('queue', 'retry', id)
    await server.event(id, 'deferred', 3)
    await server.quiet()
    await cli('queue', 'bounce', id, '--yes').catch(() => cli('queue', 'bounce', id))
    await server.arrived('alice@here.test', 2)
    await cli('queue', 'delete', other, '--yes').catch(() => cli('queue', 'delete', other))
    assert.deepEqual(await server.queue(), [])
  })
})

describe('queue explain: a greylisted, a deferred and a down destination', () => {
  it('the other side’s words, the next try and the reason', async (t) => {
    const world = World.for(t)
    const grey = await world.sink({
      answer: (stage) => (stage === 'RCPT' ? '451 4.7.1 Greylisted, see you in 300 s' : undefined),
    })
    const full = await world.sink({
      answer: (stage) => (stage === 'end' ? '452 4.3.1 disk is full here' : undefined),
    })
    const dead = await world.sink()
    await dead.close()
    const server = await world.server({
      delivery: {
        routes: {
          'grey.test': sinkRoute(grey.port),
          'full.test': sinkRoute(full.port),
          'dead.test': sinkRoute(dead.port),
        },
      },
    })
    const { formatReport } = await import('../../src/cli/explain.ts')
    const { colours } = await import('../../src/cli/text.ts')
    const explain = async (to: string): Promise<string> => {
      const id = await server.accept({ ...letter, to })
      await server.event(id, 'deferred')
      await server.quiet()
      const context = { colours: colours(false), width: undefined } as Parameters<typeof formatReport>[1]
      return formatReport(await server.report(id), context, { timeline: true, transcript: true }).join('\n')
    }
    const words = {
      grey: await explain('x@grey.test'),
      full: await explain('x@full.test'),
      dead: await explain('x@dead.test'),
    }
    assert.match(words.grey, /451 4\.7\.1 Greylisted, see you in 300 s/)
    assert.match(words.grey, /Greylisted: the other side takes mail/)
    assert.match(words.full, /452 4\.3\.1 disk is full here/)
    assert.doesNotMatch(words.dead, /They said/, 'nobody said anything')
    assert.match(words.dead, /cannot be reached: .*REFUSED/)
    assert.match(words.dead, /smtp:127\.0\.0\.1:\d+/)
    for (const text of Object.values(words)) assert.match(text, /waits; next try .*in \d+/)
    const state = (await server.control.queueStats()).destinations.find(
      ({ destination }) => destination === `smtp:127.0.0.1:${dead.port}`,
    )
    assert.match(state?.blocked?.lastError ?? '', /refused/i)
  })
})

describe('a host that is down is tried as a host, not once per message', () => {
  // 10,000 take 12 s and as many dials: MESSAGES=10000 runs them.
  const total = Number(process.env.MESSAGES ?? 2000)
  it(`${total} messages to a dead host, and to a dead MX among 40 domains: a bounded number of dials; all delivered when it is back`, async (t) => {
    const world = World.for(t)
    const dials = new Map<string, number>()
    const real = createDialer({ clock: world.clock })
    const dialer: Dialer = {
      dial: (target) => {
        dials.set(target.host, (dials.get(target.host) ?? 0) + 1)
        return real.dial(target)
      },
    }
    const sink = await world.sink({}, { host: '127.0.0.2' })
    const names = Array.from({ length: 40 }, (_, i) => `d${i}.test`)
    const dns = await world.dns({
      mx: {
        ...Object.fromEntries(names.map((name) => [name, ['10 dead.test', '20 live.test']])),
        'only.test': ['10 dead.test'],
      },
      a: { 'dead.test': ['127.0.0.3'], 'live.test': ['127.0.0.2'] },
    })
    const server = await world.server(
      { delivery: { port: sink.port }, dns: { servers: [dns.address] } },
      { dialer },
    )
    await blast(await server.port('mx'), total, (i) => ({
      from: 'alice@here.test',
      to: `u${i}@${i % 2 === 0 ? 'only.test' : names[i % names.length]}`,
      body: plain,
    }))
    await until('all for the living host', () => sink.peer.messages.length === total / 2)
    await server.quiet()
    for (let i = 0; i < 12; i++) {
      world.clock.advance(10 * minute)
      await server.quiet()
    }
    const dead = dials.get('127.0.0.3') ?? 0
    t.diagnostic(
      `${dead} dials to the dead host for ${total} messages in two hours, ${dials.get('127.0.0.2')} to the living one`,
    )
    // 20 connections at first, then a probe of the host now and then, of each domain that names it.
    assert.ok(dead < 60, `${dead} dials`)
    assert.equal((await server.control.status()).counts.waiting, total / 2)
    const back = await world.sink({}, { host: '127.0.0.3', port: sink.port })
    world.clock.advance(hour + 30 * second)
    await until('the rest arrived', () => back.peer.messages.length === total / 2)
    await server.drained()
    assert.equal(new Set(back.peer.messages.flatMap(({ rcpts }) => rcpts)).size, total / 2)
  })
})
