// Connection over loopback sockets: both sides, plain and TLS, half-open, back-pressure, failures of dialing and listening.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, connect as netConnect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { connect as tlsConnect } from 'node:tls'
import { Worker } from 'node:worker_threads'
import {
  type ClientTlsOptions,
  type Connection,
  type ConnectionHandler,
  type Listener,
  TransportFailure,
} from '../base/connection.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { makeSelfSigned, type PemPair } from './certificate.ts'
import { createDialer } from './dial.ts'
import { ListenFailure, type ListenOptions, listen } from './listen.ts'
import { realClock } from './real-clock.ts'
import { ServerContexts } from './server-contexts.ts'
import { signatureHash, verifyErrorText } from './tls-info.ts'

const dialer = createDialer({ clock: realClock })

/** Collects what a connection is told; `until` waits for a condition, looked at after each event. */
class Recorder implements ConnectionHandler {
  readonly events: string[] = []
  text = ''
  bytesCount = 0
  error: Error | undefined
  #waiting: (() => void)[] = []

  data(bytes: Buffer): void {
    this.bytesCount += bytes.length
    if (this.bytesCount < 1e6) this.text += bytes.toString('latin1')
    this.#tell('data')
  }
  end(): void {
    this.#tell('end')
  }
  close(error?: Error): void {
    this.error = error
    this.#tell('close')
  }
  drain(): void {
    this.#tell('drain')
  }
  #tell(event: string): void {
    if (event !== 'data' || this.events.at(-1) !== 'data') this.events.push(event)
    for (const look of this.#waiting) look()
  }
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!holds()) return
        this.#waiting = this.#waiting.filter((other) => other !== look)
        resolve()
      }
      this.#waiting.push(look)
      look()
    })
  }
  has(event: string): Promise<void> {
    return this.until(() => this.events.includes(event))
  }
  reads(text: string): Promise<void> {
    return this.until(() => this.text.includes(text))
  }
}

interface Pair {
  readonly client: Connection
  readonly server: Connection
  readonly atClient: Recorder
  readonly atServer: Recorder
}

const opened: { close(): Promise<void> }[] = []
const connections = new Set<Connection>()
after(async () => {
  for (const connection of connections) connection.destroy()
  await Promise.all(opened.map((one) => one.close()))
})

async function open(
  options: Partial<ListenOptions> = {},
): Promise<{ listener: Listener; next(): Promise<Connection> }> {
  const arrived: Connection[] = []
  const wanted: ((connection: Connection) => void)[] = []
  const listener = await listen({
    host: '127.0.0.1',
    port: 0,
    clock: realClock,
    onConnection(connection) {
      connections.add(connection)
      const want = wanted.shift()
      if (want) want(connection)
      else arrived.push(connection)
    },
    ...options,
  })
  opened.push(listener)
  return {
    listener,
    next: () =>
      new Promise((resolve) => {
        const connection = arrived.shift()
        if (connection) resolve(connection)
        else wanted.push(resolve)
      }),
  }
}

async function pair(options: Partial<ListenOptions> = {}, tls?: ClientTlsOptions): Promise<Pair> {
  const { listener, next } = await open(options)
  const { address, port } = listener.local
  const host = address === '' ? (options.host ?? '') : address
  const [client, server] = await Promise.all([
    dialer.dial({ host, port, timeoutMs: 10_000, ...(tls && { tls }) }),
    next(),
  ])
  connections.add(client)
  const [atClient, atServer] = [new Recorder(), new Recorder()]
  client.attach(atClient)
  server.attach(atServer)
  return { client, server, atClient, atServer }
}

const failure = (code: TransportFailure['code'], message?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof TransportFailure, String(error))
  assert.equal(error.code, code, error.message)
  if (message) assert.match(error.message, message)
  return true
}

