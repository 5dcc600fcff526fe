// Owns the full-disk proof: the data directory on a small file system of its own (tmpfs, needs root). Filling it gives
// 452 4.3.1, mail that was accepted stays readable and is delivered, and service resumes by itself. Writes docs/proof/disk.md.
// Usage: npm run test:disk

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startSink } from '../support/recording-sink.ts'
import { freePort, root, ServerProcess, until, workFolder } from '../support/server-process.ts'
import { SmtpClient } from '../support/smtp-client.ts'

if (process.getuid?.() !== 0) {
  console.log('skipped: a small file system can be mounted by root only')
  process.exit(0)
}

const rows: string[] = []
const note = (what: string, result: string): void => {
  rows.push(`| ${what} | ${result} |`)
  console.log(`${what}: ${result}`)
}

/** minFreeBytes: the guard before the disk is full; 0: the disk is really full and the store is told so. */
for (const minFreeBytes of ['48MiB', 0] as const) {
  const folder = workFolder('disk')
  const disk = join(folder, 'data')
  mkdirSync(disk)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=160m,mode=700', 'tmpfs', disk])
  const unmount = (): void => void execFileSync('umount', ['-l', disk])
  process.prependOnceListener('exit', unmount)
  // What somebody else has on the disk: removing it is how an operator helps.
  const ballast = join(disk, 'ballast')
  writeFileSync(ballast, Buffer.alloc(32 * 2 ** 20))
  const freeBytes = (): number => {
    const { bavail, bsize } = statfsSync(disk)
    return bavail * bsize
  }
  const freeMiB = (): string => `${(freeBytes() / 2 ** 20).toFixed(1)} MiB free`

  let down = true
  const sink = await startSink({
    answer: (verb) => (down && verb === 'MAIL' ? '451 4.3.0 not now' : undefined),
  })
  const port = await freePort()
  const server = new ServerProcess({
    folder,
    port,
    config: {
      hostname: 'posthouse.test',
      dataDir: disk,
      listeners: {
        mx: `127.0.0.1:${port}`,
        submission: false,
        submissions: false,
        lmtp: false,
        http: false,
      },
      domains: { 'local.test': { accounts: { alice: { password: 'not-used-in-this-proof' } } } },
      delivery: { mode: 'relay', routes: { '*': `smtp://127.0.0.1:${sink.port}` } },
      networks: { relay: ['127.0.0.0/8'] },
      retry: { first: '1s', max: '1s' },
      limits: { minFreeBytes },
    },
  })
  const label = minFreeBytes === 0 ? 'disk really full' : `below minFreeBytes ${minFreeBytes}`
  await server.start()

  const accepted: { id: string; to: string }[] = []
  let count = 0
  const send = async (to: string, bytes: number): Promise<{ code: number; text: string }> => {
    const client = await SmtpClient.open(port)
    try {
      await client.command('EHLO disk.test')
      const id = `d${count++}`
      const body = `${'x'.repeat(70)}\r\n`.repeat(Math.ceil(bytes / 72))
      const reply = await client.send(
        'sender@source.test',
        to,
        `From: <sender@source.test>\r\nSubject: ${id}\r\nX-Disk-Id: ${id}\r\n\r\n${body.slice(0, -2)}`,
      )
      if (reply.code === 250) accepted.push({ id, to })
      return reply
    } finally {
      client.destroy()
    }
  }

  let reply = { code: 250, text: '' }
  // Large ones are spilled to files, small ones travel in the transaction: both kinds meet the end of the disk.
  const guarded = minFreeBytes !== 0
  for (let i = 0; i < 2000 && reply.code === 250 && !(guarded && freeBytes() < 48 * 2 ** 20); i++)
    reply = await send(i % 2 === 0 ? 'rcpt@sink.test' : 'alice@local.test', i % 5 === 0 ? 600_000 : 100_000)
  // The guard looks every few seconds.
  if (guarded) await until(async () => (reply = await send('alice@local.test', 1000)).code !== 250, 10_000)
  note(`${label}: the answer after ${accepted.length} messages (${freeMiB()})`, reply.text.trim())
  assert.match(reply.text, /^452[ -]4\.3\.1/)
  const small = await send('alice@local.test', 1000)
  note(`${label}: a small one`, small.text.trim())
  assert.match(small.text, guarded ? /^452[ -]4\.3\.1/ : /^(?:452[ -]4\.3\.1|250)/)

  const existing = accepted.filter((one) => one.to === 'alice@local.test')
  const list = (await server.cliJson('mail', 'list', '--account', 'alice@local.test', '--limit', '1000')) as {
    items: readonly { subject: string; messageId: string }[]
  }
  assert.deepEqual(
    list.items.map((item) => item.subject).sort(),
    existing.map((one) => one.id).sort(),
    'accepted mail is listed',
  )
  for (const item of list.items.slice(0, 5)) {
    const shown = await server.cli('mail', 'show', item.messageId)
    assert.ok(shown.out.includes(`X-Disk-Id: ${item.subject}`), `mail show ${item.messageId}: ${shown.err}`)
  }
  note(
    `${label}: existing mail`,
    `${existing.length} of ${existing.length} listed, those looked at read back whole`,
  )

  down = false // the next hop takes mail again
  const outside = accepted.filter((one) => one.to === 'rcpt@sink.test')
  const got = (): Set<string> =>
    new Set(sink.arrivals.map((arrival) => /^X-Disk-Id: (\S+)/m.exec(arrival.message)?.[1] ?? ''))
  if (!guarded) {
    // Nothing can be written on a disk without a free block, not even that something was delivered: no new dialing
    // starts until it can. Room made by somebody else is enough.
    assert.ok(server.pid !== undefined && process.kill(server.pid, 0), 'the server is still there')
    rmSync(ballast)
    note(`${label}: an operator made room`, freeMiB())
  }
  const all = await until(() => outside.every((one) => got().has(one.id)), 60_000)
  note(
    `${label}: queued mail delivered${guarded ? ' while it was below' : ''}`,
    `${got().size} of ${outside.length}, ${sink.arrivals.length} copies`,
  )
  assert.ok(all, `queued mail is delivered\n${server.logTail()}`)
  assert.equal(sink.arrivals.length, got().size, 'each once')
  if (guarded) rmSync(ballast)

  const resumed = await until(async () => (await send('alice@local.test', 1000)).code === 250, 60_000)
  note(`${label}: service resumed by itself`, `${resumed ? 'yes' : 'no'} (${freeMiB()})`)
  assert.ok(resumed, `it resumes\n${server.logTail()}`)
  assert.equal(await server.stop(), 0)
  sink.close()
  process.removeListener('exit', unmount)
  unmount()
  rmSync(disk, { recursive: true, force: true })
}

const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim()
writeFileSync(
  join(root, 'docs', 'proof', 'disk.md'),
  `# Full disk

Made by \`npm run test:disk\` at commit ${commit}, Node ${process.versions.node}. The data directory lies on a tmpfs of 160 MiB. The next hop
refuses for the time being, so that mail stays; then it takes mail again. 32 MiB of it belong to somebody else until the end.

| what | result |
|---|---|
${rows.join('\n')}
`,
)
