// How the sum of DMARC reports and a failure report look on a terminal, with words that are made to harm it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DmarcSourceItem, DmarcSourcesView } from '../http/api-types.ts'
import { createContext } from './context.ts'
import { formatFailure, formatSources } from './report-dmarc.ts'
import { colours } from './text.ts'

const context = { ...createContext(), colours: colours(false), width: undefined }

const source = (ip: string, passCount: number, failCount: number, more = {}): DmarcSourceItem => ({
  ip,
  count: passCount + failCount,
  passCount,
  failCount,
  dkimAlignedCount: passCount,
  spfAlignedCount: 0,
  dispositions: { pass: passCount, reject: failCount },
  headerFrom: ['us.test'],
  authenticated: [],
  ...more,
})

const view = (more: Partial<DmarcSourcesView> = {}): DmarcSourcesView => ({
  reportCount: 2,
  passCount: 90,
  failCount: 3,
  dispositions: { pass: 90, reject: 3 },
  sources: [
    source('192.0.2.1', 90, 0, { authenticated: ['us.test\u001b[2J'] }),
    source('', 0, 3, { headerFrom: ['a.us.test', 'evil\u202e.test'] }),
  ],
  sourceCount: 9,
  otherCount: 4,
  reporters: [
    { organization: 'Big\u0007', messageCount: 80 },
    { organization: 'Small', messageCount: 13 },
  ],
  ...more,
})

test('who sends: a line for each address, what was done, and what is not shown', () => {
  const lines = formatSources(view(), 30, context)
  const text = lines.join('\n')
  assert.match(
    lines[0] ?? '',
    /^90 messages passed DMARC, 3 failed: 2 reports of the last 30 days, by Big.*, Small\.$/,
  )
  assert.match(text, /^SENT FROM +PASSED +FAILED +DKIM +SPF +DONE +AS +STANDS BEHIND IT$/m)
  assert.match(text, /^192\.0\.2\.1 +90 +0 +90 +0 +pass 90 +us\.test/m)
  assert.match(text, /^no address +0 +3 +0 +0 +reject 3 +a\.us\.test, evil/m)
  assert.match(text, /7 more addresses: --limit/)
  assert.match(text, /4 messages of addresses/)
  assert.ok(!/[\u0000-\u0009\u000b-\u001f\u202e]/.test(text))
})

test('no reports', () => {
  assert.deepEqual(formatSources(view({ reportCount: 0 }), 7, context), [
    'No DMARC report tells of the last 7 days.',
  ])
})

test('a failure report: what failed, and nothing that acts on a terminal', () => {
  const text = formatFailure(
    {
      sourceIp: '192.0.2.66',
      authFailure: 'dmarc',
      identityAlignment: ['dkim', 'spf'],
      deliveryResult: 'reject\u001b[2J',
      dkim: { domain: 'us.test', identity: '', selector: 's\u0007' },
      originalRecipients: ['REDACTED@them.test'],
    },
    context,
  ).join('\n')
  assert.match(text, /192\.0\.2\.66/)
  assert.match(text, /dkim, spf/)
  assert.match(text, /REDACTED@them\.test/)
  assert.ok(!/[\u0000-\u0009\u000b-\u001f]/.test(text))
  assert.deepEqual(formatFailure({}, context), [])
})
