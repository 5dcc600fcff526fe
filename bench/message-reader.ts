// Owns the benchmark of reading messages: 10 MB with attachments, 10 MB of plain text (ASCII, UTF-8, quoted-printable), and
// simple messages of 2.5 kB. node bench/message-reader.ts [--runs 8]. Shows the best of the runs, in this process alone.

import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { parseMessage } from '../src/message.ts'

const { values } = parseArgs({ options: { runs: { type: 'string', default: '8' } } })
const runs = Number(values.runs)

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

for (const [name, source] of Object.entries(large)) {
  const bytes = Buffer.from(source)
  const ms = best(() => void parseMessage(bytes))
  console.log(`${name}: ${(bytes.length / 1000 / ms).toFixed(0)} MB/s`)
}

const received = 'Received: from a.test by b.test with ESMTP id 1; Fri, 21 Nov 1997 09:55:06 -0600\r\n'
const simple = Buffer.from(
  `${received.repeat(2)}From: "Anna" <anna@a.test>\r\nTo: bob@b.test, "Carl" <c@c.test>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= hello\r\nDate: Fri, 21 Nov 1997 09:55:06 -0600\r\nMessage-ID: <1@a.test>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n${'Some text with =C3=A4 and more of it\r\n'.repeat(24)}--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n${'<p>Some text here and there</p>\r\n'.repeat(31)}--b--\r\n`,
)
const count = 5000
const ms = best(() => {
  for (let i = 0; i < count; i++) parseMessage(simple)
})
console.log(`simple, ${simple.length} octets: ${((count / ms) * 1000).toFixed(0)} messages/s`)

function best(run: () => void): number {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < runs; i++) {
    const start = performance.now()
    run()
    least = Math.min(least, performance.now() - start)
  }
  return least
}
