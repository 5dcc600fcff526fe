// Owns the tests of the configuration: defaults, the shape, every kind of mistake, junk, and masking.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { ConfigError, lookupByDomain, resolveConfig } from './config.ts'
import { nearest } from './config-mistake.ts'

const env = { ALICE_PASSWORD: 's3cret-value', EMPTY: '', SMARTHOST: 'smtps://u:p@relay.test' }
const context = { env, baseDir: '/srv/mail' }
const resolve = (input: unknown) => resolveConfig(input, context)

/** Path and text of every mistake. */
function mistakesOf(input: unknown): readonly (readonly [string, string])[] {
  try {
    resolve(input)
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    return error.mistakes.map(({ path, message, suggestion }) => [path, `${message}; ${suggestion ?? ''}`])
  }
  return []
}

test('config: {} is a whole server in its safe default', () => {
  const config = resolve({})
  assert.equal(config.dataDir, '/srv/mail/data')
  assert.equal(config.delivery.mode, 'capture')
  assert.deepEqual({ ...config.delivery.routes }, { '*': { kind: 'mx' } })
  assert.deepEqual(config.listeners.mx?.addresses, [{ address: '127.0.0.1', port: 2525 }])
  assert.deepEqual(config.listeners.submission?.addresses, [{ address: '127.0.0.1', port: 2587 }])
  assert.deepEqual(config.listeners.submissions?.addresses, [{ address: '127.0.0.1', port: 2465 }])
  assert.equal(config.listeners.lmtp, undefined)
  assert.deepEqual(config.listeners.http?.addresses, [{ address: '127.0.0.1', port: 8025 }])
  assert.deepEqual(config.tls, { kind: 'self-signed' })
  assert.deepEqual(config.networks, { relay: [], repairLineEndings: [] })
  assert.deepEqual(config.domains[0]?.accounts, [
    { name: 'user@localhost', enabled: true, password: { kind: 'generated' } },
  ])
  assert.equal(config.limits.messageBytesMax, 50 * 1024 * 1024)
  assert.equal(config.retry.giveUpAfterMs, 5 * 86_400_000)
  assert.equal(config.relay.tls['*'], 'may')
})

test('config: the whole shape of the issue', () => {
  const config = resolve({
    hostname: 'mx1.example.test',
    dataDir: './data',
    listeners: {
      mx: '127.0.0.1:2525',
      submission: '127.0.0.1:2587',
      submissions: '127.0.0.1:2465',
      lmtp: false,
      http: '127.0.0.1:8025',
    },
    tls: 'self-signed',
    domains: {
      'example.test': {
        accounts: { alice: { password: 'env:ALICE_PASSWORD' } },
        aliases: { sales: ['alice'] },
        catchAll: 'alice',
      },
    },
    delivery: {
      mode: 'relay',
      port: 25,
      routes: {
        'corp.test': 'smtp://user:pass@127.0.0.1:2526',
        'old.test': 'lmtp://127.0.0.1:24',
        '*': 'mx',
      },
    },
    networks: { relay: [] },
    limits: { messageBytesMax: '50MiB', recipientsMax: 1000 },
    retry: { first: '30s', max: '1h', giveUpAfter: '5d', delayNoticeAfter: '4h' },
    dns: { servers: ['127.0.0.1:5353'] },
  })
  const [domain] = config.domains
  assert.deepEqual(domain?.accounts[0]?.password, { kind: 'plain', text: 's3cret-value' })
  assert.deepEqual({ ...domain?.aliases }, { sales: ['alice'] })
  assert.equal(domain?.catchAll, 'alice')
  assert.deepEqual(config.delivery.routes['corp.test'], {
    kind: 'smtp',
    host: '127.0.0.1',
    port: 2526,
    implicitTls: false,
    auth: { user: 'user', password: 'pass' },
  })
  assert.deepEqual(config.dns.servers, [{ address: '127.0.0.1', port: 5353 }])
  assert.deepEqual(config.retry, {
    firstMs: 30_000,
    maxMs: 3_600_000,
    giveUpAfterMs: 432_000_000,
    delayNoticeAfterMs: 14_400_000,
  })
})

