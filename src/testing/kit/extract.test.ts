import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { codeCandidates, findCode, linksOfText } from './extract.ts'

test('codes: as sign-in mails have them', () => {
  const cases: [text: string, code: string | undefined][] = [
    ['Your verification code is 482913.', '482913'],
    ['Your code\n\n482 913\n\nIt is valid for 10 minutes.', '482913'],
    ['482-913 is your one-time password', '482913'],
    ['Hi Ann,\n\n  4821\n\n(c) 2026 Example Ltd, 12345 Springfield, +1 555 010 9999', '4821'],
    ['Use A1B2C3 to sign in. Order 9988776655.', 'A1B2C3'],
    ['您的验证码是 739201，5 分钟内有效。', '739201'],
    ['认证：验证码739201', '739201'],
    ['認証コード：8842', '8842'],
    ['PIN: 0042', '0042'],
    ['Copyright 2026', undefined],
    ['Your code: https://app.example.test/c/123456', undefined],
    ['Invoice of 1,234.56 EUR due 2026-11-21, reference 20261121-4411', undefined],
    ['no number here', undefined],
    ['code 111111 or code 222222', undefined],
    ['', undefined],
  ]
  for (const [text, code] of cases) assert.equal(findCode(text), code, text)
})

test('codes: those that are as likely are all told', () => {
  assert.deepEqual(
    codeCandidates('code 111111 or code 222222').map(({ code }) => code),
    ['111111', '222222'],
  )
})

test('links: punctuation of the sentence is not part of them', () => {
  const cases: [text: string, links: readonly string[]][] = [
    ['see https://a.test/x.', ['https://a.test/x']],
    ['(https://a.test/x)', ['https://a.test/x']],
    ['https://a.test/x_(y)', ['https://a.test/x_(y)']],
    ['<https://a.test/?a=1&b=2>, again https://a.test/?a=1&b=2!', ['https://a.test/?a=1&b=2']],
    ['HTTP://A.test and ftp://b.test', ['HTTP://A.test']],
    ['[here](https://a.test/md)', ['https://a.test/md']],
  ]
  for (const [text, links] of cases) assert.deepEqual(linksOfText(text), links, text)
})

test('codes and links: any text, in linear time', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      findCode(text)
      linksOfText(text)
    }),
  )
  for (const unit of ['code 123456 ', '1234 5678 ', 'https://a.test/(', 'A1', '123-', ' code']) {
    const cpuOf = (count: number): number => {
      const text = unit.repeat(count)
      const begin = process.cpuUsage()
      findCode(text)
      linksOfText(text)
      const { user, system } = process.cpuUsage(begin)
      return (user + system) / 1000
    }
    cpuOf(1000)
    assert.ok(cpuOf(100_000 / unit.length) < 1000, `100,000 characters of '${unit}' within a second`)
  }
})
