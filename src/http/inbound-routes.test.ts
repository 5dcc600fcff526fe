// Owns mail to programs, end to end: an address with a route, its request, and what the queue makes of each answer.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, afterEach, before, test } from 'node:test'

import { type ApiWorld, startApiWorld, userAccount } from '../../test/support/api-world.ts'

interface Got {
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

let world: ApiWorld
let program: Server
let url: string
let answer: { status: number } = { status: 200 }
const got: Got[] = []
let wake: () => void = () => {}

before(async () => {
  program = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => void pieces.push(piece))
    request.on('end', () => {
      response.writeHead(answer.status).end()
      got.push({ headers: request.headers, body: Buffer.concat(pieces) })
      wake()
    })
  })
  await new Promise<void>((resolve) => program.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(program.address() as AddressInfo).port}/in`
  world = await startApiWorld({
    config: {
      delivery: { mode: 'capture' },
      api: { auth: 'open', allowPrivateUrls: true },
      retry: { first: '1h', max: '1h' },
    },
  })
})
after(async () => {
  await world.close()
  await new Promise((resolve) => program.close(resolve))
})
afterEach(() => {
  got.length = 0
  answer = { status: 200 }
})

const make = async (address: string, format: 'parsed' | 'raw'): Promise<{ id: string; secret: string }> => {
  const made = await world.ask('POST', '/v1/routes', { json: { address, url, format } })
  assert.equal(made.status, 201, made.text)
  return made.json as { id: string; secret: string }
}
const send = (to: string): Promise<{ readonly id: string }> =>
  world.posthouse.submit({
    from: 'ann@elsewhere.test',
    to: [to],
    raw: 'From: Ann <ann@elsewhere.test>\r\nSubject: order\r\nContent-Type: text/plain\r\n\r\nseven\r\n',
  })
const request = async (): Promise<Got> => {
  while (got.length === 0) await new Promise<void>((resolve) => (wake = resolve))
  return got[0] as Got
}
/** The timeline's last word, once it is there. */
async function outcome(id: string): Promise<{ kind: string; text: string }> {
  for (;;) {
    const { events } = (await world.ask('GET', `/v1/messages/${id}/timeline`)).json as {
      events: { kind: string; text: string }[]
    }
    const end = events.find(({ kind }) => ['delivered', 'deferred', 'failed'].includes(kind))
    if (end !== undefined) return end
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('inbound: an address without an account is a program; its mail comes parsed and signed', async () => {
  const { id: routeId, secret } = await make('orders@example.test', 'parsed')
  const { id } = await send('orders+7@example.test')
  const { headers, body } = await request()
  const mail = JSON.parse(body.toString()) as { subject: string; text: string; envelope: unknown; id: string }
  assert.equal(mail.subject, 'order')
  assert.equal(mail.text.trim(), 'seven')
  assert.equal(mail.id, id)
  assert.deepEqual(mail.envelope, { from: 'ann@elsewhere.test', to: ['orders+7@example.test'] })
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body.toString()}`
  assert.equal(
    headers['webhook-signature'],
    `v1,${createHmac('sha256', key).update(signed).digest('base64')}`,
  )
  assert.equal((await outcome(id)).kind, 'delivered')
  assert.equal((await world.ask('DELETE', `/v1/routes/${routeId}`)).status, 204)
  await assert.rejects(send('orders@example.test'), /no user/)
})

test('inbound: raw mail comes as it is; an account can have a route too', async () => {
  const { id: routeId } = await make(userAccount, 'raw')
  const { id } = await send(userAccount)
  const { headers, body } = await request()
  assert.equal(headers['content-type'], 'message/rfc822')
  assert.equal(headers['posthouse-from'], 'ann@elsewhere.test')
  assert.match(body.toString(), /Subject: order\r\n[\s\S]*seven\r\n$/)
  assert.equal((await outcome(id)).kind, 'delivered')
  await world.ask('DELETE', `/v1/routes/${routeId}`)
})

test('inbound: the queue puts off what the program cannot take now, and gives up what it will not take', async () => {
  const { id: routeId } = await make('app@example.test', 'parsed')
  for (const [status, kind] of [
    [500, 'deferred'],
    [404, 'deferred'],
    [429, 'deferred'],
    [302, 'deferred'],
    [422, 'failed'],
    [410, 'failed'],
  ] as const) {
    answer = { status }
    const { id } = await send('app@example.test')
    const end = await outcome(id)
    assert.equal(end.kind, kind, `${status}: ${end.text}`)
    assert.match(end.text, new RegExp(String(status)))
  }
  const { items } = (await world.ask('GET', '/v1/queue')).json as { items: { destination: string }[] }
  assert.deepEqual(new Set(items.map(({ destination }) => destination)), new Set([`http:${routeId}`]))
  answer = { status: 200 }
  got.length = 0
  const retried = await world.ask('POST', '/v1/queue/actions', {
    json: { act: 'retry', filter: { destination: `http:${routeId}` } },
  })
  assert.deepEqual(retried.json, { count: 4, busyCount: 0 })
  while (got.length < 4) await new Promise<void>((resolve) => (wake = resolve))
  assert.deepEqual(world.errors, [])
})

test('inbound: a route to a private address needs the configuration to allow it', async () => {
  const other = await startApiWorld({ config: { api: { auth: 'open' } } })
  for (const target of [
    'http://127.0.0.1/x',
    'http://localhost:1/',
    'http://[::1]/',
    'http://10.0.0.1/',
    'http://u:p@a.test/',
    'ftp://a.test/',
  ]) {
    const json = { address: 'x@example.test', url: target }
    assert.equal((await other.ask('POST', '/v1/routes', { json })).status, 400, target)
    assert.equal((await other.ask('POST', '/v1/webhooks', { json: { url: target } })).status, 400, target)
  }
  await other.close()
})
