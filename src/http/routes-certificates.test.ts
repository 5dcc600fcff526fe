// Certificates over the public API, against an authority on loopback: who may see and do what, and that answers fit their schema.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startAcmeDirectory } from '../../test/support/acme-directory.ts'
import {
  type ApiWorld,
  adminAccount,
  apiPasswords,
  startApiWorld,
  userAccount,
} from '../../test/support/api-world.ts'
import { realClock } from '../net/real-clock.ts'
import type { CertificatesView } from './api-types.ts'
import { certificates } from './routes-certificates.ts'

const folder = mkdtempSync(join(tmpdir(), 'posthouse-certs-'))
const port = Promise.withResolvers<number>()
const directory = await startAcmeDirectory({ clock: realClock, httpPort: () => port.promise })
let world: ApiWorld
const basic = (account: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${account}:${password}`).toString('base64')}`,
})
const admin = basic(adminAccount, apiPasswords.admin)

before(async () => {
  const ca = join(folder, 'roots.pem')
  writeFileSync(ca, directory.authority.root)
  world = await startApiWorld({
    config: {
      tls: 'self-signed',
      // Nobody answers: what is not asked for by a person waits.
      dns: { servers: ['127.0.0.1:9'], timeout: '200ms' },
      acme: { agreeTermsOfService: true, directory: directory.url, ca },
    },
  })
  port.resolve(await httpPort())
})
after(async () => {
  await world.close()
  await directory.close()
  rmSync(folder, { recursive: true })
})

async function httpPort(): Promise<number> {
  const { listeners } = await world.posthouse.control.status()
  return listeners.find(({ name }) => name === 'http')?.port ?? 0
}

test('certificates: an administrator sees them, asks for new ones, announces a key; nobody else does', async () => {
  const waiting = await world.ask('GET', '/v1/certificates', { headers: admin })
  assert.equal(waiting.status, 200)
  assert.ok(certificates.safeParse(waiting.json).success, waiting.text)
  const renewed = await world.ask('POST', '/v1/certificates/renew', {
    headers: admin,
    json: { id: 'mx.example.test' },
  })
  assert.equal(renewed.status, 200, renewed.text)
  assert.ok(certificates.safeParse(renewed.json).success, renewed.text)
  const view = renewed.json as CertificatesView
  assert.deepEqual(
    view.items.map(({ id, state, isDefault }) => [id, state, isDefault]),
    [
      ['mx.example.test', 'ok', true],
      ['self-signed', 'ok', false],
    ],
  )
  assert.equal(view.authority?.challenge, 'http-01')
  const next = await world.ask('POST', '/v1/certificates/next-key', {
    headers: admin,
    json: { id: 'mx.example.test' },
  })
  assert.ok(certificates.safeParse(next.json).success, next.text)
  assert.match((next.json as CertificatesView).items[0]?.nextTlsa ?? '', /^3 1 1 [0-9a-f]{64}$/)
  assert.doesNotMatch(waiting.text + renewed.text + next.text, /PRIVATE/)
  for (const [method, path] of [
    ['GET', '/v1/certificates'],
    ['POST', '/v1/certificates/renew'],
    ['POST', '/v1/certificates/next-key'],
  ] as const) {
    const json = method === 'POST' ? { json: { id: 'mx.example.test' } } : {}
    assert.equal((await world.ask(method, path, json)).status, 401, path)
    const user = basic(userAccount, apiPasswords.user)
    assert.equal((await world.ask(method, path, { ...json, headers: user })).status, 403, path)
  }
  const unknown = await world.ask('POST', '/v1/certificates/renew', {
    headers: admin,
    json: { id: 'x.test' },
  })
  assert.equal(unknown.status, 404)
  const wrong = await world.ask('POST', '/v1/certificates/renew', { headers: admin, json: { name: 'x' } })
  assert.equal(wrong.status, 400)
  assert.deepEqual([world.errors, directory.misuse], [[], []])
})
