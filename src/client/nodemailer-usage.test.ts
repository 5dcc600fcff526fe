// The drop-in as Nodemailer's documentation shows its use: message forms by table, OAuth2 with refresh, sendmail, plugins,
// events. Over real sockets on 127.0.0.1.

import assert from 'node:assert/strict'
import { generateKeyPairSync, verify as verifySignature } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, describe, it } from 'node:test'
import { UsageError } from '../base/usage-error.ts'
import { parseMessage } from '../message/parse-message.ts'
import { listen } from '../net/listen.ts'
import { realClock as clock } from '../net/real-clock.ts'
import { type PeerScript, ScriptedPeer } from '../testing/scripted-peer.ts'
import { createTransport, getTestMessageUrl, type SendMailOptions } from './nodemailer.ts'

const folder = mkdtempSync(join(tmpdir(), 'posthouse-nodemailer-'))
const closing: (() => unknown)[] = [() => rmSync(folder, { recursive: true })]
after(async () => {
  for (const close of closing.reverse()) await close()
})

const notes = join(folder, 'notes.txt')
writeFileSync(notes, 'from a file\n')
const base = { from: '"Sender Name" <sender@us.test>', to: 'bar@them.test, baz@them.test' }

/** Octets that came out of a stream transport, and the message that our reader makes of them. */
async function composed(message: SendMailOptions) {
  const transporter = createTransport({ streamTransport: true, buffer: true })
  const info = await transporter.sendMail(message)
  const bytes = info.message as Buffer
  return { info, text: bytes.toString(), parsed: await parseMessage(bytes) }
}

