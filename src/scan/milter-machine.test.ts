// Owns the proof of the milter machine: every answer and change by table, every fault, any cut of the octets, any garbage.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { milterPacket } from '../testing/scripted-milter.ts'
import { type MilterEvent, MilterMachine } from './milter-machine.ts'
import { packetBytesMax } from './milter-packets.ts'
import { allSteps, type MilterCommand, step } from './milter-protocol.ts'

const numbers = (...all: number[]): Buffer =>
  Buffer.concat(all.map((n) => Buffer.from([n >>> 24, n >> 16, n >> 8, n])))

const negotiation = (steps = 0, actions = 0x1ff, version = 6, rest: Buffer = Buffer.alloc(0)): Buffer =>
  milterPacket('O', Buffer.concat([numbers(version, actions, steps), rest]))

function ready(steps = 0, actions = 0x1ff, version = 6, rest?: Buffer): MilterMachine {
  const machine = new MilterMachine({ changesMax: 3, bodyBytesMax: 100 })
  machine.negotiate()
  machine.takeOutput()
  machine.receive(negotiation(steps, actions, version, rest))
  assert.equal(machine.next()?.kind, 'negotiated')
  return machine
}

function events(machine: MilterMachine, bytes: Buffer): MilterEvent[] {
  machine.receive(bytes)
  const found: MilterEvent[] = []
  for (let event = machine.next(); event !== undefined; event = machine.next()) found.push(event)
  return found
}

const output = (machine: MilterMachine): string => Buffer.concat(machine.takeOutput()).toString('latin1')
const packet = (letter: string, data = ''): string => milterPacket(letter, data).toString('latin1')

test('what is said: negotiation, commands, macros before them', () => {
  const machine = new MilterMachine()
  machine.negotiate()
  assert.equal(output(machine), packet('O', '\0\0\0\x06\0\0\x01\xff\0\x1f\xf7\xff'))
  assert.equal(allSteps, 0x1ff7ff)
  const cases: readonly [MilterCommand, string][] = [
    [
      { kind: 'connect', hostname: 'a.test', address: '192.0.2.1', port: 0x1234 },
      packet('C', 'a.test\x004\x12\x34192.0.2.1\0'),
    ],
    [
      { kind: 'connect', hostname: 'a.test', address: '2001:db8::1', port: 25 },
      packet('C', 'a.test\x006\x00\x192001:db8::1\0'),
    ],
    [{ kind: 'connect', hostname: 'local', address: '', port: 0 }, packet('C', 'local\0U')],
    [{ kind: 'helo', name: 'x\0y' }, packet('H', 'xy\0')],
    [{ kind: 'mail', path: '<a@b.test>', parameters: ['SIZE=9'] }, packet('M', '<a@b.test>\0SIZE=9\0')],
    [{ kind: 'rcpt', path: '<c@d.test>', parameters: [] }, packet('R', '<c@d.test>\0')],
    [{ kind: 'data' }, packet('T')],
    [{ kind: 'header', name: 'Subject', value: 'a\n b' }, packet('L', 'Subject\0a\n b\0')],
    [{ kind: 'eoh' }, packet('N')],
    [{ kind: 'body', bytes: Buffer.from('x\0y') }, packet('B', 'x\0y')],
    [{ kind: 'eob' }, packet('E')],
  ]
  for (const [command, wire] of cases) {
    const one = ready()
    assert.ok(one.send(command))
    assert.equal(output(one), wire, command.kind)
  }
  const asked = ready(0, 0x1ff, 6, Buffer.from('\0\0\0\x02i {auth_authen},foo\0', 'latin1'))
  const macros = new Map([
    ['i', 'q1'],
    ['{foo}', 'b\r\nar'],
    ['{mail_addr}', 'not asked'],
    ['{rcpt_addr}', 'c@d.test'],
  ])
  asked.send({ kind: 'mail', path: '<>', parameters: [] }, macros)
  assert.equal(output(asked), packet('D', 'Mi\0q1\0{foo}\0b  ar\0') + packet('M', '<>\0'))
  events(asked, milterPacket('c'))
  asked.send({ kind: 'rcpt', path: '<c@d.test>', parameters: [] }, macros)
  assert.equal(output(asked), packet('D', 'R{rcpt_addr}\0c@d.test\0') + packet('R', '<c@d.test>\0'))
})

