import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { readRawBytes, readRawText } from './raw-message.ts'

const pieces = [
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  ' ',
  '\t',
  'Message-ID',
  ':',
  '<a@b>',
  'message-id: ',
  'Bcc:',
  'x',
  'é',
]
const more = ['Message-ID : <1@x>\r\n y', '\r\n.', 'From: a', '\ud800', 'bcc : b@c\r\n']

describe('ready-made messages', () => {
  it('reads a text as it reads its octets', () => {
    const texts = fc.array(fc.constantFrom(...pieces, ...more), { maxLength: 12 }).map((all) => all.join(''))
    fc.assert(
      fc.property(texts, (text) => {
        const read = readRawText(text)
        const same = readRawBytes(Buffer.from(text))
        assert.deepEqual(Buffer.from(read.bytes), Buffer.from(same.bytes))
        assert.deepEqual([read.messageId, read.eightBit], [same.messageId, same.eightBit])
      }),
      { numRuns: 3000 },
    )
  })

  it('drops Bcc of a text and of octets, and knows eight bits by where they are', () => {
    const text = 'From: a@b\nBcc: c@d,\n e@f\nMessage-ID:\n <1@b>\n\nbcc: stays é\n'
    for (const read of [readRawText(text), readRawBytes(Buffer.from(text))]) {
      assert.equal(
        Buffer.from(read.bytes).toString(),
        'From: a@b\r\nMessage-ID:\r\n <1@b>\r\n\r\nbcc: stays é\r\n',
      )
      assert.equal(read.messageId, '<1@b>')
      assert.deepEqual(read.eightBit, { header: false, body: true })
    }
  })
})
