// Owns the tests of the command line as people and scripts meet it, against a fake ControlApi on a real socket; as child
// processes where the process matters, with the real server for `serve`.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'

import { silentLog } from '../base/log.ts'
import { createMetrics } from '../http/metrics.ts'
import { createHttpServer, type HttpServer } from '../http/server.ts'
import { StoreFailure } from '../queue/store.ts'
import { createFakeControl, fakeMailId, fakeMessageId } from '../testing/fake-control.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'

import { type Context, createContext, wantsColour } from './context.ts'
import { run as runCommand } from './program.ts'
import { colours } from './text.ts'

const main = join(import.meta.dirname, 'main.ts')
const root = mkdtempSync(join(tmpdir(), 'posthouse-cli-'))
const socket = join(root, 'c.sock')
const now = Date.now()
const mailText = 'Subject: Hello\r\n\r\nHi \u001b[31mBob\r\n'
const app = createFakeControl({
  now,
  mailText,
  queueCount: 60,
  subject: 'Hi \u001b]0;owned\u0007 \u202ethere',
})
let server: HttpServer

before(async () => {
  const clock = new VirtualClock(now)
  const metrics = createMetrics({ processMetrics: false })
  server = createHttpServer({ app, metrics, log: silentLog, clock, scope: 'control' })
  await server.listen(socket)
})
after(async () => {
  await server.close()
  rmSync(root, { recursive: true, force: true })
})

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

function start(args: readonly string[]): ChildProcess {
  const { PATH, HOME, TMPDIR } = process.env
  const child = spawn(process.execPath, [main, ...args], {
    cwd: root,
    env: { PATH, HOME, TMPDIR },
    stdio: 'pipe',
  })
  after(() => child.kill('SIGKILL'))
  return child
}

function finish(child: ChildProcess): Promise<Ran> {
  let out = ''
  let err = ''
  child.stdout?.on('data', (chunk) => void (out += String(chunk)))
  child.stderr?.on('data', (chunk) => void (err += String(chunk)))
  child.stdin?.end()
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })))
}

const spawned = (...args: readonly string[]): Promise<Ran> => finish(start(args))

const base = createContext()

/** In this process: as the child does it, without Node's start-up each time. */
async function run(
  args: readonly string[],
  input = '',
  options: { env?: Record<string, string>; width?: number } = {},
): Promise<Ran> {
  let out = ''
  let err = ''
  let code = 0
  const context: Context = {
    ...base,
    env: options.env ?? {},
    cwd: root,
    width: options.width,
    colours: colours(false),
    isTerminal: options.width !== undefined,
    input: Readable.from([input]),
    print: (line = '') => void (out += `${line}\n`),
    write: async (bytes) => void (out += Buffer.from(bytes).toString()),
    note: (line) => void (err += `${line}\n`),
    setExitCode: (one) => void (code = one),
  }
  await runCommand(args, context)
  return { code, out, err }
}

const ask = (...args: readonly string[]): Promise<Ran> => run([...args, '--socket', socket])
const calls = (name: string): readonly (readonly unknown[])[] => app.calls.filter(([one]) => one === name)

test('cli: status in words and as JSON; not ready is exit code 1', async () => {
  const [words, json] = [await ask('status'), await ask('status', '--json')]
  assert.equal(words.code, 0, words.err)
  assert.match(words.out, /^State +ready$/m)
  assert.match(words.out, /^Mode +capture: mail for other domains is kept here/m)
  assert.match(words.out, /^mx +127\.0\.0\.1:2525 +starttls +2$/m)
  assert.equal(JSON.parse(json.out).counts.waiting, 2)
  app.healthNow = { ready: false, problems: ['the disk is full'] }
  const notReady = await ask('status')
  app.healthNow = { ready: true, problems: [] }
  assert.equal(notReady.code, 1)
  assert.match(notReady.out, /not ready: the disk is full/)
})

test('cli: queue list is a table, pages, filters, and is JSON for programs', async () => {
  const all = await ask('queue', 'list', '--limit', '1000')
  const lines = all.out.trimEnd().split('\n')
  assert.equal(lines.length, 61)
  assert.match(lines[0] ?? '', /^ID +STATE +FROM +TO +SIZE +RECEIVED +TRIES +NEXT TRY +WHY$/)
  assert.match(
    lines[1] ?? '',
    new RegExp(
      `^${fakeMessageId}-0 +waiting +alice@example.test +bob@slow.test +5KiB +1h ago +3 +in \\S+ +451 4.7.1 greylisted`,
    ),
  )
  assert.match(lines[2] ?? '', /held .* when released/)
  const some = await ask('queue', 'list', '--domain', 'slow.test', '--state', 'held', '--limit', '2')
  assert.match(some.err, /there are more: --limit 20/)
  assert.deepEqual(calls('queueList').at(-1), ['queueList', { state: 'held', domain: 'slow.test', limit: 2 }])
  assert.equal(JSON.parse((await ask('queue', 'ls', '--json')).out).items.length, 50)
})

