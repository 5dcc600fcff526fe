// Keys in the store and in files: their states, what is shown of them, and what becomes of those that are broken.

import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { generateDkimKey } from '../auth/dkim-keys.ts'
import { verifyDkim } from '../auth/dkim-verify.ts'
import type { Log } from '../base/log.ts'
import { silentLog } from '../base/log.ts'
import { createFakeResolver, type DnsData } from '../dns/fake-resolver.ts'
import { ControlError } from '../http/control-api.ts'
import { createMemoryStore } from '../store/memory/memory-store.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import type { DkimConfig } from './config-dkim.ts'
import { DkimKeyring } from './dkim-keyring.ts'
import { DkimRotation } from './dkim-rotation.ts'

const domain = 'here.test'
const day = 24 * 3_600_000
const folder = mkdtempSync(join(tmpdir(), 'ph-keys-'))
after(() => rmSync(folder, { recursive: true }))

const defaults: DkimConfig = {
  sign: true,
  keyTypes: ['rsa', 'ed25519'],
  rsaBits: 1024,
  rotateEveryMs: undefined,
  retireAfterMs: 7 * day,
  keys: {},
}

/** Remembers every word that was logged. */
function recordingLog(said: string[]): Log {
  const say = (fields: object, message: string): void =>
    void said.push(`${message} ${JSON.stringify(fields)}`)
  return { ...silentLog, error: say, warn: say, info: say, debug: say, trace: say }
}

function world(more: Partial<DkimConfig> = {}) {
  const clock = new VirtualClock(Date.UTC(2026, 10, 21))
  const store = createMemoryStore({ clock })
  const said: string[] = []
  const config = { ...defaults, ...more }
  const open = async (): Promise<DkimKeyring> => {
    const keys = new DkimKeyring({ config, documents: store, clock, log: recordingLog(said) })
    await keys.load()
    return keys
  }
  return { clock, store, said, open }
}

const states = (keys: DkimKeyring): readonly string[] =>
  keys.list(domain).map(({ selector, state }) => `${selector} ${state}`)
const isCode = (code: string) => (error: unknown) => error instanceof ControlError && error.code === code

test('dkim keys: next, active, retired; both kinds sign; all of it survives a restart', async () => {
  const { open, clock } = world()
  const keys = await open()
  assert.equal(keys.signerFor(domain), undefined)
  const made = await keys.create(domain)
  assert.deepEqual(
    made.map(({ selector, type, state }) => [selector, type, state]),
    [
      ['s20261121-rsa', 'rsa', 'next'],
      ['s20261121-ed', 'ed25519', 'next'],
    ],
  )
  assert.equal(keys.signerFor(domain), undefined, 'a next key does not sign')
  await assert.rejects(keys.create(domain), isCode('conflict'))
  await keys.activate(domain)
  await assert.rejects(keys.activate(domain), isCode('not-found'))
  assert.deepEqual(keys.signerFor(domain)?.names, ['s20261121-rsa (RSA 1024)', 's20261121-ed (Ed25519)'])
  await keys.create(domain)
  await keys.activate(domain)
  const expected = [
    's20261121-rsa retired',
    's20261121-ed retired',
    's20261121b-rsa active',
    's20261121b-ed active',
  ].sort()
  assert.deepEqual([...states(keys)].sort(), expected)
  const again = await open()
  assert.deepEqual([...states(again)].sort(), expected)
  const message = Buffer.from('From: a@here.test\r\nSubject: x\r\n\r\nHello\r\n')
  const signing = again.signerFor(domain)?.signer.begin()
  signing?.write(message)
  const fields = (await signing?.finish()) ?? ''
  const txt = Object.fromEntries(again.list().map(({ record }) => [record.name, [record.text]]))
  const report = await verifyDkim(Buffer.concat([Buffer.from(fields), message]), {
    resolver: createFakeResolver({ txt }),
    clock,
  })
  assert.deepEqual(
    report.signatures.map(({ result, selector }) => `${selector} ${result}`),
    ['s20261121b-rsa pass', 's20261121b-ed pass'],
  )
})

