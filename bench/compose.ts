// Composing without a wire: `node bench/compose.ts` prints microseconds per message of some kinds, the best of five rounds,
// and the rate at which an attachment is encoded from a stream.

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

for (const [name, input] of Object.entries(messages)) {
  let best = Number.POSITIVE_INFINITY
  let bytes = 0
  for (let round = 0; round < 5; round++) {
    const start = performance.now()
    for (let i = 0; i < count; i++)
      bytes = compose(input, { ...options, now: options.now + i * 100 }).bytes()?.length ?? 0
    best = Math.min(best, ((performance.now() - start) * 1000) / count)
  }
  console.log(`${name}: ${best.toFixed(1)} us, ${bytes} octets`)
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
