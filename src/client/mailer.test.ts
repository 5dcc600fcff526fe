// The mailer against scripted peers in memory and virtual time: results per recipient, errors with advice, the pool.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UsageError } from '../base/usage-error.ts'
import { createFakeResolver } from '../dns/fake-resolver.ts'
import { MemoryNetwork, type MemoryPairOptions } from '../testing/memory-network.ts'
import { type PeerScript, pipeliningPeer, ScriptedPeer } from '../testing/scripted-peer.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { createMailer, type Mailer } from './mailer.ts'
import { PeerError, TransportError } from './mailer-errors.ts'
import type { MailerOptions, TranscriptLine } from './mailer-options.ts'

const message = { from: 'me@us.test', to: 'you@them.test', raw: 'Subject: x\r\n\r\n.dot\r\nend\r\n' }

function make(script: PeerScript = {}, more: Partial<MailerOptions> = {}, memory: MemoryPairOptions = {}) {
  const clock = new VirtualClock()
  const network = new MemoryNetwork(memory)
  const peer = new ScriptedPeer(script)
  network.listen('192.0.2.25', 25, peer.accept)
  const resolver = createFakeResolver({ a: { 'mail.them.test': ['192.0.2.25'] } })
  const world = { clock, dialer: network, random: seededRandom(1), resolver }
  const mailer = createMailer({ host: 'mail.them.test', name: 'us.test', world, ...more })
  return { clock, network, peer, mailer, world }
}

/** What `send` gives or throws. */
const outcome = async (mailer: Mailer, options = {}) =>
  mailer.send(message, options).then(
    (result) => ({ result, error: undefined }),
    (error: unknown) => ({ result: undefined, error }),
  )

