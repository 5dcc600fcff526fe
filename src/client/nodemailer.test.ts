// The drop-in against Nodemailer's documented shapes: options and URLs by table, results, errors, callbacks.

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { UsageError } from '../base/usage-error.ts'
import { listen } from '../net/listen.ts'
import { realClock as clock } from '../net/real-clock.ts'
import { type PeerScript, ScriptedPeer } from '../testing/scripted-peer.ts'
import { createTransport, type NodemailerError, type Transporter } from './nodemailer.ts'
import { type NodemailerOptions, parseNodemailerUrl, readNodemailerOptions } from './nodemailer-options.ts'

const closing: (() => unknown)[] = []
after(async () => {
  for (const close of closing.reverse()) await close()
})

async function make(
  script: PeerScript = {},
  more: NodemailerOptions = {},
): Promise<{ peer: ScriptedPeer; transporter: Transporter }> {
  const peer = new ScriptedPeer(script)
  const listener = await listen({ host: '127.0.0.1', port: 0, clock, onConnection: peer.accept })
  const transporter = createTransport({
    host: '127.0.0.1',
    port: listener.local.port,
    name: 'us.test',
    ...more,
  })
  closing.push(
    () => listener.close(),
    () => transporter.close(),
  )
  return { peer, transporter }
}

const message = { from: 'Me <me@us.test>', to: 'you@them.test', subject: 'Hello', text: 'Hi!' }

describe('options', () => {
  for (const [given, want] of [
    [{}, { host: 'localhost', port: 587, secure: false, tls: 'may' }],
    [
      { host: 'a.test', port: 465 },
      { port: 465, secure: true },
    ],
    [
      { host: 'a.test', secure: true },
      { port: 465, secure: true, tls: 'verify' },
    ],
    [{ host: 'a.test', secure: true, tls: { rejectUnauthorized: false } }, { tls: 'must' }],
    [{ host: 'a.test', requireTLS: true }, { tls: 'verify' }],
    [{ host: 'a.test', ignoreTLS: true }, { tls: 'none' }],
    [
      { host: 'a.test', auth: { user: 'u', pass: 'p' } },
      { auth: { user: 'u', password: 'p' }, tls: undefined },
    ],
    [{ host: 'a.test', auth: { user: 'u', pass: 'p', method: 'plain' } }, { mechanisms: ['PLAIN'] }],
    [
      { host: 'a.test', auth: { type: 'OAuth2', user: 'u', accessToken: 't' } },
      { auth: { user: 'u', token: 't' } },
    ],
    [
      { service: 'Gmail', auth: { user: 'u', pass: 'p' } },
      { host: 'smtp.gmail.com', port: 465, secure: true },
    ],
    [
      { host: 'a.test', pool: true },
      { connectionsMax: 5, messagesPerConnection: 100 },
    ],
    [
      { host: 'a.test', pool: true, maxConnections: 2, maxMessages: 3, rateLimit: 4, rateDelta: 5 },
      { connectionsMax: 2, messagesPerConnection: 3, rate: { messages: 4, perMs: 5 } },
    ],
    [{ host: 'a.test' }, { messagesPerConnection: 1 }],
    [
      { host: 'a.test', lmtp: true },
      { kind: 'lmtp', port: 24 },
    ],
    [{ host: 'a.test', connectionTimeout: 1, greetingTimeout: 2 }, { timeouts: { connect: 1, greeting: 2 } }],
    [{ host: 'a.test', disableFileAccess: true }, { allowFiles: false }],
    [{ url: 'smtps://u:p@a.test' }, { host: 'a.test', secure: true, port: 465 }],
  ] as readonly (readonly [NodemailerOptions, Record<string, unknown>])[])
    it(JSON.stringify(given), () => {
      const { options } = readNodemailerOptions(given)
      const picked = Object.fromEntries(
        Object.keys(want).map((key) => [key, (options as Record<string, unknown>)[key]]),
      )
      assert.deepEqual(picked, want)
    })

  it('a URL with options in its query', () => {
    assert.deepEqual(
      parseNodemailerUrl(
        'smtps://u%40a.test:p@mail.test/?pool=true&maxConnections=3&tls.rejectUnauthorized=false',
      ),
      {
        secure: true,
        host: 'mail.test',
        auth: { user: 'u@a.test', pass: 'p' },
        pool: true,
        maxConnections: 3,
        tls: { rejectUnauthorized: false },
      },
    )
  })

  it('what has no effect is listed, what cannot be had is refused', () => {
    const transporter = createTransport({ host: 'a.test', logger: true, tls: { ciphers: 'SSLv3' } })
    assert.deepEqual(transporter.ignoredOptions, ['logger', 'tls.ciphers'])
    for (const options of [{ dkim: {} }, { SES: {} }, { send: () => {} }, { auth: { user: 'u' } }])
      assert.throws(() => createTransport(options), UsageError)
  })
})