test('dkim keys: a private half is in no list, no log and no error', async () => {
  const { open, said, store } = world()
  const keys = await open()
  await keys.create(domain)
  await keys.activate(domain)
  await keys.retire(domain, 's20261121-ed')
  const secrets = (await store.documentList('dkim-key', 10)).map(
    ({ data }) => (data as { privateKey: string }).privateKey.split('\n')[1] ?? '',
  )
  assert.equal(secrets.length, 2)
  const shown = JSON.stringify(keys.list()) + said.join('\n') + JSON.stringify(keys)
  for (const secret of secrets) {
    assert.ok(secret.length > 30)
    assert.ok(!shown.includes(secret))
  }
  assert.doesNotMatch(shown, /PRIVATE/)
})

test('dkim keys: a stored key that cannot be read does not sign, and the others do', async () => {
  const { open, store, said, clock } = world()
  const keys = await open()
  await keys.create(domain)
  await keys.activate(domain)
  const [document] = await store.documentList('dkim-key', 1)
  assert.ok(document)
  for (const data of [null, 7, { ...(document.data as object), privateKey: 'no key', publicKey: 'none' }]) {
    await store.documentPut({ kind: 'dkim-key', key: document.key, data, updatedAt: clock.now() })
    const again = await open()
    assert.equal(again.signerFor(domain)?.names.length, 1)
    assert.deepEqual(
      again.problems(domain).map(({ reason }) => reason),
      ['the stored key cannot be read'],
    )
  }
  assert.ok(said.some((line) => line.startsWith('a stored DKIM key cannot be read')))
})

