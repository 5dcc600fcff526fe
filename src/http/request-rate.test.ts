import assert from 'node:assert/strict'
import { it } from 'node:test'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { RequestRate } from './request-rate.ts'

it('so many a minute from one address and from all; a /64 is one address', async () => {
  const clock = new VirtualClock(Date.parse('2026-11-21T12:00:30Z'))
  const rate = new RequestRate({ clock, perAddress: 2, all: 5 })
  assert.deepEqual(
    ['192.0.2.1', '192.0.2.1', '192.0.2.1', '2001:db8::1', '2001:db8::2', '2001:db8:0:0:ffff::3'].map((ip) =>
      rate.enter(ip),
    ),
    [undefined, undefined, 30, undefined, undefined, 30],
  )
  assert.equal(rate.enter('2001:db8:0:1::1'), undefined)
  assert.equal(rate.enter('192.0.2.2'), 30, 'all together')
  await clock.advance(30_000)
  assert.equal(rate.enter('192.0.2.1'), undefined)
})
