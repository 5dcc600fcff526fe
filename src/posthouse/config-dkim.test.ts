// The sections `dkim` and `publish`: what they become, and what is said about mistakes.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError, type ConfigInput, resolveConfig } from './config.ts'

const read = (input: object) => resolveConfig(input as ConfigInput, { env: {}, baseDir: '/etc/posthouse' })

function mistakes(input: object): readonly string[] {
  try {
    read(input)
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes.map(({ path, message }) => `${path}: ${message}`)
    throw error
  }
  return []
}

test('config dkim: both kinds of keys, signing, no schedule unless it is said', () => {
  const { dkim, publish } = read({})
  assert.deepEqual(
    { ...dkim, keys: { ...dkim.keys } },
    {
      sign: true,
      keyTypes: ['rsa', 'ed25519'],
      rsaBits: 2048,
      rotateEveryMs: undefined,
      retireAfterMs: 604_800_000,
      keys: {},
    },
  )
  assert.deepEqual(publish, {
    mx: [],
    reportsTo: 'postmaster',
    spf: undefined,
    dmarc: 'none',
    mtaSts: 'testing',
    mtaStsMaxAgeMs: 604_800_000,
    tlsa: false,
  })
})

test('config dkim: files by domain in A-labels, one or several, paths beside the config file', () => {
  const { dkim } = read({
    dkim: {
      rotateEvery: '90d',
      keys: {
        'Bücher.test': { selector: 'Mail', file: 'rsa.pem' },
        'here.test': [
          { selector: 'a', file: '/keys/a.pem' },
          { selector: 'b', file: 'b.pem' },
        ],
      },
    },
  })
  assert.equal(dkim.rotateEveryMs, 90 * 86_400_000)
  assert.deepEqual(
    { ...dkim.keys },
    {
      'xn--bcher-kva.test': [{ selector: 'mail', file: '/etc/posthouse/rsa.pem' }],
      'here.test': [
        { selector: 'a', file: '/keys/a.pem' },
        { selector: 'b', file: '/etc/posthouse/b.pem' },
      ],
    },
  )
})

test('config dkim: every mistake with its place', () => {
  assert.deepEqual(
    mistakes({
      dkim: {
        keyTypes: [],
        rsaBits: 512,
        rotateEvery: '1h',
        keys: {
          '*': { selector: 'a', file: 'a.pem' },
          'one.test': [],
          'two.test': [
            { selector: 'x', file: 'x.pem' },
            { selector: 'X', file: 'y.pem' },
          ],
          'three.test': { selector: 'no selector', file: '' },
        },
      },
    }),
    [
      'dkim.rsaBits: must be 1024 to 4096',
      'dkim.rotateEvery: must be at least 1d',
      'dkim.keys["one.test"]: must name at least one key: { selector, file }',
      'dkim.keys["two.test"][1]: has the same selector as another key: \'x\'',
      'dkim.keys["three.test"].selector: must be a selector such as \'mail2026\'',
      'dkim.keys["three.test"].file: must be a path',
    ],
  )
  assert.deepEqual(mistakes({ dkim: { keyTypes: [] } }), ['dkim.keyTypes: must name at least one'])
  assert.deepEqual(mistakes({ dkim: { keys: { '.test': { selector: 'a', file: 'a' } } } }), [
    'dkim.keys[".test"]: must be one domain: a signature names it',
  ])
})

test('config publish: what stands in a record can end nothing in it', () => {
  for (const reportsTo of ['a,b', 'a!10m', 'a;b', '"a b"', 'a b', '', 'a@', 'a@b@c', 7])
    assert.equal(mistakes({ publish: { reportsTo } }).length, 1, String(reportsTo))
  for (const reportsTo of ['dmarc', 'dmarc+here@reports.test', 'a_b.c'])
    assert.deepEqual(mistakes({ publish: { reportsTo } }), [], reportsTo)
  for (const spf of ['v=spf1 "-all"', 'v=spf2 -all', 'v=spf1 -all\n', 'spf', '', 'v=spf1  -all'])
    assert.equal(mistakes({ publish: { spf } }).length, 1, spf)
  assert.deepEqual(mistakes({ publish: { spf: 'v=spf1 include:relay.test ip4:192.0.2.0/24 -all' } }), [])
  assert.equal(mistakes({ publish: { mtaStsMaxAge: '2h' } }).length, 1)
  assert.equal(mistakes({ publish: { mtaStsMaxAge: '500d' } }).length, 1)
  assert.equal(mistakes({ publish: { mx: ['192.0.2.1:25'] } }).length, 1)
  assert.equal(mistakes({ publish: { dmarc: 'block' } }).length, 1)
})
