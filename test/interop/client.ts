// Owns the proof that the client speaks with other people's servers: one list of cases against each peer, what arrived
// compared with what was sent. Writes docs/proof/interop-client.md. `node test/interop/client.ts [--only exim]`, and a part
// of `npm run test:interop`. A peer that is not there is skipped with a message.
// Environment: BENCH_MODULES (a node_modules folder with smtp-server), BENCH_PEERS (where Exim's and OpenSMTPD's packages are
// unpacked; default .bench/peers).

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createMailer, type Mailer } from '../../src/client/mailer.ts'
import { PeerError, TransportError } from '../../src/client/mailer-errors.ts'
import type { MailerOptions } from '../../src/client/mailer-options.ts'
import { root, until, workFolder } from '../support/server-process.ts'
import { makeContext, type Peer, type PeerContext, peers, type Received } from './client-peers.ts'

type State = 'passed' | 'failed' | 'skipped' | 'not offered'
interface Result {
  readonly peer: string
  readonly name: string
  readonly state: State
  readonly note: string
}

/** A case ends with a note, or says that the peer does not offer what it needs. */
class NotOffered extends Error {}

function expect(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(message)
}

const from = 'me@us.test'
const lines = '.a dot begins it\r\n..two\r\n\r\nFrom the middle\r\nend'
let counter = 0
const newSubject = (): string => `case ${++counter}`

/** A running peer and how to reach it. */
class Bench {
  readonly #peer: Peer
  readonly #context: PeerContext

  constructor(peer: Peer, context: PeerContext) {
    this.#peer = peer
    this.#context = context
  }

  get peer(): Peer {
    return this.#peer
  }

  mailer(more: Partial<MailerOptions> = {}): Mailer {
    return createMailer({
      host: '127.0.0.1',
      port: this.#peer.port,
      name: 'client.test',
      servername: 'peer.test',
      tls: 'none',
      ca: this.#context.cert,
      ...more,
    })
  }

  async with<T>(more: Partial<MailerOptions>, use: (mailer: Mailer) => Promise<T>): Promise<T> {
    const mailer = this.mailer(more)
    try {
      return await use(mailer)
    } finally {
      await mailer.close()
    }
  }

  async offers(more: Partial<MailerOptions> = {}): Promise<string> {
    return await this.with(more, async (mailer) => {
      const { capabilities } = await mailer.verify()
      expect(capabilities !== undefined, 'no capabilities')
      const { pipelining, chunking, eightBitMime, smtputf8, dsn, startTls, size, auth } = capabilities
      const named = { pipelining, chunking, eightBitMime, smtputf8, dsn, startTls, size }
      const words = Object.entries(named).filter(([, on]) => on === true)
      return [...words.map(([name]) => name.toUpperCase()), ...auth.map((one) => `AUTH ${one}`)].join(' ')
    })
  }

  async arrived(subject: string, count = 1): Promise<readonly Received[]> {
    const mine = (): readonly Received[] =>
      this.#peer.received().filter((one) => one.message.includes(`Subject: ${subject}\r\n`))
    await until(() => mine().length >= count, 30_000)
    const found = mine()
    expect(found.length === count, `${found.length} of ${count} arrived\n${this.#peer.log()}`)
    return found
  }

  async body(subject: string): Promise<string> {
    const [one] = await this.arrived(subject)
    const { message = '' } = one ?? {}
    return message.slice(message.indexOf('\r\n\r\n') + 4)
  }
}

const sameLines = (got: string, want: string): boolean => got.trimEnd() === want.trimEnd()

