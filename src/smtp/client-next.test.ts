// The client machine with a transaction begun behind the message whose answer is awaited (RFC 2920 section 3.1).

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ClientEvent } from './client-events.ts'
import { ClientMachine } from './client-machine.ts'
import type { Transaction } from './transaction.ts'

const transaction = (name: string, more: Partial<Transaction> = {}): Transaction => ({
  reversePath: 'me@us.test',
  recipients: [{ path: `${name}@them.test` }],
  smtputf8: false,
  body8bit: false,
  sizeBytes: 8,
  body: Buffer.from(`X: ${name}\r\n\r\n`),
  ...more,
})

/** A machine that has sent the message 'a' and awaits its answer; `cut`: how bytes arrive. */
function waiting(capabilities = '250-PIPELINING\r\n250 CHUNKING\r\n', bdatBytesMin = 1000) {
  const machine = new ClientMachine({ protocol: 'smtp', hostname: 'us.test', bdatBytesMin })
  const hear = (text: string): void => {
    for (const char of text) machine.receive(Buffer.from(char))
  }
  const said = (): string => Buffer.from(machine.output() ?? []).toString()
  const events = (): ClientEvent[] => {
    const all: ClientEvent[] = []
    for (let one = machine.next(); one !== undefined; one = machine.next()) all.push(one)
    return all
  }
  hear(`220 them.test\r\n250-them.test\r\n${capabilities}`)
  events()
  machine.begin(transaction('a'))
  hear('250 ok\r\n250 ok\r\n354 go on\r\n')
  said()
  return { machine, hear, said, events }
}

const kinds = (events: readonly ClientEvent[]): string[] =>
  events.map((one) =>
    one.kind === 'done' ? one.result.recipients.map((each) => each.kind).join() : one.kind,
  )

describe('beginNext', () => {
  it('its commands go out at once, its body after its own 354', () => {
    const { machine, hear, said, events } = waiting()
    assert.ok(machine.canBeginNext)
    machine.beginNext(transaction('b'))
    assert.equal(said(), 'MAIL FROM:<me@us.test>\r\nRCPT TO:<b@them.test>\r\nDATA\r\n')
    assert.ok(!machine.canBeginNext && !machine.ready)
    hear('250 taken a\r\n')
    assert.deepEqual(kinds(events()), ['accepted'])
    assert.ok(!machine.ready)
    hear('250 ok\r\n250 ok\r\n354 go on\r\n')
    assert.equal(said(), 'X: b\r\n\r\n.\r\n')
    assert.ok(machine.canBeginNext)
    hear('250 taken b\r\n')
    assert.deepEqual(kinds(events()), ['accepted'])
    assert.ok(machine.ready)
    assert.deepEqual(
      machine.transcript.format().filter((line) => line.includes('@')),
      ['C: MAIL FROM:<me@us.test>', 'C: RCPT TO:<b@them.test>'],
    )
  })

  it('a message that is refused says nothing about the next, nor the next about it', () => {
    const { machine, hear, said, events } = waiting()
    machine.beginNext(transaction('b'))
    said()
    hear('554 5.7.1 no\r\n250 ok\r\n550 5.1.1 no\r\n354 go on\r\n')
    assert.equal(said(), '.\r\n')
    hear('554 nobody\r\n')
    assert.deepEqual(kinds(events()), ['refused', 'refused'])
    assert.ok(machine.ready)
  })

  for (const [what, end, first] of [
    ['421', (one: ReturnType<typeof waiting>) => one.hear('421 4.3.2 bye\r\n'), 'refused'],
    ['lost', (one: ReturnType<typeof waiting>) => one.machine.fail('lost', 'gone'), 'broken'],
    ['garbage', (one: ReturnType<typeof waiting>) => one.hear('hello there\r\n'), 'broken'],
  ] as const)
    it(`${what}: the first is decided, the next never began`, () => {
      const one = waiting()
      one.machine.beginNext(transaction('b', { recipients: [{ path: 'b@t.test' }, { path: 'c@t.test' }] }))
      end(one)
      const [done, next] = one.events()
      assert.ok(done?.kind === 'done' && next?.kind === 'done')
      const [result] = done.result.recipients
      assert.equal(result?.kind, first)
      assert.ok(result?.kind !== 'broken' || result.mayHaveDelivered)
      assert.equal(next.result.answered, false)
      assert.equal(next.result.recipients.length, 2)
      assert.ok(next.result.recipients.every((each) => each.kind === 'broken' && !each.mayHaveDelivered))
      assert.ok(one.machine.closed)
    })

  it('a long next message goes by BDAT after its recipients, and nothing is begun behind BDAT', () => {
    const { machine, hear, said, events } = waiting()
    machine.beginNext(transaction('b', { sizeBytes: 2000, body: Buffer.alloc(2000, 'x') }))
    assert.equal(said(), 'MAIL FROM:<me@us.test>\r\nRCPT TO:<b@them.test>\r\n')
    hear('250 taken\r\n250 ok\r\n250 ok\r\n')
    assert.match(said(), /^BDAT 2000 LAST\r\nx/)
    assert.ok(!machine.canBeginNext)
    hear('250 taken\r\n')
    assert.deepEqual(kinds(events()), ['accepted', 'accepted'])
  })

  it('not without PIPELINING', () => {
    const machine = new ClientMachine({ protocol: 'smtp', hostname: 'us.test' })
    machine.receive(Buffer.from('220 x\r\n250 x\r\n'))
    machine.begin(transaction('a'))
    for (const line of ['250 ok\r\n', '250 ok\r\n', '354 go\r\n']) machine.receive(Buffer.from(line))
    assert.equal(machine.state, 'end')
    assert.ok(!machine.canBeginNext)
  })
})
