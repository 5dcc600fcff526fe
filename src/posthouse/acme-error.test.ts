// What an authority said, in one line, and how long to wait after it.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AcmeError, readProblem, readRetryAfter, retryDelayMs } from './acme-error.ts'

const urn = (type: string): string => `urn:ietf:params:acme:error:${type}`
const minute = 60_000
const hour = 60 * minute

describe('problems of an authority', () => {
  it('in one line, word for word but for control characters', () => {
    const table: [unknown, string | undefined][] = [
      [{ type: urn('dns'), detail: 'no such\r\nname\u0000' }, 'dns: no such name '],
      [{ type: 'about:blank', title: 'Gone' }, 'about:blank: Gone'],
      [{ detail: 'words alone' }, 'words alone'],
      [{ type: urn('caa') }, 'caa'],
      [{ type: 7, detail: '' }, undefined],
      ['text', undefined],
      [null, undefined],
      [{ type: urn('malformed'), detail: 'x'.repeat(5000) }, `malformed: ${'x'.repeat(1989)}`],
    ]
    for (const [value, text] of table) assert.equal(readProblem(value)?.text, text)
  })

  it('an error is one bounded line, whatever of the words of others is in it', () => {
    const { message, type } = new AcmeError(`offers\u001b[2J\u009b1m\n${'x'.repeat(1_000_000)}`, {
      type: `urn\r\n${'y'.repeat(1_000_000)}`,
    })
    assert.match(message, /^offers \[2J 1m x+$/)
    assert.ok(message.length <= 2000 && (type?.length ?? 0) <= 200)
    assert.doesNotMatch(type ?? '', /[\r\n]/)
  })

  it('Retry-After: seconds, a date, nothing of use', () => {
    const now = Date.UTC(2026, 0, 1)
    const table: [string | undefined, number | undefined][] = [
      ['120', 120_000],
      ['Thu, 01 Jan 2026 00:10:00 GMT', 600_000],
      ['Thu, 01 Jan 2020 00:10:00 GMT', 0],
      ['soon', undefined],
      [undefined, undefined],
    ]
    for (const [field, ms] of table) assert.equal(readRetryAfter(field, now), ms, field)
  })

  it('the wait after a failure: by its kind, doubled each time, at least what was asked for, a week at most', () => {
    const error = (type: string, retryAfterMs?: number) =>
      new AcmeError('x', { type: urn(type), retryAfterMs })
    const table: [unknown, number, number][] = [
      [new AcmeError('down'), 1, 5 * minute],
      [new AcmeError('down'), 3, 20 * minute],
      [new AcmeError('down'), 30, 6 * hour],
      [error('unauthorized'), 1, 15 * minute],
      [error('connection'), 2, 30 * minute],
      [error('rateLimited'), 1, hour],
      [error('rateLimited', 30 * hour), 1, 30 * hour],
      [error('rateLimited', 1000 * hour), 1, 168 * hour],
      [error('rejectedIdentifier'), 9, 24 * hour],
      [new Error('ours'), 1, 5 * minute],
    ]
    for (const [cause, count, ms] of table)
      assert.equal(retryDelayMs(cause, count, 0.5), ms, `${String(cause)} ${count}`)
    assert.ok(retryDelayMs(new Error('x'), 1, 0) < retryDelayMs(new Error('x'), 1, 0.99))
  })
})
