// Owns the tests of migration 2: mail of version 1 is there with all it had, and can be taken back.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { sampleText, startAt } from '../sample.test.ts'
import { parseSearch } from '../search-syntax.ts'
import { openForTest, temporaryFolder } from './open.test.ts'
import { migrate, migrations } from './schema.ts'
import { downgradeStore } from './sqlite-store.ts'

const idOf = (n: number): string => `1k7vcv9d5${String(n).padStart(11, '0')}`

/** As version 1 wrote it: a row for each recipient, a body for each message. */
function writeVersion1(path: string): DatabaseSync {
  const db = new DatabaseSync(path)
  db.exec('PRAGMA page_size = 8192; PRAGMA journal_mode = WAL')
  migrate(db, path, migrations.slice(0, 1))
  const run = (sql: string, ...values: (string | number | Uint8Array | null)[]): void =>
    void db.prepare(sql).run(...values)
  run("INSERT INTO mailbox VALUES (3, 'a@x.test', 'INBOX', 77, 40, 39), (9, 'capture', 'INBOX', 78, 2, 1)")
  let uid = 1
  for (let n = 0; n < 12; n++) {
    const body = Buffer.from(sampleText(`old ${n}`))
    const message = {
      id: idOf(n),
      receivedAt: startAt,
      reversePath: 's@y.test',
      sizeBytes: body.length,
      smtputf8: false,
      body8bit: false,
      origin: { via: 'smtp' },
    }
    run('INSERT INTO body VALUES (?, ?)', 100 + n, body)
    run(
      'INSERT INTO message VALUES (?, ?, ?, ?, 1, NULL, ?, NULL)',
      idOf(n),
      startAt,
      body.length,
      100 + n,
      JSON.stringify(message),
    )
    for (let seq = 0; seq <= n % 3; seq++)
      run(
        `INSERT INTO mailbox_message VALUES (?, ?, ?, ?, ?, 1, '', 'P: x' || char(13, 10), ?, ?, 1, NULL, 's@y.test', ?, 'From', 'To', ?)`,
        3,
        uid++,
        idOf(n),
        seq,
        // Two of each instant, and not in the order of their uids.
        startAt + 1000 * (5 - (n >> 1)),
        body.length + 6,
        100 + n,
        `r${seq}@x.test`,
        `old ${n}`,
      )
  }
  return db
}

const shape = (db: DatabaseSync): unknown =>
  db
    .prepare("SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name")
    .all()
    .map((row) => ({ ...row, sql: String(row.sql).replace(/\s+/g, ' ') }))

test('mail of version 1: one row for each message, in order, counted, found; and back again', async (t) => {
  const dir = await temporaryFolder(t)
  const path = join(dir, 'mail.db')
  const old = writeVersion1(path)
  const before = shape(old)
  old.close()
  const { store } = await openForTest(t, { dir })
  const { items } = await store.mailPage({ limit: 100, order: 'oldest' })
  assert.deepEqual(
    items.map(({ id, recipients, recipientCount }) => [id, recipientCount, recipients.length]),
    [10, 11, 8, 9, 6, 7, 4, 5, 2, 3, 0, 1].map((n) => [idOf(n), 1 + (n % 3), 1 + (n % 3)]),
  )
  assert.deepEqual(items[1]?.recipients, ['r0@x.test', 'r1@x.test', 'r2@x.test'])
  assert.ok(items.every(({ unread, tags }) => unread && tags.length === 0))
  const sizeBytes = items.reduce((sum, item) => sum + item.sizeBytes, 0)
  assert.deepEqual(await store.mailboxes(), [
    { account: 'a@x.test', mailbox: 'INBOX', total: 12, unread: 12, sizeBytes },
    { account: 'capture', mailbox: 'INBOX', total: 0, unread: 0, sizeBytes: 0 },
  ])
  const search = parseSearch('hello subject:7', startAt).terms
  assert.deepEqual(
    (await store.mailPage({ limit: 10, search })).items.map(({ id }) => id),
    [idOf(7)],
  )
  const read = await store.mailRead(idOf(7))
  assert.equal(Buffer.from(read?.body.bytes() ?? []).toString(), sampleText('old 7'))
  assert.equal((await store.mailRemove({ ids: [idOf(0)] })).count, 1)
  await store.close()

  assert.equal(downgradeStore(dir), 1)
  const back = new DatabaseSync(path)
  assert.deepEqual(shape(back), before)
  assert.equal(back.prepare('SELECT count(*) AS n FROM mailbox_message').get()?.n, 11)
  assert.equal(
    back.prepare('SELECT recipient FROM mailbox_message WHERE message_id = ?').get(idOf(11))?.recipient,
    'r0@x.test',
  )
  back.close()
  const again = await openForTest(t, { dir })
  assert.equal(
    (await again.store.mailPage({ limit: 10, search })).items.length,
    1,
    'with an index of its own',
  )
})

test('more rows in one instant than have room in it keep their order', async (t) => {
  const dir = await temporaryFolder(t)
  const path = join(dir, 'mail.db')
  const db = writeVersion1(path)
  db.exec(`WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 3000)
    INSERT INTO mailbox_message SELECT 9, n, printf('1k7vcv9d6%011d', n), 0, ${startAt}, 1, '', '', 5, NULL, 0, NULL,
      '', 'r@x.test', '', '', '' FROM c`)
  db.close()
  const { store } = await openForTest(t, { dir })
  const ids = (
    await Promise.all(
      ['oldest' as const].map((order) => store.mailPage({ limit: 1000, order, account: 'capture' })),
    )
  ).flatMap(({ items }) => items.map(({ id }) => id))
  assert.equal(ids.length, 1000)
  assert.deepEqual(ids, [...ids].sort())
  assert.equal((await store.mailCounts({})).total, 3012)
})
