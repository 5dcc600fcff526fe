// Owns the live events of one browser: Server-Sent Events over a response that stays open, resumed by number, with a
// heartbeat. A client that does not read is dropped; it comes back and says where it was. WHATWG HTML section 9.2.

import type { ServerResponse } from 'node:http'

import type { Clock, Timer } from '../base/clock.ts'
import type { Feed, FeedEntry } from '../store/mail-view.ts'

import type { EventView } from './api-types.ts'
import type { FeedHub, Subscription } from './feed-hub.ts'

export interface EventStreamOptions {
  readonly hub: FeedHub
  readonly feed: Feed
  readonly clock: Clock
  readonly response: ServerResponse
  /** What the client has seen last; undefined: it begins now. */
  readonly after: number | undefined
  readonly maySee: (entry: FeedEntry) => boolean
  /** Asked with each heartbeat: false ends the stream (logged out, disabled). */
  readonly stillAllowed: () => Promise<boolean>
  readonly closed: () => void
}

export const heartbeatMs = 15_000
/** More waits unread than this: the client is gone or too slow. */
export const unreadBytesMax = 1024 * 1024
const catchUpRows = 500
const catchUpMax = 10_000

export class EventStream {
  readonly #options: EventStreamOptions
  readonly #subscription: Subscription
  #beat: Timer | undefined
  #isOpen = true
  /** What came while older entries are read. */
  #held: FeedEntry[] | undefined = []

  constructor(options: EventStreamOptions) {
    this.#options = options
    const { response, hub } = options
    this.#subscription = hub.subscribe((entries) => this.#take(entries))
    response.on('close', () => this.close())
    response.on('error', () => this.close())
    this.#setBeat()
    void this.#begin()
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#beat?.cancel()
    this.#subscription.close()
    this.#options.response.end()
    this.#options.closed()
  }

  async #begin(): Promise<void> {
    const { after, hub, feed } = this.#options
    const head = this.#subscription.head
    this.#write(`retry: 2000\nevent: hello\nid: ${after ?? head}\ndata: ${JSON.stringify({ head })}\n\n`)
    try {
      if (after !== undefined && after < head) {
        if (after < hub.completeSince || head - after > catchUpMax) this.#lost(head)
        else await this.#catchUp(after, head, feed)
      } else if (after !== undefined && after > head) this.#lost(head)
    } catch {
      // It comes again, with the number it has.
      return this.close()
    }
    const held = this.#held ?? []
    this.#held = undefined
    this.#take(held)
  }

  /** Entries are gone, or were never written: what the client has must be loaded anew. */
  #lost(head: number): void {
    this.#write(`event: lost\nid: ${head}\ndata: ${JSON.stringify({ head })}\n\n`)
  }

  async #catchUp(after: number, head: number, feed: Feed): Promise<void> {
    for (let at = after; at < head && this.#isOpen; ) {
      const entries = await feed.feedRead(at, catchUpRows)
      this.#send(entries.filter((entry) => entry.seq <= head))
      const last = entries.at(-1)
      if (last === undefined) return
      at = last.seq
    }
  }

  #take(entries: readonly FeedEntry[]): void {
    if (this.#held !== undefined) {
      if (this.#held.length + entries.length > catchUpMax) return this.close()
      this.#held.push(...entries)
    } else this.#send(entries)
  }

  #send(entries: readonly FeedEntry[]): void {
    let text = ''
    for (const entry of entries) if (this.#options.maySee(entry)) text += formatEvent(entry)
    if (text !== '') this.#write(text)
  }

  #write(text: string): void {
    const { response } = this.#options
    if (!this.#isOpen) return
    response.write(text)
    if (response.writableLength > unreadBytesMax) this.#drop()
  }

  #drop(): void {
    this.#options.response.destroy()
    this.close()
  }

  #setBeat(): void {
    this.#beat = this.#options.clock.setTimer(heartbeatMs, () => {
      this.#options.stillAllowed().then(
        (allowed) => {
          if (!this.#isOpen) return
          if (!allowed) return this.close()
          this.#write(': here\n\n')
          this.#setBeat()
        },
        () => this.close(),
      )
    })
  }
}

/** One event; JSON has no line end of its own, and a kind neither. */
export function formatEvent(entry: FeedEntry): string {
  const view: EventView = {
    seq: entry.seq,
    at: entry.at,
    kind: entry.kind,
    ...(entry.messageId !== undefined && { messageId: entry.messageId }),
    data: entry.data,
  }
  return `id: ${entry.seq}\nevent: ${entry.kind.replace(/[^\w.-]/g, '_')}\ndata: ${JSON.stringify(view)}\n\n`
}
