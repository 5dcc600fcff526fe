// Issue 5, section 3: what our users send is signed on its way out, and what arrives at the other side is verified by us,
// by dkimpy and by OpenDKIM. Whole servers, real sockets, keys from files.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { dkimRecord, generateDkimKey } from '../../src/auth/dkim-keys.ts'
import { verifyDkim } from '../../src/auth/dkim-verify.ts'
import { createFakeResolver } from '../../src/dns/fake-resolver.ts'
import type { ConfigInput } from '../../src/posthouse/config.ts'
import type { ChaosSink } from '../../src/testing/chaos-sink.ts'
import { Client, type Letter } from './support/client.ts'
import { type Server, until, World } from './support/world.ts'

const rsa = await generateDkimKey('rsa')
const ed25519 = await generateDkimKey('ed25519')
const selectors = [
  { selector: 'r1', key: rsa },
  { selector: 'e1', key: ed25519 },
]
const records = ['here.test', 'other.test'].flatMap((domain) =>
  selectors.map(({ selector, key }) => dkimRecord({ domain, selector, key })),
)
const txt = Object.fromEntries(records.map(({ name, text }) => [name, [text]]))
const password = 'correct horse battery'

/** The words of all signatures, in their order. */
async function words(message: string, now: number): Promise<string> {
  const report = await verifyDkim(Buffer.from(message, 'latin1'), {
    resolver: createFakeResolver({ txt }),
    clock: { now: () => now },
  })
  return report.signatures.map((one) => `${one.domain} ${one.selector} ${one.result}`).join()
}
const bothPass = (domain: string): string => `${domain} r1 pass,${domain} e1 pass`

function keyFiles(world: World): { readonly rsa: string; readonly ed25519: string } {
  const files = { rsa: join(world.folder, 'rsa.pem'), ed25519: join(world.folder, 'ed.pem') }
  writeFileSync(files.rsa, rsa, { mode: 0o600 })
  writeFileSync(files.ed25519, ed25519, { mode: 0o600 })
  return files
}

async function signing(world: World, sink: ChaosSink, more: ConfigInput = {}): Promise<Server> {
  const files = keyFiles(world)
  const keys = [
    { selector: 'r1', file: files.rsa },
    { selector: 'e1', file: files.ed25519 },
  ]
  return world.toSink(sink, {
    tls: 'self-signed',
    networks: { relay: [] },
    domains: {
      'here.test': { accounts: { alice: { password } }, aliases: { far: ['x@far.test'] } },
      'other.test': { accounts: { carol: { password } } },
      'plain.test': { accounts: { dave: { password } } },
    },
    dkim: { keys: { 'here.test': keys, 'other.test': keys }, ...more.dkim },
    listeners: { submission: '127.0.0.1:0', ...more.listeners },
    ...(more.submission !== undefined && { submission: more.submission }),
  })
}

async function submit(server: Server, user: string, letter: Letter): Promise<string> {
  const client = await Client.open(await server.port('submission'))
  await client.startTls()
  assert.equal((await client.login(user, password)).code, 235)
  const sent = await client.send(letter)
  client.close()
  assert.equal(sent.end.code, 250, sent.end.text)
  return sent.id
}

const from = 'alice@here.test'
const body = `From: Alice <${from}>\r\nTo: b@far.test\r\nSubject: two  words\r\nMessage-ID: <1@here.test>\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n\r\nHello \r\n.dots\r\n..\r\n\r\n\r\n`
const letter = { from, to: 'b@far.test', body }

async function taken(sink: ChaosSink, count = 1): Promise<string> {
  await until(`${count} messages in the sink`, () => sink.peer.messages.length >= count)
  return sink.peer.messages[count - 1]?.body ?? ''
}

const notes = async (server: Server, id: string): Promise<unknown> =>
  (await server.event(id, 'delivered')).events.find((event) => event.kind === 'delivered')?.data.notes

