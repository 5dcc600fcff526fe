// Owns the proof of `posthouse sendmail` as its callers meet it: a child process with a pipe, against a real server with
// its own data directory, with the server up, killed and started again.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'

import { type Context, createContext } from './context.ts'
import { run as runCommand } from './program.ts'
import { sendmailOf, withProgramName } from './sendmail.ts'
import { colours } from './text.ts'

const main = join(import.meta.dirname, 'main.ts')
const root = mkdtempSync(join(tmpdir(), 'posthouse-sendmail-'))
const config = join(root, 'posthouse.config.json')
const dataDir = join(root, 'data')
const spool = join(dataDir, 'spool')
let server: ChildProcess

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** As a process of its own. */
function spawned(program: string, args: readonly string[], input: string | Buffer = ''): Promise<Ran> {
  const { PATH, HOME, TMPDIR } = process.env
  const child = spawn(process.execPath, [program, ...args], {
    cwd: root,
    env: { PATH, HOME, TMPDIR, POSTHOUSE_CONFIG: config },
    stdio: 'pipe',
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk) => void (out += String(chunk)))
  child.stderr.on('data', (chunk) => void (err += String(chunk)))
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })))
}

const base = createContext()

/** In this process: as the child does it, without Node's start-up each time. */
async function run(args: readonly string[], input: string | Buffer = ''): Promise<Ran> {
  const out: Buffer[] = []
  let err = ''
  let code = 0
  const context: Context = {
    ...base,
    env: { POSTHOUSE_CONFIG: config },
    cwd: root,
    width: undefined,
    colours: colours(false),
    isTerminal: false,
    input: Readable.from([Buffer.from(input as string)]),
    print: (line = '') => void out.push(Buffer.from(`${line}\n`)),
    write: async (bytes) => void out.push(Buffer.from(bytes as Uint8Array)),
    note: (line) => void (err += `${line}\n`),
    setExitCode: (one) => void (code = one),
  }
  await runCommand(args, context)
  return { code, out: Buffer.concat(out).toString(), err }
}

const sendmail = (line: string, input?: string | Buffer): Promise<Ran> =>
  run(['sendmail', ...line.split(' ')], input)

/** Resolves when it says what it serves. */
async function startServer(): Promise<void> {
  server = spawn(process.execPath, [main, 'serve', '--config', config], { cwd: root, stdio: 'pipe' })
  await new Promise<void>((resolve, reject) => {
    let text = ''
    const look = (chunk: unknown): void => {
      text += String(chunk)
      if (/No listener is open/.test(text)) resolve()
    }
    server.stdout?.on('data', look)
    server.stderr?.on('data', look)
    server.on('close', () => reject(new Error(`the server ended: ${text}`)))
  })
}

async function killServer(): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const gone = new Promise((resolve) => server.on('close', resolve))
  server.kill('SIGKILL')
  await gone
}

interface Mail {
  readonly messageId: string
  readonly subject: string
  readonly recipient: string
  readonly reversePath: string
}

async function mails(subject: string): Promise<readonly Mail[]> {
  const listed = await run(['mail', 'list', '--json', '--limit', '500'])
  return (JSON.parse(listed.out).items as Mail[]).filter((one) => one.subject === subject)
}

const show = async (id: string): Promise<string> => (await run(['mail', 'show', id])).out

before(async () => {
  const listeners = { mx: false, submission: false, submissions: false, lmtp: false, http: false }
  const domains = {
    'example.test': { accounts: { alice: { password: false } }, aliases: { root: ['alice'] } },
  }
  writeFileSync(
    config,
    JSON.stringify({ dataDir, listeners, domains, tls: false, hostname: 'mx.example.test' }),
  )
})
after(async () => {
  server?.kill('SIGKILL')
  rmSync(root, { recursive: true, force: true })
})

test('sendmail: without a data directory nothing is kept in a place that no server looks at', async () => {
  const ran = await sendmail('root', 'Subject: x\n\n')
  assert.equal(ran.code, 75)
  assert.match(ran.err, /there is no data directory .*\n.*start the server once/)
  assert.ok(!existsSync(dataDir))
  await startServer()
})

