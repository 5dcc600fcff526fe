// Owns the shapes of the public HTTP API, version 1: what goes over the wire as JSON, and the paths. The routes answer
// these, the console and the test kit read them (types only), the schemas of the requests satisfy them.
// Times are epoch milliseconds, sizes bytes. Errors are problem documents (RFC 9457, problem.ts).

import type { FaultRule } from '../policy/fault-rules.ts'
import type { Waiting } from '../queue/explain.ts'
import type { AttemptNote } from '../queue/types.ts'
import type { MailboxCounts, MailCounts, MailSummary } from '../store/mail-view.ts'
import type { SearchProblem } from '../store/search-syntax.ts'

export type { Fault, FaultMatch, FaultRule, FaultRuleInput, FaultStage } from '../policy/fault-rules.ts'
/** GET /v1/domains/:name/dns (`check=false`: DNS is not asked); POST /v1/domains/:name/dkim/rotate and /activate */
export type {
  DkimChange,
  DkimKeyItem,
  DnsCheckItem,
  DnsFindingCode,
  DnsPurpose,
  DnsRecordItem,
  DnsState,
  DomainDnsView,
} from './routes-domain-dns-types.ts'
export type { AttemptNote, MailboxCounts, MailCounts, MailSummary, SearchProblem }

// ---- who asks: GET, POST, DELETE /v1/session ---------------------------------------------------------------------

/** POST {account, password} sets an HttpOnly cookie; writes by cookie carry `x-posthouse-csrf`. Programs send `Authorization: Bearer`. */
export interface SessionView {
  /** open: the catcher on a loopback address without login. */
  readonly mode: 'open' | 'login'
  readonly authenticated: boolean
  readonly account?: string
  readonly role?: 'admin' | 'user'
  /** To be sent as `x-posthouse-csrf` with every write. */
  readonly csrf?: string
  readonly scopes: readonly Scope[]
  readonly server: {
    readonly version: string
    readonly hostname: string
    readonly mode: string
    readonly product: 'server' | 'catcher'
    /** Kept mail can be sent on to real addresses (POST /v1/messages/:id/release with `to`). */
    readonly canRelease?: boolean
    /** Patterns with `*` that such an address must fit; absent: any address. */
    readonly releaseAllow?: readonly string[]
  }
}

export type Scope = 'mail:read' | 'mail:write' | 'send' | 'queue' | 'admin'

// ---- kept mail: /v1/messages -------------------------------------------------------------------------------------

/** GET /v1/messages?q=&account=&mailbox=&limit=&cursor=&order= */
export interface MailList {
  readonly items: readonly MailSummary[]
  readonly cursor?: string
  /** Of the scope without `q`. */
  readonly counts: MailCounts
  /** What of `q` was not understood, a sentence each; the rest was searched for. */
  readonly warnings: readonly string[]
  /** The same for programs, in the same order; absent where there are none. */
  readonly problems?: readonly SearchProblem[]
  /** Mail that came last is not in the search index yet, and may be missing; the last of `warnings` says so, too. */
  readonly isIncomplete?: true
}

/** GET /v1/messages/wait?q=&to=&from=&subject=&since=&timeout= answers as soon as one is there, or when the time is over. */
export interface WaitView {
  /** The oldest that fits; absent: none came in time. */
  readonly item?: MailSummary
  /** What else came since then, newest first, at most 20: for the message of a test that failed. */
  readonly others: readonly MailSummary[]
}

export interface AddressView {
  readonly name: string
  /** '' where the field has none that can be used. */
  readonly address: string
}

export interface AttachmentView {
  /** 'part' of /v1/messages/:id/parts/:part, as in IMAP: '1.2'; 'uu1'.. for files out of the text. */
  readonly part: string
  readonly filename: string
  readonly contentType: string
  readonly sizeBytes: number
  readonly disposition: string
  readonly contentId?: string
  readonly isRelated: boolean
}

export interface PartView {
  readonly part: string
  readonly contentType: string
  readonly charset?: string
  readonly encoding: string
  readonly disposition: string
  readonly filename?: string
  readonly sizeBytes: number
  readonly children: readonly PartView[]
}

