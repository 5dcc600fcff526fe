// What is told of TLS with hosts: RFC 8460 sections 4.3 and 4.4, by table.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { MxResult } from '../client/mx-result.ts'
import { createFakeResolver } from '../dns/fake-resolver.ts'
import type { DeliveryJob } from '../queue/transport.ts'
import { MemoryNetwork } from '../testing/memory-network.ts'
import { type PeerScript, ScriptedPeer } from '../testing/scripted-peer.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { HostSearch } from './host-search.ts'
import type { UsableTls } from './host-tls.ts'
import { createRelayTransport } from './relay-transport.ts'
import { type StsAnswer, type StsEntry, StsPolicies } from './sts-policies.ts'
import { readTarget } from './target.ts'
import {
  certificateFailure,
  failedSessionEvent,
  refusedEvent,
  sessionEvent,
  type TlsSessionFacts,
} from './tls-events.ts'

const policy: StsEntry = {
  mode: 'enforce',
  maxAgeSeconds: 86_400,
  mx: ['mx.them.test'],
  id: '1',
  fetchedAt: 0,
  expiresAt: 1,
}
const candidate = { name: 'mx.them.test', address: '192.0.2.25', family: 4 } as const
const records = [{ usage: 3, selector: 1, matchingType: 1, data: Buffer.alloc(32) }]
const dane = { records, base: '_25._tcp.mx.them.test' }

function searchOf(sts?: StsAnswer, destination = 'mx:them.test'): HostSearch {
  const target = readTarget(destination, undefined, { port: 25, tlsPolicyFor: () => 'may' })
  assert.ok(target !== undefined)
  const search = new HostSearch(target, false)
  search.sts = sts
  return search
}

const use = (some: Partial<UsableTls> = {}): UsableTls => ({
  kind: 'use',
  by: 'configuration',
  tls: 'may',
  text: 'relay.tls: may',
  ...some,
})
const open = (some: Partial<TlsSessionFacts> = {}): TlsSessionFacts => ({
  tls: { verified: true },
  tlsProblem: undefined,
  ...some,
})
const plain = open({ tls: undefined })
const failure = (kind: 'tls' | 'notOffered' | 'reply' | 'lost' | 'aborted', reason = 'x') =>
  ({ phase: 'startTls', kind, reason, transcript: [] }) as const

const enforced = { kind: 'policy', policy } as const
const sts = use({ by: 'mta-sts', tls: 'verify' })
const tested = (hostAllowed: boolean): UsableTls => use({ by: 'mta-sts', testing: { hostAllowed, id: '1' } })

