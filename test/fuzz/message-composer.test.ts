// The composer against values that are put together at random in every field. It throws UsageError or nothing; what it
// writes has CRLF line ends and short lines, only fields that it was asked for, no Bcc, and our reader finds no defect in it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type ComposedMessage,
  compose,
  type MessageInput,
  parseMessage,
  UsageError,
} from '../../src/message.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { type Chance, cpuMs, eachSeedWithoutGrowth } from './fuzz.ts'

const pieces = [
  'a@b.test', 'Ann <a@b.test>', '"', '<', '>', ',', ';', ':', '(', ')', '\\', '[', ']', '@', '=', '?', '=?', '?=', '=?utf-8?q?', '%', '*', "'",
  '\r', '\n', '\r\n', '\r\n\r\n', '\nX-Evil: 1', '\0', '\u0085', '\u2028', '\ud800', ' ', '\t', 'word', 'From ', '.', '--', '--=_', 'ü', '日本語', '😀',
  'x', 'text/plain', 'a/b', '; charset=', 'cid:', '<img src="data:image/png;base64,AAAA">', 'https://x.test/', 'BEGIN:VCALENDAR\nMETHOD:REQUEST\n',
] // biome-ignore format: a table

function value(chance: Chance): string {
  let out = ''
  for (let left = chance.below(6); left > 0; left--) {
    const piece = chance.one(pieces)
    out += chance.maybe(0.03) ? piece.repeat(1 + chance.below(1500)) : piece
  }
  return out
}

function invent(chance: Chance): MessageInput {
  const any = (): string => value(chance)
  const fields: readonly (readonly [string, () => unknown])[] = [
    ['to', any],
    ['to', () => ({ name: any(), address: 'b@to.test' })],
    ['cc', () => [{ name: any(), group: [any()] }]],
    ['replyTo', () => ({ name: any(), address: any() })],
    ['subject', any],
    ['references', any],
    ['messageId', any],
    ['text', any],
    ['html', any],
    ['icalEvent', any],
    ['headers', () => ({ 'X-Own': any(), 'X-Prepared': { prepared: true, value: any() } })],
    ['list', () => ({ help: { url: any(), comment: any() }, id: { url: 'l.x.test', comment: any() } })],
    ['attachments', () => [{ content: any(), filename: any() }]],
    ['attachments', () => [{ content: any(), contentType: any(), cid: any() }]],
    ['alternatives', () => [{ content: any(), contentType: 'text/markdown' }]],
  ]
  const input: Record<string, unknown> = { from: 'a@from.test', bcc: 'secret@hidden.test' }
  for (let left = 1 + chance.below(5); left > 0; left--) {
    const [name, make] = chance.one(fields)
    input[name] = make()
  }
  for (const name of ['flowed', 'attachDataUrls']) if (chance.maybe(0.3)) input[name] = true
  return input
}

const own =
  /^(?:Date|From|Reply-To|To|Cc|Subject|Message-ID|References|X-Own|X-Prepared|List-(?:Help|ID)|MIME-Version|Content-(?:Type|Transfer-Encoding|Disposition|ID)): |^[ \t]+\S/

test('fuzz: the composer of messages', (t) => {
  let worst = 0
  const told = eachSeedWithoutGrowth((chance, seed) => {
    const input = invent(chance)
    const body8bit = chance.maybe(0.5)
    const make = (): ComposedMessage =>
      compose(input, { now: 0, random: seededRandom(seed), hostname: 'h.test', body8bit })
    try {
      const message = make()
      const bytes = Buffer.from(message.bytes() ?? [])
      assert.equal(message.sizeBytes, bytes.length)
      const raw = bytes.toString('latin1')
      assert.doesNotMatch(raw, /\r(?!\n)|(?<!\r)\n|\0|hidden/)
      if (!message.needsSmtputf8 && !message.needs8bit) assert.doesNotMatch(raw, /[\x80-\xff]/)
      for (const line of raw.split('\r\n')) assert.ok(line.length <= 998, `a line of ${line.length}`)
      for (const line of raw.slice(0, raw.indexOf('\r\n\r\n')).split('\r\n')) assert.match(line, own)
      assert.deepEqual(parseMessage(bytes).defects, [])
      const limitMs = Math.max(100, bytes.length / 1000)
      const ms = cpuMs(() => void make().bytes(), limitMs)
      worst = Math.max(worst, ms)
      assert.ok(ms <= limitMs, `${bytes.length} octets took ${ms} ms`)
    } catch (error) {
      if (!(error instanceof UsageError)) throw new Error(`${JSON.stringify(input)}`, { cause: error })
    }
  })
  t.diagnostic(`${told}, the longest ${worst.toFixed(1)} ms`)
})