test('sendmail: PHP, with CRLF, a dot line and Bcc: sent to all, Bcc gone, nothing said', async () => {
  const mail = 'To: you@far.test\r\nBcc: secret@far.test\r\nSubject: php\r\n\r\nhello\r\n.\r\nmore\r\n'
  const ran = await spawned(main, ['sendmail', '-t', '-i', '-fweb@example.test'], mail)
  assert.deepEqual(ran, { code: 0, out: '', err: '' })
  const found = await mails('php')
  assert.equal(found.length, 1)
  const id = found[0]?.messageId ?? ''
  const explained = await run(['queue', 'explain', id])
  for (const recipient of ['secret@far.test', 'you@far.test'])
    assert.ok(explained.out.includes(recipient), explained.out)
  const text = await show(id)
  assert.match(text, /^Return-Path: <web@example\.test>\r\n/)
  assert.match(
    text,
    /\r\nDate: .*\r\nMessage-ID: <.*>\r\nFrom: web@example\.test\r\nTo: you@far\.test\r\nSubject: php\r\n\r\nhello\r\n\.\r\nmore\r\n$/,
  )
  assert.doesNotMatch(text.replace(/^Delivered-To: .*$/m, ''), /secret/)
})

test('sendmail: cron: user names are completed, and the timeline says who called', async () => {
  const ran = await sendmail(
    '-FCronDaemon -i -B8BITMIME -oem -v root',
    'From: root (Cron Daemon)\nTo: root\nSubject: cron\n\nout\n',
  )
  assert.equal(ran.code, 0, ran.err)
  const id = /^queued as (\S+)\n$/.exec(ran.out)?.[1] ?? ''
  const text = await show(id)
  assert.match(text, /\r\nFrom: root@example\.test \(Cron Daemon\)\r\nTo: root@example\.test\r\n/)
  const explained = await run(['queue', 'explain', id])
  assert.match(explained.out, new RegExp(`^By +sendmail as \\S+ \\(uid ${process.getuid?.()}\\)$`, 'm'))
})

test('sendmail: text without a header, a lone dot, a full name', async () => {
  assert.equal((await sendmail('-F Zo\u00eb alice', 'only text\n.\nnot this\n')).code, 0)
  const listed = await run(['mail', 'list', '--json', '--account', 'alice@example.test', '--limit', '1'])
  const text = await show(JSON.parse(listed.out).items[0].messageId)
  assert.match(text, /\r\nFrom: =\?UTF-8\?\S+\?= <\S+@example\.test>\r\n\r\nonly text\r\n$/i)
})

test('sendmail: exit codes: nobody, no such user, no such option, two From', async () => {
  const cases: readonly (readonly [line: string, input: string, code: number, told: RegExp])[] = [
    ['-t', 'Subject: x\n\n', 64, /names no recipients/],
    ['nobody', 'Subject: x\n\n', 67, /there is no user nobody@example\.test here/],
    ['alice not..valid@x', 'Subject: x\n\n', 67, /is not a mail address/],
    ['-Z alice', '', 64, /no option -Z/],
    ['alice', 'From: a@b.test\nFrom: c@d.test\n\n', 65, /more than one From/],
    ['-C missing.json alice', '', 78, /no such file/],
    ['-bi', '', 0, /^$/],
    ['-q', '', 0, /^$/],
  ]
  const ran = await Promise.all(cases.map(([line, input]) => sendmail(line, input)))
  for (const [i, [line, , code, told]] of cases.entries()) {
    assert.equal(ran[i]?.code, code, `${line}: ${ran[i]?.err}`)
    assert.match(ran[i]?.err ?? '', told, line)
  }
})

test('sendmail: -bs speaks SMTP, and a recipient that is nobody is refused at the end of data', async () => {
  const one = (to: string): string =>
    `MAIL FROM:<a@far.test>\r\nRCPT TO:<${to}>\r\nDATA\r\nFrom: a@far.test\r\nSubject: bs\r\n\r\n..x\r\n.\r\n`
  const ran = await spawned(
    main,
    ['sendmail', '-bs'],
    `EHLO me.test\r\n${one('alice@example.test')}${one('nobody@example.test')}QUIT\r\n`,
  )
  assert.equal(ran.code, 0, ran.err)
  const codes = ran.out
    .split('\r\n')
    .filter((line) => /^\d{3} /.test(line))
    .map((line) => line.slice(0, 3))
  assert.deepEqual(codes, ['220', '250', '250', '250', '354', '250', '250', '250', '354', '550', '221'])
  const [mail] = await mails('bs')
  assert.match(await show(mail?.messageId ?? ''), /\r\n\r\n\.x\r\n$/)
})

