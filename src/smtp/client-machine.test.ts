import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { TlsInfo } from '../base/connection.ts'
import type { AuthExchange, ClientEvent, ClientMachineOptions } from './client-events.ts'
import { ClientMachine } from './client-machine.ts'
import { describeReply } from './reply.ts'
import type { RecipientResult, Transaction, TransactionResult } from './transaction.ts'

const options: ClientMachineOptions = { protocol: 'smtp', hostname: 'us.test' }
const tlsInfo: TlsInfo = { protocol: 'TLSv1.3', cipher: 'X' }

type Step =
  | readonly ['S', string]
  /** What the client must have written since the last check, in exactly so many writes. */
  | readonly ['C', ...string[]]
  | readonly ['begin', Partial<Transaction>]
  | readonly ['do', (machine: ClientMachine) => void]
  | readonly ['event', ...string[]]

const brief = (one: RecipientResult): string =>
  one.kind === 'broken'
    ? `broken ${one.stage}${one.mayHaveDelivered ? ' maybe' : ''}: ${one.reason}`
    : `${one.kind}${one.kind === 'refused' ? ` ${one.stage}` : ''}: ${describeReply(one.reply)}`

function briefEvent(event: ClientEvent): string {
  if (event.kind === 'done') return `done [${event.result.recipients.map(brief).join('; ')}]`
  if (event.kind === 'refused')
    return `refused ${event.failure.phase} ${event.failure.kind}: ${event.failure.reason}`
  return event.kind
}

const transaction = (some: Partial<Transaction>): Transaction => ({
  reversePath: 's@us.test',
  recipients: [{ path: 'r@them.test' }],
  smtputf8: false,
  body8bit: false,
  sizeBytes: 6,
  body: Buffer.from('a\r\n.b'),
  ...some,
})

/** Plays the steps; `cut` says into how many bytes what the server says is cut (0: whole). Returns all that happened. */
function play(steps: readonly Step[], some: Partial<ClientMachineOptions> = {}, cutBytes = 0): string[] {
  const machine = new ClientMachine({ ...options, ...some })
  const log: string[] = []
  let writes: string[] = []
  let events: string[] = []
  const turn = (): void => {
    for (let event = machine.next(); event !== undefined; event = machine.next())
      events.push(briefEvent(event))
    const bytes = machine.output()
    if (bytes === undefined) return
    writes.push(Buffer.from(bytes).toString())
    log.push(`C ${Buffer.from(bytes).toString()}`)
  }
  for (const step of steps) {
    switch (step[0]) {
      case 'S': {
        const bytes = Buffer.from(step[1].replace(/\n/g, '\r\n'))
        const size = cutBytes === 0 ? bytes.length : cutBytes
        for (let at = 0; at < bytes.length; at += size) {
          machine.receive(bytes.subarray(at, at + size))
          turn()
        }
        break
      }
      case 'C': {
        const want = step.slice(1).map((text) => text.replace(/\n/g, '\r\n'))
        // Cut finely, answers come one by one, and what follows them may be written one by one.
        if (cutBytes === 0) assert.deepEqual(writes, want)
        else assert.equal(writes.join(''), want.join(''))
        writes = []
        break
      }
      case 'begin':
        machine.begin(transaction(step[1]))
        turn()
        break
      case 'do':
        step[1](machine)
        turn()
        break
      case 'event':
        assert.deepEqual(events, step.slice(1))
        log.push(...events)
        events = []
        break
    }
  }
  turn()
  assert.deepEqual(writes, [])
  assert.deepEqual(events, [])
  return log
}

const open = (...capabilities: string[]): Step[] => [
  ['S', '220 them.test\n'],
  ['C', 'EHLO us.test\n'],
  [
    'S',
    ['them.test', ...capabilities]
      .map((text, i, all) => `250${i + 1 === all.length ? ' ' : '-'}${text}\n`)
      .join(''),
  ],
  ['event', 'ready'],
]
const two = [{ path: 'r@them.test' }, { path: 'q@them.test' }]

