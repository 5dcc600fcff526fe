// Issue 5, section 3: how TLS is used with each host and why, with whole servers on both sides, DNS, HTTPS and TLS on loopback.
// RFC 7672 (DANE), RFC 8461 (MTA-STS), RFC 8689 (REQUIRETLS, TLS-Required).

import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server as HttpsServer } from 'node:https'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { tlsaRecordFor } from '../../src/auth/dane.ts'
import { createFakeResolver, type DnsData } from '../../src/dns/fake-resolver.ts'
import { makeSelfSigned, type PemPair } from '../../src/net/certificate.ts'
import type { ConfigInput } from '../../src/posthouse/config.ts'
import { createPolicyFetch } from '../../src/posthouse/policy-fetch.ts'
import { explain } from '../../src/queue/explain.ts'
import type { HostReport, TimelineEvent } from '../../src/queue/types.ts'
import type { PolicyFetch } from '../../src/relay/sts-policies.ts'
import { Client, type Letter } from './support/client.ts'
import { day, hour, readDsn, type Server, until, World } from './support/world.ts'

const now = Date.now()
const [mxPair, otherPair, pagePair, strangePage] = await Promise.all([
  makeSelfSigned({ hostname: 'mx.far.test', now }),
  makeSelfSigned({ hostname: 'other.far.test', now }),
  makeSelfSigned({ hostname: 'mta-sts.far.test', now }),
  makeSelfSigned({ hostname: 'mta-sts.strange.test', now }),
])
// What a public authority has signed, in this world; nobody has signed other.far.test under any other name.
setDefaultCACertificates([
  ...getCACertificates('bundled'),
  ...[mxPair, otherPair, pagePair].map(({ cert }) => cert),
])

const letter: Letter = { from: 'alice@here.test', to: 'carol@far.test' }

/** far.test: one server with a mailbox and this certificate. */
async function far(world: World, pair: PemPair | undefined, name = 'far'): Promise<Server> {
  const files = { cert: join(world.folder, `${name}.crt`), key: join(world.folder, `${name}.key`) }
  if (pair !== undefined) {
    writeFileSync(files.cert, pair.cert)
    writeFileSync(files.key, pair.key)
  }
  return world.server(
    {
      hostname: 'mx.far.test',
      tls: pair === undefined ? false : files,
      domains: { 'far.test': { accounts: { carol: { password: false } } } },
      delivery: { mode: 'capture' },
      networks: { relay: [] },
      capture: { anyClient: false },
    },
    {},
    name,
  )
}

interface Zone {
  /** Of TLSA records of the host. */
  readonly tlsa?: readonly string[]
  /** Default: all that there is. */
  readonly secure?: readonly string[]
  readonly more?: DnsData
}

/** far.test with one host, at this port; its zone is signed, and the resolver validates. */
function zone(port: number, { tlsa, secure, more = {} }: Zone = {}): DnsData {
  const base = `_${port}._tcp.mx.far.test`
  return {
    ns: { '.': ['a.root.test'] },
    ...more,
    mx: { 'far.test': ['10 mx.far.test'], ...more.mx },
    a: { 'mx.far.test': ['127.0.0.1'], ...more.a },
    ...(tlsa !== undefined && { tlsa: { [base]: tlsa, ...more.tlsa } }),
    secure: ['ns .', ...(secure ?? ['far.test', 'mx.far.test', base])],
  }
}

interface Sender {
  readonly server: Server
  readonly dns: Awaited<ReturnType<World['dns']>>
}

async function sender(
  world: World,
  port: number,
  data: DnsData,
  config: ConfigInput = {},
  fetchPolicy: PolicyFetch = () => Promise.reject(new Error('nobody is there')),
): Promise<Sender> {
  const dns = await world.dns(data)
  const server = await world.server(
    { ...config, delivery: { port }, dns: { servers: [dns.address], timeout: '300ms', ...config.dns } },
    { fetchPolicy },
  )
  return { server, dns }
}

const senderAt = (world: World, port: number, dns: string): Promise<Server> =>
  world.server({ delivery: { port }, dns: { servers: [dns], timeout: '300ms' } }, {}, 'second')

