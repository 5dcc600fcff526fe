// Owns the settings to paste: for each program or framework the exact lines that send mail to this server.

export interface Target {
  readonly host: string
  readonly port: number
  readonly apiUrl: string
}

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
    text: ({ host, port }) => `import nodemailer from 'nodemailer'

const transport = nodemailer.createTransport({
  host: '${host}',
  port: ${port},
  secure: false,
  ignoreTLS: true,
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
    text: ({ host, port }) => `import { createMailer } from 'posthouse/client'

const mailer = createMailer('smtp://${host}:${port}')
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
    text: ({ host, port }) => `MAIL_MAILER=smtp
MAIL_HOST=${host}
MAIL_PORT=${port}
MAIL_USERNAME=null
MAIL_PASSWORD=null
MAIL_ENCRYPTION=null
MAIL_FROM_ADDRESS="app@example.test"`,
  },
  {
    id: 'django',
    name: 'Django',
    file: 'settings.py',
    text: ({ host, port }) => `EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = "${host}"
EMAIL_PORT = ${port}
EMAIL_USE_TLS = False
EMAIL_USE_SSL = False
DEFAULT_FROM_EMAIL = "app@example.test"`,
  },
  {
    id: 'rails',
    name: 'Rails',
    file: 'config/environments/development.rb',
    text: ({ host, port }) => `config.action_mailer.delivery_method = :smtp
config.action_mailer.smtp_settings = {
  address: "${host}",
  port: ${port},
  enable_starttls_auto: false
}
config.action_mailer.raise_delivery_errors = true`,
  },
  {
    id: 'spring',
    name: 'Spring',
    file: 'application.properties',
    text: ({ host, port }) => `spring.mail.host=${host}
spring.mail.port=${port}
spring.mail.properties.mail.smtp.auth=false
spring.mail.properties.mail.smtp.starttls.enable=false`,
  },
  {
    id: 'symfony',
    name: 'Symfony',
    file: '.env',
    text: ({ host, port }) => `MAILER_DSN=smtp://${host}:${port}`,
  },
  {
    id: 'python',
    name: 'Python',
    file: '',
    text: ({ host, port }) => `import smtplib
from email.message import EmailMessage

message = EmailMessage()
message["From"] = "app@example.test"
message["To"] = "you@example.test"
message["Subject"] = "Hello"
message.set_content("First mail.")
with smtplib.SMTP("${host}", ${port}) as smtp:
    smtp.send_message(message)`,
  },
  {
    id: 'go',
    name: 'Go',
    file: '',
    text: ({ host, port }) => `err := smtp.SendMail("${host}:${port}", nil,
	"app@example.test", []string{"you@example.test"},
	[]byte("From: app@example.test\\r\\nTo: you@example.test\\r\\nSubject: Hello\\r\\n\\r\\nFirst mail.\\r\\n"))`,
  },
  {
    id: 'msmtp',
    name: 'msmtp, PHP mail()',
    file: '~/.msmtprc',
    text: ({ host, port }) => `account default
host ${host}
port ${port}
from app@example.test
auth off
tls off`,
  },
  {
    id: 'swaks',
    name: 'swaks',
    file: '',
    text: ({ host, port }) =>
      `swaks --server ${host}:${port} --from app@example.test --to you@example.test --header 'Subject: Hello'`,
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
