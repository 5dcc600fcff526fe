// Owns verifyAddress(): can this address receive mail, in steps from the cheapest to the one that asks its server. It never
// throws for what the network says, and it never says more than what was found out: a yes of the last step is no proof.
// RFC 5321 sections 3.3 and 5.1, RFC 7505.

import { tryParseMailbox } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import type { Dialer } from '../base/connection.ts'
import type { Mailbox } from '../base/mailbox.ts'
import type { Random } from '../base/random.ts'
import { UsageError } from '../base/usage-error.ts'
import { canonicalName } from '../dns/name.ts'
import type { Resolver } from '../dns/resolver.ts'
import { keepAlive } from '../net/keep-alive.ts'
import { realClock } from '../net/real-clock.ts'
import { systemHelloName } from '../net/system-lookup.ts'
import { describeReply, isPositive, isTransient } from '../smtp/reply.ts'
import { lookAtOneHost, readTarget, recipientOf } from './probe.ts'
import { lookAtMailHosts } from './probe-dns.ts'
import type { MxHostLook, MxLook, ProbeFormat, ProbeHost, TimedReply } from './probe-report.ts'
import { createProbeWorld } from './probe-world.ts'
import { msUntil } from './send-options.ts'

export type VerifyStep = 'format' | 'domain' | 'mailbox'

export interface VerifyAddressOptions {
  /**
   * The last step to take. format: how it is written. domain: DNS says where its mail goes. mailbox: that host is asked
   * with RCPT and without a message. Default 'domain'.
   */
  readonly steps?: VerifyStep
  readonly signal?: AbortSignal
  /** All of it must be done by then: an instant, as a Date or in epoch ms. */
  readonly deadline?: Date | number
  /** Of each DNS question, connection, handshake and reply. Default 10 s. */
  readonly timeoutMs?: number
  /** Default: DNS over the system's servers. */
  readonly resolver?: Resolver
  /** Default: sockets. */
  readonly dialer?: Dialer
  /** Default: real time and chance. */
  readonly clock?: Clock
  readonly random?: Random
  /** Of the hosts; default 25, which many networks close. */
  readonly port?: number
  /** What we call ourselves in EHLO. Default: the name of this machine. */
  readonly hostname?: string
  /** The sender to ask with. Default: the null sender. */
  readonly from?: string
  /** Asks about a made-up recipient, too: a host that takes that one takes anything. Default false. */
  readonly catchAll?: boolean
}

/** What the host said to RCPT. unasked: it did not come to that. */
export interface MailboxLook {
  readonly answer: 'accepted' | 'refused' | 'deferred' | 'unasked'
  /** The host that answered. */
  readonly host?: string
  readonly reply?: TimedReply
  /** It accepted a made-up recipient as well: 'accepted' says nothing. Absent where that was not asked. */
  readonly acceptsAnything?: boolean
  /** All hosts that were tried, with the conversation. */
  readonly hosts: readonly ProbeHost[]
}

export interface VerifyAddressResult {
  readonly address: string
  /**
   * valid: nothing speaks against it, up to the last step taken. invalid: it cannot receive mail. unknown: it could not be
   * found out now (DNS or the host did not say, the host deferred, or it accepts anything).
   */
  readonly outcome: 'valid' | 'invalid' | 'unknown'
  /** The step that decided. */
  readonly step: VerifyStep
  /** In words. */
  readonly reason: string
  readonly format: ProbeFormat
  readonly domain?: MxLook
  readonly mailbox?: MailboxLook
}

type Said = Pick<VerifyAddressResult, 'outcome' | 'step' | 'reason'>

/** Hosts that are tried until one answers. */
const hostsMax = 3

