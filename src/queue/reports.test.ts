// Who is told of what (RFC 3461, RFC 3464): NOTIFY, RET, ENVID and ORCPT to the end.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Notify } from '../smtp/envelope.ts'
import {
  type Answer,
  delivered,
  greylisted,
  type QueueWorld,
  queueWorld,
  refused,
} from '../testing/queue-world.ts'
import { StoreFailure } from './store.ts'
import type { Delivery, Outcome } from './types.ts'

const hour = 3_600_000

/** Mail back to us arrives; the rest gets `answer`. */
async function worldOf(answer: (delivery: Delivery) => Answer, options = {}): Promise<QueueWorld> {
  return queueWorld({
    deliver: (delivery) => (delivery.domain === 'home.test' ? delivered : answer(delivery)),
    ...options,
  })
}

const passedOn: Outcome = { ...delivered, dsnPassedOn: true } as Outcome
const local: Outcome = {
  kind: 'delivered',
  how: 'local',
  placement: { account: 'bob@there.test', mailbox: 'INBOX', prefix: '', internalDate: 0 },
}

test('which reports NOTIFY asks for, by what happens', async () => {
  const table: readonly (readonly [readonly Notify[] | undefined, Answer, readonly string[]])[] = [
    [undefined, delivered, []],
    [undefined, refused, ['failed']],
    [undefined, greylisted, ['delayed', 'failed']],
    [['NEVER'], refused, []],
    [['NEVER'], greylisted, []],
    [['NEVER'], delivered, []],
    [['SUCCESS'], delivered, ['relayed']],
    [['SUCCESS'], passedOn, []],
    [['SUCCESS'], local, ['delivered']],
    [['SUCCESS'], refused, []],
    [['FAILURE'], refused, ['failed']],
    [['FAILURE'], delivered, []],
    [['FAILURE'], greylisted, ['failed']],
    [['DELAY'], greylisted, ['delayed']],
    [['SUCCESS', 'FAILURE', 'DELAY'], greylisted, ['delayed', 'failed']],
    [['SUCCESS', 'FAILURE'], local, ['delivered']],
  ]
  for (const [notify, answer, expected] of table) {
    const world = await worldOf(() => answer, { retry: { giveUpAfterMs: 6 * hour } })
    await world.send(['bob@there.test'], { rows: () => (notify === undefined ? {} : { notify }) })
    await world.clock.advance(7 * hour)
    assert.deepEqual(
      world.reports().map((report) => report.kind),
      expected,
      `${notify} ${JSON.stringify(answer)}`,
    )
    assert.equal(world.store.rows.size, 0)
  }
})

test('one report per message and kind for all recipients of a settle', async () => {
  const world = await worldOf(() => refused)
  const id = await world.send(['a@there.test', 'b@there.test', 'c@there.test'])
  const [report, ...others] = world.reports()
  assert.equal(others.length, 0)
  assert.equal(report?.text.match(/Final-Recipient: /g)?.length, 3)
  const dsn = world.store.eventsOf(id).filter((event) => event.kind === 'dsn')
  assert.deepEqual(
    dsn.map((event) => event.data),
    [{ kind: 'failed', id: report?.id, to: 'me@home.test', seqs: [0, 1, 2] }],
  )
})

test('a report has the null reverse-path, goes to the sender and carries ENVID, ORCPT and the words', async () => {
  const world = await worldOf(() => refused)
  await world.send(['bob@there.test'], {
    envid: 'QQ314159',
    rows: () => ({ orcpt: 'rfc822;sales@home.test', alias: 'sales@home.test' }),
  })
  const [report] = world.reports()
  assert.equal(report?.message.reversePath, '')
  assert.deepEqual(world.dialsTo('mx:home.test')[0]?.recipients, ['me@home.test'])
  for (const line of [
    'Original-Envelope-Id: QQ314159',
    'Original-Recipient: rfc822; sales@home.test',
    'Final-Recipient: rfc822; bob@there.test',
    'Action: failed',
    'Status: 5.1.1',
    'Remote-MTA: dns; mx.there.test',
    'Diagnostic-Code: smtp; 550 5.1.1 no such user',
    'Auto-Submitted: auto-replied',
    'To: <me@home.test>',
    'From: Mail Delivery System <MAILER-DAEMON@mx.home.test>',
  ])
    assert.ok(report?.text.includes(`${line}\r\n`), line)
})

