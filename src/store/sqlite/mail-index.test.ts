// Owns the proof that the search index can be lost, damaged, late or another's without harm to the mail, and that rows of
// kept mail which cannot be read hide no others.

import assert from 'node:assert/strict'
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import type { VirtualClock } from '../../testing/virtual-clock.ts'
import { newMessage, sampleText, startAt } from '../sample.test.ts'
import { parseSearch } from '../search-syntax.ts'
import type { Store } from '../store.ts'
import { indexName } from './indexer.ts'
import { openForTest } from './open.test.ts'

const keep = async (store: Store, subject: string, bytes = 0): Promise<string> => {
  const message = newMessage({ placed: ['a@x.test'], body: sampleText(subject, bytes) })
  await store.accept(message)
  return message.message.id
}

const find = async (store: Store, text: string): Promise<readonly string[]> =>
  (await store.mailPage({ search: parseSearch(text, startAt).terms, limit: 1000 })).items.map(({ id }) => id)

/** Changes a file behind the store's back. */
function change(dir: string, name: string, ...statements: readonly string[]): void {
  const db = new DatabaseSync(join(dir, name))
  for (const sql of statements) db.exec(sql)
  db.close()
}

const docCount = (dir: string): number => {
  const db = new DatabaseSync(join(dir, indexName), { readOnly: true })
  const { n } = db.prepare('SELECT count(*) AS n FROM doc').get() as { n: number }
  db.close()
  return n
}

test('what was committed and not yet indexed is indexed after the next start', async (t) => {
  const { store, reopen } = await openForTest(t)
  const one = await keep(store, 'first')
  assert.deepEqual(await find(store, 'first'), [one])
  const two = await keep(store, 'second')
  const again = await reopen()
  assert.deepEqual(await find(again, 'subject:first OR subject:second'), [two, one])
  assert.equal((await again.mailSummary(two))?.snippet.slice(0, 5), 'hello')
})

test('rows that went without the index hearing of it leave nothing there', async (t) => {
  const { store, dir, reopen } = await openForTest(t)
  for (let i = 0; i < 10; i++) await keep(store, `no ${i}`)
  await find(store, 'no')
  await store.close()
  assert.equal(docCount(dir), 10)
  change(dir, 'mail.db', 'DELETE FROM mail WHERE uid > 4')
  const again = await reopen()
  assert.equal((await find(again, 'no')).length, 4)
  await find(again, 'no')
  await again.close()
  assert.equal(docCount(dir), 4)
})

test('parts of the index that became empty go, those in use stay, and what they had is found no more', async (t) => {
  const { store, dir, reopen } = await openForTest(t, { partRowsMax: 4 })
  const ids: string[] = []
  for (let i = 0; i < 18; i++) ids.push(await keep(store, `no ${i}`))
  assert.equal((await find(store, 'no')).length, 18)
  const parts = (): readonly number[] => {
    const db = new DatabaseSync(join(dir, indexName), { readOnly: true })
    const tables = db
      .prepare("SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL TABLE%' ORDER BY name")
      .all() as { name: string }[]
    const rows = db.prepare('SELECT id FROM part ORDER BY id').all() as { id: number }[]
    db.close()
    assert.deepEqual(
      tables.map(({ name }) => name),
      rows.map(({ id }) => `mail_text_${id}`),
    )
    return rows.map(({ id }) => id)
  }
  assert.deepEqual(parts(), [1, 2, 3, 4, 5])
  await store.mailRemove({ ids: ids.slice(0, 9) })
  assert.deepEqual(await find(store, 'no'), ids.slice(9).reverse())
  assert.deepEqual(parts(), [3, 4, 5])
  await store.mailRemove({ ids: ids.slice(9) })
  assert.deepEqual(await find(store, 'no'), [])
  assert.deepEqual(parts(), [5], 'the last one takes what comes')
  const again = await reopen()
  const later: string[] = []
  for (let i = 0; i < 6; i++) {
    const message = newMessage({ placed: ['a@x.test'], at: startAt + 1000, body: sampleText(`later ${i}`) })
    await again.accept(message)
    later.push(message.message.id)
  }
  assert.deepEqual(await find(again, 'later'), later.toReversed())
  assert.deepEqual(parts(), [5, 6])
})

test('what came to several mailboxes in turn is in parts by its time, whichever is indexed first', async (t) => {
  const { store, dir, reopen } = await openForTest(t, { partRowsMax: 5 })
  await store.close()
  const writing = await reopen()
  const ids: string[] = []
  for (let i = 0; i < 40; i++) {
    const placed = i % 7 === 0 ? ['seldom@x.test'] : ['often@x.test']
    const message = newMessage({ placed, body: sampleText(`no ${i}`) })
    await writing.accept(message)
    ids.push(message.message.id)
  }
  const again = await reopen()
  assert.deepEqual(await find(again, 'no'), ids.toReversed())
  assert.deepEqual(await find(again, 'n* -subject:39'), ids.slice(0, 39).reverse())
  await again.close()
  const db = new DatabaseSync(join(dir, indexName), { readOnly: true })
  assert.deepEqual({ ...db.prepare('SELECT count(*) AS n FROM part').get() }, { n: 8 })
  db.close()
})

