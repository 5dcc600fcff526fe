// Issue 5, section 4: certificates of an authority from nothing, seen by foreign clients on every listener without a restart,
// renewed, and what people are told when it does not work. The authority is test/support/acme-directory.ts.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { connect, getCACertificates, setDefaultCACertificates } from 'node:tls'
import { createContext } from '../../src/cli/context.ts'
import { run } from '../../src/cli/program.ts'
import { colours } from '../../src/cli/text.ts'
import { createFakeResolver } from '../../src/dns/fake-resolver.ts'
import type { CertificateItem, CertificatesView } from '../../src/http/api-types.ts'
import { httpRequest, readBody } from '../../src/net/http-client.ts'
import type { ConfigInput } from '../../src/posthouse/config.ts'
import { readControlFile } from '../../src/posthouse/control-socket.ts'
import { createPolicyFetch } from '../../src/posthouse/policy-fetch.ts'
import {
  type AcmeDirectory,
  type AcmeDirectoryOptions,
  startAcmeDirectory,
} from '../support/acme-directory.ts'
import { day, hour, minute, type Server, until, World } from './support/world.ts'

const address = { a: { 'mx.here.test': ['127.0.0.1'], 'mta-sts.here.test': ['127.0.0.1'] } }

interface Place {
  readonly world: World
  readonly server: Server
  readonly directory: AcmeDirectory
}

/** here.test with HTTPS, and an authority that asks its plain listener. */
async function place(
  world: World,
  config: ConfigInput = {},
  some: Partial<AcmeDirectoryOptions> & { readonly before?: (directory: AcmeDirectory) => void } = {},
): Promise<Place> {
  const { before, ...options } = some
  const port = Promise.withResolvers<number>()
  const directory = await startAcmeDirectory({ clock: world.clock, httpPort: () => port.promise, ...options })
  before?.(directory)
  world.onClose(async () => {
    await directory.close()
    assert.deepEqual(directory.misuse, [])
  })
  const ca = join(world.folder, 'roots.pem')
  writeFileSync(ca, directory.authority.root)
  const { acme, listeners, ...rest } = config
  const resolver = createFakeResolver(address)
  const server = await world.server(
    {
      tls: 'self-signed',
      acme: { agreeTermsOfService: true, directory: directory.url, ca, email: 'ops@here.test', ...acme },
      listeners: {
        mx: '127.0.0.1:0',
        submission: '127.0.0.1:0',
        submissions: '127.0.0.1:0',
        http: { address: '127.0.0.1:0', redirect: true },
        https: '127.0.0.1:0',
        ...listeners,
      },
      ...rest,
    },
    { resolver },
  )
  port.resolve(await server.port('http'))
  return { world, server, directory }
}

async function ask<T = CertificatesView>(
  server: Server,
  method: 'GET' | 'POST',
  path: string,
  json?: object,
): Promise<T> {
  const to = readControlFile(server.dataDir)?.socket ?? assert.fail('no control socket')
  const answer = await httpRequest({
    to,
    method,
    path,
    timeoutMs: 30_000,
    ...(json !== undefined && { json }),
  })
  const text = (await readBody(answer, 1_000_000)).toString()
  assert.ok(answer.status < 400, `${answer.status} ${text}`)
  return JSON.parse(text) as T
}

const list = (server: Server): Promise<CertificatesView> => ask(server, 'GET', '/v1/certificates')

const find = (view: CertificatesView, id: string): CertificateItem =>
  view.items.find((one) => one.id === id) ??
  assert.fail(`no ${id} in ${JSON.stringify(view.items.map((one) => one.id))}`)

/** Time moves on by a minute now and then, as the server looks once a minute; an order under way has ten. */
async function later<T>(world: World, what: string, check: () => Promise<T>): Promise<NonNullable<T>> {
  let next = performance.now() + 300
  return until(what, async () => {
    const got = await check()
    if (performance.now() > next) {
      next = performance.now() + 300
      world.clock.advance(minute)
    }
    return got
  })
}

