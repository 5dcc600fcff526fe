// Owns the tests of `posthouse talk` and `posthouse probe` as commands, over real sockets with an embedded server, STARTTLS
// and AUTH included.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import type { Listener } from '../base/connection.ts'
import { makeSelfSigned } from '../net/certificate.ts'
import { listen } from '../net/listen.ts'
import { realClock } from '../net/real-clock.ts'
import { realRandom } from '../net/real-random.ts'
import { makeServerContext } from '../net/secure-context.ts'
import { createSmtpServer } from '../server/smtp-server.ts'
import { reply } from '../smtp/reply.ts'
import { accept } from '../smtp/verdict.ts'
import { startDnsServer } from '../testing/dns-server.ts'
import { type Context, createContext } from './context.ts'
import { run as runCommand } from './program.ts'
import { colours } from './text.ts'

const root = mkdtempSync(join(tmpdir(), 'posthouse-talk-sockets-'))
const bodies: string[] = []
let listener: Listener
let garbage: Listener

before(async () => {
  const pair = await makeSelfSigned({ hostname: 'mx.shop.test', now: Date.now() })
  writeFileSync(join(root, 'ca.pem'), pair.cert)
  const secureContext = makeServerContext(pair)
  const server = createSmtpServer({
    hostname: 'mx.shop.test',
    kind: 'mx',
    clock: realClock,
    random: realRandom,
    tls: () => secureContext,
    authenticator: {
      verifyPassword: async (user, password) =>
        user === 'alice' && password === 'pass word' ? { kind: 'ok', identity: 'alice' } : { kind: 'denied' },
    },
    session: () => ({
      mail: () => accept,
      rcpt: ({ localPart }) =>
        localPart === 'nobody' ? { kind: 'refuse', reply: reply(550, '1.1', 'no such user here') } : accept,
      data: () => {
        const chunks: Buffer[] = []
        return {
          write: (bytes) => void chunks.push(bytes),
          finish: () => {
            bodies.push(Buffer.concat(chunks).toString())
            return { kind: 'accept', reply: reply(250, '0.0', 'queued') }
          },
          abort() {},
        }
      },
    }),
  })
  const host = '127.0.0.1'
  listener = await listen({ host, port: 0, clock: realClock, onConnection: (one) => server.accept(one) })
  garbage = await listen({
    host,
    port: 0,
    clock: realClock,
    onConnection: (one) => {
      one.attach({ data() {}, end: () => one.end(), close() {}, drain() {} })
      one.write(Buffer.from([0x16, 3, 1, 0x1b, 0x5b, 0x32, 0x4a, 0x0d, 0x0a, 0xff, 0xfe, 0x0a]))
    },
  })
})
after(async () => {
  await Promise.all([listener.close(), garbage.close()])
  rmSync(root, { recursive: true, force: true })
})

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
    input: Readable.from([input]),
    print: (line = '') => void (out += `${line}\n`),
    write: async (bytes) => void (out += Buffer.from(bytes).toString()),
    note: (line) => void (err += `${line}\n`),
    setExitCode: (one) => void (code = one),
  }
  await runCommand(args, context)
  return { code, out, err }
}

const at = (): string => `127.0.0.1:${listener.local.port}`

test('talk: a script over sockets: STARTTLS with a certificate that verifies, AUTH, a dot-stuffed message', async () => {
  writeFileSync(
    join(root, 'good.txt'),
    `EHLO me.test
STARTTLS
.expect 220
.expect verified
EHLO me.test
.expect 250 AUTH PLAIN
.auth PLAIN alice env:PASSWORD
.expect 235
MAIL FROM:<alice@shop.test>
RCPT TO:<nobody@shop.test>
.expect 550 no such user
RCPT TO:<bob@shop.test>
DATA
Subject: over sockets

.dot
.
.expect 250 queued
QUIT
.expect 221
.expect closed
`,
  )
  const env = { PASSWORD: 'pass word' }
  const { code, out, err } = await run(
    ['talk', at(), '--script', 'good.txt', '--ca', 'ca.pem', '--timeout', '10s'],
    '',
    env,
  )
  assert.equal(code, 0, `${out}\n${err}`)
  assert.equal(bodies.at(-1), 'Subject: over sockets\r\n\r\n.dot\r\n')
  assert.match(
    out,
    /-- TLSv1\.3 TLS_\w+\n-- the certificate is valid for 127\.0\.0\.1\n-- 0: CN=mx\.shop\.test; EC prime256v1/,
  )
  assert.match(
    out,
    /S: 550 5\.1\.1 no such user here\n {3}= mailbox not available, .*Bad destination mailbox address \(\d+ ms\)/,
  )
  assert.doesNotMatch(out, /pass word|AGFsaWNl/)
})

