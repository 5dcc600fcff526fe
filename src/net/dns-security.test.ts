// What the DNS client does against forgery, and what it says of validation: case of names, AD, extended errors.

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { DnsData } from '../dns/fake-resolver.ts'
import type { Lookup } from '../dns/lookup.ts'
import { checkValidation } from '../dns/validation.ts'
import { type DnsFault, type DnsServer, startDnsServer } from '../testing/dns-server.ts'
import { createDnsClient, type DnsClientOptions } from './dns-client.ts'
import { realClock } from './real-clock.ts'
import { realRandom } from './real-random.ts'

const name = 'a-rather-long-name-of-letters.example.test'
const data: DnsData = {
  a: { [name]: ['192.0.2.1'], 'end.test': ['192.0.2.2'] },
  cname: { 'secure-alias.test': 'end.test', 'plain-alias.test': 'end.test' },
  bogus: ['bogus.test'],
  fail: ['broken.test'],
  secure: [name, 'end.test', 'secure-alias.test', 'no-mail.test'],
}

const servers: DnsServer[] = []
after(() => Promise.all(servers.map((server) => server.stop())))

async function serve(given: DnsData = data, fault?: DnsFault): Promise<DnsServer> {
  const server = await startDnsServer({ data: given, fault: () => fault })
  servers.push(server)
  return server
}

const client = (server: readonly DnsServer[], options: Partial<DnsClientOptions> = {}): Lookup =>
  createDnsClient({
    clock: realClock,
    random: realRandom,
    servers: server.map(({ address }) => address),
    ...options,
  })

describe('dns client: against forgery', () => {
  it('each question has its own id, port and case of letters', async () => {
    const server = await serve()
    const lookup = client([server])
    for (let i = 0; i < 8; i++) assert.equal((await lookup(name, 'A')).kind, 'records')
    const sent = server.questions.map((question) => question.name)
    assert.ok(new Set(sent).size === 8, sent.join(' '))
    assert.ok(sent.every((one) => one.toLowerCase() === name))
    assert.ok(new Set(server.questions.map(({ id }) => id)).size > 1)
    assert.ok(new Set(server.questions.map(({ port }) => port)).size > 1)
  })

  it('an answer in another case is believed over TCP only; a server that loses case is asked so once', async () => {
    const server = await serve(data, 'lowerCase')
    const lookup = client([server])
    for (let i = 0; i < 3; i++) assert.equal((await lookup(name, 'A')).kind, 'records')
    assert.deepEqual(
      server.questions.map(({ transport }) => transport),
      ['udp', 'tcp', 'udp', 'udp'],
    )
  })
})

describe('dns client: DNSSEC', () => {
  it('AD is believed from a resolver on loopback, unless told otherwise', async () => {
    const server = await serve()
    const secure = async (options: Partial<DnsClientOptions>, question = name): Promise<boolean> => {
      const answer = await client([server], options)(question, 'A')
      return answer.kind !== 'temporary' && answer.secure
    }
    assert.equal(await secure({}), true)
    assert.equal(await secure({ trustAd: true }), true)
    assert.equal(await secure({ trustAd: false }), false)
    // That there is nothing may be secure as well.
    assert.equal(await secure({}, 'no-mail.test'), true)
  })

  it('a chain is secure only where each of its names is', async () => {
    for (const fault of [undefined, 'firstAlias'] as const) {
      const lookup = client([await serve(data, fault)])
      const good = await lookup('secure-alias.test', 'A')
      assert.equal(good.kind === 'records' && good.target, 'end.test')
      if (fault === undefined) assert.equal(good.kind === 'records' && good.secure, true)
      const bad = await lookup('plain-alias.test', 'A')
      assert.equal(bad.kind === 'records' && bad.secure, false)
    }
  })

  it('bogus is told apart from broken, by the extended error', async () => {
    const lookup = client([await serve()])
    assert.deepEqual(
      { ...(await lookup('bogus.test', 'MX')), reason: '' },
      { kind: 'temporary', reason: '', bogus: true },
    )
    const bogus = await lookup('bogus.test', 'MX')
    assert.match(bogus.kind === 'temporary' ? bogus.reason : '', /DNSSEC bogus, validation failure/)
    const broken = await lookup('broken.test', 'MX')
    assert.equal(broken.kind === 'temporary' && broken.bogus, undefined)
  })

  it('what a trusted validator refuses is not asked of the next server', async () => {
    const validator = await serve()
    const other = await serve({ a: { 'bogus.test': ['192.0.2.66'] } })
    assert.equal((await client([validator, other])('bogus.test', 'A')).kind, 'temporary')
    assert.equal(other.queries.length, 0)
    const untrusting = await client([validator, other], { trustAd: false })('bogus.test', 'A')
    assert.equal(untrusting.kind, 'records')
  })
})

describe('dns: does the resolver validate', () => {
  const root = { ns: { '.': ['a.root.test'] } }
  const cases: readonly (readonly [string, DnsData, string, Partial<DnsClientOptions>])[] = [
    ['a validating one', { ...root, secure: ['ns .'] }, 'validates', {}],
    ['one that is not believed', { ...root, secure: ['ns .'] }, 'ignores', { trustAd: false }],
    ['one that validates nothing', root, 'ignores', {}],
    ['one that echoes', { ...root, secure: ['ns .', '1.0.0.10.in-addr.arpa'] }, 'echoes', {}],
    ['one that fails', { fail: ['ns .'] }, 'unknown', {}],
  ]
  for (const [title, world, kind, options] of cases)
    it(`${title}: ${kind}`, async () => {
      const result = await checkValidation(client([await serve(world)], options))
      assert.equal(result.kind, kind)
    })
})