test('RET: FULL returns a small message whole, a large one and HDRS as headers', async () => {
  const small = 'Subject: hello\r\n\r\nthe text\r\n'
  const large = `Subject: hello\r\n\r\n${'the text\r\n'.repeat(10_000)}`
  const table = [
    ['FULL', small, 'message/rfc822', true],
    ['FULL', large, 'text/rfc822-headers', false],
    ['HDRS', small, 'text/rfc822-headers', false],
    [undefined, small, 'text/rfc822-headers', false],
  ] as const
  for (const [ret, body, type, whole] of table) {
    const world = await worldOf(() => refused)
    await world.send(['bob@there.test'], { body, ...(ret !== undefined && { ret }) })
    const [report] = world.reports()
    assert.ok(report?.text.includes(`Content-Type: ${type}\r\n`), `${ret}`)
    assert.equal(report?.text.includes('the text'), whole)
    assert.ok(report?.text.includes('Subject: hello'))
  }
})

test('RET=FULL speaks of failures only: a delay returns headers', async () => {
  const world = await worldOf(() => greylisted)
  await world.send(['bob@there.test'], { ret: 'FULL', body: 'Subject: hello\r\n\r\nthe text\r\n' })
  await world.clock.advance(5 * hour)
  assert.equal(world.reports()[0]?.kind, 'delayed')
  assert.equal(world.reports()[0]?.text.includes('the text'), false)
})

test('delay notice after 4 h, once per delivery, with Will-Retry-Until', async () => {
  const world = await worldOf(() => greylisted)
  await world.send(['bob@there.test', 'eve@there.test'])
  await world.clock.advance(4 * hour - 1000)
  assert.equal(world.reports().length, 0)
  await world.clock.advance(2000)
  const [report] = world.reports()
  assert.equal(report?.kind, 'delayed')
  assert.match(report?.text ?? '', /Will-Retry-Until: Tue, 06 Jan 2026 00:00:00 \+0000/)
  assert.match(report?.text ?? '', /Action: delayed/)
  const told = world
    .reports()
    .flatMap((each) => [...each.text.matchAll(/Final-Recipient: rfc822; (\S+)/g)].map((match) => match[1]))
  await world.clock.advance(20 * hour)
  const all = world
    .reports()
    .flatMap((each) => [...each.text.matchAll(/Final-Recipient: rfc822; (\S+)/g)].map((match) => match[1]))
  assert.deepEqual([...all].sort(), ['bob@there.test', 'eve@there.test'])
  assert.ok(told.length > 0)
})

test('a bounce of a bounce is never made; an event says so', async () => {
  const world = await queueWorld({ deliver: () => refused })
  const id = await world.send(['bob@there.test'])
  // The report itself is refused too.
  const [report, ...others] = world.reports()
  assert.equal(others.length, 0)
  assert.equal(world.store.rows.size, 0)
  const dsn = world.store.eventsOf(report?.id ?? '').find((event) => event.kind === 'dsn')
  assert.deepEqual(dsn?.data, { kind: 'failed', skipped: 'no report: the message has a null reverse-path' })
  assert.ok(world.eventKinds(id).includes('dsn'))
  const direct = await world.send(['bob@there.test'], {
    reversePath: '',
    rows: () => ({ notify: ['SUCCESS', 'FAILURE'] }),
  })
  assert.equal(world.reports().length, 1)
  assert.ok(world.eventKinds(direct).includes('failed'))
})

test('a report to a return address that is invalid or goes nowhere is dropped, with an event', async () => {
  for (const [reversePath, route] of [
    ['no address', undefined],
    ['me@nowhere.test', () => undefined],
    ['me@nowhere.test', () => []],
  ] as const) {
    const world = await queueWorld({ deliver: () => refused, ...(route !== undefined && { route }) })
    const id = await world.send(['bob@there.test'], { reversePath })
    assert.equal(world.reports().length, 0)
    const dsn = world.store.eventsOf(id).find((event) => event.kind === 'dsn')
    assert.deepEqual(dsn?.data, { kind: 'failed', skipped: 'no report: the return address cannot be routed' })
    assert.deepEqual(world.fatals, [])
  }
})

