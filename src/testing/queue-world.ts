// Owns a queue in a world of its own for tests: virtual clock, a store in maps, transports that a test scripts. Nothing
// of it is random beyond the seed.

import { createIdSource } from '../base/id.ts'
import { silentLog } from '../base/log.ts'
import { type Metrics, silentMetrics } from '../base/metrics.ts'
import { createQueue, type Queue, type QueueOptions } from '../queue/queue.ts'
import type { QueueStore } from '../queue/store.ts'
import type { DeliveryJob, TransportResult } from '../queue/transport.ts'
import type { Delivery, Message, NewMessage, Outcome } from '../queue/types.ts'
import { FakeQueueStore } from './fake-queue-store.ts'
import { seededRandom } from './seeded-random.ts'
import { VirtualClock } from './virtual-clock.ts'

/** One recipient's outcome, 'down' for the whole destination, or a promise of it. */
export type Answer = Outcome | 'down'
export type Deliver = (delivery: Delivery, job: DeliveryJob, signal: AbortSignal) => Answer | Promise<Answer>

export interface Dial {
  readonly at: number
  readonly destination: string
  readonly messageId: string
  readonly recipients: readonly string[]
}

export interface QueueWorldOptions extends Partial<Omit<QueueOptions, 'store'>> {
  readonly deliver?: Deliver
  readonly store?: FakeQueueStore
  /** What each process gets instead of the store itself. */
  readonly wrapStore?: (store: FakeQueueStore, clock: VirtualClock) => QueueStore
  readonly metrics?: Metrics
}

export interface SendOptions extends Partial<Message> {
  readonly body?: string | Uint8Array
  /** By recipient. */
  readonly rows?: (recipient: string) => Partial<Delivery>
  readonly more?: Partial<NewMessage>
}

export const delivered: Outcome = {
  kind: 'delivered',
  how: 'relayed',
  reply: '250 2.0.0 taken',
  remoteMta: 'mx.there.test',
}
export const greylisted: Outcome = {
  kind: 'deferred',
  status: '4.7.1',
  reason: '451 4.7.1 greylisted, come back later',
  isReply: true,
  remoteMta: 'mx.there.test',
}
export const refused: Outcome = {
  kind: 'failed',
  status: '5.1.1',
  reason: '550 5.1.1 no such user',
  isReply: true,
  remoteMta: 'mx.there.test',
}

export class QueueWorld {
  readonly clock = new VirtualClock()
  readonly random = seededRandom(7)
  readonly ids = createIdSource(this.clock, this.random)
  readonly store: FakeQueueStore
  readonly dials: Dial[] = []
  readonly fatals: unknown[] = []
  readonly #options: QueueWorldOptions
  /** Replaced by the test at any time. */
  deliver: Deliver
  queue: Queue
  /** Attempts under way. */
  dialing = 0
  dialingMost = 0

  constructor(options: QueueWorldOptions = {}) {
    this.store = options.store ?? new FakeQueueStore()
    this.deliver = options.deliver ?? (() => delivered)
    this.#options = options
    this.queue = this.#create()
  }

  #create(): Queue {
    const { deliver: _deliver, store: _store, wrapStore, ...rest } = this.#options
    const store: QueueStore = wrapStore?.(this.store, this.clock) ?? this.store
    return createQueue({
      store,
      transport: (destination) => ({ deliver: (job, signal) => this.#deliver(destination, job, signal) }),
      clock: this.clock,
      random: this.random,
      log: silentLog,
      metrics: silentMetrics,
      ids: this.ids,
      hostname: 'mx.home.test',
      route: (_mailbox, domain) => ({ destination: `mx:${domain}` }),
      onFatal: (error) => void this.fatals.push(error),
      ...rest,
    })
  }

  async #deliver(destination: string, job: DeliveryJob, signal: AbortSignal): Promise<TransportResult> {
    const startedAt = this.clock.now()
    this.dials.push({
      at: startedAt,
      destination,
      messageId: job.message.id,
      recipients: job.deliveries.map((delivery) => delivery.recipient),
    })
    this.dialingMost = Math.max(this.dialingMost, ++this.dialing)
    try {
      const answers = await Promise.all(job.deliveries.map((delivery) => this.deliver(delivery, job, signal)))
      const down: Outcome = {
        kind: 'deferred',
        status: '4.4.1',
        reason: 'connection refused',
        isReply: false,
      }
      return {
        outcomes: answers.map((answer) => (answer === 'down' ? down : answer)),
        report: {
          hosts: [{ name: 'mx.there.test', address: '192.0.2.1', port: 25 }],
          startedAt,
          endedAt: this.clock.now(),
        },
        destination: answers.includes('down') ? 'down' : 'up',
      }
    } finally {
      this.dialing--
    }
  }

  /** A new process over the same store; the old queue is forgotten as if it had died. */
  async restart(): Promise<void> {
    this.queue = this.#create()
    await this.queue.start()
    await this.clock.settle()
  }

  make(recipients: readonly string[], options: SendOptions = {}): NewMessage {
    const { body = 'Subject: hello\r\n\r\nhello\r\n', rows, more, ...message } = options
    const now = this.clock.now()
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    const id = this.ids()
    const deliveries = recipients.map((recipient, seq) => {
      const domain = recipient.slice(recipient.lastIndexOf('@') + 1)
      const seed = { messageId: id, seq, recipient, domain, destination: `mx:${domain}` }
      return { ...this.queue.schedule(seed, now), ...rows?.(recipient) }
    })
    return {
      message: {
        id,
        receivedAt: now,
        reversePath: 'me@home.test',
        sizeBytes: bytes.length,
        smtputf8: false,
        body8bit: false,
        origin: { via: 'smtp' },
        ...message,
      },
      body: { kind: 'inline', chunks: [bytes], sizeBytes: bytes.length },
      deliveries,
      events: [],
      ...more,
    }
  }

  /** Accepts a message and lets what follows at once happen. Its id. */
  async send(recipients: readonly string[], options: SendOptions = {}): Promise<string> {
    const message = this.make(recipients, options)
    await this.queue.accept(message)
    await this.clock.settle()
    return message.message.id
  }

  dialsTo(destination: string): readonly Dial[] {
    return this.dials.filter((dial) => dial.destination === destination)
  }

  eventKinds(messageId: string): readonly string[] {
    return this.store.eventsOf(messageId).map((event) => event.kind)
  }

  /** Reports made so far, oldest first: their text and where they went. */
  reports(): readonly {
    readonly id: string
    readonly text: string
    readonly kind: string
    readonly message: Message
  }[] {
    return this.store.events
      .filter((event) => event.kind === 'accepted' && event.data.via === 'bounce')
      .map((event) => ({
        id: event.messageId,
        kind: String(event.data.kind),
        text: Buffer.from(this.store.bodies.get(event.messageId) ?? []).toString(),
        message: this.store.messages.get(event.messageId) as Message,
      }))
  }
}

/** A started one. */
export async function queueWorld(options: QueueWorldOptions = {}): Promise<QueueWorld> {
  const world = new QueueWorld(options)
  await world.queue.start()
  await world.clock.settle()
  return world
}
