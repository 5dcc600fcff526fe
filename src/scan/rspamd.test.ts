// rspamd's answers as its documentation has them: every action, every part of the section `milter`, a rewritten body, fields that
// are missing, and what is no answer.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyRspamdChanges, rspamdVerdict } from '../posthouse/inbound-scanners.ts'
import { HeaderEdit } from './header-edit.ts'
import { askRspamd, readRspamdAnswer, readRspamdReply } from './rspamd.ts'
import { noChanges } from './rspamd-changes.ts'
import { ScanFailure } from './scan-failure.ts'

const reply = (action: string, more: object = {}): string =>
  JSON.stringify({
    is_skipped: false,
    score: 5.2,
    required_score: 7,
    action,
    symbols: {
      DATE_IN_PAST: { name: 'DATE_IN_PAST', score: 0.1 },
      FORGED_SENDER: { name: 'FORGED_SENDER', score: 5 },
      FUZZY_DENIED: { name: 'FUZZY_DENIED', score: 0, options: ['1: 1.00 / 1.00', '1: 1.00 / 1.00'] },
    },
    urls: ['www.example.test'],
    emails: ['user@example.test'],
    'message-id': '1@example.test',
    time_real: 0.012,
    thresholds: { reject: 15, 'add header': 6, greylist: 4 },
    messages: {},
    ...more,
  })

const actions: readonly (readonly [action: string, more: object, becomes: string])[] = [
  ['no action', {}, 'taken'],
  ['greylist', {}, 'taken'],
  ['add header', {}, 'quarantine'],
  ['rewrite subject', { subject: '*** SPAM *** Hello' }, 'quarantine'],
  ['quarantine', {}, 'quarantine'],
  ['discard', {}, 'discard'],
  ['soft reject', { messages: { smtp_message: 'Try again later' } }, 'defer 451 Try again later'],
  ['soft reject', {}, 'defer 451 try again later'],
  ['reject', { messages: { smtp_message: 'Gtube pattern' } }, 'refuse 550 Gtube pattern'],
  ['reject', { messages: { smtp_message: 7 } }, 'refuse 550 this looks like spam'],
  ['reject', { messages: 'no' }, 'refuse 550 this looks like spam'],
  ['reject', { milter: { reject: 'discard' } }, 'discard'],
  ['reject', { milter: { reject: 'quarantine' } }, 'quarantine'],
  ['reject', { milter: { reject: 'what else' } }, 'refuse 550 this looks like spam'],
  ['add header', { milter: { reject: 'discard' } }, 'quarantine'],
  ['reject', { milter: { no_action: true } }, 'taken'],
]
for (const [action, more, becomes] of actions)
  test(`rspamd: ${action} ${JSON.stringify(more)} is ${becomes}`, () => {
    const { advice = 'taken', reply: words, discards } = rspamdVerdict(readRspamdAnswer(reply(action, more)))
    const said = words === undefined ? '' : ` ${words.code} ${words.text}`
    assert.equal(discards === true ? 'discard' : `${advice}${said}`, becomes)
  })

const header = 'A: 1\r\nX: one\r\nB: 2\r\nX: two\r\nX: three\r\nSubject: Hello\r\n\r\n'
const changes: readonly (readonly [what: string, milter: unknown, expected: string, action?: string])[] = [
  ['the first field', { add_headers: { N: { value: 'v', order: 0 } } }, `N: v\r\n${header}`],
  [
    'the second',
    { add_headers: { N: { value: 'v', order: 1 } } },
    header.replace('A: 1\r\n', 'A: 1\r\nN: v\r\n'),
  ],
  ['the last', { add_headers: { N: 'v' } }, header.replace('\r\n\r\n', '\r\nN: v\r\n\r\n')],
  [
    'far behind',
    { add_headers: { N: { value: 'v', order: 99 } } },
    header.replace('\r\n\r\n', '\r\nN: v\r\n\r\n'),
  ],
  [
    'a value of several lines',
    { add_headers: { N: { value: 'v=1;\n\ta=b', order: 0 } } },
    `N: v=1;\r\n\ta=b\r\n${header}`,
  ],
  [
    'a value that would be a field',
    { add_headers: { N: 'v\r\nEvil: 1' } },
    header.replace('\r\n\r\n', '\r\nN: v\r\n\tEvil: 1\r\n\r\n'),
  ],
  ['a name that is none', { add_headers: { 'N: x\r\nEvil': 'v', '': 'v' } }, header],
  ['removes the first', { remove_headers: { X: 1 } }, header.replace('X: one\r\n', '')],
  ['removes the last', { remove_headers: { x: -1 } }, header.replace('X: three\r\n', '')],
  ['removes the last but one', { remove_headers: { X: -2 } }, header.replace('X: two\r\n', '')],
  ['removes all', { remove_headers: { X: 0 } }, header.replace(/X: \w+\r\n/g, '')],
  [
    'removes the first and the second',
    { remove_headers: { X: [1, 2] } },
    header.replace('X: one\r\n', '').replace('X: two\r\n', ''),
  ],
  ['removes what is not there', { remove_headers: { X: 4, Y: 1, Z: -1 } }, header],
  ['removes none that is no number', { remove_headers: { X: 'all', A: null, B: {} } }, header],
  [
    'removes and adds the same name',
    { remove_headers: { X: 0 }, add_headers: { X: { value: 'new', order: 0 } } },
    `X: new\r\n${header.replace(/X: \w+\r\n/g, '')}`,
  ],
  [
    'spam header',
    { spam_header: 'X-Spam' },
    header.replace('\r\n\r\n', '\r\nX-Spam: Yes\r\n\r\n'),
    'add header',
  ],
  ['spam header of what is none', { spam_header: 'X-Spam' }, header],
  [
    'no action',
    { no_action: true },
    header.replace('\r\n\r\n', '\r\nX-Rspamd-Action: reject\r\n\r\n'),
    'reject',
  ],
  ['no object', [1, 2], header],
  ['no objects in it', { add_headers: 'X', remove_headers: ['X'] }, header],
]
for (const [what, milter, expected, action = 'no action'] of changes)
  test(`rspamd: header changes: ${what}`, () => {
    const edit = new HeaderEdit(Buffer.from(header))
    applyRspamdChanges(edit, readRspamdAnswer(reply(action, { milter })))
    assert.equal(Buffer.concat(edit.parts()).toString(), expected)
    assert.equal(edit.isChanged, expected !== header)
  })

