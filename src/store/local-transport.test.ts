// Owns the tests of the transports that end here.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DeliveryJob } from '../queue/transport.ts'
import { VirtualClock } from '../testing/virtual-clock.ts'
import { bytesBody } from './body-file.ts'
import { createCaptureTransport, createDiscardTransport, createLocalTransport } from './local-transport.ts'
import { newMessage } from './sample.test.ts'

const job = (): DeliveryJob => {
  const { message, deliveries } = newMessage({ recipients: ['a@example.test', 'b@example.test'] })
  return { message, deliveries, body: bytesBody(new Uint8Array(0)) }
}
const { signal } = new AbortController()

test('local delivery names account and INBOX, with Return-Path and Delivered-To before the body', async () => {
  const clock = new VirtualClock()
  const local = createLocalTransport({ clock, accountFor: (delivery) => `box-of-${delivery.recipient}` })
  const { outcomes, destination } = await local.deliver(job(), signal)
  assert.equal(destination, 'up')
  assert.deepEqual(outcomes[1], {
    kind: 'delivered',
    how: 'local',
    placement: {
      account: 'box-of-b@example.test',
      mailbox: 'INBOX',
      prefix: 'Return-Path: <sender@source.example>\r\nDelivered-To: b@example.test\r\n',
      internalDate: clock.now(),
    },
  })
})

test('capture keeps each recipient, discard none', async () => {
  const clock = new VirtualClock()
  const captured = await createCaptureTransport({ clock }).deliver(job(), signal)
  assert.deepEqual(
    captured.outcomes.map((outcome) => outcome.kind === 'delivered' && outcome.placement?.account),
    ['capture', 'capture'],
  )
  const discarded = await createDiscardTransport({ clock }).deliver(job(), signal)
  assert.deepEqual(discarded.outcomes, [
    { kind: 'delivered', how: 'discarded' },
    { kind: 'delivered', how: 'discarded' },
  ])
})