const cases: Readonly<Record<string, (bench: Bench) => Promise<string>>> = {
  plain: async (bench) => {
    const subject = newSubject()
    const result = await bench.with({}, (mailer) =>
      mailer.send({
        envelope: { from, to: 'a@dest.test' },
        raw: `From: ${from}\r\nTo: a@dest.test\r\nSubject: ${subject}\r\n\r\n${lines}`,
      }),
    )
    expect(result.accepted.length === 1, 'accepted')
    const body = await bench.body(subject)
    expect(sameLines(body, lines), `body: ${JSON.stringify(body)}`)
    return result.response
  },

  'STARTTLS, certificate verified': async (bench) => {
    const { brokenTls } = bench.peer
    if (brokenTls !== undefined) throw new NotOffered(brokenTls)
    if (!/STARTTLS/.test(await bench.offers())) throw new NotOffered()
    const subject = newSubject()
    const tls = await bench.with({ tls: 'verify' }, async (mailer) => {
      const { tls } = await mailer.verify()
      await mailer.send({ from, to: 'a@dest.test', subject, text: lines })
      return tls
    })
    expect(tls?.endsWith('verified'), `${tls}`)
    await bench.arrived(subject)
    const wrong = await bench
      .with({ tls: 'verify', servername: 'other.test' }, (mailer) => mailer.verify())
      .then(
        () => undefined,
        (error: unknown) => error,
      )
    expect(wrong instanceof TransportError && wrong.code === 'TLS', `another name: ${wrong}`)
    return `${tls}; another name is refused`
  },

  AUTH: async (bench) => {
    const { login, brokenTls } = bench.peer
    if (brokenTls !== undefined) throw new NotOffered(brokenTls)
    const offered = login === undefined ? '' : await bench.offers({ tls: 'verify' })
    const mechanisms = [...offered.matchAll(/AUTH (\S+)/g)].map((one) => one[1] ?? '')
    const ours = mechanisms.filter((one) => /^(?:PLAIN|LOGIN|CRAM-MD5|SCRAM-SHA-256(?:-PLUS)?)$/.test(one))
    if (login === undefined || ours.length === 0) throw new NotOffered()
    for (const mechanism of ours) {
      const subject = newSubject()
      const secure = { tls: 'verify', auth: login, mechanisms: [mechanism] } as const
      await bench.with(secure, (mailer) => mailer.send({ from, to: 'a@dest.test', subject, text: mechanism }))
      await bench.arrived(subject)
      const wrong = { ...secure, auth: { ...login, password: 'wrong' } }
      const error = await bench
        .with(wrong, (mailer) => mailer.verify())
        .then(
          () => undefined,
          (one: unknown) => one,
        )
      expect(error instanceof PeerError && error.phase === 'auth', `${mechanism}, wrong password: ${error}`)
    }
    return `${ours.join(', ')}; a wrong password is refused`
  },

  'pipelined, three recipients': async (bench) => {
    const subject = newSubject()
    const transcript: string[] = []
    const to = ['a@dest.test', 'b@dest.test', 'c@dest.test']
    const listen = {
      transcript: (line: { from: string; line: string }) => transcript.push(`${line.from} ${line.line}`),
    }
    const result = await bench.with(listen, (mailer) => mailer.send({ from, to, subject, text: lines }))
    expect(result.accepted.length === 3, 'three accepted')
    const all = (await bench.arrived(subject, (await copies(bench, subject)) || 1)).flatMap((one) => one.to)
    expect(to.every((one) => all.includes(one)) && all.length === 3, `arrived for ${all}`)
    // In one flight: all commands are said before the answer to the first.
    const mail = transcript.findIndex((line) => line.startsWith('C MAIL'))
    const flight = transcript.slice(mail).findIndex((line) => line.startsWith('S'))
    const offered = /PIPELINING/.test(await bench.offers())
    expect(flight === (offered ? 5 : 1), `${flight} commands in the first flight`)
    return offered ? 'five commands in one flight' : 'not offered: one command at a time'
  },

  '8BITMIME': async (bench) => {
    const subject = newSubject()
    const raw = `From: ${from}\r\nTo: a@dest.test\r\nSubject: ${subject}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße, 世界\r\n`
    await bench.with({}, (mailer) => mailer.send({ envelope: { from, to: 'a@dest.test' }, raw }))
    const body = Buffer.from(await bench.body(subject), 'latin1').toString()
    expect(sameLines(body, 'Grüße, 世界'), body)
    return /EIGHTBITMIME/.test(await bench.offers()) ? 'BODY=8BITMIME said' : 'not offered; sent as it is'
  },

  SMTPUTF8: async (bench) => {
    const subject = newSubject()
    const to = 'jürgen@dest.test'
    const offered = /SMTPUTF8/.test(await bench.offers())
    const sent = bench.with({}, (mailer) => mailer.send({ from, to, subject, text: lines }))
    if (!offered) {
      const error = await sent.then(
        () => undefined,
        (one: unknown) => one,
      )
      expect(error instanceof TransportError && error.code === 'UNSUPPORTED', `${error}`)
      return `not offered: ${error.message}`
    }
    await sent
    const [one] = await bench.arrived(subject)
    const path = Buffer.from(one?.to[0] ?? '', 'latin1').toString()
    expect(path === to, `arrived for ${path}`)
    return `arrived for ${path}`
  },

  'large: an attachment of 5 MB': async (bench) => {
    const subject = newSubject()
    const content = Buffer.alloc(5_000_000, 'a line of a large file, nothing more\n')
    await bench.with({}, (mailer) =>
      mailer.send({
        from,
        to: 'a@dest.test',
        subject,
        text: lines,
        attachments: [{ filename: 'x.bin', content }],
      }),
    )
    const body = await bench.body(subject)
    const base64 = /\r\nContent-Transfer-Encoding: base64[\s\S]*?\r\n\r\n([A-Za-z0-9+/=\r\n]+)/i.exec(
      body,
    )?.[1]
    const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
    expect(digest(Buffer.from(base64 ?? '', 'base64')) === digest(content), 'the attachment is the same')
    return /CHUNKING/.test(await bench.offers()) ? 'by BDAT' : 'by DATA'
  },

  'one recipient of two refused': async (bench) => {
    const { refused } = bench.peer
    if (refused === undefined) throw new NotOffered()
    const subject = newSubject()
    const { accepted, rejected, replies } = await bench.with({}, (mailer) =>
      mailer.send({ from, to: ['a@dest.test', refused], subject, text: lines }),
    )
    expect(accepted.length === 1 && rejected[0] === refused, `${accepted} / ${rejected}`)
    const [one] = await bench.arrived(subject)
    expect(one?.to.join() === 'a@dest.test', `arrived for ${one?.to}`)
    return replies[1]?.text ?? ''
  },

  'all recipients refused': async (bench) => {
    const { refused } = bench.peer
    if (refused === undefined) throw new NotOffered()
    return await bench.with({}, async (mailer) => {
      const error = await mailer.send({ from, to: refused, subject: newSubject(), text: lines }).then(
        () => undefined,
        (one: unknown) => one,
      )
      expect(error instanceof PeerError && error.phase === 'rcpt' && !error.temporary, `${error}`)
      // The connection is as good as before.
      const subject = newSubject()
      await mailer.send({ from, to: 'a@dest.test', subject, text: lines })
      await bench.arrived(subject)
      return error.message
    })
  },

  'pool: 100 messages, 3 connections': async (bench) => {
    const subjects = Array.from({ length: 100 }, newSubject)
    await bench.with({ connectionsMax: 3, waitingMax: 200 }, async (mailer) => {
      const sent = subjects.map((subject) => mailer.send({ from, to: 'a@dest.test', subject, text: lines }))
      for (const result of await Promise.all(sent)) expect(result.accepted.length === 1, 'accepted')
    })
    for (const subject of subjects) await bench.arrived(subject)
    return 'each once'
  },
}

