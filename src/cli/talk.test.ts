// Owns the tests of a talk: its core over a scripted peer in memory, and its parts by tables. The command over
// real sockets is in talk-sockets.test.ts.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { type MemoryPair, memoryPair } from '../testing/memory-network.ts'
import { type PeerScript, pipeliningPeer, ScriptedPeer } from '../testing/scripted-peer.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { dotCommands, runLine } from './talk-commands.ts'
import { completeLine } from './talk-complete.ts'
import { parseExpectation } from './talk-expect.ts'
import { historyFile, loadHistory, saveHistory } from './talk-history.ts'
import { runScript, type ScriptResult } from './talk-script.ts'
import { type TalkOptions, TalkSession } from './talk-session.ts'
import { parseTalkTarget } from './talk-target.ts'
import { parseRaw, rawText, visibleBytes } from './talk-text.ts'
import { explainReply } from './talk-words.ts'
import { colours } from './text.ts'

const root = mkdtempSync(join(tmpdir(), 'posthouse-talk-'))
after(() => rmSync(root, { recursive: true, force: true }))

interface Talk {
  readonly session: TalkSession
  readonly printed: string[]
  readonly asked: string[]
  readonly peer: ScriptedPeer
  readonly pair: MemoryPair
  readonly clock: VirtualClock
  /** Time moves on for as long as it takes. */
  drive<T>(work: Promise<T>): Promise<T>
}

function talk(script: PeerScript = {}, more: Partial<TalkOptions> = {}, serve = true): Talk {
  const clock = new VirtualClock()
  const pair = memoryPair()
  const peer = new ScriptedPeer({
    capabilities: [...pipeliningPeer, 'STARTTLS', 'AUTH PLAIN LOGIN'],
    ...script,
  })
  if (serve) peer.accept(pair.server)
  const printed: string[] = []
  const asked: string[] = []
  const session = new TalkSession({
    connection: pair.client,
    terminal: {
      print: (line) => void printed.push(line),
      ask: async (question) => (asked.push(question) > 0 ? 'user' : undefined),
      askSecret: async (question) => (asked.push(question) > 0 ? 's3cret' : undefined),
    },
    style: { colours: colours(false), echo: true, explain: true },
    clock,
    random: seededRandom(1),
    protocol: 'smtp',
    servername: 'peer.test',
    port: 25,
    timeoutMs: 10_000,
    readFile: () => Promise.resolve(Buffer.from('Subject: f\n\n.dot\nlast')),
    env: { SECRET: 'from env' },
    ...more,
  })
  const drive = async <T>(work: Promise<T>): Promise<T> => {
    let isDone = false
    const done = work.finally(() => (isDone = true))
    for (let i = 0; !isDone && i < 200; i++) await clock.advance(500)
    assert.ok(isDone, 'it comes to an end')
    return done
  }
  return { session, printed, asked, peer, pair, clock, drive }
}

async function script(
  text: string,
  peerScript: PeerScript = {},
  more: Partial<TalkOptions> = {},
): Promise<ScriptResult & Talk> {
  const one = talk(peerScript, more)
  return { ...one, ...(await one.drive(runScript(one.session, text))) }
}

test('talk: a whole session by script; messages are dot-stuffed, files too', async () => {
  const { ok, reason, peer, printed } = await script(
    `# comment
EHLO me.test
.expect 250 STARTTLS
MAIL FROM:<a@b.test>
RCPT TO:<c@d.test>
.expect 2xx
DATA
.expect 354
Subject: x

.dot
..
# no comment
.
.expect 250 /^2\\.0\\.0 TAKEN/i
MAIL FROM:<a@b.test>
RCPT TO:<c@d.test>
.file f.eml
MAIL FROM:<a@b.test>
RCPT TO:<c@d.test>
DATA
.file f.eml
.expect 250
QUIT
.expect 221
.expect closed
`,
  )
  assert.ok(ok, reason)
  assert.deepEqual(
    peer.messages.map(({ body }) => body),
    [
      'Subject: x\r\n\r\n.dot\r\n..\r\n# no comment\r\n',
      'Subject: f\r\n\r\n.dot\r\nlast\r\n',
      'Subject: f\r\n\r\n.dot\r\nlast\r\n',
    ],
  )
  assert.ok(
    printed.includes('   = send the message, end it with a dot on a line of its own (0 ms)'),
    printed.join('\n'),
  )
})

