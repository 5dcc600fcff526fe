// The guarded fetcher over real sockets on loopback, where `allowPrivate` lets it.

import assert from 'node:assert/strict'
import { createServer, type RequestListener, type Server } from 'node:http'
import { after, it } from 'node:test'
import { FetchFailure, guardedFetch } from './guarded-fetch.ts'

const open: Server[] = []
after(() => {
  for (const server of open) {
    server.closeAllConnections()
    server.close()
  }
})

async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer)
  open.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`
}

async function read(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all).toString()
}

const allowPrivate = true

it('reads a URL, with headers, over a redirect', async () => {
  const base = await serve((request, response) => {
    if (request.url === '/old') response.writeHead(302, { location: '/new' }).end()
    else response.end(`${request.url} ${request.headers['x-key']}`)
  })
  assert.equal(
    await read(await guardedFetch(`${base}/old`, { allowPrivate, headers: { 'x-key': '1' } })),
    '/new 1',
  )
})

it('only the type that was asked for is taken', async () => {
  const base = await serve((request, response) => {
    const type = request.url === '/none' ? undefined : decodeURIComponent(request.url?.slice(1) ?? '')
    if (type !== undefined) response.setHeader('content-type', type)
    response.end('x')
  })
  const ask = (type: string) =>
    guardedFetch(`${base}/${encodeURIComponent(type)}`, { allowPrivate, mediaType: 'text/plain' })
  assert.equal(await read(await ask('Text/Plain; charset=utf-8')), 'x')
  await assert.rejects(ask('text/html'), /not text\/plain, but text\/html/)
  await assert.rejects(ask('none'), FetchFailure)
})

it('headers are not shown to another host', async () => {
  const other = await serve((request, response) => void response.end(`got ${request.headers['x-key']}`))
  const base = await serve((_request, response) => void response.writeHead(302, { location: other }).end())
  assert.equal(
    await read(await guardedFetch(base, { allowPrivate, headers: { 'x-key': '1' } })),
    'got undefined',
  )
})

for (const url of [
  'http://127.0.0.1/',
  'http://[::1]/',
  'http://[::ffff:10.0.0.1]/',
  'http://localhost/',
  'http://10.1.2.3/',
  'http://169.254.169.254/latest/meta-data',
  'http://0x7f.1/',
  'ftp://a.test/',
  'file:///etc/passwd',
  'nonsense',
])
  it(`refused: ${url}`, () => assert.rejects(guardedFetch(url), FetchFailure))

it('a redirect to a private address is refused, too', async () => {
  const base = await serve(
    (_request, response) => void response.writeHead(302, { location: 'ftp://a.test/' }).end(),
  )
  await assert.rejects(guardedFetch(base, { allowPrivate }), /only http and https/)
})

it('bounded: redirects, bytes, time, status; cut short is no end', async () => {
  const base = await serve((request, response) => {
    switch (request.url) {
      case '/loop':
        return void response.writeHead(302, { location: '/loop' }).end()
      case '/long':
        return void response.end('x'.repeat(5000))
      case '/none':
        return void response.writeHead(404).end()
      case '/cut':
        response.writeHead(200, { 'content-length': '10' }).write('12345')
        return void setImmediate(() => response.destroy())
      default:
        return
    }
  })
  const get = async (path: string, more = {}) =>
    read(await guardedFetch(`${base}${path}`, { allowPrivate, ...more }))
  await assert.rejects(get('/loop'), /more than 5 redirects/)
  await assert.rejects(get('/long', { bytesMax: 4000 }), /longer than 4000/)
  await assert.rejects(get('/none'), /status 404/)
  await assert.rejects(get('/cut'))
  await assert.rejects(get('/silent', { timeoutMs: 30 }), /no answer within 30 ms/)
  const stop = new AbortController()
  const aborted = get('/silent', { signal: stop.signal })
  stop.abort()
  await assert.rejects(aborted, FetchFailure)
})
