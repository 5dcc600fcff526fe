// Owns the contract of the public API: every route is asked at least once over a real socket, and what it answers is held
// against the schema that it declares.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'

import {
  type ApiAnswer,
  type ApiWorld,
  adminAccount,
  apiPasswords,
  startApiWorld,
  userAccount,
} from '../../test/support/api-world.ts'

import type { ApiRoute } from './api-route.ts'

const html =
  '<p onclick="x()">Hi <a href="https://shop.example/a?b=1&amp;c=2">shop</a><img src="cid:logo@x"><script>x()</script></p>'
const raw = [
  'From: Ann <ann@elsewhere.test>',
  'To: Bob <bob@example.test>',
  'Subject: =?utf-8?B?5L2g5aW9?= report',
  'Message-ID: <one@elsewhere.test>',
  'Date: Sat, 21 Nov 2026 10:00:00 +0000',
  'List-Unsubscribe: <https://elsewhere.test/u>',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary=m',
  '',
  '--m',
  'Content-Type: multipart/related; boundary=r',
  '',
  '--r',
  'Content-Type: text/html; charset=utf-8',
  '',
  html,
  '--r',
  'Content-Type: image/png',
  'Content-ID: <logo@x>',
  'Content-Transfer-Encoding: base64',
  '',
  'iVBORw0KGgo=',
  '--r--',
  '--m',
  'Content-Type: text/html; name="evil.html"',
  'Content-Disposition: attachment; filename="evil.html"',
  '',
  '<script>alert(1)</script>',
  '--m',
  'Content-Type: message/rfc822',
  '',
  'Subject: within',
  '',
  'inner',
  '--m--',
  '',
].join('\r\n')

let world: ApiWorld
let admin: Readonly<Record<string, string>>
let id: string
const asked = new Set<string>()

before(async () => {
  world = await startApiWorld({
    config: { delivery: { mode: 'capture' }, capture: { faults: {} }, api: { allowPrivateUrls: true } },
  })
  admin = await world.logIn(adminAccount, apiPasswords.admin)
  const sent = await world.posthouse.submit({
    from: 'ann@elsewhere.test',
    to: [userAccount, 'carol@outside.test'],
    raw,
  })
  id = sent.id
})
after(() => world.close())

const routeFor = (method: string, path: string): ApiRoute => {
  const pathname = path.split('?', 1)[0] ?? ''
  const fitting = world.api.routes.filter((route) => {
    const pattern = new RegExp(`^${route.path.replace(/:\w+/g, '[^/]+').replaceAll('.', '\\.')}$`)
    return route.method === method && pattern.test(pathname)
  })
  // As the router has it: words before parameters.
  const best = fitting.find((route) => !/:[^/]+$/.test(route.path)) ?? fitting[0]
  assert.ok(best, `${method} ${path} is no route`)
  return best
}

/** Asks, and holds the answer against the route's own schema. */
async function call(
  method: string,
  path: string,
  options: {
    readonly json?: unknown
    readonly body?: string
    readonly headers?: Record<string, string>
    readonly status?: number
  } = {},
): Promise<ApiAnswer> {
  const answer = await world.ask(method, path, { ...options, headers: { ...admin, ...options.headers } })
  const route = routeFor(method, path)
  asked.add(`${route.method} ${route.path}`)
  const declared = route.answers[answer.status]
  assert.ok(declared, `${method} ${path} answered ${answer.status}: ${answer.text.slice(0, 500)}`)
  if (options.status !== undefined) assert.equal(answer.status, options.status)
  if (declared.kind === 'json') {
    assert.match(answer.type, /^application\/json/)
    const result = declared.schema.safeParse(answer.json)
    assert.ok(result.success, `${method} ${path}: ${result.error?.message}\n${answer.text.slice(0, 500)}`)
  }
  if (declared.kind === 'empty') assert.equal(answer.text, '')
  assert.equal(answer.headers['x-content-type-options'], 'nosniff')
  return answer
}

