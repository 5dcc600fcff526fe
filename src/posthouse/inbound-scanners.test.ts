// Owns the tables of what answers of scanners and reports of authentication mean for the policy.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Verdicts } from '../auth/authenticate.ts'
import { readPolicyAnswer } from '../policy/inbound-policy.ts'
import { HeaderEdit } from '../scan/header-edit.ts'
import type { MilterReply } from '../scan/milter-protocol.ts'
import { readRspamdAnswer } from '../scan/rspamd.ts'
import { authenticationVerdicts } from './inbound-authentication.ts'
import {
  applyMilterChanges,
  applyRspamdChanges,
  clamdVerdict,
  milterVerdict,
  rspamdVerdict,
} from './inbound-scanners.ts'

test('milter answers', () => {
  const cases: readonly [MilterReply, advice: string | undefined, code: number | undefined][] = [
    [{ kind: 'continue' }, undefined, undefined],
    [{ kind: 'accept' }, undefined, undefined],
    [{ kind: 'reject' }, 'refuse', 550],
    [{ kind: 'tempfail' }, 'defer', 451],
    [{ kind: 'shutdown' }, 'defer', 421],
    [{ kind: 'discard' }, undefined, undefined],
    [{ kind: 'reply', code: 554, status: '6.0', text: 'no' }, 'refuse', 554],
    [{ kind: 'reply', code: 452, status: '2.2', text: '' }, 'defer', 452],
  ]
  for (const [reply, advice, code] of cases) {
    const verdict = milterVerdict('m', 'MAIL', reply)
    assert.deepEqual([verdict.advice, verdict.reply?.code], [advice, code], reply.kind)
    assert.equal(verdict.discards, reply.kind === 'discard' ? true : undefined)
  }
})

test('milter changes: positions count our Received as the first field', () => {
  const edit = new HeaderEdit(Buffer.from('A: 1\r\nB: 2\r\n\r\n'))
  const edits = applyMilterChanges(edit, [
    { kind: 'insert-header', index: 0, name: 'T0', value: 'x' },
    { kind: 'insert-header', index: 2, name: 'T2', value: 'x' },
    { kind: 'add-header', name: 'bad name', value: 'x' },
    { kind: 'change-from', path: '<>' },
    { kind: 'quarantine', reason: 'why\r\nX: y' },
  ])
  assert.equal(Buffer.concat(edit.parts()).toString(), 'T0: x\r\nT2: x\r\nA: 1\r\nB: 2\r\n\r\n')
  assert.deepEqual([edits.from, edits.quarantine], ['<>', 'why??X: y'])
  assert.ok(edits.notes.includes('could not add bad name'))
})

test('rspamd actions; a rewritten subject is encoded', () => {
  const says = (action: string, more: object = {}) =>
    readRspamdAnswer(JSON.stringify({ action, score: 1, required_score: 2, ...more }))
  const cases: readonly [string, string | undefined][] = [
    ['no action', undefined],
    ['greylist', undefined],
    ['add header', 'quarantine'],
    ['rewrite subject', 'quarantine'],
    ['quarantine', 'quarantine'],
    ['soft reject', 'defer'],
    ['reject', 'refuse'],
    ['discard', undefined],
  ]
  for (const [action, advice] of cases) assert.equal(rspamdVerdict(says(action)).advice, advice, action)
  const edit = new HeaderEdit(Buffer.from('Subject: old\r\n\r\n'))
  applyRspamdChanges(edit, says('rewrite subject', { subject: `Grüße ${'ä'.repeat(60)}` }))
  const text = Buffer.concat(edit.parts()).toString()
  assert.match(
    text,
    /^Subject: =\?UTF-8\?B\?[A-Za-z0-9+/=]+\?=(?:\r\n =\?UTF-8\?B\?[A-Za-z0-9+/=]+\?=)+\r\n\r\n$/,
  )
  assert.ok(text.split('\r\n').every((line) => line.length <= 78))
})

test('clamd', () => {
  assert.equal(clamdVerdict({ kind: 'found', signature: 'X' }).advice, 'refuse')
  assert.equal(clamdVerdict({ kind: 'clean' }).advice, undefined)
  assert.equal(clamdVerdict({ kind: 'too-large' }).advice, undefined)
})

test('DMARC: what is asked for, in each mode', () => {
  const report = (dmarc: object): Verdicts =>
    ({
      spf: { result: 'none', reason: '', identity: 'mailfrom', domain: 'a.test', ip: '192.0.2.1' },
      dkim: { result: 'none', signatures: [] },
      arc: { result: 'none', reason: '' },
      dmarc: { reason: '', domain: 'a.test', alignedSpf: '', alignedDkim: [], ...dmarc },
    }) as unknown as Verdicts
  const cases: readonly [dmarc: object, enforce: string | undefined, quarantine: string | undefined][] = [
    [{ result: 'pass', policy: 'reject' }, undefined, undefined],
    [{ result: 'none' }, undefined, undefined],
    [{ result: 'fail', policy: 'none' }, undefined, undefined],
    [{ result: 'fail', policy: 'quarantine' }, 'quarantine', 'quarantine'],
    [{ result: 'fail', policy: 'reject' }, 'refuse', 'quarantine'],
    [{ result: 'permerror', problem: 'missing' }, 'refuse', 'quarantine'],
    [{ result: 'temperror' }, 'defer', 'defer'],
  ]
  for (const [dmarc, enforce, quarantine] of cases)
    for (const [mode, advice] of [
      ['enforce', enforce],
      ['quarantine', quarantine],
      ['record', undefined],
    ] as const) {
      const verdicts = authenticationVerdicts(report(dmarc), { dmarc: mode, onFailure: 'defer' })
      assert.equal(verdicts.at(-1)?.advice, advice, `${JSON.stringify(dmarc)} ${mode}`)
    }
})

test("what the operator's function may answer", () => {
  const fine: readonly [unknown, string | undefined, number | undefined][] = [
    [undefined, undefined, undefined],
    ['accept', 'accept', undefined],
    [{ action: 'refuse' }, 'refuse', undefined],
    [{ action: 'refuse', text: 'no' }, 'refuse', 550],
    [{ action: 'defer', code: 452 }, 'defer', 452],
    [{ action: 'quarantine', text: 'odd' }, 'quarantine', undefined],
  ]
  for (const [answer, action, code] of fine) {
    const read = readPolicyAnswer(answer)
    assert.ok(read !== 'invalid')
    assert.deepEqual([read?.action, read?.reply?.code], [action, code])
  }
  for (const answer of [
    'reject',
    7,
    {},
    { action: 'refuse', code: 250 },
    { action: 'refuse', code: 521 },
    { action: 'defer', code: 550 },
    { action: 'accept', code: 250 },
    { action: 'refuse', text: 7 },
    { action: 'refuse', code: 550.5 },
  ])
    assert.equal(readPolicyAnswer(answer), 'invalid', JSON.stringify(answer))
})