test('config: forms that mean the same, and what they become', () => {
  const config = resolve({
    listeners: {
      mx: { address: ['0.0.0.0:25', '[::]:25'], limits: { commandTimeout: '1m' } },
      submission: 2587,
      submissions: { insecureAuth: true },
      lmtp: true,
      http: { address: 'localhost:9999', hosts: ['Mail.Example.Test'] },
    },
    domains: {
      'BÜCHER.example': {
        accounts: { 'Alice@xn--bcher-kva.example': 'pw', bob: { password: false, enabled: false } },
        aliases: { all: ['alice', 'x@outside.test'], one: 'bob' },
        plusAddressing: false,
      },
    },
    delivery: {
      routes: {
        '*.Corp.test': 'hold',
        'a.test': 'env:SMARTHOST',
        'b.test': 'smtp://u:env:ALICE_PASSWORD@h.test',
      },
    },
    networks: { relay: ['10.0.0.0/8', '::1'] },
    retry: { delayNoticeAfter: false },
    relay: { tls: { 'bank.test': 'verify' } },
    tls: { cert: 'c.pem', key: '/k.pem' },
  })
  assert.equal(config.listeners.mx?.limits.commandTimeoutMs, 60_000)
  assert.equal(config.listeners.mx?.limits.dataTimeoutMs, 300_000)
  assert.equal(config.listeners.mx?.addresses[1]?.address, '::')
  assert.equal(config.listeners.submissions?.insecureAuth, true)
  assert.deepEqual(config.listeners.submissions?.addresses, [{ address: '127.0.0.1', port: 2465 }])
  assert.deepEqual(config.listeners.lmtp?.addresses, [{ address: '127.0.0.1', port: 2424 }])
  assert.deepEqual(config.listeners.http, {
    addresses: [{ address: '127.0.0.1', port: 9999 }],
    hosts: ['mail.example.test'],
    redirect: false,
  })
  assert.equal(config.domains.length, 1, 'the default domain goes when domains are given')
  assert.equal(config.domains[0]?.name, 'xn--bcher-kva.example')
  assert.deepEqual(
    config.domains[0]?.accounts.map(({ name, enabled, password }) => [name, enabled, password.kind]),
    [
      ['Alice@xn--bcher-kva.example', true, 'plain'],
      ['bob@xn--bcher-kva.example', false, 'none'],
    ],
  )
  assert.deepEqual({ ...config.domains[0]?.aliases }, { all: ['alice', 'x@outside.test'], one: ['bob'] })
  assert.deepEqual(Object.keys(config.delivery.routes).sort(), ['*', '.corp.test', 'a.test', 'b.test'])
  const smarthost = config.delivery.routes['b.test']
  assert.equal(smarthost?.kind === 'smtp' && smarthost.auth?.password, 's3cret-value')
  assert.equal(config.retry.delayNoticeAfterMs, undefined)
  assert.equal(config.relay.tls['*'], 'may')
  assert.deepEqual(config.tls, { kind: 'files', pairs: [{ cert: '/srv/mail/c.pem', key: '/k.pem' }] })
})

