// Issue 5, section 2: mail that comes in is checked as configured, over real sockets: every verdict can be read afterwards, and
// what was decided is done.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { dkimRecord, generateDkimKey, sealArc } from '../../src/auth.ts'
import { listen } from '../../src/net/listen.ts'
import type { InboundContext } from '../../src/policy/inbound-policy.ts'
import type { ConfigInput } from '../../src/posthouse/config.ts'
import { type MilterScript, milterPacket, ScriptedMilter } from '../../src/testing/scripted-milter.ts'
import { Client, plain } from './support/client.ts'
import { minute, type Server, until, World } from './support/world.ts'

type Inbound = NonNullable<ConfigInput['inbound']>

/** No client is trusted. */
const checking = (
  world: World,
  inbound: Inbound,
  dns: Parameters<World['dns']>[0] = {},
  more: ConfigInput = {},
): Promise<Server> =>
  world
    .dns(dns)
    .then(({ address }) =>
      world.server({ networks: { relay: [] }, dns: { servers: [address] }, inbound, ...more }),
    )

const letter = { from: 'a@there.test', to: 'alice@here.test' }

async function checksOf(server: Server, id: string): Promise<Record<string, unknown>[]> {
  const { events } = await server.report(id)
  return events.filter(({ kind }) => kind === 'check').map(({ data }) => data)
}

const words = (checks: readonly Record<string, unknown>[]): string[] =>
  checks.map(({ check, result }) => `${String(check)}=${String(result)}`)

async function milterFor(
  t: TestContext,
  world: World,
  script: MilterScript,
): Promise<{ milter: ScriptedMilter; at: string }> {
  const milter = new ScriptedMilter(script)
  const listener = await listen({
    host: '127.0.0.1',
    port: 0,
    clock: world.clock,
    onConnection: milter.accept,
  })
  t.after(() => listener.close())
  return { milter, at: `127.0.0.1:${listener.local.port}` }
}