const get = (path: string, options?: Parameters<typeof call>[2]): Promise<ApiAnswer> =>
  call('GET', path, options)

test('api: session', async () => {
  await get('/v1/session')
  const answer = await call('POST', '/v1/session', {
    json: { account: userAccount, password: apiPasswords.user },
    headers: { cookie: '' },
  })
  const cookie = String(answer.headers['set-cookie'])
  assert.match(cookie, /^posthouse=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=\d+$/)
  const headers = {
    cookie: cookie.split(';', 1)[0] ?? '',
    'x-posthouse-csrf': (answer.json as { csrf: string }).csrf,
  }
  assert.equal((await world.ask('GET', '/v1/messages', { headers })).status, 200)
  await call('DELETE', '/v1/session', { headers, status: 204 })
  assert.equal((await world.ask('GET', '/v1/messages', { headers })).status, 401)
  const secure = await call('POST', '/v1/session', {
    json: { account: userAccount, password: apiPasswords.user },
    headers: { cookie: '', origin: 'https://mx.example.test' },
  })
  assert.match(String(secure.headers['set-cookie']), /^__Host-posthouse=.*; Secure$/)
})

test('api: lists, search, counts, mailboxes, tags, and acts on them', async () => {
  const list = (await get('/v1/messages?limit=1')).json as { items: { id: string }[]; cursor?: string }
  assert.equal(list.items.length, 1)
  assert.ok(list.cursor)
  await get(`/v1/messages?limit=1&cursor=${encodeURIComponent(list.cursor)}`)
  const found = (await get('/v1/messages?q=subject:report&account=capture')).json as { items: unknown[] }
  assert.equal(found.items.length, 1)
  await get('/v1/mailboxes')
  await call('PATCH', `/v1/messages/${id}`, { json: { act: 'tag', tags: ['blue'] } })
  assert.deepEqual(((await get('/v1/tags')).json as { items: unknown[] }).items, [{ tag: 'blue', count: 2 }])
  const marked = await call('POST', '/v1/messages/actions', { json: { act: 'read', q: 'tag:blue' } })
  assert.deepEqual(marked.json, { count: 2 })
  const nonsense = await world.ask('POST', '/v1/messages/actions', {
    json: { act: 'delete', q: 'before:nonsense' },
    headers: admin,
  })
  assert.equal(nonsense.status, 422, 'what is not understood deletes nothing')
})

test('api: wait answers with what is there, with what comes, and when the time is over', async () => {
  const there = (await get('/v1/messages/wait?since=0&subject=report&timeout=10s')).json as {
    item?: { id: string }
  }
  assert.equal(there.item?.id, id)
  const coming = get(`/v1/messages/wait?to=late@outside.test&since=${Date.now()}&timeout=30s`)
  await get('/v1/session')
  const sent = await world.posthouse.submit({
    from: 'ann@elsewhere.test',
    to: ['late@outside.test'],
    raw: 'From: ann@elsewhere.test\r\nSubject: late\r\n\r\nx\r\n',
  })
  assert.equal(((await coming).json as { item?: { id: string } }).item?.id, sent.id)
  const none = (await get('/v1/messages/wait?to=nobody@outside.test&timeout=1')).json as { item?: unknown }
  assert.equal(none.item, undefined)
})

