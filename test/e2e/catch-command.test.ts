// `posthouse catch` as a process: what it prints, taken ports, its files, the stop.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { connectCatcher } from '../../src/testing/kit/connect-catcher.ts'
import { plain, send } from './support/client.ts'

const main = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'src', 'cli', 'main.ts')

interface Started {
  readonly smtp: { readonly host: string; readonly port: number; readonly url: string }
  readonly http: { readonly url: string }
  readonly pid: number
}

interface Run {
  /** stdout so far, once `done` says it is enough, or the process ended. */
  until(done: (out: string) => boolean): Promise<string>
  stop(): void
  readonly ended: Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>
}

function run(t: TestContext, args: readonly string[], env: NodeJS.ProcessEnv = {}): Run {
  const child = spawn(process.execPath, [main, 'catch', ...args], {
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  let out = ''
  let err = ''
  child.stderr.on('data', (bytes) => {
    err += bytes
  })
  const looks = new Set<() => void>()
  child.stdout.on('data', (bytes) => {
    out += bytes
    for (const look of looks) look()
  })
  const ended = new Promise<{ code: number | null; out: string; err: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, out, err })),
  )
  return {
    until: (done) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (done(out)) resolve(out)
        }
        looks.add(look)
        look()
        ended.then(() => reject(new Error(`ended: ${out}\n${err}`)))
      }),
    stop: () => void child.kill('SIGTERM'),
    ended,
  }
}

const start = async (one: Run): Promise<Started> =>
  JSON.parse(await one.until((out) => out.includes('\n}\n')))
const free = ['--json', '--smtp', '127.0.0.1:0', '--http', '127.0.0.1:0']
const letter = { from: 'app@there.test', to: 'ann@far.test', body: plain }

test('catch: mail comes in, the test kit sees it by URL, SIGTERM ends it and its folder is gone', async (t) => {
  const temp = mkdtempSync(join(tmpdir(), 'ph-catch-'))
  t.after(() => rmSync(temp, { recursive: true, force: true }))
  const one = run(t, free, { TMPDIR: temp })
  const { smtp, http } = await start(one)
  const catcher = await connectCatcher(http.url)
  assert.equal(catcher.smtp.url, smtp.url)
  const inbox = catcher.inbox({ to: 'ann@far.test' })
  const waiting = inbox.waitForMail()
  assert.equal((await send(smtp.port, letter)).end.code, 250)
  const mail = await waiting
  assert.equal(mail.subject, 'hello')
  assert.match(mail.text, /Hello\./)
  const rule = await catcher.faults.add({ stage: 'rcpt', fault: { kind: 'reply', code: 550 } })
  assert.equal((await send(smtp.port, letter)).rcpt[0]?.code, 550)
  await catcher.faults.remove(rule.id)
  await catcher.faults.applyProfile('unknown-users')
  assert.equal((await catcher.faults.list())[0]?.id, 'unknown-users-1')
  await catcher.faults.clear()
  await inbox.clear()
  assert.deepEqual(await inbox.mails(), [])
  one.stop()
  assert.equal((await one.ended).code, 0)
  assert.deepEqual(
    readdirSync(temp).filter((name) => name.startsWith('posthouse-catch-')),
    [],
  )
})

test('catch: a taken port is named with its flag, --port auto takes another', async (t) => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  t.after(() => taken.close())
  const { port } = taken.address() as { port: number }
  const args = ['--json', '--smtp', `127.0.0.1:${port}`, '--http', '127.0.0.1:0']
  const refused = await run(t, args).ended
  assert.equal(refused.code, 69)
  assert.match(refused.err, new RegExp(`127\\.0\\.0\\.1:${port} is taken by another program`))
  assert.match(refused.err, /--port auto/)
  const second = run(t, [...args, '--port', 'auto'])
  assert.notEqual((await start(second)).smtp.port, port)
  second.stop()
  await second.ended
})

test('catch: with --data-dir the mail is there after the next start', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ph-catch-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const args = [...free, '--data-dir', join(folder, 'data')]
  const first = run(t, args)
  assert.equal((await send((await start(first)).smtp.port, letter)).end.code, 250)
  first.stop()
  await first.ended
  assert.ok(existsSync(join(folder, 'data', 'store')))
  const second = run(t, args)
  const catcher = await connectCatcher((await start(second)).http.url)
  assert.equal((await catcher.inbox({ all: true }).mails()).length, 1)
  second.stop()
  await second.ended
})

test('catch: faults from flags and a file; mistakes are told before anything opens', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ph-catch-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const rules = join(folder, 'rules.json')
  writeFileSync(rules, JSON.stringify([{ stage: 'data', fault: { kind: 'reply', code: 450 } }]))
  const one = run(t, [...free, '--fault', 'full-mailbox', '--fault-rules', rules, '--seed', '7'])
  const { smtp } = await start(one)
  assert.equal((await send(smtp.port, letter)).rcpt[0]?.code, 552)
  one.stop()
  await one.ended
  const wrong: [args: readonly string[], code: number, words: RegExp][] = [
    [['--fault', 'nonsense'], 78, /must be one of 'greylisting'/],
    [['--fault-rules', join(folder, 'none.json')], 66, /cannot be read/],
    [['--http', '0.0.0.0:0'], 64, /could read the mail/],
    [['--release-to', '*@x.test'], 64, /--release-server is missing/],
    [['--max-size', 'huge'], 78, /capture\.bytesMax/],
  ]
  for (const [args, code, words] of wrong) {
    const { code: got, err } = await run(t, [...free, ...args]).ended
    assert.equal(got, code, err)
    assert.match(err, words)
  }
})

test('catch: for people it prints where and what to paste', async (t) => {
  const one = run(t, ['--smtp', '127.0.0.1:0', '--http', '127.0.0.1:0'])
  const out = await one.until((text) => text.includes('Ctrl-C'))
  assert.match(out, /Console {2}http:\/\/127\.0\.0\.1:\d+/)
  assert.match(out, /SMTP_HOST=127\.0\.0\.1 SMTP_PORT=\d+/)
  one.stop()
  assert.equal((await one.ended).code, 0)
})
