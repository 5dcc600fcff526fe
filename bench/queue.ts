// Owns the benchmark of the queue: messages accepted, handed over in memory, given to a transport that takes everything,
// and settled. node bench/queue.ts [--messages 200000] [--store null|memory|sqlite] [--producers 100] [--runs 5]
// Shows CPU in us per message of the whole process, messages a second and bytes of heap per 1,000 messages left behind.
// null is a store that answers in a microtask and keeps nothing: the queue alone.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createIdSource } from '../src/base/id.ts'
import { silentLog } from '../src/base/log.ts'
import { silentMetrics } from '../src/base/metrics.ts'
import { realClock } from '../src/net/real-clock.ts'
import { realRandom } from '../src/net/real-random.ts'
import { createQueue } from '../src/queue/queue.ts'
import type { QueueStore } from '../src/queue/store.ts'
import type { TransportResult } from '../src/queue/transport.ts'
import { createMemoryStore } from '../src/store/memory/memory-store.ts'
import { createSqliteStore } from '../src/store/sqlite/sqlite-store.ts'

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '100000' },
    bytes: { type: 'string', default: '5000' },
    store: { type: 'string', default: 'null' },
    producers: { type: 'string', default: '100' },
    runs: { type: 'string', default: '5' },
  },
})

const nullStore: QueueStore = {
  accept: async () => {},
  settle: async () => {},
  takeDue: async () => [],
  nextDueAt: async () => undefined,
  takeDeadlines: async () => [],
  setDestination: async () => {},
  clearDestination: async () => {},
  recover: async () => 0,
  destinations: async () => [],
  openBody: () => Promise.reject(new Error('nothing is stored')),
  takeByFilter: async () => ({ taken: [], busyCount: 0 }),
}

const messageCount = Number(values.messages)
const body = Buffer.alloc(Number(values.bytes), 'text of a line of a message\r\n')
const ids = createIdSource(realClock, realRandom)

async function run(): Promise<void> {
  const folder = values.store === 'sqlite' ? await mkdtemp(join(tmpdir(), 'queue-bench-')) : undefined
  const store =
    folder !== undefined
      ? await createSqliteStore({ dir: folder, clock: realClock, log: silentLog })
      : values.store === 'memory'
        ? createMemoryStore({ clock: realClock })
        : nullStore
  let dialed = 0
  const queue = createQueue({
    store,
    transport: () => ({
      deliver: async (job): Promise<TransportResult> => {
        dialed++
        const at = realClock.now()
        return {
          outcomes: job.deliveries.map(() => ({
            kind: 'delivered',
            how: 'relayed',
            reply: '250 2.0.0 taken',
          })),
          report: {
            hosts: [{ name: 'mx.there.test', address: '192.0.2.1', port: 25, reused: true }],
            startedAt: at,
            endedAt: at,
          },
          destination: 'up',
        }
      },
    }),
    clock: realClock,
    random: realRandom,
    log: silentLog,
    metrics: silentMetrics,
    ids,
    hostname: 'mx.home.test',
    memoryBytesMax: 1024 * 1024 * 1024,
    route: () => undefined,
    onFatal: (error) => {
      throw error
    },
  })
  await queue.start()
  const send = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const id = ids()
      const now = realClock.now()
      await queue.accept({
        message: {
          id,
          receivedAt: now,
          reversePath: 'a@home.test',
          sizeBytes: body.length,
          smtputf8: false,
          body8bit: false,
          origin: { via: 'smtp', peerAddress: '192.0.2.7', hello: 'a.example' },
        },
        body: { kind: 'inline', chunks: [body], sizeBytes: body.length },
        deliveries: [
          queue.schedule(
            {
              messageId: id,
              seq: 0,
              recipient: 'b@there.test',
              domain: 'there.test',
              destination: 'mx:there.test',
            },
            now,
          ),
        ],
        events: [{ messageId: id, at: now, kind: 'accepted', data: { recipientCount: 1 } }],
      })
    }
  }
  const producers = Number(values.producers)
  await send(2000)
  const heap = process.memoryUsage().heapUsed
  const startedAt = process.hrtime.bigint()
  const cpu = process.cpuUsage()
  await Promise.all(Array.from({ length: producers }, () => send(Math.floor(messageCount / producers))))
  while (queue.counts().openWrites > 0 || queue.counts().dialingJobs > 0)
    await new Promise((resolve) => setImmediate(resolve))
  const { user, system } = process.cpuUsage(cpu)
  const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9
  const done = Math.floor(messageCount / producers) * producers
  console.log(
    `${values.store}: ${((user + system) / done).toFixed(2)} us CPU/message, ${Math.round(done / seconds)}/s, ${dialed - 2000} dialed, ` +
      `heap ${Math.round((process.memoryUsage().heapUsed - heap) / 1024)} kB more, ${JSON.stringify(queue.counts())}`,
  )
  await queue.stop()
  if ('close' in store) await (store as { close(): Promise<void> }).close()
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
}

for (let i = 0; i < Number(values.runs); i++) await run()
