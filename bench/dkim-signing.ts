// Owns the measure behind docs/decisions/011: what signing costs on the way out, beside `crypto.sign` alone in the same run, on
// the event loop and in threads. node bench/dkim-signing.ts [--rounds 5] [--count 1000]. CPU of the process, medians of rounds.

import { createPrivateKey, hash, sign } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { DkimSigner, type DkimSigningKey, generateDkimKey } from '../src/auth.ts'
import { silentLog } from '../src/base/log.ts'
import { silentMetrics } from '../src/base/metrics.ts'
import { realClock } from '../src/net/real-clock.ts'
import { createDkimSigning } from '../src/posthouse/dkim-signing.ts'
import type { DeliveryJob, Transport } from '../src/queue/transport.ts'
import type { Delivery, Message } from '../src/queue/types.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, count: { type: 'string', default: '1000' } },
})
const rounds = Number(values.rounds)
const count = Number(values.count)

const header =
  'Received: by mx.here.test; Sat, 21 Nov 2026 10:00:00 +0000\r\nFrom: Alice <alice@here.test>\r\nTo: b@far.test\r\nSubject: two words\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@here.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n'
const line = 'Hello there, this is a line of text of a common length, as mail has it.\r\n'
const bytes = Buffer.from(header + line.repeat(66))
const body = {
  sizeBytes: bytes.length,
  bytes: () => bytes,
  stream: async function* () {
    yield bytes
  },
}
const rsa = await generateDkimKey('rsa')
const ed25519 = await generateDkimKey('ed25519')
const domain = 'here.test'
const rsaKey: DkimSigningKey = { domain, selector: 'r', privateKey: rsa }
const edKey: DkimSigningKey = { domain, selector: 'e', privateKey: ed25519 }

const inner: Transport = {
  async deliver(job) {
    job.body.bytes()
    return { outcomes: [], report: { hosts: [], startedAt: 0, endedAt: 0 }, destination: 'up' }
  },
}
let serial = 0
const job = (): DeliveryJob => ({
  message: { id: `m${serial++}`, origin: { via: 'submission', identity: 'alice@here.test' } } as Message,
  deliveries: [{ destination: 'mx:far.test' } as Delivery],
  body,
})
const { signal } = new AbortController()

function transport(keys: readonly DkimSigningKey[], inThreads: boolean): () => Promise<unknown> {
  const signer = new DkimSigner({ keys, clock: realClock, inThreads })
  const signing = createDkimSigning(inner, {
    clock: realClock,
    log: silentLog,
    metrics: silentMetrics,
    keys: { version: 0, signerFor: () => ({ domain, signer, names: [] }) },
    isOurs: (name) => name === domain,
    isTrusted: () => false,
    mayWriteAs: () => true,
    senderMustMatch: true,
  })
  return () => signing.deliver(job(), signal)
}

const data = Buffer.alloc(800, 'a')
const [rsaObject, edObject] = [createPrivateKey(rsa), createPrivateKey(ed25519)]
const contestants: readonly (readonly [name: string, run: () => unknown])[] = [
  ['crypto.sign RSA-2048', () => sign('sha256', data, rsaObject)],
  ['crypto.sign Ed25519', () => sign(null, hash('sha256', data, 'buffer'), edObject)],
  ['transport, RSA-2048', transport([rsaKey], false)],
  ['transport, Ed25519', transport([edKey], false)],
  ['transport, both', transport([rsaKey, edKey], false)],
  ['transport, both, in threads', transport([rsaKey, edKey], true)],
]

/** Microseconds of CPU for one, and how many a second. */
async function measure(
  run: () => unknown,
  parallel: number,
): Promise<{ readonly cpu: number; readonly rate: number }> {
  const cpu = process.cpuUsage()
  const begun = performance.now()
  let left = count
  const lane = async (): Promise<void> => {
    while (left-- > 0) await run()
  }
  await Promise.all(Array.from({ length: parallel }, lane))
  const spent = process.cpuUsage(cpu)
  return { cpu: (spent.user + spent.system) / count, rate: count / ((performance.now() - begun) / 1000) }
}

const median = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[list.length >> 1] ?? 0
const one = new Map<string, number[]>()
const many = new Map<string, number[]>()
for (let round = 0; round <= rounds; round++) {
  for (const [name, run] of contestants) {
    const alone = await measure(run, 1)
    const together = await measure(run, 20)
    // The first round warms up.
    if (round === 0) continue
    one.set(name, [...(one.get(name) ?? []), alone.cpu])
    many.set(name, [...(many.get(name) ?? []), together.rate])
  }
}
console.log(`${bytes.length} bytes, medians of ${rounds} rounds of ${count}`)
for (const [name] of contestants)
  console.log(
    `${name.padEnd(28)} ${median(one.get(name) ?? [])
      .toFixed(0)
      .padStart(5)} us CPU, 20 at once ${median(many.get(name) ?? [])
      .toFixed(0)
      .padStart(6)} a second`,
  )