test('api: one message in all its views', async () => {
  const { id: plain } = await world.posthouse.submit({
    from: 'ann@elsewhere.test',
    to: [adminAccount],
    raw: 'From: ann@elsewhere.test\r\n\r\nsee http://127.0.0.1:9/x.\r\n',
  })
  const view = (await get(`/v1/messages/${id}`)).json as {
    subject: string
    attachments: { part: string; filename: string }[]
    links: unknown[]
  }
  assert.equal(view.subject, '你好 report')
  assert.deepEqual(view.links, [{ url: 'https://shop.example/a?b=1&c=2', text: 'shop' }])
  assert.deepEqual(
    view.attachments.map(({ part }) => part),
    ['1.2', '2', '3'],
  )
  const page = await get(`/v1/messages/${id}/html`)
  assert.match(String(page.headers['content-security-policy']), /^sandbox [^;]*; default-src 'none'/)
  assert.doesNotMatch(page.text, /script|onclick/)
  assert.match(page.text, /src="data:image\/png;base64,iVBORw0KGgo="/)
  assert.match((await get(`/v1/messages/${id}/text`)).text, /Hi shop/)
  await get(`/v1/messages/${id}/headers`)
  await get(`/v1/messages/${id}/checks`)
  const checked = (await call('POST', `/v1/messages/${plain}/links`)).json
  assert.deepEqual(checked, {
    links: [{ url: 'http://127.0.0.1:9/x', error: 'http://127.0.0.1:9/x: connect ECONNREFUSED 127.0.0.1:9' }],
  })
  await get(`/v1/messages/${id}/structure`)
  const timeline = (await get(`/v1/messages/${id}/timeline`)).json as { events: { text: string }[] }
  assert.deepEqual(
    timeline.events.map(({ text }) => text.split(' ')[0]),
    ['Accepted', 'Put', 'Caught'],
  )
  assert.match((await get(`/v1/messages/${id}/raw`)).text, /^Return-Path: <ann@elsewhere.test>\r\n/)
})

test('api: parts are downloads that no browser runs, and come in ranges', async () => {
  const evil = await get(`/v1/messages/${id}/parts/2?inline=1`)
  assert.equal(evil.type, 'application/octet-stream')
  assert.match(String(evil.headers['content-disposition']), /^attachment; filename="evil.html"/)
  assert.match(String(evil.headers['content-security-policy']), /sandbox/)
  const image = await get(`/v1/messages/${id}/parts/1.2?inline=1`)
  assert.equal(image.type, 'image/png')
  assert.match(String(image.headers['content-disposition']), /^inline/)
  const ranges: readonly (readonly [string, number, string | undefined])[] = [
    ['bytes=0-3', 206, 'bytes 0-3/8'],
    ['bytes=-2', 206, 'bytes 6-7/8'],
    ['bytes=6-', 206, 'bytes 6-7/8'],
    ['bytes=6-900', 206, 'bytes 6-7/8'],
    ['bytes=8-', 416, 'bytes */8'],
    ['bytes=-0', 416, 'bytes */8'],
    ['bytes=3-1', 200, undefined],
    ['bytes=0-1,4-5', 200, undefined],
    ['lines=0-1', 200, undefined],
    ['bytes=', 200, undefined],
  ]
  for (const [range, status, contentRange] of ranges) {
    const answer = await world.ask('GET', `/v1/messages/${id}/parts/1.2`, { headers: { ...admin, range } })
    assert.equal(answer.status, status, range)
    assert.equal(answer.headers['content-range'], contentRange, range)
  }
  const same = await world.ask('GET', `/v1/messages/${id}/parts/1.2`, {
    headers: { ...admin, 'if-none-match': String(image.headers.etag) },
  })
  assert.equal(same.status, 304)
  assert.equal((await world.ask('GET', `/v1/messages/${id}/parts/99`, { headers: admin })).status, 404)
})

