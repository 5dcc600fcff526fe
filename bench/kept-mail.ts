// The whole catcher with many messages kept, as its user meets it: the built `posthouse catch` on disk as a process of its own,
// fed over SMTP by another process, asked over HTTP. Messages a second, how long lists, searches and messages take, when the index
// has caught up, and the memory of the server's process (VmRSS, VmHWM of /proc: Linux only).
//
//   npm run build && node bench/kept-mail.ts [--messages 100000] [--sessions 20] [--size 5000] [--dir /var/tmp]

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createMailer } from '../src/client/mailer.ts'
import { KeptTexts } from './kept-texts.ts'

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '100000' },
    sessions: { type: 'string', default: '20' },
    size: { type: 'string', default: '5000' },
    dir: { type: 'string', default: '/var/tmp' },
    feed: { type: 'boolean', default: false },
  },
})
const count = Number(values.messages)
const sessions = Number(values.sessions)
const texts = new KeptTexts(Number(values.size))
const [smtpPort, httpPort] = [12_526, 12_527]
if (values.feed) {
  await feed()
  process.exit(0)
}

/** The other process. Prints the seconds that it took. */
async function feed(): Promise<void> {
  const mailer = createMailer({ host: '127.0.0.1', port: smtpPort, tls: 'none', connectionsMax: sessions })
  let n = 0
  const from = performance.now()
  const producer = async (): Promise<void> => {
    while (n < count) {
      const i = n++
      const envelope = { from: 'bounce@sender.example', to: [texts.recipient(i)] }
      await mailer.send({ envelope, raw: texts.message(i, `k${i}`) })
    }
  }
  await Promise.all(Array.from({ length: sessions * 2 }, producer))
  await mailer.close()
  console.log((performance.now() - from) / 1000)
}

const main = join(import.meta.dirname, '..', 'dist', 'cli', 'main.js')
const folder = mkdtempSync(join(values.dir, 'kept-mail-'))
const base = `http://127.0.0.1:${httpPort}`
const limits = ['--max-messages', String(count + 1000), '--max-size', '4GiB']
const listen = ['--smtp', String(smtpPort), '--http', String(httpPort)]
const server: ChildProcess = spawn(
  process.execPath,
  [main, 'catch', '--data-dir', folder, '--quiet', ...limits, ...listen],
  { stdio: ['ignore', 'inherit', 'inherit'] },
)
const ended = new Promise((resolve) => server.once('exit', resolve))

/** MB of the server's process. */
function memory(): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8')
  const of = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024
  return { now: Math.round(of('VmRSS')), peak: Math.round(of('VmHWM')) }
}

async function ask<T>(path: string): Promise<T> {
  const answer = await fetch(base + path, { signal: AbortSignal.timeout(30_000) })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text.slice(0, 200)}`)
  return JSON.parse(text) as T
}

async function time(name: string, paths: readonly string[], rounds = 21): Promise<void> {
  const taken: number[] = []
  for (let i = 0; i < rounds; i++) {
    const path = paths[i % paths.length] ?? ''
    const from = performance.now()
    await ask(path)
    taken.push(performance.now() - from)
  }
  taken.sort((a, b) => a - b)
  const at = (part: number): string =>
    (taken[Math.min(taken.length - 1, Math.floor(taken.length * part))] ?? 0).toFixed(1)
  console.log(`| ${name} | ${at(0.5)} | ${taken.at(-1)?.toFixed(1)} |`)
}

interface Page {
  readonly items: readonly { readonly id: string }[]
  readonly nextCursor?: string
  readonly isIncomplete?: true
}

try {
  for (let i = 0; ; i++) {
    const up = await fetch(`${base}/healthz`).catch(() => undefined)
    if (up?.ok) break
    if (i === 100) throw new Error('the server did not start')
    await sleep(100)
  }
  console.log(`Node ${process.versions.node}; at the start ${memory().now} MB`)
  const args = [import.meta.filename, '--feed', ...process.argv.slice(2)]
  const fed = spawnSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  if (fed.status !== 0) throw new Error(`the sender ended with ${fed.status}`)
  const seconds = Number(fed.stdout)
  const fedAt = performance.now()
  console.log(`${count} messages of ${values.size} octets through ${values.sessions} sessions: `)
  console.log(`  ${(count / seconds).toFixed(0)} a second; ${memory().now} MB, at most ${memory().peak} MB`)
  const { vocabulary } = texts
  const frequent = vocabulary[0] ?? ''
  const search = (query: string): string => `/v1/messages?limit=50&q=${encodeURIComponent(query)}`
  for (;;) {
    const page = await ask<Page>(search(frequent))
    if (page.isIncomplete !== true) break
    await sleep(500)
  }
  console.log(`  index caught up ${((performance.now() - fedAt) / 1000).toFixed(0)} s later; `)
  console.log(
    `  ${memory().now} MB, at most ${memory().peak} MB\n\n| asked | p50 ms | max ms |\n|---|---|---|`,
  )
  const first = await ask<Page>('/v1/messages?limit=50')
  await time('list, first page', ['/v1/messages?limit=50'])
  if (first.nextCursor !== undefined)
    await time('list, next page', [`/v1/messages?limit=50&cursor=${encodeURIComponent(first.nextCursor)}`])
  await time(
    'open',
    first.items.map(({ id }) => `/v1/messages/${id}`),
  )
  await time('a frequent word', [search(frequent)])
  await time('a rare word', [search(vocabulary[15_000] ?? '')])
  await time('a word of none', [search('gooseberryjam')])
  await time('two frequent words', [search(`${vocabulary[1]} ${vocabulary[2]}`)])
  await time('a phrase', [search(`"${vocabulary[0]} ${vocabulary[1]}"`)])
  await time(
    'a beginning of one letter',
    ['e', 'z', 'q'].map((letter) => search(`${letter}*`)),
  )
  await time('Chinese', [search('\u4e00\u4e07'), search('\u4e15')])
  await time('from: and subject:', [search('from:app7 subject:no')])
  await time('without a frequent word', [search(`-${frequent}`)])
  await time("Mailpit's list with its counts", ['/api/v1/messages?limit=50'])
  await time("Mailpit's search with its counts", [`/api/v1/search?query=${frequent}&limit=50`])
  console.log(`\n  ${memory().now} MB, at most ${memory().peak} MB`)
} finally {
  server.kill('SIGTERM')
  await ended
  rmSync(folder, { recursive: true, force: true })
}
