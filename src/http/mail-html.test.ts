// Owns what is left of hostile HTML: nothing that runs, loads or leads away, whatever way it is written. Browsers try the
// same pages under their policy in the tests of the console.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { inspectHtml, mailPage } from './mail-html.ts'

const closed = { remote: false, inline: () => undefined }
const body = (html: string, options: Parameters<typeof mailPage>[1] = closed): string =>
  /<body[^>]*>([\s\S]*)<\/body>/.exec(mailPage(html, options))?.[1] ?? ''

const hostile: readonly (readonly [string, string, string])[] = [
  ['script', '<script>alert(1)</script>a', 'a'],
  ['script within script', '<script><script>alert(1)</script>a</script>b', 'ab'],
  ['script in other letters', '<ScRiPt src=//x>1</sCrIpT>a', 'a'],
  ['event handlers', '<b onclick="x()" ONMOUSEOVER=x()>a</b>', '<b>a</b>'],
  ['handlers glued to a slash', '<img/onerror=x()/src=x>', '<img>'],
  ['svg', '<svg onload=x()><script>1</script><a href="javascript:x()">y</a></svg>a', 'a'],
  ['math', '<math><mtext><style><img src=x onerror=x()></style></mtext></math>a', 'a'],
  ['frames', '<iframe src="//x"></iframe><object data="//x"></object><embed src="//x">a', 'a'],
  ['srcdoc', '<iframe srcdoc="&lt;script&gt;1&lt;/script&gt;"></iframe>a', 'a'],
  ['base', '<base href="https://evil.test/">a', 'a'],
  ['meta refresh', '<meta http-equiv="refresh" content="0;url=https://evil.test">a', 'a'],
  ['link', '<link rel="stylesheet" href="//x"><link rel="prefetch" href="//x">a', 'a'],
  ['form', '<form action="//x"><input name="q" autofocus onfocus=x()><button>b</button></form>', 'b'],
  ['media', '<video src="//x" poster="//y"></video><audio src="//x"></audio>a', 'a'],
  ['noscript', '<noscript><img src="//x"></noscript>a', '<img data-blocked="1">a'],
  ['template', '<template><script>1</script></template>a', 'a'],
  ['comment that ends early', '<!--><script>x()</script>-->a', '--&gt;a'],
  ['plaintext', '<plaintext><script>x()</script>', ''],
]

test('html: what could run, load or lead away is gone', () => {
  for (const [what, html, left] of hostile) assert.equal(body(html), left, what)
})

test('html: links are to pages, mail and telephones, and open by themselves nothing', () => {
  const rel = 'target="_blank" rel="noopener noreferrer nofollow"'
  const cases: readonly (readonly [string, string])[] = [
    ['https://a.test/?x=1&y=2', ` href="https://a.test/?x=1&#38;y=2"`],
    ['mailto:a@b.test', ' href="mailto:a@b.test"'],
    ['#top', ' href="#top"'],
    ['javascript:x()', ''],
    ['JaVaScRiPt:x()', ''],
    ['java\nscript:x()', ''],
    ['\u0001javascript:x()', ''],
    ['&#106;avascript:x()', ''],
    ['data:text/html,<script>x()</script>', ''],
    ['vbscript:x', ''],
    ['file:///etc/passwd', ''],
    ['/v1/session', ''],
    ['//evil.test', ''],
    ['blob:https://a.test/x', ''],
  ]
  for (const [href, kept] of cases)
    assert.equal(body(`<a href="${href}">x</a>`), `<a${kept} ${rel}>x</a>`, JSON.stringify(href))
})

