// Owns the proof that a row or a page that cannot be read is set aside and listed, and stops nothing else.

import assert from 'node:assert/strict'
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { DueQuery } from '../../queue/store.ts'
import type { NewMessage } from '../../queue/types.ts'
import { dayMs, newMessage, placementIn, sampleText, startAt } from '../sample.test.ts'
import { openForTest } from './open.test.ts'

const due: DueQuery = {
  now: startAt + dayMs,
  exclude: new Set(),
  destinationsMax: 100,
  deliveriesPerDestinationMax: 10_000,
  retry: { firstMs: 1000, factor: 2, maxMs: 1000, jitterFraction: 0 },
}

/** Changes the file behind the store's back, as damage does. */
function damage(dir: string, ...statements: readonly (readonly [string, ...string[]])[]): void {
  const db = new DatabaseSync(join(dir, 'mail.db'))
  for (const [sql, ...values] of statements) assert.ok(db.prepare(sql).run(...values).changes > 0, sql)
  db.close()
}

const waiting = (count: number): NewMessage[] =>
  Array.from({ length: count }, () => newMessage({ state: 'waiting', dueAt: startAt }))

test('a delivery whose JSON cannot be read is set aside by takeDue, listed once, and stops nothing', async (t) => {
  const { store, dir, reopen } = await openForTest(t)
  const messages = waiting(3)
  for (const message of messages) await store.accept(message)
  const [bad, noMessage, good] = messages.map(({ message }) => message.id) as [string, string, string]
  damage(
    dir,
    ["UPDATE delivery SET data = '{' WHERE message_id = ?", bad],
    ["UPDATE message SET data = 'null' WHERE id = ?", noMessage],
  )
  assert.deepEqual(
    (await store.queueList({ limit: 10 })).items.map(({ message }) => message.id),
    [good],
  )
  assert.deepEqual(
    (await store.takeDue(due)).map(({ message }) => message.id),
    [good],
  )
  assert.deepEqual(await store.takeDue(due), [])
  const keys = (await store.quarantined()).map(({ table, key }) => `${table} ${key}`)
  assert.deepEqual(keys.sort(), [`delivery ${bad}-0`, `delivery ${noMessage}-0`])
  const again = await reopen()
  await again.recover()
  assert.deepEqual(await again.takeDeadlines(startAt + 30 * dayMs, 10).then((taken) => taken.length), 1)
  // Its body stays for whoever repairs the row.
  assert.equal((await again.openBody(bad)).sizeBytes, messages[0]?.body.sizeBytes)
})

test('takeDeadlines and takeByFilter set aside what they cannot read', async (t) => {
  const { store, dir } = await openForTest(t)
  const [one, two] = waiting(2) as [NewMessage, NewMessage]
  await store.accept(one)
  damage(dir, ["UPDATE delivery SET data = 'x' WHERE message_id = ?", one.message.id])
  assert.deepEqual(await store.takeDeadlines(startAt + 30 * dayMs, 10), [])
  await store.accept(two)
  damage(dir, ['DELETE FROM message WHERE id = ?', two.message.id])
  assert.deepEqual(await store.takeByFilter({}, 10), { taken: [], busyCount: 0 })
  assert.equal((await store.quarantined()).length, 2)
})

test('a missing or short chunk fails the body alone, as corrupt', async (t) => {
  const { store, dir } = await openForTest(t)
  const missing = newMessage({ body: sampleText('x', 200_000) })
  const short = newMessage()
  const good = newMessage({ placed: ['a@x.test'] })
  for (const message of [missing, short, good]) await store.accept(message)
  damage(
    dir,
    ['DELETE FROM body WHERE id = (SELECT body_id + 1 FROM message WHERE id = ?)', missing.message.id],
    ["UPDATE body SET bytes = x'00' WHERE id = (SELECT body_id FROM message WHERE id = ?)", short.message.id],
  )
  await assert.rejects(store.openBody(missing.message.id), { name: 'StoreFailure', code: 'corrupt' })
  await assert.rejects(store.openBody(short.message.id), { name: 'StoreFailure', code: 'corrupt' })
  await store.openBody(good.message.id)
  const settle = (id: string) =>
    store.settle({
      changes: [{ messageId: id, seq: 0, to: { kind: 'remove', placement: placementIn('a@x.test') } }],
      newMessages: [],
      events: [],
    })
  await settle(missing.message.id)
  assert.equal((await store.mailList({ limit: 10 })).items.length, 2, 'the settle is written all the same')
})

