import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { UsageError } from '../base/usage-error.ts'

import { type FaultMoment, FaultPlan } from './fault-plan.ts'
import {
  checkFaultRule,
  type FaultRuleInput,
  faultOfAddress,
  faultProfiles,
  faultStages,
  fitsPattern,
} from './fault-rules.ts'

const rcpt: FaultMoment = { stage: 'rcpt', peer: '127.0.0.1', sender: 'a@x.test', recipients: ['b@x.test'] }
const no = { kind: 'reply', code: 550, status: '5.1.1', text: 'no' } as const

test('fault patterns: a star is anything, case does not matter', () => {
  const cases: [pattern: string, text: string, fits: boolean][] = [
    ['*', '', true],
    ['*', 'x', true],
    ['', '', true],
    ['', 'x', false],
    ['a@x.test', 'A@X.test', true],
    ['*@x.test', 'a@x.test', true],
    ['*@x.test', '@x.test', true],
    ['*@x.test', 'a@x.test.example', false],
    ['bob*@*.test', 'bob+1@mail.test', true],
    ['bob*@*.test', 'rob+1@mail.test', false],
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
    ['a*b*a', 'aba', true],
    ['a*b*a', 'aa', false],
    ['ab*ba', 'aba', false],
    ['**', 'anything', true],
  ]
  for (const [pattern, text, fits] of cases)
    assert.equal(fitsPattern(pattern, text), fits, `${pattern} ${text}`)
})

test('fault patterns: as a regular expression would say', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 6 })
  const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 10 })
  fc.assert(
    fc.property(word, text, (pattern, value) => {
      assert.equal(fitsPattern(pattern, value), new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(value))
    }),
  )
})

test('fault of an address: in the local part or its plus tag, at stages it can know', () => {
  const cases: [address: string, expected: unknown][] = [
    ['bob+fault-rcpt-550@x.test', { stage: 'rcpt', fault: { kind: 'reply', code: 550 } }],
    ['fault-message-451@x.test', { stage: 'message', fault: { kind: 'reply', code: 451 } }],
    ['b+fault-after-message-reset@x.test', { stage: 'after-message', fault: { kind: 'reset' } }],
    ['b+fault-data-delay-5000@x.test', { stage: 'data', fault: { kind: 'delay', ms: 5000 } }],
    ['b+fault-rcpt-greylist-60@x.test', { stage: 'rcpt', fault: { kind: 'greylist', seconds: 60 } }],
    ['b+fault-data-trickle-1-100@x.test', { stage: 'data', fault: { kind: 'trickle', bytes: 1, ms: 100 } }],
    ['fault-rcpt-250@x.test', undefined],
    ['fault-after-message-550@x.test', undefined],
    ['fault-nowhere-550@x.test', undefined],
    ['default-rcpt-550@x.test', undefined],
    ['bob@fault-rcpt-550.test', undefined],
  ]
  for (const [address, expected] of cases) assert.deepEqual(faultOfAddress(address), expected, address)
})

test('fault rules: each mistake is named', () => {
  const cases: [rule: FaultRuleInput, path: string][] = [
    [{ stage: 'later' as 'rcpt', fault: no }, 'stage'],
    [{ stage: 'rcpt', fault: { kind: 'boom' } as never }, 'fault.kind'],
    [{ stage: 'rcpt', fault: { kind: 'reply', code: 250 } }, 'fault.code'],
    [{ stage: 'rcpt', fault: { kind: 'reply', code: 451, status: '5.1.1' } }, 'fault.status'],
    [{ stage: 'after-message', fault: no }, 'stage'],
    [{ stage: 'mail', fault: { kind: 'greylist', seconds: 1 } }, 'stage'],
    [{ stage: 'connect', match: { sender: '*' }, fault: no }, 'match.sender'],
    [{ stage: 'rcpt', fault: no, probability: 2 }, 'probability'],
    [{ stage: 'rcpt', fault: no, times: 0 }, 'times'],
  ]
  for (const [rule, path] of cases) {
    assert.deepEqual(
      checkFaultRule(rule).map((mistake) => mistake.path),
      [path],
      JSON.stringify(rule),
    )
    assert.throws(() => new FaultPlan().add(rule), UsageError)
  }
})

