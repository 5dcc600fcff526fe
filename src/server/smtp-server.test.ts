// Tests of the SMTP/LMTP driver over connections in memory and virtual time.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { AssertionFailed } from '../base/assert.ts'
import type { Connection } from '../base/connection.ts'
import type { Mailbox } from '../base/mailbox.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import { reply } from '../smtp/reply.ts'
import { accept, refuse, type Verdict } from '../smtp/verdict.ts'
import {
  type MemoryConnection,
  type MemoryPairOptions,
  memoryPair,
  memoryTlsInfo,
} from '../testing/memory-network.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import type { BodySink, SessionInfo, SmtpSession } from './session.ts'
import { createSmtpServer, type SmtpServer, type SmtpServerOptions } from './smtp-server.ts'

/** A client that says what it is told and keeps what it hears. */
class Peer {
  readonly connection: MemoryConnection
  readonly server: MemoryConnection
  closed = false
  #heard = ''
  readonly #clock: VirtualClock

  constructor(clock: VirtualClock, options?: MemoryPairOptions) {
    const pair = memoryPair(options)
    this.connection = pair.client
    this.server = pair.server
    this.#clock = clock
    pair.client.attach({
      data: (bytes) => void (this.#heard += bytes.toString()),
      end: () => pair.client.end(),
      close: () => void (this.closed = true),
      drain: () => {},
    })
  }

  /** What the server said since the last call, once everything has settled. */
  async heard(): Promise<string> {
    await this.#clock.settle(12)
    const heard = this.#heard
    this.#heard = ''
    return heard
  }

  async say(text: string): Promise<string> {
    this.connection.write(Buffer.from(text))
    return this.heard()
  }
}

interface Recorded {
  readonly calls: string[]
  readonly bodies: string[]
  info: SessionInfo | undefined
}

/** A session that accepts everything and records what it was asked. */
function recorder(
  record: Recorded,
  over: Partial<SmtpSession> & { sink?: Partial<BodySink> } = {},
): SmtpSession {
  const { calls } = record
  const { sink, ...rest } = over
  return {
    hello: () => accept,
    mail: (path) => {
      calls.push(`mail ${path?.text ?? ''}`)
      return accept
    },
    rcpt: (path: Mailbox) => {
      calls.push(`rcpt ${path.text}`)
      return accept
    },
    data: () => {
      calls.push('data')
      let body = ''
      return {
        write: (bytes) => void (body += bytes.toString()),
        finish: (): MaybePromise<Verdict | readonly Verdict[]> => {
          record.bodies.push(body)
          calls.push('finish')
          return { kind: 'accept', reply: reply(250, '0.0', `queued as q${record.bodies.length}`) }
        },
        abort: () => void calls.push('abort'),
        ...sink,
      }
    },
    reset: () => void calls.push('reset'),
    close: () => void calls.push('close'),
    ...rest,
  }
}

interface World {
  readonly clock: VirtualClock
  readonly server: SmtpServer
  readonly record: Recorded
  readonly lines: string[]
  connect(options?: MemoryPairOptions): Promise<Peer>
}

function world(
  options: Partial<SmtpServerOptions> & { over?: Partial<SmtpSession> & { sink?: Partial<BodySink> } } = {},
): World {
  const clock = new VirtualClock()
  const record: Recorded = { calls: [], bodies: [], info: undefined }
  const lines: string[] = []
  const { over, ...rest } = options
  const server = createSmtpServer({
    hostname: 'mx.test',
    kind: 'mx',
    clock,
    session: (info) => {
      record.info = info
      return recorder(record, over)
    },
    transcript: (_, from, line) => lines.push(`${from} ${line}`),
    ...rest,
  })
  return {
    clock,
    server,
    record,
    lines,
    connect: async (pair) => {
      const peer = new Peer(clock, pair)
      server.accept(peer.server as Connection)
      await clock.settle(3)
      return peer
    },
  }
}

const hello = 'EHLO client.test\r\n'
const envelope = 'MAIL FROM:<a@client.test>\r\nRCPT TO:<b@mx.test>\r\n'
const greeting = /^220 mx\.test ESMTP ready\r\n$/

/** A promise and its ends. */
const pending = <T>() => Promise.withResolvers<T>()

test('driver: a pipelined group is answered with one write', async () => {
  const { connect, record } = world()
  const peer = await connect()
  assert.match(await peer.heard(), greeting)
  await peer.say(hello)
  const before = peer.server.writeCount
  assert.equal(
    await peer.say(`${envelope}DATA\r\n`),
    '250 2.1.0 sender ok\r\n250 2.1.5 recipient ok\r\n354 end data with <CR><LF>.<CR><LF>\r\n',
  )
  assert.equal(peer.server.writeCount, before + 1)
  assert.equal(
    await peer.say('Subject: x\r\n\r\nhi\r\n.\r\nNOOP\r\n'),
    '250 2.0.0 queued as q1\r\n250 2.0.0 ok\r\n',
  )
  assert.equal(peer.server.writeCount, before + 2)
  assert.equal(await peer.say('QUIT\r\n'), '221 2.0.0 bye\r\n')
  assert.ok(peer.closed)
  assert.deepEqual(record.bodies, ['Subject: x\r\n\r\nhi\r\n'])
  assert.deepEqual(record.calls, ['mail a@client.test', 'rcpt b@mx.test', 'data', 'finish', 'close'])
})

test('driver: answers that take their time come in order', async () => {
  const first = pending<Verdict>()
  const asked: string[] = []
  const { connect } = world({
    over: {
      rcpt: (path) => {
        asked.push(path.localPart)
        return path.localPart === 'slow' ? first.promise : accept
      },
    },
  })
  const peer = await connect()
  await peer.say(hello)
  const heard = await peer.say('MAIL FROM:<>\r\nRCPT TO:<slow@mx.test>\r\nRCPT TO:<fast@mx.test>\r\nNOOP\r\n')
  assert.equal(heard, '250 2.1.0 sender ok\r\n')
  assert.deepEqual(asked, ['slow'], 'one question at a time')
  first.resolve(refuse(reply(450, '7.1', 'not yet')))
  assert.equal(await peer.heard(), '450 4.7.1 not yet\r\n250 2.1.5 recipient ok\r\n250 2.0.0 ok\r\n')
})

test('driver: a sink that is full pauses the peer, and goes on when it is ready', async () => {
  const full = pending<void>()
  let count = 0
  const { connect, record } = world({
    over: { sink: { write: () => (++count === 1 ? full.promise : undefined) } },
  })
  const peer = await connect()
  await peer.say(`${hello}${envelope}DATA\r\n`)
  await peer.say('one\r\n')
  assert.ok(peer.server.paused)
  assert.equal(await peer.say('two\r\n.\r\n'), '')
  assert.equal(count, 1)
  full.resolve()
  assert.equal(await peer.heard(), '250 2.0.0 queued as q1\r\n')
  assert.equal(peer.server.paused, false)
  assert.equal(count, 2)
  assert.equal(record.calls.at(-1), 'finish')
})

test('driver: input that piles up behind a question pauses the peer', async () => {
  const slow = pending<Verdict>()
  const { connect } = world({ over: { mail: () => slow.promise } })
  const peer = await connect()
  await peer.say(`${hello}MAIL FROM:<>\r\n`)
  await peer.say('NOOP\r\n'.repeat(20_000))
  assert.ok(peer.server.paused)
  await peer.heard()
  slow.resolve(accept)
  assert.match(
    await peer.heard(),
    /^250 2\.1\.0 sender ok\r\n(?:250 2\.0\.0 ok\r\n)+(?:421 4\.7\.0 too many commands.*\r\n)?$/,
  )
})

test('driver: a peer that does not read its answers is not read from', async () => {
  const { connect } = world({ limits: { commandsMax: 1e9 } })
  const peer = await connect({ highWaterMarkBytes: 1000 })
  await peer.say(hello)
  peer.connection.pause()
  for (let i = 0; i < 50; i++) await peer.say('NOOP\r\n'.repeat(100))
  assert.ok(peer.server.paused)
  assert.ok(peer.server.writtenBytes < 5000)
  peer.connection.resume()
  let heard = ''
  for (let i = 0; i < 200; i++) heard += await peer.heard()
  assert.equal(heard.split('250 2.0.0 ok\r\n').length, 5001)
})

for (const [where, over, expected] of [
  ['mail', { mail: () => Promise.reject(new Error('secret')) }, /^451 4\.3\.0 try again later \(s1\)\r\n503/],
  [
    'rcpt',
    {
      rcpt: () => {
        throw new Error('secret')
      },
    },
    /^250 .*\r\n451 4\.3\.0 try again later \(s1\)\r\n$/,
  ],
] as const)
  test(`driver: a throw of ${where} is 451 with the session id, and the session goes on`, async () => {
    const { connect } = world({ over })
    const peer = await connect()
    await peer.heard()
    await peer.say(hello)
    const heard = await peer.say(envelope)
    assert.match(heard, expected)
    assert.doesNotMatch(heard, /secret/)
    assert.equal(await peer.say('NOOP\r\n'), '250 2.0.0 ok\r\n')
  })

for (const [how, sink] of [
  [
    'throws',
    () => {
      throw new Error('disk')
    },
  ],
  ['rejects', () => Promise.reject(new Error('disk'))],
] as const)
  test(`driver: a sink that ${how} costs the message, not the session`, async () => {
    const { connect, record } = world({ over: { sink: { write: sink } } })
    const peer = await connect()
    await peer.say(`${hello}${envelope}DATA\r\n`)
    assert.equal(await peer.say('one\r\n'), '')
    assert.equal(await peer.say('QUIT\r\n.\r\n'), '451 4.3.0 try again later (s1)\r\n')
    assert.deepEqual(record.calls.slice(-2), ['abort', 'reset'])
    assert.match(await peer.say(`RSET\r\n${envelope}`), /^250.*\r\n250.*\r\n250/)
  })

test('driver: finish that rejects is 451, and nothing is aborted after it', async () => {
  const { connect, record } = world({ over: { sink: { finish: () => Promise.reject(new Error('disk')) } } })
  const peer = await connect()
  await peer.say(`${hello}${envelope}DATA\r\n`)
  assert.equal(await peer.say('one\r\n.\r\n'), '451 4.3.0 try again later (s1)\r\n')
  assert.ok(!record.calls.includes('abort') && !record.calls.includes('reset'))
})

test('driver: a broken invariant is 421 and the end', async () => {
  for (const over of [
    {
      mail: () => {
        throw new AssertionFailed('no')
      },
    },
    { mail: () => Promise.reject(new AssertionFailed('no')) },
    { mail: () => refuse(reply(250, '0.0', 'a refusal that consents')) },
  ] satisfies Partial<SmtpSession>[]) {
    const { connect, record } = world({ over })
    const peer = await connect()
    await peer.say(hello)
    assert.equal(await peer.say(envelope), '421 4.3.0 internal error, closing (s1)\r\n')
    assert.ok(peer.closed)
    assert.deepEqual(record.calls, ['close'])
  }
})

test('driver: a session that cannot be made is 421', async () => {
  const { connect } = world({
    session: () => {
      throw new Error('no')
    },
  })
  const peer = await connect()
  assert.equal(await peer.heard(), '421 4.3.0 not available now (s1)\r\n')
  assert.ok(peer.closed)
})

test('driver: a refused greeting is 554 and waits for QUIT, or 421 and closes', async () => {
  const first = await world({ over: { connect: () => refuse(reply(554, '7.1', 'not you')) } }).connect()
  assert.equal(await first.heard(), '554 5.7.1 not you\r\n')
  assert.match(await first.say(hello), /^503 /)
  assert.match(await first.say('QUIT\r\n'), /^221 /)
  const second = await world({
    over: { connect: async () => refuse(reply(421, '7.1', 'not now')) },
  }).connect()
  assert.equal(await second.heard(), '421 4.7.1 not now\r\n')
  assert.ok(second.closed)
})

test('driver: a connection lost within a body aborts it once and closes the session last', async () => {
  const { connect, record, server } = world()
  const peer = await connect()
  await peer.say(`${hello}${envelope}DATA\r\n`)
  await peer.say('half a')
  peer.connection.destroy()
  await peer.heard()
  assert.deepEqual(record.calls.slice(-2), ['abort', 'close'])
  assert.equal(server.connectionCount, 0)
})

test('driver: a connection lost while the message is committed: no abort, and close waits for the answer', async () => {
  const commit = pending<Verdict>()
  const { connect, record } = world({ over: { sink: { finish: () => commit.promise } } })
  const peer = await connect()
  await peer.say(`${hello}${envelope}DATA\r\n`)
  await peer.say('x\r\n.\r\n')
  peer.connection.destroy()
  await peer.heard()
  assert.equal(record.calls.at(-1), 'data')
  commit.resolve(accept)
  await peer.heard()
  assert.equal(record.calls.at(-1), 'close')
  assert.ok(!record.calls.includes('abort'))
})

test('driver: a peer that half-closes behind its message is still answered', async () => {
  const commit = pending<Verdict>()
  const { connect } = world({ over: { sink: { finish: () => commit.promise } } })
  const peer = await connect()
  await peer.say(`${hello}${envelope}DATA\r\n`)
  peer.connection.write(Buffer.from('x\r\n.\r\n'))
  peer.connection.end()
  assert.equal(await peer.heard(), '')
  commit.resolve(accept)
  assert.equal(await peer.heard(), '250 2.0.0 message accepted\r\n')
  assert.ok(peer.closed)
})

test('driver: limits of time: a command, a body, a session', async () => {
  const limits = { commandTimeoutMs: 300_000, dataTimeoutMs: 180_000, sessionTimeoutMs: 3_600_000 }
  const idle = world({ limits })
  const one = await idle.connect()
  await one.say(hello)
  await idle.clock.advance(299_000)
  assert.equal(await one.say('NOOP\r\n'), '250 2.0.0 ok\r\n')
  await idle.clock.advance(290_000)
  // A command that comes in drops does not gain time by each of them.
  assert.equal(await one.say('NO'), '')
  await idle.clock.advance(12_000)
  assert.equal(await one.heard(), '421 4.4.2 timed out, closing\r\n')
  assert.ok(one.closed)

  const body = world({ limits })
  const two = await body.connect()
  await two.say(`${hello}${envelope}DATA\r\n`)
  await body.clock.advance(170_000)
  await two.say('x\r\n')
  await body.clock.advance(179_000)
  assert.equal(await two.heard(), '')
  await body.clock.advance(2000)
  assert.equal(await two.heard(), '421 4.4.2 timed out, closing\r\n')
  assert.equal(body.record.calls.includes('abort'), true)

  const busy = world({ limits })
  const three = await busy.connect()
  await three.say(hello)
  let heard = ''
  for (let i = 0; i < 15; i++) {
    await busy.clock.advance(250_000)
    heard += await three.say('NOOP\r\n')
  }
  assert.match(heard, /^(?:250 2\.0\.0 ok\r\n){14}421 4\.4\.2 timed out, closing\r\n$/)
})

test('driver: a slow question of ours is not held against the peer', async () => {
  const commit = pending<Verdict>()
  const { connect, clock } = world({ over: { sink: { finish: () => commit.promise } } })
  const peer = await connect()
  await peer.say(`${hello}${envelope}DATA\r\n`)
  await peer.say('x\r\n.\r\n')
  await clock.advance(900_000)
  commit.resolve(accept)
  assert.equal(await peer.heard(), '250 2.0.0 message accepted\r\n')
  await clock.advance(290_000)
  assert.equal(await peer.say('NOOP\r\n'), '250 2.0.0 ok\r\n')
})

test('driver: one timer serves all connections', async () => {
  const { connect, clock } = world()
  for (let i = 0; i < 20; i++) await connect()
  assert.equal(clock.pendingCount, 1)
})

test('driver: limits of connections in all and per address, an IPv6 /64 being one', async () => {
  const { connect, server } = world({ limits: { connectionsMax: 4, connectionsPerAddressMax: 2 } })
  const from = (address: string): Promise<Peer> => connect({ client: { address, port: 1 } })
  const first = await from('2001:db8::1')
  assert.match(await first.heard(), greeting)
  assert.match(await (await from('2001:db8::2')).heard(), greeting)
  const third = await from('2001:db8:0:0:ffff::3')
  assert.equal(await third.heard(), '421 4.7.0 too many connections from your network, try again later\r\n')
  assert.ok(third.closed)
  assert.match(await (await from('2001:db8:0:1::1')).heard(), greeting)
  assert.match(await (await from('192.0.2.7')).heard(), greeting)
  assert.equal(await (await from('192.0.2.8')).heard(), '421 4.7.0 too many connections, try again later\r\n')
  first.connection.destroy()
  await first.heard()
  assert.equal(server.connectionCount, 3)
  assert.match(await (await from('2001:db8::4')).heard(), greeting)
})

test('driver: stop ends idle sessions at once, others after their message, the rest after the grace', async () => {
  const { connect, server, clock } = world()
  const idle = await connect()
  const busy = await connect()
  const stuck = await connect()
  await busy.say(`${hello}${envelope}DATA\r\n`)
  await stuck.say(`${hello}${envelope}DATA\r\n`)
  await idle.heard()
  let stopped = false
  const done = server.stop({ graceMs: 10_000 }).then(() => void (stopped = true))
  assert.equal(await idle.heard(), '421 4.3.2 shutting down, come back later\r\n')
  assert.ok(idle.closed)
  const late = await connect()
  assert.equal(await late.heard(), '421 4.3.2 shutting down, come back later\r\n')
  assert.equal(
    await busy.say('x\r\n.\r\nMAIL FROM:<>\r\n'),
    '250 2.0.0 queued as q1\r\n421 4.3.2 shutting down, come back later\r\n',
  )
  assert.ok(busy.closed)
  assert.equal(stopped, false)
  await clock.advance(10_000)
  await stuck.heard()
  assert.ok(stuck.closed)
  await done
  assert.equal(server.connectionCount, 0)
  assert.equal(clock.pendingCount, 0)
})

test('driver: stop waits for a commit under way', async () => {
  const commit = pending<Verdict>()
  const { connect, server } = world({ over: { sink: { finish: () => commit.promise } } })
  const peer = await connect()
  await peer.say(`${hello}${envelope}DATA\r\n`)
  await peer.say('x\r\n.\r\n')
  const done = server.stop({ graceMs: 10_000 })
  assert.equal(await peer.heard(), '')
  commit.resolve(accept)
  assert.equal(
    await peer.heard(),
    '250 2.0.0 message accepted\r\n421 4.3.2 shutting down, come back later\r\n',
  )
  await done
})

const tls = (): unknown => ({})
const startTls = (peer: Peer): Promise<unknown> =>
  peer.connection.startTls({ kind: 'client', servername: 'mx.test', verify: false, timeoutMs: 1000 })

test('driver: STARTTLS forgets what was said before, and tells the session', async () => {
  const { connect, record } = world({ tls })
  const peer = await connect()
  assert.match(await peer.say(hello), /250-STARTTLS\r\n/)
  await peer.say('MAIL FROM:<a@client.test>\r\n')
  assert.equal(await peer.say('STARTTLS\r\n'), '220 2.0.0 ready to start TLS\r\n')
  await startTls(peer)
  assert.match(await peer.say('MAIL FROM:<>\r\n'), /^503 /)
  assert.equal(record.info?.hello, '')
  assert.doesNotMatch(await peer.say(hello), /STARTTLS/)
  assert.equal(record.info?.tls?.protocol, 'TLSv1.3')
  assert.equal(record.info?.hello, 'client.test')
  assert.equal(record.calls.at(-1), 'reset')
  assert.match(await peer.say(`${envelope}DATA\r\n`), /354/)
})

test('driver: a handshake that fails closes the session', async () => {
  const { connect, record, server } = world({ tls })
  const peer = await connect()
  await peer.say(hello)
  await peer.say('STARTTLS\r\n')
  await peer.say('EHLO in plain text\r\n')
  assert.ok(peer.closed)
  assert.equal(server.connectionCount, 0)
  assert.deepEqual(record.calls, ['close'])
})

test('driver: implicit TLS shakes hands before the greeting', async () => {
  const { connect, record } = world({ tls, implicitTls: true })
  const peer = await connect()
  assert.equal(await peer.heard(), '')
  await startTls(peer)
  assert.match(await peer.heard(), greeting)
  assert.equal(record.info?.tls?.protocol, 'TLSv1.3')
  assert.doesNotMatch(await peer.say(hello), /STARTTLS/)
  const ready = await connect({ tls: memoryTlsInfo })
  assert.match(await ready.heard(), greeting)
})

test('driver: a stop does not wait for handshakes of implicit TLS', async () => {
  const { connect, server } = world({ tls, implicitTls: true })
  await connect()
  assert.equal(server.connectionCount, 1)
  await server.stop({ graceMs: 3_600_000 })
  assert.equal(server.connectionCount, 0)
})

test('driver: LMTP answers each recipient', async () => {
  const { connect } = world({
    kind: 'lmtp',
    over: {
      rcpt: (path) => (path.localPart === 'no' ? refuse(reply(550, '1.1', 'no such user')) : accept),
      sink: { finish: () => [accept, refuse(reply(452, '2.2', 'mailbox full'))] },
    },
  })
  const peer = await connect()
  assert.match(await peer.heard(), /^220 mx\.test LMTP ready/)
  assert.match(await peer.say('LHLO client.test\r\n'), /250-PIPELINING/)
  await peer.say(
    'MAIL FROM:<>\r\nRCPT TO:<a@mx.test>\r\nRCPT TO:<no@mx.test>\r\nRCPT TO:<b@mx.test>\r\nDATA\r\n',
  )
  assert.equal(await peer.say('x\r\n.\r\n'), '250 2.0.0 message accepted\r\n452 4.2.2 mailbox full\r\n')
})

test('driver: a verdict per recipient that does not fit is our fault', async () => {
  const { connect } = world({ kind: 'lmtp', over: { sink: { finish: () => [accept, accept] } } })
  const peer = await connect()
  await peer.say(`LHLO client.test\r\n${envelope}DATA\r\n`)
  assert.match(await peer.say('x\r\n.\r\n'), /^421 /)
})

test('driver: the transcript has the dialogue, no body and no credentials', async (t: TestContext) => {
  const { connect, lines } = world({
    authWithoutTls: true,
    random: { bytes: (count) => new Uint8Array(count), fraction: () => 0 },
    authenticator: { verifyPassword: async () => ({ kind: 'ok', identity: 'alice' }) },
  })
  const peer = await connect()
  await peer.say(hello)
  await peer.say('AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n')
  await peer.say(`${envelope}DATA\r\n`)
  await peer.say('private\r\n.\r\n')
  const text = lines.join('\n')
  t.diagnostic(`${lines.length} lines`)
  assert.match(text, /C AUTH PLAIN \*\*\*\nS 235 /)
  assert.match(text, /C DATA\nS 354/)
  assert.doesNotMatch(text, /AGFsaWNl|private/)
})

test('driver: bare LF is repaired only for whom the option names', async () => {
  const { connect, record } = world({ repairLineEnds: (address) => address === '192.0.2.9' })
  const strict = await connect()
  await strict.heard()
  assert.match(
    await strict.say('EHLO nc\n'),
    /^521 5\.5\.2 bare LF: lines must end in CRLF \(with nc use nc -C\)/,
  )
  assert.ok(strict.closed)
  const named = await connect({ client: { address: '192.0.2.9', port: 1 } })
  await named.say('EHLO nc\nMAIL FROM:<a@client.test>\nRCPT TO:<b@mx.test>\n')
  await named.say('DATA\n')
  assert.equal(await named.say('a\nb\r\n.\r\n'), '250 2.0.0 queued as q1\r\n')
  assert.deepEqual(record.bodies, ['a\r\nb\r\n'])
})

test('driver: options that contradict each other are refused', () => {
  assert.throws(() => world({ kind: 'submission' }), TypeError)
  assert.throws(() => world({ implicitTls: true }), TypeError)
  assert.throws(
    () => world({ authenticator: { verifyPassword: async () => ({ kind: 'denied' }) } }),
    TypeError,
  )
})