/** script, peer, what is wrong: line and words */
const failing: readonly (readonly [string, PeerScript, number, RegExp])[] = [
  ['EHLO a\n.expect 550\n', {}, 2, /^expected 550, got 250 peer\.test/],
  ['EHLO a\n.expect 250 NOTHERE\n', {}, 2, /^expected 250 NOTHERE/],
  ['NOOP\nRCPT TO:<a@b.test>\n.expect 250\n', {}, 3, /got 503 5\.5\.1 MAIL first/],
  ['.nonsense\n', {}, 1, /\.nonsense is not known/],
  ['.expect what\n', {}, 1, /takes a code/],
  ['.raw \\q\n', {}, 1, /'\\q' at character 1 is no escape/],
  ['EHLO a\nNOOP\n', at('EHLO', 'SILENT'), 1, /no reply within 10 s/],
  ['EHLO a\nNOOP\n', at('EHLO', 'DROP'), 1, /reset/],
  ['EHLO a\n.expect 250\n', at('EHLO', 'CLOSE'), 2, /expected 250, got no reply: the server closed/],
  ['NOOP\n', at('greeting', 'SILENT'), 0, /no reply/],
  ['QUIT\n.expect closed\nNOOP\n', {}, 3, /the connection is closed/],
  ['MAIL FROM:<a@b.test>\nRCPT TO:<a@b.test>\nDATA\nhello\n', {}, 4, /ends within a message/],
  ['.expect tls\n', {}, 1, /there is none/],
  ['.send NOOP\n.send NOOP\n.expect nothing 1s\n', {}, 3, /expected nothing, got 500/],
  ['.wait soon\n', {}, 1, /is no time/],
]
function at(stage: string, answer: string): PeerScript {
  return { answer: (one) => (one === stage ? answer : undefined) }
}
for (const [i, [text, peer, line, reason]] of failing.entries())
  test(`talk: script that fails, ${i + 1}: ${JSON.stringify(text.slice(0, 50))}`, async () => {
    const result = await script(text, peer)
    assert.equal(result.ok, false)
    assert.equal(result.line, line)
    assert.match(result.reason ?? '', reason)
  })

test('talk: pipelined lines and raw bytes are waited for one by one', async () => {
  const { ok, reason, peer } = await script(
    `EHLO a
.send MAIL FROM:<a@b.test>
.send RCPT TO:<c@d.test>
.send DATA
.expect 250
.expect 250
.expect 354
.raw Subject: x\\r\\n\\r\\nhi\\n.\\r\\nstill\\r\\n.\\r\\nRSET\\r\\n
.expect 250 taken
.expect 250 ok
.expect nothing 300ms
NOOP
.expect 500
`,
  )
  assert.ok(ok, reason)
  assert.equal(peer.messages[0]?.body, 'Subject: x\r\n\r\nhi\n.\r\nstill\r\n')
})

test('talk: raw bytes may be a message, and nothing is added to them', async () => {
  const { ok, reason, peer } = await script(
    'MAIL FROM:<a@b.test>\nRCPT TO:<c@d.test>\nDATA\n.raw a\\n.\\nMAIL FROM:<smuggled@b.test>\\r\\n.\\r\\n\n.expect 250\nRSET\n.expect 250\n',
  )
  assert.ok(ok, reason)
  assert.equal(peer.messages[0]?.body, 'a\n.\nMAIL FROM:<smuggled@b.test>\r\n')
})

