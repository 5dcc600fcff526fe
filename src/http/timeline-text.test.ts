import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { TimelineEvent } from '../queue/types.ts'
import { eventText } from './timeline-text.ts'

const event = (data: TimelineEvent['data']): TimelineEvent => ({ messageId: 'x', at: 0, kind: 'dsn', data })

test('timeline: a report that was sent, and one that was not', () => {
  assert.equal(
    eventText(event({ kind: 'failed', id: 'y', to: 'me@home.test', seqs: [0] })),
    'A report (failed) was sent to me@home.test.',
  )
  assert.equal(
    eventText(event({ kind: 'failed', skipped: 'no report: the message has a null reverse-path' })),
    'Nobody was told (failed): no report: the message has a null reverse-path.',
  )
})
