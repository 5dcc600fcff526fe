// Issue 2, sections 4, 6 and 8: a store that fails, a disk that fills, a worker that dies, stopping and starting: what was
// answered with 250 is there, once, and service resumes by itself.

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Worker } from 'node:worker_threads'
import { StoreFailure } from '../../src/queue/store.ts'
import type { Store } from '../../src/store/store.ts'
import type { ChaosSink } from '../../src/testing/chaos-sink.ts'
import type { PeerScript } from '../../src/testing/scripted-peer.ts'
import { Client, plain } from './support/client.ts'
import { hour, minute, type Server, second, until, World } from './support/world.ts'

const letter = { from: 'alice@here.test', to: 'b@far.test' }
const subject = (name: string): string => `From: alice@here.test\r\nSubject: ${name}\r\n\r\nText\r\n`
const subjects = (sink: ChaosSink): string[] =>
  sink.peer.messages.map(({ body }) => /^Subject: (.*)\r$/m.exec(body)?.[1] ?? '').sort()
const greylist: PeerScript = { answer: (stage) => (stage === 'RCPT' ? '450 4.2.0 later' : undefined) }

/** With the store as it runs in production. */
function threads(t: TestContext): World {
  const world = World.for(t)
  world.storeThreads = true
  return world
}

/** The real store, whose methods fail while they stand in `faults`. */
function breakable(world: World): {
  readonly faults: Map<keyof Store, () => unknown>
  readonly openStore: () => Promise<Store>
} {
  const faults = new Map<keyof Store, () => unknown>()
  const openStore = async (): Promise<Store> => {
    const store = await world.openStore()((cause) => {
      throw cause
    })
    return new Proxy(store, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key, target)
        if (typeof value !== 'function') return value
        return (...args: unknown[]): unknown =>
          faults.get(key as keyof Store)?.() ?? Reflect.apply(value, target, args)
      },
    })
  }
  return { faults, openStore }
}
const failing = (code: 'full' | 'failed') => () => Promise.reject(new StoreFailure(code, 'told to fail'))

