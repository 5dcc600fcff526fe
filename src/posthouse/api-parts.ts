// Owns what the public API stands on, made from the parts of the running server: logins, roles, submission with its limits,
// numbers and listeners. It speaks no HTTP.

import { tryParseMailbox } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import { checkMessage } from '../checks/message-checks.ts'
import type { ApiParts, ApiStore, ApiSubmission, LoginOutcome, SubmitRefusal } from '../http/api-parts.ts'
import type { StatsView } from '../http/api-types.ts'
import type { ControlApi, ListenerStatus } from '../http/control-api.ts'
import type { InboundRoutes } from '../http/inbound-routes.ts'
import type { ReportsService } from '../http/reports-service.ts'
import type { CertificateService } from '../http/routes-certificates.ts'
import type { DomainDns } from '../http/routes-domain-dns-types.ts'
import type { Traffic } from '../http/traffic.ts'
import { guardedRequest, isPrivateAddress } from '../net/guarded-fetch.ts'
import type { FaultPlan } from '../policy/fault-plan.ts'
import type { Queue } from '../queue/queue.ts'
import type { Authenticator, SessionInfo } from '../server/session.ts'
import type { Store } from '../store/store.ts'
import type { Accounts } from './accounts.ts'
import type { Config, ConfigEntry } from './config.ts'
import { explainConfig } from './config-explain.ts'
import { checkLinks } from './link-check.ts'
import { reroute } from './reroute.ts'
import type { Router } from './router.ts'
import type { StoredDomains } from './stored-domains.ts'
import { SubmitError, type SubmitReceipt, type SubmitterOptions, submit } from './submit.ts'

export interface ApiPartsOptions {
  readonly config: Config
  readonly configFile: string | undefined
  readonly entries: readonly ConfigEntry[]
  readonly version: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly store: ApiStore & Store
  readonly queue: Queue
  readonly router: Router
  readonly domains: StoredDomains
  readonly domainDns?: DomainDns
  readonly certificates?: CertificateService | undefined
  readonly reports?: ReportsService
  readonly inbound: InboundRoutes
  readonly post: ApiParts['post']
  readonly control: ControlApi
  readonly accounts: Accounts
  readonly authenticator: Authenticator
  readonly submitter: SubmitterOptions
  readonly traffic: Traffic
  readonly startedAt: number
  readonly listeners: () => readonly ListenerStatus[]
  readonly lowOnSpace: () => boolean
  readonly faults: FaultPlan | undefined
  readonly release:
    | ((id: string, to: readonly string[], by: string) => Promise<{ readonly id: string }>)
    | undefined
}

export function createApiParts(options: ApiPartsOptions): ApiParts {
  const { config, clock, random, log, store, control, accounts, traffic, faults, release } = options
  const { directory } = accounts
  const admins = new Set(config.api.admins)
  const roleOf = (account: string): 'admin' | 'user' => (admins.has(account.toLowerCase()) ? 'admin' : 'user')
  const isCatcher = config.delivery.mode === 'capture' && config.capture.anyLogin
  return {
    clock,
    random,
    log,
    store,
    control,
    options: {
      auth: config.api.auth,
      product: isCatcher ? 'catcher' : 'server',
      hostname: config.hostname,
      version: options.version,
      mode: config.delivery.mode,
      hosts: [
        config.hostname,
        ...(config.listeners.http?.hosts ?? []),
        ...(config.listeners.https?.hosts ?? []),
      ],
      messageBytesMax: config.limits.messageBytesMax,
      recipientsMax: config.limits.recipientsMax,
      senderMustMatch: config.submission.senderMustMatch && !isCatcher,
    },
    login: (account, password, peerAddress) => login(options.authenticator, account, password, peerAddress),
    credentialOf(account) {
      const secret = accounts.secretOf(account)?.secret
      if (secret === undefined || secret.kind === 'none') return undefined
      return secret.kind === 'plain' ? secret.text : secret.phc
    },
    isEnabled: (account) => directory.findAccount(account)?.enabled === true,
    roleOf,
    maySendAs(account, address) {
      const mailbox = tryParseMailbox(address)
      const resolution = mailbox === undefined ? undefined : directory.resolve(mailbox)
      return (
        resolution?.kind === 'targets' &&
        resolution.targets.some((target) => target.kind === 'account' && target.account === account)
      )
    },
    newMessageId: options.submitter.ids,
    submit: (submission) => submitFor(options.submitter, submission),
    history: (destination) => traffic.history(destination),
    activeCount: (destination) => traffic.activeCount(destination),
    ...(config.delivery.mode === 'relay' && {
      relayLimits: {
        connectionsMax: config.relay.connectionsPerDestination,
        recipientsPerMessageMax: config.relay.recipientsPerMessage,
      },
    }),
    domains: options.domains,
    ...(options.domainDns !== undefined && { domainDns: options.domainDns }),
    ...(options.certificates !== undefined && { certificates: options.certificates }),
    ...(options.reports !== undefined && { reports: options.reports }),
    reroute: (filter, to, by) => reroute(options, filter, to, by),
    inbound: options.inbound,
    isOurs: (domain) => directory.isOurs(domain),
    post: options.post,
    urlProblem: (url) => urlProblem(url, config.api.allowPrivateUrls),
    stats: (minutes) => stats(options, minutes),
    accounts: () => accounts.list().map((account) => ({ ...account, role: roleOf(account.name) })),
    configView: () => ({
      ...(options.configFile !== undefined && { file: options.configFile }),
      items: explainConfig(options.entries).map(({ path, value, source, help }) => ({
        key: path,
        value,
        source: source === 'env' ? 'environment' : source,
        ...(help !== undefined && { help }),
      })),
    }),
    checks: checkMessage,
    checkLinks: (urls, gone) => checkLinks({ clock, allowPrivate: config.api.allowPrivateUrls }, urls, gone),
    ...(faults !== undefined && { faults }),
    ...(release !== undefined && { releaser: { release, allow: config.capture.release.allow } }),
  }
}

