// Owns the benchmark of kept mail: ingest with the index following, then lists, searches, counts and acts over what is kept.
// node bench/mail-views.ts [--messages 100000] [--bytes 5000] [--producers 20] [--rate 0] [--dir /var/tmp] [--queries 30]
// `--rate` holds the producers at so many messages a second, 0: as fast as they go.
// Its memory is that of the store, of the producers and of Node's stripper of types in each of four threads (some 17 MB each);
// kept-mail.ts measures the built server as a process of its own.

import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createIdSource } from '../src/base/id.ts'
import { silentLog } from '../src/base/log.ts'
import { realClock } from '../src/net/real-clock.ts'
import { realRandom } from '../src/net/real-random.ts'
import type { Delivery, Message, NewMessage } from '../src/queue/types.ts'
import { parseSearch } from '../src/store/search-syntax.ts'
import { createSqliteStore } from '../src/store/sqlite/sqlite-store.ts'
import type { Store } from '../src/store/store.ts'
import { KeptTexts } from './kept-texts.ts'

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '100000' },
    bytes: { type: 'string', default: '5000' },
    producers: { type: 'string', default: '20' },
    rate: { type: 'string', default: '0' },
    queries: { type: 'string', default: '30' },
    dir: { type: 'string', default: tmpdir() },
  },
})
const messageCount = Number(values.messages)
const producerCount = Number(values.producers)
const rate = Number(values.rate)
const clock = realClock
const nextId = createIdSource(clock, realRandom)
const texts = new KeptTexts(Number(values.bytes))
const { han, letters, vocabulary } = texts

function newMessage(n: number): NewMessage {
  const id = nextId()
  const now = clock.now()
  const to = texts.recipient(n)
  const bytes = texts.message(n, id)
  const message: Message = {
    id,
    receivedAt: now,
    reversePath: 'bounce@sender.example',
    sizeBytes: bytes.length,
    smtputf8: false,
    body8bit: true,
    origin: { via: 'smtp', listener: 'mx', peerAddress: '127.0.0.1', hello: 'client.example' },
  }
  const delivery: Delivery = {
    messageId: id,
    seq: 0,
    recipient: to,
    domain: 'example.test',
    destination: 'capture',
    state: 'active',
    dueAt: now,
    expiresAt: now + 432_000_000,
    attemptCount: 1,
  }
  const prefix = `Return-Path: <bounce@sender.example>\r\nDelivered-To: ${to}\r\n`
  const placement = {
    account: 'capture',
    mailbox: n % 10 === 0 ? 'team-a' : 'INBOX',
    prefix,
    internalDate: now,
  }
  return {
    message,
    body: { kind: 'inline', chunks: [bytes], sizeBytes: bytes.length },
    deliveries: [],
    settled: [{ delivery, placement }],
    events: [{ messageId: id, at: now, kind: 'accepted', data: { via: 'smtp', to } }],
  }
}

