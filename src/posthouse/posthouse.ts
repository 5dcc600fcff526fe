// Owns the server as one object: opens what exists in the right order, introduces the parts to each other, and closes
// them in the opposite order so that nothing accepted is lost. The only caller of constructors.

import { mkdirSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { tryParseMailbox } from '../base/address.ts'
import type { Clock, Timer } from '../base/clock.ts'
import type { Connection, Dialer, Endpoint, Listener } from '../base/connection.ts'
import { createIdSource } from '../base/id.ts'
import { ipVersion, parseNetworkList } from '../base/ip.ts'
import { type Log, silentLog } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import { resolveHost, resolveRoute } from '../client/mx.ts'
import { createCachingResolver } from '../dns/cache.ts'
import type { Lookup } from '../dns/lookup.ts'
import type { Resolver } from '../dns/resolver.ts'
import type { ApiParts, ApiStore } from '../http/api-parts.ts'
import { type ControlApi, ControlError, type ListenerStatus, type ServerStatus } from '../http/control-api.ts'
import { InboundRoutes, inboundPrefix } from '../http/inbound-routes.ts'
import { createMetrics, type MetricsRegistry } from '../http/metrics.ts'
import { createPublicApi, type PublicApi } from '../http/public-api.ts'
import { Traffic } from '../http/traffic.ts'
import { webhookKinds } from '../http/webhooks.ts'
import { createDialer } from '../net/dial.ts'
import { createDnsClient } from '../net/dns-client.ts'
import { formatEndpoint } from '../net/endpoint.ts'
import { ListenFailure, listen } from '../net/listen.ts'
import { realClock } from '../net/real-clock.ts'
import { realRandom } from '../net/real-random.ts'
import { createAuthThrottle } from '../policy/auth-throttle.ts'
import { FaultPlan } from '../policy/fault-plan.ts'
import type { ListenerKind } from '../policy/relay-decision.ts'
import { createQueue, type Queue } from '../queue/queue.ts'
import type { Routed } from '../queue/reports.ts'
import { defaultRetryPolicy, type RetryPolicy } from '../queue/retry.ts'
import type { DeliverySeed } from '../queue/schedule.ts'
import type { Transport } from '../queue/transport.ts'
import type { NewMessage } from '../queue/types.ts'
import { createRelayTransport } from '../relay/relay-transport.ts'
import { releasePrefix } from '../relay/route.ts'
import type { PolicyFetch } from '../relay/sts-policies.ts'
import { createPasswordHasher, deriveScramKeys, type PasswordHasher } from '../sasl/password.ts'
import type { Authenticator, SessionInfo } from '../server/session.ts'
import { createSmtpServer, type SmtpServer } from '../server/smtp-server.ts'
import {
  captureAccount,
  createCaptureTransport,
  createDiscardTransport,
  createLocalTransport,
} from '../store/local-transport.ts'
import { createSqliteStore } from '../store/sqlite/sqlite-store.ts'
import type { BodyWriter, Store } from '../store/store.ts'
import { Accounts } from './accounts.ts'
import { createApiParts, createPost } from './api-parts.ts'
import { anyAuthenticator, createAuthenticator } from './authenticator.ts'
import { type CertificateParts, openCertificates } from './certificate-parts.ts'
import { type Config, type ConfigEntry, lookupByDomain, type SmtpListenerName } from './config.ts'
import { checksNothing } from './config-inbound.ts'
import { readConsole } from './console-folder.ts'
import { createControl } from './control.ts'
import { Conversations } from './conversations.ts'
import { DkimKeyring } from './dkim-keyring.ts'
import { createDkimSigning, ownsAddress } from './dkim-signing.ts'
import { createForwarding } from './domain-forwarding.ts'
import { createDomainParts, type DomainParts } from './domain-parts.ts'
import { createSealing } from './domain-sealing.ts'
import { Srs, srsSecret } from './domain-srs.ts'
import { FaultInjector } from './faulty-session.ts'
import { handIn, handInForControl } from './hand-in.ts'
import { type HttpListeners, ListenError, openHttpListeners } from './http-listeners.ts'
import { InboundChecks } from './inbound-checks.ts'
import { prepareHeldFolder } from './inbound-held.ts'
import { rspamdPost } from './inbound-http.ts'
import { InboundSession } from './inbound-session.ts'
import { Intake } from './intake.ts'
import { MailSession } from './mail-session.ts'
import { createPolicyFetch } from './policy-fetch.ts'
import { autoRelease, canRelease, releaseMessage } from './release.ts'
import { createReportParts, type ReportParts } from './report-parts.ts'
import { Router } from './router.ts'
import { Spool } from './spool.ts'
import { StoredDomains } from './stored-domains.ts'
import { type Submission, type SubmitReceipt, type SubmitterOptions, submit } from './submit.ts'
import { countAccepted, countOutcomes, countRefused } from './traffic-taps.ts'
import { TransportSecurity } from './transport-security.ts'
import { version } from './version.ts'

/** What a test or a simulator puts in place of the world. */
export interface PosthouseDeps {
  readonly log?: Log
  readonly clock?: Clock
  readonly random?: Random
  readonly dialer?: Dialer
  readonly resolver?: Resolver
  /** Of MTA-STS policies. Default: over HTTPS, from public addresses alone. */
  readonly fetchPolicy?: PolicyFetch
  readonly metrics?: MetricsRegistry
  /** Default: sockets. */
  readonly listen?: typeof listen
  /** Default: the control socket and what `listeners.http` names. */
  readonly openHttp?: typeof openHttpListeners
  /** Default: SQLite under `dataDir`. */
  readonly openStore?: (onFatal: (cause: Error) => void) => Promise<Store>
  /** Told when nothing can go on safely (a failed fsync); default: logs and exits with 70. */
  readonly onFatal?: (cause: Error) => void
  readonly configFile?: string
  /** Where each value of the configuration came from, for people who look at it. */
  readonly configEntries?: readonly ConfigEntry[]
}

export interface StartReport {
  /** Passwords made on this start; to be shown once. */
  readonly newPasswords: readonly { readonly name: string; readonly password: string }[]
  readonly listeners: readonly ListenerStatus[]
}

export interface Posthouse {
  /** Opens store and listeners. Rejects with a ListenError or StoreFailure; then nothing stays open. */
  start(): Promise<StartReport>
  /** Stops accepting, finishes what is under way within `stop.timeout`, closes. Idempotent. */
  stop(): Promise<void>
  /** Hands over a message as a user of this server would. Durable when it resolves; see submit.ts for what it rejects with. */
  submit(submission: Submission): Promise<SubmitReceipt>
  readonly control: ControlApi
  /** What goes wrong on purpose; in mode capture, once it is started. */
  readonly faults: FaultPlan | undefined
  /** Sends captured mail on to real addresses (`capture.release`). Durable when it resolves. @throws ControlError */
  release(messageId: string, to: readonly string[], by: string): Promise<{ readonly id: string }>
  /** Resolves when it has stopped, whoever asked. */
  readonly stopped: Promise<void>
}

const spaceCheckMs = 2_000
const pruneEveryMs = 60_000
const securityEveryMs = 3_600_000
const pruneRowsMax = 2_000
const trimEveryMs = 5_000
const keyFilesEveryMs = 30_000
const certificatesEveryMs = 60_000
const keysEveryMs = 5 * 60_000
const trimStepsMax = 50

interface OpenListener {
  readonly name: SmtpListenerName
  readonly server: SmtpServer
  readonly listener: Listener
  readonly tls: ListenerStatus['tls']
}

/** The whole server over `config`. Nothing is opened before `start()`. */
export function createPosthouse(config: Config, deps: PosthouseDeps = {}): Posthouse {
  return new PosthouseServer(config, deps)
}

class PosthouseServer implements Posthouse {
  readonly #config: Config
  readonly #deps: PosthouseDeps
  readonly #log: Log
  readonly #clock: Clock
  readonly #random: Random
  readonly #metrics: MetricsRegistry
  readonly control: ControlApi
  readonly stopped: Promise<void>
  #resolveStopped: () => void = () => {}

  #state: ServerStatus['state'] = 'starting'
  #startedAt = 0
  #store: Store | undefined
  #accounts: Accounts | undefined
  #keys: DkimKeyring | undefined
  /** Where `forwarding.srs` is on. */
  #srs: Srs | undefined
  #queue: Queue | undefined
  #submitter: SubmitterOptions | undefined
  #spool: Spool | undefined
  /** In mode capture. */
  #faultPlan: FaultPlan | undefined
  #http: HttpListeners | undefined
  #authenticator: Authenticator | undefined
  /** undefined: TLS is off. */
  #certificates: CertificateParts | undefined
  #inbound: InboundRoutes | undefined
  /** undefined: the store keeps no documents. */
  #reports: ReportParts | undefined
  /** undefined: mail that comes in is not checked. */
  #checks: InboundChecks | undefined
  readonly #traffic: Traffic
  #listeners: OpenListener[] = []
  #transports: readonly Transport[] = []
  #low = false
  #timers = new Set<Timer>()
  #closers: (() => void)[] = []
  #stopping: Promise<void> | undefined

  constructor(config: Config, deps: PosthouseDeps) {
    this.#config = config
    this.#deps = deps
    this.#log = deps.log ?? silentLog
    this.#clock = deps.clock ?? realClock
    this.#random = deps.random ?? realRandom
    this.#metrics = deps.metrics ?? createMetrics({ processMetrics: deps.clock === undefined })
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve
    })
    this.#traffic = new Traffic(this.#clock, () =>
      this.#listeners.reduce((sum, { server }) => sum + server.connectionCount, 0),
    )
    this.control = createControl({
      clock: this.#clock,
      store: () => this.#opened(this.#store),
      queue: () => this.#opened(this.#queue),
      accounts: () => this.#opened(this.#accounts),
      status: () => this.#status(),
      problems: () => this.#problems(),
      stop: () => void this.stop(),
      submit: (submission, message) =>
        handInForControl(this.#opened(this.#submitter), submission, message, this.#low),
    })
  }

  async start(): Promise<StartReport> {
    try {
      return await this.#open()
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  async #open(): Promise<StartReport> {
    const config = this.#config
    this.#startedAt = this.#clock.now()
    mkdirSync(config.dataDir, { recursive: true, mode: 0o700 })
    const store = await this.#openStore()
    this.#store = store
    if (hasViews(store) && servesHttp(config))
      store.feedKinds(config.capture.anyLogin ? ['*'] : await webhookKinds(store))
    const passwords = createPasswordHasher({ random: this.#random, clock: this.#clock })
    const accounts = new Accounts({
      config,
      store,
      clock: this.#clock,
      hash: (password) => passwords.hash(password),
      scramKeys: (password) => deriveScramKeys(password, this.#random.bytes(16)),
    })
    this.#accounts = accounts
    const domains = hasViews(store)
      ? new StoredDomains({ documents: store, accounts, configured: config.domains, clock: this.#clock })
      : undefined
    await domains?.load()
    const newPasswords = await accounts.load()
    const documents = hasViews(store) ? store : undefined
    const keys = new DkimKeyring({ config: config.dkim, documents, clock: this.#clock, log: this.#log })
    await keys.load()
    this.#keys = keys
    if (config.forwarding.srs && documents !== undefined) {
      const srs = new Srs({ secret: await srsSecret(documents, this.#shared()), clock: this.#clock })
      accounts.directory.setReturns((mailbox) => srs.reverse(mailbox))
      this.#srs = srs
    }
    const router = new Router({
      mode: config.delivery.mode,
      routes: config.delivery.routes,
      isOurs: (domain) => accounts.directory.isOurs(domain),
      release: config.capture.release.server,
    })
    const post = createPost(config.api.allowPrivateUrls)
    const inbound = hasViews(store)
      ? new InboundRoutes({ documents: store, clock: this.#clock, random: this.#random, post })
      : undefined
    await inbound?.load()
    this.#inbound = inbound
    accounts.directory.setRouted((mailbox) => inbound?.destinationFor(mailbox) !== undefined)
    this.#reports = this.#createReports(store, accounts, post)
    const queue = this.#createQueue(store, router, accounts)
    this.#queue = queue
    // First what was under way when we died: it obeys the configuration of today, too.
    await store.recover()
    await this.#reroute(store, router, queue)
    await queue.start()
    this.#checks = this.#createChecks(store, accounts)
    await this.#checks?.start()
    await this.#listen(store, router, accounts, { queue, passwords })
    const domainParts =
      domains &&
      createDomainParts({
        ...this.#shared(),
        keys,
        domains,
        isOurs: (domain) => accounts.directory.isOurs(domain),
        resolver: () => this.#freshResolver(),
        certificate: () => this.#certificates?.certificates.standard.pair.cert,
        nextTlsa: () => this.#certificates?.nextTlsa(),
      })
    const api = this.#createApi(store, accounts, router, { domains, inbound, post, domainParts })
    await api?.start()
    this.#http = await (this.#deps.openHttp ?? openHttpListeners)({
      config,
      api,
      app: this.control,
      domainDns: domainParts?.domainDns,
      reports: this.#reports?.service,
      stsPolicy: domainParts?.stsPolicy,
      certificates: this.#certificates?.certificates,
      certificateService: this.#certificates?.service,
      challenge: this.#certificates?.challenge,
      metrics: this.#metrics,
      log: this.#log,
      clock: this.#clock,
      version,
    })
    this.#every(spaceCheckMs, () => this.#checkSpace(store))
    this.#every(pruneEveryMs, () => this.#prune(store))
    this.#every(trimEveryMs, () => this.#trim(store))
    this.#every(keyFilesEveryMs, () => keys.readFiles())
    const certificates = this.#certificates
    if (certificates !== undefined) this.#every(certificatesEveryMs, () => certificates.run())
    if (domainParts !== undefined) this.#every(keysEveryMs, () => domainParts.rotation.run())
    this.#every(pruneEveryMs, async () => this.#traffic.sample())
    const checks = this.#checks
    if (checks !== undefined) this.#every(pruneEveryMs, () => checks.maintain())
    if (api !== undefined) this.#every(pruneEveryMs, () => api.prune())
    await this.#startSpool()
    await this.#reports?.start()
    this.#state = 'ready'
    return { newPasswords, listeners: this.#listenerStatus() }
  }

  /** undefined: the store has no views to serve. */
  #createApi(
    store: Store,
    accounts: Accounts,
    router: Router,
    given: {
      readonly domains: StoredDomains | undefined
      readonly inbound: InboundRoutes | undefined
      readonly post: ApiParts['post']
      readonly domainParts: DomainParts | undefined
    },
  ): PublicApi | undefined {
    const { domains, inbound, post, domainParts } = given
    if (!servesHttp(this.#config) || !hasViews(store)) return undefined
    if (domains === undefined || inbound === undefined) return undefined
    const { config, clock, random, log } = this.#shared()
    const { http, https } = config.listeners
    const isReachable = [http, https].some((one) =>
      one?.addresses.some(({ address }) => !isLoopback(address)),
    )
    if (config.api.auth === 'open' && isReachable)
      log.warn({}, 'the HTTP API is open: whoever reaches it may do everything')
    const { configFile, configEntries } = this.#deps
    const parts = createApiParts({
      config,
      configFile,
      entries: configEntries ?? [],
      version,
      clock,
      random,
      log,
      store,
      control: this.control,
      accounts,
      queue: this.#opened(this.#queue),
      router,
      domains,
      inbound,
      post,
      ...(domainParts !== undefined && { domainDns: domainParts.domainDns }),
      certificates: this.#certificates?.service,
      ...(this.#reports !== undefined && { reports: this.#reports.service }),
      authenticator: this.#opened(this.#authenticator),
      submitter: this.#opened(this.#submitter),
      traffic: this.#traffic,
      startedAt: this.#startedAt,
      listeners: () => this.#listenerStatus(),
      lowOnSpace: () => this.#low,
      faults: this.#faultPlan,
      release: canRelease(config.capture.release) ? (id, to, by) => this.release(id, to, by) : undefined,
    })
    return createPublicApi(parts, readConsole())
  }

  #openStore(): Promise<Store> {
    const onFatal = (cause: Error): void => this.#fatal(cause)
    if (this.#deps.openStore !== undefined) return this.#deps.openStore(onFatal)
    const dir = join(this.#config.dataDir, 'store')
    return createSqliteStore({ dir, clock: this.#clock, log: this.#log, onFatal })
  }

  /** Nothing can be believed any more (a sync failed, an invariant broke): the next start reads what is on disk. */
  #fatal(cause: Error): void {
    this.#log.error({ cause: String(cause), stack: cause.stack }, 'cannot go on safely, stopping')
    if (this.#deps.onFatal !== undefined) this.#deps.onFatal(cause)
    else process.exit(70)
  }

  async #listen(
    store: Store,
    router: Router,
    accounts: Accounts,
    parts: { queue: Queue; passwords: PasswordHasher },
  ): Promise<void> {
    const config = this.#config
    this.#certificates = await openCertificates({
      ...this.#shared(),
      documents: hasViews(store) ? store : undefined,
      domains: () => accounts.directory.domainNames,
      resolver: () => this.#freshResolver(),
      post: createPost(config.api.allowPrivateUrls),
    })
    const tls = this.#certificates?.certificates
    const ids = createIdSource(this.#clock, this.#random)
    const relayNetworks = parseNetworkList(config.networks.relay)
    const repairNetworks = parseNetworkList(config.networks.repairLineEndings)
    const { queue, passwords } = parts
    const { capture } = config
    const catching = config.delivery.mode === 'capture'
    const conversations = catching && capture.conversations ? new Conversations(this.#clock) : undefined
    const faults = catching ? this.#createFaults(conversations) : undefined
    const intake = new Intake({
      clock: this.#clock,
      router,
      schedule: (seed, now) => queue.schedule(seed, now),
      commit: (message) => countAccepted(this.#traffic, message, queue.accept(message)),
      inboxOf: this.#inboxOf,
      inbound: (mailbox) => this.#inbound?.destinationFor(mailbox),
      autoRelease: catching ? autoRelease(capture.release) : undefined,
    })
    const bodyWriter = (id: string): BodyWriter => store.bodyWriter(id)
    this.#submitter = {
      clock: this.#clock,
      hostname: config.hostname,
      ids,
      directory: accounts.directory,
      intake,
      bodyWriter,
      messageBytesMax: config.limits.messageBytesMax,
      recipientsMax: config.limits.recipientsMax,
    }
    const throttle = createAuthThrottle({ clock: this.#clock })
    const known = createAuthenticator({
      accounts,
      passwords,
      throttle,
      random: this.#random,
      log: this.#log,
    })
    this.#authenticator = known
    const anyLogin = catching && capture.anyLogin
    const checked = anyLogin ? anyAuthenticator : known
    const authenticator = faults?.authenticator(checked) ?? checked
    const sessionIds = createSessionIds()
    const checks = this.#checks
    const names: readonly SmtpListenerName[] = ['mx', 'submission', 'submissions', 'lmtp']
    for (const name of names) {
      const listener = config.listeners[name]
      if (listener === undefined) continue
      const kind: ListenerKind = name === 'submissions' ? 'submission' : name
      const session = {
        kind,
        listener: name,
        hostname: config.hostname,
        clock: this.#clock,
        log: this.#log,
        ids,
        directory: accounts.directory,
        router,
        intake,
        bodyWriter,
        lowOnSpace: () => this.#low,
        mayRelay: (address: string) => relayNetworks.has(address),
        senderMustMatch: config.submission.senderMustMatch && !anyLogin,
        anyClient: catching && capture.anyClient,
        receivedCountMax: config.limits.receivedMax,
        inbound:
          checks && ((info: SessionInfo) => InboundSession.open(checks, info, { kind, listener: name })),
        conversation: conversations && ((info: SessionInfo, last: string) => conversations.take(info, last)),
      }
      const implicitTls = name === 'submissions'
      if (implicitTls && tls === undefined) continue
      const server = createSmtpServer({
        hostname: config.hostname,
        kind,
        session: (info, connection) => {
          const inner = new MailSession(session, info)
          return faults?.session(inner, info, connection) ?? inner
        },
        asksStartTls: faults !== undefined,
        ...(conversations !== undefined && { transcript: conversations.record }),
        clock: this.#clock,
        random: this.#random,
        log: this.#log.child({ listener: name }),
        metrics: countRefused(this.#traffic, this.#metrics),
        limits: listener.limits,
        ids: sessionIds,
        repairLineEnds: (address) => repairNetworks.has(address),
        ...(kind === 'submission' && { authenticator, requireAuth: config.networks.relay.length === 0 }),
        ...(kind === 'mx' && anyLogin && { authenticator, requireAuth: false }),
        authWithoutTls: listener.insecureAuth || anyLogin,
        requireTlsParameter: true,
        implicitTls,
        ...(tls !== undefined && { tls: () => tls.contexts.current }),
      })
      for (const address of listener.addresses)
        await this.#bind(
          name,
          address,
          (connection) => server.accept(faults?.connection(connection, implicitTls) ?? connection),
          server,
          implicitTls ? 'implicit' : tls === undefined ? 'none' : 'starttls',
        )
    }
  }

  async #bind(
    name: SmtpListenerName,
    address: Endpoint,
    onConnection: (connection: Connection) => void,
    server: SmtpServer,
    tls: ListenerStatus['tls'],
  ): Promise<void> {
    try {
      const listener = await (this.#deps.listen ?? listen)({
        host: address.address,
        port: address.port,
        clock: this.#clock,
        onConnection,
      })
      this.#listeners.push({ name, server, listener, tls })
    } catch (cause) {
      throw cause instanceof ListenFailure
        ? new ListenError(`listeners.${name}`, address, cause.cause ?? cause)
        : cause
    }
  }

  #createFaults(conversations: Conversations | undefined): FaultInjector {
    const { seed, rules, profiles } = this.#config.capture.faults
    const plan = new FaultPlan({ seed, rules })
    for (const profile of profiles) plan.applyProfile(profile)
    this.#faultPlan = plan
    return new FaultInjector({
      plan,
      clock: this.#clock,
      log: this.#log,
      inboxOf: this.#inboxOf,
      ...(conversations !== undefined && { note: (info, line) => conversations.record(info, '-', line) }),
    })
  }

  /** The catcher's inbox of who logged in. */
  readonly #inboxOf = (identity: string | undefined): string =>
    this.#config.capture.inboxes === 'login' && identity !== undefined && identity !== '' ? identity : 'INBOX'

  #createQueue(store: Store, router: Router, accounts: Accounts): Queue {
    const { config, clock, random, log, metrics } = this.#shared()
    const relay = this.#forwarding(this.#signing(this.#createRelay(router, store), accounts), accounts)
    const local = createLocalTransport({
      clock,
      accountFor: (delivery) => accounts.accountFor(delivery.recipient),
    })
    const capture = createCaptureTransport({ clock, inboxOf: this.#inboxOf })
    const discard = createDiscardTransport({ clock })
    this.#transports = [relay, local, capture, discard]
    const byName: Readonly<Record<string, Transport>> = { local, capture, discard }
    const concurrency = config.relay.connectionsPerDestination
    const recipientsPerJobMax = config.relay.recipientsPerMessage
    return createQueue({
      store,
      transport: (destination) =>
        countOutcomes(
          this.#traffic,
          clock,
          destination,
          byName[destination] ??
            (destination.startsWith(inboundPrefix) ? this.#inbound?.transport : undefined) ??
            relay,
        ),
      clock,
      random,
      log,
      metrics,
      ids: createIdSource(clock, random),
      hostname: config.hostname,
      retry: retryPolicy(config.retry),
      limits: () => ({ concurrency, recipientsPerJobMax }),
      route: (recipient) => routeReport(recipient, accounts, router, this.#inbound),
      onFatal: (cause) => this.#fatal(cause instanceof Error ? cause : new Error(String(cause))),
    })
  }

  /** What aliases send on to others is sealed, and has a sender of ours, on its way to the relay. */
  #forwarding(relay: Transport, accounts: Accounts): Transport {
    const { config, clock, log } = this.#shared()
    const isOurs = (domain: string): boolean => accounts.directory.isOurs(domain)
    const { hostname, forwarding } = config
    const keys = this.#opened(this.#keys)
    // The verdicts of the seal are of the sender as he was: sealing comes before the change.
    const changed = this.#srs === undefined ? relay : createForwarding(relay, { srs: this.#srs, isOurs })
    if (!forwarding.arc) return changed
    const resolver = this.#freshResolver()
    return createSealing(changed, { clock, log, resolver, keys, isOurs, hostname })
  }

  /** What our users and programs send to others is signed on its way to the relay. */
  #signing(relay: Transport, accounts: Accounts): Transport {
    const { config, clock, log, metrics } = this.#shared()
    if (!config.dkim.sign) return relay
    const relayNetworks = parseNetworkList(config.networks.relay)
    return createDkimSigning(relay, {
      clock,
      log,
      metrics,
      keys: this.#opened(this.#keys),
      isOurs: (domain) => accounts.directory.isOurs(domain),
      isTrusted: (address) => relayNetworks.has(address),
      mayWriteAs: (identity, address) => ownsAddress(accounts.directory, identity, address),
      senderMustMatch: config.submission.senderMustMatch,
    })
  }

  #createRelay(router: Router, store: Store): Transport {
    const { config, clock, random, log, metrics } = this.#shared()
    const lookup = this.#deps.resolver === undefined ? this.#dnsLookup() : undefined
    const resolver =
      this.#deps.resolver ?? createCachingResolver({ lookup: lookup ?? this.#dnsLookup(), clock })
    const security = this.#secureTransport(resolver, lookup, store)
    const own = { ownNames: new Set([config.hostname]), ownAddresses: ownAddresses(config) }
    const { relay } = config
    return createRelayTransport({
      clock,
      random,
      log,
      metrics,
      dialer: this.#deps.dialer ?? createDialer({ clock }),
      hostname: config.hostname,
      resolveHosts: (domain, signal) => resolveRoute(domain, { resolver, random, signal, ...own }),
      resolveHost: (host, signal) => resolveHost(host, { resolver, random, signal }),
      routeFor: (destination) => router.hostRoute(destination),
      tlsPolicyFor: (domain) => lookupByDomain(relay.tls, domain) ?? 'may',
      tlsPolicies: security.policies,
      port: config.delivery.port,
      limits: {
        connectionsMax: relay.connectionsPerDestination,
        recipientsMax: relay.recipientsPerMessage,
        transactionsMax: relay.messagesPerConnection,
        idleTimeoutMs: relay.idleTimeoutMs,
      },
      ...(this.#reports?.onTls !== undefined && { onTls: this.#reports.onTls }),
      ...(relay.sourceAddress !== undefined && { localAddress: sourceFor(relay.sourceAddress) }),
    })
  }

  /** Its background work runs where mail goes out. */
  #secureTransport(resolver: Resolver, lookup: Lookup | undefined, store: Store): TransportSecurity {
    const { config, clock, log } = this.#shared()
    const security = new TransportSecurity({
      clock,
      log,
      resolver,
      lookup,
      dane: config.relay.dane,
      mtaSts: config.relay.mtaSts,
      fetch: this.#deps.fetchPolicy ?? createPolicyFetch({ resolver }),
      documents: hasViews(store) ? store : undefined,
    })
    this.#closers.push(() => security.close())
    if (config.delivery.mode === 'relay') {
      this.#every(securityEveryMs, () => security.checkResolver())
      this.#every(securityEveryMs, () => security.renew())
    }
    return security
  }

  /** For those who publish a record and look again: it remembers nothing from before. */
  #createChecks(store: Store, accounts: Accounts): InboundChecks | undefined {
    const { config, clock, log, metrics } = this.#shared()
    const { rspamd } = config.inbound
    if (checksNothing(config.inbound)) return undefined
    return new InboundChecks({
      config: config.inbound,
      hostname: config.hostname,
      clock,
      log,
      metrics,
      resolver: this.#freshResolver(),
      dialer: this.#deps.dialer ?? createDialer({ clock }),
      directory: accounts.directory,
      documents: hasViews(store) ? store : undefined,
      post: rspamdPost(rspamd?.target ?? { host: '127.0.0.1', port: 0 }, rspamd?.timeoutMs ?? 0),
      heldFolder: () => prepareHeldFolder(config.dataDir),
      ...(this.#reports?.onJudged !== undefined && { onJudged: this.#reports.onJudged }),
      relayNetworks: config.networks.relay,
      messageBytesMax: config.limits.messageBytesMax,
    })
  }

  #createReports(store: Store, accounts: Accounts, post: ApiParts['post']): ReportParts | undefined {
    if (!hasViews(store)) return undefined
    return createReportParts({
      ...this.#shared(),
      store,
      post,
      directory: accounts.directory,
      resolver: this.#freshResolver(),
      generator: `Posthouse ${version}`,
      submitter: () => this.#opened(this.#submitter),
    })
  }

  #freshResolver(): Resolver {
    return this.#deps.resolver ?? createCachingResolver({ lookup: this.#dnsLookup(), clock: this.#clock })
  }

  #dnsLookup(): Lookup {
    const { dns } = this.#config
    return createDnsClient({
      clock: this.#clock,
      random: this.#random,
      deadlineMs: dns.timeoutMs,
      ...(dns.trustAd !== undefined && { trustAd: dns.trustAd }),
      ...(dns.servers !== undefined && {
        servers: dns.servers.map(({ address, port }) => formatEndpoint(address, port)),
      }),
    })
  }

  #shared(): { config: Config; clock: Clock; random: Random; log: Log; metrics: MetricsRegistry } {
    return {
      config: this.#config,
      clock: this.#clock,
      random: this.#random,
      log: this.#log,
      metrics: this.#metrics,
    }
  }

  /**
   * Mail that waits under a destination which the configuration no longer gives its domain moves to the new one; where
   * nothing goes out now without an operator's word, it is held.
   */
  async #reroute(store: Store, router: Router, queue: Queue): Promise<void> {
    for (const { domain, destination } of await store.routesInUse()) {
      if (destination.startsWith(releasePrefix) || destination.startsWith(inboundPrefix)) continue
      const now = router.destinationOf(domain)
      if (now.destination !== destination) {
        const count = await store.reroute(domain, destination, now.destination)
        this.#log.info({ domain, from: destination, to: now.destination, count }, 'waiting mail re-routed')
      }
      if (!now.held) continue
      const filter = { domain, destination: now.destination }
      const note = { by: 'configuration', reason: 'mail for this domain is held' }
      while ((await queue.hold(filter, note)).more);
    }
  }

  async #checkSpace(store: Store): Promise<void> {
    const free = await store.freeBytes()
    const low = free !== undefined && free < this.#config.limits.minFreeBytes
    if (low !== this.#low)
      this.#log.warn(
        { freeBytes: free },
        low ? 'disk nearly full: new mail is refused for now' : 'disk has room again',
      )
    this.#low = low
  }

  async #prune(store: Store): Promise<void> {
    const { timelineMs, messagesMax } = this.#config.retention
    await store.prune({ before: this.#clock.now() - timelineMs, keepMax: messagesMax, max: pruneRowsMax })
  }

  /** Captured mail beyond the bounds of the configuration goes, the oldest first. */
  async #trim(store: Store): Promise<void> {
    const { messagesMax, bytesMax, ageMaxMs } = this.#config.capture
    if (!hasViews(store) || messagesMax + bytesMax + ageMaxMs === 0) return
    const bounds = {
      ...(messagesMax > 0 && { messagesMax }),
      ...(bytesMax > 0 && { bytesMax }),
      ...(ageMaxMs > 0 && { before: this.#clock.now() - ageMaxMs }),
    }
    // In steps, so that no transaction is long; a flood is caught up with before the next pause.
    for (let i = 0; i < trimStepsMax; i++)
      if ((await store.mailTrim(captureAccount, bounds, pruneRowsMax)) < pruneRowsMax) return
  }

  /** A store that was given has no folder that programs could have written to. */
  async #startSpool(): Promise<void> {
    if (this.#deps.openStore !== undefined) return
    const { clock, log, metrics } = this.#shared()
    this.#spool = new Spool({
      dataDir: this.#config.dataDir,
      clock,
      log,
      metrics,
      handIn: (submission, message) => handIn(this.#opened(this.#submitter), submission, message),
      isFull: () => this.#low,
    })
    await this.#spool.start()
  }

  /** Runs `job` now and then again after each pause; a failure is logged and does not end it. */
  #every(pauseMs: number, job: () => Promise<void>): void {
    const run = async (): Promise<void> => {
      try {
        await job()
      } catch (cause) {
        this.#log.warn({ cause: String(cause) }, 'background job failed')
      }
      if (this.#stopping !== undefined) return
      const timer = this.#clock.setTimer(pauseMs, () => {
        this.#timers.delete(timer)
        void run()
      })
      this.#timers.add(timer)
    }
    void run()
  }

  async submit(submission: Submission): Promise<SubmitReceipt> {
    return submit(this.#opened(this.#submitter), submission)
  }

  get faults(): FaultPlan | undefined {
    return this.#faultPlan
  }

  release(messageId: string, to: readonly string[], by: string): Promise<{ readonly id: string }> {
    const { ids, bodyWriter, recipientsMax } = this.#opened(this.#submitter)
    const queue = this.#opened(this.#queue)
    const options = {
      release: this.#config.capture.release,
      clock: this.#clock,
      ids,
      recipientsMax,
      store: this.#opened(this.#store),
      bodyWriter,
      schedule: (seed: DeliverySeed, now: number) => queue.schedule(seed, now),
      commit: (message: NewMessage) => queue.accept(message),
    }
    return releaseMessage(options, messageId, to, by)
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#close()
    return this.#stopping
  }

  /** New work stops first, then what is under way ends, then the store closes: nothing is asked of a part that is gone. */
  async #close(): Promise<void> {
    this.#state = 'stopping'
    for (const timer of this.#timers) timer.cancel()
    for (const close of this.#closers) close()
    const graceMs = this.#config.stop.timeoutMs
    await this.#spool?.stop()
    await Promise.all(this.#listeners.map(({ listener }) => listener.close()))
    await Promise.all(
      [...new Set(this.#listeners.map(({ server }) => server))].map((server) => server.stop({ graceMs })),
    )
    await this.#reports?.stop()
    await this.#certificates?.stop()
    await this.#checks?.stop()
    await this.#queue?.stop({ graceMs })
    await Promise.all(this.#transports.map((transport) => transport.close?.()))
    await this.#reports?.close()
    await this.#http?.close()
    await this.#store?.close()
    this.#resolveStopped()
  }

  async #status(): Promise<ServerStatus> {
    const config = this.#config
    const stats = await this.#store?.queueStats(this.#clock.now())
    const { waiting = 0, active = 0, held = 0, oldestDueAt } = stats ?? {}
    const quarantined = await this.#store?.quarantined()
    return {
      version,
      state: this.#state,
      pid: process.pid,
      hostname: config.hostname,
      dataDir: config.dataDir,
      ...(this.#deps.configFile !== undefined && { configFile: this.#deps.configFile }),
      mode: config.delivery.mode,
      domains: this.#accounts?.directory.domainNames ?? [],
      startedAt: this.#startedAt,
      now: this.#clock.now(),
      listeners: this.#listenerStatus(),
      counts: { waiting, active, held, ...(oldestDueAt !== undefined && { oldestDueAt }) },
      quarantinedCount: quarantined?.length ?? 0,
      ...(this.#spool !== undefined && { spool: this.#spool.counts() }),
    }
  }

  #listenerStatus(): readonly ListenerStatus[] {
    const smtp = this.#listeners.map(({ name, listener, tls, server }) => ({
      name,
      ...listener.local,
      tls,
      connectionCount: server.connectionCount,
    }))
    const http = (this.#http?.endpoints ?? []).map((endpoint) => ({
      name: 'http',
      ...endpoint,
      tls: 'none' as const,
      connectionCount: 0,
    }))
    const https = (this.#http?.secureEndpoints ?? []).map((endpoint) => ({
      name: 'https',
      ...endpoint,
      tls: 'implicit' as const,
      connectionCount: 0,
    }))
    return [...smtp, ...http, ...https]
  }

  #problems(): readonly string[] {
    const problems: string[] = []
    if (this.#state !== 'ready') problems.push(this.#state)
    if (this.#low) problems.push('the disk is nearly full, new mail is refused')
    return problems
  }

  #opened<T>(part: T | undefined): T {
    if (part === undefined) throw new ControlError('busy', 'the server is still starting')
    return part
  }
}

/** Where a report that we made ourselves goes: to a mailbox of ours, or by the route that any mail to that domain takes. */
function routeReport(
  recipient: string,
  accounts: Accounts,
  router: Router,
  inbound: InboundRoutes | undefined,
): readonly Routed[] {
  const mailbox = tryParseMailbox(recipient)
  if (mailbox === undefined) return []
  const resolution = accounts.directory.resolve(mailbox)
  if (resolution.kind === 'foreign') return [router.outside(mailbox.domain)]
  if (resolution.kind !== 'targets') return []
  return resolution.targets.map((target) => {
    const { domain, text } = target.mailbox
    const program = target.kind === 'outside' ? inbound?.destinationFor(target.mailbox) : undefined
    const where =
      program !== undefined
        ? { destination: program, held: false }
        : target.kind === 'account'
          ? router.local(domain)
          : router.outside(domain)
    return { ...where, domain, recipient: text, ...(resolution.viaAlias && { alias: recipient }) }
  })
}

/** Where a host that is found by MX would be ourselves: our MX listener's addresses, when it is at the port that mail goes to. */
function ownAddresses({ listeners, delivery }: Config): ReadonlySet<string> {
  const addresses = (listeners.mx?.addresses ?? []).filter(({ port }) => port === delivery.port)
  const all = addresses.some(({ address }) => address === '0.0.0.0' || address === '::')
    ? Object.values(networkInterfaces()).flatMap((infos) => (infos ?? []).map((info) => info.address))
    : []
  return new Set([...addresses.map(({ address }) => address), ...all])
}

/** The curve's shape is ours, its times are the configuration's. */
function retryPolicy({ delayNoticeAfterMs, ...times }: Config['retry']): RetryPolicy {
  const { factor, jitterFraction } = defaultRetryPolicy
  return { factor, jitterFraction, ...times, ...(delayNoticeAfterMs !== undefined && { delayNoticeAfterMs }) }
}

const sourceFor =
  (address: string) =>
  (family: 4 | 6): string | undefined =>
    ipVersion(address) === family ? address : undefined

const servesHttp = ({ listeners: { http, https } }: Config): boolean =>
  http !== undefined || https !== undefined

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.')

const hasViews = (store: Store): store is Store & ApiStore => 'mailPage' in store

/** Session ids: short, unique in the process over all listeners. */
function createSessionIds(): () => string {
  let count = 0
  return () => `s${(++count).toString(36)}`
}