/** GET /v1/messages/:id (kept mail and messages that are only in the queue or its timeline). */
export interface MessageView {
  readonly id: string
  /** Absent where no mailbox keeps it. */
  readonly summary?: MailSummary
  readonly hasBody: boolean
  readonly subject: string
  readonly from: readonly AddressView[]
  readonly sender: readonly AddressView[]
  readonly replyTo: readonly AddressView[]
  readonly to: readonly AddressView[]
  readonly cc: readonly AddressView[]
  readonly bcc: readonly AddressView[]
  readonly date?: number
  readonly messageId?: string
  readonly envelope: { readonly from: string; readonly to: readonly string[] }
  readonly sizeBytes: number
  readonly text: string
  /** Served at /v1/messages/:id/html with a policy of its own; never put this into a page. */
  readonly hasHtml: boolean
  readonly hasRemoteContent: boolean
  readonly attachments: readonly AttachmentView[]
  readonly structure: PartView
  readonly headers: readonly { readonly name: string; readonly value: string }[]
  readonly links: readonly { readonly url: string; readonly text: string }[]
  readonly defects: readonly string[]
  readonly listUnsubscribe?: { readonly urls: readonly string[]; readonly oneClick: boolean }
  readonly calendars: readonly { readonly method: string; readonly text: string }[]
  /** What was checked when it came in, in that order; absent where nothing was. */
  readonly verdicts?: readonly VerdictView[]
  readonly tags: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
}

/** What one check found. Reasons are foreign text. */
export interface VerdictView {
  /** 'spf', 'dkim' (for each signature), 'arc', 'dmarc', 'iprev', 'dnslist', 'greylist', 'first-time', 'rate', 'milter', 'rspamd', 'clamd', 'policy', 'decision'; others may come. */
  readonly check: string
  /** Which one, where there may be several: the zone, the milter's name. */
  readonly name?: string
  /** In the check's own words: 'pass', 'listed', 'temperror', ... (docs/inbound.md) */
  readonly result: string
  readonly meaning: 'good' | 'neutral' | 'bad' | 'error'
  readonly reason?: string
  /** What it asked for: 'refuse', 'defer', 'quarantine'. */
  readonly advice?: string
  /** Of a decision: what decided. */
  readonly by?: string
  /** Whose mail it was judged to be. */
  readonly domain?: string
  /** Of SPF: 'mailfrom' or 'helo'. */
  readonly identity?: string
  readonly selector?: string
  readonly algorithm?: string
  /** Of DMARC: what the domain publishes. */
  readonly policy?: string
  readonly recipient?: string
  readonly tookMs?: number
}

/** GET /v1/messages/:id/timeline */
export interface TimelineView {
  readonly id: string
  readonly receivedAt: number
  readonly origin: Readonly<Record<string, string>>
  readonly deliveries: readonly DeliveryView[]
  readonly events: readonly {
    readonly at: number
    readonly kind: string
    readonly seq?: number
    /** One sentence for people. */
    readonly text: string
    readonly data: Readonly<Record<string, unknown>>
  }[]
  /** The SMTP conversation of how it came, where it was recorded; credentials masked. */
  readonly conversation: readonly {
    readonly at: number
    readonly from: 'C' | 'S' | '-'
    readonly line: string
  }[]
}

/** GET /v1/messages/:id/checks */
export interface ChecksView {
  readonly checks: readonly CheckView[]
  readonly htmlSupport?: HtmlSupportView
}

export interface CheckView {
  /** 'authentication.spf', 'text-part', 'size.clipping', 'list-unsubscribe', 'images.weight', 'accessibility.alt' ... */
  readonly id: string
  readonly level: 'ok' | 'info' | 'warning' | 'error' | 'unknown'
  readonly title: string
  /** What to do about it. */
  readonly advice?: string
  readonly details: readonly string[]
  /** What title and details are made of; absent where they are names and quotations alone. */
  readonly data?: Readonly<Record<string, number | string | readonly string[]>>
}

