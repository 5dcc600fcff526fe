// Owns what the API makes of nonsense: random methods, paths, queries, headers and bodies by one who may everything. It
// answers a problem document or what was asked, never a 5xx, never a word of our insides.

import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'

import fc from 'fast-check'

import { type ApiAnswer, type ApiWorld, startApiWorld, userAccount } from '../../test/support/api-world.ts'

let world: ApiWorld
let id: string

before(async () => {
  world = await startApiWorld({
    config: { delivery: { mode: 'capture' }, capture: { faults: {} }, api: { auth: 'open' } },
  })
  const raw = 'From: a@b.test\r\nSubject: x\r\nContent-Type: text/html\r\n\r\n<b>x</b>\r\n'
  id = (await world.posthouse.submit({ from: 'a@b.test', to: [userAccount, 'x@outside.test'], raw })).id
})
after(() => world.close())

const runs = Number(process.env.FUZZ_RUNS ?? 1500)

/** 507 and 503 are the world's; here the world is well. */
function judge(answer: ApiAnswer, what: string): void {
  assert.ok(answer.status < 500, `${what}: ${answer.status} ${answer.text.slice(0, 300)}`)
  if (answer.status < 400) return
  assert.match(answer.type, /^application\/problem\+json/, what)
  const problem = answer.json as { title: unknown; status: unknown }
  assert.equal(problem.status, answer.status, what)
  assert.doesNotMatch(answer.text, /node:|\.ts:|at \w+ \(|ZodError|node_modules/, what)
}

const word = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom(
    '',
    '0',
    '-1',
    '1e999',
    '1'.repeat(400),
    '../..',
    '%00',
    'null',
    '__proto__',
    'constructor',
    '1.2',
    'uu1',
    '*',
  ),
)
const segment = fc.oneof(
  { weight: 3, arbitrary: fc.constant('{id}') },
  { weight: 1, arbitrary: fc.constant('{id}-0') },
  { weight: 3, arbitrary: word },
)
const json = fc.oneof(
  fc.json({ maxDepth: 3 }),
  fc.string({ maxLength: 40 }),
  fc.constantFrom(
    '{',
    '[]',
    'null',
    '{"__proto__":{"a":1}}',
    '{"constructor":{"prototype":{}}}',
    `${'['.repeat(5000)}`,
  ),
  fc
    .dictionary(
      fc.constantFrom(
        'act',
        'ids',
        'q',
        'tags',
        'from',
        'to',
        'text',
        'html',
        'name',
        'url',
        'kinds',
        'filter',
        'all',
        'stage',
        'fault',
        'scopes',
        'address',
        'subject',
        'attachments',
        'sendAt',
        'recipients',
        'message',
        'IDs',
        'From',
        'Read',
        'aliases',
        'password',
        'enabled',
        'expiresAt',
        'headers',
        'icalEvent',
        'list',
        'metadata',
        'envelope',
      ),
      fc.oneof(
        fc.jsonValue({ maxDepth: 2 }),
        fc.constantFrom('delete', 'tag', 'a@b.test', ['a@b.test'], { kind: 'reply', code: 451 }, 'rcpt'),
      ),
      { maxKeys: 6 },
    )
    .map((value) => JSON.stringify(value)),
)
const contentType = fc.constantFrom(
  'application/json',
  'application/json; charset=utf-16',
  'message/rfc822',
  'text/plain',
  'multipart/form-data; boundary=x',
  'x',
  '',
)
const headers = fc.dictionary(
  fc.constantFrom(
    'range',
    'if-range',
    'if-none-match',
    'last-event-id',
    'idempotency-key',
    'cookie',
    'authorization',
    'accept-encoding',
    'x-posthouse-csrf',
    'origin',
  ),
  fc
    .oneof(
      fc.string({ maxLength: 40 }),
      fc.constantFrom(
        'bytes=0-',
        'bytes=99-1',
        'bytes=-5,1-',
        '*',
        'Bearer ph_',
        'Basic Og==',
        'posthouse=x',
      ),
    )
    .map((text) => text.replace(/[^\x20-\x7e]/g, '?')),
  { maxKeys: 3 },
)

