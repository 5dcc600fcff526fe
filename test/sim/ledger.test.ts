import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NewMessage } from '../../src/queue/types.ts'
import { Ledger } from './ledger.ts'

const id = '1jdre8qn11q88ui40kqg'
const delivery = {
  messageId: id,
  seq: 0,
  recipient: 'r@d0.test',
  domain: 'd0.test',
  destination: 'mx:d0.test',
  state: 'active',
  dueAt: 0,
  expiresAt: 1,
  attemptCount: 1,
} as const
const message: NewMessage = {
  message: {
    id,
    receivedAt: 0,
    reversePath: 's@home.test',
    sizeBytes: 1,
    smtputf8: false,
    body8bit: false,
    origin: { via: 'smtp' },
  },
  body: { kind: 'inline', chunks: [], sizeBytes: 0 },
  deliveries: [delivery],
  events: [],
}
const mail = { number: 1, at: 0, from: 's@home.test', recipients: [], bodyBytes: 1, pipelined: false }
const handed = {
  mail,
  at: 0,
  result: { kind: 'accepted', words: `250 2.0.0 queued as ${id}`, taken: ['r@d0.test'] },
} as const
const taking = (name: string) => ({
  id: name,
  at: 1,
  sink: 'mx1',
  reversePath: 's@home.test',
  recipients: ['r@d0.test'],
  body: `Received: from a by b with ESMTP id ${id};\r\n\r\n`,
})
const removal = { messageId: id, seq: 0, to: { kind: 'remove' } } as const
const ended = (kind: 'delivered' | 'failed') => ({
  changes: [removal],
  newMessages: [],
  events: [{ messageId: id, seq: 0, at: 1, kind, data: {} }],
})
const report = (dsn: string) => ({
  changes: [],
  newMessages: [],
  events: [{ messageId: id, seq: 0, at: 1, kind: 'dsn', data: { kind: 'failed', id: dsn } } as const],
})

/** What the world did, and the law that it breaks; undefined: none. */
const stories: readonly [string, (ledger: Ledger) => void, RegExp | undefined][] = [
  [
    'delivered once',
    (ledger) => {
      ledger.accepted(message)
      ledger.taken(taking('T1'))
      ledger.confirmed('T1')
      ledger.settled(ended('delivered'))
      ledger.handed.push(handed)
      ledger.finish(new Set(), new Set())
    },
    undefined,
  ],
  [
    'a 250 and nothing stored',
    (ledger) => {
      ledger.handed.push(handed)
      ledger.finish(new Set(), new Set())
    },
    /lost/,
  ],
  [
    'said to be delivered, and no host has it',
    (ledger) => {
      ledger.accepted(message)
      ledger.settled(ended('delivered'))
      ledger.handed.push(handed)
      ledger.finish(new Set(), new Set())
    },
    /no host took it/,
  ],
  [
    'failed, and nobody told',
    (ledger) => {
      ledger.accepted(message)
      ledger.settled(ended('failed'))
      ledger.handed.push(handed)
      ledger.finish(new Set(), new Set())
    },
    /nobody was told/,
  ],
  [
    'delivered twice while nobody died',
    (ledger) => {
      ledger.accepted(message)
      for (const name of ['T1', 'T2']) {
        ledger.taken(taking(name))
        ledger.confirmed(name)
      }
    },
    /delivered twice/,
  ],
  [
    'delivered twice, the first answer was never heard',
    (ledger) => {
      ledger.accepted(message)
      for (const name of ['T1', 'T2']) ledger.taken(taking(name))
      ledger.confirmed('T2')
    },
    undefined,
  ],
  [
    'delivered again by the next process, the first had not settled',
    (ledger) => {
      ledger.accepted(message)
      ledger.taken(taking('T1'))
      ledger.confirmed('T1')
      ledger.endedAt.set(0, 1)
      ledger.process = 1
      ledger.taken(taking('T2'))
      ledger.confirmed('T2')
    },
    undefined,
  ],
  [
    'failed after a host had it',
    (ledger) => {
      ledger.accepted(message)
      ledger.taken(taking('T1'))
      ledger.confirmed('T1')
      ledger.settled(ended('failed'))
    },
    /failed after/,
  ],
  [
    'two reports of one kind',
    (ledger) => {
      ledger.accepted(message)
      ledger.settled(report('a'))
      ledger.settled(report('b'))
    },
    /two reports/,
  ],
]

for (const [story, happens, law] of stories)
  test(`laws: ${story}`, () => {
    const ledger = new Ledger(() => 0)
    happens(ledger)
    if (law === undefined) assert.deepEqual(ledger.violations, [])
    else assert.match(ledger.violations.join('\n'), law)
  })
