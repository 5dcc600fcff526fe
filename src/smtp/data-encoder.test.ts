import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { canonicalLines, DataEncoder, encodeData } from './data-encoder.ts'

/** Slow and plain: what the wire must carry. */
function reference(text: string): string {
  const lines = text.split(/\r\n|\r|\n/)
  if (lines.at(-1) === '') lines.pop()
  return `${lines.map((line) => `${line.startsWith('.') ? '.' : ''}${line}\r\n`).join('')}.\r\n`
}

const octets = (text: string) => Buffer.from(text, 'latin1')
const encoded = (text: string) => Buffer.concat(encodeData(octets(text))).toString('latin1')

function inPieces(text: string, cuts: readonly number[]): string {
  const encoder = new DataEncoder()
  const out: Buffer[] = []
  let from = 0
  for (const cut of [...cuts, text.length]) {
    out.push(...encoder.push(octets(text.slice(from, cut))))
    from = cut
  }
  out.push(encoder.finish())
  return Buffer.concat(out).toString('latin1')
}

it('every text of up to 6 of CR, LF, dot and a letter, whole and at every cut, is what the reference says', () => {
  const alphabet = ['\r', '\n', '.', 'a']
  for (let length = 0; length <= 6; length++) {
    for (let n = 0; n < 4 ** length; n++) {
      let text = ''
      for (let i = 0, rest = n; i < length; i++, rest = Math.floor(rest / 4)) text += alphabet[rest % 4]
      const want = reference(text)
      assert.equal(encoded(text), want, JSON.stringify(text))
      for (let cut = 0; cut <= length; cut++)
        assert.equal(inPieces(text, [cut]), want, JSON.stringify([text, cut]))
    }
  }
})

describe('the end of data can be nowhere but at the end', () => {
  it('whatever the body holds', () => {
    const piece = fc.constantFrom('\r\n.\r\n', '\n.\n', '\r.\r', '.', 'x', '\r\n', '\n', '\r', 'é'.repeat(3))
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const wire = `\r\n${encoded(pieces.join(''))}`
        assert.equal(wire.indexOf('\r\n.\r\n'), wire.length - 5, JSON.stringify(wire))
        assert.ok(!/[^\r]\n|\r[^\n]/.test(wire))
      }),
    )
  })
})

it('a long body is encoded like a short one', () => {
  const text = '.line of a long body\r\n\r\n..two\nbare\r'.repeat(9_000)
  assert.equal(encoded(text), reference(text))
  assert.equal(inPieces(text, [1, 70_000, 70_001]), reference(text))
})

it('a canonical body is not copied by canonicalLines; another is repaired, long or short', () => {
  const body = octets('a\r\nb\r\n')
  assert.equal(canonicalLines(body), body)
  const long = octets('0123456\r\n'.repeat(20_000))
  assert.equal(canonicalLines(long), long)
  assert.equal(canonicalLines(octets('a\nb\rc\r\n')).toString(), 'a\r\nb\r\nc\r\n')
  assert.equal(canonicalLines(octets('a\r')).toString(), 'a\r\n')
  assert.equal(canonicalLines(octets('')).length, 0)
})

it('octets beyond ASCII pass as they are', () => {
  const text = String.fromCharCode(...Array.from({ length: 128 }, (_, i) => 128 + i))
  assert.equal(encoded(`${text}\n`), `${text}\r\n.\r\n`)
})
