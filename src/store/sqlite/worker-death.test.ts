// Owns the proof of what happens when a thread of the store dies: the owner is told, nobody waits for ever, closing ends.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Worker } from 'node:worker_threads'
import { silentLog } from '../../base/log.ts'
import { realClock } from '../../net/real-clock.ts'
import { inlineBytesMax } from '../body-file.ts'
import { newMessage } from '../sample.test.ts'
import { bodiesFolder } from './files.ts'
import { openForTest, temporaryFolder } from './open.test.ts'
import { createSqliteStore } from './sqlite-store.ts'

const sqliteError = (errcode: number, message: string): Error =>
  Object.assign(new Error(message), { code: 'ERR_SQLITE_ERROR', errcode })

/** With the two workers, writer first. */
async function openWithWorkers(t: TestContext) {
  const dir = await temporaryFolder(t)
  const workers: Worker[] = []
  const seen = (worker: Worker): void => void workers.push(worker)
  process.on('worker', seen)
  const fatal: Error[] = []
  const store = await createSqliteStore({
    dir,
    clock: realClock,
    log: silentLog,
    onFatal: (error) => fatal.push(error),
  })
  process.off('worker', seen)
  const [writer, reader] = workers
  assert.ok(writer !== undefined && reader !== undefined)
  return { dir, store, writer, reader, fatal }
}

test('the writer dies under a commit: it is refused, the owner is told, the store closes and opens again', async (t) => {
  const { dir, store, writer, fatal } = await openWithWorkers(t)
  await store.accept(newMessage())
  const writes = Promise.allSettled(Array.from({ length: 50 }, () => store.accept(newMessage())))
  await writer.terminate()
  const results = await writes
  assert.ok(results.every((one) => one.status === 'fulfilled' || one.reason.code === 'failed'))
  assert.equal(fatal.length, 1)
  await assert.rejects(store.accept(newMessage()), { code: 'failed' })
  await store.close()
  const again = await createSqliteStore({ dir, clock: realClock, log: silentLog })
  assert.ok((await again.recentMessages(100)).items.length >= 1)
  await again.close()
})

test('the reader dies under a question: it is refused, the owner is told, the store closes', async (t) => {
  const { store, reader, fatal } = await openWithWorkers(t)
  const questions = Promise.allSettled(Array.from({ length: 50 }, () => store.recentMessages(10)))
  await reader.terminate()
  const results = await questions
  assert.ok(results.every((one) => one.status === 'fulfilled' || one.reason.code === 'failed'))
  assert.equal(fatal.length, 1)
  await assert.rejects(store.recentMessages(10), { code: 'failed' })
  await store.close()
})

test('a body whose commit nobody can vouch for is left to the next start; after any other failure it goes', async (t) => {
  const failing: { code: number | undefined } = { code: undefined }
  const { store, dir } = await openForTest(t, {
    fault: (at) => {
      if (failing.code !== undefined && at === 'commit') throw sqliteError(failing.code, 'disk I/O error')
    },
  })
  const SQLITE_FULL = 13
  const SQLITE_IOERR_FSYNC = 1034
  for (const [code, stays] of [
    [SQLITE_FULL, false],
    [SQLITE_IOERR_FSYNC, true],
  ] as const) {
    const message = newMessage()
    const path = join(dir, bodiesFolder, message.message.id)
    const writer = store.bodyWriter(message.message.id)
    await writer.write(Buffer.alloc(inlineBytesMax + 1))
    const body = await writer.finish()
    failing.code = code
    await assert.rejects(store.accept({ ...message, body }), { name: 'StoreFailure' })
    failing.code = undefined
    writer.abort()
    assert.equal(existsSync(path), stays, `after ${code}`)
  }
})

test('the indexer dies: nobody is told but the log, mail is taken and what was indexed is found, the store closes', async (t) => {
  const dir = await temporaryFolder(t)
  const workers: Worker[] = []
  const seen = (worker: Worker): void => void workers.push(worker)
  const fatal: Error[] = []
  const logged: string[] = []
  process.on('worker', seen)
  const store = await createSqliteStore({
    dir,
    clock: realClock,
    log: { ...silentLog, error: (_fields, message) => void logged.push(message) },
    onFatal: (error) => fatal.push(error),
  })
  const search = [{ kind: 'text', field: 'any', text: 'hello', prefix: false }] as const
  const keep = () => store.accept(newMessage({ placed: ['a@x.test'] }))
  await keep()
  // Behind its first step there is an indexer, however slow the machine.
  while ((await store.mailPage({ limit: 10, search }).catch(() => ({ items: [] }))).items.length < 1);
  process.off('worker', seen)
  assert.equal(workers.length, 3)
  await workers[2]?.terminate()
  await keep()
  assert.ok((await store.mailPage({ limit: 10, search })).items.length >= 1)
  assert.equal((await store.mailPage({ limit: 10 })).items.length, 2)
  assert.deepEqual(logged, ['search index failed'])
  await store.close()
  assert.deepEqual(fatal, [])
  const again = await createSqliteStore({ dir, clock: realClock, log: silentLog })
  while ((await again.mailPage({ limit: 10, search }).catch(() => ({ items: [] }))).items.length < 2);
  await again.close()
})
