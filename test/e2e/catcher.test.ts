// The catcher over real sockets: any login, inboxes, the conversation kept with a message, release, and faults at each
// step as a client sees them.

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { FaultRuleInput } from '../../src/policy/fault-rules.ts'
import type { ConfigInput } from '../../src/posthouse/config.ts'
import { Client, plain } from './support/client.ts'
import { type Server, until, World } from './support/world.ts'

function catcher(world: World, capture: ConfigInput['capture'], more: ConfigInput = {}): Promise<Server> {
  return world.server({
    delivery: { mode: 'capture' },
    networks: {},
    capture: { anyLogin: true, ...capture },
    ...more,
  })
}

const letter = { from: 'app@there.test', to: 'user@far.test' }

/** What the client got to read, or how its connection ended. */
async function outcome(read: Promise<{ code: number; text: string }>): Promise<string | number> {
  return read.then(
    ({ code }) => code,
    (error: Error & { code?: string }) => error.code ?? error.message,
  )
}

const captured = async (server: Server): Promise<number> =>
  (await server.control.mailList({ account: 'capture', limit: 100 })).items.length

describe('catcher: mail', () => {
  it('takes any login without TLS, and with inboxes by login keeps them apart', async (t) => {
    const server = await catcher(World.for(t), { inboxes: 'login' })
    const port = await server.port('mx')
    for (const login of ['team-a', 'team-b', 'team-a']) {
      const client = await Client.open(port)
      assert.match(client.ehlo.text, /AUTH PLAIN LOGIN/)
      assert.equal((await client.login(login, 'whatever')).code, 235)
      assert.equal((await client.send(letter)).end.code, 250)
      client.close()
    }
    await server.accept(letter)
    const { items } = await server.control.mailList({ account: 'capture', limit: 100 })
    assert.deepEqual(items.map(({ mailbox }) => mailbox).sort(), ['INBOX', 'team-a', 'team-a', 'team-b'])
  })

  it('keeps the conversation with the message, passwords masked, each message its own', async (t) => {
    const server = await catcher(World.for(t), {})
    const client = await Client.open(await server.port('mx'))
    await client.login('team-a', 'whatever')
    const first = await client.send(letter)
    const second = await client.send({ ...letter, to: 'second@far.test' })
    client.close()
    const linesOf = async (id: string): Promise<string[]> => {
      const { events } = await server.report(id)
      const lines = events.find(({ kind }) => kind === 'conversation')?.data.lines
      assert.ok(Array.isArray(lines))
      return lines.map(({ from, line }: { from: string; line: string }) => `${from}: ${line}`)
    }
    const one = await linesOf(first.id)
    assert.ok(one.includes('C: EHLO client.test'), one.join('\n'))
    assert.ok(one.includes('C: MAIL FROM:<app@there.test>'))
    assert.equal(one.at(-1), `S: 250 2.0.0 queued as ${first.id}`)
    assert.ok(!one.some((line) => line.includes(Buffer.from('\0team-a\0whatever').toString('base64'))))
    const two = await linesOf(second.id)
    assert.ok(two.includes('C: EHLO client.test') && two.includes('C: RCPT TO:<second@far.test>'))
    assert.ok(!two.includes('C: RCPT TO:<user@far.test>'))
  })

  it('releases to an allowed address through the release server', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const release = { server: `smtp://127.0.0.1:${sink.port}`, allow: ['*@real.test'] }
    const server = await catcher(world, { release })
    const id = await server.accept({ ...letter, body: plain })
    await assert.rejects(server.posthouse.release(id, ['x@evil.test'], 'me'), /not allowed/)
    await assert.rejects(server.posthouse.release(id, ['no address'], 'me'), /not a mail address/)
    await assert.rejects(server.posthouse.release('0i3m8q2v4000000000ab', ['a@real.test'], 'me'), /no body/)
    const released = await server.posthouse.release(id, ['a@real.test'], 'me')
    await server.drained()
    assert.deepEqual(
      sink.peer.messages.map(({ rcpts }) => rcpts),
      [['RCPT TO:<a@real.test>']],
    )
    assert.match(String(sink.peer.messages[0]?.body), /Hello\./)
    assert.ok((await server.kinds(id)).includes('released'))
    assert.ok((await server.kinds(released.id)).includes('delivered'))
    assert.equal(await captured(server), 1)
  })

  it('keeps released mail released when the server starts anew', async (t) => {
    const world = World.for(t)
    const sink = await world.sink({ answer: (stage) => (stage === 'MAIL' ? '451 4.3.0 later' : undefined) })
    const release = { server: `smtp://127.0.0.1:${sink.port}` }
    const server = await catcher(world, { release })
    const id = await server.accept(letter)
    const released = await server.posthouse.release(id, ['a@real.test'], 'me')
    await server.event(released.id, 'deferred')
    await server.stop()
    const again = await catcher(world, { release })
    const [item] = await again.queue()
    assert.equal(item?.delivery.destination, `release:smtp:127.0.0.1:${sink.port}`)
  })

  it('sends on by itself what goes to allowed addresses, and keeps all of it', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const release = { server: `smtp://127.0.0.1:${sink.port}`, allow: ['*@real.test'], auto: true }
    const server = await catcher(world, { release })
    const id = await server.accept({ ...letter, to: ['a@real.test', 'b@far.test'] })
    await server.drained()
    assert.deepEqual(
      sink.peer.messages.map(({ rcpts }) => rcpts),
      [['RCPT TO:<a@real.test>']],
    )
    const kept = (await server.report(id)).events.filter(({ data }) => data.how === 'captured')
    assert.deepEqual(
      kept.map(({ data }) => data.recipient),
      ['a@real.test', 'b@far.test'],
    )
  })
})

