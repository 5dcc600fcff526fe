import assert from 'node:assert/strict'
import { it } from 'node:test'
import { MemoryNetwork } from '../testing/memory-network.ts'
import { ScriptedPeer } from '../testing/scripted-peer.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { openSession } from './open-session.ts'
import { SessionPool } from './pool.ts'
import type { ClientSession } from './session.ts'

const never = new AbortController().signal

function make() {
  const clock = new VirtualClock()
  const network = new MemoryNetwork()
  const peer = new ScriptedPeer()
  network.listen('192.0.2.25', 25, peer.accept)
  const pool = new SessionPool({ clock, idleTimeoutMs: 1000, lifetimeMs: 10_000 })
  const open = async (key = 'k', max = 2): Promise<ClientSession> => {
    const slot = pool.slot(key, max)
    assert.ok(slot !== undefined, 'room')
    const where = {
      dialer: network,
      clock,
      protocol: 'smtp',
      hostname: 'us.test',
      address: '192.0.2.25',
      port: 25,
      tls: 'may',
    } as const
    const opened = await openSession(where, never)
    assert.ok(opened.ok)
    opened.session.onClosed = slot.release
    return opened.session
  }
  return { clock, peer, pool, open }
}

it('the session used last is taken first, by key, and only when it fits', async () => {
  const { pool, open } = make()
  const [one, two] = [await open(), await open()]
  pool.put('k', one)
  pool.put('k', two)
  assert.equal(pool.take('other'), undefined)
  assert.equal(
    pool.take('k', (session) => session === one),
    one,
  )
  assert.equal(pool.take('k'), two)
  assert.equal(pool.take('k'), undefined)
})

it('no room: who waits is woken by a session given back, or by one that is gone', async () => {
  const { clock, pool, open } = make()
  const [one, two] = [await open(), await open()]
  assert.equal(pool.slot('k', 2), undefined)
  let woken = 0
  void pool.change('k', never).then(() => woken++)
  void pool.change('k', never).then(() => woken++)
  await clock.settle()
  assert.equal(woken, 0)
  pool.put('k', one)
  await clock.settle()
  assert.equal(woken, 1)
  two.destroy()
  await clock.settle()
  assert.equal(woken, 2)
  assert.ok(pool.slot('k', 2) !== undefined)
})

it('who gives up waiting leaves the wake-up to the next', async () => {
  const { clock, pool, open } = make()
  const one = await open('k', 1)
  const stop = new AbortController()
  const first = pool.change('k', stop.signal)
  let woken = false
  void pool.change('k', never).then(() => {
    woken = true
  })
  stop.abort(new Error('stop'))
  await assert.rejects(first, /stop/)
  pool.put('k', one)
  await clock.settle()
  assert.ok(woken)
})

it('an idle one that does not fit makes way', async () => {
  const { clock, peer, pool, open } = make()
  pool.put('k', await open('k', 1))
  assert.equal(
    pool.take('k', () => false),
    undefined,
  )
  await pool.change('k', never)
  await clock.settle()
  assert.equal(peer.lines.at(-1), 'QUIT')
  await open('k', 1)
})

it('one that is too old is not taken; close says QUIT to all', async () => {
  const { clock, peer, pool, open } = make()
  const old = await open()
  await clock.advance(11_000)
  pool.put('k', old)
  assert.equal(pool.take('k'), undefined)
  pool.put('k', await open())
  await pool.close()
  assert.equal(pool.openCount(), 0)
  assert.equal(peer.lines.filter((line) => line === 'QUIT').length, 2)
  pool.put('k', await open())
  await clock.settle()
  assert.equal(pool.openCount(), 0)
})

it('a peer that ignores QUIT is dropped after 5 s', async () => {
  const { clock, peer, pool, open } = make()
  peer.script = { answer: (stage) => (stage === 'QUIT' ? 'SILENT' : undefined) }
  pool.put('k', await open())
  await clock.advance(5_500)
  assert.equal(pool.openCount(), 1)
  await clock.advance(1_000)
  assert.equal(pool.openCount(), 0)
  assert.equal(clock.pendingCount, 0)
})
