// Owns the serving of the console's files: from a map alone, with the policy of the page, compressed where that is taken.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'

import { fastify } from 'fastify'

import { addConsole, type ConsoleFile, consolePolicy } from './console-files.ts'

const script = Buffer.from('console.log(1)')
const files: readonly ConsoleFile[] = [
  { path: '/index.html', content: Buffer.from('<!doctype html><p>console</p>') },
  { path: '/assets/main-3f9a1c7e.js', content: script, gzip: gzipSync(script), brotli: Buffer.from('br') },
  { path: '/favicon.svg', content: Buffer.from('<svg/>') },
]
const serve = (given: readonly ConsoleFile[]) => {
  const server = fastify()
  addConsole(server, given)
  return server
}

test('console: the page runs our files alone and is asked for anew, hashed files are kept for ever', async () => {
  const server = serve(files)
  const page = await server.inject('/')
  assert.equal(page.headers['content-security-policy'], consolePolicy)
  assert.doesNotMatch(consolePolicy, /unsafe|\*|https?:/)
  assert.equal(page.headers['cache-control'], 'no-cache')
  const asset = await server.inject('/assets/main-3f9a1c7e.js')
  assert.equal(asset.headers['cache-control'], 'public, max-age=31536000, immutable')
  assert.match(String(asset.headers['content-type']), /^text\/javascript/)
  const icon = await server.inject('/favicon.svg')
  assert.equal(icon.headers['content-type'], 'image/svg+xml')
  assert.match(String(icon.headers['content-security-policy']), /default-src 'none'/)
  assert.equal(icon.headers['cache-control'], 'no-cache')
})

test('console: a compressed file goes to those who take it', async () => {
  const server = serve(files)
  const cases: readonly (readonly [string | undefined, string | undefined])[] = [
    ['gzip, deflate, br', 'br'],
    ['gzip', 'gzip'],
    ['br;q=0, gzip;q=0.5', 'gzip'],
    ['gzip;q=0', undefined],
    ['identity', undefined],
    [undefined, undefined],
  ]
  for (const [accepted, coding] of cases) {
    const headers = accepted === undefined ? {} : { 'accept-encoding': accepted }
    const answer = await server.inject({ url: '/assets/main-3f9a1c7e.js', headers })
    assert.equal(answer.headers['content-encoding'], coding, accepted)
    assert.equal(answer.headers.vary, 'accept-encoding')
  }
})

test('console: what is not in the map is not there', async () => {
  const server = serve(files)
  for (const url of [
    '/index.html',
    '/assets/',
    '/assets/../package.json',
    '/assets/%2e%2e/package.json',
    '/%2fetc/passwd',
  ])
    assert.equal((await server.inject(url)).statusCode, 404, url)
})

test('console: where it was not built, a page says how', async () => {
  const page = await serve([]).inject('/')
  assert.equal(page.statusCode, 200)
  assert.match(page.body, /npm run build/)
})