const conversations: Readonly<Record<string, readonly [Step[], Partial<ClientMachineOptions>?]>> = {
  'pipelining: a whole flight is one write, body and final dot are one write': [
    [
      ...open('PIPELINING'),
      ['begin', { recipients: two }],
      ['C', 'MAIL FROM:<s@us.test>\nRCPT TO:<r@them.test>\nRCPT TO:<q@them.test>\nDATA\n'],
      ['S', '250 ok\n250 ok\n250 ok\n354 go\n'],
      ['C', 'a\n..b\n.\n'],
      ['S', '250 2.0.0 taken\n'],
      ['event', 'done [accepted: 250 2.0.0 taken; accepted: 250 2.0.0 taken]'],
      // The next one needs no RSET.
      ['begin', {}],
      ['C', 'MAIL FROM:<s@us.test>\nRCPT TO:<r@them.test>\nDATA\n'],
    ],
  ],
  'without PIPELINING: one command at a time': [
    [
      ...open(),
      ['begin', { recipients: two }],
      ['C', 'MAIL FROM:<s@us.test>\n'],
      ['S', '250 ok\n'],
      ['C', 'RCPT TO:<r@them.test>\n'],
      ['S', '550 5.1.1 no\n'],
      ['C', 'RCPT TO:<q@them.test>\n'],
      ['S', '250 ok\n'],
      ['C', 'DATA\n'],
      ['S', '354 go\n'],
      ['C', 'a\n..b\n.\n'],
      ['S', '250 taken\n'],
      ['event', 'done [refused rcpt: 550 5.1.1 no; accepted: 250 taken]'],
    ],
  ],
  'without PIPELINING: a refused MAIL ends it, without RSET': [
    [
      ...open(),
      ['begin', {}],
      ['C', 'MAIL FROM:<s@us.test>\n'],
      ['S', '451 4.7.1 later\n'],
      ['event', 'done [refused mail: 451 4.7.1 later]'],
      ['begin', {}],
      ['C', 'MAIL FROM:<s@us.test>\n'],
    ],
  ],
  'without PIPELINING: no accepted recipient, so RSET before the next': [
    [
      ...open(),
      ['begin', {}],
      ['C', 'MAIL FROM:<s@us.test>\n'],
      ['S', '250 ok\n'],
      ['C', 'RCPT TO:<r@them.test>\n'],
      ['S', '550 no\n'],
      ['event', 'done [refused rcpt: 550 no]'],
      ['begin', {}],
      ['C', 'RSET\n'],
      ['S', '250 ok\n'],
      ['C', 'MAIL FROM:<s@us.test>\n'],
      ['S', '250 ok\n'],
      ['C', 'RCPT TO:<r@them.test>\n'],
    ],
  ],
  'a 354 with no accepted recipient gets a lone dot (RFC 2920 section 3.1)': [
    [
      ...open('PIPELINING'),
      ['begin', { recipients: two }],
      ['C', 'MAIL FROM:<s@us.test>\nRCPT TO:<r@them.test>\nRCPT TO:<q@them.test>\nDATA\n'],
      ['S', '250 ok\n550 5.1.1 no\n450 4.2.1 busy\n354 go\n'],
      ['C', '.\n'],
      ['S', '554 no recipients\n'],
      ['event', 'done [refused rcpt: 550 5.1.1 no; refused rcpt: 450 4.2.1 busy]'],
      ['begin', {}],
      ['C', 'MAIL FROM:<s@us.test>\nRCPT TO:<r@them.test>\nDATA\n'],
    ],
  ],
  'MAIL refused in a flight: its answer is everybody’s': [
    [
      ...open('PIPELINING'),
      ['begin', {}],
      ['C', 'MAIL FROM:<s@us.test>\nRCPT TO:<r@them.test>\nDATA\n'],
      ['S', '550 5.7.1 not you\n503 bad\n503 bad\n'],
      ['event', 'done [refused mail: 550 5.7.1 not you]'],
      ['begin', {}],
      ['C', 'MAIL FROM:<s@us.test>\nRCPT TO:<r@them.test>\nDATA\n'],
    ],
  ],
  'DATA refused: RSET rides with the next flight': [
    [
      ...open('PIPELINING'),
      ['begin', {}],
      ['C', 'MAIL FROM:<s@us.test>\nRCPT TO:<r@them.test>\nDATA\n'],
      ['S', '250 ok\n250 ok\n451 4.3.0 not now\n'],
      ['event', 'done [refused data: 451 4.3.0 not now]'],
      ['begin', {}],
      ['C', 'RSET\nMAIL FROM:<s@us.test>\nRCPT TO:<r@them.test>\nDATA\n'],
      ['S', '250 ok\n250 ok\n250 ok\n354 go\n'],
      ['C', 'a\n..b\n.\n'],
      ['S', '250 taken\n'],
      ['event', 'done [accepted: 250 taken]'],
    ],
  ],
  'BDAT: only after an accepted RCPT, body unstuffed, one round trip': [
    [
      ...open('CHUNKING'),
      ['begin', {}],
      ['C', 'MAIL FROM:<s@us.test>\n'],
      ['S', '250 ok\n'],
      ['C', 'RCPT TO:<r@them.test>\n'],
      ['S', '250 ok\n'],
      ['C', 'BDAT 5 LAST\na\n.b'],
      ['S', '250 taken\n'],
      ['event', 'done [accepted: 250 taken]'],
    ],
  ],
  'BDAT: no recipient, no body': [
    [
      ...open('PIPELINING', 'CHUNKING'),
      ['begin', {}],
      ['C', 'MAIL FROM:<s@us.test>\nRCPT TO:<r@them.test>\n'],
      ['S', '250 ok\n550 no\n'],
      ['event', 'done [refused rcpt: 550 no]'],
      ['begin', {}],
      ['C', 'RSET\nMAIL FROM:<s@us.test>\nRCPT TO:<r@them.test>\n'],
    ],
    { bdatBytesMin: 1 },
  ],
  'BDAT by pieces, lines repaired on the way': [
    [
      ...open('PIPELINING', 'CHUNKING'),
      ['begin', { body: undefined as never }],
      ['C', 'MAIL FROM:<s@us.test>\nRCPT TO:<r@them.test>\n'],
      ['S', '250 ok\n250 ok\n'],
      ['event', 'body'],
      ['do', (machine) => machine.writeBody(Buffer.from('a\nb\r'))],
      ['C', 'BDAT 4\na\nb'],
      ['do', (machine) => machine.writeBody(Buffer.from('\nc'))],
      ['C', 'BDAT 3\n\nc'],
      ['S', '250 got 4\n'],
      ['do', (machine) => machine.endBody()],
      ['C', 'BDAT 0 LAST\n'],
      ['S', '250 got 3\n'],
      ['S', '250 taken\n'],
      ['event', 'done [accepted: 250 taken]'],
    ],
    { bdatBytesMin: 1 },
  ],
  'DATA by pieces': [
    [
      ...open('PIPELINING'),
      ['begin', { body: undefined as never }],
      ['C', 'MAIL FROM:<s@us.test>\nRCPT TO:<r@them.test>\nDATA\n'],
      ['S', '250 ok\n250 ok\n354 go\n'],
      ['event', 'body'],
      ['do', (machine) => machine.writeBody(Buffer.from('a\r\n'))],
      ['C', 'a\n'],
      ['do', (machine) => machine.writeBody(Buffer.from('.b\r\n'))],
      ['C', '..b\n'],
      ['do', (machine) => machine.endBody()],
      ['C', '.\n'],
      ['S', '250 taken\n'],
      ['event', 'done [accepted: 250 taken]'],
    ],
  ],
  'an answer in the middle of the body ends the session': [
    [
      ...open('PIPELINING'),
      ['begin', { body: undefined as never }],
      ['C', 'MAIL FROM:<s@us.test>\nRCPT TO:<r@them.test>\nDATA\n'],
      ['S', '250 ok\n250 ok\n354 go\n'],
      ['event', 'body'],
      ['do', (machine) => machine.writeBody(Buffer.from('a\r\n'))],
      ['C', 'a\n'],
      ['S', '552 5.3.4 too large\n'],
      ['event', 'done [refused body: 552 5.3.4 too large]'],
      ['do', (machine) => assert.ok(machine.closed)],
    ],
  ],
  'LMTP: LHLO, one answer for each accepted recipient': [
    [
      ['S', '220 them.test LMTP\n'],
      ['C', 'LHLO us.test\n'],
      ['S', '250-them.test\n250 PIPELINING\n'],
      ['event', 'ready'],
      ['begin', { recipients: [...two, { path: 'p@them.test' }] }],
      [
        'C',
        'MAIL FROM:<s@us.test>\nRCPT TO:<r@them.test>\nRCPT TO:<q@them.test>\nRCPT TO:<p@them.test>\nDATA\n',
      ],
      ['S', '250 ok\n250 ok\n550 no\n250 ok\n354 go\n'],
      ['C', 'a\n..b\n.\n'],
      ['S', '250 2.0.0 one\n452 4.2.2 full\n'],
      ['event', 'done [accepted: 250 2.0.0 one; refused rcpt: 550 no; refused end: 452 4.2.2 full]'],
    ],
    { protocol: 'lmtp' },
  ],
  'LMTP: lost between the answers, what was answered stays': [
    [
      ['S', '220 them.test LMTP\n'],
      ['C', 'LHLO us.test\n'],
      ['S', '250-them.test\n250 PIPELINING\n'],
      ['event', 'ready'],
      ['begin', { recipients: two }],
      ['C', 'MAIL FROM:<s@us.test>\nRCPT TO:<r@them.test>\nRCPT TO:<q@them.test>\nDATA\n'],
      ['S', '250 ok\n250 ok\n250 ok\n354 go\n'],
      ['C', 'a\n..b\n.\n'],
      ['S', '250 one\n'],
      ['do', (machine) => machine.fail('lost', 'gone')],
      ['event', 'done [accepted: 250 one; broken end maybe: gone]'],
    ],
    { protocol: 'lmtp' },
  ],
  'EHLO refused, HELO instead; no parameters': [
    [
      ['S', '220 them.test\n'],
      ['C', 'EHLO us.test\n'],
      ['S', '502 what?\n'],
      ['C', 'HELO us.test\n'],
      ['S', '250 them.test\n'],
      ['event', 'ready'],
      ['begin', { body8bit: true, ret: 'FULL', envid: 'x' }],
      ['C', 'MAIL FROM:<s@us.test>\n'],
    ],
  ],
  'EHLO 421: go away': [
    [
      ['S', '220 them.test\n'],
      ['C', 'EHLO us.test\n'],
      ['S', '421 4.3.2 busy\n'],
      ['event', 'refused hello reply: 421 4.3.2 busy'],
    ],
  ],
  'a greeting of several lines; one that is not 2xx': [
    [
      ['S', '554-no\n554 mail here\n'],
      ['event', 'refused greeting reply: 554 no / mail here'],
      ['C', 'QUIT\n'],
    ],
  ],
  'all that was announced is said': [
    [
      ...open('PIPELINING', 'SIZE 1000', '8BITMIME', 'SMTPUTF8', 'DSN'),
      [
        'begin',
        {
          reversePath: 'ü@us.test',
          recipients: [{ path: 'r@them.test', notify: ['FAILURE'], orcpt: 'utf-8;ö@them.test' }],
          smtputf8: true,
          body8bit: true,
          ret: 'HDRS',
          envid: 'a b',
        },
      ],
      [
        'C',
        'MAIL FROM:<ü@us.test> SIZE=6 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+20b\n' +
          'RCPT TO:<r@them.test> NOTIFY=FAILURE ORCPT=utf-8;ö@them.test\nDATA\n',
      ],
    ],
  ],
  'what was not announced is not said': [
    [
      ...open('PIPELINING'),
      [
        'begin',
        {
          recipients: [{ path: 'r@them.test', notify: ['FAILURE'], orcpt: 'rfc822;x@them.test' }],
          body8bit: true,
          ret: 'HDRS',
          envid: 'a b',
        },
      ],
      ['C', 'MAIL FROM:<s@us.test>\nRCPT TO:<r@them.test>\nDATA\n'],
    ],
  ],
  QUIT: [
    [
      ...open(),
      ['do', (machine) => machine.quit()],
      ['C', 'QUIT\n'],
      ['S', '221 bye\n'],
      ['event', 'closed'],
    ],
  ],
  'a word out of turn ends an idle session': [
    [...open(), ['S', '421 4.4.2 idle too long\n'], ['event', 'closed']],
  ],
  'a 421 in a flight is the answer for all that is undecided': [
    [
      ...open('PIPELINING'),
      ['begin', { recipients: [...two, { path: 'p@them.test' }] }],
      [
        'C',
        'MAIL FROM:<s@us.test>\nRCPT TO:<r@them.test>\nRCPT TO:<q@them.test>\nRCPT TO:<p@them.test>\nDATA\n',
      ],
      ['S', '250 ok\n550 no\n250 ok\n421 4.3.2 bye\n'],
      ['event', 'done [refused rcpt: 550 no; refused rcpt: 421 4.3.2 bye; refused rcpt: 421 4.3.2 bye]'],
    ],
  ],
  'a malformed reply names what came': [
    [
      ...open('PIPELINING'),
      ['begin', {}],
      ['C', 'MAIL FROM:<s@us.test>\nRCPT TO:<r@them.test>\nDATA\n'],
      ['S', '250 ok\nwat is this\n'],
      ['event', 'done [broken rcpt: not a reply: "wat is this"]'],
    ],
  ],
  'a reply that makes no sense is malformed, too': [
    [
      ...open('PIPELINING'),
      ['begin', {}],
      ['C', 'MAIL FROM:<s@us.test>\nRCPT TO:<r@them.test>\nDATA\n'],
      ['S', '250 ok\n250 ok\n250 data ok?\n'],
      ['event', 'done [broken data: unexpected reply to DATA: 250 data ok?]'],
    ],
  ],
  'after the final dot nothing is certain': [
    [
      ...open('PIPELINING'),
      ['begin', {}],
      ['C', 'MAIL FROM:<s@us.test>\nRCPT TO:<r@them.test>\nDATA\n'],
      ['S', '250 ok\n250 ok\n354 go\n'],
      ['C', 'a\n..b\n.\n'],
      ['do', (machine) => machine.fail('timeout', 'too late')],
      ['event', 'done [broken end maybe: too late]'],
    ],
  ],
  'STARTTLS: what was said before is forgotten': [
    [
      ['S', '220 them.test\n'],
      ['C', 'EHLO us.test\n'],
      ['S', '250-them.test\n250-PIPELINING\n250 STARTTLS\n'],
      ['C', 'STARTTLS\n'],
      ['S', '220 go\n'],
      ['event', 'startTls'],
      ['do', (machine) => machine.secured(tlsInfo)],
      ['C', 'EHLO us.test\n'],
      ['S', '250 them.test\n'],
      ['event', 'ready'],
      ['begin', {}],
      ['C', 'MAIL FROM:<s@us.test>\n'],
    ],
  ],
  'STARTTLS refused: in the clear where that is allowed': [
    [
      ['S', '220 them.test\n'],
      ['C', 'EHLO us.test\n'],
      ['S', '250-them.test\n250 STARTTLS\n'],
      ['C', 'STARTTLS\n'],
      ['S', '454 4.7.0 broken today\n'],
      ['event', 'ready'],
    ],
  ],
  'STARTTLS refused: not where TLS is required': [
    [
      ['S', '220 them.test\n'],
      ['C', 'EHLO us.test\n'],
      ['S', '250-them.test\n250 STARTTLS\n'],
      ['C', 'STARTTLS\n'],
      ['S', '454 4.7.0 broken today\n'],
      ['event', 'refused startTls reply: 454 4.7.0 broken today'],
      ['C', 'QUIT\n'],
    ],
    { startTls: 'must' },
  ],
  'STARTTLS required and not offered': [
    [
      ['S', '220 them.test\n'],
      ['C', 'EHLO us.test\n'],
      ['S', '250 them.test\n'],
      ['event', 'refused startTls notOffered: TLS is required, but the host does not offer STARTTLS'],
      ['C', 'QUIT\n'],
    ],
    { startTls: 'must' },
  ],
}