const text = (value: string): Buffer => Buffer.from(value)
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('connection: plain', () => {
  it('carries bytes both ways and knows both ends', async () => {
    const { client, server, atClient, atServer } = await pair()
    client.write(text('EHLO a\r\n'))
    await atServer.reads('EHLO a\r\n')
    server.write(new Uint8Array([50, 53, 48, 13, 10]))
    await atClient.reads('250\r\n')
    assert.equal(client.remote.address, '127.0.0.1')
    assert.deepEqual(client.remote, server.local)
    assert.deepEqual(client.local, server.remote)
    assert.equal(client.tls, undefined)
    client.end()
    await atServer.has('end')
    server.end()
    await Promise.all([atClient.has('close'), atServer.has('close')])
    assert.deepEqual(atClient.events, ['data', 'end', 'close'])
    assert.deepEqual([atClient.error, atServer.error], [undefined, undefined])
  })

  it('half-open: after the peer ended, we can still answer', async () => {
    const { client, server, atClient, atServer } = await pair()
    client.write(text('last words'))
    client.end()
    await atServer.has('end')
    assert.equal(atServer.text, 'last words')
    for (let i = 0; i < 5; i++) {
      server.write(text(`answer ${i}`))
      await atClient.reads(`answer ${i}`)
    }
    server.end()
    await Promise.all([atClient.has('close'), atServer.has('close')])
    assert.equal(atClient.error, undefined)
  })

  it('sends all that is queued before it ends', async () => {
    const { client, atServer } = await pair()
    const bytes = 20_000_000
    client.write(Buffer.alloc(bytes, 'x'))
    client.end()
    await atServer.has('end')
    assert.equal(atServer.bytesCount, bytes)
  })

  it('write after end or close is dropped', async () => {
    const { client, server, atClient, atServer } = await pair()
    client.end()
    assert.equal(client.write(text('late')), true)
    client.end()
    await atServer.has('end')
    server.destroy()
    await Promise.all([atClient.has('close'), atServer.has('close')])
    assert.equal(client.write(text('later')), true)
    client.end()
    client.destroy()
    assert.equal(atServer.text, '')
    assert.equal(atClient.error, undefined)
  })

  it('destroy closes both sides at once; its error is told to our handler, once', async () => {
    const { client, server, atClient, atServer } = await pair()
    const reason = new Error('too slow')
    server.destroy(reason)
    server.destroy(new Error('other'))
    await atServer.has('close')
    assert.equal(atServer.error, reason)
    await atClient.until(() => atClient.events.includes('end') || atClient.events.includes('close'))
    client.destroy()
    await atClient.has('close')
    assert.equal(atServer.events.filter((event) => event === 'close').length, 1)
  })

  it('a reset is a failure with code reset', async () => {
    const server = createServer((socket) => void socket.once('data', () => socket.resetAndDestroy()))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    opened.push({ close: () => new Promise((resolve) => server.close(() => resolve())) })
    const { port } = server.address() as { port: number }
    const client = await dialer.dial({ host: '127.0.0.1', port, timeoutMs: 10_000 })
    const recorder = new Recorder()
    client.attach(recorder)
    client.write(text('x'))
    await recorder.has('close')
    failure('reset', /127\.0\.0\.1:\d+/)(recorder.error)
  })

  it('drain comes after write said false, and not before the kernel took it all', async () => {
    const { client, server, atClient, atServer } = await pair()
    server.pause()
    let written = 0
    const piece = Buffer.alloc(256 * 1024, 'x')
    while (client.write(piece)) written += piece.length
    written += piece.length
    await turn()
    await turn()
    while (!client.write(piece) && written < 64 * 1024 * 1024) written += piece.length
    written += piece.length
    // The server does not read: more than the kernel holds is waiting.
    for (let i = 0; i < 20; i++) await turn()
    const drainedBefore = atClient.events.filter((event) => event === 'drain').length
    const readBefore = atServer.bytesCount
    server.resume()
    await atServer.until(() => atServer.bytesCount === written)
    await atClient.until(() => atClient.events.filter((event) => event === 'drain').length > drainedBefore)
    assert.ok(readBefore < written / 2, 'a paused side is told nothing')
  })

  it('pause and resume: nothing comes in between, nothing is lost', async () => {
    const { client, server, atClient, atServer } = await pair()
    server.pause()
    client.write(text('one'))
    // The answer to a second connection's bytes shows that the first one's have arrived.
    server.write(text('mark'))
    await atClient.reads('mark')
    for (let i = 0; i < 10; i++) await turn()
    assert.equal(atServer.text, '')
    client.end()
    server.resume()
    await atServer.has('end')
    assert.equal(atServer.text, 'one')
  })

  it('nothing is read before the first attach; a later attach replaces the handler', async () => {
    const { listener, next } = await open()
    const client = await dialer.dial({ host: '127.0.0.1', port: listener.local.port, timeoutMs: 10_000 })
    connections.add(client)
    client.write(text('early'))
    const server = await next()
    for (let i = 0; i < 10; i++) await turn()
    const [first, second] = [new Recorder(), new Recorder()]
    server.attach(first)
    await first.reads('early')
    server.attach(second)
    client.write(text('late'))
    await second.reads('late')
    assert.equal(first.text, 'early')
  })

  it('close is told to a handler that attaches after it', async () => {
    const { listener, next } = await open()
    const client = await dialer.dial({ host: '127.0.0.1', port: listener.local.port, timeoutMs: 10_000 })
    const server = await next()
    const reason = new Error('never used')
    server.destroy(reason)
    client.destroy()
    for (let i = 0; i < 5; i++) await turn()
    const recorder = new Recorder()
    server.attach(recorder)
    await recorder.has('close')
    assert.equal(recorder.error, reason)
    assert.deepEqual(recorder.events, ['close'])
  })

  it('after end, a peer that does nothing is dropped; one that goes on is borne for 5 minutes', async () => {
    const clock = new VirtualClock()
    const { client, server, atServer } = await pair({ clock })
    server.end()
    await clock.advance(29_000)
    client.write(text('still here'))
    await atServer.reads('still here')
    await clock.advance(30_000)
    assert.ok(!atServer.events.includes('close'))
    await clock.advance(2000)
    await atServer.has('close')
    assert.equal(clock.pendingCount, 0)
    const busy = await pair({ clock })
    busy.server.end()
    for (let i = 0; i < 10; i++) {
      busy.client.write(text(`${i};`))
      await busy.atServer.reads(`${i};`)
      await clock.advance(30_000)
    }
    await busy.atServer.has('close')
  })

  it('an IPv4 peer of a dual-stack listener has an IPv4 address', async (t) => {
    let opening: Awaited<ReturnType<typeof open>>
    try {
      opening = await open({ host: '::' })
    } catch {
      return t.skip('no IPv6 here')
    }
    const client = await dialer.dial({
      host: '127.0.0.1',
      port: opening.listener.local.port,
      timeoutMs: 10_000,
    })
    connections.add(client)
    const server = await opening.next()
    assert.equal(server.remote.address, '127.0.0.1')
    assert.equal(server.local.address, '127.0.0.1')
    client.destroy()
    server.destroy()
  })

  for (const transientData of [false, true])
    it(`what the peer said before it reset the connection is read before the failure of a write is told (transientData: ${transientData})`, async () => {
      // The peer lives in another thread: it answers and resets while we are busy, so that our next write fails at once.
      const shared = new Int32Array(new SharedArrayBuffer(4))
      const worker = new Worker(
        `const { workerData, parentPort } = require('node:worker_threads')
      const server = require('node:net').createServer((socket) => {
        socket.on('error', () => {})
        socket.once('data', () => socket.write('421 closing\\r\\n', () => {
          socket.resetAndDestroy()
          server.close()
          setImmediate(() => { Atomics.store(workerData, 0, 1); Atomics.notify(workerData, 0) })
        }))
      })
      server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))`,
        { eval: true, workerData: shared },
      )
      const port = await new Promise<number>((resolve) => worker.once('message', resolve))
      const client = await dialer.dial({ host: '127.0.0.1', port, timeoutMs: 10_000, transientData })
      const recorder = new Recorder()
      client.attach(recorder)
      client.write(text('MAIL FROM:<a@example.test>\r\n'))
      assert.notEqual(Atomics.wait(shared, 0, 0, 10_000), 'timed-out')
      client.write(text('RCPT TO:<b@example.test>\r\n'))
      await recorder.has('close')
      assert.equal(recorder.text, '421 closing\r\n')
      failure('reset')(recorder.error)
      await worker.terminate()
    })
})

