// Owns what the public API stands on: the parts of a running server that its routes ask, as one object which
// `posthouse` fills in. It knows no HTTP. What is optional is not offered where it is absent.

import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { ParsedMessage } from '../message/parse-message.ts'
import type { FaultPlan } from '../policy/fault-plan.ts'
import type { QueueFilter, QueueStore } from '../queue/store.ts'
import type { Documents, Feed, MailViews } from '../store/mail-view.ts'
import type { Store } from '../store/store.ts'

import type {
  AccountItem,
  ChecksView,
  ConfigView,
  DomainItem,
  LinkCheckView,
  StatsView,
  TimelineView,
} from './api-types.ts'
import type { ControlApi } from './control-api.ts'
import type { InboundRoutes } from './inbound-routes.ts'
import type { ReportsService } from './reports-service.ts'
import type { CertificateService } from './routes-certificates.ts'
import type { DomainDns } from './routes-domain-dns-types.ts'

export type ApiStore = MailViews &
  Feed &
  Documents &
  Pick<Store, 'messageView' | 'queueList' | 'queueStats' | 'recentMessages' | 'freeBytes'> &
  Pick<QueueStore, 'openBody' | 'destinations'>

export type LoginOutcome =
  | { readonly kind: 'ok'; readonly account: string }
  | { readonly kind: 'denied' }
  /** Too many failures: words with the wait. */
  | { readonly kind: 'throttled'; readonly text: string }
  | { readonly kind: 'unavailable' }

export interface ApiSubmission {
  /** Reverse-path; null is `<>`. */
  readonly from: string | null
  readonly to: readonly string[]
  /** The whole message. */
  readonly raw: Uint8Array
  /** Who sends; undefined in the open catcher. */
  readonly identity: string | undefined
  /** Address of the client, for the timeline. */
  readonly peerAddress: string
  /** Epoch ms; nothing is delivered before it. */
  readonly sendAt?: number
  readonly tags?: readonly string[]
  readonly metadata?: Readonly<Record<string, string>>
  /** The message id to use (from {@link ApiParts.newMessageId}), so that a second try of the same request is known as one. */
  readonly id?: string
}

/** The caller's mistake: nothing was taken. `field` names it. */
export interface SubmitRefusal {
  readonly field: 'from' | 'to' | 'raw'
  readonly message: string
}

export interface Domains {
  list(): Promise<readonly DomainItem[]>
  /** Adds a domain or replaces one that was added here. @throws ControlError 'conflict' for those of the configuration */
  put(domain: DomainInput): Promise<DomainItem>
  /** @throws ControlError */
  remove(name: string): Promise<void>
}
export interface DomainInput {
  readonly name: string
  readonly aliases: readonly { readonly from: string; readonly to: readonly string[] }[]
  readonly catchAll?: string
}

/** Sends caught mail on to real addresses. @throws ControlError 'invalid' for an address that the allow-list has not */
export interface Releaser {
  release(messageId: string, to: readonly string[], by: string): Promise<{ readonly id: string }>
  /** Patterns that an address must fit; none: any address. */
  readonly allow?: readonly string[]
}

export interface ApiOptions {
  /** open: whoever reaches the address may do everything; the catcher on loopback. */
  readonly auth: 'open' | 'login'
  readonly product: 'server' | 'catcher'
  readonly hostname: string
  readonly version: string
  /** 'relay', 'capture', 'hold' or 'discard'. */
  readonly mode: string
  /** Names that a Host header may carry besides loopback names and IP addresses, lower case. */
  readonly hosts: readonly string[]
  readonly messageBytesMax: number
  readonly recipientsMax: number
  /** The sender must be an address of the account that sends. */
  readonly senderMustMatch: boolean
}

/** One HTTP request out, through the guarded fetcher. */
export interface HttpPost {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** Of silence. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

export interface ApiParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly options: ApiOptions
  readonly store: ApiStore
  readonly control: ControlApi
  /** Checks a password; slowed down per account and address. Never rejects for a wrong one. */
  login(account: string, password: string, peerAddress: string): Promise<LoginOutcome>
  /** What the password of an account is checked against; undefined: it is gone, disabled or has no password. Never shown. */
  credentialOf(account: string): string | undefined
  /** Exists and may be used. */
  isEnabled(account: string): boolean
  roleOf(account: string): 'admin' | 'user'
  /** Whether mail from this address may be sent by the account. */
  maySendAs(account: string, address: string): boolean
  newMessageId(): string
  /** Durable when it resolves. Rejects with a StoreFailure. */
  submit(submission: ApiSubmission): Promise<{ readonly id: string } | SubmitRefusal>
  /** Counts of deliveries per minute by destination; oldest first, the same length for all. */
  history(destination: string): {
    readonly delivered: readonly number[]
    readonly deferred: readonly number[]
    readonly failed: readonly number[]
  }
  /** Attempts under way to a destination. */
  activeCount(destination: string): number
  /** What holds for each destination that is relayed to; absent where nothing is. */
  readonly relayLimits?: { readonly connectionsMax: number; readonly recipientsPerMessageMax: number }
  stats(minutes: number): Promise<StatsView>
  accounts(): readonly AccountItem[]
  readonly domains: Domains
  readonly domainDns?: DomainDns
  /** Absent: TLS is off. */
  readonly certificates?: CertificateService
  /** Reports between mail systems. */
  readonly reports?: ReportsService
  readonly inbound: InboundRoutes
  /** Whether a domain (A-labels) is one of ours. */
  isOurs(domain: string): boolean
  configView(): ConfigView
  /**
   * Moves waiting and held deliveries to a destination that the configuration knows; the next start routes by the
   * configuration again. @throws ControlError 'invalid' for a destination that is none
   */
  reroute(
    filter: QueueFilter,
    to: string,
    by: string,
  ): Promise<{ readonly count: number; readonly busyCount: number }>
  /** The answer's status. Rejects with an Error whose message says why, in words fit for an administrator. */
  post(request: HttpPost): Promise<{ readonly status: number; readonly retryAfterSeconds?: number }>
  /** Why nothing may be sent there; undefined: it may. */
  urlProblem(url: string): string | undefined

  readonly checks?: (message: ParsedMessage, raw: Uint8Array) => ChecksView | Promise<ChecksView>
  readonly checkLinks?: (urls: readonly string[], signal: AbortSignal) => Promise<LinkCheckView>
  readonly conversation?: (messageId: string) => Promise<TimelineView['conversation']>
  /** The catcher's. */
  readonly faults?: FaultPlan
  readonly releaser?: Releaser
}
