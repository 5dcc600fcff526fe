// Owns delivery to other hosts: the SMTP and LMTP Transport of the queue. It finds the hosts of a destination, opens or
// reuses a session, sends in transactions of bounded size, and says what became of each recipient. It schedules and
// retries nothing (the queue does) and knows no sockets (the client does).
// RFC 5321 section 5, 2033 (LMTP), 3461 (DSN), 6531 (SMTPUTF8), 7505 (null MX), 7504 (521).

import type { Clock } from '../base/clock.ts'
import type { Dialer } from '../base/connection.ts'
import { ipVersion, isLoopback } from '../base/ip.ts'
import { type Log, silentLog } from '../base/log.ts'
import { type Metrics, silentMetrics } from '../base/metrics.ts'
import type { Random } from '../base/random.ts'
import { authChooser } from '../client/auth.ts'
import type { MxResult } from '../client/mx-result.ts'
import { openSession } from '../client/open-session.ts'
import { type PoolOptions, SessionPool, type Slot } from '../client/pool.ts'
import type { ClientSession } from '../client/session.ts'
import type { OpenOptions, SessionTimeouts } from '../client/session-options.ts'
import type { DeliveryJob, Transport, TransportResult } from '../queue/transport.ts'
import type { Delivery, HostReport } from '../queue/types.ts'
import type { RecipientResult, TransactionResult } from '../smtp/transaction.ts'
import { DeliveryRun } from './delivery-run.ts'
import { HostHealth, type HostHealthOptions, type HostProblem } from './host-health.ts'
import { type Candidate, HostSearch, type NoLease, nameOf, noHosts } from './host-search.ts'
import { namesFor, policyText, tlsFor, type UsableTls } from './host-tls.ts'
import { type Deferred, deferred, type Failed, failed, openingDeferred, outcomeOf } from './outcome.ts'
import type { Route, TlsPolicy } from './route.ts'
import { isSameTarget, readTarget, type Target } from './target.ts'
import { failedSessionEvent, refusedEvent, sessionEvent, type TlsEvent } from './tls-events.ts'
import { daneJudge, type TlsPolicies, tlsaHost } from './tls-policies.ts'
import type { TlsDecision } from './tls-policy.ts'
import { isHostDown, isTooMany, isUntouched, reasonOf } from './transaction-reading.ts'

export interface RelayLimits {
  /** Connections of one destination at the same time. Default 20. */
  readonly connectionsMax?: number
  /** Recipients of one transaction; a host's RCPTMAX may lower it. Default 100 (RFC 5321 section 4.5.3.1.8). */
  readonly recipientsMax?: number
  /** Addresses dialed in one attempt. Default 10. */
  readonly addressesMax?: number
  /** Transactions on one connection. Default 100. */
  readonly transactionsMax?: number
  /** Default 5 s. */
  readonly idleTimeoutMs?: number
  /** Default 5 min. */
  readonly lifetimeMs?: number
}

export interface RelayOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log?: Log
  readonly metrics?: Metrics
  readonly dialer: Dialer
  /** What we call ourselves in EHLO. */
  readonly hostname: string
  /** Hosts of a mail domain, by MX. Rejects only when aborted. */
  readonly resolveHosts: (domain: string, signal: AbortSignal) => Promise<MxResult>
  /** Addresses of a host named in a route (A and AAAA, no MX). Default: `resolveHosts`. */
  readonly resolveHost?: (host: string, signal: AbortSignal) => Promise<MxResult>
  /** The route behind a destination that is not MX. */
  readonly routeFor: (destination: string) => Route | undefined
  /** TLS policy of a domain, or of a route's host, that has none of its own. Default: 'may' for all. */
  readonly tlsPolicyFor?: (domain: string) => TlsPolicy
  /** DANE and MTA-STS of hosts found by MX. Default: neither. */
  readonly tlsPolicies?: TlsPolicies
  /** Told how TLS went with each host of a domain, once for a session; on the way of mail, so it must be quick. */
  readonly onTls?: (event: TlsEvent) => void
  /** Remote port for MX. Default 25. */
  readonly port?: number
  readonly limits?: RelayLimits
  readonly health?: Pick<HostHealthOptions, 'firstMs' | 'maxMs' | 'dialsMax'>
  readonly timeouts?: Partial<SessionTimeouts>
  /** Extra trusted certificates, PEM. */
  readonly ca?: string | readonly string[]
  readonly localAddress?: (family: 4 | 6) => string | undefined
  /** Bodies from this size go by BDAT where it is offered. Default 64 KiB. */
  readonly bdatBytesMin?: number
}