test('an account that cannot be read is reported, the others are listed', async (t) => {
  const { store, dir } = await openForTest(t)
  for (const name of ['a@x.test', 'b@x.test']) await store.accountPut({ name, enabled: true, createdAt: 1 })
  damage(dir, ["UPDATE account SET data = '[' WHERE name = ?", 'a@x.test'])
  assert.deepEqual(
    (await store.accountList()).map(({ name }) => name),
    ['b@x.test'],
  )
  await assert.rejects(store.accountGet('a@x.test'), { code: 'corrupt' })
  assert.deepEqual((await store.quarantined())[0]?.key, 'a@x.test')
})

test('an event that cannot be read does not hide the others', async (t) => {
  const { store, dir } = await openForTest(t)
  const message = newMessage()
  await store.accept(message)
  await store.settle({
    changes: [],
    newMessages: [],
    events: [{ messageId: message.message.id, at: startAt, kind: 'note', data: {} }],
  })
  damage(dir, ["UPDATE message SET events = '}' WHERE id = ?", message.message.id])
  const events = (await store.messageView(message.message.id))?.events ?? []
  assert.deepEqual(
    events.map(({ data }) => data),
    [{ text: 'an event could not be read' }, {}],
  )
})

for (const table of ['delivery', 'message'])
  test(`a damaged page of ${table}: the rows on other pages are taken and listed`, async (t) => {
    const { store, dir, reopen } = await openForTest(t, { pageBytes: 4096 })
    const messages = waiting(300)
    await Promise.all(messages.map((message) => store.accept(message)))
    const active = newMessage({ state: 'active' })
    await store.accept(active)
    await store.close()
    const middle = messages[150]?.message.id ?? ''
    const lost = spoilPage(join(dir, 'mail.db'), table, middle)
    const again = await reopen()
    await again.recover()
    const taken = await again.takeDue(due)
    const ids = new Set(taken.map(({ message }) => message.id))
    assert.equal(ids.size, taken.length)
    assert.ok(!ids.has(middle), 'its page is damaged')
    assert.ok(ids.size >= 301 - lost && ids.size < 301, `${ids.size} taken, at most ${lost} lost`)
    assert.ok(ids.has(active.message.id), 'what was active waited after the recovery')
    assert.deepEqual(await again.takeDue(due), [], 'nothing is taken again and again')
    const next = await again.nextDueAt(new Set())
    assert.ok(next === undefined || next > due.now, 'and nothing is due in the past')
    assert.ok((await again.quarantined()).length > 0)
    const listed = await again.queueList({ limit: 1000 })
    assert.ok(listed.items.length >= 301 - lost)
    await again.accept(newMessage())
  })

/** Overwrites the leaf that holds `id` in a table's own tree. Returns how many of the rows it may have held. */
function spoilPage(path: string, table: string, id: string): number {
  const db = new DatabaseSync(path, { readOnly: true })
  const pages = db
    .prepare(
      "SELECT pageno, ncell FROM dbstat WHERE name = ? AND pagetype = 'leaf' AND aggregate = FALSE ORDER BY pageno",
    )
    .all(table) as unknown as { pageno: number; ncell: number }[]
  db.close()
  const bytes = readFileSync(path)
  for (const { pageno, ncell } of pages) {
    const page = bytes.subarray((pageno - 1) * 4096, pageno * 4096)
    if (!page.includes(id)) continue
    const file = openSync(path, 'r+')
    writeSync(file, Buffer.alloc(4096, 0xff), 0, 4096, (pageno - 1) * 4096)
    closeSync(file)
    return ncell + 1
  }
  throw new Error('the row is on no page')
}
