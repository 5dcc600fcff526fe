// Owns the proof of clamd and rspamd as asked by us, and of the circuit breaker.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Connection } from '../base/connection.ts'
import { MemoryNetwork } from '../testing/memory-network.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { Breaker } from './breaker.ts'
import { askClamd, readClamdAnswer } from './clamd.ts'
import { HeaderEdit } from './header-edit.ts'
import { askRspamd, readRspamdAnswer, requestHeaders } from './rspamd.ts'
import { ScanFailure } from './scan-failure.ts'

/** What was sent until the empty chunk, then `answer`. */
function clamd(answer: (message: string) => string | undefined) {
  const clock = new VirtualClock()
  const network = new MemoryNetwork()
  const sizes: number[] = []
  network.listen('127.0.0.1', 3310, (connection: Connection) => {
    let wire = Buffer.alloc(0)
    let said = false
    const say = (message: string): void => {
      const line = said ? undefined : answer(message)
      if (line === undefined) return
      said = true
      connection.write(Buffer.from(line))
      connection.end()
    }
    connection.attach({
      data: (bytes) => {
        wire = Buffer.concat([wire, bytes])
        assert.equal(wire.toString('latin1', 0, 10), 'zINSTREAM\0'.slice(0, wire.length))
        let message = ''
        sizes.length = 0
        for (let at = 10; wire.length >= at + 4; ) {
          const size = wire.readUInt32BE(at)
          sizes.push(size)
          if (size === 0) return say(message)
          message += wire.toString('latin1', at + 4, at + 4 + size)
          at += 4 + size
        }
        if (wire.length > 300_000) say('long')
      },
      end: () => {},
      close: () => {},
      drain: () => {},
    })
  })
  const ask = (body: string[], bytesMax = 1_000_000) => {
    const pieces = body.map((text) => Buffer.from(text))
    const sizeBytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
    return askClamd(
      { sizeBytes, body: pieces },
      { clock, dialer: network, target: { host: '127.0.0.1', port: 3310 }, timeoutMs: 5000, bytesMax },
    )
  }
  return { clock, network, sizes, ask }
}

test('clamd: clean, found, too large for it, too large for us', async () => {
  const { ask, network, sizes } = clamd((message) =>
    message === 'long'
      ? 'INSTREAM size limit exceeded. ERROR\0'
      : message.includes('EICAR')
        ? 'stream: Eicar-Test-Signature FOUND\0'
        : 'stream: OK\0',
  )
  assert.deepEqual(await ask(['hello', 'x'.repeat(70_000)]), { kind: 'clean' })
  assert.deepEqual(sizes, [5, 65_536, 4464, 0])
  assert.deepEqual(await ask(['EI', 'CAR']), { kind: 'found', signature: 'Eicar-Test-Signature' })
  assert.deepEqual(
    await ask(
      Array.from({ length: 20 }, () => 'y'.repeat(64_000)),
      10_000_000,
    ),
    {
      kind: 'too-large',
    },
  )
  const dials = network.dials.length
  assert.deepEqual(await ask(['x'.repeat(11)], 10), { kind: 'too-large' })
  assert.equal(network.dials.length, dials, 'not even asked')
})

test('clamd: silence, a closed connection, another answer are failures; any text is one or a verdict', async () => {
  const silent = clamd(() => undefined)
  const waiting = silent.ask(['x']).catch((error: unknown) => error)
  await silent.clock.advance(6000)
  assert.equal(((await waiting) as ScanFailure).code, 'timeout')
  assert.equal(silent.clock.pendingCount, 0)
  await assert.rejects(clamd(() => '').ask(['x']), { code: 'closed' })
  await assert.rejects(clamd(() => 'UNKNOWN COMMAND\0').ask(['x']), { code: 'protocol' })
  await assert.rejects(clamd(() => 'x'.repeat(10_000)).ask(['x']), { code: 'protocol' })
  fc.assert(
    fc.property(
      fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('latin1')),
      (line) => {
        try {
          readClamdAnswer(line)
        } catch (error) {
          assert.ok(error instanceof ScanFailure)
        }
      },
    ),
    { numRuns: 50 },
  )
})

const answer = {
  action: 'add header',
  score: 7.123456,
  required_score: 15,
  symbols: { R_SPF_FAIL: { score: 1 }, BAYES_SPAM: { score: 5.1 }, NICE: { score: -0.1 } },
  messages: { smtp_message: 'Spam message rejected' },
  milter: {
    remove_headers: { 'X-Spam': 0, 'X-Two': [1, 2] },
    add_headers: {
      'X-Spam': { value: 'Yes\r\nEvil: 1', order: 0 },
      'X-Plain': 'a',
      'X-Many': [{ value: 'b' }, 'c'],
    },
  },
}