const seconds = (from: number): number => (performance.now() - from) / 1000
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`
const print = (line: string): void => console.log(line)
let rssTop = 0
const watch = setInterval(() => {
  rssTop = Math.max(rssTop, process.memoryUsage.rss())
}, 50)

async function ingest(store: Store): Promise<void> {
  const start = performance.now()
  const times: number[] = []
  let next = 0
  let lastShown = 0
  const produce = async (): Promise<void> => {
    for (;;) {
      const n = next++
      if (n >= messageCount) return
      if (rate > 0) while (seconds(start) * rate < n) await new Promise((resolve) => setTimeout(resolve, 1))
      const at = performance.now()
      await store.accept(newMessage(n))
      times.push(performance.now() - at)
      if (n - lastShown >= messageCount / 5) {
        lastShown = n
        print(`  ${n} after ${seconds(start).toFixed(1)} s`)
      }
    }
  }
  await Promise.all(Array.from({ length: producerCount }, produce))
  times.sort((one, other) => one - other)
  const at = (q: number): string => (times[Math.floor(times.length * q)] ?? 0).toFixed(2)
  print(
    `ingest: ${(messageCount / seconds(start)).toFixed(0)} a second, p50 ${at(0.5)} p99 ${at(0.99)} max ${at(0.9999)} ms; RSS top ${megabytes(rssTop)}`,
  )
  const behind = performance.now()
  const search = parseSearch(`subject:${messageCount - 1}`, 0).terms
  for (;;) {
    const { items } = await store.mailPage({ search, limit: 1 })
    if (items.length > 0) break
  }
  print(`index caught up ${seconds(behind).toFixed(1)} s later; RSS top ${megabytes(rssTop)}`)
}

async function measure(name: string, act: (i: number) => Promise<unknown>): Promise<void> {
  const times: number[] = []
  let answer: unknown
  for (let i = 0; i < Number(values.queries); i++) {
    const at = performance.now()
    answer = await act(i)
    times.push(performance.now() - at)
  }
  times.sort((one, other) => one - other)
  const shown = typeof answer === 'number' ? String(answer) : ''
  print(
    `  ${name.padEnd(44)} p50 ${(times[times.length >> 1] ?? 0).toFixed(1).padStart(6)} ms  max ${(times.at(-1) ?? 0).toFixed(1).padStart(6)} ms  rss ${megabytes(process.memoryUsage.rss())} ${shown}`,
  )
}

const log = {
  ...silentLog,
  error: (fields: object, text: string) => console.log(text, fields),
} as typeof silentLog
const dir = await mkdtemp(join(values.dir, 'posthouse-mail-views-'))
try {
  const store = await createSqliteStore({ dir, clock, log })
  print(`${messageCount} messages of ${values.bytes} bytes, ${producerCount} producers`)
  await ingest(store)
  for (const name of await readdir(dir)) {
    const { size } = await stat(join(dir, name))
    if (size > 1e6) print(`  ${name} ${megabytes(size)}`)
  }
  const first = await store.mailPage({ limit: 50 })
  const ids = first.items.map(({ id }) => id)
  const page = async (text: string, more: object = {}): Promise<number> =>
    (await store.mailPage({ search: parseSearch(text, clock.now()).terms, limit: 50, ...more })).items.length
  await measure('list, newest 50', () => page(''))
  await measure('list, 50 of a mailbox', () => page('', { account: 'capture', mailbox: 'team-a' }))
  await measure('list, oldest 1000', () => page('', { order: 'oldest', limit: 1000 }))
  let cursor: string | undefined
  await measure('list, next page', async () => {
    const found = await store.mailPage({ limit: 50, ...(cursor !== undefined && { cursor }) })
    cursor = found.cursor
  })
  await measure('open', async (i) => (await store.mailRead(ids[i % ids.length] ?? ''))?.body.bytes()?.length)
  for (const [name, text] of [
    ['search, a frequent word', vocabulary[0] ?? ''],
    ['search, a rare word', vocabulary[15_000] ?? ''],
    ['search, no such word', 'qqqqqqqqqq'],
    ['search, two frequent words', `${vocabulary[1]} ${vocabulary[2]}`],
    ['search, a phrase', `"${vocabulary[0]} ${vocabulary[1]}"`],
    ['search, a beginning', `${(vocabulary[3] ?? '').slice(0, 1)}*`],
    ['search, the most frequent beginning', `${letters[0]}*`],
    ['search, two Chinese characters', `${han[0]}${han[1]}`],
    ['search, one Chinese character', han[3] ?? ''],
    ['search, without a frequent word', `-${vocabulary[0]}`],
    ['search, a word and a rare condition', `${vocabulary[0]} is:starred`],
    ['search, to:', 'to:user77@example.test'],
    ['search, from: prefix', 'from:app4'],
    ['search, id:', `id:${ids[7]}@sender.example`],
    ['search, larger: that none is', 'larger:1MB'],
    ['search, is:unread', 'is:unread'],
    ['search, is:read that few are', 'is:read'],
    ['search, has:attachment that none has', 'has:attachment'],
  ] as const)
    await measure(`${name} (${text.slice(0, 12)})`, () => page(text))
  await measure('search in a mailbox, a frequent word', () =>
    page(vocabulary[0] ?? '', { account: 'capture', mailbox: 'team-a' }),
  )
  await measure('counts', async () => (await store.mailCounts({ account: 'capture' })).total)
  await measure('counts of a search, a frequent word', async () => {
    const search = parseSearch(vocabulary[0] ?? '', 0).terms
    return (await store.mailCounts({ search })).total
  })
  await measure('counts of a search, a beginning', async () => {
    const search = parseSearch(`${(vocabulary[3] ?? '').slice(0, 1)}*`, 0).terms
    return (await store.mailCounts({ search })).total
  })
  await measure('mailboxes', async () => (await store.mailboxes()).length)
  await measure('tags', async () => (await store.mailTags({})).length)
  await measure(
    'mark 50 read or unread',
    async (i) => (await store.mailChange({ ids }, { unread: i % 2 === 1 })).count,
  )
  await measure('wait: one message against a search', async () =>
    Number(
      (await store.mailSummary(ids[3] ?? '', { search: parseSearch(vocabulary[0] ?? '', 0).terms })) !==
        undefined,
    ),
  )
  await measure('trim, nothing to do', () =>
    store.mailTrim('capture', { messagesMax: messageCount, before: 1 }, 1000),
  )
  await measure('trim of 100', async () => {
    const { total } = await store.mailCounts({ account: 'capture' })
    return store.mailTrim('capture', { messagesMax: total - 100 }, 1000)
  })
  print(`RSS now ${megabytes(process.memoryUsage.rss())}, top ${megabytes(rssTop)}`)
  const closing = performance.now()
  await store.close()
  const opening = performance.now()
  const again = await createSqliteStore({ dir, clock, log })
  const opened = performance.now()
  await again.mailPage({ limit: 50 })
  print(
    `close ${(opening - closing).toFixed(0)} ms, open ${(opened - opening).toFixed(0)} ms, first list ${(performance.now() - opened).toFixed(0)} ms`,
  )
  await again.close()
} finally {
  clearInterval(watch)
  await rm(dir, { recursive: true, force: true })
}