describe('incoming mail is checked as configured', () => {
  it('nothing configured: nothing is checked, nothing is asked, nothing is noted', async (t) => {
    const world = World.for(t)
    const dns = await world.dns({})
    const server = await world.server({ networks: { relay: [] }, dns: { servers: [dns.address] } })
    const id = await server.accept(letter)
    assert.deepEqual(await checksOf(server, id), [])
    assert.deepEqual(
      dns.queries.filter((query) => /there\.test|0\.0\.127\./.test(query)),
      [],
    )
  })

  it('DNS lists and reverse DNS: refused by which list, quarantined by weight, noted in the timeline', async (t) => {
    const world = World.for(t)
    const dns = {
      a: {
        '2.0.0.127.bl.test': ['127.0.0.2'],
        '9.0.0.127.bl.test': ['127.0.0.4'],
        '8.0.0.127.bl.test': ['127.0.0.4'],
        '8.0.0.127.wl.test': ['127.0.0.2'],
        '2.0.0.127.wl.test': ['127.0.0.2'],
        'client.there.test': ['127.0.0.8'],
      },
      ptr: { '8.0.0.127.in-addr.arpa': ['client.there.test'] },
    }
    const server = await checking(
      world,
      {
        iprev: true,
        dnsLists: {
          lists: [
            { zone: 'bl.test', weight: 3 },
            { zone: 'wl.test', weight: -1 },
          ],
          refuseAt: 3,
          quarantineAt: 1,
        },
      },
      dns,
    )
    const refused = await server.send(letter, 'mx', { localAddress: '127.0.0.9' })
    assert.match(refused.end.text, /^550 5\.7\.1 127\.0\.0\.9 is listed by bl\.test \(s\w+\)$/)
    const id = await server.accept(letter, 'mx', { localAddress: '127.0.0.8' })
    const checks = await checksOf(server, id)
    assert.deepEqual(words(checks), [
      'iprev=pass',
      'dnslist=listed',
      'dnslist=listed',
      'dnslist=listed',
      'decision=quarantine',
    ])
    assert.match(String(checks.at(-1)?.text), /quarantine by dnslist/)
    const [mail] = await server.arrived('alice@here.test')
    assert.equal(mail?.item.mailbox, 'Junk')
    const clean = await server.accept(letter, 'mx', { localAddress: '127.0.0.7' })
    assert.deepEqual(words(await checksOf(server, clean)), [
      'iprev=permerror',
      'dnslist=clear',
      'decision=accept',
    ])
  })

  it('/metrics counts verdicts, listings and decisions', async (t) => {
    const world = World.for(t)
    const server = await checking(
      world,
      { authenticate: true, iprev: true, dnsLists: ['bl.test'] },
      {
        a: { '2.0.0.127.bl.test': ['127.0.0.2'], '9.0.0.127.bl.test': ['127.0.0.4'] },
        txt: { 'there.test': ['v=spf1 -all'] },
      },
      { listeners: { http: '127.0.0.1:0' } },
    )
    await server.accept(letter, 'mx', { localAddress: '127.0.0.8' })
    await server.send(letter, 'mx', { localAddress: '127.0.0.9' })
    const answer = await fetch(`http://127.0.0.1:${await server.port('http')}/metrics`)
    const lines = (await answer.text()).split('\n').map((line) => line.replace('posthouse_inbound_', ''))
    for (const line of [
      'checks_total{check="spf",result="fail"} 1',
      'checks_total{check="dkim",result="none"} 1',
      'checks_total{check="dmarc",result="none"} 1',
      'checks_total{check="dnslist",result="clear"} 1',
      'checks_total{check="dnslist",result="listed"} 1',
      'dnslist_answers_total{zone="bl.test",result="listed"} 1',
      'checks_total{check="iprev",result="permerror"} 2',
      'decisions_total{stage="data",action="accept",by="default"} 1',
      'decisions_total{stage="command",action="refuse",by="dnslist"} 1',
      'authentication_seconds_count 1',
    ])
      assert.ok(lines.includes(line), line)
  })

  it('a DNS list that fails its test at the start is left out', async (t) => {
    const world = World.for(t)
    const server = await checking(
      world,
      { dnsLists: ['bl.test'] },
      {
        a: {
          '1.0.0.127.bl.test': ['127.0.0.2'],
          '2.0.0.127.bl.test': ['127.0.0.2'],
          '9.0.0.127.bl.test': ['127.0.0.2'],
        },
      },
    )
    await until('the list is tested', async () => {
      const sent = await server.send(letter, 'mx', { localAddress: '127.0.0.9' })
      return sent.end.code === 250
    })
  })

  it('DNS that is silent costs the deadline and no more: on, or 451, as configured', async (t) => {
    const world = World.for(t)
    const dns = { timeout: ['9.0.0.127.bl.test', '9.0.0.127.in-addr.arpa'] }
    const inbound = { iprev: true, dnsLists: ['bl.test'], deadline: '300ms' }
    const open = await checking(world, inbound, dns)
    const startedAt = performance.now()
    const id = await open.accept(letter, 'mx', { localAddress: '127.0.0.9' })
    assert.ok(performance.now() - startedAt < 3000)
    assert.ok(words(await checksOf(open, id)).includes('dnslist=temperror'))
    await open.stop()
    const closed = await checking(world, { ...inbound, onFailure: 'defer' }, dns)
    const sent = await closed.send(letter, 'mx', { localAddress: '127.0.0.9' })
    assert.match(sent.rcpt[0]?.text ?? '', /^451 4\.3\.0 /)
  })

  it('SPF, DKIM and DMARC: refused, junk, accepted; results on top, foreign ones in our name gone', async (t) => {
    const world = World.for(t)
    const dns = {
      txt: {
        '_dmarc.strict.test': ['v=DMARC1; p=reject'],
        '_dmarc.mild.test': ['v=DMARC1; p=quarantine'],
        '_dmarc.good.test': ['v=DMARC1; p=reject'],
        'good.test': ['v=spf1 ip4:127.0.0.1 -all'],
      },
    }
    const server = await checking(world, { authenticate: true }, dns)
    const body = (domain: string, more = ''): string =>
      `${more}From: a@${domain}\r\nSubject: hi\r\n\r\nHi\r\n`
    const strict = await server.send({ ...letter, body: body('strict.test') })
    assert.match(strict.end.text, /^550 5\.7\.1 strict\.test does not stand behind this message \(DMARC\)/)
    const two = await server.send({ ...letter, body: body('good.test', 'From: b@strict.test\r\n') })
    assert.match(two.end.text, /^550 5\.7\.1 whose mail this is cannot be told/)
    await server.accept({ ...letter, body: body('mild.test') })
    const forged =
      'Authentication-Results: mx.here.test; dmarc=pass\r\nAuthentication-Results: other.test; spf=pass\r\n'
    const id = await server.accept({
      from: 'a@good.test',
      to: 'bob@here.test',
      body: body('good.test', forged),
    })
    const [junk] = await server.arrived('alice@here.test')
    assert.equal(junk?.item.mailbox, 'Junk')
    const [good] = await server.arrived('bob@here.test')
    assert.equal(good?.item.mailbox, 'INBOX')
    assert.match(
      good?.body ?? '',
      /^Authentication-Results: mx\.here\.test;\r\n\tspf=pass [\s\S]*dmarc=pass[\s\S]*\r\nReceived: /,
    )
    assert.doesNotMatch(good?.body ?? '', /mx\.here\.test; dmarc=pass/)
    assert.match(good?.body ?? '', /Authentication-Results: other\.test; spf=pass/)
    assert.deepEqual(words(await checksOf(server, id)), [
      'spf=pass',
      'dkim=none',
      'dmarc=pass',
      'decision=accept',
    ])
  })

  it("ARC: the seal of a trusted list overrides DMARC, a stranger's does not; a rule still may refuse", async (t) => {
    const world = World.for(t)
    const privateKey = await generateDkimKey('ed25519')
    const keyOf = (domain: string) => ({ domain, selector: 's', privateKey })
    const txt: Record<string, string[]> = { '_dmarc.bank.test': ['v=DMARC1; p=reject'] }
    for (const domain of ['lists.test', 'stranger.test']) {
      const { name, text } = dkimRecord({ ...keyOf(domain), key: privateKey })
      txt[name] = [text]
    }
    const inbound: Inbound = { authenticate: true, arc: { trustedSealers: ['lists.test'] } }
    const server = await checking(world, inbound, { txt })
    const message = 'From: a@bank.test\r\nSubject: [list] hi\r\n\r\nHi\r\n'
    const chain = { result: 'none', reason: '', temporary: false, sets: [], instances: 0 } as const
    const sealed = async (domain: string): Promise<string> =>
      `${await sealArc(Buffer.from(message), {
        key: keyOf(domain),
        authservId: `mx.${domain}`,
        results: 'dmarc=pass header.from=bank.test',
        chain,
      })}${message}`
    const stranger = await server.send({ ...letter, body: await sealed('stranger.test') })
    assert.match(stranger.end.text, /^550 5\.7\.1 bank\.test does not stand behind this message \(DMARC\)/)
    const id = await server.accept({ ...letter, body: await sealed('lists.test') })
    const [mail] = await server.arrived('alice@here.test')
    assert.equal(mail?.item.mailbox, 'INBOX')
    assert.match(
      mail?.body.replace(/\r\n\t/g, ' ') ?? '',
      /dmarc=fail reason="trusted_forwarder: lists\.test, ARC i=1" header\.from=bank\.test policy\.dmarc=reject/,
    )
    const checks = await checksOf(server, id)
    assert.deepEqual(words(checks), ['spf=none', 'dkim=none', 'arc=pass', 'dmarc=fail', 'decision=accept'])
    const dmarc = checks.find(({ check }) => check === 'dmarc')
    assert.match(
      String(dmarc?.text),
      /^dmarc: fail \(trusted_forwarder: lists\.test saw it pass \(ARC i=1\)\)$/,
    )
    assert.deepEqual((dmarc?.data as Record<string, unknown> | undefined)?.override, {
      type: 'trusted_forwarder',
      domain: 'lists.test',
      instance: 1,
    })
    const rules = [{ check: 'dmarc', result: 'fail', action: 'refuse' }] as const
    const strict = await checking(World.for(t), { ...inbound, rules }, { txt })
    assert.equal((await strict.send({ ...letter, body: await sealed('lists.test') })).end.code, 550)
  })

  it('rules by check and domain come before the advice of checks', async (t) => {
    const world = World.for(t)
    const dns = { txt: { '_dmarc.strict.test': ['v=DMARC1; p=reject'], 'spf.test': ['v=spf1 -all'] } }
    const server = await checking(
      world,
      {
        authenticate: true,
        rules: [
          { check: 'dmarc', result: 'fail', recipient: 'here.test', action: 'quarantine' },
          {
            check: 'spf',
            result: ['fail', 'softfail'],
            action: 'refuse',
            code: 554,
            text: 'your SPF says no',
          },
          { sender: '*.blocked.test', action: 'defer' },
        ],
      },
      dns,
    )
    await server.accept({ ...letter, body: 'From: a@strict.test\r\n\r\nx\r\n' })
    assert.equal((await server.arrived('alice@here.test'))[0]?.item.mailbox, 'Junk')
    const spf = await server.send({ ...letter, from: 'a@spf.test' })
    assert.match(spf.end.text, /^554 5\.7\.1 your SPF says no/)
    const blocked = await server.send({ ...letter, from: 'a@x.blocked.test' })
    assert.match(blocked.end.text, /^451 4\.7\.1 /)
  })

  it('greylisting: later, then taken; known afterwards, over a restart too', async (t) => {
    const world = World.for(t)
    const inbound = { greylist: { wait: '5m' } }
    const server = await checking(world, inbound)
    const first = await server.send(letter)
    assert.match(first.rcpt[0]?.text ?? '', /^451 4\.7\.1 greylisted, try again in 5m/)
    world.clock.advance(6 * minute)
    const id = await server.accept(letter)
    assert.deepEqual(words(await checksOf(server, id)), ['greylist=passed', 'decision=accept'])
    await server.stop()
    const again = await checking(world, inbound)
    assert.deepEqual(words(await checksOf(again, await again.accept(letter))), [
      'greylist=known',
      'decision=accept',
    ])
    assert.equal((await again.send({ ...letter, from: 'new@there.test' })).rcpt[0]?.code, 451)
  })

  it('rates by address: 450 at the message that is too many, 421 at the connection', async (t) => {
    const world = World.for(t)
    const server = await checking(world, {
      rates: [
        { by: 'address', of: 'messages', max: 2, per: '1h' },
        { by: 'network', of: 'connections', max: 4, per: '1h' },
      ],
    })
    await server.accept(letter)
    await server.accept(letter)
    const third = await server.send(letter)
    assert.match(third.mail.text, /^450 4\.7\.1 more than 2 messages in 1h from you/)
    await server.accept(letter, 'mx', { localAddress: '127.0.0.9' })
    const client = await Client.open(await server.port('mx'), { localAddress: '127.0.0.3', hello: false })
    assert.match(client.greeting.text, /^421 4\.7\.0 /)
    client.close()
  })

  it('a first-time sender waits before its 250, a known one does not', async (t) => {
    const world = World.for(t)
    const server = await checking(world, { firstTimeDelay: '100ms' })
    const startedAt = performance.now()
    const id = await server.accept(letter)
    assert.ok(performance.now() - startedAt >= 95)
    assert.ok(words(await checksOf(server, id)).includes('first-time=first'))
    assert.ok(words(await checksOf(server, await server.accept(letter))).includes('first-time=known'))
  })

  it('policy in code: what it is told, what it decides, and that a slow one is 451 at its deadline', async (t) => {
    const world = World.for(t)
    const told: InboundContext[] = []
    const server = await checking(world, {
      deadline: '200ms',
      onFailure: 'defer',
      authenticate: true,
      policy: (context) => {
        told.push(context)
        switch (context.reversePath) {
          case 'junk@there.test':
            return context.stage === 'data' ? 'quarantine' : undefined
          case 'no@there.test':
            return { action: 'refuse', code: 553, text: 'not\r\n250 you' }
          case 'slow@there.test':
            return new Promise(() => {})
          case 'broken@there.test':
            throw new Error('bug')
          case 'odd@there.test':
            return 'maybe' as never
          default:
            return undefined
        }
      },
    })
    const from = (name: string) => server.send({ ...letter, from: `${name}@there.test` })
    assert.equal((await from('fine')).end.code, 250)
    assert.deepEqual(
      told.map(({ stage, recipient, client }) => [stage, recipient, client.address]),
      [
        ['rcpt', 'alice@here.test', '127.0.0.1'],
        ['data', 'alice@here.test', '127.0.0.1'],
      ],
    )
    assert.match(told[1]?.message?.header ?? '', /Subject: hello/)
    assert.ok(told[1]?.verdicts.some(({ check }) => check === 'spf'))
    assert.match((await from('no')).rcpt[0]?.text ?? '', /^553 5\.7\.1 not\?\?250 you/)
    for (const name of ['slow', 'broken', 'odd'])
      assert.match((await from(name)).rcpt[0]?.text ?? '', /^451 4\.3\.0 /, name)
    assert.equal((await from('junk')).end.code, 250)
    const mails = await server.arrived('alice@here.test', 2)
    assert.deepEqual(mails.map(({ item }) => item.mailbox).sort(), ['INBOX', 'Junk'])
  })
})

