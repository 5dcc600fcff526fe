// The SMTP client machine against peers that say anything at any time: it never throws, always comes to an end, writes
// nothing but whole commands and stuffed bodies, and calls nothing accepted that it had not handed over whole.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authChooser } from '../../src/client/auth.ts'
import type { ClientMachineOptions } from '../../src/smtp/client-events.ts'
import { ClientMachine } from '../../src/smtp/client-machine.ts'
import type { Transaction } from '../../src/smtp/transaction.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { type Chance, cut, eachSeed } from './fuzz.ts'

const capabilities = [
  'PIPELINING', 'SIZE', 'SIZE 1000', 'SIZE 0', '8BITMIME', 'SMTPUTF8', 'STARTTLS', 'CHUNKING', 'DSN', 'ENHANCEDSTATUSCODES',
  'AUTH PLAIN LOGIN SCRAM-SHA-256', 'AUTH=LOGIN', 'AUTH', 'LIMITS RCPTMAX=1 MAILMAX=1', 'LIMITS RCPTMAX=0', 'X\u009b', '',
] // biome-ignore format: a table

const words = [
  '220 peer.test', '220', '250 ok', '250 2.0.0 ok', '250', '250-', '250-a\r\n250 b', '250-a\r\n251 b', '354 go on', '354', '334 ',
  '334 !!', '334 cj1h', '235 2.7.0 ok', '421 4.3.2 bye', '421', '450 4.2.1 later', '452 4.5.3 too many', '451', '500 what', '503 no', '521',
  '535 no', '550 5.1.1 no', '552 5.5.3 many', '554', '999 x', '150 x', 'hello', '', '\0', '\x1b]0;x\x07', '25', '250x', '221 bye',
] // biome-ignore format: a table

function ehloReply(chance: Chance): string {
  const some = capabilities.filter(() => chance.maybe(0.4))
  return ['250-peer.test', ...some.map((one) => `250-${one}`), '250 HELP'].join('\r\n')
}

/** Mostly the answer that fits, so that the dialogue gets somewhere. */
function answerTo(machine: ClientMachine, chance: Chance): string {
  if (chance.maybe(0.12))
    return `${chance.one(words)}${chance.maybe(0.9) ? '\r\n' : chance.maybe(0.5) ? '\n' : ''}`
  if (chance.maybe(0.005)) return 'x'.repeat(5000)
  if (chance.maybe(0.005)) return '250-x\r\n'.repeat(200)
  switch (machine.waitingFor) {
    case 'greeting':
      return '220 peer.test ESMTP\r\n'
    case 'hello':
      return `${ehloReply(chance)}\r\n`
    case 'startTls':
      return '220 go\r\n'
    case 'auth':
      return chance.maybe(0.6) ? '235 ok\r\n' : '334 \r\n'
    case 'dataInit':
      return '354 go\r\n'
    default:
      return '250 2.0.0 ok\r\n'
  }
}

const bodyText = 'Subject: x\r\n\r\n.dot\r\n..two\r\nbare\nlf and\rcr\r\n.\r\nend'

function someTransaction(machine: ClientMachine, chance: Chance): Transaction {
  const body = Buffer.from(chance.maybe(0.1) ? '' : bodyText.repeat(1 + chance.below(3)))
  const count = 1 + chance.below(4)
  return {
    reversePath: chance.maybe(0.2) ? '' : 'a@x.test',
    recipients: Array.from({ length: count }, (_, i) => ({
      path: `r${i}@y.test`,
      notify: ['FAILURE'] as const,
    })),
    smtputf8: machine.capabilities.smtputf8 && chance.maybe(0.5),
    body8bit: chance.maybe(0.5),
    sizeBytes: body.length,
    ...(chance.maybe(0.5) && { body }),
  }
}

