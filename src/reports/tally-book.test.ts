import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Documents } from '../store/mail-view.ts'
import { createMemoryStore } from '../store/memory/memory-store.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { dayLast, dayMs, dayOf, dayOver, dayStart } from './report-day.ts'
import type { Tallied, TallyLimits } from './report-kinds.ts'
import { TallyBook } from './tally-book.ts'
import { mergeTally, readTallyPart, type TallyPart } from './tally-parts.ts'

const noon = Date.parse('2026-11-21T12:00:00Z')
const limits: TallyLimits = { keysMax: 10, domainsMax: 3 }

function world(some: Partial<TallyLimits> = {}, memoryKeysMax?: number) {
  const clock = new VirtualClock(noon)
  const documents: Documents = createMemoryStore({ clock })
  const open = (): TallyBook =>
    new TallyBook({
      clock,
      documents,
      limits: { 'tls-rpt': { ...limits, ...some } },
      ...(memoryKeysMax !== undefined && { memoryKeysMax }),
    })
  return { clock, documents, open }
}

const counts = (entries: readonly Tallied[] = []): Record<string, number> =>
  Object.fromEntries(entries.map(({ key, count }) => [key, count]))

async function all<T>(list: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const one of list) found.push(one)
  return found
}

describe('the tally book', () => {
  it('counts in memory, and writes by itself after a few seconds', async () => {
    const { clock, documents, open } = world()
    const book = open()
    book.add('tls-rpt', 'a.test', 'ok', { is: 'ok' })
    book.add('tls-rpt', 'a.test', 'ok', { is: 'another' })
    book.add('tls-rpt', 'a.test', 'bad', null)
    assert.equal((await documents.documentList('report-tally', 10)).length, 0)
    await clock.advance(5000)
    const tally = await book.read('tls-rpt', '2026-11-21', 'a.test')
    assert.deepEqual(counts(tally?.entries), { ok: 2, bad: 1 })
    assert.deepEqual(tally?.entries.find(({ key }) => key === 'ok')?.data, { is: 'ok' })
    assert.equal(tally?.startAt, Date.parse('2026-11-21T00:00:00Z'))
    assert.equal(tally?.endAt, Date.parse('2026-11-21T23:59:59Z'))
  })

  it('adds to what an earlier process wrote, and writes at the stop', async () => {
    const { open } = world()
    const first = open()
    first.add('tls-rpt', 'a.test', 'ok', 1)
    await first.close()
    first.add('tls-rpt', 'a.test', 'ok', 1)
    const second = open()
    second.add('tls-rpt', 'a.test', 'ok', 1)
    await second.close()
    assert.deepEqual(counts((await second.read('tls-rpt', '2026-11-21', 'a.test'))?.entries), { ok: 2 })
  })

  it('an event belongs to the day on which it was, whenever it is written', async () => {
    const { clock, open } = world()
    const book = open()
    await clock.advance(dayMs / 2 - 1)
    book.add('tls-rpt', 'a.test', 'late', 1)
    await clock.advance(1)
    book.add('tls-rpt', 'a.test', 'early', 1)
    await book.flush()
    assert.deepEqual(await book.days('tls-rpt'), ['2026-11-21', '2026-11-22'])
    assert.deepEqual(counts((await book.read('tls-rpt', '2026-11-21', 'a.test'))?.entries), { late: 1 })
    assert.deepEqual(counts((await book.read('tls-rpt', '2026-11-22', 'a.test'))?.entries), { early: 1 })
  })

  it('bounded: keys of a domain, domains of a day, events in memory; what is too much is counted as dropped', async () => {
    const { open } = world()
    const book = open()
    for (let i = 0; i < 25; i++) book.add('tls-rpt', 'a.test', `key ${i}`, i)
    for (const domain of ['b.test', 'c.test', 'd.test']) book.add('tls-rpt', domain, 'ok', 1)
    await book.flush()
    const tally = await book.read('tls-rpt', '2026-11-21', 'a.test')
    assert.equal(tally?.entries.length, 10)
    assert.equal(tally?.droppedCount, 15)
    assert.deepEqual(await all(book.domains('tls-rpt', '2026-11-21')), ['a.test', 'b.test', 'c.test'])
    // A new process knows which domains the day has.
    const next = open()
    next.add('tls-rpt', 'e.test', 'ok', 1)
    next.add('tls-rpt', 'c.test', 'ok', 1)
    await next.flush()
    assert.deepEqual(await all(next.domains('tls-rpt', '2026-11-21')), ['a.test', 'b.test', 'c.test'])
    assert.deepEqual(counts((await next.read('tls-rpt', '2026-11-21', 'c.test'))?.entries), { ok: 2 })

    const small = world({ keysMax: 100 }, 5).open()
    for (let i = 0; i < 20; i++) small.add('tls-rpt', 'a.test', `key ${i}`, i)
    await small.flush()
    const kept = await small.read('tls-rpt', '2026-11-21', 'a.test')
    assert.equal((kept?.entries.length ?? 0) + (kept?.droppedCount ?? 0), 20)
    assert.equal(kept?.entries.length, 4)
  })

  const failingWhere = (documents: Documents, fails: (key: string) => boolean): Documents => ({
    documentPut: (document, ifVersion) =>
      fails(document.key)
        ? Promise.reject(new Error('disk full'))
        : documents.documentPut(document, ifVersion),
    documentGet: (kind, key) => documents.documentGet(kind, key),
    documentList: (kind, limit, after) => documents.documentList(kind, limit, after),
    documentDelete: (kind, key) => documents.documentDelete(kind, key),
    documentPrune: (now, max) => documents.documentPrune(now, max),
  })

  it('a store that fails for a while loses nothing', async () => {
    const { clock, documents } = world()
    let fails = true
    const faulty = failingWhere(documents, () => fails)
    const book = new TallyBook({ clock, documents: faulty, limits: { 'tls-rpt': limits } })
    book.add('tls-rpt', 'a.test', 'ok', 1)
    await clock.advance(5000)
    book.add('tls-rpt', 'a.test', 'ok', 1)
    assert.equal(await book.read('tls-rpt', '2026-11-21', 'a.test'), undefined)
    fails = false
    await clock.advance(5000)
    assert.deepEqual(counts((await book.read('tls-rpt', '2026-11-21', 'a.test'))?.entries), { ok: 2 })
  })

  it('a store that fails in the middle: what was written is not written again', async () => {
    const { clock, documents } = world()
    let fails = true
    const faulty = failingWhere(documents, (key) => fails && key.endsWith('/0001'))
    const book = new TallyBook({
      clock,
      documents: faulty,
      limits: { 'tls-rpt': { keysMax: 60, domainsMax: 3 } },
    })
    for (let i = 0; i < 70; i++) book.add('tls-rpt', 'a.test', `key ${i}`, 'x'.repeat(1500))
    await clock.advance(5000)
    book.add('tls-rpt', 'a.test', 'key 0', 'x')
    await clock.advance(5000)
    fails = false
    await clock.advance(5000)
    const tally = await book.read('tls-rpt', '2026-11-21', 'a.test')
    const found = counts(tally?.entries)
    assert.equal(found['key 0'], 2)
    assert.equal(found['key 59'], 1)
    assert.equal(
      Object.values(found).reduce((sum, one) => sum + one, tally?.droppedCount ?? 0),
      71,
    )
    assert.equal(tally?.droppedCount, 10)
  })

  it('a store that fails for long: what waits in memory stays bounded, be it of ever new domains', async () => {
    const { clock, documents } = world()
    let fails = true
    const faulty = failingWhere(documents, () => fails)
    const book = new TallyBook({
      clock,
      documents: faulty,
      limits: { 'tls-rpt': { keysMax: 100, domainsMax: 1000 } },
      memoryKeysMax: 20,
    })
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 50; i++) book.add('tls-rpt', `d${round}-${i}.test`, 'ok', 1)
      void book.flush()
      // While it is being written.
      for (let i = 0; i < 50; i++) book.add('tls-rpt', `e${round}-${i}.test`, 'ok', 1)
      await clock.advance(5000)
    }
    fails = false
    await clock.advance(5000)
    const kept = await all(book.domains('tls-rpt', '2026-11-21'))
    assert.ok(kept.length >= 10 && kept.length <= 21, `${kept.length} domains`)
  })

  it('kinds that are not collected cost nothing; what was reported goes', async () => {
    const { documents, open } = world()
    const book = open()
    book.add('dmarc-aggregate', 'a.test', 'ok', 1)
    book.add('tls-rpt', 'a.test', 'ok', 1)
    book.add('tls-rpt', 'a.test-b.test', 'ok', 1)
    await book.flush()
    assert.deepEqual(await book.days('dmarc-aggregate'), [])
    await book.remove('tls-rpt', '2026-11-21', 'a.test')
    assert.deepEqual(await all(book.domains('tls-rpt', '2026-11-21')), ['a.test-b.test'])
    assert.equal((await documents.documentList('report-tally', 10)).length, 1)
  })
})

