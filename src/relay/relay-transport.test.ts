import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { MxResult } from '../client/mx-result.ts'
import type { DeliveryJob, TransportResult } from '../queue/transport.ts'
import type { Delivery, Message, Outcome } from '../queue/types.ts'
import { MemoryNetwork, type MemoryPairOptions } from '../testing/memory-network.ts'
import { type PeerScript, type PeerStage, pipeliningPeer, ScriptedPeer } from '../testing/scripted-peer.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { createRelayTransport, type RelayOptions, type RelayTransport } from './relay-transport.ts'
import { parseRoute, type Route } from './route.ts'

const minute = 60_000
const body = 'Subject: x\r\n\r\nhello\r\n.dot\r\n'

interface World {
  readonly clock: VirtualClock
  readonly network: MemoryNetwork
  readonly peer: ScriptedPeer
  readonly relay: RelayTransport
}

const hosts = (...list: readonly (readonly [string, ...string[]])[]): MxResult => ({
  kind: 'hosts',
  hosts: list.map(([name, ...addresses], preference) => ({
    name,
    preference,
    addresses: addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
  })),
})

const oneHost = hosts(['mx.them.test', '192.0.2.25'])

function world(
  script: PeerScript = {},
  some: Partial<RelayOptions> = {},
  pair: MemoryPairOptions = {},
): World {
  const clock = new VirtualClock()
  const network = new MemoryNetwork(pair)
  const peer = new ScriptedPeer(script)
  network.listen('192.0.2.25', 25, peer.accept)
  const relay = createRelayTransport({
    clock,
    random: seededRandom(1),
    dialer: network,
    hostname: 'us.test',
    resolveHosts: () => Promise.resolve(oneHost),
    routeFor: () => undefined,
    ...some,
  })
  return { clock, network, peer, relay }
}

let nextId = 0

function job(
  recipients: readonly (string | Partial<Delivery>)[] = ['r@them.test'],
  some: Partial<Message> & { text?: string; destination?: string; streamed?: boolean } = {},
): DeliveryJob {
  const { text = body, destination = 'mx:them.test', streamed = false, ...message } = some
  const id = `message${nextId++}`
  const bytes = Buffer.from(text)
  return {
    message: {
      id,
      receivedAt: 0,
      reversePath: 's@us.test',
      sizeBytes: bytes.length,
      smtputf8: false,
      body8bit: false,
      origin: { via: 'smtp' },
      ...message,
    },
    deliveries: recipients.map((one, seq) => ({
      messageId: id,
      seq,
      recipient: 'r@them.test',
      domain: 'them.test',
      destination,
      state: 'active',
      dueAt: 0,
      expiresAt: 0,
      attemptCount: 1,
      ...(typeof one === 'string' ? { recipient: one } : one),
    })),
    body: {
      sizeBytes: bytes.length,
      bytes: () => (streamed ? undefined : bytes),
      async *stream() {
        for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000)
      },
    },
  }
}

const never = new AbortController().signal

const brief = (outcome: Outcome): string => {
  if (outcome.kind === 'delivered') return `delivered ${outcome.reply ?? ''}`
  const maybe = outcome.kind === 'deferred' && outcome.mayHaveDelivered ? ' maybe' : ''
  return `${outcome.kind} ${outcome.status}${maybe} ${outcome.reason}`
}
const briefs = (result: TransportResult): string[] => result.outcomes.map(brief)

/** Delivers while virtual time passes as fast as anything waits for it. */
async function deliver(w: World, what = job(), signal = never): Promise<TransportResult> {
  let result: TransportResult | undefined
  const done = w.relay.deliver(what, signal).then((one) => {
    result = one
  })
  for (let i = 0; i < 30 && result === undefined; i++) await w.clock.settle()
  for (let i = 0; i < 40 && result === undefined; i++) await w.clock.advance(minute)
  await done
  assert.ok(result !== undefined)
  return result
}

