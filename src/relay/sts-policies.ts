// Owns the MTA-STS policies of the domains that we send to: found by their record, fetched once, kept for their life beyond
// a restart, renewed before they end. It judges no host (tls-policy.ts) and opens no connection: it is given a fetcher.
// RFC 8461 sections 3.1 (record), 3.3 (fetch), 5.1 (what is kept counts), 10.2 (renewal).

import { parseStsPolicy, type StsPolicy, selectStsRecord } from '../auth/mta-sts.ts'
import type { Clock, Timer } from '../base/clock.ts'
import { type Log, silentLog } from '../base/log.ts'
import type { DnsAnswer, Resolver } from '../dns/resolver.ts'

export interface StsEntry extends StsPolicy {
  readonly id: string
  readonly fetchedAt: number
  readonly expiresAt: number
}

/** Where policies outlive the process. Rejections are logged: then the memory has them alone. */
export interface StsPolicyStore {
  get(domain: string): Promise<unknown>
  put(domain: string, entry: StsEntry): Promise<void>
  /** By domain, ascending; `after` is the last of the page before. */
  list(limit: number, after?: string): Promise<readonly { readonly domain: string; readonly data: unknown }[]>
}

/** The text at an https URL, PKIX-verified, with no redirect followed; rejects with an Error whose message says why not. */
export type PolicyFetch = (url: string, signal: AbortSignal) => Promise<string>

export interface StsPoliciesOptions {
  readonly clock: Clock
  readonly resolver: Resolver
  readonly fetch: PolicyFetch
  readonly store?: StsPolicyStore
  readonly log?: Log
  /** Of one fetch, whatever it hangs on. Default 20 s (RFC 8461 section 3.3: at most a minute). */
  readonly fetchDeadlineMs?: number
  /** After a fetch that failed, none for the same record for so long. Default 5 min (section 3.3). */
  readonly fetchPauseMs?: number
  /** Domains in memory. Default 10,000; the one unused for longest goes first. */
  readonly domainsMax?: number
}

/**
 * policy: one that counts now, of mode enforce or testing. none: the domain has none, in words. temporary: whether it
 * has one cannot be known now.
 */
export type StsAnswer =
  | { readonly kind: 'policy'; readonly policy: StsEntry; readonly note?: string }
  | { readonly kind: 'none'; readonly reason: string; readonly failure?: StsFailure }
  | { readonly kind: 'temporary'; readonly reason: string }

/** As RFC 8460 section 4.3.2.2 names it: the record promises a policy, and there is none to be had. */
export type StsFailure = 'sts-policy-fetch-error' | 'sts-policy-invalid' | 'sts-webpki-invalid'

interface Known {
  entry: StsEntry | undefined
  /** The record whose policy could not be had, and why. */
  failed:
    | { readonly id: string; readonly at: number; readonly reason: string; readonly kind: StsFailure }
    | undefined
}

type Fetched =
  | { readonly ok: true; readonly entry: StsEntry }
  | { readonly ok: false; readonly reason: string; readonly kind: StsFailure }

const renewalsMax = 50
const pageSize = 100

export class StsPolicies {
  readonly #options: StsPoliciesOptions
  readonly #log: Log
  readonly #known = new Map<string, Known>()
  readonly #loading = new Map<string, Promise<Known>>()
  readonly #fetching = new Map<string, Promise<Fetched>>()
  readonly #stop = new AbortController()

  constructor(options: StsPoliciesOptions) {
    this.#options = options
    this.#log = options.log ?? silentLog
  }

