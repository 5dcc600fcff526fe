// Owns the proof that a message which comes as a stream is read as one that is there whole, and that its attachments go to
// their sinks without being held.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { countLineEnds } from './message-bytes.ts'
import type { MimePart } from './mime-structure.ts'
import { type ParsedMessage, parseMessage } from './parse-message.ts'

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield Buffer.from(bytes.subarray(at, at + size))
}

const shape = (part: MimePart): unknown => ({
  ...part,
  header: Buffer.from(part.header).toString('latin1'),
  parameters: [...part.parameters],
  dispositionParameters: [...part.dispositionParameters],
  children: part.children.map(shape),
})

const shown = (message: ParsedMessage): unknown => ({
  subject: message.subject,
  text: message.text,
  html: message.html,
  structure: shape(message.structure),
  defects: message.defects.map(({ code, offset }) => `${offset} ${code}`).sort(),
  calendars: message.calendars.map(({ method, text }) => ({ method, text })),
  attachments: message.attachments.map((one) => ({
    filename: one.filename,
    contentBytes: one.message === undefined ? one.contentBytes : 0,
    message: one.message === undefined ? undefined : shown(one.message),
  })),
})

const mixed = [
  'Subject: a stream\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\npreamble\r\n',
  '--a\r\nContent-Type: text/plain; format=flowed\r\n\r\none \r\ntwo\r\n',
  '--a\r\nContent-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\nAwQF\r\n',
  '--a\r\nContent-Type: text/x-diff\r\nContent-Disposition: attachment\r\n\r\n-a\r\n+b\r\n',
  '--a\r\nContent-Type: text/calendar; method=REPLY\r\n\r\nBEGIN:VCALENDAR\r\n',
  '--a\r\nContent-Type: message/rfc822\r\n\r\nSubject: within\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n',
  '--b\r\n\r\ntext within\r\n--b\r\nContent-Type: application/pdf; name=b.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n*QQ==\r\n',
  '--b--\r\n--a--\r\nepilogue\r\n',
].join('')

async function spooled(
  bytes: Buffer,
  size: number,
): Promise<{ readonly message: ParsedMessage; readonly contents: Map<number, Buffer>; ended: number }> {
  const contents = new Map<number, Buffer>()
  let ended = 0
  const message = await parseMessage(pieces(bytes, size), {
    spool: ({ index }) => {
      contents.set(index, Buffer.alloc(0))
      return {
        write: async (octets) =>
          void contents.set(index, Buffer.concat([contents.get(index) ?? octets, octets])),
        end: () => {
          ended++
        },
      }
    },
  })
  return { message, contents, ended }
}

test('a message in pieces of any size is the message, its attachments elsewhere', async () => {
  const bytes = Buffer.from(mixed)
  const whole = parseMessage(bytes)
  for (const size of [1, 2, 3, 7, 64, 1000, 100_000]) {
    const { message, contents, ended } = await spooled(bytes, size)
    assert.deepEqual(shown(message), shown(whole), `pieces of ${size}`)
    const flat = [...whole.attachments, ...(whole.attachments.at(-1)?.message?.attachments ?? [])]
    for (const [index, octets] of contents)
      assert.deepEqual(octets, Buffer.from(flat.find(({ part }) => part?.index === index)?.content ?? []))
    assert.equal(contents.size, 3)
    assert.equal(ended, 3)
    assert.deepEqual(
      message.attachments.map(({ isSpooled, content }) => [isSpooled, content.length > 0]),
      // The calendar is no attachment to spool; the message within lacks only the content of its own attachment.
      message.attachments.map(({ contentType }) =>
        contentType === 'text/calendar' ? [false, true] : [true, contentType === 'message/rfc822'],
      ),
    )
  }
})

test('law: whatever comes, a stream gives the structure that the bytes give', async () => {
  const line = fc.constantFrom(
    '--a', '--b', '--a--', '--b--', '', 'x', 'Content-Type: multipart/mixed; boundary=a', 'Content-Type: multipart/mixed; boundary=b',
    'Content-Type: image/png', 'Content-Type: message/rfc822', 'Content-Transfer-Encoding: base64', 'Content-Disposition: attachment', 'QUJD',
  ) // biome-ignore format: a table
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 40 }),
      fc.integer({ min: 1, max: 50 }),
      async (lines, size) => {
        const bytes = Buffer.from(lines.join('\n'))
        const { message } = await spooled(bytes, size)
        assert.deepEqual(shape(message.structure), shape(parseMessage(bytes).structure))
      },
    ),
    { numRuns: 2000 },
  )
})

test('a part that no sink takes stays in memory', async () => {
  const message = await parseMessage(pieces(Buffer.from(mixed), 10), { spool: () => undefined })
  assert.equal(message.attachments[0]?.isSpooled, false)
  assert.deepEqual(Buffer.from(message.attachments[0]?.content ?? []), Buffer.from([0, 1, 2, 3, 4, 5]))
})

test('400 MB of attachment pass through; what is not spooled meets its limit', {
  timeout: 60_000,
}, async () => {
  const chunk = Buffer.from(`${'A'.repeat(76)}\r\n`.repeat(1000))
  async function* large(type: string, count: number): AsyncGenerator<Uint8Array> {
    yield Buffer.from(
      `Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nhi\r\n--a\r\nContent-Type: ${type}\r\n`,
    )
    yield Buffer.from('Content-Transfer-Encoding: base64\r\n\r\n')
    for (let i = 0; i < count; i++) yield chunk
    yield Buffer.from('\r\n--a--\r\n')
  }
  let most = 0
  let count = 0
  const before = process.memoryUsage().rss
  const message = await parseMessage(large('application/pdf', 5000), {
    messageBytesMax: 1_000_000,
    spool: () => ({
      write: (octets) => {
        count += octets.length
        if (count % 100 === 0) most = Math.max(most, process.memoryUsage().rss - before)
      },
    }),
  })
  assert.equal(message.text, 'hi')
  assert.equal(message.attachments[0]?.contentBytes, 5000 * 1000 * 57)
  assert.equal(count, 5000 * 1000 * 57)
  assert.deepEqual(message.defects, [])
  assert.ok(most < 150_000_000, `${most} octets more`)
  const cut = await parseMessage(large('text/html', 5000), {
    messageBytesMax: 1_000_000,
    spool: () => undefined,
  })
  assert.deepEqual(
    cut.defects.filter(({ code }) => code === 'too-large').map(({ code }) => code),
    ['too-large'],
  )
})

test('what a sink throws ends the reading', async () => {
  const failing = parseMessage(pieces(Buffer.from(mixed), 50), {
    spool: () => ({
      write: () => Promise.reject(new Error('disk full')),
    }),
  })
  await assert.rejects(failing, /disk full/)
})

test('line ends are counted', () => assert.equal(countLineEnds(Buffer.from('\na\n\r\n')), 3))