/** title, event, policy type, result ('' success). */
const table: readonly (readonly [string, ReturnType<typeof sessionEvent>, string, string])[] = [
  ['no policy, TLS', sessionEvent(candidate, use(), searchOf(), open()), 'no-policy-found', ''],
  [
    'no policy, TLS not verified',
    sessionEvent(candidate, use(), searchOf(), open({ tls: {} })),
    'no-policy-found',
    '',
  ],
  [
    'no policy, no TLS',
    sessionEvent(candidate, use(), searchOf(), plain),
    'no-policy-found',
    'starttls-not-supported',
  ],
  [
    'no policy, plain after a broken handshake',
    sessionEvent(
      candidate,
      use(),
      searchOf(),
      open({ tls: undefined, tlsProblem: 'TLS handshake failed: wrong version' }),
    ),
    'no-policy-found',
    'validation-failure',
  ],
  ['MTA-STS enforced, verified', sessionEvent(candidate, sts, searchOf(enforced), open()), 'sts', ''],
  [
    'MTA-STS enforced, another name',
    failedSessionEvent(candidate, sts, searchOf(enforced), failure('tls', 'certificate is for another name')),
    'sts',
    'certificate-host-mismatch',
  ],
  [
    'MTA-STS enforced, no STARTTLS',
    failedSessionEvent(candidate, sts, searchOf(enforced), failure('notOffered')),
    'sts',
    'starttls-not-supported',
  ],
  [
    'MTA-STS enforced, STARTTLS refused',
    failedSessionEvent(candidate, sts, searchOf(enforced), failure('reply')),
    'sts',
    'starttls-not-supported',
  ],
  [
    'MTA-STS enforced, the host is not one of it',
    refusedEvent(candidate, { kind: 'refuse', why: 'policy', text: 'not one' }, searchOf(enforced)),
    'sts',
    'validation-failure',
  ],
  ['MTA-STS tested, good', sessionEvent(candidate, tested(true), searchOf(enforced), open()), 'sts', ''],
  [
    'MTA-STS tested, another host',
    sessionEvent(candidate, tested(false), searchOf(enforced), open()),
    'sts',
    'validation-failure',
  ],
  [
    'MTA-STS tested, expired',
    sessionEvent(
      candidate,
      tested(true),
      searchOf(enforced),
      open({ tls: { verified: false, verifyError: 'certificate has expired' } }),
    ),
    'sts',
    'certificate-expired',
  ],
  [
    'MTA-STS tested, no TLS',
    sessionEvent(candidate, tested(true), searchOf(enforced), plain),
    'sts',
    'starttls-not-supported',
  ],
  [
    'MTA-STS that cannot be fetched',
    sessionEvent(
      candidate,
      use(),
      searchOf({ kind: 'none', reason: 'x', failure: 'sts-policy-fetch-error' }),
      open(),
    ),
    'sts',
    'sts-policy-fetch-error',
  ],
  [
    'DANE that fits',
    sessionEvent(candidate, use({ by: 'dane', tls: 'must', dane }), searchOf(enforced), open()),
    'tlsa',
    '',
  ],
  [
    'DANE that does not',
    failedSessionEvent(
      candidate,
      use({ by: 'dane', tls: 'must', dane }),
      searchOf(),
      failure('tls', 'TLS handshake failed: DANE: no'),
    ),
    'tlsa',
    'tlsa-invalid',
  ],
  [
    'DANE of no use',
    sessionEvent(candidate, use({ by: 'dane', tls: 'must' }), searchOf(), open()),
    'tlsa',
    'tlsa-invalid',
  ],
  [
    'DANE whose lookup fails',
    refusedEvent(candidate, { kind: 'refuse', why: 'lookup', text: 'DANE: SERVFAIL' }, searchOf()),
    'tlsa',
    'dnssec-invalid',
  ],
]

describe('TLS with the hosts of a domain', () => {
  for (const [title, event, type, result] of table)
    it(`${title}: ${type}, ${result || 'success'}`, () => {
      assert.equal(event?.policy.type, type)
      assert.equal(event?.failure?.type ?? '', result)
      assert.equal(event?.domain, 'them.test')
    })

  it('the policy domain of DANE is the host, of the others the domain', () => {
    const of = (one: UsableTls, search: HostSearch): string | undefined =>
      sessionEvent(candidate, one, search, open())?.policy.domain
    assert.equal(of(use({ by: 'dane', tls: 'must', dane }), searchOf()), 'mx.them.test')
    assert.equal(of(sts, searchOf(enforced)), 'them.test')
    assert.equal(of(use(), searchOf()), 'them.test')
  })

  it('nothing is told of routes, of TLS switched off, of waived policies, of what ended before TLS', () => {
    const never = [
      sessionEvent(candidate, use(), searchOf(undefined, 'smtp:relay.test:25'), open()),
      sessionEvent(candidate, use({ tls: 'none' }), searchOf(), plain),
      sessionEvent(candidate, use({ by: 'sender' }), searchOf(), plain),
      failedSessionEvent(candidate, use(), searchOf(), {
        phase: 'dial',
        kind: 'lost',
        reason: '',
        transcript: [],
      }),
      failedSessionEvent(candidate, use(), searchOf(), failure('aborted')),
      refusedEvent(candidate, { kind: 'refuse', why: 'unmet', text: 'REQUIRETLS' }, searchOf()),
      refusedEvent(
        candidate,
        { kind: 'refuse', why: 'lookup', text: 'MTA-STS record: SERVFAIL' },
        searchOf(),
      ),
    ]
    assert.deepEqual(
      never,
      never.map(() => undefined),
    )
  })

  for (const [words, type] of [
    ['TLS handshake with [192.0.2.1]:25: certificate is for another name', 'certificate-host-mismatch'],
    ['certificate has expired', 'certificate-expired'],
    ['certificate is not valid yet', 'certificate-expired'],
    ['self-signed certificate', 'certificate-not-trusted'],
    ['self-signed certificate in the chain', 'certificate-not-trusted'],
    ['unknown issuer, or the chain is incomplete', 'certificate-not-trusted'],
    ['TLS handshake failed: DANE: no TLSA record fits the certificate', 'tlsa-invalid'],
    ['wrong version number', 'validation-failure'],
  ] as const)
    it(`'${words}' is ${type}`, () => assert.equal(certificateFailure(words), type))
})

