// Owns the tests of the HTTP servers over a real unix socket and a real port, with a fake ControlApi behind them.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import type { Endpoint } from '../base/connection.ts'
import { silentLog } from '../base/log.ts'
import { type HttpAnswer, type HttpRequest, httpRequest, readBody } from '../net/http-client.ts'
import { StoreFailure } from '../queue/store.ts'
import { createFakeControl, fakeMailId, fakeMessageId } from '../testing/fake-control.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'

import { ControlError } from './control-api.ts'
import { createMetrics } from './metrics.ts'
import type { Problem } from './problem.ts'
import { closeGraceMs, createHttpServer, type HttpServer, isServedHost } from './server.ts'

const clock = new VirtualClock()
const folder = mkdtempSync(join(tmpdir(), 'posthouse-http-'))
const socket = join(folder, 'c.sock')
const mailText = `Subject: long\r\n\r\n${'x'.repeat(998)}\r\n`.repeat(50)
const app = createFakeControl({ now: clock.now(), mailText })
const metrics = createMetrics({ processMetrics: false })
const logged: (readonly [object, string])[] = []
const log = { ...silentLog, error: (fields: object, message: string) => void logged.push([fields, message]) }
let control: HttpServer
let open: HttpServer
let endpoint: Endpoint

before(async () => {
  control = createHttpServer({ app, metrics, log, clock, scope: 'control' })
  await control.listen(socket)
  open = createHttpServer({ app, metrics, log, clock, scope: 'public', hosts: ['Mail.example.test'] })
  endpoint = await open.listen({ address: '127.0.0.1', port: 0 })
})
after(async () => {
  await Promise.all([control.close(), open.close()])
  rmSync(folder, { recursive: true })
})

interface Answer {
  readonly status: number
  readonly type: string
  readonly text: string
  readonly headers: HttpAnswer['headers']
  readonly json: unknown
}

async function ask(
  method: HttpRequest['method'],
  path: string,
  options: Partial<Pick<HttpRequest, 'to' | 'json' | 'headers'>> = {},
): Promise<Answer> {
  const answer = await httpRequest({ to: socket, method, path, timeoutMs: 10_000, ...options })
  const text = (await readBody(answer, 10_000_000)).toString()
  const type = String(answer.headers['content-type'] ?? '')
  return {
    status: answer.status,
    type,
    text,
    headers: answer.headers,
    json: type.includes('json') ? JSON.parse(text) : undefined,
  }
}

const lastCall = (): readonly unknown[] => app.calls.at(-1) ?? []

