// Owns the checks of a message in Simplified Chinese, by their ids. Details are names and quotations and stay as they come.

import type { MimeDefectCode } from '../../../src/message/mime-part.ts'
import type { CheckFacts, CheckWords } from './server-words.ts'
import { verdictWords } from './zh-verdicts.ts'

const numberOf = ({ check }: CheckFacts, key: string): number | undefined => {
  const value = check.data?.[key]
  return typeof value === 'number' ? value : undefined
}
const listOf = ({ check }: CheckFacts, key: string): readonly string[] => {
  const value = check.data?.[key]
  return Array.isArray(value) ? (value as readonly string[]) : []
}
/** The line behind those that are shown counts the others. */
const count = (facts: CheckFacts): string => {
  const moreCount = numberOf(facts, 'moreCount')
  return String(facts.check.details.length + (moreCount === undefined ? 0 : moreCount - 1))
}
/** The server's last line says in English how many more there are. */
export const withMore = (facts: CheckFacts, shown: readonly string[]): readonly string[] => {
  const moreCount = numberOf(facts, 'moreCount')
  return moreCount === undefined ? shown : [...shown, `另有 ${moreCount} 项`]
}
const say = (title: string, advice?: string): CheckWords => ({
  title,
  ...(advice !== undefined && { advice }),
})
const always =
  (title: string, advice?: string): ((facts: CheckFacts) => CheckWords) =>
  () =>
    say(title, advice)
const counted =
  (before: string, after: string, advice?: string): ((facts: CheckFacts) => CheckWords) =>
  (facts) =>
    say(`${before}${count(facts)}${after}`, advice)
const isFine = ({ check }: CheckFacts): boolean => check.level === 'ok'
const sizeText = (bytes: number): string =>
  bytes < 10_000
    ? `${bytes} 字节`
    : bytes < 1e6
      ? `${Math.round(bytes / 1000)} kB`
      : `${(bytes / 1e6).toFixed(1)} MB`

function subject(facts: CheckFacts): CheckWords {
  const { check } = facts
  const [text = ''] = check.details
  switch (check.level) {
    case 'error':
      return say('没有主题', '请写上主题：没有主题的邮件会被过滤器和收件人忽略。')
    case 'warning':
      return text === text.toUpperCase() && /[A-Z]{4}/.test(text)
        ? say('主题全部是大写字母', '读起来像在喊叫，过滤器也会扣分。')
        : say('主题看起来像广告', '请去掉重复的符号。')
    case 'info':
      return say(
        `主题有 ${numberOf(facts, 'length') ?? '许多'} 个字符`,
        '手机大约显示 40 个字符，多数客户端大约显示 70 个。',
      )
    default:
      return say('主题')
  }
}

function unsubscribe({ check }: CheckFacts): CheckWords {
  const [value] = check.details
  if (check.level === 'ok') return say('一键即可退订（RFC 8058）')
  if (value === undefined)
    return say(
      '可以退订，但不能用客户端的退订按钮',
      '大型邮箱服务商要求群发邮件带有 List-Unsubscribe 和 List-Unsubscribe-Post（RFC 8058）。',
    )
  return say(
    /<https:/i.test(value) ? '缺少 List-Unsubscribe-Post' : 'List-Unsubscribe 中没有 https 地址',
    '一键退订（RFC 8058）两者都需要：一个 https 地址，以及 List-Unsubscribe-Post: List-Unsubscribe=One-Click。',
  )
}

function totalSize({ check, message }: CheckFacts): CheckWords {
  const size = sizeText(message.sizeBytes)
  switch (check.level) {
    case 'error':
      return say(
        `${size}：超过多数服务商的上限`,
        'Gmail 等许多服务商的上限是编码后 25 MB：大文件请改用链接。',
      )
    case 'warning':
      return say(`${size}：有些服务器只接收 10 MB 以内的邮件`)
    default:
      return say(`总大小 ${size}`)
  }
}

function clipping(facts: CheckFacts): CheckWords {
  const bytes = numberOf(facts, 'bytes')
  const limit = numberOf(facts, 'limit')
  if (bytes === undefined || limit === undefined) return clippingTitle(facts)
  const details = [`HTML 共 ${sizeText(bytes)}，Gmail 在 ${sizeText(limit)} 之后截断`]
  return { ...clippingTitle(facts), details }
}

function clippingTitle({ check }: CheckFacts): CheckWords {
  switch (check.level) {
    case 'error':
      return say(
        'Gmail 会截断这封邮件',
        '请精简 HTML：去掉注释、未使用的样式和重复的内联样式。被截断的部分（例如退订链接）不会显示。',
      )
    case 'warning':
      return say('接近 Gmail 截断的大小', '为每位收件人填入的姓名和链接可能使它超过上限。')
    default:
      return say('大小合适，不会被截断')
  }
}