class Driver {
  readonly machine: ClientMachine
  readonly #chance: Chance
  sentBytes = 0
  doneCount = 0
  #waiting: Transaction | undefined
  #transactionsLeft = 3
  #bodyWhole = false

  constructor(chance: Chance) {
    this.#chance = chance
    const options: ClientMachineOptions = {
      protocol: chance.maybe(0.3) ? 'lmtp' : 'smtp',
      hostname: 'client.test',
      startTls: chance.one(['never', 'may', 'must'] as const),
      bdatBytesMin: chance.one([0, 100, 65_536]),
      ...(chance.maybe(0.4) && {
        chooseAuth: authChooser(
          { user: 'u', password: 'p' },
          { allowClear: chance.maybe(0.8), random: seededRandom(chance.below(1000)) },
        ),
      }),
    }
    this.machine = new ClientMachine(options)
  }

  turn(): void {
    const { machine } = this
    for (let event = machine.next(); event !== undefined; event = machine.next()) {
      if (event.kind === 'startTls') {
        if (this.#chance.maybe(0.1)) machine.fail('tls', 'handshake failed')
        else machine.secured({ protocol: 'TLSv1.3', cipher: 'X' })
      } else if (event.kind === 'body') this.#sendBody()
      else if (event.kind === 'done') {
        assert.ok(this.#waiting !== undefined, 'done without a transaction')
        assert.equal(event.result.recipients.length, this.#waiting.recipients.length)
        for (const one of event.result.recipients) {
          if (one.kind === 'accepted')
            assert.ok(one.reply.code < 300 && (this.#bodyWhole || this.#waiting.body !== undefined))
          if (one.kind === 'refused') assert.ok(one.reply.code >= 400)
        }
        this.#waiting = undefined
        this.doneCount++
      }
      this.#flush()
    }
    if (machine.ready && this.#waiting === undefined && this.#transactionsLeft-- > 0) {
      this.#waiting = someTransaction(machine, this.#chance)
      this.#bodyWhole = false
      machine.begin(this.#waiting)
      this.turn()
    } else if (machine.ready && this.#waiting === undefined) machine.quit()
    this.#flush()
  }

  #sendBody(): void {
    const bytes = Buffer.from(bodyText)
    for (const piece of cut(bytes, this.#chance)) {
      this.machine.writeBody(piece)
      this.#flush()
    }
    if (this.#chance.maybe(0.1)) return this.machine.fail('aborted', 'the body cannot be read')
    this.machine.endBody()
    this.#bodyWhole = true
  }

  #flush(): void {
    const bytes = this.machine.output()
    if (bytes === undefined) return
    this.sentBytes += bytes.length
    const text = Buffer.from(bytes).toString('latin1')
    assert.ok(!/\r(?!\n|$)|(?<!\r)(?<!^)\n/.test(text), `a bare CR or LF: ${JSON.stringify(text)}`)
  }

  get isWaiting(): boolean {
    return this.#waiting !== undefined
  }
}

test('hostile peers: no throw, an end always, a result for every recipient', () => {
  let done = 0
  const count = eachSeed((chance) => {
    const driver = new Driver(chance)
    const { machine } = driver
    for (let step = 0; step < 60 && !machine.closed; step++) {
      let text = ''
      for (let n = chance.maybe(0.8) ? 1 : chance.below(8); n > 0; n--) text += answerTo(machine, chance)
      for (const piece of cut(Buffer.from(text, 'latin1'), chance)) {
        machine.receive(piece)
        driver.turn()
      }
    }
    machine.fail(chance.one(['lost', 'timeout', 'aborted'] as const), 'over')
    driver.turn()
    assert.ok(machine.closed)
    assert.ok(!driver.isWaiting, 'a transaction has always an end')
    assert.ok(machine.transcript.format().length <= 130)
    assert.ok(driver.sentBytes < 20_000)
    done += driver.doneCount
  })
  assert.ok(count > 50 && done > count / 4, `${count} peers, ${done} transactions`)
})
