import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UsageError } from '../base/usage-error.ts'
import { type MailerOptions, readMailerOptions } from './mailer-options.ts'
import { parseProxyUrl } from './mailer-url.ts'
import { findService, mailServices } from './services.ts'

/** The settings that a URL gives, shortly. */
const short = (input: string | MailerOptions): string => {
  const { kind, host, port, implicitTls, tls, auth, allowClear } = readMailerOptions(input)
  const who = auth === undefined ? '' : ` ${auth.user}:${'token' in auth ? 'token' : auth.password}`
  return `${kind} ${host}:${port} ${implicitTls ? 'implicit ' : ''}${tls}${allowClear ? ' clear' : ''}${who}`
}

describe('URLs', () => {
  for (const [url, want] of [
    ['smtp://mail.example.test', 'smtp mail.example.test:25 may'],
    ['smtp://mail.example.test:587', 'smtp mail.example.test:587 verify'],
    ['smtp://u:p@mail.example.test', 'smtp mail.example.test:587 verify u:p'],
    ['smtp://u%40a.test:p%3A%2F@MAIL.example.test/', 'smtp mail.example.test:587 verify u@a.test:p:/'],
    ['smtps://u:p@mail.example.test', 'smtp mail.example.test:465 implicit verify u:p'],
    ['smtp://mail.example.test:465', 'smtp mail.example.test:465 implicit verify'],
    ['smtps://mail.example.test:2465?tls=must', 'smtp mail.example.test:2465 implicit must'],
    ['smtp://localhost:2525', 'smtp localhost:2525 may clear'],
    ['smtp://u:p@127.0.0.1', 'smtp 127.0.0.1:587 may clear u:p'],
    ['smtps://localhost', 'smtp localhost:465 implicit must clear'],
    ['smtp://[2001:db8::25]:26', 'smtp 2001:db8::25:26 may'],
    ['smtp://u:p@mail.example.test?tls=none', 'smtp mail.example.test:587 none clear u:p'],
    ['lmtp://mail.example.test', 'lmtp mail.example.test:24 may'],
    ['lmtp:///run/lmtp.sock', 'lmtp /run/lmtp.sock:24 may clear'],
    ['mx:', 'mx :25 may'],
    ['mx:?port=2525&tls=must', 'mx :2525 must'],
    ['capture:', 'capture :25 may'],
  ] as const)
    it(url, () => assert.equal(short(url), want))

  it('the options of the query', () => {
    const { options, proxy } = readMailerOptions(
      'smtp://a.test?name=us.test&auth=plain,login&localAddress=192.0.2.1&proxy=socks5://u:p@p.test&connections=3&messages=7',
    )
    assert.deepEqual(
      [
        options.name,
        options.mechanisms,
        options.localAddress,
        options.connectionsMax,
        options.messagesPerConnection,
      ],
      ['us.test', ['PLAIN', 'LOGIN'], '192.0.2.1', 3, 7],
    )
    assert.deepEqual(proxy, {
      kind: 'socks5',
      host: 'p.test',
      port: 1080,
      auth: { user: 'u', password: 'p' },
    })
  })

  for (const url of [
    '',
    'mail.example.test',
    'http://mail.example.test',
    'smtp:mail.example.test',
    'smtp://',
    'smtp://u:sesame@',
    'smtp://u:sesame@a.test:0',
    'smtp://u:sesame@a.test:70000',
    'smtp://sesame@a.test',
    'smtp://u:%zzsesame@a.test',
    'smtp://u:sesame@a.test/path',
    'smtp://u:sesame@a.test?tsl=must',
    'smtp://u:sesame@a.test?tls=maybe',
    'smtp://u:sesame@a.test?connections=-1',
    'smtp://u:sesame@a.test?constructor=1',
    'smtps://u:sesame@a.test?tls=may',
    'mx://a.test',
    'mx:a.test',
    'capture:x',
  ])
    it(`refused without showing a password: ${url}`, () => {
      assert.throws(
        () => readMailerOptions(url),
        (error) => error instanceof UsageError && !error.message.includes('sesame'),
      )
    })
})

describe('options', () => {
  for (const [field, options] of [
    ['host', {}],
    ['host', { host: 'a b' }],
    ['port', { host: 'a.test', port: 1.5 }],
    ['kind', { host: 'a.test', kind: 'ftp' as 'smtp' }],
    ['service', { service: 'nobody' }],
    ['tls', { host: 'a.test', tls: 'yes' as 'must' }],
    ['tls', { host: 'a.test', secure: true, tls: 'may' }],
    ['secure', { kind: 'mx', secure: true }],
    ['host', { kind: 'mx', host: 'a.test' }],
    ['auth', { kind: 'mx', auth: { user: 'u', password: 'p' } }],
    ['auth.user', { host: 'a.test', auth: { user: '', password: 'p' } }],
    ['auth.password', { host: 'a.test', auth: { user: 'u', password: '' } }],
    ['auth.token', { host: 'a.test', auth: { user: 'u', token: '' } }],
    ['localAddress', { host: 'a.test', localAddress: 'eth0' }],
    ['name', { host: 'a.test', name: 'a b' }],
    ['connectionsMax', { host: 'a.test', connectionsMax: 0 }],
    ['rate', { host: 'a.test', rate: { messages: 0, perMs: 1000 } }],
    ['dnsServers', { kind: 'mx', dnsServers: ['a.test'] }],
    ['proxy', { host: 'a.test', proxy: 'ftp://p.test' }],
  ] as const)
    it(`names ${field}: ${JSON.stringify(options)}`, () => {
      assert.throws(
        () => readMailerOptions(options),
        (error) => error instanceof UsageError && error.field === field,
      )
    })

  it('a service gives host, port and TLS, and says which password it wants', () => {
    assert.equal(
      short({ service: 'Gmail', auth: { user: 'u', password: 'p' } }),
      'smtp smtp.gmail.com:465 implicit verify u:p',
    )
    assert.equal(
      short({ service: 'outlook 365', auth: { user: 'u', token: 't' } }),
      'smtp smtp.office365.com:587 verify u:token',
    )
    assert.equal(short({ service: '163', port: 994, secure: true }), 'smtp smtp.163.com:994 implicit verify')
    assert.equal(readMailerOptions('smtps://smtp.gmail.com').service?.name, 'gmail')
  })

  for (const [text, want] of [
    ['http://p.test', 'http p.test:3128'],
    ['socks5h://[::1]:9050/', 'socks5 ::1:9050'],
  ] as const)
    it(`proxy ${text}`, () => {
      const { kind, host, port } = parseProxyUrl(text)
      assert.equal(`${kind} ${host}:${port}`, want)
    })
})

describe('services', () => {
  it('every name and alias leads to one service, and the data is whole', () => {
    const names = mailServices.flatMap((one) => [one.name, ...one.aliases])
    assert.equal(new Set(names).size, names.length)
    for (const name of names) assert.ok(findService(name) !== undefined && name === name.toLowerCase(), name)
    for (const one of mailServices) {
      assert.match(one.host, /^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/)
      assert.equal(one.implicitTls, one.port === 465)
    }
  })

  for (const name of ['gmail', 'outlook365', 'qq', '163', 'exmail', 'ses', 'sendgrid'])
    it(`knows ${name}`, () => assert.ok(findService(name)))
})
