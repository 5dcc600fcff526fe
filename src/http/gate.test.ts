// Owns the table of who may ask what: every route with each kind of caller, in login and in open mode, and what another
// site can make a browser do.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import {
  type ApiRequest,
  type ApiWorld,
  adminAccount,
  apiPasswords,
  startApiWorld,
  userAccount,
} from '../../test/support/api-world.ts'

import type { ApiRoute } from './api-route.ts'
import { allScopes } from './principal.ts'

type Headers = Readonly<Record<string, string>>

let world: ApiWorld
let open: ApiWorld
const callers = new Map<string, Headers>()

before(async () => {
  const catching = { delivery: { mode: 'capture' }, capture: { faults: {} } } as const
  world = await startApiWorld({ config: catching })
  open = await startApiWorld({ config: { ...catching, api: { auth: 'open' } } })
  const admin = await world.logIn(adminAccount, apiPasswords.admin)
  callers.set('admin', admin)
  callers.set('user', await world.logIn(userAccount, apiPasswords.user))
  for (const scope of allScopes) {
    const made = await world.ask('POST', '/v1/tokens', {
      json: { name: scope, scopes: [scope] },
      headers: admin,
    })
    callers.set(`token ${scope}`, { authorization: `Bearer ${(made.json as { secret: string }).secret}` })
  }
})
after(() => Promise.all([world.close(), open.close()]))

/** A request that gets to the handler's door and no further than a problem of its own. */
const ask = (one: ApiWorld, route: ApiRoute, headers: Headers): ReturnType<ApiWorld['ask']> => {
  const path = route.path.replace(':id', 'x'.repeat(3)).replace(/:\w+/g, 'nobody')
  const body: ApiRequest =
    route.method === 'GET' || route.method === 'DELETE' ? {} : { json: { nonsense: 1 } }
  return one.ask(route.method, path, { ...body, headers })
}
/** Streams and long polls are let in or not before they begin. */
const isOpenEnded = (route: ApiRoute): boolean =>
  route.path === '/v1/events' || route.path === '/v1/messages/wait'
const isRefused = (status: number): boolean => status === 401 || status === 403

test('gate: each route lets in those who have its scope, and nobody else', async () => {
  for (const route of world.api.routes) {
    if (isOpenEnded(route) || route.path === '/v1/session') continue
    const { access } = route
    for (const [who, headers] of [['nobody', {}] as const, ...callers]) {
      const { status, text } = await ask(world, route, headers)
      const has =
        who === 'admin' ||
        (who === 'user' && ['mail:read', 'mail:write', 'send', 'known'].includes(access)) ||
        who === `token ${access}` ||
        (who.startsWith('token') && access === 'known')
      const message = `${who}: ${route.method} ${route.path} answered ${status} ${text.slice(0, 200)}`
      if (access === 'anyone') assert.ok(!isRefused(status), message)
      else if (who === 'nobody') assert.equal(status, 401, message)
      else if (!has) assert.equal(status, 403, message)
      // Routes of 'known' judge by themselves.
      else if (access !== 'known') assert.ok(!isRefused(status), message)
    }
  }
})

test('gate: streams and long polls are closed to those without scope', async () => {
  for (const path of ['/v1/events', '/v1/messages/wait?timeout=1']) {
    assert.equal((await world.ask('GET', path)).status, 401)
    assert.equal((await world.ask('GET', path, { headers: callers.get('token send') ?? {} })).status, 403)
  }
})

test('gate: another site has a browser write nothing', async () => {
  const admin = callers.get('admin') ?? {}
  const { cookie = '' } = admin
  const forged: readonly (readonly [string, ApiWorld, Headers])[] = [
    ['no secret', world, { cookie }],
    ['a wrong secret', world, { cookie, 'x-posthouse-csrf': 'x'.repeat(32) }],
    ['another origin', world, { ...admin, origin: 'https://evil.example' }],
    ['another port', world, { ...admin, origin: `http://127.0.0.1:${world.endpoint.port + 1}` }],
    ['an origin that is none', world, { ...admin, origin: 'null' }],
    ['a cross-site request', world, { ...admin, 'sec-fetch-site': 'cross-site' }],
    ['a same-site request', world, { ...admin, 'sec-fetch-site': 'same-site' }],
    ['open: another origin', open, { origin: 'https://evil.example' }],
    ['open: an origin that is none', open, { origin: 'null' }],
    ['open: a cross-site request', open, { 'sec-fetch-site': 'cross-site' }],
  ]
  for (const [what, one, headers] of forged)
    for (const route of one.api.routes) {
      if (route.method === 'GET' || (route.access === 'anyone' && /secret/.test(what))) continue
      const { status, text } = await ask(one, route, headers)
      assert.equal(status, 403, `${what}: ${route.method} ${route.path}: ${text}`)
    }
  const own = { origin: `http://127.0.0.1:${open.endpoint.port}`, 'sec-fetch-site': 'same-origin' }
  assert.equal((await open.ask('DELETE', '/v1/faults', { headers: own })).status, 204)
  assert.equal((await open.ask('DELETE', '/v1/faults')).status, 204, 'programs send no origin')
})