test('talk: a conversation with C: and S: lines is a script', async () => {
  const good = await script('S: 220 x\nC: EHLO a\nS: 250-what\nS: 250 ever\n-- a note\nC: NOOP\nS: 500 x\n')
  assert.ok(good.ok, good.reason)
  const bad = await script('S: 220 x\nC: EHLO a\nS: 502 no\n')
  assert.deepEqual([bad.ok, bad.line], [false, 3])
})

test('talk: STARTTLS upgrades in place, says what was agreed, and forgets EHLO', async () => {
  const { ok, reason, session, printed } = await script(
    'EHLO a\nSTARTTLS\n.expect 220\n.expect tls\n.expect verified\n',
  )
  assert.ok(ok, reason)
  assert.deepEqual(session.announced, [])
  assert.ok(printed.some((line) => line.includes('TLSv1.3 TLS_AES_256_GCM_SHA384')))
  assert.ok(printed.some((line) => line.includes('the certificate is valid for peer.test')))
  const broken = await script('EHLO a\n.raw STARTTLS\\r\\n\n.expect 220\n.starttls\n', { brokenTls: true })
  assert.equal(broken.ok, false)
})

test('talk: AUTH asks, does the base64, and shows no secret', async () => {
  const { session, printed, asked, peer, drive } = talk()
  await drive(session.start())
  await drive(runLine(session, 'EHLO a'))
  assert.deepEqual(await drive(runLine(session, 'auth')), { kind: 'done' })
  assert.deepEqual(asked, ['User: ', 'Password: '])
  assert.equal(peer.lines.at(-1), `AUTH PLAIN ${Buffer.from('\0user\0s3cret').toString('base64')}`)
  const login = talk({
    answer: (stage, _line, count) => (stage === 'AUTH' && count < 3 ? '334 VXNlcg==' : undefined),
  })
  await login.drive(login.session.start())
  await login.drive(runLine(login.session, '.auth LOGIN me env:SECRET'))
  assert.deepEqual(login.peer.lines, ['AUTH LOGIN', base64('me'), base64('from env')])
  const cancelled = talk(at('AUTH', '334 AAAA'))
  await cancelled.drive(cancelled.session.start())
  await cancelled.drive(runLine(cancelled.session, 'AUTH PLAIN'))
  assert.equal(cancelled.peer.lines.at(-1), '*')
  for (const lines of [printed, login.printed, cancelled.printed])
    assert.doesNotMatch(lines.join('\n'), /s3cret|from env|AHVzZXI|ZnJvbSBlbnY/)
  assert.match(printed.join('\n'), /C: AUTH PLAIN \*\*\*\*/)
})

const base64 = (text: string): string => Buffer.from(text).toString('base64')

test('talk: what was typed as a secret is not kept', async () => {
  const { session, drive, printed } = talk(at('AUTH', '334 UGFzc3dvcmQ6'))
  await drive(session.start())
  for (const line of ['AUTH PLAIN AGEAYg==', 'auth login dXNlcg==', '.auth PLAIN me pass'])
    assert.ok(session.isSecret(line), line)
  for (const line of ['AUTH PLAIN', 'EHLO me', '.auth PLAIN me']) assert.ok(!session.isSecret(line), line)
  await drive(runLine(session, 'AUTH LOGIN dXNlcg=='))
  assert.ok(session.isSecret('cGFzcw=='))
  await drive(runLine(session, 'cGFzcw=='))
  assert.doesNotMatch(printed.join('\n'), /dXNlcg|cGFzcw/)
})

test('talk: lmtp answers once for each recipient; BDAT goes in chunks', async () => {
  const lmtp = await script(
    'LHLO a\nMAIL FROM:<a@b.test>\nRCPT TO:<c@d.test>\nRCPT TO:<e@d.test>\n.file f\nRSET\n.expect 250\n',
    { lmtp: true },
    { protocol: 'lmtp' },
  )
  assert.ok(lmtp.ok, lmtp.reason)
  assert.equal(lmtp.peer.messages[0]?.rcpts.length, 2)
  const bdat = await script('MAIL FROM:<a@b.test>\nRCPT TO:<c@d.test>\n.bdat f 10\n.expect 250\n')
  assert.ok(bdat.ok, bdat.reason)
  assert.equal(bdat.peer.messages[0]?.body, 'Subject: f\r\n\r\n.dot\r\nlast')
  assert.deepEqual(
    bdat.peer.lines.filter((line) => line.startsWith('BDAT')),
    ['BDAT 10', 'BDAT 10', 'BDAT 4 LAST'],
  )
})

