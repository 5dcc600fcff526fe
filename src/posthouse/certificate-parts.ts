// Owns the wiring of certificates: what is shown, the keeper that renews it where an authority is asked, the answers to its
// challenges, and what operators see of it all.

import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import type { Random } from '../base/random.ts'
import type { Resolver } from '../dns/resolver.ts'
import type { ApiParts } from '../http/api-parts.ts'
import type { CertificateItem, CertificatesView } from '../http/api-types.ts'
import { ControlError } from '../http/control-api.ts'
import type { ChallengeSource } from '../http/routes-acme-challenge.ts'
import type { CertificateService } from '../http/routes-certificates.ts'
import type { Documents } from '../store/mail-view.ts'
import { type ChallengeSolver, DnsChallenges, HttpChallenges } from './acme-challenges.ts'
import { createDnsHook } from './acme-dns-hook.ts'
import { AcmeKeeper } from './acme-keeper.ts'
import { AcmeRecords } from './acme-records.ts'
import { isPublicName, type Wanted, wantedCertificates } from './acme-wanted.ts'
import { Certificates, type ShownCertificate, tlsaOf } from './certificates.ts'
import type { Config } from './config.ts'
import type { AcmeConfig } from './config-acme.ts'

export interface CertificatePartsOptions {
  readonly config: Config
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metrics: Metrics
  /** undefined: this store keeps none, and no authority is asked. */
  readonly documents: Documents | undefined
  /** Ours, A-labels, as they are now. */
  readonly domains: () => readonly string[]
  readonly resolver: () => Resolver
  readonly post: ApiParts['post']
}

export interface CertificateParts {
  readonly certificates: Certificates
  readonly service: CertificateService
  /** For plain HTTP. */
  readonly challenge: ChallengeSource | undefined
  /** To be called every minute. */
  run(): Promise<void>
  /** '3 1 1 ...' of the announced next key of the certificate that is shown to those who ask for no name. */
  nextTlsa(): string | undefined
  stop(): Promise<void>
}

const minute = 60_000
/** A person who publishes records is given so long. */
const byHandMs = 60 * minute
/** The answer to a wish is what it has become after so long. */
const renewWaitMs = 25_000

/** Reads and shows what there is. undefined: TLS is off. Rejects where a file cannot be used. */
export async function openCertificates(
  options: CertificatePartsOptions,
): Promise<CertificateParts | undefined> {
  const certificates = await Certificates.open(options)
  if (certificates === undefined) return undefined
  const parts = new Parts(certificates, options)
  await parts.load()
  return parts
}

class Parts implements CertificateParts {
  readonly certificates: Certificates
  readonly challenge: ChallengeSource | undefined
  readonly service: CertificateService
  readonly #options: CertificatePartsOptions
  readonly #keeper: AcmeKeeper | undefined
  #publish: readonly string[] = []
  #stopped: () => void = () => {}

