// Owns the promise that what the server says in English is said in Chinese, too: every check, kind of event, reason to
// wait, problem, fault profile and defect that exists in src/ has words, made of data alone. What has none fails here.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkAuthentication } from '../../src/checks/authentication-checks.ts'
import { checkMessage } from '../../src/checks/message-checks.ts'
import type { CheckView, DeliveryView } from '../../src/http/api-types.ts'
import { dnsFindingCodes } from '../../src/http/routes-domain-dns-types.ts'
import { eventText } from '../../src/http/timeline-text.ts'
import { parseMessage } from '../../src/message/parse-message.ts'
import { faultProfiles } from '../../src/policy/fault-rules.ts'
import { configHelpData } from '../../src/posthouse/config-help-data.ts'
import { noteText } from '../../src/queue/attempt-notes.ts'
import type { AttemptNote, TimelineKind } from '../../src/queue/types.ts'
import { parseSearch, searchProblems } from '../../src/store/search-syntax.ts'
import { checkWords } from '../../web/src/i18n/zh-checks.ts'
import { configWords, settingWords } from '../../web/src/i18n/zh-config.ts'
import {
  eventWords,
  inChinese,
  kindWords,
  noteWords,
  problemWords,
  profileWords,
  waitingWords,
  zhServer,
} from '../../web/src/i18n/zh-server.ts'
import { verdictChecks, verdictWords } from '../../web/src/i18n/zh-verdicts.ts'

const root = join(import.meta.dirname, '../..')
const source = (path: string): string => readFileSync(join(root, 'src', path), 'utf8')
const matches = (text: string, pattern: RegExp): readonly string[] => [
  ...new Set([...text.matchAll(pattern)].map(([, one = '']) => one)),
]
/** The names of a union of string literals. */
const unionOf = (path: string, name: string): readonly string[] => {
  const rest = source(path).split(`export type ${name} =`)[1] ?? ''
  const end = rest.search(/\n(?! {2})/)
  return matches(rest.slice(0, end), /\| '([^']+)'/g)
}
const chinese = /\p{Script=Han}/u
const sorted = (names: Iterable<string>): readonly string[] => [...names].sort()