describe('the relay tells', () => {
  const one: MxResult = {
    kind: 'hosts',
    hosts: [{ name: 'mx.them.test', preference: 0, addresses: [{ address: '192.0.2.25', family: 4 }] }],
  }
  async function told(script: PeerScript, tls: 'may' | 'must'): Promise<readonly string[]> {
    const clock = new VirtualClock()
    const network = new MemoryNetwork()
    network.listen('192.0.2.25', 25, new ScriptedPeer(script).accept)
    const events: string[] = []
    const relay = createRelayTransport({
      clock,
      random: seededRandom(1),
      dialer: network,
      hostname: 'us.test',
      resolveHosts: () => Promise.resolve(one),
      routeFor: () => undefined,
      tlsPolicyFor: () => tls,
      onTls: ({ domain, host, policy: { type }, failure: why }) =>
        events.push(`${domain} ${host} ${type} ${why?.type ?? 'ok'}`),
    })
    const bytes = Buffer.from('Subject: x\r\n\r\nhello\r\n')
    const job = (id: string): DeliveryJob => ({
      message: {
        id,
        receivedAt: 0,
        reversePath: 's@us.test',
        sizeBytes: bytes.length,
        smtputf8: false,
        body8bit: false,
        origin: { via: 'smtp' },
      },
      deliveries: [
        {
          messageId: id,
          seq: 0,
          recipient: 'r@them.test',
          domain: 'them.test',
          destination: 'mx:them.test',
          state: 'active',
          dueAt: 0,
          expiresAt: 0,
          attemptCount: 1,
        },
      ],
      body: {
        sizeBytes: bytes.length,
        bytes: () => bytes,
        async *stream() {
          yield bytes
        },
      },
    })
    for (const id of ['a', 'b']) {
      let done = false
      const delivering = relay.deliver(job(id), new AbortController().signal).then(() => {
        done = true
      })
      for (let i = 0; i < 40 && !done; i++) await clock.settle()
      await delivering
    }
    return events
  }

  it('once for a session, whatever number of messages goes over it', async () => {
    assert.deepEqual(await told({}, 'may'), ['them.test mx.them.test no-policy-found starttls-not-supported'])
  })
  it('and for each session that TLS kept from coming to be', async () => {
    const all = await told({}, 'must')
    assert.equal(all[0], 'them.test mx.them.test no-policy-found starttls-not-supported')
  })
})

describe('a policy that cannot be fetched', () => {
  for (const [code, kind] of [
    ['CERT_HAS_EXPIRED', 'sts-webpki-invalid'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'sts-webpki-invalid'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'sts-webpki-invalid'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'sts-webpki-invalid'],
    ['ECONNREFUSED', 'sts-policy-fetch-error'],
  ] as const)
    it(`for ${code}: ${kind}`, async () => {
      const policies = new StsPolicies({
        clock: new VirtualClock(),
        resolver: createFakeResolver({ txt: { '_mta-sts.them.test': ['v=STSv1; id=1;'] } }),
        fetch: () => Promise.reject(new Error('x', { cause: Object.assign(new Error('y'), { code }) })),
      })
      const answer = await policies.policyFor('them.test', new AbortController().signal)
      assert.equal(answer.kind === 'none' ? answer.failure : '', kind)
    })
})
