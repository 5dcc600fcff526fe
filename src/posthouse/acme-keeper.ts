// Owns certificates over time: which ones are wanted, when each is asked for, what became of it; records as documents of the
// store, where the keys of DKIM lie, too: one file to keep safe and to copy, one writer, and every process on the store sees
// the same. One order at a time, also between processes. A certificate that there is never gives way to a worse one.
// RFC 8555, RFC 9773 (when to renew), RFC 7671 section 8.1 (the next key is published before it is used).

import { type Clock, sleep } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Counter, Metrics } from '../base/metrics.ts'
import type { Random } from '../base/random.ts'
import type { Resolver } from '../dns/resolver.ts'
import { ControlError } from '../http/control-api.ts'
import { makeCertificateRequest } from '../net/certificate-request.ts'
import type { Documents } from '../store/mail-view.ts'
import { chainProblem, makeKey, renewalId, renewalTime } from './acme-certificate.ts'
import type { ChallengeSolver } from './acme-challenges.ts'
import { AcmeError, retryDelayMs, shortType } from './acme-error.ts'
import { obtainChain } from './acme-order.ts'
import { AcmeRecords, type CertificateRecord } from './acme-records.ts'
import { type AcmeSession, askRenewalWindow, withAcme } from './acme-session.ts'
import { type Wanted, whyNotYet } from './acme-wanted.ts'
import type { Certificates } from './certificates.ts'
import type { AcmeConfig } from './config-acme.ts'

export interface AcmeKeeperOptions {
  readonly acme: AcmeConfig
  readonly hostname: string
  /** Keys stay the same from one certificate to the next: a TLSA record is published for them. */
  readonly keepsKeys: boolean
  readonly certificates: Certificates
  readonly documents: Documents
  readonly solver: ChallengeSolver
  /** Asked at each look. */
  readonly wanted: () => readonly Wanted[]
  /** A resolver that remembers nothing from before. */
  readonly resolver: () => Resolver
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metrics: Metrics
  /** Of one order. */
  readonly deadlineMs: number
}

const hour = 3_600_000
const stopGraceMs = 3_000

export class AcmeKeeper {
  readonly #options: AcmeKeeperOptions
  readonly #records: AcmeRecords
  readonly #stop = new AbortController()
  readonly #renewals: Counter
  /** What has to be done before an order makes sense, by certificate; nothing of it was a failure. */
  readonly #waiting = new Map<string, { readonly at: number; readonly text: string }>()
  /** Wishes of people, by certificate. */
  readonly #asked = new Set<string>()
  #running: Promise<void> | undefined

