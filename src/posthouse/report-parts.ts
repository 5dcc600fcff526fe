// Owns the wiring of reports between mail systems: who counts for them, which kinds there are, in whose name ours go and by
// which ways, which mailboxes are searched for those of others, and what the API asks. RFC 8460, RFC 9990.

import { tryParseMailbox } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import type { Resolver, TlsaRecord } from '../dns/resolver.ts'
import type { ApiParts } from '../http/api-parts.ts'
import type { ReportsService } from '../http/reports-service.ts'
import { explain } from '../queue/explain.ts'
import type { StsEntry } from '../relay/sts-policies.ts'
import type { TlsEvent, TlsEventPolicy } from '../relay/tls-events.ts'
import { dmarcAggregateKind } from '../reports/dmarc-aggregate.ts'
import { dmarcFailureKind } from '../reports/dmarc-failure.ts'
import { ReceivedReports } from '../reports/received-reports.ts'
import { ReportIntake } from '../reports/report-intake.ts'
import type { ReportFacts, ReportKind, ReportKindName, TallyLimits } from '../reports/report-kinds.ts'
import { ReportMailbox } from '../reports/report-mailbox.ts'
import { ReportOutbox } from '../reports/report-outbox.ts'
import type { MailFate, ReportCarriers } from '../reports/report-way.ts'
import { SentRecords } from '../reports/sent-records.ts'
import { TallyBook } from '../reports/tally-book.ts'
import { createTlsRptKind } from '../reports/tls-rpt-kind.ts'
import { countTlsSession, type TlsSession } from '../reports/tls-rpt-tally.ts'
import type { Documents, MailViews } from '../store/mail-view.ts'
import type { Store } from '../store/store.ts'
import type { Config } from './config.ts'
import type { Directory } from './directory.ts'
import { dmarcCollector } from './dmarc-collecting.ts'
import { isBelow, reportsTo } from './domain-records.ts'
import type { InboundChecksOptions } from './inbound-checks.ts'
import { type SubmitterOptions, submit } from './submit.ts'

export interface ReportPartsOptions {
  readonly config: Config
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly store: MailViews & Documents & Pick<Store, 'messageView'>
  readonly directory: Directory
  readonly resolver: Resolver
  /** 'Posthouse 1.2.3' */
  readonly generator: string
  readonly submitter: () => SubmitterOptions
  readonly post: ApiParts['post']
}

export interface ReportParts {
  /** For the relay; undefined: nothing is counted. */
  readonly onTls: ((event: TlsEvent) => void) | undefined
  /** For the checks of incoming mail. */
  readonly onJudged: InboundChecksOptions['onJudged']
  readonly service: ReportsService
  /** Once mail can be submitted. */
  start(): Promise<void>
  /** Ends what is under way; what is counted is still taken. */
  stop(): Promise<void>
  /** Last: writes what was counted. */
  close(): Promise<void>
}

const postTimeoutMs = 30_000

export function createReportParts(options: ReportPartsOptions): ReportParts {
  const { config, clock, log, metrics, store, directory, resolver, generator } = options
  const { reports, hostname, inbound } = config
  const tls = createTlsRptKind({ resolver })
  const pause = (): Promise<void> => new Promise((resolve) => clock.defer(resolve))
  const aggregate = dmarcAggregateKind({ resolver, generator, pause })
  const facts = config.delivery.mode === 'relay' ? reportFacts(config, directory) : undefined
  const sends = (kind: ReportKind): boolean =>
    facts !== undefined && (kind === tls ? reports.tls : reports.dmarc && inbound.authenticate)
  const sending = [tls, aggregate].filter(sends)
  const book = new TallyBook({ clock, documents: store, log, metrics, limits: limitsOf(sending) })
  const outbox =
    facts === undefined || sending.length === 0
      ? undefined
      : new ReportOutbox({
          clock,
          documents: store,
          book,
          kinds: sending,
          carriers: createCarriers(options),
          facts,
          spreadMs: reports.spreadMs,
          log,
          metrics,
        })
  const received = new ReceivedReports({ documents: store, keepMs: reports.keepMs })
  const intake = new ReportIntake({
    kinds: [tls, aggregate, dmarcFailureKind],
    received,
    // Only checks take away what others write in our name.
    authservId: inbound.authenticate ? hostname : undefined,
    log,
    metrics,
  })
  const accounts = (): readonly string[] => reportAccounts(config, directory)
  const mailbox = new ReportMailbox({ clock, store, intake, accounts, log })
  const sent = outbox?.records ?? new SentRecords(store)
  return {
    onTls: sends(tls) ? (event) => countTlsSession(book, tlsSession(event)) : undefined,
    onJudged: sends(aggregate) ? dmarcCollector(book) : undefined,
    service: {
      received,
      sent,
      sendNow: async () => (await outbox?.sendNow()) ?? 0,
      take: (mediaType, body, from) => intake.takeBody(mediaType, body, { from, receivedAt: clock.now() }),
    },
    async start() {
      if (facts !== undefined) tellMissing(config, directory, log)
      await outbox?.start()
      mailbox.start()
    },
    async stop() {
      await Promise.all([outbox?.stop(), mailbox.stop()])
    },
    close: () => book.close(),
  }
}

