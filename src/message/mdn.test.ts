// Owns the tests of disposition notifications: the fields of RFC 8098, the null reverse-path, and values that cannot break out.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UsageError } from '../base/usage-error.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { composeMdn, type MdnInput } from './mdn.ts'

const input: MdnInput = {
  from: 'Reader <r@x.test>',
  to: 'w@y.test',
  originalMessageId: '<id@y.test>',
  originalSubject: 'Grüße aus dem Süden, die lange unterwegs waren und nun da sind',
  disposition: { action: 'manual-action', sending: 'MDN-sent-manually', type: 'displayed' },
}
const options = { now: 0, random: seededRandom(1), hostname: 'h.test' }
const write = (more: Partial<MdnInput>): string =>
  Buffer.from(composeMdn({ ...input, ...more }, options).bytes).toString()

test('a notice has its three parts, its fields and nobody to answer to', () => {
  const mdn = composeMdn(
    {
      ...input,
      originalRecipient: 'rfc822;old@x.test',
      reportingUa: 'x.test; Posthouse',
      original: { bytes: Buffer.from('Subject: a\nX: b\n\nbody'), want: 'headers' },
    },
    options,
  )
  assert.deepEqual(mdn.envelope, { from: null, to: ['w@y.test'] })
  assert.equal(mdn.needsSmtputf8, false)
  assert.equal(mdn.needs8bit, false)
  const text = Buffer.from(mdn.bytes).toString()
  assert.match(
    text,
    /\r\nContent-Type: multipart\/report; report-type=disposition-notification;\r\n boundary="=_/,
  )
  assert.match(text, /\r\nAuto-Submitted: auto-replied\r\n/)
  assert.match(text, /\r\nIn-Reply-To: <id@y\.test>\r\nReferences: <id@y\.test>\r\n/)
  assert.ok(
    text.includes(
      '\r\nContent-Type: message/disposition-notification\r\n\r\nReporting-UA: x.test; Posthouse\r\n' +
        'Original-Recipient: rfc822; old@x.test\r\nFinal-Recipient: rfc822; r@x.test\r\n' +
        'Original-Message-ID: <id@y.test>\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n',
    ),
  )
  assert.match(
    text,
    /\r\nContent-Type: text\/rfc822-headers\r\n\r\nSubject: a\r\nX: b\r\n\r\n--=_[0-9a-f]+--\r\n$/,
  )
  assert.doesNotMatch(text, /[^\x00-\x7f]/)
})

test('a whole original that is 8bit says so', () => {
  const mdn = composeMdn(
    { ...input, original: { bytes: Buffer.from('A: b\r\n\r\nü'), want: 'full' } },
    options,
  )
  assert.equal(mdn.needs8bit, true)
  assert.match(
    Buffer.from(mdn.bytes).toString(),
    /Content-Type: message\/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nA: b\r\n\r\nü\r\n--/,
  )
})

test('a recipient beyond ASCII makes it global', () => {
  const mdn = composeMdn({ ...input, from: 'ü@x.test' }, options)
  assert.equal(mdn.needsSmtputf8, true)
  const text = Buffer.from(mdn.bytes).toString()
  assert.ok(text.includes('message/global-disposition-notification'))
  assert.ok(text.includes('\r\nFinal-Recipient: utf-8; ü@x.test\r\n'))
})

test('no value brings a field of its own', () => {
  const evil = 'x\r\nEvil: yes'
  const text = write({ originalSubject: evil, reportingUa: evil, errors: [evil], finalRecipient: evil })
  assert.doesNotMatch(text, /^Evil/m)
})

const mistakes: readonly (readonly [more: object, field: string])[] = [
  [{ originalMessageId: 'a\r\nb' }, 'originalMessageId'],
  [{ disposition: { ...input.disposition, type: 'read' } }, 'disposition.type'],
  [{ disposition: { ...input.disposition, sending: 'x' } }, 'disposition'],
  [{ disposition: { ...input.disposition, modifiers: ['a\r\nb'] } }, 'disposition.modifiers'],
  [{ to: 'nobody' }, 'to'],
]
for (const [more, field] of mistakes)
  test(`mistake: ${JSON.stringify(more)}`, () =>
    assert.throws(
      () => write(more as Partial<MdnInput>),
      (error) => error instanceof UsageError && error.field === field,
    ))
