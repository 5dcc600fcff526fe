// Owns what to do about a failure, in plain words: one function over what is known of it. It decides nothing.

import type { Reply } from '../smtp/reply.ts'
import type { SendPhase, TransportErrorCode } from './mailer-errors.ts'
import type { MailService } from './services.ts'

export interface FailureFacts {
  readonly phase: SendPhase
  readonly problem: TransportErrorCode | undefined
  readonly reply: Reply | undefined
  readonly text: string
  readonly kind: 'smtp' | 'lmtp' | 'mx' | 'capture'
  /** As configured; '' for mx. */
  readonly host: string
  readonly port: number
  readonly implicitTls: boolean
  readonly service: MailService | undefined
  /** How we log in. */
  readonly auth: 'password' | 'token' | undefined
  readonly tokenProblem: string | undefined
  readonly proxied: boolean
}

/** One or two sentences. */
export function adviceFor(facts: FailureFacts): string {
  if (facts.reply !== undefined) return replyAdvice(facts, facts.reply)
  switch (facts.problem) {
    case 'DNS':
      return dnsAdvice(facts)
    case 'CONNECT':
      return connectAdvice(facts)
    case 'TLS':
      return tlsAdvice(facts)
    case 'AUTH':
      return authAdvice(facts)
    case 'TIMEOUT':
      return timeoutAdvice(facts)
    case 'PROTOCOL':
      return protocolAdvice(facts)
    case 'LOST':
      return facts.phase === 'greeting' ? wrongTls(facts) : lostAdvice(facts)
    case 'DEADLINE':
      return 'Give it more time, or find out with the transcript what it waited for.'
    case 'ABORTED':
      return 'Nothing to do: the caller stopped it.'
    case 'SOURCE':
      return 'Look at what the message is read from: a file, a URL or a stream of it failed.'
    case 'UNSUPPORTED':
      return 'Use addresses and names in ASCII for this recipient, or send through a server that offers SMTPUTF8.'
    case 'SIZE':
      return 'Make the message smaller, or send a link in place of the attachment.'
    case 'BUSY':
      return 'Messages come faster than the server takes them: wait for ready(), use sendMany(), or allow more connections.'
    default:
      return 'Make a new mailer: this one was closed.'
  }
}

function dnsAdvice({ kind, host, text }: FailureFacts): string {
  if (kind === 'mx')
    return /null MX|does not exist|neither/.test(text)
      ? 'Check the spelling of the recipient’s domain: it cannot receive mail.'
      : 'Try again later; if it goes on, check the DNS servers that this machine uses.'
  return `Check the spelling of the host ${JSON.stringify(host)}, and that this machine can resolve names.`
}

function connectAdvice(facts: FailureFacts): string {
  if (facts.proxied)
    return 'Check the address of the proxy, its user and password, and that it allows this port.'
  if (facts.kind === 'mx')
    return 'Port 25 outwards is closed in many networks and clouds: send through a mail service, or ask for the port to be opened.'
  return `Check host and port: nothing takes connections there. Submission is on port 587 (STARTTLS) or 465 (TLS from the first byte); port 25 is closed in many networks.`
}

const wrongTls = ({ implicitTls, port }: FailureFacts): string =>
  implicitTls
    ? `Port ${port} does not speak TLS from the first byte: use smtp:// (secure: false), which turns TLS on by STARTTLS, or port 465.`
    : `Port ${port} may want TLS from the first byte: use smtps:// (secure: true), as on port 465.`

function tlsAdvice(facts: FailureFacts): string {
  const { phase, text } = facts
  if (/wrong version number|packet length too long|http request|record layer failure/i.test(text))
    return wrongTls(facts)
  if (/self-signed/.test(text))
    return "The server has a certificate that nobody vouches for. If it is yours, give the certificate as `ca`; only on a network that you trust use tls: 'must', which does not judge it."
  if (/unknown issuer|chain is incomplete/.test(text))
    return 'The certificate’s issuer is not known here: give it as `ca`, or have the server send its whole chain.'
  if (/another name/.test(text))
    return 'The certificate is for another name: use the host name that is on it, or give that name as `servername`.'
  if (/expired/.test(text))
    return 'The server’s certificate has expired: its operator must renew it. Check this machine’s clock, too.'
  if (/not valid yet/.test(text))
    return 'The server’s certificate is not valid yet: check this machine’s clock.'
  if (phase === 'startTls' && /does not offer/.test(text))
    return "This port offers no STARTTLS. Use port 465 with smtps://, or, only where you trust the network, tls: 'may' or 'none'."
  return facts.implicitTls
    ? `${wrongTls(facts)} If the port is right, the server's TLS may be too old (below 1.2).`
    : 'The TLS handshake failed: the server’s TLS may be too old (below 1.2), or something in between interferes.'
}

function authAdvice({ text, auth, phase }: FailureFacts): string {
  if (/without TLS/.test(text))
    return "The connection is not encrypted, so the password was not sent: use tls: 'must' or 'verify', or smtps:// on port 465."
  if (/offered: none/.test(text))
    return 'This port takes no passwords: use the submission port (587 or 465), or leave out auth where the server knows you by your address.'
  if (phase === 'auth' && /no usable AUTH/.test(text))
    return auth === 'token'
      ? 'The server takes no OAuth tokens here: use a password, or its submission port.'
      : 'The server offers no mechanism for passwords: it may want OAuth 2.0 (auth.token).'
  if (/does not know the password|without proof/.test(text))
    return 'The server could not prove that it knows your password: it may be an impostor. Check the host.'
  if (auth === 'token') return 'The function that gives the access token failed: look at the cause.'
  return 'Check user and password: they hold characters that cannot be sent, or the server broke the login off.'
}

