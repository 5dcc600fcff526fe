// The mailer through 1, 10 and 20 connections into a sink in another process, beside Nodemailer where its folder is given:
// each case in a process of its own, contestants alternating, the median of some runs; messages per second and CPU per
// message of the sending process. Before them the sink's own ceiling, by smtp-source.
//
//   node bench/client.ts [--nodemailer <folder of the package>] [--runs 5] [--messages 20000]
//
// smtp-sink (of Postfix) is the sink where it is installed, else a small one of our own. Cold runs are those of the harness
// (scenario s4: 2,000 and 4,000 messages in a fresh process).

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { createMailer } from '../src/client/mailer.ts'

const body = 'This is a line of a message like many others, as people write them.\r\n'.repeat(70)
const headers =
  'From: a@us.test\r\nTo: b@them.test\r\nSubject: hello\r\nMessage-ID: <1@us.test>\r\nDate: Sat, 21 Nov 2026 11:33:00 +0000\r\n'
const raw = Buffer.from(`${headers}\r\n${body}`)
const envelope = { from: 'a@us.test', to: ['b@them.test'] }
const forms = {
  raw: { envelope, raw },
  composed: { from: 'A <a@us.test>', to: 'b@them.test', subject: 'hello', text: body },
} as const
type Form = keyof typeof forms
type Send = (message: (typeof forms)[Form]) => Promise<unknown>
const sinkPort = 12_525

interface Sender {
  readonly send: Send
  close(): unknown
}

function posthouse(port: number, connectionsMax: number): Sender {
  const mailer = createMailer({ host: '127.0.0.1', port, connectionsMax, messagesPerConnection: 1_000_000 })
  return { send: (message) => mailer.send(message), close: () => mailer.close() }
}

async function nodemailer(folder: string, port: number, maxConnections: number): Promise<Sender> {
  const file = join(folder, 'dist', 'esm', 'nodemailer.js')
  const module = (await import(pathToFileURL(file).href)) as Record<string, unknown>
  const api = (module.default ?? module) as {
    createTransport(options: object): { sendMail: Send; close(): void }
  }
  const options = {
    host: '127.0.0.1',
    port,
    pool: true,
    maxConnections,
    maxMessages: 1_000_000,
    ignoreTLS: true,
  }
  const transport = api.createTransport(options)
  return { send: (message) => transport.sendMail(message), close: () => transport.close() }
}

/** Ours: takes everything, as fast as it can; in a process of its own. */
function ownSink(port: number): void {
  const server = createServer({ noDelay: true }, (socket) => {
    let inData = false
    let tail = ''
    socket.on('error', () => {})
    socket.write('220 sink\r\n')
    socket.on('data', (bytes) => {
      tail += bytes.toString('latin1')
      let out = ''
      for (;;) {
        if (inData) {
          const end = tail.indexOf('\r\n.\r\n')
          if (end === -1) break
          tail = tail.slice(end + 5)
          inData = false
          out += '250 2.0.0 ok\r\n'
          continue
        }
        const end = tail.indexOf('\r\n')
        if (end === -1) break
        const verb = tail.slice(0, 4).toUpperCase()
        tail = tail.slice(end + 2)
        if (verb === 'EHLO') out += '250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n'
        else if (verb === 'DATA') {
          inData = true
          out += '354 go on\r\n'
        } else out += verb === 'QUIT' ? '221 bye\r\n' : '250 ok\r\n'
      }
      if (out !== '') socket.write(out)
    })
  })
  server.listen(port, '127.0.0.1')
}

async function startSink(): Promise<{ readonly process: ChildProcess; readonly name: string }> {
  const found = spawnSync('smtp-sink', ['-h'], { stdio: 'ignore' }).error === undefined
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const child = found
    ? spawn('smtp-sink', [...user, '-c', `127.0.0.1:${sinkPort}`, '100'], { stdio: 'ignore' })
    : spawn(process.execPath, [import.meta.filename, '--sink'], { stdio: 'ignore' })
  for (let i = 0; i < 100; i++) {
    const socket = connect(sinkPort, '127.0.0.1')
    const up = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false)
    socket.destroy()
    if (up) return { process: child, name: found ? 'smtp-sink' : 'our own' }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('the sink did not come up')
}

