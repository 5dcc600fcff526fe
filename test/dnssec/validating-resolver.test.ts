// Issue 5, section 5: DANE behind a real validating resolver (unbound) and zones that are really signed: two whole servers,
// and what becomes of a mail to each domain. RFC 4035, RFC 7672, RFC 8914.

import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { tlsaRecordFor } from '../../src/auth/dane.ts'
import { checkValidation } from '../../src/dns/validation.ts'
import { makeSelfSigned } from '../../src/net/certificate.ts'
import { createDnsClient } from '../../src/net/dns-client.ts'
import { realClock } from '../../src/net/real-clock.ts'
import { realRandom } from '../../src/net/real-random.ts'
import type { HostReport } from '../../src/queue/types.ts'
import { type Server, World } from '../e2e/support/world.ts'
import { missing, type SignedZone, startValidator, type Validator } from './validator.ts'

interface Expected {
  readonly domain: string
  readonly kind: 'delivered' | 'deferred'
  readonly policy?: RegExp
  readonly status?: string
  readonly reason?: RegExp
}

const cases: readonly Expected[] = [
  { domain: 'signed.test', kind: 'delivered', policy: /^DANE: TLSA of _\d+\._tcp\.mx\.signed\.test$/ },
  {
    domain: 'wrong-key.test',
    kind: 'deferred',
    status: '4.7.5',
    policy: /^DANE/,
    reason: /no TLSA record fits/,
  },
  { domain: 'no-tlsa.test', kind: 'delivered', policy: /no secure TLSA records of mx\.no-tlsa\.test/ },
  { domain: 'useless.test', kind: 'delivered', policy: /of no use, TLS is a must/ },
  { domain: 'alias.test', kind: 'delivered', policy: /^DANE: TLSA of _\d+\._tcp\.mx\.signed\.test$/ },
  { domain: 'plain.test', kind: 'delivered', policy: /MX not signed/ },
  { domain: 'plain-host.test', kind: 'delivered', policy: /address of mx\.plain\.test not signed/ },
  {
    domain: 'bogus.test',
    kind: 'deferred',
    status: '4.4.3',
    reason: /MX of bogus\.test: .*SERVFAIL \((DNSSEC bogus|.*missing)/,
  },
  {
    domain: 'expired.test',
    kind: 'deferred',
    status: '4.4.3',
    reason: /SERVFAIL \((DNSSEC bogus|signature expired)/,
  },
  {
    domain: 'bogus-host.test',
    kind: 'deferred',
    status: '4.4.3',
    reason: /address of mx\.bogus\.test: .*SERVFAIL/,
  },
]

const lack = missing()

describe('DANE behind a validating resolver', { skip: lack ?? false }, () => {
  let world: World
  let validator: Validator
  let sender: Server
  const closers: (() => Promise<unknown>)[] = []
  after(async () => {
    for (const close of closers.reverse()) await close()
  })

  before(async () => {
    world = World.for({ after: (close) => void closers.push(close) })
    const [pair, other] = await Promise.all(
      ['mx.signed.test', 'other.test'].map((hostname) => makeSelfSigned({ hostname, now: Date.now() })),
    )
    assert.ok(pair !== undefined && other !== undefined)
    const files = { cert: join(world.folder, 'mx.crt'), key: join(world.folder, 'mx.key') }
    writeFileSync(files.cert, pair.cert)
    writeFileSync(files.key, pair.key)
    const account = { accounts: { carol: { password: false } } } as const
    const receiver = await world.server(
      {
        hostname: 'mx.signed.test',
        tls: files,
        domains: Object.fromEntries(cases.map(({ domain }) => [domain, account])),
        delivery: { mode: 'capture' },
        networks: { relay: [] },
      },
      {},
      'receiver',
    )
    const port = await receiver.port('mx')
    const right = tlsaRecordFor(pair.cert).text
    const wrong = tlsaRecordFor(other.cert).text
    const mail = (domain: string, host = `mx.${domain}`): string[] => [`${domain}. 300 IN MX 10 ${host}.`]
    const host = (name: string, tlsa?: string): string[] => [
      `${name}. 300 IN A 127.0.0.1`,
      ...(tlsa === undefined ? [] : [`_${port}._tcp.${name}. 300 IN TLSA ${tlsa}`]),
    ]
    const below = (name: string, how: SignedZone['how'], tlsa?: string): SignedZone => ({
      name: `${name}.`,
      how,
      records: [...mail(name), ...host(`mx.${name}`, tlsa)],
    })
    const folder = join(world.folder, 'dns')
    mkdirSync(folder)
    validator = await startValidator(
      folder,
      [
        below('signed.test', 'signed', right),
        below('plain.test', 'unsigned', wrong),
        below('bogus.test', 'bogus', right),
        below('expired.test', 'expired', right),
      ],
      [
        ...mail('wrong-key.test'),
        ...host('mx.wrong-key.test', wrong),
        ...mail('no-tlsa.test'),
        ...host('mx.no-tlsa.test'),
        ...mail('useless.test'),
        ...host('mx.useless.test', `3 1 9 ${'00'.repeat(32)}`),
        ...mail('alias.test', 'www.alias.test'),
        'www.alias.test. 300 IN CNAME mx.signed.test.',
        ...mail('plain-host.test', 'mx.plain.test'),
        ...mail('bogus-host.test', 'mx.bogus.test'),
      ],
    )
    world.onClose(() => validator.stop())
    sender = await world.server({ delivery: { port }, dns: { servers: [validator.address], timeout: '5s' } })
  })

  it('the self-test sees that it validates, and does not believe one that is not told to be trusted', async () => {
    const options = { clock: realClock, random: realRandom, servers: [validator.address] }
    assert.deepEqual(await checkValidation(createDnsClient(options)), { kind: 'validates' })
    assert.equal((await checkValidation(createDnsClient({ ...options, trustAd: false }))).kind, 'ignores')
  })

  for (const { domain, kind, policy, status, reason } of cases)
    it(`${domain}: ${kind}`, async () => {
      const id = await sender.accept({ from: 'alice@here.test', to: `carol@${domain}` })
      const { events } = await sender.event(id, kind)
      const event = events.find((one) => one.kind === kind)
      const hosts = events.find((one) => one.kind === 'attempt')?.data.hosts as
        | readonly HostReport[]
        | undefined
      const words = `${String(event?.data.reason ?? '')}`
      if (policy !== undefined) assert.match(String(event?.data.policy ?? hosts?.at(-1)?.policy), policy)
      if (status !== undefined) assert.equal(event?.data.status, status, words)
      if (reason !== undefined) assert.match(words, reason, validator.log())
    })
})
