// The reader of messages against mail that grows by its own grammar: header fields, boundaries, encodings and octets put
// together at random. It never throws, keeps to 100 ms of CPU for 100 kB, holds no memory, gives the same whatever the cuts, and its parts lie
// within each other.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MimeParser, type MimePart, parseMessage, parseReceived, searchText } from '../../src/message.ts'
import { type Chance, cpuMs, cut, eachSeedWithoutGrowth } from './fuzz.ts'

const pieces = [
  'From: ', 'To: ', 'Subject: ', 'Date: ', 'Received: ', 'Content-Type: ', 'Content-Disposition: ', 'Content-ID: ', 'References: ',
  'Content-Transfer-Encoding: base64', 'Content-Transfer-Encoding: quoted-printable', 'Content-Transfer-Encoding: x-uuencode', 'X', ':',
  'multipart/mixed; boundary=a', 'multipart/alternative; boundary="b"', 'multipart/related; boundary=a', 'multipart/digest; boundary=c',
  'message/rfc822', 'text/plain; charset=utf-7', 'text/plain; charset=iso-2022-jp', 'text/html', 'text/plain; format=flowed; delsp=yes', '; charset=cp437', '> ', '-- ', 'text/calendar; method=x', 'image/png',
  '; name*0*=utf-8\'\'%41', '; name*1=b', '; filename="', 'a@b.test', '<', '>', '"', '(', ')', ',', ';', '\\', '[', ']', '@', '.', ' ', '\t',
  '=?utf-8?q?', '=?iso-2022-jp?b?', 'GyRCJDM', '?=', '=41', '=', '==', '=\r\n', '\r\n', '\n', '\r', '\r\n\r\n', '\n\n', '\n ', '\0', '\xff', '\u00fc',
  '--a', '--b', '--c', '\n--a\n', '\r\n--b\r\n', '\n--a--\n', '\n--b--', '--', 'begin 644 f\n', '#86)C\n', 'end\n', '<p>', '<style>', '&amp;',
  '1 Jul 2003 10:52:37 +0200', 'from a by b with ESMTP; ', '\x1b$B', '+AGE-', '~{VP~}', 'QUJD',
] // biome-ignore format: a table

function grow(chance: Chance): Buffer {
  const out: string[] = []
  for (let left = 1 + chance.below(120); left > 0; left--) {
    const piece = chance.one(pieces)
    out.push(chance.maybe(0.02) ? piece.repeat(1 + chance.below(2000)) : piece)
  }
  return Buffer.from(out.join(''), chance.maybe(0.5) ? 'latin1' : 'utf8')
}

function contents(parts: readonly Uint8Array[]): string {
  const parser = new MimeParser()
  const out: string[] = []
  let index = -1
  const take = (): void => {
    for (let event = parser.next(); event !== undefined; event = parser.next()) {
      if (event.kind === 'body') {
        if (event.index !== index) out.push(`\n${event.index}@${event.offset}:`)
        index = event.index
        out.push(Buffer.from(event.bytes).toString('latin1'))
      } else {
        index = -1
        out.push(
          `\n${event.kind} ${JSON.stringify(event.kind === 'part-start' ? { ...event.part, header: '' } : event)}`,
        )
      }
    }
  }
  for (const part of parts) {
    parser.receive(part)
    take()
  }
  parser.end()
  take()
  return out.join('')
}

function checkNesting(part: MimePart): void {
  let at = part.bodyStart
  for (const child of part.children) {
    assert.ok(child.start >= at && child.end <= part.end, `part ${child.index} lies within ${part.index}`)
    at = child.end
    checkNesting(child)
  }
}

test('fuzz: the reader of messages', (t) => {
  let worst = 0
  const told = eachSeedWithoutGrowth((chance) => {
    const bytes = grow(chance)
    const limitMs = Math.max(100, bytes.length / 1000)
    let message = parseMessage(Buffer.alloc(0))
    const ms = cpuMs(() => {
      message = parseMessage(bytes)
      searchText(message)
      for (const { name, value } of message.fields) if (name === 'received') parseReceived(value)
    }, limitMs)
    worst = Math.max(worst, ms)
    assert.ok(ms <= limitMs, `${bytes.length} octets took ${ms} ms`)
    checkNesting(message.structure)
    assert.equal(contents(cut(bytes, chance)), contents([bytes]))
  })
  t.diagnostic(`${told}, the longest ${worst.toFixed(1)} ms`)
})