/** @throws UsageError for an option that cannot be right */
export async function verifyAddress(
  address: string,
  options: VerifyAddressOptions = {},
): Promise<VerifyAddressResult> {
  checkOptions(address, options)
  const { format, mailbox } = readTarget(address.includes('@') ? address : `@${address}`)
  if (mailbox === undefined)
    return { address, outcome: 'invalid', step: 'format', reason: format.problem ?? 'not an address', format }
  const { steps = 'domain' } = options
  if (steps === 'format') return { address, outcome: 'valid', step: 'format', reason: 'well-formed', format }
  const world = { ...createProbeWorld({ timeoutMs: options.timeoutMs ?? 10_000 }), ...given(options) }
  const limit = new AbortController()
  const stop = (): void => limit.abort()
  if (options.signal?.aborted === true) stop()
  options.signal?.addEventListener('abort', stop, { once: true })
  const leftMs =
    options.deadline === undefined ? undefined : Math.max(0, msUntil(options.deadline, world.clock))
  const timer = leftMs === undefined ? undefined : world.clock.setTimer(leftMs, stop)
  const alive = keepAlive()
  try {
    const found = await takeSteps(mailbox, steps, { ...options, ...world, signal: limit.signal })
    return { address, format, ...found }
  } finally {
    alive()
    timer?.cancel()
    options.signal?.removeEventListener('abort', stop)
  }
}

type Given = Pick<VerifyAddressOptions, 'resolver' | 'dialer' | 'clock' | 'random'>
const given = ({ resolver, dialer, clock, random }: Given) => ({
  ...(resolver !== undefined && { resolver }),
  ...(dialer !== undefined && { dialer }),
  ...(clock !== undefined && { clock }),
  ...(random !== undefined && { random }),
})

type World = Omit<ReturnType<typeof createProbeWorld>, 'fetchPolicy'>
type Run = Omit<VerifyAddressOptions, keyof Given | 'signal'> & World & { readonly signal: AbortSignal }

async function takeSteps(
  mailbox: Mailbox,
  steps: VerifyStep,
  run: Run,
): Promise<Said & Pick<VerifyAddressResult, 'domain' | 'mailbox'>> {
  const domain = await lookAtMailHosts(mailbox.domain, {
    resolver: run.resolver,
    clock: run.clock,
    signal: run.signal,
    timeoutMs: run.timeoutMs ?? 10_000,
    port: run.port ?? 25,
    fetchPolicy: undefined,
  })
  const said = judgeDomain(mailbox.domain, domain)
  if (said.outcome !== 'valid' || steps === 'domain' || domain.kind !== 'hosts') return { ...said, domain }
  const look = await askHosts(mailbox, domain.hosts, run)
  return { ...judgeMailbox(look), domain, mailbox: look }
}

function judgeDomain(name: string, domain: MxLook): Said {
  const step = 'domain'
  switch (domain.kind) {
    case 'nullMx':
      return { outcome: 'invalid', step, reason: `${name} takes no mail (null MX)` }
    case 'noSuchDomain':
      return { outcome: 'invalid', step, reason: `${name} does not exist` }
    case 'noHost':
      return { outcome: 'invalid', step, reason: domain.reason }
    case 'failed':
      return { outcome: 'unknown', step, reason: domain.reason }
    case 'hosts': {
      const reachable = domain.hosts.filter(({ addresses }) => addresses.length > 0)
      const names = reachable.map((host) => host.name).join(', ')
      if (reachable.length > 0) return { outcome: 'valid', step, reason: `mail goes to ${names}` }
      const doubtful = domain.hosts.find(({ problem }) => problem?.startsWith('address of') === true)
      if (doubtful !== undefined) return { outcome: 'unknown', step, reason: doubtful.problem ?? '' }
      return { outcome: 'invalid', step, reason: `no MX host of ${name} has an address` }
    }
  }
}

