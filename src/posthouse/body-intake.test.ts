// Owns the proof of body-intake.ts: the header section is found however the bytes are cut, in linear time.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BodyIntake, headerBytesMax } from './body-intake.ts'

function recorder() {
  const written: Uint8Array[] = []
  let aborted = false
  const writer = {
    write: (bytes: Uint8Array) => void written.push(bytes),
    get sizeBytes() {
      return written.reduce((sum, each) => sum + each.length, 0)
    },
    finish: () => ({ kind: 'inline' as const, chunks: written, sizeBytes: 0 }),
    abort: () => {
      aborted = true
    },
  }
  return { writer, text: () => Buffer.concat(written).toString('latin1'), isAborted: () => aborted }
}

const messages = [
  ['A: 1\r\nB: 2\r\n\r\nbody\r\n', 'A: 1\r\nB: 2\r\n\r\n', 'body\r\n'],
  ['\r\nno header\r\n', '\r\n', 'no header\r\n'],
  ['A: 1\r\nno body\r\n', 'A: 1\r\nno body\r\n', ''],
  ['\r\n\r\n\r\n', '\r\n', '\r\n\r\n'],
  ['', '', ''],
] as const

for (const [whole, wantHeader, wantBody] of messages) {
  test(`every way of cutting ${JSON.stringify(whole)} gives the same header`, () => {
    for (let first = 0; first <= whole.length; first++) {
      for (let second = first; second <= whole.length; second++) {
        const { writer, text } = recorder()
        let seen: string | undefined
        const intake = new BodyIntake<string>(
          writer,
          (header) => {
            assert.equal(seen, undefined, 'judged once')
            seen = header.toString('latin1')
            return { kind: 'write', parts: [Buffer.from('X: top\r\n'), header] }
          },
          'too long',
        )
        for (const piece of [whole.slice(0, first), whole.slice(first, second), whole.slice(second)]) {
          if (piece !== '') intake.write(Buffer.from(piece, 'latin1'))
        }
        assert.ok('body' in (intake.finish() as object))
        assert.equal(seen, wantHeader)
        assert.equal(text(), `X: top\r\n${wantHeader}${wantBody}`)
      }
    }
  })
}

test('a header section without end is stopped and nothing of it is kept', () => {
  const { writer, text, isAborted } = recorder()
  const intake = new BodyIntake<string>(writer, () => ({ kind: 'write', parts: [] }), 'too long')
  const line = Buffer.from('X-Long: 1\r\n'.repeat(1000))
  for (let sent = 0; sent <= headerBytesMax; sent += line.length) intake.write(line)
  assert.deepEqual(intake.finish(), { stop: 'too long' })
  assert.equal(text(), '')
  assert.equal(isAborted(), true)
})

test('a decision to stop reaches the one who finishes', () => {
  const { writer, isAborted } = recorder()
  const intake = new BodyIntake<string>(writer, () => ({ kind: 'stop', stop: 'loop' }), 'too long')
  intake.write(Buffer.from('A: 1\r\n\r\nbody\r\n'))
  intake.write(Buffer.from('more\r\n'))
  assert.deepEqual(intake.finish(), { stop: 'loop' })
  assert.equal(isAborted(), true)
})
