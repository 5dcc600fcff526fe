// MTA-STS policies in a small world: record, fetch, life, restart, failures. RFC 8461 sections 3 and 5.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createFakeResolver, type DnsData } from '../dns/fake-resolver.ts'
import type { Resolver } from '../dns/resolver.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import {
  type StsAnswer,
  type StsEntry,
  StsPolicies,
  type StsPoliciesOptions,
  type StsPolicyStore,
} from './sts-policies.ts'

const day = 86_400_000
const never = new AbortController().signal
const record = (id: string): DnsData => ({ txt: { '_mta-sts.them.test': [`v=STSv1; id=${id};`] } })
const policy = (mode: string, maxAgeSeconds = 864_000): string =>
  `version: STSv1\nmode: ${mode}\nmx: mx.them.test\nmax_age: ${maxAgeSeconds}\n`

class World {
  readonly clock = new VirtualClock()
  readonly documents = new Map<string, unknown>()
  readonly urls: string[] = []
  dns: DnsData = record('1')
  page: string | Error | 'silence' = policy('enforce')
  txtCount = 0

  policies(some: Partial<StsPoliciesOptions> = {}): StsPolicies {
    const resolver: Pick<Resolver, 'txt'> = {
      txt: (name, options) => {
        this.txtCount++
        return createFakeResolver(this.dns).txt(name, options)
      },
    }
    const store: StsPolicyStore = {
      get: async (domain) => this.documents.get(domain),
      put: async (domain, entry) => void this.documents.set(domain, JSON.parse(JSON.stringify(entry))),
      list: async (limit, after = '') =>
        [...this.documents]
          .filter(([domain]) => domain > after)
          .sort()
          .slice(0, limit)
          .map(([domain, data]) => ({ domain, data })),
    }
    return new StsPolicies({
      clock: this.clock,
      resolver: resolver as Resolver,
      fetch: async (url) => {
        this.urls.push(url)
        if (this.page === 'silence') return new Promise(() => {})
        if (this.page instanceof Error) throw this.page
        return this.page
      },
      store,
      ...some,
    })
  }
}

const ask = (policies: StsPolicies, domain = 'them.test'): Promise<StsAnswer> =>
  policies.policyFor(domain, never)
const brief = (answer: StsAnswer): string =>
  answer.kind === 'policy' ? `${answer.policy.mode} ${answer.policy.id}` : answer.kind

describe('MTA-STS policies', () => {
  it('a policy is fetched once, from the well-known place, and kept', async () => {
    const w = new World()
    const policies = w.policies()
    assert.equal(brief(await ask(policies)), 'enforce 1')
    assert.equal(brief(await ask(policies)), 'enforce 1')
    assert.deepEqual(w.urls, ['https://mta-sts.them.test/.well-known/mta-sts.txt'])
  })

  it('questions at the same time make one fetch', async () => {
    const w = new World()
    const policies = w.policies()
    await Promise.all([ask(policies), ask(policies), ask(policies)])
    assert.equal(w.urls.length, 1)
  })

  it('a domain without a record pays one question, and no fetch', async () => {
    const w = new World()
    w.dns = {}
    assert.equal(brief(await ask(w.policies())), 'none')
    assert.deepEqual([w.txtCount, w.urls.length], [1, 0])
  })

  it('a kept policy counts after a restart, until it ends', async () => {
    const w = new World()
    await ask(w.policies())
    w.dns = { fail: ['_mta-sts.them.test'] }
    const again = w.policies()
    assert.equal(brief(await ask(again)), 'enforce 1')
    w.dns = {}
    assert.equal(brief(await ask(again)), 'enforce 1')
    await w.clock.advance(11 * day)
    assert.equal(brief(await ask(again)), 'none')
    w.dns = { timeout: [], fail: ['_mta-sts.them.test'] }
    assert.equal(brief(await ask(again)), 'temporary')
    assert.equal(w.urls.length, 1)
  })

  it('another id makes another fetch; where that fails the older one stays', async () => {
    const w = new World()
    const policies = w.policies()
    await ask(policies)
    w.dns = record('2')
    w.page = new Error('status 500')
    const kept = await ask(policies)
    assert.equal(brief(kept), 'enforce 1')
    assert.match(kept.kind === 'policy' ? (kept.note ?? '') : '', /status 500/)
    await w.clock.advance(300_000)
    w.page = policy('testing')
    assert.equal(brief(await ask(policies)), 'testing 2')
  })

  it('a policy that says none ends the older one', async () => {
    const w = new World()
    const policies = w.policies()
    await ask(policies)
    w.dns = record('2')
    w.page = policy('none')
    assert.equal(brief(await ask(policies)), 'none')
  })

  const bad: readonly (readonly [string, string | Error | 'silence', RegExp])[] = [
    ['an error', new Error('certificate is for another name'), /another name/],
    ['silence', 'silence', /no answer within 20000 ms/],
    ['no policy', '<html>', /not valid/],
    ['a policy without hosts', 'version: STSv1\nmode: enforce\nmax_age: 86400\n', /no mx/],
  ]
  for (const [title, page, reason] of bad)
    it(`${title} is as if there were none, and is not fetched again at once`, async () => {
      const w = new World()
      w.page = page
      const policies = w.policies()
      const asked = ask(policies)
      if (page === 'silence') await w.clock.advance(20_000)
      const answer = await asked
      assert.equal(answer.kind, 'none')
      assert.match(answer.kind === 'none' ? answer.reason : '', reason)
      assert.equal(answer.kind === 'none' && answer.failure?.startsWith('sts-policy-'), true)
      await ask(policies)
      assert.equal(w.urls.length, 1)
      w.page = policy('enforce')
      await w.clock.advance(300_000)
      assert.equal(brief(await ask(policies)), 'enforce 1')
    })

  it('a waiter that leaves does not stop the fetch of the others', async () => {
    const w = new World()
    const abort = new AbortController()
    let give: (text: string) => void = () => {}
    const policies = w.policies({ fetch: () => new Promise((resolve) => (give = resolve)) })
    const left = policies.policyFor('them.test', abort.signal)
    const stays = ask(policies)
    await w.clock.settle()
    abort.abort(new Error('gone'))
    await assert.rejects(left, /gone/)
    give(policy('enforce'))
    assert.equal(brief(await stays), 'enforce 1')
  })

  it('past the half of its life a policy is renewed, also when nobody asks', async () => {
    const w = new World()
    await ask(w.policies())
    await w.clock.advance(4 * day)
    const later = w.policies()
    await later.renewDue()
    assert.equal(w.urls.length, 1)
    await w.clock.advance(2 * day)
    await later.renewDue()
    assert.equal(w.urls.length, 2)
    const kept = w.documents.get('them.test') as StsEntry
    assert.equal(kept.expiresAt, w.clock.now() + 10 * day)
    w.page = new Error('status 404')
    await w.clock.advance(6 * day)
    await later.renewDue()
    assert.equal(brief(await ask(later)), 'enforce 1')
  })

  it('what a store gives back that is no policy is none', async () => {
    const w = new World()
    w.dns = {}
    for (const data of [null, 1, {}, { id: '1', mode: 'enforce', mx: [1] }]) {
      w.documents.set('them.test', data)
      assert.equal(brief(await ask(w.policies())), 'none')
    }
  })
})