for (const [name, [steps, some]] of Object.entries(conversations)) {
  it(name, () => {
    const whole = play(steps, some)
    // The law of splits: what the server says, in pieces of any size, has the same effect.
    for (const cutBytes of [1, 2, 3, 7]) assert.equal(play(steps, some, cutBytes).join(''), whole.join(''))
  })
}

it('bytes behind the 220 of STARTTLS are refused, in the same packet and in a later one', () => {
  for (const tail of [['220 go\r\n250 evil\r\n'], ['220 go\r\n', '250 evil\r\n'], ['220 go\r\n2']]) {
    const machine = new ClientMachine(options)
    machine.receive(Buffer.from('220 hi\r\n250-hi\r\n250 STARTTLS\r\n'))
    for (const bytes of tail) machine.receive(Buffer.from(bytes))
    const events: string[] = []
    for (let event = machine.next(); event !== undefined; event = machine.next())
      events.push(briefEvent(event))
    assert.match(events.at(-1) ?? '', /^refused startTls malformed/)
    assert.ok(machine.closed)
  }
})

describe('AUTH', () => {
  const secret = 'sw0rdfish'
  const exchange = (mechanism: string, answers: (string | Error)[]): AuthExchange => {
    const next = (): Buffer => {
      const answer = answers.shift()
      if (answer === undefined || answer instanceof Error) throw answer ?? new Error('no more')
      return Buffer.from(answer)
    }
    return {
      mechanism,
      initial: () => (mechanism === 'PLAIN' ? next() : undefined),
      respond: next,
      finish: () => {},
    }
  }
  const begin = (auth: AuthExchange | undefined) => {
    const machine = new ClientMachine({ ...options, chooseAuth: () => auth })
    machine.receive(Buffer.from('220 hi\r\n'))
    machine.receive(Buffer.from('250-hi\r\n250 AUTH PLAIN LOGIN\r\n'))
    return machine
  }
  const outcome = (machine: ClientMachine) => briefEvent(machine.next() ?? { kind: 'closed' })

  it('PLAIN with its initial response', () => {
    const machine = begin(exchange('PLAIN', [`\0u\0${secret}`]))
    assert.match(String(machine.output()), /AUTH PLAIN AHUAc3cwcmRmaXNo\r\n$/)
    machine.receive(Buffer.from('235 2.7.0 welcome\r\n'))
    assert.equal(outcome(machine), 'ready')
  })

  it('LOGIN by challenges; nothing secret in the transcript', () => {
    const machine = begin(exchange('LOGIN', ['user', secret]))
    machine.receive(Buffer.from('334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n'))
    assert.match(String(machine.output()), /AUTH LOGIN\r\ndXNlcg==\r\nc3cwcmRmaXNo\r\n$/)
    machine.receive(Buffer.from('535 5.7.8 wrong\r\n'))
    assert.equal(outcome(machine), 'refused auth reply: 535 5.7.8 wrong')
    const lines = machine.transcript.format()
    assert.deepEqual(lines.slice(-7), [
      'C: AUTH LOGIN ****',
      'S: 334 ****',
      'C: ****',
      'S: 334 ****',
      'C: ****',
      'S: 535 5.7.8 wrong',
      'C: QUIT',
    ])
    assert.ok(!lines.join().includes('c3cwcmRmaXNo') && !lines.join().includes(secret))
  })

  it('a challenge that makes no sense is cancelled with *', () => {
    const machine = begin(exchange('LOGIN', [new Error('bad nonce')]))
    machine.output()
    machine.receive(Buffer.from('334 eA==\r\n'))
    assert.equal(String(machine.output()), '*\r\n')
    machine.receive(Buffer.from('501 cancelled\r\n'))
    assert.equal(outcome(machine), 'refused auth auth: authentication failed: bad nonce')
  })

  it('a server that says 235 without proving itself is refused', () => {
    const machine = begin({
      ...exchange('PLAIN', ['x']),
      finish: () => {
        throw new Error('server signature missing')
      },
    })
    machine.receive(Buffer.from('235 ok\r\n'))
    assert.match(outcome(machine), /server signature missing/)
  })

  it('SCRAM refused: another mechanism once; the password refused: no more', () => {
    const asked: string[][] = []
    const machine = new ClientMachine({
      ...options,
      chooseAuth: (offered, _tls, refused) => {
        asked.push([...refused])
        const mechanism = offered.find((one) => !refused.includes(one))
        return mechanism === undefined ? undefined : exchange(mechanism, ['x', 'y'])
      },
    })
    machine.receive(Buffer.from('220 hi\r\n250-hi\r\n250 AUTH SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN\r\n'))
    machine.output()
    machine.receive(Buffer.from('535 5.7.8 no keys\r\n'))
    assert.equal(String(machine.output()), 'AUTH PLAIN eA==\r\n')
    machine.receive(Buffer.from('535 5.7.8 wrong\r\n'))
    assert.equal(outcome(machine), 'refused auth reply: 535 5.7.8 wrong')
    assert.deepEqual(asked, [[], ['SCRAM-SHA-256', 'SCRAM-SHA-1']])
  })

  it('no usable mechanism: no mail, and no password', () => {
    const machine = begin(undefined)
    assert.match(
      outcome(machine),
      /refused auth notOffered: no usable AUTH mechanism without TLS \(offered: PLAIN LOGIN\)/,
    )
    assert.equal(String(machine.output()), 'EHLO us.test\r\nQUIT\r\n')
  })
})

