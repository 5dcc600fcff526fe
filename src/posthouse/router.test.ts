// Owns the proof of router.ts: which destination a domain has in each mode.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Route } from '../relay/route.ts'
import { Router } from './router.ts'

const smarthost: Route = {
  kind: 'smtp',
  host: 'relay.test',
  port: 587,
  implicitTls: false,
  auth: { user: 'u', password: 'p' },
}
const dovecot: Route = { kind: 'lmtp', host: '127.0.0.1', port: 24, implicitTls: false }
const routes: Record<string, Route> = {
  'corp.test': smarthost,
  '.corp.test': dovecot,
  'wait.test': { kind: 'hold' },
  'void.test': { kind: 'discard' },
  'ours-elsewhere.test': dovecot,
  '*': { kind: 'mx' },
}
const router = (mode: 'relay' | 'capture' | 'hold' | 'discard') =>
  new Router({ mode, routes, isOurs: (domain) => domain.startsWith('ours') })

const cases: readonly (readonly ['relay' | 'capture' | 'hold' | 'discard', string, string, boolean])[] = [
  ['relay', 'far.test', 'mx:far.test', false],
  ['relay', 'corp.test', 'smtp:u@relay.test:587', false],
  ['relay', 'a.b.corp.test', 'lmtp:127.0.0.1:24', false],
  ['relay', 'wait.test', 'mx:wait.test', true],
  ['relay', 'void.test', 'discard', false],
  ['relay', 'ours.test', 'local', false],
  ['relay', 'ours-elsewhere.test', 'lmtp:127.0.0.1:24', false],
  ['capture', 'far.test', 'capture', false],
  ['capture', 'corp.test', 'capture', false],
  ['capture', 'ours.test', 'local', false],
  ['capture', 'ours-elsewhere.test', 'local', false],
  ['hold', 'far.test', 'mx:far.test', true],
  ['hold', 'wait.test', 'mx:wait.test', true],
  ['hold', 'ours.test', 'local', false],
  ['discard', 'far.test', 'discard', false],
]

for (const [mode, domain, destination, held] of cases) {
  test(`in mode ${mode} mail for ${domain} goes to ${destination}${held ? ', held' : ''}`, () => {
    assert.deepEqual(router(mode).destinationOf(domain), { destination, held })
  })
}

test('a scheduling key leads back to its host', () => {
  assert.equal(router('relay').hostRoute('smtp:u@relay.test:587'), smarthost)
  assert.equal(router('relay').hostRoute('lmtp:127.0.0.1:24'), dovecot)
  assert.deepEqual(router('relay').hostRoute('mx:far.test'), { kind: 'mx' })
  assert.equal(router('relay').hostRoute('smtp:gone.test:25'), undefined)
})
