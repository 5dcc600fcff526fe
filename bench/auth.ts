// Owns the benchmark of authentication beside mailauth in one process: verify and sign a message of 5 kB, and SPF, DKIM and
// DMARC together, of a sender seen before and of senders seen for the first time. node bench/auth.ts [--rounds 7]
// [--count 400] [--write]. CPU of the process, the contestants alternate, the median of the rounds; DNS answers at once
// from memory. Last, the body's canonical forms alone.

import { sign } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { arch, cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { BodyHashes } from '../src/auth/body-hashes.ts'
import { readPrivateKey } from '../src/auth/dkim-keys.ts'
import {
  authenticate,
  createFakeResolver,
  DkimSigner,
  dkimRecord,
  generateDkimKey,
  signDkim,
  verifyDkim,
} from '../src/auth.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    count: { type: 'string', default: '400' },
    write: { type: 'boolean', default: false },
  },
})

type Mailauth = (message: Buffer, options: object) => Promise<unknown>
const load = createRequire(import.meta.url)
const theirs = {
  verify: (load('mailauth/lib/dkim/verify.js') as { dkimVerify: Mailauth }).dkimVerify,
  sign: (load('mailauth/lib/dkim/sign.js') as { dkimSign: Mailauth }).dkimSign,
  authenticate: (load('mailauth/lib/mailauth.js') as { authenticate: Mailauth }).authenticate,
}

const clock = { now: () => Date.now() }
const domain = 'source.test'
const rsa = await generateDkimKey('rsa')
const ed25519 = await generateDkimKey('ed25519')
const record = dkimRecord({ domain, selector: 's', key: rsa })
/** More than verdicts are remembered. */
const strangerCount = 4100
const txt: Record<string, readonly string[]> = {}
const mx: Record<string, readonly string[]> = {}
const a: Record<string, readonly string[]> = {}
const publish = (name: string): void => {
  txt[`s._domainkey.${name}`] = [record.text]
  txt[name] = [`v=spf1 mx ip4:192.0.2.0/24 include:spf.${name} -all`]
  txt[`spf.${name}`] = ['v=spf1 ip4:198.51.100.0/24 -all']
  txt[`_dmarc.${name}`] = [`v=DMARC1; p=reject; rua=mailto:d@${name}`]
  mx[name] = [`10 mx.${name}`]
  a[`mx.${name}`] = ['203.0.113.1']
}
const strangerName = (i: number): string => `s${i}-source.test`
publish(domain)
for (let i = 0; i < strangerCount; i++) publish(strangerName(i))
const resolver = createFakeResolver({ txt, mx, a })
/** The same answers as node:dns gives them. */
const resolve = async (name: string, type: string): Promise<unknown> => {
  const found = type === 'TXT' ? txt[name]?.map((text) => [text]) : undefined
  if (found !== undefined) return found
  if (type === 'MX' && mx[name] !== undefined) return [{ priority: 10, exchange: `mx.${name}` }]
  if (type === 'A' && a[name] !== undefined) return a[name]
  throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })
}

const line = 'A line of text as people write it, with words of some length, and a full stop.\r\n'
const header = [
  'Received: from a.source.test (a.source.test [192.0.2.7]) by mx.source.test with ESMTPS id 1; Sat, 21 Nov 2026 10:00:00 +0000',
  'From: Anna <anna@source.test>',
  'To: Bert <bert@sink.test>, Carla <carla@sink.test>',
  'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from the bench',
  'Date: Sat, 21 Nov 2026 10:00:00 +0000',
  'Message-ID: <1234567890@source.test>',
  'MIME-Version: 1.0',
  'Content-Type: text/plain; charset=utf-8',
].join('\r\n')
const message = Buffer.from(
  `${header}\r\n\r\n${line.repeat(Math.ceil((5000 - header.length) / line.length))}`,
)
const keyOf = (privateKey: string) => ({ domain, selector: 's', privateKey })
const signed = Buffer.concat([Buffer.from(await signDkim(message, { keys: [keyOf(rsa)], clock })), message])

interface Contestant {
  readonly name: string
  readonly run: () => unknown
}

const signing = (privateKey: string, inThreads: boolean) => {
  const signer = new DkimSigner({ keys: [keyOf(privateKey)], clock, inThreads })
  return async (): Promise<void> => {
    const signing = signer.begin()
    signing.write(message)
    await signing.finish()
  }
}
const alone = (pem: string, algorithm: string | null) => {
  const key = readPrivateKey(pem, 'key')
  const octets = message.subarray(0, 600)
  return () => sign(algorithm, octets, key)
}
const mailauthSigning = (privateKey: string) => () =>
  theirs.sign(message, {
    canonicalization: 'relaxed/relaxed',
    signatureData: [{ signingDomain: domain, selector: 's', privateKey }],
  })
const ip = '198.51.100.7'
const clear = message.toString('latin1')

interface Incoming {
  readonly message: Buffer
  readonly sender: string
  readonly helo: string
}
const known: Incoming = { message: signed, sender: `anna@${domain}`, helo: `a.${domain}` }
const strangers: Incoming[] = []
for (let i = 0; i < strangerCount; i++) {
  const name = strangerName(i)
  const plain = Buffer.from(clear.replaceAll(domain, name), 'latin1')
  const field = await signDkim(plain, { keys: [{ ...keyOf(rsa), domain: name }], clock })
  strangers.push({
    message: Buffer.concat([Buffer.from(field), plain]),
    sender: `anna@${name}`,
    helo: `a.${name}`,
  })
}
/** One after the other, round and round. */
const inTurn = (): (() => Incoming) => {
  let next = 0
  return () => strangers[next++ % strangerCount] ?? known
}

