// What becomes of mail that waits, or was under way when the process died, when the configuration has changed since:
// nothing goes out that the mode of today would not let out. DESIGN.md section 1.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { DeliveryMode } from '../../src/posthouse/config.ts'
import { newMessage } from '../../src/store/sample.test.ts'
import { until, World } from './support/world.ts'

const states = ['waiting', 'active'] as const

/** A message to far.test in the store of a server that was in mode relay and is gone. */
async function leftBehind(world: World, destination: string, state: (typeof states)[number]) {
  const store = await world.openStore()(() => {})
  const now = world.clock.now()
  const message = newMessage({
    recipients: ['b@far.test'],
    destination,
    state,
    at: now,
    dueAt: now,
    expiresAt: now + 86_400_000,
  })
  await store.accept(message)
  await store.close()
  return message.message.id
}

describe('mail of mode relay after a restart in another mode is not sent', () => {
  for (const state of states)
    for (const mode of ['capture', 'hold', 'discard'] satisfies DeliveryMode[])
      it(`${state}, then ${mode}`, async (t) => {
        const world = World.for(t)
        const sink = await world.sink()
        const id = await leftBehind(world, `smtp:127.0.0.1:${sink.port}`, state)
        const server = await world.toSink(sink, { delivery: { mode } })
        if (mode === 'hold')
          await until('it is held', async () => (await server.queue())[0]?.delivery.state === 'held')
        else {
          await server.drained()
          const delivered = (await server.report(id)).events.find((event) => event.kind === 'delivered')
          assert.ok(delivered !== undefined)
        }
        assert.equal(sink.peer.connectionCount, 0)
      })

  it('and still is when the mode is the same', async (t) => {
    const world = World.for(t)
    const sink = await world.sink()
    await leftBehind(world, `smtp:127.0.0.1:${sink.port}`, 'active')
    const server = await world.toSink(sink)
    await server.drained()
    assert.equal(sink.peer.messages.length, 1)
  })
})