test('api: sending, as JSON, as it is, in a batch, later, and taken back', async () => {
  const sent = await call('POST', '/v1/messages', {
    json: {
      from: adminAccount,
      to: ['x@outside.test'],
      subject: 'hello',
      text: 'x',
      tags: ['sent'],
      metadata: { order: '7' },
      attachments: [{ filename: 'a.txt', content: 'aGk=', encoding: 'base64' }],
    },
  })
  const view = (await get(`/v1/messages/${(sent.json as { id: string }).id}`)).json as {
    tags: string[]
    metadata: unknown
  }
  assert.deepEqual(view.tags, ['sent'])
  assert.deepEqual(view.metadata, { order: '7' })
  await call('POST', '/v1/messages?to=y@outside.test&to=z@outside.test', {
    body: raw,
    headers: { 'content-type': 'message/rfc822' },
    status: 202,
  })
  const later = await call('POST', '/v1/messages', {
    json: { from: adminAccount, to: userAccount, text: 'x', sendAt: Date.now() + 3_600_000 },
  })
  const { id: laterId } = later.json as { id: string }
  const queue = (await get('/v1/queue')).json as { items: { id: string; messageId: string }[] }
  const waiting = queue.items.find(({ messageId }) => messageId === laterId)
  assert.ok(waiting)
  assert.match(JSON.stringify((await get(`/v1/queue/${waiting.id}`)).json), /scheduled/)
  const { items: destinations } = (await get('/v1/queue/destinations')).json as {
    items: { waiting: number; held: number; oldestAt: number }[]
  }
  assert.ok(destinations.some(({ waiting, oldestAt }) => waiting > 0 && oldestAt > 0))
  await call('POST', '/v1/queue/actions', { json: { act: 'hold', filter: { ids: [laterId] } }, status: 200 })
  const held = (await get('/v1/queue?state=held')).json as {
    items: { messageId: string; waiting?: { kind: string; heldBy?: string }; explanation: string }[]
  }
  const [told] = held.items.filter(({ messageId }) => messageId === laterId)
  assert.equal(told?.waiting?.kind, 'held')
  assert.equal(told?.waiting?.heldBy, 'operator')
  assert.match(told?.explanation ?? '', /operator/)
  const moved = await call('POST', '/v1/queue/actions', {
    json: { act: 'reroute', filter: { ids: [laterId] }, to: 'mx:elsewhere.test' },
  })
  assert.deepEqual(moved.json, { count: 1, busyCount: 0 })
  const cancelled = await call('POST', `/v1/messages/${laterId}/cancel`)
  assert.deepEqual(cancelled.json, { count: 1, busyCount: 0 })
  await call('POST', `/v1/messages/${laterId}/retry`)
  await call('POST', `/v1/messages/${laterId}/release`)
  const batch = await call('POST', '/v1/messages/batch', {
    json: {
      message: { from: adminAccount, subject: 'Hi {{name}}', html: '<b>{{name}}</b>{{{mark}}}' },
      recipients: [{ to: 'q@outside.test', data: { name: '<Q>', mark: '<i>' } }, { to: 'r@outside.test' }],
    },
  })
  const [first, second] = (batch.json as { items: { ok: boolean; id?: string; error?: unknown }[] }).items
  assert.equal(first?.ok, true)
  assert.match((await get(`/v1/messages/${first?.id}/html`)).text, /<b>&lt;Q&gt;<\/b><i>/)
  assert.deepEqual(second, {
    ok: false,
    error: {
      title: 'The request is not valid',
      errors: [{ path: 'data.name', message: 'is needed by subject' }],
    },
  })
})

test('api: a repeat under one key sends once, and finds what a crash left behind', async () => {
  const json = { from: adminAccount, to: ['once@outside.test'], text: 'x' }
  const headers = { 'idempotency-key': 'k1' }
  const [first, second] = [
    await call('POST', '/v1/messages', { json, headers }),
    await call('POST', '/v1/messages', { json, headers }),
  ]
  assert.deepEqual(second.json, first.json)
  assert.equal(second.headers['idempotency-replayed'], 'true')
  const other = await world.ask('POST', '/v1/messages', {
    json: { ...json, text: 'y' },
    headers: { ...admin, ...headers },
  })
  assert.equal(other.status, 422)
  // As if the process had died behind the commit: the plan is there, the answer is not.
  const [document] = await world.store.documentList('idempotency', 10)
  assert.ok(document)
  const { answer: _answer, ...planned } = document.data as { answer: unknown; ids: string[] }
  await world.store.documentPut({ ...document, data: planned })
  const again = await call('POST', '/v1/messages', { json, headers })
  assert.equal((again.json as { id: string }).id, (first.json as { id: string }).id)
  const count = (await get('/v1/messages?q=to:once@outside.test')).json as { items: unknown[] }
  assert.equal(count.items.length, 1)
})

