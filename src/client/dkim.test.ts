// Messages that the mailer and the drop-in sign: our verifier and dkimpy judge what arrives; a key that cannot sign is said
// under the name that the caller wrote; whoever does not sign loads no signer.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, describe, it } from 'node:test'
import { dkimRecord, generateDkimKey } from '../auth/dkim-keys.ts'
import { verifyDkim } from '../auth/dkim-verify.ts'
import { UsageError } from '../base/usage-error.ts'
import { createFakeResolver } from '../dns/fake-resolver.ts'
import { realClock } from '../net/real-clock.ts'
import { MemoryNetwork } from '../testing/memory-network.ts'
import { ScriptedPeer } from '../testing/scripted-peer.ts'
import type { DkimOptions } from './dkim-options.ts'
import { createMailer } from './mailer.ts'
import { createTransport, type NodemailerOptions } from './nodemailer.ts'

const folder = mkdtempSync(join(tmpdir(), 'posthouse-dkim-'))
after(() => rmSync(folder, { recursive: true }))

const rsa = String(await generateDkimKey('rsa'))
const ed25519 = String(await generateDkimKey('ed25519'))
const one = { domainName: 'us.test', keySelector: 'r1', privateKey: rsa }
const two = { domainName: 'us.test', keySelector: 'e1', privateKey: ed25519 }
const txt = Object.fromEntries(
  [one, two]
    .map(({ domainName, keySelector, privateKey }) =>
      dkimRecord({ domain: domainName, selector: keySelector, key: privateKey }),
    )
    .map(({ name, text }) => [name, [text]]),
)
const message = {
  from: 'Zoë <me@us.test>',
  to: 'you@them.test',
  subject: 'Grüße',
  text: 'Hi!\n.\n  two  blanks \n',
  list: { unsubscribe: 'https://us.test/u' },
}

/** 'pass,pass', by our verifier. */
async function verdicts(bytes: Uint8Array): Promise<string> {
  const { signatures } = await verifyDkim(bytes, { resolver: createFakeResolver({ txt }), clock: realClock })
  return signatures.map(({ result }) => result).join()
}

const captured = async (dkim: DkimOptions, input: object = message): Promise<Buffer> => {
  const mailer = createMailer({ kind: 'capture', dkim })
  await mailer.send(input)
  await mailer.close()
  return mailer.captured[0]?.bytes ?? Buffer.alloc(0)
}
const streamed = async (dkim: NodemailerOptions['dkim'], input: object = message, more: object = {}) => {
  const transporter = createTransport({
    streamTransport: true,
    buffer: true,
    ...(dkim !== undefined && { dkim }),
    ...more,
  })
  return (await transporter.sendMail(input)).message as Buffer
}
const signedNames = (bytes: Uint8Array): readonly string[] =>
  (/\bh=([^;]*)/.exec(Buffer.from(bytes).toString('latin1'))?.[1] ?? '').replace(/\s/g, '').split(':')

const dkimpy = existsSync('/usr/lib/python3/dist-packages/dkim') ? false : 'python3-dkim is not installed'

describe('what is signed is verified', () => {
  const forms: readonly (readonly [string, () => Promise<Buffer>, string])[] = [
    ['createMailer, one key', () => captured(one), 'pass'],
    ['createMailer, a list of keys', () => captured({ keys: [one, two] }), 'pass,pass'],
    [
      'createMailer, a key of node:crypto',
      () => captured({ ...one, privateKey: createPrivateKey(rsa) }),
      'pass',
    ],
    ['createTransport, one key', () => streamed(one), 'pass'],
    ['createTransport, keys that are one', () => streamed({ keys: two }), 'pass'],
    ['createTransport, a list of keys', () => streamed({ keys: [one, two], cacheDir: folder }), 'pass,pass'],
    ['sendMail, a key of its own', () => streamed(undefined, { ...message, dkim: two }), 'pass'],
    [
      "sendMail, in place of the transport's",
      () => streamed({ keys: [one, two] }, { ...message, dkim: one }),
      'pass',
    ],
    ["sendMail, false is the transport's", () => streamed(one, { ...message, dkim: false }), 'pass'],
    [
      'a stream as attachment, read once',
      () => captured(one, { ...message, attachments: [{ content: Readable.from(['some ', 'octets']) }] }),
      'pass',
    ],
    [
      'a file as attachment',
      () => {
        const path = join(folder, 'file.bin')
        writeFileSync(path, Buffer.alloc(300_000, 'file\r\n'))
        return captured(one, { ...message, attachments: [{ path }] })
      },
      'pass',
    ],
    [
      'a message ready-made',
      () => captured(one, { to: 'a@b.test', raw: 'From: me@us.test\n\nbody\n' }),
      'pass',
    ],
  ]
  for (const [what, make, want] of forms)
    it(what, async () => {
      const bytes = await make()
      assert.equal(await verdicts(bytes), want)
      const spoiled = Buffer.from(bytes)
      spoiled[spoiled.length - 4] = 0x21
      assert.doesNotMatch(await verdicts(spoiled), /pass/)
    })

  it('by dkimpy', { skip: dkimpy }, async () => {
    const known = join(folder, 'keys.json')
    writeFileSync(known, JSON.stringify(txt))
    const check = `import dkim, json, sys
keys = json.load(open(sys.argv[1]))
find = lambda name, timeout=5: keys[name.decode().rstrip('.')][0].encode()
message = sys.stdin.buffer.read()
print([dkim.DKIM(message).verify(idx=i, dnsfunc=find) for i in range(int(sys.argv[2]))])`
    const says = (bytes: Buffer, count: number): string =>
      execFileSync('/usr/bin/python3', ['-c', check, known, String(count)], { input: bytes })
        .toString()
        .trim()
    assert.equal(says(await captured({ keys: [one, two] }), 2), '[True, True]')
    assert.equal(says(await streamed(one), 1), '[True]')
  })

  it('on the wire, where the message goes to a server', async () => {
    const peer = new ScriptedPeer({ capabilities: ['PIPELINING', '8BITMIME'] })
    const network = new MemoryNetwork({})
    network.listen('192.0.2.25', 25, peer.accept)
    const resolver = createFakeResolver({ a: { 'mail.them.test': ['192.0.2.25'] } })
    const mailer = createMailer({ host: 'mail.them.test', dkim: one, world: { dialer: network, resolver } })
    await mailer.send(message)
    await mailer.send(message, { dkim: { keys: [two, one] } })
    await mailer.send(message, { dkim: false })
    await mailer.close()
    const seen = await Promise.all(peer.messages.map(({ body }) => verdicts(Buffer.from(body, 'latin1'))))
    assert.deepEqual(seen, ['pass', 'pass,pass', ''])
  })
})

