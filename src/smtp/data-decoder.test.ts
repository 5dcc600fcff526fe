// Tests of data-decoder.ts: exhaustively on a small alphabet at every cut, against a slow reference.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DataDecoder, type DecoderMode, type LineFault } from './data-decoder.ts'

interface Decoded {
  readonly body: string
  readonly fault: LineFault | undefined
  /** Octets behind the end, or undefined when it did not come. */
  readonly rest: string | undefined
}

/** One character at a time, as the RFC reads; `strict` bodies end at the first fault. */
function slowly(input: string, mode: DecoderMode): Decoded {
  let body = ''
  let fault: LineFault | undefined
  let lineStart: 'crlf' | 'repaired' | 'no' = 'crlf'
  const emit = (text: string): void => {
    if (fault === undefined) body += text
  }
  const bare = (kind: LineFault): void => {
    if (mode === 'strict') {
      if (kind === 'bare CR') emit('\r')
      fault ??= kind
      lineStart = 'no'
    } else {
      emit('\r\n')
      lineStart = 'repaired'
    }
  }
  let i = 0
  while (i < input.length) {
    if (mode !== 'chunk' && lineStart === 'crlf' && input.startsWith('.\r\n', i))
      return { body, fault, rest: input.slice(i + 3) }
    if (mode !== 'chunk' && lineStart !== 'no' && input[i] === '.') {
      const dropped = lineStart
      i++
      lineStart = 'no'
      // A CR that ends the input behind such a dot may be the end of data: it is held back.
      if (dropped === 'crlf' && input[i] === '\r') {
        if (i + 1 === input.length) return { body, fault, rest: undefined }
        if (mode === 'strict') {
          fault ??= 'bare CR'
          i++
        }
      }
      continue
    }
    if (input.startsWith('\r\n', i)) {
      emit('\r\n')
      lineStart = 'crlf'
      i += 2
    } else if (input[i] === '\r') {
      if (i + 1 === input.length) {
        emit('\r')
        break
      }
      bare('bare CR')
      i++
    } else if (input[i] === '\n') {
      bare('bare LF')
      i++
    } else {
      emit(input[i] as string)
      lineStart = 'no'
      i++
    }
  }
  return { body, fault, rest: undefined }
}

function decode(chunks: readonly string[], mode: DecoderMode): Decoded {
  const decoder = new DataDecoder(mode)
  let body = ''
  for (const [i, chunk] of chunks.entries()) {
    const bytes = Buffer.from(chunk, 'latin1')
    decoder.begin(bytes)
    for (let slice = decoder.next(); slice !== undefined; slice = decoder.next()) {
      assert.ok(slice.length > 0)
      body += slice.toString('latin1')
    }
    if (decoder.done) {
      const rest = bytes.toString('latin1', decoder.end) + chunks.slice(i + 1).join('')
      return { body, fault: decoder.fault, rest }
    }
  }
  return { body, fault: decoder.fault, rest: undefined }
}

function* strings(alphabet: string, lengthMax: number): Generator<string> {
  let level = ['']
  for (let length = 0; length <= lengthMax; length++) {
    yield* level
    level = level.flatMap((text) => [...alphabet].map((c) => text + c))
  }
}

/** Every way to cut for short texts; for longer ones every pair of cuts, and byte by byte. */
function* cuttings(text: string): Generator<string[]> {
  if (text.length <= 6) {
    for (let bits = 0; bits < 1 << Math.max(0, text.length - 1); bits++) {
      const chunks: string[] = []
      let from = 0
      for (let i = 1; i < text.length; i++)
        if (bits & (1 << (i - 1))) {
          chunks.push(text.slice(from, i))
          from = i
        }
      yield [...chunks, text.slice(from)]
    }
    return
  }
  yield [...text]
  yield [text]
  for (let i = 1; i < text.length; i++) yield [text.slice(0, i), text.slice(i)]
}

for (const mode of ['strict', 'repair', 'chunk'] as const) {
  test(`DATA decoder, ${mode}: every string of CR LF . x up to 8, at every cut, as the slow reference`, () => {
    let count = 0
    for (const text of strings('\r\n.x', 8)) {
      const expected = slowly(text, mode)
      for (const chunks of cuttings(text)) {
        const got = decode(chunks, mode)
        count++
        // Plain comparisons: this runs some hundred thousand times.
        if (got.body !== expected.body || got.fault !== expected.fault || got.rest !== expected.rest)
          assert.deepEqual(got, expected, `${JSON.stringify(chunks)}`)
      }
    }
    assert.ok(count > 500_000)
  })
}

test('DATA decoder: random bodies with random cuts, as the slow reference', () => {
  const token = fc.constantFrom('\r\n', '\r\n', '.', '..', '\r', '\n', 'text', '\r\n.\r\n', '\0', 'é', ' ')
  fc.assert(
    fc.property(
      fc.array(token, { maxLength: 60 }),
      fc.array(fc.nat(200), { maxLength: 8 }),
      fc.constantFrom<DecoderMode>('strict', 'repair', 'chunk'),
      (tokens, cuts, mode) => {
        const text = tokens.join('')
        const at = [0, ...cuts.map((cut) => cut % (text.length + 1)), text.length].sort((a, b) => a - b)
        const chunks = at.slice(1).map((to, i) => text.slice(at[i], to))
        assert.deepEqual(decode(chunks, mode), slowly(text, mode))
      },
    ),
    { numRuns: 2000 },
  )
})

test('DATA decoder: a large chunk without dots is one slice of the given buffer', () => {
  const bytes = Buffer.from(`${'x'.repeat(76)}\r\n`.repeat(1000))
  const decoder = new DataDecoder('strict')
  decoder.begin(bytes)
  const slice = decoder.next()
  assert.equal(slice?.length, bytes.length)
  assert.equal(slice?.buffer, bytes.buffer)
  assert.equal(decoder.next(), undefined)
})

test('DATA decoder: discard emits nothing and still finds the end', () => {
  for (const mode of ['strict', 'repair'] as const) {
    const decoder = new DataDecoder(mode)
    decoder.discard()
    const bytes = Buffer.from(`${'\n.x\r'.repeat(50_000)}\r\n.\r\nQUIT\r\n`)
    decoder.begin(bytes)
    assert.equal(decoder.next(), undefined)
    assert.equal(decoder.done, true)
    assert.equal(bytes.toString('latin1', decoder.end), 'QUIT\r\n')
  }
})

test('BDAT: the last line of a message is ended', () => {
  const ends = (text: string): string | undefined => {
    const decoder = new DataDecoder('chunk')
    decoder.begin(Buffer.from(text))
    while (decoder.next() !== undefined);
    return decoder.finish()?.toString()
  }
  assert.equal(ends('a\r\n'), undefined)
  assert.equal(ends('a'), '\r\n')
  assert.equal(ends('a\r'), '\n')
  assert.equal(ends('a\n'), undefined)
  assert.equal(ends(''), undefined)
})
