// Owns QueueStore: what the queue needs of a store. Each call that writes is durable when its promise resolves;
// calls that arrive while a commit is under way share the next one. Rejects with a StoreFailure.

import type { RetryCurve } from './retry-curve.ts'
import type { BodyReader } from './transport.ts'
import type {
  Delivery,
  DeliveryId,
  Message,
  MessageId,
  NewMessage,
  Placement,
  TimelineEvent,
} from './types.ts'

/** The disk or the database failed; nothing was written by the rejected call. */
export class StoreFailure extends Error {
  override readonly name = 'StoreFailure'
  /** full: no space (452 4.3.1). failed: any other (451 4.3.0). corrupt: a row cannot be read. closed: shutting down. */
  readonly code: 'full' | 'failed' | 'corrupt' | 'closed'
  constructor(
    code: 'full' | 'failed' | 'corrupt' | 'closed',
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options)
    this.code = code
  }
}

/** What becomes of one delivery after an attempt or an operator's act. */
export interface DeliveryChange {
  readonly messageId: MessageId
  readonly seq: number
  /** remove: final, the row goes (its body too when it was the last reference). update: the new row. */
  readonly to:
    | { readonly kind: 'remove'; readonly placement?: Placement }
    | { readonly kind: 'update'; readonly delivery: Delivery }
}

export interface Settlement {
  readonly changes: readonly DeliveryChange[]
  /** DSNs born of it. */
  readonly newMessages: readonly NewMessage[]
  readonly events: readonly TimelineEvent[]
}

export interface DestinationState {
  readonly destination: string
  /** Consecutive attempts that could not reach it. */
  readonly failureCount: number
  /** Nothing is tried before this. */
  readonly blockedUntil: number
  readonly downSince: number
  readonly lastError: string
}

export interface DueQuery {
  readonly now: number
  /** Destinations that take no more now (limit reached). */
  readonly exclude: ReadonlySet<string>
  readonly destinationsMax: number
  readonly deliveriesPerDestinationMax: number
  /** Data, because it travels to the thread that writes. */
  readonly retry: RetryCurve
}

export interface DueDelivery {
  readonly message: Message
  readonly delivery: Delivery
}

export interface QueueStore {
  /** One transaction (shared with whoever came at the same time). A message that fails alone rejects alone. */
  accept(message: NewMessage): Promise<void>
  /** Rejected: the very same settlement is given again until it is written; so a removal of a row that is gone is no error. */
  /** May be repeated when its answer was lost: rows that are gone stay gone, a new message that is there is left as it is. */
  settle(settlement: Settlement): Promise<void>
  /**
   * Leases due deliveries: in one transaction they become active with attemptCount + 1 and `dueAt` = the next try of
   * `query.retry` (nextTryAt in retry-curve.ts), so that a crash never hammers a peer. Blocked destinations are left
   * out. Oldest due first.
   */
  takeDue(query: DueQuery): Promise<readonly DueDelivery[]>
  /** Earliest instant at which takeDue or takeDeadlines may have something, or undefined. `exclude` as in DueQuery. */
  nextDueAt(exclude: ReadonlySet<string>): Promise<number | undefined>
  /** Waiting deliveries whose expiresAt or delayNoticeAt has passed (whether their destination is blocked or not). Leased too: they become active. */
  takeDeadlines(now: number, max: number): Promise<readonly DueDelivery[]>
  setDestination(state: DestinationState): Promise<void>
  clearDestination(destination: string): Promise<void>
  /** At start, before the first takeDue: every active row becomes waiting with the dueAt it has stored. Returns how many. */
  recover(): Promise<number>
  destinations(): Promise<readonly DestinationState[]>
  openBody(messageId: MessageId): Promise<BodyReader>
  /**
   * Current rows for an operator's act, leased as active in the same transaction so that no attempt starts meanwhile;
   * rows being attempted are left out and reported as busy. `delivery.state` says what each row was ('waiting' or
   * 'held'); after a crash before the settle it is that again.
   */
  takeByFilter(
    filter: QueueFilter,
    max: number,
  ): Promise<{ readonly taken: readonly DueDelivery[]; readonly busyCount: number }>
}

export interface QueueFilter {
  /** Message or delivery ids. */
  readonly ids?: readonly (MessageId | DeliveryId)[]
  readonly destination?: string
  readonly domain?: string
  readonly state?: 'waiting' | 'held'
}
