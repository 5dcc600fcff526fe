// Hosts of a destination: their order, the head start of the first address, the memory of those that did not answer, in
// memory and virtual time.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Connection, type Dialer, type DialOptions, TransportFailure } from '../base/connection.ts'
import { createFakeResolver } from '../dns/fake-resolver.ts'
import { MemoryNetwork, memoryPair } from '../testing/memory-network.ts'
import { type PeerScript, ScriptedPeer } from '../testing/scripted-peer.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { dialRace } from './dial-race.ts'
import { HostMemory } from './host-memory.ts'
import { createMailer } from './mailer.ts'
import { TransportError } from './mailer-errors.ts'

const message = { from: 'me@us.test', raw: 'Subject: x\r\n\r\nend\r\n' }
const deadV6 = '2001:db8::99'

/** `silent` addresses never answer. */
function world(silent: readonly string[] = [], scripts: Readonly<Record<string, PeerScript>> = {}) {
  const clock = new VirtualClock()
  const network = new MemoryNetwork()
  const peers = new Map<string, ScriptedPeer>()
  for (const address of ['192.0.2.1', '192.0.2.2', '2001:db8::1']) {
    const peer = new ScriptedPeer(scripts[address])
    peers.set(address, peer)
    network.listen(address, 25, peer.accept)
  }
  const dials: string[] = []
  const dialer: Dialer = {
    dial(options: DialOptions): Promise<Connection> {
      dials.push(options.host)
      if (!silent.includes(options.host)) return network.dial(options)
      return new Promise((_resolve, reject) => {
        const timer = clock.setTimer(options.timeoutMs, () =>
          reject(new TransportFailure('timeout', 'silence')),
        )
        options.signal?.addEventListener('abort', () => {
          timer.cancel()
          reject(new TransportFailure('aborted', 'stopped'))
        })
      })
    },
  }
  const resolver = createFakeResolver({
    mx: { 'one.test': ['10 a.one.test', '20 b.one.test'], 'two.test': ['10 a.one.test'] },
    aaaa: { 'a.one.test': [deadV6], 'both.test': ['2001:db8::1'] },
    a: { 'a.one.test': ['192.0.2.1'], 'b.one.test': ['192.0.2.2'], 'both.test': ['192.0.2.1'] },
  })
  const mailer = createMailer({
    kind: 'mx',
    name: 'us.test',
    idleTimeoutMs: 1,
    world: { clock, dialer, resolver, random: seededRandom(1) },
  })
  return { clock, dials, peers, mailer }
}

describe('a host with two families', () => {
  it('an address that is silent costs the head start, not its time limit; the next message begins with the other', async () => {
    const { clock, dials, mailer } = world([deadV6])
    const begunAt = clock.now()
    const sent = mailer.send({ ...message, to: 'x@one.test' })
    await clock.advance(2_000)
    assert.deepEqual((await sent).accepted, ['x@one.test'])
    assert.ok(clock.now() - begunAt <= 2_001)
    assert.deepEqual(dials, [deadV6, '192.0.2.1'])
  })

  it('an address that refuses costs nothing, and is tried last for a minute, whatever the domain', async () => {
    const { clock, dials, mailer } = world()
    for (const to of ['x@one.test', 'x@two.test']) {
      const { accepted } = await mailer.send({ ...message, to })
      assert.deepEqual(accepted, [to])
      await clock.advance(10)
    }
    assert.deepEqual(dials, [deadV6, '192.0.2.1', '192.0.2.1'])
    await clock.advance(61_000)
    await mailer.send({ ...message, to: 'x@two.test' })
    assert.deepEqual(dials.slice(3), [deadV6, '192.0.2.1'])
  })

  it('who connects and then says no is followed by the other address', async () => {
    const busy: PeerScript = { answer: (stage) => (stage === 'greeting' ? '421 4.3.2 busy' : undefined) }
    const { peers, mailer } = world([], { '2001:db8::1': busy })
    const { accepted } = await mailer.send({ ...message, to: 'x@both.test' })
    assert.deepEqual(accepted, ['x@both.test'])
    assert.equal(peers.get('192.0.2.1')?.messages.length, 1)
  })

  it('all dead: each is tried once a message, and the error says that it may be tried again', async () => {
    const { clock, dials, mailer } = world([deadV6, '192.0.2.1', '192.0.2.2'])
    for (const count of [3, 6]) {
      const failed = assert.rejects(mailer.send({ ...message, to: 'x@one.test' }), (error) => {
        assert.ok(error instanceof TransportError && error.temporary && !error.mayHaveDelivered)
        return true
      })
      for (let i = 0; i < 10; i++) await clock.advance(10_000)
      await failed
      assert.equal(dials.length, count)
    }
  })
})

describe('HostMemory', () => {
  it('forgets by time and by count', () => {
    const clock = new VirtualClock()
    const memory = new HostMemory({ clock, forMs: 1000, entriesMax: 2 })
    for (const address of ['a', 'b', 'c']) memory.failed(address, 25)
    assert.equal(memory.size, 2)
    assert.deepEqual(
      [memory.isDead('a', 25), memory.isDead('c', 25), memory.isDead('c', 26)],
      [false, true, false],
    )
    const list = [{ address: 'c' }, { address: 'x' }, { address: 'b' }]
    assert.deepEqual(
      memory.inOrder(list, 25).map((one) => one.address),
      ['x', 'c', 'b'],
    )
    memory.answered('c', 25)
    assert.equal(memory.isDead('c', 25), false)
  })

  it('all dead: the order stays', () => {
    const memory = new HostMemory({ clock: new VirtualClock() })
    memory.failed('a', 25)
    memory.failed('b', 25)
    const list = [{ address: 'b' }, { address: 'a' }]
    assert.equal(memory.inOrder(list, 25), list)
  })
})

describe('dialRace', () => {
  it('a winner that comes late is dropped, and the losers are aborted', async () => {
    const clock = new VirtualClock()
    const settle = new Map<string, (connection: Connection) => void>()
    const signals: AbortSignal[] = []
    const race = dialRace({
      clock,
      addresses: ['a', 'b'],
      headStartMs: 100,
      signal: new AbortController().signal,
      dial: (address, signal) => {
        signals.push(signal)
        return new Promise((resolve) => settle.set(address, resolve))
      },
    })
    await clock.advance(100)
    const [fast, slow] = [memoryPair(), memoryPair()]
    settle.get('b')?.(fast.client)
    const { won, failures } = await race
    assert.deepEqual([won?.address, failures], ['b', []])
    assert.ok(signals.every((one) => one.aborted))
    settle.get('a')?.(slow.client)
    await clock.settle()
    assert.ok(slow.client.closed && !fast.client.closed)
  })

  it('aborted before it begins: nothing is dialed', async () => {
    const result = await dialRace({
      clock: new VirtualClock(),
      addresses: ['a', 'b'],
      headStartMs: 1,
      signal: AbortSignal.abort(),
      dial: () => assert.fail('dialed'),
    })
    assert.equal(result.won, undefined)
    assert.equal(result.failures.length, 1)
  })
})
