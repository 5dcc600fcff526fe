// Owns the measure of mail that comes in and is judged: `serve` with `inbound.authenticate`, smtp-source of Postfix sending a
// DKIM-signed message of 5 kB in 20 and 100 sessions, DNS on loopback. node bench/inbound.ts [--count 5000] [--reps 3]
// [--dns-ms 0] [--prof folder]. Messages a second and CPU of the server for one, with and without judging, in turns. Linux.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { dkimRecord, generateDkimKey, signDkim } from '../src/auth.ts'
import { startDnsServer } from '../src/testing/dns-server.ts'

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '5000' },
    reps: { type: 'string', default: '3' },
    'dns-ms': { type: 'string', default: '0' },
    sessions: { type: 'string', default: '20,100' },
    prof: { type: 'string' },
  },
})
const count = Number(values.count)
const reps = Number(values.reps)
const delayMs = Number(values['dns-ms'])

const domain = 'source.test'
const key = await generateDkimKey('rsa')
const record = dkimRecord({ domain, selector: 's', key })
const dns = await startDnsServer({
  data: {
    txt: {
      [record.name]: [record.text],
      [domain]: ['v=spf1 mx ip4:127.0.0.0/8 -all'],
      [`_dmarc.${domain}`]: ['v=DMARC1; p=reject'],
    },
    mx: { [domain]: [`10 mx.${domain}`] },
    a: { [`mx.${domain}`]: ['203.0.113.1'] },
    ptr: { '1.0.0.127.in-addr.arpa': [`mx.${domain}`] },
    ttlSeconds: 3600,
  },
  ...(delayMs > 0 && { fault: () => ({ delayMs }) }),
})
const line = 'A line of text as people write it, with words of some length, and a full stop.\r\n'
const header = [
  `From: Anna <anna@${domain}>`,
  'To: Bert <bert@posthouse.bench>',
  'Subject: judged',
  'Date: Sat, 21 Nov 2026 10:00:00 +0000',
  `Message-ID: <1@${domain}>`,
].join('\r\n')
const plain = Buffer.from(`${header}\r\n\r\n${line.repeat(Math.ceil((5000 - header.length) / line.length))}`)
const clock = { now: () => Date.now() }
const field = await signDkim(plain, { keys: [{ domain, selector: 's', privateKey: key }], clock })
const folder = mkdtempSync(join(tmpdir(), 'posthouse-inbound-'))
const messageFile = join(folder, 'message')
writeFileSync(messageFile, (field + plain.toString('latin1')).replaceAll('\r\n', '\n'))

let port = 20_000 + (process.pid % 10_000)
const variants: Readonly<Record<string, object>> = {
  'not judged': {},
  authenticate: { authenticate: true },
  'authenticate and iprev': { authenticate: true, iprev: true },
}

const ticks = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return Number(fields[11]) + Number(fields[12])
}
const tickMs = 1000 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

async function opens(at: number): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    const socket = createConnection(at, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return
    } catch {
      await wait(100)
    } finally {
      socket.destroy()
    }
  }
  throw new Error('the server does not listen')
}

async function send(at: number, sessions: number, messages: number): Promise<number> {
  const begun = performance.now()
  const args = `-d -s ${sessions} -m ${messages} -M mail.${domain} -f anna@${domain} -t bert@posthouse.bench -F ${messageFile} 127.0.0.1:${at}`
  const child = spawn('smtp-source', args.split(' '), { stdio: ['ignore', 'ignore', 'inherit'] })
  const [code] = (await once(child, 'close')) as [number]
  if (code !== 0) throw new Error(`smtp-source ended with ${code}`)
  return performance.now() - begun
}

const median = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[list.length >> 1] ?? 0
const rates = new Map<string, number[]>()
const costs = new Map<string, number[]>()
try {
  for (let rep = 0; rep < reps; rep++)
    for (const [name, inbound] of Object.entries(variants)) {
      const dir = mkdtempSync(join(folder, 'run-'))
      const at = ++port
      const config = join(dir, 'posthouse.config.json')
      writeFileSync(
        config,
        JSON.stringify({
          hostname: 'posthouse.bench',
          dataDir: join(dir, 'data'),
          listeners: {
            mx: `127.0.0.1:${at}`,
            submission: false,
            submissions: false,
            lmtp: false,
            http: false,
          },
          domains: { 'posthouse.bench': { accounts: { bert: {} } } },
          delivery: { mode: 'hold', routes: { '*': 'hold' } },
          networks: { relay: [] },
          limits: { connectionsMax: 1000, connectionsPerAddressMax: 1000 },
          dns: { servers: [dns.address] },
          inbound,
        }),
      )
      const main = join(import.meta.dirname, '../src/cli/main.ts')
      const prof = values.prof === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.prof}`]
      const server = spawn(process.execPath, [...prof, main, 'serve', '--config', config], {
        stdio: 'ignore',
        env: { ...process.env, NODE_ENV: 'production' },
      })
      const pid = server.pid ?? 0
      try {
        await opens(at)
        await send(at, 20, 300)
        for (const sessions of (values.sessions ?? '').split(',').map(Number)) {
          const before = ticks(pid)
          const ms = await send(at, sessions, count)
          const cpuMs = (ticks(pid) - before) * tickMs
          const row = `${name}, ${sessions} sessions`
          rates.set(row, [...(rates.get(row) ?? []), count / (ms / 1000)])
          costs.set(row, [...(costs.get(row) ?? []), cpuMs / count])
        }
      } finally {
        const closed = once(server, 'close')
        server.kill('SIGTERM')
        await closed
      }
    }
} finally {
  await dns.stop()
  rmSync(folder, { recursive: true, force: true })
}
console.log(
  `${field.length + plain.length} octets, ${count} messages, DNS answers in ${delayMs} ms, ${reps} repetitions`,
)
for (const [row, list] of rates)
  console.log(
    `${row.padEnd(52)} ${median(list).toFixed(0).padStart(6)} messages a second, ${median(costs.get(row) ?? []).toFixed(3)} ms CPU`,
  )