/** All of these are in use. */
function obtained({ server, world }: Place, ...ids: string[]): Promise<CertificatesView> {
  return later(world, `certificates ${ids.join()}`, async () => {
    const view = await list(server)
    return ids.every((id) => view.items.find((one) => one.id === id)?.state === 'ok') ? view : undefined
  })
}

interface Seen {
  readonly subject: string
  readonly issuer: string
  readonly verified: boolean
  readonly spki: string
}

/** What a client of TLS sees that believes this root alone. */
async function look(
  server: Server,
  listener: string,
  servername: string | undefined,
  root: string,
): Promise<Seen> {
  const port = await server.port(listener)
  const socket = connect({
    port,
    host: '127.0.0.1',
    ca: root,
    rejectUnauthorized: false,
    ...(servername !== undefined && { servername }),
  })
  await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
  const certificate = socket.getPeerX509Certificate() ?? assert.fail('no certificate')
  const verified = socket.authorized
  socket.destroy()
  return {
    subject: certificate.subject,
    issuer: certificate.issuer,
    verified,
    spki: certificate.publicKey.export({ type: 'spki', format: 'der' }).toString('hex'),
  }
}

/** STARTTLS as OpenSSL's own client does it. */
function openssl(port: number, folder: string, name: string): Promise<string> {
  const args = ['s_client', '-starttls', 'smtp', '-connect', `127.0.0.1:${port}`, '-servername', name]
  return new Promise((resolve) => {
    const child = execFile(
      'openssl',
      [...args, '-verify_hostname', name, '-CAfile', join(folder, 'roots.pem'), '-brief'],
      { timeout: 10_000 },
      (_error, stdout, stderr) => resolve(`${stdout}${stderr}`),
    )
    child.stdin?.end('QUIT\r\n')
  })
}

const terminal = createContext()
async function cli(server: Server, ...args: string[]): Promise<{ out: string; err: string; code: number }> {
  const said = { out: '', err: '', code: 0 }
  await run([...args, '--socket', readControlFile(server.dataDir)?.socket ?? ''], {
    ...terminal,
    colours: colours(false),
    width: undefined,
    print: (line = '') => void (said.out += `${line}\n`),
    note: (line) => void (said.err += `${line}\n`),
    setExitCode: (code) => void (said.code = code),
  })
  return said
}

