// Owns the tests of routes: their text, what is implied, and that no secret is shown.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { formatRoute, maskRoute, parseRoute, type Route, routeDestination } from './route.ts'

const host = (route: object): Route => ({ kind: 'smtp', port: 25, implicitTls: false, ...route }) as Route
const auth = { user: 'user', password: 'pass' }

const good: readonly (readonly [text: string, route: Route, shown: string, destination: string])[] = [
  ['mx', { kind: 'mx' }, 'mx', 'mx:x.test'],
  [' Hold ', { kind: 'hold' }, 'hold', 'hold'],
  ['discard', { kind: 'discard' }, 'discard', 'discard'],
  ['capture', { kind: 'capture' }, 'capture', 'capture'],
  ['smtp://H.test', host({ host: 'h.test' }), 'smtp://h.test:25', 'smtp:h.test:25'],
  [
    'smtp://192.0.2.1:2526/',
    host({ host: '192.0.2.1', port: 2526 }),
    'smtp://192.0.2.1:2526',
    'smtp:192.0.2.1:2526',
  ],
  [
    'smtp://[2001:db8::1]:25',
    host({ host: '2001:db8::1' }),
    'smtp://[2001:db8::1]:25',
    'smtp:[2001:db8::1]:25',
  ],
  [
    'smtp://h.test?tls=verify',
    host({ host: 'h.test', tls: 'verify' }),
    'smtp://h.test:25?tls=verify',
    'smtp:h.test:25',
  ],
  [
    'smtp://user:pass@127.0.0.1:2526',
    host({ host: '127.0.0.1', port: 2526, auth }),
    'smtp://user:******@127.0.0.1:2526',
    'smtp:user@127.0.0.1:2526',
  ],
  [
    'smtp://us%40er:p%3Aa@ss@h.test',
    host({ host: 'h.test', port: 587, tls: 'verify', auth: { user: 'us@er', password: 'p:a@ss' } }),
    'smtp://us%40er:******@h.test:587?tls=verify',
    'smtp:us%40er@h.test:587',
  ],
  [
    'smtps://user:pass@h.test?tls=must',
    host({ host: 'h.test', port: 465, implicitTls: true, tls: 'must', auth }),
    'smtps://user:******@h.test:465?tls=must',
    'smtps:user@h.test:465',
  ],
  [
    'smtps://localhost',
    host({ host: 'localhost', port: 465, implicitTls: true, tls: 'must' }),
    'smtps://localhost:465?tls=must',
    'smtps:localhost:465',
  ],
  [
    'lmtp://127.0.0.1',
    { kind: 'lmtp', host: '127.0.0.1', port: 24, implicitTls: false },
    'lmtp://127.0.0.1:24',
    'lmtp:127.0.0.1:24',
  ],
]

for (const [text, route, shown, destination] of good) {
  test(`parseRoute: ${text}`, () => {
    assert.deepEqual(parseRoute(text), { ok: true, route })
    assert.equal(formatRoute(route), shown)
    assert.equal(routeDestination(route, 'x.test'), destination)
  })
}

const wrong = [
  ...[
    '',
    'mxx',
    'smtp://',
    'smtp:h',
    'http://h',
    'smtp://h:0',
    'smtp://h:70000',
    'smtp://::1',
    'smtp://[::1',
    'smtp://a b',
  ],
  ...[
    'smtp://user@h',
    'smtp://:p@h',
    'smtp://u:@h',
    'smtp://u:%zz@h',
    'lmtp://u:p@h',
    'smtp://h?tls=maybe',
    'smtp://h?x=1',
  ],
  ...['smtps://h?tls=may', 'smtps://h?tls=none', 'smtp://h/path'],
]
for (const text of wrong) {
  test(`parseRoute refuses ${JSON.stringify(text)}`, () => {
    assert.equal(parseRoute(text).ok, false)
  })
}

test('maskRoute and formatRoute never show the password, and a masked route still names its host', () => {
  const word = fc.stringMatching(/^[a-z0-9!$%&'()*+,;=:@/?#[\]-]{6,20}$/)
  fc.assert(
    fc.property(word, fc.constantFrom('smtp', 'smtps', 'smpt'), (password, scheme) => {
      const secret = `Q${password}Q`
      const text = `${scheme}://user:${secret}@h.test:25`
      assert.ok(!maskRoute(text).includes(secret), maskRoute(text))
      assert.match(maskRoute(text), /@h\.test:25$/)
      const parsed = parseRoute(`${scheme}://user:${encodeURIComponent(secret)}@h.test:25`)
      if (parsed.ok) assert.ok(!formatRoute(parsed.route).includes(secret))
    }),
  )
})
