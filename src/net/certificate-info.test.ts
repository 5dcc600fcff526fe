// Owns the tests of what is told of a peer's certificate: over a real handshake, with names that fit and that do not.

import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { makeSelfSigned } from './certificate.ts'
import { createDialer } from './dial.ts'
import { listen } from './listen.ts'
import { realClock } from './real-clock.ts'
import { makeServerContext } from './secure-context.ts'

test('a client that asks for details is told the chain, its names, and whether it fits the name', async () => {
  const pair = await makeSelfSigned({ hostname: 'mx.shop.test', now: Date.now(), days: 30 })
  const secureContext = makeServerContext(pair)
  const listener = await listen({
    host: '127.0.0.1',
    port: 0,
    clock: realClock,
    onConnection: (connection) => {
      connection.attach({ data() {}, end: () => connection.end(), close() {}, drain() {} })
      void connection.startTls({ kind: 'server', secureContext, timeoutMs: 5000 }).catch(() => {})
    },
  })
  const look = async (servername: string, details = true) => {
    const connection = await createDialer({ clock: realClock }).dial({
      host: '127.0.0.1',
      port: listener.local.port,
      timeoutMs: 5000,
      tls: { kind: 'client', servername, verify: false, timeoutMs: 5000, details },
    })
    connection.destroy()
    return connection.tls
  }
  try {
    const tls = await look('mx.shop.test')
    assert.equal(tls?.verified, false)
    assert.equal(tls?.verifyError, 'self-signed certificate')
    assert.equal(tls?.certificates?.length, 1)
    const one = tls?.certificates?.[0]
    assert.equal(one?.subject, 'CN=mx.shop.test')
    assert.deepEqual(one?.names, ['mx.shop.test', 'localhost', '127.0.0.1', '::1'])
    assert.equal(one?.matchesName, true)
    assert.equal(one?.selfIssued, true)
    assert.equal(one?.key, 'EC prime256v1')
    const der = new X509Certificate(pair.cert).raw
    assert.equal(one?.sha256, createHash('sha256').update(der).digest('hex'))
    assert.deepEqual(Buffer.from(one?.der ?? []), der)
    assert.ok(Math.abs((one?.validToAt ?? 0) - Date.now() - 30 * 86_400_000) < 60_000)
    assert.equal((await look('other.test'))?.certificates?.[0]?.matchesName, false)
    assert.equal((await look('127.0.0.1'))?.certificates?.[0]?.matchesName, true)
    assert.equal((await look('mx.shop.test', false))?.certificates, undefined)
  } finally {
    await listener.close()
  }
})