/** The best host first, and the next one only where it gave no answer to RCPT or MAIL. */
async function askHosts(mailbox: Mailbox, hosts: readonly MxHostLook[], run: Run): Promise<MailboxLook> {
  const recipient = recipientOf(mailbox, {
    random: run.random,
    ...(run.from !== undefined && { from: run.from }),
    ...(run.catchAll !== undefined && { catchAll: run.catchAll }),
  })
  const looks: ProbeHost[] = []
  const reachable = hosts.filter(({ addresses }) => addresses.length > 0).slice(0, hostsMax)
  for (const host of reachable) {
    if (run.signal.aborted) break
    const look = await lookAtOneHost(host, new Map(), recipient, {
      ...run,
      hostname: run.hostname ?? systemHelloName(),
      timeoutMs: run.timeoutMs ?? 10_000,
    })
    looks.push(look)
    if (look.rcpt === undefined) continue
    const { rcpt, catchAll } = look
    const answer = isPositive(rcpt) ? 'accepted' : isTransient(rcpt) ? 'deferred' : 'refused'
    return {
      answer,
      host: host.name,
      reply: rcpt,
      ...(catchAll !== undefined && { acceptsAnything: isPositive(catchAll) }),
      hosts: looks,
    }
  }
  return { answer: 'unasked', hosts: looks }
}

function judgeMailbox(look: MailboxLook): Said {
  const step = 'mailbox'
  const words = look.reply === undefined ? '' : `${look.host} said: ${describeReply(look.reply)}`
  switch (look.answer) {
    case 'accepted':
      return look.acceptsAnything === true
        ? { outcome: 'unknown', step, reason: `${look.host} accepts any recipient` }
        : { outcome: 'valid', step, reason: words }
    case 'deferred':
      return { outcome: 'unknown', step, reason: words }
    case 'refused':
      // RFC 3463: a policy (5.7) is about us. Without a status it is taken for what RCPT asks about.
      return {
        outcome: /^5\.7\./.test(look.reply?.status ?? '') ? 'unknown' : 'invalid',
        step,
        reason: words,
      }
    case 'unasked':
      return unasked(look)
  }
}

function unasked({ hosts }: MailboxLook): Said {
  const step = 'mailbox'
  const last = hosts.at(-1)
  if (last === undefined) return { outcome: 'unknown', step, reason: 'there was no time to ask' }
  const { name, problem, mail, greeting, hello, capabilities } = last
  const refused = [mail, hello, greeting].find((reply) => reply !== undefined && !isPositive(reply))
  if (refused !== undefined)
    return { outcome: 'unknown', step, reason: `${name} said: ${describeReply(refused)}` }
  if (problem !== undefined) return { outcome: 'unknown', step, reason: `${name}: ${problem.reason}` }
  if (capabilities !== undefined && !capabilities.smtputf8)
    return { outcome: 'invalid', step, reason: `${name} does not offer SMTPUTF8, and the address needs it` }
  return { outcome: 'unknown', step, reason: `${name} was not asked` }
}

function checkOptions(address: string, options: VerifyAddressOptions): void {
  if (typeof address !== 'string') throw new UsageError('address', 'must be a string')
  const { steps, from, port, timeoutMs, hostname, deadline } = options
  if (steps !== undefined && steps !== 'format' && steps !== 'domain' && steps !== 'mailbox')
    throw new UsageError('steps', "must be 'format', 'domain' or 'mailbox'")
  if (from !== undefined && from !== '' && tryParseMailbox(from, { utf8: false }) === undefined)
    throw new UsageError('from', "must be an ASCII address, or ''")
  if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65_535))
    throw new UsageError('port', 'must be 1 to 65535')
  if (timeoutMs !== undefined && !(timeoutMs > 0 && timeoutMs <= 3_600_000))
    throw new UsageError('timeoutMs', 'must be more than 0 and at most an hour')
  if (hostname !== undefined && !hostname.startsWith('[') && (canonicalName(hostname) ?? '') === '')
    throw new UsageError('hostname', 'must be a host name or an address literal')
  msUntil(deadline, options.clock ?? realClock)
}