export interface HtmlSupportView {
  /** 0..100, share of the clients' versions that support all features in use, weighted evenly. */
  readonly score: number
  readonly dataDate: string
  readonly features: readonly {
    readonly slug: string
    readonly title: string
    readonly url: string
    readonly supported: number
    readonly partial: number
    readonly unsupported: number
    readonly clients: readonly {
      readonly family: string
      readonly platform: string
      readonly support: 'y' | 'a' | 'n' | 'u'
      readonly note?: string
    }[]
    /** Where it stands in the HTML: line numbers, at most 20. */
    readonly lines: readonly number[]
  }[]
}

/** POST /v1/messages/:id/links: follows the links through the guarded fetcher, on request only. */
export interface LinkCheckView {
  readonly links: readonly {
    readonly url: string
    readonly status?: number
    readonly error?: string
    readonly finalUrl?: string
  }[]
}

/** PATCH /v1/messages/:id, and POST /v1/messages/actions with ids or q. */
export interface MailActBody {
  readonly act: 'read' | 'unread' | 'star' | 'unstar' | 'tag' | 'untag' | 'delete'
  readonly ids?: readonly string[]
  /** All that the search finds in account and mailbox; '' is everything there. */
  readonly q?: string
  readonly account?: string
  readonly mailbox?: string
  /** For tag and untag. */
  readonly tags?: readonly string[]
}
export interface CountView {
  readonly count: number
}

/** GET /v1/mailboxes, GET /v1/tags */
export interface MailboxesView {
  readonly items: readonly MailboxCounts[]
}
export interface TagsView {
  readonly items: readonly { readonly tag: string; readonly count: number }[]
}

// ---- sending: POST /v1/messages ----------------------------------------------------------------------------------

/** JSON as in posthouse/message (attachments: `content` in base64 with `encoding`), or message/rfc822 with ?from=&to=. */
export interface SendResult {
  readonly id: string
  readonly messageId: string
  readonly accepted: readonly string[]
  readonly scheduledAt?: number
}
export interface SendBatchResult {
  readonly items: readonly (
    | ({ readonly ok: true } & SendResult)
    | {
        readonly ok: false
        readonly error: {
          readonly title: string
          readonly detail?: string
          readonly errors?: readonly { readonly path: string; readonly message: string }[]
        }
      }
  )[]
}

// ---- queue: /v1/queue --------------------------------------------------------------------------------------------

export interface DeliveryView {
  /** '<message>-<seq>' */
  readonly id: string
  readonly messageId: string
  readonly recipient: string
  readonly domain: string
  readonly destination: string
  readonly state: 'waiting' | 'active' | 'held'
  readonly receivedAt: number
  readonly reversePath: string
  readonly nextTryAt?: number
  readonly expiresAt: number
  readonly attemptCount: number
  readonly lastError?: string
  readonly lastStatus?: string
  readonly lastAttemptAt?: number
  /** Why it waits, in plain sentences. */
  readonly explanation: string
  /** The same for programs. */
  readonly waiting?: WaitingView
}
export interface WaitingView {
  readonly kind: Waiting
  readonly heldBy?: string
  readonly heldReason?: string
  /** The other side said how long to wait; else waits grow with each attempt. */
  readonly askedToWait?: boolean
  /** A connection was lost behind the whole message: it may arrive twice. */
  readonly mayHaveDelivered?: boolean
  /** With 'destination-down'. */
  readonly down?: {
    readonly since: number
    readonly failureCount: number
    readonly lastError: string
    /** When one delivery probes it. */
    readonly probeAt: number
  }
}
/** GET /v1/queue?destination=&domain=&state=&limit=&cursor= */
export interface QueueList {
  readonly items: readonly DeliveryView[]
  readonly cursor?: string
}
/** GET /v1/queue/destinations */
export interface DestinationsView {
  readonly items: readonly DestinationView[]
  readonly waiting: number
  readonly active: number
  readonly held: number
  readonly oldestDueAt?: number
}
export interface DestinationView {
  readonly destination: string
  readonly waiting: number
  readonly active: number
  readonly held: number
  readonly nextDueAt?: number
  /** When the oldest message that waits or is held there was received. */
  readonly oldestAt?: number
  readonly lastError?: string
  readonly blockedUntil?: number
  readonly failureCount: number
  /** At once: connections, and recipients in one transaction. */
  readonly limits?: { readonly connectionsMax: number; readonly recipientsPerMessageMax: number }
  /** Per minute, the last 60, oldest first. */
  readonly history: {
    readonly delivered: readonly number[]
    readonly deferred: readonly number[]
    readonly failed: readonly number[]
  }
}
/** POST /v1/queue/actions */
export interface QueueActBody {
  readonly act: 'hold' | 'release' | 'retry' | 'bounce' | 'delete' | 'reroute'
  readonly filter: {
    readonly ids?: readonly string[]
    readonly destination?: string
    readonly domain?: string
    readonly state?: 'waiting' | 'held'
  }
  /** Needed for an empty filter. */
  readonly all?: boolean
  /** For reroute: 'smtp:host:port' and the like. */
  readonly to?: string
}
export interface QueueActView {
  readonly count: number
  readonly busyCount: number
}