describe('a peer that misbehaves at each stage', () => {
  const stages: readonly PeerStage[] = ['greeting', 'EHLO', 'MAIL', 'RCPT', 'DATA', 'end']
  const opening = (stage: PeerStage) => stage === 'greeting' || stage === 'EHLO'
  for (const pipelining of [true, false]) {
    for (const stage of stages) {
      const capabilities = pipelining ? pipeliningPeer : []
      const at = (answer: string): PeerScript => ({
        capabilities,
        answer: (where) => (where === stage ? answer : undefined),
      })
      const name = `${stage}, ${pipelining ? 'pipelining' : 'one by one'}`

      it(`4xx at ${name}`, async () => {
        const w = world(at('451 4.7.1 try later'))
        const result = await deliver(w)
        assert.deepEqual(briefs(result), ['deferred 4.7.1 451 4.7.1 try later'])
        assert.equal(result.outcomes[0]?.kind === 'deferred' && result.outcomes[0].isReply, true)
        assert.equal(result.destination, opening(stage) ? 'down' : 'up')
        assert.equal(w.peer.messages.length, 0)
      })

      it(`5xx at ${name}`, async () => {
        const w = world(at('550 5.7.1 never'))
        const result = await deliver(w)
        // EHLO falls back to HELO; a greeting is no judgement of this message.
        const want =
          stage === 'EHLO'
            ? 'delivered 250 2.0.0 taken'
            : stage === 'greeting'
              ? 'deferred 4.7.1 550 5.7.1 never'
              : 'failed 5.7.1 550 5.7.1 never'
        assert.deepEqual(briefs(result), [want])
        assert.equal(w.peer.messages.length, stage === 'EHLO' ? 1 : 0)
      })

      it(`garbage at ${name}`, async () => {
        const w = world(at('wat?'))
        const result = await deliver(w)
        const status = stage === 'end' ? '4.4.2 maybe' : '4.4.2'
        assert.match(briefs(result)[0] ?? '', new RegExp(`^deferred ${status} not a reply: "wat\\?"`))
      })

      for (const [how, answer] of [
        ['reset', 'DROP'],
        ['closed', 'CLOSE'],
      ] as const) {
        it(`connection ${how} at ${name}`, async () => {
          const w = world(at(answer))
          const result = await deliver(w)
          const maybe = stage === 'end' ? ' maybe' : ''
          assert.match(
            briefs(result)[0] ?? '',
            new RegExp(`^deferred 4\\.4\\.2${maybe} connection (closed|reset)`),
          )
          assert.equal(result.destination, opening(stage) ? 'down' : 'up')
          await w.clock.settle()
          assert.equal(w.peer.openCount, 0)
        })
      }

      it(`silence at ${name}`, async () => {
        const w = world(at('SILENT'))
        const before = w.clock.now()
        const result = await deliver(w)
        const maybe = stage === 'end' ? ' maybe' : ''
        assert.match(briefs(result)[0] ?? '', new RegExp(`^deferred 4\\.4\\.2${maybe} no answer in time`))
        const minutes = { greeting: 5, EHLO: 5, MAIL: 5, RCPT: 5, DATA: 2, end: 10 }
        // RFC 5321 section 4.5.3.2. In a flight the RCPT's answer is missing, and DATA's comes in its place.
        const want = (minutes as Record<string, number>)[stage] ?? 0
        assert.equal(result.report.endedAt - before, want * minute)
        await w.clock.settle()
        assert.equal(w.peer.openCount, 0)
      })

      it(`slow, but in time, at ${name}`, async () => {
        const w = world({ capabilities })
        w.peer.script = { capabilities, slow: { stage, ms: 1.9 * minute, clock: w.clock } }
        assert.deepEqual(briefs(await deliver(w)), ['delivered 250 2.0.0 taken'])
      })
    }
  }
})

