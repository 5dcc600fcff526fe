import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BearerClient } from './bearer.ts'
import { createClientExchange, SaslError } from './client-exchange.ts'
import { CramMd5Client } from './cram-md5.ts'

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString()

describe('CRAM-MD5', () => {
  it('answers as RFC 2195 section 2 does', () => {
    const exchange = new CramMd5Client({ user: 'tim', password: 'tanstaaftanstaaf' })
    assert.equal(exchange.initial(), undefined)
    const answer = exchange.respond(Buffer.from('<1896.697170952@postoffice.reston.mci.net>'))
    assert.equal(text(answer), 'tim b913a602c7eda7a495b4e6e7334d3890')
    exchange.finish()
  })

  it('refuses a second challenge, an empty one, and success without one', () => {
    const make = () => new CramMd5Client({ user: 'tim', password: 'x' })
    const twice = make()
    twice.respond(Buffer.from('<1@a>'))
    assert.throws(() => twice.respond(Buffer.from('<2@a>')), SaslError)
    assert.throws(() => make().respond(Buffer.alloc(0)), SaslError)
    assert.throws(() => make().finish(), SaslError)
    assert.throws(() => new CramMd5Client({ user: 'a b', password: 'x' }), SaslError)
  })
})

describe('SCRAM-SHA-1', () => {
  const nonce = 'fyko+d2lbbFgONRv9qkxdawL'
  const random = { bytes: () => Buffer.from(nonce, 'base64'), fraction: () => 0 }
  const credentials = { user: 'user', password: 'pencil' }
  const serverFirst = `r=${nonce}3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096`

  it('answers as RFC 5802 section 5 does, and checks the server', () => {
    const exchange = createClientExchange('SCRAM-SHA-1', credentials, { random })
    assert.equal(text(exchange.initial()), `n,,n=user,r=${nonce}`)
    assert.equal(
      text(exchange.respond(Buffer.from(serverFirst))),
      `c=biws,r=${nonce}3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=`,
    )
    assert.throws(() => exchange.finish(), SaslError)
    exchange.respond(Buffer.from('v=rmF9pqV8S7suAoZWja4dJRkFsKQ='))
    exchange.finish()
  })

  it('keys of one hash are not those of the other, though user, salt and count are the same', () => {
    const final = (mechanism: 'SCRAM-SHA-1' | 'SCRAM-SHA-256'): string => {
      const exchange = createClientExchange(mechanism, credentials, { random })
      exchange.initial()
      return text(exchange.respond(Buffer.from(serverFirst))).replace(/^.*p=/, '')
    }
    const first = final('SCRAM-SHA-1')
    assert.equal(Buffer.from(final('SCRAM-SHA-256'), 'base64').length, 32)
    assert.equal(final('SCRAM-SHA-1'), first)
  })
})

describe('bearer tokens', () => {
  it('OAUTHBEARER as in RFC 7628 section 4.1', () => {
    const exchange = new BearerClient('OAUTHBEARER', {
      user: 'user@example.com',
      token: 'vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==',
      host: 'server.example.com',
      port: 143,
    })
    assert.equal(
      Buffer.from(exchange.initial()).toString('base64'),
      'bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB',
    )
    exchange.finish()
  })

  it('XOAUTH2: user and token, nothing else', () => {
    const exchange = new BearerClient('XOAUTH2', { user: 'me@a.test', token: 'abc' })
    assert.equal(text(exchange.initial()), 'user=me@a.test\x01auth=Bearer abc\x01\x01')
  })

  for (const [mechanism, acknowledgement] of [
    ['OAUTHBEARER', '\x01'],
    ['XOAUTH2', ''],
  ] as const)
    it(`${mechanism}: the server's error is acknowledged and kept`, () => {
      const exchange = new BearerClient(mechanism, { user: 'a', token: 'b' })
      exchange.initial()
      assert.equal(text(exchange.respond(Buffer.from('{"status":"401"}'))), acknowledgement)
      assert.equal(exchange.problem, '{"status":"401"}')
      assert.throws(() => exchange.respond(Buffer.from('again')), SaslError)
      assert.throws(() => exchange.finish(), SaslError)
    })

  it('what would end a field is refused', () => {
    assert.throws(() => new BearerClient('XOAUTH2', { user: 'a\x01b', token: 'b' }), SaslError)
    assert.throws(() => new BearerClient('XOAUTH2', { user: 'a', token: 'b\x01' }), SaslError)
    assert.throws(() => new BearerClient('XOAUTH2', { user: 'a', token: '' }), SaslError)
    assert.equal(
      text(new BearerClient('OAUTHBEARER', { user: 'a=b,c', token: 't' }).initial()),
      'n,a=a=3Db=2Cc,\x01auth=Bearer t\x01\x01',
    )
  })
})
