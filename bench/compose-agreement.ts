// Owns the comparison of composers over the sixteen messages of test/support/compose-cases.ts: Posthouse and Nodemailer, what each
// writes read by our own parser and by CPython. node bench/compose-agreement.ts [--peers .bench]

import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { compose, flattenAddresses, type MessageInput, parseMessage } from '../src/message.ts'
import { realRandom } from '../src/net/real-random.ts'
import { composeCases, type ReadMessage } from '../test/support/compose-cases.ts'
import { readByPython } from '../test/support/mail-readers.ts'

const { values } = parseArgs({ options: { peers: { type: 'string', default: '.bench' } } })

interface Composer {
  readonly name: string
  make(input: MessageInput): Promise<Buffer>
}

const composers: Composer[] = [
  {
    name: 'posthouse',
    make: async (input) =>
      Buffer.from(compose(input, { now: 1e12, random: realRandom, hostname: 'h.test' }).bytes() ?? []),
  },
]

const folder = resolve(values.peers)
const own = join(folder, 'node_modules/nodemailer/package.json')
if (existsSync(own)) {
  const require = createRequire(own)
  const MailComposer = require('nodemailer/lib/mail-composer') as new (
    input: object,
  ) => { compile(): { build(done: (error: Error | null, message: Buffer) => void): void } }
  const { version } = JSON.parse(readFileSync(own, 'utf8')) as { version: string }
  composers.push({
    name: `nodemailer ${version}`,
    make: (input) =>
      new Promise((done, fail) => {
        const mail = new MailComposer({ ...input, newline: '\r\n' })
        mail.compile().build((error, message) => (error === null ? done(message) : fail(error)))
      }),
  })
} else console.log(`nodemailer is not in ${folder}: left out`)

function readByUs(bytes: Buffer): ReadMessage {
  const message = parseMessage(bytes)
  const plain = (list: typeof message.from) =>
    flattenAddresses(list).map(({ name, address }) => [name, address] as const)
  const within = message.attachments.find((one) => one.message !== undefined)?.message?.subject
  return {
    subject: message.subject,
    from: plain(message.from),
    to: plain(message.to),
    references: message.references.map((id) => `<${id}>`),
    text: message.text,
    html: message.html,
    files: message.attachments
      .filter((one) => one.message === undefined)
      .map((one) => [one.filename ?? '', Buffer.from(one.content).toString('latin1')]),
    ...(within === undefined ? {} : { within }),
  }
}

// CPython 3.11 shows a blank for each border of two encoded-words in a name.
const plain = (value: unknown): string =>
  JSON.stringify(value ?? null)
    .replaceAll('\\r\\n', '\\n')
    .replace(/\\n"$/, '"')
    .replace(/ +/g, '')

function faults(bytes: Buffer, index: number): readonly string[] {
  const { want, never, always } = composeCases[index] as (typeof composeCases)[number]
  const wire = bytes.toString('latin1')
  const out: string[] = []
  if (/\r(?!\n)|(?<!\r)\n/.test(wire)) out.push('a bare CR or LF')
  if (wire.split('\r\n').some((line) => line.length > 998)) out.push('a line over 998')
  if (never?.test(wire) === true) out.push('what must not be there')
  if (always?.test(wire) === false) out.push('something is missing')
  for (const [reader, make] of [
    ['posthouse', () => readByUs(bytes)],
    ['CPython', () => readByPython([bytes])[0] ?? {}],
  ] as const) {
    let read: ReadMessage = {}
    try {
      read = make()
    } catch (error) {
      out.push(
        `${reader} cannot read it (${/\S*Error: .*/.exec(String(error).trimEnd().split('\n').at(-1) ?? '')?.[0]})`,
      )
      continue
    }
    for (const key of Object.keys(want) as (keyof ReadMessage)[])
      if (plain(read[key]) !== plain(want[key])) out.push(`${key} as ${reader} reads it`)
  }
  return out
}

console.log(
  `| | ${composers.map(({ name }) => name).join(' | ')} |\n|---|${composers.map(() => '---|').join('')}`,
)
const passed = composers.map(() => 0)
for (const [i, { name, input }] of composeCases.entries()) {
  const cells: string[] = []
  for (const [j, composer] of composers.entries()) {
    const found = await composer.make(input).then(
      (bytes) => faults(bytes, i),
      (error: Error) => [`${error.name}: ${error.message}`],
    )
    if (found.length === 0) passed[j] = (passed[j] ?? 0) + 1
    cells.push(found.length === 0 ? 'yes' : found.join('; '))
  }
  console.log(`| ${name} | ${cells.join(' | ')} |`)
}
console.log(`| in all | ${passed.map((count) => `${count} of ${composeCases.length}`).join(' | ')} |`)
