// The numbers of the retry policy.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { defaultRetryPolicy, destinationDelayMs, retryPolicy } from './retry.ts'
import { nextTryAt, retryDelayMs } from './retry-curve.ts'

test('retry: exponential with jitter, first after 30 s growing to 1 h, given up after 5 d', () => {
  const middle = (attempt: number): number => retryDelayMs(defaultRetryPolicy, attempt, 0.5)
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 500].map(middle),
    [30_000, 60_000, 120_000, 240_000, 480_000, 960_000, 1_920_000, 3_600_000, 3_600_000, 3_600_000],
  )
  assert.equal(defaultRetryPolicy.giveUpAfterMs, 432_000_000)
  assert.equal(defaultRetryPolicy.delayNoticeAfterMs, 14_400_000)
})

test('each wait lies within the jitter and never shrinks in its middle', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2000 }),
      fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      (attempt, fraction) => {
        const middle = retryDelayMs(defaultRetryPolicy, attempt, 0.5)
        const wait = retryDelayMs(defaultRetryPolicy, attempt, fraction)
        assert.ok(wait >= middle * 0.8 - 1 && wait <= middle * 1.2 + 1)
        assert.ok(retryDelayMs(defaultRetryPolicy, attempt + 1, 0.5) >= middle)
        const down = destinationDelayMs(defaultRetryPolicy, attempt, fraction)
        assert.ok(down >= middle * 0.8 - 1 && down <= 3_600_000)
      },
    ),
  )
})

test('messages deferred together are not tried together again', () => {
  const at = Array.from({ length: 200 }, (_, seq) =>
    nextTryAt(defaultRetryPolicy, { messageId: '1jdrdla00007rn7soduk', seq, attemptCount: 1 }, 0),
  )
  assert.ok(new Set(at).size > 150)
  assert.ok(Math.min(...at) < 26_000 && Math.max(...at) > 34_000)
})

test('a policy takes what is given over the defaults', () => {
  assert.deepEqual(retryPolicy(), defaultRetryPolicy)
  assert.equal(retryPolicy({ firstMs: 5 }).firstMs, 5)
  assert.equal('delayNoticeAfterMs' in retryPolicy({ delayNoticeAfterMs: undefined }), false)
})