test('fault plan: rules strike where all of their patterns hold, and as often as they may', () => {
  const plan = new FaultPlan({
    rules: [{ stage: 'rcpt', match: { recipient: '*@x.test' }, fault: no, times: 2 }],
  })
  assert.equal(plan.strike({ ...rcpt, recipients: ['b@y.test'] }, 0), undefined)
  assert.equal(plan.strike({ ...rcpt, stage: 'mail' }, 0), undefined)
  const end = { reply: { code: 550, status: '5.1.1', lines: ['no'] } }
  assert.deepEqual(plan.strike(rcpt, 0), { ruleIds: ['rule-1'], delayMs: 0, end })
  assert.equal(plan.strike(rcpt, 0)?.ruleIds[0], 'rule-1')
  assert.equal(plan.strike(rcpt, 0), undefined)
  assert.equal(plan.rules[0]?.firedCount, 2)
  plan.restart()
  assert.notEqual(plan.strike(rcpt, 0), undefined)
  plan.update('rule-1', { enabled: false })
  assert.equal(plan.strike(rcpt, 0), undefined)
  assert.equal(plan.remove('rule-1'), true)
  assert.equal(plan.remove('rule-1'), false)
})

test('fault plan: delays add up, the first end counts', () => {
  const plan = new FaultPlan({
    rules: [
      { stage: 'rcpt', fault: { kind: 'delay', ms: 10 } },
      { stage: 'rcpt', fault: { kind: 'delay', ms: 5 } },
      { stage: 'rcpt', fault: { kind: 'reset' } },
      { stage: 'rcpt', fault: no },
    ],
  })
  const strike = plan.strike(rcpt, 0)
  assert.deepEqual(strike, { ruleIds: ['rule-1', 'rule-2', 'rule-3'], delayMs: 15, end: 'reset' })
})

test('fault plan: greylisting puts off the same three until its time has passed', () => {
  const plan = new FaultPlan({ rules: [{ stage: 'rcpt', fault: { kind: 'greylist', seconds: 60 } }] })
  const code = (moment: FaultMoment, now: number): number | undefined => {
    const end = plan.strike(moment, now)?.end
    return typeof end === 'object' ? end.reply.code : undefined
  }
  assert.equal(code(rcpt, 0), 451)
  assert.equal(code(rcpt, 59_999), 451)
  assert.equal(code(rcpt, 60_000), undefined)
  assert.equal(code({ ...rcpt, sender: 'other@x.test' }, 60_000), 451)
})

test('fault plan: rates and sizes', () => {
  const plan = new FaultPlan({
    rules: [
      { stage: 'mail', fault: { kind: 'rate-limit', messages: 2, seconds: 10 } },
      { stage: 'mail', fault: { kind: 'size-limit', bytes: 100 } },
    ],
  })
  const mail: FaultMoment = { stage: 'mail', peer: '127.0.0.1', sender: 'a@x.test', sizeBytes: 100 }
  assert.equal(plan.strike(mail, 0), undefined)
  assert.equal(plan.strike({ ...mail, sizeBytes: 101 }, 1)?.ruleIds[0], 'rule-2')
  assert.equal(plan.strike(mail, 9_999)?.ruleIds[0], 'rule-1')
  assert.equal(plan.strike({ ...mail, login: 'other' }, 9_999), undefined)
  assert.equal(plan.strike(mail, 10_000), undefined)
})

test('fault plan: one seed is one run, whatever the other rules do', () => {
  const run = (seed: number, extra: readonly FaultRuleInput[]): readonly boolean[] => {
    const plan = new FaultPlan({
      seed,
      rules: [{ id: 'half', stage: 'rcpt', fault: no, probability: 0.5 }, ...extra],
    })
    return Array.from({ length: 200 }, () => plan.strike(rcpt, 0)?.ruleIds.includes('half') === true)
  }
  const first = run(7, [])
  assert.deepEqual(run(7, [{ stage: 'rcpt', fault: { kind: 'delay', ms: 1 }, probability: 0.3 }]), first)
  assert.notDeepEqual(run(8, []), first)
  const count = first.filter(Boolean).length
  assert.ok(count > 70 && count < 130, `${count} of 200 at one half`)
})

test('fault plan: every profile is a set of rules that hold', () => {
  for (const profile of faultProfiles) {
    const plan = new FaultPlan()
    assert.equal(plan.applyProfile(profile.name).length, profile.rules.length)
    plan.applyProfile(profile.name)
    assert.equal(plan.rules.length, profile.rules.length, 'applied twice it is there once')
  }
  assert.throws(() => new FaultPlan().applyProfile('none'), /must be one of greylisting, /)
})

test('fault plan: no moment makes it throw, and memory stays bounded', () => {
  const plan = new FaultPlan()
  for (const { name } of faultProfiles) plan.applyProfile(name)
  const moment = fc.record({
    stage: fc.constantFrom(...faultStages),
    peer: fc.string(),
    login: fc.option(fc.string(), { nil: undefined }),
    sender: fc.option(fc.string(), { nil: undefined }),
    recipients: fc.array(fc.oneof(fc.string(), fc.constant('x+fault-rcpt-550@x.test')), { maxLength: 3 }),
    sizeBytes: fc.option(fc.nat(), { nil: undefined }),
  })
  fc.assert(
    fc.property(moment, fc.nat(), (one, now) => {
      plan.strike(one, now)
    }),
  )
})
