// SES through a client object: the command that it is sent, and what its answer becomes. No network.

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, it } from 'node:test'
import { createTransport } from './nodemailer.ts'

const base = { from: '"Sender Name" <sender@us.test>', to: 'bar@them.test, baz@them.test' }

describe('SES', () => {
  class SendEmailCommand {
    readonly input: Record<string, unknown>
    constructor(input: Record<string, unknown>) {
      this.input = input
    }
  }
  const make = (
    answer: (input: Record<string, unknown>) => Promise<{ MessageId?: string }>,
    region = 'eu-west-1',
  ) =>
    createTransport({
      SES: {
        sesClient: {
          config: { region: async () => region },
          send: (command: SendEmailCommand) => answer(command.input),
        },
        SendEmailCommand,
      },
    })

  it('the command has the message, and the answer names it', async () => {
    const inputs: Record<string, unknown>[] = []
    const transporter = make(async (input) => {
      inputs.push(input)
      return { MessageId: '0102' }
    })
    const info = await transporter.sendMail({
      ...base,
      bcc: 'b@them.test',
      text: 'x',
      ses: { ConfigurationSetName: 'set' },
    })
    assert.deepEqual(inputs, [
      {
        Content: { Raw: { Data: info.raw } },
        FromEmailAddress: 'Sender Name <sender@us.test>',
        Destination: { ToAddresses: ['bar@them.test', 'baz@them.test', 'b@them.test'] },
        ConfigurationSetName: 'set',
      },
    ])
    assert.deepEqual([info.messageId, info.response], ['<0102@eu-west-1.amazonses.com>', '0102'])
    assert.doesNotMatch(info.raw?.toString() ?? 'Bcc', /Bcc|b@them/i)
    const first = make(async () => ({ MessageId: '1' }), 'us-east-1')
    assert.equal((await first.sendMail({ ...base, text: 'x' })).messageId, '<1@email.amazonses.com>')
  })

  it('a signature does not cover what SES writes anew', async () => {
    const privateKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
      type: 'pkcs8',
      format: 'pem',
    })
    const dkim = {
      domainName: 'us.test',
      keySelector: 's',
      privateKey: String(privateKey),
      skipFields: 'subject',
    }
    const info = await make(async () => ({ MessageId: '1' })).sendMail({
      ...base,
      subject: 's',
      text: 'x',
      dkim,
    })
    const names = /\bh=([^;]*)/.exec(info.raw?.toString() ?? '')?.[1]?.replace(/\s/g, '') ?? ''
    assert.match(names, /from:/)
    assert.doesNotMatch(names, /date|message-id|subject/)
  })

  it('errors, verify, and what is no client', async () => {
    const failing = make(() => Promise.reject(new Error('expired token')))
    await assert.rejects(failing.sendMail({ ...base, text: 'x' }), { message: 'expired token', code: 'ESES' })
    await assert.rejects(failing.verify(), { code: 'ESES' })
    const rejecting = make(() => Promise.reject(Object.assign(new Error('no'), { name: 'MessageRejected' })))
    assert.equal(await rejecting.verify(), true)
    for (const SES of [{}, { sesClient: {} }, { sendRawEmail: () => {} }, null, 7])
      assert.throws(() => createTransport({ SES }), /client-sesv2/)
  })
})
