// Measures the client machine in memory: what one 5 kB message costs on an open session, pipelined, without a socket.
// Run: node bench/smtp-client-machine.ts [count]

import { ClientMachine } from '../src/smtp/client-machine.ts'
import { encodeData } from '../src/smtp/data-encoder.ts'
import { ReplyParser } from '../src/smtp/reply-parser.ts'

const count = Number(process.argv[2] ?? 100_000)
const line = `${'x'.repeat(70)}\r\n`
const body = Buffer.from(`Subject: bench\r\nFrom: a@us.test\r\n\r\n${line.repeat(70)}`)
const dotted = Buffer.from(body.toString().replaceAll('\r\nx', '\r\n.x'))

const flight = Buffer.from('250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n')
const taken = Buffer.from('250 2.0.0 Ok: queued as 4ZzX1y2cqJz\r\n')
const greeting = Buffer.from(
  '220 them.test ESMTP\r\n250-them.test\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-8BITMIME\r\n250 DSN\r\n',
)

function run(message: Buffer): void {
  const machine = new ClientMachine({ protocol: 'smtp', hostname: 'us.test' })
  machine.receive(greeting)
  machine.output()
  machine.next()
  const transaction = {
    reversePath: 'sender@us.test',
    recipients: [{ path: 'recipient@them.test' }],
    smtputf8: false,
    body8bit: false,
    sizeBytes: message.length,
    body: message,
  }
  for (let i = 0; i < count; i++) {
    machine.begin(transaction)
    machine.output()
    machine.receive(flight)
    machine.output()
    machine.receive(taken)
    if (machine.next()?.kind !== 'done') throw new Error('not done')
  }
}

function measure(name: string, body: () => void): void {
  body()
  const cpu = process.cpuUsage()
  body()
  const { user, system } = process.cpuUsage(cpu)
  console.log(`${name}: ${((user + system) / count).toFixed(2)} us CPU`)
}

measure(`message of ${body.length} bytes`, () => run(body))
measure(`message of ${dotted.length} bytes, every line a dot`, () => run(dotted))
measure('encodeData alone', () => {
  for (let i = 0; i < count; i++) encodeData(body)
})
measure('four replies alone', () => {
  const parser = new ReplyParser()
  for (let i = 0; i < count; i++) {
    parser.push(flight)
    while (parser.next() !== undefined);
    parser.push(taken)
    while (parser.next() !== undefined);
  }
})
