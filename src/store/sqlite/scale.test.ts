// Owns the proof that what waits costs disk and not time: plans of the queue's queries, and deferred mail by the thousand.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { DueQuery } from '../../queue/store.ts'
import { dayMs, newMessage, sampleText, startAt } from '../sample.test.ts'
import { mailWriterQueries } from './mail-writer-queries.ts'
import { openForTest } from './open.test.ts'
import { readerQueries } from './reader-queries.ts'
import { writerQueries } from './writer-queries.ts'

const due: DueQuery = {
  now: startAt + dayMs,
  exclude: new Set(),
  destinationsMax: 100,
  deliveriesPerDestinationMax: 100,
  retry: { firstMs: 1000, factor: 2, maxMs: 1000, jitterFraction: 0 },
}

/** Run at the start, or after damage. */
const mayScan = new Set(['deliveryRecover', 'deliveryRecoverHeld'])

test('no statement of the writer scans or sorts the rows of mail', async (t) => {
  const { store, dir } = await openForTest(t)
  await store.close()
  const db = new DatabaseSync(join(dir, 'mail.db'))
  const plan = (sql: string): string =>
    db
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map((row) => row.detail)
      .join('; ')
  for (const [name, sql] of Object.entries({ ...writerQueries, ...mailWriterQueries })) {
    if (mayScan.has(name)) continue
    const steps = plan(sql)
    assert.doesNotMatch(
      steps,
      /SCAN (delivery|message|event|body|mail|mail_tag|document)(?! USING (COVERING )?INDEX)/,
      name,
    )
    assert.doesNotMatch(steps, /TEMP B-TREE/, name)
  }
  for (const name of ['waitingCounts', 'heldCounts'] as const)
    assert.match(
      plan(readerQueries[name]),
      /^SCAN delivery USING COVERING INDEX delivery_(waiting|held)$/,
      name,
    )
  db.close()
})

test('20,000 deferred deliveries to blocked destinations cost a takeDue nothing', async (t) => {
  const { store } = await openForTest(t)
  const free = newMessage({ destination: 'free', state: 'waiting', dueAt: startAt })
  await store.accept(free)
  const costMs = async (): Promise<number> => {
    let best = Infinity
    for (let i = 0; i < 40; i++) {
      const start = performance.now()
      assert.equal((await store.takeDue(due)).length, 1)
      best = Math.min(best, performance.now() - start)
      await store.settle({
        changes: free.deliveries.map((delivery) => ({
          messageId: delivery.messageId,
          seq: 0,
          to: { kind: 'update', delivery },
        })),
        newMessages: [],
        events: [],
      })
    }
    return best
  }
  const alone = await costMs()
  for (let i = 0; i < 20; i++) {
    await store.setDestination({
      destination: `down${i}`,
      failureCount: 1,
      blockedUntil: startAt + 2 * dayMs,
      downSince: startAt,
      lastError: 'x',
    })
    await store.accept(
      newMessage({
        destination: `down${i}`,
        state: 'waiting',
        dueAt: startAt,
        recipients: Array.from({ length: 1000 }, (_, n) => `u${n}@down${i}.example`),
      }),
    )
  }
  const crowded = await costMs()
  // A scan of 20,000 rows takes 5 ms and more, a look-up some 50 us.
  assert.ok(crowded < alone * 4 + 0.5, `${crowded} ms with them, ${alone} ms without`)
  assert.equal(await store.nextDueAt(new Set(['free'])), startAt + 2 * dayMs)
})

test('many free destinations: a takeDue takes from each, fairly', async (t) => {
  const { store } = await openForTest(t)
  for (let i = 0; i < 30; i++)
    await store.accept(
      newMessage({
        destination: `d${i}`,
        state: 'waiting',
        dueAt: startAt + i,
        recipients: Array.from({ length: 20 }, (_, n) => `u${n}@d${i}.example`),
      }),
    )
  const taken = await store.takeDue({ ...due, destinationsMax: 10, deliveriesPerDestinationMax: 3 })
  const counts = new Map<string, number>()
  for (const { delivery } of taken)
    counts.set(delivery.destination, (counts.get(delivery.destination) ?? 0) + 1)
  assert.deepEqual(
    [...counts],
    Array.from({ length: 10 }, (_, i) => [`d${i}`, 3]),
  )
})

test('what one turn brings shares a commit, a lone call commits at once, large loads are cut', async (t) => {
  let commits = 0
  const { store } = await openForTest(t, { fault: (step) => void (step === 'commit' && commits++) })
  const count = async (acts: readonly Promise<void>[]): Promise<number> => {
    commits = 0
    await Promise.all(acts)
    return commits
  }
  const accepts = (n: number, bytes = 0): Promise<void>[] =>
    Array.from({ length: n }, () => store.accept(newMessage({ body: sampleText('x', bytes) })))
  // No time passes on this clock: nothing waits for a timer.
  assert.equal(await count(accepts(1)), 1)
  assert.equal(await count(accepts(100)), 1)
  assert.equal(await count(accepts(2500)), 3, 'at most 1,000 operations each')
  assert.equal(await count(accepts(50, 200_000)), 3, 'at most 4 MiB each')
})
