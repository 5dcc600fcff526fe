// Owns the proof of `posthouse send`: against a scripted server over loopback for every answer that has an exit code of
// its own, and the message, the conversation, the sums and the JSON as people and scripts read them.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'

import { UsageError } from '../base/usage-error.ts'
import { adviceFor } from '../client/advice.ts'

import { type Context, createContext } from './context.ts'
import { run as runCommand } from './program.ts'
import { adviceInFlags } from './send-report.ts'
import { parseServer } from './send-target.ts'
import { colours } from './text.ts'

const root = mkdtempSync(join(tmpdir(), 'posthouse-send-'))
const base = createContext()

interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function run(args: readonly string[], input = '', env: Record<string, string> = {}): Promise<Ran> {
  let out = ''
  let err = ''
  let code = 0
  const context: Context = {
    ...base,
    env,
    cwd: root,
    width: undefined,
    colours: colours(false),
    isTerminal: false,
    input: Readable.from([Buffer.from(input)]),
    print: (line = '') => void (out += `${line}\n`),
    write: async (bytes) => void (out += Buffer.from(bytes).toString()),
    note: (line) => void (err += `${line}\n`),
    setExitCode: (one) => void (code = one),
  }
  await runCommand(['send', ...args], context)
  return { code, out, err }
}

/** A server whose answers are in the local parts: 'c550' is refused with 550 at RCPT, a sender 'm451' with 451 at MAIL. */
let server: Server
let port = 0
const received: string[] = []
const commands: string[] = []
const sockets = new Set<Socket>()
let silent = false

