// Owns what is publicly known of mail services as data: where their submission servers are, how they secure it, which
// password they want. It connects to nothing, and no server was asked.
//
// Where the data is from. Every host and port was compared with the list of Nodemailer 10.6 (services.test.ts has what differs).
// Read at the provider itself, in stored copies of its pages, on 2026-11-21:
//   SendGrid       twilio.com/docs/sendgrid/for-developers/sending-email/integrating-with-the-smtp-api: 587 and 465, user 'apikey'
//   Resend         resend.com/docs/send-with-smtp: 465, user 'resend', password the API key
//   Postmark       postmarkapp.com/support/article/811: ports 25, 2525 and 587; the server token is user and password
//   SMTP2GO        developers.smtp2go.com/docs/smtp-relay: 465; user and password of an "SMTP user"
//   Elastic Email  help.elasticemail.com/en/articles/4803409-smtp-settings: 465; SMTP credentials of their own
//   Infomaniak     infomaniak.com/en/support/faq/admin2/email-service: mail.infomaniak.com, 465 (587 "not recommended")
//   Mailjet        its own library (rubydoc.info/gems/mailjet): in-v3.mailjet.com, 587; API key and secret
//   AOL, Yandex    help.aol.com and yandex.com/support: app passwords for mail programs (not the host and the port)
// Read elsewhere on that day: Gmail and iCloud (several guides of 2026 agree with the rows), and that Microsoft switches passwords
// off for existing tenants by the end of 2026, where an administrator does not keep them on (github.com/msgwing/ZeroSMTP).
// UNVERIFIED: all that is not named above: every other row's kind of password and hint, and the rows that Nodemailer has not.
//
// Where a service has both ports, 465 is taken: RFC 8314 section 3 prefers TLS from the first byte.

export interface MailService {
  /** As people write it: 'gmail'. Lower case. */
  readonly name: string
  readonly aliases: readonly string[]
  /** What it calls itself. */
  readonly title: string
  readonly host: string
  readonly port: number
  /** TLS from the first byte (465); else STARTTLS, required. */
  readonly implicitTls: boolean
  /**
   * app: an app password, made in the account's settings. account: the account's own. apiKey: a key of the service,
   * with `user` fixed where it says so. code: an authorization code of its settings page. token: OAuth 2.0 only.
   */
  readonly password: 'app' | 'account' | 'apiKey' | 'code' | 'token'
  /** The user name that goes with an API key. */
  readonly user?: string
  /** What people trip over. */
  readonly hint?: string
}

type Row = readonly [
  names: string,
  title: string,
  host: string,
  port: 465 | 587 | 2525,
  password: MailService['password'],
  more?: { readonly user?: string; readonly hint?: string },
]

const googleHint =
  'Turn on 2-step verification, make an app password at https://myaccount.google.com/apppasswords and use it in place of the password; or use OAuth 2.0.'
const microsoftHint =
  'Microsoft is switching off passwords for SMTP: use OAuth 2.0 (scope https://outlook.office.com/SMTP.Send), and see that "Authenticated SMTP" is enabled for the mailbox.'
const neteaseHint =
  'Switch on SMTP in the settings of the web mail; it shows an authorization code (授权码) that stands for the password.'
const sesHint =
  'SMTP credentials of SES are made in its console; they are not the AWS access keys. The host differs by region.'

const sesRegions = (
  'us-east-1 us-east-2 us-west-1 us-west-2 us-gov-east-1 us-gov-west-1 ca-central-1 sa-east-1 eu-west-1 eu-west-2 ' +
  'eu-west-3 eu-central-1 eu-north-1 ap-south-1 ap-southeast-1 ap-southeast-2 ap-northeast-1 ap-northeast-2 ap-northeast-3'
).split(' ')

