// The mailer through 1, 10 and 20 connections into a sink in another process: messages per second, and CPU per message of
// the sending process. `node bench/client.ts`; smtp-sink (of Postfix) is the sink where it is installed, else a small one
// of our own. `node bench/client.ts <folder of nodemailer>` measures Nodemailer beside it, in the same run.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createMailer } from '../src/client/mailer.ts'

const perRoundMs = 3000
const body = 'This is a line of a message like many others, as people write them.\r\n'.repeat(70)
const headers =
  'From: a@us.test\r\nTo: b@them.test\r\nSubject: hello\r\nMessage-ID: <1@us.test>\r\nDate: Sat, 21 Nov 2026 11:33:00 +0000\r\n'
const raw = Buffer.from(`${headers}\r\n${body}`)
const envelope = { from: 'a@us.test', to: ['b@them.test'] }
const forms = {
  raw: { envelope, raw },
  composed: { from: 'A <a@us.test>', to: 'b@them.test', subject: 'hello', text: body },
} as const

type Send = (message: (typeof forms)[keyof typeof forms]) => Promise<unknown>
interface Contestant {
  readonly name: string
  open(port: number, connectionCount: number): { readonly send: Send; close(): unknown }
}

const ours: Contestant = {
  name: 'posthouse',
  open(port, connectionsMax) {
    const mailer = createMailer({ host: '127.0.0.1', port, connectionsMax, messagesPerConnection: 1_000_000 })
    return { send: (message) => mailer.send(message), close: () => mailer.close() }
  },
}

async function nodemailer(folder: string): Promise<Contestant> {
  const file = join(folder, 'dist', 'esm', 'nodemailer.js')
  const module = (await import(pathToFileURL(file).href)) as Record<string, unknown>
  const api = (module.default ?? module) as {
    createTransport(options: object): { sendMail: Send; close(): void }
  }
  return {
    name: 'nodemailer',
    open(port, maxConnections) {
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
    },
  }
}

const sinkPort = 12_525

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
  const child = found
    ? spawn(
        'smtp-sink',
        [...(process.getuid?.() === 0 ? ['-u', 'nobody'] : []), '-c', `127.0.0.1:${sinkPort}`, '100'],
        { stdio: 'ignore' },
      )
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

async function measure(
  contestant: Contestant,
  form: keyof typeof forms,
  connectionCount: number,
): Promise<string> {
  const { send, close } = contestant.open(sinkPort, connectionCount)
  const message = forms[form]
  const run = async (ms: number): Promise<number> => {
    const until = performance.now() + ms
    let count = 0
    const lane = async (): Promise<void> => {
      while (performance.now() < until) {
        await send(message)
        count++
      }
    }
    await Promise.all(Array.from({ length: connectionCount * 2 }, lane))
    return count
  }
  await run(perRoundMs / 3)
  const cpu = process.cpuUsage()
  const startedAt = performance.now()
  const count = await run(perRoundMs)
  const seconds = (performance.now() - startedAt) / 1000
  const { user, system } = process.cpuUsage(cpu)
  await close()
  const rate = Math.round(count / seconds)
  const cpuMs = (user + system) / 1000 / count
  return `${contestant.name.padEnd(12)}${form.padEnd(10)}${String(connectionCount).padStart(3)} connections ${String(rate).padStart(7)}/s ${cpuMs.toFixed(3)} ms CPU`
}

if (process.argv[2] === '--sink') ownSink(sinkPort)
else {
  const contestants = [ours]
  if (process.argv[2] !== undefined) contestants.push(await nodemailer(process.argv[2]))
  const sink = await startSink()
  console.log(`${raw.length} bytes a message, into ${sink.name}`)
  try {
    for (const form of ['raw', 'composed'] as const)
      for (const connectionCount of [1, 10, 20])
        for (const contestant of contestants) console.log(await measure(contestant, form, connectionCount))
  } finally {
    sink.process.kill()
  }
}