  /** `domain`: A-labels, lower case. Rejects only with the reason of an aborted signal. */
  async policyFor(domain: string, signal: AbortSignal): Promise<StsAnswer> {
    const { clock, resolver } = this.#options
    const asked = resolver.txt(`_mta-sts.${domain}`, { signal })
    asked.catch(() => {}) // its rejection is seen where it is awaited
    const known = this.#known.get(domain) ?? (await this.#load(domain))
    this.#touch(domain, known)
    const record = await asked
    const { entry } = known
    const valid = entry !== undefined && entry.expiresAt > clock.now() ? entry : undefined
    const found = readRecord(record)
    // RFC 8461 section 5.1: what is kept counts until it ends, whatever the record says meanwhile.
    if (found.id === undefined) {
      if (valid !== undefined) return answerOf(valid, `kept, for ${found.reason}`)
      return { kind: found.temporary ? 'temporary' : 'none', reason: found.reason }
    }
    if (valid?.id === found.id) {
      if (isPastHalf(valid, clock.now())) void this.#renew(domain, found.id, known)
      return answerOf(valid)
    }
    const fetched = await this.#fetchUnlessFailed(domain, found.id, known, signal)
    if (fetched.ok) return answerOf(fetched.entry)
    // RFC 8461 section 3.3: a policy that cannot be had is no policy; section 5.1: an older one still is.
    if (valid !== undefined) return answerOf(valid, `kept, for the new one cannot be had: ${fetched.reason}`)
    return { kind: 'none', reason: fetched.reason, failure: fetched.kind }
  }

  /** Renews policies that are past the half of their life; call it now and then. At most 50 fetches, one by one. */
  async renewDue(): Promise<void> {
    const { store, clock } = this.#options
    if (store === undefined) return
    let fetches = 0
    let after: string | undefined
    do {
      const page = await store.list(pageSize, after)
      after = page.length === pageSize ? page.at(-1)?.domain : undefined
      for (const { domain, data } of page) {
        const entry = readEntry(data)
        if (entry === undefined || entry.expiresAt <= clock.now() || !isPastHalf(entry, clock.now())) continue
        if (fetches++ >= renewalsMax || this.#stop.signal.aborted) return
        const known = this.#known.get(domain) ?? { entry, failed: undefined }
        const record = readRecord(
          await this.#options.resolver.txt(`_mta-sts.${domain}`, { signal: this.#stop.signal }),
        )
        await this.#renew(domain, record.id ?? entry.id, known)
      }
    } while (after !== undefined)
  }

  /** Ends fetches that are under way. */
  close(): void {
    this.#stop.abort(new Error('stopped'))
  }

  /** Once for each domain that comes into memory. */
  #load(domain: string): Promise<Known> {
    const loading =
      this.#loading.get(domain) ??
      (async (): Promise<Known> => {
        let entry: StsEntry | undefined
        try {
          entry = readEntry(await this.#options.store?.get(domain))
        } catch (cause) {
          this.#log.warn({ domain, cause: String(cause) }, 'kept MTA-STS policy cannot be read')
        }
        this.#loading.delete(domain)
        return { entry, failed: undefined }
      })()
    this.#loading.set(domain, loading)
    return loading
  }

  /** Youngest in the map, which stays bounded. */
  #touch(domain: string, known: Known): void {
    this.#known.delete(domain)
    this.#known.set(domain, known)
    if (this.#known.size <= (this.#options.domainsMax ?? 10_000)) return
    const oldest = this.#known.keys().next()
    if (!oldest.done) this.#known.delete(oldest.value)
  }

  async #renew(domain: string, id: string, known: Known): Promise<void> {
    const fetched = await this.#fetchUnlessFailed(domain, id, known, this.#stop.signal).catch(() => undefined)
    if (fetched !== undefined && !fetched.ok)
      this.#log.warn({ domain, reason: fetched.reason }, 'MTA-STS policy not renewed')
  }

  async #fetchUnlessFailed(domain: string, id: string, known: Known, signal: AbortSignal): Promise<Fetched> {
    const { clock, fetchPauseMs = 300_000 } = this.#options
    const { failed } = known
    if (failed?.id === id && clock.now() < failed.at + fetchPauseMs)
      return { ok: false, reason: failed.reason, kind: failed.kind }
    const fetched = await untilAborted(this.#fetch(domain, id), signal)
    if (fetched.ok) {
      known.entry = fetched.entry
      known.failed = undefined
    } else known.failed = { id, at: clock.now(), reason: fetched.reason, kind: fetched.kind }
    return fetched
  }

