// Owns the proof that what was answered is there after a crash, and that a failing disk harms nothing that is stored.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { cpSync, existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { silentLog } from '../../base/log.ts'
import type { NewMessage } from '../../queue/types.ts'
import { VirtualClock } from '../../testing/virtual-clock.ts'
import { inlineBytesMax } from '../body-file.ts'
import { newMessage, placementIn, sampleText, startAt } from '../sample.test.ts'
import type { Store } from '../store.ts'
import { bodiesFolder } from './files.ts'
import { openForTest, temporaryFolder } from './open.test.ts'
import { createSqliteStore } from './sqlite-store.ts'

const remove = (id: string) => ({
  changes: [{ messageId: id, seq: 0, to: { kind: 'remove' as const, placement: placementIn('a@x.test') } }],
  newMessages: [],
  events: [],
})

const sqliteError = (errcode: number, message: string): Error =>
  Object.assign(new Error(message), { code: 'ERR_SQLITE_ERROR', errcode })

const openIn = (t: TestContext, dir: string): Promise<Store> =>
  openForTest(t, { dir }).then(({ store }) => store)

const childCode = (dir: string): string => `
import { createSqliteStore } from ${JSON.stringify(new URL('./sqlite-store.ts', import.meta.url).href)}
import { newMessage, placementIn, sampleText } from ${JSON.stringify(new URL('../sample.test.ts', import.meta.url).href)}
import { createIdSource } from ${JSON.stringify(new URL('../../base/id.ts', import.meta.url).href)}
import { realClock } from ${JSON.stringify(new URL('../../net/real-clock.ts', import.meta.url).href)}
import { realRandom } from ${JSON.stringify(new URL('../../net/real-random.ts', import.meta.url).href)}
import { silentLog } from ${JSON.stringify(new URL('../../base/log.ts', import.meta.url).href)}
import { writeSync } from 'node:fs'
const store = await createSqliteStore({ dir: ${JSON.stringify(dir)}, clock: realClock, log: silentLog, checkpointBytes: 1000000 })
const ids = createIdSource(realClock, realRandom)
let n = 0
await Promise.all(Array.from({ length: 20 }, async () => {
  for (;;) {
    const id = ids()
    await store.accept(newMessage({ id, body: sampleText(id, (n++ % 7) * 3000) }))
    writeSync(1, 'accepted ' + id + '\\n')
    if (n % 3 !== 0) continue
    writeSync(1, 'settling ' + id + '\\n')
    await store.settle({ changes: [{ messageId: id, seq: 0, to: { kind: 'remove', placement: placementIn('a@x.test') } }], newMessages: [], events: [] })
    writeSync(1, 'settled ' + id + '\\n')
  }
}))
`

test('SIGKILL under load: every message that was answered is there, with its body', async (t) => {
  const dir = await temporaryFolder(t)
  const seen = { accepted: new Set<string>(), settling: new Set<string>(), settled: new Set<string>() }
  for (const killAfter of [50, 700, 1500]) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', childCode(dir)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = new Promise((resolve) => child.once('exit', resolve))
    let lines = 0
    for await (const line of createInterface({ input: child.stdout })) {
      const [what, id] = line.split(' ') as [keyof typeof seen, string]
      seen[what].add(id)
      if (++lines === killAfter) child.kill('SIGKILL')
    }
    await exited
    assert.ok(lines >= killAfter, 'it ran until it was killed')
    const store = await openIn(t, dir)
    for (const id of seen.accepted) {
      const view = await store.messageView(id)
      assert.ok(view !== undefined, `${id} was answered and is lost`)
      assert.ok(view.hasBody)
      const text = Buffer.from((await store.openBody(id)).bytes() ?? []).toString()
      assert.ok(text.includes(`Subject: ${id}\r\n`) && text.length === view.message.sizeBytes)
      if (seen.settled.has(id)) assert.deepEqual([view.deliveries.length, view.placements.length], [0, 1])
      else if (!seen.settling.has(id))
        assert.deepEqual([view.deliveries.length, view.placements.length], [1, 0])
      else assert.equal(view.deliveries.length + view.placements.length, 1, 'settled whole or not at all')
    }
    await store.close()
  }
})

