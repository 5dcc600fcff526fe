// Tests of parameters.ts: tables of good and bad values, and the laws of a parser.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeXtext, isReply, parseMailParameters, parseRcptParameters } from './parameters.ts'
import { describeReply } from './reply.ts'

const rules = { smtputf8: true }
const mail = (rest: string): unknown => {
  const result = parseMailParameters(rest, rules)
  return isReply(result) ? describeReply(result).slice(0, 9) : result
}
const rcpt = (rest: string): unknown => {
  const result = parseRcptParameters(rest)
  return isReply(result) ? describeReply(result).slice(0, 9) : result
}
const syntax = '501 5.5.4'
const unknown = '555 5.5.4'

test('parameters of MAIL', () => {
  for (const [rest, expected] of [
    ['', {}],
    [' ', {}],
    [' SIZE=0', { sizeBytes: 0 }],
    [' size=123  body=7bit', { sizeBytes: 123, body: '7BIT' }],
    [' SIZE=123456789012345678901', syntax],
    [' SIZE=-1', syntax],
    [' SIZE=', syntax],
    [' SIZE=1 size=2', syntax],
    [' BODY=8BITMIME', { body: '8BITMIME' }],
    [' BODY', syntax],
    [' SMTPUTF8', { smtputf8: true }],
    [' SMTPUTF8=1', syntax],
    [' RET=FULL ENVID=QQ314159', { ret: 'FULL', envid: 'QQ314159' }],
    [` ENVID=${'x'.repeat(100)}`, { envid: 'x'.repeat(100) }],
    [` ENVID=${'x'.repeat(101)}`, syntax],
    [` ENVID=${'+2B'.repeat(101)}`, syntax],
    [' ENVID=a+0A', syntax],
    [' ENVID=a+7F', syntax],
    [' ENVID=a+2b', syntax],
    [' ENVID=a+2', syntax],
    [' AUTH=<>', { auth: '' }],
    [' AUTH=e+3Dmc2@example.com', { auth: 'e=mc2@example.com' }],
    [' AUTH=nobody', syntax],
    [' AUTH', syntax],
    [' X-FOO=1', unknown],
    [' MT-PRIORITY=3', unknown],
    [' -FOO', syntax],
    [' FOO=\u0085', syntax],
    [' =', syntax],
  ] as const)
    assert.deepEqual(mail(rest), expected, rest)
  assert.equal(
    describeReply(parseMailParameters(' SMTPUTF8', { smtputf8: false }) as never).slice(0, 9),
    unknown,
  )
})

test('parameters of RCPT (DSN: NOTIFY and ORCPT)', () => {
  for (const [rest, expected] of [
    ['', {}],
    [' NOTIFY=NEVER', { notify: ['NEVER'] }],
    [' NOTIFY=success,SUCCESS,Delay', { notify: ['SUCCESS', 'DELAY'] }],
    [' NOTIFY=NEVER,SUCCESS', syntax],
    [' NOTIFY=', syntax],
    [' NOTIFY=,', syntax],
    [' ORCPT=rfc822;Bob+2B1@example.com', { orcpt: 'rfc822;Bob+1@example.com' }],
    [' ORCPT=RFC822;a', { orcpt: 'rfc822;a' }],
    [' ORCPT=rfc822;', syntax],
    [' ORCPT=;a', syntax],
    [' ORCPT=rfc 822;a', syntax],
    [` ORCPT=rfc822;${'a'.repeat(493)}`, { orcpt: `rfc822;${'a'.repeat(493)}` }],
    [` ORCPT=rfc822;${'a'.repeat(494)}`, syntax],
    [' ORCPT=utf-8;\\x{1F600}@a.test', { orcpt: 'utf-8;\u{1f600}@a.test' }],
    [' ORCPT=utf-8;用户@a.test', { orcpt: 'utf-8;用户@a.test' }],
    [' ORCPT=utf-8;\\x{D800}', syntax],
    [' ORCPT=utf-8;\\x{110000}', syntax],
    [' ORCPT=utf-8;\\x{0A}', syntax],
    [' ORCPT=utf-8;\\x{2028}', syntax],
    [' ORCPT=utf-8;\\q', syntax],
    [' SIZE=1', unknown],
    [' BY=120;R', unknown],
  ] as const)
    assert.deepEqual(rcpt(rest), expected, rest)
})

test('parameters: nothing is thrown, and nothing decoded can break a line', () => {
  const word = fc.oneof(
    fc.constantFrom(
      ' ',
      ' SIZE=',
      ' ENVID=',
      ' AUTH=',
      ' ORCPT=',
      ' NOTIFY=',
      'utf-8;',
      'rfc822;',
      '+0D+0A',
      '\\x{0A}',
      '\\x{',
      '=',
      '<>',
      '@a.test',
    ),
    fc.string({ unit: 'binary', maxLength: 6 }),
  )
  fc.assert(
    fc.property(fc.array(word, { maxLength: 12 }), (words) => {
      const rest = ` ${words.join('')}`
      for (const result of [parseMailParameters(rest, rules), parseRcptParameters(rest)]) {
        const text = Object.values(result).flat().map(String).join('')
        assert.doesNotMatch(text, /[\x00-\x1f\x7f\u2028\u2029]/)
      }
    }),
    { numRuns: 3000 },
  )
})

test('xtext reads back what was written', () => {
  const write = (text: string): string =>
    text.replace(
      /[^\x21-\x2a\x2c-\x3c\x3e-\x7e]/g,
      (c) => `+${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
    )
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme-ascii', maxLength: 100 }), (text) => {
      assert.equal(decodeXtext(write(text), 100), text)
    }),
  )
})