describe('what the host announces is used and kept to', () => {
  it('SIZE: a message that is too large is not sent, 5.3.4', async () => {
    const w = world({ capabilities: ['PIPELINING', 'SIZE 10'] })
    const result = await deliver(w)
    assert.match(
      briefs(result)[0] ?? '',
      /^failed 5\.3\.4 message of 27 bytes is larger than mx\.them\.test takes \(10\)/,
    )
    assert.ok(!w.peer.lines.some((line) => line.startsWith('MAIL')))
  })

  it('SMTPUTF8 needed by an address and met nowhere: 5.6.7, without holding up the others', async () => {
    const w = world()
    const result = await deliver(w, job(['ü@them.test', 'r@them.test', 'x@bücher.test'], { smtputf8: true }))
    assert.match(briefs(result)[0] ?? '', /^failed 5\.6\.7 /)
    assert.deepEqual(briefs(result).slice(1), ['delivered 250 2.0.0 taken', 'delivered 250 2.0.0 taken'])
    // RFC 6531 section 3.2: a domain alone has an ASCII form.
    assert.deepEqual(w.peer.messages[0]?.rcpts, ['RCPT TO:<r@them.test>', 'RCPT TO:<x@xn--bcher-kva.test>'])
    assert.ok(!w.peer.messages[0]?.mail.includes('SMTPUTF8'))
  })

  it('SMTPUTF8 needed by the reverse-path: 5.6.7 for all', async () => {
    const result = await deliver(world(), job(['r@them.test', 'q@them.test'], { reversePath: 'ü@us.test' }))
    for (const one of briefs(result)) assert.match(one, /^failed 5\.6\.7 /)
  })

  it('SMTPUTF8 needed by the header, judged by its content: 5.6.9', async () => {
    const text = 'Subject: grüß\r\n\r\nx\r\n'
    assert.match(
      briefs(await deliver(world(), job(undefined, { smtputf8: true, text })))[0] ?? '',
      /^failed 5\.6\.9 /,
    )
    const streamed = job(undefined, { smtputf8: true, text, streamed: true })
    assert.match(briefs(await deliver(world(), streamed))[0] ?? '', /^failed 5\.6\.9 /)
  })

  it('a message that says SMTPUTF8 and needs it nowhere goes anywhere', async () => {
    const w = world()
    const text = 'Subject: x\r\n\r\ngrüß\r\n'
    assert.deepEqual(briefs(await deliver(w, job(undefined, { smtputf8: true, text }))), [
      'delivered 250 2.0.0 taken',
    ])
  })

  it('SMTPUTF8 offered by the second host only: that one gets it', async () => {
    const w = world(
      {},
      { resolveHosts: () => Promise.resolve(hosts(['a.test', '192.0.2.25'], ['b.test', '192.0.2.26'])) },
    )
    const other = new ScriptedPeer({ capabilities: ['PIPELINING', 'SMTPUTF8'] })
    w.network.listen('192.0.2.26', 25, other.accept)
    const result = await deliver(w, job(['ü@them.test']))
    assert.deepEqual(briefs(result), ['delivered 250 2.0.0 taken'])
    assert.equal(other.messages[0]?.mail, 'MAIL FROM:<s@us.test> SMTPUTF8')
    assert.equal(w.peer.messages.length, 0)
    assert.deepEqual(
      result.report.hosts.map((host) => host.error),
      ['the host does not offer SMTPUTF8', undefined],
    )
  })

  it('SMTPUTF8 missing here and the other host unreachable: deferred, for that one may offer it', async () => {
    const w = world(
      {},
      { resolveHosts: () => Promise.resolve(hosts(['a.test', '192.0.2.25'], ['b.test', '192.0.2.27'])) },
    )
    assert.match(briefs(await deliver(w, job(['ü@them.test'])))[0] ?? '', /^deferred 4\.4\.1 /)
  })

  it('DSN: parameters are passed on and reported; without DSN they are not', async () => {
    const what = () =>
      job(
        [{ notify: ['SUCCESS', 'FAILURE'], orcpt: 'rfc822;first+x@them.test' }, { recipient: 'q@them.test' }],
        {
          ret: 'HDRS',
          envid: 'id=1',
        },
      )
    const w = world({ capabilities: ['PIPELINING', 'DSN'] })
    const result = await deliver(w, what())
    assert.deepEqual(w.peer.lines.slice(1, 4), [
      'MAIL FROM:<s@us.test> RET=HDRS ENVID=id+3D1',
      'RCPT TO:<r@them.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first+2Bx@them.test',
      'RCPT TO:<q@them.test>',
    ])
    const passedOn = (some: TransportResult) =>
      some.outcomes.map((one) => one.kind === 'delivered' && one.dsnPassedOn)
    assert.deepEqual(passedOn(result), [true, undefined])
    const plain = world()
    assert.deepEqual(passedOn(await deliver(plain, what())), [undefined, undefined])
    assert.ok(!plain.peer.lines.join().includes('NOTIFY'))
  })

  it('8BITMIME is said where it is offered; elsewhere the body goes as it is', async () => {
    const text = 'Subject: x\r\n\r\ngrüß\r\n'
    for (const capabilities of [['8BITMIME'], []]) {
      const w = world({ capabilities })
      await deliver(w, job(undefined, { body8bit: true, text }))
      assert.equal(
        w.peer.messages[0]?.mail,
        `MAIL FROM:<s@us.test>${capabilities.length > 0 ? ' BODY=8BITMIME' : ''}`,
      )
      assert.equal(Buffer.from(w.peer.messages[0]?.body ?? '', 'latin1').toString(), text)
    }
  })

  it('LIMITS RCPTMAX splits recipients; ours is 100', async () => {
    const many = Array.from({ length: 250 }, (_, i) => `r${i}@them.test`)
    for (const [capabilities, sizes] of [
      [['PIPELINING'], [100, 100, 50]],
      [
        ['PIPELINING', 'LIMITS MAILMAX=9 RCPTMAX=120'],
        [100, 100, 50],
      ],
      [
        ['PIPELINING', 'LIMITS RCPTMAX=90'],
        [90, 90, 70],
      ],
    ] as const) {
      const w = world({ capabilities })
      const result = await deliver(w, job(many))
      assert.ok(result.outcomes.every((one) => one.kind === 'delivered'))
      assert.deepEqual(
        w.peer.messages.map((message) => message.rcpts.length),
        sizes,
      )
      assert.equal(w.peer.connectionCount, 1)
    }
  })

  it('LIMITS MAILMAX ends a connection in time', async () => {
    const w = world({ capabilities: ['PIPELINING', 'LIMITS MAILMAX=2'] })
    for (let i = 0; i < 5; i++) await deliver(w)
    assert.equal(w.peer.connectionCount, 3)
    assert.equal(w.peer.messages.length, 5)
  })

  it('452 too many recipients: the rest goes in the next transaction at once', async () => {
    const w = world({
      answer: (stage, _line, count) =>
        stage === 'RCPT' && count > 2 && count < 5 ? '452 4.5.3 too many' : undefined,
    })
    const result = await deliver(w, job(['a@them.test', 'b@them.test', 'c@them.test', 'd@them.test']))
    assert.ok(result.outcomes.every((one) => one.kind === 'delivered'))
    assert.deepEqual(
      w.peer.messages.map((message) => message.rcpts.length),
      [2, 2],
    )
  })

  it('452 for every recipient is no invitation', async () => {
    const w = world({ answer: (stage) => (stage === 'RCPT' ? '452 4.5.3 too many' : undefined) })
    assert.deepEqual(briefs(await deliver(w)), ['deferred 4.5.3 452 4.5.3 too many'])
  })

  it('BDAT where it is offered and the body is worth it, inline and streamed', async () => {
    const text = `Subject: x\r\n\r\n${'.0123456789\r\n'.repeat(500)}`
    for (const streamed of [false, true]) {
      const w = world({ capabilities: ['PIPELINING', 'CHUNKING'] }, { bdatBytesMin: 100 })
      assert.deepEqual(briefs(await deliver(w, job(undefined, { text, streamed }))), [
        'delivered 250 2.0.0 taken',
      ])
      assert.equal(w.peer.messages[0]?.body, text)
      assert.ok(!w.peer.lines.includes('DATA'))
    }
  })

  it('a streamed body under back-pressure arrives whole', async () => {
    const text = `Subject: x\r\n\r\n${'.0123456789 line of a long body\r\n'.repeat(20_000)}`
    const w = world({}, {}, { highWaterMarkBytes: 4000 })
    assert.deepEqual(briefs(await deliver(w, job(undefined, { text, streamed: true }))), [
      'delivered 250 2.0.0 taken',
    ])
    assert.equal(w.peer.messages[0]?.body, text)
  })

  it('a body that cannot be read to its end is never ended for the peer', async () => {
    const w = world()
    const what = job(undefined, { streamed: true })
    const broken = {
      ...what.body,
      async *stream() {
        yield Buffer.from('Subject: x\r\n')
        throw new Error('disk on fire')
      },
    }
    const result = await deliver(w, { ...what, body: broken })
    assert.match(briefs(result)[0] ?? '', /^deferred 4\.4\.2 the message could not be read: disk on fire/)
    assert.equal(w.peer.messages.length, 0)
  })
})