test('a crash at every commit: all that was answered is in a copy of the files, all else whole or absent', async (t) => {
  const copies: { readonly dir: string; readonly answered: readonly string[] }[] = []
  const answered: string[] = []
  const dir = await temporaryFolder(t)
  const { store } = await openForTest(t, {
    dir,
    checkpointBytes: 200_000,
    fault: () => {
      const copy = `${dir}-${copies.length}`
      cpSync(dir, copy, { recursive: true, filter: (path) => !path.endsWith('-shm') })
      copies.push({ dir: copy, answered: [...answered] })
    },
  })
  const messages: NewMessage[] = []
  for (let round = 0; round < 8; round++) {
    const now = Array.from({ length: 4 }, () => newMessage({ body: sampleText('x', round * 4000) }))
    messages.push(...now)
    await Promise.all(
      now.map((message) => store.accept(message).then(() => answered.push(message.message.id))),
    )
    const old = messages[round]?.message.id ?? ''
    await store.settle(remove(old))
  }
  await store.close()
  for (const copy of copies) {
    const again = await openIn(t, copy.dir)
    for (const { message } of messages) {
      const view = await again.messageView(message.id)
      if (view === undefined) assert.ok(!copy.answered.includes(message.id), 'an answered message is lost')
      else {
        assert.equal((await again.openBody(message.id)).bytes()?.length, message.sizeBytes)
        assert.equal(view.deliveries.length + view.placements.length, 1)
      }
    }
    await again.close()
  }
  assert.ok(copies.length > 16, 'there were crashes')
  t.after(() => copies.map(({ dir: copy }) => rmSync(copy, { recursive: true, force: true })))
})

test('a second opener is refused by name of the folder, and the first goes on', async (t) => {
  const { store, dir } = await openForTest(t)
  await assert.rejects(
    createSqliteStore({ dir, clock: new VirtualClock(), log: silentLog, inThread: true }),
    (error: Error) => error.name === 'StoreFailure' && error.message.includes(`${dir} is in use`),
  )
  await store.accept(newMessage())
  await store.close()
  await (await openIn(t, dir)).accept(newMessage())
})

test('a full disk: full, what is stored stays, and it resumes by itself', async (t) => {
  const { store, reopen } = await openForTest(t)
  const before = newMessage()
  await store.accept(before)
  await store.close()
  const small = await reopen({ pagesMax: 60 })
  const accepted: string[] = []
  let full = 0
  for (let i = 0; i < 60; i++) {
    const message = newMessage({ body: sampleText('x', 20_000) })
    try {
      await small.accept(message)
      accepted.push(message.message.id)
    } catch (error) {
      assert.equal((error as { code: string }).code, 'full')
      full++
    }
  }
  assert.ok(full > 0 && accepted.length > 0)
  assert.equal((await small.openBody(before.message.id)).bytes()?.length, before.body.sizeBytes)
  // Settling goes on, and what it frees takes new mail.
  for (const id of accepted) await small.settle({ ...remove(id), changes: removed(id) })
  await small.accept(newMessage({ body: sampleText('x', 20_000) }))
  assert.equal((await small.messageView(accepted[0] ?? ''))?.hasBody, false)
})

const removed = (id: string) => [{ messageId: id, seq: 0, to: { kind: 'remove' as const } }]

test('a batch that fails is tried row by row: the one that does not fit fails alone', async (t) => {
  const { store } = await openForTest(t, { pagesMax: 50 })
  const large = newMessage({ body: Buffer.alloc(inlineBytesMax) })
  const small = [newMessage(), newMessage(), newMessage()]
  const results = await Promise.allSettled(
    [small[0], large, large, small[1], large, small[2]].map((message) =>
      store.accept({ ...newMessage(), ...message } as NewMessage),
    ),
  )
  for (const [i, result] of results.entries())
    assert.equal(result.status, [1, 2, 4].includes(i) ? 'rejected' : 'fulfilled', `message ${i}`)
  for (const message of small) await store.openBody(message.message.id)
})

test('a commit that fails writes nothing, rejects, and the next one works', async (t) => {
  const failing = { now: false }
  const { store } = await openForTest(t, {
    fault: (step) => {
      if (failing.now && step === 'commit') throw sqliteError(778, 'disk I/O error')
    },
  })
  failing.now = true
  const messages = [newMessage({ placed: ['a@x.test'] }), newMessage({ placed: ['a@x.test'] })]
  const results = await Promise.allSettled(messages.map((message) => store.accept(message)))
  for (const result of results) assert.equal((result as PromiseRejectedResult).reason.code, 'failed')
  failing.now = false
  assert.deepEqual((await store.recentMessages(10)).items, [])
  await store.accept(messages[0] as NewMessage)
  assert.equal((await store.mailList({ limit: 10 })).items[0]?.uid, 1, 'the uids of the lost ones are free')
})