function timeoutAdvice(facts: FailureFacts): string {
  switch (facts.phase) {
    case 'connect':
      return `Nothing answers: a firewall drops it, or the address is wrong. ${facts.port === 25 ? 'Port 25 outwards is closed in many networks: use 587 or 465.' : 'Check host and port.'}`
    case 'greeting':
      return facts.implicitTls ? 'The server is too slow to greet: try again later.' : wrongTls(facts)
    case 'end':
      return 'The server has the message and did not answer: it may have been delivered. Send again only if a second copy does no harm.'
    default:
      return 'The server is too slow: try again later, or raise the time limit of this phase in `timeouts`.'
  }
}

function protocolAdvice(facts: FailureFacts): string {
  if (facts.phase === 'greeting') return `${wrongTls(facts)} Or it is no mail server at all.`
  return 'The server does not follow the protocol; something in between (a firewall that inspects mail) may be the cause. Look at the transcript.'
}

function lostAdvice({ phase }: FailureFacts): string {
  if (phase === 'end')
    return 'The connection went while the server had the whole message: it may have been delivered. Send again only if a second copy does no harm.'
  return 'The connection went before the message was handed over: it can be sent again.'
}

function replyAdvice(facts: FailureFacts, reply: Reply): string {
  const words = `${reply.status ?? ''} ${reply.lines.join(' ')}`
  const { phase } = facts
  if (phase === 'auth') return loginAdvice(facts, reply, words)
  if (phase === 'startTls')
    return 'The server cannot do TLS at the moment: try again later, or use smtps:// on port 465.'
  if (phase === 'greeting' || phase === 'hello')
    return reply.code < 500
      ? 'The server is busy or limits connections: try again later, with fewer connections at once.'
      : 'The server does not want to talk to this address: it may be on a blocklist, or lack a reverse DNS name. Send through a mail service.'
  if (
    /authenti[cf]|auth(?:orization)? required|must issue a starttls|5\.7\.0 .*log ?in/i.test(words) ||
    reply.code === 530
  )
    return /starttls/i.test(words)
      ? "The server wants TLS first: use tls: 'must' or 'verify'."
      : 'The server wants a login first: give `auth`.'
  if (/relay/i.test(words))
    return 'The server does not send mail on for you: give `auth`, or use the server that you may send through.'
  if (reply.code === 552 || reply.code === 554)
    if (/size|too (?:big|large)|5\.3\.4/i.test(words))
      return 'Make the message smaller, or send a link in place of the attachment.'
  if (/gr[ea]ylist|try again|4\.7\.1|4\.2\.0/i.test(words) && reply.code < 500)
    return 'Try again in a few minutes: the server makes unknown senders wait.'
  if (reply.code === 452 || /4\.3\.1|4\.2\.2|over ?quota|mailbox (?:is )?full|5\.2\.2/i.test(words))
    return 'The mailbox or the server is full: try again later, or reach the recipient in another way.'
  if (/rate|too many|limit|quota/i.test(words))
    return 'The server limits how much may be sent: slow down (`rate`, `connectionsMax`), or ask for a higher limit.'
  if (phase === 'mail' || /sender|not owned|5\.7\.60|5\.1\.[78]/i.test(words))
    return 'The server does not accept this sender: `from` must be an address that the account may use.'
  if (/spf|dkim|dmarc|unauthenticated|5\.7\.(?:2[0-9]|26)/i.test(words))
    return 'The sender’s domain must allow the sending server: set up SPF and DKIM for it.'
  if (/spam|block|listed|reputation|policy|5\.7\.1/i.test(words))
    return 'The server takes it for unwanted mail: look at its words, at the blocklists it names and at the content.'
  if (phase === 'rcpt' || /5\.1\.1|user|mailbox|recipient/i.test(words))
    return reply.code < 500
      ? 'Try again later: the server cannot take it now.'
      : 'Check the recipient’s address: the server does not know it.'
  return reply.code < 500
    ? 'Try again later: the server cannot take it now.'
    : 'Read the server’s words: it refuses this message for good.'
}

function loginAdvice(facts: FailureFacts, reply: Reply, words: string): string {
  const { service, auth, tokenProblem } = facts
  if (reply.code < 500)
    return 'The server cannot check the login now, or has seen too many tries: try again later.'
  if (auth === 'token')
    return `The access token was refused${tokenProblem === undefined ? '' : ` (${printable(tokenProblem)})`}: it may have expired, lack the scope for SMTP, or belong to another user.`
  if (/application-specific|app(?:lication)? password|5\.7\.9|InvalidSecondFactor/i.test(words))
    return `An app password is needed in place of the account's password. ${service?.hint ?? ''}`.trim()
  if (/5\.7\.139|basic auth|SmtpClientAuthentication is disabled/i.test(words))
    return `Passwords are switched off for SMTP here. ${service?.hint ?? 'Use OAuth 2.0 (auth.token).'}`
  if (service === undefined)
    return 'Check user and password; many services want an app password, made in the account’s settings, in place of the account’s own.'
  const hint = service.hint === undefined ? '' : ` ${service.hint}`
  return `${passwordWords[service.password](service)}${hint}`
}

const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200)

const passwordWords: Readonly<Record<MailService['password'], (service: MailService) => string>> = {
  app: ({ title }) => `${title} wants an app password in place of the account's password.`,
  account: ({ title }) => `Check user and password of the ${title} account.`,
  apiKey: ({ title, user }) =>
    `${title} wants ${user === undefined ? 'the user name and key of its SMTP settings' : `the user name '${user}' and an API key as password`}.`,
  code: ({ title }) => `${title} wants the authorization code of its settings page in place of the password.`,
  token: ({ title }) => `${title} takes OAuth 2.0 tokens only (auth.token).`,
}
