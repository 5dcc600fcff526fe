import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { compose } from '../message/compose.ts'
import type { MessageInput } from '../message/message-input.ts'
import { parseMessage } from '../message/parse-message.ts'
import type { CheckLevel } from './check.ts'
import { findFeatures } from './html-features.ts'
import { htmlSupport } from './html-support.ts'
import { checkMessage } from './message-checks.ts'

const html = (body: string): string =>
  `<!doctype html><html lang="en"><head><title>t</title></head><body><p>Hello Ann, this is a message with enough words in it to be read.</p>${body}</body></html>`
const good: MessageInput = {
  from: 'app@example.test',
  to: 'ann@example.test',
  subject: 'Your receipt',
  text: 'Hello Ann.',
  html: html(''),
}

function checksOf(input: MessageInput | string) {
  const random = { bytes: (count: number) => new Uint8Array(count), fraction: () => 0 }
  const options = { now: 0, hostname: 'x.test', random }
  const composed =
    typeof input === 'string' ? Buffer.from(input) : Buffer.from(compose(input, options).bytes() ?? '')
  return checkMessage(parseMessage(composed), composed)
}

function levelsOf(input: MessageInput | string): Record<string, CheckLevel> {
  return Object.fromEntries(checksOf(input).checks.map(({ id, level }) => [id, level]))
}

test('checks: an ordinary message has nothing to mend', () => {
  const levels = levelsOf(good)
  assert.deepEqual(
    Object.entries(levels).filter(([, level]) => level === 'error' || level === 'warning'),
    [],
  )
})

test('checks: each mistake is found, and only there', () => {
  const pixel = Buffer.alloc(100)
  const { text: _text, ...noText } = good
  const cases: [what: string, input: MessageInput | string, id: string, level: CheckLevel][] = [
    ['no text part', noText, 'text-part', 'warning'],
    ['no subject', { ...good, subject: '' }, 'subject', 'error'],
    ['capitals', { ...good, subject: 'BUY THIS NOW' }, 'subject', 'warning'],
    ['three signs', { ...good, subject: 'Buy this now!!!' }, 'subject', 'warning'],
    ['clipped', { ...good, html: html('<p>x</p>'.repeat(14_000)) }, 'size.clipping', 'error'],
    ['nearly clipped', { ...good, html: html('<p>x</p>'.repeat(11_500)) }, 'size.clipping', 'warning'],
    ['alt', { ...good, html: html('<img src="https://x.test/a.png">') }, 'images.alt', 'warning'],
    [
      'plain image',
      { ...good, html: html('<img alt="" src="http://x.test/a.png">') },
      'images.https',
      'warning',
    ],
    ['cid of nobody', { ...good, html: html('<img alt="" src="cid:none">') }, 'images.cid', 'error'],
    [
      'data image',
      { ...good, html: html('<img alt="" src="data:image/png;base64,AA==">') },
      'images.data',
      'warning',
    ],
    [
      'pixel',
      { ...good, html: html('<img width="1" src="https://x.test/p.gif">') },
      'images.tracking',
      'info',
    ],
    ['empty link', { ...good, html: html('<a href="#">x</a>') }, 'links.empty', 'warning'],
    [
      'local link',
      { ...good, html: html('<a href="http://localhost:3000/x">x</a>') },
      'links.local',
      'warning',
    ],
    [
      'lying link',
      { ...good, html: html('<a href="https://evil.example/x">www.bank.example</a>') },
      'links.mismatch',
      'warning',
    ],
    [
      'link of an image',
      { ...good, html: html('<a href="https://x.example/"><img alt="" src="https://x.example/a.png"></a>') },
      'links.text',
      'warning',
    ],
    ['template', { ...good, text: 'Hello {{first_name}}' }, 'template', 'error'],
    ['template in HTML', { ...good, html: html('<p>*|FNAME|*</p>') }, 'template', 'error'],
    ['no language', { ...good, html: '<p>Hello Ann, how are you?</p>' }, 'accessibility.lang', 'warning'],
    [
      'layout table',
      { ...good, html: html('<table><tr><td>x</td></tr></table>') },
      'accessibility.tables',
      'info',
    ],
    ['heading jump', { ...good, html: html('<h1>a</h1><h3>b</h3>') }, 'accessibility.headings', 'info'],
    ['script', { ...good, html: html('<script>alert(1)</script>') }, 'html.inert', 'error'],
    ['form', { ...good, html: html('<form><input></form>') }, 'html.inert', 'warning'],
    [
      'browser line',
      { ...good, html: '<html lang="en"><p>View this email in your browser</p><p>Hello</p></html>' },
      'preheader',
      'warning',
    ],
    ['unsubscribe text only', { ...good, text: 'Click to unsubscribe.' }, 'list-unsubscribe', 'warning'],
    [
      'not one click',
      { ...good, headers: { 'List-Unsubscribe': '<https://x.example/u>' } },
      'list-unsubscribe',
      'warning',
    ],
    [
      'program',
      { ...good, attachments: [{ filename: 'setup.exe', content: pixel }] },
      'attachments.type',
      'error',
    ],
    [
      'two From',
      'From: a@x.test\r\nFrom: b@x.test\r\nTo: c@x.test\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <1@x.test>\r\nSubject: x\r\n\r\nx\r\n',
      'header',
      'error',
    ],
    [
      'no Date',
      'From: a@x.test\r\nTo: c@x.test\r\nMessage-ID: <1@x.test>\r\nSubject: x\r\n\r\nx\r\n',
      'header',
      'warning',
    ],
    [
      'long line',
      `From: a@x.test\r\nTo: c@x.test\r\nSubject: x\r\n\r\n${'x'.repeat(999)}\r\n`,
      'lines',
      'error',
    ],
  ]
  const before = levelsOf(good)
  for (const [what, input, id, level] of cases) {
    assert.equal(levelsOf(input)[id], level, what)
    assert.notEqual(before[id], level, `${what}: the good message is different`)
  }
})