describe('results are each recipient’s own', () => {
  it('a 4xx and a 5xx for some do not touch the others', async () => {
    const answers: Record<string, string> = { a: '450 4.2.1 busy', b: '550 5.1.1 unknown' }
    const w = world({ answer: (stage, line) => (stage === 'RCPT' ? answers[line[9] ?? ''] : undefined) })
    const result = await deliver(w, job(['a@them.test', 'b@them.test', 'c@them.test']))
    assert.deepEqual(briefs(result), [
      'deferred 4.2.1 450 4.2.1 busy',
      'failed 5.1.1 550 5.1.1 unknown',
      'delivered 250 2.0.0 taken',
    ])
    assert.equal(w.peer.messages.length, 1)
    assert.equal(w.network.dials.length, 1)
  })

  it('the code decides over a status of another class', async () => {
    const w = world({ answer: (stage) => (stage === 'RCPT' ? '550 4.1.1 unknown' : undefined) })
    assert.deepEqual(briefs(await deliver(w)), ['failed 5.1.1 550 4.1.1 unknown'])
  })

  it('an address that cannot be written fails alone', async () => {
    const w = world()
    const result = await deliver(w, job(['bad\r\nRSET@them.test', 'r@them.test']))
    assert.match(briefs(result)[0] ?? '', /^failed 5\.1\.3/)
    assert.equal(briefs(result)[1], 'delivered 250 2.0.0 taken')
    assert.ok(!w.peer.lines.includes('RSET@them.test'))
  })

  it('LMTP: one answer for each', async () => {
    const w = world({
      lmtp: true,
      answer: (stage, line) => (stage === 'end' && line.includes('<b@') ? '452 4.2.2 full' : undefined),
    })
    w.network.listen('192.0.2.30', 24, w.peer.accept)
    const result = await deliver(
      w,
      job(['a@them.test', 'b@them.test'], { destination: 'lmtp:192.0.2.30:24' }),
    )
    assert.deepEqual(briefs(result), ['delivered 250 2.0.0 taken', 'deferred 4.2.2 452 4.2.2 full'])
    assert.equal(w.peer.lines[0], 'LHLO us.test')
  })

  it('the transcript of a failure is kept, of a success it is not', async () => {
    const w = world({
      answer: (stage, _line, count) => (stage === 'RCPT' && count === 2 ? '450 4.2.1 busy' : undefined),
    })
    assert.equal((await deliver(w)).report.transcript, undefined)
    assert.deepEqual(
      (await deliver(w)).report.transcript?.slice(-7),
      [
        'S: 250 peer.test / PIPELINING / SIZE 10000000 / 8BITMIME / ENHANCEDSTATUSCODES',
        'C: MAIL FROM:<s@us.test> SIZE=27',
        'C: RCPT TO:<r@them.test>',
        'C: DATA',
        'S: 250 2.1.0 ok',
        'S: 450 4.2.1 busy',
        'S: 554 5.5.1 no recipients',
      ].slice(-7),
    )
  })
})