test('talk: the first expectation that does not hold ends it with 1, in words and as JSON', async () => {
  const script = 'NOOP\n.expect 250\nEHLO me\n.expect 250 XYZZY\nQUIT\n'
  const words = await run(['talk', at()], script)
  assert.equal(words.code, 1)
  assert.match(words.err, /standard input:4: expected 250 XYZZY, got 250 mx\.shop\.test/)
  assert.doesNotMatch(words.out, /QUIT/)
  const json = await run(['talk', at(), '--json'], script)
  const { ok, line, transcript } = JSON.parse(json.out)
  assert.deepEqual([ok, line], [false, 4])
  assert.equal(transcript[0].text, '220 mx.shop.test ESMTP ready')
})

test('talk: garbage is shown harmlessly; nobody there, no file, no target have their exit codes', async () => {
  const odd = await run(['talk', `127.0.0.1:${garbage.local.port}`, '--timeout', '300ms'], '.expect 220\n')
  assert.equal(odd.code, 1)
  assert.match(odd.out, /S: \\x16\\x03\\x01\\x1b\[2J {2}\(not a reply\)\nS: \\xff\\xfe {2}\(not a reply\)/)
  assert.match(odd.err, /expected 220, got no reply within 0\.3 s/)
  assert.equal((await run(['talk', '127.0.0.1:1'])).code, 69)
  assert.equal((await run(['talk', at(), '--script', 'no.txt'])).code, 66)
  assert.equal((await run(['talk', 'http://x.test'])).code, 64)
})

test('probe: the command over sockets and DNS: table, JSON, exit codes', async () => {
  const dns = await startDnsServer({
    data: {
      mx: { 'shop.test': ['10 mx.shop.test'], 'null.test': ['0 .'] },
      a: { 'mx.shop.test': ['127.0.0.1'] },
      txt: { 'shop.test': ['v=spf1 mx -all \u001b[2J'], '_dmarc.shop.test': ['v=DMARC1; p=reject'] },
      fail: ['mx broken.test'],
    },
  })
  try {
    const probe = (...args: readonly string[]): Promise<Ran> =>
      run([
        'probe',
        '--dns',
        dns.address,
        '--timeout',
        '5s',
        '--port',
        String(listener.local.port),
        '--ca',
        'ca.pem',
        ...args,
      ])
    const good = await probe('bob@shop.test', '--transcript')
    assert.equal(good.code, 1, 'the control character in its SPF record is a mistake')
    assert.match(good.out, /^MX +ok +10 mx\.shop\.test \(127\.0\.0\.1\)$/m)
    assert.match(good.out, /^TLS +ok +TLSv1\.3 /m)
    assert.match(good.out, /the certificate is valid for mx\.shop\.test, \d+ days more; by CN=mx\.shop\.test/)
    assert.match(good.out, /^Recipient +ok +accepted: 250 2\.1\.5/m)
    assert.match(good.out, /names: mx\.shop\.test, localhost, 127\.0\.0\.1, ::1/)
    assert.match(good.out, /ms C RCPT TO:<bob@shop\.test>$/m)
    assert.doesNotMatch(good.out, /[\x00-\x09\x0b-\x1f]/)
    const refused = await probe('nobody@shop.test', '--json')
    assert.equal(refused.code, 1)
    const report = JSON.parse(refused.out)
    assert.equal(report.hosts[0].rcpt.code, 550)
    assert.equal(report.hosts[0].tls.verified, true)
    assert.equal(report.hosts[0].tls.certificates[0].subject, 'CN=mx.shop.test')
    assert.equal((await probe('broken.test')).code, 75)
    assert.equal((await probe('null.test')).code, 1)
    assert.equal((await probe('mx.shop.test', '--no-connect')).code, 0)
    assert.equal((await probe('x@y', '--from', 'nonsense')).code, 64)
  } finally {
    await dns.stop()
  }
})