describe('fields', () => {
  it('headerFieldNames: only these; skipFields: not these', async () => {
    const some = signedNames(await captured({ ...one, headerFieldNames: 'Subject: To' }))
    assert.deepEqual([...new Set(some)].sort(), ['from', 'subject', 'to'])
    const others = signedNames(await streamed({ ...one, skipFields: 'date:Message-ID' }))
    assert.ok(!others.includes('date') && !others.includes('message-id') && others.includes('subject'))
    const all = signedNames(await captured(one))
    for (const name of ['date', 'message-id', 'list-unsubscribe']) assert.ok(all.includes(name), name)
  })
})

describe('what cannot sign is said', () => {
  for (const [field, dkim] of [
    ['dkim', 7],
    ['dkim', []],
    ['dkim.domainName', {}],
    ['dkim.keySelector', { domainName: 'us.test' }],
    ['dkim.privateKey', { domainName: 'us.test', keySelector: 's' }],
    ['dkim.keys', { keys: [] }],
    ['dkim.keys[0]', { keys: [7] }],
    ['dkim.keys[1].keySelector', { keys: [one, { ...two, keySelector: '' }] }],
    ['dkim.hashAlgo', { ...one, hashAlgo: 'sha1' }],
    ['dkim.skipFields', { ...one, skipFields: ['date'] }],
  ] as const)
    it(`at once: ${field}`, () => {
      const names = (error: unknown) => error instanceof UsageError && error.field === field
      assert.throws(() => createMailer({ kind: 'capture', dkim: dkim as never }), names)
      assert.throws(() => createTransport({ host: 'a.test', dkim: dkim as never }), names)
    })

  for (const [field, dkim] of [
    ['dkim.privateKey', { ...one, privateKey: 'no key' }],
    ['dkim.keys[1].privateKey', { keys: [one, { ...two, privateKey: 'no key' }] }],
    ['dkim.domainName', { ...one, domainName: 'us test' }],
    ['dkim.keySelector', { ...one, keySelector: 'a b' }],
    ['dkim.headerFieldNames', { ...one, headerFieldNames: 'from:no field' }],
  ] as const)
    it(`with the first message, and by verify: ${field}`, async () => {
      const names = (error: unknown) =>
        error instanceof UsageError && error.field === field && !error.message.includes('no key')
      const mailer = createMailer({ kind: 'capture', dkim })
      await assert.rejects(mailer.verify(), names)
      await assert.rejects(mailer.send(message), names)
      await assert.rejects(createMailer('capture:').send(message, { dkim }), names)
      await mailer.close()
      await assert.rejects(
        streamed(dkim),
        (error: Error & { code?: string }) => error.code === 'ECONFIG' && names(error.cause),
      )
    })

  it('not beside a signer of one’s own', () => {
    assert.throws(() => createMailer({ kind: 'capture', dkim: one, sign: () => '' }), UsageError)
  })
})

it('the signer is loaded by the mailer that signs, and by no other', () => {
  const program = (options: string) => `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context) } })
    const { createMailer } = await import('${new URL('./mailer.ts', import.meta.url).href}')
    const mailer = createMailer(${options})
    await mailer.send({ from: 'a@us.test', to: 'b@us.test', text: 'x' })
    console.log(loaded.filter((url) => url.includes('/src/auth/')).length)`
  const loadedCount = (options: string): number =>
    Number(
      execFileSync(process.execPath, ['--input-type=module', '-e', program(options)], { encoding: 'utf8' }),
    )
  assert.equal(loadedCount(`{ kind: 'capture' }`), 0)
  assert.ok(loadedCount(`{ kind: 'capture', dkim: ${JSON.stringify(one)} }`) > 0)
})