const limitsOf = (kinds: readonly ReportKind[]): Partial<Record<ReportKindName, TallyLimits>> =>
  Object.fromEntries(
    kinds.flatMap(({ name, sending }) => (sending === undefined ? [] : [[name, sending.limits]])),
  )

/** In whose name we report; undefined: no domain of ours can be seen from outside. */
function reportFacts(
  { reports, publish, hostname }: Config,
  { domainNames }: Directory,
): Omit<ReportFacts, 'id'> | undefined {
  const ours = domainNames.filter((name) => name.includes('.'))
  const around = ours
    .filter((name) => name === hostname || isBelow(hostname, name))
    .sort((one, other) => other.length - one.length)
  const submitter = reports.domain ?? around[0] ?? ours[0]
  if (submitter === undefined) return undefined
  const contact = reportsTo({
    publish: { ...publish, reportsTo: reports.contact ?? publish.reportsTo },
    domain: submitter,
  })
  return { organization: reports.organization ?? submitter, contact, submitter }
}

/** Our records ask others to write to an address; where nobody is there, they ask in vain. */
function tellMissing({ publish }: Config, directory: Directory, log: Log): void {
  for (const domain of directory.domainNames.filter((name) => name.includes('.'))) {
    const address = reportsTo({ publish, domain })
    const mailbox = tryParseMailbox(address)
    if (mailbox === undefined || directory.resolve(mailbox).kind !== 'unknown') continue
    const todo = 'add it as an account or an alias, or set publish.reportsTo'
    log.warn({ domain, address, todo }, 'reports of others about a domain go to an address that is not there')
  }
}

/** Accounts that mail to the addresses of reports comes to, through aliases or not. */
function reportAccounts({ reports, publish }: Config, directory: Directory): readonly string[] {
  const addresses = new Set<string>()
  for (const domain of directory.domainNames) {
    addresses.add(reportsTo({ publish, domain }))
    for (const one of reports.addresses) addresses.add(one.includes('@') ? one : `${one}@${domain}`)
  }
  const accounts = new Set<string>()
  for (const address of addresses) {
    const mailbox = tryParseMailbox(address)
    const resolution = mailbox === undefined ? undefined : directory.resolve(mailbox)
    if (resolution?.kind !== 'targets') continue
    for (const target of resolution.targets) if (target.kind === 'account') accounts.add(target.account)
  }
  return [...accounts]
}

function createCarriers({ store, clock, submitter, post }: ReportPartsOptions): ReportCarriers {
  return {
    newMessageId: () => submitter().ids(),
    async send({ id, to, raw }) {
      await submit(submitter(), { from: null, to: [to], raw }, { origin: { via: 'report' }, id })
    },
    async fate(messageId): Promise<MailFate> {
      const view = await store.messageView(messageId)
      if (view === undefined) return { state: 'unknown' }
      const { deliveries, finished } = explain(view, { destinationState: () => undefined, now: clock.now() })
      const [waiting] = deliveries
      if (waiting !== undefined)
        return { state: 'waiting', ...(waiting.words !== undefined && { said: waiting.words }) }
      // Local mail is delivered in the accepting transaction; of one recipient there is one end.
      const end = finished.at(-1)
      if (end === undefined) return { state: 'waiting' }
      return { state: end.kind === 'delivered' ? 'sent' : 'failed', said: end.text }
    },
    post: ({ url, mediaType, body, signal }) =>
      post({ url, body, signal, timeoutMs: postTimeoutMs, headers: { 'content-type': mediaType } }),
  }
}

// ---- TLS sessions ----

const tlsSession = ({ domain, policy, host, address, localAddress, failure }: TlsEvent): TlsSession => ({
  domain,
  policy: { type: policy.type, domain: policy.domain, ...policyTexts(policy) },
  host,
  address,
  ...(localAddress !== undefined && { localAddress }),
  ...(failure !== undefined && { failure }),
})

/** RFC 8460 section 4.4: the lines of the policy, or each TLSA record, as text. */
function policyTexts(policy: TlsEventPolicy): Pick<TlsSession['policy'], 'strings' | 'mxHosts'> {
  if (policy.type === 'tlsa') return { strings: policy.records.slice(0, 10).map(tlsaText), mxHosts: [] }
  if (policy.type === 'no-policy-found' || policy.policy === undefined) return { strings: [], mxHosts: [] }
  return { strings: stsLines(policy.policy), mxHosts: policy.policy.mx }
}

const tlsaText = ({ usage, selector, matchingType, data }: TlsaRecord): string =>
  `${usage} ${selector} ${matchingType} ${Buffer.from(data).toString('hex')}`

const stsLines = ({ mode, mx, maxAgeSeconds }: StsEntry): readonly string[] => [
  'version: STSv1',
  `mode: ${mode}`,
  `max_age: ${maxAgeSeconds}`,
  ...mx.map((one) => `mx: ${one}`),
]