describe('hosts', () => {
  const three = hosts(['a.test', '2001:db8::1', '192.0.2.10'], ['mx.them.test', '192.0.2.25'])

  it('an address that refuses, IPv6 or IPv4, gives way to the next', async () => {
    const w = world({}, { resolveHosts: () => Promise.resolve(three) })
    const result = await deliver(w)
    assert.deepEqual(briefs(result), ['delivered 250 2.0.0 taken'])
    assert.deepEqual(w.network.dials, ['2001:db8::1:25', '192.0.2.10:25', '192.0.2.25:25'])
    assert.deepEqual(
      result.report.hosts.map((host) => host.error === undefined),
      [false, false, true],
    )
  })

  for (const [stage, answer] of [
    ['greeting', '421 4.3.2 busy'],
    ['greeting', '554 5.3.2 no mail'],
    ['EHLO', '451 4.3.0 later'],
    ['greeting', 'CLOSE'],
    ['MAIL', 'DROP'],
    ['MAIL', '421 4.3.2 bye'],
  ] as const) {
    it(`${answer} at ${stage}: the next host`, async () => {
      const w = world(
        {},
        {
          resolveHosts: () =>
            Promise.resolve(hosts(['bad.test', '192.0.2.9'], ['mx.them.test', '192.0.2.25'])),
        },
      )
      const bad = new ScriptedPeer({ answer: (where) => (where === stage ? answer : undefined) })
      w.network.listen('192.0.2.9', 25, bad.accept)
      const result = await deliver(w)
      assert.deepEqual(briefs(result), ['delivered 250 2.0.0 taken'])
      assert.equal(result.report.hosts.length, 2)
      assert.ok((result.report.transcript?.length ?? 0) > 0)
    })
  }

  it('a 4xx for the recipient does not send us to the next host', async () => {
    const w = world(
      { answer: (stage) => (stage === 'RCPT' ? '451 4.7.1 greylisted' : undefined) },
      {
        resolveHosts: () => Promise.resolve(hosts(['mx.them.test', '192.0.2.25'], ['b.test', '192.0.2.26'])),
      },
    )
    assert.deepEqual(briefs(await deliver(w)), ['deferred 4.7.1 451 4.7.1 greylisted'])
    assert.equal(w.network.dials.length, 1)
  })

  it('521 from every host is their last word (RFC 7504)', async () => {
    const w = world({ answer: (stage) => (stage === 'greeting' ? '521 5.3.2 no mail here' : undefined) })
    assert.deepEqual(briefs(await deliver(w)), ['failed 5.3.2 521 5.3.2 no mail here'])
  })

  const answers: readonly (readonly [MxResult, RegExp, 'up' | 'down'])[] = [
    [{ kind: 'nullMx' }, /^failed 5\.1\.10 /, 'up'],
    [{ kind: 'noSuchDomain' }, /^failed 5\.1\.2 /, 'up'],
    [
      { kind: 'unroutable', status: '5.4.6', reason: 'MX points to us' },
      /^failed 5\.4\.6 MX points to us/,
      'up',
    ],
    [{ kind: 'temporary', reason: 'SERVFAIL' }, /^deferred 4\.4\.3 SERVFAIL/, 'down'],
  ]
  for (const [answer, want, destination] of answers) {
    it(`MX says ${answer.kind}`, async () => {
      const w = world({}, { resolveHosts: () => Promise.resolve(answer) })
      const result = await deliver(w)
      assert.match(briefs(result)[0] ?? '', want)
      assert.equal(result.destination, destination)
      assert.equal(w.network.dials.length, 0)
    })
  }

  it('a route’s host that is not found defers: the mistake is ours', async () => {
    const w = world({}, { resolveHost: () => Promise.resolve({ kind: 'noSuchDomain' }) })
    const result = await deliver(w, job(undefined, { destination: 'smtp:typo.test:25' }))
    assert.match(briefs(result)[0] ?? '', /^deferred 4\.3\.5 /)
    assert.equal(result.destination, 'down')
  })

  it('10,000 messages for as many domains behind one dead host make a bounded number of dials', async () => {
    const w = world({}, { resolveHosts: () => Promise.resolve(hosts(['dead.test', '192.0.2.66'])) })
    const one = async (n: number) => {
      const result = await w.relay.deliver(job(undefined, { destination: `mx:d${n}.test` }), never)
      assert.equal(result.outcomes[0]?.kind, 'deferred')
      assert.equal(result.destination, 'down')
    }
    for (let n = 0; n < 10_000; n += 200) {
      await Promise.all(Array.from({ length: 200 }, (_, i) => one(n + i)))
      if (n % 2000 === 0) await w.clock.advance(minute)
    }
    // Twenty at once while nothing is known, then one each time the wait is over.
    assert.ok(w.network.dials.length >= 20 && w.network.dials.length <= 25, String(w.network.dials.length))
    assert.equal(w.relay.pool.openCount(), 0)
  })

  it('an address skipped says why and when, without a dial; when it is back it is used', async () => {
    const w = world({}, { resolveHosts: () => Promise.resolve(hosts(['dead.test', '192.0.2.66'])) })
    await deliver(w)
    const second = await deliver(w)
    assert.equal(w.network.dials.length, 1)
    const outcome = second.outcomes[0]
    assert.ok(outcome?.kind === 'deferred' && (outcome.retryAfterMs ?? 0) > 20_000)
    assert.match(outcome.reason, /nobody listens/)
    assert.match(second.report.hosts[0]?.error ?? '', /^not tried, it failed a moment ago: nobody listens/)
    w.network.listen('192.0.2.66', 25, w.peer.accept)
    await w.clock.advance(minute)
    assert.deepEqual(briefs(await deliver(w)), ['delivered 250 2.0.0 taken'])
    assert.equal(w.relay.health.size, 0)
  })

  it('many at once to a good host are not held up for long by the bound on dials', async () => {
    const w = world({}, { limits: { connectionsMax: 200 } })
    const results = await Promise.all(Array.from({ length: 100 }, () => w.relay.deliver(job(), never)))
    assert.ok(results.every((one) => one.outcomes[0]?.kind === 'delivered'))
  })
})