test('rspamd: the envelope, and nothing where nothing is said', () => {
  const milter = {
    change_from: 'b@there.test',
    add_rcpt: ['c@d.test', 7, ''],
    del_rcpt: ['e@f.test'],
    spam_header: 3,
  }
  const { changes: found } = readRspamdAnswer(reply('no action', { milter }))
  assert.deepEqual(found, {
    ...noChanges,
    from: 'b@there.test',
    addRecipients: ['c@d.test'],
    deleteRecipients: ['e@f.test'],
  })
  for (const one of [
    reply('no action'),
    reply('no action', { milter: null }),
    reply('no action', { milter: 7 }),
  ])
    assert.deepEqual(readRspamdAnswer(one).changes, noChanges)
})

test('rspamd: the least answer there can be', () => {
  assert.deepEqual(readRspamdAnswer('{"action":"reject"}'), {
    action: 'reject',
    score: 0,
    requiredScore: 0,
    symbols: [],
    smtpMessage: '',
    changes: noChanges,
  })
  // What rspamd writes for a score that is none.
  assert.equal(readRspamdAnswer('{"action":"no action","score":null,"required_score":"7"}').requiredScore, 0)
})

test('rspamd: a rewritten body stands behind the JSON', () => {
  const json = reply('no action', { subject: 'ü' })
  const whole = Buffer.from(`${json}new body\n`)
  const offset = String(Buffer.byteLength(json))
  const { action, newBody } = readRspamdReply(whole, offset)
  assert.deepEqual([action, newBody?.toString()], ['no action', 'new body\n'])
  assert.equal(readRspamdReply(Buffer.from(json), undefined).newBody, undefined)
  assert.equal(readRspamdReply(Buffer.from(json), offset).newBody?.length, 0)
  for (const wrong of ['', '-1', '1', '99999', 'x', `${offset}.5`, ['1'], '0x10', String(Number(offset) - 1)])
    assert.throws(() => readRspamdReply(whole, wrong), ScanFailure, String(wrong))
})

test('rspamd: what is no answer is a failure, in words', async () => {
  const message = { sizeBytes: 1, body: [Buffer.from('x')] }
  const envelope = { from: '', recipients: [], ip: '192.0.2.1', helo: 'x', queueId: 'q' }
  const cases: readonly (readonly [status: number, body: string, words: RegExp])[] = [
    [200, '', /no JSON/],
    [200, '<html>502 Bad Gateway</html>', /no JSON/],
    [200, reply('reject').slice(0, 40), /no JSON/],
    [200, '[]', /no action/],
    [200, 'null', /no action/],
    [200, '{}', /no action/],
    [200, '{"action":7}', /no action/],
    [200, reply('explode'), /no action that we know/],
    [200, '{"error":"Cannot process message"}', /no action/],
    [403, '{"error":"unauthorized"}', /status 403/],
    [404, '', /status 404/],
    [500, '{"error":"internal"}', /status 500/],
    [503, 'overloaded', /status 503/],
    [301, reply('no action'), /status 301/],
  ]
  for (const [status, body, words] of cases)
    await assert.rejects(
      askRspamd(() => Promise.resolve({ status, body: Buffer.from(body) }), message, envelope),
      (error) => error instanceof ScanFailure && words.test(error.message),
      `${status} ${body}`,
    )
})
