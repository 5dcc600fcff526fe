// Owns the table of decisions, and the proof of rates and deadlines.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { withinDeadline } from './deadline.ts'
import { combineDecisions, decideInbound, type InboundRule } from './inbound-decision.ts'
import type { CheckVerdict, InboundAction } from './inbound-verdict.ts'
import { foreignText } from './inbound-verdict.ts'
import { RateLimits } from './rate-limits.ts'

const says = (check: string, advice?: CheckVerdict['advice'], result = 'x'): CheckVerdict => ({
  check,
  result,
  reason: '',
  ...(advice !== undefined && { advice }),
})

const dmarcFail = { ...says('dmarc', 'refuse', 'fail'), reply: { code: 550, status: '7.1', text: 'no' } }

test('what is decided, and by what', () => {
  const cases: readonly [CheckVerdict[], InboundRule[], action: InboundAction, by: string, code?: number][] =
    [
      [[], [], 'accept', 'default'],
      [[says('spf')], [], 'accept', 'default'],
      [[says('a', 'quarantine'), says('b', 'defer')], [], 'defer', 'b'],
      [[says('b', 'defer'), dmarcFail], [], 'refuse', 'dmarc', 550],
      [[dmarcFail], [{ check: 'dmarc', result: ['fail'], action: 'quarantine' }], 'quarantine', 'rule 1'],
      [[dmarcFail], [{ check: 'spf', action: 'accept' }], 'refuse', 'dmarc', 550],
      [[dmarcFail], [{ check: 'dmarc', action: 'refuse' }], 'refuse', 'rule 1', 550],
      [[dmarcFail], [{ check: 'dmarc', action: 'defer' }], 'defer', 'rule 1'],
      [[], [{ sender: ['there.test'], action: 'refuse' }], 'refuse', 'rule 1'],
      [[], [{ sender: ['.there.test'], action: 'refuse' }], 'accept', 'default'],
      [[], [{ recipient: ['.test'], action: 'quarantine' }], 'quarantine', 'rule 1'],
      [[dmarcFail], [{ sender: ['x.test'], action: 'defer' }, { action: 'accept' }], 'accept', 'rule 2'],
    ]
  for (const [verdicts, rules, action, by, code] of cases) {
    const decision = decideInbound({
      verdicts,
      rules,
      senderDomain: 'there.test',
      recipientDomain: 'here.test',
    })
    assert.deepEqual([decision.action, decision.by, decision.reply?.code], [action, by, code])
  }
})

test('several recipients: any that waits lets all wait, refused is what all refuse, else junk for those', () => {
  const as = (action: InboundAction) => ({ action, by: 'x', reason: '' })
  const cases: readonly [InboundAction[], InboundAction, boolean[]][] = [
    [['accept', 'accept'], 'accept', [false, false]],
    [['refuse', 'refuse'], 'refuse', [false, false]],
    [['refuse', 'accept'], 'quarantine', [true, false]],
    [['quarantine', 'refuse'], 'quarantine', [true, true]],
    [['accept', 'defer'], 'defer', [false, false]],
    [[], 'accept', []],
  ]
  for (const [actions, whole, junk] of cases) {
    const combined = combineDecisions(actions.map(as))
    assert.deepEqual([combined.whole.action, combined.junk], [whole, junk], actions.join())
  }
})

test('a rate slides: never more than its maximum in a whole window, and all of it again after two', async () => {
  const clock = new VirtualClock()
  const limits = new RateLimits({
    clock,
    limits: [{ by: 'address', of: 'messages', max: 10, perMs: 60_000 }],
  })
  const subject = { address: '192.0.2.1', identity: undefined }
  const takeAll = (): number => {
    for (let count = 0; ; count++) if (limits.take('messages', subject) !== undefined) return count
  }
  assert.equal(takeAll(), 10)
  const over = limits.take('messages', subject)
  assert.deepEqual([over?.advice, over?.reply?.code, over?.name], ['defer', 450, 'messages by address'])
  assert.equal(limits.take('recipients', subject), undefined)
  assert.equal(limits.take('messages', { ...subject, address: '192.0.2.2' }), undefined)
  await clock.advance(61_000)
  assert.ok(takeAll() <= 1, 'the last window still counts')
  await clock.advance(30_000)
  const half = takeAll()
  assert.ok(half >= 4 && half <= 6, `half of it came back: ${half}`)
  await clock.advance(120_000)
  assert.equal(takeAll(), 10)
})

test('rates by network and identity; bounded in memory', () => {
  const clock = new VirtualClock()
  const limits = new RateLimits({
    clock,
    entriesMax: 2,
    limits: [
      { by: 'network', of: 'recipients', max: 1, perMs: 1000 },
      { by: 'identity', of: 'recipients', max: 5, perMs: 1000 },
    ],
  })
  const take = (address: string, identity?: string) => limits.take('recipients', { address, identity })
  assert.equal(take('192.0.2.1'), undefined)
  assert.equal(take('192.0.2.2')?.name, 'recipients by network')
  for (let i = 0; i < 5; i++) assert.equal(take(`198.51.${i}.1`, 'Alice@here.test'), undefined)
  assert.equal(take('203.0.113.1', 'alice@HERE.test')?.name, 'recipients by identity')
  assert.equal(take('192.0.2.2'), undefined, 'forgotten: the table holds two')
})

test('a deadline ends the waiting, aborts the work, and leaves no timer', async () => {
  const clock = new VirtualClock()
  let aborted = false
  const slow = withinDeadline(clock, 1000, (signal) => {
    signal.addEventListener('abort', () => {
      aborted = true
    })
    return new Promise<never>(() => {})
  })
  await clock.advance(1000)
  assert.equal((await slow).kind, 'late')
  assert.ok(aborted)
  const quick = await withinDeadline(clock, 1000, () => 7)
  assert.deepEqual(quick, { kind: 'done', value: 7, tookMs: 0 })
  const thrown = await withinDeadline(clock, 1000, () => {
    throw new Error('no')
  })
  assert.equal(thrown.kind, 'failed')
  const outer = new AbortController()
  const left = withinDeadline(clock, 1000, () => new Promise<never>(() => {}), outer.signal)
  outer.abort()
  assert.equal((await left).kind, 'late')
  assert.equal(clock.pendingCount, 0)
})

test('foreign text is one bounded line', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 1000 }).map((bytes) => Buffer.from(bytes).toString('utf16le')),
      (text) => {
        const clean = foreignText(text)
        assert.ok(clean.length <= 303 && !/[\u0000-\u001f\u007f-\u009f]/.test(clean) && clean.isWellFormed())
      },
    ),
  )
})