before(async () => {
  server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    if (silent) return
    serve(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  port = typeof address === 'object' ? (address?.port ?? 0) : 0
})
after(() => {
  for (const socket of sockets) socket.destroy()
  server.close()
  rmSync(root, { recursive: true, force: true })
})

function serve(socket: Socket): void {
  let text = ''
  let message: string | undefined
  let accepted = 0
  const say = (line: string): void => void socket.write(`${line}\r\n`)
  const code = (line: string, mark: string): string | undefined =>
    new RegExp(`<${mark}(\\d{3})@`).exec(line)?.[1]
  say('220 fake.test ESMTP')
  socket.on('data', (chunk) => {
    text += chunk.toString()
    for (let end = text.indexOf('\r\n'); end !== -1; end = text.indexOf('\r\n')) {
      const line = text.slice(0, end)
      text = text.slice(end + 2)
      if (message !== undefined) {
        if (line !== '.') message += `${line}\r\n`
        else {
          received.push(message)
          say(message.includes('Subject: spam') ? '554 5.7.1 we do not like it' : '250 2.0.0 taken as 1')
          message = undefined
        }
        continue
      }
      commands.push(line)
      const verb = line.slice(0, 4).toUpperCase()
      if (verb === 'EHLO') say('250-fake.test\r\n250-AUTH PLAIN\r\n250 DSN')
      else if (verb === 'AUTH') say('535 5.7.8 wrong password')
      else if (verb === 'MAIL') {
        accepted = 0
        const refusal = code(line, 'm')
        say(refusal === undefined ? '250 2.1.0 ok' : `${refusal} ${refusal[0]}.1.8 not this sender`)
      } else if (verb === 'RCPT') {
        const refusal = code(line, 'c')
        if (refusal === undefined) accepted++
        say(refusal === undefined ? '250 2.1.5 ok' : `${refusal} ${refusal[0]}.1.1 not this one`)
      } else if (verb === 'DATA') {
        if (accepted === 0) say('503 5.5.1 no recipient')
        else {
          message = ''
          say('354 go on')
        }
      } else if (verb === 'QUIT') {
        say('221 bye')
        socket.end()
      } else say('250 ok')
    }
  })
}

const to = (...names: readonly string[]): string[] => names.flatMap((name) => ['--to', `${name}@x.test`])
const send = (args: readonly string[], input?: string, env?: Record<string, string>): Promise<Ran> =>
  run(['--server', `127.0.0.1:${port}`, '--from', 'me@x.test', ...args], input, env)

test('send: exit codes say what became of the message', async () => {
  const cases: readonly (readonly [args: readonly string[], code: number, told: RegExp])[] = [
    [to('a', 'b'), 0, /accepted for 2 recipients by 127\.0\.0\.1 in .*: 250 2\.0\.0 taken as 1/],
    [
      to('a', 'c550'),
      67,
      /accepted for 1 of 2 recipients[\s\S]*c550@x\.test +refused +550 5\.1\.1 not this one/,
    ],
    [to('a', 'c451'), 75, /c451@x\.test +not now +451 4\.1\.1/],
    [to('a', 'c451', 'c550'), 67, /refused/],
    [
      to('c550'),
      67,
      /refused by 127\.0\.0\.1\n {2}where +rcpt \(RCPT TO\)\n {2}they say +550 5\.1\.1 not this one\n {2}advice +Check/,
    ],
    [to('c450'), 75, /they say +450/],
    [[...to('a'), '--envelope-from', 'm553@x.test'], 69, /where +mail \(MAIL FROM\)/],
    [[...to('a'), '--subject', 'spam'], 69, /they say +554 5\.7\.1 we do not like it/],
    [[...to('a'), '--auth', 'me'], 77, /they say +535 5\.7\.8 wrong password/],
    [[...to('a'), '--tls', 'required'], 76, /where +startTls/],
    [['--subject', 'nobody'], 64, /nobody is named/],
    [['--to', 'no address'], 64, /to/],
    [[...to('a'), '--attach', 'missing.txt'], 66, /--attach: there is no file/],
    [[...to('a'), '--mx'], 64, /--mx and --server/],
    [[...to('a'), '--dsn', 'often'], 64, /--dsn must be/],
    [[...to('a'), '--timeout', 'soon'], 64, /--timeout must be/],
    [[...to('a'), '--header', 'broken'], 64, /--header wants/],
  ]
  for (const [args, code, told] of cases) {
    const ran = await send(args, '', { POSTHOUSE_PASSWORD: 'hunter2' })
    assert.equal(ran.code, code, `${args.join(' ')}: ${ran.out}${ran.err}`)
    assert.match(ran.out + ran.err, told, args.join(' '))
    assert.doesNotMatch(ran.out + ran.err, /hunter2/)
  }
  const nobody = await run(['--server', '127.0.0.1:1', ...to('a')])
  assert.equal(nobody.code, 75)
  assert.match(nobody.err, /where +connect\n {2}problem .*ECONNREFUSED/)
})

test('send: a header value brings no field of its own', async () => {
  received.length = 0
  assert.equal((await send([...to('a'), '--header', 'X-A: b\r\nX-B: evil'])).code, 0)
  assert.match(received[0] ?? '', /^X-A: b/m)
  assert.doesNotMatch(received[0] ?? '', /^X-B/m)
})

test('send: JSON has one reply per recipient, and errors as data', async () => {
  const part = JSON.parse((await send([...to('a', 'c550'), '--json'])).out)
  assert.deepEqual(
    [part.ok, part.exitCode, part.accepted, part.rejected],
    [false, 67, ['a@x.test'], ['c550@x.test']],
  )
  assert.equal(part.replies[1].reply.code, 550)
  const none = JSON.parse((await send([...to('c550'), '--json'])).out)
  assert.deepEqual([none.error.name, none.error.replyCode, none.error.phase], ['PeerError', 550, 'rcpt'])
})

test('send: --show prints both sides, and the secret of AUTH is masked', async () => {
  const ran = await send([...to('a'), '--auth', 'me:hunter2', '--show'])
  assert.match(ran.out, /^== connecting to 127\.0\.0\.1/m)
  assert.match(ran.out, /^<- 220 fake\.test ESMTP$/m)
  assert.match(ran.out, /^-> AUTH PLAIN \*+/m)
  assert.match(ran.out, /^<- 535 5\.7\.8 wrong password$/m)
  const secret = Buffer.from('\0me\0hunter2').toString('base64')
  assert.ok(!ran.out.includes(secret) && !ran.out.includes('hunter2'))
  const json = await send([...to('a'), '--show', '--json'])
  assert.equal(JSON.parse(json.out).ok, true, 'the conversation is on standard error')
  assert.match(json.err, /^<- 250 2\.0\.0 taken as 1$/m)
})

test('send: flags, files and standard input become a message; Bcc is nowhere but in the envelope', async () => {
  writeFileSync(join(root, 'a.csv'), 'x,y\n')
  writeFileSync(join(root, 'logo.png'), Buffer.from('89504e47', 'hex'))
  const ran = await send(
    [
      ...to('a'),
      ...['--bcc', 'secret@x.test', '--subject', 'Gr\u00fc\u00dfe', '--html', '<img src="cid:logo">'],
      ...['--attach', 'a.csv;name=table.csv', '--inline', 'logo=logo.png', '--header', 'X-Tag: one'],
      ...['--alternative', 'text/markdown=a.csv', '--dry-run', '-'],
    ],
    'from input\n',
  )
  assert.equal(ran.code, 0, ran.err)
  assert.match(ran.err, /^from <me@x\.test> to <a@x\.test> <secret@x\.test>$/m)
  for (const part of [
    'X-Tag: one',
    'from input',
    'table.csv',
    'Content-ID: <logo>',
    'text/markdown',
    'multipart/related',
  ])
    assert.ok(ran.out.includes(part), part)
  assert.doesNotMatch(ran.out, /secret/)
})

test('send: an .eml goes as it is but for Bcc and line ends, to whom it names or to whom is given', async () => {
  const mail =
    'From: f@x.test\nTo: a@x.test\nBcc: b@x.test\nSubject:   odd   spacing\nX-Long: a\n b\n\n.dot\nend'
  writeFileSync(join(root, 'mail.eml'), mail)
  commands.length = 0
  received.length = 0
  assert.equal((await run(['--server', `127.0.0.1:${port}`, 'mail.eml'])).code, 0)
  assert.deepEqual(received, [
    'From: f@x.test\r\nTo: a@x.test\r\nSubject:   odd   spacing\r\nX-Long: a\r\n b\r\n\r\n..dot\r\nend\r\n',
  ])
  assert.deepEqual(
    commands.filter((line) => /^(?:MAIL|RCPT)/.test(line)),
    ['MAIL FROM:<f@x.test>', 'RCPT TO:<a@x.test>', 'RCPT TO:<b@x.test>'],
  )
  commands.length = 0
  const given = ['--envelope-from', '<>', '--to', 'other@x.test', '--eml', '-', '--dsn', 'failure,delay']
  assert.equal((await run(['--server', `127.0.0.1:${port}`, ...given], mail)).code, 0)
  assert.deepEqual(
    commands.filter((line) => /^(?:MAIL|RCPT)/.test(line)),
    ['MAIL FROM:<>', 'RCPT TO:<other@x.test> NOTIFY=FAILURE,DELAY'],
  )
  assert.equal((await run(['--eml', 'mail.eml', '--subject', 'x'])).code, 64)
  assert.equal((await run(['--eml', '-', '--attach', '-'], mail)).code, 64)
})

test('send: many at once are counted, timed and grouped by error', async () => {
  const ran = await send([...to('a'), '--repeat', '40', '--concurrency', '4'])
  assert.equal(ran.code, 0, ran.err)
  assert.match(ran.out, /^40 sent in .*: \S+ a second\nlatency: p50 .*, p90 .*, p99 .*, worst /)
  const bad = await send([...to('c550'), '--repeat', '6', '--json'])
  const summary = JSON.parse(bad.out)
  assert.deepEqual([bad.code, summary.sent, summary.refused, summary.errors.length], [67, 0, 6, 1])
  assert.equal(summary.errors[0].count, 6)
})

test('send: --timeout ends a wait for a server that says nothing', async () => {
  silent = true
  const ran = await send([...to('a'), '--timeout', '200ms'])
  silent = false
  assert.equal(ran.code, 75)
  assert.match(ran.err, /the time for it is over/)
})

test('send: a server that nobody named is said, with the reason', async () => {
  const env = await run([...to('a')], '', { POSTHOUSE_SERVER: `smtp://127.0.0.1:${port}` })
  assert.equal(env.code, 0, env.err)
  assert.match(env.err, /^to 127\.0\.0\.1:\d+: named by POSTHOUSE_SERVER$/m)
  const password = await send([...to('a'), '--auth', 'me'])
  assert.equal(password.code, 64)
  assert.match(password.err, /put it into POSTHOUSE_PASSWORD/)
})

test('send: Ctrl-C ends well: what is under way is finished, the sums are told, and the code is 130', async () => {
  const args = [
    'send',
    '--server',
    `127.0.0.1:${port}`,
    '--from',
    'me@x.test',
    ...to('a'),
    '--repeat',
    '1000000',
    '--json',
  ]
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], { stdio: 'pipe' })
  after(() => child.kill('SIGKILL'))
  let out = ''
  child.stdout.on('data', (chunk) => void (out += String(chunk)))
  child.stderr.resume()
  const before = received.length
  const interrupt = setInterval(() => {
    if (received.length < before + 20) return
    clearInterval(interrupt)
    child.kill('SIGINT')
  }, 10)
  const code = await new Promise((resolve) => child.on('close', resolve))
  clearInterval(interrupt)
  const summary = JSON.parse(out)
  assert.deepEqual([code, summary.failed, summary.refused], [130, 0, 0])
  assert.equal(summary.sent, received.length - before, 'every message that was begun is counted')
  assert.equal(summary.sent + summary.notBegun, 1_000_000)
})