  constructor(certificates: Certificates, options: CertificatePartsOptions) {
    this.certificates = certificates
    this.#options = options
    const { config, documents, metrics, clock } = options
    const { acme } = config
    if (acme !== undefined && documents !== undefined) {
      const solver = this.#solver(acme, documents)
      if (solver instanceof HttpChallenges) this.challenge = solver.answerTo
      const waitMs = solver.type === 'http-01' ? 0 : this.#dnsWaitMs(acme)
      this.#keeper = new AcmeKeeper({
        ...options,
        acme,
        certificates,
        documents,
        solver,
        hostname: config.hostname,
        keepsKeys: config.publish.tlsa,
        wanted: () => this.#wanted(),
        deadlineMs: 10 * minute + waitMs,
      })
    }
    this.service = {
      view: async () => this.#view(),
      renew: (id) => this.#renew(id),
      announceKey: async (id) => {
        await this.#asking().announceKey(id)
        return this.#view()
      },
    }
    metrics.gauges?.(
      'posthouse_certificate_expiry_seconds',
      'How long each certificate that is in use is valid from now; negative: it has ended.',
      ['certificate', 'source'],
      () =>
        certificates.list().map(({ id, source, info }) => ({
          labels: { certificate: id, source },
          value: Math.floor((info.validToAt - clock.now()) / 1000),
        })),
    )
    metrics.gauges?.(
      'posthouse_certificate_failures',
      'Tries in a row that brought no new certificate, for each that the authority is asked for.',
      ['certificate'],
      () =>
        (this.#keeper?.records ?? []).map(({ id, failureCount }) => ({
          labels: { certificate: id },
          value: failureCount,
        })),
    )
  }

  #solver(acme: AcmeConfig, documents: Documents): ChallengeSolver {
    const { clock, log, post, resolver } = this.#options
    if (acme.challenge === 'http-01') return new HttpChallenges(documents, clock)
    return new DnsChallenges({
      hook: acme.dnsHook === undefined ? undefined : createDnsHook(acme.dnsHook, { clock, log, post }),
      resolver,
      waitMs: this.#dnsWaitMs(acme),
      clock,
      log,
      onPublish: (lines) => {
        this.#publish = lines
        if (lines.length > 0) log.warn({ publish: lines }, 'publish these records for certificates')
      },
    })
  }

  #dnsWaitMs(acme: AcmeConfig): number {
    return acme.dnsHook === undefined ? Math.max(byHandMs, acme.dnsWaitMs) : acme.dnsWaitMs
  }

  #wanted(): readonly Wanted[] {
    const { config, domains } = this.#options
    return wantedCertificates({
      config,
      domains: domains(),
      hasFileFor: (name) => this.certificates.hasFileFor(name),
    })
  }

  async load(): Promise<void> {
    await this.#keeper?.load()
  }

  async run(): Promise<void> {
    await this.#keeper?.run()
  }

  nextTlsa(): string | undefined {
    const record = this.#keeper?.records.find(({ id }) => id === this.certificates.standard.id)
    return record?.next === undefined ? undefined : AcmeRecords.tlsaOfKey(record.next.key)
  }

  async stop(): Promise<void> {
    this.#stopped()
    this.certificates.close()
    await this.#keeper?.stop()
  }

  /** @throws ControlError 'invalid' */
  #asking(): AcmeKeeper {
    if (this.#keeper !== undefined) return this.#keeper
    throw new ControlError(
      'invalid',
      'no authority is asked for certificates: write acme: { agreeTermsOfService: true } into the configuration',
    )
  }

  async #renew(id: string | undefined): Promise<CertificatesView> {
    const done = this.#asking().renew(id)
    const waited = new Promise<void>((resolve) => {
      const timer = this.#options.clock.setTimer(renewWaitMs, resolve)
      this.#stopped = () => {
        timer.cancel()
        resolve()
      }
    })
    await Promise.race([done, waited])
    this.#stopped()
    return this.#view()
  }

  #view(): CertificatesView {
    const { acme, hostname } = this.#options.config
    const wanted = this.#wanted()
    const shown = this.certificates.list()
    const missing = wanted.filter(({ id }) => shown.every((one) => one.id !== id))
    const items = [
      ...shown.filter(({ source }) => source !== 'self-signed').map((one) => this.#shownItem(one, wanted)),
      ...missing.map((one) => this.#missingItem(one)),
      ...shown.filter(({ source }) => source === 'self-signed').map((one) => this.#shownItem(one, wanted)),
    ]
    items.sort((a, b) => Number(b.isDefault) - Number(a.isDefault))
    if (acme === undefined) return { items }
    const problem =
      this.#keeper === undefined
        ? 'this store keeps no certificates'
        : wanted.length === 0 && !isPublicName(hostname)
          ? `no authority knows a host called ${hostname}: set hostname`
          : undefined
    const { directory, challenge } = acme
    return { items, authority: { directory, challenge, ...(problem !== undefined && { problem }) } }
  }

  #shownItem(one: ShownCertificate, wanted: readonly Wanted[]): CertificateItem {
    const { id, source, names, info, pair } = one
    const isExpired = info.validToAt <= this.#options.clock.now()
    const isDefault = this.certificates.standard === one
    const want = wanted.find((other) => other.id === id)
    const kept = source === 'acme' ? this.#keptFields(id, want) : { failureCount: 0 }
    const state = isExpired
      ? 'expired'
      : kept.error !== undefined
        ? this.#troubled(id)
        : this.#calm(want, source)
    return {
      id,
      source,
      state,
      names,
      issuer: info.issuer,
      validFromAt: info.validFromAt,
      validToAt: info.validToAt,
      key: info.key,
      sha256: info.sha256,
      usedBy: this.#usedBy(one, isDefault),
      isDefault,
      tlsa: tlsaOf(pair.cert),
      ...kept,
    }
  }

  #missingItem({ id, names }: Wanted): CertificateItem {
    const kept = this.#keptFields(id, { id, names })
    const state = kept.error === undefined ? 'missing' : this.#troubled(id)
    return { id, source: 'acme', state, names, usedBy: [], isDefault: false, ...kept }
  }

  #calm(want: Wanted | undefined, source: CertificateItem['source']): CertificateItem['state'] {
    const isDue =
      source === 'acme' && want !== undefined && this.#keeper?.isDue(want, this.#options.clock.now())
    return isDue === true ? 'due' : 'ok'
  }

  #troubled(id: string): CertificateItem['state'] {
    return this.#keeper?.waitingFor(id) === undefined ? 'failing' : 'waiting'
  }

  #keptFields(
    id: string,
    want: Wanted | undefined,
  ): Pick<
    CertificateItem,
    'failureCount' | 'error' | 'nextRenewalAt' | 'lastRenewedAt' | 'publish' | 'nextTlsa'
  > {
    const record = this.#keeper?.records.find((one) => one.id === id)
    const waiting = this.#keeper?.waitingFor(id)
    const error = waiting ?? record?.error
    const publish = (want?.names ?? []).flatMap((name) =>
      this.#publish.filter((line) => line.startsWith(`_acme-challenge.${name.replace(/^\*\./, '')}. `)),
    )
    return {
      failureCount: record?.failureCount ?? 0,
      ...(error !== undefined && { error }),
      ...(record?.renewAt !== undefined && { nextRenewalAt: Math.round(record.renewAt) }),
      ...(record?.current !== undefined && { lastRenewedAt: record.current.issuedAt }),
      ...(publish.length > 0 && { publish: [...new Set(publish)] }),
      ...(record?.next !== undefined && { nextTlsa: AcmeRecords.tlsaOfKey(record.next.key) }),
    }
  }

  /** Policy hosts are asked for over HTTPS alone; all others may be asked for anywhere. */
  #usedBy({ names, source }: ShownCertificate, isDefault: boolean): readonly string[] {
    const { listeners } = this.#options.config
    const open = (['mx', 'submission', 'submissions', 'lmtp', 'https'] as const).filter(
      (name) => listeners[name] !== undefined,
    )
    if (source === 'self-signed' && !isDefault) return []
    const isPolicyHost = !isDefault && names.every((name) => name.startsWith('mta-sts.'))
    return isPolicyHost ? open.filter((name) => name === 'https') : open
  }
}
