// Owns the benchmark of reading messages: 10 MB with attachments, 10 MB of plain text (ASCII, UTF-8, quoted-printable), and
// simple messages of 2.5 kB; mailparser and postal-mime beside it where they are.
//   node bench/message-reader.ts [--runs 8] [--peers .bench]
// Each figure is the best of the runs, each reader in a process of its own, so that none pays for another's garbage.

import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { parseMessage } from '../src/message.ts'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '8' },
    peers: { type: 'string', default: '.bench' },
    reader: { type: 'string' },
  },
})
const runs = Number(values.runs)

interface Reader {
  readonly name: string
  read(bytes: Buffer): unknown
}
const readers: Reader[] = [{ name: 'posthouse', read: (bytes) => parseMessage(bytes) }]

const folder = resolve(values.peers)
for (const name of ['mailparser', 'postal-mime']) {
  const own = join(folder, 'node_modules', name, 'package.json')
  if (!existsSync(own)) continue
  const { version } = JSON.parse(readFileSync(own, 'utf8')) as { version: string }
  const library = (await import(pathToFileURL(createRequire(own).resolve(name)).href)) as Record<
    string,
    unknown
  >
  const parse =
    name === 'mailparser'
      ? (library.simpleParser as (bytes: Buffer) => unknown)
      : (bytes: Buffer) => (library.default as { parse(bytes: Buffer): unknown }).parse(bytes)
  readers.push({ name: `${name} ${version}`, read: parse })
}

const lines = (line: string): string => `${line}\r\n`.repeat(Math.floor(10_000_000 / (line.length + 2)))
const base64 = (bytes: number): string => randomBytes(bytes).toString('base64').replace(/.{76}/g, '$&\r\n')
const attachment = (index: number): string =>
  `--=_x\r\nContent-Type: application/pdf; name="f${index}.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64(2_500_000)}\r\n`
const text = 'From: a@b.test\r\nSubject: x\r\nContent-Type: text/plain; charset=utf-8\r\n'

const large: Readonly<Record<string, string>> = {
  attachments: `From: a@b.test\r\nContent-Type: multipart/mixed; boundary="=_x"\r\n\r\n--=_x\r\n\r\nhi\r\n${[1, 2, 3].map(attachment).join('')}--=_x--\r\n`,
  'plain text': `${text}\r\n${lines('Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor')}`,
  'plain text in UTF-8': `${text}\r\n${lines('Lorem ipsum dolor sit ämet, consectetur adipiscing elit, sed do eiusmod tempor')}`,
  'quoted-printable': `${text}Content-Transfer-Encoding: quoted-printable\r\n\r\n${lines('Lorem ipsum dolor sit =C3=A4met, consectetur elit, sed do eiusm =\r\ntempor')}`,
}

const received = 'Received: from a.test by b.test with ESMTP id 1; Fri, 21 Nov 1997 09:55:06 -0600\r\n'
const simple = Buffer.from(
  `${received.repeat(2)}From: "Anna" <anna@a.test>\r\nTo: bob@b.test, "Carl" <c@c.test>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= hello\r\nDate: Fri, 21 Nov 1997 09:55:06 -0600\r\nMessage-ID: <1@a.test>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n${'Some text with =C3=A4 and more of it\r\n'.repeat(24)}--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n${'<p>Some text here and there</p>\r\n'.repeat(31)}--b--\r\n`,
)
const count = 2000

/** MB/s of each large message, then messages/s of the simple one. */
async function measure(reader: Reader): Promise<readonly number[]> {
  const rates: number[] = []
  for (const source of Object.values(large)) {
    const bytes = Buffer.from(source)
    rates.push(bytes.length / 1000 / (await best(() => reader.read(bytes))))
  }
  const ms = await best(async () => {
    for (let i = 0; i < count; i++) await reader.read(simple)
  })
  return [...rates, (count / ms) * 1000]
}

async function best(run: () => unknown): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < runs; i++) {
    const start = performance.now()
    await run()
    least = Math.min(least, performance.now() - start)
  }
  return least
}

const only = readers.find(({ name }) => name === values.reader)
if (only !== undefined) console.log(JSON.stringify(await measure(only)))
else {
  const figures = readers.map(({ name }) => {
    const options = ['--reader', name, '--runs', values.runs, '--peers', values.peers]
    const run = spawnSync(process.execPath, [import.meta.filename, ...options], { encoding: 'utf8' })
    if (run.status !== 0) throw new Error(run.stderr)
    return JSON.parse(run.stdout) as readonly number[]
  })
  console.log(
    `| | ${readers.map(({ name }) => name).join(' | ')} |\n|---|${readers.map(() => '---|').join('')}`,
  )
  const rows = [
    ...Object.keys(large).map((name) => [name, 'MB/s']),
    [`simple, ${simple.length} octets`, '/s'],
  ]
  for (const [i, [name, unit]] of rows.entries())
    console.log(`| ${name} | ${figures.map((one) => `${one[i]?.toFixed(0)} ${unit}`).join(' | ')} |`)
}
