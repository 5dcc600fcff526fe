// Sessions that were opened under one message's TLS policy and what other messages may have of them; patience with a
// record that cannot be looked up. RFC 8689, RFC 8461.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createFakeResolver, type DnsData } from '../dns/fake-resolver.ts'
import type { DeliveryJob, TransportResult } from '../queue/transport.ts'
import { MemoryNetwork } from '../testing/memory-network.ts'
import { pipeliningPeer, ScriptedPeer } from '../testing/scripted-peer.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { createRelayTransport } from './relay-transport.ts'
import { StsPolicies } from './sts-policies.ts'
import { TlsPolicies } from './tls-policies.ts'

const waiving = 'TLS-Required: No\r\n\r\nx\r\n'
const usual = 'Subject: x\r\n\r\nx\r\n'

function world(dns: DnsData) {
  const clock = new VirtualClock()
  const network = new MemoryNetwork()
  const peer = new ScriptedPeer({ capabilities: pipeliningPeer })
  network.listen('192.0.2.25', 25, peer.accept)
  const resolver = createFakeResolver(dns)
  const fetch = async () => 'version: STSv1\nmode: enforce\nmx: mx.them.test\nmax_age: 86400\n'
  const relay = createRelayTransport({
    clock,
    random: seededRandom(1),
    dialer: network,
    hostname: 'us.test',
    resolveHosts: async () => ({
      kind: 'hosts',
      hosts: [{ name: 'mx.them.test', preference: 0, addresses: [{ address: '192.0.2.25', family: 4 }] }],
    }),
    routeFor: () => undefined,
    tlsPolicies: new TlsPolicies({
      resolver,
      sts: new StsPolicies({ clock, resolver, fetch }),
      daneOff: () => undefined,
    }),
  })
  const deliver = async (text: string, some: { attemptCount?: number; requireTls?: true } = {}) => {
    const { attemptCount = 1, requireTls } = some
    const bytes = Buffer.from(text)
    const job: DeliveryJob = {
      message: {
        id: 'm',
        receivedAt: 0,
        reversePath: 's@us.test',
        sizeBytes: bytes.length,
        smtputf8: false,
        body8bit: false,
        origin: { via: 'smtp' },
        ...(requireTls !== undefined && { requireTls }),
      },
      deliveries: [
        {
          messageId: 'm',
          seq: 0,
          recipient: 'r@them.test',
          domain: 'them.test',
          destination: 'mx:them.test',
          state: 'active',
          dueAt: 0,
          expiresAt: 0,
          attemptCount,
        },
      ],
      body: {
        sizeBytes: bytes.length,
        bytes: () => bytes,
        async *stream() {
          yield bytes
        },
      },
    }
    let result: TransportResult | undefined
    const done = relay.deliver(job, new AbortController().signal).then((one) => (result = one))
    for (let i = 0; i < 50 && result === undefined; i++) await clock.settle()
    await done
    assert.ok(result !== undefined)
    const [outcome] = result.outcomes
    const host = result.report.hosts.at(-1)
    const words = outcome?.kind === 'delivered' ? 'delivered' : `${outcome?.kind} ${outcome?.status}`
    return { words, reused: host?.reused === true, policy: host?.policy, destination: result.destination }
  }
  return { deliver, peer }
}

const enforced: DnsData = { txt: { '_mta-sts.them.test': ['v=STSv1; id=1'] } }

it('a session that was opened for a waived policy serves messages that waive it, and no other', async () => {
  const { deliver, peer } = world(enforced)
  const first = await deliver(waiving)
  assert.deepEqual([first.words, first.reused], ['delivered', false])
  assert.equal(first.policy, 'TLS-Required: No; relay.tls: may')
  const other = await deliver(usual)
  assert.deepEqual([other.words, other.reused], ['deferred 4.7.4', false])
  assert.equal(other.policy, 'MTA-STS enforce, id 1')
  const again = await deliver(waiving)
  assert.deepEqual([again.words, again.reused], ['delivered', true])
  assert.equal(peer.messages.length, 2)
})

it('a message with REQUIRETLS takes no session that was opened without it, and does not waive it', async () => {
  const { deliver, peer } = world({})
  assert.equal((await deliver(usual)).words, 'delivered')
  assert.equal((await deliver(usual, { requireTls: true })).words, 'failed 5.7.10')
  // RFC 8689 section 4.1: with both, REQUIRETLS counts.
  assert.equal((await deliver(waiving, { requireTls: true })).words, 'failed 5.7.10')
  assert.equal(peer.messages.length, 1)
})

it('a record that cannot be looked up is waited for at three attempts, without blocking the destination', async () => {
  const { deliver } = world({ fail: ['_mta-sts.them.test'] })
  for (const attemptCount of [1, 3]) {
    const waits = await deliver(usual, { attemptCount })
    assert.deepEqual([waits.words, waits.destination], ['deferred 4.4.3', 'up'])
  }
  assert.equal((await deliver(waiving)).words, 'delivered')
  const on = await deliver(usual, { attemptCount: 4 })
  assert.equal(on.words, 'delivered')
  assert.match(on.policy ?? '', /SERVFAIL, at attempt 4: going on without/)
})