describe('messages of the documentation', () => {
  const attachments: readonly (readonly [SendMailOptions, string, string])[] = (
    [
      ['text', { filename: 'text1.txt', content: 'hello world!' }, 'text1.txt', 'hello world!'],
      [
        'octets',
        { filename: 'text2.txt', content: Buffer.from('hello world!') },
        'text2.txt',
        'hello world!',
      ],
      ['a path with its name', { filename: 'text3.txt', path: notes }, 'text3.txt', 'from a file\n'],
      ['a path alone', { path: notes }, 'notes.txt', 'from a file\n'],
      [
        'a stream',
        { filename: 'text4.txt', content: Readable.from([Buffer.from('stream')]) },
        'text4.txt',
        'stream',
      ],
      [
        'a content type of its own',
        { filename: 'text.bin', content: 'hello', contentType: 'text/plain' },
        'text.bin',
        'hello',
      ],
      [
        'an encoded string',
        { filename: 'text5.txt', content: 'aGVsbG8gd29ybGQh', encoding: 'base64' },
        'text5.txt',
        'hello world!',
      ],
      ['a data URI', { path: 'data:text/plain;base64,aGVsbG8gd29ybGQ=' }, '', 'hello world'],
      [
        'a part ready-made',
        { raw: 'Content-Type: text/plain\r\nContent-Disposition: attachment; filename="r.txt"\r\n\r\nready' },
        'r.txt',
        'ready',
      ],
    ] as const
  ).map(([, attachment, name, content]) => [
    { ...base, text: 'x', attachments: [attachment] } as SendMailOptions,
    name,
    content,
  ])
  for (const [message, name, content] of attachments)
    it(`an attachment: ${name === '' ? 'a data URI' : name}`, async () => {
      const { parsed } = await composed(message)
      const [one] = parsed.attachments
      if (name !== '') assert.equal(one?.filename, name)
      assert.equal(
        Buffer.from(one?.content ?? [])
          .toString()
          .trimEnd(),
        content.trimEnd(),
      )
    })

  for (const [name, message, want] of [
    ['text and HTML', { text: 'Hello world?', html: '<b>Hello world?</b>' }, /multipart\/alternative/],
    [
      'an image by cid',
      {
        html: 'Embedded image: <img src="cid:unique@us.test"/>',
        attachments: [{ filename: 'image.png', content: Buffer.from('x'), cid: 'unique@us.test' }],
      },
      /multipart\/related[\s\S]*Content-I[dD]: <unique@us\.test>/,
    ],
    [
      'an alternative',
      { text: 'x', alternatives: [{ contentType: 'text/x-web-markdown', content: '**Hello world!**' }] },
      /text\/x-web-markdown/,
    ],
    [
      'an event',
      {
        text: 'x',
        icalEvent: {
          filename: 'invitation.ics',
          method: 'request',
          content: 'BEGIN:VCALENDAR\r\nEND:VCALENDAR',
        },
      },
      /text\/calendar;[\s\S]*method=REQUEST/,
    ],
    [
      'AMP and Apple Watch',
      {
        text: 'x',
        html: '<p>x</p>',
        amp: '<!doctype html><html ⚡4email></html>',
        watchHtml: '<b>Hello</b>',
      },
      /text\/x-amp-html[\s\S]*text\/watch-html|text\/watch-html[\s\S]*text\/x-amp-html/,
    ],
    [
      'headers as an object',
      { text: 'x', headers: { 'x-my-key': 'header value', 'x-another-key': 'another value' } },
      /^x-my-key: header value\r$/im,
    ],
    [
      'one header twice',
      { text: 'x', headers: { 'x-my-key': ['first', 'second'] } },
      /x-my-key: first\r\nx-my-key: second/i,
    ],
    [
      'a prepared header',
      {
        text: 'x',
        headers: {
          'x-processed': 'a really long header',
          'x-unprocessed': { prepared: true, value: 'a\r\n folded' },
        },
      },
      /x-unprocessed: a\r\n[ \t]folded/i,
    ],
    [
      'a list',
      {
        text: 'x',
        list: {
          help: 'admin@us.test?subject=help',
          unsubscribe: { url: 'https://us.test', comment: 'Comment' },
          id: { url: 'mylist.us.test', comment: 'This is my awesome list' },
        },
      },
      /List-Help: <mailto:admin@us\.test\?subject=help>[\s\S]*List-Unsubscribe: <https:\/\/us\.test>/i,
    ],
    ['priority', { text: 'x', priority: 'high' }, /Importance: High/],
    [
      'an answer',
      {
        text: 'x',
        inReplyTo: '<a@them.test>',
        references: ['<a@them.test>', '<b@them.test>'],
        replyTo: 'c@us.test',
      },
      /References: <a@them\.test> <b@them\.test>/,
    ],
    [
      'a message ready-made',
      {
        envelope: { from: 'sender@us.test', to: ['bar@them.test'] },
        raw: 'From: sender@us.test\nSubject: ready\n\nhello',
      },
      /^From: sender@us\.test\r\nSubject: ready\r\n\r\nhello/,
    ],
    [
      'addresses as objects',
      { to: ['a@them.test', { name: 'Näme', address: 'b@them.test' }], text: 'x' },
      /=\?UTF-8\?/i,
    ],
  ] as readonly (readonly [string, SendMailOptions, RegExp])[])
    it(name, async () => {
      const given = message.raw === undefined ? { ...base, subject: 'Hello ✔', ...message } : message
      assert.match((await composed(given)).text, want)
    })

  it('jsonTransport, and many at once through streamTransport', async () => {
    const json = createTransport({ jsonTransport: true })
    const { message } = await json.sendMail({ ...base, text: 'x' })
    assert.equal((JSON.parse(message as string) as { text: string }).text, 'x')
    const stream = createTransport({ streamTransport: true, buffer: true, newline: 'unix' })
    const infos = await Promise.all(['a', 'b', 'c'].map((text) => stream.sendMail({ ...base, text })))
    assert.deepEqual(
      infos.map((one) => (one.message as Buffer).toString().split('\n\n')[1]?.trim()),
      ['a', 'b', 'c'],
    )
  })
})

it('pool: isIdle and the idle event drive a producer', async () => {
  const peer = new ScriptedPeer()
  const listener = await listen({ host: '127.0.0.1', port: 0, clock, onConnection: peer.accept })
  const transporter = createTransport({
    pool: true,
    maxConnections: 2,
    host: '127.0.0.1',
    port: listener.local.port,
  })
  closing.push(
    () => listener.close(),
    () => transporter.close(),
  )
  const messages = Array.from({ length: 20 }, (_, i) => ({ ...base, subject: `n ${i}`, text: 'x' }))
  const sent: Promise<unknown>[] = []
  await new Promise<void>((resolve) => {
    const produce = (): void => {
      while (transporter.isIdle() && messages.length > 0)
        sent.push(transporter.sendMail(messages.shift() as SendMailOptions))
      if (messages.length === 0) resolve()
    }
    transporter.on('idle', produce)
    produce()
  })
  await Promise.all(sent)
  assert.equal(peer.messages.length, 20)
  assert.ok(peer.openMaxCount <= 2)
  assert.equal(await transporter.verify(), true)
})

