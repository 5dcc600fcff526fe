// Composing without a wire: `node bench/compose.ts [--peers .bench]` prints microseconds per message of some kinds, the best of
// five rounds, Nodemailer beside it where it is, in turns; and the rate at which an attachment is encoded from a stream.

import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { compose } from '../src/message/compose.ts'
import type { MessageInput } from '../src/message/message-input.ts'
import { realRandom } from '../src/net/real-random.ts'

const paragraph = 'The quick brown fox jumps over the lazy dog, and then it does so again. '
const text = `${paragraph}\n`.repeat(30)
const messages: Readonly<Record<string, MessageInput>> = {
  'text, 2.2 kB': { from: 'Ann <a@from.test>', to: 'Bob <b@to.test>', subject: 'A plain subject', text },
  'text and html, beyond ASCII': {
    from: 'Jürgen <j@from.test>',
    to: ['Bob <b@to.test>', 'c@to.test'],
    subject: 'Grüße aus dem Süden, heute etwas länger als sonst',
    text: `${text}ü\n`,
    html: `<p>${text}ü</p>`,
  },
  'with 10 kB attached': {
    from: 'a@from.test',
    to: 'b@to.test',
    subject: 'A file',
    text,
    attachments: [{ filename: 'a.pdf', content: Buffer.alloc(10_000, 7) }],
  },
}

const options = { random: realRandom, hostname: 'bench.test', now: 1_795_000_000_000 }
const count = 5000

const { values } = parseArgs({ options: { peers: { type: 'string', default: '.bench' } } })
const own = join(resolve(values.peers), 'node_modules/nodemailer/package.json')
const peer = existsSync(own)
  ? {
      version: (JSON.parse(readFileSync(own, 'utf8')) as { version: string }).version,
      MailComposer: createRequire(own)('nodemailer/lib/mail-composer') as new (
        input: object,
      ) => { compile(): { build(done: (error: Error | null, message: Buffer) => void): void } },
    }
  : undefined

/** Microseconds per message. */
async function peerTime({ MailComposer }: NonNullable<typeof peer>, input: MessageInput): Promise<number> {
  const start = performance.now()
  for (let i = 0; i < count / 5; i++)
    await new Promise<Buffer>((done, fail) => {
      const mail = new MailComposer({ ...input, newline: '\r\n' })
      mail.compile().build((error, message) => (error === null ? done(message) : fail(error)))
    })
  return ((performance.now() - start) * 1000) / (count / 5)
}

for (const [name, input] of Object.entries(messages)) {
  let peerBest = Number.POSITIVE_INFINITY
  let best = Number.POSITIVE_INFINITY
  let bytes = 0
  for (let round = 0; round < 5; round++) {
    const start = performance.now()
    for (let i = 0; i < count; i++)
      bytes = compose(input, { ...options, now: options.now + i * 100 }).bytes()?.length ?? 0
    best = Math.min(best, ((performance.now() - start) * 1000) / count)
    if (peer !== undefined) peerBest = Math.min(peerBest, await peerTime(peer, input))
  }
  const beside =
    peer === undefined
      ? ''
      : `; nodemailer ${peer.version}: ${peerBest.toFixed(1)} us, ${(peerBest / best).toFixed(1)} times`
  console.log(`${name}: ${best.toFixed(1)} us, ${bytes} octets${beside}`)
}

async function* source(size: number): AsyncGenerator<Uint8Array> {
  const chunk = Buffer.alloc(65_536, 'attached')
  for (let sent = 0; sent < size; sent += chunk.length) yield chunk
}

const size = 256 * 1024 * 1024
const before = process.memoryUsage().rss
const start = performance.now()
let rssMax = 0
let turns = 0
const message = compose(
  { ...messages['text, 2.2 kB'], attachments: [{ filename: 'a.bin', content: source(size) }] },
  options,
)
for await (const _chunk of message.stream())
  if (++turns % 64 === 0) rssMax = Math.max(rssMax, process.memoryUsage().rss)
const seconds = (performance.now() - start) / 1000
console.log(
  `streamed ${size / 1048576} MB: ${(size / 1e6 / seconds).toFixed(0)} MB/s, RSS +${((rssMax - before) / 1048576).toFixed(0)} MB`,
)