const mistakes: readonly (readonly [name: string, input: unknown, path: string, says: RegExp])[] = [
  ['not an object', 5, '', /must be an object of settings, not a number/],
  ['a list', [], '', /not a list/],
  ['unknown key', { hostnam: 'x' }, 'hostnam', /did you mean 'hostname'/],
  [
    'unknown key in a section',
    { limits: { messageByteMax: 1 } },
    'limits.messageByteMax',
    /did you mean 'messageBytesMax'/,
  ],
  ['unknown key, nothing near', { dns: { zzzzzzz: 1 } }, 'dns.zzzzzzz', /known are: servers, timeout/],
  ['a section that is none', { retry: 'fast' }, 'retry', /must be an object of settings, not a string/],
  ['null', { dns: null }, 'dns', /not null/],
  [
    'host name',
    { hostname: 'mx_1' },
    'hostname',
    /must be a host name: expected a letter, a digit or a hyphen/,
  ],
  ['host name that is an address', { hostname: '[127.0.0.1]' }, 'hostname', /not an address/],
  ['empty path', { dataDir: '' }, 'dataDir', /must be a path/],
  ['listener by name', { listeners: { mx: 'foo:25' } }, 'listeners.mx', /names are not looked up/],
  ['listener on all', { listeners: { mx: '*:25' } }, 'listeners.mx', /write '0\.0\.0\.0:25'/],
  ['listener without port', { listeners: { mx: '127.0.0.1' } }, 'listeners.mx', /'address:port'/],
  ['port out of range', { listeners: { mx: '127.0.0.1:70000' } }, 'listeners.mx', /0 to 65535/],
  [
    'one port twice',
    { listeners: { http: '127.0.0.1:2525' } },
    'listeners.http',
    /same address and port as listeners\.mx/,
  ],
  ['listener option', { listeners: { mx: { addres: 25 } } }, 'listeners.mx.addres', /did you mean 'address'/],
  [
    'second address of a list',
    { listeners: { mx: ['127.0.0.1:1', 'x'] } },
    'listeners.mx[1]',
    /'address:port'/,
  ],
  ['no address', { listeners: { mx: [] } }, 'listeners.mx', /write false/],
  ['tls word', { tls: 'letsencrypt' }, 'tls', /must be 'self-signed', false or/],
  ['tls without key', { tls: { cert: 'a' } }, 'tls.key', /must be a path/],
  ['domain name', { domains: { 'a..b': {} } }, 'domains["a..b"]', /must be a domain/],
  [
    'one domain twice',
    { domains: { 'A.test': {}, 'a.test': {} } },
    'domains["a.test"]',
    /same domain as 'A\.test'/,
  ],
  [
    'account name',
    { domains: { 'a.test': { accounts: { 'a b': {} } } } },
    'domains["a.test"].accounts["a b"]',
    /local part/,
  ],
  [
    'account elsewhere',
    { domains: { 'a.test': { accounts: { 'x@b.test': {} } } } },
    'domains["a.test"].accounts["x@b.test"]',
    /domains\["b\.test"\]/,
  ],
  [
    'one account twice',
    { domains: { 'a.test': { accounts: { bob: {}, Bob: {} } } } },
    'domains["a.test"].accounts.Bob',
    /same account as 'bob@a\.test'/,
  ],
  [
    'missing variable',
    { domains: { 'a.test': { accounts: { bob: 'env:NOPE' } } } },
    'domains["a.test"].accounts.bob',
    /variable NOPE is not set/,
  ],
  [
    'empty variable',
    { domains: { 'a.test': { accounts: { bob: { password: 'env:EMPTY' } } } } },
    'domains["a.test"].accounts.bob.password',
    /EMPTY is not set/,
  ],
  [
    'half a hash',
    { domains: { 'a.test': { accounts: { bob: '$argon2id$v=19$m=1' } } } },
    'domains["a.test"].accounts.bob',
    /not a whole argon2id hash/,
  ],
  [
    'alias that is an account',
    { domains: { 'a.test': { accounts: { bob: {} }, aliases: { BOB: 'x@b.test' } } } },
    'domains["a.test"].aliases.BOB',
    /is an account too/,
  ],
  [
    'alias without target',
    { domains: { 'a.test': { aliases: { bob: [] } } } },
    'domains["a.test"].aliases.bob',
    /at least one target/,
  ],
  [
    'alias target',
    { domains: { 'a.test': { aliases: { bob: ['x', '@@'] } } } },
    'domains["a.test"].aliases.bob[1]',
    /local part of this domain or an address/,
  ],
  ['catch-all', { domains: { 'a.test': { catchAll: 5 } } }, 'domains["a.test"].catchAll', /not a number/],
  [
    'mode',
    { delivery: { mode: 'realy' } },
    'delivery.mode',
    /'relay', 'capture', 'hold', 'discard'; did you mean 'relay'/,
  ],
  [
    'route',
    { delivery: { routes: { 'a.test': 'smpt://h' } } },
    'delivery.routes["a.test"]',
    /must be 'mx', 'hold'/,
  ],
  ['route pattern', { delivery: { routes: { 'a b': 'mx' } } }, 'delivery.routes["a b"]', /must be a domain/],
  [
    'one pattern twice',
    { delivery: { routes: { '*.a.test': 'mx', '.a.test': 'mx' } } },
    'delivery.routes[".a.test"]',
    /same domain as/,
  ],
  ['network', { networks: { relay: ['10/8'] } }, 'networks.relay[0]', /10\.0\.0\.0\/8/],
  ['list as text', { networks: { relay: '10.0.0.0/8' } }, 'networks.relay', /must be a list, not a string/],
  ['size', { limits: { messageBytesMax: '50 cows' } }, 'limits.messageBytesMax', /a size such as '50MiB'/],
  ['too few recipients', { limits: { recipientsMax: 5 } }, 'limits.recipientsMax', /at least 100/],
  [
    'half a recipient',
    { limits: { recipientsMax: 100.5 } },
    'limits.recipientsMax',
    /whole number, not 100\.5/,
  ],
  ['duration', { retry: { first: '5x' } }, 'retry.first', /a duration such as '30s'/],
  ['first over max', { retry: { first: '2h' } }, 'retry.first', /not be longer than retry\.max/],
  ['dns server', { dns: { servers: ['resolver.test'] } }, 'dns.servers[0]', /'address:port'/],
  ['tls policy', { relay: { tls: 'verfy' } }, 'relay.tls', /did you mean 'verify'/],
  ['tls policy of a domain', { relay: { tls: { 'a.test': true } } }, 'relay.tls["a.test"]', /not a boolean/],
  [
    'flag',
    { submission: { senderMustMatch: 'yes' } },
    'submission.senderMustMatch',
    /true or false, not a string/,
  ],
  ['log level', { log: { level: 'verbose' } }, 'log.level', /'error', 'warn', 'info'/],
]