test('dkim keys: files sign in place of the store; their mistakes are told without their content', async () => {
  const file = (name: string): string => join(folder, name)
  writeFileSync(file('ed.pem'), await generateDkimKey('ed25519'), { mode: 0o600 })
  writeFileSync(file('small.pem'), 'x'.repeat(70_000), { mode: 0o600 })
  writeFileSync(file('text.pem'), 'secret text', { mode: 0o600 })
  writeFileSync(file('open.pem'), await generateDkimKey('ed25519'), { mode: 0o644 })
  const names = ['ed', 'small', 'text', 'open', 'gone']
  const { open, said } = world({
    keys: { [domain]: names.map((name) => ({ selector: name, file: file(`${name}.pem`) })) },
  })
  const keys = await open()
  assert.deepEqual(keys.signerFor(domain)?.names, ['ed (Ed25519)'])
  assert.deepEqual(
    keys
      .problems(domain)
      .map(({ selector, reason }) => [selector, reason.replace(`${folder}/`, '').replace(/ \(PEM.*/, '')]),
    [
      ['small', 'small.pem: is too large for a key'],
      ['text', 'text.pem: is no private key'],
      ['open', 'open.pem: others may read or change it (mode 644): chmod 600'],
      ['gone', 'gone.pem: there is no such file'],
    ],
  )
  assert.ok(!said.join().includes('secret text'))
  for (const act of [keys.create(domain), keys.activate(domain), keys.retire(domain, 'ed')])
    await assert.rejects(act, isCode('conflict'))
  const { version } = keys
  await keys.readFiles()
  assert.equal(keys.version, version, 'nothing changed')
  chmodSync(file('open.pem'), 0o600)
  await keys.readFiles()
  assert.deepEqual(keys.signerFor(domain)?.names, ['ed (Ed25519)', 'open (Ed25519)'])
})

/** A rotation whose DNS can be changed. */
async function rotating(more: Partial<DkimConfig> = {}) {
  const made = world({ keyTypes: ['ed25519'], ...more })
  const keys = await made.open()
  const txt: Record<string, string[]> = {}
  let data: DnsData = { txt }
  const rotation = new DkimRotation({
    keys,
    clock: made.clock,
    log: recordingLog(made.said),
    resolver: () => createFakeResolver(data),
    isOurs: (name) => name === domain,
  })
  return {
    ...made,
    keys,
    rotation,
    publish: () => {
      for (const { record } of keys.list()) txt[record.name] = [record.text]
    },
    remove: (name: string) => void delete txt[name],
    put: (name: string, text: string) => void (txt[name] = [text]),
    fails: (names: readonly string[]) => {
      data = { txt, fail: names }
    },
  }
}

test('dkim rotation: the switch waits until every record is seen; force does not', async () => {
  const { keys, rotation, publish, put, fails } = await rotating()
  await assert.rejects(rotation.activate(domain, false), isCode('not-found'))
  const [key] = await keys.create(domain)
  const name = key?.record.name ?? ''
  await assert.rejects(rotation.activate(domain, false), /_domainkey\.here\.test is not published/)
  put(name, 'v=DKIM1; k=ed25519; p=')
  await assert.rejects(rotation.activate(domain, false), /is wrong \(the key was revoked\)/)
  fails([name])
  await assert.rejects(rotation.activate(domain, false), isCode('invalid'))
  assert.equal(keys.signerFor(domain), undefined)
  fails([])
  publish()
  await rotation.activate(domain, false)
  assert.equal(keys.signerFor(domain)?.names.length, 1)
  await keys.create(domain)
  await rotation.activate(domain, true)
  assert.deepEqual(states(keys), ['s20261121-ed retired', 's20261121b-ed active'])
})

test('dkim rotation: the first keys sign by themselves once they are seen, later ones only when asked', async () => {
  const { keys, rotation, publish } = await rotating()
  await keys.create(domain)
  await rotation.run()
  assert.deepEqual(states(keys), ['s20261121-ed next'])
  publish()
  await rotation.run()
  assert.deepEqual(states(keys), ['s20261121-ed active'])
  await keys.create(domain)
  publish()
  await rotation.run()
  assert.deepEqual(states(keys), ['s20261121-ed active', 's20261121b-ed next'])
})

test('dkim rotation: by schedule, new keys in time, the switch only when they are seen, then the burial', async () => {
  const { keys, rotation, publish, remove, clock, said, store } = await rotating({ rotateEveryMs: 90 * day })
  await keys.create(domain)
  await keys.activate(domain)
  publish()
  await clock.advance(75 * day)
  await rotation.run()
  assert.deepEqual(states(keys), ['s20261121-ed active'])
  await clock.advance(2 * day)
  await rotation.run()
  assert.deepEqual(states(keys), ['s20261121-ed active', 's20270206-ed next'])
  assert.ok(said.some((line) => line.startsWith('new DKIM keys wait to be published')))
  publish()
  await rotation.run()
  assert.equal(states(keys)[0], 's20261121-ed active', 'seen, and not due')
  remove('s20270206-ed._domainkey.here.test')
  await clock.advance(20 * day)
  await rotation.run()
  assert.equal(states(keys)[0], 's20261121-ed active', 'due, and not seen')
  publish()
  await rotation.run()
  assert.deepEqual(states(keys), ['s20261121-ed retired', 's20270206-ed active'])
  const secret = async (): Promise<boolean> => {
    const document = await store.documentGet('dkim-key', 'here.test s20261121-ed')
    return JSON.stringify(document?.data).includes('PRIVATE KEY')
  }
  await clock.advance(6 * day)
  await rotation.run()
  assert.equal(await secret(), true)
  await clock.advance(2 * day)
  await rotation.run()
  assert.equal(await secret(), false)
  assert.equal(states(keys).length, 2, 'the record still stands')
  remove('s20261121-ed._domainkey.here.test')
  await rotation.run()
  assert.deepEqual(states(keys), ['s20270206-ed active'])
})

test('dkim rotation: keys of a domain that is not ours any more are left alone', async () => {
  const { keys, rotation, publish } = await rotating()
  await keys.create('gone.test')
  publish()
  await rotation.run()
  assert.deepEqual(
    keys.list('gone.test').map(({ state }) => state),
    ['next'],
  )
})