test('fuzz: no request makes the API fail', async () => {
  // Streams and long polls do not end; and the message that the others are tried with stays.
  const left = new Set(['/v1/events', '/v1/messages/wait'])
  const routes = world.api.routes.filter(
    ({ method, path }) => !left.has(path) && !(method === 'DELETE' && /messages/.test(path)),
  )
  const request = fc.record({
    route: fc.nat({ max: routes.length - 1 }),
    method: fc.option(fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'), {
      freq: 10,
    }),
    segments: fc.array(segment, { minLength: 3, maxLength: 3 }),
    query: fc.dictionary(
      fc.constantFrom(
        'q',
        'limit',
        'cursor',
        'order',
        'account',
        'mailbox',
        'query',
        'start',
        'minutes',
        'remote',
        'inline',
        'from',
        'to',
        'sendAt',
        'state',
        'destination',
        'x',
      ),
      word,
      { maxKeys: 3 },
    ),
    body: fc.option(json, { freq: 4 }),
    contentType,
    headers,
  })
  await fc.assert(
    fc.asyncProperty(request, async (one) => {
      const route = routes[one.route]
      assert.ok(route)
      let next = 0
      const path = route.path.replace(/:\w+/g, () =>
        encodeURIComponent((one.segments[next++ % 3] ?? '').toWellFormed().replace('{id}', id)),
      )
      const query = new URLSearchParams(one.query).toString()
      const method = one.method ?? route.method
      const what = `${method} ${path}?${query} ${one.body?.slice(0, 300)} ${JSON.stringify(one.headers)}`
      const answer = await world.ask(method, `${path}${query === '' ? '' : `?${query}`}`, {
        headers: { ...one.headers, ...(one.body !== null && { 'content-type': one.contentType }) },
        ...(one.body !== null && { body: one.body }),
      })
      if (method === 'HEAD') return assert.ok(answer.status < 500, what)
      judge(answer, what)
    }),
    { numRuns: runs },
  )
  assert.deepEqual(world.errors, [])
})

test('fuzz: paths that want out, bodies that are too large, and bytes that are no request', async () => {
  for (const path of [
    '/../../etc/passwd',
    '/assets/../../../etc/passwd',
    '/assets/%2e%2e%2f%2e%2e%2fetc%2fpasswd',
    '/assets/..%5c..%5cpackage.json',
    '//etc/passwd',
    '/v1/messages/%c0%ae%c0%ae',
    '/v1/messages/%',
    '/v1/messages/%zz',
    `/v1/messages/${'a'.repeat(5000)}`,
    `/v1/messages?q=${'x'.repeat(9000)}`,
    `/v1/messages/${id}/parts/${'1.'.repeat(150)}1`,
    '/view/..%2f..%2fx.html',
  ]) {
    const answer = await world.ask('GET', path)
    assert.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status}`)
    assert.doesNotMatch(answer.text, /root:|"dependencies"/)
  }
  const large = await world.ask('POST', '/v1/tokens', { json: { name: 'x'.repeat(2 * 1024 * 1024) } })
  assert.equal(large.status, 413)
  judge(large, 'a large body')
  for (const bytes of [
    '\0\0\0\r\n\r\n',
    'GET\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
    'POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ]) {
    const answer = await rawRequest(bytes)
    assert.match(answer, /^(?:HTTP\/1\.1 4\d\d|$)/, JSON.stringify(bytes))
    assert.doesNotMatch(answer, /\.ts:|node:/)
  }
  assert.equal((await world.ask('GET', '/v1/session')).status, 200)
  assert.deepEqual(world.errors, [])
})

function rawRequest(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(world.endpoint.port, world.endpoint.address, () => socket.end(bytes))
    let text = ''
    socket.on('data', (piece) => void (text += piece.toString()))
    socket.on('close', () => resolve(text))
    socket.on('error', reject)
  })
}