describe('the parts of a tally', () => {
  it('nothing is lost or counted twice, every part fits into a document, whatever comes', () => {
    const event = fc.record(
      {
        key: fc.string({ maxLength: 30 }),
        count: fc.integer({ min: 1, max: 1000 }),
        data: fc.string({ maxLength: 2000 }),
      },
      { noNullPrototype: true },
    )
    const batch = fc.uniqueArray(event, { selector: ({ key }) => key, maxLength: 120 })
    fc.assert(
      fc.property(fc.array(batch, { maxLength: 4 }), fc.integer({ min: 1, max: 150 }), (batches, keysMax) => {
        let parts: readonly TallyPart[] = []
        let sum = 0
        for (const more of batches) {
          const before = parts
          const change = mergeTally(parts, more, { keysMax, dropped: 1 })
          parts = change.parts
          sum += more.reduce((total, { count }) => total + count, 1)
          parts.forEach((part, index) => {
            if (!change.changed.includes(index)) assert.deepEqual(part, before[index])
          })
        }
        const kept = parts.flatMap(({ entries }) => entries)
        assert.equal(new Set(kept.map(({ key }) => key)).size, kept.length)
        assert.ok(kept.length <= keysMax)
        assert.equal(
          kept.reduce((total, { count }) => total + count, parts[0]?.droppedCount ?? 0),
          sum,
        )
        for (const part of parts) {
          assert.ok(Buffer.byteLength(JSON.stringify(part)) < 256 * 1024)
          assert.deepEqual(readTallyPart(JSON.parse(JSON.stringify(part))), part)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('what is no part of ours is none', () => {
    for (const data of [null, 1, 'x', [], {}, { entries: 1, droppedCount: 0 }, { entries: [] }])
      assert.equal(readTallyPart(data), undefined)
    assert.deepEqual(
      readTallyPart({ entries: [1, { key: 'a', count: 1, data: 2 }], droppedCount: 0 })?.entries,
      [{ key: 'a', count: 1, data: 2 }],
    )
  })
})

it('days are those of UTC', () => {
  assert.equal(dayOf(noon), '2026-11-21')
  assert.equal(dayOver('2026-12-31'), Date.parse('2027-01-01T00:00:00Z'))
  assert.equal(dayLast('2026-11-21'), Date.parse('2026-11-21T23:59:59Z'))
  for (const text of ['', '2026-11', '2026-13-01', '2026-11-21T00', 'today'])
    assert.ok(Number.isNaN(dayStart(text)))
})
