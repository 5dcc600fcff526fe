import assert from 'node:assert/strict'
import { it } from 'node:test'
import { seededRandom } from '../testing/seeded-random.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { HostHealth } from './host-health.ts'

const make = () => {
  const clock = new VirtualClock()
  return { clock, health: new HostHealth({ clock, random: seededRandom(1), dialsMax: 2, hostsMax: 3 }) }
}

it('a failed address is skipped for longer and longer, up to ten minutes, and tried by one at a time', async () => {
  const { clock, health } = make()
  let waited = 0
  for (let n = 0; n < 8; n++) {
    assert.equal(health.enter('a').kind, 'dial')
    assert.equal(n === 0 ? 'dial' : health.enter('a').kind, n === 0 ? 'dial' : 'skip')
    health.settle('a', 'refused')
    const gate = health.enter('a')
    assert.ok(gate.kind === 'skip' && gate.problem.reason === 'refused')
    const wait = gate.problem.skipUntil - clock.now()
    assert.ok(wait <= 660_000 && (wait > waited || wait >= 540_000), `${wait} after ${waited}`)
    waited = wait
    await clock.advance(wait)
  }
  assert.ok(waited >= 540_000)
})

it('who comes while enough dial waits for the result', async () => {
  const { health } = make()
  assert.equal(health.enter('a').kind, 'dial')
  assert.equal(health.enter('a').kind, 'dial')
  const third = health.enter('a')
  assert.equal(third.kind, 'wait')
  health.settle('a', 'refused')
  if (third.kind === 'wait') await third.until
  assert.equal(health.enter('a').kind, 'skip')
})

it('dials that fail together count once', () => {
  const { clock, health } = make()
  health.enter('a')
  health.enter('a')
  health.settle('a', 'refused')
  health.settle('a', 'refused')
  const gate = health.enter('a')
  assert.ok(gate.kind === 'skip' && gate.problem.skipUntil - clock.now() <= 33_000)
})

it('an address that answers is forgotten, and memory is bounded', () => {
  const { health } = make()
  health.enter('a')
  health.settle('a', undefined)
  assert.equal(health.size, 0)
  health.enter('a')
  health.leave('a')
  assert.equal(health.size, 0)
  for (const key of ['a', 'b', 'c', 'd', 'e']) {
    health.enter(key)
    health.settle(key, 'refused')
  }
  assert.equal(health.size, 3)
})