describe('results', () => {
  it('all accepted: envelope, response, one reply per recipient', async () => {
    const { mailer, peer } = make()
    const result = await mailer.send({ ...message, to: 'a@them.test, b@them.test', bcc: 'c@them.test' })
    assert.deepEqual(result.envelope, {
      from: 'me@us.test',
      to: ['a@them.test', 'b@them.test', 'c@them.test'],
    })
    assert.deepEqual(result.accepted, result.envelope.to)
    assert.deepEqual([result.rejected, result.pending], [[], []])
    assert.equal(result.response, '250 2.0.0 taken')
    assert.deepEqual(
      result.replies.map((one) => [one.recipient, one.status, one.text, one.host]),
      result.envelope.to.map((to) => [to, 'accepted', '250 2.0.0 taken', 'mail.them.test']),
    )
    assert.equal(peer.messages[0]?.body, message.raw)
  })

  it('part refused: a result that says so, for good and for now', async () => {
    const { mailer } = make({
      answer: (stage, line) => {
        if (stage !== 'RCPT') return undefined
        if (line.includes('nobody')) return '550 5.1.1 no such user'
        return line.includes('later') ? '450 4.2.1 try later' : undefined
      },
    })
    const to = ['a@them.test', 'nobody@them.test', 'later@them.test']
    const result = await mailer.send({ ...message, to })
    assert.deepEqual([result.accepted, result.rejected, result.pending], [[to[0]], [to[1]], [to[2]]])
    assert.deepEqual(
      result.replies.map((one) => one.reply?.code),
      [250, 550, 450],
    )
  })

  it('all refused: a PeerError with phase, command and the words', async () => {
    const { mailer } = make({ answer: (stage) => (stage === 'RCPT' ? '550 5.1.1 no such user' : undefined) })
    const { error } = await outcome(mailer)
    assert.ok(error instanceof PeerError)
    assert.equal(error.message, 'mail.them.test: 550 5.1.1 no such user (answer to RCPT TO)')
    assert.deepEqual(
      [
        error.phase,
        error.command,
        error.replyCode,
        error.status,
        error.replyText,
        error.temporary,
        error.mayHaveDelivered,
      ],
      ['rcpt', 'RCPT TO', 550, '5.1.1', 'no such user', false, false],
    )
    assert.match(error.advice, /recipient/)
    assert.ok(error.transcript.includes('S: 550 5.1.1 no such user'))
    assert.equal(error.replies[0]?.status, 'rejected')
  })

  it('LMTP: one answer per recipient behind the message', async () => {
    const { mailer } = make(
      {
        lmtp: true,
        answer: (stage, line) => (stage === 'end' && line.includes('full') ? '452 4.2.2 full' : undefined),
      },
      { kind: 'lmtp', port: 25 },
    )
    const result = await mailer.send({ ...message, to: ['a@them.test', 'full@them.test'] })
    assert.deepEqual([result.accepted, result.pending], [['a@them.test'], ['full@them.test']])
  })

  it('more recipients than one transaction takes go in several', async () => {
    const { mailer, peer } = make({ capabilities: [...pipeliningPeer, 'LIMITS RCPTMAX=2'] })
    const to = ['a@t.test', 'b@t.test', 'c@t.test', 'd@t.test', 'e@t.test']
    const result = await mailer.send({ ...message, to })
    assert.deepEqual(result.accepted, to)
    assert.deepEqual(
      peer.messages.map((one) => one.rcpts.length),
      [2, 2, 1],
    )
    assert.equal(peer.connectionCount, 1)
  })

  it('nobody named is a UsageError, and nothing is dialed', async () => {
    const { mailer, network } = make()
    await assert.rejects(mailer.send({ from: 'a@us.test', raw: 'x' }), UsageError)
    assert.deepEqual(network.dials, [])
  })

  it('the envelope of the options, and the null reverse-path', async () => {
    const { mailer, peer } = make()
    const result = await mailer.send(message, { envelope: { from: null, to: ['z@them.test'] } })
    assert.deepEqual(result.envelope, { from: '', to: ['z@them.test'] })
    assert.match(peer.messages[0]?.mail ?? '', /^MAIL FROM:<>/)
  })

  it('DSN parameters, where the server offers it', async () => {
    const { mailer, peer } = make({ capabilities: ['DSN', 'PIPELINING'] })
    await mailer.send(message, {
      dsn: { notify: ['success', 'delay'], return: 'headers', id: 'id+1', originalRecipient: true },
    })
    assert.ok(peer.lines.includes('MAIL FROM:<me@us.test> RET=HDRS ENVID=id+2B1'))
    assert.ok(peer.lines.includes('RCPT TO:<you@them.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;you@them.test'))
    await assert.rejects(mailer.send(message, { dsn: { id: 'a\r\nRCPT' } }), UsageError)
  })

  it('a message larger than announced is not sent', async () => {
    const { mailer, peer } = make({ capabilities: ['SIZE 10'] })
    const { error } = await outcome(mailer)
    assert.ok(error instanceof TransportError)
    assert.deepEqual([error.code, error.temporary], ['SIZE', false])
    assert.ok(!peer.lines.some((line) => line.startsWith('MAIL')))
  })

  it('SMTPUTF8: said where it is needed; without it the domain goes as A-labels, and a local-part cannot go', async () => {
    const address = { from: 'me@us.test', envelope: undefined }
    const to = ['u@bücher.test', 'ü@them.test']
    const offered = make({ capabilities: ['SMTPUTF8', '8BITMIME'] })
    await offered.mailer.send({ ...message, ...address, to })
    assert.ok(offered.peer.lines.some((line) => /^MAIL .* SMTPUTF8/.test(line)))
    const lacking = make()
    const result = await lacking.mailer.send({ ...message, ...address, to: to[0] as string })
    assert.equal(result.accepted.length, 1)
    assert.ok(lacking.peer.lines.some((line) => line.startsWith('RCPT TO:<u@xn--bcher-kva.test>')))
    await assert.rejects(
      lacking.mailer.send({ ...message, ...address, to: to[1] as string }),
      (error) => error instanceof TransportError && error.code === 'UNSUPPORTED' && !error.temporary,
    )
  })
})