// ---- numbers over time: GET /v1/stats?minutes=60 ------------------------------------------------------------------

export interface StatsView {
  readonly now: number
  readonly startedAt: number
  /** Buckets of `stepMs`, oldest first; all series have as many. */
  readonly stepMs: number
  readonly at: readonly number[]
  readonly series: {
    readonly accepted: readonly number[]
    readonly refused: readonly number[]
    readonly delivered: readonly number[]
    readonly deferred: readonly number[]
    readonly failed: readonly number[]
    /** Milliseconds from acceptance to delivery, median and 95th; null where nothing was delivered. */
    readonly latencyP50: readonly (number | null)[]
    readonly latencyP95: readonly (number | null)[]
    readonly connections: readonly number[]
  }
  readonly queue: {
    readonly waiting: number
    readonly active: number
    readonly held: number
    readonly oldestDueAt?: number
  }
  readonly memoryRssBytes: number
  readonly diskFreeBytes?: number
  readonly listeners: readonly {
    readonly name: string
    readonly address: string
    readonly port: number
    readonly tls: string
    readonly connectionCount: number
  }[]
  readonly version: string
  readonly hostname: string
  readonly mode: string
}

// ---- events: GET /v1/events (SSE; `Last-Event-ID` resumes) ---------------------------------------------------------

/** `event:` is the kind, `id:` the number, `data:` this as JSON. 'hello' comes first with the head; 'lost' where entries are gone: load anew. */
export interface EventView {
  readonly seq: number
  readonly at: number
  readonly kind: string
  readonly messageId?: string
  readonly data: Readonly<Record<string, unknown>>
}

// ---- administration ----------------------------------------------------------------------------------------------

/** /v1/accounts */
export interface AccountItem {
  readonly name: string
  readonly enabled: boolean
  readonly source: 'config' | 'store'
  readonly hasPassword: boolean
  readonly role: 'admin' | 'user'
  readonly createdAt?: number
}
/** /v1/domains */
export interface DomainItem {
  readonly name: string
  readonly source: 'config' | 'store'
  readonly accountCount: number
  readonly aliases: readonly { readonly from: string; readonly to: readonly string[] }[]
  readonly catchAll?: string
}
/** /v1/tokens; the secret comes once, with POST. */
export interface TokenItem {
  readonly id: string
  readonly name: string
  readonly scopes: readonly Scope[]
  /** Only this account's mail, or this inbox of the catcher. */
  readonly account?: string
  readonly mailbox?: string
  readonly createdAt: number
  readonly lastUsedAt?: number
  readonly expiresAt?: number
}
export interface TokenCreated extends TokenItem {
  readonly secret: string
}
/** /v1/webhooks */
export interface WebhookItem {
  readonly id: string
  readonly url: string
  readonly kinds: readonly string[]
  readonly enabled: boolean
  readonly createdAt: number
  readonly state: {
    readonly deliveredSeq: number
    readonly failureCount: number
    readonly lastError?: string
    readonly nextTryAt?: number
    readonly deadCount: number
  }
}
/** The key that requests are signed with; comes once, with POST. */
export interface WebhookCreated extends WebhookItem {
  readonly secret: string
}
/** GET /v1/webhooks/:id/dead; POST /v1/webhooks/:id/dead/:seq sends one again. */
export interface DeadLettersView {
  readonly items: readonly {
    readonly seq: number
    readonly at: number
    readonly kind: string
    readonly messageId?: string
    readonly attemptCount: number
    readonly lastError: string
    readonly diedAt: number
  }[]
}
/** POST /v1/webhooks/:id/test */
export interface WebhookTestView {
  readonly ok: boolean
  readonly status?: number
  readonly error?: string
  readonly durationMs: number
}
/** /v1/routes: mail of an address as HTTP requests. */
export interface InboundRouteItem {
  readonly id: string
  readonly address: string
  readonly url: string
  readonly format: 'parsed' | 'raw'
  readonly enabled: boolean
}
/** The key that requests are signed with; comes once, with POST. */
export interface InboundRouteCreated extends InboundRouteItem {
  readonly secret: string
}
/** GET /v1/config: as `posthouse config explain` says it; secrets masked. */
export interface ConfigView {
  readonly file?: string
  readonly items: readonly {
    readonly key: string
    readonly value: unknown
    readonly source: 'default' | 'file' | 'environment' | 'flag'
    readonly help?: string
  }[]
}

