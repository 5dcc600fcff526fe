// Owns the proof of loops.ts: what counts as a loop, and that many fields for many recipients cost no more than both.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkLoop } from './loops.ts'

const check = (header: string, recipients: readonly string[], hopsMax = 3) =>
  checkLoop(Buffer.from(`${header}\r\n`), { hopsMax, recipients }).kind

test('as many Received fields as allowed pass, one more is a loop', () => {
  assert.equal(check('Received: x\r\n'.repeat(3), []), 'accept')
  assert.equal(check('Received: x\r\n'.repeat(4), []), 'refuse')
})

test('a Delivered-To that names a recipient is a loop, whatever its case', () => {
  assert.equal(check('Delivered-To: bob@a.test\r\n', ['alice@a.test']), 'accept')
  assert.equal(check('Delivered-To: ALICE@a.test\r\n', ['bob@a.test', 'Alice@a.test']), 'refuse')
})

test('a header full of Delivered-To for a thousand recipients is judged in linear time', () => {
  const fields = 15_000
  let looks = 0
  const counted = (text: string): string =>
    Object.assign(new String(text), {
      toLowerCase: () => {
        looks++
        return text
      },
    }) as unknown as string
  const recipients = Array.from({ length: 1000 }, (_, i) => counted(`r${i}@a.test`))
  assert.equal(check('Delivered-To: x\r\n'.repeat(fields), recipients), 'accept')
  assert.equal(looks, recipients.length, 'each recipient is looked at once, not once per field')
})