for (const [what, spoil] of [
  ['removed', (path: string) => rmSync(path)],
  ['no database', (path: string) => writeFileSync(path, 'a letter to an index '.repeat(1000))],
  ['empty', (path: string) => writeFileSync(path, '')],
  ['cut', (path: string) => writeFileSync(path, readFileSync(path).subarray(0, 20_000))],
] as const)
  test(`an index that is ${what} is made anew`, async (t) => {
    const { store, dir, reopen } = await openForTest(t)
    const ids = [await keep(store, 'old one'), await keep(store, 'old two')]
    assert.equal((await find(store, 'old')).length, 2)
    await store.close()
    spoil(join(dir, indexName))
    const again = await reopen()
    await settled(again, async () => assert.deepEqual(await find(again, 'old'), [...ids].reverse()))
  })

/** A damaged index says so once, and is there again soon after. */
async function settled(_store: Store, look: () => Promise<void>): Promise<void> {
  for (let i = 0; ; i++) {
    try {
      return await look()
    } catch (error) {
      if (i === 5 || (error as Error).name !== 'StoreFailure') throw error
    }
  }
}

test('an index that is damaged while it is open fails the search, never the list, and is made anew', async (t) => {
  const { store, dir, clock } = await openForTest(t)
  for (let i = 0; i < 300; i++) await keep(store, `subject${i} common`, 200)
  assert.equal((await find(store, 'common')).length, 300)
  // The log goes into the file, so that what is written over is what is read.
  change(dir, indexName, 'PRAGMA wal_checkpoint(TRUNCATE)')
  const path = join(dir, indexName)
  const file = openSync(path, 'r+')
  for (let at = 8192; at < statSync(path).size; at += 8192)
    writeSync(file, Buffer.alloc(8192, 0xff), 0, 8192, at)
  closeSync(file)
  await keep(store, 'subject300 common')
  assert.equal((await store.mailPage({ limit: 1000 })).items.length, 301)
  await (clock as VirtualClock).advance(10)
  await settled(store, async () => assert.equal((await find(store, 'common')).length, 301))
  assert.deepEqual(await store.quarantined(), [], 'the mail has no damage')
})

test('an index of another file, of another version, or newer than the mail is made anew', async (t) => {
  const { store, dir, reopen } = await openForTest(t)
  const id = await keep(store, 'mine')
  await find(store, 'mine')
  let current = store
  for (const sql of [
    "UPDATE info SET value = 'other' WHERE name = 'store'",
    'PRAGMA user_version = 77',
    'UPDATE progress SET uid = 1000',
    'DROP TABLE progress; PRAGMA user_version = 0',
  ]) {
    await current.close()
    change(dir, indexName, sql, 'DELETE FROM mail_text_1 WHERE rowid > 0; DELETE FROM doc')
    current = await reopen()
    assert.deepEqual(await find(current, 'mine'), [id], sql)
  }
})

test('a search says that the index has not seen all, and finds it later', async (t) => {
  const { store, dir, clock } = await openForTest(t)
  const one = await keep(store, 'no 1')
  const search = parseSearch('no', startAt).terms
  const whole = await store.mailPage({ search, limit: 10 })
  assert.ok(!('isIncomplete' in whole))
  const lock = new DatabaseSync(join(dir, indexName))
  lock.exec('BEGIN IMMEDIATE')
  const two = await keep(store, 'no 2')
  const late = await store.mailPage({ search, limit: 10 })
  assert.deepEqual([late.items.map(({ id }) => id), late.isIncomplete], [[one], true])
  assert.equal((await store.mailPage({ limit: 10 })).isIncomplete, undefined, 'a plain list has all')
  lock.exec('ROLLBACK')
  lock.close()
  await (clock as VirtualClock).advance(5000)
  const then = await store.mailPage({ search, limit: 10 })
  assert.deepEqual([then.items.map(({ id }) => id), then.isIncomplete], [[two, one], undefined])
})

test('an id that is used again is not found by the words of the row that had it', async (t) => {
  const { store, dir, reopen } = await openForTest(t)
  const old = await keep(store, 'former')
  await find(store, 'former')
  await store.mailRemove({ ids: [old] })
  await store.close()
  // Nobody told the index.
  const again = await reopen()
  const id = await keep(again, 'later')
  assert.deepEqual(await find(again, 'later'), [id])
  assert.deepEqual(await find(again, 'former'), [])
  assert.ok(existsSync(join(dir, indexName)))
})

test('a summary that cannot be read is set aside and listed, and hides no other', async (t) => {
  const { store, dir } = await openForTest(t)
  const ids: string[] = []
  for (let i = 0; i < 5; i++) ids.push(await keep(store, `no ${i}`))
  change(
    dir,
    'mail.db',
    "UPDATE mail SET recipients = '{' WHERE uid = 3",
    "UPDATE mail SET tags = '[' WHERE uid = 2",
  )
  const wanted = [ids[4], ids[3], ids[1], ids[0]]
  assert.deepEqual(
    (await store.mailPage({ limit: 2 })).items.map(({ id }) => id),
    wanted.slice(0, 2),
  )
  assert.deepEqual(await find(store, 'no'), wanted)
  assert.equal((await store.quarantined())[0]?.table, 'mail')
  assert.equal((await store.mailChange({ all: true }, { starred: true })).count, 5)
  assert.equal((await store.mailRemove({ all: true })).count, 5)
})