describe('connections are reused', () => {
  it('one connection, two round trips a message, until 100 messages', async () => {
    const w = world({}, { limits: { transactionsMax: 10 } })
    await deliver(w)
    const before = w.peer.chunkCount
    for (let i = 0; i < 9; i++) {
      const result = await deliver(w)
      assert.equal(result.report.hosts[0]?.reused, true)
    }
    await w.clock.settle()
    assert.equal(w.peer.chunkCount - before, 2 * 9 + 1) // and QUIT
    assert.equal(w.peer.connectionCount, 1)
    assert.equal(w.peer.lines.at(-1), 'QUIT')
    await deliver(w)
    assert.equal(w.peer.connectionCount, 2)
  })

  it('an idle one says QUIT after 5 s', async () => {
    const w = world()
    await deliver(w)
    await w.clock.advance(4_900)
    assert.equal(w.peer.openCount, 1)
    await w.clock.advance(200)
    assert.equal(w.peer.openCount, 0)
    assert.equal(w.peer.lines.at(-1), 'QUIT')
    assert.equal(w.relay.pool.openCount(), 0)
  })

  it('one the peer has closed is noticed', async () => {
    const w = world()
    await deliver(w)
    w.peer.connections[0]?.end()
    await w.clock.settle()
    assert.equal(w.relay.pool.idleCount, 0)
    assert.deepEqual(briefs(await deliver(w)), ['delivered 250 2.0.0 taken'])
  })

  for (const answer of ['DROP', 'CLOSE', '421 4.4.2 idle too long']) {
    it(`one that dies under MAIL (${answer}) costs no attempt`, async () => {
      const w = world({
        answer: (stage, _line, count) => (stage === 'MAIL' && count === 2 ? answer : undefined),
      })
      await deliver(w)
      const result = await deliver(w)
      assert.deepEqual(briefs(result), ['delivered 250 2.0.0 taken'])
      assert.equal(w.peer.connectionCount, 2)
      assert.equal(w.peer.messages.length, 2)
    })
  }

  it('one that dies after the final dot is not tried again by us', async () => {
    const w = world({
      answer: (stage, _line, count) => (stage === 'end' && count === 2 ? 'DROP' : undefined),
    })
    await deliver(w)
    const result = await deliver(w)
    assert.match(briefs(result)[0] ?? '', /^deferred 4\.4\.2 maybe/)
    assert.equal(w.peer.connectionCount, 1)
  })

  it('never more connections of a destination than allowed', async () => {
    const w = world({}, { limits: { connectionsMax: 3, transactionsMax: 2 } })
    const results = await Promise.all(Array.from({ length: 40 }, () => w.relay.deliver(job(), never)))
    assert.ok(results.every((one) => one.outcomes[0]?.kind === 'delivered'))
    assert.equal(w.peer.messages.length, 40)
    assert.ok(w.peer.openMaxCount <= 3, String(w.peer.openMaxCount))
  })

  it('not when the route has changed in between', async () => {
    let route: Route | undefined = readRoute('smtp://u:one@127.0.0.1:25')
    const w = world({ capabilities: [...pipeliningPeer, 'AUTH PLAIN'] }, { routeFor: () => route })
    w.network.listen('127.0.0.1', 25, w.peer.accept)
    const what = () => job(undefined, { destination: 'smtp:u@127.0.0.1:25' })
    await deliver(w, what())
    await deliver(w, what())
    assert.equal(w.peer.connectionCount, 1)
    route = readRoute('smtp://u:two@127.0.0.1:25')
    await deliver(w, what())
    assert.equal(w.peer.connectionCount, 2)
  })

  it('10,000 messages leave no timer, listener or connection behind', async () => {
    const w = world({}, { limits: { connectionsMax: 10 } })
    for (let n = 0; n < 10_000; n += 500)
      await Promise.all(Array.from({ length: 500 }, () => w.relay.deliver(job(), never)))
    assert.equal(w.peer.messages.length, 10_000)
    await w.relay.close()
    await w.clock.advance(minute * 20)
    assert.equal(w.clock.pendingCount, 0)
    assert.equal(w.relay.pool.openCount(), 0)
    assert.equal(w.relay.health.size, 0)
  })
})