test('api: stats, configuration, accounts, domains, tokens', async () => {
  await get('/v1/stats?minutes=5')
  await get('/v1/config')
  await get('/v1/accounts')
  const added = await call('POST', '/v1/accounts', { json: { name: 'eve@example.test' } })
  assert.equal((added.json as { password: string }).password.length, 23)
  await call('PUT', '/v1/accounts/eve@example.test/password', { json: { password: 'another-password' } })
  await world.logIn('eve@example.test', 'another-password')
  await call('PATCH', '/v1/accounts/eve@example.test', { json: { enabled: false } })
  await call('DELETE', '/v1/accounts/eve@example.test')
  await call('PUT', '/v1/domains/new.test', { json: { aliases: [{ from: 'hi', to: [userAccount] }] } })
  await get('/v1/domains')
  const dns = (await get('/v1/domains/new.test/dns?check=false')).json as { records: { name: string }[] }
  assert.ok(dns.records.some(({ name }) => name === '_dmarc.new.test'))
  assert.equal((await world.ask('GET', '/v1/domains/foreign.test/dns', { headers: admin })).status, 404)
  const path = '/v1/domains/new.test/dkim'
  const made = (await call('POST', `${path}/rotate`, { json: {}, status: 200 })).json as {
    keys: { state: string }[]
  }
  assert.ok(made.keys.length > 0)
  assert.ok(made.keys.every(({ state }) => state === 'next'))
  const switched = (await call('POST', `${path}/activate`, { json: { force: true }, status: 200 })).json
  assert.ok((switched as typeof made).keys.every(({ state }) => state === 'active'))
  await world.posthouse.submit({ from: null, to: ['hi@new.test'], raw: 'From: a@b.test\r\n\r\nx\r\n' })
  assert.equal((await world.ask('PUT', '/v1/domains/example.test', { json: {}, headers: admin })).status, 409)
  await call('DELETE', '/v1/domains/new.test')
  const token = (await call('POST', '/v1/tokens', { json: { name: 'ci', scopes: ['mail:read'] } })).json as {
    id: string
    secret: string
  }
  const headers = { authorization: `Bearer ${token.secret}` }
  assert.equal((await world.ask('GET', '/v1/messages', { headers })).status, 200)
  assert.doesNotMatch((await get('/v1/tokens')).text, new RegExp(token.secret))
  await call('DELETE', `/v1/tokens/${token.id}`)
  assert.equal((await world.ask('GET', '/v1/messages', { headers })).status, 401)
})