function preheader({ check }: CheckFacts): CheckWords {
  if (check.level === 'ok') return say('邮件列表会先显示这些文字')
  return check.details.length === 0
    ? say('没有预览文字', '邮件列表会显示开头的文字：请以一行简短的文字开头。')
    : say('预览被一行技术性文字占用', '请把一句与内容有关的话放在最前面，必要时可以隐藏。')
}

function headerFault(fault: string): string {
  const [kind = '', name = ''] = fault.split(' ', 2)
  switch (kind) {
    case 'missing':
      return `缺少 ${name}`
    case 'several':
      return `${name} 出现多次（RFC 5322 第 3.6 节）`
    case 'unreadable':
      return `${name} 无法解读`
    case 'no-recipients':
      return '既没有 To 也没有 Cc'
    case 'bcc':
      return 'Bcc 还在：其中的收件人会被看到'
    default:
      return fault
  }
}

function lines(facts: CheckFacts): CheckWords {
  const longest = numberOf(facts, 'longest')
  if (isFine(facts))
    return {
      ...say('没有过长的行'),
      ...(longest !== undefined && { details: [`最长的一行有 ${longest} 字节`] }),
    }
  return say(
    longest === undefined ? '有一行过长' : `有一行长达 ${longest} 字节`,
    '一行最多 998 字节（RFC 5322 第 2.1.1 节）：有些服务器会截断，签名也会失效。请用 quoted-printable 或 base64 编码这一部分。',
  )
}

function imageWeight({ check, message }: CheckFacts): CheckWords {
  const bytes = message.attachments.reduce(
    (sum, { contentId, contentType, sizeBytes }) =>
      contentId !== undefined && contentType.startsWith('image/') ? sum + sizeBytes : sum,
    0,
  )
  return say(
    `邮件内含图片${bytes > 0 ? ` ${sizeText(bytes)}` : ''}`,
    check.level === 'ok' ? undefined : '在手机上需要几秒钟才能加载：请缩小并压缩图片。',
  )
}

const wordOf = ({ check }: CheckFacts, key: string): string => {
  const value = check.data?.[key]
  return typeof value === 'string' ? value : ''
}
/** 'SPF：未通过（example.test）' */
function judged(facts: CheckFacts, name: string, advice: (result: string) => string): CheckWords {
  const result = wordOf(facts, 'result')
  const domain = wordOf(facts, 'domain')
  const words = Object.hasOwn(verdictWords, result) ? (verdictWords[result] ?? result) : result
  const title = `${name}：${words || '未知'}${domain === '' ? '' : `（${domain}）`}`
  return say(title, isFine(facts) ? undefined : advice(result))
}

function signed(facts: CheckFacts): CheckWords {
  const { check, message } = facts
  const [good, all] = [numberOf(facts, 'good'), numberOf(facts, 'judged')]
  if (good !== undefined && all !== undefined)
    return say(
      `DKIM：${all} 个签名中有 ${good} 个通过验证`,
      good > 0 ? undefined : '签名之后邮件被改动过，或者 DNS 中的密钥不是签名所用的那个。',
    )
  if (check.level === 'info')
    return say('没有 DKIM 签名', '这是邮件到达这里时的样子。正式环境中应由负责发送的服务器签名。')
  const signatures = message.headers.filter(({ name }) => name.toLowerCase() === 'dkim-signature').length
  return say(`带有${signatures > 0 ? ` ${signatures} 个` : ''} DKIM 签名，此处未验证`)
}

function support({ check, support }: CheckFacts): CheckWords | undefined {
  if (support === undefined) return undefined
  const advice = check.level === 'ok' ? undefined : '请看下面列出的特性中对您最重要的那些。'
  return {
    ...say(`HTML 用到的特性有 ${support.score}% 能被邮件客户端显示`, advice),
    details: support.features
      .slice(0, 5)
      .map(
        ({ title, supported, partial, unsupported }) =>
          `${title}：${supported + partial + unsupported} 个客户端中有 ${unsupported} 个不支持`,
      ),
  }
}

