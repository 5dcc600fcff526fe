// Owns ranges and file names: what a Range header means by RFC 9110, and that no name breaks a header.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { disposition, parseRange, servedType } from './byte-range.ts'

test('ranges: a range lies within the content, whatever was asked for', () => {
  const header = fc.oneof(
    fc.string({ maxLength: 30 }),
    fc
      .tuple(fc.option(fc.nat({ max: 40 })), fc.option(fc.nat({ max: 40 })))
      .map(([first, last]) => `bytes=${first ?? ''}-${last ?? ''}`),
  )
  fc.assert(
    fc.property(header, fc.nat({ max: 20 }), (text, size) => {
      const range = parseRange(text, size)
      if (range === undefined || range === 'unsatisfiable') return
      assert.ok(range.start >= 0 && range.start <= range.end && range.end < size, `${text} of ${size}`)
    }),
    { numRuns: 2000 },
  )
})

test('ranges: of nothing there is no byte', () => {
  assert.equal(parseRange('bytes=0-', 0), 'unsatisfiable')
  assert.equal(parseRange('bytes=-1', 0), 'unsatisfiable')
  assert.equal(parseRange(undefined, 0), undefined)
})

test('names: the header is one line of ASCII, and the real name can be read back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (name) => {
      const header = disposition(name, false)
      assert.match(header, /^attachment(?:; filename="[\x20-\x7e]*"; filename\*=UTF-8''[\w!#$&+.^`|~%-]+)?$/)
      const quoted = /filename="([^"]*)"/.exec(header)?.[1] ?? ''
      assert.doesNotMatch(quoted, /[\\/%]/)
    }),
    { numRuns: 300 },
  )
  assert.equal(
    disposition('Rechnung für "Ann".pdf', true),
    `inline; filename="Rechnung f_r _Ann_.pdf"; filename*=UTF-8''Rechnung%20f%C3%BCr%20%22Ann%22.pdf`,
  )
  assert.equal(disposition('../../etc/passwd', false).includes('/'), false)
  // A name that is written backwards to look like another kind of file.
  assert.match(disposition('ann\u202efdp.exe', false), /filename="ann_fdp\.exe"/)
})

test('types: what a browser would run is served as octets', () => {
  for (const type of [
    'text/html',
    'image/svg+xml',
    'application/javascript',
    'text/xml',
    'application/xhtml+xml',
    'multipart/x-mixed-replace',
    'text/css',
    'x',
  ])
    assert.equal(servedType(type), 'application/octet-stream', type)
  for (const type of ['image/png', 'text/plain', 'application/pdf', 'text/calendar'])
    assert.equal(servedType(type), type)
})
