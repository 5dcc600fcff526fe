// Owns what the keys of the configuration are for, in Simplified Chinese, by their path; '*' stands for any name. What has no
// words of its own has those of what it is part of.

const listenerLimits: Readonly<Record<string, string>> = {
  lineBytesMax: '命令行的最大长度。默认 8 KiB。',
  messageBytesMax: '一封邮件的最大大小。默认 50 MiB。',
  recipientsMax: '一封邮件的收件人数。默认 1000，至少 100。',
  transactionsMax: '一次会话的邮件数；0（默认）为不限。',
  errorsMax: '一次会话中出错这么多次后断开。默认 20。',
  commandsMax: '没有邮件的情况下的命令数。默认 10000。',
  connectionsMax: '同时的连接数。默认 5000。',
  connectionsPerAddressMax: '同一地址同时的连接数。默认 500。',
  commandTimeout: '等待一条命令的时间。默认 5m。',
  dataTimeout: '等待邮件后续内容的时间。默认 5m。',
  sessionTimeout: '整个会话的时间。默认 24h。',
}
const at = '“地址:端口”，或 unix 套接字的路径。'
const answer = '每次应答的时限。默认 10s。'
const away = '无法询问时邮件怎么办。默认同 inbound.onFailure。'

export const configWords: Readonly<Record<string, string>> = {
  hostname: '在问候、EHLO 和 Received 中使用的名称。默认为本机名称。',
  dataDir: '所有数据的存放位置，相对于配置文件。默认 ./data。',
  'listeners.mx': '接收其他服务器的邮件。默认 127.0.0.1:2525。',
  'listeners.submission': '接收本服务器用户的邮件，STARTTLS。默认 127.0.0.1:2587。',
  'listeners.submissions': '接收本服务器用户的邮件，一开始就用 TLS。默认 127.0.0.1:2465。',
  'listeners.lmtp': '由另一个 MTA 以 LMTP 送来。默认 false；true 为 127.0.0.1:2424。',
  'listeners.http': 'HTTP API 和控制台、/metrics、/healthz、/readyz。默认 127.0.0.1:8025。',
  'listeners.http.redirect':
    '不是来自本机的请求转到 HTTPS：true 用 listeners.https 的端口，数字为对外的端口。默认 false。',
  'listeners.https': '同上，使用 TLS，并提供我们域名的 MTA-STS 策略。默认 false；true 为 127.0.0.1:8443。',
  'listeners.*.hosts': '除回环地址和 hostname 之外，Host 头可以使用的名称。',
  'listeners.*.insecureAuth': '不用 TLS 也提供 AUTH。默认 false。只用于提交邮件的监听端口。',
  'listeners.*.limits': '只用于这个监听端口的限制。',
  tls: 'self-signed（默认，首次启动时生成）、false（不提供），或您的文件；有多份时按对方要的名称出示，其余用第一份。',
  acme: '由机构签发的证书，用于 hostname 和 HTTPS。',
  'acme.agreeTermsOfService': '您同意该机构的条款；在为 true 之前不会向它请求任何东西。默认 false。',
  'acme.directory': 'letsencrypt（默认）、letsencrypt-staging，或目录的网址。',
  'acme.ca': '为目录服务器担保的根证书（PEM 文件）：用于自建的机构。默认用系统的。',
  'acme.email': '该机构联系您的地址。',
  'acme.challenge': 'http-01（默认）：询问本机的 80 端口。dns-01：发布记录，见 dnsHook。',
  'acme.dnsHook':
    'dns-01：一个程序及其前几个参数，后面加上 add|remove 名称 值；或一个以 POST 接收 JSON 的网址。默认由 posthouse cert list 说明要发布什么，服务器等到查见为止。',
  'acme.dnsWait': 'dns-01：等待记录被查见的时间。默认 2m；没有 dnsHook 时至少一小时。',
  'acme.names': 'hostname 的证书中另外包含的名称。',
  'acme.eabKid': '要求登记客户的机构给出的密钥编号和密钥（env:名称）。',
  'acme.keyType': '默认 ecdsa（P-256）；rsa 为 2048 位。',
  domains: '我们接收哪些域名的邮件。默认 localhost 和一个账户。',
  'domains.*.accounts': '按 @ 前的部分（alice）或完整地址。字符串即密码。',
  'domains.*.accounts.*.password':
    '密码、env:名称，或 argon2id 散列。默认在首次启动时生成并显示一次。false：不能登录。',
  'domains.*.accounts.*.enabled': '默认 true。',
  'domains.*.aliases': '别名到目标：本域名 @ 前的部分，或这里和外面的地址。',
  'domains.*.catchAll': '没有人接收的邮件归谁：@ 前的部分或地址。',
  'domains.*.plusAddressing': 'alice+任意@ 即 alice@。默认 true。',
  'domains.*.enabled': '默认 true；false 暂时拒收它的邮件。',
  'delivery.mode':
    'relay：发往外界。capture（默认）：留在这里供您查看。hold：等待 queue release。discard：丢弃。',
  'delivery.port': '由 MX 找到的主机的端口。默认 25。',
  'delivery.routes':
    '按收件人的域名：corp.test、*.corp.test（其下的名称）、*（其余；默认 mx）。用于 relay 模式。',
  capture: 'capture 模式。',
  'capture.anyLogin': '在 mx 监听端口上提供 AUTH（不用 TLS 也可以），接受任何用户名和密码。默认 false。',
  'capture.anyClient': '接收任何地址送来的邮件，不只是本机。默认 false。',
  'capture.inboxes': 'login：登录者的邮件进入同名的收件箱。默认 one：全部在一起。',
  'capture.messagesMax': '超过这个数量时删除最早的。默认 0：不限。',
  'capture.bytesMax': '同上，按大小。默认 0：不限。',
  'capture.ageMax': '同上，按时间。默认 0：不限。',
  'capture.conversations': '随每封邮件保存 SMTP 对话。默认 true。',
  'capture.release': '把截留的邮件发往真实地址。',
  'capture.release.server': 'mx、smtp://用户:密码@主机:端口 等。默认不能放行。',
  'capture.release.allow': '可以放行到的地址的模式（*@example.test）。默认任何地址，只能手动。',
  'capture.release.auto': '发往允许的地址的邮件一到就发出。默认 false。',
  'capture.faults': '有意制造的故障。',
  'capture.faults.seed': '由它重现随机。默认 1。',
  'capture.faults.profiles': '预设的规则：flaky、greylisting、slow、down 等。',
  api: 'HTTP API 和控制台，在 listeners.http。',
  'api.auth': 'open：无需登录，只用于别人到不了的地址。默认 login。',
  'api.admins': '管理账户：可以看所有邮件、队列、账户和令牌。默认为内置配置的账户。',
  'api.allowPrivateUrls': 'Webhook、入站路由和链接检查可以访问回环和内网地址。默认 false。',
  inbound: '对收到的邮件的检查。默认没有。',
  'inbound.trusted': '除 networks.relay 之外不检查其邮件的网络。默认没有。',
  'inbound.deadline': '一步中所有检查的总时限；超过则回答 451，或按 onFailure 处理。默认 30s。',
  'inbound.onFailure': '检查失败或超时的邮件怎么办。默认 accept。',
  'inbound.authenticate':
    'SPF、DKIM、ARC 和 DMARC；在最上面加上 Authentication-Results，冒用我们名称的会去掉。默认 false。',
  'inbound.dmarc': 'enforce（默认）：照作者的域名的要求。quarantine：最多放入垃圾邮件。record：只记录。',
  'inbound.arc': '以 ARC 封印推翻 DMARC 失败的邮件列表和转发者（RFC 8617 第 7.2 节）。',
  'inbound.arc.trustedSealers':
    'DMARC 失败时仍相信的转发者的域名（ARC-Seal 的 d=）：lists.test、*.lists.test（其下的名称）。只列认识的：列在这里的可以用任何人的名义转来邮件。',
  'inbound.iprev': '客户端的名称，以及它是否指回（RFC 8601 第 3 节）。默认 false。',
  'inbound.dnsLists': '地址的 DNS 名单。',
  'inbound.dnsLists.refuseAt': '权重之和达到它时拒收。默认 1；写了 quarantineAt 时默认不拒收。',
  'inbound.dnsLists.quarantineAt': '权重之和达到它时放入垃圾邮件。默认不放。',
  'inbound.greylist.wait': '隔多久第二次才算数。默认 5m。',
  'inbound.greylist.retryWithin': '第一次在多久内有效。默认 1d。',
  'inbound.greylist.knownAfter': '一个网络有这么多封邮件再次到来后，不再让它等待；0：从不。默认 5。',
  'inbound.firstTimeDelay': '首次来信的发件人要等这么久才得到 250。默认 0。',
  'inbound.milters': '依次询问；后面的看到前面的改动。',
  'inbound.rspamd.at': at,
  'inbound.rspamd.timeout': answer,
  'inbound.rspamd.onFailure': away,
  'inbound.rspamd.password': '存放它的变量：env:名称。',
  'inbound.clamd.at': at,
  'inbound.clamd.timeout': answer,
  'inbound.clamd.onFailure': away,
  'inbound.clamd.bytesMax': '更大的邮件不扫描。默认 25 MiB；clamd 自己的 StreamMaxLength 不应更小。',
  'inbound.policy': '先于规则作出决定，在 RCPT 和数据结束时。',
  'networks.relay': '无需 AUTH 就可以转发的地址或网络（10.0.0.0/8）。默认没有。',
  'networks.repairLineEndings': '其单独的 LF 和 CR 予以修正而不拒收的客户端。默认没有。',
  ...Object.fromEntries(
    Object.entries(listenerLimits).flatMap(([key, words]) => [
      [`limits.${key}`, words],
      [`listeners.*.limits.${key}`, words],
    ]),
  ),
  'limits.minFreeBytes': '磁盘剩余空间少于它时拒收新邮件（452）。默认 100 MiB。',
  'limits.receivedMax': 'Received 行更多的邮件视为循环。默认 100（RFC 5321 第 6.3 节）。',
  'retry.first': '第二次尝试前等待的时间。默认 30s。',
  'retry.max': '两次尝试之间最长的等待。默认 1h。',
  'retry.giveUpAfter': '多久之后退信。默认 5d。',
  'retry.delayNoticeAfter': '多久之后通知发件人还没有送到。默认 4h；false：从不。',
  'dns.servers': '“地址”或“地址:端口”。默认用系统的。',
  'dns.timeout': '一个问题的时限，包括所有服务器和重复。默认 10s。',
  'dns.trustAd': '这些服务器说 DNSSEC 已验证时是否相信（DANE 需要）。默认只相信本机上的。',
  'relay.connectionsPerDestination': '同一目的地的连接数。默认 20。',
  'relay.messagesPerConnection': '之后关闭连接。默认 100。',
  'relay.recipientsPerMessage': '一次事务的收件人数。默认 100。',
  'relay.idleTimeout': '空闲连接保留多久。默认 5s。',
  'relay.tls': '对所有域名，或按收件人的域名（corp.test、*.corp.test、*）。默认 may。',
  'relay.dane': '有 DNSSEC 担保时，由 TLSA 记录认定主机的身份。默认 true。',
  'relay.mtaSts': '保存并遵守各域名经 HTTPS 发布的策略。默认 true。',
  'relay.sourceAddress': '向外连接所用的本地地址。',
  'submission.senderMustMatch': '发件人必须是登录账户的地址。默认 true。',
  'dkim.sign': '为用户和程序发出的、From 的域名有密钥的邮件签名。默认 true。',
  'dkim.keyTypes': '新密钥的种类。默认两种都有：收件方用它认识的那种。',
  'dkim.rsaBits': '新 RSA 密钥的位数。默认 2048。',
  'dkim.rotateEvery': '隔多久自动更换密钥（在 DNS 中查见记录之后）。默认 false：posthouse dkim rotate。',
  'dkim.retireAfter': '不再签名的密钥的记录要保留多久。默认 7d。',
  'dkim.keys': '按域名：用文件中的密钥，不用存储中的。',
  publish: '我们的域名在 DNS 中的声明，即 posthouse domain dns 所列。',
  'publish.mx': '接收我们域名邮件的主机，最好的在前。默认为 hostname。',
  'publish.reportsTo': '谁接收其他服务器的报告：每个域名 @ 前的部分，或一个地址。默认 postmaster。',
  'publish.spf': '完整的 SPF 记录。默认只有 MX 主机可以发送。',
  'publish.dmarc': '别人应怎样处理伪造的邮件。默认 none：只报告。',
  'publish.mtaSts': '默认 testing。none：没有策略。',
  'publish.mtaStsMaxAge': '策略的有效期。默认 7d。',
  'publish.tlsa': '我们证书密钥的 TLSA 记录；用于有签名的区域。默认 false。',
  forwarding: '我们的别名转发给别人的邮件。',
  'forwarding.srs': '信封发件人改为别名所在域名的地址，使 SPF 通过；退信能找到回去的路。默认 false。',
  'forwarding.arc': '加上 ARC 封印：我们的检查结果，由别名所在域名的密钥签名。默认 false。',
  reports: '邮件系统之间的报告：我们向别人报告 TLS 和 DMARC 的情况，别人也向我们报告。',
  'reports.tls':
    '统计与其他邮件系统的 TLS 会话，并报告给提出要求的域名（RFC 8460）；只在 relay 模式。默认 true。',
  'reports.dmarc':
    '统计收到的邮件的 DMARC 结果，并报告给提出要求的域名（RFC 9990）；在 relay 模式且 inbound.authenticate 开启时。默认 true。',
  'reports.domain': '报告者的域名：写在 From 中并签名。默认为 domains 中 hostname 所属的那个，否则为第一个。',
  'reports.organization': '报告中我们的名称。默认为报告者的域名。',
  'reports.contact': '谁回答关于报告的问题：该域名 @ 前的部分，或一个地址。默认同 publish.reportsTo。',
  'reports.spread': '一天的报告在当天（UTC）结束后多久之内发出。默认 4h。',
  'reports.addresses': '除各域名的 publish.reportsTo 之外，在哪些地址的邮件中寻找别人的报告。',
  'reports.url':
    '别人从哪里到达我们的 POST /v1/reports/tls：写进我们的 TLS-RPT 记录。默认 false：报告以邮件送来。',
  'reports.keep': '别人的报告保留多久。默认 365d。',
  'retention.timeline': '已完成的邮件的经过保留多久。默认 7d。',
  'retention.messagesMax': '最多保留这么多已完成的邮件。默认 1000000。',
  'log.level': '默认 info。',
  'log.pretty': '供人阅读的彩色行，而不是 JSON。默认 auto：在终端上。',
  'control.socket': '控制套接字的路径（所在文件夹的权限为 0700）。默认在系统的运行或临时文件夹中。',
  'stop.timeout': '未完成的事务可以用多久来完成。默认 30s。',
}

/** 'delivery.routes["corp.test"]' as its names. */
const namesOf = (key: string): readonly string[] =>
  [...key.matchAll(/\["((?:[^"\\]|\\.)*)"\]|([^.[\]]+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')

/** Of the key, or else of what it is part of. */
export function settingWords(key: string): string | undefined {
  const names = namesOf(key)
  const fits = (pattern: string, depth: number): boolean => {
    const parts = pattern.split('.')
    return parts.length === depth && parts.every((part, at) => part === '*' || part === names[at])
  }
  for (let depth = names.length; depth > 0; depth--) {
    const exact = names.slice(0, depth).join('.')
    if (Object.hasOwn(configWords, exact)) return configWords[exact]
    const pattern = Object.keys(configWords).find((one) => one.includes('*') && fits(one, depth))
    if (pattern !== undefined) return configWords[pattern]
  }
  return undefined
}
