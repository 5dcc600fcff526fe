// Owns the tables of what the console reads out of mail by itself: codes, encoded-words, calendars, web addresses, texts.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { calendarText } from '../../web/dev/fake-mail.ts'
import { decodeWords } from '../../web/src/message/encoded-words.ts'
import { findCode } from '../../web/src/message/find-code.ts'
import { readCalendar, unescapeText } from '../../web/src/message/read-calendar.ts'
import { isSafeUrl } from '../../web/src/message/safe-url.ts'

test('console: a one-time code is found where words speak of one, and nowhere else', () => {
  for (const [text, code] of [
    ['Your sign-in code is 493 027', '493027'],
    ['493-027 is your verification code', '493027'],
    ['您的验证码是 882910，十分钟内有效', '882910'],
    ['OTP: 4711.', '4711'],
    ['Use PIN 12345678 to go on', '12345678'],
    ['Your order 48213 is on its way', undefined],
    ['The code of conduct of 2026-11-21 is here', undefined],
    ['Pay € 1234.50 with the code word', undefined],
    ['verification: https://app.test/v/123456/x', undefined],
    ['code 123456789012', undefined],
    ['', undefined],
  ] as const)
    assert.equal(findCode(text), code, text)
})

test('console: encoded-words are decoded, and what is none stays', () => {
  for (const [text, decoded] of [
    ['=?utf-8?q?Ann_Archer?= <ann@x.test>', 'Ann Archer <ann@x.test>'],
    ['=?utf-8?b?V2hlcmU=?= =?utf-8?b?IGlzIGl0?=', 'Where is it'],
    ['=?iso-8859-1?Q?caf=E9?=', 'café'],
    ['=?gb2312?B?zrTDu9PQ?=', '未没有'],
    ['=?nonsense?B?AAAA?=', '=?nonsense?B?AAAA?='],
    ['=?utf-8?b?!!!?=', '=?utf-8?b?!!!?='],
    ['a=?b', 'a=?b'],
  ] as const)
    assert.equal(decodeWords(text), decoded)
})

test('console: a calendar is unfolded, parameters are read, quotes and colons do not confuse', () => {
  const lines = readCalendar(calendarText)
  const value = (name: string): string => unescapeText(lines.find((line) => line.name === name)?.value ?? '')
  assert.equal(value('SUMMARY'), 'Planning of the winter issue')
  assert.equal(value('LOCATION'), 'Room 4, second floor')
  assert.match(value('DESCRIPTION'), /takes\n which of them\.$/)
  assert.equal(lines.find(({ name }) => name === 'ORGANIZER')?.parameters.CN, 'Mara Lind')
  const [quoted] = readCalendar('ATTENDEE;CN="a:b;c";ROLE=CHAIR:mailto:x@y.test')
  assert.deepEqual(quoted, {
    name: 'ATTENDEE',
    parameters: { CN: 'a:b;c', ROLE: 'CHAIR' },
    value: 'mailto:x@y.test',
  })
  assert.deepEqual(readCalendar('no colon at all'), [])
})

test('console: http, https and mailto lead somewhere, nothing else does', () => {
  for (const [url, safe] of [
    ['https://example.test/', true],
    ['http://example.test', true],
    ['mailto:a@example.test', true],
    ['javascript:alert(1)', false],
    ['JAVASCRIPT:alert(1)', false],
    [' javascript:alert(1)', false],
    ['java\tscript:alert(1)', false],
    ['data:text/html,x', false],
    ['file:///etc/passwd', false],
    ['vbscript:x', false],
    ['//example.test', false],
    ['https://', false],
  ] as const)
    assert.equal(isSafeUrl(url), safe, url)
})