describe('at each step', () => {
  const stages = ['greeting', 'EHLO', 'MAIL', 'RCPT', 'DATA', 'end'] as const
  const phases = { greeting: 'greeting', EHLO: 'hello', MAIL: 'mail', RCPT: 'rcpt', DATA: 'data', end: 'end' }

  for (const stage of stages) {
    for (const [answer, temporary] of [
      ['451 4.3.0 not now', true],
      ['554 5.7.1 never', false],
    ] as const)
      it(`${answer} at ${stage}`, async () => {
        const { mailer } = make({
          answer: (at) => (at === stage || (stage === 'EHLO' && at === 'HELO') ? answer : undefined),
        })
        const { error } = await outcome(mailer)
        assert.ok(error instanceof PeerError, String(error))
        assert.deepEqual(
          [error.phase, error.replyCode, error.temporary, error.mayHaveDelivered],
          [phases[stage], Number(answer.slice(0, 3)), temporary, false],
        )
        assert.ok(error.advice.length > 20)
      })

    for (const answer of ['CLOSE', 'DROP'])
      it(`${answer} at ${stage}`, async () => {
        const { mailer, peer } = make({ answer: (at) => (at === stage ? answer : undefined) })
        const { error } = await outcome(mailer)
        assert.ok(error instanceof TransportError, String(error))
        assert.equal(error.code, 'LOST')
        assert.equal(error.phase, stage === 'RCPT' || stage === 'DATA' ? error.phase : phases[stage])
        assert.deepEqual([error.temporary, error.mayHaveDelivered], [true, stage === 'end'])
        assert.equal(peer.connectionCount, 1)
      })

    it(`garbage at ${stage}`, async () => {
      const { mailer } = make({ answer: (at) => (at === stage ? 'hello there' : undefined) })
      const { error } = await outcome(mailer)
      assert.ok(error instanceof TransportError, String(error))
      assert.deepEqual(
        [error.code, error.temporary, error.mayHaveDelivered],
        ['PROTOCOL', false, stage === 'end'],
      )
    })

    it(`silence at ${stage}`, async () => {
      const { mailer, clock } = make({ answer: (at) => (at === stage ? 'SILENT' : undefined) })
      const settled = outcome(mailer)
      await clock.advance(3_600_000)
      const { error } = await settled
      assert.ok(error instanceof TransportError, String(error))
      assert.deepEqual([error.code, error.mayHaveDelivered], ['TIMEOUT', stage === 'end'])
    })

    it(`the deadline, and the signal, at ${stage}`, async () => {
      for (const how of ['deadline', 'signal'] as const) {
        const { mailer, clock, peer } = make({ answer: (at) => (at === stage ? 'SILENT' : undefined) })
        const stop = new AbortController()
        const settled = outcome(mailer, how === 'deadline' ? { timeoutMs: 1000 } : { signal: stop.signal })
        await clock.settle(50)
        await clock.advance(999)
        if (how === 'signal') stop.abort(new Error('enough'))
        await clock.advance(1)
        const { error } = await settled
        assert.ok(error instanceof TransportError, String(error))
        assert.deepEqual(
          [error.code, error.mayHaveDelivered],
          [how === 'deadline' ? 'DEADLINE' : 'ABORTED', stage === 'end'],
        )
        await clock.advance(60_000)
        assert.equal(peer.openCount, 0)
      }
    })

    it(`late, and in pieces, at ${stage}`, async () => {
      const clock = new VirtualClock()
      const script: PeerScript = { slow: { stage, ms: 50_000, clock } }
      const bytes = { cut: (all: Buffer) => Array.from(all, (_octet, i) => all.subarray(i, i + 1)) }
      const network = new MemoryNetwork(bytes)
      const peer = new ScriptedPeer(script)
      network.listen('192.0.2.25', 25, peer.accept)
      const mailer = createMailer({ host: '192.0.2.25', world: { clock, dialer: network } })
      const settled = outcome(mailer)
      for (let i = 0; i < 60 && mailer.underwayCount > 0; i++) {
        await clock.settle(30)
        await clock.advance(1000)
      }
      assert.equal((await settled).result?.response, '250 2.0.0 taken')
    })
  }

  it('EHLO is not known: HELO', async () => {
    const { mailer, peer } = make({ answer: (at) => (at === 'EHLO' ? '502 5.5.1 what?' : undefined) })
    assert.ok((await outcome(mailer)).result)
    assert.ok(peer.lines.includes('HELO us.test'))
  })
})

