// Owns the tests of the log: its form, levels, and that secrets never reach it.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { VirtualClock } from '../testing/virtual-clock.ts'

import { createLog } from './log.ts'

test('log: JSON lines with the time of the clock, levels by name', () => {
  const lines: string[] = []
  const clock = new VirtualClock(1_000_000)
  const log = createLog({ level: 'info', pretty: false, clock, write: (line) => void lines.push(line) })
  log.debug({}, 'not shown')
  log.info({ domain: 'a.test', code: 250 }, 'delivered %s')
  log.warn({}, 'shown')
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)),
    [
      { level: 'info', time: 1_000_000, domain: 'a.test', code: 250, msg: 'delivered %s' },
      { level: 'warn', time: 1_000_000, msg: 'shown' },
    ],
  )
})

test('log: secrets are hidden by the name of their field, errors keep their cause', () => {
  for (const pretty of [false, true]) {
    const lines: string[] = []
    const log = createLog({ level: 'trace', pretty, write: (line) => void lines.push(line) })
    const fields = {
      password: 'hunter2',
      session: { user: 'alice', authorization: 'hunter2' },
      Token: 'hunter2',
    }
    log.info(fields, 'login')
    log.child({ secret: 'hunter2', sessionId: 's1' }).warn({ passwd: 'hunter2' }, 'again')
    log.error({ err: new Error('outer', { cause: new Error('inner') }) }, 'failed')
    const text = lines.join('')
    assert.doesNotMatch(text, /hunter2/)
    assert.match(text, /alice/)
    assert.match(text, /s1/)
    assert.match(text, /outer[\s\S]*inner/)
    assert.equal(fields.password, 'hunter2', 'what was given is not changed')
  }
})