const readRoute = (text: string): Route => {
  const parsed = parseRoute(text)
  assert.ok(parsed.ok)
  return parsed.route
}

describe('TLS policy', () => {
  const startTls = [...pipeliningPeer, 'STARTTLS']
  const policy = (tls: 'none' | 'may' | 'must' | 'verify'): Partial<RelayOptions> => ({
    tlsPolicyFor: () => tls,
  })

  it('may: TLS when it is offered, and the report says so', async () => {
    const w = world({ capabilities: startTls })
    const result = await deliver(w)
    assert.deepEqual(briefs(result), ['delivered 250 2.0.0 taken'])
    assert.equal(result.report.hosts[0]?.tls, 'TLSv1.3 TLS_AES_256_GCM_SHA384 verified')
  })

  it('none: not even when it is offered', async () => {
    const w = world({ capabilities: startTls }, policy('none'))
    const result = await deliver(w)
    assert.equal(result.report.hosts[0]?.tls, undefined)
    assert.ok(!w.peer.lines.includes('STARTTLS'))
  })

  for (const [name, script] of [
    ['the handshake breaks', { brokenTls: true }],
    ['bytes come behind the 220', { behindStartTls: '250 evil' }],
    [
      'STARTTLS is answered by garbage',
      { answer: (stage: PeerStage) => (stage === 'STARTTLS' ? 'wat' : undefined) },
    ],
    [
      'STARTTLS drops the connection',
      { answer: (stage: PeerStage) => (stage === 'STARTTLS' ? 'DROP' : undefined) },
    ],
  ] as const) {
    it(`${name}: plain on a fresh connection under may, deferred under must and verify`, async () => {
      const w = world({ capabilities: startTls, ...script })
      const result = await deliver(w)
      assert.deepEqual(briefs(result), ['delivered 250 2.0.0 taken'])
      assert.equal(w.peer.connectionCount, 2)
      assert.equal(result.report.hosts.at(-1)?.tls, undefined)
      for (const tls of ['must', 'verify'] as const) {
        const strict = world({ capabilities: startTls, ...script }, policy(tls))
        const refused = await deliver(strict)
        assert.match(briefs(refused)[0] ?? '', /^deferred 4\.(7\.5|4\.2) /)
        assert.equal(strict.peer.messages.length, 0)
        assert.equal(strict.peer.connectionCount, 1)
      }
    })
  }

  it('STARTTLS refused in order: plain on the same connection under may, deferred under must', async () => {
    const script: PeerScript = {
      capabilities: startTls,
      answer: (stage) => (stage === 'STARTTLS' ? '454 4.7.0 no' : undefined),
    }
    const w = world(script)
    assert.deepEqual(briefs(await deliver(w)), ['delivered 250 2.0.0 taken'])
    assert.equal(w.peer.connectionCount, 1)
    assert.deepEqual(briefs(await deliver(world(script, policy('must')))), ['deferred 4.7.0 454 4.7.0 no'])
  })

  it('must and verify: not offered is 4.7.4', async () => {
    for (const tls of ['must', 'verify'] as const)
      assert.match(
        briefs(await deliver(world({}, policy(tls))))[0] ?? '',
        /^deferred 4\.7\.4 TLS is required/,
      )
  })

  it('implicit TLS asks for no STARTTLS', async () => {
    const w = world({ capabilities: startTls }, { routeFor: () => readRoute('smtps://127.0.0.1:465') })
    w.network.listen('127.0.0.1', 465, (connection) => {
      void connection
        .startTls({ kind: 'server', secureContext: undefined, timeoutMs: 1 })
        .then(() => w.peer.accept(connection))
    })
    const result = await deliver(w, job(undefined, { destination: 'smtps:127.0.0.1:465' }))
    assert.deepEqual(briefs(result), ['delivered 250 2.0.0 taken'])
    assert.ok(!w.peer.lines.includes('STARTTLS'))
  })
})