test('a report goes to each mailbox behind an alias of the sender', async () => {
  const world = await worldOf(() => refused, {
    route: () => [
      { destination: 'local', recipient: 'a@home.test', domain: 'home.test', alias: 'me@home.test' },
      { destination: 'mx:far.test', recipient: 'b@far.test', domain: 'far.test' },
    ],
  })
  world.deliver = (delivery) => (delivery.domain === 'there.test' ? refused : delivered)
  await world.send(['bob@there.test'])
  assert.deepEqual(
    world.dials.slice(1).map((dial) => [dial.destination, ...dial.recipients]),
    [
      ['local', 'a@home.test'],
      ['mx:far.test', 'b@far.test'],
    ],
  )
})

test('an alias for several with NOTIFY=SUCCESS: one expanded report, no success of each', async () => {
  const world = await worldOf(() => local)
  const rows = (): Partial<Delivery> => ({
    alias: 'team@home.test',
    orcpt: 'rfc822;team@home.test',
    notify: ['SUCCESS', 'FAILURE'],
  })
  const id = await world.send(['a@there.test', 'b@there.test'], { rows })
  assert.deepEqual(
    world.reports().map((report) => report.kind),
    ['expanded'],
  )
  assert.match(
    world.reports()[0]?.text ?? '',
    /Final-Recipient: rfc822; team@home.test\r\nAction: expanded\r\n/,
  )
  assert.equal(world.store.eventsOf(id).filter((event) => event.kind === 'dsn').length, 1)
})

test('behind an expanded alias failures are still reported, where they were asked for', async () => {
  const world = await worldOf(() => refused)
  await world.send(['a@there.test', 'b@there.test'], {
    rows: () => ({ alias: 'team@home.test', notify: ['SUCCESS', 'FAILURE'] }),
  })
  assert.deepEqual(
    world
      .reports()
      .map((report) => report.kind)
      .sort(),
    ['expanded', 'failed'],
  )
  const quiet = await worldOf(() => refused)
  await quiet.send(['a@there.test', 'b@there.test'], {
    rows: () => ({ alias: 'team@home.test', notify: ['SUCCESS'] }),
  })
  assert.deepEqual(
    quiet.reports().map((report) => report.kind),
    ['expanded'],
  )
})

test('an alias for one keeps its NOTIFY', async () => {
  const world = await worldOf(() => local)
  await world.send(['a@there.test'], { rows: () => ({ alias: 'sales@home.test', notify: ['SUCCESS'] }) })
  assert.deepEqual(
    world.reports().map((report) => report.kind),
    ['delivered'],
  )
})

test('what the accepting transaction served itself is reported too', async () => {
  const world = await worldOf(() => delivered)
  const message = world.make(['a@there.test'], { rows: () => ({ notify: ['SUCCESS'] }) })
  const [delivery] = message.deliveries
  assert.ok(delivery)
  const placement = { account: 'a@there.test', mailbox: 'INBOX', prefix: '', internalDate: 0 }
  await world.queue.accept({ ...message, deliveries: [], settled: [{ delivery, placement }] })
  await world.clock.settle()
  assert.deepEqual(
    world.reports().map((report) => report.kind),
    ['delivered'],
  )
})

test('SMTPUTF8 messages get the reports of RFC 6533', async () => {
  const world = await worldOf(() => refused)
  await world.send(['jürgen@there.test'], { smtputf8: true, reversePath: 'grüße@home.test' })
  const [report] = world.reports()
  assert.match(report?.text ?? '', /Content-Type: message\/global-delivery-status/)
  assert.match(report?.text ?? '', /Final-Recipient: utf-8; jürgen@there.test/)
  assert.equal(report?.message.smtputf8, true)
})

test('a report whose content cannot be read goes without', async () => {
  const world = await worldOf(() => greylisted)
  const id = await world.send(['bob@there.test'])
  world.store.fault = (call) => (call === 'openBody' ? new StoreFailure('failed', 'i/o') : undefined)
  await world.queue.bounceNow({ ids: [id] })
  const [report] = world.reports()
  assert.match(report?.text ?? '', /Action: failed/)
  assert.match(report?.text ?? '', /text\/rfc822-headers\r\n\r\n\r\n--/)
  assert.deepEqual(world.fatals, [])
})

test('the report is in the transaction of the failure: both or none', async () => {
  const world = await worldOf(() => refused)
  const { settle } = world.store
  const seen: (readonly [number, number])[] = []
  world.store.settle = function (settlement) {
    seen.push([settlement.changes.length, settlement.newMessages.length])
    return settle.call(this, settlement)
  }
  await world.send(['bob@there.test'])
  assert.deepEqual(seen[0], [1, 1])
})