test('steps that a milter does not want are not told; those it does not answer are not waited for', () => {
  const cases: readonly [MilterCommand, number, number][] = [
    [{ kind: 'connect', hostname: 'a', address: '', port: 0 }, step.noConnect, step.silentConnect],
    [{ kind: 'helo', name: 'a' }, step.noHelo, step.silentHelo],
    [{ kind: 'mail', path: '<>', parameters: [] }, step.noMail, step.silentMail],
    [{ kind: 'rcpt', path: '<>', parameters: [] }, step.noRcpt, step.silentRcpt],
    [{ kind: 'data' }, step.noData, step.silentData],
    [{ kind: 'header', name: 'a', value: '' }, step.noHeaders, step.silentHeader],
    [{ kind: 'eoh' }, step.noEoh, step.silentEoh],
    [{ kind: 'body', bytes: Buffer.from('x') }, step.noBody, step.silentBody],
  ]
  for (const [command, unwanted, silent] of cases) {
    const without = ready(unwanted)
    assert.equal(without.send(command), false)
    assert.equal(output(without), '')
    const quiet = ready(silent)
    assert.equal(quiet.send(command), false)
    assert.notEqual(output(quiet), '')
    assert.ok(quiet.isReady)
  }
})

test('every answer', () => {
  const cases: readonly [letter: string, data: string, reply: object][] = [
    ['c', '', { kind: 'continue' }],
    ['a', '', { kind: 'accept' }],
    ['d', '', { kind: 'discard' }],
    ['r', '', { kind: 'reject' }],
    ['t', '', { kind: 'tempfail' }],
    ['f', '', { kind: 'tempfail' }],
    ['4', '', { kind: 'shutdown' }],
    ['y', '550 5.7.1 no spam\0', { kind: 'reply', code: 550, status: '7.1', text: 'no spam' }],
    ['y', '451 later', { kind: 'reply', code: 451, status: '7.1', text: 'later' }],
    ['y', '550 4.1.1 mixed\0', { kind: 'reply', code: 550, status: '7.1', text: 'mixed' }],
    ['y', '554-5.6.0 a\r\n554 5.6.0 b\0', { kind: 'reply', code: 554, status: '6.0', text: 'a b' }],
    ['y', '450\0', { kind: 'reply', code: 450, status: '7.1', text: '' }],
  ]
  for (const [letter, data, reply] of cases) {
    const machine = ready()
    machine.send({ kind: 'helo', name: 'x' })
    assert.deepEqual(events(machine, milterPacket(letter, data)), [{ kind: 'reply', stage: 'helo', reply }])
  }
  const body = ready()
  body.send({ kind: 'body', bytes: Buffer.from('x') })
  assert.deepEqual(events(body, milterPacket('s')), [
    { kind: 'reply', stage: 'body', reply: { kind: 'skip' } },
  ])
})

test('every change, with progress between', () => {
  const cases: readonly [letter: string, data: string, change: object][] = [
    ['h', 'X\0y\0', { kind: 'add-header', name: 'X', value: 'y' }],
    ['i', '\0\0\0\x02X\0y\0', { kind: 'insert-header', index: 2, name: 'X', value: 'y' }],
    ['m', '\0\0\0\x01X\0\0', { kind: 'change-header', index: 1, name: 'X', value: '' }],
    ['b', 'new', { kind: 'replace-body', bytes: Buffer.from('new') }],
    ['+', '<a@b.test>\0', { kind: 'add-recipient', path: '<a@b.test>' }],
    ['2', '<a@b.test>\0NOTIFY=NEVER\0', { kind: 'add-recipient', path: '<a@b.test>' }],
    ['-', '<a@b.test>\0', { kind: 'delete-recipient', path: '<a@b.test>' }],
    ['e', '<a@b.test>\0', { kind: 'change-from', path: '<a@b.test>' }],
    ['q', 'why\0', { kind: 'quarantine', reason: 'why' }],
  ]
  for (const [letter, data, change] of cases) {
    const machine = ready()
    machine.send({ kind: 'eob' })
    const bytes = Buffer.concat([milterPacket('p'), milterPacket(letter, data), milterPacket('c')])
    assert.deepEqual(events(machine, bytes), [
      { kind: 'progress' },
      { kind: 'change', change },
      { kind: 'reply', stage: 'eob', reply: { kind: 'continue' } },
    ])
    // Without leave it is a fault.
    const strict = ready(0, 0)
    strict.send({ kind: 'eob' })
    assert.deepEqual(
      events(strict, bytes).map(({ kind }) => kind),
      ['progress', 'fault'],
    )
    // And so it is before the end.
    const early = ready()
    early.send({ kind: 'data' })
    assert.equal(events(early, milterPacket(letter, data)).at(-1)?.kind, 'fault')
  }
})

