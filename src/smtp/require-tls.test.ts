// REQUIRETLS on both sides of the wire. RFC 8689 sections 2 and 4.1.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { parseCapabilities } from './capabilities.ts'
import { formatMail } from './command-writer.ts'
import { SmtpServerMachine } from './server-machine.ts'

const limits = {
  lineBytesMax: 512,
  messageBytesMax: 1000,
  recipientsMax: 100,
  transactionsMax: 0,
  errorsMax: 10,
  commandsMax: 100,
  commandTimeoutMs: 1000,
  dataTimeoutMs: 1000,
  sessionTimeoutMs: 10_000,
}

/** What a session says to EHLO and to the command, and what it asks. */
function talk(command: string, tls: boolean, requireTlsParameter: boolean) {
  const options = {
    hostname: 'mx.test',
    lmtp: false,
    limits,
    smtputf8: true,
    requireTlsParameter,
    startTls: true,
    requireTls: false,
    requireAuth: false,
    mechanisms: () => [],
    refuseEarlyBody: false,
  }
  const machine = new SmtpServerMachine(options, { now: 0, tls, repairLineEnds: false })
  let output = ''
  let asked: unknown
  for (const line of ['EHLO us.test\r\n', command]) {
    machine.receive(Buffer.from(line), 1)
    for (let event = machine.next(); event !== undefined; event = machine.next()) {
      if (event.kind === 'mail') asked = event.parameters
      if (event.kind !== 'body') machine.answer()
    }
    output += machine.output()?.toString() ?? ''
  }
  return { output, asked }
}

const mail = 'MAIL FROM:<a@b.test> REQUIRETLS\r\n'

it('REQUIRETLS is announced and taken over TLS', () => {
  const { output, asked } = talk(mail, true, true)
  assert.match(output, /\r\n250[- ]REQUIRETLS\r\n/)
  assert.deepEqual(asked, { requireTls: true })
})

it('REQUIRETLS is neither announced nor known in plain text, nor where nobody keeps it', () => {
  for (const [tls, kept] of [
    [false, true],
    [true, false],
  ] as const) {
    const { output, asked } = talk(mail, tls, kept)
    assert.doesNotMatch(output, /250[- ]REQUIRETLS/)
    assert.match(output, /\r\n555 5\.5\.4 /)
    assert.equal(asked, undefined)
  }
})

it('REQUIRETLS has no value', () => {
  assert.match(talk('MAIL FROM:<a@b.test> REQUIRETLS=YES\r\n', true, true).output, /\r\n501 5\.5\.4 /)
})

it('a client reads the announcement and says the parameter', () => {
  const announced = parseCapabilities({ code: 250, lines: ['mx.test', 'requiretls'] })
  assert.equal(announced.requireTls, true)
  assert.equal(formatMail('a@b.test', { requireTls: true }), mail)
  assert.equal(formatMail('a@b.test', {}), 'MAIL FROM:<a@b.test>\r\n')
})