test('a damaged page of mail: the rows on other pages are listed, found, and indexed', async (t) => {
  const { store, dir, reopen } = await openForTest(t, { pageBytes: 4096 })
  const ids: string[] = []
  for (let i = 0; i < 200; i++) ids.push(await keep(store, `no ${i}`))
  await store.close()
  const lost = spoilPage(join(dir, 'mail.db'), ids[100] ?? '')
  const again = await reopen()
  const listed = (await again.mailPage({ limit: 1000 })).items
  assert.ok(listed.length >= 200 - lost && listed.length < 200, `${listed.length} listed, ${lost} lost`)
  assert.ok(!listed.some(({ id }) => id === ids[100]))
  const found = await find(again, 'subject:no')
  assert.deepEqual(
    found,
    listed.map(({ id }) => id),
  )
  assert.ok((await again.quarantined()).length > 0)
  const id = await keep(again, 'afterwards')
  assert.deepEqual(await find(again, 'afterwards'), [id])
})

/** Overwrites the leaf of the table mail that holds `id`. Returns how many rows it may have held. */
function spoilPage(path: string, id: string): number {
  const db = new DatabaseSync(path, { readOnly: true })
  const pages = db
    .prepare(
      "SELECT pageno, ncell FROM dbstat WHERE name = 'mail' AND pagetype = 'leaf' AND aggregate = FALSE",
    )
    .all() as unknown as { pageno: number; ncell: number }[]
  db.close()
  const bytes = readFileSync(path)
  for (const { pageno, ncell } of pages) {
    if (!bytes.subarray((pageno - 1) * 4096, pageno * 4096).includes(id)) continue
    const file = openSync(path, 'r+')
    writeSync(file, Buffer.alloc(4096, 0xff), 0, 4096, (pageno - 1) * 4096)
    closeSync(file)
    return ncell
  }
  throw new Error('the row is on no page')
}

test('a document and an entry of the feed that cannot be read hide no others', async (t) => {
  const { store, dir } = await openForTest(t)
  store.feedKinds(['*'])
  for (const key of ['a', 'b', 'c']) await store.documentPut({ kind: 'k', key, data: key, updatedAt: 1 })
  await keep(store, 'x')
  change(
    dir,
    'mail.db',
    "UPDATE document SET data = '{' WHERE key = 'b'",
    "UPDATE feed SET data = '{' WHERE seq = 1",
  )
  assert.deepEqual(
    (await store.documentList('k', 2)).map(({ key }) => key),
    ['a', 'c'],
  )
  await assert.rejects(store.documentGet('k', 'b'), { code: 'corrupt' })
  assert.deepEqual(
    (await store.feedRead(0, 10)).map(({ kind }) => kind),
    ['accepted', 'mail.added'],
  )
  assert.equal((await store.quarantined()).length, 2)
})

test('a full disk: acts on kept mail and documents are refused whole, and go on when there is room', async (t) => {
  const { store, reopen, dir } = await openForTest(t)
  store.feedKinds(['*'])
  for (let i = 0; i < 50; i++) await keep(store, `no ${i}`)
  await store.close()
  const { size } = statSync(join(dir, 'mail.db'))
  const full = await reopen({ pagesMax: Math.ceil(size / 8192) })
  const put = (store: Store) =>
    store.documentPut({ kind: 'k', key: 'x', data: 'x'.repeat(100_000), updatedAt: 1 })
  await assert.rejects(put(full), { name: 'StoreFailure', code: 'full' })
  assert.equal(await full.documentGet('k', 'x'), undefined)
  const change = { addTags: Array.from({ length: 50 }, (_, i) => `${i} ${'x'.repeat(55)}`) }
  await assert.rejects(full.mailChange({ all: true }, change), { code: 'full' })
  assert.deepEqual(await full.mailTags({}), [])
  assert.equal((await find(full, 'subject:no')).length, 50, 'the index has its own file')
  const roomy = await reopen()
  assert.equal((await put(roomy))?.version, 1)
  assert.equal((await roomy.mailChange({ all: true }, change)).count, 50)
})

test('memory does not grow with the mail that is removed', async (t) => {
  const { store, dir } = await openForTest(t)
  for (let round = 0; round < 4; round++) {
    await Promise.all(Array.from({ length: 100 }, (_, i) => keep(store, `round ${round} ${i}`)))
    assert.equal((await find(store, 'round')).length, 100)
    assert.equal(await store.mailTrim('a@x.test', { messagesMax: 0 }, 1000), 100)
  }
  assert.deepEqual(await find(store, 'round'), [])
  await store.close()
  assert.equal(docCount(dir), 0)
})