describe('the pool', () => {
  it('connections are used again, no more than allowed, in order of coming', async () => {
    const { mailer, peer } = make({}, { connectionsMax: 2 })
    const order: number[] = []
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        mailer.send({ ...message, raw: `X: ${i}\r\n\r\n` }).then(() => order.push(i)),
      ),
    )
    assert.deepEqual([peer.connectionCount, peer.openMaxCount, peer.messages.length], [2, 2, 20])
    assert.deepEqual(
      order,
      [...order].sort((a, b) => a - b),
    )
  })

  it('so many messages on a connection, and idle ones say goodbye', async () => {
    const { mailer, peer, clock } = make(
      {},
      { connectionsMax: 1, messagesPerConnection: 2, idleTimeoutMs: 1000 },
    )
    for (let i = 0; i < 5; i++) await mailer.send(message)
    assert.equal(peer.connectionCount, 3)
    assert.equal(peer.openCount, 1)
    await clock.advance(1500)
    assert.equal(peer.openCount, 0)
    assert.equal(peer.lines.filter((line) => line === 'QUIT').length, 3)
  })

  it('a connection that the server closed meanwhile is noticed before use', async () => {
    const { mailer, peer, clock } = make()
    await mailer.send(message)
    peer.connections[0]?.end()
    await clock.settle()
    await mailer.send(message)
    assert.deepEqual([peer.connectionCount, peer.messages.length], [2, 2])
  })

  for (const [what, answer] of [
    ['lost', 'DROP'],
    ['sent away', '421 4.4.2 idle for too long'],
  ] as const)
    it(`a used connection that is ${what} at MAIL: the message goes on another`, async () => {
      const { mailer, peer } = make({
        answer: (stage, _line, count) => (stage === 'MAIL' && count === 2 ? answer : undefined),
      })
      await mailer.send(message)
      const result = await mailer.send(message)
      assert.equal(result.accepted.length, 1)
      assert.deepEqual([peer.connectionCount, peer.messages.length], [2, 2])
    })

  it('a used connection that is lost behind the message: not sent again', async () => {
    const { mailer, peer } = make({
      answer: (stage, _line, count) => (stage === 'end' && count === 2 ? 'DROP' : undefined),
    })
    await mailer.send(message)
    const { error } = await outcome(mailer)
    assert.ok(error instanceof TransportError && error.mayHaveDelivered)
    assert.equal(peer.connectionCount, 1)
  })

  it('the next message is said with the end of the last, and whole transactions cost one round trip', async () => {
    const { mailer, peer } = make({}, { connectionsMax: 1 })
    await mailer.verify()
    const before = peer.chunkCount
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) => mailer.send({ ...message, to: `u${i}@them.test` })),
    )
    assert.ok(results.every((one, i) => one.accepted[0] === `u${i}@them.test`))
    assert.deepEqual([peer.connectionCount, peer.messages.length], [1, 20])
    assert.ok(peer.lines.indexOf('RCPT TO:<u19@them.test>') > 0)
    // A body and the next commands come in one or two writes, not with an answer between them.
    assert.ok(peer.chunkCount - before <= 41, `${peer.chunkCount - before} writes`)
  })

  for (const [what, answer] of [
    ['sent away', '421 4.3.2 bye'],
    ['lost', 'DROP'],
  ] as const)
    it(`${what} behind a message: that one is not sent again, the one begun behind it is`, async () => {
      let first = true
      const { mailer, peer } = make(
        {
          answer: (stage) => {
            if (stage !== 'end' || !first) return undefined
            first = false
            return answer
          },
        },
        { connectionsMax: 1 },
      )
      const [one, two, three] = await Promise.allSettled([
        mailer.send({ ...message, to: 'one@them.test' }),
        mailer.send({ ...message, to: 'two@them.test' }),
        mailer.send({ ...message, to: 'three@them.test' }),
      ])
      assert.equal(one?.status, 'rejected')
      assert.deepEqual([two?.status, three?.status], ['fulfilled', 'fulfilled'])
      assert.deepEqual(
        peer.messages.map((each) => each.rcpts[0]),
        ['RCPT TO:<two@them.test>', 'RCPT TO:<three@them.test>'],
      )
    })

  it('who gives up what was begun behind a message does not harm that message', async () => {
    const clock = new VirtualClock()
    const { mailer, peer } = make({ slow: { stage: 'end', ms: 1000, clock } }, { connectionsMax: 1 })
    const stop = new AbortController()
    const first = mailer.send({ ...message, to: 'one@them.test' })
    const second = mailer.send({ ...message, to: 'two@them.test' }, { signal: stop.signal })
    const third = mailer.send({ ...message, to: 'three@them.test' })
    await clock.settle(60)
    assert.ok(peer.lines.includes('RCPT TO:<two@them.test>'), 'it was begun')
    stop.abort()
    await assert.rejects(second, (error) => error instanceof TransportError && error.code === 'ABORTED')
    for (let i = 0; i < 5; i++) {
      await clock.advance(1000)
      await clock.settle(60)
    }
    assert.deepEqual(
      [(await first).accepted, (await third).accepted],
      [['one@them.test'], ['three@them.test']],
    )
    assert.deepEqual(
      peer.messages.map((each) => each.rcpts[0]),
      ['RCPT TO:<one@them.test>', 'RCPT TO:<three@them.test>'],
    )
  })

  it('too many waiting are refused; ready() says when there is room', async () => {
    const { mailer, clock } = make({ answer: () => undefined }, { connectionsMax: 1, waitingMax: 1 })
    const first = mailer.send(message)
    const second = mailer.send(message)
    await assert.rejects(
      mailer.send(message),
      (error) => error instanceof TransportError && error.code === 'BUSY' && error.temporary,
    )
    let ready = false
    void mailer.ready().then(() => {
      ready = true
    })
    await Promise.all([first, second])
    await clock.settle()
    assert.ok(ready)
  })

  it('who gives up waiting makes no hole', async () => {
    const { mailer, peer } = make({}, { connectionsMax: 1 })
    const stop = new AbortController()
    const first = mailer.send(message)
    const second = mailer.send(message, { signal: stop.signal })
    const third = mailer.send(message)
    stop.abort()
    await assert.rejects(second, (error) => error instanceof TransportError && error.phase === 'wait')
    await Promise.all([first, third])
    assert.equal(peer.messages.length, 2)
  })

  it('a signal that was aborted before, and a deadline that is over: nothing is said', async () => {
    const { mailer, peer, clock } = make()
    await mailer.send(message)
    for (const options of [
      { signal: AbortSignal.abort(new Error('no')) },
      { deadline: new Date(clock.now() - 1) },
      { timeoutMs: 0 },
    ]) {
      const { error } = await outcome(mailer, options)
      assert.ok(error instanceof TransportError && !error.mayHaveDelivered, String(error))
      assert.match(error.code, /^(?:ABORTED|DEADLINE)$/)
    }
    assert.equal(peer.messages.length, 1)
  })

  it('a rate: no more in any stretch of time', async () => {
    const { mailer, clock, peer } = make({}, { rate: { messages: 2, perMs: 1000 } })
    const all = Promise.all(Array.from({ length: 5 }, () => mailer.send(message)))
    const seen: number[] = []
    for (let i = 0; i < 3; i++) {
      await clock.settle(50)
      seen.push(peer.messages.length)
      await clock.advance(1000)
    }
    await all
    assert.deepEqual(seen, [2, 4, 5])
  })

  it('close waits for what is under way, says QUIT, and takes no more', async () => {
    const { mailer, peer, clock } = make()
    const sent = mailer.send(message)
    await mailer.close()
    await sent
    await clock.settle()
    assert.deepEqual([peer.messages.length, peer.openCount, peer.lines.at(-1)], [1, 0, 'QUIT'])
    await assert.rejects(
      mailer.send(message),
      (error) => error instanceof TransportError && error.code === 'CLOSED',
    )
  })
})

