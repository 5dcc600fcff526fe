// What one order does to the record of a certificate while others change it, and when the next one is due.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import {
  type AcmeDirectory,
  type AcmeDirectoryOptions,
  startAcmeDirectory,
} from '../../test/support/acme-directory.ts'
import type { Clock } from '../base/clock.ts'
import { silentLog } from '../base/log.ts'
import { silentMetrics } from '../base/metrics.ts'
import { createFakeResolver } from '../dns/fake-resolver.ts'
import { realClock } from '../net/real-clock.ts'
import { createMemoryStore } from '../store/memory/memory-store.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { HttpChallenges } from './acme-challenges.ts'
import { AcmeKeeper } from './acme-keeper.ts'
import { Certificates } from './certificates.ts'

/** It stands: what is asked for in the moment of the last certificate is asked for all the same. Deadlines are real. */
const began = realClock.now()
const clock: Clock = { ...realClock, now: () => began }
const hostname = 'mx.here.test'
const hour = 3_600_000

interface World {
  readonly keeper: AcmeKeeper
  readonly directory: AcmeDirectory
  /** What happens while an order is under way. */
  during: () => Promise<unknown>
}

async function open(t: TestContext, some: Partial<AcmeDirectoryOptions> = {}): Promise<World> {
  const documents = createMemoryStore({ clock })
  const challenges = new HttpChallenges(documents, clock)
  const web = createServer((request, response) => {
    const token = (request.url ?? '').replace('/.well-known/acme-challenge/', '')
    void challenges.answerTo(token).then((answer) => response.end(answer))
  })
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
  const { port } = web.address() as AddressInfo
  const directory = await startAcmeDirectory({ clock, httpPort: () => port, ...some })
  const dataDir = await mkdtemp(join(tmpdir(), 'posthouse-keeper-'))
  const certificates = await Certificates.open({
    config: { tls: { kind: 'self-signed' }, dataDir, hostname },
    clock,
    log: silentLog,
  })
  assert.ok(certificates !== undefined)
  const world: { during: World['during'] } = { during: async () => {} }
  const keeper = new AcmeKeeper({
    acme: {
      directory: directory.url,
      ca: directory.authority.root,
      email: undefined,
      externalAccount: undefined,
      names: [],
      challenge: 'http-01',
      dnsHook: undefined,
      dnsWaitMs: 0,
      keyType: 'ecdsa',
    },
    hostname,
    keepsKeys: true,
    certificates,
    documents,
    solver: {
      type: 'http-01',
      present: (all) => challenges.present(all),
      async remove(all) {
        await world.during()
        await challenges.remove(all)
      },
    },
    wanted: () => [{ id: hostname, names: [hostname] }],
    resolver: () => createFakeResolver({ a: { [hostname]: ['192.0.2.1'] } }),
    clock,
    random: seededRandom(1),
    log: silentLog,
    metrics: silentMetrics,
    deadlineMs: 20_000,
  })
  t.after(async () => {
    await keeper.stop()
    certificates.close()
    web.closeAllConnections()
    web.close()
    await directory.close()
    await rm(dataDir, { recursive: true })
  })
  return Object.assign(world, { keeper, directory })
}

const orders = ({ directory }: World): number =>
  directory.log.filter((line) => line.startsWith('newOrder')).length

describe('the keeper of certificates', () => {
  it('a key that is announced while an order is under way is not lost, however the order ends', async (t) => {
    const world = await open(t)
    const { keeper } = world
    await keeper.run()
    const first = keeper.records[0]
    assert.equal(first?.error, undefined)
    let announced: string | undefined
    world.during = async () => {
      announced = (await keeper.announceKey(hostname)).next?.key
    }
    await keeper.renew(hostname)
    const renewed = keeper.records[0]
    assert.notEqual(renewed?.current?.chain, first?.current?.chain)
    assert.ok(announced !== undefined)
    assert.equal(renewed?.next?.key, announced)
  })

  it('the same where the order fails', async (t) => {
    const world = await open(t)
    const { keeper } = world
    await keeper.run()
    let announced: string | undefined
    world.during = async () => {
      announced = (await keeper.announceKey(hostname)).next?.key
      throw new Error('the order fails here')
    }
    await keeper.renew(hostname)
    const [failed] = keeper.records
    assert.equal(failed?.failureCount, 1)
    assert.ok(announced !== undefined)
    assert.equal(failed?.next?.key, announced)
  })

  it('an authority that always wants it renewed by yesterday is not asked each minute', async (t) => {
    const now = clock.now()
    const world = await open(t, { window: () => ({ start: now - 2 * hour, end: now - hour }) })
    for (let i = 0; i < 4; i++) await world.keeper.run()
    assert.equal(orders(world), 1)
    const [record] = world.keeper.records
    assert.ok((record?.renewAt ?? 0) > now, 'not before some hours')
    assert.ok((record?.renewAt ?? 0) < now + 24 * hour, 'soon, as it is wanted')
  })
})
