// The cache under virtual time, over a lookup that counts.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { type CacheOptions, type CachingResolver, createCachingResolver } from './cache.ts'
import type { Lookup, RecordType } from './lookup.ts'
import type { DnsAnswer, ResolveOptions } from './resolver.ts'

interface World {
  readonly clock: VirtualClock
  readonly asked: string[]
  readonly resolver: CachingResolver
  answer: DnsAnswer<string> | (() => Promise<DnsAnswer<string>>)
  signal: AbortSignal | undefined
}

function world(answer: World['answer'], options: Partial<CacheOptions> = {}): World {
  const clock = new VirtualClock()
  const asked: string[] = []
  const lookup = async (
    name: string,
    type: RecordType,
    options?: ResolveOptions,
  ): Promise<DnsAnswer<string>> => {
    asked.push(`${type} ${name}`)
    made.signal = options?.signal
    return typeof made.answer === 'function' ? made.answer() : made.answer
  }
  const resolver = createCachingResolver({ lookup: lookup as Lookup, clock, ...options })
  const made: World = { clock, asked, resolver, answer, signal: undefined }
  return made
}

const records = (ttlSeconds: number): DnsAnswer<string> => ({
  kind: 'records',
  records: ['192.0.2.1'],
  ttlSeconds,
  secure: false,
})
const none = (ttlSeconds: number): DnsAnswer<string> => ({
  kind: 'none',
  nameExists: false,
  ttlSeconds,
  secure: false,
})
const temporary: DnsAnswer<string> = { kind: 'temporary', reason: 'SERVFAIL' }

describe('dns cache: how long answers are kept', () => {
  const cases: readonly (readonly [string, DnsAnswer<string>, number])[] = [
    ['records for their TTL', records(300), 300],
    ['records of TTL 0 for the least time', records(0), 5],
    ['records of a long TTL for a day', records(10_000_000), 86_400],
    ['NXDOMAIN for its TTL', none(900), 900],
    ['NXDOMAIN at most an hour', none(86_400), 3600],
    ['a failure for seconds', temporary, 5],
  ]
  for (const [name, answer, seconds] of cases)
    it(name, async () => {
      const { clock, asked, resolver } = world(answer)
      await resolver.a('q.test')
      await clock.advance(seconds * 1000 - 1)
      await resolver.a('q.test')
      assert.equal(asked.length, 1)
      await clock.advance(1)
      await resolver.a('q.test')
      assert.equal(asked.length, 2)
    })

  it('says how long an answer may still be kept', async () => {
    const { clock, resolver } = world(records(300))
    await resolver.a('q.test')
    await clock.advance(100_000)
    const answer = await resolver.a('q.test')
    assert.equal(answer.kind === 'records' && answer.ttlSeconds, 200)
  })

  it('keeps no failure where told so', async () => {
    const { asked, resolver } = world(temporary, { temporarySeconds: 0 })
    await resolver.a('q.test')
    await resolver.a('q.test')
    assert.equal(asked.length, 2)
  })
})

describe('dns cache: keys', () => {
  it('one name in every spelling, each type by itself', async () => {
    const { asked, resolver } = world(records(300))
    for (const name of ['Q.test', 'q.test.', 'q.TEST']) await resolver.a(name)
    await resolver.aaaa('q.test')
    assert.deepEqual(asked, ['A q.test', 'AAAA q.test'])
  })

  it('a name that cannot be is not asked for', async () => {
    const { asked, resolver } = world(records(300))
    const answer = await resolver.mx('a..test')
    assert.equal(answer.kind === 'none' && !answer.nameExists, true)
    assert.equal(asked.length, 0)
  })

  it('is bounded; the one unused for longest goes', async () => {
    const { asked, resolver } = world(records(300), { entriesMax: 3 })
    for (const name of ['a.test', 'b.test', 'c.test', 'a.test', 'd.test', 'a.test', 'b.test'])
      await resolver.a(name)
    assert.equal(resolver.size, 3)
    assert.deepEqual(asked, ['A a.test', 'A b.test', 'A c.test', 'A d.test', 'A b.test'])
    resolver.clear()
    await resolver.a('a.test')
    assert.equal(asked.length, 6)
  })
})

