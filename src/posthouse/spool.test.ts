// Owns the proof of the spool: what was handed in is on disk or was never acknowledged, wherever the writer dies; the
// server takes each file, wherever it dies; and nothing that it cannot take stays silently where it is.

import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

import { silentLog } from '../base/log.ts'
import { silentMetrics } from '../base/metrics.ts'
import { formatSubmissionHead, type LocalSubmission } from '../http/local-submission.ts'
import { StoreFailure } from '../queue/store.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { Spool } from './spool.ts'
import { realSpoolSteps, type SpoolSteps, spoolFolder, writeSpoolFile } from './spool-folder.ts'
import { SubmitError } from './submit.ts'

const root = mkdtempSync(join(tmpdir(), 'posthouse-spool-'))
after(() => rmSync(root, { recursive: true, force: true }))
let folderCount = 0
const newDataDir = (): string => {
  const dataDir = join(root, String(folderCount++))
  mkdirSync(dataDir)
  return dataDir
}

const head: LocalSubmission = { from: 'cron', to: ['root'], user: 'cron', uid: 0, at: 1_700_000_000_000 }
const text = 'Subject: hello\n\nbody\n'
const parts = [formatSubmissionHead(head), Buffer.from(text)]

class Crash extends Error {}

/** Real steps that stop for good before the `last`-th one, as a process does that is killed there. */
function dyingSteps(last: number): { readonly steps: SpoolSteps; readonly done: string[] } {
  const done: string[] = []
  const step =
    <A extends readonly unknown[], R>(name: string, run: (...args: A) => R) =>
    (...args: A): R => {
      if (done.length >= last) throw new Crash(name)
      done.push(name)
      return run(...args)
    }
  const steps = Object.fromEntries(
    Object.entries(realSpoolSteps).map(([name, run]) => [
      name,
      step(name, run as (...args: unknown[]) => unknown),
    ]),
  ) as unknown as SpoolSteps
  return { steps, done }
}

interface Taken {
  readonly submission: LocalSubmission
  readonly text: string
}

function createSpool(
  dataDir: string,
  options: { handIn?: (one: Taken) => void; committed?: () => void; isFull?: () => boolean } = {},
): { readonly spool: Spool; readonly taken: Taken[]; readonly clock: VirtualClock } {
  const taken: Taken[] = []
  const clock = new VirtualClock(head.at)
  const spool = new Spool({
    dataDir,
    clock,
    log: silentLog,
    metrics: silentMetrics,
    isFull: options.isFull ?? (() => false),
    ...(options.committed !== undefined && { committed: options.committed }),
    async handIn(submission, message) {
      const chunks: Uint8Array[] = []
      for await (const chunk of message) chunks.push(chunk)
      const one = { submission, text: Buffer.concat(chunks).toString() }
      options.handIn?.(one)
      taken.push(one)
      return { id: 'id' }
    },
  })
  return { spool, taken, clock }
}

test('spool: file and folders are synced in the order that makes the message durable', () => {
  const { steps, done } = dyingSteps(Number.POSITIVE_INFINITY)
  const path = writeSpoolFile({ dataDir: newDataDir(), parts, at: head.at, steps })
  assert.deepEqual(done, [
    ...['mkdir', 'create', 'write', 'write', 'give', 'sync', 'close', 'rename'],
    ...['openFolder', 'sync', 'close', 'openFolder', 'sync', 'close'],
  ])
  assert.equal(readFileSync(path, 'utf8'), `${formatSubmissionHead(head)}${text}`)
})

test('spool: wherever a writer dies, the message is whole or not there, and there once it was acknowledged', async () => {
  for (let last = 0; last <= 14; last++) {
    const dataDir = newDataDir()
    let acknowledged = false
    try {
      writeSpoolFile({ dataDir, parts, at: head.at, steps: dyingSteps(last).steps })
      acknowledged = true
    } catch (error) {
      assert.ok(error instanceof Crash)
    }
    const { spool, taken } = createSpool(dataDir)
    await spool.scan()
    assert.ok(taken.length === 1 || (taken.length === 0 && !acknowledged), `dies before step ${last}`)
    if (taken.length === 1) assert.deepEqual(taken[0], { submission: head, text })
    assert.deepEqual(spool.counts(), { waiting: 0, bad: 0, folder: spoolFolder(dataDir) })
  }
})

test('spool: a short write goes on where it stopped', () => {
  const steps: SpoolSteps = {
    ...realSpoolSteps,
    write: (file, bytes) => realSpoolSteps.write(file, bytes.subarray(0, 3)),
  }
  const path = writeSpoolFile({ dataDir: newDataDir(), parts, at: head.at, steps })
  assert.equal(readFileSync(path, 'utf8'), `${formatSubmissionHead(head)}${text}`)
})

test('spool: a server that dies before the commit loses nothing, one that dies behind it makes a second copy', async () => {
  const die = (): never => {
    throw new Crash('killed')
  }
  for (const [where, copies] of [
    ['before', 1],
    ['behind', 2],
  ] as const) {
    const dataDir = newDataDir()
    writeSpoolFile({ dataDir, parts, at: head.at })
    const first = createSpool(dataDir, where === 'before' ? { handIn: die } : { committed: die })
    await first.spool.scan()
    const second = createSpool(dataDir)
    await second.spool.scan()
    assert.equal(first.taken.length + second.taken.length, copies, where)
    assert.equal(second.spool.counts().waiting, 0)
  }
})