for (const [name, input, path, says] of mistakes) {
  test(`config mistake: ${name}`, () => {
    const found = mistakesOf(input)
    assert.equal(found.length, 1, JSON.stringify(found))
    assert.equal(found[0]?.[0], path)
    assert.match(found[0]?.[1] ?? '', says)
  })
}

test('config: every mistake is reported at once', () => {
  // Those that change the same key cannot be joined: one of each top-level key.
  const byKey = new Map<string, readonly [unknown, string]>()
  for (const [, input, path] of mistakes) {
    if (typeof input !== 'object' || input === null || Array.isArray(input)) continue
    byKey.set(Object.keys(input)[0] ?? '', [Object.values(input)[0], path])
  }
  const joined = Object.fromEntries([...byKey].map(([key, [value]]) => [key, value]))
  const found = mistakesOf(joined).map(([path]) => path)
  assert.deepEqual(found.toSorted(), [...byKey.values()].map(([, path]) => path).toSorted())
  assert.ok(found.length > 10)
})

test('config: no mistake shows a secret', () => {
  const secret = 'hunter2hunter2'
  const found = [
    { delivery: { routes: { 'a.test': `smpt://user:${secret}@h.test` } } },
    { delivery: { routes: { 'a.test': `smtp://${secret}@h.test` } } },
    { delivery: { routes: { 'a.test': `smtp://u:${secret}@h.test:x` } } },
    { delivery: { routes: { 'a.test': `smtp://u:${secret}@h.test?tls=maybe` } } },
    { domains: { 'a.test': { accounts: { bob: `$argon2id$${secret}` } } } },
    { domains: { 'a.test': { accounts: { bob: { password: `${secret}\u0000` } } } } },
  ].flatMap(mistakesOf)
  assert.equal(found.length, 6)
  assert.doesNotMatch(JSON.stringify(found), /hunter2/)
})