for (const step of ['commit', 'checkpoint'] as const)
  test(`a failed sync in a ${step} is fatal: the owner is told, nothing more is written`, async (t) => {
    const fatal: Error[] = []
    const failing = { now: false }
    const { store, clock } = await openForTest(t, {
      onFatal: (error) => fatal.push(error),
      fault: (at) => {
        if (failing.now && at === step) throw sqliteError(1034, 'disk I/O error')
      },
    })
    await store.accept(newMessage())
    failing.now = true
    if (step === 'commit')
      await assert.rejects(store.accept(newMessage()), { name: 'StoreFailure', code: 'failed' })
    else {
      await clock.advance(1000)
      await clock.settle(20)
    }
    assert.equal(fatal.length, 1)
    failing.now = false
    await assert.rejects(store.accept(newMessage()), { code: 'failed' })
    assert.equal(fatal.length, 1, 'told once')
    assert.equal((await store.recentMessages(10)).items.length, 1, 'reading goes on')
  })

test('leftover body files are swept at the start, those in use stay', async (t) => {
  const { store, dir, reopen } = await openForTest(t)
  const spill = async (to: Store) => {
    const message = newMessage({ recipients: ['a@x.test'] })
    const writer = to.bodyWriter(message.message.id)
    await writer.write(Buffer.alloc(inlineBytesMax + 1))
    return { message, writer, body: await writer.finish() }
  }
  const kept = await spill(store)
  await store.accept({ ...kept.message, body: kept.body })
  const settled = await spill(store)
  await store.accept({ ...settled.message, body: settled.body })
  await store.settle({ ...remove(settled.message.message.id), changes: removed(settled.message.message.id) })
  writeFileSync(join(dir, bodiesFolder, 'never-accepted'), 'x')
  writeFileSync(join(dir, bodiesFolder, settled.message.message.id), 'unlink was lost')
  const again = await reopen()
  assert.deepEqual(readdirSync(join(dir, bodiesFolder)), [kept.message.message.id])
  let bytes = 0
  for await (const piece of (await again.openBody(kept.message.message.id)).stream(
    new AbortController().signal,
  ))
    bytes += piece.length
  assert.equal(bytes, inlineBytesMax + 1)
})

test('a body that was given up leaves no file, an accepted one keeps it', async (t) => {
  const { store, dir } = await openForTest(t)
  const message = newMessage()
  const path = join(dir, bodiesFolder, message.message.id)
  const given = store.bodyWriter(message.message.id)
  await given.write(Buffer.alloc(2_000_000))
  assert.ok(existsSync(path))
  given.abort()
  assert.ok(!existsSync(path))
  const kept = store.bodyWriter(message.message.id)
  await kept.write(Buffer.alloc(2_000_000))
  await store.accept({ ...message, body: await kept.finish() })
  kept.abort()
  assert.ok(existsSync(path))
})

test('a body that cannot be spilled rejects, however often it is written to, and the store goes on', async (t) => {
  const { store, dir } = await openForTest(t)
  rmSync(join(dir, bodiesFolder), { recursive: true })
  const writer = store.bodyWriter(newMessage().message.id)
  const written = await Promise.allSettled(
    Array.from({ length: 30 }, async () => writer.write(Buffer.alloc(100_000))),
  )
  assert.equal(written.at(-1)?.status, 'rejected')
  await Promise.allSettled([writer.write(Buffer.alloc(100_000))])
  await assert.rejects(async () => writer.finish(), { name: 'StoreFailure', code: 'failed' })
  writer.abort()
  await store.accept(newMessage())
})

test('the log stays bounded under load, and an idle store empties it', async (t) => {
  const { store, dir, clock } = await openForTest(t, { checkpointBytes: 1_000_000 })
  for (let i = 0; i < 60; i++)
    await Promise.all(
      Array.from({ length: 10 }, () => store.accept(newMessage({ body: sampleText('x', 20_000) }))),
    )
  assert.ok(statSync(join(dir, 'mail.db')).size > 10_000_000, 'much was written')
  assert.ok(statSync(join(dir, 'mail.db-wal')).size < 4_000_000, 'the log was used again and again')
  const pages = statSync(join(dir, 'mail.db')).size
  await store.accept(newMessage({ body: sampleText('x', 200_000) }))
  await clock.advance(1000)
  await clock.settle(20)
  assert.ok(statSync(join(dir, 'mail.db')).size > pages, 'idle: the log went into the file')
  assert.equal((await store.queueStats(startAt)).active, 601)
})
