// Owns ControlApi: what operators can ask of a running server. `posthouse` implements it, the HTTP routes and the CLI
// call it. It knows no HTTP: a wrong request is a ControlError, a failing disk a StoreFailure.

import type { DestinationState, QueueFilter } from '../queue/store.ts'
import type { BodyReader } from '../queue/transport.ts'
import type { Message, MessageId } from '../queue/types.ts'
import type { MailPage } from '../store/mail-view.ts'
import type {
  MailListItem,
  MailQuery,
  MessageView,
  Page,
  QueueListItem,
  QueueListQuery,
  QueueStats,
} from '../store/store.ts'
import type { LocalSubmission } from './local-submission.ts'

/**
 * not-found: no such thing. conflict: it exists already, or stands in the configuration file, which is read-only here.
 * invalid: the request makes no sense. busy: try again.
 */
export type ControlErrorCode = 'not-found' | 'conflict' | 'invalid' | 'busy'

/** The request cannot be met; `message` is a sentence for the person who asked. */
export class ControlError extends Error {
  override readonly name = 'ControlError'
  readonly code: ControlErrorCode
  constructor(code: ControlErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

export interface ListenerStatus {
  /** 'mx', 'submission', 'submissions', 'lmtp', 'http'. */
  readonly name: string
  readonly address: string
  readonly port: number
  readonly tls: 'none' | 'starttls' | 'implicit'
  /** Open now. */
  readonly connectionCount: number
}

export interface ServerStatus {
  readonly version: string
  readonly state: 'starting' | 'ready' | 'stopping'
  readonly pid: number
  readonly hostname: string
  readonly dataDir: string
  /** Absent where the configuration is the built-in one or an object. */
  readonly configFile?: string
  readonly mode: 'relay' | 'capture' | 'hold' | 'discard'
  readonly domains: readonly string[]
  readonly startedAt: number
  readonly now: number
  readonly listeners: readonly ListenerStatus[]
  readonly counts: {
    readonly waiting: number
    readonly active: number
    readonly held: number
    readonly oldestDueAt?: number
  }
  /** Rows that could not be read since the start. */
  readonly quarantinedCount?: number
  /** Messages of the spool: handed in while no server ran, and those of them that could not be taken. */
  readonly spool?: { readonly waiting: number; readonly bad: number; readonly folder: string }
}

export interface Health {
  readonly ready: boolean
  /** Why not, a sentence each: 'the disk is full', 'stopping'. */
  readonly problems: readonly string[]
}

export type QueueAct = 'hold' | 'release' | 'retry' | 'bounce' | 'delete'
export const queueActs: readonly QueueAct[] = ['hold', 'release', 'retry', 'bounce', 'delete']

export interface QueueActResult {
  /** Deliveries it was done to. */
  readonly count: number
  /** Deliveries left alone because an attempt is under way. */
  readonly busyCount: number
}

/** All that is known of a message, and why its deliveries wait. */
export interface MessageReport extends MessageView {
  /** State of the destinations of its live deliveries that are blocked now. */
  readonly destinations: readonly DestinationState[]
  readonly now: number
}

export interface AccountView {
  /** 'alice@example.test' */
  readonly name: string
  readonly enabled: boolean
  /** config: stands in the configuration file and is changed there. */
  readonly source: 'config' | 'store'
  /** false: cannot log in. */
  readonly hasPassword: boolean
  /** Epoch ms; absent for those of the configuration. */
  readonly createdAt?: number
}

export interface AccountSecret {
  readonly name: string
  /** Set where we made it: shown once. */
  readonly password?: string
}

export type MailWhich =
  /** For reading the first, for deleting every mailbox row of this message. */
  | { readonly messageId: MessageId }
  | { readonly account: string; readonly mailbox: string; readonly uid: number }

export interface MailFound extends MailPage {
  /** Sentences for people: what of the search was left out or taken as words. */
  readonly warnings: readonly string[]
}

/** Everything may reject with a {@link ControlError} or a StoreFailure. */
export interface ControlApi {
  status(): Promise<ServerStatus>
  /** Quick; asked by probes. */
  health(): Promise<Health>
  /** Begins a graceful stop and returns at once. */
  stop(): void

  /**
   * A message from a program of this machine, as `sendmail` hands it in. Durable when it resolves; its line ends may be
   * any. 'not-found': a recipient that cannot be; 'invalid': a sender or a message that cannot be. Nothing was taken then.
   */
  submit(submission: LocalSubmission, message: AsyncIterable<Uint8Array>): Promise<{ readonly id: MessageId }>

  queueList(query: QueueListQuery): Promise<Page<QueueListItem>>
  queueStats(): Promise<QueueStats>
  queueAct(act: QueueAct, filter: QueueFilter): Promise<QueueActResult>
  /** Newest first, live and finished. */
  recentMessages(limit: number, cursor?: string): Promise<Page<Message>>
  messageReport(id: MessageId): Promise<MessageReport | undefined>
  /** The stored body of a message, live or kept. */
  messageOpen(id: MessageId): Promise<BodyReader | undefined>

  mailList(query: MailQuery): Promise<Page<MailListItem>>
  /** `text` in the syntax of store/search-syntax.ts; newest first. */
  mailSearch(text: string, query: MailQuery): Promise<MailFound>
  mailOpen(
    which: MailWhich,
  ): Promise<{ readonly item: MailListItem; readonly prefix: string; readonly body: BodyReader } | undefined>
  /** How many mailbox rows went. */
  mailDelete(which: readonly MailWhich[]): Promise<number>

  accountList(): Promise<readonly AccountView[]>
  /** Without a password one is made and returned. A name without domain goes to the only domain, else 'invalid'. */
  accountAdd(name: string, password?: string): Promise<AccountSecret>
  accountSetPassword(name: string, password?: string): Promise<AccountSecret>
  accountSetEnabled(name: string, enabled: boolean): Promise<void>
  accountDelete(name: string): Promise<void>
}
