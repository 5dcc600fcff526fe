// Owns the proof of auth-throttle.ts: waits grow and end, memory is bounded, nobody is locked out of his own place.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { type AuthThrottle, createAuthThrottle } from './auth-throttle.ts'

const guesser = '192.0.2.66'
const fail = (throttle: AuthThrottle, username: string, address: string, count = 1): void => {
  for (let i = 0; i < count; i++) throttle.report({ username, address, ok: false })
}
const isAllowed = (throttle: AuthThrottle, username: string | undefined, address: string): boolean =>
  throttle.allow({ username, address }).kind === 'accept'

test('AUTH failures slow down per account: each further try waits twice as long, up to the most', async () => {
  const clock = new VirtualClock()
  const throttle = createAuthThrottle({ clock, accountFailuresMax: 3, firstWaitMs: 1000, waitMsMax: 8000 })
  fail(throttle, 'alice', guesser, 2)
  assert.ok(isAllowed(throttle, 'alice', guesser))
  for (const waitMs of [1000, 2000, 4000, 8000, 8000]) {
    fail(throttle, 'ALICE', guesser)
    const verdict = throttle.allow({ username: 'alice', address: '198.51.100.1' })
    assert.ok(verdict.kind === 'refuse')
    assert.equal(verdict.reply.code, 454)
    assert.equal(verdict.reply.status, '4.7.0')
    assert.match(verdict.reply.lines[0] ?? '', new RegExp(`in ${waitMs / 1000}s$`))
    await clock.advance(waitMs - 1)
    assert.ok(!isAllowed(throttle, 'alice', guesser))
    await clock.advance(1)
    assert.ok(isAllowed(throttle, 'alice', guesser))
  }
  assert.ok(isAllowed(throttle, 'bob', guesser))
})

test('AUTH failures slow down per address, whatever the names; a /64 is one address', () => {
  const throttle = createAuthThrottle({ clock: new VirtualClock(), addressFailuresMax: 5 })
  for (let i = 0; i < 5; i++) fail(throttle, `user${i}`, `2001:db8::${i + 1}`)
  assert.ok(!isAllowed(throttle, 'someone', '2001:db8::ffff'))
  assert.ok(!isAllowed(throttle, undefined, '2001:db8::1'))
  assert.ok(isAllowed(throttle, 'someone', '2001:db8:0:1::1'))
})

test('many connections at once guess no faster than one', () => {
  const clock = new VirtualClock()
  const throttle = createAuthThrottle({ clock, accountFailuresMax: 1, firstWaitMs: 1000 })
  fail(throttle, 'alice', guesser)
  return clock.advance(1000).then(() => {
    const got = Array.from({ length: 50 }, (_, i) => isAllowed(throttle, 'alice', `203.0.113.${i}`))
    assert.equal(got.filter(Boolean).length, 1)
  })
})

test('guesses from elsewhere do not lock the owner out where he logged in before', () => {
  const throttle = createAuthThrottle({ clock: new VirtualClock() })
  throttle.report({ username: 'alice', address: '198.51.100.7', ok: true })
  fail(throttle, 'alice', guesser, 10)
  assert.ok(isAllowed(throttle, 'alice', '198.51.100.7'))
  assert.ok(!isAllowed(throttle, 'alice', '198.51.100.8'))
})

test('a success does not reset what its address did to other accounts', () => {
  const clock = new VirtualClock()
  const throttle = createAuthThrottle({ clock, addressFailuresMax: 3 })
  fail(throttle, 'alice', guesser, 3)
  throttle.report({ username: 'own', address: guesser, ok: true })
  fail(throttle, 'bob', guesser)
  assert.ok(!isAllowed(throttle, 'carol', guesser))
})

test('failures are forgotten by time', async () => {
  const clock = new VirtualClock()
  const throttle = createAuthThrottle({ clock, accountFailuresMax: 2, forgetMs: 60_000, waitMsMax: 10_000 })
  fail(throttle, 'alice', guesser, 9)
  await clock.advance(60_000)
  fail(throttle, 'alice', guesser)
  assert.ok(isAllowed(throttle, 'alice', guesser))
})

test('no number of names and addresses makes it forget the one that fails most lately, nor throw', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string(), fc.ipV4()), { maxLength: 200 }), (attempts) => {
      const throttle = createAuthThrottle({
        clock: new VirtualClock(),
        entriesMax: 10,
        accountFailuresMax: 1,
      })
      for (const [username, address] of attempts) {
        throttle.allow({ username, address })
        fail(throttle, username, address)
        assert.ok(!isAllowed(throttle, username, address))
      }
    }),
    { numRuns: 50 },
  )
})