test('http: each route asks the one question of ControlApi that it names', async () => {
  const id = fakeMessageId
  const row = { account: 'capture', mailbox: 'INBOX', uid: 7 }
  const cases: readonly (readonly [HttpRequest['method'], string, unknown, number, readonly unknown[]])[] = [
    ['GET', '/v1/status', undefined, 200, ['status']],
    ['GET', '/v1/health', undefined, 200, ['health']],
    ['POST', '/v1/stop', undefined, 202, ['stop']],
    ['GET', '/v1/queue', undefined, 200, ['queueList', { limit: 50 }]],
    [
      'GET',
      `/v1/queue?id=${id}&id=${id}-2&state=held&domain=a.test&destination=mx%3Aa.test&limit=7&cursor=5`,
      undefined,
      200,
      [
        'queueList',
        {
          state: 'held',
          domain: 'a.test',
          destination: 'mx:a.test',
          limit: 7,
          cursor: '5',
          ids: [id, `${id}-2`],
        },
      ],
    ],
    ['GET', '/v1/queue/stats', undefined, 200, ['queueStats']],
    [
      'POST',
      '/v1/queue/actions',
      { act: 'retry', filter: { domain: 'a.test' } },
      200,
      ['queueAct', 'retry', { domain: 'a.test' }],
    ],
    ['POST', '/v1/queue/actions', { act: 'hold', all: true }, 200, ['queueAct', 'hold', {}]],
    ['GET', '/v1/messages?limit=3', undefined, 200, ['recentMessages', 3, undefined]],
    ['GET', `/v1/messages/${id}`, undefined, 200, ['messageReport', id]],
    ['GET', `/v1/messages/${id}/raw`, undefined, 200, ['messageOpen', id]],
    ['GET', '/v1/mail?account=capture', undefined, 200, ['mailList', { account: 'capture', limit: 50 }]],
    [
      'GET',
      '/v1/mail/search?q=subject%3Ahi&mailbox=INBOX&limit=2&cursor=9',
      undefined,
      200,
      ['mailSearch', 'subject:hi', { mailbox: 'INBOX', limit: 2, cursor: '9' }],
    ],
    ['GET', `/v1/mail/raw?messageId=${fakeMailId}`, undefined, 200, ['mailOpen', { messageId: fakeMailId }]],
    ['GET', '/v1/mail/raw?account=capture&uid=7', undefined, 200, ['mailOpen', row]],
    ['POST', '/v1/mail/delete', { which: [row] }, 200, ['mailDelete', [row]]],
    ['GET', '/v1/accounts', undefined, 200, ['accountList']],
    [
      'POST',
      '/v1/accounts',
      { name: 'bob@example.test' },
      201,
      ['accountAdd', 'bob@example.test', undefined],
    ],
    [
      'PUT',
      '/v1/accounts/bob%40example.test/password',
      { password: 'pw' },
      200,
      ['accountSetPassword', 'bob@example.test', 'pw'],
    ],
    [
      'PATCH',
      '/v1/accounts/bob%40example.test',
      { enabled: false },
      204,
      ['accountSetEnabled', 'bob@example.test', false],
    ],
    ['DELETE', '/v1/accounts/bob%40example.test', undefined, 204, ['accountDelete', 'bob@example.test']],
  ]
  for (const [method, path, json, status, call] of cases) {
    const answer = await ask(method, path, json === undefined ? {} : { json })
    assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`)
    assert.deepEqual(lastCall(), call, `${method} ${path}`)
  }
})

test('http: a mail is streamed byte for byte, with its row in a header', async () => {
  const answer = await ask('GET', `/v1/mail/raw?messageId=${fakeMailId}`)
  assert.equal(answer.type, 'message/rfc822')
  assert.equal(answer.text, `Return-Path: <a@b.test>\r\n${mailText}`)
  assert.equal(answer.headers['content-length'], String(answer.text.length))
  assert.equal(JSON.parse(decodeURIComponent(String(answer.headers['posthouse-mail']))).uid, 7)
})

test('http: wrong requests are problem documents with every mistake, and ask nothing', async () => {
  const before = app.calls.length
  const cases: readonly (readonly [HttpRequest['method'], string, unknown, readonly string[]])[] = [
    [
      'GET',
      '/v1/queue?limit=0&state=lost&colour=red',
      undefined,
      ['query.limit', 'query.state', 'query.colour'],
    ],
    ['GET', '/v1/status?verbose=1', undefined, ['query.verbose']],
    ['GET', '/v1/messages/..%2f..', undefined, ['path.id']],
    ['GET', '/v1/mail/raw', undefined, ['query']],
    ['POST', '/v1/queue/actions', { act: 'explode', filter: {} }, ['body.act']],
    ['POST', '/v1/queue/actions', { act: 'delete', filter: {} }, ['body.filter']],
    [
      'POST',
      '/v1/queue/actions',
      { act: 'delete', filter: { domian: 'a.test' } },
      ['body.filter', 'body.filter.domian'],
    ],
    ['POST', '/v1/queue/actions', { act: 'delete', filter: { ids: ['x'] } }, ['body.filter.ids.0']],
    ['POST', '/v1/accounts', { name: '' }, ['body.name']],
    ['POST', '/v1/accounts', undefined, ['body.name']],
  ]
  for (const [method, path, json, paths] of cases) {
    const answer = await ask(method, path, json === undefined ? {} : { json })
    assert.equal(answer.status, 400, `${method} ${path}: ${answer.text}`)
    assert.match(answer.type, /^application\/problem\+json/)
    const problem = answer.json as Problem
    assert.equal(problem.status, 400)
    assert.deepEqual(problem.errors?.map((one) => one.path).sort(), paths.toSorted(), path)
  }
  const broken = await ask('POST', '/v1/accounts', { headers: { 'content-type': 'application/json' } })
  assert.equal(broken.status, 400)
  assert.equal((await ask('POST', '/v1/mail/delete', { json: { which: 'x'.repeat(2_000_000) } })).status, 413)
  assert.equal((await ask('GET', '/v2/status')).status, 404)
  assert.equal(app.calls.length, before)
})

test('http: failures have their status, and the cause stays in the log', async () => {
  const cases: readonly (readonly [unknown, number, string])[] = [
    [new ControlError('not-found', 'no such thing'), 404, 'not-found'],
    [new ControlError('conflict', 'is there'), 409, 'conflict'],
    [new ControlError('invalid', 'makes no sense'), 422, 'invalid'],
    [new ControlError('busy', 'later'), 503, 'busy'],
    [new StoreFailure('full', 'ENOSPC /secret/path'), 507, 'store-full'],
    [new StoreFailure('failed', 'EIO /secret/path'), 503, 'store-failed'],
    [new StoreFailure('closed', 'closed'), 503, 'busy'],
    [new TypeError('/secret/path of undefined'), 500, 'internal'],
  ]
  for (const [error, status, kind] of cases) {
    app.failNext('status', error)
    const answer = await ask('GET', '/v1/status')
    assert.equal(answer.status, status)
    assert.equal((answer.json as Problem).type, `urn:posthouse:problem:${kind}`)
    assert.doesNotMatch(answer.text, /secret/)
  }
  assert.equal(logged.length, 1, 'only our own fault is an error in the log')
})

test('http: the public listener has metrics and health, and no control', async () => {
  metrics.counter('posthouse_test_total', 'a test').add(3)
  const metricsAnswer = await ask('GET', '/metrics', { to: endpoint })
  assert.match(metricsAnswer.type, /^text\/plain; version=0\.0\.4/)
  assert.match(metricsAnswer.text, /^posthouse_test_total 3$/m)
  assert.deepEqual([(await ask('GET', '/healthz', { to: endpoint })).text], ['ok\n'])
  assert.equal((await ask('GET', '/readyz', { to: endpoint })).status, 200)
  app.healthNow = { ready: false, problems: ['the disk is full'] }
  const notReady = await ask('GET', '/readyz', { to: endpoint })
  app.healthNow = { ready: true, problems: [] }
  assert.deepEqual([notReady.status, notReady.text], [503, 'not ready: the disk is full\n'])
  for (const path of ['/v1/status', '/v1/accounts', '/v1/mail/raw']) {
    assert.equal((await ask('GET', path, { to: endpoint })).status, 404, path)
  }
})

test('http: the public listener refuses a Host that is not its own (DNS rebinding)', async () => {
  const status = async (host: string): Promise<number> =>
    (await ask('GET', '/metrics', { to: endpoint, headers: { host } })).status
  assert.equal(await status('evil.test'), 421)
  assert.equal(await status('127.0.0.1.evil.test:8025'), 421)
  assert.equal(await status('mail.example.test'), 200)
  assert.equal(await status(`127.0.0.1:${endpoint.port}`), 200)
})

test('isServedHost', () => {
  const known = new Set(['mail.example.test'])
  for (const host of [
    'localhost',
    'LOCALHOST:80',
    'a.localhost',
    '127.0.0.1',
    '[::1]:8025',
    '10.1.2.3:1',
    'mail.example.test.:1',
  ])
    assert.equal(isServedHost(host, known), true, host)
  for (const host of [
    '',
    'evil.test',
    'localhost.evil.test',
    '127.1',
    'x mail.example.test',
    'mail.example.test@evil.test',
    '[::1',
  ])
    assert.equal(isServedHost(host, known), false, host)
})

test('closing ends although a client never finishes its request', async () => {
  const server = createHttpServer({ app, metrics, log, clock, scope: 'public' })
  const { port } = await server.listen({ address: '127.0.0.1', port: 0 })
  const client = connect({ host: '127.0.0.1', port })
  const gone = new Promise((resolve) => client.on('error', () => {}).once('close', resolve))
  // The answer to the first shows that the second, unfinished, has arrived.
  client.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /metr')
  await new Promise((resolve) => client.once('data', resolve))
  const closed = server.close()
  await clock.advance(closeGraceMs)
  await closed
  await gone
})
