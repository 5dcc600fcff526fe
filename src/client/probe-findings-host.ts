// Owns what a host's answers mean, in words and with what to do. Pure. What a reply to RCPT proves is said with it.
// RFC 5321 section 4.2.1, RFC 7672 section 2.2, RFC 8461 section 4.1, RFC 8996 (old TLS).

import { describeReply, isPositive, isTransient } from '../smtp/reply.ts'
import type {
  ProbeDns,
  ProbeFinding,
  ProbeHost,
  ProbeMark,
  ProbeStep,
  ProbeTls,
  TimedReply,
} from './probe-report.ts'

/** `dns`: what was promised about TLS. `from`: the reverse-path that was said. */
export function judgeHost(
  host: ProbeHost,
  dns: ProbeDns | undefined,
  asked: { readonly from: string; readonly needsSmtputf8: boolean } | undefined,
): readonly ProbeFinding[] {
  const found: ProbeFinding[] = []
  const tell = (step: ProbeStep, mark: ProbeMark, text: string, advice?: string): void =>
    void found.push({ step, mark, text, host: host.name, ...(advice !== undefined && { advice }) })
  for (const { address, reason } of host.failedAddresses)
    tell('connect', 'warn', `${address}: ${reason}`, 'Senders try the other addresses, later or at once.')
  if (host.connectMs !== undefined)
    tell('connect', 'ok', `${host.address} port ${host.port} in ${host.connectMs} ms`)
  const { greeting, hello } = host
  if (greeting !== undefined) judgeGreeting(greeting, tell)
  if (hello !== undefined) judgeHello(host, hello, tell)
  judgeTls(host, dns, tell)
  if (asked !== undefined) judgeRecipient(host, asked, tell)
  if (host.problem !== undefined) judgeProblem(host, host.problem, tell)
  return found
}

type Tell = (step: ProbeStep, mark: ProbeMark, text: string, advice?: string) => void

/** RFC 5321 section 4.5.3.2.1 gives five minutes; people and many senders give less. */
const slowMs = 10_000

function judgeGreeting(greeting: TimedReply, tell: Tell): void {
  const words = describeReply(greeting)
  if (!isPositive(greeting))
    return tell(
      'greeting',
      greeting.code < 500 ? 'unknown' : 'bad',
      words,
      'The host does not talk to this address: look at its words; it may be on a blocklist or lack a reverse name.',
    )
  const slow = greeting.elapsedMs > slowMs ? ` (only after ${Math.round(greeting.elapsedMs / 1000)} s)` : ''
  tell('greeting', slow === '' ? 'ok' : 'note', `${words}${slow}`)
}

function judgeHello(host: ProbeHost, hello: TimedReply, tell: Tell): void {
  if (!isPositive(hello))
    return tell(
      'hello',
      hello.code < 500 ? 'unknown' : 'bad',
      describeReply(hello),
      'It refuses our name: try --helo.',
    )
  const words = host.announcedSecured ?? host.announced ?? []
  if (words.length === 0) {
    const isOld = host.capabilities?.extended === false
    const what = isOld ? 'no ESMTP: HELO only' : 'no extension is announced'
    return tell('hello', 'warn', what, 'Nothing but 7-bit text is safe there.')
  }
  tell('hello', 'ok', words.join(', '))
  const has = (word: string): boolean => words.some((one) => one.toUpperCase().split(' ')[0] === word)
  if (!has('8BITMIME')) tell('hello', 'note', 'no 8BITMIME')
  if (host.helloSecured !== undefined && !isPositive(host.helloSecured))
    tell('hello', 'bad', `after TLS: ${describeReply(host.helloSecured)}`)
  if (host.tls === undefined && has('AUTH'))
    tell('hello', 'warn', 'AUTH is offered without TLS', 'Passwords would travel in the clear.')
}