describe('disk full or store failure', () => {
  it('452 4.3.1 and 451 4.3.0 at the final dot; existing mail untouched; service resumes by itself on the same connection', async (t) => {
    const world = threads(t)
    const { faults, openStore } = breakable(world)
    const server = await world.server({}, { openStore })
    await server.accept({ ...letter, to: 'bob@here.test' })
    const before = await server.arrived('bob@here.test')
    const client = await Client.open(await server.port('mx'))
    const to = 'bob@here.test'
    faults.set('accept', failing('full'))
    assert.match((await client.send({ ...letter, to })).end.text, /^452 4\.3\.1 /)
    faults.set('accept', failing('failed'))
    assert.match((await client.send({ ...letter, to })).end.text, /^451 4\.3\.0 /)
    assert.deepEqual(await server.mail('bob@here.test'), before)
    faults.clear()
    assert.equal((await client.send({ ...letter, to })).end.code, 250)
    client.close()
    assert.equal((await server.arrived('bob@here.test', 2)).length, 2)
  })

  it('a body that cannot be written is refused in time, and its session goes on', async (t) => {
    const world = World.for(t)
    const { faults, openStore } = breakable(world)
    const server = await world.server({}, { openStore })
    const client = await Client.open(await server.port('mx'))
    const to = 'bob@here.test'
    const writer = (code: 'full' | 'failed', at: 'write' | 'finish') => () => ({
      sizeBytes: 0,
      write: () => (at === 'write' ? Promise.reject(new StoreFailure(code, 'told to fail')) : undefined),
      finish: () => Promise.reject(new StoreFailure(code, 'told to fail')),
      abort: () => {},
    })
    for (const [code, at, want] of [
      ['full', 'write', /^452 4\.3\.1 /],
      ['full', 'finish', /^452 4\.3\.1 /],
      ['failed', 'write', /^451 4\.3\.0 /],
      ['failed', 'finish', /^451 4\.3\.0 /],
    ] as const) {
      faults.set('bodyWriter', writer(code, at))
      const { end } = await client.send({ ...letter, to, body: `${plain + 'x'.repeat(70)}\r\n` })
      assert.match(end.text, want, `${code} ${at}`)
    }
    faults.clear()
    assert.equal((await client.send({ ...letter, to })).end.code, 250)
    client.close()
  })

  it('below minFreeBytes: 452 4.3.1 at MAIL, not ready; deliveries go on; room again ends it', async (t) => {
    const world = World.for(t)
    const sink = await world.sink(greylist)
    const { faults, openStore } = breakable(world)
    const server = await world.toSink(sink, { limits: { minFreeBytes: '1MiB' } }, { openStore })
    const id = await server.accept(letter)
    await server.event(id, 'deferred')
    faults.set('freeBytes', () => Promise.resolve(1000))
    world.clock.advance(3 * second)
    await until('not ready', async () => !(await server.control.health()).ready)
    assert.match((await server.send(letter)).mail.text, /^452 4\.3\.1 /)
    sink.peer.script = {}
    world.clock.advance(2 * minute)
    await server.event(id, 'delivered')
    faults.clear()
    world.clock.advance(3 * second)
    await until('ready', async () => (await server.control.health()).ready)
    await server.accept(letter)
  })

  it('a settle that fails is written later: the message is not sent twice, and nothing new is dialed meanwhile', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const { faults, openStore } = breakable(world)
    const server = await world.toSink(sink, {}, { openStore })
    faults.set('settle', failing('failed'))
    const id = await server.accept({ ...letter, body: subject('one') })
    await until('it was sent', () => sink.peer.messages.length === 1)
    await until('the queue noticed', async () => {
      const { end } = await server.send({ ...letter, body: subject('later') })
      return end.code === 250
    })
    for (let i = 0; i < 5; i++) {
      world.clock.advance(10 * second)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    assert.deepEqual(subjects(sink), ['one'])
    faults.clear()
    world.clock.advance(10 * second)
    await server.event(id, 'delivered')
    await server.drained()
    assert.deepEqual(subjects(sink), ['later', 'one'])
  })

  it('a store that cannot be read for a while delays retries, and they go on by themselves', async (t) => {
    const world = World.for(t)
    const sink = await world.sink(greylist)
    const { faults, openStore } = breakable(world)
    const server = await world.toSink(sink, {}, { openStore })
    const id = await server.accept(letter)
    await server.event(id, 'deferred')
    for (const method of ['takeDue', 'nextDueAt', 'takeDeadlines', 'openBody'] as const)
      faults.set(method, failing('failed'))
    sink.peer.script = {}
    world.clock.advance(2 * minute)
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.equal(sink.peer.messages.length, 0)
    faults.clear()
    await until('delivered', async () => {
      world.clock.advance(20 * second)
      await new Promise((resolve) => setTimeout(resolve, 5))
      return sink.peer.messages.length === 1
    })
    await server.drained()
  })

  it('a store worker that dies is fatal: nothing is acknowledged any more, and the next start has all that was', async (t) => {
    const world = threads(t)
    const sink = await world.sink(greylist)
    const workers: Worker[] = []
    const note = (worker: Worker): void => void workers.push(worker)
    process.on('worker', note)
    t.after(() => process.off('worker', note))
    const fatal: unknown[] = []
    const server = await world.toSink(sink, {}, { onFatal: (cause) => void fatal.push(cause) })
    const id = await server.accept({ ...letter, body: subject('kept') })
    await server.event(id, 'deferred')
    assert.ok(workers.length >= 1)
    const port = await server.port('mx')
    await Promise.all(workers.map((worker) => worker.terminate()))
    await until('told', () => fatal.length > 0)
    const client = await Client.open(port)
    const sent = await client.send({ ...letter, body: subject('lost') }).catch(() => undefined)
    assert.notEqual(sent?.end.code, 250)
    client.close()
    await server.stop()
    sink.peer.script = {}
    const again = await world.toSink(sink)
    world.clock.advance(hour)
    await again.drained()
    assert.deepEqual(subjects(sink), ['kept'])
  })
})

