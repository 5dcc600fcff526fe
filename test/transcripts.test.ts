// Owns the law of splits: every transcript of test/transcripts is played whole, byte by byte and at every cut, and gives
// the same replies, messages and parameters.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseTranscript, playEveryWay, playTranscript } from './transcripts/transcript.ts'

const folder = join(import.meta.dirname, 'transcripts')
const files = readdirSync(folder).filter((file) => file.endsWith('.txt'))

test('transcripts: the law of splits', async (t) => {
  assert.ok(files.length >= 20)
  for (const file of files)
    await t.test(file, () => {
      const count = playEveryWay(parseTranscript(readFileSync(join(folder, file), 'utf8')))
      assert.ok(count > 10)
    })
})

test('transcripts: a wrong reply is noticed', () => {
  const text = 'S: 220 mx.test ESMTP ready\nC: NOOP\nS: 250 2.0.0 no\n'
  assert.throws(() => playTranscript(parseTranscript(text), (segment) => [segment.bytes]))
})