test('checks: one click, images and links that are right', () => {
  const levels = levelsOf({
    ...good,
    headers: {
      'List-Unsubscribe': '<https://x.example/u>, <mailto:u@x.example>',
      'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
    },
    html: html('<a href="https://www.x.example/a">x.example</a> <img alt="logo" src="cid:logo">'),
    attachments: [
      { cid: 'logo', filename: 'logo.png', content: Buffer.alloc(2000), contentType: 'image/png' },
    ],
  })
  for (const id of ['list-unsubscribe', 'links', 'images.alt', 'images.weight'])
    assert.equal(levels[id], 'ok', id)
  assert.equal(levels['images.cid'], undefined)
})

test('features: by name, with the line', () => {
  const used = findFeatures(
    '<!doctype html>\n<style>\n.a > b:hover { display: flex; color: rgba(0,0,0,.5) }\n@media (prefers-color-scheme: dark) { #x { --y: 1px; margin: calc(1em + 2vw) !important } }\n</style>\n<table width="1" role="presentation">\n<td style="border-left-color: red; background-image: linear-gradient(red, blue)">\n<img src="a.webp" srcset="b.png 2x">\n<ul><li>x</ul><main>y</main><a href="mailto:a@x.test">z</a>',
  )
  const expected: Readonly<Record<string, number>> = {
    'html-doctype': 1,
    'css-selector-child': 3,
    'css-pseudo-class-hover': 3,
    'css-display-flex': 3,
    'css-rgba': 3,
    'css-at-media': 4,
    'css-at-media-prefers-color-scheme': 4,
    'css-selector-id': 4,
    'css-variables': 4,
    'css-unit-calc': 4,
    'css-unit-vw': 4,
    'css-important': 4,
    'html-table': 6,
    'html-width': 6,
    'html-role': 6,
    'css-border': 7,
    'css-background-image': 7,
    'css-linear-gradient': 7,
    'image-webp': 8,
    'html-srcset': 8,
    'html-lists': 9,
    'html-semantics': 9,
    'html-mailto-links': 9,
  }
  for (const [slug, line] of Object.entries(expected))
    assert.ok(used.get(slug)?.has(line), `${slug} in line ${line}: ${[...(used.get(slug) ?? [])].join()}`)
  for (const slug of ['css-display-grid', 'html-form', 'image-png', 'css-nesting', 'css-comments'])
    assert.ok(!used.has(slug), slug)
})

test('support: what all clients show counts more than what few do', () => {
  const plain = htmlSupport('<p style="color: #000; font-size: 16px">x</p>')
  const fancy = htmlSupport('<p style="display: grid; filter: blur(1px); clip-path: none">x</p>')
  assert.ok(plain !== undefined && fancy !== undefined)
  assert.ok(plain.score > 90, `${plain.score}`)
  assert.ok(fancy.score < 80, `${fancy.score}`)
  assert.match(fancy.features[0]?.url ?? '', /^https:\/\/www\.caniemail\.com\/features\/css-/)
  assert.ok((fancy.features[0]?.clients.length ?? 0) > 20)
  assert.equal(htmlSupport(''), undefined)
})

test('checks: any HTML, and hostile HTML in linear time', () => {
  const piece = fc.constantFrom(
    '<style>',
    '</style>',
    '<p style="',
    '">',
    '{',
    '}',
    '/*',
    'a:b',
    ';',
    '<a href=',
    '@media',
    '(',
    '&',
    '<!--',
    'cid:',
    '{{x}}',
    '"',
    "'",
    '\\',
    '<img ',
  )
  fc.assert(
    fc.property(
      fc.array(fc.oneof(piece, fc.string({ unit: 'binary', maxLength: 5 })), { maxLength: 60 }),
      (parts) => {
        const raw = Buffer.from(`Content-Type: text/html\r\n\r\n${parts.join('')}`)
        checkMessage(parseMessage(raw), raw)
      },
    ),
  )
  for (const unit of [
    '<p style="a:b">',
    '<div>',
    '<style>a{',
    '<style>a:not(',
    '<a href="x">',
    '{{',
    'a{',
    '<img src=cid:',
    '<!--',
    '<style>@media a{',
    '<table>',
    '<style>*/ /* ',
  ]) {
    const raw = Buffer.from(
      `Content-Type: text/html\r\n\r\n${unit.startsWith('<style>') ? '<style>' : ''}${unit.replace('<style>', '').repeat(300_000 / unit.length)}`,
    )
    const begin = process.cpuUsage()
    checkMessage(parseMessage(raw), raw)
    const { user, system } = process.cpuUsage(begin)
    assert.ok(user + system < 3_000_000, `300 kB of '${unit}' took ${(user + system) / 1000} ms of CPU`)
  }
})