/** Requests out by themselves go through the guarded fetcher. */
export const createPost =
  (allowPrivate: boolean): ApiParts['post'] =>
  async ({ url, headers, body, timeoutMs, signal }) => {
    const answer = await guardedRequest(url, {
      method: 'POST',
      headers,
      body,
      timeoutMs,
      signal,
      allowPrivate,
    })
    const later = Number(answer.headers['retry-after'])
    return { status: answer.status, ...(later > 0 && { retryAfterSeconds: later }) }
  }

/** What can be told without asking anybody; names are judged when they are looked up. */
function urlProblem(text: string, allowPrivate: boolean): string | undefined {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol)) return 'must be an http or https URL'
  if (url.username !== '' || url.password !== '') return 'must not have a password in it'
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const isLocal = host === 'localhost' || host.endsWith('.localhost') || isPrivateAddress(host)
  return isLocal && !allowPrivate
    ? 'is of this machine or a private network; api.allowPrivateUrls in the configuration allows that'
    : undefined
}

/** The check that SMTP AUTH makes, with its slowing down of those who guess. */
async function login(
  authenticator: Authenticator,
  account: string,
  password: string,
  peerAddress: string,
): Promise<LoginOutcome> {
  const session: SessionInfo = {
    id: 'http',
    remote: { address: peerAddress, port: 0 },
    local: { address: '', port: 0 },
    tls: undefined,
    hello: '',
    protocol: 'ESMTP',
    identity: undefined,
  }
  const verdict = await authenticator.allow?.(account, session)
  if (verdict?.kind === 'refuse') return { kind: 'throttled', text: verdict.reply.lines.join(' ') }
  const result = await authenticator.verifyPassword(account, password, session)
  return result.kind === 'ok' ? { kind: 'ok', account: result.identity } : result
}

async function submitFor(
  submitter: SubmitterOptions,
  submission: ApiSubmission,
): Promise<SubmitReceipt | SubmitRefusal> {
  const { from, to, raw, identity, peerAddress, id, sendAt, tags, metadata } = submission
  const origin = { via: 'api', peerAddress, ...(identity !== undefined && { identity }) }
  try {
    return await submit(submitter, { from, to, raw }, { origin, id, sendAt, tags, metadata })
  } catch (error) {
    if (error instanceof SubmitError) return { field: error.field, message: error.message }
    throw error
  }
}

async function stats(options: ApiPartsOptions, minutes: number): Promise<StatsView> {
  const { clock, config, store, traffic } = options
  const now = clock.now()
  const [queue, free] = await Promise.all([store.queueStats(now), store.freeBytes()])
  const { waiting, active, held, oldestDueAt } = queue
  return {
    now,
    startedAt: options.startedAt,
    ...traffic.series(minutes),
    queue: { waiting, active, held, ...(oldestDueAt !== undefined && { oldestDueAt }) },
    memoryRssBytes: process.memoryUsage.rss(),
    ...(free !== undefined && { diskFreeBytes: free }),
    listeners: options.listeners(),
    version: options.version,
    hostname: config.hostname,
    mode: config.delivery.mode,
  }
}
