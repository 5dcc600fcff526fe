// Owns the bench of the SMTP server machine alone: a 5 kB message per transaction, pipelined as a good client does, no
// sockets. Run: node bench/smtp-server-machine.ts [messages]

import { defaultLimits } from '../src/server/session.ts'
import { SmtpServerMachine } from '../src/smtp/server-machine.ts'

const count = Number(process.argv[2] ?? 100_000)
const envelope = Buffer.from(
  'MAIL FROM:<alice@example.com> SIZE=5100 BODY=8BITMIME\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n',
)
const body = Buffer.from(`Subject: bench\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(70)}.\r\n`)
const dotted = Buffer.from(`Subject: bench\r\n\r\n${`..${'x'.repeat(69)}\r\n`.repeat(70)}.\r\n`)

function run(name: string, message: Buffer): void {
  const machine = new SmtpServerMachine(
    {
      hostname: 'mx.test',
      lmtp: false,
      limits: { ...defaultLimits, sessionTimeoutMs: 1e12 },
      smtputf8: true,
      startTls: false,
      requireTls: false,
      requireAuth: false,
      mechanisms: () => [],
      refuseEarlyBody: true,
    },
    { now: 0, tls: false, repairLineEnds: false },
  )
  let bodyBytes = 0
  let messageCount = 0
  const turn = (bytes: Buffer): void => {
    machine.receive(bytes, 1)
    for (let event = machine.next(); event !== undefined; event = machine.next()) {
      if (event.kind === 'body') bodyBytes += event.bytes.length
      else if (event.kind !== 'reset') {
        if (event.kind === 'end') messageCount++
        machine.answer()
      }
    }
    machine.output()
  }
  turn(Buffer.from('EHLO client.test\r\n'))
  for (const [round, rounds] of [count / 10, count].entries()) {
    messageCount = 0
    bodyBytes = 0
    const startedAt = process.hrtime.bigint()
    for (let i = 0; i < rounds; i++) {
      turn(envelope)
      turn(message)
    }
    const us = Number(process.hrtime.bigint() - startedAt) / 1000
    if (round === 1)
      console.log(
        `${name}: ${(us / messageCount).toFixed(2)} us per message, ${Math.round(messageCount / (us / 1e6))}/s, ` +
          `${(bodyBytes / us).toFixed(0)} MB/s of body`,
      )
  }
}

run('5 kB', body)
run('5 kB, every line stuffed', dotted)
