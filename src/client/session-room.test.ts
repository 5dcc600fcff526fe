// The memory that sessions put small messages together in: it is used again only when a connection is done with it.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Connection, ConnectionHandler } from '../base/connection.ts'
import type { Transaction, TransactionResult } from '../smtp/transaction.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { ClientSession } from './session.ts'
import { defaultTimeouts, type OpenOptions } from './session-options.ts'

/** Answers as a server does, keeps what it was given and a copy of it. `done(n)`: whether the nth write was sent at once. */
class KeepingConnection implements Connection {
  readonly remote = { address: '192.0.2.1', port: 25 }
  readonly local = { address: '192.0.2.2', port: 40_000 }
  readonly tls = undefined
  readonly given: Uint8Array[] = []
  readonly copies: Buffer[] = []
  writesDone = true
  readonly #done: (index: number) => boolean
  #handler: ConnectionHandler | undefined
  #inData = false

  constructor(done: (index: number) => boolean) {
    this.#done = done
  }

  attach(handler: ConnectionHandler): void {
    this.#handler = handler
    setImmediate(() => handler.data(Buffer.from('220 mx.example.test\r\n')))
  }

  write(bytes: Uint8Array): boolean {
    this.writesDone = this.#done(this.given.length)
    this.given.push(bytes)
    this.copies.push(Buffer.from(bytes))
    let answer = ''
    for (const line of Buffer.from(bytes).toString().split('\r\n').slice(0, -1)) {
      if (this.#inData) {
        if (line === '.') answer += '250 2.0.0 ok\r\n'
        this.#inData = line !== '.'
      } else if (line.startsWith('EHLO')) answer += '250-mx.example.test\r\n250 PIPELINING\r\n'
      else if (line === 'DATA') {
        answer += '354 go\r\n'
        this.#inData = true
      } else answer += '250 ok\r\n'
    }
    if (answer !== '') setImmediate(() => this.#handler?.data(Buffer.from(answer)))
    return true
  }

  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
  startTls(): Promise<never> {
    return Promise.reject(new Error('no TLS here'))
  }
}

async function send(connection: KeepingConnection, count: number): Promise<string> {
  const options: OpenOptions = {
    dialer: { dial: () => Promise.reject(new Error('connected already')) },
    clock: new VirtualClock(),
    protocol: 'smtp',
    hostname: 'us.test',
    address: '192.0.2.1',
    port: 25,
    tls: 'none',
  }
  const signal = new AbortController().signal
  const opened = await new ClientSession(connection, options, defaultTimeouts, true).open(signal)
  assert.ok(opened.ok)
  for (let i = 0; i < count; i++) {
    const body = Buffer.from(`Subject: ${i}\r\n\r\n${`${i} `.repeat(400)}\r\n`)
    const transaction: Transaction = {
      reversePath: 'a@us.test',
      recipients: [{ path: 'b@them.test' }],
      smtputf8: false,
      body8bit: false,
      sizeBytes: body.length,
      body,
    }
    const result: TransactionResult = await opened.session.deliver(transaction, undefined, signal)
    assert.equal(result.recipients[0]?.kind, 'accepted')
  }
  return Buffer.concat(connection.copies).toString()
}

describe('the memory of small messages', () => {
  it('is not touched again where a connection keeps what it was given', async () => {
    for (const firstKept of [0, 1, 2, 5]) {
      const connection = new KeepingConnection((index) => index < firstKept)
      const other = new KeepingConnection(() => true)
      // Both put their messages together in the same memory, turn by turn.
      await Promise.all([send(connection, 12), send(other, 12)])
      const kept = Buffer.concat(connection.given.slice(firstKept))
      assert.deepEqual(kept, Buffer.concat(connection.copies.slice(firstKept)))
    }
  })

  it('says the same on the wire whether it is used again or not', async () => {
    const again = new KeepingConnection(() => true)
    const never = new KeepingConnection(() => false)
    assert.equal(await send(again, 8), await send(never, 8))
    assert.equal(
      new Set(again.given.slice(2).map((bytes) => bytes.buffer)).size < again.given.length - 2,
      true,
    )
  })
})
