// The timeline in words: checks with what they found, attempts with their notes, and no structure of ours shows through.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MessageReport } from '../http/control-api.ts'
import type { TimelineEvent } from '../queue/types.ts'
import { createContext } from './context.ts'
import { formatReport } from './explain.ts'

const at = Date.parse('2026-11-22T06:00:00Z')
const event = (kind: TimelineEvent['kind'], data: TimelineEvent['data'], seq?: number): TimelineEvent => ({
  messageId: 'm',
  at,
  kind,
  data,
  ...(seq !== undefined && { seq }),
})

function told(events: readonly TimelineEvent[]): string[] {
  const report: MessageReport = {
    message: {
      id: 'm',
      receivedAt: at,
      reversePath: 'a@here.test',
      sizeBytes: 100,
      smtputf8: false,
      body8bit: false,
      origin: { via: 'smtp' },
    },
    deliveries: [],
    events,
    placements: [],
    hasBody: true,
    destinations: [],
    now: at,
  }
  const lines = formatReport(report, createContext(), { timeline: true, transcript: false })
  return lines.slice(lines.findIndex((line) => line.includes('What happened')) + 1)
}

test('explain: a check says what it found, each signature by itself', () => {
  const lines = told([
    event('accepted', { recipientCount: 1, recipients: ['alice@here.test'] }),
    event('check', {
      text: 'dkim: pass',
      check: 'dkim',
      result: 'pass',
      tookMs: 3,
      data: {
        isTest: false,
        signatures: [
          { result: 'pass', reason: '', domain: 'a.test' },
          { result: 'fail', domain: 'b.test\x1b[2J' },
        ],
      },
    }),
  ])
  assert.match(lines[0] ?? '', /accepted for alice@here\.test$/)
  assert.match(lines[1] ?? '', /check dkim: pass$/)
  assert.deepEqual(
    lines.slice(2, 4).map((line) => line.trim()),
    ['isTest false', 'signatures: result pass, domain a.test'],
  )
  assert.match(lines[4] ?? '', /signatures: result fail, domain b\.test/)
  assert.ok(!lines.join('').includes('\u001b[2J'), 'no control of the terminal')
})

test('explain: what an attempt noted stands once, and its form for other languages not at all', () => {
  const noted = {
    notes: ['signed for here.test by s1 (RSA 2048)'],
    told: [{ code: 'signed', data: { domain: 'here.test' } }],
    policy: 'no policy',
  }
  const lines = told([
    event('attempt', { destination: 'mx:b.test', ...noted }),
    event('delivered', { host: 'mx.b.test', reply: '250 ok', how: 'relayed', ...noted }, 0),
  ])
  assert.equal(lines.filter((line) => line.includes('signed for here.test')).length, 1)
  assert.doesNotMatch(lines.join('\n'), /told|object Object|\{/)
})