describe('certificates of an authority', () => {
  it('self-signed at first, then its own by http-01: seen on STARTTLS, TLS and HTTPS without a restart', async (t) => {
    const world = World.for(t)
    const here = await place(
      world,
      {},
      { before: (directory) => directory.fail({ on: 'directory', type: 'serverInternal' }) },
    )
    const { server, directory } = here
    const { root } = directory.authority
    const first = await look(server, 'submissions', 'mx.here.test', root)
    assert.deepEqual([first.issuer, first.verified], ['CN=mx.here.test', false])
    // The authority was down at the first try: that is said, and tried again.
    await until(
      'the failure to be told',
      async () => find(await list(server), 'mx.here.test').state === 'failing',
    )
    const failed = await cli(server, 'cert', 'list')
    assert.match(failed.out, /mx\.here\.test: serverInternal: as the test wants it/)
    assert.equal(failed.code, 1)
    world.clock.advance(6 * minute)
    const view = await obtained(here, 'mx.here.test', 'mta-sts.here.test')
    for (const [listener, name] of [
      ['submissions', 'mx.here.test'],
      ['https', 'mx.here.test'],
      ['https', 'mta-sts.here.test'],
    ] as const) {
      const seen = await look(server, listener, name, root)
      assert.deepEqual(
        [seen.subject, seen.issuer, seen.verified],
        [`CN=${name}`, 'CN=Fake Authority E1', true],
        listener,
      )
    }
    assert.equal((await look(server, 'submissions', undefined, root)).subject, 'CN=mx.here.test')
    const told = await openssl(await server.port('mx'), world.folder, 'mx.here.test')
    assert.match(told, /Verification: OK/)
    assert.match(told, /Verified peername: mx\.here\.test/)
    const host = find(view, 'mx.here.test')
    assert.deepEqual(
      [host.isDefault, host.failureCount, host.usedBy],
      [true, 0, ['mx', 'submission', 'submissions', 'https']],
    )
    assert.deepEqual(find(view, 'mta-sts.here.test').usedBy, ['https'])
    assert.deepEqual(find(view, 'self-signed').usedBy, [])
    const shown = await cli(server, 'cert', 'list')
    assert.match(
      shown.out,
      /^mx\.here\.test +ok +mx\.here\.test +Fake Authority E1 +in 89d23h +in (?:58|59)d/m,
    )
    assert.equal(shown.code, 0)
    assert.doesNotMatch(JSON.stringify(view) + shown.out, /PRIVATE/)
    const metrics = await httpRequest({
      to: readControlFile(server.dataDir)?.socket ?? '',
      method: 'GET',
      path: '/metrics',
      timeoutMs: 5000,
    })
    const text = (await readBody(metrics, 1_000_000)).toString()
    assert.match(
      text,
      /posthouse_certificate_expiry_seconds\{certificate="mx\.here\.test",source="acme"\} 77\d{5}/,
    )
    assert.match(text, /posthouse_certificate_orders_total\{result="serverInternal"\} [12]/)
    assert.match(text, /posthouse_certificate_orders_total\{result="ok"\} 2/)
  })

  it('the MTA-STS policy over HTTPS, by the fetcher that senders have, with PKIX', async (t) => {
    const world = World.for(t)
    const here = await place(world, { publish: { mtaSts: 'enforce' } })
    await obtained(here, 'mx.here.test', 'mta-sts.here.test')
    const known = getCACertificates('default')
    t.after(() => setDefaultCACertificates(known))
    const fetchPolicy = createPolicyFetch({
      resolver: createFakeResolver(address),
      port: await here.server.port('https'),
      allowPrivate: true,
    })
    const url = 'https://mta-sts.here.test/.well-known/mta-sts.txt'
    await assert.rejects(fetchPolicy(url, AbortSignal.timeout(5000)), /unable to|self-signed/)
    setDefaultCACertificates([...known, here.directory.authority.root])
    const policy = await fetchPolicy(url, AbortSignal.timeout(5000))
    assert.match(policy, /^version: STSv1\r\nmode: enforce\r\nmx: mx\.here\.test\r\n/)
    // As the guard of the fetcher is for everybody else.
    const guarded = createPolicyFetch({
      resolver: createFakeResolver(address),
      port: await here.server.port('https'),
    })
    await assert.rejects(guarded(url, AbortSignal.timeout(5000)), /private address/)
  })

  it('HTTPS for the console: who comes in the clear is sent there, and browsers are told to stay', async (t) => {
    const world = World.for(t)
    const here = await place(world)
    const { server, directory } = here
    const port = await server.port('https')
    const health = (): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const asked = request(
          {
            host: '127.0.0.1',
            port,
            path: '/healthz',
            servername: 'mx.here.test',
            headers: { host: 'mx.here.test' },
            ca: directory.authority.root,
            rejectUnauthorized: false,
          },
          (answer) => resolve(answer.resume().headers['strict-transport-security']),
        )
        asked.on('error', reject).end()
      })
    await obtained(here, 'mx.here.test')
    assert.equal(await health(), 'max-age=15552000')
    const plain = await httpRequest({
      to: { address: '127.0.0.1', port: await server.port('http') },
      method: 'GET',
      path: '/v1/session',
      headers: { host: 'mx.here.test' },
      timeoutMs: 5000,
    })
    await readBody(plain, 10_000)
    assert.deepEqual([plain.status, plain.headers.location], [308, `https://mx.here.test:${port}/v1/session`])
  })

  it('is renewed in time, with a new key, survives a restart; sessions of before go on', async (t) => {
    const world = World.for(t)
    const here = await place(world)
    const { server, directory } = here
    const { root } = directory.authority
    await obtained(here, 'mx.here.test')
    const before = await look(server, 'submissions', 'mx.here.test', root)
    const orders = (): number => directory.log.filter((line) => line.startsWith('newOrder mx.here')).length
    assert.equal(orders(), 1)
    for (let days = 0; days < 55; days += 5) {
      world.clock.advance(5 * day)
      await list(server)
    }
    assert.equal(orders(), 1, 'not before two thirds of its life')
    world.clock.advance(6 * day)
    await later(world, 'a renewal', async () => {
      return orders() === 2 && find(await list(server), 'mx.here.test').state === 'ok'
    })
    const after = await look(server, 'submissions', 'mx.here.test', root)
    assert.notEqual(after.spki, before.spki)
    const open = connect({
      port: await server.port('submissions'),
      host: '127.0.0.1',
      rejectUnauthorized: false,
    })
    t.after(() => open.destroy())
    await new Promise((resolve) => open.once('data', resolve))
    await ask(server, 'POST', '/v1/certificates/renew', {})
    const newest = await look(server, 'submissions', 'mx.here.test', root)
    assert.notEqual(newest.spki, after.spki)
    open.write('NOOP\r\n')
    const said = await new Promise<Buffer>((resolve) => open.once('data', resolve))
    assert.match(said.toString(), /^250 /)
    open.destroy()
    await server.stop()
    const again = await world.server(
      {
        tls: 'self-signed',
        listeners: { submissions: '127.0.0.1:0', http: '127.0.0.1:0' },
        acme: { agreeTermsOfService: true, directory: directory.url, ca: join(world.folder, 'roots.pem') },
      },
      { resolver: createFakeResolver(address) },
    )
    assert.equal((await look(again, 'submissions', 'mx.here.test', root)).spki, newest.spki)
    assert.equal(orders(), 3)
  })

  it('an authority that is down at the renewal: the old one stays, and all see why', async (t) => {
    const world = World.for(t)
    const here = await place(world)
    const { server, directory } = here
    const { root } = directory.authority
    await obtained(here, 'mx.here.test')
    const before = await look(server, 'submissions', 'mx.here.test', root)
    directory.fail({ on: 'newNonce', type: 'down', times: 1000 })
    world.clock.advance(61 * day)
    await later(world, 'a failure', async () => {
      return find(await list(server), 'mx.here.test').state === 'failing'
    })
    const item = find(await list(server), 'mx.here.test')
    assert.match(item.error?.text ?? '', /^127\.0\.0\.1:\d+: socket hang up$/)
    assert.ok((item.error?.retryAt ?? 0) > world.clock.now() + 2 * minute)
    assert.ok((item.error?.retryAt ?? Number.MAX_VALUE) < world.clock.now() + hour)
    assert.equal((await look(server, 'submissions', 'mx.here.test', root)).spki, before.spki)
    const told = await cli(server, 'cert', 'list')
    assert.match(told.out, /^mx\.here\.test +failing /m)
    assert.equal(told.code, 1)
  })

  it('limits of the authority: asked again when it said so, not before; a wish of a person goes through', async (t) => {
    const world = World.for(t)
    const here = await place(
      world,
      { listeners: { https: false, http: '127.0.0.1:0' } },
      {
        before: (directory) =>
          directory.fail({
            on: 'newOrder',
            type: 'rateLimited',
            detail: 'too many new orders recently',
            retryAfterSeconds: 30 * 3600,
            times: 2,
          }),
      },
    )
    const { server, directory } = here
    const failing = async (): Promise<CertificateItem> => {
      const item = find(await list(server), 'mx.here.test')
      return item
    }
    await until('the limit', async () => (await failing()).state === 'failing')
    const item = await failing()
    assert.equal(item.error?.type, 'urn:ietf:params:acme:error:rateLimited')
    assert.equal(item.error?.text, 'rateLimited: too many new orders recently')
    assert.ok(Math.abs((item.error?.retryAt ?? 0) - (item.error?.at ?? 0) - 30 * hour) < 1000)
    world.clock.advance(29 * hour)
    await list(server)
    assert.equal((await failing()).failureCount, 1)
    const refused = await cli(server, 'cert', 'renew', 'MX.here.test')
    assert.match(refused.out, /too many new orders recently \(2 times\)/)
    const done = await cli(server, 'cert', 'renew')
    assert.equal(done.code, 0, done.out)
    assert.match(done.out, /^mx\.here\.test +ok /m)
    assert.ok(directory.log.includes('finalize mx.here.test'))
    const unknown = await cli(server, 'cert', 'renew', 'other.test')
    assert.match(unknown.err, /no certificate other\.test is wanted/)
  })

  for (const fault of ['wrongKey', 'missingName', 'expired', 'garbage'] as const)
    it(`a chain that is ${fault} is not shown: the one that there is stays`, async (t) => {
      const world = World.for(t)
      const here = await place(
        world,
        { listeners: { https: false, http: '127.0.0.1:0' } },
        { before: (directory) => directory.spoil(fault) },
      )
      const { server, directory } = here
      await until('the failure', async () => find(await list(server), 'mx.here.test').state === 'failing')
      assert.match(
        find(await list(server), 'mx.here.test').error?.text ?? '',
        /the certificate that came is not used/,
      )
      const seen = await look(server, 'submissions', 'mx.here.test', directory.authority.root)
      assert.equal(seen.issuer, 'CN=mx.here.test')
    })

  it('a name without an address costs no try: what to publish is said, and others go on', async (t) => {
    const world = World.for(t)
    const here = await place(world, {
      domains: {
        'here.test': { accounts: { alice: { password: false } } },
        'new.test': { accounts: { bob: { password: false } } },
      },
    })
    await obtained(here, 'mx.here.test', 'mta-sts.here.test')
    const item = await later(world, 'what is to be done', async () => {
      const found = find(await list(here.server), 'mta-sts.new.test')
      return found.state === 'waiting' ? found : undefined
    })
    assert.equal(
      item.error?.text,
      'mta-sts.new.test has no address: publish mta-sts.new.test. IN CNAME mx.here.test.',
    )
    assert.equal(item.failureCount, 0)
    assert.equal(
      here.directory.log.some((line) => line.includes('new.test')),
      false,
    )
  })

  it('renewal information: earlier than two thirds where the authority wants it', async (t) => {
    const world = World.for(t)
    const start = world.clock.now() + 2 * day
    const here = await place(
      world,
      { listeners: { https: false, http: '127.0.0.1:0' } },
      { window: () => ({ start, end: start + hour }) },
    )
    const { server, directory } = here
    await obtained(here, 'mx.here.test')
    await later(world, 'the window', async () => {
      const at = find(await list(server), 'mx.here.test').nextRenewalAt ?? 0
      return at >= start && at <= start + hour
    })
    world.clock.advance(2 * day + hour)
    await later(world, 'a renewal', async () => {
      return directory.log.some((line) => line.startsWith('newOrder mx.here.test replaces '))
    })
  })
})

