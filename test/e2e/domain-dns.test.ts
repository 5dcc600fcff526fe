// Issue 5, section 4: a domain from nothing to green lines, by the control socket and the command line, over real DNS.

import assert from 'node:assert/strict'
import { request } from 'node:http'
import { describe, it } from 'node:test'
import { verifyDkim } from '../../src/auth/dkim-verify.ts'
import { createContext } from '../../src/cli/context.ts'
import { run } from '../../src/cli/program.ts'
import { colours } from '../../src/cli/text.ts'
import { createFakeResolver, type DnsData } from '../../src/dns/fake-resolver.ts'
import type { Resolver } from '../../src/dns/resolver.ts'
import type { DkimChange, DomainDnsView } from '../../src/http/routes-domain-dns-types.ts'
import { httpRequest, readBody } from '../../src/net/http-client.ts'
import { readControlFile } from '../../src/posthouse/control-socket.ts'
import { minute, type Server, until, World } from './support/world.ts'

/** DNS that the test changes as a person would. */
function changingDns(): {
  readonly resolver: Resolver
  readonly zone: Record<string, Record<string, string[]>>
} {
  const zone = { mx: {}, txt: {}, a: {}, ptr: {} } as Record<string, Record<string, string[]>>
  const now = (): Resolver => createFakeResolver(zone as DnsData)
  const resolver: Resolver = {
    mx: (name, options) => now().mx(name, options),
    a: (name, options) => now().a(name, options),
    aaaa: (name, options) => now().aaaa(name, options),
    txt: (name, options) => now().txt(name, options),
    ptr: (name, options) => now().ptr(name, options),
    tlsa: (name, options) => now().tlsa(name, options),
    srv: (name, options) => now().srv(name, options),
  }
  return { resolver, zone }
}

function publish(zone: Record<string, Record<string, string[]>>, view: DomainDnsView): void {
  for (const { type, name, value } of view.records) {
    const table = zone[type.toLowerCase()]
    if (table !== undefined) table[name] = [value]
  }
}

async function ask<T>(
  server: Server,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  json?: object,
): Promise<T> {
  const socket = readControlFile(server.dataDir)?.socket ?? assert.fail('no control socket')
  const answer = await httpRequest({
    to: socket,
    method,
    path,
    timeoutMs: 20_000,
    ...(json !== undefined && { json }),
  })
  const text = (await readBody(answer, 1_000_000)).toString()
  assert.ok(answer.status < 400, `${method} ${path}: ${answer.status} ${text}`)
  return (text === '' ? undefined : JSON.parse(text)) as T
}

const terminal = createContext()