test("cli: queue explain shows the other side's words, the next try and the reason; a dialogue on request", async () => {
  const { code, out } = await ask('queue', 'explain', fakeMessageId)
  assert.equal(code, 0)
  assert.match(out, /to bob@slow\.test waits; next try in \S+ \(\d{4}-/)
  assert.match(out, /They said +451 4\.7\.1 greylisted, try later/)
  assert.match(
    out.replace(/\n +/g, ' '),
    /Greylisted: the other side takes mail of a sender that it does not know only/,
  )
  assert.match(
    out.replace(/\n +/g, ' '),
    /mx:down\.test cannot be reached: mx1\.down\.test \[192\.0\.2\.1\]: connection refused\. It has been down for 2 h and was tried 4 times in a row/,
  )
  assert.match(
    out,
    /deferred -0 to bob@slow\.test - they said: 451 4\.7\.1 greylisted, try later - next try \d{4}-.* \(retry curve\)/,
  )
  assert.match(out, /mx\.slow\.test \[192\.0\.2\.9\] \(TLSv1\.3 TLS_AES_256_GCM_SHA384\)/)
  assert.doesNotMatch(out, /EHLO/)
  assert.match(
    (await ask('queue', 'explain', `${fakeMessageId}-0`, '--transcript')).out,
    /C: EHLO mx\.example\.test/,
  )
  assert.equal(JSON.parse((await ask('queue', 'explain', fakeMessageId, '--json')).out).events.length, 3)
  const unknown = await ask('queue', 'explain', '00000000000000000000')
  assert.deepEqual([unknown.code, unknown.out], [66, ''])
  assert.match(unknown.err, /^posthouse: no message 00000000000000000000 is known$/m)
  assert.equal((await ask('queue', 'explain', 'nonsense')).code, 64)
})

test('cli: queue show, recent and stats', async () => {
  assert.match(
    (await ask('queue', 'show', fakeMessageId)).out,
    /^By +submission as alice@example\.test from 127\.0\.0\.1 with TLSv1\.3$/m,
  )
  assert.equal((await ask('queue', 'show', fakeMessageId, '--raw')).out, mailText)
  assert.match(
    (await ask('queue', 'recent')).out,
    new RegExp(`^${fakeMessageId} +1h ago +alice@example\\.test +5KiB +submission`, 'm'),
  )
  assert.match(
    (await ask('queue', 'stats')).out,
    /mx:down\.test +1 +0 +1m\S* ago +in \S+ +down since 2h ago: mx1\.down\.test/,
  )
})

test('cli: queue retry, hold, release, bounce and delete by id and by filter', async () => {
  for (const act of ['retry', 'hold', 'release', 'bounce', 'delete']) {
    const { code, out } = await ask('queue', act, fakeMessageId, `${fakeMessageId}-1`)
    assert.equal(code, 0)
    assert.match(out, /^2 deliveries .*\n1 left alone: an attempt is under way/)
    assert.deepEqual(calls('queueAct').at(-1), [
      'queueAct',
      act,
      { ids: [fakeMessageId, `${fakeMessageId}-1`] },
    ])
  }
  const before = calls('queueAct').length
  const nothing = await ask('queue', 'delete')
  assert.equal(nothing.code, 64)
  assert.match(nothing.err, /say which deliveries to delete/)
  const unasked = await ask('queue', 'delete', '--all')
  assert.equal(unasked.code, 1)
  assert.match(unasked.err, /add --yes/)
  assert.equal(calls('queueAct').length, before, 'nothing was asked of the server')
  assert.equal((await ask('queue', 'delete', '--all', '--yes')).code, 0)
  const none = await ask('queue', 'retry', '--domain', 'none.test', '--json')
  assert.deepEqual([none.code, JSON.parse(none.out)], [1, { count: 0, busyCount: 0 }])
})

test('cli: mail list, show and delete; what a mail says cannot act on the terminal', async () => {
  const listed = await ask('mail', 'list', '--account', 'capture')
  assert.match(
    listed.out,
    new RegExp(`^${fakeMailId} +capture/7 +5s ago|^${fakeMailId} +capture/7 +\\d+s ago`, 'm'),
  )
  assert.doesNotMatch(listed.out, /[\u0000-\u0009\u000b-\u001f\u202e]/)
  assert.equal((await ask('mail', 'show', fakeMailId)).out, `Return-Path: <a@b.test>\r\n${mailText}`)
  assert.equal(
    (await ask('mail', 'show', 'capture/7', '--headers')).out,
    'Return-Path: <a@b.test>\r\nSubject: Hello\r\n',
  )
  const json = JSON.parse((await ask('mail', 'show', fakeMailId, '--json')).out)
  assert.deepEqual([json.item.uid, json.raw], [7, `Return-Path: <a@b.test>\r\n${mailText}`])
  assert.equal((await ask('mail', 'show', 'capture/8')).code, 66)
  assert.equal((await ask('mail', 'show', 'what')).code, 64)
  assert.equal((await ask('mail', 'delete', fakeMailId, 'capture/Sent/9')).out, '2 removed\n')
  assert.deepEqual(calls('mailDelete').at(-1), [
    'mailDelete',
    [{ messageId: fakeMailId }, { account: 'capture', mailbox: 'Sent', uid: 9 }],
  ])
})

test('cli: mail goes on at a cursor, and is searched in the words of the search syntax', async () => {
  await ask('mail', 'list', '--cursor', '41', '--limit', '2')
  assert.deepEqual(calls('mailList').at(-1), ['mailList', { limit: 2, cursor: '41' }])
  const found = await ask(
    'mail',
    'search',
    'from:ann',
    'has:attachment',
    '--account',
    'capture',
    '--cursor',
    '9',
  )
  assert.deepEqual(calls('mailSearch').at(-1), [
    'mailSearch',
    'from:ann has:attachment',
    { account: 'capture', limit: 50, cursor: '9' },
  ])
  assert.match(found.out, new RegExp(`^${fakeMailId} +capture/INBOX `, 'm'))
  const json = JSON.parse((await ask('mail', 'search', 'more', '--limit', '1', '--json')).out)
  assert.deepEqual([json.items.length, json.cursor, json.warnings], [1, '8', []])
  assert.match(
    (await ask('mail', 'search', 'more', '--limit', '1')).err,
    /there are more: --cursor 8 goes on/,
  )
  const none = await ask('mail', 'search', 'none')
  assert.deepEqual([none.code, none.out], [1, 'no mail\n'])
  assert.match(none.err, /nothing of it was understood/)
})

test('cli: account add, passwd, list, disable, enable and delete', async () => {
  const name = 'bob@example.test'
  const made = await ask('account', 'add', name, '--generate')
  assert.match(made.out, /account bob@example\.test added\nits password, shown this once: made-for-you/)
  assert.equal((await ask('account', 'add', name)).code, 65)
  const typed = await run(
    ['account', 'passwd', name, '--password-stdin', '--socket', socket],
    's3cret\nmore\n',
  )
  assert.deepEqual([typed.code, typed.out], [0, 'password of bob@example.test changed\n'])
  assert.deepEqual(calls('accountSetPassword').at(-1), ['accountSetPassword', name, 's3cret'])
  assert.equal((await run(['account', 'passwd', name, '--password-stdin', '--socket', socket], '')).code, 65)
  assert.match((await ask('account', 'disable', name)).out, /disabled/)
  assert.match((await ask('account', 'list')).out, /^bob@example\.test +disabled +yes +added/m)
  assert.match((await ask('account', 'enable', name)).out, /enabled/)
  assert.match((await ask('account', 'delete', name)).out, /removed/)
  const config = await ask('account', 'delete', 'alice@example.test')
  assert.match(config.err, /stands in the configuration file/)
})

test('cli: failures have sentences and sysexits codes', async () => {
  app.failNext('queueStats', new StoreFailure('full', 'ENOSPC'))
  const full = await ask('queue', 'stats')
  assert.deepEqual([full.code, full.err], [75, 'posthouse: there is no space left for new data\n'])
  const gone = await run(['status', '--socket', join(root, 'none.sock')])
  assert.equal(gone.code, 69)
  assert.match(gone.err, /no server answers at .*none\.sock/)
  const down = await run(['status'])
  assert.equal(down.code, 69)
  assert.match(
    down.err,
    new RegExp(`no server is running on the data in ${root}.*data\\n +start it with: .* serve\\n`),
  )
  const json = await run(['status', '--json'])
  assert.deepEqual([json.code, json.out], [69, ''])
  assert.match(JSON.parse(json.err).error, /no server is running/)
  const typo = await run(['quee', 'list'])
  assert.equal(typo.code, 64)
  assert.match(typo.err, /Did you mean queue/)
  assert.equal((await ask('queue', 'list', '--limit', 'many')).code, 64)
})

test('cli: a stale control.json of a killed server says that none is running', async () => {
  const dataDir = join(root, 'stale')
  mkdirSync(dataDir)
  writeFileSync(
    join(dataDir, 'control.json'),
    JSON.stringify({ socket: join(dataDir, 'run/control.sock'), pid: 1 }),
  )
  const { code, err } = await run(['status', '--data-dir', dataDir])
  assert.equal(code, 69)
  assert.match(err, /start it with: .* serve --data-dir /)
})

test('cli: each command has help with examples or options, and exits with 0', async () => {
  for (const args of [[], ['serve'], ['queue'], ['mail'], ['account'], ['config']]) {
    const { code, out } = await run([...args, '--help'])
    assert.equal(code, 0)
    assert.match(out, /Examples:\n/)
    assert.match(out, /--json/)
  }
})

test('cli: config check prints every mistake, or ok with a summary; explain masks', async () => {
  const bad = join(root, 'bad.json')
  writeFileSync(
    bad,
    JSON.stringify({ hostnam: 'x', delivery: { mode: 'realy', routes: { 'a.test': 'smtp://u:hunter2@' } } }),
  )
  const wrong = await run(['config', 'check', '--config', bad])
  assert.equal(wrong.code, 78)
  assert.match(wrong.err, /3 mistakes in .*bad\.json:\n/)
  assert.match(wrong.err, /^ {2}hostnam: unknown setting; did you mean 'hostname'\?$/m)
  const json = await run(['config', 'check', '--config', bad, '--json'])
  assert.deepEqual([json.code, JSON.parse(json.out).mistakes.length], [78, 3])
  const good = join(root, 'good.json')
  writeFileSync(
    good,
    JSON.stringify({ hostname: 'mx.a.test', delivery: { routes: { 'a.test': 'smtp://u:hunter2@h.test' } } }),
  )
  const ok = await run(['config', 'check', '--config', good])
  assert.match(ok.out, /^ok .*good\.json\nName +mx\.a\.test\n/)
  const explained = await run(['config', 'explain', '--config', good], '', {
    env: { POSTHOUSE_LOG__LEVEL: 'debug' },
  })
  assert.match(explained.out, /^delivery\.routes\["a\.test"\] +smtp:\/\/u:\*{6}@h\.test +.*good\.json$/m)
  assert.match(explained.out, /^log\.level +debug +POSTHOUSE_LOG__LEVEL$/m)
  assert.match(explained.out, /^dataDir +\.\/data +default$/m)
  assert.doesNotMatch(explained.out + wrong.err + json.out, /hunter2/)
})

test('cli: on a terminal tables fit it, and a mail is shown without control characters', async () => {
  for (const width of [80, 100, 140]) {
    for (const what of ['queue', 'mail']) {
      const { out } = await run([what, 'list', '--socket', socket], '', { width })
      for (const line of out.split('\n')) assert.ok(line.length <= width, `${width}: ${line}`)
    }
  }
  const mail = await run(['mail', 'show', fakeMailId, '--socket', socket], '', { width: 100 })
  assert.equal(mail.out, 'Return-Path: <a@b.test>\nSubject: Hello\n\nHi \ufffd[31mBob\n')
})

test('cli: as a process: exit code and streams', async () => {
  const [plainly, raw, unknown] = await Promise.all([
    spawned('status', '--socket', socket),
    spawned('mail', 'show', fakeMailId, '--socket', socket),
    spawned('queue', 'show', '00000000000000000000', '--socket', socket),
  ])
  assert.equal(plainly.code, 0)
  assert.doesNotMatch(plainly.out, /\u001b/)
  assert.equal(raw.out, `Return-Path: <a@b.test>\r\n${mailText}`)
  assert.deepEqual([unknown.code, unknown.out], [66, ''])
})

test('cli: colours on a terminal, unless NO_COLOR or TERM=dumb; elsewhere only with FORCE_COLOR', () => {
  const cases: readonly (readonly [NodeJS.ProcessEnv, boolean, boolean])[] = [
    [{}, false, false],
    [{}, true, true],
    [{ NO_COLOR: '1' }, true, false],
    [{ NO_COLOR: '' }, true, true],
    [{ TERM: 'dumb' }, true, false],
    [{ FORCE_COLOR: '1' }, false, true],
    [{ FORCE_COLOR: '1', NO_COLOR: '1' }, false, false],
  ]
  for (const [env, isTerminal, wanted] of cases)
    assert.equal(wantsColour(env, isTerminal), wanted, JSON.stringify(env))
})

/** Until `pattern` stands in what the child wrote. */
function seen(child: ChildProcess, pattern: RegExp): Promise<string> {
  let text = ''
  return new Promise((resolve, reject) => {
    const look = (chunk: unknown): void => {
      text += String(chunk)
      if (pattern.test(text)) resolve(text)
    }
    child.stdout?.on('data', look)
    child.stderr?.on('data', look)
    child.on('close', () => reject(new Error(`ended without ${pattern}: ${text}`)))
  })
}

const anyPort = { mx: 0, submission: 0, submissions: 0, http: 0 }

test('cli: serve says what it does, is found by its data directory, refuses a second one and stops on SIGTERM', async () => {
  const dataDir = join(root, 'served')
  const config = join(root, 'serve.json')
  writeFileSync(config, JSON.stringify({ dataDir, listeners: anyPort, hostname: 'mx.example.test' }))
  const child = start(['serve', '--config', config])
  const block = await seen(child, /Try it:\n[\s\S]*status.*\n/)
  assert.match(
    block,
    /Mode capture: mail for other domains is kept here for you to look at and never sent out\./,
  )
  assert.match(block, /^ {2}mx +127\.0\.0\.1:\d+ +mail from other servers$/m)
  assert.match(block, /Account user@localhost, password \S{10,} \(shown this once\)/)
  assert.match(block, /swaks --server 127\.0\.0\.1:\d+ --from/)
  const status = await run(['status', '--config', config, '--json'])
  assert.equal(JSON.parse(status.out).state, 'ready')
  const second = await spawned('serve', '--config', config)
  assert.equal(second.code, 69, second.err)
  assert.match(second.err, /posthouse: the data in .*served cannot be opened: /)
  const ended = finish(child)
  child.kill('SIGTERM')
  assert.equal((await ended).code, 0)
  const after = await run(['status', '--config', config])
  assert.match(after.err, /no server is running/)
})

test('cli: a second signal stops at once, though a client is in the middle of a message', async () => {
  const config = join(root, 'signals.json')
  writeFileSync(config, JSON.stringify({ dataDir: join(root, 'signals'), listeners: anyPort }))
  const child = start(['serve', '--config', config])
  const block = await seen(child, /Try it:\n[\s\S]*status.*\n/)
  const client = connect(Number(/mx +127\.0\.0\.1:(\d+)/.exec(block)?.[1]), '127.0.0.1')
  after(() => client.destroy())
  client.on('error', () => {})
  const ready = new Promise<void>((resolve) => {
    let text = ''
    client.on('data', (chunk) => {
      text += String(chunk)
      if (/^354 /m.test(text)) resolve()
    })
  })
  client.write('EHLO client.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<user@localhost>\r\nDATA\r\n')
  await ready
  const stopping = seen(child, /"stopping"/)
  child.kill('SIGTERM')
  await stopping
  assert.equal(child.exitCode, null, 'the message may still be finished')
  const ended = finish(child)
  child.kill('SIGTERM')
  const { code, err } = await ended
  assert.equal(code, 143)
  assert.match(err, /stopped at once; what was accepted is on disk/)
})

test('cli: serve names the key of a taken port', async () => {
  const taker = createServer()
  await new Promise<void>((resolve) => taker.listen(0, '127.0.0.1', resolve))
  const address = taker.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  for (const key of ['mx', 'http']) {
    const config = join(root, `taken-${key}.json`)
    writeFileSync(
      config,
      JSON.stringify({ dataDir: join(root, `taken-${key}`), listeners: { ...anyPort, [key]: port } }),
    )
    const { code, err } = await spawned('serve', '--config', config, '--log-level', 'silent')
    assert.equal(code, 69)
    assert.equal(
      err,
      `posthouse: 127.0.0.1:${port} is taken by another program; stop it or change listeners.${key} in the configuration\n`,
    )
  }
  taker.close()
})

test('cli: serve with a wrong configuration starts nothing and tells every mistake', async () => {
  const config = join(root, 'wrong.json')
  writeFileSync(config, JSON.stringify({ dataDir: join(root, 'wrong'), retry: { first: 'x', max: 'y' } }))
  const { code, err } = await spawned('serve', '--config', config)
  assert.equal(code, 78)
  assert.match(err, /2 mistakes/)
})