const checkIds = readdirSync(join(root, 'src/checks'))
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  .flatMap((name) => matches(source(`checks/${name}`), /\bcheck\(\s*'([a-z0-9.-]+)'/g))

test('console: every check of the server has Chinese words, at every level', () => {
  assert.ok(checkIds.length > 20, `${checkIds.length} were found`)
  assert.deepEqual(sorted(Object.keys(checkWords)), sorted(new Set(checkIds)))
  const support = { score: 91.5, dataDate: '2026-10-02', features: [] }
  const message = { sizeBytes: 5000, attachments: [], headers: [] }
  for (const id of checkIds)
    for (const level of ['ok', 'info', 'warning', 'error', 'unknown'] as const)
      for (const details of [[], ['one']]) {
        const check: CheckView = { id, level, title: 'Title', details }
        assert.match(zhServer.check({ check, message, support })?.title ?? '', chinese, `${id} ${level}`)
      }
})

/** What the checks make of verdicts. */
const authenticated = (['pass', 'fail', 'none', 'temperror'] as const).flatMap((result) => {
  const meaning = { pass: 'good', fail: 'bad', none: 'neutral', temperror: 'error' } as const
  return checkAuthentication(
    ['spf', 'dkim', 'dmarc'].map((one) => ({
      check: one,
      result,
      meaning: meaning[result],
      domain: 'a.test',
    })),
  ).map((check) => ({ check, message: { sizeBytes: 1, attachments: [], headers: [] } }))
})

const mail = (head: string, body: string): Uint8Array =>
  Buffer.from(`${head}\n\n${body}`.replaceAll('\n', '\r\n'))
const html = (body: string, head = 'Subject: Hello'): Uint8Array =>
  mail(
    `From: a@x.test\nTo: b@x.test\nMessage-ID: <1@x.test>\nDate: Sat, 21 Nov 2026 10:00:00 +0000\n${head}\nContent-Type: text/html`,
    body,
  )
const plain = (head: string, body = 'Hello'): Uint8Array => mail(head, body)

test('console: titles and advice of real messages are Chinese where the server has them, and tell the same cases apart', () => {
  const said = new Map<string, string>()
  const numbers = /\d+(?:\.\d+)?/g
  for (const raw of [
    plain('Subject: LOUD WORDS HERE', '{{name}} unsubscribe'),
    plain('From: a@x.test\nFrom: b@x.test\nSubject: Free!!!'),
    plain(`Subject: ${'long '.repeat(20)}\nList-Unsubscribe: <mailto:a@x.test>`),
    plain('List-Unsubscribe: <https://x.test/u>', `${'x'.repeat(1200)}\n`),
    plain('List-Unsubscribe: <https://x.test/u>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click'),
    plain('DKIM-Signature: v=1\nDKIM-Signature: v=1\nSubject: x', ''),
    plain(
      'Content-Type: multipart/mixed; boundary=a',
      '--a\nContent-Type: application/octet-stream\nContent-Disposition: attachment; filename=a.exe\n\nx',
    ),
    html(''),
    html('<p>View this email in your browser</p>'),
    html(
      '<script>x</script><h1>a</h1><h4>b</h4><p style="font-size:9px">tiny</p><table><tr><td>x</td></tr></table><img src="http://x.test/a"><img src="cid:none"><img src="data:image/gif;base64,x"><img src="https://x.test/p" width="1">',
    ),
    html(
      '<a href="">a</a><a href="http://localhost/x">b</a><a href="https://evil.test">good.example</a><a href="https://x.test"></a>',
    ),
    html(
      `<html lang="en"><p>Good words</p><a href="https://x.example">go on</a><p>${'x '.repeat(50_000)}</p>`,
    ),
    html(`<p>${'x '.repeat(60_000)}</p>`),
    html(Array.from({ length: 30 }, (_, i) => `<img src="https://x.test/${i}"><a href="#"></a>`).join('')),
    plain('Date: never\nFrom: a@x.test\nSubject: x\nSubject: y\nBcc: b@x.test\nMessage-ID: <1@x.test>'),
  ]) {
    const { checks, htmlSupport } = checkMessage(parseMessage(raw), raw)
    const headers = parseMessage(raw).fields
    for (const check of checks) {
      const facts = {
        check,
        message: { sizeBytes: raw.length, attachments: [], headers },
        support: htmlSupport,
      }
      const words = zhServer.check(facts)
      assert.match(words?.title ?? '', chinese, check.id)
      if (check.advice === undefined) assert.equal(words?.advice, undefined, `${check.id}: ${check.title}`)
      else assert.match(words?.advice ?? '', chinese, `${check.id}: ${check.title}`)
      // Details are names and quotations as they come, or Chinese: never our English.
      const ours =
        /\b(?:and \d+ more|missing|stands|neither|still there|the longest|of HTML|clips|no text|empty)\b/
      for (const detail of words?.details ?? check.details) assert.doesNotMatch(detail, ours, check.id)
      if (check.details.length > 0) assert.ok((words?.details ?? check.details).length > 0, check.id)
      // Sentences that differ in more than their numbers differ here, too.
      const key = `${check.id} ${words?.title.replace(numbers, '#')}`
      const title = check.title.replace(numbers, '#').replace(/s\b/g, '')
      const other = said.get(key)
      const same = check.id === 'text-part' && check.level === 'ok'
      if (other !== undefined && !same) assert.equal(title, other, key)
      said.set(key, title)
    }
  }
  for (const { check, message } of authenticated) {
    const words = zhServer.check({ check, message, support: undefined })
    assert.match(words?.title ?? '', chinese, check.title)
    assert.equal(words?.advice === undefined, check.advice === undefined, check.title)
    said.set(check.id, check.title)
  }
  const covered = new Set([...said.keys()].map((key) => key.split(' ')[0] ?? ''))
  const missing = [...new Set(checkIds)].filter((id) => !covered.has(id))
  // These need parts of their own; their words are held by the test above.
  assert.deepEqual(sorted(missing), ['attachments.name', 'images.weight'])
})

test('console: every kind of event of a timeline has a Chinese word and a sentence', () => {
  const kinds = unionOf('queue/types.ts', 'TimelineKind')
  assert.ok(kinds.length > 10)
  assert.deepEqual(sorted(Object.keys(eventWords)), sorted(kinds))
  for (const kind of kinds) {
    assert.match(kindWords[kind as TimelineKind], chinese, kind)
    const data = { from: 'a.example', to: 'b.example', by: 'ann' }
    assert.match(zhServer.event({ kind, data }) ?? '', chinese, kind)
  }
  assert.equal(zhServer.event({ kind: 'note', data: { text: 'Anything.' } }), undefined)
  assert.equal(zhServer.event({ kind: 'toString', data: {} }), undefined)
  assert.equal(zhServer.eventKind('constructor'), undefined)
})

test('console: verdicts are said in Chinese, by check and word, with the reasons of others as they are', () => {
  const data = { check: 'dkim', result: 'fail', reason: 'body hash did not verify' }
  assert.equal(zhServer.event({ kind: 'check', data }), '已检查 DKIM：未通过（body hash did not verify）。')
  assert.match(zhServer.event({ kind: 'check', data: { text: 'x: y' } }) ?? '', /x: y/)
  const table =
    /\n\| check \| words \|[\s\S]*?\n\n/.exec(readFileSync(join(root, 'docs/inbound.md'), 'utf8'))?.[0] ?? ''
  const rows = [...table.matchAll(/^\| ((?:`[a-z-]+`(?:, )?)+) \| ([^|]*) \|/gm)]
  assert.ok(rows.length > 8)
  for (const [, checks = '', results = ''] of rows) {
    for (const check of matches(checks, /`([a-z-]+)`/g))
      assert.match(verdictChecks[check]?.about ?? '', chinese, check)
    for (const result of matches(results, /`([a-z-]+)`/g))
      assert.match(verdictWords[result] ?? '', chinese, result)
  }
})

test('console: names and replies of an event stand in the sentence word for word', () => {
  for (const [kind, data] of [
    ['accepted', { recipientCount: 12 }],
    ['delivered', { how: 'relayed', host: 'mx.example', reply: '250 2.0.0 queued as 7' }],
    ['delivered', { how: 'captured', recipient: 'ann@x.test' }],
    ['delivered', { how: 'local', account: 'ann@x.test', mailbox: 'INBOX' }],
    ['deferred', { reason: '451 4.7.1 later' }],
    ['failed', { reason: '550 5.1.1 no such user' }],
    ['held', { by: 'ann@x.test', reason: 'looked at first' }],
    ['expired', { reason: '421 busy' }],
    ['expanded', { alias: 'all@x.test', to: ['ann@x.test', 'bob@x.test'] }],
  ] as const) {
    const words = zhServer.event({ kind, data }) ?? ''
    const english = eventText({ messageId: '', at: 0, kind, data })
    for (const value of Object.values(data).flat()) {
      if (english.includes(String(value))) assert.ok(words.includes(String(value)), `${kind}: ${words}`)
    }
    assert.match(words, /。$|[.!?]$/)
  }
  assert.match(zhServer.event({ kind: 'delivered', data: { how: 'discarded' } }) ?? '', /丢弃/)
  assert.equal(zhServer.event({ kind: 'held', data: { by: 'operator' } }), '由管理员搁置。')
})

test('console: every reason to wait has a Chinese sentence with its numbers', () => {
  const kinds = unionOf('queue/explain.ts', 'Waiting')
  assert.ok(kinds.length > 5)
  assert.deepEqual(sorted(Object.keys(waitingWords)), sorted(kinds))
  const now = 1_700_000_000_000
  const delivery = {
    id: 'm-0',
    destination: 'slow.example',
    state: 'waiting',
    attemptCount: 3,
    nextTryAt: now + 12 * 60_000,
    expiresAt: now + 4 * 86_400_000,
    lastError: '451 4.7.1 come again',
  } as DeliveryView
  const say = (more: Partial<DeliveryView>): string => zhServer.waiting({ ...delivery, ...more }, now) ?? ''
  for (const kind of kinds as readonly (keyof typeof waitingWords)[])
    assert.match(say({ waiting: { kind } }), chinese, kind)
  assert.equal(
    say({ waiting: { kind: 'deferred' } }),
    '第 3 次尝试后推迟。下次尝试：12 分钟后（间隔随次数增加）。最近的应答：451 4.7.1 come again。4 天后放弃。',
  )
  assert.match(say({ waiting: { kind: 'greylisted', askedToWait: true } }), /对方要求等待/)
  assert.match(say({ waiting: { kind: 'deferred', mayHaveDelivered: true } }), /可能会送达两次/)
  assert.match(say({ waiting: { kind: 'deferred' }, attemptCount: 0 }), /定时发送：12 分钟后发出/)
  const down = { since: now - 3_600_000, failureCount: 9, lastError: 'timed out', probeAt: now + 60_000 }
  assert.match(
    say({ waiting: { kind: 'destination-down', down } }),
    /slow\.example：timed out。.*1 小时.*9 次.*60 秒后/,
  )
  const held = say({ state: 'held', waiting: { kind: 'held', heldBy: 'ann', heldReason: 'looks odd' } })
  assert.match(held, /由 ann 搁置（looks odd）/)
  assert.doesNotMatch(held, /放弃。/)
  assert.equal(zhServer.waiting(delivery, now), undefined)
})

test('console: every problem, fault profile and defect has Chinese words', () => {
  const titles = source('http/problem.ts').split('const titles = {')[1]?.split('} as const')[0] ?? ''
  const problems = matches(titles, /^ {2}'?([a-z-]+)'?: \[/gm)
  assert.ok(problems.length > 10)
  assert.deepEqual(sorted(Object.keys(problemWords)), sorted(problems))
  for (const kind of problems) assert.match(zhServer.problem(`urn:posthouse:problem:${kind}`) ?? '', chinese)
  assert.equal(zhServer.problem('about:blank'), undefined)
  assert.equal(zhServer.problem('urn:posthouse:problem:constructor'), undefined)
  assert.deepEqual(sorted(Object.keys(profileWords)), sorted(faultProfiles.map(({ name }) => name)))
  for (const { name } of faultProfiles) assert.match(zhServer.profile(name) ?? '', chinese, name)
  const defects = unionOf('message/mime-part.ts', 'MimeDefectCode')
  assert.ok(defects.length > 10)
  for (const code of defects) assert.match(zhServer.defect(code) ?? '', chinese, code)
})

test('console: whatever is found of a domain in DNS has a Chinese sentence with its names', () => {
  const said = readdirSync(join(root, 'src/posthouse'))
    .filter((name) => /^domain-.*check|^domain-finding/.test(name) && !name.endsWith('.test.ts'))
    .flatMap((name) => matches(source(`posthouse/${name}`), /'([a-z-]+\.[a-z-]+|unanswered)'/g))
    .filter((code) => !code.includes('.ts'))
  assert.deepEqual(sorted(new Set(said)), sorted(dnsFindingCodes))
  for (const code of dnsFindingCodes) {
    const named: string[] = []
    const data = new Proxy({} as Record<string, string>, {
      get: (_, key) => {
        named.push(`<${String(key)}>`)
        return `<${String(key)}>`
      },
    })
    const words = zhServer.finding({
      purpose: 'mx',
      subject: '',
      state: 'bad',
      code,
      data,
      text: '',
      found: [],
    })
    assert.match(words?.text ?? '', chinese, code)
    for (const name of named) assert.ok(`${words?.text}${words?.advice}`.includes(name), `${code} ${name}`)
  }
})

test('console: every key of the configuration that is explained is explained in Chinese', () => {
  for (const [key, english] of Object.entries(configHelpData)) {
    const words = configWords[key] ?? configWords[key.replace(/^listeners\.\w+/, 'listeners.*')] ?? ''
    assert.match(words, chinese, `${key}: ${english}`)
    // What it says of RFCs and defaults is the same.
    for (const [, value = ''] of english.matchAll(/Default (\d[\w.]*|true|false)[ .;]/g))
      assert.ok(words.includes(value.replace(/\.$/, '')), `${key}: ${words}`)
  }
  assert.equal(
    settingWords('domains["example.test"].accounts["ann@x.test"].password'),
    configWords['domains.*.accounts.*.password'],
  )
  assert.equal(settingWords('delivery.routes["*"]'), configWords['delivery.routes'])
  assert.equal(settingWords('listeners.mx.limits.errorsMax'), configWords['limits.errorsMax'])
  assert.equal(settingWords('listeners.mx.address'), configWords['listeners.mx'])
  for (const key of ['', 'nothing', 'constructor', '__proto__']) assert.equal(settingWords(key), undefined)
})

test('console: every note of an attempt is said in Chinese, with its names', () => {
  const codes = matches(
    source('queue/types.ts').split('export interface AttemptNote')[1]?.split('}')[0] ?? '',
    /'([a-z-]+)'/g,
  )
  assert.ok(codes.length > 5)
  assert.deepEqual(sorted(Object.keys(noteWords)), sorted(codes))
  for (const code of codes as readonly AttemptNote['code'][]) {
    const data = { domain: 'here.test', selectors: 's1 (RSA)', reason: 'no key', path: 'SRS0=x@here.test' }
    const words = zhServer.note({ code, data }) ?? ''
    const english = noteText({ code, data })
    assert.match(words, chinese, code)
    for (const value of Object.values(data))
      assert.equal(words.includes(value), english.includes(value), `${code}: ${words}`)
  }
  assert.equal(zhServer.note({ code: 'constructor' as AttemptNote['code'], data: {} }), undefined)
})

test('console: whatever is not understood of a search is said in Chinese, with the words that were typed', () => {
  const seen = new Set<string>()
  for (const q of [
    'x'.repeat(3000),
    'a '.repeat(60),
    '"open',
    'from:',
    'from:*** is:red has:wings after:soon larger:big colour:red ***! ...',
  ]) {
    const { warnings, problems } = parseSearch(q, 0)
    assert.equal(warnings.length, problems.length)
    problems.forEach((problem, at) => {
      seen.add(problem.code)
      const words = zhServer.searchProblem(problem) ?? ''
      assert.match(words, chinese, problem.code)
      assert.ok(words.includes(problem.text), words)
      if (problem.text !== '') assert.ok(warnings[at]?.includes(problem.text), warnings[at])
    })
  }
  assert.deepEqual(sorted(seen), sorted(searchProblems))
})

test('console: spans of time as a person says them', () => {
  for (const [ms, words] of [
    [-5, '0 秒'],
    [45_000, '45 秒'],
    [720_000, '12 分钟'],
    [3_600_000, '1 小时'],
    [12_000_000, '3 小时 20 分钟'],
    [352_800_000, '4 天 2 小时'],
  ] as const)
    assert.equal(inChinese(ms), words)
})
