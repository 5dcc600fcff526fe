// Owns the check of links against a server of the test: statuses, redirects, servers without HEAD, and what is refused.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'

import { realClock } from '../net/real-clock.ts'
import { checkLinks } from './link-check.ts'

test('links: each is told by its status, or by what went wrong, in order', async () => {
  const server = createServer((request, response) => {
    const status = Number(/\/(\d+)/.exec(request.url ?? '')?.[1] ?? 200)
    if (request.url === '/no-head' && request.method === 'HEAD') response.writeHead(405)
    else if (request.url === '/to') response.writeHead(302, { location: '/200' })
    else if (request.url === '/loop') response.writeHead(301, { location: '/loop' })
    else response.writeHead(status)
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const urls = ['/200', '/404', '/no-head', '/to', '/loop'].map((path) => base + path)
  const never = new AbortController().signal
  const { links } = await checkLinks({ clock: realClock, allowPrivate: true }, urls, never)
  assert.deepEqual(links, [
    { url: `${base}/200`, status: 200 },
    { url: `${base}/404`, status: 404 },
    { url: `${base}/no-head`, status: 200 },
    { url: `${base}/to`, status: 200, finalUrl: `${base}/200` },
    { url: `${base}/loop`, error: 'more than 5 redirects', finalUrl: `${base}/loop` },
  ])
  const guarded = await checkLinks({ clock: realClock, allowPrivate: false }, urls.slice(0, 1), never)
  assert.match(guarded.links[0]?.error ?? '', /private address/)
  await new Promise((resolve) => server.close(resolve))
})
