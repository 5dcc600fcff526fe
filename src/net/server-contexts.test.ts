// Which certificate a client sees: by the name it asks for, over a Connection and over HTTPS, before and after a change.

import assert from 'node:assert/strict'
import type { Server } from 'node:http'
import { type AddressInfo, connect as connectPlain } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { makeSelfSigned } from './certificate.ts'
import { createHttpsServer } from './https-server.ts'
import { listen } from './listen.ts'
import { realClock } from './real-clock.ts'
import { ServerContexts } from './server-contexts.ts'

const now = Date.now()
const [host, policy, wild, next] = await Promise.all(
  ['mx.here.test', 'mta-sts.here.test', '*.many.test', 'mx.next.test'].map((hostname) =>
    makeSelfSigned({ hostname, now }),
  ),
)
assert.ok(host !== undefined && policy !== undefined && wild !== undefined && next !== undefined)
const others = [
  { names: ['MTA-STS.here.test.'], pair: policy },
  { names: ['*.many.test'], pair: wild },
]

interface Seen {
  readonly subject: string
  readonly socket: TLSSocket
}

async function look(t: TestContext, port: number, servername?: string): Promise<Seen> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ...(servername !== undefined && { servername }),
  })
  t.after(() => socket.destroy())
  await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
  return { subject: socket.getPeerX509Certificate()?.subject ?? '', socket }
}

async function tcp(t: TestContext, contexts: ServerContexts): Promise<number> {
  const listener = await listen({
    host: '127.0.0.1',
    port: 0,
    clock: realClock,
    tls: { secureContext: () => contexts.current },
    onConnection: (connection) => connection.attach({ data() {}, end() {}, close() {}, drain() {} }),
  })
  t.after(() => listener.close())
  return listener.local.port
}

async function web(t: TestContext, contexts: ServerContexts, handshakeTimeoutMs?: number): Promise<number> {
  const server: Server = createHttpsServer({
    contexts,
    handler: (_request, response) => void response.end('hello'),
    ...(handshakeTimeoutMs !== undefined && { handshakeTimeoutMs }),
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

const kinds = { 'a connection': tcp, https: web }

describe('certificates by name', () => {
  for (const [kind, open] of Object.entries(kinds))
    it(`${kind}: the name asked for, a wildcard's label, any other name, none`, async (t) => {
      const port = await open(t, new ServerContexts(host, others))
      const table: [string | undefined, string][] = [
        ['mx.here.test', 'mx.here.test'],
        ['mta-sts.here.test', 'mta-sts.here.test'],
        ['Mta-Sts.HERE.test', 'mta-sts.here.test'],
        ['one.many.test', '*.many.test'],
        ['many.test', 'mx.here.test'],
        ['a.b.many.test', 'mx.here.test'],
        ['strange.test', 'mx.here.test'],
        [undefined, 'mx.here.test'],
      ]
      for (const [name, subject] of table)
        assert.equal((await look(t, port, name)).subject, `CN=${subject}`, `asked for ${name}`)
    })

  for (const [kind, open] of Object.entries(kinds))
    it(`${kind}: a change is seen by the next handshake, a session that is open goes on`, async (t) => {
      const contexts = new ServerContexts(host, others)
      const port = await open(t, contexts)
      const before = await look(t, port)
      contexts.set(next, [{ names: ['mta-sts.here.test'], pair: host }])
      assert.equal((await look(t, port)).subject, 'CN=mx.next.test')
      assert.equal((await look(t, port, 'mta-sts.here.test')).subject, 'CN=mx.here.test')
      assert.equal((await look(t, port, 'one.many.test')).subject, 'CN=mx.next.test')
      assert.equal(before.socket.destroyed, false)
      if (kind !== 'https') return
      before.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      const answer = await new Promise<Buffer>((resolve) => before.socket.once('data', resolve))
      assert.match(answer.toString(), /^HTTP\/1\.1 200/)
    })

  it('a pair that does not fit changes nothing', () => {
    const contexts = new ServerContexts(host, others)
    const { current } = contexts
    assert.throws(() => contexts.set({ cert: next.cert, key: host.key }, []))
    assert.throws(() => contexts.set(next, [{ names: ['x.test'], pair: { cert: 'no', key: 'no' } }]))
    assert.equal(contexts.current, current)
    assert.equal(contexts.standard, host)
    assert.notEqual(contexts.forName('mta-sts.here.test'), undefined)
  })

  it('the same pair keeps its context, and so the sessions that clients resume', () => {
    const contexts = new ServerContexts(host, others)
    const { current } = contexts
    contexts.set(host, others)
    assert.equal(contexts.current, current)
  })

  it('https: a handshake that does not come is ended', async (t) => {
    const port = await web(t, new ServerContexts(host), 50)
    const socket = connectPlain(port, '127.0.0.1')
    t.after(() => socket.destroy())
    await new Promise<void>((resolve) =>
      socket
        .once('close', () => resolve())
        .once('error', () => {})
        .resume(),
    )
  })
})
