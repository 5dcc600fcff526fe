import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Reply } from '../smtp/reply.ts'
import { adviceFor, type FailureFacts } from './advice.ts'
import { findService } from './services.ts'

const base: FailureFacts = {
  phase: 'rcpt',
  problem: undefined,
  reply: undefined,
  text: '',
  kind: 'smtp',
  host: 'mail.example.test',
  port: 587,
  implicitTls: false,
  service: undefined,
  auth: 'password',
  tokenProblem: undefined,
  proxied: false,
}

const said = (line: string): Reply => {
  const [, code, status, text = ''] = /^(\d{3})(?: (\d\.\d+\.\d+))? (.*)$/.exec(line) ?? []
  return { code: Number(code), lines: [text], ...(status !== undefined && { status }) }
}

const gmail = findService('gmail')
const outlook = findService('outlook365')
const netease = findService('163')

for (const [what, facts, words] of [
  ['no such host', { problem: 'DNS', phase: 'resolve' }, /spelling of the host/],
  ['null MX', { problem: 'DNS', phase: 'resolve', kind: 'mx', text: 'null MX' }, /cannot receive/],
  ['nobody there', { problem: 'CONNECT', phase: 'connect' }, /587.*465/],
  ['nobody there, by MX', { problem: 'CONNECT', phase: 'connect', kind: 'mx' }, /Port 25 outwards/],
  ['through a proxy', { problem: 'CONNECT', phase: 'connect', proxied: true }, /proxy/],
  ['no answer on 25', { problem: 'TIMEOUT', phase: 'connect', port: 25 }, /587 or 465/],
  [
    'TLS to a plain port',
    { problem: 'TLS', phase: 'tls', implicitTls: true, text: 'wrong version number' },
    /use smtp:\/\//,
  ],
  ['plain to a TLS port', { problem: 'TIMEOUT', phase: 'greeting', port: 465 }, /use smtps:\/\//],
  ['closed at the greeting', { problem: 'LOST', phase: 'greeting' }, /use smtps:\/\//],
  ['self-signed', { problem: 'TLS', phase: 'tls', text: 'self-signed certificate' }, /`ca`/],
  ['another name', { problem: 'TLS', phase: 'tls', text: 'certificate is for another name' }, /`servername`/],
  ['expired', { problem: 'TLS', phase: 'tls', text: 'certificate has expired' }, /renew/],
  [
    'no STARTTLS',
    { problem: 'TLS', phase: 'startTls', text: 'TLS is required, but the host does not offer STARTTLS' },
    /smtps:\/\//,
  ],
  [
    'no AUTH without TLS',
    { problem: 'AUTH', phase: 'auth', text: 'no usable AUTH mechanism without TLS (offered: PLAIN)' },
    /not encrypted/,
  ],
  [
    'no AUTH at all',
    { problem: 'AUTH', phase: 'auth', text: 'no usable AUTH mechanism (offered: none)' },
    /submission port/,
  ],
  [
    'OAuth only',
    { problem: 'AUTH', phase: 'auth', text: 'no usable AUTH mechanism (offered: XOAUTH2)' },
    /OAuth 2\.0/,
  ],
  [
    'no tokens',
    { problem: 'AUTH', phase: 'auth', auth: 'token', text: 'no usable AUTH mechanism (offered: PLAIN)' },
    /no OAuth tokens/,
  ],
  ['lost behind the message', { problem: 'LOST', phase: 'end' }, /second copy/],
  ['lost before', { problem: 'LOST', phase: 'rcpt' }, /sent again/],
  [
    'app password by the words',
    { reply: said('534 5.7.9 Application-specific password required.'), phase: 'auth' },
    /app password/,
  ],
  [
    'app password by the service',
    { reply: said('535 5.7.8 Username and Password not accepted.'), phase: 'auth', service: gmail },
    /app password.*apppasswords/,
  ],
  [
    'Microsoft',
    {
      reply: said('535 5.7.139 Authentication unsuccessful, basic authentication is disabled.'),
      phase: 'auth',
      service: outlook,
    },
    /switched off.*OAuth/,
  ],
  [
    'NetEase',
    { reply: said('535 Error: authentication failed'), phase: 'auth', service: netease },
    /authorization code/,
  ],
  ['a token', { reply: said('535 5.7.8 no'), phase: 'auth', auth: 'token' }, /token was refused/],
  ['too many tries', { reply: said('454 4.7.0 later'), phase: 'auth' }, /later/],
  ['login wanted', { reply: said('530 5.7.0 Authentication required'), phase: 'mail' }, /login first/],
  [
    'TLS wanted',
    { reply: said('530 5.7.0 Must issue a STARTTLS command first'), phase: 'mail' },
    /TLS first/,
  ],
  ['relaying', { reply: said('554 5.7.1 Relay access denied') }, /`auth`/],
  [
    'another sender',
    { reply: said('553 5.7.1 Sender address rejected: not owned by user'), phase: 'mail' },
    /`from`/,
  ],
  ['greylisting', { reply: said('450 4.7.1 Greylisted, try again in 300 seconds') }, /few minutes/],
  ['full', { reply: said('452 4.2.2 Over quota') }, /full/],
  ['too large', { reply: said('552 5.3.4 Message too big'), phase: 'end' }, /smaller/],
  ['no such user', { reply: said('550 5.1.1 No such user') }, /address/],
  ['spam', { reply: said('550 5.7.1 Message looks like spam'), phase: 'end' }, /unwanted/],
  ['rate', { reply: said('421 4.7.28 rate limit exceeded'), phase: 'end' }, /slow down/],
  ['not welcome', { reply: said('554 5.7.1 blocked'), phase: 'greeting' }, /blocklist/],
] as readonly (readonly [string, Partial<FailureFacts>, RegExp])[])
  it(`advice: ${what}`, () => assert.match(adviceFor({ ...base, ...facts }), words))