test('html: images are those of the message; of other hosts only when that is asked for', () => {
  const inline = (id: string): string | undefined =>
    id === 'logo@x' ? 'data:image/png;base64,AA==' : undefined
  const image = (src: string, remote: boolean): string => body(`<img src="${src}">`, { remote, inline })
  const shown = '<img src="data:image/png;base64,AA==">'
  const blocked = '<img data-blocked="1">'
  assert.equal(image('cid:logo@x', false), shown)
  assert.equal(image('cid:logo%40x', false), shown)
  assert.equal(image('cid:other', false), blocked)
  assert.equal(image('https://t.test/p.gif', false), blocked)
  assert.equal(image('https://t.test/p.gif', true), '<img src="https://t.test/p.gif">')
  assert.equal(image('//t.test/p.gif', true), blocked)
  assert.equal(image('data:image/svg+xml,<svg/onload=x()>', true), blocked)
  assert.equal(image('data:image/png;base64,AA==', false), shown)
  assert.equal(body('<img srcset="https://t.test/p.gif 2x" src="cid:no">', { remote: true, inline }), blocked)
  assert.equal(body('<table background="https://t.test/x">', closed), '<table></table>')
})

test('html: a style cannot end itself, a value cannot end its attribute', () => {
  assert.equal(body('<style>a::before{content:"</style>'), '<style>a::before{content:"</style>')
  assert.equal(body('<style>a{}<!-- <b> --></style>x'), '<style>a{}\\3c !-- \\3c b> --></style>x')
  assert.equal(
    body(`<p title='"><script>x()</script>'>x</p>`),
    '<p title="&#34;&#62;&#60;script&#62;x()&#60;/script&#62;">x</p>',
  )
  assert.equal(body('&lt;script&gt;'), '&lt;script&gt;')
})

test('html: of any markup nothing dangerous is left, however often it is read', () => {
  const piece = fc.constantFrom(
    '<',
    '>',
    '/',
    '"',
    "'",
    '=',
    ' ',
    '&',
    ';',
    '<!--',
    '-->',
    '<![CDATA[',
    ']]>',
    '<script>',
    '</script>',
    '<style>',
    '</style>',
    '<svg>',
    '</svg>',
    '<math>',
    '<a href=',
    'javascript:x()',
    '<img src=',
    ' onerror=x() ',
    '<iframe ',
    '<noscript>',
    '</noscript>',
    '<textarea>',
    '</textarea>',
    '<title>',
    '</title>',
    '<table>',
    '<p>',
    '&#60;',
    '\0',
    'x',
  )
  const danger =
    /<\s*\/?\s*(?:script|iframe|object|embed|svg|math|base|meta|link|form|video|audio|textarea|title|noscript|template)\b|<[a-z][^>]*\son\w+\s*=|href="(?!https?:|mailto:|tel:|sms:|#)|src="(?!data:image\/)/i
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 25 }), (pieces) => {
      // What stands in a style element is read as style and as nothing else.
      const outside = (html: string): string => html.replace(/<style>[^<]*<\/style>/g, '')
      const left = body(pieces.join(''))
      assert.doesNotMatch(outside(left), danger)
      assert.doesNotMatch(outside(body(left)), danger)
    }),
    { numRuns: 3000 },
  )
})

test('html: time is linear, however deep or unclosed it is', () => {
  for (const unit of ['<div>', '<i></b>', '<p>', '<a href=x ', '<!--', '&#60;', '<style>', '<x y="']) {
    const cpuOf = (count: number): number => {
      const start = process.cpuUsage().user
      mailPage(unit.repeat(count), closed)
      inspectHtml(unit.repeat(count))
      return (process.cpuUsage().user - start) / 1000
    }
    cpuOf(2000)
    const small = cpuOf(20_000)
    const large = cpuOf(100_000)
    assert.ok(large < 25 * Math.max(small, 10), `${unit}: ${small} ms, five times as much ${large} ms`)
  }
})

test('html: what it links to and whether it asks others is known before it is shown', () => {
  const facts = inspectHtml(
    '<a href="https://a.test">  Read <b>more</b></a><a href="#x">no</a><area href="https://b.test" alt="map">',
  )
  assert.deepEqual(facts.links, [
    { url: 'https://a.test', text: 'Read more' },
    { url: 'https://b.test', text: 'map' },
  ])
  assert.equal(facts.hasRemote, false)
  for (const html of [
    '<img src="https://t.test/p">',
    '<img src="//t.test/p">',
    '<p style="background:url( \'https://t.test\')">',
    '<style>@import "x"</style>',
    '<table background="http://t.test">',
    '<link rel=stylesheet href="https://t.test">',
  ])
    assert.equal(inspectHtml(html).hasRemote, true, html)
})
