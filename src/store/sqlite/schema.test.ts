// Owns the tests of migrations: forward by themselves with a copy kept, one step back, never into the unknown.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { newMessage } from '../sample.test.ts'
import { openForTest, temporaryFolder } from './open.test.ts'
import { downgrade, type Migration, migrate, migrations } from './schema.ts'
import { downgradeStore } from './sqlite-store.ts'

const next: Migration = {
  version: migrations.length + 1,
  up: 'ALTER TABLE account ADD COLUMN note TEXT; CREATE TABLE extra (id INTEGER PRIMARY KEY);',
  down: 'DROP TABLE extra; ALTER TABLE account DROP COLUMN note;',
}
const newer = [...migrations, next]

const shape = (db: DatabaseSync): unknown =>
  db.prepare('SELECT type, name, sql FROM sqlite_schema ORDER BY name').all()

test('migrations are numbered from 1 without gaps', () => {
  assert.deepEqual(
    migrations.map(({ version }) => version),
    migrations.map((_, i) => i + 1),
  )
})

test('a file goes forward with a copy kept, one step back with the way stored in it, and forward again', async (t) => {
  const { store, dir, reopen } = await openForTest(t)
  const message = newMessage()
  await store.accept(message)
  const path = join(dir, 'mail.db')
  const newStore = await reopen({ migrations: newer })
  assert.equal((await newStore.openBody(message.message.id)).sizeBytes, message.body.sizeBytes)
  const copy = `${path}.before-v${next.version}`
  assert.ok(existsSync(copy))
  const old = new DatabaseSync(copy)
  assert.equal(old.prepare('SELECT count(*) AS n FROM message').get()?.n, 1, 'the copy is whole')
  const before = shape(old)
  old.close()
  await newStore.close()

  await assert.rejects(reopen(), (error: Error) =>
    error.message.includes(`newer version (schema ${next.version}, this program knows ${migrations.length})`),
  )
  assert.equal(downgradeStore(dir), migrations.length)
  const db = new DatabaseSync(path)
  assert.deepEqual(shape(db), before)
  db.close()
  const back = await reopen()
  assert.equal((await back.messageView(message.message.id))?.deliveries.length, 1)
  await reopen({ migrations: newer })
})

test('there is no way back from the first version', async (t) => {
  const path = join(await temporaryFolder(t), 'x.db')
  const db = new DatabaseSync(path)
  migrate(db, path, migrations.slice(0, 1))
  assert.throws(() => downgrade(db, path), /no way back/)
  db.close()
})

test('a migration that fails leaves the file as it was', async (t) => {
  const path = join(await temporaryFolder(t), 'x.db')
  const db = new DatabaseSync(path)
  migrate(db, path)
  const before = shape(db)
  const broken = {
    version: migrations.length + 1,
    up: 'CREATE TABLE y (a); INSERT INTO nowhere VALUES (1)',
    down: '',
  }
  assert.throws(() => migrate(db, path, [...migrations, broken]), /nowhere/)
  assert.deepEqual(shape(db), before)
  migrate(db, path)
  db.close()
})

test('a file that is no database is refused, not overwritten', async (t) => {
  const { store, dir, reopen } = await openForTest(t)
  await store.close()
  const { writeFileSync, readFileSync } = await import('node:fs')
  const text = 'this is not a database, it is a letter to one '.repeat(300)
  writeFileSync(join(dir, 'mail.db'), text)
  await assert.rejects(reopen(), { name: 'StoreFailure' })
  assert.equal(readFileSync(join(dir, 'mail.db'), 'utf8'), text)
})