test('api: reports between mail systems', async () => {
  const type = 'application/tlsrpt+json'
  const yesterday = new Date(Date.now() - 24 * 3_600_000).toISOString().slice(0, 10)
  const report = {
    'organization-name': 'Them',
    'date-range': { 'start-datetime': `${yesterday}T00:00:00Z`, 'end-datetime': `${yesterday}T23:59:59Z` },
    'contact-info': 'x@them.test',
    'report-id': 'one',
    policies: [
      {
        policy: { 'policy-type': 'sts', 'policy-domain': 'example.test' },
        summary: { 'total-successful-session-count': 5, 'total-failure-session-count': 2 },
        'failure-details': [{ 'result-type': 'certificate-expired', 'failed-session-count': 2 }],
      },
    ],
  }
  const post = (body: string | Uint8Array, contentType: string = type) =>
    world.ask('POST', '/v1/reports/tls', { body, headers: { 'content-type': contentType } })
  const stranger = { cookie: '', 'x-posthouse-csrf': '', 'content-type': type }
  const taken = await call('POST', '/v1/reports/tls', { body: JSON.stringify(report), headers: stranger })
  assert.deepEqual(taken.json, { result: 'new' })
  const again = await post(gzipSync(JSON.stringify(report)), 'application/tlsrpt+gzip')
  assert.deepEqual(again.json, { result: 'known' })
  for (const [body, contentType, status] of [
    ['nonsense', type, 400],
    ['{}', 'application/json', 415],
    ['{}', 'text/plain', 415],
    [Buffer.alloc(1024 * 1024 + 1), 'application/tlsrpt+gzip', 413],
    [gzipSync(Buffer.alloc(64 * 1024 * 1024)), 'application/tlsrpt+gzip', 400],
  ] as const) {
    const answer = await post(body, contentType)
    assert.equal(answer.status, status, answer.text)
    assert.match(answer.type, /problem\+json/)
  }
  const list = (await get('/v1/reports/received?kind=tls-rpt&domain=Example.test')).json as {
    items: { id: string; source: string; successCount: number }[]
  }
  assert.deepEqual(
    list.items.map(({ source, successCount }) => [source, successCount]),
    [['http', 5]],
  )
  const view = (await get(`/v1/reports/received/${list.items[0]?.id}`)).json as {
    rows: { resultType: string }[]
  }
  assert.deepEqual(
    view.rows.map(({ resultType }) => resultType),
    ['certificate-expired'],
  )
  assert.equal((await world.ask('GET', '/v1/reports/received/nothing', { headers: admin })).status, 404)
  const { days } = (await get('/v1/reports/summary?days=366&domain=example.test')).json as {
    days: { kinds: { failureCount: number }[] }[]
  }
  assert.equal(days.length, 366)
  assert.deepEqual(
    days.flatMap(({ kinds }) => kinds.map(({ failureCount }) => failureCount)),
    [2],
  )
  assert.equal(((await get('/v1/reports/dmarc?days=30')).json as { reportCount: number }).reportCount, 0)
  assert.deepEqual((await get('/v1/reports/sent')).json, { items: [] })
  assert.deepEqual((await call('POST', '/v1/reports/sent/now')).json, { count: 0 })
  const statuses: number[] = []
  for (let i = 0; i < 20; i++) statuses.push((await post('nonsense')).status)
  assert.equal(statuses.at(-1), 429)
})

test('api: webhooks and inbound routes are kept', async () => {
  const hook = (
    await call('POST', '/v1/webhooks', { json: { url: 'http://127.0.0.1:9/x', kinds: ['delivered'] } })
  ).json as { id: string; secret: string }
  assert.match(hook.secret, /^whsec_/)
  assert.doesNotMatch((await get('/v1/webhooks')).text, /whsec_/)
  await call('PATCH', `/v1/webhooks/${hook.id}`, { json: { enabled: false } })
  assert.equal(((await call('POST', `/v1/webhooks/${hook.id}/test`)).json as { ok: boolean }).ok, false)
  await get(`/v1/webhooks/${hook.id}/dead`)
  const letter = {
    entry: { seq: 5, at: 1, kind: 'x', data: {} },
    attemptCount: 12,
    lastError: 'no',
    diedAt: 2,
  }
  await world.store.documentPut({
    kind: 'webhook-dead',
    key: `${hook.id}:${'5'.padStart(16, '0')}`,
    data: letter,
    updatedAt: 1,
  })
  await call('POST', `/v1/webhooks/${hook.id}/dead/5`)
  await call('DELETE', `/v1/webhooks/${hook.id}`)
  const inbound = (
    await call('POST', '/v1/routes', { json: { address: 'app@example.test', url: 'http://127.0.0.1:9/in' } })
  ).json as { id: string }
  await get('/v1/routes')
  await call('PATCH', `/v1/routes/${inbound.id}`, { json: { enabled: false } })
  await call('DELETE', `/v1/routes/${inbound.id}`)
})