function judgeTls(host: ProbeHost, dns: ProbeDns | undefined, tell: Tell): void {
  const sts = dns?.mtaStsPolicy?.kind === 'found' ? dns.mtaStsPolicy.policy.mode : undefined
  const promise = sts === 'enforce' ? ' though MTA-STS says enforce' : ''
  const { tls, startTls, tlsProblem } = host
  if (tls !== undefined) return judgeCertificate(tls, host, dns, sts === 'enforce', tell)
  if (tlsProblem !== undefined)
    return tell(
      'tls',
      'bad',
      `TLS fails${promise}: ${tlsProblem}`,
      'Senders fall back to plain text or wait. TLS 1.2 is the least that is spoken here (RFC 8996).',
    )
  if (startTls !== undefined)
    return tell('tls', 'bad', `STARTTLS is offered and refused${promise}: ${describeReply(startTls)}`)
  if (host.announced !== undefined && host.problem?.step !== 'tls')
    tell(
      'tls',
      promise === '' ? 'warn' : 'bad',
      `no STARTTLS${promise}`,
      'Mail to this host travels in the clear: turn TLS on.',
    )
}

function judgeCertificate(
  tls: ProbeTls,
  host: ProbeHost,
  dns: ProbeDns | undefined,
  enforced: boolean,
  tell: Tell,
): void {
  const { matchesName, name, verified, problem, daysLeft, tlsaMatches } = tls
  tell('tls', 'ok', `${tls.protocol} ${tls.cipher}`)
  const first = tls.certificates[0]
  // Between mail servers certificates are rarely judged, unless MTA-STS or DANE says so.
  const severity: ProbeMark = enforced ? 'bad' : 'warn'
  const names = first === undefined ? '' : first.names.join(', ') || first.subject
  if (!matchesName)
    tell(
      'tls',
      severity,
      `the certificate is not for ${name}, but for ${names || 'nobody'}`,
      `Get one for ${name}.`,
    )
  const isLate = daysLeft !== undefined && daysLeft < 0
  const left = daysLeft === undefined ? '' : `, ${daysLeft} days more; by ${first?.issuer ?? 'nobody'}`
  if (isLate) tell('tls', severity, `the certificate expired ${-daysLeft} days ago`, 'Renew it.')
  else if (!verified && problem !== undefined && !/another name/.test(problem))
    tell('tls', severity, `the certificate does not verify: ${problem}`, certificateAdvice(problem))
  else if (verified && matchesName) tell('tls', 'ok', `the certificate is valid for ${name}${left}`)
  if (daysLeft !== undefined && daysLeft >= 0 && daysLeft < 14)
    tell('tls', 'warn', `the certificate expires in ${daysLeft} days`, 'Renew it now.')
  if (tlsaMatches === undefined) return
  const tlsa = dns?.mx.kind === 'hosts' ? dns.mx.hosts.find((one) => one.name === host.name)?.tlsa : undefined
  if (tlsaMatches.length > 0) tell('tlsa', 'ok', `the certificate fits ${tlsaMatches[0]?.slice(0, 24)}...`)
  else if ((tlsa?.usableCount ?? 0) > 0)
    tell(
      'tlsa',
      tlsa?.secure === true ? 'bad' : 'warn',
      'the certificate fits none of the TLSA records',
      'Senders that use DANE do not deliver here: publish the new record before changing the certificate.',
    )
}

const certificateAdvice = (problem: string): string =>
  /self-signed/.test(problem)
    ? 'Get one from a public authority.'
    : /issuer|chain/.test(problem)
      ? 'Send the whole chain, intermediate certificates included.'
      : 'Look at the certificate below.'

const notProof =
  'That is no proof of a mailbox: many servers say yes to everyone here and refuse, or bounce, the message later (--catch-all tries a made-up name).'