const rows: readonly Row[] = [
  ['gmail googlemail google', 'Gmail', 'smtp.gmail.com', 465, 'app', { hint: googleHint }],
  ['googleworkspace gsuite', 'Google Workspace', 'smtp.gmail.com', 465, 'app', { hint: googleHint }],
  [
    'outlook365 office365 microsoft365',
    'Microsoft 365',
    'smtp.office365.com',
    587,
    'token',
    { hint: microsoftHint },
  ],
  [
    'outlook hotmail live msn outlook.com hotmail.com',
    'Outlook.com',
    'smtp-mail.outlook.com',
    587,
    'token',
    { hint: microsoftHint },
  ],
  ['yahoo ymail', 'Yahoo Mail', 'smtp.mail.yahoo.com', 465, 'app'],
  ['aol', 'AOL Mail', 'smtp.aol.com', 465, 'app'],
  ['icloud me mac', 'iCloud Mail', 'smtp.mail.me.com', 587, 'app'],
  ['fastmail', 'Fastmail', 'smtp.fastmail.com', 465, 'app'],
  [
    'zoho',
    'Zoho Mail',
    'smtp.zoho.com',
    465,
    'app',
    {
      hint: 'The host has the ending of the data centre (smtp.zoho.eu, .in, .com.au, .jp); paid organisations use smtppro.zoho.com.',
    },
  ],
  ['yandex', 'Yandex Mail', 'smtp.yandex.com', 465, 'app'],
  ['mailru mail.ru', 'Mail.ru', 'smtp.mail.ru', 465, 'app'],
  [
    'gmx',
    'GMX',
    'mail.gmx.net',
    587,
    'account',
    { hint: 'Allow POP3 and IMAP in the settings: it opens SMTP, too.' },
  ],
  [
    'web.de webde',
    'WEB.DE',
    'smtp.web.de',
    587,
    'account',
    { hint: 'Allow POP3 and IMAP in the settings: it opens SMTP, too.' },
  ],
  ['t-online', 'T-Online', 'securesmtp.t-online.de', 465, 'app'],
  ['ionos 1und1', 'IONOS', 'smtp.ionos.com', 465, 'account'],
  ['ovh', 'OVHcloud', 'ssl0.ovh.net', 465, 'account'],
  ['infomaniak', 'Infomaniak', 'mail.infomaniak.com', 465, 'app'],
  ['mailbox.org mailboxorg', 'mailbox.org', 'smtp.mailbox.org', 465, 'account'],
  ['posteo', 'Posteo', 'posteo.de', 465, 'account'],
  [
    'proton protonmail proton.me protonmail.com protonmail.ch',
    'Proton Mail',
    'smtp.protonmail.ch',
    587,
    'code',
    { hint: 'Only with a domain of your own: make an SMTP token in the settings.' },
  ],
  ['qq', 'QQ Mail', 'smtp.qq.com', 465, 'code', { hint: neteaseHint }],
  [
    'qqex qqenterprise exmail tencentexmail',
    'Tencent Exmail',
    'smtp.exmail.qq.com',
    465,
    'code',
    { hint: 'With secure login switched on, use a client password (客户端专用密码).' },
  ],
  ['163', 'NetEase 163', 'smtp.163.com', 465, 'code', { hint: neteaseHint }],
  ['126', 'NetEase 126', 'smtp.126.com', 465, 'code', { hint: neteaseHint }],
  ['yeah', 'NetEase yeah.net', 'smtp.yeah.net', 465, 'code', { hint: neteaseHint }],
  ['qiye163 ym163', 'NetEase enterprise', 'smtp.qiye.163.com', 465, 'code', { hint: neteaseHint }],
  ['aliyun', 'Aliyun Mail', 'smtp.aliyun.com', 465, 'account'],
  ['qiye.aliyun aliyunqiye', 'Alibaba enterprise mail', 'smtp.qiye.aliyun.com', 465, 'account'],
  [
    'aliyundm directmail',
    'Alibaba DirectMail',
    'smtpdm.aliyun.com',
    465,
    'apiKey',
    { hint: 'The SMTP password is set per sender address in the DirectMail console.' },
  ],
  ['sina', 'Sina Mail', 'smtp.sina.com', 465, 'code', { hint: neteaseHint }],
  ['139', 'China Mobile 139', 'smtp.139.com', 465, 'code', { hint: neteaseHint }],
  ['naver', 'Naver', 'smtp.naver.com', 465, 'app'],
  ['daum hanmail', 'Daum', 'smtp.daum.net', 465, 'app'],
  ...sesRegions.map((region): Row => {
    const names = region === 'us-east-1' ? 'ses ses-us-east-1' : `ses-${region}`
    const host = `email-smtp.${region}.amazonaws.com`
    return [names, `Amazon SES (${region})`, host, 465, 'apiKey', { hint: sesHint }]
  }),
  ['sendgrid', 'SendGrid', 'smtp.sendgrid.net', 587, 'apiKey', { user: 'apikey' }],
  [
    'mailgun',
    'Mailgun',
    'smtp.mailgun.org',
    465,
    'apiKey',
    { hint: 'Domains in the EU use smtp.eu.mailgun.org.' },
  ],
  [
    'postmark postmarkapp',
    'Postmark',
    'smtp.postmarkapp.com',
    587,
    'apiKey',
    { hint: 'The server token is user and password both.' },
  ],
  ['mailjet', 'Mailjet', 'in-v3.mailjet.com', 587, 'apiKey'],
  ['brevo sendinblue', 'Brevo', 'smtp-relay.brevo.com', 587, 'apiKey'],
  [
    'sparkpost sparkpostmail',
    'SparkPost',
    'smtp.sparkpostmail.com',
    587,
    'apiKey',
    { user: 'SMTP_Injection' },
  ],
  ['mandrill', 'Mandrill', 'smtp.mandrillapp.com', 587, 'apiKey'],
  ['resend', 'Resend', 'smtp.resend.com', 465, 'apiKey', { user: 'resend' }],
  [
    'smtp2go',
    'SMTP2GO',
    'mail.smtp2go.com',
    465,
    'apiKey',
    { hint: 'User and password are those of an SMTP user, which is made in the settings.' },
  ],
  [
    'elasticemail',
    'Elastic Email',
    'smtp.elasticemail.com',
    465,
    'apiKey',
    { hint: 'SMTP credentials are made in the settings; their password is shown once.' },
  ],
  ['feishu feishumail', 'Feishu Mail', 'smtp.feishu.cn', 465, 'app'],
  ['forwardemail fe', 'Forward Email', 'smtp.forwardemail.net', 465, 'account'],
  ['gandi gandimail', 'Gandi Mail', 'mail.gandi.net', 587, 'account'],
  ['aruba arubapec', 'Aruba', 'smtps.aruba.it', 465, 'account'],
  ['kolabnow kolab', 'Kolab Now', 'smtp.kolabnow.com', 465, 'account'],
  ['one one.com', 'one.com', 'send.one.com', 465, 'account'],
  ['runbox', 'Runbox', 'smtp.runbox.com', 465, 'app'],
  ['seznam seznamemail', 'Seznam Email', 'smtp.seznam.cz', 465, 'account'],
  ['disroot', 'Disroot', 'disroot.org', 587, 'account'],
  ['sendpulse', 'SendPulse', 'smtp-pulse.com', 465, 'account'],
  ['loops', 'Loops', 'smtp.loops.so', 587, 'apiKey', { user: 'loops' }],
  ['mailtraplive', 'Mailtrap', 'live.smtp.mailtrap.io', 587, 'apiKey', { user: 'api' }],
  ['mailersend', 'MailerSend', 'smtp.mailersend.net', 587, 'apiKey'],
  ['mailtrap', 'Mailtrap (testing)', 'sandbox.smtp.mailtrap.io', 2525, 'account'],
  ['ethereal ethereal.email', 'Ethereal (testing)', 'smtp.ethereal.email', 587, 'account'],
]

export const mailServices: readonly MailService[] = rows.map(([names, title, host, port, password, more]) => {
  const [name = '', ...aliases] = names.split(' ')
  return { name, aliases, title, host, port, implicitTls: port === 465, password, ...more }
})

const byName = new Map(mailServices.flatMap((one) => [one.name, ...one.aliases].map((name) => [name, one])))
// The first of several at one host is the best known.
const byHost = new Map(mailServices.toReversed().map((one) => [one.host, one]))

/** By name or alias, whatever its case and blanks: 'Outlook 365' is 'outlook365'. */
export const findService = (name: string): MailService | undefined =>
  byName.get(name.toLowerCase().replace(/[\s_]+/g, ''))

/** The service that a host belongs to. */
export const serviceOfHost = (host: string): MailService | undefined => byHost.get(host.toLowerCase())