describe('connection: TLS', () => {
  let pem: PemPair
  let holder: ServerContexts
  before(async () => {
    pem = await makeSelfSigned({ hostname: 'mx1.example.test', now: Date.now() })
    holder = new ServerContexts(pem)
  })
  const clientTls = (more: Partial<ClientTlsOptions> = {}): ClientTlsOptions => ({
    kind: 'client',
    servername: 'mx1.example.test',
    verify: true,
    timeoutMs: 10_000,
    ca: pem.cert,
    ...more,
  })
  const implicit = (more: Partial<ListenOptions['tls']> = {}): Partial<ListenOptions> => ({
    tls: { secureContext: () => holder.current, ...more },
  })

  it('implicit TLS: both sides know protocol, cipher, name and bindings, and the same ones', async () => {
    const { client, server, atClient, atServer } = await pair(implicit(), clientTls())
    assert.equal(client.tls?.protocol, 'TLSv1.3')
    assert.match(client.tls?.cipher ?? '', /^TLS_[A-Z0-9_]+$/)
    assert.equal(client.tls?.cipher, server.tls?.cipher)
    assert.equal(server.tls?.servername, 'mx1.example.test')
    assert.equal(client.tls?.verified, true)
    assert.equal(server.tls?.verified, undefined)
    assert.equal(client.tls?.serverEndPoint?.length, 32)
    assert.deepEqual(client.tls?.serverEndPoint, server.tls?.serverEndPoint)
    assert.equal(client.tls?.exporter?.length, 32)
    assert.deepEqual(client.tls?.exporter, server.tls?.exporter)
    client.write(text('hello'))
    await atServer.reads('hello')
    server.write(text('world'))
    await atClient.reads('world')
    client.end()
    await atServer.has('end')
    server.write(text('and more'))
    server.end()
    await Promise.all([atClient.has('close'), atServer.has('close')])
    assert.equal(atClient.text, 'worldand more')
    assert.deepEqual([atClient.error, atServer.error], [undefined, undefined])
  })

  it('each connection has its own exporter', async () => {
    const one = await pair(implicit(), clientTls())
    const other = await pair(implicit(), clientTls())
    assert.notDeepEqual(one.client.tls?.exporter, other.client.tls?.exporter)
    assert.deepEqual(one.client.tls?.serverEndPoint, other.client.tls?.serverEndPoint)
  })

  it('STARTTLS upgrades in place; bytes sent with the last flight arrive after the upgrade is known', async () => {
    const { client, server, atClient, atServer } = await pair()
    server.write(text('220 ready\r\n'))
    const accepted = server.startTls({ kind: 'server', secureContext: holder.current, timeoutMs: 10_000 })
    let knownBeforeBytes = false
    void accepted.then(() => {
      knownBeforeBytes = atServer.text === ''
    })
    await atClient.reads('220 ready')
    const info = await client.startTls(clientTls())
    client.write(text('EHLO again\r\n'))
    await accepted
    await atServer.reads('EHLO again\r\n')
    assert.equal(knownBeforeBytes, true)
    assert.equal(client.tls, info)
    assert.equal(info.verified, true)
    const big = Buffer.alloc(5_000_000, 'y')
    server.write(big)
    await atClient.until(() => atClient.bytesCount >= big.length)
    await assert.rejects(client.startTls(clientTls()), /startTls on a connection/)
    client.end()
    await atServer.has('end')
    server.end()
    await Promise.all([atClient.has('close'), atServer.has('close')])
  })

  it('STARTTLS waits for what is still queued in plain', async () => {
    const { client, server, atClient } = await pair()
    client.pause()
    const before = Buffer.alloc(8_000_000, 'p')
    server.write(before)
    const accepted = server.startTls({ kind: 'server', secureContext: holder.current, timeoutMs: 20_000 })
    client.resume()
    await atClient.until(() => atClient.bytesCount === before.length)
    const [info] = await Promise.all([client.startTls(clientTls()), accepted])
    assert.equal(info.protocol, 'TLSv1.3')
  })

  it('a pause before STARTTLS lasts until resume', async () => {
    const { client, server, atServer } = await pair()
    server.pause()
    await Promise.all([
      server.startTls({ kind: 'server', secureContext: holder.current, timeoutMs: 10_000 }),
      client.startTls(clientTls()),
    ])
    client.write(text('held'))
    for (let i = 0; i < 10; i++) await turn()
    assert.equal(atServer.text, '')
    server.resume()
    await atServer.reads('held')
  })

  const verifyCases: readonly (readonly [string, () => Partial<ClientTlsOptions>, string])[] = [
    ['an unknown issuer', () => ({ ca: other.cert }), 'self-signed certificate'],
    ['another name', () => ({ servername: 'mx2.example.test' }), 'certificate is for another name'],
    ['another address', () => ({ servername: '[192.0.2.1]' }), 'certificate is for another name'],
  ]
  let other: PemPair
  before(async () => {
    other = await makeSelfSigned({ hostname: 'other.test', now: Date.now() })
  })
  for (const [name, options, words] of verifyCases) {
    it(`verify: ${name} fails the handshake`, async () => {
      const { listener } = await open(implicit())
      const { port } = listener.local
      await assert.rejects(
        dialer.dial({ host: '127.0.0.1', port, timeoutMs: 10_000, tls: clientTls(options()) }),
        failure('tls', new RegExp(`TLS handshake with 127\\.0\\.0\\.1:\\d+: ${words}$`)),
      )
    })
    it(`no verify: ${name} is only reported`, async () => {
      const { client, server } = await pair(implicit(), clientTls({ ...options(), verify: false }))
      assert.equal(client.tls?.verified, false)
      assert.equal(client.tls?.verifyError, words)
      assert.ok(server.tls)
    })
  }

  it('an address literal sends no SNI and is verified as an address', async () => {
    const { client, server } = await pair(implicit(), clientTls({ servername: '127.0.0.1' }))
    assert.equal(server.tls?.servername, undefined)
    assert.equal(client.tls?.servername, undefined)
    assert.equal(client.tls?.verified, true)
  })

  it('a certificate that has expired is named so', async () => {
    const old = await makeSelfSigned({ hostname: 'mx1.example.test', now: Date.UTC(2020, 0, 1), days: 1 })
    const context = new ServerContexts(old)
    const { client } = await pair(
      { tls: { secureContext: () => context.current } },
      clientTls({ ca: old.cert, verify: false }),
    )
    assert.equal(client.tls?.verifyError, 'certificate has expired')
  })

  it('a new pair is used by the next handshake; open connections stay; a broken pair changes nothing', async () => {
    const reloading = new ServerContexts(pem)
    const { listener, next } = await open({ tls: { secureContext: () => reloading.current } })
    const dial = (ca: string): Promise<Connection> =>
      dialer.dial({
        host: '127.0.0.1',
        port: listener.local.port,
        timeoutMs: 10_000,
        tls: clientTls({ servername: 'localhost', ca }),
      })
    const [first, firstServer] = await Promise.all([dial(pem.cert), next()])
    const atServer = new Recorder()
    firstServer.attach(atServer)
    reloading.set(other)
    assert.throws(() => reloading.set({ cert: pem.cert, key: other.key }))
    const second = await dial(other.cert)
    assert.notDeepEqual(second.tls?.serverEndPoint, first.tls?.serverEndPoint)
    first.write(text('still open'))
    await atServer.reads('still open')
    first.destroy()
    second.destroy()
  })

  it('a server below TLS 1.2 is refused, and TLS 1.2 has no exporter', async () => {
    const { listener, next } = await open(implicit())
    const versions = async (maxVersion: 'TLSv1.1' | 'TLSv1.2'): Promise<string> => {
      const socket = tlsConnect({
        host: '127.0.0.1',
        port: listener.local.port,
        rejectUnauthorized: false,
        minVersion: 'TLSv1',
        maxVersion,
        ciphers: 'DEFAULT@SECLEVEL=0',
      })
      return new Promise((resolve) => {
        socket.once('secureConnect', () => resolve('secure')).once('error', () => resolve('refused'))
      })
    }
    assert.equal(await versions('TLSv1.1'), 'refused')
    assert.equal(await versions('TLSv1.2'), 'secure')
    const server = await next()
    assert.equal(server.tls?.protocol, 'TLSv1.2')
    assert.match(server.tls?.cipher ?? '', /^TLS_ECDHE_ECDSA_WITH_/)
    assert.equal(server.tls?.exporter, undefined)
    assert.equal(server.tls?.serverEndPoint?.length, 32)
    server.destroy()
  })

  it('a client that talks plain to implicit TLS is dropped and reported; the listener goes on', async () => {
    const failures: unknown[] = []
    let failed: () => void = () => {}
    const told = new Promise<void>((resolve) => (failed = resolve))
    const { listener, next } = await open(
      implicit({
        onFailure: (error) => {
          failures.push(error)
          failed()
        },
      }),
    )
    const { port } = listener.local
    const plain = await dialer.dial({ host: '127.0.0.1', port, timeoutMs: 10_000 })
    const recorder = new Recorder()
    plain.attach(recorder)
    plain.write(text('EHLO plain\r\n'))
    await told
    failure('tls')(failures[0])
    await recorder.until(() => recorder.events.some((event) => event === 'end' || event === 'close'))
    plain.destroy()
    const [client] = await Promise.all([
      dialer.dial({ host: '127.0.0.1', port, timeoutMs: 10_000, tls: clientTls() }),
      next(),
    ])
    client.destroy()
  })

  it('a handshake that is not done in time fails as timeout, on both sides; others beyond handshakesMax are dropped', async () => {
    const clock = new VirtualClock()
    const failures: unknown[] = []
    const { listener } = await open({
      clock,
      ...implicit({ handshakeTimeoutMs: 5000, handshakesMax: 1, onFailure: (error) => failures.push(error) }),
    })
    const { port } = listener.local
    const silent = await dialer.dial({ host: '127.0.0.1', port, timeoutMs: 10_000 })
    const atSilent = new Recorder()
    silent.attach(atSilent)
    while (clock.pendingCount === 0) await turn()
    const beyond = await dialer.dial({ host: '127.0.0.1', port, timeoutMs: 10_000 })
    const atBeyond = new Recorder()
    beyond.attach(atBeyond)
    await atBeyond.until(() => atBeyond.events.length > 0)
    beyond.destroy()
    assert.deepEqual(atSilent.events, [])
    await clock.advance(5000)
    await atSilent.until(() => atSilent.events.length > 0)
    failure('timeout')(failures[0])
    silent.destroy()

    const mute = await open()
    const muteDial = createDialer({ clock }).dial({
      host: '127.0.0.1',
      port: mute.listener.local.port,
      timeoutMs: 60_000,
      tls: clientTls({ timeoutMs: 7000 }),
    })
    const rejected = assert.rejects(muteDial, failure('timeout', /7000 ms/))
    await mute.next()
    while (clock.pendingCount === 0) await turn()
    await clock.advance(7000)
    await rejected
  })

  it('destroy during the handshake ends it: the promise rejects, the handler is told', async () => {
    const { client, server, atClient, atServer } = await pair()
    const upgrade = client.startTls(clientTls())
    const reason = new TransportFailure('aborted', 'stop')
    client.destroy(reason)
    await assert.rejects(upgrade, failure('aborted'))
    await atClient.has('close')
    assert.equal(atClient.error, reason)
    await atServer.until(() => atServer.events.some((event) => event === 'end' || event === 'close'))
    server.destroy()
    await assert.rejects(client.startTls(clientTls()), failure('closed'))
  })

  it('a peer that closes during the handshake is a tls failure', async () => {
    const { client, server, atClient } = await pair()
    const upgrade = client.startTls(clientTls())
    server.destroy()
    await assert.rejects(upgrade, failure('tls'))
    await atClient.has('close')
  })

  for (const [what, sent] of [
    ['with nothing said', []],
    ['within its hello', [0x16, 3, 1, 2, 0, 1]],
  ] as const)
    it(`a client that ends during the handshake, ${what}, is a tls failure at once`, async () => {
      const { client, server, atServer } = await pair()
      const upgrade = server.startTls({ kind: 'server', secureContext: holder.current, timeoutMs: 3_600_000 })
      if (sent.length > 0) client.write(Buffer.from(sent))
      client.end()
      await assert.rejects(upgrade, failure('tls'))
      await atServer.has('close')
    })

  it('bytes that came in plain before the upgrade are never taken for the peer speaking in TLS', async () => {
    const { client, server, atServer } = await pair()
    server.pause()
    client.write(text('RSET\r\n'))
    for (let i = 0; i < 10; i++) await turn()
    await assert.rejects(
      server.startTls({ kind: 'server', secureContext: holder.current, timeoutMs: 10_000 }),
      failure('tls'),
    )
    assert.equal(atServer.text.includes('RSET'), false)
  })
})