describe('milters in a real session', () => {
  it('header, body and envelope changes are what is stored; several milters in order', async (t) => {
    const world = World.for(t)
    const one = await milterFor(t, world, {
      answer: (letter) =>
        letter === 'E'
          ? [
              milterPacket('h', 'X-One\0first\0'),
              milterPacket('i', '\0\0\0\x01X-Top\0here\n\tfolded\0'),
              milterPacket('m', '\0\0\0\x01Subject\0changed\0'),
              milterPacket('b', 'A new\nbody'),
              milterPacket('+', '<bob@here.test>\0'),
              milterPacket('-', '<carol@here.test>\0'),
              milterPacket('e', '<new@there.test>\0'),
              milterPacket('c'),
            ]
          : undefined,
    })
    const two = await milterFor(t, world, {})
    const server = await checking(
      world,
      {
        milters: [
          { at: one.at, name: 'one' },
          { at: two.at, name: 'two' },
        ],
      },
      {},
      {
        domains: {
          'here.test': {
            accounts: { alice: { password: false }, bob: { password: false }, carol: { password: false } },
          },
        },
      },
    )
    const id = await server.accept({ ...letter, to: ['alice@here.test', 'carol@here.test'] })
    const [mail] = await server.arrived('alice@here.test')
    assert.match(mail?.body ?? '', /^Received: [\s\S]*?\r\nX-Top: here\r\n\tfolded\r\nFrom: /)
    assert.match(mail?.body ?? '', /\r\nSubject: changed\r\nX-One: first\r\n\r\nA new\r\nbody\r\n$/)
    assert.match(mail?.prefix ?? '', /^Return-Path: <new@there\.test>/)
    assert.equal((await server.arrived('bob@here.test')).length, 1)
    assert.equal((await server.mail('carol@here.test')).length, 0)
    assert.ok(two.milter.told.includes('L Subject|changed|'))
    assert.ok(two.milter.told.includes('B A new\r\nbody\r\n'))
    assert.ok(
      two.milter.told.some((line) => line.startsWith('D M') && line.includes('{mail_addr}|a@there.test')),
    )
    const [check] = await checksOf(server, id)
    assert.match(String(check?.text), /milter one: continue/)
    assert.match(JSON.stringify(check?.data), /changed Subject.*replaced the body.*added the recipient/)
  })

  it('every answer at every stage is what the client is told', async (t) => {
    const world = World.for(t)
    const { milter, at } = await milterFor(t, world, {})
    const server = await checking(world, { milters: [{ at, name: 'm' }] })
    const cases: readonly [stage: string, answer: Buffer, where: 'mail' | 'rcpt' | 'end', reply: RegExp][] = [
      ['C', milterPacket('r'), 'mail', /^550 5\.7\.1 /],
      ['H', milterPacket('t'), 'mail', /^451 4\.7\.1 /],
      ['M', milterPacket('y', '553 5.1.8 bad sender\0'), 'mail', /^553 5\.1\.8 bad sender/],
      ['R', milterPacket('r'), 'rcpt', /^550 5\.7\.1 /],
      ['R', milterPacket('y', '452 4.2.2 full\0'), 'rcpt', /^452 4\.2\.2 full/],
      ['T', milterPacket('t'), 'end', /^451 4\.7\.1 /],
      ['L', milterPacket('r'), 'end', /^550 5\.7\.1 /],
      ['N', milterPacket('y', '554 5.6.0 no\0'), 'end', /^554 5\.6\.0 no/],
      ['B', milterPacket('t'), 'end', /^451 4\.7\.1 /],
      ['E', milterPacket('r'), 'end', /^550 5\.7\.1 /],
      ['E', milterPacket('4'), 'end', /^421 4\.7\.0 /],
      ['E', milterPacket('c'), 'end', /^250 /],
      ['M', milterPacket('a'), 'end', /^250 /],
    ]
    for (const [stage, answer, where, reply] of cases) {
      milter.script = { answer: (letter) => (letter === stage ? [answer] : undefined) }
      const sent = await server.send(letter)
      const said = where === 'mail' ? sent.mail : where === 'rcpt' ? sent.rcpt[0] : sent.end
      assert.match(said?.text ?? '', reply, `${stage} ${answer.toString('latin1')}`)
    }
    assert.equal((await server.arrived('alice@here.test')).length, 2)
  })

  it('quarantine is the junk folder, discard is taken and goes nowhere, both in the timeline', async (t) => {
    const world = World.for(t)
    const { milter, at } = await milterFor(t, world, {
      answer: (letter) => (letter === 'E' ? [milterPacket('q', 'odd\0'), milterPacket('c')] : undefined),
    })
    const server = await checking(world, { milters: [{ at }] })
    const put = await checksOf(server, await server.accept(letter))
    assert.match(String(put.at(-1)?.text), /quarantine by milter milter 1 \(odd\)/)
    milter.script = { answer: (letter) => (letter === 'R' ? [milterPacket('d')] : undefined) }
    const gone = await server.accept(letter)
    assert.match(String((await checksOf(server, gone)).at(-1)?.text), /taken and thrown away/)
    const mails = await server.mail('alice@here.test')
    assert.deepEqual(
      mails.map(({ item }) => item.mailbox),
      ['Junk'],
    )
  })

  it('several messages of one session, and sessions one after the other, on one connection', async (t) => {
    const world = World.for(t)
    const { milter, at } = await milterFor(t, world, {})
    const server = await checking(world, { milters: [{ at, reuse: true }] })
    const client = await Client.open(await server.port('mx'))
    for (let i = 0; i < 3; i++) assert.equal((await client.send(letter)).end.code, 250)
    await client.command('MAIL FROM:<a@there.test>')
    await client.command('RSET')
    assert.equal((await client.send(letter)).end.code, 250)
    await client.command('QUIT')
    client.close()
    await until('the session is over', () => milter.told.some((line) => line.startsWith('K')))
    await server.accept(letter)
    assert.equal(milter.connectionCount, 1)
    assert.equal(milter.told.filter((line) => line.startsWith('A')).length, 1)
  })

  it('a milter that is gone, silent or hostile: on, or 451, as configured; never longer than the deadline', async (t) => {
    const world = World.for(t)
    const hostile: readonly MilterScript['answer'][] = [
      () => 'close',
      () => [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
      (letter) => (letter === 'E' ? [] : undefined),
      (letter) => (letter === 'E' ? [milterPacket('h', 'no value')] : undefined),
    ]
    const { milter, at } = await milterFor(t, world, {})
    const open = await checking(world, { deadline: '300ms', milters: [{ at }] })
    for (const answer of hostile) {
      milter.script = answer === undefined ? {} : { answer }
      const checks = await checksOf(open, await open.accept(letter))
      assert.ok(words(checks).includes('milter=temperror'), JSON.stringify(checks))
    }
    const closed = await world.server(
      { networks: { relay: [] }, inbound: { milters: [{ at: '127.0.0.1:1', onFailure: 'defer' }] } },
      {},
      'closed',
    )
    for (let i = 0; i < 7; i++) assert.match((await closed.send(letter)).mail.text, /^451 4\.3\.0 /)
  })

  it('a large message is held in a file, goes through whole, and leaves nothing there', async (t) => {
    const world = World.for(t)
    const { milter, at } = await milterFor(t, world, {
      answer: (letter) =>
        letter === 'E' ? [milterPacket('h', 'X-Seen\0yes\0'), milterPacket('c')] : undefined,
    })
    const server = await checking(world, { milters: [{ at }] })
    const text = `${'0123456789'.repeat(7)}\r\n`.repeat(45_000)
    await server.accept({ ...letter, body: `Subject: large\r\n\r\n${text}` })
    const [mail] = await server.arrived('alice@here.test')
    assert.ok(mail?.body.endsWith(`\r\nX-Seen: yes\r\n\r\n${text}`))
    const told = milter.told.filter((line) => line.startsWith('B ')).map((line) => line.slice(2))
    assert.equal(told.join(''), text)
  })
})

describe('rspamd over HTTP', () => {
  async function rspamd(t: TestContext, answer: () => unknown) {
    const asked: { url: string | undefined; headers: Record<string, unknown>; body: string }[] = []
    const http = createServer(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      asked.push({
        url: request.url,
        headers: request.headers,
        body: Buffer.concat(chunks).toString('latin1'),
      })
      const said = answer()
      if (said === undefined) return
      if (typeof said === 'number') response.writeHead(said).end('{"error":"no"}')
      else if (typeof said === 'string') response.end(said)
      else {
        const { newBody, ...rest } = said as { readonly newBody?: string }
        const json = JSON.stringify(rest)
        if (newBody !== undefined) response.setHeader('Message-Offset', Buffer.byteLength(json))
        response.end(`${json}${newBody ?? ''}`)
      }
    })
    await new Promise<void>((resolve) => {
      http.listen(0, '127.0.0.1', resolve)
    })
    t.after(() => {
      http.closeAllConnections()
      http.close()
    })
    return { asked, at: `127.0.0.1:${(http.address() as AddressInfo).port}` }
  }

  it('its actions are the policy, its header changes are stored', async (t) => {
    const world = World.for(t)
    let answer: unknown
    const { asked, at } = await rspamd(t, () => answer)
    const server = await checking(world, { rspamd: { at, password: 'hush' } })
    const says = (action: string, more: object = {}): void => {
      answer = { action, score: 9, required_score: 15, symbols: { SPAM: { score: 9 } }, ...more }
    }
    says('reject', { messages: { smtp_message: 'no thanks' } })
    assert.match((await server.send(letter)).end.text, /^550 5\.7\.1 no thanks/)
    says('soft reject')
    assert.match((await server.send(letter)).end.text, /^451 4\.7\.1 /)
    says('add header', {
      milter: { add_headers: { 'X-Spam': { value: 'Yes', order: 0 } }, remove_headers: { To: 0 } },
    })
    const id = await server.accept(letter)
    const [mail] = await server.arrived('alice@here.test')
    assert.equal(mail?.item.mailbox, 'Junk')
    assert.match(mail?.body ?? '', /\r\nX-Spam: Yes\r\nFrom: /)
    assert.doesNotMatch(mail?.body ?? '', /^To:/m)
    assert.match(String((await checksOf(server, id))[0]?.text), /rspamd: add header \(score 9 of 15\)/)
    says('rewrite subject', { subject: '[SPAM] grüße' })
    await server.accept(letter)
    says('no action')
    await server.accept(letter)
    const mails = await server.arrived('alice@here.test', 3)
    assert.ok(mails.some(({ body }) => /^Subject: =\?UTF-8\?B\?/m.test(body)))
    assert.deepEqual(mails.map(({ item }) => item.mailbox).sort(), ['INBOX', 'Junk', 'Junk'])
    assert.equal(asked[0]?.url, '/checkv2')
    const { from, rcpt, ip, password } = asked[0]?.headers ?? {}
    assert.deepEqual([from, rcpt, ip, password], ['a@there.test', 'alice@here.test', '127.0.0.1', 'hush'])
    assert.equal(asked[0]?.body, plain)
  })

  it('its changes of body and envelope are done; discard, quarantine and no action in place of a refusal', async (t) => {
    const world = World.for(t)
    let answer: unknown
    const { asked, at } = await rspamd(t, () => answer)
    const server = await checking(world, { rspamd: { at } })
    const says = (action: string, more: object = {}): void => {
      answer = { action, score: 20, required_score: 15, symbols: {}, ...more }
    }
    says('no action', { newBody: 'Defused.\nTwo lines.\n', milter: { add_rcpt: ['bob@here.test'] } })
    await server.accept(letter)
    const [mail] = await server.arrived('alice@here.test')
    assert.match(mail?.body ?? '', /\r\n\r\nDefused\.\r\nTwo lines\.\r\n$/)
    assert.equal((await server.arrived('bob@here.test')).length, 1)
    says('no action', { milter: { del_rcpt: ['alice@here.test'], add_rcpt: ['<bob@here.test>'] } })
    await server.accept(letter)
    assert.equal((await server.arrived('bob@here.test', 2)).length, 2)
    says('reject', { milter: { reject: 'quarantine' } })
    await server.accept(letter)
    says('reject', { milter: { no_action: true } })
    await server.accept(letter)
    says('reject', { milter: { reject: 'discard' } })
    const id = await server.accept(letter)
    assert.match(String((await checksOf(server, id)).at(-1)?.text), /taken and thrown away/)
    const mails = await server.arrived('alice@here.test', 3)
    assert.deepEqual(mails.map(({ item }) => item.mailbox).sort(), ['INBOX', 'INBOX', 'Junk'])
    assert.ok(mails.some(({ body }) => /^X-Rspamd-Action: reject\r$/m.test(body)))
    assert.equal(asked[0]?.headers.flags, 'milter,body_block')
  })

  it('an answer that is none defers or lets pass, as configured, and the timeline says what it was', async (t) => {
    const world = World.for(t)
    let answer: unknown
    const { at } = await rspamd(t, () => answer)
    const server = await checking(world, { rspamd: { at, onFailure: 'accept' } })
    const cases: readonly (readonly [unknown, RegExp])[] = [
      [500, /status 500/],
      [403, /status 403/],
      ['<html>', /no JSON/],
      [{ action: 'explode' }, /no action that we know/],
    ]
    for (const [said, words] of cases) {
      answer = said
      const [check] = await checksOf(server, await server.accept(letter))
      assert.equal(check?.result, 'temperror')
      assert.match(String(check?.text), words)
    }
    const strict = await checking(World.for(t), { rspamd: { at, onFailure: 'defer' } })
    assert.match((await strict.send(letter)).end.text, /^451 4\.3\.0 /)
  })

  it('silent or broken: on or 451 as configured, at its deadline; after some failures it is not asked', async (t) => {
    const world = World.for(t)
    const { asked, at } = await rspamd(t, () => undefined)
    const server = await checking(world, { rspamd: { at, timeout: '100ms', onFailure: 'defer' } })
    for (let i = 0; i < 6; i++) assert.match((await server.send(letter)).end.text, /^451 4\.3\.0 /)
    assert.equal(asked.length, 5)
    world.clock.advance(minute)
    await server.send(letter)
    assert.equal(asked.length, 6, 'one tries again')
  })
})