describe('signing on the way out', () => {
  it('submission: RSA and Ed25519, verified by us, dkimpy and OpenDKIM; the timeline says which keys', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const server = await signing(world, sink)
    const id = await submit(server, from, letter)
    const message = await taken(sink)
    assert.match(message, /^DKIM-Signature: v=1; a=rsa-sha256; /)
    assert.equal(await words(message, world.clock.now()), bothPass('here.test'))
    assert.deepEqual(await notes(server, id), ['signed for here.test by r1 (RSA 2048), e1 (Ed25519)'])
    await t.test('dkimpy', { skip: !existsSync('/usr/lib/python3/dist-packages/dkim') }, () => {
      const keys = join(world.folder, 'keys.json')
      writeFileSync(keys, JSON.stringify(txt))
      const check = `import dkim, json, sys
keys = json.load(open(sys.argv[1]))
message = sys.stdin.buffer.read()
find = lambda name, timeout=5: keys[name.decode().rstrip('.')][0].encode()
print([dkim.DKIM(message).verify(idx=i, dnsfunc=find) for i in (0, 1)])`
      const said = execFileSync('/usr/bin/python3', ['-c', check, keys], {
        input: Buffer.from(message, 'latin1'),
        timeout: 20_000,
      })
      assert.equal(said.toString().trim(), '[True, True]')
    })
    await t.test('OpenDKIM', { skip: !existsSync('/usr/sbin/opendkim') }, () => {
      const file = (name: string, text: string): string => {
        writeFileSync(join(world.folder, name), text, 'latin1')
        return join(world.folder, name)
      }
      const known = file('keys', records.map(({ name, text }) => `${name} ${text}\n`).join(''))
      const conf = file('opendkim.conf', `Mode v\nTestPublicKeys ${known}\nSyslog no\n`)
      const mail = file('signed.eml', message)
      const said = execFileSync('/usr/sbin/opendkim', ['-x', conf, '-v', '-v', '-v', '-t', mail], {
        timeout: 20_000,
      }).toString()
      assert.match(said, /dkim=pass [^;]*header\.s=r1/)
      assert.match(said, /dkim=pass [^;]*header\.s=e1/)
    })
  })

  it('8-bit text to a host without 8BITMIME, BDAT, and a body that is streamed from a file hold', async (t) => {
    const world = World.for(t)
    const sink = await world.sink({ capabilities: ['SIZE 100000000'] })
    const chunking = await world.sink({ capabilities: ['SIZE 100000000', 'CHUNKING', '8BITMIME'] })
    for (const [one, count] of [
      [sink, 1],
      [chunking, 1],
    ] as const) {
      const server = await world.toSink(
        one,
        {
          dkim: { keys: { 'here.test': { selector: 'r1', file: keyFiles(world).rsa } } },
        },
        undefined,
      )
      const line = `${'grüße  '.repeat(9)}\r\n.\r\n`
      const large = `${body}${line.repeat(8000)}\ttail \r\n\r\n`
      await server.accept({ ...letter, body: large, mail: ' BODY=8BITMIME' })
      const message = await taken(one, count)
      assert.ok(message.length > 500_000, 'beyond what is kept in memory')
      assert.equal(await words(message, world.clock.now()), 'here.test r1 pass')
      await server.stop()
    }
  })

  it('one signature for all destinations of a message', async (t) => {
    const world = World.for(t)
    const [one, two] = [await world.sink(), await world.sink()]
    const server = await world.server({
      dkim: { keys: { 'here.test': { selector: 'r1', file: keyFiles(world).rsa } } },
      delivery: {
        routes: { 'one.test': `smtp://127.0.0.1:${one.port}`, 'two.test': `smtp://127.0.0.1:${two.port}` },
      },
    })
    await server.accept({ ...letter, to: ['b@one.test', 'b@two.test'] })
    const [first, second] = [await taken(one), await taken(two)]
    assert.match(first, /^DKIM-Signature: /)
    assert.equal(first, second)
  })

  it('programs, the API of the object and our own reports are signed; what comes from outside is not', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const server = await signing(world, sink)
    await server.posthouse.submit({ from, to: ['b@far.test'], raw: body })
    assert.equal(await words(await taken(sink, 1), world.clock.now()), bothPass('here.test'))
    // Forwarded by an alias: the author claims to be ours, and proved nothing.
    const forwarded = await server.accept({ from: 'x@there.test', to: 'far@here.test', body })
    assert.doesNotMatch(await taken(sink, 2), /DKIM-Signature/)
    assert.equal(await notes(server, forwarded), undefined)
    // A report about it: MAILER-DAEMON of the host name, signed by the domain above it.
    const [item] = await Promise.all([
      server.accept({ from: 'x@there.test', to: 'far@here.test', body, rcpt: ' NOTIFY=SUCCESS' }),
    ])
    assert.ok(item)
    const report = await taken(sink, 4)
    const all = [await taken(sink, 3), report].find((one) => one.includes('multipart/report')) ?? ''
    assert.match(all, /^DKIM-Signature: /)
    assert.equal(await words(all, world.clock.now()), bothPass('here.test'))
  })

  it('nobody is signed as another domain of ours; a domain without a key, a header that is not clear: sent, and told', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const server = await signing(world, sink)
    const carol = 'carol@other.test'
    const cases = [
      [carol, body, 'not signed: carol@other.test is not known as a sender of here.test'],
      [
        'dave@plain.test',
        body.replaceAll(from, 'dave@plain.test'),
        'not signed: plain.test has no key that signs',
      ],
      [
        from,
        body.replace('\r\nTo:', ', e@other.test\r\nTo:'),
        'not signed: its From field is not clear (several-domains)',
      ],
      [carol, body.replaceAll(from, carol), 'signed for other.test by r1 (RSA 2048), e1 (Ed25519)'],
      [
        from,
        body.replaceAll(from, 'alice@sub.here.test'),
        'signed for here.test by r1 (RSA 2048), e1 (Ed25519)',
      ],
    ] as const
    for (const [i, [user, text, note]] of cases.entries()) {
      const id = await submit(server, user, { from: user, to: 'b@far.test', body: text })
      const message = await taken(sink, i + 1)
      assert.deepEqual(await notes(server, id), [note])
      assert.equal(message.includes('DKIM-Signature'), note.startsWith('signed'))
    }
    const foreign = await submit(server, from, {
      from,
      to: 'b@far.test',
      body: body.replaceAll(from, 'a@else.test'),
    })
    assert.doesNotMatch(await taken(sink, 6), /DKIM-Signature/)
    assert.equal(await notes(server, foreign), undefined)
  })

  it('a key file that others can read, or that is none, does not sign and stops nothing; repaired it signs', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const server = await signing(world, sink)
    const file = join(world.folder, 'rsa.pem')
    chmodSync(file, 0o644)
    writeFileSync(join(world.folder, 'ed.pem'), 'no key')
    // The files are looked at in turns: the first message that finds them changed shows it.
    const unsigned = await until('a message without signature', async () => {
      world.clock.advance(30_000)
      const id = await submit(server, from, letter)
      const [note] = (await notes(server, id)) as readonly string[]
      return note?.startsWith('not signed') ? note : undefined
    })
    assert.equal(unsigned, 'not signed: here.test has no key that signs')
    chmodSync(file, 0o600)
    await until('a signed message', async () => {
      world.clock.advance(30_000)
      const id = await submit(server, from, letter)
      return ((await notes(server, id)) as readonly string[])[0] === 'signed for here.test by r1 (RSA 2048)'
    })
  })

  it('dkim.sign: false signs nothing', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    const server = await signing(world, sink, { dkim: { sign: false } })
    const id = await submit(server, from, letter)
    assert.doesNotMatch(await taken(sink), /DKIM-Signature/)
    assert.equal(await notes(server, id), undefined)
  })
})