test('config: junk throws nothing but ConfigError', () => {
  const keys = fc.constantFrom(
    ...[
      'hostname',
      'dataDir',
      'listeners',
      'mx',
      'http',
      'address',
      'tls',
      'cert',
      'domains',
      'a.test',
      'accounts',
    ],
    ...[
      'alice',
      'password',
      'aliases',
      'delivery',
      'mode',
      'routes',
      '*',
      'limits',
      'retry',
      'first',
      'relay',
      'dns',
    ],
    ...['servers', 'log', 'level', 'control', 'stop', 'networks', '__proto__', 'constructor', 'toString', ''],
  )
  const values = fc.oneof(
    fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withTypedArray: true,
    }),
    fc.constantFrom(
      'env:X',
      'env:',
      'mx',
      '1h',
      '5MiB',
      'smtp://u:p@h',
      '[::1]:25',
      false,
      true,
      0,
      -1,
      1e99,
      Number.NaN,
    ),
  )
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      values,
      fc.dictionary(keys, tie('tree')),
      fc.array(tie('tree'), { maxLength: 3 }),
    ),
  }))
  fc.assert(
    fc.property(fc.oneof(tree, fc.dictionary(keys, tree)), (input) => {
      try {
        resolve(input)
      } catch (error) {
        assert.ok(
          error instanceof ConfigError,
          `${String(error)} ${error instanceof Error ? error.stack : ''}`,
        )
        assert.ok(error.mistakes.length > 0)
      }
    }),
    { numRuns: 400 },
  )
})

test('lookupByDomain: exact, then the longest parent, then *', () => {
  const { routes } = resolve({
    delivery: { routes: { 'a.test': 'hold', '.a.test': 'discard', '*.b.a.test': 'capture' } },
  }).delivery
  const kinds = [
    'a.test',
    'x.a.test',
    'x.b.a.test',
    'b.a.test',
    'other.test',
    'constructor',
    '__proto__',
  ].map((domain) => lookupByDomain(routes, domain)?.kind)
  assert.deepEqual(kinds, ['hold', 'discard', 'capture', 'discard', 'mx', 'mx', 'mx'])
})

test('nearest: guesses what is near and nothing else', () => {
  assert.equal(nearest('recipientMax', ['messageBytesMax', 'recipientsMax']), 'recipientsMax')
  assert.equal(nearest('message_bytes_max', ['messageBytesMax']), 'messageBytesMax')
  assert.equal(nearest('qqqq', ['mode', 'port']), undefined)
  assert.equal(nearest('x'.repeat(100_000), ['mode']), undefined)
})

test('config: two routes to one host agree on password and TLS, since they share its connections', () => {
  const routes = (two: string) => ({
    delivery: { routes: { 'a.test': 'smtp://u:secret-one@h.test?tls=must', 'b.test': two } },
  })
  assert.ok(resolve(routes('smtp://u:secret-one@h.test:587?tls=must')))
  assert.ok(resolve(routes('smtp://other:secret-two@h.test:587?tls=none')))
  for (const two of ['smtp://u:secret-two@h.test?tls=must', 'smtp://u:secret-one@h.test?tls=none'])
    assert.throws(
      () => resolve(routes(two)),
      (error: unknown) => {
        assert.ok(error instanceof ConfigError)
        const [mistake] = error.mistakes
        assert.equal(mistake?.path, 'delivery.routes["b.test"]')
        assert.match(mistake?.message ?? '', /'a\.test'/)
        assert.doesNotMatch(error.message, /secret-/)
        return true
      },
    )
})