describe('many', () => {
  it('takes the next only when there is room, tells of each, and of the progress', async () => {
    const { mailer } = make({
      answer: (stage, line) => (stage === 'RCPT' && line.includes('no') ? '550 5.1.1 no' : undefined),
    })
    let taken = 0
    let ahead = 0
    let seen = 0
    async function* input() {
      for (let i = 0; i < 30; i++) {
        taken++
        ahead = Math.max(ahead, taken - seen)
        yield { ...message, to: i % 10 === 0 ? 'no@them.test' : 'yes@them.test' }
      }
    }
    const progress: string[] = []
    const failed: number[] = []
    for await (const one of mailer.sendMany(input(), {
      concurrency: 4,
      onProgress: ({ sentCount, failedCount }) => progress.push(`${sentCount}+${failedCount}`),
    })) {
      seen++
      if (!one.ok) failed.push(one.index)
    }
    assert.deepEqual(failed, [0, 10, 20])
    assert.equal(progress.length, 30)
    assert.equal(progress.at(-1), '27+3')
    assert.ok(ahead <= 5, `${ahead} ahead`)
  })

  it('a plain list, an input that throws, and a consumer that stops', async () => {
    const { mailer } = make()
    const results: boolean[] = []
    for await (const one of mailer.sendMany([message, message])) results.push(one.ok)
    assert.deepEqual(results, [true, true])
    const broken = async () => {
      for await (const _one of mailer.sendMany(
        (async function* () {
          yield message
          throw new Error('input is broken')
        })(),
      ));
    }
    await assert.rejects(broken, /input is broken/)
    let closed = false
    function* endless() {
      try {
        for (;;) yield message
      } finally {
        closed = true
      }
    }
    for await (const _one of mailer.sendMany(endless(), { concurrency: 2 })) break
    assert.ok(closed)
  })
})

