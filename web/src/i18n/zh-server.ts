// Owns in Simplified Chinese what the server says in English: timelines, the reasons of waiting, problems, fault profiles.
// Reasons, replies and notes that are quoted stay word for word. What exists in the server must exist here:
// test/console/server-words.test.ts walks it.

import type { AttemptNote, DeliveryView, SearchProblem, WaitingView } from '../../../src/http/api-types.ts'
import type { ProblemKind } from '../../../src/http/problem.ts'
import type { TimelineKind } from '../../../src/queue/types.ts'
import type { ServerWords } from './server-words.ts'
import { checkWords, defectWords, withMore } from './zh-checks.ts'
import { settingWords } from './zh-config.ts'
import { findingWords } from './zh-dns.ts'
import { verdictChecks, verdictWords } from './zh-verdicts.ts'

type Data = Readonly<Record<string, unknown>>

const own = <T>(table: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined
const word = (value: unknown): string => (typeof value === 'string' ? value : '')
const behind = (lead: string, value: unknown, end = ''): string =>
  word(value) === '' ? '' : `${lead}${word(value)}${end}`
/** A sentence that may end in somebody's words: those have their own stop. */
const stop = (sentence: string): string => (/[.!?。！？]$/.test(sentence) ? sentence : `${sentence}。`)

/** Who is no person: the parts of the server that act by themselves. */
const actors: Readonly<Record<string, string>> = {
  operator: '管理员',
  queue: '队列',
  configuration: '配置',
  'a route': '路由',
}
const by = (value: unknown): string => {
  const known = own(actors, word(value))
  return known !== undefined ? `由${known}` : word(value) === '' ? '' : `由 ${word(value)} `
}

export const kindWords: Readonly<Record<TimelineKind | 'captured', string>> = {
  accepted: '接收',
  conversation: '对话',
  check: '检查',
  queued: '入队',
  attempt: '尝试',
  delivered: '投递',
  captured: '截留',
  deferred: '推迟',
  failed: '失败',
  held: '搁置',
  released: '放行',
  retried: '重试',
  bounced: '退信',
  deleted: '删除',
  expired: '放弃',
  dsn: '报告',
  expanded: '别名',
  note: '备注',
}

const reports: Readonly<Record<string, string>> = {
  failed: '投递失败',
  delayed: '投递延迟',
  delivered: '已送达',
  relayed: '已转交',
  expanded: '已由别名转发',
}

function delivered({ how, recipient, mailbox, account, host, reply }: Data): string {
  if (how === 'captured') return `已截留${behind('，收件人 ', recipient)}；没有发出。`
  if (how === 'discarded') return '按路由的规定丢弃。'
  if (how === 'local') return `已放入${behind(' ', account, ' 的')} ${word(mailbox) || '邮箱'}。`
  return stop(`已投递${behind('到 ', host)}${behind('，对方应答：', reply)}`)
}

function checked({ text, check, name, result, reason }: Data): string {
  if (word(check) === '' || word(result) === '') return stop(`已检查${behind('：', text)}`)
  const what = own(verdictChecks, word(check))?.label ?? word(check)
  const words = own(verdictWords, word(result)) ?? word(result)
  return `已检查 ${what}${behind(' ', name)}：${words}${behind('（', reason, '）')}。`
}

function report({ kind, to, skipped }: Data): string {
  const what = reports[word(kind)]
  if (typeof skipped === 'string')
    return stop(`没有向发件人发送报告${what === undefined ? '' : `（${what}）`}：${skipped}`)
  return `已向发件人${behind(' ', to, ' ')}发送报告${what === undefined ? '' : `：${what}`}。`
}

export const eventWords: Readonly<Record<TimelineKind, (data: Data) => string | undefined>> = {
  accepted: ({ recipientCount }) =>
    `已接收，${typeof recipientCount === 'number' ? recipientCount : 1} 个收件人。`,
  conversation: () => '已记录 SMTP 对话。',
  check: checked,
  queued: () => '已放入队列。',
  attempt: ({ host, reply }) => stop(`尝试投递${behind('到 ', host)}${behind('：', reply)}`),
  delivered,
  deferred: ({ reason }) => stop(`已推迟${behind('：', reason)}`),
  failed: ({ reason }) => stop(`最终失败${behind('：', reason)}`),
  held: (data) => stop(`${by(data.by)}搁置${behind('：', data.reason)}`),
  released: (data) => `${by(data.by)}放行。`,
  retried: (data) => `${by(data.by)}要求立即重试。`,
  bounced: (data) => `${by(data.by)}退回给发件人。`,
  deleted: (data) => `${by(data.by)}删除。`,
  expired: ({ reason }) => stop(`已放弃${behind('：', reason)}`),
  dsn: report,
  expanded: ({ alias, to }) =>
    `别名${behind(' ', alias, ' ')}指向 ${Array.isArray(to) ? to.map(String).join('、') : '其他地址'}。`,
  // Of all notes only the one of a new route is data; the others are their own text.
  note: ({ from, to, by: who }) =>
    word(from) === '' || word(to) === '' ? undefined : `${by(who)}从 ${word(from)} 改道到 ${word(to)}。`,
}

/** '45 秒', '12 分钟', '3 小时 20 分钟', '4 天 2 小时'; cut off as format.ts does, which stands beside it. */
export function inChinese(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 90) return `${seconds} 秒`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} 分钟`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return minutes % 60 === 0 ? `${hours} 小时` : `${hours} 小时 ${minutes % 60} 分钟`
  const days = Math.floor(hours / 24)
  return hours % 24 === 0 ? `${days} 天` : `${days} 天 ${hours % 24} 小时`
}
const later = (at: number, now: number): string => (at <= now ? '现在' : `${inChinese(at - now)}后`)

type Reason = (delivery: DeliveryView, told: WaitingView, now: number) => string

const nextTry = ({ nextTryAt }: DeliveryView, { askedToWait }: WaitingView, now: number): string =>
  `下次尝试：${nextTryAt === undefined ? '未定' : later(nextTryAt, now)}（${
    askedToWait === true ? '对方要求等待这么久' : '间隔随次数增加'
  }）。`

export const waitingWords: Readonly<Record<WaitingView['kind'], Reason>> = {
  held: (_, { heldBy, heldReason }) =>
    `${by(heldBy)}搁置${behind('（', heldReason, '）')}；放行之前不会投递。`,
  attempting: ({ attemptCount }) => `第 ${Math.max(1, attemptCount)} 次尝试正在进行。`,
  settling: () => '一次尝试已结束，正在写入结果。',
  slot: ({ destination }) => `已到时间，正在等待发往 ${destination} 的空位。`,
  greylisted: (delivery, told, now) =>
    `灰名单：对方要等下一次尝试才接收陌生发件人的邮件。${nextTry(delivery, told, now)}`,
  deferred: (delivery, told, now) =>
    // Only its sender puts off what was never tried.
    delivery.attemptCount === 0
      ? `发件人定时发送：${delivery.nextTryAt === undefined ? '稍后' : later(delivery.nextTryAt, now)}发出。`
      : `第 ${delivery.attemptCount} 次尝试后推迟。${nextTry(delivery, told, now)}`,
  'destination-down': ({ destination }, { down }, now) =>
    down === undefined
      ? `无法连接 ${destination}。`
      : `${stop(`无法连接 ${destination}：${down.lastError}`)}已持续 ${inChinese(now - down.since)}，连续失败 ${down.failureCount} 次。${later(down.probeAt, now)}将用一个投递试探；对方应答后其余的随即发出。`,
}

function waiting(delivery: DeliveryView, now: number): string | undefined {
  const told = delivery.waiting
  const reason = told === undefined ? undefined : waitingWords[told.kind]
  if (told === undefined || reason === undefined) return undefined
  return [
    reason(delivery, told, now),
    delivery.lastError === undefined || told.kind === 'destination-down'
      ? ''
      : stop(`最近的应答：${delivery.lastError}`),
    told.mayHaveDelivered === true ? '整封邮件发出之后连接中断：对方可能已经收到，因此可能会送达两次。' : '',
    told.kind === 'held' ? '' : `${later(delivery.expiresAt, now)}放弃。`,
  ].join('')
}

export const problemWords: Readonly<Record<ProblemKind, string>> = {
  'bad-request': '请求无效',
  unauthorized: '请登录，或发送令牌',
  forbidden: '不允许',
  'not-found': '没有找到',
  'method-not-allowed': '不支持这种方法',
  conflict: '与现有内容冲突',
  'too-large': '请求过大',
  'media-type': '不接受这种类型的内容',
  range: '没有这样的字节范围',
  misdirected: '这里不为该主机名服务',
  invalid: '请求无法执行',
  throttled: '请求过于频繁',
  internal: '服务器内部错误',
  busy: '现在不行，请稍后再试',
  'timed-out': '用时过长',
  'store-failed': '存储出错',
  'store-full': '磁盘已满',
}

export const profileWords: Readonly<Record<string, string>> = {
  greylisting: '每个新的发件人和收件人先推迟一次，一分钟。',
  flaky: '每十步有一步暂时失败，每五十个连接有一个被重置，每五十个应答丢失一个。',
  slow: '每个应答要两秒，对邮件的应答要十秒。',
  down: '服务器现在不收邮件：以 421 代替问候。',
  'disk-full': '没有空间存放邮件：每个 MAIL 都得到 452。',
  'full-mailbox': '每个邮箱都超出配额。',
  'unknown-users': '所有收件人都不存在。',
  'spam-filter': '每封邮件在收完后都因内容可疑被拒收。',
  'wrong-password': '任何登录都不成功。',
  'broken-tls': '提供 STARTTLS，但握手失败。',
  'gmail-like': '与大型邮箱服务商相仿的限制：25 MiB，同一客户端每分钟不超过 60 封。',
  'relay-quota': '与发信服务对新账户相仿的限制：10 MiB，每秒一封，每天最多 200 封。',
  'lost-answer': '邮件已收下，但客户端得知之前连接中断：它会发送两次吗？',
}

export const noteWords: Readonly<
  Record<AttemptNote['code'], (data: Readonly<Record<string, string>>) => string>
> = {
  signed: ({ domain = '', selectors = '' }) => `已为 ${domain} 签名：${selectors}。`,
  'not-signed': ({ reason = '' }) => stop(`没有签名：${reason}`),
  sealed: ({ domain = '', selectors = '' }) => `已为 ${domain} 加上 ARC 封印：${selectors}。`,
  'not-sealed': ({ reason = '' }) => stop(`没有加 ARC 封印：${reason}`),
  'chain-ended': () => '没有加 ARC 封印：它的 ARC 链已经结束，或者无法判断。',
  forwarded: ({ path = '' }) => `以 ${path} 的名义转发。`,
  'forwarded-unchanged': ({ path = '' }) => `以原来的发件人转发：${path} 太长，无法改写。`,
}

export const searchWords: Readonly<Record<SearchProblem['code'], (text: string) => string>> = {
  'too-long': (max) => `只读取了前 ${max} 个字符。`,
  'too-many-terms': (max) => `只读取了前 ${max} 个条件。`,
  'open-quote': () => '引号没有结束：后面的全部内容都作为短语。',
  'empty-field': (field) => `${field}: 后面没有内容，已忽略。`,
  'no-address': (term) => `${term} 中没有字母或数字，已忽略。`,
  'no-words': (term) => `${term} 中没有字母或数字，已忽略。`,
  'unknown-has': (term) => `${term} 已忽略：has: 后面可以是 attachment 或 tag。`,
  'unknown-is': (term) => `${term} 已忽略：is: 后面可以是 unread、read 或 starred。`,
  'bad-date': (term) => `${term} 已忽略：日期写作 2026-01-31，距今的时间写作 2d 或 3h。`,
  'bad-size': (term) => `${term} 已忽略：大小写作 5000、10k 或 2MB。`,
  'no-field': (term) => `${term} 中没有这样的字段，已按普通文字搜索。`,
}

const problemPrefix = 'urn:posthouse:problem:'

export const zhServer: ServerWords = {
  check: (facts) => {
    const words = own(checkWords, facts.check.id)?.(facts)
    if (words === undefined || words.details !== undefined || facts.check.data?.moreCount === undefined)
      return words
    return { ...words, details: withMore(facts, facts.check.details.slice(0, -1)) }
  },
  eventKind: (kind) => own(kindWords, kind),
  event: ({ kind, data }) => own(eventWords, kind)?.(data),
  waiting,
  problem: (type) =>
    type.startsWith(problemPrefix) ? own(problemWords, type.slice(problemPrefix.length)) : undefined,
  profile: (name) => own(profileWords, name),
  defect: (code) => own(defectWords, code),
  setting: settingWords,
  note: ({ code, data }) => own(noteWords, code)?.(data),
  searchProblem: ({ code, text }) => own(searchWords, code)?.(text),
  finding: ({ code, data }) => own(findingWords, code)?.(data),
}
