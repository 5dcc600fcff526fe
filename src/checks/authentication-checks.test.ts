// The verdicts on a message as checks: what passed, what did not, and what nobody judged.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AuthenticationVerdict, checkAuthentication } from './authentication-checks.ts'

const said = (verdicts: readonly AuthenticationVerdict[]): readonly string[] =>
  checkAuthentication(verdicts).map(({ id, level, title }) => `${id} ${level}: ${title}`)

test('checks: the verdicts on SPF, DKIM and DMARC, each with its domain', () => {
  assert.deepEqual(
    said([
      { check: 'spf', result: 'softfail', meaning: 'bad', domain: 'a.test' },
      { check: 'dkim', result: 'fail', meaning: 'bad', domain: 'list.test', selector: 'x', reason: 'body' },
      { check: 'dkim', result: 'pass', meaning: 'good', domain: 'a.test', selector: 's1' },
      { check: 'dmarc', result: 'pass', meaning: 'good', domain: 'a.test' },
      { check: 'decision', result: 'accept', meaning: 'good' },
    ]),
    [
      'authentication.spf error: SPF: softfail for a.test',
      'authentication.dkim ok: DKIM: 1 of 2 signatures verified',
      'authentication.dmarc ok: DMARC: pass for a.test',
    ],
  )
  const [dkim] = checkAuthentication([
    { check: 'dkim', result: 'fail', meaning: 'bad', domain: 'a.test', selector: 'x', reason: 'body' },
  ])
  assert.equal(dkim?.level, 'error')
  assert.deepEqual(dkim?.details, ['a.test (x): fail, body'])
  assert.match(dkim?.advice ?? '', /key in DNS/)
})

test('checks: what was not judged is not said, what could not be is not known', () => {
  assert.deepEqual(said([]), [])
  assert.deepEqual(said([{ check: 'dkim', result: 'none', meaning: 'neutral' }]), [])
  assert.deepEqual(
    said([
      { check: 'spf', result: 'temperror', meaning: 'error', domain: 'a.test' },
      { check: 'dkim', result: 'temperror', meaning: 'error', domain: 'a.test' },
      { check: 'dmarc', result: 'none', meaning: 'neutral' },
    ]),
    [
      'authentication.spf unknown: SPF: temperror for a.test',
      'authentication.dkim unknown: DKIM: 0 of 1 signature verified',
      'authentication.dmarc info: DMARC: none',
    ],
  )
})
