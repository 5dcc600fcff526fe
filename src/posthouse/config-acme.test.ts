// The sections `acme`, `tls` with several certificates, and `listeners.https`: what they become, and what is said about wrong ones.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ConfigError, type ConfigInput, resolveConfig } from './config.ts'
import { explainConfig } from './config-explain.ts'

const context = { env: { EAB: 'c2VjcmV0LXNlY3JldC1zZWNyZXQ' }, baseDir: '/etc/mail' }
const read = (input: ConfigInput) => resolveConfig({ hostname: 'mx.here.test', ...input }, context)

describe('config: acme', () => {
  it('is off, and asks nobody, until the terms are agreed to', () => {
    assert.equal(read({}).acme, undefined)
    assert.equal(read({ acme: {} }).acme, undefined)
    assert.equal(read({ acme: { directory: 'letsencrypt-staging' } }).acme, undefined)
  })

  it('with the terms alone: the public authority, http-01, a P-256 key', () => {
    assert.deepEqual(read({ acme: { agreeTermsOfService: true } }).acme, {
      directory: 'https://acme-v02.api.letsencrypt.org/directory',
      ca: undefined,
      email: undefined,
      challenge: 'http-01',
      dnsHook: undefined,
      dnsWaitMs: 120_000,
      names: [],
      externalAccount: undefined,
      keyType: 'ecdsa',
    })
  })

  it('everything written', () => {
    const { acme } = read({
      acme: {
        agreeTermsOfService: true,
        directory: 'https://ca.corp.test/acme/directory',
        email: 'ops@here.test',
        challenge: 'dns-01',
        dnsHook: ['/usr/local/bin/hook', '--zone', 'here.test'],
        dnsWait: '10m',
        names: ['imap.here.test', '*.HERE.test', 'imap.here.test'],
        eabKid: 'kid-1',
        eabKey: 'env:EAB',
        keyType: 'rsa',
      },
    })
    assert.deepEqual(acme?.dnsHook, {
      kind: 'program',
      command: '/usr/local/bin/hook',
      args: ['--zone', 'here.test'],
    })
    assert.deepEqual(acme?.names, ['imap.here.test', '*.here.test'])
    assert.deepEqual(acme?.externalAccount, { kid: 'kid-1', key: context.env.EAB })
    assert.equal(acme?.dnsWaitMs, 600_000)
    const hooked = read({
      acme: { agreeTermsOfService: true, challenge: 'dns-01', dnsHook: 'https://dns.here.test/hook' },
    })
    assert.deepEqual(hooked.acme?.dnsHook, { kind: 'webhook', url: 'https://dns.here.test/hook' })
  })

  const yes = { agreeTermsOfService: true }
  const wrong: [string, ConfigInput, string, RegExp][] = [
    ['no terms', { acme: { email: 'a@b.test' } }, 'acme.agreeTermsOfService', /must be true/],
    ['plain directory', { acme: { ...yes, directory: 'http://ca.test/d' } }, 'acme.directory', /https URL/],
    ['no directory', { acme: { ...yes, directory: 'letsencript' } }, 'acme.directory', /'letsencrypt', /],
    ['mail address', { acme: { ...yes, email: 'ops' } }, 'acme.email', /mail address/],
    ['wildcard by HTTP', { acme: { ...yes, names: ['*.a.test'] } }, 'acme.names[0]', /'dns-01' only/],
    ['hook by HTTP', { acme: { ...yes, dnsHook: '/bin/x' } }, 'acme.dnsHook', /'dns-01' only/],
    ['half an account', { acme: { ...yes, eabKid: 'a' } }, 'acme.eabKey', /is missing/],
    ['short key', { acme: { ...yes, eabKid: 'a', eabKey: 'x' } }, 'acme.eabKey', /base64url/],
    ['no variable', { acme: { ...yes, eabKid: 'a', eabKey: 'env:NO' } }, 'acme.eabKey', /NO is not set/],
    ['roots', { acme: { ...yes, ca: 'no.pem' } }, 'acme', /no\.pem cannot be read \(ENOENT\)/],
    ['unknown', { acme: { ...yes, mail: 'a' } as object }, 'acme.mail', /unknown setting/],
    ['nothing shows it', { acme: yes, tls: false }, 'acme', /tls must not be false/],
    ['nobody answers', { acme: yes, listeners: { http: false } }, 'acme.challenge', /listeners\.http, which/],
    ['https without', { tls: false, listeners: { https: true } }, 'listeners.https', /needs a certificate/],
    [
      'redirect where',
      { listeners: { http: { redirect: true } } },
      'listeners.http.redirect',
      /listeners\.https/,
    ],
    [
      'redirect there',
      { listeners: { https: { redirect: true } as object } },
      'listeners.https.redirect',
      /unknown/,
    ],
    ['no pairs', { tls: [] }, 'tls', /must be 'self-signed'/],
    [
      'half a pair',
      { tls: [{ cert: 'a', key: 'b' }, { cert: 'a' } as never] },
      'tls[1].key',
      /must be a path/,
    ],
  ]
  for (const [name, input, path, message] of wrong)
    it(`wrong: ${name}`, () => {
      assert.throws(
        () => read(input),
        (error) => {
          assert.ok(error instanceof ConfigError)
          assert.ok(
            error.mistakes.some((one) => one.path === path && message.test(one.message)),
            JSON.stringify(error.mistakes),
          )
          return true
        },
      )
    })

  it('several certificates, and HTTP that is sent to HTTPS', () => {
    const { tls, listeners } = read({
      tls: [
        { cert: 'a.pem', key: 'a.key' },
        { cert: '/b.pem', key: '/b.key' },
      ],
      listeners: {
        http: { address: '0.0.0.0:80', redirect: 443 },
        https: { address: '0.0.0.0:8443', hosts: ['A.test'] },
      },
    })
    assert.deepEqual(tls, {
      kind: 'files',
      pairs: [
        { cert: '/etc/mail/a.pem', key: '/etc/mail/a.key' },
        { cert: '/b.pem', key: '/b.key' },
      ],
    })
    assert.equal(listeners.http?.redirect, 443)
    assert.deepEqual(listeners.https, {
      addresses: [{ address: '0.0.0.0', port: 8443 }],
      hosts: ['a.test'],
      redirect: false,
    })
  })

  it('the key of an account elsewhere is not shown', () => {
    const shown = explainConfig([
      { keys: ['acme', 'eabKey'], value: 'c2VjcmV0LXNlY3JldC1zZWNyZXQ', source: 'file' },
    ])
    assert.doesNotMatch(JSON.stringify(shown), /c2Vjcm/)
  })
})