test('spool: files are taken in the order in which they were handed in', async () => {
  const dataDir = newDataDir()
  for (const at of [head.at + 2, head.at, head.at + 1])
    writeSpoolFile({ dataDir, parts: [formatSubmissionHead({ ...head, at }), Buffer.from(text)], at })
  const { spool, taken } = createSpool(dataDir)
  await spool.scan()
  assert.deepEqual(taken.map(({ submission }) => submission.at - head.at).sort(), [0, 1, 2])
})

test('spool: what is refused or no message is set aside with the reason; nothing else waits for it', async () => {
  const dataDir = newDataDir()
  const folder = spoolFolder(dataDir)
  writeSpoolFile({ dataDir, parts, at: head.at })
  const bad: readonly (readonly [name: string, content: string, reason: RegExp])[] = [
    ['0-1-aa.msg', '', /ends within its first line/],
    ['0-1-ab.msg', 'no json\n', /is not JSON/],
    ['0-1-ac.msg', '{"posthouse":2}\n', /posthouse/],
    ['0-1-ad.msg', `${JSON.stringify({ posthouse: 1, ...head, to: [] })}\n${text}`, /to/],
    [
      '0-1-ae.msg',
      `${JSON.stringify({ posthouse: 1, ...head, surprise: 1 })}\n${text}`,
      /surprise|nrecognized/,
    ],
    [
      '0-1-af.msg',
      `${JSON.stringify({ posthouse: 1, ...head, to: ['nobody'] })}\n${text}`,
      /there is no user nobody/,
    ],
  ]
  for (const [name, content] of bad) writeFileSync(join(folder, name), content)
  symlinkSync('/etc/hostname', join(folder, '0-1-b0.msg'))
  mkdirSync(join(folder, '0-1-b1.msg'))
  writeFileSync(join(folder, 'README'), 'not ours')
  const { spool, taken } = createSpool(dataDir, {
    handIn({ submission }) {
      if (submission.to[0] === 'nobody') throw new SubmitError('to', 'there is no user nobody here')
    },
  })
  await spool.scan()
  assert.equal(taken.length, 1)
  assert.deepEqual(spool.counts(), { waiting: 0, bad: bad.length + 2, folder })
  for (const [name, content, reason] of bad) {
    assert.equal(readFileSync(join(folder, 'bad', name), 'utf8'), content)
    assert.match(readFileSync(join(folder, 'bad', `${name}.txt`), 'utf8'), reason)
  }
  assert.match(readFileSync(join(folder, 'bad', '0-1-b0.msg.txt'), 'utf8'), /link/)
  assert.ok(existsSync(join(folder, 'README')), 'files of others are left alone')
})

test('spool: a long message that is refused before it is read is set aside, too', async () => {
  const dataDir = newDataDir()
  writeSpoolFile({ dataDir, parts: [...parts, Buffer.alloc(1_000_000, 'x')], at: head.at })
  const spool = new Spool({
    dataDir,
    clock: new VirtualClock(),
    log: silentLog,
    metrics: silentMetrics,
    isFull: () => false,
    handIn: () => Promise.reject(new SubmitError('to', 'nobody')),
  })
  await spool.scan()
  assert.deepEqual([spool.counts().waiting, spool.counts().bad], [0, 1])
})

test('spool: what fails for now stays and is tried again at the next poll; a full disk is waited for', async () => {
  const dataDir = newDataDir()
  writeSpoolFile({ dataDir, parts, at: head.at })
  let full = true
  let failures = 1
  const { spool, taken, clock } = createSpool(dataDir, {
    isFull: () => full,
    handIn() {
      if (failures-- > 0) throw new StoreFailure('failed', 'disk')
    },
  })
  await spool.start()
  await spool.scan()
  assert.deepEqual([taken.length, spool.counts().waiting], [0, 1], 'the disk is full')
  full = false
  await spool.scan()
  assert.deepEqual([taken.length, spool.counts().waiting], [0, 1], 'the store failed')
  clock.advance(60_000)
  await spool.scan()
  assert.deepEqual([taken.length, spool.counts().waiting], [1, 0])
  await spool.stop()
})

test('spool: what a dead writer left is removed after a day, not before', async () => {
  const dataDir = newDataDir()
  const folder = spoolFolder(dataDir)
  mkdirSync(folder)
  for (const name of ['.0-1-aa.tmp', '.0-1-ab.tmp']) writeFileSync(join(folder, name), 'half')
  const day = head.at / 1000 - 90_000
  utimesSync(join(folder, '.0-1-aa.tmp'), day, day)
  utimesSync(join(folder, '.0-1-ab.tmp'), head.at / 1000, head.at / 1000)
  await createSpool(dataDir).spool.scan()
  assert.deepEqual(readdirSync(folder), ['.0-1-ab.tmp'])
})