describe('certificates and DANE', () => {
  it('with TLSA records the key stays; a next one is announced first, and used once it is seen', async (t) => {
    const world = World.for(t)
    const tlsa: Record<string, string[]> = {}
    const zone = (): ReturnType<typeof createFakeResolver> => createFakeResolver({ ...address, tlsa })
    const resolver = new Proxy({} as ReturnType<typeof createFakeResolver>, {
      get: (_target, name) => Reflect.get(zone(), name) as unknown,
    })
    const port = Promise.withResolvers<number>()
    const directory = await startAcmeDirectory({ clock: world.clock, httpPort: () => port.promise })
    world.onClose(() => directory.close())
    const ca = join(world.folder, 'roots.pem')
    writeFileSync(ca, directory.authority.root)
    const server = await world.server(
      {
        tls: 'self-signed',
        publish: { tlsa: true },
        acme: { agreeTermsOfService: true, directory: directory.url, ca },
        listeners: { submissions: '127.0.0.1:0', http: '127.0.0.1:0' },
      },
      { resolver },
    )
    port.resolve(await server.port('http'))
    await ask(server, 'POST', '/v1/certificates/renew', {})
    const first = find(await list(server), 'mx.here.test')
    assert.equal(first.state, 'ok')
    const again = find(await ask(server, 'POST', '/v1/certificates/renew', {}), 'mx.here.test')
    assert.notEqual(again.sha256, first.sha256)
    assert.equal(again.tlsa, first.tlsa, 'the same key')
    const announced = await cli(server, 'cert', 'next-key', 'mx.here.test')
    const next =
      /^_25\._tcp\.mx\.here\.test\. IN TLSA (3 1 1 [0-9a-f]{64})$/m.exec(announced.out)?.[1] ??
      assert.fail(announced.out)
    const dns = await cli(server, 'domain', 'dns', 'here.test', '--zone')
    assert.ok(dns.out.includes(`IN TLSA ${first.tlsa}`) && dns.out.includes(`IN TLSA ${next}`), dns.out)
    const early = find(await ask(server, 'POST', '/v1/certificates/renew', {}), 'mx.here.test')
    assert.deepEqual([early.tlsa, early.nextTlsa], [first.tlsa, next], 'nobody could know it yet')
    tlsa['_25._tcp.mx.here.test'] = [first.tlsa ?? '', next]
    world.clock.advance(2 * day)
    const rolled = find(await ask(server, 'POST', '/v1/certificates/renew', {}), 'mx.here.test')
    assert.deepEqual([rolled.tlsa, rolled.nextTlsa], [next, undefined])
  })
})

