// Owns the life of deliveries between the commit that took them in and the one that ends them: hand-over in memory, which
// destination is dialed when, settling, retries, expiry, reports, operators' acts. It holds no more than bounded work in
// memory; everything else waits in the store. It knows no socket and no SQL, and reads only the given clock.
// RFC 5321 section 4.5.4 (queues), RFC 3461 (DSN).

import { AssertionFailed, assert } from '../base/assert.ts'
import type { Clock, Timer } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { expandAliases } from './expansion.ts'
import { Fifo } from './fifo.ts'
import { defaultLaneLimits, Job, Lane, type LaneLimits, type Mark, type MemoryHold } from './lane.ts'
import { MemoryBody } from './memory-body.ts'
import { OperatorActs } from './operator-acts.ts'
import {
  type Act,
  type Consequences,
  consequences,
  type MessageEffects,
  meetDeadline,
  nothingYet,
  type Report,
} from './outcomes.ts'
import type { Activity, ActOptions, ActResult, Queue, QueueCounts, QueueOptions } from './queue.ts'
import { createQueueMetrics, type QueueMetrics } from './queue-metrics.ts'
import { makeReports, type ReportContext } from './reports.ts'
import { destinationDelayMs, type RetryPolicy, retryPolicy } from './retry.ts'
import { type DeliverySeed, giveBack, scheduleDelivery } from './schedule.ts'
import {
  type DestinationState,
  type DueDelivery,
  type QueueFilter,
  type QueueStore,
  type Settlement,
  StoreFailure,
} from './store.ts'
import { StoreWatch, type Taken } from './store-watch.ts'
import type { BodyReader, TransportResult } from './transport.ts'
import type { Delivery, Message, MessageId, NewMessage, Outcome } from './types.ts'
import { Writer } from './writer.ts'

const takePerDestination = 100
const takeDestinations = 100
const deadlinesMax = 500
const rowsPerSettlement = 500
const safetyPollMs = 60_000
/** Memory that a delivery takes besides its body, roughly. */
const rowBytes = 1024

export class MailQueue implements Queue {
  readonly #options: QueueOptions
  readonly #store: QueueStore
  readonly #clock: Clock
  readonly #now: () => number
  readonly #log: Log
  readonly #retry: RetryPolicy
  readonly #limits: (destination: string) => LaneLimits
  readonly #memoryBytesMax: number
  readonly #jobsMax: number
  readonly #unsettledMax: number
  readonly #readyMax: number
  readonly #metrics: QueueMetrics
  readonly #writer: Writer
  readonly #reports: ReportContext
  readonly #watch: StoreWatch
  readonly #acts: OperatorActs
  readonly #abort = new AbortController()

  readonly #lanes = new Map<string, Lane>()
  /** Lanes that can start a job, in turns: fair across destinations. */
  readonly #ring = new Fifo<Lane>()
  #pumping = false
  #jobCount = 0
  #readyDeliveries = 0
  #memoryBytes = 0
  /** Commits and report makings under way: stop waits for them. */
  #pending = 0

  #state: 'new' | 'running' | 'stopping' | 'stopped' = 'new'
  #fatal = false
  #poll: Timer | undefined = undefined
  #quiet: (() => void)[] = []