describe('OAuth2', () => {
  const valid = 'token-2'
  const script: PeerScript = {
    capabilities: ['AUTH XOAUTH2', 'PIPELINING'],
    answer: (stage, line) => {
      if (stage !== 'AUTH') return undefined
      const said = Buffer.from(line.split(' ').at(-1) ?? '', 'base64').toString()
      return said.includes(`Bearer ${valid}\x01`) ? undefined : '535 5.7.8 expired'
    },
  }

  async function world(answer: (form: URLSearchParams) => object) {
    const forms: URLSearchParams[] = []
    const server = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request.setEncoding('utf8')) body += chunk
      forms.push(new URLSearchParams(body))
      const said = answer(new URLSearchParams(body))
      response.writeHead('error' in said ? 400 : 200, { 'content-type': 'application/json' })
      response.end(JSON.stringify(said))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const peer = new ScriptedPeer(script)
    const listener = await listen({ host: '127.0.0.1', port: 0, clock, onConnection: peer.accept })
    closing.push(
      () => listener.close(),
      () => void server.close(),
    )
    const make = (auth: object) => {
      const transporter = createTransport({
        host: '127.0.0.1',
        port: listener.local.port,
        ignoreTLS: true,
        auth: { type: 'OAuth2', user: 'me@us.test', accessUrl: `http://127.0.0.1:${port}/token`, ...auth },
      })
      closing.push(() => transporter.close())
      return transporter
    }
    return { forms, peer, make }
  }
  const client = { clientId: 'id', clientSecret: 'secret', refreshToken: 'refresh' }

  it('a refresh token: asked for once, kept, told of', async () => {
    const { forms, peer, make } = await world(() => ({ access_token: valid, expires_in: 3600 }))
    const transporter = make(client)
    const told: unknown[] = []
    transporter.on('token', (token) => told.push(token))
    for (let i = 0; i < 3; i++) await transporter.sendMail({ ...base, text: 'x' })
    assert.equal(peer.messages.length, 3)
    assert.deepEqual(
      forms.map((one) => Object.fromEntries(one)),
      [{ grant_type: 'refresh_token', refresh_token: 'refresh', client_id: 'id', client_secret: 'secret' }],
    )
    assert.equal((told[0] as { accessToken: string }).accessToken, valid)
  })

  it('a token that is refused is asked for anew', async () => {
    const { forms, peer, make } = await world(() => ({ access_token: valid }))
    await make({ ...client, accessToken: 'token-1', expires: clock.now() + 3_600_000 }).sendMail({
      ...base,
      text: 'x',
    })
    assert.equal(peer.messages.length, 1)
    assert.equal(forms.length, 1)
  })

  it('what the token server says is in the error, the secrets are not', async () => {
    const { make } = await world(() => ({
      error: 'invalid_grant',
      error_description: 'Token has been revoked.',
    }))
    await assert.rejects(
      make(client).sendMail({ ...base, text: 'x' }),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'EAUTH')
        assert.match(error.message, /invalid_grant: Token has been revoked/)
        assert.doesNotMatch(error.message, /secret/)
        return true
      },
    )
  })

  it('a service account signs its assertion', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const { forms, peer, make } = await world(() => ({ access_token: valid, expires_in: 3600 }))
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
    await make({ serviceClient: '1001', privateKey: pem }).sendMail({ ...base, text: 'x' })
    assert.equal(peer.messages.length, 1)
    const [head = '', claims = '', signature = ''] = (forms[0]?.get('assertion') ?? '').split('.')
    assert.ok(
      verifySignature(
        'RSA-SHA256',
        Buffer.from(`${head}.${claims}`),
        publicKey,
        Buffer.from(signature, 'base64url'),
      ),
    )
    const { iss, sub, exp, iat } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<
      string,
      unknown
    >
    assert.deepEqual([iss, sub, Number(exp) - Number(iat)], ['1001', 'me@us.test', 300])
  })

  it('a provision callback that is set later', async () => {
    const { peer, make } = await world(() => ({}))
    const transporter = make({})
    transporter.set(
      'oauth2_provision_cb',
      (user: string, _renew: boolean, done: (e: null, t: string) => void) =>
        done(null, user === 'me@us.test' ? valid : 'other'),
    )
    await transporter.sendMail({ ...base, text: 'x' })
    assert.equal(peer.messages.length, 1)
  })

  it('secrets go to no plain URL of another machine', () => {
    const auth = { type: 'OAuth2', user: 'me', ...client, accessUrl: 'http://tokens.test/token' }
    assert.throws(() => createTransport({ host: 'a.test', auth }), UsageError)
  })
})