describe('round trips', () => {
  it('two callers to one connection: a message and the commands of the next are one write', async () => {
    const { mailer, peer } = make({}, { connectionsMax: 1 })
    const caller = async () => {
      for (let i = 0; i < 10; i++) await mailer.send(message)
    }
    await Promise.all([caller(), caller()])
    assert.equal(peer.messages.length, 20)
    assert.equal(peer.connectionCount, 1)
    // EHLO, the first MAIL, and one for each message.
    assert.ok(peer.chunkCount <= 22, `${peer.chunkCount} writes`)
  })

  it('a message said behind another that is then lost goes again, once', async () => {
    let ends = 0
    const { mailer, peer } = make(
      { answer: (stage) => (stage === 'end' && ++ends === 3 ? 'CLOSE' : undefined) },
      { connectionsMax: 1 },
    )
    const results = await Promise.allSettled(Array.from({ length: 6 }, () => mailer.send(message)))
    const failed = results.filter((one) => one.status === 'rejected')
    assert.equal(failed.length, 1)
    assert.ok(failed[0]?.reason instanceof TransportError && failed[0].reason.mayHaveDelivered)
    assert.equal(peer.messages.length, 5)
    assert.equal(peer.connectionCount, 2)
  })
})

describe('mx:', () => {
  function world(over: Partial<MailerOptions> = {}) {
    const clock = new VirtualClock()
    const network = new MemoryNetwork()
    const [one, two] = [new ScriptedPeer(), new ScriptedPeer()]
    network.listen('192.0.2.1', 25, one.accept)
    network.listen('192.0.2.2', 25, two.accept)
    const resolver = createFakeResolver({
      mx: {
        'one.test': ['10 dead.one.test', '20 mx.one.test'],
        'two.test': ['10 mx.two.test'],
        'null.test': ['0 .'],
      },
      a: { 'dead.one.test': ['192.0.2.99'], 'mx.one.test': ['192.0.2.1'], 'mx.two.test': ['192.0.2.2'] },
      fail: ['servfail.test'],
    })
    const mailer = createMailer({
      kind: 'mx',
      name: 'us.test',
      world: { clock, dialer: network, resolver },
      ...over,
    })
    return { clock, network, one, two, mailer }
  }

  it('each domain by its own hosts, in their order; what has none is rejected, what cannot be asked is pending', async () => {
    const { mailer, network, one, two } = world()
    const to = ['a@one.test', 'b@two.test', 'c@one.test', 'd@null.test', 'e@nowhere.test', 'f@servfail.test']
    const result = await mailer.send({ ...message, to })
    assert.deepEqual(result.accepted, [to[0], to[1], to[2]])
    assert.deepEqual(result.rejected, [to[3], to[4]])
    assert.deepEqual(result.pending, [to[5]])
    assert.deepEqual([one.messages[0]?.rcpts.length, two.messages[0]?.rcpts.length], [2, 1])
    assert.ok(network.dials.indexOf('192.0.2.99:25') < network.dials.indexOf('192.0.2.1:25'))
    assert.match(result.replies[3]?.text ?? '', /null MX/)
  })

  it('nowhere at all: a TransportError that says so', async () => {
    const { mailer } = world()
    const sent = mailer.send({ ...message, to: 'e@nowhere.test' })
    await assert.rejects(sent, (error) => {
      assert.ok(error instanceof TransportError)
      assert.deepEqual([error.code, error.phase, error.temporary], ['DNS', 'resolve', false])
      assert.match(error.advice, /spelling/)
      return true
    })
  })
})

