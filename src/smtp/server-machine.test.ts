// Tests of the SMTP server machine that no transcript says: random dialogues at random cuts, memory, bounds, and replies.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeBase64 } from './base64.ts'
import { parseBdat } from './bdat.ts'
import { formatReply, reply } from './reply.ts'
import { type SmtpMachineOptions, SmtpServerMachine } from './server-machine.ts'
import { replies } from './server-replies.ts'
import { describeStatus, statusDetails } from './status.ts'

const limits = {
  lineBytesMax: 200,
  messageBytesMax: 60,
  recipientsMax: 3,
  transactionsMax: 0,
  errorsMax: 1000,
  commandsMax: 10_000,
  commandTimeoutMs: 1000,
  dataTimeoutMs: 1000,
  sessionTimeoutMs: 10_000,
}

const options: SmtpMachineOptions = {
  hostname: 'mx.test',
  lmtp: false,
  limits,
  smtputf8: true,
  startTls: false,
  requireTls: false,
  requireAuth: false,
  mechanisms: () => ['PLAIN'],
  refuseEarlyBody: false,
}

interface Played {
  readonly output: string
  /** Questions and what was told, bodies put together. */
  readonly events: readonly string[]
  readonly closed: boolean
}

function play(chunks: readonly Buffer[], repairLineEnds: boolean, lmtp: boolean): Played {
  const machine = new SmtpServerMachine({ ...options, lmtp }, { now: 0, tls: false, repairLineEnds })
  let output = ''
  const events: string[] = []
  let body = ''
  const run = (): void => {
    for (let event = machine.next(); event !== undefined; event = machine.next()) {
      if (event.kind === 'body') {
        body += event.bytes.toString('latin1')
        continue
      }
      if (event.kind === 'reset') body = ''
      events.push(event.kind === 'end' ? `end ${JSON.stringify(body)}` : JSON.stringify(event))
      if (event.kind === 'end') body = ''
      if (event.kind === 'reset' || event.kind === 'authCancelled') continue
      if (event.kind === 'auth' && event.initialResponse === undefined) machine.challenge(Buffer.from('?'))
      else if (event.kind === 'auth' || event.kind === 'authResponse') machine.answer(reply(535, '7.8', 'no'))
      else if (event.kind === 'rcpt' && event.forwardPath.localPart === 'no')
        machine.answer(reply(550, '1.1', 'no'))
      else machine.answer()
    }
    output += machine.output()?.toString() ?? ''
  }
  run()
  for (const chunk of chunks) {
    machine.receive(chunk, 1)
    run()
  }
  return { output, events, closed: machine.closed }
}

const token = fc.constantFrom(
  'EHLO x\r\n',
  'LHLO x\r\n',
  'MAIL FROM:<a@b.test>\r\n',
  'MAIL FROM:<> SIZE=70\r\n',
  'RCPT TO:<a@b.test>\r\n',
  'RCPT TO:<no@b.test>\r\n',
  'DATA\r\n',
  'BDAT 5\r\n',
  'BDAT 3 LAST\r\n',
  'BDAT 70 LAST\r\n',
  'DATA\r\nhello\r\n.\r\n',
  'BDAT 3 LAST\r\nabc',
  'MAIL FROM:<a@b.test>\r\nRCPT TO:<a@b.test>\r\n',
  'RSET\r\n',
  'NOOP\r\n',
  'AUTH PLAIN\r\n',
  'AUTH PLAIN =\r\n',
  '*\r\n',
  '.\r\n',
  '..\r\n',
  'text\r\n',
  'a\nb',
  'a\rb',
  '\r\n',
  '\n',
  '\r',
  'x'.repeat(90),
  '\xff\r\n',
)
const opening = ['EHLO x\r\nLHLO x\r\n', 'EHLO x\r\nLHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<a@b.test>\r\n']

test('machine: random dialogues give the same at every cut', () => {
  let messages = 0
  let closings = 0
  fc.assert(
    fc.property(
      fc.constantFrom(...opening),
      fc.array(token, { maxLength: 25 }),
      fc.array(fc.nat(2000), { maxLength: 12 }),
      fc.boolean(),
      fc.boolean(),
      (start, tokens, cuts, repair, lmtp) => {
        const bytes = Buffer.from(start + tokens.join(''), 'latin1')
        const whole = play([bytes], repair, lmtp)
        messages += whole.events.filter((event) => event.startsWith('end')).length
        closings += Number(whole.closed)
        const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
        const chunks = places.slice(1).map((to, i) => bytes.subarray(places[i], to))
        assert.deepEqual(play(chunks, repair, lmtp), whole)
        const single = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))
        assert.deepEqual(play(single, repair, lmtp), whole)
      },
    ),
    { numRuns: 1500, seed: 20_260_101 },
  )
  assert.ok(
    messages > 100 && closings > 100,
    `${messages} messages, ${closings} closings: the dialogues go somewhere`,
  )
})

test('machine: every reply is whole lines of at most 512 octets with a class of its own', () => {
  for (const answer of Object.values(replies)) {
    const lines = formatReply(answer).split('\r\n')
    assert.equal(lines.pop(), '')
    for (const line of lines) {
      assert.ok(line.length <= 510, line)
      assert.match(line, /^[2-5]\d\d[ -]/)
    }
    if (answer.status === undefined) continue
    assert.equal(answer.status[0], String(answer.code)[0])
    assert.ok(describeStatus(answer.status) !== undefined, answer.status)
  }
  assert.equal(describeStatus('5.1.1'), statusDetails['1.1'])
  assert.equal(describeStatus('5.99.99'), undefined)
})

