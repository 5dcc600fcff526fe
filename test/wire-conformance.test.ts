// Owns the gate of the SMTP wire: the 93 cases of ../shared/conformance/smtp/wire-cases.json, against the machine alone and
// against the server on a real socket. The session accepts every recipient.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { listen } from '../src/net/listen.ts'
import { realClock } from '../src/net/real-clock.ts'
import type { SmtpSession } from '../src/server/session.ts'
import { createSmtpServer, type SmtpServer } from '../src/server/smtp-server.ts'
import { accept } from '../src/smtp/verdict.ts'
import { MachinePlayer } from './transcripts/player.ts'

interface Step {
  readonly s: string
  readonly x: string | null
  readonly n?: number
  readonly maxn?: number
  readonly closeOk?: boolean
}
interface WireCase {
  readonly id: string
  readonly steps: readonly Step[]
  readonly want: {
    readonly msgs?: number
    readonly maxMsgs?: number
    readonly noneFrom?: string
    readonly maxReplies?: number
    readonly body?: string
    readonly raw?: string
    readonly strict5xx?: boolean
    readonly strictBareLf?: boolean
  }
}
interface Message {
  readonly from: string
  readonly body: string
}
/** A peer: `finish` tells that nothing more comes and gives every reply that had not been read. */
interface Peer {
  send(bytes: Buffer): void
  replies(count: number): Promise<readonly string[]>
  finish(): Promise<readonly string[]>
  messages(): readonly Message[]
}

const file = join(import.meta.dirname, '../../shared/conformance/smtp/wire-cases.json')
const cases: readonly WireCase[] = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : []

/** Whole replies (continuation lines joined) from the front of `text`, and what is left. */
function splitReplies(text: string): { readonly replies: readonly string[]; readonly rest: string } {
  const whole = /^(?:\d{3}-[^\r\n]*\r\n)*\d{3} [^\r\n]*\r\n/
  const replies: string[] = []
  let rest = text
  for (let match = whole.exec(rest); match !== null; match = whole.exec(rest)) {
    replies.push(match[0])
    rest = rest.slice(match[0].length)
  }
  return { replies, rest }
}

async function play(one: WireCase, peer: Peer): Promise<void> {
  await peer.replies(1)
  let last: readonly string[] = []
  for (const [i, step] of one.steps.entries()) {
    const isLast = i === one.steps.length - 1
    peer.send(Buffer.from(step.s, 'latin1'))
    if (step.x === null) continue
    const count = step.n ?? 1
    const replies = isLast ? await peer.finish() : await peer.replies(count)
    assert.ok(replies.length >= count, `${replies.length} replies to step ${i}`)
    assert.match(replies.join(''), new RegExp(step.x), `step ${i}`)
    if (step.maxn !== undefined) assert.ok(replies.length <= step.maxn, `${replies} to step ${i}`)
    last = replies
  }
  const { want } = one
  const messages = peer.messages()
  if (want.msgs !== undefined) assert.equal(messages.length, want.msgs)
  assert.ok(messages.length <= (want.maxMsgs ?? 1))
  if (want.noneFrom !== undefined) assert.ok(messages.every((message) => message.from !== want.noneFrom))
  if (want.maxReplies !== undefined)
    assert.ok(last.length <= want.maxReplies, `${last.length} replies: ${last}`)
  if (want.raw !== undefined) assert.equal(messages[0]?.body, want.raw)
  if (want.body !== undefined)
    assert.equal(messages[0]?.body.split('\r\n\r\n').slice(1).join('\r\n\r\n'), want.body)
  // Our own promise goes further than the cases: anything with a bare CR or LF in DATA is refused for good.
  if (want.strict5xx || want.strictBareLf) {
    assert.match(last.join(''), /^5/)
    assert.equal(messages.length, 0)
  }
}

function machinePeer(): Peer {
  const player = new MachinePlayer({ startTls: true, refuseEarlyBody: true })
  let read = player.output()
  return {
    send: (bytes) => player.feed(bytes),
    replies: (count) => {
      read += player.output()
      const all = splitReplies(read)
      read = all.replies.slice(count).join('') + all.rest
      return Promise.resolve(all.replies.slice(0, count))
    },
    finish: () => {
      player.end()
      return Promise.resolve(splitReplies(read + player.output()).replies)
    },
    messages: () => player.messages.map(({ from, body }) => ({ from, body })),
  }
}

async function socketPeer(port: number, messages: Message[]): Promise<Peer> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let read = ''
  let ended = false
  let wake = (): void => {}
  socket.on('data', (bytes) => {
    read += bytes.toString('latin1')
    wake()
  })
  for (const event of ['end', 'error', 'close'])
    socket.on(event, () => {
      ended = true
      wake()
    })
  const until = async (ready: () => boolean): Promise<void> => {
    while (!ready() && !ended) await new Promise<void>((resolve) => (wake = resolve))
  }
  return {
    send: (bytes) => void socket.write(bytes),
    replies: async (count) => {
      await until(() => splitReplies(read).replies.length >= count)
      const all = splitReplies(read)
      read = all.replies.slice(count).join('') + all.rest
      return all.replies.slice(0, count)
    },
    finish: async () => {
      socket.end()
      await until(() => false)
      socket.destroy()
      return splitReplies(read).replies
    },
    messages: () => messages,
  }
}

const skip = cases.length === 0 && 'no ../shared/conformance here'

test('wire cases, machine in memory', { skip }, async (t) => {
  assert.equal(cases.length, 93)
  for (const one of cases) await t.test(one.id, () => play(one, machinePeer()))
})

test('wire cases, server on a socket', { skip }, async (t) => {
  let messages: Message[] = []
  let server: SmtpServer
  let close: () => Promise<void>
  let port = 0
  const session = (): SmtpSession => {
    let from = ''
    return {
      mail: (path) => {
        from = path?.text ?? ''
        return accept
      },
      rcpt: () => accept,
      data: () => {
        const pieces: Buffer[] = []
        return {
          write: (bytes) => void pieces.push(bytes),
          finish: () => {
            messages.push({ from, body: Buffer.concat(pieces).toString('latin1') })
            return accept
          },
          abort: () => {},
        }
      },
    }
  }
  before(async () => {
    server = createSmtpServer({
      hostname: 'mx.test',
      kind: 'mx',
      clock: realClock,
      session,
      tls: () => undefined,
    })
    const listener = await listen({
      host: '127.0.0.1',
      port: 0,
      clock: realClock,
      onConnection: (connection) => server.accept(connection),
    })
    port = listener.local.port
    close = () => listener.close()
  })
  after(async () => {
    await close()
    await server.stop({ graceMs: 0 })
  })
  for (const one of cases)
    await t.test(one.id, async () => {
      messages = []
      await play(one, await socketPeer(port, messages))
    })
})