describe('certificates by dns-01', () => {
  it('by a program: added, looked up by the authority in DNS, removed; no HTTP listener is needed', async (t) => {
    const world = World.for(t)
    const log = join(world.folder, 'hook.log')
    const hook = join(world.folder, 'hook')
    writeFileSync(hook, `#!/bin/sh\nprintf '%s %s %s\\n' "$2" "$3" "$4" >> "$1"\n`)
    chmodSync(hook, 0o755)
    const zone = (): ReturnType<typeof createFakeResolver> => {
      const txt: Record<string, string[]> = {}
      for (const line of existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []) {
        const [act, name = '', value = ''] = line.split(' ')
        txt[name] =
          act === 'add' ? [...(txt[name] ?? []), value] : (txt[name] ?? []).filter((one) => one !== value)
      }
      return createFakeResolver({ txt })
    }
    const resolver = new Proxy({} as ReturnType<typeof createFakeResolver>, {
      get: (_target, name) => Reflect.get(zone(), name) as unknown,
    })
    const directory = await startAcmeDirectory({ clock: world.clock, resolver: () => zone() })
    world.onClose(async () => {
      await directory.close()
      assert.deepEqual(directory.misuse, [])
    })
    const ca = join(world.folder, 'roots.pem')
    writeFileSync(ca, directory.authority.root)
    const server = await world.server(
      {
        tls: 'self-signed',
        acme: {
          agreeTermsOfService: true,
          directory: directory.url,
          ca,
          challenge: 'dns-01',
          dnsHook: [hook, log],
          names: ['*.here.test'],
          keyType: 'rsa',
        },
        listeners: { submissions: '127.0.0.1:0' },
      },
      { resolver },
    )
    const view = await ask(server, 'POST', '/v1/certificates/renew', {})
    const item = find(view, 'mx.here.test')
    assert.equal(item.state, 'ok', JSON.stringify(item.error))
    assert.match(item.key ?? '', /^RSA 2048/)
    const seen = await look(server, 'submissions', 'imap.here.test', directory.authority.root)
    assert.equal(seen.verified, true)
    const acts = readFileSync(log, 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split(' ').slice(0, 2).join(' '))
    assert.deepEqual(acts.sort(), [
      'add _acme-challenge.here.test',
      'add _acme-challenge.mx.here.test',
      'remove _acme-challenge.here.test',
      'remove _acme-challenge.mx.here.test',
    ])
  })
})

