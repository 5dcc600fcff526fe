// Owns carrying one message to one destination: a turn, an open session or a new one to the first host that answers,
// transactions of bounded size, one reply per recipient. A message goes again on another connection only where the first
// certainly did not take it. It composes nothing and chooses no destination.
// RFC 5321 section 5, 2033 (LMTP), 2920 (PIPELINING).

import type { TransactionResult } from '../smtp/transaction.ts'
import { type Carried, type CarriedMessage, type CarriedRecipient, stopped, type Trouble } from './carried.ts'
import { type Batch, isBegun, isUntaken, isUntouched, Run, troubleOf } from './carrier-run.ts'
import { SessionPool, type Slot } from './pool.ts'
import type { ClientSession } from './session.ts'
import {
  type Destination,
  newSearch,
  type Search,
  SessionOpener,
  type SessionOpenerOptions,
} from './session-opener.ts'
import { Turns } from './turns.ts'

export interface CarrierOptions extends SessionOpenerOptions {
  /** Per destination. */
  readonly connectionsMax: number
  readonly messagesPerConnection: number | undefined
  readonly idleTimeoutMs: number | undefined
}

/** What a server offers, once a session is open. */
export interface OpenedSession {
  readonly host: string
  readonly address: string
  readonly port: number
  readonly tls: string | undefined
  readonly capabilities: ClientSession['capabilities']
}

interface Lease {
  readonly session: ClientSession
  readonly reused: boolean
}

/** A transaction that was begun. */
interface Begun extends Lease {
  readonly batch: Batch
  readonly sent: Promise<TransactionResult>
}

/** A message within its destination: it has a place among those who may use a connection, until it leaves or hands it on. */
interface Visit {
  readonly lane: Lane
  readonly destination: Destination
  readonly run: Run
  readonly signal: AbortSignal
  inside: boolean
  begun: Begun | undefined
}

/** A session that awaits the answer to a message and may be told the next; whose place goes with it. */
interface Open {
  readonly session: ClientSession
  readonly holder: Visit
}

interface Lane {
  readonly key: string
  readonly turns: Turns<Open>
  /** Nobody waited when their message was out. */
  open: Open[]
}

const isOpen = ({ session, holder }: Open): boolean => holder.inside && session.nextUsable

export class Carrier {
  readonly pool: SessionPool
  readonly #options: CarrierOptions
  readonly #opener: SessionOpener
  readonly #lanes = new Map<string, Lane>()

  constructor(options: CarrierOptions) {
    this.#options = options
    const { clock, messagesPerConnection, idleTimeoutMs } = options
    this.#opener = new SessionOpener(options)
    this.pool = new SessionPool({
      clock,
      ...(messagesPerConnection !== undefined && { transactionsMax: messagesPerConnection }),
      ...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
    })
  }

  /** Waits for its turn. Never rejects for what the peer, the network or the signal does. */
  carry(
    destination: Destination,
    message: CarriedMessage,
    recipients: readonly CarriedRecipient[],
    signal: AbortSignal,
  ): Promise<Carried> {
    const run = new Run(message, recipients)
    const lane = this.#laneOf(destination.key)
    const visit: Visit = { lane, destination, run, signal, inside: false, begun: undefined }
    if (this.#behind(visit)) return this.#carry(visit)
    const turn = lane.turns.enter(signal, (open) => this.#takeOver(visit, open))
    if (turn === undefined) return this.#carry(visit)
    return turn.then(
      () => this.#carry(visit),
      (cause: unknown) => run.end(stopped('wait', signal, cause)),
    )
  }

  /** Opens a session, or takes an open one, and keeps it for the next message. */
  async open(destination: Destination, signal: AbortSignal): Promise<OpenedSession | Carried> {
    const run = new Run(undefined, [])
    const lane = this.#laneOf(destination.key)
    try {
      const turn = lane.turns.enter(signal)
      if (turn !== undefined) await turn
    } catch (cause) {
      return run.end(stopped('wait', signal, cause))
    }
    try {
      const lease = await this.#lease(destination, signal)
      if ('phase' in lease) return run.end(lease)
      const { session } = lease
      const { hostName: host, address, port, tlsText: tls, capabilities } = session
      this.pool.put(destination.key, session)
      return { host, address, port, tls, capabilities }
    } finally {
      this.#left(lane)
    }
  }

  close(): Promise<void> {
    return this.pool.close()
  }

  #laneOf(key: string): Lane {
    let lane = this.#lanes.get(key)
    if (lane === undefined) {
      lane = { key, turns: new Turns(this.#options.connectionsMax), open: [] }
      this.#lanes.set(key, lane)
    }
    return lane
  }

  #leave(visit: Visit): void {
    if (!visit.inside) return
    visit.inside = false
    this.#left(visit.lane)
  }

  #left(lane: Lane): void {
    lane.turns.leave()
    if (lane.turns.insideCount === 0 && this.#lanes.get(lane.key) === lane) this.#lanes.delete(lane.key)
  }

  /** Who has a place now, and leaves it in the end. */
  async #carry(visit: Visit): Promise<Carried> {
    const { destination, run, signal } = visit
    visit.inside = true
    let search: Search | undefined
    let mayReuse = true
    try {
      while (run.pendingCount > 0) {
        let { begun } = visit
        visit.begun = undefined
        if (begun === undefined) {
          if (signal.aborted) return run.end(stopped('wait', signal, signal.reason))
          const idle = mayReuse ? this.pool.take(destination.key) : undefined
          const slot = idle === undefined ? this.#slot(destination.key) : undefined
          if (idle === undefined && slot === undefined) {
            await this.#change(destination.key, signal)
            continue
          }
          search ??= newSearch()
          const lease =
            idle === undefined
              ? await this.#connect(destination, search, slot as Slot, signal)
              : { session: idle, reused: true }
          if ('phase' in lease) return run.end(lease)
          begun = this.#begin(visit, lease.session, lease.reused, false)
          if (begun === undefined) {
            this.pool.put(destination.key, lease.session)
            continue
          }
        }
        const { session, reused, batch } = begun
        const result = await begun.sent
        if (session.usable) this.pool.put(destination.key, session)
        if (!signal.aborted && reused && isUntaken(result) && (batch.whole || !isBegun(result))) {
          // The idle connection was dead, or died on the way: the next one is new.
          mayReuse = false
          continue
        }
        if (!signal.aborted && !reused && isUntouched(result)) {
          search ??= newSearch()
          search.last = troubleOf(result, session, signal)
          mayReuse = false
          continue
        }
        run.settle(batch.indices, result, session, signal)
        mayReuse = true
      }
      return run.end(undefined)
    } finally {
      this.#leave(visit)
    }
  }

  /** Undefined: this session can serve nobody who is left. `behind`: another message's answer is awaited first. */
  #begin(visit: Visit, session: ClientSession, reused: boolean, behind: boolean): Begun | undefined {
    const batch = visit.run.batch(session)
    if (batch === undefined) return undefined
    const { transaction, stream } = batch
    session.onBodySent = () => this.#bodySent(visit, session)
    const sent = behind
      ? session.deliverNext(transaction, stream, visit.signal)
      : session.deliver(transaction, stream, visit.signal)
    return { session, reused, batch, sent }
  }

