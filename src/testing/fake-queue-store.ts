// Owns a QueueStore in plain maps for tests of the queue: every write is a turn of microtasks later, and faults are
// injected by the test. It is not the memory store of src/store: it keeps nothing in order and is slow.

import { assert } from '../base/assert.ts'
import { MemoryBody } from '../queue/memory-body.ts'
import { nextTryAt } from '../queue/retry-curve.ts'
import {
  type DestinationState,
  type DueDelivery,
  type DueQuery,
  type QueueFilter,
  type QueueStore,
  type Settlement,
  StoreFailure,
} from '../queue/store.ts'
import type { BodyReader } from '../queue/transport.ts'
import type { Delivery, Message, NewMessage, Placement, TimelineEvent } from '../queue/types.ts'

const keyOf = (delivery: { readonly messageId: string; readonly seq: number }): string =>
  `${delivery.messageId}-${delivery.seq}`

export class FakeQueueStore implements QueueStore {
  readonly messages = new Map<string, Message>()
  readonly bodies = new Map<string, Uint8Array>()
  readonly rows = new Map<string, Delivery>()
  readonly down = new Map<string, DestinationState>()
  readonly events: TimelineEvent[] = []
  readonly placements: Placement[] = []
  readonly calls = { accept: 0, settle: 0, takeDue: 0, takeDeadlines: 0, nextDueAt: 0 }
  /** Set to make a call reject: return the error, or undefined to let it through. */
  fault: ((call: string) => Error | undefined) | undefined = undefined
  /** Awaited before each write, for stores that are slow. */
  gate: Promise<void> = Promise.resolve()

  async #enter(call: string): Promise<void> {
    await this.gate
    const error = this.fault?.(call)
    if (error !== undefined) throw error
  }

  async accept(message: NewMessage): Promise<void> {
    this.calls.accept++
    await this.#enter('accept')
    this.#insert(message)
  }

  #insert({ message, body, deliveries, settled, events }: NewMessage): void {
    this.messages.set(message.id, message)
    this.bodies.set(message.id, body.kind === 'inline' ? Buffer.concat(body.chunks) : new Uint8Array(0))
    for (const delivery of deliveries) this.rows.set(keyOf(delivery), delivery)
    for (const { placement } of settled ?? []) this.placements.push(placement)
    this.events.push(...events)
  }

  async settle(settlement: Settlement): Promise<void> {
    this.calls.settle++
    await this.#enter('settle')
    for (const { messageId, seq, to } of settlement.changes) {
      const key = keyOf({ messageId, seq })
      assert(this.rows.has(key), `settled twice: ${key}`)
      if (to.kind === 'remove') {
        this.rows.delete(key)
        if (to.placement !== undefined) this.placements.push(to.placement)
      } else this.rows.set(key, to.delivery)
    }
    for (const message of settlement.newMessages) this.#insert(message)
    this.events.push(...settlement.events)
  }

  #due(now: number, exclude: ReadonlySet<string>): Delivery[] {
    return [...this.rows.values()]
      .filter((row) => row.state === 'waiting' && row.dueAt <= now && !exclude.has(row.destination))
      .filter((row) => (this.down.get(row.destination)?.blockedUntil ?? 0) <= now)
      .sort((a, b) => a.dueAt - b.dueAt)
  }

  #lease(row: Delivery, change: Partial<Delivery>): DueDelivery {
    const delivery: Delivery = { ...row, ...change, state: 'active' }
    this.rows.set(keyOf(row), delivery)
    return { message: this.messages.get(row.messageId) as Message, delivery }
  }

  async takeDue(query: DueQuery): Promise<readonly DueDelivery[]> {
    this.calls.takeDue++
    await this.#enter('takeDue')
    const counts = new Map<string, number>()
    const taken: DueDelivery[] = []
    for (const row of this.#due(query.now, query.exclude)) {
      const count = counts.get(row.destination) ?? 0
      if (count >= query.deliveriesPerDestinationMax) continue
      if (count === 0 && counts.size >= query.destinationsMax) continue
      counts.set(row.destination, count + 1)
      const counted = { ...row, attemptCount: row.attemptCount + 1 }
      taken.push(this.#lease(counted, { dueAt: nextTryAt(query.retry, counted, query.now) }))
    }
    return taken
  }

  async nextDueAt(exclude: ReadonlySet<string>): Promise<number | undefined> {
    this.calls.nextDueAt++
    await this.#enter('nextDueAt')
    let next = Infinity
    for (const row of this.rows.values()) {
      if (row.state !== 'waiting') continue
      next = Math.min(next, row.expiresAt, row.delayNoticeAt ?? Infinity)
      if (!exclude.has(row.destination))
        next = Math.min(next, Math.max(row.dueAt, this.down.get(row.destination)?.blockedUntil ?? 0))
    }
    return next === Infinity ? undefined : next
  }

  async takeDeadlines(now: number, max: number): Promise<readonly DueDelivery[]> {
    this.calls.takeDeadlines++
    await this.#enter('takeDeadlines')
    return [...this.rows.values()]
      .filter(
        (row) => row.state === 'waiting' && Math.min(row.expiresAt, row.delayNoticeAt ?? Infinity) <= now,
      )
      .slice(0, max)
      .map((row) => this.#lease(row, {}))
  }

  async setDestination(state: DestinationState): Promise<void> {
    await this.#enter('setDestination')
    this.down.set(state.destination, state)
  }

  async clearDestination(destination: string): Promise<void> {
    await this.#enter('clearDestination')
    this.down.delete(destination)
  }

  async recover(): Promise<number> {
    await this.#enter('recover')
    const active = [...this.rows.values()].filter((row) => row.state === 'active')
    for (const row of active) this.rows.set(keyOf(row), { ...row, state: 'waiting' })
    return active.length
  }

  async destinations(): Promise<readonly DestinationState[]> {
    return [...this.down.values()]
  }

  async openBody(messageId: string): Promise<BodyReader> {
    await this.#enter('openBody')
    const bytes = this.bodies.get(messageId)
    if (bytes === undefined) throw new StoreFailure('corrupt', `no body ${messageId}`)
    return new MemoryBody([bytes], bytes.length)
  }

  async takeByFilter(
    filter: QueueFilter,
    max: number,
  ): Promise<{ readonly taken: readonly DueDelivery[]; readonly busyCount: number }> {
    await this.#enter('takeByFilter')
    const matching = [...this.rows.values()].filter(
      (row) =>
        (filter.ids === undefined || filter.ids.includes(row.messageId) || filter.ids.includes(keyOf(row))) &&
        (filter.destination === undefined || filter.destination === row.destination) &&
        (filter.domain === undefined || filter.domain === row.domain),
    )
    const free = matching.filter(
      (row) => row.state !== 'active' && (filter.state === undefined || filter.state === row.state),
    )
    return {
      taken: free.slice(0, max).map((row) => this.#lease(row, {})),
      busyCount: matching.filter((row) => row.state === 'active').length,
    }
  }

  /** Live rows of a message, by seq. */
  live(messageId: string): readonly Delivery[] {
    return [...this.rows.values()].filter((row) => row.messageId === messageId).sort((a, b) => a.seq - b.seq)
  }

  eventsOf(messageId: string): readonly TimelineEvent[] {
    return this.events.filter((event) => event.messageId === messageId)
  }
}