describe('sendMail', () => {
  it('a promise of what Nodemailer gives', async () => {
    const { peer, transporter } = await make()
    const info = await transporter.sendMail({ ...message, messageId: '<one@us.test>' })
    assert.deepEqual(info, {
      envelope: { from: 'me@us.test', to: ['you@them.test'] },
      messageId: '<one@us.test>',
      accepted: ['you@them.test'],
      rejected: [],
      pending: [],
      response: '250 2.0.0 taken',
    })
    assert.match(peer.messages[0]?.body ?? '', /^Subject: Hello\r$/m)
  })

  it('a callback', async () => {
    const { transporter } = await make()
    const info = await new Promise((resolve, reject) =>
      transporter.sendMail(message, (error, given) => (error === null ? resolve(given) : reject(error))),
    )
    assert.equal((info as { response: string }).response, '250 2.0.0 taken')
  })

  it('part refused: rejected, with an error for each', async () => {
    const { transporter } = await make({
      answer: (stage, line) =>
        stage === 'RCPT' && line.includes('nobody') ? '550 5.1.1 no such user' : undefined,
    })
    const info = await transporter.sendMail({ ...message, to: 'a@them.test, nobody@them.test' })
    assert.deepEqual(info.rejected, ['nobody@them.test'])
    const error = info.rejectedErrors?.[0]
    assert.deepEqual(
      [error?.message, error?.code, error?.recipient, error?.responseCode, error?.response, error?.command],
      [
        'Recipient command failed: 550 5.1.1 no such user',
        'EENVELOPE',
        'nobody@them.test',
        550,
        '550 5.1.1 no such user',
        'RCPT TO',
      ],
    )
  })

  for (const [stage, answer, code, command, text] of [
    ['greeting', '554 go away', 'EPROTOCOL', 'CONN', 'Invalid greeting: 554 go away'],
    ['AUTH', '535 5.7.8 no', 'EAUTH', 'AUTH', 'Invalid login: 535 5.7.8 no'],
    ['MAIL', '550 5.7.1 no', 'EENVELOPE', 'MAIL FROM', 'Mail command failed: 550 5.7.1 no'],
    [
      'RCPT',
      '550 5.1.1 no',
      'EENVELOPE',
      'RCPT TO',
      "Can't send mail - all recipients were rejected: 550 5.1.1 no",
    ],
    ['DATA', '554 5.7.1 no', 'EENVELOPE', 'DATA', 'Data command failed: 554 5.7.1 no'],
    ['end', '554 5.7.1 no', 'EMESSAGE', 'DATA', 'Message failed: 554 5.7.1 no'],
    ['MAIL', 'DROP', 'ECONNECTION', 'MAIL FROM', undefined],
  ] as const)
    it(`the error of ${answer} at ${stage}`, async () => {
      const { transporter } = await make(
        { capabilities: ['AUTH PLAIN', 'PIPELINING'], answer: (at) => (at === stage ? answer : undefined) },
        { auth: { user: 'u', pass: 'p' } },
      )
      await assert.rejects(transporter.sendMail(message), (error: NodemailerError) => {
        assert.deepEqual([error.code, error.command], [code, command])
        if (text !== undefined) {
          assert.equal(error.message, text)
          assert.equal(error.responseCode, Number(answer.slice(0, 3)))
          assert.equal(error.response, answer)
        }
        assert.ok((error.cause as { advice: string }).advice.length > 10)
        return true
      })
    })

  it('nobody named', async () => {
    const { transporter } = await make()
    await assert.rejects(
      transporter.sendMail({ from: 'a@us.test', text: 'x' }),
      (error: NodemailerError) => error.code === 'EENVELOPE' && error.message === 'No recipients defined',
    )
  })

  it('verify, defaults, idle', async () => {
    const { transporter } = await make()
    assert.equal(await transporter.verify(), true)
    assert.equal(transporter.isIdle(), true)
    const idle = new Promise((resolve) => transporter.once('idle', resolve))
    await transporter.sendMail(message)
    await idle
    const refusing = await make({ answer: (stage) => (stage === 'greeting' ? '421 busy' : undefined) })
    await assert.rejects(
      refusing.transporter.verify(),
      (error: NodemailerError) => error.responseCode === 421,
    )
  })

  it('jsonTransport and streamTransport', async () => {
    const json = await createTransport({ jsonTransport: true }).sendMail({
      ...message,
      messageId: '<x@us.test>',
    })
    assert.deepEqual(JSON.parse(json.message as string), { ...message, messageId: '<x@us.test>' })
    const whole = await createTransport({ streamTransport: true, buffer: true, newline: 'unix' }).sendMail(
      message,
    )
    assert.match((whole.message as Buffer).toString(), /^Subject: Hello\n/m)
    const stream = await createTransport({ streamTransport: true }, { subject: 'Default' }).sendMail({
      from: 'a@us.test',
      to: 'b@us.test',
      text: 'x',
    })
    let text = ''
    for await (const chunk of stream.message as AsyncIterable<Buffer>) text += chunk.toString()
    assert.match(text, /^Subject: Default\r$/m)
  })
})