describe('AUTH to a smarthost', () => {
  const destination = 'smtp:me@127.0.0.1:25'
  function smarthost(script: PeerScript, route: string): World {
    const w = world(script, { routeFor: () => readRoute(route) })
    w.network.listen('127.0.0.1', 25, w.peer.accept)
    w.network.listen('192.0.2.40', 25, w.peer.accept)
    return w
  }

  it('authenticates before the first message, once', async () => {
    const w = smarthost(
      { capabilities: [...pipeliningPeer, 'AUTH PLAIN LOGIN'] },
      'smtp://me:secret@127.0.0.1:25',
    )
    await deliver(w, job(undefined, { destination }))
    assert.deepEqual(briefs(await deliver(w, job(undefined, { destination }))), ['delivered 250 2.0.0 taken'])
    assert.equal(w.peer.lines.filter((line) => line.startsWith('AUTH')).length, 1)
  })

  it('a wrong password defers; neither report nor transcript has it', async () => {
    const script: PeerScript = {
      capabilities: [...pipeliningPeer, 'AUTH PLAIN'],
      answer: (stage) => (stage === 'AUTH' ? '535 5.7.8 wrong' : undefined),
    }
    const result = await deliver(
      smarthost(script, 'smtp://me:secret@127.0.0.1:25'),
      job(undefined, { destination }),
    )
    assert.deepEqual(briefs(result), ['deferred 4.7.8 535 5.7.8 wrong'])
    assert.equal(result.destination, 'down')
    const all = JSON.stringify(result)
    assert.ok(all.includes('AUTH PLAIN ****'))
    assert.ok(!all.includes('secret') && !all.includes(Buffer.from('\0me\0secret').toString('base64')))
  })

  it('never in the clear beyond this machine, unless the route says tls=none', async () => {
    const script: PeerScript = { capabilities: [...pipeliningPeer, 'AUTH PLAIN'] }
    const what = () => job(undefined, { destination: 'smtp:me@192.0.2.40:25' })
    const w = smarthost(script, 'smtp://me:secret@192.0.2.40:25?tls=may')
    assert.match(
      briefs(await deliver(w, what()))[0] ?? '',
      /^deferred 4\.7\.0 no usable AUTH mechanism without TLS/,
    )
    assert.ok(!w.peer.lines.some((line) => line.startsWith('AUTH')))
    const open = smarthost(script, 'smtp://me:secret@192.0.2.40:25?tls=none')
    assert.deepEqual(briefs(await deliver(open, what())), ['delivered 250 2.0.0 taken'])
  })

  it('a destination whose route is gone waits', async () => {
    const w = world()
    assert.match(
      briefs(await deliver(w, job(undefined, { destination: 'smtp:me@192.0.2.25:25' })))[0] ?? '',
      /^deferred 4\.3\.5 no route is configured/,
    )
    assert.deepEqual(briefs(await deliver(w, job(undefined, { destination: 'smtp:192.0.2.25:25' }))), [
      'delivered 250 2.0.0 taken',
    ])
  })
})

describe('stop', () => {
  it('aborted at each stage: deferred, connection dropped, marked after the final dot', async () => {
    for (const stage of ['greeting', 'EHLO', 'MAIL', 'DATA', 'end'] as const) {
      const w = world({ answer: (where) => (where === stage ? 'SILENT' : undefined) })
      const stop = new AbortController()
      const done = w.relay.deliver(job(), stop.signal)
      await w.clock.settle(20)
      stop.abort()
      const result = await done
      assert.match(
        briefs(result)[0] ?? '',
        stage === 'end' ? /^deferred 4\.3\.2 maybe/ : /^deferred 4\.3\.2 (?!maybe)/,
      )
      await w.clock.settle()
      assert.equal(w.peer.openCount, 0)
      assert.equal(w.relay.pool.openCount(), 0)
    }
  })

  it('while dialing, and before', async () => {
    const w = world()
    const stop = new AbortController()
    stop.abort()
    assert.match(briefs(await deliver(w, job(), stop.signal))[0] ?? '', /^deferred 4\.3\.2/)
    assert.equal(w.peer.connectionCount, 0)
    assert.equal(w.relay.health.size, 0)
  })
})