/** A certificate by an authority of its own, and the chain as a server shows it. `again`: by the one that the folder has. */
function issue(
  folder: string,
  name: string,
  again?: string,
): { readonly pair: PemPair; readonly authority: string } {
  const openssl = (...args: string[]): void =>
    void execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  if (again === undefined)
    openssl(
      'req',
      '-x509',
      ...ec,
      '-days',
      '30',
      '-subj',
      '/CN=authority',
      '-keyout',
      'ca.key',
      '-out',
      'ca.crt',
    )
  openssl('req', ...ec, '-subj', `/CN=${name}`, '-keyout', 'leaf.key', '-out', 'leaf.csr')
  writeFileSync(join(folder, 'leaf.ext'), `subjectAltName=DNS:${name}\n`)
  const by = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '30', '-extfile', 'leaf.ext']
  openssl('x509', '-req', '-in', 'leaf.csr', ...by, '-out', 'leaf.crt')
  const read = (file: string): string => readFileSync(join(folder, file), 'utf8')
  const authority = read('ca.crt')
  return { pair: { cert: `${read('leaf.crt')}${authority}`, key: read('leaf.key') }, authority }
}

const lastHost = ({ data }: TimelineEvent): HostReport =>
  Array.isArray(data.hosts)
    ? ((data.hosts as HostReport[]).at(-1) ?? {})
    : { policy: String(data.policy), ...(typeof data.tls === 'string' && { tls: data.tls }) }

/** How one mail went: the event, the policy at its last host, and TLS in words. */
async function outcome(server: Server, kind: 'delivered' | 'deferred', what: Letter = letter) {
  const id = await server.accept(what)
  const report = await server.event(id, kind)
  const event = report.events.find((one) => one.kind === kind)
  assert.ok(event !== undefined)
  const attempt =
    report.events.findLast((one) => one.kind === (kind === 'delivered' ? kind : 'attempt')) ?? event
  const { policy = '', tls = '' } = lastHost(attempt)
  return { id, status: String(event.data.status ?? ''), reason: String(event.data.reason ?? ''), policy, tls }
}

const right = [tlsaRecordFor(mxPair.cert).text]
const wrong = [tlsaRecordFor(otherPair.cert).text]
const noUse = ['0 0 1 00', '3 1 9 00']

interface Case {
  readonly title: string
  readonly kind: 'delivered' | 'deferred'
  /** The receiving server's certificate; false: no TLS. Default: mx.far.test's. */
  readonly pair?: PemPair | false
  readonly zone: Zone | ((base: string) => Zone)
  readonly config?: ConfigInput
  readonly letter?: Letter
  readonly policy: RegExp
  readonly reason?: RegExp
  readonly status?: string
  readonly tls?: RegExp
}

const asked = { kind: 'deferred', status: '4.4.3' } as const