test('what a milter may not say is a fault, told once, and nothing is believed afterwards', () => {
  const eob: MilterCommand = { kind: 'eob' }
  const cases: readonly [what: string, Buffer][] = [
    ['an empty packet', Buffer.alloc(4)],
    ['a packet that is too long', numbers(packetBytesMax + 1)],
    ['an answer that does not exist', milterPacket('Z')],
    ['a negotiation twice', negotiation()],
    ['SKIP at the end', milterPacket('s')],
    ['250 in a reply', milterPacket('y', '250 ok\0')],
    ['no reply at all', milterPacket('y', 'hello\0')],
    ['a header without value', milterPacket('h', 'X\0')],
    ['a header cut off', milterPacket('i', '\0\0')],
    ['too many words', milterPacket('h', 'a\0b\0c\0d\0')],
    ['too many changes', Buffer.concat(Array.from({ length: 4 }, () => milterPacket('h', 'X\0y\0')))],
    ['a body that is too large', milterPacket('b', 'x'.repeat(101))],
    ['an answer twice', Buffer.concat([milterPacket('c'), milterPacket('c')])],
  ]
  for (const [what, bytes] of cases) {
    const machine = ready()
    machine.send(eob)
    const found = events(machine, Buffer.concat([bytes, milterPacket('a')]))
    assert.equal(found.at(-1)?.kind, 'fault', what)
    assert.equal(found.filter(({ kind }) => kind === 'fault').length, 1)
    assert.ok(!machine.isReady)
  }
  for (const [version, actions, steps] of [
    [1, 0, 0],
    [7, 0, 0],
    [6, 0x200, 0],
    [6, 0, 0x1000_0000],
    [6, 0, step.refusedRcpt],
  ] as const) {
    const machine = new MilterMachine()
    machine.negotiate()
    assert.equal(events(machine, negotiation(steps, actions, version)).at(-1)?.kind, 'fault')
  }
})

test('the law of splits: any cut gives the same events', () => {
  const wire = Buffer.concat([
    milterPacket('p'),
    milterPacket('h', 'X-One\0two\0'),
    milterPacket('b', 'a new body'),
    milterPacket('y', '550 5.7.1 no\0'),
  ])
  const play = (cuts: readonly number[]): MilterEvent[] => {
    const machine = ready()
    machine.send({ kind: 'eob' })
    const at = [0, ...[...cuts].sort((a, b) => a - b), wire.length]
    return at.slice(1).flatMap((end, i) => events(machine, wire.subarray(at[i], end)))
  }
  const whole = play([])
  assert.equal(whole.length, 4)
  for (let cut = 1; cut < wire.length; cut++) assert.deepEqual(play([cut]), whole)
  assert.deepEqual(play(Array.from({ length: wire.length }, (_, i) => i)), whole)
  fc.assert(
    fc.property(fc.array(fc.nat(wire.length)), (cuts) => {
      assert.deepEqual(play(cuts), whole)
    }),
  )
})

test('hostile: garbage in any pieces never throws, and ends in no more than one fault', () => {
  const letter = fc.constantFrom(...'Oacdefhilmpqrsty24+-bZ\0')
  const some = fc.oneof(
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    fc
      .tuple(letter, fc.uint8Array({ maxLength: 20 }))
      .map(([one, data]) => milterPacket(one, Buffer.from(data))),
    fc.constant(negotiation()),
  )
  fc.assert(
    fc.property(fc.array(some), fc.constantFrom('eob', 'data', 'none'), (pieces, kind) => {
      const machine = new MilterMachine()
      machine.negotiate()
      let faults = 0
      for (const piece of pieces) {
        faults += events(machine, piece).filter((event) => event.kind === 'fault').length
        if (kind !== 'none' && machine.isReady) machine.send({ kind: kind as 'eob' })
      }
      assert.ok(faults <= 1)
    }),
    { numRuns: 2000 },
  )
})

test('many small packets in one piece cost what their octets cost', () => {
  const count = 100_000
  const wire = Buffer.concat(Array.from({ length: count }, () => milterPacket('p')))
  const machine = ready()
  machine.send({ kind: 'eob' })
  const startedAt = performance.now()
  assert.equal(events(machine, wire).length, count)
  assert.ok(performance.now() - startedAt < 2000)
})
