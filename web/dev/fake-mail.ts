// Owns the mail of the fake API: seeded, the same on every run. Plain, HTML, newsletters, invites, attachments, Chinese,
// right-to-left, very long subjects, a hostile message. For development and tests of the console only.

import type { MailSummary, MessageView, PartView } from '../../src/http/api-types.ts'
import { hostileHtml } from './hostile-html.ts'

export interface FakeMessage {
  summary: MailSummary
  readonly view: MessageView
  readonly html: string
  readonly raw: string
  readonly parts: ReadonlyMap<string, { readonly type: string; readonly content: Uint8Array }>
}

/** mulberry32 */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

export const pixel = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAYAAACNMs+9AAAAFUlEQVR42mP8z8BQz0AEYBxVSF+FABJADveWkH6oAAAAAElFTkSuQmCC',
  'base64',
)

interface Draft {
  readonly from: readonly [name: string, address: string]
  readonly to: readonly [name: string, address: string]
  readonly subject: string
  readonly text: string
  readonly html?: string
  readonly tags?: readonly string[]
  readonly mailbox?: string
  readonly unread?: boolean
  readonly starred?: boolean
  readonly recipients?: readonly string[]
  readonly attachments?: readonly {
    readonly filename: string
    readonly type: string
    readonly content: Uint8Array
    readonly contentId?: string
  }[]
  readonly calendar?: string
  readonly headers?: readonly (readonly [string, string])[]
  readonly remote?: boolean
  readonly verdicts?: MessageView['verdicts']
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

export const calendarText = [
  'BEGIN:VCALENDAR',
  'VERSION:2.0',
  'METHOD:REQUEST',
  'BEGIN:VEVENT',
  'UID:planning-1@studio.example',
  'DTSTART:20261124T130000Z',
  'DTEND:20261124T140000Z',
  'SUMMARY:Planning of the winter issue',
  'LOCATION:Room 4\\, second floor',
  'ORGANIZER;CN=Mara Lind:mailto:mara@studio.example',
  'ATTENDEE;CN=Ann Archer;PARTSTAT=NEEDS-ACTION:mailto:ann@shop.test',
  'ATTENDEE;CN=王小明;PARTSTAT=ACCEPTED:mailto:xiaoming@shop.test',
  'DESCRIPTION:We go through the list of stories and decide who takes\\n which of th',
  ' em.',
  'END:VEVENT',
  'END:VCALENDAR',
  '',
].join('\r\n')

const button = (href: string, label: string): string =>
  `<a href="${href}" style="display:inline-block;padding:12px 22px;background:#1f4fd1;color:#fff;border-radius:6px;text-decoration:none;font-weight:600">${label}</a>`

const shop = (title: string, body: string): string => `<!doctype html><html><head><meta charset="utf-8">
<meta name="color-scheme" content="light dark"><style>body{font-family:Arial,sans-serif;margin:0;background:#f4f1ea;color:#222}
.sheet{max-width:600px;margin:0 auto;background:#fff;padding:28px}@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}.sheet{background:#1c1c1c}}
table{width:100%;border-collapse:collapse}td{padding:8px 0;border-bottom:1px solid #ddd}</style></head><body><div class="sheet">
<h1 style="font-size:22px">${title}</h1>${body}<p style="color:#777;font-size:12px">Harbour Goods, 4 Quay Street</p></div></body></html>`

export const drafts: readonly Draft[] = [
  {
    from: ['Harbour Goods', 'orders@shop.test'],
    to: ['Ann Archer', 'ann@customer.test'],
    subject: 'Your order #48213 is on its way',
    text: 'Hello Ann,\n\nyour order has left our warehouse and will be with you on Thursday.\n\nFollow it: https://shop.test/track/48213\n\nHarbour Goods\n',
    html: shop(
      'Your order is on its way',
      `<p>Hello Ann,</p><p>your order has left our warehouse and will be with you on Thursday.</p><table><tr><td>Oak tray, large</td><td align="right">1</td><td align="right">€ 39.00</td></tr><tr><td>Linen napkins, sand</td><td align="right">4</td><td align="right">€ 28.00</td></tr></table><p>${button('https://shop.test/track/48213', 'Follow the parcel')}</p>`,
    ),
    tags: ['orders', 'staging'],
    starred: true,
    headers: [
      ['List-Unsubscribe', '<https://shop.test/out?u=1>'],
      ['List-Unsubscribe-Post', 'List-Unsubscribe=One-Click'],
      ['X-Campaign', 'shipping'],
    ],
  },
  {
    from: ['Accounts', 'no-reply@app.test'],
    to: ['', 'e2e+signup-7f3a@app.test'],
    subject: 'Your sign-in code is 493 027',
    text: 'Your code is 493 027. It is good for ten minutes.\n\nIf this was not you, ignore this message.\n',
    html: shop(
      'Your sign-in code',
      '<p style="font-size:34px;letter-spacing:6px;font-weight:700">493 027</p><p>It is good for ten minutes.</p>',
    ),
    tags: ['e2e'],
    mailbox: 'signup-tests',
  },
  {
    from: ['Mara Lind', 'mara@studio.example'],
    to: ['Ann Archer', 'ann@shop.test'],
    subject: 'Invitation: planning of the winter issue',
    text: 'Tuesday 13:00 to 14:00, room 4.\n',
    html: '<p>Tuesday 13:00 to 14:00, <b>room 4</b>.</p>',
    calendar: calendarText,
  },
  {
    from: ['The Weekly Loaf', 'letter@loaf.example'],
    to: ['', 'ann@customer.test'],
    subject: 'Rye, again: five loaves for the dark months',
    text: 'Five loaves for the dark months.\n\nRead it: https://loaf.example/issue/212\nOut: https://loaf.example/unsubscribe/212\n',
    html: `<html><body style="margin:0;background:#fbf3e4;font-family:Georgia,serif"><div style="max-width:620px;margin:auto;padding:30px;background:#fffaf0"><img src="https://cdn.loaf.example/head.jpg" width="560" height="160" alt="Five loaves on a board" style="background:#e5c997;display:block"><h1>Rye, again</h1><p>The days are short and the oven is warm. Five loaves for the dark months, from a plain one that forgives everything to a dense one that forgives nothing.</p><p>${button('https://loaf.example/issue/212', 'Read the issue')}</p><img src="https://track.loaf.example/open.gif?u=212" width="1" height="1" alt=""></div></body></html>`,
    tags: ['newsletter'],
    remote: true,
    headers: [
      ['List-Id', 'The Weekly Loaf <letter.loaf.example>'],
      ['List-Unsubscribe', '<https://loaf.example/unsubscribe/212>, <mailto:out@loaf.example>'],
      ['Precedence', 'bulk'],
    ],
  },
  {
    from: ['王小明', 'xiaoming@gongsi.test'],
    to: ['李华', 'lihua@kehu.test'],
    subject: '会议纪要：第四季度产品发布计划',
    text: '李华，你好：\n\n附件是今天会议的纪要，请查收。下周二之前请回复意见。\n\n王小明\n',
    html: '<p>李华，你好：</p><p>附件是今天会议的纪要，请查收。<b>下周二之前</b>请回复意见。</p><p>王小明</p>',
    attachments: [
      { filename: '会议纪要.txt', type: 'text/plain', content: bytes('一、发布时间\n二、分工\n三、风险\n') },
    ],
  },
  {
    from: ['نور الدين', 'nour@maktab.test'],
    to: ['', 'ann@customer.test'],
    subject: 'مرحبا بكم في الخدمة الجديدة',
    text: 'مرحبا،\n\nيسعدنا انضمامكم إلى الخدمة الجديدة. رمز التفعيل هو 55821.\n',
    html: '<div dir="rtl"><p>مرحبا،</p><p>يسعدنا انضمامكم إلى الخدمة الجديدة. رمز التفعيل هو <b>55821</b>.</p></div>',
  },
  {
    from: ['Billing', 'billing@app.test'],
    to: ['Finance', 'finance@customer.test'],
    subject: 'Invoice 2026-1187 and the delivery notes of November',
    verdicts: [
      { check: 'iprev', result: 'pass', meaning: 'good', tookMs: 14 },
      {
        check: 'spf',
        result: 'softfail',
        meaning: 'bad',
        reason: '198.51.100.9 is none of its hosts (~all)',
        domain: 'paper.example',
        identity: 'mailfrom',
        tookMs: 31,
      },
      {
        check: 'dkim',
        result: 'fail',
        meaning: 'bad',
        reason: 'the body was changed on the way',
        domain: 'list.example',
        selector: 'old',
        algorithm: 'rsa-sha256',
      },
      {
        check: 'dkim',
        result: 'pass',
        meaning: 'good',
        domain: 'paper.example',
        selector: 'mail2026',
        algorithm: 'ed25519-sha256',
      },
      { check: 'dmarc', result: 'pass', meaning: 'good', domain: 'paper.example', policy: 'reject' },
      { check: 'dnslist', name: 'bl.example.test', result: 'clear', meaning: 'good' },
      {
        check: 'milter',
        name: 'opendkim',
        result: 'tempfail',
        meaning: 'error',
        reason: 'no answer within 5 s',
      },
      {
        check: 'rspamd',
        result: 'add header',
        meaning: 'neutral',
        reason: '6.4 of 15: FORGED_SENDER, MISSING_MID',
        advice: 'quarantine',
        tookMs: 120,
      },
      { check: 'decision', result: 'quarantine', meaning: 'bad', by: 'rspamd' },
    ],
    text: 'Please find the invoice and the notes attached.\n',
    html: '<p>Please find the invoice and the notes attached.</p><p><img src="cid:logo@app.test" width="40" height="40" alt="Logo"></p>',
    attachments: [
      {
        filename: 'invoice-2026-1187.pdf',
        type: 'application/pdf',
        content: bytes(
          '%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj 3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]>>endobj\ntrailer<</Root 1 0 R>>\n',
        ),
      },
      { filename: 'photo of the pallet.png', type: 'image/png', content: pixel },
      {
        filename: 'notes.csv',
        type: 'text/csv',
        content: bytes('date,parcels,weight\n2026-11-03,12,41.5\n2026-11-10,9,30.1\n2026-11-17,15,52.0\n'),
      },
      {
        filename: 'earlier message.eml',
        type: 'message/rfc822',
        content: bytes(
          'From: =?utf-8?q?Ann_Archer?= <ann@customer.test>\r\nTo: billing@app.test\r\nSubject: =?utf-8?b?V2hlcmUgaXMgbXkgaW52b2ljZT8=?=\r\nDate: Mon, 02 Nov 2026 10:11:12 +0000\r\n\r\nHello,\r\n\r\nwhere is my invoice?\r\n\r\nAnn\r\n',
        ),
      },
      { filename: 'archive.zip', type: 'application/zip', content: bytes('PK\u0003\u0004 not really') },
      { filename: 'logo.png', type: 'image/png', content: pixel, contentId: 'logo@app.test' },
    ],
    tags: ['billing'],
    starred: true,
  },
  {
    from: ['Ann Archer', 'ann@customer.test'],
    to: ['Support', 'support@app.test'],
    subject: 'Re: Re: Login does not work on the train',
    text: 'Hello,\n\nthat helped, thank you.\n\nOn Monday Bob wrote:\n> Have you tried the link in the first message?\n>> It said that it was too old.\n> We made it longer now.\n\nAnn\n',
  },
  {
    from: ['Build', 'ci@tools.test'],
    to: ['Team', 'team@tools.test'],
    subject:
      'Build 9921 of branch feature/very-long-name-that-somebody-typed-without-thinking-of-anybody-else failed in step "integration tests (node 24, postgres 17, three nodes)" after 41 minutes and 12 seconds: 3 of 4,812 tests did not pass, see the log for what they said, and who changed what since it was green for the last time',
    text: '3 of 4,812 tests did not pass.\n\n1) queue: settles twice\n2) console: shows nothing\n3) relay: waits for ever\n',
    recipients: ['a@tools.test', 'b@tools.test', 'c@tools.test', 'd@tools.test'],
    tags: ['ci', 'staging', 'red', 'needs-a-look'],
  },
  {
    from: ['', 'stranger@hostile.test'],
    to: ['', 'victim@customer.test'],
    subject: '<img src=x onerror=alert(1)> "><script>alert(2)</script>',
    text: 'javascript:alert(1) and <script>alert(3)</script> https://hostile.test/a"onmouseover="alert(4)',
    html: hostileHtml,
    remote: true,
  },
  {
    from: ['Reports', 'reports@app.test'],
    to: ['', 'ops@app.test'],
    subject: '',
    text: '',
    html: '<p>Nothing to report.</p>',
  },
]

const people = [
  'Ann Archer',
  'Bob Baker',
  'Chiara Conti',
  'Dov Dahan',
  'Ewa Dudek',
  '陈静',
  'Finn Falk',
  'Gül Güneş',
  'Hana Ito',
  'Ivo Ilić',
] as const
const topics = [
  ['Password reset for {n}', 'Use the link below within the hour to choose a new password.', 'e2e'],
  ['Welcome aboard, {n}', 'Good to have you with us. Three things to do first.', ''],
  ['Receipt for order {i}', 'Thank you. You paid € 42.10 by card.', 'orders'],
  ['{n} mentioned you in a comment', 'Could you have a look at the second paragraph?', ''],
  ['Your export is ready', 'The file is kept for seven days.', ''],
  ['Weekly figures, week {w}', 'Up by four in a hundred against the week before.', 'reports'],
  ['Reminder: the trial ends in 3 days', 'Nothing is lost if you do nothing.', ''],
  ['订单 {i} 已确认', '感谢您的订购，我们将尽快发货。', 'orders'],
] as const

export function makeMail(count: number, now: number): FakeMessage[] {
  const random = seeded(7)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const made: FakeMessage[] = []
  let at = now - 40_000
  for (let i = 0; i < count; i++) {
    at -= Math.floor(i < 12 ? random() * 1_500_000 : random() * 5_000_000)
    const draft = drafts[i] ?? generated(i, pick, random)
    made.push(makeMessage(draft, i, at, i < drafts.length ? i % 3 !== 2 : random() < 0.25))
  }
  return made
}

function generated(i: number, pick: <T>(list: readonly T[]) => T, random: () => number): Draft {
  const [subject, text, tag] = pick(topics)
  const name = pick(people)
  const login = name.split(' ')[0]?.toLowerCase() ?? 'x'
  const fill = (line: string): string =>
    line
      .replace('{n}', name)
      .replace('{i}', String(40_000 + i))
      .replace('{w}', String(1 + (i % 52)))
  return {
    from: [
      pick(['Harbour Goods', 'Accounts', 'Support', name]),
      pick(['orders@shop.test', 'no-reply@app.test', 'help@app.test']),
    ],
    to: [name, `${/^[a-z]+$/.test(login) ? login : `user${i}`}@customer.test`],
    subject: fill(subject),
    text: `${fill(text)}\n`,
    html: `<p>${fill(text)}</p>`,
    mailbox: pick(['INBOX', 'INBOX', 'INBOX', 'signup-tests', 'checkout-tests']),
    ...(tag !== '' && random() < 0.4 && { tags: [tag] }),
  }
}

export function makeMessage(draft: Draft, number: number, at: number, unread: boolean): FakeMessage {
  const id = `01${at.toString(36)}${number.toString(36).padStart(5, '0')}`
  const attachments = draft.attachments ?? []
  const parts = new Map<string, { readonly type: string; readonly content: Uint8Array }>()
  const children: PartView[] = [part('1', 'text/plain', bytes(draft.text).length)]
  parts.set('1', { type: 'text/plain', content: bytes(draft.text) })
  if (draft.html !== undefined) children.push(part('2', 'text/html', bytes(draft.html).length))
  const files = attachments.map((file, at) => {
    const name = String(at + 3)
    parts.set(name, { type: file.type, content: file.content })
    return { name, file }
  })
  const date = new Date(at).toUTCString().replace('GMT', '+0000')
  const address = ([name, mail]: readonly [string, string]): string =>
    name === '' ? mail : `${name} <${mail}>`
  const headers: (readonly [string, string])[] = [
    [
      'Received',
      `from ${draft.from[1].split('@')[1]} ([127.0.0.1]) by posthouse.test with ESMTP id ${id}; ${date}`,
    ],
    ['From', address(draft.from)],
    ['To', address(draft.to)],
    ['Subject', draft.subject],
    ['Date', date],
    ['Message-ID', `<${id}@${draft.from[1].split('@')[1]}>`],
    ['MIME-Version', '1.0'],
    [
      'Content-Type',
      draft.html === undefined ? 'text/plain; charset=utf-8' : 'multipart/alternative; boundary="b1"',
    ],
    ...(draft.headers ?? []),
  ]
  const raw = `${headers.map(([name, value]) => `${name}: ${value}`).join('\r\n')}\r\n\r\n--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${draft.text.replaceAll('\n', '\r\n')}\r\n--b1\r\nContent-Type: text/html; charset=utf-8\r\n\r\n${draft.html ?? ''}\r\n--b1--\r\n`
  const sizeBytes = bytes(raw).length + attachments.reduce((sum, { content }) => sum + content.length, 0)
  const recipients = draft.recipients ?? [draft.to[1]]
  const summary: MailSummary = {
    id: id as MailSummary['id'],
    account: 'capture',
    mailbox: draft.mailbox ?? 'INBOX',
    receivedAt: at,
    sizeBytes,
    reversePath: draft.from[1],
    recipients,
    recipientCount: recipients.length,
    from: address(draft.from),
    to: address(draft.to),
    subject: draft.subject.slice(0, 200),
    snippet: draft.text.replace(/\s+/g, ' ').slice(0, 200),
    attachmentCount:
      attachments.filter((file) => file.contentId === undefined).length +
      (draft.calendar === undefined ? 0 : 1),
    unread: draft.unread ?? unread,
    starred: draft.starred ?? false,
    tags: [...(draft.tags ?? [])].sort(),
  }
  const links = [
    ...(draft.html ?? draft.text).matchAll(/(?:href=")?((?:https?|javascript|data|mailto):[^\s"<>]+)/g),
  ]
  const view: MessageView = {
    id,
    summary,
    hasBody: true,
    subject: draft.subject,
    from: [{ name: draft.from[0], address: draft.from[1] }],
    sender: [],
    replyTo: [],
    to: [{ name: draft.to[0], address: draft.to[1] }],
    cc: [],
    bcc: [],
    date: at,
    messageId: `${id}@${draft.from[1].split('@')[1]}`,
    envelope: { from: draft.from[1], to: recipients },
    sizeBytes,
    text: draft.text,
    hasHtml: draft.html !== undefined,
    hasRemoteContent: draft.remote === true,
    attachments: files.map(({ name, file }) => ({
      part: name,
      filename: file.filename,
      contentType: file.type,
      sizeBytes: file.content.length,
      disposition: file.contentId === undefined ? 'attachment' : 'inline',
      isRelated: file.contentId !== undefined,
      ...(file.contentId !== undefined && { contentId: file.contentId }),
    })),
    structure: {
      ...part('', attachments.length > 0 ? 'multipart/mixed' : 'multipart/alternative', sizeBytes),
      children: [
        ...children,
        ...files.map(({ name, file }) => ({
          ...part(name, file.type, file.content.length),
          filename: file.filename,
          disposition: 'attachment',
        })),
      ],
    },
    headers: headers.map(([name, value]) => ({ name, value })),
    links: links.map(([, url = '']) => ({ url, text: url.includes('track/') ? 'Follow the parcel' : '' })),
    defects: draft.subject === '' ? ['The header has no subject.', 'The text part is empty.'] : [],
    ...(draft.headers?.some(([name]) => name === 'List-Unsubscribe') === true && {
      listUnsubscribe: { urls: ['https://shop.test/out?u=1'], oneClick: true },
    }),
    calendars: draft.calendar === undefined ? [] : [{ method: 'REQUEST', text: draft.calendar }],
    ...(draft.verdicts !== undefined && { verdicts: draft.verdicts }),
    tags: summary.tags,
    metadata: draft.tags?.includes('orders') === true ? { orderId: '48213', environment: 'staging' } : {},
  }
  return { summary, view, html: draft.html ?? '', raw, parts }
}

const part = (name: string, contentType: string, sizeBytes: number): PartView => ({
  part: name,
  contentType,
  encoding: contentType.startsWith('multipart')
    ? '7bit'
    : contentType.startsWith('text')
      ? 'quoted-printable'
      : 'base64',
  disposition: '',
  sizeBytes,
  children: [],
  ...(contentType.startsWith('text') && { charset: 'utf-8' }),
})
