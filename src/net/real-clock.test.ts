// Real time: timers fire once, cancel, keep nothing alive, and take delays of any size.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { it, mock } from 'node:test'
import { realClock } from './real-clock.ts'
import { realRandom } from './real-random.ts'

it('real clock: fires once, after the delay; cancel is idempotent', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const fire = mock.fn()
  const cancelled = mock.fn()
  realClock.setTimer(100, fire)
  const timer = realClock.setTimer(100, cancelled)
  t.mock.timers.tick(99)
  assert.equal(fire.mock.callCount(), 0)
  timer.cancel()
  timer.cancel()
  t.mock.timers.tick(1000)
  assert.equal(fire.mock.callCount(), 1)
  assert.equal(cancelled.mock.callCount(), 0)
})

it('real clock: delays above 2^31-1 ms are waited for in steps', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const monthMs = 30 * 86_400_000
  const fire = mock.fn()
  const cancelled = mock.fn()
  realClock.setTimer(monthMs, fire)
  const timer = realClock.setTimer(monthMs, cancelled)
  t.mock.timers.tick(2 ** 31 - 1)
  assert.equal(fire.mock.callCount(), 0)
  timer.cancel()
  t.mock.timers.tick(monthMs - (2 ** 31 - 1) - 1)
  assert.equal(fire.mock.callCount(), 0)
  t.mock.timers.tick(1)
  assert.equal(fire.mock.callCount(), 1)
  assert.equal(cancelled.mock.callCount(), 0)
})

it('real clock: timers do not keep the process alive; 0 is a later turn', () => {
  const program = `
    import { realClock } from ${JSON.stringify(new URL('./real-clock.ts', import.meta.url).href)}
    let sync = true
    realClock.setTimer(60_000, () => {})
    realClock.setTimer(0, () => console.log('never, or later:', sync))
    realClock.defer(() => console.log('deferred', sync))
    sync = false`
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    timeout: 20_000,
  })
  assert.match(out, /deferred false/)
  assert.doesNotMatch(out, /true/)
})

it('real clock: now is the time, in ms', () => {
  const before = Date.now()
  const now = realClock.now()
  assert.ok(now >= before && now <= Date.now())
})

it('real random: as many bytes as asked, not the same twice; fractions in [0, 1)', () => {
  assert.equal(realRandom.bytes(0).length, 0)
  assert.notDeepEqual(realRandom.bytes(32), realRandom.bytes(32))
  for (let i = 0; i < 100; i++) {
    const fraction = realRandom.fraction()
    assert.ok(fraction >= 0 && fraction < 1)
  }
})