describe('login', () => {
  const plain = { capabilities: ['AUTH=PLAIN LOGIN CRAM-MD5', 'PIPELINING'] }
  const auth = { user: 'me', password: 'sesame' }

  it('not in the clear, unless allowed; also announced the old way', async () => {
    const { error } = await outcome(make(plain, { auth, tls: 'may', port: 25 }).mailer)
    assert.ok(error instanceof TransportError)
    assert.deepEqual([error.code, error.phase, error.temporary], ['AUTH', 'auth', false])
    assert.match(error.advice, /not encrypted/)
    const { mailer, peer } = make(plain, {
      auth,
      tls: 'may',
      port: 25,
      allowClearAuth: true,
      mechanisms: ['PLAIN'],
    })
    assert.ok((await outcome(mailer)).result)
    assert.ok(peer.lines.includes(`AUTH PLAIN ${Buffer.from('\0me\0sesame').toString('base64')}`))
  })

  it('CRAM-MD5 before a password in the clear', async () => {
    const { mailer, peer } = make(
      {
        ...plain,
        answer: (stage, _line, count) =>
          stage === 'AUTH' && count === 1
            ? `334 ${Buffer.from('<1.2@them.test>').toString('base64')}`
            : undefined,
      },
      { auth, tls: 'may', port: 25, allowClearAuth: true },
    )
    assert.ok((await outcome(mailer)).result)
    assert.ok(peer.lines.includes('AUTH CRAM-MD5'))
    assert.ok(!peer.lines.join().includes(Buffer.from('sesame').toString('base64').slice(0, 6)))
  })

  for (const [mechanisms, want] of [
    ['AUTH XOAUTH2 PLAIN', 'XOAUTH2'],
    ['AUTH XOAUTH2 OAUTHBEARER', 'OAUTHBEARER'],
  ] as const)
    it(`a token: ${want}, kept until it is refused, then refreshed once`, async () => {
      const asked: boolean[] = []
      let valid = 'first'
      const { mailer, peer, clock } = make(
        {
          capabilities: [mechanisms, 'STARTTLS'],
          answer: (stage, line, count) => {
            if (stage !== 'AUTH') return undefined
            if (count > 1) return '535 5.7.8 no'
            const said = Buffer.from(line.split(' ')[2] ?? '', 'base64').toString()
            const problem = Buffer.from('{"status":"401"}').toString('base64')
            return said.includes(`Bearer ${valid}\x01`) ? undefined : `334 ${problem}`
          },
        },
        {
          port: 25,
          tls: 'must',
          messagesPerConnection: 1,
          auth: {
            user: 'me@us.test',
            token: ({ refresh }) => {
              asked.push(refresh)
              return { token: refresh ? 'second' : 'first', expiresAt: clock.now() + 3_600_000 }
            },
          },
        },
      )
      await mailer.send(message)
      await mailer.send(message)
      assert.deepEqual(asked, [false])
      valid = 'second'
      await mailer.send(message)
      assert.deepEqual(asked, [false, true])
      valid = 'third'
      const { error } = await outcome(mailer)
      assert.ok(error instanceof PeerError, String(error))
      assert.deepEqual([error.phase, error.replyCode, error.temporary], ['auth', 535, false])
      assert.match(error.advice, /token was refused \(\{"status":"401"\}\)/)
      assert.deepEqual(asked, [false, true, true])
      assert.ok(peer.lines.some((line) => line.startsWith(`AUTH ${want} `)))
      assert.ok(!JSON.stringify(error.transcript).includes('Bearer'))
    })

  it('a token source that fails', async () => {
    const cause = new Error('the token server is down')
    const { mailer } = make(
      { capabilities: ['AUTH XOAUTH2', 'STARTTLS'] },
      { port: 25, tls: 'must', auth: { user: 'me', token: () => Promise.reject(cause) } },
    )
    const { error } = await outcome(mailer)
    assert.ok(error instanceof TransportError)
    assert.deepEqual([error.code, error.cause], ['AUTH', cause])
  })
})