it('whatever a server says at whatever time, each transaction ends exactly once and nothing is thrown', () => {
  const words = fc.constantFrom(
    '250 ok\r\n',
    '250 ok\r\n',
    '250 ok\r\n',
    '354 go\r\n',
    '550 no\r\n',
    '421 bye\r\n',
    '451 later\r\n',
    '250-a\r\n',
    'junk\r\n',
    '220 hi\r\n',
    '334 \r\n',
  )
  fc.assert(
    fc.property(
      fc.array(words, { maxLength: 14 }),
      fc.constantFrom<string[]>([], ['PIPELINING'], ['CHUNKING'], ['PIPELINING', 'CHUNKING']),
      fc.constantFrom('smtp' as const, 'lmtp' as const),
      fc.boolean(),
      (replies, capabilities, protocol, streamed) => {
        const machine = new ClientMachine({ ...options, protocol, bdatBytesMin: 1 })
        machine.receive(
          Buffer.from(
            `220 hi\r\n${['hi', ...capabilities].map((word, i, all) => `250${i + 1 === all.length ? ' ' : '-'}${word}\r\n`).join('')}`,
          ),
        )
        assert.equal(machine.next()?.kind, 'ready')
        const { body, ...rest } = transaction({ recipients: two })
        let begun = 1
        const results: TransactionResult[] = []
        machine.begin(streamed ? rest : { ...rest, ...(body && { body }) })
        const turn = (): void => {
          for (let event = machine.next(); event !== undefined; event = machine.next()) {
            if (event.kind === 'body') {
              machine.writeBody(Buffer.from('x\r\n'))
              machine.endBody()
            }
            if (event.kind !== 'done') continue
            results.push(event.result)
            if (!machine.ready || begun > 2) continue
            begun++
            machine.begin(transaction({}))
          }
          machine.output()
        }
        for (const text of replies) {
          machine.receive(Buffer.from(text))
          turn()
        }
        machine.fail('lost', 'gone')
        turn()
        assert.equal(results.length, begun)
        for (const result of results) assert.ok(result.recipients.length > 0)
      },
    ),
    { numRuns: 1000 },
  )
})

it('an answer to the message that came with the 354, before the message, is no answer to it', () => {
  const machine = new ClientMachine({ protocol: 'smtp', hostname: 'client.test' })
  const hear = (text: string) => machine.receive(Buffer.from(text))
  hear('220 peer.test\r\n250-peer.test\r\n250 PIPELINING\r\n')
  while (machine.next() !== undefined);
  machine.begin({
    reversePath: 'a@x.test',
    recipients: [{ path: 'b@y.test' }],
    smtputf8: false,
    body8bit: false,
    sizeBytes: 3,
    body: Buffer.from('x\r\n'),
  })
  // The peer says one 250 more than it was asked for: taken for the last one, the message would be lost.
  hear('250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n')
  const event = machine.next()
  assert.ok(event?.kind === 'done')
  const [result] = event.result.recipients
  assert.ok(result?.kind === 'broken' && !result.mayHaveDelivered, JSON.stringify(result))
})