test('sendmail: a large message is streamed in, octet for octet', async () => {
  const body = 'line of text, 8 bit: \u00e9\n'.repeat(120_000)
  const ran = await sendmail('-v alice', `Subject: large\n\n${body}`)
  const text = await show(/queued as (\S+)/.exec(ran.out)?.[1] ?? '')
  assert.ok(
    text.slice(text.indexOf('\r\n\r\n') + 4) === body.replaceAll('\n', '\r\n'),
    'too long to be shown',
  )
  // The answer comes before the message is read: it must not be lost in what is still being written.
  const refused = await sendmail('nobody', `Subject: large\n\n${body}`)
  assert.deepEqual([refused.code, readdirSync(spool)], [67, []])
})

test('sendmail: a killed server: mail is spooled, seen by mailq, and taken up at the start and while it runs', async () => {
  await killServer()
  for (const n of [1, 2]) assert.equal((await sendmail('root', `Subject: spooled\n\n${n}\n`)).code, 0)
  assert.equal((await sendmail('nobody', 'Subject: lost?\n\n')).code, 0, 'nobody is asked now who lives here')
  const files = readdirSync(spool)
  assert.equal(files.length, 3)
  const queue = await sendmail('-bp')
  assert.equal(queue.code, 69)
  assert.match(queue.out, /^-- 1 Kbytes in 3 Requests\.$/m)
  await startServer()
  const until = async (check: () => boolean | Promise<boolean>): Promise<void> => {
    for (let tries = 0; tries < 200 && !(await check()); tries++) await wait(25)
  }
  await until(() => readdirSync(spool).every((name) => name === 'bad'))
  assert.equal((await mails('spooled')).length, 2)
  const bad = readdirSync(join(spool, 'bad')).sort()
  assert.equal(bad.length, 2)
  assert.match(
    readFileSync(join(spool, 'bad', bad[1] ?? ''), 'utf8'),
    /there is no user nobody@example\.test here/,
  )
  assert.match((await run(['status'])).out, /^Spool +1 message could not be taken: .*spool\/bad$/m)
  // Moved back once its user exists, it is taken without a restart.
  assert.equal((await run(['account', 'add', 'nobody@example.test', '--generate'])).code, 0)
  const name = bad[0] ?? ''
  writeFileSync(join(spool, name), readFileSync(join(spool, 'bad', name)))
  await until(() => !existsSync(join(spool, name)))
  assert.equal((await mails('lost?')).length, 1)
  assert.match((await sendmail('-bp')).out, /^Mail queue is empty$/m)
})

test('sendmail: under its other names by a symbolic link', async () => {
  for (const name of ['sendmail', 'mailq', 'newaliases']) symlinkSync(main, join(root, name))
  assert.equal((await spawned(join(root, 'sendmail'), ['root'], 'Subject: linked\n\n')).code, 0)
  assert.equal((await mails('linked')).length, 1)
  assert.match((await spawned(join(root, 'mailq'), [])).out, /^Mail queue is empty$/m)
  assert.deepEqual(await spawned(join(root, 'newaliases'), []), { code: 0, out: '', err: '' })
})

test('sendmail: options of all commands stand before its name, everything behind it is its own', () => {
  assert.deepEqual(sendmailOf(['sendmail', '-t', '--', '--config']), {
    args: ['-t', '--', '--config'],
    options: {},
  })
  assert.deepEqual(sendmailOf(['--config', 'x', '--data-dir=y', 'sendmail', 'a']), {
    args: ['a'],
    options: { config: 'x', dataDir: 'y' },
  })
  assert.deepEqual(sendmailOf(['mailq']), { args: ['-bp'], options: {} })
  for (const args of [['send', 'sendmail'], ['queue', 'list'], ['sendmail', '--help'], ['--help'], []])
    assert.equal(sendmailOf(args), undefined, args.join(' '))
  assert.deepEqual(withProgramName('/usr/sbin/sendmail', ['-t']), ['sendmail', '-t'])
  assert.deepEqual(withProgramName('/usr/bin/posthouse', ['status']), ['status'])
})