/** GET /v1/certificates; POST /v1/certificates/renew asks for new ones now. Most wanted first; the one without a name is last. */
export interface CertificatesView {
  readonly items: readonly CertificateItem[]
  /** Absent: no authority is asked for certificates. */
  readonly authority?: {
    readonly directory: string
    readonly challenge: 'http-01' | 'dns-01'
    /** What stands in the way of all of them, a sentence. */
    readonly problem?: string
  }
}
export interface CertificateItem {
  /** 'host', 'mta-sts.example.test', 'file 1', 'self-signed'. */
  readonly id: string
  readonly source: 'acme' | 'files' | 'self-signed'
  /**
   * ok: in use. due: the next one is to be had now. waiting: something has to be done first (`error` says what). failing:
   * the last try failed (`error`). expired: nobody who looks believes it. missing: there is none yet.
   */
  readonly state: 'ok' | 'due' | 'waiting' | 'failing' | 'expired' | 'missing'
  /** Names that it is for; of one that is missing, the names that it will be for. */
  readonly names: readonly string[]
  readonly issuer?: string
  readonly validFromAt?: number
  readonly validToAt?: number
  /** 'EC prime256v1' */
  readonly key?: string
  /** Hex, of the DER. */
  readonly sha256?: string
  /** Listeners that show it: 'mx', 'submission', 'submissions', 'https'. */
  readonly usedBy: readonly string[]
  /** Shown to clients that ask for no name, or for one that there is no certificate for. */
  readonly isDefault: boolean
  readonly nextRenewalAt?: number
  readonly lastRenewedAt?: number
  /** Tries since the last success. */
  readonly failureCount: number
  readonly error?: {
    readonly at: number
    readonly text: string
    /** RFC 8555 section 6.7: 'urn:ietf:params:acme:error:rateLimited'. */
    readonly type?: string
    /** The next try. */
    readonly retryAt?: number
  }
  /** What a person has to publish now, lines of a zone file. */
  readonly publish?: readonly string[]
  /** The TLSA record of its key ('3 1 1 ...'), and of the announced next one. */
  readonly tlsa?: string
  readonly nextTlsa?: string
}

// ---- reports between mail systems: /v1/reports/... ---------------------------------------------------------------------

export type ReportKind = 'tls-rpt' | 'dmarc-aggregate' | 'dmarc-failure'