describe('the rest', () => {
  it('the transcript: every line both ways with its time, credentials masked', async () => {
    const lines: TranscriptLine[] = []
    const { mailer, clock } = make(
      { capabilities: ['AUTH PLAIN', 'STARTTLS'] },
      {
        port: 25,
        tls: 'must',
        auth: { user: 'me', password: 'sesame' },
        transcript: (line) => void lines.push(line),
      },
    )
    await mailer.send(message)
    const said = lines.map((one) => `${one.from} ${one.line}`)
    for (const line of [
      'C EHLO us.test',
      'S 250-peer.test',
      'C STARTTLS',
      'C AUTH PLAIN ****',
      'C DATA',
      'S 354 go on',
    ])
      assert.ok(said.includes(line), `${line} in\n${said.join('\n')}`)
    assert.ok(lines.every((one) => one.at === clock.now() && one.connection === 1))
    assert.ok(!JSON.stringify(lines).includes(Buffer.from('\0me\0sesame').toString('base64')))
  })

  it('a transcript listener that throws breaks nothing', async () => {
    const { mailer } = make(
      {},
      {
        transcript: () => {
          throw new Error('oops')
        },
      },
    )
    assert.ok((await outcome(mailer)).result)
  })

  it('capture: keeps the messages', async () => {
    const mailer = createMailer({ kind: 'capture', captureMax: 2 })
    for (const to of ['a@t.test', 'b@t.test', 'c@t.test']) await mailer.send({ ...message, to })
    assert.deepEqual(
      mailer.captured.map((one) => one.envelope.to[0]),
      ['b@t.test', 'c@t.test'],
    )
    assert.equal(mailer.captured[0]?.bytes.toString(), message.raw)
  })

  it('a signer puts its field before the message', async () => {
    const seen: string[] = []
    const { mailer, peer } = make(
      {},
      {
        sign: (signed) => {
          seen.push(Buffer.from(signed.bytes() ?? []).toString())
          return 'DKIM-Signature: v=1\r\n'
        },
      },
    )
    await mailer.send(message)
    assert.deepEqual(seen, [message.raw])
    assert.equal(peer.messages[0]?.body, `DKIM-Signature: v=1\r\n${message.raw}`)
    const wrong = make({}, { sign: () => 'X: no line end' })
    await assert.rejects(wrong.mailer.send(message), UsageError)
  })

  it('verify: what the server offers, and the connection is kept', async () => {
    const { mailer, peer } = make()
    const verified = await mailer.verify()
    assert.deepEqual([verified.host, verified.address, verified.port], ['mail.them.test', '192.0.2.25', 25])
    assert.equal(verified.capabilities?.pipelining, true)
    await mailer.send(message)
    assert.equal(peer.connectionCount, 1)
    const refused = make({ answer: (stage) => (stage === 'greeting' ? '554 5.7.1 go away' : undefined) })
    await assert.rejects(refused.mailer.verify(), PeerError)
  })

  it('defaults are overridden, their headers merged', async () => {
    const mailer = createMailer({
      kind: 'capture',
      defaults: { from: 'default@us.test', subject: 'default', headers: { 'X-One': '1', 'X-Two': '2' } },
    })
    await mailer.send({ to: 'a@t.test', subject: 'mine', text: 'x', headers: { 'X-Two': 'two' } })
    const text = mailer.captured[0]?.bytes.toString() ?? ''
    assert.match(text, /^From: default@us\.test\r$/m)
    assert.match(text, /^Subject: mine\r$/m)
    assert.match(text, /^X-One: 1\r$/m)
    assert.match(text, /^X-Two: two\r$/m)
  })

  it('the next address is tried when the first cannot be reached', async () => {
    const clock = new VirtualClock()
    const network = new MemoryNetwork()
    const peer = new ScriptedPeer()
    network.listen('192.0.2.25', 25, peer.accept)
    const resolver = createFakeResolver({
      a: { 'm.test': ['192.0.2.25'] },
      aaaa: { 'm.test': ['2001:db8::1'] },
    })
    const mailer = createMailer({ host: 'm.test', world: { clock, dialer: network, resolver } })
    await mailer.send(message)
    assert.deepEqual(network.dials, ['2001:db8::1:25', '192.0.2.25:25'])
  })
})