describe('dial: failures', () => {
  it('a closed port is refused', async () => {
    const { listener } = await open()
    await listener.close()
    await assert.rejects(
      dialer.dial({ host: '127.0.0.1', port: listener.local.port, timeoutMs: 10_000 }),
      failure('refused', new RegExp(`127\\.0\\.0\\.1:${listener.local.port}`)),
    )
  })

  it('an address that is not ours cannot be the local one', async () => {
    const { listener } = await open()
    await assert.rejects(
      dialer.dial({
        host: '127.0.0.1',
        port: listener.local.port,
        localAddress: '192.0.2.1',
        timeoutMs: 10_000,
      }),
      failure('unreachable'),
    )
  })

  it('the local address is used', async () => {
    const { listener, next } = await open()
    const client = await dialer.dial({
      host: '127.0.0.1',
      port: listener.local.port,
      localAddress: '127.0.0.5',
      timeoutMs: 10_000,
    })
    assert.equal((await next()).remote.address, '127.0.0.5')
    assert.equal(client.local.address, '127.0.0.5')
    client.destroy()
  })

  it('a name is not dialed', async () => {
    await assert.rejects(
      dialer.dial({ host: 'localhost', port: 25, timeoutMs: 1000 }),
      failure('other', /"localhost" is not an IP address/),
    )
  })

  it('the deadline and the signal end a dial that hangs', async () => {
    const stuck = await startStuckListener()
    const clock = new VirtualClock()
    const slow = createDialer({ clock })
    const late = assert.rejects(
      slow.dial({ host: '127.0.0.1', port: stuck.port, timeoutMs: 5000 }),
      failure('timeout'),
    )
    const abort = new AbortController()
    const aborted = assert.rejects(
      slow.dial({ host: '127.0.0.1', port: stuck.port, timeoutMs: 50_000, signal: abort.signal }),
      failure('aborted'),
    )
    for (let i = 0; i < 20; i++) await turn()
    abort.abort()
    await aborted
    await clock.advance(5000)
    await late
    assert.equal(clock.pendingCount, 0)
    await assert.rejects(
      slow.dial({ host: '127.0.0.1', port: stuck.port, timeoutMs: 1, signal: abort.signal }),
      failure('aborted'),
    )
    await stuck.end()
  })
})

