// Owns the measure of a large attachment sent by the client: `node test/memory/large-attachment.ts [MB]` sends 1,000 MB from a
// file and as a stream to a sink on loopback, in a process of its own, and tells how far RSS rose above the idle process (one small
// message was sent by then). The limit is 50 MB (issue 3, section 5).

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createMailer } from '../../src/client.ts'

const sink = `
require('node:net').createServer((socket) => {
  let inData = false, tail = '', octets = 0
  socket.on('error', () => {})
  socket.write('220 sink.test\\r\\n')
  socket.on('data', (chunk) => {
    octets += chunk.length
    if (inData) {
      tail = (tail + chunk.toString('latin1', Math.max(0, chunk.length - 5))).slice(-5)
      if (tail === '\\r\\n.\\r\\n') { inData = false; socket.write('250 ' + octets + '\\r\\n') }
      return
    }
    for (const line of chunk.toString('latin1').split('\\r\\n'))
      if (/^EHLO/i.test(line)) socket.write('250-sink.test\\r\\n250-SIZE 0\\r\\n250 8BITMIME\\r\\n')
      else if (/^DATA/i.test(line)) { inData = true; tail = ''; socket.write('354 go\\r\\n') }
      else if (/^QUIT/i.test(line)) socket.end('221 bye\\r\\n')
      else if (line !== '') socket.write('250 ok\\r\\n')
  })
}).listen(0, '127.0.0.1', function () { console.log(this.address().port) })
`

const megabytes = Number(process.argv[2] ?? 1000)
const server = spawn(process.execPath, ['-e', sink], { stdio: ['ignore', 'pipe', 'inherit'] })
const [port] = await new Promise<string[]>((done) =>
  createInterface({ input: server.stdout }).once('line', (line) => done([line])),
)
const folder = mkdtempSync(join(tmpdir(), 'posthouse-large-'))
const file = join(folder, 'large.bin')
writeFileSync(file, '')
truncateSync(file, megabytes * 1e6)

const chunk = Buffer.alloc(65_536, 'attached')
async function* stream(): AsyncGenerator<Uint8Array> {
  for (let left = megabytes * 1e6; left > 0; left -= chunk.length) yield chunk.subarray(0, left)
}

const mailer = createMailer(`smtp://127.0.0.1:${port}`)
const base = { from: 'a@from.test', to: 'b@to.test', subject: 'large', text: 'see the file' }
try {
  await mailer.send(base)
  for (const [name, attachment] of [
    ['a file', { path: file }],
    ['a stream', { filename: 'large.bin', content: stream() }],
  ] as const) {
    const idle = process.memoryUsage().rss
    let most = idle
    const timer = setInterval(() => {
      most = Math.max(most, process.memoryUsage().rss)
    }, 20)
    const start = performance.now()
    const cpu = process.cpuUsage()
    const result = await mailer.send({ ...base, attachments: [attachment] })
    clearInterval(timer)
    const seconds = (performance.now() - start) / 1000
    const { user, system } = process.cpuUsage(cpu)
    const rise = (most - idle) / 1e6
    console.log(
      `${megabytes} MB from ${name}: idle ${(idle / 1e6).toFixed(0)} MB, RSS rose by ${rise.toFixed(1)} MB, ${seconds.toFixed(1)} s, CPU ${((user + system) / 1e6).toFixed(1)} s, ${result.response}`,
    )
    if (rise > 50) process.exitCode = 1
  }
} finally {
  await mailer.close()
  server.kill()
  rmSync(folder, { recursive: true })
}
