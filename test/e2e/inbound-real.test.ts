// Issue 5, section 2: existing scanners work: OpenDKIM signs and verifies as a milter, clamd refuses EICAR. They are started here,
// each on a socket of its own; where one is not installed its test is skipped.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { dkimRecord, generateDkimKey } from '../../src/auth/dkim-keys.ts'
import { verifyDkim } from '../../src/auth/dkim-verify.ts'
import { createFakeResolver } from '../../src/dns/fake-resolver.ts'
import { Client } from './support/client.ts'
import { missing, start } from './support/daemon.ts'
import { type Server, World } from './support/world.ts'

const opendkim = '/usr/sbin/opendkim'
const clamd = '/usr/sbin/clamd'
const clamavMilter = '/usr/sbin/clamav-milter'

interface OpenDkim {
  readonly mode: 's' | 'v'
  readonly keyFile?: string
  readonly publicKeys?: string
}

async function openDkim(t: TestContext, world: World, name: string, given: OpenDkim): Promise<string> {
  const socket = join(world.folder, `${name}.sock`)
  const hosts = join(world.folder, `${name}-hosts`)
  writeFileSync(hosts, given.mode === 's' ? '127.0.0.1\n' : '192.0.2.1\n')
  const config = join(world.folder, `${name}.conf`)
  const lines = [
    `Mode ${given.mode}`,
    'Syslog no',
    'Canonicalization relaxed/simple',
    `InternalHosts ${hosts}`,
    'UMask 000',
    'RequireSafeKeys false',
    ...(given.keyFile === undefined ? [] : ['Domain here.test', 'Selector s1', `KeyFile ${given.keyFile}`]),
    ...(given.publicKeys === undefined
      ? []
      : [`TestPublicKeys ${given.publicKeys}`, 'AlwaysAddARHeader yes']),
  ]
  writeFileSync(config, `${lines.join('\n')}\n`)
  await start(t, opendkim, ['-f', '-x', config, '-p', `local:${socket}`], socket)
  return socket
}

async function submitted(server: Server, body: string): Promise<string> {
  const client = await Client.open(await server.port('submission'))
  await client.startTls()
  assert.equal((await client.login('alice@here.test', 'correct horse battery')).code, 235)
  const { end } = await client.send({ from: 'alice@here.test', to: 'bob@here.test', body })
  assert.equal(end.code, 250, end.text)
  client.close()
  const [mail] = await server.arrived('bob@here.test')
  assert.ok(mail !== undefined)
  return mail.body
}