/** A listener in a thread that is blocked: the kernel completes connections until the backlog is full, then none. */
async function startStuckListener(): Promise<{ port: number; end(): Promise<void> }> {
  const shared = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(
    `const { workerData, parentPort } = require('node:worker_threads')
    const server = require('node:net').createServer(() => {})
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      parentPort.postMessage(server.address().port)
      setImmediate(() => Atomics.wait(workerData, 0, 0))
    })`,
    { eval: true, workerData: shared },
  )
  const port = await new Promise<number>((resolve) => worker.once('message', resolve))
  const fillers: Socket[] = []
  for (let i = 0; i < 3; i++) {
    const socket = netConnect({ port, host: '127.0.0.1' }).on('error', () => {})
    fillers.push(socket)
    // The first two are completed by the kernel; the third shows that no more are.
    if (i < 2) await new Promise<void>((resolve) => socket.once('connect', resolve))
  }
  return {
    port,
    end: async () => {
      for (const socket of fillers) socket.destroy()
      Atomics.store(shared, 0, 1)
      Atomics.notify(shared, 0)
      await worker.terminate()
    },
  }
}

describe('listen', () => {
  it('a taken port is a failure that names it', async () => {
    const { listener } = await open()
    const { port } = listener.local
    await assert.rejects(
      listen({ host: '127.0.0.1', port, clock: realClock, onConnection: () => {} }),
      (error: unknown) => {
        assert.ok(error instanceof ListenFailure)
        assert.deepEqual([error.code, error.host, error.port], ['inUse', '127.0.0.1', port])
        assert.equal(
          error.message,
          `cannot listen on 127.0.0.1:${port}: another program already listens there`,
        )
        return true
      },
    )
  })

  it('an address that is not ours is a failure', async () => {
    await assert.rejects(
      listen({ host: '192.0.2.1', port: 0, clock: realClock, onConnection: () => {} }),
      (error: unknown) => error instanceof ListenFailure && error.code === 'noSuchAddress',
    )
  })

  it('close frees the port while connections stay', async () => {
    const { listener, next } = await open()
    const [client, server] = await Promise.all([
      dialer.dial({ host: '127.0.0.1', port: listener.local.port, timeoutMs: 10_000 }),
      next(),
    ])
    const [atClient, atServer] = [new Recorder(), new Recorder()]
    client.attach(atClient)
    server.attach(atServer)
    await listener.close()
    await listener.close()
    const again = await open({ port: listener.local.port })
    assert.equal(again.listener.local.port, listener.local.port)
    client.write(text('still'))
    await atServer.reads('still')
    client.destroy()
  })

  it('several listeners share a port where told so', async (t) => {
    const one = await open({ reusePort: true })
    try {
      const other = await open({ reusePort: true, port: one.listener.local.port })
      assert.equal(other.listener.local.port, one.listener.local.port)
    } catch (error) {
      if (process.platform === 'linux') throw error
      t.skip('no SO_REUSEPORT here')
    }
  })

  it('a unix socket works as a port does', { skip: process.platform === 'win32' }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'posthouse-net-'))
    try {
      const { client, atServer, server } = await pair({ host: join(folder, 'lmtp') })
      assert.deepEqual(server.remote, { address: '', port: 0 })
      client.write(text('LHLO a'))
      await atServer.reads('LHLO a')
      client.destroy()
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

it('signatureHash and verifyErrorText read what OpenSSL says', () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['sha256WithRSAEncryption', 'sha256'],
    ['ecdsa-with-SHA384', 'sha384'],
    ['sha1WithRSAEncryption', 'sha256'],
    ['md5WithRSAEncryption', 'sha256'],
    ['dsa_with_SHA224', 'sha224'],
    ['ED25519', undefined],
    ['', undefined],
  ]
  for (const [algorithm, hash] of cases) assert.equal(signatureHash(algorithm), hash, algorithm)
  assert.equal(verifyErrorText('CERT_HAS_EXPIRED'), 'certificate has expired')
  assert.equal(verifyErrorText('INVALID_PURPOSE'), 'invalid purpose')
  assert.equal(verifyErrorText(Object.assign(new Error('x'), { code: 'CERT_UNTRUSTED' })), 'cert untrusted')
})