describe('stop and start', () => {
  it('waiting, held and active mail is all there after a restart, and delivered once', async (t) => {
    const world = threads(t)
    let silent = true
    const sink = await world.sink({
      answer: (stage, line) =>
        stage === 'RCPT' && line.includes('grey@')
          ? '450 4.2.0 later'
          : stage === 'MAIL' && silent && line.includes('bob@')
            ? 'SILENT'
            : undefined,
    })
    const server = await world.toSink(sink, { stop: { timeout: '100ms' } })
    const waiting = await server.accept({ ...letter, to: 'grey@far.test', body: subject('waiting') })
    const held = await server.accept({ ...letter, to: 'grey@far.test', body: subject('held') })
    for (const id of [waiting, held]) await server.event(id, 'deferred')
    assert.equal((await server.control.queueAct('hold', { ids: [held] })).count, 1)
    await server.accept({ from: 'bob@here.test', to: 'x@far.test', body: subject('active') })
    await until('an attempt is under way', () =>
      sink.peer.lines.some((line) => line.includes('MAIL FROM:<bob@')),
    )
    await server.stop()

    silent = false
    sink.peer.script = {}
    const again = await world.toSink(sink)
    assert.deepEqual(
      (await again.queue()).map(({ delivery }) => delivery.state).filter((state) => state === 'held'),
      ['held'],
    )
    world.clock.advance(hour)
    await until('two delivered', () => sink.peer.messages.length === 2)
    await again.quiet()
    assert.deepEqual(subjects(sink), ['active', 'waiting'])
    assert.equal((await again.control.queueAct('release', { ids: [held] })).count, 1)
    await again.drained()
    assert.deepEqual(subjects(sink), ['active', 'held', 'waiting'])
  })

  it('mail that waits takes the route of the new configuration', async (t) => {
    const world = World.for(t)
    const [old, fresh] = [await world.sink(greylist), await world.sink()]
    const server = await world.toSink(old)
    for (const to of ['x@far.test', 'x@mine.test', 'x@kept.test'])
      await server.event(await server.accept({ ...letter, to, body: subject(to) }), 'deferred')
    await server.stop()
    const again = await world.server({
      delivery: { routes: { '*': `smtp://127.0.0.1:${fresh.port}`, 'kept.test': 'hold' } },
      domains: {
        'here.test': { accounts: { alice: { password: false } } },
        'mine.test': { accounts: { x: { password: false } } },
      },
    })
    world.clock.advance(hour)
    await again.arrived('x@mine.test')
    await until('by the new route', () => fresh.peer.messages.length >= 1)
    await again.quiet()
    assert.deepEqual(subjects(fresh), ['x@far.test'])
    assert.deepEqual(
      (await again.queue()).map(({ delivery }) => [delivery.recipient, delivery.state]),
      [['x@kept.test', 'held']],
    )
    assert.equal(old.peer.messages.length, 0)
  })

  it('mode capture given later: what waits for the world is captured, not sent', async (t) => {
    const world = World.for(t)
    const sink = await world.sink(greylist)
    const server = await world.toSink(sink)
    await server.event(await server.accept(letter), 'deferred')
    await server.stop()
    sink.peer.script = {}
    const again = await world.toSink(sink, { delivery: { mode: 'capture' } })
    world.clock.advance(hour)
    assert.equal((await again.arrived('capture')).length, 1)
    assert.equal(sink.peer.messages.length, 0)
  })

  it('mode hold given later: what waits for the world is held, and sent only when it is released', async (t) => {
    const world = World.for(t)
    const sink = await world.sink(greylist)
    const server = await world.toSink(sink)
    await server.event(await server.accept(letter), 'deferred')
    await server.stop()
    sink.peer.script = {}
    const again = await world.toSink(sink, { delivery: { mode: 'hold' } })
    world.clock.advance(hour)
    await again.quiet()
    assert.equal(sink.peer.messages.length, 0)
    assert.equal((await again.control.queueAct('release', { state: 'held' })).count, 1)
    await again.drained()
    assert.equal(sink.peer.messages.length, 1)
  })

  it('graceful stop: takes no new connection, finishes the transaction under way with 250, says 421; nothing lost', async (t) => {
    const world = threads(t)
    const server = await world.server()
    const port = await server.port('mx')
    const [busy, idle] = [await Client.open(port), await Client.open(port)]
    for (const line of ['MAIL FROM:<a@b.test>', 'RCPT TO:<alice@here.test>', 'DATA']) await busy.command(line)
    busy.write('Subject: half\r\n\r\nfirst')
    const stopped = server.stop()
    assert.match((await idle.read()).text, /^421 4\.3\.2 /)
    await assert.rejects(Client.open(port))
    busy.write(' and second half\r\n.\r\n')
    const end = await busy.read()
    assert.equal(end.code, 250, end.text)
    assert.equal((await busy.read()).code, 421)
    await stopped
    const again = await world.server()
    const [mail] = await again.arrived('alice@here.test')
    assert.match(mail?.body ?? '', /first and second half\r\n$/)
  })

  it('graceful stop is bounded: a client that never ends its message does not hold it up', async (t) => {
    const world = World.for(t)
    const server = await world.server({ stop: { timeout: '100ms' } })
    const client = await Client.open(await server.port('mx'))
    for (const line of ['MAIL FROM:<a@b.test>', 'RCPT TO:<alice@here.test>', 'DATA'])
      await client.command(line)
    client.write('Subject: half\r\n')
    await server.stop()
    client.close()
    const again: Server = await world.server()
    assert.deepEqual([await again.mail('alice@here.test'), await again.queue()], [[], []])
  })

  it('graceful stop lets an attempt under way end within the bound', async (t) => {
    const world = World.for(t)
    const sink = await world.sink({ slow: { stage: 'end', ms: 150, clock: world.clock } })
    const server = await world.toSink(sink)
    await server.accept(letter)
    await until('the body is there', () => sink.peer.lines.includes('DATA'))
    await server.stop()
    const again = await world.toSink(sink)
    world.clock.advance(hour)
    assert.deepEqual(await again.queue(), [])
    assert.equal(sink.peer.messages.length, 1)
  })

  it('one owner: a second server on the same data directory is refused with a clear message', async (t) => {
    const world = threads(t)
    const server = await world.server()
    await assert.rejects(world.server(), /data|lock|use/i)
    await server.accept({ ...letter, to: 'alice@here.test' })
  })
})
