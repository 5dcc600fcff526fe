// A dialed connection whose handler keeps nothing of what it is given: one buffer serves all reads.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, describe, it } from 'node:test'
import type { Connection, ConnectionHandler, Listener } from '../base/connection.ts'
import { makeSelfSigned } from './certificate.ts'
import { createDialer } from './dial.ts'
import { listen } from './listen.ts'
import { realClock } from './real-clock.ts'
import { ServerContexts } from './server-contexts.ts'

const dialer = createDialer({ clock: realClock })
const silent: ConnectionHandler = { data() {}, end() {}, close() {}, drain() {} }
const opened: (Connection | Listener)[] = []
after(async () => {
  for (const one of opened) await ('destroy' in one ? one.destroy() : one.close())
})

async function pair(): Promise<{ readonly client: Connection; readonly server: Connection }> {
  const { promise, resolve } = Promise.withResolvers<Connection>()
  const listener = await listen({ host: '127.0.0.1', port: 0, clock: realClock, onConnection: resolve })
  const { port } = listener.local
  const client = await dialer.dial({ host: '127.0.0.1', port, timeoutMs: 10_000, transientData: true })
  const server = await promise
  opened.push(client, server, listener)
  return { client, server }
}

/** What comes until the other side has ended, and the order of what the handler was told. */
function readAll(
  client: Connection,
): Promise<{ readonly bytes: Buffer; readonly events: readonly string[] }> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = []
    const events: string[] = []
    const note = (event: string): void => {
      if (events.at(-1) !== event) events.push(event)
    }
    client.attach({
      data: (bytes) => {
        pieces.push(Buffer.from(bytes))
        note('data')
      },
      end: () => {
        note('end')
        client.end()
      },
      close: () => {
        note('close')
        resolve({ bytes: Buffer.concat(pieces), events })
      },
      drain: () => {},
    })
  })
}

describe('connection: data that is not kept', () => {
  it('gives every octet once and in order, then the end', async () => {
    const { client, server } = await pair()
    const sent = randomBytes(3_000_000)
    server.attach(silent)
    server.write(sent)
    server.end()
    const { bytes, events } = await readAll(client)
    assert.equal(bytes.length, sent.length)
    assert.equal(
      createHash('sha1').update(bytes).digest('hex'),
      createHash('sha1').update(sent).digest('hex'),
    )
    assert.deepEqual(events, ['data', 'end', 'close'])
  })

  it('keeps what came before there was a handler, and while it is paused', async () => {
    const { client, server } = await pair()
    server.attach(silent)
    server.write(Buffer.from('220 hello\r\n'))
    const other = await pair()
    // A round trip beside it: the greeting is there by now.
    other.server.attach({ ...silent, data: (bytes) => void other.server.write(Buffer.from(bytes)) })
    const echo = readAll(other.client)
    other.client.write(Buffer.from('x'))
    other.client.end()
    other.server.end()
    await echo
    const heard: string[] = []
    const { promise, resolve } = Promise.withResolvers<void>()
    client.pause()
    client.attach({
      ...silent,
      data: (bytes) => {
        heard.push(bytes.toString())
        resolve()
      },
    })
    await new Promise((done) => setImmediate(done))
    assert.deepEqual(heard, [])
    client.resume()
    await promise
    assert.deepEqual(heard, ['220 hello\r\n'])
  })

  it('goes on under TLS', async () => {
    const { client, server } = await pair()
    const pem = await makeSelfSigned({ hostname: 'mx.example.test', now: Date.now() })
    const { promise, resolve } = Promise.withResolvers<string>()
    const heard = Promise.withResolvers<string>()
    client.attach({ ...silent, data: (bytes) => heard.resolve(bytes.toString()) })
    server.attach({ ...silent, data: (bytes) => resolve(bytes.toString()) })
    server.write(Buffer.from('220 go\r\n'))
    assert.equal(await heard.promise, '220 go\r\n')
    const secureContext = new ServerContexts(pem).current
    const [info] = await Promise.all([
      client.startTls({
        kind: 'client',
        servername: 'mx.example.test',
        verify: true,
        ca: pem.cert,
        timeoutMs: 10_000,
      }),
      server.startTls({ kind: 'server', secureContext, timeoutMs: 10_000 }),
    ])
    assert.equal(info.verified, true)
    const inside = readAll(client)
    client.write(Buffer.from('EHLO a\r\n'))
    assert.equal(await promise, 'EHLO a\r\n')
    server.write(Buffer.from('250 inside\r\n'))
    server.end()
    assert.equal((await inside).bytes.toString(), '250 inside\r\n')
  })
})