async function withRules(
  t: TestContext,
  rules: readonly FaultRuleInput[],
  more: ConfigInput = {},
): Promise<{ world: World; server: Server; port: number }> {
  const world = World.for(t)
  const server = await catcher(world, { faults: { rules } }, more)
  return { world, server, port: await server.port('mx') }
}

describe('catcher: faults', () => {
  it('a reply at each verb, with the chosen code and words; then the same client gets through', async (t) => {
    const stages = ['connect', 'ehlo', 'auth', 'mail', 'rcpt', 'data', 'message'] as const
    for (const stage of stages) {
      const { server, port } = await withRules(t, [
        { stage, times: 1, fault: { kind: 'reply', code: 451, status: '4.7.99', text: `not at ${stage}` } },
      ])
      const seen: string[] = []
      const note = (text: string): void => void seen.push(text)
      const once = async (): Promise<void> => {
        const client = await Client.open(port, { hello: false })
        note(client.greeting.text)
        if (client.greeting.code === 220) {
          note((await client.command('EHLO a.test')).text)
          note((await client.login('x', 'y')).text)
          const sent = await client.send(letter)
          note([sent.mail, ...sent.rcpt, sent.end].map(({ text }) => text).join('\n'))
        }
        client.close()
      }
      await once()
      assert.match(seen.join('\n'), new RegExp(`451 4\\.7\\.99 not at ${stage}`))
      await once()
      assert.match(seen.at(-1) ?? '', /queued as/, stage)
      // Only who could not log in went on without it.
      const kept = stage === 'auth' ? 2 : 1
      assert.equal(await captured(server), kept, stage)
    }
  })

  it('reset and close at each step end the connection without an answer', async (t) => {
    for (const kind of ['reset', 'close'] as const)
      for (const stage of ['connect', 'ehlo', 'mail', 'rcpt', 'data', 'message'] as const) {
        const { server, port } = await withRules(t, [{ stage, fault: { kind } }])
        const opened = Client.open(port)
        const ended = await outcome(opened.then(async (client) => (await client.send(letter)).end))
        assert.equal(ended, kind === 'reset' ? 'ECONNRESET' : 'closed', `${kind} at ${stage}`)
        assert.equal(await captured(server), 0, 'nothing is kept')
        assert.equal(server.posthouse.faults?.rules[0]?.firedCount, 1)
      }
  })

  it('accepts, then drops the connection behind the final dot: it is kept, the client does not know', async (t) => {
    const { server, port } = await withRules(t, [{ stage: 'after-message', fault: { kind: 'reset' } }])
    const client = await Client.open(port)
    assert.equal(await outcome(client.send(letter).then(({ end }) => end)), 'ECONNRESET')
    assert.equal(await captured(server), 1)
  })

  it('a late answer comes when its time has passed', async (t) => {
    const { world, port } = await withRules(t, [{ stage: 'rcpt', fault: { kind: 'delay', ms: 60_000 } }])
    const client = await Client.open(port)
    await client.command('MAIL FROM:<a@there.test>')
    let answered = false
    const reply = client.command('RCPT TO:<b@far.test>').then((got) => {
      answered = true
      return got
    })
    await (await Client.open(port)).command('NOOP')
    assert.equal(answered, false)
    await until('the timer is set', () => world.clock.now() > 0)
    world.clock.advance(60_000)
    assert.equal((await reply).code, 250)
    client.close()
  })

  it('a client that leaves during the wait leaves nothing behind', async (t) => {
    const { server, port } = await withRules(t, [{ stage: 'rcpt', fault: { kind: 'delay', ms: 600_000 } }])
    const client = await Client.open(port)
    await client.command('MAIL FROM:<a@there.test>')
    client.write('RCPT TO:<b@far.test>\r\n')
    await until('it struck', () => server.posthouse.faults?.rules[0]?.firedCount === 1)
    client.close()
    await until('no connection', async () => {
      const { listeners } = await server.control.status()
      return listeners.every(({ connectionCount }) => connectionCount === 0)
    })
  })

  it('replies in pieces are whole in the end', async (t) => {
    const { port } = await withRules(t, [{ stage: 'mail', fault: { kind: 'trickle', bytes: 3, ms: 1 } }])
    const client = await Client.open(port)
    const sent = await client.send(letter)
    assert.match(sent.end.text, /^250 2\.0\.0 queued as \w+$/)
    assert.equal((await client.command('QUIT')).code, 221)
  })

  it('an address asks for its own fault', async (t) => {
    const { port } = await withRules(t, [])
    const client = await Client.open(port)
    const sent = await client.send({
      ...letter,
      to: ['a+fault-rcpt-550@far.test', 'b@far.test', 'c+fault-message-452@far.test'],
    })
    assert.deepEqual(
      sent.rcpt.map(({ code }) => code),
      [550, 250, 250],
    )
    assert.equal(sent.end.code, 452)
    assert.equal((await client.send(letter)).end.code, 250)
    client.close()
  })

  it('TLS: the handshake fails with an alert, and STARTTLS can be refused', async (t) => {
    const { server, port } = await withRules(
      t,
      [{ id: 'alert', stage: 'starttls', times: 1, fault: { kind: 'tls-alert' } }],
      { tls: 'self-signed' },
    )
    const client = await Client.open(port)
    await assert.rejects(client.startTls(), /handshake failure/)
    server.posthouse.faults?.add({ stage: 'starttls', times: 1, fault: { kind: 'reply', code: 454 } })
    const second = await Client.open(port)
    assert.equal((await second.startTls()).code, 454)
    assert.match((await second.startTls()).text, /AUTH/)
    assert.equal((await second.send(letter)).end.code, 250)
    second.close()
  })
})