test('send: advice speaks of flags, and names none that this command has not', () => {
  const base = { kind: 'smtp', host: 'mx.test', port: 25, implicitTls: false, service: undefined } as const
  const facts = {
    ...base,
    reply: undefined,
    auth: undefined,
    tokenProblem: undefined,
    proxied: false,
  } as const
  const tls = (text: string): string =>
    adviceInFlags(adviceFor({ ...facts, phase: 'tls', problem: 'TLS', text }))
  assert.match(tls('self-signed certificate'), /as --ca; .* use --tls required --insecure-tls,/)
  assert.match(tls('for another name'), /as --servername\./)
  const login = { code: 530, status: '5.7.0', lines: ['authentication required'] }
  const asked = adviceFor({ ...facts, phase: 'mail', problem: undefined, text: '', reply: login })
  assert.equal(adviceInFlags(asked), 'The server wants a login first: give --auth.')
})

test('send: servers in all forms', () => {
  const forms: readonly (readonly [text: string, options: object])[] = [
    ['mx.test', { host: 'mx.test' }],
    ['mx.test:2525', { host: 'mx.test', port: 2525 }],
    ['[::1]:25', { host: '::1', port: 25 }],
    ['::1', { host: '::1' }],
    ['127.0.0.1:25', { host: '127.0.0.1', port: 25 }],
    ['gmail', { service: 'gmail' }],
    ['localhost', { host: 'localhost' }],
    ['smtps://mx.test', { kind: 'smtp', secure: true, host: 'mx.test' }],
    ['lmtp://mx.test:24', { kind: 'lmtp', host: 'mx.test', port: 24 }],
    ['/run/lmtp.sock', { kind: 'lmtp', host: '/run/lmtp.sock' }],
    ['mx:', { kind: 'mx' }],
  ]
  for (const [text, options] of forms) assert.deepEqual(parseServer(text), options, text)
  for (const text of ['', 'a b', 'http://x.test', 'x.test:port', 'a@b', 'x.test:1:2'])
    assert.throws(() => parseServer(text), UsageError, text)
})
