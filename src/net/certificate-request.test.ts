// Requests for certificates as OpenSSL reads them.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { describe, it } from 'node:test'
import { makeCertificateRequest } from './certificate-request.ts'

const keys = {
  ecdsa: generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey,
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
}

function readByOpenssl(csr: string): string {
  return execFileSync('openssl', ['req', '-verify', '-text', '-noout'], {
    input: csr,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}

describe('a request for a certificate', () => {
  for (const [type, key] of Object.entries(keys))
    it(`${type}: signed by its key, with all names`, () => {
      const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString()
      const many = Array.from({ length: 60 }, (_, i) => `host${i}.many.test`)
      const text = readByOpenssl(makeCertificateRequest(['mx.here.test', '*.here.test', ...many], pem))
      assert.match(text, /Subject: CN ?= ?mx\.here\.test/)
      assert.match(text, /DNS:mx\.here\.test, DNS:\*\.here\.test, DNS:host0\.many\.test/)
      assert.match(text, /DNS:host59\.many\.test/)
      assert.match(text, type === 'rsa' ? /sha256WithRSAEncryption/ : /ecdsa-with-SHA256/)
    })

  it('a name that is too long for a common name stands among the others only', () => {
    const long = `${'a'.repeat(60)}.here.test`
    const pem = keys.ecdsa.export({ type: 'pkcs8', format: 'pem' }).toString()
    const text = readByOpenssl(makeCertificateRequest([long, 'b.test'], pem))
    assert.match(text, /Subject: CN ?= ?b\.test/)
    assert.ok(text.includes(`DNS:${long}`))
  })
})