test('api: faults', async () => {
  const rule = (
    await call('POST', '/v1/faults', { json: { stage: 'rcpt', fault: { kind: 'reply', code: 451 } } })
  ).json as { id: string }
  await call('PATCH', `/v1/faults/${rule.id}`, { json: { enabled: false } })
  const view = (await get('/v1/faults')).json as { profiles: { name: string }[] }
  await call('POST', `/v1/faults/profiles/${view.profiles[0]?.name}`)
  await call('POST', '/v1/faults/restart', { json: { seed: 7 } })
  await call('DELETE', `/v1/faults/${rule.id}`)
  await call('DELETE', '/v1/faults')
  const wrong = await world.ask('POST', '/v1/faults', {
    json: { stage: 'connect', match: { sender: 'x' }, fault: { kind: 'size-limit', bytes: 1 } },
    headers: admin,
  })
  assert.equal(wrong.status, 400)
})

test('api: the subset of Mailpit', async () => {
  await get('/api/v1/info')
  await get('/api/v1/messages?start=1&limit=1')
  const list = (await get('/api/v1/search?query=subject:report')).json as { messages: { ID: string }[] }
  const { ID } = list.messages[0] ?? { ID: '' }
  const whole = (await get(`/api/v1/message/${ID}`)).json as { Attachments: { PartID: string }[] }
  await get('/api/v1/message/latest')
  await get(`/api/v1/message/${ID}/headers`)
  await get(`/api/v1/message/${ID}/raw`)
  await get(`/api/v1/message/${ID}/part/${whole.Attachments[0]?.PartID}`)
  await get('/api/v1/tags')
  await call('PUT', '/api/v1/tags', { json: { IDs: [ID], Tags: ['red'] } })
  await call('PUT', '/api/v1/messages', { json: { IDs: [ID], Read: false } })
  const sent = await call('POST', '/api/v1/send', {
    json: {
      From: { Email: adminAccount, Name: 'Admin' },
      To: [{ Email: 'mp@outside.test' }],
      Subject: 'via mailpit',
      Text: 'x',
      Attachments: [{ Filename: 'a.txt', Content: 'aGk=' }],
      Tags: ['mp'],
    },
  })
  assert.equal((sent.json as { ID: string }).ID.length, 20)
  const view = await world.ask('GET', `/view/${ID}.html`, { headers: admin })
  assert.equal(view.status, 302)
  asked.add('GET /view/:id')
  const release = await world.ask('POST', `/api/v1/message/${ID}/release`, {
    json: { To: ['a@b.test'] },
    headers: admin,
  })
  assert.equal(release.status, 422, 'no server is configured')
  asked.add('POST /api/v1/message/:id/release')
  await call('DELETE', '/api/v1/search?query=tag:mp')
  await call('DELETE', '/api/v1/messages', { json: { IDs: [ID] } })
})

test('api: the description is made of the same routes, and the documentation of it', async () => {
  const described = (await world.ask('GET', '/openapi.json')).json as {
    openapi: string
    paths: Record<string, Record<string, { responses: unknown }>>
    components: { schemas: Record<string, unknown> }
  }
  assert.equal(described.openapi, '3.1.0')
  const operations = Object.entries(described.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`),
  )
  assert.deepEqual(operations.sort(), world.api.routes.map(({ method, path }) => `${method} ${path}`).sort())
  const references = JSON.stringify(described).matchAll(/"#\/components\/schemas\/(\w+)"/g)
  for (const [, name] of references) assert.ok(described.components.schemas[name ?? ''], name)
  const docs = await world.ask('GET', '/docs')
  assert.equal(docs.status, 200)
  assert.doesNotMatch(docs.text, /<script|<link|src=/)
})

test('api: mail is deleted last, and every route was asked', async () => {
  await call('DELETE', `/v1/messages/${id}`)
  assert.equal((await world.ask('GET', `/v1/messages/${id}/html`, { headers: admin })).status, 404)
  asked.add('GET /v1/events') // events-stream.test.ts
  // routes-certificates.test.ts
  for (const one of ['GET /v1/certificates', 'POST /v1/certificates/renew', 'POST /v1/certificates/next-key'])
    asked.add(one)
  const silent = world.api.routes
    .map(({ method, path }) => `${method} ${path}`)
    .filter((one) => !asked.has(one))
  assert.deepEqual(silent, [])
  assert.deepEqual(world.errors, [])
})