test('talk: no octet of the peer reaches the terminal as a control', async () => {
  const { session, printed, pair, clock } = talk({}, {}, false)
  pair.server.attach({ data() {}, end() {}, close() {}, drain() {} })
  pair.server.write(Buffer.from('\x1b]0;owned\x07\x1b[2J\r\n220 hi \u202etxt \x9b31m\r\n', 'utf8'))
  pair.server.write(Buffer.from([0x32, 0x32, 0x30, 0x20, 0xff, 0xfe, 0x1b, 0x63, 0x0a, 0x00, 0x41]))
  await clock.advance(2000)
  pair.server.destroy()
  await clock.advance(100)
  const text = printed.join('\n')
  assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/)
  assert.match(text, /S: \\x1b\]0;owned\\x07\\x1b\[2J {2}\(not a reply\)/)
  assert.match(text, /220 \\xff\\xfe\\x1bc {2}\(ends in a bare LF\)/)
  assert.match(text, /\\x00A {2}\(no end of line yet\)/)
  assert.ok(session.wire.closed !== undefined)
})

test('talk: a flood is not shown to its end, and memory stays bounded', async () => {
  const { session, printed, pair, clock } = talk({}, {}, false)
  pair.server.attach({ data() {}, end() {}, close() {}, drain() {} })
  for (let i = 0; i < 100; i++) pair.server.write(Buffer.from('250-x\r\n'.repeat(100)))
  await clock.advance(100)
  assert.equal(printed.length, 2001)
  assert.match(printed.at(-1) ?? '', /more than 2000 lines/)
  session.sendRaw(Buffer.from('NOOP\r\n'))
  pair.server.write(Buffer.from('250 end\r\n'))
  await clock.advance(100)
  const outcome = await session.await()
  assert.equal(outcome.kind === 'reply' && outcome.lines.length, 500)
  assert.ok(printed.includes('S: 250 end'))
})

test('talk law: any bytes in any cut: nothing is thrown, nothing unsafe is printed', async () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc
      .constantFrom('250 ok\r\n', '250-a\r\n', '334 \r\n', '\r\n', '\n', '5', '550 5.1.1 \x1b[31m\r\n')
      .map((text) => Buffer.from(text)),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 20 }), async (pieces) => {
      const { printed, pair, clock } = talk({}, {}, false)
      pair.server.attach({ data() {}, end() {}, close() {}, drain() {} })
      for (const bytes of pieces) pair.server.write(bytes)
      await clock.advance(1500)
      for (const line of printed) assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f]/)
    }),
    { numRuns: 60 },
  )
})

test('talk: escapes of .raw, there and back', () => {
  assert.deepEqual(
    parseRaw('a\\r\\n\\t\\0\\x00\\xff\\\\ü\\u{1f600}'),
    Buffer.concat([Buffer.from('a\r\n\t\0\0'), Buffer.from([255]), Buffer.from('\\ü😀')]),
  )
  assert.throws(() => parseRaw('\\x0'), /is no escape/)
  assert.throws(() => parseRaw('\\u{110000}'), /is no character/)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) =>
      assert.deepEqual(parseRaw(rawText(bytes)), Buffer.from(bytes)),
    ),
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) =>
      assert.doesNotMatch(visibleBytes(bytes), /[\x00-\x1f\x7f-\x9f]/),
    ),
  )
})