const judging = (ours: () => Incoming, theirTurn: () => Incoming): readonly Contestant[] => [
  {
    name: 'posthouse',
    run: () => {
      const { message, sender, helo } = ours()
      return authenticate(message, {
        ip,
        helo,
        reversePath: sender,
        resolver,
        clock,
        authservId: 'mx.sink.test',
      })
    },
  },
  {
    name: 'mailauth strict',
    run: () => {
      const { message, sender, helo } = theirTurn()
      return theirs.authenticate(message, {
        ip,
        helo,
        sender,
        mta: 'mx.sink.test',
        strict: true,
        disableBimi: true,
        resolver: resolve,
      })
    },
  },
]

const cases: readonly (readonly [title: string, contestants: readonly Contestant[]])[] = [
  [
    'DKIM verify, 5 kB, RSA-2048',
    [
      { name: 'posthouse', run: () => verifyDkim(signed, { resolver, clock }) },
      { name: 'mailauth strict', run: () => theirs.verify(signed, { strict: true, resolver: resolve }) },
    ],
  ],
  [
    'SPF + DKIM + ARC + DMARC, 5 kB, a sender seen before',
    judging(
      () => known,
      () => known,
    ),
  ],
  ['SPF + DKIM + ARC + DMARC, 5 kB, each sender for the first time', judging(inTurn(), inTurn())],
  [
    'DKIM sign, 5 kB, RSA-2048',
    [
      { name: 'crypto.sign alone', run: alone(rsa, 'sha256') },
      { name: 'posthouse', run: signing(rsa, false) },
      { name: 'posthouse, in threads', run: signing(rsa, true) },
      { name: 'mailauth', run: mailauthSigning(rsa) },
    ],
  ],
  [
    'DKIM sign, 5 kB, Ed25519',
    [
      { name: 'crypto.sign alone', run: alone(ed25519, null) },
      { name: 'posthouse', run: signing(ed25519, false) },
      { name: 'mailauth', run: mailauthSigning(ed25519) },
    ],
  ],
]

const rounds = Number(values.rounds)
const count = Number(values.count)
const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0

async function cpuMs(run: () => unknown): Promise<number> {
  const before = process.cpuUsage()
  for (let i = 0; i < count; i++) await run()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000 / count
}

const version = (name: string): string =>
  (
    JSON.parse(readFileSync(join(import.meta.dirname, '../node_modules', name, 'package.json'), 'utf8')) as {
      version: string
    }
  ).version
const out: string[] = [
  `${signed.length} octets signed; CPU ms per message, median [min-max] of ${rounds} rounds of ${count}; Node ${process.versions.node}, OpenSSL ${process.versions.openssl}, mailauth ${version('mailauth')}; ${cpus().length} ${cpus()[0]?.model} (${arch()}).`,
  '',
  '| case | contestant | CPU ms | |',
  '|---|---|---|---|',
]
for (const [title, contestants] of cases) {
  const measured = new Map<string, number[]>(contestants.map(({ name }) => [name, []]))
  // Until what runs is what V8 makes of it in the end.
  for (let round = 0; round < 3; round++) for (const { run } of contestants) await cpuMs(run)
  for (let round = 0; round < rounds; round++)
    for (const { name, run } of contestants) measured.get(name)?.push(await cpuMs(run))
  const first = median(measured.get(contestants[0]?.name ?? '') ?? [])
  for (const { name } of contestants) {
    const all = measured.get(name) ?? []
    const times =
      name === contestants[0]?.name ? '' : `${(median(all) / first).toFixed(2)} times ${contestants[0]?.name}`
    out.push(
      `| ${title} | ${name} | ${median(all).toFixed(3)} [${Math.min(...all).toFixed(3)}-${Math.max(...all).toFixed(3)}] | ${times} |`,
    )
  }
}

const text = Buffer.from(line.repeat(130_000))
const base64 = Buffer.from(`${'QUJD'.repeat(19)}\r\n`.repeat(130_000))
for (const [title, body] of [
  ['text', text],
  ['base64', base64],
] as const)
  for (const canonicalization of ['simple', 'relaxed'] as const) {
    const ms: number[] = []
    for (let round = 0; round < rounds; round++) {
      const bodies = new BodyHashes()
      bodies.request({ hash: 'sha256', canonicalization })
      const before = process.cpuUsage()
      for (let at = 0; at < body.length; at += 65_536) bodies.push(body.subarray(at, at + 65_536))
      bodies.end()
      const { user, system } = process.cpuUsage(before)
      ms.push((user + system) / 1000)
    }
    out.push(
      `| body hash, 10 MB of ${title} | ${canonicalization} | ${median(ms).toFixed(1)} | ${(body.length / 1000 / median(ms)).toFixed(0)} MB/s |`,
    )
  }

console.log(out.join('\n'))
if (values.write) {
  const file = join(import.meta.dirname, 'RESULTS.md')
  const before = readFileSync(file, 'utf8')
  const section = `### authentication (\`node bench/auth.ts\`)\n\n${out.join('\n')}\n`
  const at = before.indexOf('### authentication (')
  const next = at === -1 ? -1 : before.slice(at + 4).search(/^#{2,3} /m)
  const rest = next === -1 ? '' : before.slice(at + 4 + next)
  writeFileSync(
    file,
    at === -1
      ? `${before.trimEnd()}\n\n${section}`
      : `${before.slice(0, at)}${section}${rest === '' ? '' : `\n${rest}`}`,
  )
}
