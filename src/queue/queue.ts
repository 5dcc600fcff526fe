// Owns the contract of the queue with those who use it, and its constructor. The work is in mail-queue.ts.

import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import type { Random } from '../base/random.ts'
import type { LaneLimits } from './lane.ts'
import { MailQueue } from './mail-queue.ts'
import type { Act } from './outcomes.ts'
import type { ReportOptions, Route } from './reports.ts'
import type { RetryOptions } from './retry.ts'
import type { DeliverySeed } from './schedule.ts'
import type { DestinationState, QueueFilter, QueueStore } from './store.ts'
import type { Transport } from './transport.ts'
import type { Delivery, MessageId, NewMessage } from './types.ts'

export interface QueueOptions {
  readonly store: QueueStore
  /** Asked once per destination and period of activity; must be cheap and never throw. */
  readonly transport: (destination: string) => Transport
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metrics: Metrics
  /** Message ids for reports. */
  readonly ids: () => string
  readonly hostname: string
  /** Over the defaults; `delayNoticeAfterMs: undefined` sends no delay notices. */
  readonly retry?: RetryOptions
  /** Default: 20 jobs at once, 100 recipients a job. */
  readonly limits?: (destination: string) => LaneLimits
  /** Where our own reports go. */
  readonly route: Route
  readonly dsn?: Omit<ReportOptions, 'hostname'>
  /** Bodies and rows handed over in memory; beyond it what is accepted waits in the store. Default 64 MiB. */
  readonly memoryBytesMax?: number
  /** Jobs under way at once over all destinations; default 1000. */
  readonly jobsMax?: number
  /** Results not written yet beyond which nothing more is dialed; default 2000. */
  readonly unsettledMax?: number
  /** Deliveries read from the store and not dialed yet; default 5000. */
  readonly readyMax?: number
  /** An invariant broke or the store was closed under us: the process has to stop. Called once. */
  readonly onFatal: (error: unknown) => void
}

export interface ActOptions {
  /** Who asks; 'operator' when absent. */
  readonly by?: string
  readonly reason?: string
}

export interface ActResult {
  /** Deliveries it was done to. */
  readonly count: number
  /** Left alone because an attempt is under way. */
  readonly busyCount: number
  /** Of the busy ones: hold, delete and bounce are done to them when the attempt ends without success. */
  readonly markedCount: number
  /** There are more than one call takes (50,000): ask again. */
  readonly more: boolean
}

/** What is done with a delivery at this moment, for `explain`. */
export type Activity = 'ready' | 'dialing' | 'settling'

export interface QueueCounts {
  readonly readyDeliveries: number
  readonly dialingJobs: number
  readonly openWrites: number
  readonly memoryBytes: number
  readonly blockedDestinations: number
  readonly storeFailing: boolean
}

export interface Queue {
  /**
   * Durable when it resolves; rejects with the store's failure. Rows made by `schedule` and active are handed over in
   * memory where there is room, else they are written as waiting and due now. Others are written as they are.
   */
  accept(message: NewMessage): Promise<void>
  /** The row of a new delivery, to be given to `accept`. */
  schedule(seed: DeliverySeed, now: number): Delivery
  /** Recovers what was under way when we died, then delivers until `stop`. */
  start(): Promise<void>
  /**
   * Dials nothing more, waits `graceMs` (default 10 s) for attempts, aborts the rest, gives back what was not dialed and
   * resolves when all is written (or cannot be within the same bound again). `accept` works on: rows wait for the next start.
   */
  stop(options?: { readonly graceMs?: number }): Promise<void>
  act(act: Act, filter: QueueFilter, options?: ActOptions): Promise<ActResult>
  hold(filter: QueueFilter, options?: ActOptions): Promise<ActResult>
  /** Held deliveries are due now; expired ones get a whole period again. */
  release(filter: QueueFilter, options?: ActOptions): Promise<ActResult>
  /** Waiting deliveries are due now, and their destinations are tried at once if they are down. */
  retryNow(filter: QueueFilter, options?: ActOptions): Promise<ActResult>
  /** They fail now, and their senders are told. */
  bounceNow(filter: QueueFilter, options?: ActOptions): Promise<ActResult>
  /** They are removed, and nobody is told. */
  delete(filter: QueueFilter, options?: ActOptions): Promise<ActResult>
  /** Rows were changed behind the queue's back: look at the store now. */
  wake(): void
  /** Destinations that were down the last time. */
  downDestinations(): readonly DestinationState[]
  destinationState(destination: string): DestinationState | undefined
  activity(messageId: MessageId, seq: number): Activity | undefined
  counts(): QueueCounts
}

export function createQueue(options: QueueOptions): Queue {
  return new MailQueue(options)
}