describe('a server that stops', () => {
  it('waits for no hook that hangs, and no failure is noted', async (t) => {
    const world = World.for(t)
    const started = join(world.folder, 'started')
    const hook = join(world.folder, 'hook')
    writeFileSync(hook, `#!/bin/sh\n: > "$1"\nexec sleep 30\n`)
    chmodSync(hook, 0o755)
    const directory = await startAcmeDirectory({ clock: world.clock })
    world.onClose(() => directory.close())
    const ca = join(world.folder, 'roots.pem')
    writeFileSync(ca, directory.authority.root)
    const config: ConfigInput = {
      tls: 'self-signed',
      acme: {
        agreeTermsOfService: true,
        directory: directory.url,
        ca,
        challenge: 'dns-01',
        dnsHook: [hook, started],
      },
    }
    const server = await world.server(config)
    await until('the hook', () => existsSync(started))
    const from = performance.now()
    await server.stop()
    assert.ok(performance.now() - from < 10_000)
    const again = await world.server({ ...config, acme: {} })
    assert.equal(find(await list(again), 'self-signed').state, 'ok')
  })
})

describe('certificates of files', () => {
  it('are exchanged at every listener when the files change, and by name where there are several', async (t) => {
    const world = World.for(t)
    const { makeSelfSigned } = await import('../../src/net/certificate.ts')
    const write = async (name: string, hostname: string): Promise<{ cert: string; key: string }> => {
      const pair = await makeSelfSigned({ hostname, now: Date.now() })
      const files = { cert: join(world.folder, `${name}.pem`), key: join(world.folder, `${name}.key`) }
      writeFileSync(files.key, pair.key)
      writeFileSync(files.cert, pair.cert)
      return files
    }
    const tls = [await write('a', 'mx.here.test'), await write('b', 'mail.other.test')]
    const server = await world.server({
      tls,
      listeners: { submissions: '127.0.0.1:0', https: '127.0.0.1:0' },
    })
    const subject = async (listener: string, name: string): Promise<string> =>
      (await look(server, listener, name, '')).subject
    for (const listener of ['submissions', 'https']) {
      assert.equal(await subject(listener, 'mx.here.test'), 'CN=mx.here.test')
      assert.equal(await subject(listener, 'mail.other.test'), 'CN=mail.other.test')
    }
    const before = new X509Certificate(readFileSync(tls[0]?.cert ?? ''))
    await write('a', 'mx.new.test')
    await until('the new file', async () => {
      world.clock.advance(10_000)
      return (await subject('https', 'x.test')) === 'CN=mx.new.test'
    })
    assert.equal(await subject('submissions', 'x.test'), 'CN=mx.new.test')
    assert.equal(before.subject, 'CN=mx.here.test')
    const view = await list(server)
    assert.deepEqual(
      view.items.map(({ id, source, isDefault }) => [id, source, isDefault]),
      [
        ['file 1', 'files', true],
        ['file 2', 'files', false],
      ],
    )
    const refused = await cli(server, 'cert', 'renew')
    assert.match(refused.err, /no authority is asked/)
  })
})
