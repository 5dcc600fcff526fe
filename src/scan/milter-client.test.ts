// Owns the proof of the milter client: sessions, messages, reuse, deadlines, and milters that break off.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryNetwork } from '../testing/memory-network.ts'
import { type MilterScript, milterPacket, ScriptedMilter } from '../testing/scripted-milter.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { MilterClient, type MilterClientOptions } from './milter-client.ts'
import { step } from './milter-protocol.ts'

function world(script: MilterScript = {}, some: Partial<MilterClientOptions> = {}) {
  const clock = new VirtualClock()
  const network = new MemoryNetwork()
  const milter = new ScriptedMilter(script)
  network.listen('127.0.0.1', 8891, milter.accept)
  const client = new MilterClient({
    clock,
    dialer: network,
    target: { host: '127.0.0.1', port: 8891 },
    timeoutMs: 10_000,
    bodyBytesMax: 1_000_000,
    ...some,
  })
  const open = (signal?: AbortSignal) =>
    client.open({ kind: 'connect', hostname: 'a.test', address: '192.0.2.1', port: 25 }, none, signal)
  return { clock, network, milter, client, open }
}

const none = new Map<string, string>()
const message = (...body: string[]) => ({
  fields: [{ name: 'Subject', value: ' hi' }],
  body: body.map((text) => Buffer.from(text)),
})

test('a session: every stage told, the message, its changes and its answer', async () => {
  const { milter, open } = world({
    answer: (letter) =>
      letter === 'E' ? [milterPacket('p'), milterPacket('h', 'X\0y\0'), milterPacket('c')] : undefined,
  })
  const { session, reply } = await open()
  assert.equal(reply.kind, 'continue')
  await session.helo('client.test', none)
  await session.mail('<a@b.test>', [], none)
  await session.rcpt('<c@d.test>', [], none)
  await session.data(none)
  const result = await session.message(message('one', 'two'), none)
  assert.deepEqual(result, {
    reply: { kind: 'continue' },
    changes: [{ kind: 'add-header', name: 'X', value: 'y' }],
  })
  session.close()
  const told = milter.told.filter((line) => !line.startsWith('D ')).map((line) => line.slice(0, 20))
  assert.deepEqual(told.slice(1), [
    'H client.test|',
    'M <a@b.test>|',
    'R <c@d.test>|',
    'T ',
    'L Subject|hi|',
    'N ',
    'B one',
    'B two',
    'E ',
  ])
})

test('the space behind the colon goes along where that was agreed on', async () => {
  const { milter, open } = world({ steps: step.leadingSpace })
  const { session } = await open()
  await session.mail('<>', [], none)
  await session.message(message(), none)
  assert.ok(milter.told.includes('L Subject| hi|'))
})

test('accept, discard and refusals end what they are about, and no more', async () => {
  const cases: readonly [letter: string, answer: string, told: string][] = [
    ['C', 'a', 'C'],
    ['M', 'a', 'CHM'],
    ['R', 'd', 'CHMR'],
    ['L', 'r', 'CHMRTL'],
    ['N', 't', 'CHMRTLN'],
    ['B', 'a', 'CHMRTLNB'],
    ['B', 's', 'CHMRTLNBE'],
    ['R', 'r', 'CHMRTLNBBE'],
  ]
  for (const [at, answer, expected] of cases) {
    const { milter, open } = world({
      answer: (letter) => (letter === at ? [milterPacket(answer)] : undefined),
    })
    const { session } = await open()
    await session.helo('x', none)
    await session.mail('<>', [], none)
    await session.rcpt('<c@d.test>', [], none)
    await session.data(none)
    await session.message(message('one', 'two'), none)
    const letters = milter.told.map((line) => line.charAt(0)).filter((letter) => letter !== 'D')
    assert.equal(letters.join(''), expected, `${answer} at ${at}`)
    await session.mail('<>', [], none)
    const again = milter.told.at(-1)?.charAt(0)
    assert.equal(again, at === 'C' ? 'C' : 'M', 'the next message begins anew')
  }
})

test('connections are used again behind QUIT_NC; one that was closed meanwhile is replaced; idle ones go', async () => {
  const { clock, milter, client, open } = world()
  const first = await open()
  first.session.close()
  await clock.settle()
  assert.equal(client.idleCount, 1)
  const second = await open()
  assert.equal(milter.connectionCount, 1)
  assert.ok(milter.told.some((line) => line.startsWith('K')))
  second.session.close()
  milter.script = { answer: (letter, _text, count) => (letter === 'C' && count > 3 ? 'close' : undefined) }
  const third = await open()
  assert.equal(milter.connectionCount, 2)
  third.session.close()
  await clock.advance(31_000)
  assert.equal(client.idleCount, 0)
  assert.ok(milter.told.at(-1)?.startsWith('Q'))
  const old = world({ version: 2 })
  ;(await old.open()).session.close()
  assert.equal(old.client.idleCount, 0, 'before version 6 there is no QUIT_NC')
})

test('a milter that is silent, closes, floods or talks out of turn is a ScanFailure, and is not used again', async () => {
  const cases: readonly [MilterScript['answer'], string][] = [
    [(letter) => (letter === 'E' ? [] : undefined), 'timeout'],
    [(letter) => (letter === 'E' ? 'close' : undefined), 'closed'],
    [(letter) => (letter === 'E' ? [milterPacket('O', 'x'.repeat(12))] : undefined), 'protocol'],
    [(letter) => (letter === 'H' ? [milterPacket('c'), milterPacket('c')] : undefined), 'protocol'],
    [(letter) => (letter === 'E' ? [Buffer.alloc(2_000_000, 'x')] : undefined), 'protocol'],
  ]
  for (const [answer, code] of cases) {
    const { clock, client, open } = world(answer === undefined ? {} : { answer })
    const run = async (): Promise<string> => {
      const { session } = await open()
      try {
        await session.helo('x', none)
        await clock.settle()
        await session.mail('<>', [], none)
        await session.message(message('body'), none)
        return 'ok'
      } catch (error) {
        assert.ok(!session.isOpen)
        session.close()
        return (error as { code: string }).code
      }
    }
    const running = run()
    await clock.settle(100)
    await clock.advance(11_000)
    assert.equal(await running, code)
    assert.equal(client.idleCount, 0)
    assert.equal(clock.pendingCount, 0)
  }
})

test('progress begins the time anew; the deadline of the caller ends it', async () => {
  const { clock, open } = world({ answer: (letter) => (letter === 'E' ? [] : undefined) })
  const { session } = await open()
  await session.mail('<>', [], none)
  const deadline = new AbortController()
  const running = session.message(message('x'), none, deadline.signal).catch((error) => error.code)
  await clock.advance(5000)
  deadline.abort()
  assert.equal(await running, 'timeout')
})

test('nobody listens: unreachable', async () => {
  const { open, network } = world()
  network.fault = () => new Error('refused') as never
  await assert.rejects(open(), { name: 'ScanFailure', code: 'unreachable' })
})

test('large bodies go in chunks, silent ones without waiting', async () => {
  const { milter, open } = world({
    steps: step.silentBody,
    answer: (letter) => (letter === 'B' ? [] : undefined),
  })
  const { session } = await open()
  await session.mail('<>', [], none)
  const body = [Buffer.alloc(200_000, 'a')]
  await session.message({ fields: [], body }, none)
  const chunks = milter.told.filter((line) => line.startsWith('B ')).map((line) => line.length - 2)
  assert.deepEqual(chunks, [65_535, 65_535, 65_535, 3395])
})