  /**
   * Only the answer is awaited: whoever waits for a turn says the next message behind it (RFC 2920 section 3.1), at once and
   * in the same write. The turn goes on, the connection stays: there are never more of those than allowed.
   */
  #bodySent(holder: Visit, session: ClientSession): void {
    const { messagesPerConnection = 100 } = this.#options
    const most = Math.min(
      messagesPerConnection,
      session.capabilities.transactionsMax ?? messagesPerConnection,
    )
    if (!holder.inside || session.transactionCount >= most) return
    const open = { session, holder }
    if (holder.lane.turns.offer(open)) return
    holder.lane.open.push(open)
  }

  /** As it comes: behind a message whose answer is awaited, where nobody waits for a turn. */
  #behind(visit: Visit): boolean {
    const { open, turns } = visit.lane
    if (open.length === 0) return false
    if (open.length > 1) visit.lane.open = open.filter(isOpen)
    const full = turns.insideCount >= this.#options.connectionsMax
    const first = visit.lane.open[0]
    if (first === undefined || !full || turns.waitingCount > 0 || visit.signal.aborted) return false
    if (!this.#takeOver(visit, first)) return false
    visit.lane.open.shift()
    return true
  }

  /** The place goes with the session. */
  #takeOver(visit: Visit, open: Open): boolean {
    if (!isOpen(open)) return false
    const { session, holder } = open
    visit.begun = this.#begin(visit, session, true, true)
    if (visit.begun === undefined) return false
    holder.inside = false
    return true
  }

  #slot(key: string): Slot | undefined {
    return this.pool.slot(key, this.#options.connectionsMax)
  }

  /** Until a session was given back or is gone, or the signal is aborted. */
  async #change(key: string, signal: AbortSignal): Promise<void> {
    try {
      await this.pool.change(key, signal)
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  async #lease(destination: Destination, signal: AbortSignal): Promise<Lease | Trouble> {
    for (;;) {
      if (signal.aborted) return stopped('wait', signal, signal.reason)
      const idle = this.pool.take(destination.key)
      if (idle !== undefined) return { session: idle, reused: true }
      const slot = this.#slot(destination.key)
      if (slot !== undefined) return await this.#connect(destination, newSearch(), slot, signal)
      await this.#change(destination.key, signal)
    }
  }

  /** The slot goes with the session, or is given back. */
  async #connect(
    destination: Destination,
    search: Search,
    slot: Slot,
    signal: AbortSignal,
  ): Promise<Lease | Trouble> {
    let kept = false
    try {
      const opened = await this.#opener.openNext(destination, search, signal)
      if ('phase' in opened) return opened
      opened.onClosed = slot.release
      kept = true
      return { session: opened, reused: false }
    } catch (cause) {
      if (signal.aborted) return stopped('connect', signal, cause)
      const text = cause instanceof Error ? cause.message : String(cause)
      return { phase: 'auth', status: 'pending', problem: 'AUTH', text, transcript: [], cause }
    } finally {
      if (!kept) slot.release()
    }
  }
}
