// Owns the tests of a talk's terminal over streams: lines one by one, questions without echo, what is kept, Ctrl-C and Ctrl-D.

import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { InteractiveTerminal } from './talk-terminal.ts'

interface World {
  readonly terminal: InteractiveTerminal
  readonly interrupts: number[]
  type(text: string): Promise<void>
  /** Everything written so far, without codes of colour and cursor. */
  shown(): string
}

/** Some turns of the loop: streams and readline pass bytes on in later ones. */
async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise<void>((resolve) => setImmediate(resolve))
}

function world(history: readonly string[] = []): World {
  const input = new PassThrough()
  const output = Object.assign(new PassThrough(), { columns: 80 })
  let written = ''
  output.on('data', (chunk) => void (written += String(chunk)))
  const interrupts: number[] = []
  const terminal = new InteractiveTerminal({
    input,
    output: output as unknown as NodeJS.WriteStream,
    history,
    complete: (line) => [['EHLO ', 'HELO '].filter((one) => one.startsWith(line)), line],
    isSecret: (line) => line.startsWith('AUTH PLAIN '),
    prompt: () => '> ',
  })
  terminal.onInterrupt = () => interrupts.push(1) > 0
  return {
    terminal,
    interrupts,
    async type(text) {
      input.write(text)
      await settle()
    },
    shown: () => written.replace(/\x1b\[[0-9;]*[A-Za-z]/g, ''),
  }
}

test('terminal: lines come one by one, what is pasted waits, tab completes', async () => {
  const { terminal, type } = world()
  const first = terminal.next()
  await type('E')
  await type('\t')
  await type('me\rNOOP\rQUIT\r')
  assert.equal(await first, 'EHLO me')
  assert.equal(await terminal.next(), 'NOOP')
  assert.equal(await terminal.next(), 'QUIT')
  assert.deepEqual(terminal.history, ['QUIT', 'NOOP', 'EHLO me'])
  terminal.close()
})

test('terminal: an answer to a question is not kept, a secret one is not shown', async () => {
  const { terminal, type, shown } = world(['OLD'])
  const user = terminal.ask('User: ')
  await type('alice\r')
  assert.equal(await user, 'alice')
  const password = terminal.askSecret('Password: ')
  await type('s3cret\x7ft\r')
  assert.equal(await password, 's3cret')
  const line = terminal.next()
  await type('AUTH PLAIN AGEAYg==\r')
  assert.equal(await line, 'AUTH PLAIN AGEAYg==')
  assert.match(shown(), /User: alice/)
  assert.match(shown(), /Password: \n/)
  assert.doesNotMatch(shown(), /s3cre/)
  assert.deepEqual(terminal.history, ['OLD'])
  terminal.close()
})

test('terminal: what was pasted ahead never answers a question', async () => {
  const { terminal, type } = world()
  const line = terminal.next()
  await type('AUTH\rMAIL FROM:<a@b.test>\r')
  assert.equal(await line, 'AUTH')
  const user = terminal.ask('User: ')
  await type('alice\r')
  assert.equal(await user, 'alice')
  assert.equal(await terminal.next(), 'MAIL FROM:<a@b.test>')
  terminal.close()
})

test('terminal: what comes while one types stands above it', async () => {
  const { terminal, type, shown } = world()
  const line = terminal.next()
  await type('NO')
  terminal.print('S: 421 bye')
  await settle()
  assert.match(shown(), /S: 421 bye\n> NO$/)
  await type('OP\r')
  assert.equal(await line, 'NOOP')
  terminal.close()
})

test('terminal: Ctrl-C stops what is under way, clears a line, and leaves an empty one; Ctrl-D leaves', async () => {
  const { terminal, type, interrupts } = world()
  await type('\x03')
  assert.equal(interrupts.length, 1)
  const line = terminal.next()
  await type('half a line')
  await type('\x03')
  await type('\x03')
  assert.equal(await line, undefined)
  assert.equal(await terminal.askSecret('Password: '), undefined)
  const other = world()
  const next = other.terminal.next()
  await other.type('\x04')
  assert.equal(await next, undefined)
  const gone = world()
  const waiting = gone.terminal.next()
  gone.terminal.leave()
  assert.equal(await waiting, undefined)
  gone.terminal.close()
})