describe('scanners as they are installed', () => {
  it('OpenDKIM signs what is submitted and verifies what comes in', {
    skip: missing(opendkim),
  }, async (t) => {
    const world = World.for(t)
    const { privateKey, record } = await keyOf()
    const keyFile = join(world.folder, 's1.private')
    writeFileSync(keyFile, privateKey, { mode: 0o600 })
    const publicKeys = join(world.folder, 'public.txt')
    writeFileSync(publicKeys, `s1._domainkey.here.test ${record}\n`)
    const signer = await openDkim(t, world, 'signer', { mode: 's', keyFile })
    const verifier = await openDkim(t, world, 'verifier', { mode: 'v', publicKeys })
    const server = await world.server({
      tls: 'self-signed',
      networks: { relay: [] },
      domains: {
        'here.test': {
          accounts: {
            alice: { password: 'correct horse battery' },
            bob: { password: 'another long password' },
          },
        },
      },
      listeners: { mx: '127.0.0.1:0', submission: '127.0.0.1:0' },
      inbound: {
        milters: [
          { at: signer, name: 'signer', listeners: ['submission'], onFailure: 'defer' },
          { at: verifier, name: 'verifier', onFailure: 'defer' },
        ],
      },
    })
    const text = 'From: alice@here.test\r\nTo: bob@here.test\r\nSubject: signed\r\n\r\nHello  there.\r\n'
    const signed = await submitted(server, text)
    assert.match(signed, /^Received: [\s\S]*\r\nDKIM-Signature: v=1; a=rsa-sha256; [\s\S]*d=here\.test/)
    const ours = await verifyDkim(Buffer.from(signed, 'latin1'), {
      resolver: createFakeResolver({ txt: { 's1._domainkey.here.test': [record] } }),
      clock: world.clock,
    })
    assert.equal(ours.result, 'pass', ours.signatures[0]?.reason)

    const outside = signed.slice(signed.indexOf('DKIM-Signature:'))
    const good = await server.accept({ from: 'a@there.test', to: 'bob@here.test', body: outside })
    const bad = await server.accept({
      from: 'a@there.test',
      to: 'bob@here.test',
      body: outside.replace('Hello', 'Hullo'),
    })
    const mails = await server.arrived('bob@here.test', 3)
    const bodyOf = (id: string): string => mails.find(({ item }) => item.messageId === id)?.body ?? ''
    assert.match(bodyOf(good), /\r\nAuthentication-Results: [^\r]*\r?\n?[\s\S]*?dkim=pass/)
    assert.match(bodyOf(bad), /dkim=fail/)
    const { events } = await server.report(good)
    const check = events.find(({ kind }) => kind === 'check')
    assert.match(String(check?.data.text), /milter verifier: (?:accept|continue)/)
    assert.match(JSON.stringify(check?.data), /added Authentication-Results/)
  })

  it('clamd refuses EICAR in an attachment and takes what is clean', {
    skip: missing(clamd),
  }, async (t) => {
    const world = World.for(t)
    const socket = await startClamd(t, world)
    const server = await world.server({
      networks: { relay: [] },
      inbound: { clamd: { at: socket, onFailure: 'defer', timeout: '20s' } },
    })
    const letter = { from: 'a@there.test', to: 'alice@here.test' }
    const refused = await server.send({ ...letter, body: infected() })
    assert.match(refused.end.text, /^550 5\.7\.1 this message carries malware: Eicar-Test-Signature/)
    const id = await server.accept(letter)
    const check = async (of: string) =>
      (await server.report(of)).events.filter(({ kind }) => kind === 'check').map(({ data }) => data.text)
    assert.deepEqual(await check(id), ['clamd: clean', 'decided: accept by default'])
    const large = await server.accept({
      ...letter,
      body: `Subject: x\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(20_000)}`,
    })
    assert.match(String((await check(large))[0]), /^clamd: too-large/)
    assert.equal((await server.arrived('alice@here.test')).length, 2)
  })

  it('clamav-milter refuses EICAR, and its headers are added to what is clean', {
    skip: missing(clamd) || missing(clamavMilter),
  }, async (t) => {
    const world = World.for(t)
    const clamdSocket = await startClamd(t, world)
    const socket = join(world.folder, 'clamav-milter.sock')
    const config = join(world.folder, 'clamav-milter.conf')
    const lines = [
      `MilterSocket unix:${socket}`,
      `ClamdSocket unix:${clamdSocket}`,
      'Foreground yes',
      `TemporaryDirectory ${world.folder}`,
      'OnClean Accept',
      'OnInfected Reject',
      'RejectMsg found %v in it',
      'OnFail Defer',
      'AddHeader Add',
      'LogInfected Off',
      'LogClean Off',
    ]
    writeFileSync(config, `${lines.join('\n')}\n`)
    await start(t, clamavMilter, ['-c', config], socket)
    const server = await world.server({
      networks: { relay: [] },
      inbound: { milters: [{ at: socket, name: 'clamav', onFailure: 'defer' }] },
    })
    const letter = { from: 'a@there.test', to: 'alice@here.test' }
    const refused = await server.send({ ...letter, body: infected() })
    assert.match(refused.end.text, /^550 5\.7\.1 .*found Eicar-Test-Signature/)
    await server.accept(letter)
    const [mail] = await server.arrived('alice@here.test')
    assert.match(mail?.body ?? '', /^X-Virus-Status: Clean/m)
  })
})

// In two halves, so that this file is no finding itself.
const eicar = `${'X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR'}${'-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'}`

/** A clamd that knows EICAR and nothing else; resolves with its socket. */
async function startClamd(t: TestContext, world: World): Promise<string> {
  const database = join(world.folder, 'signatures')
  mkdirSync(database)
  const md5 = createHash('md5').update(eicar).digest('hex')
  writeFileSync(join(database, 'test.hdb'), `${md5}:${eicar.length}:Eicar-Test-Signature\n`)
  const socket = join(world.folder, 'clamd.sock')
  const config = join(world.folder, 'clamd.conf')
  writeFileSync(
    config,
    `LocalSocket ${socket}\nDatabaseDirectory ${database}\nForeground yes\nStreamMaxLength 1M\nTemporaryDirectory ${world.folder}\n`,
  )
  await start(t, clamd, ['-c', config], socket)
  return socket
}

function infected(): string {
  return [
    'From: a@there.test',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary="b"',
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    'See the file.',
    '--b',
    'Content-Type: application/octet-stream; name="eicar.com"',
    'Content-Disposition: attachment; filename="eicar.com"',
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.from(eicar).toString('base64'),
    '--b--',
    '',
  ].join('\r\n')
}

async function keyOf(): Promise<{ readonly privateKey: string; readonly record: string }> {
  const privateKey = await generateDkimKey()
  return { privateKey, record: dkimRecord({ domain: 'here.test', selector: 's1', key: privateKey }).text }
}