const daneCases: readonly Case[] = [
  {
    title: 'secure, the right key',
    kind: 'delivered',
    zone: { tlsa: right },
    policy: /^DANE: TLSA of _\d+\._tcp\.mx\.far\.test$/,
    tls: /^TLSv1\.3/,
  },
  {
    title: 'secure, one right key among wrong ones',
    kind: 'delivered',
    zone: { tlsa: [...wrong, ...right] },
    policy: /^DANE/,
  },
  {
    title: 'secure, the wrong key',
    kind: 'deferred',
    zone: { tlsa: wrong },
    policy: /^DANE/,
    status: '4.7.5',
    reason: /no TLSA record fits the certificate/,
  },
  {
    title: 'secure, no STARTTLS (a downgrade)',
    kind: 'deferred',
    pair: false,
    zone: { tlsa: right },
    policy: /^DANE/,
    status: '4.7.4',
    reason: /STARTTLS/,
  },
  {
    title: 'records of no use: TLS, whoever it is',
    kind: 'delivered',
    pair: otherPair,
    zone: { tlsa: noUse },
    policy: /of no use, TLS is a must/,
    tls: /^TLS/,
  },
  {
    title: 'records of no use, and no TLS',
    kind: 'deferred',
    pair: false,
    zone: { tlsa: noUse },
    policy: /of no use/,
    status: '4.7.4',
  },
  {
    title: 'signed, no TLSA record',
    kind: 'delivered',
    pair: false,
    zone: {},
    policy: /^relay\.tls: may \(no secure TLSA records/,
  },
  {
    title: 'insecure zone: its TLSA records say nothing',
    kind: 'delivered',
    zone: { tlsa: wrong, secure: [] },
    policy: /^relay\.tls: may \(MX not signed/,
  },
  {
    title: 'insecure addresses: TLSA is not asked',
    kind: 'delivered',
    zone: { tlsa: wrong, secure: ['far.test'] },
    policy: /address of mx\.far\.test not signed/,
  },
  {
    title: 'insecure TLSA under a signed host',
    kind: 'delivered',
    zone: { tlsa: wrong, secure: ['far.test', 'mx.far.test'] },
    policy: /no secure TLSA records/,
  },
  {
    title: 'bogus MX',
    ...asked,
    zone: { more: { bogus: ['mx far.test'] } },
    policy: /^$/,
    reason: /MX of far\.test: .*DNSSEC bogus/,
  },
  {
    title: 'bogus address',
    ...asked,
    zone: { more: { bogus: ['mx.far.test'] } },
    policy: /^$/,
    reason: /DNSSEC bogus/,
  },
  {
    title: 'bogus TLSA',
    ...asked,
    zone: (base) => ({ tlsa: right, more: { bogus: [base] } }),
    policy: /^DANE/,
    reason: /^DANE: TLSA of .*DNSSEC bogus/,
  },
  {
    title: 'SERVFAIL for TLSA',
    ...asked,
    zone: (base) => ({ tlsa: right, more: { fail: [base] } }),
    policy: /^DANE/,
    reason: /SERVFAIL/,
  },
  {
    title: 'no answer for TLSA',
    ...asked,
    zone: (base) => ({ tlsa: right, more: { timeout: [base] } }),
    policy: /^DANE/,
    reason: /did not answer/,
  },
  {
    title: 'a resolver that does not validate: DANE is off',
    kind: 'delivered',
    zone: { tlsa: wrong, more: { ns: {}, secure: [] } },
    config: { dns: { trustAd: false } },
    policy: /DANE is off, the resolver does not validate/,
  },
  {
    title: 'DANE switched off',
    kind: 'delivered',
    zone: { tlsa: wrong },
    config: { relay: { dane: false } },
    policy: /DANE is switched off/,
  },
  {
    title: 'TLS-Required: No lets it through the wrong key',
    kind: 'delivered',
    zone: { tlsa: wrong },
    letter: { ...letter, body: 'TLS-Required: No\r\nSubject: x\r\n\r\nx\r\n' },
    policy: /^TLS-Required: No/,
  },
  {
    title: 'TLS-Required: No where the TLSA lookup fails',
    kind: 'delivered',
    zone: (base) => ({ more: { fail: [base] } }),
    letter: { ...letter, body: 'TLS-Required:\r\n no\r\n\r\nx\r\n' },
    policy: /^TLS-Required: No/,
  },
  {
    title: 'TLS-Required: No does not waive what the operator wrote',
    kind: 'deferred',
    pair: false,
    zone: {},
    config: { relay: { tls: 'must' } },
    letter: { ...letter, body: 'TLS-Required: No\r\n\r\nx\r\n' },
    policy: /^relay\.tls: must/,
    status: '4.7.4',
  },
]

async function play(t: TestContext, one: Case): Promise<void> {
  const world = World.for(t)
  const receiver = await far(world, one.pair === false ? undefined : (one.pair ?? mxPair))
  const port = await receiver.port('mx')
  const given = typeof one.zone === 'function' ? one.zone(`_${port}._tcp.mx.far.test`) : one.zone
  const { server } = await sender(world, port, zone(port, given), one.config)
  const seen = await outcome(server, one.kind, one.letter)
  assert.match(seen.policy === 'undefined' ? '' : seen.policy, one.policy)
  if (one.status !== undefined) assert.equal(seen.status, one.status, seen.reason)
  if (one.reason !== undefined) assert.match(seen.reason, one.reason)
  if (one.tls !== undefined) assert.match(seen.tls, one.tls)
  assert.equal((await receiver.mail('carol@far.test')).length, one.kind === 'delivered' ? 1 : 0)
}

describe('DANE', () => {
  for (const one of daneCases) it(one.title, (t) => play(t, one))

  const lacksOpenssl = spawnSync('openssl', ['version']).status !== 0 && 'openssl is not installed'
  it('usage 2: an authority of their own, which the server shows with its certificate', {
    skip: lacksOpenssl,
  }, async (t) => {
    const world = World.for(t)
    const { pair, authority } = issue(world.folder, 'mx.far.test')
    const receiver = await far(world, pair)
    const port = await receiver.port('mx')
    const digest = createHash('sha256').update(new X509Certificate(authority).raw).digest('hex')
    const data = zone(port, { tlsa: [`2 0 1 ${digest}`] })
    const { server, dns } = await sender(world, port, data)
    assert.match((await outcome(server, 'delivered')).policy, /^DANE/)
    // Its name counts, unlike with usage 3.
    const { pair: strange } = issue(world.folder, 'mx.strange.test', authority)
    const other = await far(world, strange, 'other')
    const otherPort = await other.port('mx')
    dns.setData(zone(otherPort, { tlsa: [`2 0 1 ${digest}`] }))
    const second = await senderAt(world, otherPort, dns.address)
    assert.match((await outcome(second, 'deferred')).reason, /DANE: the certificate has another name/)
  })

  it('the first host has the wrong key, the second the right one', async (t) => {
    const world = World.for(t)
    // One server behind both names: its key is what the second name's record says.
    const port = await (await far(world, otherPair)).port('mx')
    const data = zone(port, {
      tlsa: wrong,
      more: {
        mx: { 'far.test': ['5 evil.far.test', '10 mx.far.test'] },
        a: { 'evil.far.test': ['127.0.0.1'] },
        tlsa: { [`_${port}._tcp.evil.far.test`]: right },
      },
      secure: [
        'far.test',
        'mx.far.test',
        'evil.far.test',
        `_${port}._tcp.mx.far.test`,
        `_${port}._tcp.evil.far.test`,
      ],
    })
    const { server } = await sender(world, port, data)
    const id = await server.accept(letter)
    const { events } = await server.event(id, 'delivered')
    const hosts = events.find(({ kind }) => kind === 'delivered')?.data.hosts as HostReport[]
    assert.deepEqual(
      hosts.map(({ name }) => name),
      ['evil.far.test', 'mx.far.test'],
    )
    assert.match(hosts[0]?.error ?? '', /no TLSA record fits/)
  })

  it('what waits is explained with the policy and its reason', async (t) => {
    const world = World.for(t)
    const receiver = await far(world, mxPair)
    const port = await receiver.port('mx')
    const { server } = await sender(world, port, zone(port, { tlsa: wrong }))
    const { id } = await outcome(server, 'deferred')
    const report = await server.report(id)
    const { text } = explain(report, { destinationState: () => undefined, now: report.now })
    assert.match(text, /TLS policy at mx\.far\.test: DANE: TLSA of/)
    assert.match(text, /no TLSA record fits the certificate/)
  })

  it('who has neither DANE nor MTA-STS pays one question, once', async (t) => {
    const world = World.for(t)
    const receiver = await far(world, mxPair)
    const port = await receiver.port('mx')
    const { server, dns } = await sender(world, port, zone(port, { secure: [] }))
    for (let i = 0; i < 3; i++) await outcome(server, 'delivered')
    const extra = dns.queries.filter((query) => /far\.test$/.test(query) && !/ (mx|a|aaaa) /.test(query))
    assert.deepEqual(extra, ['udp txt _mta-sts.far.test'])
  })
})

/** The policy of far.test at an HTTPS server of its own. */
async function policyServer(
  world: World,
  pair: PemPair,
  page: () => string | undefined,
  type = 'text/plain',
) {
  const hits: string[] = []
  const https: HttpsServer = createServer({ cert: pair.cert, key: pair.key }, (request, response) => {
    hits.push(`${request.headers.host?.replace(/:\d+$/, '')}${request.url}`)
    const text = page()
    if (text !== undefined) response.setHeader('content-type', type).end(text)
  })
  await new Promise<void>((resolve) => https.listen(0, '127.0.0.1', resolve))
  world.onClose(async () => {
    https.closeAllConnections()
    await new Promise((resolve) => https.close(resolve))
  })
  const address = https.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const resolver = createFakeResolver({ a: { 'mta-sts.far.test': ['127.0.0.1'] } })
  const fetchPolicy = createPolicyFetch({ resolver, port, allowPrivate: true })
  return { fetchPolicy, hits }
}

const policy = (mode: string, mx = 'mx.far.test'): string =>
  `version: STSv1\r\nmode: ${mode}\r\nmx: ${mx}\r\nmax_age: 864000\r\n`
const record: DnsData = { txt: { '_mta-sts.far.test': ['v=STSv1; id=20260101'] } }

async function sts(
  t: TestContext,
  given: {
    pair?: PemPair | false
    page?: () => string | undefined
    pagePair?: PemPair
    type?: string
    more?: DnsData
  },
) {
  const world = World.for(t)
  const receiver = await far(world, given.pair === false ? undefined : (given.pair ?? mxPair))
  const port = await receiver.port('mx')
  const { fetchPolicy, hits } = await policyServer(
    world,
    given.pagePair ?? pagePair,
    given.page ?? (() => policy('enforce')),
    given.type,
  )
  const data = zone(port, { secure: [], more: { ...record, ...given.more } })
  const { server, dns } = await sender(world, port, data, {}, fetchPolicy)
  return { world, server, dns, data, hits, receiver, port, fetchPolicy }
}

describe('MTA-STS', () => {
  it('enforce: a host of the policy, verified; the policy outlives a restart and its record', async (t) => {
    const { world, server, dns, data, hits, port, fetchPolicy, receiver } = await sts(t, {})
    const first = await outcome(server, 'delivered')
    assert.equal(first.policy, 'MTA-STS enforce, id 20260101')
    assert.match(first.tls, / verified$/)
    assert.deepEqual(hits, ['mta-sts.far.test/.well-known/mta-sts.txt'])
    await server.stop()
    dns.setData({ ...data, txt: {} })
    const again = await world.server(
      { delivery: { port }, dns: { servers: [dns.address], timeout: '300ms' } },
      { fetchPolicy },
    )
    const second = await outcome(again, 'delivered')
    assert.match(second.policy, /^MTA-STS enforce, id 20260101 \(kept, for no MTA-STS record\)$/)
    assert.equal(hits.length, 1)
    // Past its end it is forgotten.
    world.clock.advance(11 * day)
    const third = await outcome(again, 'delivered')
    assert.match(third.policy, /^relay\.tls: may/)
    assert.equal((await receiver.mail('carol@far.test')).length, 3)
  })

  it('enforce: a host that the policy does not name', async (t) => {
    const { server } = await sts(t, { page: () => policy('enforce', '*.mail.far.test') })
    const seen = await outcome(server, 'deferred')
    assert.equal(seen.status, '4.7.5')
    assert.match(seen.reason, /MTA-STS enforce, id 20260101: mx\.far\.test is not one of its hosts/)
  })

  it('enforce: a certificate for another name', async (t) => {
    const { server } = await sts(t, { pair: otherPair })
    const seen = await outcome(server, 'deferred')
    assert.equal(seen.status, '4.7.5')
    assert.match(seen.reason, /certificate is for another name/)
  })

  it('enforce: no STARTTLS (a downgrade)', async (t) => {
    const { server } = await sts(t, { pair: false })
    assert.equal((await outcome(server, 'deferred')).status, '4.7.4')
  })

  const testing: readonly (readonly [string, PemPair | false, string, RegExp])[] = [
    [
      'a certificate for another name',
      otherPair,
      'mx.far.test',
      /enforced, it would fail: certificate is for another name/,
    ],
    ['no TLS', false, 'mx.far.test', /enforced, it would fail: no TLS/],
    ['another host', mxPair, 'x.far.test', /enforced, it would fail: not one of its hosts/],
  ]
  for (const [title, pair, mx, expected] of testing)
    it(`testing: ${title} is told and delivered to`, async (t) => {
      const { server } = await sts(t, { pair, page: () => policy('testing', mx) })
      const seen = await outcome(server, 'delivered')
      assert.match(seen.policy, /^MTA-STS testing, id 20260101/)
      assert.match(seen.policy, expected)
    })

  it('a policy behind a certificate for another name is none', async (t) => {
    const { server } = await sts(t, { pair: otherPair, pagePair: strangePage })
    const seen = await outcome(server, 'delivered')
    assert.match(seen.policy, /^relay\.tls: may \(.*MTA-STS policy cannot be fetched/)
  })

  it('a page that is no plain text is no policy', async (t) => {
    const { server } = await sts(t, { pair: otherPair, type: 'text/html' })
    const seen = await outcome(server, 'delivered')
    assert.match(seen.policy, /^relay\.tls: may \(.*not text\/plain, but text\/html/)
  })

  it('a policy server that is silent costs its deadline, once', async (t) => {
    const { server, world, hits } = await sts(t, { page: () => undefined })
    const id = await server.accept(letter)
    await until('the policy is asked for', () => hits.length === 1)
    world.clock.advance(20_000)
    const { events } = await server.event(id, 'delivered')
    const event = events.find(({ kind }) => kind === 'delivered')
    assert.match(String(event?.data.policy), /cannot be fetched: no answer within/)
    assert.equal(hits.length, 1)
  })

  it('a record that cannot be looked up: waits with the reason, and after three attempts goes on', async (t) => {
    const { server, world } = await sts(t, { more: { txt: {}, fail: ['_mta-sts.far.test'] } })
    const first = await outcome(server, 'deferred')
    assert.equal(first.status, '4.4.3')
    assert.match(first.reason, /^MTA-STS record: .*SERVFAIL/)
    for (let i = 2; i <= 3; i++) {
      world.clock.advance(2 * hour)
      await server.event(first.id, 'deferred', i)
    }
    world.clock.advance(2 * hour)
    const { events } = await server.event(first.id, 'delivered')
    assert.match(String(events.at(-1)?.data.policy), /going on without/)
  })
})

describe('REQUIRETLS', () => {
  /** Hands in over STARTTLS with REQUIRETLS; the sender's own certificate is not judged. */
  const requiring: Letter = { ...letter, mail: ' REQUIRETLS' }
  const withTls: ConfigInput = { tls: 'self-signed' }

  async function handIn(server: Server): Promise<string> {
    const client = await Client.open(await server.port('mx'))
    await client.startTls()
    const sent = await client.send(requiring)
    client.close()
    assert.equal(sent.end.code, 250, `${sent.mail.text} ${sent.end.text}`)
    return sent.id
  }

  it('goes with DANE to a host that promises the same, and is said there', async (t) => {
    const world = World.for(t)
    const receiver = await far(world, mxPair)
    const port = await receiver.port('mx')
    const { server } = await sender(world, port, zone(port, { tlsa: right }), withTls)
    const id = await handIn(server)
    const { events, message } = await server.event(id, 'delivered')
    assert.equal(message.requireTls, true)
    const delivered = events.find(({ kind }) => kind === 'delivered')
    assert.match(String(delivered?.data.policy), /^DANE/)
    const theirId = /queued as (\w+)/.exec(String(delivered?.data.reply))?.[1] ?? ''
    assert.equal((await receiver.report(theirId)).message.requireTls, true)
  })

  it('comes back where nothing says whose host it is, without its content', async (t) => {
    const world = World.for(t)
    const receiver = await far(world, mxPair)
    const port = await receiver.port('mx')
    const { server } = await sender(world, port, zone(port, { secure: [] }), withTls)
    const id = await handIn(server)
    await server.event(id, 'failed')
    const [mail] = await server.arrived('alice@here.test')
    const dsn = readDsn(mail?.body ?? '')
    assert.equal(dsn.recipients[0]?.status, '5.7.10')
    assert.doesNotMatch(dsn.original, /Hello\./)
    assert.equal((await receiver.mail('carol@far.test')).length, 0)
  })

  it('comes back where the host does not promise the same', async (t) => {
    const world = World.for(t)
    const sink = await world.sink({})
    const data = zone(sink.port, {})
    const { server } = await sender(world, sink.port, data, { ...withTls, relay: { tls: 'verify' } })
    const id = await handIn(server)
    await server.event(id, 'failed')
    const [mail] = await server.arrived('alice@here.test')
    assert.equal(readDsn(mail?.body ?? '').recipients[0]?.status, '5.7.10')
    assert.equal(sink.peer.messages.length, 0)
  })

  it('is neither announced nor taken in plain text', async (t) => {
    const world = World.for(t)
    const server = await world.server(withTls)
    const sent = await server.send(requiring)
    assert.equal(sent.mail.code, 555)
  })
})
