// The public listener with TLS and the plain one beside it: challenges, redirects, promises to browsers, policies, slow clients.

import assert from 'node:assert/strict'
import { request as requestHttps } from 'node:https'
import { connect as connectPlain } from 'node:net'
import { after, before, describe, it } from 'node:test'
import type { Endpoint } from '../base/connection.ts'
import { silentLog } from '../base/log.ts'
import { makeSelfSigned } from '../net/certificate.ts'
import { httpRequest, readBody } from '../net/http-client.ts'
import { createHttpsServer } from '../net/https-server.ts'
import { realClock } from '../net/real-clock.ts'
import { ServerContexts } from '../net/server-contexts.ts'
import { createFakeControl } from '../testing/fake-control.ts'
import { createMetrics } from './metrics.ts'
import { createHttpServer, type HttpServer, type HttpServerOptions } from './server.ts'
import { hostOf } from './transport-rules.ts'

const pair = await makeSelfSigned({ hostname: 'mx.here.test', now: Date.now() })
const servers: HttpServer[] = []
let plain: Endpoint
let secure: Endpoint

const shared: HttpServerOptions = {
  app: createFakeControl({ now: 0, mailText: '' }),
  metrics: createMetrics({ processMetrics: false }),
  log: silentLog,
  clock: realClock,
  scope: 'public',
  hosts: ['mx.here.test'],
  stsPolicy: (host) => (host.startsWith('mta-sts.here.test') ? 'version: STSv1\r\n' : undefined),
}

async function open(some: Partial<HttpServerOptions>): Promise<Endpoint> {
  const server = createHttpServer({ ...shared, ...some })
  servers.push(server)
  return server.listen({ address: '127.0.0.1', port: 0 })
}

before(async () => {
  const contexts = new ServerContexts(pair)
  secure = await open({
    secured: (handler) => createHttpsServer({ contexts, handler, handshakeTimeoutMs: 5000 }),
    mayPromiseHttps: (host) => host === 'mx.here.test',
  })
  plain = await open({
    redirectPort: secure.port,
    challenge: async (token) => (token === 'known-token' ? `${token}.thumb` : undefined),
  })
})
after(async () => void (await Promise.all(servers.map((server) => server.close()))))

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
}

async function ask(path: string, host: string, method: 'GET' | 'POST' = 'GET'): Promise<Answer> {
  const answer = await httpRequest({ to: plain, method, path, headers: { host }, timeoutMs: 5000 })
  const text = (await readBody(answer, 100_000)).toString()
  return { status: answer.status, headers: answer.headers, text }
}

function askSecure(path: string, host: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = requestHttps(
      {
        host: secure.address,
        port: secure.port,
        path,
        headers: { host },
        ca: pair.cert,
        servername: 'mx.here.test',
      },
      (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => void (text += chunk.toString()))
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
        )
      },
    )
    request.on('error', reject).end()
  })
}

describe('plain HTTP beside HTTPS', () => {
  it('who reads is sent on with path and query; who writes is refused', async () => {
    const moved = await ask('/v1/queue?a=b%20c', 'mx.here.test')
    assert.equal(moved.status, 308)
    assert.equal(moved.headers.location, `https://mx.here.test:${secure.port}/v1/queue?a=b%20c`)
    assert.equal((await ask('/v1/session', 'mx.here.test', 'POST')).status, 403)
    assert.equal((await ask('/metrics', `mx.here.test:${plain.port}`)).status, 308)
  })

  it('port 443 is not written, nor is anything but a path', async () => {
    const other = createHttpServer({ ...shared, redirectPort: 443 })
    servers.push(other)
    const at = await other.listen({ address: '127.0.0.1', port: 0 })
    const locations: unknown[] = []
    for (const path of ['/x', '//evil.test/x', '/x%0d%0aSet-Cookie:a']) {
      const answer = await httpRequest({
        to: at,
        method: 'GET',
        path,
        headers: { host: 'mx.here.test' },
        timeoutMs: 5000,
      })
      locations.push(answer.headers.location)
      await readBody(answer, 10_000)
    }
    assert.deepEqual(locations, [
      'https://mx.here.test/x',
      'https://mx.here.test//evil.test/x',
      'https://mx.here.test/x%0d%0aSet-Cookie:a',
    ])
  })

  it('this machine by its own name, load balancers and challenges are served as ever', async () => {
    assert.equal((await ask('/metrics', `localhost:${plain.port}`)).status, 200)
    assert.equal((await ask('/metrics', `127.0.0.1:${plain.port}`)).status, 200)
    assert.equal((await ask('/healthz', 'mx.here.test')).status, 200)
    const challenge = await ask('/.well-known/acme-challenge/known-token', 'any.name.test')
    assert.equal(challenge.status, 200)
    assert.equal(challenge.text, 'known-token.thumb')
    assert.equal(challenge.headers['content-type'], 'application/octet-stream')
  })

  it('no challenge: unknown tokens, tokens that are none, and what lies below one', async () => {
    for (const token of ['unknown', 'known-token/x', 'known-token%2e', '..%2f', '', 'a'.repeat(201)]) {
      const { status } = await ask(`/.well-known/acme-challenge/${token}`, 'localhost')
      assert.equal(status, 404, token)
    }
    // Other names are not opened by the prefix alone.
    assert.equal((await ask('/.well-known/acme-challenge/a/b', 'any.name.test')).status, 421)
  })

  it('strange hosts are not sent anywhere', async () => {
    assert.equal((await ask('/', 'strange.test')).status, 421)
  })
})

describe('HTTPS', () => {
  it('serves, and promises to stay, for the name that browsers believe', async () => {
    const health = await askSecure('/healthz', 'mx.here.test')
    assert.equal(health.text, 'ok\n')
    assert.equal(health.headers['strict-transport-security'], 'max-age=15552000')
    assert.equal((await askSecure('/healthz', '127.0.0.1')).headers['strict-transport-security'], undefined)
    assert.equal((await askSecure('/healthz', 'strange.test')).status, 421)
  })

  it('the policy of a domain, and nothing else by that name', async () => {
    const policy = await askSecure('/.well-known/mta-sts.txt', 'mta-sts.here.test')
    assert.equal(policy.status, 200)
    assert.equal(policy.text, 'version: STSv1\r\n')
    assert.equal((await askSecure('/', 'mta-sts.here.test')).status, 421)
    assert.equal((await askSecure('/.well-known/mta-sts.txt', 'mta-sts.other.test')).status, 421)
  })

  it('who speaks no TLS, or half of it, is let go', async () => {
    const socket = connectPlain(secure.port, '127.0.0.1')
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    socket.on('error', () => {}).resume()
    socket.write('GET / HTTP/1.1\r\n\r\n')
    await closed
  })
})

it('the host of a Host header', () => {
  const table: [string, string][] = [
    ['a.test', 'a.test'],
    ['A.Test.:80', 'a.test'],
    ['[::1]:443', '::1'],
    ['[::1]', '::1'],
    ['a.test:port', ''],
    ['', ''],
    ['a:b:c', ''],
  ]
  for (const [header, host] of table) assert.equal(hostOf(header), host, header)
})

it('a Host that is more than a name is none: nobody is sent to another place by it', async () => {
  for (const host of [
    'evil.test/.localhost',
    'evil.test?.localhost',
    'evil.test#.localhost',
    'a@b.localhost',
  ]) {
    assert.equal(hostOf(host), '', host)
    const { status, headers } = await ask('/', host)
    assert.deepEqual([status, headers.location], [421, undefined], host)
  }
})
