// Owns the settings to paste: for each program or framework the exact lines that send mail to this server.

export interface Target {
  readonly host: string
  readonly port: number
  readonly apiUrl: string
  /** Submission wants a login over STARTTLS; the certificate may be self-signed. */
  readonly login: boolean
}

const user = 'user@example.test'
const secret = 'the-password'
const when = (login: boolean, lines: string): string => (login ? lines : '')

export interface Snippet {
  readonly id: string
  readonly name: string
  /** Where it goes; '' for a program of one's own. */
  readonly file: string
  readonly text: (target: Target) => string
}

export const snippets: readonly Snippet[] = [
  {
    id: 'nodemailer',
    name: 'Nodemailer',
    file: '',
    text: ({ host, port, login }) => `import nodemailer from 'nodemailer'

const transport = nodemailer.createTransport({
  host: '${host}',
  port: ${port},
  secure: false,${login ? `\n  requireTLS: true,\n  auth: { user: '${user}', pass: '${secret}' },` : '\n  ignoreTLS: true,'}
})
await transport.sendMail({
  from: 'app@example.test',
  to: 'you@example.test',
  subject: 'Hello',
  text: 'First mail.',
})`,
  },
  {
    id: 'posthouse',
    name: 'posthouse/client',
    file: '',
    text: ({ host, port, login }) => `import { createMailer } from 'posthouse/client'

const mailer = createMailer('smtp://${when(login, `${encodeURIComponent(user)}:${secret}@`)}${host}:${port}')
await mailer.send({
  from: 'app@example.test',
  to: 'you@example.test',
  subject: 'Hello',
  text: 'First mail.',
})
await mailer.close()`,
  },
  {
    id: 'laravel',
    name: 'Laravel',
    file: '.env',
    text: ({ host, port, login }) => `MAIL_MAILER=smtp
MAIL_HOST=${host}
MAIL_PORT=${port}
MAIL_USERNAME=${login ? user : 'null'}
MAIL_PASSWORD=${login ? secret : 'null'}
MAIL_ENCRYPTION=${login ? 'tls' : 'null'}
MAIL_FROM_ADDRESS="app@example.test"`,
  },
  {
    id: 'django',
    name: 'Django',
    file: 'settings.py',
    text: ({ host, port, login }) => `EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = "${host}"
EMAIL_PORT = ${port}
EMAIL_USE_TLS = ${login ? `True\nEMAIL_HOST_USER = "${user}"\nEMAIL_HOST_PASSWORD = "${secret}"` : 'False'}
EMAIL_USE_SSL = False
DEFAULT_FROM_EMAIL = "app@example.test"`,
  },
  {
    id: 'rails',
    name: 'Rails',
    file: 'config/environments/development.rb',
    text: ({ host, port, login }) => `config.action_mailer.delivery_method = :smtp
config.action_mailer.smtp_settings = {
  address: "${host}",
  port: ${port},
  ${login ? `user_name: "${user}",\n  password: "${secret}",\n  authentication: :plain,\n  enable_starttls: true` : 'enable_starttls_auto: false'}
}
config.action_mailer.raise_delivery_errors = true`,
  },
  {
    id: 'spring',
    name: 'Spring',
    file: 'application.properties',
    text: ({ host, port, login }) => `spring.mail.host=${host}
spring.mail.port=${port}
${when(login, `spring.mail.username=${user}\nspring.mail.password=${secret}\n`)}spring.mail.properties.mail.smtp.auth=${login}
spring.mail.properties.mail.smtp.starttls.enable=${login}`,
  },
  {
    id: 'symfony',
    name: 'Symfony',
    file: '.env',
    text: ({ host, port, login }) =>
      `MAILER_DSN=smtp://${when(login, `${encodeURIComponent(user)}:${secret}@`)}${host}:${port}`,
  },
  {
    id: 'python',
    name: 'Python',
    file: '',
    text: ({ host, port, login }) => `import smtplib
from email.message import EmailMessage

message = EmailMessage()
message["From"] = "app@example.test"
message["To"] = "you@example.test"
message["Subject"] = "Hello"
message.set_content("First mail.")
with smtplib.SMTP("${host}", ${port}) as smtp:
    ${when(login, `smtp.starttls()\n    smtp.login("${user}", "${secret}")\n    `)}smtp.send_message(message)`,
  },
  {
    id: 'go',
    name: 'Go',
    file: '',
    text: ({
      host,
      port,
      login,
    }) => `err := smtp.SendMail("${host}:${port}", ${login ? `smtp.PlainAuth("", "${user}", "${secret}", "${host}")` : 'nil'},
	"app@example.test", []string{"you@example.test"},
	[]byte("From: app@example.test\\r\\nTo: you@example.test\\r\\nSubject: Hello\\r\\n\\r\\nFirst mail.\\r\\n"))`,
  },
  {
    id: 'msmtp',
    name: 'msmtp, PHP mail()',
    file: '~/.msmtprc',
    text: ({ host, port, login }) => `account default
host ${host}
port ${port}
from app@example.test
${login ? `auth on\nuser ${user}\npassword ${secret}\ntls on\ntls_starttls on` : 'auth off\ntls off'}`,
  },
  {
    id: 'swaks',
    name: 'swaks',
    file: '',
    text: ({ host, port, login }) =>
      `swaks --server ${host}:${port}${when(login, ` --tls --auth-user ${user} --auth-password ${secret}`)} --from app@example.test --to you@example.test --header 'Subject: Hello'`,
  },
  {
    id: 'api',
    name: 'HTTP API',
    file: '',
    text: ({ apiUrl }) => `curl ${apiUrl}/v1/messages \\
  -H 'content-type: application/json' \\
  -d '{"from":"app@example.test","to":"you@example.test","subject":"Hello","text":"First mail."}'`,
  },
]
