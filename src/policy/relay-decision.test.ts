// Owns the table of the open-relay decision: every combination of what it asks, against the few that may pass.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decideRelay } from './relay-decision.ts'

const listeners = ['mx', 'submission', 'lmtp'] as const
const modes = ['relay', 'capture', 'hold', 'discard'] as const
const addresses = ['127.0.0.1', '127.8.9.10', '::1', '192.0.2.7', '10.0.0.1', '2001:db8::1', ''] as const

test('open-relay decision: a stranger reaches our own domains only, whatever else is true', () => {
  let count = 0
  for (const listener of listeners) {
    for (const mode of modes) {
      for (const remoteAddress of addresses) {
        for (const identity of [undefined, 'alice@example.test']) {
          for (const isOurDomain of [true, false]) {
            for (const isRelayNetwork of [true, false]) {
              const got = decideRelay({
                listener,
                mode,
                remoteAddress,
                identity,
                isOurDomain,
                isRelayNetwork,
              }).kind
              const loopback =
                remoteAddress.startsWith('127.') || remoteAddress === '::1' || remoteAddress === ''
              // Written anew, as a list of who may, so that a slip in the function is not a slip here.
              const may =
                identity !== undefined ||
                isRelayNetwork ||
                (listener !== 'submission' && isOurDomain) ||
                (listener === 'mx' && mode === 'capture' && loopback)
              assert.equal(
                got,
                may ? 'accept' : 'refuse',
                JSON.stringify({ listener, mode, remoteAddress, identity, isOurDomain, isRelayNetwork }),
              )
              count++
            }
          }
        }
      }
    }
  }
  assert.equal(count, 3 * 4 * 7 * 2 * 2 * 2)
})

const table: readonly (readonly [string, Parameters<typeof decideRelay>[0], string])[] = [
  [
    'the world to the world',
    {
      listener: 'mx',
      mode: 'relay',
      remoteAddress: '192.0.2.7',
      identity: undefined,
      isOurDomain: false,
      isRelayNetwork: false,
    },
    '550 5.7.1',
  ],
  [
    'this machine to the world, mode relay',
    {
      listener: 'mx',
      mode: 'relay',
      remoteAddress: '127.0.0.1',
      identity: undefined,
      isOurDomain: false,
      isRelayNetwork: false,
    },
    '550 5.7.1',
  ],
  [
    'this machine to the world, mode hold',
    {
      listener: 'mx',
      mode: 'hold',
      remoteAddress: '::1',
      identity: undefined,
      isOurDomain: false,
      isRelayNetwork: false,
    },
    '550 5.7.1',
  ],
  [
    'submission without login',
    {
      listener: 'submission',
      mode: 'relay',
      remoteAddress: '127.0.0.1',
      identity: undefined,
      isOurDomain: true,
      isRelayNetwork: false,
    },
    '530 5.7.0',
  ],
  [
    'lmtp to the world',
    {
      listener: 'lmtp',
      mode: 'capture',
      remoteAddress: '127.0.0.1',
      identity: undefined,
      isOurDomain: false,
      isRelayNetwork: false,
    },
    '550 5.7.1',
  ],
]

for (const [name, question, want] of table) {
  test(`refused: ${name} with ${want}`, () => {
    const verdict = decideRelay(question)
    assert.equal(verdict.kind === 'refuse' && `${verdict.reply.code} ${verdict.reply.status}`, want)
  })
}
