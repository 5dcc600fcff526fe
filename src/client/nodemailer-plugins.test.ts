// Plugins of the step 'stream': the octets that the caller's streams give are what goes out.

import assert from 'node:assert/strict'
import { PassThrough, Readable, Transform } from 'node:stream'
import { after, describe, it } from 'node:test'
import { listen } from '../net/listen.ts'
import { realClock as clock } from '../net/real-clock.ts'
import { ScriptedPeer } from '../testing/scripted-peer.ts'
import { createTransport } from './nodemailer.ts'

const base = { from: '"Sender Name" <sender@us.test>', to: 'bar@them.test, baz@them.test' }

describe("use('stream')", () => {
  const upper = () =>
    new Transform({
      transform: (chunk: Buffer, _encoding, done) =>
        done(null, chunk.toString('latin1').replace(/hello/g, 'HELLO')),
    })
  const memory = { streamTransport: true, buffer: true }

  it('streams behind the composed message, in their order, then functions over the stream', async () => {
    const transporter = createTransport(memory)
    const seen: unknown[] = []
    transporter.use('stream', (mail, done) => {
      seen.push(mail.message.getEnvelope(), mail.message.messageId(), mail.data.subject)
      mail.message.transform(upper())
      mail.message.transform(
        () =>
          new Transform({
            transform: (chunk: Buffer, _encoding, next) => next(null, `${chunk.toString().trimEnd()} x1\n`),
          }),
      )
      setImmediate(done)
    })
    transporter.use('stream', (mail, done) => {
      mail.message.processFunc((input) => input.pipe(new PassThrough()))
      done()
    })
    const info = await transporter.sendMail({
      ...base,
      subject: 'plugin',
      text: 'hello',
      messageId: '<x@us.test>',
      bcc: 'secret@them.test',
    })
    assert.match((info.message as Buffer).toString(), /^Message-ID: <x@us.test>\r$[\s\S]*\r\nHELLO x1\r\n$/im)
    assert.deepEqual(seen.slice(1), ['<x@us.test>', 'plugin'])
    assert.deepEqual(info.envelope.to, ['bar@them.test', 'baz@them.test', 'secret@them.test'])
    assert.deepEqual([seen[0], info.messageId], [info.envelope, '<x@us.test>'])
  })

  it('a message with a stream as attachment goes out over SMTP, changed', async () => {
    const peer = new ScriptedPeer()
    const listener = await listen({ host: '127.0.0.1', port: 0, clock, onConnection: peer.accept })
    const transporter = createTransport({ host: '127.0.0.1', port: listener.local.port })
    after(async () => {
      transporter.close()
      await listener.close()
    })
    transporter.use('stream', (mail, done) => {
      mail.message.transform(upper())
      done()
    })
    const content = Readable.from(['attached'])
    await transporter.sendMail({ ...base, text: 'hello', attachments: [{ content, filename: 'a.txt' }] })
    const body = peer.messages[0]?.body ?? ''
    assert.match(body, /HELLO/)
    assert.deepEqual(peer.messages[0]?.rcpts.length, 2)
  })

  it('a stream or a plugin that fails stops the message', async () => {
    const failing = createTransport(memory)
    failing.use('stream', (mail, done) => {
      mail.message.transform(
        new Transform({ transform: (_chunk, _encoding, next) => next(new Error('no pages left')) }),
      )
      mail.message.transform(new PassThrough())
      done()
    })
    await assert.rejects(failing.sendMail({ ...base, text: 'x' }), /no pages left/)
    const refusing = createTransport(memory)
    refusing.use('stream', (_mail, done) => done(new Error('not today')))
    await assert.rejects(refusing.sendMail({ ...base, text: 'x' }), /not today/)
  })
})