interface Figures {
  readonly rate: number
  readonly cpuMs: number
}

/** In a process of its own: sends, twice as many callers as connections, after a tenth to warm up. */
async function sendAll(folder: string, form: Form, connectionCount: number, count: number): Promise<Figures> {
  const { send, close } =
    folder === '' ? posthouse(sinkPort, connectionCount) : await nodemailer(folder, sinkPort, connectionCount)
  const run = async (messages: number): Promise<void> => {
    let left = messages
    const lane = async (): Promise<void> => {
      while (left-- > 0) await send(forms[form])
    }
    await Promise.all(Array.from({ length: connectionCount * 2 }, lane))
  }
  await run(Math.ceil(count / 10))
  const cpu = process.cpuUsage()
  const startedAt = performance.now()
  await run(count)
  const seconds = (performance.now() - startedAt) / 1000
  const { user, system } = process.cpuUsage(cpu)
  await close()
  return { rate: count / seconds, cpuMs: (user + system) / 1000 / count }
}

function inProcess(args: readonly string[]): Figures {
  const done = spawnSync(process.execPath, [import.meta.filename, '--send', ...args], { encoding: 'utf8' })
  if (done.status !== 0) throw new Error(done.stderr)
  return JSON.parse(done.stdout) as Figures
}

const median = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[list.length >> 1] ?? 0

/** smtp-source goes step by step, and so shows what the sink takes, not what a client could do. */
function ceiling(sessions: number): number | undefined {
  const args = ['-d', '-s', `${sessions}`, '-m', '20000', '-l', `${raw.length}`, `127.0.0.1:${sinkPort}`]
  const startedAt = performance.now()
  if (spawnSync('smtp-source', args, { stdio: 'ignore' }).status !== 0) return undefined
  return 20_000 / ((performance.now() - startedAt) / 1000)
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      nodemailer: { type: 'string' },
      runs: { type: 'string', default: '5' },
      messages: { type: 'string', default: '20000' },
    },
  })
  const sink = await startSink()
  console.log(
    `${raw.length} bytes a message, into ${sink.name}; medians of ${values.runs} runs of ${values.messages}`,
  )
  const folders = ['', ...(values.nodemailer === undefined ? [] : [values.nodemailer])]
  try {
    for (const sessions of [1, 10, 20]) {
      const rate = ceiling(sessions)
      if (rate !== undefined) console.log(`smtp-source, ${sessions} sessions: ${Math.round(rate)}/s`)
    }
    for (const form of ['raw', 'composed'] as const)
      for (const connectionCount of [1, 10, 20]) {
        const figures = folders.map((): Figures[] => [])
        for (let run = 0; run < Number(values.runs); run++)
          for (const [i, folder] of folders.entries())
            figures[i]?.push(inProcess([folder, form, `${connectionCount}`, values.messages]))
        const medians = figures.map((list) => ({
          rate: median(list.map((one) => one.rate)),
          cpuMs: median(list.map((one) => one.cpuMs)),
        }))
        const [ours, theirs] = medians
        for (const [i, { rate, cpuMs }] of medians.entries())
          console.log(
            `${(i === 0 ? 'posthouse' : 'nodemailer').padEnd(12)}${form.padEnd(10)}${`${connectionCount}`.padStart(3)} connections ${Math.round(rate)}/s ${cpuMs.toFixed(3)} ms CPU`,
          )
        if (ours !== undefined && theirs !== undefined)
          console.log(
            `${' '.repeat(12)}${(ours.rate / theirs.rate).toFixed(1)} times, CPU 1/${(theirs.cpuMs / ours.cpuMs).toFixed(1)}`,
          )
      }
  } finally {
    sink.process.kill()
  }
}

const [mode, folder = '', form = 'raw', connectionCount = '1', count = '1'] = process.argv.slice(2)
if (mode === '--sink') ownSink(sinkPort)
else if (mode === '--send')
  console.log(JSON.stringify(await sendAll(folder, form as Form, Number(connectionCount), Number(count))))
else await main()