describe('dns cache: memory', () => {
  const text = (length: number): DnsAnswer<string> =>
    ({ ...records(300), records: ['x'.repeat(length)] }) as never

  it('is bounded by what answers hold, too: large ones push out more', async () => {
    const { resolver, asked } = world(text(60_000), { bytesMax: 200_000 })
    for (let i = 0; i < 50; i++) await resolver.txt(`n${i}.test`)
    assert.equal(resolver.size, 3)
    assert.ok(resolver.bytes <= 200_000 && resolver.bytes > 180_000, String(resolver.bytes))
    await resolver.txt('n49.test')
    assert.equal(asked.length, 50, 'the youngest is kept')
  })

  it('one answer that is larger than all is not kept', async () => {
    const { resolver } = world(text(60_000), { bytesMax: 50_000 })
    await resolver.txt('a.test')
    assert.deepEqual([resolver.size, resolver.bytes], [0, 0])
  })

  it('counts what is replaced, expires and is cleared', async () => {
    const made = world(text(1000))
    const { resolver, clock } = made
    await resolver.txt('a.test')
    const one = resolver.bytes
    await clock.advance(400_000)
    made.answer = text(2000)
    await resolver.txt('a.test')
    assert.deepEqual([resolver.size, resolver.bytes], [1, one + 1000])
    await resolver.txt('b.test')
    resolver.clear()
    assert.deepEqual([resolver.size, resolver.bytes], [0, 0])
  })

  it('10,000 domains at once, each asked for by three: one question each, bounds kept, nothing left under way', async () => {
    const waiting: (() => void)[] = []
    const { resolver, asked } = world(
      () => new Promise((resolve) => waiting.push(() => resolve(records(300)))),
      { entriesMax: 4000 },
    )
    const names = Array.from({ length: 10_000 }, (_, i) => `d${i}.test`)
    const all = [...names, ...names, ...names].map((name) => resolver.a(name))
    for (const answer of waiting.splice(0)) answer()
    assert.ok((await Promise.all(all)).every(({ kind }) => kind === 'records'))
    assert.equal(asked.length, 10_000)
    assert.equal(resolver.size, 4000)
    // What is kept is not asked again, what was pushed out is.
    await resolver.a('d9999.test')
    assert.equal(asked.length, 10_000)
    const again = resolver.a('d0.test')
    for (const answer of waiting.splice(0)) answer()
    await again
    assert.equal(asked.length, 10_001)
  })
})

describe('dns cache: questions under way', () => {
  const pendingWorld = (): World & {
    resolve: (answer: DnsAnswer<string>) => void
    reject: (error: Error) => void
  } => {
    let resolve: (answer: DnsAnswer<string>) => void = () => {}
    let reject: (error: Error) => void = () => {}
    const made = world(
      () =>
        new Promise<DnsAnswer<string>>((yes, no) => {
          resolve = yes
          reject = no
        }),
    )
    return Object.assign(made, {
      resolve: (answer: DnsAnswer<string>) => resolve(answer),
      reject: (error: Error) => reject(error),
    })
  }

  it('are shared', async () => {
    const made = pendingWorld()
    const all = Array.from({ length: 100 }, () => made.resolver.a('q.test'))
    made.resolve(records(300))
    assert.deepEqual(new Set((await Promise.all(all)).map((answer) => answer.kind)), new Set(['records']))
    assert.equal(made.asked.length, 1)
  })

  it('outlive one waiter that leaves, not the last one', async () => {
    const made = pendingWorld()
    const [one, other] = [new AbortController(), new AbortController()]
    const first = made.resolver.a('q.test', { signal: one.signal })
    const second = made.resolver.a('q.test', { signal: other.signal })
    one.abort(new Error('one'))
    await assert.rejects(first, /one/)
    assert.equal(made.signal?.aborted, false)
    other.abort(new Error('other'))
    await assert.rejects(second, /other/)
    assert.equal(made.signal?.aborted, true)
    const third = made.resolver.a('q.test')
    assert.equal(made.asked.length, 2)
    made.resolve(records(300))
    assert.equal((await third).kind, 'records')
  })

  it('that go wrong are temporary, and are asked anew', async () => {
    const made = pendingWorld()
    const first = made.resolver.a('q.test')
    made.reject(new Error('boom'))
    assert.deepEqual(await first, { kind: 'temporary', reason: 'Error: boom' })
    void made.resolver.a('q.test')
    assert.equal(made.asked.length, 2)
  })

  it('a signal that is already aborted asks for nothing lasting', async () => {
    const made = pendingWorld()
    await assert.rejects(made.resolver.a('q.test', { signal: AbortSignal.abort(new Error('gone')) }), /gone/)
    assert.equal(made.signal?.aborted, true)
  })
})