  constructor(options: QueueOptions) {
    this.#options = options
    this.#store = options.store
    this.#clock = options.clock
    this.#now = () => options.clock.now()
    this.#log = options.log
    this.#retry = retryPolicy(options.retry)
    this.#limits = options.limits ?? (() => defaultLaneLimits)
    this.#memoryBytesMax = options.memoryBytesMax ?? 64 * 1024 * 1024
    this.#jobsMax = options.jobsMax ?? 1000
    this.#unsettledMax = options.unsettledMax ?? 2000
    this.#readyMax = options.readyMax ?? 5000
    this.#metrics = createQueueMetrics(options.metrics, {
      counts: () => this.counts(),
      oldestDueSeconds: () => this.#oldestDueSeconds(),
    })
    this.#writer = new Writer({
      clock: options.clock,
      log: options.log,
      failures: this.#metrics.settleFailures,
      canary: () => options.store.settle({ changes: none, newMessages: none, events: none }),
      onFatal: (error) => this.#die(error),
      onChange: () => this.#changed(),
    })
    this.#reports = {
      ids: options.ids,
      route: options.route,
      retry: this.#retry,
      options: { ...options.dsn, hostname: options.hostname },
      log: options.log,
    }
    this.#watch = new StoreWatch({
      clock: options.clock,
      log: options.log,
      isRunning: () => this.#state === 'running' && !this.#fatal,
      take: (now) => this.#takeDue(now),
      onFatal: (error) => this.#die(error),
      onChange: () => this.#changed(),
    })
    this.#acts = new OperatorActs({
      store: options.store,
      policy: this.#retry,
      log: options.log,
      now: this.#now,
      lanes: () => this.#lanes.values(),
      settleAll: (effects) => this.#settleAll(effects),
      forget: (job) => this.#releaseHold(job),
      tookReady: (count) => void (this.#readyDeliveries -= count),
      probe: (lane) => this.#probe(lane),
      look: () => this.#watch.look(),
    })
  }

  // ---- taking in ----

  schedule(seed: DeliverySeed, now: number): Delivery {
    return scheduleDelivery(this.#retry, seed, now)
  }

  accept(incoming: NewMessage): Promise<void> {
    const expansion = expandAliases(incoming)
    const plan = this.#plan(expansion?.message ?? incoming)
    this.#pending++
    return this.#store.accept(plan.message).then(
      () => {
        this.#pending--
        this.#handOver(plan)
        if (expansion !== undefined && expansion.reports.length > 0)
          this.#reportAlone(incoming.message, expansion.reports, plan.body)
        if (this.#state === 'stopping') this.#changed()
      },
      (error: unknown) => {
        this.#pending--
        if (plan.hold !== undefined) this.#memoryBytes -= plan.hold.bytes
        if (error instanceof AssertionFailed) this.#die(error)
        else if (this.#state === 'stopping') this.#changed()
        throw error
      },
    )
  }

  /** Decides what is handed over in memory, and reserves the memory for it. */
  #plan(incoming: NewMessage): Plan {
    const { deliveries, body, message } = incoming
    const reader = body.kind === 'inline' ? new MemoryBody(body.chunks, body.sizeBytes) : undefined
    const bytes = (reader === undefined ? 0 : body.sizeBytes) + deliveries.length * rowBytes
    const room =
      this.#state === 'running' &&
      !this.#writer.isFailing &&
      this.#memoryBytes + bytes <= this.#memoryBytesMax
    const now = this.#now()
    const groups: Delivery[][] = []
    let rows: Delivery[] | undefined
    let wakeAt = Infinity
    for (let i = 0; i < deliveries.length; i++) {
      const delivery = deliveries[i] as Delivery
      assert(delivery.messageId === message.id, 'a delivery belongs to its message')
      if (delivery.state === 'active' && room && this.#lane(delivery.destination).takesFresh(now)) {
        this.#group(groups, delivery)
      } else if (delivery.state === 'active') {
        rows ??= deliveries.slice()
        rows[i] = giveBack(delivery, now)
        wakeAt = now
      } else if (delivery.state === 'waiting') wakeAt = Math.min(wakeAt, delivery.dueAt)
    }
    const hold: MemoryHold | undefined = groups.length === 0 ? undefined : { bytes, refs: groups.length }
    if (hold !== undefined) this.#memoryBytes += bytes
    return {
      message: rows === undefined ? incoming : { ...incoming, deliveries: rows },
      groups,
      body: reader,
      hold,
      wakeAt,
    }
  }

  #group(groups: Delivery[][], delivery: Delivery): void {
    const max = this.#lane(delivery.destination).limits.recipientsPerJobMax
    // Back to front: the last group of a destination is the one with room.
    for (let i = groups.length - 1; i >= 0; i--) {
      const group = groups[i] as Delivery[]
      if (group[0]?.destination !== delivery.destination) continue
      if (group.length >= max) break
      group.push(delivery)
      return
    }
    groups.push([delivery])
  }

  /** After the commit: the deliveries are leased, and ready. */
  #handOver(plan: Plan): void {
    const { groups, hold, body } = plan
    if (groups.length > 0) {
      const now = this.#now()
      for (const group of groups) {
        const job = new Job(plan.message.message, group, body, hold, now)
        this.#enqueue(job, 'fresh')
      }
      this.#pump()
    }
    if (plan.wakeAt !== Infinity) this.#watch.wakeAt(plan.wakeAt)
  }

  #enqueue(job: Job, from: 'fresh' | 'stored'): void {
    const lane = this.#lane((job.deliveries[0] as Delivery).destination)
    if (this.#state !== 'running' || lane.isBlocked(this.#now())) return this.#giveBack(lane, [job])
    this.#readyDeliveries += job.deliveries.length
    lane.push(job, from)
    this.#queueLane(lane)
  }

  #lane(destination: string): Lane {
    let lane = this.#lanes.get(destination)
    if (lane === undefined) {
      lane = new Lane(destination, this.#options.transport(destination), this.#limits(destination))
      this.#lanes.set(destination, lane)
    }
    return lane
  }

  // ---- dialing ----

  #queueLane(lane: Lane): void {
    if (lane.queued || !lane.canStart(this.#now)) return
    lane.queued = true
    this.#ring.push(lane)
  }

  #canDial(): boolean {
    return (
      this.#state === 'running' &&
      !this.#fatal &&
      this.#jobCount < this.#jobsMax &&
      !this.#writer.isFailing &&
      this.#writer.openCount < this.#unsettledMax
    )
  }

  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    while (this.#ring.size > 0 && this.#canDial()) {
      const lane = this.#ring.shift() as Lane
      lane.queued = false
      if (!lane.canStart(this.#now)) continue
      this.#start(lane, lane.next() as Job)
      this.#queueLane(lane)
    }
    this.#pumping = false
  }

  #start(lane: Lane, job: Job): void {
    this.#readyDeliveries -= job.deliveries.length
    lane.dialingCount++
    this.#jobCount++
    lane.busy.add(job)
    job.phase = 'dialing'
    if (!job.needsBody) return this.#dial(lane, job)
    this.#store.openBody(job.message.id).then(
      (body) => {
        job.body = body
        job.needsBody = false
        this.#dial(lane, job)
      },
      (error: unknown) => this.#bodyUnreadable(lane, job, error),
    )
  }

  #dial(lane: Lane, job: Job): void {
    let result: Promise<TransportResult>
    try {
      result = lane.transport.deliver(job, this.#abort.signal)
    } catch (error) {
      return this.#transportBroke(lane, job, error)
    }
    result.then(
      (answer) => {
        try {
          this.#attempted(lane, job, answer)
        } catch (error) {
          this.#die(error)
        }
      },
      (error: unknown) => this.#transportBroke(lane, job, error),
    )
  }

  /** A transport must not throw: its fault is not the message's. The other side may have it. */
  #transportBroke(lane: Lane, job: Job, error: unknown): void {
    this.#log.error(
      { err: error, messageId: job.message.id, destination: lane.destination },
      'transport broke',
    )
    this.#attempted(lane, job, this.#ownDeferral(job, 'internal error while delivering', true))
  }

  #bodyUnreadable(lane: Lane, job: Job, error: unknown): void {
    this.#log.error({ err: error, messageId: job.message.id }, 'body cannot be read')
    if (error instanceof AssertionFailed) return this.#die(error)
    if (error instanceof StoreFailure && error.code === 'corrupt') {
      // For people to look at: neither lost nor bounced for our fault.
      const mark: Mark = { act: 'hold', by: 'queue', reason: 'the stored message cannot be read' }
      job.marks = new Map(job.deliveries.map((delivery) => [delivery.seq, mark]))
    }
    this.#attempted(lane, job, this.#ownDeferral(job, 'the stored message cannot be read', false))
  }

  #ownDeferral(job: Job, reason: string, mayHaveDelivered: boolean): TransportResult {
    const now = this.#now()
    const outcome: Outcome = {
      kind: 'deferred',
      status: '4.3.0',
      reason,
      isReply: false,
      ...(mayHaveDelivered && { mayHaveDelivered }),
    }
    return {
      outcomes: job.deliveries.map(() => outcome),
      report: { hosts: [], startedAt: now, endedAt: now },
      destination: 'up',
    }
  }

  // ---- settling ----

  #attempted(lane: Lane, job: Job, given: TransportResult): void {
    lane.dialingCount--
    this.#jobCount--
    job.phase = 'settling'
    let result = given
    if (result.outcomes.length !== job.deliveries.length) {
      this.#log.error(
        { messageId: job.message.id, destination: lane.destination },
        'transport gave a wrong number of outcomes',
      )
      result = this.#ownDeferral(job, 'internal error while delivering', true)
    }
    const now = this.#now()
    if (result.destination === 'down') this.#markDown(lane, result, now)
    else if (lane.down !== undefined) this.#markUp(lane)
    const effects = consequences({
      message: job.message,
      deliveries: job.deliveries,
      outcomes: result.outcomes,
      report: result.report,
      now,
      policy: this.#retry,
      blockedUntil: result.destination === 'down' ? lane.down?.blockedUntil : undefined,
      marks: job.marks,
    })
    this.#metrics.attempted(job, result, now)
    this.#settle(
      job.message,
      effects,
      () => (job.needsBody ? this.#store.openBody(job.message.id) : job.body),
      () => {
        lane.busy.delete(job)
        this.#releaseHold(job)
        if (lane.moreInStore && lane.takesStored(now)) this.#watch.look()
      },
    )
    this.#queueLane(lane)
    this.#pump()
  }

  #releaseHold(job: Job): void {
    const hold = job.hold
    job.hold = undefined
    if (hold !== undefined && --hold.refs === 0) this.#memoryBytes -= hold.bytes
  }

  /** Writes what follows, with the reports born of it in the same transaction. */
  #settle(
    message: Message,
    effects: Consequences,
    openBody: () => BodyReader | Promise<BodyReader>,
    done: () => void,
    putAside?: () => void,
  ): void {
    const { changes, events, reports, wakeAt } = effects
    const wake = (): void => {
      done()
      if (wakeAt !== Infinity) this.#watch.wakeAt(wakeAt)
    }
    if (reports.length === 0) return this.#write({ changes, events, newMessages: none }, wake, putAside)
    this.#withReports(message, reports, openBody, (plans, more) => {
      const newMessages = plans.map((plan) => plan.message)
      const written = (): void => {
        wake()
        for (const plan of plans) this.#handOver(plan)
      }
      this.#write({ changes, newMessages, events: [...events, ...more] }, written, putAside)
    })
  }

  #write(settlement: Settlement, done: () => void, putAside?: () => void): void {
    this.#writer.persist(() => this.#store.settle(settlement), done, putAside)
  }

  #withReports(
    message: Message,
    reports: readonly Report[],
    openBody: () => BodyReader | Promise<BodyReader>,
    use: (plans: readonly Plan[], events: Settlement['events']) => void,
  ): void {
    this.#pending++
    makeReports(this.#reports, message, reports, openBody, this.#now())
      .then(
        (made) => {
          this.#pending--
          for (const report of made.newMessages) this.#metrics.reported(report)
          use(
            made.newMessages.map((report) => this.#plan(report)),
            made.events,
          )
        },
        (error: unknown) => this.#die(error),
      )
      .catch((error: unknown) => this.#die(error))
  }

  /** Reports that go with no change of a row: success of what the accepting transaction did itself. */
  #reportAlone(message: Message, reports: readonly Report[], body: BodyReader | undefined): void {
    this.#settle(
      message,
      { ...nothingYet(), reports: [...reports] },
      () => body ?? this.#store.openBody(message.id),
      () => {},
    )
  }

  // ---- destinations ----

  #markDown(lane: Lane, result: TransportResult, now: number): void {
    // Attempts that were under way when the first one found out count as one round.
    if (lane.isBlocked(now)) return
    const failureCount = (lane.down?.failureCount ?? 0) + 1
    const blockedUntil = now + destinationDelayMs(this.#retry, failureCount, this.#options.random.fraction())
    const outcome = result.outcomes[0]
    const lastError = outcome !== undefined && 'reason' in outcome ? outcome.reason : 'cannot be reached'
    const state: DestinationState = {
      destination: lane.destination,
      failureCount,
      blockedUntil,
      downSince: lane.down?.downSince ?? now,
      lastError,
    }
    lane.down = state
    lane.moreInStore = true
    this.#log.warn(
      { destination: lane.destination, failureCount, retryAt: blockedUntil, reason: lastError },
      'destination down',
    )
    this.#writer.persist(
      () => (lane.down === state ? this.#store.setDestination(state) : Promise.resolve()),
      () => {},
    )
    const jobs = lane.drain()
    for (const job of jobs) this.#readyDeliveries -= job.deliveries.length
    this.#giveBack(lane, jobs, lastError)
    this.#watch.wakeAt(blockedUntil)
  }

  #markUp(lane: Lane): void {
    this.#log.info({ destination: lane.destination, since: lane.down?.downSince }, 'destination up again')
    lane.down = undefined
    lane.moreInStore = true
    this.#writer.persist(
      () => (lane.down === undefined ? this.#store.clearDestination(lane.destination) : Promise.resolve()),
      () => this.#watch.look(),
    )
  }

  /** Its pause ends: one delivery tries it. */
  #probe(lane: Lane): void {
    if (lane.down === undefined) return
    const state: DestinationState = { ...lane.down, blockedUntil: this.#now() }
    lane.down = state
    this.#writer.persist(
      () => (lane.down === state ? this.#store.setDestination(state) : Promise.resolve()),
      () => this.#watch.look(),
    )
  }

  /** Leased and not dialed: waiting and due now. The jobs stay known until it is written. */
  #giveBack(lane: Lane, jobs: readonly Job[], reason?: string): void {
    const now = this.#now()
    let batch: Job[] = []
    let rows = 0
    const flush = (): void => {
      if (batch.length === 0) return
      const some = batch
      batch = []
      rows = 0
      const changes = some.flatMap((job) =>
        job.deliveries.map((delivery) => ({
          messageId: delivery.messageId,
          seq: delivery.seq,
          to: { kind: 'update', delivery: giveBack(delivery, now, reason) } as const,
        })),
      )
      this.#write({ changes, newMessages: none, events: none }, () => {
        for (const job of some) {
          lane.busy.delete(job)
          this.#releaseHold(job)
        }
        if (this.#state === 'running') this.#watch.wakeAt(lane.down?.blockedUntil ?? now)
      })
    }
    for (const job of jobs) {
      job.phase = 'settling'
      lane.busy.add(job)
      batch.push(job)
      rows += job.deliveries.length
      if (rows >= rowsPerSettlement) flush()
    }
    flush()
  }

  downDestinations(): readonly DestinationState[] {
    return [...this.#lanes.values()].flatMap((lane) => lane.down ?? [])
  }

  destinationState(destination: string): DestinationState | undefined {
    return this.#lanes.get(destination)?.down
  }

  // ---- what the store has due ----

  wake(): void {
    this.#watch.look()
  }

  async #takeDue(now: number): Promise<Taken> {
    // While results cannot be written nothing more is taken on.
    if (this.#writer.isFailing) return { kind: 'not-now' }
    const hungry = this.#readyDeliveries >= this.#readyMax
    const exclude = hungry ? nobody : this.#fullLanes(now)
    let dueCount = 0
    let capped = false
    if (!hungry) {
      // What is due is tried first: one last attempt before it is given up, none is told of a delay that ends now.
      const due = await this.#store.takeDue({
        now,
        exclude,
        destinationsMax: takeDestinations,
        deliveriesPerDestinationMax: takePerDestination,
        retry: this.#retry,
      })
      dueCount = due.length
      capped = this.#takeIn(due, exclude)
    }
    const deadlines = await this.#store.takeDeadlines(now, deadlinesMax)
    if (deadlines.length > 0) await this.#meetDeadlines(deadlines, now)
    if (capped || deadlines.length === deadlinesMax) return { kind: 'more' }
    if (hungry) return { kind: 'not-now' }
    return { kind: 'all', count: dueCount, nextAt: await this.#store.nextDueAt(exclude) }
  }

  #fullLanes(now: number): ReadonlySet<string> {
    const full = new Set<string>()
    for (const lane of this.#lanes.values())
      if (!lane.takesStored(now)) {
        lane.moreInStore = true
        full.add(lane.destination)
      }
    return full
  }

  /** Groups by destination and message into jobs. True: some limit was reached, so that the store may have more. */
  #takeIn(due: readonly DueDelivery[], exclude: ReadonlySet<string>): boolean {
    const byDestination = new Map<string, Map<string, { message: Message; deliveries: Delivery[] }>>()
    const counts = new Map<string, number>()
    for (const { message, delivery } of due) {
      let byMessage = byDestination.get(delivery.destination)
      if (byMessage === undefined) byDestination.set(delivery.destination, (byMessage = new Map()))
      const entry = byMessage.get(message.id)
      if (entry === undefined) byMessage.set(message.id, { message, deliveries: [delivery] })
      else entry.deliveries.push(delivery)
      counts.set(delivery.destination, (counts.get(delivery.destination) ?? 0) + 1)
    }
    for (const lane of this.#lanes.values())
      if (!exclude.has(lane.destination))
        lane.moreInStore = (counts.get(lane.destination) ?? 0) >= takePerDestination
    const now = this.#now()
    for (const [destination, byMessage] of byDestination) {
      const lane = this.#lane(destination)
      lane.moreInStore = (counts.get(destination) ?? 0) >= takePerDestination
      const max = lane.limits.recipientsPerJobMax
      for (const { message, deliveries } of byMessage.values())
        for (let i = 0; i < deliveries.length; i += max)
          this.#enqueue(new Job(message, deliveries.slice(i, i + max), undefined, undefined, now), 'stored')
    }
    this.#pump()
    return byDestination.size >= takeDestinations
  }

  /** Resolves when all of it is written: the next page is not taken before. */
  #meetDeadlines(deadlines: readonly DueDelivery[], now: number): Promise<void> {
    const byMessage = new Map<string, MessageEffects>()
    for (const { message, delivery } of deadlines) {
      let entry = byMessage.get(message.id)
      if (entry === undefined) byMessage.set(message.id, (entry = { message, effects: nothingYet() }))
      meetDeadline(
        entry.effects,
        message,
        delivery,
        now,
        this.#lanes.get(delivery.destination)?.down?.lastError,
      )
    }
    return this.#settleAll(byMessage.values())
  }

  /** Resolves when each is written, or put aside: one that the store never takes holds up nobody. */
  #settleAll(effects: Iterable<MessageEffects>): Promise<void> {
    return new Promise((resolve) => {
      let left = 1
      const over = (): void => {
        if (--left === 0) resolve()
      }
      for (const each of effects) {
        left++
        let waits = true
        const end = (): void => {
          if (waits) over()
          waits = false
        }
        this.#settle(each.message, each.effects, () => this.#store.openBody(each.message.id), end, end)
      }
      over()
    })
  }

  // ---- operators ----

  act(act: Act, filter: QueueFilter, options?: ActOptions): Promise<ActResult> {
    return this.#acts.act(act, filter, options)
  }
  hold(filter: QueueFilter, options?: ActOptions): Promise<ActResult> {
    return this.act('hold', filter, options)
  }
  release(filter: QueueFilter, options?: ActOptions): Promise<ActResult> {
    return this.act('release', filter, options)
  }
  retryNow(filter: QueueFilter, options?: ActOptions): Promise<ActResult> {
    return this.act('retry', filter, options)
  }
  bounceNow(filter: QueueFilter, options?: ActOptions): Promise<ActResult> {
    return this.act('bounce', filter, options)
  }
  delete(filter: QueueFilter, options?: ActOptions): Promise<ActResult> {
    return this.act('delete', filter, options)
  }

  // ---- life cycle ----

  async start(): Promise<void> {
    assert(this.#state === 'new', 'a queue is started once')
    const recovered = await this.#store.recover()
    for (const state of await this.#store.destinations()) this.#lane(state.destination).down = state
    this.#state = 'running'
    this.#log.info({ recovered, downDestinations: this.downDestinations().length }, 'queue started')
    this.#setPoll()
    this.#watch.look()
  }

  /** Behind the timers and hand-overs that drive everything: a look once a minute, whatever was missed. */
  #setPoll(): void {
    this.#poll = this.#clock.setTimer(safetyPollMs, () => {
      this.#forgetIdle()
      this.#watch.look()
      this.#setPoll()
    })
  }

  #forgetIdle(): void {
    const now = this.#now()
    for (const lane of this.#lanes.values()) {
      // Nothing is left that would probe it.
      if (lane.down !== undefined && lane.busy.size === 0 && lane.readyCount === 0)
        if (lane.down.blockedUntil + 2 * this.#retry.maxMs < now) this.#markUp(lane)
      if (lane.isIdle && !lane.queued) this.#lanes.delete(lane.destination)
    }
  }

  async stop(options: { readonly graceMs?: number } = {}): Promise<void> {
    const graceMs = options.graceMs ?? 10_000
    if (this.#state === 'new') this.#state = 'stopped'
    if (this.#state !== 'running') return
    this.#state = 'stopping'
    this.#watch.stop()
    this.#poll?.cancel()
    for (const lane of this.#lanes.values()) {
      const jobs = lane.drain()
      for (const job of jobs) this.#readyDeliveries -= job.deliveries.length
      this.#giveBack(lane, jobs)
    }
    if (!(await this.#becomesQuiet(graceMs, () => this.#jobCount === 0))) {
      this.#log.warn({ jobCount: this.#jobCount }, 'attempts aborted by stop')
      this.#abort.abort(new Error('the server stops'))
    }
    const quiet = (): boolean =>
      this.#jobCount === 0 && this.#pending === 0 && !this.#watch.isLooking && this.#writer.openCount === 0
    if (!(await this.#becomesQuiet(graceMs, quiet)))
      this.#log.error(
        { jobCount: this.#jobCount, openWrites: this.#writer.openCount },
        'stopped with results unwritten: those deliveries are tried again',
      )
    this.#writer.stop()
    this.#state = 'stopped'
  }

  /** False: it did not within `boundMs`. */
  #becomesQuiet(boundMs: number, quiet: () => boolean): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (answer: boolean): void => {
        timer.cancel()
        this.#quiet = this.#quiet.filter((other) => other !== check)
        resolve(answer)
      }
      const check = (): void => {
        if (this.#fatal || quiet()) end(quiet())
      }
      const timer = this.#clock.setTimer(boundMs, () => end(quiet()))
      this.#quiet.push(check)
      check()
    })
  }

  /** A write ended, or a look: what waited for it goes on. */
  #changed(): void {
    if (this.#ring.size > 0) this.#pump()
    if (!this.#writer.isFailing && this.#readyDeliveries < this.#readyMax / 2) this.#watch.catchUp()
    if (this.#quiet.length > 0) for (const check of this.#quiet) check()
  }

  #die(error: unknown): void {
    if (this.#fatal) return
    this.#fatal = true
    this.#watch.stop()
    this.#poll?.cancel()
    this.#log.error({ err: error }, 'queue stops the process: an invariant broke')
    this.#options.onFatal(error)
    this.#changed()
  }

  // ---- looking in ----

  activity(messageId: MessageId, seq: number): Activity | undefined {
    const has = (job: Job): boolean =>
      job.message.id === messageId && job.deliveries.some((delivery) => delivery.seq === seq)
    for (const lane of this.#lanes.values()) {
      for (const job of lane.busy) if (has(job)) return job.phase
      for (const job of lane.ready()) if (has(job)) return 'ready'
    }
    return undefined
  }

  counts(): QueueCounts {
    const now = this.#now()
    let blockedDestinations = 0
    for (const lane of this.#lanes.values()) if (lane.isBlocked(now)) blockedDestinations++
    return {
      readyDeliveries: this.#readyDeliveries,
      dialingJobs: this.#jobCount,
      openWrites: this.#writer.openCount,
      memoryBytes: this.#memoryBytes,
      blockedDestinations,
      storeFailing: this.#writer.isFailing,
    }
  }

  async #oldestDueSeconds(): Promise<number> {
    const now = this.#now()
    let oldest = now
    for (const lane of this.#lanes.values()) oldest = Math.min(oldest, lane.oldestReadyAt() ?? now)
    try {
      oldest = Math.min(oldest, (await this.#store.nextDueAt(new Set())) ?? now)
    } catch {
      // The scrape goes on; the store's own metrics say that it fails.
    }
    return (now - oldest) / 1000
  }
}

interface Plan {
  readonly message: NewMessage
  readonly groups: readonly (readonly Delivery[])[]
  readonly body: BodyReader | undefined
  readonly hold: MemoryHold | undefined
  /** When the store has something of it to take; Infinity: never. */
  readonly wakeAt: number
}

const none: readonly never[] = []
const nobody: ReadonlySet<string> = new Set()
