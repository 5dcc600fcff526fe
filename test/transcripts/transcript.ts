// Owns the text form of a transcript and its playing at every cut.
//   # comment
//   @ {"lmtp": true}          options of MachinePlayer, as JSON
//   C: EHLO client.test       a line of the client, CRLF behind it
//   C. a\nb                   octets of the client, nothing behind them
//   C+ DATA                   a line that the next one follows in the same packet, whatever it is
//   S: 250 2.0.0 ok           a line of the server
//   M: {"from": ...}          a message that was accepted, as JSON
//   P: {"smtputf8": true}     parameters of MAIL or RCPT, as JSON
//   A: 1                      bodies given up
//   X:                        the server closes
// Escapes in C: \r \n \t \\ \xHH, and \u{HEX} in UTF-8. A cut is never made into C+, and always behind DATA and STARTTLS:
// RFC 2920 and 3207 make what is buffered there part of the meaning.

import assert from 'node:assert/strict'
import { MachinePlayer, type PlayedMessage, type PlayerOptions } from './player.ts'

interface Segment {
  readonly bytes: Buffer
  /** Offsets at which it may be cut. */
  readonly cuts: readonly number[]
  readonly expected: string
}

export interface Transcript {
  readonly options: PlayerOptions
  readonly greeting: string
  readonly segments: readonly Segment[]
  readonly messages: readonly PlayedMessage[]
  readonly parameters: readonly string[]
  readonly aborted: number
  readonly closes: boolean
}

const simple: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t', '\\': '\\', 0: '\0' }

function decodeEscapes(text: string): Buffer {
  const pieces = text.split(/(\\x[0-9a-fA-F]{2}|\\u\{[0-9a-fA-F]+\}|\\[rnt0\\])/)
  return Buffer.concat(
    pieces.map((piece, i) => {
      if (i % 2 === 0) return Buffer.from(piece)
      if (piece.startsWith('\\x')) return Buffer.from([Number.parseInt(piece.slice(2), 16)])
      if (piece.startsWith('\\u'))
        return Buffer.from(String.fromCodePoint(Number.parseInt(piece.slice(3, -1), 16)))
      return Buffer.from(simple[piece[1] as string] as string)
    }),
  )
}

export function parseTranscript(text: string): Transcript {
  let options: PlayerOptions = {}
  let greeting: string | undefined
  const segments: Segment[] = []
  const messages: PlayedMessage[] = []
  const parameters: string[] = []
  let aborted = 0
  let closes = false
  let bytes: Buffer[] = []
  let glued = new Set<number>()
  let length = 0
  let expected = ''
  const flush = (): void => {
    if (greeting === undefined) greeting = expected
    else if (length > 0) {
      const cuts = Array.from({ length: length - 1 }, (_, i) => i + 1).filter((at) => !glued.has(at))
      segments.push({ bytes: Buffer.concat(bytes), cuts, expected })
    }
    bytes = []
    glued = new Set()
    length = 0
    expected = ''
  }
  let synced = false
  for (const [number, line] of text.split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue
    const tag = line.slice(0, 2)
    const rest = line.slice(3)
    switch (tag) {
      case '@ ':
        options = JSON.parse(line.slice(2))
        break
      case 'C:':
      case 'C.':
      case 'C+': {
        if (greeting === undefined || synced) flush()
        const piece = Buffer.concat([decodeEscapes(rest), Buffer.from(tag === 'C.' ? '' : '\r\n')])
        bytes.push(piece)
        if (tag === 'C+') for (let at = length; at <= length + piece.length; at++) glued.add(at)
        length += piece.length
        synced = tag === 'C:' && /^(?:DATA|STARTTLS)$/i.test(rest)
        break
      }
      case 'S:':
        expected += `${rest}\r\n`
        break
      case 'M:':
        messages.push(JSON.parse(rest))
        break
      case 'P:':
        parameters.push(JSON.stringify(JSON.parse(rest)))
        break
      case 'A:':
        aborted = Number(rest)
        break
      case 'X:':
        closes = true
        break
      default:
        assert.fail(`line ${number + 1}: ${line}`)
    }
  }
  flush()
  assert.ok(segments.length > 0, 'a transcript has lines of the client')
  return { options, greeting: greeting ?? '', segments, messages, parameters, aborted, closes }
}

/** Plays it with each segment cut by `cut`, and compares everything. */
export function playTranscript(
  transcript: Transcript,
  cut: (segment: Segment, index: number) => readonly Buffer[],
): void {
  const player = new MachinePlayer(transcript.options)
  assert.equal(player.output(), transcript.greeting)
  for (const [index, segment] of transcript.segments.entries()) {
    for (const chunk of cut(segment, index)) player.feed(chunk)
    assert.equal(player.output(), segment.expected)
  }
  assert.equal(player.machine.closed, transcript.closes, 'closed')
  assert.deepEqual(player.messages, transcript.messages)
  if (transcript.parameters.length > 0) assert.deepEqual(player.parameters, transcript.parameters)
  assert.equal(player.aborted, transcript.aborted, 'bodies given up')
}

const cutAt = (segment: Segment, places: readonly number[]): readonly Buffer[] => {
  const all = [0, ...places, segment.bytes.length]
  return all.slice(1).map((to, i) => segment.bytes.subarray(all[i], to))
}

/** Whole, byte by byte, and at every single cut; the number of plays. */
export function playEveryWay(transcript: Transcript): number {
  playTranscript(transcript, (segment) => [segment.bytes])
  playTranscript(transcript, (segment) => cutAt(segment, segment.cuts))
  let count = 2
  for (const [index, segment] of transcript.segments.entries())
    for (const at of segment.cuts) {
      playTranscript(transcript, (other, i) => (i === index ? cutAt(other, [at]) : [other.bytes]))
      count++
    }
  return count
}