test('gate: a name that is not ours gets nothing (DNS rebinding)', async () => {
  for (const one of [world, open])
    for (const route of one.api.routes) {
      const answer = await ask(one, route, { ...callers.get('admin'), host: 'rebound.example' })
      assert.equal(answer.status, 421, `${route.method} ${route.path}`)
    }
  for (const path of ['/', '/docs', '/openapi.json', '/metrics'])
    assert.equal((await world.ask('GET', path, { headers: { host: 'rebound.example' } })).status, 421, path)
  for (const host of ['localhost', '127.0.0.1:8025', '[::1]:8025', 'mx.example.test', 'console.localhost'])
    assert.equal((await open.ask('GET', '/v1/session', { headers: { host } })).status, 200, host)
})

test('gate: nobody sees the mail of others, and what he may not see is not there', async () => {
  const submit = async (to: string): Promise<string> => {
    const raw = `From: a@elsewhere.test\r\nTo: ${to}\r\nSubject: for ${to}\r\n\r\nx\r\n`
    return (await world.posthouse.submit({ from: 'a@elsewhere.test', to: [to], raw })).id
  }
  const bobs = await submit(userAccount)
  const admins = await submit(adminAccount)
  const user = callers.get('user') ?? {}
  const get = (path: string, headers: Headers = user): ReturnType<ApiWorld['ask']> =>
    world.ask('GET', path, { headers })
  const list = (await get('/v1/messages')).json as { items: { id: string }[]; counts: { total: number } }
  assert.deepEqual(
    list.items.map(({ id }) => id),
    [bobs],
  )
  assert.equal(list.counts.total, 1)
  for (const view of [
    '',
    '/html',
    '/text',
    '/raw',
    '/headers',
    '/structure',
    '/timeline',
    '/parts/1',
    '/checks',
  ])
    assert.equal((await get(`/v1/messages/${admins}${view}`)).status, 404, view)
  assert.equal((await get(`/v1/messages/${bobs}/raw`)).status, 200)
  assert.equal((await get(`/v1/messages?account=${adminAccount}`)).status, 403)
  const searched = (await get('/v1/messages?q=subject:admin')).json as { items: unknown[] }
  assert.deepEqual(searched.items, [])
  for (const [method, path] of [
    ['DELETE', `/v1/messages/${admins}`],
    ['PATCH', `/v1/messages/${admins}`],
    ['POST', `/v1/messages/${admins}/cancel`],
  ] as const) {
    const json = method === 'PATCH' ? { json: { act: 'read' } } : {}
    assert.equal((await world.ask(method, path, { ...json, headers: user })).status, 404, path)
  }
  const gone = await world.ask('POST', '/v1/messages/actions', {
    json: { act: 'delete', ids: [admins] },
    headers: user,
  })
  assert.deepEqual(gone.json, { count: 0 })
  const swept = await world.ask('DELETE', '/api/v1/messages', { headers: user })
  assert.equal(swept.status, 200)
  assert.equal((await get(`/v1/messages/${admins}/raw`, callers.get('admin'))).status, 200, 'his alone went')
})

test('gate: who received a message learns nothing of its other recipients, and has no say in it', async () => {
  const user = callers.get('user') ?? {}
  const to = [userAccount, 'secret@outside.test']
  const raw = 'From: admin@example.test\r\nSubject: x\r\n\r\nx\r\n'
  const { id } = await world.posthouse.submit({ from: adminAccount, to, raw })
  for (const view of ['', '/timeline', '/raw'])
    assert.doesNotMatch(
      (await world.ask('GET', `/v1/messages/${id}${view}`, { headers: user })).text,
      /secret@/,
      view,
    )
  const timeline = (await world.ask('GET', `/v1/messages/${id}/timeline`, { headers: user })).json as {
    events: { kind: string }[]
  }
  assert.deepEqual(
    timeline.events.map(({ kind }) => kind),
    ['delivered'],
  )
  for (const act of ['cancel', 'retry', 'release'])
    assert.equal((await world.ask('POST', `/v1/messages/${id}/${act}`, { headers: user })).status, 403, act)
  const sent = await world.ask('POST', '/v1/messages', {
    json: {
      from: userAccount,
      to: 'x@outside.test',
      text: 'x',
      metadata: { a: 'b' },
      sendAt: Date.now() + 1e7,
    },
    headers: user,
  })
  const own = (sent.json as { id: string }).id
  assert.equal((await world.ask('GET', `/v1/messages/${own}`, { headers: user })).status, 200)
  const cancelled = await world.ask('POST', `/v1/messages/${own}/cancel`, { headers: user })
  assert.deepEqual(cancelled.json, { count: 1, busyCount: 0 }, 'his own he may take back')
})

