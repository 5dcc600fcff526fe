// Owns the benchmark of the SQLite store: producers that accept a message and settle it, one after the other.
// node bench/store.ts [--messages 20000] [--page 8192] [--thread] [--local] [--dir /var/tmp]
// Shows messages a second, CPU in us per operation (whole process, and the writer's share in --thread), p50/p99.

import { readFileSync } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createIdSource } from '../src/base/id.ts'
import { silentLog } from '../src/base/log.ts'
import { realClock } from '../src/net/real-clock.ts'
import { realRandom } from '../src/net/real-random.ts'
import type { Delivery, Message, NewMessage } from '../src/queue/types.ts'
import { createSqliteStore } from '../src/store/sqlite/sqlite-store.ts'
import type { Store } from '../src/store/store.ts'

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '20000' },
    bytes: { type: 'string', default: '5000' },
    page: { type: 'string', default: '8192' },
    checkpoint: { type: 'string', default: '16777216' },
    producers: { type: 'string', default: '1,20,100' },
    thread: { type: 'boolean', default: false },
    local: { type: 'boolean', default: false },
    dir: { type: 'string', default: tmpdir() },
  },
})
const messageCount = Number(values.messages)
const clock = realClock
const nextId = createIdSource(clock, realRandom)
const header =
  'Received: from a.example (a.example [192.0.2.1]) by mx1.example.test with ESMTP id 1;\r\n\tMon, 1 Jan 2026 00:00:00 +0000\r\nFrom: a@example.test\r\nTo: b@example.test\r\nSubject: hello\r\n\r\n'
const body = Buffer.from(header.padEnd(Number(values.bytes), 'text of a line of a message\r\n'))

function newMessage(): NewMessage {
  const id = nextId()
  const now = clock.now()
  const message: Message = {
    id,
    receivedAt: now,
    reversePath: 'sender@source.example',
    sizeBytes: body.length,
    smtputf8: false,
    body8bit: false,
    origin: {
      via: 'smtp',
      listener: 'mx',
      peerAddress: '127.0.0.1',
      hello: 'client.example',
      sessionId: 'abcdefgh',
    },
  }
  const delivery: Delivery = {
    messageId: id,
    seq: 0,
    recipient: 'someone@target.example',
    domain: 'target.example',
    destination: values.local ? 'local' : 'mx:target.example',
    state: 'active',
    dueAt: now + 60_000,
    expiresAt: now + 432_000_000,
    delayNoticeAt: now + 14_400_000,
    attemptCount: 1,
  }
  const placement = {
    account: 'someone@target.example',
    mailbox: 'INBOX',
    prefix: 'Return-Path: <sender@source.example>\r\nDelivered-To: someone@target.example\r\n',
    internalDate: now,
  }
  return {
    message,
    body: { kind: 'inline', chunks: [body.subarray(0, 200), body.subarray(200)], sizeBytes: body.length },
    deliveries: values.local ? [] : [delivery],
    ...(values.local && { settled: [{ delivery, placement }] }),
    events: [
      {
        messageId: id,
        at: now,
        kind: 'accepted',
        data: { via: 'smtp', peer: '127.0.0.1', size: body.length, recipients: 1 },
      },
    ],
  }
}

async function settle(store: Store, { message }: NewMessage): Promise<void> {
  await store.settle({
    changes: [{ messageId: message.id, seq: 0, to: { kind: 'remove' } }],
    newMessages: [],
    events: [
      {
        messageId: message.id,
        seq: 0,
        at: clock.now(),
        kind: 'delivered',
        data: {
          host: 'mx.target.example',
          address: '127.0.0.1',
          port: 25,
          tls: 'TLSv1.3',
          reply: '250 2.0.0 queued',
        },
      },
    ],
  })
}

async function measure(
  name: string,
  store: Store,
  producers: number,
  act: (n: number) => Promise<unknown>,
  count: number,
): Promise<void> {
  const waits: number[] = []
  let next = 0
  const cpu = process.cpuUsage()
  const main = performance.eventLoopUtilization()
  const start = performance.now()
  const switches = io()
  await Promise.all(
    Array.from({ length: producers }, async () => {
      while (next < count) {
        const n = next++
        const at = performance.now()
        await act(n)
        waits.push(performance.now() - at)
      }
    }),
  )
  const ms = performance.now() - start
  const used = process.cpuUsage(cpu)
  const written = io() - switches
  waits.sort((a, b) => a - b)
  const active = performance.eventLoopUtilization(main).active
  console.log(
    [
      name.padEnd(14),
      `producers ${String(producers).padStart(3)}`,
      `${Math.round((count / ms) * 1000)}/s`.padStart(9),
      `cpu ${(((used.user + used.system) / count) | 0).toString().padStart(4)} us`,
      `main loop ${((active * 1000) / count) | 0} us`,
      `p50 ${waits[count >> 1]?.toFixed(2)}`,
      `p99 ${waits[Math.floor(count * 0.99)]?.toFixed(2)}`,
      `max ${waits.at(-1)?.toFixed(1)} ms`,
      `written ${(written / count / 1000).toFixed(1)} kB each`,
    ].join('  '),
  )
  void store
}

const io = (): number => {
  try {
    return Number(/^wchar: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1])
  } catch {
    return 0
  }
}

for (const producers of values.producers.split(',').map(Number)) {
  const dir = await mkdtemp(join(values.dir, 'posthouse-bench-'))
  const store = await createSqliteStore({
    dir,
    clock,
    log: silentLog,
    pageBytes: Number(values.page),
    checkpointBytes: Number(values.checkpoint),
    inThread: values.thread,
  })
  const count = producers === 1 ? Math.ceil(messageCount / 5) : messageCount
  const made: NewMessage[] = []
  await measure('warm-up', store, producers, () => store.accept(newMessage()), Math.min(count, 2000))
  await measure(
    'accept',
    store,
    producers,
    async () => {
      const message = newMessage()
      await store.accept(message)
      made.push(message)
    },
    count,
  )
  if (!values.local)
    await measure('settle', store, producers, (n) => settle(store, made[n] as NewMessage), count)
  if (!values.local)
    await measure(
      'accept+settle',
      store,
      producers,
      async () => {
        const message = newMessage()
        await store.accept(message)
        await settle(store, message)
      },
      count,
    )
  const log = await stat(join(dir, 'mail.db-wal'))
  const file = await stat(join(dir, 'mail.db'))
  console.log(
    `log ${(log.size / 1e6) | 0} MB, file ${(file.size / 1e6) | 0} MB, rss ${(process.memoryUsage().rss / 1e6) | 0} MB`,
  )
  await store.close()
  await rm(dir, { recursive: true })
}
