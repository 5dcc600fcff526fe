import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { AssertionFailed } from '../base/assert.ts'
import {
  formatAuth,
  formatAuthResponse,
  formatBdat,
  formatHello,
  formatMail,
  formatOrcpt,
  formatRcpt,
  formatXtext,
  isWireMailbox,
} from './command-writer.ts'

describe('commands', () => {
  const table: readonly [string, string][] = [
    [formatHello('EHLO', 'mx.test'), 'EHLO mx.test\r\n'],
    [formatHello('LHLO', '[IPv6:::1]'), 'LHLO [IPv6:::1]\r\n'],
    [formatMail('', {}), 'MAIL FROM:<>\r\n'],
    [
      formatMail('a@b.test', { sizeBytes: 5, body: '8BITMIME' }),
      'MAIL FROM:<a@b.test> SIZE=5 BODY=8BITMIME\r\n',
    ],
    [formatMail('ü@b.test', { smtputf8: true }), 'MAIL FROM:<ü@b.test> SMTPUTF8\r\n'],
    [
      formatMail('a@b.test', { ret: 'HDRS', envid: 'a+b=c d' }),
      'MAIL FROM:<a@b.test> RET=HDRS ENVID=a+2Bb+3Dc+20d\r\n',
    ],
    [formatMail('a@b.test', { auth: '' }), 'MAIL FROM:<a@b.test> AUTH=<>\r\n'],
    [formatRcpt('"a b"@b.test', {}), 'RCPT TO:<"a b"@b.test>\r\n'],
    [
      formatRcpt('a@b.test', { notify: ['SUCCESS', 'DELAY'], orcpt: 'rfc822;a+b@c.test' }),
      'RCPT TO:<a@b.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@c.test\r\n',
    ],
    [formatRcpt('a@b.test', { notify: ['NEVER'] }), 'RCPT TO:<a@b.test> NOTIFY=NEVER\r\n'],
    [formatBdat(10, false), 'BDAT 10\r\n'],
    [formatBdat(0, true), 'BDAT 0 LAST\r\n'],
    [formatAuth('PLAIN', new Uint8Array()), 'AUTH PLAIN =\r\n'],
    [formatAuth('LOGIN', undefined), 'AUTH LOGIN\r\n'],
    [formatAuthResponse(Buffer.from('hi')), 'aGk=\r\n'],
  ]
  for (const [got, want] of table) it(JSON.stringify(want), () => assert.equal(got, want))
})

describe('ORCPT', () => {
  const table: readonly [string, boolean, string | undefined][] = [
    ['rfc822;a@b.test', false, 'rfc822;a@b.test'],
    ['utf-8;ü@b.test', true, 'utf-8;ü@b.test'],
    ['utf-8;ü@b.test', false, 'utf-8;\\x{FC}@b.test'],
    ['utf-8;a+b=\\@b.test', false, 'utf-8;a\\x{2B}b\\x{3D}\\x{5C}@b.test'],
    ['utf-8;😀@b.test', false, 'utf-8;\\x{1F600}@b.test'],
    ['rfc822;ü@b.test', false, 'utf-8;\\x{FC}@b.test'],
    ['x400;ü', false, undefined],
    ['no type', false, undefined],
    [';a@b.test', false, undefined],
    ['rfc822;', false, undefined],
  ]
  for (const [orcpt, smtputf8, want] of table)
    it(`${orcpt} ${smtputf8}`, () => assert.equal(formatOrcpt(orcpt, smtputf8), want))
})

it('a value never makes a second line, nor a second parameter', () => {
  const nasty = fc.string({
    unit: fc.constantFrom('a', '@', 'b.test', ' ', '\r', '\n', '\0', '<', '>', '"', '\\', 'é', '+', '='),
  })
  const writers: readonly ((text: string) => string)[] = [
    (text) => formatMail(text, {}),
    (text) => formatRcpt(text, {}),
    (text) => formatHello('EHLO', text),
    (text) => formatMail('', { envid: text }),
    (text) => formatMail('', { auth: text }),
    (text) => formatRcpt('a@b.test', { orcpt: `rfc822;${text}` }),
    (text) => formatRcpt('a@b.test', { orcpt: `utf-8;${text}` }, true),
    (text) => formatRcpt('a@b.test', { orcpt: `${text};x` }),
    (text) => formatAuth(text, undefined),
  ]
  fc.assert(
    fc.property(nasty, fc.constantFrom(...writers), (text, write) => {
      let line: string
      try {
        line = write(text)
      } catch (error) {
        assert.ok(error instanceof AssertionFailed)
        return
      }
      assert.ok(/^[^\r\n\0]*\r\n$/.test(line), JSON.stringify(line))
      const outside = line.replace(/<("([^"\\]|\\.)*")?[^<>]*>/, '<>').replace(/^(MAIL|RCPT) /, '$1_')
      assert.ok((outside.match(/ /g)?.length ?? 0) <= 1, JSON.stringify(line))
    }),
    { numRuns: 3000 },
  )
})

it('xtext is printable ASCII without + and = of its own', () => {
  assert.equal(formatXtext('a+b=c\t~'), 'a+2Bb+3Dc+09~')
})

it('wire mailboxes', () => {
  for (const good of [
    'a@b',
    '"a>b"@c.test',
    '"a\\"b"@c.test',
    'a.b+c@[192.0.2.1]',
    'ü@ü.test',
    'a@[IPv6:::1]',
  ])
    assert.ok(isWireMailbox(good), good)
  for (const bad of [
    '',
    'a',
    'a@',
    '@b',
    'a b@c',
    'a>@c',
    'a@b> SIZE=1',
    'a@b\r\n',
    '"a"b@c',
    '<a@b>',
    'a@b c',
  ])
    assert.ok(!isWireMailbox(bad), bad)
})