test('gate: a sender uses his own addresses', async () => {
  const user = callers.get('user') ?? {}
  const send = (from: string): ReturnType<ApiWorld['ask']> =>
    world.ask('POST', '/v1/messages', { json: { from, to: 'x@outside.test', text: 'x' }, headers: user })
  assert.equal((await send(userAccount)).status, 202)
  assert.equal((await send('team@example.test')).status, 202, 'an alias of his')
  assert.equal((await send(adminAccount)).status, 403)
  assert.equal((await send('ceo@elsewhere.test')).status, 403)
})

test('gate: a token can be bound to an inbox of the catcher, and gives no more than its maker has', async () => {
  const admin = callers.get('admin') ?? {}
  const make = (json: unknown, headers: Headers): ReturnType<ApiWorld['ask']> =>
    world.ask('POST', '/v1/tokens', { json, headers })
  const bound = { name: 'run', scopes: ['mail:read', 'send'], account: 'capture', mailbox: 'run-1' }
  const { secret } = (await make(bound, admin)).json as { secret: string }
  const headers = { authorization: `Bearer ${secret}` }
  const list = (await world.ask('GET', '/v1/messages', { headers })).json as { items: unknown[] }
  assert.deepEqual(list.items, [])
  assert.equal((await world.ask('GET', '/v1/messages?mailbox=INBOX', { headers })).status, 403)
  assert.equal((await world.ask('GET', '/v1/queue', { headers })).status, 403)
  const user = callers.get('user') ?? {}
  assert.equal((await make({ name: 'x', scopes: ['admin'] }, user)).status, 403)
  assert.equal((await make({ name: 'x', scopes: ['mail:read'], account: adminAccount }, user)).status, 403)
  const own = (await make({ name: 'x', scopes: ['mail:read'] }, user)).json as { account: string }
  assert.equal(own.account, userAccount)
  assert.equal(
    (await make({ name: 'x', scopes: ['mail:read'] }, callers.get('token mail:read') ?? {})).status,
    403,
  )
  const wide = await make({ name: 'x', scopes: ['queue'], account: userAccount }, admin)
  assert.equal(wide.status, 400)
})

test('gate: passwords are slowed down, sessions end with their account and its password', async () => {
  const admin = callers.get('admin') ?? {}
  await world.ask('POST', '/v1/accounts', {
    json: { name: 'eve@example.test', password: 'eves-password' },
    headers: admin,
  })
  const eve = await world.logIn('eve@example.test', 'eves-password')
  const mail = (): Promise<{ status: number }> => world.ask('GET', '/v1/messages', { headers: eve })
  assert.equal((await mail()).status, 200)
  const own = (json: unknown): ReturnType<ApiWorld['ask']> =>
    world.ask('PUT', '/v1/accounts/eve@example.test/password', { json, headers: eve })
  assert.equal((await own({ password: 'something-else' })).status, 400, 'he has to know the old one')
  assert.equal((await own({ password: 'something-else', current: 'eves-password' })).status, 200)
  assert.equal((await mail()).status, 401)
  const again = await world.logIn('eve@example.test', 'something-else')
  await world.ask('PATCH', '/v1/accounts/eve@example.test', { json: { enabled: false }, headers: admin })
  assert.equal((await world.ask('GET', '/v1/messages', { headers: again })).status, 401)
  await world.ask('PATCH', '/v1/accounts/eve@example.test', { json: { enabled: true }, headers: admin })
  const third = await world.logIn('eve@example.test', 'something-else')
  await world.posthouse.control.accountSetPassword('eve@example.test', 'set-by-the-cli')
  assert.equal(
    (await world.ask('GET', '/v1/messages', { headers: third })).status,
    401,
    'wherever it was changed',
  )
  const statuses: number[] = []
  for (let i = 0; i < 8; i++) {
    const json = { account: 'mallory@example.test', password: `guess-${i}` }
    statuses.push((await world.ask('POST', '/v1/session', { json })).status)
  }
  assert.equal(statuses[0], 401)
  assert.equal(statuses.at(-1), 429)
  assert.deepEqual(world.errors, [])
})