/** A server that passes on may do so once for each recipient. */
async function copies(bench: Bench, subject: string): Promise<number> {
  const mine = (): readonly Received[] =>
    bench.peer.received().filter((one) => one.message.includes(`Subject: ${subject}\r\n`))
  await until(() => mine().flatMap((one) => one.to).length >= 3, 10_000)
  return mine().length
}

async function tryPeer(peer: Peer, context: PeerContext): Promise<readonly Result[]> {
  const bench = new Bench(peer, context)
  const results: Result[] = []
  const note = (name: string, state: State, text: string): void => {
    results.push({ peer: peer.name, name, state, note: text })
    console.log(`${state}: ${peer.name}, ${name}${text === '' ? '' : ` (${text})`}`)
  }
  note('offers', 'passed', await bench.offers().catch((error: Error) => error.message))
  for (const [name, run] of Object.entries(cases)) {
    try {
      note(name, 'passed', await run(bench))
    } catch (error) {
      if (error instanceof NotOffered) note(name, 'not offered', error.message)
      else {
        const transcript =
          error instanceof TransportError || error instanceof PeerError ? error.transcript : []
        note(
          name,
          'failed',
          [error instanceof Error ? error.message : String(error), ...transcript].join('\n'),
        )
      }
    }
  }
  return results
}

export interface ClientInteropOptions {
  /** Part of a peer's name, lower-case. */
  readonly only?: string
  readonly mayInstall: boolean
}

/** Whether nothing failed. */
export async function runClientInterop({ only = '', mayInstall }: ClientInteropOptions): Promise<boolean> {
  const context = await makeContext(workFolder('interop-client'), {
    modules: process.env.BENCH_MODULES ?? join(root, '.bench', 'node_modules'),
    unpacked: process.env.BENCH_PEERS ?? join(root, '.bench', 'peers'),
    mayInstall,
  })
  const results: Result[] = []
  const versions: string[] = []
  for (const start of peers) {
    const name = start.name.replace(/^start/, '')
    if (!name.toLowerCase().includes(only)) continue
    let peer: Peer | string
    try {
      peer = await start(context)
    } catch (error) {
      peer = `does not start: ${error instanceof Error ? error.message : error}`
    }
    if (typeof peer === 'string') {
      results.push({ peer: name, name: 'all', state: 'skipped', note: peer })
      console.log(`skipped: ${name} (${peer})`)
      continue
    }
    versions.push(`${peer.name} ${peer.version}`)
    try {
      results.push(...(await tryPeer(peer, context)))
    } finally {
      await peer.stop()
    }
  }
  if (only === '') write(results, versions)
  return !results.some((one) => one.state === 'failed')
}

function write(results: readonly Result[], versions: readonly string[]): void {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim()
  const cell = (text: string): string =>
    text
      .replaceAll(/\s+/g, ' ')
      .replaceAll('|', '\\|')
      .replaceAll(/127\.0\.0\.1:\d+/g, 'the peer')
      .slice(0, 240)
  mkdirSync(join(root, 'docs', 'proof'), { recursive: true })
  writeFileSync(
    join(root, 'docs', 'proof', 'interop-client.md'),
    `# Interop of the client

Made by \`node test/interop/client.ts\` (a part of \`npm run test:interop\`) at commit ${commit}, Node ${process.versions.node}.
Servers: ${versions.join(', ')}. Each passes on what it takes, or writes it down, and that is compared with what was sent.

| server | case | result | note |
|---|---|---|---|
${results.map(({ peer, name, state, note }) => `| ${peer} | ${name} | ${state} | ${cell(note)} |`).join('\n')}
`,
  )
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: { only: { type: 'string', default: '' }, 'no-install': { type: 'boolean', default: false } },
  })
  const good = await runClientInterop({ only: values.only, mayInstall: !values['no-install'] })
  process.exit(good ? 0 : 1)
}