  constructor(options: AcmeKeeperOptions) {
    this.#options = options
    const { documents, clock, random } = options
    this.#records = new AcmeRecords(documents, clock, random)
    this.#renewals = options.metrics.counter(
      'posthouse_certificate_orders_total',
      'Certificates asked for from the authority, by how it went.',
      ['result'],
    )
  }

  get records(): readonly CertificateRecord[] {
    return this.#records.list()
  }

  waitingFor(id: string): { readonly at: number; readonly text: string } | undefined {
    return this.#waiting.get(id)
  }

  /** What there is from before is shown. To be called once, before the listeners open. */
  async load(): Promise<void> {
    await this.#read()
  }

  /** Another process on the store may have had new ones. */
  async #read(): Promise<void> {
    const { certificates, log } = this.#options
    for (const { id, current } of await this.#records.read()) {
      if (current === undefined) continue
      try {
        certificates.put(id, { cert: current.chain, key: current.key })
      } catch (cause) {
        log.error({ certificate: id, cause: String(cause) }, 'a stored certificate cannot be shown')
      }
    }
  }

  /** To be called every minute or so; a call while one is under way joins it. */
  run(): Promise<void> {
    this.#running ??= this.#look().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /**
   * Asks for a certificate now, whatever its time and earlier failures; undefined: for all.
   * @throws ControlError 'not-found': there is none of this name
   */
  renew(id: string | undefined): Promise<void> {
    const ids = this.#options.wanted().map((one) => one.id)
    if (id !== undefined && !ids.includes(id))
      throw new ControlError('not-found', `no certificate ${id.slice(0, 100)} is wanted`)
    for (const one of ids) if (id === undefined || one === id) this.#asked.add(one)
    // What is under way may have passed it by already.
    return (this.#running ?? Promise.resolve()).then(() => this.run())
  }

  /**
   * Makes the key that comes next, so that its TLSA record can be published beside the one of now.
   * @throws ControlError 'not-found': there is no certificate of this name
   */
  async announceKey(id: string): Promise<CertificateRecord> {
    const record = this.#records.get(id)
    if (record?.current === undefined)
      throw new ControlError('not-found', `there is no certificate ${id.slice(0, 100)}`)
    if (record.next !== undefined) return record
    const key = await makeKey(this.#options.acme.keyType)
    const next = { key, madeAt: this.#options.clock.now() }
    return this.#records.change(id, (now) => {
      if (now?.current === undefined)
        throw new ControlError('not-found', `there is no certificate ${id.slice(0, 100)}`)
      return now.next === undefined ? { ...now, next } : now
    })
  }

  async #look(): Promise<void> {
    const { wanted, log } = this.#options
    await this.#read()
    const all = wanted()
    await this.#forgetOthers(new Set(all.map(({ id }) => id)))
    for (const one of all) {
      if (this.#stop.signal.aborted) return
      try {
        await this.#tend(one)
      } catch (cause) {
        log.warn({ certificate: one.id, cause: String(cause) }, 'a certificate could not be tended')
      }
    }
  }

  /** Of names that are no longer ours; what is valid is shown until it ends. */
  async #forgetOthers(wanted: ReadonlySet<string>): Promise<void> {
    for (const { id, current } of this.#records.list()) {
      if (wanted.has(id) || (current !== undefined && current.validToAt > this.#options.clock.now())) continue
      await this.#records.remove(id)
      this.#options.certificates.remove(id)
    }
  }

  async #tend(one: Wanted): Promise<void> {
    const isAsked = this.#asked.delete(one.id)
    const { clock, resolver, solver } = this.#options
    const record = this.#records.get(one.id)
    const now = clock.now()
    if (!isAsked && record !== undefined) await this.#askWindow(record)
    if (!isAsked && !this.isDue(one, now)) return
    const problem = isAsked
      ? undefined
      : await whyNotYet(one, solver.type, resolver(), this.#options.hostname, this.#stop.signal)
    if (problem !== undefined) return void this.#waiting.set(one.id, { at: now, text: problem })
    this.#waiting.delete(one.id)
    const done = await this.#records.takeLease(now + this.#options.deadlineMs + 60_000)
    if (done === undefined) return
    try {
      await this.#obtain(one)
    } finally {
      // What was under way when a wish came answers it, too.
      this.#asked.delete(one.id)
      await done()
    }
  }

  /** RFC 9773: the authority may want it sooner than we would, or later. */
  async #askWindow(record: CertificateRecord): Promise<void> {
    const { acme, clock, random, log } = this.#options
    const { current, window } = record
    const now = clock.now()
    if (current === undefined || (window?.checkAt ?? 0) > now || (record.error?.retryAt ?? 0) > now) return
    const id = renewalId(current.chain)
    if (id === undefined) return
    try {
      const found = await askRenewalWindow({ ...acme, clock, signal: this.#stop.signal }, id)
      const checkAt = now + (found?.checkAfterMs ?? 24 * hour)
      const isSame =
        window !== undefined &&
        found !== undefined &&
        window.startAt === found.startAt &&
        window.endAt === found.endAt
      // Section 4.2: a moment in the window by chance, and the same as long as the window is.
      const renewAt =
        found === undefined || isSame
          ? record.renewAt
          : found.startAt + random.fraction() * (found.endAt - found.startAt)
      if (found !== undefined && !isSame)
        log.info({ certificate: record.id, ...found, renewAt }, 'the authority says when to renew')
      const seen = found === undefined ? { checkAt } : { checkAt, startAt: found.startAt, endAt: found.endAt }
      await this.#records.change(record.id, (stored = record) => ({
        ...stored,
        window: seen,
        ...(renewAt !== undefined && { renewAt: withinReason(renewAt, current) }),
      }))
    } catch (cause) {
      // Section 4.3.3: what cannot be had changes nothing.
      log.info({ certificate: record.id, cause: String(cause) }, 'no renewal information')
      await this.#records.change(record.id, (stored = record) => ({
        ...stored,
        window: { ...window, checkAt: now + 6 * hour },
      }))
    }
  }

  /** Whether it is to be asked for now. */
  isDue(one: Wanted, now: number): boolean {
    const record = this.#records.get(one.id)
    if (record === undefined) return true
    if ((record.error?.retryAt ?? 0) > now) return false
    return !this.#isLike(one, record) || (record.renewAt ?? 0) <= now
  }

  /** There is one for the same names by the same authority. */
  #isLike(one: Wanted, record: CertificateRecord | undefined): boolean {
    return sameNames(record, one) && record?.current?.directory === this.#options.acme.directory
  }

  async #obtain(one: Wanted): Promise<void> {
    const { clock, random, log, certificates } = this.#options
    const before = this.#records.get(one.id)
    const { directory } = this.#options.acme
    const deadline = new AbortController()
    const timer = clock.setTimer(this.#options.deadlineMs, () =>
      deadline.abort(
        new AcmeError(`not done within ${Math.round(this.#options.deadlineMs / 60_000)} minutes`),
      ),
    )
    const signal = AbortSignal.any([deadline.signal, this.#stop.signal])
    try {
      const { key, isNext } = await this.#keyFor(before)
      const chain = await this.#order(one, key, before, signal)
      const problem = chainProblem(
        { cert: chain, key },
        {
          names: one.names,
          now: clock.now(),
          before: this.#isLike(one, before) ? before?.current?.chain : undefined,
        },
      )
      if (problem !== undefined) throw new AcmeError(`the certificate that came is not used: ${problem}`)
      const { info } = certificates.put(one.id, { cert: chain, key })
      const { validFromAt, validToAt } = info
      const now = clock.now()
      const renewAt = renewalTime(chain, random.fraction())
      await this.#records.change(one.id, (stored) => ({
        id: one.id,
        names: one.names,
        current: { chain, key, directory, issuedAt: now, validFromAt, validToAt },
        renewAt,
        failureCount: 0,
        // It may have been announced while the order was under way.
        ...(!isNext && stored?.next !== undefined && { next: stored.next }),
      }))
      this.#renewals.add(1, { result: 'ok' })
      log.info(
        { certificate: one.id, names: one.names, issuer: info.issuer, validToAt },
        'certificate in use',
      )
    } catch (cause) {
      await this.#failed(one, before, cause)
    } finally {
      timer.cancel()
    }
  }

  async #failed(one: Wanted, before: CertificateRecord | undefined, cause: unknown): Promise<void> {
    const { clock, random, log } = this.#options
    // A stop is no failure: the next start goes on.
    if (this.#stop.signal.aborted) return
    const now = clock.now()
    const failureCount = (before?.failureCount ?? 0) + 1
    const retryAt = now + retryDelayMs(cause, failureCount, random.fraction())
    const type = cause instanceof AcmeError ? cause.type : undefined
    const text = cause instanceof Error ? cause.message : String(cause)
    const error = { at: now, text, retryAt, ...(type !== undefined && { type }) }
    await this.#records.change(one.id, (stored = before) => ({
      ...(stored ?? { id: one.id, names: one.names }),
      failureCount,
      error,
    }))
    this.#renewals.add(1, { result: type === undefined ? 'failed' : knownResult(shortType(type)) })
    const leftMs = before?.current === undefined ? undefined : before.current.validToAt - now
    const fields = { certificate: one.id, error: text, type, failureCount, retryAt, leftMs }
    // Somebody has to look before it ends; until then the one that there is stays in use.
    if (leftMs !== undefined && leftMs < 7 * 24 * hour)
      log.error(fields, 'certificate not renewed, it ends soon')
    else log.warn(fields, 'certificate not obtained')
  }

  #order(
    one: Wanted,
    key: string,
    before: CertificateRecord | undefined,
    signal: AbortSignal,
  ): Promise<string> {
    const { solver, clock, log } = this.#options
    const csr = makeCertificateRequest(one.names, key)
    const replaces =
      before?.current !== undefined && before.window?.startAt !== undefined && this.#isLike(one, before)
        ? renewalId(before.current.chain)
        : undefined
    return this.#talk(
      (session) => obtainChain({ session, names: one.names, solver, csr, replaces, clock, log, signal }),
      signal,
    )
  }

  /** With the account of this authority. One that it no longer knows is made anew, once. */
  async #talk<T>(talk: (session: AcmeSession) => Promise<T>, signal: AbortSignal): Promise<T> {
    const { acme, clock } = this.#options
    const account = await this.#records.account(acme.directory, () => makeKey('ecdsa'))
    const attempt = (accountUrl: string | undefined): Promise<T> =>
      withAcme(
        {
          directory: acme.directory,
          ca: acme.ca,
          accountKey: account.key,
          accountUrl,
          email: acme.email,
          externalAccount: acme.externalAccount,
          clock,
          signal,
        },
        async (session) => {
          if (session.accountUrl !== account.url)
            await this.#records.writeAccount(acme.directory, { ...account, url: session.accountUrl })
          return talk(session)
        },
      )
    try {
      return await attempt(account.url)
    } catch (cause) {
      const isUnknown = cause instanceof AcmeError && shortType(cause.type ?? '') === 'accountDoesNotExist'
      if (!isUnknown || account.url === undefined) throw cause
      return attempt(undefined)
    }
  }

  async #keyFor(
    before: CertificateRecord | undefined,
  ): Promise<{ readonly key: string; readonly isNext: boolean }> {
    const { keepsKeys, acme } = this.#options
    if (before?.next !== undefined && (!keepsKeys || (await this.#isAnnounced(before.next))))
      return { key: before.next.key, isNext: true }
    if (keepsKeys && before?.current !== undefined) return { key: before.current.key, isNext: false }
    return { key: await makeKey(acme.keyType), isNext: false }
  }

  /** RFC 7671 section 8.1: its record stands, and those who know only the old one have forgotten it: twice its life. */
  async #isAnnounced(next: NonNullable<CertificateRecord['next']>): Promise<boolean> {
    const { clock, resolver, hostname, log } = this.#options
    const answer = await resolver().tlsa(`_25._tcp.${hostname}`, { signal: this.#stop.signal })
    const wanted = AcmeRecords.tlsaOfKey(next.key)
    const isSeen =
      answer.kind === 'records' &&
      answer.records.some(
        ({ usage, selector, matchingType, data }) =>
          `${usage} ${selector} ${matchingType} ${Buffer.from(data).toString('hex')}` === wanted,
      )
    const since = answer.kind === 'records' ? 2 * answer.ttlSeconds * 1000 : 0
    const isOld = clock.now() >= next.madeAt + since
    if (!isSeen || !isOld)
      log.info({ wanted, isSeen }, 'the announced key waits until its TLSA record is known everywhere')
    return isSeen && isOld
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the server stops'))
    // What takes its records away again is given a moment, a hook that hangs no more than that.
    if (this.#running === undefined) return
    await Promise.race([this.#running.catch(() => {}), sleep(this.#options.clock, stopGraceMs)])
  }
}

const sameNames = (record: CertificateRecord | undefined, one: Wanted): boolean =>
  record !== undefined && [...record.names].sort().join() === [...one.names].sort().join()

/**
 * However late the authority would like it: a tenth of its life is left for what goes wrong. However soon: not before some
 * hours, or an authority that wants each new one renewed at once would be asked for certificates without end.
 */
function withinReason(
  renewAt: number,
  { issuedAt, validFromAt, validToAt }: NonNullable<CertificateRecord['current']>,
): number {
  const tenth = (validToAt - validFromAt) / 10
  return Math.max(Math.min(renewAt, validToAt - tenth), issuedAt + Math.min(6 * hour, tenth))
}

/** Labels of metrics come from a closed set. */
const knownResult = (type: string): string =>
  ['rateLimited', 'unauthorized', 'dns', 'connection', 'caa', 'serverInternal'].includes(type)
    ? type
    : 'refused'
