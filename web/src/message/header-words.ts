// Owns what each header field means, in words for people who do not read RFCs. English, then Simplified Chinese.

import type { Language } from '../i18n/text.ts'

const words: Readonly<Record<string, readonly [en: string, zh: string]>> = {
  received: [
    'A stamp of one server on the way: who handed it over, who took it, when. The newest stands on top; read from the bottom up. (RFC 5321 section 4.4)',
    '途经的一台服务器盖的戳：谁交来、谁接收、何时。最新的在最上面，从下往上读。（RFC 5321 4.4）',
  ],
  'return-path': [
    'Where reports of failed delivery go: the sender of the envelope, written down by the last server.',
    '投递失败的报告寄往何处：信封上的发件人，由最后一台服务器写入。',
  ],
  'delivered-to': ['The mailbox that it was put into.', '投入的邮箱。'],
  'x-original-to': ['The recipient as it was before aliases.', '经过别名转换之前的收件人。'],
  from: [
    'Who wrote it, as the message says. Anybody can write anything here; DMARC is about this address.',
    '邮件自称的作者。这里可以随便写；DMARC 核查的就是这个地址。',
  ],
  sender: ['Who sent it for the author, where that is somebody else.', '代作者发送的人（与作者不同时）。'],
  'reply-to': ['Where answers go instead of to the author.', '回信寄往此处，而不是作者。'],
  to: [
    'The main recipients, as the message says. Who really gets it stands in the envelope.',
    '邮件所写的主要收件人。真正的收件人在信封上。',
  ],
  cc: ['Others who get a copy, seen by all.', '抄送，所有人可见。'],
  bcc: [
    'Recipients that the others should not see. It should not be here any more.',
    '不应让别人看到的收件人，送达时本不该再出现。',
  ],
  subject: ['What it is about.', '主题。'],
  date: ['When the author finished it, by his own clock.', '作者完成邮件的时间，按作者的时钟。'],
  'message-id': [
    'The name of this message, one in the world. Answers refer to it.',
    '这封邮件在世上唯一的名字，回复会引用它。',
  ],
  'in-reply-to': ['The message that this one answers.', '所回复的邮件。'],
  references: [
    'The messages of the conversation so far: programs sort by it.',
    '对话中此前的邮件，程序据此归类。',
  ],
  'mime-version': [
    'The message has parts and types as MIME defines them. Always 1.0.',
    '邮件按 MIME 的规则分部分、标类型。总是 1.0。',
  ],
  'content-type': [
    'What the content is: text, HTML, or several parts behind a boundary.',
    '内容的类型：纯文本、HTML，或以边界分隔的多个部分。',
  ],
  'content-transfer-encoding': [
    'How the content was made fit for the way: quoted-printable for text, base64 for files.',
    '内容为传输所作的编码：文本用 quoted-printable，文件用 base64。',
  ],
  'content-disposition': ['Shown in place, or offered as a file.', '直接显示，还是作为文件提供。'],
  'content-id': [
    'The name by which HTML refers to this part (cid:).',
    'HTML 引用这一部分时用的名字（cid:）。',
  ],
  'content-language': ['The language of the text.', '正文的语言。'],
  'dkim-signature': [
    'A signature by the domain in d=: these headers and this body were not changed since. The key is in DNS under s=. (RFC 6376)',
    'd= 所写域名的签名：这些头和正文自签名后没有改动。公钥在 DNS 的 s= 名下。（RFC 6376）',
  ],
  'authentication-results': [
    'What a server on the way found out about SPF, DKIM and DMARC. Only that of your own server can be trusted. (RFC 8601)',
    '途中服务器对 SPF、DKIM、DMARC 的检查结果。只有自己服务器写的可信。（RFC 8601）',
  ],
  'received-spf': [
    'The result of SPF: may that address send for that domain? (RFC 7208)',
    'SPF 的结果：那个地址可以替那个域名发信吗？（RFC 7208）',
  ],
  'arc-seal': [
    'Seals what a forwarder found out before it changed the message. (RFC 8617)',
    '转发者在改动邮件之前的检查结果的封印。（RFC 8617）',
  ],
  'arc-message-signature': ['The signature of a forwarder. (RFC 8617)', '转发者的签名。（RFC 8617）'],
  'arc-authentication-results': [
    'The results that a forwarder saw. (RFC 8617)',
    '转发者看到的认证结果。（RFC 8617）',
  ],
  'list-unsubscribe': [
    'How to get off the list. Mail programs make a button of it; bulk mail without it is filtered. (RFC 2369)',
    '如何退订。邮件程序会据此显示按钮；群发邮件没有它会被过滤。（RFC 2369）',
  ],
  'list-unsubscribe-post': [
    'One click is enough: the mail program sends a POST by itself. (RFC 8058)',
    '一键退订：邮件程序自己发送 POST。（RFC 8058）',
  ],
  'list-id': [
    'The name of the mailing list. Filters sort by it. (RFC 2919)',
    '邮件列表的名字，过滤器据此分类。（RFC 2919）',
  ],
  'list-post': ['Where to write to the list.', '向列表发信的地址。'],
  'list-help': ['Where the list explains itself.', '列表的说明。'],
  'list-subscribe': ['How to get on the list.', '如何订阅列表。'],
  'list-owner': ['Who runs the list.', '列表的管理者。'],
  'list-archive': ['Where old messages of the list are.', '列表的存档。'],
  precedence: [
    'An old word for bulk mail: nobody should answer it automatically.',
    '群发邮件的旧标记：不要自动回复。',
  ],
  'auto-submitted': [
    'A program wrote it: no automatic answers, please. (RFC 3834)',
    '由程序发出，请勿自动回复。（RFC 3834）',
  ],
  'x-auto-response-suppress': ['Asks Exchange not to answer automatically.', '请 Exchange 不要自动回复。'],
  importance: ['How important the sender thinks it is.', '发件人认为的重要程度。'],
  priority: ['How urgent the sender thinks it is.', '发件人认为的紧急程度。'],
  'x-priority': ['How urgent the sender thinks it is: 1 is highest.', '发件人认为的紧急程度：1 最高。'],
  'x-mailer': ['The program that made it.', '制作邮件的程序。'],
  'user-agent': ['The program that made it.', '制作邮件的程序。'],
  'feedback-id': ['Campaign marks for Gmail’s reports of complaints.', '供 Gmail 投诉报告使用的活动标记。'],
  'disposition-notification-to': ['Asks for a notice when it is read.', '请求已读回执。'],
  'return-receipt-to': ['Asks for a receipt; not a standard.', '请求回执，并非标准。'],
  'thread-topic': ['Outlook’s name of the conversation.', 'Outlook 的对话名称。'],
  'thread-index': ['Outlook’s place in the conversation.', 'Outlook 在对话中的位置。'],
  comments: ['A remark.', '备注。'],
  keywords: ['Words by which to find it.', '关键词。'],
  organization: ['Where the author works.', '作者所属机构。'],
  'resent-from': ['Who sent it on without changing it.', '原样转发的人。'],
  'resent-to': ['Whom it was sent on to.', '转发给谁。'],
  'resent-date': ['When it was sent on.', '转发的时间。'],
  'x-spam-status': ['What a spam filter thought of it.', '垃圾邮件过滤器的判断。'],
  'x-spam-score': ['The points of a spam filter.', '垃圾邮件过滤器的分数。'],
  'x-originating-ip': ['The address of the computer that the author sat at.', '作者所用电脑的地址。'],
  'bimi-selector': ['Which logo of the sender is to be shown.', '显示发件人的哪个徽标。'],
  autocrypt: ['The sender’s key for encrypted answers.', '发件人用于加密回信的密钥。'],
  'tls-required': [
    'Asks that it travels even without encryption. (RFC 8689)',
    '允许在没有加密的情况下传输。（RFC 8689）',
  ],
}

export function explainHeader(name: string, language: Language): string | undefined {
  const found = words[name.toLowerCase()]
  return found?.[language === 'zh' ? 1 : 0]
}