/** GET /v1/reports/received?kind=&domain=&limit=&cursor=; those of the latest day first. All texts of a report are foreign. */
export interface ReceivedReportList {
  readonly items: readonly ReceivedReportItem[]
  readonly cursor?: string
}
export interface ReceivedReportItem {
  readonly id: string
  readonly kind: ReportKind
  /** unreadable: it says what it is and could not be read; `defects` say why, the mail is kept as it came. */
  readonly state: 'read' | 'unreadable'
  readonly organization: string
  readonly contact: string
  readonly reportId: string
  /** What it tells of, epoch ms. */
  readonly startAt: number
  readonly endAt: number
  readonly receivedAt: number
  readonly source: 'mail' | 'http'
  /** Reverse-path of the mail, or address of the client. */
  readonly from: string
  /** The kept mail, where it came as one. */
  readonly messageId?: string
  /** Domains whose DKIM signature was good when it came in. */
  readonly signedBy: readonly string[]
  /** Domains that it tells of, at most 20; `domainCount` says how many there are. */
  readonly domains: readonly string[]
  readonly domainCount: number
  /** TLS sessions, or messages. */
  readonly successCount: number
  readonly failureCount: number
  readonly defects: readonly string[]
}
/** GET /v1/reports/received/:id */
export interface ReceivedReportView extends ReceivedReportItem {
  readonly totals: readonly {
    readonly domain: string
    readonly successCount: number
    readonly failureCount: number
  }[]
  /** By kind. tls-rpt: TlsReportHead. dmarc-aggregate: DmarcAggregateHead. dmarc-failure: DmarcFailureHead. */
  readonly head: Readonly<Record<string, unknown>>
  /**
   * By kind, the first ones of `rowCount`. tls-rpt: TlsReportRow. dmarc-aggregate: DmarcReportRow, those of most messages
   * first. dmarc-failure: fields of the message's header, raw: { name, value }.
   */
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  readonly rowCount: number
}
export interface TlsReportHead {
  /** At most 50. */
  readonly policies: readonly {
    readonly type: 'tlsa' | 'sts' | 'no-policy-found'
    readonly domain: string
    /** Lines of the policy, or TLSA records; at most 20. */
    readonly strings: readonly string[]
    readonly mxHosts: readonly string[]
    readonly successCount: number
    readonly failureCount: number
  }[]
  readonly policyCount: number
}
/** One way in which sessions failed. */
export interface TlsReportRow {
  readonly policyDomain: string
  readonly policyType: 'tlsa' | 'sts' | 'no-policy-found'
  /** RFC 8460 section 4.3: 'certificate-host-mismatch', ... */
  readonly resultType: string
  readonly failedSessionCount: number
  readonly sendingMtaIp?: string
  readonly receivingMxHostname?: string
  readonly receivingMxHelo?: string
  readonly receivingIp?: string
  readonly additionalInformation?: string
  readonly failureReasonCode?: string
}
export interface DmarcAggregateHead {
  /** What the reporter found published. */
  readonly policy: {
    readonly domain: string
    readonly p: 'none' | 'quarantine' | 'reject' | 'unknown'
    readonly sp?: 'none' | 'quarantine' | 'reject'
    readonly np?: 'none' | 'quarantine' | 'reject'
    readonly adkim?: 'r' | 's'
    readonly aspf?: 'r' | 's'
    readonly fo?: string
    readonly testing?: boolean
    readonly discoveryMethod?: 'psl' | 'treewalk'
    readonly pct?: number
  }
  readonly form: 'rfc9990' | 'rfc7489'
  readonly extraContact: string
  readonly generator: string
  /** What the reporter found wrong with our record. */
  readonly errors: readonly string[]
  readonly recordCount: number
  readonly messageCount: number
  /** At most 40, most mail first. */
  readonly sources: readonly DmarcSourceItem[]
}
export type DmarcDisposition = 'none' | 'pass' | 'quarantine' | 'reject' | 'unknown'
/** So many messages that are alike in all of this. */
export interface DmarcReportRow {
  /** '' where the report has what is no address. */
  readonly sourceIp: string
  readonly count: number
  readonly disposition: DmarcDisposition
  readonly dkimAligned: 'pass' | 'fail' | 'unknown'
  readonly spfAligned: 'pass' | 'fail' | 'unknown'
  readonly reasons: readonly { readonly type: string; readonly comment?: string }[]
  readonly headerFrom: string
  /** '' is the null reverse-path. */
  readonly envelopeFrom?: string
  readonly envelopeTo?: string
  readonly dkim: readonly {
    readonly domain: string
    readonly selector: string
    readonly result: string
    readonly humanResult?: string
  }[]
  readonly spf: readonly {
    readonly domain: string
    readonly scope?: 'mfrom' | 'helo'
    readonly result: string
    readonly humanResult?: string
  }[]
}
/** All raw text of a stranger. */
export interface DmarcFailureHead {
  readonly authFailure: string
  /** Mechanisms that did not align. */
  readonly identityAlignment: readonly string[]
  readonly deliveryResult: string
  readonly sourceIp: string
  readonly reportedDomains: readonly string[]
  readonly authenticationResults: readonly string[]
  readonly originalMailFrom: string
  readonly originalRecipients: readonly string[]
  readonly userAgent: string
  readonly reportingMta: string
  readonly arrivedAt?: number
  readonly incidents: number
  readonly dkim?: { readonly domain: string; readonly identity: string; readonly selector: string }
  readonly subject: string
  readonly from: string
  readonly messageId: string
}
/** GET /v1/reports/dmarc?domain=&days=&limit=; who sends as our domains, by what others report. */
export interface DmarcSourcesView {
  readonly reportCount: number
  readonly passCount: number
  readonly failCount: number
  /** What was done with the messages of the sources. */
  readonly dispositions: Readonly<Partial<Record<DmarcDisposition, number>>>
  /** Most mail first. */
  readonly sources: readonly DmarcSourceItem[]
  readonly sourceCount: number
  /** Messages of sources that large reports do not keep apart. */
  readonly otherCount: number
  /** Most messages first, at most 50. */
  readonly reporters: readonly { readonly organization: string; readonly messageCount: number }[]
}
export interface DmarcSourceItem {
  readonly ip: string
  readonly count: number
  readonly passCount: number
  readonly failCount: number
  readonly dkimAlignedCount: number
  readonly spfAlignedCount: number
  readonly dispositions: Readonly<Partial<Record<DmarcDisposition, number>>>
  /** What it sent as, at most 5. */
  readonly headerFrom: readonly string[]
  /** Domains of signatures and reverse-paths that passed, at most 5. */
  readonly authenticated: readonly string[]
}
/** GET /v1/reports/summary?domain=&kind=&days=; every day is there, oldest first. */
export interface ReportSummaryView {
  readonly days: readonly {
    /** '2026-11-21', UTC */
    readonly day: string
    readonly kinds: readonly {
      readonly kind: ReportKind
      readonly reportCount: number
      readonly successCount: number
      readonly failureCount: number
    }[]
  }[]
  /** Domains that reports of these days tell of, at most 200. */
  readonly domains: readonly string[]
}
/** GET /v1/reports/sent?kind=&domain=&limit=&cursor=; the latest day first. POST /v1/reports/sent/now tries what waits. */
export interface SentReportList {
  readonly items: readonly SentReportItem[]
  readonly cursor?: string
}
export interface SentReportItem {
  readonly id: string
  readonly kind: ReportKind
  /** Whom it is about and, as a rule, for. */
  readonly domain: string
  /** '2026-11-21', UTC */
  readonly day: string
  readonly reportId: string
  /** sent: every destination took it, or the queue delivered it. partly: some did not. failed: given up, nobody took it. */
  readonly state: 'waiting' | 'sent' | 'partly' | 'failed'
  readonly attemptCount: number
  /** Of a waiting one. */
  readonly nextTryAt?: number
  /** What it waits for, or why it failed, where no destination says it. */
  readonly note?: string
  readonly destinations: readonly {
    readonly uri: string
    /** queued: our queue has the mail, see the timeline of `messageId`. */
    readonly state: 'waiting' | 'queued' | 'sent' | 'failed' | 'refused'
    readonly at?: number
    /** The other side's words, or ours. */
    readonly said?: string
    readonly messageId?: string
  }[]
}

// ---- the catcher's faults: /v1/faults, /v1/faults/:id, /v1/faults/profiles/:name, /v1/faults/restart ------------------------------------------------------------------------------

export interface FaultsView {
  readonly seed: number
  readonly items: readonly FaultRule[]
  readonly profiles: readonly { readonly name: string; readonly text: string }[]
}