function swallow(send: (machine: SmtpServerMachine) => void): string {
  const machine = new SmtpServerMachine(options, { now: 0, tls: false, repairLineEnds: false })
  const run = (): void => {
    for (let event = machine.next(); event !== undefined; event = machine.next())
      if (event.kind !== 'body' && event.kind !== 'reset') machine.answer()
  }
  run()
  machine.receive(Buffer.from('EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\n'), 0)
  run()
  machine.output()
  send({
    receive: (bytes: Buffer, now: number) => {
      machine.receive(bytes, now)
      run()
    },
  } as SmtpServerMachine)
  const output = machine.output()?.toString() ?? ''
  return machine.closed ? `${output}closed` : output
}

test('machine: an oversized body is swallowed up to a bound, then 552 closes', () => {
  const chunk = Buffer.alloc(64 * 1024, 'x')
  const small = swallow((machine) => {
    machine.receive(Buffer.from('DATA\r\n'), 0)
    for (let i = 0; i < 10; i++) machine.receive(chunk, 0)
    machine.receive(Buffer.from('\r\n.\r\n'), 0)
  })
  assert.match(small, /^354.*\r\n552 5\.3\.4 .*\r\n$/)
  const large = swallow((machine) => {
    machine.receive(Buffer.from('DATA\r\n'), 0)
    for (let i = 0; i < 40; i++) machine.receive(chunk, 0)
  })
  assert.match(large, /^354.*\r\n552 5\.3\.4 .*\r\nclosed$/)
  assert.match(
    swallow((machine) => machine.receive(Buffer.from('BDAT 9007199254740991 LAST\r\n'), 0)),
    /^552 5\.3\.4 .*\r\nclosed$/,
  )
})

test('machine: a line without an end is dropped, and ends the session in the end', () => {
  const chunk = Buffer.alloc(64 * 1024, 'x')
  assert.match(
    swallow((machine) => {
      for (let i = 0; i < 100; i++) machine.receive(chunk, 0)
    }),
    /^500 5\.5\.2 line too long\r\n421 .*\r\nclosed$/,
  )
})

test('machine: an answer after the peer has gone is dropped', () => {
  const machine = new SmtpServerMachine(options, { now: 0, tls: false, repairLineEnds: false })
  assert.equal(machine.next()?.kind, 'connect')
  machine.close(undefined)
  machine.answer()
  machine.receive(Buffer.from('EHLO x\r\n'), 0)
  assert.equal(machine.next(), undefined)
  assert.equal(machine.output(), undefined)
})

test('machine: misuse by the driver is an assertion', () => {
  const machine = new SmtpServerMachine(options, { now: 0, tls: false, repairLineEnds: false })
  assert.throws(() => machine.answer(), /without a question/)
  machine.next()
  assert.throws(() => machine.challenge(Buffer.alloc(0)), /outside AUTH/)
  assert.throws(() => machine.secured(0), /without STARTTLS/)
})

test('BDAT argument', () => {
  assert.deepEqual(parseBdat('86 LAST'), { sizeBytes: 86, last: true })
  assert.deepEqual(parseBdat('0 last'), { sizeBytes: 0, last: true })
  assert.deepEqual(parseBdat('1000'), { sizeBytes: 1000, last: false })
  for (const bad of [
    '',
    'LAST',
    '-1',
    '+1',
    '1e3',
    '0x10',
    '1 2',
    '1 LAST x',
    '9007199254740993',
    '99999999999999999',
  ])
    assert.equal(parseBdat(bad), undefined, bad)
})

test('base64 is strict', () => {
  assert.deepEqual(decodeBase64(''), Buffer.alloc(0))
  assert.equal(decodeBase64('YQ==')?.toString(), 'a')
  for (const bad of ['YQ=', 'YQ', 'YR==', 'Y Q=', 'YQ==YQ==', '-_==', 'YQ===', '=', 'YWJj\n'])
    assert.equal(decodeBase64(bad), undefined, bad)
})

test('a line of blanks costs what any line costs', () => {
  const machine = new SmtpServerMachine(
    { ...options, limits: { ...limits, lineBytesMax: 8192 } },
    { now: 0, tls: false, repairLineEnds: false },
  )
  machine.next()
  machine.answer()
  // Beyond ASCII, so that it is looked at closely; 44 ms each when blanks were searched from each of their places.
  const line = Buffer.from(`NOOP \u00e9${' '.repeat(8100)}x\r\n`)
  const startedAt = performance.now()
  for (let i = 0; i < 500; i++) {
    machine.receive(line, 0)
    machine.next()
  }
  assert.match(machine.output()?.toString() ?? '', /(250 2\.0\.0 ok\r\n){500}$/)
  assert.ok(performance.now() - startedAt < 5000)
})

test('C1 control characters are refused in commands: they would act where a log is read on a terminal', () => {
  for (const code of [0x80, 0x85, 0x9b, 0x9f]) {
    const played = play([Buffer.from(`EHLO a${String.fromCharCode(code)}31m\r\n`)], false, false)
    assert.match(played.output, /500 5\.5\.2 control characters/)
  }
})

test('what waits behind a question is counted, however small its pieces', () => {
  const machine = new SmtpServerMachine(options, { now: 0, tls: false, repairLineEnds: false })
  machine.next()
  let count = 0
  for (const text of ['EHLO a\r', '\n', 'M', 'AIL FROM:<a@b.test>\r\n', 'RCPT']) {
    machine.receive(Buffer.from(text), 0)
    count += text.length
    assert.equal(machine.bufferedBytes, count)
  }
  machine.answer()
  while (machine.next() !== undefined) machine.answer()
  assert.equal(machine.bufferedBytes, 'RCPT'.length)
})
