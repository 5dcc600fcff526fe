// Owns in Simplified Chinese what was found of a domain in DNS, by the code of the finding and what it names. Where a record
// is to be published the page shows it: the advice is for what else there is to do.

import type { DnsFindingCode } from '../../../src/http/api-types.ts'
import type { FindingWords } from './server-words.ts'

type Data = Readonly<Record<string, string>>
const say = (text: string, advice?: string): FindingWords => ({
  text,
  ...(advice !== undefined && { advice }),
})
const always =
  (text: string, advice?: string): ((data: Data) => FindingWords) =>
  () =>
    say(text, advice)

const servePolicy = '请改用本服务器的策略。'

export const findingWords: Readonly<Record<DnsFindingCode, (data: Data) => FindingWords>> = {
  unanswered: ({ reason = '' }) =>
    say(`DNS 没有应答：${reason}`, '请稍后再查；如果一直如此，请检查这个域名的域名服务器。'),

  'mx.none': always('没有 MX 记录：邮件会送到域名自身的地址（如果有的话）。'),
  'mx.null': always('声明这个域名不接收邮件（空 MX）。'),
  'mx.elsewhere': ({ hosts = '' }) => say(`邮件送往 ${hosts}，而不是这里。`, '请改为下面的记录。'),
  'mx.incomplete': ({ hosts = '' }) => say(`缺少 ${hosts}。`, '请补上下面的记录。'),
  'mx.others': ({ hosts = '' }) =>
    say(`邮件也可能送往 ${hosts}。`, '请删除它；如果是您的主机，请写进 publish.mx。'),
  'mx.ok': ({ hosts = '' }) => say(`邮件送到 ${hosts}。`),
  'host.none': ({ host = '' }) =>
    say(`${host} 没有地址：邮件送不到。`, `请发布本服务器的公网地址：${host}. IN A`),
  'host.private': ({ addresses = '' }) => say(`只有 ${addresses}：从互联网无法到达。`),
  'host.ok': ({ addresses = '' }) => say(`地址：${addresses}。`),
  'reverse.none': ({ address = '', host = '' }) =>
    say(
      '这个地址没有名称：许多服务器会拒收来自它的邮件。',
      `请让提供 ${address} 的人把它的名称设为 ${host}。`,
    ),
  'reverse.other': ({ name = '', address = '', host = '' }) =>
    say(`它的名称是 ${name}，而不是 ${host}。`, `请让提供 ${address} 的人把它的名称设为 ${host}。`),
  'reverse.ok': ({ host = '' }) => say(`它的名称是 ${host}。`),

  'spf.none': always('没有 SPF 记录。'),
  'spf.several': always('有多条 SPF 记录：所有收件方都视为错误。', '请只保留一条。'),
  'spf.everybody': always('允许任何人发送（+all）。'),
  'spf.smart-host': ({ host = '' }) => say(`有一条记录；邮件经 ${host} 发出，没有检查记录是否允许它。`),
  'spf.no-address': ({ host = '' }) => say(`${host} 没有地址，无从判断。`, '请看主机那一项。'),
  'spf.ok': ({ addresses = '' }) => say(`允许 ${addresses} 发送。`),
  'spf.unknown': ({ results = '' }) => say(`无法判断：${results}`),
  'spf.fails': ({ results = '' }) => say(`我们自己的邮件得到的结果：${results}`),

  'dkim.unusable': ({ reason = '' }) => say(`无法使用：${reason}`, '请修复，或生成新密钥。'),
  'dkim.no-key': always('邮件没有签名。', '请在下面生成新密钥。'),
  'dkim.waits': always('邮件还没有签名。', '请发布等待中的密钥的记录：查到之后就开始签名。'),
  'dkim.gone': always('已停用，记录已删除。'),
  'dkim.gone-early': always('已停用，但记录删得太早：在途的邮件可能验证失败。'),
  'dkim.over': always('已停用。', '请删除这条记录。'),
  'dkim.stays': ({ day = '' }) => say(`已停用；记录要保留到 ${day}。`),
  'dkim.next-missing': always('还没有发布。'),
  'dkim.missing': always('缺少这条记录。'),
  'dkim.wrong': ({ reason = '' }) => say(`记录有误：${reason}`),
  'dkim.testing': always('记录中有 t=y：收件方不据此判断。'),
  'dkim.next': always('已发布。', '要用它签名，请切换到下一组密钥。'),
  'dkim.ok': always('已发布，正在用于签名。'),

  'dmarc.none': always('没有 DMARC 记录。'),
  'dmarc.several': always('有多条记录：收件方一条也不采用。', '请只保留一条。'),
  'dmarc.unreadable': ({ reason = '' }) => say(`无法解读：${reason}`),
  'dmarc.no-policy': ({ policy = '' }) => say(`p=${policy} 不是有效的策略。`),
  'dmarc.no-reports': ({ policy = '', to = '' }) =>
    say(`p=${policy}，但没有 rua=：别人以您的名义做了什么，没有人报告。`, `请加上 rua=mailto:${to}`),
  'dmarc.weaker': ({ policy = '', wanted = '' }) => say(`p=${policy}，而配置要求 ${wanted}。`),
  'dmarc.reports-only': always(
    'p=none：伪造的邮件只报告，不阻止。',
    '报告没有问题之后，先改为 p=quarantine，再改为 p=reject。',
  ),
  'dmarc.ok': ({ policy = '' }) => say(`策略为 p=${policy}。`),

  'sts.none': always('没有 MTA-STS：别人可能不加密就发送。'),
  'sts.unreadable': ({ reason = '' }) => say(`无法解读：${reason}`),
  'sts.ok': ({ id = '' }) => say(`策略的编号是 ${id}。`),
  'sts.policy-away': ({ reason = '', host = '' }) =>
    say(`取不到策略：${reason}`, `请让 ${host} 以该名称的证书应答。`),
  'sts.policy-unreadable': ({ reason = '' }) => say(`策略无法解读：${reason}`),
  'sts.policy-mx': ({ mode = '', hosts = '' }) =>
    say(`策略（${mode}）没有列出 ${hosts}：送往它的邮件会停下。`, servePolicy),
  'sts.policy-mode': ({ mode = '', wanted = '' }) => say(`模式是 ${mode}，而配置为 ${wanted}。`, servePolicy),
  'sts.policy-ok': ({ mode = '' }) => say(`策略可以取到，模式 ${mode}。`),

  'sts.host-none': always('提供策略的主机不存在。'),
  'sts.host-ok': ({ host = '' }) => say(`指向 ${host}。`),
  'sts.host-other': ({ addresses = '', host = '' }) =>
    say(`指向 ${addresses}，而不是 ${host}。`, '请确认那里提供同样的策略，或者让它指向这里。'),

  'tls-rpt.none': always('TLS 出错时没有人得到通知。'),
  'tls-rpt.unreadable': ({ reason = '' }) => say(`无法解读：${reason}`),
  'tls-rpt.ok': ({ to = '' }) => say(`报告发往 ${to}。`),

  'tlsa.none': always('没有 TLSA 记录。'),
  'tlsa.unsigned': always(
    '没有 DNSSEC 签名，或者我们的解析器不验证：没有人会相信它们。',
    '请为这个区域签名，或删除这些记录。',
  ),
  'tlsa.ok': always('是我们证书的密钥，并有签名。'),
  'srv.none': always('邮件程序不能自动找到服务器。'),
  'srv.elsewhere': ({ hosts = '' }) => say(`邮件程序会去 ${hosts}，而不是这里。`),
  'srv.port': ({ port = '', wanted = '' }) => say(`邮件程序会连接端口 ${port}，而不是 ${wanted}。`),
  'srv.ok': ({ host = '', port = '' }) => say(`邮件程序会找到 ${host}，端口 ${port}。`),
  'srv.not-served': ({ host = '' }) =>
    say(`指向 ${host}，那里没有这项服务。`, '请删除它：邮件程序只会白白等待。'),

  'tlsa.other': always('没有一条是我们证书的 3 1 1：支持 DANE 的发件方可能不再送信。'),
}