describe('sendmail', () => {
  const got = join(folder, 'got')
  const program = join(folder, 'sendmail.sh')
  writeFileSync(program, `#!/bin/sh\nprintf '%s\\n' "$@" > ${got}.args\ncat > ${got}.message\n`)
  const failing = join(folder, 'failing.sh')
  writeFileSync(failing, "#!/bin/sh\necho 'no such mailbox' >&2\nexit 67\n")
  for (const one of [program, failing]) chmodSync(one, 0o755)

  it('the arguments and the message, with the line ends of the machine', async () => {
    const transporter = createTransport({ sendmail: true, path: program })
    const info = await transporter.sendMail({
      ...base,
      bcc: 'hidden@them.test',
      subject: 'Hello',
      text: 'a\nb',
    })
    assert.equal(info.response, 'Messages queued for delivery')
    assert.deepEqual(readFileSync(`${got}.args`, 'utf8').trim().split('\n'), [
      '-i',
      '-f',
      'sender@us.test',
      'bar@them.test',
      'baz@them.test',
      'hidden@them.test',
    ])
    const message = readFileSync(`${got}.message`, 'utf8')
    assert.match(message, /^Subject: Hello\n/m)
    assert.doesNotMatch(message, /\r|hidden/)
    await createTransport({ sendmail: program, newline: 'windows', args: ['-v'] }).sendMail({
      ...base,
      text: 'a',
    })
    assert.equal(readFileSync(`${got}.args`, 'utf8').split('\n')[1], '-v')
    assert.match(readFileSync(`${got}.message`, 'utf8'), /\r\n/)
  })

  it('a program that fails, one that is not there, an address that looks like an option', async () => {
    for (const [path, words] of [
      [failing, /ended with code 67: no such mailbox/],
      [join(folder, 'absent'), /does not run/],
    ] as const)
      await assert.rejects(
        createTransport({ sendmail: path }).sendMail({ ...base, text: 'x' }),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'ESENDMAIL')
          assert.match(error.message, words)
          return true
        },
      )
    const envelope = { from: 'sender@us.test', to: '-oQ/tmp@them.test' }
    await assert.rejects(
      createTransport({ sendmail: program }).sendMail({ ...base, envelope, text: 'x' }),
      /option/,
    )
  })
})

describe('plugins', () => {
  it("'compile' changes the message, in order, and reads its content", async () => {
    const transporter = createTransport({ streamTransport: true, buffer: true })
    transporter.use('compile', (mail, done) => {
      mail.resolveContent(mail.data, 'html', (error, html) => {
        if (error) return done(error)
        mail.data = { ...mail.data, text: `${html}`.replace(/<[^<>]{0,100}>/g, '') }
        done()
      })
    })
    transporter.use('compile', (mail, done) => {
      mail.data = { ...mail.data, subject: `[${mail.data.text}]` }
      done()
    })
    const info = await transporter.sendMail({ ...base, html: { path: notes } })
    assert.match((info.message as Buffer).toString(), /Subject: \[from a file[\s\S]*text\/plain/)
  })

  it('one that fails stops the message; other steps are refused', async () => {
    const transporter = createTransport({ streamTransport: true })
    transporter.use('compile', (_mail, done) => done(new Error('no template')))
    await assert.rejects(transporter.sendMail({ ...base, text: 'x' }), /no template/)
    assert.throws(() => transporter.use('send' as 'compile', () => {}), UsageError)
  })
})

it('getTestMessageUrl reads the answer of a test service', () => {
  const response = '250 Accepted [STATUS=new MSGID=WaQKMgKddxQDoou2]'
  assert.equal(getTestMessageUrl({ response }), 'https://ethereal.email/message/WaQKMgKddxQDoou2')
  for (const other of ['250 ok', '250 [MSGID=1]', ''])
    assert.equal(getTestMessageUrl({ response: other }), false)
})
