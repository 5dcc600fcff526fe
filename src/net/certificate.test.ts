// The self-signed certificate, judged by OpenSSL (through Node, and the program where there is one).

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { makeSelfSigned } from './certificate.ts'
import { makeServerContext } from './secure-context.ts'
import { endPointHash } from './tls-info.ts'

const now = Date.UTC(2026, 5, 1)

it('self-signed certificate: P-256, for the host, localhost and this machine, not a CA, ten years', async () => {
  const pair = await makeSelfSigned({
    hostname: 'mx1.example.test',
    now,
    altNames: ['2001:db8::5', '192.0.2.5'],
  })
  const certificate = new X509Certificate(pair.cert)
  for (const host of ['mx1.example.test', 'localhost']) assert.equal(certificate.checkHost(host), host)
  for (const ip of ['127.0.0.1', '::1', '192.0.2.5', '2001:db8::5']) assert.equal(certificate.checkIP(ip), ip)
  assert.equal(certificate.checkHost('mx2.example.test'), undefined)
  assert.equal(certificate.checkIP('192.0.2.6'), undefined)
  assert.equal(certificate.subject, 'CN=mx1.example.test')
  assert.equal(certificate.ca, false)
  assert.ok(certificate.verify(createPublicKey(pair.cert)))
  assert.ok(certificate.checkPrivateKey(createPrivateKey(pair.key)))
  assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1')
  assert.equal(Date.parse(certificate.validFrom), now - 86_400_000)
  assert.equal(Date.parse(certificate.validTo), now + 3650 * 86_400_000)
  assert.doesNotThrow(() => makeServerContext(pair))
})

it('self-signed certificate: serial numbers and keys differ', async () => {
  const [one, other] = await Promise.all([1, 2].map(() => makeSelfSigned({ hostname: 'a.test', now })))
  assert.ok(one && other)
  assert.notEqual(new X509Certificate(one.cert).serialNumber, new X509Certificate(other.cert).serialNumber)
  assert.notEqual(one.key, other.key)
  assert.throws(() => makeServerContext({ cert: one.cert, key: other.key }), /key values mismatch/)
})

it('self-signed certificate: long names, an address as host, the year 2050 and beyond', async () => {
  const long = `${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.test`
  const names = Array.from({ length: 40 }, (_, i) => `host${i}.${'d'.repeat(40)}.test`)
  const pair = await makeSelfSigned({ hostname: long, now, days: 36_500, altNames: names })
  const certificate = new X509Certificate(pair.cert)
  for (const host of [long, ...names]) assert.equal(certificate.checkHost(host), host)
  assert.equal(certificate.subject, 'CN=posthouse')
  assert.equal(Date.parse(certificate.validTo), now + 36_500 * 86_400_000)
  const byAddress = new X509Certificate((await makeSelfSigned({ hostname: '192.0.2.1', now })).cert)
  assert.equal(byAddress.checkIP('192.0.2.1'), '192.0.2.1')
})

it('self-signed certificate: openssl verifies it strictly and prints it', async (t) => {
  const pair = await makeSelfSigned({ hostname: 'mx1.example.test', now: Date.now() })
  const text = spawnSync('openssl', ['x509', '-noout', '-text'], { input: pair.cert, encoding: 'utf8' })
  if (text.error) return t.skip('openssl is not installed')
  assert.match(
    text.stdout,
    /DNS:mx1.example.test, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1/,
  )
  assert.match(text.stdout, /TLS Web Server Authentication/)
  assert.match(text.stdout, /ecdsa-with-SHA256/)
  assert.match(text.stdout, /X509v3 Key Usage: critical\s+Digital Signature\n/)
  const folder = mkdtempSync(join(tmpdir(), 'posthouse-certificate-'))
  try {
    const file = join(folder, 'cert.pem')
    writeFileSync(file, pair.cert)
    const verify = (name: string): number | null =>
      spawnSync('openssl', [
        'verify',
        '-x509_strict',
        '-purpose',
        'sslserver',
        '-verify_hostname',
        name,
        '-CAfile',
        file,
        file,
      ]).status
    assert.equal(verify('mx1.example.test'), 0)
    assert.notEqual(verify('other.example.test'), 0)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

// Made with: openssl req -x509 -newkey rsa:1024 -nodes -subj /CN=x -sha384 -sigopt rsa_padding_mode:pss (and the like).
const openssl = (args: readonly string[]): X509Certificate | undefined => {
  const made = spawnSync(
    'openssl',
    ['req', '-x509', '-nodes', '-subj', '/CN=x', '-keyout', '/dev/null', ...args],
    {
      encoding: 'utf8',
    },
  )
  return made.status === 0 ? new X509Certificate(made.stdout) : undefined
}

it('tls-server-end-point: the hash of the signature, SHA-256 for MD5 and SHA-1 (RFC 5929 section 4.1)', (t) => {
  const rsa = ['-newkey', 'rsa:1024']
  const cases: readonly (readonly [string, readonly string[], number | undefined])[] = [
    ['sha1WithRSA', [...rsa, '-sha1'], 32],
    ['md5WithRSA', [...rsa, '-md5'], 32],
    ['sha256WithRSA', [...rsa, '-sha256'], 32],
    ['sha384WithRSA', [...rsa, '-sha384'], 48],
    ['sha512WithRSA', [...rsa, '-sha512'], 64],
    ['RSA-PSS with SHA-384', [...rsa, '-sha384', '-sigopt', 'rsa_padding_mode:pss'], 48],
    ['RSA-PSS with SHA-1', [...rsa, '-sha1', '-sigopt', 'rsa_padding_mode:pss'], 32],
    ['ecdsa-with-SHA512', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-sha512'], 64],
    ['Ed25519 has no single hash', ['-newkey', 'ed25519'], undefined],
  ]
  let triedCount = 0
  for (const [name, args, bytes] of cases) {
    const certificate = openssl(args)
    if (certificate === undefined) continue // a build of openssl without this algorithm
    triedCount++
    assert.equal(endPointHash(certificate)?.length, bytes, name)
  }
  if (triedCount === 0) t.skip('openssl is not installed')
})