/** The transport for destinations `mx:`, `smtp:`, `smtps:` and `lmtp:`. */
export function createRelayTransport(options: RelayOptions): RelayTransport {
  return new RelayTransport(options)
}

/** Where a session leads, kept beside it so that a report costs nothing. */
interface SessionPlace {
  readonly target: Target
  readonly remoteMta: string
  readonly report: HostReport
  readonly reusedReport: HostReport
  /** Opened for a message whose sender waived the other side's TLS policy: for such messages alone. */
  readonly waived: boolean
  /** Opened for a message with REQUIRETLS, and fit for it. */
  readonly requireTls: boolean
}

interface Lease {
  readonly session: ClientSession
  readonly place: SessionPlace
  readonly reused: boolean
}

export class RelayTransport implements Transport {
  readonly health: HostHealth
  readonly pool: SessionPool
  readonly #options: RelayOptions
  readonly #log: Log
  readonly #port: number
  readonly #recipientsMax: number
  readonly #connectionsMax: number
  readonly #addressesMax: number
  readonly #tlsPolicyFor: (domain: string) => TlsPolicy
  readonly #places = new WeakMap<ClientSession, SessionPlace>()
  readonly #connections
  readonly #transactions

  constructor(options: RelayOptions) {
    const { clock, random, limits = {} } = options
    this.#options = options
    this.#log = options.log ?? silentLog
    this.#port = options.port ?? 25
    this.#recipientsMax = limits.recipientsMax ?? 100
    this.#connectionsMax = limits.connectionsMax ?? 20
    this.#addressesMax = limits.addressesMax ?? 10
    this.#tlsPolicyFor = options.tlsPolicyFor ?? (() => 'may')
    this.health = new HostHealth({ clock, random, ...options.health })
    const poolOptions: PoolOptions = {
      clock,
      ...(limits.idleTimeoutMs !== undefined && { idleTimeoutMs: limits.idleTimeoutMs }),
      ...(limits.transactionsMax !== undefined && { transactionsMax: limits.transactionsMax }),
      ...(limits.lifetimeMs !== undefined && { lifetimeMs: limits.lifetimeMs }),
    }
    this.pool = new SessionPool(poolOptions)
    const metrics = options.metrics ?? silentMetrics
    this.#connections = metrics.counter(
      'posthouse_relay_connections_total',
      'Connections tried to other hosts, by how they went',
      ['result'],
    )
    this.#transactions = metrics.counter(
      'posthouse_relay_transactions_total',
      'Transactions with other hosts, by kind of connection',
      ['connection'],
    )
    metrics.gauge('posthouse_relay_connections_open', 'Connections to other hosts', () =>
      this.pool.openCount(),
    )
  }

  async deliver(job: DeliveryJob, signal: AbortSignal): Promise<TransportResult> {
    const run = new DeliveryRun(job, this.#options.clock.now())
    try {
      await this.#run(run, signal)
    } catch (error) {
      // A body that cannot be read, a stop while waiting for room: ours, and temporary.
      if (!signal.aborted)
        this.#log.error({ messageId: job.message.id, cause: error }, 'delivery failed for our fault')
      run.settleRest(
        deferred('4.3.0', signal.aborted ? 'stopped' : 'local problem while sending the message'),
      )
    }
    return run.result(this.#options.clock.now())
  }

  async close(): Promise<void> {
    await this.pool.close()
  }

  async #run(run: DeliveryRun, signal: AbortSignal): Promise<void> {
    const destination = run.job.deliveries[0]?.destination ?? ''
    const target = readTarget(destination, this.#options.routeFor(destination), {
      port: this.#port,
      tlsPolicyFor: this.#tlsPolicyFor,
    })
    if (target === undefined)
      return run.settleRest(deferred('4.3.5', `no route is configured for ${destination}`))
    await run.look(signal)
    // Recipients that need SMTPUTF8 do not hold up, or bring down, those that do not.
    for (const needsUtf8 of [false, true]) {
      const search = new HostSearch(target, needsUtf8)
      while (run.pending(needsUtf8).length > 0) {
        const lease = await this.#lease(search, run, signal)
        if ('outcome' in lease) {
          for (const index of run.pending(needsUtf8)) run.settle(index, lease.outcome)
          if (lease.destination === 'down') run.destination = 'down'
          break
        }
        await this.#use(lease, search, run, signal)
      }
    }
  }

  // Sessions

  /** A session that can take this message: an idle one, or a new one to the next host that answers. */
  async #lease(search: HostSearch, run: DeliveryRun, signal: AbortSignal): Promise<Lease | NoLease> {
    const { target } = search
    const key = target.destination
    for (;;) {
      const idle = search.mayReuse ? await this.#idle(search, run, signal) : undefined
      if (idle !== undefined) return idle
      const slot = this.pool.slot(key, this.#connectionsMax)
      if (slot === undefined) await this.pool.change(key, signal)
      else return await this.#connect(search, run, slot, signal)
    }
  }

  /** A new session to the next host that answers; the slot goes with it, or is given back. */
  async #connect(
    search: HostSearch,
    run: DeliveryRun,
    slot: Slot,
    signal: AbortSignal,
  ): Promise<Lease | NoLease> {
    const { target } = search
    let lease: Lease | undefined
    try {
      search.candidates ??= await this.#candidates(search, signal)
      if (!Array.isArray(search.candidates)) return search.candidates
      while (lease === undefined) {
        if (signal.aborted) return { outcome: deferred('4.3.2', 'stopped'), destination: 'up' }
        const candidate = search.candidates[search.next++]
        if (candidate === undefined) return search.exhausted(this.#options.clock.now())
        const tls = await tlsFor(candidate, search, run, this.#options.tlsPolicies, signal)
        if (tls.kind === 'refuse') {
          bar(candidate, tls, search, run)
          this.#tellTls(run, () => refusedEvent(candidate, tls, search))
          continue
        }
        const key = `${formatAddress(candidate.address)}:${target.port}`
        let gate = this.health.enter(key)
        while (gate.kind === 'wait') {
          await gate.until
          gate = this.health.enter(key)
        }
        if (gate.kind === 'dial') lease = await this.#open(candidate, tls, key, search, run, slot, signal)
        else this.#skip(candidate, gate.problem, search, run)
      }
      return lease
    } finally {
      if (lease === undefined) slot.release()
    }
  }

  /** Not of sessions for a report of ours: two systems would report to each other every day, of yesterday's reports. */
  #tellTls(run: DeliveryRun, make: () => TlsEvent | undefined): void {
    const { onTls } = this.#options
    const event = run.job.message.origin.via === 'report' ? undefined : onTls && make()
    if (event !== undefined) onTls?.(event)
  }

  #skip(candidate: Candidate, problem: HostProblem, search: HostSearch, run: DeliveryRun): void {
    search.skipped(candidate, problem)
    const error = `not tried, it failed a moment ago: ${problem.reason}`
    run.host({ ...describe(candidate, search.target), error })
  }

  /** Told of the header only where a session waits that it decides about. */
  async #idle(
    { target, needsUtf8 }: HostSearch,
    run: DeliveryRun,
    signal: AbortSignal,
  ): Promise<Lease | undefined> {
    let waived = false
    let sawWaived = false
    const fits = (one: ClientSession): boolean => {
      const place = this.#places.get(one)
      if (place === undefined || !isSameTarget(place.target, target)) return false
      if ((needsUtf8 && !one.capabilities.smtputf8) || (run.requireTls && !place.requireTls)) return false
      sawWaived ||= place.waived
      return waived || !place.waived
    }
    let session = this.pool.take(target.destination, fits)
    if (session === undefined && sawWaived && (await run.waivesTls(signal))) {
      waived = true
      session = this.pool.take(target.destination, fits)
    }
    const place = session === undefined ? undefined : this.#places.get(session)
    return session === undefined || place === undefined ? undefined : { session, place, reused: true }
  }

  async #open(
    candidate: Candidate,
    tlsUse: UsableTls,
    key: string,
    search: HostSearch,
    run: DeliveryRun,
    slot: Slot,
    signal: AbortSignal,
  ): Promise<Lease | undefined> {
    const { target } = search
    const opened = await openSession(this.#openOptions(candidate, tlsUse, search), signal)
    const { localAddress } = opened
    const local = localAddress === undefined ? {} : { localAddress }
    if (!opened.ok) {
      const { failure } = opened
      this.#tellTls(run, () => failedSessionEvent(candidate, tlsUse, search, { ...failure, ...local }))
      if (signal.aborted) this.health.leave(key)
      else this.health.settle(key, isHostDown(failure) ? failure.reason : undefined)
      this.#connections.add(1, { result: failure.phase })
      if (run.requireTls && failure.phase === 'startTls' && failure.kind === 'notOffered')
        search.lacks(unmet('5.7.10', `REQUIRETLS: ${failure.reason}`, candidate))
      else search.refused(openingDeferred(failure, nameOf(candidate)), failure)
      run.host({ ...describe(candidate, target), policy: tlsUse.text, error: failure.reason })
      run.keepTranscript(failure.transcript)
      this.#log.debug(
        { ...describe(candidate, target), phase: failure.phase, reason: failure.reason },
        'no session',
      )
      return undefined
    }
    const { session } = opened
    this.health.settle(key, undefined)
    this.#connections.add(1, { result: 'open' })
    const { tls: info, tlsProblem } = session
    this.#tellTls(run, () => sessionEvent(candidate, tlsUse, search, { tls: info, tlsProblem, ...local }))
    const tls = session.tlsText
    const report: HostReport = {
      ...describe(candidate, target),
      policy: policyText(tlsUse, session),
      ...(tls !== undefined && { tls }),
    }
    const place = {
      target,
      remoteMta: nameOf(candidate),
      report,
      reusedReport: { ...report, reused: true },
      waived: tlsUse.by === 'sender',
      requireTls: run.requireTls && session.tls !== undefined && session.capabilities.requireTls,
    }
    this.#places.set(session, place)
    const lacksTls = run.requireTls && !place.requireTls && !isOwnMachine(candidate, target)
    if (!lacksTls && (!search.needsUtf8 || session.capabilities.smtputf8)) {
      session.onClosed = slot.release
      return { session, place, reused: false }
    }
    // RFC 8689 section 4.2.1 and 6: the host has to promise the same.
    if (lacksTls) search.lacks(unmet('5.7.30', `${nameOf(candidate)} does not offer REQUIRETLS`, candidate))
    else search.lacksUtf8(run.needsWhy, nameOf(candidate))
    run.host({ ...report, error: `the host does not offer ${lacksTls ? 'REQUIRETLS' : 'SMTPUTF8'}` })
    // Its slot is ours until the next host is asked.
    await session.quit()
    return undefined
  }

  #openOptions(candidate: Candidate, { tls, dane }: UsableTls, search: HostSearch): OpenOptions {
    const { target } = search
    const { dialer, clock, hostname, timeouts, ca, bdatBytesMin, random } = this.#options
    const localAddress = this.#options.localAddress?.(candidate.family)
    // A password goes over the wire in the clear only on this machine, or where the route says tls=none in so many words.
    const allowClear = target.tls === 'none' || isLoopback(candidate.address)
    return {
      dialer,
      clock,
      hostname,
      protocol: target.protocol,
      address: candidate.address,
      port: target.port,
      servername: dane === undefined ? candidate.name : tlsaHost(dane.base),
      tls,
      implicitTls: target.implicitTls,
      ...(target.auth !== undefined && { chooseAuth: authChooser(target.auth, { allowClear, random }) }),
      ...(dane !== undefined && {
        judgeTls: daneJudge({
          records: dane.records,
          names: namesFor(candidate, search, dane.base),
          now: () => clock.now(),
        }),
      }),
      ...(timeouts !== undefined && { timeouts }),
      ...(ca !== undefined && { ca }),
      ...(localAddress !== undefined && { localAddress }),
      ...(bdatBytesMin !== undefined && { bdatBytesMin }),
    }
  }

  async #candidates(search: HostSearch, signal: AbortSignal): Promise<Candidate[] | NoLease> {
    const { target } = search
    const family = ipVersion(target.host)
    if (family !== undefined) return [{ name: target.host, address: target.host, family }]
    const { resolveHosts, resolveHost = resolveHosts, tlsPolicies } = this.#options
    const byMx = target.kind === 'mx'
    const asksSts = byMx && target.tls !== 'none' && !target.host.startsWith('[')
    const [answer, sts] = await Promise.all([
      (byMx ? resolveHosts : resolveHost)(target.host, signal),
      asksSts ? tlsPolicies?.domain(target.host, signal) : undefined,
    ])
    if (answer.kind === 'hosts') {
      search.sts = sts
      search.mx = answer.mx
      const all = answer.hosts.flatMap((host) => {
        const { name, addresses, preference: _, ...origin } = host
        return addresses.map((one) => ({ name, ...one, origin }))
      })
      return all.slice(0, this.#addressesMax)
    }
    return noHosts(answer, target)
  }

  // Transactions

  /** Sends what is pending, as much as one transaction takes, and gives the session back. */
  async #use(lease: Lease, search: HostSearch, run: DeliveryRun, signal: AbortSignal): Promise<void> {
    const { session, place, reused } = lease
    const { capabilities } = session
    const sizeMax = capabilities.sizeBytesMax
    const pending = run.pending(search.needsUtf8)
    if (sizeMax !== undefined && run.sizeBytes > sizeMax) {
      // RFC 1870 section 6.1: what the host has announced not to take is not sent.
      const reason = `message of ${run.sizeBytes} bytes is larger than ${place.remoteMta} takes (${sizeMax})`
      for (const index of pending) run.settle(index, failed('5.3.4', reason, { remoteMta: place.remoteMta }))
      run.host({ ...(reused ? place.reusedReport : place.report), error: reason })
      this.pool.put(search.target.destination, session)
      return
    }
    const most = Math.min(this.#recipientsMax, capabilities.recipientsMax ?? this.#recipientsMax)
    const batch = pending.length <= most ? pending : pending.slice(0, most)
    const transaction = run.transaction(batch, {
      smtputf8: capabilities.smtputf8,
      requireTls: place.requireTls,
    })
    this.#transactions.add(1, reused ? reusedLabel : newLabel)
    const result = await session.deliver(transaction, run.stream, signal)
    const again = this.#settle(lease, search, run, batch, result, signal)
    if (again === 'stale') return
    if (session.usable) this.pool.put(search.target.destination, session)
  }

  /** Outcomes of one transaction; 'stale': the idle connection was dead, nothing was said and nothing is decided. */
  #settle(
    lease: Lease,
    search: HostSearch,
    run: DeliveryRun,
    batch: readonly number[],
    result: TransactionResult,
    signal: AbortSignal,
  ): 'stale' | undefined {
    const { session, place, reused } = lease
    const first = result.recipients[0] as RecipientResult
    const untouched = isUntouched(result)
    if (untouched && !signal.aborted) {
      search.mayReuse = false
      if (reused) {
        run.host({ ...place.reusedReport, error: reasonOf(first) })
        return 'stale'
      }
      // A new session whose first command is not even answered: the host is no good, the next one may be.
      run.host({ ...place.report, error: reasonOf(first) })
      run.keepTranscript(session.transcript())
      search.refused(
        outcomeOf(first, { remoteMta: place.remoteMta, dsnPassedOn: false, stopped: false }) as Deferred,
        undefined,
      )
      return undefined
    }
    const accepted = result.recipients.some((one) => one.kind === 'accepted')
    let error: string | undefined
    for (const [i, index] of batch.entries()) {
      const one = result.recipients[i] as RecipientResult
      if (accepted && isTooMany(one)) continue // RFC 5321 section 4.5.3.1.10: the next transaction takes them.
      const delivery = run.job.deliveries[index] as Delivery
      const dsnPassedOn = session.capabilities.dsn && delivery.notify !== undefined
      run.settle(index, outcomeOf(one, { remoteMta: place.remoteMta, dsnPassedOn, stopped: signal.aborted }))
      if (one.kind !== 'accepted') error ??= reasonOf(one)
    }
    const report = reused ? place.reusedReport : place.report
    run.host(error === undefined ? report : { ...report, error })
    if (error !== undefined) run.keepTranscript(session.transcript())
    // Further transactions of this run find the session in the pool.
    search.mayReuse = true
    return undefined
  }
}

/** The TLS policy keeps this host from getting the message. */
function bar(
  candidate: Candidate,
  { why, text }: Extract<TlsDecision, { kind: 'refuse' }>,
  search: HostSearch,
  run: DeliveryRun,
): void {
  const remoteMta = nameOf(candidate)
  if (why === 'unmet') search.lacks(unmet('5.7.10', text, candidate))
  else search.barred(deferred(why === 'lookup' ? '4.4.3' : '4.7.5', text, { remoteMta }))
  run.host({ ...describe(candidate, search.target), policy: text, error: 'not tried: its TLS policy' })
}

const unmet = (status: string, reason: string, candidate: Candidate): Failed =>
  failed(status, reason, { remoteMta: nameOf(candidate) })

const isOwnMachine = (candidate: Candidate, target: Target): boolean =>
  target.kind === 'host' && isLoopback(candidate.address)

const newLabel = { connection: 'new' }
const reusedLabel = { connection: 'reused' }

const formatAddress = (address: string): string => (address.includes(':') ? `[${address}]` : address)

const describe = (candidate: Candidate, target: Target): HostReport => ({
  name: candidate.name,
  address: candidate.address,
  port: target.port,
})