/** A command line as a person types it: what it prints, and how it ends. */
async function cli(
  server: Server,
  ...args: string[]
): Promise<{ readonly out: string; readonly err: string; readonly code: number }> {
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

const raw = 'From: anna@new.test\r\nTo: b@far.test\r\nSubject: x\r\n\r\nHello\r\n'

describe('a domain and its records', () => {
  it('added, published, signed by itself, rotated, and green all the way', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const { resolver, zone } = changingDns()
    const server = await world.toSink(sink, { publish: { mtaSts: 'none' } }, { resolver })
    const sign = async (): Promise<string> => {
      const count = sink.peer.messages.length
      await server.posthouse.submit({ from: 'alice@here.test', to: ['b@far.test'], raw })
      await until('a message in the sink', () => sink.peer.messages.length > count)
      const message = sink.peer.messages.at(-1)?.body ?? ''
      const report = await verifyDkim(Buffer.from(message, 'latin1'), { resolver, clock: world.clock })
      return report.signatures.map(({ selector, result }) => `${selector} ${result}`).join()
    }
    const added = await ask<DomainDnsView>(server, 'POST', '/v1/domains', { name: 'New.test.' })
    assert.equal(added.domain, 'new.test')
    assert.equal(await sign(), '', 'keys that nobody can look up do not sign')
    const before = await ask<DomainDnsView>(server, 'GET', '/v1/domains/new.test/dns')
    assert.ok((before.counts?.bad ?? 0) >= 4, JSON.stringify(before.checks))
    publish(zone, added)
    zone.a = { 'mx.here.test': ['198.51.100.7'] }
    zone.ptr = { '7.100.51.198.in-addr.arpa': ['mx.here.test'] }
    const [first, second] = added.keys
    await until('its mail to be signed', async () => {
      world.clock.advance(5 * minute)
      return (await sign()) === `${first?.selector} pass,${second?.selector} pass`
    })
    const after = await ask<DomainDnsView>(server, 'GET', '/v1/domains/new.test/dns')
    assert.deepEqual(after.counts, { ok: after.checks?.length, warn: 0, bad: 0, unknown: 0 })
    const next = await ask<DkimChange>(server, 'POST', '/v1/domains/new.test/dkim/rotate')
    const refused = await cli(server, 'dkim', 'activate', 'new.test')
    assert.match(refused.err, /not switched, receivers could not verify: .* is not published/)
    assert.equal(refused.code, 65)
    for (const { state, recordName, recordText } of next.keys)
      if (state === 'next') (zone.txt ?? {})[recordName] = [recordText]
    const changed = await cli(server, 'dkim', 'activate', 'new.test')
    assert.equal(changed.code, 0, changed.err)
    assert.match(changed.out, /leave .* in DNS until \d{4}-\d\d-\d\d, then remove it/)
    const selectors = next.keys.filter(({ state }) => state === 'next').map(({ selector }) => selector)
    assert.equal(await sign(), selectors.map((selector) => `${selector} pass`).join())
    assert.doesNotMatch(JSON.stringify([added, after, next]) + changed.out, /PRIVATE/)
  })

  it('the command line: add prints table and zone, check says what to do and exits with 1, list, remove', async (t) => {
    const world = World.for(t)
    const { resolver, zone } = changingDns()
    const server = await world.server({}, { resolver })
    const added = await cli(server, 'domain', 'add', 'new.test')
    assert.equal(added.code, 0, added.err)
    assert.match(added.out, /^MX +new\.test +10 mx\.here\.test$/m)
    assert.match(added.out, /^new\.test\. IN MX 10 mx\.here\.test\.$/m)
    assert.match(
      added.out,
      /^s\d{8}-ed\._domainkey\.new\.test\. IN TXT "v=DKIM1; k=ed25519; p=[\w+/=]{44}"$/m,
    )
    const checked = await cli(server, 'domain', 'check', 'new.test')
    assert.equal(checked.code, 1)
    assert.match(checked.out, /^BAD {3}new\.test MX: there is no MX record/m)
    assert.match(checked.out, /^ {6}-> publish new\.test\. IN MX 10 mx\.here\.test\.$/m)
    const asJson = await cli(server, 'domain', 'dns', 'new.test', '--json')
    publish(zone, JSON.parse(asJson.out) as DomainDnsView)
    const now = await cli(server, 'domain', 'check', 'new.test')
    assert.match(now.out, /^ok {4}new\.test MX: mail comes to mx\.here\.test$/m)
    assert.match((await cli(server, 'domain', 'list')).out, /^new\.test +0 +0 +keys wait +added$/m)
    assert.equal((await cli(server, 'domain', 'remove', 'new.test')).code, 0)
    assert.doesNotMatch((await cli(server, 'domain', 'list')).out, /new\.test/)
    assert.match((await cli(server, 'domain', 'remove', 'here.test')).err, /stands in the configuration file/)
    assert.match((await cli(server, 'domain', 'check', 'new.test')).err, /is not one of our domains/)
    assert.match((await cli(server, 'domain', 'add', 'no domain')).err, /is not a domain/)
  })

  it('keys of the store survive a restart', async (t) => {
    const world = World.for(t)
    const { resolver } = changingDns()
    const one = await world.server({}, { resolver })
    await ask(one, 'POST', '/v1/domains', { name: 'here.test' })
    await ask(one, 'POST', '/v1/domains/here.test/dkim/activate', { force: true })
    const before = await ask(one, 'GET', '/v1/dkim')
    await one.stop()
    const two = await world.server({}, { resolver })
    assert.deepEqual(await ask(two, 'GET', '/v1/dkim'), before)
  })

  it('the MTA-STS policy: for our domains alone, at its path alone', async (t) => {
    const world = World.for(t)
    const server = await world.server({
      listeners: { http: '127.0.0.1:0' },
      publish: { mtaSts: 'enforce', mx: ['a.here.test', 'b.here.test'], mtaStsMaxAge: '2d' },
    })
    const port = await server.port('http')
    const get = (
      host: string,
      path = '/.well-known/mta-sts.txt',
    ): Promise<{ status: number; type: string; text: string }> =>
      new Promise((resolve, reject) => {
        const asking = request({ port, path, host: '127.0.0.1', headers: { host } }, (answer) => {
          let text = ''
          answer.setEncoding('utf8').on('data', (piece: string) => void (text += piece))
          answer.on('end', () =>
            resolve({ status: answer.statusCode ?? 0, type: String(answer.headers['content-type']), text }),
          )
        })
        asking.on('error', reject).end()
      })
    const policy = await get('mta-sts.here.test')
    assert.deepEqual(policy, {
      status: 200,
      type: 'text/plain; charset=utf-8',
      text: 'version: STSv1\r\nmode: enforce\r\nmx: a.here.test\r\nmx: b.here.test\r\nmax_age: 172800\r\n',
    })
    assert.equal((await get('MTA-STS.here.test:443')).status, 200)
    for (const host of [
      'mta-sts.far.test',
      'here.test',
      'mta-sts.',
      'x.mta-sts.here.test',
      'mta-sts.here.test.evil.test',
    ])
      assert.equal((await get(host)).status, 421, host)
    for (const path of [
      '/',
      '/metrics',
      '/v1/session',
      '/.well-known/mta-sts.txt/..',
      '/.well-known/mta-sts.txt?x',
    ])
      assert.equal((await get('mta-sts.here.test', path)).status, 421, path)
    assert.equal((await get('127.0.0.1')).status, 404)
  })
})