test('talk: completion offers what EHLO announced', () => {
  const context = {
    announced: ['SIZE 1000', 'DSN', 'SMTPUTF8', 'AUTH PLAIN LOGIN', 'CHUNKING'],
    protocol: 'smtp' as const,
    hostname: 'me.test',
    dotCommands: ['raw', 'expect'],
  }
  const of = (line: string, announced?: string[]) =>
    completeLine(line, { ...context, ...(announced && { announced }) })[0]
  assert.deepEqual(of('eh'), ['EHLO '])
  assert.deepEqual(of('EHLO '), ['me.test'])
  assert.deepEqual(of('B'), ['BDAT '])
  assert.deepEqual(of('B', []), [])
  assert.deepEqual(of('auth p'), ['PLAIN'])
  assert.deepEqual(of('MAIL FROM:<a@b.test> R'), ['RET=HDRS', 'RET=FULL'])
  assert.deepEqual(of('MAIL FROM:<a@b.test> S'), ['SIZE=', 'SMTPUTF8'])
  assert.deepEqual(of('MAIL FROM:<a@b.test> RET=FULL B'), [])
  assert.deepEqual(of('RCPT TO:<a@b.test> no'), ['NOTIFY=NEVER', 'NOTIFY=SUCCESS,FAILURE,DELAY'])
  assert.deepEqual(of('.r'), ['.raw'])
  assert.deepEqual(of('STAR'), [])
})

test('talk: targets, expectations, words', () => {
  for (const [text, expected] of [
    ['mx.test', ['smtp', 'mx.test', 25, false]],
    ['mx.test:2525', ['smtp', 'mx.test', 2525, false]],
    ['mx.test:465', ['smtp', 'mx.test', 465, true]],
    ['smtp://mx.test:465', ['smtp', 'mx.test', 465, false]],
    ['smtps://mx.test/', ['smtp', 'mx.test', 465, true]],
    ['lmtp://localhost', ['lmtp', 'localhost', 24, false]],
    ['lmtp:///run/lmtp.sock', ['lmtp', '/run/lmtp.sock', 0, false]],
    ['[2001:db8::1]:25', ['smtp', '2001:db8::1', 25, false]],
    ['2001:db8::1', ['smtp', '2001:db8::1', 25, false]],
  ] as const) {
    const target = parseTalkTarget(text)
    assert.deepEqual([target?.protocol, target?.host, target?.port, target?.implicitTls], expected, text)
  }
  for (const text of ['', 'a b', 'mx.test:0', 'mx.test:99999', 'http://mx.test', 'user@mx.test', 'smtp://'])
    assert.equal(parseTalkTarget(text), undefined, text)
  assert.deepEqual(parseExpectation('2xx,354'), { kind: 'reply', codes: ['2xx', '354'] })
  assert.deepEqual(parseExpectation('nothing 250ms'), { kind: 'nothing', ms: 250 })
  assert.match(String(parseExpectation('250 /(/')), /no regular expression/)
  assert.equal(
    explainReply(550, '5.1.1'),
    'mailbox not available, or refused by policy; 5.1.1: Bad destination mailbox address',
  )
  assert.equal(explainReply(250, '2.0.0'), 'done')
  assert.match(explainReply(250, '5.1.1'), /its class contradicts the 250/)
  assert.match(explainReply(999, undefined), /not a code of SMTP/)
})

test('talk: the history is a bounded file of its owner alone', () => {
  const file = historyFile({ XDG_STATE_HOME: root })
  assert.equal(file, join(root, 'posthouse', 'talk-history'))
  assert.deepEqual(loadHistory(file), [])
  saveHistory(
    file,
    Array.from({ length: 600 }, (_one, i) => `NOOP ${600 - i}`),
  )
  assert.equal(loadHistory(file).length, 500)
  assert.equal(loadHistory(file)[0], 'NOOP 600')
  if (process.platform !== 'win32') assert.equal(statSync(file ?? '').mode & 0o777, 0o600)
  assert.equal(historyFile({}), undefined)
})

test('talk: every dot command is in the documentation', () => {
  const docs = readFileSync(join(import.meta.dirname, '../../docs/talk.md'), 'utf8')
  for (const { name } of dotCommands) assert.ok(docs.includes(`\`.${name}`), name)
})