function judgeRecipient(
  host: ProbeHost,
  asked: { readonly from: string; readonly needsSmtputf8: boolean },
  tell: Tell,
): void {
  const { mail, rcpt, catchAll } = host
  if (mail === undefined) {
    if (asked.needsSmtputf8 && host.capabilities !== undefined && host.problem === undefined)
      tell(
        'recipient',
        'bad',
        'it does not offer SMTPUTF8, and the address needs it',
        'It cannot be delivered here.',
      )
    return
  }
  const from = `<${asked.from}>`
  if (!isPositive(mail))
    return tell(
      'sender',
      isTransient(mail) ? 'unknown' : 'warn',
      `${from} is not accepted as the sender: ${describeReply(mail)}`,
      asked.from === ''
        ? 'A server must accept the null sender (RFC 5321 section 4.5.5); give another by --from.'
        : 'Give another sender by --from; that says nothing about the recipient.',
    )
  if (rcpt === undefined) return
  const words = describeReply(rcpt)
  if (isPositive(rcpt))
    tell('recipient', 'ok', `accepted: ${words}`, catchAll === undefined ? notProof : undefined)
  else if (isTransient(rcpt))
    tell(
      'recipient',
      'unknown',
      `deferred: ${words}`,
      'That may be greylisting: the server makes unknown senders wait. Try again in some minutes; no tool can say more now.',
    )
  else tell('recipient', 'bad', `refused: ${words}`, refusalAdvice(rcpt))
  if (catchAll !== undefined) judgeCatchAll(catchAll, rcpt, tell)
}

function judgeCatchAll(
  catchAll: TimedReply & { readonly recipient: string },
  rcpt: TimedReply,
  tell: Tell,
): void {
  const words = describeReply(catchAll)
  if (!isPositive(catchAll))
    return isPositive(rcpt)
      ? tell(
          'catch-all',
          'ok',
          `a made-up recipient is refused: ${words}`,
          'So the yes above means something.',
        )
      : tell(
          'catch-all',
          'note',
          `a made-up recipient is refused, too: ${words}`,
          'It may be us whom it refuses.',
        )
  tell(
    'catch-all',
    isPositive(rcpt) ? 'warn' : 'note',
    `a made-up recipient is accepted: ${words}`,
    'The host takes any name (catch-all, or it checks later): its yes says nothing about the mailbox.',
  )
}

const refusalAdvice = ({ status, lines }: TimedReply): string =>
  /^5\.1\.[0-35-9]|^5\.2\.1/.test(status ?? '')
    ? 'The mailbox does not exist or is closed.'
    : /spam|block|listed|reputation|policy|spf|ptr|reverse/i.test(`${status ?? ''} ${lines.join(' ')}`) ||
        status?.startsWith('5.7.') === true
      ? 'It refuses us rather than the mailbox: look at its words.'
      : 'Read its words: it may mean the mailbox, or us.'

function judgeProblem(host: ProbeHost, problem: NonNullable<ProbeHost['problem']>, tell: Tell): void {
  const { step, kind, reason } = problem
  const where =
    step === 'connect' && !reason.includes(host.address) ? `${host.address} port ${host.port}: ` : ''
  tell(step, 'unknown', `${where}${reason}`, problemAdvice(step, kind, host.port))
}

function problemAdvice(
  step: ProbeStep,
  kind: NonNullable<ProbeHost['problem']>['kind'],
  port: number,
): string {
  if (step === 'connect')
    return kind === 'refused'
      ? 'Nothing listens there: check the host and its firewall.'
      : port === 25
        ? 'Port 25 outwards is closed in many networks and clouds: try from a mail server before blaming the host.'
        : 'Check the port and the firewalls between here and there.'
  if (kind === 'malformed')
    return 'That is no SMTP: another service, or one that wants TLS from the first byte.'
  if (kind === 'timeout' && step === 'greeting')
    return 'It may want TLS from the first byte (as on port 465), or make unknown clients wait longer than --timeout.'
  if (kind === 'timeout') return 'It may make unknown clients wait: try a longer --timeout.'
  if (step === 'tls') return 'The port may not speak TLS from the first byte.'
  return 'The host ended it: look at its words before that (--transcript).'
}
