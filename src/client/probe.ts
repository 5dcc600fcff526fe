// Owns the probe of an address or a domain: format, DNS, the wire, in steps that hide nothing from each other, and the
// report with its findings. It sends no message. What each thing means is probe-findings-*.ts'.

import { parseMailbox } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import type { Dialer } from '../base/connection.ts'
import { ParseError } from '../base/cursor.ts'
import { displayDomain, parseDomain } from '../base/domain.ts'
import type { Mailbox } from '../base/mailbox.ts'
import type { Random } from '../base/random.ts'
import type { Resolver } from '../dns/resolver.ts'
import { lookAtDns, type PolicyFetcher, type TlsaByHost } from './probe-dns.ts'
import { judgeDns, judgeFormat } from './probe-findings-dns.ts'
import { judgeHost } from './probe-findings-host.ts'
import { lookAtHostWire, type ProbeRecipient } from './probe-host.ts'
import type {
  MxHostLook,
  ProbeFinding,
  ProbeFormat,
  ProbeHost,
  ProbeMark,
  ProbeReport,
} from './probe-report.ts'

export interface ProbeOptions {
  readonly clock: Clock
  readonly random: Random
  readonly resolver: Resolver
  readonly dialer: Dialer
  /** Undefined: the MTA-STS policy is not fetched. */
  readonly fetchPolicy?: PolicyFetcher
  readonly signal?: AbortSignal
  /** What we call ourselves in EHLO. */
  readonly hostname: string
  /** Default 25. */
  readonly port?: number
  /** TLS from the first byte. Default false. */
  readonly implicitTls?: boolean
  /** Of each step: a DNS question, connecting, a handshake, a reply. Default 20 s. */
  readonly timeoutMs?: number
  /** Of one host, everything said to it included. Default 4 times `timeoutMs`. */
  readonly hostDeadlineMs?: number
  /** False: DNS only. Default true. */
  readonly connect?: boolean
  /** This host (name or address) in place of the MX records. */
  readonly mxHost?: string
  /** The reverse-path that RCPT is asked with. Default '' (null). */
  readonly from?: string
  /** Asks about a made-up recipient too. Default false. */
  readonly catchAll?: boolean
  /** More MX hosts than this are left out. Default 5. */
  readonly hostsMax?: number
  /** Extra trusted certificates, PEM. */
  readonly ca?: string | readonly string[]
}

export interface ProbeTarget {
  readonly format: ProbeFormat
  readonly mailbox?: Mailbox
}

const defaultTimeoutMs = 20_000
const hostsAtOnceMax = 5
const never = new AbortController().signal

/** Never rejects for what the network says. */
export async function probe(target: string, options: ProbeOptions): Promise<ProbeReport> {
  const at = new Date(options.clock.now()).toISOString()
  const { format, mailbox } = readTarget(target)
  const domain = format.domain
  if (domain === undefined)
    return makeReport({ target, at, format, hosts: [], hostsLeftOutCount: 0 }, judgeFormat(format))
  const look = await lookAtDns(domain, {
    resolver: options.resolver,
    clock: options.clock,
    signal: options.signal ?? never,
    timeoutMs: options.timeoutMs ?? defaultTimeoutMs,
    port: options.port ?? 25,
    fetchPolicy: options.fetchPolicy,
    mxHost: options.mxHost,
  })
  const dns = look.report
  const reachable = dns.mx.kind === 'hosts' ? dns.mx.hosts.filter((one) => one.addresses.length > 0) : []
  const chosen = options.connect === false ? [] : reachable.slice(0, options.hostsMax ?? hostsAtOnceMax)
  const recipient = mailbox === undefined ? undefined : recipientOf(mailbox, options)
  const hosts = await Promise.all(chosen.map((host) => lookAtOneHost(host, look.tlsa, recipient, options)))
  const asked =
    recipient === undefined ? undefined : { from: recipient.from, needsSmtputf8: recipient.needsSmtputf8 }
  const hostsLeftOutCount = options.connect === false ? 0 : reachable.length - chosen.length
  return makeReport({ target, at, format, dns, hosts, hostsLeftOutCount }, [
    ...judgeFormat(format),
    ...judgeDns(domain, dns),
    ...hosts.flatMap((host) => judgeHost(host, dns, asked)),
  ])
}

/** An address where there is an `@`, else a domain. */
export function readTarget(target: string): ProbeTarget {
  try {
    if (!target.includes('@')) {
      const { ascii } = parseDomain(target.replace(/\.$/, ''))
      return { format: { valid: true, domain: ascii, domainUnicode: displayDomain(ascii) } }
    }
    const mailbox = parseMailbox(target)
    const { localPart, domain } = mailbox
    const needsSmtputf8 = /[^\x00-\x7f]/.test(localPart)
    return {
      mailbox,
      format: {
        valid: true,
        address: mailbox.text,
        localPart,
        domain,
        domainUnicode: displayDomain(domain),
        needsSmtputf8,
      },
    }
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    const place = target === '' ? '' : ` at character ${error.offset + 1}`
    return { format: { valid: false, problem: `not an address: expected ${error.expected}${place}` } }
  }
}

/** With A-labels where the local part is ASCII: then every server can take it (RFC 6531 section 3.2). */
export function recipientOf(
  mailbox: Mailbox,
  { from = '', catchAll = false, random }: Pick<ProbeOptions, 'from' | 'catchAll' | 'random'>,
): ProbeRecipient {
  const needsSmtputf8 = /[^\x00-\x7f]/.test(mailbox.localPart)
  const local = mailbox.text.slice(0, mailbox.text.lastIndexOf('@'))
  const name = `nobody-${Buffer.from(random.bytes(8)).toString('hex')}`
  return {
    from,
    to: needsSmtputf8 ? mailbox.text : `${local}@${mailbox.domain}`,
    needsSmtputf8,
    ...(catchAll && { madeUp: `${name}@${mailbox.domain}` }),
  }
}

export function lookAtOneHost(
  host: MxHostLook,
  tlsa: TlsaByHost,
  recipient: ProbeRecipient | undefined,
  options: ProbeOptions,
): Promise<ProbeHost> {
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs
  return lookAtHostWire(host, {
    dialer: options.dialer,
    clock: options.clock,
    signal: options.signal ?? never,
    port: options.port ?? 25,
    implicitTls: options.implicitTls ?? false,
    hostname: options.hostname,
    timeoutMs,
    deadlineMs: options.hostDeadlineMs ?? 4 * timeoutMs,
    recipient,
    tlsa: tlsa.get(host.name) ?? [],
    ...(options.ca !== undefined && { ca: options.ca }),
  })
}

const marks: readonly (ProbeMark & ProbeReport['verdict'])[] = ['ok', 'warn', 'unknown', 'bad']

function makeReport(
  facts: Omit<ProbeReport, 'findings' | 'verdict'>,
  findings: readonly ProbeFinding[],
): ProbeReport {
  const worst = Math.max(0, ...findings.map(({ mark }) => marks.indexOf(mark === 'note' ? 'ok' : mark)))
  return { ...facts, findings, verdict: marks[worst] ?? 'ok' }
}
