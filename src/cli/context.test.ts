// Owns the proof that JSON printed for people does nothing to their terminal, and stays the JSON it was.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Context, printJson } from './context.ts'

test('printJson: no control character comes through, and the value is the same', () => {
  const value = { subject: '\u001b]0;x\u0007 \u009b31m \u202egnp.exe \u2028 caf\u00e9 \u{1f600}' }
  let printed = ''
  printJson({ print: (line = '') => void (printed += line) } as unknown as Context, value)
  assert.ok(!/[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]/.test(printed))
  assert.deepEqual(JSON.parse(printed), value)
  assert.ok(printed.includes('caf\u00e9 \u{1f600}'), 'what is harmless is not escaped')
})