export const checkWords: Readonly<Record<string, (facts: CheckFacts) => CheckWords | undefined>> = {
  'text-part': ({ check }) =>
    check.level === 'ok'
      ? say('有纯文本内容')
      : check.advice === undefined
        ? say('邮件没有正文')
        : say(
            '只有 HTML，没有纯文本',
            '请添加纯文本部分（multipart/alternative）：手表、读屏软件和过滤器都会用到。',
          ),
  subject,
  header: (facts) =>
    isFine(facts)
      ? say('From、Date 和 Message-ID 齐全，各有一个')
      : {
          ...say('邮件头不合规范', '服务器会拒收或标记这样的邮件。'),
          details: listOf(facts, 'faults').map(headerFault),
        },
  'list-unsubscribe': unsubscribe,
  template: always('疑似有未填写的模板占位符', '请填写内容，或设置默认值。'),
  'attachments.type': always('含有多数服务商拒收的附件', '请改为下载链接。'),
  'attachments.name': always('有附件没有文件名'),
  'size.total': totalSize,
  lines,
  mime: ({ check }) => ({
    title: '邮件的结构不符合标准',
    advice: '有些客户端会读出不同的内容。',
    details: check.details.map((code) => {
      const words = Object.hasOwn(defectWords, code) ? defectWords[code as MimeDefectCode] : undefined
      return words === undefined ? code : `${words}（${code}）`
    }),
  }),
  'authentication.dkim': signed,
  'authentication.spf': (facts) =>
    judged(facts, 'SPF', () => '请在信封发件人域名的 SPF 记录中写上发送的主机。'),
  'authentication.dmarc': (facts) =>
    judged(facts, 'DMARC', (result) =>
      result === 'none'
        ? '请发布 DMARC 记录：大型邮箱服务商要求有一条。'
        : '请让 SPF 或 DKIM 以 From 中的域名通过：收件方会按它的策略处理。',
    ),
  'html.support': support,
  'size.clipping': clipping,
  preheader,
  'images.alt': (facts) =>
    isFine(facts)
      ? say('每张图片都有替代文字')
      : say(
          `${count(facts)} 张图片没有 alt`,
          '许多客户端起初不显示图片，读屏软件会读出 alt：请描述图片，装饰图片写 alt=""。',
        ),
  'images.https': counted('', ' 张图片未使用 TLS', '代理或阻止混合内容的客户端不会显示它们：请使用 https。'),
  'images.cid': counted('', ' 张图片引用了不存在的 cid', '请以此 Content-ID 附上图片，或改正引用。'),
  'images.data': always(
    '有图片使用 data: URI',
    'Gmail 和 Outlook 不显示它们：请以 cid 附上图片，或改用链接。',
  ),
  'images.tracking': counted('', ' 张图片只用来得知谁打开了邮件'),
  'images.only': always(
    '除图片外几乎没有文字',
    '图片被阻止时邮件是空的，过滤器也会把它当作垃圾邮件：重要内容请写成文字。',
  ),
  'images.weight': imageWeight,
  'links.empty': (facts) => {
    const hrefs = listOf(facts, 'hrefs')
    return {
      ...say(`${count(facts)} 个链接没有去处`, '请填上地址，或去掉链接。'),
      details: withMore(
        facts,
        listOf(facts, 'texts').map((text, at) => `${text || '（没有文字）'}：${hrefs[at] || '（空）'}`),
      ),
    }
  },
  'links.local': counted(
    '',
    ' 个链接指向收件人无法访问的机器',
    '开发环境中没有问题；正式环境中请使用公开的网址。',
  ),
  'links.https': counted('', ' 个链接未使用 TLS', '请使用 https。'),
  'links.mismatch': counted(
    '',
    ' 个链接的文字与实际去往的网站不同',
    '过滤器会把它当作钓鱼：请用文字代替网址，或写出真实网址。',
  ),
  'links.text': counted('', ' 个链接没有文字', '读屏软件无从读起：请加上文字，或为图片写 alt。'),
  links: always('链接看上去没有问题'),
  'accessibility.lang': always(
    '没有注明语言',
    '请写 <html lang="zh-CN">：读屏软件据此发音，翻译功能据此提示。',
  ),
  'accessibility.tables': always(
    '有排版用的表格没有注明用途',
    '请加上 role="presentation"：否则行和列会被读出来。',
  ),
  'accessibility.headings': always('标题级别有跳跃', '标题不应跳级：人们会从一个标题跳到下一个。'),
  'accessibility.text-size': always('有小于 12 px 的文字', '在手机上难以阅读。'),
  'html.inert': always('含有邮件客户端会去掉或不运行的元素', '请改为指向网页的链接。'),
}

export const defectWords: Readonly<Record<MimeDefectCode, string>> = {
  'unclosed-multipart': '多部分内容没有结束标记',
  'no-boundary': '多部分内容没有边界参数',
  'no-parts': '多部分内容里没有任何部分',
  'unfinished-header': '邮件头之后没有空行',
  'not-a-field': '邮件头中有不是字段的行',
  'duplicate-field': '只能出现一次的字段重复了',
  'bad-content-type': 'Content-Type 无法解读',
  'bad-encoding': '编码中有不该出现的字符',
  'unknown-charset': '字符集未知',
  'bad-charset': '有字符集之外的字节',
  'header-too-large': '邮件头过大',
  'too-many-fields': '字段过多',
  'too-many-parameters': '参数过多',
  'too-many-parts': '部分过多',
  'too-deep': '嵌套过深',
  'too-large': '邮件过大',
}