  /** One fetch of a domain at a time, for all who wait. */
  #fetch(domain: string, id: string): Promise<Fetched> {
    const known = this.#fetching.get(domain)
    if (known !== undefined) return known
    const fetching = this.#fetchOnce(domain, id).finally(() => this.#fetching.delete(domain))
    this.#fetching.set(domain, fetching)
    return fetching
  }

  async #fetchOnce(domain: string, id: string): Promise<Fetched> {
    const { clock, fetch, store, fetchDeadlineMs = 20_000 } = this.#options
    const abort = new AbortController()
    const timer: Timer = clock.setTimer(fetchDeadlineMs, () =>
      abort.abort(new Error(`no answer within ${fetchDeadlineMs} ms`)),
    )
    const signal = AbortSignal.any([abort.signal, this.#stop.signal])
    let text: string
    try {
      text = await untilAborted(fetch(`https://mta-sts.${domain}/.well-known/mta-sts.txt`, signal), signal)
    } catch (cause) {
      const words = cause instanceof Error ? cause.message : String(cause)
      return {
        ok: false,
        reason: `MTA-STS policy cannot be fetched: ${words}`,
        kind: isCertificateError(cause) ? 'sts-webpki-invalid' : 'sts-policy-fetch-error',
      }
    } finally {
      timer.cancel()
    }
    const read = parseStsPolicy(text)
    if (!read.ok)
      return { ok: false, reason: `MTA-STS policy is not valid: ${read.reason}`, kind: 'sts-policy-invalid' }
    const now = clock.now()
    const entry = { ...read.value, id, fetchedAt: now, expiresAt: now + read.value.maxAgeSeconds * 1000 }
    try {
      await store?.put(domain, entry)
    } catch (cause) {
      this.#log.warn({ domain, cause: String(cause) }, 'MTA-STS policy not kept')
    }
    return { ok: true, entry }
  }
}

/** Node's codes for certificates that do not stand up to PKIX, somewhere in the chain of causes. */
function isCertificateError(error: unknown): boolean {
  for (let one = error, depth = 0; one instanceof Error && depth < 5; one = one.cause, depth++) {
    const code = String((one as { code?: unknown }).code)
    if (/CERT|UNABLE_TO_(?:GET|VERIFY|DECRYPT|DECODE)|INVALID_PURPOSE|HOSTNAME_MISMATCH/.test(code))
      return true
  }
  return false
}

function answerOf(policy: StsEntry, note?: string): StsAnswer {
  if (policy.mode === 'none') return { kind: 'none', reason: `MTA-STS policy ${policy.id} says none` }
  return { kind: 'policy', policy, ...(note !== undefined && { note }) }
}

const isPastHalf = ({ fetchedAt, expiresAt }: StsEntry, now: number): boolean =>
  now > (fetchedAt + expiresAt) / 2

type RecordRead =
  | { readonly id: string }
  | { readonly id: undefined; readonly reason: string; readonly temporary: boolean }

function readRecord(answer: DnsAnswer<string>): RecordRead {
  if (answer.kind === 'temporary')
    return { id: undefined, reason: `MTA-STS record: ${answer.reason}`, temporary: true }
  if (answer.kind === 'none') return { id: undefined, reason: 'no MTA-STS record', temporary: false }
  const selected = selectStsRecord(answer.records)
  return selected.ok
    ? { id: selected.value.id }
    : { id: undefined, reason: `MTA-STS record: ${selected.reason}`, temporary: false }
}

/** What the store gives back; undefined for what we did not write. */
function readEntry(data: unknown): StsEntry | undefined {
  if (typeof data !== 'object' || data === null) return undefined
  const { id, mode, maxAgeSeconds, mx, fetchedAt, expiresAt } = data as Partial<
    Record<keyof StsEntry, unknown>
  >
  if (typeof id !== 'string' || (mode !== 'enforce' && mode !== 'testing' && mode !== 'none'))
    return undefined
  if (typeof maxAgeSeconds !== 'number' || typeof fetchedAt !== 'number' || typeof expiresAt !== 'number')
    return undefined
  if (!Array.isArray(mx) || !mx.every((one) => typeof one === 'string')) return undefined
  return { id, mode, maxAgeSeconds, mx, fetchedAt, expiresAt }
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
