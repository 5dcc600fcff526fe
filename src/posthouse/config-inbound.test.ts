// Owns the proof of how the section `inbound` is read, and of what is said about mistakes in it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError, type ConfigInput, mergeConfig, resolveConfig } from './config.ts'
import { explainConfig } from './config-explain.ts'
import { checksNothing, type InboundConfig } from './config-inbound.ts'

const context = { env: { SECRET: 'hush' }, baseDir: '/base' }
const read = (inbound: unknown): InboundConfig => resolveConfig({ inbound } as ConfigInput, context).inbound

test('nothing is checked where nothing is written', () => {
  assert.ok(checksNothing(resolveConfig({}, context).inbound))
  assert.ok(checksNothing(read({ trusted: ['10.0.0.0/8'] })))
  for (const one of [{ iprev: true }, { rules: [{ action: 'refuse' }] }, { policy: () => undefined }])
    assert.ok(!checksNothing(read(one)))
})

test('short forms and long ones', () => {
  const config = read({
    dnsLists: ['Bl.Test'],
    greylist: { wait: '10m' },
    rates: [{ by: 'network', of: 'messages', max: 5, per: '1h' }],
    milters: [{ at: '127.0.0.1:8891' }, { at: 'unix:run/m.sock', name: 'dkim', onFailure: 'defer' }],
    clamd: { at: './clamd.sock', bytesMax: '1MiB' },
    rspamd: { at: '127.0.0.1', password: 'env:SECRET', timeout: '3s' },
    rules: [{ check: 'spf', result: 'fail', sender: ['*.There.test', ''], action: 'refuse', text: 'no' }],
  })
  assert.deepEqual(config.dnsLists, {
    lists: [{ zone: 'bl.test', weight: 1, answers: [] }],
    refuseAt: 1,
    quarantineAt: undefined,
  })
  assert.deepEqual(config.greylist, { waitMs: 600_000, retryWithinMs: 86_400_000, knownAfter: 5 })
  assert.deepEqual(
    config.milters.map(({ name, target, onFailure, listeners }) => [name, target, onFailure, listeners]),
    [
      ['milter 1', { host: '127.0.0.1', port: 8891 }, 'accept', ['mx']],
      ['dkim', { host: '/base/run/m.sock', port: 0 }, 'defer', ['mx']],
    ],
  )
  assert.deepEqual(config.clamd?.target, { host: '/base/clamd.sock', port: 0 })
  assert.deepEqual(
    [config.rspamd?.target.port, config.rspamd?.password, config.rspamd?.timeoutMs],
    [11333, 'hush', 3000],
  )
  assert.deepEqual(config.rules, [
    {
      check: 'spf',
      result: ['fail'],
      sender: ['.there.test', ''],
      action: 'refuse',
      reply: { code: 550, status: '7.1', text: 'no' },
    },
  ])
  assert.deepEqual(read({ arc: { trustedSealers: ['Lists.test', '*.google.test'] } }).trustedSealers, [
    'lists.test',
    '.google.test',
  ])
  assert.deepEqual(read({}).trustedSealers, [])
  assert.equal(read({ dnsLists: { lists: ['a.test'], quarantineAt: 1 } }).dnsLists?.refuseAt, undefined)
})

test('mistakes are told with their place', () => {
  const cases: readonly [unknown, path: string][] = [
    [{ dnslists: [] }, 'inbound.dnslists'],
    [{ dnsLists: [{ zone: 'a.test', weight: 0 }] }, 'inbound.dnsLists[0].weight'],
    [{ dnsLists: ['not a zone'] }, 'inbound.dnsLists[0]'],
    [{ greylist: 7 }, 'inbound.greylist'],
    [{ arc: { trustedSealers: ['*'] } }, 'inbound.arc.trustedSealers[0]'],
    [{ arc: { trustedSealers: [''] } }, 'inbound.arc.trustedSealers[0]'],
    [{ rates: [{ by: 'identity', of: 'connections', max: 1, per: '1h' }] }, 'inbound.rates[0].by'],
    [{ milters: [{ name: 'x' }] }, 'inbound.milters[0].at'],
    [{ milters: [{ at: 'mx.test:25' }] }, 'inbound.milters[0].at'],
    [{ rules: [{ action: 'accept', code: 250 }] }, 'inbound.rules[0].code'],
    [{ rules: [{ action: 'refuse', code: 450 }] }, 'inbound.rules[0].code'],
    [{ rules: [{ action: 'refuse', code: 521 }] }, 'inbound.rules[0].code'],
    [{ rules: [{ sender: 'a b' }] }, 'inbound.rules[0].sender'],
    [{ policy: 'accept' }, 'inbound.policy'],
    [{ rspamd: { at: '127.0.0.1', password: 'env:NONE' } }, 'inbound.rspamd.password'],
  ]
  for (const [inbound, path] of cases)
    assert.throws(
      () => read(inbound),
      (error) => error instanceof ConfigError && error.mistakes.some((one) => one.path.startsWith(path)),
      JSON.stringify(inbound),
    )
})

test('a password is not shown', () => {
  const input = { inbound: { rspamd: { at: '127.0.0.1', password: 'hush' } } }
  const { entries } = mergeConfig([{ source: 'file', input }], context)
  const shown = JSON.stringify(explainConfig(entries))
  assert.match(shown, /inbound\.rspamd\.at/)
  assert.doesNotMatch(shown, /hush/)
})
