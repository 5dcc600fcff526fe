// Verdicts out of timelines as the checks write them, and out of what no check has written.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adminAccount, apiPasswords, startApiWorld, userAccount } from '../../test/support/api-world.ts'
import { createMailer } from '../client.ts'
import type { TimelineEvent } from '../queue/types.ts'
import { checks, message } from './answers.ts'
import { verdictsOf } from './verdict-view.ts'

const step = (data: Readonly<Record<string, unknown>>): TimelineEvent => ({
  messageId: 'm',
  at: 1,
  kind: 'check',
  data,
})
const events: readonly TimelineEvent[] = [
  { messageId: 'm', at: 1, kind: 'accepted', data: { check: 'spf', result: 'pass' } },
  step({
    check: 'spf',
    result: 'softfail',
    reason: '~all',
    data: { identity: 'mailfrom', domain: 'a.test' },
    tookMs: 4,
  }),
  step({
    check: 'dkim',
    result: 'pass',
    reason: 'of the first',
    data: {
      signatures: [
        { result: 'pass', reason: '', domain: 'a.test', selector: 's1', algorithm: 'rsa-sha256' },
        { result: 'fail', reason: 'the body was changed', domain: 'b.test', selector: 's2' },
      ],
    },
  }),
  step({ check: 'dkim', result: 'none', data: { signatures: [] } }),
  step({ check: 'dnslist', name: 'bl.test', result: 'listed', advice: 'refuse', reason: '127.0.0.2' }),
  step({ check: 'policy', result: 'quarantine', data: { recipient: 'other@here.test' } }),
  step({ check: 'decision', result: 'quarantine', by: 'dmarc' }),
]

test('verdicts: one for each check and each signature, with what its word means', () => {
  assert.deepEqual(
    verdictsOf(events, true).map(({ check, name, result, meaning }) =>
      [check, name, result, meaning].filter((one) => one !== undefined).join(' '),
    ),
    [
      'spf softfail bad',
      'dkim pass good',
      'dkim fail bad',
      'dkim none neutral',
      'dnslist bl.test listed bad',
      'policy quarantine bad',
      'decision quarantine bad',
    ],
  )
  const [spf, first, second] = verdictsOf(events, true)
  assert.deepEqual(spf, {
    check: 'spf',
    result: 'softfail',
    meaning: 'bad',
    reason: '~all',
    domain: 'a.test',
    identity: 'mailfrom',
    tookMs: 4,
  })
  assert.equal(first?.reason, undefined)
  assert.equal(second?.reason, 'the body was changed')
  assert.equal(second?.selector, 's2')
})

test('verdicts: a recipient sees what is about the message, and nothing of others', () => {
  const checks = verdictsOf(events, false).map(({ check }) => check)
  assert.deepEqual(checks, ['spf', 'dkim', 'dkim', 'dkim'])
})

test('verdicts: data that no check writes gives none, and nothing is thrown', () => {
  for (const data of [
    {},
    { check: 5, result: 'pass' },
    { check: 'spf' },
    { check: 'spf', result: {} },
    { check: 'dkim', data: { signatures: [null, 'x', 7, []] } },
  ])
    assert.deepEqual(verdictsOf([step(data)], true), [])
  const odd = verdictsOf([step({ check: 'x', result: 'constructor', data: 'y', reason: 3 })], true)
  assert.deepEqual(odd, [{ check: 'x', result: 'constructor', meaning: 'neutral' }])
})

test('verdicts: a kept message has them where it was judged, in mode capture, too, as the API declares', async (t) => {
  const world = await startApiWorld({
    config: {
      delivery: { mode: 'capture' },
      networks: { relay: [] },
      listeners: { mx: '127.0.0.1:0', submission: false, submissions: false, http: '127.0.0.1:0' },
      inbound: { policy: async ({ stage }) => (stage === 'data' ? 'quarantine' : undefined) },
    },
  })
  t.after(() => world.close())
  const { listeners } = await world.posthouse.control.status()
  const port = listeners.find(({ name }) => name === 'mx')?.port
  const mailer = createMailer(`smtp://127.0.0.1:${port}`)
  t.after(() => mailer.close())
  await mailer.send({ from: 'a@there.test', to: userAccount, subject: 'judged', text: 'x' })
  const admin = await world.logIn(adminAccount, apiPasswords.admin)
  const list = (await world.ask('GET', '/v1/messages', { headers: admin })).json as {
    items: { id: string }[]
  }
  const answer = await world.ask('GET', `/v1/messages/${list.items[0]?.id}`, { headers: admin })
  const { verdicts } = message.parse(answer.json)
  assert.deepEqual(
    verdicts?.map(({ check, result, meaning }) => [check, result, meaning]),
    [
      ['policy', 'quarantine', 'bad'],
      ['decision', 'quarantine', 'bad'],
    ],
  )
  const { checks: told } = checks.parse(
    (await world.ask('GET', `/v1/messages/${list.items[0]?.id}/checks`, { headers: admin })).json,
  )
  assert.ok(told.some(({ id }) => id === 'authentication.dkim'))
  const sent = await world.posthouse.submit({
    from: 'a@there.test',
    to: [userAccount],
    raw: 'From: a@there.test\r\n\r\nx\r\n',
  })
  const unjudged = await world.ask('GET', `/v1/messages/${sent.id}`, { headers: admin })
  assert.equal(message.parse(unjudged.json).verdicts, undefined)
})