test('rspamd: the answer as a verdict', () => {
  const verdict = readRspamdAnswer(JSON.stringify(answer))
  assert.deepEqual([verdict.action, verdict.score, verdict.requiredScore], ['add header', 7.12, 15])
  assert.deepEqual(
    verdict.symbols.map(({ name }) => name),
    ['BAYES_SPAM', 'R_SPF_FAIL', 'NICE'],
  )
  assert.deepEqual(
    verdict.changes.headers.map(({ kind, name, value, index }) => [kind, name, value, index]),
    [
      ['remove', 'X-Spam', '', 0],
      ['remove', 'X-Two', '', 1],
      ['remove', 'X-Two', '', 2],
      ['add', 'X-Spam', 'Yes\r\nEvil: 1', 0],
      ['add', 'X-Plain', 'a', undefined],
      ['add', 'X-Many', 'b', undefined],
      ['add', 'X-Many', 'c', undefined],
    ],
  )
  const edit = new HeaderEdit(Buffer.from('A: 1\r\n\r\n'))
  edit.insert(0, 'X-Spam', verdict.changes.headers[3]?.value ?? '')
  assert.equal(Buffer.concat(edit.parts()).toString(), 'X-Spam: Yes\r\n\tEvil: 1\r\nA: 1\r\n\r\n')
})

test('rspamd: envelope headers carry no line ends; what it asks over HTTP; failures', async () => {
  const envelope = {
    from: 'a@b.test\r\nEvil: 1',
    recipients: ['c@d.test', 'e@d.test'],
    ip: '192.0.2.1',
    helo: 'x',
    queueId: 'q1',
  }
  assert.deepEqual(requestHeaders(envelope), {
    'content-type': 'message/rfc822',
    flags: 'milter,body_block',
    from: 'a@b.test??Evil: 1',
    ip: '192.0.2.1',
    helo: 'x',
    'queue-id': 'q1',
    rcpt: 'c@d.test, e@d.test',
  })
  const message = { sizeBytes: 1, body: [Buffer.from('x')] }
  const post = (status: number, body: string) => () => Promise.resolve({ status, body: Buffer.from(body) })
  assert.equal((await askRspamd(post(200, JSON.stringify(answer)), message, envelope)).action, 'add header')
  await assert.rejects(askRspamd(post(500, ''), message, envelope), { code: 'refused' })
  await assert.rejects(
    askRspamd(() => Promise.reject(new Error('no')), message, envelope),
    {
      code: 'unreachable',
    },
  )
})

test('rspamd: any JSON and any text is a verdict or a ScanFailure', () => {
  const near = fc.record(
    {
      action: fc.oneof(fc.constant('reject'), fc.anything()),
      score: fc.anything(),
      symbols: fc.anything(),
      messages: fc.anything(),
      milter: fc.record(
        {
          add_headers: fc.anything(),
          remove_headers: fc.anything(),
          add_rcpt: fc.anything(),
          del_rcpt: fc.anything(),
          change_from: fc.anything(),
          reject: fc.anything(),
          no_action: fc.anything(),
          spam_header: fc.anything(),
        },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        fc.string(),
        near.map((one) => JSON.stringify(one, replaceBig)),
      ),
      (text) => {
        try {
          const verdict = readRspamdAnswer(text)
          assert.ok(verdict.changes.headers.length <= 200 && verdict.symbols.length <= 50)
        } catch (error) {
          assert.ok(error instanceof ScanFailure, String(error))
        }
      },
    ),
    { numRuns: 1000 },
  )
})

const replaceBig = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' || typeof value === 'symbol' ? 1 : value

test('the breaker opens after failures in a row, lets one try after its pause, and closes when that works', async () => {
  const clock = new VirtualClock()
  const breaker = new Breaker({ clock, failuresMax: 2, pauseMs: 1000 })
  const fail = (): void => {
    assert.ok(breaker.allow())
    breaker.report(false)
  }
  fail()
  breaker.allow()
  breaker.report(true)
  fail()
  fail()
  assert.ok(!breaker.allow())
  await clock.advance(1000)
  assert.ok(breaker.allow())
  assert.ok(!breaker.allow(), 'one at a time')
  breaker.report(false)
  assert.ok(!breaker.allow())
  await clock.advance(1000)
  assert.ok(breaker.allow())
  breaker.report(true)
  assert.ok(breaker.allow() && breaker.allow())
})
